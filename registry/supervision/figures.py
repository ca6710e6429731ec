"""The figures of one factor or of the sector, as of a height: what stands in the state, and what passed in the period.

The sector is all factors together, and counts everything once: a customer of two factors is one customer, and value that one
factor refinanced with another is financed once. Amounts are per currency in minor units, since the chain knows no exchange
rate. Shares are in basis points of the whole, rounded up: a concentration is never shown smaller than it is.
Source: RULEBOOK, "Alerts and supervisor figures"; notice No. 205 of 2019. docs/report.md says each figure in a sentence.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from ..exposure import RiskAssets, risk_assets_id
from ..member import Member
from ..operations.governance import EnterpriseClass
from ..operations.pool import BASIS_POINTS
from ..policy import OverdueBucket, overdue_bucket
from ..pools import Pool, shortfall
from ..receivable import Phase, Receivable
from ..relations import common_control
from ..rules.arrears import first_unpaid_day
from ..state import WorkingState
from ..stored import Namespace
from ..time_units import DAY_MS
from .flows import Flow, Flows
from .positions import Position, Scope, interested, position_of, unconfirmed

SMALL: Final = (EnterpriseClass.SMALL, EnterpriseClass.MICRO)


@dataclass(frozen=True, slots=True)
class CurrencyFigures:
    """All figures of a scope in one currency. `ageing` is in the order of `OverdueBucket`; None: no such denominator."""

    currency: str
    business_volume: int
    volume_assigned: int
    volume_pledged: int
    volume_drawn: int
    transactions: int
    financing_balance: int
    assigned: int
    pledged: int
    advanced: int
    pooled: int
    pool_shortfall: int
    receivables: int
    future: int
    ageing: tuple[int, ...]
    small_enterprise_amount: int
    top_debtor_amount: int
    top_debtor_share_bp: int
    top_debtor_of_risk_assets_bp: int | None
    related_amount: int
    related_share_bp: int
    related_of_risk_assets_bp: int | None
    risk_assets: int | None
    with_recourse: int
    without_recourse: int
    disputed: int
    diluted: int
    indirect_open: int
    indirect_reported: int
    covered: int
    unconfirmed: int
    registered_externally: int
    registrations_expiring: int


@dataclass(frozen=True, slots=True)
class Figures:
    """`member_id` None: the sector. Counts are of distinct parties; `refused` is by code, in the order of the codes."""

    member_id: str | None
    customers: int
    customers_by_class: tuple[int, ...]
    debtors: int
    refused: tuple[tuple[str, int], ...]
    by_currency: tuple[CurrencyFigures, ...]


@dataclass(slots=True)
class _Stock:
    """What was added up of one currency so far."""

    position: Counter[str] = field(default_factory=Counter)
    ageing: Counter[OverdueBucket] = field(default_factory=Counter)
    debtors: Counter[bytes] = field(default_factory=Counter)


class StockCount:
    """Adds up the receivables and pools of one scope at one moment; ask for the `figures` when all were added."""

    def __init__(
        self, state: WorkingState, member_id: str | None, scope: Scope, time_ms: int, expiry_days: int
    ) -> None:
        self._state = state
        self._member_id = member_id
        self._scope = scope
        self._time_ms = time_ms
        self._day = time_ms // DAY_MS
        self._expiry_days = expiry_days
        self._stocks: dict[str, _Stock] = {}
        self._customers: dict[str, None] = {}
        self._debtors: dict[bytes, None] = {}
        self._related: dict[tuple[str, bytes], bool] = {}

    def add(self, record: Receivable) -> None:
        """Count one receivable, whoever has a stake in it."""
        owed = [each.amount for each in record.collection.indirect if each.holder in self._scope]
        if owed:
            self._stock(record.currency).position["indirect_open"] += sum(owed)
        position = position_of(record, self._scope)
        if not position.amount:
            return
        self._customers[record.exporter] = None
        self._debtors[record.debtor_reference] = None
        stock = self._stock(record.currency)
        stock.debtors[record.debtor_reference] += position.amount
        sums = stock.position
        sums["assigned"] += position.held
        sums["pledged"] += position.secured
        sums["pooled"] += position.pooled
        sums["receivables"] += 1
        sums["with_recourse"] += position.with_recourse
        sums["disputed"] += position.disputed
        sums["covered"] += position.covered
        sums["unconfirmed"] += unconfirmed(record, position)
        sums["related"] += self._related_amount(record, position)
        if self._class_of(record.exporter) in SMALL:
            sums["small"] += position.amount
        if record.phase is Phase.FUTURE:
            sums["future"] += position.amount
        else:
            stock.ageing[overdue_bucket(first_unpaid_day(record), self._day)] += position.amount
        self._add_registrations(record, position, sums)

    def add_pool(self, pool: Pool) -> None:
        """Count one pool."""
        if pool.factor not in self._scope:
            return
        sums = self._stock(pool.terms.currency).position
        sums["advanced"] += pool.drawn
        sums["pool_shortfall"] += shortfall(pool)
        if pool.drawn:
            self._customers[pool.exporter] = None

    def figures(self, flows: Flows) -> Figures:
        """What was counted, beside what passed in the period."""
        passed = flows.of(self._scope)
        currencies = sorted({*self._stocks, *passed})
        by_class = Counter(self._class_of(customer) for customer in self._customers)
        refused = {
            code: count for (member, code), count in flows.refused.items() if member == self._member_id
        }
        return Figures(
            member_id=self._member_id,
            customers=len(self._customers),
            customers_by_class=tuple(by_class[size] for size in EnterpriseClass),
            debtors=len(self._debtors),
            refused=tuple(sorted((code.value, count) for code, count in refused.items())),
            by_currency=tuple(
                self._in_currency(currency, self._stock(currency), passed.get(currency, Flow()))
                for currency in currencies
            ),
        )

    def _in_currency(self, currency: str, stock: _Stock, flow: Flow) -> CurrencyFigures:
        sums = stock.position
        whole = sums["assigned"] + sums["pledged"] + sums["pooled"]
        top = max(stock.debtors.values(), default=0)
        assets = self._risk_assets(currency)
        return CurrencyFigures(
            currency=currency,
            business_volume=flow.assigned + flow.pledged + flow.drawn,
            volume_assigned=flow.assigned,
            volume_pledged=flow.pledged,
            volume_drawn=flow.drawn,
            transactions=flow.transactions,
            financing_balance=sums["assigned"] + sums["pledged"] + sums["advanced"],
            assigned=sums["assigned"],
            pledged=sums["pledged"],
            advanced=sums["advanced"],
            pooled=sums["pooled"],
            pool_shortfall=sums["pool_shortfall"],
            receivables=sums["receivables"],
            future=sums["future"],
            ageing=tuple(stock.ageing[bucket] for bucket in OverdueBucket),
            small_enterprise_amount=sums["small"],
            top_debtor_amount=top,
            top_debtor_share_bp=share_bp(top, whole),
            top_debtor_of_risk_assets_bp=None if assets is None else share_bp(top, assets),
            related_amount=sums["related"],
            related_share_bp=share_bp(sums["related"], whole),
            related_of_risk_assets_bp=None if assets is None else share_bp(sums["related"], assets),
            risk_assets=assets,
            with_recourse=sums["with_recourse"],
            without_recourse=sums["assigned"] - sums["with_recourse"],
            disputed=sums["disputed"],
            diluted=flow.diluted,
            indirect_open=sums["indirect_open"],
            indirect_reported=flow.indirect,
            covered=sums["covered"],
            unconfirmed=sums["unconfirmed"],
            registered_externally=sums["registered"],
            registrations_expiring=sums["expiring"],
        )

    def _stock(self, currency: str) -> _Stock:
        return self._stocks.setdefault(currency, _Stock())

    def _add_registrations(self, record: Receivable, position: Position, sums: Counter[str]) -> None:
        ends = [
            link.until_ms
            for link in record.links
            if link.factor in self._scope and link.until_ms is not None and link.until_ms > self._time_ms
        ]
        if ends:
            sums["registered"] += position.amount
            if max(ends) // DAY_MS - self._day <= self._expiry_days:
                sums["expiring"] += position.amount

    def _related_amount(self, record: Receivable, position: Position) -> int:
        """What of the position lies with factors of the debtor's group; the sector counts it once."""
        related = frozenset(
            member for member in interested(record) & self._scope if self._is_related(member, record)
        )
        return min(position.amount, position_of(record, related).amount) if related else 0

    def _is_related(self, member_id: str, record: Receivable) -> bool:
        key = (member_id, record.debtor_reference)
        if key not in self._related:
            self._related[key] = self._control_between(*key)
        return self._related[key]

    def _control_between(self, member_id: str, debtor: bytes) -> bool:
        member = self._state.member(member_id)
        own = None if member is None else member.debtor_reference
        if own is None:
            return False
        controls = self._state.controls
        return (
            own == debtor
            or common_control(own, controls(own), debtor, controls(debtor), self._day) is not None
        )

    def _class_of(self, member_id: str) -> EnterpriseClass:
        member: Member | None = self._state.member(member_id)
        return EnterpriseClass.UNDECLARED if member is None else member.enterprise_class

    def _risk_assets(self, currency: str) -> int | None:
        if self._member_id is None:
            return None
        assets: RiskAssets | None = self._state.get(
            Namespace.RISK_ASSETS, risk_assets_id(self._member_id, currency)
        )
        return None if assets is None else assets.amount


def share_bp(part: int, whole: int) -> int:
    """Basis points, rounded up; of nothing 0."""
    return -(-part * BASIS_POINTS // whole) if whole else 0
