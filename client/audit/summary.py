"""The report of an audit for people: the verdict, the checks, what failed and where, and what was not checked."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from .findings import TITLES, Exit, Finding
from .report import AuditReport, Status

FINDINGS_SHOWN_MAX = 10
_STYLE = {Status.PASSED: "green", Status.FAILED: "bold red", Status.NOT_EVALUATED: "yellow"}


def render(report: AuditReport) -> RenderableType:
    """The whole report, to be printed on a console."""
    colour = "green" if report.exit is Exit.COMPLETE else "yellow" if report.exit is Exit.SHORT else "red"
    verdict = Text(report.verdict, style=f"bold {colour}")
    parts: list[RenderableType] = [
        Panel(verdict, title=f"audit of {escape(report.file)}", title_align="left", border_style=colour),
        _facts(report),
        _checks(report),
        *_findings(report),
        Text("Not checked: " + "; ".join(report.not_checked) + ".", style="dim"),
    ]
    return Group(*parts)


def _facts(report: AuditReport) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("chain", report.chain_id.hex() if report.chain_id else "unknown: no anchor")
    table.add_row("expected head", str(report.expected_head) if report.expected_head else "none given")
    table.add_row("last block", str(report.head) if report.head else "unknown")
    table.add_row(
        "read", f"{report.blocks:,} blocks, {report.entries:,} entries, {report.operations:,} operations"
    )
    table.add_row("replayed", f"{report.blocks_replayed:,} blocks")
    rate = f"{report.entries_per_second:,.0f} entries/s"
    table.add_row("time", f"{report.seconds:.1f} s, {rate}, {report.workers} worker processes")
    return table


def _checks(report: AuditReport) -> Table:
    table = Table(title="checks", title_justify="left")
    for heading in ("id", "check", "result", "blocks", "failures"):
        table.add_column(heading, justify="left" if heading in ("check", "result") else "right")
    for result in report.checks:
        status = Text(result.status.value, style=_STYLE[result.status])
        failures = str(result.failures) if result.failures else ""
        table.add_row(
            str(int(result.check)), TITLES[result.check], status, f"{result.blocks_evaluated:,}", failures
        )
    return table


def _findings(report: AuditReport) -> Iterator[RenderableType]:
    for number, finding in enumerate(report.findings[:FINDINGS_SHOWN_MAX], 1):
        yield Text(
            f"{number}. {finding.category} (check {int(finding.check)}): {finding.message}", style="red"
        )
        for label, value in _places(finding):
            yield Text(f"     {label}: {value}")
    left = report.findings_total - min(len(report.findings), FINDINGS_SHOWN_MAX)
    if left > 0:
        yield Text(
            f"... and {left:,} more; --json writes the first {len(report.findings)} in full", style="red"
        )


def _places(finding: Finding) -> Iterator[tuple[str, object]]:
    for label, value in (
        ("height", finding.height),
        ("entry", finding.entry_index),
        ("byte", finding.offset),
        ("expected", finding.expected),
        ("found", finding.found),
    ):
        if value is not None:
            yield label, value
