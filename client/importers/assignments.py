"""A portfolio to assign, as a CSV file: one receivable a row, and every fault with its line, its column and what to do.

    receivable,amount,with_recourse,bar_resale,acknowledge
    4ZK3...,1200.00,yes,no,
    9QQ1...,650.50,,,4ZK3... 7TT0...

`receivable` and `amount` are required, columns left out or empty mean no; `acknowledge` names looked-at similar receivables,
with spaces between them. Guarantees: all rows are read before anything else happens, and no receivable comes twice.
Leaves to others: what an amount is worth in the receivable's currency, and whether it may be assigned.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from registry.identifiers import BadIdentifier, read_id
from registry.limits import OPERATIONS_MAX, SUSPICIONS_MAX

from ..errors import InputError
from .rows import RowProblem

# 1,000 rows of five fields, the last with sixteen ids of 53 characters, and room.
FILE_BYTES_MAX: Final = 2 << 20
REQUIRED: Final = ("receivable", "amount")
COLUMNS: Final = (*REQUIRED, "with_recourse", "bar_resale", "acknowledge")
_WORDS: Final = {"": False, "no": False, "yes": True}


@dataclass(frozen=True, slots=True)
class AssignmentRow:
    """One part of a portfolio; `amount` as it is written, since its currency is the receivable's."""

    line: int
    receivable: bytes
    amount: str
    with_recourse: bool
    bar_resale: bool
    acknowledged: tuple[bytes, ...]


def read_assignments(file: BinaryIO) -> tuple[list[AssignmentRow], list[RowProblem]]:
    """All rows, and all that is wrong with them. Raises InputError when the file as a whole cannot be read."""
    content = file.read(FILE_BYTES_MAX + 1)
    if len(content) > FILE_BYTES_MAX:
        raise InputError(
            f"longer than {FILE_BYTES_MAX} bytes: at most {OPERATIONS_MAX} assignments go into one entry"
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"not UTF-8 at byte {error.start}; save the file as UTF-8") from error
    rows: list[AssignmentRow] = []
    problems: list[RowProblem] = []
    seen: dict[bytes, int] = {}
    for line, fields in _records(text):
        row = _Row(line, fields, problems).read()
        if row is None:
            continue
        if row.receivable in seen:
            problems.append(RowProblem(line, "receivable", f"stands in line {seen[row.receivable]} already"))
        seen.setdefault(row.receivable, line)
        rows.append(row)
    if not rows and not problems:
        raise InputError("the file names no receivable")
    if len(rows) > OPERATIONS_MAX:
        raise InputError(
            f"{len(rows)} assignments; at most {OPERATIONS_MAX} go into one entry: split the file"
        )
    return rows, problems


def _records(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        names = [name.strip() for name in next(reader, [])]
        unknown = [name for name in names if name not in COLUMNS]
        missing = [name for name in REQUIRED if name not in names]
        if unknown or missing or len(set(names)) != len(names):
            wrong = (
                f"missing {', '.join(missing)}"
                if missing
                else f"not known or twice: {', '.join(unknown or names)}"
            )
            raise InputError(
                f"line 1: the columns are {', '.join(COLUMNS)}, the first two required; {wrong[:200]}"
            )
        for fields in reader:
            if not fields or fields == [""]:
                continue  # an empty line names nothing
            if len(fields) != len(names):
                raise InputError(
                    f"line {reader.line_num}: {len(fields)} fields, and the first line names {len(names)}"
                )
            yield reader.line_num, dict(zip(names, (field.strip() for field in fields), strict=True))
    except csv.Error as error:
        raise InputError(f"line {reader.line_num}: not readable as CSV: {error}") from error


class _Row:
    """One row, whose faults are noted one by one."""

    def __init__(self, line: int, fields: dict[str, str], problems: list[RowProblem]) -> None:
        self._line = line
        self._fields = fields
        self._problems = problems
        self._is_good = True

    def read(self) -> AssignmentRow | None:
        receivable = self._id("receivable", self._fields["receivable"])
        if not self._fields["amount"]:
            self._wrong("amount", "is empty; write a decimal, such as 1234.50")
        named = tuple(self._id("acknowledge", text) for text in self._fields.get("acknowledge", "").split())
        if len(named) > SUSPICIONS_MAX:
            self._wrong(
                "acknowledge", f"names {len(named)} receivables, at most {SUSPICIONS_MAX} are allowed"
            )
        with_recourse, bar_resale = self._truth("with_recourse"), self._truth("bar_resale")
        if not self._is_good:
            return None
        amount = self._fields["amount"]
        return AssignmentRow(
            self._line, receivable, amount, with_recourse, bar_resale, tuple(sorted(set(named)))
        )

    def _id(self, column: str, text: str) -> bytes:
        try:
            return read_id(text)
        except BadIdentifier as error:
            self._wrong(column, str(error))
            return b""

    def _truth(self, column: str) -> bool:
        text = self._fields.get(column, "")
        if text not in _WORDS:
            self._wrong(column, f"{text[:40]!r}: write yes or no")
        return _WORDS.get(text, False)

    def _wrong(self, column: str, message: str) -> None:
        self._is_good = False
        self._problems.append(RowProblem(self._line, column, message))
