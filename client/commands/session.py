"""One command's work with the network: folder, keys, client; and what it has seen is kept for the next command.

The newest head is read from and written back to the folder, so that no node can show an older state to the next
command.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import typer

from registry.entry import decode_entry
from registry.errors import Code
from registry.fingerprints import FingerprintKey, Numbering
from registry.genesis import Genesis
from registry.identifiers import BadIdentifier, EntryId, MemberId, parse_member_id, read_id, show_id
from registry.money import BadAmount, parse_amount
from registry.nodes import NodeSet
from registry.operations import Operation
from registry.receivable import Receivable
from registry.status import StatusSummary
from registry.time_units import HOUR_MS

from ..answers import ById
from ..connection import Identity
from ..directory import Directory, MemberFiles, read_directory
from ..draft_file import check_unused, encode_draft, papers_beside, write_draft
from ..draft_numbers import take_draft_number
from ..errors import DirectoryError, InputError
from ..evidence import keep_evidence
from ..keys import passphrase_from_environment
from ..paper_file import append_papers, find_all_papers
from ..registry_client import RegistryClient
from ..submission import Draft, Submitter
from ..trust import (
    Checkpoint,
    read_checkpoint,
    read_known_nodes,
    read_known_sets,
    write_checkpoint,
    write_known_nodes,
    write_known_sets,
)
from ..validator_sets import KnownSet
from ..verify import ProvenReceipt, ProvenStatus
from ..wallet import Wallet, vouchings_of
from . import output
from .options import Options as Options
from .outcome import show_forecast, show_receipt, show_subjects

T = TypeVar("T")

ASSOCIATION = "association"
"""The short name of the association's keys in a network's folder."""
# Commands of one member that run at once take numbers from different lanes (`submission`); the last one is for drafts.
LANES = 17
DRAFT_LANE = LANES - 1
# Records that are read at once: enough to hide the way to the node and back, few enough to leave room for others.
READS_AT_ONCE = 16


@dataclass(slots=True)
class Session:
    """Everything a command works with."""

    options: Options
    directory: Directory
    genesis: Genesis
    fingerprint_key: FingerprintKey
    acting: MemberFiles
    client: RegistryClient
    submitter: Submitter
    _wallets: dict[str, Wallet] = field(default_factory=dict)

    def wallet(self, name: str) -> Wallet:
        """The wallet of a member whose keys are in the folder; for a draft, others' wallets without keys. Raises DirectoryError."""
        if self.options.draft is not None:
            member_id = member_id_of(self.directory, name)
            if member_id != self.acting.member_id:
                return Wallet(member_id, (), self.genesis.chain_id, self.fingerprint_key)
        entry = self.directory.member(name)
        if entry.name not in self._wallets:
            self._wallets[entry.name] = _wallet(self.directory, entry, self.genesis, self.fingerprint_key)
        return self._wallets[entry.name]

    async def status(self, receivable_id: bytes) -> StatusSummary:
        """The proven public view. Raises InputError when there is no such receivable."""
        proven: ProvenStatus = await self.client.status(ById(receivable_id), purpose=self.options.purpose)
        if proven.summary is None:
            raise InputError(
                f"no receivable {show_id(receivable_id)} is registered (proven at height {proven.head.header.height})"
            )
        return proven.summary

    async def record(self, receivable_id: bytes) -> Receivable:
        """The proven whole record. Raises InputError when there is none, CallRefused when it is not for us."""
        proven = await self.client.receivable(ById(receivable_id), purpose=self.options.purpose)
        if proven.record is None:
            raise InputError(f"no receivable {show_id(receivable_id)} is registered")
        return proven.record

    async def numbering_of(self, exporter: str) -> Numbering:
        """How the exporter's invoices are numbered, by its proven record. Raises InputError when it is no member."""
        member = (await self.client.member(exporter)).member
        if member is None:
            raise InputError(f"{exporter} is not enrolled on this chain")
        return member.numbering

    async def nodes(self) -> NodeSet:
        """The proven latest decision on who the nodes are, which is kept for the next commands."""
        proven = await self.client.nodes()
        write_known_nodes(self.directory.nodes_path, proven.nodes.nodes)
        return proven.nodes

    async def perform(
        self,
        draft: Draft,
        *,
        currency: str | None = None,
        places: Sequence[str] = (),
        before_hand_in: Callable[[EntryId], None] = lambda _entry_id: None,
    ) -> ProvenReceipt | None:
        """Commit the draft and show its receipt; with --dry-run only ask, with --draft only write it.

        Ends the command when anything was refused. `before_hand_in` is told the entry's id, to file what must outlive a
        crash. `places`: where each operation comes from, to name it by.
        """
        if self.options.draft is not None:
            draft = replace(draft, signers=(self.wallet(self.acting.name),))
        if self.options.dry_run:
            await self._preflight(draft, places)
            return None
        if self.options.draft is not None:
            await self._write(draft, self.options.draft, before_hand_in)
            return None
        receipt = await self.submitter.commit(
            draft, timeout_s=self.options.timeout_s, before_hand_in=lambda ids: before_hand_in(ids[0])
        )
        if self.options.quiet and not self.options.as_json:
            show_subjects(draft.operations, receipt, currency)
        else:
            show_receipt(draft.operations, receipt, currency, places=places, as_json=self.options.as_json)
        if any(result.code is not Code.OK for result in receipt.receipt.results):
            raise typer.Exit(output.ExitCode.REFUSED)
        return receipt

    async def _write(self, draft: Draft, path: Path, before_hand_in: Callable[[EntryId], None]) -> None:
        """Sign for the acting member alone, and leave the rest to others."""
        check_unused(path)  # before a number is given away
        number = take_draft_number(
            self.directory.draft_number_path(self.acting),
            await self.submitter.highest_number(draft.submitter),
            lane=DRAFT_LANE,
            lanes=LANES,
        )
        raw = self.submitter.sign_draft(draft, number, self.options.valid_hours * HOUR_MS)
        entry = decode_entry(raw)
        before_hand_in(entry.entry_id)
        write_draft(path, encode_draft(entry.body_bytes, entry.signatures))
        beside = self._lay_papers_beside(path, draft.operations)
        written = {
            "draft": str(path),
            "papers": None if beside is None else str(beside),
            "entry_id": show_id(entry.entry_id),
            "signed_by": draft.submitter,
            "valid_until_ms": entry.body.valid_until_ms,
        }
        if self.options.as_json:
            output.print_json(written)
            return
        typer.echo(
            f"{path}: signed by {draft.submitter}; nothing was sent. What it says: pledgebook draft show {path}"
        )
        if beside is not None:
            typer.echo(f"{beside}: the papers that who takes it over must look at; hand them over with it")

    def hand_over(self, papers: Path | None, receivables: Iterable[bytes]) -> None:
        """Lay what a paper file has of these receivables beside the draft, for who signs elsewhere."""
        draft = self.options.draft
        if papers is not None and draft is not None and not self.options.dry_run:
            append_papers(papers_beside(draft), find_all_papers(papers, receivables).values())

    def _lay_papers_beside(self, path: Path, operations: tuple[Operation, ...]) -> Path | None:
        """The filed papers that others vouch for by signing, and no others: whoever gets the draft needs them."""
        wanted = {
            vouching.receivable
            for operation in operations
            for vouching in vouchings_of(operation)
            if vouching.corrected is None and set(vouching.members) - {self.acting.member_id}
        }
        filing, beside = self.directory.papers_path(self.acting), papers_beside(path)
        found = find_all_papers(filing, wanted) if wanted and filing.exists() else {}
        if found:
            append_papers(beside, found.values())
        return beside if beside.exists() else None

    async def _preflight(self, draft: Draft, places: Sequence[str]) -> None:
        """Ask how the entry would be judged. It goes out without a signature: a whole one could be handed in by the node."""
        answer = await self.client.preflight(await self.submitter.sketch(draft))
        if not show_forecast(draft.operations, answer, places=places, as_json=self.options.as_json):
            raise typer.Exit(output.ExitCode.REFUSED)


