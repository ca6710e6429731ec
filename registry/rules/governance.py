"""Rules of governance: who may belong to the consortium."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from .. import limits
from ..errors import BadSignature, Code, RuleViolation
from ..identifiers import BadIdentifier, parse_member_id
from ..member import FOREVER, Member, MemberKey, MemberStatus, needs_reference, possession_message
from ..operations.governance import EnrolMember, KeyEnrolment, Role
from ..signing import check_public_key, verify
from ..stored import SINGLETON, Namespace
from .judgement import Judgement, Rule


def enrol_member(judgement: Judgement, operation: EnrolMember) -> bytes:
    """The association's quorum enrols a member whose keys prove possession; they are valid from the next block.

    Order: the identifier, an earlier enrolment, the member's own reference, keys.
    Source: RULEBOOK, "Parties" and "Governance".
    """
    state = judgement.state
    try:
        member_id = parse_member_id(operation.member)
    except BadIdentifier as error:
        raise RuleViolation(Code.BAD_IDENTIFIER, str(error)) from error
    if state.member(member_id) is not None:
        raise RuleViolation(Code.ALREADY_ENROLLED, f"{member_id} is a member already")
    check_reference(judgement, member_id, operation.roles, operation.debtor_reference)
    keys = check_new_keys(judgement, member_id, operation.keys)
    member = Member(
        member_id=member_id,
        roles=operation.roles,
        status=MemberStatus.ACTIVE,
        numbering=operation.numbering,
        debtor_reference=operation.debtor_reference,
        keys=tuple(MemberKey(public_key, judgement.height + 1, FOREVER) for public_key in keys),
        accredited=operation.accredited,
        enterprise_class=operation.enterprise_class,
        whitelisted=operation.whitelisted,
    )
    state.put(Namespace.MEMBER, member_id.encode(), member)
    if operation.debtor_reference is not None:
        state.put(Namespace.REFERENCE_OWNER, operation.debtor_reference, member_id)
    for public_key in keys:
        state.put(Namespace.KEY_OWNER, public_key, member_id)
    note_association(judgement, member)
    return member_id.encode()


def check_reference(
    judgement: Judgement, member_id: str, roles: tuple[Role, ...], reference: bytes | None
) -> None:
    """Who can stand on a side of a receivable has a reference of its own: one member, one reference.

    Without it the member would be no debtor to any rule, with another's it would be taken for that one.
    """
    if reference is None:
        if needs_reference(roles):
            raise RuleViolation(Code.BAD_IDENTIFIER, f"{member_id} needs its own reference for these roles")
        return
    owner: str | None = judgement.state.get(Namespace.REFERENCE_OWNER, reference)
    if owner not in (None, member_id):
        raise RuleViolation(Code.IDENTIFIER_IN_USE, f"the reference is that of {owner}")


def check_new_keys(
    judgement: Judgement, member_id: str, enrolments: tuple[KeyEnrolment, ...]
) -> tuple[bytes, ...]:
    """The public keys, when none is or was anybody's and each proves possession for this member and chain."""
    keys = tuple(key.public_key for key in enrolments)
    for enrolment in enrolments:
        public_key = enrolment.public_key
        if judgement.state.get(Namespace.KEY_OWNER, public_key) is not None or keys.count(public_key) > 1:
            raise RuleViolation(Code.KEY_IN_USE, f"key {public_key.hex()} is enrolled already")
        try:
            check_public_key(public_key)
            verify(
                public_key,
                possession_message(judgement.chain_id, member_id, public_key),
                enrolment.possession,
            )
        except BadSignature as error:
            raise RuleViolation(
                Code.BAD_SIGNATURE, f"key {public_key.hex()}: possession is not proven"
            ) from error
    return keys


def note_association(judgement: Judgement, member: Member) -> None:
    """Keep the list of the association's members, whose seats are counted without looking through all members."""
    governance = judgement.state.governance()
    others = tuple(name for name in governance.association if name != member.member_id)
    names = tuple(sorted((*others, member.member_id))) if Role.ASSOCIATION in member.roles else others
    if names == governance.association:
        return
    if len(names) > limits.ASSOCIATION_MEMBERS_MAX:
        raise RuleViolation(
            Code.LIMIT_REACHED, f"the association has at most {limits.ASSOCIATION_MEMBERS_MAX} members"
        )
    judgement.state.put(Namespace.GOVERNANCE, SINGLETON, replace(governance, association=names))


RULES: Final = (Rule(EnrolMember, lambda _operation: (), enrol_member, by_governance=True),)
