"""Assignment: a part of a receivable passes from its holder to a factor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..codec import Flag, Optional_, Struct
from .fields import AMOUNT, HASH, MEMBER_ID, RECEIVABLE_ID, SUSPICIONS, OperationType


@dataclass(frozen=True, slots=True)
class Assign:
    """Full or partial assignment, signed by assignor and assignee over the same bytes.

    `verified_fingerprints` is the digest of the fingerprints that the assignee recomputed from the papers it was shown.
    `acknowledged_suspicions` names every similar receivable that the assignee has looked at.
    """

    receivable: bytes
    assignor: str
    assignee: str
    amount: int
    with_recourse: bool
    price_commitment: bytes | None
    verified_fingerprints: bytes
    acknowledged_suspicions: tuple[bytes, ...]


TYPES: Final = (
    OperationType(
        33,
        "Assign",
        Assign,
        Struct(
            Assign,
            {
                "receivable": RECEIVABLE_ID,
                "assignor": MEMBER_ID,
                "assignee": MEMBER_ID,
                "amount": AMOUNT,
                "with_recourse": Flag(),
                "price_commitment": Optional_(HASH),
                "verified_fingerprints": HASH,
                "acknowledged_suspicions": SUSPICIONS,
            },
        ),
    ),
)
