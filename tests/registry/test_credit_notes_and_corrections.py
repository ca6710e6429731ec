"""RecordCreditNote, CorrectReceivable, and a dispute that a court ends: who must consent, and what may not be gained."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from registry.errors import Code, NotPermitted
from registry.operations import ResolveDispute
from registry.operations.existence import Evidence, EvidenceKind, HolderShare, Instalment
from registry.operations.governance import Role
from registry.receivable import Receivable
from tests.registry.consortium import (
    AFFILIATE,
    ASSOCIATION,
    BANK,
    DAY_MS,
    DEBTOR,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    START_DAY,
    Consortium,
    cancellation,
    confirmation,
    dispute,
    fingerprints_of,
)
from tests.registry.existence_examples import accredit, attestation, correction, credit


def parts_of(record: Receivable) -> dict[str, int]:
    return {part.holder: part.amount for part in record.parts}


# --- credit notes


def test_a_credit_note_shrinks_what_is_owed(consortium: Consortium) -> None:
    receivable = consortium.registered("A")
    assert consortium.code(credit(receivable, (EXPORTER, 1_500))) is Code.OK
    record = consortium.record(receivable)
    assert (record.diluted, record.outstanding, parts_of(record)) == (1_500, 8_500, {EXPORTER: 8_500})


def test_parts_shrink_as_stated_with_their_holders_consent(consortium: Consortium) -> None:
    receivable = consortium.registered("A")
    consortium.do(consortium.assignment(receivable, 6_000))
    shares = ((EXPORTER, 4_000), (FACTOR_1, 1_000))
    result = consortium.result(credit(receivable, *shares))
    assert (result.code, result.collided_with) == (Code.HOLDER_CONSENT, consortium.record(receivable).place)
    assert consortium.record(receivable).diluted == 0
    assert consortium.code(credit(receivable, *shares, consenting=[FACTOR_1])) is Code.OK
    assert parts_of(consortium.record(receivable)) == {EXPORTER: 0, FACTOR_1: 5_000}


def test_a_lien_shrinks_only_with_its_holders_consent(consortium: Consortium) -> None:
    receivable = consortium.registered("A")
    consortium.do(consortium.pledging(receivable, 7_000))
    (lien,) = consortium.record(receivable).liens
    assert consortium.code(credit(receivable, (EXPORTER, 3_000), number="1")) is Code.OK
    result = consortium.result(credit(receivable, (EXPORTER, 1), number="2"))
    assert (result.code, result.collided_with) == (Code.HOLDER_CONSENT, lien.place)
    assert consortium.code(credit(receivable, (EXPORTER, 1), number="2", consenting=[FACTOR_1])) is Code.OK
    assert [lien.amount for lien in consortium.record(receivable).liens] == [6_999]


def test_a_credit_note_counts_once(consortium: Consortium) -> None:
    first, second = consortium.registered("A"), consortium.registered("B")
    consortium.do(credit(first, (EXPORTER, 1_000), number="CN 007"))
    result = consortium.result(credit(second, (EXPORTER, 1), number="cn-7"))
    assert result.code is Code.DUPLICATE_CREDIT_NOTE
    assert result.collided_with is not None
    assert result.collided_with.subject == first
    # A refused one is not used up.
    assert consortium.code(credit(second, (EXPORTER, 10_001), number="8")) is Code.OVER_OUTSTANDING
    assert consortium.code(credit(second, (EXPORTER, 10_000), number="8")) is Code.OK


@pytest.mark.parametrize(
    ("shares", "code"),
    [
        (((EXPORTER, 0),), Code.AMOUNT_NOT_POSITIVE),
        (((EXPORTER, 10_000),), Code.OK),
        (((EXPORTER, 10_001),), Code.OVER_OUTSTANDING),
        (((EXPORTER, 6_000), (EXPORTER, 4_000)), Code.OK),
        (((EXPORTER, 6_000), (EXPORTER, 4_001)), Code.OVER_OUTSTANDING),
        (((FACTOR_1, 1),), Code.HOLDER_CONSENT),
    ],
)
def test_boundaries_of_a_credit_note(
    consortium: Consortium, shares: tuple[tuple[str, int], ...], code: Code
) -> None:
    assert consortium.code(credit(consortium.registered("A"), *shares)) is code


def test_a_holder_gives_no_more_than_it_has(consortium: Consortium) -> None:
    receivable = consortium.registered("A")
    consortium.do(consortium.assignment(receivable, 6_000))
    assert consortium.code(credit(receivable, (EXPORTER, 4_001))) is Code.OVER_OUTSTANDING


def test_a_credit_note_takes_confirmation_and_dispute_with_it(consortium: Consortium) -> None:
    receivable = consortium.registered("A")
    consortium.do(confirmation(receivable), dispute(receivable, 9_000), signed_by=[DEBTOR])
    consortium.do(credit(receivable, (EXPORTER, 4_000)))
    record = consortium.record(receivable)
    assert (record.confirmation.amount, record.disputed) == (6_000, 6_000)


def test_precedence_of_broken_rules_of_a_credit_note(consortium: Consortium) -> None:
    receivable = consortium.registered("A")
    consortium.do(credit(receivable, (EXPORTER, 1)))
    assert consortium.code(credit(receivable, (FACTOR_1, 0), exporter=AFFILIATE)) is Code.NOT_PERMITTED
    assert consortium.code(credit(receivable, (FACTOR_1, 0))) is Code.AMOUNT_NOT_POSITIVE
    assert consortium.code(credit(receivable, (FACTOR_1, 20_000))) is Code.DUPLICATE_CREDIT_NOTE
    assert consortium.code(credit(receivable, (FACTOR_1, 20_000), number="2")) is Code.OVER_OUTSTANDING
    assert consortium.code(credit(receivable, (FACTOR_1, 1), number="2")) is Code.HOLDER_CONSENT
    consortium.do(cancellation(consortium.registered("B")))


# --- corrections


def test_a_date_is_corrected(consortium: Consortium) -> None:
    receivable = consortium.registered("A")
    assert consortium.code(correction(consortium, receivable, issue_date=START_DAY - 3)) is Code.OK
    assert consortium.record(receivable).issue_date == START_DAY - 3


def test_a_correction_that_changes_nothing_is_none(consortium: Consortium) -> None:
    receivable = consortium.registered("A")
    result = consortium.result(correction(consortium, receivable))
    assert (result.code, result.collided_with) == (Code.NOT_CLERICAL, consortium.record(receivable).place)


def test_everyone_with_a_part_or_a_lien_consents(consortium: Consortium) -> None:
    receivable = consortium.registered("A")
    consortium.do(consortium.assignment(receivable, 6_000), consortium.pledging(receivable, 1_000, FACTOR_2))
    new: dict[str, Any] = {"issue_date": START_DAY - 3}
    for consenting in ((), (FACTOR_1,), (FACTOR_2,)):
        operation = correction(consortium, receivable, consenting=consenting, **new)
        assert consortium.code(operation) is Code.HOLDER_CONSENT
    both = tuple(sorted((FACTOR_1, FACTOR_2)))
    assert consortium.code(correction(consortium, receivable, consenting=both, **new)) is Code.OK


def test_another_fingerprint_needs_the_association(consortium: Consortium) -> None:
    receivable = consortium.registered("A")
    new = consortium.registration("A-RIGHT").fingerprints
    operation = correction(consortium, receivable, fingerprints=new)
    with pytest.raises(NotPermitted):
        consortium.propose([consortium.entry(operation, signed_by=[EXPORTER])])
    assert consortium.code(operation, signed_by=[EXPORTER, ASSOCIATION]) is Code.OK
    assert consortium.record(receivable).fingerprints == new


def test_a_corrected_receivable_keeps_its_old_number_too(consortium: Consortium) -> None:
    receivable = consortium.registered("A")
    new = consortium.registration("A-RIGHT").fingerprints
    consortium.do(correction(consortium, receivable, fingerprints=new))
    for number in ("A", "A-RIGHT"):
        result = consortium.result(consortium.registration(number))
        assert result.code is Code.DUPLICATE_RECEIVABLE
        assert result.collided_with == consortium.record(receivable).place


def test_a_number_that_is_taken_is_no_correction(consortium: Consortium) -> None:
    first, second = consortium.registered("A"), consortium.registered("B")
    taken = consortium.registration("A").fingerprints
    result = consortium.result(correction(consortium, second, fingerprints=taken))
    assert result.code is Code.DUPLICATE_RECEIVABLE
    assert result.collided_with == consortium.record(first).place


def test_a_corrected_delivery_gives_the_wrong_one_back(consortium: Consortium) -> None:
    receivable = consortium.registered("A", deliveries=[("BL-WRONG", 5, 5)])
    new = consortium.registration("A", deliveries=[("BL-RIGHT", 5, 5)]).fingerprints
    assert consortium.code(correction(consortium, receivable, fingerprints=new)) is Code.OK
    assert consortium.code(consortium.registration("B", deliveries=[("BL-WRONG", 5, 5)])) is Code.OK
    assert (
        consortium.code(consortium.registration("C", deliveries=[("BL-RIGHT", 1, 5)]))
        is Code.DUPLICATE_DELIVERY
    )


def test_a_delivery_that_stays_does_not_stand_in_its_own_way(consortium: Consortium) -> None:
    receivable = consortium.registered("A", deliveries=[("BL-1", 5, 5)])
    new = consortium.registration("A-RIGHT", deliveries=[("BL-1", 5, 5)]).fingerprints
    assert consortium.code(correction(consortium, receivable, fingerprints=new)) is Code.OK


def test_the_due_date_moves_with_its_fingerprint_and_within_the_tenor(consortium: Consortium) -> None:
    receivable = consortium.registered("A")
    day = START_DAY + 95
    assert consortium.code(correction(consortium, receivable, due_date=day)) is Code.NOT_CLERICAL
    new = fingerprints_of("A", due_date=day)
    late = START_DAY + 365
    assert consortium.code(correction(consortium, receivable, due_date=late, fingerprints=new)) is Code.TENOR
    assert consortium.code(correction(consortium, receivable, due_date=day, fingerprints=new)) is Code.OK


def test_the_due_date_does_not_move_away_from_its_fingerprint(consortium: Consortium) -> None:
    receivable = consortium.registered("A", similar=None)
    old = consortium.record(receivable).fingerprints
    other = replace(old, invoice=fingerprints_of("B").invoice)
    day = START_DAY + 95
    moved = correction(consortium, receivable, due_date=day, fingerprints=other)
    assert consortium.code(moved) is Code.NOT_CLERICAL
    honest = fingerprints_of("B", due_date=day)
    assert consortium.code(replace(moved, fingerprints=honest)) is Code.OK


def test_a_confirmed_or_past_due_date_is_no_slip_of_the_pen(consortium: Consortium) -> None:
    confirmed, late = consortium.registered("A"), consortium.registered("B")
    consortium.do(confirmation(confirmed))
    new = fingerprints_of("A", due_date=START_DAY + 95)
    moved = correction(consortium, confirmed, due_date=START_DAY + 95, fingerprints=new)
    assert consortium.code(moved) is Code.NOT_CLERICAL
    consortium.pass_time((START_DAY + 91) * DAY_MS)
    new = fingerprints_of("B", due_date=START_DAY + 95)
    moved = correction(consortium, late, due_date=START_DAY + 95, fingerprints=new)
    assert consortium.code(moved) is Code.NOT_CLERICAL


def test_instalments_change_their_days_and_not_their_amounts(consortium: Consortium) -> None:
    plan = (Instalment(START_DAY + 30, 4_000), Instalment(START_DAY + 90, 6_000))
    receivable = consortium.registered("A", schedule=plan)
    other = (Instalment(START_DAY + 30, 5_000), Instalment(START_DAY + 90, 5_000))
    assert consortium.code(correction(consortium, receivable, schedule=other)) is Code.NOT_CLERICAL
    assert consortium.code(correction(consortium, receivable, schedule=())) is Code.NOT_CLERICAL
    moved = (Instalment(START_DAY + 31, 4_000), Instalment(START_DAY + 90, 6_000))
    assert consortium.code(correction(consortium, receivable, schedule=moved)) is Code.OK
    wrong = (Instalment(START_DAY + 31, 4_000), Instalment(START_DAY + 91, 6_000))
    assert consortium.code(correction(consortium, receivable, schedule=wrong)) is Code.SCHEDULE_SUM


def test_no_paper_is_given_up(consortium: Consortium) -> None:
    accredit(consortium)
    receivable = consortium.registered("A", fiscal="FP-1", deliveries=[("BL-1", 5, 5)])
    for changes in ({"fiscal": "FP-1"}, {"deliveries": [("BL-1", 5, 5)]}):
        less = consortium.registration("A", **changes).fingerprints
        assert consortium.code(correction(consortium, receivable, fingerprints=less)) is Code.NOT_CLERICAL
    consortium.do(attestation(consortium, receivable, 5))
    other = consortium.registration("A", fiscal="FP-1", deliveries=[("BL-2", 5, 5)]).fingerprints
    assert consortium.code(correction(consortium, receivable, fingerprints=other)) is Code.NOT_CLERICAL


def test_evidence_is_replaced_unless_it_was_attested(consortium: Consortium) -> None:
    accredit(consortium)
    receivable = consortium.registered("A")
    none = correction(consortium, receivable, evidence=(Evidence(EvidenceKind.TAX, bytes(32)),))
    assert consortium.code(none) is Code.NO_TRADE_EVIDENCE
    better = (Evidence(EvidenceKind.INVOICE, b"\x01" * 32),)
    assert consortium.code(correction(consortium, receivable, evidence=better)) is Code.OK
    seen = attestation(consortium, receivable, 0, kind=EvidenceKind.INVOICE, paper=b"\x01" * 32)
    assert consortium.code(seen) is Code.OK
    other = (Evidence(EvidenceKind.INVOICE, b"\x02" * 32),)
    assert consortium.code(correction(consortium, receivable, evidence=other)) is Code.NOT_CLERICAL


def test_only_the_exporter_corrects(consortium: Consortium) -> None:
    receivable = consortium.registered("A")
    operation = correction(consortium, receivable, exporter=AFFILIATE, issue_date=START_DAY - 3)
    assert consortium.code(operation) is Code.NOT_PERMITTED


# --- a court ends a dispute


@pytest.fixture
def court(consortium: Consortium) -> str:
    consortium.change_member(BANK, roles=(Role.COURT,))
    return BANK


def decision(receivable: bytes, freed: int, *dilution: tuple[str, int], court: str) -> ResolveDispute:
    shares = tuple(HolderShare(holder, amount) for holder, amount in dilution)
    return ResolveDispute(receivable, None, (), freed, shares, court)


def test_a_court_frees_and_dilutes_without_anybodys_consent(consortium: Consortium, court: str) -> None:
    receivable = consortium.registered("A")
    consortium.do(consortium.assignment(receivable, 6_000), consortium.pledging(receivable, 4_000, FACTOR_2))
    consortium.do(dispute(receivable, 5_000))
    assert consortium.code(decision(receivable, 1_000, (EXPORTER, 4_000), court=court)) is Code.OK
    record = consortium.record(receivable)
    assert (parts_of(record), record.disputed, record.liens) == ({EXPORTER: 0, FACTOR_1: 6_000}, 0, ())


def test_a_court_needs_the_association_and_the_association_a_court(
    consortium: Consortium, court: str
) -> None:
    receivable = consortium.registered("A")
    consortium.do(dispute(receivable, 5_000))
    operation = decision(receivable, 5_000, court=court)
    for signers in ([court], [ASSOCIATION]):
        with pytest.raises(NotPermitted):
            consortium.propose([consortium.entry(operation, signed_by=signers)])
    assert consortium.code(operation) is Code.OK


def test_a_court_decides_no_more_than_is_disputed(consortium: Consortium, court: str) -> None:
    receivable = consortium.registered("A")
    consortium.do(dispute(receivable, 5_000))
    assert consortium.code(decision(receivable, 5_001, court=court)) is Code.NO_DISPUTE
    assert consortium.code(decision(receivable, 0, (FACTOR_1, 1), court=court)) is Code.OVER_OUTSTANDING


def test_holders_alone_end_no_dispute(consortium: Consortium) -> None:
    receivable = consortium.registered("A")
    consortium.do(dispute(receivable, 5_000))
    alone = replace(decision(receivable, 5_000, court=""), court=None, holders=(EXPORTER,))
    assert consortium.code(alone) is Code.MISSING_SIGNATURE
