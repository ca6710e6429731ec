"""What an alert watch remembers, in dictionaries: for who derives a report and then forgets."""

from __future__ import annotations

from array import array
from typing import Final

from ..identifiers import ID_BYTES
from ..time_units import DAY_MS


class MemoryIndex:
    """An `AlertIndex` in memory. For each receivable that something is ahead of it keeps 32 bytes, for each block eight."""

    def __init__(self, genesis_time_ms: int) -> None:
        self._times: Final = array("q", [genesis_time_ms])
        self._days: dict[int, bytearray] = {}
        self._exposed: dict[tuple[str, str], set[bytes]] = {}
        self._standing: set[bytes] = set()

    def day(self) -> int:
        return self._times[-1] // DAY_MS

    def put_time(self, height: int, time_ms: int) -> None:
        assert height == len(self._times), "blocks are followed in order"
        self._times.append(time_ms)

    def time_of(self, height: int) -> int:
        return self._times[height]

    def schedule(self, day: int, receivable_id: bytes) -> None:
        self._days.setdefault(day, bytearray()).extend(receivable_id)

    def take_due(self, day: int) -> tuple[bytes, ...]:
        # Days in which something falls due are some hundreds, whatever the number of receivables.
        found: dict[bytes, None] = {}
        for due in sorted(each for each in self._days if each <= day):
            ids = bytes(self._days.pop(due))
            found.update(
                dict.fromkeys(ids[start : start + ID_BYTES] for start in range(0, len(ids), ID_BYTES))
            )
        return tuple(sorted(found))

    def set_exposed(self, factor: str, currency: str, debtor_reference: bytes, *, exposed: bool) -> None:
        debtors = self._exposed.setdefault((factor, currency), set())
        if exposed:
            debtors.add(debtor_reference)
        else:
            debtors.discard(debtor_reference)

    def debtors_of(self, factor: str, currency: str) -> tuple[bytes, ...]:
        return tuple(sorted(self._exposed.get((factor, currency), ())))

    def exposed(self) -> tuple[tuple[str, str], ...]:
        return tuple(sorted(key for key, debtors in self._exposed.items() if debtors))

    def set_standing(self, key: bytes, *, stands: bool) -> bool:
        stood = key in self._standing
        if stands:
            self._standing.add(key)
        else:
            self._standing.discard(key)
        return stood
