"""RegisterFutureReceivable and Crystallise: the cap, who is served first, and what is refused."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import Code, Reason
from registry.operations.existence import Evidence, EvidenceKind
from registry.receivable import Lien, Part, Phase, Receivable
from registry.record.future import served_first, split_liens
from registry.stored import Namespace
from tests.registry.assignment_examples import blanket
from tests.registry.consortium import (
    AFFILIATE,
    BANK,
    DEBTOR,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    FINGERPRINT_KEY,
    OTHER_DEBTOR,
    START_DAY,
    Consortium,
    cancellation,
    confirmation,
    dispute,
    payment,
)
from tests.registry.existence_examples import accredit, arising, contract
from tests.registry.test_parts_and_liens import PLACE


def registered(consortium: Consortium, **changes: Any) -> bytes:
    result = consortium.result(contract(**changes))
    assert result.code is Code.OK
    return result.subject


def test_a_future_receivable_is_the_exporters_up_to_its_cap(consortium: Consortium) -> None:
    record = consortium.record(registered(consortium))
    assert (record.phase, record.outstanding) == (Phase.FUTURE, 10_000)
    assert record.future is not None
    assert (record.future.cap, record.future.crystallised) == (10_000, 0)
    assert [(part.holder, part.amount) for part in record.parts] == [(EXPORTER, 10_000)]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"cap": 0}, Code.AMOUNT_NOT_POSITIVE),
        ({"cap": 1}, Code.OK),
        ({"currency": "XAU"}, Code.CURRENCY_MISMATCH),
        ({"debtor_reference": FINGERPRINT_KEY.debtor(EXPORTER)}, Code.RELATED_PARTY),
        ({"contract_date": START_DAY, "end_date": START_DAY}, Code.OK),
        ({"contract_date": START_DAY, "end_date": START_DAY - 1}, Code.TENOR),
        ({"evidence": ()}, Code.NO_TRADE_EVIDENCE),
        ({"evidence": (Evidence(EvidenceKind.INVOICE, bytes(32)),)}, Code.NO_TRADE_EVIDENCE),
    ],
)
def test_boundaries_of_a_contract(consortium: Consortium, changes: dict[str, Any], code: Code) -> None:
    assert consortium.code(contract(**changes)) is code


def test_a_contract_with_a_delivery_is_no_future_receivable(consortium: Consortium) -> None:
    delivered = consortium.registration(deliveries=[("BL-1", 1, 1)]).fingerprints
    assert consortium.code(contract(fingerprints=delivered)) is Code.NO_TRADE_EVIDENCE


def test_the_same_contract_is_registered_once(consortium: Consortium) -> None:
    first = registered(consortium)
    result = consortium.result(contract(cap=5_000))
    assert result.code is Code.DUPLICATE_RECEIVABLE
    assert result.collided_with == consortium.record(first).place


def test_an_invoice_may_have_the_number_of_its_contract(consortium: Consortium) -> None:
    registered(consortium)
    assert consortium.code(consortium.registration("CON-1")) is Code.OK


def test_what_arises_is_a_live_receivable_and_the_cap_shrinks(consortium: Consortium) -> None:
    future = registered(consortium)
    result = consortium.result(arising(future, amount=4_000))
    record, left = consortium.record(result.subject), consortium.record(future)
    assert (record.phase, record.outstanding, record.origin) == (Phase.LIVE, 4_000, future)
    assert [(part.holder, part.amount) for part in record.parts] == [(EXPORTER, 4_000)]
    assert (left.phase, left.outstanding) == (Phase.FUTURE, 6_000)
    assert consortium.code(consortium.assignment(result.subject, 4_000)) is Code.OK


def test_the_cap_is_reached_and_not_exceeded(consortium: Consortium) -> None:
    future = registered(consortium)
    assert consortium.code(arising(future, "F1", 4_000)) is Code.OK
    result = consortium.result(arising(future, "F2", 6_001))
    assert (result.code, result.reasons) == (Code.OVER_CAP, (Reason("cap_left", 6_000),))
    assert consortium.code(arising(future, "F2", 6_000)) is Code.OK
    assert consortium.code(arising(future, "F3", 1)) is Code.OVER_CAP
    # A refused one leaves no trace: its papers can still be used.
    assert consortium.code(consortium.registration("F3")) is Code.OK


def test_what_is_live_does_not_crystallise(consortium: Consortium) -> None:
    receivable = consortium.registered("A")
    result = consortium.result(arising(receivable))
    assert (result.code, result.collided_with) == (Code.NOT_FUTURE, consortium.record(receivable).place)
    assert consortium.code(arising(bytes(32))) is Code.UNKNOWN_RECEIVABLE


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount": 0}, Code.AMOUNT_NOT_POSITIVE),
        ({"exporter": AFFILIATE}, Code.NOT_PERMITTED),
        ({"witness": OTHER_DEBTOR}, Code.NOT_PERMITTED),
        ({"witness": BANK}, Code.NOT_PERMITTED),
        ({"issue_date": START_DAY - 1}, Code.OK),
        ({"issue_date": START_DAY - 2}, Code.TENOR),
        ({"issue_date": START_DAY + 1, "due_date": START_DAY + 190}, Code.OK),
        ({"issue_date": START_DAY + 2, "due_date": START_DAY + 190}, Code.TENOR),
        ({"issue_date": START_DAY + 101, "due_date": START_DAY + 190}, Code.TENOR),
        ({"due_date": START_DAY - 1}, Code.TENOR),
        ({"due_date": START_DAY + 365}, Code.OK),
        ({"due_date": START_DAY + 366}, Code.TENOR),
        ({"evidence": ()}, Code.NO_TRADE_EVIDENCE),
    ],
)
def test_boundaries_of_what_arises(consortium: Consortium, changes: dict[str, Any], code: Code) -> None:
    future = registered(consortium)
    assert consortium.code(replace(arising(future), **changes)) is code


def test_nothing_arises_without_a_delivery(consortium: Consortium) -> None:
    future = registered(consortium)
    bare = consortium.registration("INV-F1").fingerprints
    assert consortium.code(arising(future, fingerprints=bare)) is Code.NO_TRADE_EVIDENCE


def test_an_accredited_attester_can_be_the_witness(consortium: Consortium) -> None:
    accredit(consortium)
    assert consortium.code(arising(registered(consortium), witness=BANK)) is Code.OK


def test_an_invoice_that_is_registered_does_not_arise_again(consortium: Consortium) -> None:
    future = registered(consortium)
    first = consortium.registered("INV-F1")
    result = consortium.result(arising(future, "inv f1"))
    assert result.code is Code.DUPLICATE_RECEIVABLE
    assert result.collided_with == consortium.record(first).place
    assert consortium.record(future).outstanding == 10_000


def test_precedence_of_broken_rules(consortium: Consortium) -> None:
    future = registered(consortium)
    consortium.registered("INV-F1")
    wrong: dict[str, Any] = {
        "exporter": AFFILIATE,
        "amount": 0,
        "issue_date": START_DAY + 200,
        "evidence": (),
    }
    right = arising(future)
    for field, code in (
        ("exporter", Code.NOT_PERMITTED),
        ("amount", Code.AMOUNT_NOT_POSITIVE),
        ("issue_date", Code.TENOR),
        ("evidence", Code.NO_TRADE_EVIDENCE),
    ):
        assert consortium.code(replace(right, **wrong)) is code
        del wrong[field]
    assert consortium.code(right) is Code.DUPLICATE_RECEIVABLE


def test_only_what_is_owed_can_be_confirmed_disputed_or_paid(consortium: Consortium) -> None:
    future = registered(consortium)
    for operation in (confirmation(future), dispute(future, 1), payment(future, 1)):
        assert consortium.code(operation) is Code.CLOSED


def test_a_contract_is_cancelled_with_what_is_left_of_its_cap(consortium: Consortium) -> None:
    future = registered(consortium)
    arisen = consortium.result(arising(future)).subject
    assert consortium.code(cancellation(future)) is Code.OK
    assert consortium.record(future).phase is Phase.CANCELLED
    assert consortium.record(arisen).phase is Phase.LIVE
    assert consortium.code(arising(future, "F2")) is Code.NOT_FUTURE
    assert consortium.code(contract()) is Code.DUPLICATE_RECEIVABLE


def test_a_blanket_covers_what_arises(consortium: Consortium) -> None:
    future = registered(consortium)
    consortium.do(blanket(consortium))
    record = consortium.record(consortium.result(arising(future)).subject)
    assert [(part.holder, part.amount) for part in record.parts] == [(FACTOR_1, 4_000)]


def test_who_took_a_part_of_the_cap_is_served_before_the_exporter(consortium: Consortium) -> None:
    """An assigned and pledged future receivable, put into the state as an assignment with consent leaves it."""
    future = registered(consortium)
    record = consortium.record(future)
    place = record.place
    state = consortium.working()
    state.put(
        Namespace.RECEIVABLE,
        future,
        replace(
            record,
            parts=(Part(EXPORTER, 7_000, 0, False, place), Part(FACTOR_1, 3_000, 0, False, place)),
            liens=(Lien(bytes(32), EXPORTER, FACTOR_2, 2_000, consortium.now_ms + 10**10, None, place),),
        ),
    )
    consortium.state.apply(state.finish()[0])
    arisen = consortium.record(consortium.result(arising(future, amount=4_000)).subject)
    left = consortium.record(future)
    assert {part.holder: part.amount for part in arisen.parts} == {EXPORTER: 1_000, FACTOR_1: 3_000}
    assert {part.holder: part.amount for part in left.parts} == {EXPORTER: 6_000, FACTOR_1: 0}
    assert [(lien.pledgee, lien.amount) for lien in arisen.liens] == [(FACTOR_2, 1_000)]
    assert [(lien.pledgee, lien.amount) for lien in left.liens] == [(FACTOR_2, 1_000)]


def test_recourse_goes_with_the_value_that_it_is_for(consortium: Consortium) -> None:
    future = registered(consortium)
    consortium.do(
        consortium.assignment(future, 3_000, FACTOR_1, with_recourse=True, future_consented=True),
        consortium.assignment(future, 4_000, FACTOR_2, with_recourse=True, future_consented=True),
    )
    onward = consortium.assignment(
        future, 1_000, FACTOR_2, assignor=FACTOR_1, with_recourse=True, future_consented=True
    )
    consortium.do(onward)
    first = consortium.record(consortium.result(arising(future, "INV-F1", 4_000)).subject)
    assert recourse_on(first) == {
        (EXPORTER, FACTOR_1): 3_000,  # 2,000 that it gave, and what it had passed on
        (EXPORTER, FACTOR_2): 2_000,
        (FACTOR_1, FACTOR_2): 1_000,
    }
    assert recourse_on(consortium.record(future)) == {(EXPORTER, FACTOR_2): 2_000}
    # What a blanket without recourse takes later is not given back on the terms of what was taken before.
    consortium.do(arising(future, "INV-F2", 3_000))
    consortium.do(blanket(consortium))
    last = consortium.record(consortium.result(arising(future, "INV-F3", 1_000)).subject)
    assert (last.amount_of(FACTOR_1), recourse_on(last)) == (1_000, {})


def recourse_on(record: Receivable) -> dict[tuple[str, str], int]:
    return {(each.assignor, each.assignee): each.recourse for each in record.terms}


def test_a_factor_that_consents_takes_a_part_of_the_cap(consortium: Consortium) -> None:
    future = registered(consortium)
    taken = consortium.assignment(future, 3_000, with_recourse=True)
    assert consortium.code(taken) is Code.EMPTY_ASSIGNMENT
    assert consortium.code(replace(taken, future_consented=True)) is Code.OK
    arisen = consortium.record(consortium.result(arising(future, "F1", 2_000)).subject)
    assert {part.holder: part.amount for part in arisen.parts} == {FACTOR_1: 2_000}
    second = consortium.record(consortium.result(arising(future, "F2", 8_000)).subject)
    assert {part.holder: part.amount for part in second.parts} == {EXPORTER: 7_000, FACTOR_1: 1_000}
    # The exporter pledges what it has left, and is told what took the rest.
    result = consortium.result(consortium.pledging(second.receivable_id, 8_000, FACTOR_2))
    assert result.code is Code.DUPLICATE_PLEDGE
    assert result.collided_with == consortium.record(future).disposals[0].latest
    assert consortium.code(consortium.pledging(second.receivable_id, 7_000, FACTOR_2)) is Code.OK


def test_served_first_are_the_others_in_their_order() -> None:
    parts = tuple(Part(holder, amount, 0, False, PLACE) for holder, amount in (("s", 5), ("f", 3), ("g", 3)))
    assert served_first(parts, "s", 2) == {"f": 2}
    assert served_first(parts, "s", 6) == {"f": 3, "g": 3}
    assert served_first(parts, "s", 11) == {"f": 3, "g": 3, "s": 5}


def test_a_junior_lien_goes_with_its_senior() -> None:
    senior = Lien(b"1" * 32, "s", "p", 5, 1, None, PLACE)
    junior = Lien(b"2" * 32, "s", "q", 4, 1, senior.lien_id, PLACE)
    later = Lien(b"3" * 32, "s", "r", 2, 1, None, PLACE)
    liens = (senior, junior, later)
    for value, arisen, left in (
        (0, [], [5, 4, 2]),
        (3, [3, 3], [2, 1, 2]),
        (4, [4, 4], [1, 2]),
        (5, [5, 4], [2]),
        (6, [5, 4, 1], [1]),
        (9, [5, 4, 2], []),
    ):
        over, stays = split_liens(liens, {"s": value} if value else {})
        assert [lien.amount for lien in over] == arisen
        assert [lien.amount for lien in stays] == left
    assert split_liens(liens, {"f": 3}) == ((), liens)


@given(
    st.lists(st.integers(1, 50), min_size=1, max_size=5),
    st.lists(st.tuples(st.integers(1, 50), st.booleans()), max_size=6),
    st.integers(0, 400),
)
def test_what_is_split_adds_up_and_fits_on_both_sides(
    amounts: list[int], pledged: list[tuple[int, bool]], value: int
) -> None:
    parts = tuple(Part(f"h{n}", amount, 0, False, PLACE) for n, amount in enumerate(amounts))
    liens: list[Lien] = []
    room = amounts[0]
    for n, (amount, is_junior) in enumerate(pledged):
        taken = {lien.behind for lien in liens}
        senior = next((lien for lien in liens if lien.lien_id not in taken), None) if is_junior else None
        fitting = min(amount, room if senior is None else senior.amount)
        if fitting > 0:
            behind = None if senior is None else senior.lien_id
            liens.append(Lien(bytes([n]) * 32, "h0", "p", fitting, 1, behind, PLACE))
            room -= fitting if senior is None else 0
    value = min(value, sum(amounts))
    served = served_first(parts, "h0", value)
    assert sum(served.values()) == value
    arisen, left = split_liens(tuple(liens), served)
    for side, part in ((arisen, served.get("h0", 0)), (left, amounts[0] - served.get("h0", 0))):
        by_id = {lien.lien_id: lien for lien in side}
        assert sum(lien.amount for lien in side if lien.behind is None) <= part
        assert all(lien.amount > 0 for lien in side)
        assert all(lien.amount <= by_id[lien.behind].amount for lien in side if lien.behind is not None)
    both = Counter[bytes]()
    for lien in (*arisen, *left):
        both[lien.lien_id] += lien.amount
    assert both == Counter({lien.lien_id: lien.amount for lien in liens})


def test_the_debtor_is_the_witness_by_default(consortium: Consortium) -> None:
    assert arising(registered(consortium)).witness == DEBTOR
