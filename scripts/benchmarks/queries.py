"""Status questions against one node, every answer verified: callers who each ask again as soon as they are answered.

Guarantees: an answer counts when its proof and its header's certificate were checked. Closed loop: the figure is a capacity,
and latencies are those at full load.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from client.answers import ById
from client.connection import Connection, Identity, system_clock
from client.verify import TrustedChain
from client.wire import key_message, status_answer
from pledgebook.v1 import registry_pb2
from registry.errors import InvariantViolation
from registry.genesis import parse_genesis
from registry.identifiers import MemberId
from registry.signing import SigningKey

from .workload import EXPORTERS, Consortium

PURPOSE = "benchmark"


@dataclass(frozen=True, slots=True)
class QueryPlan:
    """How to ask."""

    node: int
    keys_per_call: int
    callers: int
    seconds: float


@dataclass(frozen=True, slots=True)
class QueryResult:
    """What was answered and verified."""

    keys: int
    calls: int
    elapsed_s: float
    latencies_s: tuple[float, ...]
    """Of calls, sorted."""


async def ask(consortium: Consortium, plan: QueryPlan, receivables: Sequence[bytes]) -> QueryResult:
    """Ask for random receivables among those given, which must exist, as several members at once."""
    genesis = parse_genesis(consortium.genesis)
    place = consortium.places[plan.node]
    pinned = next(node for node in genesis.nodes if node.node_id == place.node_id)
    chain = TrustedChain(genesis)
    # The node limits each member's questions, not their sum: callers are spread over the members.
    connections = [
        Connection(pinned, place.api, Identity(MemberId(member), SigningKey(seed)), system_clock)
        for member, seed in zip(
            consortium.exporters[: min(EXPORTERS, plan.callers)], consortium.seeds, strict=False
        )
    ]
    latencies: list[float] = []
    chosen = random.Random(1)
    await asyncio.gather(*(_call(connection, chain, receivables[:1]) for connection in connections))
    started_s = time.monotonic()

    async def caller(number: int) -> None:
        connection = connections[number % len(connections)]
        while (asked_s := time.monotonic()) - started_s < plan.seconds:
            await _call(connection, chain, chosen.choices(receivables, k=plan.keys_per_call))
            latencies.append(time.monotonic() - asked_s)

    async with asyncio.TaskGroup() as group:
        for number in range(plan.callers):
            group.create_task(caller(number))
    elapsed_s = time.monotonic() - started_s
    for connection in connections:
        await connection.close()
    return QueryResult(
        len(latencies) * plan.keys_per_call, len(latencies), elapsed_s, tuple(sorted(latencies))
    )


async def _call(connection: Connection, chain: TrustedChain, receivables: Sequence[bytes]) -> None:
    keys = [ById(identifier) for identifier in receivables]
    response = await connection.registry.GetStatus(
        registry_pb2.GetStatusRequest(keys=[key_message(key) for key in keys], purpose=PURPOSE),
        metadata=connection.metadata(),
        wait_for_ready=True,
    )
    # Any certified height: callers of one process overlap, so answers may arrive in another order than heights.
    head = chain.verify_head(response.head.header, response.head.certificate)
    for status in chain.check_statuses(head, keys, [status_answer(answer) for answer in response.answers]):
        if status.summary is None:
            raise InvariantViolation("a receivable whose receipt was verified is proven to be absent")
