"""The stage on which the frauds are played: four real nodes, the members with their wallets, and one client at each node.

Everything goes through the client library: wallets check the papers before they sign, receipts and statuses are verified against
certified headers. A receipt is asked for at another node than the one that took the entry, so that each scenario crosses the
network. The numbers of entries are counted here and not read from the ledger: entries are signed that race each other.
"""

from __future__ import annotations

import asyncio
import datetime
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from threading import Barrier
from typing import Self

from client.answers import ById
from client.audit.export import export_chain
from client.blocking import BlockingClient
from client.connection import Identity
from client.directory import read_directory
from client.enrolment import NewMember, prepare_enrolment
from client.papers import SALT_BYTES, Papers
from client.registry_client import RegistryClient
from client.trust import Checkpoint
from client.verify import ProvenReceipt
from client.wallet import ShownPapers, Wallet, draft_body, sign_for_all
from node.network import Network
from node.network_files import demonstration_lei
from registry.entry import Mode, decode_entry
from registry.errors import Code
from registry.fingerprints import Numbering
from registry.identifiers import MemberId
from registry.operations import Assign, Operation, Pledge, RecordPayment
from registry.operations.existence import EvidenceKind
from registry.operations.governance import Role
from registry.receipt import Result
from registry.receivable import Receivable

DAY_MS = 86_400_000
VALID_FOR_MS = 600_000
RECEIPT_TIMEOUT_S = 30.0
WHOLE = 1_000_000  # minor units: the amount of every invoice
NODES = ("association", "exporter-1", "factor-1", "factor-2")
GUESTS = (
    ("factor-3", (Role.FACTOR,), ()),
    ("exporter-2", (Role.EXPORTER,), ()),
    ("debtor-1", (Role.DEBTOR,), ()),
    ("debtor-2", (Role.DEBTOR,), ()),
    ("bank-1", (Role.ATTESTER,), (EvidenceKind.PAYMENT,)),
    ("carrier-1", (Role.ATTESTER,), (EvidenceKind.DELIVERY,)),
    ("insurer-1", (Role.INSURER,), ()),
    ("insurer-2", (Role.INSURER,), ()),
    ("court-1", (Role.COURT,), ()),
    ("idler-1", (Role.EXPORTER, Role.FACTOR), ()),
)


def known_as(name: str) -> MemberId:
    """The identifier of a member by its short name."""
    return MemberId(demonstration_lei(name))


@dataclass(frozen=True, slots=True)
class Played:
    """What became of one entry: its receipt, proven by a node that did not take it."""

    proven: ProvenReceipt

    @property
    def result(self) -> Result:
        """Of the only operation, or of the first that failed."""
        receipt = self.proven.receipt
        return receipt.results[receipt.failed_operation or 0]

    @property
    def code(self) -> Code:
        return self.result.code

    @property
    def subject(self) -> bytes:
        """The id of what an applied operation was about."""
        assert self.code is Code.OK, self.result
        return self.result.subject

    @property
    def place(self) -> tuple[int, int]:
        return self.proven.receipt.height, self.proven.receipt.entry_index

    @property
    def collided_at(self) -> tuple[int, int]:
        """Where on the chain that stands which it collided with."""
        other = self.result.collided_with
        assert other is not None, self.result
        return other.height, other.entry_index

    @property
    def collided_with(self) -> bytes:
        other = self.result.collided_with
        assert other is not None, self.result
        return other.subject


