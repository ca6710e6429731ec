"""What a node starts to have reports made and alerts raised: its own interpreter, on its own files."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from node.supervision.report_worker import SECTOR
from registry.supervision.fold import ReportRequest


@dataclass(frozen=True, slots=True)
class Paths:
    """Where a worker finds the chain, and where alerts are kept."""

    genesis: Path
    store: Path
    alerts: Path

    def report_command(self, request: ReportRequest) -> tuple[str, ...]:
        """For `report_worker`."""
        return (
            *_python("report_worker"),
            str(self.genesis),
            str(self.store),
            str(request.height),
            str(request.from_height),
            request.member_id or SECTOR,
        )

    def alert_command(self) -> tuple[str, ...]:
        """For `alert_worker`."""
        return (*_python("alert_worker"), str(self.genesis), str(self.store), str(self.alerts))


def _python(module: str) -> tuple[str, ...]:
    return sys.executable, "-m", f"node.supervision.{module}"
