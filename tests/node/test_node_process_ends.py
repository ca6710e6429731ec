"""How a node process ends: the exit code and the line that says why."""

from __future__ import annotations

import datetime
import os
import random
import resource
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.keys import read_key, write_key
from node.network import Network
from node.network_files import GOVERNANCE_THRESHOLD
from node.tls import generate_identity, write_identity
from pledgebook.v1 import registry_pb2
from registry.block import RULES_VERSION
from registry.entry import ENTRY_VERSION, EntryBody, Mode, assemble, encode_body, sign_body
from registry.operations.decisions import ScheduleUpgrade
from registry.stored import Namespace
from tests.node.live_network import (
    Author,
    NodeClient,
    SignedEntry,
    by_id,
    check_present,
    connect,
    heights,
    make_test_network,
    write_setting,
)

pytestmark = pytest.mark.integration

NODE = "association"


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    with make_test_network(tmp_path / "net", validators=1, observers=1, heartbeat_ms=200) as made:
        yield made


def environment() -> dict[str, str]:
    """The child finds the packages where this process found them."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def run_to_end(network: Network) -> tuple[int, str]:
    """Run the node in the foreground: its exit code and the last line of its standard error."""
    config = network.directory.nodes[NODE].config
    done = subprocess.run(
        [sys.executable, "-m", "node.commands", "run", "--config", str(config)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize("port", ["peer", "api", "http"])
def test_port_in_use_is_exit_code_4_and_names_the_port(network: Network, port: str) -> None:
    address = getattr(network.directory.nodes[NODE], port)
    with socket.create_server((address.host, address.port)):
        code, said = run_to_end(network)
    assert code == 4
    assert f"listen.{port} = {address}" in said


def test_unknown_key_is_exit_code_2_and_names_the_nearest(network: Network) -> None:
    config = network.directory.nodes[NODE].config
    config.write_text(config.read_text().replace("heartbeat_ms", "hartbeat_ms"))
    code, said = run_to_end(network)
    assert code == 2
    assert "unknown key node.hartbeat_ms; did you mean node.heartbeat_ms?" in said


def test_missing_configuration_is_exit_code_2(network: Network) -> None:
    network.directory.nodes[NODE].config.unlink()
    assert run_to_end(network)[0] == 2


def test_consensus_key_of_another_node_is_exit_code_2(network: Network) -> None:
    place = network.directory.nodes[NODE].config.parent / "consensus.key"
    place.unlink()
    write_key(place, os.urandom(32))
    code, said = run_to_end(network)
    assert code == 2
    assert "the ledger records" in said


def test_readable_key_file_is_exit_code_2_and_says_chmod(network: Network) -> None:
    (network.directory.nodes[NODE].config.parent / "consensus.key").chmod(0o644)
    code, said = run_to_end(network)
    assert code == 2
    assert "chmod 600" in said


def test_certificate_that_the_genesis_does_not_pin_is_exit_code_2(network: Network) -> None:
    place = network.directory.nodes[NODE].config.parent
    (place / "tls.key").unlink()
    (place / "tls.crt").unlink()
    identity = generate_identity(NODE, datetime.datetime.now(datetime.UTC))
    write_identity(identity, place / "tls.crt", place / "tls.key")
    code, said = run_to_end(network)
    assert code == 2
    assert "not the certificate that the ledger records" in said


def test_damaged_genesis_is_exit_code_2(network: Network) -> None:
    network.directory.genesis.write_text("{}")
    code, said = run_to_end(network)
    assert code == 2
    assert "genesis" in said


def test_store_of_another_chain_is_exit_code_3(network: Network, tmp_path: Path) -> None:
    with make_test_network(tmp_path / "other", validators=1, observers=1, heartbeat_ms=200) as other:
        other.start(NODE)
        other.wait_healthy()
        other.stop(NODE)
        data = other.directory.nodes[NODE].config.parent / "data"
    shutil.copytree(data, network.directory.nodes[NODE].config.parent / "data")
    code, said = run_to_end(network)
    assert code == 3
    assert "holds chain" in said


def test_data_folder_of_a_running_node_is_exit_code_3(network: Network) -> None:
    network.start(NODE)
    network.wait_healthy()
    write_setting(network, NODE, "peer", '"127.0.0.1:1"')
    code, said = run_to_end(network)
    assert code == 3
    assert "another process works in" in said


def test_sigterm_with_an_open_stream_ends_cleanly_and_soon(network: Network) -> None:
    network.start(NODE)
    network.wait_healthy()
    with connect(Author(network.directory), NODE) as client:
        request = registry_pb2.WaitForReceiptRequest(entry_ids=[bytes(32)], timeout_ms=60_000)
        stream = client.registry.WaitForReceipt(request, **client.how(70))
        client.submit(b"")
        started = time.monotonic()
        assert network.stop(NODE) == 0
        assert time.monotonic() - started < 10
        stream.cancel()


def test_node_stops_when_the_process_that_started_it_is_gone(network: Network) -> None:
    config = network.directory.nodes[NODE].config
    with subprocess.Popen(
        [sys.executable, "-m", "node.commands", "run", "--config", str(config), "--until-stdin-closes"],
        env=environment(),
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        network.wait_healthy([NODE])
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(10) == 0


def test_a_scheduled_upgrade_is_exit_code_5_at_its_height_and_at_every_start(network: Network) -> None:
    association = Author(network.directory, "association")
    keys = [read_key(path) for path in network.directory.members["association"].keys]
    network.start(NODE)
    network.wait_healthy()
    halt_height = heights(network, [NODE])[0] + 15
    body = encode_body(
        EntryBody(
            version=ENTRY_VERSION,
            chain_id=association.genesis.chain_id,
            submitter=association.member_id,
            sequence=1,
            valid_until_ms=int(time.time() * 1_000) + 600_000,
            mode=Mode.ATOMIC,
            operations=(ScheduleUpgrade(halt_height, RULES_VERSION + 1),),
        )
    )
    signatures = [sign_body(body, association.member_id, key) for key in keys[:GOVERNANCE_THRESHOLD]]
    with connect(association, NODE) as client:
        client.submit(assemble(body, tuple(signatures)))
        for _ in range(200):
            if not network.is_running(NODE):
                break
            time.sleep(0.1)
    assert network.stop(NODE) == 5
    for code, said in (
        (5, network.log_path(NODE).read_text().splitlines()[-1]),
        run_to_end(network),
    ):
        assert code == 5
        assert f"stopped this version at height {halt_height}" in said
        assert f"rules version {RULES_VERSION + 1}" in said


def test_full_disk_stops_the_node_with_advice_and_loses_nothing(network: Network) -> None:
    author = Author(network.directory)
    network.start(NODE)
    network.wait_healthy()
    acknowledged = []
    with connect(author, NODE) as client:
        for _ in range(5):
            entry = author.registration()
            client.submit(entry.raw)
            acknowledged += list(client.wait(entry.entry_id))
        # Files of this process may not grow any more: what a full disk does, without filling one.
        used = max(path.stat().st_size for path in _data(network).rglob("*") if path.is_file())
        resource.prlimit(network.pid(NODE), resource.RLIMIT_FSIZE, (used, used))
        for _ in range(200):
            if not network.is_running(NODE):
                break
            time.sleep(0.1)
    assert network.stop(NODE) == 3
    assert "start" in network.log_path(NODE).read_text().splitlines()[-1]
    network.start(NODE)
    network.wait_healthy()
    with connect(author, NODE) as client:
        assert set(client.wait(*acknowledged)) == set(acknowledged)


def _data(network: Network) -> Path:
    return network.directory.nodes[NODE].config.parent / "data"


KILL_SEED = 20_261
KILLS = 10
KILL_WITHIN_S = 2.5
"""From the start of the process: Python and its modules take half of it, then come replay, serving and load."""


def test_sigkill_at_any_moment_keeps_every_acknowledged_entry(network: Network) -> None:
    """Ten moments spread over start, replay and load, each somewhere in its tenth of the time; the seed says where."""
    author = Author(network.directory)
    chance = random.Random(KILL_SEED)
    tenth_s = KILL_WITHIN_S / KILLS
    delays_s = [tenth_s * (number + chance.random()) for number in range(KILLS)]
    chance.shuffle(delays_s)
    acknowledged: dict[bytes, SignedEntry] = {}
    for delay_s in delays_s:
        kill_at = time.monotonic() + delay_s
        network.start(NODE)
        while time.monotonic() < kill_at and network.status(NODE).get("status") != "serving":
            time.sleep(0.02)
        with connect(author, NODE) as client:
            acknowledged |= _load_until(client, kill_at)
            network.kill(NODE)
    # A machine so slow that no moment fell into the load would have proved nothing of it.
    network.start(NODE)
    network.wait_healthy()
    with connect(author, NODE) as client:
        acknowledged |= _load_until(client, time.monotonic() + 1)
        network.kill(NODE)
    assert acknowledged
    network.start(NODE)
    network.wait_healthy()
    with connect(author, NODE) as client:
        assert set(client.wait(*acknowledged)) == set(acknowledged)
        for entry in list(acknowledged.values())[::7]:
            header, answer = client.status(by_id(entry.receivable_id))
            check_present(header, Namespace.RECEIVABLE, entry.receivable_id, answer.present)


def _load_until(client: NodeClient, until: float) -> dict[bytes, SignedEntry]:
    """Hand registrations in, and return those whose receipts came."""
    acknowledged: dict[bytes, SignedEntry] = {}
    while time.monotonic() < until:
        entries = {entry.entry_id: entry for entry in (client.author.registration() for _ in range(20))}
        client.submit(*[entry.raw for entry in entries.values()])
        # Not for all: the rest is on its way when the node dies.
        first = next(iter(entries))
        acknowledged |= {entry_id: entries[entry_id] for entry_id in client.wait(first)}
    return acknowledged
