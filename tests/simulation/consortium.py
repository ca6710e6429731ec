"""A whole consortium in one process and one seed: nodes, network, clients, faults, judges.

A run has two phases. In the first, a scenario does what it likes to nodes and network, and only safety is judged. Then
everything heals, and the nodes must agree on every entry that a client handed in, soon: within `ROUNDS_TO_RECOVER` rounds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Final

from consensus.validators import NodeId, Validator, ValidatorSet
from node.node_history import validators_of
from registry.entry import Entry, decode_entry, verify_signatures
from registry.genesis import Genesis, encode_genesis, parse_genesis
from registry.nodes import NetworkNode
from registry.signing import SigningKey
from tests.node.chain_builders import NODE_IDS, key_of, make_genesis, registration
from tests.node.validator_decisions import decision
from tests.simulation.byzantine import Liar
from tests.simulation.network import Network, Packet
from tests.simulation.oracles import Oracles, OracleViolation
from tests.simulation.simulated_node import NETWORK_DELAY_MS, Build, SimulatedNode
from tests.simulation.world import World

ROUNDS_TO_RECOVER: Final = 4
"""Rounds that the height open at the healing may still take: one that is under way, one in which laggards arrive, and one
each for a proposer that still waits and for a locked one whose value must be proposed again."""
RECOVERY_MS_MAX: Final = 120_000
"""Virtual time after which a run that has not recovered is stuck."""
EVENTS_MAX: Final = 400_000
EQUAL_POWERS: Final = (1, 1, 1, 1)
FIRST_ENTRY_MS: Final = 150
"""All nodes are up and connected by then."""
CLIENT_RETRY_MS: Final = 3_000
DECISION_RETRY_MS: Final = 400
MEMORY_EVERY_EVENTS: Final = 200


Change = Callable[
    [tuple[NetworkNode, ...]], tuple[tuple[NetworkNode, ...], tuple[tuple[str, SigningKey], ...]]
]
"""From the present nodes to the next ones, with the keys of those that are to be admitted."""


class NotRecovered(AssertionError):
    """Everything healed, and the nodes did not come to an agreement in time."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to."""

    seed: int
    trace_hash: str
    height: int
    rounds: dict[int, int]
    """Height -> the round that decided it."""
    height_at_healing: int
    accused: tuple[str, ...]
    events: int
    virtual_ms: int


