"""Evidence and existence: a receivable comes into being, is confirmed, disputed, and withdrawn."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from .. import limits
from ..codec import Choice, Items, Optional_, Struct, Uint
from ..fingerprints import Delivery, Fingerprints
from .fields import AMOUNT, CURRENCY, DAY, HASH, MEMBER_ID, RECEIVABLE_ID, OperationType


class EvidenceKind(IntEnum):
    INVOICE = 1
    CONTRACT = 2
    DELIVERY = 3
    CUSTOMS = 4
    TAX = 5
    OTHER = 6
    PAYMENT = 7  # a bank's advice: who is accredited for it can attest payments between others


@dataclass(frozen=True, slots=True)
class Evidence:
    """A salted commitment to a paper; the paper itself is never on the chain."""

    kind: EvidenceKind
    commitment: bytes


@dataclass(frozen=True, slots=True)
class Instalment:
    due_date: int
    amount: int


@dataclass(frozen=True, slots=True)
class RegisterReceivable:
    """The exporter states a receivable against a debtor; S signs, and D too when `reverse_factoring` names it."""

    exporter: str
    debtor_reference: bytes
    currency: str
    face_amount: int
    issue_date: int
    due_date: int
    fingerprints: Fingerprints
    evidence: tuple[Evidence, ...]
    schedule: tuple[Instalment, ...]
    reverse_factoring_debtor: str | None


class Defence(IntEnum):
    """Defences that a debtor can waive when it confirms (UNIDROIT Model Law on Factoring, art. 17)."""

    QUALITY = 1
    QUANTITY = 2
    DELAY = 3
    SET_OFF = 4


@dataclass(frozen=True, slots=True)
class Confirm:
    """The debtor expressly confirms that it owes `amount`, and which defences it waives."""

    receivable: bytes
    debtor: str
    amount: int
    waived: tuple[Defence, ...]


class DisputeReason(IntEnum):
    QUALITY = 1
    QUANTITY = 2
    PRICE = 3
    NOT_DELIVERED = 4
    ALREADY_PAID = 5
    OTHER = 6


@dataclass(frozen=True, slots=True)
class RaiseDispute:
    """The debtor disputes `amount` more; that share is not assignable until it is resolved."""

    receivable: bytes
    debtor: str
    amount: int
    reason: DisputeReason


@dataclass(frozen=True, slots=True)
class HolderShare:
    """By how much a holder's part shrinks."""

    holder: str
    amount: int


@dataclass(frozen=True, slots=True)
class ResolveDispute:
    """Debtor and holders end a dispute: `freed` is owed after all, `dilution` is not and shrinks the named parts.

    Or a court does, with the association's quorum: then debtor and holders need not sign, and those who do are named.
    """

    receivable: bytes
    debtor: str | None
    holders: tuple[str, ...]
    freed: int
    dilution: tuple[HolderShare, ...]
    court: str | None = None


@dataclass(frozen=True, slots=True)
class CancelReceivable:
    """The exporter withdraws what it registered; the debtor signs too once it has confirmed."""

    receivable: bytes
    exporter: str
    debtor: str | None


DELIVERY: Final = Struct(
    Delivery,
    {
        "fingerprint": HASH,
        "quantity": Uint(limits.QUANTITY_MAX, 1),
        "document_quantity": Uint(limits.QUANTITY_MAX, 1),
    },
)
FINGERPRINTS: Final = Struct(
    Fingerprints,
    {
        "epoch": Uint(limits.FINGERPRINT_EPOCH_MAX),
        "invoice": HASH,
        "fiscal": Optional_(HASH),
        "document": Optional_(HASH),
        "similar": HASH,
        "deliveries": Items(DELIVERY, limits.DELIVERIES_MAX, ascending=True),
    },
)
EVIDENCE: Final = Items(
    Struct(Evidence, {"kind": Choice(EvidenceKind), "commitment": HASH}),
    limits.EVIDENCE_COMMITMENTS_MAX,
    ascending=True,
)
SCHEDULE: Final = Items(
    Struct(Instalment, {"due_date": DAY, "amount": AMOUNT}), limits.INSTALMENTS_MAX, ascending=True
)
WAIVED: Final = Items(Choice(Defence), len(Defence), ascending=True)
_SIGNING_HOLDERS: Final = Items(MEMBER_ID, limits.HOLDERS_MAX, ascending=True)

TYPES: Final = (
    OperationType(
        10,
        "RegisterReceivable",
        RegisterReceivable,
        Struct(
            RegisterReceivable,
            {
                "exporter": MEMBER_ID,
                "debtor_reference": HASH,
                "currency": CURRENCY,
                "face_amount": AMOUNT,
                "issue_date": DAY,
                "due_date": DAY,
                "fingerprints": FINGERPRINTS,
                "evidence": EVIDENCE,
                "schedule": SCHEDULE,
                "reverse_factoring_debtor": Optional_(MEMBER_ID),
            },
        ),
    ),
    OperationType(
        14,
        "Confirm",
        Confirm,
        Struct(
            Confirm, {"receivable": RECEIVABLE_ID, "debtor": MEMBER_ID, "amount": AMOUNT, "waived": WAIVED}
        ),
    ),
    OperationType(
        17,
        "RaiseDispute",
        RaiseDispute,
        Struct(
            RaiseDispute,
            {
                "receivable": RECEIVABLE_ID,
                "debtor": MEMBER_ID,
                "amount": AMOUNT,
                "reason": Choice(DisputeReason),
            },
        ),
    ),
    OperationType(
        18,
        "ResolveDispute",
        ResolveDispute,
        Struct(
            ResolveDispute,
            {
                "receivable": RECEIVABLE_ID,
                "debtor": Optional_(MEMBER_ID),
                "holders": _SIGNING_HOLDERS,
                "freed": AMOUNT,
                "dilution": Items(
                    Struct(HolderShare, {"holder": MEMBER_ID, "amount": AMOUNT}), limits.HOLDERS_MAX
                ),
                "court": Optional_(MEMBER_ID),
            },
        ),
    ),
    OperationType(
        21,
        "CancelReceivable",
        CancelReceivable,
        Struct(
            CancelReceivable,
            {"receivable": RECEIVABLE_ID, "exporter": MEMBER_ID, "debtor": Optional_(MEMBER_ID)},
        ),
    ),
)
