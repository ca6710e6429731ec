"""The core's one door: `Driver.step(input) -> [effect]` (being written; the signatures are final)."""

from .effects import Effect
from .inputs import Input
from .limits import Limits, Timing
from .validators import NodeId

__all__ = ["Driver", "Limits", "Timing"]


class Driver:
    """One node's part in deciding one height after the other."""

    def __init__(self, chain_id: bytes, own_id: NodeId | None, timing: Timing, limits: Limits) -> None:
        self.chain_id = chain_id
        self.own_id = own_id
        self.timing = timing
        self.limits = limits

    def step(self, input: Input) -> list[Effect]:
        """Take one input; answer what the host must do, in order."""
        raise NotImplementedError(input)

    def outstanding(self) -> list[Effect]:
        """After a replay whose effects were thrown away: the effects that the host must perform again."""
        raise NotImplementedError
