"""Liens on one receivable as a set: what happens to the others when one ends, and when the value under them shrinks.

First-ranking liens (`behind` is None) share a part side by side. Behind each stands at most one junior, behind that at most one
more, and none is larger than the one it stands behind. So when a lien ends, its junior takes its place and still fits.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from .. import limits
from ..receivable import Lien, Receivable


def without_lien(liens: tuple[Lien, ...], lien_id: bytes) -> tuple[Lien, ...]:
    """The liens after one has ended: the junior behind it moves up."""
    ended = next(lien for lien in liens if lien.lien_id == lien_id)
    return tuple(
        replace(lien, behind=ended.behind) if lien.behind == lien_id else lien
        for lien in liens
        if lien.lien_id != lien_id
    )


def without_expired(liens: tuple[Lien, ...], time_ms: int) -> tuple[Lien, ...]:
    """The liens that still run at block time `time_ms`."""
    for lien in liens:
        if lien.until_ms <= time_ms:
            liens = without_lien(liens, lien.lien_id)
    return liens


def with_lapses(lapsed: tuple[Lien, ...], liens: tuple[Lien, ...], time_ms: int) -> tuple[Lien, ...]:
    """The latest liens that ran out, so that who renews one too late learns that it was late."""
    over = tuple(lien for lien in liens if lien.until_ms <= time_ms)
    return (*lapsed, *over)[-limits.LIENS_MAX :]


def after_enforcement(liens: tuple[Lien, ...], enforced: Lien, amount: int) -> tuple[Lien, ...]:
    """The liens after a first-ranking one has taken `amount`: it ends, and those behind it keep what it has left over."""
    liens = _cap_chain(liens, enforced, enforced.amount - amount)
    if any(lien.lien_id == enforced.lien_id for lien in liens):
        liens = without_lien(liens, enforced.lien_id)
    return liens


def junior_of(liens: Iterable[Lien], lien_id: bytes) -> Lien | None:
    return next((lien for lien in liens if lien.behind == lien_id), None)


def fit_liens(record: Receivable, holder: str) -> tuple[Lien, ...]:
    """The liens after the holder's part has shrunk by a payment or dilution.

    What no longer fits is taken from the latest first-ranking lien, then from the one before it: priority is by place on the
    chain, and a claim that was paid cannot secure anything more.
    """
    excess = record.pledged_by(holder) - record.amount_of(holder)
    liens = record.liens
    # Liens are kept in the order of the chain, so the last one ranks last.
    for lien in reversed(record.liens):
        if excess <= 0:
            break
        if lien.pledgor == holder and lien.behind is None:
            kept = max(0, lien.amount - excess)
            excess -= lien.amount - kept
            liens = _cap_chain(liens, lien, kept)
    return liens


def with_pledgor(liens: tuple[Lien, ...], first: Lien, pledgor: str) -> tuple[Lien, ...]:
    """The liens when a first-ranking one lies on another holder's part, and those behind it with it."""
    chain = _chain(liens, first)
    return tuple(replace(lien, pledgor=pledgor) if lien.lien_id in chain else lien for lien in liens)


def _cap_chain(liens: tuple[Lien, ...], first: Lien, cap: int) -> tuple[Lien, ...]:
    chain = _chain(liens, first)
    if cap == 0:
        return tuple(lien for lien in liens if lien.lien_id not in chain)
    return tuple(
        replace(lien, amount=min(lien.amount, cap)) if lien.lien_id in chain else lien for lien in liens
    )


def _chain(liens: tuple[Lien, ...], first: Lien) -> list[bytes]:
    """The lien and all that stand behind it."""
    chain: list[bytes] = []
    member: Lien | None = first
    while member is not None:
        chain.append(member.lien_id)
        member = junior_of(liens, member.lien_id)
    return chain
