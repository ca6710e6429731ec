"""ChangeMember, RotateKey, RevokeKey: what a member may do from when on, and that the association can always decide."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from registry.entry import assemble, encode_body, sign_body
from registry.errors import Code, NotPermitted
from registry.fingerprints import Numbering
from registry.limits import ASSOCIATION_MEMBERS_MAX
from registry.member import FOREVER, Member, MemberKey, MemberStatus, possession_message
from registry.operations.governance import KeyEnrolment, Role
from registry.operations.members import ChangeMember, RevokeKey, RotateKey
from registry.signing import SigningKey
from registry.stored import SINGLETON, Namespace
from tests.registry.consortium import (
    ASSOCIATION,
    ASSOCIATION_KEYS,
    EXPELLED,
    EXPORTER,
    FACTOR_1,
    STRANGER,
    SUSPENDED,
    Consortium,
    checked,
    key_of,
)

BOTH = (ASSOCIATION, FACTOR_1)


def member_of(consortium: Consortium, member_id: str) -> Member:
    member = consortium.working().member(member_id)
    assert member is not None
    return member


def change(consortium: Consortium, member_id: str = FACTOR_1, **changes: Any) -> ChangeMember:
    member = consortium.working().member(member_id)
    stands = ChangeMember(
        member_id,
        member.roles if member else (Role.FACTOR,),
        member.status if member else MemberStatus.ACTIVE,
        Numbering.CONTINUOUS,
        (),
        (),
        False,
    )
    return replace(stands, **changes)


def proven(consortium: Consortium, member_id: str, key: SigningKey) -> KeyEnrolment:
    message = possession_message(consortium.genesis.chain_id, member_id, key.public_key)
    return KeyEnrolment(key.public_key, key.sign(message))


def rotation(consortium: Consortium, **changes: Any) -> RotateKey:
    usual = RotateKey(
        FACTOR_1,
        key_of(FACTOR_1).public_key,
        proven(consortium, FACTOR_1, key_of("next")),
        consortium.tip.height + 5,
    )
    return replace(usual, **changes)


def signed_with(consortium: Consortium, operation: Any, key: SigningKey) -> bytes:
    """An entry of FACTOR_1, signed with another than its first key."""
    body = encode_body(consortium.body(operation, by=FACTOR_1))
    return assemble(body, (sign_body(body, FACTOR_1, key),))


# --- roles and status


def test_a_suspended_member_does_not_take_and_an_active_one_does(consortium: Consortium) -> None:
    receivable = consortium.registered()
    assert consortium.code(change(consortium, status=MemberStatus.SUSPENDED)) is Code.OK
    with pytest.raises(NotPermitted) as refusal:
        consortium.do(consortium.assignment(receivable))
    assert refusal.value.code is Code.SUSPENDED
    assert consortium.code(change(consortium, status=MemberStatus.ACTIVE)) is Code.OK
    assert consortium.code(consortium.assignment(receivable)) is Code.OK


def test_an_expelled_member_signs_nothing_and_does_not_come_back(consortium: Consortium) -> None:
    assert consortium.code(change(consortium, EXPORTER, status=MemberStatus.EXPELLED)) is Code.OK
    with pytest.raises(NotPermitted):
        consortium.registered()
    again = change(consortium, EXPORTER, status=MemberStatus.ACTIVE)
    assert consortium.code(again) is Code.EXPELLED


def test_a_role_is_given_with_the_members_consent_only(consortium: Consortium) -> None:
    more = change(consortium, roles=(Role.FACTOR, Role.DEBTOR))
    assert consortium.code(more) is Code.MISSING_SIGNATURE
    assert consortium.code(replace(more, with_consent=True), by=ASSOCIATION, signed_by=BOTH) is Code.OK
    assert member_of(consortium, FACTOR_1).roles == (Role.FACTOR, Role.DEBTOR)


def test_a_role_is_taken_without_consent(consortium: Consortium) -> None:
    assert consortium.code(change(consortium, roles=(Role.INSURER,))) is Code.MISSING_SIGNATURE
    assert consortium.code(change(consortium, SUSPENDED, roles=(Role.DEBTOR,))) is Code.OK


def test_numbering_and_accreditation_are_the_associations(consortium: Consortium) -> None:
    assert consortium.code(change(consortium, EXPORTER, numbering=Numbering.YEARLY)) is Code.OK
    assert member_of(consortium, EXPORTER).numbering is Numbering.YEARLY


def test_a_member_alone_changes_nothing(consortium: Consortium) -> None:
    raw = consortium.entry(change(consortium, with_consent=True), by=FACTOR_1, signed_by=(FACTOR_1,))
    with pytest.raises(NotPermitted) as refusal:
        consortium.commit(raw)
    assert refusal.value.code is Code.MISSING_SIGNATURE


@pytest.mark.parametrize(("member_id", "code"), [(STRANGER, Code.UNKNOWN_MEMBER), (EXPELLED, Code.EXPELLED)])
def test_only_a_present_member_is_changed(consortium: Consortium, member_id: str, code: Code) -> None:
    assert consortium.code(change(consortium, member_id)) is code
    assert consortium.code(RevokeKey(member_id, key_of(member_id).public_key)) is code


def test_a_lost_key_is_replaced_by_the_association_and_another_key_of_the_member(
    consortium: Consortium,
) -> None:
    key = proven(consortium, FACTOR_1, key_of("spare"))
    operation = change(consortium, new_keys=(key,))
    assert consortium.code(operation) is Code.MISSING_SIGNATURE
    operation = replace(operation, with_consent=True)
    assert consortium.code(operation, by=ASSOCIATION, signed_by=BOTH) is Code.OK
    assert member_of(consortium, FACTOR_1).keys[-1] == MemberKey(
        key.public_key, consortium.tip.height + 1, FOREVER
    )


# --- rotation


def test_both_keys_sign_until_the_old_one_ends(consortium: Consortium) -> None:
    operation = rotation(consortium, old_until_height=4)
    assert consortium.code(operation, by=ASSOCIATION, signed_by=BOTH) is Code.OK
    receivable = consortium.registered()
    assert consortium.tip.height == 2
    assert consortium.code(consortium.assignment(receivable, 1)) is Code.OK
    with pytest.raises(NotPermitted) as refusal:
        consortium.do(consortium.assignment(receivable, 1))
    assert refusal.value.code is Code.UNKNOWN_SIGNER
    assert [key.until_height for key in member_of(consortium, FACTOR_1).keys] == [4, FOREVER]


def test_the_new_key_does_not_sign_in_its_own_block(consortium: Consortium) -> None:
    rotate = consortium.entry(rotation(consortium), by=ASSOCIATION, signed_by=BOTH)
    early = signed_with(consortium, consortium.registration(exporter=FACTOR_1), key_of("next"))
    execution = consortium.execution()
    execution.apply(checked(rotate))
    with pytest.raises(NotPermitted) as refusal:
        execution.apply(checked(early))
    assert refusal.value.code is Code.UNKNOWN_SIGNER


@pytest.mark.parametrize(
    ("until", "code"), [(0, Code.TERM), (1, Code.TERM), (2, Code.OK), (FOREVER, Code.OK)]
)
def test_the_old_key_ends_after_this_block(consortium: Consortium, until: int, code: Code) -> None:
    operation = rotation(consortium, old_until_height=until)
    assert consortium.code(operation, by=ASSOCIATION, signed_by=BOTH) is code


def test_an_end_is_not_put_off(consortium: Consortium) -> None:
    first = rotation(consortium, old_until_height=10)
    assert consortium.code(first, by=ASSOCIATION, signed_by=BOTH) is Code.OK
    later = rotation(consortium, new_key=proven(consortium, FACTOR_1, key_of("third")), old_until_height=11)
    assert consortium.code(later, by=ASSOCIATION, signed_by=BOTH) is Code.TERM


def test_only_ones_own_key_is_rotated_and_it_must_sign(consortium: Consortium) -> None:
    foreign = rotation(consortium, old_key=key_of(EXPORTER).public_key)
    assert consortium.code(foreign, by=ASSOCIATION, signed_by=BOTH) is Code.UNKNOWN_KEY
    spare = change(consortium, new_keys=(proven(consortium, FACTOR_1, key_of("spare")),), with_consent=True)
    assert consortium.code(spare, by=ASSOCIATION, signed_by=BOTH) is Code.OK
    unsigned = rotation(consortium, old_key=key_of("spare").public_key)
    assert consortium.code(unsigned, by=ASSOCIATION, signed_by=BOTH) is Code.MISSING_SIGNATURE


def test_the_new_key_is_nobodys_and_proves_possession(consortium: Consortium) -> None:
    taken = rotation(consortium, new_key=proven(consortium, FACTOR_1, key_of(EXPORTER)))
    assert consortium.code(taken, by=ASSOCIATION, signed_by=BOTH) is Code.KEY_IN_USE
    borrowed = rotation(consortium, new_key=proven(consortium, EXPORTER, key_of("next")))
    assert consortium.code(borrowed, by=ASSOCIATION, signed_by=BOTH) is Code.BAD_SIGNATURE
    assert member_of(consortium, FACTOR_1).keys[0].until_height == FOREVER


def test_ended_keys_make_room_and_present_ones_are_counted(consortium: Consortium) -> None:
    def spare(number: int) -> Code:
        key = proven(consortium, FACTOR_1, key_of(f"spare {number}"))
        operation = change(consortium, new_keys=(key,), with_consent=True)
        return consortium.code(operation, by=ASSOCIATION, signed_by=BOTH)

    assert [spare(number) for number in range(8)] == [Code.OK] * 7 + [Code.LIMIT_REACHED]
    assert consortium.code(RevokeKey(FACTOR_1, key_of("spare 0").public_key)) is Code.OK
    assert spare(8) is Code.OK
    assert len(member_of(consortium, FACTOR_1).keys) == 8


# --- revocation


def test_a_revoked_key_signs_no_later_block_and_is_never_enrolled_again(consortium: Consortium) -> None:
    assert consortium.code(RevokeKey(FACTOR_1, key_of(FACTOR_1).public_key)) is Code.OK
    receivable = consortium.registered()
    with pytest.raises(NotPermitted) as refusal:
        consortium.do(consortium.assignment(receivable))
    assert refusal.value.code is Code.UNKNOWN_SIGNER
    assert consortium.code(RevokeKey(FACTOR_1, key_of(FACTOR_1).public_key)) is Code.UNKNOWN_KEY
    again = change(consortium, EXPORTER, new_keys=(proven(consortium, EXPORTER, key_of(FACTOR_1)),))
    both = (ASSOCIATION, EXPORTER)
    code = consortium.code(replace(again, with_consent=True), by=ASSOCIATION, signed_by=both)
    assert code is Code.KEY_IN_USE


def test_the_association_keeps_as_many_keys_as_must_sign(consortium: Consortium) -> None:
    """Three seats, two must sign."""
    assert consortium.code(change(consortium, ASSOCIATION, status=MemberStatus.SUSPENDED)) is Code.NO_QUORUM
    assert consortium.code(RevokeKey(ASSOCIATION, ASSOCIATION_KEYS[2].public_key)) is Code.OK
    assert consortium.code(RevokeKey(ASSOCIATION, ASSOCIATION_KEYS[1].public_key)) is Code.NO_QUORUM


def test_a_second_member_of_the_association_adds_its_seats(consortium: Consortium) -> None:
    more = change(consortium, roles=(Role.ASSOCIATION, Role.FACTOR), with_consent=True)
    assert consortium.code(more, by=ASSOCIATION, signed_by=BOTH) is Code.OK
    assert consortium.working().governance().association == tuple(sorted(BOTH))
    codes = [
        consortium.code(RevokeKey(ASSOCIATION, ASSOCIATION_KEYS[seat].public_key), by=ASSOCIATION)
        for seat in (2, 1)
    ]
    assert codes == [Code.OK, Code.OK]


def test_the_association_has_a_bounded_number_of_members(consortium: Consortium) -> None:
    governance = consortium.working().governance()
    full = tuple(sorted(f"lei:{n:020d}" for n in range(ASSOCIATION_MEMBERS_MAX - 1)))
    state = consortium.working()
    crowded = replace(governance, association=tuple(sorted((*full, ASSOCIATION))))
    state.put(Namespace.GOVERNANCE, SINGLETON, crowded)
    consortium.state.apply(state.finish()[0])
    more = change(consortium, roles=(Role.ASSOCIATION, Role.FACTOR), with_consent=True)
    assert consortium.code(more, by=ASSOCIATION, signed_by=BOTH) is Code.LIMIT_REACHED
