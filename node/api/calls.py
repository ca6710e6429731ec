"""What the gRPC services share: who is calling, how a refusal leaves, how many streams may stay open.

Guarantees: every refusal goes through `status.abort` and is counted; a damaged store or an invariant that does not hold
stops the node; any other exception is logged and answered as INTERNAL without a word of what it said.
Leaves to others: the calls themselves (`registry_service`, `ledger_service`).
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import grpc
from grpc import aio
from grpc.aio import ServicerContext
from structlog.typing import FilteringBoundLogger

from node.api.access import Gate, RateLimit
from node.api.commit_feed import CommitFeed
from node.api.query_log import QueryLog
from node.api.query_notes import QueryNotes
from node.clock import Clock
from node.config import Limits
from node.ports import StorePort
from node.status import CallCode, CallRefused, abort
from node.telemetry import Metrics
from registry.access_token import METADATA_KEY
from registry.errors import InvariantViolation, StoreCorrupt
from registry.member import Member

Request = TypeVar("Request")
Response = TypeVar("Response")
Service = TypeVar("Service", bound="HasApi")

STREAM_RETRY_MS = 2_000
# A sentence: it is kept in the query log, and shown to the parties of what was asked for.
PURPOSE_CHARS_MAX = 200


class StreamSlots:
    """How many streams may stay open, in all and for one member."""

    def __init__(self, streams: int, per_member: int) -> None:
        self._streams = streams
        self._per_member = per_member
        self._open = 0
        self._by_member: dict[str, int] = {}

    @contextmanager
    def hold(self, member: str) -> Iterator[None]:
        """Take a slot while the block is open. Raises CallRefused when there is none."""
        own = self._by_member.get(member, 0)
        if self._open >= self._streams or own >= self._per_member:
            raise CallRefused(
                CallCode.OVERLOADED,
                f"{own} streams of {member} and {self._open} in all are open at this node; "
                f"at most {self._per_member} and {self._streams} can be",
                retry_after_ms=STREAM_RETRY_MS,
            )
        self._open += 1
        self._by_member[member] = own + 1
        try:
            yield
        finally:
            self._open -= 1
            self._by_member[member] -= 1
            if not self._by_member[member]:
                del self._by_member[member]


@dataclass(frozen=True)
class Api:
    """What every service of one node works with."""

    node_id: str
    chain_id: bytes
    store: StorePort
    feed: CommitFeed
    gate: Gate
    clock: Clock
    limits: Limits
    query_rate: RateLimit
    entry_rate: RateLimit
    slots: StreamSlots
    query_log: QueryLog
    query_notes: QueryNotes
    metrics: Metrics
    logger: FilteringBoundLogger
    fail: Callable[[BaseException], None]
    """Stop the node because of this."""

    def caller(self, context: ServicerContext[Any, Any]) -> Member:
        """The member behind a call. Raises CallRefused."""
        return self.gate.admit(_token_in(context), self.clock.now_ms())

    def caller_still(self, context: ServicerContext[Any, Any]) -> Member:
        """The same member again, as it is by now, in a stream that goes on. Raises CallRefused."""
        return self.gate.admitted_still(_token_in(context))

    async def pace(self, caller: Member, queries: int) -> None:
        """Take so many queries from the caller's allowance, and wait for as long as it is overdrawn."""
        overdrawn_ms = self.query_rate.overdraw(caller.member_id, queries, self.clock.monotonic_ms())
        if overdrawn_ms:
            await asyncio.sleep(overdrawn_ms / 1_000)


def _token_in(context: ServicerContext[Any, Any]) -> str | None:
    for key, value in context.invocation_metadata() or ():
        if key == METADATA_KEY:
            return value if isinstance(value, str) else None
    return None


def check_purpose(purpose: str) -> None:
    """Raises CallRefused when it says nothing, or too much: who asks says why."""
    if not 1 <= len(purpose.strip()) <= len(purpose) <= PURPOSE_CHARS_MAX:
        raise CallRefused(
            CallCode.BAD_REQUEST, f"say for what purpose you ask, in 1 to {PURPOSE_CHARS_MAX} characters"
        )


class HasApi(Protocol):
    """A service of this module's decorators."""

    @property
    def api(self) -> Api: ...


UnaryCall = Callable[[Service, Request, ServicerContext[Any, Any]], Awaitable[Response]]
StreamCall = Callable[[Service, Request, ServicerContext[Any, Any]], AsyncGenerator[Response, None]]


def answers(call: UnaryCall[Service, Request, Response]) -> UnaryCall[Service, Request, Response]:
    """A unary call whose refusals and failures leave as the module promises."""

    @functools.wraps(call)
    async def answer(service: Service, request: Request, context: ServicerContext[Any, Any]) -> Response:
        try:
            return await call(service, request, context)
        except Exception as error:  # the root of a call
            await _refuse(service.api, context, call.__name__, error)
            raise AssertionError("a refusal ends the call") from error

    return answer


def streams(call: StreamCall[Service, Request, Response]) -> StreamCall[Service, Request, Response]:
    """A streaming call whose refusals and failures leave as the module promises."""

    @functools.wraps(call)
    async def stream(
        service: Service, request: Request, context: ServicerContext[Any, Any]
    ) -> AsyncGenerator[Response, None]:
        try:
            # Closed here, not when the garbage is collected: a caller who leaves must free its slot at once.
            async with aclosing(call(service, request, context)) as responses:
                async for response in responses:
                    yield response
        except Exception as error:  # noqa: BLE001  # the root of a call
            await _refuse(service.api, context, call.__name__, error)

    return stream


async def _refuse(api: Api, context: ServicerContext[Any, Any], call: str, error: Exception) -> None:
    match error:
        case CallRefused():
            api.metrics.calls_refused.labels(code=str(error.code)).inc()
            await abort(context, error)
        case StoreCorrupt() | InvariantViolation():
            api.fail(error)
        case aio.AbortError() | aio.UsageError():
            # gRPC's own way to end a call, and what writing to a caller who has left raises.
            raise error
        case _:
            api.logger.error("call_failed", call=call, exc_info=error)
    await context.abort(grpc.StatusCode.INTERNAL, "the node failed to answer; its log says why")
