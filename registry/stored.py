"""The values of the state: what there is, under which key, and in which bytes.

Every value lives under `digest(STATE_KEY, namespace | id)` and is stored as a public and a private part. The tree commits
to `sha256(digest(PUBLIC) | digest(PRIVATE))`: a proof can show the public part and only the digest of the private one.
Leaves to others: reading and writing them (`registry.state`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from . import limits
from .blankets import BLANKETS
from .codec import Blob, Items, Optional_, Struct, Uint, pack, read
from .decisions import PENDING_POLICY, UPGRADE
from .errors import MalformedEntry, Reference, StoreCorrupt
from .exposure import EXPOSURE, RISK_ASSETS
from .member import MEMBER
from .nodes import NODE_SET
from .operations.fields import MEMBER_ID, RECEIVABLE_ID
from .policy import POLICY
from .pools import POOL
from .receivable import RECEIVABLE, REFERENCE, Receivable
from .record.covers import POLICY_USE
from .record.payments import PAYMENT, BankReference
from .relations import CONTROLLED, CONTROLS
from .sequence_window import SEQUENCE_WINDOW
from .signing import Tag, digest
from .status import STATUS_SUMMARY, summarise
from .trade_graph import EDGES

STORED_VALUE_BYTES_MAX: Final = 1 << 20


class Namespace(IntEnum):
    """Part of every key; numbers are never reused."""

    MEMBER = 1
    KEY_OWNER = 2
    WINDOW = 3
    RECEIVABLE = 4
    FINGERPRINT = 5
    SIMILAR = 6
    DELIVERY = 7
    BANK_REFERENCE = 8
    POLICY = 9
    GOVERNANCE = 10
    PENDING_POLICY = 11
    UPGRADE = 12
    VALIDATORS = 13
    REFERENCE_OWNER = 14
    CONTROL = 30
    CONTROLLED = 31
    EXPOSURE = 32
    RISK_ASSETS = 33
    TRADE = 34
    QUOTA = 35
    BLANKET = 20
    COVERAGE = 50
    POOL = 60


SINGLETON: Final = b""  # id of the one value of a namespace that has only one


@dataclass(frozen=True, slots=True)
class DeliveryUse:
    """How much of a transport document's line is consumed, and by which registration first.

    `attested_quantity` is what an attester has seen in all; `attested_use` is what the receivables claim of it for which it
    was attested, and `attested_first` the first of these attestations.
    """

    document_quantity: int
    consumed: int
    first: Reference
    attested_quantity: int | None = None
    attested_use: int = 0
    attested_first: Reference | None = None

    @property
    def available(self) -> int:
        """What a further registration may claim. The quantity that was stated first stands, unless attested as less."""
        whole = self.document_quantity
        if self.attested_quantity is not None:
            whole = min(whole, self.attested_quantity)
        return max(0, whole - self.consumed)


@dataclass(frozen=True, slots=True)
class DayUse:
    """How many operations a member has handed in on one UTC day, counted while the policy sets a quota."""

    day: int
    operations: int


@dataclass(frozen=True, slots=True)
class Governance:
    """How many association keys must sign a governance entry, the epoch of the fingerprint key in use, and the
    association's members, in order: whose keys are the seats."""

    threshold: int
    fingerprint_epoch: int
    association: tuple[str, ...]


def state_key(namespace: Namespace, identifier: bytes) -> bytes:
    """Key hash of one value: unlinkable to its neighbours, so an absence proof reveals none of them by its name.

    The first bit parts the tree: 1 for values that are for their parties alone (`HIDDEN`). An absence proof shows the hash of one
    neighbour. Whoever made up a fingerprint that lies beside a factor's exposure could find the amount behind the hash by trying;
    so whatever can be asked for lies in the other half, where the hidden one is a single sibling.
    """
    key_hash = digest(Tag.STATE_KEY, bytes([namespace]), identifier)
    first = key_hash[0] | 0x80 if namespace in HIDDEN else key_hash[0] & 0x7F
    return bytes([first]) + key_hash[1:]


def node_set_id(from_height: int) -> bytes:
    """Where a set of nodes is kept that another one has replaced; the newest is the SINGLETON of its namespace."""
    return from_height.to_bytes(8)


def committed_hash(public: bytes, private_digest: bytes) -> bytes:
    """The value hash in the tree, from the public part and the digest of the private one."""
    return sha256(digest(Tag.PUBLIC, public) + private_digest).digest()


def private_digest(private: bytes) -> bytes:
    return digest(Tag.PRIVATE, private)


def split_stored(stored: bytes) -> tuple[bytes, bytes]:
    """(public, private) of a stored value. Raises StoreCorrupt."""
    try:
        public, private = read(_STORED, stored, STORED_VALUE_BYTES_MAX, "stored")
    except MalformedEntry as error:
        raise StoreCorrupt(f"a stored value does not read back: {error.message}") from error
    return public, private


@dataclass(frozen=True, slots=True)
class _ValueFormat:
    encode: Callable[[Any], tuple[bytes, bytes]]
    decode: Callable[[bytes, bytes], Any]
    hidden: bool = False


def _public(shape: Any) -> _ValueFormat:
    return _ValueFormat(
        encode=lambda value: (pack(shape.encode(value, "value")), b""),
        decode=lambda public, _private: read(shape, public, STORED_VALUE_BYTES_MAX, "value"),
    )


