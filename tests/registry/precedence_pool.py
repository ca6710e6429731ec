"""Precedence: pools of receivables that secure an advance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any, Final

from registry import limits
from registry.errors import Code
from registry.exposure import RiskAssets, risk_assets_id
from registry.operations.pool import Addition
from registry.pools import DebtorShare
from registry.receivable import UNCONFIRMED
from registry.record.pooled import Pooled
from registry.stored import Namespace
from tests.registry.consortium import (
    AFFILIATE,
    EXPORTER,
    FACTOR_1,
    START_DAY,
    Consortium,
    confirmation,
    found,
)
from tests.registry.pool_examples import (
    OF_ONE_DEBTOR,
    adding,
    agreement,
    drawing,
    pooled,
    removing,
    repaying,
    substituting,
)
from tests.registry.precedence_base import LISTED, NOT_PAST_DUE, PAPERS, STRICT, UNRELATED
from tests.registry.precedence_case import (
    CLOSED,
    PLACE,
    POSITIVE,
    RESTRAINTS,
    Break,
    Case,
    Order,
    reservation,
)

TERMS: Final = replace(OF_ONE_DEBTOR, past_due_days_max=30, credit_limit=5_000)


@cache
def consortium() -> tuple[Consortium, bytes, bytes, bytes]:
    """A pool on which 1,000 are drawn, its only member, and a receivable that could join. Never committed to afterwards."""
    made = found(STRICT)
    made.change_member(FACTOR_1, whitelisted=True)
    state = made.working()
    state.put(Namespace.RISK_ASSETS, risk_assets_id(FACTOR_1, "USD"), RiskAssets(1_000_000, START_DAY, PLACE))
    made.state.apply(state.finish()[0])
    member, free = (
        made.registered(number, deliveries=[("BL " + number, 1, 1)]) for number in ("INV-1", "INV-2")
    )
    made.do(confirmation(member), confirmation(free))
    pool = pooled(made, TERMS)
    assert made.code(adding(made, pool, member)) is Code.OK
    assert made.code(drawing(pool, 1_000)) is Code.OK
    return made, pool, member, free


def _case(make: Callable[[Consortium, bytes, bytes, bytes], Any], *, joins: bool) -> Callable[[], Case]:
    """A case on the receivable that joins, or on the member."""

    def base() -> Case:
        made, pool, member, free = consortium()
        return Case(made, make(made, pool, member, free), free if joins else member, made.now_ms, STRICT)

    return base


def _other(case: Case, **fields: Any) -> None:
    """Another state of the pool."""
    pool_id = consortium()[1]
    pool = case.state.pool(pool_id)
    assert pool is not None
    case.put(Namespace.POOL, pool_id, replace(pool, **fields))


def _undrawn(base: Callable[[], Case]) -> Callable[[], Case]:
    """The same case while nothing is drawn."""

    def changed() -> Case:
        case = base()
        _other(case, drawn=0)
        case.touched.clear()
        return case

    return changed


def _agreed(**fields: Any) -> Callable[[Case], None]:
    """Other terms in the operation."""

    def broken(case: Case) -> None:
        case.touch(*(f"terms.{name}" for name in fields))
        case.change(terms=replace(case.operation.terms, **fields))
        case.touched.discard("operation.terms")

    return broken


def _terms(**fields: Any) -> Callable[[Case], None]:
    return lambda case: _other(case, terms=replace(TERMS, **fields))


def _crowded(case: Case) -> None:
    shares = (DebtorShare(bytes([n]) * 32, 1, 0) for n in range(limits.POOL_DEBTORS_MAX))
    _other(case, shares=tuple(shares))


def _in_another(case: Case) -> None:
    case.edit(pool=Pooled(b"\x0b" * 32, FACTOR_1, 0, False, PLACE))


def _papers(case: Case) -> None:
    case.change(additions=(Addition(case.receivable, bytes(32)),))


def _unregistered(case: Case) -> None:
    case.change(additions=(Addition(bytes(32), bytes(32)),))


POOL: Final = Break("there is such a pool", Code.UNKNOWN_POOL, lambda case: case.change(pool=bytes(32)))
OWN_POOL: Final = Break(
    "it is of these parties", Code.NOT_PERMITTED, lambda case: case.change(exporter=AFFILIATE)
)
RUNNING: Final = Break("it runs still", Code.TERM, _terms(until_ms=1))
ADDED: Final = (
    Break("what joins is registered", Code.UNKNOWN_RECEIVABLE, _unregistered),
    CLOSED,
    Break("it stands in no other pool", Code.IN_OTHER_POOL, _in_another),
    *RESTRAINTS,
    Break("it is the exporter's own", Code.NOT_HOLDER, lambda case: case.edit(exporter=AFFILIATE)),
    Break("it is in the pool's currency", Code.CURRENCY_MISMATCH, lambda case: case.edit(currency="EUR")),
    Break(
        "it is worth something to the pool, and nothing of it on offer",
        Code.INELIGIBLE,
        lambda case: case.edit(reservations=(reservation(EXPORTER, 1),)),
    ),
    LISTED,
    Break(
        "the debtor has confirmed, where the policy asks for it",
        Code.UNCONFIRMED,
        lambda case: case.edit(confirmation=UNCONFIRMED),
    ),
    NOT_PAST_DUE,
    UNRELATED,
    replace(PAPERS, breaks=_papers),
)
ROOM: Final = Break("there is room for another debtor", Code.LIMIT_REACHED, _crowded)
SHARES: Final = Break(
    "no debtor owes too much of the base", Code.CONCENTRATION, _terms(debtor_share_bp_max=1)
)
REMOVED: Final = (
    Break(
        "what leaves is registered",
        Code.UNKNOWN_RECEIVABLE,
        lambda case: case.change(removals=(bytes(32),)),
    ),
    Break("it stands in a pool", Code.NOT_IN_POOL, lambda case: case.edit(pool=None)),
    Break("and in this one", Code.IN_OTHER_POOL, _in_another),
)
SECURED: Final = Break("what is drawn stays secured", Code.SHORTFALL, lambda case: _other(case, drawn=10**9))

CREATE = Order(
    "CreatePool",
    "",
    _case(lambda _made, _pool, _member, _free: agreement(TERMS), joins=True),
    (
        LISTED,
        Break(
            "the currency is the consortium's",
            Code.CURRENCY_MISMATCH,
            _agreed(currency="XXX"),
        ),
        Break(
            "a credit limit is positive",
            Code.AMOUNT_NOT_POSITIVE,
            _agreed(credit_limit=0),
        ),
        Break(
            "it ends after its block's time",
            Code.TERM,
            _agreed(until_ms=1),
        ),
    ),
)
ADD = Order(
    "AddToPool",
    "",
    _case(lambda made, pool, _member, free: adding(made, pool, free), joins=True),
    (POOL, OWN_POOL, RUNNING, *ADDED, ROOM, SHARES),
)
REMOVE = Order(
    "RemoveFromPool",
    "",
    _undrawn(_case(lambda _made, pool, member, _free: removing(pool, member), joins=False)),
    (POOL, OWN_POOL, *REMOVED, SECURED),
)
SUBSTITUTE = Order(
    "SubstituteInPool",
    "by what leaves",
    _case(lambda made, pool, member, free: substituting(made, pool, [member], [free]), joins=False),
    (POOL, OWN_POOL, RUNNING, *REMOVED, SECURED),
)
SUBSTITUTE_BY = Order(
    "SubstituteInPool",
    "by what joins",
    _case(lambda made, pool, member, free: substituting(made, pool, [member], [free]), joins=True),
    (POOL, OWN_POOL, RUNNING, *ADDED, SECURED),
)
DRAW = Order(
    "DrawPool",
    "",
    _case(lambda _made, pool, _member, _free: drawing(pool, 1_000), joins=False),
    (
        POOL,
        OWN_POOL,
        RUNNING,
        POSITIVE,
        Break("base and credit limit carry it", Code.SHORTFALL, lambda case: _other(case, drawn=5_000)),
    ),
)
REPAY = Order(
    "RepayPool",
    "",
    _case(lambda _made, pool, _member, _free: repaying(pool, 1_000), joins=False),
    (
        POOL,
        Break("it is of this factor", Code.NOT_PERMITTED, lambda case: case.change(factor=EXPORTER)),
        POSITIVE,
        Break("no more is repaid than is drawn", Code.OVERPAYMENT, lambda case: _other(case, drawn=999)),
    ),
)

ORDERS: Final = (CREATE, ADD, REMOVE, SUBSTITUTE, SUBSTITUTE_BY, DRAW, REPAY)