def in_session(options: Options, work: Callable[[Session], Awaitable[T]]) -> T:
    """Run a command's work with a client that is closed afterwards."""

    async def run() -> T:
        directory = read_directory(options.network)
        genesis = directory.genesis()
        fingerprint_key = directory.fingerprint_key()
        acting = _acting(directory, options.acting)
        wallet = _wallet(directory, acting, genesis, fingerprint_key)
        checkpoint = read_checkpoint(directory.head_path)
        nodes = read_known_nodes(directory.nodes_path)
        async with RegistryClient(
            genesis,
            _addresses(directory, options.node, {node.node_id for node in (*genesis.nodes, *nodes)}),
            Identity(wallet.member, wallet.keys[0]),
            checkpoint=checkpoint,
            known_sets=read_known_sets(directory.validators_path),
            known_nodes=nodes,
            age_ms_max=int(options.age_s_max * 1_000) or None,
            timeout_s=options.timeout_s,
        ) as client:
            submitter = Submitter(
                client,
                association_keys=directory.governance_threshold,
                lane=secrets.randbelow(DRAFT_LANE),
                lanes=LANES,
            )
            session = Session(
                options, directory, genesis, fingerprint_key, acting, client, submitter, {acting.name: wallet}
            )
            try:
                return await work(session)
            finally:
                _keep_head(directory, client.chain.highest)
                _keep_sets(directory, client.chain.sets.learnt())
                keep_evidence(directory.folder / "evidence", client)

    return asyncio.run(run())


