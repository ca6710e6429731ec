"""One command's work with the network: folder, keys, client; and what it has seen is kept for the next command.

The newest head is read from and written back to the folder, so that no node can show an older state to the next
command.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import typer

from registry.errors import Code
from registry.fingerprints import FingerprintKey
from registry.genesis import Genesis
from registry.identifiers import BadIdentifier, EntryId, MemberId, parse_member_id, read_id, show_id
from registry.money import BadAmount, parse_amount
from registry.operations import TYPE_BY_CLASS
from registry.receivable import Receivable, StatusSummary

from ..answers import ById, Forecast
from ..connection import Identity
from ..directory import Directory, MemberFiles, read_directory
from ..errors import DirectoryError, InputError
from ..evidence import keep_evidence
from ..keys import passphrase_from_environment
from ..refusals import advice
from ..registry_client import RegistryClient
from ..submission import Draft, Submitter
from ..trust import Checkpoint, read_checkpoint, write_checkpoint
from ..verify import AGE_MS_MAX, ProvenReceipt, ProvenStatus
from ..wallet import Wallet
from . import output

T = TypeVar("T")

# Commands of one member that run at once take numbers from different lanes (`submission`).
LANES = 16


@dataclass(frozen=True, slots=True)
class Options:
    """What every command is told."""

    network: Path
    acting: str | None
    node: str | None
    timeout_s: float
    as_json: bool
    purpose: str
    """Why it asks, for the nodes' query log: the verb of the command."""
    dry_run: bool = False
    age_s_max: float = AGE_MS_MAX / 1_000
    """How old the state of an answer may be; 0: of any age."""


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
        """The wallet of a member whose keys are in the folder. Raises DirectoryError."""
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

    async def perform(
        self,
        draft: Draft,
        *,
        currency: str | None = None,
        before_hand_in: Callable[[EntryId], None] = lambda _entry_id: None,
    ) -> ProvenReceipt | None:
        """Commit the draft and show its receipt; with --dry-run only ask. Ends the command when anything was refused.

        `before_hand_in` is told the entry's id, to file what must outlive a crash.
        """
        if self.options.dry_run:
            await self._preflight(draft)
            return None
        receipt = await self.submitter.commit(
            draft, timeout_s=self.options.timeout_s, before_hand_in=lambda ids: before_hand_in(ids[0])
        )
        _show_receipt(draft, receipt, currency, as_json=self.options.as_json)
        if any(result.code is not Code.OK for result in receipt.receipt.results):
            raise typer.Exit(output.ExitCode.REFUSED)
        return receipt

    async def _preflight(self, draft: Draft) -> None:
        """Ask how the entry would be judged. It goes out without a signature: a whole one could be handed in by the node."""
        answer = await self.client.preflight(await self.submitter.sketch(draft))
        names = [TYPE_BY_CLASS[type(operation)].name for operation in draft.operations]
        forecasts = list(zip(names, answer.forecasts, strict=False))
        is_past_door = answer.door_code in (Code.OK, Code.MISSING_SIGNATURE)
        if self.options.as_json:
            output.print_json(
                {
                    "dry_run": True,
                    "height": answer.height,
                    "door": {
                        "code": answer.door_code,
                        "message": answer.door_message,
                        "passes_once_signed": is_past_door,
                    },
                    "operations": [
                        {"operation": name, **_forecast_document(forecast)} for name, forecast in forecasts
                    ],
                }
            )
        else:
            door = (
                "passes once it is signed" if is_past_door else f"{answer.door_code}: {answer.door_message}"
            )
            output.print_rows(
                f"Would be judged at height {answer.height} (one node's word, no promise; nothing was signed away); "
                f"at the door: {door}",
                ("operation", "code", "reasons", "what to do"),
                [
                    (name, forecast.code, ", ".join(forecast.reasons), advice(forecast.code) or "")
                    for name, forecast in forecasts
                ],
            )
            if not forecasts:
                typer.echo(f"The rules were not judged: {answer.door_message}")
        refused = any(forecast.code != Code.OK for forecast in answer.forecasts)
        if refused or not is_past_door or not forecasts:
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
        async with RegistryClient(
            genesis,
            _addresses(directory, options.node),
            Identity(wallet.member, wallet.keys[0]),
            checkpoint=checkpoint,
            age_ms_max=int(options.age_s_max * 1_000) or None,
            timeout_s=options.timeout_s,
        ) as client:
            submitter = Submitter(
                client,
                association_keys=directory.governance_threshold,
                lane=secrets.randbelow(LANES),
                lanes=LANES,
            )
            session = Session(
                options, directory, genesis, fingerprint_key, acting, client, submitter, {acting.name: wallet}
            )
            try:
                return await work(session)
            finally:
                _keep_head(directory, client.chain.highest)
                keep_evidence(directory.folder / "evidence", client)

    return asyncio.run(run())


def parse_receivable(text: str) -> bytes:
    """Raises InputError."""
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


def _addresses(directory: Directory, first: str | None) -> dict[str, str]:
    names = list(directory.nodes)
    if first is not None:
        names.sort(key=lambda name: name != directory.node(first).node_id)
    return {name: directory.nodes[name].api for name in names}


def _keep_head(directory: Directory, seen: Checkpoint | None) -> None:
    """Remember the newest head, also when another command has meanwhile seen a newer one."""
    kept = read_checkpoint(directory.head_path)
    if seen is not None and (kept is None or seen.height > kept.height):
        write_checkpoint(directory.head_path, seen)


def _show_receipt(draft: Draft, proven: ProvenReceipt, currency: str | None, *, as_json: bool) -> None:
    receipt = proven.receipt
    names = [TYPE_BY_CLASS[type(operation)].name for operation in draft.operations]
    if as_json:
        output.print_json(
            {
                "entry_id": show_id(receipt.entry_id),
                "height": receipt.height,
                "entry": receipt.entry_index,
                "outcome": receipt.outcome.name.lower(),
                "block_hash": proven.head.block_hash.hex(),
                "proof": "verified" if proven.head.is_verified else "not checked",
                "operations": [
                    {"operation": name, **output.result_document(result)}
                    for name, result in zip(names, receipt.results, strict=True)
                ],
            }
        )
        return
    proof = "receipt verified" if proven.head.is_verified else "RECEIPT NOT VERIFIED"
    for name, result in zip(names, receipt.results, strict=True):
        output.print_facts(
            f"{name}: {'committed' if result.code is Code.OK else 'REFUSED'} at height {receipt.height} ({proof})",
            {
                "result": output.describe(result, currency),
                "subject": output.show_subject(result.subject) or "-",
                "entry": show_id(receipt.entry_id),
            },
        )


def _forecast_document(forecast: Forecast) -> dict[str, Any]:
    return {
        "code": forecast.code,
        "what_to_do": advice(forecast.code),
        "subject": output.show_subject(forecast.subject),
        "collided_with": output.place_document(forecast.collided_with),
        "reasons": list(forecast.reasons),
    }
