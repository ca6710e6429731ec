"""The container: exact bytes, a writer that leaves all or nothing, and a reader that no file can hurt."""

from __future__ import annotations

import json
import struct
import tracemalloc
from pathlib import Path

import pytest

from client.audit.container import (
    BLOCK_FRAME_BYTES_MAX,
    ExportedBlock,
    ExportReader,
    ExportWriter,
    write_export,
)
from client.audit.findings import Category, Check, CheckFailed, Exit
from client.trust import Checkpoint
from registry.errors import BlockInvalid
from tests.client.audit.auditing import Auditor, first_finding
from tests.client.audit.chain_builder import ChainBuilder
from tests.client.audit.raw_container import (
    ExportedParts,
    block_payload,
    container,
    end,
    frame,
    manifest,
    preamble,
)

VECTOR = Path(__file__).parents[2] / "vectors" / "export_container.json"


def blocks_of(chain: ChainBuilder) -> list[ExportedBlock]:
    return [ExportedBlock(*built.exported()) for built in chain.blocks]


def parts_of(chain: ChainBuilder) -> list[ExportedParts]:
    return [built.exported() for built in chain.blocks]


# -- bytes and writer --------------------------------------------------------------------------------------------------


def test_the_writer_writes_the_documented_layout(tmp_path: Path, chain: ChainBuilder) -> None:
    path = tmp_path / "chain.pbk"
    head = write_export(path, chain.genesis.chain_id, blocks_of(chain))
    assert head == Checkpoint(*chain.head)
    assert path.read_bytes() == container(chain.genesis.chain_id, parts_of(chain), chain.head)


def test_the_published_vector_is_what_the_writer_writes(tmp_path: Path) -> None:
    vector = json.loads(VECTOR.read_text())
    chain = ChainBuilder()
    entry = chain.entry("exporter-1", chain.register())
    chain.commit([entry])
    chain.commit()
    path = tmp_path / "chain.pbk"
    head = write_export(path, chain.genesis.chain_id, blocks_of(chain))
    assert vector["genesis"] == chain.document.decode()
    assert vector["head"] == str(head)
    assert path.read_bytes().hex() == vector["file"]


def test_an_export_without_blocks_is_a_whole_file(tmp_path: Path) -> None:
    chain = ChainBuilder()
    path = tmp_path / "chain.pbk"
    assert write_export(path, chain.genesis.chain_id, []) == Checkpoint(0, chain.genesis.chain_id)
    assert path.read_bytes() == container(chain.genesis.chain_id, [], (0, chain.genesis.chain_id))


def test_an_export_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, chain: ChainBuilder
) -> None:
    path = tmp_path / "chain.pbk"
    path.write_bytes(b"the old export")
    broken = [*blocks_of(chain)[:2], ExportedBlock(b"\xc1", b"", ())]
    with pytest.raises(BlockInvalid):
        write_export(path, chain.genesis.chain_id, broken)
    assert path.read_bytes() == b"the old export"
    assert list(tmp_path.iterdir()) == [path]


def test_the_writer_refuses_a_gap(tmp_path: Path, chain: ChainBuilder) -> None:
    first, _second, third, *_rest = blocks_of(chain)
    with ExportWriter(tmp_path / "chain.pbk", chain.genesis.chain_id) as writer:
        writer.add(first)
        with pytest.raises(ValueError, match="no gaps"):
            writer.add(third)
    assert list(tmp_path.iterdir()) == []


# -- files that are no whole container -----------------------------------------------------------------------------------


def refusal(path: Path, content: bytes) -> tuple[Check, Category]:
    """Why a reader refuses the file at once, or ends before its end."""
    path.write_bytes(content)
    with path.open("rb") as file:
        try:
            reader = ExportReader(file)
        except CheckFailed as error:
            return error.finding.check, error.finding.category
        for _frame in reader.frames():
            pass
    assert reader.failure is not None
    return reader.failure.check, reader.failure.category


