"""What a node answers, as plain values: the seam between the wire and the rules of trust in `client.verify`.

Nothing here is checked. Optional parts are None when the node left them out, so that "missing" can be told from "empty".
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass

from registry.codec import pack
from registry.fingerprints import FingerprintKind


@dataclass(frozen=True, slots=True)
class ById:
    """Names a receivable by its id."""

    receivable_id: bytes


@dataclass(frozen=True, slots=True)
class ByFingerprint:
    """Names a receivable by a keyed fingerprint of its invoice, fiscal invoice or document."""

    kind: FingerprintKind
    value: bytes


ReceivableKey = ById | ByFingerprint


@dataclass(frozen=True, slots=True)
class CertifiedHeader:
    """A header with the certificate that vouches for it."""

    header: bytes
    certificate: bytes


@dataclass(frozen=True, slots=True)
class PresentValue:
    """A value of the state: its public part, the digest of its private part, and where it hangs."""

    public: bytes
    private_digest: bytes
    proof: bytes


@dataclass(frozen=True, slots=True)
class AbsentValue:
    """That the state has no such value."""

    proof: bytes


@dataclass(frozen=True, slots=True)
class StatusAnswer:
    """The status of one receivable, or its absence; `fingerprint` links the one that was asked to the receivable."""

    fingerprint: PresentValue | None
    present: PresentValue | None
    absent: AbsentValue | None


@dataclass(frozen=True, slots=True)
class ReceivableAnswer:
    """The whole record of one receivable, or its absence."""

    fingerprint: PresentValue | None
    public: bytes
    private: bytes
    proof: bytes
    absent: AbsentValue | None


@dataclass(frozen=True, slots=True)
class MemberAnswer:
    """A member's record and its anti-replay window, each present or absent."""

    member: PresentValue | None
    window: PresentValue | None
    member_absent: AbsentValue | None
    window_absent: AbsentValue | None


@dataclass(frozen=True, slots=True)
class ReceiptAnswer:
    """A receipt with its path to the header's receipts_root."""

    receipt: bytes
    path: tuple[bytes, ...]


def answer_bytes(answer: object) -> bytes:
    """The whole answer as bytes, to be kept as evidence."""
    return pack(_raw(answer))


def _raw(value: object) -> object:
    if value is None:
        return ()
    if is_dataclass(value):
        return tuple(_raw(getattr(value, field.name)) for field in fields(value))
    return value
