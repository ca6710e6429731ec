"""Rules of evidence and existence (RULEBOOK, "Evidence and existence")."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ..errors import Code, Reason, RuleViolation
from ..identifiers import receivable_id
from ..operations.existence import (
    CancelReceivable,
    Confirm,
    EvidenceKind,
    RaiseDispute,
    RegisterReceivable,
    ResolveDispute,
)
from ..operations.governance import Role
from ..receivable import CONFIRMED, UNCONFIRMED, Confirmation, ConfirmationKind, Part, Phase, Receivable
from ..record.liens import fit_liens
from ..record.parts import after_dilution, with_dispute, without_dispute
from .blankets import attached
from .judgement import (
    HOLDING,
    Judgement,
    Party,
    Rule,
    debtor_of,
    held_part,
    live_receivable,
    not_rejected,
    positive,
    unclosed_receivable,
    unrestrained,
)
from .papers import (
    allowed_currency,
    check_fingerprints,
    check_schedule,
    check_tenor,
    claim_fingerprints,
    not_own_debtor,
)
from .relationships import note_trade


def register_receivable(judgement: Judgement, operation: RegisterReceivable) -> bytes:
    """A new receivable, all of it the exporter's.

    All of it is a factor's when a blanket assignment covers it.

    Order: amount, currency, parties, dates and tenor, schedule, evidence, then the fingerprints, so that a malformed copy of
    an existing receivable learns nothing about it. Sources: Civil Code art. 761-763; RULEBOOK, "Fingerprints".
    """
    positive(operation.face_amount)
    allowed_currency(judgement, operation.currency)
    _check_parties(judgement, operation)
    check_tenor(judgement, operation.issue_date, operation.due_date)
    check_schedule(operation.schedule, operation.face_amount, operation.issue_date, operation.due_date)
    _check_evidence(judgement, operation)
    check_fingerprints(judgement, operation.fingerprints, operation.face_amount)

    identifier = receivable_id(judgement.entry_id, judgement.operation_index)
    place = judgement.place(identifier)
    claim_fingerprints(
        judgement, operation.exporter, operation.debtor_reference, operation.fingerprints, place
    )
    note_trade(judgement, operation.exporter, operation.debtor_reference)
    record = Receivable(
        receivable_id=identifier,
        place=place,
        exporter=operation.exporter,
        debtor_reference=operation.debtor_reference,
        currency=operation.currency,
        face_amount=operation.face_amount,
        issue_date=operation.issue_date,
        due_date=operation.due_date,
        fingerprints=operation.fingerprints,
        evidence=operation.evidence,
        schedule=operation.schedule,
        phase=Phase.LIVE,
        confirmation=UNCONFIRMED,
        diluted=0,
        paid=0,
        parts=(
            Part(operation.exporter, operation.face_amount, disputed=0, with_recourse=False, since=place),
        ),
        disposals=(),
        liens=(),
        changed_height=judgement.height,
    )
    return judgement.store(attached(judgement, record))


def _check_parties(judgement: Judgement, operation: RegisterReceivable) -> None:
    not_own_debtor(judgement, operation.exporter, operation.debtor_reference)
    named = operation.reverse_factoring_debtor
    if named is not None:
        debtor = judgement.state.member(named)
        if debtor is None or debtor.debtor_reference != operation.debtor_reference:
            raise RuleViolation(Code.BAD_IDENTIFIER, f"{named} is not the debtor that the reference names")


def _check_evidence(judgement: Judgement, operation: RegisterReceivable) -> None:
    if not any(evidence.kind is EvidenceKind.INVOICE for evidence in operation.evidence):
        raise RuleViolation(Code.NO_TRADE_EVIDENCE, "no commitment to an invoice")
    if judgement.policy.require_delivery_evidence and not operation.fingerprints.deliveries:
        raise RuleViolation(Code.NO_TRADE_EVIDENCE, "the policy requires evidence of delivery")


def confirm(judgement: Judgement, operation: Confirm) -> bytes:
    """The debtor owes this amount, expressly. A later confirmation can add to an earlier one, in amount and in waived
    defences, and takes nothing back: somebody may have relied on it.

    Source: Civil Code art. 763 (a debtor who confirmed cannot plead that the receivable was fictitious).
    """
    record = live_receivable(judgement, operation.receivable)
    positive(operation.amount)
    debtor_of(judgement, record, operation.debtor)
    not_rejected(record)
    if operation.amount > record.outstanding:
        raise RuleViolation(
            Code.AMOUNT_MISMATCH,
            f"{operation.amount} confirmed, {record.outstanding} outstanding",
            collided_with=record.place,
            reasons=(Reason("outstanding", record.outstanding),),
        )
    if operation.amount < record.confirmation.amount:
        raise RuleViolation(
            Code.AMOUNT_MISMATCH,
            f"{record.confirmation.amount} is confirmed already, and a confirmation is not taken back",
            collided_with=record.place,
            reasons=(Reason("confirmed", record.confirmation.amount),),
        )
    waived = tuple(sorted({*record.confirmation.waived, *operation.waived}))
    confirmation = Confirmation(ConfirmationKind.EXPRESS, operation.amount, waived)
    return judgement.store(replace(record, confirmation=confirmation, changed_height=judgement.height))


def raise_dispute(judgement: Judgement, operation: RaiseDispute) -> bytes:
    """The debtor disputes an amount; it cannot be disposed of until resolved."""
    record = live_receivable(judgement, operation.receivable)
    positive(operation.amount)
    debtor_of(judgement, record, operation.debtor)
    not_rejected(record)
    if record.disputed + operation.amount > record.outstanding:
        raise RuleViolation(
            Code.OVER_OUTSTANDING,
            f"{record.disputed} disputed already, {record.outstanding} outstanding",
            collided_with=record.place,
            reasons=(Reason("disputed", record.disputed), Reason("outstanding", record.outstanding)),
        )
    return judgement.store(
        replace(record, parts=with_dispute(record.parts, operation.amount), changed_height=judgement.height)
    )


def resolve_dispute(judgement: Judgement, operation: ResolveDispute) -> bytes:
    """Debtor and holders agree what of the disputed amount is owed (`freed`) and what is not (`dilution`), or a court has
    decided it and the association signs with it.

    A holder whose part shrinks must have signed; where nothing is diluted, one holder is enough. A court needs nobody's
    consent, and liens shrink with the value under them.
    """
    record = live_receivable(judgement, operation.receivable)
    if operation.court is None:
        if operation.debtor is None:
            raise RuleViolation(
                Code.MISSING_SIGNATURE, "neither debtor nor court has signed", collided_with=record.place
            )
        debtor_of(judgement, record, operation.debtor)
        if operation.dilution:
            # Debtor and holder together could make what a court has frozen vanish.
            unrestrained(record)
    diluted = sum(share.amount for share in operation.dilution)
    positive(operation.freed + diluted)
    if operation.freed + diluted > record.disputed:
        raise RuleViolation(
            Code.NO_DISPUTE,
            f"{operation.freed + diluted} resolved, {record.disputed} disputed",
            collided_with=record.place,
            reasons=(Reason("disputed", record.disputed),),
        )
    held = sum(held_part(record, holder).amount for holder in operation.holders)
    if operation.court is None and not held:
        raise RuleViolation(
            Code.NOT_HOLDER, "no signing holder has anything left", collided_with=record.place
        )
    for share in operation.dilution:
        record = _dilute(record, operation, share.holder, share.amount)
    parts = without_dispute(record.parts, operation.freed)
    return judgement.store(replace(record, parts=parts, changed_height=judgement.height))


def _dilute(record: Receivable, operation: ResolveDispute, holder: str, amount: int) -> Receivable:
    positive(amount)
    if operation.court is None and holder not in operation.holders:
        raise RuleViolation(
            Code.HOLDER_CONSENT, f"{holder} must sign: its part shrinks", collided_with=record.place
        )
    if amount > record.amount_of(holder):
        raise RuleViolation(
            Code.OVER_OUTSTANDING,
            f"{holder} holds less than {amount}",
            collided_with=record.place,
            reasons=(Reason("held", record.amount_of(holder)),),
        )
    unpledged = record.amount_of(holder) - record.pledged_by(holder)
    if operation.court is None and amount > unpledged:
        # A pledgor must not talk its pledgee's security away with the debtor's help.
        lien = next(lien for lien in record.liens if lien.pledgor == holder)
        raise RuleViolation(
            Code.PLEDGED,
            f"only {unpledged} of the part of {holder} is not pledged",
            collided_with=lien.place,
            reasons=(Reason("pledged", record.pledged_by(holder)),),
        )
    confirmed = min(record.confirmation.amount, record.outstanding - amount)
    diluted = replace(
        record,
        parts=after_dilution(record.parts, holder, amount),
        diluted=record.diluted + amount,
        confirmation=replace(record.confirmation, amount=confirmed),
    )
    return replace(diluted, liens=fit_liens(diluted, holder))


def cancel_receivable(judgement: Judgement, operation: CancelReceivable) -> bytes:
    """The exporter withdraws a receivable that nobody else has an interest in. Its fingerprints stay claimed for ever."""
    record = unclosed_receivable(judgement, operation.receivable)
    if operation.exporter != record.exporter:
        raise RuleViolation(
            Code.NOT_PERMITTED, f"{operation.exporter} did not register this", collided_with=record.place
        )
    unrestrained(record)
    others = [part for part in record.parts if part.holder != record.exporter and part.amount > 0]
    if others or record.liens or record.reservations or record.paid or record.pool is not None:
        claims = [*(lien.place for lien in record.liens), *(part.since for part in others)]
        claims += [offer.place for offer in record.reservations]
        claims += [] if record.pool is None else [record.pool.place]
        collided = claims[0] if claims else record.place
        raise RuleViolation(
            Code.ENCUMBERED,
            "it is assigned, reserved, pledged, pooled or partly paid",
            collided_with=collided,
            reasons=(
                Reason("assigned", sum(part.amount for part in others)),
                Reason("pledged", record.pledged_by(record.exporter)),
                Reason("reserved", record.reserved_by(record.exporter)),
                Reason("paid", record.paid),
            ),
        )
    if record.confirmation.kind in CONFIRMED:
        if operation.debtor is None:
            raise RuleViolation(
                Code.MISSING_SIGNATURE,
                "the debtor has confirmed and must sign too",
                collided_with=record.place,
            )
        debtor_of(judgement, record, operation.debtor)
    return judgement.store(replace(record.move_to(Phase.CANCELLED), changed_height=judgement.height))


def _registering(operation: RegisterReceivable) -> tuple[Party, ...]:
    exporter = Party(operation.exporter, (Role.EXPORTER,))
    debtor = operation.reverse_factoring_debtor
    return (exporter,) if debtor is None else (exporter, Party(debtor, (Role.DEBTOR,)))


def _cancelling(operation: CancelReceivable) -> tuple[Party, ...]:
    exporter = Party(operation.exporter, (Role.EXPORTER,))
    return (exporter,) if operation.debtor is None else (exporter, Party(operation.debtor, (Role.DEBTOR,)))


def _debtor(operation: Confirm | RaiseDispute) -> tuple[Party, ...]:
    return (Party(operation.debtor, (Role.DEBTOR,)),)


def _resolving(operation: ResolveDispute) -> tuple[Party, ...]:
    holders = tuple(Party(holder, HOLDING) for holder in operation.holders)
    debtor = () if operation.debtor is None else (Party(operation.debtor, (Role.DEBTOR,)),)
    court = () if operation.court is None else (Party(operation.court, (Role.COURT,)),)
    return (*debtor, *holders, *court)


def _by_court(operation: ResolveDispute) -> bool:
    return operation.court is not None


RULES: Final = (
    Rule(RegisterReceivable, _registering, register_receivable),
    Rule(Confirm, _debtor, confirm),
    Rule(RaiseDispute, _debtor, raise_dispute),
    Rule(ResolveDispute, _resolving, resolve_dispute, governed_when=_by_court),
    Rule(CancelReceivable, _cancelling, cancel_receivable),
)
