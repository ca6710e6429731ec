"""Following a chain that somebody has checked before: each block executed again for what its operations wrote, no root computed.

For a node over its own store. An auditor, who believes nothing, observes its own replay instead; both hand the same blocks on.
"""

from __future__ import annotations

from typing import Protocol

from ..block import Block
from ..entry import decode_entry
from ..errors import EntryRefused, StoreCorrupt
from ..genesis import Genesis
from ..state import StateDelta, StateReader
from ..transition import BlockExecution, ChainTip, Step, genesis_tip
from .observation import ObservedBlock, head_of


class FollowedState(StateReader, Protocol):
    """A state that advances with the blocks."""

    def apply(self, delta: StateDelta) -> None:
        """Write what a block changes."""
        ...


class Follower:
    """Executes block after block on a state of its own. `height` is that of the last one."""

    def __init__(self, genesis: Genesis, state: FollowedState, height: int) -> None:
        """`state` is that after `height`."""
        self.state = state
        self.height = height
        self._start = genesis_tip(genesis)

    def follow(self, block: Block) -> ObservedBlock:
        """Execute the next block. Raises StoreCorrupt when it cannot be that."""
        header = block.header
        if header.height != self.height + 1:
            raise StoreCorrupt(f"block {header.height} does not follow {self.height}", height=header.height)
        entries = tuple(decode_entry(raw) for raw in block.entries)
        steps: list[Step] = []
        execution = BlockExecution(self.state, self._tip(header.parent_hash), header.time_ms, steps)
        try:
            receipts = tuple(execution.apply(entry) for entry in entries)
        except EntryRefused as error:
            raise StoreCorrupt(
                f"block {header.height} does not execute again: {error.message}", height=header.height
            ) from error
        self.state.apply(execution.finish_without_tree())
        self.height = header.height
        return ObservedBlock(head_of(header, block.block_hash), entries, receipts, tuple(steps))

    def _tip(self, parent_hash: bytes) -> ChainTip:
        # What joins blocks together was checked when they were committed; an execution needs chain and height only.
        start = self._start
        return ChainTip(
            start.chain_id, self.height, parent_hash, start.time_ms, start.history, start.validators_hash
        )
