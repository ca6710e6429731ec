"""Four real node processes on loopback: entries, proofs, a crash, catching up, a clean end."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from node.network import Network, fetch_json
from pledgebook.v1 import ledger_pb2, registry_pb2
from registry.entry import assemble, decode_entry
from registry.fingerprints import FingerprintKind
from registry.receipt import Outcome
from registry.stored import Namespace
from tests.node.live_network import (
    Author,
    by_fingerprint,
    by_id,
    check_absent,
    check_present,
    connect,
    make_test_network,
    refusal_of,
)

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with make_test_network(tmp_path_factory.mktemp("four") / "net") as running:
        running.start_all()
        running.wait_healthy()
        yield running


@pytest.fixture(scope="module")
def author(network: Network) -> Author:
    return Author(network.directory)


def state_roots(network: Network) -> set[tuple[int, str]]:
    return {
        (status["height"], status["state_root"]) for status in map(network.status, network.directory.nodes)
    }


def test_entry_is_committed_and_proved_by_a_node_that_did_not_receive_it(
    network: Network, author: Author
) -> None:
    entry = author.registration()
    with connect(author, "association") as client:
        assert client.submit(entry.raw) == ["OK"]
        receipt = client.wait(entry.entry_id)[entry.entry_id]
        assert receipt.outcome is Outcome.APPLIED
    network.wait_height(receipt.height)
    with connect(author, "factor-2") as other:
        header, answer = other.status(by_id(entry.receivable_id))
        assert header.height >= receipt.height
        check_present(header, Namespace.RECEIVABLE, entry.receivable_id, answer.present)
        header, answer = other.status(by_fingerprint(FingerprintKind.INVOICE, entry.invoice))
        check_present(header, Namespace.RECEIVABLE, entry.receivable_id, answer.present)
        identifier = bytes([FingerprintKind.INVOICE]) + entry.invoice
        check_present(header, Namespace.FINGERPRINT, identifier, answer.fingerprint)


def test_unknown_receivable_is_proved_absent(network: Network, author: Author) -> None:
    with connect(author, "exporter-1") as client:
        header, answer = client.status(by_id(bytes(32)))
        check_absent(header, Namespace.RECEIVABLE, bytes(32), answer.absent)
        header, answer = client.status(by_fingerprint(FingerprintKind.FISCAL, bytes(32)))
        check_absent(
            header, Namespace.FINGERPRINT, bytes([FingerprintKind.FISCAL]) + bytes(32), answer.absent
        )


def test_same_entry_handed_in_twice_and_after_its_commit_is_one_entry(
    network: Network, author: Author
) -> None:
    entry = author.registration()
    with connect(author, "factor-1") as client, connect(author, "factor-2") as other:
        assert client.submit(entry.raw, entry.raw) == ["OK", "OK"]
        assert other.submit(entry.raw) == ["OK"]
        first = client.wait(entry.entry_id)[entry.entry_id]
        assert client.submit(entry.raw) == ["OK"]
        assert client.wait(entry.entry_id)[entry.entry_id] == first


def test_killed_node_comes_back_and_catches_up(network: Network, author: Author) -> None:
    network.kill("factor-1")
    entries = [author.registration() for _ in range(30)]
    with connect(author, "association") as client:
        receipts = {}
        for entry in entries:
            client.submit(entry.raw)
            receipts.update(client.wait(entry.entry_id))
    assert set(receipts) == {entry.entry_id for entry in entries}
    last = max(receipt.height for receipt in receipts.values())
    network.start("factor-1")
    network.wait_healthy(["factor-1"])
    network.wait_height(last)
    late = author.registration()
    with connect(author, "factor-1") as client:
        header, answer = client.status(by_id(entries[-1].receivable_id))
        check_present(header, Namespace.RECEIVABLE, entries[-1].receivable_id, answer.present)
        assert client.submit(late.raw) == ["OK"]
        assert late.entry_id in client.wait(late.entry_id)


def test_node_that_was_paused_catches_up_at_run_time(network: Network, author: Author) -> None:
    paused = network.pid("factor-2")
    os.kill(paused, signal.SIGSTOP)
    try:
        with connect(author, "exporter-1") as client:
            heights = []
            for _ in range(12):
                entry = author.registration()
                client.submit(entry.raw)
                heights.append(client.wait(entry.entry_id)[entry.entry_id].height)
    finally:
        os.kill(paused, signal.SIGCONT)
    network.wait_height(heights[-1], ["factor-2"])
    with connect(author, "factor-2") as client:
        late = author.registration()
        assert client.submit(late.raw) == ["OK"]
        assert late.entry_id in client.wait(late.entry_id)


def test_three_of_four_go_on_and_two_of_four_wait(network: Network, author: Author) -> None:
    network.kill("factor-1")
    network.kill("factor-2")
    entry = author.registration()
    with connect(author, "association") as client:
        assert client.submit(entry.raw) == ["OK"]
        assert client.wait(entry.entry_id, timeout_ms=1_500) == {}
        network.start("factor-2")
        network.wait_healthy(["factor-2"])
        assert entry.entry_id in client.wait(entry.entry_id)
    network.start("factor-1")
    network.wait_healthy(["factor-1"])
    network.wait_height(network.status("association")["height"])


def test_all_nodes_have_the_same_state(network: Network, author: Author) -> None:
    deadline = time.monotonic() + 15
    while len(state_roots(network)) > 1 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(state_roots(network)) == 1


def test_blocks_are_streamed_to_an_operator_in_order(network: Network, author: Author) -> None:
    with connect(author, "exporter-1") as client:
        request = ledger_pb2.StreamBlocksRequest(from_height=1)
        blocks = list(client.ledger.StreamBlocks(request, **client.how()))
        assert [block.height for block in blocks] == list(range(1, len(blocks) + 1))
        with pytest.raises(grpc.RpcError) as caught:
            list(client.ledger.StreamBlocks(request, timeout=5))
        assert refusal_of(caught.value).code == "UNAUTHENTICATED"


def test_events_of_a_party_are_told_from_a_height_on(network: Network, author: Author) -> None:
    entry = author.registration()
    with connect(author, "exporter-1") as client:
        request = registry_pb2.WatchEventsRequest(from_height=1, receivable_ids=[entry.receivable_id])
        events = client.registry.WatchEvents(request, **client.how())
        client.submit(entry.raw)
        event = next(events)
        events.cancel()
    assert (event.operation, event.code, event.receivable_id) == (
        "RegisterReceivable",
        "OK",
        entry.receivable_id,
    )


def test_record_is_for_its_parties_only(network: Network, author: Author) -> None:
    entry = author.registration()
    with connect(author, "exporter-1") as client:
        client.submit(entry.raw)
        client.wait(entry.entry_id)
        request = registry_pb2.GetReceivableRequest(key=by_id(entry.receivable_id), purpose="test")
        record = client.registry.GetReceivable(request, **client.how())
        assert record.private
        network.wait_height(network.status("exporter-1")["height"])
    stranger = Author(network.directory, "factor-1")
    with connect(stranger, "exporter-1") as client:
        with pytest.raises(grpc.RpcError) as caught:
            client.registry.GetReceivable(request, **client.how())
        refused = refusal_of(caught.value)
        assert (refused.status, refused.code) == (grpc.StatusCode.PERMISSION_DENIED, "FORBIDDEN")
    association = Author(network.directory, "association")
    with connect(association, "exporter-1") as client:
        assert client.registry.GetReceivable(request, **client.how()).private == record.private


def test_duplicate_registration_is_on_the_record_with_what_it_collided_with(
    network: Network, author: Author
) -> None:
    entry = author.registration()
    author.sequence -= 1
    again = author.registration(sequence=author.sequence + 1_000_000)
    author.sequence += 1_000_000
    with connect(author, "exporter-1") as client:
        client.submit(entry.raw)
        client.wait(entry.entry_id)
        preflight = client.registry.Preflight(registry_pb2.PreflightRequest(entry=again.raw), **client.how())
        assert preflight.door_code == "OK"
        assert preflight.results[0].code == "DUPLICATE_RECEIVABLE"
        assert preflight.results[0].collided_with == entry.receivable_id
        unsigned = assemble(decode_entry(again.raw).body_bytes, ())
        preflight = client.registry.Preflight(registry_pb2.PreflightRequest(entry=unsigned), **client.how())
        assert preflight.door_code == "MISSING_SIGNATURE"
        assert preflight.results[0].code == "DUPLICATE_RECEIVABLE"
        client.submit(again.raw)
        result = client.wait(again.entry_id)[again.entry_id].results[0]
    assert result.code == "DUPLICATE_RECEIVABLE"
    assert result.collided_with is not None
    assert result.collided_with.subject == entry.receivable_id


def test_operator_pages_tell_health_status_and_metrics(network: Network, author: Author) -> None:
    http = network.directory.nodes["association"].http
    assert fetch_json(http, "/health")["status"] == "serving"
    status = network.status("association")
    assert status["peers_connected"] == ["exporter-1", "factor-1", "factor-2"]
    assert fetch_json(http, "/openapi.json")["info"]["title"] == "Pledgebook node"


def test_sigterm_ends_every_node_cleanly(network: Network, author: Author, tmp_path: Path) -> None:
    codes = network.stop_all()
    assert codes == dict.fromkeys(network.directory.nodes, 0)
    for node in network.directory.nodes:
        assert '"event": "stopped"' in network.log_path(node).read_text().splitlines()[-1]
