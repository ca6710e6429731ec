"""The one thread that owns the engine, and the two bridges between it and the event loop.

Guarantees: every call of the engine is made on this thread, in the order of posting; events that arrive while it works
are handed over together, so that they share one flush of the journal. What the engine sends reaches the loop in order.
An exception of the engine comes out of `run`, and nothing more is handled after it.
Leaves to others: what the engine does, and stopping the process (`runtime`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from consensus.messages import BlockHash
from consensus.validators import NodeId
from node.engine import Event, TimerElapsed
from node.ports import Message, Timer

T = TypeVar("T")

# Events of one hand-over: enough to share a flush, few enough that a call from the loop does not wait long.
BATCH_EVENTS_MAX = 512


# What one peer may have waiting: a burst of votes of many rounds, and two blocks. Beyond it its stream is not read.
PEER_EVENTS_MAX = 1_024
PEER_BYTES_MAX = 10 * 1024 * 1024


class HandlesEvents(Protocol):
    """The part of the engine that this module drives."""

    def handle(self, events: Sequence[Event]) -> None: ...


class EngineThread:
    """Posts events to the engine, in batches, on a thread of its own; owned by the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="engine")
        self._events: deque[tuple[Event, _Credit | None, int]] = deque()
        self._posted = asyncio.Event()
        self._credits: dict[str, _Credit] = {}

    def post(self, event: Event) -> None:
        """Hand an event of our own to the engine, soon. From the loop only."""
        self._events.append((event, None, 0))
        self._posted.set()

    async def post_from(self, peer: str, event: Event, size: int) -> None:
        """Hand over what a peer brought, waiting while too much of this peer's is not handled yet."""
        credit = self._credits.setdefault(peer, _Credit())
        await credit.take(size)
        self._events.append((event, credit, size))
        self._posted.set()

    async def run(self, engine: HandlesEvents) -> None:
        """Hand over what is posted until cancelled. Raises what the engine raises, which is fatal."""
        while True:
            await self._posted.wait()
            self._posted.clear()
            while self._events:
                batch = [self._events.popleft() for _ in range(min(len(self._events), BATCH_EVENTS_MAX))]
                events = [event for event, _, _ in batch]
                await self._loop.run_in_executor(self._executor, engine.handle, events)
                for _, credit, size in batch:
                    if credit is not None:
                        credit.give(size)

    async def call(self, function: Callable[[], T]) -> T:
        """Run `function` on the engine's thread, between two batches; its exception comes back to the caller."""
        return await self._loop.run_in_executor(self._executor, function)

    def close(self) -> None:
        """Wait for the call that is running and take no more."""
        self._executor.shutdown(wait=True, cancel_futures=True)


class _Credit:
    """How much of one peer's may wait for the engine."""

    def __init__(self) -> None:
        self._events = 0
        self._bytes = 0
        self._freed = asyncio.Event()

    async def take(self, size: int) -> None:
        # One event always passes: a block is larger than what else may wait.
        while self._events and (self._events >= PEER_EVENTS_MAX or self._bytes + size > PEER_BYTES_MAX):
            self._freed.clear()
            await self._freed.wait()
        self._events += 1
        self._bytes += size

    def give(self, size: int) -> None:
        self._events -= 1
        self._bytes -= size
        self._freed.set()


class LoopBridge:
    """Runs functions on the event loop, in order, from another thread; many at once cost one wake-up."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._calls: deque[Callable[[], None]] = deque()
        self._closed = False

    def run(self, call: Callable[[], None]) -> None:
        """Run `call` on the loop, soon."""
        if self._closed:
            return
        self._calls.append(call)
        # deque is thread-safe; a wake-up too many is harmless, one too few cannot be: the length is read after appending.
        if len(self._calls) == 1:
            self._loop.call_soon_threadsafe(self._run_all)

    def close(self) -> None:
        """Drop what comes from now on: the loop is about to end."""
        self._closed = True

    def _run_all(self) -> None:
        while self._calls:
            call = self._calls[0]
            call()
            self._calls.popleft()


class BridgedTransport:
    """`ports.Transport` for the engine's thread, carried out on the loop."""

    def __init__(
        self,
        bridge: LoopBridge,
        broadcast: Callable[[Message], None],
        send: Callable[[str, Message], None],
        ask_value: Callable[[int, bytes], None],
    ) -> None:
        self._bridge = bridge
        self._broadcast = broadcast
        self._send = send
        self._ask_value = ask_value

    def broadcast(self, message: Message) -> None:
        self._bridge.run(lambda: self._broadcast(message))

    def send(self, peer: NodeId, message: Message) -> None:
        self._bridge.run(lambda: self._send(peer, message))

    def ask_value(self, height: int, block_hash: BlockHash) -> None:
        self._bridge.run(lambda: self._ask_value(height, block_hash))


class LoopTimers:
    """`ports.Timers` on the event loop's clock; an elapsed timer becomes an event."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, bridge: LoopBridge, post: Callable[[Event], None]
    ) -> None:
        self._loop = loop
        self._bridge = bridge
        self._post = post

    def set(self, timer: Timer, after_ms: int) -> None:
        self._bridge.run(lambda: self._start(timer, after_ms))

    def _start(self, timer: Timer, after_ms: int) -> None:
        self._loop.call_later(after_ms / 1_000, self._post, TimerElapsed(timer))
