"""The declared size of a member: at the beginning, at enrolment, and when the association changes it."""

from __future__ import annotations

import json

import pytest

from registry.errors import Code, GenesisInvalid
from registry.fingerprints import Numbering
from registry.genesis import parse_genesis
from registry.member import Member, MemberStatus, possession_message
from registry.operations.governance import EnrolMember, EnterpriseClass, KeyEnrolment, Role
from registry.operations.members import ChangeMember
from registry.signing import SigningKey
from tests.registry.consortium import (
    EXPORTER,
    FINGERPRINT_KEY,
    STRANGER,
    Consortium,
    genesis_document,
    key_of,
)


def class_of(consortium: Consortium, member_id: str) -> EnterpriseClass:
    member: Member | None = consortium.working().member(member_id)
    assert member is not None
    return member.enterprise_class


def possession(consortium: Consortium, member_id: str, key: SigningKey) -> KeyEnrolment:
    message = possession_message(consortium.genesis.chain_id, member_id, key.public_key)
    return KeyEnrolment(key.public_key, key.sign(message))


def test_nobody_has_declared_a_class_unless_it_says_so(consortium: Consortium) -> None:
    assert class_of(consortium, EXPORTER) is EnterpriseClass.UNDECLARED


def test_a_member_is_enrolled_with_its_class(consortium: Consortium) -> None:
    enrolment = EnrolMember(
        STRANGER,
        (Role.EXPORTER,),
        Numbering.CONTINUOUS,
        FINGERPRINT_KEY.debtor(STRANGER),
        (possession(consortium, STRANGER, key_of(STRANGER)),),
        enterprise_class=EnterpriseClass.MICRO,
    )
    assert consortium.code(enrolment) is Code.OK
    assert class_of(consortium, STRANGER) is EnterpriseClass.MICRO


def test_the_association_changes_a_class(consortium: Consortium) -> None:
    change = ChangeMember(
        EXPORTER,
        (Role.EXPORTER,),
        MemberStatus.ACTIVE,
        Numbering.CONTINUOUS,
        (),
        (),
        with_consent=False,
        enterprise_class=EnterpriseClass.SMALL,
    )
    assert consortium.code(change) is Code.OK
    assert class_of(consortium, EXPORTER) is EnterpriseClass.SMALL


def test_the_genesis_document_states_each_class() -> None:
    fields = json.loads(genesis_document())
    assert {member["enterprise_class"] for member in fields["members"]} == {"undeclared"}
    fields["members"][0]["enterprise_class"] = "micro"
    written = (json.dumps(fields, sort_keys=True, indent=2, ensure_ascii=False) + "\n").encode()
    assert parse_genesis(written).members[0].enterprise_class is EnterpriseClass.MICRO
    fields["members"][0]["enterprise_class"] = "tiny"
    wrong = (json.dumps(fields, sort_keys=True, indent=2, ensure_ascii=False) + "\n").encode()
    with pytest.raises(GenesisInvalid, match="enterprise_class"):
        parse_genesis(wrong)
