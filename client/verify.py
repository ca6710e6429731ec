"""All rules of trust, in one class without I/O: what a client believes, and on what grounds.

`TrustedChain` begins with a genesis document, optionally with a checkpoint that was obtained elsewhere. The rules:

 * A header is believed when it is of this chain, and a quorum of the validators of its height has certified it. Those are the
   genesis document's, until a certified header announces others: then these, once their bytes are shown and have the hash
   that was announced (`learn_changes`). A header of validators that nobody has announced to us is refused.
 * State is read at the newest header only: one that is older than what was seen before is refused (`HeadTooOld`), as is one
   older than `age_ms_max`. Receipts may come from any height: what they prove does not change.
 * Two certified headers of one height prove that validators cheated; both are kept (`Fork`).
 * The key of a proof is computed from what was asked, never taken from the answer. Inclusion is not taken for absence,
   nor the other way round: they are different types, and exactly the expected one must be there.
 * No part of an answer is ignored. Whatever is returned was hashed on the way from the state root.

Every method returns what was proven or raises ProofInvalid, with the answer in `details["answer"]`: the evidence
against the node that gave it. Headers that were verified are remembered, so that a hundred answers at one height cost
one check. Leaves to others: the network, the clock, and what to do about a node that lied.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

from consensus.certificate import Certificate, verify_certificate
from consensus.errors import ConsensusError
from registry.block import RULES_VERSION, Header, block_hash_of, decode_header
from registry.codec import Shape, unpack
from registry.decisions import PENDING_POLICY, PendingPolicy
from registry.errors import BadSignature, MalformedEntry, ProofInvalid, Reference
from registry.genesis import Genesis
from registry.identifiers import EntryId
from registry.member import MEMBER, Member
from registry.merkle.log import verify_inclusion as verify_log_inclusion
from registry.merkle.map import decode_absence, decode_inclusion, verify_absence, verify_inclusion
from registry.nodes import NODE_SET, NodeSet
from registry.policy import POLICY, Policy
from registry.pools import POOL, Pool
from registry.receipt import Receipt, decode_receipt
from registry.receivable import RECEIVABLE, REFERENCE, Receivable
from registry.sequence_window import SEQUENCE_WINDOW, SequenceWindow
from registry.signing import verify
from registry.status import STATUS_SUMMARY, StatusSummary, summarise
from registry.stored import (
    EMPTY_PRIVATE_DIGEST,
    SINGLETON,
    STORED_VALUE_BYTES_MAX,
    Namespace,
    committed_hash,
    private_digest,
    state_key,
)

from .answers import (
    AbsentValue,
    ByFingerprint,
    ById,
    CertifiedHeader,
    MemberAnswer,
    PolicyAnswer,
    PoolAnswer,
    PresentValue,
    ReceiptAnswer,
    ReceivableAnswer,
    ReceivableKey,
    StatusAnswer,
    ValidatorChange,
    answer_bytes,
)
from .trust import Checkpoint
from .validator_sets import VALIDATOR_CHANGES_MAX, KnownSet, ValidatorSets

# A wide batch of receipts touches a few hundred blocks; a header with its certificate takes about 1 KiB.
HEADS_REMEMBERED_MAX: Final = 2_048
# Six of the heartbeats that a network without work makes by default. What is certified stays genuine for ever, so without
# a bound one node could show a state of long ago, before a pledge, to whoever has seen nothing newer.
AGE_MS_MAX: Final = 60_000


class HeadTooOld(ProofInvalid):
    """The header may be genuine, but it is older than what was seen before, or than the caller accepts."""


class Fork(ProofInvalid):
    """Two certified headers of one height: proof that more than a third of the validators cheated."""

    def __init__(self, first: Head, second: Head) -> None:
        super().__init__(
            f"two certified blocks of height {first.header.height}: {first.block_hash.hex()} and "
            f"{second.block_hash.hex()}; keep both, stop, and tell the association",
            height=first.header.height,
        )
        self.first = first
        self.second = second


@dataclass(frozen=True, slots=True)
class Head:
    """A header that a quorum has certified; `is_verified` is False only when the caller has turned verifying off."""

    header: Header
    block_hash: bytes
    header_bytes: bytes
    certificate_bytes: bytes
    is_verified: bool = True

    @property
    def checkpoint(self) -> Checkpoint:
        return Checkpoint(self.header.height, self.block_hash)


@dataclass(frozen=True, slots=True)
class ProvenStatus:
    """The public view of a receivable as of `head`, or the proof that there is none under the key that was asked.

    `registered` is where a fingerprint was claimed, when the question was by fingerprint. `private_digest` commits to the
    whole record: a party that discloses its bytes can be held to it (`check_disclosed_record`).
    """

    head: Head
    summary: StatusSummary | None
    registered: Reference | None
    private_digest: bytes


@dataclass(frozen=True, slots=True)
class ProvenRecord:
    """The whole record of a receivable as of `head`, or its absence."""

    head: Head
    record: Receivable | None


@dataclass(frozen=True, slots=True)
class ProvenPool:
    """A pool as of `head`, or its absence."""

    head: Head
    pool: Pool | None


@dataclass(frozen=True, slots=True)
class ProvenMember:
    """A member's record and its anti-replay window as of `head`."""

    head: Head
    member: Member | None
    window: SequenceWindow


