"""The RFC 6962 / RFC 9162 Merkle tree with SHA-256, over sequences that only grow.

    leaf   H(00 | bytes)
    node   H(01 | left | right)
    empty  H("")
    odd    the last node of a level without a sibling is promoted unhashed, never duplicated

Nodes of complete subtrees are named (level, index): level 0 holds the leaf hashes, and node (l, i) covers the leaves
[i * 2^l, (i + 1) * 2^l). Such a node never changes once its last leaf is appended, so a host stores it once, for ever,
and any root or proof of any earlier size can be computed from the stored nodes alone.

Guarantees: a proof has exactly one right length for its sizes, and every one of its hashes enters the root. Verifying
raises ProofInvalid and never answers a bool. Left to others: where nodes are kept (`NodeReader`), and which root to trust.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Protocol

from ..errors import InvariantViolation, ProofInvalid, StoreCorrupt

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()


def leaf_hash(leaf: bytes) -> bytes:
    """Hash of one leaf's bytes (RFC 9162, 2.1.1)."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node (RFC 9162, 2.1.1)."""
    return sha256(b"\x01" + left + right).digest()


def tree_root(leaves: Sequence[bytes]) -> bytes:
    """Root over the leaves' bytes; `EMPTY_ROOT` when there are none."""
    if not leaves:
        return EMPTY_ROOT
    level = [leaf_hash(leaf) for leaf in leaves]
    while len(level) > 1:
        promoted = level[-1:] if len(level) % 2 else []
        level = [*_paired(level), *promoted]
    return level[0]


def _paired(level: Sequence[bytes]) -> list[bytes]:
    # An odd last node has no partner and is left out here.
    return [
        sha256(b"\x01" + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=False)
    ]


class NodeReader(Protocol):
    """What holds the nodes of complete subtrees."""

    def node(self, level: int, index: int) -> bytes:
        """The 32-byte hash stored for a complete subtree; raises StoreCorrupt if it is not there."""
        ...


class LeafTree:
    """All nodes of a tree that fits in memory: many proofs of one block share its hashing."""

    __slots__ = ("_levels",)

    def __init__(self, leaves: Sequence[bytes]) -> None:
        level = [leaf_hash(leaf) for leaf in leaves]
        self._levels = [level]
        while len(level) > 1:
            # An odd last node is promoted; it stands for an incomplete subtree there, for which `node` is never asked.
            promoted = level[-1:] if len(level) % 2 else []
            level = [*_paired(level), *promoted]
            self._levels.append(level)

    @property
    def size(self) -> int:
        """Number of leaves."""
        return len(self._levels[0])

    def node(self, level: int, index: int) -> bytes:
        """As NodeReader demands."""
        return self._levels[level][index]

    def inclusion_proof(self, index: int) -> tuple[bytes, ...]:
        """Audit path of one leaf of the whole tree, lowest sibling first (RFC 9162, 2.1.3.1)."""
        if not 0 <= index < self.size:
            raise InvariantViolation("proof asked for a leaf outside the tree", size=self.size, index=index)
        path = []
        for level in self._levels[:-1]:
            if index ^ 1 < len(level):
                path.append(level[index ^ 1])
            index >>= 1
        return tuple(path)