class Consortium:
    """See the module's docstring."""

    def __init__(
        self,
        seed: int,
        *,
        faulty: tuple[str, ...] = (),
        newcomers: tuple[str, ...] = (),
        powers: tuple[int, ...] = EQUAL_POWERS,
        network_delay_ms: int = NETWORK_DELAY_MS,
        build: Build | None = None,
    ) -> None:
        self.world = World(seed)
        self.network_delay_ms = network_delay_ms
        self.genesis = _genesis(powers)
        validators = validators_of(self.genesis)
        self.oracles = Oracles(self.genesis.chain_id, validators, faulty)
        self.network = Network(self.world, self._deliver)
        self.nodes: dict[str, SimulatedNode] = {}
        self.height_at_healing = 0
        self.marks: dict[str, int] = {}
        """What a scenario remembers for its judge."""
        self._waiting: dict[bytes, bytes] = {}
        """Entries that clients have handed in and not yet seen committed."""
        self._decisions = 0
        self._decisions_left = 0
        self._undecided: set[bytes] = set()
        for node_id in (*NODE_IDS, *newcomers):
            # The faulty run sound code: what is wrong with them is what they say.
            own_build = Build() if build is None or node_id in faulty else build
            self.nodes[node_id] = SimulatedNode(
                self.world,
                self.network,
                self.oracles,
                self.genesis,
                NodeId(node_id),
                key_of(node_id),
                own_build,
                _verified_entry,
                network_delay_ms,
            )
        for node in self.nodes.values():
            node.peers = {name: peer for name, peer in self.nodes.items() if peer is not node}

    @property
    def names(self) -> list[str]:
        """All nodes, sorted."""
        return sorted(self.nodes)

    @property
    def honest(self) -> list[SimulatedNode]:
        """Those that the oracles judge."""
        return [node for node in self.nodes.values() if node.honest]

    # -- What a scenario can do -------------------------------------------------------------------------------------

    def at(self, time_ms: int, action: Callable[[], None]) -> None:
        """Do this at that virtual time."""
        self.world.after(time_ms - self.world.now_ms, action)

    def corrupt(self, name: str, strategy: Callable[[SimulatedNode], Liar]) -> None:
        """Let this node, one of the faulty, lie from the start."""
        assert name in self.oracles.faulty, f"{name} counts as honest"
        self.nodes[name].spread = strategy(self.nodes[name])

    def crash(self, name: str) -> None:
        """Take a node's power."""
        self.nodes[name].die()

    def restart(self, name: str) -> None:
        """Give it back."""
        self.nodes[name].start()

    def crash_for(self, name: str, at_ms: int, for_ms: int) -> None:
        """An outage."""
        self.at(at_ms, lambda: self.crash(name))
        self.at(at_ms + for_ms, lambda: self.restart(name))

    def submit(self, count: int, until_ms: int) -> None:
        """Clients hand in so many entries, evenly over that time, each to one node; unanswered ones go to another."""
        for number in range(count):
            raw = _entry(self.genesis.chain_id, number)
            entry_id = _verified_entry(raw).entry_id
            self._waiting[entry_id] = raw
            at_ms = FIRST_ENTRY_MS + number * (until_ms - FIRST_ENTRY_MS) // count
            self.at(at_ms, partial(self._hand_in, entry_id))

    def decide(self, at_ms: int, change: Change) -> None:
        """Have the association decide another set of nodes, from that time on as soon as the decision before it is in force."""
        self._decisions_left += 1
        self.at(at_ms, lambda: self._decide(change))

    def _decide(self, change: Change) -> None:
        self._forget_committed()
        up = [node for node in self.nodes.values() if node.up]
        furthest = max(up, key=lambda node: node.height) if up else None
        executor = None if furthest is None else furthest.executor
        if furthest is None or executor is None or self._undecided & self._waiting.keys():
            self.world.after(DECISION_RETRY_MS, lambda: self._decide(change))
            return
        if executor.nodes.newest().from_height > furthest.height + 1:
            self.world.after(DECISION_RETRY_MS, lambda: self._decide(change))
            return
        nodes, admitted = change(executor.nodes.newest().nodes)
        self._decisions += 1
        self._decisions_left -= 1
        entry = decision(self.genesis.chain_id, self._decisions, nodes, *admitted, forced=True)
        self._undecided = {entry.entry_id}
        self._waiting[entry.entry_id] = entry.raw
        self.oracles.decides(entry.entry_id, _voting(nodes))
        self._hand_in(entry.entry_id)

    def heal(self) -> None:
        """End all faults but those of the Byzantine nodes."""
        self.height_at_healing = self.oracles.height
        self.world.note("healed")
        self.network.heal()
        for node in self.nodes.values():
            node.clock_offset_ms = 0
            node.disk.full = False
            node.points.die_at = None
            node.start()
        for node in self.nodes.values():
            for peer in node.peers:
                node.peer_connected(peer)

    # -- Playing ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """All nodes start, within a blink."""
        for name in self.names:
            self.world.after(self.world.random.randint(0, 40), self.nodes[name].start)

    def play_until(self, time_ms: int) -> None:
        """Play all events up to this virtual time."""
        reached: list[None] = []
        self.at(time_ms, lambda: reached.append(None))
        while not reached:
            self._step()

    def recover(self) -> None:
        """Heal, and play until all honest nodes have every entry, at one height. Raises NotRecovered."""
        self.heal()
        rounds_before = {n.node_id: (n.height, n.engine._driver.round) for n in self.honest if n.up}
        deadline_ms = self.world.now_ms + RECOVERY_MS_MAX
        while not self._is_whole():
            if self.world.now_ms > deadline_ms or self.world.events > EVENTS_MAX:
                heights = {name: node.height for name, node in self.nodes.items()}
                raise NotRecovered(f"{len(self._waiting)} entries wait, nodes are at {heights}")
            self._step()
        self._judge_speed(rounds_before)

    def outcome(self) -> Outcome:
        """What came of it."""
        return Outcome(
            seed=self.world.seed,
            trace_hash=self.world.trace_hash,
            height=self.oracles.height,
            rounds=dict(self.oracles.rounds),
            height_at_healing=self.height_at_healing,
            accused=tuple(sorted(set(self.oracles.evidence.values()))),
            events=self.world.events,
            virtual_ms=self.world.now_ms,
        )

    def _step(self) -> None:
        if not self.world.step():
            raise NotRecovered("nothing is left to happen")
        if self.world.events % MEMORY_EVERY_EVENTS == 0:
            for node in self.honest:
                if node.up:
                    node.report_memory()

    def _is_whole(self) -> bool:
        self._forget_committed()
        heights = {node.height for node in self.honest}
        more = self.height_at_healing + 2
        done = not self._waiting and not self._decisions_left
        return done and len(heights) == 1 and heights.pop() >= more

    def _forget_committed(self) -> None:
        for entry_id in [e for e in self._waiting if e in self.oracles.committed_entries]:
            del self._waiting[entry_id]

    def _judge_speed(self, rounds_before: dict[NodeId, tuple[int, int]]) -> None:
        """The heights decided after the healing took few rounds."""
        open_height = self.height_at_healing + 1
        started = max((r for h, r in rounds_before.values() if h + 1 == open_height), default=0)
        for height, round in self.oracles.rounds.items():
            if height < open_height:
                continue
            allowed = ROUNDS_TO_RECOVER + (started if height == open_height else 0)
            if round > allowed:
                raise NotRecovered(f"height {height} was decided in round {round}, {allowed} were allowed")

    def _hand_in(self, entry_id: bytes) -> None:
        if entry_id in self.oracles.committed_entries:
            return
        up = [node for node in self.nodes.values() if node.up and node.honest]
        if up:
            self.world.random.choice(up).take_entry(self._waiting[entry_id], local=True)
        self.world.after(CLIENT_RETRY_MS, lambda: self._hand_in(entry_id))

    def _deliver(self, sender: str, receiver: str, packet: Packet) -> None:
        self.nodes[receiver].receive(sender, packet)


