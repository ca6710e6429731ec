"""`pledgebook report` and `pledgebook alerts`: what a supervisor reads of one factor or of the sector, and is warned of.

From an export it is derived on this machine while the export is audited; from the network one node derives it, and nothing proves
that it did so rightly. Both give the same bytes, which their SHA-256 names: so whoever doubts a node recomputes its report.
"""

from __future__ import annotations

import json
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, assert_never

import typer
from rich.progress import DownloadColumn, MofNCompleteColumn

from registry.identifiers import BadIdentifier, MemberId, parse_member_id, show_id
from registry.limits import GENESIS_BYTES_MAX
from registry.money import BadAmount, show_amount
from registry.supervision.document import digest_of
from registry.supervision.fold import ReportRequest

from ..answers import AlertBatch, RaisedAlert
from ..audit.audit import AuditRequest
from ..audit.commands import bar, suitable_workers
from ..audit.findings import Exit
from ..audit.reporting import audited_report, stated_height
from ..audit.workers import WorkerDied
from ..directory import read_directory
from ..errors import InputError
from ..report_files import csv_bytes, xlsx_bytes
from ..trust import parse_checkpoint
from . import options as opt
from . import output
from .session import Options, Session, in_session, member_id_of


class Format(Enum):
    """What `--format` can say."""

    JSON = "json"
    CSV = "csv"
    XLSX = "xlsx"


alerts_app = typer.Typer(
    help="Alerts: what parties and supervisors are warned of.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def report(
    as_of: Annotated[
        int, typer.Option("--as-of", min=0, metavar="HEIGHT", help="As of which block; 0: the last one.")
    ] = 0,
    since: Annotated[
        int, typer.Option(min=1, metavar="HEIGHT", help="The first block of the period of the flows.")
    ] = 1,
    factor: Annotated[
        str | None, typer.Option(metavar="MEMBER", help="Of one factor: its id, or short name in the folder.")
    ] = None,
    sector: Annotated[bool, typer.Option("--sector", help="Of all factors together, and of each.")] = False,
    form: Annotated[
        Format, typer.Option("--format", help="The JSON document, or the same as a table or a workbook.")
    ] = Format.JSON,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to write it; left out: standard output.")
    ] = None,
    export: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Derive it from this export, and audit that.")
    ] = None,
    genesis: Annotated[
        Path | None, typer.Option(metavar="G", help="With --export: the genesis document that you trust.")
    ] = None,
    head: Annotated[
        str | None, typer.Option(metavar="HEIGHT:HASH", help="With --export: the head that it must reach.")
    ] = None,
    network: Annotated[
        Path | None,
        typer.Option(envvar="PLEDGEBOOK_NETWORK", metavar="DIR", help="Ask a node of this network."),
    ] = None,
    acting: opt.Asker = None,
    node: opt.FirstNode = None,
    timeout_s: opt.Timeout = 600.0,
) -> None:
    """Figures and alerts as of a height: recomputed from an export, or asked of a node.

    From an export: exits like `pledgebook audit`, but 0 when nothing failed up to the export's end.
    """
    if (factor is None) is not sector:
        raise InputError("give --factor MEMBER or --sector")
    if out is None and form is Format.XLSX:
        raise InputError("a workbook is no text: give --out FILE")
    if export is not None:
        request = ReportRequest(as_of, None if factor is None else _member_id(factor, network), since)
        _write(_from_export(request, export, genesis, head), form, out)
        return
    if network is None:
        raise InputError("give --export FILE with --genesis G, or --network DIR")

    async def work(session: Session) -> bytes:
        member_id = None if factor is None else member_id_of(session.directory, factor)
        request = ReportRequest(as_of, member_id, since)
        with bar("following the chain", MofNCompleteColumn()) as moved:
            return await session.client.report(
                request, purpose="report", timeout_s=timeout_s, progress=lambda height: moved(height, as_of)
            )

    options = Options(network, acting, node, timeout_s, False, "report", age_s_max=0)
    document = in_session(options, work)
    typer.echo(
        "One node's word: the block is certified, its figures are not. To be sure, export the chain, recompute the report with "
        "--export, and compare the SHA-256.",
        err=True,
    )
    _write(document, form, out)


