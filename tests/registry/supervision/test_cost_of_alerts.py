"""What a block costs the watch: what it wrote and what falls due in it, whatever else is registered."""

from __future__ import annotations

import pytest

from registry.entry import Mode
from registry.state import MemoryState, WorkingState
from registry.supervision.alert_memory import MemoryIndex
from registry.supervision.alert_watch import AlertWatch
from registry.supervision.alerts import AlertKind
from tests.registry.consortium import DAY_MS, START_DAY, Consortium
from tests.registry.supervision.supervised_chain import followed


class CountingReader:
    """A state that counts how often it is asked."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state
        self.reads = 0

    def value(self, key_hash: bytes) -> bytes | None:
        self.reads += 1
        return self._state.value(key_hash)

    def page(self, path: bytes) -> bytes | None:
        raise AssertionError("nobody needs the tree")

    def due(self, time_ms: int, limit: int) -> tuple[tuple[int, bytes], ...]:
        raise AssertionError("nobody needs the expiries")


@pytest.fixture
def busy(consortium: Consortium) -> Consortium:
    """A hundred receivables, of which three are due on one day and the others much later; then blocks without entries."""
    for due, count in ((START_DAY + 40, 3), (START_DAY + 300, 97)):
        registrations = [consortium.registration(due_date=due) for _ in range(count)]
        consortium.do(*registrations, mode=Mode.INDEPENDENT)
    for day in (0, 0, 20, 33, 33, 41):
        at_ms = max(consortium.now_ms, (START_DAY + day) * DAY_MS)
        consortium.pass_time(at_ms)
    return consortium


def test_a_block_that_writes_nothing_reads_only_what_is_due(busy: Consortium) -> None:
    watch = AlertWatch(MemoryIndex(busy.genesis.time_ms))
    reads, kinds = [], []
    for block, state in followed(busy):
        reader = CountingReader(state)
        raised = watch.follow(block, WorkingState(reader))
        reads.append(reader.reads)
        kinds.append([alert.kind for alert in raised])
    # The policy is asked for in every block.
    assert [count - 1 for count in reads[2:]] == [0, 0, 0, 3, 0, 3]
    assert kinds[2:] == [[], [], [], [AlertKind.DUE_SOON] * 3, [], [AlertKind.OVERDUE] * 3]


def test_the_index_does_not_grow_with_operations_that_change_no_day(consortium: Consortium) -> None:
    receivable = consortium.registered()
    for _ in range(20):
        consortium.do(consortium.assignment(receivable, 100))

    class CountingIndex(MemoryIndex):
        scheduled = 0

        def schedule(self, day: int, receivable_id: bytes) -> None:
            self.scheduled += 1
            super().schedule(day, receivable_id)

    index = CountingIndex(consortium.genesis.time_ms)
    watch = AlertWatch(index)
    for block, state in followed(consortium):
        watch.follow(block, WorkingState(state))
    assert index.scheduled == 1
