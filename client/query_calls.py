"""Who asked about a receivable, put together from what every node says that it was asked.

A query reaches one node and is kept there alone, so one node's silence leaves a gap: the answer names it. Nothing proves what a node
says here, and nothing shows what it keeps back.
"""

from __future__ import annotations

import asyncio

import grpc.aio

from . import wire
from .answers import ToldQueries, ToldQuery
from .connection import Connection
from .errors import CallRefused, ClientError
from .node_circle import NodeCircle


async def asked_of_all(nodes: NodeCircle, receivable_id: bytes) -> ToldQueries:
    """The words of all nodes that answer, each given the time of one attempt. Raises CallRefused, Unreachable when none does."""
    connections = sorted(nodes.connections, key=lambda each: each.node_id)
    told = await asyncio.gather(*(_ask(each, receivable_id, nodes.attempt_s) for each in connections))
    queries: list[ToldQuery] = []
    forgotten: dict[str, int] = {}
    failures: dict[str, ClientError] = {}
    for connection, answer in zip(connections, told, strict=True):
        if isinstance(answer, ClientError):
            failures[connection.node_id] = answer
        else:
            asked, forgotten[connection.node_id] = answer
            queries += asked
    if not forgotten:
        # That the caller may not ask says more than that another node is away.
        raise min(failures.values(), key=lambda failure: not isinstance(failure, CallRefused))
    queries.sort(key=lambda each: (each.last_ms, each.node_id))
    return ToldQueries(
        tuple(queries), forgotten, {node_id: str(failure) for node_id, failure in failures.items()}
    )


async def _ask(
    connection: Connection, receivable_id: bytes, left_s: float
) -> tuple[tuple[ToldQuery, ...], int] | ClientError:
    try:
        response = await connection.registry.ListQueries(
            wire.list_queries(receivable_id), timeout=left_s, metadata=connection.metadata()
        )
    except grpc.aio.AioRpcError as error:
        return connection.failure(error)
    return wire.told_queries(connection.node_id, response), response.forgotten
