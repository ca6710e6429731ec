"""Operations of existence in any order, with disposals and payments between them: nothing is lost, and nothing appears.

After every block the consortium checks the invariants of each record. Here the value of a contract is followed through all that
came of it, and a second account is kept of what was credited.
"""

from __future__ import annotations

from collections import Counter

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from registry.errors import Code
from registry.operations import Operation
from registry.receivable import Phase
from tests.registry.consortium import (
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    confirmation,
    dispute,
    found,
    payment,
    resolution,
)
from tests.registry.existence_examples import (
    accredit,
    arising,
    attestation,
    contract,
    correction,
    credit,
    red_letter,
    rejection,
)

AMOUNTS = st.integers(1, 6_000)
FACTORS = st.sampled_from((FACTOR_1, FACTOR_2))
HOLDERS = st.sampled_from((EXPORTER, FACTOR_1, FACTOR_2))
PICKS = st.integers(0, 5)


class Existence(RuleBasedStateMachine):
    """One contract, and up to six receivables that came of it or beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.consortium = found()
        accredit(self.consortium)
        self.future = self.consortium.do(contract()).results[0].subject
        self.born = [self.consortium.registered("INV-0")]
        self.arisen: Counter[bytes] = Counter()
        self.credited: Counter[bytes] = Counter()
        self.serial = 0

    def number(self) -> str:
        self.serial += 1
        return f"N{self.serial}"

    def one(self, pick: int) -> bytes:
        return self.born[pick % len(self.born)]

    def done(self, operation: Operation) -> bool:
        return self.consortium.code(operation) is Code.OK

    @rule(amount=AMOUNTS)
    def crystallises(self, amount: int) -> None:
        if len(self.born) >= 6:
            return
        result = self.consortium.result(arising(self.future, self.number(), amount))
        left = 10_000 - sum(self.arisen.values())
        assert (result.code is Code.OK) == (amount <= left)
        if result.code is Code.OK:
            self.born.append(result.subject)
            self.arisen[result.subject] = amount

    @rule(amount=AMOUNTS, factor=FACTORS)
    def takes_of_the_cap(self, amount: int, factor: str) -> None:
        self.done(self.consortium.assignment(self.future, amount, factor, future_consented=True))

    @rule(pick=PICKS, amount=AMOUNTS, factor=FACTORS)
    def assigns(self, pick: int, amount: int, factor: str) -> None:
        self.done(self.consortium.assignment(self.one(pick), amount, factor))

    @rule(pick=PICKS, amount=AMOUNTS, factor=FACTORS)
    def pledges(self, pick: int, amount: int, factor: str) -> None:
        self.done(self.consortium.pledging(self.one(pick), amount, factor))

    @rule(pick=PICKS, amount=AMOUNTS, holder=HOLDERS, consenting=st.booleans())
    def credits(self, pick: int, amount: int, holder: str, consenting: bool) -> None:
        others = (FACTOR_1, FACTOR_2) if consenting else ()
        if self.done(credit(self.one(pick), (holder, amount), number=self.number(), consenting=others)):
            self.credited[self.one(pick)] += amount

    @rule(pick=PICKS, amount=AMOUNTS, holder=HOLDERS)
    def pays(self, pick: int, amount: int, holder: str) -> None:
        self.done(payment(self.one(pick), amount, holder=holder, reference=self.number()))

    @rule(pick=PICKS, amount=AMOUNTS)
    def confirms(self, pick: int, amount: int) -> None:
        self.done(confirmation(self.one(pick), amount))

    @rule(pick=PICKS, amount=AMOUNTS)
    def disputes(self, pick: int, amount: int) -> None:
        self.done(dispute(self.one(pick), amount))

    @rule(pick=PICKS, amount=AMOUNTS)
    def frees(self, pick: int, amount: int) -> None:
        self.done(resolution(self.one(pick), freed=amount))

    @rule(pick=PICKS)
    def rejects(self, pick: int) -> None:
        self.done(rejection(self.one(pick)))

    @rule(pick=PICKS, quantity=st.integers(0, 2))
    def attests(self, pick: int, quantity: int) -> None:
        self.done(attestation(self.consortium, self.one(pick), quantity))

    @rule(pick=PICKS)
    def voids(self, pick: int) -> None:
        self.done(red_letter(self.consortium, self.one(pick)))

    @rule(pick=PICKS, days=st.integers(-3, 3))
    def corrects(self, pick: int, days: int) -> None:
        issue_date = self.consortium.record(self.one(pick)).issue_date + days
        self.done(correction(self.consortium, self.one(pick), issue_date=issue_date))

    @invariant()
    def the_contract_is_worth_its_cap(self) -> None:
        record = self.consortium.record(self.future)
        assert record.phase is Phase.FUTURE
        assert record.outstanding + sum(self.arisen.values()) == 10_000

    @invariant()
    def each_is_as_large_as_it_was_born_less_what_was_credited(self) -> None:
        for identifier in self.born:
            record = self.consortium.record(identifier)
            assert record.face_amount == self.arisen.get(identifier, 10_000)
            assert record.diluted == self.credited[identifier]


TestExistence = Existence.TestCase
TestExistence.settings = settings(
    max_examples=15, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
