"""Attestation: an accredited third party says what it saw of the papers behind a receivable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .. import limits
from ..codec import Choice, Flag, Struct, Uint
from .existence import EvidenceKind
from .fields import HASH, MEMBER_ID, RECEIVABLE_ID, OperationType


@dataclass(frozen=True, slots=True)
class AttestEvidence:
    """The attester has seen a paper of this receivable, or has voided it (`voided`, a red-letter attestation).

    `paper` is the commitment of an evidence of this kind; of a delivery or customs document its fingerprint; of a fiscal
    invoice its fingerprint. `quantity` is what a delivery's line holds in all, 0 for other papers.
    """

    receivable: bytes
    attester: str
    kind: EvidenceKind
    paper: bytes
    quantity: int
    voided: bool


TYPES: Final = (
    OperationType(
        13,
        "AttestEvidence",
        AttestEvidence,
        Struct(
            AttestEvidence,
            {
                "receivable": RECEIVABLE_ID,
                "attester": MEMBER_ID,
                "kind": Choice(EvidenceKind),
                "paper": HASH,
                "quantity": Uint(limits.QUANTITY_MAX),
                "voided": Flag(),
            },
        ),
    ),
)
