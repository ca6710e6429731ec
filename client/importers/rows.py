"""Rows of a CSV file as invoices: strict, streaming, and every fault with its line, its column and what to do.

Guarantees: memory does not grow with the file but for 16 bytes an invoice (to see a number twice); no row is skipped
in silence: each is either an `InvoiceRow` or at least one `RowProblem`. A byte-order mark, CRLF and quoted line ends
are read; a file in another encoding is refused with the line where it shows. Leaves to others: whether the chain
accepts an invoice.
"""

from __future__ import annotations

import codecs
import csv
import datetime
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from registry.fingerprints import normalise_number
from registry.money import BadAmount, minor_digits, parse_amount

from ..errors import InputError
from .mapping import Mapping

ROWS_MAX: Final = 1_000_000
FIELD_CHARS_MAX: Final = 4_096
CUSTOMER_CHARS_MAX: Final = 100
_SEEN_BYTES: Final = 16
_EARLIEST: Final = datetime.date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class InvoiceRow:
    """One invoice of the file. `amount` in minor units; `settled_date` None while it is not paid."""

    line: int
    customer: str
    invoice_number: str
    issue_date: datetime.date
    due_date: datetime.date
    amount: int
    currency: str
    disputed: bool
    settled_date: datetime.date | None
    fiscal_number: str | None


@dataclass(frozen=True, slots=True)
class RowProblem:
    """What is wrong in one place of the file, and what to do. `column` is empty when it is the row as a whole."""

    line: int
    column: str
    message: str

    def __str__(self) -> str:
        where = f"line {self.line}" + (f", column {self.column}" if self.column else "")
        return f"{where}: {self.message}"


def read_rows(file: BinaryIO, mapping: Mapping, currency: str | None) -> Iterator[InvoiceRow | RowProblem]:
    """The file's rows from its beginning, in order. Raises InputError when the file as a whole cannot be read.

    `currency` is for files without a currency column.
    """
    if mapping.columns.currency is None:
        _check_currency(currency)
    file.seek(0)
    text = io.TextIOWrapper(file, encoding=_encoding_of(file, mapping), errors="strict", newline="")
    try:
        reader = csv.reader(text, delimiter=mapping.delimiter, strict=True)
        yield from _Rows(reader, mapping, currency).read()
    finally:
        text.detach()


def _check_currency(currency: str | None) -> None:
    if currency is None:
        raise InputError("the file has no currency column: give --currency, such as USD")
    try:
        minor_digits(currency)
    except BadAmount as error:
        raise InputError(f"--currency: {error}") from error


def _encoding_of(file: BinaryIO, mapping: Mapping) -> str:
    """The mapping's encoding, unless a byte-order mark says otherwise."""
    start = file.read(4)
    file.seek(0)
    if start.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return mapping.encoding


class _Rows:
    """One pass over one file."""

    def __init__(self, reader: Iterator[list[str]], mapping: Mapping, currency: str | None) -> None:
        self._reader = reader
        self._mapping = mapping
        self._currency = currency
        self._columns: dict[str, int] = {}
        self._seen: dict[bytes, int] = {}

    def read(self) -> Iterator[InvoiceRow | RowProblem]:
        first = self._next()
        if first is None:
            raise InputError("the file is empty; its first line must name the columns")
        self._columns = self._read_names(first)
        count = 0
        while (fields := self._next()) is not None:
            if not fields or fields == [""]:
                continue  # an empty line holds no invoice
            count += 1
            if count > ROWS_MAX:
                raise InputError(f"more than {ROWS_MAX} rows; split the file")
            yield from self._read_row(fields)

    @property
    def _line(self) -> int:
        return int(getattr(self._reader, "line_num", 0))

    def _next(self) -> list[str] | None:
        try:
            return next(self._reader, None)
        except csv.Error as error:
            raise InputError(
                f"line {self._line}: not readable as CSV: {error}; look for an unpaired quote or a wrong delimiter"
            ) from error
        except UnicodeError as error:
            raise InputError(
                f"after line {self._line}: not {self._mapping.encoding}; save the file as UTF-8, or name its encoding "
                "in the mapping (file.encoding)"
            ) from error

    def _read_names(self, names: list[str]) -> dict[str, int]:
        mapping = self._mapping
        doubled = sorted({name for name in names if names.count(name) > 1})
        missing = [name for name in mapping.columns.named() if name not in names]
        unmapped = [name for name in names if name not in (*mapping.columns.named(), *mapping.ignored)]
        if doubled:
            raise InputError(f"line 1: column {', '.join(doubled)} is there twice; rename one")
        if missing:
            raise InputError(
                f"line 1: column {', '.join(missing)} is missing; the file has {', '.join(names)}. "
                "Correct the mapping (--mapping), or the delimiter in it"
            )
        if unmapped:
            raise InputError(
                f"line 1: column {', '.join(unmapped)} is not in the mapping; map it, or list it under `ignored`"
            )
        return {name: index for index, name in enumerate(names)}

    def _read_row(self, values: list[str]) -> Iterator[InvoiceRow | RowProblem]:
        if len(values) != len(self._columns):
            yield RowProblem(
                self._line,
                "",
                f"has {len(values)} fields, the first line has {len(self._columns)}; "
                "look for a missing or an unquoted delimiter",
            )
            return
        fields = _Fields(dict(zip(self._columns, values, strict=True)), self._line, self._mapping)
        row = fields.invoice(self._currency)
        if not fields.problems:
            self._check_seen(row, fields)
        if fields.problems:
            yield from fields.problems
        else:
            yield row

    def _check_seen(self, row: InvoiceRow, fields: _Fields) -> None:
        # Normalised as the fingerprint is: what the chain would take for the same invoice is told here with its line.
        identity = f"{row.customer}\0{normalise_number(row.invoice_number)}".encode()
        key = hashlib.sha256(identity).digest()[:_SEEN_BYTES]
        before = self._seen.setdefault(key, row.line)
        if before != row.line:
            fields.wrong(
                self._mapping.columns.invoice_number,
                f"{row.invoice_number!r} of customer {row.customer!r} is in line {before} already; remove one of them",
            )


