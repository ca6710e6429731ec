"""Each alert: raised once, in the block in which it begins to stand, and by what."""

from __future__ import annotations

from dataclasses import replace

import pytest

from registry.errors import Code
from registry.fingerprints import Numbering
from registry.limits import AMOUNT_MAX
from registry.member import MemberStatus
from registry.operations import Operation
from registry.operations.decisions import SetPolicy
from registry.operations.existence import EvidenceKind, Instalment
from registry.operations.governance import Role
from registry.operations.members import ChangeMember
from registry.operations.relationships import DeclareRelationship, DeclareRiskAssets
from registry.policy import RelatedPartyPolicy
from registry.state import MemoryState, WorkingState
from registry.supervision.alert_bytes import decode_alert, encode_alert
from registry.supervision.alert_watch import related_exposure
from registry.supervision.alerts import AlertKind
from tests.registry.collection_examples import indirect, linked
from tests.registry.consortium import (
    AFFILIATE,
    BANK,
    DAY_MS,
    DEBTOR_REFERENCE,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    FINGERPRINT_KEY,
    OPEN_POLICY,
    OTHER_DEBTOR_REFERENCE,
    START_DAY,
    Consortium,
    cancellation,
    dispute,
    found,
    payment,
    registration,
    release,
    resolution,
    settlement,
)
from tests.registry.existence_examples import attestation, correction, noticed, red_letter
from tests.registry.pool_examples import OF_ONE_DEBTOR, adding, drawing, filled, pooled
from tests.registry.supervision.supervised_chain import alerts_of, of_kind, report_of

DUE = START_DAY + 90


def applied(consortium: Consortium, *operations: Operation) -> None:
    for operation in operations:
        assert consortium.code(operation) is Code.OK, operation


def on_day(consortium: Consortium, day: int) -> int:
    """An empty block on this day; returns its height."""
    return consortium.pass_time(day * DAY_MS + 1).block.header.height


def heights_of(consortium: Consortium, kind: AlertKind) -> list[int]:
    return [alert.height for alert in of_kind(consortium, kind)]


# -- Attempts ---------------------------------------------------------------------------------------------------------------


def test_a_second_registration_is_told_to_the_parties_of_the_first(consortium: Consortium) -> None:
    receivable = consortium.registered("INV-1")
    applied(consortium, consortium.assignment(receivable, 10_000))
    again = registration("INV-1", exporter=EXPORTER)
    assert consortium.code(again) is Code.DUPLICATE_RECEIVABLE
    (alert,) = of_kind(consortium, AlertKind.DUPLICATE_ATTEMPT)
    assert (alert.height, alert.entry_index, alert.operation_index) == (3, 0, 0)
    assert (alert.subject, alert.detail, alert.amount) == (receivable, "DUPLICATE_RECEIVABLE", 10_000)
    assert {EXPORTER, FACTOR_1} <= set(alert.parties)
    assert alert.reference == consortium.record(receivable).place


def test_a_pledge_of_what_is_assigned_is_a_duplicate_and_of_what_is_not_there_empty(
    consortium: Consortium,
) -> None:
    receivable = consortium.registered()
    applied(consortium, consortium.assignment(receivable, 10_000))
    assert consortium.code(consortium.pledging(receivable, 10_000, to=FACTOR_2)) is Code.DUPLICATE_PLEDGE
    other = consortium.registered()
    assert consortium.code(consortium.pledging(other, 10_001)) is Code.EMPTY_PLEDGE
    assert consortium.code(consortium.assignment(other, 5, assignor=AFFILIATE)) is Code.NOT_HOLDER
    assert heights_of(consortium, AlertKind.DUPLICATE_ATTEMPT) == [3]
    assert heights_of(consortium, AlertKind.EMPTY_ATTEMPT) == [5, 6]
    (duplicate,) = of_kind(consortium, AlertKind.DUPLICATE_ATTEMPT)
    assert {EXPORTER, FACTOR_1, FACTOR_2} <= set(duplicate.parties)


