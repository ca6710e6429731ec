"""Which column of a CSV file means what: a TOML document, checked in full before the first row is read.

    [file]      encoding (utf-8), delimiter (","), date_format (strptime, such as "%m/%d/%Y")
    [columns]   customer, invoice_number, issue_date, due_date, amount         required
                currency, disputed, settled_date, fiscal_number               optional
    [words]     disputed = [...], undisputed = [...]                          needed with the column `disputed`
    ignored = [...]                                                           every other column, by name

A column that is neither mapped nor ignored is an error: nothing is skipped without somebody having said so.
"""

from __future__ import annotations

import codecs
import datetime
import tomllib
from dataclasses import dataclass, fields
from typing import Any, Final

from ..errors import InputError

MAPPING_BYTES_MAX: Final = 64 * 1024
_REQUIRED: Final = ("customer", "invoice_number", "issue_date", "due_date", "amount")
_OPTIONAL: Final = ("currency", "disputed", "settled_date", "fiscal_number")
_SAMPLE_DATE: Final = datetime.date(2024, 2, 29)

ACCOUNTS_RECEIVABLE: Final = """\
# Maps the columns of accounts_receivable.csv. Copy it, change it, and give it with `pledgebook import --mapping FILE`.

ignored = ["countryCode", "PaperlessDate", "PaperlessBill", "DaysToSettle", "DaysLate"]

[file]
encoding = "utf-8"
delimiter = ","
date_format = "%m/%d/%Y"

[columns]
customer = "customerID"           # who owes; each customer becomes a debtor
invoice_number = "invoiceNumber"  # stays on this machine: the chain sees a keyed fingerprint
issue_date = "InvoiceDate"
due_date = "DueDate"
amount = "InvoiceAmount"
disputed = "Disputed"
settled_date = "SettledDate"      # empty: not paid yet

[words]
disputed = ["Yes"]
undisputed = ["No"]
"""


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of columns as the file's first line has them; None where the file has no such column."""

    customer: str
    invoice_number: str
    issue_date: str
    due_date: str
    amount: str
    currency: str | None
    disputed: str | None
    settled_date: str | None
    fiscal_number: str | None

    def named(self) -> tuple[str, ...]:
        """All columns that are read."""
        values = (getattr(self, field.name) for field in fields(self))
        return tuple(value for value in values if value is not None)


@dataclass(frozen=True, slots=True)
class Mapping:
    """A checked mapping."""

    encoding: str
    delimiter: str
    date_format: str
    columns: Columns
    ignored: tuple[str, ...]
    disputed_words: frozenset[str]
    undisputed_words: frozenset[str]


def parse_mapping(text: str) -> Mapping:
    """Raises InputError naming the key that is wrong."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"the mapping is not TOML: {error}") from error
    _expect_keys(raw, {"file", "columns"}, {"words", "ignored"}, "the mapping")
    file, words = _table(raw, "file"), _table(raw, "words") if "words" in raw else {}
    _expect_keys(file, {"date_format"}, {"encoding", "delimiter"}, "[file]")
    _expect_keys(words, set(), {"disputed", "undisputed"}, "[words]")
    columns = _columns(_table(raw, "columns"))
    mapping = Mapping(
        encoding=_encoding(_text(file.get("encoding", "utf-8"), "file.encoding")),
        delimiter=_text(file.get("delimiter", ","), "file.delimiter"),
        date_format=_date_format(_text(file["date_format"], "file.date_format")),
        columns=columns,
        ignored=_texts(raw.get("ignored", []), "ignored"),
        disputed_words=frozenset(_texts(words.get("disputed", []), "words.disputed")),
        undisputed_words=frozenset(_texts(words.get("undisputed", []), "words.undisputed")),
    )
    if len(mapping.delimiter) != 1 or mapping.delimiter in '"\r\n':
        raise InputError("file.delimiter must be one character, such as ',' or ';'")
    if columns.disputed is not None and not (mapping.disputed_words and mapping.undisputed_words):
        raise InputError("columns.disputed needs the words for it: words.disputed and words.undisputed")
    if mapping.disputed_words & mapping.undisputed_words:
        raise InputError("words.disputed and words.undisputed must not share a word")
    return mapping


def _columns(raw: dict[str, Any]) -> Columns:
    _expect_keys(raw, set(_REQUIRED), set(_OPTIONAL), "[columns]")
    names = {key: _text(value, f"columns.{key}") for key, value in raw.items()}
    if len(set(names.values())) != len(names):
        raise InputError("[columns]: one column of the file is mapped twice")
    return Columns(
        customer=names["customer"],
        invoice_number=names["invoice_number"],
        issue_date=names["issue_date"],
        due_date=names["due_date"],
        amount=names["amount"],
        currency=names.get("currency"),
        disputed=names.get("disputed"),
        settled_date=names.get("settled_date"),
        fiscal_number=names.get("fiscal_number"),
    )


def _expect_keys(raw: dict[str, Any], required: set[str], optional: set[str], where: str) -> None:
    missing, unknown = required - set(raw), set(raw) - required - optional
    if missing:
        raise InputError(f"{where}: {', '.join(sorted(missing))} is missing")
    if unknown:
        known = ", ".join(sorted(required | optional))
        raise InputError(f"{where}: {', '.join(sorted(unknown))} is not known; known are {known}")


def _table(raw: dict[str, Any], name: str) -> dict[str, Any]:
    table = raw[name]
    if not isinstance(table, dict):
        raise InputError(f"[{name}] must be a table")
    return table


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise InputError(f"{where} must be text in quotes")
    return value


def _texts(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise InputError(f"{where} must be a list of texts in quotes")
    return tuple(_text(item, where) for item in value)


def _encoding(name: str) -> str:
    try:
        return codecs.lookup(name).name
    except LookupError as error:
        raise InputError(
            f"file.encoding: {name!r} is not a known encoding; try utf-8, gb18030 or cp1252"
        ) from error


def _date_format(text: str) -> str:
    """A format that keeps day, month and year apart: it must read back the date that it wrote."""
    try:
        written = _SAMPLE_DATE.strftime(text)
        kept = datetime.datetime.strptime(written, text).date()  # noqa: DTZ007  # a date without a time has no zone
    except ValueError:
        kept = None
    if kept != _SAMPLE_DATE:
        raise InputError(
            f"file.date_format: {text!r} does not name day, month and year; try %Y-%m-%d or %m/%d/%Y"
        )
    return text
