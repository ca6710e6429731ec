"""Precedence: Assignment: at once, by offer and acceptance, and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from registry import limits
from registry.blankets import Blanket
from registry.errors import Code
from registry.operations import AcceptAssignment, WithdrawOffer
from registry.receivable import (
    UNCONFIRMED,
    Part,
)
from registry.record.notices import Notice
from registry.record.offers import Reservation
from registry.record.terms import Terms
from registry.stored import Namespace
from tests.registry.assignment_examples import acknowledgement, blanket, giving_back, notice, offer
from tests.registry.consortium import (
    DEBTOR,
    DEBTOR_REFERENCE,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    FACTOR_3,
    START_DAY,
    Consortium,
)
from tests.registry.precedence_base import (
    AFTER_DUE_MS,
    CONCENTRATED,
    DEBTOR_ITSELF,
    LISTED,
    NOT_PAST_DUE,
    ONWARD,
    PAPERS,
    SUSPICIONS,
    UNRELATED,
    case_of,
    promised,
    value_free,
)
from tests.registry.precedence_case import (
    CLOSED,
    LATER_MS,
    OWED,
    PLACE,
    POSITIVE,
    RESTRAINTS,
    UNKNOWN,
    Break,
    Case,
    Order,
    crowd,
    reservation,
)


def _assigned(changed: Callable[..., Callable[[Case], None]]) -> tuple[Break, ...]:
    """The rules of an assignment after the receivable is known; `changed` sets what the assignment says."""
    return (
        *RESTRAINTS,
        Break("the amount is positive", Code.AMOUNT_NOT_POSITIVE, changed(amount=0)),
        Break("the assignor holds a part", Code.NOT_HOLDER, changed(assignor=FACTOR_3)),
        Break("a contract is promised to nobody else", Code.BLANKET_CONFLICT, promised),
        *value_free(EXPORTER, changed(amount=10_001)),
        Break(
            "the debtor has confirmed, where the policy asks for it",
            Code.UNCONFIRMED,
            lambda case: case.edit(confirmation=UNCONFIRMED),
        ),
        LISTED,
        NOT_PAST_DUE,
        UNRELATED,
        CONCENTRATED,
        ONWARD,
        PAPERS,
        SUSPICIONS,
        Break(
            "there is room for another holder",
            Code.LIMIT_REACHED,
            lambda case: case.edit(parts=(*case.record().parts, *crowd(limits.HOLDERS_MAX))),
        ),
    )


def _operation(**fields: Any) -> Callable[[Case], None]:
    return lambda case: case.change(**fields)


def _assigning(made: Consortium, receivable: bytes) -> Any:
    return made.assignment(receivable, 4_000, future_consented=True)


ASSIGN = Order("Assign", "", case_of(_assigning), (UNKNOWN, CLOSED, *_assigned(_operation)))


def _accepting(made: Consortium, receivable: bytes) -> AcceptAssignment:
    papers = made.record(receivable).fingerprints.digest()
    return AcceptAssignment(receivable, b"\x09" * 32, FACTOR_1, papers, (), future_consented=True)


def _offered() -> Case:
    case = case_of(_accepting)()
    case.edit(reservations=(reservation(EXPORTER, 4_000, 9, FACTOR_1),))
    case.touched.clear()
    return case


def _offer(**fields: Any) -> Callable[[Case], None]:
    """What the offer says, in place of what an assignment says."""

    def broken(case: Case) -> None:
        case.touch(*(f"operation.{name}" for name in fields))
        first, *others = case.record().reservations
        case.edit(reservations=(replace(first, **fields), *others))
        case.touched.discard("record.reservations")

    return broken


def _another_offer(case: Case) -> None:
    case.touch("value")
    own: tuple[Reservation, ...] = case.record().reservations
    case.edit(reservations=(*own, reservation(EXPORTER, 9_999, 2)))
    case.touched.discard("record.reservations")


def _accepted_rules() -> tuple[Break, ...]:
    return tuple(
        replace(rule, breaks=_another_offer) if rule.code is Code.RESERVED else rule
        for rule in _assigned(_offer)
    )


ACCEPT = Order(
    "AcceptAssignment",
    "",
    _offered,
    (
        UNKNOWN,
        CLOSED,
        Break("the offer is open", Code.NO_OFFER, lambda case: case.change(offer=bytes(32))),
        Break("it was made to this factor", Code.NO_OFFER, lambda case: case.change(assignee=FACTOR_2)),
        *_accepted_rules(),
    ),
)

OFFER = Order(
    "OfferAssignment",
    "",
    case_of(lambda made, receivable: offer(made, receivable, 4_000)),
    (
        UNKNOWN,
        CLOSED,
        *RESTRAINTS,
        POSITIVE,
        Break("the assignor holds a part", Code.NOT_HOLDER, lambda case: case.change(assignor=FACTOR_3)),
        Break(
            "it is made to a factor, and another one",
            Code.NOT_PERMITTED,
            lambda case: case.change(assignee=DEBTOR),
        ),
        Break("it runs as long as the policy allows", Code.TERM, lambda case: case.change(until_ms=0)),
        Break("a contract is promised to nobody else", Code.BLANKET_CONFLICT, promised),
        *value_free(EXPORTER, lambda case: case.change(amount=10_001)),
        ONWARD,
        Break(
            "there is room for another offer",
            Code.LIMIT_REACHED,
            lambda case: case.edit(
                reservations=tuple(
                    reservation(FACTOR_3, 0, number) for number in range(limits.RESERVATIONS_MAX)
                )
            ),
        ),
    ),
)


def _with_recourse() -> Case:
    case = case_of(lambda _made, receivable: giving_back(receivable, 2_000), AFTER_DUE_MS)()
    case.edit(
        parts=(Part(FACTOR_1, 10_000, 0, True, PLACE),),
        terms=(Terms(EXPORTER, FACTOR_1, 2_000, False, PLACE),),
    )
    case.touched.clear()
    return case


REASSIGN = Order(
    "Reassign",
    "",
    _with_recourse,
    (
        UNKNOWN,
        OWED,
        *RESTRAINTS,
        POSITIVE,
        Break("the holder has a part", Code.NOT_HOLDER, lambda case: case.change(holder=FACTOR_3)),
        Break("it has recourse for as much", Code.NO_RECOURSE, lambda case: case.edit(terms=())),
        Break(
            "it is disputed, rejected or overdue",
            Code.NOT_DUE,
            lambda case: case.at(START_DAY * 86_400_000),
        ),
        *value_free(FACTOR_1, lambda case: case.edit(parts=(Part(FACTOR_1, 1_999, 0, True, PLACE),))),
        Break(
            "there is room for another holder",
            Code.LIMIT_REACHED,
            lambda case: case.edit(parts=(*case.record().parts, *crowd(limits.HOLDERS_MAX))),
        ),
    ),
)


WITHDRAW_OFFER = Order(
    "WithdrawOffer",
    "",
    case_of(
        lambda _made, receivable: WithdrawOffer(receivable, b"\x09" * 32, EXPORTER),
        reservations=(reservation(EXPORTER, 4_000, 9, FACTOR_1),),
    ),
    (
        UNKNOWN,
        Break("the offer is open", Code.NO_OFFER, lambda case: case.change(offer=bytes(32))),
        Break("it is the assignor's own", Code.NO_OFFER, lambda case: case.change(assignor=FACTOR_3)),
    ),
)


def _agreed(case: Case, *references: bytes) -> None:
    blankets = (
        Blanket(reference, FACTOR_2, reference, 0, LATER_MS * 100, False, False, PLACE)
        for reference in references
    )
    case.put(Namespace.BLANKET, EXPORTER.encode(), tuple(blankets))


ASSIGN_BLANKET = Order(
    "AssignBlanket",
    "",
    case_of(lambda made, _receivable: blanket(made, debtor_reference=DEBTOR_REFERENCE)),
    (
        Break("it ends after it begins, and not yet", Code.TERM, lambda case: case.change(until_ms=0)),
        LISTED,
        Break(
            "neither party is the debtor",
            Code.RELATED_PARTY,
            lambda case: case.member(EXPORTER, debtor_reference=DEBTOR_REFERENCE),
        ),
        Break(
            "no earlier blanket covers some of it",
            Code.BLANKET_CONFLICT,
            lambda case: _agreed(case, DEBTOR_REFERENCE),
        ),
        Break(
            "there is room for another blanket",
            Code.LIMIT_REACHED,
            lambda case: _agreed(case, *(bytes([n]) * 32 for n in range(limits.BLANKETS_MAX))),
        ),
    ),
)
NOTIFY = Order(
    "NotifyDebtor",
    "",
    case_of(lambda _made, receivable: notice(receivable, EXPORTER)),
    (
        UNKNOWN,
        CLOSED,
        Break("the holder has a part", Code.NOT_HOLDER, lambda case: case.change(holder=FACTOR_3)),
    ),
)
ACKNOWLEDGE = Order(
    "AcknowledgeNotice",
    "",
    case_of(
        lambda _made, receivable: acknowledgement(receivable, EXPORTER),
        notices=(Notice(EXPORTER, 0, PLACE, None),),
    ),
    (
        UNKNOWN,
        CLOSED,
        DEBTOR_ITSELF,
        Break("the holder has given notice", Code.NO_NOTICE, lambda case: case.edit(notices=())),
    ),
)

ORDERS: Final = (OFFER, WITHDRAW_OFFER, ACCEPT, ASSIGN, REASSIGN, ASSIGN_BLANKET, NOTIFY, ACKNOWLEDGE)
