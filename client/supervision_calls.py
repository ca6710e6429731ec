"""Reports and alerts as nodes tell them: their word, which nothing but the chain itself proves.

Of a report it is checked that it is what was asked for, in canonical form, and as of a block that a quorum has certified. Whether
its figures are right shows when somebody derives it again from an export: the bytes must be the same.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import grpc.aio

from pledgebook.v1 import supervision_pb2
from registry.errors import ProofInvalid, Reference
from registry.supervision.document import FORMAT, SECTOR, VERSION, canonical_json, has_form_of_report
from registry.supervision.fold import ReportRequest

from .answers import AlertBatch, RaisedAlert
from .connection import Connection
from .errors import CallRefused
from .node_circle import PASSING, RETRY_PAUSE_S, NodeCircle
from .verify import Head
from .wire import words_of

DOCUMENT_BYTES_MAX: Final = 256 << 20


async def fetch_report(
    nodes: NodeCircle,
    request: ReportRequest,
    purpose: str,
    deadline: float,
    progress: Callable[[int], None],
) -> bytes:
    """The document of the first node that makes one before the deadline. Raises CallRefused, Unreachable."""
    message = supervision_pb2.ReportRequest(
        height=request.height,
        from_height=request.from_height,
        member_id=request.member_id or "",
        purpose=purpose,
    )

    async def attempt(connection: Connection, left_s: float) -> bytes:
        document = bytearray()
        call = connection.supervision.Report(message, timeout=left_s, metadata=connection.metadata())
        async for part in call:
            if part.HasField("height"):
                progress(part.height)
                continue
            document += part.document
            if len(document) > DOCUMENT_BYTES_MAX:
                with nodes.suspecting(connection, part):
                    raise ProofInvalid(f"a report of more than {DOCUMENT_BYTES_MAX} bytes")
        return bytes(document)

    # A report takes a node as long as it takes: there is no use in asking the next one meanwhile.
    return await nodes.ask(attempt, deadline, deadline - asyncio.get_running_loop().time())


def check_report(document: bytes, request: ReportRequest, head: Head) -> dict[str, Any]:
    """The fields of a report, when it is what was asked for and as of the certified block. Raises ProofInvalid."""
    try:
        fields: Any = json.loads(document)
        is_canonical = isinstance(fields, dict) and canonical_json(fields) == document
    except (ValueError, RecursionError) as error:
        raise ProofInvalid(f"the report is not JSON: {error}") from error
    if not is_canonical:
        raise ProofInvalid("the report is not in canonical form")
    if not has_form_of_report(fields):
        raise ProofInvalid("the report has not the fields of one")
    header = head.header
    expected: dict[str, object] = {
        "format": FORMAT,
        "version": VERSION,
        "scope": request.member_id or SECTOR,
        "chain_id": header.chain_id.hex(),
        "height": header.height,
        "block_hash": head.block_hash.hex(),
        "state_root": header.state_root.hex(),
        "time_ms": header.time_ms,
        "from_height": request.from_height,
    }
    for name, value in expected.items():
        if fields.get(name) != value:
            raise ProofInvalid(
                f"the report's {name} is {fields.get(name)!r}, not {value!r}", stated=str(fields.get(name))
            )
    checked: dict[str, Any] = fields
    return checked


async def watched_alerts(nodes: NodeCircle, from_height: int) -> AsyncIterator[AlertBatch]:
    """Alerts block by block, each once, from one node after the other if need be; empty batches say how far they went."""
    following = from_height
    failures = 0
    while True:
        connection = nodes.connections[0]
        request = supervision_pb2.WatchAlertsRequest(from_height=following)
        try:
            async for batch in connection.supervision.WatchAlerts(request, metadata=connection.metadata()):
                failures = 0
                if batch.height >= following:
                    following = batch.height + 1
                    yield _batch(batch)
        except grpc.aio.AioRpcError as error:
            failure = connection.failure(error)
            failures += 1
            if isinstance(failure, CallRefused) and failure.code not in PASSING:
                raise failure from error
            if failures > 3 * len(nodes.connections):
                raise failure from error
            nodes.pass_over(connection)
            await asyncio.sleep(RETRY_PAUSE_S)


def _batch(message: supervision_pb2.AlertBatch) -> AlertBatch:
    return AlertBatch(message.height, message.time_ms, tuple(_alert(alert) for alert in message.alerts))


def _alert(message: supervision_pb2.Alert) -> RaisedAlert:
    reference = None
    if message.HasField("reference"):
        place = message.reference
        reference = Reference(place.subject, place.height, place.entry_index, place.operation_index)
    return RaisedAlert(
        kind=words_of(message.kind),
        subject=message.subject,
        currency=words_of(message.currency),
        amount=message.amount,
        detail=words_of(message.detail),
        reference=reference,
        entry_id=message.entry_id,
        entry_index=message.entry_index if message.HasField("entry_index") else None,
        operation_index=message.operation_index if message.HasField("operation_index") else None,
    )
