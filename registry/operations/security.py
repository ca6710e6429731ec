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


@dataclass(frozen=True, slots=True)
class RenewPledge:
    """The pledgee prolongs its lien, before it ends, until `until_ms`."""

    receivable: bytes
    lien: bytes
    pledgee: str
    until_ms: int


@dataclass(frozen=True, slots=True)
class EnforcePledge:
    """After a default the pledgee takes `amount` of what was pledged to it; the pledgor agrees, or a court orders it.

    The lien ends. What it did not take goes back to the pledgor, or to the lien behind.
    """

    receivable: bytes
    lien: bytes
    pledgee: str
    amount: int
    pledgor: str | None
    court: str | None


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
    OperationType(
        49,
        "RenewPledge",
        RenewPledge,
        Struct(
            RenewPledge,
            {"receivable": RECEIVABLE_ID, "lien": LIEN_ID, "pledgee": MEMBER_ID, "until_ms": TIME_MS},
        ),
    ),
    OperationType(
        51,
        "EnforcePledge",
        EnforcePledge,
        Struct(
            EnforcePledge,
            {
                "receivable": RECEIVABLE_ID,
                "lien": LIEN_ID,
                "pledgee": MEMBER_ID,
                "amount": AMOUNT,
                "pledgor": Optional_(MEMBER_ID),
                "court": Optional_(MEMBER_ID),
            },
        ),
    ),
)
