"""ReversePayment and DeclareDefault."""

from __future__ import annotations

from dataclasses import replace

import pytest

from registry.errors import Code, Reason
from registry.operations.existence import EvidenceKind, Instalment
from registry.operations.governance import Role
from registry.operations.security import Junior
from registry.receivable import Phase
from registry.stored import Namespace
from tests.registry.collection_examples import AFTER_DUE_MS, at, default, overdue, pledged, renewal, reversal
from tests.registry.consortium import (
    BANK,
    DAY_MS,
    DEBTOR,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    FACTOR_3,
    OPEN_POLICY,
    START_DAY,
    Consortium,
    confirmation,
    dispute,
    found,
    payment,
    release,
    settlement,
    stored,
)
from tests.registry.cover_examples import covered


@pytest.mark.parametrize(
    ("reporter", "code"), [(EXPORTER, Code.OK), (BANK, Code.OK), (FACTOR_1, Code.NOT_PERMITTED)]
)
def test_who_was_paid_or_a_bank_reverses(consortium: Consortium, reporter: str, code: Code) -> None:
    receivable = consortium.registered()
    paid = payment(receivable, 4_000)
    consortium.do(paid)
    result = consortium.result(reversal(receivable, paid.bank_reference, reporter))
    assert result.code is code
    assert consortium.record(receivable).paid == (0 if code is Code.OK else 4_000)
    if code is Code.OK:
        assert result.reasons == (Reason("reversed", 4_000),)


def test_an_attester_that_is_a_party_does_not_reverse(consortium: Consortium) -> None:
    receivable = consortium.registered()
    paid = payment(receivable, 1_000)
    consortium.do(paid)
    consortium.do(consortium.assignment(receivable, 1_000))
    for party, own in ((FACTOR_1, Role.FACTOR), (DEBTOR, Role.DEBTOR)):
        consortium.change_member(party, roles=(own, Role.ATTESTER), accredited=(EvidenceKind.PAYMENT,))
        assert consortium.code(reversal(receivable, paid.bank_reference, party)) is Code.NOT_PERMITTED
    consortium.change_member(FACTOR_2, roles=(Role.FACTOR, Role.ATTESTER))
    assert consortium.code(reversal(receivable, paid.bank_reference, FACTOR_2)) is Code.NOT_PERMITTED
    consortium.change_member(FACTOR_2, accredited=(EvidenceKind.PAYMENT,))
    assert consortium.code(reversal(receivable, paid.bank_reference, FACTOR_2)) is Code.OK


