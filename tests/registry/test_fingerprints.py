"""Normalisation of numbers, and what each fingerprint depends on."""

from __future__ import annotations

import hmac
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.fingerprints import Delivery, FingerprintKey, FingerprintKind, Fingerprints, normalise_number
from registry.identifiers import BadIdentifier, MemberId
from tests.registry.consortium import AFFILIATE, DEBTOR_REFERENCE, EXPORTER, OTHER_DEBTOR_REFERENCE

KEY = FingerprintKey(bytes(range(32)), 1)


@pytest.mark.parametrize(
    ("number", "normalised"),
    [
        ("INV-007", "INV7"),
        ("inv 007", "INV7"),
        ("ＩＮＶ－００７", "INV7"),
        ("INV\u200b\u00ad007", "INV7"),
        ("A0001B0020", "A1B20"),
        ("000", "0"),
        ("A00", "A0"),
        ("0A", "0A"),
        ("2024-0042", "20240042"),
        ("10", "10"),
        ("100200", "100200"),
        ("№ 7", "NO7"),
        ("Rechnung 5ß", "RECHNUNG5SS"),
        ("①②", "12"),
        ("Ⅷ", "VIII"),
        ("发票０１２", "发票12"),
        ("٠٠٧", "7"),
        ("०१२", "12"),
        ("é", "É"),
        ("e\u0301", "É"),
        ("ﬁ1", "FI1"),
        ("", ""),
        ("-/ ", ""),
    ],
)
def test_normalisation(number: str, normalised: str) -> None:
    assert normalise_number(number) == normalised


@given(st.text(max_size=40))
def test_normalising_twice_changes_nothing(number: str) -> None:
    once = normalise_number(number)
    assert normalise_number(once) == once


@given(
    st.text(alphabet="ABCxyz0123456789-/. ", max_size=30), st.text(alphabet="-/._ \u00a0\u200b", max_size=3)
)
def test_separators_make_no_difference(number: str, separator: str) -> None:
    assert normalise_number(separator.join(number)) == normalise_number(number)


@given(st.text(alphabet="ABCxyz0123456789", min_size=1, max_size=30))
def test_case_makes_no_difference(number: str) -> None:
    assert normalise_number(number.lower()) == normalise_number(number.upper())


@given(st.from_regex(r"[A-Z]{1,4}[1-9][0-9]{0,8}", fullmatch=True), st.integers(0, 5))
def test_leading_zeros_make_no_difference(number: str, zeros: int) -> None:
    letters = number.rstrip("0123456789")
    assert normalise_number(letters + "0" * zeros + number[len(letters) :]) == normalise_number(number)


def test_a_fingerprint_is_an_hmac_of_kind_and_parts() -> None:
    exporter, debtor = EXPORTER.encode(), DEBTOR_REFERENCE.hex().encode()
    parts = (exporter, debtor, b"INV7", b"")
    message = b"\x01" + b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    expected = hmac.digest(bytes(range(32)), message, sha256)
    assert KEY.invoice(MemberId(EXPORTER), DEBTOR_REFERENCE, "inv-007", None) == expected


def test_an_invoice_depends_on_its_parties_number_and_year_only() -> None:
    prints = {
        KEY.invoice(MemberId(EXPORTER), DEBTOR_REFERENCE, "7", None),
        KEY.invoice(MemberId(AFFILIATE), DEBTOR_REFERENCE, "7", None),
        KEY.invoice(MemberId(EXPORTER), OTHER_DEBTOR_REFERENCE, "7", None),
        KEY.invoice(MemberId(EXPORTER), DEBTOR_REFERENCE, "8", None),
        KEY.invoice(MemberId(EXPORTER), DEBTOR_REFERENCE, "7", 2024),
        KEY.invoice(MemberId(EXPORTER), DEBTOR_REFERENCE, "7", 2025),
        FingerprintKey(b"\1" * 32, 1).invoice(MemberId(EXPORTER), DEBTOR_REFERENCE, "7", None),
    }
    assert len(prints) == 7


def test_parts_do_not_run_into_each_other() -> None:
    assert KEY.delivery("AB", "C") != KEY.delivery("A", "BC")
    assert KEY.payment("AB", "C") != KEY.payment("A", "BC")


def test_kinds_do_not_run_into_each_other() -> None:
    digits = sha256(b"file").digest()
    kinds = {KEY.fiscal(digits.hex()), KEY.document(digits), KEY.debtor(f"CN:{digits.hex()}")}
    assert len(kinds) == 3
    assert [kind.value for kind in FingerprintKind] == [1, 2, 3, 4, 5, 6, 7, 8, 9]


def test_a_debtor_is_known_however_it_is_written() -> None:
    assert KEY.debtor("lei:5493001KJTIIGC8Y1R12") == KEY.debtor(" LEI: 5493001kjtii-gc8y1r12 ")
    written = {
        KEY.debtor(text) for text in ("US:12-3456789", "us:123456789", "US: 12 3456789", "ＵＳ：012-3456789")
    }
    assert len(written) == 1
    assert KEY.debtor("CA:123456789") not in written


@pytest.mark.parametrize(
    "text", ["", "123456789", "USA:1", "US:", "US:--", "lei:5493001KJTIIGC8Y1R13", "uscc:1"]
)
def test_a_debtor_without_a_usable_identifier_is_refused(text: str) -> None:
    with pytest.raises(BadIdentifier):
        KEY.debtor(text)


@pytest.mark.parametrize("number", ["", "  ", "---", "\u200b"])
def test_a_number_without_content_identifies_nothing(number: str) -> None:
    with pytest.raises(ValueError, match="no letter or digit"):
        KEY.invoice(MemberId(EXPORTER), DEBTOR_REFERENCE, number, None)
    with pytest.raises(ValueError, match="no letter or digit"):
        KEY.fiscal(number)


def test_a_fingerprint_key_is_long_and_never_prints() -> None:
    with pytest.raises(ValueError, match="at least 32"):
        FingerprintKey(bytes(31), 1)
    assert repr(KEY) == "FingerprintKey(epoch=1)"
    assert not hasattr(KEY, "__dict__")


def test_what_a_taker_signs_depends_on_every_fingerprint() -> None:
    base = Fingerprints(1, b"i" * 32, b"f" * 32, b"d" * 32, b"s" * 32, (Delivery(b"l" * 32, 1, 2),))
    variants = [
        base,
        replace(base, epoch=2),
        replace(base, invoice=b"x" * 32),
        replace(base, fiscal=None),
        replace(base, document=None),
        replace(base, fiscal=None, document=b"f" * 32),
        replace(base, fiscal=b"d" * 32, document=None),
        replace(base, similar=b"x" * 32),
        replace(base, deliveries=()),
        replace(base, deliveries=(Delivery(b"l" * 32, 2, 2),)),
        replace(base, deliveries=(Delivery(b"l" * 32, 1, 3),)),
        replace(base, deliveries=base.deliveries * 2),
    ]
    assert len({variant.digest() for variant in variants}) == len(variants)


def test_strong_fingerprints_are_judged_in_their_order() -> None:
    prints = Fingerprints(1, b"i" * 32, None, b"d" * 32, b"s" * 32, ())
    assert prints.strong() == ((FingerprintKind.INVOICE, b"i" * 32), (FingerprintKind.DOCUMENT, b"d" * 32))
