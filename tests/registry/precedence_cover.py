"""Precedence: Cover, its alteration, end and claim."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from registry import limits
from registry.errors import Code
from registry.receivable import Confirmation, ConfirmationKind, Phase
from registry.record.covers import Cover, PolicyUse, policy_use_id
from registry.record.pooled import Pooled
from registry.stored import Namespace
from tests.registry.consortium import EXPORTER, FACTOR_1, FACTOR_2, FACTOR_3, INSURER, INSURER_2
from tests.registry.cover_examples import (
    OTHER_POLICY,
    POLICY,
    UNTIL_MS,
    altering,
    binding,
    claiming,
    ending,
)
from tests.registry.precedence_base import AFTER_DUE_MS, case_of
from tests.registry.precedence_case import (
    OWED,
    PLACE,
    POSITIVE,
    RESTRAINTS,
    UNKNOWN,
    Break,
    Case,
    Order,
    lien,
    reservation,
)

KEY: Final = policy_use_id(INSURER, POLICY, "USD")
COVER: Final = Cover(b"\x05" * 32, INSURER, EXPORTER, 4_000, POLICY, UNTIL_MS, EXPORTER, PLACE)


def _other(amount: int, number: int = 6) -> Cover:
    """Of another insurer, so that no counter of the first one's policy says anything of it."""
    return replace(
        COVER, cover_id=bytes([number]) * 32, insurer=INSURER_2, policy=OTHER_POLICY, amount=amount
    )


def _covers(case: Case, *covers: Cover) -> None:
    case.edit(covers=covers)
    case.touched.discard("record.covers")  # one cover can be wrong beside another


def _another(case: Case, amount: int) -> None:
    case.touch("another cover")
    _covers(case, *case.record().covers, _other(amount))


def _limited(limit: int, covered: int) -> Callable[[Case], None]:
    return lambda case: case.put(Namespace.COVERAGE, KEY, PolicyUse(limit, covered, 0, PLACE))


def _unknown_group(case: Case) -> None:
    case.member(INSURER, debtor_reference=None)


def _payee(case: Case) -> None:
    """The cover is a lienholder's, who has not signed."""
    first, *others = case.record().covers
    _covers(case, replace(first, loss_payee=FACTOR_3), *others)
    case.edit(liens=(lien(EXPORTER, 1),))


TERM: Final = Break("it ends in the future", Code.TERM, lambda case: case.change(until_ms=0))
PARTIES: Final = Break("the insurer has no interest of its own", Code.INELIGIBLE, _unknown_group)
LOSS_PAYEE: Final = Break(
    "the loss payee has a lien", Code.INELIGIBLE, lambda case: case.change(loss_payee=FACTOR_2)
)
CONSENT: Final = Break("the loss payee signs, where it loses", Code.HOLDER_CONSENT, _payee)
RUNS: Final = Break("the cover runs", Code.NO_COVER, lambda case: case.change(cover=bytes(32)))
RISK: Final = Break(
    "the loss has not come, and there is value to lose",
    Code.INELIGIBLE,
    lambda case: case.edit(confirmation=Confirmation(ConfirmationKind.REJECTED, 0, ())),
)

BIND = Order(
    "BindCover",
    "",
    case_of(lambda _made, receivable: binding(receivable, 4_000)),
    (
        UNKNOWN,
        OWED,
        POSITIVE,
        Break(
            "the policy's limit is positive",
            Code.AMOUNT_NOT_POSITIVE,
            lambda case: case.change(policy_limit=0),
        ),
        TERM,
        Break("the insured holds something", Code.INELIGIBLE, lambda case: case.change(insured=FACTOR_2)),
        PARTIES,
        RISK,
        LOSS_PAYEE,
        Break("no cover is on this share", Code.DOUBLE_COVER, lambda case: _another(case, 6_001)),
        Break("the policy is good for it", Code.OVER_LIMIT, _limited(50_000, 46_001)),
        Break(
            "there is room for another cover",
            Code.LIMIT_REACHED,
            lambda case: case.edit(
                covers=tuple(_other(1, 6 + number) for number in range(limits.COVERS_MAX))
            ),
        ),
    ),
)


def _covered(make: Callable[[bytes], Any], *, defaulted: bool = False) -> Callable[[], Case]:
    def base() -> Case:
        case = case_of(lambda _made, receivable: make(receivable), AFTER_DUE_MS if defaulted else None)()
        case.edit(covers=(COVER,))
        if defaulted:
            case.edit(default=PLACE, phase=Phase.OVERDUE)
        case.put(Namespace.COVERAGE, KEY, PolicyUse(50_000, COVER.amount, 0, PLACE))
        case.touched.clear()
        return case

    return base


ALTER = Order(
    "AlterCover",
    "to a larger amount",
    _covered(lambda receivable: altering(receivable, COVER, amount=5_000)),
    (
        UNKNOWN,
        OWED,
        POSITIVE,
        RUNS,
        TERM,
        PARTIES,
        RISK,
        LOSS_PAYEE,
        CONSENT,
        Break("no cover is on this share", Code.DOUBLE_COVER, lambda case: _another(case, 5_001)),
        Break("the policy is good for it", Code.OVER_LIMIT, _limited(4_999, 4_000)),
    ),
)
END = Order("EndCover", "", _covered(lambda receivable: ending(receivable, COVER)), (UNKNOWN, RUNS, CONSENT))
CLAIM = Order(
    "ClaimCover",
    "",
    _covered(lambda receivable: claiming(receivable, COVER), defaulted=True),
    (
        UNKNOWN,
        OWED,
        *RESTRAINTS,
        POSITIVE,
        RUNS,
        Break("default is on record", Code.NO_DEFAULT, lambda case: case.edit(default=None)),
        Break("no more than is covered", Code.OVER_LIMIT, lambda case: case.change(amount=4_001)),
        CONSENT,
        Break(
            "the factor of its pool signs",
            Code.PLEDGED,
            lambda case: case.edit(pool=Pooled(bytes(32), FACTOR_1, 0, True, PLACE)),
        ),
        Break(
            "pledgees whose liens shrink sign",
            Code.PLEDGED,
            lambda case: case.edit(liens=(lien(EXPORTER, 9_000),)),
        ),
        Break(
            "no open offer is in the way",
            Code.RESERVED,
            lambda case: case.edit(reservations=(reservation(EXPORTER, 9_000),)),
        ),
    ),
)

ORDERS: Final = (BIND, ALTER, END, CLAIM)
