"""ReverseByJudgment, step pool: a court takes a receivable out of its pool when its factor does not, whatever is drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from registry.errors import Code, EntryRefused
from registry.member import MemberStatus
from registry.operations import Operation
from registry.operations.reversal import AssignmentUndone, Step, StepUndone, Undone
from registry.pools import shortfall
from registry.receivable import Phase, free_amount
from registry.status import StatusSummary, summarise
from tests.registry.collection_examples import frozen, judgment, objection
from tests.registry.consortium import (
    ASSOCIATION,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    OTHER_DEBTOR_REFERENCE,
    Consortium,
    cancellation,
    payment,
    settlement,
)
from tests.registry.pool_examples import (
    OF_ONE_DEBTOR,
    TERMS,
    adding,
    drawing,
    filled,
    pooled,
    present,
    removing,
    repaying,
)

OUT = StepUndone(Step.POOL)
VOID = StepUndone(Step.REGISTRATION)
REOPENED = StepUndone(Step.CLOSURE)


def later(receivable: bytes, *undone: Undone) -> Operation:
    """Another decision on a receivable that was judged before."""
    return judgment(receivable, *undone, decision=bytes(range(6, 38)))


def status(consortium: Consortium, receivable: bytes) -> StatusSummary:
    return summarise(consortium.record(receivable))


# --- when


def test_a_judgment_takes_a_receivable_out_of_its_pool(consortium: Consortium) -> None:
    pool, (first, second) = filled(consortium, members=2)
    assert consortium.code(judgment(first, OUT)) is Code.OK
    record = consortium.record(first)
    assert (record.pool, record.closed_in) == (None, None)
    assert FACTOR_1 not in record.parties()
    assert consortium.record(second).pool is not None
    left = present(consortium, pool)
    assert (left.members, left.base) == (1, 10_000)


def test_of_what_stands_in_no_pool_there_is_nothing_to_undo(consortium: Consortium) -> None:
    receivable = consortium.registered()
    refused = consortium.result(judgment(receivable, OUT))
    assert (refused.code, refused.collided_with) == (Code.NO_ORDER, consortium.record(receivable).place)
    pool = pooled(consortium, OF_ONE_DEBTOR)
    consortium.do(adding(consortium, pool, receivable))
    assert consortium.code(judgment(receivable, OUT, OUT)) is Code.NO_ORDER
    assert consortium.record(receivable).pool is not None
    assert consortium.code(judgment(receivable, OUT)) is Code.OK
    assert consortium.code(later(receivable, OUT)) is Code.NO_ORDER


def test_the_exporter_alone_takes_nothing_out(consortium: Consortium) -> None:
    _pool, (member,) = filled(consortium)
    with pytest.raises(EntryRefused) as refused:
        consortium.do(judgment(member, OUT), signed_by=(EXPORTER, ASSOCIATION))
    assert refused.value.code is Code.MISSING_SIGNATURE


@pytest.mark.parametrize("restrained", [frozen, objection])
def test_what_is_restrained_leaves_and_stays_restrained(
    consortium: Consortium, restrained: Callable[[bytes], Operation]
) -> None:
    _pool, (member,) = filled(consortium)
    consortium.do(restrained(member))
    assert consortium.code(judgment(member, OUT)) is Code.OK
    assert consortium.record(member).pool is None
    assert (status(consortium, member).free, status(consortium, member).pooled) == (0, 0)


# --- what then


def test_what_a_court_took_out_is_the_exporters_again(consortium: Consortium) -> None:
    _pool, (member,) = filled(consortium)
    before = status(consortium, member)
    assert (before.free, before.pooled) == (0, 10_000)
    consortium.do(judgment(member, OUT))
    after = status(consortium, member)
    assert (after.free, after.pooled) == (10_000, 0)
    free = free_amount(consortium.record(member), EXPORTER)
    assert (free.amount, free.reasons) == (10_000, ())
    assert consortium.code(consortium.pledging(member, 4_000, FACTOR_2)) is Code.OK
    assert consortium.code(consortium.assignment(member, 6_000, FACTOR_2)) is Code.OK


def test_members_of_an_expelled_factors_pool_are_not_locked_for_ever(consortium: Consortium) -> None:
    pool, (member,) = filled(consortium)
    consortium.do(drawing(pool, 5_000))
    consortium.change_member(FACTOR_1, status=MemberStatus.EXPELLED)
    for operation in (removing(pool, member), repaying(pool, 5_000)):
        with pytest.raises(EntryRefused):
            consortium.do(operation)
    assert consortium.code(consortium.assignment(member, 1, FACTOR_2)) is Code.PLEDGED
    assert consortium.code(judgment(member, OUT)) is Code.OK
    assert consortium.code(consortium.assignment(member, 10_000, FACTOR_2)) is Code.OK


@pytest.mark.parametrize(("drawn", "short"), [(8_000, 0), (8_001, 1), (16_000, 8_000)])
def test_what_is_drawn_refuses_no_judgment(consortium: Consortium, drawn: int, short: int) -> None:
    pool, (first, _second) = filled(consortium, members=2)
    assert consortium.code(drawing(pool, drawn)) is Code.OK
    assert consortium.code(judgment(first, OUT)) is Code.OK
    left = present(consortium, pool)
    assert (left.drawn, shortfall(left)) == (drawn, short)
    assert consortium.code(drawing(pool, 1)) is Code.SHORTFALL


def test_the_last_member_leaves_an_advance_without_a_base(consortium: Consortium) -> None:
    pool, (member,) = filled(consortium)
    consortium.do(drawing(pool, 8_000))
    assert consortium.code(judgment(member, OUT)) is Code.OK
    left = present(consortium, pool)
    assert (left.shares, left.drawn, shortfall(left)) == ((), 8_000, 8_000)
    # The decision is executed: that the pool may have it again is for its parties to agree.
    assert consortium.code(adding(consortium, pool, member)) is Code.OK
    assert shortfall(present(consortium, pool)) == 0


def test_another_debtors_share_refuses_no_judgment(consortium: Consortium) -> None:
    pool = pooled(consortium, TERMS)
    first = consortium.registered()
    second = consortium.registered(debtor_reference=OTHER_DEBTOR_REFERENCE)
    assert consortium.code(adding(consortium, pool, first, second)) is Code.OK
    assert consortium.code(removing(pool, first)) is Code.CONCENTRATION
    assert consortium.code(judgment(first, OUT)) is Code.OK
    assert present(consortium, pool).base == 10_000


# --- with other effects


@pytest.mark.parametrize(
    ("undone", "code", "is_pooled", "phase"),
    [
        ((VOID, OUT), Code.CLOSED, True, Phase.LIVE),
        ((OUT, VOID), Code.OK, False, Phase.CANCELLED),
        ((OUT, VOID, REOPENED), Code.OK, False, Phase.LIVE),
        ((VOID, REOPENED, OUT), Code.OK, False, Phase.LIVE),
        ((VOID, REOPENED, OUT, VOID), Code.OK, False, Phase.CANCELLED),
    ],
)
def test_pool_and_registration_in_one_decision(
    consortium: Consortium, undone: tuple[Undone, ...], code: Code, is_pooled: bool, phase: Phase
) -> None:
    pool, (member,) = filled(consortium)
    assert consortium.code(judgment(member, *undone)) is code
    record = consortium.record(member)
    assert (record.pool is not None, record.phase) == (is_pooled, phase)
    assert present(consortium, pool).members == int(is_pooled)
    # Opened later, it does not come back to a pool that it was taken out of.
    if phase is Phase.CANCELLED:
        assert consortium.code(later(member, REOPENED)) is Code.OK
        assert consortium.record(member).pool is None


def test_what_is_closed_is_opened_before_it_leaves(consortium: Consortium) -> None:
    pool, (member,) = filled(consortium)
    consortium.do(payment(member, 10_000), settlement(member))
    assert consortium.code(judgment(member, OUT)) is Code.CLOSED
    assert consortium.code(judgment(member, REOPENED, OUT)) is Code.OK
    record = consortium.record(member)
    assert (record.phase, record.pool, record.closed_in) == (Phase.LIVE, None, None)
    assert present(consortium, pool).members == 0


def test_a_part_that_went_back_leaves_with_the_rest(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 4_000, FACTOR_2))
    pool = pooled(consortium, OF_ONE_DEBTOR)
    assert consortium.code(adding(consortium, pool, receivable)) is Code.OK
    sale = AssignmentUndone(EXPORTER, FACTOR_2, 4_000, ())
    assert consortium.code(judgment(receivable, sale, OUT)) is Code.OK
    assert free_amount(consortium.record(receivable), EXPORTER).amount == 10_000
    assert present(consortium, pool).base == 0
    assert consortium.code(cancellation(receivable)) is Code.OK


def test_all_of_a_decision_or_none(consortium: Consortium) -> None:
    pool, (member,) = filled(consortium)
    before = consortium.record(member)
    assert consortium.code(judgment(member, OUT, replace(OUT, step=Step.REJECTION))) is Code.NO_ORDER
    assert consortium.record(member) == before
    assert present(consortium, pool).base == 10_000
