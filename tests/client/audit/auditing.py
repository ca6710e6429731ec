"""The short way from blocks to an audit report, and what a report must say about one falsification."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from client.audit.audit import AuditRequest, run_audit
from client.audit.findings import EXIT_BY_CATEGORY, Category, Check, Finding
from client.audit.report import AuditReport, Status
from client.trust import Checkpoint
from tests.client.audit.chain_builder import BuiltBlock, ChainBuilder
from tests.client.audit.raw_container import container


class Auditor:
    """Writes a file and audits it in this process, against the genesis and head of an honest chain unless told otherwise."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def bytes(
        self, content: bytes, chain: ChainBuilder, *, head: Checkpoint | None, workers: int = 0
    ) -> AuditReport:
        self.path.write_bytes(content)
        return run_audit(AuditRequest(self.path, chain.document, head, workers))

    def blocks(
        self,
        chain: ChainBuilder,
        blocks: Sequence[BuiltBlock] | None = None,
        *,
        head: Checkpoint | None = None,
        workers: int = 0,
    ) -> AuditReport:
        """A well-formed container of these blocks, by default the chain's, whose end frame names the last of them."""
        chosen = chain.blocks if blocks is None else blocks
        last = chosen[-1].block if chosen else None
        named = (last.header.height, last.block_hash) if last else (0, chain.genesis.chain_id)
        content = container(chain.genesis.chain_id, [built.exported() for built in chosen], named)
        return self.bytes(content, chain, head=head or Checkpoint(*chain.head), workers=workers)


def first_finding(
    report: AuditReport,
    check: Check,
    category: Category,
    height: int | None = None,
    entry_index: int | None = None,
) -> Finding:
    """The first finding, which must be this one, at a byte of the file, and decide the exit code."""
    found = report.findings[0]
    assert (found.check, found.category, found.height, found.entry_index) == (
        check,
        category,
        height,
        entry_index,
    )
    assert report.exit is EXIT_BY_CATEGORY[category]
    assert {result.check: result.status for result in report.checks}[check] is Status.FAILED
    assert found.offset is not None
    assert 0 <= found.offset <= report.file_bytes
    return found
