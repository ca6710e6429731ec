"""What becomes of a cover by itself, and AlterCover and EndCover."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from registry.errors import Code, EntryRefused, Reason
from registry.operations import Operation
from registry.record.covers import Cover
from tests.registry.collection_examples import (
    AFTER_DUE_MS,
    at,
    default,
    pledged,
    reversal,
)
from tests.registry.consortium import (
    BANK,
    DAY_MS,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    FACTOR_3,
    INSURER,
    INSURER_2,
    Consortium,
    cancellation,
    dispute,
    payment,
    release,
    resolution,
    settlement,
)
from tests.registry.cover_examples import (
    UNTIL_MS,
    altering,
    binding,
    claiming,
    covered,
    ending,
    grouped,
    in_default,
    use_of,
)


def nothing_covered(consortium: Consortium, insurer: str = INSURER) -> bool:
    use = use_of(consortium, insurer)
    assert use is not None
    return (use.covered, use.claimed) == (0, 0)


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


@pytest.mark.parametrize("is_over_when_paid", [False, True])
def test_a_payment_that_bounces_after_a_default_rids_no_insurer_of_the_loss(
    consortium: Consortium, is_over_when_paid: bool
) -> None:
    receivable, cover = in_default(consortium)
    paid = payment(receivable, 10_000)
    if is_over_when_paid:
        consortium.pass_time(UNTIL_MS + DAY_MS)
    assert consortium.code(paid) is Code.OK
    assert consortium.record(receivable).covers == ()
    consortium.pass_time(UNTIL_MS + 2 * DAY_MS)
    assert consortium.code(reversal(receivable, paid.bank_reference)) is Code.OK
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
    assert consortium.code(reversal(receivable, paid.bank_reference, BANK)) is Code.OK


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


def test_cover_for_which_no_room_is_left_does_not_come_back(consortium: Consortium) -> None:
    receivable, other = consortium.registered(), consortium.registered()
    covered(consortium, receivable, policy_limit=10_000)
    reversed_after(consortium, receivable, 10_000, binding(other, 10_000, policy_limit=10_000))
    assert consortium.record(receivable).covers == ()


def test_as_many_covers_come_back_as_a_receivable_may_have(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 5_000))
    consortium.do(binding(receivable, 10), binding(receivable, 20))
    others = [binding(receivable, 1, FACTOR_1) for _ in range(31)]
    reversed_after(consortium, receivable, 5_000, *others)
    covers = consortium.record(receivable).covers
    # The first of the two is back at its place, and there is no room for the second.
    assert [cover.amount for cover in covers] == [10, *[1] * 31]


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
    assert consortium.code(ending(receivable, cover)) is Code.NO_COVER


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


def test_a_cover_that_grows_is_judged_by_its_parties_again(consortium: Consortium) -> None:
    receivable = consortium.registered()
    cover = covered(consortium, receivable, 5_000)
    consortium.do(consortium.assignment(receivable, 2_000))
    grouped(consortium, INSURER, FACTOR_1)
    for grown in (
        altering(receivable, cover, amount=5_001),
        altering(receivable, cover, until_ms=UNTIL_MS + 1),
    ):
        assert consortium.result(grown).reasons == (Reason("related_party", grown.amount),)
    for shrunk in (
        altering(receivable, cover, until_ms=UNTIL_MS - 1),
        altering(receivable, cover, until_ms=UNTIL_MS - 1, amount=4_999),
    ):
        assert consortium.code(shrunk) is Code.OK


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
    assert consortium.code(altering(receivable, cover, until_ms=UNTIL_MS + 1)) is Code.OK
    (cover,) = consortium.record(receivable).covers
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
