"""An export believes no node: what does not hold stops it, and no file is left."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from client.answers import CertifiedBlock
from client.audit.export import export_chain
from client.trust import Checkpoint
from client.verify import TrustedChain
from registry.errors import ProofInvalid
from tests.client.audit.auditing import Auditor
from tests.client.audit.chain_builder import ChainBuilder, with_header
from tests.client.audit.raw_container import container


async def streamed(blocks: Sequence[CertifiedBlock]) -> AsyncIterator[CertifiedBlock]:
    for block in blocks:
        yield block


def sent(chain: ChainBuilder) -> list[CertifiedBlock]:
    return [CertifiedBlock(built.block.header.height, *built.exported()) for built in chain.blocks]


async def test_what_a_node_streams_becomes_an_export_that_audits(
    auditor: Auditor, chain: ChainBuilder
) -> None:
    head = Checkpoint(*chain.head)
    heights: list[int] = []
    written = await export_chain(
        auditor.path, TrustedChain(chain.genesis), streamed(sent(chain)), head, heights.append
    )
    assert written == head
    assert heights == [1, 2, 3, 4, 5]
    parts = [built.exported() for built in chain.blocks]
    assert auditor.path.read_bytes() == container(chain.genesis.chain_id, parts, chain.head)


def missing_middle(blocks: list[CertifiedBlock], _chain: ChainBuilder) -> list[CertifiedBlock]:
    return [*blocks[:2], *blocks[3:]]


def missing_end(blocks: list[CertifiedBlock], _chain: ChainBuilder) -> list[CertifiedBlock]:
    return blocks[:-1]


def no_block(blocks: list[CertifiedBlock], _chain: ChainBuilder) -> list[CertifiedBlock]:
    return [*blocks[:2], replace(blocks[2], block=b"\xc1"), *blocks[3:]]


def other_body(blocks: list[CertifiedBlock], chain: ChainBuilder) -> list[CertifiedBlock]:
    altered = with_header(chain.blocks[2], state_root=bytes(32))
    return [*blocks[:2], replace(blocks[2], block=altered.exported()[0]), *blocks[3:]]


def false_certificate(blocks: list[CertifiedBlock], _chain: ChainBuilder) -> list[CertifiedBlock]:
    certificate = blocks[2].certificate
    forged = certificate[:-1] + bytes([certificate[-1] ^ 1])
    return [*blocks[:2], replace(blocks[2], certificate=forged), *blocks[3:]]


def other_chain(_blocks: list[CertifiedBlock], _chain: ChainBuilder) -> list[CertifiedBlock]:
    stranger = ChainBuilder("another consortium")
    for _ in range(5):
        stranger.commit()
    return sent(stranger)


@pytest.mark.parametrize(
    "falsify", [missing_middle, missing_end, no_block, other_body, false_certificate, other_chain]
)
async def test_a_false_stream_is_refused_and_leaves_no_file(
    tmp_path: Path,
    chain: ChainBuilder,
    falsify: Callable[[list[CertifiedBlock], ChainBuilder], list[CertifiedBlock]],
) -> None:
    blocks = streamed(falsify(sent(chain), chain))
    with pytest.raises(ProofInvalid):
        await export_chain(
            tmp_path / "chain.pbk", TrustedChain(chain.genesis), blocks, Checkpoint(*chain.head)
        )
    assert os.listdir(tmp_path) == []
