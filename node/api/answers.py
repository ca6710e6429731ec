"""From one snapshot of the store to the answers of the API, proofs included.

Guarantees: every answer is of one height: value or absence, map proof, header and certificate come from the same read
transaction. A fingerprint that is present is followed to its receivable. Nothing is left out of an answer for want of a
value: absence is proved.
Leaves to others: who may ask (`access`, the services), and opening the snapshot.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from node.api.preflight import Preflight
from node.ports import SnapshotPort
from node.query_history import Questions
from node.status import CallCode, CallRefused
from pledgebook.v1 import ledger_pb2, registry_pb2
from registry.block import decode_header
from registry.codec import unpack
from registry.errors import MalformedEntry, StoreCorrupt
from registry.fingerprints import FINGERPRINT_BYTES, FingerprintKind
from registry.identifiers import ID_BYTES
from registry.merkle.log import LeafTree
from registry.merkle.map import InclusionProof, encode_absence, encode_inclusion, prove
from registry.nodes import encode_voters, voters
from registry.operations.fields import MEMBER_ID
from registry.receipt import Result
from registry.receivable import REFERENCE
from registry.state import WorkingState
from registry.stored import (
    EMPTY_PRIVATE_DIGEST,
    SINGLETON,
    STORED_VALUE_BYTES_MAX,
    Namespace,
    private_digest,
    split_stored,
    state_key,
)

KEYS_MAX = 100
# A client further behind than this many changes of the validators is to begin at a newer checkpoint.
VALIDATOR_CHANGES_MAX = 1_000
FIRST_BLOCK_MS = 500
_ASKABLE = {int(kind) for kind in (FingerprintKind.INVOICE, FingerprintKind.FISCAL, FingerprintKind.DOCUMENT)}


def certified_header(snapshot: SnapshotPort, height: int) -> ledger_pb2.CertifiedHeader:
    """Header and certificate of a committed height. Raises CallRefused when there is none."""
    header, certificate = snapshot.header(height), snapshot.certificate(height)
    if header is None or certificate is None:
        raise CallRefused(
            CallCode.UNKNOWN_HEIGHT,
            f"no block of height {height}; the last committed one is {snapshot.height}",
        )
    return ledger_pb2.CertifiedHeader(header=header, certificate=certificate)


def head_of(snapshot: SnapshotPort) -> ledger_pb2.CertifiedHeader:
    """Header and certificate of the last committed block. Raises CallRefused before the first one."""
    if snapshot.height == 0:
        raise CallRefused(
            CallCode.NO_BLOCK_YET,
            "no block is committed yet, so nothing can be proved",
            retry_after_ms=FIRST_BLOCK_MS,
        )
    return certified_header(snapshot, snapshot.height)


def validator_changes(
    snapshot: SnapshotPort, trusted_height: int, height: int
) -> list[ledger_pb2.ValidatorChange]:
    """Every change of the validators after those of the trusted height, up to those of `height`, oldest first.

    A trusted height of 0 is the genesis, whose set is that of the first block.
    """
    changes: list[ledger_pb2.ValidatorChange] = []
    # Walked back from the newest decision, so that a caller who knows it, as nearly all do, costs one look-up.
    for nodes in WorkingState(snapshot).node_changes(max(trusted_height, 1)):
        if nodes.from_height > height:
            break
        head = certified_header(snapshot, nodes.from_height - 1)
        header = decode_header(head.header)
        if header.next_validators_hash == header.validators_hash:
            continue  # other nodes, certificates or members, and the same validators
        changes.append(ledger_pb2.ValidatorChange(head=head, validators=encode_voters(voters(nodes.nodes))))
    if len(changes) > VALIDATOR_CHANGES_MAX:
        raise CallRefused(
            CallCode.BAD_REQUEST,
            f"more than {VALIDATOR_CHANGES_MAX} changes of the validators since height {trusted_height}",
        )
    return changes


def status_answers(
    snapshot: SnapshotPort, keys: Sequence[registry_pb2.ReceivableKey]
) -> list[registry_pb2.StatusAnswer]:
    """One answer per key, in order. Raises CallRefused on a key that is none."""
    return [_status_answer(snapshot, key) for key in keys]


def _status_answer(snapshot: SnapshotPort, key: registry_pb2.ReceivableKey) -> registry_pb2.StatusAnswer:
    namespace, identifier = key_of(key)
    found = look_up(snapshot, namespace, identifier)
    if isinstance(found, registry_pb2.AbsentValue):
        return registry_pb2.StatusAnswer(absent=found)
    if namespace is Namespace.RECEIVABLE:
        return registry_pb2.StatusAnswer(present=found)
    receivable = look_up(snapshot, Namespace.RECEIVABLE, receivable_behind(found.public))
    if isinstance(receivable, registry_pb2.AbsentValue):
        raise StoreCorrupt("a fingerprint names a receivable that is not in the state", identifier=identifier)
    return registry_pb2.StatusAnswer(fingerprint=found, present=receivable)


def key_of(key: registry_pb2.ReceivableKey) -> tuple[Namespace, bytes]:
    """Namespace and id of what a key names. Raises CallRefused."""
    match key.WhichOneof("key"):
        case "receivable_id":
            if len(key.receivable_id) != ID_BYTES:
                raise CallRefused(
                    CallCode.BAD_REQUEST,
                    f"a receivable id has {ID_BYTES} bytes, not {len(key.receivable_id)}",
                )
            return Namespace.RECEIVABLE, key.receivable_id
        case "fingerprint":
            kind, value = key.fingerprint.kind, key.fingerprint.value
            if kind not in _ASKABLE or len(value) != FINGERPRINT_BYTES:
                raise CallRefused(
                    CallCode.BAD_REQUEST,
                    f"a fingerprint is of kind {sorted(_ASKABLE)} and has {FINGERPRINT_BYTES} bytes; "
                    f"this one is of kind {kind} and has {len(value)}",
                )
            return Namespace.FINGERPRINT, bytes([kind]) + value
        case _:
            raise CallRefused(
                CallCode.BAD_REQUEST, "a key names a receivable by id or by fingerprint; this one is empty"
            )


def look_up(
    snapshot: SnapshotPort, namespace: Namespace, identifier: bytes
) -> registry_pb2.PresentValue | registry_pb2.AbsentValue:
    """A value's public part with its proof of inclusion, or a proof of absence."""
    key_hash = state_key(namespace, identifier)
    proof = prove(snapshot, key_hash)
    stored = snapshot.value(key_hash)
    if isinstance(proof, InclusionProof) is not (stored is not None):
        raise StoreCorrupt("the state tree and the stored values disagree", namespace=namespace.name)
    if stored is None:
        assert not isinstance(proof, InclusionProof), "checked above"
        return registry_pb2.AbsentValue(absence_proof=encode_absence(proof))
    assert isinstance(proof, InclusionProof), "checked above"
    public, private = split_stored(stored)
    return registry_pb2.PresentValue(
        public=public,
        private_digest=private_digest(private) if private else EMPTY_PRIVATE_DIGEST,
        inclusion_proof=encode_inclusion(proof),
    )


