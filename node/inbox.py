"""What peers say to consensus, checked and bounded before it becomes an input.

Guarantees: an input that comes out is of a validator of its height and its signature is valid, or is a verified certificate, or
a payload that has the hash it is said to have. What one peer or validator can bring in between two changes of round is
bounded, so nobody can grow the journal, and a message that was already fed is dropped before its signature is checked. It
is fed again after a change of round, since the core may have had no place for it before.
What the messages mean is left to consensus.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from consensus.certificate import Certificate, verify_certificate
from consensus.errors import CertificateInvalid
from consensus.inputs import CertificateReceived, Input, ProposalReceived, ValueReceived, VoteReceived
from consensus.messages import Proposal, ValueMessage, Vote
from consensus.validators import NodeId
from node.ports import VALUE_BYTES_MAX, Application, Listener, Message
from registry.errors import BadSignature, BlockInvalid
from registry.signing import verify

MESSAGES_PER_ROUND_MAX: Final = 64
"""Distinct messages of one validator while we are in one round: a proposal and two votes of some twenty rounds ahead of us;
further ahead, a third of the power has taken us along."""
VALUES_PER_ROUND_MAX: Final = 4
"""Payloads from one peer while we are in one round: a block each; more is a flood."""
CERTIFICATES_PER_ROUND_MAX: Final = 4
"""From one peer; one is enough to decide."""
EARLY_MESSAGES_MAX: Final = 6
"""Of one validator for the next height: a proposal and the votes of two rounds, and one to spare."""
EARLY_VALUES_MAX: Final = 4
"""For the next height, whoever sends them; what is dropped is asked for again."""


class MessageRefused(Exception):
    """A message that no correct node sends."""


class Inbox:
    """The messages of the present height and the next. One thread owns it."""

    def __init__(self, chain_id: bytes, own_id: NodeId, application: Application, listener: Listener) -> None:
        self._chain_id = chain_id
        self._own_id = own_id
        self._application = application
        self._listener = listener
        self._place = (0, 0)
        self._seen: set[object] = set()
        self._counts: dict[tuple[NodeId, type], int] = {}
        self._early: dict[NodeId, dict[Vote | Proposal, Input]] = {}
        self._early_values: dict[bytes, Input] = {}

    def begin(self, height: int) -> Iterator[Input]:
        """What came early for `height`, which begins now."""
        self._enter(height, 0)
        early, self._early = self._early, {}
        values, self._early_values = self._early_values, {}
        for held in early.values():
            self._seen.update(held)
            yield from held.values()
        self._seen.update(values)
        yield from values.values()

    def admit(self, peer: NodeId, message: Message, round: int, now_ms: int) -> Input | None:
        """The input that a message of the present height becomes, or None when it is dropped."""
        self._enter(message.height, round)
        known = message.block_hash if isinstance(message, ValueMessage) else message
        if known in self._seen:
            return None
        admitted = self._judge(peer, message, now_ms)
        if admitted is not None:
            self._seen.add(known)
        return admitted

    def hold(self, peer: NodeId, message: Vote | Proposal | ValueMessage, now_ms: int) -> None:
        """Keep a message of the next height until that begins."""
        if isinstance(message, ValueMessage):
            if message.block_hash not in self._early_values and len(self._early_values) < EARLY_VALUES_MAX:
                value = self._judge(peer, message, now_ms)
                if value is not None:
                    self._early_values[message.block_hash] = value
            return
        held = self._early.get(message.validator, {})
        if message in held or len(held) >= EARLY_MESSAGES_MAX:
            return
        admitted = self._judge(peer, message, now_ms)
        if admitted is not None:
            self._early.setdefault(message.validator, held)[message] = admitted

    def _enter(self, height: int, round: int) -> None:
        if self._place != (height, round):
            self._place = (height, round)
            self._seen.clear()
            self._counts.clear()

    def _judge(self, peer: NodeId, message: Message, now_ms: int) -> Input | None:
        """The input, or None when it is over a bound or, then counted, what no correct node sends."""
        try:
            match message:
                case Vote():
                    return VoteReceived(message) if self._check_signed(message) else None
                case Proposal():
                    return ProposalReceived(message, now_ms) if self._check_signed(message) else None
                case Certificate():
                    return self._check_certificate(peer, message)
                case ValueMessage():
                    return self._check_value(peer, message)
        except (MessageRefused, BadSignature, CertificateInvalid, BlockInvalid) as error:
            self._listener.message_refused(
                peer, f"{type(message).__name__} at height {message.height}: {error}"
            )
            return None

    def _check_signed(self, message: Vote | Proposal) -> bool:
        """Whether there is place for it; raises when it is false."""
        if message.validator == self._own_id:
            return (
                False  # our own come back from the signer; what a peer shows under our name we need not judge
            )
        validator = self._application.validators(message.height).get(message.validator)
        if validator is None:
            raise MessageRefused(f"{message.validator} is no validator of that height")
        if not self._has_place(message.validator, type(message), MESSAGES_PER_ROUND_MAX):
            return False
        verify(validator.public_key, message.sign_bytes(self._chain_id), message.signature)
        # Counted only now: a peer must not use up the place of a validator in whose name it lies.
        self._count(message.validator, type(message))
        return True

    def _check_certificate(self, peer: NodeId, certificate: Certificate) -> CertificateReceived | None:
        if not self._has_place(peer, Certificate, CERTIFICATES_PER_ROUND_MAX):
            return None
        self._count(peer, Certificate)
        validators = self._application.validators(certificate.height)
        verify_certificate(certificate, validators, self._chain_id, verify)
        return CertificateReceived(certificate)

    def _check_value(self, peer: NodeId, message: ValueMessage) -> ValueReceived | None:
        if not self._has_place(peer, ValueMessage, VALUES_PER_ROUND_MAX):
            return None
        self._count(peer, ValueMessage)
        if len(message.payload) > VALUE_BYTES_MAX:
            raise MessageRefused(f"{len(message.payload)} bytes, at most {VALUE_BYTES_MAX} are allowed")
        info = self._application.identify(message.payload)
        if (info.height, info.block_hash) != (message.height, message.block_hash):
            raise MessageRefused(f"the payload is of another block, at height {info.height}")
        return ValueReceived(info.height, info.block_hash, message.payload, info.time_ms)

    def _has_place(self, sender: NodeId, kind: type, limit: int) -> bool:
        return self._counts.get((sender, kind), 0) < limit

    def _count(self, sender: NodeId, kind: type) -> None:
        self._counts[sender, kind] = self._counts.get((sender, kind), 0) + 1
