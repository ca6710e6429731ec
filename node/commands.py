"""`pledgebook node`: run one node in the foreground."""

from __future__ import annotations

import datetime
import json
import os
from pathlib import Path
from typing import Annotated, Never

import typer

app = typer.Typer(help="Run a node.", no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def node() -> None:
    """Run a node."""


@app.command(epilog="Example: pledgebook node run --config /srv/pledgebook/config.toml")
def run(
    config: Annotated[Path, typer.Option(help="The node's TOML file, as `network init` writes it.")],
    until_stdin_closes: Annotated[
        bool,
        typer.Option(help="Stop when standard input is closed: the process that started the node has died."),
    ] = False,
) -> None:
    """Run a node until SIGTERM or Ctrl-C. It prints no result, so it has no --json: its logs are JSON lines on stderr.

    Exit codes: 0 stopped cleanly, 1 a fatal error, 2 wrong configuration, 3 wrong or damaged store, 4 a port is in use.
    """
    # gRPC's own log knows no levels that an operator could use; what matters of it comes back as statuses. It reads this once,
    # when it is loaded.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # Imported here: `--help` need not load gRPC and the web server.
    from node.runtime import run_node

    raise typer.Exit(run_node(config, until_stdin_closes=until_stdin_closes))


@app.command(
    name="repair-journal",
    epilog="Example: pledgebook node repair-journal --config /srv/pledgebook/config.toml",
)
def repair(
    config: Annotated[Path, typer.Option(help="The node's TOML file.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")] = False,
) -> None:
    """Set a damaged journal aside. The node then follows without voting until it knows that this is safe."""
    from node.runtime import repair_node

    raise typer.Exit(repair_node(config, as_json=as_json))


@app.command(
    epilog="Example: pledgebook node init ./factor-9 --id factor-9 --like ./net/nodes/factor-1/config.toml --base-port 21000"
)
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The new node's folder; new or empty.")],
    node_id: Annotated[str, typer.Option("--id", help="Its name on the ledger: a-z, 0-9 and '-'.")],
    like: Annotated[Path, typer.Option(help="The configuration of a node of the network.")],
    base_port: Annotated[int, typer.Option(min=1, max=65_533, help="First of its three ports.")],
    host: Annotated[str, typer.Option(help="Where it listens for peers and members.")] = "127.0.0.1",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")] = False,
) -> None:
    """Make the files of a node that is to be added: it follows the chain, and votes when the association has decided so."""
    from node.admission_request import make_node_folder
    from node.config import NODE_ID_PATTERN, ConfigError

    if not NODE_ID_PATTERN.fullmatch(node_id):
        _fail(f"--id {node_id!r}: expected 1 to 32 characters of a-z, 0-9 and '-'")
    now = datetime.datetime.now(datetime.UTC)
    try:
        path = make_node_folder(folder, node_id, like, host=host, base_port=base_port, now=now)
    except (ConfigError, OSError) as error:
        _fail(str(error))
    typer.echo(
        json.dumps({"config": str(path)})
        if as_json
        else f"{path}: start it when it is admitted; its request: pledgebook node request --config {path} --member MEMBER"
    )


@app.command(
    epilog="Example: pledgebook node request --config ./factor-9/config.toml --member lei:529900T8BM49AURSDO55 --out factor-9.json"
)
def request(
    config: Annotated[Path, typer.Option(help="The node's TOML file.")],
    member: Annotated[str, typer.Option(help="The id of the member that runs it.")],
    out: Annotated[Path | None, typer.Option(help="Where to write it; left out: standard output.")] = None,
    power: Annotated[
        int, typer.Option(min=0, max=2**32, help="The weight that it is to have; 0: an observer.")
    ] = 0,
    new_key: Annotated[
        Path | None, typer.Option(help="Another consensus key for it; made if it is not there.")
    ] = None,
) -> None:
    """Write a node's request to be added, or to be known by another key or certificate, for the association to decide.

    It prints the request itself, a JSON document, so it has no --json.
    """
    from node.admission_request import request_of
    from node.config import ConfigError
    from node.keys import KeyFileError
    from node.tls import TlsError
    from registry.admission_document import encode_admission
    from registry.errors import RegistryError
    from registry.identifiers import BadIdentifier, parse_member_id

    try:
        document = encode_admission(request_of(config, parse_member_id(member), power, new_key))
        if out is not None:
            out.write_bytes(document)
    except (ConfigError, KeyFileError, TlsError, RegistryError, BadIdentifier, OSError) as error:
        _fail(str(error))
    typer.echo(document.decode() if out is None else f"{out}: hand it to the association", nl=out is not None)


def _fail(message: str) -> Never:
    from node.status import ExitCode

    typer.echo(f"pledgebook: {message}", err=True)
    raise typer.Exit(ExitCode.CONFIG)


if __name__ == "__main__":
    app()
