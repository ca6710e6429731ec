"""The nodes of one `DIR` (see `network_files`) as processes of this machine: start, wait, stop, kill, by process id.

    with Network(read_directory(folder)) as network:
        network.start_all()
        network.wait_healthy()
        network.kill("factor-1")          # SIGKILL, as a crash
        network.start("factor-1")

Guarantees: a node that this started is gone when the block is left, also by an exception; nodes stop by themselves when
the process that started them dies. Output of each node is appended to `nodes/NODE/node.log`.
Leaves to others: what a node does.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from node.config import Address
from node.network_files import NetworkDirectory
from node.status import ExitCode

STOP_TIMEOUT_S = 15.0
HEALTHY_TIMEOUT_S = 60.0
POLL_S = 0.05
HTTP_TIMEOUT_S = 2.0
LOG_TAIL_BYTES = 4_000


class NodeDied(Exception):
    """A node process ended although nobody asked it to; the message has the end of its log."""


class NotHealthy(Exception):
    """A node did not become healthy in time."""


class Network:
    """Runs nodes as child processes; owned by one thread."""

    def __init__(self, directory: NetworkDirectory) -> None:
        self.directory = directory
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop_all()

    def start(self, node: str) -> None:
        """Start a node that is not running."""
        if self.is_running(node):
            raise ValueError(f"{node} is running already, as process {self._processes[node].pid}")
        entry = self.directory.nodes[node]
        command = [
            sys.executable,
            "-m",
            "node.commands",
            "run",
            "--config",
            str(entry.config),
            "--until-stdin-closes",
        ]
        # The child finds the packages where this process found them, installed or not.
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        with self.log_path(node).open("ab") as log:
            self._processes[node] = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=environment,
                # A Ctrl-C at the terminal is for us, who then stop the nodes in order.
                start_new_session=True,
            )

    def start_all(self) -> None:
        """Start every node that is not running."""
        for node in self.directory.nodes:
            if not self.is_running(node):
                self.start(node)

    def stop(self, node: str) -> int:
        """Stop a node cleanly (SIGTERM) and return its exit code; kills it when it does not end in time."""
        process = self._processes.pop(node)
        process.terminate()
        return _wait_for_end(process)

    def kill(self, node: str) -> None:
        """End a node as a crash would (SIGKILL)."""
        process = self._processes.pop(node)
        process.kill()
        _wait_for_end(process)

    def stop_all(self) -> dict[str, int]:
        """Stop all running nodes at once; exit codes by node."""
        stopping, self._processes = self._processes, {}
        for process in stopping.values():
            process.terminate()
        return {node: _wait_for_end(process) for node, process in stopping.items()}

    def is_running(self, node: str) -> bool:
        process = self._processes.get(node)
        return process is not None and process.poll() is None

    def pid(self, node: str) -> int:
        """The process id of a running node."""
        return self._processes[node].pid

    def running(self) -> tuple[str, ...]:
        return tuple(node for node in self._processes if self.is_running(node))

    def check_alive(self) -> None:
        """Raises NodeDied when a started node has ended by itself."""
        for node, process in self._processes.items():
            code = process.poll()
            if code is not None:
                raise NodeDied(
                    f"{node} ended with exit code {_code_name(code)}; the end of its log:\n{self._log_tail(node)}"
                )

    def wait_healthy(
        self,
        nodes: Iterable[str] | None = None,
        timeout_s: float = HEALTHY_TIMEOUT_S,
        stopping: threading.Event | None = None,
    ) -> None:
        """Wait until the nodes (all that were started) serve, or `stopping` is set. Raises NodeDied, NotHealthy."""
        waiting = set(self._processes if nodes is None else nodes)
        stopping = threading.Event() if stopping is None else stopping
        deadline = time.monotonic() + timeout_s
        while waiting and not stopping.is_set():
            self.check_alive()
            waiting = {node for node in waiting if not self._is_serving(node)}
            if waiting and time.monotonic() > deadline:
                node = min(waiting)
                raise NotHealthy(
                    f"{node} does not serve after {timeout_s:.0f} s; its log ends:\n{self._log_tail(node)}"
                )
            if waiting:
                stopping.wait(POLL_S)

    def wait_height(
        self, height: int, nodes: Iterable[str] | None = None, timeout_s: float = HEALTHY_TIMEOUT_S
    ) -> None:
        """Wait until the nodes (all running ones) have committed `height`. Raises NodeDied, NotHealthy."""
        waiting = set(self.running() if nodes is None else nodes)
        deadline = time.monotonic() + timeout_s
        while waiting:
            self.check_alive()
            waiting = {node for node in waiting if self.status(node).get("height", -1) < height}
            if waiting and time.monotonic() > deadline:
                raise NotHealthy(
                    f"{', '.join(sorted(waiting))} did not reach height {height} in {timeout_s:.0f} s"
                )
            if waiting:
                time.sleep(POLL_S)

    def status(self, node: str) -> dict[str, Any]:
        """The node's /status document; empty while it does not answer."""
        return fetch_json(self.directory.nodes[node].http, "/status")

    def log_path(self, node: str) -> Path:
        return self.directory.nodes[node].config.parent / "node.log"

    def _is_serving(self, node: str) -> bool:
        answer = fetch_json(self.directory.nodes[node].http, "/health")
        process = self._processes.get(node)
        # Another process at this port serves somebody else: ours will end by itself, and say that the port is in use.
        is_ours = process is None or answer.get("pid") == process.pid
        return is_ours and answer.get("status") == "serving"

    def _log_tail(self, node: str) -> str:
        content = self.log_path(node).read_bytes()[-LOG_TAIL_BYTES:]
        return content.decode("utf-8", errors="replace")


def fetch_json(address: Address, path: str) -> dict[str, Any]:
    """A small JSON document over plain HTTP from this machine; empty when nobody answers with one."""
    connection = http.client.HTTPConnection(address.host, address.port, timeout=HTTP_TIMEOUT_S)
    try:
        connection.request("GET", path)
        document = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        return {}
    finally:
        connection.close()
    return document if isinstance(document, dict) else {}


def _wait_for_end(process: subprocess.Popen[bytes]) -> int:
    try:
        code = process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        code = process.wait()
    if process.stdin is not None:
        process.stdin.close()
    return code


def _code_name(code: int) -> str:
    if code < 0:
        return f"{code} ({signal.Signals(-code).name})"
    known = {int(known): known.name.lower().replace("_", " ") for known in ExitCode}
    return f"{code} ({known[code]})" if code in known else str(code)
