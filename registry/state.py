"""The replicated state: a map of authenticated values, read through `StateReader`, written through `WorkingState`.

Every value lives under `digest(STATE_KEY, namespace | id)` and is stored as a public and a private part. The tree commits
to `sha256(digest(PUBLIC) | digest(PRIVATE))`: a proof can show the public part and only the digest of the private one.

`WorkingState` holds decoded objects, so that a block that touches one receivable a hundred times encodes it once. Its undo log
makes atomic entries cheap: a refused operation leaves no trace. Nothing is written anywhere: `finish` returns a `StateDelta`.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final, Protocol, TypeVar

from . import limits
from .codec import Blob, Items, Struct, Uint, pack, read
from .errors import InvariantViolation, MalformedEntry, Reference, StoreCorrupt
from .member import MEMBER, Member
from .merkle.map import MapUpdate, apply_updates
from .operations.fields import MEMBER_ID, RECEIVABLE_ID
from .policy import POLICY, Policy
from .receivable import RECEIVABLE, REFERENCE, STATUS_SUMMARY, Receivable, summarise
from .sequence_window import SEQUENCE_WINDOW, SequenceWindow
from .signing import Tag, digest

S = TypeVar("S")
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
    PAYMENT_REFERENCE = 8
    POLICY = 9
    GOVERNANCE = 10


SINGLETON: Final = b""  # id of the one value of a namespace that has only one


@dataclass(frozen=True, slots=True)
class DeliveryUse:
    """How much of a transport document's line is consumed, and by which registration first."""

    document_quantity: int
    consumed: int
    first: Reference


@dataclass(frozen=True, slots=True)
class Governance:
    """How many association keys must sign a governance entry, and the epoch of the fingerprint key in use."""

    threshold: int
    fingerprint_epoch: int


class StateReader(Protocol):
    """The committed state at one height."""

    def value(self, key_hash: bytes) -> bytes | None:
        """The stored value, or None."""
        ...

    def page(self, path: bytes) -> bytes | None:
        """A page of the authenticated map (`registry.merkle.map`)."""
        ...

    def due(self, time_ms: int, limit: int) -> tuple[tuple[int, bytes], ...]:
        """At most `limit` expiries (until_ms, receivable id) with until_ms <= time_ms, in ascending order."""
        ...


@dataclass(frozen=True, slots=True)
class StateDelta:
    """Everything one block changes. None means: remove."""

    values: dict[bytes, bytes | None]
    pages: dict[bytes, bytes | None]
    due_added: tuple[tuple[int, bytes], ...]
    due_removed: tuple[tuple[int, bytes], ...]


def state_key(namespace: Namespace, identifier: bytes) -> bytes:
    """Key hash of one value: unlinkable to its neighbours, so an absence proof reveals none of them."""
    return digest(Tag.STATE_KEY, bytes([namespace]), identifier)


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


class MemoryState:
    """A StateReader in dictionaries, for the auditor, tests and the simulator."""

    def __init__(self) -> None:
        self._values: dict[bytes, bytes] = {}
        self._pages: dict[bytes, bytes] = {}
        self._due: list[tuple[int, bytes]] = []

    def value(self, key_hash: bytes) -> bytes | None:
        return self._values.get(key_hash)

    def page(self, path: bytes) -> bytes | None:
        return self._pages.get(path)

    def due(self, time_ms: int, limit: int) -> tuple[tuple[int, bytes], ...]:
        end = bisect_left(self._due, (time_ms + 1, b""))
        return tuple(self._due[: min(end, limit)])

    def apply(self, delta: StateDelta) -> None:
        for target, changes in ((self._values, delta.values), (self._pages, delta.pages)):
            for key, new in changes.items():
                if new is None:
                    target.pop(key, None)
                else:
                    target[key] = new
        for item in delta.due_removed:
            index = bisect_left(self._due, item)
            if index < len(self._due) and self._due[index] == item:
                del self._due[index]
        for item in delta.due_added:
            index = bisect_left(self._due, item)
            if index == len(self._due) or self._due[index] != item:
                insort(self._due, item)

    def stored_values(self) -> dict[bytes, bytes]:
        """All stored values by key hash, for whole-state checks."""
        return self._values


@dataclass(frozen=True, slots=True)
class _ValueFormat:
    encode: Callable[[Any], tuple[bytes, bytes]]
    decode: Callable[[bytes, bytes], Any]


def _public(shape: Any) -> _ValueFormat:
    return _ValueFormat(
        encode=lambda value: (pack(shape.encode(value, "value")), b""),
        decode=lambda public, _private: read(shape, public, STORED_VALUE_BYTES_MAX, "value"),
    )


def _encode_receivable(record: Receivable) -> tuple[bytes, bytes]:
    public = pack(STATUS_SUMMARY.encode(summarise(record), "summary"))
    return public, pack(RECEIVABLE.encode(record, "receivable"))


def _decode_receivable(_public_part: bytes, private: bytes) -> Receivable:
    return read(RECEIVABLE, private, STORED_VALUE_BYTES_MAX, "receivable")


