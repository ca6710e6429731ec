"""Security: a lien on a part, and its release."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..codec import Optional_, Struct
from .fields import AMOUNT, HASH, LIEN_ID, MEMBER_ID, RECEIVABLE_ID, SUSPICIONS, TIME_MS, OperationType


@dataclass(frozen=True, slots=True)
class Junior:
    """A lien of lower rank over value that is pledged already; the senior pledgee signs too."""

    senior_lien: bytes
    senior_pledgee: str


@dataclass(frozen=True, slots=True)
class Pledge:
    """A lien on `amount` of the pledgor's part until `until_ms`, signed by pledgor and pledgee."""

    receivable: bytes
    pledgor: str
    pledgee: str
    amount: int
    until_ms: int
    junior_to: Junior | None
    verified_fingerprints: bytes
    acknowledged_suspicions: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ReleasePledge:
    """The pledgee gives its lien up."""

    receivable: bytes
    lien: bytes
    pledgee: str


TYPES: Final = (
    OperationType(
        48,
        "Pledge",
        Pledge,
        Struct(
            Pledge,
            {
                "receivable": RECEIVABLE_ID,
                "pledgor": MEMBER_ID,
                "pledgee": MEMBER_ID,
                "amount": AMOUNT,
                "until_ms": TIME_MS,
                "junior_to": Optional_(Struct(Junior, {"senior_lien": LIEN_ID, "senior_pledgee": MEMBER_ID})),
                "verified_fingerprints": HASH,
                "acknowledged_suspicions": SUSPICIONS,
            },
        ),
    ),
    OperationType(
        50,
        "ReleasePledge",
        ReleasePledge,
        Struct(ReleasePledge, {"receivable": RECEIVABLE_ID, "lien": LIEN_ID, "pledgee": MEMBER_ID}),
    ),
)
