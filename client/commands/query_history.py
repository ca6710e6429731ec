"""`pledgebook queries`: who asked about a receivable, from all nodes that answer."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import asdict

import typer

from ..answers import ToldQueries
from . import options as opt
from . import output
from .session import Options, Session, in_session, parse_id

HEADINGS = ("last asked", "times", "by", "what", "purpose", "at node")


def queries(
    receivable: opt.ReceivableArgument,
    network: opt.Network,
    acting: opt.Asker = None,
    timeout_s: opt.Timeout = 20.0,
    as_json: opt.AsJson = False,
) -> None:
    """Show who asked about a receivable to one of its parties, the association, an auditor or a court.

    All nodes of the folder are asked, since each knows only what it was asked itself. Theirs is a word without proof.
    """
    identifier = parse_id(receivable)

    async def work(session: Session) -> None:
        told = await session.client.queries(identifier)
        if as_json:
            output.print_json(_document(told))
            return
        names = {str(entry.member_id): name for name, entry in session.directory.members.items()}
        output.print_rows(f"Queries about {receivable}", HEADINGS, _rows(told, names))
        for line in _gaps(told):
            typer.echo(line)

    in_session(Options(network, acting, None, timeout_s, as_json, "queries"), work)


def _rows(told: ToldQueries, names: Mapping[str, str]) -> list[tuple[str, ...]]:
    return [
        (
            _moment(each.last_ms),
            str(each.times),
            names.get(each.asker, each.asker),
            each.kind,
            each.purpose,
            each.node_id,
        )
        for each in told.queries
    ]


def _gaps(told: ToldQueries) -> list[str]:
    """What the table cannot show."""
    said = ["Not proven: each node tells what it was asked; the purposes are the askers' words."]
    said += [f"{node_id} did not tell: {why}" for node_id, why in told.silent.items()]
    said += [
        f"{node_id} no longer has {count} older ones" for node_id, count in told.forgotten.items() if count
    ]
    return said


def _document(told: ToldQueries) -> dict[str, object]:
    return {
        "proven": False,
        "queries": [asdict(each) for each in told.queries],
        "forgotten": dict(told.forgotten),
        "did_not_tell": dict(told.silent),
    }


def _moment(time_ms: int) -> str:
    """Whatever a node says; a time that no calendar has is shown as its number."""
    try:
        return datetime.datetime.fromtimestamp(time_ms / 1_000, datetime.UTC).isoformat(timespec="seconds")
    except (OverflowError, ValueError, OSError):
        return f"{time_ms} ms"
