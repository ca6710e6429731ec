"""pledgebook.v1.Supervision: reports, and alerts as they are raised.

Guarantees: a member is told of itself and of what it is a party to; the sector, and every factor, of nobody but the association,
auditors and courts. Nothing here waits for a disk or a replay on the event loop.
Leaves to others: making reports (`node.supervision.report_desk`) and raising alerts (`node.supervision.alert_desk`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from grpc.aio import ServicerContext

from node.api.calls import Api, StreamSlots, answers, check_purpose, streams
from node.api.visibility import may_see, reads_all
from node.ports import SnapshotPort
from node.status import CallCode, CallRefused
from node.supervision.alert_desk import AlertDesk
from node.supervision.report_desk import ReportDesk
from pledgebook.v1 import supervision_pb2, supervision_pb2_grpc
from registry.identifiers import BadIdentifier, parse_member_id
from registry.member import Member
from registry.receivable import Receivable
from registry.stored import Namespace, decode_value, state_key
from registry.supervision.alerts import Alert
from registry.supervision.fold import ReportRequest

# A report is derived from the whole chain: it costs its caller as much as so many queries.
QUERIES_PER_REPORT = 100
# One member must not take every turn: there are few, and each takes long.
REPORT_CALLS_MAX = 64
REPORT_CALLS_PER_MEMBER = 2
# Decoding an alert, and looking whether its receivable is the caller's, takes up to 0.1 ms; proving a status 0.2 ms.
ALERTS_PER_QUERY = 2
# Well under gRPC's default of 4 MiB for a message.
PIECE_BYTES = 1 << 20
# A caller who takes nothing for so long has forgotten its stream, which others could have.
SLOW_S_MAX = 60.0


class SupervisionService(supervision_pb2_grpc.SupervisionServicer):
    """The server side of pledgebook.v1.Supervision."""

    def __init__(self, api: Api, reports: ReportDesk, alerts: AlertDesk) -> None:
        self.api = api
        self._reports = reports
        self._alerts = alerts
        self._slots = StreamSlots(REPORT_CALLS_MAX, REPORT_CALLS_PER_MEMBER)

    @streams
    async def Report(
        self, request: supervision_pb2.ReportRequest, context: ServicerContext[Any, Any]
    ) -> AsyncGenerator[supervision_pb2.ReportPart, None]:
        """How far the chain was followed, and then the document in pieces."""
        caller = self.api.caller(context)
        asked = self._asked(caller, request)
        with self.api.slots.hold(caller.member_id), self._slots.hold(caller.member_id):
            async with aclosing(self._reports.report(asked)) as parts:
                async for part in parts:
                    if isinstance(part, int):
                        yield supervision_pb2.ReportPart(height=part)
                        continue
                    for start in range(0, len(part), PIECE_BYTES):
                        yield supervision_pb2.ReportPart(document=part[start : start + PIECE_BYTES])

    # Written by hand and not yielded, so that a caller who does not read can be let go of.
    @answers
    async def WatchAlerts(  # type: ignore[override]  # the stubs know generators only
        self, request: supervision_pb2.WatchAlertsRequest, context: ServicerContext[Any, Any]
    ) -> None:
        """Alerts that the caller may see, from a height on, until it leaves. No queue is kept: who reads later, reads on."""
        caller = self.api.caller(context)
        with self.api.slots.hold(caller.member_id):
            height = request.from_height or self.api.feed.height + 1
            self._alerts.watch()
            while True:
                there = await self._alerts.above(height - 1)
                caller = self.api.caller_still(context)
                batches, last, looked_at = await asyncio.to_thread(
                    self._read, height, there, caller, reads_all(caller)
                )
                # A replay is work like a query's.
                await self.api.pace(caller, 1 + looked_at // ALERTS_PER_QUERY)
                told = 0
                for batch in batches:
                    told = batch.height
                    await send(context, batch)
                if told != last:
                    await send(context, supervision_pb2.AlertBatch(height=last))
                height = last + 1

    def _read(
        self, first: int, last: int, caller: Member, sees_all: bool
    ) -> tuple[list[supervision_pb2.AlertBatch], int, int]:
        """What the caller may see of these heights, up to which of them it is all, and how many alerts were looked at."""
        found, last = self._alerts.read(first, last)
        with self.api.store.read() as snapshot:
            batches = [
                supervision_pb2.AlertBatch(
                    height=raised.height,
                    time_ms=raised.time_ms,
                    alerts=[
                        _message(alert, entry_id)
                        for alert, entry_id in raised.alerts
                        if sees_all or _is_party(snapshot, caller, alert)
                    ],
                )
                for raised in found
            ]
        looked_at = sum(len(raised.alerts) for raised in found)
        return [batch for batch in batches if batch.alerts], last, looked_at

    def _asked(self, caller: Member, request: supervision_pb2.ReportRequest) -> ReportRequest:
        """What is asked for, when the caller may ask it. Raises CallRefused."""
        api = self.api
        check_purpose(request.purpose)
        member_id = _member_id(request.member_id)
        if member_id != caller.member_id and not reads_all(caller):
            raise CallRefused(
                CallCode.FORBIDDEN,
                "a member is told its own figures; those of others and of the sector are for the association, auditors and courts",
            )
        last = api.feed.height
        height, from_height = request.height or last, request.from_height or 1
        if not last:
            raise CallRefused(CallCode.NO_BLOCK_YET, "no block is committed yet", retry_after_ms=1_000)
        if height > last:
            raise CallRefused(CallCode.UNKNOWN_HEIGHT, f"the last committed height is {last}, not {height}")
        if from_height > height:
            raise CallRefused(
                CallCode.BAD_REQUEST, f"the period begins at {from_height}, after its end at {height}"
            )
        api.query_rate.take(caller.member_id, QUERIES_PER_REPORT, api.clock.monotonic_ms())
        api.query_log.add("report", caller.member_id, request.purpose, [request.member_id.encode()])
        return ReportRequest(height, member_id, from_height)


async def send(
    context: ServicerContext[Any, Any], batch: supervision_pb2.AlertBatch, slow_s_max: float = SLOW_S_MAX
) -> None:
    """Write a batch to the caller. Raises CallRefused when it has not taken it in time."""
    try:
        async with asyncio.timeout(slow_s_max):
            await context.write(batch)
    except TimeoutError as error:
        raise CallRefused(
            CallCode.OVERLOADED,
            f"nothing was read for {slow_s_max:g} s: watch again from height {batch.height}",
            retry_after_ms=1_000,
        ) from error


def _member_id(text: str) -> str | None:
    try:
        return parse_member_id(text) if text else None
    except BadIdentifier as error:
        raise CallRefused(CallCode.BAD_REQUEST, f"member_id: {error}") from error


def _is_party(snapshot: SnapshotPort, caller: Member, alert: Alert) -> bool:
    """Whether the caller was a party when it was raised, or is one now: then the record's history is for it, too."""
    own = caller.debtor_reference
    if caller.member_id in alert.parties or (own is not None and own == alert.debtor_reference):
        return True
    stored = snapshot.value(state_key(Namespace.RECEIVABLE, alert.subject)) if alert.subject else None
    if stored is None:
        return False
    record: Receivable = decode_value(Namespace.RECEIVABLE, stored)
    return may_see(caller, record)


def _message(alert: Alert, entry_id: bytes) -> supervision_pb2.Alert:
    # Not who may see it: one party of a receivable is not told the others by an alert on it.
    message = supervision_pb2.Alert(
        kind=alert.kind.value,
        subject=alert.subject,
        currency=alert.currency,
        amount=alert.amount,
        detail=alert.detail,
        entry_id=entry_id,
        entry_index=alert.entry_index,
        operation_index=alert.operation_index,
    )
    if alert.reference is not None:
        place = alert.reference
        message.reference.subject = place.subject
        message.reference.height = place.height
        message.reference.entry_index = place.entry_index
        message.reference.operation_index = place.operation_index
    return message