def test_a_look_alike_is_a_suspicion_at_registration_and_at_each_refused_disposal(
    consortium: Consortium,
) -> None:
    first = consortium.result(registration("INV-1", similar=None)).subject
    second = consortium.result(registration("INV-2", similar=None)).subject
    assert consortium.code(consortium.assignment(second)) is Code.SUSPICION_NOT_ACKNOWLEDGED
    born, refused = of_kind(consortium, AlertKind.SUSPICION)
    assert (born.height, born.subject, born.reference) == (2, second, consortium.record(first).place)
    assert (refused.height, refused.detail) == (3, "SUSPICION_NOT_ACKNOWLEDGED")


def test_a_correction_that_makes_it_look_like_another_is_a_suspicion(consortium: Consortium) -> None:
    first = consortium.result(registration("INV-1", similar=None)).subject
    second = consortium.result(registration("INV-2")).subject
    prints = replace(
        consortium.record(second).fingerprints, similar=consortium.record(first).fingerprints.similar
    )
    corrected = correction(consortium, second, fingerprints=prints)
    assert consortium.code(corrected) is Code.OK
    (alert,) = of_kind(consortium, AlertKind.SUSPICION)
    assert (alert.height, alert.subject, alert.reference) == (3, second, consortium.record(first).place)


def test_related_parties_are_told_whether_refused_or_flagged() -> None:
    for policy, code in ((RelatedPartyPolicy.REFUSE, Code.RELATED_PARTY), (RelatedPartyPolicy.FLAG, Code.OK)):
        consortium = found(replace(OPEN_POLICY, related_party=policy))
        parties = (FINGERPRINT_KEY.debtor(FACTOR_1), DEBTOR_REFERENCE)
        group = FINGERPRINT_KEY.debtor("DE:HRB4711")
        applied(
            consortium,
            *(DeclareRelationship(None, party, group, START_DAY, True, False) for party in parties),
        )
        receivable = consortium.registered()
        assert consortium.code(consortium.assignment(receivable, 4_000)) is code
        (alert,) = of_kind(consortium, AlertKind.RELATED_PARTY)
        assert (alert.height, alert.subject, alert.amount) == (4, receivable, 4_000)


def test_a_circle_of_invoices_is_told_with_its_length(consortium: Consortium) -> None:
    consortium.registered(debtor_reference=FINGERPRINT_KEY.debtor(AFFILIATE))
    closing = consortium.registered(exporter=AFFILIATE, debtor_reference=FINGERPRINT_KEY.debtor(EXPORTER))
    (alert,) = of_kind(consortium, AlertKind.CYCLE)
    assert (alert.height, alert.subject, alert.detail) == (2, closing, "2 edges")


def test_what_a_failed_entry_took_along_is_no_alert(consortium: Consortium) -> None:
    receivable = consortium.registered()
    applied(consortium, consortium.assignment(receivable, 10_000))
    consortium.do(registration("INV-7"), consortium.assignment(receivable, 10_000))
    assert [alert.kind for alert in alerts_of(consortium)[-1]] == [AlertKind.EMPTY_ATTEMPT]


# -- What time does -----------------------------------------------------------------------------------------------------


def test_a_receivable_is_due_soon_and_then_overdue_in_each_bucket_once(consortium: Consortium) -> None:
    consortium.registered(due_date=DUE)
    days = (8, 7, 6, 0, -1, -2, -30, -31, -60, -61, -90, -91, -92, -400)
    heights = {days_left: on_day(consortium, DUE - days_left) for days_left in days}
    assert heights_of(consortium, AlertKind.DUE_SOON) == [heights[7]]
    overdue = of_kind(consortium, AlertKind.OVERDUE)
    assert [(alert.height, alert.detail) for alert in overdue] == [
        (heights[-1], "days_1_30"),
        (heights[-31], "days_31_60"),
        (heights[-61], "days_61_90"),
        (heights[-91], "over_90"),
    ]
    assert {alert.amount for alert in overdue} == {10_000}
    assert {alert.entry_index for alert in overdue} == {None}


