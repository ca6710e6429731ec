"""Reports for callers: each is made by a worker process, one at a time, and the latest ones are kept.

Guarantees: the event loop waits for no disk and no replay; few callers wait at once, the others are told to come again; a worker
whose caller leaves is ended, and so is one that takes too long. A report is a function of its request, since the height is
committed: what is kept is never out of date.
Leaves to others: who may ask for what (`node.api.supervision_service`), and the report itself (`registry.supervision`).
"""

from __future__ import annotations

import asyncio
import sys
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from structlog.typing import FilteringBoundLogger

from node.status import CallCode, CallRefused
from node.supervision.report_worker import SECTOR
from registry.supervision.fold import ReportRequest

WAITING_MAX: Final = 8
"""Callers with a report in the making or waiting for their turn: a replay takes seconds to minutes."""
REPORT_S_MAX: Final = 3_600.0
RETRY_AFTER_MS: Final = 10_000
KEPT_MAX: Final = 32
KEPT_BYTES_MAX: Final = 64 << 20
DOCUMENT_BYTES_MAX: Final = 256 << 20
ERROR_CHARS_MAX: Final = 2_000


@dataclass(frozen=True, slots=True)
class Paths:
    """Where a worker finds the chain."""

    genesis: Path
    store: Path


class ReportFailed(Exception):
    """The worker ended without a report; its last words are in the log."""


class ReportDesk:
    """See the module's docstring. One event loop owns it."""

    def __init__(self, paths: Paths, logger: FilteringBoundLogger) -> None:
        self._paths = paths
        self._logger = logger
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._kept: OrderedDict[ReportRequest, bytes] = OrderedDict()

    async def report(self, request: ReportRequest) -> AsyncGenerator[int | bytes, None]:
        """Heights while the chain is followed, and at last the document. Raises CallRefused, ReportFailed."""
        kept = self._kept.get(request)
        if kept is not None:
            self._kept.move_to_end(request)
            yield kept
            return
        if self._waiting >= WAITING_MAX:
            raise CallRefused(
                CallCode.OVERLOADED,
                f"{self._waiting} reports are being made or wait for it at this node; at most {WAITING_MAX} can",
                retry_after_ms=RETRY_AFTER_MS,
            )
        self._waiting += 1
        try:
            async with self._turn, asyncio.timeout(REPORT_S_MAX):
                async for part in self._made(request):
                    yield part
        except TimeoutError as error:
            raise ReportFailed(f"the report took longer than {REPORT_S_MAX} s") from error
        finally:
            self._waiting -= 1

    async def _made(self, request: ReportRequest) -> AsyncGenerator[int | bytes, None]:
        if request in self._kept:  # made while this caller waited for its turn
            yield self._kept[request]
            return
        worker = await asyncio.create_subprocess_exec(
            *self._command(request), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        assert worker.stdout is not None
        assert worker.stderr is not None
        try:
            async for part in _parts(worker.stdout):
                if isinstance(part, bytes):
                    self._keep(request, part)
                yield part
                if isinstance(part, bytes):
                    return
            said = await worker.stderr.read(ERROR_CHARS_MAX)
            self._logger.error("report_failed", height=request.height, reason=said.decode(errors="replace"))
            raise ReportFailed("the worker ended without a report")
        finally:
            with suppress(ProcessLookupError):
                worker.kill()
            await worker.wait()

    def _command(self, request: ReportRequest) -> tuple[str, ...]:
        return (
            sys.executable,
            "-m",
            "node.supervision.report_worker",
            str(self._paths.genesis),
            str(self._paths.store),
            str(request.height),
            str(request.from_height),
            request.member_id or SECTOR,
        )

    def _keep(self, request: ReportRequest, document: bytes) -> None:
        self._kept[request] = document
        while self._kept and (
            len(self._kept) > KEPT_MAX or sum(map(len, self._kept.values())) > KEPT_BYTES_MAX
        ):
            self._kept.popitem(last=False)


async def _parts(stream: asyncio.StreamReader) -> AsyncGenerator[int | bytes, None]:
    while line := await stream.readline():
        word, _, number = line.decode().strip().partition(" ")
        if word == "height":
            yield int(number)
        elif word == "document" and int(number) <= DOCUMENT_BYTES_MAX:
            yield await stream.readexactly(int(number))
            return
