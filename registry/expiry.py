"""What runs out, or takes effect, by itself in block time: one line for each feature of a receivable that has an end.

A block ends a bounded number of what is due and leaves the rest for the next one. So that it makes no difference who was left over,
rules see a record through `expired_at`: what is over is over in the very block of its time, whether it was cleared away or not.
Leaves to others: the index of what is due (`state`), and clearing it away (`transition`).
"""

from __future__ import annotations

from dataclasses import replace

from .receivable import Receivable
from .record.accounts import at_time
from .record.covers import running
from .record.liens import with_lapses, without_expired
from .record.offers import without_lapsed
from .record.pooled import pooled_at
from .record.restraints import without_lapsed_objections


def expired_at(record: Receivable, time_ms: int) -> Receivable:
    """The record as it stands at block time `time_ms`."""
    if all(end_ms > time_ms for end_ms in record.ends_ms()):
        return record
    return replace(
        record,
        liens=without_expired(record.liens, time_ms),
        lapsed=with_lapses(record.lapsed, record.liens, time_ms),
        reservations=without_lapsed(record.reservations, time_ms),
        restraints=without_lapsed_objections(record.restraints, time_ms),
        collection=at_time(record.collection, time_ms),
        # A loss that came while a cover ran can be claimed after its end.
        covers=running(record.covers, time_ms) if record.default is None else record.covers,
        pool=pooled_at(record.pool, record.due_date, time_ms),
    )
