"""The authenticated key-value map: the state whose root every header carries, stored as radix-16 pages.

Callers bring 32-byte key hashes and value hashes; values themselves are kept elsewhere. The hash rules and the proofs are in
`map_proof`, the bytes of a page in `map_page`; this module changes the map and proves from it.

Guarantees: the root depends only on the set of pairs, never on the order or grouping of updates, and so do the pages.
A batch is applied in one pass over its sorted keys; each page it touches is read once, and written once if it changed.
A page that holds fewer than two keys does not exist, except the root page, which holds one as well.
Left to others: keeping the pages (`PageReader`), writing a batch's pages and values in one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from ..errors import InvariantViolation, StoreCorrupt
from .map_page import (
    DESCENT,
    EMPTY,
    PATH_NIBBLES_MAX,
    ROOT,
    SLOT_NODE,
    Page,
    Slot,
    decode_page,
    empty_page,
    encode_page,
)
from .map_proof import (
    HASH_BYTES,
    PLACEHOLDER,
    AbsenceProof,
    InclusionProof,
    MapProof,
    OtherLeaf,
    decode_absence,
    decode_inclusion,
    encode_absence,
    encode_inclusion,
    verify_absence,
    verify_inclusion,
)

__all__ = [
    "PLACEHOLDER",
    "AbsenceProof",
    "InclusionProof",
    "MapProof",
    "MapUpdate",
    "OtherLeaf",
    "PageReader",
    "apply_updates",
    "current_root",
    "decode_absence",
    "decode_inclusion",
    "encode_absence",
    "encode_inclusion",
    "prove",
    "verify_absence",
    "verify_inclusion",
]

_NIBBLE: Final = tuple(bytes((nibble,)) for nibble in range(16))
# By place of a nibble in the key: its byte, and how far to shift that.
_NIBBLE_AT: Final = tuple((place // 2, 0 if place % 2 else 4) for place in range(2 * HASH_BYTES))


class PageReader(Protocol):
    """What holds the pages of one state of the map."""

    def page(self, path: bytes) -> bytes | None:
        """The bytes stored for a nibble path (one byte per nibble, b"" for the root page), or None."""
        ...


@dataclass(frozen=True, slots=True)
class MapUpdate:
    """The root after a batch, and what to store: new bytes by nibble path, None for a page that is gone."""

    root: bytes
    pages: dict[bytes, bytes | None]


def current_root(reader: PageReader) -> bytes:
    """Root of the map as stored. Raises StoreCorrupt."""
    page = _root_page(reader)
    return page.page_hash() if page else PLACEHOLDER


def _root_page(reader: PageReader) -> Page | None:
    encoded = reader.page(b"")
    return None if encoded is None else decode_page(b"", encoded, None)


def _page_below(reader: PageReader, path: bytes, page_hash: bytes) -> Page:
    # The page that a slot names by its hash.
    if len(path) > PATH_NIBBLES_MAX:
        raise StoreCorrupt("map page below the last nibble", path=path)
    encoded = reader.page(path)
    if encoded is None:
        raise StoreCorrupt("map page is missing", path=path, page_hash=page_hash)
    return decode_page(path, encoded, page_hash)


def apply_updates(reader: PageReader, updates: Mapping[bytes, bytes | None]) -> MapUpdate:
    """The map after setting each key hash to its value hash, or deleting it where the value hash is None.

    Deleting an absent key and setting what is there already change nothing. Raises StoreCorrupt.
    """
    for key_hash, value_hash in updates.items():
        if len(key_hash) != HASH_BYTES or (value_hash is not None and len(value_hash) != HASH_BYTES):
            raise InvariantViolation("map takes hashes of 32 bytes", key_hash=key_hash, value_hash=value_hash)
    return _Batch(reader, updates).apply()


class _Batch:
    """One batch on its way through the tree: sorted, so that every subtree's updates are one range [first, end)."""

    __slots__ = ("keys", "pages", "reader", "values")

    def __init__(self, reader: PageReader, updates: Mapping[bytes, bytes | None]) -> None:
        self.reader = reader
        self.keys = sorted(updates)
        self.values = [updates[key_hash] for key_hash in self.keys]
        self.pages: dict[bytes, bytes | None] = {}

    def apply(self) -> MapUpdate:
        page = _root_page(self.reader)
        existed = page is not None
        page = page or empty_page()
        changes = self.changes_of(page, b"", 0, len(self.keys))
        root = page.change(changes)
        if not page.occupied:
            if existed:
                self.pages[b""] = None
        elif changes:
            self.pages[b""] = encode_page(page, root)
        return MapUpdate(root, self.pages)

    def changes_of(self, page: Page, path: bytes, first: int, end: int) -> dict[int, Slot]:
        """New contents of the page's slots that a range of updates, all under `path`, changes."""
        byte, shift = _NIBBLE_AT[len(path)]
        keys = self.keys
        changes: dict[int, Slot] = {}
        while first < end:
            slot = keys[first][byte] >> shift & 15
            after = first + 1
            while after < end and keys[after][byte] >> shift & 15 == slot:
                after += 1
            if below := page.cells[SLOT_NODE[slot]]:
                new = self.update_page(path + _NIBBLE[slot], below, first, after)
                if new != below:
                    changes[slot] = new
            else:
                old = page.slot(slot)
                new = self.update_leaf(path + _NIBBLE[slot], old, first, after)
                if new != old:
                    changes[slot] = new
            first = after
        return changes

    def update_leaf(self, path: bytes, old: Slot, first: int, end: int) -> Slot:
        """Apply updates to a slot that is empty or a leaf; returns its new content."""
        if end - first == 1:
            key_hash, value_hash = self.keys[first], self.values[first]
            if not old or old[0] == key_hash:
                return EMPTY if value_hash is None else (key_hash, value_hash)
            if value_hash is None:
                return old
        return self.grow_page(path, old, first, end)

    def grow_page(self, path: bytes, old: Slot, first: int, end: int) -> Slot:
        """Apply updates to a slot that is empty or a leaf, and put a page there if it then has several keys."""
        page = empty_page()
        if isinstance(old, tuple):
            page.put(_nibble(old[0], len(path)), old)
        return self.close_page(path, page, self.changes_of(page, path, first, end))

    def update_page(self, path: bytes, old: bytes, first: int, end: int) -> Slot:
        """Apply updates to the stored page below a slot; returns the slot's new content."""
        page = _page_below(self.reader, path, old)
        changes = self.changes_of(page, path, first, end)
        if not changes:
            return old
        new = self.close_page(path, page, changes)
        if not isinstance(new, bytes) or not new:
            self.pages[path] = None
        return new

    def close_page(self, path: bytes, page: Page, changes: dict[int, Slot]) -> Slot:
        """Change a page; returns what the slot above it holds then, and stores the page if that is its hash."""
        page_hash = page.change(changes)
        if not page.has_several_keys():
            return page.leaf_under(ROOT) or EMPTY
        self.pages[path] = encode_page(page, page_hash)
        return page_hash


