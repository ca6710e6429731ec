"""Logs and counters of one node.

Guarantees: logs are one JSON object a line on stderr, with a UTC time, a level, an event name and the node's id; no key,
token, passphrase or paper is ever a field of an event. Counters live in a registry of their own, so that two nodes in
one process (tests) do not share them.
Leaves to others: serving the counters (`http_api`), and what is worth an event (the caller).
"""

from __future__ import annotations

import logging
import sys
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Final

import msgpack
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from structlog.typing import FilteringBoundLogger

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

# Entries whose admission is remembered until their block: as many as the largest usual mempool.
ADMITTED_REMEMBERED_MAX: Final = 20_000
# The place of the results in a receipt's array (registry.receipt).
RECEIPT_RESULTS: Final = 6

# From one fast local block to a round or two lost.
COMMIT_SECONDS_BUCKETS = (0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24)


def configure_logs(level: str) -> None:
    """Set up structlog and the standard library's logging for this process; call once, at start."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(default=str)],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # Libraries log through the standard library: the same lines, but only what an operator must see.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processor=structlog.processors.JSONRenderer(default=str), foreign_pre_chain=shared
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(LEVELS[level], logging.WARNING))


def node_logger(node_id: str) -> FilteringBoundLogger:
    """The logger of one node; every line carries its id."""
    logger: FilteringBoundLogger = structlog.get_logger().bind(node=node_id)
    return logger


class Metrics:
    """What Prometheus scrapes. Labels are bounded: peers are nodes of the ledger, codes are an enum."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.height = Gauge("pledgebook_height", "Last committed height", registry=self.registry)
        self.round = Gauge("pledgebook_round", "Present consensus round", registry=self.registry)
        self.validating = Gauge("pledgebook_validating", "1 when this node votes", registry=self.registry)
        self.catching_up = Gauge(
            "pledgebook_catching_up", "1 while blocks are fetched", registry=self.registry
        )
        self.mempool_entries = Gauge(
            "pledgebook_mempool_entries", "Entries that wait for a block", registry=self.registry
        )
        self.mempool_bytes = Gauge("pledgebook_mempool_bytes", "Their bytes", registry=self.registry)
        self.peers_connected = Gauge(
            "pledgebook_peers_connected", "Outgoing streams that are up", registry=self.registry
        )
        self.entries_committed = Counter(
            "pledgebook_entries_committed", "Entries in committed blocks", registry=self.registry
        )
        self.blocks_committed = Counter(
            "pledgebook_blocks_committed", "Committed blocks", registry=self.registry
        )
        self.blocks_synced = Counter(
            "pledgebook_blocks_synced", "Blocks taken from peers by catch-up", registry=self.registry
        )
        self.commit_seconds = Histogram(
            "pledgebook_commit_seconds",
            "From an entry's admission at this node to its block's commit here",
            buckets=COMMIT_SECONDS_BUCKETS,
            registry=self.registry,
        )
        self.admissions = Counter(
            "pledgebook_admissions",
            "Submitted entries by result code at the door",
            ["code"],
            registry=self.registry,
        )
        self.results = Counter(
            "pledgebook_operation_results",
            "Operations in blocks by result code",
            ["code"],
            registry=self.registry,
        )
        self.calls_refused = Counter(
            "pledgebook_calls_refused", "Calls refused as a whole, by code", ["code"], registry=self.registry
        )
        self.status_queries = Counter(
            "pledgebook_status_queries", "Keys asked for by status queries", registry=self.registry
        )
        self.peer_frames_dropped = Counter(
            "pledgebook_peer_frames_dropped",
            "Frames that a full queue to a peer did not take",
            ["peer", "kind"],
            registry=self.registry,
        )
        self.peer_frames_invalid = Counter(
            "pledgebook_peer_frames_invalid",
            "Frames from a peer that were wrong",
            ["peer"],
            registry=self.registry,
        )
        self._admitted: OrderedDict[bytes, int] = OrderedDict()

    def count_admissions(self, verdicts: Iterable[tuple[bytes, str]], now_ms: int) -> None:
        """Entries submitted to this node, as (entry id, code), at a monotonic time."""
        counts: dict[str, int] = {}
        for entry_id, code in verdicts:
            counts[code] = counts.get(code, 0) + 1
            if code == "OK":
                self._admitted.setdefault(entry_id, now_ms)
        for code, count in counts.items():
            self.admissions.labels(code=code).inc(count)
        while len(self._admitted) > ADMITTED_REMEMBERED_MAX:
            self._admitted.popitem(last=False)

    def count_block(self, entry_ids: Sequence[bytes], receipts: Sequence[bytes], now_ms: int) -> None:
        """A committed block, at a monotonic time."""
        self.blocks_committed.inc()
        self.entries_committed.inc(len(entry_ids))
        for entry_id in entry_ids:
            admitted_ms = self._admitted.pop(entry_id, None)
            if admitted_ms is not None:
                self.commit_seconds.observe((now_ms - admitted_ms) / 1_000)
        counts: dict[str, int] = {}
        for receipt in receipts:
            for code in _result_codes(receipt):
                counts[code] = counts.get(code, 0) + 1
        for code, count in counts.items():
            self.results.labels(code=code).inc(count)


def _result_codes(receipt: bytes) -> list[str]:
    """The codes of a receipt of our own making: a full decode of each would cost more than the counter is worth."""
    return [result[0] for result in msgpack.unpackb(receipt, use_list=False)[RECEIPT_RESULTS]]
