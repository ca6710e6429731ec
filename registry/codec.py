"""Canonical msgpack, and the shapes that turn it into frozen types.

Guarantees: one value has exactly one encoding, and `unpack` accepts nothing else. Arrays, integers from 0 to 2^63-1,
byte strings and NFC text are the whole vocabulary: no maps, floats, nil, booleans, negative numbers or extensions.
The size is checked before anything is parsed, the length of an array before memory is reserved for it, and at last the
value is packed again and compared with the input, so two byte strings never mean the same signed thing.

A `Shape` describes one field. It is used in both directions, so a value that could not be read back cannot be written.
Every failure is `MalformedEntry` with the path of the field.
"""

from __future__ import annotations

import itertools
import reprlib
from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any, Final, Generic, Protocol, TypeVar
from unicodedata import ucd_3_2_0

import msgpack

from .errors import MalformedEntry
from .limits import AMOUNT_MAX, ARRAY_ITEMS_MAX, NESTING_DEPTH_MAX
from .struct_code import CALL, Inline, decoder, encoder

T = TypeVar("T")
T_co = TypeVar("T_co")
E = TypeVar("E", bound=IntEnum)

# Every Python carries this one version of Unicode beside its own: nodes with different Pythons must judge text alike.
_UNICODE: Final = ucd_3_2_0


def pack(raw: object) -> bytes:
    """Canonical bytes of nested tuples of ints, bytes and str. Values come from shapes, which have checked them."""
    # A packer of its own per call: a shared one is not safe when two threads encode at once.
    packed: bytes = msgpack.Packer().pack(raw)
    return packed


def unpack(data: bytes, bytes_max: int) -> Any:
    """The one value that `data` canonically encodes, as nested tuples.

    Raises MalformedEntry when it is longer than `bytes_max`, deeper than NESTING_DEPTH_MAX, or not canonical.
    """
    if len(data) > bytes_max:
        raise MalformedEntry(f"{len(data)} bytes, at most {bytes_max} are allowed")
    raw = _parse(data)
    _check_vocabulary((raw,), NESTING_DEPTH_MAX)
    if pack(raw) != data:
        raise MalformedEntry("not the canonical encoding of its value")
    return raw


def read(shape: Shape[T], data: bytes, bytes_max: int, path: str) -> T:
    """What `shape.decode(unpack(data, bytes_max), path)` gives or raises; faster where all is well.

    A shape lets no value through that holds anything outside the vocabulary, so what one has accepted need not be walked
    for that as well. Whatever fails is done again the slow way, which says why; of a value outside the vocabulary the
    shape says in which field.
    """
    named: MalformedEntry | None = None
    if len(data) <= bytes_max:
        try:
            raw = _parse(data)
            value = shape.decode(raw, path)
        except MalformedEntry as error:
            named = error
        else:
            if pack(raw) == data:
                return value
    try:
        raw = unpack(data, bytes_max)
    except MalformedEntry:
        if named is not None and named.details["path"] not in ("", path):
            raise named from None
        raise
    return shape.decode(raw, path)


def _parse(data: bytes) -> Any:
    try:
        # Msgpack's own defaults are the strict ones: text is strict UTF-8, nothing may stand behind the value.
        return msgpack.unpackb(
            data,
            use_list=False,
            ext_hook=_refuse_extension,
            max_array_len=min(len(data), ARRAY_ITEMS_MAX),
            max_map_len=0,
        )
    except (ValueError, RecursionError, msgpack.UnpackException) as error:
        raise MalformedEntry(f"not canonical msgpack: {type(error).__name__}") from error


def _refuse_extension(code: int, data: bytes) -> object:
    raise ValueError(f"extension type {code} with {len(data)} bytes")


def _check_vocabulary(items: tuple[Any, ...], depth_left: int) -> None:
    # The only loop over every decoded item: one call per array, not one per item, halves its cost.
    for item in items:
        kind = type(item)
        if kind is tuple:
            if depth_left == 0:
                raise MalformedEntry(f"nested deeper than {NESTING_DEPTH_MAX}")
            _check_vocabulary(item, depth_left - 1)
        elif kind is int:
            if not 0 <= item <= AMOUNT_MAX:
                raise MalformedEntry(f"integer {item} is outside 0 .. 2^63-1")
        elif kind is not bytes and kind is not str:
            raise MalformedEntry(f"a {kind.__name__} is not allowed")


class Shape(Protocol[T]):
    """One field of a signed or stored structure, in both directions."""

    def decode(self, raw: object, path: str) -> T: ...

    def encode(self, value: T, path: str) -> object: ...