CHAIN_ID = b"\x11" * 32
START = preamble() + manifest(CHAIN_ID, 1)


@pytest.mark.parametrize(
    ("content", "check", "category"),
    [
        (b"", Check.CONTAINER, Category.MALFORMED),
        (b"\x89PBK", Check.CONTAINER, Category.MALFORMED),
        (b"PK\x03\x04" + bytes(100), Check.CONTAINER, Category.MALFORMED),
        (preamble(version=2), Check.CONTAINER, Category.UNSUPPORTED),
        (preamble(version=0) + bytes(1_000), Check.CONTAINER, Category.UNSUPPORTED),
        (preamble(), Check.FRAMES, Category.MALFORMED),
        (preamble() + end(1, CHAIN_ID), Check.MANIFEST, Category.MALFORMED),
        (preamble() + frame(1, b"\0" * 55), Check.FRAMES, Category.MALFORMED),
        (preamble() + frame(1, b"\0" * 57), Check.FRAMES, Category.LIMIT),
        (preamble() + manifest(CHAIN_ID, 3, first=2, last=4), Check.MANIFEST, Category.UNSUPPORTED),
        (preamble() + manifest(CHAIN_ID, 3, last=4), Check.MANIFEST, Category.MALFORMED),
        (START, Check.FRAMES, Category.TRUNCATED),
        (START + b"\x02\x00", Check.FRAMES, Category.TRUNCATED),
        (START + frame(2, bytes(99), length=100), Check.FRAMES, Category.TRUNCATED),
        (START + frame(4, b""), Check.FRAMES, Category.MALFORMED),
        (START + frame(0, b""), Check.FRAMES, Category.MALFORMED),
        (START + manifest(CHAIN_ID, 1), Check.FRAMES, Category.MALFORMED),
        (START + frame(3, bytes(39)), Check.FRAMES, Category.MALFORMED),
        (START + end(0, CHAIN_ID), Check.MANIFEST, Category.TRUNCATED),
        (START + frame(2, b"") + frame(2, b""), Check.MANIFEST, Category.MALFORMED),
        (START + frame(2, b"") + end(1, CHAIN_ID) + b"\0", Check.FRAMES, Category.MALFORMED),
        (START + frame(2, b"") + end(1, CHAIN_ID) + end(1, CHAIN_ID), Check.FRAMES, Category.MALFORMED),
    ],
)
def test_a_file_that_is_no_whole_container_is_refused(
    tmp_path: Path, content: bytes, check: Check, category: Category
) -> None:
    assert refusal(tmp_path / "chain.pbk", content) == (check, category)


HOSTILE = [
    preamble() + frame(1, b"", length=64 << 20),
    START + frame(2, b"", length=64 << 20),
    START + frame(2, b"", length=1 << 40),
    START + frame(2, b"", length=2**64 - 1),
    START + frame(3, b"", length=1 << 40),
    START + frame(2, b"", length=BLOCK_FRAME_BYTES_MAX + 1),
]


@pytest.mark.parametrize("content", HOSTILE, ids=range(len(HOSTILE)))
def test_a_small_file_that_claims_much_is_over_a_limit_in_small_memory(
    auditor: Auditor, content: bytes
) -> None:
    chain = ChainBuilder()
    padded = content.replace(CHAIN_ID, chain.genesis.chain_id) + bytes(1_024 - len(content))
    auditor.bytes(padded, chain, head=None)  # what is loaded and cached once is not the file's doing
    tracemalloc.start()
    report = auditor.bytes(padded, chain, head=None)
    _now, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    first_finding(report, Check.FRAMES, Category.LIMIT)
    assert report.exit is Exit.MALFORMED
    assert peak_bytes < 1 << 20


def _inner(block: int, certificate: int, receipts: int, rest: bytes = b"") -> bytes:
    return struct.pack(">III", block, certificate, receipts) + rest