@dataclass(frozen=True, slots=True)
class ProvenNodes:
    """The latest decision on who the nodes are, as of `head`; in force at most two blocks later."""

    head: Head
    nodes: NodeSet


@dataclass(frozen=True, slots=True)
class ProvenPolicy:
    """The policy by which the block of `head` was judged, and the latest decision on it, which may be in force by now."""

    head: Head
    policy: Policy
    pending: PendingPolicy | None


@dataclass(frozen=True, slots=True)
class ProvenReceipt:
    """A receipt that hangs in the certified header, with its evidence."""

    head: Head
    receipt: Receipt
    receipt_bytes: bytes
    path: tuple[bytes, ...]


class AnswerChecks(Protocol):
    """What a client does with every answer; `TrustedChain`, or `unverified.UncheckedChain` for who turns checks off."""

    def accept_head(
        self, header_bytes: bytes, certificate_bytes: bytes, now_ms: int | None = None
    ) -> Head: ...

    def verify_head(self, header_bytes: bytes, certificate_bytes: bytes) -> Head: ...

    def learn_changes(self, changes: Sequence[ValidatorChange]) -> None: ...

    def check_receipt(self, head: Head, entry_id: EntryId, answer: ReceiptAnswer) -> ProvenReceipt: ...

    def check_statuses(
        self, head: Head, keys: Sequence[ReceivableKey], answers: Sequence[StatusAnswer]
    ) -> tuple[ProvenStatus, ...]: ...

    def check_receivable(self, head: Head, key: ReceivableKey, answer: ReceivableAnswer) -> ProvenRecord: ...

    def check_pool(self, head: Head, pool_id: bytes, answer: PoolAnswer) -> ProvenPool: ...

    def check_member(self, head: Head, member_id: str, answer: MemberAnswer) -> ProvenMember: ...

    def check_nodes(self, head: Head, answer: PresentValue) -> ProvenNodes: ...

    def check_policy(self, head: Head, answer: PolicyAnswer) -> ProvenPolicy: ...


