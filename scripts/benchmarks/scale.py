"""What an operation costs while the registry grows: the same operations at two sizes of one chain, in one run.

Guarantees: one process, no network and no signature checks; blocks go the way that a proposer's do (rules, encoding, tree,
receipts, LMDB), and each is committed before the next. Processor time is counted, not the clock: on a shared machine the
clock says what the neighbours do. LMDB does not wait for the disk here.
Leaves to others: printing the figures, and what the network adds to them (`measurements`).
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from node.network_files import demonstration_lei
from node.ports import BlockRecord
from node.store import Store
from registry.block import encode_block, make_block
from registry.entry import Entry, EntryBody, Mode, assemble, decode_entry, encode_body, sign_body
from registry.errors import Code
from registry.fingerprints import FingerprintKey, Fingerprints, Numbering
from registry.genesis import Genesis, encode_genesis, parse_genesis
from registry.identifiers import MemberId, receivable_id
from registry.member import FOREVER, Member, MemberKey, MemberStatus
from registry.nodes import NetworkNode
from registry.operations import (
    Assign,
    Confirm,
    Operation,
    Pledge,
    RaiseDispute,
    RecordPayment,
    RegisterReceivable,
    ReleasePledge,
)
from registry.operations.existence import DisputeReason, Evidence, EvidenceKind
from registry.operations.governance import Role
from registry.policy import ConfirmationPolicy, Policy
from registry.receivable import Receivable
from registry.signing import SigningKey
from registry.state import WorkingState
from registry.time_units import DAY_MS
from registry.transition import BlockExecution, ChainTip, compose_header, genesis_state, genesis_tip

PAIRS: Final = 8  # of an exporter and the debtor that it supplies: what one entry disposes of is of one pair
FIRST_DAY: Final = 20_000
TENOR_DAYS: Final = 90
FACE: Final = 1_000_000
VALID_FOR_MS: Final = 3_600_000
FILL_ENTRIES: Final = 10  # a block of 10 entries with 1,000 operations: the most that a block may hold
FILL_OPERATIONS: Final = 1_000
GROUP: Final = 100  # liens of one entry
LIEN_DAYS: Final = 31  # the shortest term is one month
SEED: Final = 20_261_121
FINGERPRINTS: Final = FingerprintKey(b"\x01" * 32, 1)


def _member(name: str) -> MemberId:
    return MemberId(demonstration_lei(f"scale-{name}"))


_ASSOCIATION, _FACTOR, _PLEDGEE = _member("association"), _member("factor"), _member("pledgee")
_EXPORTERS: Final = tuple(_member(f"exporter-{number}") for number in range(PAIRS))
_DEBTORS: Final = tuple(_member(f"debtor-{number}") for number in range(PAIRS))


@dataclass(frozen=True, slots=True)
class Cost:
    """Processor microseconds for each operation: the median over the blocks."""

    rules_us: float
    tree_us: float
    store_us: float

    @property
    def applied_us(self) -> float:
        """Rules, encoding and tree: what every validator does before it votes."""
        return self.rules_us + self.tree_us

    @property
    def whole_us(self) -> float:
        return self.applied_us + self.store_us


@dataclass(frozen=True, slots=True)
class SizeFigures:
    """The costs at one size: by the name of the operation, and of a block in which so many liens end."""

    receivables: int
    operations: dict[str, Cost]
    expiry_us: dict[int, float]


@dataclass(slots=True)
class Chain:
    """One validator's registry without its network: what is committed, and where the next block joins on."""

    genesis: Genesis
    store: Store
    tip: ChainTip
    keys: dict[str, SigningKey]
    sequences: dict[str, int] = field(default_factory=dict)

    @classmethod
    def begin(cls, folder: Path) -> Chain:
        keys, genesis = _consortium()
        store = Store.open(folder, genesis.chain_id, fsync=False)
        store.commit_genesis(genesis_state(genesis).delta)
        return cls(genesis, store, genesis_tip(genesis), keys)

    def entry(self, parties: Sequence[str], operations: Iterable[Operation]) -> Entry:
        """An entry that the parties sign, the first of them as the submitter."""
        submitter = parties[0]
        sequence = self.sequences[submitter] = self.sequences.get(submitter, 0) + 1
        until_ms = self.tip.time_ms + VALID_FOR_MS
        body = encode_body(
            EntryBody(
                1, self.genesis.chain_id, submitter, sequence, until_ms, Mode.INDEPENDENT, tuple(operations)
            )
        )
        signatures = tuple(sign_body(body, party, self.keys[party]) for party in sorted(parties))
        return decode_entry(assemble(body, signatures))

    def block(self, entries: Sequence[Entry], time_ms: int | None = None) -> Cost:
        """Apply and commit one block; processor time in all, not for each operation."""
        time_ms = self.tip.time_ms + 1_000 if time_ms is None else time_ms
        with self.store.read() as snapshot:
            began = time.process_time()
            execution = BlockExecution(snapshot, self.tip, time_ms)
            receipts = [execution.apply(entry) for entry in entries]
            judged = time.process_time()
            result = execution.finish()
            finished = time.process_time()
        refused = [
            result.code for receipt in receipts for result in receipt.results if result.code is not Code.OK
        ]
        if refused:
            raise ValueError(f"the benchmark's own operations are refused: {sorted(set(refused))}")
        raws = tuple(entry.raw for entry in entries)
        header = compose_header(execution, result, raws, b"", (), "n1")
        block = make_block(header, raws, b"", ())
        _, nodes = self.tip.history.append_with_nodes(block.block_hash)
        record = BlockRecord(
            height=header.height,
            header_bytes=block.header_bytes,
            block=encode_block(block),
            certificate=b"",
            entry_ids=tuple(entry.entry_id for entry in entries),
            receipts=result.receipts,
            evidence_ids=(),
            history_nodes=nodes,
            delta=result.delta,
        )
        storing = time.process_time()
        self.store.commit(record)
        stored = time.process_time()
        self.tip = self.tip.after(block)
        return Cost((judged - began) * 1e6, (finished - judged) * 1e6, (stored - storing) * 1e6)

    def record(self, identifier: bytes) -> Receivable:
        with self.store.read() as snapshot:
            found = WorkingState(snapshot).receivable(identifier)
        if found is None:
            raise ValueError(f"the benchmark's own receivable {identifier.hex()} is not there")
        return found


