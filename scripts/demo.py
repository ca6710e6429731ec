"""The demonstration: four nodes, real invoices, every trick refused, a crash, proofs, an audit. `scripts/demo` starts
it.

    scripts/demo                                    made-up invoices
    scripts/demo --invoices FILE.csv --out DIR      a file of invoices; leaves genesis.json, chain.pbk, head.txt, summary.json
    scripts/demo --serve                            leaves the network running until Ctrl-C and says where

Everything runs on this machine. Every process that is started is ended, also on Ctrl-C and on failure.
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
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console

from client.audit.report import AuditReport
from client.errors import ClientError, InputError
from client.trust import Checkpoint
from node.config import ConfigError
from node.network import Network, NodeDied, NotHealthy
from registry.errors import RegistryError
from registry.identifiers import show_id
from scripts import demo_acts as acts
from scripts.demo_figures import Figures, count_export
from scripts.demo_invoices import InvoiceSet, make_up_invoices, read_invoices
from scripts.demo_refusals import STARS_NEEDED, finance
from scripts.demo_stage import Stage, make_console, make_stage_files, set_stage

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Plan:
    """What the command line asks for."""

    invoices: Path | None
    currency: str
    out: Path | None
    serve: bool


def main() -> int:
    """Run the demonstration; the exit code is 0 when every step came out as announced."""
    plan = _parse_arguments()
    console = make_console()
    # A SIGTERM ends it as Ctrl-C does: by leaving every block that has started something.
    signal.signal(signal.SIGTERM, _interrupt)
    folder = Path(tempfile.mkdtemp(prefix="pledgebook-demo-"))
    try:
        invoices = _invoices(plan)
        if plan.out is not None:
            plan.out.mkdir(parents=True, exist_ok=True)
        return _run(plan, console, invoices, folder)
    except KeyboardInterrupt:
        console.print("\ninterrupted; all nodes were stopped")
        return EXIT_INTERRUPTED
    except (NodeDied, NotHealthy, AssertionError) as error:
        console.print(f"\n[bold red]The demonstration failed:[/bold red] {error}", highlight=False)
        return EXIT_FAILED
    except (ClientError, RegistryError, ConfigError, OSError) as error:
        print(f"scripts/demo: {error}", file=sys.stderr)
        return EXIT_USAGE if isinstance(error, InputError | OSError) else EXIT_FAILED
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    # Raised here and not by way of SIGINT: a shell ignores that one for what it starts in the background.
    raise KeyboardInterrupt


def _parse_arguments() -> Plan:
    parser = argparse.ArgumentParser(
        prog="scripts/demo", description=__doc__.split("\n")[0] if __doc__ else None
    )
    parser.add_argument(
        "--invoices", type=Path, metavar="FILE.csv", help="register these invoices (columns: docs/import.md)"
    )
    parser.add_argument("--currency", default="USD", help="their currency (default: %(default)s)")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="leave genesis.json, chain.pbk, head.txt and summary.json there",
    )
    parser.add_argument("--serve", action="store_true", help="leave the network running until Ctrl-C")
    given = parser.parse_args()
    return Plan(given.invoices, given.currency, given.out, given.serve)


def _invoices(plan: Plan) -> InvoiceSet:
    if plan.invoices is None:
        return make_up_invoices(datetime.datetime.now(datetime.UTC).date())
    return read_invoices(plan.invoices, plan.currency)


def _run(plan: Plan, console: Console, invoices: InvoiceSet, folder: Path) -> int:
    started = time.monotonic()
    # Invoices of a file may be long past due; then the consortium's policy has to allow financing them.
    files = make_stage_files(folder / "network", dispose_past_due=plan.invoices is not None)
    with Network(files) as network:
        network.start_all()
        network.wait_healthy()
        stage = set_stage(console, network)
        out = plan.out if plan.out is not None else folder
        asyncio.run(_play(stage, invoices, out, plan.out is not None, started))
        if plan.serve:
            _serve(stage)
    return 0


async def _play(stage: Stage, invoices: InvoiceSet, out: Path, keep: bool, started: float) -> None:
    stage.rule(1, "A consortium of four: association, two factors, one exporter")
    acts.show_consortium(stage)
    stage.open_clients()
    try:
        accepted = await _play_business(stage, invoices)
        stage.rule(7, "The chain as a file, audited offline")
        genesis = stage.directory.genesis_path.read_bytes()
        head = await acts.export(stage, out / "chain.pbk")
        report = await acts.audit(stage, out / "chain.pbk", genesis, head)
        roots = await acts.compare_nodes(stage, head.height)
        figures = count_export(out / "chain.pbk")
        missing = {name: count for name, count in accepted.items() if figures.accepted[name] < count}
        if missing:
            raise AssertionError(f"acknowledged, and not in the export: {missing}")
        stage.rule(8, "What stands on the chain")
        _show_figures(stage, figures, roots, head)
        if keep:
            (out / "genesis.json").write_bytes(genesis)
            (out / "head.txt").write_text(f"{head}\n", encoding="ascii")
            seconds = time.monotonic() - started
            summary = _summary(stage, invoices, figures, roots, head, report, seconds)
            (out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
            stage.say(
                f"\nLeft in {out}: genesis.json, chain.pbk, head.txt, summary.json. There, audit it again with\n"
                '  pledgebook audit chain.pbk --genesis genesis.json --head "$(cat head.txt)"'
            )
        stage.say(f"\nEverything came out as announced, in {time.monotonic() - started:.0f} s.")
    finally:
        await stage.close_clients()


async def _play_business(stage: Stage, invoices: InvoiceSet) -> Mapping[str, int]:
    """What was done with the invoices; answers how many operations of the import were acknowledged, by type."""
    stage.rule(2, "Invoices become receivables, and a node is killed meanwhile")
    importing, registered = await acts.register(stage, invoices)
    stage.rule(3, "Debtors dispute")
    await acts.dispute(stage, importing, registered)
    stars, disputed = acts.choose_stars(stage, registered)
    stage.rule(4, "Debtors confirm, factors finance, and nothing is disposed of twice")
    if len(stars) == STARS_NEEDED:
        await finance(stage, stars, disputed)
    else:
        stage.say(f"Left out: this takes {STARS_NEEDED} undisputed invoices, the file has {len(stars)}.")
    if stars:
        stage.rule(5, "Asking a node that one need not believe")
        await acts.ask(stage, stars[-1])
    stage.rule(6, "Payment and settlement")
    await acts.collect(stage, importing, registered)
    return importing.tally.accepted


def _show_figures(stage: Stage, figures: Figures, roots: dict[str, str], head: Checkpoint) -> None:
    stage.table(
        ("operation", "accepted"), [(name, f"{count:,}") for name, count in sorted(figures.accepted.items())]
    )
    if figures.refused:
        stage.say("")
        stage.table(
            ("code", "refused"), [(code, f"{count:,}") for code, count in sorted(figures.refused.items())]
        )
    stage.say(f"\nHead {head}")
    stage.table(
        ("node", f"state root at height {head.height}"),
        [(node, f"{root[:32]}…") for node, root in roots.items()],
    )


def _summary(
    stage: Stage,
    invoices: InvoiceSet,
    figures: Figures,
    roots: dict[str, str],
    head: Checkpoint,
    report: AuditReport,
    seconds: float,
) -> dict[str, Any]:
    return {
        "chain_id": stage.genesis.chain_id.hex(),
        "height": head.height,
        "head": str(head),
        "entries": figures.entries,
        "operations": figures.operations,
        "accepted": dict(sorted(figures.accepted.items())),
        "refused": dict(sorted(figures.refused.items())),
        "refusals": figures.refusals,
        "state_roots": roots,
        "invoices": {
            "source": invoices.source,
            "count": len(invoices.rows),
            "customers": len(invoices.customers),
            "disputed": invoices.disputed,
            "settled": invoices.settled,
        },
        "audit": {"exit": int(report.exit), "verdict": report.verdict, "seconds": round(report.seconds, 3)},
        "seconds": round(seconds, 1),
    }


def _serve(stage: Stage) -> None:
    """Leave the network running until Ctrl-C or SIGTERM."""
    folder = stage.directory.folder
    stage.rule(9, "The network is still running")
    stage.table(
        ("node", "members ask at (gRPC)", "operators look at (HTTP)"),
        [(node, address.api, f"http://{address.http}") for node, address in stage.directory.nodes.items()],
    )
    known = show_id(next(iter(stage.names)))
    stage.say("\nIn another terminal:")
    # Not wrapped: it is there to be copied.
    stage.console.print(
        f"  .venv/bin/pledgebook status {known} --network {folder}", highlight=False, soft_wrap=True
    )
    stage.say("\nCtrl-C here (or SIGTERM to this process) stops the nodes and removes the folder.")
    while True:
        stage.network.check_alive()
        time.sleep(1.0)


if __name__ == "__main__":
    sys.exit(main())
