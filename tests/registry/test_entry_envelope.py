"""The signed envelope: bounds, canonical order of signatures, and what its id depends on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from registry.codec import pack, unpack
from registry.entry import (
    Mode,
    assemble,
    decode_body,
    decode_entry,
    encode_body,
    entry_id_of,
    sign_body,
    verify_signatures,
)
from registry.errors import BadSignature, MalformedEntry
from registry.limits import (
    AMOUNT_MAX,
    ENTRY_BYTES_MAX,
    OPERATIONS_MAX,
    SEQUENCE_MAX,
    SIGNATURES_MAX,
    TIME_MS_MAX,
)
from registry.operations import OPERATION_TYPES
from registry.rules import RULES
from registry.signing import Tag, digest
from tests.registry.consortium import EXPORTER, FACTOR_1, Consortium, confirmation, key_of, registration


def raw_body(consortium: Consortium, **changes: Any) -> list[Any]:
    """The body as nested lists, to be made wrong."""
    names = ("version", "chain_id", "submitter", "sequence", "valid_until_ms", "mode", "operations")
    body = list(unpack(encode_body(consortium.body(registration("A"), by=EXPORTER)), 10_000))
    for name, value in changes.items():
        body[names.index(name)] = value
    return body


def test_every_operation_type_has_one_code_and_one_rule() -> None:
    codes = [kind.code for kind in OPERATION_TYPES]
    assert len(codes) == len(set(codes))
    assert set(RULES) == {kind.build for kind in OPERATION_TYPES}
    for kind in OPERATION_TYPES:
        assert kind.name == kind.build.__name__
        fields = tuple(kind.build.__dataclass_fields__)
        assert tuple(name for name, _shape in kind.shape.fields) == fields


def test_an_entry_reads_back_with_the_bytes_it_came_in(consortium: Consortium) -> None:
    body = consortium.body(registration("A"), confirmation(bytes(32)), by=EXPORTER)
    body_bytes = encode_body(body)
    assert decode_body(body_bytes) == body
    signatures = tuple(sign_body(body_bytes, member, key_of(member)) for member in (FACTOR_1, EXPORTER))
    entry = decode_entry(assemble(body_bytes, signatures))
    assert (entry.body, entry.body_bytes) == (body, body_bytes)
    assert entry.signatures == tuple(sorted(signatures))
    verify_signatures(entry)


def test_the_id_is_over_the_body_and_not_over_signatures(consortium: Consortium) -> None:
    body = encode_body(consortium.body(registration("A"), by=EXPORTER))
    one = decode_entry(assemble(body, (sign_body(body, EXPORTER, key_of(EXPORTER)),)))
    two = decode_entry(assemble(body, (sign_body(body, EXPORTER, key_of("other")),)))
    assert one.entry_id == two.entry_id == entry_id_of(body) == digest(Tag.ENTRY, body)


_BOUNDS: list[tuple[str, Any, bool]] = [
    ("version", 1, True),
    ("version", 0, False),
    ("version", 2, False),
    ("chain_id", bytes(31), False),
    ("submitter", "", False),
    ("submitter", "x" * 64, True),
    ("submitter", "x" * 65, False),
    ("submitter", b"x", False),
    ("sequence", 0, False),
    ("sequence", 1, True),
    ("sequence", SEQUENCE_MAX, True),
    ("sequence", SEQUENCE_MAX + 1, False),
    ("valid_until_ms", 0, True),
    ("valid_until_ms", TIME_MS_MAX, True),
    ("valid_until_ms", TIME_MS_MAX + 1, False),
    ("mode", 0, True),
    ("mode", 1, True),
    ("mode", 2, False),
    ("operations", (), False),
    ("operations", 1, False),
    ("operations", ((9999, ()),), False),
    ("operations", ((10,),), False),
    ("operations", (("10", ()),), False),
    ("operations", ((10, (), ()),), False),
    ("operations", ((21, (bytes(32), "x", ())),), True),
    ("operations", ((21, (bytes(32), "x", ())),) * OPERATIONS_MAX, True),
    ("operations", ((21, (bytes(32), "x", ())),) * (OPERATIONS_MAX + 1), False),
    ("operations", ((21, (bytes(32), "x")),), False),
    ("operations", ((21, (bytes(32), "x", (), 0)),), False),
    ("operations", ((14, (bytes(32), "x", AMOUNT_MAX, ())),), True),
    ("operations", ((14, (bytes(32), "x", 1, (1, 4))),), True),
    ("operations", ((14, (bytes(32), "x", 1, (4, 1))),), False),
    ("operations", ((14, (bytes(32), "x", 1, (1, 1))),), False),
    ("operations", ((14, (bytes(32), "x", 1, (5,))),), False),
]


@pytest.mark.parametrize(("field", "value", "accepted"), _BOUNDS)
def test_bounds_of_the_body(consortium: Consortium, field: str, value: Any, accepted: bool) -> None:
    body_bytes = pack(raw_body(consortium, **{field: value}))
    raw = pack((body_bytes, ()))
    if accepted:
        decode_entry(raw)
    else:
        with pytest.raises(MalformedEntry, match="entry"):
            decode_entry(raw)


def test_amounts_of_two_to_the_63_and_more_do_not_decode(consortium: Consortium) -> None:
    for amount in (2**63, 2**64 - 1):
        body_bytes = pack(raw_body(consortium, operations=((14, (bytes(32), "x", amount, ())),)))
        with pytest.raises(MalformedEntry, match="outside"):
            decode_entry(pack((body_bytes, ())))


def test_a_body_with_fields_too_many_or_too_few_is_malformed(consortium: Consortium) -> None:
    body = raw_body(consortium)
    for wrong in (body[:-1], [*body, 0], []):
        with pytest.raises(MalformedEntry, match="array of 7 items"):
            decode_entry(pack((pack(wrong), ())))


def test_a_body_that_is_not_canonical_inside_is_malformed(consortium: Consortium) -> None:
    body = pack(raw_body(consortium))
    padded = body[:1] + b"\xcc\x01" + body[2:]  # the version in two bytes
    with pytest.raises(MalformedEntry, match="canonical"):
        decode_entry(pack((padded, ())))


def test_signatures_stand_in_one_order_and_once(consortium: Consortium) -> None:
    body = encode_body(consortium.body(registration("A"), by=EXPORTER))
    good = unpack(
        assemble(body, tuple(sign_body(body, member, key_of(member)) for member in (EXPORTER, FACTOR_1))),
        10_000,
    )[1]
    decode_entry(pack((body, good)))
    for wrong in ((good[1], good[0]), (good[0], good[0]), (good[0][:2],), ((*good[0], b""),)):
        with pytest.raises(MalformedEntry, match="signatures"):
            decode_entry(pack((body, wrong)))


def test_an_entry_has_a_bounded_number_of_signatures(consortium: Consortium) -> None:
    body = encode_body(consortium.body(registration("A"), by=EXPORTER))
    signatures = tuple(sign_body(body, f"m{n}", key_of(EXPORTER)) for n in range(SIGNATURES_MAX + 1))
    decode_entry(assemble(body, signatures[:-1]))
    with pytest.raises(MalformedEntry, match="41 items"):
        assemble(body, signatures)


def test_an_entry_above_its_size_is_neither_made_nor_read(consortium: Consortium) -> None:
    body = bytes(ENTRY_BYTES_MAX)
    with pytest.raises(MalformedEntry, match="at most"):
        assemble(body, ())
    with pytest.raises(MalformedEntry, match="at most"):
        decode_entry(pack((body, ())))


def test_what_is_out_of_bounds_is_not_written(consortium: Consortium) -> None:
    body = consortium.body(registration("A"), by=EXPORTER)
    no_operation: Any = "text"
    no_mode: Any = 7
    for wrong in (
        replace(body, operations=(confirmation(bytes(31)),)),
        replace(body, operations=(body.operations[0], confirmation(bytes(32), amount=-1))),
        replace(body, sequence=0),
        replace(body, operations=(no_operation,)),
        replace(body, mode=no_mode),
    ):
        with pytest.raises(MalformedEntry, match=r"^entry\."):
            encode_body(wrong)


@pytest.mark.parametrize("field", range(3))
def test_a_changed_signature_names_its_failure(consortium: Consortium, field: int) -> None:
    body = encode_body(consortium.body(registration("A"), by=EXPORTER, mode=Mode.INDEPENDENT))
    good = sign_body(body, EXPORTER, key_of(EXPORTER))
    wrong = (
        replace(good, signature=bytes([good.signature[0] ^ 1]) + good.signature[1:]),
        replace(good, public_key=key_of(FACTOR_1).public_key),
        replace(good, signature=bytes(64)),
    )[field]
    with pytest.raises(BadSignature):
        verify_signatures(decode_entry(assemble(body, (wrong,))))


def test_every_signature_is_checked(consortium: Consortium) -> None:
    body = encode_body(consortium.body(registration("A"), by=EXPORTER))
    good = sign_body(body, EXPORTER, key_of(EXPORTER))
    for other in ("a", "z"):
        bad = replace(sign_body(body, other, key_of(FACTOR_1)), signature=bytes(64))
        with pytest.raises(BadSignature):
            verify_signatures(decode_entry(assemble(body, (good, bad))))
