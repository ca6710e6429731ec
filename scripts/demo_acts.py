"""The other acts: the consortium, the invoices with a crash among them, questions with proofs, payment, the audit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from client.answers import ByFingerprint, ById, StatusAnswer
from client.audit.audit import AuditRequest, run_audit
from client.audit.export import export_chain
from client.audit.report import AuditReport
from client.connection import Connection, Identity, system_clock
from client.importers.customers import demonstration_lei
from client.importers.invoice_import import ImportedInvoice, InvoiceImport
from client.importers.rows import InvoiceRow
from client.paper_file import find_papers
from client.trust import Checkpoint
from client.verify import Head, TrustedChain
from client.wire import key_message, status_answer
from consensus.certificate import Certificate
from pledgebook.v1 import registry_pb2
from registry.errors import ProofInvalid
from registry.fingerprints import FingerprintKind
from registry.money import show_amount
from registry.receivable import free_amount
from scripts.demo_invoices import InvoiceSet
from scripts.demo_refusals import STARS_NEEDED
from scripts.demo_stage import ASSOCIATION, EXPORTER, Stage, Star

CRASHED = "factor-2"
# So many entries that some are always on their way when the node is killed.
ENTRIES_WANTED = 24
# The invoices go in in so many portions, and the node dies while the third is on its way.
PORTIONS = 6
CRASH_AT_PORTION = 2
CAUGHT_UP_TIMEOUT_S = 60.0
POLL_S = 0.1


def show_consortium(stage: Stage) -> None:
    """Who takes part, where, as which process."""
    directory = stage.network.directory
    stage.say(
        f"Genesis made: chain [bold]{stage.genesis.chain_id.hex()[:16]}[/bold]…, "
        "four validators, any three of which decide. Each has its own store and journal, flushed to disk before it "
        "answers; between the nodes TLS 1.3 with both certificates pinned in the genesis."
    )
    rows = [
        (node, entry.member, str(entry.api), str(stage.network.pid(node)))
        for node, entry in directory.nodes.items()
    ]
    stage.table(("node", "member", "members ask at (gRPC)", "pid"), rows)


async def register(stage: Stage, invoices: InvoiceSet) -> tuple[InvoiceImport, list[ImportedInvoice]]:
    """Enrol the debtors and register every invoice; one node is killed meanwhile and comes back."""
    stage.say(
        f"{len(invoices.rows):,} invoices ({invoices.source}) of one exporter to {len(invoices.customers)} customers over "
        f"{invoices.total()}; {invoices.disputed:,} disputed, {invoices.settled:,} settled."
    )
    crash = _Crash(stage)
    importing = InvoiceImport(
        stage.submitters[EXPORTER],
        stage.directory,
        stage.directory.member(EXPORTER),
        stage.fingerprint_key,
        {customer: demonstration_lei(customer) for customer in invoices.customers},
        wallet_of=stage.wallet,
        operations_per_entry=max(1, min(100, len(invoices.rows) // ENTRIES_WANTED)),
    )
    await importing.enrol(invoices.customers, ASSOCIATION)
    stage.directory = importing.directory
    stage.say(
        f"The association enrols the {len(invoices.customers)} customers as debtors; two of its three keys sign, and "
        "every customer's key proves that its holder has it."
    )
    registered: list[ImportedInvoice] = []
    for number, rows in enumerate(_portions(invoices.rows)):
        killing = asyncio.create_task(crash.kill_in_the_middle()) if number == CRASH_AT_PORTION else None
        registered += await importing.register(rows)
        if killing is not None:
            await killing
    for refusal in importing.tally.refusals:
        raise AssertionError(f"line {refusal.line}: {refusal.operation}: {refusal.message}")
    stage.say(
        f"All [bold]{len(registered):,}[/bold] are registered. While they went in, [bold]{CRASHED}[/bold] (process "
        f"{crash.pid}) was killed with SIGKILL at height {crash.height}; the other three went on to height "
        f"{await _height(stage, EXPORTER)}."
    )
    await crash.bring_back()
    return importing, registered


def _portions(rows: Sequence[InvoiceRow]) -> list[Sequence[InvoiceRow]]:
    size = -(-len(rows) // PORTIONS)
    return [rows[start : start + size] for start in range(0, len(rows), size)]


class _Crash:
    """A node that dies without a word and comes back by itself."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.pid = 0
        self.height = 0

    async def kill_in_the_middle(self) -> None:
        """Kill the node while the entries of a portion are on their way."""
        network = self._stage.network
        self.pid = network.pid(CRASHED)
        self.height = await _height(self._stage, CRASHED)
        await asyncio.to_thread(network.kill, CRASHED)

    async def bring_back(self) -> None:
        """Start the node again and wait until it has what it missed."""
        stage, started = self._stage, time.monotonic()
        stage.network.start(CRASHED)
        target = await _height(stage, EXPORTER)
        await _wait_height(stage, CRASHED, target)
        stage.say(
            f"{CRASHED} was started again (process {stage.network.pid(CRASHED)}): it replayed its journal, fetched "
            f"what it had missed with certificates, and was at height {target} after {time.monotonic() - started:.1f} s."
        )


