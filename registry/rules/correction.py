"""Rules of credit notes and corrections (RULEBOOK, "Evidence and existence")."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from ..errors import Code, Reason, RuleViolation
from ..fingerprints import FingerprintKind, Fingerprints
from ..operations.correction import CorrectReceivable, RecordCreditNote
from ..operations.existence import EvidenceKind
from ..operations.governance import Role
from ..receivable import CONFIRMED, Receivable
from ..record.liens import fit_liens
from ..record.parts import after_payment
from ..stored import Namespace
from ..time_units import DAY_MS
from .judgement import (
    HOLDING,
    Judgement,
    Party,
    Rule,
    live_receivable,
    not_rejected,
    positive,
    unrestrained,
)
from .papers import check_fingerprints, check_schedule, check_tenor, claim_fingerprints, return_deliveries


def record_credit_note(judgement: Judgement, operation: RecordCreditNote) -> bytes:
    """Less is owed: `diluted` grows and the named parts shrink, with the liens that no longer fit.

    Order: restraint, rejection, exporter, amounts, credit note unused, what is outstanding, then each share: consent of its
    holder, what it holds, consent of the lienholders. The debtor does not sign, so a dispute of it stays as far as there is value
    under it.
    """
    record = live_receivable(judgement, operation.receivable)
    unrestrained(record)
    not_rejected(record)
    _exporter_of(record, operation.exporter)
    for share in operation.shares:
        positive(share.amount)
    used_key = bytes([FingerprintKind.CREDIT_NOTE]) + operation.credit_note
    used = judgement.state.get(Namespace.FINGERPRINT, used_key)
    if used is not None:
        raise RuleViolation(
            Code.DUPLICATE_CREDIT_NOTE, "this credit note is recorded already", collided_with=used
        )
    total = sum(share.amount for share in operation.shares)
    if total > record.outstanding:
        raise RuleViolation(
            Code.OVER_OUTSTANDING,
            f"{total} credited, {record.outstanding} outstanding",
            collided_with=record.place,
            reasons=(Reason("outstanding", record.outstanding),),
        )
    for share in operation.shares:
        record = _credited(record, operation, share.holder, share.amount)
    judgement.state.put(Namespace.FINGERPRINT, used_key, judgement.place(record.receivable_id))
    return judgement.store(replace(record, changed_height=judgement.height))


def _credited(record: Receivable, operation: RecordCreditNote, holder: str, amount: int) -> Receivable:
    signing = (operation.exporter, *operation.consenting)
    if holder not in signing:
        raise RuleViolation(
            Code.HOLDER_CONSENT, f"{holder} must sign: its part shrinks", collided_with=record.place
        )
    held = record.amount_of(holder)
    if amount > held:
        raise RuleViolation(
            Code.OVER_OUTSTANDING,
            f"{holder} holds less than {amount}",
            collided_with=record.place,
            reasons=(Reason("held", held),),
        )
    shrunk = replace(
        record,
        parts=after_payment(record.parts, holder, amount),
        diluted=record.diluted + amount,
        confirmation=replace(
            record.confirmation, amount=min(record.confirmation.amount, record.outstanding - amount)
        ),
    )
    fitted = replace(shrunk, liens=fit_liens(shrunk, holder))
    for lien in record.liens:
        if lien not in fitted.liens and lien.pledgee not in signing:
            # A pledgor must not talk its pledgee's security away.
            raise RuleViolation(
                Code.HOLDER_CONSENT, f"{lien.pledgee} must sign: its lien shrinks", collided_with=lien.place
            )
    return fitted


def correct_receivable(judgement: Judgement, operation: CorrectReceivable) -> bytes:
    """Dates, papers and fingerprints as they should have been written. The operations before it stay on the chain, and what
    was claimed under the old fingerprints stays claimed.

    Amount, currency and parties are not clerical and cannot be named. Order: rejection, exporter, consent, what is clerical, dates,
    schedule, evidence, fingerprints.
    """
    record = live_receivable(judgement, operation.receivable)
    not_rejected(record)
    _exporter_of(record, operation.exporter)
    _check_consent(record, (operation.exporter, *operation.consenting))
    _check_clerical(judgement, record, operation)
    check_tenor(judgement, operation.issue_date, operation.due_date)
    check_schedule(operation.schedule, record.face_amount, operation.issue_date, operation.due_date)
    if not any(evidence.kind is EvidenceKind.INVOICE for evidence in operation.evidence):
        raise RuleViolation(Code.NO_TRADE_EVIDENCE, "no commitment to an invoice", collided_with=record.place)
    fingerprints = operation.fingerprints
    if fingerprints is not None:
        check_fingerprints(judgement, fingerprints, record.face_amount, instead=record.fingerprints)
        return_deliveries(judgement, record.fingerprints)
        # As of the registration: it is still the same receivable that they stand for.
        claim_fingerprints(judgement, record.exporter, record.debtor_reference, fingerprints, record.place)
    return judgement.store(
        replace(
            record,
            issue_date=operation.issue_date,
            due_date=operation.due_date,
            evidence=operation.evidence,
            schedule=operation.schedule,
            fingerprints=fingerprints or record.fingerprints,
            changed_height=judgement.height,
        )
    )


def _check_consent(record: Receivable, signing: Iterable[str]) -> None:
    interested = [part.holder for part in record.parts if part.amount]
    interested += [lien.pledgee for lien in record.liens]
    interested += [] if record.pool is None else [record.pool.factor]
    missing = [member for member in interested if member not in signing]
    if missing:
        raise RuleViolation(Code.HOLDER_CONSENT, f"{missing[0]} must sign", collided_with=record.place)


def _check_clerical(judgement: Judgement, record: Receivable, operation: CorrectReceivable) -> None:
    """What is no slip of the pen: nothing at all, another plan of payment, a promise or an attestation taken back."""
    new = operation.fingerprints
    attested = {each.paper for each in record.attestations}
    kept = {evidence.commitment for evidence in operation.evidence}
    dropped = {evidence.commitment for evidence in record.evidence} - kept
    moved = operation.due_date != record.due_date
    days = _moved_days(record, operation)
    today = judgement.time_ms // DAY_MS
    problems = (
        (not _changes_anything(record, operation), "nothing changes"),
        (
            [part.amount for part in operation.schedule] != [part.amount for part in record.schedule],
            "instalments are not clerical",
        ),
        (bool(days) and record.confirmation.kind in CONFIRMED, "the debtor has confirmed when it is due"),
        # Neither is what is overdue made not so, nor what is not due a default of today.
        (any(day < today for day in days), "a day on which it is due has passed"),
        (
            moved and (new is None or new.similar == record.fingerprints.similar),
            "the due date is part of a fingerprint, which must be given anew",
        ),
        (bool(dropped & attested), "a paper that was attested stays"),
        (new is not None and _gives_up_papers(record.fingerprints, new, attested), "a paper is given up"),
    )
    for holds, problem in problems:
        if holds:
            raise RuleViolation(Code.NOT_CLERICAL, problem, collided_with=record.place)


def _moved_days(record: Receivable, operation: CorrectReceivable) -> tuple[int, ...]:
    """Every day on which it is due that is changed, as it was and as it is to be."""
    pairs = [(record.due_date, operation.due_date)]
    pairs += [
        (old.due_date, new.due_date) for old, new in zip(record.schedule, operation.schedule, strict=False)
    ]
    return tuple(day for old, new in pairs if old != new for day in (old, new))


def _changes_anything(record: Receivable, operation: CorrectReceivable) -> bool:
    before = (record.issue_date, record.due_date, record.evidence, record.schedule)
    after = (operation.issue_date, operation.due_date, operation.evidence, operation.schedule)
    return before != after or operation.fingerprints not in (None, record.fingerprints)


def _gives_up_papers(old: Fingerprints, new: Fingerprints, attested: set[bytes]) -> bool:
    # By giving up a fiscal number or a delivery, a receivable would make room for a second one over the same goods.
    lost = {kind for kind, _value in old.strong()} - {kind for kind, _value in new.strong()}
    kept = (new.fiscal, *new.deliveries)
    changed = (old.fiscal, *old.deliveries)
    touched = {
        paper if isinstance(paper, bytes) else paper.fingerprint
        for paper in changed
        if paper is not None and paper not in kept
    }
    return bool(lost) or len(new.deliveries) < len(old.deliveries) or bool(touched & attested)


def _exporter_of(record: Receivable, exporter: str) -> None:
    if exporter != record.exporter:
        raise RuleViolation(
            Code.NOT_PERMITTED, f"{exporter} did not register this", collided_with=record.place
        )


def _signing(operation: RecordCreditNote | CorrectReceivable) -> tuple[Party, ...]:
    others = tuple(Party(member, HOLDING) for member in operation.consenting)
    return (Party(operation.exporter, (Role.EXPORTER,)), *others)


def _changes_fingerprint(operation: CorrectReceivable) -> bool:
    return operation.fingerprints is not None


RULES: Final = (
    Rule(RecordCreditNote, _signing, record_credit_note),
    Rule(CorrectReceivable, _signing, correct_receivable, governed_when=_changes_fingerprint),
)
