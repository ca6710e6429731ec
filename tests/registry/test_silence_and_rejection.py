"""ConfirmTacitly and RejectReceivable: whose silence counts, from when on, and what a rejection leaves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from registry.errors import Code
from registry.receivable import ConfirmationKind, Phase
from registry.record.restraints import Objection, Restraints
from registry.stored import Namespace
from tests.registry.assignment_examples import notice
from tests.registry.consortium import (
    AFFILIATE,
    DAY_MS,
    DEBTOR,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    OPEN_POLICY,
    OTHER_DEBTOR,
    Consortium,
    cancellation,
    confirmation,
    dispute,
    key_of,
    payment,
    resolution,
)
from tests.registry.existence_examples import consent, credit, noticed, rejection, silence

TACIT_MS = OPEN_POLICY.tacit_days * DAY_MS


@pytest.fixture
def told(consortium: Consortium) -> bytes:
    """Assigned in part; the debtor acknowledged the factor's notice at the present block time."""
    receivable = consortium.registered("A")
    consortium.do(consortium.assignment(receivable, 6_000))
    noticed(consortium, receivable)
    return receivable


def test_silence_confirms_all_that_is_outstanding(consortium: Consortium, told: bytes) -> None:
    consortium.pass_time(consortium.tip.time_ms + TACIT_MS)
    assert consortium.code(silence(consortium, told)) is Code.OK
    confirmed = consortium.record(told).confirmation
    assert (confirmed.kind, confirmed.amount, confirmed.waived) == (ConfirmationKind.TACIT, 10_000, ())


def test_silence_counts_from_the_very_millisecond(consortium: Consortium, told: bytes) -> None:
    due_ms = consortium.tip.time_ms + TACIT_MS
    consortium.pass_time(due_ms - 10_000)
    result = consortium.result(silence(consortium, told), time_ms=due_ms - 1)
    assert result.code is Code.TOO_EARLY
    answer = consortium.record(told).notices[0].acknowledged
    assert answer is not None
    assert result.collided_with == answer.place
    assert consortium.code(silence(consortium, told), time_ms=due_ms) is Code.OK


def test_without_an_acknowledged_notice_no_time_runs(consortium: Consortium) -> None:
    receivable = consortium.registered("A")
    consortium.do(consortium.assignment(receivable, 6_000))
    consortium.do(notice(receivable))
    consortium.pass_time(consortium.tip.time_ms + 2 * TACIT_MS)
    assert consortium.code(silence(consortium, receivable)) is Code.TOO_EARLY
    # The exporter has given no notice at all.
    assert consortium.code(silence(consortium, receivable, EXPORTER)) is Code.TOO_EARLY


def test_consent_must_be_the_debtors_own_for_this_exporter_and_still_run(
    consortium: Consortium, told: bytes
) -> None:
    consortium.pass_time(consortium.tip.time_ms + TACIT_MS)
    good = consent(consortium)
    for opt_in in (
        None,
        consent(consortium, exporter=AFFILIATE),
        consent(consortium, debtor=OTHER_DEBTOR),
        replace(good, debtor=FACTOR_2),
        replace(good, public_key=key_of(EXPORTER).public_key),
        replace(good, until_ms=good.until_ms + 1),
        replace(good, signature=bytes(64)),
        consent(consortium, until_ms=consortium.now_ms),
    ):
        assert consortium.code(silence(consortium, told, opt_in=opt_in)) is Code.NO_OPT_IN
    ends_after = consent(consortium, until_ms=consortium.now_ms + 1)
    assert consortium.code(silence(consortium, told, opt_in=ends_after)) is Code.OK


def test_who_disputes_is_not_silent(consortium: Consortium, told: bytes) -> None:
    consortium.do(dispute(told, 1))
    consortium.pass_time(consortium.tip.time_ms + TACIT_MS)
    assert consortium.code(silence(consortium, told)) is Code.OBJECTED
    consortium.do(resolution(told, freed=1))
    assert consortium.code(silence(consortium, told)) is Code.OK


def test_an_objection_stands_in_the_way_of_silence(consortium: Consortium, told: bytes) -> None:
    record = consortium.record(told)
    objection = Objection(DEBTOR, bytes(32), "case 1", None, False, record.place)
    state = consortium.working()
    state.put(Namespace.RECEIVABLE, told, replace(record, restraints=Restraints((), (objection,))))
    consortium.state.apply(state.finish()[0])
    consortium.pass_time(consortium.tip.time_ms + TACIT_MS)
    result = consortium.result(silence(consortium, told))
    assert (result.code, result.collided_with) == (Code.OBJECTED, record.place)