@dataclass(frozen=True, slots=True)
class Node:
    """One complete subtree, as a host stores it."""

    level: int
    index: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Frontier:
    """The compact range of a growing tree: the roots of its complete subtrees, largest and oldest first.

    It has one hash per set bit of `size` and is all that appending and the root need. Raises StoreCorrupt for
    hashes that do not fit the size.
    """

    size: int
    hashes: tuple[bytes, ...]

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.hashes) != self.size.bit_count():
            raise StoreCorrupt("frontier does not fit its size", size=self.size, hashes=len(self.hashes))
        for position, value in enumerate(self.hashes):
            if len(value) != HASH_BYTES:
                raise StoreCorrupt("frontier hash of wrong length", position=position, length=len(value))

    def append(self, leaf: bytes) -> Frontier:
        """The frontier after one more leaf."""
        return self.append_with_nodes(leaf)[0]

    def append_with_nodes(self, leaf: bytes) -> tuple[Frontier, tuple[Node, ...]]:
        """The frontier after one more leaf, and every complete subtree that this leaf completes, lowest first.

        A host that stores these nodes with each append can answer any proof by `inclusion_proof_from` and
        `consistency_proof_from`.
        """
        hashes = list(self.hashes)
        node = Node(0, self.size, leaf_hash(leaf))
        created = [node]
        while node.index & 1:
            node = Node(node.level + 1, node.index >> 1, node_hash(hashes.pop(), node.hash))
            created.append(node)
        hashes.append(node.hash)
        return Frontier(self.size + 1, tuple(hashes)), tuple(created)

    def root(self) -> bytes:
        """Root of the tree of `size` leaves."""
        return _folded(self.hashes) if self.hashes else EMPTY_ROOT


EMPTY_FRONTIER: Final = Frontier(0, ())


def frontier_from(reader: NodeReader, size: int) -> Frontier:
    """The frontier of the first `size` leaves, from stored nodes. Raises StoreCorrupt."""
    return Frontier(size, tuple(_complete_subtrees(reader, 0, size)))


def _folded(hashes: Sequence[bytes]) -> bytes:
    # Right to left: the smaller subtrees join first, as RFC 9162 splits at the largest power of two.
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = node_hash(left, root)
    return root


def _complete_subtrees(reader: NodeReader, start: int, end: int) -> list[bytes]:
    # `start` is a multiple of a power of two that is at least end - start, so the set bits of the length name the
    # subtrees from left to right.
    hashes = []
    for level in range((end - start).bit_length() - 1, -1, -1):
        if (end - start) >> level & 1:
            hashes.append(_stored(reader, level, start >> level))
            start += 1 << level
    return hashes


def _stored(reader: NodeReader, level: int, index: int) -> bytes:
    value = reader.node(level, index)
    if len(value) != HASH_BYTES:
        raise StoreCorrupt("log node of wrong length", level=level, index=index, length=len(value))
    return value


