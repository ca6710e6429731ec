"""Outgoing links follow the ledger: who is new is dialled, who is gone is not, and who stays keeps its stream."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Iterable
from typing import cast

import structlog

from node.config import Address
from node.peering.peers import PeerAddress, PeerLink, PeerNetwork
from node.peering.sync import Sync
from node.telemetry import Metrics
from node.tls import certificate_der, generate_identity
from tests.node.test_sync_from_peers import FakeEngine, FakeLink, TestClock

NOW = datetime.datetime.now(datetime.UTC)
OWN = generate_identity("own", NOW)
CERTIFICATE = certificate_der(generate_identity("peer", NOW).certificate_pem)
OTHER = certificate_der(generate_identity("peer", NOW).certificate_pem)


class Silent:
    """A user with nothing to say."""

    def greeting(self) -> Iterable[bytes]:
        return ()

    def link_up(self, peer: str) -> None:
        raise AssertionError("nobody listens there")


def address(node_id: str, *certificates: bytes) -> PeerAddress:
    return PeerAddress(node_id, Address("127.0.0.1", 9), certificates or (CERTIFICATE,))


def running() -> set[str]:
    return {task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("peer ")}


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0.01)


async def test_links_are_started_and_ended_while_the_node_runs() -> None:
    network = PeerNetwork([address("a"), address("b")], OWN, Metrics(), structlog.get_logger())
    kept = network.links["b"]
    task = asyncio.create_task(network.run(Silent()))
    await settle()
    assert running() == {"peer a", "peer b"}
    network.replace([address("b"), address("c")])
    await settle()
    assert running() == {"peer b", "peer c"}
    assert set(network.links) == {"b", "c"}
    assert network.links["b"] is kept
    network.replace([address("b", CERTIFICATE, OTHER), address("c")])
    await settle()
    assert network.links["b"] is not kept
    assert running() == {"peer b", "peer c"}
    network.replace([])
    await settle()
    assert running() == set()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_peer_that_is_gone_is_not_asked_for_blocks() -> None:
    engine = FakeEngine()
    links = {"leaver": FakeLink(), "stayer": FakeLink(height=3)}
    sync = Sync(
        cast(dict[str, PeerLink], links),
        engine,
        lambda: engine.height,
        TestClock(),
        Metrics(),
        structlog.get_logger(),
        quorum_with=None,
    )
    sync.claim("leaver", 50)
    sync.claim("stayer", 3)
    leaver = links.pop("leaver")
    task = asyncio.create_task(sync.run())
    for _ in range(100):
        await asyncio.sleep(0.05)
        if engine.height == 3:
            break
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (engine.height, leaver.asked) == (3, 0)
