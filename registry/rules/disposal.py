"""What assignment and pledge have in common: one priority order, one policy, one look at the papers.

Sales and pledges compete for the same value, so they are refused for the same reasons (RULEBOOK, "Assignment", "Security").
"""

from __future__ import annotations

from typing import Final

from ..errors import Code, Reference, RuleViolation
from ..member import MemberStatus
from ..policy import ConfirmationPolicy, Policy
from ..receivable import Disposal, FreeAmount, Lien, Part, Phase, Receivable, free_amount
from ..state import Namespace
from .judgement import Judgement, similar_key

DAY_MS: Final = 86_400_000


def free_of(judgement: Judgement, record: Receivable, holder: str) -> FreeAmount:
    member = judgement.state.member(holder)
    suspended = member is not None and member.status is not MemberStatus.ACTIVE
    return free_amount(record, holder, holder_suspended=suspended)


def earlier_claim(record: Receivable, holder: str, amount: int) -> Lien | Disposal | None:
    """What already covers the amount, not free, that `holder` wants to dispose of: its first lien if the amount would be
    free without liens, its latest assignment if it would be free without that too.

    None when the value would not be there even without the claims of other parties, or the receivable is closed.
    """
    if record.phase is not Phase.LIVE:
        return None
    undisputed = record.amount_of(holder) - record.disputed_share(holder)
    if amount <= undisputed:
        return next((lien for lien in record.liens if lien.pledgor == holder), None)
    disposal = record.disposed_by(holder)
    if disposal is None or amount > min(undisputed + disposal.amount, record.outstanding):
        return None
    return disposal


def place_of(claim: Lien | Disposal | None) -> Reference | None:
    """Where on the chain the claim was made."""
    if claim is None:
        return None
    return claim.place if isinstance(claim, Lien) else claim.latest


def confirmed_for(policy: Policy, record: Receivable, holder: str) -> int:
    """How much the holder may dispose of under what the debtor has confirmed.

    One confirmation is relied upon once: what was disposed of under it before counts against it, so that two halves cannot
    both lean on the same confirmed half.
    """
    required = policy.require_confirmation
    confirmed = record.confirmation.amount
    relied_on = sum(_relied_on(required, record, part) for part in record.parts)
    if holder != record.exporter and required.covers_assignment():
        # What lies with an assignee was counted when it was assigned, and is not counted again when it moves on.
        return confirmed if relied_on <= confirmed else 0
    return max(0, confirmed - relied_on)


def _relied_on(required: ConfirmationPolicy, record: Receivable, part: Part) -> int:
    if required.covers_assignment() and part.holder != record.exporter:
        return part.amount
    return record.pledged_by(part.holder) if required.covers_pledge() else 0


def check_policy(
    judgement: Judgement,
    record: Receivable,
    taker: str,
    verified_fingerprints: bytes,
    acknowledged: tuple[bytes, ...],
) -> None:
    """Past due, related party, papers and suspicions, in this order."""
    if not judgement.policy.dispose_past_due and judgement.time_ms // DAY_MS > record.due_date:
        raise RuleViolation(Code.PAST_DUE, "the due date has passed", collided_with=record.place)
    taking = judgement.state.member(taker)
    if taking is not None and taking.debtor_reference == record.debtor_reference:
        raise RuleViolation(Code.RELATED_PARTY, f"{taker} is the debtor", collided_with=record.place)
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
