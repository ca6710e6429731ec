"""Rules of assignment (RULEBOOK, "Assignment")."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from .. import limits
from ..errors import Code, Reason, RuleViolation
from ..operations.assignment import Assign
from ..operations.governance import Role
from ..receivable import Disposal, Lien, Part, Receivable
from .disposal import check_policy, confirmed_for, earlier_claim, free_of, place_of
from .judgement import Judgement, Party, Rule, positive, unclosed_receivable


def assign(judgement: Judgement, operation: Assign) -> bytes:
    """A part passes to the assignee.

    Order: holder, free amount, confirmation, due date, related party, papers, suspicions.
    Source: Civil Code art. 545, 547, 768 (of several assignments the earlier registered one prevails).
    """
    record = unclosed_receivable(judgement, operation.receivable)
    positive(operation.amount)
    assignor = operation.assignor
    if record.amount_of(assignor) == 0:
        disposal = record.disposed_by(assignor)
        raise RuleViolation(
            Code.NOT_HOLDER,
            f"{assignor} holds no part" + (" any more" if disposal else ""),
            collided_with=disposal.latest if disposal else record.place,
        )
    _check_free(judgement, record, operation)
    if judgement.policy.require_confirmation.covers_assignment():
        _check_confirmed(judgement, record, operation)
    check_policy(
        judgement,
        record,
        operation.assignee,
        operation.verified_fingerprints,
        operation.acknowledged_suspicions,
    )
    return judgement.store(_moved(judgement, record, operation))


def _check_free(judgement: Judgement, record: Receivable, operation: Assign) -> None:
    free = free_of(judgement, record, operation.assignor)
    if operation.amount <= free.amount:
        return
    claim = earlier_claim(record, operation.assignor, operation.amount)
    raise RuleViolation(
        Code.PLEDGED if isinstance(claim, Lien) else Code.EMPTY_ASSIGNMENT,
        f"{operation.amount} assigned, {free.amount} free",
        collided_with=place_of(claim) or record.place,
        reasons=(Reason("held", record.amount_of(operation.assignor)), *free.reasons),
    )


def _check_confirmed(judgement: Judgement, record: Receivable, operation: Assign) -> None:
    left = confirmed_for(judgement.policy, record, operation.assignor)
    if operation.amount > left:
        raise RuleViolation(
            Code.UNCONFIRMED,
            f"the debtor has confirmed {record.confirmation.amount}, of which {left} is left",
            collided_with=record.place,
            reasons=(Reason("confirmed", record.confirmation.amount),),
        )


def _moved(judgement: Judgement, record: Receivable, operation: Assign) -> Receivable:
    place = judgement.place(record.receivable_id)
    parts = [
        replace(part, amount=part.amount - operation.amount) if part.holder == operation.assignor else part
        for part in record.parts
    ]
    # A part that is wholly given away goes: the disposal below remembers that it was there.
    parts = [part for part in parts if part.amount > 0 or part.holder != operation.assignor]
    held = next((part for part in parts if part.holder == operation.assignee), None)
    if held is None:
        parts.append(Part(operation.assignee, operation.amount, 0, operation.with_recourse, place))
    else:
        parts[parts.index(held)] = replace(
            held, amount=held.amount + operation.amount, with_recourse=operation.with_recourse, since=place
        )
    before = record.disposed_by(operation.assignor)
    disposed = min(limits.AMOUNT_MAX, operation.amount + (before.amount if before else 0))
    disposals = (
        *(disposal for disposal in record.disposals if disposal.holder != operation.assignor),
        Disposal(operation.assignor, disposed, place),
    )
    if len(parts) > limits.HOLDERS_MAX or len(disposals) > limits.DISPOSALS_MAX:
        raise RuleViolation(Code.LIMIT_REACHED, f"a receivable has at most {limits.HOLDERS_MAX} holders")
    return replace(record, parts=tuple(parts), disposals=disposals, changed_height=judgement.height)


def _parties(operation: Assign) -> tuple[Party, ...]:
    return (
        Party(operation.assignor, (Role.EXPORTER, Role.FACTOR)),
        Party(operation.assignee, (Role.FACTOR,)),
    )


RULES: Final = (Rule(Assign, _parties, assign),)
