"""Precedence: Restraint and correction by authority."""

from __future__ import annotations

from typing import Any, Final

from registry import limits
from registry.errors import Code
from registry.operations import Freeze, ReverseByJudgment, Unfreeze
from registry.operations.reversal import AssignmentUndone, Step, StepUndone
from registry.receivable import (
    UNCONFIRMED,
    Part,
)
from registry.record.judgments import Judgment
from registry.record.links import Link
from registry.record.restraints import UNRESTRAINED, Objection, Restraints
from registry.record.restraints import Freeze as CourtOrder
from tests.registry.collection_examples import CASE, DECISION, linked, objection, searched, withdrawal_of
from tests.registry.consortium import (
    COURT,
    DEBTOR,
    EXPORTER,
    FACTOR_1,
    FACTOR_3,
    Consortium,
)
from tests.registry.precedence_base import (
    case_of,
)
from tests.registry.precedence_case import (
    CLOSED,
    PLACE,
    UNKNOWN,
    Break,
    Case,
    Order,
)


def _executed(case: Case) -> None:
    case.edit(judgments=(Judgment(DECISION, CASE, COURT, PLACE),))


def _executed_often(case: Case) -> None:
    others = (Judgment(bytes([n]) * 32, CASE, COURT, PLACE) for n in range(limits.JUDGMENTS_MAX))
    case.edit(judgments=tuple(others))


def _judging(_made: Consortium, receivable: bytes) -> Any:
    undone = (StepUndone(Step.CONFIRMATION),)
    return ReverseByJudgment(receivable, COURT, CASE, DECISION, undone)


REVERSE = Order(
    "ReverseByJudgment",
    "",
    case_of(_judging),
    (
        UNKNOWN,
        Break("there is a case and a decision", Code.NO_ORDER, lambda case: case.change(case_number="")),
        Break("the decision was not executed on it", Code.NO_ORDER, _executed),
        Break("there is room for another decision", Code.LIMIT_REACHED, _executed_often),
        CLOSED,
        Break(
            "an amount is positive",
            Code.AMOUNT_NOT_POSITIVE,
            lambda case: case.change(undone=(AssignmentUndone(EXPORTER, FACTOR_1, 0, ()),)),
        ),
        Break("what is undone stands", Code.NO_ORDER, lambda case: case.edit(confirmation=UNCONFIRMED)),
    ),
)


def _frozen_alike(case: Case) -> None:
    case.edit(restraints=Restraints((CourtOrder(CASE, COURT, PLACE),), ()))


def _frozen_often(case: Case) -> None:
    orders = (CourtOrder(str(n), COURT, PLACE) for n in range(limits.FREEZES_MAX))
    case.edit(restraints=Restraints(tuple(orders), ()))


FREEZE = Order(
    "Freeze",
    "",
    case_of(lambda _made, receivable: Freeze(receivable, COURT, CASE)),
    (
        UNKNOWN,
        CLOSED,
        Break("there is a case number", Code.NO_ORDER, lambda case: case.change(case_number=" ")),
        Break("no order stands under it", Code.ALREADY_IN_FORCE, _frozen_alike),
        Break("there is room for another order", Code.LIMIT_REACHED, _frozen_often),
    ),
)


def _objected_before(case: Case) -> None:
    earlier = Objection(DEBTOR, bytes(32), None, 1, ended=True, place=PLACE)
    case.edit(restraints=Restraints((), (earlier,)))


def _dismissed(case: Case) -> None:
    earlier = Objection(DEBTOR, bytes(32), "1", None, ended=True, place=PLACE, dismissed=True)
    case.edit(restraints=Restraints((), (earlier,)))


def _objected_often(case: Case) -> None:
    names = (f"lei:{number:020d}" for number in range(limits.OBJECTIONS_MAX))
    crowded = (Objection(name, bytes(32), None, 1, ended=True, place=PLACE) for name in names)
    case.edit(restraints=Restraints((), tuple(crowded)))


RAISE_OBJECTION = Order(
    "RaiseObjection",
    "",
    case_of(lambda _made, receivable: objection(receivable, DEBTOR)),
    (
        UNKNOWN,
        CLOSED,
        Break("the objector has an interest", Code.ABUSE, lambda case: case.change(objector=FACTOR_3)),
        Break("it states a claim", Code.ABUSE, lambda case: case.change(statement=bytes(32))),
        Break("no court has ended its objection", Code.ABUSE, _dismissed),
        Break("it has not objected before, without a new case", Code.ABUSE, _objected_before),
        Break("there is room for another objector", Code.LIMIT_REACHED, _objected_often),
    ),
)
STANDING = Objection(DEBTOR, bytes(32), "1", None, ended=False, place=PLACE)
WITHDRAW_OBJECTION = Order(
    "WithdrawObjection",
    "",
    case_of(
        lambda _made, receivable: withdrawal_of(receivable, DEBTOR), restraints=Restraints((), (STANDING,))
    ),
    (
        UNKNOWN,
        Break("the objection stands", Code.NO_OBJECTION, lambda case: case.edit(restraints=UNRESTRAINED)),
    ),
)
UNFREEZE = Order(
    "Unfreeze",
    "",
    case_of(
        lambda _made, receivable: Unfreeze(receivable, COURT, CASE),
        restraints=Restraints((CourtOrder(CASE, COURT, PLACE),), ()),
    ),
    (
        UNKNOWN,
        Break(
            "an order stands under the number", Code.NO_ORDER, lambda case: case.edit(restraints=UNRESTRAINED)
        ),
    ),
)


def _linked_often(case: Case) -> None:
    links = (Link(f"lei:{n:020d}", bytes(32), 1, 2, bytes(32), PLACE) for n in range(limits.LINKS_MAX))
    case.edit(links=tuple(links))


LINKING: Final = (
    UNKNOWN,
    Break(
        "the factor has a part, a lien or an offer of it",
        Code.NOT_HOLDER,
        lambda case: case.change(factor=FACTOR_3),
    ),
    Break("it has the register's form", Code.BAD_FORMAT, lambda case: case.change(number=bytes(32))),
    Break("there is room for another link", Code.LIMIT_REACHED, _linked_often),
)
HELD: Final = (Part(FACTOR_1, 10_000, 0, False, PLACE),)
LINK_REGISTRATION = Order("LinkExternalRegistration", "", case_of(linked, parts=HELD), LINKING)
LINK_SEARCH = Order("LinkSearch", "", case_of(searched, parts=HELD), LINKING)

ORDERS: Final = (
    RAISE_OBJECTION,
    WITHDRAW_OBJECTION,
    FREEZE,
    UNFREEZE,
    REVERSE,
    LINK_REGISTRATION,
    LINK_SEARCH,
)
