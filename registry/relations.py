"""Who controls whom: the groups in which a debtor and the parties of a receivable can turn out to be one.

A party is known by its keyed reference, so that debtors abroad who are no members belong to groups as well. A group is named
by the reference of whoever controls it in the end; two parties are related when they stand under one controller, or one of
them is the controller. A declaration counts from its date on, and until the association marks it as false.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from . import limits
from .codec import Items, Struct
from .errors import Reference
from .operations.fields import DAY, HASH, REFERENCE


@dataclass(frozen=True, slots=True)
class Control:
    """A party stands under `controller` since a day; `place` is the declaration."""

    controller: bytes
    since_day: int
    place: Reference


def control_by(controls: tuple[Control, ...], controller: bytes) -> Control | None:
    return next((control for control in controls if control.controller == controller), None)


def common_control(
    left: bytes,
    left_controls: tuple[Control, ...],
    right: bytes,
    right_controls: tuple[Control, ...],
    day: int,
) -> Control | None:
    """The declaration by which two parties are related on `day`, or None. A party is not related to itself."""
    lefts = [control for control in left_controls if control.since_day <= day]
    rights = [control for control in right_controls if control.since_day <= day]
    for control in lefts:
        if control.controller == right or control_by(tuple(rights), control.controller) is not None:
            return control
    return control_by(tuple(rights), left)


CONTROLS: Final = Items(
    Struct(Control, {"controller": HASH, "since_day": DAY, "place": REFERENCE}), limits.CONTROLLERS_MAX, 1
)
CONTROLLED: Final = Items(HASH, limits.GROUP_MEMBERS_MAX, 1)
