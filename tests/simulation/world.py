"""Virtual time: one seed, one queue of events, one trace. Nothing in a simulation asks another clock or random source.

Guarantees: the same seed and the same code give the same events in the same order, and so the same trace hash, on every machine.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from hashlib import sha256
from random import Random


class World:
    """Events in order of virtual time; those of one moment in the order in which they were scheduled."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.now_ms = 0
        self.events = 0
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._scheduled = 0
        self._trace = sha256()
        self.lines: list[str] | None = None
        """Set to a list to keep the trace in words, to read how a seed came to fail."""

    def after(self, delay_ms: int, action: Callable[[], None]) -> None:
        """Do this so much later."""
        if delay_ms < 0:
            raise AssertionError(f"{delay_ms} ms from now is the past")
        self._scheduled += 1
        heapq.heappush(self._queue, (self.now_ms + delay_ms, self._scheduled, action))

    def step(self) -> bool:
        """Play the next event; False when nothing is left to happen."""
        if not self._queue:
            return False
        self.now_ms, _, action = heapq.heappop(self._queue)
        self.events += 1
        action()
        return True

    def note(self, text: str) -> None:
        """Put a line on the trace."""
        line = f"{self.now_ms:>9} {text}"
        self._trace.update(line.encode() + b"\n")
        if self.lines is not None:
            self.lines.append(line)

    def chance(self, probability: float) -> bool:
        """True this often. Draws nothing for 0, so that a quiet world is quiet."""
        return probability > 0 and self.random.random() < probability

    @property
    def trace_hash(self) -> str:
        """Over all that was noted."""
        return self._trace.hexdigest()