class Uint:
    """An integer from `low` to `high`; a bool is not an integer."""

    def __init__(self, high: int = AMOUNT_MAX, low: int = 0) -> None:
        self.low, self.high = low, high

    def decode(self, raw: object, path: str) -> int:
        if type(raw) is not int:
            raise MalformedEntry(f"must be an integer, not {type(raw).__name__}", path=path)
        if not self.low <= raw <= self.high:
            raise MalformedEntry(f"{raw} is outside {self.low} .. {self.high}", path=path)
        return raw

    encode = decode

    def inline(self) -> tuple[Inline, Inline]:
        allowed = Inline(f"type({{x}}) is int and {self.low} <= {{x}} <= {self.high}")
        return allowed, allowed


class Flag:
    """A truth value, as the integer 0 or 1."""

    def decode(self, raw: object, path: str) -> bool:
        if type(raw) is int and raw in (0, 1):
            return raw == 1
        raise MalformedEntry("must be 0 or 1", path=path)

    def encode(self, value: bool, path: str) -> int:
        if type(value) is not bool:
            raise MalformedEntry("must be True or False", path=path)
        return int(value)

    def inline(self) -> tuple[Inline, Inline]:
        return Inline("type({x}) is int and 0 <= {x} <= 1", "{x} == 1"), Inline(
            "type({x}) is bool", "int({x})"
        )


class Text:
    """NFC text of `low` to `high` characters without control characters."""

    def __init__(self, high: int, low: int = 1) -> None:
        self.low, self.high = low, high

    def decode(self, raw: object, path: str) -> str:
        if type(raw) is not str:
            raise MalformedEntry(f"must be text, not {type(raw).__name__}", path=path)
        if not self.low <= len(raw) <= self.high:
            raise MalformedEntry(
                f"has {len(raw)} characters, allowed are {self.low} to {self.high}", path=path
            )
        if raw.isascii() and raw.isprintable():
            return raw
        if any(_UNICODE.category(char)[0] in "CZ" for char in raw if char != " "):
            raise MalformedEntry(
                "contains a control character, an unusual space or an unassigned character", path=path
            )
        if _UNICODE.normalize("NFC", raw) != raw:
            raise MalformedEntry("is not in Unicode normal form C", path=path)
        return raw

    encode = decode

    def inline(self) -> tuple[Inline, Inline]:
        size = f"{self.low} <= len({{x}}) <= {self.high}"
        allowed = Inline(f"type({{x}}) is str and {size} and {{x}}.isascii() and {{x}}.isprintable()")
        return allowed, allowed


class Bytes:
    """A byte string of exactly `size` bytes."""

    def __init__(self, size: int) -> None:
        self.size = size

    def decode(self, raw: object, path: str) -> bytes:
        if type(raw) is not bytes:
            raise MalformedEntry(f"must be bytes, not {type(raw).__name__}", path=path)
        if len(raw) != self.size:
            raise MalformedEntry(f"has {len(raw)} bytes, must have {self.size}", path=path)
        return raw

    encode = decode

    def inline(self) -> tuple[Inline, Inline]:
        allowed = Inline(f"type({{x}}) is bytes and len({{x}}) == {self.size}")
        return allowed, allowed


class Blob:
    """A byte string of at most `high` bytes."""

    def __init__(self, high: int) -> None:
        self.high = high

    def decode(self, raw: object, path: str) -> bytes:
        if type(raw) is not bytes:
            raise MalformedEntry(f"must be bytes, not {type(raw).__name__}", path=path)
        if len(raw) > self.high:
            raise MalformedEntry(f"has {len(raw)} bytes, at most {self.high} are allowed", path=path)
        return raw

    encode = decode

    def inline(self) -> tuple[Inline, Inline]:
        allowed = Inline(f"type({{x}}) is bytes and len({{x}}) <= {self.high}")
        return allowed, allowed


class Choice(Generic[E]):
    """One member of an IntEnum, by its number."""

    def __init__(self, enum: type[E]) -> None:
        self.enum = enum
        self._by_number: dict[int, E] = {int(member): member for member in enum}

    def decode(self, raw: object, path: str) -> E:
        member = self._by_number.get(raw) if type(raw) is int else None
        if member is None:
            known = ", ".join(f"{int(m)} {m.name}" for m in self.enum)
            raise MalformedEntry(f"unknown value {reprlib.repr(raw)}; known are {known}", path=path)
        return member

    def encode(self, value: E, path: str) -> int:
        if not isinstance(value, self.enum):
            raise MalformedEntry(f"must be a {self.enum.__name__}", path=path)
        return int(value)

    def inline(self) -> tuple[Inline, Inline]:
        return Inline("type({x}) is int and {x} in {c}", "{c}[{x}]", self._by_number), Inline(
            "type({x}) is {c}", "int({x})", self.enum
        )


