"""The process that makes one report: it follows the committed chain from the genesis document on, in memory, and ends.

    python -m node.supervision.report_worker GENESIS STORE HEIGHT FROM_HEIGHT MEMBER

MEMBER is an id, or `-` for the sector. On standard output it writes lines `height N` while it goes on, then `document BYTES` and
that many bytes. Exit code 0 when they are all there; what went wrong is on standard error.

Guarantees: it only reads the store, in short transactions, so that the node's pages are freed while it works; it ends when nobody
reads what it writes any more; it bounds its own memory.
"""

from __future__ import annotations

import gc
import os
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

from node.store import Store
from registry.block import Block, decode_block
from registry.errors import StoreCorrupt
from registry.genesis import Genesis, parse_genesis
from registry.state import MemoryState
from registry.supervision.document import report_bytes
from registry.supervision.fold import ReportRequest, Supervision
from registry.supervision.following import Follower
from registry.transition import genesis_state

MEMORY_BYTES_MAX: Final = 8 << 30
"""Address space, of which the store's map is not the least; a million receivables take about two gigabytes."""
NICE: Final = 10
BLOCKS_PER_READ: Final = 16
"""64 MB of blocks at their largest."""
SECTOR: Final = "-"


def main(arguments: list[str]) -> None:
    """Make the report that the arguments ask for."""
    genesis_path, store_path, height, from_height, member = arguments
    os.nice(NICE)
    # Decoding makes very many objects and no cycles.
    gc.set_threshold(50_000)
    genesis = parse_genesis(Path(genesis_path).read_bytes())
    request = ReportRequest(int(height), None if member == SECTOR else member, int(from_height))
    store = Store.open(Path(store_path), genesis.chain_id, read_only=True)
    with suppress(ValueError, OSError):  # a lower limit may be set already, and some systems have none
        limit = _mapped_bytes() + MEMORY_BYTES_MAX
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    try:
        document = report_from(store, genesis, request, sys.stdout.buffer)
    finally:
        store.close()
    write_line(sys.stdout.buffer, f"document {len(document)}")
    sys.stdout.buffer.write(document)
    sys.stdout.buffer.flush()


def report_from(store: Store, genesis: Genesis, request: ReportRequest, progress: BinaryIO) -> bytes:
    """The canonical document as of a committed height. Raises StoreCorrupt."""
    supervision = Supervision(genesis, request)
    state = MemoryState()
    state.apply(genesis_state(genesis).delta)
    follower = Follower(genesis, state, 0)
    while follower.height < request.height:
        first = follower.height + 1
        for block in read_blocks(store, first, min(request.height, first + BLOCKS_PER_READ - 1)):
            supervision.follow(follower.follow(block), state)
        write_line(progress, f"height {follower.height}")
    return report_bytes(supervision.report(state))


def read_blocks(store: Store, first: int, last: int) -> list[Block]:
    """Committed blocks, read in one transaction that ends at once. Raises StoreCorrupt."""
    with store.read() as snapshot:
        raws = [snapshot.block(height) for height in range(first, last + 1)]
    blocks = []
    for height, raw in enumerate(raws, first):
        if raw is None:
            raise StoreCorrupt(f"block {height} is missing", height=height)
        blocks.append(decode_block(raw))
    return blocks


def write_line(stream: BinaryIO, text: str) -> None:
    """One line, at once: a reader that is gone is noticed here."""
    stream.write(text.encode() + b"\n")
    stream.flush()


def _mapped_bytes() -> int:
    """The address space that is taken by now, the map of the store included."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except BrokenPipeError:
        # Whoever asked has gone. Python would complain once more when it closes its standard output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