class TrustedChain:
    """What one client believes of one chain. Not thread-safe: one owner."""

    def __init__(
        self,
        genesis: Genesis,
        *,
        checkpoint: Checkpoint | None = None,
        age_ms_max: int | None = AGE_MS_MAX,
        known_sets: Sequence[KnownSet] = (),
    ) -> None:
        """`age_ms_max`: how old the state of an answer may be; None accepts any age, which has to be said. `known_sets`: the
        validators that an earlier run has learnt (`sets.learnt`). Raises ProofInvalid when these are damaged."""
        self.genesis = genesis
        self.forks: list[Fork] = []
        self._checkpoint = checkpoint
        self._age_ms_max = age_ms_max
        self.sets = ValidatorSets(genesis, known_sets)
        self._verified: OrderedDict[tuple[bytes, bytes], Head] = OrderedDict()
        self._by_height: OrderedDict[int, Head] = OrderedDict()
        self._newest: Head | None = None

    @property
    def highest(self) -> Checkpoint | None:
        """The newest block that was seen, in this run or before it."""
        return self._checkpoint if self._newest is None else self._newest.checkpoint

    # -- Validators -------------------------------------------------------------------------------------------------

    def learn_changes(self, changes: Sequence[ValidatorChange]) -> None:
        """Follow the validators from those that are known over certified changes, the oldest first. Raises ProofInvalid."""
        if len(changes) > VALIDATOR_CHANGES_MAX:
            raise ProofInvalid(
                f"{len(changes)} changes at once, at most {VALIDATOR_CHANGES_MAX} are followed"
            )
        for change in changes:
            with _keeping(change):
                # The checks of any header: so the set before the change has certified it.
                header = self._verify(change.header, change.certificate).header
                if header.next_validators_hash == header.validators_hash:
                    raise ProofInvalid("the header announces no other validators", height=header.height)
                self.sets.learn(header.height + 1, change.validators, header.next_validators_hash)

    # -- Headers ----------------------------------------------------------------------------------------------------

    def accept_head(self, header_bytes: bytes, certificate_bytes: bytes, now_ms: int | None = None) -> Head:
        """A header to read state at: certified, and not older than any seen before. Raises ProofInvalid."""
        with _keeping(CertifiedHeader(header_bytes, certificate_bytes)):
            head = self._verify(header_bytes, certificate_bytes)
            highest = self.highest
            if highest is not None and head.header.height < highest.height:
                raise HeadTooOld(
                    f"the answer is of height {head.header.height}, but {highest.height} was seen before",
                    height=head.header.height,
                    seen=highest.height,
                )
            self._check_age(head.header, now_ms)
            self._see(head)
            return head

    def verify_head(self, header_bytes: bytes, certificate_bytes: bytes) -> Head:
        """A certified header of any height. Raises ProofInvalid."""
        with _keeping(CertifiedHeader(header_bytes, certificate_bytes)):
            head = self._verify(header_bytes, certificate_bytes)
            self._see(head)
            return head

    def _verify(self, header_bytes: bytes, certificate_bytes: bytes) -> Head:
        remembered = (header_bytes, certificate_bytes)
        if known := self._verified.get(remembered):
            self._verified.move_to_end(remembered)
            return known
        header = decode_header(header_bytes)
        self._check_header(header)
        block_hash = block_hash_of(header_bytes)
        self._check_certificate(header, block_hash, certificate_bytes)
        head = Head(header, block_hash, header_bytes, certificate_bytes)
        self._check_fork(head)
        _remember(self._verified, remembered, head)
        return head

    def _check_header(self, header: Header) -> None:
        facts: tuple[tuple[str, object, object], ...] = (
            ("chain_id", header.chain_id, self.genesis.chain_id),
            ("rules_version", header.rules_version, RULES_VERSION),
            ("history_size", header.history_size, header.height - 1),
            ("validators_hash", header.validators_hash, self.sets.at(header.height).hash),
        )
        following = self.sets.beginning_at(header.height + 1)
        if following is not None:
            facts += (("next_validators_hash", header.next_validators_hash, following.hash),)
        for field, stated, expected in facts:
            if stated != expected:
                raise ProofInvalid(
                    f"header.{field} is not that of this chain", field=field, stated=stated, expected=expected
                )

    def _check_certificate(self, header: Header, block_hash: bytes, certificate_bytes: bytes) -> None:
        try:
            certificate = Certificate.decode(certificate_bytes)
            if certificate.height != header.height or certificate.block_hash != block_hash:
                raise ProofInvalid(
                    "the certificate is for another block",
                    height=certificate.height,
                    block_hash=certificate.block_hash.hex(),
                    expected=block_hash.hex(),
                )
            validators = self.sets.at(header.height).validators
            verify_certificate(certificate, validators, self.genesis.chain_id, verify)
        except (ConsensusError, BadSignature) as error:
            raise ProofInvalid(
                f"the certificate does not hold: {error.message}", height=header.height
            ) from error

    def _check_fork(self, head: Head) -> None:
        known = self._by_height.get(head.header.height)
        if known is not None and known.block_hash != head.block_hash:
            fork = Fork(known, head)
            self.forks.append(fork)
            raise fork
        pinned = self._checkpoint
        if (
            pinned is not None
            and pinned.height == head.header.height
            and pinned.block_hash != head.block_hash
        ):
            raise ProofInvalid(
                "the certified block is not the one of the checkpoint: two histories exist; keep both",
                height=pinned.height,
                expected=pinned.block_hash.hex(),
                found=head.block_hash.hex(),
            )

    def _check_age(self, header: Header, now_ms: int | None) -> None:
        if self._age_ms_max is None or now_ms is None:
            return
        age_ms = now_ms - header.time_ms
        if age_ms > self._age_ms_max:
            raise HeadTooOld(
                f"the answer is {age_ms // 1_000} s old and at most {self._age_ms_max // 1_000} s are accepted: the node, or the "
                "whole network, stands still, or this machine's clock is wrong; ask other nodes, or accept an older state in so "
                "many words",
                age_ms=age_ms,
            )

    def _see(self, head: Head) -> None:
        _remember(self._by_height, head.header.height, head)
        highest = self.highest
        if highest is None or head.header.height >= highest.height:
            self._newest = head

    # -- Receipts ---------------------------------------------------------------------------------------------------

    def check_receipt(self, head: Head, entry_id: EntryId, answer: ReceiptAnswer) -> ProvenReceipt:
        """What became of the entry that was asked for. Raises ProofInvalid."""
        with _keeping(answer):
            receipt = decode_receipt(answer.receipt)
            header = head.header
            facts: tuple[tuple[str, object, object], ...] = (
                ("entry_id", receipt.entry_id, entry_id),
                ("height", receipt.height, header.height),
            )
            for field, stated, expected in facts:
                if stated != expected:
                    raise ProofInvalid(
                        f"receipt.{field} is not what was asked for", stated=stated, expected=expected
                    )
            verify_log_inclusion(
                header.receipts_root, header.entry_count, receipt.entry_index, answer.receipt, answer.path
            )
            return ProvenReceipt(head, receipt, answer.receipt, answer.path)

    # -- State ------------------------------------------------------------------------------------------------------

    def check_status(self, head: Head, key: ReceivableKey, answer: StatusAnswer) -> ProvenStatus:
        """The status of the receivable that was asked for, or that there is none. Raises ProofInvalid."""
        with _keeping(answer):
            if (answer.present is None) == (answer.absent is None):
                raise ProofInvalid("a status is either present or absent")
            if answer.absent is not None:
                if answer.fingerprint is not None:
                    raise ProofInvalid(
                        "the fingerprint is shown to be present and its receivable to be absent"
                    )
                _check_absent(head, *_place_of(key), answer.absent)
                return ProvenStatus(head, None, None, EMPTY_PRIVATE_DIGEST)
            assert answer.present is not None, "checked above"
            identifier, registered = _follow(head, key, answer.fingerprint)
            summary: StatusSummary = _check_present(
                head, Namespace.RECEIVABLE, identifier, answer.present, STATUS_SUMMARY
            )
            _check_subject(summary.receivable_id, identifier)
            return ProvenStatus(head, summary, registered, answer.present.private_digest)

    def check_statuses(
        self, head: Head, keys: Sequence[ReceivableKey], answers: Sequence[StatusAnswer]
    ) -> tuple[ProvenStatus, ...]:
        """One status per key, in order. Raises ProofInvalid, also when an answer is missing."""
        if len(keys) != len(answers):
            raise ProofInvalid(f"{len(keys)} keys were asked and {len(answers)} answered")
        return tuple(self.check_status(head, key, answer) for key, answer in zip(keys, answers, strict=True))

    def check_receivable(self, head: Head, key: ReceivableKey, answer: ReceivableAnswer) -> ProvenRecord:
        """The whole record of the receivable that was asked for, or its absence. Raises ProofInvalid."""
        with _keeping(answer):
            if answer.absent is not None:
                if answer.fingerprint is not None or answer.public or answer.private or answer.proof:
                    raise ProofInvalid("a record is either present or absent")
                _check_absent(head, *_place_of(key), answer.absent)
                return ProvenRecord(head, None)
            identifier, _ = _follow(head, key, answer.fingerprint)
            shown = PresentValue(answer.public, private_digest(answer.private), answer.proof)
            summary: StatusSummary = _check_present(
                head, Namespace.RECEIVABLE, identifier, shown, STATUS_SUMMARY
            )
            return ProvenRecord(head, _record_of(identifier, summary, answer.private))

    def check_disclosed_record(self, status: ProvenStatus, private: bytes) -> Receivable:
        """The record that a party handed over, held against a proven status. Raises ProofInvalid."""
        with _keeping(AbsentValue(private)):
            if status.summary is None or private_digest(private) != status.private_digest:
                raise ProofInvalid("the record that was handed over is not the one on the chain")
            return _record_of(status.summary.receivable_id, status.summary, private)

    def check_pool(self, head: Head, pool_id: bytes, answer: PoolAnswer) -> ProvenPool:
        """The pool that was asked for, or its absence. Raises ProofInvalid."""
        with _keeping(answer):
            if answer.absent is not None:
                if answer.private or answer.proof:
                    raise ProofInvalid("a pool is either present or absent")
                _check_absent(head, Namespace.POOL, pool_id, answer.absent)
                return ProvenPool(head, None)
            committed = committed_hash(b"", private_digest(answer.private))
            key_hash = state_key(Namespace.POOL, pool_id)
            verify_inclusion(head.header.state_root, key_hash, committed, decode_inclusion(answer.proof))
            pool: Pool = POOL.decode(unpack(answer.private, STORED_VALUE_BYTES_MAX), "pool")
            _check_subject(pool.pool_id, pool_id)
            return ProvenPool(head, pool)

    def check_member(self, head: Head, member_id: str, answer: MemberAnswer) -> ProvenMember:
        """The member that was asked for and its anti-replay window; empty when it never submitted. Raises ProofInvalid."""
        with _keeping(answer):
            identifier = member_id.encode()
            member: Member | None = _check_either(
                head, Namespace.MEMBER, identifier, answer.member, answer.member_absent, MEMBER
            )
            if member is not None:
                _check_subject(member.member_id, member_id)
            window: SequenceWindow | None = _check_either(
                head, Namespace.WINDOW, identifier, answer.window, answer.window_absent, SEQUENCE_WINDOW
            )
            return ProvenMember(head, member, window or SequenceWindow.empty())

    def check_nodes(self, head: Head, answer: PresentValue) -> ProvenNodes:
        """Who the nodes are by the latest decision, which must agree with what the header says. Raises ProofInvalid."""
        with _keeping(answer):
            nodes: NodeSet = _check_public(head, Namespace.VALIDATORS, SINGLETON, answer, NODE_SET)
            header = head.header
            stated = {
                header.height: header.validators_hash,
                header.height + 1: header.next_validators_hash,
            }.get(max(nodes.from_height, header.height))
            if stated is not None and nodes.validators_hash() != stated:
                raise ProofInvalid("the nodes are not those whose validators the header names")
            return ProvenNodes(head, nodes)

    def check_policy(self, head: Head, answer: PolicyAnswer) -> ProvenPolicy:
        """The policy in force, which must agree with the header, and the latest decision on it. Raises ProofInvalid."""
        with _keeping(answer):
            if answer.policy is None:
                raise ProofInvalid("the policy is missing")
            policy: Policy = _check_public(head, Namespace.POLICY, SINGLETON, answer.policy, POLICY)
            if policy.hash() != head.header.policy_hash:
                raise ProofInvalid("the policy is not the one that the header names")
            pending: PendingPolicy | None = _check_either(
                head,
                Namespace.PENDING_POLICY,
                SINGLETON,
                answer.pending,
                answer.pending_absent,
                PENDING_POLICY,
            )
            return ProvenPolicy(head, policy, pending)


