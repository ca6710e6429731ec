"""Future receivables: registered on a contract, and turned into owed ones as its invoices arise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..codec import Struct
from ..fingerprints import Fingerprints
from .existence import EVIDENCE, FINGERPRINTS, Evidence
from .fields import AMOUNT, CURRENCY, DAY, HASH, MEMBER_ID, RECEIVABLE_ID, OperationType


@dataclass(frozen=True, slots=True)
class RegisterFutureReceivable:
    """The exporter states what may arise from a contract: at most `cap`, invoiced on `end_date` at the latest.

    The `invoice` fingerprint is that of the contract (`FingerprintKey.contract`); there are no deliveries yet.
    """

    exporter: str
    debtor_reference: bytes
    currency: str
    cap: int
    contract_date: int
    end_date: int
    fingerprints: Fingerprints
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Crystallise:
    """An invoice has arisen from the contract. The debtor, or an attester of deliveries, signs as `witness`."""

    receivable: bytes
    exporter: str
    witness: str
    amount: int
    issue_date: int
    due_date: int
    fingerprints: Fingerprints
    evidence: tuple[Evidence, ...]


TYPES: Final = (
    OperationType(
        11,
        "RegisterFutureReceivable",
        RegisterFutureReceivable,
        Struct(
            RegisterFutureReceivable,
            {
                "exporter": MEMBER_ID,
                "debtor_reference": HASH,
                "currency": CURRENCY,
                "cap": AMOUNT,
                "contract_date": DAY,
                "end_date": DAY,
                "fingerprints": FINGERPRINTS,
                "evidence": EVIDENCE,
            },
        ),
    ),
    OperationType(
        12,
        "Crystallise",
        Crystallise,
        Struct(
            Crystallise,
            {
                "receivable": RECEIVABLE_ID,
                "exporter": MEMBER_ID,
                "witness": MEMBER_ID,
                "amount": AMOUNT,
                "issue_date": DAY,
                "due_date": DAY,
                "fingerprints": FINGERPRINTS,
                "evidence": EVIDENCE,
            },
        ),
    ),
)
