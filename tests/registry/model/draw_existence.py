"""Drawing operations of existence: registrations, contracts and what arises, attestations, corrections, cancellation."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import Any

from registry.fingerprints import Delivery, Fingerprints
from registry.identifiers import MemberId
from registry.operations import (
    AttestEvidence,
    CancelReceivable,
    CorrectReceivable,
    Crystallise,
    RegisterFutureReceivable,
)
from registry.operations.existence import Evidence, EvidenceKind, Instalment
from registry.operations.governance import Role
from tests.registry.consortium import (
    BANK,
    FINGERPRINT_KEY,
    SUSPENDED,
    fingerprints_of,
    registration,
)
from tests.registry.model.book import DAY_MS, Debt
from tests.registry.model.scene import DEBTORS, EXPORTERS, NOWHERE, Dice, Draw, Scene

_LINES = (EvidenceKind.DELIVERY, EvidenceKind.CUSTOMS)
_KINDS = tuple(EvidenceKind)


def reference_of(scene: Scene, member: str) -> bytes:
    return scene.book.members[member].reference or NOWHERE


def drawn_debtor(scene: Scene, dice: Dice, exporter: str) -> bytes:
    """Mostly a debtor; sometimes another exporter, so that invoices go round, or itself."""
    if dice.rarely(5):
        return reference_of(scene, dice.one([*EXPORTERS, SUSPENDED]))
    return reference_of(scene, dice.one(DEBTORS))


def drawn_deliveries(dice: Dice, *, at_least: int = 0) -> list[tuple[str, int, int]]:
    """Lines of a few documents that hold about 6 each, so that they run out."""
    documents = sorted({f"BL {dice.below(6)}" for _ in range(max(at_least, dice.below(3)))})
    return [(document, dice.between(1, 4), dice.one((6, 6, 5, 20))) for document in documents]


def drawn_prints(scene: Scene, dice: Dice, prints: Fingerprints) -> Fingerprints:
    """Papers that were seen before, sometimes, and looks that are alike."""
    if dice.rarely(6):
        prints = replace(prints, fiscal=FINGERPRINT_KEY.fiscal(f"{dice.below(8):020d}"))
    if dice.rarely(6):
        prints = replace(prints, document=FINGERPRINT_KEY.document(sha256(bytes([dice.below(8)])).digest()))
    if dice.rarely(4):
        prints = replace(prints, similar=sha256(b"alike").digest())
    return replace(prints, epoch=2) if dice.rarely(60) else prints


def drawn_dates(scene: Scene, dice: Dice) -> tuple[int, int]:
    today = scene.now_ms // DAY_MS
    issue = today - dice.one((1, 0, 1, 30))
    due = (
        issue + dice.one((60, 20, 90, 200, 5, 300, 400) if dice.rarely(6) else (60, 20, 40, 90))
        if not dice.rarely(40)
        else issue - 1
    )
    return issue, due


def drawn_schedule(dice: Dice, face: int, issue: int, due: int) -> tuple[Instalment, ...]:
    if not dice.rarely(4) or due - issue < 4:
        return ()
    first = dice.one((face // 2, face // 2, face // 2, 0))
    dates = (issue + (due - issue) // 2, due + dice.one((0, 0, 0, 0, 1)))
    amounts = (first, face - first + dice.one((0, 0, 0, 0, 1)))
    return tuple(Instalment(date, amount) for date, amount in zip(dates, amounts, strict=True))


def draw_registration(scene: Scene, dice: Dice) -> Any:
    exporter = dice.one((*EXPORTERS, *EXPORTERS, SUSPENDED))
    debtor = drawn_debtor(scene, dice, exporter)
    amount = dice.one((100, 60, 7, 1_000)) if not dice.rarely(30) else 0
    issue, due = drawn_dates(scene, dice)
    number = scene.number(dice, "INV")
    operation = registration(
        number,
        exporter=exporter,
        debtor_reference=debtor,
        amount=amount,
        currency=dice.one(("USD", "USD", "USD", "JPY")) if not dice.rarely(40) else "GBP",
        issue_date=issue,
        due_date=due,
        deliveries=drawn_deliveries(dice) if dice.half() else [],
        schedule=drawn_schedule(dice, amount, issue, due),
        reverse_factoring_debtor=dice.one(DEBTORS) if dice.rarely(10) else None,
    )
    evidence = () if dice.rarely(40) else operation.evidence
    if dice.rarely(8):
        kind = dice.one((EvidenceKind.CONTRACT, EvidenceKind.TAX, EvidenceKind.OTHER))
        evidence = (*evidence, Evidence(kind, sha256(b"also " + number.encode()).digest()))
    return replace(
        operation, fingerprints=drawn_prints(scene, dice, operation.fingerprints), evidence=evidence
    )


def draw_contract(scene: Scene, dice: Dice) -> Any:
    exporter = dice.one(EXPORTERS)
    debtor = drawn_debtor(scene, dice, exporter)
    number = scene.number(dice, "CON")
    prints = fingerprints_of(number, exporter=exporter, debtor_reference=debtor)
    contract = FINGERPRINT_KEY.contract(MemberId(exporter), debtor, number)
    prints = replace(prints, invoice=contract, similar=sha256(b"only " + contract).digest())
    if dice.rarely(30):
        prints = replace(prints, deliveries=(Delivery(NOWHERE, 1, 1),))
    today = scene.now_ms // DAY_MS
    kind = EvidenceKind.CONTRACT if not dice.rarely(30) else EvidenceKind.OTHER
    return RegisterFutureReceivable(
        exporter=exporter,
        debtor_reference=debtor,
        currency="USD" if not dice.rarely(40) else "GBP",
        cap=dice.one((100, 40)) if not dice.rarely(40) else 0,
        contract_date=today - 1,
        end_date=today + dice.one((100, 30, 300, -1, -2)),
        fingerprints=drawn_prints(scene, dice, prints),
        evidence=(Evidence(kind, sha256(b"contract " + number.encode()).digest()),),
    )


def draw_crystallisation(scene: Scene, dice: Dice) -> Any:
    future = scene.debt(dice, lambda debt: debt.phase == "future")
    if future is None:
        return draw_contract(scene, dice)
    number = scene.number(dice, "INV")
    issue, due = drawn_dates(scene, dice)
    if dice.half():
        issue = max(issue, future.issue)
    exporter = future.exporter if not dice.rarely(30) else dice.one(EXPORTERS)
    prints = fingerprints_of(
        number,
        exporter=exporter,
        debtor_reference=future.debtor,
        deliveries=[(scene.fresh("AWB"), 1, 2)] if not dice.rarely(5) else drawn_deliveries(dice),
    )
    prints = replace(prints, similar=sha256(b"only " + prints.invoice).digest())
    amount = dice.near((future.owed, future.owed // 2, 1), future.owed // 2)
    kind = EvidenceKind.INVOICE if not dice.rarely(30) else EvidenceKind.OTHER
    return Crystallise(
        receivable=future.name,
        exporter=exporter,
        witness=scene.debtor_of(dice, future) if dice.half() else BANK,
        amount=amount,
        issue_date=issue,
        due_date=due,
        fingerprints=drawn_prints(scene, dice, prints),
        evidence=(Evidence(kind, sha256(b"invoice " + number.encode()).digest()),),
    )


def draw_attestation(scene: Scene, dice: Dice) -> Any:
    debt = scene.debt(dice, lambda debt: not debt.is_closed and debt.prints.deliveries)
    if debt is None:
        return draw_registration(scene, dice)
    kind, paper, quantity = dice.one(_KINDS), NOWHERE, 0
    if debt.prints.deliveries and not dice.rarely(4):
        line = dice.one(debt.prints.deliveries)
        kind, paper = dice.one(_LINES), line.fingerprint
        quantity = dice.one((line.document_quantity, line.quantity, 6, line.quantity - 1))
    elif debt.prints.fiscal is not None and dice.half():
        kind, paper = EvidenceKind.TAX, debt.prints.fiscal
    elif debt.evidence:
        seen = dice.one(debt.evidence)
        kind, paper = seen.kind, seen.commitment
    if dice.rarely(20):
        kind = dice.one(_KINDS)
    attester = dice.one(scene.with_role(Role.ATTESTER, scene.book.members) or [BANK])
    return AttestEvidence(debt.name, attester, kind, paper, quantity, dice.rarely(8))


def draw_cancellation(scene: Scene, dice: Dice) -> Any:
    debt = scene.debt(dice, lambda debt: not debt.is_closed and not debt.paid and debt.exporter in debt.parts)
    if debt is None:
        return CancelReceivable(NOWHERE, dice.one(EXPORTERS), None)
    exporter = debt.exporter if not dice.rarely(15) else dice.one(EXPORTERS)
    needs_debtor = debt.confirmed_by in ("tacit", "express")
    debtor = scene.debtor_of(dice, debt) if needs_debtor != dice.rarely(6) else None
    return CancelReceivable(debt.name, exporter, debtor)


def draw_correction(scene: Scene, dice: Dice) -> Any:
    debt = scene.debt(dice, lambda debt: not debt.is_closed and not debt.rejected)
    if debt is None:
        return draw_registration(scene, dice)
    exporter = debt.exporter if not dice.rarely(30) else dice.one(EXPORTERS)
    concerned = {name for name, part in debt.parts.items() if part.amount}
    concerned |= {lien.pledgee for lien in debt.liens.values()}
    concerned -= {exporter}
    if concerned and dice.rarely(8):
        concerned.pop()
    operation = CorrectReceivable(
        debt.name,
        exporter,
        tuple(sorted(concerned)),
        debt.issue,
        debt.due,
        debt.evidence,
        debt.schedule,
        None,
    )
    return changed(scene, dice, debt, operation)


def changed(scene: Scene, dice: Dice, debt: Debt, operation: CorrectReceivable) -> CorrectReceivable:
    match dice.below(7):
        case 0:
            return replace(operation, issue_date=debt.issue - dice.one((1, 0, 400)))
        case 1:
            number = scene.number(dice, "INV", again=4)
            prints = fingerprints_of(number, exporter=debt.exporter, debtor_reference=debt.debtor)
            return replace(
                operation,
                fingerprints=drawn_prints(scene, dice, replace(debt.prints, invoice=prints.invoice)),
            )
        case 2:
            similar = sha256(b"moved " + scene.fresh("similar").encode()).digest()
            new = replace(debt.prints, similar=similar) if not dice.rarely(4) else None
            return replace(operation, due_date=debt.due + dice.one((1, 20, -1, 400)), fingerprints=new)
        case 3:
            more = Evidence(dice.one(_KINDS), sha256(scene.fresh("more").encode()).digest())
            kept = operation.evidence if dice.half() else operation.evidence[1:]
            return replace(operation, evidence=ordered((*kept, more)))
        case 4 if debt.schedule:
            first, *rest = debt.schedule
            moved = replace(first, due_date=first.due_date + dice.one((1, -1, -400)))
            return replace(operation, schedule=tuple(sorted((moved, *rest), key=lambda each: each.due_date)))
        case 5:
            lines = {each.fingerprint: each for each in debt.prints.deliveries}
            wanted = fingerprints_of("none", deliveries=drawn_deliveries(dice)).deliveries
            lines |= {each.fingerprint: each for each in wanted}
            kept_lines = list(lines.values())[dice.one((0, 0, 0, 1)) :]
            kept_lines.sort(key=lambda each: each.fingerprint)
            return replace(operation, fingerprints=replace(debt.prints, deliveries=tuple(kept_lines)))
        case _:
            return replace(operation, fingerprints=drawn_prints(scene, dice, debt.prints))


def ordered(evidence: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
    return tuple(sorted(set(evidence), key=lambda each: (each.kind, each.commitment)))


DRAWS: tuple[tuple[int, Draw], ...] = (
    (9, draw_registration),
    (3, draw_contract),
    (5, draw_crystallisation),
    (6, draw_attestation),
    (4, draw_correction),
    (2, draw_cancellation),
)
