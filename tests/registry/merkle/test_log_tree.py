"""The log tree against its definition: every size, every proof, every way to spoil one."""

from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import InvariantViolation, ProofInvalid, StoreCorrupt
from registry.merkle.log import (
    EMPTY_FRONTIER,
    EMPTY_ROOT,
    Frontier,
    LeafTree,
    consistency_proof,
    consistency_proof_from,
    frontier_from,
    inclusion_proof,
    inclusion_proof_from,
    tree_root,
    verify_consistency,
    verify_inclusion,
    verify_leaf_hash_inclusion,
)

SIZES = range(1, 35)
LEAVES = tuple(b"leaf %d" % number for number in range(SIZES[-1]))


def defined_root(leaves: Sequence[bytes]) -> bytes:
    """RFC 9162, 2.1.1, word by word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + defined_root(leaves[:split]) + defined_root(leaves[split:])).digest()


def defined_path(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """RFC 9162, 2.1.3.1, word by word."""
    if len(leaves) == 1:
        return ()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if index < split:
        return (*defined_path(leaves[:split], index), defined_root(leaves[split:]))
    return (*defined_path(leaves[split:], index - split), defined_root(leaves[:split]))


def defined_consistency(old_size: int, leaves: Sequence[bytes], whole: bool = True) -> tuple[bytes, ...]:
    """RFC 9162, 2.1.4.1, SUBPROOF, word by word."""
    if old_size == len(leaves):
        return () if whole else (defined_root(leaves),)
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if old_size <= split:
        return (*defined_consistency(old_size, leaves[:split], whole), defined_root(leaves[split:]))
    return (*defined_consistency(old_size - split, leaves[split:], False), defined_root(leaves[:split]))


class StoredNodes:
    """A NodeReader over what appends said to store."""

    def __init__(self) -> None:
        self.nodes: dict[tuple[int, int], bytes] = {}
        self.frontier = EMPTY_FRONTIER

    def append(self, leaf: bytes) -> None:
        self.frontier, created = self.frontier.append_with_nodes(leaf)
        for node in created:
            assert (node.level, node.index) not in self.nodes  # a complete subtree is made once
            self.nodes[node.level, node.index] = node.hash

    def node(self, level: int, index: int) -> bytes:
        return self.nodes[level, index]


@pytest.fixture(scope="module")
def stored() -> StoredNodes:
    nodes = StoredNodes()
    for leaf in LEAVES:
        nodes.append(leaf)
    return nodes


@pytest.mark.parametrize("size", [0, *SIZES])
def test_root_follows_the_definition(size: int) -> None:
    assert tree_root(LEAVES[:size]) == defined_root(LEAVES[:size])


def test_empty_tree_hashes_nothing() -> None:
    assert tree_root([]) == EMPTY_ROOT == EMPTY_FRONTIER.root() == sha256(b"").digest()


@pytest.mark.parametrize("size", SIZES)
def test_frontier_has_the_root_of_every_size(size: int, stored: StoredNodes) -> None:
    frontier = EMPTY_FRONTIER
    for leaf in LEAVES[:size]:
        frontier = frontier.append(leaf)
    assert frontier.size == size
    assert frontier.root() == tree_root(LEAVES[:size])
    assert frontier == frontier_from(stored, size)


def test_frontier_of_no_leaves_needs_no_nodes() -> None:
    assert frontier_from(StoredNodes(), 0) == EMPTY_FRONTIER


def test_frontier_must_fit_its_size() -> None:
    with pytest.raises(StoreCorrupt):
        Frontier(3, (bytes(32),))
    with pytest.raises(StoreCorrupt):
        Frontier(-1, (bytes(32),))
    with pytest.raises(StoreCorrupt):
        Frontier(1, (bytes(31),))


def test_appends_store_every_complete_subtree_once(stored: StoredNodes) -> None:
    size = len(LEAVES)
    assert set(stored.nodes) == {(level, i) for level in range(6) for i in range(size >> level)}


@pytest.mark.parametrize("size", SIZES)
def test_every_leaf_is_proven(size: int, stored: StoredNodes) -> None:
    leaves = LEAVES[:size]
    root = tree_root(leaves)
    tree = LeafTree(leaves)
    assert tree.size == size
    for index, leaf in enumerate(leaves):
        proof = inclusion_proof(leaves, index)
        assert proof == defined_path(leaves, index)
        assert proof == inclusion_proof_from(stored, size, index) == inclusion_proof_from(tree, size, index)
        assert proof == tree.inclusion_proof(index)
        verify_inclusion(root, size, index, leaf, proof)


@pytest.mark.parametrize("size", SIZES)
def test_every_growth_is_proven(size: int, stored: StoredNodes) -> None:
    leaves = LEAVES[:size]
    root = tree_root(leaves)
    for old_size in range(1, size + 1):
        proof = consistency_proof(leaves, old_size)
        assert proof == defined_consistency(old_size, leaves)
        assert proof == consistency_proof_from(stored, old_size, size)
        assert len(proof) <= 2 * size.bit_length()
        verify_consistency(tree_root(leaves[:old_size]), old_size, root, size, proof)


def spoiled_proofs(proof: tuple[bytes, ...]) -> list[tuple[bytes, ...]]:
    """One bit flipped in each hash, and hashes lost, added, swapped, cut and lengthened."""
    spoiled = [(), (*proof, bytes(32)), (bytes(32), *proof), proof[1:], proof[:-1], proof[::-1]]
    for place, value in enumerate(proof):
        before, after = proof[:place], proof[place + 1 :]
        for bit in (0, 100, 255):
            flipped = int.from_bytes(value, "big") ^ 1 << bit
            spoiled.append((*before, flipped.to_bytes(32, "big"), *after))
        spoiled += [
            (*before, value[:-1], *after),
            (*before, value + b"\0", *after),
            (*before, value, value, *after),
        ]
    return [other for other in spoiled if other != proof]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 11])
def test_a_spoiled_inclusion_proof_is_refused(size: int) -> None:
    leaves = LEAVES[:size]
    root = tree_root(leaves)
    for index, leaf in enumerate(leaves):
        proof = inclusion_proof(leaves, index)
        for other in spoiled_proofs(proof):
            with pytest.raises(ProofInvalid):
                verify_inclusion(root, size, index, leaf, other)
        with pytest.raises(ProofInvalid):
            verify_inclusion(root, size, index, leaf + b"!", proof)
        with pytest.raises(ProofInvalid):
            verify_inclusion(bytes(32), size, index, leaf, proof)
        for other_index in {-1, *range(size + 1)} - {index}:
            with pytest.raises(ProofInvalid):
                verify_inclusion(root, size, other_index, leaf, proof)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 11])
def test_a_spoiled_consistency_proof_is_refused(size: int) -> None:
    leaves = LEAVES[:size]
    root = tree_root(leaves)
    for old_size in range(1, size + 1):
        old_root = tree_root(leaves[:old_size])
        proof = consistency_proof(leaves, old_size)
        for other in spoiled_proofs(proof):
            with pytest.raises(ProofInvalid):
                verify_consistency(old_root, old_size, root, size, other)
        with pytest.raises(ProofInvalid):
            verify_consistency(bytes(32), old_size, root, size, proof)
        with pytest.raises(ProofInvalid):
            verify_consistency(old_root, old_size, bytes(32), size, proof)
        for other_size in {-1, *range(size + 2)} - {old_size}:
            with pytest.raises(ProofInvalid):
                verify_consistency(old_root, other_size, root, size, proof)


def test_an_empty_old_tree_shows_nothing() -> None:
    with pytest.raises(ProofInvalid):
        verify_consistency(EMPTY_ROOT, 0, tree_root(LEAVES), len(LEAVES), ())
    with pytest.raises(InvariantViolation):
        consistency_proof(LEAVES, 0)


def test_a_tree_does_not_shrink() -> None:
    with pytest.raises(ProofInvalid):
        verify_consistency(tree_root(LEAVES[:2]), 2, tree_root(LEAVES[:1]), 1, ())
    with pytest.raises(InvariantViolation):
        consistency_proof(LEAVES[:3], 4)


def test_an_inner_node_does_not_pass_as_a_leaf() -> None:
    """The second-preimage attack that the prefixes 00 and 01 are there to stop."""
    left, right = (sha256(b"\x00" + leaf).digest() for leaf in LEAVES[:2])
    with pytest.raises(ProofInvalid):
        verify_inclusion(tree_root(LEAVES[:2]), 1, 0, left + right, ())


def test_an_odd_leaf_is_not_duplicated() -> None:
    """The fault of Bitcoin's tree: three leaves and the same with the last one twice must differ."""
    assert tree_root(LEAVES[:3]) != tree_root([*LEAVES[:3], LEAVES[2]])


