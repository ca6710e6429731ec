"""What a scope (one factor, or all of them) has at stake on one receivable, each unit of value once.

A factor holds a part, has a lien on somebody's part, or finances a pool that the receivable stands in. A lien counts unless it
stands behind another lien of the scope, or lies on a part that the scope holds itself: the value under it was counted there. So
what one factor refinanced with another is in both their positions, and once in that of the sector. The exporter's own part is
nobody's financing, also when the exporter is a factor too. What is settled or cancelled is nobody's position.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..receivable import CLOSED, Lien, Receivable

Scope = frozenset[str]


@dataclass(frozen=True, slots=True)
class Position:
    """In minor units: `held` parts, value `secured` by liens, and the exporter's part in the scope's pools.

    `with_recourse`, `disputed` and `covered` say how much of that can be given back, is denied by the debtor, is insured.
    """

    held: int
    secured: int
    pooled: int
    with_recourse: int
    disputed: int
    covered: int

    @property
    def amount(self) -> int:
        return self.held + self.secured + self.pooled


NOTHING = Position(0, 0, 0, 0, 0, 0)


def interested(record: Receivable) -> Scope:
    """The members who hold, have a lien on, or finance the pool of any of it, but for the exporter's own part."""
    if record.phase in CLOSED:
        return frozenset()
    members = {part.holder for part in record.parts if part.holder != record.exporter and part.amount}
    members.update(lien.pledgee for lien in record.liens)
    if record.pool is not None:
        members.add(record.pool.factor)
    return frozenset(members)


def position_of(record: Receivable, scope: Scope) -> Position:
    """The position of the scope on one receivable."""
    if record.phase in CLOSED or scope.isdisjoint(interested(record)):
        return NOTHING
    parts = [part for part in record.parts if part.holder in scope and part.holder != record.exporter]
    holders = frozenset(part.holder for part in parts)
    liens = [lien for lien in record.liens if _counts(record, lien, scope, holders)]
    pooled, pooled_disputed = _pooled(record, scope, liens)
    return Position(
        held=sum(part.amount for part in parts),
        secured=sum(lien.amount for lien in liens),
        pooled=pooled,
        with_recourse=sum(min(part.amount, _recourse_of(record, part.holder)) for part in parts),
        disputed=sum(part.disputed for part in parts) + _disputed_under(record, liens) + pooled_disputed,
        covered=sum(record.covered(holder) for holder in holders),
    )


def unconfirmed(record: Receivable, position: Position) -> int:
    """How much of the position is beyond what the debtor has confirmed of the receivable."""
    return max(0, position.amount - record.confirmation.amount)


def _counts(record: Receivable, lien: Lien, scope: Scope, holders: Scope) -> bool:
    if lien.pledgee not in scope or lien.pledgor in holders:
        return False
    behind = lien.behind
    while behind is not None:
        senior = record.lien(behind)
        assert senior is not None, "a lien stands behind one that is there"
        if senior.pledgee in scope:
            return False
        behind = senior.behind
    return True


def _recourse_of(record: Receivable, holder: str) -> int:
    return sum(terms.recourse for terms in record.terms if terms.assignee == holder)


def _disputed_under(record: Receivable, liens: Iterable[Lien]) -> int:
    """Of what the liens lie on, how much is disputed: of each pledgor's part, at most what is pledged."""
    pledged: dict[str, int] = {}
    for lien in liens:
        pledged[lien.pledgor] = pledged.get(lien.pledgor, 0) + lien.amount
    return sum(min(amount, record.disputed_share(pledgor)) for pledgor, amount in pledged.items())


def _pooled(record: Receivable, scope: Scope, liens: Iterable[Lien]) -> tuple[int, int]:
    """Of the exporter's part, what stands in a pool of the scope and under no lien; and how much of that is disputed."""
    if record.pool is None or record.pool.factor not in scope:
        return 0, 0
    pledged = record.pledged_by(record.exporter)
    amount = max(0, record.amount_of(record.exporter) - pledged)
    counted = sum(lien.amount for lien in liens if lien.pledgor == record.exporter)
    disputed = record.disputed_share(record.exporter)
    return amount, min(amount, max(0, disputed - counted))
