"""From the blocks that one node streams to a file: every header and certificate is verified before it is written.

A node that sends another chain, a gap, a body that is not its header's or a certificate that does not hold is found out here, and
nothing is left under the file's name. Receipts and state are taken over as they come: the audit derives them again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

from registry.block import decode_block
from registry.errors import BlockInvalid, ProofInvalid

from ..answers import CertifiedBlock
from ..trust import Checkpoint
from ..verify import TrustedChain
from .container import ExportedBlock, ExportWriter

Progress = Callable[[int], None]
"""Called with the height of each block that is written."""


async def export_chain(
    path: Path,
    chain: TrustedChain,
    blocks: AsyncIterator[CertifiedBlock],
    head: Checkpoint,
    progress: Progress = lambda _height: None,
) -> Checkpoint:
    """Write blocks 1 to `head` to `path`. Raises ProofInvalid on a false block and when the stream does not end at `head`."""
    parent_hash, height = chain.genesis.chain_id, 0
    with ExportWriter(path, chain.genesis.chain_id) as writer:
        async for received in blocks:
            parent_hash = _verified(chain, received, height + 1, parent_hash)
            writer.add(ExportedBlock(received.block, received.certificate, received.receipts))
            height += 1
            progress(height)
        if writer.head != head:
            raise ProofInvalid(
                f"the node's blocks end at {writer.head}, the verified head is {head}",
                expected=str(head),
                found=str(writer.head),
            )
        return writer.finish()


def _verified(chain: TrustedChain, received: CertifiedBlock, height: int, parent_hash: bytes) -> bytes:
    """The hash of the block, once it is certified and follows its parent. Raises ProofInvalid."""
    try:
        block = decode_block(received.block)
    except BlockInvalid as error:
        raise ProofInvalid(f"block {height} as it was sent: {error.message}", height=height) from error
    head = chain.verify_head(block.header_bytes, received.certificate)
    stated = (head.header.height, head.header.parent_hash)
    if stated != (height, parent_hash):
        raise ProofInvalid(
            f"block {height} does not follow the one before it",
            expected=f"{height} on {parent_hash.hex()}",
            found=f"{stated[0]} on {stated[1].hex()}",
        )
    return head.block_hash
