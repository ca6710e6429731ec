"""The model's rules of pools: what may stand in one, and how much is advanced on it. The base is added up whenever it is asked for."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

from registry.errors import Code, Reason
from registry.identifiers import pool_id
from registry.operations.pool import (
    Addition,
    AddToPool,
    CreatePool,
    DrawPool,
    PoolTerms,
    RemoveFromPool,
    RepayPool,
    SubstituteInPool,
)
from tests.registry.model.book import (
    Book,
    Debt,
    Here,
    Judge,
    Pool,
    Pooled,
    Refused,
    need_positive,
    need_unrestrained,
)
from tests.registry.model.disposal import (
    at_stake_in_pool,
    may_still_rely_on,
    need_listed,
    need_papers_shown,
    need_room,
    need_unrelated,
)
from tests.registry.model.value import fit_claims, free_but_for_pool

WHOLE = 10_000  # basis points


# --- what a pool is worth


def worth(debt: Debt, terms: PoolTerms, today: int) -> tuple[int, tuple[Reason, ...]]:
    """Of the exporter's part what would be free if it were in no pool, unless something makes it ineligible."""
    amount, reasons = free_but_for_pool(debt, debt.exporter)
    for word, holds in (
        ("tenor", debt.due - debt.issue > terms.tenor_days_max),
        ("past_due", today > debt.due + terms.past_due_days_max),
        ("overdue", debt.phase == "overdue"),
    ):
        if holds:
            return 0, (*reasons, Reason(word, amount))
    if terms.confirmation_required:
        relied = debt.owed - debt.held(debt.exporter) + debt.pledged(debt.exporter)
        confirmed = max(0, debt.confirmed - relied)
        if confirmed < amount:
            return confirmed, (*reasons, Reason("unconfirmed", amount - confirmed))
    return amount, reasons


@dataclass(frozen=True)
class Worth:
    """What a pool is worth at a moment, by debtor."""

    by_debtor: dict[bytes, int]
    members: dict[bytes, int]

    @property
    def base(self) -> int:
        return sum(self.by_debtor.values())


def worth_of(book: Book, name: bytes, today: int) -> Worth:
    by_debtor: dict[bytes, int] = {}
    members: dict[bytes, int] = {}
    for debt in book.debts.values():
        if debt.pool is not None and debt.pool.name == name:
            amount, _reasons = worth(debt, book.pools[name].terms, today)
            by_debtor[debt.debtor] = by_debtor.get(debt.debtor, 0) + amount
            members[debt.debtor] = members.get(debt.debtor, 0) + 1
    return Worth(dict(sorted(by_debtor.items())), members)


def carries(pool: Pool, value: Worth) -> int:
    return value.base * pool.terms.advance_rate_bp // WHOLE


# --- the operations


def create(book: Book, here: Here, op: CreatePool) -> bytes:
    need_listed(book, op.factor)
    terms = op.terms
    if terms.currency not in book.policy.currencies:
        raise Refused(Code.CURRENCY_MISMATCH)
    if terms.credit_limit is not None:
        need_positive(terms.credit_limit)
    if terms.until_ms is not None and terms.until_ms <= here.now_ms:
        raise Refused(Code.TERM)
    name = pool_id(here.entry_id, here.index)
    book.pools[name] = Pool(op.exporter, op.factor, terms, 0, here.place(name))
    return name


def change(book: Book, here: Here, op: AddToPool | RemoveFromPool | SubstituteInPool) -> bytes:
    """What leaves goes first; then what comes; then the pool is judged as a whole. All of it or nothing."""
    pool = pool_of(book, op.pool, op.exporter, op.factor)
    removals = () if isinstance(op, AddToPool) else op.removals
    if not isinstance(op, RemoveFromPool):
        need_running(pool, here)
    before = worth_of(book, op.pool, here.today)
    saved = book.debts
    book.debts = dict(saved)
    try:
        for name in removals:
            remove(book, op.pool, name)
        if not isinstance(op, RemoveFromPool):
            for addition in op.additions:
                add(book, here, op.pool, pool, addition, op.acknowledged_suspicions)
        after = worth_of(book, op.pool, here.today)
        need_spread(pool, before, after)
        if not isinstance(op, AddToPool) and pool.drawn > carries(pool, after):
            raise shortfall(pool, after)
    except Refused:
        book.debts = saved
        raise
    return op.pool


def draw(book: Book, here: Here, op: DrawPool) -> bytes:
    pool = pool_of(book, op.pool, op.exporter, op.factor)
    need_running(pool, here)
    need_positive(op.amount)
    value = worth_of(book, op.pool, here.today)
    limit = pool.terms.credit_limit
    drawn = pool.drawn + op.amount
    if drawn > carries(pool, value) or (limit is not None and drawn > limit):
        raise shortfall(pool, value)
    pool.drawn = drawn
    return op.pool


