"""A member's own keyed reference: who must have one, and that no two members have the same."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from registry.errors import Code, GenesisInvalid
from registry.fingerprints import Numbering
from registry.genesis import parse_genesis
from registry.member import MemberStatus, possession_message
from registry.operations.governance import EnrolMember, KeyEnrolment, Role
from registry.operations.members import ChangeMember
from registry.stored import Namespace
from tests.registry.consortium import (
    ASSOCIATION,
    COURT,
    DEBTOR,
    DEBTOR_REFERENCE,
    EXPORTER,
    FINGERPRINT_KEY,
    STRANGER,
    Consortium,
    genesis_document,
    key_of,
    stored,
)

NEEDING = (Role.FACTOR, Role.EXPORTER, Role.DEBTOR, Role.INSURER)
OWN = FINGERPRINT_KEY.debtor(STRANGER)


def enrolment(
    consortium: Consortium, roles: tuple[Role, ...], reference: bytes | None, member_id: str = STRANGER
) -> EnrolMember:
    key = key_of(member_id)
    possession = key.sign(possession_message(consortium.genesis.chain_id, member_id, key.public_key))
    keys = (KeyEnrolment(key.public_key, possession),)
    return EnrolMember(member_id, roles, Numbering.CONTINUOUS, reference, keys)


def change(member_id: str, *roles: Role) -> ChangeMember:
    return ChangeMember(member_id, roles, MemberStatus.ACTIVE, Numbering.CONTINUOUS, (), (), True)


@pytest.mark.parametrize("role", list(Role))
def test_who_can_stand_on_a_side_of_a_receivable_is_enrolled_with_its_reference(
    consortium: Consortium, role: Role
) -> None:
    expected = Code.BAD_IDENTIFIER if role in NEEDING else Code.OK
    assert consortium.code(enrolment(consortium, (role,), None)) is expected
    if role in NEEDING:
        assert consortium.code(enrolment(consortium, (role,), OWN)) is Code.OK
        assert stored(consortium, Namespace.REFERENCE_OWNER, OWN) == STRANGER


def test_one_such_role_among_others_is_enough_to_need_it(consortium: Consortium) -> None:
    mixed = (Role.DEBTOR, Role.ATTESTER)
    assert consortium.code(enrolment(consortium, mixed, None)) is Code.BAD_IDENTIFIER


@pytest.mark.parametrize("role", NEEDING)
def test_such_a_role_is_not_gained_without_a_reference(consortium: Consortium, role: Role) -> None:
    consortium.do(enrolment(consortium, (Role.AUDITOR,), None))
    gained = change(STRANGER, role, Role.AUDITOR)
    signed_by = (ASSOCIATION, STRANGER)
    assert consortium.code(gained, by=ASSOCIATION, signed_by=signed_by) is Code.BAD_IDENTIFIER
    plain = change(STRANGER, Role.AUDITOR, Role.COURT)
    assert consortium.code(plain, by=ASSOCIATION, signed_by=signed_by) is Code.OK


def test_a_member_with_a_reference_gains_such_a_role(consortium: Consortium) -> None:
    gained = change(COURT, Role.EXPORTER, Role.COURT)
    assert consortium.code(gained, by=ASSOCIATION, signed_by=(ASSOCIATION, COURT)) is Code.OK


@pytest.mark.parametrize("roles", [(Role.EXPORTER,), (Role.AUDITOR,)])
def test_no_second_member_has_the_same_reference(consortium: Consortium, roles: tuple[Role, ...]) -> None:
    claiming = enrolment(consortium, roles, DEBTOR_REFERENCE)
    assert consortium.code(claiming) is Code.IDENTIFIER_IN_USE
    assert stored(consortium, Namespace.REFERENCE_OWNER, DEBTOR_REFERENCE) == DEBTOR


def test_of_two_enrolments_in_one_block_the_first_has_the_reference(consortium: Consortium) -> None:
    auditor = (Role.AUDITOR,)
    second = "lei:529900HNOAA1KXQJUQ27"
    committed = consortium.commit(
        consortium.entry(enrolment(consortium, auditor, OWN)),
        consortium.entry(enrolment(consortium, auditor, OWN, second)),
    )
    codes = [receipt.results[0].code for receipt in committed.receipts]
    assert codes == [Code.OK, Code.IDENTIFIER_IN_USE]


def test_an_expelled_members_reference_is_not_another_members(consortium: Consortium) -> None:
    consortium.do(enrolment(consortium, (Role.EXPORTER,), OWN))
    consortium.set_status(STRANGER, MemberStatus.EXPELLED)
    second = "lei:529900HNOAA1KXQJUQ27"
    again = enrolment(consortium, (Role.AUDITOR,), OWN, second)
    assert consortium.code(again) is Code.IDENTIFIER_IN_USE


def test_the_reference_is_judged_before_the_keys(consortium: Consortium) -> None:
    keys = (KeyEnrolment(key_of(EXPORTER).public_key, bytes(64)),)
    bad = replace(enrolment(consortium, (Role.EXPORTER,), None), keys=keys)
    assert consortium.code(bad) is Code.BAD_IDENTIFIER
    assert consortium.code(replace(bad, debtor_reference=DEBTOR_REFERENCE)) is Code.IDENTIFIER_IN_USE
    assert consortium.code(replace(bad, debtor_reference=OWN)) is Code.KEY_IN_USE
    assert consortium.code(replace(bad, member=DEBTOR)) is Code.ALREADY_ENROLLED


def written(fields: dict[str, Any]) -> bytes:
    return (json.dumps(fields, sort_keys=True, indent=2, ensure_ascii=False) + "\n").encode()


def test_the_first_members_have_references_too() -> None:
    fields = json.loads(genesis_document())
    places = {member["member_id"]: place for place, member in enumerate(fields["members"])}
    fields["members"][places[COURT]]["debtor_reference"] = None
    parse_genesis(written(fields))
    fields["members"][places[EXPORTER]]["debtor_reference"] = None
    with pytest.raises(GenesisInvalid, match=rf"members\[{places[EXPORTER]}\]\.debtor_reference"):
        parse_genesis(written(fields))


def test_no_two_first_members_have_the_same_reference() -> None:
    fields = json.loads(genesis_document())
    fields["members"][0]["debtor_reference"] = fields["members"][1]["debtor_reference"]
    with pytest.raises(GenesisInvalid, match="two members have one debtor reference"):
        parse_genesis(written(fields))
