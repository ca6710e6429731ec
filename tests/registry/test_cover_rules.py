"""BindCover, AlterCover, EndCover and ClaimCover: who may be covered against what, and what becomes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from registry.covers import Cover, PolicyUse, with_covered
from registry.entry import Mode
from registry.errors import Code, EntryRefused, InvariantViolation, Reason, Reference
from registry.member import MemberStatus
from registry.operations import Operation
from registry.operations.governance import Role
from registry.operations.relationships import DeclareRelationship
from registry.policy import RelatedPartyPolicy
from registry.receivable import Phase, check_invariants, summarise
from registry.state import Namespace
from tests.registry.assignment_examples import offer
from tests.registry.collection_examples import (
    AFTER_DUE_MS,
    at,
    default,
    frozen,
    objection,
    overdue,
    pledged,
    reversal,
)
from tests.registry.consortium import (
    ASSOCIATION,
    BANK,
    DAY_MS,
    DEBTOR,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    FACTOR_3,
    FINGERPRINT_KEY,
    INSURER,
    INSURER_2,
    INSURER_FACTOR,
    OPEN_POLICY,
    START_DAY,
    Consortium,
    cancellation,
    dispute,
    found,
    payment,
    release,
    resolution,
    settlement,
)
from tests.registry.cover_examples import (
    OTHER_POLICY,
    UNTIL_MS,
    altering,
    binding,
    claiming,
    covered,
    ending,
    in_default,
    use_of,
)
from tests.registry.existence_examples import accredit, red_letter, rejection
from tests.registry.pool_examples import filled

GROUP = bytes(range(40, 72))


def grouped(consortium: Consortium, *members: str) -> None:
    """The members stand under one controller, as the association has declared."""
    consortium.do(
        *(
            DeclareRelationship(None, FINGERPRINT_KEY.debtor(each), GROUP, START_DAY, True, False)
            for each in members
        ),
        by=ASSOCIATION,
        signed_by=(ASSOCIATION,),
    )


def nothing_covered(consortium: Consortium, insurer: str = INSURER) -> bool:
    use = use_of(consortium, insurer)
    assert use is not None
    return (use.covered, use.claimed) == (0, 0)


# --- BindCover


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


# --- what becomes of a cover


def test_a_payment_takes_what_no_longer_fits_from_the_latest_cover_first(consortium: Consortium) -> None:
    receivable = consortium.registered()
    covered(consortium, receivable, 5_000)
    covered(consortium, receivable, 3_000, insurer=INSURER_2)
    consortium.do(payment(receivable, 2_000))
    assert [cover.amount for cover in consortium.record(receivable).covers] == [5_000, 3_000]
    consortium.do(payment(receivable, 1_000))
    assert [cover.amount for cover in consortium.record(receivable).covers] == [5_000, 2_000]
    consortium.do(payment(receivable, 4_000))
    assert [cover.amount for cover in consortium.record(receivable).covers] == [3_000]
    use = use_of(consortium)
    assert use is not None
    assert use.covered == 3_000
    assert nothing_covered(consortium, INSURER_2)


def test_cover_does_not_move_with_an_assignment(consortium: Consortium) -> None:
    receivable = consortium.registered()
    covered(consortium, receivable, 8_000)
    consortium.do(consortium.assignment(receivable, 5_000))
    record = consortium.record(receivable)
    assert (record.covered(EXPORTER), record.covered(FACTOR_1)) == (5_000, 0)
    consortium.do(consortium.assignment(receivable, 5_000, FACTOR_2))
    assert consortium.record(receivable).covers == ()
    assert nothing_covered(consortium)


def test_a_credit_shrinks_the_cover(consortium: Consortium) -> None:
    receivable = consortium.registered()
    covered(consortium, receivable)
    consortium.do(dispute(receivable, 3_000))
    assert consortium.record(receivable).covered(EXPORTER) == 10_000
    consortium.do(resolution(receivable, dilution=[(EXPORTER, 3_000)]))
    assert consortium.record(receivable).covered(EXPORTER) == 7_000


@pytest.mark.parametrize("how", ["paid", "written off", "cancelled"])
def test_what_is_closed_has_no_cover(consortium: Consortium, how: str) -> None:
    receivable = consortium.registered()
    covered(consortium, receivable)
    operations = {
        "paid": (payment(receivable, 10_000), settlement(receivable)),
        "written off": (settlement(receivable, write_off=True),),
        "cancelled": (cancellation(receivable),),
    }[how]
    consortium.do(*operations)
    assert consortium.record(receivable).covers == ()
    assert nothing_covered(consortium)


def test_a_cover_runs_out_by_block_time(consortium: Consortium) -> None:
    receivable = consortium.registered()
    covered(consortium, receivable, until_ms=consortium.now_ms + DAY_MS)
    until_ms = consortium.tip.time_ms + DAY_MS
    consortium.pass_time(until_ms - 1)
    assert consortium.record(receivable).covered(EXPORTER) == 10_000
    consortium.pass_time(until_ms)
    assert consortium.record(receivable).covers == ()
    assert nothing_covered(consortium)
    assert consortium.code(binding(receivable)) is Code.OK


def test_after_a_default_a_cover_stays_for_the_claim(consortium: Consortium) -> None:
    receivable, cover = in_default(consortium)
    consortium.pass_time(UNTIL_MS + DAY_MS)
    assert consortium.record(receivable).covers == (cover,)
    assert consortium.code(claiming(receivable, cover)) is Code.OK


def test_a_default_does_not_bring_back_what_has_run_out(consortium: Consortium) -> None:
    receivable = consortium.registered()
    covered(consortium, receivable, until_ms=AFTER_DUE_MS)
    assert consortium.code(default(receivable), **at(AFTER_DUE_MS)) is Code.OK
    assert consortium.record(receivable).covers == ()


def reversed_after(consortium: Consortium, receivable: bytes, amount: int, *between: Operation) -> None:
    """A payment that is called back after the operations."""
    paid = payment(receivable, amount, reporter=BANK)
    consortium.do(paid)
    for operation in between:
        assert consortium.code(operation) is Code.OK
    assert consortium.code(reversal(receivable, paid.bank_reference)) is Code.OK


@pytest.mark.parametrize("amount", [3_000, 10_000], ids=["in part", "all of it"])
def test_a_payment_that_is_called_back_brings_cover_back(consortium: Consortium, amount: int) -> None:
    receivable = consortium.registered()
    cover = covered(consortium, receivable, 9_000)
    reversed_after(consortium, receivable, amount)
    assert consortium.record(receivable).covers == (cover,)


def test_a_settled_receivable_opens_again_with_its_cover(consortium: Consortium) -> None:
    receivable = consortium.registered()
    cover = covered(consortium, receivable)
    reversed_after(consortium, receivable, 10_000, settlement(receivable))
    assert consortium.record(receivable).covers == (cover,)


def test_cover_comes_back_within_the_limit(consortium: Consortium) -> None:
    receivable, other = consortium.registered(), consortium.registered()
    covered(consortium, receivable, 9_000, policy_limit=10_000)
    covered(consortium, receivable, 500, policy_limit=10_000)
    reversed_after(consortium, receivable, 9_000, binding(other, 7_000, policy_limit=10_000))
    # 1,000 were left of the first cover, and 2,000 of the limit.
    assert [cover.amount for cover in consortium.record(receivable).covers] == [3_000]
    use = use_of(consortium)
    assert use is not None
    assert (use.covered, use.left) == (10_000, 0)


def test_cover_that_has_run_out_or_was_given_up_does_not_come_back(consortium: Consortium) -> None:
    receivable = consortium.registered()
    cover = covered(consortium, receivable, 9_000)
    reversed_after(consortium, receivable, 5_000, ending(receivable, cover))
    assert consortium.record(receivable).covers == ()
    covered(consortium, receivable, until_ms=consortium.now_ms + DAY_MS)
    paid = payment(receivable, 10_000, reference="ALL")
    consortium.do(paid)
    consortium.pass_time(consortium.tip.time_ms + DAY_MS)
    consortium.do(reversal(receivable, paid.bank_reference))
    assert consortium.record(receivable).covers == ()
    assert nothing_covered(consortium)


def left_over(consortium: Consortium, monkeypatch: pytest.MonkeyPatch) -> tuple[bytes, Cover]:
    """A receivable and its cover that has run out, which blocks that are too full have not ended yet."""
    receivable = consortium.registered()
    cover = covered(consortium, receivable, until_ms=AFTER_DUE_MS)
    monkeypatch.setattr("registry.limits.EXPIRIES_PER_BLOCK_MAX", 0)
    return receivable, cover


def test_what_a_full_block_has_left_over_does_not_stay_for_a_claim(
    consortium: Consortium, monkeypatch: pytest.MonkeyPatch
) -> None:
    receivable, cover = left_over(consortium, monkeypatch)
    assert consortium.code(default(receivable), **at(AFTER_DUE_MS)) is Code.OK
    assert consortium.record(receivable).covers == ()
    assert consortium.code(claiming(receivable, cover)) is Code.NO_COVER


def test_what_a_full_block_has_left_over_is_over(
    consortium: Consortium, monkeypatch: pytest.MonkeyPatch
) -> None:
    receivable, cover = left_over(consortium, monkeypatch)
    time_ms = AFTER_DUE_MS
    assert consortium.code(claiming(receivable, cover), **at(time_ms)) is Code.NO_COVER
    assert consortium.code(altering(receivable, cover, until_ms=UNTIL_MS)) is Code.NO_COVER
    # It is the risk that has come by now, and not the cover that was left over, that refuses another.
    assert consortium.code(binding(receivable, 1)) is Code.INELIGIBLE
    assert consortium.code(ending(receivable, cover)) is Code.OK


def test_what_a_full_block_has_left_over_makes_room_for_another_cover(
    consortium: Consortium, monkeypatch: pytest.MonkeyPatch
) -> None:
    receivable = consortium.registered()
    covered(consortium, receivable, until_ms=consortium.now_ms + DAY_MS)
    monkeypatch.setattr("registry.limits.EXPIRIES_PER_BLOCK_MAX", 0)
    assert consortium.code(binding(receivable), **at(consortium.now_ms + DAY_MS)) is Code.OK
    assert len(consortium.record(receivable).covers) == 1


# --- AlterCover


def test_a_cover_is_altered(consortium: Consortium) -> None:
    receivable = consortium.registered()
    cover = covered(consortium, receivable, 4_000)
    longer = UNTIL_MS + DAY_MS
    consortium.do(altering(receivable, cover, amount=10_000, until_ms=longer))
    (altered,) = consortium.record(receivable).covers
    assert altered == replace(cover, amount=10_000, until_ms=longer)
    use = use_of(consortium)
    assert use is not None
    assert use.covered == 10_000


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount": 8_000}, Code.OK),
        ({"amount": 8_001}, Code.DOUBLE_COVER),
        ({"amount": 10_001}, Code.INELIGIBLE),
        ({"amount": 0}, Code.AMOUNT_NOT_POSITIVE),
        ({"until_ms": 0}, Code.TERM),
        ({"loss_payee": FACTOR_3}, Code.INELIGIBLE),
        ({"cover": bytes(32)}, Code.NO_COVER),
        ({"insurer": INSURER_2}, Code.NO_COVER),
        ({"insured": FACTOR_1}, Code.NO_COVER),
        ({"receivable": bytes(32)}, Code.UNKNOWN_RECEIVABLE),
    ],
)
def test_an_alteration_is_judged_as_a_cover_is(
    consortium: Consortium, changes: dict[str, Any], code: Code
) -> None:
    receivable = consortium.registered()
    cover = covered(consortium, receivable, 4_000)
    covered(consortium, receivable, 2_000)
    assert consortium.code(replace(altering(receivable, cover), **changes)) is code


@pytest.mark.parametrize(("amount", "code"), [(5_000, Code.OK), (5_001, Code.OVER_LIMIT), (3_000, Code.OK)])
def test_an_alteration_stays_within_the_limit(consortium: Consortium, amount: int, code: Code) -> None:
    receivable = consortium.registered()
    cover = covered(consortium, receivable, 4_000, policy_limit=6_000)
    covered(consortium, receivable, 1_000, policy_limit=6_000)
    assert consortium.code(altering(receivable, cover, amount=amount)) is code


@pytest.mark.parametrize("changes", [{"amount": 5_001}, {"until_ms": UNTIL_MS + 1}])
def test_once_a_loss_has_come_a_cover_does_not_grow(consortium: Consortium, changes: dict[str, int]) -> None:
    receivable, cover = in_default(consortium, 5_000)
    assert consortium.code(altering(receivable, cover, **changes)) is Code.INELIGIBLE
    assert consortium.code(altering(receivable, cover, amount=4_999)) is Code.OK


def test_a_shorter_cover_ends_sooner(consortium: Consortium) -> None:
    receivable = consortium.registered()
    cover = covered(consortium, receivable)
    until_ms = consortium.now_ms + DAY_MS
    consortium.do(altering(receivable, cover, until_ms=until_ms))
    consortium.pass_time(until_ms)
    assert consortium.record(receivable).covers == ()


@pytest.mark.parametrize("changes", [{"amount": 3_999}, {"until_ms": UNTIL_MS - 1}, {"loss_payee": EXPORTER}])
def test_a_loss_payee_is_asked_before_it_loses_cover(consortium: Consortium, changes: dict[str, Any]) -> None:
    receivable = consortium.registered()
    lien = pledged(consortium, receivable, 3_000)
    cover = covered(consortium, receivable, 4_000, loss_payee=FACTOR_1)
    result = consortium.result(altering(receivable, cover, **changes))
    assert (result.code, result.collided_with) == (Code.HOLDER_CONSENT, cover.place)
    assert consortium.code(altering(receivable, cover, amount=4_001)) is Code.OK
    consented = altering(receivable, cover, **({"amount": 4_001} | changes), consenting=FACTOR_1)
    assert consortium.code(consented) is Code.OK
    # Once it is a loss payee without a lien, it has nothing to lose.
    again = covered(consortium, receivable, 1_000, loss_payee=FACTOR_1)
    consortium.do(release(receivable, lien.lien_id))
    assert consortium.code(altering(receivable, again, amount=1)) is Code.OK


# --- EndCover


def test_the_insured_ends_its_cover_alone(consortium: Consortium) -> None:
    receivable = consortium.registered()
    cover = covered(consortium, receivable)
    assert consortium.code(ending(receivable, cover)) is Code.OK
    assert consortium.record(receivable).covers == ()
    assert nothing_covered(consortium)
    assert INSURER not in consortium.record(receivable).parties()
    result = consortium.result(ending(receivable, cover))
    assert (result.code, result.collided_with) == (Code.NO_COVER, consortium.record(receivable).place)


def test_an_insurer_alone_ends_no_cover(consortium: Consortium) -> None:
    receivable, cover = in_default(consortium)
    for operation in (ending(receivable, cover), replace(ending(receivable, cover), insured=FACTOR_1)):
        with pytest.raises(EntryRefused) as refusal:
            consortium.commit(consortium.entry(operation, by=INSURER, signed_by=(INSURER,)))
        assert refusal.value.code is Code.MISSING_SIGNATURE
    assert consortium.code(replace(ending(receivable, cover), insured=FACTOR_1)) is Code.NO_COVER
    assert consortium.record(receivable).covers == (cover,)


def test_a_loss_payee_is_asked_before_its_cover_ends(consortium: Consortium) -> None:
    receivable = consortium.registered()
    pledged(consortium, receivable, 3_000)
    cover = covered(consortium, receivable, loss_payee=FACTOR_1)
    assert consortium.code(ending(receivable, cover)) is Code.HOLDER_CONSENT
    assert consortium.code(ending(receivable, cover, FACTOR_1)) is Code.OK


# --- ClaimCover


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
