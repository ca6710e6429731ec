"""Ways round a rule that its own refusals do not close: through another phase, another operation, another hat."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest

from registry import limits
from registry.errors import Code
from registry.operations import Pledge, ReverseByJudgment
from registry.operations.existence import Instalment
from registry.operations.governance import Role
from registry.operations.reversal import AssignmentUndone
from registry.operations.security import Junior
from registry.policy import ConfirmationPolicy
from registry.receivable import Phase
from registry.record.accounts import Account
from registry.record.notices import fixed_payees
from registry.stored import SINGLETON, Namespace
from tests.registry.assignment_examples import HOUR_MS, acceptance, blanket, giving_back, offer, offered
from tests.registry.collection_examples import (
    ACCOUNT,
    AFTER_DUE_MS,
    account,
    at,
    default,
    enforcement,
    frozen,
    objection,
    overdue,
    pledged,
)
from tests.registry.collection_examples import reversal as called_back
from tests.registry.consortium import (
    BANK,
    DAY_MS,
    DEBTOR,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    FACTOR_3,
    OPEN_POLICY,
    OTHER_DEBTOR_REFERENCE,
    START_DAY,
    STRANGER,
    Consortium,
    confirmation,
    dispute,
    payment,
    resolution,
    settlement,
)
from tests.registry.existence_examples import (
    ALL_KINDS,
    accredit,
    arising,
    attestation,
    contract,
    correction,
    credit,
    noticed,
    red_letter,
    silence,
)
from tests.registry.pool_examples import adding, drawing, filled, present, removing

COOLED_MS = 73 * HOUR_MS


def future_of(consortium: Consortium) -> bytes:
    receipt = consortium.do(contract())
    assert receipt.results[0].code is Code.OK
    return receipt.results[0].subject


# --- a blanket, and a contract that is assigned ahead of its invoices


@pytest.mark.parametrize("blanket_first", [True, False])
def test_a_contract_is_not_assigned_from_under_a_blanket(consortium: Consortium, blanket_first: bool) -> None:
    if blanket_first:
        consortium.do(blanket(consortium))
    future = future_of(consortium)
    if not blanket_first:
        consortium.do(blanket(consortium))
    promised = consortium.working().blankets(EXPORTER)[0]
    taken = consortium.assignment(future, 10_000, FACTOR_2, future_consented=True)
    result = consortium.result(taken)
    assert (result.code, result.collided_with) == (Code.BLANKET_CONFLICT, promised.place)
    assert consortium.code(offer(consortium, future, 10_000, FACTOR_2)) is Code.BLANKET_CONFLICT
    # To the factor whose it will be it can go at once.
    assert consortium.code(replace(taken, assignee=FACTOR_1)) is Code.OK


def test_an_offer_of_a_contract_is_not_accepted_once_a_blanket_is_agreed(consortium: Consortium) -> None:
    future = future_of(consortium)
    open_offer = offered(consortium, future, 10_000, FACTOR_2)
    consortium.do(blanket(consortium))
    taking = acceptance(consortium.record(future), open_offer, future_consented=True)
    assert consortium.code(taking) is Code.BLANKET_CONFLICT


def test_a_blanket_for_another_debtor_holds_up_no_contract(
    consortium: Consortium,
) -> None:
    consortium.do(blanket(consortium, debtor_reference=OTHER_DEBTOR_REFERENCE))
    future = future_of(consortium)
    taken = consortium.assignment(future, 10_000, FACTOR_2, future_consented=True)
    assert consortium.code(taken) is Code.OK


def test_who_took_a_contract_before_the_blanket_passes_it_on(consortium: Consortium) -> None:
    future = future_of(consortium)
    consortium.do(consortium.assignment(future, 10_000, FACTOR_2, future_consented=True))
    consortium.do(blanket(consortium))
    onward = consortium.assignment(future, 10_000, FACTOR_3, assignor=FACTOR_2, future_consented=True)
    assert consortium.code(onward) is Code.OK


# --- an account that waits while the receivable changes hands


def waiting(consortium: Consortium, receivable: bytes) -> Account | None:
    return consortium.record(receivable).collection.pending


def test_an_account_named_just_before_an_assignment_does_not_come_into_effect(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(account(receivable))
    assert waiting(consortium, receivable) is not None
    consortium.do(consortium.assignment(receivable, 1))
    consortium.pass_time(consortium.now_ms + COOLED_MS)
    assert consortium.record(receivable).collection.account is None


def test_nor_one_named_just_before_a_pledge(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(account(receivable))
    lien = pledged(consortium, receivable, 1)
    assert waiting(consortium, receivable) is None
    # Whoever it was agreed with stays bound by it, whatever else happens.
    consortium.do(account(receivable, (EXPORTER, FACTOR_1)))
    overdue(consortium, receivable)
    consortium.do(account(receivable, (EXPORTER, FACTOR_1)))
    consortium.do(enforcement(receivable, lien))
    assert waiting(consortium, receivable) is not None


def test_nor_one_named_while_a_payee_was_paid_that_is_owed_again(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 4_000))
    paid = payment(receivable, 4_000, holder=FACTOR_1, reference="P")
    consortium.do(paid)
    consortium.do(account(receivable))
    consortium.do(called_back(receivable, paid.bank_reference, FACTOR_1))
    assert waiting(consortium, receivable) is None


def test_nor_one_of_a_factor_that_gives_the_receivable_back(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, with_recourse=True))
    consortium.do(dispute(receivable, 10_000))
    consortium.do(account(receivable, (FACTOR_1,)))
    consortium.do(giving_back(receivable))
    assert waiting(consortium, receivable) is None


def test_nor_one_of_the_contract_when_a_blanket_takes_what_arises(consortium: Consortium) -> None:
    future = future_of(consortium)
    consortium.do(account(future))
    consortium.do(blanket(consortium))
    arisen = consortium.do(arising(future)).results[0].subject
    assert consortium.record(arisen).amount_of(FACTOR_1) == 4_000
    assert waiting(consortium, arisen) is None
    assert waiting(consortium, future) is not None


def test_it_waits_on_over_what_arises_and_stays_with_the_exporter(consortium: Consortium) -> None:
    future = future_of(consortium)
    consortium.do(account(future))
    arisen = consortium.do(arising(future)).results[0].subject
    assert waiting(consortium, arisen) == waiting(consortium, future) is not None


def test_an_account_that_its_holders_agreed_waits_on_while_parts_move_between_them(
    consortium: Consortium,
) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 4_000))
    consortium.do(account(receivable, (EXPORTER, FACTOR_1)))
    consortium.do(consortium.assignment(receivable, 6_000))
    consortium.pass_time(consortium.now_ms + COOLED_MS)
    current = consortium.record(receivable).collection.account
    assert current is not None
    assert current.commitment == ACCOUNT


# --- value that vanishes from under a restraint


@pytest.mark.parametrize("code", [Code.FROZEN, Code.OBJECTED])
def test_what_is_restrained_is_neither_credited_nor_diluted_by_agreement(
    consortium: Consortium, code: Code
) -> None:
    receivable = consortium.registered()
    consortium.do(dispute(receivable, 10_000))
    consortium.do(frozen(receivable) if code is Code.FROZEN else objection(receivable, by=DEBTOR))
    assert consortium.code(credit(receivable, (EXPORTER, 10_000))) is code
    assert consortium.code(resolution(receivable, dilution=[(EXPORTER, 10_000)])) is code
    assert consortium.record(receivable).outstanding == 10_000
    # What only ends the dispute takes nothing away.
    assert consortium.code(resolution(receivable, freed=10_000)) is Code.OK


def test_a_court_dilutes_what_it_has_frozen(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(dispute(receivable, 4_000))
    consortium.do(frozen(receivable))
    decided = replace(
        resolution(receivable, dilution=[(EXPORTER, 4_000)], holders=()),
        debtor=None,
        court=frozen(receivable).court,
    )
    assert consortium.code(decided) is Code.OK
    assert consortium.record(receivable).outstanding == 6_000


# --- objections


@pytest.mark.parametrize("case_number", ["", " "])
def test_a_blank_case_number_does_not_make_an_objection_last(
    consortium: Consortium, case_number: str
) -> None:
    receivable = consortium.registered()
    assert consortium.code(objection(receivable, by=DEBTOR, case_number=case_number)) is Code.ABUSE


def test_the_same_case_with_another_space_is_no_new_case(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(objection(receivable, by=DEBTOR, case_number="(2024) 1"))
    assert consortium.code(objection(receivable, by=DEBTOR, case_number="(2024)1 ")) is Code.ABUSE
    assert consortium.code(objection(receivable, by=DEBTOR, case_number="(2024)2")) is Code.OK


def test_a_blanket_over_other_debtors_is_no_interest(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(blanket(consortium, FACTOR_3, debtor_reference=OTHER_DEBTOR_REFERENCE))
    assert consortium.code(objection(receivable, by=FACTOR_3)) is Code.ABUSE


def test_a_blanket_that_is_over_is_no_interest(consortium: Consortium) -> None:
    receivable = consortium.registered()
    agreed = blanket(consortium, FACTOR_3, until_ms=consortium.now_ms + DAY_MS)
    consortium.do(agreed)
    last = {"time_ms": agreed.until_ms - 1, "valid_until_ms": agreed.until_ms}
    over = {"time_ms": agreed.until_ms, "valid_until_ms": agreed.until_ms}
    consortium.pass_time(agreed.until_ms - 2)
    assert consortium.code(objection(receivable, by=FACTOR_3), **last) is Code.OK
    assert consortium.code(objection(receivable, by=FACTOR_3, case_number="1"), **over) is Code.ABUSE


# --- a junior pledge on value that was never confirmed


def policy_from_now_on(consortium: Consortium, required: ConfirmationPolicy) -> None:
    state = consortium.working()
    state.put(Namespace.POLICY, SINGLETON, replace(OPEN_POLICY, require_confirmation=required))
    consortium.state.apply(state.finish()[0])


def behind(consortium: Consortium, receivable: bytes, amount: int = 4_000) -> Pledge:
    senior = consortium.record(receivable).liens[0]
    return consortium.pledging(receivable, amount, FACTOR_2, junior_to=Junior(senior.lien_id, senior.pledgee))


def test_a_junior_pledge_needs_the_confirmation_that_its_senior_did_without(consortium: Consortium) -> None:
    receivable = consortium.registered()
    pledged(consortium, receivable, 5_000)
    policy_from_now_on(consortium, ConfirmationPolicy.FOR_PLEDGE)
    assert consortium.code(behind(consortium, receivable)) is Code.EMPTY_PLEDGE
    consortium.do(confirmation(receivable, 4_999))
    assert consortium.code(behind(consortium, receivable)) is Code.EMPTY_PLEDGE
    consortium.do(confirmation(receivable, 5_000))
    assert consortium.code(behind(consortium, receivable)) is Code.OK


# --- attesters with a stake


def test_an_exporter_that_attests_too_does_not_attest_its_own_papers(consortium: Consortium) -> None:
    consortium.change_member(EXPORTER, roles=(Role.EXPORTER, Role.ATTESTER), accredited=ALL_KINDS)
    receivable = consortium.registered(deliveries=[("BL-1", 5, 10)])
    assert consortium.code(attestation(consortium, receivable, attester=EXPORTER)) is Code.NOT_PERMITTED


def test_nor_does_a_lienholder_void_those_that_stand_in_its_way(consortium: Consortium) -> None:
    consortium.change_member(FACTOR_1, roles=(Role.FACTOR, Role.ATTESTER), accredited=ALL_KINDS)
    receivable = consortium.registered()
    assert consortium.code(red_letter(consortium, receivable, attester=FACTOR_1)) is Code.OK
    other = consortium.registered()
    pledged(consortium, other, 1)
    assert consortium.code(red_letter(consortium, other, attester=FACTOR_1)) is Code.NOT_PERMITTED


def test_who_holds_a_contract_is_no_witness_of_its_deliveries(consortium: Consortium) -> None:
    consortium.change_member(FACTOR_1, roles=(Role.FACTOR, Role.ATTESTER), accredited=ALL_KINDS)
    accredit(consortium)
    future = future_of(consortium)
    consortium.do(consortium.assignment(future, 10_000, FACTOR_1, future_consented=True))
    assert consortium.code(arising(future, witness=FACTOR_1)) is Code.NOT_PERMITTED
    assert consortium.code(arising(future, witness=BANK)) is Code.OK
    assert consortium.record(future).phase is Phase.FUTURE


def test_more_claimed_than_a_document_holds_collides_with_the_registration(consortium: Consortium) -> None:
    accredit(consortium)
    receivable = consortium.registered(deliveries=[("BL-1", 5, 10)])
    result = consortium.result(attestation(consortium, receivable, quantity=4))
    assert (result.code, result.collided_with) == (
        Code.QUANTITY_EXCEEDED,
        consortium.record(receivable).place,
    )


# --- a part that comes back


def test_what_comes_back_to_a_part_that_was_gone_has_its_recourse(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, with_recourse=True))
    paid = payment(receivable, 4_000, holder=FACTOR_1, reference="P")
    consortium.do(paid)
    consortium.do(consortium.assignment(receivable, 6_000, FACTOR_2, assignor=FACTOR_1))
    assert consortium.record(receivable).part_of(FACTOR_1) is None
    consortium.do(called_back(receivable, paid.bank_reference, FACTOR_1))
    part = consortium.record(receivable).part_of(FACTOR_1)
    assert part is not None
    assert (part.amount, part.with_recourse) == (4_000, True)


def test_what_was_given_back_is_no_earlier_assignment(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, with_recourse=True))
    consortium.do(dispute(receivable, 6_000))
    consortium.do(giving_back(receivable))
    result = consortium.result(consortium.pledging(receivable, 5_000))
    assert (result.code, result.collided_with) == (Code.EMPTY_PLEDGE, consortium.record(receivable).place)


@pytest.mark.parametrize("nobody", [STRANGER, DEBTOR, "no member id"])
def test_an_offer_to_somebody_who_cannot_take_it_shows_nobody_the_record(
    consortium: Consortium, nobody: str
) -> None:
    receivable = consortium.registered()
    assert consortium.code(offer(consortium, receivable, 1, nobody)) is Code.NOT_PERMITTED
    assert nobody not in consortium.record(receivable).parties()


# --- a pool, and a member that was closed


def test_a_member_that_is_settled_and_owed_again_is_in_its_pool_again(consortium: Consortium) -> None:
    """An exporter could report a payment to itself, settle, call the payment back, and sell what a factor has advanced money on."""
    pool, (receivable,) = filled(consortium)
    consortium.do(drawing(pool, 8_000))
    joined = consortium.record(receivable).pool
    paid = payment(receivable, 10_000, reference="P")
    consortium.do(paid)
    consortium.do(settlement(receivable))
    assert consortium.record(receivable).pool is None
    assert FACTOR_1 in consortium.record(receivable).parties()
    consortium.do(called_back(receivable, paid.bank_reference))
    assert consortium.record(receivable).pool == joined
    assert present(consortium, pool).base == 10_000
    sale = consortium.result(consortium.assignment(receivable, 10_000, FACTOR_2))
    assert joined is not None
    assert (sale.code, sale.collided_with) == (Code.PLEDGED, joined.place)


def test_a_member_that_its_factor_let_go_before_does_not_come_back(consortium: Consortium) -> None:
    pool, (receivable, _) = filled(consortium, members=2)
    paid = payment(receivable, 10_000, reference="P")
    consortium.do(paid)
    consortium.do(removing(pool, receivable))
    consortium.do(settlement(receivable))
    consortium.do(called_back(receivable, paid.bank_reference))
    assert consortium.record(receivable).pool is None
    assert consortium.code(consortium.assignment(receivable, 10_000, FACTOR_2)) is Code.OK


def test_a_member_that_comes_back_too_late_counts_for_nothing(consortium: Consortium) -> None:
    pool, (receivable,) = filled(consortium)
    paid = payment(receivable, 10_000, reference="P")
    consortium.do(paid)
    consortium.do(settlement(receivable))
    consortium.pass_time(AFTER_DUE_MS)
    consortium.do(called_back(receivable, paid.bank_reference))
    assert present(consortium, pool).base == 0
    assert present(consortium, pool).members == 1


def test_a_pool_that_is_full_meanwhile_takes_no_member_back(consortium: Consortium) -> None:
    pool, (receivable,) = filled(consortium)
    paid = payment(receivable, 10_000, reference="P")
    consortium.do(paid)
    consortium.do(settlement(receivable))
    debtors = [sha256(number.to_bytes(2, "big")).digest() for number in range(limits.POOL_DEBTORS_MAX)]
    receipt = consortium.do(*(consortium.registration(debtor_reference=debtor) for debtor in debtors))
    others = [result.subject for result in receipt.results]
    half = len(others) // 2
    consortium.do(adding(consortium, pool, *others[:half]), adding(consortium, pool, *others[half:]))
    result = consortium.result(called_back(receivable, paid.bank_reference))
    assert (result.code, result.collided_with) == (Code.LIMIT_REACHED, present(consortium, pool).place)


# --- silence about an invoice that was not there yet


def test_a_debtor_was_not_silent_about_an_invoice_that_arises_today(consortium: Consortium) -> None:
    """With a carrier as witness the debtor would be bound by an invoice that it never had a day to look at."""
    accredit(consortium)
    future = future_of(consortium)
    consortium.do(consortium.assignment(future, 10_000, future_consented=True))
    noticed(consortium, future)
    days = OPEN_POLICY.tacit_days * DAY_MS
    consortium.pass_time(consortium.now_ms + days)
    arisen = consortium.do(arising(future, witness=BANK)).results[0].subject
    acknowledged_ms = consortium.tip.time_ms
    assert consortium.code(silence(consortium, arisen)) is Code.TOO_EARLY
    last, over = at(acknowledged_ms + days - 1), at(acknowledged_ms + days)
    assert consortium.code(silence(consortium, arisen), **last) is Code.TOO_EARLY
    assert consortium.code(silence(consortium, arisen), **over) is Code.OK
    # The payee is fixed all the same: what is paid to the exporter meanwhile is indirect.
    assert fixed_payees(consortium.record(arisen).notices) == (FACTOR_1,)


# --- days that are moved


PLAN = (Instalment(START_DAY + 10, 4_000), Instalment(START_DAY + 90, 6_000))


def first_due(day: int) -> tuple[Instalment, ...]:
    return (Instalment(day, 4_000), PLAN[1])


def test_an_instalment_that_is_overdue_is_not_made_due_later(consortium: Consortium) -> None:
    in_time, too_late = (consortium.registered(schedule=PLAN) for _ in range(2))
    last, over = at((START_DAY + 11) * DAY_MS - 1), at((START_DAY + 11) * DAY_MS)
    for receivable, when, code in ((in_time, last, Code.OK), (too_late, over, Code.NOT_CLERICAL)):
        later = correction(consortium, receivable, schedule=first_due(START_DAY + 60))
        assert consortium.code(later, **when) is code


def test_an_instalment_is_not_made_due_in_the_past(consortium: Consortium) -> None:
    receivable = consortium.registered(schedule=PLAN, issue_date=START_DAY - 5)
    today = correction(consortium, receivable, schedule=first_due(START_DAY))
    yesterday = correction(consortium, receivable, schedule=first_due(START_DAY - 1))
    assert consortium.code(yesterday) is Code.NOT_CLERICAL
    assert consortium.code(today) is Code.OK


def test_the_days_that_a_debtor_has_confirmed_stay(consortium: Consortium) -> None:
    receivable = consortium.registered(schedule=PLAN)
    consortium.do(confirmation(receivable))
    sooner = correction(consortium, receivable, schedule=first_due(START_DAY + 9))
    assert consortium.code(sooner) is Code.NOT_CLERICAL


def test_a_decision_about_a_contract_is_executed_on_its_invoices_too(consortium: Consortium) -> None:
    future = future_of(consortium)
    consortium.do(consortium.assignment(future, 10_000, future_consented=True))
    undone = AssignmentUndone(EXPORTER, FACTOR_1, 1_000, ())
    decided = ReverseByJudgment(
        future, frozen(future).court, "(2024) 1", sha256(b"decision").digest(), (undone,)
    )
    assert consortium.code(decided) is Code.OK
    arisen = consortium.do(arising(future)).results[0].subject
    assert consortium.code(replace(decided, receivable=arisen)) is Code.OK
    assert consortium.code(replace(decided, receivable=arisen)) is Code.NO_ORDER


# --- what a full block of expiries has left over


@pytest.fixture
def nothing_is_cleared_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody has let so much run out at once that the blocks do not come to what the test is about."""
    monkeypatch.setattr("registry.limits.EXPIRIES_PER_BLOCK_MAX", 0)


