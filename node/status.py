"""The one table from what went wrong to a gRPC status, an HTTP status and a process exit code.

Guarantees: every refusal that leaves the node carries its stable code as google.rpc.ErrorInfo (gRPC) or in a
problem+json document (HTTP, RFC 9457), and, where the caller should come back, after how long. Nothing else of the
failure leaves: no trace, no path, no secret.
Codes of single entries (`registry.errors.Code`) travel in answers, not in statuses; the codes here are about calls.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from http import HTTPStatus
from typing import Any, Never

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc.aio import ServicerContext

ERROR_DOMAIN = "pledgebook"
STATUS_DETAILS_KEY = "grpc-status-details-bin"


class CallCode(StrEnum):
    """Stable codes of refused calls."""

    BAD_REQUEST = "BAD_REQUEST"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    UNKNOWN_HEIGHT = "UNKNOWN_HEIGHT"
    NO_BLOCK_YET = "NO_BLOCK_YET"
    OVERLOADED = "OVERLOADED"
    STOPPING = "STOPPING"
    WRONG_PEER = "WRONG_PEER"


class ExitCode(IntEnum):
    """How a node process ends."""

    CLEAN = 0
    FATAL = 1
    CONFIG = 2
    STORE = 3
    PORT_IN_USE = 4
    UPGRADE = 5  # a scheduled halt was reached


GRPC_STATUS: dict[CallCode, grpc.StatusCode] = {
    CallCode.BAD_REQUEST: grpc.StatusCode.INVALID_ARGUMENT,
    CallCode.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    CallCode.FORBIDDEN: grpc.StatusCode.PERMISSION_DENIED,
    CallCode.UNKNOWN_HEIGHT: grpc.StatusCode.NOT_FOUND,
    CallCode.NO_BLOCK_YET: grpc.StatusCode.UNAVAILABLE,
    CallCode.OVERLOADED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    CallCode.STOPPING: grpc.StatusCode.UNAVAILABLE,
    CallCode.WRONG_PEER: grpc.StatusCode.FAILED_PRECONDITION,
}

HTTP_STATUS: dict[CallCode, HTTPStatus] = {
    CallCode.BAD_REQUEST: HTTPStatus.BAD_REQUEST,
    CallCode.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    CallCode.FORBIDDEN: HTTPStatus.FORBIDDEN,
    CallCode.UNKNOWN_HEIGHT: HTTPStatus.NOT_FOUND,
    CallCode.NO_BLOCK_YET: HTTPStatus.SERVICE_UNAVAILABLE,
    CallCode.OVERLOADED: HTTPStatus.TOO_MANY_REQUESTS,
    CallCode.STOPPING: HTTPStatus.SERVICE_UNAVAILABLE,
    CallCode.WRONG_PEER: HTTPStatus.PRECONDITION_FAILED,
}


class CallRefused(Exception):
    """A call is refused as a whole; `retry_after_ms` is set when the same call may succeed later."""

    def __init__(self, code: CallCode, message: str, *, retry_after_ms: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after_ms = retry_after_ms


async def abort(context: ServicerContext[Any, Any], refused: CallRefused) -> Never:
    """End the call with the refusal's status and details. Raises grpc's own abort, always."""
    status = rich_status(refused)
    await context.abort(
        GRPC_STATUS[refused.code],
        refused.message,
        trailing_metadata=((STATUS_DETAILS_KEY, status.SerializeToString()),),
    )
    raise AssertionError("abort returned")


def rich_status(refused: CallRefused) -> Status:
    """The google.rpc.Status of a refusal: ErrorInfo with the stable code, RetryInfo when a retry makes sense."""
    number: int = GRPC_STATUS[refused.code].value[0]
    status = Status(code=number, message=refused.message)
    info = AnyMessage()
    info.Pack(ErrorInfo(reason=str(refused.code), domain=ERROR_DOMAIN))
    status.details.append(info)
    if refused.retry_after_ms is not None:
        seconds, milliseconds = divmod(refused.retry_after_ms, 1_000)
        retry = AnyMessage()
        retry.Pack(RetryInfo(retry_delay=Duration(seconds=seconds, nanos=milliseconds * 1_000_000)))
        status.details.append(retry)
    return status


def problem_json(refused: CallRefused) -> dict[str, object]:
    """The problem+json document (RFC 9457) of a refusal."""
    status = HTTP_STATUS[refused.code]
    return {
        "type": f"urn:pledgebook:error:{refused.code}",
        "title": status.phrase,
        "status": int(status),
        "detail": refused.message,
        "code": str(refused.code),
    }
