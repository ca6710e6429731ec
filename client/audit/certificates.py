"""Certificates in an export: what a quorum of validators signed, told apart from what only looks like it.

A verified certificate is remembered for a while: a block repeats its parent's certificate, byte for byte in the common case,
and checking a signature is what an audit spends most of its time on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from consensus.certificate import Certificate, verify_certificate
from consensus.errors import CertificateInvalid, InvalidMessage
from registry.errors import BadSignature
from registry.signing import verify

from ..validator_sets import ValidatorSets
from .findings import Category, Check, Finding, finding

_REMEMBERED_MAX: Final = 256  # several batches of blocks of one worker


@dataclass(frozen=True, slots=True)
class Certified:
    """A block that a quorum has precommitted, whichever block that is."""

    height: int
    block_hash: bytes


@dataclass(slots=True)
class CertificateChecker:
    """Checks certificates of one chain, each against the validators of its height."""

    chain_id: bytes
    sets: ValidatorSets
    _verified: dict[bytes, Certified] = field(default_factory=dict)

    def certified(self, encoded: bytes) -> Certified:
        """What the certificate proves. Raises CertificateRefused."""
        known = self._verified.get(encoded)
        if known is not None:
            return known
        try:
            certificate = Certificate.decode(encoded)
        except InvalidMessage as error:
            raise CertificateRefused(Category.MALFORMED, f"no certificate: {error}") from error
        try:
            validators = self.sets.at(certificate.height).validators
            verify_certificate(certificate, validators, self.chain_id, verify)
        except CertificateInvalid as error:
            raise CertificateRefused(Category.UNAUTHORISED, str(error)) from error
        except BadSignature as error:
            key = error.details.get("public_key")
            raise CertificateRefused(
                Category.FORGED, f"a validator's signature is false (key {key})"
            ) from error
        certified = Certified(certificate.height, certificate.block_hash)
        if len(self._verified) >= _REMEMBERED_MAX:
            del self._verified[next(iter(self._verified))]
        self._verified[encoded] = certified
        return certified


class CertificateRefused(Exception):
    """The certificate proves nothing; `category` says in which way."""

    def __init__(self, category: Category, message: str) -> None:
        super().__init__(message)
        self.category = category
        self.message = message

    def as_finding(self, check: Check, height: int | None, offset: int) -> Finding:
        return finding(check, self.category, self.message, height=height, offset=offset)
