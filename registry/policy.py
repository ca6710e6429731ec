"""The consortium's policy: the figures that members agree on, bound into every header by hash."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from . import limits
from .codec import Choice, Flag, Items, Optional_, Struct, Text, Uint, pack
from .signing import Tag, digest


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


class RelatedPartyPolicy(IntEnum):
    """What becomes of a disposal between members of one control group: refused, or applied with a flag on its result."""

    REFUSE = 1
    FLAG = 2


class OverdueBucket(IntEnum):
    """Age of what is unpaid, by days after the due date. Fixed, so that figures compare (notice No. 205: 90 days)."""

    NOT_DUE = 0
    DAYS_1_30 = 1
    DAYS_31_60 = 2
    DAYS_61_90 = 3
    OVER_90 = 4


def overdue_bucket(due_date: int, day: int) -> OverdueBucket:
    """The bucket on `day`, both as days since 1970-01-01. The due date itself is not overdue."""
    days = day - due_date
    if days <= 0:
        return OverdueBucket.NOT_DUE
    return OverdueBucket(min((days - 1) // 30 + 1, OverdueBucket.OVER_90))


@dataclass(frozen=True, slots=True)
class Policy:
    """Every figure is judged as it stood before the block. What has a default is usual in the trade, or not limited.

    `tenor_max_days` bounds due - issue; `dispose_past_due` permits assigning and pledging after the due date.
    `offer_max_hours` bounds how long an offer may reserve value; `cooling_off_hours` passes before another collection
    account takes effect; an objection lapses after `objection_days`; silence counts as confirmation after `tacit_days`;
    default can be declared `grace_days` after the due date. Percents are of the risk assets that a factor has signed; None
    sets no limit. `operations_per_day_max` is per submitting member and UTC day. A cycle of exporter -> debtor edges is
    flagged when it has at most `cycle_hops_max` edges (0: not looked for) no older than `cycle_days`.
    `change_delay_blocks` is the shortest time between the decision on another policy and its effect. With
    `whitelisted_factors_only` nobody takes anything who is not on the supervisor's list of factors in good standing.
    """

    require_confirmation: ConfirmationPolicy
    require_delivery_evidence: bool
    tenor_max_days: int
    dispose_past_due: bool
    currencies: tuple[str, ...]
    offer_max_hours: int = 72
    cooling_off_hours: int = 72
    objection_days: int = 30
    tacit_days: int = 10
    grace_days: int = 0
    related_party: RelatedPartyPolicy = RelatedPartyPolicy.REFUSE
    single_debtor_max_percent: int | None = None
    related_debtors_max_percent: int | None = None
    operations_per_day_max: int | None = None
    cycle_hops_max: int = 4
    cycle_days: int = 90
    change_delay_blocks: int = 0
    whitelisted_factors_only: bool = False

    def hash(self) -> bytes:
        """The header's policy_hash."""
        return digest(Tag.POLICY, pack(POLICY.encode(self, "policy")))


CURRENCY: Final = Text(limits.CURRENCY_CHARS, limits.CURRENCY_CHARS)
_DAYS: Final = Uint(limits.WAITING_DAYS_MAX, 1)
_PERCENT: Final = Optional_(Uint(limits.PERCENT_MAX, 1))
POLICY: Final = Struct(
    Policy,
    {
        "require_confirmation": Choice(ConfirmationPolicy),
        "require_delivery_evidence": Flag(),
        "tenor_max_days": Uint(limits.TENOR_DAYS_MAX, 1),
        "dispose_past_due": Flag(),
        "currencies": Items(CURRENCY, limits.CURRENCIES_MAX, 1, ascending=True),
        "offer_max_hours": Uint(limits.OFFER_HOURS_MAX, 1),
        "cooling_off_hours": Uint(limits.COOLING_OFF_HOURS_MAX),
        "objection_days": _DAYS,
        "tacit_days": _DAYS,
        "grace_days": Uint(limits.WAITING_DAYS_MAX),
        "related_party": Choice(RelatedPartyPolicy),
        "single_debtor_max_percent": _PERCENT,
        "related_debtors_max_percent": _PERCENT,
        "operations_per_day_max": Optional_(Uint(limits.QUOTA_MAX, 1)),
        "cycle_hops_max": Uint(limits.CYCLE_HOPS_MAX),
        "cycle_days": _DAYS,
        "change_delay_blocks": Uint(limits.CHANGE_DELAY_BLOCKS_MAX),
        "whitelisted_factors_only": Flag(),
    },
)
