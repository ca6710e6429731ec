"""A small client of real nodes for the tests of the node: it signs registrations, submits, waits, asks, and checks.

It knows the wire and the registry's formats, and nothing of the SDK: a fault there must not hide one here.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import grpc
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from consensus.certificate import Certificate, verify_certificate
from consensus.validators import NodeId, Validator, ValidatorSet
from node.keys import read_key
from node.network import Network
from node.network_files import NetworkDirectory, NetworkPlan, make_network
from node.status import STATUS_DETAILS_KEY
from node.tls import pem_of_der
from pledgebook.v1 import ledger_pb2, ledger_pb2_grpc, registry_pb2, registry_pb2_grpc
from registry.access_token import METADATA_KEY, make_token
from registry.block import Header, block_hash_of, decode_header
from registry.entry import ENTRY_VERSION, EntryBody, Mode, assemble, encode_body, entry_id_of, sign_body
from registry.fingerprints import FingerprintKey, Fingerprints
from registry.genesis import Genesis, parse_genesis
from registry.identifiers import MemberId, receivable_id
from registry.merkle.log import verify_inclusion as verify_log_inclusion
from registry.merkle.map import decode_absence, decode_inclusion, verify_absence, verify_inclusion
from registry.operations.existence import Evidence, EvidenceKind, RegisterReceivable
from registry.receipt import Receipt, decode_receipt
from registry.signing import SigningKey, verify
from registry.stored import Namespace, committed_hash, state_key

CALL_TIMEOUT_S = 20.0
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Refused:
    """What a refused call says of itself."""

    status: grpc.StatusCode
    code: str
    message: str
    retry_after_ms: int | None


@dataclass(frozen=True, slots=True)
class SignedEntry:
    """An entry that registers one receivable."""

    raw: bytes
    entry_id: bytes
    receivable_id: bytes
    invoice: bytes


@dataclass
class Author:
    """A member that signs registrations and calls nodes."""

    directory: NetworkDirectory
    name: str = "exporter-1"
    sequence: int = 0
    key: SigningKey = field(init=False)
    genesis: Genesis = field(init=False)
    member_id: MemberId = field(init=False)
    fingerprints: FingerprintKey = field(init=False)

    def __post_init__(self) -> None:
        entry = self.directory.members[self.name]
        self.key = read_key(entry.keys[0])
        self.genesis = parse_genesis(self.directory.genesis.read_bytes())
        self.member_id = MemberId(entry.member_id)
        raw = bytes.fromhex(self.directory.fingerprint_key.read_text())
        self.fingerprints = FingerprintKey(raw, self.directory.fingerprint_epoch)

    def registration(self, **changes: Any) -> SignedEntry:
        """The next entry of this member; `changes` go to the body."""
        self.sequence += 1
        number = f"INV-{self.name}-{self.sequence}"
        debtor = self.fingerprints.debtor("US:12345")
        today = int(time.time()) // 86_400
        invoice = self.fingerprints.invoice(self.member_id, debtor, number, None)
        operation = RegisterReceivable(
            exporter=self.member_id,
            debtor_reference=debtor,
            currency="USD",
            face_amount=100_000 + self.sequence,
            issue_date=today - 1,
            due_date=today + 60,
            fingerprints=Fingerprints(
                epoch=self.fingerprints.epoch,
                invoice=invoice,
                fiscal=None,
                document=None,
                similar=sha256(number.encode()).digest(),
                deliveries=(),
            ),
            evidence=(Evidence(EvidenceKind.INVOICE, sha256(number.encode()).digest()),),
            schedule=(),
            reverse_factoring_debtor=None,
        )
        fields: dict[str, Any] = {
            "version": ENTRY_VERSION,
            "chain_id": self.genesis.chain_id,
            "submitter": self.member_id,
            "sequence": self.sequence,
            "valid_until_ms": int(time.time() * 1_000) + DAY_MS,
            "mode": Mode.ATOMIC,
            "operations": (operation,),
        }
        body = encode_body(EntryBody(**(fields | changes)))
        raw = assemble(body, (sign_body(body, self.member_id, self.key),))
        entry_id = entry_id_of(body)
        return SignedEntry(raw, entry_id, receivable_id(entry_id, 0), invoice)

    def metadata(self, node: str) -> tuple[tuple[str, str], ...]:
        """This member's token for a node."""
        return ((METADATA_KEY, make_token(self.key, self.member_id, node, int(time.time() * 1_000))),)


