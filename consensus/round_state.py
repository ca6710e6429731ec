"""The rules of Tendermint inside one height: one match arm per rule of arXiv 1807.04938, its line number beside it.

    NEW_HEIGHT --L11--> PROPOSE --L22 L28 L57--> PREVOTE --L36 L44 L61--> PRECOMMIT --L65--> PROPOSE of the next round
        any step --L55--> PROPOSE of a later round          any step --L49--> DECIDED

`apply` is a pure function `(state, event) -> (state, outputs)`. An event says that a fact holds (a proposal with a polka is
here, a timer has fired); the arm's guard says whether the rule is enabled now. An event whose rule is not enabled changes
nothing, so facts may be offered again and again. Everything that moves `RoundState` is in this file.

Guarantees: at most one prevote and one precommit per round; a lock is set by L36 only, and neither a nil polka nor a timeout
takes it away; a prevote against the lock needs a polka of the lock's round or later (L28). Which facts hold - counting
votes, judging values, knowing the proposer - is left to the driver.
"""

import enum
from dataclasses import dataclass, replace

from .inputs import TimeoutKind
from .messages import NO_ROUND, BlockHash, VoteType


class Step(enum.IntEnum):
    """Where the node stands in its round; ordered, as the rules compare."""

    NEW_HEIGHT = 0
    PROPOSE = 1
    PREVOTE = 2
    PRECOMMIT = 3
    DECIDED = 4


@dataclass(frozen=True, slots=True)
class RoundValue:
    """A value and the round in which a polka for it was seen."""

    block_hash: BlockHash
    round: int


@dataclass(frozen=True, slots=True)
class RoundState:
    """The paper's variables of one height, and what its "for the first time" needs to remember of this round."""

    round: int = 0
    step: Step = Step.NEW_HEIGHT
    locked: RoundValue | None = None
    valid: RoundValue | None = None
    awaits_own_value: bool = False
    saw_prevote_quorum: bool = False
    saw_polka: bool = False
    saw_precommit_quorum: bool = False


# --- Events: facts that hold -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RoundStarted:
    """This round begins; `proposes` says whether it is ours to propose."""

    round: int
    proposes: bool


@dataclass(frozen=True, slots=True)
class OwnValueBuilt:
    """The value that L18 asked for is here."""

    round: int
    block_hash: BlockHash


@dataclass(frozen=True, slots=True)
class FirstProposal:
    """PROPOSAL(h, round, v, -1) from its proposer; `acceptable`: valid(v), of the declared size, and timely."""

    round: int
    block_hash: BlockHash
    acceptable: bool


@dataclass(frozen=True, slots=True)
class Reproposal:
    """PROPOSAL(h, round, v, valid_round) from its proposer, and a polka for v at valid_round."""

    round: int
    block_hash: BlockHash
    valid_round: int
    acceptable: bool


@dataclass(frozen=True, slots=True)
class PrevoteQuorum:
    """A quorum has prevoted in this round, whatever for."""

    round: int


@dataclass(frozen=True, slots=True)
class PolkaForValue:
    """A polka of this round for a value that is here and valid."""

    round: int
    block_hash: BlockHash


@dataclass(frozen=True, slots=True)
class PolkaForNil:
    """A quorum has prevoted nil in this round."""

    round: int


@dataclass(frozen=True, slots=True)
class PrecommitQuorum:
    """A quorum has precommitted in this round, whatever for."""

    round: int


@dataclass(frozen=True, slots=True)
class ValueCertified:
    """A quorum has precommitted, in this round, a value that is here and valid."""

    round: int
    block_hash: BlockHash


@dataclass(frozen=True, slots=True)
class HonestAhead:
    """Validators with more than a third of the power are in this round."""

    round: int


@dataclass(frozen=True, slots=True)
class TimerFired:
    """A wait of this round is over."""

    round: int
    kind: TimeoutKind


Event = (
    RoundStarted
    | OwnValueBuilt
    | FirstProposal
    | Reproposal
    | PrevoteQuorum
    | PolkaForValue
    | PolkaForNil
    | PrecommitQuorum
    | ValueCertified
    | HonestAhead
    | TimerFired
)


# --- Outputs: what the rule says to do -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BuildValue:
    """Ask the application for a new value."""


@dataclass(frozen=True, slots=True)
class Propose:
    """Broadcast PROPOSAL(h, r, v, valid_round)."""

    block_hash: BlockHash
    valid_round: int


@dataclass(frozen=True, slots=True)
class CastVote:
    """Broadcast PREVOTE or PRECOMMIT; None is nil."""

    type: VoteType
    block_hash: BlockHash | None
    valid_round: int = NO_ROUND


@dataclass(frozen=True, slots=True)
class StartTimer:
    """Schedule a timeout of the present round."""

    kind: TimeoutKind


@dataclass(frozen=True, slots=True)
class EnterRound:
    """Start that round: answer with RoundStarted."""

    round: int


@dataclass(frozen=True, slots=True)
class DecideValue:
    """The height is decided."""

    block_hash: BlockHash
    round: int