def test_a_reversal_gives_everything_back(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(confirmation(receivable))
    senior = pledged(consortium, receivable, 8_000)
    behind = Junior(senior.lien_id, FACTOR_1)
    pledged(consortium, receivable, 5_000, pledgee=FACTOR_2, junior_to=behind)
    consortium.do(dispute(receivable, 4_000))
    before = consortium.record(receivable)
    paid = payment(receivable, 9_000, reporter=BANK)
    consortium.do(paid)
    assert [lien.amount for lien in consortium.record(receivable).liens] == [1_000, 1_000]
    assert consortium.code(reversal(receivable, paid.bank_reference, BANK)) is Code.OK
    after = consortium.record(receivable)
    assert replace(after, changed_height=before.changed_height) == before


def test_a_lien_that_a_payment_ended_comes_back(consortium: Consortium) -> None:
    receivable = consortium.registered()
    lien = pledged(consortium, receivable)
    paid = payment(receivable, 10_000, reporter=BANK)
    consortium.do(paid)
    assert consortium.record(receivable).liens == ()
    consortium.do(reversal(receivable, paid.bank_reference, BANK))
    assert consortium.record(receivable).liens == (lien,)


def test_a_lien_that_ran_out_meanwhile_does_not_come_back(consortium: Consortium) -> None:
    receivable = consortium.registered()
    lien = pledged(consortium, receivable)
    paid = payment(receivable, 10_000, reporter=BANK)
    consortium.do(paid)
    consortium.pass_time(lien.until_ms)
    consortium.do(reversal(receivable, paid.bank_reference, BANK))
    assert consortium.record(receivable).liens == ()


def test_liens_that_no_longer_fit_together_come_back_as_far_as_they_fit(consortium: Consortium) -> None:
    receivable = consortium.registered()
    senior = pledged(consortium, receivable)
    pledged(consortium, receivable, 8_000, pledgee=FACTOR_2, junior_to=Junior(senior.lien_id, FACTOR_1))
    paid = payment(receivable, 5_000, reporter=BANK)
    consortium.do(paid)
    consortium.do(release(receivable, senior.lien_id))
    consortium.do(reversal(receivable, paid.bank_reference, BANK))
    liens = consortium.record(receivable).liens
    assert [(lien.pledgee, lien.amount) for lien in liens] == [(FACTOR_1, 5_000), (FACTOR_2, 5_000)]


def test_a_lien_that_was_renewed_after_the_payment_has_not_run_out(consortium: Consortium) -> None:
    receivable = consortium.registered()
    lien = pledged(consortium, receivable, until_ms=consortium.now_ms + 40 * DAY_MS)
    paid = payment(receivable, 6_000, consenting=[FACTOR_1])
    consortium.do(paid)
    consortium.do(renewal(receivable, lien, 100 * DAY_MS))
    after_its_first_end = at(lien.until_ms + 1)
    assert consortium.code(reversal(receivable, paid.bank_reference), **after_its_first_end) is Code.OK
    assert [each.amount for each in consortium.record(receivable).liens] == [10_000]


def test_a_cover_that_a_default_keeps_running_is_whole_again(consortium: Consortium) -> None:
    receivable = consortium.registered()
    cover = covered(consortium, receivable)
    overdue(consortium, receivable)
    paid = payment(receivable, 6_000)
    consortium.do(paid)
    after_its_end = at(cover.until_ms + 1)
    assert consortium.code(reversal(receivable, paid.bank_reference), **after_its_end) is Code.OK
    assert [each.amount for each in consortium.record(receivable).covers] == [10_000]


def test_a_payment_is_reversed_once_and_its_reference_stays_used(consortium: Consortium) -> None:
    receivable, other = consortium.registered(), consortium.registered()
    paid = payment(receivable, 4_000)
    assert consortium.code(reversal(receivable, paid.bank_reference)) is Code.UNKNOWN_PAYMENT
    consortium.do(paid)
    assert consortium.code(reversal(other, paid.bank_reference)) is Code.UNKNOWN_PAYMENT
    assert consortium.code(reversal(bytes(32), paid.bank_reference)) is Code.UNKNOWN_RECEIVABLE
    consortium.do(reversal(receivable, paid.bank_reference))
    assert stored(consortium, Namespace.BANK_REFERENCE, paid.bank_reference).payment is None
    assert consortium.code(reversal(receivable, paid.bank_reference)) is Code.UNKNOWN_PAYMENT
    assert consortium.code(paid) is Code.REFERENCE_REUSED


def test_a_settled_receivable_opens_again(consortium: Consortium) -> None:
    receivable = consortium.registered()
    paid = payment(receivable, 10_000)
    consortium.do(paid, settlement(receivable))
    assert consortium.code(reversal(receivable, paid.bank_reference)) is Code.OK
    record = consortium.record(receivable)
    assert (record.phase, record.outstanding) == (Phase.LIVE, 10_000)


def test_a_defaulted_receivable_opens_again_as_overdue(consortium: Consortium) -> None:
    receivable = consortium.registered()
    overdue(consortium, receivable)
    paid = payment(receivable, 10_000)
    consortium.do(paid, settlement(receivable))
    consortium.do(reversal(receivable, paid.bank_reference))
    assert consortium.record(receivable).phase is Phase.OVERDUE


def test_what_was_written_off_stays_closed(consortium: Consortium) -> None:
    receivable = consortium.registered()
    paid = payment(receivable, 4_000)
    consortium.do(paid, settlement(receivable, write_off=True))
    assert consortium.code(reversal(receivable, paid.bank_reference)) is Code.CLOSED


def test_a_reversal_returns_the_claim_to_who_was_paid(consortium: Consortium) -> None:
    receivable = consortium.registered()
    paid = payment(receivable, 4_000)
    consortium.do(paid)
    consortium.do(consortium.assignment(receivable, 6_000))
    assert consortium.record(receivable).part_of(EXPORTER) is None
    consortium.do(reversal(receivable, paid.bank_reference))
    amounts = {part.holder: part.amount for part in consortium.record(receivable).parts}
    assert amounts == {FACTOR_1: 6_000, EXPORTER: 4_000}


# --- default


@pytest.mark.parametrize("grace_days", [0, 5])
def test_a_default_is_declared_once_the_days_of_grace_are_over(grace_days: int) -> None:
    consortium = found(replace(OPEN_POLICY, grace_days=grace_days))
    receivable = consortium.registered()
    over_ms = AFTER_DUE_MS + grace_days * DAY_MS
    assert consortium.code(default(receivable), **at(over_ms - 1)) is Code.NOT_DUE
    assert consortium.code(default(receivable), **at(over_ms)) is Code.OK
    record = consortium.record(receivable)
    assert record.phase is Phase.OVERDUE
    assert record.default is not None
    assert consortium.code(default(receivable)) is Code.OK
    assert consortium.record(receivable).default == record.default


def test_a_default_is_on_the_earliest_instalment_that_is_unpaid(consortium: Consortium) -> None:
    schedule = (Instalment(START_DAY + 30, 4_000), Instalment(START_DAY + 90, 6_000))
    receivable = consortium.registered(schedule=schedule)
    first_over = (START_DAY + 31) * DAY_MS
    assert consortium.code(default(receivable), **at(first_over - 1)) is Code.NOT_DUE
    consortium.do(payment(receivable, 4_000))
    assert consortium.code(default(receivable), **at(first_over + DAY_MS)) is Code.NOT_DUE
    other = consortium.registered(schedule=schedule)
    consortium.do(payment(other, 3_999))
    assert consortium.code(default(other)) is Code.OK


def test_who_holds_or_has_a_lien_declares_default(consortium: Consortium) -> None:
    receivable = consortium.registered()
    pledged(consortium, receivable, 1_000, pledgee=FACTOR_2)
    assert consortium.code(default(receivable, FACTOR_3), **at(AFTER_DUE_MS)) is Code.NOT_HOLDER
    assert consortium.code(default(receivable, FACTOR_2)) is Code.OK


def test_nothing_outstanding_is_no_default(consortium: Consortium) -> None:
    receivable = consortium.registered()
    pledged(consortium, receivable, 10_000)
    consortium.do(consortium.assignment(consortium.registered(), 1))
    assert consortium.code(default(bytes(32)), **at(AFTER_DUE_MS)) is Code.UNKNOWN_RECEIVABLE
    consortium.do(payment(receivable, 10_000, reporter=BANK))
    assert consortium.code(default(receivable)) is Code.NOT_HOLDER
    consortium.do(settlement(receivable))
    assert consortium.code(default(receivable)) is Code.CLOSED


@pytest.mark.parametrize(("reporter", "code"), [(EXPORTER, Code.NOT_PERMITTED), (BANK, Code.OK)])
def test_what_a_bank_attested_only_a_bank_calls_back(
    consortium: Consortium, reporter: str, code: Code
) -> None:
    receivable = consortium.registered()
    paid = payment(receivable, 4_000, reporter=BANK)
    consortium.do(paid)
    assert consortium.code(reversal(receivable, paid.bank_reference, reporter)) is code
