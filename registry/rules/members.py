"""Rules of governance over one member: roles and status, and keys.

A change that would leave the association with fewer keys than must sign is refused: nothing could ever be decided again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from .. import limits
from ..errors import Code, RuleViolation
from ..member import FOREVER, Member, MemberKey, MemberStatus
from ..operations.governance import KeyEnrolment, Role
from ..operations.members import ChangeMember, RevokeKey, RotateKey
from ..stored import Namespace
from .governance import check_new_keys, check_reference, note_association
from .judgement import Judgement, Party, Rule

EVERY_ROLE: Final = tuple(Role)


def change_member(judgement: Judgement, operation: ChangeMember) -> bytes:
    """Roles, status, numbering, accreditation, enterprise class and listing as stated, and more keys.

    Order: the member, expulsion, consent, its own reference, keys, the association's seats. Source: RULEBOOK, "Parties",
    "Governance".
    """
    member = remaining_member(judgement, operation.member)
    gained = [role for role in operation.roles if role not in member.roles]
    if (gained or operation.new_keys) and not operation.with_consent:
        what = ", ".join(role.name.lower() for role in gained) or "a key"
        raise RuleViolation(Code.MISSING_SIGNATURE, f"{member.member_id} must sign to be given {what}")
    check_reference(judgement, member.member_id, operation.roles, member.debtor_reference)
    changed = replace(
        member,
        roles=operation.roles,
        status=operation.status,
        numbering=operation.numbering,
        accredited=operation.accredited,
        enterprise_class=operation.enterprise_class,
        whitelisted=operation.whitelisted,
    )
    changed = _with_new_keys(judgement, changed, operation.new_keys)
    return _store(judgement, changed)


def rotate_key(judgement: Judgement, operation: RotateKey) -> bytes:
    """The new key is valid from the next block; both are until the old one's last height.

    Order: the member, the old key and its signature, its end, the new key.
    """
    member = remaining_member(judgement, operation.member)
    old = _present_key(judgement, member, operation.old_key)
    if old.public_key not in judgement.signing_keys:
        raise RuleViolation(Code.MISSING_SIGNATURE, f"key {old.public_key.hex()} must sign")
    if not judgement.height < operation.old_until_height <= old.until_height:
        raise RuleViolation(
            Code.TERM, f"the old key ends after height {judgement.height} and by {old.until_height}"
        )
    ending = replace(old, until_height=operation.old_until_height)
    changed = replace(member, keys=tuple(ending if key == old else key for key in member.keys))
    changed = _with_new_keys(judgement, changed, (operation.new_key,))
    return _store(judgement, changed)


def revoke_key(judgement: Judgement, operation: RevokeKey) -> bytes:
    """The key ends with this block. It stays its owner's: it can never be enrolled again.

    Order: the member, the key, the association's seats.
    """
    member = remaining_member(judgement, operation.member)
    revoked = _present_key(judgement, member, operation.public_key)
    ended = replace(revoked, until_height=judgement.height + 1)
    keys = tuple(ended if key == revoked else key for key in member.keys)
    return _store(judgement, replace(member, keys=keys))


def remaining_member(judgement: Judgement, member_id: str) -> Member:
    """The member, when it is one and has not been expelled."""
    member = judgement.state.member(member_id)
    if member is None:
        raise RuleViolation(Code.UNKNOWN_MEMBER, f"{member_id} is no member")
    if member.status is MemberStatus.EXPELLED:
        raise RuleViolation(Code.EXPELLED, f"{member_id} has been expelled")
    return member


def _present_key(judgement: Judgement, member: Member, public_key: bytes) -> MemberKey:
    for key in member.keys:
        if key.public_key == public_key and key.until_height > judgement.height + 1:
            return key
    raise RuleViolation(
        Code.UNKNOWN_KEY, f"{member.member_id} has no key {public_key.hex()} that outlasts this block"
    )


def _with_new_keys(judgement: Judgement, member: Member, enrolments: tuple[KeyEnrolment, ...]) -> Member:
    public_keys = check_new_keys(judgement, member.member_id, enrolments)
    # What has ended makes room. Who owned it stays known.
    keys = [key for key in member.keys if not public_keys or key.until_height > judgement.height]
    keys += [MemberKey(public_key, judgement.height + 1, FOREVER) for public_key in public_keys]
    if len(keys) > limits.KEYS_PER_MEMBER_MAX:
        raise RuleViolation(Code.LIMIT_REACHED, f"a member has at most {limits.KEYS_PER_MEMBER_MAX} keys")
    for public_key in public_keys:
        judgement.state.put(Namespace.KEY_OWNER, public_key, member.member_id)
    return replace(member, keys=tuple(keys))


def _store(judgement: Judgement, member: Member) -> bytes:
    judgement.state.put(Namespace.MEMBER, member.member_id.encode(), member)
    note_association(judgement, member)
    _check_seats(judgement)
    return member.member_id.encode()


def _check_seats(judgement: Judgement) -> None:
    governance = judgement.state.governance()
    seats = 0
    for member_id in governance.association:
        member = judgement.state.member(member_id)
        if member is not None and member.status is MemberStatus.ACTIVE:
            seats += sum(key.until_height == FOREVER for key in member.keys)
    if seats < governance.threshold:
        raise RuleViolation(
            Code.NO_QUORUM,
            f"the association would keep {seats} keys, and {governance.threshold} must sign",
        )


def _changing(operation: ChangeMember) -> tuple[Party, ...]:
    return (Party(operation.member, EVERY_ROLE),) if operation.with_consent else ()


def _rotating(operation: RotateKey) -> tuple[Party, ...]:
    return (Party(operation.member, EVERY_ROLE),)


RULES: Final = (
    Rule(ChangeMember, _changing, change_member, by_governance=True, while_suspended=True),
    Rule(RotateKey, _rotating, rotate_key, by_governance=True, while_suspended=True),
    Rule(RevokeKey, lambda _operation: (), revoke_key, by_governance=True, while_suspended=True),
)
