"""One committed block as figures and alerts are derived from it: its entries, their results, and what each operation wrote.

Guarantees: what is told of a value is what the block found and what it left, whatever happened to it in between.
Leaves to others: judging the block (`registry.transition`), and whether it is the right one (the caller checked it, or trusts
its own store).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..block import Header
from ..entry import Entry
from ..errors import Code
from ..operations import Operation
from ..receipt import Receipt, Result
from ..receivable import Receivable
from ..state import Change
from ..stored import Namespace
from ..time_units import DAY_MS
from ..transition import Step


@dataclass(frozen=True, slots=True)
class Place:
    """An operation of the block; None where time did it."""

    entry_index: int
    operation_index: int


@dataclass(frozen=True, slots=True)
class Judged:
    """One operation with its result."""

    place: Place
    operation: Operation
    result: Result


@dataclass(frozen=True, slots=True)
class Touched:
    """One receivable as the block found it and as it left it, and the last operation that wrote it."""

    before: Receivable | None
    after: Receivable
    place: Place | None


@dataclass(frozen=True, slots=True)
class Head:
    """A block by its place, and the state after it."""

    chain_id: bytes
    height: int
    block_hash: bytes
    state_root: bytes
    time_ms: int


@dataclass(frozen=True, slots=True)
class ObservedBlock:
    """`receipts` are in the order of the entries; `steps` are what `BlockExecution` noted."""

    head: Head
    entries: tuple[Entry, ...]
    receipts: tuple[Receipt, ...]
    steps: tuple[Step, ...]

    @property
    def height(self) -> int:
        return self.head.height

    @property
    def day(self) -> int:
        """Days since 1970-01-01, in UTC."""
        return self.head.time_ms // DAY_MS

    def judged(self) -> Iterator[Judged]:
        """Every operation with its result, in the order of the block; without those that a failed entry took along."""
        for index, (entry, receipt) in enumerate(zip(self.entries, self.receipts, strict=True)):
            pairs = zip(entry.body.operations, receipt.results, strict=True)
            for operation_index, (operation, result) in enumerate(pairs):
                if result.code is not Code.NOT_APPLIED:
                    yield Judged(Place(index, operation_index), operation, result)

    def changes(self, namespace: Namespace) -> dict[bytes, Change]:
        """By identifier, what the block found and what it left."""
        found: dict[bytes, Change] = {}
        for step in self.steps:
            for change in step.changes:
                if change.namespace is namespace:
                    first = found.get(change.identifier, change)
                    found[change.identifier] = Change(
                        namespace, change.identifier, first.before, change.after
                    )
        return found

    def receivables(self) -> dict[bytes, Touched]:
        """The receivables that it wrote, in the order in which it first did."""
        found: dict[bytes, Touched] = {}
        for step in self.steps:
            place = None if step.operation is None else place_of(step)
            for change in step.changes:
                if change.namespace is Namespace.RECEIVABLE:
                    first = found.get(change.identifier)
                    before = change.before if first is None else first.before
                    found[change.identifier] = Touched(before, change.after, place)
        return found


def head_of(header: Header, block_hash: bytes) -> Head:
    """The head that a block is."""
    return Head(header.chain_id, header.height, block_hash, header.state_root, header.time_ms)


def place_of(step: Step) -> Place:
    return Place(step.entry_index, step.operation_index)
