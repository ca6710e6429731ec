"""Invoices of a file onto the chain, in four stages that can each be run again.

    enrol      every customer becomes a debtor member
    register   every invoice becomes a receivable
    dispute    every disputed one is disputed by its debtor, in full
    collect    every settled one is paid in full and settled; a dispute on it is resolved before, all of it freed: the debtor paid,
               so it owed. Resolving, paying and settling stand in one entry, so that nobody sees one without the others

So an invoice that was disputed and is settled has a RaiseDispute on the chain, then a ResolveDispute, RecordPayment
and Settle.

Guarantees: run again after any interruption, each stage does only what is left: an invoice that is registered is
taken up under its id (DUPLICATE_RECEIVABLE names it), a dispute that was raised is not raised again, a payment has
one bank reference. Every operation that is refused is reported with the line of its invoice. Memory is bounded by the
chunk that the caller gives. Leaves to others: reading the file (`rows`), who the debtors are (`customers`).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Final

from registry.entry import Mode
from registry.errors import Code
from registry.fingerprints import FingerprintKey, Numbering
from registry.identifiers import EntryId, MemberId, ReceivableId, receivable_id, show_id
from registry.operations import TYPE_BY_CLASS, Operation, RaiseDispute, RecordPayment, ResolveDispute, Settle
from registry.operations.existence import DisputeReason
from registry.operations.governance import Role
from registry.receipt import Result
from registry.receivable import Phase
from registry.status import StatusSummary

from ..answers import ById
from ..directory import Directory, MemberFiles
from ..enrolment import Enrolment, NewMember, prepare_enrolment
from ..errors import InputError
from ..paper_file import FiledPapers, append_papers, read_papers
from ..papers import SALT_BYTES, Papers
from ..submission import Draft, EntryTurnedAway, Submitter
from ..verify import ProvenReceipt
from ..wallet import Wallet
from .customers import member_name
from .rows import InvoiceRow

OPERATIONS_PER_ENTRY: Final = 100
ENTRIES_AT_ONCE: Final = 16  # between two looks at the progress
COMMIT_TIMEOUT_S: Final = 120.0
# The bank references of an import are in a space of their own, so that they never meet those of real banks.
IMPORT_BANK: Final = "pledgebook import"

Progress = Callable[[str, int, int], None]
"""(stage, done, in all)"""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An operation of the import that was refused, and the line of its invoice (0: a customer)."""

    line: int
    operation: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class ImportedInvoice:
    """A row and the receivable it has become."""

    row: InvoiceRow
    debtor: MemberId
    receivable_id: ReceivableId


@dataclass(slots=True)
class ImportTally:
    """What an import did, over all its stages and chunks."""

    accepted: Counter[str] = field(default_factory=Counter)
    already: Counter[str] = field(default_factory=Counter)
    refusals: list[Refusal] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Wish:
    """One operation that the import wants, and for which line."""

    line: int
    operation: Operation
    filing: tuple[Papers, bytes] | None = None
    """Papers and salt that must be on disk before the operation is handed in."""


