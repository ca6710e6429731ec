"""Measure a network of four nodes on this machine, beside the physical limits found in the same run.

    scripts/benchmark                      limits, idle latency, rate sweeps with 1, 10 and 100 operations an entry, questions,
                                           memory at 100,000 receivables, audit; about six minutes
    scripts/benchmark --quick              the same in about a minute, coarser
    scripts/benchmark --rate 500           one open-loop load of 500 entries a second
    scripts/benchmark --scale              one validator's work for an operation at 10,000 and at 1,000,000 receivables, without
                                           network; about ten minutes and 6 GB of disk
    scripts/benchmark --batch              1,000 assignments in one entry and in 1,000, without network; seconds
    scripts/benchmark --json FILE          the figures as JSON as well

It is a benchmark and never a test: nothing here passes or fails. Nodes run as in production, with fsync, TLS and all
signature checks. What is measured and how to read it: docs/benchmark.md.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from client.connection import Connection, Identity, system_clock
from node.keys import read_key
from node.network import Network
from node.network_files import NetworkDirectory, NetworkPlan, make_network
from pledgebook.v1 import registry_pb2
from registry.entry import decode_entry
from registry.genesis import parse_genesis
from registry.identifiers import MemberId
from registry.receipt import Outcome, decode_receipt
from scripts.benchmarks import physical
from scripts.benchmarks.batch import measure_batches
from scripts.benchmarks.generator import Generator
from scripts.benchmarks.measurements import Bench, Pace
from scripts.benchmarks.report import Figures, document, show
from scripts.benchmarks.scale import Chain, Extent, measure
from scripts.benchmarks.workload import Consortium, consortium_of, enrolment

VALIDATORS = 4
FULL = Pace(warm_up_s=2.0, measured_s=6.0, tick_s=0.05, p99_ms_max=2_000.0, bisections=3)
QUICK = Pace(warm_up_s=1.0, measured_s=3.0, tick_s=0.05, p99_ms_max=2_000.0, bisections=1)
# Where a sweep of this many operations an entry begins, in entries per second.
FIRST_RATES = {1: 250.0, 10: 100.0, 100: 20.0}
QUICK_FIRST_RATES = {1: 500.0, 100: 30.0}
RECEIVABLES_FOR_MEMORY = 100_000
FILL_OPERATIONS = 100
ENROLMENT_TIMEOUT_MS = 30_000
SCALE_SIZES = (10_000, 1_000_000)


class EnrolmentFailed(Exception):
    """The association could not enrol the benchmark's exporters; the message has the node's reason."""


def main(
    quick: Annotated[
        bool, typer.Option("--quick", help="Everything once and briefly: about a minute.")
    ] = False,
    rate: Annotated[float, typer.Option(min=0, help="Only one load of so many entries a second.")] = 0.0,
    operations: Annotated[int, typer.Option(min=1, max=1_000, help="With --rate: operations an entry.")] = 1,
    seconds: Annotated[float, typer.Option(min=1, help="With --rate: measured for so long.")] = 10.0,
    scale: Annotated[
        bool, typer.Option("--scale", help="Only the cost of operations at several sizes of the registry.")
    ] = False,
    batch: Annotated[
        bool, typer.Option("--batch", help="Only 1,000 assignments in one entry, and in 1,000.")
    ] = False,
    receivables: Annotated[
        list[int] | None, typer.Option(min=1, help="With --scale: a size, smallest first; repeatable.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Where the network is made; kept. Default: a temporary folder.")
    ] = None,
) -> None:
    """Measure a network of four nodes on this machine beside its physical limits."""
    console = Console(width=None if Console().is_terminal else 200)
    with tempfile.TemporaryDirectory(prefix="pledgebook-benchmark-") as temporary:
        if scale:
            _measure_scale(
                receivables or SCALE_SIZES, folder or Path(temporary) / "store", json_file, console
            )
            return
        if batch:
            figures = Figures(nodes=1)
            figures.batches = measure_batches(Chain.begin(folder or Path(temporary) / "store"))
            _present(figures, json_file, console)
            return
        place = folder or Path(temporary) / "network"
        directory = make_network(
            place,
            NetworkPlan(validators=VALIDATORS),
            datetime.datetime.now(datetime.UTC),
        )
        figures = Figures(nodes=VALIDATORS)
        with console.status("measuring the machine's limits"):
            figures.limits = physical.measure(0.5 if quick else 2.0, place)
        consortium = consortium_of(directory)
        with Network(directory) as network:
            network.start_all()
            network.wait_healthy()
            asyncio.run(_enrol(consortium, directory))
            with Generator(consortium) as generator:
                bench = Bench(network, generator, QUICK if quick else FULL)
                if rate:
                    figures.fixed = bench.step(rate, operations, seconds)
                    figures.memory = bench.memory()
                else:
                    _measure_all(bench, figures, quick, Path(temporary), console)
    _present(figures, json_file, console)


def _present(figures: Figures, json_file: Path | None, console: Console) -> None:
    show(figures, console)
    if json_file is not None:
        json_file.write_text(json.dumps(document(figures), indent=2) + "\n")


def _measure_scale(sizes: Sequence[int], folder: Path, json_file: Path | None, console: Console) -> None:
    figures = Figures(nodes=1)
    with console.status("the registry at several sizes") as status:
        figures.scale = measure(Chain.begin(folder), sizes, Extent(), status.update)
    _present(figures, json_file, console)


def _measure_all(bench: Bench, figures: Figures, quick: bool, folder: Path, console: Console) -> None:
    with console.status("idle latency"):
        figures.idle = bench.idle(20 if quick else 60)
    for operations, first in (QUICK_FIRST_RATES if quick else FIRST_RATES).items():
        with console.status(f"sweep with {operations} operations an entry"):
            figures.sweeps += (bench.sweep(operations, first),)
    seconds = 3.0 if quick else 8.0
    with console.status("status questions"):
        figures.queries = (bench.queries(1, 32, seconds), bench.queries(100, 4, seconds))
    with console.status("memory"):
        if not quick:
            _fill(bench, figures)
        figures.memory = bench.memory()
    with console.status("audit"):
        figures.audit = bench.audit(folder)


def _fill(bench: Bench, figures: Figures) -> None:
    """Register up to the number of receivables at which memory is to be read, at half the rate that was sustained."""
    missing = RECEIVABLES_FOR_MEMORY - bench.receivables
    best = figures.sweeps[-1].best
    if missing > 0 and best is not None:
        entries_per_s = best.committed_entries_per_s / 2
        bench.step(entries_per_s, FILL_OPERATIONS, missing / FILL_OPERATIONS / entries_per_s + 1.0)


async def _enrol(consortium: Consortium, directory: NetworkDirectory) -> None:
    """Let the association enrol the benchmark's exporters, and wait until it is committed. Raises EnrolmentFailed."""
    genesis = parse_genesis(consortium.genesis)
    place = consortium.places[0]
    association = directory.members["association"]
    pinned = next(node for node in genesis.nodes if node.node_id == place.node_id)
    identity = Identity(MemberId(association.member_id), read_key(association.keys[0]))
    connection = Connection(pinned, place.api, identity, system_clock)
    entry = enrolment(consortium, directory)
    response = await connection.registry.Submit(
        registry_pb2.SubmitRequest(entries=[entry]), metadata=connection.metadata(), wait_for_ready=True
    )
    admission = response.admissions[0]
    if admission.code != "OK":
        raise EnrolmentFailed(f"{admission.code}: {admission.message}")
    request = registry_pb2.WaitForReceiptRequest(
        entry_ids=[decode_entry(entry).entry_id], timeout_ms=ENROLMENT_TIMEOUT_MS
    )
    outcome: Outcome | None = None
    async for batch in connection.registry.WaitForReceipt(request, metadata=connection.metadata()):
        outcome = decode_receipt(batch.receipts[0].receipt).outcome
    await connection.close()
    if outcome is not Outcome.APPLIED:
        raise EnrolmentFailed(f"the enrolment was not applied: {outcome!r}")


if __name__ == "__main__":
    typer.run(main)
