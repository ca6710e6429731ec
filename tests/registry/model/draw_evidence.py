"""Drawing what the debtor says of a receivable: confirmation, silence, rejection, disputes; and credit notes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from registry.identifiers import MemberId
from registry.operations import (
    Confirm,
    ConfirmTacitly,
    RaiseDispute,
    RecordCreditNote,
    RejectReceivable,
    ResolveDispute,
)
from registry.operations.confirmation import OptIn, opt_in_message
from registry.operations.existence import Defence, DisputeReason, HolderShare
from tests.registry.consortium import COURT, DEBTOR, DEBTOR_REFERENCE, FINGERPRINT_KEY, key_of
from tests.registry.model.book import DAY_MS, Debt
from tests.registry.model.scene import EXPORTERS, NOWHERE, Dice, Draw, Scene


def draw_confirmation(scene: Scene, dice: Dice) -> Any:
    debt = scene.debt(dice)
    if debt is None:
        return Confirm(NOWHERE, DEBTOR, 1, ())
    amount = debt.owed if dice.half() else dice.near((debt.owed, debt.confirmed, debt.owed // 2), debt.owed)
    waived = set(debt.waived) | ({dice.one(tuple(Defence))} if dice.rarely(3) else set())
    if waived and dice.rarely(10):
        waived.pop()
    return Confirm(debt.name, scene.debtor_of(dice, debt), amount, tuple(sorted(waived)))


def draw_silence(scene: Scene, dice: Dice) -> Any:
    def is_ripe(debt: Debt) -> bool:
        told = any(notice.acknowledged for notice in debt.notices.values())
        return debt.is_open and told and debt.confirmed_by == "none"

    debt = scene.debt(dice, is_ripe)
    if debt is None:
        return ConfirmTacitly(NOWHERE, dice.one(EXPORTERS), None)
    told = [holder for holder, notice in debt.notices.items() if notice.acknowledged]
    holder = dice.one(told) if told and not dice.rarely(10) else scene.holder(dice, debt)
    return ConfirmTacitly(debt.name, holder, drawn_consent(scene, dice, debt))


def drawn_consent(scene: Scene, dice: Dice, debt: Debt) -> OptIn | None:
    debtor = scene.debtor_of(dice, debt)
    until_ms = scene.now_ms + 100 * DAY_MS * dice.one((1, 1, 1, 1, 1, 0))
    key = key_of(debtor)
    exporter = debt.exporter if not dice.rarely(15) else EXPORTERS[-1]
    opt_in = OptIn(
        debtor,
        until_ms,
        key.public_key,
        key.sign(opt_in_message(scene.book.chain_id, debtor, exporter, until_ms)),
    )
    if dice.rarely(15):
        return replace(opt_in, until_ms=until_ms + 1)
    return None if dice.rarely(15) else opt_in


def draw_rejection(scene: Scene, dice: Dice) -> Any:
    debt = scene.debt(dice, lambda debt: debt.is_open and debt.confirmed_by == "none")
    if debt is None:
        return RejectReceivable(NOWHERE, DEBTOR, DisputeReason.OTHER)
    return RejectReceivable(debt.name, scene.debtor_of(dice, debt), DisputeReason.PRICE)


def draw_dispute(scene: Scene, dice: Dice) -> Any:
    secured = dice.rarely(3)
    debt = scene.debt(dice, lambda debt: debt.is_open and not debt.rejected and (debt.liens or not secured))
    if debt is None:
        return RaiseDispute(NOWHERE, DEBTOR, 1, DisputeReason.QUALITY)
    clean = debt.owed - debt.disputed
    amount = dice.near((clean, clean // 2, 1, 3), max(1, clean // 3))
    return RaiseDispute(debt.name, scene.debtor_of(dice, debt), amount, DisputeReason.QUALITY)


def draw_resolution(scene: Scene, dice: Dice) -> Any:
    debt = scene.debt(dice, lambda debt: debt.is_open and debt.disputed)
    if debt is None:
        return draw_dispute(scene, dice)
    left, shares = debt.disputed, []
    for holder, part in debt.parts.items():
        if dice.half():
            most = max(1, min(left, part.amount))
            amount = min(most, dice.between(0, most + 1)) if not dice.rarely(6) else part.amount + 1
            left = max(0, left - amount)
            shares.append(HolderShare(holder, amount))
    if dice.rarely(30):
        shares.append(HolderShare(DEBTOR, 1))
    freed = dice.between(0, left) if not dice.rarely(10) else left + 1
    holders = tuple(sorted(debt.parts)) if not dice.rarely(6) else (scene.holder(dice, debt),)
    debtor: str | None = scene.debtor_of(dice, debt)
    court = COURT if dice.rarely(4) else None
    if court is not None and dice.half():
        debtor, holders = None, holders[:1]
    if dice.rarely(30):
        debtor = None
    return ResolveDispute(debt.name, debtor, holders, freed, tuple(shares), court)


def draw_credit_note(scene: Scene, dice: Dice) -> Any:
    debt = scene.debt(dice, lambda debt: debt.is_open and not debt.rejected and debt.owed)
    if debt is None:
        return RecordCreditNote(NOWHERE, EXPORTERS[0], (), NOWHERE, (HolderShare(EXPORTERS[0], 1),))
    exporter = debt.exporter if not dice.rarely(20) else dice.one(EXPORTERS)
    shares = [
        HolderShare(holder, dice.near((part.amount, 1, part.amount // 2), max(1, part.amount // 4)))
        for holder, part in debt.parts.items()
        if part.amount and dice.half()
    ]
    if not shares:
        holder = scene.holder(dice, debt)
        shares = [HolderShare(holder, max(1, debt.held(holder) // 5))]
    consenting = {share.holder for share in shares} | {lien.pledgee for lien in debt.liens.values()}
    consenting -= {exporter}
    if consenting and dice.rarely(6):
        consenting.remove(sorted(consenting)[0])
    number = FINGERPRINT_KEY.credit_note(
        MemberId(exporter), DEBTOR_REFERENCE, scene.number(dice, "CN", again=10)
    )
    return RecordCreditNote(debt.name, exporter, tuple(sorted(consenting)), number, tuple(shares))


DRAWS: tuple[tuple[int, Draw], ...] = (
    (6, draw_confirmation),
    (4, draw_silence),
    (1, draw_rejection),
    (5, draw_dispute),
    (4, draw_resolution),
    (4, draw_credit_note),
)
