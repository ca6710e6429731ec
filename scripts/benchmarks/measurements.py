"""One measurement each: a step of load, a sweep, idle latency, questions, memory, audit. Results are plain frozen values.

Guarantees: every figure comes from the same network, and processor time is read at the two ends of the measured time.
Leaves to others: which ones to make (`scripts.benchmark`), and showing them (`report`).
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from node.network import Network

from .accounting import Memory, Reading, memory, read_all
from .generator import Generator
from .load import LoadPlan, LoadResult
from .queries import QueryPlan

# A step is sustained when so much of what was offered is committed in time, and nothing was refused or lost.
COMMITTED_SHARE_MIN = 0.95
LEAD_S = 0.3
SETTLE_S = 0.5
SETTLE_S_MAX = 30.0


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Latencies in milliseconds; all 0 when there are none."""

    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float

    @staticmethod
    def of(sorted_s: Sequence[float]) -> Percentiles:
        """By nearest rank."""
        if not sorted_s:
            return Percentiles(0.0, 0.0, 0.0, 0.0)

        def rank(share: float) -> float:
            return sorted_s[max(0, math.ceil(share * len(sorted_s)) - 1)] * 1_000

        return Percentiles(rank(0.50), rank(0.95), rank(0.99), rank(1.0))


@dataclass(frozen=True, slots=True)
class Step:
    """One rate, offered for a while."""

    offered_entries_per_s: float
    operations_per_entry: int
    committed_entries_per_s: float
    operations_per_s: float
    latency: Percentiles
    refused: dict[str, int]
    unanswered: int
    entries_per_block: float
    entry_bytes: int
    node_cpu_s_per_entry: float
    """Of all nodes together."""
    generator_cpu_s_per_entry: float
    cores_used: float
    """Of the machine's, by nodes and generator together."""
    stored_bytes_per_entry: float
    """Growth of one node's folder."""
    written_bytes_per_entry: float
    """What one node wrote to disk for it: journal and store."""

    def is_sustained(self, p99_ms_max: float) -> bool:
        """Whether the network kept up with what was offered."""
        return (
            not self.refused
            and not self.unanswered
            and self.committed_entries_per_s >= COMMITTED_SHARE_MIN * self.offered_entries_per_s
            and self.latency.p99_ms <= p99_ms_max
        )


@dataclass(frozen=True, slots=True)
class Sweep:
    """Steps of one entry size, in the order in which they were made."""

    operations_per_entry: int
    steps: tuple[Step, ...]
    best: Step | None
    """The highest rate that was sustained."""


@dataclass(frozen=True, slots=True)
class Idle:
    """Latency of single entries, each sent after the one before was committed, to a network with nothing else to do."""

    entries: int
    latency: Percentiles


@dataclass(frozen=True, slots=True)
class Queries:
    """Verified status questions against one node."""

    keys_per_call: int
    callers: int
    keys_per_s: float
    calls_per_s: float
    call_latency: Percentiles


@dataclass(frozen=True, slots=True)
class NodeMemory:
    """What one node holds in memory."""

    node: str
    receivables: int
    memory: Memory


@dataclass(frozen=True, slots=True)
class Audit:
    """Export and offline audit of the whole chain."""

    entries: int
    operations: int
    export_bytes: int
    export_s: float
    audit_s: float
    entries_per_s: float
    operations_per_s: float


@dataclass(frozen=True, slots=True)
class Pace:
    """How long things are measured."""

    warm_up_s: float
    measured_s: float
    tick_s: float
    p99_ms_max: float
    bisections: int