@pytest.mark.parametrize(
    ("payload", "category"),
    [
        (b"", Category.MALFORMED),
        (_inner(1, 0, 0), Category.MALFORMED),
        (_inner(0, 5, 0, b"1234"), Category.MALFORMED),
        (_inner(2**32 - 1, 0, 0), Category.LIMIT),
        (_inner(0, 2**32 - 1, 0), Category.LIMIT),
        (_inner(0, 0, 2**32 - 1), Category.LIMIT),
        (_inner(0, 0, 1), Category.MALFORMED),
        (_inner(0, 0, 1, struct.pack(">I", 2**32 - 1) + b"x"), Category.MALFORMED),
        (_inner(0, 0, 0, b"x"), Category.MALFORMED),
    ],
)
def test_lengths_inside_a_block_frame_must_fit_it(
    auditor: Auditor, payload: bytes, category: Category
) -> None:
    chain = ChainBuilder()
    chain_id = chain.genesis.chain_id
    content = preamble() + manifest(chain_id, 1) + frame(2, payload) + end(1, chain_id)
    report = auditor.bytes(content, chain, head=Checkpoint(1, chain_id))
    first_finding(report, Check.FRAMES, category)
    assert report.exit is Exit.MALFORMED


BOMBS = {
    "nested beyond any depth": b"\x91" * 100_000,
    "an array of 2^32 - 1 items": b"\xdd\xff\xff\xff\xff",
    "a byte string of 2^32 - 1": b"\xc6\xff\xff\xff\xff",
    "a header longer than the block": b"\x94" + b"\xc4\xff" + b"\x00" * 20,
    "a long header that is not there": b"\x94\xc5\xff\xff",
    "many empty arrays": b"\xdc\xff\xff" + b"\x90" * 65_535,
    "half a million small arrays": b"\xdc\x02\x00" + (b"\xdc\x03\xe8" + b"\x91\x00" * 1_000) * 512,
    "a map": b"\x81\xa1x\x01",
    "nothing": b"",
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_block_of_hostile_msgpack_is_malformed_in_bounded_memory(auditor: Auditor, bomb: bytes) -> None:
    chain = ChainBuilder()
    chain_id = chain.genesis.chain_id
    content = preamble() + manifest(chain_id, 1) + frame(2, block_payload((bomb, b"", ()))) + end(1, chain_id)
    tracemalloc.start()
    report = auditor.bytes(content, chain, head=Checkpoint(1, chain_id))
    _now, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert report.exit is Exit.MALFORMED
    assert {found.category for found in report.findings} <= {Category.MALFORMED, Category.TRUNCATED}
    assert peak_bytes < 64 * len(content) + (1 << 20)


def test_an_end_that_names_another_head_is_corrupt(auditor: Auditor, chain: ChainBuilder) -> None:
    content = container(chain.genesis.chain_id, parts_of(chain), (5, CHAIN_ID))
    report = auditor.bytes(content, chain, head=Checkpoint(*chain.head))
    first_finding(report, Check.FRAMES, Category.CORRUPT)


def test_an_end_that_names_a_later_head_is_truncated(auditor: Auditor, chain: ChainBuilder) -> None:
    content = container(chain.genesis.chain_id, parts_of(chain)[:4], chain.head)
    report = auditor.bytes(content, chain, head=Checkpoint(4, chain.blocks[3].block.block_hash))
    first_finding(report, Check.FRAMES, Category.TRUNCATED)
    assert report.exit is Exit.SHORT


def test_a_last_block_cut_off_without_touching_the_manifest_is_truncated(
    auditor: Auditor, chain: ChainBuilder
) -> None:
    frames = [frame(2, block_payload(parts)) for parts in parts_of(chain)[:-1]]
    content = b"".join([preamble(), manifest(chain.genesis.chain_id, 5), *frames, end(*chain.head)])
    report = auditor.bytes(content, chain, head=Checkpoint(*chain.head))
    assert report.exit is Exit.SHORT
    assert {found.category for found in report.findings} == {Category.TRUNCATED}
