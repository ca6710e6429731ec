"""Inspecting blocks in this process or in worker processes, in the order of the file either way.

Workers are spawned, never forked: the program may run threads of gRPC. Frames go out in batches of some size, so that many small
blocks do not cost a message each; only a bounded number of bytes is on its way, so a fast disk waits for slow checks. Each
worker limits its own memory, and the processor time of each block. A worker that dies ends the audit with an error of ours
(`WorkerDied`): a crash proves nothing about the file.
"""

from __future__ import annotations

import resource
import signal
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from types import FrameType
from typing import Final

from .container import BlockFrame
from .findings import Category, Check, finding
from .inspection import Anchor, InspectedBlock, Inspector, unreadable

BATCH_BYTES: Final = 128 << 10
BATCH_FRAMES_MAX: Final = 64
BATCHES_IN_FLIGHT_PER_WORKER: Final = 4
BYTES_IN_FLIGHT_MAX: Final = 64 << 20


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """What one worker may use: address space in all, processor seconds for one block."""

    memory_bytes: int = 2 << 30  # an honest block of 4 MiB takes about 100 MB decoded
    block_seconds: float = 60.0  # 5,000 entries with 16 signatures each take about 10


class WorkerDied(Exception):
    """A worker process ended without an answer: killed from outside, or a fault in a library."""


def inspect_here(frames: Iterable[BlockFrame], anchor: Anchor) -> Generator[InspectedBlock, None, None]:
    """Inspect in this process: for small files, and where processes cannot be started."""
    inspector = Inspector(anchor)
    for frame in frames:
        yield inspector.inspect(frame)


def inspect_in_workers(
    frames: Iterable[BlockFrame], anchor: Anchor, workers: int, limits: WorkerLimits = WorkerLimits()
) -> Generator[InspectedBlock, None, None]:
    """Inspect in `workers` processes, results in the order of the frames. Raises WorkerDied."""
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_begin, initargs=(anchor, limits))
    waiting: deque[tuple[Future[list[InspectedBlock]], int]] = deque()
    bytes_waiting = 0
    try:
        for batch in _batches(frames):
            size = sum(len(frame.payload) for frame in batch)
            while waiting and (
                len(waiting) >= workers * BATCHES_IN_FLIGHT_PER_WORKER
                or bytes_waiting + size > BYTES_IN_FLIGHT_MAX
            ):
                future, done = waiting.popleft()
                bytes_waiting -= done
                yield from future.result()
            waiting.append((pool.submit(_inspect, batch), size))
            bytes_waiting += size
        while waiting:
            yield from waiting.popleft()[0].result()
    except BrokenProcessPool as error:
        raise WorkerDied("a worker process of the audit died; the file was not audited to its end") from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _batches(frames: Iterable[BlockFrame]) -> Iterator[list[BlockFrame]]:
    batch: list[BlockFrame] = []
    size = 0
    for frame in frames:
        batch.append(frame)
        size += len(frame.payload)
        if size >= BATCH_BYTES or len(batch) >= BATCH_FRAMES_MAX:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


# -- in the worker --------------------------------------------------------------------------------------------------------


class _TooLong(BaseException):
    """The time of a block is up. Not an Exception: no decoder may take it for one of its own."""


class _Worker:
    """What one worker process keeps from block to block."""

    def __init__(self, anchor: Anchor, limits: WorkerLimits) -> None:
        self._inspector = Inspector(anchor)
        self._limits = limits
        with suppress(ValueError, OSError):  # a lower limit may be set already, and some systems have none
            resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
        # Ctrl-C goes to the whole group; the parent alone decides what it means.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGPROF, _time_is_up)

    def inspect(self, frame: BlockFrame) -> InspectedBlock:
        signal.setitimer(signal.ITIMER_PROF, self._limits.block_seconds)
        try:
            return self._inspector.inspect(frame)
        except _TooLong:
            what, limit = "inspecting the block takes too long", f"at most {self._limits.block_seconds} s"
        except MemoryError:
            what, limit = "inspecting the block takes too much memory", f"at most {self._limits.memory_bytes}"
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        over = finding(Check.CONTAINER, Category.LIMIT, what, offset=frame.offset, expected=limit)
        return unreadable(frame.offset, (over,))


_worker: _Worker | None = None


def _begin(anchor: Anchor, limits: WorkerLimits) -> None:
    global _worker
    _worker = _Worker(anchor, limits)


def _inspect(batch: list[BlockFrame]) -> list[InspectedBlock]:
    assert _worker is not None
    return [_worker.inspect(frame) for frame in batch]


def _time_is_up(_signal: int, _frame: FrameType | None) -> None:
    raise _TooLong
