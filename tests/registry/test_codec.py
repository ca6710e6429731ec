"""Canonical msgpack: one value has one encoding, and nothing else is accepted, cheaply."""

from __future__ import annotations

import struct
import tracemalloc
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

import msgpack
import pytest

from registry.codec import (
    Blob,
    Bytes,
    Choice,
    Flag,
    Items,
    Optional_,
    Shape,
    Struct,
    Text,
    Uint,
    pack,
    read,
    unpack,
)
from registry.errors import Code, MalformedEntry
from registry.limits import ARRAY_ITEMS_MAX, NESTING_DEPTH_MAX

_CANONICAL: list[tuple[object, str]] = [
    (0, "00"),
    (127, "7f"),
    (128, "cc80"),
    (255, "ccff"),
    (256, "cd0100"),
    (65_535, "cdffff"),
    (65_536, "ce00010000"),
    (2**32 - 1, "ceffffffff"),
    (2**32, "cf0000000100000000"),
    (2**63 - 1, "cf7fffffffffffffff"),
    ("", "a0"),
    ("a", "a161"),
    ("a" * 31, "bf" + "61" * 31),
    ("a" * 32, "d920" + "61" * 32),
    ("a" * 256, "da0100" + "61" * 256),
    ("é", "a2c3a9"),
    (b"", "c400"),
    (b"\0" * 255, "c4ff" + "00" * 255),
    (b"\0" * 256, "c50100" + "00" * 256),
    (b"\0" * 65_536, "c600010000" + "00" * 65_536),
    ((), "90"),
    ((1, (2, b"")), "92019202c400"),
    ((0,) * 15, "9f" + "00" * 15),
    ((0,) * 16, "dc0010" + "00" * 16),
]


@pytest.mark.parametrize(("value", "hexadecimal"), _CANONICAL)
def test_each_value_has_one_encoding(value: object, hexadecimal: str) -> None:
    encoded = bytes.fromhex(hexadecimal)
    assert pack(value) == encoded
    assert unpack(encoded, len(encoded)) == value
    assert type(unpack(encoded, len(encoded))) is type(value)


_REFUSED: dict[str, str] = {
    "nothing": "",
    "nil": "c0",
    "never used": "c1",
    "false": "c2",
    "true": "c3",
    "a float of 32 bits": "ca3f800000",
    "a float of 64 bits": "cb3ff0000000000000",
    "an empty map": "80",
    "a map": "810102",
    "a map of 16 bits": "de0000",
    "a map of 32 bits": "df00000000",
    "an extension": "d40100",
    "an extension of no bytes": "c70001",
    "an extension of 16 bytes": "d80100" + "00" * 15,
    "an extension with a length": "c7010100",
    "a timestamp": "d6ff00000000",
    "minus one": "ff",
    "minus 33": "d0df",
    "a negative 64-bit integer": "d3ffffffff00000000",
    "2^63": "cf8000000000000000",
    "2^64-1": "cfffffffffffffffff",
    "7 in two bytes": "cc07",
    "7 in three bytes": "cd0007",
    "7 in five bytes": "ce00000007",
    "7 in nine bytes": "cf0000000000000007",
    "7 as a signed byte": "d007",
    "128 as a signed 16-bit integer": "d10080",
    "text with a longer length than needed": "d90161",
    "text of one character with 16 bits of length": "da000161",
    "text of one character with 32 bits of length": "db0000000161",
    "bytes with 16 bits of length": "c5000161",
    "bytes with 32 bits of length": "c60000000161",
    "an array with 16 bits of length": "dc000101",
    "an array with 32 bits of length": "dd0000000101",
    "a byte behind the value": "0000",
    "two values": "9090",
    "text that is no UTF-8": "a1ff",
    "text with a surrogate": "a3eda080",
    "text in overlong UTF-8": "a2c080",
    "cut text": "a261",
    "cut bytes": "c40500",
    "a cut integer": "cd01",
    "a cut array": "9200",
    "a nil inside": "9301c002",
    "a map inside": "918101a161",
    "a float inside an array": "91cb3ff0000000000000",
}


@pytest.mark.parametrize("encoded", [pytest.param(bytes.fromhex(h), id=name) for name, h in _REFUSED.items()])
def test_nothing_else_is_accepted(encoded: bytes) -> None:
    with pytest.raises(MalformedEntry) as refusal:
        unpack(encoded, 1_000)
    assert refusal.value.code is Code.MALFORMED


