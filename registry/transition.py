"""One block applied to a state: validate, apply, compare each root. The heart of the registry, and a pure function.

Reading order: `apply_block` is what every validator and auditor runs; `BlockExecution` does the work, and a proposer uses it
directly to find out which entries fit; `judge_entry` is one entry; the rules themselves are in `registry.rules`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from . import limits
from .admission import check_chain, check_freshness, check_quota, check_right
from .block import (
    BLOCK_VERSION,
    RULES_VERSION,
    Block,
    Header,
    entries_root,
    last_certificate_hash,
)
from .entry import Entry, Mode
from .errors import (
    BlockInvalid,
    Code,
    EntryRefused,
    InvariantViolation,
    Reason,
    RuleViolation,
    StoreCorrupt,
    UpgradeNeeded,
)
from .expiry import expired_at
from .genesis import Genesis
from .merkle.log import Frontier, tree_root
from .nodes import NodeSet
from .operations import Operation, total_weight
from .operations.governance import Role
from .policy import Policy
from .receipt import RECEIPT_VERSION, Outcome, Receipt, Result, encode_receipt
from .rules import RULES, Judgement
from .state import Change, MemoryState, StateDelta, StateReader, WorkingState
from .stored import SINGLETON, Governance, Namespace


@dataclass(frozen=True, slots=True)
class ChainTip:
    """What the next block must join on to. `history` is the tree over the hashes of all blocks so far."""

    chain_id: bytes
    height: int
    block_hash: bytes
    time_ms: int
    history: Frontier
    validators_hash: bytes

    def after(self, block: Block) -> ChainTip:
        header = block.header
        return ChainTip(
            chain_id=self.chain_id,
            height=header.height,
            block_hash=block.block_hash,
            time_ms=header.time_ms,
            history=self.history.append(block.block_hash),
            validators_hash=header.next_validators_hash,
        )


@dataclass(frozen=True, slots=True)
class BlockResult:
    """What a block does: what to write, and the receipts in the order of the entries."""

    delta: StateDelta
    receipts: tuple[bytes, ...]
    state_root: bytes


def genesis_tip(genesis: Genesis) -> ChainTip:
    """The tip before the first block: its parent hash is the chain id itself."""
    return ChainTip(
        chain_id=genesis.chain_id,
        height=0,
        block_hash=genesis.chain_id,
        time_ms=genesis.time_ms,
        history=Frontier(0, ()),
        validators_hash=genesis.validators_hash(),
    )


def first_nodes(genesis: Genesis) -> NodeSet:
    """The nodes of the first block and, until the ledger decides otherwise, of all others."""
    return NodeSet(1, None, None, genesis.nodes)


def genesis_state(genesis: Genesis) -> BlockResult:
    """The state that the genesis document describes, as a delta on the empty state."""
    state = WorkingState(MemoryState())
    state.put(Namespace.POLICY, SINGLETON, genesis.policy)
    association = tuple(member.member_id for member in genesis.members if Role.ASSOCIATION in member.roles)
    state.put(
        Namespace.GOVERNANCE,
        SINGLETON,
        Governance(genesis.governance_threshold, genesis.fingerprint_epoch, association),
    )
    state.put(Namespace.VALIDATORS, SINGLETON, first_nodes(genesis))
    for node in genesis.nodes:
        state.put(Namespace.KEY_OWNER, node.consensus_key, node.member)
    for member in genesis.members:
        state.put(Namespace.MEMBER, member.member_id.encode(), member)
        for key in member.keys:
            state.put(Namespace.KEY_OWNER, key.public_key, member.member_id)
        if member.debtor_reference is not None:
            state.put(Namespace.REFERENCE_OWNER, member.debtor_reference, member.member_id)
    delta, root = state.finish()
    return BlockResult(delta, (), root)


@dataclass(frozen=True, slots=True)
class Step:
    """One applied operation and all that it wrote. Without an operation: what came by itself before the first entry."""

    entry_index: int
    operation_index: int
    operation: Operation | None
    flags: tuple[Reason, ...]
    changes: tuple[Change, ...]


class BlockExecution:
    """Entries applied one after the other on top of a committed state. Used once.

    With `steps`, a list, it notes there what each applied operation wrote: for who derives figures and alerts from it.
    """

    def __init__(
        self, reader: StateReader, tip: ChainTip, time_ms: int, steps: list[Step] | None = None
    ) -> None:
        self._steps = steps
        self.tip = tip
        self.height = tip.height + 1
        self.time_ms = time_ms
        self._state = WorkingState(reader)
        self._receipts: list[bytes] = []
        _check_version(self._state, self.height)
        # Policy is judged as it stood before the block: an entry cannot loosen it for its neighbours.
        self.policy = policy_at(self._state, self.height)
        if self.policy != self._state.policy():
            self._state.put(Namespace.POLICY, SINGLETON, self.policy)
        # What this very block decides is announced by the next one, and in force in the one after that.
        self.next_validators_hash = self._state.nodes_at(self.height + 1).validators_hash()
        expire_due(self._state, self.height, time_ms)
        if steps is not None:
            steps.append(Step(0, 0, None, (), self._state.changes_since(0)))

    def apply(self, entry: Entry) -> Receipt:
        """Judge one entry, whose signatures are verified. Raises EntryRefused and changes nothing if it may not be here."""
        receipt = judge_entry(
            self._state,
            self.policy,
            self.tip.chain_id,
            self.height,
            self.time_ms,
            entry,
            len(self._receipts),
            self._steps,
        )
        self._receipts.append(encode_receipt(receipt))
        return receipt

    def finish(self) -> BlockResult:
        delta, root = self._state.finish()
        return BlockResult(delta, tuple(self._receipts), root)

    def finish_without_tree(self) -> StateDelta:
        """What to write, for a follower of a chain whose roots others have compared."""
        return self._state.finish_without_tree()


def policy_at(state: WorkingState, height: int) -> Policy:
    """The policy by which block `height`, the next one on this state, is judged."""
    pending = state.pending_policy()
    return pending.policy if pending is not None and pending.from_height == height else state.policy()


def _check_version(state: WorkingState, height: int) -> None:
    upgrade = state.upgrade()
    if upgrade is not None and height > upgrade.halt_height and upgrade.rules_version > RULES_VERSION:
        raise UpgradeNeeded(
            f"the association has stopped this version at height {upgrade.halt_height}: block {height} needs software that "
            f"knows rules version {upgrade.rules_version}, and this one knows {RULES_VERSION}",
            halt_height=upgrade.halt_height,
            rules_version=upgrade.rules_version,
        )


def compose_header(
    execution: BlockExecution,
    result: BlockResult,
    entries: tuple[bytes, ...],
    last_certificate: bytes,
    evidence: tuple[bytes, ...],
    proposer: str,
) -> Header:
    """The only header that a block of these parts can have."""
    tip = execution.tip
    return Header(
        version=BLOCK_VERSION,
        chain_id=tip.chain_id,
        height=execution.height,
        time_ms=execution.time_ms,
        parent_hash=tip.block_hash,
        history_size=tip.history.size,
        history_root=tip.history.root(),
        entry_count=len(entries),
        entries_root=entries_root(entries),
        receipts_root=tree_root(result.receipts),
        state_root=result.state_root,
        validators_hash=tip.validators_hash,
        next_validators_hash=execution.next_validators_hash,
        rules_version=RULES_VERSION,
        policy_hash=execution.policy.hash(),
        last_certificate_hash=last_certificate_hash(last_certificate),
        evidence_root=tree_root(evidence),
        proposer=proposer,
    )


def apply_block(reader: StateReader, tip: ChainTip, block: Block, entries: Sequence[Entry]) -> BlockResult:
    """Run the block on the state at `tip` and compare every field of its header. Raises BlockInvalid.

    `entries` are the block's entries, decoded and with verified signatures. The parent's certificate and the evidence are
    checked by the caller, who knows the validators.
    """
    if tuple(entry.raw for entry in entries) != block.entries:
        raise InvariantViolation("the decoded entries are not those of the block", height=block.header.height)
    check_links(tip, block.header)
    if sum(total_weight(entry.body.operations) for entry in entries) > limits.BLOCK_OPERATIONS_MAX:
        raise BlockInvalid(f"more than {limits.BLOCK_OPERATIONS_MAX} operations in one block")
    execution = BlockExecution(reader, tip, block.header.time_ms)
    for index, entry in enumerate(entries):
        try:
            execution.apply(entry)
        except EntryRefused as error:
            raise BlockInvalid(
                f"entry {index} may not be in a block: {error.code}: {error.message}", entry_index=index
            ) from error
    result = execution.finish()
    expected = compose_header(
        execution, result, block.entries, block.last_certificate, block.evidence, block.header.proposer
    )
    compare_headers(block.header, expected)
    return result


def check_links(tip: ChainTip, header: Header) -> None:
    """The cheap checks, before anything is executed. Raises BlockInvalid."""
    facts = (
        ("chain_id", header.chain_id, tip.chain_id),
        ("height", header.height, tip.height + 1),
        ("parent_hash", header.parent_hash, tip.block_hash),
        ("rules_version", header.rules_version, RULES_VERSION),
    )
    for field, stated, expected in facts:
        if stated != expected:
            raise BlockInvalid(f"header.{field} is wrong", field=field, stated=stated, expected=expected)
    if header.time_ms <= tip.time_ms:
        raise BlockInvalid(
            "header.time_ms is not after the parent's", stated=header.time_ms, parent=tip.time_ms
        )


def compare_headers(stated: Header, expected: Header) -> None:
    """Raises BlockInvalid naming the first field that differs."""
    for field in fields(Header):
        left, right = getattr(stated, field.name), getattr(expected, field.name)
        if left != right:
            raise BlockInvalid(f"header.{field.name} is wrong", field=field.name, stated=left, expected=right)


def judge_entry(
    state: WorkingState,
    policy: Policy,
    chain_id: bytes,
    height: int,
    time_ms: int,
    entry: Entry,
    entry_index: int,
    steps: list[Step] | None = None,
) -> Receipt:
    """The receipt of one entry, with its effects in `state`. Raises EntryRefused (nothing changed) at the door.

    Order: chain, right, freshness, then operation by operation. A refused entry has used its sequence number all the same:
    the attempt is on the record, and cannot be repeated under the same number.
    """
    check_chain(entry, chain_id)
    signers = check_right(state, entry, height)
    check_freshness(state, entry, time_ms)
    use = check_quota(state, policy, entry, time_ms)
    body = entry.body
    state.put(Namespace.WINDOW, body.submitter.encode(), state.window(body.submitter).add(body.sequence))
    if use is not None:
        state.put(Namespace.QUOTA, body.submitter.encode(), use)
    results, failed = judge_operations(
        state, policy, chain_id, height, time_ms, entry, entry_index, signers, steps
    )
    outcome = _outcome_of(results)
    return Receipt(RECEIPT_VERSION, height, entry_index, entry.entry_id, outcome, failed, results)


def judge_operations(
    state: WorkingState,
    policy: Policy,
    chain_id: bytes,
    height: int,
    time_ms: int,
    entry: Entry,
    entry_index: int,
    signers: frozenset[str],
    steps: list[Step] | None = None,
) -> tuple[tuple[Result, ...], int | None]:
    """One result per operation, with their effects in `state`, and the index at which an atomic entry failed.

    The door is not asked: a preflight tells a party what the rules would say before everyone has signed.
    """
    start, steps_before = state.savepoint(), 0 if steps is None else len(steps)
    keys = frozenset(signature.public_key for signature in entry.signatures)
    results: list[Result] = []
    operations = entry.body.operations
    for index, operation in enumerate(operations):
        judgement = Judgement(
            state, policy, chain_id, height, time_ms, entry.entry_id, entry_index, index, signers, keys
        )
        mark = state.savepoint()
        result = judge_operation(judgement, operation)
        results.append(result)
        if steps is not None and result.code is Code.OK:
            steps.append(Step(entry_index, index, operation, result.reasons, state.changes_since(mark)))
        if result.code is not Code.OK and entry.body.mode is Mode.ATOMIC:
            state.roll_back(start)
            if steps is not None:
                del steps[steps_before:]
            return _withhold(results, len(operations)), index
    return tuple(results), None


def _outcome_of(results: tuple[Result, ...]) -> Outcome:
    applied = sum(result.code is Code.OK for result in results)
    if applied == len(results):
        return Outcome.APPLIED
    return Outcome.PARTLY if applied else Outcome.REFUSED


def judge_operation(judgement: Judgement, operation: Operation) -> Result:
    """The result of one operation, with its effects in the state; a refused one has none."""
    mark = judgement.state.savepoint()
    try:
        subject = RULES[type(operation)].apply(judgement, operation)
    except RuleViolation as refusal:
        judgement.state.roll_back(mark)
        return Result(refusal.code, b"", refusal.collided_with, refusal.reasons)
    return Result(Code.OK, subject, None, tuple(judgement.flags))


def _withhold(results: list[Result], operation_count: int) -> tuple[Result, ...]:
    """An atomic entry that failed: only the failing operation has a refusal, the others were not applied."""
    not_applied = (Result(Code.NOT_APPLIED, b"", None, ()),)
    return (
        *(not_applied * (len(results) - 1)),
        results[-1],
        *(not_applied * (operation_count - len(results))),
    )


def expire_due(state: WorkingState, height: int, time_ms: int) -> None:
    """What runs out or takes effect at a time does so before the block's first entry, a bounded number in each block."""
    for until_ms, receivable_id in state.reader.due(time_ms, limits.EXPIRIES_PER_BLOCK_MAX):
        record = state.receivable(receivable_id)
        if record is None:
            raise StoreCorrupt(
                f"a claim on {receivable_id.hex()} is to expire at {until_ms}, but it is not there"
            )
        changed = expired_at(record, time_ms)
        if changed != record:
            state.put(Namespace.RECEIVABLE, receivable_id, replace(changed, changed_height=height))