class Items(Generic[T]):
    """An array of `low` to `high` items of one shape; with `ascending`, strictly ascending, so that a set has one form."""

    def __init__(self, item: Shape[T], high: int, low: int = 0, *, ascending: bool = False) -> None:
        self.item, self.low, self.high, self.ascending = item, low, high, ascending

    def decode(self, raw: object, path: str) -> tuple[T, ...]:
        if type(raw) is not tuple:
            raise MalformedEntry(f"must be an array, not {type(raw).__name__}", path=path)
        self._check_raw(raw, path)
        decode = self.item.decode
        try:
            return tuple([decode(item, "") for item in raw])
        except MalformedEntry:
            # Once more with places, now that one of them is to be named.
            return tuple([decode(item, f"{path}[{index}]") for index, item in enumerate(raw)])

    def encode(self, value: tuple[T, ...], path: str) -> tuple[object, ...]:
        if type(value) is not tuple:
            raise MalformedEntry(f"must be a tuple, not {type(value).__name__}", path=path)
        encode = self.item.encode
        try:
            raw = tuple([encode(item, "") for item in value])
        except MalformedEntry:
            raw = tuple([encode(item, f"{path}[{index}]") for index, item in enumerate(value)])
        self._check_raw(raw, path)
        return raw

    def inline(self) -> tuple[Inline, Inline]:
        """Most arrays are empty."""
        value = CALL if self.low else "() if {x} == () else " + CALL
        return Inline("", value, self.decode), Inline("", value, self.encode)

    def _check_raw(self, raw: tuple[Any, ...], path: str) -> None:
        if not self.low <= len(raw) <= self.high:
            raise MalformedEntry(f"has {len(raw)} items, allowed are {self.low} to {self.high}", path=path)
        if self.ascending and len(raw) > 1:
            try:
                ordered = all(left < right for left, right in itertools.pairwise(raw))
            except TypeError as error:
                raise MalformedEntry("has items of different types", path=path) from error
            if not ordered:
                raise MalformedEntry("is not in strictly ascending order", path=path)


class Optional_(Generic[T]):
    """A value or nothing, as an array of one or no item (nil is not in the vocabulary)."""

    def __init__(self, item: Shape[T]) -> None:
        self.item = item

    def decode(self, raw: object, path: str) -> T | None:
        if raw == ():
            return None
        if type(raw) is not tuple or len(raw) != 1:
            raise MalformedEntry("must be an array of no or one item", path=path)
        return self.item.decode(raw[0], path)

    def encode(self, value: T | None, path: str) -> tuple[object, ...]:
        return () if value is None else (self.item.encode(value, path),)

    def inline(self) -> tuple[Inline, Inline]:
        return (
            Inline("", "None if {x} == () else " + CALL, self.decode),
            Inline("", f"() if {{x}} is None else ({CALL},)", self.item.encode),
        )


class Struct(Generic[T]):
    """A frozen dataclass as an array of fixed arity, one shape per field, in the order given."""

    decode: Callable[[object, str], T]
    encode: Callable[[T, str], tuple[object, ...]]

    def __init__(self, build: Callable[..., T], fields: Mapping[str, Shape[Any]]) -> None:
        self.build = build
        self.fields: tuple[tuple[str, Shape[Any]], ...] = tuple(fields.items())
        names = tuple(fields)
        inline = [_inline(shape) for shape in fields.values()]
        self.decode = decoder(names, [each[0] for each in inline], build, self._decode)
        self.encode = encoder(names, [each[1] for each in inline], self._encode)

    def _decode(self, raw: object, path: str) -> T:
        if type(raw) is not tuple or len(raw) != len(self.fields):
            raise MalformedEntry(f"must be an array of {len(self.fields)} items", path=path)
        try:
            return self.build(
                *[shape.decode(item, name) for (name, shape), item in zip(self.fields, raw, strict=True)]
            )
        except MalformedEntry as error:
            raise error.inside(path) from None

    def _encode(self, value: T, path: str) -> tuple[object, ...]:
        try:
            return tuple([shape.encode(getattr(value, name), name) for name, shape in self.fields])
        except MalformedEntry as error:
            raise error.inside(path) from None


def _inline(shape: Shape[Any]) -> tuple[Inline, Inline]:
    """How a shape decodes and encodes in place: a shape without words of its own is called."""
    if isinstance(shape, Uint | Flag | Text | Bytes | Blob | Choice | Items | Optional_):
        return shape.inline()
    return Inline("", CALL, shape.decode), Inline("", CALL, shape.encode)
