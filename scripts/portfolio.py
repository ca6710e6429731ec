"""A file of invoices as a portfolio on four real nodes, and its report held against the file. `scripts/portfolio` starts it.

    scripts/portfolio --invoices FILE.csv                       as of the last day on which an invoice of the file was issued
    scripts/portfolio --invoices FILE.csv --as-of 2013-06-30    as of another day; what was issued later is left out

Registered, confirmed by its debtors, pooled within eligibility and concentration limits, drawn, disputed and paid as in the file.
A chain lives today, so every date of the file is moved by as many days as lie between that day and today. In the end every figure
that the pool, the records and the supervisor's report give is compared with what the file alone comes to
(`scripts.portfolio_figures`); the exit code is 0 when all are equal.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

from client.errors import ClientError, InputError
from client.importers.customers import demonstration_lei
from client.importers.invoice_import import ImportedInvoice, InvoiceImport
from client.importers.rows import InvoiceRow
from node.config import ConfigError
from node.network import Network, NodeDied, NotHealthy
from registry.errors import Code, RegistryError
from registry.money import show_amount
from registry.operations.pool import PoolTerms
from registry.pools import Pool, secured, shortfall
from scripts import demo_acts, portfolio_acts
from scripts.demo_invoices import read_invoices
from scripts.demo_stage import ASSOCIATION, EXPORTER, Stage, make_console, make_stage_files, set_stage
from scripts.portfolio_figures import (
    BUCKETS,
    Line,
    PoolPlan,
    PortfolioFigures,
    figures_of,
    is_eligible,
    members_of,
    read_lines,
)

CURRENCY = "USD"
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Task:
    """What the command line asks for."""

    invoices: Path
    as_of: datetime.date | None
    plan: PoolPlan
    out: Path | None


@dataclass(frozen=True, slots=True)
class Book:
    """The file, read twice: as the importer reads it, and as the plain computation does. `day` is played on `today`."""

    rows: tuple[InvoiceRow, ...]
    lines: list[Line]
    day: int
    today: datetime.date


def main() -> int:
    """Play the portfolio; 0 when every figure is the file's."""
    task = _parse_arguments()
    # A SIGTERM ends it as Ctrl-C does: by leaving every block that has started something.
    signal.signal(signal.SIGTERM, _interrupt)
    console = make_console()
    folder = Path(tempfile.mkdtemp(prefix="pledgebook-portfolio-"))
    try:
        book = _read(task)
        with Network(make_stage_files(folder / "network", dispose_past_due=True)) as network:
            network.start_all()
            network.wait_healthy()
            return asyncio.run(_play(set_stage(console, network), task, book, folder))
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except (NodeDied, NotHealthy, AssertionError) as error:
        console.print(f"\n[bold red]The portfolio failed:[/bold red] {error}", highlight=False)
        return EXIT_FAILED
    except (ClientError, RegistryError, ConfigError, OSError) as error:
        print(f"scripts/portfolio: {error}", file=sys.stderr)
        return EXIT_USAGE if isinstance(error, InputError | OSError) else EXIT_FAILED
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _parse_arguments() -> Task:
    parser = argparse.ArgumentParser(
        prog="scripts/portfolio", description=__doc__.split("\n")[0] if __doc__ else None
    )
    parser.add_argument("--invoices", type=Path, required=True, metavar="FILE.csv")
    parser.add_argument("--as-of", type=datetime.date.fromisoformat, metavar="YYYY-MM-DD")
    parser.add_argument("--tenor-days", type=int, default=30, help="default: %(default)s")
    parser.add_argument("--past-due-days", type=int, default=60, help="default: %(default)s")
    parser.add_argument("--debtor-share", type=int, default=10, help="per cent; default: %(default)s")
    parser.add_argument("--advance-rate", type=int, default=80, help="per cent; default: %(default)s")
    parser.add_argument("--out", type=Path, metavar="DIR", help="leave report.json and figures.json there")
    given = parser.parse_args()
    plan = PoolPlan(given.tenor_days, given.past_due_days, 100 * given.debtor_share, 100 * given.advance_rate)
    return Task(given.invoices, given.as_of, plan, given.out)


def _read(task: Task) -> Book:
    rows = read_invoices(task.invoices, CURRENCY).rows
    lines = read_lines(task.invoices)
    as_of = task.as_of or max(row.issue_date for row in rows)
    if task.out is not None:
        task.out.mkdir(parents=True, exist_ok=True)
    today = datetime.datetime.now(datetime.UTC).date()
    return Book(_as_of(rows, as_of, today), lines, as_of.toordinal(), today)


