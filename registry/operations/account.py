"""Where the debtor is to pay, and what it paid elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..codec import Flag, Struct
from .fields import AMOUNT, HASH, MEMBER_ID, MEMBERS, RECEIVABLE_ID, OperationType


@dataclass(frozen=True, slots=True)
class SetCollectionAccount:
    """All holders and lienholders name the account to be paid to, as a salted commitment."""

    receivable: bytes
    holders: tuple[str, ...]
    account: bytes


@dataclass(frozen=True, slots=True)
class ReportIndirectPayment:
    """The debtor paid `amount`, due to `holder`, to the exporter. With `turned_over` the holder says that it has it now.

    Reported by the exporter or the holder; only the holder reports the turnover, and records what it received as a payment.
    """

    receivable: bytes
    reporter: str
    holder: str
    amount: int
    bank_reference: bytes
    turned_over: bool


TYPES: Final = (
    OperationType(
        64,
        "SetCollectionAccount",
        SetCollectionAccount,
        Struct(SetCollectionAccount, {"receivable": RECEIVABLE_ID, "holders": MEMBERS, "account": HASH}),
    ),
    OperationType(
        66,
        "ReportIndirectPayment",
        ReportIndirectPayment,
        Struct(
            ReportIndirectPayment,
            {
                "receivable": RECEIVABLE_ID,
                "reporter": MEMBER_ID,
                "holder": MEMBER_ID,
                "amount": AMOUNT,
                "bank_reference": HASH,
                "turned_over": Flag(),
            },
        ),
    ),
)
