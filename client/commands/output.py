"""How commands speak: text for people, one JSON document for programs, and an exit code for both.

0   done, and proven
1   refused: by a rule, at the door, by the wallet; or an answer's proof does not hold
2   the command was used wrongly, or a file or name is not there
3   no node could be reached, or the receipt did not come in time
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from registry.errors import Code, ProofInvalid, Reason, Reference
from registry.identifiers import ID_BYTES, show_id
from registry.money import show_amount
from registry.receipt import Result

from ..errors import CallRefused, DraftRefused, PapersMismatch, Unreachable
from ..refusals import advice
from ..submission import EntryTurnedAway


class ExitCode(IntEnum):
    """See the module's docstring."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    UNREACHABLE = 3


def exit_code_of(error: Exception) -> ExitCode:
    """What a command ends with when this was raised."""
    match error:
        case Unreachable():
            return ExitCode.UNREACHABLE
        case CallRefused() | DraftRefused() | EntryTurnedAway() | PapersMismatch() | ProofInvalid():
            return ExitCode.REFUSED
        case _:
            return ExitCode.USAGE


def error_document(error: Exception) -> dict[str, Any]:
    """The JSON form of an error."""
    code = getattr(error, "code", None) or type(error).__name__
    document: dict[str, Any] = {"code": str(code), "message": str(error), "what_to_do": advice(str(code))}
    if isinstance(error, ProofInvalid):
        document["details"] = {
            name: value.hex() if isinstance(value, bytes) else str(value)
            for name, value in error.details.items()
        }
    return {"error": document}


def error_line(error: Exception) -> str:
    """The same for people: one line, with what to do where the code is known."""
    what_to_do = advice(str(getattr(error, "code", None) or type(error).__name__))
    return f"{error}" if what_to_do is None else f"{error}\n  {what_to_do}"


def print_json(document: object) -> None:
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


def _plain() -> Console:
    """Cells are shown as they are: with markup, `[...]` in another's case number could hide what stands behind it."""
    return Console(markup=False, emoji=False)


def print_facts(title: str, facts: Mapping[str, str]) -> None:
    """A two-column table of what is known about one thing."""
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name, value)
    _plain().print(table)


def print_rows(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(title=title, title_justify="left")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*row)
    _plain().print(table)


def place_document(place: Reference | None) -> dict[str, Any] | None:
    """The JSON form of a place on the chain."""
    if place is None:
        return None
    return {
        "subject": show_id(place.subject),
        "height": place.height,
        "entry": place.entry_index,
        "operation": place.operation_index,
    }


def show_place(place: Reference) -> str:
    return (
        f"{show_id(place.subject)}, set at height {place.height}, entry {place.entry_index}, "
        f"operation {place.operation_index}"
    )


def result_document(result: Result) -> dict[str, Any]:
    """The JSON form of one operation's result."""
    return {
        "code": str(result.code),
        "what_to_do": advice(result.code),
        "subject": show_subject(result.subject),
        "collided_with": place_document(result.collided_with),
        "reasons": [{"word": reason.word, "amount_minor_units": reason.amount} for reason in result.reasons],
    }


def show_subject(subject: bytes) -> str | None:
    """A receivable's id, or a member's id, or nothing."""
    if not subject:
        return None
    return show_id(subject) if len(subject) == ID_BYTES else subject.decode("ascii", errors="replace")


def show_reasons(reasons: Sequence[Reason], currency: str | None) -> str:
    return ", ".join(
        f"{reason.word} {show_amount(reason.amount, currency) if currency else reason.amount}"
        for reason in reasons
    )


def describe(result: Result, currency: str | None) -> str:
    """One result in words."""
    if result.code is Code.OK:
        flags = ", ".join(f"{flag.word} ({flag.amount})" for flag in result.reasons)
        return f"done; FLAGGED: {flags}" if flags else "done"
    parts = [str(result.code)]
    if result.collided_with is not None:
        parts.append(f"collides with {show_place(result.collided_with)}")
    if result.reasons:
        parts.append(f"because: {show_reasons(result.reasons, currency)}")
    what_to_do = advice(result.code)
    return "; ".join(parts) + ("" if what_to_do is None else f". {what_to_do}")
