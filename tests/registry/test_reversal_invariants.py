"""Random runs of payments, reversals, pledges, releases and enforcement: whatever comes, the invariants hold after each block."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from registry.errors import Code
from registry.operations import Operation, RecordPayment
from registry.operations.security import Junior
from registry.receivable import Receivable
from tests.registry.assignment_examples import offer
from tests.registry.collection_examples import AFTER_DUE_MS, default, enforcement, reversal
from tests.registry.consortium import (
    BANK,
    DEBTOR,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    FACTOR_3,
    OPEN_POLICY,
    Consortium,
    confirmation,
    dispute,
    found,
    payment,
    release,
)

FACTORS = (FACTOR_1, FACTOR_2, FACTOR_3)
STEPS = 40


def drawn(pick: random.Random, consortium: Consortium, record: Receivable, paid: list[bytes]) -> Operation:
    receivable, amount = record.receivable_id, pick.randint(1, 5_000)
    holder = pick.choice([part.holder for part in record.parts])
    taker = pick.choice([factor for factor in FACTORS if factor != holder])
    lien = pick.choice(record.liens) if record.liens else None
    match pick.randint(0, 8):
        case 0:
            return payment(receivable, amount, holder=holder, reporter=BANK, reference=str(pick.random()))
        case 1 if paid:
            return reversal(receivable, pick.choice(paid), BANK)
        case 2 if lien:
            return release(receivable, lien.lien_id, lien.pledgee)
        case 3 if lien:
            return enforcement(receivable, lien, amount=min(amount, lien.amount))
        case 4 if lien and lien.pledgor != taker != lien.pledgee:
            junior = Junior(lien.lien_id, lien.pledgee)
            amount = min(amount, lien.amount)
            return consortium.pledging(receivable, amount, taker, pledgor=lien.pledgor, junior_to=junior)
        case 5:
            return consortium.assignment(receivable, amount, taker, assignor=holder)
        case 6:
            return dispute(receivable, pick.randint(1, 500))
        case 7:
            return offer(consortium, receivable, amount, taker, assignor=holder)
        case _:
            return consortium.pledging(receivable, amount, taker, pledgor=holder)


@pytest.mark.parametrize("seed", range(12))
def test_the_invariants_hold_through_reversals(seed: int) -> None:
    pick = random.Random(seed)
    consortium = found(replace(OPEN_POLICY, dispose_past_due=True))
    receivable = consortium.registered()
    consortium.do(confirmation(receivable, 7_000, DEBTOR))
    consortium.pass_time(AFTER_DUE_MS)
    assert consortium.code(default(receivable, EXPORTER)) is Code.OK
    paid: list[bytes] = []
    applied: set[type] = set()
    for _ in range(STEPS):
        operation = drawn(pick, consortium, consortium.record(receivable), paid)
        if consortium.code(operation) is Code.OK:
            applied.add(type(operation))
            if isinstance(operation, RecordPayment):
                paid.append(operation.bank_reference)
    assert len(applied) >= 3
