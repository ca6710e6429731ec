"""The stage of the demonstration: one network of real node processes, a client at each node, and everybody's wallets."""

from __future__ import annotations

import datetime
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from client.connection import Identity
from client.directory import Directory, read_directory
from client.papers import Papers
from client.registry_client import RegistryClient
from client.submission import Draft, Submitter
from client.verify import ProvenReceipt
from client.wallet import Wallet
from node.network import Network
from node.network_files import DEFAULT_POLICY, NetworkDirectory, NetworkPlan, make_network
from registry.errors import Reference
from registry.fingerprints import FingerprintKey
from registry.genesis import Genesis
from registry.identifiers import ReceivableId
from registry.operations import TYPE_BY_CLASS

COMMIT_TIMEOUT_S = 60.0
WIDTH_WITHOUT_TERMINAL = 118
EXPORTER = "exporter-1"
ASSOCIATION = "association"


@dataclass(frozen=True, slots=True)
class Attempt:
    """A disposal or registration that the registry (or a wallet) refused, for the table that shows them."""

    what: str
    code: str
    collided_with: str
    because: str


@dataclass(slots=True)
class Stage:
    """Who and what is there while the demonstration runs."""

    console: Console
    network: Network
    directory: Directory
    genesis: Genesis
    fingerprint_key: FingerprintKey
    clients: dict[str, RegistryClient] = field(default_factory=dict)
    submitters: dict[str, Submitter] = field(default_factory=dict)
    wallets: dict[str, Wallet] = field(default_factory=dict)
    places: dict[tuple[int, int, int], str] = field(default_factory=dict)
    """What the demonstration did at a place of the chain, in words: what a refusal collides with is then told by name."""
    names: dict[ReceivableId, str] = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)

    def wallet(self, name: str) -> Wallet:
        """A member's wallet; also of one enrolled a moment ago."""
        entry = self.directory.member(name)
        if entry.name not in self.wallets:
            self.wallets[entry.name] = self.directory.wallet(
                entry.name, self.genesis.chain_id, self.fingerprint_key
            )
        return self.wallets[entry.name]

    def open_clients(self) -> None:
        """One client at each node, which asks that node first; the association asks at its own, and so on."""
        for lane, (node, address) in enumerate(self.directory.nodes.items()):
            others = {name: other.api for name, other in self.directory.nodes.items() if name != node}
            wallet = self.wallet(address.member)
            self.clients[node] = RegistryClient(
                self.genesis,
                {node: address.api, **others},
                Identity(wallet.member, wallet.keys[0]),
                timeout_s=COMMIT_TIMEOUT_S,
            )
            # One member hands in at several nodes at once: each submitter takes its numbers from a lane of its own.
            self.submitters[node] = Submitter(
                self.clients[node],
                association_keys=self.directory.governance_threshold,
                lane=lane,
                lanes=len(self.directory.nodes),
            )

    async def close_clients(self) -> None:
        for client in self.clients.values():
            await client.close()

    async def commit(self, draft: Draft, *, at: str = EXPORTER, told_as: str = "") -> ProvenReceipt:
        """Hand a draft in at one node and stay until its receipt is proven."""
        proven = await self.submitters[at].commit(draft, timeout_s=COMMIT_TIMEOUT_S)
        receipt = proven.receipt
        for index, operation in enumerate(draft.operations):
            told = told_as or TYPE_BY_CLASS[type(operation)].name
            self.places[receipt.height, receipt.entry_index, index] = told
        return proven

    def tell_place(self, place: Reference | None) -> str:
        """A place on the chain with what the demonstration did there."""
        if place is None:
            return "-"
        key = (place.height, place.entry_index, place.operation_index)
        told = self.places.get(key)
        if told is None:
            known = self.names.get(ReceivableId(place.subject))
            told = f"registration of {known}" if known else "a registration"
        return f"{told} at {place.height}/{place.entry_index}/{place.operation_index}"

    def say(self, text: str) -> None:
        self.console.print(text, highlight=False)

    def rule(self, number: int, title: str) -> None:
        self.console.print()
        self.console.rule(f"[bold]{number}. {title}", align="left")

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[str]], title: str | None = None) -> None:
        table = Table(
            title=title, title_justify="left", header_style="bold", pad_edge=False, box=None, padding=(0, 1)
        )
        for heading in headings:
            numeric = heading in ("amount", "count", "height", "port", "pid", "accepted", "refused")
            table.add_column(heading, justify="right" if numeric else "left", overflow="fold")
        for row in rows:
            table.add_row(*row)
        self.console.print(table)


def make_console() -> Console:
    """Wide enough for the tables where nobody says how wide the page is."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH_WITHOUT_TERMINAL)


def make_stage_files(folder: Path, *, dispose_past_due: bool) -> NetworkDirectory:
    """Genesis, keys, certificates and configurations of association, two factors and one exporter."""
    plan = NetworkPlan(
        validators=4,
        name="demonstration",
        policy=replace(DEFAULT_POLICY, dispose_past_due=dispose_past_due),
        heartbeat_ms=2_000,
    )
    return make_network(folder, plan, datetime.datetime.now(datetime.UTC))


def set_stage(console: Console, network: Network) -> Stage:
    """Read the network's folder as a client does."""
    directory = read_directory(network.directory.folder)
    genesis = directory.genesis()
    return Stage(console, network, directory, genesis, directory.fingerprint_key())


def salt() -> bytes:
    """A fresh salt for a commitment to an invoice."""
    return os.urandom(16)


@dataclass(frozen=True, slots=True)
class Star:
    """A receivable that the demonstration does something with, with its papers."""

    name: str
    papers: Papers
    receivable_id: ReceivableId
    debtor: str
