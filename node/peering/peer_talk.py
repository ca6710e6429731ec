"""What this node says to its peers and does with what they say; sits between the streams and everything else.

Guarantees: single entries are gossiped at once and many together; a peer's words reach the engine through a bounded
queue, and its entries the door only while that has room; heights that peers claim go to `sync` and nowhere else.
Leaves to others: the streams (`peers`, `peer_service`), meaning (the engine), judging entries (`door`).
One event loop owns it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import assert_never

from consensus.certificate import Certificate
from consensus.inputs import NeedFromPeer, PeerConnected
from consensus.messages import BlockHash, Proposal, ValueMessage, Vote
from consensus.validators import NodeId
from node.api.commit_feed import CommitFeed
from node.door import Door
from node.engine import Received
from node.engine_thread import EngineThread
from node.mempool import Mempool
from node.peering.peers import PROTOCOL_VERSION, PeerNetwork
from node.peering.sync import Sync
from node.peering.wire import (
    EntriesGossiped,
    Greeting,
    HeightClaimed,
    ValueWanted,
    entries_frame,
    frame_of,
    greeting_frame,
    height_frame,
    value_wanted_frame,
)
from node.peering.wire import Received as FromPeer
from node.ports import Message
from registry.block import RULES_VERSION

# Under load entries wait this long for company. A frame costs its sender and each receiver about as much as judging three
# entries, and a block takes longer to be made than entries wait here.
GOSSIP_DELAY_S = 0.025
GOSSIP_BATCH_BYTES = 256 * 1024
# An idle node says where it is this often, a busy one at most as often as the second figure.
HEARTBEAT_S = 1.0
HEARTBEAT_PAUSE_S = 0.1


class PeerTalk:
    """Implements peers.LinkUser and peer_service.PeerHandler, and what the engine's transport calls on the loop."""

    def __init__(
        self,
        node_id: str,
        chain_id: bytes,
        *,
        network: PeerNetwork,
        engine_thread: EngineThread,
        door: Door,
        mempool: Mempool,
        sync: Sync,
        feed: CommitFeed,
    ) -> None:
        self._node_id = node_id
        self._chain_id = chain_id
        self._network = network
        self._engine_thread = engine_thread
        self._door = door
        self._mempool = mempool
        self._sync = sync
        self._feed = feed
        self._gossip_timer: asyncio.TimerHandle | None = None
        self._gossiped_at = 0.0

    # -- To the peers -----------------------------------------------------------------------------------------------

    def broadcast(self, message: Message) -> None:
        """A message of consensus for everybody."""
        self._network.broadcast(*frame_of(message))

    def send(self, peer: str, message: Message) -> None:
        """A message of consensus for one peer."""
        self._network.send(peer, *frame_of(message))

    def ask_value(self, height: int, block_hash: bytes) -> None:
        """Ask everybody for the bytes behind a hash."""
        self._network.broadcast(*value_wanted_frame(height, block_hash))

    def gossip_soon(self) -> None:
        """At once after a pause, so that a single entry does not wait; under load, together with what comes meanwhile."""
        if self._gossip_timer is None:
            loop = asyncio.get_running_loop()
            self._gossip_timer = loop.call_at(
                max(loop.time(), self._gossiped_at + GOSSIP_DELAY_S), self._gossip
            )

    async def run(self) -> None:
        """Tell the peers how far this node is: soon after a commit, and now and then. Until cancelled."""
        while True:
            told = self._feed.height
            self._network.broadcast(*height_frame(told))
            await asyncio.sleep(HEARTBEAT_PAUSE_S)
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    await self._feed.above(told)
            except TimeoutError:
                continue

    def close(self) -> None:
        """Forget what was to be sent later."""
        if self._gossip_timer is not None:
            self._gossip_timer.cancel()

    def _gossip(self) -> None:
        self._gossip_timer = None
        while batch := self._mempool.take_gossip(GOSSIP_BATCH_BYTES):
            self._gossiped_at = asyncio.get_running_loop().time()
            self._network.broadcast(*entries_frame(batch))

    # -- peers.LinkUser ---------------------------------------------------------------------------------------------

    def greeting(self) -> Iterable[bytes]:
        """How a stream of ours begins."""
        return (greeting_frame(self.own_greeting()).SerializeToString(),)

    def link_up(self, peer: str) -> None:
        """From now on this peer hears us."""
        self._engine_thread.post(PeerConnected(NodeId(peer)))

    # -- peer_service.PeerHandler -----------------------------------------------------------------------------------

    def own_greeting(self) -> Greeting:
        """Who we are."""
        return Greeting(self._chain_id, self._node_id, PROTOCOL_VERSION, RULES_VERSION, self._feed.height)

    def peer_joined(self, peer: str, height: int) -> None:
        """A peer's stream to us has begun."""
        self._sync.claim(peer, height)
        self._network.hurry(peer)

    async def receive(self, peer: str, message: FromPeer) -> None:
        """Pass on what a peer said; waits when too much of this peer's is not handled yet."""
        match message:
            case EntriesGossiped(entries):
                self._door.offer(entries, peer)
            case HeightClaimed(height):
                self._sync.claim(peer, height)
            case ValueWanted(height, block_hash):
                event = NeedFromPeer(NodeId(peer), height, BlockHash(block_hash))
                await self._engine_thread.post_from(peer, event, 0)
            case Vote() | Proposal() | Certificate():
                await self._engine_thread.post_from(peer, Received(NodeId(peer), message), 0)
            case ValueMessage():
                await self._engine_thread.post_from(
                    peer, Received(NodeId(peer), message), len(message.payload)
                )
            case _:
                assert_never(message)
