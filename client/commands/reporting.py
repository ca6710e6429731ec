"""`pledgebook report`: what a supervisor reads of one factor or of the sector, as of a height.

From an export it is derived on this machine while the export is audited; from the network one node derives it, and nothing proves
that it did so rightly. Both give the same bytes, which their SHA-256 names: so whoever doubts a node recomputes its report.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, assert_never

import typer

from registry.identifiers import BadIdentifier, parse_member_id
from registry.limits import GENESIS_BYTES_MAX
from registry.supervision.document import digest_of
from registry.supervision.fold import ReportRequest

from ..audit.audit import AuditRequest
from ..audit.findings import Exit
from ..audit.reporting import audited_report, stated_height
from ..errors import InputError
from ..report_files import csv_bytes, xlsx_bytes
from ..trust import parse_checkpoint


class Format(Enum):
    """What `--format` can say."""

    JSON = "json"
    CSV = "csv"
    XLSX = "xlsx"


@dataclass(frozen=True, slots=True)
class _Asked:
    height: int
    from_height: int
    factor: str | None


def report(
    as_of: Annotated[
        int, typer.Option("--as-of", min=0, metavar="HEIGHT", help="As of which block; 0: the last one.")
    ] = 0,
    since: Annotated[
        int, typer.Option(min=1, metavar="HEIGHT", help="The first block of the period of the flows.")
    ] = 1,
    factor: Annotated[str | None, typer.Option(metavar="MEMBER", help="Of one factor, by its id.")] = None,
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
) -> None:
    """Figures and alerts as of a height: recomputed from an export, or asked of a node.

    From an export it exits like `pledgebook audit`, but 0 when nothing failed up to the export's end.
    """
    if factor is not None and sector:
        raise InputError("give --factor MEMBER or --sector, not both")
    if out is None and form is Format.XLSX:
        raise InputError("a workbook is no text: give --out FILE")
    asked = _Asked(as_of, since, factor)
    if export is None:
        raise InputError("give --export FILE with --genesis G")
    _write(_from_export(asked, export, genesis, head), form, out)


def _from_export(asked: _Asked, export: Path, genesis: Path | None, head: str | None) -> bytes:
    """Audit the export and make the report on the way; ends the command when anything fails. Raises InputError."""
    if genesis is None:
        raise InputError("give --genesis G: a chain made from nothing would verify as well")
    try:
        with genesis.open("rb") as file:
            anchor = file.read(GENESIS_BYTES_MAX + 1)
        audit = AuditRequest(export, anchor, None if head is None else parse_checkpoint(head), workers=0)
        height = asked.height or stated_height(audit)
        request = ReportRequest(height, _member_id(asked.factor), asked.from_height)
        audited, document = audited_report(audit, request)
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


def _member_id(text: str | None) -> str | None:
    try:
        return None if text is None else parse_member_id(text)
    except BadIdentifier as error:
        raise InputError(f"--factor: {error}") from error


def _write(document: bytes, form: Format, out: Path | None) -> None:
    fields: dict[str, Any] = json.loads(document)
    digest = digest_of(document)
    content = _in_form(document, fields, digest, form)
    if out is None:
        sys.stdout.write(content.decode())
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
