"""What a node says again, so that what one correct node has, all get.

Guarantees: after a fault heals, one repetition by each correct node is enough for the others to follow: the repeated messages
prove the present round (the precommits or messages that opened it), restate the own part in it, and carry the polka and the value
that a lock or a re-proposal stands on. When to repeat, and to whom, is left to the driver.
"""

from collections.abc import Iterable

from .certificate import Certificate
from .height_state import HeightState
from .messages import NO_ROUND, BlockHash, Proposal, ValueMessage, Vote, VoteType
from .round_state import Step
from .validators import NodeId

Repeated = Proposal | Vote | Certificate | ValueMessage


def repeated_messages(height: HeightState, own_id: NodeId | None) -> list[Repeated]:
    """All that this node has to say of its height, in the order in which a newcomer can use it."""
    if height.rules.step is Step.NEW_HEIGHT:
        return []
    messages: list[Repeated] = [*height.votes.certificates()[:1], *_opening_votes(height)]
    messages += _own_proposal(height, own_id)
    messages += _own_votes(height, own_id)
    if height.rules.round >= height.limits.resend_values_from_round:
        messages += _valid_value(height)
    return list(dict.fromkeys(messages))


def polka_votes(height: HeightState, round: int, block_hash: BlockHash) -> list[Vote]:
    """The prevotes that a re-proposal or a lock stands on."""
    return height.votes.votes(round, VoteType.PREVOTE).votes_for(block_hash)


def value_message(height: HeightState, block_hash: BlockHash) -> list[ValueMessage]:
    """The value, when it is held."""
    value = height.values.get(block_hash)
    return [] if value is None else [ValueMessage(height.height, block_hash, value.payload)]


def _opening_votes(height: HeightState) -> Iterable[Vote]:
    """The round's certificate: why we are in this round, and not in the one before."""
    round = height.rules.round
    before = height.votes.votes(round - 1, VoteType.PRECOMMIT)
    if before.has_any_quorum():
        return list(before.first.values())
    prevotes, precommits = (height.votes.votes(round, vote_type) for vote_type in VoteType)
    return [*prevotes.first.values(), *precommits.first.values()] if round > 0 else []


def _own_proposal(height: HeightState, own_id: NodeId | None) -> list[Repeated]:
    held = height.proposals.get(height.rules.round)
    if held is None or held.proposal.validator != own_id:
        return []
    proposal = held.proposal
    messages: list[Repeated] = [proposal, *value_message(height, proposal.block_hash)]
    if proposal.valid_round != NO_ROUND:
        messages += polka_votes(height, proposal.valid_round, proposal.block_hash)
    return messages


def _own_votes(height: HeightState, own_id: NodeId | None) -> list[Vote]:
    """Those of this round; and those of the last, which may be what the others lack to follow us."""
    if own_id is None:
        return []
    own: list[Vote] = []
    for round in (height.rules.round - 1, height.rules.round):
        for vote_type in VoteType:
            vote = height.votes.votes(round, vote_type).first.get(own_id)
            if vote is not None:
                own.append(vote)
    return own


def _valid_value(height: HeightState) -> list[Repeated]:
    valid = height.rules.valid
    if valid is None:
        return []
    return [*polka_votes(height, valid.round, valid.block_hash), *value_message(height, valid.block_hash)]
