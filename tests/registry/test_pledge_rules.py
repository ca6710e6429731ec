"""Pledge and ReleasePledge: duplicate against empty, ranks, terms, expiry, and what payments do to liens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from registry.errors import Code, Reason, Reference
from registry.identifiers import lien_id
from registry.limits import EXPIRIES_PER_BLOCK_MAX, LIEN_TERM_MS_MAX, LIEN_TERM_MS_MIN, LIENS_MAX
from registry.operations.security import Junior
from registry.policy import ConfirmationPolicy
from registry.receivable import Lien, free_amount
from tests.registry.consortium import (
    BANK,
    DAY_MS,
    DEBTOR_FACTOR,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    FACTOR_3,
    FINGERPRINT_KEY,
    OPEN_POLICY,
    START_DAY,
    TRADER,
    Consortium,
    cancellation,
    checked,
    confirmation,
    dispute,
    found,
    payment,
    release,
    settlement,
)


def liens(consortium: Consortium, receivable: bytes) -> tuple[Lien, ...]:
    return consortium.record(receivable).liens


def pledged(consortium: Consortium, receivable: bytes, amount: int, to: str = FACTOR_1, **how: Any) -> bytes:
    """The id of a new lien."""
    assert consortium.code(consortium.pledging(receivable, amount, to, **how)) is Code.OK
    return liens(consortium, receivable)[-1].lien_id


def behind(consortium: Consortium, receivable: bytes, senior: bytes) -> Junior:
    lien = consortium.record(receivable).lien(senior)
    assert lien is not None
    return Junior(senior, lien.pledgee)


# --- accepted


def test_a_pledge_takes_value_from_what_is_free(consortium: Consortium) -> None:
    receivable = consortium.registered()
    operation = consortium.pledging(receivable, 6_000)
    raw = consortium.entry(operation)
    consortium.commit(raw)
    lien = liens(consortium, receivable)[0]
    assert lien.lien_id == lien_id(checked(raw).entry_id, 0)
    assert (lien.pledgor, lien.pledgee, lien.amount, lien.behind) == (EXPORTER, FACTOR_1, 6_000, None)
    assert lien.place == Reference(lien.lien_id, 2, 0, 0)
    assert free_amount(consortium.record(receivable), EXPORTER).amount == 4_000


def test_an_assignee_may_pledge_its_part(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 5_000))
    by_factor = consortium.pledging(receivable, 5_001, FACTOR_2, pledgor=FACTOR_1)
    assert consortium.code(by_factor) is Code.EMPTY_PLEDGE
    assert consortium.code(replace(by_factor, amount=5_000)) is Code.OK
    assert consortium.code(consortium.pledging(receivable, 5_000, FACTOR_3)) is Code.OK


@pytest.mark.parametrize(
    ("amount", "code"),
    [(0, Code.AMOUNT_NOT_POSITIVE), (1, Code.OK), (10_000, Code.OK), (10_001, Code.EMPTY_PLEDGE)],
)
def test_at_most_the_whole_is_pledged(consortium: Consortium, amount: int, code: Code) -> None:
    receivable = consortium.registered()
    assert consortium.code(consortium.pledging(receivable, amount)) is code


@pytest.mark.parametrize(
    ("term_ms", "code"),
    [
        (LIEN_TERM_MS_MIN - 1, Code.TERM),
        (LIEN_TERM_MS_MIN, Code.OK),
        (LIEN_TERM_MS_MAX, Code.OK),
        (LIEN_TERM_MS_MAX + 1, Code.TERM),
        (-1, Code.TERM),
    ],
)
def test_a_pledge_runs_for_a_month_to_thirty_years(consortium: Consortium, term_ms: int, code: Code) -> None:
    receivable = consortium.registered()
    operation = consortium.pledging(receivable, until_ms=consortium.now_ms + term_ms)
    assert consortium.code(operation) is code


# --- duplicate or empty


def test_pledging_twice_is_a_duplicate_that_names_the_first_lien(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.pledging(receivable, 6_000))
    first = liens(consortium, receivable)[0]
    for pledgee in (FACTOR_1, FACTOR_2):
        result = consortium.result(consortium.pledging(receivable, 6_000, pledgee))
        assert (result.code, result.collided_with) == (Code.DUPLICATE_PLEDGE, first.place)
        assert result.reasons == (Reason("held", 10_000), Reason("pledged", 6_000))
        assert result.collided_with is not None
        assert result.collided_with.subject == first.lien_id


def test_a_pledge_after_assignment_is_a_duplicate_that_names_the_assignment(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable))
    result = consortium.result(consortium.pledging(receivable, to=FACTOR_2))
    assert (result.code, result.collided_with) == (Code.DUPLICATE_PLEDGE, Reference(receivable, 2, 0, 0))
    assert result.reasons == (Reason("assigned", 10_000),)


def test_a_pledge_after_a_partial_assignment(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 7_000))
    result = consortium.result(consortium.pledging(receivable, 3_001, FACTOR_2))
    assert (result.code, result.collided_with) == (Code.DUPLICATE_PLEDGE, Reference(receivable, 2, 0, 0))
    assert result.reasons == (Reason("held", 3_000), Reason("assigned", 7_000))
    assert consortium.code(consortium.pledging(receivable, 3_000, FACTOR_2)) is Code.OK


def test_a_pledge_of_more_than_ever_was_there_is_empty(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.pledging(receivable, 6_000))
    result = consortium.result(consortium.pledging(receivable, 10_001, FACTOR_2))
    assert (result.code, result.collided_with) == (Code.EMPTY_PLEDGE, consortium.record(receivable).place)


def test_a_pledge_of_nothing_that_exists_is_empty(consortium: Consortium) -> None:
    result = consortium.result(consortium.pledging(bytes(32)))
    assert (result.code, result.collided_with) == (Code.EMPTY_PLEDGE, None)
    assert result.reasons == (Reason("not_existing", 0),)


def test_a_pledge_by_who_never_held_is_refused(consortium: Consortium) -> None:
    receivable = consortium.registered()
    result = consortium.result(consortium.pledging(receivable, 1, pledgor=TRADER))
    assert (result.code, result.collided_with) == (Code.NOT_HOLDER, consortium.record(receivable).place)


def test_a_paid_receivable_is_an_empty_pledge(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(payment(receivable, 10_000))
    result = consortium.result(consortium.pledging(receivable, 1))
    assert (result.code, result.reasons) == (Code.EMPTY_PLEDGE, (Reason("paid", 10_000),))


def test_a_paid_part_of_a_receivable_is_an_empty_pledge(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(payment(receivable, 4_000))
    assert consortium.code(consortium.pledging(receivable, 6_001)) is Code.EMPTY_PLEDGE
    assert consortium.code(consortium.pledging(receivable, 6_000)) is Code.OK


def test_what_was_assigned_and_then_paid_is_empty(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable))
    consortium.do(payment(receivable, 8_000, holder=FACTOR_1))
    result = consortium.result(consortium.pledging(receivable, 2_001, FACTOR_2))
    assert result.code is Code.EMPTY_PLEDGE
    assert result.reasons == (Reason("assigned", 10_000), Reason("paid", 8_000))
    assert consortium.code(consortium.pledging(receivable, 2_000, FACTOR_2)) is Code.DUPLICATE_PLEDGE


def test_a_settled_or_cancelled_receivable_is_an_empty_pledge(consortium: Consortium) -> None:
    settled, cancelled = consortium.registered(), consortium.registered()
    consortium.do(consortium.assignment(settled, 1))
    consortium.do(settlement(settled, (EXPORTER, FACTOR_1), write_off=True))
    consortium.do(cancellation(cancelled))
    for receivable, word, held in ((settled, "settled", 9_999), (cancelled, "cancelled", 10_000)):
        result = consortium.result(consortium.pledging(receivable, 1))
        assert result.code is Code.EMPTY_PLEDGE
        assert result.reasons == (Reason("held", held), Reason(word, held))


def test_disputed_value_is_an_empty_pledge(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(dispute(receivable, 4_000))
    result = consortium.result(consortium.pledging(receivable, 6_001))
    assert result.code is Code.EMPTY_PLEDGE
    assert result.reasons == (Reason("held", 10_000), Reason("disputed", 4_000))
    assert consortium.code(consortium.pledging(receivable, 6_000)) is Code.OK


def test_pledged_and_disputed_value_can_overlap_and_leaves_nothing_free(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.pledging(receivable, 8_000))
    consortium.do(dispute(receivable, 8_000))
    assert free_amount(consortium.record(receivable), EXPORTER).amount == 0
    result = consortium.result(consortium.pledging(receivable, 1, FACTOR_2))
    assert result.code is Code.DUPLICATE_PLEDGE
    result = consortium.result(consortium.pledging(receivable, 2_001, FACTOR_2))
    assert result.code is Code.EMPTY_PLEDGE


@pytest.mark.parametrize("policy", [ConfirmationPolicy.FOR_PLEDGE, ConfirmationPolicy.BOTH])
def test_an_unconfirmed_receivable_is_an_empty_pledge_where_the_policy_says_so(
    policy: ConfirmationPolicy,
) -> None:
    consortium = found(replace(OPEN_POLICY, require_confirmation=policy))
    receivable = consortium.registered()
    result = consortium.result(consortium.pledging(receivable, 1))
    assert (result.code, result.reasons) == (Code.EMPTY_PLEDGE, (Reason("confirmed", 0),))
    consortium.do(confirmation(receivable, 5_000))
    assert consortium.code(consortium.pledging(receivable, 5_001)) is Code.EMPTY_PLEDGE
    assert consortium.code(consortium.pledging(receivable, 3_000)) is Code.OK
    # What the first lien relies on cannot carry a second one.
    assert consortium.code(consortium.pledging(receivable, 2_001, FACTOR_2)) is Code.EMPTY_PLEDGE
    assert consortium.code(consortium.pledging(receivable, 2_000, FACTOR_2)) is Code.OK


def test_a_confirmation_for_pledges_is_shared_by_all_holders() -> None:
    consortium = found(replace(OPEN_POLICY, require_confirmation=ConfirmationPolicy.FOR_PLEDGE))
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 5_000))
    consortium.do(confirmation(receivable, 5_000))
    assert consortium.code(consortium.pledging(receivable, 3_000)) is Code.OK
    by_factor = consortium.pledging(receivable, 2_001, FACTOR_2, pledgor=FACTOR_1)
    assert consortium.code(by_factor) is Code.EMPTY_PLEDGE
    assert consortium.code(replace(by_factor, amount=2_000)) is Code.OK


# --- the policy of a disposal


def test_policy_refusals_of_a_pledge(consortium: Consortium) -> None:
    own = FINGERPRINT_KEY.debtor(DEBTOR_FACTOR)
    past = consortium.registered(issue_date=START_DAY - 9, due_date=START_DAY - 1)
    related = consortium.registered(debtor_reference=own)
    first, second = (consortium.registered(number, similar=None) for number in ("A", "B"))
    assert consortium.code(consortium.pledging(past)) is Code.PAST_DUE
    assert consortium.code(consortium.pledging(related, to=DEBTOR_FACTOR)) is Code.RELATED_PARTY
    wrong = consortium.pledging(first, verified_fingerprints=bytes(32))
    assert consortium.code(wrong) is Code.FINGERPRINT_MISMATCH
    assert consortium.code(consortium.pledging(first)) is Code.SUSPICION_NOT_ACKNOWLEDGED
    assert consortium.code(consortium.pledging(first, acknowledged_suspicions=(second,))) is Code.OK


def test_precedence_of_broken_rules(consortium: Consortium) -> None:
    own = FINGERPRINT_KEY.debtor(DEBTOR_FACTOR)
    receivable = consortium.registered(issue_date=START_DAY - 9, due_date=START_DAY - 1, debtor_reference=own)
    wrong = consortium.pledging(
        bytes(32), 0, DEBTOR_FACTOR, pledgor=TRADER, until_ms=1, verified_fingerprints=bytes(32)
    )
    assert consortium.code(wrong) is Code.EMPTY_PLEDGE
    wrong = replace(wrong, receivable=receivable)
    assert consortium.code(wrong) is Code.AMOUNT_NOT_POSITIVE
    wrong = replace(wrong, amount=10_001)
    assert consortium.code(wrong) is Code.NOT_HOLDER
    wrong = replace(wrong, pledgor=EXPORTER)
    assert consortium.code(wrong) is Code.TERM
    wrong = replace(wrong, until_ms=consortium.now_ms + 60 * DAY_MS)
    assert consortium.code(wrong) is Code.EMPTY_PLEDGE
    wrong = replace(wrong, amount=10_000)
    assert consortium.code(wrong) is Code.PAST_DUE


def test_a_receivable_carries_a_bounded_number_of_liens(consortium: Consortium) -> None:
    receivable = consortium.registered()
    codes = [consortium.code(consortium.pledging(receivable, 1)) for _ in range(LIENS_MAX + 1)]
    assert codes == [Code.OK] * LIENS_MAX + [Code.LIMIT_REACHED]


# --- junior liens


def test_a_junior_lien_stands_behind_a_senior_one_and_takes_no_value(consortium: Consortium) -> None:
    receivable = consortium.registered()
    senior = pledged(consortium, receivable, 10_000)
    junior = pledged(
        consortium, receivable, 10_000, FACTOR_2, junior_to=behind(consortium, receivable, senior)
    )
    record = consortium.record(receivable)
    assert record.pledged_by(EXPORTER) == 10_000
    lien = record.lien(junior)
    assert lien is not None
    assert lien.behind == senior


@pytest.mark.parametrize(("amount", "code"), [(6_000, Code.OK), (6_001, Code.EMPTY_PLEDGE)])
def test_a_junior_lien_is_at_most_as_large_as_the_senior_one(
    consortium: Consortium, amount: int, code: Code
) -> None:
    receivable = consortium.registered()
    senior = pledged(consortium, receivable, 6_000)
    junior = consortium.pledging(
        receivable, amount, FACTOR_2, junior_to=behind(consortium, receivable, senior)
    )
    result = consortium.result(junior)
    assert result.code is code
    if code is not Code.OK:
        assert result.reasons == (Reason("pledged", 6_000),)
        assert result.collided_with == liens(consortium, receivable)[0].place


def test_only_one_lien_stands_behind_another(consortium: Consortium) -> None:
    receivable = consortium.registered()
    senior = pledged(consortium, receivable, 6_000)
    to = behind(consortium, receivable, senior)
    second = pledged(consortium, receivable, 5_000, FACTOR_2, junior_to=to)
    result = consortium.result(consortium.pledging(receivable, 1, FACTOR_3, junior_to=to))
    assert (result.code, result.collided_with) == (
        Code.DUPLICATE_PLEDGE,
        liens(consortium, receivable)[1].place,
    )
    third = behind(consortium, receivable, second)
    assert consortium.code(consortium.pledging(receivable, 5_000, FACTOR_3, junior_to=third)) is Code.OK


def test_a_junior_pledge_names_a_lien_of_that_pledgee_on_that_part(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 5_000, FACTOR_3))
    senior = pledged(consortium, receivable, 5_000)
    wrong = (
        consortium.pledging(receivable, 1, FACTOR_2, junior_to=Junior(bytes(32), FACTOR_1)),
        consortium.pledging(receivable, 1, FACTOR_2, junior_to=Junior(senior, FACTOR_3)),
        consortium.pledging(receivable, 1, FACTOR_2, pledgor=FACTOR_3, junior_to=Junior(senior, FACTOR_1)),
    )
    for operation in wrong:
        assert consortium.code(operation) is Code.NOT_LIENHOLDER


def test_release_promotes_the_lien_behind(consortium: Consortium) -> None:
    receivable = consortium.registered()
    senior = pledged(consortium, receivable, 9_000)
    junior = pledged(
        consortium, receivable, 7_000, FACTOR_2, junior_to=behind(consortium, receivable, senior)
    )
    third = pledged(consortium, receivable, 5_000, FACTOR_3, junior_to=behind(consortium, receivable, junior))
    assert free_amount(consortium.record(receivable), EXPORTER).amount == 1_000
    assert consortium.code(release(receivable, senior)) is Code.OK
    assert [(lien.lien_id, lien.behind) for lien in liens(consortium, receivable)] == [
        (junior, None),
        (third, junior),
    ]
    assert free_amount(consortium.record(receivable), EXPORTER).amount == 3_000
    assert consortium.code(release(receivable, third, FACTOR_3)) is Code.OK
    assert consortium.code(release(receivable, junior, FACTOR_2)) is Code.OK
    assert free_amount(consortium.record(receivable), EXPORTER).amount == 10_000


def test_release_of_the_middle_lien_joins_its_neighbours(consortium: Consortium) -> None:
    receivable = consortium.registered()
    senior = pledged(consortium, receivable, 9_000)
    middle = pledged(consortium, receivable, 7_000, FACTOR_2, junior_to=Junior(senior, FACTOR_1))
    third = pledged(consortium, receivable, 5_000, FACTOR_3, junior_to=Junior(middle, FACTOR_2))
    consortium.do(release(receivable, middle, FACTOR_2))
    assert [(lien.lien_id, lien.behind) for lien in liens(consortium, receivable)] == [
        (senior, None),
        (third, senior),
    ]


# --- ReleasePledge


def test_only_the_pledgee_releases_its_lien(consortium: Consortium) -> None:
    receivable = consortium.registered()
    lien = pledged(consortium, receivable, 10_000)
    assert consortium.code(release(receivable, lien, FACTOR_2)) is Code.NOT_LIENHOLDER
    assert consortium.code(release(receivable, bytes(32))) is Code.NOT_LIENHOLDER
    assert consortium.code(release(bytes(32), lien)) is Code.UNKNOWN_RECEIVABLE
    assert consortium.code(release(receivable, lien)) is Code.OK
    assert consortium.code(release(receivable, lien)) is Code.NOT_LIENHOLDER


def test_released_value_can_be_pledged_again(consortium: Consortium) -> None:
    receivable = consortium.registered()
    lien = pledged(consortium, receivable, 10_000)
    again = consortium.pledging(receivable, to=FACTOR_2)
    assert consortium.code(again) is Code.DUPLICATE_PLEDGE
    consortium.do(release(receivable, lien))
    assert consortium.code(again) is Code.OK


# --- expiry


def test_a_lien_ends_with_the_first_block_at_its_time(consortium: Consortium) -> None:
    receivable = consortium.registered()
    until_ms = consortium.now_ms + 40 * DAY_MS
    consortium.do(consortium.pledging(receivable, until_ms=until_ms))
    consortium.pass_time(until_ms - 1)
    assert len(liens(consortium, receivable)) == 1
    again = consortium.pledging(receivable, to=FACTOR_2, until_ms=until_ms + 60 * DAY_MS)
    # The lien ends before the block's first entry.
    assert consortium.code(again, time_ms=until_ms) is Code.OK
    assert [lien.pledgee for lien in liens(consortium, receivable)] == [FACTOR_2]


def test_a_junior_lien_moves_up_when_the_senior_one_expires(consortium: Consortium) -> None:
    receivable = consortium.registered()
    soon, late = consortium.now_ms + 40 * DAY_MS, consortium.now_ms + 80 * DAY_MS
    senior = pledged(consortium, receivable, 10_000, until_ms=soon)
    junior = pledged(
        consortium, receivable, 4_000, FACTOR_2, until_ms=late, junior_to=Junior(senior, FACTOR_1)
    )
    consortium.pass_time(soon)
    assert [(lien.lien_id, lien.behind) for lien in liens(consortium, receivable)] == [(junior, None)]
    assert consortium.record(receivable).changed_height == consortium.tip.height
    consortium.pass_time(late)
    assert liens(consortium, receivable) == ()


def test_liens_of_one_receivable_with_one_end_expire_together(consortium: Consortium) -> None:
    receivable = consortium.registered()
    until_ms = consortium.now_ms + 40 * DAY_MS
    for pledgee in (FACTOR_1, FACTOR_2):
        pledged(consortium, receivable, 2_000, pledgee, until_ms=until_ms)
    pledged(consortium, receivable, 2_000, FACTOR_3, until_ms=until_ms + 1)
    consortium.pass_time(until_ms)
    assert [lien.pledgee for lien in liens(consortium, receivable)] == [FACTOR_3]


def test_liens_of_one_receivable_with_two_ends_expire_in_one_block(consortium: Consortium) -> None:
    receivable = consortium.registered()
    until_ms = consortium.now_ms + 40 * DAY_MS
    for later_ms, pledgee in enumerate((FACTOR_1, FACTOR_2, FACTOR_3)):
        pledged(consortium, receivable, 2_000, pledgee, until_ms=until_ms + later_ms)
    consortium.pass_time(until_ms + 1)
    assert [lien.pledgee for lien in liens(consortium, receivable)] == [FACTOR_3]


def test_a_released_lien_leaves_nothing_to_expire(consortium: Consortium) -> None:
    receivable = consortium.registered()
    lien = pledged(consortium, receivable, 10_000)
    assert len(consortium.state.due(2**60, 10)) == 1
    consortium.do(release(receivable, lien))
    assert consortium.state.due(2**60, 10) == ()


def test_the_index_changes_only_with_the_liens(consortium: Consortium) -> None:
    receivable = consortium.registered()
    until_ms = consortium.now_ms + 40 * DAY_MS
    pledged(consortium, receivable, 4_000, until_ms=until_ms)
    delta = consortium.blocks[-1].result.delta
    assert (delta.due_added, delta.due_removed) == (((until_ms, receivable),), ())
    for operation in (confirmation(receivable), payment(receivable, 8_000, consenting=[FACTOR_1])):
        delta = consortium.commit(consortium.entry(operation)).result.delta
        assert (delta.due_added, delta.due_removed) == ((), ())
    delta = consortium.commit(
        consortium.entry(payment(receivable, 2_000, consenting=[FACTOR_1]))
    ).result.delta
    assert (delta.due_added, delta.due_removed) == ((), ((until_ms, receivable),))


def test_a_lien_made_and_released_in_one_block_never_reaches_the_index(consortium: Consortium) -> None:
    receivable = consortium.registered()
    pledge = consortium.entry(consortium.pledging(receivable))
    gone = consortium.entry(release(receivable, lien_id(checked(pledge).entry_id, 0)))
    delta = consortium.commit(pledge, gone).result.delta
    assert (delta.due_added, delta.due_removed) == ((), ())


def test_one_block_ends_a_bounded_number_of_liens(consortium: Consortium) -> None:
    """What is left ends in the next block, in the order of time."""
    count = EXPIRIES_PER_BLOCK_MAX + 5
    until_ms = consortium.now_ms + 40 * DAY_MS
    registrations = [consortium.registration(f"N{n}") for n in range(count)]
    receipts = consortium.commit(
        consortium.entry(*registrations[:500]),
        consortium.entry(*registrations[500:1000]),
        consortium.entry(*registrations[1000:]),
    ).receipts
    ids = [result.subject for receipt in receipts for result in receipt.results]
    pledges = [
        consortium.pledging(receivable, until_ms=until_ms + n // 500) for n, receivable in enumerate(ids)
    ]
    for first in range(0, count, 500):
        consortium.commit(consortium.entry(*pledges[first : first + 500]))
    consortium.pass_time(until_ms + 10)
    left = [n for n, receivable in enumerate(ids) if liens(consortium, receivable)]
    assert len(left) == 5
    assert min(left) >= 1000
    consortium.pass_time(until_ms + 11)
    assert not any(liens(consortium, receivable) for receivable in ids)


# --- payments


def test_a_payment_on_a_pledged_part_takes_what_is_free_first(consortium: Consortium) -> None:
    receivable = consortium.registered()
    pledged(consortium, receivable, 6_000)
    consortium.do(payment(receivable, 4_000))
    assert liens(consortium, receivable)[0].amount == 6_000
    consortium.do(payment(receivable, 1_000, consenting=[FACTOR_1]))
    assert liens(consortium, receivable)[0].amount == 5_000


def test_a_payment_shrinks_the_latest_lien_first(consortium: Consortium) -> None:
    receivable = consortium.registered()
    for pledgee in (FACTOR_1, FACTOR_2, FACTOR_3):
        pledged(consortium, receivable, 3_000, pledgee)
    consortium.do(payment(receivable, 5_000, reporter=BANK))
    assert [(lien.pledgee, lien.amount) for lien in liens(consortium, receivable)] == [
        (FACTOR_1, 3_000),
        (FACTOR_2, 2_000),
    ]
    consortium.do(payment(receivable, 4_000, consenting=[FACTOR_1, FACTOR_2]))
    assert [(lien.pledgee, lien.amount) for lien in liens(consortium, receivable)] == [(FACTOR_1, 1_000)]
    consortium.do(payment(receivable, 1_000, consenting=[FACTOR_1]))
    assert liens(consortium, receivable) == ()


def test_a_payment_caps_the_liens_behind_a_lien_that_shrinks(consortium: Consortium) -> None:
    receivable = consortium.registered()
    senior = pledged(consortium, receivable, 10_000)
    pledged(consortium, receivable, 8_000, FACTOR_2, junior_to=Junior(senior, FACTOR_1))
    assert consortium.code(payment(receivable, 5_000, consenting=[FACTOR_1])) is Code.PLEDGED
    consortium.do(payment(receivable, 5_000, consenting=[FACTOR_1, FACTOR_2]))
    assert [lien.amount for lien in liens(consortium, receivable)] == [5_000, 5_000]
    consortium.do(payment(receivable, 5_000, reporter=BANK, reference="second half"))
    assert liens(consortium, receivable) == ()
    assert consortium.state.due(2**60, 10) == ()


def test_a_payment_on_another_part_leaves_liens_alone(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 5_000, FACTOR_2))
    pledged(consortium, receivable, 5_000)
    consortium.do(payment(receivable, 5_000, holder=FACTOR_2))
    assert liens(consortium, receivable)[0].amount == 5_000
