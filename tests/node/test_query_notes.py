"""What the parties of a receivable are told of who asked about it: those that may see it, and off the way of queries."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import grpc
import pytest

from node.api import query_notes as notes_module
from node.api.access import RateLimit
from node.api.calls import Api
from node.api.query_notes import QueryNotes
from node.api.registry_service import RegistryService
from node.clock import SystemClock
from node.query_history import QueryHistory, Questions
from node.telemetry import Metrics, node_logger
from pledgebook.v1 import registry_pb2
from registry.fingerprints import FingerprintKind
from registry.operations.governance import Role
from tests.node.test_preflight_visibility import ConsortiumStore
from tests.registry.consortium import (
    AFFILIATE,
    ASSOCIATION,
    COURT,
    DEBTOR,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    FACTOR_3,
    OTHER_DEBTOR,
    Consortium,
    found,
)

UNKNOWN = b"\x01" * 32


class Refused(Exception):
    """A call that ended with a status."""


class Context:
    """The little that a call needs of gRPC."""

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return ()

    async def abort(self, code: grpc.StatusCode, *_: Any, **_details: Any) -> None:
        raise Refused(code)


class Asking:
    """One node's service in this process, over a consortium's state."""

    def __init__(self, trade: Consortium, history: QueryHistory) -> None:
        self.trade = trade
        self.store = cast(Any, ConsortiumStore(trade))
        self.caller = EXPORTER
        logger = node_logger("test")
        self.notes = QueryNotes(history, self.store, SystemClock(), logger)
        self.roles: tuple[Role, ...] | None = None
        api = SimpleNamespace(
            store=self.store,
            clock=SystemClock(),
            query_rate=RateLimit(1_000_000),
            query_log=SimpleNamespace(add=lambda *_: None),
            query_notes=self.notes,
            metrics=Metrics(),
            logger=logger,
            caller=lambda _context: self._member(),
        )
        self.service = RegistryService(cast(Api, api), cast(Any, None))

    def _member(self) -> Any:
        member = self.trade.working().member(self.caller)
        assert member is not None
        return member if self.roles is None else replace(member, roles=self.roles)

    def ask(self, asker: str, *keys: registry_pb2.ReceivableKey, purpose: str = "why") -> None:
        """Only what a query leaves behind: the consortium's blocks carry no certificates to answer with."""
        self.caller = asker
        self.service._note_query(self._member(), "status", purpose, keys)

    async def listed(self, caller: str, receivable: bytes) -> registry_pb2.ListQueriesResponse:
        self.caller = caller
        request = registry_pb2.ListQueriesRequest(receivable_id=receivable)
        return await self.service.ListQueries(request, cast(Any, Context()))


@contextmanager
def opened(folder: Path) -> Iterator[QueryHistory]:
    history = QueryHistory.open(folder, bytes(32))
    try:
        yield history
    finally:
        history.close()


@pytest.fixture
async def asking(tmp_path: Path) -> AsyncIterator[Asking]:
    with opened(tmp_path / "queries") as history:
        asking = Asking(found(), history)
        yield asking
        await asking.notes.close()


def by_id(identifier: bytes) -> registry_pb2.ReceivableKey:
    return registry_pb2.ReceivableKey(receivable_id=identifier)


async def written(asking: Asking) -> None:
    async with asyncio.timeout(5):
        while asking.notes._pending or asking.notes._writing is not None:  # noqa: ASYNC110  # as a reader would
            await asyncio.sleep(0.01)


async def test_party_is_told_who_asked_why_and_when(asking: Asking) -> None:
    receivable = asking.trade.registered("ONE")
    before_ms = SystemClock().now_ms()
    asking.ask(FACTOR_3, by_id(receivable), purpose="offer 7")
    asking.ask(FACTOR_3, by_id(receivable), purpose="offer 7")
    assert not (await asking.listed(EXPORTER, receivable)).queries
    await written(asking)
    (query,) = (await asking.listed(EXPORTER, receivable)).queries
    assert (query.asker, query.kind, query.purpose, query.times) == (FACTOR_3, "status", "offer 7", 2)
    assert before_ms <= query.first_ms <= query.last_ms <= SystemClock().now_ms()


