"""The figures as tables for people and as one JSON document for machines, each beside the limit it is held against."""

from __future__ import annotations

import dataclasses
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from .batch import BatchFigures
from .measurements import Audit, Idle, NodeMemory, Queries, Step, Sweep
from .physical import PhysicalLimits
from .scale import SizeFigures

FORMAT = 1


@dataclass
class Figures:
    """All that a run has measured so far; what it did not measure is None or empty."""

    nodes: int
    limits: PhysicalLimits | None = None
    idle: Idle | None = None
    fixed: Step | None = None
    sweeps: tuple[Sweep, ...] = ()
    queries: tuple[Queries, ...] = ()
    audit: Audit | None = None
    memory: tuple[NodeMemory, ...] = ()
    scale: tuple[SizeFigures, ...] = ()
    batches: tuple[BatchFigures, ...] = ()


def document(figures: Figures) -> dict[str, Any]:
    """The JSON document."""
    return {
        "format": FORMAT,
        "machine": {
            "system": platform.platform(),
            "python": platform.python_version(),
            "cores": len(os.sched_getaffinity(0)),
        },
        **dataclasses.asdict(figures),
    }


def show(figures: Figures, console: Console) -> None:
    """Print what was measured."""
    if figures.limits is not None:
        _show_limits(figures.limits, console)
    if figures.idle is not None:
        latency = figures.idle.latency
        console.print(
            f"\n[bold]Idle commit latency[/] of {figures.idle.entries} entries: p50 {latency.p50_ms:.1f} ms, "
            f"p95 {latency.p95_ms:.1f} ms, p99 {latency.p99_ms:.1f} ms"
        )
    if figures.fixed is not None:
        _show_steps("Load at the rate that was asked for", (figures.fixed,), figures, console)
    for sweep in figures.sweeps:
        _show_sweep(sweep, figures, console)
    if figures.queries:
        _show_queries(figures.queries, figures.limits, console)
    if figures.audit is not None:
        _show_audit(figures.audit, figures.limits, console)
    if figures.memory:
        _show_memory(figures.memory, console)
    if figures.scale:
        _show_scale(figures.scale, console)
    if figures.batches:
        _show_batches(figures.batches, console)


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left")
    for heading in headings:
        table.add_column(heading, justify="right")
    return table


def _show_limits(limits: PhysicalLimits, console: Console) -> None:
    table = _table("Limits of this machine", "what", "per second")
    table.columns[0].justify = "left"
    table.add_row("Ed25519 verifications, one core", f"{limits.ed25519_per_s_one_core:,.0f}")
    table.add_row(f"Ed25519 verifications, {limits.cores} cores", f"{limits.ed25519_per_s_all_cores:,.0f}")
    table.add_row("empty gRPC calls over TLS, one server, one caller", f"{limits.grpc_echo_per_s:,.0f}")
    table.add_row("fdatasync of 4 KiB", f"{limits.fdatasync_per_s:,.0f}")
    console.print(table)


def _show_sweep(sweep: Sweep, figures: Figures, console: Console) -> None:
    title = f"Sweep, {sweep.operations_per_entry} operations an entry"
    _show_steps(title, sweep.steps, figures, console)
    if sweep.best is None:
        console.print("  no rate of the sweep was sustained")
        return
    best = sweep.best
    line = f"  sustained: {best.committed_entries_per_s:,.0f} entries/s, {best.operations_per_s:,.0f} operations/s"
    if figures.limits is not None:
        # Every node checks every signature once.
        limit = figures.limits.ed25519_per_s_all_cores / figures.nodes
        line += f"; signatures alone would allow {limit:,.0f} entries/s with {figures.nodes} nodes on this machine"
    console.print(line)


def _show_steps(title: str, steps: Sequence[Step], figures: Figures, console: Console) -> None:
    table = _table(
        title,
        "offered/s",
        "committed/s",
        "operations/s",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "entries a block",
        "CPU ms an entry: nodes",
        "generator",
        "cores",
        "entry bytes",
        "stored",
        "written",
        "refused, lost",
    )
    for step in steps:
        lost = sum(step.refused.values()) + step.unanswered
        table.add_row(
            f"{step.offered_entries_per_s:,.0f}",
            f"{step.committed_entries_per_s:,.0f}",
            f"{step.operations_per_s:,.0f}",
            f"{step.latency.p50_ms:,.0f}",
            f"{step.latency.p95_ms:,.0f}",
            f"{step.latency.p99_ms:,.0f}",
            f"{step.entries_per_block:,.1f}",
            f"{step.node_cpu_s_per_entry * 1_000:,.2f}",
            f"{step.generator_cpu_s_per_entry * 1_000:,.2f}",
            f"{step.cores_used:.2f}",
            f"{step.entry_bytes:,}",
            f"{step.stored_bytes_per_entry:,.0f}",
            f"{step.written_bytes_per_entry:,.0f}",
            f"{lost} {step.refused or ''}".strip(),
        )
    console.print()
    console.print(table)


