"""What waits to be sent to one peer: three bounded queues, served strictly by priority.

    CONTROL   votes, certificates, value requests, heartbeats   full: the oldest goes, since a newer vote supersedes it
    PROPOSAL  proposals, and values that a peer asked for       full: the oldest goes, its round is the more likely over
    ENTRIES   gossiped entries                                  full: the newest is not taken: this node proposes it itself

Guarantees: adding never waits, so a slow peer never holds up the node or another peer; memory per peer is bounded by the
figures below. Dropping is safe: consensus repeats its own last messages on a timer, a node that misses a value asks
for it, and one that misses a block fetches it.
One event loop owns an outbox.
"""

from __future__ import annotations

import asyncio
from collections import deque
from enum import IntEnum
from typing import Generic, TypeVar

Frame = TypeVar("Frame")


class Priority(IntEnum):
    """Which queue; the lowest number goes first."""

    CONTROL = 0
    PROPOSAL = 1
    ENTRIES = 2


# A few rounds of the votes of 100 validators.
CONTROL_FRAMES_MAX = 1_024
# Each may be as large as a block; two rounds and one catch-up value.
PROPOSAL_FRAMES_MAX = 4
# Some seconds of full load, in batches of a few milliseconds each.
ENTRY_FRAMES_MAX = 1_024
ENTRY_BYTES_MAX = 32 * 1024 * 1024

_FRAMES_MAX = {
    Priority.CONTROL: CONTROL_FRAMES_MAX,
    Priority.PROPOSAL: PROPOSAL_FRAMES_MAX,
    Priority.ENTRIES: ENTRY_FRAMES_MAX,
}


class Outbox(Generic[Frame]):
    """Frames for one peer; `put` from the owning loop, `get` from the one task that sends."""

    def __init__(self) -> None:
        self._queues: dict[Priority, deque[tuple[Frame, int]]] = {priority: deque() for priority in Priority}
        self._entry_bytes = 0
        self._filled = asyncio.Event()

    def put(self, priority: Priority, frame: Frame, size: int) -> bool:
        """Queue a frame of `size` bytes; False when a frame, this one or an older one, was dropped for want of room."""
        queue = self._queues[priority]
        dropped = False
        if priority is Priority.ENTRIES:
            if len(queue) >= ENTRY_FRAMES_MAX or self._entry_bytes + size > ENTRY_BYTES_MAX:
                return False
            self._entry_bytes += size
        elif len(queue) >= _FRAMES_MAX[priority]:
            queue.popleft()
            dropped = True
        queue.append((frame, size))
        self._filled.set()
        return not dropped

    async def get(self) -> Frame:
        """The most urgent frame, waiting for one."""
        while True:
            for priority, queue in self._queues.items():
                if queue:
                    frame, size = queue.popleft()
                    if priority is Priority.ENTRIES:
                        self._entry_bytes -= size
                    return frame
            self._filled.clear()
            await self._filled.wait()

    def clear(self) -> None:
        """Forget what waits: after a lost connection it is stale, and the protocol repeats what matters."""
        for queue in self._queues.values():
            queue.clear()
        self._entry_bytes = 0

    def __len__(self) -> int:
        return sum(len(queue) for queue in self._queues.values())
