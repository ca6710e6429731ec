"""Rules of blanket assignment (RULEBOOK, "Assignment"): the agreement, and what it does to a registration."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from .. import limits
from ..blankets import Blanket, blanket_over, running_blankets
from ..errors import Code, RuleViolation
from ..identifiers import blanket_id
from ..member import MemberStatus
from ..operations.assignment import AssignBlanket
from ..operations.governance import Role
from ..receivable import Disposal, Part, Phase, Receivable
from ..record.accounts import without_pending
from ..record.terms import Terms, with_terms
from ..stored import Namespace
from .disposal import check_listed, is_listed
from .judgement import Judgement, Party, Rule
from .relationships import check_concentration, check_related


def assign_blanket(judgement: Judgement, operation: AssignBlanket) -> bytes:
    """Exporter and factor agree that what is registered in a period is the factor's.

    Order: term, listing, related party, conflict, number. An earlier blanket stands in the way when it meets this one for any
    debtor and any moment, whoever its factor is.
    """
    term_ms = operation.until_ms - operation.from_ms
    if not 0 < term_ms <= limits.LIEN_TERM_MS_MAX or operation.until_ms <= judgement.time_ms:
        raise RuleViolation(
            Code.TERM, "a blanket ends after it begins, not in the past, and within thirty years"
        )
    check_listed(judgement, operation.assignee)
    for party in (operation.assignor, operation.assignee):
        member = judgement.state.member(party)
        own = None if member is None else member.debtor_reference
        if own is not None and own == operation.debtor_reference:
            raise RuleViolation(Code.RELATED_PARTY, f"{party} is the debtor")
    earlier = judgement.state.blankets(operation.assignor)
    for blanket in earlier:
        if blanket.overlaps(operation.debtor_reference, operation.from_ms, operation.until_ms):
            raise RuleViolation(
                Code.BLANKET_CONFLICT,
                f"a blanket for {blanket.assignee} covers some of it already",
                collided_with=blanket.place,
            )
    running = running_blankets(earlier, judgement.time_ms)
    if len(running) >= limits.BLANKETS_MAX:
        raise RuleViolation(Code.LIMIT_REACHED, f"an exporter has at most {limits.BLANKETS_MAX} blankets")
    identifier = blanket_id(judgement.entry_id, judgement.operation_index)
    agreed = Blanket(
        blanket_id=identifier,
        assignee=operation.assignee,
        debtor_reference=operation.debtor_reference,
        from_ms=operation.from_ms,
        until_ms=operation.until_ms,
        with_recourse=operation.with_recourse,
        resale_barred=operation.resale_barred,
        place=judgement.place(identifier),
    )
    judgement.state.put(Namespace.BLANKET, operation.assignor.encode(), (*running, agreed))
    return identifier


def attached(judgement: Judgement, record: Receivable) -> Receivable:
    """A new receivable as it is stored: the exporter's, or wholly the factor's whose blanket covers it.

    Nothing attaches to a factor that may take nothing on now, because it is not active or not listed, is of the debtor's group,
    or would be beyond its limits: the receivable stays with the exporter. Both parties have agreed beforehand, so neither
    confirmation nor suspicions stand in the way; they do when the factor disposes of it.
    """
    exporter = record.exporter
    blanket = blanket_over(judgement.state.blankets(exporter), record.debtor_reference, judgement.time_ms)
    if blanket is None:
        return record
    factor = judgement.state.member(blanket.assignee)
    if factor is None or factor.status is not MemberStatus.ACTIVE:
        return record
    try:
        check_listed(judgement, blanket.assignee)
        check_concentration(judgement, record, blanket.assignee, record.face_amount)
        check_related(judgement, record, exporter, blanket.assignee, record.face_amount)
    except RuleViolation:
        # What the factor may not be assigned one by one it does not get wholesale. The registration itself breaks no rule.
        return record
    terms = Terms(
        assignor=exporter,
        assignee=blanket.assignee,
        recourse=record.face_amount if blanket.with_recourse else 0,
        resale_barred=blanket.resale_barred,
        latest=blanket.place,
    )
    # A later disposal by the exporter collides with the blanket, which is what took the value from it.
    return replace(
        record,
        parts=(Part(blanket.assignee, record.face_amount, 0, blanket.with_recourse, record.place),),
        disposals=(Disposal(exporter, record.face_amount, blanket.place),),
        # An account that waits on what arises from a contract was agreed without the factor.
        collection=without_pending(record.collection),
        terms=with_terms(record.terms, terms, begins_anew=True),
    )


def not_promised(judgement: Judgement, record: Receivable, assignor: str, assignee: str) -> None:
    """What an exporter has promised to one factor by a blanket it does not assign to another before it arises.

    What arises under a future receivable attaches only when nobody has a claim on it yet. An exporter that assigned the contract
    ahead of its invoices would take them all from under the blanket.
    """
    if record.phase is not Phase.FUTURE or assignor != record.exporter:
        return
    for blanket in judgement.state.blankets(assignor):
        factor = judgement.state.member(blanket.assignee)
        if (
            blanket.meets(record.debtor_reference, judgement.time_ms)
            and blanket.assignee != assignee
            and factor is not None
            and factor.status is MemberStatus.ACTIVE
            and is_listed(judgement, blanket.assignee)
        ):
            raise RuleViolation(
                Code.BLANKET_CONFLICT,
                f"what arises is promised to {blanket.assignee}",
                collided_with=blanket.place,
            )


def _agreeing(operation: AssignBlanket) -> tuple[Party, ...]:
    return (
        Party(operation.assignor, (Role.EXPORTER,)),
        Party(operation.assignee, (Role.FACTOR,)),
    )


RULES: Final = (Rule(AssignBlanket, _agreeing, assign_blanket),)