def repay(book: Book, here: Here, op: RepayPool) -> bytes:
    if op.pool not in book.pools:
        raise Refused(Code.UNKNOWN_POOL)
    pool = pool_of(book, op.pool, book.pools[op.pool].exporter, op.factor)
    need_positive(op.amount)
    if op.amount > pool.drawn:
        raise Refused(Code.OVERPAYMENT, pool.place, (Reason("drawn", pool.drawn),))
    pool.drawn -= op.amount
    return op.pool


# --- what is judged


def pool_of(book: Book, name: bytes, exporter: str, factor: str) -> Pool:
    pool = book.pools.get(name)
    if pool is None:
        raise Refused(Code.UNKNOWN_POOL)
    if (exporter, factor) != (pool.exporter, pool.factor):
        raise Refused(Code.NOT_PERMITTED, pool.place)
    return pool


def need_running(pool: Pool, here: Here) -> None:
    if pool.terms.until_ms is not None and pool.terms.until_ms <= here.now_ms:
        raise Refused(Code.TERM, pool.place)


def need_spread(pool: Pool, before: Worth, after: Worth) -> None:
    """No debtor owes more than its share of the base, unless the change gave it no more and made its share no larger."""
    for debtor, owed in after.by_debtor.items():
        was = before.by_debtor.get(debtor, 0)
        too_much = owed * WHOLE > pool.terms.debtor_share_bp_max * after.base
        if too_much and (owed > was or owed * before.base > was * after.base):
            raise Refused(
                Code.CONCENTRATION, pool.place, (Reason("debtor", owed), Reason("base", after.base))
            )


def shortfall(pool: Pool, value: Worth) -> Refused:
    words = [("base", value.base), ("secured", carries(pool, value)), ("drawn", pool.drawn)]
    if pool.terms.credit_limit is not None:
        words.append(("credit_limit", pool.terms.credit_limit))
    return Refused(Code.SHORTFALL, pool.place, tuple(Reason(word, amount) for word, amount in words))


def remove(book: Book, pool: bytes, name: bytes) -> None:
    debt = book.known(name)
    if debt.pool is None:
        raise Refused(Code.NOT_IN_POOL, debt.place)
    if debt.pool.name != pool:
        raise Refused(Code.IN_OTHER_POOL, debt.pool.place)
    after = deepcopy(debt)
    after.pool = None
    fit_claims(after)
    book.debts[name] = after


def add(
    book: Book, here: Here, name: bytes, pool: Pool, addition: Addition, acknowledged: tuple[bytes, ...]
) -> None:
    debt = book.not_closed(addition.receivable)
    if debt.pool is not None:
        code = Code.ALREADY_IN_FORCE if debt.pool.name == name else Code.IN_OTHER_POOL
        raise Refused(code, debt.pool.place)
    need_unrestrained(debt)
    if debt.exporter != pool.exporter:
        raise Refused(Code.NOT_HOLDER, debt.place)
    if debt.currency != pool.terms.currency:
        raise Refused(Code.CURRENCY_MISMATCH, debt.place)
    amount, reasons = worth(debt, pool.terms, here.today)
    if amount == 0 or debt.reserved(debt.exporter):
        reasons = (Reason("held", debt.held(debt.exporter)), *reasons)
        raise Refused(Code.INELIGIBLE, debt.place, reasons)
    need_pledge_policy(book, here, debt, pool, amount)
    need_papers_shown(book, here, debt, addition.verified_fingerprints, acknowledged)
    after = deepcopy(debt)
    after.pool = Pooled(name, pool.factor, here.place(name))
    fit_claims(after)
    book.debts[debt.name] = after


def need_pledge_policy(book: Book, here: Here, debt: Debt, pool: Pool, amount: int) -> None:
    need_listed(book, pool.factor)
    covered = book.policy.require_confirmation.covers_pledge()
    if covered and amount > may_still_rely_on(book, debt, debt.exporter):
        raise Refused(Code.UNCONFIRMED, debt.place, (Reason("confirmed", debt.confirmed),))
    if not book.policy.dispose_past_due and here.today > debt.due:
        raise Refused(Code.PAST_DUE, debt.place)
    need_unrelated(book, here, debt, debt.exporter, pool.factor, amount)
    need_room(book, here, debt, pool.factor, at_stake_in_pool(debt))


RULES: dict[type, Judge] = {
    CreatePool: create,
    AddToPool: change,
    RemoveFromPool: change,
    SubstituteInPool: change,
    DrawPool: draw,
    RepayPool: repay,
}
