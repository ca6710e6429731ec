"""What a portfolio of invoices comes to, worked out from the CSV file alone: with the csv module and integers.

Nothing of the registry is used here, so that its report and this computation are two answers to one question. The rows are read
with the columns of accounts_receivable.csv; amounts are cents, days are counted from year 1. As of a day:

    registered   every invoice issued by then
    pooled       of those, what is short enough and not too long past due, without what would make one customer's share too large
    drawn        the rate of all that, before anything of it is paid
    settled      what the file says is settled by then; a dispute on it was resolved before
    disputed     what the file says is disputed and is not settled
    repaid       what the base does not carry any more after that
"""

from __future__ import annotations

import csv
import datetime
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

WHOLE_BP = 10_000
BUCKETS = ("not_due", "days_1_30", "days_31_60", "days_61_90", "over_90")


@dataclass(frozen=True, slots=True)
class Line:
    """One invoice of the file. `settled` is the day, or None."""

    number: str
    customer: str
    issued: int
    due: int
    amount: int
    disputed: bool
    settled: int | None


@dataclass(frozen=True, slots=True)
class PoolPlan:
    """The terms of the pool: days, and shares in basis points."""

    tenor_days: int
    past_due_days: int
    debtor_share_bp: int
    advance_rate_bp: int


@dataclass(frozen=True, slots=True)
class PortfolioFigures:
    """In cents. `base_at_first` and `drawn_at_first` are before payments and disputes, all else is at the end of the day."""

    registered: int
    registered_amount: int
    paid: int
    members_at_first: int
    base_at_first: int
    drawn_at_first: int
    members: int
    debtors: int
    pooled: int
    base: int
    drawn: int
    disputed: int
    ageing: tuple[int, ...]
    top_debtor: int
    top_debtor_share_bp: int


def read_lines(path: Path) -> list[Line]:
    """All rows of the file."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        return [
            Line(
                number=row["invoiceNumber"],
                customer=row["customerID"],
                issued=_day(row["InvoiceDate"]),
                due=_day(row["DueDate"]),
                amount=_cents(row["InvoiceAmount"]),
                disputed=row["Disputed"] == "Yes",
                settled=_day(row["SettledDate"]) if row["SettledDate"] else None,
            )
            for row in csv.DictReader(file)
        ]


def _day(text: str) -> int:
    month, day, year = (int(part) for part in text.split("/"))
    return datetime.date(year, month, day).toordinal()


def _cents(text: str) -> int:
    whole, _, fraction = text.partition(".")
    return int(whole) * 100 + int(fraction.ljust(2, "0"))


def members_of(lines: Sequence[Line], day: int, plan: PoolPlan) -> list[Line]:
    """What is put into the pool, as of the day: customer by customer in turn, so that none stands out on the way either."""
    kept = [line for line in lines if line.issued <= day and is_eligible(line, day, plan)]
    while (customer := _too_large(kept, plan)) is not None:
        largest = max((line for line in kept if line.customer == customer), key=lambda line: line.amount)
        kept.remove(largest)
    turns: defaultdict[str, int] = defaultdict(int)
    placed = []
    for line in kept:
        turns[line.customer] += 1
        placed.append((turns[line.customer], line.customer, line))
    return [line for _turn, _customer, line in sorted(placed, key=lambda each: each[:2])]


def is_eligible(line: Line, day: int, plan: PoolPlan) -> bool:
    return line.due - line.issued <= plan.tenor_days and day - line.due <= plan.past_due_days


def _too_large(lines: Iterable[Line], plan: PoolPlan) -> str | None:
    """The customer with the largest share, if that is larger than the plan allows."""
    sums = sums_by_customer(lines)
    if not sums:
        return None
    customer = max(sums, key=lambda name: sums[name])
    return customer if sums[customer] * WHOLE_BP > plan.debtor_share_bp * sum(sums.values()) else None


def sums_by_customer(lines: Iterable[Line]) -> dict[str, int]:
    sums: defaultdict[str, int] = defaultdict(int)
    for line in lines:
        sums[line.customer] += line.amount
    return dict(sums)


def figures_of(lines: Sequence[Line], day: int, plan: PoolPlan) -> PortfolioFigures:
    """The figures at the end of the day."""
    registered = [line for line in lines if line.issued <= day]
    members = members_of(lines, day, plan)
    base_at_first = sum(line.amount for line in members)
    drawn_at_first = base_at_first * plan.advance_rate_bp // WHOLE_BP
    left = [line for line in members if not is_settled(line, day)]
    pooled = sum(line.amount for line in left)
    disputed = sum(line.amount for line in left if line.disputed)
    top = max(sums_by_customer(left).values(), default=0)
    ageing = [0] * len(BUCKETS)
    for line in left:
        ageing[_bucket(line, day)] += line.amount
    return PortfolioFigures(
        registered=len(registered),
        registered_amount=sum(line.amount for line in registered),
        paid=sum(line.amount for line in registered if is_settled(line, day)),
        members_at_first=len(members),
        base_at_first=base_at_first,
        drawn_at_first=drawn_at_first,
        members=len(left),
        debtors=len({line.customer for line in left}),
        pooled=pooled,
        base=pooled - disputed,
        drawn=min(drawn_at_first, (pooled - disputed) * plan.advance_rate_bp // WHOLE_BP),
        disputed=disputed,
        ageing=tuple(ageing),
        top_debtor=top,
        # Rounded up: a concentration is never told smaller than it is.
        top_debtor_share_bp=-(-top * WHOLE_BP // pooled) if pooled else 0,
    )


def is_settled(line: Line, day: int) -> bool:
    return line.settled is not None and line.settled <= day


def _bucket(line: Line, day: int) -> int:
    late = day - line.due
    for place, most in enumerate((0, 30, 60, 90)):
        if late <= most:
            return place
    return len(BUCKETS) - 1