_STORED: Final = Struct(
    lambda public, private: (public, private),
    {"public": Blob(STORED_VALUE_BYTES_MAX), "private": Blob(STORED_VALUE_BYTES_MAX)},
)
_QUANTITY: Final = Uint(limits.QUANTITY_MAX)
_FORMATS: Final[dict[Namespace, _ValueFormat]] = {
    Namespace.MEMBER: _public(MEMBER),
    Namespace.KEY_OWNER: _public(MEMBER_ID),
    Namespace.WINDOW: _public(SEQUENCE_WINDOW),
    Namespace.RECEIVABLE: _ValueFormat(_encode_receivable, _decode_receivable),
    Namespace.FINGERPRINT: _public(REFERENCE),
    Namespace.SIMILAR: _public(Items(RECEIVABLE_ID, limits.SUSPICIONS_MAX, 1)),
    Namespace.DELIVERY: _public(
        Struct(DeliveryUse, {"document_quantity": _QUANTITY, "consumed": _QUANTITY, "first": REFERENCE})
    ),
    Namespace.PAYMENT_REFERENCE: _public(REFERENCE),
    Namespace.POLICY: _public(POLICY),
    Namespace.GOVERNANCE: _public(
        Struct(
            Governance,
            {
                "threshold": Uint(limits.SIGNATURES_MAX, 1),
                "fingerprint_epoch": Uint(limits.FINGERPRINT_EPOCH_MAX),
            },
        )
    ),
}
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


_Key = tuple[Namespace, bytes]


@dataclass(slots=True)
class WorkingState:
    """The state while one block is applied: reads fall through to the committed state, writes stay here."""

    reader: StateReader
    _committed: dict[_Key, tuple[bytes, Any]] = field(default_factory=dict)
    _objects: dict[_Key, Any] = field(default_factory=dict)
    _written: dict[_Key, None] = field(default_factory=dict)
    _undo: list[tuple[_Key, Any, bool]] = field(default_factory=list)

    def get(self, namespace: Namespace, identifier: bytes) -> Any:
        """The present value, or None."""
        key = (namespace, identifier)
        try:
            return self._objects[key]
        except KeyError:
            pass
        key_hash = state_key(namespace, identifier)
        stored = self.reader.value(key_hash)
        value = None if stored is None else decode_value(namespace, stored)
        self._committed[key] = (key_hash, value)
        self._objects[key] = value
        return value

    def put(self, namespace: Namespace, identifier: bytes, value: object) -> None:
        key = (namespace, identifier)
        self._undo.append((key, self.get(namespace, identifier), key in self._written))
        self._objects[key] = value
        self._written[key] = None

    def savepoint(self) -> int:
        """A mark to roll back to."""
        return len(self._undo)

    def roll_back(self, mark: int) -> None:
        while len(self._undo) > mark:
            key, value, was_written = self._undo.pop()
            self._objects[key] = value
            if not was_written:
                del self._written[key]

    def member(self, member_id: str) -> Member | None:
        member: Member | None = self.get(Namespace.MEMBER, member_id.encode())
        return member

    def receivable(self, receivable_id: bytes) -> Receivable | None:
        record: Receivable | None = self.get(Namespace.RECEIVABLE, receivable_id)
        return record

    def window(self, member_id: str) -> SequenceWindow:
        window: SequenceWindow | None = self.get(Namespace.WINDOW, member_id.encode())
        return window or SequenceWindow.empty()

    def policy(self) -> Policy:
        return self._singleton(Namespace.POLICY, Policy)

    def governance(self) -> Governance:
        return self._singleton(Namespace.GOVERNANCE, Governance)

    def _singleton(self, namespace: Namespace, kind: type[S]) -> S:
        value = self.get(namespace, SINGLETON)
        if not isinstance(value, kind):
            raise InvariantViolation(
                f"the state has no {namespace.name}: it was not begun from a genesis document"
            )
        return value

    def finish(self) -> tuple[StateDelta, bytes]:
        """The delta of everything written, and the new state root."""
        values: dict[bytes, bytes | None] = {}
        updates: dict[bytes, bytes | None] = {}
        for key in self._written:
            public, private = _FORMATS[key[0]].encode(self._objects[key])
            key_hash = self._committed[key][0]
            values[key_hash] = pack((public, private))
            private_part = private_digest(private) if private else EMPTY_PRIVATE_DIGEST
            updates[key_hash] = committed_hash(public, private_part)
        tree: MapUpdate = apply_updates(self.reader, updates)
        due_added, due_removed = self._due_changes()
        return StateDelta(values, tree.pages, due_added, due_removed), tree.root

    def _due_changes(self) -> tuple[tuple[tuple[int, bytes], ...], tuple[tuple[int, bytes], ...]]:
        # The index of expiries follows from the liens before and after, so nothing else keeps it: a lien that is released,
        # paid off or rolled back leaves no trace in it.
        added: list[tuple[int, bytes]] = []
        removed: list[tuple[int, bytes]] = []
        for key in self._written:
            if key[0] is Namespace.RECEIVABLE:
                before, after = _expiries(self._committed[key][1]), _expiries(self._objects[key])
                added += after - before
                removed += before - after
        return tuple(sorted(added)), tuple(sorted(removed))


def _expiries(record: Receivable | None) -> set[tuple[int, bytes]]:
    return {(lien.until_ms, record.receivable_id) for lien in record.liens} if record else set()