class _Fields:
    """One row's fields. What cannot be read is noted in `problems`, and a neutral value stands in for it."""

    def __init__(self, values: dict[str, str], line: int, mapping: Mapping) -> None:
        self.problems: list[RowProblem] = []
        self._values = values
        self._line = line
        self._mapping = mapping

    def invoice(self, currency: str | None) -> InvoiceRow:
        names = self._mapping.columns
        if names.currency is not None:
            currency = self.text(names.currency, 3).upper()
        assert currency is not None, "checked before the first row"
        row = InvoiceRow(
            line=self._line,
            customer=self.text(names.customer, CUSTOMER_CHARS_MAX),
            invoice_number=self.number(names.invoice_number),
            issue_date=self.date(names.issue_date),
            due_date=self.date(names.due_date),
            amount=self.amount(names.amount, currency),
            currency=currency,
            disputed=False if names.disputed is None else self.disputed(names.disputed),
            settled_date=self.optional_date(names.settled_date),
            fiscal_number=self.optional_number(names.fiscal_number),
        )
        if not self.problems:
            self._check_dates(row)
        return row

    def wrong(self, column: str, message: str) -> None:
        self.problems.append(RowProblem(self._line, column, message))

    def text(self, column: str, chars_max: int) -> str:
        value = self._values[column].strip()
        if not value:
            self.wrong(column, "is empty; fill it in")
        elif len(value) > chars_max:
            self.wrong(column, f"has {len(value)} characters, at most {chars_max} are possible; shorten it")
        elif not value.isprintable():
            self.wrong(column, f"{value!r} contains a control character; remove it")
        return value

    def number(self, column: str) -> str:
        value = self.text(column, FIELD_CHARS_MAX)
        if value and not normalise_number(value):
            self.wrong(column, f"{value!r} has no letter or digit and cannot identify an invoice; correct it")
        return value

    def optional_number(self, column: str | None) -> str | None:
        if column is None or not self._values[column].strip():
            return None
        return self.number(column)

    def date(self, column: str) -> datetime.date:
        value = self._values[column].strip()
        try:
            parsed = datetime.datetime.strptime(value, self._mapping.date_format).date()  # noqa: DTZ007  # a date has no zone
        except ValueError:
            example = datetime.date(2026, 1, 31).strftime(self._mapping.date_format)
            self.wrong(
                column, f"{value[:40]!r} is not a date such as {example}; correct it, or file.date_format"
            )
            return _EARLIEST
        if parsed < _EARLIEST:
            self.wrong(column, f"{parsed.isoformat()} is before 1970; correct it")
        return parsed

    def optional_date(self, column: str | None) -> datetime.date | None:
        if column is None or not self._values[column].strip():
            return None
        return self.date(column)

    def amount(self, column: str, currency: str) -> int:
        value = self._values[column].strip()
        try:
            amount = parse_amount(value, currency)
        except BadAmount as error:
            self.wrong(column, f"{error}; without sign, thousands separator or currency")
            return 0
        if amount == 0:
            self.wrong(column, "is zero; an invoice of nothing is no receivable, remove the row")
        return amount

    def disputed(self, column: str) -> bool:
        value = self._values[column].strip()
        mapping = self._mapping
        if value in mapping.disputed_words:
            return True
        if value not in mapping.undisputed_words:
            known = ", ".join(sorted(mapping.disputed_words | mapping.undisputed_words))
            self.wrong(column, f"{value[:40]!r} is none of {known}; correct it, or [words] in the mapping")
        return False

    def _check_dates(self, row: InvoiceRow) -> None:
        names = self._mapping.columns
        if row.due_date < row.issue_date:
            self.wrong(
                names.due_date,
                f"{row.due_date} is before the issue date {row.issue_date}; correct one of them",
            )
        if row.settled_date is not None and row.settled_date < row.issue_date:
            assert names.settled_date is not None, "it was read from there"
            self.wrong(
                names.settled_date,
                f"{row.settled_date} is before the issue date {row.issue_date}; correct one of them",
            )
