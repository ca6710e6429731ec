"""Reports and alerts as a client takes them from nodes: what is believed, and what happens when a node does not do its part."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from client.answers import RaisedAlert
from client.errors import CallRefused
from node.status import CallCode
from node.status import CallRefused as NodeRefuses
from pledgebook.v1 import supervision_pb2
from registry.errors import ProofInvalid, Reference
from registry.state import MemoryState
from registry.supervision.document import canonical_json, report_bytes
from registry.supervision.fold import ReportRequest, Supervision
from registry.supervision.following import Follower
from registry.transition import genesis_state
from tests.client.audit.chain_builder import member_id_of
from tests.client.fake_node import FakeNode, TlsChain, client_of, serving


@dataclass
class World:
    """A chain of three blocks, and two nodes that serve it."""

    chain: TlsChain
    first: FakeNode
    second: FakeNode

    def honest(self, request: supervision_pb2.ReportRequest) -> bytes:
        """The true report."""
        asked = ReportRequest(request.height, request.member_id or None, request.from_height)
        supervision = Supervision(self.chain.genesis, asked)
        state = MemoryState()
        state.apply(genesis_state(self.chain.genesis).delta)
        follower = Follower(self.chain.genesis, state, 0)
        for built in self.chain.blocks[: request.height]:
            supervision.follow(follower.follow(built.block), state)
        return report_bytes(supervision.report(state))

    def client(self) -> Any:
        return client_of(self.chain, self.first, self.second)


@pytest.fixture
def world() -> World:
    chain = TlsChain()
    for _ in range(3):
        chain.commit([chain.entry("exporter-1", chain.register())])
    world = World(chain, FakeNode(chain, "association"), FakeNode(chain, "factor-1"))
    for node in (world.first, world.second):
        node.report = world.honest
        node.alerts = [_batch(height) for height in (1, 2, 3, 5)]
    return world


def _batch(height: int) -> supervision_pb2.AlertBatch:
    """Of the first four blocks the second has no alert, and only the third one that an operation raised."""
    batch = supervision_pb2.AlertBatch(height=height, time_ms=height * 1_000)
    if height == 2:
        return batch
    alert = batch.alerts.add(kind="overdue", subject=bytes(32), currency="CNY", amount=7, detail="over_90")
    alert.reference.CopyFrom(supervision_pb2.Place(subject=bytes(32), height=1, operation_index=2))
    if height == 3:
        alert.entry_id, alert.entry_index, alert.operation_index = b"\x01" * 32, 0, 4
    return batch


async def test_a_report_is_as_of_the_last_block_unless_told(world: World) -> None:
    heights: list[int] = []
    async with serving(world.first, world.second), world.client() as client:
        document = await client.report(ReportRequest(0, None), progress=heights.append)
        assert json.loads(document)["height"] == 3
        assert heights == [1, 2, 3]
        earlier = await client.report(ReportRequest(2, member_id_of("factor-1"), from_height=2))
        assert json.loads(earlier)["scope"] == member_id_of("factor-1")
    asked = world.first.reports_asked[-1]
    assert (asked.height, asked.from_height, asked.purpose) == (2, 2, "business")


def changed(**fields: Any) -> Callable[[bytes], bytes]:
    return lambda document: canonical_json(json.loads(document) | fields)


FALSE: dict[str, Callable[[bytes], bytes]] = {
    "of another block": changed(block_hash="00" * 32),
    "of another state": changed(state_root="00" * 32),
    "of another time": changed(time_ms=1),
    "of another chain": changed(chain_id="00" * 32),
    "of another height": changed(height=1),
    "of another period": changed(from_height=2),
    "of another scope": changed(scope=member_id_of("factor-1")),
    "of another version": changed(version=2),
    "of a version that is no number": changed(version=True),
    "without figures": changed(figures={}),
    "with factors of another kind": changed(factors="none"),
    "with alerts that are none": changed(alerts={"raised": {}, "standing": {}, "listed": [1]}),
    "with a field more": changed(more=1),
    "not canonical": lambda document: document.replace(b"\n", b"\r\n"),
    "not JSON": lambda document: document[:-5],
    "no object": lambda _document: b"[]\n",
    "empty": lambda _document: b"",
}


@pytest.mark.parametrize("how", list(FALSE))
async def test_a_report_that_is_not_what_was_asked_for_is_not_taken(world: World, how: str) -> None:
    world.first.report = lambda request: FALSE[how](world.honest(request))
    async with serving(world.first, world.second), world.client() as client:
        with pytest.raises(ProofInvalid):
            await client.report(ReportRequest(3, None))


async def test_a_node_that_is_busy_is_passed_over_and_a_refusal_is_told(world: World) -> None:
    world.first.refusal = NodeRefuses(CallCode.OVERLOADED, "eight wait", retry_after_ms=50)
    async with serving(world.first, world.second), world.client() as client:
        assert await client.report(ReportRequest(3, None))
        assert len(world.second.reports_asked) == 1
        world.second.refusal = NodeRefuses(CallCode.FORBIDDEN, "not for you")
        with pytest.raises(CallRefused, match="FORBIDDEN"):
            await client.report(ReportRequest(3, None))


async def test_alerts_are_told_once_across_a_node_that_goes_away(world: World) -> None:
    world.first.events_before_failure = 2
    async with serving(world.first, world.second), world.client() as client:
        watching = client.watch_alerts(1)
        told = [await anext(watching) for _ in range(4)]
        await watching.aclose()
    assert [(batch.height, len(batch.alerts)) for batch in told] == [(1, 1), (2, 0), (3, 1), (5, 1)]
    (by_time,), (by_operation,) = told[0].alerts, told[2].alerts
    assert by_time == RaisedAlert(
        kind="overdue",
        subject=bytes(32),
        currency="CNY",
        amount=7,
        detail="over_90",
        reference=Reference(bytes(32), 1, 0, 2),
        entry_id=b"",
        entry_index=None,
        operation_index=None,
    )
    assert by_operation == replace(by_time, entry_id=b"\x01" * 32, entry_index=0, operation_index=4)


async def test_who_may_not_watch_is_told_so(world: World) -> None:
    world.first.refusal = NodeRefuses(CallCode.UNAUTHENTICATED, "no token")
    async with serving(world.first, world.second), world.client() as client:
        with pytest.raises(CallRefused, match="UNAUTHENTICATED"):
            await anext(client.watch_alerts(1))
