"""Restraints on one receivable: court orders that freeze it, and objections of those who claim it.

While one stands nothing of the receivable can be disposed of, whoever holds it. A freeze ends only when the court lifts it. An
objection lapses by itself unless a case number was filed; ended ones are remembered, so that nobody blocks with the same claim
twice. Sources: movable-property registration measures (objection, and its lapse without a lawsuit); RULEBOOK, "Restraint".
Leaves to others: who may restrain (`registry.rules.restraint`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from .. import limits
from ..codec import Flag, Items, Optional_, Struct
from ..errors import Reference
from ..operations.fields import CASE_NUMBER, HASH, MEMBER_ID, REFERENCE, TIME_MS


@dataclass(frozen=True, slots=True)
class Freeze:
    """The order of a court, by its case number."""

    case_number: str
    court: str
    place: Reference


@dataclass(frozen=True, slots=True)
class Objection:
    """What one member claims. `until_ms` None: a case number was filed. Once `ended` it restrains nothing.

    `dismissed`: a court has ended it.
    """

    objector: str
    statement: bytes
    case_number: str | None
    until_ms: int | None
    ended: bool
    place: Reference
    dismissed: bool = False


@dataclass(frozen=True, slots=True)
class Restraints:
    freezes: tuple[Freeze, ...]
    objections: tuple[Objection, ...]

    @property
    def frozen(self) -> Freeze | None:
        """The first order that stands."""
        return next(iter(self.freezes), None)

    @property
    def objected(self) -> Objection | None:
        """The first objection that stands."""
        return next((each for each in self.objections if not each.ended), None)

    def objection_of(self, objector: str) -> Objection | None:
        """The latest of a member, standing or ended."""
        return next((each for each in self.objections if each.objector == objector), None)

    def ends_ms(self) -> Iterator[int]:
        for each in self.objections:
            if not each.ended and each.until_ms is not None:
                yield each.until_ms


UNRESTRAINED: Final = Restraints((), ())


def with_freeze(restraints: Restraints, freeze: Freeze) -> Restraints:
    return replace(restraints, freezes=(*restraints.freezes, freeze))


def without_freeze(restraints: Restraints, case_number: str) -> Restraints:
    freezes = tuple(each for each in restraints.freezes if each.case_number != case_number)
    return replace(restraints, freezes=freezes)


def with_objection(restraints: Restraints, objection: Objection) -> Restraints:
    """The restraints after a member has objected: it has one objection, its latest."""
    others = tuple(each for each in restraints.objections if each.objector != objection.objector)
    return replace(restraints, objections=(*others, objection))


def without_objection(restraints: Restraints, objector: str, *, dismissed: bool) -> Restraints:
    """The restraints after a member's objection has ended; that it was there stays on record."""
    objections = tuple(
        replace(each, ended=True, dismissed=dismissed) if each.objector == objector else each
        for each in restraints.objections
    )
    return replace(restraints, objections=objections)


def without_lapsed_objections(restraints: Restraints, time_ms: int) -> Restraints:
    """The restraints at block time `time_ms`."""
    objections = tuple(
        replace(each, ended=True) if each.until_ms is not None and each.until_ms <= time_ms else each
        for each in restraints.objections
    )
    return replace(restraints, objections=objections)


RESTRAINTS: Final = Struct(
    Restraints,
    {
        "freezes": Items(
            Struct(Freeze, {"case_number": CASE_NUMBER, "court": MEMBER_ID, "place": REFERENCE}),
            limits.FREEZES_MAX,
        ),
        "objections": Items(
            Struct(
                Objection,
                {
                    "objector": MEMBER_ID,
                    "statement": HASH,
                    "case_number": Optional_(CASE_NUMBER),
                    "until_ms": Optional_(TIME_MS),
                    "ended": Flag(),
                    "place": REFERENCE,
                    "dismissed": Flag(),
                },
            ),
            limits.OBJECTIONS_MAX,
        ),
    },
)
