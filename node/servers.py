"""The three listening sockets of a node: peers, members, operator.

Guarantees: a port that another process holds is `PortInUse` before anything else starts; no socket is shared with another
process (SO_REUSEPORT off), so that two nodes on one port are noticed.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager

import grpc
import uvicorn
from fastapi import FastAPI
from grpc import aio
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from node.api.ledger_service import LedgerService
from node.api.public_services import PublicHealth, PublicReflection, public_slots
from node.api.registry_service import RegistryService
from node.api.strangers import Strangers
from node.api.supervision_service import SupervisionService
from node.config import Address, Limits
from node.peering.peer_service import PeerService
from node.peering.peers import MESSAGE_BYTES_MAX
from node.tls import Identity, api_server_credentials, peer_server_credentials
from pledgebook.v1 import (
    ledger_pb2,
    ledger_pb2_grpc,
    peer_pb2_grpc,
    registry_pb2,
    registry_pb2_grpc,
    supervision_pb2,
    supervision_pb2_grpc,
)

LISTEN_BACKLOG = 128
HEADER_BYTES_MAX = 16 * 1024
MEMBERS_ONLY = ("/pledgebook.v1.Registry/", "/pledgebook.v1.Supervision/")

_COMMON_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.so_reuseport", 0),
    ("grpc.max_metadata_size", HEADER_BYTES_MAX),
    # Whoever connects and says nothing is let go of after this long.
    ("grpc.server_handshake_timeout_ms", 10_000),
    # Callers may ping this often; more is an attack.
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
)


class PortInUse(Exception):
    """Another process listens where this node is to listen."""


def peer_server(
    address: Address, identity: Identity, pinned: Callable[[], Iterable[bytes]], service: PeerService
) -> aio.Server:
    """The server for other nodes. Raises PortInUse."""
    server = aio.server(
        options=[
            *_COMMON_OPTIONS,
            ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
            ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
        ]
    )
    peer_pb2_grpc.add_PeerServicer_to_server(service, server)
    _listen(server, address, peer_server_credentials(identity, pinned), "listen.peer")
    return server


def api_server(
    address: Address,
    identity: Identity,
    limits: Limits,
    registry_service: RegistryService,
    ledger_service: LedgerService,
    supervision_service: SupervisionService,
) -> tuple[aio.Server, PublicHealth]:
    """The server for members, and where its health is set. Raises PortInUse."""
    server = aio.server(
        options=[
            *_COMMON_OPTIONS,
            ("grpc.max_receive_message_length", limits.message_bytes),
            ("grpc.max_send_message_length", limits.message_bytes),
            ("grpc.max_concurrent_streams", limits.concurrent_calls),
        ],
        maximum_concurrent_rpcs=limits.concurrent_calls,
        interceptors=[Strangers(registry_service.api, members_only=MEMBERS_ONLY)],
    )
    registry_pb2_grpc.add_RegistryServicer_to_server(registry_service, server)
    ledger_pb2_grpc.add_LedgerServicer_to_server(ledger_service, server)
    supervision_pb2_grpc.add_SupervisionServicer_to_server(supervision_service, server)
    slots = public_slots()
    health = PublicHealth(slots)
    add_HealthServicer_to_server(health, server)
    names = [
        registry_pb2.DESCRIPTOR.services_by_name["Registry"].full_name,
        ledger_pb2.DESCRIPTOR.services_by_name["Ledger"].full_name,
        supervision_pb2.DESCRIPTOR.services_by_name["Supervision"].full_name,
        health_pb2.DESCRIPTOR.services_by_name["Health"].full_name,
        reflection.SERVICE_NAME,
    ]
    # Generated without types.
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(  # type: ignore[no-untyped-call]
        PublicReflection(names, slots), server
    )
    _listen(server, address, api_server_credentials(identity), "listen.api")
    return server, health


def _listen(server: aio.Server, address: Address, credentials: grpc.ServerCredentials, key: str) -> None:
    try:
        bound = server.add_secure_port(str(address), credentials)
    except RuntimeError as error:
        raise PortInUse(
            f"{key} = {address}: cannot listen there; is another process using the port?"
        ) from error
    if bound == 0:
        raise PortInUse(f"{key} = {address}: cannot listen there; is another process using the port?")


class OperatorServer:
    """uvicorn inside our event loop, on a socket that we have bound, with our signal handling."""

    def __init__(self, address: Address, app: FastAPI) -> None:
        """Raises PortInUse."""
        self._socket = _bind(address)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_keep_alive=5,
            timeout_graceful_shutdown=1,
            limit_concurrency=64,
            h11_max_incomplete_event_size=HEADER_BYTES_MAX,
        )
        self._server = _QuietServer(config)

    async def run(self) -> None:
        """Serve until `stop`."""
        await self._server.serve(sockets=[self._socket])

    def stop(self) -> None:
        """End `run` soon."""
        self._server.should_exit = True

    def close(self) -> None:
        """Free the port, also when `run` was never called."""
        self._socket.close()


class _QuietServer(uvicorn.Server):
    """Signals are the runtime's: one place decides how the process stops."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def _bind(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    # A restart must not wait for the old connections' TIME_WAIT; it does not allow two listeners.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address.host, address.port))
        listener.listen(LISTEN_BACKLOG)
    except OSError as error:
        listener.close()
        raise PortInUse(
            f"listen.http = {address}: {error.strerror}; is another process using the port?"
        ) from error
    listener.setblocking(False)
    return listener
