"""Waiting for receipts of blocks that are long committed: off the event loop, block by block, at the pace of queries."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from node.api.access import RateLimit
from node.api.calls import Api, StreamSlots
from node.api.commit_feed import CommitFeed
from node.api.query_log import QueryLog
from node.api.registry_service import RECENT_BLOCKS_MAX, RegistryService
from node.clock import SystemClock
from node.config import Limits
from node.telemetry import Metrics, node_logger
from pledgebook.v1 import registry_pb2
from registry.transition import genesis_state
from tests.node.chain_builders import make_genesis

_STATE = genesis_state(make_genesis()).delta.values
BLOCKS = 40
RECEIPTS = 63
MEMBER = make_genesis().members[0]
CONTEXT: Any = SimpleNamespace(invocation_metadata=lambda: ())


class SlowStore:
    """Blocks whose receipts take a while to read; entry `n` stands in block `n`."""

    height = BLOCKS

    def __init__(self) -> None:
        self.readers: list[int] = []
        self.read_heights: list[int] = []

    @contextmanager
    def read(self) -> Iterator[Any]:
        yield self

    def locate_entry(self, entry_id: bytes) -> tuple[int, int] | None:
        height = int.from_bytes(entry_id, "big")
        return (height, 0) if height <= self.height else None

    def receipts(self, height: int) -> tuple[bytes, ...]:
        self.readers.append(threading.get_ident())
        self.read_heights.append(height)
        time.sleep(0.005)
        return (b"receipt",) * RECEIPTS

    def value(self, key_hash: bytes) -> bytes | None:
        return _STATE.get(key_hash)

    def header(self, height: int) -> bytes:
        return b"header"

    def certificate(self, height: int) -> bytes:
        return b"certificate"


def _fail(error: BaseException) -> None:
    raise error


class Asking:
    """A service over the slow store, with the little that waiting needs of the rest."""

    def __init__(self, queries_per_second: int = 1_000_000) -> None:
        self.store = SlowStore()
        self.feed = CommitFeed(BLOCKS)
        logger = node_logger("test")
        api = Api(
            node_id="node-1",
            chain_id=bytes(32),
            store=cast(Any, self.store),
            feed=self.feed,
            gate=cast(Any, SimpleNamespace(admit=lambda _token, _now_ms: MEMBER)),
            clock=SystemClock(),
            limits=Limits(),
            query_rate=RateLimit(queries_per_second),
            entry_rate=RateLimit(1),
            slots=StreamSlots(10, 10),
            query_log=QueryLog(logger),
            query_notes=cast(Any, None),
            metrics=Metrics(),
            logger=logger,
            fail=_fail,
        )
        self.service = RegistryService(api, cast(Any, None))

    async def wait(self, *heights: int, timeout_ms: int = 0) -> list[registry_pb2.ReceiptBatch]:
        request = registry_pb2.WaitForReceiptRequest(
            entry_ids=[height.to_bytes(32, "big") for height in heights], timeout_ms=timeout_ms
        )
        return [batch async for batch in self.service.WaitForReceipt(request, CONTEXT)]


async def test_blocks_are_read_on_other_threads_and_told_in_order() -> None:
    asking = Asking()
    batches = await asking.wait(*range(BLOCKS, 0, -1))
    assert len(batches) == BLOCKS
    assert asking.store.read_heights == list(range(1, BLOCKS + 1))
    assert threading.get_ident() not in asking.store.readers


async def test_first_block_is_told_before_the_others_are_read() -> None:
    asking = Asking()
    request = registry_pb2.WaitForReceiptRequest(
        entry_ids=[height.to_bytes(32, "big") for height in range(1, 30)], timeout_ms=0
    )
    batches = asking.service.WaitForReceipt(request, CONTEXT)
    await anext(batches)
    assert asking.store.read_heights == [1]
    await batches.aclose()


async def test_old_blocks_come_at_the_pace_of_queries() -> None:
    asking = Asking(queries_per_second=10)
    started = time.monotonic()
    await asking.wait(*range(1, 13))
    assert time.monotonic() - started > 0.15  # ten at once, two more in a tenth of a second each


async def test_recent_block_is_read_once_for_all_who_wait() -> None:
    asking = Asking()
    await asyncio.gather(*[asking.wait(BLOCKS) for _ in range(5)])
    assert asking.store.read_heights == [BLOCKS]


async def test_old_blocks_do_not_push_recent_ones_out() -> None:
    asking = Asking()
    await asking.wait(BLOCKS)
    await asking.wait(*range(1, BLOCKS - RECENT_BLOCKS_MAX + 1))
    await asking.wait(BLOCKS)
    assert asking.store.read_heights.count(BLOCKS) == 1


async def test_caller_that_leaves_does_not_take_the_block_from_the_others() -> None:
    asking = Asking()
    first = asyncio.create_task(asking.wait(BLOCKS))
    second = asyncio.create_task(asking.wait(BLOCKS))
    await asyncio.sleep(0.002)
    first.cancel()
    assert len(await second) == 1


@pytest.mark.parametrize("amount", [1, 100])
def test_overdrawn_allowance_tells_how_long_it_takes_to_refill(amount: int) -> None:
    rate = RateLimit(10)
    assert rate.overdraw("member", 10, 0) == 0
    assert rate.overdraw("member", amount, 0) == amount * 100
