"""Drawing operations of pools: agreed, filled, emptied, drawn on, repaid."""

from __future__ import annotations

from typing import Any

from registry.operations.pool import (
    Addition,
    AddToPool,
    CreatePool,
    DrawPool,
    PoolTerms,
    RemoveFromPool,
    RepayPool,
    SubstituteInPool,
)
from tests.registry.model.book import DAY_MS, Debt, Pool
from tests.registry.model.pool import carries, worth, worth_of
from tests.registry.model.scene import EXPORTERS, NOWHERE, Dice, Draw, NothingFits, Scene


def draw_pool(scene: Scene, dice: Dice) -> Any:
    if len(scene.book.pools) > 2 and not dice.rarely(10):
        raise NothingFits
    exporter = dice.one(EXPORTERS)
    terms = PoolTerms(
        currency=dice.one(("USD", "USD", "USD", "JPY")) if not dice.rarely(40) else "GBP",
        tenor_days_max=dice.one((365, 365, 100)),
        past_due_days_max=dice.one((0, 30)),
        confirmation_required=dice.rarely(5),
        debtor_share_bp_max=dice.one((10_000, 10_000, 10_000, 6_000)),
        advance_rate_bp=dice.one((8_000, 10_000, 5_000)),
        credit_limit=dice.one((None, None, None, 150)) if not dice.rarely(30) else 0,
        until_ms=scene.now_ms + dice.one((200, 30, 0)) * DAY_MS if dice.rarely(3) else None,
    )
    return CreatePool(exporter, scene.taker(dice, exporter), terms)


def a_pool(scene: Scene, dice: Dice) -> tuple[bytes, Pool]:
    if not scene.book.pools:
        raise NothingFits
    return dice.one(list(scene.book.pools.items())[::-1])


def members_of(scene: Scene, name: bytes) -> list[Debt]:
    return [debt for debt in scene.book.debts.values() if debt.pool is not None and debt.pool.name == name]


def drawn_additions(scene: Scene, dice: Dice, pool: Pool) -> tuple[tuple[Addition, ...], tuple[bytes, ...]]:
    def is_eligible(debt: Debt) -> bool:
        fits = (debt.exporter, debt.currency) == (pool.exporter, pool.terms.currency) and debt.pool is None
        return fits and worth(debt, pool.terms, scene.now_ms // DAY_MS)[0] > 0

    debts = {}
    for _ in range(dice.one((1, 1, 2, 3))):
        debt = scene.debt(dice, is_eligible)
        if debt is not None:
            debts[debt.name] = debt
    additions = [Addition(name, scene.papers(dice, debt)) for name, debt in sorted(debts.items())]
    seen = {each for debt in debts.values() for each in scene.suspicions(dice, debt)}
    return tuple(additions) or (Addition(NOWHERE, NOWHERE),), tuple(sorted(seen))


def drawn_removals(scene: Scene, dice: Dice, name: bytes) -> tuple[bytes, ...]:
    members = members_of(scene, name)
    if not members and not dice.rarely(40):
        raise NothingFits
    removed = {dice.one(members).name for _ in range(dice.one((1, 1, 2)))} if members else {NOWHERE}
    others = [debt.name for debt in scene.book.debts.values() if debt.pool is not None]
    if dice.rarely(12) and others:
        removed.add(dice.one(others))
    return tuple(sorted(removed))


def parties(scene: Scene, dice: Dice, pool: Pool) -> tuple[str, str]:
    return pool.exporter, pool.factor if not dice.rarely(20) else scene.taker(dice, pool.exporter)


def draw_addition(scene: Scene, dice: Dice) -> Any:
    name, pool = a_pool(scene, dice)
    additions, acknowledged = drawn_additions(scene, dice, pool)
    return AddToPool(
        name if not dice.rarely(40) else NOWHERE, *parties(scene, dice, pool), additions, acknowledged
    )


def draw_removal(scene: Scene, dice: Dice) -> Any:
    name, pool = a_pool(scene, dice)
    return RemoveFromPool(name, *parties(scene, dice, pool), drawn_removals(scene, dice, name))


def draw_substitution(scene: Scene, dice: Dice) -> Any:
    name, pool = a_pool(scene, dice)
    removals = drawn_removals(scene, dice, name)
    additions, acknowledged = drawn_additions(scene, dice, pool)
    return SubstituteInPool(name, *parties(scene, dice, pool), removals, additions, acknowledged)


def draw_advance(scene: Scene, dice: Dice) -> Any:
    name, pool = a_pool(scene, dice)
    left = carries(pool, worth_of(scene.book, name, scene.now_ms // DAY_MS)) - pool.drawn
    if left <= 0 and not dice.rarely(10):
        raise NothingFits
    return DrawPool(name, *parties(scene, dice, pool), dice.near((max(0, left), 1), max(1, left // 2)))


def draw_repayment(scene: Scene, dice: Dice) -> Any:
    drawn = [item for item in scene.book.pools.items() if item[1].drawn]
    name, pool = dice.one(drawn) if drawn else a_pool(scene, dice)
    if not pool.drawn and not dice.rarely(10):
        raise NothingFits
    factor = pool.factor if not dice.rarely(15) else scene.taker(dice)
    return RepayPool(name, factor, dice.near((pool.drawn, 1), max(1, pool.drawn // 2)))


DRAWS: tuple[tuple[int, Draw], ...] = (
    (2, draw_pool),
    (7, draw_addition),
    (3, draw_removal),
    (7, draw_substitution),
    (4, draw_advance),
    (2, draw_repayment),
)
