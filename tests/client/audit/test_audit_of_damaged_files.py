"""No damage of any byte, and no cut at any place, lets a file pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from client.audit.audit import AuditRequest, run_audit
from client.audit.findings import Exit
from client.trust import Checkpoint
from tests.client.audit.chain_builder import ChainBuilder
from tests.client.audit.raw_container import container


@pytest.fixture(scope="module")
def small_chain() -> ChainBuilder:
    chain = ChainBuilder()
    chain.commit([chain.entry("exporter-1", chain.register())])
    chain.commit()
    return chain


def small_file(chain: ChainBuilder) -> bytes:
    return container(chain.genesis.chain_id, [built.exported() for built in chain.blocks], chain.head)


def audited(path: Path, content: bytes, chain: ChainBuilder) -> Exit:
    path.write_bytes(content)
    return run_audit(AuditRequest(path, chain.document, Checkpoint(*chain.head), 0)).exit


def test_the_undamaged_file_passes(tmp_path: Path, small_chain: ChainBuilder) -> None:
    assert audited(tmp_path / "chain.pbk", small_file(small_chain), small_chain) is Exit.COMPLETE


@pytest.mark.parametrize("part", range(4))
def test_no_flipped_bit_of_any_byte_passes(tmp_path: Path, small_chain: ChainBuilder, part: int) -> None:
    content = bytearray(small_file(small_chain))
    path = tmp_path / "chain.pbk"
    for offset in range(part, len(content), 4):
        flipped = 1 << offset * 5 % 8
        content[offset] ^= flipped
        found = audited(path, bytes(content), small_chain)
        content[offset] ^= flipped
        assert found not in (Exit.COMPLETE, Exit.INTERNAL), f"byte {offset}, bit {flipped:#x}"


def test_no_cut_file_passes(tmp_path: Path, small_chain: ChainBuilder) -> None:
    content = small_file(small_chain)
    path = tmp_path / "chain.pbk"
    # Every place in preamble, manifest and end, where each byte means something else, and every seventh between them.
    for length in {*range(80), *range(80, len(content), 7), *range(len(content) - 60, len(content))}:
        found = audited(path, content[:length], small_chain)
        assert found in (Exit.SHORT, Exit.MALFORMED), f"cut at {length}"
