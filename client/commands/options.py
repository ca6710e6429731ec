"""The options that commands share, with the one help text of each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Network = Annotated[
    Path,
    typer.Option(
        "--network",
        envvar="PLEDGEBOOK_NETWORK",
        metavar="DIR",
        help="The folder of the network, as `pledgebook network init` made it.",
    ),
]
Acting = Annotated[
    str,
    typer.Option(
        "--as",
        envvar="PLEDGEBOOK_AS",
        metavar="MEMBER",
        help="The member who acts: its short name in the folder, or its id.",
    ),
]
Asker = Annotated[
    str | None,
    typer.Option(
        "--as",
        envvar="PLEDGEBOOK_AS",
        metavar="MEMBER",
        help="The member who asks: short name or id. Left out: the first one whose keys are in the folder.",
    ),
]
FirstNode = Annotated[
    str | None,
    typer.Option(
        "--node", metavar="NODE", help="Ask this node first; the others only if it does not answer."
    ),
]
Timeout = Annotated[
    float, typer.Option("--timeout", min=0.1, max=3_600, metavar="SECONDS", help="Give up after this long.")
]
AgeMax = Annotated[
    float,
    typer.Option(
        "--max-age",
        min=0.0,
        max=1e9,
        metavar="SECONDS",
        help="Refuse a state that is older than this; 0 accepts any age.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Sign nothing away: only ask how the entry would be judged now.")
]
ReceivableArgument = Annotated[
    str, typer.Argument(metavar="RECEIVABLE", help="The receivable's id, 53 characters or hexadecimal.")
]
Amount = Annotated[
    str, typer.Option("--amount", metavar="DECIMAL", help="In the receivable's currency, such as 1234.50.")
]
Papers = Annotated[
    Path | None,
    typer.Option(
        "--papers",
        metavar="FILE",
        help="The paper file with the invoice; left out: the acting member's own filing in the folder.",
    ),
]
AcceptFuture = Annotated[
    bool,
    typer.Option(
        "--accept-future", help="The taker knows that it may be a future receivable: nothing is owed yet."
    ),
]
Acknowledged = Annotated[
    list[str] | None,
    typer.Option(
        "--acknowledge",
        metavar="RECEIVABLE",
        help="A similar receivable that was looked at; may be repeated.",
    ),
]
