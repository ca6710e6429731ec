"""Lengths of time in milliseconds, the unit of block time. A day is one of UTC, counted from 1970-01-01: the ledger knows no
local calendar and no leap second."""

from __future__ import annotations

from typing import Final

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
