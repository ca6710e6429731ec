"""`pledgebook govern policy`: the policy in force, in words and as the file from which another one is made.

Guarantees that what it shows was proven, with the latest decision as far as it is still to come. Leaves to others: signing
another policy (`governance`), and its form as a file (`registry.policy_document`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from registry.decisions import PendingPolicy
from registry.policy import Policy
from registry.policy_document import policy_to_json

from ..errors import DirectoryError
from ..verify import Head, ProvenPolicy
from . import options as opt
from . import output
from .queries import proof_line
from .session import Session, in_session

_Words = Callable[[Any], str]


def _number(unit: str) -> _Words:
    return lambda value: f"{value:,} {unit}"


def _limit(unit: str) -> _Words:
    return lambda value: "no limit" if value is None else f"at most {value:,} {unit}"


def _yes_or_no(value: bool) -> str:
    return "yes" if value else "no"


# In the order of the policy; a field without words cannot be shown, which a test notices.
_FIGURES: Final[dict[str, tuple[str, _Words]]] = {
    "require_confirmation": ("debtor's confirmation needed", lambda value: str(value).replace("_", " ")),
    "require_delivery_evidence": ("registration names a delivery", _yes_or_no),
    "tenor_max_days": ("issue to due date, at most", _number("days")),
    "dispose_past_due": ("disposal after the due date", _yes_or_no),
    "currencies": ("currencies", lambda value: ", ".join(value)),
    "offer_max_hours": ("an offer reserves, at most", _number("hours")),
    "cooling_off_hours": ("before another collection account", _number("hours")),
    "objection_days": ("an objection lapses after", _number("days")),
    "tacit_days": ("silence confirms after", _number("days")),
    "grace_days": ("default after the due date", _number("days")),
    "related_party": (
        "disposal to a related party",
        lambda value: {"refuse": "refused", "flag": "flagged"}[value],
    ),
    "single_debtor_max_percent": ("one debtor", _limit("% of the factor's risk assets")),
    "related_debtors_max_percent": ("debtors of the factor's group", _limit("% of its risk assets")),
    "operations_per_day_max": ("operations of a member a day", _limit("operations")),
    "cycle_hops_max": (
        "circles are flagged",
        lambda value: f"up to {value} edges" if value else "not looked for",
    ),
    "cycle_days": ("edges of a circle, at most", _number("days old")),
    "change_delay_blocks": ("another policy is announced", _number("blocks before")),
    "whitelisted_factors_only": ("only factors on the supervisor's list", _yes_or_no),
}


@opt.asks("govern", by_anybody=True)
def show_policy(
    options: opt.Options,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", dir_okay=False, help="Write it as JSON, for `set-policy`."),
    ] = None,
) -> None:
    """Show the policy in force and the one that is decided. The proof is checked; --json is what `set-policy` takes."""

    async def work(session: Session) -> None:
        proven = await session.client.policy()
        announced = to_come(proven)
        if announced is not None and (options.as_json or out is not None):
            typer.echo(
                f"another policy is decided from height {announced.from_height} on; this is the one before it",
                err=True,
            )
        if out is not None:
            _write(out, proven.policy)
        if options.as_json:
            output.print_json(policy_to_json(proven.policy))
        else:
            _print(proven.policy, announced, proven.head)

    in_session(options, work)


def to_come(proven: ProvenPolicy) -> PendingPolicy | None:
    """The decision on another policy, as long as it is not in force."""
    pending = proven.pending
    return pending if pending is not None and pending.from_height > proven.head.header.height else None


def policy_in_words(policy: Policy) -> dict[str, str]:
    """Each figure under what it is called."""
    document = policy_to_json(policy)
    return {_FIGURES[name][0]: _FIGURES[name][1](value) for name, value in document.items()}


def _write(path: Path, policy: Policy) -> None:
    try:
        path.write_text(json.dumps(policy_to_json(policy), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise DirectoryError(f"cannot write {path}: {error.strerror}") from error


def _print(policy: Policy, announced: PendingPolicy | None, head: Head) -> None:
    present = policy_in_words(policy)
    output.print_facts("Policy in force", {**present, "proof": proof_line(head)})
    if announced is not None:
        other = policy_in_words(announced.policy)
        changed = {name: words for name, words in other.items() if words != present[name]}
        facts = {"from height": str(announced.from_height), **(changed or {"policy": "as it is"})}
        output.print_facts("Decided", facts)
