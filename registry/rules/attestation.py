"""Rules of attested evidence (RULEBOOK, "Evidence and existence")."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from .. import limits
from ..errors import Code, Reason, RuleViolation
from ..fingerprints import Delivery
from ..operations.attestation import AttestEvidence
from ..operations.existence import EvidenceKind
from ..operations.governance import Role
from ..receivable import Receivable
from ..record.attestations import Attestation, latest_of
from ..stored import DeliveryUse, Namespace
from .judgement import Judgement, Party, Rule, unclosed_receivable


def attest_evidence(judgement: Judgement, operation: AttestEvidence) -> bytes:
    """The paper is on record as seen, with its quantity; or as void, which makes the receivable ineligible.

    Order: accreditation, stake, paper, an earlier attestation, quantity. Source: RULEBOOK, "Fingerprints" (delivery).
    """
    record = unclosed_receivable(judgement, operation.receivable)
    attester = judgement.state.member(operation.attester)
    if attester is None or operation.kind not in attester.accredited:
        raise RuleViolation(
            Code.NOT_PERMITTED,
            f"{operation.attester} is not accredited for evidence of kind {operation.kind.name.lower()}",
            collided_with=record.place,
        )
    if operation.attester in record.parties() or attester.debtor_reference == record.debtor_reference:
        raise RuleViolation(
            Code.NOT_PERMITTED,
            f"{operation.attester} is a party and would attest for itself",
            collided_with=record.place,
        )
    delivery = _delivery(record, operation)
    if delivery is None and operation.paper not in _papers(record, operation.kind):
        raise RuleViolation(
            Code.NO_TRADE_EVIDENCE,
            f"the receivable names no such {operation.kind.name.lower()} paper",
            collided_with=record.place,
        )
    earlier = latest_of(record.attestations, operation.paper)
    if earlier is not None and (earlier.voided or not operation.voided):
        raise RuleViolation(
            Code.DUPLICATE_DELIVERY,
            "this paper is void already" if earlier.voided else "this paper is attested already",
            collided_with=earlier.place,
        )
    if len(record.attestations) >= limits.ATTESTATIONS_MAX:
        raise RuleViolation(
            Code.LIMIT_REACHED, f"at most {limits.ATTESTATIONS_MAX} attestations", collided_with=record.place
        )
    place = judgement.place(record.receivable_id)
    if delivery is not None and not operation.voided:
        _use_delivery(judgement, record, delivery, operation.quantity)
    attestation = Attestation(
        operation.kind, operation.paper, operation.attester, operation.quantity, operation.voided, place
    )
    return judgement.store(
        replace(record, attestations=(*record.attestations, attestation), changed_height=judgement.height)
    )


def _delivery(record: Receivable, operation: AttestEvidence) -> Delivery | None:
    if operation.kind not in (EvidenceKind.DELIVERY, EvidenceKind.CUSTOMS):
        return None
    named = record.fingerprints.deliveries
    return next((delivery for delivery in named if delivery.fingerprint == operation.paper), None)


def _papers(record: Receivable, kind: EvidenceKind) -> tuple[bytes, ...]:
    papers = tuple(evidence.commitment for evidence in record.evidence if evidence.kind is kind)
    fiscal = record.fingerprints.fiscal
    return (*papers, fiscal) if kind is EvidenceKind.TAX and fiscal is not None else papers


def _use_delivery(judgement: Judgement, record: Receivable, delivery: Delivery, quantity: int) -> None:
    """Consume the attested quantity once: by this receivable, beside those for which it was attested before."""
    place = judgement.place(record.receivable_id)
    if delivery.quantity > quantity:
        raise RuleViolation(
            Code.QUANTITY_EXCEEDED,
            f"{delivery.quantity} of this delivery are claimed, the document holds {quantity}",
            collided_with=record.place,
            reasons=(Reason("attested", quantity),),
        )
    use: DeliveryUse = judgement.state.get(Namespace.DELIVERY, delivery.fingerprint)
    # Of two attesters the more careful one is believed.
    whole = quantity if use.attested_quantity is None else min(quantity, use.attested_quantity)
    if use.attested_use + delivery.quantity > whole:
        raise RuleViolation(
            Code.DUPLICATE_DELIVERY,
            f"{use.attested_use} of {whole} are attested for other receivables already",
            collided_with=use.attested_first,
            reasons=(Reason("attested", use.attested_use),),
        )
    judgement.state.put(
        Namespace.DELIVERY,
        delivery.fingerprint,
        replace(
            use,
            attested_quantity=whole,
            attested_use=use.attested_use + delivery.quantity,
            attested_first=use.attested_first or place,
        ),
    )


def _attesting(operation: AttestEvidence) -> tuple[Party, ...]:
    return (Party(operation.attester, (Role.ATTESTER,)),)


RULES: Final = (Rule(AttestEvidence, _attesting, attest_evidence),)
