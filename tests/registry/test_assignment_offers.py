"""OfferAssignment, WithdrawOffer, AcceptAssignment: what is reserved, for how long, and who wins a race."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations

import pytest

from registry.entry import Mode
from registry.errors import Code, EntryRefused, Reason, Reference
from registry.limits import RESERVATIONS_MAX
from registry.member import MemberStatus
from registry.operations import Operation
from registry.policy import ConfirmationPolicy
from registry.receivable import free_amount
from registry.record.offers import Reservation, fitting_offers
from registry.status import summarise
from tests.registry.assignment_examples import HOUR_MS, acceptance, offer, offered, withdrawal
from tests.registry.consortium import (
    BANK,
    DAY_MS,
    DEBTOR_FACTOR,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    FACTOR_3,
    FINGERPRINT_KEY,
    OPEN_POLICY,
    START_DAY,
    TRADER,
    Consortium,
    cancellation,
    checked,
    confirmation,
    dispute,
    found,
    payment,
    resolution,
    settlement,
)
from tests.registry.existence_examples import contract


def parts(consortium: Consortium, receivable: bytes) -> dict[str, int]:
    return {part.holder: part.amount for part in consortium.record(receivable).parts}


def reserved(consortium: Consortium, receivable: bytes) -> list[int]:
    return [each.amount for each in consortium.record(receivable).reservations]


@pytest.mark.parametrize(
    ("amount", "code"),
    [(0, Code.AMOUNT_NOT_POSITIVE), (1, Code.OK), (10_000, Code.OK), (10_001, Code.EMPTY_ASSIGNMENT)],
)
def test_at_most_what_is_free_is_offered(consortium: Consortium, amount: int, code: Code) -> None:
    receivable = consortium.registered()
    result = consortium.result(offer(consortium, receivable, amount))
    assert result.code is code
    if code is Code.EMPTY_ASSIGNMENT:
        assert result.collided_with == consortium.record(receivable).place
        assert result.reasons == (Reason("held", 10_000),)


def test_an_offer_takes_its_amount_out_of_what_is_free(consortium: Consortium) -> None:
    receivable = consortium.registered()
    offered(consortium, receivable, 6_000)
    record = consortium.record(receivable)
    free = free_amount(record, EXPORTER)
    assert (free.amount, free.reasons) == (4_000, (Reason("reserved", 6_000),))
    assert summarise(record).free == 4_000
    assert record.amount_of(EXPORTER) == 10_000
    assert FACTOR_1 in record.parties()


@pytest.mark.parametrize(("amount", "code"), [(4_000, Code.OK), (4_001, Code.RESERVED)])
def test_reserved_value_is_not_offered_again(consortium: Consortium, amount: int, code: Code) -> None:
    receivable = consortium.registered()
    first = offered(consortium, receivable, 6_000)
    result = consortium.result(offer(consortium, receivable, amount, FACTOR_2))
    assert result.code is code
    if code is Code.RESERVED:
        assert result.collided_with == first.place
        assert result.reasons == (Reason("held", 10_000), Reason("reserved", 6_000))


def test_reserved_value_is_neither_assigned_nor_pledged(consortium: Consortium) -> None:
    receivable = consortium.registered()
    first = offered(consortium, receivable, 6_000)
    result = consortium.result(consortium.assignment(receivable, 4_001, FACTOR_2))
    assert (result.code, result.collided_with) == (Code.RESERVED, first.place)
    result = consortium.result(consortium.pledging(receivable, 4_001, FACTOR_2))
    assert (result.code, result.collided_with) == (Code.DUPLICATE_PLEDGE, first.place)
    assert consortium.code(consortium.assignment(receivable, 2_000, FACTOR_2)) is Code.OK
    assert consortium.code(consortium.pledging(receivable, 2_000, FACTOR_2)) is Code.OK


def test_not_even_the_factor_of_the_offer_takes_its_value_otherwise(consortium: Consortium) -> None:
    receivable = consortium.registered()
    offered(consortium, receivable)
    assert consortium.code(consortium.assignment(receivable, to=FACTOR_1)) is Code.RESERVED


def test_who_holds_nothing_offers_nothing(consortium: Consortium) -> None:
    receivable = consortium.registered()
    wrong = offer(consortium, receivable, assignor=TRADER)
    assert consortium.code(wrong) is Code.NOT_HOLDER
    consortium.do(consortium.assignment(receivable))
    result = consortium.result(offer(consortium, receivable, 1, FACTOR_2))
    assert (result.code, result.collided_with) == (Code.NOT_HOLDER, Reference(receivable, 3, 0, 0))


def test_nobody_makes_an_offer_to_itself(consortium: Consortium) -> None:
    receivable = consortium.registered(exporter=TRADER)
    wrong = offer(consortium, receivable, assignor=TRADER, to=TRADER)
    assert consortium.code(wrong) is Code.NOT_PERMITTED


@pytest.mark.parametrize(
    ("lasts_ms", "code"),
    [(0, Code.TERM), (1, Code.OK), (72 * HOUR_MS, Code.OK), (72 * HOUR_MS + 1, Code.TERM)],
)
def test_an_offer_runs_as_long_as_the_policy_allows(
    consortium: Consortium, lasts_ms: int, code: Code
) -> None:
    receivable = consortium.registered()
    assert OPEN_POLICY.offer_max_hours == 72
    wanted = offer(consortium, receivable, until_ms=consortium.now_ms + lasts_ms)
    assert consortium.code(wanted) is code


def test_an_unknown_or_closed_receivable_has_no_offers(consortium: Consortium) -> None:
    assert consortium.code(offer(consortium, bytes(32))) is Code.UNKNOWN_RECEIVABLE
    receivable = consortium.registered()
    consortium.do(cancellation(receivable))
    assert consortium.code(offer(consortium, receivable)) is Code.CLOSED


def test_the_precedence_of_two_broken_rules(consortium: Consortium) -> None:
    """Amount, holder, term, value: each is mended in turn."""
    receivable = consortium.registered()
    wrong = offer(consortium, receivable, 0, assignor=TRADER, until_ms=0)
    assert consortium.code(wrong) is Code.AMOUNT_NOT_POSITIVE
    wrong = replace(wrong, amount=10_001)
    assert consortium.code(wrong) is Code.NOT_HOLDER
    wrong = replace(wrong, assignor=EXPORTER)
    assert consortium.code(wrong) is Code.TERM
    wrong = replace(wrong, until_ms=consortium.now_ms + HOUR_MS)
    assert consortium.code(wrong) is Code.EMPTY_ASSIGNMENT


def test_a_receivable_has_a_bounded_number_of_open_offers(consortium: Consortium) -> None:
    receivable = consortium.registered()
    offers = [offer(consortium, receivable, 1) for _ in range(RESERVATIONS_MAX + 1)]
    results = consortium.do(*offers, mode=Mode.INDEPENDENT).results
    assert [result.code for result in results] == [Code.OK] * RESERVATIONS_MAX + [Code.LIMIT_REACHED]


# --- acceptance


def test_an_accepted_offer_moves_the_part_on_its_terms(consortium: Consortium) -> None:
    receivable = consortium.registered()
    made = offered(consortium, receivable, 6_000, with_recourse=True)
    assert consortium.code(acceptance(consortium.record(receivable), made)) is Code.OK
    assert parts(consortium, receivable) == {EXPORTER: 4_000, FACTOR_1: 6_000}
    part = consortium.record(receivable).part_of(FACTOR_1)
    assert part is not None
    assert part.with_recourse
    assert reserved(consortium, receivable) == []
    assert free_amount(consortium.record(receivable), EXPORTER).amount == 4_000


def test_an_offer_is_accepted_once(consortium: Consortium) -> None:
    receivable = consortium.registered()
    made = offered(consortium, receivable, 5_000)
    accept = acceptance(consortium.record(receivable), made)
    assert consortium.code(accept) is Code.OK
    result = consortium.result(accept)
    assert (result.code, result.collided_with) == (Code.NO_OFFER, consortium.record(receivable).place)


def test_only_the_factor_of_the_offer_accepts_it(consortium: Consortium) -> None:
    receivable = consortium.registered()
    made = offered(consortium, receivable)
    record = consortium.record(receivable)
    assert consortium.code(acceptance(record, made, assignee=FACTOR_2)) is Code.NO_OFFER
    assert consortium.code(acceptance(record, made, offer=bytes(32))) is Code.NO_OFFER
    assert consortium.code(acceptance(record, made)) is Code.OK


def test_other_offers_still_count_against_an_acceptance(consortium: Consortium) -> None:
    """Only its own reservation is out of the way: what a dispute left is not enough for both."""
    receivable = consortium.registered()
    first = offered(consortium, receivable, 5_000, FACTOR_1)
    offered(consortium, receivable, 5_000, FACTOR_2)
    consortium.do(dispute(receivable, 1))
    result = consortium.result(acceptance(consortium.record(receivable), first))
    assert result.code is Code.RESERVED
    assert result.reasons == (Reason("held", 10_000), Reason("reserved", 5_000), Reason("disputed", 1))


def test_every_rule_of_an_assignment_is_judged_again(consortium: Consortium) -> None:
    own = FINGERPRINT_KEY.debtor(DEBTOR_FACTOR)
    receivable = consortium.registered("A", similar=None, debtor_reference=own)
    made = offered(consortium, receivable, 4_000)
    other = offered(consortium, receivable, 4_000, DEBTOR_FACTOR)
    record = consortium.record(receivable)
    assert consortium.code(acceptance(record, other)) is Code.RELATED_PARTY
    accept = acceptance(record, made, verified_fingerprints=bytes(32))
    assert consortium.code(accept) is Code.FINGERPRINT_MISMATCH
    twin = consortium.registered("B", similar=None, debtor_reference=own)
    assert consortium.code(acceptance(record, made)) is Code.SUSPICION_NOT_ACKNOWLEDGED
    assert consortium.code(acceptance(record, made, acknowledged_suspicions=(twin,))) is Code.OK


def test_a_refused_acceptance_leaves_the_offer_open(consortium: Consortium) -> None:
    receivable = consortium.registered()
    made = offered(consortium, receivable)
    record = consortium.record(receivable)
    assert consortium.code(acceptance(record, made, verified_fingerprints=bytes(32))) is not Code.OK
    assert consortium.record(receivable).reservations == (made,)
    assert consortium.code(acceptance(record, made)) is Code.OK


def test_an_acceptance_needs_the_confirmation_that_the_policy_asks_for() -> None:
    consortium = found(replace(OPEN_POLICY, require_confirmation=ConfirmationPolicy.FOR_ASSIGNMENT))
    receivable = consortium.registered()
    made = offered(consortium, receivable, 5_000)
    record = consortium.record(receivable)
    assert consortium.code(acceptance(record, made)) is Code.UNCONFIRMED
    consortium.do(confirmation(receivable, 5_000))
    assert consortium.code(acceptance(record, made)) is Code.OK


def test_an_offer_is_not_accepted_after_the_due_date(consortium: Consortium) -> None:
    receivable = consortium.registered(due_date=START_DAY)
    made = offered(consortium, receivable, until_ms=consortium.now_ms + 48 * HOUR_MS)
    consortium.pass_time((START_DAY + 1) * DAY_MS)
    assert consortium.code(acceptance(consortium.record(receivable), made)) is Code.PAST_DUE


def test_an_offer_of_a_suspended_holder_is_not_accepted(consortium: Consortium) -> None:
    receivable = consortium.registered()
    made = offered(consortium, receivable)
    consortium.set_status(EXPORTER, MemberStatus.SUSPENDED)
    result = consortium.result(acceptance(consortium.record(receivable), made))
    assert (result.code, result.reasons[-1]) == (Code.EMPTY_ASSIGNMENT, Reason("suspended", 10_000))


def test_a_suspended_factor_accepts_nothing(consortium: Consortium) -> None:
    receivable = consortium.registered()
    made = offered(consortium, receivable)
    consortium.set_status(FACTOR_1, MemberStatus.SUSPENDED)
    with pytest.raises(EntryRefused) as refused:
        consortium.do(acceptance(consortium.record(receivable), made))
    assert refused.value.code is Code.SUSPENDED


# --- the end of an offer


def test_an_offer_lapses_by_itself(consortium: Consortium) -> None:
    receivable = consortium.registered()
    made = offered(consortium, receivable)
    consortium.pass_time(made.until_ms - 1)
    assert reserved(consortium, receivable) == [10_000]
    consortium.pass_time(made.until_ms)
    assert reserved(consortium, receivable) == []
    record = consortium.record(receivable)
    assert record.changed_height == consortium.tip.height
    assert consortium.code(acceptance(record, made)) is Code.NO_OFFER
    assert consortium.code(consortium.assignment(receivable, to=FACTOR_2)) is Code.OK


@pytest.mark.parametrize(("late_ms", "code"), [(-1, Code.OK), (0, Code.NO_OFFER)])
def test_the_last_moment_of_an_offer(consortium: Consortium, late_ms: int, code: Code) -> None:
    receivable = consortium.registered()
    made = offered(consortium, receivable)
    accept = acceptance(consortium.record(receivable), made)
    assert consortium.code(accept, time_ms=made.until_ms + late_ms) is code


def test_what_a_full_block_of_expiries_left_over_is_over_all_the_same(
    consortium: Consortium, monkeypatch: pytest.MonkeyPatch
) -> None:
    receivable = consortium.registered()
    made = offered(consortium, receivable)
    monkeypatch.setattr("registry.limits.EXPIRIES_PER_BLOCK_MAX", 0)
    accept = acceptance(consortium.record(receivable), made)
    assert consortium.code(accept, time_ms=made.until_ms) is Code.NO_OFFER
    assert reserved(consortium, receivable) == [10_000]


def test_a_withdrawn_offer_frees_its_amount(consortium: Consortium) -> None:
    receivable = consortium.registered()
    made = offered(consortium, receivable)
    record = consortium.record(receivable)
    assert consortium.code(withdrawal(made, receivable)) is Code.OK
    assert consortium.code(acceptance(record, made)) is Code.NO_OFFER
    assert consortium.code(withdrawal(made, receivable)) is Code.NO_OFFER
    assert consortium.code(offer(consortium, receivable, to=FACTOR_2)) is Code.OK


def test_only_who_made_an_offer_withdraws_it(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 1_000, TRADER))
    made = offered(consortium, receivable, 1_000)
    wrong = withdrawal(made, receivable, assignor=TRADER)
    assert consortium.code(wrong) is Code.NO_OFFER
    assert consortium.code(withdrawal(made, bytes(32))) is Code.UNKNOWN_RECEIVABLE
    assert reserved(consortium, receivable) == [1_000]


def test_an_accepted_offer_is_not_withdrawn(consortium: Consortium) -> None:
    receivable = consortium.registered()
    made = offered(consortium, receivable)
    accept, withdraw = acceptance(consortium.record(receivable), made), withdrawal(made, receivable)
    first, second = consortium.commit(consortium.entry(accept), consortium.entry(withdraw)).receipts
    assert (first.results[0].code, second.results[0].code) == (Code.OK, Code.NO_OFFER)


def test_offers_end_with_settlement(consortium: Consortium) -> None:
    receivable = consortium.registered()
    offered(consortium, receivable)
    assert consortium.code(settlement(receivable, write_off=True)) is Code.OK
    assert reserved(consortium, receivable) == []


def test_a_receivable_with_an_open_offer_is_not_cancelled(consortium: Consortium) -> None:
    receivable = consortium.registered()
    made = offered(consortium, receivable, 1)
    result = consortium.result(cancellation(receivable))
    assert (result.code, result.collided_with) == (Code.ENCUMBERED, made.place)
    assert Reason("reserved", 1) in result.reasons
    consortium.do(withdrawal(made, receivable))
    assert consortium.code(cancellation(receivable)) is Code.OK


def test_a_payment_ends_the_latest_offers_that_no_longer_fit(consortium: Consortium) -> None:
    """An offer is never made smaller: the price was for the whole of it."""
    receivable = consortium.registered()
    consortium.do(consortium.pledging(receivable, 1_000, FACTOR_3))
    for amount, factor in ((4_000, FACTOR_1), (3_000, FACTOR_2), (2_000, FACTOR_1)):
        offered(consortium, receivable, amount, factor)
    consortium.do(payment(receivable, 1, reporter=BANK))
    assert reserved(consortium, receivable) == [4_000, 3_000]
    consortium.do(payment(receivable, 2_999, reporter=BANK))
    assert reserved(consortium, receivable) == [4_000]
    consortium.do(payment(receivable, 7_000, reporter=BANK))
    assert reserved(consortium, receivable) == []


def test_a_dilution_ends_offers_that_no_longer_fit(consortium: Consortium) -> None:
    receivable = consortium.registered()
    offered(consortium, receivable)
    consortium.do(dispute(receivable, 1), resolution(receivable, dilution=[(EXPORTER, 1)]))
    assert reserved(consortium, receivable) == []


def test_a_later_small_offer_stays_where_an_earlier_large_one_ends() -> None:
    def one(number: int, assignor: str, amount: int) -> Reservation:
        place = Reference(bytes(32), number, 0, 0)
        return Reservation(bytes([number]) * 32, assignor, FACTOR_1, amount, 1, False, False, None, place)

    offers = (one(1, EXPORTER, 5), one(2, TRADER, 5), one(3, EXPORTER, 3))
    assert fitting_offers(offers, {EXPORTER: 4, TRADER: 5}) == offers[1:]
    assert fitting_offers(offers, {EXPORTER: 8}) == (offers[0], offers[2])
    assert fitting_offers(offers, {}) == ()


def test_an_atomic_entry_that_fails_leaves_no_reservation(consortium: Consortium) -> None:
    receivable = consortium.registered()
    receipt = consortium.do(
        offer(consortium, receivable, 6_000), offer(consortium, receivable, 6_000, FACTOR_2)
    )
    assert receipt.failed_operation == 1
    assert receipt.results[1].code is Code.RESERVED
    assert reserved(consortium, receivable) == []
    assert consortium.code(offer(consortium, receivable)) is Code.OK


# --- which claim is named


@pytest.mark.parametrize("first", ["pledge", "offer"])
def test_of_a_lien_and_an_offer_the_one_in_the_way_is_named(consortium: Consortium, first: str) -> None:
    receivable = consortium.registered()
    claims: list[Operation] = [
        consortium.pledging(receivable, 2_000, FACTOR_3),
        offer(consortium, receivable, 5_000),
    ]
    for claim in claims if first == "pledge" else reversed(claims):
        assert consortium.code(claim) is Code.OK
    record = consortium.record(receivable)
    lien, made = record.liens[0].place, record.reservations[0].place

    def answer(amount: int) -> tuple[Code, Reference | None]:
        result = consortium.result(consortium.assignment(receivable, amount, FACTOR_2))
        return result.code, result.collided_with

    assert answer(4_000) == (Code.RESERVED, made)  # it would be free without the offer, lien or not
    assert answer(8_001) == ((Code.PLEDGED, lien) if first == "pledge" else (Code.RESERVED, made))


def test_a_large_lien_is_named_before_a_small_offer(consortium: Consortium) -> None:
    receivable = consortium.registered()
    offered(consortium, receivable, 1_000)
    consortium.do(consortium.pledging(receivable, 8_000, FACTOR_3))
    result = consortium.result(consortium.assignment(receivable, 5_000, FACTOR_2))
    assert (result.code, result.collided_with) == (
        Code.PLEDGED,
        consortium.record(receivable).liens[0].place,
    )


# --- races


_RACERS = ((FACTOR_1, 5_000, "offer"), (FACTOR_2, 4_000, "assign"), (FACTOR_3, 3_000, "offer"))


@pytest.mark.parametrize("order", list(permutations(_RACERS)))
def test_races_of_partial_offers_and_assignments_in_every_order(
    consortium: Consortium, order: Sequence[tuple[str, int, str]]
) -> None:
    """Offers and assignments above the whole in one block: the first come take, and the first claim in the way is named."""
    receivable = consortium.registered()
    raws = [
        consortium.entry(
            offer(consortium, receivable, amount, to)
            if kind == "offer"
            else consortium.assignment(receivable, amount, to)
        )
        for to, amount, kind in order
    ]
    receipts = consortium.commit(*raws).receipts
    free, taken = 10_000, 0
    for receipt, (_to, amount, kind) in zip(receipts, order, strict=True):
        result = receipt.results[0]
        if amount <= free:
            assert result.code is Code.OK
            free -= amount
            taken += amount if kind == "assign" else 0
        else:
            beside_offers = amount <= 10_000 - taken
            assert result.code is (Code.RESERVED if beside_offers else Code.EMPTY_ASSIGNMENT)
            assert result.collided_with is not None
    record = consortium.record(receivable)
    assert free_amount(record, EXPORTER).amount == free
    for each in record.reservations:
        assert consortium.code(acceptance(record, each)) is Code.OK
    assert sum(parts(consortium, receivable).values()) == 10_000


@pytest.mark.parametrize("order", list(permutations(("accept 1", "accept 2", "withdraw 1", "assign"))))
def test_races_of_acceptance_withdrawal_and_assignment_in_every_order(
    consortium: Consortium, order: Sequence[str]
) -> None:
    receivable = consortium.registered()
    first = offered(consortium, receivable, 6_000, FACTOR_1)
    second = offered(consortium, receivable, 4_000, FACTOR_2)
    record = consortium.record(receivable)
    operations: dict[str, Operation] = {
        "accept 1": acceptance(record, first),
        "accept 2": acceptance(record, second),
        "withdraw 1": withdrawal(first, receivable),
        "assign": consortium.assignment(receivable, 1_000, FACTOR_3),
    }
    receipts = consortium.commit(*[consortium.entry(operations[name]) for name in order]).receipts
    code = {name: receipt.results[0].code for name, receipt in zip(order, receipts, strict=True)}
    accepted_first = order.index("accept 1") < order.index("withdraw 1")
    assert code["accept 1"] is (Code.OK if accepted_first else Code.NO_OFFER)
    assert code["withdraw 1"] is (Code.NO_OFFER if accepted_first else Code.OK)
    assert code["accept 2"] is Code.OK
    freed = not accepted_first and order.index("withdraw 1") < order.index("assign")
    assert (code["assign"] is Code.OK) == freed
    assert sum(parts(consortium, receivable).values()) == 10_000


def test_one_block_holds_offer_acceptance_and_a_late_assignment(consortium: Consortium) -> None:
    receivable = consortium.registered()
    raw = consortium.entry(offer(consortium, receivable))
    execution = consortium.execution()
    execution.apply(checked(raw))
    late = consortium.entry(consortium.assignment(receivable, 1, FACTOR_2))
    result = execution.apply(checked(late)).results[0]
    assert (result.code, result.collided_with) == (
        Code.RESERVED,
        Reference(result.collided_with.subject if result.collided_with else b"", 2, 0, 0),
    )


# --- bar of onward assignment


def test_a_bar_forbids_assigning_and_offering_onward(consortium: Consortium) -> None:
    receivable = consortium.registered()
    made = offered(consortium, receivable, 6_000, resale_barred=True)
    consortium.do(acceptance(consortium.record(receivable), made))
    accepted = consortium.record(receivable).terms[0].latest
    onward = consortium.assignment(receivable, 1, FACTOR_2, assignor=FACTOR_1)
    result = consortium.result(onward)
    assert (result.code, result.collided_with) == (Code.RESALE_BARRED, accepted)
    result = consortium.result(offer(consortium, receivable, 1, FACTOR_2, assignor=FACTOR_1))
    assert (result.code, result.collided_with) == (Code.RESALE_BARRED, accepted)
    # The bar is the assignee's: what stayed with the assignor is not barred, and a pledge is no onward assignment.
    assert consortium.code(consortium.assignment(receivable, 1, FACTOR_2)) is Code.OK
    pledge = consortium.pledging(receivable, 1_000, FACTOR_2, pledgor=FACTOR_1)
    assert consortium.code(pledge) is Code.OK


def test_a_bar_on_some_of_a_part_is_a_bar_on_the_part(consortium: Consortium) -> None:
    receivable = consortium.registered()
    onward = consortium.assignment(receivable, 1, FACTOR_2, assignor=FACTOR_1)
    consortium.do(consortium.assignment(receivable, 1_000))
    assert consortium.code(onward) is Code.OK
    consortium.do(consortium.assignment(receivable, 1_000, resale_barred=True))
    assert consortium.code(onward) is Code.RESALE_BARRED
    consortium.do(consortium.assignment(receivable, 1_000))
    assert consortium.code(onward) is Code.RESALE_BARRED


def test_a_bar_ends_with_the_part(consortium: Consortium) -> None:
    """What a factor takes after it was paid out stands on its own terms."""
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 1_000, resale_barred=True))
    consortium.do(payment(receivable, 1_000, holder=FACTOR_1))
    consortium.do(consortium.assignment(receivable, 2_000))
    onward = consortium.assignment(receivable, 2_000, FACTOR_2, assignor=FACTOR_1)
    assert consortium.code(onward) is Code.OK
    assert consortium.record(receivable).terms == ()


def test_a_bar_is_judged_after_the_related_party_and_before_the_papers(consortium: Consortium) -> None:
    own = FINGERPRINT_KEY.debtor(DEBTOR_FACTOR)
    receivable = consortium.registered(debtor_reference=own)
    consortium.do(consortium.assignment(receivable, resale_barred=True))
    wrong = consortium.assignment(
        receivable, 1, DEBTOR_FACTOR, assignor=FACTOR_1, verified_fingerprints=bytes(32)
    )
    assert consortium.code(wrong) is Code.RELATED_PARTY
    assert consortium.code(replace(wrong, assignee=FACTOR_2)) is Code.RESALE_BARRED


# --- future receivables


def test_a_future_receivable_is_taken_by_who_consents_to_it(consortium: Consortium) -> None:
    receivable = consortium.do(contract()).results[0].subject
    assign = consortium.assignment(receivable, 1_000)
    result = consortium.result(assign)
    assert (result.code, result.reasons[-1].word) == (Code.EMPTY_ASSIGNMENT, "future")
    assert consortium.code(replace(assign, future_consented=True)) is Code.OK
    made = offered(consortium, receivable, 2_000, FACTOR_2)
    record = consortium.record(receivable)
    assert consortium.code(acceptance(record, made)) is Code.EMPTY_ASSIGNMENT
    assert consortium.code(acceptance(record, made, future_consented=True)) is Code.OK
    assert consortium.record(receivable).amount_of(FACTOR_2) == 2_000


def test_the_claim_on_a_future_receivable_is_named_to_who_consents(consortium: Consortium) -> None:
    receivable = consortium.do(contract()).results[0].subject
    whole = consortium.record(receivable).outstanding
    made = offered(consortium, receivable, whole)
    assign = consortium.assignment(receivable, 1, FACTOR_2, future_consented=True)
    result = consortium.result(assign)
    assert (result.code, result.collided_with) == (Code.RESERVED, made.place)
