"""What a node answers, as plain values: the seam between the wire and the rules of trust in `client.verify`.

Nothing here is checked. Optional parts are None when the node left them out, so that "missing" can be told from
"empty".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass

from registry.codec import pack
from registry.errors import Reference
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
class ValidatorChange:
    """A certified header that announces other validators, and the bytes of their set."""

    header: bytes
    certificate: bytes
    validators: bytes


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
class PoolAnswer:
    """A pool, or its absence."""

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
class PolicyAnswer:
    """The policy in force, and the latest decision on it or the absence of any."""

    policy: PresentValue | None
    pending: PresentValue | None
    pending_absent: AbsentValue | None


@dataclass(frozen=True, slots=True)
class ReceiptAnswer:
    """A receipt with its path to the header's receipts_root."""

    receipt: bytes
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class CertifiedBlock:
    """A block as one node has it, to be checked by who reads it."""

    height: int
    block: bytes
    certificate: bytes
    receipts: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class LedgerStatus:
    """Where a node says it is: its word, without proof."""

    node_id: str
    chain_id: bytes
    height: int
    block_hash: bytes
    time_ms: int
    validating: bool
    catching_up: bool
    software_version: str


@dataclass(frozen=True, slots=True)
class Event:
    """One operation of a committed block, as a node tells it: a reason to ask for the status, not a proof."""

    height: int
    entry_index: int
    operation_index: int
    entry_id: bytes
    operation: str
    code: str
    receivable_id: bytes
    time_ms: int


@dataclass(frozen=True, slots=True)
class ToldQuery:
    """A question about a receivable and how often it was repeated within the hour, as the node says that was asked."""

    node_id: str
    asker: str
    kind: str
    purpose: str
    first_ms: int
    last_ms: int
    times: int


@dataclass(frozen=True, slots=True)
class ToldQueries:
    """Who asked about a receivable, oldest first: the words of those nodes that answered."""

    queries: tuple[ToldQuery, ...]
    forgotten: Mapping[str, int]
    """By node that answered, how many older ones it no longer has."""
    silent: Mapping[str, str]
    """By node that did not answer, why."""


@dataclass(frozen=True, slots=True)
class RaisedAlert:
    """An alert as a node tells it. The receipt of `entry_id` proves what raised it; without one, time did."""

    kind: str
    subject: bytes
    currency: str
    amount: int
    detail: str
    reference: Reference | None
    entry_id: bytes
    entry_index: int | None
    operation_index: int | None


@dataclass(frozen=True, slots=True)
class AlertBatch:
    """The alerts of one block; without any: up to this height there are no more."""

    height: int
    time_ms: int
    alerts: tuple[RaisedAlert, ...]


@dataclass(frozen=True, slots=True)
class Forecast:
    """How one operation would be judged now; `collided_with` is None or what it would collide with."""

    code: str
    subject: bytes
    collided_with: Reference | None
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Preflight:
    """How an entry would be judged at the state after `height`, in the opinion of one node."""

    height: int
    door_code: str
    door_message: str
    forecasts: tuple[Forecast, ...]


def answer_bytes(answer: object) -> bytes:
    """The whole answer as bytes, to be kept as evidence."""
    return pack(_raw(answer))


def _raw(value: object) -> object:
    if value is None:
        return ()
    if is_dataclass(value):
        return tuple(_raw(getattr(value, field.name)) for field in fields(value))
    return value
