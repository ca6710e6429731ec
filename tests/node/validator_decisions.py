"""Decisions of the association of `chain_builders` about its nodes: who is added, removed, weighed or given another key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from registry.entry import (
    ENTRY_VERSION,
    Entry,
    EntryBody,
    Mode,
    assemble,
    decode_entry,
    encode_body,
    sign_body,
)
from registry.nodes import NetworkNode, node_possession_message
from registry.operations.validators import ChangeValidators, NodeAdmission
from registry.signing import SigningKey
from tests.node.chain_builders import ASSOCIATION, GENESIS_TIME_MS, key_of


def new_node(node_id: str, power: int = 1, key: SigningKey | None = None) -> NetworkNode:
    """A node of the association's that is not in the genesis document."""
    public_key = (key or key_of(node_id)).public_key
    return NetworkNode(node_id, ASSOCIATION, public_key, power, b"certificate of " + node_id.encode())


def with_node(nodes: Sequence[NetworkNode], node: NetworkNode) -> tuple[NetworkNode, ...]:
    """These nodes, with one added, or in the place of the one of its name."""
    named = {each.node_id: each for each in nodes} | {node.node_id: node}
    return tuple(named[name] for name in sorted(named))


def without(nodes: Sequence[NetworkNode], *names: str) -> tuple[NetworkNode, ...]:
    return tuple(node for node in nodes if node.node_id not in names)


def weighed(nodes: Sequence[NetworkNode], node_id: str, power: int) -> tuple[NetworkNode, ...]:
    return tuple(replace(node, power=power) if node.node_id == node_id else node for node in nodes)


def decision(
    chain_id: bytes,
    sequence: int,
    nodes: Sequence[NetworkNode],
    *admitted: tuple[str, SigningKey],
    forced: bool = False,
) -> Entry:
    """The signed entry that makes these the nodes; `admitted` are those that are new, each with its key."""
    by_name = {node.node_id: node for node in nodes}
    operation = ChangeValidators(
        tuple(nodes),
        tuple(
            NodeAdmission(name, key.sign(node_possession_message(chain_id, by_name[name])))
            for name, key in sorted(admitted)
        ),
        forced,
    )
    valid_until_ms = GENESIS_TIME_MS + 86_400_000
    body = encode_body(
        EntryBody(ENTRY_VERSION, chain_id, ASSOCIATION, sequence, valid_until_ms, Mode.ATOMIC, (operation,))
    )
    return decode_entry(assemble(body, (sign_body(body, ASSOCIATION, key_of(ASSOCIATION)),)))
