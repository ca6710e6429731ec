"""Which nodes an entry still has to be handed to, and when its refusal may be believed: the bookkeeping of `commit`.

What one node says at its door is one node's word. A liar may keep a signed entry and say that it refused it, or take it in
and drop it. So an entry is handed to other nodes when one refuses it, and when its receipt does not come in time; it counts
as turned away only when so many nodes have refused it that an honest one is among them, or none is left to ask. Even then
it is signed: whoever kept it can bring it into a block until it expires. No I/O, no clock: times are arguments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from consensus.validators import ValidatorSet
from registry.identifiers import EntryId

from .node_circle import OVERLOADED, RETRY_PAUSE_S
from .verify import ProvenReceipt


@dataclass(frozen=True, slots=True)
class Admission:
    """What one node's door said of one entry, without proof. OK: it waits for a block, or is in one."""

    entry_id: EntryId
    node_id: str
    code: str
    message: str
    retry_after_ms: int

    @property
    def is_ok(self) -> bool:
        return self.code == "OK"


def nodes_with_an_honest_one(validators: ValidatorSet) -> int:
    """So many validators cannot all be faulty: f + 1 of 3f + 1 when their powers are equal."""
    powers = sorted(validator.power for validator in validators.validators)
    faulty_max = (sum(powers) - 1) // 3
    held = 0
    for count, power in enumerate(powers, start=1):
        held += power
        if held > faulty_max:
            return count
    return len(powers)


@dataclass(slots=True)
class _Open:
    """One entry without a receipt. It is due at `due_s`, then to so many nodes as `nodes_due` says."""

    raw: bytes
    due_s: float
    nodes_due: int = 1
    words: dict[str, Admission] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)


class OpenEntries:
    """The entries of one `commit`, until each has its outcome."""

    def __init__(
        self,
        entries: Mapping[EntryId, bytes],
        node_ids: Sequence[str],
        enough: int,
        resubmit_after_s: float,
        now_s: float,
    ) -> None:
        """`enough`: how many nodes have an honest one among them. An entry whose receipt is not there `resubmit_after_s` after
        it was taken in is handed to so many others."""
        self.outcome: dict[EntryId, ProvenReceipt | Admission] = {}
        self._open = {entry_id: _Open(raw, now_s) for entry_id, raw in entries.items()}
        self._node_ids = frozenset(node_ids)
        self._enough = min(enough, len(self._node_ids))
        self._resubmit_after_s = resubmit_after_s

    @property
    def waiting(self) -> list[EntryId]:
        return list(self._open)

    @property
    def next_due_s(self) -> float:
        return min(entry.due_s for entry in self._open.values())

    def due(self, now_s: float) -> dict[tuple[int, frozenset[str]], dict[EntryId, bytes]]:
        """What is to be handed in now, by: to how many nodes, and which were asked before and come last."""
        due: dict[tuple[int, frozenset[str]], dict[EntryId, bytes]] = {}
        for entry_id, entry in self._open.items():
            if entry.due_s <= now_s:
                due.setdefault((entry.nodes_due, frozenset(entry.asked)), {})[entry_id] = entry.raw
        return due

    def hear(
        self, entry_ids: Iterable[EntryId], asked: Iterable[str], words: Iterable[Admission], now_s: float
    ) -> None:
        """These entries were handed to these nodes, which said this; one that did not answer has said nothing."""
        for word in words:
            if word.entry_id in self._open:
                self._open[word.entry_id].words[word.node_id] = word
        asked = frozenset(asked)
        for entry_id in entry_ids:
            entry = self._open.get(entry_id)
            if entry is not None:
                entry.asked |= asked
                self._decide(entry_id, entry, now_s)

    def committed(self, receipts: Mapping[EntryId, ProvenReceipt]) -> None:
        for entry_id, receipt in receipts.items():
            self.outcome[entry_id] = receipt
            del self._open[entry_id]

    def _decide(self, entry_id: EntryId, entry: _Open, now_s: float) -> None:
        words = entry.words.values()
        refusals = [word for word in words if not word.is_ok and word.code != OVERLOADED]
        is_taken_in = any(word.is_ok for word in words)
        all_asked = entry.asked >= self._node_ids
        if len(refusals) >= self._enough or (refusals and all_asked and not is_taken_in):
            self.outcome[entry_id] = refusals[0]
            del self._open[entry_id]
            return
        if all_asked:
            entry.asked.clear()  # from here on it is a second round
        if is_taken_in:
            entry.due_s, entry.nodes_due = now_s + self._resubmit_after_s, self._enough
        elif refusals:
            entry.due_s, entry.nodes_due = now_s, self._enough
        else:
            pause_s = min((word.retry_after_ms / 1_000 for word in words), default=0.0)
            entry.due_s = now_s + min(max(pause_s, RETRY_PAUSE_S), self._resubmit_after_s)