async def test_query_by_fingerprint_is_kept_under_the_receivable_behind_it(asking: Asking) -> None:
    registration = asking.trade.registration("ONE")
    receivable = asking.trade.do(registration).results[0].subject
    fingerprint = registry_pb2.Fingerprint(
        kind=int(FingerprintKind.INVOICE), value=registration.fingerprints.invoice
    )
    asking.ask(FACTOR_3, registry_pb2.ReceivableKey(fingerprint=fingerprint))
    await written(asking)
    assert [query.asker for query in (await asking.listed(DEBTOR, receivable)).queries] == [FACTOR_3]


async def test_query_for_what_is_not_registered_is_not_kept(asking: Asking, tmp_path: Path) -> None:
    fingerprint = registry_pb2.Fingerprint(kind=int(FingerprintKind.INVOICE), value=UNKNOWN)
    asking.ask(FACTOR_3, by_id(UNKNOWN), registry_pb2.ReceivableKey(fingerprint=fingerprint))
    await written(asking)
    assert not (await asking.listed(ASSOCIATION, UNKNOWN)).queries
    with pytest.raises(Refused):
        await asking.listed(EXPORTER, UNKNOWN)


async def test_list_is_for_those_who_may_see_the_whole_record(asking: Asking) -> None:
    trade = asking.trade
    receivable = trade.registered("ONE")
    trade.do(trade.assignment(receivable, 6_000, FACTOR_2))
    trade.do(trade.pledging(receivable, 1_500, FACTOR_1))
    asking.ask(AFFILIATE, by_id(receivable))
    await written(asking)
    for reader in (EXPORTER, DEBTOR, FACTOR_2, FACTOR_1, ASSOCIATION, COURT):
        assert [query.asker for query in (await asking.listed(reader, receivable)).queries] == [AFFILIATE]
    for stranger in (AFFILIATE, FACTOR_3, OTHER_DEBTOR):
        with pytest.raises(Refused, match="PERMISSION_DENIED"):
            await asking.listed(stranger, receivable)
    asking.roles = (Role.AUDITOR,)
    assert (await asking.listed(FACTOR_3, receivable)).queries


async def test_what_is_no_id_is_refused(asking: Asking) -> None:
    with pytest.raises(Refused, match="INVALID_ARGUMENT"):
        await asking.listed(EXPORTER, b"short")


async def test_what_was_asked_is_there_after_a_stop(tmp_path: Path) -> None:
    trade = found()
    receivable = trade.registered("ONE")
    for asker in (FACTOR_1, FACTOR_2):
        with opened(tmp_path / "queries") as history:
            asking = Asking(trade, history)
            asking.ask(asker, by_id(receivable))
            await asking.notes.close()
    with opened(tmp_path / "queries") as history:
        assert [question.asker for question in history.of(receivable).kept] == [FACTOR_1, FACTOR_2]


class FailingHistory:
    """A disk that is full."""

    def __init__(self) -> None:
        self.tried = 0

    def note(self, _asked: object) -> None:
        self.tried += 1
        raise OSError(28, "No space left on device")

    def of(self, _receivable_id: bytes) -> Questions:
        return Questions()


async def test_disk_that_fails_stops_no_query() -> None:
    failing = FailingHistory()
    asking = Asking(found(), cast(Any, failing))
    receivable = asking.trade.registered("ONE")
    for expected in (1, 2):
        asking.ask(FACTOR_3, by_id(receivable))
        await written(asking)
        assert failing.tried == expected
    await asking.notes.close()


async def test_more_than_can_be_written_is_dropped_and_not_queued(asking: Asking) -> None:
    receivable = asking.trade.registered("ONE")
    for number in range(notes_module.PENDING_MAX + 5):
        asking.ask(FACTOR_3, by_id(receivable), purpose=str(number))
    assert len(asking.notes._pending) == notes_module.PENDING_MAX