def _nibble(key_hash: bytes, place: int) -> int:
    byte, shift = _NIBBLE_AT[place]
    return key_hash[byte] >> shift & 15


def prove(reader: PageReader, key_hash: bytes) -> MapProof:
    """Proof that the key is there, or that it is not. Raises StoreCorrupt."""
    if len(key_hash) != HASH_BYTES:
        raise InvariantViolation("map takes hashes of 32 bytes", key_hash=key_hash)
    page = _root_page(reader)
    if page is None:
        return AbsenceProof((), None)
    siblings: list[bytes] = []
    leaf = _descend(reader, page, key_hash, siblings) if page.has_several_keys() else page.leaf_under(ROOT)
    siblings.reverse()
    if leaf is None:
        return AbsenceProof(tuple(siblings), None)
    if leaf[0] == key_hash:
        return InclusionProof(tuple(siblings))
    return AbsenceProof(tuple(siblings), OtherLeaf(*leaf))


def _descend(
    reader: PageReader, page: Page, key_hash: bytes, siblings: list[bytes]
) -> tuple[bytes, bytes] | None:
    # Collects the siblings from the root down to where the key's subtree has one leaf or none, and returns that.
    path = b""
    while True:
        slot = _nibble(key_hash, len(path))
        for node, sibling in DESCENT[slot]:
            siblings.append(page.hash_of(sibling))
            if not page.cells[node]:
                return page.leaf_under(node)
        path += _NIBBLE[slot]
        page = _page_below(reader, path, page.cells[node])
