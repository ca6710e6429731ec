"""The proof that one validator signed two things where it may sign one.

Guarantees: evidence that `verify_evidence` accepts cannot exist against a validator that follows the protocol, not even
after a crash: it is two signatures of its key over different votes of one type, or different proposals, of one height and
round. The same vote sent twice, or signed twice with different signature bytes, is no fault and cannot be expressed. The two
halves are ordered by what was signed, so that a fault found by two nodes has one id. What follows from evidence is left to the ledger.

    wire: length u16 | first message | length u16 | second message
"""

import hashlib
import struct
from dataclasses import dataclass
from typing import Final, Self

from .certificate import Verifier
from .errors import EvidenceInvalid, InvalidMessage
from .messages import MESSAGE_BYTES_MAX, Proposal, UnsignedProposal, UnsignedVote, Vote, VoteType
from .validators import NodeId, ValidatorSet

EVIDENCE_ID_TAG: Final = b"pledgebook/evidence/v1\0"
_LENGTH: Final = struct.Struct(">H")
EVIDENCE_BYTES_MAX: Final = 2 * (_LENGTH.size + MESSAGE_BYTES_MAX)
_ORDER_CHAIN: Final = bytes(32)
"""The order of the halves must not depend on the chain, so that it can be fixed before the chain is known."""


@dataclass(frozen=True, slots=True)
class Equivocation:
    """Two signed messages of one validator for the same height, round and type, with different content.

    Raises EvidenceInvalid when the pair is not that. The pair is put in canonical order on construction.
    """

    first: Vote | Proposal
    second: Vote | Proposal

    def __post_init__(self) -> None:
        if _place(self.first) != _place(self.second):
            raise EvidenceInvalid("not one place", first=_place(self.first), second=_place(self.second))
        if self.first.unsigned == self.second.unsigned:
            raise EvidenceInvalid("the same content twice is no fault", validator=self.first.validator)
        if _content(self.first) > _content(self.second):
            first, second = self.first, self.second
            object.__setattr__(self, "first", second)
            object.__setattr__(self, "second", first)

    @property
    def validator(self) -> NodeId:
        """The accused."""
        return self.first.validator

    @property
    def height(self) -> int:
        """Where the fault was committed."""
        return self.first.height

    def id(self, chain_id: bytes) -> bytes:
        """32 bytes that name the fault: over what was signed, not over signatures, which are not unique."""
        digest = hashlib.sha256(EVIDENCE_ID_TAG)
        digest.update(_LENGTH.pack(len(self.validator)) + self.validator.encode("ascii"))
        digest.update(self.first.sign_bytes(chain_id))
        digest.update(self.second.sign_bytes(chain_id))
        return digest.digest()

    def encode(self) -> bytes:
        """The canonical bytes."""
        first, second = self.first.encode(), self.second.encode()
        return _LENGTH.pack(len(first)) + first + _LENGTH.pack(len(second)) + second

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read canonical bytes. Raises InvalidMessage or EvidenceInvalid; checks no signature."""
        if len(data) > EVIDENCE_BYTES_MAX:
            raise InvalidMessage("too long", found_bytes=len(data), limit=EVIDENCE_BYTES_MAX)
        first_bytes, rest = _take(data)
        second_bytes, rest = _take(rest)
        if rest:
            raise InvalidMessage("trailing bytes", found_bytes=len(rest))
        evidence = cls(_decode_half(first_bytes), _decode_half(second_bytes))
        if evidence.encode() != data:
            raise InvalidMessage("the halves are out of order", validator=evidence.validator)
        return evidence


def verify_evidence(
    evidence: Equivocation, validators: ValidatorSet, chain_id: bytes, verify: Verifier
) -> None:
    """Check both signatures against the set of the evidence's height.

    Raises EvidenceInvalid for a stranger, and lets through what `verify` raises.
    """
    accused = validators.get(evidence.validator)
    if accused is None:
        raise EvidenceInvalid("the accused is no validator of that height", validator=evidence.validator)
    for half in (evidence.first, evidence.second):
        verify(accused.public_key, half.sign_bytes(chain_id), half.signature)


def _place(message: Vote | Proposal) -> tuple[VoteType | None, int, int, NodeId]:
    vote_type = message.type if isinstance(message, Vote) else None
    return vote_type, message.height, message.round, message.validator


def _content(message: Vote | Proposal) -> bytes:
    unsigned: UnsignedVote | UnsignedProposal = message.unsigned
    return unsigned.sign_bytes(_ORDER_CHAIN)


def _take(data: bytes) -> tuple[bytes, bytes]:
    if len(data) < _LENGTH.size:
        raise InvalidMessage("truncated", found_bytes=len(data))
    (length,) = _LENGTH.unpack_from(data)
    end = _LENGTH.size + length
    if len(data) < end:
        raise InvalidMessage("truncated", found_bytes=len(data), needed_bytes=end)
    return data[_LENGTH.size : end], data[end:]


def _decode_half(data: bytes) -> Vote | Proposal:
    if data[:1] in (bytes([VoteType.PREVOTE]), bytes([VoteType.PRECOMMIT])):
        return Vote.decode(data)
    return Proposal.decode(data)
