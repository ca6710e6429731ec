"""Operations of the existence family with sensible defaults, and a run of blocks in which each of them is applied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

from registry.errors import Code
from registry.identifiers import MemberId
from registry.operations import (
    AttestEvidence,
    ConfirmTacitly,
    CorrectReceivable,
    Crystallise,
    RecordCreditNote,
    RegisterFutureReceivable,
    RejectReceivable,
)
from registry.operations.confirmation import OptIn, opt_in_message
from registry.operations.existence import DisputeReason, Evidence, EvidenceKind, HolderShare
from tests.registry.assignment_examples import acknowledgement, notice
from tests.registry.consortium import (
    BANK,
    DAY_MS,
    DEBTOR,
    DEBTOR_REFERENCE,
    EXPORTER,
    FACTOR_1,
    FINGERPRINT_KEY,
    START_DAY,
    Consortium,
    fingerprints_of,
    key_of,
    registration,
)

ALL_KINDS = tuple(EvidenceKind)


def accredit(consortium: Consortium, attester: str = BANK) -> None:
    """Let the attester attest evidence of every kind."""
    consortium.change_member(attester, accredited=ALL_KINDS)


def contract(number: str = "CON-1", **changes: Any) -> RegisterFutureReceivable:
    """A contract of 100 days under which up to 10,000 may arise."""
    fingerprint = FINGERPRINT_KEY.contract(MemberId(EXPORTER), DEBTOR_REFERENCE, number)
    prints = replace(fingerprints_of(number), invoice=fingerprint)
    operation = RegisterFutureReceivable(
        exporter=EXPORTER,
        debtor_reference=DEBTOR_REFERENCE,
        currency="USD",
        cap=10_000,
        contract_date=START_DAY - 1,
        end_date=START_DAY + 100,
        fingerprints=prints,
        evidence=(Evidence(EvidenceKind.CONTRACT, sha256(b"contract " + number.encode()).digest()),),
    )
    return replace(operation, **changes)


def arising(future: bytes, number: str = "INV-F1", amount: int = 4_000, **changes: Any) -> Crystallise:
    """An invoice under the contract, with a delivery of its own; the debtor is the witness."""
    invoice = registration(number, amount=amount, deliveries=[("BL " + number, 1, 1)])
    operation = Crystallise(
        receivable=future,
        exporter=EXPORTER,
        witness=DEBTOR,
        amount=amount,
        issue_date=START_DAY,
        due_date=START_DAY + 90,
        fingerprints=invoice.fingerprints,
        evidence=invoice.evidence,
    )
    return replace(operation, **changes)


def attestation(
    consortium: Consortium, receivable: bytes, quantity: int = 10, **changes: Any
) -> AttestEvidence:
    """The bank has seen the receivable's first delivery."""
    deliveries = consortium.record(receivable).fingerprints.deliveries
    paper = deliveries[0].fingerprint if deliveries else bytes(32)
    operation = AttestEvidence(receivable, BANK, EvidenceKind.DELIVERY, paper, quantity, voided=False)
    return replace(operation, **changes)


def red_letter(consortium: Consortium, receivable: bytes, **changes: Any) -> AttestEvidence:
    """The bank voids the invoice."""
    paper = consortium.record(receivable).evidence[0].commitment
    operation = AttestEvidence(receivable, BANK, EvidenceKind.INVOICE, paper, 0, voided=True)
    return replace(operation, **changes)


def consent(
    consortium: Consortium, debtor: str = DEBTOR, exporter: str = EXPORTER, until_ms: int | None = None
) -> OptIn:
    """The debtor's consent that its silence counts, for a year."""
    until = consortium.now_ms + 365 * DAY_MS if until_ms is None else until_ms
    key = key_of(debtor)
    message = opt_in_message(consortium.genesis.chain_id, debtor, exporter, until)
    return OptIn(debtor, until, key.public_key, key.sign(message))


def silence(
    consortium: Consortium, receivable: bytes, holder: str = FACTOR_1, **changes: Any
) -> ConfirmTacitly:
    return replace(ConfirmTacitly(receivable, holder, consent(consortium)), **changes)


def rejection(receivable: bytes, debtor: str = DEBTOR) -> RejectReceivable:
    return RejectReceivable(receivable, debtor, DisputeReason.NOT_DELIVERED)


def credit(
    receivable: bytes,
    *shares: tuple[str, int],
    number: str = "CN-1",
    consenting: Sequence[str] = (),
    exporter: str = EXPORTER,
) -> RecordCreditNote:
    return RecordCreditNote(
        receivable=receivable,
        exporter=exporter,
        consenting=tuple(sorted(consenting)),
        credit_note=FINGERPRINT_KEY.credit_note(MemberId(EXPORTER), DEBTOR_REFERENCE, number),
        shares=tuple(HolderShare(holder, amount) for holder, amount in shares),
    )


def correction(consortium: Consortium, receivable: bytes, **changes: Any) -> CorrectReceivable:
    """Says what the record says; a test changes the field that it is about."""
    record = consortium.record(receivable)
    operation = CorrectReceivable(
        receivable=receivable,
        exporter=EXPORTER,
        consenting=(),
        issue_date=record.issue_date,
        due_date=record.due_date,
        evidence=record.evidence,
        schedule=record.schedule,
        fingerprints=None,
    )
    return replace(operation, **changes)


def noticed(consortium: Consortium, receivable: bytes, holder: str = FACTOR_1) -> None:
    """The debtor has acknowledged the holder's notice."""
    consortium.do(notice(receivable, holder))
    consortium.do(acknowledgement(receivable, holder))


def come_into_being(consortium: Consortium) -> None:
    """Each operation of the family once; all but the last are applied."""
    accredit(consortium)
    future = consortium.do(contract("CON-V")).results[0].subject
    arisen = consortium.do(arising(future, "INV-V1")).results[0].subject
    consortium.do(attestation(consortium, arisen, quantity=1))
    consortium.do(correction(consortium, arisen, issue_date=START_DAY - 1))
    consortium.do(credit(arisen, (EXPORTER, 500), number="CN-V"))
    second = consortium.registered("INV-V2")
    assert consortium.code(rejection(second)) is Code.OK
    third = consortium.registered("INV-V3")
    noticed(consortium, third, EXPORTER)
    # A block's time would have to pass for it to be applied.
    assert consortium.code(silence(consortium, third, EXPORTER)) is Code.TOO_EARLY
