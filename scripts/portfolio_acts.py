"""What is done with a portfolio on the stage: confirmed, pooled, drawn, and asked for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from client.answers import ById
from client.audit.audit import AuditRequest
from client.audit.findings import Exit
from client.audit.reporting import audited_report
from client.importers.invoice_import import ImportedInvoice
from client.paper_file import find_all_papers
from client.submission import Draft, EntryTurnedAway
from client.trust import Checkpoint
from client.wallet import ShownPapers
from registry.entry import Mode
from registry.errors import Code
from registry.fingerprints import Numbering
from registry.limits import POOL_CHANGE_MAX
from registry.money import show_amount
from registry.operations import AddToPool, Confirm, CreatePool, DrawPool, Operation, RepayPool
from registry.operations.pool import Addition, PoolTerms
from registry.pools import Pool
from registry.receipt import Result
from registry.supervision.fold import ReportRequest
from scripts.demo_stage import ASSOCIATION, COMMIT_TIMEOUT_S, EXPORTER, Stage

FACTOR = "factor-1"
CONFIRMED_PER_ENTRY = 100
REPORT_TIMEOUT_S = 300.0


async def confirm(stage: Stage, invoices: Sequence[ImportedInvoice]) -> int:
    """Every debtor confirms its invoices in full; answers how many were confirmed."""
    by_debtor: defaultdict[str, list[Operation]] = defaultdict(list)
    for invoice in invoices:
        by_debtor[invoice.debtor].append(
            Confirm(invoice.receivable_id, invoice.debtor, invoice.row.amount, ())
        )
    drafts = [
        Draft(tuple(operations[start : start + CONFIRMED_PER_ENTRY]), (stage.wallet(debtor),), Mode.ATOMIC)
        for debtor, operations in by_debtor.items()
        for start in range(0, len(operations), CONFIRMED_PER_ENTRY)
    ]
    outcomes = await stage.submitters[EXPORTER].commit_all(drafts, timeout_s=COMMIT_TIMEOUT_S)
    for outcome in outcomes:
        if isinstance(outcome, EntryTurnedAway) or outcome.receipt.failed_operation is not None:
            raise AssertionError(f"a confirmation was refused: {outcome}")
    return sum(len(draft.operations) for draft in drafts)


async def agree(stage: Stage, terms: PoolTerms) -> bytes:
    """Exporter and factor agree on a pool; its id."""
    exporter, factor = stage.wallet(EXPORTER), stage.wallet(FACTOR)
    operation = CreatePool(exporter.member, factor.member, terms)
    return (await _applied(stage, Draft((operation,), (exporter, factor)), "a pool")).subject


async def add(stage: Stage, pool: bytes, invoices: Sequence[ImportedInvoice]) -> int:
    """The invoices join the pool, as many at once as one operation takes; answers in how many operations."""
    count = 0
    for start in range(0, len(invoices), POOL_CHANGE_MAX):
        draft = await addition(stage, pool, invoices[start : start + POOL_CHANGE_MAX])
        await _applied(stage, draft, "an addition to the pool")
        count += 1
    return count


async def addition(stage: Stage, pool: bytes, invoices: Sequence[ImportedInvoice]) -> Draft:
    """An addition that the factor signs after it was shown the papers of every invoice."""
    exporter, factor = stage.wallet(EXPORTER), stage.wallet(FACTOR)
    wanted = {invoice.receivable_id for invoice in invoices}
    filed = find_all_papers(stage.directory.papers_path(stage.directory.member(EXPORTER)), wanted)
    additions: list[Addition] = []
    shown: dict[bytes, ShownPapers] = {}
    for identifier in sorted(wanted):
        record = (await stage.clients[EXPORTER].receivable(ById(identifier), purpose="portfolio")).record
        assert record is not None, "it was registered"
        shown[identifier] = ShownPapers(filed[identifier].papers, record.fingerprints, Numbering.CONTINUOUS)
        additions.append(Addition(identifier, record.fingerprints.digest()))
    operation = AddToPool(pool, exporter.member, factor.member, tuple(additions), ())
    return Draft((operation,), (exporter, factor), shown=shown)


async def draw(stage: Stage, pool: bytes, amount: int) -> Result:
    """The exporter draws; the result, refused or not."""
    exporter, factor = stage.wallet(EXPORTER), stage.wallet(FACTOR)
    operation = DrawPool(pool, exporter.member, factor.member, amount)
    return await _result(stage, Draft((operation,), (exporter, factor)), "a draw")


async def repay(stage: Stage, pool: bytes, amount: int) -> None:
    """The factor has got `amount` back."""
    factor = stage.wallet(FACTOR)
    await _applied(stage, Draft((RepayPool(pool, factor.member, amount),), (factor,)), "a repayment")


async def present(stage: Stage, pool_id: bytes) -> Pool:
    """The pool as it is proven to be, no older than the last receipt that this client has seen."""
    pool = (await stage.clients[EXPORTER].pool(pool_id, purpose="portfolio")).pool
    assert pool is not None, "it was agreed"
    return pool


async def refused(stage: Stage, draft: Draft, code: Code, what: str) -> None:
    """Raises AssertionError unless the registry refuses it with this code."""
    result = await _result(stage, draft, what)
    if result.code is not code:
        raise AssertionError(f"{what}: {result.code}, and not {code}")
    reasons = ", ".join(f"{reason.word} {show_amount(reason.amount, 'USD')}" for reason in result.reasons)
    stage.say(f"Refused: {what}: [bold]{code}[/bold] ({reasons}).")


async def paid(stage: Stage, invoices: Sequence[ImportedInvoice]) -> int:
    """What was paid on the invoices in all: nothing of them is diluted."""
    keys = [ById(invoice.receivable_id) for invoice in invoices]
    proven = await stage.clients[EXPORTER].statuses(keys, purpose="portfolio")
    left = sum(status.summary.outstanding for status in proven if status.summary is not None)
    return sum(invoice.row.amount for invoice in invoices) - left


async def reports(stage: Stage, export: Path, genesis: bytes, head: Checkpoint) -> bytes:
    """The factor's report, which a node and an audit of the export must derive alike. Raises AssertionError."""
    request = ReportRequest(head.height, stage.wallet(FACTOR).member)
    told = await stage.clients[ASSOCIATION].report(request, purpose="portfolio", timeout_s=REPORT_TIMEOUT_S)
    audit, recomputed = audited_report(AuditRequest(export, genesis, head, 2), request)
    if audit.exit is not Exit.COMPLETE:
        raise AssertionError(f"the audit of the export: {audit.verdict}")
    if recomputed != told:
        raise AssertionError("the node's report is not what its chain comes to")
    return told


async def _applied(stage: Stage, draft: Draft, what: str) -> Result:
    result = await _result(stage, draft, what)
    if result.code is not Code.OK:
        raise AssertionError(f"{what}: {result.code} {result.reasons}")
    return result


async def _result(stage: Stage, draft: Draft, what: str) -> Result:
    return (await stage.commit(draft, told_as=what)).receipt.results[0]
