"""The invoices of the demonstration: from a CSV file, or made up so that there is one of everything."""

from __future__ import annotations

import datetime
import random
from dataclasses import dataclass
from pathlib import Path

from client.errors import InputError
from client.importers.mapping import ACCOUNTS_RECEIVABLE, parse_mapping
from client.importers.rows import InvoiceRow, RowProblem, read_rows
from registry.money import show_amount

MADE_UP_INVOICES = 48
PROBLEMS_SHOWN_MAX = 20
_DEBTORS = ("northwind-retail", "harbour-foods", "alpine-tools", "delta-textiles")


@dataclass(frozen=True, slots=True)
class InvoiceSet:
    """What is registered, and where it comes from."""

    source: str
    rows: tuple[InvoiceRow, ...]

    @property
    def customers(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(row.customer for row in self.rows))

    @property
    def disputed(self) -> int:
        return sum(row.disputed for row in self.rows)

    @property
    def settled(self) -> int:
        return sum(row.settled_date is not None for row in self.rows)

    def total(self) -> str:
        """The face amounts, added up by currency."""
        sums: dict[str, int] = {}
        for row in self.rows:
            sums[row.currency] = sums.get(row.currency, 0) + row.amount
        return ", ".join(show_amount(amount, currency) for currency, amount in sorted(sums.items()))


def read_invoices(path: Path, currency: str) -> InvoiceSet:
    """All invoices of a CSV file with the columns of accounts_receivable.csv. Raises InputError listing every bad row."""
    try:
        with path.open("rb") as file:
            items = list(read_rows(file, parse_mapping(ACCOUNTS_RECEIVABLE), currency))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    problems = [item for item in items if isinstance(item, RowProblem)]
    if problems:
        shown = "\n  ".join(str(problem) for problem in problems[:PROBLEMS_SHOWN_MAX])
        raise InputError(f"{path} has {len(problems)} faults; nothing is registered:\n  {shown}")
    rows = tuple(item for item in items if isinstance(item, InvoiceRow))
    if not rows:
        raise InputError(f"{path} has no invoice")
    return InvoiceSet(path.name, rows)


def make_up_invoices(today: datetime.date) -> InvoiceSet:
    """Invoices of the last weeks to four debtors: every seventh is disputed, every third and every large one is paid."""
    source = random.Random(20_24)
    rows = []
    for index in range(MADE_UP_INVOICES):
        issued = today - datetime.timedelta(days=source.randrange(5, 40))
        amount = source.randrange(8_000_00, 95_000_00, 50)
        # The large ones are those that factors finance: they are paid too, to whoever holds them.
        is_paid = index % 3 == 0 or amount >= 85_000_00
        rows.append(
            InvoiceRow(
                line=index + 2,
                customer=_DEBTORS[index % len(_DEBTORS)],
                invoice_number=f"INV-{today.year}-{index + 1:04d}",
                issue_date=issued,
                due_date=issued + datetime.timedelta(days=source.choice((60, 90, 120))),
                amount=amount,
                currency="USD",
                disputed=index % 7 == 3,
                settled_date=issued + datetime.timedelta(days=4) if is_paid else None,
                fiscal_number=None,
            )
        )
    return InvoiceSet("made-up invoices", tuple(rows))
