"""The process from which load and questions come, apart from the one that measures, so that its cost is counted apart.

Guarantees: commands are answered in order; an exception in the process comes out of the call that caused it.
The process is spawned, not forked, because gRPC has threads; it ends with its owner.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import random
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from types import TracebackType
from typing import Any, Self, assert_never

from .load import Loader, LoadPlan, LoadResult
from .queries import QueryPlan, QueryResult, ask
from .workload import Author, Consortium, PreparedEntry, receivables_of

# Receivables kept as targets of questions: random ones of all that were registered.
TARGETS_MAX = 20_000
_SPAWN = multiprocessing.get_context("spawn")


class GeneratorFailed(Exception):
    """The generator process raised; the message has its traceback."""


@dataclass(frozen=True, slots=True)
class _Prepare:
    plan: LoadPlan


@dataclass(frozen=True, slots=True)
class _Start:
    started_s: float


_Command = _Prepare | _Start | QueryPlan


class Generator:
    """Owner's side: one command at a time."""

    def __init__(self, consortium: Consortium) -> None:
        self._pipe, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=_serve, args=(theirs, consortium), daemon=True)
        self._process.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pipe.close()
        self._process.join(5.0)
        if self._process.is_alive():
            self._process.kill()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None, "it was started"
        return self._process.pid

    def prepare(self, plan: LoadPlan) -> int:
        """Make and sign the entries of a step; returns the bytes of one of them."""
        self._pipe.send(_Prepare(plan))
        entry_bytes: int = self._answer()
        return entry_bytes

    def start(self, started_s: float) -> None:
        """Let the prepared step begin at a time of CLOCK_MONOTONIC; `result` waits for its end."""
        self._pipe.send(_Start(started_s))

    def result(self) -> LoadResult:
        """The result of the step that was started."""
        result: LoadResult = self._answer()
        return result

    def ask(self, plan: QueryPlan) -> QueryResult:
        """Ask for the status of receivables that earlier steps registered."""
        self._pipe.send(plan)
        result: QueryResult = self._answer()
        return result

    def _answer(self) -> Any:
        try:
            answer = self._pipe.recv()
        except EOFError:
            raise GeneratorFailed("the generator process ended; its own message is above") from None
        return answer


def _serve(pipe: Pipe, consortium: Consortium) -> None:
    asyncio.run(_run(pipe, consortium))


async def _run(pipe: Pipe, consortium: Consortium) -> None:
    # Made here: the channels of the server belong to the loop that runs now.
    await _Server(pipe, consortium).run()


class _Server:
    """The other end, in the process."""

    def __init__(self, pipe: Pipe, consortium: Consortium) -> None:
        self._pipe = pipe
        self._consortium = consortium
        self._author = Author(consortium)
        self._loader = Loader(consortium)
        self._plan: LoadPlan | None = None
        self._entries: list[PreparedEntry] = []
        self._targets: list[bytes] = []
        self._random = random.Random(1)

    async def run(self) -> None:
        """Answer commands until the owner closes the pipe."""
        while True:
            try:
                command: _Command = await asyncio.to_thread(self._pipe.recv)
            except EOFError:
                await self._loader.close()
                return
            self._pipe.send(await self._perform(command))

    async def _perform(self, command: _Command) -> object:
        match command:
            case _Prepare(plan):
                return await self._prepare(plan)
            case _Start(started_s):
                return await self._start(started_s)
            case QueryPlan():
                return await ask(self._consortium, command, self._targets)
            case _:
                assert_never(command)

    async def _prepare(self, plan: LoadPlan) -> int:
        self._plan = plan
        self._entries = self._author.entries(plan.entries, plan.operations)
        await self._loader.warm()
        return len(self._entries[0].raw)

    async def _start(self, started_s: float) -> LoadResult:
        assert self._plan is not None, "prepared first"
        result = await self._loader.run(self._plan, self._entries, started_s)
        if not result.refused and not result.unanswered:
            self._keep_targets(self._entries)
        self._entries = []
        return result

    def _keep_targets(self, entries: list[PreparedEntry]) -> None:
        for entry in self._random.sample(entries, min(len(entries), TARGETS_MAX)):
            self._targets.extend(receivables_of(entry))
        self._random.shuffle(self._targets)
        del self._targets[TARGETS_MAX:]
