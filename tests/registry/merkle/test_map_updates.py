"""The map's root depends on the set of pairs alone; so do its pages. Whatever the history, the order and the batches."""

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import InvariantViolation
from registry.merkle.map import PLACEHOLDER, apply_updates, current_root

Root = Callable[[Mapping[bytes, bytes]], bytes]
Batch = dict[bytes, bytes | None]

# Bytes that differ in few bits, at the front, in the middle and at the end of the key: pages of every shape.
FEW = (0x00, 0x01, 0x03, 0x10, 0x11, 0x80, 0xFF)


@st.composite
def crowded_keys(draw: st.DrawFn) -> bytes:
    key = bytearray(32)
    for place in (0, 1, 15, 31):
        key[place] = draw(st.sampled_from(FEW))
    return bytes(key)


KEYS = crowded_keys() | st.binary(min_size=32, max_size=32)
VALUES = st.binary(min_size=32, max_size=32)
BATCHES = st.lists(st.dictionaries(KEYS, st.none() | VALUES, max_size=12), min_size=1, max_size=6)


def merged(pairs: Mapping[bytes, bytes], batch: Batch) -> dict[bytes, bytes]:
    after = dict(pairs)
    for key, value in batch.items():
        if value is None:
            after.pop(key, None)
        else:
            after[key] = value
    return after


@given(BATCHES)
def test_any_history_has_the_root_and_pages_of_its_last_state(
    memory_pages: Any, reference_root: Root, batches: list[Batch]
) -> None:
    pages = memory_pages()
    pairs: dict[bytes, bytes] = {}
    for batch in batches:
        pairs = merged(pairs, batch)
        assert pages.update(batch) == reference_root(pairs) == current_root(pages)
    fresh = memory_pages()
    fresh.update(dict(reversed(pairs.items())))
    assert pages.stored == fresh.stored


@given(st.dictionaries(KEYS, VALUES, max_size=12), st.dictionaries(KEYS, st.none() | VALUES, max_size=12))
def test_one_batch_equals_its_updates_one_by_one(memory_pages: Any, before: Batch, batch: Batch) -> None:
    at_once, one_by_one = memory_pages(), memory_pages()
    at_once.update(before)
    one_by_one.update(before)
    root = at_once.update(batch)
    for key, value in batch.items():
        one_by_one.update({key: value})
    assert current_root(one_by_one) == root
    assert one_by_one.stored == at_once.stored


@given(st.dictionaries(KEYS, VALUES, max_size=20), st.data())
def test_deleting_restores_what_was_there_before(
    memory_pages: Any, pairs: dict[bytes, bytes], data: st.DataObject
) -> None:
    added = data.draw(st.dictionaries(KEYS.filter(lambda key: key not in pairs), VALUES, max_size=8))
    pages = memory_pages()
    root = pages.update(pairs)
    before = dict(pages.stored)
    pages.update(added)
    assert pages.update(dict.fromkeys(added)) == root
    assert pages.stored == before
    assert pages.update(dict.fromkeys(pairs)) == PLACEHOLDER
    assert pages.stored == {}


@given(st.dictionaries(KEYS, VALUES, min_size=1, max_size=12))
def test_an_update_that_changes_nothing_stores_nothing(memory_pages: Any, pairs: dict[bytes, bytes]) -> None:
    pages = memory_pages()
    root = pages.update(pairs)
    absent = bytes(31) + b"\x77"
    for updates in ({}, pairs, {absent: None}, {**pairs, absent: None}):
        result = apply_updates(pages, updates)
        assert (result.root, result.pages) == (root, {})


def test_a_thousand_keys_in_batches_follow_the_definition(memory_pages: Any, reference_root: Root) -> None:
    keys = iter(bytes([n * 7919 % 256, n * 104729 % 256, n % 251]) + bytes(29) for n in range(1_000))
    pages = memory_pages()
    pairs: dict[bytes, bytes] = {}
    while batch := {key: key[::-1] for key in islice(keys, 90)}:
        doomed = dict.fromkeys(islice(pairs, 0, 60, 3))
        pairs = merged(pairs, {**doomed, **batch})
        assert pages.update({**doomed, **batch}) == reference_root(pairs)


def test_an_empty_map_has_the_placeholder_and_no_page(memory_pages: Any) -> None:
    pages = memory_pages()
    assert current_root(pages) == PLACEHOLDER
    assert pages.update({bytes(32): None}) == PLACEHOLDER
    assert pages.stored == {}


def test_a_single_pair_is_a_leaf_at_the_root(memory_pages: Any, reference_root: Root) -> None:
    for key in (bytes(32), b"\xff" * 32):  # in either half of the root page
        pages = memory_pages()
        assert pages.update({key: key}) == reference_root({key: key})
        assert list(pages.stored) == [b""]


def test_keys_that_differ_in_the_last_bit_make_a_chain_of_pages(
    memory_pages: Any, reference_root: Root
) -> None:
    pair = {bytes(32): b"a" * 32, bytes(31) + b"\x01": b"b" * 32}
    pages = memory_pages()
    assert pages.update(pair) == reference_root(pair)
    assert sorted(map(len, pages.stored)) == list(range(64))
    pages.update({bytes(32): None})
    assert list(pages.stored) == [b""]


def test_a_page_left_with_one_leaf_gives_it_to_the_page_above(memory_pages: Any) -> None:
    stays, goes, far = b"\x12" * 32, b"\x13" * 32, b"\xf0" * 32
    pages = memory_pages()
    pages.update({stays: stays, goes: goes, far: far})
    assert b"\x01" in pages.stored
    result = apply_updates(pages, {goes: None})
    assert result.pages[b"\x01"] is None
    pages.store(result)
    assert pages.update({goes: goes, stays: None, far: None}) == current_root(pages)
    assert list(pages.stored) == [b""]


def test_a_page_emptied_whole_is_removed(memory_pages: Any) -> None:
    pages = memory_pages()
    pages.update({b"\x12" * 32: bytes(32), b"\x13" * 32: bytes(32), b"\xf0" * 32: bytes(32)})
    pages.update({b"\x12" * 32: None, b"\x13" * 32: None})
    assert list(pages.stored) == [b""]


@pytest.mark.parametrize("updates", [{b"short": bytes(32)}, {bytes(32): bytes(31)}, {bytes(33): None}])
def test_only_hashes_are_taken(memory_pages: Any, updates: Batch) -> None:
    with pytest.raises(InvariantViolation):
        apply_updates(memory_pages(), updates)
