"""Figures and alerts over a chain: follow it from the genesis document on, and ask for a report when the height is there.

A node that replays its own store and an auditor who replays an export run this same code; their reports are equal, byte for byte.
What it remembers of a receivable is its id, and whether time will raise an alert on it; everything else is read from the state
when the report is made. Leaves to others: executing blocks, and whether they are the right ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ..genesis import Genesis
from ..identifiers import ID_BYTES
from ..member import Member
from ..operations.governance import Role
from ..pools import Pool, shortfall
from ..receivable import Receivable
from ..state import StateReader, WorkingState
from ..stored import Namespace, decode_value, state_key
from .alert_memory import MemoryIndex
from .alert_watch import AlertWatch, alert_on, short_pool
from .alerts import DEFAULT_SETTINGS, Alert, AlertKind, AlertSettings
from .figures import Figures, StockCount
from .flows import Flows
from .observation import Head, ObservedBlock
from .positions import Scope, interested
from .standing import standing_alerts

STANDING_LISTED_MAX: Final = 1_000  # what people read; the counts beside the list are of all


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """As of which height; of one factor, or with None of the sector; what passed since `from_height`, itself included."""

    height: int
    member_id: str | None
    from_height: int = 1


@dataclass(frozen=True, slots=True)
class Report:
    """`factors` are those of a report on the sector. `standing` lists the first alerts, `standing_count` counts all by kind;
    `raised` counts those of the period."""

    head: Head
    request: ReportRequest
    settings: AlertSettings
    figures: Figures
    factors: tuple[Figures, ...]
    standing: tuple[Alert, ...]
    standing_count: tuple[tuple[str, int], ...]
    raised: tuple[tuple[str, int], ...]


class Supervision:
    """See the module's docstring. Used for one report."""

    def __init__(
        self, genesis: Genesis, request: ReportRequest, settings: AlertSettings = DEFAULT_SETTINGS
    ) -> None:
        self._request = request
        self._settings = settings
        self._index = MemoryIndex(genesis.time_ms)
        self._watch = AlertWatch(self._index, settings)
        self._flows = Flows()
        self._raised: Counter[AlertKind] = Counter()
        self._head: Head | None = None
        self._receivables = bytearray()
        self._pools: dict[bytes, None] = {}
        self._factors: dict[str, None] = {}
        for member in genesis.members:
            self._note_member(member)

    def follow(self, block: ObservedBlock, reader: StateReader) -> None:
        """Take the next block in; `reader` is the state after it."""
        self._head = block.head
        for receivable_id, touched in block.receivables().items():
            if touched.before is None:
                self._receivables += receivable_id
        self._pools.update(dict.fromkeys(block.changes(Namespace.POOL)))
        for change in block.changes(Namespace.MEMBER).values():
            self._note_member(change.after)
        alerts = self._watch.follow(block, WorkingState(reader))
        if block.height >= self._request.from_height:
            self._flows.add(block)
            self._raised.update(alert.kind for alert in alerts if self._concerns(alert))

    def report(self, reader: StateReader) -> Report:
        """The report as of the block that was taken in last."""
        head, state = self._head, WorkingState(reader)
        assert head is not None, "a report is as of a block"
        asked, sector = self._request.member_id, frozenset(self._factors)
        own = sector if asked is None else frozenset({asked})
        counts = {asked: self._count(state, asked, own, head)}
        if asked is None:
            counts.update(
                {name: self._count(state, name, frozenset({name}), head) for name in sorted(sector)}
            )
        standing: list[Alert] = []
        for record in self._records(reader):
            for member_id in (asked, *(sorted(_named(record) & sector) if asked is None else ())):
                counts[member_id].add(record)
            standing += self._standing(record, head)
        for pool_id in self._pools:
            pool: Pool | None = state.pool(pool_id)
            assert pool is not None, "a pool is never forgotten"
            for count in counts.values():
                count.add_pool(pool)
            if shortfall(pool):
                standing.append(short_pool(head.height, pool))
        standing += self._watch.concentrations(state, head.height)
        standing = [alert for alert in standing if self._concerns(alert)]
        figures = {member_id: count.figures(self._flows) for member_id, count in counts.items()}
        by_kind = Counter(alert.kind for alert in standing)
        return Report(
            head=head,
            request=self._request,
            settings=self._settings,
            figures=figures.pop(asked),
            factors=tuple(figures.values()),
            standing=tuple(standing[:STANDING_LISTED_MAX]),
            standing_count=_by_kind(by_kind),
            raised=_by_kind(self._raised),
        )

    def _note_member(self, member: Member) -> None:
        if Role.FACTOR in member.roles:
            # Who was one stays one here: what it financed does not leave the sector with its role.
            self._factors[member.member_id] = None

    def _count(self, state: WorkingState, member_id: str | None, scope: Scope, head: Head) -> StockCount:
        return StockCount(state, member_id, scope, head.time_ms, self._settings.expiry_days)

    def _records(self, reader: StateReader) -> Iterator[Receivable]:
        for start in range(0, len(self._receivables), ID_BYTES):
            identifier = bytes(self._receivables[start : start + ID_BYTES])
            stored = reader.value(state_key(Namespace.RECEIVABLE, identifier))
            assert stored is not None, "a receivable is never forgotten"
            yield decode_value(Namespace.RECEIVABLE, stored)

    def _standing(self, record: Receivable, head: Head) -> list[Alert]:
        if self._request.member_id is not None and self._request.member_id not in record.parties():
            return []
        day = self._index.day()
        return [
            alert_on(head.height, None, record, each)
            for each in standing_alerts(record, day, self._settings, self._index.time_of)
        ]

    def _concerns(self, alert: Alert) -> bool:
        return self._request.member_id is None or self._request.member_id in alert.parties


def _named(record: Receivable) -> Scope:
    """Who has a position on it, or waits for what was paid past it."""
    return interested(record) | {each.holder for each in record.collection.indirect}


def _by_kind(counts: Counter[AlertKind]) -> tuple[tuple[str, int], ...]:
    return tuple((kind.value, counts[kind]) for kind in AlertKind if counts[kind])