def _place_of(key: ReceivableKey) -> tuple[Namespace, bytes]:
    match key:
        case ById(receivable_id):
            return Namespace.RECEIVABLE, receivable_id
        case ByFingerprint(kind, value):
            return Namespace.FINGERPRINT, bytes([kind]) + value


def _follow(
    head: Head, key: ReceivableKey, fingerprint: PresentValue | None
) -> tuple[bytes, Reference | None]:
    """The id behind a key; for a fingerprint, by the proven link from it."""
    if isinstance(key, ById):
        if fingerprint is not None:
            raise ProofInvalid("an answer by id shows a fingerprint that nobody asked for")
        return key.receivable_id, None
    if fingerprint is None:
        raise ProofInvalid("the link from the fingerprint to its receivable is missing")
    namespace, identifier = _place_of(key)
    link: Reference = _check_public(head, namespace, identifier, fingerprint, REFERENCE)
    return link.subject, link


def _check_present(
    head: Head, namespace: Namespace, identifier: bytes, value: PresentValue, shape: Shape[Any]
) -> Any:
    committed = committed_hash(value.public, value.private_digest)
    key_hash = state_key(namespace, identifier)
    verify_inclusion(head.header.state_root, key_hash, committed, decode_inclusion(value.proof))
    return shape.decode(unpack(value.public, STORED_VALUE_BYTES_MAX), namespace.name.lower())