def test_the_size_is_checked_before_anything_is_parsed() -> None:
    with pytest.raises(MalformedEntry, match="101 bytes, at most 100"):
        unpack(b"\xc1" * 101, 100)


def test_depth_is_bounded() -> None:
    def nested(depth: int) -> bytes:
        return b"\x91" * depth + b"\x00"

    unpack(nested(NESTING_DEPTH_MAX), 100)
    with pytest.raises(MalformedEntry, match="deeper"):
        unpack(nested(NESTING_DEPTH_MAX + 1), 100)


@pytest.mark.parametrize("depth", [500, 1_023, 1_025, 5_000, 1_000_000])
def test_very_deep_nesting_is_refused(depth: int) -> None:
    with pytest.raises(MalformedEntry):
        unpack(b"\x91" * depth + b"\x00", 1 << 20)


_CLAIMS = {
    "an array of 2^32-1": b"\xdd\xff\xff\xff\xff",
    "an array of 65535": b"\xdc\xff\xff",
    "text of 2^32-1": b"\xdb\xff\xff\xff\xff",
    "bytes of 2^32-1": b"\xc6\xff\xff\xff\xff",
    "a map of 2^32-1": b"\xdf\xff\xff\xff\xff",
    "an extension of 2^32-1": b"\xc9\xff\xff\xff\xff\x01",
    "arrays of 2^32-1 in each other": b"\xdd\xff\xff\xff\xff" * 200,
    # Each level announces as many items as there are bytes: memory of the square of the input, if it were believed.
    "arrays as long as the input in each other": b"\xdd\x00\x00\x03\xe8" * 200,
    "long arrays in each other, a megabyte": (b"\xdd" + struct.pack(">I", ARRAY_ITEMS_MAX)) * 200_000,
}


