"""A supervisor's report out of an export: derived while the export is audited, so that what is reported was checked.

Guarantees: the document is there only when every block up to its height was replayed without a finding; whoever asks decides by
the audit's verdict what it is worth. It is the same, byte for byte, as a node derives from its own store.
"""

from __future__ import annotations

from registry.errors import GenesisInvalid
from registry.genesis import parse_genesis
from registry.state import StateReader
from registry.supervision.document import report_bytes
from registry.supervision.fold import ReportRequest, Supervision
from registry.supervision.observation import ObservedBlock

from .audit import AuditRequest, Progress, run_audit
from .container import ExportReader
from .findings import CheckFailed
from .report import AuditReport


class ReportObserver:
    """Watches a replay and keeps the report when its height is there."""

    def __init__(self, supervision: Supervision, height: int) -> None:
        self.document: bytes | None = None
        self._supervision = supervision
        self._height = height

    def follow(self, block: ObservedBlock, reader: StateReader) -> None:
        """As `replay.Observer` demands."""
        if self.document is not None:
            return
        self._supervision.follow(block, reader)
        if block.height == self._height:
            self.document = report_bytes(self._supervision.report(reader))


def audited_report(
    audit: AuditRequest, request: ReportRequest, progress: Progress = lambda _done, _total: None
) -> tuple[AuditReport, bytes | None]:
    """Audit the whole export, and on the way make the report; None when its height was not reached, or nothing holds.

    Raises OSError, WorkerDied.
    """
    observer = None
    if audit.genesis is not None:
        try:
            observer = ReportObserver(Supervision(parse_genesis(audit.genesis), request), request.height)
        except GenesisInvalid:
            observer = None  # the audit says what is wrong with it
    report = run_audit(audit, progress, observer)
    return report, None if observer is None else observer.document


def stated_height(audit: AuditRequest) -> int:
    """The height up to which the file says that it goes; 0 when it cannot be read. Raises OSError."""
    with audit.file.open("rb") as file:
        try:
            return ExportReader(file).manifest.last_height
        except CheckFailed:
            return 0
