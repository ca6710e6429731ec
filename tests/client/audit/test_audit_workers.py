"""Worker processes change nothing about the result, are bounded, and never leave the audit hanging."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from client.audit.container import BlockFrame
from client.audit.findings import Category, Check
from client.audit.inspection import Anchor
from client.audit.report import AuditReport
from client.audit.workers import (
    BATCH_FRAMES_MAX,
    BATCHES_IN_FLIGHT_PER_WORKER,
    Alone,
    WorkerDied,
    WorkerLimits,
    WorkerPool,
)
from client.validator_sets import ValidatorSets
from tests.client.audit.auditing import Auditor
from tests.client.audit.chain_builder import ChainBuilder, with_header
from tests.client.audit.raw_container import block_payload


def anchor_of(chain: ChainBuilder) -> Anchor:
    return Anchor(chain.genesis.chain_id, ValidatorSets(chain.genesis))


def frames_of(chain: ChainBuilder) -> list[BlockFrame]:
    return [BlockFrame(0, block_payload(built.exported())) for built in chain.blocks]


def without_time(report: AuditReport) -> AuditReport:
    return replace(report, seconds=0.0, workers=0)


def test_workers_find_what_one_process_finds(auditor: Auditor, chain: ChainBuilder) -> None:
    altered = with_header(chain.blocks[1], state_root=bytes(32))
    blocks = [chain.blocks[0], altered, *chain.blocks[2:]]
    alone = auditor.blocks(chain, blocks)
    assert alone.findings
    assert without_time(auditor.blocks(chain, blocks, workers=2)) == without_time(alone)


def test_results_come_in_the_order_of_the_file(chain: ChainBuilder) -> None:
    frames = [BlockFrame(number, frames_of(chain)[number % 5].payload) for number in range(300)]
    with WorkerPool(anchor_of(chain), 2) as pool:
        assert list(pool.inspect(frames)) == list(Alone(anchor_of(chain)).inspect(frames))


def test_a_worker_that_dies_ends_the_audit(chain: ChainBuilder) -> None:
    frames = frames_of(chain)

    def killing() -> Iterator[BlockFrame]:
        for number in range(100 * BATCH_FRAMES_MAX):
            if number == 20 * BATCH_FRAMES_MAX:
                for worker in multiprocessing.active_children():
                    assert worker.pid is not None
                    os.kill(worker.pid, signal.SIGKILL)
            yield frames[number % len(frames)]

    with WorkerPool(anchor_of(chain), 1) as pool, pytest.raises(WorkerDied):
        for _inspected in pool.inspect(killing()):
            pass


def test_only_a_bounded_part_of_the_file_is_on_its_way(chain: ChainBuilder) -> None:
    frames = frames_of(chain)
    taken = 0

    def endless() -> Iterator[BlockFrame]:
        nonlocal taken
        while True:
            taken += 1
            yield frames[taken % len(frames)]

    with WorkerPool(anchor_of(chain), 1) as pool:
        stream = pool.inspect(endless())
        for _ in range(BATCH_FRAMES_MAX):
            next(stream)
        assert taken <= (BATCHES_IN_FLIGHT_PER_WORKER + 1) * BATCH_FRAMES_MAX
    assert multiprocessing.active_children() == []


def _over_limit(frames: Sequence[BlockFrame], chain: ChainBuilder, limits: WorkerLimits) -> list[str]:
    with WorkerPool(anchor_of(chain), 1, limits) as pool:
        findings = [found for inspected in pool.inspect(frames) for found in inspected.findings]
    assert {(found.check, found.category) for found in findings} == {(Check.CONTAINER, Category.LIMIT)}
    return [found.message for found in findings]


def test_a_block_that_takes_too_long_is_over_a_limit(chain: ChainBuilder) -> None:
    chain.commit([chain.entry("exporter-1", chain.register()) for _ in range(400)])
    # The timer counts in ticks of a few milliseconds; the last block takes many of them.
    messages = _over_limit(frames_of(chain)[-1:], chain, WorkerLimits(block_seconds=0.005))
    assert messages == ["inspecting the block takes too long"]


def test_a_block_that_takes_too_much_memory_is_over_a_limit(chain: ChainBuilder) -> None:
    # Two million arrays of one item each, in arrays of a thousand: 56 bytes and more of memory for 2 of the file.
    thousand = b"\xdc\x03\xe8" + b"\x91\x00" * 1_000
    block = b"\xdc\x07\xd0" + thousand * 2_000
    bomb = BlockFrame(0, block_payload((block, b"", ())))
    messages = _over_limit([bomb], chain, WorkerLimits(memory_bytes=150 << 20))
    assert messages == ["inspecting the block takes too much memory"]
