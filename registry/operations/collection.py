"""Collection: payments come in, and the receivable is settled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .. import limits
from ..codec import Flag, Items, Struct
from .fields import AMOUNT, HASH, MEMBER_ID, MEMBERS, RECEIVABLE_ID, OperationType


@dataclass(frozen=True, slots=True)
class RecordPayment:
    """`amount` was paid on the holder's part. Reported by the payee itself or by an attesting bank (`reporter`).

    A payee's own word cannot end another's security: pledgees whose liens shrink with the part consent by signing too.
    """

    receivable: bytes
    reporter: str
    holder: str
    amount: int
    bank_reference: bytes
    consenting_pledgees: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Settle:
    """All holders close the receivable: nothing is outstanding, or they write the rest off."""

    receivable: bytes
    holders: tuple[str, ...]
    write_off: bool


TYPES: Final = (
    OperationType(
        65,
        "RecordPayment",
        RecordPayment,
        Struct(
            RecordPayment,
            {
                "receivable": RECEIVABLE_ID,
                "reporter": MEMBER_ID,
                "holder": MEMBER_ID,
                "amount": AMOUNT,
                "bank_reference": HASH,
                "consenting_pledgees": Items(MEMBER_ID, limits.LIENS_MAX, ascending=True),
            },
        ),
    ),
    OperationType(
        69,
        "Settle",
        Settle,
        Struct(Settle, {"receivable": RECEIVABLE_ID, "holders": MEMBERS, "write_off": Flag()}),
    ),
)
