"""Entries of several operations: atomic or independent, what a refused one leaves behind, large ones, several signers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from registry.entry import Mode
from registry.errors import Code, NotFresh, Reference
from registry.identifiers import lien_id, receivable_id
from registry.limits import ENTRY_BYTES_MAX, OPERATIONS_MAX
from registry.operations import Operation
from registry.receipt import Outcome, decode_receipt
from registry.stored import Namespace, state_key
from tests.registry.consortium import (
    DEBTOR,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    START_DAY,
    Consortium,
    checked,
    confirmation,
    dispute,
    payment,
    registration,
    release,
    settlement,
    stored,
)


def test_an_atomic_entry_applies_wholly(consortium: Consortium) -> None:
    receipt = consortium.do(consortium.registration("A"), consortium.registration("B"))
    assert (receipt.outcome, receipt.failed_operation) == (Outcome.APPLIED, None)
    assert [result.code for result in receipt.results] == [Code.OK, Code.OK]


@pytest.mark.parametrize("bad", [0, 1, 2, 3])
def test_an_atomic_entry_names_the_first_operation_that_fails(consortium: Consortium, bad: int) -> None:
    operations: list[Operation] = [consortium.registration(f"N{n}") for n in range(4)]
    # A later one would fail too, and is not judged.
    for n in range(bad, 4):
        operations[n] = replace(registration(f"N{n}"), face_amount=0)
    receipt = consortium.do(*operations)
    assert (receipt.outcome, receipt.failed_operation) == (Outcome.REFUSED, bad)
    codes = [result.code for result in receipt.results]
    expected = [Code.NOT_APPLIED] * 4
    expected[bad] = Code.AMOUNT_NOT_POSITIVE
    assert codes == expected
    assert all(result.subject == b"" for result in receipt.results)


def test_independent_operations_stand_each_on_their_own(consortium: Consortium) -> None:
    bad = replace(registration("X"), face_amount=0)
    receipt = consortium.do(
        consortium.registration("A"), bad, consortium.registration("B"), mode=Mode.INDEPENDENT
    )
    assert (receipt.outcome, receipt.failed_operation) == (Outcome.PARTLY, None)
    codes = [result.code for result in receipt.results]
    assert codes == [Code.OK, Code.AMOUNT_NOT_POSITIVE, Code.OK]


def test_an_independent_entry_that_is_wholly_refused_says_so(consortium: Consortium) -> None:
    bad = replace(registration("X"), face_amount=0)
    receipt = consortium.do(bad, bad, mode=Mode.INDEPENDENT)
    assert (receipt.outcome, receipt.failed_operation) == (Outcome.REFUSED, None)


def test_an_operation_sees_what_the_one_before_it_did(consortium: Consortium) -> None:
    first = consortium.registration("A")
    receipt = consortium.do(first, first, mode=Mode.INDEPENDENT)
    assert receipt.results[1].code is Code.DUPLICATE_RECEIVABLE
    assert receipt.results[1].collided_with == Reference(receipt.results[0].subject, 1, 0, 0)


@pytest.mark.parametrize("mode", list(Mode))
def test_a_refused_entry_leaves_only_its_sequence_number(consortium: Consortium, mode: Mode) -> None:
    """Neither values, nor pages but the root's path, nor the index of expiries keep a trace."""
    receivable = consortium.registered("A")
    consortium.do(consortium.assignment(receivable, 1_000))
    window = state_key(Namespace.WINDOW, EXPORTER.encode())
    before = dict(consortium.state.stored_values())
    steps: tuple[Operation, ...] = (
        consortium.registration("B"),
        consortium.pledging(receivable, 5_000),
        confirmation(receivable, 4_000),
        dispute(receivable, 100),
        payment(receivable, 50, reference="T1"),
        consortium.assignment(receivable, 500, FACTOR_2),
        replace(registration("C"), face_amount=0),
    )
    if mode is Mode.INDEPENDENT:
        steps = steps[-1:] * 2
    raw = consortium.entry(*steps, by=EXPORTER, mode=mode)
    result = consortium.commit(raw).result
    assert decode_receipt(result.receipts[0]).outcome is Outcome.REFUSED
    assert set(result.delta.values) == {window}
    assert (result.delta.due_added, result.delta.due_removed) == ((), ())
    after = dict(consortium.state.stored_values())
    del before[window], after[window]
    assert after == before


def test_the_root_after_a_refused_entry_depends_on_the_sequence_number_only(consortium: Consortium) -> None:
    receivable = consortium.registered("A")
    roots = set()
    for broken in (consortium.assignment(receivable, 0), consortium.assignment(receivable, 99_999)):
        block = consortium.propose([consortium.entry(broken, sequence=7)])
        roots.add(block.header.state_root)
    assert len(roots) == 1


