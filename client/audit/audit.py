"""The audit itself: one pass over the file, one ordered reducer, one report.

    container.ExportReader -> workers (inspection) -> header_chain -> replay -> invariants -> AuditReport

The anchor and the expected head are arguments. Nothing that the file says can replace them, and without either the result is
never "complete".
"""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from registry.errors import GenesisInvalid, ProofInvalid
from registry.genesis import Genesis, parse_genesis

from ..trust import Checkpoint
from ..validator_sets import ValidatorSets
from .container import MANIFEST_OFFSET, ExportReader, Manifest
from .findings import EXIT_BY_CATEGORY, Category, Check, CheckFailed, Exit, Finding, Findings, finding
from .header_chain import HeaderChain
from .inspection import Anchor, InspectedBlock
from .invariants import check_final_state, records_to_check
from .replay import REPLAY_CHECKS, Observer, Replay
from .report import NOT_CHECKED, AuditReport, CheckResult, Status
from .validator_scan import scan_validators
from .workers import GARBAGE_THRESHOLD, Alone, Crew, WorkerPool

Progress = Callable[[int, int], None]
"""Called now and then with bytes of the file done and in all."""

_OF_A_BODY: Final = (
    Check.CHAIN_ID,
    Check.BODY_ROOTS,
    Check.LAST_CERTIFICATE,
    Check.SIGNATURES,
    Check.EVIDENCE,
)
# Checks that are made once for the file; the others are made for every block.
_ONCE: Final = (
    Check.CONTAINER,
    Check.MANIFEST,
    Check.FRAMES,
    Check.ANCHOR,
    Check.INVARIANTS,
    Check.HEAD,
    Check.FORK,
)


@dataclass(frozen=True, slots=True)
class AuditRequest:
    """What the auditor brings. `genesis` is the document's bytes, None when it has none; `workers` 0 is in-process."""

    file: Path
    genesis: bytes | None
    expected_head: Checkpoint | None
    workers: int


def run_audit(
    request: AuditRequest,
    progress: Progress = lambda _done, _total: None,
    observer: Observer | None = None,
) -> AuditReport:
    """Audit one export. Raises OSError when the file cannot be read, WorkerDied; all else is in the report.

    `observer` is shown each block that was replayed: what it makes of them counts for as much as the audit's verdict.
    """
    started = time.perf_counter()
    audit = _Audit(request, observer)
    with request.file.open("rb") as file, _rare_garbage_collection():
        try:
            reader = ExportReader(file)
        except CheckFailed as error:
            audit.findings.add(error.finding)
        else:
            audit.run(reader, progress)
        file_bytes = file.seek(0, 2)
    return audit.report(file_bytes, time.perf_counter() - started)


@contextmanager
def _rare_garbage_collection() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(GARBAGE_THRESHOLD)
    try:
        yield
    finally:
        gc.set_threshold(*before)


