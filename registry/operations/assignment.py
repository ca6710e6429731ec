"""Assignment: a part of a receivable passes from its holder to a factor, and back; and the debtor is told whom to pay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..codec import Flag, Optional_, Struct
from .fields import (
    AMOUNT,
    HASH,
    MEMBER_ID,
    OFFER_ID,
    RECEIVABLE_ID,
    SUSPICIONS,
    TIME_MS,
    OperationType,
)


@dataclass(frozen=True, slots=True)
class OfferAssignment:
    """The holder keeps `amount` of its part for one factor until `until_ms`, on these terms; only the holder signs."""

    receivable: bytes
    assignor: str
    assignee: str
    amount: int
    until_ms: int
    with_recourse: bool
    resale_barred: bool
    price_commitment: bytes | None


@dataclass(frozen=True, slots=True)
class WithdrawOffer:
    """The holder takes an offer back before it is accepted."""

    receivable: bytes
    offer: bytes
    assignor: str


@dataclass(frozen=True, slots=True)
class AcceptAssignment:
    """The factor takes what it was offered, whole and on the offer's terms.

    It signs over the same papers as the assignee of `Assign`, and consents as it does; the offer's id fixes everything else.
    """

    receivable: bytes
    offer: bytes
    assignee: str
    verified_fingerprints: bytes
    acknowledged_suspicions: tuple[bytes, ...]
    future_consented: bool = False


@dataclass(frozen=True, slots=True)
class Assign:
    """Full or partial assignment, signed by assignor and assignee over the same bytes.

    `verified_fingerprints` is the digest of the fingerprints that the assignee recomputed from the papers it was shown.
    `acknowledged_suspicions` names every similar receivable that the assignee has looked at. `resale_barred`: the assignee
    undertakes not to assign onward. `future_consented`: it knows that this may be a future receivable, of which nothing is owed.
    """

    receivable: bytes
    assignor: str
    assignee: str
    amount: int
    with_recourse: bool
    price_commitment: bytes | None
    verified_fingerprints: bytes
    acknowledged_suspicions: tuple[bytes, ...]
    resale_barred: bool = False
    future_consented: bool = False


@dataclass(frozen=True, slots=True)
class Reassign:
    """A holder with recourse gives `amount` back to who assigned it; both sign."""

    receivable: bytes
    holder: str
    prior_assignor: str
    amount: int


@dataclass(frozen=True, slots=True)
class AssignBlanket:
    """Exporter and factor agree that what is registered from `from_ms` until before `until_ms`, in block time, is the factor's.

    `debtor_reference` None: against every debtor. It takes registrations that come after it, never earlier ones.
    """

    assignor: str
    assignee: str
    debtor_reference: bytes | None
    from_ms: int
    until_ms: int
    with_recourse: bool
    resale_barred: bool


@dataclass(frozen=True, slots=True)
class NotifyDebtor:
    """A holder tells the debtor to pay its part to it (Civil Code art. 546)."""

    receivable: bytes
    holder: str


@dataclass(frozen=True, slots=True)
class AcknowledgeNotice:
    """The debtor acknowledges the notice of one holder: the payee of that part is fixed."""

    receivable: bytes
    debtor: str
    holder: str


TYPES: Final = (
    OperationType(
        30,
        "OfferAssignment",
        OfferAssignment,
        Struct(
            OfferAssignment,
            {
                "receivable": RECEIVABLE_ID,
                "assignor": MEMBER_ID,
                "assignee": MEMBER_ID,
                "amount": AMOUNT,
                "until_ms": TIME_MS,
                "with_recourse": Flag(),
                "resale_barred": Flag(),
                "price_commitment": Optional_(HASH),
            },
        ),
    ),
    OperationType(
        31,
        "WithdrawOffer",
        WithdrawOffer,
        Struct(WithdrawOffer, {"receivable": RECEIVABLE_ID, "offer": OFFER_ID, "assignor": MEMBER_ID}),
    ),
    OperationType(
        32,
        "AcceptAssignment",
        AcceptAssignment,
        Struct(
            AcceptAssignment,
            {
                "receivable": RECEIVABLE_ID,
                "offer": OFFER_ID,
                "assignee": MEMBER_ID,
                "verified_fingerprints": HASH,
                "acknowledged_suspicions": SUSPICIONS,
                "future_consented": Flag(),
            },
        ),
    ),
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
                "resale_barred": Flag(),
                "future_consented": Flag(),
            },
        ),
    ),
    OperationType(
        34,
        "Reassign",
        Reassign,
        Struct(
            Reassign,
            {
                "receivable": RECEIVABLE_ID,
                "holder": MEMBER_ID,
                "prior_assignor": MEMBER_ID,
                "amount": AMOUNT,
            },
        ),
    ),
    OperationType(
        35,
        "AssignBlanket",
        AssignBlanket,
        Struct(
            AssignBlanket,
            {
                "assignor": MEMBER_ID,
                "assignee": MEMBER_ID,
                "debtor_reference": Optional_(HASH),
                "from_ms": TIME_MS,
                "until_ms": TIME_MS,
                "with_recourse": Flag(),
                "resale_barred": Flag(),
            },
        ),
    ),
    OperationType(
        36,
        "NotifyDebtor",
        NotifyDebtor,
        Struct(NotifyDebtor, {"receivable": RECEIVABLE_ID, "holder": MEMBER_ID}),
    ),
    OperationType(
        37,
        "AcknowledgeNotice",
        AcknowledgeNotice,
        Struct(
            AcknowledgeNotice,
            {"receivable": RECEIVABLE_ID, "debtor": MEMBER_ID, "holder": MEMBER_ID},
        ),
    ),
)
