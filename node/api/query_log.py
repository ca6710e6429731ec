"""Who asked for which receivable, and why: the record that the rulebook wants of every query.

Guarantees: each query is written once, in order, within a quarter of a second and at the stop of the node; many that come
together are written as one line, because a line each would cost a tenth of what answering costs. A line names members,
purposes and ids or fingerprints as they were asked; it holds no token and no answer.
Leaves to others: where log lines go (`telemetry`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from structlog.typing import FilteringBoundLogger

FLUSH_S = 0.25
# One line of about 100 KB, and as much again when the last query of it names a thousand keys.
QUERIES_PER_LINE_MAX = 500
KEYS_PER_LINE_MAX = 1_000
SHOWN_HEX_CHARS = 64


class QueryLog:
    """Collects queries on the event loop and writes them together."""

    def __init__(self, logger: FilteringBoundLogger) -> None:
        self._logger = logger
        self._queries: list[tuple[str, str, str, list[str]]] = []
        self._keys = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, kind: str, member: str, purpose: str, keys: Iterable[bytes]) -> None:
        """Note one query: `status`, `record`, `pool`, `preflight` and so on, who asks, why, and for which ids or fingerprints."""
        shown = [key.hex()[:SHOWN_HEX_CHARS] for key in keys]
        self._queries.append((kind, member, purpose, shown))
        self._keys += len(shown)
        if len(self._queries) >= QUERIES_PER_LINE_MAX or self._keys >= KEYS_PER_LINE_MAX:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self.flush)

    def flush(self) -> None:
        """Write what is collected."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._queries:
            self._logger.info("queries", queries=self._queries)
            self._queries, self._keys = [], 0