@pytest.mark.parametrize("claim", list(_CLAIMS.values()), ids=list(_CLAIMS))
def test_a_huge_announced_length_costs_little_memory(claim: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(MalformedEntry):
            unpack(claim, 1 << 20)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # The C stack of msgpack holds 1,024 levels; a level may reserve 8 bytes for each announced item.
    assert peak < (100_000 if len(claim) < 300 else 100 << 20)


def test_the_longest_array_is_that_of_a_block() -> None:
    assert len(unpack(pack((0,) * ARRAY_ITEMS_MAX), 1 << 20)) == ARRAY_ITEMS_MAX
    with pytest.raises(MalformedEntry):
        unpack(pack((0,) * (ARRAY_ITEMS_MAX + 1)), 1 << 20)


# --- shapes


class Colour(IntEnum):
    RED = 1
    BLUE = 3


@dataclass(frozen=True, slots=True)
class Pair:
    left: int
    right: str


PAIR = Struct(Pair, {"left": Uint(9), "right": Text(3)})

_ACCEPTED: list[tuple[Shape[Any], object, object]] = [
    (Uint(9), 0, 0),
    (Uint(9, 2), 2, 2),
    (Uint(9), 9, 9),
    (Flag(), 0, False),
    (Flag(), 1, True),
    (Text(3), "abc", "abc"),
    (Text(3), "é中文", "é中文"),
    (Text(3), "é b", "é b"),
    (Text(3, 0), "", ""),
    (Text(1), "\U00020000", "\U00020000"),
    (Bytes(2), b"ab", b"ab"),
    (Blob(2), b"", b""),
    (Blob(2), b"ab", b"ab"),
    (Choice(Colour), 3, Colour.BLUE),
    (Items(Uint(9), 2), (), ()),
    (Items(Uint(9), 2), (2, 1), (2, 1)),
    (Items(Uint(9), 2, ascending=True), (1, 2), (1, 2)),
    (Optional_(Uint(9)), (), None),
    (Optional_(Uint(9)), (0,), 0),
    (PAIR, (1, "a"), Pair(1, "a")),
]


@pytest.mark.parametrize(("shape", "raw", "value"), _ACCEPTED)
def test_shapes_work_in_both_directions(shape: Shape[Any], raw: object, value: object) -> None:
    decoded = shape.decode(raw, "field")
    assert decoded == value
    assert type(decoded) is type(value)
    assert shape.encode(decoded, "field") == raw


_MALFORMED: list[tuple[Shape[Any], object]] = [
    (Uint(9), 10),
    (Uint(9, 2), 1),
    (Uint(9), -1),
    (Uint(9), True),
    (Uint(9), "1"),
    (Uint(9), 1.0),
    (Flag(), 2),
    (Flag(), True),
    (Flag(), "1"),
    (Text(3), ""),
    (Text(3), "abcd"),
    (Text(3), b"abc"),
    (Text(9), "a\0b"),
    (Text(9), "a\nb"),
    (Text(9), "a\x7f"),
    (Text(9), "a\x85"),
    (Text(9), "a\u200b"),  # a zero-width space shows nothing and makes two texts of one
    (Text(9), "a\u00a0b"),
    (Text(9), "a\u2028b"),
    (Text(9), "a\u202eb"),  # turns the order of reading
    (Text(9), "\ufeffa"),
    (Text(9), "\ue000"),  # private use
    (Text(9), "\ud800"),
    (Text(9), "e\u0301"),  # not NFC
    (Text(9), "\u212b"),  # the Angstrom sign becomes a letter
    (Text(9), "\U0001fae8"),  # assigned in Unicode 15: some Pythons know it, others do not
    (Text(9), "\u20c0"),  # Unicode 14
    (Text(9), "\u0378"),
    (Bytes(2), b"a"),
    (Bytes(2), b"abc"),
    (Bytes(2), "ab"),
    (Blob(2), b"abc"),
    (Blob(2), "a"),
    (Choice(Colour), 2),
    (Choice(Colour), "RED"),
    (Choice(Colour), True),
    (Items(Uint(9), 2), (1, 2, 3)),
    (Items(Uint(9), 2, 1), ()),
    (Items(Uint(9), 2), b"\x01\x02"),
    (Items(Uint(9), 9, ascending=True), (2, 1)),
    (Items(Uint(9), 9, ascending=True), (1, 1)),
    (Items(Uint(9), 9, ascending=True), (1, "a")),
    (Items(Uint(9), 9), (1, 10)),
    (Optional_(Uint(9)), 1),
    (Optional_(Uint(9)), (1, 2)),
    (Optional_(Uint(9)), (10,)),
    (PAIR, (1,)),
    (PAIR, (1, "a", 2)),
    (PAIR, "ab"),
    (PAIR, (1, "abcd")),
]


@pytest.mark.parametrize(("shape", "raw"), _MALFORMED)
def test_shapes_refuse_what_they_do_not_describe(shape: Shape[Any], raw: object) -> None:
    with pytest.raises(MalformedEntry, match=r"^field"):
        shape.decode(raw, "field")


_NOT_WRITABLE: list[tuple[Shape[Any], object]] = [
    (Uint(9), 10),
    (Uint(9), True),
    (Flag(), 1),
    (Text(3), "abcd"),
    (Bytes(2), b"a"),
    (Choice(Colour), 1),
    (Items(Uint(9), 1), (1, 2)),
    (Items(Uint(9), 2), [1, 2]),
    (Items(Uint(9), 2, ascending=True), (2, 1)),
    (Optional_(Uint(9)), 10),
    (PAIR, Pair(10, "a")),
]


@pytest.mark.parametrize(("shape", "value"), _NOT_WRITABLE)
def test_what_could_not_be_read_back_is_not_written(shape: Shape[Any], value: object) -> None:
    with pytest.raises(MalformedEntry):
        shape.encode(value, "field")


def test_an_error_names_the_path_of_the_field() -> None:
    shape = Struct(lambda pairs: pairs, {"pairs": Items(PAIR, 3)})
    with pytest.raises(MalformedEntry, match=r"^body\.pairs\[1\]\.left: 10 is outside 0 \.\. 9$") as refusal:
        shape.decode((((1, "a"), (10, "a")),), "body")
    assert refusal.value.details == {"path": "body.pairs[1].left"}


@dataclass(frozen=True, slots=True)
class Whole:
    """One field of each shape."""

    number: int
    flag: bool
    text: str
    hash: bytes
    blob: bytes
    colour: Colour
    items: tuple[int, ...]
    some: tuple[int, ...]
    maybe: Pair | None
    pair: Pair


WHOLE = Struct(
    Whole,
    {
        "number": Uint(9, 2),
        "flag": Flag(),
        "text": Text(3),
        "hash": Bytes(2),
        "blob": Blob(2),
        "colour": Choice(Colour),
        "items": Items(Uint(9), 2, ascending=True),
        "some": Items(Uint(9), 2, 1),
        "maybe": Optional_(PAIR),
        "pair": PAIR,
    },
)
_WHOLE_RAW = (2, 1, "abc", b"ab", b"", 3, (1, 2), (1,), ((1, "a"),), (1, "a"))
_STRANGE: list[Any] = [
    0, 1, 2, 9, 10, -1, True, False, 1.0, None, "", "a", "é", "e\u0301", "a\n", "abcd", b"", b"a", b"ab", b"abc",
    (), (1,), (2, 1), (1, 2, 3), ("a",), ((),), ((1, "a"),), (1, "a"), (10, "a"), (1, "abcd"), [], [1], {},
    Colour.RED, Pair(1, "a"), Pair(10, "a"),
]  # fmt: skip


def _outcome(function: Any, argument: object) -> object:
    try:
        return repr(function(argument, "whole"))
    except MalformedEntry as error:
        return error.message
    except AttributeError:
        return "not of the class"


@pytest.mark.parametrize("place", range(len(_WHOLE_RAW)))
@pytest.mark.parametrize("strange", _STRANGE, ids=repr)
def test_the_unrolled_code_says_what_the_loop_over_the_shapes_says(place: int, strange: Any) -> None:
    raw = (*_WHOLE_RAW[:place], strange, *_WHOLE_RAW[place + 1 :])
    name = WHOLE.fields[place][0]
    changed = replace(WHOLE.decode(_WHOLE_RAW, "whole"), **{name: strange})
    assert _outcome(WHOLE.decode, raw) == _outcome(WHOLE._decode, raw)
    assert _outcome(WHOLE.encode, changed) == _outcome(WHOLE._encode, changed)


def test_the_first_of_two_wrong_fields_is_named() -> None:
    raw = (*_WHOLE_RAW[:8], ((10, "a"),), (1, "abcd"))
    assert _outcome(WHOLE.decode, raw) == "whole.maybe.left: 10 is outside 0 .. 9"
    assert str(_outcome(WHOLE.decode, (*raw[:6], (2, 1), *raw[7:9], b""))).startswith("whole.items: ")


@pytest.mark.parametrize("encoded", [pytest.param(bytes.fromhex(h), id=name) for name, h in _REFUSED.items()])
def test_reading_by_a_shape_refuses_what_unpacking_refuses(encoded: bytes) -> None:
    anything = Items(Items(Uint(), 9), 9)
    with pytest.raises(MalformedEntry) as refusal:
        read(anything, encoded, 1_000, "field")
    with pytest.raises(MalformedEntry) as expected:
        anything.decode(unpack(encoded, 1_000), "field")
    inside = str(refusal.value).startswith("field[")
    assert inside or str(refusal.value) == str(expected.value)


@pytest.mark.parametrize("strange", [2**63, -1, 1.0, None, True])
def test_a_field_is_named_even_for_what_no_field_can_hold(strange: object) -> None:
    with pytest.raises(MalformedEntry, match=r"^field\.left: "):
        read(PAIR, msgpack.packb((strange, "a")), 100, "field")


def test_reading_by_a_shape_wants_the_canonical_bytes_and_no_more_than_allowed() -> None:
    data = pack((1, "a"))
    assert read(PAIR, data, len(data), "field") == Pair(1, "a")
    with pytest.raises(MalformedEntry, match="at most 3"):
        read(PAIR, data, 3, "field")
    with pytest.raises(MalformedEntry, match="canonical encoding"):
        read(PAIR, b"\x92\xcc\x01\xa1a", 100, "field")
    with pytest.raises(MalformedEntry, match=r"^field\.left: 10 is outside"):
        read(PAIR, pack((10, "a")), 100, "field")
    with pytest.raises(MalformedEntry, match="deeper"):
        read(PAIR, b"\x91" * 600 + b"\x00", 1_000, "field")


def test_a_field_is_called_by_a_name() -> None:
    with pytest.raises(ValueError, match="cannot be called"):
        Struct(Pair, {"left": Uint(9), "right);import os;(": Text(3)})


def test_the_packer_of_the_tests_agrees_with_the_library() -> None:
    value = (1, "text", b"bytes", (2, (3,)))
    assert pack(value) == msgpack.packb(value)
