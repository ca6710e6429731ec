"""`pledgebook import`: invoices of a CSV file onto the chain; run again, it does what is left (docs/import.md)."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from registry.identifiers import MemberId

from ..errors import InputError
from ..importers import mapping as mappings
from ..importers.customers import CUSTOMERS_MAX, demonstration_lei, read_customer_directory
from ..importers.invoice_import import ImportTally, InvoiceImport
from ..importers.rows import InvoiceRow, RowProblem, read_rows
from ..refusals import advice
from . import options as opt
from . import output
from .session import Options, Session, in_session

# Invoices that go through all stages together: memory stays bounded however long the file is.
CHUNK_ROWS = 5_000
PROBLEMS_SHOWN_MAX = 200


@dataclass(frozen=True, slots=True)
class _Survey:
    """What a first reading of the file found."""

    rows: int
    customers: tuple[str, ...]
    problems: tuple[RowProblem, ...]
    problem_count: int


def import_invoices(
    file: Annotated[Path, typer.Argument(metavar="FILE", dir_okay=False, help="The CSV file.")],
    network: opt.Network,
    acting: opt.Acting,
    currency: Annotated[
        str | None, typer.Option(help="ISO 4217 code of all amounts, when the file has no currency column.")
    ] = None,
    mapping: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False, help="Which column means what (TOML); left out: that of accounts_receivable.csv."
        ),
    ] = None,
    customers: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False,
            help="CSV customer,debtor with real identifiers; left out: each customer gets a demonstration LEI.",
        ),
    ] = None,
    association: Annotated[
        str, typer.Option(metavar="MEMBER", help="Who enrols the customers as debtors.")
    ] = "association",
    check: Annotated[
        bool, typer.Option("--check", help="Only read the file and report what is wrong with it.")
    ] = False,
    node: opt.FirstNode = None,
    timeout_s: opt.Timeout = 30.0,
    as_json: opt.AsJson = False,
) -> None:
    """As the exporter, register the invoices of a CSV file, dispute the disputed ones, pay and settle the settled ones.

    The whole file is read first. Nothing is sent while a single row is wrong.
    """
    columns = _read_mapping(mapping)
    with _opened(file) as source:
        survey = _survey(source, columns, currency)
        if survey.problem_count or check:
            _show_survey(survey, as_json=as_json)
            raise typer.Exit(output.ExitCode.USAGE if survey.problem_count else output.ExitCode.DONE)

        async def work(session: Session) -> None:
            rows = (row for row in read_rows(source, columns, currency) if isinstance(row, InvoiceRow))
            debtors = _debtors(session, survey.customers, customers)
            tally = await _import(session, rows, survey, debtors, association)
            _show_tally(tally, survey.rows, as_json=as_json)
            if tally.refusals:
                raise typer.Exit(output.ExitCode.REFUSED)

        in_session(Options(network, acting, node, timeout_s, as_json, "import"), work)


def show_mapping(as_json: opt.AsJson = False) -> None:
    """Print the column mapping of accounts_receivable.csv, to start one's own from."""
    if as_json:
        output.print_json(tomllib.loads(mappings.ACCOUNTS_RECEIVABLE))
        return
    typer.echo(mappings.ACCOUNTS_RECEIVABLE, nl=False)


async def _import(
    session: Session,
    rows: Iterator[InvoiceRow],
    survey: _Survey,
    debtors: Mapping[str, MemberId],
    association: str,
) -> ImportTally:
    with _progress() as progress:
        importing = InvoiceImport(
            session.submitter,
            session.directory,
            session.acting,
            session.fingerprint_key,
            debtors,
            wallet_of=session.wallet,
            progress=progress,
        )
        await importing.enrol(survey.customers, association)
        while chunk := list(islice(rows, CHUNK_ROWS)):
            invoices = await importing.register(chunk)
            await importing.dispute(invoices)
            await importing.collect(invoices)
    return importing.tally


