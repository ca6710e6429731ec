"""Reading answers without checking them, for who turns verification off: everything is merely a node's word.

Heads from here say so (`is_verified` is False). Measuring what verification costs is the one good use.
"""

from __future__ import annotations

from collections.abc import Sequence

from registry.block import block_hash_of, decode_header
from registry.codec import unpack
from registry.decisions import PENDING_POLICY
from registry.errors import MalformedEntry, ProofInvalid
from registry.identifiers import EntryId
from registry.member import MEMBER
from registry.nodes import NODE_SET
from registry.policy import POLICY
from registry.pools import POOL
from registry.receipt import decode_receipt
from registry.receivable import RECEIVABLE, REFERENCE
from registry.sequence_window import SEQUENCE_WINDOW, SequenceWindow
from registry.status import STATUS_SUMMARY
from registry.stored import EMPTY_PRIVATE_DIGEST, STORED_VALUE_BYTES_MAX

from .answers import (
    MemberAnswer,
    PolicyAnswer,
    PoolAnswer,
    PresentValue,
    ReceiptAnswer,
    ReceivableAnswer,
    ReceivableKey,
    StatusAnswer,
    ValidatorChange,
)
from .verify import (
    Head,
    ProvenMember,
    ProvenNodes,
    ProvenPolicy,
    ProvenPool,
    ProvenReceipt,
    ProvenRecord,
    ProvenStatus,
)


def receipt_entry_id(answer: ReceiptAnswer) -> EntryId:
    """Which entry a receipt claims to be of. Raises ProofInvalid."""
    try:
        return EntryId(decode_receipt(answer.receipt).entry_id)
    except MalformedEntry as error:
        raise ProofInvalid(f"the receipt is malformed: {error.message}") from error


class UncheckedChain:
    """Decodes what `TrustedChain` would verify."""

    def accept_head(self, header_bytes: bytes, certificate_bytes: bytes, now_ms: int | None = None) -> Head:
        return self.verify_head(header_bytes, certificate_bytes)

    def verify_head(self, header_bytes: bytes, certificate_bytes: bytes) -> Head:
        header = decode_header(header_bytes)
        return Head(header, block_hash_of(header_bytes), header_bytes, certificate_bytes, is_verified=False)

    def learn_changes(self, changes: Sequence[ValidatorChange]) -> None:
        """Nothing is checked with them."""

    def check_nodes(self, head: Head, answer: PresentValue) -> ProvenNodes:
        return ProvenNodes(head, NODE_SET.decode(unpack(answer.public, STORED_VALUE_BYTES_MAX), "nodes"))

    def check_policy(self, head: Head, answer: PolicyAnswer) -> ProvenPolicy:
        pending = answer.pending
        if answer.policy is None:
            raise ProofInvalid("the policy is missing")
        return ProvenPolicy(
            head,
            POLICY.decode(unpack(answer.policy.public, STORED_VALUE_BYTES_MAX), "policy"),
            None
            if pending is None
            else PENDING_POLICY.decode(unpack(pending.public, STORED_VALUE_BYTES_MAX), "pending"),
        )

    def check_receipt(self, head: Head, entry_id: EntryId, answer: ReceiptAnswer) -> ProvenReceipt:
        return ProvenReceipt(head, decode_receipt(answer.receipt), answer.receipt, answer.path)

    def check_statuses(
        self, head: Head, keys: Sequence[ReceivableKey], answers: Sequence[StatusAnswer]
    ) -> tuple[ProvenStatus, ...]:
        return tuple(_status(head, answer) for answer in answers)

    def check_receivable(self, head: Head, key: ReceivableKey, answer: ReceivableAnswer) -> ProvenRecord:
        if answer.absent is not None:
            return ProvenRecord(head, None)
        return ProvenRecord(
            head, RECEIVABLE.decode(unpack(answer.private, STORED_VALUE_BYTES_MAX), "receivable")
        )

    def check_pool(self, head: Head, pool_id: bytes, answer: PoolAnswer) -> ProvenPool:
        if answer.absent is not None:
            return ProvenPool(head, None)
        return ProvenPool(head, POOL.decode(unpack(answer.private, STORED_VALUE_BYTES_MAX), "pool"))

    def check_member(self, head: Head, member_id: str, answer: MemberAnswer) -> ProvenMember:
        member, window = answer.member, answer.window
        return ProvenMember(
            head,
            None
            if member is None
            else MEMBER.decode(unpack(member.public, STORED_VALUE_BYTES_MAX), "member"),
            SequenceWindow.empty()
            if window is None
            else SEQUENCE_WINDOW.decode(unpack(window.public, STORED_VALUE_BYTES_MAX), "window"),
        )


def _status(head: Head, answer: StatusAnswer) -> ProvenStatus:
    if answer.present is None:
        return ProvenStatus(head, None, None, EMPTY_PRIVATE_DIGEST)
    summary = STATUS_SUMMARY.decode(unpack(answer.present.public, STORED_VALUE_BYTES_MAX), "summary")
    registered = None
    if answer.fingerprint is not None:
        registered = REFERENCE.decode(unpack(answer.fingerprint.public, STORED_VALUE_BYTES_MAX), "reference")
    return ProvenStatus(head, summary, registered, answer.present.private_digest)
