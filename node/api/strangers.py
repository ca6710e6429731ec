"""Calls without a member's token: few at a time, and none that never says what it wants.

gRPC counts a call from its first byte, and a handler of a unary call begins only when the request is there. A thousand calls
that never send one would leave the members none, whatever their handlers check.

Guarantees: callers without a valid token hold at most a part of the server's calls, and one connection a part of that; a
stranger's request that has not come in `REQUEST_TIMEOUT_S` ends its call; a call that needs a token is refused before its
request is read into memory. Members are not touched: their handler is the service's own.
Leaves to others: what a stranger may ask (the ledger and the health service answer anybody).
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from grpc import aio
from grpc.aio import ServicerContext

from node.api.calls import Api, StreamSlots
from node.status import CallCode, CallRefused, abort
from registry.access_token import METADATA_KEY

REQUEST_TIMEOUT_S = 10.0
# The parts of `limits.concurrent_calls`.
STRANGERS_SHARE = 4
CONNECTION_SHARE = 16

# The types of gRPC know handlers of the synchronous server only.
Handler = Any
Context = ServicerContext[Any, Any]


class Strangers(aio.ServerInterceptor):
    """Puts bounds round the handlers of calls that no member makes."""

    def __init__(self, api: Api, members_only: tuple[str, ...]) -> None:
        """`members_only` is how the methods begin that answer nobody else."""
        self._api = api
        self._members_only = members_only
        calls = api.limits.concurrent_calls
        self._slots = StreamSlots(max(1, calls // STRANGERS_SHARE), max(1, calls // CONNECTION_SHARE))

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """The service's own handler for members, a bounded one for strangers."""
        handler = await continuation(handler_call_details)
        refused = self._why_stranger(handler_call_details)
        # Reflection streams its requests and has bounds of its own (`public_services`).
        if refused is None or handler is None or handler.request_streaming:
            return handler
        if handler_call_details.method.startswith(self._members_only):
            return _refusing(refused)
        return self._bounded(handler)

    def _why_stranger(self, details: grpc.HandlerCallDetails) -> CallRefused | None:
        value = dict(details.invocation_metadata or ()).get(METADATA_KEY)
        try:
            self._api.gate.admit(value if isinstance(value, str) else None, self._api.clock.now_ms())
        except CallRefused as refused:
            return refused
        return None

    def _bounded(self, handler: Handler) -> Handler:
        async def request_of(requests: AsyncIterator[Any], context: Context) -> Any:
            try:
                async with asyncio.timeout(REQUEST_TIMEOUT_S):
                    return await anext(requests)
            except (TimeoutError, StopAsyncIteration):
                await abort(context, CallRefused(CallCode.BAD_REQUEST, "the request did not come"))

        async def one(requests: AsyncIterator[Any], context: Context) -> Any:
            """A unary answer, or a stream that its handler writes to the context."""
            try:
                with self._slots.hold(context.peer()):
                    behaviour = handler.unary_stream if handler.response_streaming else handler.unary_unary
                    return await behaviour(await request_of(requests, context), context)
            except CallRefused as full:
                await abort(context, full)

        async def many(requests: AsyncIterator[Any], context: Context) -> AsyncGenerator[Any, None]:
            try:
                with self._slots.hold(context.peer()):
                    async for response in handler.unary_stream(await request_of(requests, context), context):
                        yield response
            except CallRefused as full:
                await abort(context, full)

        codecs = {
            "request_deserializer": handler.request_deserializer,
            "response_serializer": handler.response_serializer,
        }
        if not handler.response_streaming:
            return grpc.stream_unary_rpc_method_handler(one, **codecs)
        generates = inspect.isasyncgenfunction(handler.unary_stream)
        return grpc.stream_stream_rpc_method_handler(many if generates else one, **codecs)


def _refusing(refused: CallRefused) -> Handler:
    """Ends a call before its request is read."""

    async def refuse(requests: AsyncIterator[Any], context: Context) -> None:
        await abort(context, refused)

    return grpc.stream_unary_rpc_method_handler(refuse)