class NodeClient:
    """One member's calls to one node."""

    def __init__(self, author: Author, node: str, channel: grpc.Channel) -> None:
        self.author = author
        self.node = node
        self.registry = registry_pb2_grpc.RegistryStub(channel)
        self.ledger = ledger_pb2_grpc.LedgerStub(channel)

    def how(self, timeout_s: float = CALL_TIMEOUT_S) -> dict[str, Any]:
        return {"metadata": self.author.metadata(self.node), "timeout": timeout_s}

    def submit(self, *raws: bytes) -> list[str]:
        """The codes of the admissions."""
        response = self.registry.Submit(registry_pb2.SubmitRequest(entries=raws), **self.how())
        return [admission.code for admission in response.admissions]

    def wait(self, *entry_ids: bytes, timeout_ms: int = 20_000) -> dict[bytes, Receipt]:
        """Receipts by entry id, each checked against a certified header."""
        request = registry_pb2.WaitForReceiptRequest(entry_ids=entry_ids, timeout_ms=timeout_ms)
        receipts: dict[bytes, Receipt] = {}
        for batch in self.registry.WaitForReceipt(request, **self.how(timeout_ms / 1_000 + 5)):
            header = checked_header(self.author.genesis, batch.head)
            for proof in batch.receipts:
                receipt = decode_receipt(proof.receipt)
                verify_log_inclusion(
                    header.receipts_root,
                    header.entry_count,
                    receipt.entry_index,
                    proof.receipt,
                    tuple(proof.path),
                )
                receipts[receipt.entry_id] = receipt
        return receipts

    def status(self, key: registry_pb2.ReceivableKey) -> tuple[Header, registry_pb2.StatusAnswer]:
        """A status with the header it is proved against."""
        request = registry_pb2.GetStatusRequest(keys=[key], purpose="test")
        response = self.registry.GetStatus(request, **self.how())
        return checked_header(self.author.genesis, response.head), response.answers[0]


def by_id(identifier: bytes) -> registry_pb2.ReceivableKey:
    return registry_pb2.ReceivableKey(receivable_id=identifier)


def by_fingerprint(kind: int, value: bytes) -> registry_pb2.ReceivableKey:
    return registry_pb2.ReceivableKey(fingerprint=registry_pb2.Fingerprint(kind=kind, value=value))


def validators_of(genesis: Genesis) -> ValidatorSet:
    return ValidatorSet(
        tuple(
            Validator(NodeId(node.node_id), node.consensus_key, node.power) for node in genesis.validators()
        )
    )


def checked_header(genesis: Genesis, head: ledger_pb2.CertifiedHeader) -> Header:
    """The header that a quorum of the genesis' validators vouches for."""
    certificate = Certificate.decode(head.certificate)
    header = decode_header(head.header)
    assert bytes(certificate.block_hash) == bytes(block_hash_of(head.header))
    assert certificate.height == header.height
    verify_certificate(certificate, validators_of(genesis), genesis.chain_id, verify)
    return header


def check_present(
    header: Header, namespace: Namespace, identifier: bytes, value: registry_pb2.PresentValue
) -> None:
    """Raises ProofInvalid unless the value hangs in the header's state under this name."""
    verify_inclusion(
        header.state_root,
        state_key(namespace, identifier),
        committed_hash(value.public, value.private_digest),
        decode_inclusion(value.inclusion_proof),
    )


def check_absent(
    header: Header, namespace: Namespace, identifier: bytes, value: registry_pb2.AbsentValue
) -> None:
    """Raises ProofInvalid unless the header's state has nothing under this name."""
    verify_absence(header.state_root, state_key(namespace, identifier), decode_absence(value.absence_proof))


@contextmanager
def connect(author: Author, node: str) -> Iterator[NodeClient]:
    """A client of a node, over TLS with the node's pinned certificate."""
    pinned = author.genesis.node(node)
    assert pinned is not None
    channel = grpc.secure_channel(
        str(author.directory.nodes[node].api),
        grpc.ssl_channel_credentials(pem_of_der(pinned.tls_certificate_der)),
        options=[("grpc.ssl_target_name_override", node), ("grpc.use_local_subchannel_pool", 1)],
    )
    try:
        yield NodeClient(author, node, channel)
    finally:
        channel.close()


def refusal_of(error: grpc.RpcError) -> Refused:
    """The stable code and retry time in a failed call's details."""
    # Every error of a call is its call too, which the types do not say.
    call = cast(grpc.Call, error)
    code, retry_after_ms = "", None
    for key, value in call.trailing_metadata() or ():
        if key == STATUS_DETAILS_KEY:
            assert isinstance(value, bytes)
            for detail in Status.FromString(value).details:
                info, retry = ErrorInfo(), RetryInfo()
                if detail.Unpack(info):
                    code = info.reason
                elif detail.Unpack(retry):
                    retry_after_ms = retry.retry_delay.ToMilliseconds()
    return Refused(call.code(), code, call.details() or "", retry_after_ms)


def make_test_network(folder: Path, **plan: Any) -> Network:
    """The files of a network, and what runs it."""
    directory = make_network(folder, NetworkPlan(**plan), datetime.datetime.now(datetime.UTC))
    return Network(directory)


def write_setting(network: Network, node: str, key: str, value: str) -> None:
    """Change one line of a node's configuration."""
    path = network.directory.nodes[node].config
    lines = path.read_text().splitlines()
    changed = [f"{key} = {value}" if line.split(" = ")[0] == key else line for line in lines]
    assert changed != lines, f"{path} has no key {key}"
    path.write_text("\n".join(changed) + "\n")


def heights(network: Network, nodes: Sequence[str]) -> list[int]:
    return [int(network.status(node).get("height", -1)) for node in nodes]
