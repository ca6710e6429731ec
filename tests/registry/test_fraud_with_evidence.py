"""Fraud patterns of the rulebook that evidence uncovers: each is refused by a named rule, with what it collided with."""

from __future__ import annotations

from registry.errors import Code, Reason
from registry.operations.security import Junior
from tests.registry.consortium import EXPORTER, FACTOR_1, FACTOR_2, Consortium
from tests.registry.existence_examples import (
    accredit,
    arising,
    attestation,
    contract,
    credit,
    red_letter,
)


def test_a_credit_noted_invoice_pledged_at_face(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(credit(receivable, (EXPORTER, 4_000)))
    result = consortium.result(consortium.pledging(receivable, 10_000))
    assert (result.code, result.reasons) == (Code.EMPTY_PLEDGE, (Reason("held", 6_000),))
    assert consortium.code(consortium.assignment(receivable, 10_000)) is Code.EMPTY_ASSIGNMENT
    assert consortium.code(consortium.pledging(receivable, 6_000)) is Code.OK


def test_a_pledged_invoice_credited_behind_the_pledgees_back(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.pledging(receivable, 10_000))
    assert consortium.code(credit(receivable, (EXPORTER, 10_000))) is Code.HOLDER_CONSENT


def test_a_future_receivable_pledged_as_existing(consortium: Consortium) -> None:
    future = consortium.result(contract()).subject
    result = consortium.result(consortium.pledging(future, 1))
    assert result.code is Code.EMPTY_PLEDGE
    assert Reason("future", 10_000) in result.reasons
    assert result.collided_with == consortium.record(future).place
    assert consortium.code(consortium.assignment(future, 1)) is Code.EMPTY_ASSIGNMENT


def test_one_contract_invoiced_beyond_its_cap(consortium: Consortium) -> None:
    """What arises of it is owed, and no more than was agreed."""
    future = consortium.result(contract()).subject
    codes = [consortium.code(arising(future, f"F{n}", 4_000)) for n in range(3)]
    assert codes == [Code.OK, Code.OK, Code.OVER_CAP]


def test_one_delivery_behind_two_invoices_with_attestation(consortium: Consortium) -> None:
    """The exporter states twice the quantity that was shipped; the carrier attests what it carried."""
    accredit(consortium)
    first = consortium.registered("INV-1", deliveries=[("BL-1", 50, 100)])
    second = consortium.registered("INV-2", deliveries=[("BL-1", 50, 100)])
    assert consortium.code(attestation(consortium, first, 50)) is Code.OK
    result = consortium.result(attestation(consortium, second, 50))
    assert result.code is Code.DUPLICATE_DELIVERY
    assert result.collided_with == consortium.record(first).attestations[0].place
    third = consortium.registration("INV-3", deliveries=[("BL-1", 1, 100)])
    assert consortium.code(third) is Code.DUPLICATE_DELIVERY


def test_more_invoiced_than_was_delivered(consortium: Consortium) -> None:
    accredit(consortium)
    receivable = consortium.registered("INV-1", deliveries=[("BL-1", 50, 50)])
    assert consortium.code(attestation(consortium, receivable, 49)) is Code.QUANTITY_EXCEEDED


def test_a_red_letter_invoice_is_financed(consortium: Consortium) -> None:
    """The tax authority voids the invoice after registration: nobody can be given it any more, in any rank."""
    accredit(consortium)
    receivable = consortium.registered()
    consortium.do(consortium.pledging(receivable, 5_000))
    consortium.do(red_letter(consortium, receivable))
    result = consortium.result(consortium.pledging(receivable, 1_000, FACTOR_2))
    assert (result.code, result.reasons) == (
        Code.EMPTY_PLEDGE,
        (Reason("held", 10_000), Reason("voided", 10_000)),
    )
    assert consortium.code(consortium.assignment(receivable, 1_000)) is Code.EMPTY_ASSIGNMENT
    (senior,) = consortium.record(receivable).liens
    junior = Junior(senior.lien_id, FACTOR_1)
    result = consortium.result(consortium.pledging(receivable, 1_000, FACTOR_2, junior_to=junior))
    assert (result.code, result.reasons) == (Code.EMPTY_PLEDGE, (Reason("voided", 5_000),))
