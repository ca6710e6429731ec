"""The policy's figures: overdue buckets, and one JSON form for one policy."""

from __future__ import annotations

from dataclasses import replace

import pytest

from registry.errors import MalformedEntry
from registry.policy import ConfirmationPolicy, OverdueBucket, RelatedPartyPolicy, overdue_bucket
from registry.policy_document import policy_from_json, policy_to_json
from tests.registry.consortium import OPEN_POLICY, START_DAY


@pytest.mark.parametrize(
    ("days", "bucket"),
    [
        (-1, OverdueBucket.NOT_DUE),
        (0, OverdueBucket.NOT_DUE),
        (1, OverdueBucket.DAYS_1_30),
        (30, OverdueBucket.DAYS_1_30),
        (31, OverdueBucket.DAYS_31_60),
        (60, OverdueBucket.DAYS_31_60),
        (61, OverdueBucket.DAYS_61_90),
        (90, OverdueBucket.DAYS_61_90),
        (91, OverdueBucket.OVER_90),
        (10_000, OverdueBucket.OVER_90),
    ],
)
def test_a_bucket_holds_thirty_days(days: int, bucket: OverdueBucket) -> None:
    assert overdue_bucket(START_DAY, START_DAY + days) is bucket


def test_a_policy_reads_back_from_its_json() -> None:
    full = replace(
        OPEN_POLICY,
        require_confirmation=ConfirmationPolicy.FOR_PLEDGE,
        related_party=RelatedPartyPolicy.FLAG,
        single_debtor_max_percent=50,
        operations_per_day_max=1,
    )
    for policy in (OPEN_POLICY, full):
        assert policy_from_json(policy_to_json(policy)) == policy
    document = policy_to_json(full)
    assert (document["require_confirmation"], document["related_party"]) == ("for_pledge", "flag")
    assert (document["single_debtor_max_percent"], document["related_debtors_max_percent"]) == (50, None)


@pytest.mark.parametrize("wrong", [None, [], "policy", {}, {**policy_to_json(OPEN_POLICY), "more": 1}])
def test_what_is_not_exactly_a_policy_is_refused(wrong: object) -> None:
    with pytest.raises(MalformedEntry, match="exactly the fields"):
        policy_from_json(wrong)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("grace_days", -1),
        ("grace_days", True),
        ("grace_days", 1.0),
        ("related_party", "REFUSE"),
        ("related_party", 1),
        ("dispose_past_due", 1),
        ("currencies", "USD"),
        ("currencies", ["USD", "USD"]),
        ("single_debtor_max_percent", [50]),
    ],
)
def test_a_wrong_figure_is_named(field: str, value: object) -> None:
    with pytest.raises(MalformedEntry, match=field):
        policy_from_json({**policy_to_json(OPEN_POLICY), field: value})
