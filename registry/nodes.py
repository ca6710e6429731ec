"""The nodes of the network: who replicates, who votes and with what weight, and what a validator set hashes to.

The genesis document names the first nodes and an operation states every later set whole, in the same words. A set is in force
from a height on; the sets before it are linked to it, so that votes of any earlier height can still be judged.

Guarantees: what `decode_voters` reads is exactly what `validators_hash` was taken over, so that a client that has the hash from
a certified header needs nobody's word for the set. Leaves to others: quorums (consensus), and who may change a set
(`registry.rules.validators`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from . import limits
from .codec import Blob, Bytes, Items, Optional_, Struct, Text, Uint, pack, read
from .errors import MalformedEntry, Reference
from .signing import PUBLIC_KEY_BYTES, Tag, digest

NODE_ID_ALPHABET: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")


@dataclass(frozen=True, slots=True)
class NetworkNode:
    """A node of the network. `power` 0 is an observer: it replicates and serves, and has no vote."""

    node_id: str
    member: str
    consensus_key: bytes
    power: int
    tls_certificate_der: bytes


@dataclass(frozen=True, slots=True)
class Voter:
    """What a header commits to of one validator."""

    node_id: str
    consensus_key: bytes
    power: int


@dataclass(frozen=True, slots=True)
class NodeSet:
    """The nodes from block `from_height` on, until the next set. `decided`: by which entry; None for the first nodes."""

    from_height: int
    before: int | None
    """`from_height` of the set that this one replaced."""
    decided: Reference | None
    nodes: tuple[NetworkNode, ...]

    def validators(self) -> tuple[NetworkNode, ...]:
        return tuple(node for node in self.nodes if node.power > 0)

    def validators_hash(self) -> bytes:
        return validators_hash(voters(self.nodes))

    def node(self, node_id: str) -> NetworkNode | None:
        return next((node for node in self.nodes if node.node_id == node_id), None)


class NodeName:
    """A node id: it stands in file names, host names and logs, so it is plain."""

    _text = Text(limits.NODE_ID_CHARS_MAX)

    def decode(self, raw: object, path: str) -> str:
        node_id = self._text.decode(raw, path)
        if not NODE_ID_ALPHABET.issuperset(node_id):
            raise MalformedEntry(f"{node_id!r} may only use a-z, 0-9 and '-'", path=path)
        return node_id

    encode = decode


class Nodes:
    """At least one node, sorted by id, each id once."""

    def __init__(self) -> None:
        self._items: Items[NetworkNode] = Items(NETWORK_NODE, limits.NODES_MAX, 1)

    def decode(self, raw: object, path: str) -> tuple[NetworkNode, ...]:
        return _in_order(self._items.decode(raw, path), path)

    def encode(self, value: tuple[NetworkNode, ...], path: str) -> tuple[object, ...]:
        return self._items.encode(_in_order(value, path), path)


def _in_order(nodes: tuple[NetworkNode, ...], path: str) -> tuple[NetworkNode, ...]:
    names = [node.node_id for node in nodes]
    if names != sorted(set(names)):
        raise MalformedEntry("nodes must be sorted by node_id, each once", path=path)
    return nodes


NODE_NAME: Final = NodeName()
NETWORK_NODE: Final = Struct(
    NetworkNode,
    {
        "node_id": NODE_NAME,
        "member": Text(limits.MEMBER_ID_CHARS_MAX),
        "consensus_key": Bytes(PUBLIC_KEY_BYTES),
        "power": Uint(limits.POWER_MAX),
        "tls_certificate_der": Blob(limits.CERTIFICATE_DER_BYTES_MAX),
    },
)
NODES: Final = Nodes()
# `operations.fields` has the shape of a reference too, but its package has an operation on nodes, which needs this module.
_REFERENCE: Final = Struct(
    Reference,
    {
        "subject": Bytes(32),
        "height": Uint(limits.HEIGHT_MAX),
        "entry_index": Uint(limits.BLOCK_ENTRIES_MAX),
        "operation_index": Uint(limits.OPERATIONS_MAX),
    },
)
NODE_SET: Final = Struct(
    NodeSet,
    {
        "from_height": Uint(limits.HEIGHT_MAX, 1),
        "before": Optional_(Uint(limits.HEIGHT_MAX, 1)),
        "decided": Optional_(_REFERENCE),
        "nodes": NODES,
    },
)
_VOTERS: Final = Items(
    Struct(
        Voter,
        {
            "node_id": NODE_NAME,
            "consensus_key": Bytes(PUBLIC_KEY_BYTES),
            "power": Uint(limits.POWER_MAX, 1),
        },
    ),
    limits.VALIDATORS_MAX,
    1,
    ascending=True,
)
VOTERS_BYTES_MAX: Final = 16 << 10  # 100 validators of 80 bytes, and to spare


def voters(nodes: tuple[NetworkNode, ...]) -> tuple[Voter, ...]:
    """The validators among these nodes, sorted by node id."""
    voting = (node for node in nodes if node.power > 0)
    return tuple(
        Voter(node.node_id, node.consensus_key, node.power)
        for node in sorted(voting, key=lambda node: node.node_id)
    )


def encode_voters(validators: tuple[Voter, ...]) -> bytes:
    """The bytes that `validators_hash` is over."""
    ordered = sorted((each.node_id, each.consensus_key, each.power) for each in validators)
    return pack(tuple(ordered))


def decode_voters(encoded: bytes) -> tuple[Voter, ...]:
    """Raises MalformedEntry."""
    return read(_VOTERS, encoded, VOTERS_BYTES_MAX, "validators")


def validators_hash(validators: tuple[Voter, ...]) -> bytes:
    """The header's validators_hash, over (node id, consensus key, power) sorted by node id."""
    return voters_digest(encode_voters(validators))


def voters_digest(encoded: bytes) -> bytes:
    """The validators_hash of an encoded set."""
    return digest(Tag.VALIDATORS, encoded)


def node_possession_message(chain_id: bytes, node: NetworkNode) -> bytes:
    """What a node's new consensus key signs, for this chain and as this node of this member, with this certificate.

    Whoever lacks the private half cannot make another's key vote under a node's name, nor put a certificate under it.
    """
    stated = (node.node_id, node.member, node.consensus_key, node.tls_certificate_der)
    return Tag.NODE_POSSESSION + chain_id + pack(stated)
