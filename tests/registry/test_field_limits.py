"""Bad input at the door, for every field of every operation: beyond its limit, of a wrong type, of an unknown value.

Valid values and faults are made from the shapes (`tests.registry.field_faults`), so a new operation or field is here by itself.
Beside them: that every bound has a name and a reason in `registry.limits`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from registry import limits
from registry.codec import Blob, Items, Struct, Text, Uint, pack
from registry.entry import decode_entry
from registry.errors import Code, MalformedEntry
from registry.nodes import NETWORK_NODE, NodeName, Nodes
from registry.operations import OPERATION_TYPES, OperationType
from registry.operations.pool import BASIS_POINTS
from registry.operations.reversal import _EFFECTS, AnyEffect
from registry.signing import SIGNATURE_BYTES
from tests.registry.consortium import EXPORTER, START_MS
from tests.registry.field_faults import Fault, faults, fields_of, filled

EVERY_TYPE = pytest.mark.parametrize("kind", OPERATION_TYPES, ids=lambda kind: kind.name)


def valid(kind: OperationType) -> Iterator[tuple[Any, ...]]:
    """Raw fields of this type that decode, with nothing left out."""
    for effect in _EFFECTS if kind.name == "ReverseByJudgment" else (1,):
        yield filled(kind.shape, effect)


def entry_with(kind: OperationType, fields: Any, **changes: Any) -> bytes:
    """An entry as it would arrive, with one operation of these raw fields; nobody has signed it."""
    body = {
        "version": 1,
        "chain_id": bytes(32),
        "submitter": EXPORTER,
        "sequence": 1,
        "valid_until_ms": START_MS,
        "mode": 0,
        "operations": ((kind.code, fields),),
    }
    return pack((pack(tuple((body | changes).values())), ()))


def faults_of(kind: OperationType) -> Iterator[Fault]:
    for fields in valid(kind):
        yield from faults(kind.shape, fields, f"entry.operations[0].{kind.name}")


@EVERY_TYPE
def test_every_value_is_valid_before_it_is_spoiled(kind: OperationType) -> None:
    for fields in valid(kind):
        assert len(decode_entry(entry_with(kind, fields)).body.operations) == 1


@EVERY_TYPE
def test_a_wrong_value_is_refused_at_the_door_with_the_name_of_its_field(kind: OperationType) -> None:
    for fault in faults_of(kind):
        with pytest.raises(MalformedEntry) as refusal:
            decode_entry(entry_with(kind, fault.raw))
        assert refusal.value.code is Code.MALFORMED
        assert refusal.value.details["path"] == fault.path, (fault.what, refusal.value.message)
        assert refusal.value.message.startswith(f"{fault.path}: ")


@EVERY_TYPE
def test_no_field_is_left_out(kind: OperationType) -> None:
    root = f"entry.operations[].{kind.name}"
    assert set(fields_of(kind.shape, root)) <= {fault.field for fault in faults_of(kind)}


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("version", 2),
        ("chain_id", bytes(31)),
        ("submitter", ""),
        ("submitter", "a" * (limits.MEMBER_ID_CHARS_MAX + 1)),
        ("sequence", 0),
        ("sequence", limits.SEQUENCE_MAX + 1),
        ("valid_until_ms", limits.TIME_MS_MAX + 1),
        ("mode", 2),
        ("operations", ()),
        ("operations", 0),
    ],
)
def test_the_envelopes_fields_are_named_too(field: str, wrong: object) -> None:
    kind = OPERATION_TYPES[0]
    with pytest.raises(MalformedEntry) as refusal:
        decode_entry(entry_with(kind, next(valid(kind)), **{field: wrong}))
    assert refusal.value.details["path"] == f"entry.{field}"


def test_one_operation_too_many_is_refused() -> None:
    kind = next(kind for kind in OPERATION_TYPES if kind.name == "DeclareDefault")
    operation = (kind.code, next(valid(kind)))
    most = entry_with(kind, (), operations=(operation,) * limits.OPERATIONS_MAX)
    assert len(decode_entry(most).body.operations) == limits.OPERATIONS_MAX
    with pytest.raises(MalformedEntry, match=r"^entry\.operations: has 1001 items"):
        decode_entry(entry_with(kind, (), operations=(operation,) * (limits.OPERATIONS_MAX + 1)))


def test_an_unknown_type_of_operation_is_refused() -> None:
    kind = OPERATION_TYPES[0]
    for code in (0, 255, "1"):
        with pytest.raises(MalformedEntry, match=r"^entry\.operations\[0\]: unknown operation type"):
            decode_entry(entry_with(kind, (), operations=((code, next(valid(kind))),)))


def test_one_bad_item_spoils_the_whole_batch_and_is_named() -> None:
    kind = next(kind for kind in OPERATION_TYPES if kind.name == "DeclareDefault")
    good = (kind.code, next(valid(kind)))
    bad = (kind.code, (good[1][0], ""))
    for mode in (0, 1):
        with pytest.raises(MalformedEntry, match=r"^entry\.operations\[2\]\.DeclareDefault\.holder: "):
            decode_entry(entry_with(kind, (), operations=(good, good, bad, good), mode=mode))


# --- bounds


def _bounds(shape: Any) -> Iterator[int]:
    """Every bound of a shape that is not fixed by its enumeration or by the size of a hash, key or id."""
    match shape:
        case Uint():
            yield shape.high
        case Text() | Blob():
            yield shape.high
        case Items() if not hasattr(shape.item, "enum"):
            yield shape.high
            yield from _bounds(shape.item)
        case Nodes():
            yield from _bounds(NETWORK_NODE)
        case NodeName():
            yield limits.NODE_ID_CHARS_MAX
        case Struct():
            for _name, field in shape.fields:
                yield from _bounds(field)
        case AnyEffect():
            for effect in _EFFECTS.values():
                yield from _bounds(effect)
        case _ if hasattr(shape, "item"):
            yield from _bounds(shape.item)


@EVERY_TYPE
def test_every_bound_of_a_field_is_one_of_the_named_limits(kind: OperationType) -> None:
    named = {value for name, value in vars(limits).items() if name.isupper()}
    # A unit and the pledgees that may consent beside the holder: both are made of named ones.
    named |= {BASIS_POINTS, limits.LIENS_MAX + 1, SIGNATURE_BYTES}
    assert set(_bounds(kind.shape)) <= named


def test_every_limit_says_why() -> None:
    above = ""
    for line in Path(limits.__file__).read_text(encoding="utf-8").splitlines():
        if re.match(r"[A-Z_]+: Final", line):
            assert "  # " in line or above.startswith("#"), line
        above = line