def test_only_who_holds_a_part_speaks_of_silence(consortium: Consortium, told: bytes) -> None:
    consortium.pass_time(consortium.tip.time_ms + TACIT_MS)
    assert consortium.code(silence(consortium, told, FACTOR_2)) is Code.NOT_HOLDER
    consortium.do(payment(told, 6_000, holder=FACTOR_1))
    assert consortium.code(silence(consortium, told)) is Code.NOT_HOLDER


def test_an_express_confirmation_goes_before_silence(consortium: Consortium, told: bytes) -> None:
    consortium.do(confirmation(told, 3_000))
    assert consortium.code(silence(consortium, told)) is Code.ALREADY_CONFIRMED


def test_a_tacit_confirmation_becomes_express(consortium: Consortium, told: bytes) -> None:
    consortium.pass_time(consortium.tip.time_ms + TACIT_MS)
    consortium.do(silence(consortium, told))
    assert consortium.code(confirmation(told, 10_000)) is Code.OK
    assert consortium.record(told).confirmation.kind is ConfirmationKind.EXPRESS


def test_precedence_of_broken_rules(consortium: Consortium, told: bytes) -> None:
    """Everything is wrong; each wrong thing is mended in turn, and the next one shows."""
    consortium.do(dispute(told, 1))
    assert consortium.code(silence(consortium, told, FACTOR_2, opt_in=None)) is Code.NOT_HOLDER
    assert consortium.code(silence(consortium, told, opt_in=None)) is Code.NO_OPT_IN
    assert consortium.code(silence(consortium, told)) is Code.TOO_EARLY


def test_a_rejected_receivable_can_only_be_cancelled(consortium: Consortium) -> None:
    receivable = consortium.registered("A")
    assert consortium.code(rejection(receivable)) is Code.OK
    assert consortium.record(receivable).confirmation.kind is ConfirmationKind.REJECTED
    for operation, code in (
        (consortium.assignment(receivable), Code.EMPTY_ASSIGNMENT),
        (consortium.pledging(receivable), Code.EMPTY_PLEDGE),
        (confirmation(receivable), Code.ALREADY_REJECTED),
        (rejection(receivable), Code.ALREADY_REJECTED),
        (dispute(receivable, 1), Code.ALREADY_REJECTED),
        (credit(receivable, (EXPORTER, 1)), Code.ALREADY_REJECTED),
        (silence(consortium, receivable, EXPORTER), Code.ALREADY_REJECTED),
    ):
        assert consortium.code(operation) is code
    # The debtor confirmed nothing, so its signature is not needed.
    assert consortium.code(cancellation(receivable)) is Code.OK
    assert consortium.record(receivable).phase is Phase.CANCELLED


def test_what_is_confirmed_is_not_rejected(consortium: Consortium, told: bytes) -> None:
    receivable = consortium.registered("B")
    consortium.do(confirmation(receivable, 1))
    result = consortium.result(rejection(receivable))
    assert (result.code, result.collided_with) == (
        Code.ALREADY_CONFIRMED,
        consortium.record(receivable).place,
    )
    consortium.pass_time(consortium.tip.time_ms + TACIT_MS)
    consortium.do(silence(consortium, told))
    assert consortium.code(rejection(told)) is Code.ALREADY_CONFIRMED
    # Silence was a confirmation: the debtor signs a cancellation too.
    assert consortium.code(cancellation(told)) is Code.ENCUMBERED


def test_only_the_debtor_rejects(consortium: Consortium) -> None:
    receivable = consortium.registered("A")
    assert consortium.code(rejection(receivable, OTHER_DEBTOR)) is Code.NOT_PERMITTED
    consortium.do(cancellation(receivable))
    assert consortium.code(rejection(receivable)) is Code.CLOSED
    assert consortium.code(rejection(bytes(32), DEBTOR)) is Code.UNKNOWN_RECEIVABLE


def test_a_rejection_leaves_the_parts_where_they_are(consortium: Consortium, told: bytes) -> None:
    consortium.do(rejection(told))
    record = consortium.record(told)
    assert {part.holder: part.amount for part in record.parts} == {EXPORTER: 4_000, FACTOR_1: 6_000}
