"""Credit notes and corrections: a registered receivable turns out smaller, or was written down wrongly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .. import limits
from ..codec import Items, Optional_, Struct
from ..fingerprints import Fingerprints
from .existence import EVIDENCE, FINGERPRINTS, SCHEDULE, Evidence, HolderShare, Instalment
from .fields import AMOUNT, DAY, HASH, MEMBER_ID, RECEIVABLE_ID, OperationType

# Beside the exporter, who signs in any case.
_CONSENTING: Final = Items(MEMBER_ID, limits.HOLDERS_MAX, ascending=True)


@dataclass(frozen=True, slots=True)
class RecordCreditNote:
    """The exporter has credited the debtor. The parts shrink in the order of `shares`.

    `consenting` names the other holders and the lienholders who sign, because their part or lien shrinks.
    """

    receivable: bytes
    exporter: str
    consenting: tuple[str, ...]
    credit_note: bytes
    shares: tuple[HolderShare, ...]


@dataclass(frozen=True, slots=True)
class CorrectReceivable:
    """How the clerical fields should read, each in full. The exporter and everyone with a part or lien sign.

    `fingerprints` is None when they stay; another one needs the association's quorum as well.
    """

    receivable: bytes
    exporter: str
    consenting: tuple[str, ...]
    issue_date: int
    due_date: int
    evidence: tuple[Evidence, ...]
    schedule: tuple[Instalment, ...]
    fingerprints: Fingerprints | None


TYPES: Final = (
    OperationType(
        19,
        "RecordCreditNote",
        RecordCreditNote,
        Struct(
            RecordCreditNote,
            {
                "receivable": RECEIVABLE_ID,
                "exporter": MEMBER_ID,
                "consenting": _CONSENTING,
                "credit_note": HASH,
                "shares": Items(
                    Struct(HolderShare, {"holder": MEMBER_ID, "amount": AMOUNT}), limits.HOLDERS_MAX, 1
                ),
            },
        ),
    ),
    OperationType(
        20,
        "CorrectReceivable",
        CorrectReceivable,
        Struct(
            CorrectReceivable,
            {
                "receivable": RECEIVABLE_ID,
                "exporter": MEMBER_ID,
                "consenting": _CONSENTING,
                "issue_date": DAY,
                "due_date": DAY,
                "evidence": EVIDENCE,
                "schedule": SCHEDULE,
                "fingerprints": Optional_(FINGERPRINTS),
            },
        ),
    ),
)
