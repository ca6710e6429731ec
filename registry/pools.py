"""A pool: an exporter's receivables that together secure a factor's advance, and how much can be drawn on them.

The borrowing base is the sum of what the members are worth to the pool. It is counted as it changes, never by looking through
the members: `WorkingState` calls `follow` whenever a member's record is written, so a payment, a dispute, a freeze or a due date
that has passed changes the base although no rule of theirs knows of pools. Events outside can push the base below what the advance
needs; that is refused to nobody, and `shortfall` tells it.
Leaves to others: who may change a pool, and what is refused (`registry.rules.pool`). Sources: RULEBOOK, "Cover, pools"; UCC art. 9
(a floating security in receivables); the customary terms of a borrowing base: eligibility, concentration, advance rate.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from typing import Final

from . import limits
from .codec import Items, Struct, Uint
from .errors import Reason, Reference
from .exposure import EXPOSURE
from .operations.fields import HASH, MEMBER_ID, POOL_ID, REFERENCE
from .operations.pool import BASIS_POINTS, POOL_TERMS, PoolTerms
from .receivable import FreeAmount, Phase, Receivable, free_but_for_pool


@dataclass(frozen=True, slots=True)
class DebtorShare:
    """What one debtor owes of the base, and on how many members; it stays while it has members, worth something or not."""

    debtor_reference: bytes
    members: int
    base: int


@dataclass(frozen=True, slots=True)
class Pool:
    """`shares` are in the order of the debtors' references; amounts are in minor units of the terms' currency."""

    pool_id: bytes
    place: Reference
    exporter: str
    factor: str
    terms: PoolTerms
    drawn: int
    shares: tuple[DebtorShare, ...]

    @property
    def base(self) -> int:
        """The borrowing base: what all members are worth to the pool."""
        return sum(share.base for share in self.shares)

    @property
    def members(self) -> int:
        return sum(share.members for share in self.shares)

    def share_of(self, debtor_reference: bytes) -> DebtorShare:
        index = _place_of(self.shares, debtor_reference)
        return self.shares[index] if _is_at(self.shares, index, debtor_reference) else _no(debtor_reference)


def secured(pool: Pool) -> int:
    """How much of an advance the base carries: base x advance rate, rounded down."""
    return pool.base * pool.terms.advance_rate_bp // BASIS_POINTS


def shortfall(pool: Pool) -> int:
    """How much of what is drawn the base does not carry; 0 when all is well."""
    return max(0, pool.drawn - secured(pool))


def over_limit(before: Pool, after: Pool) -> DebtorShare | None:
    """The first debtor that owes more of the base than the terms allow, and to whom the change gave more of it.

    Payments of others can push a debtor over the limit without anybody's doing. What makes that better is not refused because
    it is not good enough.
    """
    base, base_before = after.base, before.base
    for share in after.shares:
        if share.base * BASIS_POINTS <= after.terms.debtor_share_bp_max * base:
            continue
        owed = before.share_of(share.debtor_reference).base
        if share.base > owed or share.base * base_before > owed * base:
            return share
    return None


def eligible(record: Receivable, terms: PoolTerms) -> FreeAmount:
    """What a receivable is worth to a pool on these terms, with the reasons for what it is not.

    Of the exporter's part: what would be free of it were it in no pool, unless it runs too long, is past due or in default, and
    where the terms demand it no more than what is confirmed beyond what others rely on.
    """
    free = free_but_for_pool(record, record.exporter)
    barred = next((word for word, holds in _bars(record, terms) if holds), None)
    if barred is not None:
        return FreeAmount(0, (*free.reasons, Reason(barred, free.amount)))
    if not terms.confirmation_required:
        return free
    amount = min(free.amount, _confirmed_for_exporter(record))
    if amount == free.amount:
        return free
    return FreeAmount(amount, (*free.reasons, Reason("unconfirmed", free.amount - amount)))


def _bars(record: Receivable, terms: PoolTerms) -> tuple[tuple[str, bool], ...]:
    return (
        ("tenor", record.due_date - record.issue_date > terms.tenor_days_max),
        ("past_due", record.pool is not None and record.pool.is_past_due),
        # An instalment may be in default long before the last one is due.
        ("overdue", record.phase is Phase.OVERDUE),
    )


def _confirmed_for_exporter(record: Receivable) -> int:
    # One confirmation is relied upon once: assignees and the exporter's pledgees come before the pool.
    held = record.amount_of(record.exporter)
    relied_on = record.outstanding - held + record.pledged_by(record.exporter)
    return max(0, record.confirmation.amount - relied_on)


def follow(pool: Pool, before: Receivable | None, after: Receivable) -> Pool:
    """The pool after the record of a receivable, that was or is a member, has changed."""
    members, base = _counted(pool, before)
    members_after, base_after = _counted(pool, after)
    if (members, base) == (members_after, base_after):
        return pool
    share = pool.share_of(after.debtor_reference)
    changed = replace(
        share, members=share.members + members_after - members, base=share.base + base_after - base
    )
    return replace(pool, shares=_with_share(pool.shares, changed))


def _counted(pool: Pool, record: Receivable | None) -> tuple[int, int]:
    if record is None or record.pool is None or record.pool.pool_id != pool.pool_id:
        return 0, 0
    return 1, eligible(record, pool.terms).amount


def _with_share(shares: tuple[DebtorShare, ...], share: DebtorShare) -> tuple[DebtorShare, ...]:
    index = _place_of(shares, share.debtor_reference)
    behind = index + _is_at(shares, index, share.debtor_reference)
    return (*shares[:index], *((share,) if share.members else ()), *shares[behind:])


def _place_of(shares: tuple[DebtorShare, ...], debtor_reference: bytes) -> int:
    return bisect_left(shares, debtor_reference, key=lambda share: share.debtor_reference)


def _is_at(shares: tuple[DebtorShare, ...], index: int, debtor_reference: bytes) -> bool:
    return index < len(shares) and shares[index].debtor_reference == debtor_reference


def _no(debtor_reference: bytes) -> DebtorShare:
    return DebtorShare(debtor_reference, 0, 0)


_SHARE: Final = Struct(
    DebtorShare,
    {"debtor_reference": HASH, "members": Uint(limits.QUANTITY_MAX, 1), "base": EXPOSURE},
)
POOL: Final = Struct(
    Pool,
    {
        "pool_id": POOL_ID,
        "place": REFERENCE,
        "exporter": MEMBER_ID,
        "factor": MEMBER_ID,
        "terms": POOL_TERMS,
        "drawn": EXPOSURE,
        "shares": Items(_SHARE, limits.POOL_DEBTORS_MAX, ascending=True),
    },
)
