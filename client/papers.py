"""The papers behind a receivable, and what of them reaches the chain: keyed fingerprints and salted commitments.

`Papers` holds what is printed on an invoice and its delivery documents. From it everyone who was shown the papers
computes the same fingerprints; the chain refuses a disposal whose fingerprints are not those of the registration, and
the wallet refuses to sign one. A commitment is `H(tag | kind | salt | value)` over one paper with a random salt of
128 bits: whoever is given the salt can check the paper, nobody else can guess it, and destroying the salt erases it.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Final

from registry.fingerprints import Delivery, FingerprintKey, Fingerprints, Numbering
from registry.identifiers import MemberId
from registry.operations.existence import Evidence, EvidenceKind, RegisterReceivable
from registry.operations.future import Crystallise, RegisterFutureReceivable
from registry.signing import Tag, digest
from registry.time_units import DAY_MS

from .errors import InputError

SALT_BYTES: Final = 16
_EPOCH: Final = datetime.date(1970, 1, 1)


def day_number(date: datetime.date) -> int:
    """Days since 1970-01-01, as the chain counts them. Raises InputError on an earlier date."""
    days = (date - _EPOCH).days
    if days < 0:
        raise InputError(f"{date.isoformat()} is before 1970-01-01")
    return days


def date_of(day: int) -> datetime.date:
    """The inverse of `day_number`."""
    return _EPOCH + datetime.timedelta(days=day)


def day_begins_ms(date: datetime.date) -> int:
    """Its midnight in UTC, in Unix milliseconds. Raises InputError as `day_number`."""
    return day_number(date) * DAY_MS


def day_ends_ms(date: datetime.date) -> int:
    """The midnight after it: the first millisecond that is not of the day any more. Raises InputError as `day_number`."""
    return day_begins_ms(date) + DAY_MS


@dataclass(frozen=True, slots=True)
class DeliveryPaper:
    """A line of a transport or customs document: how much of it stands behind this invoice, and how much it has in all."""

    document_number: str
    line: str
    quantity: int
    document_quantity: int


@dataclass(frozen=True, slots=True)
class Papers:
    """One invoice as printed. `debtor` is `lei:...`, `uscc:...` or `<country>:<register number>`; `amount` in minor units."""

    exporter: MemberId
    debtor: str
    invoice_number: str
    issue_date: datetime.date
    due_date: datetime.date
    amount: int
    currency: str
    fiscal_number: str | None = None
    document_sha256: bytes | None = None
    deliveries: tuple[DeliveryPaper, ...] = ()
    numbering: Numbering = Numbering.CONTINUOUS
    is_contract: bool = False
    """The papers are a contract, of which invoices will come; the number, dates and amount are the contract's."""

    def invoice_fingerprint(self, key: FingerprintKey) -> bytes:
        """What the invoice, or the contract, is known by on the chain. Raises InputError on a number without content."""
        year = self.issue_date.year if self.numbering is Numbering.YEARLY else None
        try:
            if self.is_contract:
                return key.contract(self.exporter, key.debtor(self.debtor), self.invoice_number)
            return key.invoice(self.exporter, key.debtor(self.debtor), self.invoice_number, year)
        except ValueError as error:
            raise InputError(f"invoice number: {error}") from error

    def fingerprints(self, key: FingerprintKey) -> Fingerprints:
        """Everything a registration of these papers is known by. Raises InputError."""
        try:
            reference = key.debtor(self.debtor)
            fiscal = None if self.fiscal_number is None else key.fiscal(self.fiscal_number)
            deliveries = [
                Delivery(
                    key.delivery(paper.document_number, paper.line), paper.quantity, paper.document_quantity
                )
                for paper in self.deliveries
            ]
            similar = key.similar(
                self.exporter, reference, self.amount, self.currency, day_number(self.due_date)
            )
        except ValueError as error:
            raise InputError(f"a number on the papers: {error}") from error
        return Fingerprints(
            epoch=key.epoch,
            invoice=self.invoice_fingerprint(key),
            fiscal=fiscal,
            document=None if self.document_sha256 is None else key.document(self.document_sha256),
            similar=similar,
            deliveries=tuple(sorted(deliveries, key=lambda delivery: delivery.fingerprint)),
        )

    def invoice_value(self) -> bytes:
        """What the invoice's commitment is over: the document's hash, or the printed facts when there is no file."""
        if self.document_sha256 is not None:
            return self.document_sha256
        facts = (
            self.exporter,
            self.debtor,
            self.invoice_number,
            self.issue_date.isoformat(),
            self.due_date.isoformat(),
            str(self.amount),
            self.currency,
        )
        return b"".join(len(fact.encode()).to_bytes(4, "big") + fact.encode() for fact in facts)

    def evidence(self, salt: bytes) -> Evidence:
        """The commitment to the invoice, or the contract, under a salt that the exporter keeps."""
        kind = EvidenceKind.CONTRACT if self.is_contract else EvidenceKind.INVOICE
        return Evidence(kind, commitment(kind, salt, self.invoice_value()))

    def registration(self, key: FingerprintKey, salt: bytes) -> RegisterReceivable:
        """The operation that registers these papers. Raises InputError."""
        return RegisterReceivable(
            exporter=self.exporter,
            debtor_reference=key.debtor(self.debtor),
            currency=self.currency,
            face_amount=self.amount,
            issue_date=day_number(self.issue_date),
            due_date=day_number(self.due_date),
            fingerprints=self.fingerprints(key),
            evidence=(self.evidence(salt),),
            schedule=(),
            reverse_factoring_debtor=None,
        )

    def future_registration(self, key: FingerprintKey, salt: bytes) -> RegisterFutureReceivable:
        """The operation that registers a contract. Raises InputError."""
        return RegisterFutureReceivable(
            exporter=self.exporter,
            debtor_reference=key.debtor(self.debtor),
            currency=self.currency,
            cap=self.amount,
            contract_date=day_number(self.issue_date),
            end_date=day_number(self.due_date),
            fingerprints=self.fingerprints(key),
            evidence=(self.evidence(salt),),
        )

    def crystallisation(
        self, key: FingerprintKey, salt: bytes, future: bytes, witness: MemberId
    ) -> Crystallise:
        """The operation by which these papers arise from the future receivable `future`. Raises InputError."""
        return Crystallise(
            receivable=future,
            exporter=self.exporter,
            witness=witness,
            amount=self.amount,
            issue_date=day_number(self.issue_date),
            due_date=day_number(self.due_date),
            fingerprints=self.fingerprints(key),
            evidence=(self.evidence(salt),),
        )


def commitment(kind: EvidenceKind, salt: bytes, value: bytes) -> bytes:
    """A salted commitment to one paper."""
    if len(salt) != SALT_BYTES:
        raise ValueError(f"a salt has {SALT_BYTES} bytes")
    return digest(Tag.COMMITMENT, bytes([kind]), salt, value)
