"""Rules of assignment (RULEBOOK, "Assignment"): at once, by offer and acceptance, and back.

Blankets and notices, which are of this family too, have modules of their own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from .. import limits
from ..errors import Code, Reason, RuleViolation
from ..identifiers import offer_id
from ..operations.assignment import AcceptAssignment, Assign, OfferAssignment, Reassign, WithdrawOffer
from ..operations.governance import Role
from ..receivable import UNCONFIRMED, Disposal, Lien, Part, Receivable
from ..record.offers import Reservation, offer_of, without_offer
from ..record.pooled import Pooled
from ..record.terms import Terms, bar_on, has_recourse, terms_between, with_terms, without_recourse
from ..time_units import DAY_MS, HOUR_MS
from . import blankets, notices
from .disposal import Claim, check_bar, check_policy, confirmed_for, earlier_claim, free_of, place_of
from .judgement import (
    Judgement,
    Party,
    Rule,
    known_receivable,
    live_receivable,
    positive,
    unclosed_receivable,
    unrestrained,
)


def assign(judgement: Judgement, operation: Assign) -> bytes:
    """A part passes to the assignee.

    Order: holder, free amount, confirmation, due date, related party, bar of onward assignment, papers, suspicions.
    Source: Civil Code art. 545, 547, 768 (of several assignments the earlier registered one prevails).
    """
    record = unclosed_receivable(judgement, operation.receivable)
    return judgement.store(_assigned(judgement, record, operation))


def _assigned(judgement: Judgement, record: Receivable, operation: Assign) -> Receivable:
    unrestrained(record)
    positive(operation.amount)
    _check_holder(record, operation.assignor)
    blankets.not_promised(judgement, record, operation.assignor, operation.assignee)
    _check_free(
        judgement,
        record,
        operation.assignor,
        operation.amount,
        future_consented=operation.future_consented,
    )
    if judgement.policy.require_confirmation.covers_assignment():
        _check_confirmed(judgement, record, operation)
    check_policy(
        judgement,
        record,
        operation.assignee,
        operation.verified_fingerprints,
        operation.acknowledged_suspicions,
        barred=bar_on(record.terms, operation.assignor),
        holder=operation.assignor,
        amount=operation.amount,
    )
    terms = with_terms(
        record.terms,
        Terms(
            assignor=operation.assignor,
            assignee=operation.assignee,
            recourse=operation.amount if operation.with_recourse else 0,
            resale_barred=operation.resale_barred,
            latest=judgement.place(record.receivable_id),
        ),
        begins_anew=record.amount_of(operation.assignee) == 0,
    )
    return after_move(
        judgement, replace(record, terms=terms), operation.assignor, operation.assignee, operation.amount
    )


def _check_holder(record: Receivable, assignor: str) -> None:
    if record.amount_of(assignor) == 0:
        disposal = record.disposed_by(assignor)
        raise RuleViolation(
            Code.NOT_HOLDER,
            f"{assignor} holds no part" + (" any more" if disposal else ""),
            collided_with=disposal.latest if disposal else record.place,
        )


def _check_free(
    judgement: Judgement, record: Receivable, assignor: str, amount: int, *, future_consented: bool = False
) -> None:
    free = free_of(judgement, record, assignor, future_consented=future_consented)
    if amount <= free.amount:
        return
    claim = earlier_claim(record, assignor, amount, future_consented=future_consented)
    raise RuleViolation(
        _code_of(claim),
        f"{amount} assigned, {free.amount} free",
        collided_with=place_of(claim) or record.place,
        reasons=(Reason("held", record.amount_of(assignor)), *free.reasons),
    )


def _code_of(claim: Claim | None) -> Code:
    match claim:
        case Lien() | Pooled():
            return Code.PLEDGED
        case Reservation():
            return Code.RESERVED
        case _:
            return Code.EMPTY_ASSIGNMENT


def _check_confirmed(judgement: Judgement, record: Receivable, operation: Assign) -> None:
    left = confirmed_for(judgement.policy, record, operation.assignor)
    if operation.amount > left:
        raise RuleViolation(
            Code.UNCONFIRMED,
            f"the debtor has confirmed {record.confirmation.amount}, of which {left} is left",
            collided_with=record.place,
            reasons=(Reason("confirmed", record.confirmation.amount),),
        )


def after_move(
    judgement: Judgement, record: Receivable, giver: str, taker: str, amount: int, *, disputed: int = 0
) -> Receivable:
    """The parts and disposals after `amount`, of which `disputed` is disputed, has passed from one to the other."""
    place = judgement.place(record.receivable_id)
    parts = [
        replace(part, amount=part.amount - amount, disputed=part.disputed - disputed)
        if part.holder == giver
        else part
        for part in record.parts
    ]
    # A part that is wholly given away goes: the disposal below remembers that it was there.
    parts = [part for part in parts if part.amount > 0 or part.holder != giver]
    with_recourse = has_recourse(record.terms, taker)
    held = next((part for part in parts if part.holder == taker), None)
    if held is None:
        parts.append(Part(taker, amount, disputed, with_recourse, place))
    else:
        parts[parts.index(held)] = replace(
            held,
            amount=held.amount + amount,
            disputed=held.disputed + disputed,
            with_recourse=with_recourse,
            since=place,
        )
    before = record.disposed_by(giver)
    disposed = min(limits.AMOUNT_MAX, amount + (before.amount if before else 0))
    disposals = (
        *(disposal for disposal in record.disposals if disposal.holder != giver),
        Disposal(giver, disposed, place),
    )
    if (
        len(parts) > limits.HOLDERS_MAX
        or len(disposals) > limits.DISPOSALS_MAX
        or len(record.terms) > limits.TERMS_MAX
    ):
        raise RuleViolation(Code.LIMIT_REACHED, f"a receivable has at most {limits.HOLDERS_MAX} holders")
    return replace(record, parts=tuple(parts), disposals=disposals, changed_height=judgement.height)


def offer_assignment(judgement: Judgement, operation: OfferAssignment) -> bytes:
    """The holder reserves free value for one factor, for as long as the policy allows at most.

    Order: restraint, amount, holder, the taker's role, term, promises by blankets, free amount, bar of onward assignment. What else
    depends on the taker is judged when it accepts.
    """
    record = unclosed_receivable(judgement, operation.receivable)
    unrestrained(record)
    positive(operation.amount)
    _check_holder(record, operation.assignor)
    if operation.assignee == operation.assignor:
        raise RuleViolation(Code.NOT_PERMITTED, "one member cannot act on both sides of an assignment")
    taker = judgement.state.member(operation.assignee)
    if taker is None or Role.FACTOR not in taker.roles:
        # Who is made an offer sees the whole record: it is not shown to just anybody.
        raise RuleViolation(Code.NOT_PERMITTED, f"{operation.assignee} is not enrolled as factor")
    lasts_ms = operation.until_ms - judgement.time_ms
    if not 0 < lasts_ms <= judgement.policy.offer_max_hours * HOUR_MS:
        raise RuleViolation(
            Code.TERM,
            f"an offer runs for at most {judgement.policy.offer_max_hours} hours from its block's time",
        )
    blankets.not_promised(judgement, record, operation.assignor, operation.assignee)
    # Whether it takes a future receivable is for the factor to say when it accepts.
    _check_free(judgement, record, operation.assignor, operation.amount, future_consented=True)
    check_bar(bar_on(record.terms, operation.assignor))
    if len(record.reservations) >= limits.RESERVATIONS_MAX:
        raise RuleViolation(
            Code.LIMIT_REACHED, f"a receivable has at most {limits.RESERVATIONS_MAX} open offers"
        )
    identifier = offer_id(judgement.entry_id, judgement.operation_index)
    reservation = Reservation(
        offer_id=identifier,
        assignor=operation.assignor,
        assignee=operation.assignee,
        amount=operation.amount,
        until_ms=operation.until_ms,
        with_recourse=operation.with_recourse,
        resale_barred=operation.resale_barred,
        price_commitment=operation.price_commitment,
        place=judgement.place(identifier),
    )
    reservations = (*record.reservations, reservation)
    return judgement.store(replace(record, reservations=reservations, changed_height=judgement.height))


def withdraw_offer(judgement: Judgement, operation: WithdrawOffer) -> bytes:
    """The holder takes back an offer that is still open."""
    record = known_receivable(judgement, operation.receivable)
    offer = _open_offer(record, operation.offer)
    if offer.assignor != operation.assignor:
        raise _no_offer(record, operation.offer)
    reservations = without_offer(record.reservations, operation.offer)
    return judgement.store(replace(record, reservations=reservations, changed_height=judgement.height))


def accept_assignment(judgement: Judgement, operation: AcceptAssignment) -> bytes:
    """The factor takes what it was offered. Every rule of `assign` is judged now; only the offer's own reservation is not
    in its way."""
    record = unclosed_receivable(judgement, operation.receivable)
    offer = _open_offer(record, operation.offer)
    if offer.assignee != operation.assignee:
        raise _no_offer(record, operation.offer)
    unreserved = replace(record, reservations=without_offer(record.reservations, offer.offer_id))
    accepted = Assign(
        receivable=record.receivable_id,
        assignor=offer.assignor,
        assignee=offer.assignee,
        amount=offer.amount,
        with_recourse=offer.with_recourse,
        price_commitment=offer.price_commitment,
        verified_fingerprints=operation.verified_fingerprints,
        acknowledged_suspicions=operation.acknowledged_suspicions,
        resale_barred=offer.resale_barred,
        future_consented=operation.future_consented,
    )
    return judgement.store(_assigned(judgement, unreserved, accepted))


def _open_offer(record: Receivable, identifier: bytes) -> Reservation:
    offer = offer_of(record.reservations, identifier)
    if offer is None:
        raise _no_offer(record, identifier)
    return offer


def _no_offer(record: Receivable, identifier: bytes) -> RuleViolation:
    return RuleViolation(
        Code.NO_OFFER, f"no open offer {identifier.hex()} is for this member", collided_with=record.place
    )


def reassign(judgement: Judgement, operation: Reassign) -> bytes:
    """A holder with recourse gives value back to who assigned it, once the debtor disputes, rejects, or has not paid in time.

    Disputed value goes first, and the dispute with it. Order: holder, recourse, cause, value.
    Source: Civil Code art. 766 (factoring with recourse).
    """
    record = live_receivable(judgement, operation.receivable)
    unrestrained(record)
    positive(operation.amount)
    holder, prior = operation.holder, operation.prior_assignor
    _check_holder(record, holder)
    terms = terms_between(record.terms, prior, holder)
    recourse = terms.recourse if terms else 0
    if operation.amount > recourse:
        raise RuleViolation(
            Code.NO_RECOURSE,
            f"{holder} has recourse to {prior} for {recourse}",
            collided_with=terms.latest if terms else record.place,
            reasons=(Reason("recourse", recourse),),
        )
    disputed = record.disputed_share(holder)
    last_day = record.due_date + judgement.policy.grace_days
    if not disputed and not record.is_rejected and judgement.time_ms // DAY_MS <= last_day:
        raise RuleViolation(
            Code.NOT_DUE, "it is neither disputed, rejected nor overdue", collided_with=record.place
        )
    _check_free(judgement, _as_if_undisputed(record), holder, operation.amount)
    moved = after_move(
        judgement,
        replace(record, terms=without_recourse(record.terms, prior, holder, operation.amount)),
        holder,
        prior,
        operation.amount,
        disputed=min(disputed, operation.amount),
    )
    parts = tuple(
        replace(part, with_recourse=has_recourse(moved.terms, holder)) if part.holder == holder else part
        for part in moved.parts
    )
    # What came back is not disposed of any more: a pledge must not collide with an assignment that stands no longer.
    disposals = tuple(
        replace(each, amount=max(0, each.amount - operation.amount)) if each.holder == prior else each
        for each in moved.disposals
    )
    return judgement.store(replace(moved, parts=parts, disposals=disposals))


def _as_if_undisputed(record: Receivable) -> Receivable:
    """What the debtor denies and what a voided paper says is what recourse is for: it does not stand in the way."""
    parts = tuple(replace(part, disputed=0) for part in record.parts)
    confirmation = UNCONFIRMED if record.is_rejected else record.confirmation
    return replace(record, parts=parts, confirmation=confirmation, attestations=())


def _assigning(operation: Assign) -> tuple[Party, ...]:
    return (
        Party(operation.assignor, (Role.EXPORTER, Role.FACTOR)),
        Party(operation.assignee, (Role.FACTOR,)),
    )


def _offering(operation: OfferAssignment | WithdrawOffer) -> tuple[Party, ...]:
    return (Party(operation.assignor, (Role.EXPORTER, Role.FACTOR)),)


def _accepting(operation: AcceptAssignment) -> tuple[Party, ...]:
    return (Party(operation.assignee, (Role.FACTOR,)),)


def _reassigning(operation: Reassign) -> tuple[Party, ...]:
    return (
        Party(operation.holder, (Role.FACTOR,)),
        Party(operation.prior_assignor, (Role.EXPORTER, Role.FACTOR)),
    )


RULES: Final = (
    Rule(OfferAssignment, _offering, offer_assignment),
    Rule(WithdrawOffer, _offering, withdraw_offer),
    Rule(AcceptAssignment, _accepting, accept_assignment),
    Rule(Assign, _assigning, assign),
    Rule(Reassign, _reassigning, reassign),
    *blankets.RULES,
    *notices.RULES,
)
