"""Rules of what did not come in (RULEBOOK, "Collection"): a reversed payment, a default."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate
from typing import Final

from .. import limits
from ..errors import Code, Reason, Reference, RuleViolation
from ..operations.arrears import DeclareDefault, ReversePayment
from ..operations.governance import Role
from ..receivable import Phase, Receivable
from ..record.covers import PolicyUse, cover_of, policy_use_id, uses_of, with_cut
from ..record.payments import BankReference, Payment, without_payment
from ..stored import Namespace
from ..time_units import DAY_MS
from .collection import attests_payments
from .judgement import (
    HOLDING,
    Judgement,
    Party,
    Rule,
    closed,
    entitled_members,
    known_receivable,
    live_receivable,
    reopened,
)
from .papers import reclaim_fingerprints


def reverse_payment(judgement: Judgement, operation: ReversePayment) -> bytes:
    """The amount is owed again to who was paid, under the liens that the payment had cut; a settled receivable opens again.

    The bank reference stays used: another payment has another one. What was written off or cancelled stays closed.
    Order: the receivable, the payment, who reports, whether it can open again.
    """
    record = known_receivable(judgement, operation.receivable)
    payment = judgement.state.payment(operation.bank_reference)
    if payment is None or payment.receivable != record.receivable_id:
        raise RuleViolation(
            Code.UNKNOWN_PAYMENT,
            "no payment under this reference stands on it",
            collided_with=record.place,
        )
    is_own_word = operation.reporter == payment.holder and not payment.attested
    if not is_own_word and not attests_payments(judgement, record, operation.reporter):
        raise RuleViolation(
            Code.NOT_PERMITTED,
            "an attesting bank that is no party reverses a payment, or who was paid if no bank attested it",
            collided_with=payment.place,
        )
    if record.phase is Phase.CANCELLED or (record.phase is Phase.SETTLED and record.outstanding):
        raise closed(record)
    place = judgement.place(record.receivable_id)
    owed_again = without_payment(record, payment, judgement.time_ms, place)
    if len(owed_again.parts) > limits.HOLDERS_MAX or len(owed_again.liens) > limits.LIENS_MAX:
        raise RuleViolation(Code.LIMIT_REACHED, f"a receivable has at most {limits.HOLDERS_MAX} holders")
    if record.phase is Phase.SETTLED:
        reclaim_fingerprints(judgement, record)
        owed_again = reopened(judgement, owed_again, Phase.LIVE if record.default is None else Phase.OVERDUE)
    owed_again = _covered_again(judgement, owed_again, payment)
    used = BankReference(payment.place, None)
    judgement.state.put(Namespace.BANK_REFERENCE, operation.bank_reference, used)
    judgement.flag("reversed", payment.amount)
    return judgement.store(replace(owed_again, changed_height=judgement.height))


def _covered_again(judgement: Judgement, record: Receivable, payment: Payment) -> Receivable:
    """What the payment cut from covers that have not run out since, as far as their policies have room for it by now."""
    covers, before = record.covers, uses_of(record.covers, record.currency)
    for cut in payment.covers:
        # After a default a cover runs past its end, and one that was altered has another. One that a payment cut away whole after the
        # default was kept for the claim until then: a payment that bounces must not rid the insurer of a loss that has come.
        runs = cover_of(covers, cut.cover.cover_id) is not None or _came_before(record.default, payment.place)
        if not runs and cut.cover.until_ms <= judgement.time_ms:
            continue
        key = policy_use_id(cut.cover.insurer, cut.cover.policy, record.currency)
        use: PolicyUse | None = judgement.state.get(Namespace.COVERAGE, key)
        assert use is not None
        taken = uses_of(covers, record.currency).get(key, 0) - before.get(key, 0)
        covers = with_cut(covers, cut, use.left - taken)
    return replace(record, covers=covers)


def _came_before(earlier: Reference | None, later: Reference) -> bool:
    return earlier is not None and (earlier.height, earlier.entry_index, earlier.operation_index) < (
        later.height,
        later.entry_index,
        later.operation_index,
    )


def declare_default(judgement: Judgement, operation: DeclareDefault) -> bytes:
    """What is due has not been paid within the policy's days of grace. The first declaration stands; another changes nothing.

    Order: the receivable, the holder, the day. A default that was paid since stays on record.
    """
    record = live_receivable(judgement, operation.receivable)
    if operation.holder not in entitled_members(record):
        raise RuleViolation(
            Code.NOT_HOLDER, f"{operation.holder} has no part and no lien", collided_with=record.place
        )
    due = first_unpaid_day(record)
    last_day = due + judgement.policy.grace_days
    if not record.outstanding or judgement.time_ms // DAY_MS <= last_day:
        raise RuleViolation(
            Code.NOT_DUE,
            f"day {last_day} must be over, and something unpaid",
            collided_with=record.place,
            reasons=(Reason("outstanding", record.outstanding),),
        )
    if record.phase is Phase.OVERDUE:
        return record.receivable_id
    default = record.default or judgement.place(record.receivable_id)
    overdue = replace(
        record.move_to(Phase.OVERDUE),
        default=default,
        changed_height=judgement.height,
    )
    return judgement.store(overdue)


def first_unpaid_day(record: Receivable) -> int:
    """When the earliest instalment that is not covered was due, as days since 1970-01-01: payments and dilutions cover the
    earliest first."""
    covered = record.paid + record.diluted
    totals = accumulate(instalment.amount for instalment in record.schedule)
    for instalment, total in zip(record.schedule, totals, strict=True):
        if total > covered:
            return instalment.due_date
    return record.due_date


def _reversing(operation: ReversePayment) -> tuple[Party, ...]:
    return (Party(operation.reporter, (*HOLDING, Role.ATTESTER)),)


def _declaring(operation: DeclareDefault) -> tuple[Party, ...]:
    return (Party(operation.holder, HOLDING),)


RULES: Final = (
    Rule(ReversePayment, _reversing, reverse_payment, while_suspended=True),
    Rule(DeclareDefault, _declaring, declare_default, while_suspended=True),
)
