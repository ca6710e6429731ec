"""What the node knows about the height that is being decided: proposals, votes, values, and what follows from them.

Guarantees: answers the questions that the rules ask (is this proposal acceptable? which values matter? who is ahead?) from
held messages alone. Acting on the answers is left to the driver.
"""

from dataclasses import dataclass, field

from .future_rounds import FutureRounds
from .limits import Limits, Timing
from .messages import NO_ROUND, BlockHash, Proposal, UnsignedProposal, UnsignedVote, VoteType
from .round_state import (
    Event,
    FirstProposal,
    HonestAhead,
    PolkaForNil,
    PolkaForValue,
    PrecommitQuorum,
    PrevoteQuorum,
    Reproposal,
    RoundState,
    Step,
    ValueCertified,
)
from .tally import VoteBook
from .validators import NodeId, ValidatorSet
from .value_pool import ValuePool


@dataclass(slots=True)
class HeldProposal:
    """A proposal, when it came, and whether it came in time (None: its block's time is not known yet)."""

    proposal: Proposal
    received_ms: int
    timely: bool | None = None
    convicted: bool = False
    """Whether its proposer was found to have made another one for the same round."""


@dataclass(slots=True)
class HeightState:
    """Everything of one height; replaced as a whole when the next one starts."""

    height: int
    validators: ValidatorSet
    parent_time_ms: int
    timing: Timing
    limits: Limits
    rules: RoundState = field(default_factory=RoundState)
    proposals: dict[int, HeldProposal] = field(default_factory=dict)
    pending: dict[tuple[int, VoteType | None], UnsignedVote | UnsignedProposal] = field(default_factory=dict)
    """What we asked to have signed and have not seen back, by round and type (None: proposal)."""
    missing_asked: dict[BlockHash, None] = field(default_factory=dict)
    votes: VoteBook = field(init=False)
    values: ValuePool = field(init=False)
    future: FutureRounds = field(init=False)

    def __post_init__(self) -> None:
        self.votes = VoteBook(self.validators)
        self.values = ValuePool(self.limits.values_unclaimed_max)
        self.future = FutureRounds(self.limits.catchup_rounds_per_validator)

    def enabled_events(self) -> list[Event]:
        """The facts that hold now, in the order in which the rules must see them: decide, skip, then the round."""
        round = self.rules.round
        prevotes = self.votes.votes(round, VoteType.PREVOTE)
        events: list[Event] = [
            ValueCertified(certificate.round, certificate.block_hash)
            for certificate in self.votes.certificates()
            if self.values.is_valid(certificate.block_hash)
        ]
        ahead = self.honest_ahead()
        if ahead is not None:
            events.append(HonestAhead(ahead))
        events += self._proposal_events(round)
        polka = prevotes.quorum_value()
        if polka is not None and self.values.is_valid(polka):
            events.append(PolkaForValue(round, polka))
        if prevotes.has_quorum_for(None):
            events.append(PolkaForNil(round))
        if prevotes.has_any_quorum():
            events.append(PrevoteQuorum(round))
        if self.votes.votes(round, VoteType.PRECOMMIT).has_any_quorum():
            events.append(PrecommitQuorum(round))
        return events

    def honest_ahead(self) -> int | None:
        """The highest round above ours in which validators with more than a third of the power have spoken (L55)."""
        rounds = {round for round in (*self.votes.rounds(), *self.proposals) if round > self.rules.round}
        for round in sorted(rounds, reverse=True):
            senders = dict.fromkeys(self.votes.senders(round))
            held = self.proposals.get(round)
            if held is not None:
                senders[held.proposal.validator] = None
            if self.validators.is_honest(sum(self.validators.power(sender) for sender in senders)):
                return round
        return None

    def claimed_values(self) -> dict[BlockHash, None]:
        """The values that must be kept: locked, valid, certified, our own, and those of the rounds around this one."""
        claimed = self.wanted_values()
        for value in (self.rules.locked, self.rules.valid):
            if value is not None:
                claimed[value.block_hash] = None
        for message in self.pending.values():
            if isinstance(message, UnsignedProposal):
                claimed[message.block_hash] = None
        for round in (self.rules.round - 1, self.rules.round + 1):
            held = self.proposals.get(round)
            if held is not None:
                claimed[held.proposal.block_hash] = None
        return claimed

    def judged_values(self) -> dict[BlockHash, None]:
        """The values whose validity a rule asks for now: named by a quorum, or proposed before our prevote (L22, L28).

        After it, a proposal of this round is judged only if L36 or L49 comes to need it, or a later round proposes it again:
        executing what came too late would keep a slow node from being in time the next time.
        """
        judged = self.quorum_values()
        if self.rules.step in (Step.NEW_HEIGHT, Step.PROPOSE):
            judged |= self.wanted_values()
        return judged

    def wanted_values(self) -> dict[BlockHash, None]:
        """The values to have and to keep now: proposed in this round, or named by a quorum."""
        wanted = self.quorum_values()
        held = self.proposals.get(self.rules.round)
        if held is not None and held.timely is not False:
            wanted[held.proposal.block_hash] = None
        return wanted

    def quorum_values(self) -> dict[BlockHash, None]:
        """The values that a quorum has precommitted, or prevoted in this round."""
        named = {certificate.block_hash: None for certificate in self.votes.certificates()}
        polka = self.votes.votes(self.rules.round, VoteType.PREVOTE).quorum_value()
        if polka is not None:
            named[polka] = None
        return named

    def named_values(self) -> dict[BlockHash, None]:
        """The values wanted, and those behind which at least one honest validator stands in this round."""
        named = self.wanted_values()
        for vote_type in VoteType:
            votes = self.votes.votes(self.rules.round, vote_type)
            for block_hash in votes.values_named():
                if self.validators.is_honest(votes.power_for(block_hash)):
                    named[block_hash] = None
        return named

    def advance(self) -> None:
        """After a round has started: free what the new round makes pointless."""
        round = self.rules.round
        self.future.advance(round + 2)
        oldest_kept = round - self.limits.rounds_kept
        kept = {value.round for value in (self.rules.locked, self.rules.valid) if value is not None}
        self.votes.drop_rounds(old for old in self.votes.rounds() if old < oldest_kept and old not in kept)
        self.proposals = {at: held for at, held in self.proposals.items() if at >= oldest_kept}
        self.pending = {place: message for place, message in self.pending.items() if place[0] >= round}
        self.claim_polka()

    def claim_polka(self) -> None:
        """Let the votes in that the proposal of this round says it stands on."""
        held = self.proposals.get(self.rules.round)
        if held is not None and held.proposal.valid_round != NO_ROUND:
            self.votes.claim(held.proposal.valid_round, held.proposal.block_hash)

    def forget(self, validator: NodeId, round: int) -> None:
        """Drop what a validator said in a far round."""
        self.votes.forget(validator, round)
        held = self.proposals.get(round)
        if held is not None and held.proposal.validator == validator:
            del self.proposals[round]

    def _proposal_events(self, round: int) -> list[Event]:
        held = self.proposals.get(round)
        if held is None:
            return []
        acceptable = self._acceptable(held)
        if acceptable is None:
            return []
        block_hash, valid_round = held.proposal.block_hash, held.proposal.valid_round
        if valid_round == NO_ROUND:
            return [FirstProposal(round, block_hash, acceptable)]
        if self.votes.votes(valid_round, VoteType.PREVOTE).has_quorum_for(block_hash):
            return [Reproposal(round, block_hash, valid_round, acceptable)]
        return []

    def _acceptable(self, held: HeldProposal) -> bool | None:
        """valid(v), of the declared size, and, for a first proposal, timely; None while that is not known."""
        proposal = held.proposal
        value = self.values.get(proposal.block_hash)
        if value is None:
            return None
        if held.timely is None:
            held.timely = proposal.valid_round != NO_ROUND or self._is_timely(held, value.time_ms)
        if not held.timely or len(value.payload) != proposal.payload_bytes:
            return False
        return value.valid

    def _is_timely(self, held: HeldProposal, time_ms: int) -> bool:
        """Proposer-based time: the block's time lies where a correct proposer's clock can have been."""
        earliest_ms = (
            held.received_ms - self.timing.proposal_delay_ms(held.proposal.round) - self.timing.precision_ms
        )
        return earliest_ms <= time_ms <= held.received_ms + self.timing.precision_ms
