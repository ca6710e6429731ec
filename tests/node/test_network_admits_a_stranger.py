"""A node that no genesis document knows, from its empty folder to a vote and another key, by the commands of the manual."""

from __future__ import annotations

import json
import os
import shutil
import socket
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from client.cli import run
from node.config import read_config, render_config
from node.network import Network, NodeDied
from node.network_files import NodeEntry
from tests.node.live_network import make_test_network

pytestmark = pytest.mark.integration

NEWCOMER = "factor-9"


def free_ports() -> int:
    """Three ports in a row that nobody has now."""
    for base in range(11_000, 12_000, 3):
        with socket.socket() as one, socket.socket() as two, socket.socket() as three:
            try:
                for offset, probe in enumerate((one, two, three)):
                    probe.bind(("127.0.0.1", base + offset))
            except OSError:
                continue
            return base
    raise AssertionError("no free ports")


class Manual:
    """What an operator and the association type."""

    def __init__(self, network: Network, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.network = network
        self.folder = folder
        self._capsys = capsys

    def type(self, *arguments: str) -> dict[str, Any]:
        self._capsys.readouterr()
        code = run(arguments)
        said = self._capsys.readouterr()
        assert code == 0, (arguments, said.out, said.err)
        return dict(json.loads(said.out)) if said.out.startswith("{") else {}

    def govern(self, *arguments: str) -> dict[str, Any]:
        return self.type("govern", *arguments, "--network", str(self.network.directory.folder), "--json")

    def refused(self, *arguments: str) -> str:
        """What a command says that is not carried out."""
        self._capsys.readouterr()
        assert run(("govern", *arguments, "--network", str(self.network.directory.folder))) == 2
        return self._capsys.readouterr().err

    def decided(self, *arguments: str) -> int:
        """The height of a change."""
        said = self.govern("change-validators", *arguments)
        assert [each["code"] for each in said["operations"]] == ["OK"]
        return int(said["height"])


def introduce(network: Network, config: Path) -> None:
    """The others' address books, and the directories of clients, get the newcomer's addresses: before anybody runs."""
    own = read_config(config)
    for entry in network.directory.nodes.values():
        known = read_config(entry.config)
        peers = {**known.peers, NEWCOMER: own.peer_listen}
        entry.config.write_text(render_config(replace(known, peers=peers), entry.config.parent))
    member = network.directory.nodes["factor-1"].member
    entry = NodeEntry(member, 0, own.peer_listen, own.api_listen, own.http_listen, config)
    directory = network.directory
    network.directory = replace(directory, nodes={**directory.nodes, NEWCOMER: entry})
    path = directory.folder / "network.json"
    listed = json.loads(path.read_text())
    listed["nodes"][NEWCOMER] = {
        "member": member,
        "power": 0,
        "peer": str(own.peer_listen),
        "api": str(own.api_listen),
        "http": str(own.http_listen),
        "config": str(config),
    }
    path.write_text(json.dumps(listed))


def wait_until(network: Network, node: str, **expected: Any) -> None:
    deadline = time.monotonic() + 40
    while True:
        status = network.status(node)
        if all(status.get(name) == value for name, value in expected.items()):
            return
        assert time.monotonic() < deadline, (expected, status, network._log_tail(node))
        time.sleep(0.1)


def test_a_stranger_is_admitted_follows_votes_and_gets_another_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with make_test_network(tmp_path / "net", validators=4, heartbeat_ms=500) as network:
        manual = Manual(network, tmp_path, capsys)
        like = str(network.directory.nodes["factor-1"].config)
        made = manual.type(
            "node", "init", str(tmp_path / NEWCOMER), "--id", NEWCOMER, "--like", like,
            "--base-port", str(free_ports()), "--json",
        )  # fmt: skip
        config = Path(made["config"])
        member = network.directory.nodes["factor-1"].member
        ask = ("node", "request", "--config", str(config), "--member", member)
        request = tmp_path / "request.json"
        manual.type(*ask, "--out", str(request))
        introduce(network, config)
        founders = [name for name in network.directory.nodes if name != NEWCOMER]
        for name in founders:
            network.start(name)
        network.wait_healthy(founders)
        network.wait_height(1, founders)
        assert len(manual.govern("nodes")["nodes"]) == 4
        manual.decided("--admit", str(request))
        network.start(NEWCOMER)
        network.wait_healthy([NEWCOMER])
        wait_until(network, NEWCOMER, validating=False, peers_missing=[])
        height = manual.decided("--power", f"{NEWCOMER}=1")
        network.wait_height(height + 3, [*founders, NEWCOMER])
        wait_until(network, NEWCOMER, validating=True)
        listed = {node["node_id"]: node["power"] for node in manual.govern("nodes")["nodes"]}
        assert listed == dict.fromkeys([*founders, NEWCOMER], 1)
        # A client reaches it by the certificate that was proven, which no genesis document has.
        shown = manual.type(
            "govern", "nodes", "--network", str(network.directory.folder), "--node", NEWCOMER, "--json"
        )
        assert len(shown["nodes"]) == 5
        _export_and_audit(manual, network)
        _ask_who_is_up(manual, network)
        _rotate(manual, network, config, ask)


def _export_and_audit(manual: Manual, network: Network) -> None:
    """From the newcomer's blocks, over both changes, with nothing but the genesis document."""
    folder, file = str(network.directory.folder), str(manual.folder / "chain.pbk")
    head = manual.type("export", "--network", folder, "--node", NEWCOMER, "--out", file, "--json")["head"]
    genesis = str(network.directory.genesis)
    manual.type("audit", file, "--genesis", genesis, "--head", head, "--workers", "0")


def _ask_who_is_up(manual: Manual, network: Network) -> None:
    """The ledger takes exporter-1 for present; the command asks, and does not sign what would be the end."""
    network.kill("exporter-1")
    leaving = ("--power", "factor-1=0", "--power", "association=0")
    refused = manual.refused("change-validators", *leaving)
    assert "exporter-1 do not answer" in refused
    assert "2 of a power of 3" in refused
    network.start("exporter-1")
    network.wait_healthy(["exporter-1"])


def _rotate(manual: Manual, network: Network, config: Path, ask: tuple[str, ...]) -> None:
    """Another key while the node is away: the old one is worth nothing, the new one votes."""
    place = config.parent
    network.stop(NEWCOMER)
    request = manual.folder / "rotation.json"
    manual.type(*ask, "--power", "1", "--new-key", str(place / "next.key"), "--out", str(request))
    # Four of five answer, and all of them keep their key: a quorum without the one that is away.
    height = manual.decided("--admit", str(request))
    network.start(NEWCOMER)
    network.wait_healthy([NEWCOMER])
    network.wait_height(height + 3, [NEWCOMER])
    status = network.status(NEWCOMER)
    assert status["validating"] is False
    assert "another key" in (status["observing_because"] or "")
    network.stop(NEWCOMER)
    shutil.copy(place / "consensus.key", place / "old.key")
    os.replace(place / "next.key", place / "consensus.key")
    network.start(NEWCOMER)
    network.wait_healthy([NEWCOMER])
    wait_until(network, NEWCOMER, validating=True)


def test_a_wrong_name_in_the_configuration_is_still_told_at_the_start(tmp_path: Path) -> None:
    with make_test_network(tmp_path / "net", validators=1) as network:
        entry = network.directory.nodes["association"]
        entry.config.write_text(entry.config.read_text().replace('id = "association"', 'id = "asociation"'))
        network.start("association")
        with pytest.raises(NodeDied, match="asociation is no node of the ledger"):
            network.wait_healthy()
