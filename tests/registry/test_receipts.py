"""Receipts: what they hold, and that the longest possible one is within its bound."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from registry.codec import pack, unpack
from registry.errors import Code, MalformedEntry, Reason, Reference
from registry.limits import (
    AMOUNT_MAX,
    BLOCK_ENTRIES_MAX,
    HEIGHT_MAX,
    MEMBER_ID_CHARS_MAX,
    OPERATIONS_MAX,
)
from registry.receipt import RECEIPT_BYTES_MAX, Outcome, Receipt, Result, decode_receipt, encode_receipt

_OK = Result(Code.OK, b"subject", None, ())
_REFUSED = Result(
    Code.DUPLICATE_PLEDGE, b"", Reference(b"l" * 32, 7, 3, 1), (Reason("held", 10), Reason("pledged", 10))
)
_RECEIPT = Receipt(1, 9, 2, b"e" * 32, Outcome.PARTLY, None, (_OK, _REFUSED))


def test_a_receipt_reads_back() -> None:
    for receipt in (_RECEIPT, replace(_RECEIPT, outcome=Outcome.REFUSED, failed_operation=1)):
        assert decode_receipt(encode_receipt(receipt)) == receipt


@pytest.mark.parametrize("code", list(Code))
def test_every_code_can_be_written(code: Code) -> None:
    receipt = replace(_RECEIPT, results=(replace(_OK, code=code),))
    assert decode_receipt(encode_receipt(receipt)).results[0].code is code


def test_the_longest_receipt_fits_its_bound() -> None:
    longest = max(Code, key=len)
    result = Result(
        longest,
        b"x" * MEMBER_ID_CHARS_MAX,
        Reference(b"l" * 32, HEIGHT_MAX, BLOCK_ENTRIES_MAX, OPERATIONS_MAX),
        (Reason("x" * 40, AMOUNT_MAX),) * 8,
    )
    receipt = Receipt(
        1,
        HEIGHT_MAX,
        BLOCK_ENTRIES_MAX,
        b"e" * 32,
        Outcome.REFUSED,
        OPERATIONS_MAX,
        (result,) * OPERATIONS_MAX,
    )
    encoded = encode_receipt(receipt)
    assert len(encoded) <= RECEIPT_BYTES_MAX
    assert decode_receipt(encoded) == receipt


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, 2),
        (1, HEIGHT_MAX + 1),
        (2, BLOCK_ENTRIES_MAX + 1),
        (3, bytes(31)),
        (4, 3),
        (5, (OPERATIONS_MAX + 1,)),
        (5, 1),
        (6, ()),
        (6, (("NO_SUCH_CODE", b"", (), ()),)),
        (6, ((1, b"", (), ()),)),
        (6, (("OK", b"x" * 65, (), ()),)),
        (6, (("OK", b"", ((b"l" * 31, 1, 1, 1),), ()),)),
        (6, (("OK", b"", (), (("word", 1),) * 9),)),
        (6, (("OK", b"", (), (("", 1),)),)),
    ],
)
def test_what_is_no_receipt_is_refused(place: int, value: Any) -> None:
    parts = list(unpack(encode_receipt(_RECEIPT), 10_000))
    parts[place] = value
    with pytest.raises(MalformedEntry, match="receipt"):
        decode_receipt(pack(tuple(parts)))
