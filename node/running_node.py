"""One node, wired: store, engine, door, peers, sync and servers, and what passes between them on the event loop.

    engine thread   owns engine, executor, journal, signer; commits
    door thread     decodes and verifies what is submitted and gossiped
    query thread    writes who asked about which receivable, in a file of its own
    event loop      everything else; no call of it waits for a disk or a peer

Guarantees: what a peer brings reaches the engine through bounded queues; members' tokens, receipts and queries see a height
only after it is on disk. `run` ends when it is told to stop, or with the first failure of any part.
Leaves to others: building the parts from files (`runtime`), and the parts themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass
from typing import Any

from grpc_health.v1 import health_pb2
from structlog.typing import FilteringBoundLogger

from consensus.evidence import Equivocation
from consensus.validators import NodeId
from node.api.access import Gate, RateLimit
from node.api.calls import Api, StreamSlots
from node.api.commit_feed import CommitFeed
from node.api.http_api import NodeStatus, make_app
from node.api.ledger_service import LedgerService, software_version
from node.api.members import StoredMembers
from node.api.query_log import QueryLog
from node.api.query_notes import QueryNotes
from node.api.registry_service import RegistryService
from node.api.supervision_service import SupervisionService
from node.clock import SystemClock
from node.config import NodeConfig
from node.door import Door
from node.engine import Engine, EngineSettings, EngineStatus, WorkArrived
from node.engine_thread import BridgedTransport, EngineThread, LoopBridge, LoopTimers
from node.executor import Executor, ExecutorSettings
from node.journal import Journal
from node.mempool import Mempool
from node.peering.conduct import Conduct
from node.peering.peer_service import PeerService
from node.peering.peer_talk import PeerTalk
from node.peering.peers import PeerAddress, PeerNetwork
from node.peering.pinned_peers import PinnedPeers
from node.peering.sync import Sync
from node.ports import Committed
from node.query_history import QueryHistory
from node.servers import OperatorServer, api_server, peer_server
from node.signer import Signer
from node.status import CallCode, CallRefused
from node.store import Store
from node.supervision.alert_desk import AlertDesk
from node.supervision.commands import Paths
from node.supervision.report_desk import ReportDesk
from node.telemetry import Metrics
from node.tls import Identity
from registry.block import decode_header
from registry.genesis import Genesis

# How old what /status and the metrics say of the engine may be.
STATUS_S = 0.5
# Calls that run when the node is told to stop may take this long.
STOP_GRACE_S = 2.0
OPERATOR_TASK = "operator pages"


@dataclass(frozen=True)
class Parts:
    """What `runtime` opens before a node can run."""

    config: NodeConfig
    genesis: Genesis
    identity: Identity
    store: Store
    journal: Journal
    signer: Signer
    query_history: QueryHistory
    logger: FilteringBoundLogger


class RunningNode:
    """See the module's docstring. Made inside the event loop that it runs on."""

    def __init__(self, parts: Parts) -> None:
        """Binds the ports. Raises PortInUse, StoreCorrupt, StoreFailed."""
        loop = asyncio.get_running_loop()
        config, genesis = parts.config, parts.genesis
        self._parts = parts
        self._clock = SystemClock()
        self._metrics = Metrics()
        self._state = "starting"
        self._stop_asked = asyncio.Event()
        self._failure: asyncio.Future[None] = loop.create_future()
        self._mempool = Mempool(
            entries_max=config.limits.mempool_entries, bytes_max=config.limits.mempool_bytes
        )
        self._executor = _make_executor(parts, self._mempool, self._clock)
        self._feed = CommitFeed(self._executor.tip().height)
        self._conduct = Conduct(self._clock, self._metrics, parts.logger)
        self._door = Door(
            genesis.chain_id,
            parts.store,
            self._mempool,
            self._clock,
            self._entries_admitted,
            self._conduct.wrong,
        )
        self._bridge = LoopBridge(loop)
        self._engine_thread = EngineThread(loop)
        self._node_sets = self._executor.nodes.around(self._executor.tip().height + 1)
        self._pinned = PinnedPeers(self._node_sets)
        self._peers = PeerNetwork(self._peer_addresses(), parts.identity, self._metrics, parts.logger)
        self._sync = Sync(
            self._peers.links,
            self,
            lambda: self._feed.height,
            self._clock,
            self._metrics,
            parts.logger,
            quorum_with=self._quorum_with(),
        )
        self._talk = PeerTalk(
            config.node_id,
            genesis.chain_id,
            network=self._peers,
            engine_thread=self._engine_thread,
            door=self._door,
            mempool=self._mempool,
            sync=self._sync,
            feed=self._feed,
        )
        self._engine = self._make_engine(loop)
        self._engine_status: EngineStatus | None = None
        self._query_log = QueryLog(parts.logger)
        self._query_notes = QueryNotes(parts.query_history, parts.store, self._clock, parts.logger)
        paths = Paths(config.genesis, config.data_dir / "store", config.data_dir / "alerts")
        self._reports = ReportDesk(paths.report_command, parts.logger)
        self._alerts = AlertDesk(paths.alert_command(), paths.alerts, parts.logger)
        self._make_servers()

    # -- Life -------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve until `stop`. Raises, as one ExceptionGroup, what ended a part of the node before that."""
        logger = self._parts.logger
        try:
            if self._is_validator():
                # Until it has heard its peers: see `sync`.
                await self._engine_thread.call(lambda: self._engine.set_syncing(True))
            await self._engine_thread.call(self._engine.start)
            self._refresh_status(await self._engine_thread.call(self._engine.status))
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(work, name=name) for name, work in self._works().items()]
                await self._peer_server.start()
                await self._api_server.start()
                await self._serve_health(health_pb2.HealthCheckResponse.SERVING)
                self._state = "serving"
                logger.info("serving", height=self._feed.height, chain=self._parts.genesis.chain_id.hex())
                await self._stop_asked.wait()
                await self._stop_serving()
                for task in tasks:
                    # The operator's pages end by themselves: cut off, uvicorn would leave its sockets with the loop.
                    if task.get_name() != OPERATOR_TASK:
                        task.cancel()
        finally:
            await self._close()
            logger.info("stopped", height=self._feed.height)

    def stop(self) -> None:
        """End `run` soon, in order. On the loop."""
        self._stop_asked.set()

    def fail(self, error: BaseException) -> None:
        """End `run` with this error."""
        if not self._failure.done():
            self._failure.set_exception(error)

    def _works(self) -> dict[str, Coroutine[Any, Any, None]]:
        """Everything that goes on until the node stops, by the name of its task."""
        return {
            "engine": self._engine_thread.run(self._engine),
            "door": self._door.run(),
            "sync": self._sync.run(),
            "talk": self._talk.run(),
            "status": self._watch_engine(),
            OPERATOR_TASK: self._operator_server.run(),
            "failure": _raise_from(self._failure),
            "peers": self._peers.run(self._talk),
        }

    async def _stop_serving(self) -> None:
        """Take no new calls, then let the running ones end."""
        self._state = "stopping"
        self._parts.logger.info("stopping", height=self._feed.height)
        await self._serve_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        await asyncio.gather(self._api_server.stop(STOP_GRACE_S), self._peer_server.stop(None))
        self._operator_server.stop()

    async def _close(self) -> None:
        """Free everything, whatever state it is in; the store last, when nobody can read it any more."""
        self._state = "stopping"
        self._talk.close()
        await asyncio.gather(self._api_server.stop(None), self._peer_server.stop(None))
        self._operator_server.close()
        await asyncio.gather(self._reports.close(), self._alerts.close())
        self._query_log.flush()
        self._bridge.close()
        await asyncio.to_thread(self._engine_thread.close)
        await asyncio.to_thread(self._door.close)
        self._executor.close()
        # Nobody waits for it when the node ends for another reason.
        self._failure.cancel()
        # Last: what is damaged shows here too, and must not keep the others from ending.
        await self._query_notes.close()

    # -- Wiring -----------------------------------------------------------------------------------------------------

    def _make_engine(self, loop: asyncio.AbstractEventLoop) -> Engine:
        parts = self._parts
        settings = EngineSettings(
            node_id=NodeId(parts.config.node_id),
            chain_id=parts.genesis.chain_id,
            network_delay_ms=parts.config.network_delay_ms,
            heartbeat_ms=parts.config.heartbeat_ms,
        )
        return Engine(
            settings,
            application=self._executor,
            journal=parts.journal,
            signer=parts.signer,
            transport=BridgedTransport(
                self._bridge, self._talk.broadcast, self._talk.send, self._talk.ask_value
            ),
            timers=LoopTimers(loop, self._bridge, self._engine_thread.post),
            clock=self._clock,
            listener=self,
        )

    def _is_validator(self) -> bool:
        """Whether this node may vote soon, as far as its own store knows."""
        nodes = (nodes.node(self._parts.config.node_id) for nodes in self._node_sets)
        return any(node is not None and node.power > 0 for node in nodes)

    def _quorum_with(self) -> Callable[[Collection[str]], bool] | None:
        """Whether peers and this node together can decide the next block; None for an observer."""
        if not self._is_validator():
            return None
        validators = self._executor.validators(self._executor.tip().height + 1)
        own_power = validators.power(NodeId(self._parts.config.node_id))

        def is_quorum(peers: Collection[str]) -> bool:
            return validators.is_quorum(own_power + sum(validators.power(NodeId(peer)) for peer in peers))

        return is_quorum

    def _make_servers(self) -> None:
        config, pinned = self._parts.config, self._pinned
        self._peer_service = PeerService(pinned, self._talk, self._parts.store, self._conduct)
        api = self._make_api()
        self._operator_server = OperatorServer(
            config.http_listen, make_app(self, self._metrics, software_version())
        )
        try:
            self._peer_server = peer_server(
                config.peer_listen, self._parts.identity, pinned.certificates, self._peer_service
            )
            self._api_server, self._health = api_server(
                config.api_listen,
                self._parts.identity,
                config.limits,
                RegistryService(api, self._door),
                LedgerService(api, self.engine_status, lambda: pinned.members),
                SupervisionService(api, self._reports, self._alerts),
            )
        except BaseException:
            self._operator_server.close()
            raise

    def _make_api(self) -> Api:
        config = self._parts.config
        limits = config.limits
        members = StoredMembers(self._parts.store, self._feed)
        return Api(
            node_id=config.node_id,
            chain_id=self._parts.genesis.chain_id,
            store=self._parts.store,
            feed=self._feed,
            gate=Gate(config.node_id, members),
            clock=self._clock,
            limits=limits,
            query_rate=RateLimit(limits.queries_per_second),
            entry_rate=RateLimit(limits.entries_per_second),
            slots=StreamSlots(limits.streams, limits.streams_per_member),
            query_log=self._query_log,
            query_notes=self._query_notes,
            metrics=self._metrics,
            logger=self._parts.logger,
            fail=self.fail,
        )

    async def _serve_health(self, status: int) -> None:
        for service in ("", "pledgebook.v1.Registry", "pledgebook.v1.Ledger", "pledgebook.v1.Supervision"):
            await self._health.set(service, status)

    # -- Between the parts ------------------------------------------------------------------------------------------

    def _entries_admitted(self) -> None:
        """The door has put entries into the mempool."""
        if not self._engine.knows_of_work:
            self._engine_thread.post(WorkArrived())
        self._talk.gossip_soon()

    async def _watch_engine(self) -> None:
        """Look at the engine now and then, for those who ask. Until cancelled."""
        while True:
            self._refresh_status(await self._engine_thread.call(self._engine.status))
            await asyncio.sleep(STATUS_S)

    # -- Sync's side of the engine ----------------------------------------------------------------------------------

    async def apply_certified_block(self, payload: bytes, certificate: bytes) -> bool:
        """Check and commit a fetched block; whether it was lacking."""
        apply = self._engine.apply_certified_block
        return await self._engine_thread.call(lambda: apply(payload, certificate)) is not None

    async def set_syncing(self, syncing: bool) -> None:
        """Sign nothing while syncing."""
        await self._engine_thread.call(lambda: self._engine.set_syncing(syncing))
        self._refresh_status(await self._engine_thread.call(self._engine.status))

    # -- What the engine tells (ports.Listener, on its thread) --------------------------------------------------------

    def committed(self, committed: Committed) -> None:
        """A block is on disk."""
        self._bridge.run(lambda: self._on_committed(committed))

    def message_refused(self, peer: NodeId, reason: str) -> None:
        """A peer sent what no correct node sends."""
        self._bridge.run(lambda: self._conduct.wrong(peer, reason))

    def signing_refused(self, reason: str) -> None:
        """The signer has not signed what would contradict an earlier signature."""
        self._bridge.run(lambda: self._parts.logger.warning("signing_refused", reason=reason))

    def evidence_found(self, evidence: Equivocation) -> None:
        """A validator signed two conflicting things."""
        self._bridge.run(lambda: self._parts.logger.error("equivocation", evidence=str(evidence)[:500]))

    def behind(self, height: int) -> None:
        """Peers are beyond our next height."""
        self._bridge.run(self._sync.behind)

    def _follow_nodes(self, height: int) -> None:
        """Speak and listen to the nodes of the ledger's latest decisions."""
        sets = self._executor.nodes.around(height + 1)
        if sets == self._node_sets:
            return
        self._node_sets = sets
        self._pinned.replace(sets)
        self._peer_service.pins_changed()
        addresses = self._peer_addresses()
        self._peers.replace(addresses)
        unreachable = self._pinned.names() - {peer.node_id for peer in addresses}
        self._parts.logger.info(
            "nodes_changed",
            height=height,
            from_height=sets[0].from_height,
            without_address=sorted(unreachable - {self._parts.config.node_id}),
        )

    def _peer_addresses(self) -> list[PeerAddress]:
        """Where the other nodes of the ledger listen; one that the configuration does not name is not spoken to."""
        config = self._parts.config
        return [
            PeerAddress(node_id, config.peers[node_id], self._pinned.of(node_id))
            for node_id in sorted(self._pinned.names())
            if node_id in config.peers
        ]

    def _on_committed(self, committed: Committed) -> None:
        self._follow_nodes(committed.height)
        self._feed.committed(committed.height, committed.entry_ids)
        self._metrics.count_block(committed.entry_ids, committed.receipts, self._clock.monotonic_ms())
        for dropped in committed.dropped:
            self._parts.logger.info(
                "entry_dropped", entry=dropped.entry_id.hex(), code=str(dropped.code), reason=dropped.message
            )
        # What the block passed over may have to be gossiped again.
        self._talk.gossip_soon()
        self._parts.logger.debug(
            "committed",
            height=committed.height,
            entries=len(committed.entry_ids),
            hash=committed.block_hash.hex(),
        )

    # -- What people ask (http_api.Reporter) ------------------------------------------------------------------------

    def health(self) -> str:
        """One word."""
        status = self._engine_status
        return (
            "catching_up"
            if self._state == "serving" and status is not None and status.syncing
            else self._state
        )

    def engine_status(self) -> EngineStatus:
        """The engine's state a moment ago. Raises CallRefused while the node starts."""
        if self._engine_status is None:
            raise CallRefused(CallCode.STOPPING, "the node is starting", retry_after_ms=1_000)
        return self._engine_status

    def status(self) -> NodeStatus:
        """The whole page."""
        engine, config = self.engine_status(), self._parts.config
        with self._parts.store.read() as snapshot:
            height = snapshot.height
            header_bytes = snapshot.header(height)
            block_hash = snapshot.block_hash(height) or b""
        header = decode_header(header_bytes) if header_bytes else None
        connected = set(self._peers.connected())
        return NodeStatus(
            node=config.node_id,
            chain_id=self._parts.genesis.chain_id.hex(),
            version=software_version(),
            status=self.health(),
            height=height,
            block_hash=block_hash.hex(),
            state_root=header.state_root.hex() if header else "",
            time_ms=header.time_ms if header else self._parts.genesis.time_ms,
            round=engine.round,
            step=engine.step,
            validating=engine.validating,
            observing_because=engine.observing_because,
            peers_connected=sorted(connected),
            peers_missing=sorted(set(self._peers.links) - connected),
            mempool_entries=len(self._mempool),
            mempool_bytes=self._mempool.entry_bytes,
        )

    def _refresh_status(self, status: EngineStatus) -> None:
        self._engine_status = status
        self._metrics.height.set(self._feed.height)
        self._metrics.round.set(status.round)
        self._metrics.validating.set(status.validating)
        self._metrics.mempool_entries.set(len(self._mempool))
        self._metrics.mempool_bytes.set(self._mempool.entry_bytes)
        self._metrics.peers_connected.set(len(self._peers.connected()))


def _make_executor(parts: Parts, mempool: Mempool, clock: SystemClock) -> Executor:
    settings = ExecutorSettings(node_id=NodeId(parts.config.node_id))
    return Executor(settings, parts.genesis, parts.store, mempool, clock)


async def _raise_from(failure: asyncio.Future[None]) -> None:
    await asyncio.shield(failure)
