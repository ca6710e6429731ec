"""Confirm, RaiseDispute, ResolveDispute, CancelReceivable."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from registry.errors import Code, Reason
from registry.operations import Operation
from registry.operations.existence import Defence
from registry.receivable import ConfirmationKind, Phase, free_amount
from tests.registry.consortium import (
    AFFILIATE,
    DEBTOR,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    FACTOR_3,
    OTHER_DEBTOR,
    Consortium,
    cancellation,
    confirmation,
    dispute,
    payment,
    resolution,
    settlement,
)


def free(consortium: Consortium, receivable: bytes, holder: str = EXPORTER) -> int:
    return free_amount(consortium.record(receivable), holder).amount


# --- Confirm


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        (0, Code.AMOUNT_NOT_POSITIVE),
        (1, Code.OK),
        (10_000, Code.OK),
        (10_001, Code.AMOUNT_MISMATCH),
    ],
)
def test_the_debtor_confirms_at_most_what_is_outstanding(
    consortium: Consortium, amount: int, code: Code
) -> None:
    receivable = consortium.registered()
    assert consortium.code(confirmation(receivable, amount)) is code


def test_a_confirmation_records_amount_and_waived_defences(consortium: Consortium) -> None:
    receivable = consortium.registered()
    assert consortium.code(confirmation(receivable, 4_000, waived=(Defence.DELAY,))) is Code.OK
    confirmed = consortium.record(receivable).confirmation
    assert (confirmed.kind, confirmed.amount) == (ConfirmationKind.EXPRESS, 4_000)
    assert consortium.code(confirmation(receivable, 5_000, waived=(Defence.QUALITY,))) is Code.OK
    confirmed = consortium.record(receivable).confirmation
    assert (confirmed.amount, confirmed.waived) == (5_000, (Defence.QUALITY, Defence.DELAY))


def test_a_confirmation_is_not_taken_back(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(confirmation(receivable, 4_000, waived=(Defence.DELAY,)))
    result = consortium.result(confirmation(receivable, 3_999))
    assert (result.code, result.reasons) == (Code.AMOUNT_MISMATCH, (Reason("confirmed", 4_000),))
    assert consortium.code(confirmation(receivable, 4_000)) is Code.OK
    assert consortium.record(receivable).confirmation.waived == (Defence.DELAY,)


def test_another_debtor_cannot_confirm(consortium: Consortium) -> None:
    receivable = consortium.registered()
    assert consortium.code(confirmation(receivable, debtor=OTHER_DEBTOR)) is Code.NOT_PERMITTED


def test_the_whole_can_be_confirmed_after_a_payment_up_to_the_rest(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(payment(receivable, 3_000))
    assert consortium.code(confirmation(receivable, 7_001)) is Code.AMOUNT_MISMATCH
    assert consortium.code(confirmation(receivable, 7_000)) is Code.OK


@pytest.mark.parametrize(
    ("holder", "paid", "left"),
    [
        (EXPORTER, 4_000, 6_000),  # first what was never confirmed
        (EXPORTER, 5_000, 5_000),
        (FACTOR_1, 1_000, 5_000),  # the factor relied on the confirmation
        (FACTOR_1, 5_000, 1_000),
    ],
)
def test_payments_use_up_what_is_confirmed(consortium: Consortium, holder: str, paid: int, left: int) -> None:
    receivable = consortium.registered()
    consortium.do(confirmation(receivable, 6_000))
    consortium.do(consortium.assignment(receivable, 5_000))
    consortium.do(payment(receivable, paid, holder=holder))
    assert consortium.record(receivable).confirmation.amount == left


# --- RaiseDispute


@pytest.mark.parametrize(
    ("amount", "code"),
    [(0, Code.AMOUNT_NOT_POSITIVE), (1, Code.OK), (6_000, Code.OK), (6_001, Code.OVER_OUTSTANDING)],
)
def test_a_dispute_is_at_most_what_is_outstanding_and_undisputed(
    consortium: Consortium, amount: int, code: Code
) -> None:
    receivable = consortium.registered()
    consortium.do(dispute(receivable, 4_000))
    assert consortium.code(dispute(receivable, amount)) is code


def test_another_debtor_cannot_dispute(consortium: Consortium) -> None:
    receivable = consortium.registered()
    assert consortium.code(dispute(receivable, 1, OTHER_DEBTOR)) is Code.NOT_PERMITTED


def test_a_dispute_is_spread_over_the_parts_and_adds_up(consortium: Consortium) -> None:
    receivable = consortium.registered(amount=100)
    for factor in (FACTOR_1, FACTOR_2, FACTOR_3):
        consortium.do(consortium.assignment(receivable, 33, to=factor))
    consortium.do(dispute(receivable, 50))
    disputed = {part.holder: part.disputed for part in consortium.record(receivable).parts}
    assert sum(disputed.values()) == 50
    assert all(share in (16, 17) for holder, share in disputed.items() if holder != EXPORTER)


def test_a_disputed_amount_cannot_be_sold_piece_by_piece(consortium: Consortium) -> None:
    """Were the share taken from the present parts, each sale would free half of what stays behind."""
    receivable = consortium.registered(amount=100)
    consortium.do(dispute(receivable, 50))
    assert consortium.code(consortium.assignment(receivable, 51)) is Code.EMPTY_ASSIGNMENT
    assert consortium.code(consortium.assignment(receivable, 50)) is Code.OK
    assert consortium.code(consortium.assignment(receivable, 1, to=FACTOR_2)) is Code.EMPTY_ASSIGNMENT
    assert consortium.code(consortium.pledging(receivable, 1, to=FACTOR_2)) is Code.DUPLICATE_PLEDGE
    # The assignee bought undisputed value, and it stays so.
    onward = consortium.assignment(receivable, 50, to=FACTOR_2, assignor=FACTOR_1)
    assert consortium.code(onward) is Code.OK


# --- ResolveDispute


def test_a_dispute_is_freed_or_diluted(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(confirmation(receivable))
    consortium.do(dispute(receivable, 4_000))
    assert free(consortium, receivable) == 6_000
    assert consortium.code(resolution(receivable, freed=1_000, dilution=[(EXPORTER, 2_000)])) is Code.OK
    record = consortium.record(receivable)
    assert (record.disputed, record.diluted, record.outstanding) == (1_000, 2_000, 8_000)
    assert record.confirmation.amount == 8_000
    assert free(consortium, receivable) == 7_000


def test_a_dilution_ends_the_dispute_on_the_part_that_bears_it_first(consortium: Consortium) -> None:
    receivable = consortium.registered(amount=100)
    consortium.do(consortium.assignment(receivable, 50))
    consortium.do(dispute(receivable, 40))
    holders = (EXPORTER, FACTOR_1)
    assert consortium.code(resolution(receivable, dilution=[(FACTOR_1, 30)], holders=holders)) is Code.OK
    parts = {part.holder: (part.amount, part.disputed) for part in consortium.record(receivable).parts}
    assert parts == {EXPORTER: (50, 10), FACTOR_1: (20, 0)}


_RESOLUTIONS: list[tuple[str, dict[str, Any], Code]] = [
    ("nothing", {}, Code.AMOUNT_NOT_POSITIVE),
    ("all freed", {"freed": 4_000}, Code.OK),
    ("all diluted", {"dilution": [(EXPORTER, 4_000)]}, Code.OK),
    ("more than disputed", {"freed": 4_001}, Code.NO_DISPUTE),
    ("more than disputed in sum", {"freed": 1, "dilution": [(EXPORTER, 4_000)]}, Code.NO_DISPUTE),
    ("a share of zero", {"freed": 1, "dilution": [(EXPORTER, 0)]}, Code.AMOUNT_NOT_POSITIVE),
    ("who does not sign", {"dilution": [(FACTOR_1, 1)]}, Code.HOLDER_CONSENT),
    ("who holds nothing", {"freed": 1, "holders": (FACTOR_3,)}, Code.NOT_HOLDER),
    ("a stranger beside a holder", {"freed": 1, "holders": (EXPORTER, FACTOR_3)}, Code.NOT_HOLDER),
    ("more than its part", {"dilution": [(FACTOR_1, 2_001)], "holders": (FACTOR_1,)}, Code.OVER_OUTSTANDING),
    ("its whole part", {"dilution": [(FACTOR_1, 2_000)], "holders": (FACTOR_1,)}, Code.OK),
    ("part in two shares", {"dilution": [(FACTOR_1, 1_500), (FACTOR_1, 501)], "holders": (FACTOR_1,)}, Code.OVER_OUTSTANDING),
    ("another debtor", {"freed": 1, "debtor": OTHER_DEBTOR}, Code.NOT_PERMITTED),
]  # fmt: skip


@pytest.mark.parametrize(
    ("how", "code"), [pytest.param(how, code, id=name) for name, how, code in _RESOLUTIONS]
)
def test_resolutions(consortium: Consortium, how: dict[str, Any], code: Code) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 2_000))
    consortium.do(dispute(receivable, 4_000))
    before = consortium.record(receivable)
    assert consortium.code(resolution(receivable, **how)) is code
    if code is not Code.OK:
        assert consortium.record(receivable) == before


def test_without_a_dispute_there_is_nothing_to_resolve(consortium: Consortium) -> None:
    receivable = consortium.registered()
    assert consortium.code(resolution(receivable, freed=1)) is Code.NO_DISPUTE


def test_a_pledgor_cannot_dilute_its_pledgees_security_away(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.pledging(receivable, 7_000))
    consortium.do(dispute(receivable, 5_000))
    lien = consortium.record(receivable).liens[0]
    result = consortium.result(resolution(receivable, dilution=[(EXPORTER, 3_001)]))
    assert (result.code, result.collided_with) == (Code.PLEDGED, lien.place)
    assert result.reasons == (Reason("pledged", 7_000),)
    assert consortium.code(resolution(receivable, dilution=[(EXPORTER, 3_000)])) is Code.OK


def test_a_paid_out_holder_alone_cannot_resolve(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 2_000))
    consortium.do(dispute(receivable, 1_000))
    consortium.do(payment(receivable, 2_000, holder=FACTOR_1))
    assert consortium.code(resolution(receivable, freed=1, holders=(FACTOR_1,))) is Code.NOT_HOLDER
    assert consortium.code(resolution(receivable, freed=1, holders=(FACTOR_1, EXPORTER))) is Code.OK


# --- CancelReceivable


def test_the_exporter_cancels_what_nobody_else_has_an_interest_in(consortium: Consortium) -> None:
    receivable = consortium.registered()
    assert consortium.code(cancellation(receivable)) is Code.OK
    assert consortium.record(receivable).phase is Phase.CANCELLED
    assert free(consortium, receivable) == 0


def test_another_exporter_cannot_cancel(consortium: Consortium) -> None:
    receivable = consortium.registered()
    assert consortium.code(cancellation(receivable, AFFILIATE)) is Code.NOT_PERMITTED


def test_a_confirmed_receivable_is_cancelled_with_the_debtor_only(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(confirmation(receivable, 1))
    assert consortium.code(cancellation(receivable)) is Code.MISSING_SIGNATURE
    assert consortium.code(cancellation(receivable, debtor=OTHER_DEBTOR)) is Code.NOT_PERMITTED
    assert consortium.code(cancellation(receivable, debtor=DEBTOR)) is Code.OK


def test_an_assigned_pledged_or_paid_receivable_is_not_cancelled(consortium: Consortium) -> None:
    assigned, pledged, paid = (consortium.registered() for _ in range(3))
    consortium.do(consortium.assignment(assigned, 1))
    consortium.do(consortium.pledging(pledged, 1))
    consortium.do(payment(paid, 1))
    for receivable, reason in ((assigned, "assigned"), (pledged, "pledged"), (paid, "paid")):
        result = consortium.result(cancellation(receivable))
        assert result.code is Code.ENCUMBERED
        assert [(r.word, r.amount) for r in result.reasons if r.amount] == [(reason, 1)]
    assert (
        consortium.result(cancellation(assigned)).collided_with == consortium.record(assigned).parts[1].since
    )
    assert consortium.result(cancellation(pledged)).collided_with == consortium.record(pledged).liens[0].place


# --- closed and unknown


def operations_on(consortium: Consortium, receivable: bytes) -> list[Operation]:
    return [
        confirmation(receivable, 1),
        dispute(receivable, 1),
        resolution(receivable, freed=1),
        cancellation(receivable),
        consortium.assignment(receivable, 1),
        payment(receivable, 1),
        settlement(receivable),
    ]


def test_nothing_moves_a_closed_receivable(consortium: Consortium) -> None:
    cancelled, settled = consortium.registered(), consortium.registered()
    consortium.do(cancellation(cancelled))
    consortium.do(settlement(settled, write_off=True))
    for receivable, word in ((cancelled, "cancelled"), (settled, "settled")):
        before = consortium.record(receivable)
        for operation in operations_on(consortium, receivable):
            result = consortium.result(operation)
            assert (result.code, result.reasons) == (Code.CLOSED, (Reason(word, 10_000),))
            assert result.collided_with == before.place
        assert consortium.record(receivable) == before


def test_an_unknown_receivable_is_named_so(consortium: Consortium) -> None:
    for operation in operations_on(consortium, bytes(32)):
        assert consortium.code(operation) is Code.UNKNOWN_RECEIVABLE


def test_an_amount_of_zero_stands_on_the_record(consortium: Consortium) -> None:
    receivable = consortium.registered()
    for operation in (
        confirmation(receivable, 0),
        dispute(receivable, 0),
        consortium.assignment(receivable, 0),
        consortium.pledging(receivable, 0),
        payment(receivable, 0),
        replace(consortium.registration(), face_amount=0),
    ):
        assert consortium.code(operation) is Code.AMOUNT_NOT_POSITIVE
