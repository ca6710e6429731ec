"""Real nodes whose validators change: an observer comes to vote, a founder leaves, a stranger joins; clients know the genesis alone."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import pytest

from client.answers import ById
from client.connection import Identity
from client.registry_client import RegistryClient
from client.verify import ProvenReceipt, ProvenStatus
from node.keys import read_key
from node.network import Network
from registry.entry import EntryBody, Mode, assemble, decode_entry, encode_body, sign_body
from registry.errors import Code
from registry.identifiers import MemberId
from registry.nodes import NetworkNode, node_possession_message
from registry.operations.validators import ChangeValidators, NodeAdmission
from registry.signing import SigningKey
from tests.node.live_network import DAY_MS, Author, make_test_network

pytestmark = pytest.mark.integration


class Association:
    """It decides who the nodes are, with two of its seats, through the SDK."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.author = Author(network.directory, "exporter-1")
        self.genesis = self.author.genesis
        entry = network.directory.members["association"]
        self.member = MemberId(entry.member_id)
        self.keys = [read_key(path) for path in entry.keys[:2]]
        self.sequence = 0

    def client(self, *nodes: str) -> RegistryClient:
        """A client that knows nothing but the genesis document."""
        addresses = {node: str(self.network.directory.nodes[node].api) for node in nodes}
        return RegistryClient(self.genesis, addresses, Identity(self.member, self.keys[0]), timeout_s=30.0)

    def ask(self, *nodes: str) -> tuple[NetworkNode, ...]:
        async def asking() -> tuple[NetworkNode, ...]:
            async with self.client(*nodes) as client:
                return (await client.nodes()).nodes.nodes

        return asyncio.run(asking())

    def decide(
        self,
        nodes: tuple[NetworkNode, ...],
        *through: str,
        admitted: dict[str, SigningKey] | None = None,
        cosigned: tuple[str, ...] = (),
    ) -> int:
        """The height at which it was decided."""
        by_name = {node.node_id: node for node in nodes}
        admissions = tuple(
            NodeAdmission(name, key.sign(node_possession_message(self.genesis.chain_id, by_name[name])))
            for name, key in sorted((admitted or {}).items())
        )
        self.sequence += 1
        body = encode_body(
            EntryBody(
                1,
                self.genesis.chain_id,
                self.member,
                self.sequence,
                int(time.time() * 1_000) + DAY_MS,
                Mode.ATOMIC,
                (ChangeValidators(nodes, admissions, forced=False),),
            )
        )
        signatures = [sign_body(body, self.member, key) for key in self.keys]
        for name in cosigned:
            member = self.network.directory.members[name]
            signatures.append(sign_body(body, member.member_id, read_key(member.keys[0])))
        return self._commit(assemble(body, tuple(signatures)), *through)

    def _commit(self, raw: bytes, *through: str) -> int:
        async def committing() -> int:
            async with self.client(*through) as client:
                outcome = (await client.commit([raw]))[decode_entry(raw).entry_id]
                assert isinstance(outcome, ProvenReceipt), outcome
                assert [result.code for result in outcome.receipt.results] == [Code.OK]
                return outcome.head.header.height

        return asyncio.run(committing())

    def register(self, *through: str) -> ProvenStatus:
        """Commit a registration and ask for its status, each with a client of its own."""
        signed = self.author.registration()
        self._commit(signed.raw, *through)

        async def asking() -> ProvenStatus:
            async with self.client(*through) as client:
                return await client.status(ById(signed.receivable_id))

        status = asyncio.run(asking())
        assert status.summary is not None
        assert status.head.is_verified
        return status


def wait_validating(network: Network, node: str, *, validating: bool = True) -> None:
    deadline = time.monotonic() + 30
    while network.status(node).get("validating") is not validating:
        assert time.monotonic() < deadline, network.status(node)
        time.sleep(0.1)


def test_an_observer_comes_to_vote_and_a_founder_leaves(tmp_path: Path) -> None:
    with make_test_network(tmp_path / "net", validators=4, observers=1, heartbeat_ms=500) as network:
        network.start_all()
        network.wait_healthy()
        association = Association(network)
        association.register("exporter-2")
        assert network.status("exporter-2")["validating"] is False
        nodes = association.ask("association")
        promoted = tuple(replace(node, power=1) if node.node_id == "exporter-2" else node for node in nodes)
        height = association.decide(promoted, "factor-1")
        network.wait_height(height + 3)
        wait_validating(network, "exporter-2")
        left = tuple(node for node in association.ask("exporter-2") if node.node_id != "factor-2")
        height = association.decide(left, "exporter-2")
        others = ["association", "factor-1", "exporter-1", "exporter-2"]
        network.wait_height(height + 3, others)
        # Nobody speaks to the one that has left; and of the four that are left one may fail.
        assert "factor-2" not in network.status("association")["peers_connected"]
        network.stop("factor-2")
        network.kill("factor-1")
        status = association.register("exporter-2", "association")
        assert status.head.header.height > height + 3
        # What was away comes back over both changes, by its store or, when that is lost, from the first block on.
        network.start("factor-1")
        network.wait_healthy(["factor-1"])
        wait_validating(network, "factor-1")
        network.wait_height(status.head.header.height, others)
        association.register("factor-1")