def receivable_behind(fingerprint_value: bytes) -> bytes:
    """The receivable id that the value stored under a fingerprint names."""
    return REFERENCE.decode(unpack(fingerprint_value, STORED_VALUE_BYTES_MAX), "reference").subject


def nodes_answer(snapshot: SnapshotPort, trusted_height: int) -> registry_pb2.GetNodesResponse:
    """The latest decision on who the nodes are, with its proof."""
    found = look_up(snapshot, Namespace.VALIDATORS, SINGLETON)
    if isinstance(found, registry_pb2.AbsentValue):
        raise StoreCorrupt("the state has no nodes")
    return registry_pb2.GetNodesResponse(
        head=head_of(snapshot),
        nodes=found,
        validator_changes=validator_changes(snapshot, trusted_height, snapshot.height),
    )


def member_answer(
    snapshot: SnapshotPort, member_id: str, trusted_height: int
) -> registry_pb2.GetMemberResponse:
    """A member's record and its anti-replay window, each with its proof."""
    answer = registry_pb2.GetMemberResponse(
        head=head_of(snapshot),
        validator_changes=validator_changes(snapshot, trusted_height, snapshot.height),
    )
    for namespace, present, absent in (
        (Namespace.MEMBER, answer.member, answer.member_absent),
        (Namespace.WINDOW, answer.window, answer.window_absent),
    ):
        found = look_up(snapshot, namespace, member_id.encode())
        if isinstance(found, registry_pb2.PresentValue):
            present.CopyFrom(found)
        else:
            absent.CopyFrom(found)
    return answer


