"""A supervisor's report as files for people: one CSV table in long form, or a workbook with a sheet for each kind of figure.

Both say what the JSON document says, under the same names, amounts in minor units; the JSON is what is compared. The same document
always makes the same bytes.
No cell is ever a formula: a spreadsheet must show what a member wrote, not run it. In CSV, where nothing tells text from a formula,
text that a spreadsheet would take for one has an apostrophe before it.
"""

from __future__ import annotations

import csv
import datetime
import io
from collections.abc import Iterator, Sequence
from typing import Any, Final

from xlsxwriter import Workbook
from xlsxwriter.worksheet import Worksheet

from registry.money import BadAmount, minor_digits

FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")
# Beyond it a spreadsheet's numbers, which are doubles, lose their last digits: then the digits are text.
EXACT_INTEGER_MAX: Final = 2**53
Cell = str | int | None
Row = tuple[Cell, ...]

_HEAD: Final = (
    "format",
    "version",
    "scope",
    "chain_id",
    "height",
    "block_hash",
    "state_root",
    "time_ms",
    "from_height",
)


def csv_bytes(document: dict[str, Any]) -> bytes:
    """One table: section, scope, currency, figure, value."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(("section", "scope", "currency", "figure", "value"))
    for row in _long_rows(document):
        writer.writerow([_csv_cell(cell) for cell in row])
    return text.getvalue().encode()


def xlsx_bytes(document: dict[str, Any], digest: str) -> bytes:
    """A workbook; `digest` names the JSON document that it shows."""
    content = io.BytesIO()
    options = {
        "in_memory": True,
        "strings_to_formulas": False,
        "strings_to_numbers": False,
        "strings_to_urls": False,
    }
    book = Workbook(content, options)
    made = datetime.datetime.fromtimestamp(document["time_ms"] // 1_000, datetime.UTC).replace(tzinfo=None)
    book.set_properties({"title": "Pledgebook report", "created": made})
    head = [*((name, document[name]) for name in _HEAD), ("sha256 of the JSON", digest)]
    head += [(f"setting {name}", value) for name, value in document["settings"].items()]
    _sheet(book.add_worksheet("report"), ("what", "value"), head)
    scopes = _scopes(document)
    in_currencies = [(each["scope"], figures) for each in scopes for figures in each["by_currency"]]
    names = _currency_names(in_currencies[0][1]) if in_currencies else ()
    rows = [(scope, *(value for _, value in _flat(figures))) for scope, figures in in_currencies]
    _sheet(book.add_worksheet("figures"), ("scope", *names), rows)
    counts = [(each["scope"], *pair) for each in scopes for pair in _counts(each)]
    _sheet(book.add_worksheet("counts"), ("scope", "figure", "value"), counts)
    alerts = document["alerts"]
    totals = [
        (state, kind, count) for state in ("raised", "standing") for kind, count in alerts[state].items()
    ]
    _sheet(book.add_worksheet("alerts"), ("alerts", "kind", "count"), totals)
    columns = ("kind", "subject", "currency", "amount", "detail", "reference")
    _sheet(book.add_worksheet("standing"), columns, [_alert_row(alert) for alert in alerts["listed"]])
    book.close()
    return content.getvalue()


def _long_rows(document: dict[str, Any]) -> Iterator[Row]:
    for name in _HEAD:
        yield "report", "", "", name, document[name]
    for name, value in document["settings"].items():
        yield "settings", "", "", name, value
    for each in _scopes(document):
        for name, value in _counts(each):
            yield "counts", each["scope"], "", name, value
        for figures in each["by_currency"]:
            for name, value in _flat(figures):
                if name != "currency":
                    yield "figures", each["scope"], figures["currency"], name, value
    for state in ("raised", "standing"):
        for kind, count in document["alerts"][state].items():
            yield "alerts", document["scope"], "", f"{state} {kind}", count
    for alert in document["alerts"]["listed"]:
        kind, subject, currency, amount, detail, reference = _alert_row(alert)
        yield "alert", subject, currency, f"{kind}, {detail}, {reference}", amount


def _scopes(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [document["figures"], *document["factors"]]


def _counts(figures: dict[str, Any]) -> Iterator[tuple[str, int]]:
    yield "customers", figures["customers"]
    for size, count in figures["customers_by_class"].items():
        yield f"customers {size}", count
    yield "debtors", figures["debtors"]
    for code, count in figures["refused"].items():
        yield f"refused {code}", count


def _flat(figures: dict[str, Any]) -> Iterator[tuple[str, Cell]]:
    """The figures of one currency in a fixed order, the currency and its number of decimals first."""
    yield "currency", figures["currency"]
    yield "decimals", _decimals(figures["currency"])
    for name in sorted(figures):
        if name == "ageing":
            for bucket, amount in figures[name].items():
                yield f"ageing {bucket}", amount
        elif name != "currency":
            yield name, figures[name]


def _decimals(currency: str) -> int | None:
    # A policy, or a node that makes a report up, can name what is no currency of ISO 4217.
    try:
        return minor_digits(currency)
    except BadAmount:
        return None


def _currency_names(figures: dict[str, Any]) -> tuple[str, ...]:
    return tuple(name for name, _ in _flat(figures))


def _alert_row(alert: dict[str, Any]) -> tuple[str, str, str, int, str, str]:
    place = alert["reference"]
    reference = "" if place is None else f"{place['height']}/{place['entry']}/{place['operation']}"
    return (
        alert["kind"],
        alert["subject"] or "",
        alert["currency"],
        alert["amount"],
        alert["detail"],
        reference,
    )


def _csv_cell(cell: Cell) -> str:
    text = "" if cell is None else str(cell)
    return f"'{text}" if isinstance(cell, str) and text.startswith(FORMULA_STARTS) else text


def _sheet(sheet: Worksheet, headings: Sequence[str], rows: Sequence[Row]) -> None:
    sheet.freeze_panes(1, 0)
    for number, row in enumerate((tuple(headings), *rows)):
        for column, cell in enumerate(row):
            if isinstance(cell, int) and abs(cell) <= EXACT_INTEGER_MAX:
                sheet.write_number(number, column, cell)
            elif cell is not None:
                sheet.write_string(number, column, str(cell))
