"""Member ids with their check digits, and ids shown in base32 with a check symbol."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.identifiers import BadIdentifier, lien_id, parse_member_id, read_id, receivable_id, show_id
from tests.registry.consortium import DEBTOR, EXPORTER, FACTOR_1, lei_of

_USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def accepted(text: str) -> bool:
    try:
        parse_member_id(text)
    except BadIdentifier:
        return False
    return True


@pytest.mark.parametrize(
    "text",
    [
        "uscc:91110000600037341L",  # python-stdnum's example
        "lei:213800KUD8LAJWSQ9D15",  # the same
        "lei:5493001KJTIIGC8Y1R12",  # Bloomberg Finance
        "lei:529900T8BM49AURSDO55",  # Ubisecure
        EXPORTER,
        DEBTOR,
        lei_of("ABC"),
    ],
)
def test_right_identifiers_are_accepted_as_they_stand(text: str) -> None:
    assert parse_member_id(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "uscc",
        "uscc:",
        "lei:",
        "USCC:91110000600037341L",
        "uscc:91110000600037341l",
        "uscc:9 1 110000 600037341L",
        "uscc: 91110000600037341L",
        "uscc:91110000600037341L ",
        "uscc:91110000600037341L\n",
        "uscc:A1110000600037341L",
        "uscc:91110000600037341",
        "uscc:91110000600037341LL",
        "uscc:91110000600037341M",
        "uscc:９１１１００００６０００３７３４１Ｌ",
        "uscc:91110000I00037341L",
        "lei:213800KUD8LAJWSQ9D16",
        "lei:213800kud8lajwsq9d15",
        "lei:213800-KUD8LAJWSQ9D15",
        "lei:98",  # a right check sum over nothing
        "lei:00000000000000000098"[:-1],
        "lei:٢١٣٨٠٠KUD8LAJWSQ9D15",  # the check of the library takes any script's digits
        "lei:213800KUD8LAJWSQ9D15213800KUD8LAJWSQ9D15",
        "duns:123456789",
        "lei:213800KUD8LAJWSQ9D15:x",
    ],
)
def test_wrong_identifiers_are_refused(text: str) -> None:
    with pytest.raises(BadIdentifier):
        parse_member_id(text)


def test_every_single_wrong_character_of_a_uscc_is_noticed() -> None:
    number = FACTOR_1.removeprefix("uscc:")
    for place, right in enumerate(number):
        for wrong in _USCC_ALPHABET:
            if wrong != right:
                assert not accepted(f"uscc:{number[:place]}{wrong}{number[place + 1 :]}")


def test_every_single_wrong_digit_or_letter_of_an_lei_is_noticed() -> None:
    """A digit read as a letter shifts all that stands before it, and is caught 96 times of 97 only."""
    number = "5493001KJTIIGC8Y1R12"
    for place, right in enumerate(number):
        for wrong in "0123456789" if right.isdigit() else "ABCDEFGHIJKLMNOPQRSTUVWXYZ":
            if wrong != right:
                assert not accepted(f"lei:{number[:place]}{wrong}{number[place + 1 :]}")


def test_an_lei_has_one_pair_of_check_digits() -> None:
    """98 and 01 leave the same remainder: without the second rule one company could be enrolled twice."""
    numbers = [f"lei:{n:018d}{check:02d}" for n in range(300) for check in range(100)]
    bodies = [number[:-2] for number in numbers if accepted(number)]
    assert len(bodies) == len(set(bodies)) == 300


def test_ids_are_bound_to_entry_place_and_kind() -> None:
    entry_id = sha256(b"entry").digest()
    ids = {
        receivable_id(entry_id, 0),
        receivable_id(entry_id, 1),
        receivable_id(sha256(b"other").digest(), 0),
        lien_id(entry_id, 0),
    }
    assert len(ids) == 4


@given(st.binary(min_size=32, max_size=32))
def test_an_id_reads_back(identifier: bytes) -> None:
    shown = show_id(identifier)
    assert len(shown) == 53
    assert read_id(shown) == identifier
    assert read_id(shown.lower()) == identifier
    assert read_id(identifier.hex()) == identifier
    grouped = "-".join(shown[place : place + 8] for place in range(0, 53, 8))
    assert read_id(grouped) == identifier


@pytest.mark.parametrize("identifier", [bytes(32), b"\xff" * 32, sha256(b"x").digest()])
def test_every_single_wrong_character_is_noticed(identifier: bytes) -> None:
    shown = show_id(identifier)
    for place, right in enumerate(shown):
        for wrong in _BASE32:
            if wrong != right:
                with pytest.raises(BadIdentifier):
                    read_id(shown[:place] + wrong + shown[place + 1 :])


@pytest.mark.parametrize("number", range(20))
def test_every_transposition_of_neighbours_is_noticed(number: int) -> None:
    shown = show_id(sha256(bytes([number])).digest())
    for place in range(52):
        left, right = shown[place], shown[place + 1]
        if left != right:
            with pytest.raises(BadIdentifier):
                read_id(shown[:place] + right + left + shown[place + 2 :])


def test_bits_behind_the_last_are_refused_even_under_a_right_check_symbol() -> None:
    body = show_id(sha256(b"x").digest())[:-2] + "B"
    for check in _BASE32:
        with pytest.raises(BadIdentifier):
            read_id(body + check)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A",
        "A" * 52,
        "A" * 54,
        "0" * 53,
        "1" * 53,
        "zz" * 32,
        "0" * 63,
        "é" * 53,
    ],
)
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(BadIdentifier):
        read_id(text)
