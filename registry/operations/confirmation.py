"""Confirmation by silence, and rejection: what the debtor says, or does not say, to a receivable beside `Confirm`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..codec import Choice, Optional_, Struct
from ..signing import Tag
from .existence import DisputeReason
from .fields import MEMBER_ID, PUBLIC_KEY, RECEIVABLE_ID, SIGNATURE, TIME_MS, OperationType


@dataclass(frozen=True, slots=True)
class OptIn:
    """The debtor's signed consent that its silence counts, for one exporter and until `until_ms`.

    Given once, outside the chain, under a key of the debtor that must still be valid when it is used: a debtor that revokes
    the key has withdrawn the consent.
    """

    debtor: str
    until_ms: int
    public_key: bytes
    signature: bytes


def opt_in_message(chain_id: bytes, debtor: str, exporter: str, until_ms: int) -> bytes:
    """What the debtor signs."""
    name = debtor.encode()
    return (
        Tag.TACIT_OPT_IN
        + chain_id
        + until_ms.to_bytes(8, "big")
        + bytes([len(name)])
        + name
        + exporter.encode()
    )


@dataclass(frozen=True, slots=True)
class ConfirmTacitly:
    """The holder states that the debtor acknowledged its notice and has been silent since."""

    receivable: bytes
    holder: str
    opt_in: OptIn | None


@dataclass(frozen=True, slots=True)
class RejectReceivable:
    """The debtor says that it owes nothing of this."""

    receivable: bytes
    debtor: str
    reason: DisputeReason


TYPES: Final = (
    OperationType(
        15,
        "ConfirmTacitly",
        ConfirmTacitly,
        Struct(
            ConfirmTacitly,
            {
                "receivable": RECEIVABLE_ID,
                "holder": MEMBER_ID,
                "opt_in": Optional_(
                    Struct(
                        OptIn,
                        {
                            "debtor": MEMBER_ID,
                            "until_ms": TIME_MS,
                            "public_key": PUBLIC_KEY,
                            "signature": SIGNATURE,
                        },
                    )
                ),
            },
        ),
    ),
    OperationType(
        16,
        "RejectReceivable",
        RejectReceivable,
        Struct(
            RejectReceivable,
            {"receivable": RECEIVABLE_ID, "debtor": MEMBER_ID, "reason": Choice(DisputeReason)},
        ),
    ),
)
