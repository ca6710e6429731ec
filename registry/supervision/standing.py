"""Which alerts stand on one receivable on a day, and on which later day time alone could raise another.

Both are functions of the record and the day (UTC), nothing else. So an alert is raised once: in the first block of a state in
which it stands and did not before. What moves on, as the age of arrears does from one bucket to the next, is another alert.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from ..errors import Reference
from ..identifiers import show_id
from ..policy import OverdueBucket, overdue_bucket
from ..receivable import CLOSED, Receivable
from ..record.attestations import is_voided
from ..rules.arrears import first_unpaid_day
from ..time_units import DAY_MS
from .alerts import AlertKind, AlertSettings
from .positions import position_of

TimeOf = Callable[[int], int]
"""The time of a committed block by its height, in Unix milliseconds."""

# The days after the due date on which arrears grow into the next bucket (`policy.overdue_bucket`).
_EPOCH: Final = datetime.date(1970, 1, 1).toordinal()
_BUCKET_STARTS: Final = (1, 31, 61, 91)


@dataclass(frozen=True, slots=True)
class Standing:
    """One alert that stands. Kind and detail tell it from the others of its receivable."""

    kind: AlertKind
    detail: str
    amount: int
    reference: Reference | None


def standing_alerts(
    record: Receivable, day: int, settings: AlertSettings, time_of: TimeOf
) -> tuple[Standing, ...]:
    """Everything that stands on the receivable on this day."""
    found = [*_indirect(record)]
    if record.phase not in CLOSED:
        found += _in_time(record, day, settings)
        found += _expiring(record, day, settings)
        found += _diluted(record, settings)
        found += _stale(record, day, settings, time_of)
    return tuple(found)


def next_day(record: Receivable, after: int, settings: AlertSettings, time_of: TimeOf) -> int | None:
    """The first day after this one on which an alert may begin to stand although nothing is written; None: never."""
    days = [day for day in _days(record, settings, time_of) if day > after]
    return min(days, default=None)


def _days(record: Receivable, settings: AlertSettings, time_of: TimeOf) -> Iterator[int]:
    if record.phase in CLOSED:
        return
    if record.is_open:
        due = first_unpaid_day(record)
        yield due - settings.due_soon_days
        yield from (due + days for days in _BUCKET_STARTS)
        newest = _newest_attestation(record)
        if newest is not None:
            yield time_of(newest.height) // DAY_MS + settings.attestation_days
    ends = [lien.until_ms for lien in record.liens]
    ends += [link.until_ms for link in record.links if link.until_ms is not None]
    yield from (end_ms // DAY_MS - settings.expiry_days for end_ms in ends)


def _indirect(record: Receivable) -> Iterator[Standing]:
    for payment in record.collection.indirect:
        detail = f"{payment.holder} {payment.bank_reference.hex()}"
        yield Standing(AlertKind.INDIRECT_PAYMENT, detail, payment.amount, payment.place)


def _in_time(record: Receivable, day: int, settings: AlertSettings) -> Iterator[Standing]:
    """What is due soon, or is overdue. What was paid in full waits for nothing but its settlement."""
    if not record.is_open or not record.outstanding:
        return
    due = first_unpaid_day(record)
    bucket = overdue_bucket(due, day)
    if bucket is not OverdueBucket.NOT_DUE:
        yield Standing(AlertKind.OVERDUE, bucket.name.lower(), record.outstanding, record.default)
    elif due - day <= settings.due_soon_days:
        yield Standing(AlertKind.DUE_SOON, _date(due), record.outstanding, None)


def _date(day: int) -> str:
    return datetime.date.fromordinal(_EPOCH + day).isoformat()


def _expiring(record: Receivable, day: int, settings: AlertSettings) -> Iterator[Standing]:
    for lien in record.liens:
        if lien.until_ms // DAY_MS - day <= settings.expiry_days:
            yield Standing(AlertKind.LIEN_EXPIRING, show_id(lien.lien_id), lien.amount, lien.place)
    for link in record.links:
        if link.until_ms is not None and 0 <= link.until_ms // DAY_MS - day <= settings.expiry_days:
            at_stake = position_of(record, frozenset({link.factor})).amount
            yield Standing(AlertKind.REGISTRATION_EXPIRING, link.factor, at_stake, link.place)


def _diluted(record: Receivable, settings: AlertSettings) -> Iterator[Standing]:
    if record.diluted and record.diluted * 100 >= settings.dilution_percent * record.face_amount:
        yield Standing(AlertKind.DILUTION_RATE, f"of {record.face_amount}", record.diluted, None)


def _stale(record: Receivable, day: int, settings: AlertSettings, time_of: TimeOf) -> Iterator[Standing]:
    newest = _newest_attestation(record)
    if not record.is_open or newest is None:
        return
    if day - time_of(newest.height) // DAY_MS >= settings.attestation_days:
        yield Standing(AlertKind.STALE_ATTESTATION, f"height {newest.height}", record.outstanding, newest)


def _newest_attestation(record: Receivable) -> Reference | None:
    """Where the latest paper of it was attested; None when none is, or one is void and all is barred anyway."""
    if is_voided(record.attestations):
        return None
    return max((each.place for each in record.attestations), key=lambda place: place.height, default=None)
