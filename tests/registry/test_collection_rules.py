"""RecordPayment and Settle."""

from __future__ import annotations

from dataclasses import replace

import pytest

from registry.errors import Code, Reason, Reference
from registry.member import MemberStatus
from registry.operations.existence import EvidenceKind
from registry.receivable import Phase
from registry.stored import Namespace
from tests.registry.consortium import (
    BANK,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    FACTOR_3,
    Consortium,
    confirmation,
    dispute,
    payment,
    settlement,
    stored,
)


@pytest.mark.parametrize(
    ("amount", "code"),
    [(0, Code.AMOUNT_NOT_POSITIVE), (1, Code.OK), (10_000, Code.OK), (10_001, Code.OVERPAYMENT)],
)
def test_at_most_what_is_owed_is_paid(consortium: Consortium, amount: int, code: Code) -> None:
    receivable = consortium.registered()
    result = consortium.result(payment(receivable, amount))
    assert result.code is code
    record = consortium.record(receivable)
    assert record.paid == (amount if code is Code.OK else 0)
    if code is Code.OVERPAYMENT:
        assert result.reasons == (Reason("held", 10_000), Reason("outstanding", 10_000))


def test_a_payment_is_bounded_by_the_part_and_not_by_the_whole(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 4_000))
    result = consortium.result(payment(receivable, 4_001, holder=FACTOR_1))
    assert (result.code, result.reasons) == (
        Code.OVERPAYMENT,
        (Reason("held", 4_000), Reason("outstanding", 10_000)),
    )
    assert consortium.code(payment(receivable, 4_000, holder=FACTOR_1)) is Code.OK
    assert consortium.code(payment(receivable, 1, holder=FACTOR_1)) is Code.OVERPAYMENT


def test_a_payment_to_who_holds_nothing_is_refused(consortium: Consortium) -> None:
    receivable = consortium.registered()
    assert consortium.code(payment(receivable, 1, holder=FACTOR_1)) is Code.NOT_HOLDER
    consortium.do(consortium.assignment(receivable))
    assert consortium.code(payment(receivable, 1, holder=EXPORTER)) is Code.NOT_HOLDER


def test_a_bank_reports_a_payment_to_any_holder(consortium: Consortium) -> None:
    receivable = consortium.registered()
    assert consortium.code(payment(receivable, 1_000, reporter=BANK)) is Code.OK


def test_an_attester_that_is_no_bank_ends_no_lien_by_a_payment(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.pledging(receivable, 10_000))
    consortium.change_member(BANK, accredited=(EvidenceKind.DELIVERY, EvidenceKind.CUSTOMS, EvidenceKind.TAX))
    assert consortium.code(payment(receivable, 10_000, reporter=BANK)) is Code.NOT_PERMITTED
    assert [lien.amount for lien in consortium.record(receivable).liens] == [10_000]


def test_another_factor_cannot_report_a_payment_to_a_holder(consortium: Consortium) -> None:
    receivable = consortium.registered()
    assert consortium.code(payment(receivable, 1_000, reporter=FACTOR_1)) is Code.NOT_PERMITTED


def test_a_bank_reference_is_used_once(consortium: Consortium) -> None:
    first, second = consortium.registered(), consortium.registered()
    used = payment(first, 1_000, reference="TRN-000123")
    assert consortium.code(used) is Code.OK
    place = Reference(first, consortium.tip.height, 0, 0)
    assert stored(consortium, Namespace.BANK_REFERENCE, used.bank_reference).place == place
    for operation in (used, payment(second, 500, reference="trn 123")):
        result = consortium.result(operation)
        assert (result.code, result.collided_with) == (Code.REFERENCE_REUSED, place)


def test_a_refused_payment_uses_no_reference(consortium: Consortium) -> None:
    receivable = consortium.registered()
    assert consortium.code(payment(receivable, 10_001, reference="T1")) is Code.OVERPAYMENT
    assert consortium.code(payment(receivable, 10_000, reference="T1")) is Code.OK


