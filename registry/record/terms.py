"""Terms on which one holder took value from another: what it may give back, and whether it may pass it on.

Kept for each pair of assignor and assignee, and only where there is something to keep. The amount with recourse stays when the
value moves on, because it may come back the same way: a factor that is given back what it assigned onward can give it back in
turn. A bar of onward assignment holds for the whole part, since value on one part cannot be told apart; it ends when the part
was empty and begins anew. Leaves to others: when giving back is due (`registry.rules.assignment`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final

from .. import limits
from ..codec import Flag, Items, Struct
from ..errors import Reference
from ..operations.fields import AMOUNT, MEMBER_ID, REFERENCE


@dataclass(frozen=True, slots=True)
class Terms:
    """`recourse`: how much of what it took from `assignor` the assignee may give back. `latest`: the operation that said so."""

    assignor: str
    assignee: str
    recourse: int
    resale_barred: bool
    latest: Reference


def terms_between(terms: tuple[Terms, ...], assignor: str, assignee: str) -> Terms | None:
    return next((each for each in terms if (each.assignor, each.assignee) == (assignor, assignee)), None)


def bar_on(terms: tuple[Terms, ...], holder: str) -> Terms | None:
    """The terms that forbid `holder` to assign onward, or None."""
    return next((each for each in terms if each.assignee == holder and each.resale_barred), None)


def has_recourse(terms: tuple[Terms, ...], holder: str) -> bool:
    return any(each.recourse > 0 for each in terms if each.assignee == holder)


def with_terms(terms: tuple[Terms, ...], new: Terms, *, begins_anew: bool) -> tuple[Terms, ...]:
    """The terms after an assignment on `new`. `begins_anew`: the assignee held nothing before, so its old bars are over."""
    if begins_anew:
        terms = tuple(
            replace(each, resale_barred=False) if each.assignee == new.assignee else each for each in terms
        )
    before = terms_between(terms, new.assignor, new.assignee)
    if before is not None and (new.recourse or new.resale_barred):
        new = replace(
            new,
            recourse=min(limits.AMOUNT_MAX, before.recourse + new.recourse),
            resale_barred=before.resale_barred or new.resale_barred,
        )
    elif before is not None:
        new = before
    return _worth_keeping((*(each for each in terms if each is not before), new))


def without_recourse(
    terms: tuple[Terms, ...], assignor: str, assignee: str, amount: int
) -> tuple[Terms, ...]:
    """The terms after the assignee has given `amount` back."""
    return _worth_keeping(
        tuple(
            replace(each, recourse=each.recourse - amount)
            if (each.assignor, each.assignee) == (assignor, assignee)
            else each
            for each in terms
        )
    )


def split_terms(
    terms: tuple[Terms, ...], served: Mapping[str, int], passed_on: Collection[str], exporter: str
) -> tuple[tuple[Terms, ...], tuple[Terms, ...]]:
    """(those on what arises of a contract, those on what is left of it), when each holder gives what `served` says.

    Recourse goes over with the value that it is for and is not on both: with what the assignee gives itself, and, if it is among
    those who have `passed_on` something, with what they give who may have it from there. A bar is on both.
    """
    arisen, left = [], []
    for each in terms:
        value = served.get(each.assignee, 0)
        if each.assignee in passed_on:
            value += sum(
                amount for holder, amount in served.items() if holder not in (exporter, each.assignee)
            )
        recourse = min(each.recourse, value)
        arisen.append(replace(each, recourse=recourse))
        left.append(replace(each, recourse=each.recourse - recourse))
    return _worth_keeping(tuple(arisen)), _worth_keeping(tuple(left))


def _worth_keeping(terms: tuple[Terms, ...]) -> tuple[Terms, ...]:
    return tuple(each for each in terms if each.recourse or each.resale_barred)


TERMS: Final = Items(
    Struct(
        Terms,
        {
            "assignor": MEMBER_ID,
            "assignee": MEMBER_ID,
            "recourse": AMOUNT,
            "resale_barred": Flag(),
            "latest": REFERENCE,
        },
    ),
    limits.TERMS_MAX,
)