@dataclass(slots=True)
class Portfolio:
    """All receivables of the chain, and the operations on them."""

    chain: Chain
    registered: list[bytes] = field(default_factory=list)
    drawn: set[bytes] = field(default_factory=set)
    entries: int = 0
    payments: int = 0

    def registration(self, pair: int, number: int) -> RegisterReceivable:
        exporter, debtor = _EXPORTERS[pair], FINGERPRINTS.debtor(_DEBTORS[pair])
        due = FIRST_DAY + TENOR_DAYS
        # The last digits make the amounts differ: no two receivables look alike to the registry.
        amount = FACE + number
        return RegisterReceivable(
            exporter=exporter,
            debtor_reference=debtor,
            currency="USD",
            face_amount=amount,
            issue_date=FIRST_DAY,
            due_date=due,
            fingerprints=Fingerprints(
                epoch=FINGERPRINTS.epoch,
                invoice=FINGERPRINTS.invoice(exporter, debtor, f"INV-{number}", None),
                fiscal=None,
                document=None,
                similar=FINGERPRINTS.similar(exporter, debtor, amount, "USD", due),
                deliveries=(),
            ),
            evidence=(Evidence(EvidenceKind.INVOICE, number.to_bytes(32, "big")),),
            schedule=(),
            reverse_factoring_debtor=None,
        )

    def register(self, entries: int, operations: int) -> Cost:
        """One block of registrations by the exporters in turn."""
        made: list[Entry] = []
        for _ in range(entries):
            pair = self.entries % PAIRS
            self.entries += 1
            first = len(self.registered)
            made.append(
                self.chain.entry(
                    (_EXPORTERS[pair],),
                    (self.registration(pair, number) for number in range(first, first + operations)),
                )
            )
            self.registered += (receivable_id(made[-1].entry_id, index) for index in range(operations))
        return self.chain.block(made)

    def fill(self, size: int) -> None:
        """Register until there are `size` receivables."""
        while (missing := size - len(self.registered)) > 0:
            entries = min(FILL_ENTRIES, -(-missing // FILL_OPERATIONS))
            self.register(entries, min(FILL_OPERATIONS, missing))


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured at each size: `blocks` blocks of `operations` operations of each kind, and blocks in which so many
    liens end, `rounds` times each. In all it takes blocks x operations + rounds x sum(expiring) receivables of one size."""

    blocks: int = 20
    operations: int = 100
    expiring: tuple[int, ...] = (0, 10, 100, 1_000)
    rounds: int = 3


def measure(
    chain: Chain, sizes: Sequence[int], extent: Extent, told: Callable[[str], None]
) -> tuple[SizeFigures, ...]:
    """The figures at each size, ascending."""
    portfolio = Portfolio(chain)
    chance = random.Random(SEED)
    figures: list[SizeFigures] = []
    for size in sizes:
        told(f"registering up to {size:,} receivables")
        portfolio.fill(size)
        told(f"measuring at {size:,} receivables")
        costs = _operation_costs(portfolio, chance, extent)
        figures.append(SizeFigures(size, costs, _expiry_costs(portfolio, chance, extent)))
    return tuple(figures)


def _operation_costs(portfolio: Portfolio, chance: random.Random, extent: Extent) -> dict[str, Cost]:
    chain, operations = portfolio.chain, extent.operations
    groups = _groups(portfolio, chance, extent.blocks, operations)
    costs: dict[str, Cost] = {}

    def take(name: str, run: Callable[[list[Receivable]], Entry]) -> None:
        entries = [run(_records(chain, group)) for group in groups]
        costs[name] = _median([chain.block([entry]) for entry in entries], operations)

    take("Confirm", lambda records: _confirm(chain, records))
    take("Assign", lambda records: assign(chain, records))
    take("Pledge", lambda records: _pledge(chain, records, chain.tip.time_ms + 2 * LIEN_DAYS * DAY_MS))
    take("ReleasePledge", lambda records: _release(chain, records))
    take("RecordPayment", lambda records: _pay(portfolio, records))
    take("RaiseDispute", lambda records: _dispute(chain, records))
    registering = [portfolio.register(1, operations) for _ in range(extent.blocks)]
    return {"RegisterReceivable": _median(registering, operations), **costs}


def _expiry_costs(portfolio: Portfolio, chance: random.Random, extent: Extent) -> dict[int, float]:
    """Processor microseconds of an empty block by how many liens end in it: the median of the rounds."""
    chain = portfolio.chain
    costs: dict[int, list[float]] = {count: [] for count in extent.expiring}
    for _ in range(extent.rounds):
        for count in extent.expiring:
            until_ms = chain.tip.time_ms + LIEN_DAYS * DAY_MS
            if count:
                groups = _groups(portfolio, chance, max(1, count // GROUP), min(count, GROUP))
                chain.block([_pledge(chain, _records(chain, group), until_ms) for group in groups])
            costs[count].append(chain.block([], time_ms=until_ms).applied_us)
    return {count: statistics.median(measured) for count, measured in costs.items()}


def _groups(portfolio: Portfolio, chance: random.Random, blocks: int, operations: int) -> list[list[bytes]]:
    """Receivables that were never drawn before, each group of one exporter."""
    pairs: dict[str, list[bytes]] = {}
    groups: list[list[bytes]] = []
    while len(groups) < blocks:
        identifier = chance.choice(portfolio.registered)
        if identifier in portfolio.drawn:
            continue
        portfolio.drawn.add(identifier)
        record = portfolio.chain.record(identifier)
        group = pairs.setdefault(record.exporter, [])
        group.append(identifier)
        if len(group) == operations:
            groups.append(pairs.pop(record.exporter))
    return groups


def _records(chain: Chain, identifiers: Iterable[bytes]) -> list[Receivable]:
    return [chain.record(identifier) for identifier in identifiers]


def _confirm(chain: Chain, records: Sequence[Receivable]) -> Entry:
    debtor = _debtor_of(records[0])
    return chain.entry(
        (debtor,), (Confirm(record.receivable_id, debtor, record.outstanding, ()) for record in records)
    )


def assign(chain: Chain, records: Sequence[Receivable]) -> Entry:
    exporter, factor = records[0].exporter, _FACTOR
    return chain.entry(
        (exporter, factor),
        (
            Assign(
                receivable=record.receivable_id,
                assignor=exporter,
                assignee=factor,
                amount=FACE // 2,
                with_recourse=True,
                price_commitment=None,
                verified_fingerprints=record.fingerprints.digest(),
                acknowledged_suspicions=(),
            )
            for record in records
        ),
    )


def _pledge(chain: Chain, records: Sequence[Receivable], until_ms: int) -> Entry:
    exporter, pledgee = records[0].exporter, _PLEDGEE
    return chain.entry(
        (exporter, pledgee),
        (
            Pledge(
                receivable=record.receivable_id,
                pledgor=exporter,
                pledgee=pledgee,
                amount=FACE // 4,
                until_ms=until_ms,
                junior_to=None,
                verified_fingerprints=record.fingerprints.digest(),
                acknowledged_suspicions=(),
            )
            for record in records
        ),
    )


def _release(chain: Chain, records: Sequence[Receivable]) -> Entry:
    pledgee = _PLEDGEE
    return chain.entry(
        (pledgee,),
        (ReleasePledge(record.receivable_id, record.liens[0].lien_id, pledgee) for record in records),
    )


def _pay(portfolio: Portfolio, records: Sequence[Receivable]) -> Entry:
    factor = _FACTOR
    operations = []
    for record in records:
        portfolio.payments += 1
        bank_reference = FINGERPRINTS.payment("BANK", str(portfolio.payments))
        operations.append(RecordPayment(record.receivable_id, factor, factor, FACE // 8, bank_reference, ()))
    return portfolio.chain.entry((factor,), operations)


def _dispute(chain: Chain, records: Sequence[Receivable]) -> Entry:
    debtor = _debtor_of(records[0])
    return chain.entry(
        (debtor,),
        (RaiseDispute(record.receivable_id, debtor, FACE // 8, DisputeReason.QUALITY) for record in records),
    )


def _median(costs: Sequence[Cost], operations: int) -> Cost:
    return Cost(
        rules_us=statistics.median(cost.rules_us for cost in costs) / operations,
        tree_us=statistics.median(cost.tree_us for cost in costs) / operations,
        store_us=statistics.median(cost.store_us for cost in costs) / operations,
    )


def _debtor_of(record: Receivable) -> MemberId:
    return _DEBTORS[_EXPORTERS.index(MemberId(record.exporter))]


def _consortium() -> tuple[dict[str, SigningKey], Genesis]:
    """Exporters, debtors, a factor, a pledgee and the association; one node, which never votes here."""
    roles = {_ASSOCIATION: Role.ASSOCIATION, _FACTOR: Role.FACTOR, _PLEDGEE: Role.FACTOR}
    roles |= dict.fromkeys(_EXPORTERS, Role.EXPORTER)
    roles |= dict.fromkeys(_DEBTORS, Role.DEBTOR)
    keys: dict[str, SigningKey] = {
        member: SigningKey(number.to_bytes(32, "big")) for number, member in enumerate(sorted(roles), start=1)
    }
    members = tuple(
        Member(
            member_id=member,
            roles=(roles[member],),
            status=MemberStatus.ACTIVE,
            numbering=Numbering.CONTINUOUS,
            debtor_reference=FINGERPRINTS.debtor(member),
            keys=(MemberKey(keys[member].public_key, 0, FOREVER),),
        )
        for member in sorted(roles)
    )
    document = encode_genesis(
        name="scale",
        time_ms=FIRST_DAY * DAY_MS,
        fingerprint_epoch=1,
        governance_threshold=1,
        policy=Policy(ConfirmationPolicy.NONE, False, 366, True, ("USD",)),
        nodes=(NetworkNode("n1", _ASSOCIATION, SigningKey(b"\x07" * 32).public_key, 1, b"none"),),
        members=members,
    )
    return keys, parse_genesis(document)
