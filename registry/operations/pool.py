"""Pools: receivables of one exporter that together secure what one factor advances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from .. import limits
from ..codec import Flag, Items, Optional_, Shape, Struct, Uint
from .fields import (
    AMOUNT,
    CURRENCY,
    DAY,
    HASH,
    MEMBER_ID,
    POOL_ID,
    RECEIVABLE_ID,
    SUSPICIONS,
    TIME_MS,
    OperationType,
)

BASIS_POINTS: Final = 10_000  # of the whole


@dataclass(frozen=True, slots=True)
class PoolTerms:
    """What exporter and factor have agreed: which receivables count, how much of one debtor, and how much is advanced on them.

    `past_due_days_max`: for how many days past its due date a member still counts. With `confirmation_required` only what the
    debtor has confirmed counts. No debtor owes more than `debtor_share_bp_max` of the base, and no more than
    `advance_rate_bp` of the base is advanced, nor more than `credit_limit`. From `until_ms` on nothing is added or drawn.
    """

    currency: str
    tenor_days_max: int
    past_due_days_max: int
    confirmation_required: bool
    debtor_share_bp_max: int
    advance_rate_bp: int
    credit_limit: int | None
    until_ms: int | None


@dataclass(frozen=True, slots=True)
class CreatePool:
    """Exporter and factor agree on a pool; both sign."""

    exporter: str
    factor: str
    terms: PoolTerms


@dataclass(frozen=True, slots=True)
class Addition:
    """A receivable that is to stand in a pool, and the digest of the fingerprints that the factor recomputed from its papers."""

    receivable: bytes
    verified_fingerprints: bytes


@dataclass(frozen=True, slots=True)
class AddToPool:
    """Receivables of the exporter become members, all of them or none; both sign."""

    pool: bytes
    exporter: str
    factor: str
    additions: tuple[Addition, ...]
    acknowledged_suspicions: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class RemoveFromPool:
    """Members leave the pool, all of them or none; both sign."""

    pool: bytes
    exporter: str
    factor: str
    removals: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class SubstituteInPool:
    """Members leave and others take their place, in one step; both sign."""

    pool: bytes
    exporter: str
    factor: str
    removals: tuple[bytes, ...]
    additions: tuple[Addition, ...]
    acknowledged_suspicions: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class DrawPool:
    """The factor advances `amount` on the pool; both sign."""

    pool: bytes
    exporter: str
    factor: str
    amount: int


@dataclass(frozen=True, slots=True)
class RepayPool:
    """The factor has got `amount` of its advance back."""

    pool: bytes
    factor: str
    amount: int


PoolChange = AddToPool | RemoveFromPool | SubstituteInPool


def receivables_of_change(change: PoolChange) -> tuple[bytes, ...]:
    """The receivables that the change names, those that leave first."""
    added = () if isinstance(change, RemoveFromPool) else change.additions
    removed = () if isinstance(change, AddToPool) else change.removals
    return (*removed, *(addition.receivable for addition in added))


_BASIS_POINTS: Final = Uint(BASIS_POINTS, 1)
POOL_TERMS: Final = Struct(
    PoolTerms,
    {
        "currency": CURRENCY,
        "tenor_days_max": DAY,
        "past_due_days_max": DAY,
        "confirmation_required": Flag(),
        "debtor_share_bp_max": _BASIS_POINTS,
        "advance_rate_bp": _BASIS_POINTS,
        "credit_limit": Optional_(AMOUNT),
        "until_ms": Optional_(TIME_MS),
    },
)
_ADDITIONS: Final = Items(
    Struct(Addition, {"receivable": RECEIVABLE_ID, "verified_fingerprints": HASH}),
    limits.POOL_CHANGE_MAX,
    1,
    ascending=True,
)
_REMOVALS: Final = Items(RECEIVABLE_ID, limits.POOL_CHANGE_MAX, 1, ascending=True)
_PARTIES: Final[dict[str, Shape[Any]]] = {"pool": POOL_ID, "exporter": MEMBER_ID, "factor": MEMBER_ID}
TYPES: Final = (
    OperationType(
        90,
        "CreatePool",
        CreatePool,
        Struct(CreatePool, {"exporter": MEMBER_ID, "factor": MEMBER_ID, "terms": POOL_TERMS}),
    ),
    OperationType(
        91,
        "AddToPool",
        AddToPool,
        Struct(AddToPool, {**_PARTIES, "additions": _ADDITIONS, "acknowledged_suspicions": SUSPICIONS}),
    ),
    OperationType(
        92,
        "RemoveFromPool",
        RemoveFromPool,
        Struct(RemoveFromPool, {**_PARTIES, "removals": _REMOVALS}),
    ),
    OperationType(
        93,
        "SubstituteInPool",
        SubstituteInPool,
        Struct(
            SubstituteInPool,
            {
                **_PARTIES,
                "removals": _REMOVALS,
                "additions": _ADDITIONS,
                "acknowledged_suspicions": SUSPICIONS,
            },
        ),
    ),
    OperationType(94, "DrawPool", DrawPool, Struct(DrawPool, {**_PARTIES, "amount": AMOUNT})),
    OperationType(
        95,
        "RepayPool",
        RepayPool,
        Struct(RepayPool, {"pool": POOL_ID, "factor": MEMBER_ID, "amount": AMOUNT}),
    ),
)
