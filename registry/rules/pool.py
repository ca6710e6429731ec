"""Rules of pools (RULEBOOK, "Cover, pools"): what may stand in one, and how much is advanced on it.

Adding is a disposal of the exporter's whole free part, and judged like a pledge. Removing is a release: a receivable that is frozen
or objected to stays so, in the pool or out of it, so it may leave.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from .. import limits
from ..errors import Code, Reason, RuleViolation
from ..exposure import pooled_stake
from ..identifiers import pool_id
from ..operations.governance import Role
from ..operations.pool import (
    Addition,
    AddToPool,
    CreatePool,
    DrawPool,
    PoolChange,
    RemoveFromPool,
    RepayPool,
    SubstituteInPool,
)
from ..pools import Pool, eligible, over_limit, secured
from ..receivable import Receivable
from ..record.pooled import Pooled, pooled_at
from ..stored import Namespace
from ..time_units import DAY_MS
from .disposal import check_listed, check_papers, confirmed_for
from .judgement import Judgement, Party, Rule, known_receivable, positive, unclosed_receivable, unrestrained
from .papers import allowed_currency
from .relationships import check_concentration, check_related


def create_pool(judgement: Judgement, operation: CreatePool) -> bytes:
    """A pool without members. Order: the factor's listing, currency, credit limit, end."""
    check_listed(judgement, operation.factor)
    terms = operation.terms
    allowed_currency(judgement, terms.currency)
    if terms.credit_limit is not None:
        positive(terms.credit_limit)
    if terms.until_ms is not None and terms.until_ms <= judgement.time_ms:
        raise RuleViolation(Code.TERM, "the pool would have ended before it began")
    identifier = pool_id(judgement.entry_id, judgement.operation_index)
    place = judgement.place(identifier)
    return _store(
        judgement, Pool(identifier, place, operation.exporter, operation.factor, terms, drawn=0, shares=())
    )


def add_to_pool(judgement: Judgement, operation: AddToPool) -> bytes:
    """Receivables join the pool, all of them or none. What joins can only help the factor, so no shortfall refuses it.

    Order: the pool, its parties and end; each receivable in turn (`_add`); then the pool as a whole: number of debtors,
    concentration.
    """
    pool = _pool_of(judgement, operation)
    _check_running(judgement, pool)
    for addition in operation.additions:
        _add(judgement, pool, addition, operation.acknowledged_suspicions)
    _check_shares(judgement, pool)
    return pool.pool_id


def remove_from_pool(judgement: Judgement, operation: RemoveFromPool) -> bytes:
    """Members leave the pool, all of them or none; what is left must carry the advance.

    Order: the pool and its parties; each receivable in turn; then concentration, shortfall.
    """
    pool = _pool_of(judgement, operation)
    for identifier in operation.removals:
        _remove(judgement, pool, identifier)
    _check_shares(judgement, pool)
    _check_secured(judgement, pool)
    return pool.pool_id


def substitute_in_pool(judgement: Judgement, operation: SubstituteInPool) -> bytes:
    """Members leave and others come, judged as one change by the rules of both, those that leave first."""
    pool = _pool_of(judgement, operation)
    _check_running(judgement, pool)
    for identifier in operation.removals:
        _remove(judgement, pool, identifier)
    for addition in operation.additions:
        _add(judgement, pool, addition, operation.acknowledged_suspicions)
    _check_shares(judgement, pool)
    _check_secured(judgement, pool)
    return pool.pool_id


def draw_pool(judgement: Judgement, operation: DrawPool) -> bytes:
    """The advance grows. Order: the pool, its parties and end, amount, what the base and the credit limit carry."""
    pool = _pool_of(judgement, operation)
    _check_running(judgement, pool)
    positive(operation.amount)
    drawn = replace(pool, drawn=pool.drawn + operation.amount)
    credit_limit = pool.terms.credit_limit
    if drawn.drawn > secured(drawn) or (credit_limit is not None and drawn.drawn > credit_limit):
        raise _shortfall(pool, f"{operation.amount} asked for, {pool.drawn} is drawn")
    return _store(judgement, drawn)


