"""RenewPledge and EnforcePledge."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from registry.errors import Code, EntryRefused
from registry.limits import LIEN_TERM_MS_MAX, LIEN_TERM_MS_MIN
from registry.operations.security import Junior
from tests.registry.collection_examples import at, enforcement, overdue, pledged, renewal
from tests.registry.consortium import (
    COURT,
    DAY_MS,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    FACTOR_3,
    Consortium,
    dispute,
)


@pytest.mark.parametrize(
    ("longer_ms", "code"),
    [
        (LIEN_TERM_MS_MIN - 1, Code.TERM),
        (LIEN_TERM_MS_MIN, Code.OK),
        (-DAY_MS, Code.TERM),
        (LIEN_TERM_MS_MAX, Code.TERM),
    ],
)
def test_a_renewal_is_for_a_month_to_thirty_years(consortium: Consortium, longer_ms: int, code: Code) -> None:
    receivable = consortium.registered()
    lien = pledged(consortium, receivable)
    assert consortium.code(renewal(receivable, lien, longer_ms)) is code
    expected = lien.until_ms + (longer_ms if code is Code.OK else 0)
    assert consortium.record(receivable).liens == (replace(lien, until_ms=expected),)


def test_no_renewal_ends_more_than_thirty_years_ahead(consortium: Consortium) -> None:
    receivable = consortium.registered()
    lien = pledged(consortium, receivable)
    for late, code in ((1, Code.TERM), (0, Code.OK)):
        until_ms = consortium.now_ms + LIEN_TERM_MS_MAX + late
        assert consortium.code(replace(renewal(receivable, lien), until_ms=until_ms)) is code


def test_a_renewal_comes_before_the_end(consortium: Consortium) -> None:
    first, second = consortium.registered(), consortium.registered()
    lien = pledged(consortium, first)
    other = pledged(consortium, second, until_ms=lien.until_ms)
    assert consortium.code(renewal(first, lien), **at(lien.until_ms - 1)) is Code.OK
    result = consortium.result(renewal(second, other), **at(lien.until_ms))
    assert (result.code, result.collided_with) == (Code.LATE, other.place)
    assert len(consortium.record(first).liens) == 1
    assert consortium.record(second).liens == ()


def test_only_the_pledgee_renews(consortium: Consortium) -> None:
    receivable = consortium.registered()
    lien = pledged(consortium, receivable)
    for changes in ({"pledgee": FACTOR_2}, {"lien": bytes(32)}):
        assert consortium.code(replace(renewal(receivable, lien), **changes)) is Code.NOT_LIENHOLDER


# --- enforcement


def test_what_is_enforced_passes_to_the_pledgee(consortium: Consortium) -> None:
    receivable = consortium.registered()
    lien = pledged(consortium, receivable, 6_000)
    overdue(consortium, receivable)
    assert consortium.code(enforcement(receivable, lien)) is Code.OK
    record = consortium.record(receivable)
    assert {part.holder: part.amount for part in record.parts} == {EXPORTER: 4_000, FACTOR_1: 6_000}
    assert record.liens == ()
    assert consortium.code(enforcement(receivable, lien)) is Code.NOT_LIENHOLDER


def test_without_a_default_nothing_is_enforced(consortium: Consortium) -> None:
    receivable = consortium.registered()
    lien = pledged(consortium, receivable)
    assert consortium.code(enforcement(receivable, lien)) is Code.NO_DEFAULT


def test_the_pledgor_agrees_or_a_court_orders(consortium: Consortium) -> None:
    receivable = consortium.registered()
    lien = pledged(consortium, receivable)
    overdue(consortium, receivable)
    alone = enforcement(receivable, lien, pledgor=None)
    assert consortium.code(alone) is Code.NOT_PERMITTED
    assert consortium.code(replace(alone, pledgor=FACTOR_3)) is Code.NOT_PERMITTED
    ordered = replace(alone, court=COURT)
    with pytest.raises(EntryRefused) as refused:
        consortium.do(ordered, signed_by=(FACTOR_1,))
    assert refused.value.code is Code.MISSING_SIGNATURE
    assert consortium.code(ordered) is Code.OK


def test_a_lien_behind_keeps_what_is_left_over(consortium: Consortium) -> None:
    receivable = consortium.registered()
    senior = pledged(consortium, receivable)
    junior = pledged(
        consortium, receivable, 8_000, pledgee=FACTOR_2, junior_to=Junior(senior.lien_id, FACTOR_1)
    )
    overdue(consortium, receivable)
    result = consortium.result(enforcement(receivable, junior))
    assert (result.code, result.collided_with) == (Code.PLEDGED, senior.place)
    assert consortium.code(enforcement(receivable, senior, amount=7_000)) is Code.OK
    left = replace(junior, amount=3_000, behind=None)
    assert consortium.record(receivable).liens == (left,)
    assert consortium.code(enforcement(receivable, left)) is Code.OK


def test_undisputed_value_goes_first(consortium: Consortium) -> None:
    receivable = consortium.registered()
    lien = pledged(consortium, receivable, 8_000)
    consortium.do(dispute(receivable, 5_000))
    overdue(consortium, receivable)
    assert consortium.code(enforcement(receivable, lien)) is Code.OK
    parts = {part.holder: (part.amount, part.disputed) for part in consortium.record(receivable).parts}
    assert parts == {EXPORTER: (2_000, 2_000), FACTOR_1: (8_000, 3_000)}


def test_precedence_of_broken_rules_of_an_enforcement(consortium: Consortium) -> None:
    receivable = consortium.registered()
    lien = pledged(consortium, receivable, 6_000)
    wrong = enforcement(bytes(32), lien, amount=0, pledgor=None, pledgee=FACTOR_2)
    steps: tuple[tuple[dict[str, Any], Code], ...] = (
        ({}, Code.UNKNOWN_RECEIVABLE),
        ({"receivable": receivable}, Code.AMOUNT_NOT_POSITIVE),
        ({"amount": 6_001}, Code.NOT_LIENHOLDER),
        ({"pledgee": FACTOR_1}, Code.NOT_LIENHOLDER),
        ({"amount": 6_000}, Code.NOT_PERMITTED),
        ({"pledgor": EXPORTER}, Code.NO_DEFAULT),
    )
    for changes, code in steps:
        wrong = replace(wrong, **changes)
        assert consortium.code(wrong) is code
    assert consortium.record(receivable).liens == (lien,)
