"""Drawing operations of restraint: objections, orders, and links to the statutory register."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from registry.operations import (
    Freeze,
    LinkExternalRegistration,
    LinkSearch,
    RaiseObjection,
    Unfreeze,
    WithdrawObjection,
)
from registry.operations.reversal import (
    AssignmentUndone,
    PledgeUndone,
    ReverseByJudgment,
    Step,
    StepUndone,
    Undone,
)
from tests.registry.consortium import COURT, EXPORTER
from tests.registry.model.book import DAY_MS, Debt
from tests.registry.model.scene import FACTORS, NOWHERE, Dice, Draw, Scene

_STATEMENT = bytes(range(32))
_EMPTY = bytes(32)
_CASES = ("case 1", "case 2", "case 3")
_BLANK = ("", " ", "\u3164", "- \u3164")


def draw_objection(scene: Scene, dice: Dice) -> Any:
    debt = scene.debt(dice, lambda debt: not debt.is_closed)
    if debt is None:
        return RaiseObjection(NOWHERE, EXPORTER, _STATEMENT, None)
    concerned = [debt.exporter, *debt.parts, *debt.given, *(lien.pledgee for lien in debt.liens.values())]
    concerned += [scene.debtor_of(dice, debt)] if dice.half() else []
    objector = dice.one(concerned) if not dice.rarely(4) else dice.one(FACTORS)
    case_number = None if not dice.rarely(3) else dice.one((*_CASES, "case\u3164 1", dice.one(_BLANK)))
    return RaiseObjection(debt.name, objector, _STATEMENT if not dice.rarely(30) else _EMPTY, case_number)


def draw_withdrawal(scene: Scene, dice: Dice) -> Any:
    debt = scene.debt(dice, lambda debt: debt.objection() is not None)
    if debt is None:
        return WithdrawObjection(NOWHERE, EXPORTER, None)
    objector = dice.one(list(debt.objections) or [EXPORTER])
    if dice.rarely(12):
        objector = dice.one(FACTORS)
    return WithdrawObjection(debt.name, objector, COURT if dice.rarely(4) else None)


def draw_freeze(scene: Scene, dice: Dice) -> Any:
    debt = scene.debt(dice, lambda debt: not debt.is_closed)
    return Freeze(
        NOWHERE if debt is None else debt.name,
        COURT,
        dice.one(_CASES) if not dice.rarely(20) else dice.one(_BLANK),
    )


def draw_unfreeze(scene: Scene, dice: Dice) -> Any:
    debt = scene.debt(dice, lambda debt: debt.freezes)
    if debt is None:
        return Unfreeze(NOWHERE, COURT, _CASES[0])
    cases = list(debt.freezes) if debt.freezes and not dice.rarely(10) else [*_CASES, ""]
    return Unfreeze(debt.name, COURT, dice.one(cases))


def draw_link(scene: Scene, dice: Dice) -> Any:
    debt = scene.debt(dice, lambda debt: any(each in debt.parts for each in FACTORS))
    name = NOWHERE if debt is None else debt.name
    concerned = [] if debt is None else [each for each in FACTORS if each in debt.parts or each in debt.given]
    factor = dice.one(concerned) if concerned and not dice.rarely(6) else dice.one(FACTORS)
    at_ms = scene.now_ms - dice.one((DAY_MS, 0, 0, -1))
    number = _STATEMENT if not dice.rarely(20) else _EMPTY
    if dice.half():
        return LinkSearch(name, factor, number, at_ms, _STATEMENT)
    until_ms = at_ms + dice.one((365 * DAY_MS, 365 * DAY_MS, 1, 0))
    return LinkExternalRegistration(name, factor, number, at_ms, until_ms, _STATEMENT)


def draw_judgment(scene: Scene, dice: Dice) -> Any:
    debt = scene.debt(dice, lambda debt: True)
    if debt is None:
        return draw_freeze(scene, dice)
    effects = [drawn_effect(dice, debt) for _ in range(dice.one((1, 1, 2)))]
    decision = sha256(scene.number(dice, "decision", again=20).encode()).digest()
    case_number = dice.one(_CASES) if not dice.rarely(30) else dice.one(_BLANK)
    return ReverseByJudgment(debt.name, COURT, case_number, decision, tuple(effects))


def drawn_effect(dice: Dice, debt: Debt) -> Undone:
    if debt.is_closed and not dice.rarely(8):
        return StepUndone(Step.CLOSURE)
    if debt.liens and dice.rarely(3):
        return PledgeUndone(dice.one(list(debt.liens)))
    holders = [holder for holder in debt.parts if holder != debt.exporter and debt.held(holder)]
    if holders and debt.given and dice.half():
        giver, holder = dice.one(list(debt.given)), dice.one(holders)
        liens = [lien.name for lien in debt.liens.values() if lien.pledgor == holder and lien.behind is None]
        named = tuple(sorted(liens)) if dice.half() else ()
        return AssignmentUndone(giver, holder, dice.near((debt.held(holder), 1), debt.held(holder)), named)
    if debt.confirmed_by != "none" and not dice.rarely(4):
        return StepUndone(Step.REJECTION if debt.rejected else Step.CONFIRMATION)
    if debt.pool is not None and dice.half():
        return StepUndone(Step.POOL)
    return StepUndone(dice.one(tuple(Step)))


DRAWS: tuple[tuple[int, Draw], ...] = (
    (3, draw_objection),
    (3, draw_withdrawal),
    (1, draw_freeze),
    (3, draw_unfreeze),
    (3, draw_link),
    (4, draw_judgment),
)
