"""ClaimCover: what passes to the insurer, and who is asked; and what suspended members and failed entries leave."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from registry.entry import Mode
from registry.errors import Code, EntryRefused, Reason
from registry.member import MemberStatus
from registry.operations.governance import Role
from registry.receivable import Phase
from tests.registry.assignment_examples import offer
from tests.registry.collection_examples import (
    AFTER_DUE_MS,
    at,
    frozen,
    objection,
    overdue,
    pledged,
)
from tests.registry.consortium import (
    DEBTOR,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    INSURER,
    INSURER_2,
    OPEN_POLICY,
    START_DAY,
    Consortium,
    dispute,
    found,
    payment,
    settlement,
)
from tests.registry.cover_examples import (
    OTHER_POLICY,
    altering,
    binding,
    claiming,
    covered,
    ending,
    in_default,
    use_of,
)
from tests.registry.pool_examples import filled


def test_a_claim_makes_the_part_the_insurers(consortium: Consortium) -> None:
    receivable, cover = in_default(consortium, 8_000, FACTOR_1)
    result = consortium.result(claiming(receivable, cover))
    assert (result.code, result.subject) == (Code.OK, receivable)
    record = consortium.record(receivable)
    assert (record.amount_of(FACTOR_1), record.amount_of(INSURER)) == (2_000, 8_000)
    assert (record.covers, record.outstanding, record.phase) == ((), 10_000, Phase.OVERDUE)
    use = use_of(consortium)
    assert use is not None
    assert (use.covered, use.claimed, use.left) == (0, 8_000, 42_000)


def test_what_was_claimed_is_not_covered_again(consortium: Consortium) -> None:
    receivable, cover = in_default(consortium, 8_000, policy_limit=10_000)
    consortium.do(claiming(receivable, cover, 7_000))
    # The cover is used up, also where less was claimed.
    assert consortium.record(receivable).covers == ()
    other = consortium.registered(due_date=START_DAY + 200)
    result = consortium.result(binding(other, 3_001, policy_limit=10_000))
    assert (result.code, result.reasons) == (
        Code.OVER_LIMIT,
        (Reason("limit", 10_000), Reason("claimed", 7_000)),
    )
    assert consortium.code(binding(other, 3_000, policy_limit=10_000)) is Code.OK


def test_without_a_default_nothing_is_claimed(consortium: Consortium) -> None:
    receivable = consortium.registered()
    cover = covered(consortium, receivable)
    result = consortium.result(claiming(receivable, cover), **at(AFTER_DUE_MS))
    assert (result.code, result.collided_with) == (Code.NO_DEFAULT, consortium.record(receivable).place)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount": 8_001}, Code.OVER_LIMIT),
        ({"amount": 0}, Code.AMOUNT_NOT_POSITIVE),
        ({"cover": bytes(32)}, Code.NO_COVER),
        ({"insurer": INSURER_2}, Code.NO_COVER),
        ({"insured": FACTOR_1}, Code.NO_COVER),
        ({"receivable": bytes(32)}, Code.UNKNOWN_RECEIVABLE),
        ({}, Code.OK),
    ],
)
def test_a_claim_is_for_what_is_covered(consortium: Consortium, changes: dict[str, Any], code: Code) -> None:
    receivable, cover = in_default(consortium, 8_000)
    result = consortium.result(replace(claiming(receivable, cover), **changes))
    assert result.code is code
    if code is Code.OVER_LIMIT:
        assert (result.collided_with, result.reasons) == (cover.place, (Reason("covered", 8_000),))


def test_both_sign_a_claim(consortium: Consortium) -> None:
    receivable, cover = in_default(consortium)
    for signer in (INSURER, EXPORTER):
        with pytest.raises(EntryRefused) as refusal:
            consortium.commit(consortium.entry(claiming(receivable, cover), by=signer, signed_by=(signer,)))
        assert refusal.value.code is Code.MISSING_SIGNATURE


def test_a_restrained_part_does_not_pass_to_the_insurer(consortium: Consortium) -> None:
    receivable, cover = in_default(consortium)
    consortium.do(objection(receivable, DEBTOR))
    assert consortium.code(claiming(receivable, cover)) is Code.OBJECTED
    consortium.do(frozen(receivable))
    assert consortium.code(claiming(receivable, cover)) is Code.FROZEN
    # Ending disposes of nothing.
    assert consortium.code(ending(receivable, cover)) is Code.OK


def test_pledged_value_passes_with_the_pledgees_signature(consortium: Consortium) -> None:
    receivable = consortium.registered()
    lien = pledged(consortium, receivable, 6_000)
    cover = covered(consortium, receivable, 7_000)
    overdue(consortium, receivable)
    # What is free passes without asking.
    assert consortium.code(claiming(receivable, cover, 4_000), mode=Mode.ATOMIC) is Code.OK
    assert consortium.record(receivable).liens == (lien,)


def test_a_claim_on_pledged_value_needs_the_pledgee(consortium: Consortium) -> None:
    receivable = consortium.registered()
    lien = pledged(consortium, receivable, 6_000)
    cover = covered(consortium, receivable, 7_000)
    overdue(consortium, receivable)
    result = consortium.result(claiming(receivable, cover))
    assert (result.code, result.collided_with) == (Code.PLEDGED, lien.place)
    assert consortium.code(claiming(receivable, cover, consenting=[FACTOR_1])) is Code.OK
    record = consortium.record(receivable)
    assert [lien.amount for lien in record.liens] == [3_000]
    assert (record.amount_of(EXPORTER), record.amount_of(INSURER), record.pledged_by(INSURER)) == (
        3_000,
        7_000,
        0,
    )


def test_a_loss_payee_signs_the_claim(consortium: Consortium) -> None:
    receivable = consortium.registered()
    pledged(consortium, receivable, 2_000)
    cover = covered(consortium, receivable, 3_000, loss_payee=FACTOR_1)
    overdue(consortium, receivable)
    result = consortium.result(claiming(receivable, cover))
    assert (result.code, result.collided_with) == (Code.HOLDER_CONSENT, cover.place)
    assert consortium.code(claiming(receivable, cover, consenting=[FACTOR_1])) is Code.OK
    assert [lien.amount for lien in consortium.record(receivable).liens] == [2_000]


def test_a_claim_breaks_no_offer() -> None:
    consortium = found(replace(OPEN_POLICY, dispose_past_due=True))
    receivable, cover = in_default(consortium, 7_000)
    consortium.do(offer(consortium, receivable, 4_000))
    reserved = consortium.record(receivable).reservations[0]
    result = consortium.result(claiming(receivable, cover))
    assert (result.code, result.collided_with) == (Code.RESERVED, reserved.place)
    assert consortium.code(claiming(receivable, cover, 6_000)) is Code.OK
    assert consortium.record(receivable).reservations == (reserved,)


def test_undisputed_value_passes_first(consortium: Consortium) -> None:
    receivable = consortium.registered()
    cover = covered(consortium, receivable, 8_000)
    consortium.do(dispute(receivable, 4_000))
    overdue(consortium, receivable)
    consortium.do(claiming(receivable, cover))
    record = consortium.record(receivable)
    assert (record.disputed_share(EXPORTER), record.disputed_share(INSURER)) == (2_000, 2_000)


def test_an_insurer_collects_and_settles_what_has_passed_to_it(consortium: Consortium) -> None:
    receivable, cover = in_default(consortium)
    consortium.do(claiming(receivable, cover))
    assert consortium.code(payment(receivable, 10_000, holder=INSURER)) is Code.OK
    assert consortium.code(settlement(receivable, (INSURER,))) is Code.OK


@pytest.mark.parametrize(
    ("broken", "code"),
    [
        (("frozen", "amount", "cover"), Code.FROZEN),
        (("amount", "cover"), Code.AMOUNT_NOT_POSITIVE),
        (("cover", "default"), Code.NO_COVER),
        (("default", "over"), Code.NO_DEFAULT),
        (("over", "payee"), Code.OVER_LIMIT),
        (("payee", "lien"), Code.HOLDER_CONSENT),
        (("lien",), Code.PLEDGED),
    ],
)
def test_the_first_broken_rule_of_a_claim_is_told(
    consortium: Consortium, broken: tuple[str, ...], code: Code
) -> None:
    receivable = consortium.registered()
    pledged(consortium, receivable, 9_000)
    pledged(consortium, receivable, 1_000, pledgee=FACTOR_2)
    cover = covered(consortium, receivable, 9_000, loss_payee=FACTOR_1)
    if "default" not in broken:
        overdue(consortium, receivable)
    if "frozen" in broken:
        consortium.do(frozen(receivable))
    operation = claiming(receivable, cover, consenting=[FACTOR_1])
    if "payee" in broken:
        operation = replace(operation, consenting=())
    if "over" in broken:
        operation = replace(operation, amount=9_001)
    if "cover" in broken:
        operation = replace(operation, cover=bytes(32))
    if "amount" in broken:
        operation = replace(operation, amount=0)
    assert consortium.code(operation) is code


# --- members that are suspended, entries that fail


@pytest.mark.parametrize("suspended", [INSURER, EXPORTER])
def test_suspended_parties_end_and_claim_but_do_not_bind(consortium: Consortium, suspended: str) -> None:
    receivable, cover = in_default(consortium, 6_000)
    other = consortium.registered(due_date=START_DAY + 200)
    mine = covered(consortium, other, 1_000)
    consortium.set_status(suspended, MemberStatus.SUSPENDED)
    for operation in (binding(other, 1), altering(other, mine, amount=1)):
        with pytest.raises(EntryRefused) as refusal:
            consortium.do(operation)
        assert refusal.value.code is Code.SUSPENDED
    assert consortium.code(ending(other, mine)) is Code.OK
    assert consortium.code(claiming(receivable, cover)) is Code.OK


def test_a_failed_entry_leaves_no_use_of_the_policy(consortium: Consortium) -> None:
    receivable = consortium.registered()
    covered(consortium, receivable, 1_000)
    before = use_of(consortium)
    receipt = consortium.do(
        binding(receivable, 2_000),
        binding(receivable, 500, policy=OTHER_POLICY),
        payment(receivable, 9_500),
        binding(receivable, 10_000),
    )
    assert receipt.failed_operation == 3
    assert (use_of(consortium), use_of(consortium, INSURER, OTHER_POLICY)) == (before, None)
    assert len(consortium.record(receivable).covers) == 1


def test_a_failed_claim_leaves_the_cover(consortium: Consortium) -> None:
    receivable, cover = in_default(consortium)
    before = use_of(consortium)
    receipt = consortium.do(claiming(receivable, cover), claiming(receivable, cover))
    assert [result.code for result in receipt.results] == [Code.NOT_APPLIED, Code.NO_COVER]
    assert (use_of(consortium), consortium.record(receivable).covers) == (before, (cover,))


def test_within_one_entry_a_limit_is_used_up_in_order(consortium: Consortium) -> None:
    receivable = consortium.registered()
    receipt = consortium.do(
        *(binding(receivable, 3_000, policy_limit=7_000) for _ in range(3)), mode=Mode.INDEPENDENT
    )
    assert [result.code for result in receipt.results] == [Code.OK, Code.OK, Code.OVER_LIMIT]


# --- pools


def test_the_factor_of_a_pool_may_be_the_loss_payee_and_not_the_insurer(consortium: Consortium) -> None:
    consortium.change_member(FACTOR_1, roles=(Role.FACTOR, Role.INSURER))
    _pool, (receivable,) = filled(consortium)
    result = consortium.result(binding(receivable, 1_000, insurer=FACTOR_1))
    assert (result.code, result.reasons) == (Code.INELIGIBLE, (Reason("pledgee", 1_000),))
    cover = covered(consortium, receivable, loss_payee=FACTOR_1)
    assert consortium.code(ending(receivable, cover)) is Code.HOLDER_CONSENT


def test_a_claim_on_a_pooled_part_needs_the_pools_factor(consortium: Consortium) -> None:
    _pool, (receivable,) = filled(consortium)
    cover = covered(consortium, receivable, 6_000)
    overdue(consortium, receivable)
    place = consortium.record(receivable).pool
    result = consortium.result(claiming(receivable, cover))
    assert (result.code, result.collided_with) == (Code.PLEDGED, place and place.place)
    assert result.reasons == (Reason("pooled", 10_000),)
    assert consortium.code(claiming(receivable, cover, consenting=[FACTOR_1])) is Code.OK
    record = consortium.record(receivable)
    assert (record.amount_of(EXPORTER), record.amount_of(INSURER)) == (4_000, 6_000)
