"""Keyed fingerprints: how a duplicate is seen although the invoice number is confidential.

Each is an HMAC-SHA256 under the consortium's fingerprint key of one epoch. Members' clients compute them from the papers;
nodes see only the result. What is keyed, and why an altered copy still collides, is RULEBOOK, "Fingerprints": the
`invoice` key leaves amount and date out, the submitter is part of no key, and numbers are normalised first.
"""

from __future__ import annotations

import hmac
import unicodedata
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from itertools import groupby
from typing import Final

from .identifiers import BadIdentifier, MemberId, parse_member_id
from .signing import Tag, digest

FINGERPRINT_BYTES: Final = 32
FINGERPRINT_KEY_BYTES_MIN: Final = 32


class FingerprintKind(IntEnum):
    INVOICE = 1
    FISCAL = 2
    DOCUMENT = 3
    DELIVERY = 4
    SIMILAR = 5
    DEBTOR = 6
    PAYMENT = 7
    CONTRACT = 8
    CREDIT_NOTE = 9


class Numbering(IntEnum):
    """Whether an exporter's invoice numbers run on, or restart each year (the association decides at enrolment)."""

    CONTINUOUS = 0
    YEARLY = 1


@dataclass(frozen=True, slots=True)
class Delivery:
    """A line of a transport or customs document and the quantity of it that stands behind this receivable."""

    fingerprint: bytes
    quantity: int
    document_quantity: int


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """What a registration is known by. `epoch` names the fingerprint key."""

    epoch: int
    invoice: bytes
    fiscal: bytes | None
    document: bytes | None
    similar: bytes
    deliveries: tuple[Delivery, ...]

    def strong(self) -> tuple[tuple[FingerprintKind, bytes], ...]:
        """The fingerprints of which a second live or settled receivable is refused, in the order they are judged."""
        named = (
            (FingerprintKind.INVOICE, self.invoice),
            (FingerprintKind.FISCAL, self.fiscal),
            (FingerprintKind.DOCUMENT, self.document),
        )
        return tuple((kind, value) for kind, value in named if value is not None)

    def digest(self) -> bytes:
        """What an assignee or pledgee signs to say which fingerprints it verified against the papers."""
        parts = [
            self.epoch.to_bytes(4, "big"),
            self.invoice,
            self.fiscal or b"",
            self.document or b"",
            self.similar,
        ]
        for delivery in self.deliveries:
            parts += [
                delivery.fingerprint,
                delivery.quantity.to_bytes(8, "big"),
                delivery.document_quantity.to_bytes(8, "big"),
            ]
        return digest(Tag.FINGERPRINTS, *[len(part).to_bytes(1, "big") + part for part in parts])


