"""Fraud patterns of the rulebook that need a collection account, a notice, an objection or a freeze."""

from __future__ import annotations

from registry.errors import Code, Reason
from tests.registry.assignment_examples import acknowledgement, notice
from tests.registry.collection_examples import account, frozen, indirect, objection, pledged, reversal
from tests.registry.consortium import (
    BANK,
    DAY_MS,
    DEBTOR,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    FACTOR_3,
    Consortium,
    payment,
)


def test_exporter_redirects_the_collection_account_alone(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable))
    consortium.do(account(receivable, (FACTOR_1,)))
    consortium.pass_time(consortium.tip.time_ms + 4 * DAY_MS)
    before = consortium.record(receivable).collection
    assert consortium.code(account(receivable, commitment=bytes(range(5, 37)))) is Code.HOLDER_CONSENT
    assert consortium.record(receivable).collection == before


def test_payment_to_the_exporter_after_notice(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable))
    consortium.do(notice(receivable), acknowledgement(receivable))
    # The exporter cannot book it as a payment that discharges the debtor; reported, it is an alert and stays open.
    assert consortium.code(payment(receivable, 10_000, reporter=BANK)) is Code.NOT_HOLDER
    result = consortium.result(indirect(receivable, 10_000, reporter=FACTOR_1))
    assert (result.code, result.reasons) == (Code.OK, (Reason("indirect", 10_000),))
    record = consortium.record(receivable)
    assert (record.outstanding, len(record.collection.indirect)) == (10_000, 1)


def test_objection_abused_to_block_a_competitor(consortium: Consortium) -> None:
    receivable = consortium.registered()
    for case_number in (None, "made up"):
        assert consortium.code(objection(receivable, FACTOR_3, case_number)) is Code.ABUSE
    assert consortium.code(consortium.assignment(receivable, 1_000)) is Code.OK
    # Who has an interest blocks for a month, once.
    assert consortium.code(objection(receivable, DEBTOR)) is Code.OK
    consortium.pass_time(consortium.tip.time_ms + 30 * DAY_MS)
    assert consortium.code(objection(receivable, DEBTOR)) is Code.ABUSE
    assert consortium.code(consortium.assignment(receivable, 1_000, FACTOR_2)) is Code.OK


def test_pledge_after_freeze(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(frozen(receivable))
    order = consortium.record(receivable).restraints.freezes[0]
    result = consortium.result(consortium.pledging(receivable))
    assert (result.code, result.collided_with) == (Code.FROZEN, order.place)
    assert result.reasons == (Reason("frozen", 10_000),)


def test_freeze_and_pledge_in_one_block_in_either_order(consortium: Consortium) -> None:
    for freeze_first in (True, False):
        receivable = consortium.registered()
        entries = [
            consortium.entry(frozen(receivable)),
            consortium.entry(consortium.pledging(receivable, 1_000)),
        ]
        receipts = consortium.commit(*(entries if freeze_first else entries[::-1])).receipts
        codes = [receipt.results[0].code for receipt in receipts]
        assert codes == ([Code.OK, Code.FROZEN] if freeze_first else [Code.OK, Code.OK])


def test_a_payment_that_is_called_back_frees_nothing_that_was_pledged(consortium: Consortium) -> None:
    receivable = consortium.registered()
    lien = pledged(consortium, receivable)
    paid = payment(receivable, 10_000, reporter=BANK)
    consortium.do(paid)
    consortium.do(reversal(receivable, paid.bank_reference, BANK))
    result = consortium.result(consortium.pledging(receivable, 1, FACTOR_2, pledgor=EXPORTER))
    assert (result.code, result.collided_with) == (Code.DUPLICATE_PLEDGE, lien.place)
