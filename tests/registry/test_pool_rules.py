"""Pools: what may stand in one, what it then bars, and how much is advanced; each rule accepted, refused and at its boundary."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from registry.errors import Code, EntryRefused, Reason
from registry.member import MemberStatus
from registry.operations import Operation
from registry.operations.relationships import DeclareRiskAssets
from registry.operations.security import Junior
from registry.policy import ConfirmationPolicy
from registry.pools import secured, shortfall
from registry.receivable import Phase, free_amount
from registry.status import summarise
from tests.registry.assignment_examples import giving_back, offer, offered
from tests.registry.collection_examples import account, at, enforcement, frozen, objection, overdue, pledged
from tests.registry.consortium import (
    AFFILIATE,
    DAY_MS,
    DEBTOR,
    DEBTOR_FACTOR,
    DEBTOR_REFERENCE,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    FINGERPRINT_KEY,
    OPEN_POLICY,
    OTHER_DEBTOR,
    OTHER_DEBTOR_REFERENCE,
    START_DAY,
    SUSPENDED,
    Consortium,
    cancellation,
    confirmation,
    dispute,
    found,
    payment,
    resolution,
    settlement,
)
from tests.registry.existence_examples import accredit, contract, correction, credit, red_letter, rejection
from tests.registry.pool_examples import (
    OF_ONE_DEBTOR,
    TERMS,
    adding,
    addition,
    agreement,
    drawing,
    filled,
    pooled,
    present,
    removing,
    repaying,
    substituting,
)

DUE_DAY = START_DAY + 90
AFTER_DUE_MS = (DUE_DAY + 1) * DAY_MS


def to_other_debtor(consortium: Consortium, amount: int = 10_000) -> bytes:
    return consortium.registered(debtor_reference=OTHER_DEBTOR_REFERENCE, amount=amount)


# --- agreeing on a pool


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, Code.OK),
        ({"currency": "GBP"}, Code.CURRENCY_MISMATCH),
        ({"credit_limit": 0}, Code.AMOUNT_NOT_POSITIVE),
        ({"credit_limit": 1}, Code.OK),
        ({"currency": "GBP", "credit_limit": 0}, Code.CURRENCY_MISMATCH),
    ],
)
def test_terms_of_a_pool(consortium: Consortium, changes: dict[str, object], code: Code) -> None:
    assert consortium.code(agreement(replace(TERMS, **changes))) is code  # type: ignore[arg-type]  # one table


@pytest.mark.parametrize(("later_ms", "code"), [(0, Code.TERM), (1, Code.OK)])
def test_a_pool_ends_after_it_began(consortium: Consortium, later_ms: int, code: Code) -> None:
    terms = replace(TERMS, until_ms=consortium.now_ms + later_ms)
    assert consortium.code(agreement(terms)) is code


@pytest.mark.parametrize(
    ("exporter", "factor", "code"),
    [
        (EXPORTER, DEBTOR, Code.NOT_PERMITTED),
        (FACTOR_2, FACTOR_1, Code.NOT_PERMITTED),
        (SUSPENDED, FACTOR_1, Code.SUSPENDED),
    ],
)
def test_a_pool_is_of_an_exporter_and_a_factor(
    consortium: Consortium, exporter: str, factor: str, code: Code
) -> None:
    with pytest.raises(EntryRefused) as refusal:
        consortium.do(agreement(exporter=exporter, factor=factor))
    assert refusal.value.code is code


def test_both_sign_what_they_agree(consortium: Consortium) -> None:
    for signer in (EXPORTER, FACTOR_1):
        with pytest.raises(EntryRefused) as refusal:
            consortium.do(agreement(), signed_by=[signer])
        assert refusal.value.code is Code.MISSING_SIGNATURE


# --- what a member is worth, and what it bars


def test_the_free_part_of_a_member_stands_in_the_pool(consortium: Consortium) -> None:
    pool, (member,) = filled(consortium)
    record = consortium.record(member)
    assert present(consortium, pool).base == 10_000
    assert free_amount(record, EXPORTER).amount == 0
    assert free_amount(record, EXPORTER).reasons == (Reason("pooled", 10_000),)
    summary = summarise(record)
    assert (summary.free, summary.pooled, summary.pledged) == (0, 10_000, 0)
    assert FACTOR_1 in record.parties()


def test_a_pool_takes_what_is_left_beside_a_pledge_and_an_assignment(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 2_000, FACTOR_2))
    consortium.do(consortium.pledging(receivable, 3_000, FACTOR_2))
    pool = pooled(consortium, OF_ONE_DEBTOR)
    assert consortium.code(adding(consortium, pool, receivable)) is Code.OK
    assert present(consortium, pool).base == 5_000
    # The assignee's part is no part of the pool.
    assert free_amount(consortium.record(receivable), FACTOR_2).amount == 2_000


@pytest.mark.parametrize(
    ("elsewhere", "code"),
    [
        (lambda c, r: c.pledging(r, 1, FACTOR_2), Code.DUPLICATE_PLEDGE),
        (lambda c, r: c.pledging(r, 10_000, FACTOR_1), Code.DUPLICATE_PLEDGE),
        (lambda c, r: c.assignment(r, 1, FACTOR_2), Code.PLEDGED),
        (lambda c, r: offer(c, r, 1, FACTOR_2), Code.PLEDGED),
        (lambda c, r: cancellation(r), Code.ENCUMBERED),
        (lambda c, r: settlement(r, write_off=True), Code.PLEDGED),
        (lambda c, r: account(r), Code.HOLDER_CONSENT),
    ],
)
def test_a_pool_member_cannot_be_disposed_of_elsewhere(
    consortium: Consortium, elsewhere: Callable[[Consortium, bytes], Operation], code: Code
) -> None:
    pool, (member,) = filled(consortium)
    result = consortium.result(elsewhere(consortium, member))
    assert result.code is code
    assert result.collided_with is not None
    if code is not Code.HOLDER_CONSENT:
        # The place of AddToPool: the second block, after the pool and the registration.
        assert result.collided_with == consortium.record(member).pool.place  # type: ignore[union-attr]
        assert result.collided_with.subject == pool
    assert present(consortium, pool).base == 10_000


def test_what_was_pledged_before_names_the_pledge_and_not_the_pool(consortium: Consortium) -> None:
    receivable = consortium.registered()
    lien = pledged(consortium, receivable, 8_000)
    pool = pooled(consortium, OF_ONE_DEBTOR)
    consortium.do(adding(consortium, pool, receivable))
    result = consortium.result(consortium.pledging(receivable, 5_000, FACTOR_2))
    assert (result.code, result.collided_with) == (Code.DUPLICATE_PLEDGE, lien.place)


def test_no_junior_pledge_waits_for_what_will_be_the_pools(consortium: Consortium) -> None:
    receivable = consortium.registered()
    lien = pledged(consortium, receivable, 4_000)
    pool = pooled(consortium, OF_ONE_DEBTOR)
    consortium.do(adding(consortium, pool, receivable))
    junior = consortium.pledging(receivable, 1_000, FACTOR_2, junior_to=Junior(lien.lien_id, FACTOR_1))
    assert consortium.code(junior) is Code.DUPLICATE_PLEDGE


def test_the_factor_of_the_pool_may_object_and_declare_a_default(consortium: Consortium) -> None:
    _pool, (member,) = filled(consortium)
    assert consortium.code(objection(member, FACTOR_1)) is Code.OK
    overdue(consortium, member, FACTOR_1)
    assert consortium.record(member).phase is Phase.OVERDUE


# --- adding


def test_a_member_of_another_pool_is_refused_naming_it(consortium: Consortium) -> None:
    pool, (member,) = filled(consortium)
    other = pooled(consortium, OF_ONE_DEBTOR, factor=FACTOR_2)
    result = consortium.result(adding(consortium, other, member, factor=FACTOR_2))
    assert result.code is Code.IN_OTHER_POOL
    assert result.collided_with == consortium.record(member).pool.place  # type: ignore[union-attr]
    assert consortium.code(adding(consortium, pool, member)) is Code.ALREADY_IN_FORCE


def _frozen(consortium: Consortium, receivable: bytes) -> None:
    consortium.do(frozen(receivable))


def _objected(consortium: Consortium, receivable: bytes) -> None:
    consortium.do(objection(receivable, DEBTOR))


def _paid(consortium: Consortium, receivable: bytes) -> None:
    consortium.do(payment(receivable, 10_000))


def _settled(consortium: Consortium, receivable: bytes) -> None:
    consortium.do(payment(receivable, 10_000), settlement(receivable))


def _assigned(consortium: Consortium, receivable: bytes) -> None:
    consortium.do(consortium.assignment(receivable, 10_000, FACTOR_2))


def _pledged(consortium: Consortium, receivable: bytes) -> None:
    consortium.do(consortium.pledging(receivable, 10_000, FACTOR_2))


def _disputed(consortium: Consortium, receivable: bytes) -> None:
    consortium.do(dispute(receivable, 10_000))


def _rejected(consortium: Consortium, receivable: bytes) -> None:
    consortium.do(rejection(receivable))


def _voided(consortium: Consortium, receivable: bytes) -> None:
    accredit(consortium)
    consortium.do(red_letter(consortium, receivable))


def _on_offer(consortium: Consortium, receivable: bytes) -> None:
    offered(consortium, receivable, 1)


@pytest.mark.parametrize(
    ("spoil", "code", "words"),
    [
        (_frozen, Code.FROZEN, ("frozen",)),
        (_objected, Code.OBJECTED, ("objected",)),
        (_settled, Code.CLOSED, ("settled",)),
        (_paid, Code.INELIGIBLE, ("held",)),
        (_assigned, Code.INELIGIBLE, ("held",)),
        (_pledged, Code.INELIGIBLE, ("held", "pledged")),
        (_disputed, Code.INELIGIBLE, ("held", "disputed")),
        (_rejected, Code.INELIGIBLE, ("held", "rejected")),
        (_voided, Code.INELIGIBLE, ("held", "voided")),
        (_on_offer, Code.INELIGIBLE, ("held", "reserved")),
    ],
)
def test_what_is_worth_nothing_is_not_added(
    consortium: Consortium,
    spoil: Callable[[Consortium, bytes], None],
    code: Code,
    words: tuple[str, ...],
) -> None:
    pool = pooled(consortium, OF_ONE_DEBTOR)
    receivable = consortium.registered()
    spoil(consortium, receivable)
    result = consortium.result(adding(consortium, pool, receivable))
    assert (result.code, tuple(reason.word for reason in result.reasons)) == (code, words)
    assert consortium.record(receivable).pool is None


@pytest.mark.parametrize(("tenor", "code"), [(120, Code.OK), (121, Code.INELIGIBLE)])
def test_a_long_tenor_is_ineligible(consortium: Consortium, tenor: int, code: Code) -> None:
    pool = pooled(consortium, OF_ONE_DEBTOR)
    receivable = consortium.registered(issue_date=START_DAY, due_date=START_DAY + tenor)
    result = consortium.result(adding(consortium, pool, receivable))
    assert result.code is code
    assert any(reason == Reason("tenor", 10_000) for reason in result.reasons) is (code is not Code.OK)


def test_only_what_is_confirmed_counts_where_the_terms_demand_it(consortium: Consortium) -> None:
    pool = pooled(consortium, replace(OF_ONE_DEBTOR, confirmation_required=True))
    receivable = consortium.registered()
    refused = consortium.result(adding(consortium, pool, receivable))
    assert (refused.code, refused.reasons[-1]) == (Code.INELIGIBLE, Reason("unconfirmed", 10_000))
    consortium.do(confirmation(receivable, 6_000))
    assert consortium.code(adding(consortium, pool, receivable)) is Code.OK
    assert present(consortium, pool).base == 6_000
    consortium.do(confirmation(receivable, 7_000))
    assert present(consortium, pool).base == 7_000


def test_a_confirmation_that_others_rely_on_counts_once(consortium: Consortium) -> None:
    pool = pooled(consortium, replace(OF_ONE_DEBTOR, confirmation_required=True))
    receivable = consortium.registered()
    consortium.do(confirmation(receivable, 6_000))
    consortium.do(consortium.assignment(receivable, 2_000, FACTOR_2))
    consortium.do(consortium.pledging(receivable, 1_000, FACTOR_2))
    consortium.do(adding(consortium, pool, receivable))
    assert present(consortium, pool).base == 3_000


def test_a_future_receivable_is_not_added(consortium: Consortium) -> None:
    pool = pooled(consortium, OF_ONE_DEBTOR)
    future = consortium.do(contract()).results[0].subject
    result = consortium.result(adding(consortium, pool, future))
    assert (result.code, result.reasons[-1].word) == (Code.INELIGIBLE, "future")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"exporter": AFFILIATE}, Code.NOT_HOLDER),
        ({"currency": "EUR"}, Code.CURRENCY_MISMATCH),
        ({"exporter": AFFILIATE, "currency": "EUR"}, Code.NOT_HOLDER),
    ],
)
def test_a_member_is_the_exporters_own_in_the_pools_currency(
    consortium: Consortium, changes: dict[str, str], code: Code
) -> None:
    pool = pooled(consortium, OF_ONE_DEBTOR)
    receivable = consortium.registered(**changes)
    assert consortium.code(adding(consortium, pool, receivable)) is code


def test_the_factor_signs_over_the_papers_it_verified(consortium: Consortium) -> None:
    pool = pooled(consortium, OF_ONE_DEBTOR)
    receivable = consortium.registered()
    other = replace(addition(consortium, receivable), verified_fingerprints=bytes(32))
    operation = adding(consortium, pool, receivable, additions=(other,))
    assert consortium.code(operation) is Code.FINGERPRINT_MISMATCH


def test_a_suspicion_must_be_acknowledged(consortium: Consortium) -> None:
    pool = pooled(consortium, OF_ONE_DEBTOR)
    first, second = consortium.registered(similar=None), consortium.registered(similar=None)
    refused = consortium.result(adding(consortium, pool, second))
    assert refused.code is Code.SUSPICION_NOT_ACKNOWLEDGED
    acknowledged = adding(consortium, pool, second, acknowledged_suspicions=(first,))
    assert consortium.code(acknowledged) is Code.OK


def test_a_factor_that_is_the_debtor_is_refused(consortium: Consortium) -> None:
    pool = pooled(consortium, OF_ONE_DEBTOR, factor=DEBTOR_FACTOR)
    receivable = consortium.registered(debtor_reference=FINGERPRINT_KEY.debtor(DEBTOR_FACTOR))
    assert consortium.code(adding(consortium, pool, receivable, factor=DEBTOR_FACTOR)) is Code.RELATED_PARTY


def test_the_policys_confirmation_for_pledges_holds_for_pools() -> None:
    consortium = found(replace(OPEN_POLICY, require_confirmation=ConfirmationPolicy.FOR_PLEDGE))
    pool = pooled(consortium, OF_ONE_DEBTOR)
    receivable = consortium.registered()
    consortium.do(confirmation(receivable, 9_999))
    assert consortium.code(adding(consortium, pool, receivable)) is Code.UNCONFIRMED
    consortium.do(confirmation(receivable, 10_000))
    assert consortium.code(adding(consortium, pool, receivable)) is Code.OK


def test_several_are_added_all_or_none(consortium: Consortium) -> None:
    pool = pooled(consortium, OF_ONE_DEBTOR)
    good, bad = consortium.registered(), consortium.registered()
    consortium.do(dispute(bad, 10_000))
    result = consortium.result(adding(consortium, pool, good, bad))
    assert result.code is Code.INELIGIBLE
    assert result.collided_with == consortium.record(bad).place
    assert present(consortium, pool).members == 0
    assert consortium.record(good).pool is None


def test_precedence_of_broken_rules(consortium: Consortium) -> None:
    """Everything is wrong at first; one thing after the other is put right."""
    pool = pooled(consortium, replace(TERMS, tenor_days_max=10))
    ours = pooled(consortium, TERMS)
    elsewhere = pooled(consortium, OF_ONE_DEBTOR, factor=FACTOR_2)
    receivable = consortium.registered()
    assert consortium.code(adding(consortium, bytes(32), receivable, factor=FACTOR_2)) is Code.UNKNOWN_POOL
    assert consortium.code(adding(consortium, pool, bytes(32), factor=FACTOR_2)) is Code.NOT_PERMITTED
    assert consortium.code(adding(consortium, pool, bytes(32))) is Code.UNKNOWN_RECEIVABLE
    consortium.do(adding(consortium, elsewhere, receivable, factor=FACTOR_2))
    consortium.do(frozen(receivable))
    assert consortium.code(adding(consortium, pool, receivable)) is Code.IN_OTHER_POOL
    consortium.do(removing(elsewhere, receivable, factor=FACTOR_2))
    assert consortium.code(adding(consortium, pool, receivable)) is Code.FROZEN
    another = consortium.registered()
    wrong = (replace(addition(consortium, another), verified_fingerprints=bytes(32)),)
    assert consortium.code(adding(consortium, pool, another, additions=wrong)) is Code.INELIGIBLE
    assert consortium.code(adding(consortium, ours, another, additions=wrong)) is Code.FINGERPRINT_MISMATCH
    assert consortium.code(adding(consortium, ours, another)) is Code.CONCENTRATION


# --- the pool as a whole


def test_no_debtor_owes_more_of_the_base_than_agreed(consortium: Consortium) -> None:
    pool = pooled(consortium, TERMS)
    first, second = consortium.registered(), to_other_debtor(consortium)
    alone = consortium.result(adding(consortium, pool, first))
    assert alone.code is Code.CONCENTRATION
    assert alone.reasons == (Reason("debtor", 10_000), Reason("base", 10_000))
    # Half each is the limit.
    assert consortium.code(adding(consortium, pool, first, second)) is Code.OK
    assert consortium.code(adding(consortium, pool, consortium.registered(amount=1))) is Code.CONCENTRATION
    assert consortium.code(removing(pool, first)) is Code.CONCENTRATION
    assert consortium.code(removing(pool, first, second)) is Code.OK


def test_what_lessens_a_concentration_is_not_refused_for_being_too_little(consortium: Consortium) -> None:
    pool = pooled(consortium, TERMS)
    first, second = consortium.registered(), to_other_debtor(consortium)
    consortium.do(adding(consortium, pool, first, second))
    consortium.do(payment(second, 8_000))
    assert consortium.code(adding(consortium, pool, to_other_debtor(consortium, 3_000))) is Code.OK
    assert present(consortium, pool).base == 15_000
    # More of the debtor that is over the limit, and more of its share by less of the other's, are refused.
    more = [consortium.registered(amount=100), to_other_debtor(consortium, 5_000)]
    assert consortium.code(adding(consortium, pool, *more)) is Code.CONCENTRATION
    assert consortium.code(removing(pool, second)) is Code.CONCENTRATION
    assert (
        consortium.code(substituting(consortium, pool, [first], [consortium.registered(amount=5_000)]))
        is Code.OK
    )


@pytest.mark.parametrize(
    ("amount", "code"), [(8_000, Code.OK), (8_001, Code.SHORTFALL), (0, Code.AMOUNT_NOT_POSITIVE)]
)
def test_the_base_times_the_rate_can_be_drawn(consortium: Consortium, amount: int, code: Code) -> None:
    pool, _members = filled(consortium)
    result = consortium.result(drawing(pool, amount))
    assert result.code is code
    if code is Code.SHORTFALL:
        assert result.reasons == (Reason("base", 10_000), Reason("secured", 8_000), Reason("drawn", 0))


def test_no_more_is_drawn_than_the_credit_limit(consortium: Consortium) -> None:
    pool, _members = filled(consortium, replace(OF_ONE_DEBTOR, credit_limit=5_000))
    assert consortium.code(drawing(pool, 5_000)) is Code.OK
    result = consortium.result(drawing(pool, 1))
    assert (result.code, result.reasons[-1]) == (Code.SHORTFALL, Reason("credit_limit", 5_000))


def test_only_what_is_drawn_is_repaid(consortium: Consortium) -> None:
    pool, _members = filled(consortium)
    consortium.do(drawing(pool, 5_000))
    result = consortium.result(repaying(pool, 5_001))
    assert (result.code, result.reasons) == (Code.OVERPAYMENT, (Reason("drawn", 5_000),))
    assert consortium.code(repaying(pool, 0)) is Code.AMOUNT_NOT_POSITIVE
    assert consortium.code(repaying(pool, 5_000, FACTOR_2)) is Code.NOT_PERMITTED
    assert consortium.code(repaying(pool, 5_000)) is Code.OK
    assert present(consortium, pool).drawn == 0


def test_what_secures_the_advance_stays(consortium: Consortium) -> None:
    pool, members = filled(consortium, members=2)
    consortium.do(drawing(pool, 8_001))
    result = consortium.result(removing(pool, members[0]))
    assert result.code is Code.SHORTFALL
    assert result.reasons == (Reason("base", 10_000), Reason("secured", 8_000), Reason("drawn", 8_001))
    consortium.do(repaying(pool, 1))
    assert consortium.code(removing(pool, members[0])) is Code.OK
    assert consortium.record(members[0]).pool is None
    assert consortium.code(consortium.pledging(members[0], 10_000, FACTOR_2)) is Code.OK


def test_a_substitute_is_judged_with_what_it_replaces(consortium: Consortium) -> None:
    pool, (member,) = filled(consortium)
    consortium.do(drawing(pool, 8_000))
    short, enough = consortium.registered(amount=9_999), consortium.registered()
    assert consortium.code(substituting(consortium, pool, [member], [short])) is Code.SHORTFALL
    assert consortium.record(member).pool is not None
    assert consortium.code(substituting(consortium, pool, [member], [enough])) is Code.OK
    assert (consortium.record(member).pool, present(consortium, pool).base) == (None, 10_000)


def test_a_receivable_that_is_not_in_the_pool_cannot_leave_it(consortium: Consortium) -> None:
    pool, (member,) = filled(consortium)
    other = pooled(consortium, OF_ONE_DEBTOR)
    free = consortium.registered()
    assert consortium.code(removing(other, member)) is Code.IN_OTHER_POOL
    assert consortium.code(removing(pool, free)) is Code.NOT_IN_POOL
    assert consortium.code(removing(pool, bytes(32))) is Code.UNKNOWN_RECEIVABLE
    assert consortium.code(removing(pool, member)) is Code.OK


def test_a_frozen_member_may_leave_and_stays_frozen(consortium: Consortium) -> None:
    pool, (member,) = filled(consortium)
    consortium.do(frozen(member))
    assert present(consortium, pool).base == 0
    assert consortium.code(removing(pool, member)) is Code.OK
    assert free_amount(consortium.record(member), EXPORTER).reasons[0].word == "frozen"


def test_who_is_suspended_may_release_and_be_repaid_and_nothing_else(consortium: Consortium) -> None:
    pool, members = filled(consortium, members=2)
    consortium.do(drawing(pool, 1_000))
    consortium.set_status(FACTOR_1, MemberStatus.SUSPENDED)
    for operation in (
        drawing(pool, 1),
        substituting(consortium, pool, members[:1], [consortium.registered()]),
    ):
        with pytest.raises(EntryRefused) as refusal:
            consortium.do(operation)
        assert refusal.value.code is Code.SUSPENDED
    assert consortium.code(repaying(pool, 1_000)) is Code.OK
    assert consortium.code(removing(pool, members[0])) is Code.OK


def test_an_ended_pool_takes_and_advances_nothing_more(consortium: Consortium) -> None:
    end_ms = consortium.now_ms + 10 * DAY_MS
    pool, (member,) = filled(consortium, replace(OF_ONE_DEBTOR, until_ms=end_ms))
    other = consortium.registered()
    assert consortium.code(drawing(pool, 1_000), **at(end_ms - 1)) is Code.OK
    assert consortium.code(drawing(pool, 1), **at(end_ms)) is Code.TERM
    assert consortium.code(adding(consortium, pool, other)) is Code.TERM
    assert consortium.code(substituting(consortium, pool, [member], [other])) is Code.TERM
    assert consortium.code(repaying(pool, 1_000)) is Code.OK
    assert consortium.code(removing(pool, member)) is Code.OK


# --- what happens outside


def test_a_shortfall_is_refused_to_nobody_and_bars_draws_and_removals(consortium: Consortium) -> None:
    pool, (member, other) = filled(consortium, members=2)
    consortium.do(drawing(pool, 16_000))
    assert consortium.code(payment(member, 4_000)) is Code.OK
    assert consortium.code(dispute(other, 5_000)) is Code.OK
    stands = present(consortium, pool)
    assert (stands.base, secured(stands), shortfall(stands)) == (11_000, 8_800, 7_200)
    assert consortium.code(drawing(pool, 1)) is Code.SHORTFALL
    assert consortium.code(removing(pool, other)) is Code.SHORTFALL
    # A beginning of a cure is welcome, and whoever adds enough has cured it.
    assert consortium.code(adding(consortium, pool, consortium.registered(amount=4_000))) is Code.OK
    assert shortfall(present(consortium, pool)) == 4_000
    consortium.do(repaying(pool, 4_000))
    assert shortfall(present(consortium, pool)) == 0


@pytest.mark.parametrize(
    ("event", "base"),
    [
        (lambda c, r: c.do(payment(r, 4_000)), 6_000),
        (lambda c, r: c.do(dispute(r, 2_500)), 7_500),
        (lambda c, r: c.do(credit(r, (EXPORTER, 1_500))), 8_500),
        (lambda c, r: c.do(rejection(r)), 0),
        (lambda c, r: c.do(frozen(r)), 0),
        (lambda c, r: c.do(objection(r, DEBTOR)), 0),
        (lambda c, r: _voided(c, r), 0),
        (lambda c, r: c.do(payment(r, 10_000), settlement(r)), 0),
    ],
)
def test_the_base_follows_what_happens_to_a_member(
    consortium: Consortium, event: Callable[[Consortium, bytes], object], base: int
) -> None:
    pool, (member,) = filled(consortium)
    event(consortium, member)
    assert present(consortium, pool).base == base


def test_a_resolved_dispute_counts_again(consortium: Consortium) -> None:
    pool, (member,) = filled(consortium)
    consortium.do(dispute(member, 10_000))
    assert (present(consortium, pool).base, present(consortium, pool).members) == (0, 1)
    consortium.do(resolution(member, freed=6_000, dilution=[(EXPORTER, 4_000)]))
    assert present(consortium, pool).base == 6_000


def test_a_closed_receivable_leaves_the_pool_by_itself(consortium: Consortium) -> None:
    pool, (member,) = filled(consortium)
    consortium.do(payment(member, 10_000), settlement(member))
    assert consortium.record(member).pool is None
    assert present(consortium, pool).shares == ()
    assert consortium.code(removing(pool, member)) is Code.NOT_IN_POOL


def test_a_lien_that_ends_gives_its_value_to_the_pool(consortium: Consortium) -> None:
    receivable = consortium.registered()
    end_ms = consortium.now_ms + 60 * DAY_MS
    pledged(consortium, receivable, 4_000, until_ms=end_ms)
    pool = pooled(consortium, OF_ONE_DEBTOR)
    consortium.do(adding(consortium, pool, receivable))
    assert present(consortium, pool).base == 6_000
    consortium.pass_time(end_ms)
    assert present(consortium, pool).base == 10_000


def test_a_member_in_default_counts_for_nothing_and_its_liens_are_enforced(consortium: Consortium) -> None:
    receivable = consortium.registered()
    lien = pledged(consortium, receivable, 4_000)
    pool = pooled(consortium, replace(OF_ONE_DEBTOR, past_due_days_max=1_000))
    consortium.do(adding(consortium, pool, receivable))
    overdue(consortium, receivable)
    assert present(consortium, pool).base == 0
    assert consortium.code(enforcement(receivable, lien, amount=3_000)) is Code.OK
    assert consortium.record(receivable).amount_of(FACTOR_1) == 3_000
    other = consortium.registered(issue_date=START_DAY, due_date=START_DAY + 90)
    overdue(consortium, other)
    refused = consortium.result(adding(consortium, pool, other))
    assert (refused.code, refused.reasons[-1]) == (Code.INELIGIBLE, Reason("overdue", 10_000))


def test_what_is_reassigned_to_the_exporter_is_the_pools(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 4_000, FACTOR_2, with_recourse=True))
    pool = pooled(consortium, replace(OF_ONE_DEBTOR, past_due_days_max=1_000))
    consortium.do(adding(consortium, pool, receivable))
    assert present(consortium, pool).base == 6_000
    back = giving_back(receivable, 4_000, FACTOR_2)
    assert consortium.code(back, **at(AFTER_DUE_MS + 365 * DAY_MS)) is Code.OK
    assert present(consortium, pool).base == 10_000


# --- the due date


def test_a_member_past_due_counts_for_nothing(consortium: Consortium) -> None:
    pool, (member,) = filled(consortium)
    consortium.do(drawing(pool, 1_000))
    consortium.pass_time(AFTER_DUE_MS - 1)
    assert present(consortium, pool).base == 10_000
    consortium.pass_time(AFTER_DUE_MS)
    assert (present(consortium, pool).base, shortfall(present(consortium, pool))) == (0, 1_000)
    assert consortium.record(member).pool is not None
    assert consortium.code(consortium.pledging(member, 1, FACTOR_2)) is Code.DUPLICATE_PLEDGE


def test_the_terms_may_let_a_member_be_past_due_for_some_days(consortium: Consortium) -> None:
    pool, _members = filled(consortium, replace(OF_ONE_DEBTOR, past_due_days_max=30))
    consortium.pass_time(AFTER_DUE_MS + 30 * DAY_MS - 1)
    assert present(consortium, pool).base == 10_000
    consortium.pass_time(AFTER_DUE_MS + 30 * DAY_MS)
    assert present(consortium, pool).base == 0


@pytest.mark.parametrize(("days", "code"), [(0, Code.INELIGIBLE), (1, Code.PAST_DUE)])
def test_what_is_past_due_is_not_added_unless_terms_and_policy_let_it(
    consortium: Consortium, days: int, code: Code
) -> None:
    pool = pooled(consortium, replace(OF_ONE_DEBTOR, past_due_days_max=days))
    receivable = consortium.registered()
    consortium.pass_time(AFTER_DUE_MS)
    assert consortium.code(adding(consortium, pool, receivable)) is code


def test_a_policy_that_permits_it_leaves_it_to_the_terms() -> None:
    consortium = found(replace(OPEN_POLICY, dispose_past_due=True))
    pool = pooled(consortium, replace(OF_ONE_DEBTOR, past_due_days_max=1))
    receivable = consortium.registered()
    consortium.pass_time(AFTER_DUE_MS)
    assert consortium.code(adding(consortium, pool, receivable)) is Code.OK
    consortium.pass_time(AFTER_DUE_MS + DAY_MS)
    assert present(consortium, pool).base == 0


def test_an_atomic_entry_that_fails_leaves_the_base_as_it_was(consortium: Consortium) -> None:
    pool, (member,) = filled(consortium)
    other = consortium.registered()
    before = present(consortium, pool)
    receipt = consortium.do(
        adding(consortium, pool, other), payment(member, 5_000), drawing(pool, 20_000), by=EXPORTER
    )
    assert receipt.failed_operation == 2
    assert present(consortium, pool) == before
    assert consortium.record(other).pool is None


def test_the_other_debtors_dispute_lowers_only_its_own_share(consortium: Consortium) -> None:
    pool = pooled(consortium, TERMS)
    first, second = consortium.registered(), to_other_debtor(consortium)
    consortium.do(adding(consortium, pool, first, second))
    consortium.do(dispute(second, 10_000, OTHER_DEBTOR))
    shares = {
        share.debtor_reference: (share.members, share.base) for share in present(consortium, pool).shares
    }
    assert shares[OTHER_DEBTOR_REFERENCE] == (1, 0)
    assert sorted(shares.values()) == [(1, 0), (1, 10_000)]


def test_the_factor_of_the_pool_consents_to_corrections_and_to_another_account(
    consortium: Consortium,
) -> None:
    pool, (member,) = filled(consortium)
    earlier = correction(consortium, member, issue_date=START_DAY - 2)
    assert consortium.code(earlier) is Code.HOLDER_CONSENT
    assert consortium.code(replace(earlier, consenting=(FACTOR_1,))) is Code.OK
    assert consortium.code(account(member, (EXPORTER, FACTOR_1))) is Code.OK
    longer = correction(consortium, member, issue_date=START_DAY - 31, consenting=(FACTOR_1,))
    assert consortium.code(longer) is Code.OK
    # 121 days by now, and 120 are agreed.
    assert present(consortium, pool).base == 0


def test_where_only_listed_factors_take_anything_they_alone_have_pools() -> None:
    consortium = found(replace(OPEN_POLICY, whitelisted_factors_only=True))
    assert consortium.code(agreement(replace(TERMS, currency="GBP"))) is Code.NOT_WHITELISTED
    consortium.change_member(FACTOR_1, whitelisted=True)
    pool, _members = filled(consortium)
    other = consortium.registered()
    consortium.change_member(FACTOR_1, whitelisted=False)
    assert consortium.code(adding(consortium, pool, other)) is Code.NOT_WHITELISTED
    # What it has it may still advance on.
    assert consortium.code(drawing(pool, 1)) is Code.OK


def test_what_stands_in_its_pools_counts_against_the_factors_limit_for_one_debtor() -> None:
    consortium = found(replace(OPEN_POLICY, single_debtor_max_percent=50))
    pool = pooled(consortium, OF_ONE_DEBTOR)
    first, second = consortium.registered(), consortium.registered(amount=1)
    assert consortium.code(adding(consortium, pool, first)) is Code.CONCENTRATION
    stated = DeclareRiskAssets(FACTOR_1, "USD", 20_000, START_DAY)
    consortium.do(stated, by=FACTOR_1, signed_by=(FACTOR_1,))
    assert consortium.code(adding(consortium, pool, first)) is Code.OK
    assert consortium.working().exposure(FACTOR_1, DEBTOR_REFERENCE, "USD") == 10_000
    refused = consortium.result(adding(consortium, pool, second))
    assert refused.code is Code.CONCENTRATION
    assert refused.reasons == (Reason("exposure", 10_001), Reason("limit", 10_000))
    # The same limit counts for what is assigned beside the pool; a debtor that pays makes room.
    assert consortium.code(consortium.assignment(second, 1)) is Code.CONCENTRATION
    consortium.do(payment(first, 1))
    assert consortium.code(consortium.assignment(second, 1)) is Code.OK


def test_a_pledge_to_the_pools_factor_is_at_stake_once(consortium: Consortium) -> None:
    receivable = consortium.registered()
    pledged(consortium, receivable, 4_000)
    pool = pooled(consortium, OF_ONE_DEBTOR)
    consortium.do(adding(consortium, pool, receivable))
    assert consortium.working().exposure(FACTOR_1, DEBTOR_REFERENCE, "USD") == 10_000
    consortium.do(removing(pool, receivable))
    assert consortium.working().exposure(FACTOR_1, DEBTOR_REFERENCE, "USD") == 4_000
