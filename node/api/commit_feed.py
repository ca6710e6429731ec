"""What the event loop knows of commits as they happen: the last height, and who waits for which entry.

Guarantees: whoever waits is told once of every block that holds an entry it waits for, or of every new height; what is
kept for waiters is bounded, and gone when they leave. Telling never waits.
Leaves to others: reading what was committed (from the store), and the wire.
One event loop owns a feed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

from node.status import CallCode, CallRefused

# Entries waited for over all calls: at the aimed-at 1,000 entries/s, three minutes of load.
WAITED_ENTRIES_MAX = 200_000
RETRY_AFTER_MS = 1_000


class EntryWatch:
    """One call's wait for its entries: where those of them stand that were committed meanwhile."""

    def __init__(self) -> None:
        self._places: dict[int, dict[bytes, int]] = {}
        self._told = asyncio.Event()

    def tell(self, height: int, entry_id: bytes, index: int) -> None:
        """An entry that is waited for stands in the block of this height at this place."""
        self._places.setdefault(height, {})[entry_id] = index
        self._told.set()

    async def next_places(self) -> dict[int, dict[bytes, int]]:
        """What was told since the last call, by height and entry, waiting for some. Raises CancelledError as every wait."""
        await self._told.wait()
        self._told.clear()
        places, self._places = self._places, {}
        return places


class CommitFeed:
    """The last committed height, and those who wait for more."""

    def __init__(self, height: int) -> None:
        self.height = height
        self._watches: dict[bytes, list[EntryWatch]] = {}
        self._waited = 0
        self._risen = asyncio.Event()

    def committed(self, height: int, entry_ids: Sequence[bytes]) -> None:
        """A block with these entries, in its order, is on disk."""
        self.height = height
        # Everybody who waits holds this very event; the next ones wait for a new one.
        self._risen.set()
        self._risen = asyncio.Event()
        if self._watches:
            for index, entry_id in enumerate(entry_ids):
                for watch in self._watches.get(entry_id, ()):
                    watch.tell(height, entry_id, index)

    async def above(self, height: int) -> int:
        """The last committed height, once it is above `height`."""
        while self.height <= height:
            await self._risen.wait()
        return self.height

    @contextmanager
    def watch(self, entry_ids: Collection[bytes]) -> Iterator[EntryWatch]:
        """Be told of these entries while the block is open. Raises CallRefused when too many are waited for already."""
        if self._waited + len(entry_ids) > WAITED_ENTRIES_MAX:
            raise CallRefused(
                CallCode.OVERLOADED,
                f"{self._waited} entries are being waited for at this node; at most {WAITED_ENTRIES_MAX} can be",
                retry_after_ms=RETRY_AFTER_MS,
            )
        watch = EntryWatch()
        self._waited += len(entry_ids)
        for entry_id in entry_ids:
            self._watches.setdefault(entry_id, []).append(watch)
        try:
            yield watch
        finally:
            self._waited -= len(entry_ids)
            for entry_id in entry_ids:
                watches = self._watches[entry_id]
                watches.remove(watch)
                if not watches:
                    del self._watches[entry_id]
