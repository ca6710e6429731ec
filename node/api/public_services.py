"""Health and reflection: the two services that keep a stream open for anybody, without a token.

Guarantees: strangers hold at most `STREAMS_MAX` of the server's calls, and one connection `STREAMS_PER_CONNECTION_MAX` of
these, so that they cannot leave the members without one. What is over is refused at once with OVERLOADED.
Leaves to others: the protocols themselves (grpcio-health-checking, grpcio-reflection).
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from typing import Any, cast

from grpc.aio import ServicerContext
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio as health_aio
from grpc_reflection.v1alpha import reflection, reflection_pb2

from node.api.calls import StreamSlots
from node.status import CallCode, CallRefused, abort

# A monitor or two for each of some machines; a fraction of `limits.concurrent_calls`.
STREAMS_MAX = 32
STREAMS_PER_CONNECTION_MAX = 4
# No service has a longer name, and the health service keeps what is watched.
SERVICE_NAME_CHARS_MAX = 100


def public_slots() -> StreamSlots:
    """The slots that both services of one server share."""
    return StreamSlots(STREAMS_MAX, STREAMS_PER_CONNECTION_MAX)


class PublicHealth(health_aio.HealthServicer):
    """grpc.health.v1.Health with a bound on watchers."""

    def __init__(self, slots: StreamSlots) -> None:
        super().__init__()
        self._slots = slots

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: ServicerContext[Any, Any]) -> None:
        """Tell a service's health now and whenever it changes."""
        try:
            if len(request.service) > SERVICE_NAME_CHARS_MAX:
                raise CallRefused(
                    CallCode.BAD_REQUEST, f"a service's name has at most {SERVICE_NAME_CHARS_MAX} characters"
                )
            with self._slots.hold(context.peer()):
                await super().Watch(request, context)
        except CallRefused as refused:
            await abort(context, refused)


class PublicReflection(reflection.aio.ReflectionServicer):
    """grpc.reflection.v1alpha.ServerReflection with a bound on callers."""

    def __init__(self, service_names: Iterable[str], slots: StreamSlots) -> None:
        super().__init__(service_names)
        self._slots = slots

    # The stubs make a coroutine of this async generator.
    async def ServerReflectionInfo(  # type: ignore[override]
        self,
        request_iterator: AsyncIterable[reflection_pb2.ServerReflectionRequest],
        context: ServicerContext[Any, Any],
    ) -> AsyncIterable[reflection_pb2.ServerReflectionResponse]:
        """Tell what the server offers."""
        try:
            with self._slots.hold(context.peer()):
                responses: object = super().ServerReflectionInfo(request_iterator, context)
                async for response in cast(AsyncIterable[reflection_pb2.ServerReflectionResponse], responses):
                    yield response
        except CallRefused as refused:
            await abort(context, refused)
