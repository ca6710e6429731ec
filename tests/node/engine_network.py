"""Four real engines with real executors, journals and signers, on virtual time, a virtual network and disks that crash."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from consensus.evidence import Equivocation
from consensus.inputs import NeedFromPeer
from consensus.messages import BlockHash, Proposal, Vote
from consensus.validators import NodeId
from node.engine import Engine, EngineSettings, Event, Received, TimerElapsed, WorkArrived
from node.executor import Executor
from node.journal import JOURNAL_NAME, Journal
from node.mempool import Mempool
from node.ports import Committed, Message, Timer
from node.signer import Signer
from registry.entry import Entry
from registry.genesis import Genesis
from tests.node.chain_builders import (
    GENESIS_TIME_MS,
    NODE_IDS,
    key_of,
    make_executor,
    make_genesis,
    registration,
)
from tests.node.crashing_disk import Crash, CrashingDisk
from tests.simulation.memory_store import MemoryStore

NETWORK_DELAY_MS = 100
HEARTBEAT_MS = 10_000


class VirtualClock:
    """Shared by all nodes."""

    def __init__(self) -> None:
        self.ms = GENESIS_TIME_MS + 1_000

    def now_ms(self) -> int:
        return self.ms

    def monotonic_ms(self) -> int:
        return self.ms


@dataclass(slots=True)
class Sent:
    """What left a node, for the oracles."""

    node: NodeId
    message: Message


class VirtualNode:
    """One node with its disk and store; implements Transport, Timers and Listener for its engine."""

    def __init__(self, network: VirtualNetwork, node_id: NodeId, *, votes: bool = True) -> None:
        self.network = network
        self.node_id = node_id
        self.votes = votes
        self.key = key_of(node_id)
        self.disk = CrashingDisk()
        self.store = MemoryStore(network.genesis.chain_id)
        self.mempool: Mempool
        self.executor: Executor
        self.engine: Engine
        self.alive = False
        self.life = 0
        self.silent_at_start = False
        self.committed_blocks: list[Committed] = []
        self.refused: list[str] = []
        self.evidence: list[Equivocation] = []
        self.behind_heights: list[int] = []
        self.signing_refusals: list[str] = []

    def start(self) -> None:
        """A new process on whatever the disk holds."""
        self.life += 1
        self.alive = True
        genesis, clock = self.network.genesis, self.network.clock
        self.executor, self.mempool = make_executor(genesis, self.store, node_id=self.node_id)
        marks = count(1)
        journal = Journal(
            self.disk, genesis.chain_id, new_mark=lambda: b"mk%06d" % next(marks), rotate_bytes=20_000
        )
        signer = Signer(self.disk, self.key, genesis.chain_id) if self.votes else None
        settings = EngineSettings(self.node_id, genesis.chain_id, NETWORK_DELAY_MS, heartbeat_ms=HEARTBEAT_MS)
        self.engine = Engine(
            settings,
            application=self.executor,
            journal=journal,
            signer=signer,
            transport=self,
            timers=self,
            clock=clock,
            listener=self,
        )
        if self.silent_at_start:
            self.engine.set_syncing(True)
        self._live(self.engine.start)

    def restart(self, keep_unsynced: float = 0.0) -> None:
        """Kill the machine and start again."""
        self.alive = False
        self.disk = self.disk.after_crash(keep_unsynced)
        self.start()

    def handle(self, *events: Event) -> None:
        """Give events to the engine, unless it is dead."""
        if self.alive:
            self._live(lambda: self.engine.handle(events))

    def submit(self, sequence: int) -> None:
        """An entry comes to this node and is gossiped to all."""
        self.submit_entry(registration(self.network.genesis.chain_id, sequence))

    def submit_entry(self, entry: Entry) -> None:
        """An entry comes to this node and is gossiped to all that live."""
        for node in self.network.nodes.values():
            if node.alive:
                node.mempool.add(entry, local=node is self)
                node.handle(WorkArrived())

    @property
    def height(self) -> int:
        """Last committed."""
        return self.executor.tip().height

    def _live(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Crash:
            self.alive = False

    # Transport

    def broadcast(self, message: Message) -> None:
        self._sending(message)
        for peer in self.network.nodes:
            if peer != self.node_id:
                self.network.deliver(self.node_id, peer, message)

    def send(self, peer: NodeId, message: Message) -> None:
        self._sending(message)
        self.network.deliver(self.node_id, peer, message)

    def _sending(self, message: Message) -> None:
        # The oracle of "persist before send": nothing leaves while an input that led to it can still be lost. What is
        # committed stands in the store.
        committed = message.height <= self.height
        assert committed or self.disk.is_durable(JOURNAL_NAME), (
            f"{self.node_id} sends {message} before it persists"
        )
        self.network.sent.append(Sent(self.node_id, message))

    def ask_value(self, height: int, block_hash: BlockHash) -> None:
        for peer, node in self.network.nodes.items():
            if peer != self.node_id:
                need = NeedFromPeer(self.node_id, height, block_hash)
                self.network.later(self.network.delay_ms, lambda node=node, need=need: node.handle(need))  # type: ignore[misc]

    # Timers

    def set(self, timer: Timer, after_ms: int) -> None:
        life = self.life
        self.network.later(after_ms, lambda: self.handle(TimerElapsed(timer)) if self.life == life else None)

    # Listener

    def committed(self, committed: Committed) -> None:
        self.committed_blocks.append(committed)

    def message_refused(self, peer: NodeId, reason: str) -> None:
        self.refused.append(reason)

    def signing_refused(self, reason: str) -> None:
        self.signing_refusals.append(reason)

    def evidence_found(self, evidence: Equivocation) -> None:
        self.evidence.append(evidence)

    def behind(self, height: int) -> None:
        self.behind_heights.append(height)
        self.network.later(1, self.fetch)

    def fetch(self) -> None:
        """What sync does: certified blocks from the peer that has most, one by one."""
        source = max(self.network.nodes.values(), key=lambda node: node.store.height)
        if self.alive and source.store.height > self.height:
            self._live(lambda: self._fetch_from(source))

    def _fetch_from(self, source: VirtualNode) -> None:
        self.engine.set_syncing(True)
        with source.store.read() as snapshot:
            for height in range(self.height + 1, source.store.height + 1):
                block, certificate = snapshot.block(height), snapshot.certificate(height)
                assert block is not None
                assert certificate is not None
                self.engine.apply_certified_block(block, certificate)
        self.engine.set_syncing(False)


@dataclass(slots=True)
class VirtualNetwork:
    """Time, wires and nodes. `cut` holds the directed links that lose everything."""

    genesis: Genesis = field(default_factory=make_genesis)
    clock: VirtualClock = field(default_factory=VirtualClock)
    delay_ms: int = 5
    nodes: dict[NodeId, VirtualNode] = field(default_factory=dict)
    sent: list[Sent] = field(default_factory=list)
    cut: set[tuple[NodeId, NodeId]] = field(default_factory=set)
    _queue: list[tuple[int, int, Callable[[], None]]] = field(default_factory=list)
    _order: count[int] = field(default_factory=count)

    def add(self, *node_ids: NodeId, votes: bool = True) -> None:
        for node_id in node_ids:
            self.nodes[node_id] = VirtualNode(self, node_id, votes=votes)

    def start_all(self) -> None:
        for node in self.nodes.values():
            node.start()

    def later(self, after_ms: int, action: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (self.clock.ms + after_ms, next(self._order), action))

    def deliver(self, sender: NodeId, peer: NodeId, message: Message) -> None:
        if (sender, peer) not in self.cut:
            node = self.nodes[peer]
            self.later(self.delay_ms, lambda: node.handle(Received(sender, message)))

    def run(self, ms: int, until: Callable[[], bool] = lambda: False) -> bool:
        """Let time pass; whether `until` came true."""
        end_ms = self.clock.ms + ms
        while self._queue and self._queue[0][0] <= end_ms:
            if until():
                return True
            at_ms, _, action = heapq.heappop(self._queue)
            self.clock.ms = max(self.clock.ms, at_ms)
            action()
        self.clock.ms = end_ms
        return until()

    def reach(self, height: int, ms: int = 60_000) -> None:
        """Run until all live nodes have committed `height`. Fails if they do not in time."""
        done = self.run(ms, lambda: all(n.height >= height for n in self.nodes.values() if n.alive))
        assert done, {node_id: node.height for node_id, node in self.nodes.items()}

    def check_safety(self) -> None:
        """Agreement, and no validator ever sent two different things for one place."""
        for height in range(1, max(node.height for node in self.nodes.values()) + 1):
            hashes = set()
            for node in self.nodes.values():
                with node.store.read() as snapshot:
                    hashes.add(snapshot.block_hash(height))
            assert len(hashes - {None}) <= 1, f"a fork at height {height}"
        said: dict[tuple[object, ...], object] = {}
        for sent in self.sent:
            message = sent.message
            if isinstance(message, Vote | Proposal):
                kind = message.type if isinstance(message, Vote) else None
                place = (message.validator, message.height, message.round, kind)
                assert said.setdefault(place, message.unsigned) == message.unsigned, (
                    f"two messages at {place}"
                )


def four_nodes() -> VirtualNetwork:
    """A running network of four validators."""
    network = VirtualNetwork()
    network.add(*NODE_IDS)
    network.start_all()
    return network
