"""What is refused at the door, with which code, and in which order of precedence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from registry.admission import check_chain, check_freshness, check_right
from registry.codec import pack, unpack
from registry.entry import Mode, assemble, decode_entry, encode_body, sign_body, verify_signatures
from registry.errors import Code, EntryRefused
from registry.fingerprints import Numbering
from registry.member import MemberStatus, possession_message
from registry.operations import Operation
from registry.operations.governance import EnrolMember, KeyEnrolment, Role
from registry.operations.security import Junior
from tests.registry.consortium import (
    ASSOCIATION,
    ASSOCIATION_KEYS,
    BANK,
    DEBTOR,
    EXPELLED,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    FINGERPRINT_KEY,
    STRANGER,
    SUSPENDED,
    TRADER,
    Consortium,
    cancellation,
    confirmation,
    dispute,
    key_of,
    payment,
    release,
    resolution,
    settlement,
    signed,
)

Make = Callable[[Consortium], Operation]


def door(consortium: Consortium, raw: bytes, time_ms: int | None = None) -> Code:
    """The code with which the door refuses the entry, or OK; the checks in the order in which a node does them."""
    state = consortium.working()
    try:
        entry = decode_entry(raw)
        check_chain(entry, consortium.genesis.chain_id)
        verify_signatures(entry)
        check_right(state, entry, consortium.tip.height + 1)
        check_freshness(state, entry, consortium.now_ms if time_ms is None else time_ms)
    except EntryRefused as refusal:
        return refusal.code
    return Code.OK


def enrolment(consortium: Consortium, member_id: str = STRANGER) -> EnrolMember:
    key = key_of(member_id)
    message = possession_message(consortium.genesis.chain_id, member_id, key.public_key)
    keys = (KeyEnrolment(key.public_key, key.sign(message)),)
    reference = FINGERPRINT_KEY.debtor(member_id)
    return EnrolMember(member_id, (Role.EXPORTER,), Numbering.CONTINUOUS, reference, keys)


def test_a_good_entry_passes(consortium: Consortium) -> None:
    assert door(consortium, consortium.entry(consortium.registration())) is Code.OK


# --- shape


@pytest.mark.parametrize(
    "raw", [b"", b"\xc0", b"\x90", b"\x92\xc4\x00\x90", b"not an entry", b"\x93\xc4\x00\x90\x90", bytes(100)]
)
def test_what_is_no_entry_is_malformed(consortium: Consortium, raw: bytes) -> None:
    assert door(consortium, raw) is Code.MALFORMED


def test_an_entry_with_a_byte_behind_it_is_malformed(consortium: Consortium) -> None:
    assert door(consortium, consortium.entry(consortium.registration()) + b"\0") is Code.MALFORMED


# --- chain


def test_an_entry_for_another_chain_is_refused(consortium: Consortium) -> None:
    raw = consortium.entry(consortium.registration(), chain_id=bytes(32))
    assert door(consortium, raw) is Code.WRONG_CHAIN


# --- signatures


def test_a_flipped_bit_in_the_body_breaks_the_signature(consortium: Consortium) -> None:
    raw = bytearray(consortium.entry(consortium.registration("A")))
    invoice = consortium.registration("A").fingerprints.invoice
    raw[raw.index(invoice)] ^= 1
    assert door(consortium, bytes(raw)) is Code.BAD_SIGNATURE


def test_a_signature_over_another_body_is_refused(consortium: Consortium) -> None:
    body = encode_body(consortium.body(consortium.registration(), by=EXPORTER))
    other = encode_body(consortium.body(consortium.registration(), by=EXPORTER))
    raw = assemble(body, (sign_body(other, EXPORTER, key_of(EXPORTER)),))
    assert door(consortium, raw) is Code.BAD_SIGNATURE


def test_a_signature_without_the_domain_tag_is_refused(consortium: Consortium) -> None:
    body = encode_body(consortium.body(consortium.registration(), by=EXPORTER))
    good = sign_body(body, EXPORTER, key_of(EXPORTER))
    raw = assemble(body, (replace(good, signature=key_of(EXPORTER).sign(body)),))
    assert door(consortium, raw) is Code.BAD_SIGNATURE


def test_an_unknown_member_is_an_unknown_signer(consortium: Consortium) -> None:
    raw = consortium.entry(consortium.registration(exporter=STRANGER))
    assert door(consortium, raw) is Code.UNKNOWN_SIGNER


def test_anothers_key_under_a_members_name_is_an_unknown_signer(consortium: Consortium) -> None:
    body = encode_body(consortium.body(consortium.registration(), by=EXPORTER))
    raw = assemble(body, (sign_body(body, EXPORTER, key_of(FACTOR_1)),))
    assert door(consortium, raw) is Code.UNKNOWN_SIGNER


def test_a_key_signs_from_its_first_height_until_before_its_last(consortium: Consortium) -> None:
    member = consortium.working().member(EXPORTER)
    assert member is not None
    key = replace(member.keys[0], from_height=2, until_height=4)
    consortium.change_member(EXPORTER, keys=(key,))
    codes = []
    for _height in range(1, 5):
        codes.append(door(consortium, consortium.entry(consortium.registration())))
        consortium.commit()
    assert codes == [Code.UNKNOWN_SIGNER, Code.OK, Code.OK, Code.UNKNOWN_SIGNER]


def test_each_of_a_members_keys_signs(consortium: Consortium) -> None:
    member = consortium.working().member(EXPORTER)
    assert member is not None
    second = key_of("second key")
    consortium.change_member(
        EXPORTER, keys=(*member.keys, replace(member.keys[0], public_key=second.public_key))
    )
    body = encode_body(consortium.body(consortium.registration(), by=EXPORTER))
    assert door(consortium, assemble(body, (sign_body(body, EXPORTER, second),))) is Code.OK


# --- right


def test_an_expelled_member_may_do_nothing(consortium: Consortium) -> None:
    raw = consortium.entry(consortium.registration(exporter=EXPELLED))
    assert door(consortium, raw) is Code.NOT_PERMITTED


def test_one_member_cannot_be_on_both_sides(consortium: Consortium) -> None:
    receivable = consortium.registered(exporter=TRADER)
    both = consortium.assignment(receivable, assignor=TRADER, assignee=TRADER)
    assert door(consortium, consortium.entry(both)) is Code.NOT_PERMITTED
    pledge = consortium.pledging(receivable, pledgor=TRADER, pledgee=TRADER)
    assert door(consortium, consortium.entry(pledge)) is Code.NOT_PERMITTED


def test_the_senior_pledgee_cannot_be_the_junior_one_as_well(consortium: Consortium) -> None:
    pledge = consortium.pledging(bytes(32), to=FACTOR_1, junior_to=Junior(bytes(32), FACTOR_1))
    assert door(consortium, consortium.entry(pledge)) is Code.NOT_PERMITTED


def test_the_debtor_cannot_be_a_resolving_holder(consortium: Consortium) -> None:
    both = resolution(bytes(32), freed=1, holders=(SUSPENDED,), debtor=SUSPENDED)
    assert door(consortium, consortium.entry(both)) is Code.NOT_PERMITTED


def test_an_idle_signer_is_refused(consortium: Consortium) -> None:
    raw = consortium.entry(consortium.registration(), signed_by=(EXPORTER, FACTOR_1))
    assert door(consortium, raw) is Code.NOT_PERMITTED


def test_an_idle_association_key_is_refused(consortium: Consortium) -> None:
    raw = consortium.entry(consortium.registration(), signed_by=(EXPORTER, ASSOCIATION))
    assert door(consortium, raw) is Code.NOT_PERMITTED


def test_a_carrier_that_is_no_party_may_hand_in(consortium: Consortium) -> None:
    raw = consortium.entry(consortium.registration(), by=BANK, signed_by=(BANK, EXPORTER))
    assert door(consortium, raw) is Code.OK


_WRONG_ROLES: list[tuple[str, Make]] = [
    ("a factor registers", lambda c: c.registration(exporter=FACTOR_1)),
    ("a factor is the debtor that confirms", lambda c: confirmation(bytes(32), debtor=FACTOR_1)),
    ("an exporter disputes", lambda c: dispute(bytes(32), 1, debtor=EXPORTER)),
    ("a bank resolves as a holder", lambda c: resolution(bytes(32), freed=1, holders=(BANK,))),
    (
        "an exporter resolves as debtor",
        lambda c: resolution(bytes(32), freed=1, debtor=EXPORTER, holders=(FACTOR_1,)),
    ),
    ("a debtor assigns", lambda c: c.assignment(bytes(32), assignor=DEBTOR)),
    ("an exporter is assignee", lambda c: c.assignment(bytes(32), to=EXPORTER, assignor=FACTOR_1)),
    ("a debtor pledges", lambda c: c.pledging(bytes(32), pledgor=DEBTOR)),
    ("an exporter is pledgee", lambda c: c.pledging(bytes(32), to=EXPORTER, pledgor=FACTOR_1)),
    (
        "an exporter is senior pledgee",
        lambda c: c.pledging(bytes(32), to=FACTOR_1, pledgor=FACTOR_2, junior_to=Junior(bytes(32), EXPORTER)),
    ),
    ("an exporter releases", lambda c: release(bytes(32), bytes(32), EXPORTER)),
    ("a debtor reports a payment", lambda c: payment(bytes(32), 1, reporter=DEBTOR)),
    ("a debtor settles", lambda c: settlement(bytes(32), (DEBTOR,))),
    ("an exporter cancels with a factor as debtor", lambda c: cancellation(bytes(32), debtor=FACTOR_1)),
]


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in _WRONG_ROLES])
def test_a_wrong_role_is_not_permitted(consortium: Consortium, make: Make) -> None:
    assert door(consortium, consortium.entry(make(consortium))) is Code.NOT_PERMITTED


def test_every_party_must_sign(consortium: Consortium) -> None:
    receivable = consortium.registered()
    assign = consortium.assignment(receivable)
    for alone in (EXPORTER, FACTOR_1):
        assert door(consortium, consortium.entry(assign, signed_by=(alone,))) is Code.MISSING_SIGNATURE
    reverse = consortium.registration(reverse_factoring_debtor=DEBTOR)
    assert door(consortium, consortium.entry(reverse, signed_by=(EXPORTER,))) is Code.MISSING_SIGNATURE


def test_the_senior_pledgee_must_sign_a_junior_pledge(consortium: Consortium) -> None:
    junior = consortium.pledging(bytes(32), to=FACTOR_2, junior_to=Junior(bytes(32), FACTOR_1))
    raw = consortium.entry(junior, signed_by=(EXPORTER, FACTOR_2))
    assert door(consortium, raw) is Code.MISSING_SIGNATURE


def test_the_submitter_must_sign(consortium: Consortium) -> None:
    raw = consortium.entry(consortium.registration(), by=BANK, signed_by=(EXPORTER,))
    assert door(consortium, raw) is Code.MISSING_SIGNATURE


def test_an_entry_without_signatures_misses_one(consortium: Consortium) -> None:
    body = encode_body(consortium.body(consortium.registration(), by=EXPORTER))
    assert door(consortium, assemble(body, ())) is Code.MISSING_SIGNATURE


def test_one_of_several_operations_with_a_missing_party_refuses_the_entry(consortium: Consortium) -> None:
    operations = (consortium.registration(), consortium.registration(), confirmation(bytes(32)))
    raw = consortium.entry(*operations, signed_by=(EXPORTER,), mode=Mode.INDEPENDENT)
    assert door(consortium, raw) is Code.MISSING_SIGNATURE


def test_governance_needs_the_quorum_of_the_association(consortium: Consortium) -> None:
    body = encode_body(consortium.body(enrolment(consortium), by=ASSOCIATION))
    codes = []
    for seats in (1, 2, 3):
        signatures = tuple(sign_body(body, ASSOCIATION, key) for key in ASSOCIATION_KEYS[:seats])
        codes.append(door(consortium, assemble(body, signatures)))
    assert codes == [Code.MISSING_SIGNATURE, Code.OK, Code.OK]


def test_one_seat_that_signs_twice_is_one_seat(consortium: Consortium) -> None:
    body = encode_body(consortium.body(enrolment(consortium), by=ASSOCIATION))
    once = sign_body(body, ASSOCIATION, ASSOCIATION_KEYS[0])
    raw = unpack(assemble(body, (once,)), 1 << 20)
    twice = pack((raw[0], (raw[1][0], raw[1][0])))
    assert door(consortium, twice) is Code.MALFORMED


def test_others_cannot_stand_in_for_the_association(consortium: Consortium) -> None:
    raw = consortium.entry(enrolment(consortium), by=FACTOR_1, signed_by=(FACTOR_1, FACTOR_2))
    assert door(consortium, raw) is Code.MISSING_SIGNATURE


def test_a_suspended_association_has_no_seats(consortium: Consortium) -> None:
    consortium.set_status(ASSOCIATION, MemberStatus.SUSPENDED)
    raw = consortium.entry(enrolment(consortium), by=FACTOR_1, signed_by=(FACTOR_1, ASSOCIATION))
    assert door(consortium, raw) is Code.MISSING_SIGNATURE


# --- suspension


_SUSPENDED: list[tuple[str, Make, Code]] = [
    ("register", lambda c: c.registration(exporter=SUSPENDED), Code.SUSPENDED),
    ("confirm", lambda c: confirmation(bytes(32), debtor=SUSPENDED), Code.SUSPENDED),
    ("dispute", lambda c: dispute(bytes(32), 1, debtor=SUSPENDED), Code.SUSPENDED),
    ("resolve", lambda c: resolution(bytes(32), freed=1, holders=(SUSPENDED,)), Code.SUSPENDED),
    ("assign", lambda c: c.assignment(bytes(32), assignor=SUSPENDED), Code.SUSPENDED),
    ("take", lambda c: c.assignment(bytes(32), to=SUSPENDED), Code.SUSPENDED),
    ("pledge", lambda c: c.pledging(bytes(32), pledgor=SUSPENDED), Code.SUSPENDED),
    ("take a pledge", lambda c: c.pledging(bytes(32), to=SUSPENDED), Code.SUSPENDED),
    ("cancel", lambda c: cancellation(bytes(32), SUSPENDED), Code.SUSPENDED),
    ("release", lambda c: release(bytes(32), bytes(32), SUSPENDED), Code.OK),
    ("record a payment", lambda c: payment(bytes(32), 1, holder=SUSPENDED), Code.OK),
    ("settle", lambda c: settlement(bytes(32), (SUSPENDED,)), Code.OK),
]


@pytest.mark.parametrize(
    ("make", "code"), [pytest.param(make, code, id=name) for name, make, code in _SUSPENDED]
)
def test_a_suspended_member_may_only_release_pay_and_settle(
    consortium: Consortium, make: Make, code: Code
) -> None:
    assert door(consortium, consortium.entry(make(consortium))) is code


def test_a_suspended_member_cannot_hand_in_what_it_may_not_do(consortium: Consortium) -> None:
    raw = consortium.entry(consortium.registration(), by=SUSPENDED, signed_by=(SUSPENDED, EXPORTER))
    assert door(consortium, raw) is Code.SUSPENDED
    raw = consortium.entry(payment(bytes(32), 1), by=SUSPENDED, signed_by=(SUSPENDED, EXPORTER))
    assert door(consortium, raw) is Code.OK


# --- freshness


def test_a_sequence_number_is_used_once(consortium: Consortium) -> None:
    raw = consortium.entry(consortium.registration())
    consortium.commit(raw)
    assert door(consortium, raw) is Code.REPLAYED
    other = consortium.entry(consortium.registration(), sequence=1)
    assert door(consortium, other) is Code.REPLAYED


def test_sequence_numbers_may_come_in_any_order_inside_the_window(consortium: Consortium) -> None:
    consortium.commit(consortium.entry(consortium.registration(), sequence=5_000))
    for sequence, code in (
        (5_000, Code.REPLAYED),
        (4_999, Code.OK),
        (3_977, Code.OK),
        (3_976, Code.REPLAYED),
    ):
        assert door(consortium, consortium.entry(consortium.registration(), sequence=sequence)) is code


def test_windows_of_two_members_are_independent(consortium: Consortium) -> None:
    consortium.commit(consortium.entry(consortium.registration(), sequence=7))
    raw = consortium.entry(consortium.registration(exporter=TRADER), sequence=7)
    assert door(consortium, raw) is Code.OK


def test_only_the_submitters_number_is_used_up(consortium: Consortium) -> None:
    receivable = consortium.registered()
    raw = consortium.entry(consortium.assignment(receivable), by=FACTOR_1, sequence=9)
    consortium.commit(raw)
    assert consortium.working().window(EXPORTER).highest == 1
    assert consortium.working().window(FACTOR_1).highest == 9


def test_an_entry_is_valid_until_its_last_millisecond(consortium: Consortium) -> None:
    now = consortium.now_ms
    raw = consortium.entry(consortium.registration(), valid_until_ms=now)
    assert door(consortium, raw, now) is Code.OK
    assert door(consortium, raw, now + 1) is Code.EXPIRED


# --- precedence: chain, signature, signer, right, freshness


def test_precedence_when_everything_is_wrong(consortium: Consortium) -> None:
    """Each wrong thing is mended in turn, and the next one shows."""
    used = consortium.entry(consortium.registration(), sequence=1)
    consortium.commit(used)
    operation = consortium.registration(exporter=SUSPENDED)
    body = consortium.body(operation, by=EXPORTER, sequence=1, valid_until_ms=consortium.now_ms - 1)
    stranger = replace(body, chain_id=bytes(32), submitter=STRANGER)

    assert door(consortium, signed(stranger, (STRANGER,))[:-1] + b"\0") is Code.WRONG_CHAIN
    stranger = replace(stranger, chain_id=consortium.genesis.chain_id)
    assert door(consortium, signed(stranger, (STRANGER,))[:-1] + b"\0") is Code.BAD_SIGNATURE
    assert door(consortium, signed(stranger, (STRANGER,))) is Code.UNKNOWN_SIGNER
    assert door(consortium, signed(body, (EXPELLED,))) is Code.NOT_PERMITTED
    assert door(consortium, signed(body, (EXPORTER,))) is Code.MISSING_SIGNATURE
    assert door(consortium, signed(body, (EXPORTER, SUSPENDED))) is Code.SUSPENDED
    consortium.set_status(SUSPENDED, MemberStatus.ACTIVE)
    assert door(consortium, signed(body, (EXPORTER, SUSPENDED, BANK))) is Code.NOT_PERMITTED
    assert door(consortium, signed(body, (EXPORTER, SUSPENDED))) is Code.REPLAYED
    fresh = replace(body, sequence=2)
    assert door(consortium, signed(fresh, (EXPORTER, SUSPENDED))) is Code.EXPIRED
    good = replace(fresh, valid_until_ms=consortium.now_ms)
    assert door(consortium, signed(good, (EXPORTER, SUSPENDED))) is Code.OK