class Bench:
    """A running network, its generator, and how much was registered so far."""

    def __init__(self, network: Network, generator: Generator, pace: Pace) -> None:
        self._network = network
        self._generator = generator
        self._pace = pace
        self.receivables = 0
        self.entries = 0

    def step(self, entries_per_s: float, operations: int, seconds: float | None = None) -> Step:
        """Offer a rate."""
        pace = self._pace
        measured_s = seconds or pace.measured_s
        plan = LoadPlan(entries_per_s, operations, pace.warm_up_s, measured_s, pace.tick_s)
        entry_bytes = self._generator.prepare(plan)
        started_s = time.monotonic() + LEAD_S
        self._generator.start(started_s)
        _sleep_until(started_s + pace.warm_up_s)
        before = self._read()
        _sleep_until(started_s + pace.warm_up_s + measured_s)
        after = self._read()
        result = self._generator.result()
        self._network.check_alive()
        settled = plan.entries - result.unanswered - sum(result.refused.values())
        self.entries += settled
        self.receivables += settled * operations
        self._settle()
        return _step(plan, entry_bytes, result, before, after, len(self._network.running()))

    def sweep(self, operations: int, first_entries_per_s: float) -> Sweep:
        """Double the rate until the network does not keep up, then halve the gap a few times."""
        steps: list[Step] = []
        best: Step | None = None
        low, high = 0.0, math.inf
        rate = first_entries_per_s
        bisections = self._pace.bisections
        while True:
            step = self.step(rate, operations)
            steps.append(step)
            if step.is_sustained(self._pace.p99_ms_max):
                low, best = rate, step
            else:
                high = rate
            if math.isinf(high):
                rate = low * 2
            elif bisections == 0 or high < first_entries_per_s / 8:
                return Sweep(operations, tuple(steps), best)
            else:
                bisections -= 1
                rate = (low + high) / 2

    def idle(self, entries: int) -> Idle:
        """Latency without load: four entries a second, each alone in the network."""
        plan = LoadPlan(4.0, 1, 0.0, entries / 4.0, 0.001)
        self._generator.prepare(plan)
        self._generator.start(time.monotonic() + LEAD_S)
        result = self._generator.result()
        self.entries += plan.entries
        self.receivables += plan.entries
        return Idle(len(result.latencies_s), Percentiles.of(result.latencies_s))

    def queries(self, keys_per_call: int, callers: int, seconds: float) -> Queries:
        """Ask the last node, which is an exporter's, as fast as it answers."""
        node = len(self._network.directory.nodes) - 1
        result = self._generator.ask(QueryPlan(node, keys_per_call, callers, seconds))
        return Queries(
            keys_per_call,
            callers,
            result.keys / result.elapsed_s,
            result.calls / result.elapsed_s,
            Percentiles.of(result.latencies_s),
        )

    def memory(self) -> tuple[NodeMemory, ...]:
        """Every node's memory now."""
        return tuple(
            NodeMemory(node, self.receivables, memory(self._network.pid(node)))
            for node in self._network.running()
        )

    def audit(self, folder: Path) -> Audit:
        """Export the chain from one node and audit the file, by the commands that an auditor uses."""
        directory = self._network.directory
        export, report = folder / "chain.pbk", folder / "audit.json"
        network = str(directory.folder)
        export_s, said = _timed("export", "--network", network, "--out", str(export), "--json")
        head = json.loads(said)["head"]
        genesis = str(directory.genesis)
        audit_s, _ = _timed("audit", str(export), "--genesis", genesis, "--head", head, "--json", str(report))
        return Audit(
            self.entries,
            self.receivables,
            export.stat().st_size,
            export_s,
            audit_s,
            self.entries / audit_s,
            self.receivables / audit_s,
        )

    def _settle(self) -> None:
        """Let the nodes finish what an overload left waiting, so that the next measurement begins with an idle network."""
        deadline_s = time.monotonic() + SETTLE_S_MAX
        time.sleep(SETTLE_S)
        while time.monotonic() < deadline_s and any(
            self._network.status(node).get("mempool_entries", 0) for node in self._network.running()
        ):
            time.sleep(SETTLE_S)

    def _read(self) -> Reading:
        nodes = self._network.running()
        folders = [self._network.directory.nodes[node].config.parent / "data" for node in nodes]
        return read_all([self._network.pid(node) for node in nodes], folders, self._generator.pid)


def _timed(*arguments: str) -> tuple[float, str]:
    """Run a command of `pledgebook`: seconds, and what it printed. Raises CalledProcessError when it failed."""
    started_s = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "client.cli", *arguments], check=True, stdout=subprocess.PIPE, text=True
    )
    return time.monotonic() - started_s, done.stdout


def _step(
    plan: LoadPlan, entry_bytes: int, result: LoadResult, before: Reading, after: Reading, nodes: int
) -> Step:
    # With nothing committed the costs have no entry to be spread over: they are shown for one.
    committed = max(1, result.committed)
    node_cpu_s = after.node_cpu_s - before.node_cpu_s
    generator_cpu_s = after.generator_cpu_s - before.generator_cpu_s
    return Step(
        offered_entries_per_s=plan.entries_per_s,
        operations_per_entry=plan.operations,
        committed_entries_per_s=result.committed / plan.measured_s,
        operations_per_s=result.committed * plan.operations / plan.measured_s,
        latency=Percentiles.of(result.latencies_s),
        refused=result.refused,
        unanswered=result.unanswered,
        entries_per_block=result.entries_in_blocks / max(1, result.blocks),
        entry_bytes=entry_bytes,
        node_cpu_s_per_entry=node_cpu_s / committed,
        generator_cpu_s_per_entry=generator_cpu_s / committed,
        cores_used=(node_cpu_s + generator_cpu_s) / plan.measured_s,
        stored_bytes_per_entry=(after.node_folder_bytes - before.node_folder_bytes) / nodes / committed,
        written_bytes_per_entry=(after.node_written_bytes - before.node_written_bytes) / nodes / committed,
    )


def _sleep_until(moment_s: float) -> None:
    time.sleep(max(0.0, moment_s - time.monotonic()))