Output = BuildValue | Propose | CastVote | StartTimer | EnterRound | DecideValue


def apply(state: RoundState, event: Event) -> tuple[RoundState, tuple[Output, ...]]:
    """Apply the rule that `event` enables, if it is enabled."""
    if state.step is Step.DECIDED:
        return state, ()
    here = event.round == state.round
    match event:
        # L11-L21: start round r. The flags of the old round are forgotten; lock and valid value are not.
        case RoundStarted(round, proposes) if round > state.round or state.step is Step.NEW_HEIGHT:
            fresh = RoundState(
                round, Step.PROPOSE, state.locked, state.valid, proposes and state.valid is None
            )
            return fresh, (*_proposal(state, proposes), StartTimer(TimeoutKind.PROPOSE))

        # L18: a new value, built because nothing valid was known.
        case OwnValueBuilt(block_hash=block_hash) if here and state.awaits_own_value:
            return replace(state, awaits_own_value=False), (Propose(block_hash, NO_ROUND),)

        # L22-L27: a first proposal; only a lock on this very value, or none, lets us follow.
        case FirstProposal(block_hash=block_hash) if here and state.step is Step.PROPOSE:
            free = state.locked is None or state.locked.block_hash == block_hash
            return _prevote(state, block_hash if event.acceptable and free else None)

        # L28-L33: proposed again with a polka at valid_round, which also frees us from a lock of that round or before.
        case Reproposal(block_hash=block_hash, valid_round=valid_round) if (
            here and state.step is Step.PROPOSE and 0 <= valid_round < state.round
        ):
            free = (
                state.locked is None
                or state.locked.round <= valid_round
                or state.locked.block_hash == block_hash
            )
            return _prevote(state, block_hash if event.acceptable and free else None, valid_round)

        # L34-L35: a quorum of any prevotes, first time, at step prevote.
        case PrevoteQuorum() if here and state.step is Step.PREVOTE and not state.saw_prevote_quorum:
            return replace(state, saw_prevote_quorum=True), (StartTimer(TimeoutKind.PREVOTE),)

        # L36-L43 at step prevote: lock and precommit; the value is valid from now on.
        case PolkaForValue(round, block_hash) if here and state.step is Step.PREVOTE and not state.saw_polka:
            value = RoundValue(block_hash, round)
            locked = replace(state, locked=value, valid=value, step=Step.PRECOMMIT, saw_polka=True)
            return locked, (CastVote(VoteType.PRECOMMIT, block_hash),)

        # L36, L42-L43 at step precommit: too late to lock (we precommitted nil), but the value is valid from now on.
        case PolkaForValue(round, block_hash) if (
            here and state.step is Step.PRECOMMIT and not state.saw_polka
        ):
            return replace(state, valid=RoundValue(block_hash, round), saw_polka=True), ()

        # L44-L46: a nil polka ends the round, not the lock.
        case PolkaForNil() if here and state.step is Step.PREVOTE:
            return _precommit_nil(state)

        # L47-L48: a quorum of any precommits, first time, at any step.
        case PrecommitQuorum() if (
            here and state.step is not Step.NEW_HEIGHT and not state.saw_precommit_quorum
        ):
            return replace(state, saw_precommit_quorum=True), (StartTimer(TimeoutKind.PRECOMMIT),)

        # L49-L54: of any round, at any step.
        case ValueCertified(round, block_hash):
            return replace(state, step=Step.DECIDED), (DecideValue(block_hash, round),)

        # L55-L56: at least one honest validator is there already.
        case HonestAhead(round) if round > state.round:
            return state, (EnterRound(round),)

        # L57-L60
        case TimerFired(kind=TimeoutKind.PROPOSE) if here and state.step is Step.PROPOSE:
            return _prevote(state, None)

        # L61-L64
        case TimerFired(kind=TimeoutKind.PREVOTE) if here and state.step is Step.PREVOTE:
            return _precommit_nil(state)

        # L65-L67: also while still at propose or prevote: a quorum has left this round.
        case TimerFired(kind=TimeoutKind.PRECOMMIT) if here and state.step is not Step.NEW_HEIGHT:
            return state, (EnterRound(state.round + 1),)

        case _:
            return state, ()


def _proposal(state: RoundState, proposes: bool) -> tuple[Output, ...]:
    """L14-L19: what the proposer of a round says. A valid value goes before a new one: others may be locked on it."""
    if not proposes:
        return ()
    if state.valid is None:
        return (BuildValue(),)
    return (Propose(state.valid.block_hash, state.valid.round),)


def _prevote(
    state: RoundState, block_hash: BlockHash | None, valid_round: int = NO_ROUND
) -> tuple[RoundState, tuple[Output, ...]]:
    named_round = NO_ROUND if block_hash is None else valid_round
    voted = replace(state, step=Step.PREVOTE, awaits_own_value=False)
    return voted, (CastVote(VoteType.PREVOTE, block_hash, named_round),)


def _precommit_nil(state: RoundState) -> tuple[RoundState, tuple[Output, ...]]:
    return replace(state, step=Step.PRECOMMIT), (CastVote(VoteType.PRECOMMIT, None),)