def policy_answer(snapshot: SnapshotPort, trusted_height: int) -> registry_pb2.GetPolicyResponse:
    """The policy in force and the latest decision on it, each with its proof."""
    policy = look_up(snapshot, Namespace.POLICY, SINGLETON)
    if isinstance(policy, registry_pb2.AbsentValue):
        raise StoreCorrupt("the state has no policy")
    answer = registry_pb2.GetPolicyResponse(
        head=head_of(snapshot),
        policy=policy,
        validator_changes=validator_changes(snapshot, trusted_height, snapshot.height),
    )
    pending = look_up(snapshot, Namespace.PENDING_POLICY, SINGLETON)
    if isinstance(pending, registry_pb2.PresentValue):
        answer.pending.CopyFrom(pending)
    else:
        answer.pending_absent.CopyFrom(pending)
    return answer


class BlockReceipts:
    """The receipts of one block with their tree, so that many proofs share its hashing."""

    def __init__(self, snapshot: SnapshotPort, height: int) -> None:
        receipts = snapshot.receipts(height)
        if receipts is None:
            raise StoreCorrupt(f"the receipts of height {height} are missing", height=height)
        self.height = height
        self._receipts = receipts
        self._tree = LeafTree(receipts)
        self._head = certified_header(snapshot, height)

    def __len__(self) -> int:
        return len(self._receipts)

    def batch(
        self, indexes: Iterable[int], changes: Sequence[ledger_pb2.ValidatorChange]
    ) -> registry_pb2.ReceiptBatch:
        """The receipts at these places of the block, each with its path, and the changes that lead to its validators."""
        proofs = [
            registry_pb2.ReceiptProof(receipt=self._receipts[index], path=self._tree.inclusion_proof(index))
            for index in sorted(indexes)
        ]
        return registry_pb2.ReceiptBatch(head=self._head, receipts=proofs, validator_changes=changes)


def certified_block(snapshot: SnapshotPort, height: int, *, with_receipts: bool) -> ledger_pb2.CertifiedBlock:
    """A committed block as stored, with its certificate. Raises StoreCorrupt when a part of it is missing.

    Receipts are for readers; a node that catches up executes the block and has no use for them.
    """
    block, certificate = snapshot.block(height), snapshot.certificate(height)
    receipts = snapshot.receipts(height) if with_receipts else ()
    if block is None or certificate is None or receipts is None:
        raise StoreCorrupt(f"block {height} is not whole", height=height, last=snapshot.height)
    return ledger_pb2.CertifiedBlock(height=height, block=block, certificate=certificate, receipts=receipts)


def check_member_id(member_id: str) -> None:
    """Raises CallRefused on a text that is no member id."""
    try:
        MEMBER_ID.decode(member_id, "member_id")
    except MalformedEntry as error:
        raise CallRefused(CallCode.BAD_REQUEST, error.message) from error


def preflight_answer(judged: Preflight) -> registry_pb2.PreflightResponse:
    """The judgement of an entry that was not submitted."""
    return registry_pb2.PreflightResponse(
        height=judged.height,
        door_code=judged.door_code,
        door_message=judged.door_message,
        results=[_result_message(result) for result in judged.results],
    )


def queries_answer(questions: Questions) -> registry_pb2.ListQueriesResponse:
    """Who asked about a receivable, as this node keeps it."""
    return registry_pb2.ListQueriesResponse(
        queries=[
            registry_pb2.Query(
                asker=each.asker,
                kind=each.kind,
                purpose=each.purpose,
                first_ms=each.first_ms,
                last_ms=each.last_ms,
                times=each.times,
            )
            for each in questions.kept
        ],
        forgotten=questions.forgotten,
    )


def _result_message(result: Result) -> registry_pb2.OperationResult:
    message = registry_pb2.OperationResult(
        code=str(result.code),
        subject=result.subject,
        reasons=[f"{reason.word} {reason.amount}" for reason in result.reasons],
    )
    if result.collided_with is not None:
        message.collided_with = result.collided_with.subject
        message.collided_height = result.collided_with.height
        message.collided_entry = result.collided_with.entry_index
        message.collided_operation = result.collided_with.operation_index
    return message
