"""Fraud patterns of the rulebook that need an insurer: double insurance of one receivable, and what leans on it."""

from __future__ import annotations

from itertools import permutations

import pytest

from registry.entry import Mode
from registry.errors import Code
from tests.registry.consortium import (
    AFFILIATE,
    EXPORTER,
    FACTOR_1,
    INSURER,
    INSURER_2,
    INSURER_FACTOR,
    Consortium,
    payment,
)
from tests.registry.cover_examples import OTHER_POLICY, binding, claiming, covered, in_default

INSURERS = (INSURER, INSURER_2, INSURER_FACTOR)


@pytest.mark.parametrize("order", list(permutations(INSURERS)))
def test_double_insurance_of_one_receivable(consortium: Consortium, order: tuple[str, ...]) -> None:
    receivable = consortium.registered()
    raws = [
        consortium.entry(binding(receivable, 10_000, insurer=insurer, policy=insurer.encode().ljust(32)[:32]))
        for insurer in order
    ]
    # All in one block, as if handed in to three nodes at once.
    receipts = consortium.commit(*raws).receipts
    assert [receipt.results[0].code for receipt in receipts] == [Code.OK, *[Code.DOUBLE_COVER] * 2]
    (cover,) = consortium.record(receivable).covers
    assert cover.insurer == order[0]
    assert {receipt.results[0].collided_with for receipt in receipts[1:]} == {cover.place}


def test_covers_that_add_up_to_more_than_the_part(consortium: Consortium) -> None:
    receivable = consortium.registered()
    receipt = consortium.do(
        *(binding(receivable, 4_000, insurer=insurer) for insurer in INSURERS), mode=Mode.INDEPENDENT
    )
    assert [result.code for result in receipt.results] == [Code.OK, Code.OK, Code.DOUBLE_COVER]


def test_the_insured_sells_its_part_and_insures_it_again_with_the_buyer(consortium: Consortium) -> None:
    receivable = consortium.registered()
    covered(consortium, receivable)
    consortium.do(consortium.assignment(receivable))
    assert consortium.code(binding(receivable, 1, EXPORTER)) is Code.INELIGIBLE
    covered(consortium, receivable, 10_000, FACTOR_1, insurer=INSURER_2)
    record = consortium.record(receivable)
    assert [cover.insured for cover in record.covers] == [FACTOR_1]


def test_the_same_paper_insured_under_an_affiliates_number(consortium: Consortium) -> None:
    covered(consortium, consortium.registered("INV-7", document=b"paper"))
    copy = consortium.registration("INV-8", document=b"paper", exporter=AFFILIATE)
    assert consortium.code(copy) is Code.DUPLICATE_RECEIVABLE


def test_a_loss_is_claimed_once(consortium: Consortium) -> None:
    receivable, cover = in_default(consortium)
    raws = [consortium.entry(claiming(receivable, cover)) for _ in range(2)]
    receipts = consortium.commit(*raws).receipts
    assert [receipt.results[0].code for receipt in receipts] == [Code.OK, Code.NO_COVER]
    assert consortium.record(receivable).amount_of(INSURER) == 10_000


def test_what_the_debtor_has_paid_is_not_claimed_too(consortium: Consortium) -> None:
    receivable, cover = in_default(consortium)
    consortium.do(payment(receivable, 4_000))
    result = consortium.result(claiming(receivable, cover))
    assert (result.code, result.collided_with) == (Code.OVER_LIMIT, cover.place)
    assert consortium.code(claiming(receivable, cover, 6_000)) is Code.OK


def test_a_policy_spread_over_more_receivables_than_it_is_good_for(consortium: Consortium) -> None:
    receivables = [consortium.registered() for _ in range(4)]
    receipt = consortium.do(
        *(binding(each, 10_000, policy_limit=25_000, policy=OTHER_POLICY) for each in receivables),
        mode=Mode.INDEPENDENT,
    )
    codes = [result.code for result in receipt.results]
    assert codes == [Code.OK, Code.OK, Code.OVER_LIMIT, Code.OVER_LIMIT]
