"""What a factor has at stake with one debtor in one currency: counted as it changes, never by looking through the state.

It is the sum of the parts that the factor holds, of the liens that it has, of all ranks, and of what stands in its pools, on
receivables that are neither settled nor cancelled. `WorkingState` keeps the counters whenever a receivable is written, so no rule
can forget it. Limits are judged per currency: the chain knows no exchange rate, and would have to trust somebody for one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from . import limits
from .codec import Bytes, Struct
from .errors import InvariantViolation, Reference
from .operations.fields import AMOUNT, DAY, REFERENCE
from .receivable import CLOSED, Receivable

REFERENCE_BYTES: Final = 32  # HMAC-SHA256
EXPOSURE_BYTES: Final = 16  # a sum of 2^64 of the largest amounts: it cannot overflow


@dataclass(frozen=True, slots=True)
class RiskAssets:
    """What the factor has signed as its risk assets in one currency, as of a day."""

    amount: int
    as_of_day: int
    place: Reference


def exposure_id(factor: str, debtor_reference: bytes, currency: str) -> bytes:
    return debtor_reference + currency.encode() + factor.encode()


def risk_assets_id(factor: str, currency: str) -> bytes:
    return currency.encode() + factor.encode()


def parts_of_exposure_id(identifier: bytes) -> tuple[bytes, str, str]:
    """Debtor's reference, currency and factor: the inverse of `exposure_id`."""
    rest = identifier[REFERENCE_BYTES:]
    return (
        identifier[:REFERENCE_BYTES],
        rest[: limits.CURRENCY_CHARS].decode(),
        rest[limits.CURRENCY_CHARS :].decode(),
    )


def parts_of_risk_assets_id(identifier: bytes) -> tuple[str, str]:
    """Currency and factor: the inverse of `risk_assets_id`."""
    return identifier[: limits.CURRENCY_CHARS].decode(), identifier[limits.CURRENCY_CHARS :].decode()


def exposures_of(record: Receivable | None) -> dict[str, int]:
    """By member, what the record adds to its exposure. The exporter's own part is not lent on by anybody."""
    if record is None or record.phase in CLOSED:
        return {}
    sums: dict[str, int] = {}
    for part in record.parts:
        if part.holder != record.exporter and part.amount:
            sums[part.holder] = sums.get(part.holder, 0) + part.amount
    for lien in record.liens:
        sums[lien.pledgee] = sums.get(lien.pledgee, 0) + lien.amount
    stake = pooled_stake(record)
    if record.pool is not None and stake:
        sums[record.pool.factor] = sums.get(record.pool.factor, 0) + stake
    return sums


def pooled_stake(record: Receivable) -> int:
    """What of the record is, or would be, at stake in a pool: the exporter's part beside what it has pledged of it."""
    return record.amount_of(record.exporter) - record.pledged_by(record.exporter)


class _Total:
    """A sum of amounts, which an integer of the vocabulary need not hold."""

    def decode(self, raw: object, path: str) -> int:
        return int.from_bytes(_TOTAL_BYTES.decode(raw, path), "big")

    def encode(self, value: int, path: str) -> bytes:
        if value < 0:
            raise InvariantViolation("an exposure is below zero", path=path, exposure=value)
        return value.to_bytes(EXPOSURE_BYTES, "big")


_TOTAL_BYTES: Final = Bytes(EXPOSURE_BYTES)
EXPOSURE: Final = _Total()
RISK_ASSETS: Final = Struct(RiskAssets, {"amount": AMOUNT, "as_of_day": DAY, "place": REFERENCE})
