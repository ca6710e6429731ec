"""What the association has decided for a later height: another policy, and a halt for other software."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from . import limits
from .codec import Struct, Uint
from .policy import POLICY, Policy


@dataclass(frozen=True, slots=True)
class PendingPolicy:
    """Takes effect in block `from_height`; kept afterwards as the latest decision."""

    policy: Policy
    from_height: int


@dataclass(frozen=True, slots=True)
class Upgrade:
    """Blocks above `halt_height` are for software that knows `rules_version`."""

    halt_height: int
    rules_version: int


PENDING_POLICY: Final = Struct(PendingPolicy, {"policy": POLICY, "from_height": Uint(limits.HEIGHT_MAX)})
UPGRADE: Final = Struct(
    Upgrade, {"halt_height": Uint(limits.HEIGHT_MAX), "rules_version": Uint(limits.RULES_VERSION_MAX)}
)