@alerts_app.command(
    "watch", epilog="Example: pledgebook alerts watch --network ./net --as association --from 1"
)
def watch(
    network: opt.Network,
    acting: opt.Asker = None,
    from_height: Annotated[
        int, typer.Option("--from", min=0, metavar="HEIGHT", help="From this block on; 0: from the next one.")
    ] = 0,
    until: Annotated[
        int, typer.Option(min=0, metavar="HEIGHT", help="End when all up to this block was told; 0: never.")
    ] = 0,
    node: opt.FirstNode = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on each line.")] = False,
) -> None:
    """Print alerts as they are raised: a node's word, of which the receipt or the record is the proof."""

    async def work(session: Session) -> None:
        async for batch in session.client.watch_alerts(from_height):
            for alert in batch.alerts:
                typer.echo(_shown(batch, alert, as_json=as_json))
            if until and batch.height >= until:
                return

    in_session(Options(network, acting, node, 20.0, as_json, "alerts", age_s_max=0), work)


def _from_export(request: ReportRequest, export: Path, genesis: Path | None, head: str | None) -> bytes:
    """Audit the export and make the report on the way; ends the command when anything fails. Raises InputError."""
    if genesis is None:
        raise InputError("give --genesis G: a chain made from nothing would verify as well")
    try:
        with genesis.open("rb") as file:
            anchor = file.read(GENESIS_BYTES_MAX + 1)
        expected = None if head is None else parse_checkpoint(head)
        audit = AuditRequest(export, anchor, expected, suitable_workers(export))
        height = request.height or stated_height(audit)
        if request.from_height > height:
            raise InputError(f"the period begins at {request.from_height}, after its end at {height}")
        with bar("auditing", DownloadColumn()) as moved:
            audited, document = audited_report(audit, replace(request, height=height), moved)
    except WorkerDied as error:
        typer.echo(f"pledgebook: internal error, nothing is said about the file: {error}", err=True)
        raise typer.Exit(int(Exit.INTERNAL)) from error
    except OSError as error:
        raise InputError(f"cannot read {error.filename}: {error.strerror}") from error
    if audited.findings or audited.exit not in (Exit.COMPLETE, Exit.SHORT):
        typer.echo(f"pledgebook: no report: {audited.verdict}", err=True)
        raise typer.Exit(int(audited.exit))
    if document is None:
        raise InputError(f"{export} ends at height {audited.blocks_replayed}, before {height}")
    typer.echo(
        f"Recomputed from {export}, which was audited up to height {audited.blocks_replayed}: {audited.verdict}",
        err=True,
    )
    return document


def _member_id(text: str, network: Path | None) -> MemberId:
    """An id, or the short name of a member where a network's folder is known. Raises InputError, DirectoryError."""
    if network is not None:
        return member_id_of(read_directory(network), text)
    try:
        return parse_member_id(text)
    except BadIdentifier as error:
        raise InputError(f"--factor: {error}; a short name needs --network DIR") from error


def _shown(batch: AlertBatch, alert: RaisedAlert, *, as_json: bool) -> str:
    if not as_json:
        amount = _amount(alert)
        subject = show_id(alert.subject) if alert.subject else "-"
        where = (
            ""
            if alert.entry_index is None
            else f" entry {alert.entry_index} operation {alert.operation_index}"
        )
        return f"height {batch.height}{where}: {alert.kind}, {alert.detail}, {amount}, {subject}"
    return json.dumps(
        {
            "height": batch.height,
            "time_ms": batch.time_ms,
            "kind": alert.kind,
            "subject": show_id(alert.subject) if alert.subject else None,
            "currency": alert.currency,
            "amount": alert.amount,
            "detail": alert.detail,
            "reference": output.place_document(alert.reference),
            "entry_id": show_id(alert.entry_id) if alert.entry_id else None,
            "entry": alert.entry_index,
            "operation": alert.operation_index,
        }
    )


def _amount(alert: RaisedAlert) -> str:
    # What is no currency of ISO 4217 is the node's word, and shown as that.
    try:
        return show_amount(alert.amount, alert.currency) if alert.currency else str(alert.amount)
    except BadAmount:
        return f"{alert.amount} minor units of {alert.currency!r}"


def _write(document: bytes, form: Format, out: Path | None) -> None:
    fields: dict[str, Any] = json.loads(document)
    digest = digest_of(document)
    content = _in_form(document, fields, digest, form)
    if out is None:
        typer.echo(content, nl=False)
    else:
        try:
            out.write_bytes(content)
        except OSError as error:
            raise InputError(f"cannot write {out}: {error.strerror}") from error
    typer.echo(
        f"Report of {fields['scope']} as of height {fields['height']}, block {fields['block_hash']}, "
        f"state {fields['state_root']}\nsha256 of the JSON {digest}",
        err=True,
    )


def _in_form(document: bytes, fields: dict[str, Any], digest: str, form: Format) -> bytes:
    match form:
        case Format.JSON:
            return document
        case Format.CSV:
            return csv_bytes(fields)
        case Format.XLSX:
            return xlsx_bytes(fields, digest)
        case _:
            assert_never(form)