async def dispute(stage: Stage, importing: InvoiceImport, invoices: Sequence[ImportedInvoice]) -> None:
    """Every disputed invoice is disputed by its debtor."""
    await importing.dispute(invoices)
    count = importing.tally.accepted["RaiseDispute"]
    debtors = len({invoice.debtor for invoice in invoices if invoice.row.disputed})
    stage.say(
        f"{count:,} invoices are disputed by {debtors:,} of the customers, each under its own key. Nothing of them is free until "
        "that is resolved."
    )


def choose_stars(stage: Stage, invoices: Sequence[ImportedInvoice]) -> tuple[list[Star], Star | None]:
    """The largest undisputed invoices, to be financed; and the largest disputed one."""
    largest = sorted(invoices, key=lambda invoice: (-invoice.row.amount, invoice.row.line))
    free = [invoice for invoice in largest if not invoice.row.disputed][:STARS_NEEDED]
    disputed = next((invoice for invoice in largest if invoice.row.disputed), None)
    stars = [_star(stage, invoice) for invoice in free]
    return stars, None if disputed is None else _star(stage, disputed)


def _star(stage: Stage, invoice: ImportedInvoice) -> Star:
    path = stage.directory.papers_path(stage.directory.member(EXPORTER))
    filed = find_papers(path, invoice.receivable_id)
    assert filed is not None, "the import files what it registers"
    name = invoice.row.invoice_number
    stage.names[invoice.receivable_id] = name
    return Star(name, filed.papers, invoice.receivable_id, invoice.debtor)


# -- Questions -----------------------------------------------------------------------------------------------------------


async def ask(stage: Stage, star: Star) -> None:
    """Ask a node that did not receive the entry who holds a receivable, and believe nothing that is not proven."""
    key = ByFingerprint(FingerprintKind.INVOICE, star.papers.invoice_fingerprint(stage.fingerprint_key))
    client = stage.clients[ASSOCIATION]
    proven = await client.receivable(key, purpose="demonstration")
    record = proven.record
    assert record is not None, "it was registered"
    stage.say(
        f"Who holds invoice {star.name}? It was assigned through the exporter's node; the question goes over gRPC to the node of "
        f"[bold]{client.node_ids[0]}[/bold], by the invoice number's fingerprint:"
    )
    names: dict[str, str] = {member.member_id: name for name, member in stage.directory.members.items()}
    currency = record.currency
    rows = [
        (
            names.get(part.holder, part.holder),
            show_amount(part.amount, currency),
            show_amount(free_amount(record, part.holder).amount, currency),
            f"{part.since.height}",
        )
        for part in record.parts
    ]
    stage.table(("holder", "amount", "free", "height"), rows)
    stage.say(_proof_line(stage, proven.head))
    absent = replace(star.papers, invoice_number="NEVER-ISSUED-1")
    unknown = await client.status(
        ByFingerprint(FingerprintKind.INVOICE, absent.invoice_fingerprint(stage.fingerprint_key)),
        purpose="demonstration",
    )
    assert unknown.summary is None, "nobody registered it"
    stage.say(
        "And invoice NEVER-ISSUED-1? Not registered: its absence is proven under the same kind of root."
    )
    await _show_forged_answer(stage, star)


def _proof_line(stage: Stage, head: Head) -> str:
    certificate = Certificate.decode(head.certificate_bytes)
    return (
        f"Proof checked here: fingerprint -> id -> record -> state root {head.header.state_root.hex()[:16]}… -> header of "
        f"height {head.header.height} -> certificate with {len(certificate.signatures)} of "
        f"{len(stage.genesis.validators())} validators' signatures."
    )


