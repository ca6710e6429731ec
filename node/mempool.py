"""Entries that wait for a block: admitted, their signatures verified, not yet committed.

Guarantees: bounded in entries and bytes, in all and for each member, so that one member's flood leaves room for the others;
an entry is held once, whoever brings it; a block is filled fairly, by bytes, between the members that have something waiting,
and each member's entries in the order of their sequence numbers, which is the order that its anti-replay window accepts.
Whatever can no longer be committed leaves, and is told once.
Leaves to others: verifying (only verified entries may be added: the executor does not verify them again), and sending.

Added to by the thread that admits, read by the one that owns the engine: every method takes the lock and holds it briefly.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right, insort
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from node.ports import Dropped
from registry.entry import Entry
from registry.errors import Code, NotFresh
from registry.limits import SEQUENCE_WINDOW

MEMBER_SHARE: Final = 4
"""One member may take up to this fraction of the room."""
RETRY_AFTER_MS_MIN: Final = 200
RETRY_AFTER_MS_MAX: Final = 10_000
MS_PER_ENTRY_MAX: Final = 20.0
"""A slower pace is idleness, not load."""
REPEAT_AFTER_BLOCKS: Final = 4
"""An own entry that so many non-empty blocks passed over is gossiped again: its first gossip was lost on the way."""


class Overloaded(Exception):
    """No room; the same entry may be handed in again after `retry_after_ms`."""

    def __init__(self, message: str, retry_after_ms: int) -> None:
        super().__init__(message)
        self.retry_after_ms = retry_after_ms


@dataclass(slots=True)
class _Waiting:
    """What one member has waiting; `sequences` is sorted and holds the keys of `entries`."""

    entries: dict[int, Entry] = field(default_factory=dict)
    sequences: list[int] = field(default_factory=list)
    entry_bytes: int = 0

    def add(self, entry: Entry) -> None:
        self.entries[entry.body.sequence] = entry
        insort(self.sequences, entry.body.sequence)
        self.entry_bytes += len(entry.raw)

    def remove(self, sequence: int) -> Entry:
        entry = self.entries.pop(sequence)
        del self.sequences[bisect_right(self.sequences, sequence) - 1]
        self.entry_bytes -= len(entry.raw)
        return entry


class Mempool:
    """See the module's docstring."""

    def __init__(self, *, entries_max: int = 20_000, bytes_max: int = 64 << 20) -> None:
        self._entries_max = entries_max
        self._bytes_max = bytes_max
        self._lock = Lock()
        self._by_id: dict[bytes, Entry] = {}
        self._by_raw: dict[bytes, Entry] = {}
        self._waiting: dict[str, _Waiting] = {}
        self._bytes = 0
        self._expiry: list[tuple[int, bytes]] = []
        self._gossip: deque[bytes] = deque()
        self._repeat: deque[tuple[int, bytes]] = deque()
        self._blocks = 0
        self._dropped: list[Dropped] = []
        self._ms_per_entry = 1.0
        self._last_commit_ms: int | None = None

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, entry_id: bytes) -> bool:
        return entry_id in self._by_id

    @property
    def entry_bytes(self) -> int:
        """Bytes of all entries that wait."""
        return self._bytes

    def add(self, entry: Entry, *, local: bool) -> bool:
        """Take in a verified entry; False when it is here already. `local`: from a client, so it is ours to gossip.

        Raises Overloaded; NotFresh when another entry of this member waits under the same sequence number.
        """
        with self._lock:
            if entry.entry_id in self._by_id:
                return False
            body = entry.body
            waiting = self._waiting.get(body.submitter)
            if waiting is not None and body.sequence in waiting.entries:
                raise NotFresh(
                    Code.REPLAYED,
                    f"another entry of {body.submitter} with sequence {body.sequence} is waiting for a block",
                )
            self._check_room(waiting, body.submitter, len(entry.raw))
            if waiting is None:
                waiting = self._waiting[body.submitter] = _Waiting()
            waiting.add(entry)
            self._by_id[entry.entry_id] = self._by_raw[entry.raw] = entry
            self._bytes += len(entry.raw)
            heapq.heappush(self._expiry, (body.valid_until_ms, entry.entry_id))
            if local:
                self._gossip.append(entry.entry_id)
            return True

    def verified(self, raw: bytes) -> Entry | None:
        """The decoded and verified entry of exactly these bytes, if it waits here."""
        return self._by_raw.get(raw)

    def candidates(self, turn: int) -> Iterator[Entry]:
        """What waits now, in the order in which a block should take it. It stays here until committed.

        The member with the fewest bytes so far goes next; `turn` (the height) shifts who is first among equals. Each step
        costs the same whatever waits behind it. For the thread that drops and commits: nothing else takes entries away.
        """
        with self._lock:
            waiting = {member: tuple(held.sequences) for member, held in self._waiting.items()}
        members = sorted(waiting)
        order = [(0, (place - turn) % len(members), member, 0) for place, member in enumerate(members)]
        heapq.heapify(order)
        while order:
            taken_bytes, rank, member, position = order[0]
            sequences = waiting[member]
            entry = self._waiting[member].entries[sequences[position]]
            if position + 1 < len(sequences):
                heapq.heapreplace(order, (taken_bytes + len(entry.raw), rank, member, position + 1))
            else:
                heapq.heappop(order)
            yield entry

    def drop(self, entry_id: bytes, code: Code, message: str) -> None:
        """Let go of an entry that no block can hold; `committed` will tell."""
        with self._lock:
            self._drop(entry_id, code, message)

    def committed(self, entries: Sequence[Entry], time_ms: int, now_ms: int) -> tuple[Dropped, ...]:
        """A block with these entries and this time is on disk: forget them and what can no longer follow.

        Returns what was dropped since the last call. Costs a few microseconds an entry, whatever waits.
        """
        with self._lock:
            self._learn_pace(len(entries), now_ms)
            highest: dict[str, int] = {}
            for entry in entries:
                body = entry.body
                highest[body.submitter] = max(highest.get(body.submitter, 0), body.sequence)
                self._forget_sequence(body.submitter, body.sequence, entry.entry_id)
            for submitter, sequence in highest.items():
                self._drop_behind_window(submitter, sequence)
            while self._expiry and self._expiry[0][0] <= time_ms:
                until_ms, entry_id = heapq.heappop(self._expiry)
                self._drop(entry_id, Code.EXPIRED, f"valid until {until_ms}, the chain's time is {time_ms}")
            if entries:
                self._blocks += 1
                self._repeat_gossip()
            dropped, self._dropped = tuple(self._dropped), []
            return dropped

    def take_gossip(self, bytes_max: int) -> tuple[bytes, ...]:
        """Own entries that the peers have not been sent, up to `bytes_max` (but one in any case), oldest first."""
        with self._lock:
            batch: list[bytes] = []
            size = 0
            while self._gossip:
                entry = self._by_id.get(self._gossip[0])
                if entry is None:
                    self._gossip.popleft()
                    continue
                if batch and size + len(entry.raw) > bytes_max:
                    break
                size += len(entry.raw)
                batch.append(entry.raw)
                self._repeat.append((self._blocks, self._gossip.popleft()))
            return tuple(batch)

    def retry_after_ms(self) -> int:
        """When it makes sense to come again: the time in which half of what waits should be gone."""
        estimate = int(len(self._by_id) * self._ms_per_entry / 2)
        return max(RETRY_AFTER_MS_MIN, min(RETRY_AFTER_MS_MAX, estimate))

    def _check_room(self, waiting: _Waiting | None, submitter: str, size: int) -> None:
        if len(self._by_id) >= self._entries_max or self._bytes + size > self._bytes_max:
            raise Overloaded(
                f"{len(self._by_id)} entries of {self._bytes} bytes are waiting for a block",
                self.retry_after_ms(),
            )
        count, held_bytes = (len(waiting.entries), waiting.entry_bytes) if waiting else (0, 0)
        if count * MEMBER_SHARE >= self._entries_max or (held_bytes + size) * MEMBER_SHARE > self._bytes_max:
            raise Overloaded(
                f"{count} entries of {held_bytes} bytes of {submitter} are waiting for a block, its share of the room",
                self.retry_after_ms(),
            )

    def _forget_sequence(self, submitter: str, sequence: int, committed_id: bytes) -> None:
        waiting = self._waiting.get(submitter)
        if waiting is None or sequence not in waiting.entries:
            return
        other = waiting.entries[sequence]
        if other.entry_id != committed_id:
            self._drop(other.entry_id, Code.REPLAYED, f"another entry with sequence {sequence} was committed")
        else:
            self._remove(other)

    def _drop_behind_window(self, submitter: str, highest: int) -> None:
        waiting = self._waiting.get(submitter)
        if waiting is None:
            return
        for sequence in waiting.sequences[: bisect_right(waiting.sequences, highest - SEQUENCE_WINDOW)]:
            message = (
                f"sequence {sequence} is more than {SEQUENCE_WINDOW} behind {highest}, which was committed"
            )
            self._drop(waiting.entries[sequence].entry_id, Code.REPLAYED, message)

    def _drop(self, entry_id: bytes, code: Code, message: str) -> None:
        entry = self._by_id.get(entry_id)
        if entry is not None:
            self._remove(entry)
            self._dropped.append(Dropped(entry_id, code, message))

    def _remove(self, entry: Entry) -> None:
        del self._by_id[entry.entry_id], self._by_raw[entry.raw]
        self._bytes -= len(entry.raw)
        waiting = self._waiting[entry.body.submitter]
        waiting.remove(entry.body.sequence)
        if not waiting.entries:
            del self._waiting[entry.body.submitter]
        if len(self._expiry) > 2 * len(self._by_id) + 1_000:
            self._expiry = [item for item in self._expiry if item[1] in self._by_id]
            heapq.heapify(self._expiry)

    def _repeat_gossip(self) -> None:
        while self._repeat and self._repeat[0][0] + REPEAT_AFTER_BLOCKS <= self._blocks:
            _, entry_id = self._repeat.popleft()
            if entry_id in self._by_id:
                self._gossip.append(entry_id)

    def _learn_pace(self, entries: int, now_ms: int) -> None:
        last_ms, self._last_commit_ms = self._last_commit_ms, now_ms
        if entries and last_ms is not None and now_ms > last_ms:
            pace_ms = min((now_ms - last_ms) / entries, MS_PER_ENTRY_MAX)
            self._ms_per_entry += (pace_ms - self._ms_per_entry) / 8
