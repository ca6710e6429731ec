"""Small builders for the tests of ordering: named validators, signed messages, and a core that is fed by hand.

The signature here is a hash of key and message: the core never checks one, and certificates take any verifier.
"""

import hashlib
from collections.abc import Iterable
from typing import Final, TypeVar

from consensus.driver import Driver, Limits, Timing
from consensus.effects import Effect, SignAndSend
from consensus.inputs import (
    HeightStarted,
    Input,
    ProposalReceived,
    ValueReceived,
    ValueValidated,
    VoteReceived,
    WorkAvailable,
)
from consensus.messages import (
    NO_ROUND,
    BlockHash,
    Proposal,
    UnsignedProposal,
    UnsignedVote,
    Vote,
    VoteType,
)
from consensus.validators import NodeId, Validator, ValidatorSet

CHAIN_ID: Final = bytes(range(32))
A, B, C, D = (NodeId(name) for name in ("a", "b", "c", "d"))
NAMES: Final = (A, B, C, D)
TIMING: Final = Timing(network_delay_ms=100, precision_ms=50)
PARENT_TIME_MS: Final = 1_000_000
NOW_MS: Final = 1_001_000

EffectType = TypeVar("EffectType")


class FalseSignature(Exception):
    """What the verifier of these tests raises."""


def public_key(name: str) -> bytes:
    return hashlib.sha256(b"key" + name.encode()).digest()


def sign(key: bytes, message: bytes) -> bytes:
    return hashlib.sha512(key + message).digest()


def verify(key: bytes, message: bytes, signature: bytes) -> None:
    if sign(key, message) != signature:
        raise FalseSignature


def validator_set(*powers: int, names: Iterable[str] = "abcdefghijklmnopqrstuvwxyz") -> ValidatorSet:
    """Validators a, b, c ... of these powers; four equal ones by default."""
    return ValidatorSet(
        tuple(
            Validator(NodeId(name), public_key(name), power)
            for name, power in zip(names, powers or (1, 1, 1, 1), strict=False)
        )
    )


FOUR: Final = validator_set()


def payload(text: str) -> bytes:
    return b"payload " + text.encode()


def block(text: str) -> BlockHash:
    """The hash of the payload of that name."""
    return BlockHash(hashlib.sha256(payload(text)).digest())


def signed(message: UnsignedVote | UnsignedProposal) -> Vote | Proposal:
    return message.signed(sign(public_key(message.validator), message.sign_bytes(CHAIN_ID)))


def vote(
    type: VoteType,
    validator: NodeId,
    value: str | None,
    round: int = 0,
    height: int = 1,
    valid_round: int = NO_ROUND,
) -> Vote:
    block_hash = None if value is None else block(value)
    unsigned = UnsignedVote(type, height, round, block_hash, valid_round, validator)
    return unsigned.signed(sign(public_key(validator), unsigned.sign_bytes(CHAIN_ID)))


def prevote(
    validator: NodeId, value: str | None, round: int = 0, height: int = 1, valid_round: int = NO_ROUND
) -> Vote:
    return vote(VoteType.PREVOTE, validator, value, round, height, valid_round)


def precommit(validator: NodeId, value: str | None, round: int = 0, height: int = 1) -> Vote:
    return vote(VoteType.PRECOMMIT, validator, value, round, height)


def proposal(
    value: str,
    round: int = 0,
    height: int = 1,
    valid_round: int = NO_ROUND,
    validator: NodeId | None = None,
    payload_bytes: int | None = None,
    validators: ValidatorSet = FOUR,
) -> Proposal:
    unsigned = UnsignedProposal(
        height,
        round,
        valid_round,
        block(value),
        len(payload(value)) if payload_bytes is None else payload_bytes,
        validators.proposer(height, round) if validator is None else validator,
    )
    return unsigned.signed(sign(public_key(unsigned.validator), unsigned.sign_bytes(CHAIN_ID)))


def value_received(value: str, height: int = 1, time_ms: int = NOW_MS) -> ValueReceived:
    return ValueReceived(height, block(value), payload(value), time_ms)


class Node:
    """A core under test. `feed` plays the host that signs at once and feeds the own message back."""

    def __init__(
        self,
        own_id: NodeId | None = A,
        validators: ValidatorSet = FOUR,
        limits: Limits | None = None,
        height: int = 1,
    ) -> None:
        self.driver = Driver(CHAIN_ID, own_id, TIMING, limits or Limits())
        self.validators = validators
        self.log: list[Effect] = []
        self.inputs: list[Input] = []
        self.feed(HeightStarted(height, validators, PARENT_TIME_MS))

    def feed(self, *inputs: Input) -> list[Effect]:
        """Feed inputs; answers all effects, those of the own messages coming back included."""
        effects: list[Effect] = []
        queue = list(inputs)
        while queue:
            taken = queue.pop(0)
            self.inputs.append(taken)
            new = self.driver.step(taken)
            effects += new
            queue[:0] = [self._came_back(effect) for effect in new if isinstance(effect, SignAndSend)]
        self.log += effects
        return effects

    def start(self) -> list[Effect]:
        return self.feed(WorkAvailable(self.driver.height))

    def propose(self, value: str, round: int = 0, valid_round: int = NO_ROUND) -> list[Effect]:
        """The round's proposer offers a valid value."""
        return self.feed(self.offered(value, round, valid_round), *self.valid(value))

    def offered(self, value: str, round: int = 0, valid_round: int = NO_ROUND) -> ProposalReceived:
        height = self.driver.height
        message = proposal(value, round, height, valid_round, validators=self.validators)
        return ProposalReceived(message, NOW_MS)

    def valid(self, value: str) -> tuple[Input, Input]:
        height = self.driver.height
        return value_received(value, height), ValueValidated(height, block(value), True)

    def prevotes(self, value: str | None, *validators: NodeId, round: int = 0) -> list[Effect]:
        return self.votes(VoteType.PREVOTE, value, *validators, round=round)

    def precommits(self, value: str | None, *validators: NodeId, round: int = 0) -> list[Effect]:
        return self.votes(VoteType.PRECOMMIT, value, *validators, round=round)

    def votes(self, type: VoteType, value: str | None, *validators: NodeId, round: int = 0) -> list[Effect]:
        height = self.driver.height
        return self.feed(*(VoteReceived(vote(type, name, value, round, height)) for name in validators))

    @property
    def signed_votes(self) -> list[tuple[VoteType, int, BlockHash | None]]:
        """All votes asked to be signed, as (type, round, value)."""
        return [(v.type, v.round, v.block_hash) for v in asked(self.log, UnsignedVote)]

    def _came_back(self, effect: SignAndSend) -> Input:
        message = signed(effect.message)
        return VoteReceived(message) if isinstance(message, Vote) else ProposalReceived(message, NOW_MS)


MessageType = TypeVar("MessageType", UnsignedVote, UnsignedProposal)


def asked(effects: Iterable[Effect], type: type[MessageType]) -> list[MessageType]:
    """The messages of this type that were to be signed."""
    messages = [effect.message for effect in effects if isinstance(effect, SignAndSend)]
    return [message for message in messages if isinstance(message, type)]


def of_type(effects: Iterable[Effect], type: type[EffectType]) -> list[EffectType]:
    return [effect for effect in effects if isinstance(effect, type)]
