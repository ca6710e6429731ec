"""Rules of reversal by judgment (RULEBOOK, "Restraint and correction by authority").

The final decision is the order: no freeze of the same court must stand, and none stands in its way. It is the authority, so it
needs nobody's consent; but it undoes only what stands, and it undoes it forward, by one more operation. What cannot be undone so
(money that was paid, a lien that ended in the meantime) is for the parties to claim from each other.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, assert_never

from .. import limits
from ..errors import Code, Reason, Reference, RuleViolation
from ..identifiers import ID_BYTES
from ..operations.governance import Role
from ..operations.reversal import AssignmentUndone, PledgeUndone, ReverseByJudgment, Step, StepUndone, Undone
from ..receivable import CLOSED, CONFIRMED, UNCONFIRMED, Lien, Phase, Receivable, with_fitting_claims
from ..record.judgments import Judgment, judgment_of
from ..record.liens import fit_liens, with_pledgor, without_lien
from ..record.terms import has_recourse, terms_between, without_recourse
from .assignment import after_move
from .case_numbers import names_a_case
from .judgement import Judgement, Party, Rule, closed, known_receivable, positive, reopened
from .papers import reclaim_fingerprints

_EMPTY: Final = bytes(ID_BYTES)


def reverse_by_judgment(judgement: Judgement, operation: ReverseByJudgment) -> bytes:
    """Each effect that the decision names is undone, in its order, on what the one before it left.

    Order: the receivable, the case number and decision, an earlier execution of it, then each effect: the phase, the amount,
    whether it stands. Source: RULEBOOK; Civil Procedure Law art. 235 and 244 (execution of a final decision, and its reversal).
    """
    record = known_receivable(judgement, operation.receivable)
    if not names_a_case(operation.case_number) or operation.decision == _EMPTY:
        raise _no_order("a reversal needs a case number and a decision", record.place)
    earlier = judgment_of(record.judgments, operation.decision)
    if earlier is not None:
        raise _no_order("this decision has been executed on it", earlier.place)
    if len(record.judgments) >= limits.JUDGMENTS_MAX:
        raise RuleViolation(
            Code.LIMIT_REACHED, f"at most {limits.JUDGMENTS_MAX} decisions are executed on a receivable"
        )
    for undone in operation.undone:
        record = _without(judgement, record, undone)
    place = judgement.place(record.receivable_id)
    judgment = Judgment(operation.decision, operation.case_number, operation.court, place)
    judgments = (*record.judgments, judgment)
    return judgement.store(replace(record, judgments=judgments, changed_height=judgement.height))


def _no_order(
    message: str, collided_with: Reference | None, reasons: tuple[Reason, ...] = ()
) -> RuleViolation:
    return RuleViolation(Code.NO_ORDER, message, collided_with=collided_with, reasons=reasons)


def _without(judgement: Judgement, record: Receivable, undone: Undone) -> Receivable:
    if record.phase in CLOSED and undone != StepUndone(Step.CLOSURE):
        raise closed(record)
    match undone:
        case AssignmentUndone():
            return _without_assignment(judgement, record, undone)
        case PledgeUndone(lien=identifier):
            if record.lien(identifier) is None:
                raise _no_order(f"no lien {identifier.hex()} stands", record.place)
            return replace(record, liens=without_lien(record.liens, identifier))
        case StepUndone(step=step):
            return _without_step(judgement, record, step)
        case _:
            assert_never(undone)


def _without_assignment(judgement: Judgement, record: Receivable, undone: AssignmentUndone) -> Receivable:
    positive(undone.amount)
    assignor, assignee, amount = undone.assignor, undone.assignee, undone.amount
    given, held = record.disposed_by(assignor), record.amount_of(assignee)
    assigned = 0 if given is None else given.amount
    if given is None or assignor == assignee or amount > min(assigned, held):
        raise _no_order(
            f"{amount} of {assignor} is not with {assignee}",
            record.place if given is None else given.latest,
            (Reason("assigned", assigned), Reason("held", held)),
        )
    disputed = record.disputed_share(assignee)
    terms = terms_between(record.terms, assignor, assignee)
    recourse = min(amount, terms.recourse) if terms else 0
    restored = replace(
        record,
        liens=_following(record, undone),
        terms=without_recourse(record.terms, assignor, assignee, recourse),
        # What a court has taken back was not disposed of: another pledge must not be told that it was.
        disposals=tuple(
            replace(each, amount=each.amount - amount) if each is given else each for each in record.disposals
        ),
    )
    # Undisputed value goes first, as in an enforcement: the dispute is with who holds it.
    moved = after_move(
        judgement, restored, assignee, assignor, amount, disputed=max(0, amount - (held - disputed))
    )
    with_recourse = has_recourse(moved.terms, assignee)
    parts = tuple(
        replace(part, with_recourse=with_recourse) if part.holder == assignee else part
        for part in moved.parts
    )
    moved = replace(moved, parts=parts)
    return replace(moved, liens=fit_liens(moved, assignee))


def _following(record: Receivable, undone: AssignmentUndone) -> tuple[Lien, ...]:
    """The liens when those that the decision names lie on the assignor's part."""
    liens, amount = record.liens, 0
    for identifier in undone.with_liens:
        lien = record.lien(identifier)
        if lien is None or lien.pledgor != undone.assignee or lien.behind is not None:
            raise _no_order(
                f"no first-ranking lien {identifier.hex()} of {undone.assignee} stands", record.place
            )
        amount += lien.amount
        liens = with_pledgor(liens, lien, undone.assignor)
    if amount > undone.amount:
        raise _no_order(
            f"liens on {amount} cannot lie on {undone.amount}", record.place, (Reason("pledged", amount),)
        )
    return liens


def _without_step(judgement: Judgement, record: Receivable, step: Step) -> Receivable:
    match step:
        case Step.CONFIRMATION if record.confirmation.kind in CONFIRMED:
            return replace(record, confirmation=UNCONFIRMED)
        case Step.REJECTION if record.is_rejected:
            return replace(record, confirmation=UNCONFIRMED)
        case Step.REGISTRATION:
            # Its fingerprints stay claimed: a void invoice must not come back under the same number. Closed at once, and not only
            # when it is stored: what the same decision opens again must find the pool that it stood in.
            return with_fitting_claims(replace(record.move_to(Phase.CANCELLED), liens=(), notices=()))
        case Step.CLOSURE if record.phase in CLOSED:
            reclaim_fingerprints(judgement, record)
            return reopened(judgement, record, _reopened(record))
        case Step.POOL if record.pool is not None:
            # Whatever is drawn: a factor that neither signs nor reports its repayment must not hold the exporter's part for ever.
            return replace(record, pool=None)
        case Step.CONFIRMATION | Step.REJECTION | Step.CLOSURE | Step.POOL:
            raise _no_order(f"there is no {step.name.lower()} to undo", record.place)
        case _:
            assert_never(step)


def _reopened(record: Receivable) -> Phase:
    if record.future is not None:
        return Phase.FUTURE
    return Phase.LIVE if record.default is None else Phase.OVERDUE


def _executing(operation: ReverseByJudgment) -> tuple[Party, ...]:
    return (Party(operation.court, (Role.COURT,)),)


RULES: Final = (Rule(ReverseByJudgment, _executing, reverse_by_judgment, by_governance=True),)
