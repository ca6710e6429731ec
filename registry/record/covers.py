"""Cover on one receivable: what insurers answer for if the debtor does not pay, and how much of its policy each cover uses.

A cover lies on one holder's part, and the covers of a part never exceed it: nobody is insured twice for the same risk. It
never follows value. Where the part shrinks, what no longer fits is taken from the latest cover first, and a part that is gone
has none. A cover runs out by block time, but not after a default: the loss came while it ran, and can still be claimed.

What stands under one policy of one insurer is counted as it changes (`WorkingState.put`), never by looking through the state,
so no rule can forget it. A policy's limit is stated once, and for the whole of what it answers for: what has been claimed under
it counts on.
Leaves to others: who may be covered, by whom (`registry.rules.cover`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from .. import limits
from ..codec import Items, Struct
from ..errors import InvariantViolation, Reference
from ..operations.fields import AMOUNT, COVER_ID, HASH, MEMBER_ID, REFERENCE, TIME_MS


@dataclass(frozen=True, slots=True)
class Cover:
    """`amount` of the insured's part, until `until_ms`. `policy` is a salted commitment to the policy's number.

    `loss_payee` is whom the insurer pays: the insured itself, or a lienholder on its part.
    """

    cover_id: bytes
    insurer: str
    insured: str
    amount: int
    policy: bytes
    until_ms: int
    loss_payee: str
    place: Reference


@dataclass(frozen=True, slots=True)
class Cut:
    """`amount` that a payment took from `cover`, as it was before."""

    cover: Cover
    amount: int

    @property
    def is_whole(self) -> bool:
        return self.amount == self.cover.amount


@dataclass(frozen=True, slots=True)
class PolicyUse:
    """One policy in one currency: `covered` is under live covers, `claimed` was paid. `place` is what stated the limit."""

    limit: int
    covered: int
    claimed: int
    place: Reference

    @property
    def left(self) -> int:
        """What can still be covered under the policy."""
        return self.limit - self.covered - self.claimed


def policy_use_id(insurer: str, policy: bytes, currency: str) -> bytes:
    return policy + currency.encode() + insurer.encode()


def uses_of(covers: Iterable[Cover], currency: str) -> dict[bytes, int]:
    """By `policy_use_id`, what the covers of one receivable take of each policy."""
    uses: dict[bytes, int] = {}
    for cover in covers:
        key = policy_use_id(cover.insurer, cover.policy, currency)
        uses[key] = uses.get(key, 0) + cover.amount
    return uses


def with_covered(use: PolicyUse, gained: int) -> PolicyUse:
    """The policy's use after its live covers have changed by `gained`."""
    after = replace(use, covered=use.covered + gained)
    if after.covered < 0 or after.left < 0:
        raise InvariantViolation(
            "the covers of a policy exceed its limit, or are below zero",
            limit=after.limit,
            covered=after.covered,
            claimed=after.claimed,
        )
    return after


def covered_of(covers: tuple[Cover, ...], insured: str) -> int:
    """How much of the holder's part is covered."""
    return sum(cover.amount for cover in covers if cover.insured == insured)


def cover_of(covers: tuple[Cover, ...], cover_id: bytes) -> Cover | None:
    return next((cover for cover in covers if cover.cover_id == cover_id), None)


def without_cover(covers: tuple[Cover, ...], cover_id: bytes) -> tuple[Cover, ...]:
    return tuple(cover for cover in covers if cover.cover_id != cover_id)


def running(covers: tuple[Cover, ...], time_ms: int) -> tuple[Cover, ...]:
    """The covers that have not run out at block time `time_ms`."""
    return tuple(cover for cover in covers if cover.until_ms > time_ms)


def fitting_covers(covers: tuple[Cover, ...], parts: Mapping[str, int]) -> tuple[Cover, ...]:
    """The covers, none larger than what is left for it of its holder's part, in the order in which they were bound."""
    left = dict(parts)
    kept = []
    for cover in covers:
        amount = min(cover.amount, left.get(cover.insured, 0))
        if amount:
            left[cover.insured] -= amount
            kept.append(replace(cover, amount=amount))
    return tuple(kept)


def cuts_between(before: tuple[Cover, ...], after: tuple[Cover, ...]) -> tuple[Cut, ...]:
    """What the covers have lost."""
    left = {cover.cover_id: cover.amount for cover in after}
    cuts = (Cut(cover, cover.amount - left.get(cover.cover_id, 0)) for cover in before)
    return tuple(cut for cut in cuts if cut.amount)


def with_cut(covers: tuple[Cover, ...], cut: Cut, left: int) -> tuple[Cover, ...]:
    """The covers after the payment that made the cut has been undone, when its policy has `left` for it.

    A cover that has ended otherwise since, by its holder or by a claim, does not come back.
    """
    amount = min(cut.amount, left)
    present = cover_of(covers, cut.cover.cover_id)
    if amount <= 0 or (present is None and (not cut.is_whole or len(covers) >= limits.COVERS_MAX)):
        return covers
    if present is not None:
        grown = replace(present, amount=present.amount + amount)
        return tuple(grown if each is present else each for each in covers)
    # Covers are kept in the order of the chain.
    return tuple(sorted((*covers, replace(cut.cover, amount=amount)), key=lambda each: each.place.rank))


COVER: Final = Struct(
    Cover,
    {
        "cover_id": COVER_ID,
        "insurer": MEMBER_ID,
        "insured": MEMBER_ID,
        "amount": AMOUNT,
        "policy": HASH,
        "until_ms": TIME_MS,
        "loss_payee": MEMBER_ID,
        "place": REFERENCE,
    },
)
COVERS: Final = Items(COVER, limits.COVERS_MAX)
CUTS: Final = Items(Struct(Cut, {"cover": COVER, "amount": AMOUNT}), limits.COVERS_MAX)
POLICY_USE: Final = Struct(
    PolicyUse, {"limit": AMOUNT, "covered": AMOUNT, "claimed": AMOUNT, "place": REFERENCE}
)
