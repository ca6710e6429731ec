"""What did not come in: a payment that did not stand, and a default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..codec import Struct
from .fields import HASH, MEMBER_ID, RECEIVABLE_ID, OperationType


@dataclass(frozen=True, slots=True)
class ReversePayment:
    """The payment under this bank reference was called back, all of it. Reported by who was paid, or by an attesting bank."""

    receivable: bytes
    reporter: str
    bank_reference: bytes


@dataclass(frozen=True, slots=True)
class DeclareDefault:
    """A holder or lienholder states that the debtor has not paid in time."""

    receivable: bytes
    holder: str


TYPES: Final = (
    OperationType(
        67,
        "ReversePayment",
        ReversePayment,
        Struct(
            ReversePayment,
            {"receivable": RECEIVABLE_ID, "reporter": MEMBER_ID, "bank_reference": HASH},
        ),
    ),
    OperationType(
        68,
        "DeclareDefault",
        DeclareDefault,
        Struct(DeclareDefault, {"receivable": RECEIVABLE_ID, "holder": MEMBER_ID}),
    ),
)
