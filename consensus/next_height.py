"""Holds what comes for the next height while our own host still commits the present one.

Guarantees: a bound per validator and a bound on payloads, so that nobody can fill it for the others; what is held comes out
once, in order of arrival, when that height starts.
"""

from dataclasses import dataclass, field

from .inputs import ProposalReceived, ValueReceived, VoteReceived
from .limits import Limits
from .messages import Proposal, Vote
from .validators import VALIDATORS_MAX, NodeId

Early = ProposalReceived | VoteReceived | ValueReceived


@dataclass(slots=True)
class NextHeight:
    """The inputs that are one height early."""

    limits: Limits
    height: int
    _held: list[Early] = field(default_factory=list)
    _per_validator: dict[NodeId, list[Vote | Proposal]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._held)

    def hold(self, early: Early) -> bool:
        """Keep it; False when it is known, or its sender has no place left."""
        if not (self._has_place_for_value(early) if isinstance(early, ValueReceived) else self._claim(early)):
            return False
        self._held.append(early)
        return True

    def release(self) -> list[Early]:
        """All that is held, in order of arrival."""
        held, self._held = self._held, []
        return held

    def _has_place_for_value(self, early: ValueReceived) -> bool:
        held = [item.block_hash for item in self._held if isinstance(item, ValueReceived)]
        return early.block_hash not in held and len(held) < self.limits.next_height_values_max

    def _claim(self, early: ProposalReceived | VoteReceived) -> bool:
        message = early.proposal if isinstance(early, ProposalReceived) else early.vote
        if message.validator not in self._per_validator and len(self._per_validator) >= VALIDATORS_MAX:
            return False
        messages = self._per_validator.setdefault(message.validator, [])
        known = any(held.unsigned == message.unsigned for held in messages)
        if known or len(messages) >= self.limits.next_height_messages_per_validator:
            return False
        messages.append(message)
        return True
