"""Who belongs together, and how much a factor can bear: what related-party and concentration limits are judged by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..codec import Flag, Optional_, Struct
from .fields import AMOUNT, CURRENCY, DAY, HASH, MEMBER_ID, OperationType


@dataclass(frozen=True, slots=True)
class DeclareRelationship:
    """`party` stands under `controller` since a day; both as keyed references, so that debtors abroad have groups too.

    Signed by an exporter, debtor or factor, the `declarer`. Of itself it may say so alone; of another party the association
    must countersign. With `false` the association marks an earlier declaration as false, and it counts no more.
    """

    declarer: str | None
    party: bytes
    controller: bytes
    since_day: int
    countersigned: bool
    false: bool


@dataclass(frozen=True, slots=True)
class DeclareRiskAssets:
    """A factor signs what its risk assets are: the denominator of its concentration limits in one currency."""

    factor: str
    currency: str
    amount: int
    as_of_day: int


TYPES: Final = (
    OperationType(
        5,
        "DeclareRelationship",
        DeclareRelationship,
        Struct(
            DeclareRelationship,
            {
                "declarer": Optional_(MEMBER_ID),
                "party": HASH,
                "controller": HASH,
                "since_day": DAY,
                "countersigned": Flag(),
                "false": Flag(),
            },
        ),
    ),
    OperationType(
        110,
        "DeclareRiskAssets",
        DeclareRiskAssets,
        Struct(
            DeclareRiskAssets,
            {"factor": MEMBER_ID, "currency": CURRENCY, "amount": AMOUNT, "as_of_day": DAY},
        ),
    ),
)
