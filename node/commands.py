"""`pledgebook node`: run one node in the foreground."""

from __future__ import annotations

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
    """Run a node until SIGTERM or Ctrl-C. Logs are JSON lines on stderr.

    Exit codes: 0 stopped cleanly, 1 a fatal error, 2 wrong configuration, 3 wrong or damaged store, 4 a port is in use.
    """
    # Imported here: `--help` need not load gRPC and the web server.
    from node.runtime import run_node

    raise typer.Exit(run_node(config, until_stdin_closes=until_stdin_closes))


if __name__ == "__main__":
    app()
