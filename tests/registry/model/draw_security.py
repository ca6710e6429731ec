"""Drawing operations of security: pledges first and junior, renewals, releases, enforcement."""

from __future__ import annotations

from typing import Any

from registry.operations import EnforcePledge, Pledge, ReleasePledge, RenewPledge
from registry.operations.security import Junior
from tests.registry.consortium import COURT, EXPORTER, FACTOR_1
from tests.registry.model.book import DAY_MS, Debt
from tests.registry.model.draw_assignment import drawn_amount, drawn_giver, free_holders
from tests.registry.model.scene import NOWHERE, Dice, Draw, Scene
from tests.registry.model.security import MONTH_MS, THIRTY_YEARS_MS

_TERMS_MS = (12 * MONTH_MS, 6 * MONTH_MS, MONTH_MS + DAY_MS, MONTH_MS, MONTH_MS - 1, THIRTY_YEARS_MS + 1)


def draw_pledge(scene: Scene, dice: Dice) -> Any:
    debt = scene.debt(dice, lambda debt: free_holders(scene, debt, future=False))
    if debt is None:
        return Pledge(NOWHERE, EXPORTER, FACTOR_1, 1, scene.now_ms + MONTH_MS, None, NOWHERE, ())
    pledgor = drawn_giver(scene, dice, debt, future=False)
    if debt.given and dice.rarely(10):
        pledgor = dice.one(list(debt.given))
    amount = drawn_amount(scene, dice, debt, pledgor)
    return pledge_of(scene, dice, debt, pledgor, scene.taker(dice, pledgor), amount, None)


def pledge_of(
    scene: Scene, dice: Dice, debt: Debt, pledgor: str, pledgee: str, amount: int, junior_to: Junior | None
) -> Pledge:
    return Pledge(
        debt.name,
        pledgor,
        pledgee,
        amount,
        scene.now_ms + dice.one(_TERMS_MS[:4] if not dice.rarely(12) else _TERMS_MS),
        junior_to,
        scene.papers(dice, debt),
        scene.suspicions(dice, debt),
    )


def draw_junior(scene: Scene, dice: Dice) -> Any:
    debt = scene.debt(dice, lambda debt: debt.is_open and debt.liens)
    if debt is None or not debt.liens:
        return draw_pledge(scene, dice)
    senior = dice.one(list(debt.liens.values()))
    pledgee = scene.taker(dice, senior.pledgor, senior.pledgee)
    named = senior.pledgee if not dice.rarely(20) else scene.taker(dice, senior.pledgor, pledgee)
    name = senior.name if not dice.rarely(20) else NOWHERE
    amount = dice.near((senior.amount, senior.amount, 1), senior.amount)
    return pledge_of(scene, dice, debt, senior.pledgor, pledgee, amount, Junior(name, named))


def draw_release(scene: Scene, dice: Dice) -> Any:
    debt = scene.debt(dice, lambda debt: debt.liens)
    if debt is None or not debt.liens:
        return ReleasePledge(NOWHERE if debt is None else debt.name, NOWHERE, FACTOR_1)
    lien = dice.one(list(debt.liens.values()))
    return ReleasePledge(debt.name, lien.name, lien.pledgee if not dice.rarely(5) else scene.taker(dice))


def draw_renewal(scene: Scene, dice: Dice) -> Any:
    debt = scene.debt(dice, lambda debt: debt.liens or debt.lapsed)
    if debt is None:
        return RenewPledge(NOWHERE, NOWHERE, FACTOR_1, scene.now_ms)
    liens = [*debt.liens.values(), *(debt.lapsed if dice.rarely(3) else ())]
    if not liens:
        return RenewPledge(debt.name, NOWHERE, FACTOR_1, scene.now_ms + MONTH_MS)
    lien = dice.one(liens)
    until_ms = lien.until_ms + dice.one((MONTH_MS, 2 * MONTH_MS, MONTH_MS + 1, MONTH_MS - 1, 0))
    if dice.rarely(10):
        until_ms = scene.now_ms + THIRTY_YEARS_MS + dice.one((0, 1))
    return RenewPledge(
        debt.name, lien.name, lien.pledgee if not dice.rarely(8) else scene.taker(dice), until_ms
    )


def draw_enforcement(scene: Scene, dice: Dice) -> Any:
    debt = scene.debt(dice, lambda debt: debt.is_open and debt.liens and debt.default)
    if debt is None or not debt.liens:
        return draw_junior(scene, dice)
    first = [lien for lien in debt.liens.values() if lien.behind is None]
    lien = dice.one(first if not dice.rarely(6) else list(debt.liens.values()))
    by_court = dice.half()
    pledgor: str | None = None if by_court and dice.half() else lien.pledgor
    if dice.rarely(15):
        pledgor = dice.one((None, EXPORTER))
    return EnforcePledge(
        debt.name,
        lien.name,
        lien.pledgee if not dice.rarely(15) else scene.taker(dice),
        dice.near((lien.amount, lien.amount, 1), lien.amount),
        pledgor,
        COURT if by_court else None,
    )


DRAWS: tuple[tuple[int, Draw], ...] = (
    (8, draw_pledge),
    (4, draw_junior),
    (3, draw_release),
    (3, draw_renewal),
    (4, draw_enforcement),
)
