"""What the store gives back is checked: a page that is not the one that was stored is StoreCorrupt, never a wrong root."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import StoreCorrupt
from registry.merkle.map import PLACEHOLDER, apply_updates, current_root, prove
from registry.merkle.map_page import decode_page, empty_page, encode_page

FIRST, SECOND, FAR = b"\x12" * 32, b"\x13" * 32, b"\xf0" * 32
PAGE_BYTES_MAX = 4 + 14 * 32 + 16 * 2 * 32 + 8  # bitmaps, inner nodes, sixteen leaves, seal
BELOW = b"\x01"  # the page that holds FIRST and SECOND


@pytest.fixture
def pages(memory_pages: Any) -> Any:
    pages = memory_pages()
    pages.update({FIRST: b"1" * 32, SECOND: b"2" * 32, FAR: b"3" * 32})
    return pages


def refused(pages: Any, key: bytes) -> StoreCorrupt:
    """Both ways of reading refuse, with the place in the details."""
    with pytest.raises(StoreCorrupt):
        apply_updates(pages, {key: b"4" * 32})
    with pytest.raises(StoreCorrupt) as caught:
        prove(pages, key)
    return caught.value


@pytest.mark.parametrize("path", [b"", BELOW])
def test_any_flipped_bit_of_a_page_is_noticed(pages: Any, path: bytes) -> None:
    good = pages.stored[path]
    for place in range(len(good)):
        for bit in range(8):
            spoiled = bytearray(good)
            spoiled[place] ^= 1 << bit
            pages.stored[path] = bytes(spoiled)
            assert refused(pages, FIRST).details["path"] == path


@pytest.mark.parametrize("path", [b"", BELOW])
def test_a_page_cut_or_lengthened_is_noticed(pages: Any, path: bytes) -> None:
    good = pages.stored[path]
    for length in range(len(good)):
        pages.stored[path] = good[:length]
        refused(pages, FIRST)
    pages.stored[path] = good + b"\0"
    refused(pages, FIRST)


def test_a_missing_page_is_noticed(pages: Any) -> None:
    del pages.stored[BELOW]
    assert refused(pages, FIRST).details["path"] == BELOW


def test_a_page_of_an_earlier_state_is_noticed(pages: Any) -> None:
    earlier = pages.stored[BELOW]
    pages.update({FIRST: b"4" * 32})
    pages.stored[BELOW] = earlier
    refused(pages, FIRST)


def test_a_page_of_another_place_is_noticed(pages: Any) -> None:
    pages.update({b"\xf1" * 32: bytes(32)})
    pages.stored[BELOW] = pages.stored[b"\x0f"]
    refused(pages, FIRST)


def test_pages_that_are_not_asked_for_are_not_read(pages: Any) -> None:
    root = current_root(pages)
    del pages.stored[BELOW]
    prove(pages, FAR)
    assert current_root(pages) == root


def test_pages_are_not_followed_below_the_last_nibble(memory_pages: Any) -> None:
    """A store whose pages are well sealed and lead ever further down."""
    pages = memory_pages()
    below = b"?" * 32
    for depth in reversed(range(66)):
        page = empty_page()
        page_hash = page.change({0: below})
        pages.stored[bytes(depth)] = encode_page(page, page_hash)
        below = page_hash
    assert refused(pages, bytes(32)).details["path"] == bytes(64)


def test_a_page_of_one_leaf_is_refused_below_the_root(memory_pages: Any) -> None:
    """Its leaf belongs into the page above: two ways to store one map would be one too many."""
    pages = memory_pages()
    page = empty_page()
    leaf_hash = page.change({2: (FIRST, b"1" * 32)})
    pages.stored[BELOW] = encode_page(page, leaf_hash)
    page = empty_page()
    pages.stored[b""] = encode_page(page, page.change({1: leaf_hash}))
    assert refused(pages, FIRST).details["path"] == BELOW


def test_an_empty_root_page_is_refused(memory_pages: Any) -> None:
    """The empty map is stored as nothing, and as nothing else."""
    pages = memory_pages()
    pages.stored[b""] = encode_page(empty_page(), PLACEHOLDER)
    with pytest.raises(StoreCorrupt, match="impossible bitmaps"):
        current_root(pages)


def test_a_leaf_in_a_slot_said_to_be_empty_is_refused(memory_pages: Any) -> None:
    pages = memory_pages()
    page = empty_page()
    page.put(0, (FIRST, SECOND))
    page.put(1, (SECOND, FIRST))
    page.occupied = 1
    pages.stored[b""] = encode_page(page, page.page_hash())
    with pytest.raises(StoreCorrupt, match="impossible bitmaps"):
        current_root(pages)


@given(st.binary(max_size=PAGE_BYTES_MAX))
def test_no_bytes_make_decoding_fail_otherwise(encoded: bytes) -> None:
    with pytest.raises(StoreCorrupt):
        decode_page(b"", encoded, None)


@given(
    st.dictionaries(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32), max_size=300)
)
def test_no_page_is_larger_than_its_bound(memory_pages: Any, pairs: dict[bytes, bytes]) -> None:
    pages = memory_pages()
    pages.update(pairs)
    assert max(map(len, pages.stored.values()), default=0) <= PAGE_BYTES_MAX


def test_a_page_of_sixteen_leaves_is_as_large_as_a_page_gets(memory_pages: Any) -> None:
    pages = memory_pages()
    pages.update({bytes([slot << 4]) + bytes(31): bytes(32) for slot in range(16)})
    assert [len(page) for page in pages.stored.values()] == [PAGE_BYTES_MAX]
