"""One page of the authenticated map as it is stored: sixteen slots and the hashes between them and the page's root.

A page lies at a nibble path (one byte per nibble, most significant first; b"" is the root page) and divides the keys
under that path by their next nibble. A slot is empty, holds the one leaf of its subtree, or holds the hash of a page
below. Inside, the sixteen slots are the bottom of a binary tree of four levels; the hashes of its inner nodes are kept
too, so that a change of one slot costs four hashes and not fifteen. See `map_proof` for the hash rules.

A page is 64 cells. Slots 0..7 and the nodes above them have the cells 0..31, slots 8..15 the cells 32..63, alike:

    0            nothing
    1..7         hash of an inner node with several keys: 1 the half's root, the children of n are 2n and 2n + 1
    8..15        hash of the page below a slot
    16..31       key hash and value hash of a slot's leaf, slot by slot

Cell 0 of the whole page stands for its root, whose hash the page above holds. Bytes (big-endian), canonical, being a
function of the slots and the page's hash:

    occupied u16     bit n: slot n is not empty
    leaves   u16     bit n: slot n is a leaf; a subset of `occupied`
    n x 32           the cells that hold something, ascending; which, follows from the two bitmaps
    seal 8           first bytes of H("pledgebook/map-page/v1\\0" | page hash | all of the above)

The seal binds the bytes to the hash that the page above holds: a flipped bit, a page of an earlier state or of another
place is StoreCorrupt when it is read, instead of a wrong root that looks like everyone else's fault. It guards against
disks, not against people: who can write the store can seal; what they write still leads to another root. The root page
is sealed with its own hash, so a host compares `current_root` with its last header before it goes on from a store.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from struct import Struct
from typing import Final

from ..errors import StoreCorrupt
from .map_proof import HASH_BYTES, INTERNAL_TAG, LEAF_TAG, PLACEHOLDER

Leaf = tuple[bytes, bytes]  # key_hash, value_hash
Slot = Leaf | bytes  # a leaf, the hash of a page below, or EMPTY
EMPTY: Final = b""

PATH_NIBBLES_MAX: Final = 2 * HASH_BYTES - 1  # a deeper page would hold one key only

ROOT: Final = 0
_SEAL_BYTES: Final = 8
_BITMAPS: Final = Struct(">HH")

# Hashers to copy, each fed with its tag: a tenth faster than hashing tag and rest in one call.
_LEAF: Final = sha256(LEAF_TAG)
_INTERNAL: Final = sha256(INTERNAL_TAG)
_SEAL: Final = sha256(b"pledgebook/map-page/v1\0")

# By slot: the cell of the page below it, and the first of its leaf's two.
SLOT_NODE: Final = tuple(slot // 8 * 32 + 8 + slot % 8 for slot in range(16))
_SLOT_LEAF: Final = tuple(slot // 8 * 32 + 16 + slot % 8 * 2 for slot in range(16))


def _node_table() -> tuple[dict[int, int], dict[int, tuple[int, int]], dict[int, int]]:
    # By node: its parent, its two children, and the bitmap of the slots below it.
    children = {ROOT: (1, 33)}
    children |= {
        half + node: (half + 2 * node, half + 2 * node + 1) for half in (0, 32) for node in range(1, 8)
    }
    parent = {child: node for node, pair in children.items() for child in pair}
    under = {node: 1 << slot for slot, node in enumerate(SLOT_NODE)}
    for node in sorted(children, key=lambda node: -(node % 32)):
        left, right = children[node]
        under[node] = under[left] | under[right]
    return parent, children, under


_PARENT, _CHILDREN, _UNDER = _node_table()


def _descent(slot: int) -> tuple[tuple[int, int], ...]:
    # On the way from the page's root down to a slot: each node with its sibling.
    steps = []
    node = SLOT_NODE[slot]
    while node != ROOT:
        left, right = _CHILDREN[_PARENT[node]]
        steps.append((node, left if node == right else right))
        node = _PARENT[node]
    return tuple(reversed(steps))


_INNER_ABOVE: Final = tuple(sum(1 << node for node, _ in _descent(slot)[:3]) for slot in range(16))  # bitmaps
DESCENT: Final = tuple(_descent(slot) for slot in range(16))


def _has_several_keys(held: int, leaves: int) -> bool:
    # Several slots, or one that leads to a page below.
    return bool(held & (held - 1) or held & ~leaves)


@cache  # at most 3^8 results, about 10 MB, since `leaves` is a subset of `occupied`
def _layout(occupied: int, leaves: int) -> Struct:
    # The cells of one half, 32 bytes where a cell holds something and none where it does not.
    held = {node for node in range(1, 16) if _has_several_keys(occupied & _UNDER[node], leaves)}
    held |= {_SLOT_LEAF[slot] + word for slot in range(8) if leaves >> slot & 1 for word in (0, 1)}
    return Struct("".join("32s" if cell in held else "0s" for cell in range(32)))


@cache  # at most 2^14 results: one inner node or another
def _steps_up(stale: int) -> tuple[tuple[int, int, int, int], ...]:
    # For a bitmap of inner nodes, children before parents: each node, its children, and the slots below it.
    nodes = [node for node in range(64) if stale >> node & 1]
    nodes.sort(key=lambda node: -(node % 32))
    return tuple((node, *_CHILDREN[node], _UNDER[node]) for node in nodes)


class Page:
    """A page in memory, mutable while a batch of updates is applied to it."""

    __slots__ = ("cells", "leaves", "occupied")

    def __init__(self, occupied: int, leaves: int, cells: list[bytes]) -> None:
        self.occupied = occupied  # bitmap of slots
        self.leaves = leaves  # bitmap of slots
        self.cells = cells  # EMPTY where a cell holds nothing

    def slot(self, slot: int) -> Slot:
        """What the slot holds."""
        return self._leaf(slot) if self.leaves >> slot & 1 else self.cells[SLOT_NODE[slot]]

    def _leaf(self, slot: int) -> Leaf:
        at = _SLOT_LEAF[slot]
        return self.cells[at], self.cells[at + 1]

    def has_several_keys(self) -> bool:
        """Whether the page has a right to exist below another."""
        return _has_several_keys(self.occupied, self.leaves)

    def leaf_under(self, node: int) -> Leaf | None:
        """The leaf of a node that does not have several keys, or None if it has none."""
        held = self.occupied & _UNDER[node]
        return self._leaf(held.bit_length() - 1) if held else None

    def hash_of(self, node: int) -> bytes:
        """Hash of one node; for one with a single key or none it follows from the rules."""
        if stored := self.cells[node]:
            return stored
        held = self.occupied & _UNDER[node]
        if not held:
            return PLACEHOLDER
        at = _SLOT_LEAF[held.bit_length() - 1]
        hasher = _LEAF.copy()
        hasher.update(self.cells[at] + self.cells[at + 1])
        return hasher.digest()

    def page_hash(self) -> bytes:
        """Hash of all keys of the page."""
        return self.change({})

    def put(self, slot: int, content: Slot) -> None:
        """Replace what a slot holds; the hashes above it are stale until `change`."""
        cells, bit, at = self.cells, 1 << slot, _SLOT_LEAF[slot]
        if isinstance(content, tuple):
            cells[at : at + 2] = content
            cells[SLOT_NODE[slot]] = EMPTY
            self.leaves |= bit
            self.occupied |= bit
            return
        cells[SLOT_NODE[slot]] = content
        self.occupied = self.occupied | bit if content else self.occupied & ~bit
        if self.leaves & bit:
            self.leaves ^= bit
            cells[at] = cells[at + 1] = EMPTY

    def change(self, contents: Mapping[int, Slot]) -> bytes:
        """Replace what the given slots hold; returns the page's new hash."""
        stale = 1 << ROOT
        for slot, content in contents.items():
            self.put(slot, content)
            stale |= _INNER_ABOVE[slot]
        cells, occupied, below = self.cells, self.occupied, ~self.leaves
        for node, left, right, under in _steps_up(stale):
            held = occupied & under
            if held & (held - 1) or held & below:
                hasher = _INTERNAL.copy()
                hasher.update((cells[left] or self.hash_of(left)) + (cells[right] or self.hash_of(right)))
                cells[node] = hasher.digest()
            else:
                cells[node] = EMPTY
        page_hash = self.hash_of(ROOT)
        cells[ROOT] = EMPTY  # the page above keeps it; here it would be stored
        return page_hash


