"""Drawing operations of cover: bound, altered, ended, claimed."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from registry.operations.cover import AlterCover, BindCover, ClaimCover, EndCover
from tests.registry.consortium import EXPORTER, INSURER, INSURER_2, INSURER_FACTOR
from tests.registry.model.book import DAY_MS, Cover, Debt
from tests.registry.model.scene import NOWHERE, Dice, Draw, Scene

_INSURERS = (INSURER, INSURER, INSURER_2, INSURER_FACTOR)
_POLICIES = tuple(sha256(bytes([number])).digest() for number in range(3))


def loss_payee(dice: Dice, debt: Debt, insured: str) -> str:
    pledgees = [lien.pledgee for lien in debt.liens.values() if lien.pledgor == insured]
    if pledgees and dice.half():
        return dice.one(pledgees)
    return insured if not dice.rarely(15) else dice.one((EXPORTER, INSURER))


def draw_binding(scene: Scene, dice: Dice) -> Any:
    def is_sound(debt: Debt) -> bool:
        in_time = debt.default is None and scene.now_ms // DAY_MS <= debt.first_unpaid()
        return debt.is_open and in_time and debt.disputed < debt.owed and not debt.rejected

    debt = scene.debt(dice, is_sound)
    name = NOWHERE if debt is None else debt.name
    insured = EXPORTER if debt is None else scene.holder(dice, debt)
    held, covered = 1, 0
    if debt is not None:
        held = debt.undisputed(insured)
        covered = sum(each.amount for each in debt.covers.values() if each.insured == insured)
    insurer, policy = dice.one(_INSURERS), dice.one(_POLICIES)
    limit = dice.one((300, 300, 300, 300, 300, 301)) if not dice.rarely(30) else 0
    until_ms = (
        scene.now_ms + dice.one((200, 400, 30, 200, 5)) * DAY_MS if not dice.rarely(20) else scene.now_ms
    )
    payee = insured if debt is None else loss_payee(dice, debt, insured)
    amount = dice.near((held - covered, held - covered, held), max(1, (held - covered) // 2))
    return BindCover(name, insurer, insured, amount, policy, limit, until_ms, payee)


def drawn_cover(scene: Scene, dice: Dice, *, defaulted: bool = False) -> tuple[Debt, bytes, Cover] | None:
    debt = scene.debt(dice, lambda debt: debt.covers and (debt.default is not None or not defaulted))
    if debt is None or not debt.covers:
        return None
    name, cover = dice.one(list(debt.covers.items()))
    return debt, name if not dice.rarely(20) else NOWHERE, cover


def draw_altering(scene: Scene, dice: Dice) -> Any:
    drawn = drawn_cover(scene, dice)
    if drawn is None:
        return draw_binding(scene, dice)
    debt, name, cover = drawn
    held = debt.held(cover.insured)
    amount = dice.near((cover.amount, cover.amount, held, cover.amount + 5), cover.amount)
    until_ms = cover.until_ms + dice.one((0, 0, 60, -5)) * DAY_MS
    payee = cover.loss_payee if dice.half() else loss_payee(dice, debt, cover.insured)
    consenting = consent(dice, debt, cover)
    return AlterCover(debt.name, name, cover.insurer, cover.insured, amount, until_ms, payee, consenting)


def consent(dice: Dice, debt: Debt, cover: Cover) -> str | None:
    needed = cover.loss_payee if cover.loss_payee != cover.insured else None
    return needed if not dice.rarely(6) else None


def draw_ending(scene: Scene, dice: Dice) -> Any:
    drawn = drawn_cover(scene, dice)
    if drawn is None:
        return draw_binding(scene, dice)
    debt, name, cover = drawn
    insured = cover.insured if not dice.rarely(10) else scene.holder(dice, debt)
    return EndCover(debt.name, name, insured, consent(dice, debt, cover))


def draw_claim(scene: Scene, dice: Dice) -> Any:
    drawn = drawn_cover(scene, dice, defaulted=not dice.rarely(8))
    if drawn is None:
        return draw_binding(scene, dice)
    debt, name, cover = drawn
    amount = dice.near((cover.amount, cover.amount, 1), cover.amount)
    consenting = {lien.pledgee for lien in debt.liens.values() if lien.pledgor == cover.insured}
    consenting |= {cover.loss_payee} - {cover.insured}
    if dice.rarely(3):
        consenting.clear()
    return ClaimCover(debt.name, name, cover.insurer, cover.insured, amount, tuple(sorted(consenting)))


DRAWS: tuple[tuple[int, Draw], ...] = (
    (6, draw_binding),
    (3, draw_altering),
    (1, draw_ending),
    (7, draw_claim),
)
