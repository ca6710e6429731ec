"""An open-loop load: every entry has a time at which it is meant to be sent, whether or not the network keeps up.

Guarantees: latency counts from that intended time to the receipt whose proof was checked, so that a network which stalls
is charged for all that had to wait (no coordinated omission). An entry counts as committed only with its receipt verified.
Entries travel in batches, all that are due at one tick of a node's sender: a unary call costs more than an entry does.
The anti-replay window limits what one submitter has under way; an entry that must wait for it waits at its own expense.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from grpc.aio import AioRpcError

from client.connection import Connection, Identity, system_clock
from client.unverified import receipt_entry_id
from client.verify import TrustedChain
from client.wire import receipt_answer
from pledgebook.v1 import registry_pb2
from registry.errors import Code
from registry.genesis import parse_genesis
from registry.identifiers import MemberId
from registry.receipt import Outcome
from registry.signing import SigningKey

from .workload import EXPORTERS, Consortium, PreparedEntry

# Less than the window of 1,024 sequence numbers: the rest is room for those on the way.
UNDER_WAY_MAX = 900
BATCH_ENTRIES_MAX = 500
BATCH_BYTES_MAX = 2 << 20
# Receipt streams of one member at one node; the node allows 64.
STREAMS_PER_MEMBER = 48
RECEIPT_TIMEOUT_MS = 60_000
DRAIN_S = 15.0


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """One step of load. Times are of CLOCK_MONOTONIC, which all processes of a machine share."""

    entries_per_s: float
    operations: int
    warm_up_s: float
    measured_s: float
    tick_s: float

    @property
    def entries(self) -> int:
        return max(1, round(self.entries_per_s * (self.warm_up_s + self.measured_s)))


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What came of one step."""

    committed: int
    """Receipts verified within the measured time."""
    latencies_s: tuple[float, ...]
    """From intended sending to verified receipt, sorted, of all entries meant to be sent within the measured time."""
    refused: dict[str, int]
    """By code, at the door or in the block."""
    unanswered: int
    """Entries without a receipt at the end."""
    entries_in_blocks: int
    """Receipts verified, within the measured time or not."""
    blocks: int
    """Blocks in which those stood."""


@dataclass
class _Progress:
    """What is known of a step so far."""

    started_s: float
    plan: LoadPlan
    finished: list[tuple[float, float]] = field(default_factory=list)
    """(intended, verified) times."""
    refused: Counter[str] = field(default_factory=Counter)
    heights: set[int] = field(default_factory=set)
    under_way: list[dict[int, None]] = field(default_factory=lambda: [{} for _ in range(EXPORTERS)])
    """Sequence numbers on the way, by exporter, oldest first."""

    def may_send(self, entry: PreparedEntry) -> bool:
        oldest = next(iter(self.under_way[entry.exporter]), entry.sequence)
        return entry.sequence - oldest < UNDER_WAY_MAX

    def settle(self, entry: PreparedEntry) -> None:
        self.under_way[entry.exporter].pop(entry.sequence, None)


