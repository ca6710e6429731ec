"""Blocks and headers: the header fixes the whole payload, and nothing else decodes."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from registry.block import (
    HEADER_BYTES_MAX,
    Block,
    Header,
    block_hash_of,
    decode_block,
    decode_header,
    encode_block,
    encode_header,
    entries_root,
    last_certificate_hash,
    make_block,
)
from registry.codec import pack, unpack
from registry.errors import BlockInvalid, MalformedEntry
from registry.limits import (
    BLOCK_BYTES_MAX,
    BLOCK_ENTRIES_MAX,
    CERTIFICATE_BYTES_MAX,
    ENTRY_BYTES_MAX,
    EVIDENCE_BYTES_MAX,
    EVIDENCE_ITEMS_MAX,
    HEIGHT_MAX,
    NODE_ID_CHARS_MAX,
    TIME_MS_MAX,
)
from registry.merkle.log import tree_root
from registry.signing import Tag, digest
from tests.registry.consortium import Consortium


def header_over(entries: tuple[bytes, ...], certificate: bytes, evidence: tuple[bytes, ...]) -> Header:
    return Header(
        version=1,
        chain_id=b"c" * 32,
        height=HEIGHT_MAX,
        time_ms=TIME_MS_MAX,
        parent_hash=b"p" * 32,
        history_size=HEIGHT_MAX,
        history_root=b"h" * 32,
        entry_count=len(entries),
        entries_root=entries_root(entries),
        receipts_root=b"r" * 32,
        state_root=b"s" * 32,
        validators_hash=b"v" * 32,
        next_validators_hash=b"n" * 32,
        rules_version=2**32,
        policy_hash=b"y" * 32,
        last_certificate_hash=last_certificate_hash(certificate),
        evidence_root=tree_root(evidence),
        proposer="x" * NODE_ID_CHARS_MAX,
    )


def block_of(entries: tuple[bytes, ...], certificate: bytes = b"", evidence: tuple[bytes, ...] = ()) -> Block:
    return make_block(header_over(entries, certificate, evidence), entries, certificate, evidence)


def test_a_block_reads_back(consortium: Consortium) -> None:
    raw = consortium.entry(consortium.registration("A"))
    for block in (consortium.propose([raw]), block_of((b"1", b"2"), b"certificate", (b"evidence",))):
        encoded = encode_block(block)
        assert decode_block(encoded) == block
        assert encode_block(decode_block(encoded)) == encoded


def test_the_hash_is_over_the_header_bytes() -> None:
    block = block_of((b"1",))
    assert block.block_hash == block_hash_of(block.header_bytes) == digest(Tag.HEADER, block.header_bytes)
    assert decode_header(block.header_bytes) == block.header


def test_the_longest_header_fits_its_bound() -> None:
    assert len(block_of((b"1",) * BLOCK_ENTRIES_MAX).header_bytes) <= HEADER_BYTES_MAX


_HEADER_BOUNDS: list[tuple[str, Any]] = [
    ("version", 0),
    ("version", 2),
    ("height", 0),
    ("height", HEIGHT_MAX + 1),
    ("time_ms", TIME_MS_MAX + 1),
    ("entry_count", BLOCK_ENTRIES_MAX + 1),
    ("history_size", HEIGHT_MAX + 1),
    ("chain_id", bytes(31)),
    ("state_root", bytes(33)),
    ("rules_version", 2**32 + 1),
    ("proposer", ""),
    ("proposer", "x" * (NODE_ID_CHARS_MAX + 1)),
]


@pytest.mark.parametrize(("field", "value"), _HEADER_BOUNDS)
def test_headers_out_of_bounds_are_neither_written_nor_read(field: str, value: Any) -> None:
    header = replace(header_over((), b"", ()), **{field: value})
    with pytest.raises(MalformedEntry, match=rf"^header\.{field}"):
        encode_header(header)
    raw = [getattr(header, name.name) for name in fields(Header)]
    with pytest.raises(MalformedEntry, match=rf"^header\.{field}"):
        decode_header(pack(tuple(raw)))


def tampered(block: Block, place: int, part: Any) -> bytes:
    parts = list(unpack(encode_block(block), 1 << 24))
    parts[place] = part
    return pack(tuple(parts))


_TAMPERED: list[tuple[int, Any, str]] = [
    (1, (b"2", b"1"), "entries_root"),
    (1, (b"1",), "entry_count"),
    (1, (b"1", b"2", b"2"), "entry_count"),
    (1, (b"1", b"3"), "entries_root"),
    (2, b"certificate.", "last_certificate_hash"),
    (2, b"", "last_certificate_hash"),
    (3, (), "evidence_root"),
    (3, (b"evidence", b"evidence"), "evidence_root"),
    (0, b"", "malformed"),
    (0, b"\x90", "malformed"),
    (1, (b"1", "2"), "malformed"),
    (1, b"12", "malformed"),
    (2, "certificate", "malformed"),
    (3, (1,), "malformed"),
]


@pytest.mark.parametrize(("place", "part", "problem"), _TAMPERED)
def test_a_body_that_the_header_does_not_fix_is_refused(place: int, part: Any, problem: str) -> None:
    block = block_of((b"1", b"2"), b"certificate", (b"evidence",))
    with pytest.raises(BlockInvalid, match=problem):
        decode_block(tampered(block, place, part))


@pytest.mark.parametrize(
    "raw", [b"", b"\x90", b"\x93\xc4\x00\x90\xc4\x00", b"\x95\xc4\x00\x90\xc4\x00\x90\x90", b"\xc4\x00"]
)
def test_what_is_no_block_is_refused(raw: bytes) -> None:
    with pytest.raises(BlockInvalid):
        decode_block(raw)


def test_a_byte_behind_a_block_is_refused() -> None:
    with pytest.raises(BlockInvalid):
        decode_block(encode_block(block_of((b"1",))) + b"\0")


@pytest.mark.parametrize(
    ("accepted", "refused"),
    [
        (((b"",) * BLOCK_ENTRIES_MAX, b"", ()), ((b"",) * (BLOCK_ENTRIES_MAX + 1), b"", ())),
        (((bytes(ENTRY_BYTES_MAX),), b"", ()), ((bytes(ENTRY_BYTES_MAX + 1),), b"", ())),
        (((bytes(ENTRY_BYTES_MAX),) * 4, b"", ()), ((bytes(ENTRY_BYTES_MAX),) * 4 + (b"1",), b"", ())),
        (((), bytes(CERTIFICATE_BYTES_MAX), ()), ((), bytes(CERTIFICATE_BYTES_MAX + 1), ())),
        (((), b"", (b"",) * EVIDENCE_ITEMS_MAX), ((), b"", (b"",) * (EVIDENCE_ITEMS_MAX + 1))),
        (((), b"", (bytes(EVIDENCE_BYTES_MAX),)), ((), b"", (bytes(EVIDENCE_BYTES_MAX + 1),))),
        (
            ((bytes(ENTRY_BYTES_MAX),) * 4, bytes(CERTIFICATE_BYTES_MAX), (bytes(EVIDENCE_BYTES_MAX),) * 16),
            ((), b"", (bytes(EVIDENCE_BYTES_MAX),) * 17),
        ),
    ],
    ids=["entries", "entry bytes", "bytes", "certificate", "evidence", "evidence bytes", "everything"],
)
def test_bounds_of_the_body(accepted: tuple[Any, Any, Any], refused: tuple[Any, Any, Any]) -> None:
    assert BLOCK_BYTES_MAX == 4 * ENTRY_BYTES_MAX
    decode_block(encode_block(block_of(*accepted)))
    entries, certificate, evidence = refused
    header = replace(header_over((), b"", ()), entry_count=min(len(entries), BLOCK_ENTRIES_MAX))
    header = replace(
        header,
        entries_root=entries_root(entries),
        last_certificate_hash=last_certificate_hash(certificate),
        evidence_root=tree_root(evidence),
    )
    with pytest.raises(BlockInvalid, match=r"malformed|take more"):
        decode_block(encode_block(make_block(header, entries, certificate, evidence)))
