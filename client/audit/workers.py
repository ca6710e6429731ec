"""The work that needs no order, in this process or in worker processes; results come in the order of the file either way.

Workers are spawned, never forked: the program may run threads of gRPC. Frames go out in batches of some size, so that many small
blocks do not cost a message each; only a bounded number of bytes is on its way, so a fast disk waits for slow checks. Each
worker limits its own memory, and the processor time of each block. A worker that dies ends the audit with an error of ours
(`WorkerDied`): a crash proves nothing about the file.
"""

from __future__ import annotations

import gc
import resource
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from types import FrameType, TracebackType
from typing import Final, Protocol, Self, TypeVar

from .container import BlockFrame
from .findings import Category, Check, finding
from .inspection import Anchor, InspectedBlock, Inspector, unreadable
from .invariants import CheckedRecord, RecordToCheck, check_record
from .transfer import dump_blocks, load_blocks

T = TypeVar("T")
R = TypeVar("R")
BATCH_BYTES: Final = 128 << 10
BATCH_FRAMES_MAX: Final = 64
BATCH_RECORDS_MAX: Final = 200
BATCHES_IN_FLIGHT_PER_WORKER: Final = 4
BYTES_IN_FLIGHT_MAX: Final = 64 << 20
# Decoding makes very many small objects and no cycles: looking for cycles after every 700 of them takes a fifth of the time.
GARBAGE_THRESHOLD: Final = 50_000


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """What one worker may use: address space in all, processor seconds for one block."""

    memory_bytes: int = 2 << 30  # an honest block of 4 MiB takes about 100 MB decoded
    block_seconds: float = 60.0  # 5,000 entries with 16 signatures each take about 10


class WorkerDied(Exception):
    """A worker process ended without an answer: killed from outside, or a fault in a library."""


class Crew(Protocol):
    """Who does the work that needs no order: this process, or several."""

    def inspect(self, frames: Iterable[BlockFrame]) -> Iterator[InspectedBlock]:
        """Inspect block frames; results in the order of the frames."""
        ...

    def check_records(self, records: Iterable[RecordToCheck]) -> Iterator[CheckedRecord]:
        """Check records of the final state; results in the order of the records."""
        ...


class Alone:
    """This process: for small files, and where processes cannot be started."""

    def __init__(self, anchor: Anchor) -> None:
        self._inspector = Inspector(anchor)

    def inspect(self, frames: Iterable[BlockFrame]) -> Iterator[InspectedBlock]:
        """As Crew demands."""
        return map(self._inspector.inspect, frames)

    def check_records(self, records: Iterable[RecordToCheck]) -> Iterator[CheckedRecord]:
        """As Crew demands."""
        return map(check_record, records)


class WorkerPool:
    """Worker processes, started with the first work. Use as a context; leaving it ends them. Its methods raise WorkerDied."""

    def __init__(self, anchor: Anchor, workers: int, limits: WorkerLimits = WorkerLimits()) -> None:
        self._workers = workers
        self._pool = ProcessPoolExecutor(
            workers, get_context("spawn"), initializer=_begin, initargs=(anchor, limits)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def inspect(self, frames: Iterable[BlockFrame]) -> Iterator[InspectedBlock]:
        """As Crew demands."""
        batches = _batches(frames, BATCH_FRAMES_MAX, lambda frame: len(frame.payload))
        for dumped in self._in_order(_inspect, batches):
            yield from load_blocks(dumped)

    def check_records(self, records: Iterable[RecordToCheck]) -> Iterator[CheckedRecord]:
        """As Crew demands."""
        batches = _batches(records, BATCH_RECORDS_MAX, lambda record: len(record.stored or b""))
        for checked in self._in_order(_check_records, batches):
            yield from checked

    def _in_order(self, work: Callable[[list[T]], R], batches: Iterable[tuple[list[T], int]]) -> Iterator[R]:
        """Hand the batches out, never too much of them at once, and give the results in their order."""
        waiting: deque[tuple[Future[R], int]] = deque()
        bytes_waiting = 0
        try:
            for batch, size in batches:
                while waiting and (
                    len(waiting) >= self._workers * BATCHES_IN_FLIGHT_PER_WORKER
                    or bytes_waiting + size > BYTES_IN_FLIGHT_MAX
                ):
                    future, done = waiting.popleft()
                    bytes_waiting -= done
                    yield future.result()
                waiting.append((self._pool.submit(work, batch), size))
                bytes_waiting += size
            while waiting:
                yield waiting.popleft()[0].result()
        except BrokenProcessPool as error:
            raise WorkerDied(
                "a worker process of the audit died; the file was not audited to its end"
            ) from error


def _batches(
    items: Iterable[T], count_max: int, size_of: Callable[[T], int]
) -> Iterator[tuple[list[T], int]]:
    batch: list[T] = []
    size = 0
    for item in items:
        batch.append(item)
        size += size_of(item)
        if size >= BATCH_BYTES or len(batch) >= count_max:
            yield batch, size
            batch, size = [], 0
    if batch:
        yield batch, size


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
        gc.freeze()
        gc.set_threshold(GARBAGE_THRESHOLD)
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


def _inspect(batch: list[BlockFrame]) -> bytes:
    assert _worker is not None
    return dump_blocks([_worker.inspect(frame) for frame in batch])


def _check_records(batch: list[RecordToCheck]) -> list[CheckedRecord]:
    return [check_record(record) for record in batch]


def _time_is_up(_signal: int, _frame: FrameType | None) -> None:
    raise _TooLong