def inclusion_proof(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Audit path of one leaf, lowest sibling first (RFC 9162, 2.1.3.1). For several of one tree, keep a `LeafTree`."""
    return LeafTree(leaves).inclusion_proof(index)


def inclusion_proof_from(reader: NodeReader, size: int, index: int) -> tuple[bytes, ...]:
    """Audit path of leaf `index` in the tree of the first `size` leaves, from stored nodes. Raises StoreCorrupt."""
    if not 0 <= index < size:
        raise InvariantViolation("proof asked for a leaf outside the tree", size=size, index=index)
    return _path(reader, size, 0, index)


def consistency_proof(leaves: Sequence[bytes], old_size: int) -> tuple[bytes, ...]:
    """That the tree of the first `old_size` leaves is a prefix of the tree of all (RFC 9162, 2.1.4.1)."""
    return consistency_proof_from(LeafTree(leaves), old_size, len(leaves))


def consistency_proof_from(reader: NodeReader, old_size: int, new_size: int) -> tuple[bytes, ...]:
    """Consistency proof from stored nodes; empty for equal sizes. Raises StoreCorrupt.

    It is the audit path, in the new tree, of the last complete subtree of the old one, led by that subtree's hash
    unless it is the whole old tree, whose root the verifier has.
    """
    if not 0 < old_size <= new_size:
        raise InvariantViolation("no consistency proof for these sizes", old_size=old_size, new_size=new_size)
    if old_size == new_size:
        return ()
    level = _trailing_zeros(old_size)
    index = (old_size - 1) >> level
    path = _path(reader, new_size, level, index)
    return path if index == 0 else (_stored(reader, level, index), *path)


def _path(reader: NodeReader, size: int, level: int, index: int) -> tuple[bytes, ...]:
    path = []
    while index > 0 or 1 << level < size:
        start = (index ^ 1) << level
        if start < size:
            path.append(_folded(_complete_subtrees(reader, start, min(start + (1 << level), size))))
        # Otherwise the node is the odd last one of its level, and is promoted.
        level += 1
        index >>= 1
    return tuple(path)


def _trailing_zeros(number: int) -> int:
    return (number & -number).bit_length() - 1


def verify_inclusion(root: bytes, size: int, index: int, leaf: bytes, proof: Sequence[bytes]) -> None:
    """Leaf `index` of the tree of `size` leaves with this root is these bytes. Raises ProofInvalid."""
    verify_leaf_hash_inclusion(root, size, index, leaf_hash(leaf), proof)


def verify_leaf_hash_inclusion(
    root: bytes, size: int, index: int, hashed_leaf: bytes, proof: Sequence[bytes]
) -> None:
    """As `verify_inclusion`, for who holds the leaf's hash and not its bytes. Raises ProofInvalid."""
    if not 0 <= index < size:
        raise ProofInvalid("leaf outside the tree", size=size, index=index)
    if len(hashed_leaf) != HASH_BYTES:
        raise ProofInvalid("leaf hash of wrong length", length=len(hashed_leaf))
    # Up to the level where the path leaves the tree's right edge, each step has a sibling; above it, only where the
    # node is a right child.
    inner = (index ^ (size - 1)).bit_length()
    _check_shape(proof, inner + (index >> inner).bit_count())
    computed = _climb(hashed_leaf, index, proof[:inner])
    computed = _climb_edge(computed, proof[inner:])
    if computed != root:
        raise ProofInvalid("leaf is not in the tree", size=size, index=index, expected=root, found=computed)


def verify_consistency(
    old_root: bytes, old_size: int, new_root: bytes, new_size: int, proof: Sequence[bytes]
) -> None:
    """The tree with `new_root` begins with the `old_size` leaves of the tree with `old_root`. Raises ProofInvalid.

    An empty old tree is refused: every tree begins with it, so such a proof shows nothing.
    """
    if not 0 < old_size <= new_size:
        raise ProofInvalid("sizes show no growth", old_size=old_size, new_size=new_size)
    if old_size == new_size:
        _check_shape(proof, 0)
        if old_root != new_root:
            raise ProofInvalid("two roots for one size", size=old_size, expected=old_root, found=new_root)
        return
    level = _trailing_zeros(old_size)
    index = (old_size - 1) >> level
    inner = (index ^ ((new_size - 1) >> level)).bit_length()
    lead = 0 if index == 0 else 1
    _check_shape(proof, lead + inner + (index >> inner).bit_count())

    seed = proof[0] if lead else old_root
    below, edge = proof[lead : lead + inner], proof[lead + inner :]
    # In the old tree nothing stood to the right of the seed: only its left siblings count.
    lefts = [sibling for height, sibling in enumerate(below) if index >> height & 1]
    computed_old = _climb_edge(_climb_edge(seed, lefts), edge)
    if computed_old != old_root:
        raise ProofInvalid("not the old tree", old_size=old_size, expected=old_root, found=computed_old)
    computed_new = _climb_edge(_climb(seed, index, below), edge)
    if computed_new != new_root:
        raise ProofInvalid("not the new tree", new_size=new_size, expected=new_root, found=computed_new)


def _check_shape(proof: Sequence[bytes], length: int) -> None:
    if len(proof) != length:
        raise ProofInvalid("proof of wrong length", expected=length, found=len(proof))
    for position, value in enumerate(proof):
        if len(value) != HASH_BYTES:
            raise ProofInvalid("proof hash of wrong length", position=position, length=len(value))


def _climb(value: bytes, index: int, siblings: Sequence[bytes]) -> bytes:
    for height, sibling in enumerate(siblings):
        value = node_hash(sibling, value) if index >> height & 1 else node_hash(value, sibling)
    return value


def _climb_edge(value: bytes, left_siblings: Sequence[bytes]) -> bytes:
    for sibling in left_siblings:
        value = node_hash(sibling, value)
    return value