class _Audit:
    """The reducer: sees every block once, in the order of the file."""

    def __init__(self, request: AuditRequest, observer: Observer | None) -> None:
        self.findings = Findings()
        self._observer = observer
        self._request = request
        self._chain_id: bytes | None = None
        self._evaluated: Counter[Check] = Counter()
        self._blocks = 0
        self._entries = 0
        self._operations = 0
        self._headers: HeaderChain | None = None
        self._replay: Replay | None = None
        self._replay_ended = False

    def run(self, reader: ExportReader, progress: Progress) -> None:
        genesis = self._anchored(reader.manifest)
        if genesis is None:
            return
        headers = self._headers = HeaderChain(genesis, self._request.expected_head)
        replay = self._replay = Replay(genesis, self._observer)
        with self._request.file.open("rb") as file:
            anchor = Anchor(genesis.chain_id, scan_validators(file, genesis))
        with ExitStack() as stack:
            crew: Crew = Alone(anchor)
            if self._request.workers > 0:
                crew = stack.enter_context(WorkerPool(anchor, self._request.workers))
            for inspected in crew.inspect(reader.frames()):
                self._take(inspected, headers, replay)
                progress(inspected.offset, reader.file_bytes)
            self._finish(reader, headers)
            if not self._replay_ended:
                self._check_final_state(crew, replay)
        progress(reader.file_bytes, reader.file_bytes)

    def _anchored(self, manifest: Manifest) -> Genesis | None:
        """The genesis, when there is one and the file is of its chain."""
        self._evaluated.update((Check.CONTAINER, Check.MANIFEST, Check.ANCHOR))
        if self._request.genesis is None:
            what = "no genesis document was given: a chain made from nothing would verify as well"
            self.findings.add(finding(Check.ANCHOR, Category.NO_ANCHOR, what))
            return None
        try:
            genesis = parse_genesis(self._request.genesis)
            ValidatorSets(genesis)
        except (GenesisInvalid, ProofInvalid) as error:
            self.findings.add(finding(Check.ANCHOR, Category.NO_ANCHOR, error.message))
            return None
        if manifest.chain_id != genesis.chain_id:
            what = "the export is of another chain than the genesis document"
            stated, anchored = manifest.chain_id, genesis.chain_id
            wrong = finding(
                Check.ANCHOR,
                Category.NO_ANCHOR,
                what,
                offset=MANIFEST_OFFSET,
                expected=anchored,
                found=stated,
            )
            self.findings.add(wrong)
            return None
        self._chain_id = genesis.chain_id
        return genesis

    def _take(self, inspected: InspectedBlock, headers: HeaderChain, replay: Replay) -> None:
        self._blocks += 1
        self._entries += len(inspected.entries)
        self._operations += sum(len(entry.body.operations) for entry in inspected.entries)
        self._evaluated.update((Check.CANONICAL, Check.CERTIFICATE))
        if inspected.body_decoded:
            self._evaluated.update(_OF_A_BODY)
        self._add(inspected.findings, inspected.findings_omitted)
        linked = headers.follow(inspected)
        self._add(linked)
        if linked or not inspected.is_sound or inspected.header is None:
            self._replay_ended = True
        if not self._replay_ended and inspected.header is not None:
            replayed = replay.apply(inspected, inspected.header)
            self._add(replayed)
            self._replay_ended = bool(replayed)
            self._evaluated.update(REPLAY_CHECKS)

    def _add(self, found: Iterable[Finding], omitted: int = 0) -> None:
        for each in found:
            self.findings.add(each)
        self.findings.total += omitted

    def _check_final_state(self, crew: Crew, replay: Replay) -> None:
        self._evaluated[Check.INVARIANTS] = 1
        records = records_to_check(replay.state, replay.tally)
        self._add(check_final_state(replay.state, replay.tally, crew.check_records(records)))

    def _finish(self, reader: ExportReader, headers: HeaderChain) -> None:
        self._evaluated.update((Check.FRAMES, Check.FORK))
        self._evaluated += headers.evaluated
        if reader.failure is not None:
            self.findings.add(reader.failure)
        if reader.end is not None:
            self._check_end(reader.end, headers, reader)
        if self._request.expected_head is not None:
            self._evaluated[Check.HEAD] = 1
            self._check_expected_head(self._request.expected_head, headers)

    def _check_end(self, end: Checkpoint, headers: HeaderChain, reader: ExportReader) -> None:
        head = headers.head
        if head is None or end == head:
            return
        is_short = end.height > head.height
        what = (
            "the file ends before the head that it names"
            if is_short
            else "the file names another head than its last block"
        )
        category = Category.TRUNCATED if is_short else Category.CORRUPT
        self.findings.add(
            finding(Check.FRAMES, category, what, offset=reader.offset, expected=end, found=head)
        )

    def _check_expected_head(self, expected: Checkpoint, headers: HeaderChain) -> None:
        if headers.head_reached or Check.FORK in self.findings.count_by_check:
            return
        self.findings.add(
            finding(
                Check.HEAD,
                Category.TRUNCATED,
                "the expected head is not among the certified blocks of the file",
                height=headers.height,
                expected=expected,
                found=headers.head,
            )
        )

    def report(self, file_bytes: int, seconds: float) -> AuditReport:
        """What was found, once the file is read."""
        headers, replay = self._headers, self._replay
        checks = tuple(self._result(check) for check in Check)
        code = self.findings.worst_exit()
        if code is Exit.COMPLETE and self._request.expected_head is None:
            code = Exit.SHORT
        if code is Exit.COMPLETE:
            left = [result.check.name for result in checks if result.status is not Status.PASSED]
            # The promise of exit code 0, stated once more where no later change can miss it.
            assert not left, f"nothing failed, yet these checks were not made for every block: {left}"
        return AuditReport(
            file=str(self._request.file),
            file_bytes=file_bytes,
            chain_id=self._chain_id,
            expected_head=self._request.expected_head,
            head=None if headers is None else headers.head,
            blocks=self._blocks,
            blocks_replayed=0 if replay is None else replay.height,
            entries=self._entries,
            operations=self._operations,
            checks=checks,
            findings=tuple(self.findings.kept),
            findings_total=self.findings.total,
            exit=code,
            verdict=self._verdict(code),
            not_checked=NOT_CHECKED,
            seconds=seconds,
            workers=self._request.workers,
        )

    def _result(self, check: Check) -> CheckResult:
        failures = self.findings.count_by_check.get(check, 0)
        evaluated = self._evaluated[check]
        wanted = 1 if check in _ONCE else self._blocks
        if failures:
            status = Status.FAILED
        elif evaluated >= wanted and self._headers is not None:
            status = Status.PASSED
        else:
            status = Status.NOT_EVALUATED
        return CheckResult(check, status, evaluated, failures)

    def _verdict(self, code: Exit) -> str:
        if code is Exit.COMPLETE:
            return "complete: the whole chain up to the expected head follows from the genesis document"
        if not self.findings.kept:
            return (
                "valid as far as it goes: no expected head was given, and a file that ends early looks the same; "
                "ask the consortium for HEIGHT:HASH and pass it as --head"
            )
        decisive = next(each for each in self.findings.kept if EXIT_BY_CATEGORY[each.category] is code)
        where = "" if decisive.height is None else f" at height {decisive.height}"
        return f"{decisive.category}: {decisive.message}{where} (check {int(decisive.check)})"
