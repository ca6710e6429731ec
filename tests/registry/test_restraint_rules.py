"""Objections, freezes, and links to the statutory register: who may, what they bar, and when they end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from registry.errors import Code, EntryRefused, Reason, Reference
from registry.operations import Operation
from registry.receivable import free_amount
from tests.registry.assignment_examples import acceptance, giving_back, offer, offered
from tests.registry.collection_examples import (
    CASE,
    account,
    at,
    enforcement,
    frozen,
    linked,
    objection,
    overdue,
    pledged,
    searched,
    unfrozen,
    withdrawal_of,
)
from tests.registry.consortium import (
    AFFILIATE,
    ASSOCIATION,
    BANK,
    COURT,
    DAY_MS,
    DEBTOR,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    FACTOR_3,
    OTHER_DEBTOR,
    Consortium,
    cancellation,
    payment,
    release,
    settlement,
)

RESTRAINTS = pytest.mark.parametrize(
    ("restrain", "code", "word"),
    [
        (frozen, Code.FROZEN, "frozen"),
        (lambda receivable: objection(receivable, DEBTOR), Code.OBJECTED, "objected"),
    ],
)


@RESTRAINTS
def test_a_restraint_bars_every_disposal(
    consortium: Consortium, restrain: Callable[[bytes], Operation], code: Code, word: str
) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 3_000, with_recourse=True))
    kept = offered(consortium, receivable, 1_000, FACTOR_2)
    lien = pledged(consortium, receivable, 1_000)
    accept = acceptance(consortium.record(receivable), kept)
    assert consortium.code(restrain(receivable)) is Code.OK
    place = Reference(receivable, consortium.tip.height, 0, 0)
    for operation in (
        consortium.assignment(receivable, 1),
        consortium.pledging(receivable, 1),
        offer(consortium, receivable, 1),
        accept,
        giving_back(receivable, 1),
        enforcement(receivable, lien),
        account(receivable, (EXPORTER, FACTOR_1)),
        cancellation(receivable),
        settlement(receivable, (EXPORTER, FACTOR_1), write_off=True),
    ):
        result = consortium.result(operation)
        assert (result.code, result.collided_with) == (code, place), operation
        assert result.reasons == (Reason(word, 10_000),)
    free = free_amount(consortium.record(receivable), EXPORTER)
    assert (free.amount, free.reasons) == (0, (Reason(word, 7_000),))


@RESTRAINTS
def test_what_is_owed_is_paid_and_security_released_all_the_same(
    consortium: Consortium, restrain: Callable[[bytes], Operation], code: Code, word: str
) -> None:
    receivable = consortium.registered()
    lien = pledged(consortium, receivable, 1_000)
    consortium.do(restrain(receivable))
    assert consortium.code(release(receivable, lien.lien_id)) is Code.OK
    assert consortium.code(payment(receivable, 10_000, reporter=BANK)) is Code.OK
    assert consortium.code(settlement(receivable)) is Code.OK


def test_what_is_frozen_does_not_vanish_on_its_holders_word(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(frozen(receivable))
    order = consortium.record(receivable).restraints.freezes[0].place
    result = consortium.result(payment(receivable, 1))
    assert (result.code, result.collided_with) == (Code.FROZEN, order)
    consortium.do(unfrozen(receivable))
    consortium.do(objection(receivable, DEBTOR))
    assert consortium.code(payment(receivable, 1)) is Code.OK


def test_a_freeze_comes_before_an_objection(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(objection(receivable, DEBTOR))
    consortium.do(frozen(receivable))
    assert consortium.code(consortium.assignment(receivable, 0)) is Code.FROZEN
    consortium.do(unfrozen(receivable))
    assert consortium.code(consortium.assignment(receivable, 0)) is Code.OBJECTED
    consortium.do(withdrawal_of(receivable, DEBTOR))
    assert consortium.code(consortium.assignment(receivable, 0)) is Code.AMOUNT_NOT_POSITIVE


# --- objection


@pytest.mark.parametrize(
    ("objector", "code"),
    [
        (EXPORTER, Code.OK),
        (DEBTOR, Code.OK),
        (FACTOR_1, Code.OK),
        (FACTOR_2, Code.OK),
        (FACTOR_3, Code.ABUSE),
        (AFFILIATE, Code.ABUSE),
        (OTHER_DEBTOR, Code.ABUSE),
    ],
)
def test_only_who_has_an_interest_objects(consortium: Consortium, objector: str, code: Code) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 1_000))
    pledged(consortium, receivable, 1_000, pledgee=FACTOR_2)
    offered(consortium, receivable, 1_000, FACTOR_3)
    assert consortium.code(objection(receivable, objector)) is code


def test_an_objection_lapses_at_the_end_of_the_policys_days(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(objection(receivable, DEBTOR))
    end_ms = consortium.tip.time_ms + 30 * DAY_MS
    before = consortium.assignment(receivable, 1)
    assert consortium.code(before, **at(end_ms - 1)) is Code.OBJECTED
    assert consortium.code(consortium.assignment(receivable, 1), **at(end_ms)) is Code.OK
    assert consortium.code(withdrawal_of(receivable, DEBTOR)) is Code.NO_OBJECTION


def test_an_objection_with_a_case_number_does_not_lapse(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(objection(receivable, DEBTOR))
    assert consortium.code(objection(receivable, DEBTOR, CASE)) is Code.OK
    consortium.pass_time(consortium.tip.time_ms + 60 * DAY_MS)
    assert consortium.code(consortium.assignment(receivable, 1)) is Code.OBJECTED


def test_an_objection_is_not_raised_twice_without_a_case(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(objection(receivable, DEBTOR))
    first = consortium.record(receivable).restraints.objections[0].place
    for end in (lambda: None, lambda: consortium.do(withdrawal_of(receivable, DEBTOR))):
        end()
        result = consortium.result(objection(receivable, DEBTOR))
        assert (result.code, result.collided_with) == (Code.ABUSE, first)
    assert consortium.code(objection(receivable, DEBTOR, CASE)) is Code.OK
    assert consortium.code(objection(receivable, DEBTOR, CASE)) is Code.ABUSE
    consortium.do(withdrawal_of(receivable, DEBTOR))
    assert consortium.code(objection(receivable, DEBTOR, CASE)) is Code.ABUSE


@pytest.mark.parametrize("changes", [{"statement": bytes(32)}, {"case_number": ""}])
def test_an_objection_states_a_claim(consortium: Consortium, changes: dict[str, Any]) -> None:
    receivable = consortium.registered()
    assert consortium.code(replace(objection(receivable, DEBTOR), **changes)) is Code.ABUSE


def test_a_court_ends_an_objection_with_the_association(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(objection(receivable, DEBTOR, CASE))
    with pytest.raises(EntryRefused) as refused:
        consortium.do(withdrawal_of(receivable, DEBTOR, COURT), signed_by=(COURT,))
    assert refused.value.code is Code.MISSING_SIGNATURE
    assert consortium.code(withdrawal_of(receivable, DEBTOR, COURT)) is Code.OK
    assert consortium.code(consortium.assignment(receivable, 1)) is Code.OK
    dismissed = consortium.record(receivable).restraints.objections[0].place
    for case in (None, "another case"):
        result = consortium.result(objection(receivable, DEBTOR, case))
        assert (result.code, result.collided_with) == (Code.ABUSE, dismissed)
    assert consortium.code(objection(receivable, EXPORTER)) is Code.OK


def test_nobody_withdraws_anothers_objection(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(objection(receivable, DEBTOR))
    assert consortium.code(withdrawal_of(receivable, EXPORTER)) is Code.NO_OBJECTION
    with pytest.raises(EntryRefused):
        consortium.do(withdrawal_of(receivable, DEBTOR), signed_by=(EXPORTER,))


def test_a_closed_receivable_is_not_restrained(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(cancellation(receivable))
    assert consortium.code(objection(receivable, DEBTOR)) is Code.CLOSED
    assert consortium.code(frozen(receivable)) is Code.CLOSED


# --- freeze


def test_a_freeze_needs_a_case_number(consortium: Consortium) -> None:
    receivable = consortium.registered()
    for nothing in ("", " "):
        assert consortium.code(frozen(receivable, nothing)) is Code.NO_ORDER
    assert consortium.code(unfrozen(receivable)) is Code.NO_ORDER
    assert consortium.code(frozen(receivable)) is Code.OK
    result = consortium.result(frozen(receivable))
    assert (result.code, result.collided_with) == (
        Code.ALREADY_IN_FORCE,
        consortium.record(receivable).restraints.freezes[0].place,
    )


def test_each_order_is_lifted_by_itself(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(frozen(receivable), frozen(receivable, "2"))
    consortium.do(unfrozen(receivable))
    assert consortium.code(consortium.assignment(receivable, 1)) is Code.FROZEN
    consortium.do(unfrozen(receivable, "2"))
    assert consortium.code(consortium.assignment(receivable, 1)) is Code.OK


@pytest.mark.parametrize("signed_by", [(COURT,), (ASSOCIATION,)])
def test_court_and_association_freeze_together(consortium: Consortium, signed_by: tuple[str, ...]) -> None:
    receivable = consortium.registered()
    for operation in (frozen(receivable), unfrozen(receivable)):
        with pytest.raises(EntryRefused) as refused:
            consortium.do(operation, signed_by=signed_by)
        assert refused.value.code is Code.MISSING_SIGNATURE


def test_an_order_outlives_a_default(consortium: Consortium) -> None:
    receivable = consortium.registered()
    lien = pledged(consortium, receivable, 1_000)
    consortium.do(frozen(receivable))
    overdue(consortium, receivable)
    assert consortium.code(enforcement(receivable, lien)) is Code.FROZEN


# --- links


@pytest.mark.parametrize(
    "changes",
    [
        {"number": bytes(32)},
        {"registrant": bytes(32)},
        {"registered_ms": 10**15 // 4},
        {"until_ms": 0},
    ],
)
def test_a_registration_elsewhere_has_a_form(consortium: Consortium, changes: dict[str, Any]) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 1))
    assert consortium.code(linked(consortium, receivable, **changes)) is Code.BAD_FORMAT
    assert consortium.record(receivable).links == ()


def test_a_registration_elsewhere_ends_after_it_begins(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 1))
    now = consortium.now_ms
    link = linked(consortium, receivable, registered_ms=now, until_ms=now)
    assert consortium.code(link) is Code.BAD_FORMAT
    assert consortium.code(replace(link, until_ms=now + 1)) is Code.OK


def test_a_search_is_not_of_the_future(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 1))
    ahead = searched(consortium, receivable, searched_ms=consortium.now_ms + 1)
    assert consortium.code(ahead) is Code.BAD_FORMAT
    assert consortium.code(searched(consortium, receivable, searched_ms=consortium.now_ms)) is Code.OK


def test_the_latest_link_of_a_factor_stands(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 1))
    consortium.do(linked(consortium, receivable), searched(consortium, receivable))
    later = linked(consortium, receivable)
    consortium.do(later)
    search, registration = consortium.record(receivable).links
    assert search.is_search
    assert registration.until_ms == later.until_ms
    assert consortium.code(linked(consortium, receivable, factor=FACTOR_2)) is Code.NOT_HOLDER
    assert consortium.code(linked(consortium, bytes(32))) is Code.UNKNOWN_RECEIVABLE
