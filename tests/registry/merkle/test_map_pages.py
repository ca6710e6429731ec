"""What the store gives back is checked: a page that is not the one that was stored is StoreCorrupt, never a wrong root."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import StoreCorrupt
from registry.merkle.map import apply_updates, current_root, prove
from registry.merkle.map_page import PAGE_BYTES_MAX, decode_page

FIRST, SECOND, FAR = b"\x12" * 32, b"\x13" * 32, b"\xf0" * 32
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


def test_a_page_below_the_last_nibble_is_corruption(memory_pages: Any) -> None:
    """A store that names pages for ever must not be followed for ever."""
    pages = memory_pages()
    pages.update({bytes(32): bytes(32), bytes(31) + b"\x01": bytes(32)})
    looped = memory_pages()
    looped.page = lambda path: pages.page(path[:63]) if len(path) < 63 else pages.page(b"")
    refused(looped, bytes(32))


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
