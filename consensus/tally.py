"""Counts votes. Knows one thing: which signed votes of one height it holds, and what power stands behind them.

Guarantees: each validator counts once toward "any", and once toward each value for which it holds a vote of it. The first vote
per (validator, round, type) is the one that counts as the validator's; one that conflicts is kept beside it, as evidence,
and counts only toward its own value: a quorum of signed votes for a value is a certificate whatever else its signers said,
and without this an equivocator could hide a quorum from us. Memory: two votes per (validator, round, type), and one more per
value that a proposal claims a polka for. Whether a round may be held at all is left to `future_rounds` and the driver.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from .certificate import Certificate
from .evidence import Equivocation
from .messages import BlockHash, Vote, VoteType
from .validators import NodeId, ValidatorSet

CERTIFIED_VALUES_MAX: Final = 2
"""The second one proves that more than a third is faulty, which is all there is to know."""


@dataclass(frozen=True, slots=True)
class Counted:
    """The vote is new and counts."""


@dataclass(frozen=True, slots=True)
class Repeated:
    """This vote is held already."""


@dataclass(frozen=True, slots=True)
class Conflicting:
    """The validator's second vote; kept, and a fault."""

    evidence: Equivocation


@dataclass(frozen=True, slots=True)
class Refused:
    """The third vote of a validator that is convicted already; not kept."""


AddResult = Counted | Repeated | Conflicting | Refused


@dataclass(slots=True)
class RoundVotes:
    """The votes of one round and one type."""

    validators: ValidatorSet
    first: dict[NodeId, Vote] = field(default_factory=dict)
    second: dict[NodeId, Vote] = field(default_factory=dict)
    claimed: dict[BlockHash, dict[NodeId, Vote]] = field(default_factory=dict)

    def add(self, vote: Vote) -> AddResult:
        """Hold a vote of this round and type."""
        first = self.first.get(vote.validator)
        if first is None:
            self.first[vote.validator] = vote
            return Counted()
        if first.unsigned == vote.unsigned:
            return Repeated()
        second = self.second.get(vote.validator)
        if second is None:
            self.second[vote.validator] = vote
            return Conflicting(Equivocation(first, vote))
        claimed = None if vote.block_hash is None else self.claimed.get(vote.block_hash)
        if second.unsigned == vote.unsigned or (claimed is not None and vote.validator in claimed):
            return Repeated()
        if claimed is None:
            return Refused()
        claimed[vote.validator] = vote
        return Counted()

    def votes_for(self, block_hash: BlockHash | None) -> list[Vote]:
        """The votes for this value (None: nil), one per validator, sorted by validator."""
        by_validator: dict[NodeId, Vote] = {}
        for held in (
            self.claimed.get(block_hash, {}) if block_hash is not None else {},
            self.second,
            self.first,
        ):
            by_validator |= {vote.validator: vote for vote in held.values() if vote.block_hash == block_hash}
        return [by_validator[validator] for validator in sorted(by_validator)]

    def has_quorum_for(self, block_hash: BlockHash | None) -> bool:
        """Whether a quorum voted for this value (None: nil)."""
        power = sum(self.validators.power(vote.validator) for vote in self.votes_for(block_hash))
        return self.validators.is_quorum(power)

    def has_any_quorum(self) -> bool:
        """Whether a quorum voted at all."""
        return self.validators.is_quorum(sum(self.validators.power(validator) for validator in self.first))

    def quorum_value(self) -> BlockHash | None:
        """The value that a quorum voted for; None when there is none, or only for nil."""
        for block_hash in self.values_named():
            if self.has_quorum_for(block_hash):
                return block_hash
        return None

    def values_named(self) -> list[BlockHash]:
        """Every value with a vote, in the order in which it was first named."""
        named: dict[BlockHash, None] = {}
        for held in (self.first, self.second):
            named |= {vote.block_hash: None for vote in held.values() if vote.block_hash is not None}
        return list(named | dict.fromkeys(self.claimed))

    def power_for(self, block_hash: BlockHash) -> int:
        """The power behind a value."""
        return sum(self.validators.power(vote.validator) for vote in self.votes_for(block_hash))

    def forget(self, validator: NodeId) -> None:
        """Drop all that this validator said here."""
        for held in (self.first, self.second, *self.claimed.values()):
            held.pop(validator, None)


class VoteBook:
    """All votes of one height, by round and type."""

    def __init__(self, validators: ValidatorSet) -> None:
        self._validators = validators
        self._rounds: dict[int, dict[VoteType, RoundVotes]] = {}
        self._certificates: dict[BlockHash, Certificate] = {}

    def add(self, vote: Vote) -> AddResult:
        """Hold a vote of a member of the set; the caller has admitted its round."""
        votes = self._hold(vote.round, vote.type)
        result = votes.add(vote)
        block_hash = vote.block_hash
        is_new = isinstance(result, Counted | Conflicting)
        precommits_value = vote.type is VoteType.PRECOMMIT and block_hash is not None
        if is_new and precommits_value and votes.has_quorum_for(block_hash):
            # Made at once, so that dropping the round later cannot lose it.
            self.add_certificate(Certificate.from_votes(votes.votes_for(block_hash), self._validators))
        return result

    def add_certificate(self, certificate: Certificate) -> None:
        """Hold the proof that a value is decided: the first per value, for CERTIFIED_VALUES_MAX values."""
        if len(self._certificates) < CERTIFIED_VALUES_MAX:
            self._certificates.setdefault(certificate.block_hash, certificate)

    def certificates(self) -> list[Certificate]:
        """The certificates held, in order of arrival; more than one means that the chain has forked."""
        return list(self._certificates.values())

    def votes(self, round: int, type: VoteType) -> RoundVotes:
        """The votes of a round; an empty tally, not held, for a round that has none."""
        held = self._rounds.get(round)
        return RoundVotes(self._validators) if held is None else held[type]

    def claim(self, round: int, block_hash: BlockHash) -> None:
        """A proposal says that this value had a polka in this round: its votes are wanted, whatever their signers said else."""
        self._hold(round, VoteType.PREVOTE).claimed.setdefault(block_hash, {})

    def rounds(self) -> list[int]:
        """The rounds held, ascending."""
        return sorted(self._rounds)

    def senders(self, round: int) -> list[NodeId]:
        """Who voted in this round, sorted."""
        prevotes, precommits = (self.votes(round, type).first for type in VoteType)
        return sorted(prevotes | precommits)

    def forget(self, validator: NodeId, round: int) -> None:
        """Drop what one validator said in a round, and the round when nothing is left."""
        held = self._rounds.get(round)
        if held is None:
            return
        for votes in held.values():
            votes.forget(validator)
        if not any(votes.first for votes in held.values()):
            del self._rounds[round]

    def drop_rounds(self, rounds: Iterable[int]) -> None:
        """Drop whole rounds."""
        for round in rounds:
            self._rounds.pop(round, None)

    def _hold(self, round: int, type: VoteType) -> RoundVotes:
        held = self._rounds.get(round)
        if held is None:
            held = {kind: RoundVotes(self._validators) for kind in VoteType}
            self._rounds[round] = held
        return held[type]
