"""Each alert once: follows a chain block by block and raises what begins to stand, in a fixed order.

A receivable that a block writes is looked at before and after; one that no block writes is looked at on the day on which time
alone may raise something, which an index by day tells. So the work of a block is proportional to what it wrote and to what
falls due in it, and nothing is ever scanned. What the watch must remember lies behind `AlertIndex`, in memory or on disk.
Leaves to others: who may see an alert (`Alert.parties` names them), and keeping what was raised.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from .. import limits
from ..exposure import (
    REFERENCE_BYTES,
    RiskAssets,
    parts_of_exposure_id,
    parts_of_risk_assets_id,
    risk_assets_id,
)
from ..policy import Policy
from ..pools import Pool, shortfall
from ..receivable import Receivable
from ..relations import Control
from ..rules.relationships import group_of
from ..state import WorkingState
from ..stored import Namespace
from .alerts import DEFAULT_SETTINGS, Alert, AlertKind, AlertSettings
from .attempts import alerts_of_results
from .observation import ObservedBlock, Place, Touched
from .standing import Standing, next_day, standing_alerts


class AlertIndex(Protocol):
    """What is remembered from block to block."""

    def day(self) -> int:
        """The day of the last block that was followed; of the genesis document before the first."""
        ...

    def put_time(self, height: int, time_ms: int) -> None:
        """Note a block's time, and its day as the last one."""
        ...

    def time_of(self, height: int) -> int:
        """The time of a block that was followed."""
        ...

    def schedule(self, day: int, receivable_id: bytes) -> None:
        """Ask to be given the receivable on this day."""
        ...

    def take_due(self, day: int) -> tuple[bytes, ...]:
        """The receivables that are scheduled for this day or an earlier one, each once, ascending; they are forgotten."""
        ...

    def set_exposed(self, factor: str, currency: str, debtor_reference: bytes, *, exposed: bool) -> None:
        """Note whether a factor has anything at stake with a debtor."""
        ...

    def debtors_of(self, factor: str, currency: str) -> tuple[bytes, ...]:
        """The debtors with whom the factor has something at stake, ascending."""
        ...

    def exposed(self) -> tuple[tuple[str, str], ...]:
        """Every factor and currency with an exposure, ascending."""
        ...

    def set_standing(self, key: bytes, *, stands: bool) -> bool:
        """Note whether a concentration stands; returns whether it did."""
        ...