def replay_chain(consortium: Consortium) -> None:
    """At the end: every honest node's chain is the agreed one, so that equal headers mean equal roots."""
    chain = consortium.oracles.chain()
    for node in consortium.honest:
        with node.store.read() as snapshot:
            own = [snapshot.block_hash(height) for height in range(1, snapshot.height + 1)]
        if own != chain[: len(own)]:
            raise OracleViolation("agreement", f"{node.node_id}'s stored chain differs")


def _voting(nodes: tuple[NetworkNode, ...]) -> ValidatorSet:
    return ValidatorSet(
        tuple(
            Validator(NodeId(node.node_id), node.consensus_key, node.power)
            for node in nodes
            if node.power > 0
        )
    )


@cache
def _genesis(powers: tuple[int, ...]) -> Genesis:
    genesis = make_genesis("simulated consortium")
    weighted = encode_genesis(
        name=genesis.name,
        time_ms=genesis.time_ms,
        fingerprint_epoch=genesis.fingerprint_epoch,
        governance_threshold=genesis.governance_threshold,
        policy=genesis.policy,
        nodes=tuple(replace(node, power=power) for node, power in zip(genesis.nodes, powers, strict=True)),
        members=genesis.members,
    )
    return parse_genesis(weighted)


@cache
def _entry(chain_id: bytes, number: int) -> bytes:
    return registration(chain_id, number + 1).raw


@cache
def _verified_entry(raw: bytes) -> Entry:
    entry = decode_entry(raw)
    verify_signatures(entry)
    return entry
