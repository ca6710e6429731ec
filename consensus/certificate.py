"""The proof that a quorum precommitted a block, which a stranger can check with the validator set alone.

Guarantees: a certificate that `verify_certificate` accepts carries valid precommit signatures, for one block at one height and
round, of validators that together hold more than two thirds of the power, each counted once. Encoding is canonical. The
signature check itself is injected: the project has one, and it is not here.

    wire: height u64 | round u32 | block hash 32 | bitmap length u8 | bitmap | 64 bytes per set bit

Bit i of the bitmap (most significant bit of each byte first) stands for the i-th validator in the sorted set; the signatures
follow in that order, and unused bits are zero.
"""

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Self

from .errors import CertificateInvalid, InvalidMessage
from .messages import (
    BLOCK_HASH_BYTES,
    HEIGHT_MAX,
    NO_ROUND,
    ROUND_MAX,
    SIGNATURE_BYTES,
    BlockHash,
    UnsignedVote,
    Vote,
    VoteType,
)
from .validators import VALIDATORS_MAX, ValidatorSet

Verifier = Callable[[bytes, bytes, bytes], None]
"""(public key, message, signature) -> None; raises an exception of its own when the signature is false."""

_HEAD: Final = struct.Struct(">QI32sB")
BITMAP_BYTES_MAX: Final = (VALIDATORS_MAX + 7) // 8
CERTIFICATE_BYTES_MAX: Final = _HEAD.size + BITMAP_BYTES_MAX + VALIDATORS_MAX * SIGNATURE_BYTES


@dataclass(frozen=True, slots=True)
class Certificate:
    """A quorum's precommits for one block, signatures only."""

    height: int
    round: int
    block_hash: BlockHash
    signers: bytes
    signatures: tuple[bytes, ...]

    def __post_init__(self) -> None:
        if not 1 <= self.height <= HEIGHT_MAX or not 0 <= self.round <= ROUND_MAX:
            raise InvalidMessage("place is out of range", height=self.height, round=self.round)
        if len(self.block_hash) != BLOCK_HASH_BYTES:
            raise InvalidMessage("a block hash has 32 bytes", found_bytes=len(self.block_hash))
        if not 1 <= len(self.signers) <= BITMAP_BYTES_MAX:
            raise InvalidMessage("bitmap length is out of range", found_bytes=len(self.signers))
        if int.from_bytes(self.signers).bit_count() != len(self.signatures):
            raise InvalidMessage("not one signature per signer", signatures=len(self.signatures))
        if any(len(signature) != SIGNATURE_BYTES for signature in self.signatures):
            raise InvalidMessage("a signature has 64 bytes")

    @classmethod
    def from_votes(cls, votes: Iterable[Vote], validators: ValidatorSet) -> Self:
        """The certificate that these precommits make; they must be for one block, and of members of the set.

        Raises CertificateInvalid when they are not, and when they fall short of a quorum.
        """
        by_index: dict[int, Vote] = {}
        for vote in votes:
            index = validators.index(vote.validator)
            if index is None or vote.type is not VoteType.PRECOMMIT or index in by_index:
                raise CertificateInvalid("not precommits of distinct validators", validator=vote.validator)
            by_index[index] = vote
        places = {(vote.height, vote.round, vote.block_hash) for vote in by_index.values()}
        if len(places) != 1:
            raise CertificateInvalid("not precommits for one block", places=len(places))
        height, round, block_hash = places.pop()
        if block_hash is None:
            raise CertificateInvalid("precommits for nil certify nothing", height=height, round=round)
        signers = bytearray((len(validators) + 7) // 8)
        for index in by_index:
            signers[index // 8] |= 0x80 >> index % 8
        signatures = tuple(by_index[index].signature for index in sorted(by_index))
        certificate = cls(height, round, block_hash, bytes(signers), signatures)
        _check_power(certificate, validators)
        return certificate

    @property
    def signer_indexes(self) -> tuple[int, ...]:
        """Positions of the signers in the sorted validator set, ascending, one per signature."""
        bits = len(self.signers) * 8
        return tuple(i for i in range(bits) if self.signers[i // 8] & (0x80 >> i % 8))

    def encode(self) -> bytes:
        """The canonical bytes."""
        head = _HEAD.pack(self.height, self.round, self.block_hash, len(self.signers))
        return head + self.signers + b"".join(self.signatures)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read canonical bytes. Raises InvalidMessage on anything else; proves nothing yet."""
        if not _HEAD.size < len(data) <= CERTIFICATE_BYTES_MAX:
            raise InvalidMessage("wrong length", found_bytes=len(data), limit=CERTIFICATE_BYTES_MAX)
        height, round, block_hash, bitmap_bytes = _HEAD.unpack_from(data)
        bitmap = bytes(data[_HEAD.size : _HEAD.size + bitmap_bytes])
        rest = bytes(data[_HEAD.size + bitmap_bytes :])
        count = int.from_bytes(bitmap).bit_count()
        if len(bitmap) != bitmap_bytes or len(rest) != count * SIGNATURE_BYTES:
            raise InvalidMessage("length does not fit the bitmap", found_bytes=len(data), signers=count)
        signatures = tuple(
            rest[start : start + SIGNATURE_BYTES] for start in range(0, len(rest), SIGNATURE_BYTES)
        )
        return cls(height, round, BlockHash(block_hash), bitmap, signatures)


def verify_certificate(
    certificate: Certificate, validators: ValidatorSet, chain_id: bytes, verify: Verifier
) -> None:
    """Check that a quorum of `validators` precommitted the certificate's block; cheap checks first.

    Raises CertificateInvalid on a bitmap of another set or too little power, and lets through what `verify` raises.
    """
    if len(certificate.signers) != (len(validators) + 7) // 8:
        raise CertificateInvalid(
            "the bitmap is of another set", found_bytes=len(certificate.signers), validators=len(validators)
        )
    _check_power(certificate, validators)
    for index, signature in zip(certificate.signer_indexes, certificate.signatures, strict=True):
        validator = validators.validators[index]
        precommit = UnsignedVote(
            VoteType.PRECOMMIT,
            certificate.height,
            certificate.round,
            certificate.block_hash,
            NO_ROUND,
            validator.node_id,
        )
        verify(validator.public_key, precommit.sign_bytes(chain_id), signature)


def _check_power(certificate: Certificate, validators: ValidatorSet) -> None:
    indexes = certificate.signer_indexes
    if indexes and indexes[-1] >= len(validators):
        raise CertificateInvalid("a signer is outside the set", index=indexes[-1], validators=len(validators))
    power = sum(validators.validators[index].power for index in indexes)
    if not validators.is_quorum(power):
        raise CertificateInvalid(
            "less than a quorum signed",
            height=certificate.height,
            round=certificate.round,
            power=power,
            total_power=validators.total_power,
        )
