"""The consortium's policy: the figures that members agree on, bound into every header by hash."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from .codec import Choice, Flag, Items, Struct, Text, Uint, pack
from .signing import Tag, digest

CURRENCIES_MAX: Final = 200  # ISO 4217 lists fewer


class ConfirmationPolicy(IntEnum):
    """For which disposals the debtor's confirmation must stand first."""

    NONE = 0
    FOR_ASSIGNMENT = 1
    FOR_PLEDGE = 2
    BOTH = 3

    def covers_assignment(self) -> bool:
        return self in (ConfirmationPolicy.FOR_ASSIGNMENT, ConfirmationPolicy.BOTH)

    def covers_pledge(self) -> bool:
        return self in (ConfirmationPolicy.FOR_PLEDGE, ConfirmationPolicy.BOTH)


@dataclass(frozen=True, slots=True)
class Policy:
    """`tenor_max_days` bounds due - issue; `dispose_past_due` permits assigning and pledging after the due date."""

    require_confirmation: ConfirmationPolicy
    require_delivery_evidence: bool
    tenor_max_days: int
    dispose_past_due: bool
    currencies: tuple[str, ...]

    def hash(self) -> bytes:
        """The header's policy_hash."""
        return digest(Tag.POLICY, pack(POLICY.encode(self, "policy")))


POLICY: Final = Struct(
    Policy,
    {
        "require_confirmation": Choice(ConfirmationPolicy),
        "require_delivery_evidence": Flag(),
        "tenor_max_days": Uint(3_660, 1),
        "dispose_past_due": Flag(),
        "currencies": Items(Text(3, 3), CURRENCIES_MAX, 1, ascending=True),
    },
)
