"""Rules of future receivables (RULEBOOK, "Evidence and existence")."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ..errors import Code, Reason, RuleViolation
from ..identifiers import receivable_id
from ..operations.existence import EvidenceKind
from ..operations.future import Crystallise, RegisterFutureReceivable
from ..operations.governance import Role
from ..receivable import UNCONFIRMED, Part, Phase, Receivable
from ..record.future import FutureTerms, served_first, split_liens
from ..record.notices import acknowledged_anew
from ..record.terms import has_recourse, split_terms
from .blankets import attached
from .judgement import Judgement, Party, Rule, known_receivable, positive, unrestrained
from .papers import allowed_currency, check_fingerprints, check_tenor, claim_fingerprints, not_own_debtor
from .relationships import note_trade

_DELIVERY_KINDS: Final = (EvidenceKind.DELIVERY, EvidenceKind.CUSTOMS)


def register_future_receivable(judgement: Judgement, operation: RegisterFutureReceivable) -> bytes:
    """A contract under which receivables will arise; all that is left of its cap is the exporter's.

    Order: amount, currency, parties, dates, evidence, fingerprints. Source: Civil Code art. 761.
    """
    positive(operation.cap)
    allowed_currency(judgement, operation.currency)
    not_own_debtor(judgement, operation.exporter, operation.debtor_reference)
    if operation.end_date < operation.contract_date:
        raise RuleViolation(Code.TENOR, "the end date is before the contract's")
    if not any(evidence.kind is EvidenceKind.CONTRACT for evidence in operation.evidence):
        raise RuleViolation(Code.NO_TRADE_EVIDENCE, "no commitment to a contract")
    if operation.fingerprints.deliveries:
        raise RuleViolation(Code.NO_TRADE_EVIDENCE, "what was delivered already is no future receivable")
    check_fingerprints(judgement, operation.fingerprints, operation.cap)

    identifier = receivable_id(judgement.entry_id, judgement.operation_index)
    place = judgement.place(identifier)
    claim_fingerprints(
        judgement, operation.exporter, operation.debtor_reference, operation.fingerprints, place
    )
    return judgement.store(
        Receivable(
            receivable_id=identifier,
            place=place,
            exporter=operation.exporter,
            debtor_reference=operation.debtor_reference,
            currency=operation.currency,
            face_amount=operation.cap,
            issue_date=operation.contract_date,
            due_date=operation.end_date,
            fingerprints=operation.fingerprints,
            evidence=operation.evidence,
            schedule=(),
            phase=Phase.FUTURE,
            confirmation=UNCONFIRMED,
            diluted=0,
            paid=0,
            parts=(Part(operation.exporter, operation.cap, disputed=0, with_recourse=False, since=place),),
            disposals=(),
            liens=(),
            changed_height=judgement.height,
            future=FutureTerms(operation.cap, 0),
        )
    )


def crystallise(judgement: Judgement, operation: Crystallise) -> bytes:
    """An invoice under the contract becomes a live receivable of its own, and the cap shrinks by its amount.

    Order: phase, parties, amount, cap, dates, evidence, fingerprints. The subject of the result is the new receivable.
    """
    record = known_receivable(judgement, operation.receivable)
    # What arises would otherwise leave the restraint behind.
    unrestrained(record)
    if record.phase is not Phase.FUTURE or record.future is None:
        phase = record.phase.name.lower()
        raise RuleViolation(
            Code.NOT_FUTURE,
            f"the receivable is {phase}",
            collided_with=record.place,
            reasons=(Reason(phase, record.outstanding),),
        )
    _check_parties(judgement, record, operation)
    positive(operation.amount)
    if operation.amount > record.outstanding:
        raise RuleViolation(
            Code.OVER_CAP,
            f"{operation.amount} has arisen, {record.outstanding} of the cap is left",
            collided_with=record.place,
            reasons=(Reason("cap_left", record.outstanding),),
        )
    _check_dates(judgement, record, operation)
    if not any(evidence.kind is EvidenceKind.INVOICE for evidence in operation.evidence):
        raise RuleViolation(Code.NO_TRADE_EVIDENCE, "no commitment to an invoice", collided_with=record.place)
    if not operation.fingerprints.deliveries:
        raise RuleViolation(Code.NO_TRADE_EVIDENCE, "nothing was delivered yet", collided_with=record.place)
    check_fingerprints(judgement, operation.fingerprints, operation.amount)

    identifier = receivable_id(judgement.entry_id, judgement.operation_index)
    place = judgement.place(identifier)
    claim_fingerprints(judgement, record.exporter, record.debtor_reference, operation.fingerprints, place)
    note_trade(judgement, record.exporter, record.debtor_reference)
    arisen, left = _split(judgement, record, operation, identifier)
    judgement.store(left)
    if not arisen.liens and all(part.holder == record.exporter for part in arisen.parts):
        # Nobody was there first, so a blanket assignment covers it as it would any registration.
        arisen = attached(judgement, arisen)
    return judgement.store(arisen)


def _check_parties(judgement: Judgement, record: Receivable, operation: Crystallise) -> None:
    if operation.exporter != record.exporter:
        raise RuleViolation(
            Code.NOT_PERMITTED, f"{operation.exporter} did not register this", collided_with=record.place
        )
    witness = judgement.state.member(operation.witness)
    if witness is not None and witness.debtor_reference == record.debtor_reference:
        return
    if (
        witness is None
        or not (
            Role.ATTESTER in witness.roles and any(kind in witness.accredited for kind in _DELIVERY_KINDS)
        )
        or operation.witness in record.parties()
    ):
        raise RuleViolation(
            Code.NOT_PERMITTED,
            f"{operation.witness} is neither the debtor nor accredited for deliveries, or is a party",
            collided_with=record.place,
        )


def _check_dates(judgement: Judgement, record: Receivable, operation: Crystallise) -> None:
    if not record.issue_date <= operation.issue_date <= record.due_date:
        raise RuleViolation(
            Code.TENOR, "issued before the contract began or after its end date", collided_with=record.place
        )
    check_tenor(judgement, operation.issue_date, operation.due_date)


def _split(
    judgement: Judgement, record: Receivable, operation: Crystallise, identifier: bytes
) -> tuple[Receivable, Receivable]:
    """(what arises, what is left of the future receivable)."""
    assert record.future is not None
    place = judgement.place(identifier)
    served = served_first(record.parts, record.exporter, operation.amount)
    on_arisen, on_left = split_liens(record.liens, served)
    passed_on = {disposal.holder for disposal in record.disposals}
    terms, terms_left = split_terms(record.terms, served, passed_on, record.exporter)
    left = replace(
        record,
        face_amount=record.face_amount - operation.amount,
        parts=tuple(
            replace(
                part,
                amount=part.amount - served.get(part.holder, 0),
                with_recourse=has_recourse(terms_left, part.holder),
            )
            for part in record.parts
        ),
        terms=terms_left,
        liens=on_left,
        future=FutureTerms(record.future.cap, record.future.crystallised + operation.amount),
        changed_height=judgement.height,
    )
    # Whatever else concerns the contract concerns what comes of it too: the terms of assignments, notices, restraints, the
    # account. Its papers and claims are its own, but for a void one.
    arisen = replace(
        record,
        receivable_id=identifier,
        place=place,
        face_amount=operation.amount,
        issue_date=operation.issue_date,
        due_date=operation.due_date,
        fingerprints=operation.fingerprints,
        evidence=operation.evidence,
        phase=Phase.LIVE,
        parts=tuple(
            replace(
                part,
                amount=served[part.holder],
                with_recourse=has_recourse(terms, part.holder),
                since=place,
            )
            for part in record.parts
            if part.holder in served
        ),
        disposals=tuple(
            replace(disposal, amount=min(disposal.amount, operation.amount)) for disposal in record.disposals
        ),
        terms=terms,
        liens=on_arisen,
        reservations=(),
        # Nobody has been silent about an invoice that is of today.
        notices=acknowledged_anew(record.notices, judgement.time_ms),
        lapsed=(),
        # A decision about the contract has not been executed on an invoice.
        judgments=(),
        changed_height=judgement.height,
        future=None,
        origin=record.receivable_id,
        attestations=tuple(each for each in record.attestations if each.voided),
    )
    return arisen, left


def _crystallising(operation: Crystallise) -> tuple[Party, ...]:
    return (
        Party(operation.exporter, (Role.EXPORTER,)),
        Party(operation.witness, (Role.DEBTOR, Role.ATTESTER)),
    )


def _registering(operation: RegisterFutureReceivable) -> tuple[Party, ...]:
    return (Party(operation.exporter, (Role.EXPORTER,)),)


RULES: Final = (
    Rule(RegisterFutureReceivable, _registering, register_future_receivable),
    Rule(Crystallise, _crystallising, crystallise),
)
