"""Cover: an insurer answers for a holder's part if the debtor does not pay, until the loss is claimed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .. import limits
from ..codec import Items, Optional_, Struct
from .fields import AMOUNT, COVER_ID, HASH, MEMBER_ID, RECEIVABLE_ID, TIME_MS, OperationType


@dataclass(frozen=True, slots=True)
class BindCover:
    """The insurer covers `amount` of the insured's part until `until_ms`. Both sign.

    `policy` is a salted commitment to the policy's number, the same for all that is covered under it; `policy_limit` is all that
    it is good for in the receivable's currency. `loss_payee` is whom the insurer pays: the insured, or a lienholder.
    """

    receivable: bytes
    insurer: str
    insured: str
    amount: int
    policy: bytes
    policy_limit: int
    until_ms: int
    loss_payee: str


@dataclass(frozen=True, slots=True)
class AlterCover:
    """How the cover reads from now on, each field in full. Insurer and insured sign.

    `consenting` is the present loss payee, who signs too where it loses by the change.
    """

    receivable: bytes
    cover: bytes
    insurer: str
    insured: str
    amount: int
    until_ms: int
    loss_payee: str
    consenting: str | None


@dataclass(frozen=True, slots=True)
class EndCover:
    """The insured gives its cover up. `consenting` is the loss payee, who signs too while it has a lien."""

    receivable: bytes
    cover: bytes
    insured: str
    consenting: str | None


@dataclass(frozen=True, slots=True)
class ClaimCover:
    """After a default the insurer has paid `amount`, and as much of the insured's part is the insurer's. The cover is used up.

    `consenting` are the loss payee, and the pledgees whose liens shrink with the part.
    """

    receivable: bytes
    cover: bytes
    insurer: str
    insured: str
    amount: int
    consenting: tuple[str, ...]


TYPES: Final = (
    OperationType(
        80,
        "BindCover",
        BindCover,
        Struct(
            BindCover,
            {
                "receivable": RECEIVABLE_ID,
                "insurer": MEMBER_ID,
                "insured": MEMBER_ID,
                "amount": AMOUNT,
                "policy": HASH,
                "policy_limit": AMOUNT,
                "until_ms": TIME_MS,
                "loss_payee": MEMBER_ID,
            },
        ),
    ),
    OperationType(
        81,
        "AlterCover",
        AlterCover,
        Struct(
            AlterCover,
            {
                "receivable": RECEIVABLE_ID,
                "cover": COVER_ID,
                "insurer": MEMBER_ID,
                "insured": MEMBER_ID,
                "amount": AMOUNT,
                "until_ms": TIME_MS,
                "loss_payee": MEMBER_ID,
                "consenting": Optional_(MEMBER_ID),
            },
        ),
    ),
    OperationType(
        82,
        "EndCover",
        EndCover,
        Struct(
            EndCover,
            {
                "receivable": RECEIVABLE_ID,
                "cover": COVER_ID,
                "insured": MEMBER_ID,
                "consenting": Optional_(MEMBER_ID),
            },
        ),
    ),
    OperationType(
        83,
        "ClaimCover",
        ClaimCover,
        Struct(
            ClaimCover,
            {
                "receivable": RECEIVABLE_ID,
                "cover": COVER_ID,
                "insurer": MEMBER_ID,
                "insured": MEMBER_ID,
                "amount": AMOUNT,
                "consenting": Items(MEMBER_ID, limits.LIENS_MAX + 1, ascending=True),
            },
        ),
    ),
)