def _show_queries(queries: Sequence[Queries], limits: PhysicalLimits | None, console: Console) -> None:
    table = _table(
        "Verified status questions to one node",
        "keys a call",
        "callers",
        "keys/s",
        "calls/s",
        "p50 ms",
        "p99 ms",
    )
    for row in queries:
        table.add_row(
            str(row.keys_per_call),
            str(row.callers),
            f"{row.keys_per_s:,.0f}",
            f"{row.calls_per_s:,.0f}",
            f"{row.call_latency.p50_ms:,.1f}",
            f"{row.call_latency.p99_ms:,.1f}",
        )
    console.print()
    console.print(table)
    if limits is not None:
        console.print(f"  empty calls: {limits.grpc_echo_per_s:,.0f}/s")


def _show_audit(audit: Audit, limits: PhysicalLimits | None, console: Console) -> None:
    console.print(
        f"\n[bold]Audit[/] of {audit.entries:,} entries with {audit.operations:,} operations "
        f"({audit.export_bytes / 1e6:,.1f} MB, exported in {audit.export_s:.1f} s): {audit.audit_s:.1f} s, "
        f"{audit.entries_per_s:,.0f} entries/s, {audit.operations_per_s:,.0f} operations/s"
    )
    if limits is not None:
        console.print(f"  signatures alone would allow {limits.ed25519_per_s_all_cores:,.0f} entries/s")


def _show_memory(rows: Sequence[NodeMemory], console: Console) -> None:
    table = _table(
        "Memory of the nodes", "node", "receivables", "resident MB", "of it own", "of it files (LMDB)"
    )
    table.columns[0].justify = "left"
    for row in rows:
        table.add_row(
            row.node,
            f"{row.receivables:,}",
            f"{row.memory.resident_bytes / 1e6:,.0f}",
            f"{row.memory.anonymous_bytes / 1e6:,.0f}",
            f"{row.memory.file_bytes / 1e6:,.0f}",
        )
    console.print()
    console.print(table)


def _show_scale(sizes: Sequence[SizeFigures], console: Console) -> None:
    first, last = sizes[0], sizes[-1]
    headings = [f"{row.receivables:,}: rules, tree, LMDB" for row in sizes]
    title = "Processor microseconds an operation, by number of receivables"
    table = _table(title, "operation", *headings, "rules + tree, last : first", "with LMDB")
    table.columns[0].justify = "left"
    for name, cost in first.operations.items():
        grown = last.operations[name]
        cells = [row.operations[name] for row in sizes]
        table.add_row(
            name,
            *(f"{cell.rules_us:,.0f}, {cell.tree_us:,.0f}, {cell.store_us:,.0f}" for cell in cells),
            f"{grown.applied_us / cost.applied_us:.2f}",
            f"{grown.whole_us / cost.whole_us:.2f}",
        )
    console.print()
    console.print(table)
    table = _table(
        "Processor milliseconds of an empty block",
        "liens that end in it",
        *(f"{row.receivables:,}" for row in sizes),
    )
    for count in first.expiry_us:
        table.add_row(f"{count:,}", *(f"{row.expiry_us[count] / 1_000:,.2f}" for row in sizes))
    console.print()
    console.print(table)


def _show_batches(batches: Sequence[BatchFigures], console: Console) -> None:
    title = f"{batches[0].assignments:,} assignments: processor milliseconds of one node"
    headings = (
        "entries",
        "bytes",
        "signatures",
        "decoding",
        "Ed25519",
        "door",
        "rules",
        "tree",
        "judged",
        "LMDB",
    )
    table = _table(title, *headings)
    for row in batches:
        times = (
            row.decoding_ms,
            row.signatures_ms,
            row.door_ms,
            row.rules_ms,
            row.tree_ms,
            row.judged_ms,
            row.store_ms,
        )
        table.add_row(
            f"{row.entries:,}", f"{row.bytes:,}", f"{row.signatures:,}", *(f"{each:,.1f}" for each in times)
        )
    console.print()
    console.print(table)
