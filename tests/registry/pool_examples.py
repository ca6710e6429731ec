"""Pools with sensible defaults, and a run of blocks in which each of their operations is applied."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from registry.errors import Code
from registry.operations import (
    AddToPool,
    CreatePool,
    DrawPool,
    RemoveFromPool,
    RepayPool,
    SubstituteInPool,
)
from registry.operations.pool import Addition, PoolTerms
from registry.operations.reversal import Step, StepUndone
from registry.pools import Pool
from tests.registry.collection_examples import judgment
from tests.registry.consortium import (
    EXPORTER,
    FACTOR_1,
    OTHER_DEBTOR,
    OTHER_DEBTOR_REFERENCE,
    Consortium,
    confirmation,
)

# Half of the base may be one debtor's, and four fifths of it are advanced.
TERMS = PoolTerms(
    currency="USD",
    tenor_days_max=120,
    past_due_days_max=0,
    confirmation_required=False,
    debtor_share_bp_max=5_000,
    advance_rate_bp=8_000,
    credit_limit=None,
    until_ms=None,
)
# For tests that are about something else than concentration.
OF_ONE_DEBTOR = replace(TERMS, debtor_share_bp_max=10_000)


def agreement(terms: PoolTerms = TERMS, *, exporter: str = EXPORTER, factor: str = FACTOR_1) -> CreatePool:
    return CreatePool(exporter, factor, terms)


def pooled(consortium: Consortium, terms: PoolTerms = TERMS, **parties: str) -> bytes:
    """The id of a new pool."""
    result = consortium.result(agreement(terms, **parties))
    assert result.code is Code.OK, result
    return result.subject


def addition(consortium: Consortium, receivable: bytes) -> Addition:
    record = consortium.working().receivable(receivable)
    return Addition(receivable, bytes(32) if record is None else record.fingerprints.digest())


def additions(consortium: Consortium, receivables: Iterable[bytes]) -> tuple[Addition, ...]:
    return tuple(addition(consortium, receivable) for receivable in sorted(receivables))


def adding(consortium: Consortium, pool: bytes, *receivables: bytes, **changes: Any) -> AddToPool:
    operation = AddToPool(pool, EXPORTER, FACTOR_1, additions(consortium, receivables), ())
    return replace(operation, **changes)


def removing(pool: bytes, *receivables: bytes, **changes: Any) -> RemoveFromPool:
    return replace(RemoveFromPool(pool, EXPORTER, FACTOR_1, tuple(sorted(receivables))), **changes)


def substituting(
    consortium: Consortium, pool: bytes, out: Sequence[bytes], come: Sequence[bytes]
) -> SubstituteInPool:
    return SubstituteInPool(pool, EXPORTER, FACTOR_1, tuple(sorted(out)), additions(consortium, come), ())


def drawing(pool: bytes, amount: int, **changes: Any) -> DrawPool:
    return replace(DrawPool(pool, EXPORTER, FACTOR_1, amount), **changes)


def repaying(pool: bytes, amount: int, factor: str = FACTOR_1) -> RepayPool:
    return RepayPool(pool, factor, amount)


def filled(
    consortium: Consortium, terms: PoolTerms = OF_ONE_DEBTOR, members: int = 1
) -> tuple[bytes, tuple[bytes, ...]]:
    """A pool with members of 10,000 each, and their ids."""
    pool = pooled(consortium, terms)
    receivables = tuple(consortium.registered() for _ in range(members))
    assert consortium.code(adding(consortium, pool, *receivables)) is Code.OK
    return pool, receivables


def present(consortium: Consortium, pool_id: bytes) -> Pool:
    pool = consortium.working().pool(pool_id)
    assert pool is not None
    return pool


def run_a_pool(consortium: Consortium) -> bytes:
    """Every operation of the family once, and what a court takes out; returns the pool."""
    terms = replace(TERMS, confirmation_required=True, credit_limit=50_000)
    pool = pooled(consortium, terms)
    first = consortium.registered("POOL-1")
    second = consortium.registered("POOL-2", debtor_reference=OTHER_DEBTOR_REFERENCE)
    third = consortium.registered("POOL-3", debtor_reference=OTHER_DEBTOR_REFERENCE)
    consortium.do(
        confirmation(first),
        confirmation(second, debtor=OTHER_DEBTOR),
        confirmation(third, debtor=OTHER_DEBTOR),
    )
    for operation in (
        adding(consortium, pool, first, second),
        drawing(pool, 15_000),
        substituting(consortium, pool, [second], [third]),
        repaying(pool, 15_000),
        removing(pool, first, third),
    ):
        result = consortium.result(operation)
        assert result.code is Code.OK, (operation, result)
    again = consortium.result(adding(consortium, pool, first, second))
    assert again.code is Code.OK
    consortium.do(judgment(first, StepUndone(Step.POOL)))
    return pool