def parse_id(text: str) -> bytes:
    """The id of a receivable, lien, offer, cover, pool or entry. Raises InputError."""
    try:
        return read_id(text)
    except BadIdentifier as error:
        raise InputError(str(error)) from error


def amount_of(text: str, currency: str) -> int:
    """Minor units. Raises InputError."""
    try:
        return parse_amount(text, currency)
    except BadAmount as error:
        raise InputError(str(error)) from error


def debtor_identifier(directory: Directory, text: str) -> str:
    """`lei:...`, `uscc:...` with their check digits verified, `<country>:<number>`, or a member's short name. Raises InputError."""
    known = directory.find_member(text)
    if known is not None:
        return known.member_id
    scheme, _, number = text.partition(":")
    if scheme in ("lei", "uscc"):
        try:
            return parse_member_id(text)
        except BadIdentifier as error:
            raise InputError(f"debtor: {error}") from error
    if len(scheme) == 2 and scheme.isascii() and scheme.isalpha() and number:
        return f"{scheme.upper()}:{number}"
    raise InputError(
        f"debtor {text!r}: give a member's short name, lei:..., uscc:... or COUNTRY:REGISTER-NUMBER such as DE:HRB12345"
    )


def member_id_of(directory: Directory, text: str) -> MemberId:
    """A member by short name or id. Raises InputError."""
    known = directory.find_member(text)
    if known is not None:
        return known.member_id
    try:
        return parse_member_id(text)
    except BadIdentifier as error:
        raise InputError(f"{text!r} is neither a member of {directory.folder} nor an id: {error}") from error


def _acting(directory: Directory, name: str | None) -> MemberFiles:
    if name is not None:
        return directory.member(name)
    found = next((entry for entry in directory.members.values() if entry.keys), None)
    if found is None:
        raise DirectoryError(
            f"no member's keys are in {directory.folder}: give --as MEMBER on a machine that has them"
        )
    return found


def _wallet(
    directory: Directory, entry: MemberFiles, genesis: Genesis, fingerprint_key: FingerprintKey
) -> Wallet:
    return directory.wallet(entry.name, genesis.chain_id, fingerprint_key, passphrase_from_environment())


def _addresses(directory: Directory, first: str | None, known: Set[str]) -> dict[str, str]:
    """Where the nodes are whose certificates are known; the others come in when `govern nodes` has proven them."""
    names = list(directory.nodes)
    if first is not None:
        names.sort(key=lambda name: name != directory.node(first).node_id)
    return {name: directory.nodes[name].api for name in names if name in known}


def _keep_sets(directory: Directory, learnt: tuple[KnownSet, ...]) -> None:
    """Remember the validators that were shown to us. One of two commands at once may win: the other's is learnt again."""
    if len(learnt) > len(read_known_sets(directory.validators_path)):
        write_known_sets(directory.validators_path, learnt)


def _keep_head(directory: Directory, seen: Checkpoint | None) -> None:
    """Remember the newest head, also when another command has meanwhile seen a newer one."""
    kept = read_checkpoint(directory.head_path)
    if seen is not None and (kept is None or seen.height > kept.height):
        write_checkpoint(directory.head_path, seen)