class AlertWatch:
    """See the module's docstring."""

    def __init__(self, index: AlertIndex, settings: AlertSettings = DEFAULT_SETTINGS) -> None:
        self.settings = settings
        self._index = index

    def follow(self, block: ObservedBlock, state: WorkingState) -> tuple[Alert, ...]:
        """The alerts that this block raises; `state` is that after it. Call it for every block, in order."""
        index, previous_day = self._index, self._index.day()
        index.put_time(block.height, block.head.time_ms)
        touched = block.receivables()
        raised: list[Alert] = []
        if block.day > previous_day:
            for receivable_id in index.take_due(block.day):
                if receivable_id not in touched:
                    record = state.receivable(receivable_id)
                    assert record is not None, "what is scheduled is registered"
                    raised += self._begun(block, Touched(record, record, None), previous_day)
                    self._schedule(record, block.day)
        for each in touched.values():
            raised += self._begun(block, each, previous_day)
            self._reschedule(each, previous_day, block.day)
        raised += alerts_of_results(block, state)
        raised += _short_pools(block)
        raised += self._concentrations(block, state)
        return tuple(sorted(raised, key=_order))

    # -- Receivables ------------------------------------------------------------------------------------------------

    def _begun(self, block: ObservedBlock, touched: Touched, previous_day: int) -> Iterator[Alert]:
        stood = () if touched.before is None else self._standing(touched.before, previous_day)
        known = {(each.kind, each.detail) for each in stood}
        for each in self._standing(touched.after, block.day):
            if (each.kind, each.detail) not in known:
                yield alert_on(block.height, touched.place, touched.after, each)

    def _standing(self, record: Receivable, day: int) -> tuple[Standing, ...]:
        return standing_alerts(record, day, self.settings, self._index.time_of)

    def _schedule(self, record: Receivable, after_day: int) -> None:
        day = next_day(record, after_day, self.settings, self._index.time_of)
        if day is not None:
            self._index.schedule(day, record.receivable_id)

    def _reschedule(self, touched: Touched, previous_day: int, day: int) -> None:
        # Most operations leave the days as they were: then what is scheduled stands, and the index does not grow.
        if touched.before is not None:
            scheduled = next_day(touched.before, previous_day, self.settings, self._index.time_of)
            ahead = next_day(touched.after, day, self.settings, self._index.time_of)
            if scheduled is not None and day < scheduled == ahead:
                return
        self._schedule(touched.after, day)

    # -- Factors ----------------------------------------------------------------------------------------------------

    def _concentrations(self, block: ObservedBlock, state: WorkingState) -> Iterator[Alert]:
        """What a factor has at stake with one debtor, or with debtors of its own group, is beyond the policy's limit."""
        policy = state.policy()
        single, related = policy.single_debtor_max_percent, policy.related_debtors_max_percent
        pairs, factors = self._touched_shares(block, state)
        for factor, currency, debtor in pairs:
            exposure = state.exposure(factor, debtor, currency)
            yield from self._beyond(block, state, (factor, currency, debtor), exposure, single)
        for factor, currency in factors:
            exposure = 0 if related is None else related_exposure(state, factor, currency, block.day)
            yield from self._beyond(block, state, (factor, currency, None), exposure, related)

    def _touched_shares(
        self, block: ObservedBlock, state: WorkingState
    ) -> tuple[dict[tuple[str, str, bytes], None], dict[tuple[str, str], None]]:
        """With which debtor, and in which currencies with its group, a factor's share may have changed."""
        pairs: dict[tuple[str, str, bytes], None] = {}
        for key, change in block.changes(Namespace.EXPOSURE).items():
            debtor, currency, factor = parts_of_exposure_id(key)
            self._index.set_exposed(factor, currency, debtor, exposed=bool(change.after))
            pairs[factor, currency, debtor] = None
        factors = dict.fromkeys((factor, currency) for factor, currency, _ in pairs)
        whole: list[tuple[str, str]] = []
        for key in block.changes(Namespace.RISK_ASSETS):
            currency, factor = parts_of_risk_assets_id(key)
            whole.append((factor, currency))
        if _limits_changed(block):
            whole += self._index.exposed()
        for factor, currency in whole:
            factors[factor, currency] = None
            debtors = self._index.debtors_of(factor, currency)
            pairs.update(dict.fromkeys((factor, currency, debtor) for debtor in debtors))
        for member_id in _regrouped(block, state):
            factors.update(dict.fromkeys((member_id, currency) for currency in state.policy().currencies))
        return pairs, factors

    def _beyond(
        self,
        block: ObservedBlock,
        state: WorkingState,
        who: tuple[str, str, bytes | None],
        exposure: int,
        percent: int | None,
    ) -> Iterator[Alert]:
        factor, currency, debtor = who
        alert = _concentration(state, block.height, who, exposure, percent)
        key = (debtor or bytes(REFERENCE_BYTES)) + currency.encode() + factor.encode()
        stood = self._index.set_standing(key, stands=alert is not None)
        if alert is not None and not stood:
            yield alert

    def concentrations(self, state: WorkingState, height: int) -> Iterator[Alert]:
        """The concentrations that stand; `state` is that after the last block."""
        policy, day = state.policy(), self._index.day()
        single, related = policy.single_debtor_max_percent, policy.related_debtors_max_percent
        for factor, currency in self._index.exposed() if single or related else ():
            shares: list[tuple[bytes | None, int, int | None]] = [
                (debtor, state.exposure(factor, debtor, currency), single)
                for debtor in self._index.debtors_of(factor, currency)
            ]
            if related is not None:
                shares.append((None, related_exposure(state, factor, currency, day), related))
            for debtor, exposure, percent in shares:
                alert = _concentration(state, height, (factor, currency, debtor), exposure, percent)
                if alert is not None:
                    yield alert


