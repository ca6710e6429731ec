"""Enrolling members from one machine: make their keys, prove their possession, have the association sign, note where
they lie.

Guarantees: a key is on disk before its member is on the chain, so an interruption never leaves a member whose key is
lost. Run again, it takes up the keys that lie there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from registry.fingerprints import FingerprintKey, Numbering
from registry.identifiers import MemberId
from registry.operations import EnrolMember
from registry.operations.existence import EvidenceKind
from registry.operations.governance import EnterpriseClass, Role
from registry.signing import SigningKey

from .directory import Directory, MemberFiles
from .errors import InputError
from .keys import create_key, passphrase_from_environment, read_key
from .wallet import Wallet

NAME_CHARS_MAX = 64
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class NewMember:
    """Who is to be enrolled; `name` is short and local, `member_id` is what the chain knows."""

    name: str
    member_id: MemberId
    roles: tuple[Role, ...]
    numbering: Numbering = Numbering.CONTINUOUS
    accredited: tuple[EvidenceKind, ...] = ()
    enterprise_class: EnterpriseClass = EnterpriseClass.UNDECLARED
    whitelisted: bool = False


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A member's keys on this machine, its wallet, and the operation that enrols it."""

    files: MemberFiles
    wallet: Wallet
    operation: EnrolMember


def prepare_enrolment(
    directory: Directory,
    new: NewMember,
    chain_id: bytes,
    fingerprint_key: FingerprintKey,
    given_keys: Sequence[Path] = (),
) -> Enrolment:
    """Make (or take up) the member's key files and the operation. Raises InputError, KeyFileError."""
    check_name(new.name)
    paths = tuple(given_keys) or (directory.folder / "members" / f"{new.name}-key-1.pem",)
    keys = tuple(key_at(path, may_create=not given_keys) for path in paths)
    wallet = Wallet(new.member_id, keys, chain_id, fingerprint_key)
    enrolments = sorted(
        (wallet.enrolment_of(key) for key in keys), key=lambda enrolment: enrolment.public_key
    )
    operation = EnrolMember(
        member=new.member_id,
        roles=tuple(sorted(new.roles)),
        numbering=new.numbering,
        debtor_reference=fingerprint_key.debtor(new.member_id),
        keys=tuple(enrolments),
        accredited=tuple(sorted(new.accredited)),
        enterprise_class=new.enterprise_class,
        whitelisted=new.whitelisted,
    )
    roles = tuple(role.name.lower() for role in operation.roles)
    return Enrolment(MemberFiles(new.name, new.member_id, roles, paths), wallet, operation)


def check_name(name: str) -> None:
    """Raises InputError on a name that would not do as a file name on every system."""
    if not _NAME.fullmatch(name) or len(name) > NAME_CHARS_MAX:
        raise InputError(
            f"{name[:80]!r} cannot be a short name: letters, digits, '.', '_' and '-', at most {NAME_CHARS_MAX}"
        )


def key_at(path: Path, *, may_create: bool) -> SigningKey:
    """The key of a file, made first if that is allowed and there is none. Raises KeyFileError."""
    passphrase = passphrase_from_environment()
    if may_create and not path.exists():
        return create_key(path, passphrase)
    return read_key(path, passphrase)
