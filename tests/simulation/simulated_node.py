"""One node of a simulated consortium: the real engine, journal, signer, executor and mempool on virtual ports.

What is not real: the disk (in memory, loses what was not synced), the store (in memory, whole transactions), the clock, the
network, and the asyncio shell. A node dies at persistence points and starts again from what its disk still holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from consensus.certificate import Certificate
from consensus.evidence import Equivocation
from consensus.inputs import NeedFromPeer, PeerConnected
from consensus.limits import Limits
from consensus.messages import BlockHash, Vote, VoteType
from consensus.validators import NodeId
from node.disk import DiskFailed
from node.engine import (
    Engine,
    EngineHalted,
    EngineSettings,
    Event,
    Received,
    StartRefused,
    TimerElapsed,
    WorkArrived,
)
from node.executor import Executor, ExecutorSettings
from node.journal import Journal, JournalCorrupt
from node.mempool import Mempool
from node.ports import BlockRecord, Committed, Message, Timer
from node.signer import Signer, SignerCorrupt
from registry.entry import Entry
from registry.errors import NotFresh
from registry.genesis import Genesis
from registry.signing import SigningKey
from tests.simulation.memory_store import MemoryStore
from tests.simulation.network import EntryBatch, Network, Packet
from tests.simulation.oracles import Oracles
from tests.simulation.virtual_disk import MachineDied, PersistencePoints, VirtualDisk
from tests.simulation.world import World

NETWORK_DELAY_MS: Final = 100
PRECISION_MS: Final = 500
HEARTBEAT_MS: Final = 5_000
GOSSIP_BYTES: Final = 64 * 1024
JOURNAL_BYTES_BOUND: Final = 64 << 20
SYNC_EVERY_MS: Final = 250
SYNC_STUCK_MS: Final = 2_000
SYNC_BLOCKS_MAX: Final = 20


class CrashingStore(MemoryStore):
    """The store with its two persistence points: a transaction is not there yet, or whole."""

    def __init__(self, chain_id: bytes, points: PersistencePoints) -> None:
        super().__init__(chain_id)
        self._points = points

    def commit(self, record: BlockRecord) -> None:
        self._points.point()
        super().commit(record)
        self._points.point()


class Spreads(Protocol):
    """How a message leaves the node: an honest one sends it as it is, a Byzantine one as it likes."""

    def __call__(self, message: Message, receivers: Sequence[str]) -> list[tuple[str, Message, int]]: ...


def spread_honestly(message: Message, receivers: Sequence[str]) -> list[tuple[str, Message, int]]:
    """The same to everybody, at once."""
    return [(receiver, message, 0) for receiver in receivers]


@dataclass(frozen=True, slots=True)
class Build:
    """The parts of a node that a test may plant a fault into."""

    engine: type[Engine] = Engine
    executor: type[Executor] = Executor
    sync_works: bool = True


class SimulatedNode:
    """See the module's docstring. Implements the ports Transport, Timers, Clock and Listener."""

    def __init__(
        self,
        world: World,
        network: Network,
        oracles: Oracles,
        genesis: Genesis,
        node_id: NodeId,
        key: SigningKey,
        build: Build,
        verify_entry: Callable[[bytes], Entry],
        network_delay_ms: int = NETWORK_DELAY_MS,
    ) -> None:
        self.world = world
        self.network = network
        self.oracles = oracles
        self.genesis = genesis
        self.node_id = node_id
        self.key = key
        self.clock_offset_ms = 0
        self.spread: Spreads = spread_honestly
        self.points = PersistencePoints()
        self.disk = VirtualDisk(self.points, world.random, build.sync_works)
        self.store = CrashingStore(genesis.chain_id, self.points)
        self.peers: dict[str, SimulatedNode] = {}
        self.up = False
        self.stopped_because: str | None = None
        self.starts = 0
        self.refused_messages = 0
        self.restart_after_ms = 500
        self._build = build
        self._network_delay_ms = network_delay_ms
        self._verify_entry = verify_entry
        self._height_since = (0, 0)
        self._syncing = False
        self._dying = False
        self.executor: Executor | None = None
        self.mempool = Mempool()
        self._engine: Engine | None = None

    # -- Life and death ---------------------------------------------------------------------------------------------

    @property
    def honest(self) -> bool:
        """Whether the oracles judge it."""
        return self.node_id not in self.oracles.faulty

    @property
    def engine(self) -> Engine:
        """The running engine."""
        assert self._engine is not None, "the node is down"
        return self._engine

    @property
    def height(self) -> int:
        """Last committed, as the store says."""
        with self.store.read() as snapshot:
            return snapshot.height

    def start(self) -> None:
        """Start from what the disk and the store hold."""
        if self.up:
            return
        self.starts += 1
        self.world.note(f"{self.node_id} starts at height {self.height}")
        if self._run(self._boot):
            for peer in self.peers.values():
                peer.peer_connected(self.node_id)
                self.peer_connected(peer.node_id)

    def _boot(self) -> None:
        self.up = True
        self._syncing = False
        self._height_since = (self.height, self.world.now_ms)
        self.mempool = Mempool()
        settings = ExecutorSettings(self.node_id, signature_threads=1)
        self.executor = self._build.executor(settings, self.genesis, self.store, self.mempool, self)
        self._tell_oracles_of_the_past()
        self._engine = self._build.engine(
            EngineSettings(
                self.node_id, self.genesis.chain_id, self._network_delay_ms, PRECISION_MS, HEARTBEAT_MS
            ),
            application=self.executor,
            journal=Journal(
                self.disk, self.genesis.chain_id, new_mark=lambda: self.world.random.randbytes(8)
            ),
            signer=Signer(self.disk, self.key, self.genesis.chain_id),
            transport=self,
            timers=self,
            clock=self,
            listener=self,
        )
        self._engine.start()
        self._later(SYNC_EVERY_MS, self._consider_sync)

    def die(self) -> None:
        """Lose power now."""
        if self.up:
            self._bury("died")
            self.disk.lose_power()

    def _bury(self, how: str) -> None:
        self.world.note(f"{self.node_id} {how} at height {self.height}")
        self.up = False
        if self.executor is not None:
            self.executor.close()
        self._engine = None
        self.executor = None

    def _run(self, act: Callable[[], None]) -> bool:
        """Let the node act; what ends its process ends it here. False when it did."""
        try:
            act()
            return True
        except MachineDied:
            self._bury("died at a persistence point")
            self.disk.lose_power()
            self.world.after(self.restart_after_ms, self.start)
        except DiskFailed as failed:
            self._bury(f"stopped: {failed}")
            self.world.after(self.restart_after_ms, self.start)
        except (EngineHalted, StartRefused, JournalCorrupt, SignerCorrupt) as halted:
            # No scenario damages a disk that keeps its promises, so a damaged file is a fault of ours as well.
            self._bury(f"halted: {halted}")
            self.stopped_because = str(halted)
            if self.honest:
                self.oracles.halted(self.node_id, str(halted))
        return False

    def _later(self, delay_ms: int, act: Callable[[], None]) -> None:
        """Do this later, unless the node has died in between."""
        life = self.starts

        def if_alive() -> None:
            if self.up and self.starts == life:
                self._run(act)

        self.world.after(delay_ms, if_alive)

    def _tell_oracles_of_the_past(self) -> None:
        if not self.honest:
            return
        self.oracles.restarted(self.node_id, self.height)
        with self.store.read() as snapshot:
            for height in range(self.oracles.told(self.node_id) + 1, snapshot.height + 1):
                block_hash = snapshot.block_hash(height)
                assert block_hash is not None
                self.oracles.recovered(self.node_id, block_hash)

    # -- What reaches it --------------------------------------------------------------------------------------------

    def handle(self, *events: Event) -> None:
        """Hand events to the engine."""
        if self.up:
            self._run(lambda: self.engine.handle(events))

    def receive(self, sender: str, packet: Packet) -> None:
        """A packet of the network."""
        if not self.up:
            return
        match packet:
            case EntryBatch(entries):
                for raw in entries:
                    self.take_entry(raw, local=False)
            case NeedFromPeer():
                self.handle(packet)
            case _:
                self.handle(Received(NodeId(sender), _over_the_wire(packet)))

    def peer_connected(self, peer: str) -> None:
        """The link to a peer is up again."""
        self.handle(PeerConnected(NodeId(peer)))

    def take_entry(self, raw: bytes, *, local: bool) -> None:
        """An entry of a client (`local`) or a peer; one that is committed or held already is left."""
        if not self.up:
            return
        entry = self._verify_entry(raw)
        with self.store.read() as snapshot:
            if snapshot.locate_entry(entry.entry_id) is not None:
                return
        try:
            added = self.mempool.add(entry, local=local)
        except NotFresh:
            return
        if not added:
            return
        if local:
            batch = EntryBatch(self.mempool.take_gossip(GOSSIP_BYTES))
            for peer in self.peers:
                self.network.send(self.node_id, peer, batch)
        self.handle(WorkArrived())

    # -- Port: Transport --------------------------------------------------------------------------------------------

    def broadcast(self, message: Message) -> None:
        self._send_spread(message, list(self.peers))

    def send(self, peer: NodeId, message: Message) -> None:
        self._send_spread(message, [peer])

    def ask_value(self, height: int, block_hash: BlockHash) -> None:
        for peer in self.peers:
            self.network.send(self.node_id, peer, NeedFromPeer(self.node_id, height, block_hash))

    def _send_spread(self, message: Message, receivers: list[str]) -> None:
        for receiver, sent, extra_ms in self.spread(message, receivers):
            self.oracles.sent(sent)
            self.network.send(self.node_id, receiver, sent, extra_ms)

    # -- Port: Timers, Clock ----------------------------------------------------------------------------------------

    def set(self, timer: Timer, after_ms: int) -> None:
        self._later(after_ms, lambda: self.engine.handle([TimerElapsed(timer)]))

    def now_ms(self) -> int:
        return self.genesis.time_ms + 1_000 + self.world.now_ms + self.clock_offset_ms

    def monotonic_ms(self) -> int:
        return self.world.now_ms

    # -- Port: Listener ---------------------------------------------------------------------------------------------

    def committed(self, committed: Committed) -> None:
        self.world.note(f"{self.node_id} commits {committed.height} {committed.block_hash.hex()[:8]}")
        if self.honest:
            self.oracles.committed(self.node_id, committed)

    def message_refused(self, peer: NodeId, reason: str) -> None:
        self.refused_messages += 1
        self.world.note(f"{self.node_id} refuses {peer}: {reason}")

    def signing_refused(self, reason: str) -> None:
        self.world.note(f"{self.node_id} does not sign: {reason}")

    def evidence_found(self, evidence: Equivocation) -> None:
        self.world.note(f"{self.node_id} accuses {evidence.validator} at height {evidence.height}")
        if self.honest:
            self.oracles.accused(evidence)

    def behind(self, height: int) -> None:
        pass  # sync looks by itself, often enough

    # -- Catching up: the rule of node/peering/sync.py on virtual time -----------------------------------------------

    def _consider_sync(self) -> None:
        height, now_ms = self.height, self.world.now_ms
        if self._height_since[0] != height:
            self._height_since = (height, now_ms)
        ahead = [peer for peer in self.peers.values() if self._can_fetch_from(peer) and peer.height > height]
        far = any(peer.height >= height + 2 for peer in ahead)
        stuck = bool(ahead) and now_ms - self._height_since[1] > SYNC_STUCK_MS
        if far or stuck:
            if not self._syncing:
                self._syncing = True
                self.world.note(f"{self.node_id} syncs from height {height}")
                self.engine.set_syncing(True)
            source = self.world.random.choice(ahead)
            self._later(self.world.random.randint(2, 60), lambda: self._fetch(source))
        else:
            if self._syncing:
                self._syncing = False
                self.world.note(f"{self.node_id} has synced to height {height}")
                self.engine.set_syncing(False)
            self._later(SYNC_EVERY_MS, self._consider_sync)

    def _can_fetch_from(self, peer: SimulatedNode) -> bool:
        both_ways = self.network.reaches(self.node_id, peer.node_id) and self.network.reaches(
            peer.node_id, self.node_id
        )
        return both_ways and peer.up and peer.honest

    def _fetch(self, source: SimulatedNode) -> None:
        if self._can_fetch_from(source):
            with source.store.read() as snapshot:
                last = min(snapshot.height, self.height + SYNC_BLOCKS_MAX)
                blocks = [
                    (snapshot.block(height), snapshot.certificate(height))
                    for height in range(self.height + 1, last + 1)
                ]
            for block, certificate in blocks:
                assert block is not None
                assert certificate is not None
                self.engine.apply_certified_block(block, certificate)
        self._consider_sync()

    # -- For the oracle of memory -----------------------------------------------------------------------------------

    def report_memory(self) -> None:
        """Tell how much of what peers can grow is held, and the bound that follows from `Limits`."""
        state = self.engine._driver._open_state()
        validators, limits = len(self.peers) + 1, Limits()
        rounds_bound = limits.rounds_kept + 3 + limits.catchup_rounds_per_validator * validators
        if state is not None:
            rounds = state.votes.rounds()
            votes = sum(
                len(held.first) + len(held.second)
                for held in (state.votes.votes(round, type) for round in rounds for type in VoteType)
            )
            self._remembers("rounds with votes", len(rounds), rounds_bound)
            self._remembers("votes", votes, 4 * validators * rounds_bound)
            self._remembers("proposals", len(state.proposals), rounds_bound)
            self._remembers("values", len(state.values), 8 + limits.values_unclaimed_max)
        self._remembers("bytes of journal", self.disk.size("journal"), JOURNAL_BYTES_BOUND)

    def _remembers(self, what: str, found: int, bound: int) -> None:
        self.oracles.remembers(self.node_id, what, found, bound)


def _over_the_wire(message: Message) -> Message:
    """Through bytes and back, as between processes."""
    match message:
        case Vote():
            return Vote.decode(message.encode())
        case Certificate():
            return Certificate.decode(message.encode())
        case _:
            return message
