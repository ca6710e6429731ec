"""ReverseByJudgment: what a final decision undoes, what becomes of what stands on it, and what it cannot undo."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from registry.errors import Code, EntryRefused, Reason, Reference
from registry.limits import JUDGMENTS_MAX
from registry.operations import Operation
from registry.operations.decisions import ReleaseFingerprint
from registry.operations.reversal import AssignmentUndone, PledgeUndone, Step, StepUndone, Undone
from registry.operations.security import Junior
from registry.receivable import ConfirmationKind, Phase, free_amount
from tests.registry.assignment_examples import notice, offered
from tests.registry.collection_examples import (
    CASE,
    DECISION,
    frozen,
    judgment,
    objection,
    overdue,
    pledged,
    reversal,
)
from tests.registry.consortium import (
    ASSOCIATION,
    COURT,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    FACTOR_3,
    TRADER,
    Consortium,
    cancellation,
    confirmation,
    dispute,
    payment,
    settlement,
)
from tests.registry.cover_examples import binding
from tests.registry.existence_examples import contract, rejection
from tests.registry.pool_examples import OF_ONE_DEBTOR, adding, drawing, filled, pooled, present

SALE = AssignmentUndone(EXPORTER, FACTOR_1, 4_000, ())
VOID = StepUndone(Step.REGISTRATION)
REOPENED = StepUndone(Step.CLOSURE)


def sold(consortium: Consortium, amount: int = 10_000, **changes: Any) -> bytes:
    receivable = consortium.registered()
    assert consortium.code(consortium.assignment(receivable, amount, **changes)) is Code.OK
    return receivable


def amounts(consortium: Consortium, receivable: bytes) -> dict[str, int]:
    return {part.holder: part.amount for part in consortium.record(receivable).parts}


# --- who and when


@pytest.mark.parametrize("signed_by", [(COURT,), (ASSOCIATION,), (EXPORTER, ASSOCIATION)])
def test_court_and_association_reverse_together(consortium: Consortium, signed_by: tuple[str, ...]) -> None:
    receivable = sold(consortium)
    with pytest.raises(EntryRefused) as refused:
        consortium.do(judgment(receivable, SALE), by=signed_by[0], signed_by=signed_by)
    assert refused.value.code is Code.MISSING_SIGNATURE


def test_only_a_court_orders(consortium: Consortium) -> None:
    receivable = sold(consortium)
    operation = judgment(receivable, SALE, court=FACTOR_1)
    with pytest.raises(EntryRefused) as refused:
        consortium.do(operation, signed_by=(FACTOR_1, ASSOCIATION))
    assert refused.value.code is Code.NOT_PERMITTED


@pytest.mark.parametrize("changes", [{"case_number": ""}, {"case_number": " "}, {"decision": bytes(32)}])
def test_without_case_or_decision_there_is_no_order(consortium: Consortium, changes: dict[str, Any]) -> None:
    receivable = sold(consortium)
    assert consortium.code(judgment(receivable, SALE, **changes)) is Code.NO_ORDER
    assert consortium.code(judgment(receivable, SALE)) is Code.OK


def test_what_was_never_registered_is_not_judged(consortium: Consortium) -> None:
    assert consortium.code(judgment(bytes(32), VOID)) is Code.UNKNOWN_RECEIVABLE


def test_a_decision_is_executed_once_on_each_receivable(consortium: Consortium) -> None:
    first, second = sold(consortium), sold(consortium)
    half = replace(SALE, amount=2_000)
    assert consortium.code(judgment(first, half)) is Code.OK
    place = Reference(first, consortium.tip.height, 0, 0)
    for case_number in (CASE, "another number"):
        result = consortium.result(judgment(first, half, case_number=case_number))
        assert (result.code, result.collided_with) == (Code.NO_ORDER, place)
    assert consortium.code(judgment(second, half)) is Code.OK
    assert consortium.code(judgment(first, half, decision=bytes(range(6, 38)))) is Code.OK
    record = consortium.record(first)
    assert [each.place for each in record.judgments] == [place, Reference(first, consortium.tip.height, 0, 0)]


def test_a_receivable_is_judged_a_bounded_number_of_times(consortium: Consortium) -> None:
    receivable = sold(consortium)
    steps = [
        judgment(receivable, replace(SALE, amount=1), decision=bytes([number]) * 32)
        for number in range(1, JUDGMENTS_MAX + 2)
    ]
    consortium.do(*steps[:-1])
    assert consortium.code(steps[-1]) is Code.LIMIT_REACHED


def test_neither_freeze_nor_objection_stands_in_its_way(consortium: Consortium) -> None:
    receivable = sold(consortium)
    consortium.do(objection(receivable), frozen(receivable))
    assert consortium.code(judgment(receivable, SALE)) is Code.OK
    assert consortium.record(receivable).restraints.frozen is not None


def test_a_judgment_executes_all_of_its_effects_or_none(consortium: Consortium) -> None:
    receivable = sold(consortium)
    before = consortium.record(receivable)
    missing = PledgeUndone(bytes(32))
    assert consortium.code(judgment(receivable, SALE, missing)) is Code.NO_ORDER
    assert consortium.record(receivable) == before


# --- an assignment


def test_a_part_goes_back_to_who_assigned_it(consortium: Consortium) -> None:
    receivable = sold(consortium, with_recourse=True, resale_barred=True)
    assert consortium.code(judgment(receivable, SALE)) is Code.OK
    assert amounts(consortium, receivable) == {FACTOR_1: 6_000, EXPORTER: 4_000}
    record = consortium.record(receivable)
    assert record.terms[0].recourse == 6_000
    assert free_amount(record, EXPORTER).amount == 4_000
    # Forward: both the assignment and its reversal stand on the chain, and the part is free to be assigned again.
    taken_back = record.disposed_by(FACTOR_1)
    assert taken_back is not None
    assert taken_back.latest == Reference(receivable, consortium.tip.height, 0, 0)
    assert consortium.code(consortium.assignment(receivable, 4_000, FACTOR_2)) is Code.OK


@pytest.mark.parametrize(
    ("undone", "code"),
    [
        (replace(SALE, amount=4_000), Code.OK),
        (replace(SALE, amount=4_001), Code.NO_ORDER),
        (replace(SALE, amount=0), Code.AMOUNT_NOT_POSITIVE),
        (replace(SALE, assignee=FACTOR_2), Code.NO_ORDER),
        (replace(SALE, assignor=FACTOR_2), Code.NO_ORDER),
        (replace(SALE, assignee=EXPORTER), Code.NO_ORDER),
    ],
)
def test_only_an_assignment_that_stands_is_undone(
    consortium: Consortium, undone: AssignmentUndone, code: Code
) -> None:
    receivable = sold(consortium, 4_000)
    assert consortium.code(judgment(receivable, undone)) is code


def test_what_is_not_with_the_assignee_is_named_with_its_reasons(consortium: Consortium) -> None:
    receivable = sold(consortium, 4_000)
    sale = Reference(receivable, consortium.tip.height, 0, 0)
    consortium.do(payment(receivable, 1_000, holder=FACTOR_1))
    result = consortium.result(judgment(receivable, SALE))
    assert (result.code, result.collided_with) == (Code.NO_ORDER, sale)
    assert result.reasons == (Reason("assigned", 4_000), Reason("held", 3_000))


def test_a_chain_of_assignments_is_undone_from_its_end(consortium: Consortium) -> None:
    receivable = sold(consortium)
    onward = consortium.assignment(receivable, 10_000, FACTOR_2, assignor=FACTOR_1)
    consortium.do(onward)
    last = AssignmentUndone(FACTOR_1, FACTOR_2, 10_000, ())
    first = AssignmentUndone(EXPORTER, FACTOR_1, 10_000, ())
    assert consortium.code(judgment(receivable, first, last)) is Code.NO_ORDER
    assert consortium.code(judgment(receivable, last, first)) is Code.OK
    assert amounts(consortium, receivable) == {EXPORTER: 10_000}


def test_liens_follow_only_when_the_judgment_names_them(consortium: Consortium) -> None:
    receivable = sold(consortium)
    kept = pledged(consortium, receivable, 3_000, pledgor=FACTOR_1, pledgee=FACTOR_2)
    lost = pledged(consortium, receivable, 2_000, pledgor=FACTOR_1, pledgee=FACTOR_3)
    behind = Junior(kept.lien_id, FACTOR_2)
    junior = pledged(consortium, receivable, 1_000, pledgor=FACTOR_1, pledgee=TRADER, junior_to=behind)
    whole = AssignmentUndone(EXPORTER, FACTOR_1, 10_000, (kept.lien_id,))
    assert consortium.code(judgment(receivable, whole)) is Code.OK
    record = consortium.record(receivable)
    assert record.lien(lost.lien_id) is None
    assert record.liens == (replace(kept, pledgor=EXPORTER), replace(junior, pledgor=EXPORTER))
    assert free_amount(record, EXPORTER).amount == 7_000


def test_a_lien_stays_with_what_is_left_behind(consortium: Consortium) -> None:
    receivable = sold(consortium)
    lien = pledged(consortium, receivable, 7_000, pledgor=FACTOR_1, pledgee=FACTOR_2)
    assert consortium.code(judgment(receivable, SALE)) is Code.OK
    assert consortium.record(receivable).liens == (replace(lien, amount=6_000),)


@pytest.mark.parametrize("case", ["another's", "junior", "too large", "unknown"])
def test_only_first_ranking_liens_of_the_assignee_follow(consortium: Consortium, case: str) -> None:
    receivable = sold(consortium, 9_000)
    own = pledged(consortium, receivable, 1_000, pledgee=FACTOR_2)
    senior = pledged(consortium, receivable, 5_000, pledgor=FACTOR_1, pledgee=FACTOR_2)
    junior = pledged(
        consortium,
        receivable,
        1,
        pledgor=FACTOR_1,
        pledgee=FACTOR_3,
        junior_to=Junior(senior.lien_id, FACTOR_2),
    )
    named = {
        "another's": own.lien_id,
        "junior": junior.lien_id,
        "too large": senior.lien_id,
        "unknown": bytes(32),
    }[case]
    before = consortium.record(receivable)
    assert consortium.code(judgment(receivable, replace(SALE, with_liens=(named,)))) is Code.NO_ORDER
    assert consortium.record(receivable) == before


def test_offers_and_notices_of_who_loses_its_part_end(consortium: Consortium) -> None:
    receivable = sold(consortium)
    offered(consortium, receivable, 1_000, FACTOR_2, assignor=FACTOR_1)
    consortium.do(notice(receivable))
    consortium.do(judgment(receivable, replace(SALE, amount=10_000)))
    record = consortium.record(receivable)
    assert (record.reservations, record.notices) == ((), ())


def test_undisputed_value_goes_back_first(consortium: Consortium) -> None:
    receivable = sold(consortium)
    consortium.do(dispute(receivable, 7_000))
    consortium.do(judgment(receivable, SALE))
    record = consortium.record(receivable)
    assert {part.holder: part.disputed for part in record.parts} == {FACTOR_1: 6_000, EXPORTER: 1_000}


# --- a pledge, a confirmation, a rejection


def test_a_lien_ends_and_its_junior_moves_up(consortium: Consortium) -> None:
    receivable = consortium.registered()
    senior = pledged(consortium, receivable, 3_000, pledgee=FACTOR_2)
    junior = pledged(consortium, receivable, 2_000, junior_to=Junior(senior.lien_id, FACTOR_2))
    assert consortium.code(judgment(receivable, PledgeUndone(senior.lien_id))) is Code.OK
    assert consortium.record(receivable).liens == (replace(junior, behind=None),)
    again = judgment(receivable, PledgeUndone(senior.lien_id), decision=bytes(range(6, 38)))
    assert consortium.code(again) is Code.NO_ORDER


@pytest.mark.parametrize("step", [Step.CONFIRMATION, Step.REJECTION])
def test_what_the_debtor_said_goes_back_to_none(consortium: Consortium, step: Step) -> None:
    receivable = consortium.registered()
    said = confirmation(receivable) if step is Step.CONFIRMATION else rejection(receivable)
    other = Step.REJECTION if step is Step.CONFIRMATION else Step.CONFIRMATION
    assert consortium.code(judgment(receivable, StepUndone(step))) is Code.NO_ORDER
    consortium.do(said)
    assert consortium.code(judgment(receivable, StepUndone(other))) is Code.NO_ORDER
    assert consortium.code(judgment(receivable, StepUndone(step))) is Code.OK
    record = consortium.record(receivable)
    assert (record.confirmation.kind, record.confirmation.amount) == (ConfirmationKind.NONE, 0)
    assert free_amount(record, EXPORTER).amount == 10_000
    assert consortium.code(said) is Code.OK


# --- a registration, a closure


def test_a_void_registration_ends_what_stands_on_it_and_keeps_its_number(consortium: Consortium) -> None:
    receivable = consortium.registered("INV-7")
    consortium.do(consortium.assignment(receivable, 4_000))
    pledged(consortium, receivable, 1_000)
    offered(consortium, receivable, 1_000, FACTOR_2)
    consortium.do(confirmation(receivable), notice(receivable))
    assert consortium.code(judgment(receivable, VOID)) is Code.OK
    record = consortium.record(receivable)
    assert record.phase is Phase.CANCELLED
    assert (record.liens, record.reservations, record.notices) == ((), (), ())
    assert amounts(consortium, receivable) == {EXPORTER: 6_000, FACTOR_1: 4_000}
    assert free_amount(record, FACTOR_1).amount == 0
    assert consortium.code(consortium.registration("I N V 007")) is Code.DUPLICATE_RECEIVABLE


def test_a_future_receivable_is_voided_and_restored(consortium: Consortium) -> None:
    assert consortium.code(contract()) is Code.OK
    (receivable,) = consortium.receivables
    assert consortium.code(judgment(receivable, VOID)) is Code.OK
    assert consortium.record(receivable).phase is Phase.CANCELLED
    assert consortium.code(judgment(receivable, REOPENED, decision=bytes(range(6, 38)))) is Code.OK
    assert consortium.record(receivable).phase is Phase.FUTURE


@pytest.mark.parametrize("closed_by", ["cancellation", "write-off", "payment", "judgment"])
@pytest.mark.parametrize("defaulted", [False, True])
def test_what_was_closed_is_owed_again(consortium: Consortium, closed_by: str, defaulted: bool) -> None:
    receivable = consortium.registered()
    if defaulted:
        overdue(consortium, receivable)
    if closed_by == "payment":
        consortium.do(payment(receivable, 10_000))
    closing: dict[str, Operation] = {
        "cancellation": cancellation(receivable),
        "write-off": settlement(receivable, write_off=True),
        "payment": settlement(receivable),
        "judgment": judgment(receivable, VOID, decision=bytes(range(6, 38))),
    }
    consortium.do(closing[closed_by])
    assert consortium.code(judgment(receivable, REOPENED)) is Code.OK
    record = consortium.record(receivable)
    assert record.phase is (Phase.OVERDUE if defaulted else Phase.LIVE)
    # What was paid stays paid: a payment is called back by the bank.
    assert record.outstanding == (0 if closed_by == "payment" else 10_000)


@pytest.mark.parametrize(
    "undone", [SALE, PledgeUndone(bytes(32)), VOID, StepUndone(Step.CONFIRMATION), StepUndone(Step.REJECTION)]
)
def test_of_what_is_closed_only_the_closure_is_undone(consortium: Consortium, undone: Undone) -> None:
    receivable = consortium.registered()
    assert consortium.code(judgment(receivable, REOPENED)) is Code.NO_ORDER
    consortium.do(cancellation(receivable))
    assert consortium.code(judgment(receivable, undone)) is Code.CLOSED
    assert consortium.code(judgment(receivable, REOPENED)) is Code.OK


def released(consortium: Consortium, receivable: bytes) -> None:
    number = consortium.record(receivable).fingerprints.invoice
    assert consortium.code(ReleaseFingerprint(receivable, number, "reissued")) is Code.OK


def test_what_opens_again_has_its_number_again(consortium: Consortium) -> None:
    receivable = consortium.registered("INV-7")
    consortium.do(cancellation(receivable))
    released(consortium, receivable)
    assert consortium.code(judgment(receivable, REOPENED)) is Code.OK
    result = consortium.result(consortium.registration("INV-7"))
    assert (result.code, result.collided_with) == (
        Code.DUPLICATE_RECEIVABLE,
        consortium.record(receivable).place,
    )


def test_what_would_be_owed_twice_does_not_open_again(consortium: Consortium) -> None:
    receivable = consortium.registered("INV-7")
    consortium.do(cancellation(receivable))
    released(consortium, receivable)
    second = consortium.record(consortium.registered("INV-7")).place
    result = consortium.result(judgment(receivable, REOPENED))
    assert (result.code, result.collided_with) == (Code.DUPLICATE_RECEIVABLE, second)


def test_a_reversed_payment_does_not_open_what_would_be_owed_twice(consortium: Consortium) -> None:
    receivable = consortium.registered("INV-7")
    paid = payment(receivable, 10_000)
    consortium.do(paid, settlement(receivable))
    released(consortium, receivable)
    second = consortium.record(consortium.registered("INV-7")).place
    result = consortium.result(reversal(receivable, paid.bank_reference))
    assert (result.code, result.collided_with) == (Code.DUPLICATE_RECEIVABLE, second)


def test_the_record_keeps_which_court_decided_what(consortium: Consortium) -> None:
    receivable = sold(consortium)
    consortium.do(judgment(receivable, SALE))
    (kept,) = consortium.record(receivable).judgments
    assert (kept.decision, kept.case_number, kept.court) == (DECISION, CASE, COURT)


# --- cover and pools


def test_a_void_receivable_is_worth_nothing_to_its_pool_and_its_cover(consortium: Consortium) -> None:
    receivable = consortium.registered()
    pool = pooled(consortium, OF_ONE_DEBTOR)
    assert consortium.code(adding(consortium, pool, receivable)) is Code.OK
    assert consortium.code(binding(receivable, 5_000)) is Code.OK
    assert present(consortium, pool).base == 10_000
    assert consortium.code(judgment(receivable, VOID)) is Code.OK
    assert consortium.record(receivable).phase is Phase.CANCELLED
    assert present(consortium, pool).base == 0
    assert consortium.code(judgment(receivable, REOPENED, decision=bytes(range(6, 38)))) is Code.OK
    assert consortium.record(receivable).phase is Phase.LIVE


def test_what_one_decision_voids_and_opens_again_stays_in_its_pool(consortium: Consortium) -> None:
    pool, (receivable,) = filled(consortium)
    assert consortium.code(drawing(pool, 8_000)) is Code.OK
    assert consortium.code(judgment(receivable, VOID, REOPENED)) is Code.OK
    assert present(consortium, pool).base == 10_000
    assert consortium.code(consortium.assignment(receivable, 1, to=FACTOR_2)) is Code.PLEDGED


def test_cover_does_not_follow_a_part_that_goes_back(consortium: Consortium) -> None:
    receivable = sold(consortium)
    assert consortium.code(binding(receivable, 8_000, FACTOR_1)) is Code.OK
    assert consortium.code(judgment(receivable, SALE)) is Code.OK
    record = consortium.record(receivable)
    assert (record.covered(FACTOR_1), record.covered(EXPORTER)) == (6_000, 0)


def test_a_confirmation_undone_lowers_the_base_that_leans_on_it(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(confirmation(receivable))
    pool = pooled(consortium, replace(OF_ONE_DEBTOR, confirmation_required=True))
    assert consortium.code(adding(consortium, pool, receivable)) is Code.OK
    assert consortium.code(judgment(receivable, StepUndone(Step.CONFIRMATION))) is Code.OK
    assert present(consortium, pool).base == 0
