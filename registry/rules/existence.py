"""Rules of evidence and existence (RULEBOOK, "Evidence and existence")."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from .. import limits
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
from ..parts import after_dilution, with_dispute, without_dispute
from ..receivable import UNCONFIRMED, Confirmation, ConfirmationKind, Part, Phase, Receivable
from ..state import DeliveryUse, Namespace
from .disposal import DAY_MS
from .judgement import (
    Judgement,
    Party,
    Rule,
    debtor_of,
    held_part,
    known_receivable,
    live_receivable,
    positive,
    similar_key,
)


def register_receivable(judgement: Judgement, operation: RegisterReceivable) -> bytes:
    """A new receivable, all of it the exporter's.

    Order: amount, currency, parties, dates and tenor, schedule, evidence, then the fingerprints, so that a malformed copy of
    an existing receivable learns nothing about it. Sources: Civil Code art. 761-763; RULEBOOK, "Fingerprints".
    """
    positive(operation.face_amount)
    if operation.currency not in judgement.policy.currencies:
        raise RuleViolation(
            Code.CURRENCY_MISMATCH,
            f"{operation.currency} is not a currency of this consortium; allowed are "
            + ", ".join(judgement.policy.currencies),
        )
    _check_parties(judgement, operation)
    _check_dates(judgement, operation)
    _check_schedule(operation)
    _check_evidence(judgement, operation)
    _check_fingerprints(judgement, operation)

    identifier = receivable_id(judgement.entry_id, judgement.operation_index)
    place = judgement.place(identifier)
    _claim_fingerprints(judgement, operation, identifier)
    return judgement.store(
        Receivable(
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
    )


def _check_parties(judgement: Judgement, operation: RegisterReceivable) -> None:
    exporter = judgement.state.member(operation.exporter)
    if exporter is not None and exporter.debtor_reference == operation.debtor_reference:
        raise RuleViolation(Code.RELATED_PARTY, "an exporter cannot be its own debtor")
    named = operation.reverse_factoring_debtor
    if named is not None:
        debtor = judgement.state.member(named)
        if debtor is None or debtor.debtor_reference != operation.debtor_reference:
            raise RuleViolation(Code.BAD_IDENTIFIER, f"{named} is not the debtor that the reference names")


def _check_dates(judgement: Judgement, operation: RegisterReceivable) -> None:
    tenor_days = operation.due_date - operation.issue_date
    if not 0 <= tenor_days <= judgement.policy.tenor_max_days:
        raise RuleViolation(
            Code.TENOR,
            f"due {tenor_days} days after issue; allowed are 0 to {judgement.policy.tenor_max_days}",
        )
    # One day of grace: the issuer's calendar may be ahead of UTC. A later date would make a future receivable look live and
    # stretch the tenor.
    if operation.issue_date > judgement.time_ms // DAY_MS + 1:
        raise RuleViolation(Code.TENOR, "the invoice is issued in the future")


def _check_schedule(operation: RegisterReceivable) -> None:
    schedule = operation.schedule
    if not schedule:
        return
    total = sum(instalment.amount for instalment in schedule)
    if total != operation.face_amount or any(instalment.amount == 0 for instalment in schedule):
        raise RuleViolation(
            Code.SCHEDULE_SUM, f"instalments add up to {total}, the face amount is {operation.face_amount}"
        )
    if schedule[0].due_date < operation.issue_date or schedule[-1].due_date != operation.due_date:
        raise RuleViolation(
            Code.SCHEDULE_SUM, "instalments must lie between issue and due date and end on the latter"
        )


def _check_evidence(judgement: Judgement, operation: RegisterReceivable) -> None:
    if not any(evidence.kind is EvidenceKind.INVOICE for evidence in operation.evidence):
        raise RuleViolation(Code.NO_TRADE_EVIDENCE, "no commitment to an invoice")
    if judgement.policy.require_delivery_evidence and not operation.fingerprints.deliveries:
        raise RuleViolation(Code.NO_TRADE_EVIDENCE, "the policy requires evidence of delivery")


def _check_fingerprints(judgement: Judgement, operation: RegisterReceivable) -> None:
    state = judgement.state
    epoch = state.governance().fingerprint_epoch
    if operation.fingerprints.epoch != epoch:
        # Under another key the same papers have other fingerprints, and a duplicate would not be seen.
        raise RuleViolation(
            Code.FINGERPRINT_MISMATCH,
            f"fingerprints of epoch {operation.fingerprints.epoch}, the consortium's key is of epoch {epoch}",
        )
    for kind, value in operation.fingerprints.strong():
        claimed = state.get(Namespace.FINGERPRINT, bytes([kind]) + value)
        if claimed is not None:
            raise RuleViolation(
                Code.DUPLICATE_RECEIVABLE,
                f"the {kind.name.lower()} fingerprint is registered already",
                collided_with=claimed,
                reasons=(Reason(kind.name.lower(), operation.face_amount),),
            )
    deliveries = operation.fingerprints.deliveries
    if len({delivery.fingerprint for delivery in deliveries}) != len(deliveries):
        raise RuleViolation(Code.DUPLICATE_DELIVERY, "one delivery is named twice")
    for delivery in deliveries:
        use = state.get(Namespace.DELIVERY, delivery.fingerprint)
        # The smallest quantity that anybody stated stands: a document is not enlarged to make room, neither by a later
        # registration nor by a first one made for this purpose.
        stated = delivery.document_quantity
        available = stated if use is None else max(0, min(stated, use.document_quantity) - use.consumed)
        if delivery.quantity > available:
            raise RuleViolation(
                Code.DUPLICATE_DELIVERY,
                f"{delivery.quantity} of this delivery are claimed, {available} are not consumed yet",
                collided_with=None if use is None else use.first,
            )


def _claim_fingerprints(judgement: Judgement, operation: RegisterReceivable, identifier: bytes) -> None:
    state, place = judgement.state, judgement.place(identifier)
    for kind, value in operation.fingerprints.strong():
        state.put(Namespace.FINGERPRINT, bytes([kind]) + value, place)
    key = similar_key(operation.exporter, operation.debtor_reference, operation.fingerprints.similar)
    similar: tuple[bytes, ...] = state.get(Namespace.SIMILAR, key) or ()
    if len(similar) >= limits.SUSPICIONS_MAX:
        # One more could not be listed, and its taker would never be told of the others behind it.
        raise RuleViolation(
            Code.LIMIT_REACHED,
            f"{len(similar)} receivables have the same parties, amount and due date already",
            collided_with=known_receivable(judgement, similar[0]).place,
        )
    state.put(Namespace.SIMILAR, key, (*similar, identifier))
    for delivery in operation.fingerprints.deliveries:
        use = state.get(Namespace.DELIVERY, delivery.fingerprint) or DeliveryUse(
            delivery.document_quantity, 0, place
        )
        smallest = min(use.document_quantity, delivery.document_quantity)
        state.put(
            Namespace.DELIVERY,
            delivery.fingerprint,
            replace(use, document_quantity=smallest, consumed=use.consumed + delivery.quantity),
        )


def confirm(judgement: Judgement, operation: Confirm) -> bytes:
    """The debtor owes this amount, expressly. A later confirmation can add to an earlier one, in amount and in waived
    defences, and takes nothing back: somebody may have relied on it.

    Source: Civil Code art. 763 (a debtor who confirmed cannot plead that the receivable was fictitious).
    """
    record = live_receivable(judgement, operation.receivable)
    positive(operation.amount)
    debtor_of(judgement, record, operation.debtor)
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
    """Debtor and holders agree what of the disputed amount is owed (`freed`) and what is not (`dilution`).

    A holder whose part shrinks must have signed; where nothing is diluted, one holder is enough.
    """
    record = live_receivable(judgement, operation.receivable)
    debtor_of(judgement, record, operation.debtor)
    diluted = sum(share.amount for share in operation.dilution)
    positive(operation.freed + diluted)
    if operation.freed + diluted > record.disputed:
        raise RuleViolation(
            Code.NO_DISPUTE,
            f"{operation.freed + diluted} resolved, {record.disputed} disputed",
            collided_with=record.place,
            reasons=(Reason("disputed", record.disputed),),
        )
    if not sum(held_part(record, holder).amount for holder in operation.holders):
        raise RuleViolation(
            Code.NOT_HOLDER, "no signing holder has anything left", collided_with=record.place
        )
    for share in operation.dilution:
        record = _dilute(record, operation, share.holder, share.amount)
    parts = without_dispute(record.parts, operation.freed)
    return judgement.store(replace(record, parts=parts, changed_height=judgement.height))


def _dilute(record: Receivable, operation: ResolveDispute, holder: str, amount: int) -> Receivable:
    positive(amount)
    if holder not in operation.holders:
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
    if amount > unpledged:
        # A pledgor must not talk its pledgee's security away with the debtor's help.
        lien = next(lien for lien in record.liens if lien.pledgor == holder)
        raise RuleViolation(
            Code.PLEDGED,
            f"only {unpledged} of the part of {holder} is not pledged",
            collided_with=lien.place,
            reasons=(Reason("pledged", record.pledged_by(holder)),),
        )
    confirmed = min(record.confirmation.amount, record.outstanding - amount)
    return replace(
        record,
        parts=after_dilution(record.parts, holder, amount),
        diluted=record.diluted + amount,
        confirmation=replace(record.confirmation, amount=confirmed),
    )


def cancel_receivable(judgement: Judgement, operation: CancelReceivable) -> bytes:
    """The exporter withdraws a receivable that nobody else has an interest in. Its fingerprints stay claimed for ever."""
    record = live_receivable(judgement, operation.receivable)
    if operation.exporter != record.exporter:
        raise RuleViolation(
            Code.NOT_PERMITTED, f"{operation.exporter} did not register this", collided_with=record.place
        )
    others = [part for part in record.parts if part.holder != record.exporter and part.amount > 0]
    if others or record.liens or record.paid:
        collided = record.liens[0].place if record.liens else others[0].since if others else record.place
        raise RuleViolation(
            Code.ENCUMBERED,
            "it is assigned, pledged or partly paid",
            collided_with=collided,
            reasons=(
                Reason("assigned", sum(part.amount for part in others)),
                Reason("pledged", record.pledged_by(record.exporter)),
                Reason("paid", record.paid),
            ),
        )
    if record.confirmation.kind is not ConfirmationKind.NONE:
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
    holders = tuple(Party(holder, (Role.EXPORTER, Role.FACTOR)) for holder in operation.holders)
    return (Party(operation.debtor, (Role.DEBTOR,)), *holders)


RULES: Final = (
    Rule(RegisterReceivable, _registering, register_receivable),
    Rule(Confirm, _debtor, confirm),
    Rule(RaiseDispute, _debtor, raise_dispute),
    Rule(ResolveDispute, _resolving, resolve_dispute),
    Rule(CancelReceivable, _cancelling, cancel_receivable),
)
