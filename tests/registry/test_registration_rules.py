"""RegisterReceivable: what must hold, its code at and beyond each boundary, and what a duplicate collided with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from registry.errors import Code, Reason
from registry.fingerprints import FingerprintKind
from registry.limits import AMOUNT_MAX, DAY_MAX, QUANTITY_MAX, SUSPICIONS_MAX
from registry.operations.existence import Evidence, EvidenceKind, Instalment
from registry.receivable import ConfirmationKind, Phase
from registry.time_units import DAY_MS
from tests.registry.consortium import (
    AFFILIATE,
    DEBTOR,
    DEBTOR_REFERENCE,
    EPOCH,
    EXPORTER,
    FINGERPRINT_KEY,
    OPEN_POLICY,
    OTHER_DEBTOR,
    OTHER_DEBTOR_REFERENCE,
    START_DAY,
    Consortium,
    cancellation,
    found,
    payment,
    settlement,
)


def test_a_new_receivable_is_wholly_the_exporters(consortium: Consortium) -> None:
    record = consortium.record(consortium.registered("A", amount=12_345))
    assert [(part.holder, part.amount, part.disputed) for part in record.parts] == [(EXPORTER, 12_345, 0)]
    assert (record.phase, record.outstanding, record.paid, record.diluted) == (Phase.LIVE, 12_345, 0, 0)
    assert record.confirmation.kind is ConfirmationKind.NONE
    assert record.place.height == record.changed_height == 1
    assert record.parts[0].since == record.place


def test_the_same_operation_in_two_entries_has_two_ids(consortium: Consortium) -> None:
    assert consortium.registered("A") != consortium.registered("B")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount": 0}, Code.AMOUNT_NOT_POSITIVE),
        ({"amount": 1}, Code.OK),
        ({"amount": AMOUNT_MAX}, Code.OK),
        ({"currency": "JPY"}, Code.OK),
        ({"currency": "XAU"}, Code.CURRENCY_MISMATCH),
        ({"currency": "usd"}, Code.CURRENCY_MISMATCH),
        ({"issue_date": START_DAY, "due_date": START_DAY}, Code.OK),
        ({"issue_date": START_DAY, "due_date": START_DAY - 1}, Code.TENOR),
        ({"issue_date": START_DAY, "due_date": START_DAY + 365}, Code.OK),
        ({"issue_date": START_DAY, "due_date": START_DAY + 366}, Code.TENOR),
        ({"issue_date": 0, "due_date": DAY_MAX}, Code.TENOR),
        ({"issue_date": START_DAY - 400, "due_date": START_DAY - 300}, Code.OK),
        ({"evidence": ()}, Code.NO_TRADE_EVIDENCE),
        ({"evidence": (Evidence(EvidenceKind.CONTRACT, bytes(32)),)}, Code.NO_TRADE_EVIDENCE),
        ({"debtor_reference": FINGERPRINT_KEY.debtor(EXPORTER)}, Code.RELATED_PARTY),
        ({"reverse_factoring_debtor": DEBTOR}, Code.OK),
        ({"reverse_factoring_debtor": OTHER_DEBTOR}, Code.BAD_IDENTIFIER),
    ],
)
def test_registration_boundaries(consortium: Consortium, changes: dict[str, Any], code: Code) -> None:
    assert consortium.code(consortium.registration("A", **changes)) is code


def _instalments(*pairs: tuple[int, int]) -> tuple[Instalment, ...]:
    return tuple(Instalment(START_DAY + day, amount) for day, amount in pairs)


@pytest.mark.parametrize(
    ("schedule", "code"),
    [
        ((), Code.OK),
        (_instalments((90, 10_000)), Code.OK),
        (_instalments((-1, 4_000), (90, 6_000)), Code.OK),
        (_instalments((30, 4_000), (90, 5_999)), Code.SCHEDULE_SUM),
        (_instalments((30, 4_000), (90, 6_001)), Code.SCHEDULE_SUM),
        (_instalments((30, 0), (90, 10_000)), Code.SCHEDULE_SUM),
        (_instalments((-2, 4_000), (90, 6_000)), Code.SCHEDULE_SUM),
        (_instalments((30, 4_000), (89, 6_000)), Code.SCHEDULE_SUM),
        (_instalments((30, 4_000), (91, 6_000)), Code.SCHEDULE_SUM),
        (_instalments((30, AMOUNT_MAX), (90, AMOUNT_MAX)), Code.SCHEDULE_SUM),
    ],
)
def test_instalments_must_add_up_and_end_on_the_due_date(
    consortium: Consortium, schedule: tuple[Instalment, ...], code: Code
) -> None:
    assert consortium.code(consortium.registration("A", schedule=schedule)) is code


def test_the_policy_can_require_evidence_of_delivery() -> None:
    consortium = found(replace(OPEN_POLICY, require_delivery_evidence=True))
    assert consortium.code(consortium.registration("A")) is Code.NO_TRADE_EVIDENCE
    assert consortium.code(consortium.registration("A", deliveries=[("BL-1", 1, 1)])) is Code.OK


def test_precedence_of_broken_rules(consortium: Consortium) -> None:
    """Everything is wrong at first; each wrong thing is mended in turn, and the next one shows."""
    consortium.registered("A", document=b"file", deliveries=[("BL-1", 10, 10)])
    own = FINGERPRINT_KEY.debtor(EXPORTER)
    wrong: dict[str, Any] = {
        "amount": 0,
        "currency": "XAU",
        "debtor_reference": own,
        "issue_date": START_DAY,
        "due_date": START_DAY - 1,
        "schedule": _instalments((0, 1)),
        "evidence": (),
        "document": b"file",
        "deliveries": [("BL-1", 1, 10)],
    }
    mended = (
        (Code.AMOUNT_NOT_POSITIVE, {"amount": 10_000}),
        (Code.CURRENCY_MISMATCH, {"currency": "USD"}),
        (Code.RELATED_PARTY, {"debtor_reference": DEBTOR_REFERENCE}),
        (Code.TENOR, {"due_date": START_DAY + 90}),
        (Code.SCHEDULE_SUM, {"schedule": ()}),
    )
    for code, mend in mended:
        assert consortium.code(consortium.registration("A", **wrong)) is code
        wrong |= mend
    assert consortium.code(consortium.registration("A", **wrong)) is Code.NO_TRADE_EVIDENCE
    del wrong["evidence"]
    operation = consortium.registration("A", **wrong)
    stale = replace(operation, fingerprints=replace(operation.fingerprints, epoch=EPOCH + 1))
    assert consortium.code(stale) is Code.FINGERPRINT_MISMATCH
    assert consortium.result(operation).reasons == (Reason("invoice", 10_000),)
    assert consortium.result(consortium.registration("B", **wrong)).reasons == (Reason("document", 10_000),)
    wrong["document"] = b"another file"
    assert consortium.code(consortium.registration("B", **wrong)) is Code.DUPLICATE_DELIVERY
    wrong["deliveries"] = [("BL-2", 1, 10)]
    assert consortium.code(consortium.registration("B", **wrong)) is Code.OK


# --- fingerprints


@pytest.mark.parametrize("epoch", [0, EPOCH + 1, 2**32 - 1])
def test_fingerprints_of_another_epoch_are_refused(consortium: Consortium, epoch: int) -> None:
    operation = consortium.registration("A")
    other = replace(operation, fingerprints=replace(operation.fingerprints, epoch=epoch))
    assert consortium.code(other) is Code.FINGERPRINT_MISMATCH


@pytest.mark.parametrize(
    ("same", "kind"),
    [
        ({"number": "A"}, FingerprintKind.INVOICE),
        ({"fiscal": "24312000000000000001"}, FingerprintKind.FISCAL),
        ({"document": b"the file"}, FingerprintKind.DOCUMENT),
    ],
)
def test_a_second_registration_names_the_first(
    consortium: Consortium, same: dict[str, Any], kind: FingerprintKind
) -> None:
    first: dict[str, Any] = {"number": "A", "fiscal": "24312000000000000001", "document": b"the file"}
    consortium.commit()
    receivable = consortium.registered(**first)
    again = {"number": "B", "fiscal": "24312000000000000002", "document": b"another file"} | same
    result = consortium.result(consortium.registration(**again))
    assert result.code is Code.DUPLICATE_RECEIVABLE
    assert result.collided_with == consortium.record(receivable).place
    assert result.collided_with is not None
    assert (result.collided_with.subject, result.collided_with.height) == (receivable, 2)
    assert result.reasons == (Reason(kind.name.lower(), 10_000),)


def test_a_refused_registration_claims_nothing(consortium: Consortium) -> None:
    consortium.registered("A", document=b"one")
    assert consortium.code(consortium.registration("A", document=b"two")) is Code.DUPLICATE_RECEIVABLE
    assert consortium.code(consortium.registration("B", document=b"two")) is Code.OK


def test_fingerprints_of_different_kinds_do_not_collide(consortium: Consortium) -> None:
    first = consortium.registration("A")
    invoice = first.fingerprints.invoice
    assert consortium.code(first) is Code.OK
    second = consortium.registration("B")
    second = replace(second, fingerprints=replace(second.fingerprints, fiscal=invoice, document=invoice))
    assert consortium.code(second) is Code.OK


def test_a_settled_receivable_keeps_its_fingerprints(consortium: Consortium) -> None:
    receivable = consortium.registered("A")
    assert consortium.code(payment(receivable, 10_000)) is Code.OK
    assert consortium.code(settlement(receivable)) is Code.OK
    assert consortium.code(consortium.registration("A")) is Code.DUPLICATE_RECEIVABLE


def test_a_cancelled_receivable_keeps_its_fingerprints(consortium: Consortium) -> None:
    receivable = consortium.registered("A")
    assert consortium.code(cancellation(receivable)) is Code.OK
    assert consortium.code(consortium.registration("A")) is Code.DUPLICATE_RECEIVABLE


def test_the_same_number_against_another_debtor_is_another_invoice(consortium: Consortium) -> None:
    consortium.registered("A")
    other = consortium.registration("A", debtor_reference=OTHER_DEBTOR_REFERENCE)
    assert consortium.code(other) is Code.OK


# --- deliveries


@pytest.mark.parametrize(
    ("deliveries", "code"),
    [
        ([("BL-1", 40, 100)], Code.OK),
        ([("BL-1", 41, 100)], Code.DUPLICATE_DELIVERY),
        # The document does not grow because a later registration says so.
        ([("BL-1", 41, 1_000)], Code.DUPLICATE_DELIVERY),
        # Nor does it shrink to hide what is consumed: the smallest quantity stated counts.
        ([("BL-1", 40, 99)], Code.DUPLICATE_DELIVERY),
        ([("BL-1", 39, 99)], Code.OK),
        ([("BL-2", 101, 100)], Code.DUPLICATE_DELIVERY),
        ([("BL-2", 100, 100)], Code.OK),
        ([("BL-2", QUANTITY_MAX, QUANTITY_MAX)], Code.OK),
        ([("BL-2", 1, 100), ("BL-1", 41, 100)], Code.DUPLICATE_DELIVERY),
    ],
)
def test_a_delivery_is_consumed_once(
    consortium: Consortium, deliveries: list[tuple[str, int, int]], code: Code
) -> None:
    first = consortium.registered("A", deliveries=[("BL-1", 60, 100)])
    result = consortium.result(consortium.registration("B", deliveries=deliveries))
    assert result.code is code
    if code is not Code.OK and deliveries[-1][0] == "BL-1":
        assert result.collided_with == consortium.record(first).place


def test_one_delivery_named_twice_in_one_registration_is_refused(consortium: Consortium) -> None:
    operation = consortium.registration("A", deliveries=[("BL-1", 1, 100), ("BL-1", 2, 100)])
    assert consortium.code(operation) is Code.DUPLICATE_DELIVERY


def test_a_refused_registration_consumes_no_delivery(consortium: Consortium) -> None:
    operation = consortium.registration("A", deliveries=[("BL-1", 100, 100), ("BL-2", 2, 1)])
    assert consortium.code(operation) is Code.DUPLICATE_DELIVERY
    assert consortium.code(consortium.registration("A", deliveries=[("BL-1", 100, 100)])) is Code.OK


# --- suspicions


def test_similar_receivables_are_all_listed_or_refused(consortium: Consortium) -> None:
    """One more than a taker can name is refused: it would stand behind others of which its taker is never told."""
    ids = [consortium.registered(f"N{n}", similar=None) for n in range(1, SUSPICIONS_MAX + 1)]
    result = consortium.result(consortium.registration("ONE-MORE", similar=None))
    assert (result.code, result.collided_with) == (Code.LIMIT_REACHED, consortium.record(ids[0]).place)
    for receivable in (ids[0], ids[-1]):
        others = tuple(sorted(set(ids) - {receivable}))
        assign = consortium.assignment(receivable)
        assert consortium.code(assign) is Code.SUSPICION_NOT_ACKNOWLEDGED
        assert consortium.code(replace(assign, acknowledged_suspicions=others[:-1])) is (
            Code.SUSPICION_NOT_ACKNOWLEDGED
        )
        assert consortium.code(replace(assign, acknowledged_suspicions=others)) is Code.OK


@pytest.mark.parametrize(("days_ahead", "code"), [(0, Code.OK), (1, Code.OK), (2, Code.TENOR)])
def test_an_invoice_of_the_future_is_refused(consortium: Consortium, days_ahead: int, code: Code) -> None:
    today = consortium.now_ms // DAY_MS
    operation = consortium.registration("A", issue_date=today + days_ahead, due_date=today + 30)
    assert consortium.code(operation) is code


def test_an_affiliate_is_not_similar_by_itself(consortium: Consortium) -> None:
    consortium.registered("A", similar=None)
    other = consortium.registered("B", similar=None, exporter=AFFILIATE)
    assign = consortium.assignment(other, assignor=AFFILIATE)
    assert consortium.code(assign) is Code.OK
