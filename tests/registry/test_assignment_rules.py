"""Assign: full, partial and onward; what is refused and what it collided with."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, permutations

import pytest

from registry.entry import Mode
from registry.errors import Code, Reason, Reference
from registry.limits import DISPOSALS_MAX, HOLDERS_MAX
from registry.member import MemberStatus
from registry.policy import ConfirmationPolicy
from registry.receivable import free_amount
from registry.rules.disposal import free_of
from registry.rules.judgement import Judgement
from registry.stored import Namespace
from tests.registry.consortium import (
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
    checked,
    confirmation,
    dispute,
    found,
    key_of,
    member_id_of,
    payment,
    settlement,
)


def parts(consortium: Consortium, receivable: bytes) -> dict[str, int]:
    return {part.holder: part.amount for part in consortium.record(receivable).parts}


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        (0, Code.AMOUNT_NOT_POSITIVE),
        (1, Code.OK),
        (10_000, Code.OK),
        (10_001, Code.EMPTY_ASSIGNMENT),
        (2**63 - 1, Code.EMPTY_ASSIGNMENT),
    ],
)
def test_at_most_the_whole_is_assigned(consortium: Consortium, amount: int, code: Code) -> None:
    receivable = consortium.registered()
    result = consortium.result(consortium.assignment(receivable, amount))
    assert result.code is code
    if code is Code.EMPTY_ASSIGNMENT:
        assert result.reasons == (Reason("held", 10_000),)
        assert result.collided_with == consortium.record(receivable).place


def test_a_partial_assignment_leaves_the_rest_with_the_assignor(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 4_000, with_recourse=True))
    assert parts(consortium, receivable) == {EXPORTER: 6_000, FACTOR_1: 4_000}
    part = consortium.record(receivable).part_of(FACTOR_1)
    assert part is not None
    assert part.with_recourse
    assert part.since == Reference(receivable, 2, 0, 0)


def test_a_full_assignment_ends_the_assignors_part(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable))
    assert parts(consortium, receivable) == {FACTOR_1: 10_000}
    disposal = consortium.record(receivable).disposed_by(EXPORTER)
    assert disposal is not None
    assert (disposal.amount, disposal.latest) == (10_000, Reference(receivable, 2, 0, 0))


def test_a_second_part_for_the_same_assignee_adds_to_the_first(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 4_000))
    consortium.do(consortium.assignment(receivable, 6_000))
    assert parts(consortium, receivable) == {FACTOR_1: 10_000}


def test_second_assignment_is_refused_and_names_the_first(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable))
    result = consortium.result(consortium.assignment(receivable, to=FACTOR_2))
    assert result.code is Code.NOT_HOLDER
    assert result.collided_with == Reference(receivable, 2, 0, 0)


def test_who_never_held_cannot_assign(consortium: Consortium) -> None:
    receivable = consortium.registered()
    result = consortium.result(consortium.assignment(receivable, 1, assignor=TRADER))
    assert (result.code, result.collided_with) == (Code.NOT_HOLDER, consortium.record(receivable).place)


def test_onward_assignment_moves_the_assignees_part(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 7_000))
    onward = consortium.assignment(receivable, 3_000, assignor=FACTOR_1, to=FACTOR_2)
    assert consortium.code(onward) is Code.OK
    assert parts(consortium, receivable) == {EXPORTER: 3_000, FACTOR_1: 4_000, FACTOR_2: 3_000}


def test_what_went_round_can_be_assigned_again(consortium: Consortium) -> None:
    """A holder that has it back may assign it again, as often as it comes back; disposals add up without end."""
    receivable = consortium.registered(exporter=TRADER, amount=2**63 - 1)
    for _round in range(3):
        away = consortium.assignment(receivable, 2**63 - 1, assignor=TRADER)
        back = consortium.assignment(receivable, 2**63 - 1, assignor=FACTOR_1, to=TRADER)
        assert consortium.code(away) is Code.OK
        assert consortium.code(back) is Code.OK
    assert parts(consortium, receivable) == {TRADER: 2**63 - 1}


@pytest.mark.parametrize(
    "order", list(permutations(((FACTOR_1, 5_000), (FACTOR_2, 4_000), (FACTOR_3, 3_000))))
)
def test_parts_above_the_whole_in_one_block_are_refused_in_every_order(
    consortium: Consortium, order: tuple[tuple[str, int], ...]
) -> None:
    receivable = consortium.registered()
    raws = [
        consortium.entry(consortium.assignment(receivable, amount, to=factor)) for factor, amount in order
    ]
    receipts = consortium.commit(*raws).receipts
    left = 10_000
    taken: Reference | None = None
    for receipt, (_factor, amount) in zip(receipts, order, strict=True):
        result = receipt.results[0]
        if amount <= left:
            assert result.code is Code.OK
            left -= amount
            taken = Reference(receivable, receipt.height, receipt.entry_index, 0)
        else:
            assert (result.code, result.collided_with) == (Code.EMPTY_ASSIGNMENT, taken)
    assert sum(parts(consortium, receivable).values()) == 10_000


def test_pledged_value_is_not_assignable(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.pledging(receivable, 6_000))
    lien = consortium.record(receivable).liens[0]
    result = consortium.result(consortium.assignment(receivable, 4_001, to=FACTOR_2))
    assert (result.code, result.collided_with) == (Code.PLEDGED, lien.place)
    assert result.reasons == (Reason("held", 10_000), Reason("pledged", 6_000))
    assert consortium.code(consortium.assignment(receivable, 4_000, to=FACTOR_2)) is Code.OK


def test_the_claim_that_takes_the_amount_is_named(consortium: Consortium) -> None:
    """A small lien is not what stands in the way of an amount that was assigned before."""
    receivable = consortium.registered()
    consortium.do(consortium.pledging(receivable, 1_000))
    consortium.do(consortium.assignment(receivable, 8_000))
    result = consortium.result(consortium.assignment(receivable, 5_000, to=FACTOR_2))
    assert (result.code, result.collided_with) == (Code.EMPTY_ASSIGNMENT, Reference(receivable, 3, 0, 0))
    result = consortium.result(consortium.assignment(receivable, 1_500, to=FACTOR_2))
    assert (result.code, result.collided_with) == (Code.PLEDGED, consortium.record(receivable).liens[0].place)


def test_disputed_value_is_not_assignable(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(dispute(receivable, 2_500))
    result = consortium.result(consortium.assignment(receivable, 7_501))
    assert (result.code, result.reasons) == (
        Code.EMPTY_ASSIGNMENT,
        (Reason("held", 10_000), Reason("disputed", 2_500)),
    )
    assert consortium.code(consortium.assignment(receivable, 7_500)) is Code.OK


def test_paid_value_is_not_assignable(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(payment(receivable, 4_000))
    assert consortium.code(consortium.assignment(receivable, 6_001)) is Code.EMPTY_ASSIGNMENT
    assert consortium.code(consortium.assignment(receivable, 6_000)) is Code.OK


def test_a_wholly_paid_part_is_not_held(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 4_000))
    consortium.do(payment(receivable, 4_000, holder=FACTOR_1))
    onward = consortium.assignment(receivable, 1, assignor=FACTOR_1, to=FACTOR_2)
    assert consortium.code(onward) is Code.NOT_HOLDER


# --- policy


@pytest.mark.parametrize(
    ("confirmed", "amount", "code"),
    [
        (0, 1, Code.UNCONFIRMED),
        (4_000, 4_000, Code.OK),
        (4_000, 4_001, Code.UNCONFIRMED),
        (10_000, 10_000, Code.OK),
    ],
)
def test_the_policy_can_require_confirmation(confirmed: int, amount: int, code: Code) -> None:
    consortium = found(replace(OPEN_POLICY, require_confirmation=ConfirmationPolicy.FOR_ASSIGNMENT))
    receivable = consortium.registered()
    if confirmed:
        consortium.do(confirmation(receivable, confirmed))
    result = consortium.result(consortium.assignment(receivable, amount))
    assert result.code is code
    if code is Code.UNCONFIRMED:
        assert result.reasons == (Reason("confirmed", confirmed),)
        assert result.collided_with == consortium.record(receivable).place


def test_one_confirmation_does_not_carry_two_assignments() -> None:
    consortium = found(replace(OPEN_POLICY, require_confirmation=ConfirmationPolicy.FOR_ASSIGNMENT))
    receivable = consortium.registered()
    consortium.do(confirmation(receivable, 5_000))
    assert consortium.code(consortium.assignment(receivable, 3_000)) is Code.OK
    assert consortium.code(consortium.assignment(receivable, 2_001, to=FACTOR_2)) is Code.UNCONFIRMED
    assert consortium.code(consortium.assignment(receivable, 2_000, to=FACTOR_2)) is Code.OK
    onward = consortium.assignment(receivable, 3_000, assignor=FACTOR_1, to=FACTOR_3)
    assert consortium.code(onward) is Code.OK
    assert consortium.code(consortium.pledging(receivable, 5_000)) is Code.OK


def test_confirmed_value_that_was_paid_carries_nothing_more() -> None:
    consortium = found(replace(OPEN_POLICY, require_confirmation=ConfirmationPolicy.BOTH))
    receivable = consortium.registered()
    consortium.do(confirmation(receivable, 5_000))
    assert consortium.code(consortium.assignment(receivable, 5_000)) is Code.OK
    consortium.do(payment(receivable, 3_000, holder=FACTOR_1))
    assert consortium.code(consortium.assignment(receivable, 1, to=FACTOR_2)) is Code.UNCONFIRMED
    onward = consortium.assignment(receivable, 2_000, assignor=FACTOR_1, to=FACTOR_2)
    assert consortium.code(onward) is Code.OK


def test_nothing_is_assigned_from_the_day_after_the_due_date(consortium: Consortium) -> None:
    receivable = consortium.registered(due_date=START_DAY + 10)
    last_ms = (START_DAY + 11) * DAY_MS - 1
    consortium.pass_time(last_ms - 10)
    assert consortium.code(consortium.assignment(receivable, 1), time_ms=last_ms) is Code.OK
    result = consortium.result(consortium.assignment(receivable, 1), time_ms=last_ms + 1)
    assert (result.code, result.collided_with) == (Code.PAST_DUE, consortium.record(receivable).place)


def test_the_policy_can_allow_assignment_past_due() -> None:
    consortium = found(replace(OPEN_POLICY, dispose_past_due=True))
    receivable = consortium.registered(issue_date=START_DAY - 100, due_date=START_DAY - 1)
    assert consortium.code(consortium.assignment(receivable)) is Code.OK


def test_the_debtor_cannot_take_what_it_owes(consortium: Consortium) -> None:
    own = FINGERPRINT_KEY.debtor(DEBTOR_FACTOR)
    receivable = consortium.registered(debtor_reference=own)
    assert consortium.code(consortium.assignment(receivable, to=DEBTOR_FACTOR)) is Code.RELATED_PARTY


def test_an_assignee_without_a_reference_of_its_own_is_not_related(consortium: Consortium) -> None:
    consortium.change_member(FACTOR_1, debtor_reference=None)
    assert consortium.code(consortium.assignment(consortium.registered())) is Code.OK


def test_papers_that_differ_from_the_registration_are_refused(consortium: Consortium) -> None:
    receivable, other = consortium.registered(), consortium.registered()
    papers = consortium.record(other).fingerprints.digest()
    wrong = consortium.assignment(receivable, verified_fingerprints=papers)
    assert consortium.code(wrong) is Code.FINGERPRINT_MISMATCH


def test_a_suspicion_must_be_named(consortium: Consortium) -> None:
    first = consortium.registered("A", similar=None)
    assert consortium.code(consortium.assignment(first, 1)) is Code.OK
    second = consortium.registered("B", similar=None)
    for receivable, other in ((first, second), (second, first)):
        assign = consortium.assignment(receivable, 1)
        result = consortium.result(assign)
        assert result.code is Code.SUSPICION_NOT_ACKNOWLEDGED
        assert result.collided_with == consortium.record(other).place
        own = replace(assign, acknowledged_suspicions=(receivable,))
        assert consortium.code(own) is Code.SUSPICION_NOT_ACKNOWLEDGED
        named = replace(assign, acknowledged_suspicions=(other,))
        assert consortium.code(named) is Code.OK


def test_precedence_of_broken_rules() -> None:
    """Holder, free amount, confirmation, due date, related party, papers, suspicions: each is mended in turn."""
    consortium = found(replace(OPEN_POLICY, require_confirmation=ConfirmationPolicy.BOTH))
    own = FINGERPRINT_KEY.debtor(DEBTOR_FACTOR)
    receivable, twin = (
        consortium.registered(number, similar=None, due_date=START_DAY + 10, debtor_reference=own)
        for number in ("A", "B")
    )
    late, in_time = (START_DAY + 11) * DAY_MS, consortium.now_ms + DAY_MS
    wrong = consortium.assignment(
        receivable, 0, to=DEBTOR_FACTOR, assignor=TRADER, verified_fingerprints=bytes(32)
    )

    def judged(time_ms: int) -> Code:
        """Judged on a copy of the chain: nothing is committed."""
        execution = consortium.execution(time_ms)
        raw = consortium.entry(wrong, valid_until_ms=late)
        return execution.apply(checked(raw)).results[0].code

    assert judged(late) is Code.AMOUNT_NOT_POSITIVE
    wrong = replace(wrong, amount=10_001)
    assert judged(late) is Code.NOT_HOLDER
    wrong = replace(wrong, assignor=EXPORTER)
    assert judged(late) is Code.EMPTY_ASSIGNMENT
    wrong = replace(wrong, amount=10_000)
    assert judged(late) is Code.UNCONFIRMED
    consortium.do(confirmation(receivable, debtor=DEBTOR_FACTOR))
    assert judged(late) is Code.PAST_DUE
    assert judged(in_time) is Code.RELATED_PARTY
    wrong = replace(wrong, assignee=FACTOR_1)
    assert judged(in_time) is Code.FINGERPRINT_MISMATCH
    wrong = replace(wrong, verified_fingerprints=consortium.record(receivable).fingerprints.digest())
    assert judged(in_time) is Code.SUSPICION_NOT_ACKNOWLEDGED
    wrong = replace(wrong, acknowledged_suspicions=(twin,))
    assert judged(in_time) is Code.OK


# --- limits


def _enrol_factors(consortium: Consortium, count: int) -> list[str]:
    """Factors put straight into the state: enrolment is tested elsewhere."""
    names = [member_id_of(f"factor number {n}") for n in range(count)]
    state = consortium.working()
    template = state.member(FACTOR_1)
    assert template is not None
    for name in names:
        key = replace(template.keys[0], public_key=key_of(name).public_key)
        member = replace(template, member_id=name, debtor_reference=None, keys=(key,))
        state.put(Namespace.MEMBER, name.encode(), member)
    consortium.state.apply(state.finish()[0])
    return names


def test_a_receivable_has_a_bounded_number_of_holders(consortium: Consortium) -> None:
    receivable = consortium.registered()
    factors = _enrol_factors(consortium, HOLDERS_MAX)
    codes = [consortium.code(consortium.assignment(receivable, 1, to=factor)) for factor in factors]
    assert codes == [Code.OK] * (HOLDERS_MAX - 1) + [Code.LIMIT_REACHED]
    # All of them together can still settle it, in one entry.
    holders = [part.holder for part in consortium.record(receivable).parts]
    assert len(holders) == HOLDERS_MAX
    assert consortium.code(settlement(receivable, holders, write_off=True)) is Code.OK


def test_a_receivable_passes_through_a_bounded_number_of_hands(consortium: Consortium) -> None:
    receivable = consortium.registered()
    hands = [EXPORTER, *_enrol_factors(consortium, DISPOSALS_MAX + 1)]
    codes = [
        consortium.code(consortium.assignment(receivable, assignor=before, to=after))
        for before, after in pairwise(hands)
    ]
    assert codes == [Code.OK] * DISPOSALS_MAX + [Code.LIMIT_REACHED]


# --- the amount that is free


def test_nothing_is_free_of_a_suspended_holder(consortium: Consortium) -> None:
    receivable = consortium.registered()
    record = consortium.record(receivable)
    assert free_amount(record, EXPORTER).amount == 10_000
    assert free_amount(record, EXPORTER, holder_suspended=True).reasons == (Reason("suspended", 10_000),)
    consortium.set_status(EXPORTER, MemberStatus.SUSPENDED)
    state = consortium.working()
    judgement = Judgement(
        state, state.policy(), bytes(32), 1, consortium.now_ms, bytes(32), 0, 0, frozenset()
    )
    assert free_of(judgement, record, EXPORTER).amount == 0
    assert free_of(judgement, record, FACTOR_1).amount == 0


def test_parts_of_one_portfolio_are_judged_one_after_the_other(consortium: Consortium) -> None:
    receivable = consortium.registered()
    operations = [consortium.assignment(receivable, amount) for amount in (6_000, 5_000, 4_000)]
    receipt = consortium.do(*operations, mode=Mode.INDEPENDENT)
    assert [result.code for result in receipt.results] == [Code.OK, Code.EMPTY_ASSIGNMENT, Code.OK]
    collided = receipt.results[1].collided_with
    assert collided == Reference(receivable, receipt.height, 0, 0)
