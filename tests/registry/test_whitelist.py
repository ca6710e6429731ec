"""The supervisor's list of factors in good standing: who may take anything while the policy goes by it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from registry.errors import Code, GenesisInvalid
from registry.fingerprints import Numbering
from registry.genesis import parse_genesis
from registry.member import MemberStatus, possession_message
from registry.operations import Operation
from registry.operations.governance import EnrolMember, KeyEnrolment, Role
from registry.operations.members import ChangeMember
from tests.registry.assignment_examples import acceptance, blanket, giving_back, offered
from tests.registry.collection_examples import enforcement, overdue, pledged, renewal
from tests.registry.consortium import (
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    FINGERPRINT_KEY,
    OPEN_POLICY,
    STRANGER,
    Consortium,
    found,
    genesis_document,
    key_of,
    payment,
    release,
)
from tests.registry.existence_examples import contract

LISTED_ONLY = replace(OPEN_POLICY, whitelisted_factors_only=True)


def listing(member_id: str, *, whitelisted: bool) -> ChangeMember:
    return ChangeMember(
        member_id,
        (Role.FACTOR,),
        MemberStatus.ACTIVE,
        Numbering.CONTINUOUS,
        (),
        (),
        with_consent=False,
        whitelisted=whitelisted,
    )


@pytest.fixture
def strict() -> Consortium:
    """Factor 1 is on the list, nobody else is."""
    consortium = found(LISTED_ONLY)
    assert consortium.code(listing(FACTOR_1, whitelisted=True)) is Code.OK
    return consortium


def accepted(consortium: Consortium, receivable: bytes, to: str) -> Operation:
    return acceptance(consortium.record(receivable), offered(consortium, receivable, 1_000, to))


TAKING: dict[str, Callable[[Consortium, bytes, str], Operation]] = {
    "Assign": lambda consortium, receivable, to: consortium.assignment(receivable, 1_000, to),
    "AcceptAssignment": accepted,
    "Pledge": lambda consortium, receivable, to: consortium.pledging(receivable, 1_000, to),
    "AssignBlanket": lambda consortium, _receivable, to: blanket(consortium, to, assignor=EXPORTER),
}


@pytest.mark.parametrize("how", list(TAKING))
def test_only_a_listed_factor_takes(strict: Consortium, how: str) -> None:
    receivable = strict.registered()
    assert strict.code(TAKING[how](strict, receivable, FACTOR_2)) is Code.NOT_WHITELISTED
    assert strict.code(TAKING[how](strict, receivable, FACTOR_1)) is Code.OK


@pytest.mark.parametrize("how", list(TAKING))
def test_another_policy_asks_for_no_list(consortium: Consortium, how: str) -> None:
    receivable = consortium.registered()
    assert consortium.code(TAKING[how](consortium, receivable, FACTOR_2)) is Code.OK


def test_an_offer_to_whom_is_not_listed_is_accepted_once_it_is(strict: Consortium) -> None:
    receivable = strict.registered()
    accept = accepted(strict, receivable, FACTOR_2)
    assert strict.code(accept) is Code.NOT_WHITELISTED
    assert strict.code(listing(FACTOR_2, whitelisted=True)) is Code.OK
    assert strict.code(accept) is Code.OK


def test_nothing_attaches_to_a_factor_that_was_struck_off(strict: Consortium) -> None:
    assert strict.code(blanket(strict, FACTOR_1, assignor=EXPORTER)) is Code.OK
    first = strict.registered()
    assert strict.record(first).amount_of(FACTOR_1) == 10_000
    strict.do(listing(FACTOR_1, whitelisted=False))
    second = strict.registered()
    assert strict.record(second).amount_of(EXPORTER) == 10_000


def test_what_was_promised_to_a_factor_that_was_struck_off_is_free_for_another(strict: Consortium) -> None:
    future = strict.do(contract()).results[0].subject
    assert strict.code(listing(FACTOR_2, whitelisted=True)) is Code.OK
    assert strict.code(blanket(strict, FACTOR_2, assignor=EXPORTER)) is Code.OK
    sale = strict.assignment(future, 1_000, FACTOR_1, future_consented=True)
    assert strict.code(sale) is Code.BLANKET_CONFLICT
    strict.do(listing(FACTOR_2, whitelisted=False))
    assert strict.code(sale) is Code.OK


def test_what_a_factor_has_stays_its_own_when_it_is_struck_off(strict: Consortium) -> None:
    receivable = strict.registered()
    strict.do(strict.assignment(receivable, 4_000, with_recourse=True))
    lien = pledged(strict, receivable, 2_000)
    other = pledged(strict, receivable, 1_000)
    strict.do(listing(FACTOR_1, whitelisted=False))
    assert strict.code(renewal(receivable, lien)) is Code.OK
    assert strict.code(payment(receivable, 1_000, holder=FACTOR_1)) is Code.OK
    assert strict.code(release(receivable, other.lien_id)) is Code.OK
    overdue(strict, receivable)
    assert strict.code(giving_back(receivable, 1_000)) is Code.OK
    kept = strict.record(receivable).lien(lien.lien_id)
    assert kept is not None
    assert strict.code(enforcement(receivable, kept)) is Code.OK


def test_the_list_is_judged_before_the_due_date(strict: Consortium) -> None:
    receivable = strict.registered()
    overdue(strict, receivable)
    assert strict.code(strict.assignment(receivable, 1, FACTOR_2)) is Code.NOT_WHITELISTED
    assert strict.code(strict.assignment(receivable, 1, FACTOR_1)) is Code.PAST_DUE


def test_a_factor_is_enrolled_on_the_list(strict: Consortium) -> None:
    key = key_of(STRANGER)
    possession = key.sign(possession_message(strict.genesis.chain_id, STRANGER, key.public_key))
    keys = (KeyEnrolment(key.public_key, possession),)
    reference = FINGERPRINT_KEY.debtor(STRANGER)
    enrolment = EnrolMember(STRANGER, (Role.FACTOR,), Numbering.CONTINUOUS, reference, keys, whitelisted=True)
    assert strict.code(enrolment) is Code.OK
    receivable = strict.registered()
    assert strict.code(strict.assignment(receivable, 1_000, STRANGER)) is Code.OK


def test_the_genesis_document_states_who_is_listed() -> None:
    fields = json.loads(genesis_document())
    assert {member["whitelisted"] for member in fields["members"]} == {False}
    fields["members"][0]["whitelisted"] = True
    written = (json.dumps(fields, sort_keys=True, indent=2, ensure_ascii=False) + "\n").encode()
    assert parse_genesis(written).members[0].whitelisted
    fields["members"][0]["whitelisted"] = 1
    wrong = (json.dumps(fields, sort_keys=True, indent=2, ensure_ascii=False) + "\n").encode()
    with pytest.raises(GenesisInvalid, match="whitelisted"):
        parse_genesis(wrong)
