"""A real network of four validators and an observer: it takes entries, serves proofs, and has no vote."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.stored import Namespace
from tests.node.live_network import Author, by_id, check_present, connect, make_test_network

pytestmark = pytest.mark.integration


def test_observer_takes_entries_and_proves_them_without_a_vote(tmp_path: Path) -> None:
    with make_test_network(tmp_path / "net", validators=4, observers=1, heartbeat_ms=500) as network:
        network.start_all()
        network.wait_healthy()
        author = Author(network.directory, "exporter-2")
        with connect(author, "exporter-2") as client:
            entries = [author.registration() for _ in range(20)]
            assert set(client.submit(*[entry.raw for entry in entries])) == {"OK"}
            receipts = client.wait(*[entry.entry_id for entry in entries])
            assert len(receipts) == 20
            header, answer = client.status(by_id(entries[7].receivable_id))
            check_present(header, Namespace.RECEIVABLE, entries[7].receivable_id, answer.present)
        assert network.status("exporter-2")["validating"] is False
        # The chain goes on without it, and it comes back and follows.
        network.kill("exporter-2")
        with connect(author, "association") as client:
            late = author.registration()
            client.submit(late.raw)
            height = client.wait(late.entry_id)[late.entry_id].height
        network.start("exporter-2")
        network.wait_height(height, ["exporter-2"])
