"""How peers behave: what no correct node sends is counted for each of them, told now and then, and answered by a pause.

Guarantees: however much a peer sends, it makes one line of log in `INTERVAL_MS`, and one more when it is cut off; a peer
that has sent `INVALID_MAX` wrong things within an interval is not listened to for `SHUN_MS`. Only nodes of the ledger are
known here, by the certificate that they proved, so that the table is bounded and nobody can blacken another.
Leaves to others: finding what is wrong (the engine, the door, `wire`), and ending the stream (`peer_service`).
One event loop owns it.
"""

from __future__ import annotations

from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from node.clock import Clock
from node.telemetry import Metrics

INTERVAL_MS = 60_000
# A correct peer never sends a single one; so many cost a few milliseconds of checked signatures.
INVALID_MAX = 100
SHUN_MS = 60_000


@dataclass(slots=True)
class _Record:
    """What one peer has sent that was wrong."""

    since_ms: int
    count: int = 0
    shunned_until_ms: int = 0


class Conduct:
    """Counts what is wrong, and says who is not to be listened to."""

    def __init__(self, clock: Clock, metrics: Metrics, logger: FilteringBoundLogger) -> None:
        self._clock = clock
        self._metrics = metrics
        self._logger = logger
        self._records: dict[str, _Record] = {}

    def wrong(self, peer: str, reason: str) -> None:
        """A peer has sent what no correct node sends."""
        self._metrics.peer_frames_invalid.labels(peer=peer).inc()
        now_ms = self._clock.monotonic_ms()
        record = self._records.setdefault(peer, _Record(now_ms))
        if now_ms < record.shunned_until_ms:
            return  # what was on its way when it was cut off
        if now_ms - record.since_ms >= INTERVAL_MS:
            record.since_ms, record.count = now_ms, 0
        record.count += 1
        if record.count == 1:
            self._logger.warning("peer_message_refused", peer=peer, reason=reason[:500])
        if record.count >= INVALID_MAX:
            record.shunned_until_ms = now_ms + SHUN_MS
            record.since_ms, record.count = record.shunned_until_ms, 0
            self._logger.warning(
                "peer_shunned", peer=peer, for_ms=SHUN_MS, after=INVALID_MAX, reason=reason[:500]
            )

    def shunned(self, peer: str) -> bool:
        """Whether what this peer says is not to be listened to now."""
        record = self._records.get(peer)
        return record is not None and self._clock.monotonic_ms() < record.shunned_until_ms
