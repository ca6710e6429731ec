"""What a node says again, so that what one correct node has, all get.

Guarantees: after a fault heals, one repetition by each correct node is enough for the others to follow: the repeated messages
prove the present round (the precommits or messages that opened it), restate what was said in it, by whomever, so that two
nodes without a link between them hear each other through a third, and carry the polka and the value that a lock or a
re-proposal stands on. A network without faults is through with a round before anything is repeated. When to repeat, and to
whom, is left to the driver.
"""

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
    messages += _proposal(height, own_id)
    messages += _votes(height, own_id)
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


def _opening_votes(height: HeightState) -> list[Vote]:
    """The round's certificate: why we have left the round before. A skip is proven by the votes of this round."""
    before = height.votes.votes(height.rules.round - 1, VoteType.PRECOMMIT)
    return list(before.first.values()) if before.has_any_quorum() else []


def _proposal(height: HeightState, own_id: NodeId | None) -> list[Repeated]:
    """The round's proposal; its value from the proposer only, since others ask for what they lack."""
    held = height.proposals.get(height.rules.round)
    if held is None:
        return []
    proposal = held.proposal
    messages: list[Repeated] = [proposal]
    if proposal.validator == own_id:
        messages += value_message(height, proposal.block_hash)
    if proposal.valid_round != NO_ROUND:
        messages += polka_votes(height, proposal.valid_round, proposal.block_hash)
    return messages


def _votes(height: HeightState, own_id: NodeId | None) -> list[Vote]:
    """All of this round; and our own of the last, which may be what the others lack to follow us."""
    votes: list[Vote] = []
    for vote_type in VoteType:
        last = height.votes.votes(height.rules.round - 1, vote_type).first
        if own_id is not None and own_id in last:
            votes.append(last[own_id])
        held = height.votes.votes(height.rules.round, vote_type)
        votes += [*held.first.values(), *held.second.values()]
    return votes


def _valid_value(height: HeightState) -> list[Repeated]:
    valid = height.rules.valid
    if valid is None:
        return []
    return [*polka_votes(height, valid.round, valid.block_hash), *value_message(height, valid.block_hash)]
