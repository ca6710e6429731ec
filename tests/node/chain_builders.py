"""A small consortium for the tests of the node: a genesis of four validators, and members that sign registrations."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from consensus.certificate import Certificate
from consensus.messages import NO_ROUND, BlockHash, UnsignedVote, VoteType
from consensus.validators import NodeId, ValidatorSet
from node.executor import Executor, ExecutorSettings
from node.mempool import Mempool
from node.ports import StorePort
from registry.entry import (
    ENTRY_VERSION,
    Entry,
    EntryBody,
    Mode,
    assemble,
    decode_entry,
    encode_body,
    sign_body,
)
from registry.fingerprints import FingerprintKey, Fingerprints, Numbering
from registry.genesis import Genesis, encode_genesis, parse_genesis
from registry.identifiers import MemberId
from registry.member import FOREVER, Member, MemberKey, MemberStatus
from registry.nodes import NetworkNode
from registry.operations.existence import Evidence, EvidenceKind, RegisterReceivable
from registry.operations.governance import Role
from registry.policy import ConfirmationPolicy, Policy
from registry.signing import SigningKey

GENESIS_TIME_MS: Final = 1_700_000_000_000
NODE_IDS: Final = tuple(NodeId(name) for name in ("association", "exporter-1", "factor-1", "factor-2"))
ASSOCIATION: Final = MemberId("uscc:91110000600037341L")
EXPORTER: Final = MemberId("lei:213800KUD8LAJWSQ9D15")
FACTOR: Final = MemberId("lei:5493001KJTIIGC8Y1R12")
FINGERPRINTS: Final = FingerprintKey(bytes(32), 1)
DEBTOR_REFERENCE: Final = FINGERPRINTS.debtor("US:12345")


def key_of(name: str) -> SigningKey:
    """The key of a node or member of these tests, from its name."""
    return SigningKey(sha256(name.encode()).digest())


def _member(member_id: str, *roles: Role) -> Member:
    keys = (MemberKey(key_of(member_id).public_key, 0, FOREVER),)
    reference = FINGERPRINTS.debtor(member_id)
    return Member(member_id, roles, MemberStatus.ACTIVE, Numbering.CONTINUOUS, reference, keys)


def make_genesis(name: str = "test consortium") -> Genesis:
    """Four validators of equal power; another name makes another chain."""
    members = (
        _member(ASSOCIATION, Role.ASSOCIATION),
        _member(EXPORTER, Role.EXPORTER),
        _member(FACTOR, Role.FACTOR),
    )
    document = encode_genesis(
        name=name,
        time_ms=GENESIS_TIME_MS,
        fingerprint_epoch=1,
        governance_threshold=1,
        policy=Policy(ConfirmationPolicy.NONE, False, 365, False, ("USD",)),
        nodes=tuple(
            NetworkNode(node_id, ASSOCIATION, key_of(node_id).public_key, 1, b"certificate")
            for node_id in NODE_IDS
        ),
        members=tuple(sorted(members, key=lambda member: member.member_id)),
    )
    return parse_genesis(document)


def registration(
    chain_id: bytes,
    sequence: int,
    *,
    member: MemberId = EXPORTER,
    valid_until_ms: int = GENESIS_TIME_MS + 86_400_000,
) -> Entry:
    """A signed entry that registers one receivable of its own."""
    number = f"INV-{member}-{sequence}"
    fingerprints = Fingerprints(
        epoch=1,
        invoice=FINGERPRINTS.invoice(member, DEBTOR_REFERENCE, number, None),
        fiscal=None,
        document=None,
        similar=FINGERPRINTS.similar(member, DEBTOR_REFERENCE, sequence, "USD", 19_800),
        deliveries=(),
    )
    operation = RegisterReceivable(
        exporter=member,
        debtor_reference=DEBTOR_REFERENCE,
        currency="USD",
        face_amount=1_000 + sequence,
        issue_date=GENESIS_TIME_MS // 86_400_000,
        due_date=19_800,
        fingerprints=fingerprints,
        evidence=(Evidence(EvidenceKind.INVOICE, sha256(number.encode()).digest()),),
        schedule=(),
        reverse_factoring_debtor=None,
    )
    body = encode_body(
        EntryBody(ENTRY_VERSION, chain_id, member, sequence, valid_until_ms, Mode.ATOMIC, (operation,))
    )
    return decode_entry(assemble(body, (sign_body(body, member, key_of(member)),)))


class FixedClock:
    """Time that a test sets."""

    def __init__(self, now_ms: int = GENESIS_TIME_MS + 1_000) -> None:
        self.ms = now_ms

    def now_ms(self) -> int:
        return self.ms

    def monotonic_ms(self) -> int:
        return self.ms


def make_executor(
    genesis: Genesis,
    store: StorePort,
    *,
    clock: FixedClock | None = None,
    node_id: str = "association",
    operations_min: int = 100,
) -> tuple[Executor, Mempool]:
    """An executor over this store, with an empty mempool."""
    mempool = Mempool()
    settings = ExecutorSettings(NodeId(node_id), operations_min=operations_min, signature_threads=1)
    return Executor(settings, genesis, store, mempool, clock or FixedClock()), mempool


def certify(
    genesis: Genesis,
    validators: ValidatorSet,
    height: int,
    block_hash: bytes,
    *,
    signers: int = 3,
    round: int = 0,
) -> bytes:
    """A certificate by the first `signers` validators."""
    votes = []
    for validator in validators.validators[:signers]:
        vote = UnsignedVote(
            VoteType.PRECOMMIT, height, round, BlockHash(block_hash), NO_ROUND, validator.node_id
        )
        votes.append(vote.signed(key_of(validator.node_id).sign(vote.sign_bytes(genesis.chain_id))))
    return Certificate.from_votes(votes, validators).encode()
