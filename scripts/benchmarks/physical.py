"""The limits of the machine, measured in the same run as the network: no design can go beyond them.

Ed25519 checks with the project's own verifier on one core and on all; a gRPC echo over TLS that does nothing; fdatasync.
Guarantees: each is measured for a stated time in processes of its own, while the network rests.
"""

from __future__ import annotations

import asyncio
import datetime
import multiprocessing
import os
import tempfile
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import grpc
from grpc import aio

from node.tls import generate_identity
from registry.signing import SigningKey, Tag, verify

ECHO_METHOD = "/pledgebook.benchmark.Echo/Echo"
ECHO_CALLS_IN_FLIGHT = 64
# As large as a signed entry with one registration.
MESSAGE = Tag.ENTRY + bytes(480)
SYNC_APPEND = bytes(4_096)
_SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True, slots=True)
class PhysicalLimits:
    """What the machine can do at most."""

    cores: int
    ed25519_per_s_one_core: float
    ed25519_per_s_all_cores: float
    grpc_echo_per_s: float
    fdatasync_per_s: float


def measure(seconds: float, folder: Path) -> PhysicalLimits:
    """Measure each limit for `seconds`; fdatasync in `folder`, so on the disk that the nodes use."""
    cores = len(os.sched_getaffinity(0))
    return PhysicalLimits(
        cores=cores,
        ed25519_per_s_one_core=_verifications_per_s(1, seconds),
        ed25519_per_s_all_cores=_verifications_per_s(cores, seconds),
        grpc_echo_per_s=_echoes_per_s(seconds),
        fdatasync_per_s=_syncs_per_s(seconds, folder),
    )


def _verifications_per_s(processes: int, seconds: float) -> float:
    with _SPAWN.Pool(processes) as pool:
        return sum(pool.map(_verify_for, [seconds] * processes))


def _verify_for(seconds: float) -> float:
    key = SigningKey(bytes(32))
    signature = key.sign(MESSAGE)
    count = 0
    started = time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds:
        for _ in range(100):
            verify(key.public_key, MESSAGE, signature)
        count += 100
    return count / elapsed


def _syncs_per_s(seconds: float, folder: Path) -> float:
    with tempfile.TemporaryFile(dir=folder) as file:
        count = 0
        started = time.perf_counter()
        while (elapsed := time.perf_counter() - started) < seconds:
            os.write(file.fileno(), SYNC_APPEND)
            os.fdatasync(file.fileno())
            count += 1
    return count / elapsed


def _echoes_per_s(seconds: float) -> float:
    """Calls per second of an empty service: server in one process, caller in another, as node and client are."""
    identity = generate_identity("echo", datetime.datetime.now(datetime.UTC))
    ours, theirs = _SPAWN.Pipe()
    server = _SPAWN.Process(
        target=_serve_echo, args=(theirs, identity.certificate_pem, identity.key_pem), daemon=True
    )
    server.start()
    try:
        port: int = ours.recv()
        with _SPAWN.Pool(1) as pool:
            return pool.apply(_call_echo, (port, identity.certificate_pem, seconds))
    finally:
        ours.send("stop")
        server.join()


def _serve_echo(connection: Connection, certificate_pem: bytes, key_pem: bytes) -> None:
    asyncio.run(_echo_server(connection, certificate_pem, key_pem))


async def _echo_server(connection: Connection, certificate_pem: bytes, key_pem: bytes) -> None:
    async def echo(request: bytes, context: aio.ServicerContext[bytes, bytes]) -> bytes:
        return request

    server = aio.server()
    service, _, method = ECHO_METHOD.removeprefix("/").rpartition("/")
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(echo)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
    credentials = grpc.ssl_server_credentials([(key_pem, certificate_pem)])
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    connection.send(port)
    await asyncio.to_thread(connection.recv)
    await server.stop(None)


def _call_echo(port: int, certificate_pem: bytes, seconds: float) -> float:
    return asyncio.run(_echo_caller(port, certificate_pem, seconds))


async def _echo_caller(port: int, certificate_pem: bytes, seconds: float) -> float:
    credentials = grpc.ssl_channel_credentials(certificate_pem)
    options = [("grpc.ssl_target_name_override", "echo")]
    count = 0
    async with aio.secure_channel(f"127.0.0.1:{port}", credentials, options) as channel:
        call: aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(ECHO_METHOD)
        await call(MESSAGE)
        started = time.perf_counter()

        async def caller() -> None:
            nonlocal count
            while time.perf_counter() - started < seconds:
                await call(MESSAGE)
                count += 1

        async with asyncio.TaskGroup() as group:
            for _ in range(ECHO_CALLS_IN_FLIGHT):
                group.create_task(caller())
        return count / (time.perf_counter() - started)