def _check_public(
    head: Head, namespace: Namespace, identifier: bytes, value: PresentValue, shape: Shape[Any]
) -> Any:
    """As `_check_present`, for values that have no private part."""
    if value.private_digest != EMPTY_PRIVATE_DIGEST:
        raise ProofInvalid(f"a {namespace.name} has no private part")
    return _check_present(head, namespace, identifier, value, shape)


def _check_absent(head: Head, namespace: Namespace, identifier: bytes, value: AbsentValue) -> None:
    verify_absence(head.header.state_root, state_key(namespace, identifier), decode_absence(value.proof))


def _check_either(
    head: Head,
    namespace: Namespace,
    identifier: bytes,
    present: PresentValue | None,
    absent: AbsentValue | None,
    shape: Shape[Any],
) -> Any:
    if (present is None) == (absent is None):
        raise ProofInvalid(f"a {namespace.name} is either present or absent")
    if present is not None:
        return _check_public(head, namespace, identifier, present, shape)
    assert absent is not None, "checked above"
    _check_absent(head, namespace, identifier, absent)
    return None


def _record_of(identifier: bytes, summary: StatusSummary, private: bytes) -> Receivable:
    record: Receivable = RECEIVABLE.decode(unpack(private, STORED_VALUE_BYTES_MAX), "receivable")
    _check_subject(record.receivable_id, identifier)
    if summarise(record) != summary:
        raise ProofInvalid("the public part is not the summary of the record", receivable=identifier.hex())
    return record


def _check_subject(stated: object, asked: object) -> None:
    if stated != asked:
        raise ProofInvalid("the value is of another subject than was asked for", stated=stated, asked=asked)


def _remember(memory: OrderedDict[Any, Head], key: object, head: Head) -> None:
    memory[key] = head
    memory.move_to_end(key)
    if len(memory) > HEADS_REMEMBERED_MAX:
        memory.popitem(last=False)


@contextmanager
def _keeping(answer: Any) -> Iterator[None]:
    """Whatever fails inside is the answer's fault: the error carries its bytes."""
    try:
        yield
    except MalformedEntry as error:
        raise ProofInvalid(
            f"the answer is malformed: {error.message}", answer=answer_bytes(answer)
        ) from error
    except ProofInvalid as error:
        error.details.setdefault("answer", answer_bytes(answer))
        raise