def _as_of(rows: Sequence[InvoiceRow], as_of: datetime.date, today: datetime.date) -> tuple[InvoiceRow, ...]:
    """What was issued by the day, with what was known of it then, as if the day were today."""
    moved = today - as_of
    return tuple(
        replace(
            row,
            issue_date=row.issue_date + moved,
            due_date=row.due_date + moved,
            settled_date=None
            if row.settled_date is None or row.settled_date > as_of
            else row.settled_date + moved,
        )
        for row in rows
        if row.issue_date <= as_of
    )


async def _play(stage: Stage, task: Task, book: Book, folder: Path) -> int:
    started = time.monotonic()
    stage.open_clients()
    try:
        stage.rule(1, "Registered and confirmed")
        importing, invoices = await _register(stage, book)
        confirmed = await portfolio_acts.confirm(stage, invoices)
        stage.say(f"{len(invoices):,} receivables, {confirmed:,} of them confirmed in full by their debtors.")
        stage.rule(2, "Pooled and drawn")
        at_first = await _pool(stage, task, book, invoices)
        stage.rule(3, "Disputed and paid, as in the file")
        await importing.dispute(invoices)
        await demo_acts.collect(stage, importing, invoices)
        await _cure(stage, at_first.pool_id)
        stage.rule(4, "The report, and what the file alone comes to")
        head = await demo_acts.export(stage, folder / "chain.pbk")
        genesis = stage.directory.genesis_path.read_bytes()
        report = await portfolio_acts.reports(stage, folder / "chain.pbk", genesis, head)
        _check_same_day(report, book.today)
        on_chain = await _on_chain(stage, invoices, at_first, report)
        expected = figures_of(book.lines, book.day, task.plan)
        equal = _show(stage, on_chain, expected)
        if task.out is not None:
            (task.out / "report.json").write_bytes(report)
            figures = {"chain": asdict(on_chain), "file": asdict(expected)}
            (task.out / "figures.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        stage.say(
            f"\n{'All figures are equal' if equal else 'FIGURES DIFFER'}; {time.monotonic() - started:.0f} s."
        )
        return 0 if equal else EXIT_FAILED
    finally:
        await stage.close_clients()


async def _register(stage: Stage, book: Book) -> tuple[InvoiceImport, list[ImportedInvoice]]:
    customers = dict.fromkeys(row.customer for row in book.rows)
    importing = InvoiceImport(
        stage.submitters[EXPORTER],
        stage.directory,
        stage.directory.member(EXPORTER),
        stage.fingerprint_key,
        {customer: demonstration_lei(customer) for customer in customers},
        wallet_of=stage.wallet,
    )
    await importing.enrol(customers, ASSOCIATION)
    stage.directory = importing.directory
    invoices = await importing.register(book.rows)
    for refusal in importing.tally.refusals:
        raise AssertionError(f"line {refusal.line}: {refusal.operation}: {refusal.message}")
    return importing, invoices


async def _pool(stage: Stage, task: Task, book: Book, invoices: Sequence[ImportedInvoice]) -> Pool:
    """Agree on the pool, try what must be refused, add what the plan chooses, and draw all that this carries.

    Answers with the pool as it stood before the draw.
    """
    plan = task.plan
    terms = PoolTerms(
        currency=CURRENCY,
        tenor_days_max=plan.tenor_days,
        past_due_days_max=plan.past_due_days,
        confirmation_required=True,
        debtor_share_bp_max=plan.debtor_share_bp,
        advance_rate_bp=plan.advance_rate_bp,
        credit_limit=None,
        until_ms=None,
    )
    pool = await portfolio_acts.agree(stage, terms)
    by_number = {invoice.row.invoice_number: invoice for invoice in invoices}
    members = [by_number[line.number] for line in members_of(book.lines, book.day, plan)]
    if not members:
        raise InputError(
            "nothing of the file is eligible on that day: choose another --as-of, or other terms"
        )
    await _try_what_is_refused(stage, book, plan, pool, members, by_number)
    count = await portfolio_acts.add(stage, pool, members)
    stands = await portfolio_acts.present(stage, pool)
    most = secured(stands)
    result = await portfolio_acts.draw(stage, pool, most + 1)
    if result.code is not Code.SHORTFALL:
        raise AssertionError(f"more than the base carries was drawn: {result.code}")
    if (await portfolio_acts.draw(stage, pool, most)).code is not Code.OK:
        raise AssertionError("what the base carries was not drawn")
    stage.say(
        f"{stands.members:,} receivables of {len(stands.shares)} debtors stand in the pool, added by {count} operations: base "
        f"{show_amount(stands.base, CURRENCY)}, drawn {show_amount(most, CURRENCY)}; a cent more was a SHORTFALL."
    )
    return stands


