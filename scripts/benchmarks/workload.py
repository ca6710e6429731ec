"""The members of the benchmark and the entries they sign.

Guarantees: every entry is valid and new: nothing is refused for a rule, so what is measured is the way of an accepted entry.
Entries are made and signed before any clock runs. Leaves to others: sending them.
"""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass, field

from node.keys import read_key
from node.network_files import NetworkDirectory, demonstration_lei
from registry.entry import EntryBody, Mode, assemble, encode_body, entry_id_of, sign_body
from registry.fingerprints import FingerprintKey, Fingerprints, Numbering
from registry.genesis import parse_genesis
from registry.identifiers import EntryId, MemberId, receivable_id
from registry.member import possession_message
from registry.operations import Operation, RegisterReceivable
from registry.operations.existence import Evidence, EvidenceKind
from registry.operations.governance import EnrolMember, KeyEnrolment, Role
from registry.signing import SigningKey
from registry.time_units import DAY_MS

EXPORTERS = 16
DEBTORS = 500
VALID_FOR_MS = 3_600_000
TENOR_DAYS = 60


@dataclass(frozen=True, slots=True)
class Place:
    """Where one node is reached, and the certificate it must show."""

    node_id: str
    api: str
    certificate_der: bytes


@dataclass(frozen=True, slots=True)
class Consortium:
    """All that a generator process needs; it crosses to that process by pickling, therefore seeds and not keys."""

    genesis: bytes
    places: tuple[Place, ...]
    fingerprint_key: bytes
    fingerprint_epoch: int
    exporters: tuple[str, ...]
    seeds: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class PreparedEntry:
    """A signed entry, whose it is, and the receivables it will make."""

    raw: bytes
    entry_id: EntryId
    exporter: int
    sequence: int
    operations: int


def consortium_of(directory: NetworkDirectory) -> Consortium:
    """The network's places, and exporters that are not enrolled yet (`enrolment`)."""
    document = directory.genesis.read_bytes()
    certificates = {node.node_id: node.tls_certificate_der for node in parse_genesis(document).nodes}
    return Consortium(
        genesis=document,
        places=tuple(
            Place(name, str(entry.api), certificates[name]) for name, entry in directory.nodes.items()
        ),
        fingerprint_key=bytes.fromhex(directory.fingerprint_key.read_text()),
        fingerprint_epoch=directory.fingerprint_epoch,
        exporters=tuple(demonstration_lei(f"benchmark-{number}") for number in range(1, EXPORTERS + 1)),
        seeds=tuple(os.urandom(32) for _ in range(EXPORTERS)),
    )


def enrolment(consortium: Consortium, directory: NetworkDirectory) -> bytes:
    """The entry by which the association enrols all exporters of the benchmark."""
    genesis = parse_genesis(consortium.genesis)
    fingerprints = FingerprintKey(consortium.fingerprint_key, consortium.fingerprint_epoch)
    operations: list[Operation] = []
    for member, seed in zip(consortium.exporters, consortium.seeds, strict=True):
        key = SigningKey(seed)
        possession = key.sign(possession_message(genesis.chain_id, member, key.public_key))
        operations.append(
            EnrolMember(
                member=member,
                roles=(Role.EXPORTER,),
                numbering=Numbering.CONTINUOUS,
                debtor_reference=fingerprints.debtor(member),
                keys=(KeyEnrolment(key.public_key, possession),),
            )
        )
    association = directory.members["association"]
    body = encode_body(
        EntryBody(
            1,
            genesis.chain_id,
            association.member_id,
            1,
            _now_ms() + VALID_FOR_MS,
            Mode.ATOMIC,
            tuple(operations),
        )
    )
    signers = association.keys[: directory.governance_threshold]
    return assemble(body, tuple(sign_body(body, association.member_id, read_key(path)) for path in signers))


@dataclass
class Author:
    """Makes registrations, each with an invoice number never used before; one process owns it."""

    consortium: Consortium
    sequences: list[int] = field(default_factory=lambda: [0] * EXPORTERS)
    invoices: int = 0

    def __post_init__(self) -> None:
        self._chain_id = parse_genesis(self.consortium.genesis).chain_id
        self._keys = [SigningKey(seed) for seed in self.consortium.seeds]
        self._fingerprints = FingerprintKey(
            self.consortium.fingerprint_key, self.consortium.fingerprint_epoch
        )
        self._debtors = [self._fingerprints.debtor(f"DE:HRB{number}") for number in range(DEBTORS)]
        self._today = _now_ms() // DAY_MS

    def entries(self, count: int, operations: int) -> list[PreparedEntry]:
        """`count` entries of `operations` registrations each, by the exporters in turn."""
        return [self._entry(number % EXPORTERS, operations) for number in range(count)]

    def _entry(self, exporter: int, operations: int) -> PreparedEntry:
        member = self.consortium.exporters[exporter]
        self.sequences[exporter] += 1
        sequence = self.sequences[exporter]
        body = encode_body(
            EntryBody(
                version=1,
                chain_id=self._chain_id,
                submitter=member,
                sequence=sequence,
                valid_until_ms=_now_ms() + VALID_FOR_MS,
                mode=Mode.ATOMIC,
                operations=tuple(self._registration(MemberId(member)) for _ in range(operations)),
            )
        )
        raw = assemble(body, (sign_body(body, member, self._keys[exporter]),))
        return PreparedEntry(raw, entry_id_of(body), exporter, sequence, operations)

    def _registration(self, member: MemberId) -> RegisterReceivable:
        self.invoices += 1
        debtor = self._debtors[self.invoices % DEBTORS]
        amount = 10_000 + self.invoices
        due = self._today + TENOR_DAYS
        return RegisterReceivable(
            exporter=member,
            debtor_reference=debtor,
            currency="USD",
            face_amount=amount,
            issue_date=self._today,
            due_date=due,
            fingerprints=Fingerprints(
                epoch=self._fingerprints.epoch,
                invoice=self._fingerprints.invoice(member, debtor, f"INV-{self.invoices}", None),
                fiscal=None,
                document=None,
                similar=self._fingerprints.similar(member, debtor, amount, "USD", due),
                deliveries=(),
            ),
            evidence=(
                Evidence(EvidenceKind.INVOICE, hashlib.sha256(self.invoices.to_bytes(8, "big")).digest()),
            ),
            schedule=(),
            reverse_factoring_debtor=None,
        )


def receivables_of(entry: PreparedEntry) -> list[bytes]:
    """The ids of the receivables that the entry makes."""
    return [receivable_id(entry.entry_id, index) for index in range(entry.operations)]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
