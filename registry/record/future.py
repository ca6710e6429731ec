"""Future receivables: a contract whose invoices are not written yet, and what has come of it so far.

A future receivable is one record with a cap; what is left of the cap lies in parts and may carry liens, as if it were owed.
Each invoice that arises is split off as a receivable of its own, with its own papers. It takes its value from those to whom a
part of the cap was assigned, in the order in which they came, and from the exporter last; liens go with the value they lie on.
So who financed the contract is served first, and the exporter cannot choose. Source: Civil Code art. 761.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ..codec import Struct
from ..operations.fields import AMOUNT

if TYPE_CHECKING:
    from ..receivable import Lien, Part


@dataclass(frozen=True, slots=True)
class FutureTerms:
    """`cap`: what may arise in all; `crystallised`: what has. Its last day is the record's due date."""

    cap: int
    crystallised: int


def served_first(parts: tuple[Part, ...], exporter: str, amount: int) -> dict[str, int]:
    """Which holder gets how much of an amount that arises, at most what the parts add up to. The exporter comes last."""
    left = amount
    served: dict[str, int] = {}
    for part in sorted(parts, key=lambda part: part.holder == exporter):
        share = min(part.amount, left)
        left -= share
        if share:
            served[part.holder] = share
    return served


def split_liens(liens: tuple[Lien, ...], served: dict[str, int]) -> tuple[tuple[Lien, ...], tuple[Lien, ...]]:
    """(those on what arises, those on what is left of the cap), when each holder gives what `served` says.

    The first in rank goes over first, and a junior with the lien it stands behind; so each still fits on either side.
    """
    room = dict(served)
    went: dict[bytes, int] = {}
    arisen: list[Lien] = []
    left: list[Lien] = []
    # A lien is younger than the one it stands behind, and they are kept in the order of the chain.
    for lien in liens:
        available = room.get(lien.pledgor, 0) if lien.behind is None else went[lien.behind]
        share = min(lien.amount, available)
        went[lien.lien_id] = share
        if lien.behind is None and share:
            room[lien.pledgor] -= share
        if share:
            arisen.append(replace(lien, amount=share))
        if lien.amount > share:
            left.append(replace(lien, amount=lien.amount - share))
    return tuple(arisen), tuple(left)


FUTURE_TERMS: Final = Struct(FutureTerms, {"cap": AMOUNT, "crystallised": AMOUNT})
