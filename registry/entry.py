"""The signed envelope: what members send, what blocks carry, byte for byte.

An entry is `[body, signatures]`. The body is one byte string: it is hashed and signed exactly as received and never
re-serialised. `entry_id` is over the body alone, because a signature is not unique: two entries with the same body are the
same entry, whoever signed twice.
"""

from __future__ import annotations

import reprlib
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from . import limits
from .codec import Blob, Bytes, Choice, Items, Struct, Uint, pack, read
from .errors import MalformedEntry
from .identifiers import EntryId
from .operations import TYPE_BY_CLASS, TYPE_BY_CODE, Operation, total_weight
from .operations.fields import MEMBER_ID, PUBLIC_KEY, SIGNATURE, TIME_MS
from .signing import SigningKey, Tag, digest, verify

ENTRY_VERSION: Final = 1


class Mode(IntEnum):
    """ATOMIC: all operations or none. INDEPENDENT: each on its own."""

    ATOMIC = 0
    INDEPENDENT = 1


@dataclass(frozen=True, slots=True, order=True)
class EntrySignature:
    """One party's signature. The key is named in full, so that it can be checked before its owner is looked up."""

    member: str
    public_key: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class EntryBody:
    """What every party signs."""

    version: int
    chain_id: bytes
    submitter: str
    sequence: int
    valid_until_ms: int
    mode: Mode
    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """A decoded entry with the exact bytes it came in. Signatures are not yet checked: see `verify_signatures`."""

    raw: bytes
    body_bytes: bytes
    entry_id: EntryId
    body: EntryBody
    signatures: tuple[EntrySignature, ...]


class _AnyOperation:
    """An operation as `[type code, fields]`."""

    def decode(self, raw: object, path: str) -> Operation:
        if type(raw) is not tuple or len(raw) != 2:
            raise MalformedEntry("must be an array of a type code and its fields", path=path)
        code, fields = raw
        kind = TYPE_BY_CODE.get(code) if type(code) is int else None
        if kind is None:
            raise MalformedEntry(f"unknown operation type {reprlib.repr(code)}", path=path)
        try:
            operation: Operation = kind.shape.decode(fields, kind.name)
        except MalformedEntry as error:
            raise error.inside(path) from None
        return operation

    def encode(self, value: Operation, path: str) -> tuple[object, ...]:
        kind = TYPE_BY_CLASS.get(type(value))
        if kind is None:
            raise MalformedEntry(f"a {type(value).__name__} is not an operation", path=path)
        try:
            return (kind.code, kind.shape.encode(value, kind.name))
        except MalformedEntry as error:
            raise error.inside(path) from None


_BODY: Final = Struct(
    EntryBody,
    {
        "version": Uint(ENTRY_VERSION, ENTRY_VERSION),
        "chain_id": Bytes(32),
        "submitter": MEMBER_ID,
        "sequence": Uint(limits.SEQUENCE_MAX, 1),
        "valid_until_ms": TIME_MS,
        "mode": Choice(Mode),
        "operations": Items(_AnyOperation(), limits.OPERATIONS_MAX, 1),
    },
)
_SIGNATURES: Final = Items(
    Struct(EntrySignature, {"member": MEMBER_ID, "public_key": PUBLIC_KEY, "signature": SIGNATURE}),
    limits.SIGNATURES_MAX,
    ascending=True,
)
_ENVELOPE: Final = Struct(
    lambda body, signatures: (body, signatures),
    {"body": Blob(limits.ENTRY_BYTES_MAX), "signatures": _SIGNATURES},
)


def encode_body(body: EntryBody) -> bytes:
    """The canonical bytes that every party signs. Raises MalformedEntry naming the field that is out of bounds."""
    raw = _BODY.encode(body, "entry")
    _check_weight(body)
    return pack(raw)


def decode_body(body_bytes: bytes) -> EntryBody:
    """The inverse of `encode_body`. Raises MalformedEntry."""
    body = read(_BODY, body_bytes, limits.ENTRY_BYTES_MAX, "entry")
    _check_weight(body)
    return body


def _check_weight(body: EntryBody) -> None:
    weight = total_weight(body.operations)
    if weight > limits.OPERATIONS_MAX:
        raise MalformedEntry(
            f"the operations name {weight} receivables in all, at most {limits.OPERATIONS_MAX} are allowed",
            path="entry.operations",
        )


def entry_id_of(body_bytes: bytes) -> EntryId:
    return EntryId(digest(Tag.ENTRY, body_bytes))


def sign_body(body_bytes: bytes, member: str, key: SigningKey) -> EntrySignature:
    """One party's signature over the body as it stands."""
    return EntrySignature(member, key.public_key, key.sign(Tag.ENTRY + body_bytes))


def assemble(body_bytes: bytes, signatures: tuple[EntrySignature, ...]) -> bytes:
    """The whole entry. Signatures are put in canonical order. Raises MalformedEntry when it is too large."""
    raw = pack((body_bytes, _SIGNATURES.encode(tuple(sorted(signatures)), "signatures")))
    if len(raw) > limits.ENTRY_BYTES_MAX:
        raise MalformedEntry(f"the entry has {len(raw)} bytes, at most {limits.ENTRY_BYTES_MAX} are allowed")
    return raw


def decode_entry(raw: bytes) -> Entry:
    """Parse received bytes; the whole shape is checked, signatures are not. Raises MalformedEntry."""
    body_bytes, signatures = read(_ENVELOPE, raw, limits.ENTRY_BYTES_MAX, "")
    return Entry(raw, body_bytes, entry_id_of(body_bytes), decode_body(body_bytes), signatures)


def verify_signatures(entry: Entry) -> None:
    """Check every signature under the key named beside it. Raises BadSignature; whose key it is, is judged later."""
    message = Tag.ENTRY + entry.body_bytes
    for party in entry.signatures:
        verify(party.public_key, message, party.signature)
