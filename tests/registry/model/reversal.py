"""The model's rule of judgments: what a court's final decision undoes, forward and on what stands."""

from __future__ import annotations

from copy import deepcopy

from registry.errors import Code, Reason
from registry.limits import JUDGMENTS_MAX
from registry.operations.reversal import AssignmentUndone, PledgeUndone, ReverseByJudgment, Step, StepUndone
from tests.registry.model.book import Book, Debt, Here, Judge, Refused, closed, need_positive
from tests.registry.model.existence import need_papers_free, reclaim_papers
from tests.registry.model.restraint import is_blank
from tests.registry.model.value import end_lien, fit_claims, fit_liens, forget_empty_terms, move


def reverse(book: Book, here: Here, op: ReverseByJudgment) -> bytes:
    debt = book.known(op.receivable)
    if is_blank(op.case_number) or op.decision == bytes(32):
        raise Refused(Code.NO_ORDER, debt.place)
    if op.decision in debt.judgments:
        raise Refused(Code.NO_ORDER, debt.judgments[op.decision][2])
    if len(debt.judgments) >= JUDGMENTS_MAX:
        raise Refused(Code.LIMIT_REACHED)
    after = deepcopy(debt)
    reopened = False
    for undone in op.undone:
        if after.is_closed and undone != StepUndone(Step.CLOSURE):
            raise closed(after)
        match undone:
            case AssignmentUndone():
                undo_assignment(after, here, undone)
            case PledgeUndone():
                if undone.lien not in after.liens:
                    raise Refused(Code.NO_ORDER, debt.place)
                end_lien(after, undone.lien)
            case StepUndone():
                if undone.step is Step.CLOSURE and after.is_closed:
                    need_papers_free(book, after)
                reopened = reopened or undone.step is Step.CLOSURE
                undo_step(after, undone.step)
    if reopened:
        reclaim_papers(book, after)
    after.judgments[op.decision] = (op.case_number, op.court, here.place(debt.name))
    book.debts[debt.name] = after
    return debt.name


def undo_assignment(debt: Debt, here: Here, undone: AssignmentUndone) -> None:
    """The value goes back, undisputed first; liens that the decision names go with it, and what no longer fits gives way."""
    need_positive(undone.amount)
    giver, taker, amount = undone.assignor, undone.assignee, undone.amount
    given, latest = debt.given.get(giver, (0, debt.place))
    if giver == taker or amount > min(given, debt.held(taker)):
        raise Refused(Code.NO_ORDER, latest, (Reason("assigned", given), Reason("held", debt.held(taker))))
    follow(debt, undone)
    terms = debt.terms.get((giver, taker))
    if terms is not None:
        terms.recourse -= min(terms.recourse, amount)
        forget_empty_terms(debt)
    disputed = max(0, amount - debt.undisputed(taker))
    # What was taken back was not disposed of; nor is giving it back a disposal of the taker's own choice.
    debt.given[giver] = (given - amount, latest)
    move(debt, taker, giver, amount, disputed, here.place(debt.name))
    fit_liens(debt, taker)


def follow(debt: Debt, undone: AssignmentUndone) -> None:
    total = 0
    for name in undone.with_liens:
        lien = debt.liens.get(name)
        if lien is None or lien.pledgor != undone.assignee or lien.behind is not None:
            raise Refused(Code.NO_ORDER, debt.place)
        total += lien.amount
        for link in debt.chain_of(lien):
            link.pledgor = undone.assignor
    if total > undone.amount:
        raise Refused(Code.NO_ORDER, debt.place, (Reason("pledged", total),))


def undo_step(debt: Debt, step: Step) -> None:
    match step:
        case Step.REGISTRATION:
            debt.close("cancelled")
            debt.liens.clear()
            debt.notices.clear()
            # What the same decision opens again must find nothing left over.
            fit_claims(debt)
        case Step.CLOSURE if debt.is_closed:
            owed = "live" if debt.default is None else "overdue"
            debt.reopen(owed if debt.cap is None else "future")
        case Step.CONFIRMATION if debt.confirmed_by in ("express", "tacit"):
            debt.confirmed_by, debt.confirmed, debt.waived = "none", 0, ()
        case Step.REJECTION if debt.rejected:
            debt.confirmed_by = "none"
        case Step.POOL if debt.pool is not None:
            debt.pool = None
        case _:
            raise Refused(Code.NO_ORDER, debt.place)


RULES: dict[type, Judge] = {ReverseByJudgment: reverse}
