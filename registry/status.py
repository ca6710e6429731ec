"""What any member may see of a receivable that it can name: how much of it is free, and what takes the rest.

Leaves to others: the record, for its parties alone (`registry.receivable`); its proof (`registry.stored`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from . import limits
from .codec import Choice, Flag, Struct, Uint
from .operations.fields import AMOUNT, CURRENCY, RECEIVABLE_ID
from .receivable import CLOSED, Phase, Receivable, free_amount, pooled_share


@dataclass(frozen=True, slots=True)
class StatusSummary:
    """What any member may see of a receivable it can name: amounts in minor units, and since which height they stand.

    `free` is what could be disposed of by the present holders; `assigned` lies with others than the exporter; `reserved` is kept
    for factors that were made an offer; `pooled` would be free if the receivable stood in no pool. `frozen`, `objected`: such a
    restraint stands, whosever it is.
    """

    receivable_id: bytes
    phase: Phase
    currency: str
    outstanding: int
    free: int
    assigned: int
    reserved: int
    pledged: int
    disputed: int
    confirmed: int
    pooled: int
    frozen: bool
    objected: bool
    since_height: int

    def words(self) -> tuple[str, ...]:
        """What can be said of it in a word, the gravest first; never none (RULEBOOK, "Who may see what").

        `barred`: nothing of it is free although no other word says why; its parties see the reason.
        """
        closed = self.phase in CLOSED
        holding = (
            (self.phase.name.lower(), closed or self.phase is Phase.FUTURE),
            ("frozen", self.frozen and not closed),
            ("objected", self.objected and not closed),
            ("disputed", self.disputed > 0 and not closed),
            ("pledged", self.pledged > 0),
            ("pooled", self.pooled > 0),
            ("assigned", self.assigned > 0 and not closed),
            ("reserved", self.reserved > 0),
            ("free", self.free > 0),
        )
        return tuple(word for word, holds in holding if holds) or ("barred",)


def summarise(receivable: Receivable) -> StatusSummary:
    """The public view. Suspension of a holder is not folded in: it is the member's status, not the receivable's."""
    return StatusSummary(
        receivable_id=receivable.receivable_id,
        phase=receivable.phase,
        currency=receivable.currency,
        outstanding=receivable.outstanding,
        free=sum(free_amount(receivable, part.holder).amount for part in receivable.parts),
        assigned=sum(part.amount for part in receivable.parts if part.holder != receivable.exporter),
        reserved=sum(offer.amount for offer in receivable.reservations),
        pledged=sum(lien.amount for lien in receivable.liens if lien.behind is None),
        disputed=receivable.disputed,
        confirmed=receivable.confirmation.amount,
        pooled=pooled_share(receivable),
        frozen=receivable.restraints.frozen is not None,
        objected=receivable.restraints.objected is not None,
        since_height=receivable.changed_height,
    )


STATUS_SUMMARY: Final = Struct(
    StatusSummary,
    {
        "receivable_id": RECEIVABLE_ID,
        "phase": Choice(Phase),
        "currency": CURRENCY,
        "outstanding": AMOUNT,
        "free": AMOUNT,
        "assigned": AMOUNT,
        "reserved": AMOUNT,
        "pledged": AMOUNT,
        "disputed": AMOUNT,
        "confirmed": AMOUNT,
        "pooled": AMOUNT,
        "frozen": Flag(),
        "objected": Flag(),
        "since_height": Uint(limits.HEIGHT_MAX),
    },
)
