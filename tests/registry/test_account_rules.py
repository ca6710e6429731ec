"""SetCollectionAccount and ReportIndirectPayment."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from registry.errors import Code, Reason
from tests.registry.assignment_examples import HOUR_MS, acknowledgement, notice
from tests.registry.collection_examples import ACCOUNT, account, indirect, pledged
from tests.registry.consortium import (
    DEBTOR,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    OPEN_POLICY,
    Consortium,
    found,
    payment,
)

OTHER = bytes(range(9, 41))


def noticed(consortium: Consortium, amount: int = 4_000) -> bytes:
    """A receivable of which FACTOR_1 has bought `amount`, as the debtor has acknowledged."""
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, amount))
    consortium.do(notice(receivable), acknowledgement(receivable))
    return receivable


def test_an_account_takes_effect_after_the_cooling_off(consortium: Consortium) -> None:
    receivable = consortium.registered()
    assert consortium.code(account(receivable)) is Code.OK
    from_ms = consortium.tip.time_ms + 72 * HOUR_MS
    collection = consortium.record(receivable).collection
    assert (collection.account, collection.pending and collection.pending.from_ms) == (None, from_ms)
    consortium.pass_time(from_ms - 1)
    assert consortium.record(receivable).collection.account is None
    consortium.pass_time(from_ms)
    collection = consortium.record(receivable).collection
    assert (collection.account and collection.account.commitment, collection.pending) == (ACCOUNT, None)


def test_a_later_account_takes_the_place_of_one_that_waits(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(account(receivable))
    consortium.pass_time(consortium.tip.time_ms + 71 * HOUR_MS)
    consortium.do(account(receivable, commitment=OTHER))
    consortium.pass_time(consortium.tip.time_ms + 2 * HOUR_MS)
    collection = consortium.record(receivable).collection
    assert collection.account is None
    assert collection.pending is not None
    assert collection.pending.commitment == OTHER


def test_without_a_cooling_off_an_account_takes_effect_at_once() -> None:
    consortium = found(replace(OPEN_POLICY, cooling_off_hours=0))
    receivable = consortium.registered()
    consortium.do(account(receivable))
    collection = consortium.record(receivable).collection
    assert collection.account is not None
    assert collection.pending is None


@pytest.mark.parametrize(
    ("holders", "code"),
    [
        ((EXPORTER,), Code.HOLDER_CONSENT),
        ((FACTOR_1,), Code.HOLDER_CONSENT),
        ((EXPORTER, FACTOR_1), Code.HOLDER_CONSENT),
        ((EXPORTER, FACTOR_1, FACTOR_2), Code.OK),
    ],
)
def test_all_holders_and_lienholders_name_the_account(
    consortium: Consortium, holders: tuple[str, ...], code: Code
) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 4_000))
    pledged(consortium, receivable, 1_000, pledgee=FACTOR_2)
    assert consortium.code(account(receivable, holders)) is code
    assert (consortium.record(receivable).collection.pending is not None) == (code is Code.OK)


def test_who_holds_nothing_names_no_account(consortium: Consortium) -> None:
    receivable = consortium.registered()
    assert consortium.code(account(receivable, (EXPORTER, FACTOR_1))) is Code.NOT_HOLDER
    assert consortium.code(account(bytes(32))) is Code.UNKNOWN_RECEIVABLE


# --- indirect payments


@pytest.mark.parametrize("reporter", [EXPORTER, FACTOR_1])
def test_an_indirect_payment_is_flagged_and_stays_open(consortium: Consortium, reporter: str) -> None:
    receivable = noticed(consortium)
    result = consortium.result(indirect(receivable, reporter=reporter))
    assert (result.code, result.reasons) == (Code.OK, (Reason("indirect", 1_000),))
    record = consortium.record(receivable)
    assert record.outstanding == 10_000
    assert [(each.holder, each.amount) for each in record.collection.indirect] == [(FACTOR_1, 1_000)]


def test_an_indirect_payment_is_turned_over_to_the_holder(consortium: Consortium) -> None:
    receivable = noticed(consortium)
    consortium.do(indirect(receivable))
    over = indirect(receivable, reporter=FACTOR_1, turned_over=True)
    assert consortium.code(replace(over, reporter=EXPORTER)) is Code.NOT_PERMITTED
    assert consortium.code(replace(over, amount=999)) is Code.NOT_INDIRECT
    assert consortium.code(replace(over, bank_reference=bytes(32))) is Code.NOT_INDIRECT
    received = payment(receivable, 1_000, holder=FACTOR_1, reference="turnover")
    assert consortium.code(over, received) is Code.OK
    record = consortium.record(receivable)
    assert (record.collection.indirect, record.paid) == ((), 1_000)
    assert consortium.code(over) is Code.NOT_INDIRECT


@pytest.mark.parametrize(
    ("amount", "code"), [(0, Code.AMOUNT_NOT_POSITIVE), (4_000, Code.OK), (4_001, Code.OVERPAYMENT)]
)
def test_an_indirect_payment_is_of_what_is_owed_to_the_holder(
    consortium: Consortium, amount: int, code: Code
) -> None:
    receivable = noticed(consortium)
    assert consortium.code(indirect(receivable, amount)) is code
    if code is Code.OK:
        again = indirect(receivable, 1, bank_reference=bytes(32))
        assert consortium.code(again) is Code.OVERPAYMENT


def test_before_the_debtor_acknowledged_nothing_is_indirect(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 4_000))
    assert consortium.code(indirect(receivable)) is Code.NOT_INDIRECT
    consortium.do(notice(receivable))
    assert consortium.code(indirect(receivable)) is Code.NOT_INDIRECT
    consortium.do(acknowledgement(receivable))
    assert consortium.code(indirect(receivable)) is Code.OK


def test_a_bank_reference_is_used_for_one_payment_of_any_kind(consortium: Consortium) -> None:
    receivable = noticed(consortium)
    direct = payment(receivable, 1, reference="T")
    consortium.do(direct)
    assert (
        consortium.code(indirect(receivable, bank_reference=direct.bank_reference)) is Code.REFERENCE_REUSED
    )
    wrong = indirect(receivable)
    consortium.do(wrong)
    again = replace(direct, bank_reference=wrong.bank_reference)
    assert consortium.code(again) is Code.REFERENCE_REUSED


def test_precedence_of_broken_rules_of_an_indirect_payment(consortium: Consortium) -> None:
    receivable = noticed(consortium)
    used = payment(receivable, 1, reference="T")
    consortium.do(used)
    wrong = indirect(bytes(32), 0, reporter=FACTOR_2, holder=EXPORTER, bank_reference=used.bank_reference)
    steps: tuple[tuple[dict[str, Any], Code], ...] = (
        ({}, Code.UNKNOWN_RECEIVABLE),
        ({"receivable": receivable}, Code.AMOUNT_NOT_POSITIVE),
        ({"amount": 4_001}, Code.NOT_PERMITTED),
        ({"reporter": EXPORTER}, Code.NOT_INDIRECT),
        ({"holder": FACTOR_1}, Code.OVERPAYMENT),
        ({"amount": 4_000}, Code.REFERENCE_REUSED),
    )
    for changes, code in steps:
        wrong = replace(wrong, **changes)
        assert consortium.code(wrong) is code
    assert DEBTOR not in consortium.record(receivable).parties()
