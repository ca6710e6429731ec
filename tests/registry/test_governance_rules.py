"""EnrolMember: identifiers, keys and their proof of possession, and from when on a new member may sign."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest

from registry.entry import Mode
from registry.errors import Code, NotPermitted
from registry.fingerprints import Numbering
from registry.member import FOREVER, MemberStatus, possession_message
from registry.operations.governance import EnrolMember, KeyEnrolment, Role
from registry.signing import SigningKey
from registry.stored import Namespace
from tests.registry.consortium import (
    EXPORTER,
    STRANGER,
    Consortium,
    checked,
    key_of,
    lei_of,
    stored,
)


def enrolment(consortium: Consortium, member_id: str = STRANGER, *keys: SigningKey) -> EnrolMember:
    chain_id = consortium.genesis.chain_id
    enrolled = [
        KeyEnrolment(key.public_key, key.sign(possession_message(chain_id, member_id, key.public_key)))
        for key in keys or (key_of(member_id),)
    ]
    enrolled.sort(key=lambda enrolment: enrolment.public_key)
    reference = sha256(member_id.encode()).digest()
    return EnrolMember(member_id, (Role.EXPORTER,), Numbering.YEARLY, reference, tuple(enrolled))


def test_a_new_member_signs_from_the_next_block(consortium: Consortium) -> None:
    enrol = consortium.entry(enrolment(consortium))
    receipt = consortium.commit(enrol).receipts[0]
    assert receipt.results[0].subject == STRANGER.encode()
    member = consortium.working().member(STRANGER)
    assert member is not None
    assert (member.status, member.numbering) == (MemberStatus.ACTIVE, Numbering.YEARLY)
    assert [(key.from_height, key.until_height) for key in member.keys] == [(2, FOREVER)]
    assert stored(consortium, Namespace.KEY_OWNER, member.keys[0].public_key) == STRANGER
    assert consortium.code(consortium.registration(exporter=STRANGER)) is Code.OK


def test_a_new_member_does_not_sign_in_the_block_that_enrols_it(consortium: Consortium) -> None:
    enrol = consortium.entry(enrolment(consortium))
    early = consortium.entry(consortium.registration(exporter=STRANGER))
    execution = consortium.execution()
    execution.apply(checked(enrol))
    with pytest.raises(NotPermitted) as refusal:
        execution.apply(checked(early))
    assert refusal.value.code is Code.UNKNOWN_SIGNER


@pytest.mark.parametrize("stem", ["5493001KJTIIGC8Y1R", "213800KUD8LAJWSQ9D"])
def test_a_member_is_also_known_by_its_lei(consortium: Consortium, stem: str) -> None:
    assert consortium.code(enrolment(consortium, lei_of(stem))) is Code.OK


@pytest.mark.parametrize(
    "member_id",
    [
        "uscc:91310000000000000A",
        "lei:5493001KJTIIGC8Y1R13",
        "lei:01",
        "uscc",
        "duns:123456789",
        STRANGER.lower(),
        STRANGER + " ",
        STRANGER.upper(),
        STRANGER.replace(":", "："),
    ],
)
def test_a_wrong_identifier_is_refused(consortium: Consortium, member_id: str) -> None:
    assert consortium.code(enrolment(consortium, member_id)) is Code.BAD_IDENTIFIER


def test_a_member_is_enrolled_once(consortium: Consortium) -> None:
    assert consortium.code(enrolment(consortium, STRANGER)) is Code.OK
    again = enrolment(consortium, STRANGER, key_of("another key"))
    assert consortium.code(again) is Code.ALREADY_ENROLLED
    assert consortium.code(enrolment(consortium, EXPORTER, key_of("third"))) is Code.ALREADY_ENROLLED


def test_a_key_belongs_to_one_member(consortium: Consortium) -> None:
    taken = enrolment(consortium, STRANGER, key_of(EXPORTER))
    assert consortium.code(taken) is Code.KEY_IN_USE


def test_one_key_named_twice_is_refused(consortium: Consortium) -> None:
    once = enrolment(consortium)
    other = KeyEnrolment(once.keys[0].public_key, bytes([255]) * 64)
    twice = replace(once, keys=(once.keys[0], other))
    assert consortium.code(twice) is Code.KEY_IN_USE


@pytest.mark.parametrize("made_for", ["another member", "another chain", "nothing"])
def test_possession_must_be_proven_for_this_member_and_chain(consortium: Consortium, made_for: str) -> None:
    key = key_of(STRANGER)
    message = {
        "another member": possession_message(consortium.genesis.chain_id, EXPORTER, key.public_key),
        "another chain": possession_message(bytes(32), STRANGER, key.public_key),
        "nothing": b"",
    }[made_for]
    wrong = replace(enrolment(consortium), keys=(KeyEnrolment(key.public_key, key.sign(message)),))
    assert consortium.code(wrong) is Code.BAD_SIGNATURE


def test_a_degenerate_key_is_refused(consortium: Consortium) -> None:
    """Under the neutral element the signature (neutral, 0) would verify for every message."""
    neutral = bytes([1]) + bytes(31)
    operation = replace(enrolment(consortium), keys=(KeyEnrolment(neutral, neutral + bytes(32)),))
    assert consortium.code(operation) is Code.BAD_SIGNATURE


def test_a_refused_enrolment_leaves_its_keys_free(consortium: Consortium) -> None:
    good, shared = key_of("good"), key_of(EXPORTER)
    assert consortium.code(enrolment(consortium, STRANGER, good, shared)) is Code.KEY_IN_USE
    assert consortium.code(enrolment(consortium, STRANGER, good)) is Code.OK


def test_several_members_are_enrolled_by_one_entry(consortium: Consortium) -> None:
    names = [lei_of(f"5493001KJTIIGC{n:04d}") for n in range(20)]
    receipt = consortium.do(*(enrolment(consortium, name) for name in names), mode=Mode.INDEPENDENT)
    assert {result.code for result in receipt.results} == {Code.OK}
