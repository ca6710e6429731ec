"""Amounts as people write them, in minor units of an ISO 4217 currency and back. No float anywhere."""

from __future__ import annotations

import re
from typing import Final

from iso4217 import Currency

from .limits import AMOUNT_MAX

_DECIMAL: Final = re.compile(r"(?P<units>[0-9]{1,19})(?:\.(?P<fraction>[0-9]{1,4}))?")


class BadAmount(ValueError):
    """Text that is not an exact amount of its currency."""


def minor_digits(currency: str) -> int:
    """Digits after the decimal point of an ISO 4217 currency (USD 2, JPY 0, KWD 3). Raises BadAmount if unknown."""
    try:
        digits: int | None = Currency(currency).exponent
    except ValueError as error:
        raise BadAmount(f"{currency!r} is not an ISO 4217 currency code") from error
    if digits is None:
        raise BadAmount(f"{currency!r} has no minor unit and cannot denominate a receivable")
    return digits


def parse_amount(text: str, currency: str) -> int:
    """Minor units of a plain decimal such as '1234.50'. Raises BadAmount; nothing is rounded."""
    digits = minor_digits(currency)
    match = _DECIMAL.fullmatch(text.strip())
    if match is None:
        raise BadAmount(f"{text!r} is not an amount: write digits with a point, such as 1234.50")
    fraction = match["fraction"] or ""
    if len(fraction.rstrip("0")) > digits:
        raise BadAmount(f"{text!r} has more than the {digits} decimals of {currency}")
    amount = int(match["units"]) * int(10**digits) + int(fraction[:digits].ljust(digits, "0") or "0")
    if amount > AMOUNT_MAX:
        raise BadAmount(f"{text!r} is above the largest amount, 2^63-1 minor units")
    return amount


def show_amount(amount: int, currency: str) -> str:
    """'1,234.50 USD' for 123450 minor units."""
    digits = minor_digits(currency)
    units, fraction = divmod(amount, 10**digits)
    return f"{units:,}.{fraction:0{digits}d} {currency}" if digits else f"{units:,} {currency}"
