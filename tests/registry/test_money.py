"""Amounts as people write them: exact, or refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.limits import AMOUNT_MAX
from registry.money import BadAmount, minor_digits, parse_amount, show_amount


@pytest.mark.parametrize(
    ("text", "currency", "amount"),
    [
        ("0", "USD", 0),
        ("1234.50", "USD", 123_450),
        ("1234.5", "USD", 123_450),
        ("1234", "USD", 123_400),
        ("0.01", "USD", 1),
        ("0007.10", "USD", 710),
        (" 55.94 ", "USD", 5_594),
        ("1.500", "USD", 150),
        ("100", "JPY", 100),
        ("100.0", "JPY", 100),
        ("1.234", "KWD", 1_234),
        ("92233720368547758.07", "USD", AMOUNT_MAX),
    ],
)
def test_amounts_are_read_exactly(text: str, currency: str, amount: int) -> None:
    assert parse_amount(text, currency) == amount


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("", "USD"),
        ("-1", "USD"),
        ("+1", "USD"),
        ("1,234.50", "USD"),
        ("1.234,50", "EUR"),
        ("1e3", "USD"),
        ("1.005", "USD"),
        ("1.", "USD"),
        (".5", "USD"),
        ("1.5", "JPY"),
        ("0.0001", "KWD"),
        ("NaN", "USD"),
        ("Infinity", "USD"),
        ("0x10", "USD"),
        ("１２", "USD"),
        ("٣", "USD"),
        ("1 000", "USD"),
        ("1_000", "USD"),
        ("12 USD", "USD"),
        ("92233720368547758.08", "USD"),
        ("9" * 18, "USD"),
        ("9" * 19, "JPY"),
        ("9" * 10_000, "USD"),
        ("1", "usd"),
        ("1", "XXX"),
        ("1", "XAU"),
        ("1", "ABC"),
        ("1", ""),
    ],
)
def test_what_is_not_an_exact_amount_is_refused(text: str, currency: str) -> None:
    with pytest.raises(BadAmount):
        parse_amount(text, currency)


@pytest.mark.parametrize(("currency", "digits"), [("USD", 2), ("CNY", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4)])
def test_minor_digits_are_those_of_the_standard(currency: str, digits: int) -> None:
    assert minor_digits(currency) == digits


def test_amounts_are_shown_for_people() -> None:
    assert show_amount(123_450, "USD") == "1,234.50 USD"
    assert show_amount(7, "USD") == "0.07 USD"
    assert show_amount(1_234, "JPY") == "1,234 JPY"
    assert show_amount(1_234, "KWD") == "1.234 KWD"


@given(st.integers(0, AMOUNT_MAX), st.sampled_from(["USD", "JPY", "KWD"]))
def test_what_is_shown_reads_back(amount: int, currency: str) -> None:
    shown = show_amount(amount, currency).removesuffix(f" {currency}").replace(",", "")
    assert parse_amount(shown, currency) == amount