async def _show_forged_answer(stage: Stage, star: Star) -> None:
    """The same answer with one digit of the free amount changed on its way does not pass."""
    address = stage.directory.nodes[ASSOCIATION]
    wallet = stage.wallet(ASSOCIATION)
    node = stage.genesis.node(ASSOCIATION)
    assert node is not None, "it is in the genesis"
    connection = Connection(node, address.api, Identity(wallet.member, wallet.keys[0]), system_clock)
    key = ById(star.receivable_id)
    try:
        request = registry_pb2.GetStatusRequest(keys=[key_message(key)], purpose="demonstration")
        answer = await connection.registry.GetStatus(request, metadata=connection.metadata(), timeout=10.0)
    finally:
        await connection.close()
    genuine = status_answer(answer.answers[0])
    assert genuine.present is not None, "it was registered"
    public = bytearray(genuine.present.public)
    public[-1] ^= 1
    forged = StatusAnswer(None, replace(genuine.present, public=bytes(public)), None)
    chain = TrustedChain(stage.genesis)
    head = chain.accept_head(answer.head.header, answer.head.certificate)
    chain.check_status(head, key, genuine)
    try:
        chain.check_status(head, key, forged)
    except ProofInvalid as error:
        stage.say(
            f"Had the node changed one bit of its answer, the client would have said: [italic]{error.message}[/italic]."
        )
        return
    raise AssertionError("a forged answer passed")


async def collect(stage: Stage, importing: InvoiceImport, invoices: Sequence[ImportedInvoice]) -> None:
    """Pay and settle what is settled; factors are paid for what they hold."""
    await importing.collect(invoices)
    for refusal in importing.tally.refusals:
        raise AssertionError(f"line {refusal.line}: {refusal.operation}: {refusal.message}")
    accepted = importing.tally.accepted
    stage.say(
        f"{accepted['Settle']:,} receivables are settled with {accepted['RecordPayment']:,} payments, each under a bank "
        f"reference that counts once; {accepted['ResolveDispute']:,} disputes were resolved before, because their debtors paid."
    )


# -- Export and audit ----------------------------------------------------------------------------------------------------


async def export(stage: Stage, file: Path) -> Checkpoint:
    """Write the chain to a file from the association's node."""
    # A receipt comes from the first node that has the block. This one may lack it still, and would export too little.
    newest = max([await _height(stage, node) for node in stage.directory.nodes])
    await _wait_height(stage, ASSOCIATION, newest)
    client = stage.clients[ASSOCIATION]
    head = (await client.head()).checkpoint
    return await export_chain(file, client.chain, client.blocks(1, head.height), head)


async def audit(stage: Stage, file: Path, genesis: bytes, head: Checkpoint) -> AuditReport:
    """Audit the export from nothing but the genesis document and the expected head."""
    report = await asyncio.to_thread(run_audit, AuditRequest(file, genesis, head, 2))
    passed = sum(check.failures == 0 for check in report.checks)
    stage.say(
        f"{file.name}: {report.file_bytes / 1e6:,.2f} MB, {report.blocks:,} blocks, {report.entries:,} entries, "
        f"{report.operations:,} operations, replayed from the genesis document in {report.seconds:.1f} s: {passed} of "
        f"{len(report.checks)} checks passed.\n[bold]{report.verdict}[/bold]"
    )
    if int(report.exit) != 0:
        raise AssertionError(f"the audit ended with {report.exit!r}")
    return report


async def compare_nodes(stage: Stage, height: int) -> dict[str, str]:
    """Each node's state root at one height, from its own header, verified. Raises AssertionError when they differ."""
    roots: dict[str, str] = {}
    for node in stage.directory.nodes:
        await _wait_height(stage, node, height)
        head = await stage.clients[node].head(height)
        if stage.clients[node].node_ids[0] != node:
            raise AssertionError(f"{node} did not answer for itself")
        roots[node] = head.header.state_root.hex()
    if len(set(roots.values())) != 1:
        raise AssertionError(f"the nodes disagree at height {height}: {roots}")
    return roots


async def _wait_height(stage: Stage, node: str, height: int) -> None:
    """Wait until a node has committed `height`. Raises AssertionError, NodeDied."""
    deadline = time.monotonic() + CAUGHT_UP_TIMEOUT_S
    while True:
        if await _height(stage, node) >= height:
            return
        await asyncio.to_thread(stage.network.check_alive)
        if time.monotonic() > deadline:
            raise AssertionError(f"{node} did not reach height {height} in {CAUGHT_UP_TIMEOUT_S:.0f} s")
        await asyncio.sleep(POLL_S)


async def _height(stage: Stage, node: str) -> int:
    status = await asyncio.to_thread(stage.network.status, node)
    return int(status.get("height", -1))
