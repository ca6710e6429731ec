"""The application behind consensus: what a payload means, and what follows from committing it.

Guarantees: `prepare` makes only what `validate` accepts; `validate` and `commit` accept a block only when executing it on the
state of its parent gives every root that its header states, the parent's certificate and the evidence prove what they
claim, and its proposer is a validator. A block is executed once, whichever of the three meets it first. Afterwards the store
holds all of it, or none.
Leaves to others: the rules (`registry.transition`), the order (consensus), admission of single entries (`door`).

One thread, the engine's, owns it; `tip` may be read from any.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Final

from consensus.certificate import Certificate, verify_certificate
from consensus.errors import CertificateInvalid, EvidenceInvalid, InvalidMessage
from consensus.evidence import Equivocation, verify_evidence
from consensus.messages import BlockHash
from consensus.validators import NodeId, ValidatorSet
from node.clock import Clock
from node.mempool import Mempool
from node.node_history import NodeHistory
from node.ports import BlockRecord, BuiltValue, Committed, SnapshotPort, StorePort, Tip, ValueInfo
from registry import limits
from registry.block import Block, decode_block, decode_header, encode_block, make_block
from registry.entry import Entry, decode_entry, verify_signatures
from registry.errors import BadSignature, BlockInvalid, Code, EntryRefused, StoreCorrupt
from registry.genesis import Genesis
from registry.merkle.log import Frontier, frontier_from
from registry.operations import total_weight
from registry.signing import verify
from registry.transition import (
    BlockExecution,
    BlockResult,
    ChainTip,
    apply_block,
    compose_header,
    genesis_state,
    genesis_tip,
)

EXECUTED_MAX: Final = 4
"""Executed blocks of one height that are remembered: those of the rounds that may still decide."""
DECODED_MAX: Final = 8
"""Payloads that are kept decoded between identify and validate."""
EVIDENCE_MAX: Final = 1_000
"""Evidence that waits for a block; a faulty validator makes one per height, round and type."""
EVIDENCE_AGE_MAX: Final = 100_000
"""Heights after which a fault is no longer put on the record: some weeks of a busy chain."""
SIGNATURES_PER_TASK: Final = 64
"""About 3 ms of work: for less, handing over to another thread costs more than it brings."""


@dataclass(frozen=True, slots=True)
class ExecutorSettings:
    """How much one block may take on."""

    node_id: NodeId
    build_ms: int = 100
    """How long a proposer works on its first block. Building, sending and executing must fit into the propose timeout, so
    the time adapts: less when an own block was not decided in its round, more when it was and there was more to take."""
    build_ms_min: int = 20
    build_ms_max: int = 400
    operations_min: int = 100
    """So many go into a block whatever the clock says: ordering a block costs every node about as much as these."""
    signature_threads: int = 2


@dataclass(frozen=True, slots=True)
class _Built:
    """The last block that this node made, until its height is decided."""

    block_hash: bytes
    round: int
    cut_short: bool


@dataclass(frozen=True, slots=True)
class _Executed:
    block: Block
    entries: tuple[Entry, ...]
    evidence_ids: tuple[bytes, ...]
    result: BlockResult


class Executor:
    """See the module's docstring; implements ports.Application."""

    def __init__(
        self, settings: ExecutorSettings, genesis: Genesis, store: StorePort, mempool: Mempool, clock: Clock
    ) -> None:
        """Writes the genesis state into an empty store. Raises StoreCorrupt, StoreFailed."""
        self._settings = settings
        self._genesis = genesis
        self._store = store
        self._mempool = mempool
        self._clock = clock
        self._evidence: dict[bytes, Equivocation] = {}
        self._decoded: OrderedDict[bytes, Block] = OrderedDict()
        self._executed: OrderedDict[bytes, _Executed] = OrderedDict()
        self._build_ms = settings.build_ms
        self._built: _Built | None = None
        self._threads = ThreadPoolExecutor(settings.signature_threads, thread_name_prefix="signatures")
        if store.is_empty():
            # If we were to crash before this is durable, the store would be empty still, and this line run again.
            store.commit_genesis(genesis_state(genesis).delta)
        self.nodes = NodeHistory(store)
        with store.read() as snapshot:
            self._tip = read_tip(genesis, snapshot)
            self._certificate = snapshot.certificate(self._tip.height) or b""

    def close(self) -> None:
        """Stop the threads."""
        self._threads.shutdown(cancel_futures=True)

    # -- What consensus asks ----------------------------------------------------------------------------------------

    def tip(self) -> Tip:
        """The last committed block."""
        tip = self._tip
        return Tip(tip.height, BlockHash(tip.block_hash), tip.time_ms, self._certificate)

    def validators(self, height: int) -> ValidatorSet:
        """Who votes at `height`, by what the ledger has decided."""
        return self.nodes.validators(height)

    def has_work(self) -> bool:
        """Whether a block built now would carry an entry or evidence."""
        return len(self._mempool) > 0 or bool(self._evidence)

    def identify(self, payload: bytes) -> ValueInfo:
        """Height, hash and time of a payload whose header fixes its body. Raises BlockInvalid."""
        block = self._decode(payload)
        return ValueInfo(block.header.height, BlockHash(block.block_hash), block.header.time_ms)

    def prepare(self, height: int, round: int, now_ms: int) -> BuiltValue:
        """Build a block on the tip from what waits, and remember its execution."""
        if height != self._tip.height + 1:
            raise AssertionError(f"asked for height {height} on a tip at {self._tip.height}")
        time_ms = max(now_ms, self._tip.time_ms + 1)
        evidence = self._evidence_for_block()
        encoded_evidence = tuple(item.encode() for _, item in evidence)
        with self._store.read() as snapshot:
            execution = BlockExecution(snapshot, self._tip, time_ms)
            entries, cut_short = self._fill(execution)
            result = execution.finish()
        raws = tuple(entry.raw for entry in entries)
        header = compose_header(
            execution, result, raws, self._certificate, encoded_evidence, self._settings.node_id
        )
        block = make_block(header, raws, self._certificate, encoded_evidence)
        payload = encode_block(block)
        self._remember(_Executed(block, entries, tuple(key for key, _ in evidence), result))
        self._remember_decoded(payload, block)
        self._built = _Built(block.block_hash, round, cut_short)
        return BuiltValue(BlockHash(block.block_hash), payload, time_ms)

    def validate(self, payload: bytes) -> ValueInfo:
        """Execute a block on the tip and compare every root. Raises BlockInvalid."""
        block = self._decode(payload)
        self._execute(block)
        return ValueInfo(block.header.height, BlockHash(block.block_hash), block.header.time_ms)

    def commit(self, payload: bytes, certificate: bytes) -> Committed:
        """Make a decided block durable. Raises BlockInvalid, StoreFailed."""
        block = self._decode(payload)
        executed = self._execute(block)
        header = block.header
        _, nodes = self._tip.history.append_with_nodes(block.block_hash)
        entry_ids = tuple(entry.entry_id for entry in executed.entries)
        record = BlockRecord(
            height=header.height,
            header_bytes=block.header_bytes,
            block=payload,
            certificate=certificate,
            entry_ids=entry_ids,
            receipts=executed.result.receipts,
            evidence_ids=executed.evidence_ids,
            history_nodes=nodes,
            delta=executed.result.delta,
        )
        self._store.commit(record)
        # If we were to crash here, the next start would read this tip from the store; all below is memory.
        self._tip = self._tip.after(block)
        self._certificate = certificate
        self.nodes.committed(executed.result.delta)
        self._adapt_build_time(block, Certificate.decode(certificate).round)
        self._executed.clear()
        self._decoded.clear()
        for evidence_id in executed.evidence_ids:
            self._evidence.pop(evidence_id, None)
        dropped = self._mempool.committed(executed.entries, header.time_ms, self._clock.monotonic_ms())
        return Committed(
            height=header.height,
            block_hash=BlockHash(block.block_hash),
            time_ms=header.time_ms,
            entry_ids=entry_ids,
            receipts=executed.result.receipts,
            header_bytes=block.header_bytes,
            certificate=certificate,
            dropped=dropped,
        )

    def committed_payload(self, height: int, block_hash: BlockHash) -> bytes | None:
        """The payload of a committed block, if it has this hash."""
        with self._store.read() as snapshot:
            return snapshot.block(height) if snapshot.block_hash(height) == block_hash else None

    def committed_certificate(self, height: int) -> bytes | None:
        """The certificate of a committed block."""
        with self._store.read() as snapshot:
            return snapshot.certificate(height)

    def add_evidence(self, evidence: Equivocation) -> None:
        """Keep evidence for a block that this node proposes."""
        evidence_id = evidence.id(self._genesis.chain_id)
        if len(self._evidence) >= EVIDENCE_MAX:
            return
        with self._store.read() as snapshot:
            if not snapshot.has_evidence(evidence_id):
                self._evidence[evidence_id] = evidence

    # -- Building ---------------------------------------------------------------------------------------------------

    def _fill(self, execution: BlockExecution) -> tuple[tuple[Entry, ...], bool]:
        """Apply what waits, in the mempool's order, until the block is full; whether the time ran out before."""
        # Half of the time: to encode what has changed and to hash it into the tree takes as long as applying it did.
        until_ms = self._clock.monotonic_ms() + self._build_ms // 2
        taken: list[Entry] = []
        entry_bytes = operations = 0
        for entry in islice(self._mempool.candidates(execution.height), limits.BLOCK_ENTRIES_MAX):
            if operations >= self._settings.operations_min and self._clock.monotonic_ms() >= until_ms:
                return tuple(taken), True
            entry_bytes += len(entry.raw)
            operations += total_weight(entry.body.operations)
            if entry_bytes > limits.BLOCK_BYTES_MAX or operations > limits.BLOCK_OPERATIONS_MAX:
                break
            try:
                execution.apply(entry)
            except EntryRefused as refusal:
                self._mempool.drop(entry.entry_id, refusal.code, refusal.message)
            else:
                taken.append(entry)
        return tuple(taken), False

    def _adapt_build_time(self, decided: Block, round: int) -> None:
        """Learn from the own block of this height, if there was one, how much the validators can execute in time."""
        built, self._built = self._built, None
        if built is None:
            return
        if (built.block_hash, built.round) != (decided.block_hash, round):
            self._build_ms = max(self._settings.build_ms_min, self._build_ms * 6 // 10)
        elif built.cut_short:
            self._build_ms = min(self._settings.build_ms_max, self._build_ms * 11 // 10 + 1)

    def _evidence_for_block(self) -> list[tuple[bytes, Equivocation]]:
        """Oldest first, as `_check_evidence` demands of every block."""
        oldest = self._tip.height + 1 - EVIDENCE_AGE_MAX
        for evidence_id in [key for key, item in self._evidence.items() if item.height < oldest]:
            del self._evidence[evidence_id]
        waiting = sorted(self._evidence.items(), key=lambda item: (item[1].height, item[0]))
        return [item for item in waiting if item[1].height <= self._tip.height + 1][
            : limits.EVIDENCE_ITEMS_MAX
        ]

    # -- Checking ---------------------------------------------------------------------------------------------------

    def _execute(self, block: Block) -> _Executed:
        known = self._executed.get(block.block_hash)
        if known is not None:
            return known
        height = self._tip.height
        check_parent_certificate(self._tip, self.validators(height), block, self._certificate)
        if self.validators(height + 1).get(NodeId(block.header.proposer)) is None:
            raise BlockInvalid(f"the proposer {block.header.proposer} is no validator")
        with self._store.read() as snapshot:
            evidence_ids = self._check_evidence(snapshot, block)
            entries = self._verified_entries(block.entries)
            result = apply_block(snapshot, self._tip, block, entries)
        return self._remember(_Executed(block, entries, evidence_ids, result))

    def _verified_entries(self, raws: Sequence[bytes]) -> tuple[Entry, ...]:
        """The block's entries, decoded, with all signatures checked: those in the mempool were, when they came in."""
        entries: list[Entry] = []
        unverified: list[tuple[int, Entry]] = []
        for index, raw in enumerate(raws):
            entry = self._mempool.verified(raw)
            if entry is None:
                try:
                    entry = decode_entry(raw)
                except EntryRefused as error:
                    raise BlockInvalid(f"entry {index} is malformed: {error.message}") from error
                unverified.append((index, entry))
            entries.append(entry)
        parts = [
            unverified[start : start + SIGNATURES_PER_TASK]
            for start in range(0, len(unverified), SIGNATURES_PER_TASK)
        ]
        if len(parts) == 1:
            _verify_all(parts[0])
        else:
            # libsodium works without the interpreter's lock, so the parts really run side by side.
            for _ in self._threads.map(_verify_all, parts):
                pass
        return tuple(entries)

    def _check_evidence(self, snapshot: SnapshotPort, block: Block) -> tuple[bytes, ...]:
        """Each piece proves a fault, is not on the record yet, and they stand oldest first. Raises BlockInvalid."""
        chain_id, height = self._genesis.chain_id, block.header.height
        places: list[tuple[int, bytes]] = []
        for index, raw in enumerate(block.evidence):
            try:
                evidence = Equivocation.decode(raw)
                verify_evidence(evidence, self.validators(evidence.height), chain_id, verify)
            except (InvalidMessage, EvidenceInvalid, BadSignature) as error:
                raise BlockInvalid(f"evidence {index} proves nothing: {error}") from error
            if not height - EVIDENCE_AGE_MAX <= evidence.height <= height:
                raise BlockInvalid(f"evidence {index} is of height {evidence.height}, the block of {height}")
            evidence_id = evidence.id(chain_id)
            if snapshot.has_evidence(evidence_id):
                raise BlockInvalid(f"evidence {index} is on the record already")
            places.append((evidence.height, evidence_id))
        if places != sorted(set(places)):
            raise BlockInvalid("evidence must stand oldest first, each once")
        return tuple(evidence_id for _, evidence_id in places)

    # -- Memory -----------------------------------------------------------------------------------------------------

    def _decode(self, payload: bytes) -> Block:
        block = self._decoded.get(payload)
        if block is None:
            block = decode_block(payload)
            self._remember_decoded(payload, block)
        return block

    def _remember_decoded(self, payload: bytes, block: Block) -> None:
        self._decoded[payload] = block
        while len(self._decoded) > DECODED_MAX:
            self._decoded.popitem(last=False)

    def _remember(self, executed: _Executed) -> _Executed:
        self._executed[executed.block.block_hash] = executed
        while len(self._executed) > EXECUTED_MAX:
            self._executed.popitem(last=False)
        return executed


def read_tip(genesis: Genesis, snapshot: SnapshotPort) -> ChainTip:
    """What the next block must join on to, from the store. Raises StoreCorrupt."""
    height = snapshot.height
    if height == 0:
        return genesis_tip(genesis)
    header_bytes, block_hash = snapshot.header(height), snapshot.block_hash(height)
    if header_bytes is None or block_hash is None:
        raise StoreCorrupt(f"the header of the last height {height} is missing", height=height)
    header = decode_header(header_bytes)
    history: Frontier = frontier_from(snapshot, height)
    return ChainTip(
        genesis.chain_id, height, block_hash, header.time_ms, history, header.next_validators_hash
    )


def check_parent_certificate(tip: ChainTip, validators: ValidatorSet, block: Block, known: bytes) -> None:
    """The block carries a certificate of its parent; `known` is one that was checked before. Raises BlockInvalid.

    Several certificates of one block exist: which validators' precommits came first differs from node to node.
    """
    if tip.height == 0:
        if block.last_certificate:
            raise BlockInvalid("the first block has no parent that could be certified")
        return
    if block.last_certificate == known:
        return
    try:
        certificate = Certificate.decode(block.last_certificate)
        if (certificate.height, certificate.block_hash) != (tip.height, tip.block_hash):
            raise BlockInvalid(
                "the certificate is not of the parent", found=certificate.height, expected=tip.height
            )
        verify_certificate(certificate, validators, tip.chain_id, verify)
    except (InvalidMessage, CertificateInvalid, BadSignature) as error:
        raise BlockInvalid(f"the parent's certificate proves nothing: {error}") from error


def _verify_all(entries: Sequence[tuple[int, Entry]]) -> None:
    for index, entry in entries:
        try:
            verify_signatures(entry)
        except BadSignature as error:
            raise BlockInvalid(
                f"entry {index} has a false signature: {error.message}", code=Code.BAD_SIGNATURE
            ) from error
