"""Rules of collection (RULEBOOK, "Collection")."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ..errors import Code, Reason, RuleViolation
from ..member import MemberStatus
from ..operations.collection import RecordPayment, Settle
from ..operations.existence import EvidenceKind
from ..operations.governance import Role
from ..receivable import Lien, Phase, Receivable
from ..record.liens import fit_liens
from ..record.parts import after_collection, after_payment
from ..record.payments import BankReference, payment_between
from ..stored import Namespace
from .judgement import (
    HOLDING,
    Judgement,
    Party,
    Rule,
    held_part,
    live_receivable,
    never_used,
    positive,
    unfrozen,
    unrestrained,
)


def record_payment(judgement: Judgement, operation: RecordPayment) -> bytes:
    """A payment on one holder's part, under a bank reference that is used once.

    Liens that no longer fit the part shrink, the lowest rank first; what is disputed or confirmed never exceeds what is owed.
    """
    record = live_receivable(judgement, operation.receivable)
    positive(operation.amount)
    if operation.reporter == operation.holder:
        # What a court has frozen must not vanish on the word of who holds it. A bank can still attest that it was paid.
        unfrozen(record)
    elif not attests_payments(judgement, record, operation.reporter):
        raise RuleViolation(
            Code.NOT_PERMITTED,
            "only the payee or an attester accredited for payments that is no party reports a payment",
            collided_with=record.place,
        )
    held = held_part(record, operation.holder).amount
    if operation.amount > held:
        raise RuleViolation(
            Code.OVERPAYMENT,
            f"{operation.amount} paid, {held} owed to {operation.holder}",
            collided_with=record.place,
            reasons=(Reason("held", held), Reason("outstanding", record.outstanding)),
        )
    never_used(judgement, operation.bank_reference)
    paid = replace(
        record,
        parts=after_payment(record.parts, operation.holder, operation.amount),
        paid=record.paid + operation.amount,
        confirmation=replace(
            record.confirmation, amount=after_collection(record, operation.holder, operation.amount)
        ),
        changed_height=judgement.height,
    )
    liens = fit_liens(paid, operation.holder)
    if operation.reporter == operation.holder:
        _check_consent(record, liens, operation.consenting_pledgees)
    subject = judgement.store(replace(paid, liens=liens))
    _note_payment(judgement, record, operation)
    return subject


def _note_payment(judgement: Judgement, before: Receivable, operation: RecordPayment) -> None:
    """Note what the payment took from whom, for the day on which the bank calls it back."""
    after = judgement.state.receivable(before.receivable_id)
    assert after is not None
    place = judgement.place(before.receivable_id)
    attested = operation.reporter != operation.holder
    payment = payment_between(before, after, operation.holder, place, attested=attested)
    used = BankReference(place, payment)
    judgement.state.put(Namespace.BANK_REFERENCE, operation.bank_reference, used)


def attests_payments(judgement: Judgement, record: Receivable, member_id: str) -> bool:
    """Whether it is a bank that saw what others paid. A carrier did not, and who has a stake would attest for itself: its word
    ends the liens of others."""
    member = judgement.state.member(member_id)
    if member is None or member.debtor_reference == record.debtor_reference:
        return False
    is_bank = Role.ATTESTER in member.roles and EvidenceKind.PAYMENT in member.accredited
    return is_bank and member_id not in record.parties()


def _check_consent(record: Receivable, kept: tuple[Lien, ...], consenting: tuple[str, ...]) -> None:
    """A pledgor must not make its pledgee's security vanish by reporting a payment to itself."""
    amounts = {lien.lien_id: lien.amount for lien in kept}
    for lien in record.liens:
        if amounts.get(lien.lien_id, 0) < lien.amount and lien.pledgee not in consenting:
            raise RuleViolation(
                Code.PLEDGED,
                f"{lien.pledgee} must consent: the payment takes the value under its lien",
                collided_with=lien.place,
                reasons=(Reason("pledged", lien.amount),),
            )


def settle(judgement: Judgement, operation: Settle) -> bytes:
    """All holders close the receivable; with `write_off` what is outstanding stays on record as never collected."""
    record = live_receivable(judgement, operation.receivable)
    for holder in operation.holders:
        held_part(record, holder)
    # What was paid out earlier needs no second consent, unless nothing but emptied parts is left.
    present = [
        part.holder
        for part in record.parts
        if part.amount > 0 or (record.outstanding == 0 and _can_sign(judgement, part.holder))
    ]
    missing = [holder for holder in present if holder not in operation.holders]
    if missing:
        raise RuleViolation(
            Code.HOLDER_CONSENT, f"{', '.join(missing)} must sign", collided_with=record.place
        )
    if record.outstanding and not operation.write_off:
        raise RuleViolation(
            Code.OUTSTANDING,
            f"{record.outstanding} is outstanding; write it off or collect it first",
            collided_with=record.place,
            reasons=(Reason("outstanding", record.outstanding),),
        )
    if record.outstanding:
        unrestrained(record)
    if record.outstanding and record.liens:
        # A write-off must not end a security behind its holder's back.
        raise RuleViolation(
            Code.PLEDGED,
            f"{record.liens[0].pledgee} has a lien and must release it before the rest is written off",
            collided_with=record.liens[0].place,
        )
    if record.outstanding and record.pool is not None:
        raise RuleViolation(
            Code.PLEDGED,
            f"it stands in a pool of {record.pool.factor} and must be removed before the rest is written off",
            collided_with=record.pool.place,
        )
    closed = replace(record.move_to(Phase.SETTLED), liens=(), changed_height=judgement.height)
    return judgement.store(closed)


def _can_sign(judgement: Judgement, holder: str) -> bool:
    """An expelled member cannot, and has nothing left to lose where all was paid."""
    member = judgement.state.member(holder)
    return member is not None and member.status is not MemberStatus.EXPELLED


def _paying(operation: RecordPayment) -> tuple[Party, ...]:
    pledgees = tuple(Party(pledgee, (Role.FACTOR,)) for pledgee in operation.consenting_pledgees)
    return (Party(operation.reporter, (*HOLDING, Role.ATTESTER)), *pledgees)


def _settling(operation: Settle) -> tuple[Party, ...]:
    return tuple(Party(holder, HOLDING) for holder in operation.holders)


RULES: Final = (
    Rule(RecordPayment, _paying, record_payment, while_suspended=True),
    Rule(Settle, _settling, settle, while_suspended=True),
)
