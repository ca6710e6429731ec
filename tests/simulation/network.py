"""Links between nodes: delay, loss, duplication, reordering, cuts, and rules that single out a message.

Each link is its own: what `faults` says holds for all, what `cut` holds for a pair in one direction. Messages travel
independently, so any two may overtake each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from consensus.inputs import NeedFromPeer
from consensus.messages import Proposal, ValueMessage, Vote
from node.ports import Message

from .world import World


@dataclass(frozen=True, slots=True)
class EntryBatch:
    """Entries on their way between mempools."""

    entries: tuple[bytes, ...]


Packet = Message | NeedFromPeer | EntryBatch

Rule = Callable[[str, str, Packet], int | None]
"""(sender, receiver, packet) -> extra delay in ms, or None to lose it; a rule that does not care answers 0."""


@dataclass(frozen=True, slots=True)
class LinkFaults:
    """What every link does to a packet."""

    delay_ms_min: int = 1
    delay_ms_max: int = 30
    loss: float = 0.0
    duplication: float = 0.0


class Network:
    """Carries packets between node ids."""

    def __init__(self, world: World, deliver: Callable[[str, str, Packet], None]) -> None:
        self._world = world
        self._deliver = deliver
        self.faults = LinkFaults()
        self.cut: dict[tuple[str, str], None] = {}
        self.rules: list[Rule] = []

    def send(self, sender: str, receiver: str, packet: Packet, extra_ms: int = 0) -> None:
        """Put a packet on its way, or lose it."""
        random, faults = self._world.random, self.faults
        if (sender, receiver) in self.cut or self._world.chance(faults.loss):
            return
        for rule in self.rules:
            delay_ms = rule(sender, receiver, packet)
            if delay_ms is None:
                return
            extra_ms += delay_ms
        copies = 2 if self._world.chance(faults.duplication) else 1
        for _ in range(copies):
            delay_ms = extra_ms + random.randint(faults.delay_ms_min, faults.delay_ms_max)
            self._world.after(delay_ms, lambda: self._arrive(sender, receiver, packet))

    def partition(self, *groups: tuple[str, ...]) -> None:
        """Only members of one group reach each other."""
        everyone = [name for group in groups for name in group]
        self.cut = {
            (one, other): None
            for one in everyone
            for other in everyone
            if one != other and not any(one in group and other in group for group in groups)
        }

    def heal(self) -> None:
        """All links as they should be."""
        self.cut.clear()
        self.rules.clear()
        self.faults = LinkFaults()

    def reaches(self, sender: str, receiver: str) -> bool:
        """Whether the link is up in this direction."""
        return (sender, receiver) not in self.cut

    def _arrive(self, sender: str, receiver: str, packet: Packet) -> None:
        self._world.note(f"{sender} -> {receiver} {describe(packet)}")
        self._deliver(sender, receiver, packet)


def describe(packet: Packet) -> str:
    """One line of the trace."""
    match packet:
        case Vote():
            value = "nil" if packet.block_hash is None else packet.block_hash.hex()[:8]
            return f"{packet.type.name.lower()} {packet.height}/{packet.round} {value} of {packet.validator}"
        case Proposal():
            block = packet.block_hash.hex()[:8]
            return f"proposal {packet.height}/{packet.round} {block} vr {packet.valid_round} of {packet.validator}"
        case ValueMessage():
            return f"value {packet.height} {packet.block_hash.hex()[:8]}"
        case NeedFromPeer():
            return f"need {packet.height} {packet.block_hash.hex()[:8]}"
        case EntryBatch():
            return f"{len(packet.entries)} entries"
        case _:
            return f"certificate {packet.height}/{packet.round} {packet.block_hash.hex()[:8]}"
