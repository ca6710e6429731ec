"""Rules of governance: who may belong to the consortium."""

from __future__ import annotations

from typing import Final

from ..errors import BadSignature, Code, RuleViolation
from ..identifiers import BadIdentifier, parse_member_id
from ..member import FOREVER, Member, MemberKey, MemberStatus, possession_message
from ..operations.governance import EnrolMember
from ..signing import check_public_key, verify
from ..state import Namespace
from .judgement import Judgement, Rule


def enrol_member(judgement: Judgement, operation: EnrolMember) -> bytes:
    """The association's quorum enrols a member whose keys prove possession; they are valid from the next block.

    Source: RULEBOOK, "Parties" and "Governance".
    """
    state = judgement.state
    try:
        member_id = parse_member_id(operation.member)
    except BadIdentifier as error:
        raise RuleViolation(Code.BAD_IDENTIFIER, str(error)) from error
    if state.member(member_id) is not None:
        raise RuleViolation(Code.ALREADY_ENROLLED, f"{member_id} is a member already")
    keys = [key.public_key for key in operation.keys]
    for enrolment in operation.keys:
        public_key = enrolment.public_key
        if state.get(Namespace.KEY_OWNER, public_key) is not None or keys.count(public_key) > 1:
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
    member = Member(
        member_id=member_id,
        roles=operation.roles,
        status=MemberStatus.ACTIVE,
        numbering=operation.numbering,
        debtor_reference=operation.debtor_reference,
        keys=tuple(MemberKey(public_key, judgement.height + 1, FOREVER) for public_key in keys),
        accredited=operation.accredited,
    )
    state.put(Namespace.MEMBER, member_id.encode(), member)
    for public_key in keys:
        state.put(Namespace.KEY_OWNER, public_key, member_id)
    return member_id.encode()


RULES: Final = (Rule(EnrolMember, lambda _operation: (), enrol_member, by_governance=True),)
