"""Drawing operations of collection: payments of all kinds, accounts, defaults, settlement."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from registry.operations import (
    DeclareDefault,
    RecordPayment,
    ReportIndirectPayment,
    ReversePayment,
    SetCollectionAccount,
    Settle,
)
from tests.registry.consortium import BANK, EXPORTER, FINGERPRINT_KEY
from tests.registry.model.book import DAY_MS, Debt
from tests.registry.model.scene import NOWHERE, Dice, Draw, Scene


def drawn_reference(scene: Scene, dice: Dice) -> bytes:
    return FINGERPRINT_KEY.payment("ICBKCNBJ", scene.number(dice, "T", again=12))


def draw_payment(scene: Scene, dice: Dice) -> Any:
    debt = scene.debt(dice)
    if debt is None:
        return RecordPayment(NOWHERE, EXPORTER, EXPORTER, 1, NOWHERE, ())
    holder = scene.holder(dice, debt)
    held, pledged = debt.held(holder), debt.pledged(holder)
    amount = dice.near((held, held - pledged, 1, held // 2), max(1, held // 3))
    reporter = holder
    if dice.rarely(3):
        reporter = BANK if not dice.rarely(10) else scene.taker(dice)
    consenting = {lien.pledgee for lien in debt.liens.values() if lien.pledgor == holder} - {reporter}
    if dice.rarely(3):
        consenting.clear()
    return RecordPayment(
        debt.name, reporter, holder, amount, drawn_reference(scene, dice), tuple(sorted(consenting))
    )


def draw_paying_out(scene: Scene, dice: Dice) -> Any:
    """A bank reports all that a holder is owed: the way to a settlement."""
    debt = scene.debt(dice, lambda debt: debt.is_open and debt.owed)
    if debt is None:
        return draw_payment(scene, dice)
    holder = scene.holder(dice, debt)
    return RecordPayment(debt.name, BANK, holder, debt.held(holder), drawn_reference(scene, dice), ())


def draw_reversal(scene: Scene, dice: Dice) -> Any:
    book = scene.book
    if not book.payments or dice.rarely(12):
        used = list(book.references) or [NOWHERE]
        debt = scene.debt(dice)
        return ReversePayment(NOWHERE if debt is None else debt.name, BANK, dice.one(used))
    reference, paid = dice.one(list(book.payments.items())[-6:])
    name = paid.debt if not dice.rarely(15) else dice.one(list(book.debts))
    reporter = dice.one((paid.holder, paid.holder, BANK)) if not dice.rarely(12) else scene.taker(dice)
    return ReversePayment(name, reporter, reference)


def draw_default(scene: Scene, dice: Dice) -> Any:
    def is_late(debt: Debt) -> bool:
        first = min([debt.due, *(each.due_date for each in debt.schedule)])
        return bool(
            debt.is_open and debt.owed and scene.now_ms // DAY_MS >= first + scene.book.policy.grace_days
        )

    debt = scene.debt(
        dice, (lambda debt: is_late(debt) and (debt.liens or debt.covers)) if dice.half() else is_late
    )
    if debt is None:
        return DeclareDefault(NOWHERE, EXPORTER)
    holder = scene.holder(dice, debt)
    if dice.rarely(3) and debt.entitled():
        holder = dice.one(sorted(debt.entitled()))
    return DeclareDefault(debt.name, holder if not dice.rarely(10) else scene.taker(dice))


def draw_settlement(scene: Scene, dice: Dice) -> Any:
    debt = scene.debt(dice, lambda debt: debt.is_open and (not debt.owed or dice.rarely(4)))
    if debt is None:
        return Settle(NOWHERE, (EXPORTER,), False)
    holders = {name for name, part in debt.parts.items() if part.amount or not debt.owed}
    if dice.rarely(8):
        holders = {scene.holder(dice, debt)}
    if dice.rarely(20):
        holders.add(scene.taker(dice))
    return Settle(
        debt.name, tuple(sorted(holders or {EXPORTER})), dice.below(3) > 0 if debt.owed else dice.rarely(3)
    )


def draw_account(scene: Scene, dice: Dice) -> Any:
    debt = scene.debt(dice, lambda debt: not debt.is_closed)
    if debt is None:
        return SetCollectionAccount(NOWHERE, (EXPORTER,), NOWHERE)
    holders = {name for name, part in debt.parts.items() if part.amount or not debt.owed}
    holders |= {lien.pledgee for lien in debt.liens.values()}
    if dice.rarely(5):
        holders = {scene.holder(dice, debt)}
    if dice.rarely(10):
        holders.add(scene.taker(dice))
    account = sha256(scene.fresh("account").encode()).digest()
    return SetCollectionAccount(debt.name, tuple(sorted(holders or {EXPORTER})), account)


def told_of(debt: Debt) -> list[str]:
    """Who else than the exporter must be paid."""
    return [
        holder
        for holder, notice in debt.notices.items()
        if notice.acknowledged and holder != debt.exporter and debt.held(holder)
    ]


def draw_indirect(scene: Scene, dice: Dice) -> Any:
    def is_told(debt: Debt) -> bool:
        return debt.is_open and bool(told_of(debt))

    debt = scene.debt(dice, is_told)
    if debt is None:
        return ReportIndirectPayment(NOWHERE, EXPORTER, EXPORTER, 1, NOWHERE, False)
    told = told_of(debt)
    holder = dice.one(told) if told and not dice.rarely(10) else scene.holder(dice, debt)
    held = debt.held(holder)
    return ReportIndirectPayment(
        debt.name,
        dice.one((debt.exporter, holder)) if not dice.rarely(12) else scene.taker(dice),
        holder,
        dice.near((held, 1), max(1, held // 2)),
        drawn_reference(scene, dice),
        False,
    )


def draw_turnover(scene: Scene, dice: Dice) -> Any:
    debt = scene.debt(dice, lambda debt: debt.indirect)
    if debt is None or not debt.indirect:
        return draw_indirect(scene, dice)
    reference, (holder, amount, _place) = dice.one(list(debt.indirect.items()))
    reporter = holder if not dice.rarely(6) else debt.exporter
    return ReportIndirectPayment(
        debt.name, reporter, holder, amount + dice.one((0, 0, 0, 0, 0, 1)), reference, True
    )


DRAWS: tuple[tuple[int, Draw], ...] = (
    (5, draw_payment),
    (3, draw_paying_out),
    (3, draw_reversal),
    (3, draw_default),
    (2, draw_settlement),
    (2, draw_account),
    (3, draw_indirect),
    (2, draw_turnover),
)
