"""The log of queries: each written once, together, and no line without a bound."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from structlog.typing import FilteringBoundLogger

from node.api import query_log as query_log_module
from node.api.query_log import QueryLog


class Lines:
    """A logger that keeps what it is told."""

    def __init__(self) -> None:
        self.queries: list[list[Any]] = []

    def info(self, event: str, *, queries: list[Any]) -> None:
        assert event == "queries"
        self.queries.append(queries)


async def test_queries_that_come_together_are_written_as_one_line() -> None:
    lines = Lines()
    log = QueryLog(cast(FilteringBoundLogger, lines))
    log.add("status", "member", "why", [bytes(32)])
    log.add("record", "member", "why", [bytes(32)])
    assert lines.queries == []
    await asyncio.sleep(query_log_module.FLUSH_S + 0.1)
    assert [len(line) for line in lines.queries] == [2]


async def test_queries_of_many_keys_do_not_gather_into_a_line_without_bound() -> None:
    lines = Lines()
    log = QueryLog(cast(FilteringBoundLogger, lines))
    for _ in range(3):
        log.add("status", "member", "why", [bytes(32)] * query_log_module.KEYS_PER_LINE_MAX)
    log.flush()
    assert [len(line) for line in lines.queries] == [1, 1, 1]
