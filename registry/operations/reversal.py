"""Reversal: what a court's final decision undoes of one receivable. Nothing that stands on the chain is erased."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from .. import limits
from ..codec import Choice, Items, Shape, Struct
from ..errors import MalformedEntry
from .fields import AMOUNT, CASE_NUMBER, HASH, LIEN_ID, MEMBER_ID, RECEIVABLE_ID, OperationType


class Step(IntEnum):
    """What a receivable has been through, and a court can undo without naming anybody.

    A confirmation, express or tacit, and a rejection go back to none; without its registration a receivable is void; without
    its closure (settlement or cancellation) it is owed again; without its pool the exporter's part secures no advance.
    """

    CONFIRMATION = 1
    REJECTION = 2
    REGISTRATION = 3
    CLOSURE = 4
    POOL = 5


@dataclass(frozen=True, slots=True)
class AssignmentUndone:
    """`amount` goes back from assignee to assignor, under those first-ranking liens of the assignee's that are named."""

    assignor: str
    assignee: str
    amount: int
    with_liens: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class PledgeUndone:
    """The lien ends; one behind it moves up."""

    lien: bytes


@dataclass(frozen=True, slots=True)
class StepUndone:
    step: Step


Undone = AssignmentUndone | PledgeUndone | StepUndone


@dataclass(frozen=True, slots=True)
class ReverseByJudgment:
    """A final decision, executed by a court and the association's quorum: its effects, in this order, all or none.

    `decision` is a salted commitment to the decision's text. It is executed once on each receivable.
    """

    receivable: bytes
    court: str
    case_number: str
    decision: bytes
    undone: tuple[Undone, ...]


_LIENS: Final = Items(LIEN_ID, limits.LIENS_MAX, ascending=True)
_EFFECTS: Final[dict[int, Struct[Any]]] = {
    1: Struct(
        AssignmentUndone,
        {"assignor": MEMBER_ID, "assignee": MEMBER_ID, "amount": AMOUNT, "with_liens": _LIENS},
    ),
    2: Struct(PledgeUndone, {"lien": LIEN_ID}),
    3: Struct(StepUndone, {"step": Choice(Step)}),
}
_KINDS: Final = {shape.build: kind for kind, shape in _EFFECTS.items()}


class AnyEffect:
    """An effect as `[kind, fields]`."""

    def decode(self, raw: object, path: str) -> Undone:
        if type(raw) is not tuple or len(raw) != 2:
            raise MalformedEntry("must be an array of a kind and its fields", path=path)
        kind, fields = raw
        shape = _EFFECTS.get(kind) if type(kind) is int else None
        if shape is None:
            raise MalformedEntry(f"unknown kind of effect; known are {sorted(_EFFECTS)}", path=path)
        effect: Undone = shape.decode(fields, path)
        return effect

    def encode(self, value: Undone, path: str) -> tuple[object, ...]:
        kind = _KINDS.get(type(value))
        if kind is None:
            raise MalformedEntry(f"a {type(value).__name__} is not an effect", path=path)
        return (kind, _EFFECTS[kind].encode(value, path))

    @staticmethod
    def shape_of(value: Undone) -> Struct[Any]:
        """The fields of this effect."""
        return _EFFECTS[_KINDS[type(value)]]


_EFFECT: Final[Shape[Undone]] = AnyEffect()
TYPES: Final = (
    OperationType(
        104,
        "ReverseByJudgment",
        ReverseByJudgment,
        Struct(
            ReverseByJudgment,
            {
                "receivable": RECEIVABLE_ID,
                "court": MEMBER_ID,
                "case_number": CASE_NUMBER,
                "decision": HASH,
                "undone": Items(_EFFECT, limits.JUDGMENT_EFFECTS_MAX, 1),
            },
        ),
    ),
)
