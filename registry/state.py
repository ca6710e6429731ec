"""The replicated state: a map of authenticated values (`registry.stored`), read through `StateReader`, written through `WorkingState`.

`WorkingState` holds decoded objects, so that a block that touches one receivable a hundred times encodes it once. Its undo log
makes atomic entries cheap: a refused operation leaves no trace. Nothing is written anywhere: `finish` returns a `StateDelta`.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from .blankets import Blanket
from .codec import pack
from .decisions import PendingPolicy, Upgrade
from .errors import InvariantViolation
from .exposure import exposure_id, exposures_of
from .member import Member
from .merkle.map import MapUpdate, apply_updates
from .nodes import NodeSet
from .policy import Policy
from .pools import Pool, follow
from .receivable import Receivable
from .record.covers import PolicyUse, uses_of, with_covered
from .record.payments import BankReference, Payment
from .relations import Control
from .sequence_window import SequenceWindow
from .stored import (
    EMPTY_PRIVATE_DIGEST,
    SINGLETON,
    Governance,
    Namespace,
    committed_hash,
    decode_value,
    encode_value,
    node_set_id,
    private_digest,
    state_key,
)
from .trade_graph import Edge

S = TypeVar("S")


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
class Change:
    """One value before and after; None: it was not there, or is no more."""

    namespace: Namespace
    identifier: bytes
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class StateDelta:
    """Everything one block changes. None means: remove."""

    values: dict[bytes, bytes | None]
    pages: dict[bytes, bytes | None]
    due_added: tuple[tuple[int, bytes], ...]
    due_removed: tuple[tuple[int, bytes], ...]


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
        """Set a value, or with None remove it."""
        if namespace is Namespace.RECEIVABLE and isinstance(value, Receivable):
            self._count_exposures(identifier, value)
            self._count_covers(identifier, value)
            self._count_pools(identifier, value)
        key = (namespace, identifier)
        self._undo.append((key, self.get(namespace, identifier), key in self._written))
        self._objects[key] = value
        self._written[key] = None

    def _count_exposures(self, identifier: bytes, after: Receivable) -> None:
        before = exposures_of(self.receivable(identifier))
        changed = exposures_of(after)
        if before == changed:
            return
        for member_id in before | changed:
            gained = changed.get(member_id, 0) - before.get(member_id, 0)
            if gained:
                key = exposure_id(member_id, after.debtor_reference, after.currency)
                self.put(Namespace.EXPOSURE, key, (self.get(Namespace.EXPOSURE, key) or 0) + gained or None)

    def _count_pools(self, identifier: bytes, after: Receivable) -> None:
        before = self.receivable(identifier)
        memberships = (before.pool if before else None, after.pool)
        for pool_id in dict.fromkeys(pooled.pool_id for pooled in memberships if pooled is not None):
            pool = self.pool(pool_id)
            if pool is None:
                raise InvariantViolation(
                    "a receivable is in no pool that exists", receivable=identifier.hex()
                )
            changed = follow(pool, before, after)
            if changed is not pool:
                self.put(Namespace.POOL, pool_id, changed)

    def _count_covers(self, identifier: bytes, after: Receivable) -> None:
        record = self.receivable(identifier)
        before = uses_of(record.covers, record.currency) if record else {}
        changed = uses_of(after.covers, after.currency)
        if before == changed:
            return
        for key in before | changed:
            gained = changed.get(key, 0) - before.get(key, 0)
            if gained:
                use: PolicyUse | None = self.get(Namespace.COVERAGE, key)
                if use is None:
                    raise InvariantViolation("a cover stands under a policy that nobody stated")
                self.put(Namespace.COVERAGE, key, with_covered(use, gained))

    def savepoint(self) -> int:
        """A mark to roll back to."""
        return len(self._undo)

    def changes_since(self, mark: int) -> tuple[Change, ...]:
        """What was written since the mark and not taken back, each value once, in the order of writing."""
        before: dict[_Key, Any] = {}
        for key, value, _ in self._undo[mark:]:
            before.setdefault(key, value)
        return tuple(Change(*key, value, self._objects[key]) for key, value in before.items())

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

    def blankets(self, exporter: str) -> tuple[Blanket, ...]:
        """The blanket assignments that the exporter has agreed, over or not."""
        blankets: tuple[Blanket, ...] | None = self.get(Namespace.BLANKET, exporter.encode())
        return blankets or ()

    def payment(self, bank_reference: bytes) -> Payment | None:
        """A recorded payment that has not been reversed."""
        used: BankReference | None = self.get(Namespace.BANK_REFERENCE, bank_reference)
        return None if used is None else used.payment

    def exposure(self, factor: str, debtor_reference: bytes, currency: str) -> int:
        """What the member has at stake with the debtor, in minor units (`registry.exposure`)."""
        exposure: int | None = self.get(Namespace.EXPOSURE, exposure_id(factor, debtor_reference, currency))
        return exposure or 0

    def controls(self, party: bytes) -> tuple[Control, ...]:
        """The declared controllers of a party, by its keyed reference."""
        controls: tuple[Control, ...] | None = self.get(Namespace.CONTROL, party)
        return controls or ()

    def controlled(self, controller: bytes) -> tuple[bytes, ...]:
        """The parties that are declared to stand under a controller."""
        parties: tuple[bytes, ...] | None = self.get(Namespace.CONTROLLED, controller)
        return parties or ()

    def trade_edges(self, exporter_reference: bytes) -> tuple[Edge, ...]:
        """Whom an exporter has invoiced lately (`registry.trade_graph`)."""
        edges: tuple[Edge, ...] | None = self.get(Namespace.TRADE, exporter_reference)
        return edges or ()

    def pool(self, pool_id: bytes) -> Pool | None:
        pool: Pool | None = self.get(Namespace.POOL, pool_id)
        return pool

    def policy(self) -> Policy:
        return self._singleton(Namespace.POLICY, Policy)

    def governance(self) -> Governance:
        return self._singleton(Namespace.GOVERNANCE, Governance)

    def pending_policy(self) -> PendingPolicy | None:
        """The latest decision on the policy, in effect by now or not."""
        pending: PendingPolicy | None = self.get(Namespace.PENDING_POLICY, SINGLETON)
        return pending

    def upgrade(self) -> Upgrade | None:
        upgrade: Upgrade | None = self.get(Namespace.UPGRADE, SINGLETON)
        return upgrade

    def newest_nodes(self) -> NodeSet:
        """The latest decision on who the nodes are; in force at most one block after the next."""
        return self._singleton(Namespace.VALIDATORS, NodeSet)

    def nodes_at(self, height: int) -> NodeSet:
        """The nodes that are in force for block `height`: of any earlier one, and of the two after the last."""
        nodes = self.newest_nodes()
        while nodes.from_height > height and nodes.before is not None:
            nodes = self._replaced_nodes(nodes.before)
        return nodes

    def node_changes(self, after_height: int) -> tuple[NodeSet, ...]:
        """The sets that came into force after a height, the oldest first."""
        changes: list[NodeSet] = []
        nodes = self.newest_nodes()
        while nodes.from_height > after_height and nodes.before is not None:
            changes.append(nodes)
            nodes = self._replaced_nodes(nodes.before)
        return tuple(reversed(changes))

    def _replaced_nodes(self, from_height: int) -> NodeSet:
        nodes = self.get(Namespace.VALIDATORS, node_set_id(from_height))
        if not isinstance(nodes, NodeSet):
            raise InvariantViolation(f"the state lacks the nodes from height {from_height} on")
        return nodes

    def _singleton(self, namespace: Namespace, kind: type[S]) -> S:
        value = self.get(namespace, SINGLETON)
        if not isinstance(value, kind):
            raise InvariantViolation(
                f"the state has no {namespace.name}: it was not begun from a genesis document"
            )
        return value

    def finish(self) -> tuple[StateDelta, bytes]:
        """The delta of everything written, and the new state root."""
        values, updates = self._written_values()
        tree: MapUpdate = apply_updates(self.reader, updates)
        due_added, due_removed = self._due_changes()
        return StateDelta(values, tree.pages, due_added, due_removed), tree.root

    def finish_without_tree(self) -> StateDelta:
        """The same delta without pages, for who derives from a chain that was checked before and needs no root."""
        values, _ = self._written_values()
        due_added, due_removed = self._due_changes()
        return StateDelta(values, {}, due_added, due_removed)

    def _written_values(self) -> tuple[dict[bytes, bytes | None], dict[bytes, bytes | None]]:
        values: dict[bytes, bytes | None] = {}
        updates: dict[bytes, bytes | None] = {}
        for key in self._written:
            key_hash = self._committed[key][0]
            if self._objects[key] is None:
                values[key_hash] = updates[key_hash] = None
                continue
            public, private = encode_value(key[0], self._objects[key])
            values[key_hash] = pack((public, private))
            private_part = private_digest(private) if private else EMPTY_PRIVATE_DIGEST
            updates[key_hash] = committed_hash(public, private_part)
        return values, updates

    def _due_changes(self) -> tuple[tuple[tuple[int, bytes], ...], tuple[tuple[int, bytes], ...]]:
        # The index of expiries follows from the claims before and after, so nothing else keeps it: a lien that is released,
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
    return {(until_ms, record.receivable_id) for until_ms in record.ends_ms()} if record else set()
