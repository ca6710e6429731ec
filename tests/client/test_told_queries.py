"""Who asked about a receivable, put together from several nodes, of which some are silent, late or lie."""

from __future__ import annotations

import pytest

from client.answers import ToldQuery
from client.commands.query_history import _moment
from client.errors import CallRefused, Unreachable
from client.wire import QUERIES_PER_NODE_MAX, WORDS_CHARS_MAX
from node.status import CallCode
from node.status import CallRefused as NodeRefusal
from pledgebook.v1 import registry_pb2
from tests.client.fake_node import FakeNode, TlsChain, client_of, serving

RECEIVABLE = b"r" * 32
NOT_YOURS = NodeRefusal(CallCode.FORBIDDEN, "not yours")


@pytest.fixture
def nodes() -> tuple[TlsChain, FakeNode, FakeNode]:
    chain = TlsChain()
    chain.commit()
    first, second = (FakeNode(chain, node.node_id) for node in chain.genesis.nodes[:2])
    return chain, first, second


def query(asker: str, last_ms: int, purpose: str = "why") -> registry_pb2.Query:
    return registry_pb2.Query(
        asker=asker, kind="status", purpose=purpose, first_ms=1, last_ms=last_ms, times=2
    )


async def test_words_of_all_nodes_are_merged_by_time(nodes: tuple[TlsChain, FakeNode, FakeNode]) -> None:
    chain, first, second = nodes
    first.queries = [query("a", 10), query("b", 30)]
    second.queries, second.forgotten = [query("c", 20)], 7
    async with serving(first, second), client_of(chain, first, second) as client:
        told = await client.queries(RECEIVABLE)
    assert [each.asker for each in told.queries] == ["a", "c", "b"]
    assert told.queries[1] == ToldQuery(second.node_id, "c", "status", "why", 1, 20, 2)
    assert (told.forgotten, told.silent) == ({first.node_id: 0, second.node_id: 7}, {})


@pytest.mark.parametrize("how", ["hangs", "refuses", "is away"])
async def test_node_that_does_not_tell_is_named(nodes: tuple[TlsChain, FakeNode, FakeNode], how: str) -> None:
    chain, first, second = nodes
    first.queries = [query("a", 10)]
    second.hangs = how == "hangs"
    second.refusal = NOT_YOURS if how == "refuses" else None
    second.address = "127.0.0.1:1"
    up = (first,) if how == "is away" else (first, second)
    async with serving(*up), client_of(chain, first, second, attempt_s=0.5) as client:
        told = await client.queries(RECEIVABLE)
    assert len(told.queries) == 1
    assert list(told.silent) == [second.node_id]
    assert second.node_id in told.silent[second.node_id]


async def test_refusal_is_raised_when_nobody_tells(nodes: tuple[TlsChain, FakeNode, FakeNode]) -> None:
    chain, first, second = nodes
    first.hangs, second.refusal = True, NOT_YOURS
    async with serving(first, second), client_of(chain, first, second, attempt_s=0.5) as client:
        with pytest.raises(CallRefused, match="FORBIDDEN"):
            await client.queries(RECEIVABLE)
        second.refusal, second.hangs = None, True
        with pytest.raises(Unreachable):
            await client.queries(RECEIVABLE)


async def test_liar_fills_neither_terminal_nor_memory(nodes: tuple[TlsChain, FakeNode, FakeNode]) -> None:
    chain, first, _ = nodes
    first.queries = [
        query("a\x1b[2J", 2**63 - 1, "x" * 10_000),
        *[query("a", 1)] * (QUERIES_PER_NODE_MAX + 1),
    ]
    async with serving(first), client_of(chain, first) as client:
        told = await client.queries(RECEIVABLE)
    assert len(told.queries) == QUERIES_PER_NODE_MAX
    liar = told.queries[-1]
    assert "\x1b" not in liar.asker
    assert len(liar.purpose) == WORDS_CHARS_MAX
    assert _moment(liar.last_ms) == f"{2**63 - 1} ms"
