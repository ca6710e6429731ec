"""A real validator whose data folder comes from an old backup: it notices, and votes again only when that is safe."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from node.config import read_config
from node.network import Network
from tests.node.live_network import Author, connect, make_test_network

pytestmark = pytest.mark.integration

RESTORED = "factor-2"


def commit(network: Network, author: Author, blocks: int) -> None:
    """So many entries, one after the other, until every running node has them."""
    with connect(author, "association") as client:
        for _ in range(blocks):
            entry = author.registration()
            client.submit(entry.raw)
            client.wait(entry.entry_id)
    network.wait_height(network.status("association")["height"])


def test_validator_restored_from_a_backup_observes_and_then_votes_again(tmp_path: Path) -> None:
    with make_test_network(tmp_path / "net", validators=4, network_delay_ms=50) as network:
        network.start_all()
        network.wait_healthy()
        author = Author(network.directory)
        commit(network, author, 2)
        data = read_config(network.directory.nodes[RESTORED].config).data_dir
        network.stop(RESTORED)
        shutil.copytree(data, tmp_path / "backup")
        network.start(RESTORED)
        network.wait_healthy([RESTORED])
        commit(network, author, 12)
        network.stop(RESTORED)
        shutil.rmtree(data)
        shutil.copytree(tmp_path / "backup", data)
        network.start(RESTORED)
        network.wait_healthy([RESTORED])
        network.wait_height(network.status("association")["height"])
        status = network.status(RESTORED)
        assert not status["validating"]
        assert "forgotten" in status["observing_because"]
        commit(network, author, 4)
        deadline = time.monotonic() + 5
        while not network.status(RESTORED)["validating"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