async def _try_what_is_refused(
    stage: Stage,
    book: Book,
    plan: PoolPlan,
    pool: bytes,
    members: Sequence[ImportedInvoice],
    by_number: dict[str, ImportedInvoice],
) -> None:
    if plan.debtor_share_bp < 10_000:
        alone = await portfolio_acts.addition(stage, pool, members[:1])
        await portfolio_acts.refused(stage, alone, Code.CONCENTRATION, "one debtor's alone")
    old = [line for line in book.lines if line.number in by_number and not is_eligible(line, book.day, plan)]
    if old:
        draft = await portfolio_acts.addition(stage, pool, [by_number[old[0].number]])
        await portfolio_acts.refused(
            stage, draft, Code.INELIGIBLE, "one too long past due, or of too long a tenor"
        )


async def _cure(stage: Stage, pool: bytes) -> None:
    """What was collected goes to the factor as far as the base does not carry its advance any more."""
    stands = await portfolio_acts.present(stage, pool)
    short = shortfall(stands)
    stage.say(
        f"The pool has {stands.members:,} members left: base {show_amount(stands.base, CURRENCY)}, "
        f"short by {show_amount(short, CURRENCY)}."
    )
    if short:
        await portfolio_acts.repay(stage, pool, short)
        stage.say(f"The factor is repaid {show_amount(short, CURRENCY)}, and the shortfall is cured.")


def _check_same_day(report: bytes, today: datetime.date) -> None:
    """Raises InputError: what is past due, and for how long, is told by the chain's day."""
    told = datetime.datetime.fromtimestamp(json.loads(report)["time_ms"] / 1_000, datetime.UTC).date()
    if told != today:
        raise InputError(f"midnight (UTC) has passed since {today}: run it again")


async def _on_chain(
    stage: Stage, invoices: Sequence[ImportedInvoice], at_first: Pool, report: bytes
) -> PortfolioFigures:
    """The figures by the pool, before and after, the statuses and the report."""
    pool = await portfolio_acts.present(stage, at_first.pool_id)
    (reported,) = json.loads(report)["figures"]["by_currency"]
    for name, stated in (("advanced", pool.drawn), ("receivables", pool.members), ("pool_shortfall", 0)):
        if reported[name] != stated:
            raise AssertionError(f"the report has {name} {reported[name]}, the pool {stated}")
    return PortfolioFigures(
        registered=len(invoices),
        registered_amount=sum(invoice.row.amount for invoice in invoices),
        paid=await portfolio_acts.paid(stage, invoices),
        members_at_first=at_first.members,
        base_at_first=at_first.base,
        drawn_at_first=reported["volume_drawn"],
        members=pool.members,
        debtors=len(pool.shares),
        pooled=reported["pooled"],
        base=pool.base,
        drawn=pool.drawn,
        disputed=reported["disputed"],
        ageing=tuple(reported["ageing"][bucket] for bucket in BUCKETS),
        top_debtor=reported["top_debtor_amount"],
        top_debtor_share_bp=reported["top_debtor_share_bp"],
    )


def _show(stage: Stage, on_chain: PortfolioFigures, expected: PortfolioFigures) -> bool:
    left, right = _flat(on_chain), _flat(expected)
    stage.table(
        ("figure", "on the chain", "by the file", ""),
        [
            (name, f"{left[name]:,}", f"{right[name]:,}", "" if left[name] == right[name] else "DIFFERS")
            for name in left
        ],
        title="Counts, cents and basis points",
    )
    return on_chain == expected


def _flat(figures: PortfolioFigures) -> dict[str, Any]:
    flat = asdict(figures)
    ageing = flat.pop("ageing")
    return flat | {f"ageing, {bucket}": amount for bucket, amount in zip(BUCKETS, ageing, strict=True)}


if __name__ == "__main__":
    sys.exit(main())
