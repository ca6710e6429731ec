"""From questions as they are asked to the history that the parties of a receivable read: beside the hot path, never on it.

Guarantees: noting a question takes a dictionary's time; resolving keys and writing is done on a thread of its own, one batch at a
time, within WRITE_S of the first question of a batch and at the stop of the node. A crash loses what was asked in the last second. What
cannot be kept, because more is asked than can be written or the disk fails, is counted in the node's log and in nobody's way.
A key under which no receivable stands is not kept: a list that anybody could fill with guesses is nobody's.
Leaves to others: what is kept for how long (`node.query_history`), and the node's own file of all queries (`query_log`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

import lmdb
from structlog.typing import FilteringBoundLogger

from node.api.answers import receivable_behind
from node.clock import Clock
from node.ports import SnapshotPort, StorePort
from node.query_history import HistoryDamaged, QueryHistory, Question, Questions
from registry.stored import Namespace, split_stored, state_key

WRITE_S = 0.5
# Some 10 MB, and what one thread resolves and writes in about a second.
PENDING_MAX = 20_000

NamedKey = tuple[Namespace, bytes]
"""A receivable as it was asked for: by id, or by fingerprint."""
_Asked = tuple[NamedKey, str, str, str]


class QueryNotes:
    """Collects questions on the event loop and writes them together on its own thread."""

    def __init__(
        self, history: QueryHistory, store: StorePort, clock: Clock, logger: FilteringBoundLogger
    ) -> None:
        self._history = history
        self._store = store
        self._clock = clock
        self._logger = logger
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="query-notes")
        self._pending: dict[_Asked, tuple[int, int, int]] = {}
        self._not_kept = 0
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Future[None] | None = None

    def add(self, kind: str, asker: str, purpose: str, keys: Iterable[NamedKey]) -> None:
        """Note that a member asks: `status`, `record` or `preflight`, and of what."""
        now_ms = self._clock.now_ms()
        for key in keys:
            asked = (key, asker, kind, purpose)
            first_ms, _, times = self._pending.get(asked, (now_ms, now_ms, 0))
            if not times and len(self._pending) >= PENDING_MAX:
                self._not_kept += 1
                continue
            self._pending[asked] = (first_ms, now_ms, times + 1)
        if self._timer is None and self._writing is None and self._pending:
            self._timer = asyncio.get_running_loop().call_later(WRITE_S, self._write_soon)

    def of(self, receivable_id: bytes) -> Questions:
        """What is on disk. Raises HistoryDamaged, lmdb.Error."""
        return self._history.of(receivable_id)

    async def close(self) -> None:
        """Write what is left."""
        if self._writing is not None:
            await asyncio.wait([self._writing])
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        try:
            if self._pending:
                await asyncio.get_running_loop().run_in_executor(self._thread, self._write, self._taken())
        finally:
            self._thread.shutdown()

    def _write_soon(self) -> None:
        self._timer = None
        self._writing = asyncio.get_running_loop().run_in_executor(self._thread, self._write, self._taken())
        self._writing.add_done_callback(self._written)

    def _written(self, writing: asyncio.Future[None]) -> None:
        self._writing = None
        if self._pending:
            self._timer = asyncio.get_running_loop().call_later(WRITE_S, self._write_soon)
        writing.result()  # a damaged store ends the node, wherever it shows

    def _taken(self) -> dict[_Asked, tuple[int, int, int]]:
        taken, self._pending = self._pending, {}
        if self._not_kept:
            self._logger.warning("queries_not_kept", count=self._not_kept, reason="too many at once")
            self._not_kept = 0
        return taken

    def _write(self, asked: Mapping[_Asked, tuple[int, int, int]]) -> None:
        """On the thread."""
        by_receivable: dict[bytes, list[Question]] = {}
        with self._store.read() as snapshot:
            for (key, asker, kind, purpose), (first_ms, last_ms, times) in asked.items():
                receivable_id = _receivable_under(snapshot, key)
                if receivable_id is not None:
                    question = Question(asker, kind, purpose, first_ms, last_ms, times)
                    by_receivable.setdefault(receivable_id, []).append(question)
        try:
            if by_receivable:
                self._history.note(by_receivable)
        except (HistoryDamaged, lmdb.Error, OSError) as error:
            self._logger.error("queries_not_kept", count=len(asked), reason=str(error))


def _receivable_under(snapshot: SnapshotPort, key: NamedKey) -> bytes | None:
    """The receivable that stands under a key."""
    namespace, identifier = key
    stored = snapshot.value(state_key(namespace, identifier))
    if stored is None:
        return None
    return receivable_behind(split_stored(stored)[0]) if namespace is Namespace.FINGERPRINT else identifier
