"""Reassign: what goes back, to whom, when, and what stands in the way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from registry.errors import Code, EntryRefused, Reason, Reference
from registry.member import MemberStatus
from registry.operations import RejectReceivable
from registry.operations.existence import DisputeReason
from registry.record.terms import Terms, with_terms
from tests.registry.assignment_examples import giving_back, offered
from tests.registry.consortium import (
    DAY_MS,
    DEBTOR,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    FACTOR_3,
    OPEN_POLICY,
    START_DAY,
    TRADER,
    Consortium,
    cancellation,
    dispute,
    found,
    payment,
)

PLACE = Reference(bytes(32), 1, 0, 0)


def parts(consortium: Consortium, receivable: bytes) -> dict[str, tuple[int, int]]:
    return {part.holder: (part.amount, part.disputed) for part in consortium.record(receivable).parts}


def bought(consortium: Consortium, amount: int = 10_000, **changes: Any) -> bytes:
    """A receivable of which FACTOR_1 has taken `amount` with recourse."""
    receivable = consortium.registered()
    operation = consortium.assignment(receivable, amount, with_recourse=True)
    assert consortium.code(replace(operation, **changes)) is Code.OK
    return receivable


def test_a_disputed_part_goes_back_with_its_dispute(consortium: Consortium) -> None:
    receivable = bought(consortium, 6_000)
    consortium.do(dispute(receivable, 5_000))
    assert parts(consortium, receivable) == {EXPORTER: (4_000, 2_000), FACTOR_1: (6_000, 3_000)}
    assert consortium.code(giving_back(receivable, 4_000)) is Code.OK
    assert parts(consortium, receivable) == {EXPORTER: (8_000, 5_000), FACTOR_1: (2_000, 0)}
    disposal = consortium.record(receivable).disposed_by(FACTOR_1)
    assert disposal is not None
    assert disposal.amount == 4_000


def test_recourse_is_used_up_by_giving_back(consortium: Consortium) -> None:
    receivable = bought(consortium, 6_000)
    consortium.do(dispute(receivable, 10_000))
    assert consortium.code(giving_back(receivable, 6_001)) is Code.NO_RECOURSE
    assert consortium.code(giving_back(receivable, 6_000)) is Code.OK
    assert consortium.record(receivable).terms == ()
    assert consortium.code(giving_back(receivable, 1)) is Code.NOT_HOLDER
    assert parts(consortium, receivable) == {EXPORTER: (10_000, 10_000)}


def test_part_of_a_part_that_goes_back_leaves_recourse_for_the_rest(consortium: Consortium) -> None:
    receivable = bought(consortium)
    consortium.do(dispute(receivable, 1))
    consortium.do(giving_back(receivable, 4_000))
    part = consortium.record(receivable).part_of(FACTOR_1)
    assert part is not None
    assert part.with_recourse
    assert [terms.recourse for terms in consortium.record(receivable).terms] == [6_000]


def test_without_recourse_nothing_goes_back(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable))
    consortium.do(dispute(receivable, 10_000))
    result = consortium.result(giving_back(receivable))
    assert (result.code, result.collided_with, result.reasons) == (
        Code.NO_RECOURSE,
        consortium.record(receivable).place,
        (Reason("recourse", 0),),
    )


def test_recourse_is_to_who_gave_it_only(consortium: Consortium) -> None:
    receivable = bought(consortium)
    consortium.do(dispute(receivable, 10_000))
    assert consortium.code(giving_back(receivable, to=TRADER)) is Code.NO_RECOURSE


def test_value_without_recourse_does_not_take_it_from_the_rest(consortium: Consortium) -> None:
    """A second assignment without recourse neither ends the recourse of the first nor has any itself."""
    receivable = bought(consortium, 6_000)
    consortium.do(consortium.assignment(receivable, 4_000))
    consortium.do(dispute(receivable, 1))
    result = consortium.result(giving_back(receivable, 6_001))
    assert (result.code, result.reasons) == (Code.NO_RECOURSE, (Reason("recourse", 6_000),))
    assert consortium.code(giving_back(receivable, 6_000)) is Code.OK
    part = consortium.record(receivable).part_of(FACTOR_1)
    assert part is not None
    assert not part.with_recourse


@pytest.mark.parametrize(
    ("late_ms", "grace_days", "code"),
    [(-1, 0, Code.NOT_DUE), (0, 0, Code.OK), (0, 1, Code.NOT_DUE), (DAY_MS, 1, Code.OK)],
)
def test_an_unpaid_part_goes_back_after_its_due_date_and_grace(
    late_ms: int, grace_days: int, code: Code
) -> None:
    consortium = found(replace(OPEN_POLICY, grace_days=grace_days))
    receivable = bought(consortium)
    after_due_ms = (START_DAY + 91) * DAY_MS
    consortium.pass_time(after_due_ms - 2)
    result = consortium.result(giving_back(receivable), time_ms=after_due_ms + late_ms, valid_until_ms=2**47)
    assert result.code is code
    if code is Code.NOT_DUE:
        assert result.collided_with == consortium.record(receivable).place


def test_a_rejected_part_goes_back_and_can_then_be_cancelled(consortium: Consortium) -> None:
    receivable = bought(consortium)
    assert consortium.code(giving_back(receivable)) is Code.NOT_DUE
    assert consortium.code(RejectReceivable(receivable, DEBTOR, DisputeReason.OTHER)) is Code.OK
    assert consortium.code(cancellation(receivable)) is Code.ENCUMBERED
    assert consortium.code(giving_back(receivable)) is Code.OK
    assert consortium.code(cancellation(receivable)) is Code.OK


def test_a_dispute_on_another_part_is_no_cause(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(dispute(receivable, 4_000))
    consortium.do(consortium.assignment(receivable, 6_000, with_recourse=True))
    assert parts(consortium, receivable) == {EXPORTER: (4_000, 4_000), FACTOR_1: (6_000, 0)}
    assert consortium.code(giving_back(receivable, 1)) is Code.NOT_DUE


def test_a_cancelled_receivable_has_nothing_to_give_back(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(cancellation(receivable))
    assert consortium.code(giving_back(receivable)) is Code.CLOSED
    assert consortium.code(giving_back(bytes(32))) is Code.UNKNOWN_RECEIVABLE


def test_the_precedence_of_broken_rules(consortium: Consortium) -> None:
    """Amount, holder, recourse, cause, value."""
    receivable = bought(consortium, 6_000)
    assert consortium.code(giving_back(receivable, 0, holder=FACTOR_2)) is Code.AMOUNT_NOT_POSITIVE
    assert consortium.code(giving_back(receivable, 6_001, holder=FACTOR_2)) is Code.NOT_HOLDER
    assert consortium.code(giving_back(receivable, 6_001)) is Code.NO_RECOURSE
    consortium.do(consortium.pledging(receivable, 6_000, FACTOR_2, pledgor=FACTOR_1))
    assert consortium.code(giving_back(receivable, 6_000)) is Code.NOT_DUE
    consortium.do(dispute(receivable, 10_000))
    result = consortium.result(giving_back(receivable, 6_000))
    assert (result.code, result.collided_with) == (
        Code.PLEDGED,
        consortium.record(receivable).liens[0].place,
    )


def test_what_is_offered_to_another_does_not_go_back(consortium: Consortium) -> None:
    receivable = bought(consortium, 6_000)
    made = offered(consortium, receivable, 4_000, FACTOR_2, assignor=FACTOR_1)
    consortium.do(dispute(receivable, 10_000))
    result = consortium.result(giving_back(receivable, 2_001))
    assert (result.code, result.collided_with) == (Code.RESERVED, made.place)
    assert consortium.code(giving_back(receivable, 2_000)) is Code.OK


def test_what_was_paid_does_not_go_back(consortium: Consortium) -> None:
    receivable = bought(consortium, 6_000)
    consortium.do(payment(receivable, 4_000, holder=FACTOR_1))
    consortium.do(dispute(receivable, 6_000))
    assert consortium.code(giving_back(receivable, 2_001)) is Code.EMPTY_ASSIGNMENT
    assert consortium.code(giving_back(receivable, 2_000)) is Code.OK


def test_a_prior_assignor_that_is_not_active_takes_nothing_back(consortium: Consortium) -> None:
    receivable = bought(consortium)
    consortium.do(dispute(receivable, 10_000))
    for status, code in (
        (MemberStatus.SUSPENDED, Code.SUSPENDED),
        (MemberStatus.EXPELLED, Code.NOT_PERMITTED),
    ):
        consortium.set_status(EXPORTER, status)
        with pytest.raises(EntryRefused) as refused:
            consortium.do(giving_back(receivable))
        assert refused.value.code is code
    consortium.set_status(EXPORTER, MemberStatus.ACTIVE)
    assert consortium.code(giving_back(receivable)) is Code.OK


def test_both_sides_sign(consortium: Consortium) -> None:
    receivable = bought(consortium)
    consortium.do(dispute(receivable, 10_000))
    for alone in (FACTOR_1, EXPORTER):
        with pytest.raises(EntryRefused) as refused:
            consortium.do(giving_back(receivable), signed_by=[alone])
        assert refused.value.code is Code.MISSING_SIGNATURE


def test_what_went_through_two_hands_goes_back_through_both(consortium: Consortium) -> None:
    receivable = bought(consortium)
    consortium.do(consortium.assignment(receivable, assignor=FACTOR_1, to=FACTOR_2, with_recourse=True))
    consortium.do(dispute(receivable, 10_000))
    assert consortium.code(giving_back(receivable, holder=FACTOR_2)) is Code.NO_RECOURSE
    assert consortium.code(giving_back(receivable, holder=FACTOR_2, to=FACTOR_1)) is Code.OK
    part = consortium.record(receivable).part_of(FACTOR_1)
    assert part is not None
    assert part.with_recourse
    assert consortium.code(giving_back(receivable)) is Code.OK
    assert parts(consortium, receivable) == {EXPORTER: (10_000, 10_000)}


def test_a_bar_of_onward_assignment_does_not_bar_giving_back(consortium: Consortium) -> None:
    receivable = bought(consortium, resale_barred=True)
    consortium.do(dispute(receivable, 1))
    assert consortium.code(giving_back(receivable)) is Code.OK


def test_a_pledge_after_giving_back_is_a_duplicate(consortium: Consortium) -> None:
    receivable = bought(consortium, 6_000)
    consortium.do(dispute(receivable, 1))
    consortium.do(giving_back(receivable, 6_000))
    pledge = consortium.pledging(receivable, 1_000, FACTOR_3, pledgor=FACTOR_1)
    result = consortium.result(pledge)
    assert result.code in (Code.DUPLICATE_PLEDGE, Code.EMPTY_PLEDGE)
    assert consortium.record(receivable).part_of(FACTOR_1) is None


def test_terms_of_one_pair_add_up_and_empty_ones_are_not_kept() -> None:
    plain = Terms(EXPORTER, FACTOR_1, 0, False, PLACE)
    some = replace(plain, recourse=5)
    assert with_terms((), plain, begins_anew=True) == ()
    assert with_terms((some,), plain, begins_anew=False) == (some,)
    both = with_terms((some,), replace(plain, recourse=2**63 - 1, resale_barred=True), begins_anew=False)
    assert both == (replace(some, recourse=2**63 - 1, resale_barred=True),)
    assert with_terms(both, plain, begins_anew=True) == (replace(some, recourse=2**63 - 1),)
