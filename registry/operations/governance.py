"""Governance: who belongs to the consortium."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from .. import limits
from ..codec import Choice, Flag, Items, Optional_, Struct
from ..fingerprints import Numbering
from .existence import EvidenceKind
from .fields import HASH, MEMBER_ID, PUBLIC_KEY, SIGNATURE, OperationType


class Role(IntEnum):
    """RULEBOOK, "Parties". A member may hold several."""

    ASSOCIATION = 1
    FACTOR = 2
    EXPORTER = 3
    DEBTOR = 4
    INSURER = 5
    ATTESTER = 6
    AUDITOR = 7
    COURT = 8


class EnterpriseClass(IntEnum):
    """The size that a member has declared, which the supervisor counts small enterprises by.

    Source: the national standards for classing small and medium enterprises (2011), which know these four.
    """

    UNDECLARED = 0
    LARGE = 1
    MEDIUM = 2
    SMALL = 3
    MICRO = 4


@dataclass(frozen=True, slots=True)
class KeyEnrolment:
    """A key with the proof that its holder has the private half: a signature over `possession_message`."""

    public_key: bytes
    possession: bytes


ACCREDITED: Final = Items(Choice(EvidenceKind), len(EvidenceKind), ascending=True)


@dataclass(frozen=True, slots=True)
class EnrolMember:
    """Signed by the association's quorum; the subject signs by the possession proofs.

    `debtor_reference` is the member's own keyed reference, fixed here, so that "assignor is not debtor" can be judged.
    `accredited` names the kinds of evidence that an attester may attest. `whitelisted`: it is on the supervisor's list of factors
    in good standing.
    """

    member: str
    roles: tuple[Role, ...]
    numbering: Numbering
    debtor_reference: bytes | None
    keys: tuple[KeyEnrolment, ...]
    accredited: tuple[EvidenceKind, ...] = ()
    enterprise_class: EnterpriseClass = EnterpriseClass.UNDECLARED
    whitelisted: bool = False


TYPES: Final = (
    OperationType(
        1,
        "EnrolMember",
        EnrolMember,
        Struct(
            EnrolMember,
            {
                "member": MEMBER_ID,
                "roles": Items(Choice(Role), limits.ROLES_MAX, 1, ascending=True),
                "numbering": Choice(Numbering),
                "debtor_reference": Optional_(HASH),
                "keys": Items(
                    Struct(KeyEnrolment, {"public_key": PUBLIC_KEY, "possession": SIGNATURE}),
                    limits.KEYS_PER_MEMBER_MAX,
                    1,
                    ascending=True,
                ),
                "accredited": ACCREDITED,
                "enterprise_class": Choice(EnterpriseClass),
                "whitelisted": Flag(),
            },
        ),
    ),
)
