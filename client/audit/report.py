"""The result of an audit, as a value and as JSON. docs/audit.md describes the JSON for those who keep it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from ..trust import Checkpoint
from .findings import TITLES, Check, Exit, Finding

REPORT_VERSION: Final = 1


class Status(StrEnum):
    """What is known of one check. NOT_EVALUATED: it did not fail, and it could not be made for every block."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_EVALUATED = "not evaluated"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check over the whole file: for how many of the blocks it could be made, and how often it failed."""

    check: Check
    status: Status
    blocks_evaluated: int
    failures: int


NOT_CHECKED: Final = (
    "23: whether papers outside the chain match the commitments on it (no paper was disclosed to this audit)",
    "24: cosignatures of outside witnesses (none are part of this version)",
    "26: whether one double vote is recorded in two blocks",
    "whether what members signed is true: an invoice can be invented before it is registered",
)


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What was audited against which anchor, what was found, and what the exit code is."""

    file: str
    file_bytes: int
    chain_id: bytes | None
    expected_head: Checkpoint | None
    head: Checkpoint | None
    blocks: int
    blocks_replayed: int
    entries: int
    operations: int
    checks: tuple[CheckResult, ...]
    findings: tuple[Finding, ...]
    findings_total: int
    exit: Exit
    verdict: str
    not_checked: tuple[str, ...]
    seconds: float
    workers: int

    @property
    def entries_per_second(self) -> float:
        return self.entries / self.seconds if self.seconds else 0.0

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values (docs/audit.md)."""
        return {
            "version": REPORT_VERSION,
            "exit": int(self.exit),
            "verdict": self.verdict,
            "file": self.file,
            "file_bytes": self.file_bytes,
            "chain_id": self.chain_id.hex() if self.chain_id else None,
            "expected_head": str(self.expected_head) if self.expected_head else None,
            "head": str(self.head) if self.head else None,
            "blocks": self.blocks,
            "blocks_replayed": self.blocks_replayed,
            "entries": self.entries,
            "operations": self.operations,
            "checks": [_check_to_json(result) for result in self.checks],
            "findings": [_finding_to_json(finding) for finding in self.findings],
            "findings_total": self.findings_total,
            "not_checked": list(self.not_checked),
            "seconds": round(self.seconds, 3),
            "entries_per_second": round(self.entries_per_second, 1),
            "workers": self.workers,
        }


def _check_to_json(result: CheckResult) -> dict[str, Any]:
    return {
        "id": int(result.check),
        "title": TITLES[result.check],
        "status": result.status.value,
        "blocks_evaluated": result.blocks_evaluated,
        "failures": result.failures,
    }


def _finding_to_json(finding: Finding) -> dict[str, Any]:
    fields = asdict(finding)
    return fields | {"check": int(finding.check), "category": finding.category.value}
