"""What the drawing of operations sees: the model's book, the coming block, and dice.

Operations are drawn with an eye on the model, so that many are legal or only just not: amounts near what is free, holders who
hold, orders that stand. The book is only looked at here, never changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random
from typing import Any, TypeVar

from registry.operations.governance import Role
from registry.signing import SigningKey
from tests.registry.consortium import (
    AFFILIATE,
    ASSOCIATION,
    BANK,
    COURT,
    DEBTOR,
    DEBTOR_FACTOR,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    FACTOR_3,
    INSURER,
    INSURER_2,
    INSURER_FACTOR,
    OTHER_DEBTOR,
    SUSPENDED,
    TRADER,
    member_id_of,
)
from tests.registry.model.book import Book, Debt

T = TypeVar("T")
FACTORS = (FACTOR_1, FACTOR_2, TRADER, FACTOR_1, FACTOR_3, DEBTOR_FACTOR)
EXPORTERS = (EXPORTER, EXPORTER, TRADER, AFFILIATE)
DEBTORS = (DEBTOR, DEBTOR, OTHER_DEBTOR)
NEWCOMERS = tuple(member_id_of(f"newcomer-{number}") for number in range(3))
SECOND_COURT = member_id_of("newcomer-0")
EVERYONE = (
    EXPORTER, FACTOR_1, FACTOR_2, TRADER, DEBTOR, BANK, COURT, AFFILIATE, FACTOR_3, OTHER_DEBTOR, DEBTOR_FACTOR,
    SUSPENDED, ASSOCIATION, INSURER, INSURER_2, INSURER_FACTOR, *NEWCOMERS,
)  # fmt: skip
NOWHERE = sha256(b"not registered").digest()


class Dice:
    """Small choices from one seed. Hypothesis draws the seeds, one for each operation: what is in an operation does not shrink,
    and which operations, entries and blocks there are does."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def below(self, count: int) -> int:
        return self._random.randrange(count)

    def between(self, low: int, high: int) -> int:
        return low + self.below(high - low + 1)

    def one(self, options: Sequence[T]) -> T:
        return options[self.below(len(options))]

    def rarely(self, one_in: int = 12) -> bool:
        return self.below(one_in) == one_in - 1

    def half(self) -> bool:
        return self.below(2) == 1

    def near(self, edges: Iterable[int], high: int = 1) -> int:
        """An amount at one of the edges or one beside it, or anything up to `high`."""
        if self.below(3) == 0:
            return self.between(1, max(1, high))
        amount = self.one(sorted(set(edges))) + self.one((0, 0, -1, 1))
        return max(0 if self.rarely(10) else 1, amount)


class NothingFits(Exception):
    """There is nothing yet that the operation could be about: another one is drawn."""


@dataclass
class Scene:
    """`height` and `now_ms` of the block that is being filled; `serial` makes numbers that were not used before;
    `signing_keys` are all that were ever made, by public key."""

    book: Book
    height: int
    now_ms: int
    serial: list[int] = field(default_factory=lambda: [0])
    drawn: dict[str, list[str]] = field(default_factory=dict)
    signing_keys: dict[bytes, SigningKey] = field(default_factory=dict)

    def fresh(self, stem: str) -> str:
        self.serial[0] += 1
        return f"{stem}-{self.serial[0]}"

    def number(self, dice: Dice, stem: str, *, again: int = 6) -> str:
        """A new number, sometimes one that was drawn before."""
        drawn = self.drawn.setdefault(stem, [])
        if drawn and dice.rarely(again):
            return dice.one(drawn)
        drawn.append(self.fresh(stem))
        return drawn[-1]

    def debt(self, dice: Dice, wanted: Callable[[Debt], Any] = lambda debt: debt.is_open) -> Debt | None:
        """A receivable, mostly one that is wanted. Raises NothingFits, mostly, when there is none."""
        debts = list(self.book.debts.values())
        fitting = [debt for debt in debts if wanted(debt)]
        if fitting and not dice.rarely(15):
            return dice.one(fitting[::-1])
        if not fitting and not dice.rarely(15):
            raise NothingFits
        return dice.one(debts) if debts and not dice.rarely(8) else None

    def active(self, members: Iterable[str]) -> list[str]:
        return [member for member in members if self.book.is_active(member)]

    def current_keys(self, member: str) -> list[bytes]:
        """The keys of a member that are good in the coming block."""
        person = self.book.members.get(member)
        spans = {} if person is None else person.keys
        return [key for key, (begin, end) in spans.items() if begin <= self.height < end]

    def with_role(self, role: Role, members: Iterable[str]) -> list[str]:
        return [member for member in self.active(members) if role in self.book.members[member].roles]

    def member_with_reference(self, reference: bytes) -> str | None:
        return next((name for name, each in self.book.members.items() if each.reference == reference), None)

    def debtor_of(self, dice: Dice, debt: Debt) -> str:
        """The debtor, mostly."""
        own = self.member_with_reference(debt.debtor)
        return own if own is not None and not dice.rarely(15) else dice.one(DEBTORS)

    def holder(self, dice: Dice, debt: Debt) -> str:
        """Somebody who holds something, mostly."""
        holding = self.active(name for name, part in debt.parts.items() if part.amount)
        return (
            dice.one(holding)
            if holding and not dice.rarely(15)
            else dice.one((*debt.parts, EXPORTER, TRADER))
        )

    def taker(self, dice: Dice, *others: str) -> str:
        fitting = [each for each in self.with_role(Role.FACTOR, FACTORS) if each not in others]
        return dice.one(fitting) if fitting else dice.one(FACTORS)

    def papers(self, dice: Dice, debt: Debt) -> bytes:
        return debt.prints.digest() if not dice.rarely(40) else NOWHERE

    def suspicions(self, dice: Dice, debt: Debt) -> tuple[bytes, ...]:
        listed = self.book.similar.get((debt.exporter, debt.debtor, debt.prints.similar), [])
        return () if dice.rarely(8) else tuple(sorted(each for each in listed if each != debt.name))


Draw = Callable[[Scene, Dice], Any]
