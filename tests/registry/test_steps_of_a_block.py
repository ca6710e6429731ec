"""What an execution notes beside its receipts: the values that each applied operation wrote, before and after."""

from __future__ import annotations

from registry.entry import Mode
from registry.errors import Code
from registry.stored import Namespace
from registry.transition import BlockExecution, Step
from tests.registry.consortium import (
    DAY_MS,
    Consortium,
    checked,
    confirmation,
    registration,
)


def steps_of(consortium: Consortium, *raws: bytes, time_ms: int | None = None) -> list[Step]:
    """The steps of the next block; it is committed as well."""
    steps: list[Step] = []
    at_ms = consortium.now_ms if time_ms is None else time_ms
    execution = BlockExecution(consortium.state, consortium.tip, at_ms, steps)
    for raw in raws:
        execution.apply(checked(raw))
    consortium.commit(*raws, time_ms=at_ms)
    return steps


def test_a_step_has_each_value_as_it_was_and_as_it_became(consortium: Consortium) -> None:
    receivable = consortium.registered()
    before = consortium.record(receivable)
    entry = consortium.entry(consortium.assignment(receivable, 4_000))
    nothing, step = steps_of(consortium, entry)
    assert (nothing.operation, nothing.changes) == (None, ())
    changed = {change.namespace: change for change in step.changes}
    assert changed[Namespace.RECEIVABLE].before == before
    assert changed[Namespace.RECEIVABLE].after == consortium.record(receivable)
    assert (changed[Namespace.EXPOSURE].before, changed[Namespace.EXPOSURE].after) == (None, 4_000)


def test_an_atomic_entry_that_fails_leaves_no_step(consortium: Consortium) -> None:
    receivable = consortium.registered()
    entry = consortium.entry(
        consortium.assignment(receivable, 4_000), consortium.assignment(receivable, 7_000)
    )
    assert [step.operation for step in steps_of(consortium, entry)] == [None]


def test_of_an_independent_entry_the_applied_operations_are_steps(consortium: Consortium) -> None:
    receivable = consortium.registered()
    entry = consortium.entry(
        consortium.assignment(receivable, 4_000),
        consortium.assignment(receivable, 7_000),
        consortium.assignment(receivable, 5_000),
        mode=Mode.INDEPENDENT,
    )
    assert [step.operation_index for step in steps_of(consortium, entry)[1:]] == [0, 2]
    assert consortium.blocks[-1].receipts[0].results[1].code is not Code.OK


def test_two_entries_of_one_block_chain_on_to_each_other(consortium: Consortium) -> None:
    receivable = consortium.registered()
    entries = (
        consortium.entry(confirmation(receivable, 6_000)),
        consortium.entry(consortium.pledging(receivable, 6_000)),
    )
    _, first, second = steps_of(consortium, *entries)
    assert (first.entry_index, second.entry_index) == (0, 1)
    (left,) = (change for change in first.changes if change.namespace is Namespace.RECEIVABLE)
    (right,) = (change for change in second.changes if change.namespace is Namespace.RECEIVABLE)
    assert left.after == right.before


def test_what_runs_out_by_itself_is_the_first_step(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.pledging(receivable, 6_000))
    until_ms = consortium.record(receivable).liens[0].until_ms
    (step,) = steps_of(consortium, time_ms=until_ms + DAY_MS)
    (lapse,) = (change for change in step.changes if change.namespace is Namespace.RECEIVABLE)
    assert len(lapse.before.liens) == 1
    assert lapse.after.liens == ()


def test_noting_steps_changes_no_root(consortium: Consortium) -> None:
    raws = [
        consortium.entry(registration("INV-77")),
        consortium.entry(registration("INV-78")),
    ]
    noted = BlockExecution(consortium.state, consortium.tip, consortium.now_ms, [])
    plain = consortium.execution()
    for raw in raws:
        noted.apply(checked(raw))
        plain.apply(checked(raw))
    without_tree = noted.finish_without_tree()
    assert noted.finish() == plain.finish()
    assert without_tree.values == plain.finish().delta.values
    assert without_tree.due_added == plain.finish().delta.due_added