def test_days_that_no_block_fell_on_are_made_up_by_the_next_block(consortium: Consortium) -> None:
    consortium.registered(due_date=DUE)
    late = on_day(consortium, DUE + 45)
    assert [(a.height, a.detail) for a in of_kind(consortium, AlertKind.OVERDUE)] == [(late, "days_31_60")]
    assert heights_of(consortium, AlertKind.DUE_SOON) == []


def test_arrears_are_those_of_the_earliest_instalment_that_is_not_covered(consortium: Consortium) -> None:
    schedule = (Instalment(START_DAY + 30, 4_000), Instalment(DUE, 6_000))
    receivable = consortium.registered(due_date=DUE, schedule=schedule)
    soon, late = on_day(consortium, START_DAY + 23), on_day(consortium, START_DAY + 31)
    applied(consortium, payment(receivable, 4_000))
    assert report_of(consortium, None).standing_count == ()
    again, over = on_day(consortium, DUE - 7), on_day(consortium, DUE + 1)
    assert heights_of(consortium, AlertKind.DUE_SOON) == [soon, again]
    assert heights_of(consortium, AlertKind.OVERDUE) == [late, over]


def test_a_registration_that_is_due_soon_is_told_at_once_with_its_operation(consortium: Consortium) -> None:
    consortium.registered(due_date=START_DAY + 3)
    (alert,) = of_kind(consortium, AlertKind.DUE_SOON)
    assert (alert.height, alert.entry_index, alert.operation_index) == (1, 0, 0)


def test_what_was_paid_is_neither_due_nor_overdue(consortium: Consortium) -> None:
    receivable = consortium.registered(due_date=DUE)
    applied(consortium, payment(receivable, 10_000))
    on_day(consortium, DUE - 1)
    on_day(consortium, DUE + 100)
    assert alerts_of(consortium)[-2:] == [[], []]


def test_a_lien_expires_soon_once_until_it_is_renewed_or_released(consortium: Consortium) -> None:
    receivable = consortium.registered()
    until_ms = consortium.now_ms + 60 * DAY_MS
    applied(consortium, consortium.pledging(receivable, 4_000, until_ms=until_ms))
    end = until_ms // DAY_MS
    on_day(consortium, end - 31)
    height = on_day(consortium, end - 30)
    on_day(consortium, end - 29)
    (alert,) = of_kind(consortium, AlertKind.LIEN_EXPIRING)
    assert (alert.height, alert.amount, alert.subject) == (height, 4_000, receivable)
    lien = consortium.record(receivable).liens[0]
    assert report_of(consortium, None).standing_count == (("lien_expiring", 1),)
    applied(consortium, release(receivable, lien.lien_id))
    assert report_of(consortium, None).standing_count == ()
    assert heights_of(consortium, AlertKind.LIEN_EXPIRING) == [height]


def test_a_registration_elsewhere_expires_soon_once(consortium: Consortium) -> None:
    receivable = consortium.registered(due_date=START_DAY + 300)
    applied(consortium, consortium.assignment(receivable, 4_000))
    until_ms = consortium.now_ms + 60 * DAY_MS
    applied(consortium, linked(consortium, receivable, until_ms=until_ms))
    end = until_ms // DAY_MS
    on_day(consortium, end - 31)
    height = on_day(consortium, end - 30)
    on_day(consortium, end)
    on_day(consortium, end + 1)
    (alert,) = of_kind(consortium, AlertKind.REGISTRATION_EXPIRING)
    assert (alert.height, alert.detail, alert.amount) == (height, FACTOR_1, 4_000)


def test_an_expiring_registration_tells_what_the_pledgee_has_at_stake(consortium: Consortium) -> None:
    receivable = consortium.registered(due_date=START_DAY + 300)
    applied(consortium, consortium.pledging(receivable, 3_000, to=FACTOR_2))
    applied(
        consortium,
        linked(consortium, receivable, factor=FACTOR_2, until_ms=consortium.now_ms + 20 * DAY_MS),
    )
    (alert,) = of_kind(consortium, AlertKind.REGISTRATION_EXPIRING)
    assert (alert.detail, alert.amount) == (FACTOR_2, 3_000)


