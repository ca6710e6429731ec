"""Notices of assignment on one receivable: whom the debtor was told to pay, and since when it has acknowledged that.

A holder has at most one notice; repeating it changes nothing, so that no time that runs from it begins again. Once the debtor
has acknowledged it, the payee of that holder's part is fixed: who is paid in its stead was paid indirectly. A notice ends with
the part that it was given for. Source: Civil Code art. 546 (an assignment binds the debtor from its notice).
Leaves to others: what follows from an indirect payment (collection) and from silence after a notice (existence).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from .. import limits
from ..codec import Items, Optional_, Struct
from ..errors import Reference
from ..operations.fields import MEMBER_ID, REFERENCE, TIME_MS


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """When the debtor acknowledged a notice, by block time, and where."""

    time_ms: int
    place: Reference


@dataclass(frozen=True, slots=True)
class Notice:
    """`holder` told the debtor at block time `time_ms` to pay it; `acknowledged` is the debtor's answer."""

    holder: str
    time_ms: int
    place: Reference
    acknowledged: Acknowledgement | None


def notice_of(notices: tuple[Notice, ...], holder: str) -> Notice | None:
    return next((notice for notice in notices if notice.holder == holder), None)


def with_notice(
    notices: tuple[Notice, ...], holder: str, time_ms: int, place: Reference
) -> tuple[Notice, ...]:
    """The notices after `holder` has given one. The first one of a holder stands."""
    if notice_of(notices, holder) is not None:
        return notices
    return (*notices, Notice(holder, time_ms, place, None))


def with_acknowledgement(
    notices: tuple[Notice, ...], holder: str, time_ms: int, place: Reference
) -> tuple[Notice, ...]:
    """The notices after the debtor has acknowledged that of `holder`. The first acknowledgement stands."""
    return tuple(
        replace(notice, acknowledged=Acknowledgement(time_ms, place))
        if notice.holder == holder and notice.acknowledged is None
        else notice
        for notice in notices
    )


def acknowledged_anew(notices: tuple[Notice, ...], time_ms: int) -> tuple[Notice, ...]:
    """The notices for an invoice that arises now: whom to pay is settled, but the debtor's silence about it begins only now."""
    return tuple(
        notice
        if notice.acknowledged is None
        else replace(notice, acknowledged=replace(notice.acknowledged, time_ms=time_ms))
        for notice in notices
    )


def fixed_payees(notices: tuple[Notice, ...]) -> tuple[str, ...]:
    """The holders whose notice the debtor has acknowledged: their parts can only be paid to them."""
    return tuple(notice.holder for notice in notices if notice.acknowledged is not None)


def first_acknowledged(notices: tuple[Notice, ...]) -> Acknowledgement | None:
    """The earliest acknowledgement that stands, or None: from it a payment to anyone else can be indirect."""
    answers = [notice.acknowledged for notice in notices if notice.acknowledged is not None]
    return min(answers, key=lambda answer: answer.time_ms, default=None)


def notices_of_holders(notices: tuple[Notice, ...], holders: frozenset[str]) -> tuple[Notice, ...]:
    """The notices of those who still have a part."""
    return tuple(notice for notice in notices if notice.holder in holders)


NOTICES: Final = Items(
    Struct(
        Notice,
        {
            "holder": MEMBER_ID,
            "time_ms": TIME_MS,
            "place": REFERENCE,
            "acknowledged": Optional_(
                Struct(Acknowledgement, {"time_ms": TIME_MS, "place": REFERENCE}),
            ),
        },
    ),
    limits.HOLDERS_MAX,
)
