"""The store in dictionaries, with the semantics of the real one: blocks one by one, whole, and views that do not move.

A commit here is durable at once, as the real one is on return; what a crash may lose is the journal's and the signer's.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from node.ports import BlockRecord, SnapshotPort
from registry.block import block_hash_of
from registry.errors import StoreCorrupt
from registry.state import StateDelta


@dataclass(slots=True)
class _Tables:
    chain_id: bytes
    values: dict[bytes, bytes] = field(default_factory=dict)
    pages: dict[bytes, bytes] = field(default_factory=dict)
    due: list[tuple[int, bytes]] = field(default_factory=list)
    history: dict[tuple[int, int], bytes] = field(default_factory=dict)
    entries: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    evidence: set[bytes] = field(default_factory=set)
    records: list[BlockRecord] = field(default_factory=list)

    def apply(self, delta: StateDelta) -> None:
        for table, changes in ((self.values, delta.values), (self.pages, delta.pages)):
            for key, new in changes.items():
                if new is None:
                    table.pop(key, None)
                else:
                    table[key] = new
        for item in delta.due_removed:
            place = bisect_left(self.due, item)
            if self.due[place : place + 1] == [item]:
                del self.due[place]
        for item in delta.due_added:
            place = bisect_left(self.due, item)
            if self.due[place : place + 1] != [item]:
                insort(self.due, item)


class MemorySnapshot:
    """A view of the tables at one height; reading it after the next commit is a fault that it reports."""

    def __init__(self, tables: _Tables) -> None:
        self._tables = tables
        self.height = len(tables.records)

    def value(self, key_hash: bytes) -> bytes | None:
        return self._now().values.get(key_hash)

    def page(self, path: bytes) -> bytes | None:
        return self._now().pages.get(path)

    def due(self, time_ms: int, limit: int) -> tuple[tuple[int, bytes], ...]:
        due = self._now().due
        return tuple(due[: min(bisect_left(due, (time_ms + 1, b"")), limit)])

    def node(self, level: int, index: int) -> bytes:
        found = self._now().history.get((level, index))
        if found is None:
            raise StoreCorrupt("a node of the history tree is missing", level=level, index=index)
        return found

    def block_hash(self, height: int) -> bytes | None:
        if height == 0:
            return self._tables.chain_id
        header = self.header(height)
        return None if header is None else block_hash_of(header)

    def header(self, height: int) -> bytes | None:
        record = self._record(height)
        return None if record is None else record.header_bytes

    def block(self, height: int) -> bytes | None:
        record = self._record(height)
        return None if record is None else record.block

    def certificate(self, height: int) -> bytes | None:
        record = self._record(height)
        return None if record is None else record.certificate

    def receipts(self, height: int) -> tuple[bytes, ...] | None:
        record = self._record(height)
        return None if record is None else record.receipts

    def locate_entry(self, entry_id: bytes) -> tuple[int, int] | None:
        return self._now().entries.get(entry_id)

    def has_evidence(self, evidence_id: bytes) -> bool:
        return evidence_id in self._now().evidence

    def _record(self, height: int) -> BlockRecord | None:
        return self._tables.records[height - 1] if 1 <= height <= self.height else None

    def _now(self) -> _Tables:
        if len(self._tables.records) != self.height:
            raise AssertionError(
                "a snapshot was read after a commit; the real store would show the old state"
            )
        return self._tables


class MemoryStore:
    """Implements ports.StorePort."""

    def __init__(self, chain_id: bytes) -> None:
        self._tables = _Tables(chain_id)
        self._empty = True

    @property
    def height(self) -> int:
        """The last committed height."""
        return len(self._tables.records)

    @contextmanager
    def read(self) -> Iterator[SnapshotPort]:
        yield MemorySnapshot(self._tables)

    def is_empty(self) -> bool:
        return self._empty

    def commit_genesis(self, delta: StateDelta) -> None:
        self._tables.apply(delta)
        self._empty = False

    def commit(self, record: BlockRecord) -> None:
        tables = self._tables
        if record.height != len(tables.records) + 1:
            raise StoreCorrupt(f"asked to commit height {record.height} after {len(tables.records)}")
        tables.records.append(record)
        tables.apply(record.delta)
        tables.history.update({(node.level, node.index): node.hash for node in record.history_nodes})
        tables.entries.update({key: (record.height, i) for i, key in enumerate(record.entry_ids)})
        tables.evidence.update(record.evidence_ids)