def test_a_payment_takes_disputed_value_last(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(dispute(receivable, 4_000))
    consortium.do(payment(receivable, 6_000))
    assert consortium.record(receivable).disputed == 4_000
    consortium.do(payment(receivable, 1_000))
    assert consortium.record(receivable).disputed == 3_000


def test_precedence_of_broken_rules_of_a_payment(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(payment(receivable, 1, reference="T1"))
    wrong = payment(bytes(32), 0, holder=FACTOR_1, reporter=FACTOR_2, reference="T1")
    assert consortium.code(wrong) is Code.UNKNOWN_RECEIVABLE
    wrong = replace(wrong, receivable=receivable)
    assert consortium.code(wrong) is Code.AMOUNT_NOT_POSITIVE
    wrong = replace(wrong, amount=10_000)
    assert consortium.code(wrong) is Code.NOT_PERMITTED
    wrong = replace(wrong, reporter=BANK)
    assert consortium.code(wrong) is Code.NOT_HOLDER
    wrong = replace(wrong, holder=EXPORTER)
    assert consortium.code(wrong) is Code.OVERPAYMENT
    wrong = replace(wrong, amount=9_999)
    assert consortium.code(wrong) is Code.REFERENCE_REUSED


# --- Settle


def test_a_paid_receivable_is_settled(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(confirmation(receivable))
    result = consortium.result(settlement(receivable))
    assert (result.code, result.reasons) == (Code.OUTSTANDING, (Reason("outstanding", 10_000),))
    consortium.do(payment(receivable, 10_000))
    assert consortium.code(settlement(receivable)) is Code.OK
    assert consortium.record(receivable).phase is Phase.SETTLED


def test_the_last_unit_outstanding_keeps_a_receivable_open(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(payment(receivable, 9_999))
    assert consortium.code(settlement(receivable)) is Code.OUTSTANDING


def test_all_holders_write_off_together(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 4_000))
    for some in ((EXPORTER,), (FACTOR_1,)):
        assert consortium.code(settlement(receivable, some, write_off=True)) is Code.HOLDER_CONSENT
    everyone = (EXPORTER, FACTOR_1)
    assert consortium.code(settlement(receivable, everyone)) is Code.OUTSTANDING
    assert consortium.code(settlement(receivable, everyone, write_off=True)) is Code.OK
    record = consortium.record(receivable)
    assert (record.phase, record.outstanding) == (Phase.SETTLED, 10_000)


def test_who_was_paid_out_need_not_sign_a_write_off(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 4_000))
    consortium.do(payment(receivable, 4_000, holder=FACTOR_1))
    assert consortium.code(settlement(receivable, (FACTOR_1,), write_off=True)) is Code.HOLDER_CONSENT
    assert consortium.code(settlement(receivable, (EXPORTER,), write_off=True)) is Code.OK


def test_all_who_were_paid_settle_what_is_wholly_paid(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 4_000))
    consortium.do(payment(receivable, 4_000, holder=FACTOR_1))
    consortium.do(consortium.assignment(receivable, 2_000, FACTOR_2))
    consortium.do(payment(receivable, 2_000, holder=FACTOR_2))
    consortium.do(payment(receivable, 4_000, holder=EXPORTER))
    assert consortium.code(settlement(receivable, (EXPORTER, FACTOR_2))) is Code.HOLDER_CONSENT
    assert consortium.code(settlement(receivable, (EXPORTER, FACTOR_1, FACTOR_2))) is Code.OK


def test_an_expelled_holder_does_not_keep_open_what_was_all_paid(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 4_000))
    consortium.do(payment(receivable, 6_000))
    consortium.do(payment(receivable, 3_999, holder=FACTOR_1))
    consortium.change_member(FACTOR_1, status=MemberStatus.EXPELLED)
    write_off = settlement(receivable, (EXPORTER,), write_off=True)
    assert consortium.code(write_off) is Code.HOLDER_CONSENT
    consortium.do(payment(receivable, 1, holder=FACTOR_1, reporter=BANK))
    assert consortium.code(settlement(receivable)) is Code.OK


def test_who_holds_nothing_does_not_settle(consortium: Consortium) -> None:
    receivable = consortium.registered()
    stranger = settlement(receivable, (EXPORTER, FACTOR_3), write_off=True)
    assert consortium.code(stranger) is Code.NOT_HOLDER


def test_a_write_off_does_not_end_a_security_behind_its_holders_back(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.pledging(receivable, 1))
    lien = consortium.record(receivable).liens[0]
    result = consortium.result(settlement(receivable, write_off=True))
    assert (result.code, result.collided_with) == (Code.PLEDGED, lien.place)


def test_what_is_paid_may_be_settled_as_a_write_off(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(payment(receivable, 10_000))
    assert consortium.code(settlement(receivable, write_off=True)) is Code.OK
