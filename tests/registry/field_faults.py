"""Values made from the shapes themselves: a valid one of an operation, and wrong ones for every field of it.

What it is: `filled` makes a value in which every array has an item and every optional is there. `faults` walks over a shape and
such a value, side by side. Each step replaces one field, deep inside or at the top, by
a value beyond its bound, of another type, or outside its enumeration, and says the path under which the refusal must name it.
It guarantees to know every class of shape that operations use; `fields_of` lists the leaves, so that a test can see that none
was passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import Any

from registry.codec import Blob, Bytes, Choice, Flag, Items, Optional_, Struct, Text, Uint
from registry.nodes import NETWORK_NODE, NodeName, Nodes
from registry.operations.fields import MEMBER_ID
from registry.operations.reversal import _EFFECTS, AnyEffect

NODES_HIGH = 200
ANYBODY: Iterator[str] = repeat("a")


@dataclass(frozen=True)
class Fault:
    """`raw` is the whole value with one thing wrong; `path` is where; `field` is the path without indexes."""

    what: str
    raw: Any
    path: str

    @property
    def field(self) -> str:
        return "".join(char for char in self.path if not char.isdigit())


def filled(shape: Any, effect: int = 1, members: Iterator[str] = ANYBODY) -> Any:
    """The raw value of a shape with nothing left out.

    `effect`: which kind of effect a judgment has; `members`: who is named, in the order of the fields.
    """
    match shape:
        case Uint():
            return shape.low or 1
        case Flag():
            return 1
        case Choice():
            return min(int(each) for each in shape.enum)
        case Text() if (shape.high, shape.low) == (MEMBER_ID.high, MEMBER_ID.low):
            return next(members)
        case Text():
            return "a" * (shape.low or 1)
        case NodeName():
            return "node-1"
        case Bytes():
            return b"\x01" * shape.size
        case Blob():
            return b"\x01"
        case Items() | Optional_():
            return (filled(shape.item, effect, members),)
        case Nodes():
            return (filled(NETWORK_NODE, effect, members),)
        case Struct():
            return tuple(filled(field, effect, members) for _name, field in shape.fields)
        case AnyEffect():
            return (effect, filled(_EFFECTS[effect], effect, members))
        case _:
            raise AssertionError(f"no value is known for a {type(shape).__name__}")


def faults(shape: Any, raw: Any, path: str) -> Iterator[Fault]:
    """Every wrong value of `shape` at `path` that can be made from the valid `raw`."""
    for what, wrong in _wrong_values(shape, raw):
        yield Fault(what, wrong, path)
    yield from _inner_faults(shape, raw, path)


def _wrong_values(shape: Any, raw: Any) -> Iterator[tuple[str, Any]]:
    match shape:
        case Uint():
            yield "above its bound", shape.high + 1
            yield "below its bound", shape.low - 1
            yield "text for a number", "1"
        case Flag():
            yield "no truth value", 2
            yield "text for a truth value", ""
        case Choice():
            yield "an unknown value", max(int(each) for each in shape.enum) + 1
            yield "text for a value", "1"
        case Text() | NodeName():
            high = shape.high if isinstance(shape, Text) else 32
            yield "too long", "a" * (high + 1)
            yield "bytes for text", b"a"
            yield "a control character", "a\x00"
            if isinstance(shape, NodeName) or shape.low:
                yield "empty", ""
        case Bytes():
            yield "too long", raw + b"\x00"
            yield "too short", raw[:-1]
            yield "text for bytes", "a"
        case Blob():
            yield "too long", bytes(shape.high + 1)
            yield "text for bytes", "a"
        case Items() | Nodes():
            yield from _wrong_items(shape, raw)
        case Optional_():
            yield "two for one", (raw * 2) if raw else (0, 0)
            yield "a number for nothing", 0
        case Struct():
            yield "a field too few", raw[:-1]
            yield "a field too many", (*raw, 0)
            yield "a number for fields", 0
        case AnyEffect():
            yield "an unknown kind", (max(_EFFECTS) + 1, raw[1])
            yield "a number for a kind and fields", 0
        case _:
            raise AssertionError(f"no faults are known for a {type(shape).__name__}")


def _wrong_items(shape: Items[Any] | Nodes, raw: Any) -> Iterator[tuple[str, Any]]:
    high = shape.high if isinstance(shape, Items) else NODES_HIGH
    yield "too many", (raw[0] if raw else 0,) * (high + 1)
    yield "a number for an array", 0
    if isinstance(shape, Nodes) or shape.low:
        yield "none", ()
    if raw and (isinstance(shape, Nodes) or shape.ascending):
        yield "one twice", (*raw, raw[-1])


def _inner_faults(shape: Any, raw: Any, path: str) -> Iterator[Fault]:
    match shape:
        case Struct():
            for place, (name, field) in enumerate(shape.fields):
                for fault in faults(field, raw[place], f"{path}.{name}"):
                    yield Fault(fault.what, (*raw[:place], fault.raw, *raw[place + 1 :]), fault.path)
        case Items() | Nodes():
            item = shape.item if isinstance(shape, Items) else NETWORK_NODE
            for fault in faults(item, raw[0], f"{path}[0]") if raw else ():
                yield Fault(fault.what, (fault.raw, *raw[1:]), fault.path)
        case Optional_():
            for fault in faults(shape.item, raw[0], path) if raw else ():
                yield Fault(fault.what, (fault.raw,), fault.path)
        case AnyEffect():
            for fault in faults(_EFFECTS[raw[0]], raw[1], path):
                yield Fault(fault.what, (raw[0], fault.raw), fault.path)
        case _:
            return


def fields_of(shape: Any, path: str) -> Iterator[str]:
    """The path of every leaf, without indexes: what must have been wrong once."""
    match shape:
        case Struct():
            for name, field in shape.fields:
                yield from fields_of(field, f"{path}.{name}")
        case Items() | Nodes():
            yield from fields_of(shape.item if isinstance(shape, Items) else NETWORK_NODE, f"{path}[]")
        case Optional_():
            yield from fields_of(shape.item, path)
        case AnyEffect():
            for effect in _EFFECTS.values():
                yield from fields_of(effect, path)
        case _:
            yield path