def _survey(source: BinaryIO, columns: mappings.Mapping, currency: str | None) -> _Survey:
    """Read the whole file once: how much there is, whose it is, and what is wrong."""
    rows, problem_count = 0, 0
    customers: dict[str, None] = {}
    problems: list[RowProblem] = []
    for item in read_rows(source, columns, currency):
        if isinstance(item, RowProblem):
            problem_count += 1
            if len(problems) < PROBLEMS_SHOWN_MAX:
                problems.append(item)
        else:
            rows += 1
            customers[item.customer] = None
            if len(customers) > CUSTOMERS_MAX:
                raise InputError(f"line {item.line}: more than {CUSTOMERS_MAX} customers; split the file")
    return _Survey(rows, tuple(customers), tuple(problems), problem_count)


def _debtors(session: Session, found: tuple[str, ...], directory: Path | None) -> dict[str, MemberId]:
    if directory is None:
        return {customer: demonstration_lei(customer) for customer in found}
    members = {name: entry.member_id for name, entry in session.directory.members.items()}
    listed = read_customer_directory(directory, members)
    missing = [customer for customer in found if customer not in listed]
    if missing:
        raise InputError(f"{directory} has no debtor for {len(missing)} customers: {', '.join(missing[:20])}")
    return listed


def _read_mapping(path: Path | None) -> mappings.Mapping:
    if path is None:
        return mappings.parse_mapping(mappings.ACCOUNTS_RECEIVABLE)
    try:
        with path.open("rb") as file:
            content = file.read(mappings.MAPPING_BYTES_MAX + 1)
        if len(content) > mappings.MAPPING_BYTES_MAX:
            raise InputError(f"{path} is longer than {mappings.MAPPING_BYTES_MAX} bytes: not a mapping")
        return mappings.parse_mapping(content.decode("utf-8-sig"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8") from error


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    with file:
        yield file


@contextmanager
def _progress() -> Iterator[Any]:
    """A bar per stage on standard error, where that is a terminal."""
    console = Console(stderr=True)
    layout = (TextColumn("{task.description:9}"), BarColumn(), MofNCompleteColumn())
    with Progress(*layout, console=console, disable=not console.is_terminal) as bars:
        tasks: dict[str, Any] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage)
            bars.update(tasks[stage], completed=done, total=total)

        yield show


def _show_survey(survey: _Survey, *, as_json: bool) -> None:
    if as_json:
        problems = [
            {"line": problem.line, "column": problem.column, "message": problem.message}
            for problem in survey.problems
        ]
        output.print_json(
            {
                "rows": survey.rows,
                "customers": len(survey.customers),
                "problem_count": survey.problem_count,
                "problems": problems,
            }
        )
        return
    typer.echo(f"{survey.rows} invoices of {len(survey.customers)} customers can be read.")
    for problem in survey.problems:
        typer.echo(f"  {problem}", err=True)
    if survey.problem_count > len(survey.problems):
        typer.echo(f"  and {survey.problem_count - len(survey.problems)} more", err=True)
    if survey.problem_count:
        typer.echo(f"pledgebook: {survey.problem_count} faults in the file; nothing was sent", err=True)


def _show_tally(tally: ImportTally, rows: int, *, as_json: bool) -> None:
    if as_json:
        refused = [
            {
                "line": each.line,
                "operation": each.operation,
                "code": each.code,
                "message": each.message,
                "what_to_do": advice(each.code),
            }
            for each in tally.refusals
        ]
        output.print_json(
            {
                "invoices": rows,
                "accepted": dict(tally.accepted),
                "already_there": dict(tally.already),
                "refused": refused,
            }
        )
        return
    names = sorted({*tally.accepted, *tally.already})
    output.print_rows(
        f"{rows} invoices",
        ("operation", "accepted", "there already"),
        [(name, str(tally.accepted[name]), str(tally.already[name])) for name in names],
    )
    for refusal in tally.refusals[:PROBLEMS_SHOWN_MAX]:
        typer.echo(f"  line {refusal.line}: {refusal.operation}: {refusal.code}: {refusal.message}", err=True)
    if tally.refusals:
        typer.echo(f"pledgebook: {len(tally.refusals)} operations were refused", err=True)
