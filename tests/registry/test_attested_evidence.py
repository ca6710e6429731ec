"""AttestEvidence: who may attest what, that a delivery is consumed once, and what a red letter does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from registry.errors import Code, NotPermitted, Reason
from registry.limits import ATTESTATIONS_MAX
from registry.operations.existence import EvidenceKind
from registry.receivable import free_amount
from registry.stored import Namespace
from tests.registry.consortium import BANK, EXPORTER, FACTOR_1, Consortium, cancellation, stored
from tests.registry.existence_examples import accredit, attestation, red_letter


@pytest.fixture
def delivered(consortium: Consortium) -> bytes:
    accredit(consortium)
    return consortium.registered("A", fiscal="FP-1", deliveries=[("BL-1", 6, 10)])


def test_an_attestation_stands_with_the_receivable(consortium: Consortium, delivered: bytes) -> None:
    assert consortium.code(attestation(consortium, delivered, 10)) is Code.OK
    record = consortium.record(delivered)
    (attested,) = record.attestations
    assert (attested.attester, attested.quantity, attested.voided) == (BANK, 10, False)
    use = stored(consortium, Namespace.DELIVERY, attested.paper)
    assert (use.attested_quantity, use.attested_use, use.attested_first) == (10, 6, attested.place)


def test_an_attester_attests_what_it_is_accredited_for(consortium: Consortium, delivered: bytes) -> None:
    consortium.change_member(BANK, accredited=(EvidenceKind.INVOICE,))
    result = consortium.result(attestation(consortium, delivered))
    assert (result.code, result.collided_with) == (
        Code.NOT_PERMITTED,
        consortium.record(delivered).place,
    )
    consortium.change_member(BANK, accredited=(EvidenceKind.DELIVERY,))
    assert consortium.code(attestation(consortium, delivered)) is Code.OK


def test_who_is_no_attester_is_turned_away_at_the_door(consortium: Consortium, delivered: bytes) -> None:
    with pytest.raises(NotPermitted):
        consortium.propose([consortium.entry(attestation(consortium, delivered, attester=FACTOR_1))])


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"paper": bytes(32)}, Code.NO_TRADE_EVIDENCE),
        ({"kind": EvidenceKind.TAX}, Code.NO_TRADE_EVIDENCE),
        ({"kind": EvidenceKind.CUSTOMS}, Code.OK),
        ({"quantity": 5}, Code.QUANTITY_EXCEEDED),
        ({"quantity": 6}, Code.OK),
    ],
)
def test_boundaries(consortium: Consortium, delivered: bytes, changes: dict[str, Any], code: Code) -> None:
    assert consortium.code(attestation(consortium, delivered, **changes)) is code


def test_a_tax_authority_attests_the_fiscal_invoice(consortium: Consortium, delivered: bytes) -> None:
    fiscal = consortium.record(delivered).fingerprints.fiscal
    assert fiscal is not None
    operation = attestation(consortium, delivered, 0, kind=EvidenceKind.TAX, paper=fiscal)
    assert consortium.code(operation) is Code.OK


def test_a_paper_is_attested_once(consortium: Consortium, delivered: bytes) -> None:
    consortium.do(attestation(consortium, delivered))
    result = consortium.result(attestation(consortium, delivered))
    assert result.code is Code.DUPLICATE_DELIVERY
    assert result.collided_with == consortium.record(delivered).attestations[0].place


def test_a_refused_attestation_leaves_no_trace(consortium: Consortium, delivered: bytes) -> None:
    before = consortium.record(delivered)
    assert consortium.code(attestation(consortium, delivered, 5)) is Code.QUANTITY_EXCEEDED
    assert consortium.record(delivered) == before
    assert consortium.code(attestation(consortium, delivered, 6)) is Code.OK


def test_an_attested_quantity_binds_later_registrations(consortium: Consortium, delivered: bytes) -> None:
    """The exporter said that the document holds 10; the attester saw 7."""
    consortium.do(attestation(consortium, delivered, 7))
    assert (
        consortium.code(consortium.registration("B", deliveries=[("BL-1", 2, 10)])) is Code.DUPLICATE_DELIVERY
    )
    assert consortium.code(consortium.registration("B", deliveries=[("BL-1", 1, 10)])) is Code.OK


def test_the_more_careful_attester_is_believed(consortium: Consortium, delivered: bytes) -> None:
    second = consortium.registered("B", deliveries=[("BL-1", 4, 10)])
    consortium.do(attestation(consortium, delivered, 10))
    result = consortium.result(attestation(consortium, second, 9))
    assert (result.code, result.reasons) == (Code.DUPLICATE_DELIVERY, (Reason("attested", 6),))
    assert result.collided_with == consortium.record(delivered).attestations[0].place
    assert consortium.code(attestation(consortium, second, 10)) is Code.OK


def test_a_red_letter_takes_all_value_away(consortium: Consortium, delivered: bytes) -> None:
    assert consortium.code(red_letter(consortium, delivered)) is Code.OK
    free = free_amount(consortium.record(delivered), EXPORTER)
    assert (free.amount, free.reasons) == (0, (Reason("voided", 10_000),))
    assert consortium.code(consortium.assignment(delivered)) is Code.EMPTY_ASSIGNMENT
    assert consortium.code(cancellation(delivered)) is Code.OK


def test_what_was_attested_can_be_voided_and_not_the_reverse(
    consortium: Consortium, delivered: bytes
) -> None:
    consortium.do(attestation(consortium, delivered))
    assert consortium.code(attestation(consortium, delivered, voided=True)) is Code.OK
    for voided in (False, True):
        again = attestation(consortium, delivered, voided=voided)
        assert consortium.code(again) is Code.DUPLICATE_DELIVERY


def test_a_closed_receivable_is_not_attested(consortium: Consortium, delivered: bytes) -> None:
    operation = attestation(consortium, delivered)
    consortium.do(cancellation(delivered))
    assert consortium.code(operation) is Code.CLOSED


def test_accreditation_is_judged_before_the_paper(consortium: Consortium, delivered: bytes) -> None:
    consortium.change_member(BANK, accredited=())
    both = attestation(consortium, delivered, paper=bytes(32), quantity=0)
    assert consortium.code(both) is Code.NOT_PERMITTED


def test_attestations_of_one_receivable_are_bounded(consortium: Consortium, delivered: bytes) -> None:
    consortium.do(attestation(consortium, delivered))
    record = consortium.record(delivered)
    state = consortium.working()
    full = replace(record, attestations=record.attestations * ATTESTATIONS_MAX)
    state.put(Namespace.RECEIVABLE, delivered, full)
    consortium.state.apply(state.finish()[0])
    assert consortium.code(red_letter(consortium, delivered)) is Code.LIMIT_REACHED
