"""NotifyDebtor and AcknowledgeNotice: who is to be paid, and since when the debtor has known it."""

from __future__ import annotations

import pytest

from registry.errors import Code, EntryRefused
from registry.record.notices import first_acknowledged, fixed_payees, notice_of
from tests.registry.assignment_examples import acknowledgement, notice
from tests.registry.consortium import (
    DEBTOR,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    OTHER_DEBTOR,
    Consortium,
    cancellation,
    payment,
    settlement,
)


def test_a_notice_stands_with_its_blocks_time(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 6_000))
    now_ms = consortium.now_ms
    assert consortium.code(notice(receivable)) is Code.OK
    given = notice_of(consortium.record(receivable).notices, FACTOR_1)
    assert given is not None
    assert (given.time_ms, given.place.height, given.acknowledged) == (now_ms, 3, None)
    assert fixed_payees(consortium.record(receivable).notices) == ()
    assert first_acknowledged(consortium.record(receivable).notices) is None


def test_an_acknowledged_notice_fixes_the_payee(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 6_000))
    consortium.do(notice(receivable))
    now_ms = consortium.now_ms
    assert consortium.code(acknowledgement(receivable)) is Code.OK
    notices = consortium.record(receivable).notices
    assert fixed_payees(notices) == (FACTOR_1,)
    answer = first_acknowledged(notices)
    assert answer is not None
    assert (answer.time_ms, answer.place.height) == (now_ms, 4)


def test_repeating_a_notice_or_its_acknowledgement_begins_no_time_anew(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable))
    consortium.do(notice(receivable), acknowledgement(receivable))
    before = consortium.record(receivable).notices
    assert consortium.code(notice(receivable)) is Code.OK
    assert consortium.code(acknowledgement(receivable)) is Code.OK
    assert consortium.record(receivable).notices == before


def test_every_holder_gives_its_own_notice(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(
        consortium.assignment(receivable, 6_000), consortium.assignment(receivable, 3_000, FACTOR_2)
    )
    consortium.do(notice(receivable), notice(receivable, FACTOR_2), notice(receivable, EXPORTER))
    consortium.do(acknowledgement(receivable, FACTOR_2))
    consortium.do(acknowledgement(receivable, FACTOR_1))
    notices = consortium.record(receivable).notices
    assert fixed_payees(notices) == (FACTOR_1, FACTOR_2)
    answer = first_acknowledged(notices)
    assert answer is not None
    assert answer.place.height == 4


def test_who_holds_no_part_gives_no_notice(consortium: Consortium) -> None:
    receivable = consortium.registered()
    result = consortium.result(notice(receivable))
    assert (result.code, result.collided_with) == (Code.NOT_HOLDER, consortium.record(receivable).place)
    consortium.do(consortium.assignment(receivable))
    disposal = consortium.record(receivable).disposed_by(EXPORTER)
    assert disposal is not None
    result = consortium.result(notice(receivable, EXPORTER))
    assert (result.code, result.collided_with) == (Code.NOT_HOLDER, disposal.latest)


def test_a_part_that_is_paid_gives_no_notice(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 1_000))
    consortium.do(payment(receivable, 1_000, holder=FACTOR_1))
    assert consortium.code(notice(receivable)) is Code.NOT_HOLDER


def test_what_was_not_notified_is_not_acknowledged(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable))
    result = consortium.result(acknowledgement(receivable))
    assert (result.code, result.collided_with) == (Code.NO_NOTICE, consortium.record(receivable).place)


def test_only_the_debtor_of_the_receivable_acknowledges(consortium: Consortium) -> None:
    """And before the notice is looked for: a stranger learns nothing about it."""
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable))
    assert consortium.code(acknowledgement(receivable, debtor=OTHER_DEBTOR)) is Code.NOT_PERMITTED
    with pytest.raises(EntryRefused) as refused:
        consortium.do(acknowledgement(receivable, debtor=FACTOR_1))
    assert refused.value.code is Code.NOT_PERMITTED


def test_a_notice_ends_with_the_part(consortium: Consortium) -> None:
    """Who assigned onward is no payee any more, and says so anew when the part comes back."""
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable))
    consortium.do(notice(receivable), acknowledgement(receivable))
    consortium.do(consortium.assignment(receivable, assignor=FACTOR_1, to=FACTOR_2))
    assert consortium.record(receivable).notices == ()
    assert consortium.code(acknowledgement(receivable)) is Code.NO_NOTICE
    consortium.do(consortium.assignment(receivable, assignor=FACTOR_2, to=FACTOR_1))
    assert consortium.record(receivable).notices == ()


def test_a_notice_of_a_part_that_was_paid_stays(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable))
    consortium.do(notice(receivable), acknowledgement(receivable))
    consortium.do(payment(receivable, 10_000, holder=FACTOR_1))
    consortium.do(settlement(receivable, [FACTOR_1]))
    assert fixed_payees(consortium.record(receivable).notices) == (FACTOR_1,)


def test_a_closed_receivable_takes_no_notice(consortium: Consortium) -> None:
    assert consortium.code(notice(bytes(32))) is Code.UNKNOWN_RECEIVABLE
    assert consortium.code(acknowledgement(bytes(32))) is Code.UNKNOWN_RECEIVABLE
    receivable = consortium.registered()
    consortium.do(cancellation(receivable))
    assert consortium.code(notice(receivable, EXPORTER)) is Code.CLOSED
    assert consortium.code(acknowledgement(receivable, EXPORTER, DEBTOR)) is Code.CLOSED


def test_an_atomic_entry_that_fails_leaves_no_notice(consortium: Consortium) -> None:
    receivable = consortium.registered()
    receipt = consortium.do(notice(receivable, EXPORTER), notice(receivable, FACTOR_2))
    assert receipt.failed_operation == 1
    assert consortium.record(receivable).notices == ()