@dataclass
class Stage:
    """The network with everybody on it. `shown` is what papers the financiers have before them."""

    network: Network
    wallets: dict[str, Wallet] = field(default_factory=dict)
    clients: dict[str, BlockingClient] = field(default_factory=dict)
    shown: dict[bytes, ShownPapers] = field(default_factory=dict)
    numbers: Counter[str] = field(default_factory=Counter)
    invoices: int = 0
    turn: int = 0
    height: int = 0
    _open: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        directory = read_directory(self.network.directory.folder)
        self.genesis = directory.genesis()
        self.fingerprints = directory.fingerprint_key()
        chain_id = self.genesis.chain_id
        for name in directory.members:
            self.wallets[name] = directory.wallet(name, chain_id, self.fingerprints)
        for node in NODES:
            client = BlockingClient(
                self.genesis,
                {node: directory.nodes[node].api},
                self._identity(),
                association_keys=directory.governance_threshold,
                timeout_s=RECEIPT_TIMEOUT_S,
            )
            self.clients[node] = self._open.enter_context(client)
        guests = [
            prepare_enrolment(
                directory,
                NewMember(name, known_as(name), roles, accredited=accredited),
                chain_id,
                self.fingerprints,
            )
            for name, roles, accredited in GUESTS
        ]
        enrolled = self.play(*(guest.operation for guest in guests), by=("association",))
        assert enrolled.code is Code.OK, enrolled.proven.receipt
        self.wallets |= {guest.files.name: guest.wallet for guest in guests}
        return self

    def __exit__(self, *_error: object) -> None:
        self._open.close()

    # --- entries

    def sign(self, *operations: Operation, by: Sequence[str], mode: Mode = Mode.ATOMIC) -> bytes:
        """The whole entry, handed in by the first of `by`."""
        self.numbers[by[0]] += 1
        body = draft_body(
            self.genesis.chain_id,
            self.wallets[by[0]].member,
            self.numbers[by[0]],
            now_ms() + VALID_FOR_MS,
            operations,
            mode,
        )
        return sign_for_all(body, [self.wallets[name] for name in by], self.shown, association_keys=2)

    def play(self, *operations: Operation, by: Sequence[str], mode: Mode = Mode.ATOMIC) -> Played:
        """One entry through the node whose turn it is."""
        return self.at_once(self.sign(*operations, by=by, mode=mode))[0]

    def at_once(self, *raws: bytes, twice: bool = False) -> list[Played]:
        """Each entry through another node, all at the same time; or with `twice` each through two nodes."""
        pairs = [(raw, self._next_node()) for raw in raws for _ in range(2 if twice else 1)]
        start = Barrier(len(pairs))

        def hand_in(raw: bytes, node: str) -> str:
            start.wait()
            return self.clients[node].submit([raw])[0].code

        with ThreadPoolExecutor(len(pairs)) as threads:
            codes = list(threads.map(hand_in, *zip(*pairs, strict=True)))
        assert codes == [Code.OK] * len(pairs), codes
        entry_ids = [decode_entry(raw).entry_id for raw in raws]
        proven = self.clients[self._next_node()].wait_for_receipts(entry_ids, timeout_s=RECEIPT_TIMEOUT_S)
        played = [Played(proven[entry_id]) for entry_id in entry_ids]
        self.height = max(self.height, *(each.place[0] for each in played))
        return played

    def turned_away(self, raw: bytes) -> tuple[Code, ...]:
        """What every node that has the last entry says to one that does not get in."""
        self.network.wait_height(self.height)
        return tuple(Code(self.clients[node].submit([raw])[0].code) for node in NODES)

    def _next_node(self) -> str:
        self.turn += 1
        return NODES[self.turn % len(NODES)]

    # --- receivables

    def invoice(self, number: str, *, exporter: str = "exporter-1", debtor: str = "debtor-1") -> Papers:
        """An invoice over 10,000.00. Each has a due date of its own, so that none looks like another."""
        self.invoices += 1
        today = datetime.datetime.now(datetime.UTC).date()
        return Papers(
            exporter=known_as(exporter),
            debtor=known_as(debtor),
            invoice_number=number,
            issue_date=today,
            due_date=today + datetime.timedelta(days=30 + self.invoices),
            amount=WHOLE,
            currency="USD",
        )

    def registration(self, papers: Papers) -> Operation:
        return papers.registration(
            self.fingerprints, sha256(papers.invoice_number.encode()).digest()[:SALT_BYTES]
        )

    def show(self, receivable: bytes, papers: Papers) -> bytes:
        """Put the papers before whoever is to finance the receivable."""
        self.shown[receivable] = ShownPapers(
            papers, papers.fingerprints(self.fingerprints), Numbering.CONTINUOUS
        )
        return receivable

    def register(self, papers: Papers, *, by: str = "exporter-1") -> Played:
        played = self.play(self.registration(papers), by=(by,))
        if played.code is Code.OK:
            self.show(played.subject, papers)
        return played

    def registered(self, number: str) -> bytes:
        """The id of a new receivable of exporter-1 against debtor-1, over 10,000.00."""
        return self.register(self.invoice(number)).subject

    def record(self, receivable: bytes) -> Receivable:
        """As it stands, proven by the node whose turn it is, once that has the last entry that was played."""
        node = self._next_node()
        self.network.wait_height(self.height, [node])
        found = self.clients[node].receivable(ById(receivable)).record
        assert found is not None
        return found

    # --- operations with usual terms

    def assignment(self, receivable: bytes, amount: int, to: str, *, assignor: str = "exporter-1") -> Assign:
        return Assign(
            receivable=receivable,
            assignor=known_as(assignor),
            assignee=known_as(to),
            amount=amount,
            with_recourse=False,
            price_commitment=None,
            verified_fingerprints=self.verified(receivable),
            acknowledged_suspicions=(),
        )

    def pledge(self, receivable: bytes, amount: int, to: str, *, pledgor: str = "exporter-1") -> Pledge:
        return Pledge(
            receivable=receivable,
            pledgor=known_as(pledgor),
            pledgee=known_as(to),
            amount=amount,
            until_ms=now_ms() + 90 * DAY_MS,
            junior_to=None,
            verified_fingerprints=self.verified(receivable),
            acknowledged_suspicions=(),
        )

    def payment(
        self,
        receivable: bytes,
        amount: int,
        reference: str,
        *,
        holder: str = "exporter-1",
        by: str = "bank-1",
    ) -> RecordPayment:
        used = self.fingerprints.payment("BANK", reference)
        return RecordPayment(receivable, known_as(by), known_as(holder), amount, used, ())

    def verified(self, receivable: bytes) -> bytes:
        """What a financier signs to have seen."""
        return self.shown[receivable].papers.fingerprints(self.fingerprints).digest()

    def reference(self, name: str) -> bytes:
        """The keyed reference of a member as debtor."""
        return self.fingerprints.debtor(known_as(name))

    def export(self, node: str, height: int, path: Path) -> Checkpoint:
        """What an auditor is given: every block up to `height`, as one node hands it out. Returns the head that it was checked for."""
        identity = self._identity()
        addresses = {node: str(self.network.directory.nodes[node].api)}

        async def export() -> Checkpoint:
            async with RegistryClient(self.genesis, addresses, identity) as client:
                head = await client.head(height)
                expected = Checkpoint(height, head.block_hash)
                return await export_chain(path, client.chain, client.blocks(1, height), expected)

        return asyncio.run(export())

    def _identity(self) -> Identity:
        """As whom it is asked: the association reads every record."""
        association = self.wallets["association"]
        return Identity(association.member, association.keys[0])


def now_ms() -> int:
    return int(datetime.datetime.now(datetime.UTC).timestamp() * 1_000)