def test_an_attestation_is_stale_half_a_year_after_the_newest(consortium: Consortium) -> None:
    accredited = ChangeMember(
        BANK,
        (Role.ATTESTER,),
        MemberStatus.ACTIVE,
        Numbering.CONTINUOUS,
        (EvidenceKind.INVOICE,),
        (),
        with_consent=False,
    )
    receivable = consortium.registered(due_date=START_DAY + 300)
    paper = consortium.record(receivable).evidence[0].commitment
    applied(consortium, accredited)
    on_day(consortium, START_DAY + 20)
    applied(
        consortium, attestation(consortium, receivable, paper=paper, kind=EvidenceKind.INVOICE, quantity=0)
    )
    on_day(consortium, START_DAY + 199)
    height = on_day(consortium, START_DAY + 200)
    on_day(consortium, START_DAY + 201)
    assert heights_of(consortium, AlertKind.STALE_ATTESTATION) == [height]


# -- What operations do -------------------------------------------------------------------------------------------------


def test_an_indirect_payment_is_told_once_and_stands_until_it_is_turned_over(consortium: Consortium) -> None:
    receivable = consortium.registered()
    applied(consortium, consortium.assignment(receivable, 5_000))
    noticed(consortium, receivable)
    applied(consortium, indirect(receivable, 700))
    height = consortium.tip.height
    on_day(consortium, START_DAY + 2)
    (alert,) = of_kind(consortium, AlertKind.INDIRECT_PAYMENT)
    assert (alert.height, alert.entry_index, alert.amount) == (height, 0, 700)
    assert report_of(consortium, FACTOR_1).standing_count == (("indirect_payment", 1),)
    applied(consortium, indirect(receivable, 700, reporter=FACTOR_1, turned_over=True))
    assert report_of(consortium, FACTOR_1).standing_count == ()


@pytest.mark.parametrize(("amount", "told"), [(999, False), (1_000, True)])
def test_dilution_is_told_from_a_tenth_of_the_face_amount_on(
    consortium: Consortium, amount: int, told: bool
) -> None:
    receivable = consortium.registered()
    applied(
        consortium,
        dispute(receivable, amount),
        resolution(receivable, dilution=((EXPORTER, amount),)),
    )
    assert heights_of(consortium, AlertKind.DILUTION_RATE) == ([3] if told else [])


def test_a_concentration_is_told_when_the_assets_shrink_below_it_and_again_after_it_was_over() -> None:
    consortium = found(replace(OPEN_POLICY, single_debtor_max_percent=50))

    def state(amount: int) -> None:
        assets = DeclareRiskAssets(FACTOR_1, "USD", amount, START_DAY)
        assert consortium.code(assets, signed_by=(FACTOR_1,)) is Code.OK

    state(20_000)
    receivable = consortium.registered()
    applied(consortium, consortium.assignment(receivable, 10_000))
    state(19_999)
    state(19_000)
    state(20_000)
    state(1_000)
    first, second = of_kind(consortium, AlertKind.CONCENTRATION)
    assert (first.height, second.height) == (4, 7)
    assert (first.parties, first.amount) == ((FACTOR_1,), 10_000)
    assert first.detail == f"debtor {DEBTOR_REFERENCE.hex()}"
    assert first.debtor_reference is None
    assert report_of(consortium, FACTOR_1).standing_count == (("concentration", 1),)
    assert report_of(consortium, FACTOR_2).standing_count == ()


