"""Names of parties and things: member ids with verified check digits, and ids derived from entries.

A member is identified by its unified social credit code (USCC, GB 32100) or its legal entity identifier (LEI, ISO 17442),
never by a name. Ids of receivables and liens are hashes, shown to people in base32 with a check symbol.
"""

from __future__ import annotations

import base64
import re
from typing import Final, NewType

import stdnum.exceptions
from stdnum import lei
from stdnum.cn import uscc

from .signing import Tag, digest

MemberId = NewType("MemberId", str)
ReceivableId = NewType("ReceivableId", bytes)
LienId = NewType("LienId", bytes)
EntryId = NewType("EntryId", bytes)
OfferId = NewType("OfferId", bytes)
BlanketId = NewType("BlanketId", bytes)
CoverId = NewType("CoverId", bytes)
PoolId = NewType("PoolId", bytes)

ID_BYTES: Final = 32
# The libraries' checks also take separators, lower case, other scripts' digits and, for an LEI, any length and the check
# digits 00, 01 and 99, which would give some bodies a second right number.
_USCC_FORM: Final = re.compile("[0-9]{8}[0-9A-HJ-NPQRTUWXY]{10}")
_LEI_FORM: Final = re.compile("[0-9A-Z]{18}(0[2-9]|[1-8][0-9]|9[0-8])")
_CHECK_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


class BadIdentifier(ValueError):
    """An identifier whose form or check digits are wrong; the message says what is expected."""


def parse_member_id(text: str) -> MemberId:
    """`uscc:<18 characters>` or `lei:<20 characters>`, check digits verified, upper case. Raises BadIdentifier.

    Source: GB 32100-2015 (USCC); ISO 17442 with ISO 7064 MOD 97-10 (LEI).
    """
    scheme, _, number = text.partition(":")
    if scheme not in ("uscc", "lei"):
        raise BadIdentifier(f"{text!r} must begin with 'uscc:' or 'lei:'")
    form = _USCC_FORM if scheme == "uscc" else _LEI_FORM
    if form.fullmatch(number) is None:
        raise BadIdentifier(f"{text!r} does not have the form of a {scheme.upper()}: {form.pattern}")
    check = uscc if scheme == "uscc" else lei
    try:
        check.validate(number)
    except stdnum.exceptions.ValidationError as error:
        raise BadIdentifier(f"{text!r} is not a valid {scheme.upper()}: {error}") from error
    return MemberId(text)


def receivable_id(entry_id: bytes, operation_index: int) -> ReceivableId:
    """The id of the receivable that operation `operation_index` of the entry registers."""
    return ReceivableId(digest(Tag.RECEIVABLE, entry_id, operation_index.to_bytes(4, "big")))


def lien_id(entry_id: bytes, operation_index: int) -> LienId:
    """The id of the lien that operation `operation_index` of the entry creates."""
    return LienId(digest(Tag.LIEN, entry_id, operation_index.to_bytes(4, "big")))


def offer_id(entry_id: bytes, operation_index: int) -> OfferId:
    """The id of the offer that operation `operation_index` of the entry makes."""
    return OfferId(digest(Tag.OFFER, entry_id, operation_index.to_bytes(4, "big")))


def blanket_id(entry_id: bytes, operation_index: int) -> BlanketId:
    """The id of the blanket that operation `operation_index` of the entry agrees."""
    return BlanketId(digest(Tag.BLANKET, entry_id, operation_index.to_bytes(4, "big")))


def cover_id(entry_id: bytes, operation_index: int) -> CoverId:
    """The id of the cover that operation `operation_index` of the entry binds."""
    return CoverId(digest(Tag.COVER, entry_id, operation_index.to_bytes(4, "big")))


def pool_id(entry_id: bytes, operation_index: int) -> PoolId:
    """The id of the pool that operation `operation_index` of the entry agrees."""
    return PoolId(digest(Tag.POOL, entry_id, operation_index.to_bytes(4, "big")))


def show_id(identifier: bytes) -> str:
    """32 bytes as 52 base32 characters and one check symbol, for people to read out and type.

    The check symbol is a weighted sum over GF(32): any single wrong character and any transposition of neighbours is noticed.
    """
    body = base64.b32encode(identifier).decode("ascii").rstrip("=")
    return body + _check_symbol(body)


def read_id(text: str) -> bytes:
    """The inverse of `show_id`; also accepts 64 hexadecimal digits. Raises BadIdentifier."""
    compact = text.replace("-", "").replace(" ", "")
    if len(compact) == 2 * ID_BYTES:
        try:
            return bytes.fromhex(compact)
        except ValueError as error:
            raise BadIdentifier(f"{text!r} is not hexadecimal") from error
    compact = compact.upper()
    body, check = compact[:-1], compact[-1:]
    if len(body) != 52 or any(char not in _CHECK_ALPHABET for char in compact):
        raise BadIdentifier(f"{text!r} is not an id: expected 53 base32 characters or 64 hexadecimal digits")
    if _check_symbol(body) != check:
        raise BadIdentifier(f"{text!r} has a wrong check symbol: a character was mistyped")
    identifier = base64.b32decode(body + "====")
    if show_id(identifier) != compact:
        raise BadIdentifier(f"{text!r} is not in canonical form")
    return identifier


def _check_symbol(body: str) -> str:
    # A weighted sum in GF(32), the field with one element per base32 character, so the symbol always exists. Weights are
    # successive powers of the generator x: none is zero and neighbours differ, which catches both kinds of mistake.
    total = 0
    for char in body:
        total = _times_x(total) ^ _CHECK_ALPHABET.index(char)
    return _CHECK_ALPHABET[_times_x(total)]


def _times_x(element: int) -> int:
    """Multiply by x in GF(2)[x] / (x^5 + x^2 + 1)."""
    doubled = element << 1
    return doubled ^ 0b100101 if doubled & 0b100000 else doubled
