"""Random runs in which a court undoes now this and now that: whatever comes, the invariants hold after each block."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from registry.errors import Code
from registry.operations import Operation, RecordPayment
from registry.operations.reversal import AssignmentUndone, PledgeUndone, Step, StepUndone, Undone
from registry.receivable import CLOSED, Receivable
from tests.registry.collection_examples import AFTER_DUE_MS, default, judgment
from tests.registry.consortium import EXPORTER, OPEN_POLICY, confirmation, found, settlement
from tests.registry.test_reversal_invariants import drawn

STEPS = 80


def effect(pick: random.Random, record: Receivable) -> Undone:
    """Mostly something that stands."""
    givers = [disposal for disposal in record.disposals if disposal.amount]
    takers = [part for part in record.parts if part.amount and part.holder != EXPORTER]
    if record.phase in CLOSED:
        return StepUndone(Step.CLOSURE)
    if record.liens and pick.random() < 0.2:
        return PledgeUndone(pick.choice(record.liens).lien_id)
    if not givers or not takers or pick.random() < 0.1:
        return StepUndone(pick.choice(list(Step)))
    taker, giver = pick.choice(takers), pick.choice(givers)
    amount = pick.choice((taker.amount, max(1, taker.amount // 2), pick.randint(1, 5_000)))
    liens = sorted(
        lien.lien_id
        for lien in record.liens
        if lien.pledgor == taker.holder and lien.behind is None and pick.random() < 0.7
    )
    return AssignmentUndone(giver.holder, taker.holder, min(amount, giver.amount), tuple(liens))


def judged(pick: random.Random, record: Receivable, number: int) -> Operation:
    effects = [effect(pick, record) for _ in range(pick.choice((1, 1, 2)))]
    return judgment(record.receivable_id, *effects, decision=number.to_bytes(32, "big"))


@pytest.mark.parametrize("seed", range(12))
def test_the_invariants_hold_through_judgments(seed: int) -> None:
    pick = random.Random(seed)
    consortium = found(replace(OPEN_POLICY, dispose_past_due=True))
    receivable = consortium.registered()
    consortium.do(confirmation(receivable, 7_000))
    consortium.pass_time(AFTER_DUE_MS)
    assert consortium.code(default(receivable, EXPORTER)) is Code.OK
    paid: list[bytes] = []
    executed: set[type] = set()
    for number in range(1, STEPS):
        record = consortium.record(receivable)
        operation = drawn(pick, consortium, record, paid)
        if number % 3 == 0:
            operation = judged(pick, record, number)
        elif number % 20 == 1:
            holders = [part.holder for part in record.parts]
            operation = settlement(receivable, holders, write_off=True)
        if consortium.code(operation) is Code.OK:
            if isinstance(operation, RecordPayment):
                paid.append(operation.bank_reference)
            executed.update(type(each) for each in getattr(operation, "undone", ()))
    assert executed >= {AssignmentUndone, StepUndone}
