"""Each figure of a supervisor's report on a chain that is small enough to add up by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from registry.errors import Code
from registry.fingerprints import Numbering
from registry.member import MemberStatus
from registry.operations import Operation
from registry.operations.governance import EnterpriseClass, Role
from registry.operations.members import ChangeMember
from registry.operations.relationships import DeclareRelationship, DeclareRiskAssets
from registry.operations.security import Junior
from registry.policy import RelatedPartyPolicy
from registry.supervision.figures import share_bp
from tests.registry.assignment_examples import acceptance, blanket, offered
from tests.registry.collection_examples import indirect, linked
from tests.registry.consortium import (
    AFFILIATE,
    DAY_MS,
    DEBTOR_REFERENCE,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    FACTOR_3,
    FINGERPRINT_KEY,
    OPEN_POLICY,
    OTHER_DEBTOR_REFERENCE,
    START_DAY,
    TRADER,
    Consortium,
    confirmation,
    dispute,
    found,
    payment,
    resolution,
)
from tests.registry.cover_examples import binding
from tests.registry.existence_examples import arising, contract, credit, noticed
from tests.registry.pool_examples import OF_ONE_DEBTOR, adding, drawing, pooled
from tests.registry.supervision.supervised_chain import figures_of, in_usd, report_of

SECTOR = None


def applied(consortium: Consortium, *operations: Operation) -> None:
    for operation in operations:
        assert consortium.code(operation) is Code.OK, operation


def change_class(member: str, size: EnterpriseClass) -> ChangeMember:
    return ChangeMember(
        member,
        (Role.EXPORTER,),
        MemberStatus.ACTIVE,
        Numbering.CONTINUOUS,
        (),
        (),
        False,
        enterprise_class=size,
    )


def test_business_volume_is_what_was_assigned_and_pledged_whatever_became_of_it(
    consortium: Consortium,
) -> None:
    receivable = consortium.registered()
    applied(
        consortium,
        consortium.assignment(receivable, 3_000, with_recourse=True),
        consortium.pledging(receivable, 2_000),
        consortium.assignment(receivable, 500, to=FACTOR_2),
    )
    applied(consortium, payment(receivable, 3_000, holder=FACTOR_1))
    figures = in_usd(consortium, FACTOR_1)
    assert (figures.volume_assigned, figures.volume_pledged, figures.business_volume) == (3_000, 2_000, 5_000)
    assert figures.transactions == 2
    assert (figures.assigned, figures.pledged, figures.financing_balance) == (0, 2_000, 2_000)
    assert in_usd(consortium, SECTOR).business_volume == 5_500
    assert in_usd(consortium, SECTOR).transactions == 3


def test_an_accepted_offer_and_a_blanket_are_volume_too(consortium: Consortium) -> None:
    receivable = consortium.registered()
    offer = offered(consortium, receivable, amount=4_000)
    applied(consortium, acceptance(consortium.record(receivable), offer))
    applied(consortium, blanket(consortium))
    consortium.registered(amount=7_000)
    figures = in_usd(consortium, FACTOR_1)
    assert (figures.volume_assigned, figures.transactions) == (11_000, 2)
    assert figures.assigned == 11_000
    assert figures.receivables == 2


def test_what_arises_under_a_blanket_is_volume_and_what_came_over_with_a_contract_is_not(
    consortium: Consortium,
) -> None:
    sold = consortium.result(contract("C-1")).subject
    applied(consortium, consortium.assignment(sold, 5_000, future_consented=True))
    kept = consortium.result(contract("C-2")).subject
    applied(consortium, blanket(consortium))
    applied(consortium, arising(sold, amount=4_000))
    figures = in_usd(consortium, FACTOR_1)
    assert (figures.volume_assigned, figures.transactions) == (5_000, 1)
    applied(consortium, arising(kept, amount=3_000, number="INV-2"))
    figures = in_usd(consortium, FACTOR_1)
    assert (figures.volume_assigned, figures.transactions) == (8_000, 2)
    assert figures.assigned == 8_000
    assert in_usd(consortium, SECTOR).volume_assigned == 8_000


def test_flows_are_those_of_the_period_and_stocks_those_of_the_height(consortium: Consortium) -> None:
    receivable = consortium.registered()
    applied(consortium, consortium.assignment(receivable, 3_000))
    applied(consortium, consortium.assignment(receivable, 2_000))
    assert in_usd(consortium, FACTOR_1, from_height=3).business_volume == 2_000
    assert in_usd(consortium, FACTOR_1, from_height=3).assigned == 5_000
    assert in_usd(consortium, FACTOR_1, height=2).business_volume == 3_000
    assert in_usd(consortium, FACTOR_1, height=2).assigned == 3_000


def test_customers_and_debtors_are_counted_once_over_the_sector(consortium: Consortium) -> None:
    first = consortium.registered()
    second = consortium.registered(debtor_reference=OTHER_DEBTOR_REFERENCE)
    third = consortium.registered(exporter=AFFILIATE)
    applied(
        consortium,
        consortium.assignment(first, 5_000),
        consortium.assignment(second, 5_000, to=FACTOR_2),
        consortium.assignment(third, 5_000, to=FACTOR_2, assignor=AFFILIATE),
    )
    one, two = figures_of(consortium, FACTOR_1), figures_of(consortium, FACTOR_2)
    assert (one.customers, one.debtors) == (1, 1)
    assert (two.customers, two.debtors) == (2, 2)
    sector = figures_of(consortium, SECTOR)
    assert (sector.customers, sector.debtors) == (2, 2)


def test_customers_are_told_apart_by_their_declared_class(consortium: Consortium) -> None:
    applied(consortium, change_class(AFFILIATE, EnterpriseClass.MICRO))
    first, second = consortium.registered(), consortium.registered(exporter=AFFILIATE, amount=800)
    applied(
        consortium,
        consortium.assignment(first, 5_000),
        consortium.assignment(second, 800, assignor=AFFILIATE),
    )
    figures = figures_of(consortium, FACTOR_1)
    assert dict(zip(EnterpriseClass, figures.customers_by_class, strict=True)) == {
        EnterpriseClass.UNDECLARED: 1,
        EnterpriseClass.LARGE: 0,
        EnterpriseClass.MEDIUM: 0,
        EnterpriseClass.SMALL: 0,
        EnterpriseClass.MICRO: 1,
    }
    assert figures.by_currency[0].small_enterprise_amount == 800


def test_what_one_factor_refinanced_with_another_is_financed_once(consortium: Consortium) -> None:
    receivable = consortium.registered()
    applied(
        consortium,
        consortium.assignment(receivable, 6_000),
        consortium.pledging(receivable, 4_000, to=FACTOR_2, pledgor=FACTOR_1),
        consortium.pledging(receivable, 1_000, to=FACTOR_3),
    )
    assert in_usd(consortium, FACTOR_1).financing_balance == 6_000
    assert in_usd(consortium, FACTOR_2).financing_balance == 4_000
    sector = in_usd(consortium, SECTOR)
    assert (sector.assigned, sector.pledged, sector.financing_balance) == (6_000, 1_000, 7_000)
    assert (sector.receivables, sector.business_volume) == (1, 11_000)


def test_a_junior_lien_is_counted_for_its_factor_and_not_for_the_sector_again(consortium: Consortium) -> None:
    receivable = consortium.registered()
    applied(consortium, consortium.pledging(receivable, 6_000))
    (senior,) = consortium.record(receivable).liens
    behind = Junior(senior.lien_id, FACTOR_1)
    applied(consortium, consortium.pledging(receivable, 4_000, to=FACTOR_2, junior_to=behind))
    junior = consortium.record(receivable).liens[1]
    last = Junior(junior.lien_id, FACTOR_2)
    applied(consortium, consortium.pledging(receivable, 1_000, to=FACTOR_1, junior_to=last))
    assert in_usd(consortium, FACTOR_1).pledged == 6_000
    assert in_usd(consortium, FACTOR_2).pledged == 4_000
    assert in_usd(consortium, SECTOR).pledged == 6_000
    applied(consortium, dispute(receivable, 5_000))
    # Half of the exporter's part is disputed: at most what each lien lies on.
    assert in_usd(consortium, FACTOR_1).disputed == 5_000
    assert in_usd(consortium, FACTOR_2).disputed == 4_000


def test_a_pool_on_which_nothing_is_drawn_makes_no_customer(consortium: Consortium) -> None:
    pooled(consortium, OF_ONE_DEBTOR)
    figures = figures_of(consortium, FACTOR_1)
    assert (figures.customers, figures.by_currency[0].advanced) == (0, 0)


def test_a_pool_is_nobody_elses(consortium: Consortium) -> None:
    pool = pooled(consortium, OF_ONE_DEBTOR)
    receivable = consortium.registered()
    applied(consortium, adding(consortium, pool, receivable), drawing(pool, 1_000))
    assert figures_of(consortium, FACTOR_2).by_currency == ()


def test_the_exporters_own_part_is_nobodys_financing(consortium: Consortium) -> None:
    consortium.registered(exporter=TRADER)
    assert figures_of(consortium, TRADER).by_currency == ()


@pytest.mark.parametrize(
    ("days_after_due", "bucket"),
    [(0, 0), (1, 1), (30, 1), (31, 2), (60, 2), (61, 3), (90, 3), (91, 4), (400, 4)],
)
def test_ageing_counts_days_after_the_due_date(
    consortium: Consortium, days_after_due: int, bucket: int
) -> None:
    receivable = consortium.registered(due_date=START_DAY + 20)
    applied(consortium, consortium.assignment(receivable, 2_500))
    consortium.pass_time((START_DAY + 20 + days_after_due) * DAY_MS)
    expected = [0, 0, 0, 0, 0]
    expected[bucket] = 2_500
    assert list(in_usd(consortium, FACTOR_1).ageing) == expected


def test_top_debtors_share_is_of_the_whole_and_of_the_risk_assets_rounded_up(consortium: Consortium) -> None:
    first = consortium.registered()
    second = consortium.registered(debtor_reference=OTHER_DEBTOR_REFERENCE)
    applied(consortium, consortium.assignment(first, 2_000), consortium.assignment(second, 1_000))
    figures = in_usd(consortium, FACTOR_1)
    assert (figures.top_debtor_amount, figures.top_debtor_share_bp) == (2_000, 6_667)
    assert (figures.risk_assets, figures.top_debtor_of_risk_assets_bp) == (None, None)
    assets = DeclareRiskAssets(FACTOR_1, "USD", 7_000, START_DAY)
    assert consortium.code(assets, signed_by=(FACTOR_1,)) is Code.OK
    figures = in_usd(consortium, FACTOR_1)
    assert (figures.risk_assets, figures.top_debtor_of_risk_assets_bp) == (7_000, 2_858)


@pytest.mark.parametrize(
    ("part", "whole", "points"),
    [(0, 0, 0), (0, 5, 0), (1, 3, 3_334), (1, 2, 5_000), (5, 5, 10_000), (1, 10**15, 1)],
)
def test_shares_are_rounded_up_to_basis_points(part: int, whole: int, points: int) -> None:
    assert share_bp(part, whole) == points


def test_related_debtors_are_those_of_the_factors_group() -> None:
    consortium = found(replace(OPEN_POLICY, related_party=RelatedPartyPolicy.FLAG))
    group = FINGERPRINT_KEY.debtor("DE:HRB4711")
    parties = (FINGERPRINT_KEY.debtor(FACTOR_1), DEBTOR_REFERENCE)
    applied(
        consortium,
        *(DeclareRelationship(None, party, group, START_DAY, True, False) for party in parties),
    )
    first = consortium.registered()
    second = consortium.registered(debtor_reference=OTHER_DEBTOR_REFERENCE)
    applied(
        consortium,
        consortium.assignment(first, 1_000),
        consortium.assignment(second, 3_000),
        consortium.assignment(first, 6_000, to=FACTOR_2),
    )
    figures = in_usd(consortium, FACTOR_1)
    assert (figures.related_amount, figures.related_share_bp) == (1_000, 2_500)
    assert in_usd(consortium, FACTOR_2).related_amount == 0
    assert in_usd(consortium, SECTOR).related_amount == 1_000


def test_recourse_is_counted_by_amount(consortium: Consortium) -> None:
    receivable = consortium.registered()
    applied(
        consortium,
        consortium.assignment(receivable, 3_000, with_recourse=True),
        consortium.assignment(receivable, 2_000),
    )
    figures = in_usd(consortium, FACTOR_1)
    assert (figures.with_recourse, figures.without_recourse) == (3_000, 2_000)


def test_disputed_is_what_is_disputed_of_the_position(consortium: Consortium) -> None:
    receivable = consortium.registered()
    applied(consortium, consortium.assignment(receivable, 5_000), dispute(receivable, 1_000))
    # The dispute lies on both halves alike.
    assert in_usd(consortium, FACTOR_1).disputed == 500
    assert in_usd(consortium, SECTOR).disputed == 500


def test_diluted_is_what_holders_bore_in_the_period(consortium: Consortium) -> None:
    receivable = consortium.registered()
    applied(
        consortium,
        consortium.assignment(receivable, 5_000),
        dispute(receivable, 1_000),
        resolution(receivable, dilution=((FACTOR_1, 400), (EXPORTER, 100)), holders=(EXPORTER, FACTOR_1)),
        credit(receivable, (FACTOR_1, 250), consenting=(FACTOR_1,)),
    )
    assert in_usd(consortium, FACTOR_1).diluted == 650
    assert in_usd(consortium, SECTOR).diluted == 650
    assert in_usd(consortium, FACTOR_1, from_height=5).diluted == 250


def test_indirect_payments_are_open_until_they_are_turned_over(consortium: Consortium) -> None:
    receivable = consortium.registered()
    applied(consortium, consortium.assignment(receivable, 5_000))
    noticed(consortium, receivable)
    applied(consortium, indirect(receivable, 700))
    figures = in_usd(consortium, FACTOR_1)
    assert (figures.indirect_open, figures.indirect_reported) == (700, 700)
    applied(consortium, indirect(receivable, 700, reporter=FACTOR_1, turned_over=True))
    figures = in_usd(consortium, FACTOR_1)
    assert (figures.indirect_open, figures.indirect_reported) == (0, 700)


def test_refused_attempts_are_counted_by_reason_for_each_party_and_once_for_the_sector(
    consortium: Consortium,
) -> None:
    receivable = consortium.registered()
    applied(consortium, consortium.assignment(receivable, 10_000))
    assert consortium.code(consortium.pledging(receivable, 10_000, to=FACTOR_2)) is Code.DUPLICATE_PLEDGE
    assert consortium.code(consortium.registration("INV-1")) is Code.DUPLICATE_RECEIVABLE
    assert figures_of(consortium, FACTOR_1).refused == ()
    assert figures_of(consortium, FACTOR_2).refused == (("DUPLICATE_PLEDGE", 1),)
    sector = (("DUPLICATE_PLEDGE", 1), ("DUPLICATE_RECEIVABLE", 1))
    assert figures_of(consortium, SECTOR).refused == sector


def test_operations_that_a_failed_entry_took_along_are_no_attempts(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 4_000), consortium.assignment(receivable, 7_000))
    figures = figures_of(consortium, FACTOR_1)
    assert figures.refused == (("EMPTY_ASSIGNMENT", 1),)
    assert figures.by_currency == ()


def test_covered_is_what_insurers_answer_for(consortium: Consortium) -> None:
    receivable = consortium.registered()
    applied(
        consortium, consortium.assignment(receivable, 5_000), binding(receivable, 3_000, insured=FACTOR_1)
    )
    assert in_usd(consortium, FACTOR_1).covered == 3_000
    assert in_usd(consortium, SECTOR).covered == 3_000


def test_unconfirmed_is_what_is_beyond_the_confirmed_amount(consortium: Consortium) -> None:
    receivable = consortium.registered()
    applied(
        consortium,
        confirmation(receivable, 6_000),
        consortium.assignment(receivable, 4_000),
        consortium.assignment(receivable, 4_000, to=FACTOR_2),
    )
    assert in_usd(consortium, FACTOR_1).unconfirmed == 0
    assert in_usd(consortium, SECTOR).unconfirmed == 2_000


def test_registrations_elsewhere_count_while_they_run_and_expire_within_thirty_days(
    consortium: Consortium,
) -> None:
    receivable = consortium.registered()
    applied(consortium, consortium.assignment(receivable, 5_000))
    until_ms = consortium.now_ms + 40 * DAY_MS
    applied(consortium, linked(consortium, receivable, until_ms=until_ms))
    figures = in_usd(consortium, FACTOR_1)
    assert (figures.registered_externally, figures.registrations_expiring) == (5_000, 0)
    consortium.pass_time(until_ms - 30 * DAY_MS)
    assert in_usd(consortium, FACTOR_1).registrations_expiring == 5_000
    consortium.pass_time(until_ms)
    figures = in_usd(consortium, FACTOR_1)
    assert (figures.registered_externally, figures.registrations_expiring) == (0, 0)


def test_a_future_receivable_is_a_position_that_does_not_age(consortium: Consortium) -> None:
    future = consortium.result(contract()).subject
    cap = consortium.record(future).face_amount
    applied(consortium, consortium.assignment(future, cap, future_consented=True))
    figures = in_usd(consortium, FACTOR_1)
    assert (figures.future, sum(figures.ageing), figures.assigned) == (cap, 0, cap)
    applied(consortium, arising(future, amount=4_000))
    figures = in_usd(consortium, FACTOR_1)
    assert (figures.future, sum(figures.ageing), figures.assigned) == (cap - 4_000, 4_000, cap)
    assert figures.volume_assigned == cap


def test_a_pool_is_its_advance_and_the_parts_that_secure_it(consortium: Consortium) -> None:
    pool = pooled(consortium, OF_ONE_DEBTOR)
    receivable = consortium.registered()
    applied(consortium, adding(consortium, pool, receivable), drawing(pool, 8_000))
    figures = in_usd(consortium, FACTOR_1)
    assert (figures.volume_drawn, figures.advanced, figures.pooled) == (8_000, 8_000, 10_000)
    assert (figures.financing_balance, figures.pool_shortfall) == (8_000, 0)
    applied(consortium, payment(receivable, 5_000))
    assert in_usd(consortium, FACTOR_1).pool_shortfall == 4_000
    assert in_usd(consortium, SECTOR).pool_shortfall == 4_000
    assert figures_of(consortium, FACTOR_1).customers == 1


def test_amounts_of_two_currencies_are_never_added(consortium: Consortium) -> None:
    dollars, yen = consortium.registered(), consortium.registered(currency="JPY")
    applied(consortium, consortium.assignment(dollars, 100), consortium.assignment(yen, 200))
    figures = figures_of(consortium, FACTOR_1).by_currency
    assert [(each.currency, each.assigned) for each in figures] == [("JPY", 200), ("USD", 100)]


def test_a_report_on_the_sector_has_every_factor(consortium: Consortium) -> None:
    receivable = consortium.registered()
    applied(consortium, consortium.assignment(receivable, 100, to=FACTOR_3))
    report = report_of(consortium, SECTOR)
    named = {figures.member_id: figures for figures in report.factors}
    assert {FACTOR_1, FACTOR_2, FACTOR_3, TRADER} <= named.keys()
    assert named[FACTOR_3] == figures_of(consortium, FACTOR_3)
    assert named[FACTOR_1] == figures_of(consortium, FACTOR_1)


def test_a_settled_receivable_is_nobodys_position(consortium: Consortium) -> None:
    receivable = consortium.registered()
    applied(
        consortium, consortium.assignment(receivable, 10_000), payment(receivable, 10_000, holder=FACTOR_1)
    )
    figures = in_usd(consortium, FACTOR_1)
    assert (figures.receivables, figures.financing_balance) == (0, 0)
    assert figures_of(consortium, FACTOR_1).customers == 0
