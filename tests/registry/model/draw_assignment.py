"""Drawing operations of assignment: at once, offered and accepted, given back, in advance; and notices."""

from __future__ import annotations

from typing import Any

from registry.operations import (
    AcceptAssignment,
    AcknowledgeNotice,
    Assign,
    AssignBlanket,
    NotifyDebtor,
    OfferAssignment,
    Reassign,
    WithdrawOffer,
)
from tests.registry.consortium import DEBTOR, DEBTOR_REFERENCE, EXPORTER, FACTOR_1, OTHER_DEBTOR_REFERENCE
from tests.registry.consortium import STRANGER as NOBODY
from tests.registry.model.book import DAY_MS, HOUR_MS, Debt
from tests.registry.model.scene import EXPORTERS, NOWHERE, Dice, Draw, Scene
from tests.registry.model.value import free


def drawn_amount(scene: Scene, dice: Dice, debt: Debt, holder: str) -> int:
    left, _reasons = free(scene.book, debt, holder, future_consented=True)
    if dice.rarely(40):
        return 0
    return dice.near((left, left, debt.held(holder), debt.owed, debt.confirmed), max(1, left // 2))


def free_holders(scene: Scene, debt: Debt, *, future: bool = True) -> list[str]:
    """Who can dispose of something."""
    return [holder for holder in debt.parts if free(scene.book, debt, holder, future_consented=future)[0]]


def drawn_giver(scene: Scene, dice: Dice, debt: Debt, *, future: bool = True) -> str:
    able = free_holders(scene, debt, future=future)
    return dice.one(able) if able and not dice.rarely(6) else scene.holder(dice, debt)


def draw_assignment(scene: Scene, dice: Dice) -> Any:
    debt = scene.debt(dice, lambda debt: free_holders(scene, debt))
    if debt is None:
        return Assign(NOWHERE, EXPORTER, FACTOR_1, 1, False, None, NOWHERE, ())
    holder = drawn_giver(scene, dice, debt)
    return Assign(
        receivable=debt.name,
        assignor=holder,
        assignee=scene.taker(dice, holder),
        amount=drawn_amount(scene, dice, debt, holder),
        with_recourse=dice.half(),
        price_commitment=None,
        verified_fingerprints=scene.papers(dice, debt),
        acknowledged_suspicions=scene.suspicions(dice, debt),
        resale_barred=dice.rarely(10),
        future_consented=(debt.phase == "future") != dice.rarely(8),
    )


def draw_offer(scene: Scene, dice: Dice) -> Any:
    debt = scene.debt(dice, lambda debt: free_holders(scene, debt))
    if debt is None:
        return OfferAssignment(NOWHERE, EXPORTER, FACTOR_1, 1, scene.now_ms + 1, False, False, None)
    holder = drawn_giver(scene, dice, debt)
    longest = scene.book.policy.offer_max_hours * HOUR_MS
    return OfferAssignment(
        receivable=debt.name,
        assignor=holder,
        assignee=scene.taker(dice, holder) if not dice.rarely(30) else dice.one((holder, DEBTOR, NOBODY)),
        amount=drawn_amount(scene, dice, debt, holder),
        until_ms=scene.now_ms + dice.one((longest, longest, longest, 1, HOUR_MS, longest + 1, 0)),
        with_recourse=dice.half(),
        resale_barred=dice.rarely(10),
        price_commitment=None,
    )


def draw_withdrawal(scene: Scene, dice: Dice) -> Any:
    debt = scene.debt(dice, lambda debt: debt.offers)
    if debt is None:
        return draw_offer(scene, dice)
    if not debt.offers:
        return WithdrawOffer(debt.name, NOWHERE, scene.holder(dice, debt))
    name, made = dice.one(list(debt.offers.items()))
    return WithdrawOffer(debt.name, name, made.assignor if not dice.rarely(6) else dice.one(EXPORTERS))


def draw_acceptance(scene: Scene, dice: Dice) -> Any:
    debt = scene.debt(dice, lambda debt: debt.offers)
    if debt is None or (not debt.offers and not dice.rarely(8)):
        return draw_offer(scene, dice)
    name, assignee = NOWHERE, FACTOR_1
    if debt.offers:
        name, made = dice.one(list(debt.offers.items()))
        assignee = made.assignee if not dice.rarely(12) else scene.taker(dice)
    return AcceptAssignment(
        debt.name,
        name,
        assignee,
        scene.papers(dice, debt),
        scene.suspicions(dice, debt),
        (debt.phase == "future") != dice.rarely(8),
    )


def draw_giving_back(scene: Scene, dice: Dice) -> Any:
    def has_recourse(debt: Debt) -> bool:
        is_due = debt.disputed > 0 or debt.rejected or scene.now_ms // DAY_MS > debt.due
        return (
            (is_due or dice.rarely(6))
            and debt.is_open
            and any(terms.recourse and debt.held(to) for (_from, to), terms in debt.terms.items())
        )

    debt = scene.debt(dice, has_recourse)
    if debt is None:
        return draw_assignment(scene, dice)
    pairs = [pair for pair, terms in debt.terms.items() if terms.recourse and debt.held(pair[1])]
    if not pairs or dice.rarely(15):
        prior, holder = EXPORTER, scene.taker(dice)
        return Reassign(debt.name, holder, prior, 1)
    prior, holder = dice.one(pairs)
    recourse, held = debt.terms[prior, holder].recourse, debt.held(holder)
    spare = max(0, held - debt.pledged(holder) - debt.reserved(holder))
    return Reassign(debt.name, holder, prior, dice.near((recourse, held, spare, 1), min(recourse, held)))


def draw_blanket(scene: Scene, dice: Dice) -> Any:
    exporter = dice.one(EXPORTERS)
    begins = scene.now_ms + dice.one((0, 0, DAY_MS, 5 * DAY_MS, -1))
    ends = begins + dice.one((10 * DAY_MS, 10 * DAY_MS, DAY_MS, 0))
    if dice.rarely(15):
        ends = begins + dice.one((30 * 366 * DAY_MS, 31 * 366 * DAY_MS))
    return AssignBlanket(
        assignor=exporter,
        assignee=scene.taker(dice, exporter),
        debtor_reference=dice.one(
            (DEBTOR_REFERENCE, OTHER_DEBTOR_REFERENCE, None, scene.book.members[exporter].reference)
            if dice.rarely(8)
            else (DEBTOR_REFERENCE, OTHER_DEBTOR_REFERENCE, None)
        ),
        from_ms=begins,
        until_ms=ends,
        with_recourse=dice.half(),
        resale_barred=dice.rarely(6),
    )


def draw_notice(scene: Scene, dice: Dice) -> Any:
    debt = scene.debt(dice)
    if debt is None:
        return NotifyDebtor(NOWHERE, EXPORTER)
    if debt.notices and dice.half():
        unanswered = [holder for holder, notice in debt.notices.items() if not notice.acknowledged]
        holder = dice.one(unanswered or list(debt.notices))
        return AcknowledgeNotice(debt.name, scene.debtor_of(dice, debt), holder)
    if dice.rarely(10):
        return AcknowledgeNotice(debt.name, scene.debtor_of(dice, debt), scene.holder(dice, debt))
    return NotifyDebtor(debt.name, scene.holder(dice, debt))


def draw_acknowledgement(scene: Scene, dice: Dice) -> Any:
    debt = scene.debt(dice, lambda debt: debt.is_open and debt.notices)
    if debt is None or not debt.notices:
        return draw_notice(scene, dice)
    holder = dice.one(list(debt.notices)) if not dice.rarely(15) else DEBTOR
    return AcknowledgeNotice(debt.name, scene.debtor_of(dice, debt), holder)


DRAWS: tuple[tuple[int, Draw], ...] = (
    (9, draw_assignment),
    (5, draw_offer),
    (2, draw_withdrawal),
    (8, draw_acceptance),
    (5, draw_giving_back),
    (2, draw_blanket),
    (4, draw_notice),
    (3, draw_acknowledgement),
)
