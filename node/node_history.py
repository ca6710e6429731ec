"""Who the nodes are at each height, as the committed state says: for consensus, for certificates, for TLS.

Guarantees: answers for every height up to two above the last committed one; after `committed` it knows what
the block has decided. The latest sets are remembered, since each vote asks for one; older ones are read from the store.
Written by the engine's thread, readable from any: what is remembered is replaced as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from consensus.validators import NodeId, Validator, ValidatorSet
from node.ports import StorePort
from registry.nodes import NetworkNode, NodeSet
from registry.state import StateDelta, WorkingState
from registry.stored import SINGLETON, Namespace, state_key

REMEMBERED_MAX: Final = 4
"""The sets that can be in force for the last block and the two after it, and one more for votes that come late."""


_NEWEST: Final = state_key(Namespace.VALIDATORS, SINGLETON)


class HasValidators(Protocol):
    """A genesis document, or a later set."""

    def validators(self) -> tuple[NetworkNode, ...]: ...


@dataclass(frozen=True, slots=True)
class _Known:
    nodes: NodeSet
    validators: ValidatorSet


class NodeHistory:
    """See the module's docstring."""

    def __init__(self, store: StorePort) -> None:
        """The store must hold a state."""
        self._store = store
        self._known: tuple[_Known, ...] = ()  # the newest first
        with store.read() as snapshot:
            state, height = WorkingState(snapshot), snapshot.height
            for nodes in (state.nodes_at(height), *state.node_changes(height)):
                self._add(nodes)

    def committed(self, delta: StateDelta) -> None:
        """Take in what a block has decided, once it is in the store."""
        if _NEWEST in delta.values:
            with self._store.read() as snapshot:
                self._add(WorkingState(snapshot).newest_nodes())

    def _add(self, nodes: NodeSet) -> None:
        self._known = (_Known(nodes, validators_of(nodes)), *self._known)[:REMEMBERED_MAX]

    def validators(self, height: int) -> ValidatorSet:
        """Who votes at a height."""
        for known in self._known:
            if known.nodes.from_height <= height:
                return known.validators
        with self._store.read() as snapshot:
            return validators_of(WorkingState(snapshot).nodes_at(height))

    def newest(self) -> NodeSet:
        """The latest decision, in force or about to be."""
        return self._known[0].nodes

    def around(self, height: int) -> tuple[NodeSet, ...]:
        """The sets that are in force at a height or will be, the newest first: of whose nodes we may hear now."""
        sets: list[NodeSet] = []
        for known in self._known:
            sets.append(known.nodes)
            if known.nodes.from_height <= height:
                break
        return tuple(sets)


def validators_of(nodes: HasValidators) -> ValidatorSet:
    """The validators in the words of consensus."""
    return ValidatorSet(
        tuple(Validator(NodeId(node.node_id), node.consensus_key, node.power) for node in nodes.validators())
    )
