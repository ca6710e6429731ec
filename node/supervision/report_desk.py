"""Reports for callers: each is made by a worker process, one at a time, and the latest ones are kept.

Guarantees: the event loop waits for no disk and no replay; callers who ask for the same share one worker; few reports are made or
wait at once, and who comes on top is told to come again. A worker that nobody waits for any more is ended, and so is one that takes
too long; no caller, however slowly it reads, holds one up. A report is a function of its request, since the height is committed:
what is kept is never out of date.
Leaves to others: who may ask for what (`node.api.supervision_service`), and the report itself (`registry.supervision`).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from typing import Final

from structlog.typing import FilteringBoundLogger

from node.status import CallCode, CallRefused
from registry.supervision.fold import ReportRequest

REPORTS_MAX: Final = 8
"""In the making or waiting for their turn: a replay takes seconds to minutes."""
REPORT_S_MAX: Final = 3_600.0
"""A worker that hangs gives the turn back some time; a million receivables take minutes."""
PROGRESS_S: Final = 0.5
RETRY_AFTER_MS: Final = 10_000
KEPT_MAX: Final = 32
"""A month's reports of some factors: who did not read to the end does not cost another replay."""
KEPT_BYTES_MAX: Final = 64 << 20
DOCUMENT_BYTES_MAX: Final = 256 << 20
"""Of the node's memory, for as long as it is sent. One factor's figures in one currency have about 1.5 KB."""
ERROR_BYTES_MAX: Final = 2_000
"""The end of a traceback, for the log: the error itself is its last line."""

Command = Callable[[ReportRequest], tuple[str, ...]]
"""What to start for a request; it writes as `report_worker` says."""


class ReportFailed(Exception):
    """The worker ended without a report, and with these last words; for the log, not for the caller."""


class _Job:
    """One report in the making."""

    def __init__(self) -> None:
        self.height = 0
        self.waiting = 0
        self.task: asyncio.Task[bytes] | None = None


class ReportDesk:
    """See the module's docstring. One event loop owns it."""

    def __init__(
        self, command: Command, logger: FilteringBoundLogger, *, report_s_max: float = REPORT_S_MAX
    ) -> None:
        self._command = command
        self._logger = logger
        self._report_s_max = report_s_max
        self._turn = asyncio.Lock()
        self._jobs: dict[ReportRequest, _Job] = {}
        self._kept: OrderedDict[ReportRequest, bytes] = OrderedDict()

    async def report(self, request: ReportRequest) -> AsyncGenerator[int | bytes, None]:
        """Heights while the chain is followed, and at last the document. Raises CallRefused, ReportFailed."""
        kept = self._kept.get(request)
        if kept is not None:
            self._kept.move_to_end(request)
            yield kept
            return
        job = self._job(request)
        task = job.task
        assert task is not None
        job.waiting += 1
        told = 0
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=PROGRESS_S)
                if told < job.height:
                    told = job.height
                    yield told
            yield task.result()
        finally:
            job.waiting -= 1
            if not job.waiting:
                self._forget(request, job)
                task.cancel()

    async def close(self) -> None:
        """End the workers."""
        tasks = [job.task for job in self._jobs.values() if job.task is not None]
        self._jobs.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _job(self, request: ReportRequest) -> _Job:
        job = self._jobs.get(request)
        if job is not None:
            return job
        if len(self._jobs) >= REPORTS_MAX:
            raise CallRefused(
                CallCode.OVERLOADED,
                f"{len(self._jobs)} reports are being made or wait for it at this node; at most {REPORTS_MAX} can",
                retry_after_ms=RETRY_AFTER_MS,
            )
        job = self._jobs[request] = _Job()
        job.task = asyncio.create_task(self._make(request, job), name=f"report {request.height}")
        job.task.add_done_callback(lambda task: self._ended(request, job, task))
        return job

    def _ended(self, request: ReportRequest, job: _Job, task: asyncio.Task[bytes]) -> None:
        self._forget(request, job)
        # Asked for here, in case nobody waits any more: a failure that nobody has seen would end the node.
        failure = None if task.cancelled() else task.exception()
        if failure is not None:
            self._logger.error("report_failed", height=request.height, reason=str(failure))

    def _forget(self, request: ReportRequest, job: _Job) -> None:
        # Another job may stand there by now: of a caller who came after the last one of this had left.
        if self._jobs.get(request) is job:
            del self._jobs[request]

    async def _make(self, request: ReportRequest, job: _Job) -> bytes:
        async with self._turn:
            try:
                async with asyncio.timeout(self._report_s_max):
                    document = await self._run(request, job)
            except TimeoutError as error:
                raise ReportFailed(f"the report took longer than {self._report_s_max} s") from error
        self._kept[request] = document
        while len(self._kept) > KEPT_MAX or sum(map(len, self._kept.values())) > KEPT_BYTES_MAX:
            self._kept.popitem(last=False)
        return document

    async def _run(self, request: ReportRequest, job: _Job) -> bytes:
        worker = await asyncio.create_subprocess_exec(
            *self._command(request), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        assert worker.stdout is not None
        assert worker.stderr is not None
        try:
            document = await _document(worker.stdout, job)
            if document is not None:
                return document
            said = await last_words(worker.stderr)
            raise ReportFailed(f"the worker ended without a report: {said}")
        finally:
            with suppress(ProcessLookupError):
                worker.kill()
            await worker.wait()


async def last_words(stderr: asyncio.StreamReader) -> str:
    """The end of what a worker that has ended said on its standard error."""
    said = b""
    while piece := await stderr.read(ERROR_BYTES_MAX):
        said = (said + piece)[-ERROR_BYTES_MAX:]
    return said.decode(errors="replace")


async def _document(stream: asyncio.StreamReader, job: _Job) -> bytes | None:
    """The document that the worker writes at last, None when it ends before. Raises ReportFailed when it is too large."""
    while line := await stream.readline():
        word, _, number = line.decode().strip().partition(" ")
        if word == "height":
            job.height = int(number)
        elif word == "document":
            size = int(number)
            if size > DOCUMENT_BYTES_MAX:
                raise ReportFailed(
                    f"the report has {size} bytes, at most {DOCUMENT_BYTES_MAX} are kept and sent"
                )
            with suppress(asyncio.IncompleteReadError):
                return await stream.readexactly(size)
            return None
    return None