def normalise_number(number: str) -> str:
    """NFKC, upper case, letters and digits only, leading zeros of every digit run removed.

    '  inv-007/2024 ' and 'ＩＮＶ7 2024'... differ only in what people change to make one invoice look like two.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", number).upper())
    kept = "".join(
        _ascii_digit(char) for char in folded if unicodedata.category(char)[0] == "L" or char.isdecimal()
    )
    runs = []
    for is_digits, run in groupby(kept, key=_is_ascii_digit):
        text = "".join(run)
        runs.append((text.lstrip("0") or "0") if is_digits else text)
    return "".join(runs)


def _is_ascii_digit(char: str) -> bool:
    return "0" <= char <= "9"


def _ascii_digit(char: str) -> str:
    # Arabic-Indic and other scripts' digits are digits too: NFKC leaves them, and they would read as another number.
    return str(unicodedata.decimal(char)) if char.isdecimal() else char


class FingerprintKey:
    """The consortium's key of one epoch. It is a secret of the members: it never prints."""

    __slots__ = ("_key", "epoch")

    def __init__(self, key: bytes, epoch: int) -> None:
        if len(key) < FINGERPRINT_KEY_BYTES_MIN:
            raise ValueError(f"a fingerprint key has at least {FINGERPRINT_KEY_BYTES_MIN} bytes")
        self._key = key
        self.epoch = epoch

    def __repr__(self) -> str:
        return f"FingerprintKey(epoch={self.epoch})"

    def debtor(self, identifier: str) -> bytes:
        """The keyed reference of a debtor: `lei:...`, `uscc:...` or `<country>:<register number>`.

        The number is normalised like an invoice's: a debtor written in two ways would let one invoice be registered twice.
        Raises BadIdentifier on wrong check digits, an unknown scheme or a number without content.
        """
        scheme, separator, number = unicodedata.normalize("NFKC", identifier).partition(":")
        scheme = scheme.strip().upper()
        if scheme in ("LEI", "USCC"):
            number = "".join(char for char in number.upper() if char.isalnum())
            parse_member_id(f"{scheme.lower()}:{number}")
        elif separator and len(scheme) == 2 and scheme.isascii() and scheme.isalpha():
            number = normalise_number(number)
        else:
            number = ""
        if not number:
            raise BadIdentifier(f"{identifier!r} must be lei:NUMBER, uscc:NUMBER or COUNTRY:REGISTER-NUMBER")
        return self._keyed(FingerprintKind.DEBTOR, scheme, number)

    def invoice(
        self, assignor: MemberId, debtor_reference: bytes, invoice_number: str, issue_year: int | None
    ) -> bytes:
        """`issue_year` only for an exporter enrolled with yearly numbering. Raises ValueError on a number without content."""
        number = _meaningful(invoice_number)
        year = "" if issue_year is None else str(issue_year)
        return self._keyed(FingerprintKind.INVOICE, assignor, debtor_reference.hex(), number, year)

    def fiscal(self, fiscal_number: str) -> bytes:
        """Over a fully digital fapiao's 20 digits, or a legacy one's code followed by its number."""
        return self._keyed(FingerprintKind.FISCAL, _meaningful(fiscal_number))

    def document(self, file_sha256: bytes) -> bytes:
        """Over the SHA-256 of the original invoice file."""
        return self._keyed(FingerprintKind.DOCUMENT, file_sha256.hex())

    def delivery(self, document_number: str, line: str) -> bytes:
        """Over a transport document's or customs declaration's number and line."""
        return self._keyed(FingerprintKind.DELIVERY, _meaningful(document_number), normalise_number(line))

    def similar(
        self, assignor: MemberId, debtor_reference: bytes, amount: int, currency: str, due_date: int
    ) -> bytes:
        return self._keyed(
            FingerprintKind.SIMILAR, assignor, debtor_reference.hex(), str(amount), currency, str(due_date)
        )

    def payment(self, bank: str, bank_reference: str) -> bytes:
        """Over a bank's identifier and its reference of one payment."""
        return self._keyed(FingerprintKind.PAYMENT, _meaningful(bank), _meaningful(bank_reference))

    def contract(self, assignor: MemberId, debtor_reference: bytes, contract_number: str) -> bytes:
        """A future receivable's fingerprint in the place of the invoice's: the contract that it arises from."""
        number = _meaningful(contract_number)
        return self._keyed(FingerprintKind.CONTRACT, assignor, debtor_reference.hex(), number)

    def credit_note(self, assignor: MemberId, debtor_reference: bytes, credit_note_number: str) -> bytes:
        """A credit note, of which the same one is counted once."""
        number = _meaningful(credit_note_number)
        return self._keyed(FingerprintKind.CREDIT_NOTE, assignor, debtor_reference.hex(), number)

    def _keyed(self, kind: FingerprintKind, *parts: str) -> bytes:
        message = bytes([kind]) + b"".join(
            len(encoded := part.encode()).to_bytes(4, "big") + encoded for part in parts
        )
        return hmac.digest(self._key, message, sha256)


def _meaningful(number: str) -> str:
    normalised = normalise_number(number)
    if not normalised:
        raise ValueError(f"{number!r} has no letter or digit and cannot identify anything")
    return normalised
