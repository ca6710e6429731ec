"""The anti-replay window of one submitter: a sliding bitmap over its last 1,024 sequence numbers.

Numbers may arrive in any order within the window, so several workers of one member can submit at once; each number is
accepted once. Source: RFC 6479 (IPsec anti-replay without bit shifting); here an immutable value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from . import limits
from .codec import Bytes, Struct, Uint

_WINDOW_BYTES: Final = limits.SEQUENCE_WINDOW // 8
_MASK: Final = (1 << limits.SEQUENCE_WINDOW) - 1


@dataclass(frozen=True, slots=True)
class SequenceWindow:
    """Bit i of `seen` (little-endian) says that number `highest - i` was used."""

    highest: int
    seen: bytes

    @staticmethod
    def empty() -> SequenceWindow:
        return SequenceWindow(0, bytes(_WINDOW_BYTES))

    def accepts(self, sequence: int) -> bool:
        """Whether the number is new and not older than the window."""
        age = self.highest - sequence
        if age < 0:
            return True
        if age >= limits.SEQUENCE_WINDOW:
            return False
        return not self.seen[age >> 3] >> (age & 7) & 1

    def add(self, sequence: int) -> SequenceWindow:
        """The window after an accepted number."""
        bits = int.from_bytes(self.seen, "little")
        if sequence > self.highest:
            step = sequence - self.highest
            bits = 1 if step >= limits.SEQUENCE_WINDOW else (bits << step | 1) & _MASK
            return SequenceWindow(sequence, bits.to_bytes(_WINDOW_BYTES, "little"))
        bits |= 1 << (self.highest - sequence)
        return SequenceWindow(self.highest, bits.to_bytes(_WINDOW_BYTES, "little"))


SEQUENCE_WINDOW: Final = Struct(
    SequenceWindow,
    {"highest": Uint(limits.SEQUENCE_MAX), "seen": Bytes(_WINDOW_BYTES)},
)
