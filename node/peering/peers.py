"""The outgoing half of the talk between nodes: one gRPC stream to every other node.

Guarantees: `send` and `broadcast` never wait and never raise on a peer's account; a slow or dead peer costs its
own bounded outbox and nothing else; a lost stream is opened again after a pause that grows and is jittered. The channel
accepts only what the ledger pins for the peer's node id; peers come and go with the ledger's decisions.
Leaves to others: what arrives (`peer_service`), what is said and when (the engine), blocks that are missing (`sync`).
One event loop owns everything here.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import grpc
from grpc import aio
from structlog.typing import FilteringBoundLogger

from node.config import Address
from node.peering.outbox import Outbox, Priority
from node.telemetry import Metrics
from node.tls import Identity, peer_channel_credentials
from pledgebook.v1 import ledger_pb2, peer_pb2

PROTOCOL_VERSION = 1

# A block, with room for the frame round it.
MESSAGE_BYTES_MAX = 16 * 1024 * 1024
CONNECT_TIMEOUT_S = 5.0
PAUSE_FIRST_S = 0.1
PAUSE_LONGEST_S = 3.0

EXCHANGE_METHOD = "/pledgebook.v1.Peer/Exchange"
FETCH_BLOCKS_METHOD = "/pledgebook.v1.Peer/FetchBlocks"

CHANNEL_OPTIONS: tuple[tuple[str, str | int], ...] = (
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    # A peer whose machine vanished without a word is noticed within 15 seconds.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
    # Environment proxies have no business between nodes.
    ("grpc.enable_http_proxy", 0),
)


@dataclass(frozen=True, slots=True)
class PeerAddress:
    """Where a node listens, and the certificates of which it must prove one."""

    node_id: str
    address: Address
    certificates: tuple[bytes, ...]


class LinkUser(Protocol):
    """Who speaks over the streams."""

    def greeting(self) -> Iterable[bytes]:
        """The first frames of every new stream, Hello first."""
        ...

    def link_up(self, peer: str) -> None:
        """What is sent to this peer arrives from now on."""
        ...


class PeerLink:
    """The stream to one peer: connects, says hello, sends what its outbox holds, and starts again when it breaks."""

    def __init__(self, peer: PeerAddress, identity: Identity, logger: FilteringBoundLogger) -> None:
        self.node_id = peer.node_id
        self.outbox: Outbox[bytes] = Outbox()
        self.connected = False
        self.peer = peer
        self._identity = identity
        self._logger = logger.bind(peer=peer.node_id)
        self._channel: aio.Channel | None = None
        self._hurried = asyncio.Event()
        self._is_closed = False

    async def run(self, user: LinkUser) -> None:
        """Keep the stream up until cancelled."""
        pause_s = PAUSE_FIRST_S
        self._channel = aio.secure_channel(
            str(self.peer.address),
            peer_channel_credentials(self._identity, *self.peer.certificates),
            options=[*CHANNEL_OPTIONS, ("grpc.ssl_target_name_override", self.node_id)],
        )
        try:
            while True:
                was_connected = await self._session(self._channel, user)
                pause_s = PAUSE_FIRST_S if was_connected else min(pause_s * 2, PAUSE_LONGEST_S)
                # Jitter, so that nodes that lost each other at once do not all come back at once.
                await self._pause(pause_s * random.uniform(0.5, 1.5))  # noqa: S311  # spreads load, guards nothing
        finally:
            self._is_closed = True
            await self._channel.close(grace=None)

    def hurry(self) -> None:
        """The peer has just been heard of: do not wait out the pause."""
        self._hurried.set()

    async def fetch_blocks(
        self, from_height: int, count: int, timeout_s: float
    ) -> AsyncGenerator[ledger_pb2.CertifiedBlock, None]:
        """Certified blocks from this peer, as it claims. Raises grpc.aio.AioRpcError when it does not answer."""
        assert self._channel is not None, "the link runs before anybody fetches through it"
        method = self._channel.unary_stream(
            FETCH_BLOCKS_METHOD,
            request_serializer=peer_pb2.FetchBlocksRequest.SerializeToString,
            response_deserializer=ledger_pb2.CertifiedBlock.FromString,
        )
        call = method(peer_pb2.FetchBlocksRequest(from_height=from_height, count=count), timeout=timeout_s)
        try:
            async for block in call:
                yield block
        except asyncio.CancelledError:
            # A channel that is closed under a call, because the ledger has dropped the peer, ends the call like this too.
            task = asyncio.current_task()
            if not self._is_closed or task is None or task.cancelling():
                raise
        finally:
            call.cancel()

    async def _pause(self, seconds: float) -> None:
        self._hurried.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._hurried.wait()
        except TimeoutError:
            return

    async def _session(self, channel: aio.Channel, user: LinkUser) -> bool:
        """One stream from connecting to its end; whether it ever stood."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await channel.channel_ready()
        except TimeoutError:
            return False
        # Frames are serialised once for all peers, so the stream carries plain bytes.
        method: aio.StreamUnaryMultiCallable[bytes, bytes] = channel.stream_unary(
            EXCHANGE_METHOD, request_serializer=None, response_deserializer=None
        )
        call = method()
        sender = asyncio.create_task(self._send(call, user))
        ending = asyncio.create_task(_end_of(call))
        try:
            self.connected = True
            self._logger.info("peer_connected", address=str(self.peer.address))
            await asyncio.wait({sender, ending}, return_when=asyncio.FIRST_COMPLETED)
            reason = ending.result() if ending.done() else "the stream broke while sending"
            self._logger.info("peer_disconnected", reason=reason)
        finally:
            self.connected = False
            call.cancel()
            sender.cancel()
            ending.cancel()
            await asyncio.gather(sender, ending, return_exceptions=True)
            # What waited belongs to the past of that stream.
            self.outbox.clear()
        return True

    async def _send(self, call: aio.StreamUnaryCall[bytes, bytes], user: LinkUser) -> None:
        try:
            for frame in user.greeting():
                await call.write(frame)
            user.link_up(self.node_id)
            while True:
                await call.write(await self.outbox.get())
        except (grpc.RpcError, asyncio.InvalidStateError):
            # The stream is over; its status is told by `ending`.
            return


