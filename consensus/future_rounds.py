"""Bounds what validators may place in rounds far ahead of ours.

Guarantees: each validator occupies at most `limit` rounds beyond the next one. Its highest rounds win, because an honest
validator's rounds only grow: what it said last is where it is. A liar can push out only its own messages.
"""

from dataclasses import dataclass

from .validators import NodeId


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether a message of this round may be held, and which round of the same validator must be forgotten for it."""

    admitted: bool
    forget_round: int | None = None


class FutureRounds:
    """Which far rounds each validator occupies."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rounds: dict[NodeId, tuple[int, ...]] = {}

    def admit(self, validator: NodeId, round: int) -> Admission:
        """Ask for a place in a round beyond the next."""
        occupied = self._rounds.get(validator, ())
        if round in occupied:
            return Admission(True)
        if len(occupied) < self._limit:
            self._rounds[validator] = tuple(sorted((*occupied, round)))
            return Admission(True)
        lowest = occupied[0]
        if round < lowest:
            return Admission(False)
        self._rounds[validator] = tuple(sorted((*occupied[1:], round)))
        return Admission(True, lowest)

    def advance(self, first_far_round: int) -> None:
        """Free the places in rounds that are no longer far."""
        self._rounds = {
            validator: tuple(round for round in rounds if round >= first_far_round)
            for validator, rounds in self._rounds.items()
        }
