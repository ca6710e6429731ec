"""`pledgebook assign-batch`: a portfolio of up to 1,000 assignments in one entry, with one signature of each party."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from registry.entry import Mode
from registry.money import BadAmount, parse_amount
from registry.operations import Assign
from registry.receivable import Receivable

from ..errors import InputError
from ..importers.assignments import AssignmentRow, read_assignments
from ..importers.rows import RowProblem
from ..paper_file import find_all_papers
from ..submission import Draft
from ..wallet import ShownPapers, Wallet
from . import options as opt
from . import output
from .disposal import Taker
from .session import READS_AT_ONCE, Session, in_session

PROBLEMS_SHOWN_MAX: Final = 200


@opt.submits("assign")
def assign_batch(
    options: opt.Options,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            dir_okay=False,
            help="CSV: receivable,amount[,with_recourse,bar_resale,acknowledge].",
        ),
    ],
    to: Taker,
    independent: Annotated[
        bool, typer.Option("--independent", help="Each assignment on its own; left out: all of them or none.")
    ] = False,
    accept_future: opt.AcceptFuture = False,
    papers: opt.Papers = None,
) -> None:
    """As a holder, assign a portfolio to a factor: one entry, and one signature of each party.

    The whole file is read first. Nothing is sent while a single row is wrong.
    """
    rows = _rows(options, file)

    async def work(session: Session) -> None:
        taker = session.wallet(to)
        records = await _records(session, rows)
        amounts = _amounts(options, rows, records)
        operations = tuple(
            Assign(
                receivable=row.receivable,
                assignor=session.acting.member_id,
                assignee=taker.member,
                amount=amount,
                with_recourse=row.with_recourse,
                price_commitment=None,
                verified_fingerprints=record.fingerprints.digest(),
                acknowledged_suspicions=row.acknowledged,
                resale_barred=row.bar_resale,
                future_consented=accept_future,
            )
            for row, record, amount in zip(rows, records, amounts, strict=True)
        )
        signers = (session.wallet(session.acting.name), taker)
        mode = Mode.INDEPENDENT if independent else Mode.ATOMIC
        shown = await _shown(session, taker, records, papers)
        await session.perform(
            Draft(operations, signers, mode, shown),
            places=[f"line {row.line} of {file.name}" for row in rows],
        )

    in_session(options, work)


def _rows(options: opt.Options, file: Path) -> list[AssignmentRow]:
    try:
        with file.open("rb") as source:
            rows, problems = read_assignments(source)
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}") from error
    except InputError as error:
        raise InputError(f"{file}: {error}") from error
    _refuse(options, problems)
    return rows


async def _records(session: Session, rows: Sequence[AssignmentRow]) -> list[Receivable]:
    room = asyncio.Semaphore(READS_AT_ONCE)

    async def read(row: AssignmentRow) -> Receivable:
        async with room:
            try:
                return await session.record(row.receivable)
            except InputError as error:
                raise InputError(f"line {row.line}, column receivable: {error}") from error

    return list(await asyncio.gather(*(read(row) for row in rows)))


def _amounts(options: opt.Options, rows: Sequence[AssignmentRow], records: Sequence[Receivable]) -> list[int]:
    """In minor units of each receivable's own currency."""
    amounts: list[int] = []
    problems: list[RowProblem] = []
    for row, record in zip(rows, records, strict=True):
        try:
            amounts.append(parse_amount(row.amount, record.currency))
        except BadAmount as error:
            problems.append(RowProblem(row.line, "amount", str(error)))
    _refuse(options, problems)
    return amounts


def _refuse(options: opt.Options, problems: Sequence[RowProblem]) -> None:
    """Tell what is wrong in the file, and end there."""
    if not problems:
        return
    if options.as_json:
        named = [{"line": each.line, "column": each.column, "message": each.message} for each in problems]
        output.print_json({"problem_count": len(problems), "problems": named[:PROBLEMS_SHOWN_MAX]})
    else:
        for problem in problems[:PROBLEMS_SHOWN_MAX]:
            typer.echo(f"  {problem}", err=True)
        typer.echo(f"pledgebook: {len(problems)} faults in the file; nothing was sent", err=True)
    raise typer.Exit(output.ExitCode.USAGE)


async def _shown(
    session: Session, taker: Wallet, records: Sequence[Receivable], papers: Path | None
) -> dict[bytes, ShownPapers]:
    """As `disposal.shown_papers`, for many: each file is read once. The wallet refuses what has none."""
    if not taker.keys:
        session.hand_over(papers, (record.receivable_id for record in records))
        return {}
    shown: dict[bytes, ShownPapers] = {}
    for exporter in {record.exporter: None for record in records}:
        own = [record for record in records if record.exporter == exporter]
        path = papers
        if path is None:
            filer = session.directory.find_member(exporter)
            if filer is None:
                raise InputError(f"the filing of {exporter} is not in this folder: give --papers FILE")
            path = session.directory.papers_path(filer)
        filed = find_all_papers(path, (record.receivable_id for record in own))
        numbering = await session.numbering_of(exporter)
        for record in own:
            if record.receivable_id in filed:
                seen = filed[record.receivable_id].papers
                shown[record.receivable_id] = ShownPapers(seen, record.fingerprints, numbering)
    return shown