def test_a_leaf_hash_must_be_a_hash() -> None:
    with pytest.raises(ProofInvalid):
        verify_leaf_hash_inclusion(b"", 1, 0, b"", ())


@pytest.mark.parametrize("index", [-1, 3])
def test_no_proof_is_made_for_a_leaf_outside_the_tree(index: int) -> None:
    with pytest.raises(InvariantViolation):
        inclusion_proof(LEAVES[:3], index)


def test_a_stored_node_of_wrong_length_is_corruption() -> None:
    class Short:
        def node(self, level: int, index: int) -> bytes:
            return bytes(31)

    with pytest.raises(StoreCorrupt) as caught:
        inclusion_proof_from(Short(), 2, 0)
    assert caught.value.details == {"level": 0, "index": 1, "length": 31}


def test_sizes_beyond_any_real_chain_are_refused_cheaply() -> None:
    with pytest.raises(ProofInvalid):
        verify_inclusion(bytes(32), 2**63, 2**62, b"", ())
    with pytest.raises(ProofInvalid):
        verify_consistency(bytes(32), 3, bytes(32), 2**63, (bytes(32),) * 3)


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=200), st.data())
def test_any_leaves_prove_and_grow(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    old_size = index + 1
    verify_inclusion(tree_root(leaves), len(leaves), index, leaves[index], inclusion_proof(leaves, index))
    proof = consistency_proof(leaves, old_size)
    verify_consistency(tree_root(leaves[:old_size]), old_size, tree_root(leaves), len(leaves), proof)
