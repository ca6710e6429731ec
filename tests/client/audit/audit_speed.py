"""How fast an audit is on this machine, beside the limit that Ed25519 sets in the same run. A measurement, not a test.

python -m tests.client.audit.audit_speed make DIR --entries 20000 --mix mixed
python -m tests.client.audit.audit_speed run DIR --workers 2
python -m tests.client.audit.audit_speed profile DIR
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import resource
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from client.audit.audit import AuditRequest, run_audit
from client.audit.container import ExportedBlock, ExportReader, write_export
from client.audit.inspection import Anchor, Inspector
from client.trust import parse_checkpoint
from client.validator_sets import ValidatorSets
from registry.genesis import parse_genesis
from registry.operations.existence import RegisterReceivable
from registry.signing import SigningKey, verify
from tests.client.audit.chain_builder import (
    ChainBuilder,
    assign,
    confirm,
    payment,
    pledge,
    registered,
)

VERIFICATIONS = 4_000


def entries(chain: ChainBuilder, count: int, mix: str) -> Iterator[bytes]:
    """`registrations`: nothing else. `mixed`: each receivable is also confirmed, assigned in part, pledged in part and paid on."""
    both = ("exporter-1", "factor-1")
    made: list[tuple[bytes, RegisterReceivable]] = []
    produced = 0
    while produced < count:
        batch = []
        for _ in range(200):
            operation = chain.register()
            raw = chain.entry("exporter-1", operation)
            batch.append(raw)
            made.append((registered(raw), operation))
        if mix == "mixed":
            for receivable, _operation in made[-200:]:
                batch.append(chain.entry("debtor", confirm(receivable, 100_000)))
                batch.append(chain.entry("exporter-1", payment(receivable, 500, receivable)))
            for receivable, operation in made[-200::2]:
                batch.append(chain.entry("exporter-1", assign(receivable, operation, 30_000), signers=both))
                batch.append(chain.entry("exporter-1", pledge(receivable, operation, 30_000), signers=both))
        for raw in batch:
            yield raw
        produced += len(batch)


def make(folder: Path, count: int, mix: str, block_entries: int) -> None:
    chain = ChainBuilder("audit speed")
    waiting: list[bytes] = []
    for raw in entries(chain, count, mix):
        waiting.append(raw)
        if len(waiting) == block_entries:
            chain.commit(waiting)
            waiting = []
    chain.commit(waiting)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "genesis.json").write_bytes(chain.document)
    blocks = [ExportedBlock(*built.exported()) for built in chain.blocks]
    head = write_export(folder / "chain.pbk", chain.genesis.chain_id, blocks)
    (folder / "head.txt").write_text(f"{head}\n")
    print(f"{sum(len(built.block.entries) for built in chain.blocks):,} entries in {len(blocks):,} blocks")


def request(folder: Path, workers: int) -> AuditRequest:
    head = parse_checkpoint((folder / "head.txt").read_text())
    return AuditRequest(folder / "chain.pbk", (folder / "genesis.json").read_bytes(), head, workers)


def run(folder: Path, workers: int) -> None:
    measured = _verifications(max(1, workers))
    before = _processor_seconds()
    report = run_audit(request(folder, workers))
    reducer, children = (after - start for after, start in zip(_processor_seconds(), before, strict=True))
    print(report.verdict)
    print(
        f"{report.entries:,} entries, {workers} workers: {report.seconds:.2f} s, {report.entries_per_second:,.0f} entries/s"
    )
    print(
        f"processor time per entry: reducer {reducer / report.entries * 1e6:.0f} µs, workers {children / report.entries * 1e6:.0f} µs"
    )
    rate = sum(VERIFICATIONS / wall for wall, _processor in measured)
    each_us = sum(processor for _wall, processor in measured) / len(measured) / VERIFICATIONS * 1e6
    print(
        f"limit in this run: {rate:,.0f} Ed25519 verifications/s on {len(measured)} cores, {each_us:.0f} µs of processor each"
    )


def profile(folder: Path) -> None:
    """Where the time goes: inspecting alone, which the workers do, then the reducer of an audit with workers."""
    asked = request(folder, 2)
    assert asked.genesis is not None
    genesis = parse_genesis(asked.genesis)
    inspector = Inspector(Anchor(genesis.chain_id, ValidatorSets(genesis)))
    with asked.file.open("rb") as file:
        frames = list(ExportReader(file).frames())
    for work in (lambda: [inspector.inspect(frame) for frame in frames], lambda: run_audit(asked)):
        profiler = cProfile.Profile(time.process_time)
        profiler.enable()
        work()
        profiler.disable()
        pstats.Stats(profiler).sort_stats("tottime").print_stats(45)


def _processor_seconds() -> tuple[float, float]:
    times = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return times[0].ru_utime + times[0].ru_stime, times[1].ru_utime + times[1].ru_stime


def _verifications(processes: int) -> list[tuple[float, float]]:
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        return list(pool.map(_verify_many, range(processes)))


def _verify_many(seed: int) -> tuple[float, float]:
    """Wall and processor seconds that the verifications take."""
    key = SigningKey(bytes([seed]) * 32)
    message = bytes(500)
    signature = key.sign(message)
    wall, processor = time.perf_counter(), time.process_time()
    for _ in range(VERIFICATIONS):
        verify(key.public_key, message, signature)
    return time.perf_counter() - wall, time.process_time() - processor


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("make", "run", "profile"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--entries", type=int, default=20_000)
    parser.add_argument("--mix", choices=("registrations", "mixed"), default="mixed")
    parser.add_argument("--block-entries", type=int, default=250)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    match arguments.what:
        case "make":
            make(arguments.folder, arguments.entries, arguments.mix, arguments.block_entries)
        case "run":
            run(arguments.folder, arguments.workers)
        case _:
            profile(arguments.folder)


if __name__ == "__main__":
    main()
