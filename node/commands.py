"""`pledgebook node`: run one node in the foreground."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

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


if __name__ == "__main__":
    app()
