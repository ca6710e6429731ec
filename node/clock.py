"""The two clocks of a node: wall time for headers and expiry, monotonic time for timers and deadlines.

They are read here and nowhere else in `node`, so that a virtual clock can take their place.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What the node asks of time."""

    def now_ms(self) -> int:
        """Unix milliseconds; may step backwards when the operator sets the clock."""
        ...

    def monotonic_ms(self) -> int:
        """Milliseconds from an arbitrary start; never goes back."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000