def _private(shape: Any, *, hidden: bool = True) -> _ValueFormat:
    """For what only its parties may see; when `hidden` it is never proved to anybody: see `state_key`."""
    return _ValueFormat(
        encode=lambda value: (b"", pack(shape.encode(value, "value"))),
        decode=lambda _public_part, private: read(shape, private, STORED_VALUE_BYTES_MAX, "value"),
        hidden=hidden,
    )


def _encode_receivable(record: Receivable) -> tuple[bytes, bytes]:
    public = pack(STATUS_SUMMARY.encode(summarise(record), "summary"))
    return public, pack(RECEIVABLE.encode(record, "receivable"))


def _decode_receivable(_public_part: bytes, private: bytes) -> Receivable:
    return read(RECEIVABLE, private, STORED_VALUE_BYTES_MAX, "receivable")


def _encode_bank_reference(used: BankReference) -> tuple[bytes, bytes]:
    # One value for both: a payment would cost a key of the tree more, and the two are never read apart.
    private = b"" if used.payment is None else pack(PAYMENT.encode(used.payment, "payment"))
    return pack(REFERENCE.encode(used.place, "reference")), private


def _decode_bank_reference(public: bytes, private: bytes) -> BankReference:
    place = read(REFERENCE, public, STORED_VALUE_BYTES_MAX, "reference")
    payment = read(PAYMENT, private, STORED_VALUE_BYTES_MAX, "payment") if private else None
    return BankReference(place, payment)


_STORED: Final = Struct(
    lambda public, private: (public, private),
    {"public": Blob(STORED_VALUE_BYTES_MAX), "private": Blob(STORED_VALUE_BYTES_MAX)},
)


_QUANTITY: Final = Uint(limits.QUANTITY_MAX)


_FORMATS: Final[dict[Namespace, _ValueFormat]] = {
    Namespace.MEMBER: _public(MEMBER),
    Namespace.KEY_OWNER: _public(MEMBER_ID),
    Namespace.REFERENCE_OWNER: _public(MEMBER_ID),
    Namespace.WINDOW: _public(SEQUENCE_WINDOW),
    Namespace.RECEIVABLE: _ValueFormat(_encode_receivable, _decode_receivable),
    Namespace.FINGERPRINT: _public(REFERENCE),
    Namespace.SIMILAR: _public(Items(RECEIVABLE_ID, limits.SUSPICIONS_MAX, 1)),
    Namespace.DELIVERY: _public(
        Struct(
            DeliveryUse,
            {
                "document_quantity": _QUANTITY,
                "consumed": _QUANTITY,
                "first": REFERENCE,
                "attested_quantity": Optional_(_QUANTITY),
                "attested_use": _QUANTITY,
                "attested_first": Optional_(REFERENCE),
            },
        )
    ),
    # Nobody asks for it, and references are short: a payment could be found by trying.
    Namespace.BANK_REFERENCE: _ValueFormat(_encode_bank_reference, _decode_bank_reference, hidden=True),
    Namespace.BLANKET: _private(BLANKETS),
    Namespace.COVERAGE: _private(POLICY_USE),
    # Its parties ask for it by its id, which is a hash that nobody else can make up.
    Namespace.POOL: _private(POOL, hidden=False),
    Namespace.POLICY: _public(POLICY),
    Namespace.PENDING_POLICY: _public(PENDING_POLICY),
    Namespace.UPGRADE: _public(UPGRADE),
    Namespace.VALIDATORS: _public(NODE_SET),
    Namespace.CONTROL: _private(CONTROLS),
    Namespace.CONTROLLED: _private(CONTROLLED),
    Namespace.EXPOSURE: _private(EXPOSURE),
    Namespace.RISK_ASSETS: _private(RISK_ASSETS),
    Namespace.TRADE: _private(EDGES),
    Namespace.QUOTA: _private(
        Struct(DayUse, {"day": Uint(limits.DAY_MAX), "operations": Uint(limits.QUANTITY_MAX)})
    ),
    Namespace.GOVERNANCE: _public(
        Struct(
            Governance,
            {
                "threshold": Uint(limits.SIGNATURES_MAX, 1),
                "fingerprint_epoch": Uint(limits.FINGERPRINT_EPOCH_MAX),
                "association": Items(MEMBER_ID, limits.ASSOCIATION_MEMBERS_MAX, 1, ascending=True),
            },
        )
    ),
}


HIDDEN: Final = frozenset(namespace for namespace, shape in _FORMATS.items() if shape.hidden)


EMPTY_PRIVATE_DIGEST: Final = private_digest(b"")


@lru_cache(maxsize=2_048)
def decode_value(namespace: Namespace, stored: bytes) -> Any:
    """The typed value of stored bytes. Raises StoreCorrupt.

    The latest are remembered, about 10 MB of them at most: members and their windows are asked for with every entry. The
    values are frozen and the bytes say all of them, so what is remembered is never out of date.
    """
    public, private = split_stored(stored)
    try:
        return _FORMATS[namespace].decode(public, private)
    except MalformedEntry as error:
        raise StoreCorrupt(f"a stored {namespace.name} does not read back: {error.message}") from error


def encode_value(namespace: Namespace, value: Any) -> tuple[bytes, bytes]:
    """The public and the private bytes of a value."""
    return _FORMATS[namespace].encode(value)