class InvoiceImport:
    """One import by one exporter. Belongs to the event loop of its submitter."""

    def __init__(
        self,
        submitter: Submitter,
        directory: Directory,
        exporter: MemberFiles,
        fingerprint_key: FingerprintKey,
        debtors: Mapping[str, MemberId],
        *,
        wallet_of: Callable[[str], Wallet],
        operations_per_entry: int = OPERATIONS_PER_ENTRY,
        progress: Progress = lambda _stage, _done, _total: None,
    ) -> None:
        """`debtors`: customer -> member id. `wallet_of` finds the keys of members that are in the folder already."""
        self.tally = ImportTally()
        self.directory = directory
        self._submitter = submitter
        self._client = submitter.client
        self._chain_id = submitter.client.genesis.chain_id
        self._exporter = exporter
        self._fingerprint_key = fingerprint_key
        self._debtors = debtors
        self._wallet_of = wallet_of
        self._enrolled: dict[MemberId, Wallet] = {}
        self._per_entry = operations_per_entry
        self._progress = progress
        self._numbering: Numbering | None = None

    # -- Stages -----------------------------------------------------------------------------------------------------

    async def enrol(self, customers: Iterable[str], association: str) -> None:
        """Enrol the customers that are not in the folder yet. Raises InputError when one's key is not on this machine."""
        new: list[NewMember] = []
        for customer in dict.fromkeys(customers):
            member = self._debtors[customer]
            if self.directory.find_member(member) is None and member not in {each.member_id for each in new}:
                new.append(NewMember(member_name(customer), member, (Role.DEBTOR,)))
        enrolments = [
            prepare_enrolment(self.directory, each, self._chain_id, self._fingerprint_key) for each in new
        ]
        signers = (self._wallet_of(association),)
        wishes = [_Wish(0, enrolment.operation) for enrolment in enrolments]
        results = await self._commit("enrol", signers, wishes, expected=Code.ALREADY_ENROLLED)
        added: dict[str, MemberFiles] = {}
        for enrolment, result in zip(enrolments, results, strict=True):
            if result is None or not await self._is_enrolled(enrolment, result):
                continue
            added[enrolment.files.name] = enrolment.files
            self._enrolled[enrolment.files.member_id] = enrolment.wallet
        if added:
            self.directory = self.directory.with_members(added)

    async def register(self, rows: Sequence[InvoiceRow]) -> list[ImportedInvoice]:
        """Register invoices; those that were refused are in the tally and not in the answer."""
        numbering = await self._read_numbering()
        papers = [self._papers_of(row, numbering) for row in rows]
        found = await self._registered_before(set(papers))
        self.tally.already["RegisterReceivable"] += sum(paper in found for paper in papers)
        new = [(row, paper) for row, paper in zip(rows, papers, strict=True) if paper not in found]
        registered = await self._register_new(new)
        identifiers = [
            found.get(paper) or registered.get(row.line) for row, paper in zip(rows, papers, strict=True)
        ]
        return [
            ImportedInvoice(row, self._debtors[row.customer], identifier)
            for row, identifier in zip(rows, identifiers, strict=True)
            if identifier is not None
        ]

    async def _register_new(self, new: Sequence[tuple[InvoiceRow, Papers]]) -> dict[int, ReceivableId]:
        """The receivables by the lines of their rows."""
        wishes = []
        for row, paper in new:
            salt = os.urandom(SALT_BYTES)
            operation = paper.registration(self._fingerprint_key, salt)
            wishes.append(_Wish(row.line, operation, (paper, salt)))
        signers = (self._wallet_of(self._exporter.name),)
        results = await self._commit("register", signers, wishes, expected=Code.DUPLICATE_RECEIVABLE)
        registered: dict[int, ReceivableId] = {}
        known: Mapping[bytes, Papers] | None = None
        for (row, paper), result in zip(new, results, strict=True):
            if result is None:
                continue
            if result.code is Code.OK:
                registered[row.line] = ReceivableId(result.subject)
                continue
            assert result.collided_with is not None, "a duplicate names what it collides with"
            identifier = ReceivableId(result.collided_with.subject)
            known = self._filed_papers() if known is None else known
            if self._is_same_invoice(row, known.get(identifier), paper):
                registered[row.line] = identifier
        return registered

    async def _registered_before(self, papers: set[Papers]) -> dict[Papers, ReceivableId]:
        """Which of the papers were filed before and, as is proven, registered: their rows are not handed in again."""
        filed = [(known, identifier) for identifier, known in self._filed_papers().items() if known in papers]
        proven = await self._client.statuses([ById(identifier) for _, identifier in filed], purpose="import")
        return {
            known: ReceivableId(identifier)
            for (known, identifier), status in zip(filed, proven, strict=True)
            if status.summary is not None
        }

    async def dispute(self, invoices: Sequence[ImportedInvoice]) -> None:
        """Have the debtors dispute what the file says is disputed."""
        chosen = [invoice for invoice in invoices if invoice.row.disputed]
        by_debtor: dict[MemberId, list[_Wish]] = {}
        for invoice, summary in zip(chosen, await self._statuses(chosen), strict=True):
            if summary.phase is not Phase.LIVE or summary.disputed > 0:
                self.tally.already["RaiseDispute"] += 1
                continue
            operation = RaiseDispute(
                invoice.receivable_id, invoice.debtor, summary.outstanding, DisputeReason.OTHER
            )
            by_debtor.setdefault(invoice.debtor, []).append(_Wish(invoice.row.line, operation))
        batches = [((self._signer(debtor),), wishes) for debtor, wishes in by_debtor.items()]
        await self._commit_batches("dispute", batches)

    async def collect(self, invoices: Sequence[ImportedInvoice]) -> None:
        """Pay and settle what the file says is settled; a dispute on it is resolved before."""
        chosen = [invoice for invoice in invoices if invoice.row.settled_date is not None]
        by_signers: dict[tuple[MemberId, ...], list[_Wish]] = {}
        for invoice, summary in zip(chosen, await self._statuses(chosen), strict=True):
            if summary.phase is not Phase.LIVE:
                self.tally.already["Settle"] += 1
                continue
            signers, operations = await self._closing(invoice, summary)
            wishes = by_signers.setdefault(signers, [])
            wishes += [_Wish(invoice.row.line, operation) for operation in operations]
        batches = [
            (tuple(self._signer(member) for member in signers), wishes)
            for signers, wishes in by_signers.items()
        ]
        await self._commit_batches("collect", batches)

    # -- One invoice ------------------------------------------------------------------------------------------------

    def _papers_of(self, row: InvoiceRow, numbering: Numbering) -> Papers:
        return Papers(
            exporter=self._exporter.member_id,
            debtor=self._debtors[row.customer],
            invoice_number=row.invoice_number,
            issue_date=row.issue_date,
            due_date=row.due_date,
            amount=row.amount,
            currency=row.currency,
            fiscal_number=row.fiscal_number,
            numbering=numbering,
        )

    async def _closing(
        self, invoice: ImportedInvoice, summary: StatusSummary
    ) -> tuple[tuple[MemberId, ...], list[Operation]]:
        """Who must sign, and the operations that end this receivable, in order."""
        identifier, row = invoice.receivable_id, invoice.row
        held = {self._exporter.member_id: summary.outstanding}
        pledgees: dict[str, set[str]] = {}
        if summary.assigned or summary.pledged or summary.outstanding != row.amount:
            record = (await self._client.receivable(ById(identifier), purpose="import")).record
            assert record is not None, "its status was there"
            held = {MemberId(part.holder): part.amount for part in record.parts}
            for lien in record.liens:
                pledgees.setdefault(lien.pledgor, set()).add(lien.pledgee)
        holders = sorted(held)
        operations: list[Operation] = []
        signers = list(holders)
        if summary.disputed:
            operations.append(
                ResolveDispute(identifier, invoice.debtor, tuple(holders), summary.disputed, ())
            )
            signers.append(invoice.debtor)
        for holder in holders:
            if held[holder]:
                reference = self._fingerprint_key.payment(
                    IMPORT_BANK, f"{row.customer}/{row.invoice_number}/{row.settled_date}/{holder}"
                )
                consenting = tuple(sorted(pledgees.get(holder, set())))
                operations.append(
                    RecordPayment(identifier, holder, holder, held[holder], reference, consenting)
                )
                signers += [MemberId(pledgee) for pledgee in consenting if pledgee not in signers]
        operations.append(Settle(identifier, tuple(holders), write_off=False))
        return tuple(signers), operations

    def _is_same_invoice(self, row: InvoiceRow, filed: Papers | None, paper: Papers) -> bool:
        """Whether a duplicate is this very invoice, imported before, and not another one under its number."""
        if filed == paper:
            self.tally.already["RegisterReceivable"] += 1
            return True
        known = (
            "it was not registered from this folder"
            if filed is None
            else f"the one on the chain is over {filed.amount} minor units, issued {filed.issue_date}, due {filed.due_date}"
        )
        self.tally.refusals.append(
            Refusal(
                row.line, "RegisterReceivable", Code.DUPLICATE_RECEIVABLE, f"the number is taken: {known}"
            )
        )
        return False

    # -- Entries ----------------------------------------------------------------------------------------------------

    async def _commit(
        self, stage: str, signers: tuple[Wallet, ...], wishes: Sequence[_Wish], expected: Code = Code.OK
    ) -> list[Result | None]:
        return (await self._commit_batches(stage, [(signers, wishes)], expected))[0]

    async def _commit_batches(
        self,
        stage: str,
        batches: Sequence[tuple[tuple[Wallet, ...], Sequence[_Wish]]],
        expected: Code = Code.OK,
    ) -> list[list[Result | None]]:
        """Commit all wishes, each batch under its signers; results in the order of the wishes, None where refused.

        What is refused with `expected` is the caller's business and stays in the answer.
        """
        pieces = [
            (number, piece)
            for number, (_, wishes) in enumerate(batches)
            for piece in _pieces(wishes, self._per_entry)
        ]
        total = sum(len(wishes) for _, wishes in batches)
        results: list[list[Result | None]] = [[] for _ in batches]
        done = 0
        self._progress(stage, done, total)
        for start in range(0, len(pieces), ENTRIES_AT_ONCE):
            window = pieces[start : start + ENTRIES_AT_ONCE]
            drafts = [
                Draft(tuple(wish.operation for wish in piece), batches[number][0], Mode.INDEPENDENT)
                for number, piece in window
            ]
            filing = partial(self._file, [piece for _, piece in window])
            outcomes = await self._submitter.commit_all(
                drafts, timeout_s=COMMIT_TIMEOUT_S, before_hand_in=filing
            )
            for (number, piece), outcome in zip(window, outcomes, strict=True):
                results[number] += self._note(piece, outcome, expected)
                done += len(piece)
            self._progress(stage, done, total)
        return results

    def _file(self, pieces: Sequence[Sequence[_Wish]], entry_ids: Mapping[int, EntryId]) -> None:
        """Put the papers of what is about to be handed in on disk, under the ids that the receivables will have."""
        filed = [
            FiledPapers(receivable_id(entry_id, place), *wish.filing)
            for index, entry_id in entry_ids.items()
            for place, wish in enumerate(pieces[index])
            if wish.filing is not None
        ]
        if filed:
            append_papers(self.directory.papers_path(self._exporter), filed)

    def _note(
        self, wishes: Sequence[_Wish], outcome: ProvenReceipt | EntryTurnedAway, expected: Code
    ) -> list[Result | None]:
        """Count what one entry did; what was refused and not expected becomes None."""
        if isinstance(outcome, EntryTurnedAway):
            for wish in wishes:
                self._refuse(wish, outcome.code, str(outcome))
            return [None] * len(wishes)
        noted: list[Result | None] = []
        for wish, result in zip(wishes, outcome.receipt.results, strict=True):
            if result.code is Code.OK:
                self.tally.accepted[_name(wish.operation)] += 1
            elif result.code is not expected:
                self._refuse(wish, result.code, describe_refusal(result))
                noted.append(None)
                continue
            noted.append(result)
        return noted

    def _refuse(self, wish: _Wish, code: str, message: str) -> None:
        self.tally.refusals.append(Refusal(wish.line, _name(wish.operation), code, message))

    # -- What is there already --------------------------------------------------------------------------------------

    async def _is_enrolled(self, enrolment: Enrolment, result: Result) -> bool:
        """Whether the member is on the chain with our key, newly or from an interrupted import. Raises InputError."""
        if result.code is Code.OK:
            return True
        self.tally.already["EnrolMember"] += 1
        member = (await self._client.member(enrolment.files.member_id)).member
        keys = {key.public_key for key in member.keys} if member else set()
        if not any(key.public_key in keys for key in enrolment.wallet.keys):
            raise InputError(
                f"{enrolment.files.member_id} is enrolled with a key that is not on this machine: name it in a customer "
                "directory (--customers) under a member whose keys are here"
            )
        return True

    async def _statuses(self, invoices: Sequence[ImportedInvoice]) -> list[StatusSummary]:
        keys = [ById(invoice.receivable_id) for invoice in invoices]
        proven = await self._client.statuses(keys, purpose="import")
        summaries = [status.summary for status in proven]
        assert None not in summaries, "what was registered is there at every later height"
        return [summary for summary in summaries if summary is not None]

    async def _read_numbering(self) -> Numbering:
        if self._numbering is None:
            member = (await self._client.member(self._exporter.member_id)).member
            if member is None:
                raise InputError(f"{self._exporter.name} is not enrolled on this chain")
            self._numbering = member.numbering
        return self._numbering

    def _filed_papers(self) -> dict[bytes, Papers]:
        path = self.directory.papers_path(self._exporter)
        return {filed.receivable_id: filed.papers for filed in read_papers(path)} if path.exists() else {}

    def _signer(self, member: MemberId) -> Wallet:
        return self._enrolled[member] if member in self._enrolled else self._wallet_of(member)


def describe_refusal(result: Result) -> str:
    """What a refused operation collided with and why, in words."""
    parts = [str(result.code)]
    if result.collided_with is not None:
        place = result.collided_with
        parts.append(f"collides with {show_id(place.subject)} of height {place.height}")
    parts += [f"{reason.word} {reason.amount}" for reason in result.reasons]
    return ", ".join(parts)


def _pieces(wishes: Sequence[_Wish], per_entry: int) -> list[list[_Wish]]:
    """Runs of about `per_entry` operations; those of one invoice stay together."""
    pieces: list[list[_Wish]] = []
    for line, group in groupby(wishes, key=lambda wish: wish.line):
        operations = list(group)
        # Line 0 is no invoice: enrolments need not stay together.
        chunks = [operations] if line else [[operation] for operation in operations]
        for chunk in chunks:
            if not pieces or len(pieces[-1]) + len(chunk) > per_entry:
                pieces.append([])
            pieces[-1] += chunk
    return pieces


def _name(operation: Operation) -> str:
    return TYPE_BY_CLASS[type(operation)].name
