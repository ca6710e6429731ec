"""Blanket assignments of one exporter: what it registers in a period, against a debtor or all of them, is a factor's at once.

They are kept under the exporter's id, a bounded number, so that a registration finds the one that takes it with a single
look-up. No two of them overlap: two periods that meet for one debtor, or for a debtor and all debtors, would give the same
receivable to two factors. Source: UNIDROIT Model Law on Factoring, art. 5 (future and bulk transfers); RULEBOOK, "Assignment".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from . import limits
from .codec import Flag, Items, Optional_, Struct
from .errors import Reference
from .operations.fields import BLANKET_ID, HASH, MEMBER_ID, REFERENCE, TIME_MS


@dataclass(frozen=True, slots=True)
class Blanket:
    """Registrations in blocks of `from_ms` <= time < `until_ms` go to `assignee`; no debtor named means every debtor."""

    blanket_id: bytes
    assignee: str
    debtor_reference: bytes | None
    from_ms: int
    until_ms: int
    with_recourse: bool
    resale_barred: bool
    place: Reference

    def takes(self, debtor_reference: bytes, time_ms: int) -> bool:
        return self.debtor_reference in (None, debtor_reference) and self.from_ms <= time_ms < self.until_ms

    def meets(self, debtor_reference: bytes, time_ms: int) -> bool:
        """Whether it takes, now or later, what is registered against this debtor."""
        return self.debtor_reference in (None, debtor_reference) and time_ms < self.until_ms

    def overlaps(self, debtor_reference: bytes | None, from_ms: int, until_ms: int) -> bool:
        same_debtor = (
            None in (self.debtor_reference, debtor_reference) or self.debtor_reference == debtor_reference
        )
        return same_debtor and self.from_ms < until_ms and from_ms < self.until_ms


def running_blankets(blankets: tuple[Blanket, ...], time_ms: int) -> tuple[Blanket, ...]:
    """Those that are not over at block time `time_ms`."""
    return tuple(blanket for blanket in blankets if blanket.until_ms > time_ms)


def blanket_over(blankets: tuple[Blanket, ...], debtor_reference: bytes, time_ms: int) -> Blanket | None:
    """The one blanket that takes a receivable against this debtor, registered now; None when there is none."""
    return next((blanket for blanket in blankets if blanket.takes(debtor_reference, time_ms)), None)


BLANKETS: Final = Items(
    Struct(
        Blanket,
        {
            "blanket_id": BLANKET_ID,
            "assignee": MEMBER_ID,
            "debtor_reference": Optional_(HASH),
            "from_ms": TIME_MS,
            "until_ms": TIME_MS,
            "with_recourse": Flag(),
            "resale_barred": Flag(),
            "place": REFERENCE,
        },
    ),
    limits.BLANKETS_MAX,
)
