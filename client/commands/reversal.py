"""`pledgebook reverse-by-judgment`: a court's final decision, executed with the association."""

from __future__ import annotations

from typing import Annotated

import typer

from registry.operations import ReverseByJudgment
from registry.operations.reversal import AssignmentUndone, PledgeUndone, Step, StepUndone, Undone

from ..errors import InputError
from ..submission import Draft
from . import options as opt
from .arrears import commitment_of
from .existence import choice_of
from .session import ASSOCIATION, Session, amount_of, in_session, member_id_of, parse_id


@opt.submits("reverse-by-judgment")
def reverse_by_judgment(
    options: opt.Options,
    receivable: opt.ReceivableArgument,
    case: Annotated[str, typer.Option("--case", help="The court's case number.")],
    decision: Annotated[
        str,
        typer.Option(metavar="HEX", help="Salted commitment to the text of the final decision, 32 bytes."),
    ],
    assignment: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ASSIGNOR,ASSIGNEE,AMOUNT[,LIEN...]",
            help="An assignment that is undone, with the liens that go back with it; a chain from its end.",
        ),
    ] = None,
    lien: Annotated[
        list[str] | None, typer.Option(metavar="LIEN", help="A lien that ends; may be repeated.")
    ] = None,
    step: Annotated[
        list[str] | None,
        typer.Option(metavar="STEP", help="confirmation, rejection, pool, registration or closure: undone."),
    ] = None,
) -> None:
    """As a court, with the association, undo what a final decision names.

    In this order: a closure, assignments, liens, other steps, the registration.
    """
    identifier = parse_id(receivable)
    text = commitment_of("--decision", decision)
    steps = [choice_of(Step, word) for word in step or ()]
    liens = [PledgeUndone(parse_id(each)) for each in lien or ()]

    async def work(session: Session) -> None:
        currency = (await session.status(identifier)).currency
        undone: tuple[Undone, ...] = (
            *(StepUndone(each) for each in steps if each is Step.CLOSURE),
            *(_assignment_of(session, each, currency) for each in assignment or ()),
            *liens,
            *(StepUndone(each) for each in steps if each not in (Step.CLOSURE, Step.REGISTRATION)),
            # Nothing else can be undone of what is void.
            *(StepUndone(each) for each in steps if each is Step.REGISTRATION),
        )
        if not undone:
            raise InputError("name what the decision undoes: --assignment, --lien or --step")
        operation = ReverseByJudgment(identifier, session.acting.member_id, case, text, undone)
        wallets = (session.wallet(session.acting.name), session.wallet(ASSOCIATION))
        await session.perform(Draft((operation,), wallets), currency=currency)

    in_session(options, work)


def _assignment_of(session: Session, text: str, currency: str) -> AssignmentUndone:
    names = text.split(",")
    if len(names) < 3:
        raise InputError(f"--assignment: {text!r} is not ASSIGNOR,ASSIGNEE,AMOUNT[,LIEN...]")
    assignor, assignee, amount, *liens = names
    return AssignmentUndone(
        assignor=member_id_of(session.directory, assignor),
        assignee=member_id_of(session.directory, assignee),
        amount=amount_of(amount, currency),
        with_liens=tuple(sorted(parse_id(each) for each in liens)),
    )
