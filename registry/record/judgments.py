"""Final decisions that were executed on one receivable, so that none is executed twice.

Leaves to others: what a decision may undo (`registry.rules.reversal`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .. import limits
from ..codec import Items, Struct
from ..errors import Reference
from ..operations.fields import CASE_NUMBER, HASH, MEMBER_ID, REFERENCE


@dataclass(frozen=True, slots=True)
class Judgment:
    """A court's final decision: `decision` is the salted commitment to its text."""

    decision: bytes
    case_number: str
    court: str
    place: Reference


def judgment_of(judgments: tuple[Judgment, ...], decision: bytes) -> Judgment | None:
    """The execution of this decision, or None."""
    return next((each for each in judgments if each.decision == decision), None)


JUDGMENTS: Final = Items(
    Struct(Judgment, {"decision": HASH, "case_number": CASE_NUMBER, "court": MEMBER_ID, "place": REFERENCE}),
    limits.JUDGMENTS_MAX,
)
