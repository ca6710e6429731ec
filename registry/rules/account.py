"""Rules of the collection account and of indirect payments (RULEBOOK, "Collection")."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from .. import limits
from ..errors import Code, Reason, RuleViolation
from ..operations.account import ReportIndirectPayment, SetCollectionAccount
from ..receivable import Receivable
from ..record.accounts import Account, IndirectPayment, turned_over, with_account, with_indirect
from ..record.notices import notice_of
from ..record.payments import BankReference
from ..stored import Namespace
from ..time_units import HOUR_MS
from .judgement import (
    HOLDING,
    Judgement,
    Party,
    Rule,
    entitled_members,
    held_part,
    known_receivable,
    live_receivable,
    never_used,
    positive,
    unclosed_receivable,
    unrestrained,
)


def set_collection_account(judgement: Judgement, operation: SetCollectionAccount) -> bytes:
    """Another account, once the policy's cooling-off is over. A later one takes the place of one that still waits.

    Lienholders are asked as holders are: money that goes astray is gone for them too. While the receivable is frozen or
    objected to, nobody directs its money elsewhere. Order: the receivable, restraint, consent, who signs without a right.
    """
    record = unclosed_receivable(judgement, operation.receivable)
    unrestrained(record)
    entitled = tuple(sorted(entitled_members(record)))
    missing = [member for member in entitled if member not in operation.holders]
    if missing:
        raise RuleViolation(
            Code.HOLDER_CONSENT, f"{', '.join(missing)} must sign", collided_with=record.place
        )
    idle = [member for member in operation.holders if member not in entitled]
    if idle:
        raise RuleViolation(Code.NOT_HOLDER, f"{idle[0]} has no part and no lien", collided_with=record.place)
    from_ms = judgement.time_ms + judgement.policy.cooling_off_hours * HOUR_MS
    account = Account(operation.account, from_ms, judgement.place(record.receivable_id))
    collection = with_account(record.collection, account, judgement.time_ms)
    return judgement.store(replace(record, collection=collection, changed_height=judgement.height))


def report_indirect_payment(judgement: Judgement, operation: ReportIndirectPayment) -> bytes:
    """The exporter has what was due to a holder whose notice the debtor had acknowledged, and owes it to the holder.

    The receivable stays as large as it was, and the bank reference is used. Order: the receivable, amount, reporter, notice,
    part, reference. That the notice came first is judged by the chain, never by a date that somebody states.
    """
    if operation.turned_over:
        return _turn_over(judgement, operation)
    record = live_receivable(judgement, operation.receivable)
    positive(operation.amount)
    if operation.reporter not in (operation.holder, record.exporter):
        raise RuleViolation(
            Code.NOT_PERMITTED, "only the holder or the exporter reports it", collided_with=record.place
        )
    _check_indirect(record, operation.holder)
    held = held_part(record, operation.holder).amount
    owed = sum(each.amount for each in record.collection.indirect if each.holder == operation.holder)
    if operation.amount > held - owed:
        raise RuleViolation(
            Code.OVERPAYMENT,
            f"{operation.amount} paid, {held} owed to {operation.holder}, of which {owed} was paid indirectly",
            collided_with=record.place,
            reasons=(Reason("held", held), Reason("indirect", owed)),
        )
    state, place = judgement.state, judgement.place(record.receivable_id)
    never_used(judgement, operation.bank_reference)
    if len(record.collection.indirect) >= limits.INDIRECT_PAYMENTS_MAX:
        raise RuleViolation(
            Code.LIMIT_REACHED, f"at most {limits.INDIRECT_PAYMENTS_MAX} indirect payments stay open"
        )
    state.put(Namespace.BANK_REFERENCE, operation.bank_reference, BankReference(place, None))
    payment = IndirectPayment(operation.bank_reference, operation.holder, operation.amount, place)
    judgement.flag("indirect", operation.amount)
    collection = with_indirect(record.collection, payment)
    return judgement.store(replace(record, collection=collection, changed_height=judgement.height))


def _check_indirect(record: Receivable, holder: str) -> None:
    notice = notice_of(record.notices, holder)
    if holder == record.exporter or notice is None or notice.acknowledged is None:
        raise RuleViolation(
            Code.NOT_INDIRECT,
            f"the debtor has acknowledged no notice of an assignment to {holder}",
            collided_with=record.place if notice is None else notice.place,
        )


def _turn_over(judgement: Judgement, operation: ReportIndirectPayment) -> bytes:
    record = known_receivable(judgement, operation.receivable)
    if operation.reporter != operation.holder:
        raise RuleViolation(
            Code.NOT_PERMITTED, "only the holder says that it was turned over", collided_with=record.place
        )
    payment = record.collection.indirect_payment(operation.bank_reference)
    if payment is None or (payment.holder, payment.amount) != (operation.holder, operation.amount):
        raise RuleViolation(
            Code.NOT_INDIRECT,
            f"no such indirect payment is owed to {operation.holder}",
            collided_with=record.place if payment is None else payment.place,
        )
    collection = turned_over(record.collection, operation.bank_reference)
    return judgement.store(replace(record, collection=collection, changed_height=judgement.height))


def _holders(operation: SetCollectionAccount) -> tuple[Party, ...]:
    return tuple(Party(holder, HOLDING) for holder in operation.holders)


def _reporting(operation: ReportIndirectPayment) -> tuple[Party, ...]:
    return (Party(operation.reporter, HOLDING),)


RULES: Final = (
    Rule(SetCollectionAccount, _holders, set_collection_account),
    Rule(ReportIndirectPayment, _reporting, report_indirect_payment, while_suspended=True),
)
