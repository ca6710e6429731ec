"""Dates out of order and schedules that do not add up, for every operation that has dates: refused by name, and right at the edge.

Each row has an operation that is just out of order and the same one just in order; nothing else differs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from registry.entry import Mode
from registry.errors import Code, MalformedEntry, Reason
from registry.operations import Operation
from registry.operations.decisions import ScheduleUpgrade, SetPolicy
from registry.operations.existence import Instalment
from registry.operations.relationships import DeclareRiskAssets
from tests.registry.assignment_examples import blanket, offer
from tests.registry.collection_examples import linked, pledged, renewal, searched
from tests.registry.consortium import (
    DAY_MS,
    FACTOR_1,
    OPEN_POLICY,
    START_DAY,
    Consortium,
    fingerprints_of,
)
from tests.registry.cover_examples import binding
from tests.registry.existence_examples import arising, contract
from tests.registry.pool_examples import TERMS, agreement

Make = Callable[[Consortium, bytes], Operation]
# The day of the blocks that judge them.
TODAY = START_DAY


def _pledge(days: int, milliseconds: int) -> Make:
    return lambda consortium, receivable: consortium.pledging(
        receivable, until_ms=consortium.now_ms + days * DAY_MS + milliseconds
    )


def _renewal(milliseconds: int) -> Make:
    def make(consortium: Consortium, receivable: bytes) -> Operation:
        return renewal(receivable, pledged(consortium, receivable, 1), 30 * DAY_MS + milliseconds)

    return make


def _arising(**changes: Any) -> Make:
    def make(consortium: Consortium, _receivable: bytes) -> Operation:
        result = consortium.result(contract(f"CON-{consortium.tip.height}"))
        return arising(result.subject, **changes)

    return make


OUT_OF_ORDER: dict[str, tuple[Code, Make, Make]] = {
    "due before issue": (
        Code.TENOR,
        lambda consortium, _: consortium.registration(issue_date=TODAY, due_date=TODAY - 1),
        lambda consortium, _: consortium.registration(issue_date=TODAY, due_date=TODAY),
    ),
    "due later than the longest tenor": (
        Code.TENOR,
        lambda consortium, _: consortium.registration(issue_date=TODAY, due_date=TODAY + 366),
        lambda consortium, _: consortium.registration(issue_date=TODAY, due_date=TODAY + 365),
    ),
    "issued the day after tomorrow": (
        Code.TENOR,
        lambda consortium, _: consortium.registration(issue_date=TODAY + 2),
        lambda consortium, _: consortium.registration(issue_date=TODAY + 1),
    ),
    "a contract that ends before it begins": (
        Code.TENOR,
        lambda _c, _r: contract(contract_date=TODAY, end_date=TODAY - 1),
        lambda _c, _r: contract(contract_date=TODAY, end_date=TODAY),
    ),
    "an invoice from before its contract": (
        Code.TENOR,
        _arising(issue_date=START_DAY - 2),
        _arising(issue_date=START_DAY - 1),
    ),
    "an invoice due before it was issued": (
        Code.TENOR,
        _arising(issue_date=START_DAY, due_date=START_DAY - 1),
        _arising(issue_date=START_DAY, due_date=START_DAY),
    ),
    "an offer that has ended": (
        Code.TERM,
        lambda consortium, receivable: offer(consortium, receivable, until_ms=consortium.now_ms),
        lambda consortium, receivable: offer(consortium, receivable, until_ms=consortium.now_ms + 1),
    ),
    "a blanket that ends when it begins": (
        Code.TERM,
        lambda consortium, _: blanket(
            consortium, from_ms=consortium.now_ms + 9, until_ms=consortium.now_ms + 9
        ),
        lambda consortium, _: blanket(
            consortium, from_ms=consortium.now_ms + 9, until_ms=consortium.now_ms + 10
        ),
    ),
    "a pledge for less than a month": (Code.TERM, _pledge(30, -1), _pledge(30, 0)),
    "a pledge for more than thirty years": (Code.TERM, _pledge(30 * 366, 1), _pledge(30 * 366, 0)),
    "a renewal for less than a month": (Code.TERM, _renewal(-1), _renewal(0)),
    "a cover that has ended": (
        Code.TERM,
        lambda consortium, receivable: binding(receivable, until_ms=consortium.now_ms),
        lambda consortium, receivable: binding(receivable, until_ms=consortium.now_ms + 1),
    ),
    "a pool that has ended": (
        Code.TERM,
        lambda consortium, _: agreement(replace(TERMS, until_ms=consortium.now_ms)),
        lambda consortium, _: agreement(replace(TERMS, until_ms=consortium.now_ms + 1)),
    ),
    "a registration elsewhere that ends when it begins": (
        Code.BAD_FORMAT,
        lambda consortium, receivable: linked(consortium, receivable, registered_ms=9, until_ms=9),
        lambda consortium, receivable: linked(consortium, receivable, registered_ms=9, until_ms=10),
    ),
    "a search of the future": (
        Code.BAD_FORMAT,
        lambda consortium, receivable: searched(consortium, receivable, searched_ms=consortium.now_ms + 1),
        lambda consortium, receivable: searched(consortium, receivable, searched_ms=consortium.now_ms),
    ),
    "risk assets as of tomorrow": (
        Code.TOO_EARLY,
        lambda _c, _r: DeclareRiskAssets(FACTOR_1, "USD", 1, TODAY + 1),
        lambda _c, _r: DeclareRiskAssets(FACTOR_1, "USD", 1, TODAY),
    ),
    "a policy from this block on": (
        Code.TOO_EARLY,
        lambda consortium, _: SetPolicy(OPEN_POLICY, consortium.tip.height + 1),
        lambda consortium, _: SetPolicy(OPEN_POLICY, consortium.tip.height + 2),
    ),
    "a halt at this block": (
        Code.TOO_EARLY,
        lambda consortium, _: ScheduleUpgrade(consortium.tip.height + 1, 2),
        lambda consortium, _: ScheduleUpgrade(consortium.tip.height + 2, 2),
    ),
}


@pytest.mark.parametrize("row", list(OUT_OF_ORDER))
def test_dates_out_of_order_are_refused_by_name(consortium: Consortium, row: str) -> None:
    code, bad, good = OUT_OF_ORDER[row]
    receivable = consortium.registered()
    if code is Code.BAD_FORMAT:
        # Who links something has a part of it.
        consortium.do(consortium.assignment(receivable, 1))
    for make, expected in ((bad, code), (good, Code.OK)):
        operation = make(consortium, receivable)
        how = {"signed_by": (FACTOR_1,)} if isinstance(operation, DeclareRiskAssets) else {}
        assert consortium.code(operation, **how) is expected


# --- schedules


def _schedule(*instalments: tuple[int, int]) -> tuple[Instalment, ...]:
    return tuple(Instalment(START_DAY + days, amount) for days, amount in instalments)


@pytest.mark.parametrize(
    ("schedule", "code"),
    [
        (_schedule((90, 10_000)), Code.OK),
        (_schedule((30, 4_000), (90, 6_000)), Code.OK),
        (_schedule((90, 4_000), (90, 6_000)), Code.OK),
        (_schedule((-1, 4_000), (90, 6_000)), Code.OK),
        (_schedule((30, 4_000), (90, 5_999)), Code.SCHEDULE_SUM),
        (_schedule((30, 4_000), (90, 6_001)), Code.SCHEDULE_SUM),
        (_schedule((30, 0), (90, 10_000)), Code.SCHEDULE_SUM),
        (_schedule((30, 4_000), (89, 6_000)), Code.SCHEDULE_SUM),
        (_schedule((30, 4_000), (91, 6_000)), Code.SCHEDULE_SUM),
        (_schedule((-2, 4_000), (90, 6_000)), Code.SCHEDULE_SUM),
    ],
)
def test_a_schedule_adds_up_and_lies_between_issue_and_due_date(
    consortium: Consortium, schedule: tuple[Instalment, ...], code: Code
) -> None:
    assert consortium.code(consortium.registration(schedule=schedule)) is code


def test_instalments_out_of_order_never_reach_the_rules(consortium: Consortium) -> None:
    for schedule in (_schedule((90, 6_000), (30, 4_000)), _schedule((90, 5_000), (90, 5_000))):
        with pytest.raises(
            MalformedEntry, match=r"RegisterReceivable\.schedule: is not in strictly ascending"
        ):
            consortium.do(consortium.registration(schedule=schedule))


def test_a_sum_of_instalments_does_not_overflow(consortium: Consortium) -> None:
    most = 2**63 - 1
    schedule = (Instalment(START_DAY + 30, most), Instalment(START_DAY + 90, most))
    operation = consortium.registration(amount=most - 1, schedule=schedule)
    operation = replace(operation, fingerprints=fingerprints_of("INV-overflow", amount=most - 1))
    assert consortium.code(operation) is Code.SCHEDULE_SUM


# --- a batch with one bad item


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("bad", [0, 2, 4])
def test_a_batch_with_one_bad_item(consortium: Consortium, mode: Mode, bad: int) -> None:
    receivables = [consortium.registered() for _ in range(5)]
    batch = [
        consortium.assignment(receivable, 10_001 if place == bad else 10_000)
        for place, receivable in enumerate(receivables)
    ]
    receipt = consortium.do(*batch, mode=mode)
    others = Code.NOT_APPLIED if mode is Mode.ATOMIC else Code.OK
    codes = [result.code for result in receipt.results]
    assert codes == [Code.EMPTY_ASSIGNMENT if place == bad else others for place in range(5)]
    assert receipt.failed_operation == (bad if mode is Mode.ATOMIC else None)
    assert receipt.results[bad].reasons == (Reason("held", 10_000),)
    moved = [consortium.record(receivable).amount_of(FACTOR_1) for receivable in receivables]
    assert moved == [0 if place == bad or mode is Mode.ATOMIC else 10_000 for place in range(5)]
