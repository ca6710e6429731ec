"""What assignment and pledge have in common: one priority order, one policy, one look at the papers.

Sales and pledges compete for the same value, so they are refused for the same reasons (RULEBOOK, "Assignment", "Security").
"""

from __future__ import annotations

from typing import assert_never

from ..errors import Code, Reference, RuleViolation
from ..member import MemberStatus
from ..policy import ConfirmationPolicy, Policy
from ..receivable import Disposal, FreeAmount, Lien, Part, Receivable, free_amount
from ..record.offers import Reservation
from ..record.pooled import Pooled
from ..record.terms import Terms
from ..stored import Namespace
from ..time_units import DAY_MS
from .judgement import Judgement, similar_key
from .relationships import check_concentration, check_related, flag_cycle

# What stands in the way of a disposal.
Claim = Lien | Reservation | Disposal | Pooled


def free_of(
    judgement: Judgement, record: Receivable, holder: str, *, future_consented: bool = False
) -> FreeAmount:
    """`future_consented`: who takes it knows that nothing may be owed yet."""
    member = judgement.state.member(holder)
    suspended = member is not None and member.status is not MemberStatus.ACTIVE
    return free_amount(record, holder, holder_suspended=suspended, future_consented=future_consented)


def earlier_claim(
    record: Receivable, holder: str, amount: int, *, future_consented: bool = False
) -> Claim | None:
    """What already covers the amount, not free, that `holder` wants to dispose of: the pool that its part stands in if the
    amount would be free without it, its first lien if the amount would be free without liens, its first open offer if it would be
    free without offers, whichever of them was first if it takes both away to free it, its latest assignment if it would be free
    without that too.

    None when the value would not be there even without the claims of other parties, or the receivable is closed.
    """
    if record.barred(future_consented=future_consented) is not None:
        return None
    undisputed = record.amount_of(holder) - record.disputed_share(holder)
    if amount <= undisputed:
        spare = undisputed - amount
        if (
            record.pool is not None
            and holder == record.exporter
            and record.pledged_by(holder) + record.reserved_by(holder) <= spare
        ):
            return record.pool
        return _first_encumbrance(record, holder, spare)
    disposal = record.disposed_by(holder)
    if disposal is None or amount > min(undisputed + disposal.amount, record.outstanding):
        return None
    return disposal


def _first_encumbrance(record: Receivable, holder: str, spare: int) -> Lien | Reservation | None:
    """Which of liens and offers stands in the way; `spare`: what they could take without doing so."""
    lien = next((lien for lien in record.liens if lien.pledgor == holder), None)
    offer = next((offer for offer in record.reservations if offer.assignor == holder), None)
    if lien is None or offer is None:
        return lien or offer
    if record.pledged_by(holder) <= spare:
        return offer
    if record.reserved_by(holder) <= spare:
        return lien
    return lien if lien.place.rank < offer.place.rank else offer


def place_of(claim: Claim | None) -> Reference | None:
    """Where on the chain the claim was made."""
    match claim:
        case Lien(place=place) | Reservation(place=place) | Pooled(place=place) | Disposal(latest=place):
            return place
        case None:
            return None
        case _:
            assert_never(claim)


def confirmed_for(policy: Policy, record: Receivable, holder: str) -> int:
    """How much the holder may dispose of under what the debtor has confirmed.

    One confirmation is relied upon once: what was disposed of under it before counts against it, so that two halves cannot
    both lean on the same confirmed half.
    """
    required = policy.require_confirmation
    confirmed = record.confirmation.amount
    leaned = relied_on(policy, record)
    if holder != record.exporter and required.covers_assignment():
        # What lies with an assignee was counted when it was assigned, and is not counted again when it moves on.
        return confirmed if leaned <= confirmed else 0
    return max(0, confirmed - leaned)


def relied_on(policy: Policy, record: Receivable) -> int:
    """How much was disposed of in a way for which the policy asks that the debtor has confirmed it."""
    return sum(_relied_on(policy.require_confirmation, record, part) for part in record.parts)


def _relied_on(required: ConfirmationPolicy, record: Receivable, part: Part) -> int:
    if required.covers_assignment() and part.holder != record.exporter:
        return part.amount
    return record.pledged_by(part.holder) if required.covers_pledge() else 0


def check_listed(judgement: Judgement, taker: str) -> None:
    """Where the policy says so, only a factor in good standing takes anything: by assignment, pledge, blanket or pool.

    What it has stays its own when it is struck off the list. Source: notice No. 205 of 2019 (management by lists).
    """
    if not is_listed(judgement, taker):
        raise RuleViolation(
            Code.NOT_WHITELISTED, f"{taker} is not on the supervisor's list of factors in good standing"
        )


def is_listed(judgement: Judgement, taker: str) -> bool:
    """Whether the policy lets the taker take anything, as far as the list goes."""
    member = judgement.state.member(taker)
    return not judgement.policy.whitelisted_factors_only or (member is not None and member.whitelisted)


def check_policy(
    judgement: Judgement,
    record: Receivable,
    taker: str,
    verified_fingerprints: bytes,
    acknowledged: tuple[bytes, ...],
    barred: Terms | None = None,
    *,
    holder: str,
    amount: int,
) -> None:
    """The taker's listing, past due, related party, concentration, bar of onward assignment, papers and suspicions, in this order.

    `holder` disposes of `amount`; `barred`: the terms that forbid this disposal, if any do.
    """
    check_listed(judgement, taker)
    if not judgement.policy.dispose_past_due and judgement.time_ms // DAY_MS > record.due_date:
        raise RuleViolation(Code.PAST_DUE, "the due date has passed", collided_with=record.place)
    check_related(judgement, record, holder, taker, amount)
    check_concentration(judgement, record, taker, amount)
    check_bar(barred)
    check_papers(judgement, record, verified_fingerprints, acknowledged)


def check_bar(barred: Terms | None) -> None:
    """Refuses when there are terms that forbid to assign onward."""
    if barred is not None:
        raise RuleViolation(
            Code.RESALE_BARRED,
            f"{barred.assignee} took its part from {barred.assignor} and may not assign it onward",
            collided_with=barred.latest,
        )


def check_papers(
    judgement: Judgement, record: Receivable, verified_fingerprints: bytes, acknowledged: tuple[bytes, ...]
) -> None:
    """The taker has seen the papers of the registration, and every receivable that looks like it. A circle is flagged."""
    if verified_fingerprints != record.fingerprints.digest():
        raise RuleViolation(
            Code.FINGERPRINT_MISMATCH,
            "the papers that were shown are not those of the registration",
            collided_with=record.place,
        )
    key = similar_key(record.exporter, record.debtor_reference, record.fingerprints.similar)
    similar = judgement.state.get(Namespace.SIMILAR, key) or ()
    for suspicion in similar:
        if suspicion != record.receivable_id and suspicion not in acknowledged:
            other = judgement.state.receivable(suspicion)
            raise RuleViolation(
                Code.SUSPICION_NOT_ACKNOWLEDGED,
                f"receivable {suspicion.hex()} has the same parties, amount and due date",
                collided_with=None if other is None else other.place,
            )
    flag_cycle(judgement, record.exporter, record.debtor_reference)