async def _end_of(call: aio.StreamUnaryCall[bytes, bytes]) -> str:
    try:
        await call
    except aio.AioRpcError as error:
        return f"{error.code().name}: {error.details()}"
    return "the peer ended the stream"


class PeerNetwork:
    """All outgoing streams of one node."""

    def __init__(
        self,
        peers: Iterable[PeerAddress],
        identity: Identity,
        metrics: Metrics,
        logger: FilteringBoundLogger,
    ) -> None:
        self._identity = identity
        self._metrics = metrics
        self._logger = logger
        self._links: dict[str, PeerLink] = {}
        self._changed = asyncio.Event()
        self.replace(peers)

    @property
    def links(self) -> Mapping[str, PeerLink]:
        """By node id; one view, in which links come and go."""
        return self._links

    def replace(self, peers: Iterable[PeerAddress]) -> None:
        """Speak to these from now on, and to nobody else. A peer whose address and certificates stay keeps its stream."""
        wanted = {peer.node_id: peer for peer in peers}
        for node_id, link in tuple(self._links.items()):
            if wanted.get(node_id) != link.peer:
                del self._links[node_id]
        for node_id, peer in wanted.items():
            if node_id not in self._links:
                self._links[node_id] = PeerLink(peer, self._identity, self._logger)
        self._changed.set()

    async def run(self, user: LinkUser) -> None:
        """Keep every link up until cancelled. Raises what a link raises."""
        async with asyncio.TaskGroup() as group:
            running: dict[PeerLink, asyncio.Task[None]] = {}
            while True:
                self._changed.clear()
                links = set(self._links.values())
                for link in running.keys() - links:
                    running.pop(link).cancel()
                for link in self._links.values():
                    if link not in running:
                        running[link] = group.create_task(link.run(user), name=f"peer {link.node_id}")
                await self._changed.wait()

    def send(self, node_id: str, priority: Priority, message: peer_pb2.PeerMessage) -> None:
        """Queue one frame for one peer; nothing when the peer is unknown or not connected."""
        link = self.links.get(node_id)
        if link is not None:
            self._put(link, priority, message.SerializeToString())

    def broadcast(self, priority: Priority, message: peer_pb2.PeerMessage) -> None:
        """Queue one frame for every connected peer."""
        frame = message.SerializeToString()
        for link in self.links.values():
            self._put(link, priority, frame)

    def hurry(self, node_id: str) -> None:
        """A peer has just reached us: try to reach it at once."""
        link = self.links.get(node_id)
        if link is not None:
            link.hurry()

    def connected(self) -> tuple[str, ...]:
        """The peers to which a stream stands."""
        return tuple(node_id for node_id, link in self.links.items() if link.connected)

    def _put(self, link: PeerLink, priority: Priority, frame: bytes) -> None:
        if link.connected and not link.outbox.put(priority, frame, len(frame)):
            self._metrics.peer_frames_dropped.labels(peer=link.node_id, kind=priority.name.lower()).inc()
