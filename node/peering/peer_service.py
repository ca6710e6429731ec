"""The incoming half of the talk between nodes.

Guarantees: a peer is known by the pinned certificate that it proved in the TLS handshake, never by what it writes; a
stream must begin with a Hello of this chain and this protocol; one stream per peer, a newer one replacing the older.
A frame that cannot be a message is dropped and held against its sender; one whose conduct is bad is cut off and, for a
while, not let in again.
Back-pressure: a frame is handed over before the next one is read, so a receiver that waits slows only this peer.
Leaves to others: what a frame means (`PeerHandler`, the running node).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Protocol

from grpc.aio import ServicerContext

from consensus.errors import InvalidMessage
from node.api.answers import certified_block
from node.peering.conduct import Conduct
from node.peering.pinned_peers import PinnedPeers
from node.peering.wire import Greeting, Received, read_frame, read_greeting
from node.ports import StorePort
from node.status import CallCode, CallRefused, abort
from node.tls import authenticated_peer
from pledgebook.v1 import ledger_pb2, peer_pb2, peer_pb2_grpc

HELLO_TIMEOUT_S = 10.0
FETCH_COUNT_MAX = 64
# Ends an answer early: the asker continues at the next height.
FETCH_BYTES_MAX = 16 * 1024 * 1024


class PeerHandler(Protocol):
    """Who takes what peers say."""

    def own_greeting(self) -> Greeting:
        """How this node's own streams begin."""
        ...

    def peer_joined(self, peer: str, height: int) -> None:
        """A peer's stream has begun with a fitting Hello; its height is a claim."""
        ...

    async def receive(self, peer: str, message: Received) -> None:
        """Take one message; waiting here slows down this peer only."""
        ...


class PeerService(peer_pb2_grpc.PeerServicer):
    """The server side of pledgebook.v1.Peer."""

    def __init__(
        self,
        pinned: PinnedPeers,
        handler: PeerHandler,
        store: StorePort,
        conduct: Conduct,
    ) -> None:
        self._pinned = pinned
        self._handler = handler
        self._store = store
        self._conduct = conduct
        self._streams: dict[str, asyncio.Task[Any]] = {}

    def pins_changed(self) -> None:
        """Cut off who is pinned no more."""
        for peer in self._streams.keys() - self._pinned.names():
            self._streams[peer].cancel()

    async def Exchange(
        self, request_iterator: AsyncIterator[peer_pb2.PeerMessage], context: ServicerContext[Any, Any]
    ) -> peer_pb2.PeerAck:
        """Take a peer's frames until it ends the stream."""
        peer = await self._identify(context)
        task = asyncio.current_task()
        assert task is not None, "grpc runs every call in a task"
        older = self._streams.get(peer)
        if older is not None:
            older.cancel()
        self._streams[peer] = task
        try:
            await self._greet(peer, request_iterator, context)
            await self._take_frames(peer, request_iterator, context)
        finally:
            if self._streams.get(peer) is task:
                del self._streams[peer]
        return peer_pb2.PeerAck()

    async def FetchBlocks(
        self, request: peer_pb2.FetchBlocksRequest, context: ServicerContext[Any, Any]
    ) -> AsyncIterator[ledger_pb2.CertifiedBlock]:
        """Blocks from a height on, as many as asked for, this node has, and the byte limit lets through."""
        await self._identify(context)
        if request.from_height < 1:
            await abort(context, CallRefused(CallCode.BAD_REQUEST, "from_height must be at least 1"))
        sent_bytes = 0
        for height in range(request.from_height, request.from_height + min(request.count, FETCH_COUNT_MAX)):
            block = await asyncio.to_thread(self._read_block, height)
            if block is None:
                return
            yield block
            sent_bytes += len(block.block)
            if sent_bytes >= FETCH_BYTES_MAX:
                return

    def _read_block(self, height: int) -> ledger_pb2.CertifiedBlock | None:
        with self._store.read() as snapshot:
            if height > snapshot.height:
                return None
            return certified_block(snapshot, height, with_receipts=False)

    async def _identify(self, context: ServicerContext[Any, Any]) -> str:
        peer = authenticated_peer(context.auth_context(), self._pinned.by_certificate)
        if peer is None:
            await abort(
                context, CallRefused(CallCode.WRONG_PEER, "the certificate is not one that the ledger pins")
            )
        return peer

    async def _greet(
        self, peer: str, frames: AsyncIterator[peer_pb2.PeerMessage], context: ServicerContext[Any, Any]
    ) -> None:
        await self._refuse_shunned(peer, context)
        try:
            async with asyncio.timeout(HELLO_TIMEOUT_S):
                first = await anext(frames, None)
        except TimeoutError:
            first = None
        problem = "no Hello within ten seconds"
        if first is not None:
            try:
                greeting = read_greeting(first)
                problem = _wrong_with(greeting, peer, self._handler.own_greeting())
                if not problem:
                    self._handler.peer_joined(peer, greeting.height)
                    return
            except InvalidMessage as error:
                problem = str(error)
        self._conduct.wrong(peer, problem)
        await abort(context, CallRefused(CallCode.WRONG_PEER, problem))

    async def _take_frames(
        self, peer: str, frames: AsyncIterator[peer_pb2.PeerMessage], context: ServicerContext[Any, Any]
    ) -> None:
        async for frame in frames:
            await self._refuse_shunned(peer, context)
            try:
                message = read_frame(frame)
            except InvalidMessage as error:
                self._conduct.wrong(peer, str(error))
                continue
            await self._handler.receive(peer, message)

    async def _refuse_shunned(self, peer: str, context: ServicerContext[Any, Any]) -> None:
        if self._conduct.shunned(peer):
            await abort(
                context, CallRefused(CallCode.WRONG_PEER, "too much of what this peer sent was wrong")
            )


def _wrong_with(greeting: Greeting, peer: str, own: Greeting) -> str:
    """Why a stream that begins like this is refused; empty when it fits."""
    if greeting.node_id != peer:
        return f"the certificate is {peer}'s but the Hello says {greeting.node_id[:40]!r}"
    if greeting.chain_id != own.chain_id:
        return f"the peer is on chain {greeting.chain_id.hex()[:16]}, this node on {own.chain_id.hex()[:16]}"
    if greeting.protocol_version != own.protocol_version:
        return f"the peer speaks protocol {greeting.protocol_version}, this node {own.protocol_version}"
    if greeting.rules_version != own.rules_version:
        return f"the peer keeps rules version {greeting.rules_version}, this node {own.rules_version}"
    return ""
