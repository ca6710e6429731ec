"""`pledgebook network`: make the files of a network on this machine, and run its nodes."""

from __future__ import annotations

import datetime
import json
import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Annotated, Never

import typer
from rich.console import Console
from rich.table import Table

from node.config import ConfigError
from node.network import Network, NodeDied, NotHealthy
from node.network_files import DEFAULT_POLICY, NetworkDirectory, NetworkPlan, make_network, read_directory
from node.status import ExitCode
from registry.errors import RegistryError
from registry.policy import Policy
from registry.policy_document import policy_from_json, policy_to_json

app = typer.Typer(
    help="Make and run a network of nodes on this machine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of the network.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]


@app.command(epilog="Example: pledgebook network init ./net --validators 4 --observers 1")
def init(
    folder: Folder,
    validators: Annotated[
        int, typer.Option(min=1, help="Nodes that vote: association, factors, one exporter.")
    ] = 4,
    observers: Annotated[int, typer.Option(min=0, help="Nodes that replicate and serve without a vote.")] = 0,
    base_port: Annotated[
        int, typer.Option(min=0, max=65_535, help="First of three ports a node; 0: free ones.")
    ] = 0,
    name: Annotated[str, typer.Option(help="The network's name, in its genesis.")] = "demonstration",
    require_confirmation: Annotated[
        str | None,
        typer.Option(
            help="For which disposals the debtor must have confirmed: none, for_assignment, for_pledge, both."
        ),
    ] = None,
    dispose_past_due: Annotated[
        bool, typer.Option(help="Allow assigning and pledging after the due date.")
    ] = False,
    policy_file: Annotated[
        Path | None,
        typer.Option("--policy", help="JSON object of policy fields that differ from the usual ones."),
    ] = None,
    heartbeat_ms: Annotated[
        int, typer.Option(min=100, help="An idle chain makes an empty block this often.")
    ] = 10_000,
    as_json: AsJson = False,
) -> None:
    """Make genesis, keys, certificates and configurations. The folder must be new or empty."""
    policy = _policy(policy_file, require_confirmation, dispose_past_due)
    plan = NetworkPlan(
        validators=validators,
        observers=observers,
        base_port=base_port,
        name=name,
        policy=policy,
        heartbeat_ms=heartbeat_ms,
    )
    try:
        directory = make_network(folder, plan, datetime.datetime.now(datetime.UTC))
    except (ConfigError, RegistryError, OSError) as error:
        _fail(str(error))
    if (validators - 1) // 3 == 0:
        typer.echo(
            f"pledgebook: warning: {validators} validators tolerate no faulty one, and all but a third of them must be up; "
            "the first number that tolerates one is 4",
            err=True,
        )
    if as_json:
        typer.echo((directory.folder / "network.json").read_text(), nl=False)
    else:
        _show(directory)
        typer.echo(f"\nStart it: pledgebook network up {folder}")


@app.command(epilog="Example: pledgebook network up ./net")
def up(folder: Folder, as_json: AsJson = False) -> None:
    """Start every node, wait until they serve, and stop them on Ctrl-C or SIGTERM."""
    try:
        directory = read_directory(folder)
    except ConfigError as error:
        _fail(str(error))
    stopping = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    with Network(directory) as network:
        try:
            network.start_all()
            network.wait_healthy(stopping=stopping)
            if stopping.is_set():
                pass
            elif as_json:
                typer.echo(json.dumps({"serving": sorted(directory.nodes), "network": str(directory.folder)}))
            else:
                _show(directory)
                typer.echo("\nAll nodes serve. Ctrl-C stops them.")
            while not stopping.wait(1.0):
                network.check_alive()
        except (NodeDied, NotHealthy) as error:
            network.stop_all()
            _fail(str(error), ExitCode.FATAL)
        codes = network.stop_all()
    # A node that is told to stop before it listens for that is ended by the signal itself; it had begun nothing.
    if any(code not in (ExitCode.CLEAN, -signal.SIGTERM) for code in codes.values()):
        _fail(f"not every node stopped cleanly: {codes}", ExitCode.FATAL)


def _policy(file: Path | None, require_confirmation: str | None, dispose_past_due: bool) -> Policy:
    """The usual policy, with what the file and the options say differently; an option counts for more than the file."""
    try:
        stated = {} if file is None else json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(stated, dict):
            _fail(f"--policy {file}: must be a JSON object of policy fields")
        words = {**policy_to_json(DEFAULT_POLICY), **stated}
        if require_confirmation is not None:
            words["require_confirmation"] = require_confirmation
        if dispose_past_due:
            words["dispose_past_due"] = True
        return policy_from_json(words)
    except (RegistryError, OSError, ValueError) as error:
        _fail(str(error))


def _show(directory: NetworkDirectory) -> None:
    table = Table(title=f"Network {directory.name}, chain {directory.chain_id[:16]}", title_justify="left")
    for heading in ("node", "votes", "gRPC, for members", "HTTP, for operators"):
        table.add_column(heading, no_wrap=True)
    for node, entry in directory.nodes.items():
        table.add_row(node, "yes" if entry.power else "no", str(entry.api), f"http://{entry.http}")
    Console().print(table)


def _fail(message: str, code: ExitCode = ExitCode.CONFIG) -> Never:
    typer.echo(f"pledgebook: {message}", err=True)
    raise typer.Exit(code)


if __name__ == "__main__":
    app()
