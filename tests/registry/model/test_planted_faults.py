"""The comparison sees what it is there to see: each fault that is planted in one rule of the registry is found in a few chains.

A fault takes the place of a rule in the registry's table, as a careless change would, and works on the real rule.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from registry.errors import Code, InvariantViolation, RuleViolation
from registry.operations import (
    Assign,
    Confirm,
    Pledge,
    RaiseObjection,
    Reassign,
    RecordPayment,
    ReleasePledge,
    RenewPledge,
    ReversePayment,
    Settle,
)
from registry.operations.cover import BindCover
from registry.operations.pool import DrawPool
from registry.receivable import Receivable
from registry.record.liens import without_lien
from registry.record.restraints import UNRESTRAINED
from registry.rules import RULES, Judgement
from registry.stored import Namespace
from tests.registry.model.chain import Chain
from tests.registry.model.draw_governance import drawn_policy
from tests.registry.model.machine import draws_of
from tests.registry.model.scene import Dice

CHAINS_MAX = 80
Apply = Callable[[Judgement, Any], bytes]


def play(focus: str, seed: int, blocks: int = 30) -> None:
    """One random chain, without Hypothesis."""
    random = Random(seed)
    chain = Chain(drawn_policy(Dice(seed)), Counter())
    chain.begin(seed)
    for _ in range(blocks):
        seeds = [[random.randrange(2**32) for _ in range(random.randint(1, 3))] for _ in range(2)]
        chain.add_block(seeds, draws_of(focus), random.choice((1, 1, 86_400_000, 11 * 86_400_000)))


def first_difference(focus: str) -> int | None:
    """The seed of the first chain in which registry and model differ, or an invariant breaks."""
    for seed in range(CHAINS_MAX):
        try:
            play(focus, seed)
        except (AssertionError, InvariantViolation):
            return seed
    return None


def without(change: Callable[[Receivable], Receivable]) -> Callable[[Apply], Apply]:
    """A rule that looks at a record in which something is not seen, and judges by that."""

    def planted(rule: Apply) -> Apply:
        def apply(judgement: Judgement, operation: Any) -> bytes:
            record = judgement.state.receivable(operation.receivable)
            if record is not None:
                judgement.state.put(Namespace.RECEIVABLE, record.receivable_id, change(record))
            return rule(judgement, operation)

        return apply

    return planted


def undisputed(record: Receivable) -> Receivable:
    return replace(record, parts=tuple(replace(part, disputed=0) for part in record.parts))


def unrestrained(record: Receivable) -> Receivable:
    return replace(record, restraints=UNRESTRAINED)


def with_terms_again(rule: Apply) -> Apply:
    """What was given back can be given back again."""

    def apply(judgement: Judgement, operation: Any) -> bytes:
        before = judgement.state.receivable(operation.receivable)
        subject = rule(judgement, operation)
        after = judgement.state.receivable(operation.receivable)
        assert before is not None
        assert after is not None
        judgement.state.put(Namespace.RECEIVABLE, subject, replace(after, terms=before.terms))
        return subject

    return apply


def not_released(rule: Apply) -> Apply:
    """The pledgee is told that its lien has ended, and it stands."""

    def apply(judgement: Judgement, operation: Any) -> bytes:
        before = judgement.state.receivable(operation.receivable)
        subject = rule(judgement, operation)
        judgement.state.put(Namespace.RECEIVABLE, subject, before)
        return subject

    return apply


def less_and_not_equal(
    field: str, of: Callable[[Receivable, Any], int], code: Code
) -> Callable[[Apply], Apply]:
    """`<` where the rulebook has `<=`: what is just allowed is refused."""

    def planted(rule: Apply) -> Apply:
        def apply(judgement: Judgement, operation: Any) -> bytes:
            record = judgement.state.receivable(operation.receivable)
            if record is not None and getattr(operation, field) == of(record, operation):
                raise RuleViolation(code, "just too much")
            return rule(judgement, operation)

        return apply

    return planted


def ranked_anew(rule: Apply) -> Apply:
    """A renewed lien goes behind the others."""

    def apply(judgement: Judgement, operation: Any) -> bytes:
        subject = rule(judgement, operation)
        record = judgement.state.receivable(subject)
        assert record is not None
        renewed = record.lien(operation.lien)
        assert renewed is not None
        liens = (*(each for each in record.liens if each is not renewed), renewed)
        judgement.state.put(Namespace.RECEIVABLE, subject, replace(record, liens=liens))
        return subject

    return apply


def without_juniors(rule: Apply) -> Apply:
    """A release takes the lien behind with it."""

    def apply(judgement: Judgement, operation: Any) -> bytes:
        subject = rule(judgement, operation)
        record = judgement.state.receivable(subject)
        assert record is not None
        liens = record.liens
        for lien in record.liens:
            if lien.behind is None and lien.pledgor == record.exporter:
                liens = without_lien(liens, lien.lien_id)
        judgement.state.put(Namespace.RECEIVABLE, subject, replace(record, liens=liens))
        return subject

    return apply


def accepted_whatever(rule: Apply) -> Apply:
    """Refused for want of security only: the code is swallowed."""

    def apply(judgement: Judgement, operation: Any) -> bytes:
        try:
            return rule(judgement, operation)
        except RuleViolation as refusal:
            if refusal.code is Code.SHORTFALL:
                pool: bytes = operation.pool
                return pool
            raise

    return apply


def held(record: Receivable, operation: Any) -> int:
    return record.amount_of(operation.holder)


def owed(record: Receivable, _operation: Any) -> int:
    return record.outstanding


def insured(record: Receivable, operation: Any) -> int:
    return record.amount_of(operation.insured)


FAULTS: dict[str, tuple[str, type, Callable[[Apply], Apply]]] = {
    "what is disputed is assigned": ("trade", Assign, without(undisputed)),
    "what is frozen is pledged": ("authority", Pledge, without(unrestrained)),
    "a released lien stands": ("trade", ReleasePledge, not_released),
    "a release takes other liens along": ("trade", ReleasePledge, without_juniors),
    "a renewed lien loses its rank": ("collection", RenewPledge, ranked_anew),
    "recourse is used twice": ("trade", Reassign, with_terms_again),
    "a payment of all is too much": (
        "collection",
        RecordPayment,
        less_and_not_equal("amount", held, Code.OVERPAYMENT),
    ),
    "a confirmation of all is too much": (
        "papers",
        Confirm,
        less_and_not_equal("amount", owed, Code.AMOUNT_MISMATCH),
    ),
    "cover of all is too much": (
        "cover",
        BindCover,
        less_and_not_equal("amount", insured, Code.DOUBLE_COVER),
    ),
    "a write-off passes a freeze": ("collection", Settle, without(unrestrained)),
    "a payment that is called back stays paid": ("collection", ReversePayment, not_released),
    "an objection ends the others": ("authority", RaiseObjection, without(unrestrained)),
    "a pool advances more than its base": ("pool", DrawPool, accepted_whatever),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    focus, operation, fault = FAULTS[name]
    monkeypatch.setitem(RULES, operation, replace(RULES[operation], apply=fault(RULES[operation].apply)))
    assert first_difference(focus) is not None