def test_a_refused_entry_cannot_be_sent_again(consortium: Consortium) -> None:
    raw = consortium.entry(replace(registration("C"), face_amount=0))
    consortium.commit(raw)
    with pytest.raises(NotFresh) as refusal:
        consortium.propose([raw])
    assert refusal.value.code is Code.REPLAYED


def test_a_portfolio_of_a_thousand_is_one_entry(consortium: Consortium) -> None:
    """Register, confirm, assign: one signature per party for all of it, and it fits the bounds of entry and receipt."""
    registrations = [
        consortium.registration(
            f"N{n}", document=b"%d" % n, fiscal=f"{n:020d}", deliveries=[(f"BL{n}", 1, 1)]
        )
        for n in range(OPERATIONS_MAX)
    ]
    raw = consortium.entry(*registrations)
    assert len(raw) < ENTRY_BYTES_MAX
    receipt = consortium.commit(raw).receipts[0]
    ids = [result.subject for result in receipt.results]
    entry_id = checked(raw).entry_id
    assert ids == [receivable_id(entry_id, n) for n in range(OPERATIONS_MAX)]
    for operations in (
        [confirmation(receivable) for receivable in ids],
        [consortium.assignment(receivable, 6_000) for receivable in ids],
    ):
        receipt = consortium.do(*operations)
        assert receipt.outcome is Outcome.APPLIED
    assert len(consortium.blocks[-1].block.entries[0]) < ENTRY_BYTES_MAX


def test_a_portfolio_with_one_bad_operation_at_the_end_is_refused_whole(consortium: Consortium) -> None:
    operations = [consortium.registration(f"N{n}") for n in range(OPERATIONS_MAX - 1)]
    receipt = consortium.do(*operations, operations[0])
    assert receipt.failed_operation == OPERATIONS_MAX - 1
    assert receipt.results[-1].code is Code.DUPLICATE_RECEIVABLE
    assert receipt.results[-1].collided_with is not None
    assert receipt.results[-1].collided_with.operation_index == 0
    assert len(consortium.blocks[-1].result.delta.values) == 1


def test_a_thousand_refusals_with_references_and_reasons_fit_a_receipt(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.pledging(receivable, 9_000))
    consortium.do(dispute(receivable, 10_000))
    operations = [consortium.pledging(receivable, 2_000, FACTOR_2) for _ in range(OPERATIONS_MAX)]
    committed = consortium.commit(consortium.entry(*operations, mode=Mode.INDEPENDENT))
    assert len(committed.receipts[0].results) == OPERATIONS_MAX
    assert len(committed.result.receipts[0]) < 200_000


def test_a_whole_life_in_one_entry_of_several_signers(consortium: Consortium) -> None:
    """The debtor, the factor and the exporter sign one atomic entry; ids of later operations are known before."""
    register = consortium.registration("A")
    body = consortium.body(register, by=EXPORTER)
    # An id depends on the whole body, so an operation cannot name what its own entry creates.
    assert body.operations == (register,)
    receivable = consortium.registered("B", issue_date=START_DAY - 1)
    pledge = consortium.pledging(receivable, 2_000)
    receipt = consortium.do(
        confirmation(receivable),
        consortium.assignment(receivable, 5_000),
        pledge,
        payment(receivable, 5_000, holder=FACTOR_1),
        payment(receivable, 3_000),
    )
    assert receipt.outcome is Outcome.APPLIED
    record = consortium.record(receivable)
    entry_id = checked(consortium.blocks[-1].block.entries[0]).entry_id
    assert record.liens[0].lien_id == lien_id(entry_id, 2)
    assert record.outstanding == 2_000
    receipt = consortium.do(
        release(receivable, lien_id(entry_id, 2)),
        payment(receivable, 2_000),
        settlement(receivable, (EXPORTER, FACTOR_1)),
    )
    assert receipt.outcome is Outcome.APPLIED


def test_places_on_the_chain_are_those_of_the_operation(consortium: Consortium) -> None:
    fillers = [consortium.entry(consortium.registration()) for _ in range(3)]
    operations = [consortium.registration(f"N{n}") for n in range(5)]
    consortium.commit(*fillers, consortium.entry(*operations, by=DEBTOR, signed_by=(DEBTOR, EXPORTER)))
    place = stored(consortium, Namespace.FINGERPRINT, b"\x01" + operations[4].fingerprints.invoice)
    assert (place.height, place.entry_index, place.operation_index) == (1, 3, 4)