def repay_pool(judgement: Judgement, operation: RepayPool) -> bytes:
    """The advance shrinks. Order: the pool, its factor, amount, what is drawn."""
    pool = _pool_of(judgement, operation)
    positive(operation.amount)
    if operation.amount > pool.drawn:
        raise RuleViolation(
            Code.OVERPAYMENT,
            f"{operation.amount} repaid, {pool.drawn} is drawn",
            collided_with=pool.place,
            reasons=(_reason("drawn", pool.drawn),),
        )
    return _store(judgement, replace(pool, drawn=pool.drawn - operation.amount))


def _pool_of(judgement: Judgement, operation: PoolChange | DrawPool | RepayPool) -> Pool:
    pool = judgement.state.pool(operation.pool)
    if pool is None:
        raise RuleViolation(Code.UNKNOWN_POOL, f"there is no pool {operation.pool.hex()}")
    # Before anything is said of it: a stranger who knows the id learns no more than that.
    exporter = pool.exporter if isinstance(operation, RepayPool) else operation.exporter
    if (exporter, operation.factor) != (pool.exporter, pool.factor):
        raise RuleViolation(Code.NOT_PERMITTED, "the pool is of other parties", collided_with=pool.place)
    return pool


def _check_running(judgement: Judgement, pool: Pool) -> None:
    until_ms = pool.terms.until_ms
    if until_ms is not None and until_ms <= judgement.time_ms:
        raise RuleViolation(Code.TERM, f"the pool ended at {until_ms}", collided_with=pool.place)


def _add(judgement: Judgement, pool: Pool, addition: Addition, acknowledged: tuple[bytes, ...]) -> None:
    """Order: closed, other pool, restraint, exporter, currency, eligibility, then the policy of a pledge: the factor's listing,
    confirmation, due date, related party, its limit for one debtor, papers, suspicions."""
    record = unclosed_receivable(judgement, addition.receivable)
    _in_no_pool(pool, record)
    unrestrained(record)
    if record.exporter != pool.exporter:
        raise RuleViolation(
            Code.NOT_HOLDER, f"{pool.exporter} did not register this", collided_with=record.place
        )
    if record.currency != pool.terms.currency:
        raise RuleViolation(
            Code.CURRENCY_MISMATCH, f"the pool is in {pool.terms.currency}", collided_with=record.place
        )
    pooled = Pooled(
        pool.pool_id,
        pool.factor,
        pool.terms.past_due_days_max,
        is_past_due=False,
        place=judgement.place(pool.pool_id),
    )
    member = replace(
        record,
        pool=pooled_at(pooled, record.due_date, judgement.time_ms),
        changed_height=judgement.height,
    )
    amount = _check_eligible(pool, member)
    _check_policy(judgement, pool, record, amount)
    check_papers(judgement, record, addition.verified_fingerprints, acknowledged)
    judgement.store(member)


def _in_no_pool(pool: Pool, record: Receivable) -> None:
    if record.pool is None:
        return
    same = record.pool.pool_id == pool.pool_id
    raise RuleViolation(
        Code.ALREADY_IN_FORCE if same else Code.IN_OTHER_POOL,
        "the receivable stands in this pool already" if same else "the receivable stands in another pool",
        collided_with=record.pool.place,
    )


def _check_eligible(pool: Pool, member: Receivable) -> int:
    worth = eligible(member, pool.terms)
    reserved = member.reserved_by(member.exporter)
    # An offer that is open could be accepted yet, and would take from the pool what it was given.
    if worth.amount == 0 or reserved:
        raise RuleViolation(
            Code.INELIGIBLE,
            f"it is worth {worth.amount} to the pool, and {reserved} is on offer",
            collided_with=member.place,
            reasons=(Reason("held", member.amount_of(member.exporter)), *worth.reasons),
        )
    return worth.amount


