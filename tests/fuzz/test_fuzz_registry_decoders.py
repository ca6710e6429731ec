"""Every decoder of the registry against arbitrary and mutated bytes: it answers or raises its own error, nothing else.

And what it accepts is canonical: writing it again gives the same bytes, so no two byte strings mean the same thing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any

import msgpack
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from registry.block import decode_block, decode_header, encode_block, encode_header
from registry.codec import pack, unpack
from registry.entry import assemble, decode_body, decode_entry, encode_body
from registry.errors import BlockInvalid, GenesisInvalid, MalformedEntry, StoreCorrupt
from registry.genesis import parse_genesis
from registry.identifiers import BadIdentifier, parse_member_id, read_id, show_id
from registry.limits import NESTING_DEPTH_MAX
from registry.money import BadAmount, parse_amount
from registry.receipt import decode_receipt, encode_receipt
from registry.stored import Namespace, decode_value
from tests.registry.consortium import Consortium, confirmation, dispute, found, genesis_document

BYTES_MAX = 1 << 20

# Every value of msgpack, also what is not in our vocabulary.
_ANYTHING = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**64 - 1),
        st.floats(allow_nan=False),
        st.text(max_size=8),
        st.binary(max_size=8),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)
_VOCABULARY = st.recursive(
    st.one_of(
        st.integers(0, 2**63 - 1),
        st.binary(max_size=40),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    ),
    lambda inner: st.lists(inner, max_size=4).map(tuple),
    max_leaves=20,
)


def depth_of(value: object) -> int:
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, tuple) else 0


@given(_VOCABULARY)
def test_what_is_packed_reads_back(value: object) -> None:
    assume(depth_of(value) <= NESTING_DEPTH_MAX)
    encoded = pack(value)
    assert unpack(encoded, BYTES_MAX) == value
    with pytest.raises(MalformedEntry):
        unpack(encoded + b"\0", BYTES_MAX)
    with pytest.raises(MalformedEntry):
        unpack(encoded[:-1], BYTES_MAX)


@given(st.one_of(st.binary(max_size=60), _ANYTHING.map(msgpack.packb)))
@example(b"\xc7\x00\x01")
@example(b"\xdd\xff\xff\xff\xff")
def test_bytes_are_canonical_or_refused(data: bytes) -> None:
    try:
        value = unpack(data, BYTES_MAX)
    except MalformedEntry:
        return
    assert pack(value) == data


@cache
def _consortium() -> Consortium:
    """A chain on which each kind of value is stored; it is only read here."""
    consortium = found()
    receivable = consortium.registered("A", fiscal="1", document=b"1", deliveries=[("BL", 1, 2)])
    consortium.do(consortium.assignment(receivable, 4_000))
    consortium.do(consortium.pledging(receivable, 1_000))
    consortium.do(dispute(receivable, 10))
    consortium.do(confirmation(receivable, 5_000), confirmation(bytes(32)))
    return consortium


@cache
def _samples() -> dict[str, tuple[bytes, ...]]:
    blocks = _consortium().blocks
    return {
        "entry": tuple(raw for committed in blocks for raw in committed.block.entries),
        "body": tuple(decode_entry(raw).body_bytes for c in blocks for raw in c.block.entries),
        "receipt": tuple(receipt for committed in blocks for receipt in committed.result.receipts),
        "header": tuple(committed.block.header_bytes for committed in blocks),
        "block": tuple(committed.raw for committed in blocks),
        "stored": tuple(_consortium().state.stored_values().values()),
    }


def mutated(kind: str) -> st.SearchStrategy[bytes]:
    """A sample with a few bytes changed, cut out or put in."""

    def change(sample: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
        for place, length, new in edits:
            start = place % (len(sample) + 1)
            sample = sample[:start] + new + sample[start + length :]
        return sample

    edit = st.tuples(st.integers(0, 10_000), st.integers(0, 4), st.binary(max_size=4))
    return st.builds(change, st.sampled_from(_samples()[kind]), st.lists(edit, max_size=3))


_WRITERS: dict[str, tuple[Callable[[bytes], Any], Callable[[Any], bytes], type[Exception]]] = {
    "entry": (
        decode_entry,
        lambda entry: assemble(encode_body(entry.body), entry.signatures),
        MalformedEntry,
    ),
    "body": (decode_body, encode_body, MalformedEntry),
    "receipt": (decode_receipt, encode_receipt, MalformedEntry),
    "header": (decode_header, encode_header, MalformedEntry),
    "block": (decode_block, encode_block, BlockInvalid),
}


@pytest.mark.parametrize("kind", list(_WRITERS))
def test_mutated_bytes_are_canonical_or_refused(kind: str) -> None:
    read, write, refusal = _WRITERS[kind]

    @given(st.one_of(mutated(kind), st.binary(max_size=200)))
    def check(data: bytes) -> None:
        try:
            value = read(data)
        except refusal:
            return
        assert write(value) == data

    for sample in _samples()[kind]:
        assert write(read(sample)) == sample
    check()


def _nested(value: object) -> Any:
    return [_nested(item) for item in value] if isinstance(value, tuple) else value


@given(st.data())
def test_an_entry_with_one_odd_field_is_read_exactly_or_refused(data: st.DataObject) -> None:
    """Not a flipped byte but a wrong value, well encoded: it gets past msgpack and must be stopped by the shapes."""
    body: Any = _nested(unpack(data.draw(st.sampled_from(_samples()["body"])), BYTES_MAX))
    place = body
    while True:
        index = data.draw(st.integers(0, len(place) - 1))
        if not isinstance(place[index], list) or not place[index] or data.draw(st.booleans()):
            break
        place = place[index]
    place[index] = data.draw(_ANYTHING)
    encoded = msgpack.packb(body)
    try:
        decoded = decode_body(encoded)
    except MalformedEntry:
        return
    assert encode_body(decoded) == encoded


@given(st.one_of(mutated("stored"), st.binary(max_size=100)), st.sampled_from(list(Namespace)))
def test_stored_bytes_read_back_or_stop_the_node(data: bytes, namespace: Namespace) -> None:
    with suppress(StoreCorrupt):
        decode_value(namespace, data)


_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.text(max_size=10)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(st.data())
def test_a_genesis_with_one_odd_field_is_read_or_refused(data: st.DataObject) -> None:
    fields: Any = json.loads(genesis_document())
    place = fields
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.integers(0, 3)) == 0:
            break
        place = place[key]
    place[key] = data.draw(_JSON)
    document = (json.dumps(fields, sort_keys=True, indent=2, ensure_ascii=False) + "\n").encode(
        errors="surrogatepass"
    )
    with suppress(GenesisInvalid):
        parse_genesis(document)


@given(st.binary(max_size=300))
def test_bytes_that_are_no_genesis_are_refused(data: bytes) -> None:
    with pytest.raises(GenesisInvalid):
        parse_genesis(data)


@given(
    st.one_of(
        st.text(max_size=40),
        st.text(max_size=30).map("lei:".__add__),
        st.text(max_size=30).map("uscc:".__add__),
    )
)
def test_text_is_a_member_id_or_refused(text: str) -> None:
    try:
        assert parse_member_id(text) == text
    except BadIdentifier:
        return
    assert text.isascii()


@given(st.text(max_size=70))
def test_text_is_an_id_or_refused(text: str) -> None:
    try:
        identifier = read_id(text)
    except BadIdentifier:
        return
    assert read_id(show_id(identifier)) == identifier


@given(st.text(max_size=25), st.text(max_size=4))
def test_text_is_an_amount_or_refused(text: str, currency: str) -> None:
    try:
        assert parse_amount(text, currency) >= 0
    except BadAmount:
        return
