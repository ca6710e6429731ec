"""Takes messages into the present height, within bounds, and says what came of each.

Guarantees: only members of the set place anything, only the proposer of a round its proposal, and nobody more than `Limits`
grants; a second, different message in one place becomes evidence, once. What follows from a message that was used is left
to the driver. Signatures were checked by the host; sizes by the driver, which refuses them for every height alike.
"""

import enum
from dataclasses import dataclass
from typing import assert_never

from .evidence import Equivocation
from .height_state import HeightState, HeldProposal
from .inputs import ProposalReceived, ValueReceived, VoteReceived
from .messages import Vote
from .tally import Conflicting, Counted, Refused, Repeated
from .validators import NodeId
from .value_pool import HeldValue


class DropReason(enum.StrEnum):
    """Why a message was not used."""

    OTHER_HEIGHT = "other_height"
    STRANGER = "stranger"
    NOT_PROPOSER = "not_proposer"
    OVERSIZED = "oversized"
    ROUND_TOO_FAR = "round_too_far"
    ROUND_TOO_OLD = "round_too_old"
    REPEATED = "repeated"
    CONVICTED = "convicted"
    NO_PLACE = "no_place"


@dataclass(frozen=True, slots=True)
class Used:
    """The message is held and may enable a rule; `evidence` when it also convicts its sender."""

    evidence: Equivocation | None = None


Taken = Used | DropReason


def take_message(state: HeightState, input: ProposalReceived | VoteReceived | ValueReceived) -> Taken:
    """Take a message of this height."""
    match input:
        case ProposalReceived():
            return _take_proposal(state, input)
        case VoteReceived(vote):
            return _take_vote(state, vote)
        case ValueReceived():
            return _take_value(state, input)
        case _:
            assert_never(input)


def _take_proposal(state: HeightState, input: ProposalReceived) -> Taken:
    proposal = input.proposal
    if proposal.validator != state.validators.proposer(proposal.height, proposal.round):
        return DropReason.NOT_PROPOSER
    refused = _refuse_round(state, proposal.validator, proposal.round)
    if refused is not None:
        return refused
    held = state.proposals.get(proposal.round)
    if held is None:
        state.proposals[proposal.round] = HeldProposal(proposal, input.received_ms)
        state.claim_polka()
        return Used()
    if held.proposal.unsigned == proposal.unsigned:
        return DropReason.REPEATED
    if held.convicted:
        return DropReason.CONVICTED
    held.convicted = True
    return Used(Equivocation(held.proposal, proposal))


def _take_vote(state: HeightState, vote: Vote) -> Taken:
    if state.validators.get(vote.validator) is None:
        return DropReason.STRANGER
    refused = _refuse_round(state, vote.validator, vote.round)
    if refused is not None:
        return refused
    result = state.votes.add(vote)
    match result:
        case Counted():
            return Used()
        case Conflicting(evidence):
            return Used(evidence)
        case Repeated():
            return DropReason.REPEATED
        case Refused():
            return DropReason.CONVICTED
        case _:
            assert_never(result)


def _take_value(state: HeightState, input: ValueReceived) -> Taken:
    value = HeldValue(input.payload, input.time_ms)
    if value.time_ms <= state.parent_time_ms:
        value.valid, value.asked = False, True
        value.reason = f"its time {value.time_ms} is not after its parent's {state.parent_time_ms}"
    return Used() if state.values.add(input.block_hash, value) else DropReason.REPEATED


def _refuse_round(state: HeightState, validator: NodeId, round: int) -> DropReason | None:
    """Why a message of this round may not be held; None when it may.

    A far round of the same validator may be pushed out for it.
    """
    present = state.rules.round
    if round > present + 1:
        admission = state.future.admit(validator, round)
        if admission.forget_round is not None:
            state.forget(validator, admission.forget_round)
        return None if admission.admitted else DropReason.ROUND_TOO_FAR
    if round < present - state.limits.rounds_kept and round not in state.votes.rounds():
        return DropReason.ROUND_TOO_OLD
    return None
