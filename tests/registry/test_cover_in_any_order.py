"""Random runs over several receivables: what stands under each policy is what their records say, after every block.

`Consortium.commit` compares the counters with a recomputation from all records and checks the invariants; beside it this test
keeps its own account of what was claimed.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest

from registry.entry import Mode
from registry.errors import Code
from registry.operations import (
    AlterCover,
    BindCover,
    ClaimCover,
    EndCover,
    Operation,
    RecordPayment,
    ReversePayment,
)
from registry.receivable import Receivable
from registry.record.covers import policy_use_id
from registry.stored import Namespace
from tests.registry.collection_examples import AFTER_DUE_MS, default, reversal
from tests.registry.consortium import (
    BANK,
    DAY_MS,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    INSURER,
    INSURER_2,
    OPEN_POLICY,
    Consortium,
    dispute,
    found,
    payment,
    stored,
)
from tests.registry.cover_examples import OTHER_POLICY, POLICY, altering, binding, claiming, ending

STEPS = 60
LIMIT = 6_000  # often reached: three receivables of 10,000 under four policies
KINDS = {BindCover, AlterCover, EndCover, ClaimCover, RecordPayment, ReversePayment}


def drawn(
    pick: random.Random, consortium: Consortium, record: Receivable, paid: list[RecordPayment]
) -> Operation:
    receivable, amount = record.receivable_id, pick.randint(1, 6_000)
    # An insurer collects what has passed to it, and does not dispose of it.
    disposing = [part.holder for part in record.parts if part.holder not in (INSURER, INSURER_2)]
    holder = pick.choice(disposing or [EXPORTER])
    cover = pick.choice(record.covers) if record.covers else None
    match pick.randint(0, 11):
        case 0:
            return payment(receivable, amount, holder=holder, reporter=BANK, reference=str(pick.random()))
        case 1 | 2 if paid:
            past = pick.choice(paid)
            return reversal(past.receivable, past.bank_reference, BANK)
        case 3 if cover:
            return ending(receivable, cover)
        case 4 | 5 if cover:
            until_ms = cover.until_ms + pick.choice((-DAY_MS, 0, DAY_MS))
            return altering(receivable, cover, amount=amount, until_ms=until_ms)
        case 6 if cover:
            return claiming(receivable, cover, min(amount, cover.amount))
        case 7:
            taker = FACTOR_2 if holder == FACTOR_1 else FACTOR_1
            return consortium.assignment(receivable, amount, taker, assignor=holder)
        case 8:
            return dispute(receivable, pick.randint(1, 300))
        case _:
            return binding(
                receivable,
                amount,
                holder,
                insurer=pick.choice((INSURER, INSURER_2)),
                policy=pick.choice((POLICY, OTHER_POLICY)),
                policy_limit=LIMIT,
                until_ms=consortium.now_ms + pick.randint(1, 200) * DAY_MS,
            )


class Run:
    """A chain with three receivables, and what this test itself has counted."""

    def __init__(self, seed: int) -> None:
        self.pick = random.Random(seed)
        self.consortium = found(replace(OPEN_POLICY, dispose_past_due=True))
        self.receivables = [self.consortium.registered() for _ in range(3)]
        self.paid: list[RecordPayment] = []
        self.claimed: Counter[bytes] = Counter()
        self.applied: set[type] = set()

    def step(self) -> None:
        """One entry of one to three operations, all or nothing or each on its own."""
        pick, consortium = self.pick, self.consortium
        operations = [
            drawn(pick, consortium, consortium.record(pick.choice(self.receivables)), self.paid)
            for _ in range(pick.randint(1, 3))
        ]
        before = {receivable: consortium.record(receivable) for receivable in self.receivables}
        receipt = consortium.do(*operations, mode=pick.choice((Mode.ATOMIC, Mode.INDEPENDENT)))
        for operation, result in zip(operations, receipt.results, strict=True):
            if result.code is not Code.OK:
                continue
            self.applied.add(type(operation))
            if isinstance(operation, RecordPayment):
                self.paid.append(operation)
            if isinstance(operation, ClaimCover):
                cover = next(
                    each for each in before[operation.receivable].covers if each.cover_id == operation.cover
                )
                self.claimed[policy_use_id(cover.insurer, cover.policy, "USD")] += operation.amount

    def check(self) -> None:
        for key, amount in self.claimed.items():
            assert stored(self.consortium, Namespace.COVERAGE, key).claimed == amount


def played(seed: int) -> set[type]:
    run = Run(seed)
    for number in range(STEPS):
        if number == STEPS // 2:
            run.consortium.pass_time(AFTER_DUE_MS)
            for receivable in run.receivables[:2]:
                assert run.consortium.code(default(receivable)) in (Code.OK, Code.NOT_HOLDER, Code.NOT_DUE)
        run.step()
        run.check()
    return run.applied


@pytest.mark.parametrize("first", range(0, 12, 3))
def test_what_stands_under_a_policy_is_what_the_records_say(first: int) -> None:
    applied = set().union(*(played(seed) for seed in range(first, first + 3)))
    assert applied >= KINDS
