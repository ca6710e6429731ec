"""Customers of a file as debtors of the chain: by a directory file, or under a demonstration LEI made from the
customer's id.

The demonstration LEI of customer C is `PLDG` + 14 characters + 2 check digits (ISO 7064 MOD 97-10, as ISO 17442
asks): the 14 characters are the SHA-256 of "pledgebook-customer:" + C, as a number in base 36, its last 14 digits.
The same customer gets the same one on every machine. PLDG is no issuer's prefix, so it can be no real company's LEI.
For real business give a directory file: CSV with the columns `customer,debtor`, the second `lei:...`, `uscc:...` or a
member's short name.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from registry.identifiers import BadIdentifier, MemberId, parse_member_id

from ..errors import InputError

CUSTOMERS_MAX: Final = 10_000
_PREFIX: Final = "PLDG"
_BODY_CHARS: Final = 14
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def demonstration_lei(customer: str) -> MemberId:
    """A well-formed made-up LEI, always the same for one customer id."""
    number = int.from_bytes(hashlib.sha256(f"pledgebook-customer:{customer}".encode()).digest())
    body = ""
    for _ in range(_BODY_CHARS):
        number, digit = divmod(number, 36)
        body = _DIGITS[digit] + body
    without_check = _PREFIX + body
    value = int("".join(str(int(char, 36)) for char in without_check + "00"))
    return parse_member_id(f"lei:{without_check}{98 - value % 97:02d}")


def member_name(customer: str) -> str:
    """A short name for the folder: the customer's id where it can be a file name, else a digest of it."""
    if (
        customer.isascii()
        and all(char.isalnum() or char in "-_" for char in customer)
        and len(customer) <= 48
    ):
        return f"debtor-{customer}"
    return f"debtor-{hashlib.sha256(customer.encode()).hexdigest()[:16]}"


def read_customer_directory(path: Path, known_members: Mapping[str, MemberId]) -> dict[str, MemberId]:
    """Customer -> member id from a directory file. Raises InputError with the line that is wrong."""
    found: dict[str, MemberId] = {}
    try:
        with path.open("r", encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            if next(reader, None) != ["customer", "debtor"]:
                raise InputError(f"{path}: the first line must be customer,debtor")
            for fields in reader:
                if len(fields) != 2:
                    raise InputError(
                        f"{path}, line {reader.line_num}: expected two fields, customer and debtor"
                    )
                customer, debtor = (field.strip() for field in fields)
                member = _member_id(debtor, known_members, f"{path}, line {reader.line_num}")
                if found.setdefault(customer, member) != member:
                    raise InputError(f"{path}, line {reader.line_num}: customer {customer!r} has two debtors")
                if len(found) > CUSTOMERS_MAX:
                    raise InputError(f"{path}: more than {CUSTOMERS_MAX} customers")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except (UnicodeError, csv.Error) as error:
        raise InputError(f"{path}: {error}") from error
    return found


def _member_id(text: str, known_members: Mapping[str, MemberId], where: str) -> MemberId:
    if text in known_members:
        return known_members[text]
    try:
        return parse_member_id(text)
    except BadIdentifier as error:
        raise InputError(f"{where}: {error}") from error
