"""The options that commands share, with the one help text of each, and what a command is told by them.

A command that submits an entry is marked `@submits("verb")`. It names only what is its own, takes `options` first, and is
given the shared options of all who submit: so each of them can be asked about beforehand (--dry-run), and be signed by
one party after the other (--draft). One that only asks is marked `@asks("verb")`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ..verify import AGE_MS_MAX

# Long enough to send a file and have it looked at; a number of the submitter's window is taken for as long.
DRAFT_HOURS: Final = 72

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
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet",
        help="Print only the id of what it is about, such as the new receivable: ID=$(pledgebook ... --quiet).",
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Sign nothing away: only ask how the entry would be judged now.")
]
DraftFile = Annotated[
    Path | None,
    typer.Option(
        "--draft",
        metavar="FILE",
        dir_okay=False,
        help="Send nothing: sign for yourself alone and write a draft that the others sign (`pledgebook draft`).",
    ),
]
ValidHours = Annotated[
    int,
    typer.Option(
        "--valid-hours", min=1, max=8_760, help="With --draft: how long the signatures are worth something."
    ),
]
ReceivableArgument = Annotated[
    str, typer.Argument(metavar="RECEIVABLE", help="The receivable's id, 53 characters or hexadecimal.")
]
Amount = Annotated[
    str, typer.Option("--amount", metavar="DECIMAL", help="In units of the currency, such as 1234.50.")
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


@dataclass(frozen=True, slots=True)
class Options:
    """What every command is told."""

    network: Path
    acting: str | None
    node: str | None
    timeout_s: float
    as_json: bool
    purpose: str
    """Why it asks, for the nodes' query log: the verb of the command."""
    dry_run: bool = False
    age_s_max: float = AGE_MS_MAX / 1_000
    """How old the state of an answer may be; 0: of any age."""
    draft: Path | None = None
    """Where to write a draft instead of submitting; only the acting member signs it."""
    valid_hours: int = DRAFT_HOURS
    quiet: bool = False
    """Of what was committed only the subjects' ids are printed, for scripts."""


_Kinds = dict[str, tuple[Any, Any]]
_ASKING: Final[_Kinds] = {
    "network": (Network, inspect.Parameter.empty),
    "acting": (Acting, inspect.Parameter.empty),
    "node": (FirstNode, None),
    "timeout_s": (Timeout, 20.0),
    "as_json": (AsJson, False),
}
_SUBMITTING: Final[_Kinds] = {
    **_ASKING,
    "quiet": (Quiet, False),
    "dry_run": (DryRun, False),
    "draft": (DraftFile, None),
    "valid_hours": (ValidHours, DRAFT_HOURS),
}
_Marking = Callable[[Callable[..., None]], Callable[..., None]]


def submits(purpose: str, *, acting: str | None = None, usually: str | None = None) -> _Marking:
    """Give a command the options of all who submit; it gets them as `options`, its first parameter.

    `acting`: who acts, for a command without --as; `usually`: who acts when --as is left out.
    """
    kinds = dict(_SUBMITTING)
    if acting is not None:
        del kinds["acting"]
    elif usually is not None:
        kinds["acting"] = (Acting, usually)
    return _given(kinds, purpose, acting)


def asks(purpose: str, *, by_anybody: bool = False) -> _Marking:
    """The same for a command that submits nothing of its own. `by_anybody`: --as may be left out."""
    return _given({**_ASKING, "acting": (Asker, None)} if by_anybody else _ASKING, purpose, None)


def _given(kinds: _Kinds, purpose: str, acting: str | None) -> _Marking:
    def give(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True)

        @functools.wraps(command)
        def told(**given: Any) -> None:
            shared = {"acting": acting, **{name: given.pop(name) for name in kinds}}
            command(Options(purpose=purpose, **shared), **given)

        parameters = [
            *list(own.parameters.values())[1:],
            *(
                inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=default)
                for name, (kind, default) in kinds.items()
            ),
        ]
        # What typer makes the command line of.
        told.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]  # every function may have one
        return told

    return give