def test_a_concentration_on_the_factors_own_group_is_told() -> None:
    policy = replace(OPEN_POLICY, related_party=RelatedPartyPolicy.FLAG, related_debtors_max_percent=40)
    consortium = found(policy)
    assets = DeclareRiskAssets(FACTOR_1, "USD", 10_000, START_DAY)
    assert consortium.code(assets, signed_by=(FACTOR_1,)) is Code.OK
    for debtor in (DEBTOR_REFERENCE, OTHER_DEBTOR_REFERENCE):
        receivable = consortium.registered(debtor_reference=debtor)
        applied(consortium, consortium.assignment(receivable, 3_000))
    group = FINGERPRINT_KEY.debtor("DE:HRB4711")
    own = FINGERPRINT_KEY.debtor(FACTOR_1)
    for party in (own, DEBTOR_REFERENCE, OTHER_DEBTOR_REFERENCE):
        applied(consortium, DeclareRelationship(None, party, group, START_DAY, True, False))
    (alert,) = of_kind(consortium, AlertKind.CONCENTRATION)
    assert (alert.height, alert.detail, alert.amount) == (8, "related debtors", 6_000)


def test_a_stricter_policy_raises_what_stands_under_it_and_a_looser_one_ends_it() -> None:
    consortium = found(replace(OPEN_POLICY, related_party=RelatedPartyPolicy.FLAG))
    assets = DeclareRiskAssets(FACTOR_1, "USD", 10_000, START_DAY)
    assert consortium.code(assets, signed_by=(FACTOR_1,)) is Code.OK
    group = FINGERPRINT_KEY.debtor("DE:HRB4711")
    for party in (FINGERPRINT_KEY.debtor(FACTOR_1), DEBTOR_REFERENCE):
        applied(consortium, DeclareRelationship(None, party, group, START_DAY, True, False))
    receivable = consortium.registered()
    applied(consortium, consortium.assignment(receivable, 6_000))
    strict = replace(
        consortium.working().policy(), single_debtor_max_percent=50, related_debtors_max_percent=40
    )
    decided = consortium.tip.height + 1
    applied(consortium, SetPolicy(strict, decided + 1))
    assert of_kind(consortium, AlertKind.CONCENTRATION) == []
    consortium.pass_time(consortium.now_ms)
    raised = of_kind(consortium, AlertKind.CONCENTRATION)
    assert [(alert.height, alert.detail) for alert in raised] == [
        (decided + 1, f"debtor {DEBTOR_REFERENCE.hex()}"),
        (decided + 1, "related debtors"),
    ]
    assert report_of(consortium, FACTOR_1).standing_count == (("concentration", 2),)
    other = replace(strict, tacit_days=11)
    applied(consortium, SetPolicy(other, consortium.tip.height + 2))
    consortium.pass_time(consortium.now_ms)
    assert of_kind(consortium, AlertKind.CONCENTRATION) == raised
    loose = replace(strict, single_debtor_max_percent=60, related_debtors_max_percent=None)
    applied(consortium, SetPolicy(loose, consortium.tip.height + 2))
    consortium.pass_time(consortium.now_ms)
    assert report_of(consortium, FACTOR_1).standing_count == ()


def test_a_group_that_a_debtor_joins_counts_for_its_factors_and_nobody_else() -> None:
    policy = replace(OPEN_POLICY, related_party=RelatedPartyPolicy.FLAG, related_debtors_max_percent=40)
    consortium = found(policy)
    for factor in (FACTOR_1, FACTOR_2):
        assets = DeclareRiskAssets(factor, "USD", 10_000, START_DAY)
        assert consortium.code(assets, signed_by=(factor,)) is Code.OK
    receivable = consortium.registered()
    applied(
        consortium,
        consortium.assignment(receivable, 5_000),
        consortium.assignment(receivable, 5_000, to=FACTOR_2),
    )
    own = FINGERPRINT_KEY.debtor(FACTOR_1)
    applied(consortium, DeclareRelationship(None, DEBTOR_REFERENCE, own, START_DAY, True, False))
    (alert,) = of_kind(consortium, AlertKind.CONCENTRATION)
    assert (alert.parties, alert.amount) == ((FACTOR_1,), 5_000)
    applied(consortium, DeclareRelationship(None, DEBTOR_REFERENCE, own, START_DAY, True, True))
    assert report_of(consortium, None).standing_count == ()


