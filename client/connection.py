"""One node as a client reaches it: a TLS channel pinned to the node's certificate, and the member's token on each
call.

Guarantees: bytes go only to the holder of the certificate that the genesis document names for this node; a failed
call becomes a typed error with the node's stable code. Leaves to others: which node to ask, when to ask again, and
belief in the answer.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from pledgebook.v1 import ledger_pb2_grpc, registry_pb2_grpc, supervision_pb2_grpc
from registry.access_token import METADATA_KEY, TOKEN_LIFE_MS_MAX, make_token
from registry.identifiers import MemberId
from registry.nodes import NetworkNode
from registry.signing import SigningKey

from .errors import CallRefused, ClientError, Unreachable
from .wire import words_of

# A block of 4 MiB with certificate and receipts.
MESSAGE_BYTES_MAX: Final = 16 << 20
STATUS_DETAILS_KEY: Final = "grpc-status-details-bin"
ERROR_DOMAIN: Final = "pledgebook"
# Renewed well before its end, so that no call carries one that expires on the way.
TOKEN_RENEW_MS: Final = TOKEN_LIFE_MS_MAX // 2

_ASK_ANOTHER_NODE: Final = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.INTERNAL,
    }
)

Clock = Callable[[], int]


def system_clock() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Identity:
    """As whom the client asks."""

    member: MemberId
    key: SigningKey


class Connection:
    """A channel to one node. `close` it when done."""

    def __init__(self, node: NetworkNode, address: str, identity: Identity | None, clock: Clock) -> None:
        self.node_id = node.node_id
        self.address = address
        self._identity = identity
        self._clock = clock
        self._token = ""
        self._token_ms = 0
        certificate = ssl.DER_cert_to_PEM_cert(node.tls_certificate_der).encode()
        self._channel = grpc.aio.secure_channel(
            address,
            grpc.ssl_channel_credentials(root_certificates=certificate),
            options=(
                ("grpc.ssl_target_name_override", node.node_id),
                ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
                ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
                # Each node has a channel of its own in each client: two clients must not share one behind our back.
                ("grpc.use_local_subchannel_pool", 1),
                ("grpc.initial_reconnect_backoff_ms", 100),
                ("grpc.max_reconnect_backoff_ms", 2_000),
            ),
        )
        self.registry = registry_pb2_grpc.RegistryStub(self._channel)
        self.ledger = ledger_pb2_grpc.LedgerStub(self._channel)
        self.supervision = supervision_pb2_grpc.SupervisionStub(self._channel)

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The member's token for this node, renewed in time; empty for a client without an identity."""
        if self._identity is None:
            return ()
        now_ms = self._clock()
        if not self._token or not 0 <= now_ms - self._token_ms < TOKEN_RENEW_MS:
            self._token = make_token(self._identity.key, self._identity.member, self.node_id, now_ms)
            self._token_ms = now_ms
        return ((METADATA_KEY, self._token),)

    async def close(self) -> None:
        await self._channel.close()

    def failure(self, error: grpc.aio.AioRpcError) -> ClientError:
        """The typed error behind a failed call: `Unreachable` when another node may answer, else `CallRefused`."""
        reason, retry_after_ms = _details(error)
        message = words_of(error.details() or error.code().name)
        if reason is None and error.code() in _ASK_ANOTHER_NODE:
            return Unreachable(f"{self.node_id} at {self.address}: {message}")
        return CallRefused(
            reason or error.code().name, message, node_id=self.node_id, retry_after_ms=retry_after_ms
        )


def _details(error: grpc.aio.AioRpcError) -> tuple[str | None, int | None]:
    """The stable code and the time to wait that a node sent along, if it did."""
    reason: str | None = None
    retry_after_ms: int | None = None
    for key, value in error.trailing_metadata() or ():
        if key != STATUS_DETAILS_KEY or not isinstance(value, bytes):
            continue
        try:
            for detail in Status.FromString(value).details:
                info, retry = ErrorInfo(), RetryInfo()
                if detail.Unpack(info) and info.domain == ERROR_DOMAIN:
                    reason = words_of(info.reason)
                elif detail.Unpack(retry):
                    retry_after_ms = retry.retry_delay.ToMilliseconds()
        except DecodeError:
            return None, None
    return reason, retry_after_ms