@pytest.mark.usefixtures("nothing_is_cleared_away")
@pytest.mark.parametrize(("late_ms", "code"), [(-1, Code.PLEDGED), (0, Code.OK)])
def test_a_lien_that_is_over_is_in_nobodys_way(consortium: Consortium, late_ms: int, code: Code) -> None:
    receivable = consortium.registered()
    lien = pledged(consortium, receivable, until_ms=consortium.now_ms + 40 * DAY_MS)
    sale = consortium.assignment(receivable)
    assert consortium.code(sale, **at(lien.until_ms + late_ms)) is code


@pytest.mark.usefixtures("nothing_is_cleared_away")
@pytest.mark.parametrize(("late_ms", "code"), [(-1, Code.RESERVED), (0, Code.OK)])
def test_an_offer_that_is_over_is_in_nobodys_way(consortium: Consortium, late_ms: int, code: Code) -> None:
    receivable = consortium.registered()
    made = offered(consortium, receivable)
    sale = consortium.assignment(receivable, to=FACTOR_2)
    assert consortium.code(sale, **at(made.until_ms + late_ms)) is code


@pytest.mark.usefixtures("nothing_is_cleared_away")
@pytest.mark.parametrize(("late_ms", "code"), [(-1, Code.OBJECTED), (0, Code.OK)])
def test_an_objection_that_is_over_is_in_nobodys_way(
    consortium: Consortium, late_ms: int, code: Code
) -> None:
    receivable = consortium.registered()
    consortium.do(objection(receivable, by=DEBTOR))
    lapses_ms = consortium.tip.time_ms + OPEN_POLICY.objection_days * DAY_MS
    pledge = consortium.pledging(receivable, until_ms=lapses_ms + 60 * DAY_MS)
    assert consortium.code(pledge, **at(lapses_ms + late_ms)) is code


@pytest.mark.usefixtures("nothing_is_cleared_away")
def test_whose_lien_is_over_neither_enforces_nor_declares_default(consortium: Consortium) -> None:
    receivable = consortium.registered()
    lien = pledged(consortium, receivable, until_ms=AFTER_DUE_MS)
    over = at(AFTER_DUE_MS)
    assert consortium.code(default(receivable, FACTOR_1), **over) is Code.NOT_HOLDER
    consortium.do(default(receivable))
    assert consortium.code(enforcement(receivable, lien)) is Code.NOT_LIENHOLDER
    assert consortium.record(receivable).lapsed == (lien,)


@pytest.mark.usefixtures("nothing_is_cleared_away")
def test_an_account_whose_time_has_come_is_not_lost_to_the_next_one(consortium: Consortium) -> None:
    receivable, other = consortium.registered(), consortium.registered()
    consortium.do(account(receivable), account(other))
    consortium.pass_time(consortium.now_ms + COOLED_MS)
    consortium.do(account(receivable, commitment=sha256(b"the next").digest()))
    # Nor to somebody who comes in after it.
    consortium.do(consortium.assignment(other))
    for each in (receivable, other):
        current = consortium.record(each).collection.account
        assert current is not None
        assert current.commitment == ACCOUNT
