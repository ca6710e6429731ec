"""AssignBlanket: whose a registration is at once, and which blankets get into each other's way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from registry.entry import Mode
from registry.errors import Code, EntryRefused, Reference
from registry.limits import BLANKETS_MAX, LIEN_TERM_MS_MAX
from registry.member import MemberStatus
from registry.operations import AssignBlanket, Operation
from registry.operations.existence import RegisterReceivable
from registry.operations.relationships import DeclareRelationship, DeclareRiskAssets
from registry.policy import ConfirmationPolicy, RelatedPartyPolicy
from registry.receivable import free_amount
from registry.stored import Namespace
from tests.registry.assignment_examples import acceptance, blanket, giving_back, offered
from tests.registry.consortium import (
    AFFILIATE,
    DAY_MS,
    DEBTOR,
    DEBTOR_FACTOR,
    DEBTOR_REFERENCE,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    FINGERPRINT_KEY,
    OPEN_POLICY,
    OTHER_DEBTOR_REFERENCE,
    START_DAY,
    TRADER,
    Consortium,
    cancellation,
    confirmation,
    dispute,
    found,
    stored,
)
from tests.registry.existence_examples import arising, contract


def parts(consortium: Consortium, receivable: bytes) -> dict[str, int]:
    return {part.holder: part.amount for part in consortium.record(receivable).parts}


def agreed(consortium: Consortium, to: str = FACTOR_1, **changes: Any) -> Reference:
    """Where a new blanket stands."""
    operation = blanket(consortium, to, **changes)
    result = consortium.result(operation)
    assert result.code is Code.OK
    place = consortium.working().blankets(operation.assignor)[-1].place
    assert place.subject == result.subject
    return place


def test_a_later_registration_is_the_factors_at_once(consortium: Consortium) -> None:
    earlier = consortium.registered()
    place = agreed(consortium, with_recourse=True)
    later = consortium.registered()
    assert parts(consortium, earlier) == {EXPORTER: 10_000}
    assert parts(consortium, later) == {FACTOR_1: 10_000}
    record = consortium.record(later)
    part, disposal = record.part_of(FACTOR_1), record.disposed_by(EXPORTER)
    assert part is not None
    assert disposal is not None
    assert (part.with_recourse, part.since) == (True, record.place)
    assert (disposal.amount, disposal.latest) == (10_000, place)
    assert free_amount(record, FACTOR_1).amount == 10_000


def test_block_order_decides_what_a_blanket_takes(consortium: Consortium) -> None:
    raws = [
        consortium.entry(operation)
        for operation in (
            consortium.registration("before"),
            blanket(consortium),
            consortium.registration("after"),
        )
    ]
    before, _agreed, after = consortium.commit(*raws).receipts
    assert parts(consortium, before.results[0].subject) == {EXPORTER: 10_000}
    assert parts(consortium, after.results[0].subject) == {FACTOR_1: 10_000}


def test_a_blanket_for_one_debtor_leaves_the_others(consortium: Consortium) -> None:
    agreed(consortium, debtor_reference=OTHER_DEBTOR_REFERENCE)
    ours = consortium.registered(debtor_reference=OTHER_DEBTOR_REFERENCE)
    theirs = consortium.registered(debtor_reference=DEBTOR_REFERENCE)
    other = consortium.registered(exporter=AFFILIATE, debtor_reference=OTHER_DEBTOR_REFERENCE)
    assert parts(consortium, ours) == {FACTOR_1: 10_000}
    assert parts(consortium, theirs) == {EXPORTER: 10_000}
    assert parts(consortium, other) == {AFFILIATE: 10_000}


@pytest.mark.parametrize(
    ("offset_ms", "holder"), [(-1, EXPORTER), (0, FACTOR_1), (DAY_MS - 1, FACTOR_1), (DAY_MS, EXPORTER)]
)
def test_a_blanket_takes_what_its_period_holds_in_block_time(
    consortium: Consortium, offset_ms: int, holder: str
) -> None:
    from_ms = consortium.now_ms + DAY_MS
    agreed(consortium, from_ms=from_ms, until_ms=from_ms + DAY_MS)
    receipt = consortium.do(
        consortium.registration(), time_ms=from_ms + offset_ms, valid_until_ms=from_ms + 9 * DAY_MS
    )
    assert list(parts(consortium, receipt.results[0].subject)) == [holder]


# --- blanket against specific


def test_blanket_against_specific_assignment_of_what_it_took(consortium: Consortium) -> None:
    """The exporter assigns and pledges what a blanket already took: refused, and the blanket is named."""
    place = agreed(consortium)
    receivable = consortium.registered()
    result = consortium.result(consortium.assignment(receivable, to=FACTOR_2))
    assert (result.code, result.collided_with) == (Code.NOT_HOLDER, place)
    result = consortium.result(consortium.pledging(receivable, to=FACTOR_2))
    assert (result.code, result.collided_with) == (Code.DUPLICATE_PLEDGE, place)
    assert consortium.code(cancellation(receivable)) is Code.ENCUMBERED


def test_specific_assignment_before_the_blanket_stands(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 6_000, FACTOR_2))
    agreed(consortium)
    assert parts(consortium, receivable) == {EXPORTER: 4_000, FACTOR_2: 6_000}
    assert consortium.code(consortium.assignment(receivable, 4_000, FACTOR_2)) is Code.OK


def test_a_specific_offer_before_the_blanket_can_be_accepted(consortium: Consortium) -> None:
    receivable = consortium.registered()
    made = offered(consortium, receivable, to=FACTOR_2)
    agreed(consortium)
    assert consortium.code(acceptance(consortium.record(receivable), made)) is Code.OK


@pytest.mark.parametrize("blanket_first", [True, False])
def test_blanket_and_specific_in_one_block_by_order(consortium: Consortium, blanket_first: bool) -> None:
    """The blanket before or after the registration in one block; the specific assignment comes after both."""
    entries = [consortium.entry(blanket(consortium)), consortium.entry(consortium.registration("RACE"))]
    receipts = consortium.commit(*(entries if blanket_first else reversed(entries))).receipts
    receivable = receipts[1 if blanket_first else 0].results[0].subject
    code = consortium.code(consortium.assignment(receivable, to=FACTOR_2))
    assert code is (Code.NOT_HOLDER if blanket_first else Code.OK)


@pytest.mark.parametrize(
    ("earlier", "later", "code"),
    [
        (None, None, Code.BLANKET_CONFLICT),
        (DEBTOR_REFERENCE, DEBTOR_REFERENCE, Code.BLANKET_CONFLICT),
        (None, DEBTOR_REFERENCE, Code.BLANKET_CONFLICT),
        (DEBTOR_REFERENCE, None, Code.BLANKET_CONFLICT),
        (DEBTOR_REFERENCE, OTHER_DEBTOR_REFERENCE, Code.OK),
    ],
)
@pytest.mark.parametrize("factor", [FACTOR_1, FACTOR_2])
def test_blanket_against_blanket(
    consortium: Consortium, earlier: bytes | None, later: bytes | None, code: Code, factor: str
) -> None:
    """For one debtor, or for a debtor and all debtors; whoever the factor of the second is."""
    place = agreed(consortium, debtor_reference=earlier)
    result = consortium.result(blanket(consortium, factor, debtor_reference=later))
    assert result.code is code
    assert result.collided_with == (place if code is Code.BLANKET_CONFLICT else None)


@pytest.mark.parametrize(
    ("from_days", "until_days", "code"),
    [
        (0, 10, Code.OK),
        (0, 11, Code.BLANKET_CONFLICT),
        (12, 13, Code.BLANKET_CONFLICT),
        (0, 30, Code.BLANKET_CONFLICT),
        (19, 30, Code.BLANKET_CONFLICT),
        (20, 30, Code.OK),
    ],
)
def test_periods_that_only_touch_do_not_overlap(
    consortium: Consortium, from_days: int, until_days: int, code: Code
) -> None:
    start = consortium.now_ms
    agreed(consortium, from_ms=start + 10 * DAY_MS, until_ms=start + 20 * DAY_MS)
    later = blanket(
        consortium, FACTOR_2, from_ms=start + from_days * DAY_MS, until_ms=start + until_days * DAY_MS
    )
    assert consortium.code(later) is code


def test_blankets_of_two_exporters_do_not_conflict(consortium: Consortium) -> None:
    agreed(consortium)
    assert consortium.code(blanket(consortium, FACTOR_2, assignor=AFFILIATE)) is Code.OK


def test_two_blankets_in_one_block_are_judged_in_its_order(consortium: Consortium) -> None:
    raws = [consortium.entry(blanket(consortium, to)) for to in (FACTOR_2, FACTOR_1)]
    first, second = consortium.commit(*raws).receipts
    assert first.results[0].code is Code.OK
    assert second.results[0].code is Code.BLANKET_CONFLICT
    assert list(parts(consortium, consortium.registered())) == [FACTOR_2]


# --- term, parties, number


@pytest.mark.parametrize(
    ("from_ms", "length_ms", "code"),
    [
        (0, 0, Code.TERM),
        (0, 1, Code.OK),
        (-1, 1, Code.TERM),
        (-DAY_MS, DAY_MS + 1, Code.OK),
        (1, -1, Code.TERM),
        (0, LIEN_TERM_MS_MAX, Code.OK),
        (0, LIEN_TERM_MS_MAX + 1, Code.TERM),
    ],
)
def test_a_blanket_ends_after_it_begins_and_not_in_the_past(
    consortium: Consortium, from_ms: int, length_ms: int, code: Code
) -> None:
    start = consortium.now_ms
    wanted = blanket(consortium, from_ms=start + from_ms, until_ms=start + from_ms + length_ms)
    assert consortium.code(wanted) is code


def test_a_factor_takes_no_blanket_over_what_it_owes(consortium: Consortium) -> None:
    own = FINGERPRINT_KEY.debtor(DEBTOR_FACTOR)
    assert consortium.code(blanket(consortium, DEBTOR_FACTOR, debtor_reference=own)) is Code.RELATED_PARTY
    exporters = FINGERPRINT_KEY.debtor(EXPORTER)
    assert consortium.code(blanket(consortium, debtor_reference=exporters)) is Code.RELATED_PARTY


def test_the_precedence_of_two_broken_rules(consortium: Consortium) -> None:
    """Term, related party, conflict."""
    own = FINGERPRINT_KEY.debtor(DEBTOR_FACTOR)
    agreed(consortium)
    wrong = blanket(consortium, DEBTOR_FACTOR, debtor_reference=own, until_ms=0)
    assert consortium.code(wrong) is Code.TERM
    wrong = replace(wrong, until_ms=consortium.now_ms + DAY_MS)
    assert consortium.code(wrong) is Code.RELATED_PARTY
    assert consortium.code(replace(wrong, assignee=FACTOR_2)) is Code.BLANKET_CONFLICT


def test_a_debtor_that_is_the_factor_stays_with_the_exporter(consortium: Consortium) -> None:
    """Under a blanket against every debtor: the factor cannot take on its own debt."""
    agreed(consortium, to=DEBTOR_FACTOR)
    own = FINGERPRINT_KEY.debtor(DEBTOR_FACTOR)
    assert list(parts(consortium, consortium.registered(debtor_reference=own))) == [EXPORTER]
    assert list(parts(consortium, consortium.registered())) == [DEBTOR_FACTOR]


@pytest.mark.parametrize(
    ("policy", "holder"), [(RelatedPartyPolicy.REFUSE, EXPORTER), (RelatedPartyPolicy.FLAG, FACTOR_1)]
)
def test_nothing_attaches_against_a_debtor_of_the_factors_group_unless_the_policy_only_flags_it(
    policy: RelatedPartyPolicy, holder: str
) -> None:
    consortium = found(replace(OPEN_POLICY, related_party=policy))
    for member in (FACTOR_1, DEBTOR):
        party = FINGERPRINT_KEY.debtor(member)
        consortium.do(
            DeclareRelationship(member, party, bytes([7]) * 32, 0, False, False), signed_by=[member]
        )
    agreed(consortium)
    result = consortium.result(consortium.registration())
    assert result.code is Code.OK
    assert list(parts(consortium, result.subject)) == [holder]
    assert [reason.word for reason in result.reasons] == (["related_party"] if holder == FACTOR_1 else [])


def test_a_blanket_does_not_lead_beyond_the_factors_limits() -> None:
    consortium = found(replace(OPEN_POLICY, single_debtor_max_percent=50))
    consortium.do(DeclareRiskAssets(FACTOR_1, "USD", 30_000, START_DAY), signed_by=[FACTOR_1])
    agreed(consortium)
    first, second, third = (consortium.registered(amount=amount) for amount in (10_000, 5_001, 5_000))
    assert [list(parts(consortium, each)) for each in (first, second, third)] == [
        [FACTOR_1],
        [EXPORTER],
        [FACTOR_1],
    ]
    assert consortium.code(consortium.assignment(second, 5_001, FACTOR_1)) is Code.CONCENTRATION


def test_nothing_attaches_to_a_suspended_factor(consortium: Consortium) -> None:
    agreed(consortium)
    consortium.set_status(FACTOR_1, MemberStatus.SUSPENDED)
    assert list(parts(consortium, consortium.registered())) == [EXPORTER]
    consortium.set_status(FACTOR_1, MemberStatus.ACTIVE)
    assert list(parts(consortium, consortium.registered())) == [FACTOR_1]


def test_both_sides_sign_a_blanket(consortium: Consortium) -> None:
    for alone in (EXPORTER, FACTOR_1):
        with pytest.raises(EntryRefused) as refused:
            consortium.do(blanket(consortium), signed_by=[alone])
        assert refused.value.code is Code.MISSING_SIGNATURE
    with pytest.raises(EntryRefused) as refused:
        consortium.do(blanket(consortium, TRADER, assignor=FACTOR_1))
    assert refused.value.code is Code.NOT_PERMITTED


def test_an_exporter_has_a_bounded_number_of_running_blankets(consortium: Consortium) -> None:
    def short(number: int) -> AssignBlanket:
        return blanket(consortium, debtor_reference=bytes([number]) * 32, until_ms=consortium.now_ms + DAY_MS)

    full: list[Operation] = [short(number) for number in range(BLANKETS_MAX + 1)]
    results = consortium.do(*full, mode=Mode.INDEPENDENT).results
    assert [result.code for result in results] == [Code.OK] * BLANKETS_MAX + [Code.LIMIT_REACHED]
    # Those that are over make room, and are forgotten.
    consortium.pass_time(consortium.now_ms + DAY_MS)
    assert consortium.code(short(BLANKETS_MAX)) is Code.OK
    assert len(stored(consortium, Namespace.BLANKET, EXPORTER.encode())) == 1


def test_a_refused_registration_attaches_nothing_and_a_failed_entry_agrees_nothing(
    consortium: Consortium,
) -> None:
    wrong: RegisterReceivable = consortium.registration("bad", currency="XXX")
    receipt = consortium.do(blanket(consortium), wrong)
    assert receipt.failed_operation == 1
    assert consortium.working().blankets(EXPORTER) == ()
    assert list(parts(consortium, consortium.registered())) == [EXPORTER]


# --- what the factor can do with what attached


def test_what_attached_moves_on_once_the_debtor_has_confirmed() -> None:
    """Attaching relies on no confirmation; moving it on does, where the policy asks for one."""
    consortium = found(replace(OPEN_POLICY, require_confirmation=ConfirmationPolicy.FOR_ASSIGNMENT))
    agreed(consortium)
    receivable = consortium.registered()
    onward = consortium.assignment(receivable, 1, FACTOR_2, assignor=FACTOR_1)
    assert consortium.code(onward) is Code.UNCONFIRMED
    consortium.do(confirmation(receivable))
    assert consortium.code(onward) is Code.OK


def test_the_blankets_terms_hold_for_what_attached(consortium: Consortium) -> None:
    place = agreed(consortium, with_recourse=True, resale_barred=True)
    receivable = consortium.registered()
    result = consortium.result(consortium.assignment(receivable, 1, FACTOR_2, assignor=FACTOR_1))
    assert (result.code, result.collided_with) == (Code.RESALE_BARRED, place)
    consortium.do(dispute(receivable, 1))
    assert consortium.code(giving_back(receivable)) is Code.OK
    assert parts(consortium, receivable) == {EXPORTER: 10_000}


# --- future receivables


def test_a_blanket_takes_what_arises_under_a_contract_that_nobody_has_a_claim_on(
    consortium: Consortium,
) -> None:
    free = consortium.do(contract("free")).results[0].subject
    taken = consortium.do(contract("taken")).results[0].subject
    assign = consortium.assignment(
        taken, 10_000, FACTOR_2, future_consented=True, acknowledged_suspicions=(free,)
    )
    assert consortium.code(assign) is Code.OK
    agreed(consortium)
    arisen = consortium.do(arising(free, "A")).results[0].subject
    assert parts(consortium, arisen) == {FACTOR_1: 4_000}
    arisen = consortium.do(arising(taken, "B")).results[0].subject
    assert parts(consortium, arisen) == {FACTOR_2: 4_000}
