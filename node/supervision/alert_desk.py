"""Alerts for those who watch: starts the worker that raises them when somebody does, and reads what it has written.

Guarantees: nothing is spent while nobody has watched, and once started the worker goes on until the node stops, so that who comes
back need not wait for it; the event loop waits for no disk. No queue is kept for anybody.
Leaves to others: raising alerts (`alert_worker`), and who may see them (`node.api.supervision_service`).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Final

from structlog.typing import FilteringBoundLogger

from node.status import CallCode, CallRefused
from node.supervision.alert_tables import AlertTables, RaisedAlerts
from node.supervision.report_desk import last_words

RESTART_AFTER_MS: Final = 5_000
"""Who watches again starts it again: a worker that cannot start is not started in a loop."""


class AlertDesk:
    """See the module's docstring. One event loop owns it."""

    def __init__(self, command: tuple[str, ...], folder: Path, logger: FilteringBoundLogger) -> None:
        """`command` starts a worker that writes to `folder`, and to its standard output as `alert_worker` says."""
        self._command = command
        self._folder = folder
        self._logger = logger
        self._height = 0
        self._risen = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None
        self._tables: AlertTables | None = None

    def watch(self) -> None:
        """Have alerts raised from now on."""
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._run(), name="alerts")
            self._worker.add_done_callback(self._ended)

    async def above(self, height: int) -> int:
        """The last height whose alerts are there, once it is above `height`. Raises CallRefused when the worker has ended."""
        while self._height <= height:
            worker = self._worker
            if worker is None or worker.done():
                raise _has_ended()
            await self._risen.wait()
        return self._height

    def read(self, first: int, last: int) -> tuple[list[RaisedAlerts], int]:
        """As `AlertTables.read`, `last` being there. On another thread than the loop's. Raises CallRefused, TablesDamaged."""
        tables = self._tables
        if tables is None:
            raise _has_ended()
        return tables.read(first, last)

    async def close(self) -> None:
        """End the worker."""
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.wait({self._worker})
        self._close_tables()

    async def _run(self) -> None:
        # The next worker may find what is there damaged, and make it anew.
        self._close_tables()
        self._height = 0
        worker = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert worker.stdout is not None
        assert worker.stderr is not None
        try:
            while line := await worker.stdout.readline():
                if self._tables is None:
                    self._tables = await asyncio.to_thread(AlertTables.open_to_read, self._folder)
                if self._tables is None:
                    self._logger.error("alerts_unreadable", folder=str(self._folder))
                    return
                self._rise(int(line.split()[1]))
            reason = await last_words(worker.stderr)
            self._logger.error("alerts_failed", height=self._height, reason=reason)
        finally:
            with suppress(ProcessLookupError):
                worker.kill()
            await worker.wait()

    def _ended(self, worker: asyncio.Task[None]) -> None:
        # What could not be started, or wrote what no worker writes, is no reason to end the node: nobody else would ask.
        failure = None if worker.cancelled() else worker.exception()
        if failure is not None:
            self._logger.error("alerts_failed", height=self._height, reason=repr(failure))
        self._rise(self._height)

    def _rise(self, height: int) -> None:
        # Everybody who waits holds this very event; the next ones wait for a new one.
        self._height = height
        self._risen.set()
        self._risen = asyncio.Event()

    def _close_tables(self) -> None:
        if self._tables is not None:
            self._tables.close()
            self._tables = None


def _has_ended() -> CallRefused:
    return CallRefused(
        CallCode.STOPPING,
        "the process that raises alerts has ended; this node's log says why",
        retry_after_ms=RESTART_AFTER_MS,
    )
