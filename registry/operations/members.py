"""Governance of one member: its roles and status, and its keys."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from .. import limits
from ..codec import Choice, Flag, Items, Struct, Uint
from ..fingerprints import Numbering
from .existence import EvidenceKind
from .fields import MEMBER_ID, PUBLIC_KEY, SIGNATURE, OperationType
from .governance import ACCREDITED, EnterpriseClass, KeyEnrolment, Role


class MemberStatus(IntEnum):
    """SUSPENDED members may only release, pay and settle. Nothing leads back from EXPELLED."""

    ACTIVE = 1
    SUSPENDED = 2
    EXPELLED = 3


@dataclass(frozen=True, slots=True)
class ChangeMember:
    """What the member is from the next operation on, stated whole; `new_keys` join its keys, valid from the next block.

    Signed by the association's quorum, and by the member `with_consent`, without which it cannot be given a role or a key.
    """

    member: str
    roles: tuple[Role, ...]
    status: MemberStatus
    numbering: Numbering
    accredited: tuple[EvidenceKind, ...]
    new_keys: tuple[KeyEnrolment, ...]
    with_consent: bool
    enterprise_class: EnterpriseClass = EnterpriseClass.UNDECLARED
    whitelisted: bool = False


@dataclass(frozen=True, slots=True)
class RotateKey:
    """Another key takes the place of `old_key`, which ends before block `old_until_height`.

    Signed by the member with the old key, by the new key with its proof of possession, and by the association's quorum, so
    that a stolen key cannot put its thief's key in its place.
    """

    member: str
    old_key: bytes
    new_key: KeyEnrolment
    old_until_height: int


@dataclass(frozen=True, slots=True)
class RevokeKey:
    """The key is worth nothing from the next block on. Signed by the association's quorum alone: the key may be lost."""

    member: str
    public_key: bytes


KEY_ENROLMENT: Final = Struct(KeyEnrolment, {"public_key": PUBLIC_KEY, "possession": SIGNATURE})
TYPES: Final = (
    OperationType(
        2,
        "ChangeMember",
        ChangeMember,
        Struct(
            ChangeMember,
            {
                "member": MEMBER_ID,
                "roles": Items(Choice(Role), limits.ROLES_MAX, 1, ascending=True),
                "status": Choice(MemberStatus),
                "numbering": Choice(Numbering),
                "accredited": ACCREDITED,
                "new_keys": Items(KEY_ENROLMENT, limits.KEYS_PER_MEMBER_MAX, ascending=True),
                "with_consent": Flag(),
                "enterprise_class": Choice(EnterpriseClass),
                "whitelisted": Flag(),
            },
        ),
    ),
    OperationType(
        3,
        "RotateKey",
        RotateKey,
        Struct(
            RotateKey,
            {
                "member": MEMBER_ID,
                "old_key": PUBLIC_KEY,
                "new_key": KEY_ENROLMENT,
                "old_until_height": Uint(limits.HEIGHT_MAX),
            },
        ),
    ),
    OperationType(
        4, "RevokeKey", RevokeKey, Struct(RevokeKey, {"member": MEMBER_ID, "public_key": PUBLIC_KEY})
    ),
)
