"""The payloads of one height that the node holds, and the host's verdicts on them.

Guarantees: a verdict, once given, stays while the payload is held; beside the values that somebody vouches for (the driver
says which), at most `unclaimed_max` others are held, the oldest going first. Judging a payload is left to the host.
"""

from collections.abc import Collection
from dataclasses import dataclass

from .messages import BlockHash


@dataclass(slots=True)
class HeldValue:
    """A payload, its header's time, and whether it is valid: None until the host has said."""

    payload: bytes
    time_ms: int
    valid: bool | None = None
    reason: str = ""
    asked: bool = False


class ValuePool:
    """Payloads by hash, in order of arrival."""

    def __init__(self, unclaimed_max: int) -> None:
        self._unclaimed_max = unclaimed_max
        self._values: dict[BlockHash, HeldValue] = {}

    def __len__(self) -> int:
        return len(self._values)

    def get(self, block_hash: BlockHash) -> HeldValue | None:
        """The value, or None when it is not held."""
        return self._values.get(block_hash)

    def is_valid(self, block_hash: BlockHash) -> bool:
        """Whether the value is held and judged valid."""
        value = self._values.get(block_hash)
        return value is not None and value.valid is True

    def add(self, block_hash: BlockHash, value: HeldValue) -> bool:
        """Hold a value; False when it is held already."""
        if block_hash in self._values:
            return False
        self._values[block_hash] = value
        return True

    def trim(self, claimed: Collection[BlockHash]) -> int:
        """Drop the oldest values that nobody claims, beyond the bound; answers how many."""
        unclaimed = [block_hash for block_hash in self._values if block_hash not in claimed]
        excess = unclaimed[: max(0, len(unclaimed) - self._unclaimed_max)]
        for block_hash in excess:
            del self._values[block_hash]
        return len(excess)

    def forget_questions(self) -> None:
        """After a replay: the host never got the questions that have no verdict, so they may be asked again."""
        for value in self._values.values():
            value.asked = value.valid is not None

    def unasked(self, wanted: Collection[BlockHash]) -> list[tuple[BlockHash, HeldValue]]:
        """The wanted values on which the host was not asked yet; marks them as asked."""
        found = [(key, value) for key, value in self._values.items() if key in wanted and not value.asked]
        for _, value in found:
            value.asked = True
        return found