class Loader:
    """Sends prepared entries; belongs to one event loop."""

    def __init__(self, consortium: Consortium) -> None:
        genesis = parse_genesis(consortium.genesis)
        self._chain = TrustedChain(genesis)
        nodes = {node.node_id: node for node in genesis.nodes}
        # Exporter i talks to node i modulo the number of nodes, and each has a connection of its own.
        self._nodes = len(consortium.places)
        self._connections = [
            Connection(
                nodes[consortium.places[exporter % self._nodes].node_id],
                consortium.places[exporter % self._nodes].api,
                Identity(MemberId(consortium.exporters[exporter]), SigningKey(consortium.seeds[exporter])),
                system_clock,
            )
            for exporter in range(EXPORTERS)
        ]

    async def close(self) -> None:
        for connection in self._connections:
            await connection.close()

    async def warm(self) -> None:
        """Open every connection before a clock runs."""
        for connection in self._connections:
            await connection.registry.GetMember(
                registry_pb2.GetMemberRequest(member_id="nobody"),
                metadata=connection.metadata(),
                wait_for_ready=True,
            )

    async def run(self, plan: LoadPlan, entries: Sequence[PreparedEntry], started_s: float) -> LoadResult:
        """Send the entries, evenly spread over the plan's time from `started_s` on, and gather their receipts."""
        progress = _Progress(started_s, plan)
        by_node: list[deque[tuple[float, PreparedEntry]]] = [deque() for _ in range(self._nodes)]
        for number, entry in enumerate(entries):
            by_node[entry.exporter % self._nodes].append((started_s + number / plan.entries_per_s, entry))
        deadline_s = started_s + plan.warm_up_s + plan.measured_s + DRAIN_S
        senders = [
            asyncio.create_task(self._send(node, queue, progress, deadline_s))
            for node, queue in enumerate(by_node)
        ]
        await asyncio.gather(*senders)
        return _result(progress, len(entries))

    async def _send(
        self,
        node: int,
        queue: deque[tuple[float, PreparedEntry]],
        progress: _Progress,
        deadline_s: float,
    ) -> None:
        """One node's sender: at each tick, what is due goes off as one batch of one of its exporters' connections."""
        exporters = list(range(node, EXPORTERS, self._nodes))
        streams = asyncio.Semaphore(STREAMS_PER_MEMBER * len(exporters))
        deliveries: set[asyncio.Task[None]] = set()
        turn = 0
        try:
            async with asyncio.timeout(deadline_s - time.monotonic()):
                # The senders of the nodes tick in turn, not all at once.
                tick_s = progress.started_s + progress.plan.tick_s * (1 + node / self._nodes)
                while queue:
                    await asyncio.sleep(max(0.0, tick_s - time.monotonic()))
                    tick_s = max(tick_s + progress.plan.tick_s, time.monotonic())
                    while batch := _due(queue, progress):
                        await streams.acquire()
                        turn += 1
                        connection = self._connections[exporters[turn % len(exporters)]]
                        delivery = asyncio.create_task(self._deliver(connection, batch, progress))
                        deliveries.add(delivery)
                        delivery.add_done_callback(deliveries.discard)
                        delivery.add_done_callback(lambda _: streams.release())
                while deliveries:
                    await asyncio.wait(deliveries)
        except TimeoutError:
            for delivery in tuple(deliveries):
                delivery.cancel()
            await asyncio.gather(*deliveries, return_exceptions=True)

    async def _deliver(
        self, connection: Connection, batch: list[tuple[float, PreparedEntry]], progress: _Progress
    ) -> None:
        try:
            await self._submit_and_wait(connection, batch, progress)
        except AioRpcError as error:
            # A refused call, which takes all of its entries with it; what follows shows as refused, never as committed.
            progress.refused[connection_code(connection, error)] += len(batch)
            for _, entry in batch:
                progress.settle(entry)

    async def _submit_and_wait(
        self, connection: Connection, batch: list[tuple[float, PreparedEntry]], progress: _Progress
    ) -> None:
        response = await connection.registry.Submit(
            registry_pb2.SubmitRequest(entries=[entry.raw for _, entry in batch]),
            metadata=connection.metadata(),
        )
        waiting: dict[bytes, tuple[float, PreparedEntry]] = {}
        for (intended_s, entry), admission in zip(batch, response.admissions, strict=True):
            if admission.code == Code.OK:
                waiting[entry.entry_id] = (intended_s, entry)
            else:
                progress.refused[admission.code] += 1
                progress.settle(entry)
        if not waiting:
            return
        request = registry_pb2.WaitForReceiptRequest(entry_ids=list(waiting), timeout_ms=RECEIPT_TIMEOUT_MS)
        async for answer in connection.registry.WaitForReceipt(request, metadata=connection.metadata()):
            self._check(answer, waiting, progress)

    def _check(
        self,
        answer: registry_pb2.ReceiptBatch,
        waiting: dict[bytes, tuple[float, PreparedEntry]],
        progress: _Progress,
    ) -> None:
        """Verify a batch of receipts: the header's certificate once, then each receipt's path. Raises ProofInvalid."""
        head = self._chain.verify_head(answer.head.header, answer.head.certificate)
        for message in answer.receipts:
            proof = receipt_answer(message)
            intended_s, entry = waiting.pop(receipt_entry_id(proof))
            proven = self._chain.check_receipt(head, entry.entry_id, proof)
            progress.settle(entry)
            if proven.receipt.outcome is Outcome.APPLIED:
                progress.finished.append((intended_s, time.monotonic()))
                progress.heights.add(head.header.height)
            else:
                progress.refused[proven.receipt.results[proven.receipt.failed_operation or 0].code] += 1


def connection_code(connection: Connection, error: AioRpcError) -> str:
    """The stable code of a failed call, or gRPC's."""
    return str(getattr(connection.failure(error), "code", error.code().name))


def _due(queue: deque[tuple[float, PreparedEntry]], progress: _Progress) -> list[tuple[float, PreparedEntry]]:
    """What should have been sent by now, as far as one call and the submitters' windows take it."""
    now_s = time.monotonic()
    batch: list[tuple[float, PreparedEntry]] = []
    batch_bytes = 0
    while queue and queue[0][0] <= now_s and len(batch) < BATCH_ENTRIES_MAX and batch_bytes < BATCH_BYTES_MAX:
        entry = queue[0][1]
        if not progress.may_send(entry):
            break
        batch.append(queue.popleft())
        batch_bytes += len(entry.raw)
        progress.under_way[entry.exporter][entry.sequence] = None
    return batch


def _result(progress: _Progress, sent: int) -> LoadResult:
    begin_s = progress.started_s + progress.plan.warm_up_s
    end_s = begin_s + progress.plan.measured_s
    return LoadResult(
        committed=sum(begin_s <= verified_s < end_s for _, verified_s in progress.finished),
        latencies_s=tuple(
            sorted(
                verified_s - intended_s
                for intended_s, verified_s in progress.finished
                if begin_s <= intended_s < end_s
            )
        ),
        refused=dict(progress.refused),
        unanswered=sent - len(progress.finished) - progress.refused.total(),
        entries_in_blocks=len(progress.finished),
        blocks=len(progress.heights),
    )
