"""What signing together saves: 1,000 assignments in one entry of two signatures, and in 1,000 entries of two each.

Guarantees: the same operations on the same kind of receivables, in one process on one chain, and all a node does with an
entry: decode it, check its signatures, ask the door, apply it, hash the tree, store the block. Processor time is
counted, not the clock. Leaves to others: the network, where a batch saves as many messages again (`measurements`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from registry.admission import check_chain, check_freshness, check_right
from registry.entry import Entry, decode_entry, verify_signatures
from registry.state import WorkingState

from .scale import Chain, Portfolio, assign

ASSIGNMENTS: Final = 1_000  # the most that one entry may hold


@dataclass(frozen=True, slots=True)
class BatchFigures:
    """The same assignments in so many entries. Times are processor milliseconds for all of them together."""

    entries: int
    assignments: int
    bytes: int
    signatures: int
    decoding_ms: float
    signatures_ms: float
    door_ms: float
    rules_ms: float
    tree_ms: float
    store_ms: float

    @property
    def judged_ms(self) -> float:
        """From the received bytes to the block's roots: what every validator does before it votes."""
        return self.decoding_ms + self.signatures_ms + self.door_ms + self.rules_ms + self.tree_ms


def measure_batches(chain: Chain, assignments: int = ASSIGNMENTS) -> tuple[BatchFigures, ...]:
    """The figures of one entry, and of as many entries as there are assignments."""
    portfolio = Portfolio(chain)
    figures = []
    for in_one in (assignments, 1):
        portfolio.register(1, assignments)
        records = [chain.record(identifier) for identifier in portfolio.registered[-assignments:]]
        entries = [assign(chain, records[start : start + in_one]) for start in range(0, assignments, in_one)]
        figures.append(_measure(chain, [entry.raw for entry in entries], assignments))
    return tuple(figures)


def _measure(chain: Chain, raws: Sequence[bytes], assignments: int) -> BatchFigures:
    began = time.process_time()
    entries = [decode_entry(raw) for raw in raws]
    decoded = time.process_time()
    for entry in entries:
        verify_signatures(entry)
    verified = time.process_time()
    _pass_door(chain, entries)
    admitted = time.process_time()
    cost = chain.block(entries)
    return BatchFigures(
        entries=len(raws),
        assignments=assignments,
        bytes=sum(map(len, raws)),
        signatures=sum(len(entry.signatures) for entry in entries),
        decoding_ms=(decoded - began) * 1e3,
        signatures_ms=(verified - decoded) * 1e3,
        door_ms=(admitted - verified) * 1e3,
        rules_ms=cost.rules_us / 1e3,
        tree_ms=cost.tree_us / 1e3,
        store_ms=cost.store_us / 1e3,
    )


def _pass_door(chain: Chain, entries: Sequence[Entry]) -> None:
    with chain.store.read() as snapshot:
        state = WorkingState(snapshot)
        for entry in entries:
            check_chain(entry, chain.genesis.chain_id)
            check_right(state, entry, chain.tip.height + 1)
            check_freshness(state, entry, chain.tip.time_ms)
