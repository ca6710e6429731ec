"""What assignment and pledge have in common: one priority order, one policy, one look at the papers.

Sales and pledges compete for the same value, so they are refused for the same reasons (RULEBOOK, "Assignment", "Security").
"""

from __future__ import annotations

from typing import Final

from ..errors import Code, Reason, Reference, RuleViolation
from ..member import MemberStatus
from ..receivable import ConfirmationKind, FreeAmount, Receivable, free_amount
from ..state import Namespace
from .judgement import Judgement

DAY_MS: Final = 86_400_000


def free_of(judgement: Judgement, record: Receivable, holder: str) -> FreeAmount:
    member = judgement.state.member(holder)
    suspended = member is not None and member.status is not MemberStatus.ACTIVE
    return free_amount(record, holder, holder_suspended=suspended)


def earlier_claim(record: Receivable, holder: str, amount: int) -> Reference | None:
    """What already covers the amount that `holder` wants to dispose of a second time, if a claim of another party does.

    None when the amount would not be there even without the other parties' claims.
    """
    disposal = record.disposed_by(holder)
    given_away = disposal.amount if disposal else 0
    once_there = record.amount_of(holder) + given_away - record.disputed_share(holder)
    if amount > min(once_there, record.outstanding):
        return None
    for lien in record.liens:
        if lien.pledgor == holder:
            return lien.place
    return disposal.latest if disposal else None


def check_confirmed(record: Receivable, amount: int, *, required: bool) -> None:
    if required and (
        record.confirmation.kind is ConfirmationKind.NONE or record.confirmation.amount < amount
    ):
        raise RuleViolation(
            Code.UNCONFIRMED,
            f"the debtor has confirmed {record.confirmation.amount}",
            reasons=(Reason("confirmed", record.confirmation.amount),),
        )


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
    similar = judgement.state.get(Namespace.SIMILAR, record.fingerprints.similar) or ()
    for suspicion in similar:
        if suspicion != record.receivable_id and suspicion not in acknowledged:
            other = judgement.state.receivable(suspicion)
            raise RuleViolation(
                Code.SUSPICION_NOT_ACKNOWLEDGED,
                f"receivable {suspicion.hex()} has the same parties, amount and due date",
                collided_with=None if other is None else other.place,
            )
