"""Attestations on one receivable: which of its papers an accredited attester has looked at, and which are void.

A paper is attested once. An attester that voids one (a red-letter fapiao, a withdrawn customs declaration) makes the whole
receivable ineligible, for good: what stood behind it is gone. A void attestation can follow a good one and not the reverse.
Leaves to others: how much of a delivery is attested in all, over several receivables (`state.DeliveryUse`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .. import limits
from ..codec import Choice, Flag, Items, Struct, Uint
from ..errors import Reference
from ..operations.existence import EvidenceKind
from ..operations.fields import HASH, MEMBER_ID, REFERENCE


@dataclass(frozen=True, slots=True)
class Attestation:
    """`paper` is the commitment or fingerprint that was attested; `quantity` is 0 where the paper has none."""

    kind: EvidenceKind
    paper: bytes
    attester: str
    quantity: int
    voided: bool
    place: Reference


def latest_of(attestations: tuple[Attestation, ...], paper: bytes) -> Attestation | None:
    """What stands of a paper: the void attestation when there is one."""
    return next((each for each in reversed(attestations) if each.paper == paper), None)


def is_voided(attestations: tuple[Attestation, ...]) -> bool:
    return any(each.voided for each in attestations)


ATTESTATIONS: Final = Items(
    Struct(
        Attestation,
        {
            "kind": Choice(EvidenceKind),
            "paper": HASH,
            "attester": MEMBER_ID,
            "quantity": Uint(limits.QUANTITY_MAX),
            "voided": Flag(),
            "place": REFERENCE,
        },
    ),
    limits.ATTESTATIONS_MAX,
)
