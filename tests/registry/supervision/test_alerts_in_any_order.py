"""Alerts against a simple oracle: after each block look at every receivable, and compare with what the watch has raised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from registry.operations import Operation
from registry.policy import Policy
from registry.receivable import Receivable
from registry.state import WorkingState
from registry.supervision.alert_memory import MemoryIndex
from registry.supervision.alert_watch import AlertIndex, AlertWatch
from registry.supervision.alerts import DEFAULT_SETTINGS, AlertKind
from registry.supervision.document import report_bytes
from registry.supervision.fold import ReportRequest, Supervision
from registry.supervision.standing import standing_alerts
from registry.time_units import DAY_MS
from tests.registry.collection_examples import indirect, linked
from tests.registry.consortium import (
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    OPEN_POLICY,
    START_DAY,
    Consortium,
    dispute,
    found,
    payment,
    release,
)
from tests.registry.existence_examples import credit, noticed
from tests.registry.supervision.supervised_chain import followed, report_of

POLICY: Policy = replace(OPEN_POLICY, dispose_past_due=True)
# What stands on one receivable; the others are about attempts, factors or pools.
OF_RECEIVABLES = frozenset(
    {
        AlertKind.INDIRECT_PAYMENT,
        AlertKind.OVERDUE,
        AlertKind.DUE_SOON,
        AlertKind.LIEN_EXPIRING,
        AlertKind.REGISTRATION_EXPIRING,
        AlertKind.DILUTION_RATE,
        AlertKind.STALE_ATTESTATION,
    }
)
Moment = tuple[int, list[tuple[int, int, int]]]
MOMENTS = st.lists(
    st.tuples(
        # How many days pass before the block, and what is done in it: which, on which receivable, how much.
        st.sampled_from((0, 0, 0, 1, 1, 5, 23, 31, 60)),
        st.lists(st.tuples(st.integers(0, 8), st.integers(0, 3), st.integers(1, 1_500)), max_size=3),
    ),
    min_size=1,
    max_size=14,
)


def chain_of(moments: list[Moment]) -> Consortium:
    """A chain in which these things are tried; many are refused, which is as good."""
    consortium = found(POLICY)
    for due_day in (START_DAY + 40, START_DAY + 90):
        receivable = consortium.registered(due_date=due_day)
        consortium.do(
            consortium.assignment(receivable, 4_000), consortium.pledging(receivable, 2_000, to=FACTOR_2)
        )
        noticed(consortium, receivable)
    for days, things in moments:
        at_ms = consortium.now_ms + days * DAY_MS
        entries = [_entry(consortium, what, which, amount, at_ms) for what, which, amount in things]
        consortium.commit(*(entry for entry in entries if entry is not None), time_ms=at_ms)
    return consortium


def _entry(consortium: Consortium, what: int, which: int, amount: int, at_ms: int) -> bytes | None:
    known = list(consortium.receivables)
    until_ms = at_ms + DAY_MS
    if what == 0 or not known:
        return consortium.entry(
            consortium.registration(due_date=START_DAY + 20 + amount % 80), valid_until_ms=until_ms
        )
    receivable = known[which % len(known)]
    record = consortium.record(receivable)
    makers: tuple[Callable[[], Operation], ...] = (
        lambda: consortium.assignment(receivable, amount, to=FACTOR_1),
        lambda: consortium.pledging(
            receivable, amount, to=FACTOR_2, until_ms=at_ms + (20 + amount % 60) * DAY_MS
        ),
        lambda: payment(receivable, amount, reference=f"{consortium.tip.height}-{which}"),
        lambda: dispute(receivable, amount),
        lambda: credit(receivable, (EXPORTER, amount), number=f"CN-{consortium.tip.height}-{amount}"),
        lambda: linked(consortium, receivable, until_ms=at_ms + (20 + amount % 60) * DAY_MS),
        lambda: release(receivable, record.liens[0].lien_id if record.liens else bytes(32), FACTOR_2),
        lambda: indirect(receivable, amount, bank_reference=amount.to_bytes(32)),
    )
    return consortium.entry(makers[what - 1](), valid_until_ms=until_ms)


def check_against_oracle(consortium: Consortium, index: AlertIndex) -> None:
    """Raise block by block, and hold it against a look at everything."""
    watch = AlertWatch(index)
    stood: set[tuple[bytes, str, str]] = set()
    for block, reader in followed(consortium):
        raised = watch.follow(block, WorkingState(reader))
        records = [_record(WorkingState(reader), each) for each in consortium.receivables]
        stands = {
            (record.receivable_id, each.kind.value, each.detail)
            for record in records
            if record is not None
            for each in standing_alerts(record, block.day, DEFAULT_SETTINGS, index.time_of)
        }
        told = [
            (alert.subject, alert.kind.value, alert.detail)
            for alert in raised
            if alert.kind in OF_RECEIVABLES
        ]
        assert sorted(told) == sorted(stands - stood)
        stood = stands


def _record(state: WorkingState, receivable_id: bytes) -> Receivable | None:
    return state.receivable(receivable_id)


@settings(max_examples=60, deadline=None)
@given(MOMENTS)
def test_an_alert_is_raised_exactly_when_it_begins_to_stand(moments: list[Moment]) -> None:
    consortium = chain_of(moments)
    check_against_oracle(consortium, MemoryIndex(consortium.genesis.time_ms))


@settings(max_examples=25, deadline=None)
@given(MOMENTS, st.data())
def test_a_report_as_of_a_height_does_not_know_what_came_later(
    moments: list[Moment], data: st.DataObject
) -> None:
    consortium = chain_of(moments)
    last = consortium.tip.height
    height = data.draw(st.integers(1, last))
    from_height = data.draw(st.integers(1, height))
    member_id = data.draw(st.sampled_from((None, FACTOR_1, FACTOR_2)))
    request = ReportRequest(height, member_id, from_height)
    supervision, document = Supervision(consortium.genesis, request), b""
    for block, reader in followed(consortium):
        # The chain goes on after the height, as it does in an export.
        if block.height <= height:
            supervision.follow(block, reader)
        if block.height == height:
            document = report_bytes(supervision.report(reader))
    assert document == report_bytes(report_of(consortium, member_id, height, from_height))


@settings(max_examples=25, deadline=None)
@given(MOMENTS)
def test_the_sector_is_never_more_than_its_factors_together(moments: list[Moment]) -> None:
    consortium = chain_of(moments)
    report = report_of(consortium, None)
    for total in report.figures.by_currency:
        parts = [
            each
            for factor in report.factors
            for each in factor.by_currency
            if each.currency == total.currency
        ]
        assert total.assigned + total.pledged <= sum(each.assigned + each.pledged for each in parts)
        assert total.business_volume == sum(each.business_volume for each in parts)
        assert total.transactions == sum(each.transactions for each in parts)
        assert total.indirect_open == sum(each.indirect_open for each in parts)
        assert sum(total.ageing) + total.future == total.assigned + total.pledged + total.pooled
