"""Members of the consortium as the ledger knows them: roles, status, keys with their span of validity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from . import limits
from .codec import Choice, Flag, Items, Optional_, Struct, Uint
from .fingerprints import Numbering
from .operations.existence import EvidenceKind
from .operations.fields import HASH, MEMBER_ID, PUBLIC_KEY
from .operations.governance import ACCREDITED, EnterpriseClass, Role
from .operations.members import MemberStatus as MemberStatus
from .signing import Tag

FOREVER: Final = limits.HEIGHT_MAX
# Who can stand on a side of a receivable. Nobody could tell that it is the debtor as well, were its own reference not known.
_REFERENCED: Final = frozenset({Role.FACTOR, Role.EXPORTER, Role.DEBTOR, Role.INSURER})


@dataclass(frozen=True, slots=True)
class MemberKey:
    """Valid for blocks of `from_height` <= height < `until_height`."""

    public_key: bytes
    from_height: int
    until_height: int

    def is_valid_at(self, height: int) -> bool:
        return self.from_height <= height < self.until_height


@dataclass(frozen=True, slots=True)
class Member:
    member_id: str
    roles: tuple[Role, ...]
    status: MemberStatus
    numbering: Numbering
    debtor_reference: bytes | None
    keys: tuple[MemberKey, ...]
    accredited: tuple[EvidenceKind, ...] = ()
    enterprise_class: EnterpriseClass = EnterpriseClass.UNDECLARED
    whitelisted: bool = False

    def has_key(self, public_key: bytes, height: int) -> bool:
        return any(key.public_key == public_key and key.is_valid_at(height) for key in self.keys)


MEMBER: Final = Struct(
    Member,
    {
        "member_id": MEMBER_ID,
        "roles": Items(Choice(Role), limits.ROLES_MAX, 1, ascending=True),
        "status": Choice(MemberStatus),
        "numbering": Choice(Numbering),
        "debtor_reference": Optional_(HASH),
        "keys": Items(
            Struct(
                MemberKey,
                {
                    "public_key": PUBLIC_KEY,
                    "from_height": Uint(limits.HEIGHT_MAX),
                    "until_height": Uint(limits.HEIGHT_MAX),
                },
            ),
            limits.KEYS_PER_MEMBER_MAX,
            1,
        ),
        "accredited": ACCREDITED,
        "enterprise_class": Choice(EnterpriseClass),
        "whitelisted": Flag(),
    },
)


def needs_reference(roles: tuple[Role, ...]) -> bool:
    """Whether a member with these roles must have a reference of its own."""
    return not _REFERENCED.isdisjoint(roles)


def possession_message(chain_id: bytes, member_id: str, public_key: bytes) -> bytes:
    """What a new key signs to show that its holder has the private half, for this chain and this member only."""
    return Tag.POSSESSION + chain_id + public_key + member_id.encode()