def _check_policy(judgement: Judgement, pool: Pool, record: Receivable, amount: int) -> None:
    policy = judgement.policy
    check_listed(judgement, pool.factor)
    if policy.require_confirmation.covers_pledge():
        left = confirmed_for(policy, record, record.exporter)
        if amount > left:
            raise RuleViolation(
                Code.UNCONFIRMED,
                f"the debtor has confirmed {record.confirmation.amount}, of which {left} is left",
                collided_with=record.place,
                reasons=(Reason("confirmed", record.confirmation.amount),),
            )
    if not policy.dispose_past_due and judgement.time_ms // DAY_MS > record.due_date:
        raise RuleViolation(Code.PAST_DUE, "the due date has passed", collided_with=record.place)
    check_related(judgement, record, record.exporter, pool.factor, amount)
    check_concentration(judgement, record, pool.factor, pooled_stake(record))


def _remove(judgement: Judgement, pool: Pool, identifier: bytes) -> None:
    record = known_receivable(judgement, identifier)
    if record.pool is None:
        raise RuleViolation(Code.NOT_IN_POOL, "the receivable stands in no pool", collided_with=record.place)
    if record.pool.pool_id != pool.pool_id:
        raise RuleViolation(
            Code.IN_OTHER_POOL, "the receivable stands in another pool", collided_with=record.pool.place
        )
    judgement.store(replace(record, pool=None, changed_height=judgement.height))


def _check_shares(judgement: Judgement, before: Pool) -> None:
    after = _present(judgement, before)
    if len(after.shares) > limits.POOL_DEBTORS_MAX:
        raise RuleViolation(
            Code.LIMIT_REACHED,
            f"a pool has at most {limits.POOL_DEBTORS_MAX} debtors",
            collided_with=before.place,
        )
    share = over_limit(before, after)
    if share is not None:
        raise RuleViolation(
            Code.CONCENTRATION,
            f"debtor {share.debtor_reference.hex()} would owe {share.base} of a base of {after.base}",
            collided_with=before.place,
            reasons=(_reason("debtor", share.base), _reason("base", after.base)),
        )


def _check_secured(judgement: Judgement, before: Pool) -> None:
    after = _present(judgement, before)
    if after.drawn > secured(after):
        raise _shortfall(after, f"{after.drawn} is drawn, and what is left carries {secured(after)}")


def _present(judgement: Judgement, pool: Pool) -> Pool:
    present = judgement.state.pool(pool.pool_id)
    assert present is not None, "a pool is never removed"
    return present


def _shortfall(pool: Pool, message: str) -> RuleViolation:
    reasons = [_reason("base", pool.base), _reason("secured", secured(pool)), _reason("drawn", pool.drawn)]
    if pool.terms.credit_limit is not None:
        reasons.append(_reason("credit_limit", pool.terms.credit_limit))
    return RuleViolation(Code.SHORTFALL, message, collided_with=pool.place, reasons=tuple(reasons))


def _reason(word: str, amount: int) -> Reason:
    # A sum of amounts can be larger than what a receipt holds.
    return Reason(word, min(amount, limits.AMOUNT_MAX))


def _store(judgement: Judgement, pool: Pool) -> bytes:
    judgement.state.put(Namespace.POOL, pool.pool_id, pool)
    return pool.pool_id


def _both(operation: CreatePool | PoolChange | DrawPool) -> tuple[Party, ...]:
    return (Party(operation.exporter, (Role.EXPORTER,)), Party(operation.factor, (Role.FACTOR,)))


def _factor(operation: RepayPool) -> tuple[Party, ...]:
    return (Party(operation.factor, (Role.FACTOR,)),)


RULES: Final = (
    Rule(CreatePool, _both, create_pool),
    Rule(AddToPool, _both, add_to_pool),
    Rule(RemoveFromPool, _both, remove_from_pool, while_suspended=True),
    Rule(SubstituteInPool, _both, substitute_in_pool),
    Rule(DrawPool, _both, draw_pool),
    Rule(RepayPool, _factor, repay_pool, while_suspended=True),
)
