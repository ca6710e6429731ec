"""Validators that lie. Each runs the real engine, which keeps it in step with the others, and lies on the way out.

A strategy takes what the engine says and answers what is really sent, to whom, and how much later. It holds the key, so all
that it makes up is validly signed. What such a node commits or stores itself is nobody's concern.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from consensus.messages import (
    NO_ROUND,
    BlockHash,
    Proposal,
    UnsignedProposal,
    UnsignedVote,
    ValueMessage,
    Vote,
    VoteType,
)
from node.ports import Message
from registry.block import decode_block, encode_block, make_block
from tests.simulation.simulated_node import SimulatedNode

Sent = list[tuple[str, Message, int]]

LATE_MS: Final = 3_000


class Liar:
    """What all strategies need: the node, and its key."""

    def __init__(self, node: SimulatedNode) -> None:
        self.node = node

    def __call__(self, message: Message, receivers: Sequence[str]) -> Sent:
        """What is really sent: here, still the truth."""
        return [(receiver, message, 0) for receiver in receivers]

    def vote(self, like: Vote, block_hash: BlockHash | None) -> Vote:
        """The same vote for something else, signed."""
        valid_round = like.valid_round if block_hash is not None else NO_ROUND
        other = UnsignedVote(like.type, like.height, like.round, block_hash, valid_round, like.validator)
        return other.signed(self._sign(other))

    def proposal(self, like: Proposal, block_hash: BlockHash, payload: bytes) -> Proposal:
        """The same proposal with another block, signed."""
        other = UnsignedProposal(
            like.height, like.round, like.valid_round, block_hash, len(payload), like.validator
        )
        return other.signed(self._sign(other))

    def _sign(self, message: UnsignedVote | UnsignedProposal) -> bytes:
        return self.node.key.sign(message.sign_bytes(self.node.genesis.chain_id))


class DoubleVoter(Liar):
    """Votes as it should to some, otherwise to others, and both ways to one of them."""

    def __call__(self, message: Message, receivers: Sequence[str]) -> Sent:
        if not isinstance(message, Vote) or message.validator != self.node.node_id:
            return [(receiver, message, 0) for receiver in receivers]
        other = self.vote(message, None if message.block_hash is not None else self._some_block(message))
        random = self.node.world.random
        sent: Sent = [(receiver, message if random.random() < 0.5 else other, 0) for receiver in receivers]
        witness = random.choice(receivers)
        return [*sent, (witness, message, 0), (witness, other, 0)]

    def _some_block(self, vote: Vote) -> BlockHash:
        return BlockHash(vote.signature[:32])


class NilVoter(Liar):
    """Votes nil whatever happens."""

    def __call__(self, message: Message, receivers: Sequence[str]) -> Sent:
        if isinstance(message, Vote) and message.validator == self.node.node_id:
            message = self.vote(message, None)
        return [(receiver, message, 0) for receiver in receivers]


class LockHider(Liar):
    """Prevotes to one node only, so that it alone sees a polka, and precommits nil."""

    def __call__(self, message: Message, receivers: Sequence[str]) -> Sent:
        if not isinstance(message, Vote) or message.validator != self.node.node_id:
            return [(receiver, message, 0) for receiver in receivers]
        if message.type is VoteType.PRECOMMIT:
            return [(receiver, self.vote(message, None), 0) for receiver in receivers]
        chosen = sorted(self.node.peers)[message.height % len(self.node.peers)]
        return [(receiver, message, 0) for receiver in receivers if receiver == chosen]


class LateProposer(Liar):
    """Proposes long after the timeout, to half of the nodes later still."""

    def __call__(self, message: Message, receivers: Sequence[str]) -> Sent:
        own = isinstance(message, Proposal | ValueMessage)
        return [
            (receiver, message, LATE_MS * (1 + index % 2) if own else 0)
            for index, receiver in enumerate(receivers)
        ]


class SplitProposer(Liar):
    """Makes two blocks, shows each to a part of the nodes, and both to one of them; votes for both."""

    def __init__(self, node: SimulatedNode) -> None:
        super().__init__(node)
        self._others: dict[BlockHash, tuple[BlockHash, bytes]] = {}

    def __call__(self, message: Message, receivers: Sequence[str]) -> Sent:
        sent: Sent = []
        for receiver in receivers:
            part = sorted(self.node.peers).index(receiver) % 3
            if part != 1:
                sent.append((receiver, message, 0))
            if part != 0:
                other = self._for_others(message)
                if part == 1 or other is not message:
                    sent.append((receiver, other, 0))
        return sent

    def _for_others(self, message: Message) -> Message:
        match message:
            case Proposal() if message.validator == self.node.node_id and message.valid_round == NO_ROUND:
                block_hash, payload = self._other_block(message)
                return self.proposal(message, block_hash, payload)
            case ValueMessage() if message.block_hash in self._others:
                block_hash, payload = self._others[message.block_hash]
                return ValueMessage(message.height, block_hash, payload)
            case Vote() if message.validator == self.node.node_id and message.block_hash in self._others:
                assert message.block_hash is not None
                return self.vote(message, self._others[message.block_hash][0])
            case _:
                return message

    def _other_block(self, proposal: Proposal) -> tuple[BlockHash, bytes]:
        known = self._others.get(proposal.block_hash)
        if known is None:
            executor = self.node.executor
            assert executor is not None
            built = executor.prepare(proposal.height, proposal.round, self.node.now_ms() + 7)
            known = self._others[proposal.block_hash] = (built.block_hash, built.payload)
        return known


class InvalidProposer(Liar):
    """Proposes blocks whose header claims a state root that does not follow, and votes for them."""

    def __init__(self, node: SimulatedNode) -> None:
        super().__init__(node)
        self._spoilt: dict[BlockHash, tuple[BlockHash, bytes]] = {}
        self.waiting: dict[BlockHash, list[Proposal]] = {}

    def __call__(self, message: Message, receivers: Sequence[str]) -> Sent:
        match message:
            case Proposal() if message.validator == self.node.node_id and message.valid_round == NO_ROUND:
                # The payload comes right behind; the lie is told when both are known.
                self.waiting.setdefault(message.block_hash, []).append(message)
                return []
            case ValueMessage() if message.block_hash in self.waiting:
                block_hash, payload = self._spoil(message)
                sent: Sent = []
                for proposal in self.waiting.pop(message.block_hash):
                    spoilt = self.proposal(proposal, block_hash, payload)
                    sent += [(receiver, spoilt, 0) for receiver in self.node.peers]
                value = ValueMessage(message.height, block_hash, payload)
                return sent + [(receiver, value, 0) for receiver in receivers]
            case Vote() if message.validator == self.node.node_id and message.block_hash in self._spoilt:
                assert message.block_hash is not None
                lie = self.vote(message, self._spoilt[message.block_hash][0])
                return [(receiver, lie, 0) for receiver in receivers]
            case _:
                return [(receiver, message, 0) for receiver in receivers]

    def _spoil(self, value: ValueMessage) -> tuple[BlockHash, bytes]:
        known = self._spoilt.get(value.block_hash)
        if known is None:
            block = decode_block(value.payload)
            header = replace(block.header, state_root=bytes(reversed(block.header.state_root)))
            spoilt = make_block(header, block.entries, block.last_certificate, block.evidence)
            known = self._spoilt[value.block_hash] = (BlockHash(spoilt.block_hash), encode_block(spoilt))
        return known


class Flooder(Liar):
    """Adds to each of its votes a heap of votes for rounds and heights far away, and for blocks that nobody has."""

    def __call__(self, message: Message, receivers: Sequence[str]) -> Sent:
        sent: Sent = [(receiver, message, 0) for receiver in receivers]
        if isinstance(message, Vote) and message.validator == self.node.node_id:
            random = self.node.world.random
            for _ in range(6):
                far = UnsignedVote(
                    message.type,
                    message.height + random.choice((0, 0, 1, 2, 1_000)),
                    message.round + random.choice((0, 1, 2, 50, 2**20)),
                    BlockHash(random.randbytes(32)),
                    NO_ROUND,
                    message.validator,
                )
                flood = far.signed(self._sign(far))
                sent += [(receiver, flood, 0) for receiver in receivers]
        return sent


class Amnesiac(Liar):
    """Forgets its lock: proposes again the oldest value that had a polka, and prevotes whatever is proposed."""

    def __call__(self, message: Message, receivers: Sequence[str]) -> Sent:
        said: list[Message] = [message]
        if isinstance(message, Proposal) and message.validator == self.node.node_id:
            said = self._oldest_polka(message) or said
        elif isinstance(message, Vote) and message.validator == self.node.node_id:
            said = [self._yes(message)]
        return [(receiver, item, 0) for receiver in receivers for item in said]

    def _oldest_polka(self, like: Proposal) -> list[Message]:
        """A re-proposal of the oldest value that a quorum ever prevoted at this height, with all that proves it."""
        state = self.node.engine._driver._open_state()
        for round in range(like.round if state is not None else 0):
            assert state is not None
            prevotes = state.votes.votes(round, VoteType.PREVOTE)
            polka = prevotes.quorum_value()
            value = None if polka is None else state.values.get(polka)
            if polka is not None and value is not None:
                old = UnsignedProposal(
                    like.height, like.round, round, polka, len(value.payload), like.validator
                )
                carried = ValueMessage(like.height, polka, value.payload)
                return [old.signed(self._sign(old)), carried, *prevotes.votes_for(polka)]
        return []

    def _yes(self, vote: Vote) -> Vote:
        state = self.node.engine._driver._open_state()
        held = None if state is None else state.proposals.get(vote.round)
        if held is None or vote.type is not VoteType.PREVOTE or vote.block_hash is not None:
            return vote
        return self.vote(replace(vote, valid_round=NO_ROUND), held.proposal.block_hash)