def empty_page() -> Page:
    """A page without keys, to put some into."""
    return Page(0, 0, [EMPTY] * 64)


def encode_page(page: Page, page_hash: bytes) -> bytes:
    """The page's bytes, sealed with its hash."""
    body = _BITMAPS.pack(page.occupied, page.leaves) + b"".join(page.cells)
    return body + _seal(page_hash, body)


def decode_page(path: bytes, encoded: bytes, page_hash: bytes | None) -> Page:
    """The page at `path` with the hash that the page above names; None for the root page. Raises StoreCorrupt."""
    if len(encoded) < _BITMAPS.size + _SEAL_BYTES:
        raise StoreCorrupt("map page is cut short", path=path, length=len(encoded))
    occupied, leaves = _BITMAPS.unpack_from(encoded)
    if leaves & ~occupied or not occupied:
        raise StoreCorrupt("map page with impossible bitmaps", path=path, occupied=occupied, leaves=leaves)
    left, right = _layout(occupied & 0xFF, leaves & 0xFF), _layout(occupied >> 8, leaves >> 8)
    middle = _BITMAPS.size + left.size
    if len(encoded) != middle + right.size + _SEAL_BYTES:
        raise StoreCorrupt("map page of wrong length", path=path, length=len(encoded))
    cells = [*left.unpack_from(encoded, _BITMAPS.size), *right.unpack_from(encoded, middle)]
    page = Page(occupied, leaves, cells)
    if path and not page.has_several_keys():
        raise StoreCorrupt("map page that should not exist", path=path, occupied=occupied, leaves=leaves)
    if _seal(page_hash or page.page_hash(), encoded[:-_SEAL_BYTES]) != encoded[-_SEAL_BYTES:]:
        raise StoreCorrupt("map page does not match its seal", path=path, page_hash=page_hash)
    return page


def _seal(page_hash: bytes, body: bytes) -> bytes:
    hasher = _SEAL.copy()
    hasher.update(page_hash)
    hasher.update(body)
    return hasher.digest()[:_SEAL_BYTES]
