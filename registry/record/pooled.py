"""That a receivable stands in a pool: what its record says of it.

While it does, the whole of the exporter's part that nothing else takes secures the advance of the pool's factor, so nothing of that
part can be disposed of elsewhere. From when the receivable is past due for longer than the pool allows it counts for nothing: that
is the one thing about a member that changes by time alone, and block time notes it here.
Leaves to others: what a pool is and what a member is worth to it (`registry.pools`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from ..codec import Flag, Struct
from ..errors import Reference
from ..operations.fields import DAY, MEMBER_ID, POOL_ID, REFERENCE
from ..time_units import DAY_MS


@dataclass(frozen=True, slots=True)
class Pooled:
    """Membership of a pool since `place`; `past_due_days_max` is the pool's, kept here so that the record knows its end."""

    pool_id: bytes
    factor: str
    past_due_days_max: int
    is_past_due: bool
    place: Reference

    def ends_ms(self, due_date: int) -> Iterator[int]:
        """When it is past due for longer than the pool allows, unless it is by now."""
        if not self.is_past_due:
            yield (due_date + self.past_due_days_max + 1) * DAY_MS


def pooled_at(pooled: Pooled | None, due_date: int, time_ms: int) -> Pooled | None:
    """The membership at block time `time_ms`."""
    if pooled is None or all(end_ms > time_ms for end_ms in pooled.ends_ms(due_date)):
        return pooled
    return replace(pooled, is_past_due=True)


POOLED: Final = Struct(
    Pooled,
    {
        "pool_id": POOL_ID,
        "factor": MEMBER_ID,
        "past_due_days_max": DAY,
        "is_past_due": Flag(),
        "place": REFERENCE,
    },
)