def test_a_factor_without_a_reference_has_no_group() -> None:
    state = WorkingState(MemoryState())
    assert related_exposure(state, FACTOR_1, "USD", START_DAY) == 0


def test_nothing_is_stale_once_a_paper_is_void(consortium: Consortium) -> None:
    accredited = ChangeMember(
        BANK,
        (Role.ATTESTER,),
        MemberStatus.ACTIVE,
        Numbering.CONTINUOUS,
        (EvidenceKind.INVOICE,),
        (),
        with_consent=False,
    )
    receivable = consortium.registered(due_date=START_DAY + 300)
    applied(consortium, accredited, red_letter(consortium, receivable))
    on_day(consortium, START_DAY + 250)
    assert heights_of(consortium, AlertKind.STALE_ATTESTATION) == []


def test_what_is_cancelled_or_settled_raises_nothing_more(consortium: Consortium) -> None:
    cancelled, settled = consortium.registered(), consortium.registered()
    applied(consortium, cancellation(cancelled), payment(settled, 10_000), settlement(settled))
    on_day(consortium, DUE + 100)
    assert alerts_of(consortium)[-1] == []
    assert report_of(consortium, None).standing_count == ()


def test_a_pool_falls_short_when_its_members_are_paid(consortium: Consortium) -> None:
    pool = pooled(consortium, OF_ONE_DEBTOR)
    receivable = consortium.registered()
    applied(consortium, adding(consortium, pool, receivable), drawing(pool, 8_000))
    applied(consortium, payment(receivable, 5_000), payment(receivable, 1_000))
    (alert,) = of_kind(consortium, AlertKind.POOL_SHORTFALL)
    assert (alert.height, alert.subject, alert.amount) == (5, pool, 4_000)
    assert set(alert.parties) == {EXPORTER, FACTOR_1}
    assert ("pool_shortfall", 1) in report_of(consortium, FACTOR_1).standing_count


def test_a_pool_may_fall_shorter_than_an_amount_can_say(consortium: Consortium) -> None:
    pool = pooled(consortium, replace(OF_ONE_DEBTOR, advance_rate_bp=10_000))
    members = [consortium.registered(face_amount=AMOUNT_MAX) for _ in range(2)]
    applied(consortium, adding(consortium, pool, *members), *[drawing(pool, AMOUNT_MAX)] * 2)
    consortium.do(*(payment(member, AMOUNT_MAX) for member in members))
    (alert,) = of_kind(consortium, AlertKind.POOL_SHORTFALL)
    assert (alert.amount, alert.detail) == (AMOUNT_MAX, f"drawn {2 * AMOUNT_MAX}")
    assert decode_alert(encode_alert(alert)) == alert


def test_a_factor_is_told_that_a_member_of_its_pool_was_offered_to_another_pool(
    consortium: Consortium,
) -> None:
    pool, (receivable,) = filled(consortium)
    other = pooled(consortium, OF_ONE_DEBTOR, factor=FACTOR_2)
    again = adding(consortium, other, receivable, factor=FACTOR_2)
    assert consortium.code(again) is Code.IN_OTHER_POOL
    (alert,) = of_kind(consortium, AlertKind.DUPLICATE_ATTEMPT)
    assert (alert.subject, alert.detail) == (pool, "IN_OTHER_POOL")
    assert alert.parties == tuple(sorted((EXPORTER, FACTOR_1, FACTOR_2)))


def test_a_report_counts_the_alerts_of_its_period(consortium: Consortium) -> None:
    receivable = consortium.registered()
    for _ in range(3):
        assert consortium.code(consortium.pledging(receivable, 10_001)) is Code.EMPTY_PLEDGE
    assert report_of(consortium, None).raised == (("empty_attempt", 3),)
    assert report_of(consortium, None, from_height=3).raised == (("empty_attempt", 2),)
    assert report_of(consortium, FACTOR_2).raised == ()
