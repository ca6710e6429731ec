"""Parts of one receivable as a set: where a dispute lies, and what a payment or a dilution does to it.

A dispute lies on definite parts, in proportion to what was undisputed of each when it was raised, and it stays there until
it is resolved. An assignment moves undisputed value only. (If the share were taken anew from the present parts, each
assignment would free some of what stays behind, and a disputed amount could be sold piece by piece.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, pairwise

from ..receivable import Part, Receivable


def with_dispute(parts: tuple[Part, ...], amount: int) -> tuple[Part, ...]:
    """The parts after `amount` more is disputed; at most what is undisputed."""
    shares = _spread(amount, [part.amount - part.disputed for part in parts])
    return tuple(
        replace(part, disputed=part.disputed + share) for part, share in zip(parts, shares, strict=True)
    )


def without_dispute(parts: tuple[Part, ...], amount: int) -> tuple[Part, ...]:
    """The parts after `amount` of what is disputed is no longer so."""
    shares = _spread(amount, [part.disputed for part in parts])
    return tuple(
        replace(part, disputed=part.disputed - share) for part, share in zip(parts, shares, strict=True)
    )


def after_payment(parts: tuple[Part, ...], holder: str, amount: int) -> tuple[Part, ...]:
    """A payment on one part counts against what is undisputed of it first."""
    return tuple(
        replace(part, amount=part.amount - amount, disputed=min(part.disputed, part.amount - amount))
        if part.holder == holder
        else part
        for part in parts
    )


def after_dilution(parts: tuple[Part, ...], holder: str, amount: int) -> tuple[Part, ...]:
    """One part bears a dilution, which ends as much of the dispute: of its own first, then of the others'."""
    own = min(amount, sum(part.disputed for part in parts if part.holder == holder))
    shrunk = tuple(
        replace(part, amount=part.amount - amount, disputed=part.disputed - own)
        if part.holder == holder
        else part
        for part in parts
    )
    return without_dispute(shrunk, amount - own)


def _spread(amount: int, weights: Sequence[int]) -> list[int]:
    # Each gets the difference of two rounded running totals: the shares add up exactly, and as amount <= total no share
    # is above its weight.
    total = sum(weights)
    if total == 0:
        return [0] * len(weights)
    marks = [amount * running // total for running in accumulate(weights, initial=0)]
    return [after - before for before, after in pairwise(marks)]


def after_collection(record: Receivable, holder: str, amount: int) -> int:
    """What stays confirmed after a payment on the holder's part.

    Others than the exporter hold what the confirmation was relied upon for, so it is used up by what they are paid; what the
    exporter is paid comes first out of what was never confirmed.
    """
    confirmed = record.confirmation.amount
    if holder != record.exporter:
        return max(0, min(confirmed - amount, record.outstanding - amount))
    return min(confirmed, record.outstanding - amount)
