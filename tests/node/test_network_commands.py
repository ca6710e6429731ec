"""`pledgebook network` and `node repair-journal` as commands: what they announce, warn of, and how they end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from node import commands, network_commands
from node.journal import JOURNAL_NAME
from node.network import Network, NodeDied
from node.network_files import read_directory
from tests.node.live_network import make_test_network

NODE = "association"


def up(folder: Path) -> subprocess.Popen[str]:
    """`network up`, as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "node.network_commands", "up", str(folder), "--json"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.integration
def test_network_that_runs_already_is_not_announced_again(tmp_path: Path) -> None:
    with make_test_network(tmp_path / "net", validators=1, heartbeat_ms=200) as first:
        first.start_all()
        first.wait_healthy()
        with Network(first.directory) as second:
            second.start_all()
            with pytest.raises(NodeDied, match="another process works in"):
                second.wait_healthy()
        first.check_alive()
        with up(first.directory.folder) as process:
            told, said = process.communicate(timeout=30)
        assert (process.returncode, told) == (1, "")
        assert "another process works in" in said


@pytest.mark.integration
@pytest.mark.parametrize("after_s", [0.0, 0.5, 1.0])
def test_sigterm_while_the_network_starts_ends_it_at_once(tmp_path: Path, after_s: float) -> None:
    network = make_test_network(tmp_path / "net", validators=4, observers=1)
    directory = network.directory
    with up(directory.folder) as process:
        deadline = time.monotonic() + 20
        while not network.log_path(NODE).exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        # The first node is being started; before that there would be nothing to end.
        time.sleep(after_s)
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        told, said = process.communicate(timeout=30)
        assert time.monotonic() - started < 5
    assert (process.returncode, said) == (0, "")
    assert told == "" or "serving" in json.loads(told)
    with Network(read_directory(directory.folder)) as again:
        # Nobody holds the folders any more.
        again.start(NODE)
        again.wait_healthy()


@pytest.mark.parametrize(("validators", "warned"), [(1, True), (3, True), (4, False)])
def test_network_that_tolerates_no_fault_is_warned_of(tmp_path: Path, validators: int, warned: bool) -> None:
    made = CliRunner().invoke(
        network_commands.app, ["init", str(tmp_path / "net"), "--validators", str(validators), "--json"]
    )
    assert made.exit_code == 0
    assert ("tolerate no faulty one" in made.stderr) is warned
    assert len(json.loads(made.stdout)["nodes"]) == validators


def test_repaired_journal_is_named_in_json(tmp_path: Path) -> None:
    network = make_test_network(tmp_path / "net", validators=1)
    config = network.directory.nodes[NODE].config
    place = config.parent / "data" / "consensus"
    command = ["repair-journal", "--config", str(config), "--json"]
    nothing = CliRunner().invoke(commands.app, command)
    assert (nothing.exit_code, json.loads(nothing.stdout)) == (0, {"kept_as": None})
    (place / JOURNAL_NAME).write_bytes(b"damaged")
    repaired = CliRunner().invoke(commands.app, command)
    assert (repaired.exit_code, json.loads(repaired.stdout)) == (0, {"kept_as": "journal.damaged-1"})
    assert (place / "journal.damaged-1").read_bytes() == b"damaged"
