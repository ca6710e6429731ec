"""SetPolicy, ScheduleUpgrade, ReleaseFingerprint: from which height on, and for what only the quorum can do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from registry.block import RULES_VERSION
from registry.errors import BlockInvalid, Code, NotPermitted, UpgradeNeeded
from registry.operations.decisions import ReleaseFingerprint, ScheduleUpgrade, SetPolicy
from registry.operations.existence import RegisterReceivable
from registry.stored import Namespace
from registry.transition import policy_at
from tests.registry.consortium import (
    ASSOCIATION,
    EXPORTER,
    OPEN_POLICY,
    START_DAY,
    Consortium,
    cancellation,
    found,
    stored,
)

SHORT = replace(OPEN_POLICY, tenor_max_days=30)


def long_paper(consortium: Consortium) -> RegisterReceivable:
    return consortium.registration(due_date=START_DAY + 90)


# --- policy


def test_a_policy_judges_from_its_height_on_and_every_header_names_its_own(consortium: Consortium) -> None:
    assert consortium.code(SetPolicy(SHORT, 4)) is Code.OK
    assert [consortium.code(long_paper(consortium)) for _ in range(3)] == [Code.OK, Code.OK, Code.TENOR]
    hashes = [committed.block.header.policy_hash for committed in consortium.blocks]
    assert hashes == [OPEN_POLICY.hash()] * 3 + [SHORT.hash()]
    assert stored(consortium, Namespace.POLICY, b"") == SHORT


def test_the_block_before_is_judged_by_the_old_policy_for_whoever_asks(consortium: Consortium) -> None:
    consortium.do(SetPolicy(SHORT, 3))
    state = consortium.working()
    assert [policy_at(state, height) for height in (2, 3)] == [OPEN_POLICY, SHORT]


def test_a_block_with_the_old_policy_in_its_header_is_refused(consortium: Consortium) -> None:
    consortium.do(SetPolicy(SHORT, 2))
    block = consortium.propose([])
    wrong = replace(block, header=replace(block.header, policy_hash=OPEN_POLICY.hash()))
    with pytest.raises(BlockInvalid, match="policy_hash"):
        consortium.judge(wrong)


@pytest.mark.parametrize(
    ("from_height", "code"), [(0, Code.TOO_EARLY), (1, Code.TOO_EARLY), (2, Code.OK), (3, Code.OK)]
)
def test_a_policy_begins_at_the_next_block_at_the_earliest(
    consortium: Consortium, from_height: int, code: Code
) -> None:
    assert consortium.code(SetPolicy(SHORT, from_height)) is code


@pytest.mark.parametrize(("from_height", "code"), [(11, Code.TOO_EARLY), (12, Code.OK)])
def test_the_present_policy_says_how_long_a_change_is_announced(from_height: int, code: Code) -> None:
    consortium = found(replace(OPEN_POLICY, change_delay_blocks=10))
    hasty = replace(SHORT, change_delay_blocks=0)
    assert consortium.code(SetPolicy(hasty, from_height)) is code


def test_the_later_decision_replaces_one_that_is_not_in_effect(consortium: Consortium) -> None:
    consortium.do(SetPolicy(SHORT, 4))
    consortium.do(SetPolicy(replace(SHORT, tenor_max_days=60), 5))
    consortium.pass_time(consortium.now_ms)
    assert consortium.code(consortium.registration(due_date=START_DAY + 40)) is Code.OK
    assert consortium.code(consortium.registration(due_date=START_DAY + 40)) is Code.OK
    assert consortium.code(long_paper(consortium)) is Code.TENOR


def test_a_refused_decision_leaves_the_earlier_one(consortium: Consortium) -> None:
    consortium.do(SetPolicy(SHORT, 3))
    assert consortium.code(SetPolicy(OPEN_POLICY, 2)) is Code.TOO_EARLY
    assert consortium.code(long_paper(consortium)) is Code.TENOR


@pytest.mark.parametrize(
    "operation", [SetPolicy(SHORT, 9), ScheduleUpgrade(9, 2), ReleaseFingerprint(bytes(32), bytes(32), "no")]
)
def test_no_member_decides_alone(
    consortium: Consortium, operation: SetPolicy | ScheduleUpgrade | ReleaseFingerprint
) -> None:
    with pytest.raises(NotPermitted) as refusal:
        consortium.do(operation, by=EXPORTER, signed_by=(EXPORTER,))
    assert refusal.value.code is Code.MISSING_SIGNATURE


# --- upgrade


def test_this_software_makes_no_block_after_the_halt(consortium: Consortium) -> None:
    assert consortium.code(ScheduleUpgrade(2, RULES_VERSION + 1)) is Code.OK
    consortium.registered()
    with pytest.raises(UpgradeNeeded, match="at height 2"):
        consortium.propose([])


def test_a_later_decision_puts_the_halt_off(consortium: Consortium) -> None:
    consortium.do(ScheduleUpgrade(2, RULES_VERSION + 1))
    assert consortium.code(ScheduleUpgrade(10, RULES_VERSION + 1)) is Code.OK
    consortium.registered()


@pytest.mark.parametrize(
    ("height", "version", "code"),
    [
        (2, RULES_VERSION + 1, Code.TOO_EARLY),
        (3, RULES_VERSION + 1, Code.OK),
        (2, RULES_VERSION, Code.TOO_EARLY),
        (9, RULES_VERSION, Code.ALREADY_IN_FORCE),
    ],
)
def test_a_halt_lies_ahead_and_leads_to_other_rules(
    consortium: Consortium, height: int, version: int, code: Code
) -> None:
    consortium.pass_time(consortium.now_ms)
    assert consortium.code(ScheduleUpgrade(height, version)) is code


# --- fingerprints


def test_a_released_number_is_registered_again(consortium: Consortium) -> None:
    receivable = consortium.registered("INV-7")
    assert consortium.code(cancellation(receivable)) is Code.OK
    assert consortium.code(consortium.registration("INV-7")) is Code.DUPLICATE_RECEIVABLE
    number = consortium.record(receivable).fingerprints.invoice
    release = ReleaseFingerprint(receivable, number, "the invoice was reissued")
    assert consortium.code(release) is Code.OK
    assert stored(consortium, Namespace.FINGERPRINT, b"\x01" + number) is None
    second = consortium.registered("INV-7")
    assert consortium.code(consortium.registration("INV-7")) is Code.DUPLICATE_RECEIVABLE
    # The second receivable's claim is not the first one's to release.
    assert consortium.code(release) is Code.UNKNOWN_FINGERPRINT
    assert stored(consortium, Namespace.FINGERPRINT, b"\x01" + number).subject == second


def test_what_is_still_owed_keeps_its_number(consortium: Consortium) -> None:
    receivable = consortium.registered()
    number = consortium.record(receivable).fingerprints.invoice
    result = consortium.result(ReleaseFingerprint(receivable, number, "no reason"))
    assert result.code is Code.NOT_CLOSED
    assert result.collided_with == consortium.record(receivable).place


def test_only_a_strong_fingerprint_of_the_receivable_itself_is_released(consortium: Consortium) -> None:
    receivable, other = consortium.registered(document=b"paper"), consortium.registered()
    prints = consortium.record(receivable).fingerprints
    consortium.do(cancellation(receivable))
    wrong = (prints.similar, consortium.record(other).fingerprints.invoice)
    for fingerprint in wrong:
        operation = ReleaseFingerprint(receivable, fingerprint, "why")
        assert consortium.code(operation) is Code.UNKNOWN_FINGERPRINT
    assert prints.document is not None
    assert consortium.code(ReleaseFingerprint(receivable, prints.document, "why")) is Code.OK
    assert consortium.code(ReleaseFingerprint(bytes(32), prints.invoice, "why")) is Code.UNKNOWN_RECEIVABLE


def test_a_refused_entry_releases_nothing(consortium: Consortium) -> None:
    receivable = consortium.registered("INV-7")
    consortium.do(cancellation(receivable))
    number = consortium.record(receivable).fingerprints.invoice
    release = ReleaseFingerprint(receivable, number, "why")
    assert consortium.code(release, SetPolicy(SHORT, 0), by=ASSOCIATION) is Code.TOO_EARLY
    assert consortium.code(consortium.registration("INV-7")) is Code.DUPLICATE_RECEIVABLE
