"""Restraint: a court freezes a receivable, or somebody with an interest in it objects to what is done with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from ..codec import Optional_, Shape, Struct
from .fields import CASE_NUMBER, HASH, MEMBER_ID, RECEIVABLE_ID, OperationType


@dataclass(frozen=True, slots=True)
class RaiseObjection:
    """The objector claims what `statement`, a salted commitment, says. With a case number it does not lapse."""

    receivable: bytes
    objector: str
    statement: bytes
    case_number: str | None


@dataclass(frozen=True, slots=True)
class WithdrawObjection:
    """The objector takes its objection back; or a court, with the association, ends it (`court`)."""

    receivable: bytes
    objector: str
    court: str | None


@dataclass(frozen=True, slots=True)
class Freeze:
    """A court's order, executed by it and the association's quorum: nothing of the receivable is disposed of."""

    receivable: bytes
    court: str
    case_number: str


@dataclass(frozen=True, slots=True)
class Unfreeze:
    """The order under this case number is lifted, by a court and the association's quorum."""

    receivable: bytes
    court: str
    case_number: str


_ORDER: Final[dict[str, Shape[Any]]] = {
    "receivable": RECEIVABLE_ID,
    "court": MEMBER_ID,
    "case_number": CASE_NUMBER,
}
TYPES: Final = (
    OperationType(
        100,
        "RaiseObjection",
        RaiseObjection,
        Struct(
            RaiseObjection,
            {
                "receivable": RECEIVABLE_ID,
                "objector": MEMBER_ID,
                "statement": HASH,
                "case_number": Optional_(CASE_NUMBER),
            },
        ),
    ),
    OperationType(
        101,
        "WithdrawObjection",
        WithdrawObjection,
        Struct(
            WithdrawObjection,
            {"receivable": RECEIVABLE_ID, "objector": MEMBER_ID, "court": Optional_(MEMBER_ID)},
        ),
    ),
    OperationType(102, "Freeze", Freeze, Struct(Freeze, _ORDER)),
    OperationType(103, "Unfreeze", Unfreeze, Struct(Unfreeze, _ORDER)),
)
