"""The core's one door: `Driver.step(input) -> [effect]`.

What it is: the multiplexer between messages and rules. It admits messages within bounds, keeps them in the `HeightState`,
offers the facts that follow from them to `round_state.apply` until nothing changes, and turns what the rules say into effects.

Guarantees: a pure function of its inputs (same inputs, same effects, on every machine); every message that comes at any
moment is used, held within `Limits`, or counted in `dropped`; after a Decide or Synced the node waits for HeightStarted.

Left to the host (see `inputs` and `effects`): signatures, disk, network, clocks, building, judging and committing blocks.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import assert_never

from .certificate import Certificate
from .effects import (
    Broadcast,
    Decide,
    Effect,
    EvidenceFound,
    Halt,
    NeedValue,
    RequestValue,
    SendTo,
    SetTimer,
    SignAndSend,
    ValidateValue,
)
from .errors import ContractViolation
from .evidence import Equivocation
from .gossip import polka_votes, repeated_messages, value_message
from .height_state import HeightState
from .inputs import (
    CertificateReceived,
    HeightStarted,
    Input,
    NeedFromPeer,
    PeerConnected,
    ProposalReceived,
    ResendDue,
    Synced,
    Timeout,
    TimeoutElapsed,
    TimeoutKind,
    ValueBuilt,
    ValueReceived,
    ValueValidated,
    VoteReceived,
    WorkAvailable,
)
from .intake import DropReason, take_message
from .limits import Limits, Timing
from .messages import NO_ROUND, BlockHash, Proposal, UnsignedProposal, UnsignedVote, Vote, VoteType
from .next_height import Early, NextHeight
from .round_state import (
    BuildValue,
    CastVote,
    DecideValue,
    EnterRound,
    Event,
    Output,
    OwnValueBuilt,
    Propose,
    RoundStarted,
    RoundState,
    StartTimer,
    Step,
    TimerFired,
    apply,
)
from .validators import NodeId
from .value_pool import HeldValue

__all__ = ["Driver", "DropReason", "Limits", "Step", "Timing"]


class Driver:
    """One node's part in deciding one height after the other.

    `own_id` None: an observer, which follows and decides but never asks for a signature. A node whose id is not in a height's
    set observes that height.
    """

    def __init__(self, chain_id: bytes, own_id: NodeId | None, timing: Timing, limits: Limits) -> None:
        self._chain_id = chain_id
        self._own_id = own_id
        self._timing = timing
        self._limits = limits
        self._state: HeightState | None = None
        self._next: NextHeight | None = None
        self._waiting_since = 0
        """The height that is done while the host prepares the next; below the present height while that one is open."""
        self._decision: Decide | None = None
        self._certificate: Certificate | None = None
        self._late_votes: dict[UnsignedVote, None] = {}
        self._halted: Halt | None = None
        self._dropped: dict[DropReason, int] = {}
        self._effects: list[Effect] = []

    # --- What the host may look at ---

    @property
    def height(self) -> int:
        """The height being decided, or decided last; 0 before the first HeightStarted."""
        return 0 if self._state is None else self._state.height

    @property
    def round(self) -> int:
        """The round of that height."""
        return 0 if self._state is None else self._state.rules.round

    @property
    def current_step(self) -> Step:
        """Where the node stands in that round."""
        return Step.NEW_HEIGHT if self._state is None else self._state.rules.step

    @property
    def certificate(self) -> Certificate | None:
        """The certificate of the last decision."""
        return self._certificate

    @property
    def dropped(self) -> Mapping[DropReason, int]:
        """How many messages were not used, by reason."""
        return MappingProxyType(self._dropped)

    # --- What the host does ---

    def step(self, input: Input) -> list[Effect]:
        """Take one input; answer what the host must do, in order.

        Raises ContractViolation on an input that the host itself had no right to feed. A halted core answers nothing.
        """
        if self._halted is not None:
            return []
        self._effects = []
        match input:
            case HeightStarted():
                self._start_height(input)
            case Synced(height):
                self._leave_height(height)
            case ProposalReceived() | VoteReceived() | ValueReceived():
                self._take_message(input)
            case CertificateReceived(certificate):
                self._take_certificate(certificate)
            case WorkAvailable(height):
                self._on_open_height(height, self._wake)
            case ValueBuilt(height=height):
                self._on_open_height(height, lambda state: self._take_own_value(state, input))
            case ValueValidated(height=height):
                self._on_open_height(height, lambda state: self._take_verdict(state, input))
            case TimeoutElapsed(timeout):
                self._on_open_height(timeout.height, lambda state: self._take_timeout(state, timeout))
            case ResendDue(height, round):
                self._on_open_height(height, lambda state: self._repeat_all(state, round))
            case PeerConnected(peer):
                self._greet(peer)
            case NeedFromPeer(peer, height, block_hash):
                self._answer_need(peer, height, block_hash)
            case _:
                assert_never(input)
        return self._effects

    def outstanding(self) -> list[Effect]:
        """After a replay whose effects were thrown away: the effects that the host must perform again."""
        state = self._open_state()
        if self._halted is not None:
            return [self._halted]
        if self._decision is not None:
            return [self._decision]
        if state is None or state.rules.step is Step.NEW_HEIGHT:
            return []
        self._effects = []
        for message in state.pending.values():
            self._effects.append(SignAndSend(message))
            if isinstance(message, UnsignedProposal):
                self._effects += [Broadcast(value) for value in value_message(state, message.block_hash)]
        self._set_timer(state, TimeoutKind.RESEND)
        for kind, waits in (
            (TimeoutKind.PROPOSE, state.rules.step is Step.PROPOSE),
            (TimeoutKind.PREVOTE, state.rules.step is Step.PREVOTE and state.rules.saw_prevote_quorum),
            (TimeoutKind.PRECOMMIT, state.rules.saw_precommit_quorum),
        ):
            if waits:
                self._set_timer(state, kind)
        if state.rules.awaits_own_value:
            self._effects.append(RequestValue(state.height, state.rules.round))
        state.values.forget_questions()
        for block_hash, value in state.values.unasked(state.judged_values()):
            self._effects.append(ValidateValue(state.height, block_hash, value.payload))
        self._repeat_all(state, state.rules.round)
        return self._effects

    # --- Heights ---

    def _open_state(self) -> HeightState | None:
        """The present height, unless it is done and the host prepares the next."""
        if self._state is None or self._waiting_since >= self._state.height:
            return None
        return self._state

    def _start_height(self, start: HeightStarted) -> None:
        if self._open_state() is not None:
            raise ContractViolation("the present height is open", height=self.height, started=start.height)
        if start.height <= max(self.height, self._waiting_since):
            raise ContractViolation("heights only grow", height=self.height, started=start.height)
        state = HeightState(start.height, start.validators, start.parent_time_ms, self._timing, self._limits)
        early = self._next.release() if self._next is not None and self._next.height == start.height else []
        if self._certificate is not None and self._certificate.height != start.height - 1:
            self._certificate = None
        self._state, self._next, self._decision = state, NextHeight(self._limits, start.height + 1), None
        self._late_votes = {}
        for message in early:
            self._take_message(message)

    def _leave_height(self, height: int) -> None:
        if height < self.height:
            return  # old news: the host's sync and our own decision crossed
        self._waiting_since = height
        self._decision = None

    def _wake(self, state: HeightState) -> None:
        if state.rules.step is Step.NEW_HEIGHT and self._halted is None:
            self._start_round(state, 0)
            self._evaluate(state)

    def _on_open_height(self, height: int, act: Callable[[HeightState], None]) -> None:
        """Act if the input is of the height that is open; a late answer of the host is no fault."""
        state = self._open_state()
        if state is not None and height == state.height:
            act(state)

    # --- Messages ---

    def _take_message(self, input: Early) -> None:
        height, size = _height_and_size(input)
        state = self._open_state()
        if size > self._limits.payload_bytes_max:
            self._drop(DropReason.OVERSIZED)
        elif state is not None and height == state.height:
            self._take_present(state, input)
        elif self._next is not None and height == self._next.height:
            if not self._next.hold(input):
                self._drop(DropReason.NO_PLACE)
        else:
            self._drop(DropReason.OTHER_HEIGHT)
            if isinstance(input, VoteReceived):
                self._help_straggler(input.vote)

    def _take_present(self, state: HeightState, input: Early) -> None:
        if not isinstance(input, ValueReceived):
            self._seen_back(state, _message_of(input))
        taken = take_message(state, input)
        if isinstance(taken, DropReason):
            self._drop(taken)
            return
        if taken.evidence is not None:
            self._accuse(taken.evidence)
        self._trim_values(state)
        self._evaluate(state)
        if state.rules.step is Step.NEW_HEIGHT and not isinstance(input, ValueReceived):
            self._wake(state)

    def _take_certificate(self, certificate: Certificate) -> None:
        state = self._open_state()
        if state is None or certificate.height != state.height:
            self._drop(DropReason.OTHER_HEIGHT)
            return
        state.votes.add_certificate(certificate)
        self._evaluate(state)
        self._wake(state)

    def _seen_back(self, state: HeightState, message: Vote | Proposal) -> None:
        """Our own signed message has come: it is in the journal, and need not be asked for again."""
        if message.validator == self._own_id:
            vote_type = message.type if isinstance(message, Vote) else None
            state.pending.pop((message.round, vote_type), None)

    def _accuse(self, evidence: Equivocation) -> None:
        self._effects.append(EvidenceFound(evidence))
        if evidence.validator == self._own_id:
            self._halt(
                f"two messages signed by this node's own key for height {evidence.height}, round "
                f"{evidence.first.round}: another process uses the key"
            )

    def _help_straggler(self, vote: Vote) -> None:
        """Answer a vote of the height before with its certificate, when it is a repetition.

        The first sight is no sign of need: in every height the last precommits come after the decision.
        """
        certificate = self._certificate
        if certificate is None or vote.height != certificate.height or vote.validator == self._own_id:
            return
        if vote.unsigned in self._late_votes:
            self._effects.append(SendTo(vote.validator, certificate))
        elif len(self._late_votes) < self._limits.late_votes_max:
            self._late_votes[vote.unsigned] = None

    # --- The host's answers ---

    def _take_own_value(self, state: HeightState, built: ValueBuilt) -> None:
        if built.round != state.rules.round or not state.rules.awaits_own_value:
            return  # the round is over; a new one asks anew
        if len(built.payload) > self._limits.payload_bytes_max or built.time_ms <= state.parent_time_ms:
            raise ContractViolation(
                "our own block breaks a limit",
                payload_bytes=len(built.payload),
                time_ms=built.time_ms,
                parent_time_ms=state.parent_time_ms,
            )
        value = HeldValue(built.payload, built.time_ms, valid=True, asked=True)
        state.values.add(built.block_hash, value)
        self._offer(state, OwnValueBuilt(built.round, built.block_hash))
        self._evaluate(state)

    def _take_verdict(self, state: HeightState, verdict: ValueValidated) -> None:
        value = state.values.get(verdict.block_hash)
        if value is not None and value.valid is None:
            value.valid, value.reason = verdict.valid, verdict.reason
            self._evaluate(state)

    def _take_timeout(self, state: HeightState, timeout: Timeout) -> None:
        if timeout.kind is not TimeoutKind.RESEND:
            self._offer(state, TimerFired(timeout.round, timeout.kind))
            self._evaluate(state)
        elif timeout.round == state.rules.round and state.rules.step is not Step.NEW_HEIGHT:
            self._repeat_all(state, timeout.round)
            self._set_timer(state, TimeoutKind.RESEND)

    # --- Rules and what they say ---

    def _evaluate(self, state: HeightState) -> None:
        """Offer the facts to the rules until nothing changes, then ask for what is missing."""
        while self._halted is None and self._open_state() is state:
            self._halt_on_broken_safety(state)
            if not any(self._offer(state, event) for event in state.enabled_events()):
                break
        if self._halted is None and self._open_state() is state:
            self._ask_for_values(state)

    def _offer(self, state: HeightState, event: Event) -> bool:
        """Apply the rule that the event enables; whether it was enabled."""
        before = state.rules
        state.rules, outputs = self._apply_rule(before, event)
        for output in outputs:
            self._perform(state, output)
        return bool(outputs) or state.rules != before

    def _apply_rule(self, rules: RoundState, event: Event) -> tuple[RoundState, tuple[Output, ...]]:
        """The paper's rules; a method of its own, so that the simulator can be tried on a core with a broken rule."""
        return apply(rules, event)

    def _perform(self, state: HeightState, output: Output) -> None:
        match output:
            case EnterRound(round):
                self._start_round(state, round)
            case StartTimer(kind):
                self._set_timer(state, kind)
            case BuildValue():
                self._effects.append(RequestValue(state.height, state.rules.round))
            case Propose(block_hash, valid_round):
                self._propose(state, block_hash, valid_round)
            case CastVote(vote_type, block_hash, valid_round):
                self._vote(state, vote_type, block_hash, valid_round)
            case DecideValue(block_hash):
                self._decide(state, block_hash)
            case _:
                assert_never(output)

    def _start_round(self, state: HeightState, round: int) -> None:
        proposes = self._votes_in(state) and state.validators.proposer(state.height, round) == self._own_id
        self._offer(state, RoundStarted(round, proposes))
        state.advance()
        self._trim_values(state)
        state.missing_asked = {}
        self._set_timer(state, TimeoutKind.RESEND)

    def _propose(self, state: HeightState, block_hash: BlockHash, valid_round: int) -> None:
        assert self._own_id is not None, "only a validator is told to propose"
        value = state.values.get(block_hash)
        assert value is not None, "a valid value is held as long as it is valid"
        proposal = UnsignedProposal(
            state.height, state.rules.round, valid_round, block_hash, len(value.payload), self._own_id
        )
        self._sign(state, (proposal.round, None), proposal)
        self._effects += [Broadcast(message) for message in value_message(state, block_hash)]
        if valid_round != NO_ROUND:
            self._effects += [Broadcast(vote) for vote in polka_votes(state, valid_round, block_hash)]

    def _vote(
        self, state: HeightState, vote_type: VoteType, block_hash: BlockHash | None, valid_round: int
    ) -> None:
        if not self._votes_in(state):
            return
        assert self._own_id is not None, "a voter has a name"
        vote = UnsignedVote(vote_type, state.height, state.rules.round, block_hash, valid_round, self._own_id)
        self._sign(state, (vote.round, vote_type), vote)

    def _sign(
        self,
        state: HeightState,
        place: tuple[int, VoteType | None],
        message: UnsignedVote | UnsignedProposal,
    ) -> None:
        state.pending[place] = message
        self._effects.append(SignAndSend(message))

    def _decide(self, state: HeightState, block_hash: BlockHash) -> None:
        (certificate,) = (held for held in state.votes.certificates() if held.block_hash == block_hash)
        value = state.values.get(block_hash)
        assert value is not None, "a value is decided only where it is held"
        self._decision = Decide(state.height, certificate.round, block_hash, value.payload, certificate)
        self._certificate = certificate
        self._waiting_since = state.height
        self._effects.append(self._decision)

    def _halt_on_broken_safety(self, state: HeightState) -> None:
        certificates = state.votes.certificates()
        if len(certificates) > 1:
            named = " and ".join(f"{held.block_hash.hex()} in round {held.round}" for held in certificates)
            self._halt(f"two values are certified at height {state.height}: {named}")
        for certificate in certificates:
            value = state.values.get(certificate.block_hash)
            if value is not None and value.valid is False:
                self._halt(
                    f"a quorum has precommitted block {certificate.block_hash.hex()} at height {state.height}, "
                    f"which this node holds invalid: {value.reason}"
                )

    def _ask_for_values(self, state: HeightState) -> None:
        """Have the host judge what a rule waits for, and fetch what a quorum names and we lack."""
        for block_hash, value in state.values.unasked(state.judged_values()):
            self._effects.append(ValidateValue(state.height, block_hash, value.payload))
        # A proposal's value normally follows it at once; a quorum means that it has passed us by.
        self._need_missing(state, state.quorum_values())

    def _need_missing(self, state: HeightState, named: Mapping[BlockHash, None]) -> None:
        for block_hash in named:
            if state.values.get(block_hash) is None and block_hash not in state.missing_asked:
                state.missing_asked[block_hash] = None
                self._effects.append(NeedValue(state.height, state.rules.round, block_hash))

    # --- Gossip ---

    def _repeat_all(self, state: HeightState, round: int) -> None:
        if round != state.rules.round:
            return
        self._effects += [Broadcast(message) for message in repeated_messages(state, self._own_id)]
        state.missing_asked = {}
        self._need_missing(state, state.named_values())

    def _greet(self, peer: NodeId) -> None:
        if self._certificate is not None:
            self._effects.append(SendTo(peer, self._certificate))
        state = self._open_state()
        if state is not None:
            self._effects += [SendTo(peer, message) for message in repeated_messages(state, self._own_id)]

    def _answer_need(self, peer: NodeId, height: int, block_hash: BlockHash) -> None:
        if self._state is not None and height == self._state.height:
            self._effects += [SendTo(peer, message) for message in value_message(self._state, block_hash)]

    # --- Small things ---

    def _votes_in(self, state: HeightState) -> bool:
        return self._own_id is not None and state.validators.get(self._own_id) is not None

    def _set_timer(self, state: HeightState, kind: TimeoutKind) -> None:
        timeout = Timeout(state.height, state.rules.round, kind)
        self._effects.append(SetTimer(timeout, self._timing.timeout_ms(kind, state.rules.round)))

    def _trim_values(self, state: HeightState) -> None:
        for _ in range(state.values.trim(state.claimed_values())):
            self._drop(DropReason.NO_PLACE)

    def _halt(self, reason: str) -> None:
        if self._halted is None:
            self._halted = Halt(reason)
            self._effects.append(self._halted)

    def _drop(self, reason: DropReason) -> None:
        self._dropped[reason] = self._dropped.get(reason, 0) + 1


def _message_of(input: ProposalReceived | VoteReceived) -> Proposal | Vote:
    return input.proposal if isinstance(input, ProposalReceived) else input.vote


def _height_and_size(input: Early) -> tuple[int, int]:
    """Where the message belongs, and how many payload bytes it brings or announces."""
    match input:
        case ProposalReceived(proposal):
            return proposal.height, proposal.payload_bytes
        case VoteReceived(vote):
            return vote.height, 0
        case ValueReceived(height=height, payload=payload):
            return height, len(payload)
        case _:
            assert_never(input)
