"""BindCover: who may be covered by whom against what, once, and within the policy's limit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from registry.errors import Code, EntryRefused, InvariantViolation, Reason, Reference
from registry.operations.governance import Role
from registry.policy import RelatedPartyPolicy
from registry.receivable import Phase, check_invariants
from registry.record.covers import PolicyUse, with_covered
from registry.status import summarise
from registry.stored import Namespace
from tests.registry.collection_examples import (
    at,
    pledged,
)
from tests.registry.consortium import (
    DAY_MS,
    DEBTOR,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    FACTOR_3,
    INSURER,
    INSURER_2,
    INSURER_FACTOR,
    OPEN_POLICY,
    START_DAY,
    Consortium,
    cancellation,
    dispute,
    found,
)
from tests.registry.cover_examples import (
    OTHER_POLICY,
    binding,
    covered,
    ending,
    grouped,
    in_default,
    use_of,
)
from tests.registry.existence_examples import accredit, red_letter, rejection


def test_a_part_is_covered(consortium: Consortium) -> None:
    receivable = consortium.registered()
    result = consortium.result(binding(receivable, 6_000))
    assert (result.code, result.subject, result.reasons) == (Code.OK, receivable, ())
    record = consortium.record(receivable)
    (cover,) = record.covers
    assert (cover.insurer, cover.insured, cover.amount, cover.loss_payee) == (
        INSURER,
        EXPORTER,
        6_000,
        EXPORTER,
    )
    assert (record.covered(EXPORTER), record.covered(FACTOR_1)) == (6_000, 0)
    assert INSURER in record.parties()
    use = use_of(consortium)
    assert use is not None
    assert (use.covered, use.claimed, use.left, use.place) == (6_000, 0, 44_000, cover.place)


def test_cover_takes_nothing_out_of_what_is_free(consortium: Consortium) -> None:
    receivable = consortium.registered()
    before = summarise(consortium.record(receivable))
    covered(consortium, receivable)
    after = summarise(consortium.record(receivable))
    assert replace(after, since_height=before.since_height) == before


def test_of_a_receivable_that_is_not_there_nothing_is_covered(consortium: Consortium) -> None:
    assert consortium.code(binding(bytes(32))) is Code.UNKNOWN_RECEIVABLE


def test_of_what_is_closed_nothing_is_covered(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(cancellation(receivable))
    assert consortium.code(binding(receivable)) is Code.CLOSED


@pytest.mark.parametrize("changes", [{"amount": 0}, {"policy_limit": 0}])
def test_amounts_of_a_cover_are_positive(consortium: Consortium, changes: dict[str, Any]) -> None:
    receivable = consortium.registered()
    assert consortium.code(binding(receivable, **changes)) is Code.AMOUNT_NOT_POSITIVE


def test_a_cover_ends_in_the_future(consortium: Consortium) -> None:
    receivable = consortium.registered()
    assert consortium.code(binding(receivable, until_ms=consortium.now_ms)) is Code.TERM
    assert consortium.code(binding(receivable, until_ms=consortium.now_ms + 1)) is Code.OK


def test_insurer_and_insured_both_sign(consortium: Consortium) -> None:
    operation = binding(consortium.registered())
    for signer in (INSURER, EXPORTER):
        with pytest.raises(EntryRefused) as refusal:
            consortium.commit(consortium.entry(operation, by=signer, signed_by=(signer,)))
        assert refusal.value.code is Code.MISSING_SIGNATURE


def test_nobody_insures_itself(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 10_000, INSURER_FACTOR))
    operation = binding(receivable, insured=INSURER_FACTOR, insurer=INSURER_FACTOR)
    with pytest.raises(EntryRefused) as refusal:
        consortium.commit(consortium.entry(operation, by=INSURER_FACTOR, signed_by=(INSURER_FACTOR,)))
    assert refusal.value.code is Code.NOT_PERMITTED


def test_only_an_insurer_covers(consortium: Consortium) -> None:
    receivable = consortium.registered()
    with pytest.raises(EntryRefused) as refusal:
        consortium.do(binding(receivable, insurer=FACTOR_1))
    assert refusal.value.code is Code.NOT_PERMITTED


@pytest.mark.parametrize(
    ("amount", "code"), [(10_000, Code.OK), (10_001, Code.INELIGIBLE)], ids=["all of it", "more"]
)
def test_no_more_is_covered_than_is_held(consortium: Consortium, amount: int, code: Code) -> None:
    receivable = consortium.registered()
    result = consortium.result(binding(receivable, amount))
    assert result.code is code
    if code is not Code.OK:
        assert result.reasons == (Reason("held", 10_000),)
        assert result.collided_with == consortium.record(receivable).place


def test_who_holds_nothing_is_not_covered(consortium: Consortium) -> None:
    receivable = consortium.registered()
    grouped(consortium, INSURER, EXPORTER)
    result = consortium.result(binding(receivable, 1, FACTOR_1))
    # Nor does it learn that its insurer is of the exporter's group.
    assert (result.code, result.reasons) == (Code.INELIGIBLE, (Reason("held", 0),))
    assert result.collided_with == consortium.record(receivable).place


@pytest.mark.parametrize(("amount", "code"), [(6_000, Code.OK), (6_001, Code.INELIGIBLE)])
def test_what_is_disputed_is_not_covered(consortium: Consortium, amount: int, code: Code) -> None:
    receivable = consortium.registered()
    consortium.do(dispute(receivable, 4_000))
    result = consortium.result(binding(receivable, amount))
    assert result.code is code
    if code is not Code.OK:
        assert result.reasons == (Reason("held", 10_000), Reason("disputed", 4_000))


def test_what_the_debtor_has_rejected_is_not_covered(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(rejection(receivable))
    result = consortium.result(binding(receivable))
    assert (result.code, result.reasons) == (Code.INELIGIBLE, (Reason("rejected", 10_000),))


def test_what_an_attester_has_voided_is_not_covered(consortium: Consortium) -> None:
    accredit(consortium)
    receivable = consortium.registered()
    consortium.do(red_letter(consortium, receivable))
    assert consortium.result(binding(receivable)).reasons == (Reason("voided", 10_000),)


@pytest.mark.parametrize(("days", "code"), [(0, Code.OK), (1, Code.INELIGIBLE)])
def test_a_loss_that_has_come_is_not_covered_any_more(consortium: Consortium, days: int, code: Code) -> None:
    receivable = consortium.registered()
    time_ms = (START_DAY + 90 + days) * DAY_MS
    result = consortium.result(binding(receivable), **at(time_ms))
    assert result.code is code
    if code is not Code.OK:
        assert result.reasons == (Reason("overdue", 10_000),)


def test_after_a_default_nothing_more_is_covered(consortium: Consortium) -> None:
    receivable, _cover = in_default(consortium, 5_000)
    assert consortium.result(binding(receivable, 1)).reasons == (Reason("overdue", 10_000),)


@pytest.mark.parametrize(
    ("insurer", "word"),
    [("exporter", "exporter"), ("debtor", "debtor"), ("holder", "holder"), ("pledgee", "pledgee")],
)
def test_who_has_an_interest_of_its_own_does_not_insure(
    consortium: Consortium, insurer: str, word: str
) -> None:
    who = {"exporter": EXPORTER, "debtor": DEBTOR, "holder": FACTOR_1, "pledgee": FACTOR_2}[insurer]
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 5_000))
    pledged(consortium, receivable, 1_000, pledgee=FACTOR_2)
    member = consortium.working().member(who)
    assert member is not None
    consortium.change_member(who, roles=(*member.roles, Role.INSURER))
    insured = EXPORTER if who != EXPORTER else FACTOR_1
    result = consortium.result(binding(receivable, 1_000, insured, insurer=who))
    assert (result.code, result.reasons) == (Code.INELIGIBLE, (Reason(word, 1_000),))


@pytest.mark.parametrize("relative", [EXPORTER, DEBTOR, FACTOR_1])
def test_an_insurer_of_a_partys_group_does_not_insure(consortium: Consortium, relative: str) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 5_000))
    grouped(consortium, INSURER, relative)
    result = consortium.result(binding(receivable, 1_000))
    assert (result.code, result.reasons) == (Code.INELIGIBLE, (Reason("related_party", 1_000),))
    assert consortium.code(binding(receivable, 1_000, insurer=INSURER_2)) is Code.OK


def test_who_is_of_the_debtors_group_is_not_covered_against_it(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 5_000))
    grouped(consortium, FACTOR_1, DEBTOR)
    assert consortium.result(binding(receivable, 1_000, FACTOR_1)).reasons == (
        Reason("related_party", 1_000),
    )
    assert consortium.code(binding(receivable, 1_000, EXPORTER)) is Code.OK


def test_a_policy_that_lets_related_parties_pass_flags_their_cover() -> None:
    consortium = found(replace(OPEN_POLICY, related_party=RelatedPartyPolicy.FLAG))
    receivable = consortium.registered()
    grouped(consortium, INSURER, EXPORTER)
    result = consortium.result(binding(receivable, 1_000))
    assert (result.code, result.reasons) == (Code.OK, (Reason("related_party", 1_000),))


def test_an_insurer_whose_group_cannot_be_known_does_not_insure(consortium: Consortium) -> None:
    consortium.change_member(INSURER, debtor_reference=None)
    result = consortium.result(binding(consortium.registered(), 1_000))
    assert (result.code, result.reasons) == (Code.INELIGIBLE, (Reason("insurer", 1_000),))


def test_a_lienholder_may_be_the_loss_payee(consortium: Consortium) -> None:
    receivable = consortium.registered()
    assert consortium.result(binding(receivable, 1_000, loss_payee=FACTOR_1)).reasons == (
        Reason("loss_payee", 1_000),
    )
    pledged(consortium, receivable, 3_000)
    cover = covered(consortium, receivable, 1_000, loss_payee=FACTOR_1)
    assert cover.loss_payee == FACTOR_1
    # A lien on somebody else's part is nothing that the insured could lose.
    consortium.do(consortium.assignment(receivable, 2_000, FACTOR_2))
    assert consortium.code(binding(receivable, 1_000, FACTOR_2, loss_payee=FACTOR_1)) is Code.INELIGIBLE


@pytest.mark.parametrize(
    "changes",
    [{}, {"insurer": INSURER_2}, {"policy": OTHER_POLICY}, {"insurer": INSURER_2, "policy": OTHER_POLICY}],
    ids=["same policy", "other insurer", "other policy", "both"],
)
def test_one_risk_is_covered_once(consortium: Consortium, changes: dict[str, Any]) -> None:
    receivable = consortium.registered()
    first = covered(consortium, receivable, 7_000)
    assert consortium.code(binding(receivable, 3_000, **changes)) is Code.OK
    result = consortium.result(binding(receivable, 1, **changes))
    assert (result.code, result.collided_with) == (Code.DOUBLE_COVER, first.place)
    assert result.reasons == (Reason("held", 10_000), Reason("covered", 10_000))


def test_parts_of_several_holders_are_covered_side_by_side(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 4_000))
    covered(consortium, receivable, 6_000, EXPORTER)
    covered(consortium, receivable, 4_000, FACTOR_1, insurer=INSURER_2)
    assert consortium.code(binding(receivable, 1, FACTOR_1)) is Code.DOUBLE_COVER
    record = consortium.record(receivable)
    assert (record.covered(EXPORTER), record.covered(FACTOR_1)) == (6_000, 4_000)


def test_a_policy_covers_no_more_than_its_limit(consortium: Consortium) -> None:
    first, second = consortium.registered(), consortium.registered()
    cover = covered(consortium, first, 8_000, policy_limit=12_000)
    result = consortium.result(binding(second, 4_001, policy_limit=12_000))
    assert (result.code, result.collided_with) == (Code.OVER_LIMIT, cover.place)
    assert result.reasons == (Reason("limit", 12_000), Reason("covered", 8_000))
    assert consortium.code(binding(second, 4_000, policy_limit=12_000)) is Code.OK


def test_the_first_cover_cannot_exceed_the_limit_either(consortium: Consortium) -> None:
    receivable = consortium.registered()
    assert consortium.code(binding(receivable, 8_001, policy_limit=8_000)) is Code.OVER_LIMIT
    assert use_of(consortium) is None


@pytest.mark.parametrize("limit", [49_999, 50_001])
def test_a_policy_has_one_limit(consortium: Consortium, limit: int) -> None:
    first, second = consortium.registered(), consortium.registered()
    cover = covered(consortium, first, 8_000)
    result = consortium.result(binding(second, 1, policy_limit=limit))
    assert (result.code, result.collided_with) == (Code.OVER_LIMIT, cover.place)
    # Also when nothing stands under it any more: a payment that is called back may bring cover back.
    consortium.do(ending(first, cover))
    assert consortium.code(binding(second, 1, policy_limit=limit)) is Code.OVER_LIMIT
    assert consortium.code(binding(second, 1)) is Code.OK


def test_limits_are_kept_apart_by_insurer_policy_and_currency(consortium: Consortium) -> None:
    receivable, in_euro = consortium.registered(), consortium.registered(currency="EUR")
    covered(consortium, receivable, 1_000, policy_limit=1_000)
    assert consortium.code(binding(receivable, 1, policy_limit=1_000)) is Code.OVER_LIMIT
    for changes in ({"insurer": INSURER_2}, {"policy": OTHER_POLICY}):
        assert consortium.code(binding(receivable, 1_000, policy_limit=1_000, **changes)) is Code.OK
    assert consortium.code(binding(in_euro, 1_000, policy_limit=1_000)) is Code.OK


def test_a_receivable_has_a_bounded_number_of_covers(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(*(binding(receivable, 1) for _ in range(32)))
    assert consortium.code(binding(receivable, 1)) is Code.LIMIT_REACHED


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount": 0, "until_ms": 0}, Code.AMOUNT_NOT_POSITIVE),
        ({"until_ms": 0, "insurer": INSURER_FACTOR}, Code.TERM),
        ({"insurer": INSURER_FACTOR, "amount": 10_001}, Code.INELIGIBLE),
        ({"amount": 10_001, "policy_limit": 1}, Code.INELIGIBLE),
        ({"loss_payee": FACTOR_3, "amount": 9_000}, Code.INELIGIBLE),
        ({"amount": 9_000, "policy_limit": 1}, Code.DOUBLE_COVER),
        ({"amount": 2, "policy_limit": 1}, Code.OVER_LIMIT),
    ],
    ids=[
        "amount, term",
        "term, parties",
        "parties, risk",
        "risk, limit",
        "payee, double",
        "double, limit",
        "limit",
    ],
)
def test_the_first_broken_rule_of_a_cover_is_told(
    consortium: Consortium, changes: dict[str, Any], code: Code
) -> None:
    receivable = consortium.registered(amount=12_000)
    consortium.do(consortium.assignment(receivable, 2_000, INSURER_FACTOR))
    covered(consortium, receivable, 1_500)
    assert consortium.code(binding(receivable, **changes)) is code


# --- what a mistake of ours would break


def test_who_belongs_to_no_group_is_related_to_nobody(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.change_member(EXPORTER, debtor_reference=None)
    assert consortium.code(binding(receivable)) is Code.OK


@pytest.mark.parametrize(
    ("changes", "fact"),
    [
        ({"amount": 10_001}, "covers <= part"),
        ({"insured": FACTOR_1}, "covers <= part"),
        ({"amount": 0}, "covers are positive"),
    ],
)
def test_a_record_with_a_wrong_cover_is_noticed(
    consortium: Consortium, changes: dict[str, Any], fact: str
) -> None:
    receivable = consortium.registered()
    cover = covered(consortium, receivable)
    record = consortium.record(receivable)
    check_invariants(record)
    with pytest.raises(InvariantViolation, match=fact):
        check_invariants(replace(record, covers=(replace(cover, **changes),)))


def test_a_closed_record_with_a_cover_is_noticed(consortium: Consortium) -> None:
    receivable = consortium.registered()
    covered(consortium, receivable)
    record = consortium.record(receivable)
    with pytest.raises(InvariantViolation, match="only what is owed is covered"):
        check_invariants(replace(record, phase=Phase.CANCELLED))


@pytest.mark.parametrize(("covered_before", "gained"), [(0, -1), (4, 4), (7, 1)])
def test_a_policy_beyond_its_limit_is_noticed(covered_before: int, gained: int) -> None:
    use = PolicyUse(limit=10, covered=covered_before, claimed=3, place=Reference(bytes(32), 1, 0, 0))
    with pytest.raises(InvariantViolation):
        with_covered(use, gained)


def test_a_cover_under_a_policy_that_nobody_stated_is_noticed(consortium: Consortium) -> None:
    receivable = consortium.registered()
    cover = covered(consortium, receivable)
    state, record = consortium.working(), consortium.record(receivable)
    forged = replace(record, covers=(replace(cover, policy=OTHER_POLICY),))
    with pytest.raises(InvariantViolation, match="nobody stated"):
        state.put(Namespace.RECEIVABLE, receivable, forged)
