"""The engine's own thread and the way back to the event loop."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

import pytest

from node import engine_thread
from node.engine import Event, WorkArrived
from node.engine_thread import PEER_EVENTS_MAX, EngineThread, LoopBridge


class RecordingEngine:
    """Remembers what it was handed, and on which thread."""

    def __init__(self, pause_s: float = 0.0, fails: bool = False) -> None:
        self.batches: list[int] = []
        self.threads: set[str] = set()
        self.pause_s = pause_s
        self.fails = fails

    def handle(self, events: Sequence[Event]) -> None:
        if self.fails:
            raise RuntimeError("the engine failed")
        self.batches.append(len(events))
        self.threads.add(threading.current_thread().name)
        time.sleep(self.pause_s)


async def wait_until(condition: Callable[[], object]) -> None:
    for _ in range(5_000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it did not come true within five seconds")


async def test_events_that_come_while_the_engine_works_are_handed_over_together() -> None:
    thread, engine = EngineThread(asyncio.get_running_loop()), RecordingEngine(pause_s=0.05)
    running = asyncio.create_task(thread.run(engine))
    thread.post(WorkArrived())
    await wait_until(lambda: engine.batches)
    for _ in range(10):
        thread.post(WorkArrived())
    await wait_until(lambda: sum(engine.batches) == 11)
    assert engine.batches == [1, 10]
    assert len(engine.threads) == 1
    running.cancel()
    thread.close()


async def test_failure_of_the_engine_comes_out_of_run() -> None:
    thread = EngineThread(asyncio.get_running_loop())
    thread.post(WorkArrived())
    with pytest.raises(RuntimeError, match="the engine failed"):
        await thread.run(RecordingEngine(fails=True))
    thread.close()


async def test_peer_that_floods_waits_and_another_does_not() -> None:
    thread, engine = EngineThread(asyncio.get_running_loop()), RecordingEngine()
    for _ in range(PEER_EVENTS_MAX):
        await thread.post_from("flooder", WorkArrived(), 0)
    blocked = asyncio.create_task(thread.post_from("flooder", WorkArrived(), 0))
    await asyncio.wait_for(thread.post_from("other", WorkArrived(), 0), 1)
    await asyncio.sleep(0.01)
    assert not blocked.done()
    running = asyncio.create_task(thread.run(engine))
    await asyncio.wait_for(blocked, 5)
    running.cancel()
    thread.close()


async def test_bytes_of_one_peer_are_bounded_but_one_block_always_passes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine_thread, "PEER_BYTES_MAX", 100)
    thread = EngineThread(asyncio.get_running_loop())
    await asyncio.wait_for(thread.post_from("peer", WorkArrived(), 1_000), 1)
    blocked = asyncio.create_task(thread.post_from("peer", WorkArrived(), 1))
    await asyncio.sleep(0.01)
    assert not blocked.done()
    blocked.cancel()
    thread.close()


async def test_calls_run_on_the_loop_in_the_order_they_were_given() -> None:
    bridge = LoopBridge(asyncio.get_running_loop())
    seen: list[int] = []

    def give() -> None:
        for number in range(1_000):
            bridge.run(partial(seen.append, number))

    await asyncio.to_thread(give)
    await wait_until(lambda: len(seen) == 1_000)
    assert seen == list(range(1_000))


async def test_closed_bridge_takes_nothing() -> None:
    bridge = LoopBridge(asyncio.get_running_loop())
    seen: list[int] = []
    bridge.close()
    bridge.run(lambda: seen.append(1))
    await asyncio.sleep(0.01)
    assert seen == []
