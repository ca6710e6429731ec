"""Governance of all members together: the policy, a released fingerprint, an upgrade of the rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .. import limits
from ..codec import Struct, Text, Uint
from ..policy import POLICY, Policy
from .fields import HASH, RECEIVABLE_ID, OperationType


@dataclass(frozen=True, slots=True)
class SetPolicy:
    """The policy is replaced whole in block `from_height`, which is judged by it. Signed by the association's quorum.

    A later decision takes the place of one that is not in effect yet.
    """

    policy: Policy
    from_height: int


@dataclass(frozen=True, slots=True)
class ScheduleUpgrade:
    """After block `halt_height` only software that knows `rules_version` goes on. Signed by the association's quorum."""

    halt_height: int
    rules_version: int


@dataclass(frozen=True, slots=True)
class ReleaseFingerprint:
    """A fingerprint of a settled or cancelled receivable may be registered again, for the stated reason.

    Signed by the association's quorum. The reason stands on the chain in the clear: it names no paper and no person.
    """

    receivable: bytes
    fingerprint: bytes
    reason: str


TYPES: Final = (
    OperationType(
        6,
        "SetPolicy",
        SetPolicy,
        Struct(SetPolicy, {"policy": POLICY, "from_height": Uint(limits.HEIGHT_MAX)}),
    ),
    OperationType(
        8,
        "ScheduleUpgrade",
        ScheduleUpgrade,
        Struct(
            ScheduleUpgrade,
            {
                "halt_height": Uint(limits.HEIGHT_MAX),
                "rules_version": Uint(limits.RULES_VERSION_MAX),
            },
        ),
    ),
    OperationType(
        9,
        "ReleaseFingerprint",
        ReleaseFingerprint,
        Struct(
            ReleaseFingerprint,
            {"receivable": RECEIVABLE_ID, "fingerprint": HASH, "reason": Text(limits.REASON_CHARS_MAX)},
        ),
    ),
)