def _concentration(
    state: WorkingState, height: int, who: tuple[str, str, bytes | None], exposure: int, percent: int | None
) -> Alert | None:
    factor, currency, debtor = who
    assets: RiskAssets | None = state.get(Namespace.RISK_ASSETS, risk_assets_id(factor, currency))
    if percent is None or assets is None or exposure * 100 <= assets.amount * percent:
        return None
    return Alert(
        kind=AlertKind.CONCENTRATION,
        height=height,
        entry_index=None,
        operation_index=None,
        subject=b"",
        parties=(factor,),
        # The debtor is what it is about, but no party to it: it does not learn who else finances it.
        debtor_reference=None,
        currency=currency,
        amount=min(exposure, limits.AMOUNT_MAX),
        detail="related debtors" if debtor is None else f"debtor {debtor.hex()}",
        reference=assets.place,
    )


def _limits_changed(block: ObservedBlock) -> bool:
    """Whether the policy's percents are others than before: then every share is looked at, which is seldom."""
    changed: list[tuple[Policy | None, Policy | None]] = [
        (change.before, change.after) for change in block.changes(Namespace.POLICY).values()
    ]
    return any(_percents(before) != _percents(after) for before, after in changed)


def _percents(policy: Policy | None) -> tuple[int | None, int | None] | None:
    return None if policy is None else (policy.single_debtor_max_percent, policy.related_debtors_max_percent)


def _regrouped(block: ObservedBlock, state: WorkingState) -> Iterator[str]:
    """The members whose control group a declaration may have changed."""
    parties: dict[bytes, None] = {}
    for party, change in block.changes(Namespace.CONTROL).items():
        controls: tuple[Control, ...] = (*(change.before or ()), *(change.after or ()))
        parties.update(dict.fromkeys((party, *state.controlled(party))))
        for control in controls:
            parties.update(dict.fromkeys((control.controller, *state.controlled(control.controller))))
    for party in parties:
        member_id: str | None = state.get(Namespace.REFERENCE_OWNER, party)
        if member_id is not None:
            yield member_id


def related_exposure(state: WorkingState, factor: str, currency: str, day: int) -> int:
    """What a factor has at stake with debtors of its own control group on a day; one without a reference has no group."""
    member = state.member(factor)
    own = None if member is None else member.debtor_reference
    if own is None:
        return 0
    return sum(state.exposure(factor, debtor, currency) for debtor in group_of(state, own, day))


def alert_on(height: int, place: Place | None, record: Receivable, standing: Standing) -> Alert:
    """The alert that something stands on this receivable."""
    return Alert(
        kind=standing.kind,
        height=height,
        entry_index=None if place is None else place.entry_index,
        operation_index=None if place is None else place.operation_index,
        subject=record.receivable_id,
        parties=tuple(sorted(record.parties())),
        debtor_reference=record.debtor_reference,
        currency=record.currency,
        amount=standing.amount,
        detail=standing.detail,
        reference=standing.reference,
    )


def short_pool(height: int, pool: Pool) -> Alert:
    """The alert that a pool's base does not carry what is drawn: whatever operation shrank the base, of a member or not."""
    return Alert(
        kind=AlertKind.POOL_SHORTFALL,
        height=height,
        entry_index=None,
        operation_index=None,
        subject=pool.pool_id,
        parties=tuple(sorted((pool.exporter, pool.factor))),
        debtor_reference=None,
        currency=pool.terms.currency,
        # A sum of amounts can be larger than what an alert holds; `detail` says it in full.
        amount=min(shortfall(pool), limits.AMOUNT_MAX),
        detail=f"drawn {pool.drawn}",
        reference=pool.place,
    )


def _short_pools(block: ObservedBlock) -> Iterator[Alert]:
    for change in block.changes(Namespace.POOL).values():
        before: Pool | None = change.before
        after: Pool | None = change.after
        if after is not None and shortfall(after) and not (before is not None and shortfall(before)):
            yield short_pool(block.height, after)


def _order(alert: Alert) -> tuple[int, int, str, bytes, str, str]:
    """What time raised comes first, then by operation."""
    entry = -1 if alert.entry_index is None else alert.entry_index
    operation = -1 if alert.operation_index is None else alert.operation_index
    return entry, operation, alert.kind.value, alert.subject, alert.detail, " ".join(alert.parties)
