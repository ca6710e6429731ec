"""Precedence: Existence: registration, confirmation, disputes, cancellation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from registry import limits
from registry.errors import Code
from registry.fingerprints import Delivery, FingerprintKind
from registry.operations.existence import Evidence, EvidenceKind, HolderShare, Instalment
from registry.receivable import (
    UNCONFIRMED,
    Confirmation,
    ConfirmationKind,
    Part,
    Phase,
)
from registry.record.attestations import Attestation
from registry.record.notices import Acknowledgement, Notice
from registry.rules.judgement import similar_key
from registry.stored import Namespace
from tests.registry.consortium import (
    AFFILIATE,
    BANK,
    DEBTOR,
    DEBTOR_REFERENCE,
    EXPORTER,
    FACTOR_2,
    FACTOR_3,
    FINGERPRINT_KEY,
    OTHER_DEBTOR,
    START_DAY,
    Consortium,
    cancellation,
    confirmation,
    dispute,
    registration,
    resolution,
)
from tests.registry.existence_examples import (
    arising,
    attestation,
    contract,
    correction,
    credit,
    rejection,
    silence,
)
from tests.registry.precedence_base import (
    DEBTOR_ITSELF,
    EXPORTER_ITSELF,
    NOT_CONFIRMED,
    NOT_REJECTED,
    STRICT,
    case_of,
    consortium,
    others,
)
from tests.registry.precedence_case import (
    CLOSED,
    OBJECTED,
    OWED,
    PLACE,
    POSITIVE,
    RESTRAINTS,
    UNKNOWN,
    Break,
    Case,
    Order,
    lien,
)


def _registering(made: Consortium, _receivable: bytes) -> Any:
    return registration("INV-9", deliveries=[("BL-9", 1, 1)])


def _crowded_similar(case: Case) -> None:
    key = similar_key(EXPORTER, DEBTOR_REFERENCE, case.operation.fingerprints.similar)
    case.put(Namespace.SIMILAR, key, (case.receivable,) * limits.SUSPICIONS_MAX)


REGISTER = Order(
    "RegisterReceivable",
    "",
    case_of(_registering),
    (
        Break(
            "the face amount is positive",
            Code.AMOUNT_NOT_POSITIVE,
            lambda case: case.change(face_amount=0),
        ),
        Break(
            "the currency is the consortium's",
            Code.CURRENCY_MISMATCH,
            lambda case: case.change(currency="XXX"),
        ),
        Break(
            "the exporter is not its own debtor",
            Code.RELATED_PARTY,
            lambda case: case.member(EXPORTER, debtor_reference=DEBTOR_REFERENCE),
        ),
        Break(
            "a debtor that signs is the one that is named",
            Code.BAD_IDENTIFIER,
            lambda case: case.change(reverse_factoring_debtor=OTHER_DEBTOR),
        ),
        Break(
            "dates and tenor are in order",
            Code.TENOR,
            lambda case: case.change(due_date=START_DAY - 2),
        ),
        Break(
            "the schedule adds up",
            Code.SCHEDULE_SUM,
            lambda case: case.change(schedule=(Instalment(START_DAY + 90, 1),)),
        ),
        Break(
            "there is an invoice, and a delivery where the policy asks for it",
            Code.NO_TRADE_EVIDENCE,
            lambda case: case.change(evidence=(Evidence(EvidenceKind.CONTRACT, bytes(32)),)),
        ),
        Break(
            "the fingerprints are of the present epoch",
            Code.FINGERPRINT_MISMATCH,
            lambda case: case.papers(epoch=9),
        ),
        Break(
            "no strong fingerprint is claimed",
            Code.DUPLICATE_RECEIVABLE,
            lambda case: case.papers(invoice=case.record().fingerprints.invoice),
        ),
        Break(
            "of each delivery as much is left",
            Code.DUPLICATE_DELIVERY,
            lambda case: case.papers(deliveries=(Delivery(FINGERPRINT_KEY.delivery("BL-2", "1"), 1, 1),)),
        ),
        Break("there is room in the list of similar ones", Code.LIMIT_REACHED, _crowded_similar),
    ),
)

CONFIRM = Order(
    "Confirm",
    "",
    case_of(lambda _made, receivable: confirmation(receivable)),
    (
        UNKNOWN,
        OWED,
        POSITIVE,
        Break("it is the debtor", Code.NOT_PERMITTED, lambda case: case.change(debtor=OTHER_DEBTOR)),
        Break(
            "it was not rejected",
            Code.ALREADY_REJECTED,
            lambda case: case.edit(confirmation=Confirmation(ConfirmationKind.REJECTED, 0, ())),
        ),
        Break(
            "no more is confirmed than is outstanding, and no less than before",
            Code.AMOUNT_MISMATCH,
            lambda case: case.edit(paid=1),
        ),
    ),
)

RAISE_DISPUTE = Order(
    "RaiseDispute",
    "",
    case_of(lambda _made, receivable: dispute(receivable, 1_000)),
    (
        UNKNOWN,
        OWED,
        POSITIVE,
        Break("it is the debtor", Code.NOT_PERMITTED, lambda case: case.change(debtor=OTHER_DEBTOR)),
        Break(
            "it was not rejected",
            Code.ALREADY_REJECTED,
            lambda case: case.edit(confirmation=Confirmation(ConfirmationKind.REJECTED, 0, ())),
        ),
        Break(
            "no more is disputed than is outstanding",
            Code.OVER_OUTSTANDING,
            lambda case: case.edit(paid=9_001),
        ),
    ),
)


def _resolving(_made: Consortium, receivable: bytes) -> Any:
    return resolution(receivable, freed=500, dilution=[(EXPORTER, 500)])


def _disputed() -> Case:
    case = case_of(_resolving)()
    case.edit(parts=(Part(EXPORTER, 8_000, 2_000, False, PLACE), Part(FACTOR_2, 2_000, 0, False, PLACE)))
    case.touched.clear()
    return case


RESOLVE_DISPUTE = Order(
    "ResolveDispute",
    "by debtor and holder",
    _disputed,
    (
        UNKNOWN,
        OWED,
        Break("debtor or court has signed", Code.MISSING_SIGNATURE, lambda case: case.change(debtor=None)),
        Break("it is the debtor", Code.NOT_PERMITTED, lambda case: case.change(debtor=OTHER_DEBTOR)),
        *RESTRAINTS,
        Break(
            "something is resolved",
            Code.AMOUNT_NOT_POSITIVE,
            lambda case: case.change(freed=0, dilution=(HolderShare(EXPORTER, 0),)),
        ),
        Break("no more is resolved than is disputed", Code.NO_DISPUTE, lambda case: case.change(freed=9_000)),
        Break(
            "who signs holds a part", Code.NOT_HOLDER, lambda case: case.change(holders=(EXPORTER, FACTOR_3))
        ),
        Break("whose part shrinks signs", Code.HOLDER_CONSENT, lambda case: case.change(holders=(FACTOR_2,))),
        Break(
            "the part is as large",
            Code.OVER_OUTSTANDING,
            lambda case: case.edit(
                parts=(Part(EXPORTER, 1, 0, False, PLACE), Part(FACTOR_2, 9_999, 9_000, False, PLACE))
            ),
        ),
        Break("no lien is in the way", Code.PLEDGED, lambda case: case.edit(liens=(lien(EXPORTER, 8_000),))),
    ),
)

CANCEL = Order(
    "CancelReceivable",
    "",
    case_of(lambda _made, receivable: cancellation(receivable, debtor=DEBTOR)),
    (
        UNKNOWN,
        CLOSED,
        Break("it is the exporter's own", Code.NOT_PERMITTED, lambda case: case.change(exporter=AFFILIATE)),
        *RESTRAINTS,
        Break("nobody else has a claim on it", Code.ENCUMBERED, lambda case: case.edit(paid=1)),
        Break("who has confirmed signs too", Code.MISSING_SIGNATURE, lambda case: case.change(debtor=None)),
        Break("that one is the debtor", Code.NOT_PERMITTED, lambda case: case.change(debtor=OTHER_DEBTOR)),
    ),
)


def _epoch() -> Break:
    return Break(
        "the fingerprints are of the present epoch",
        Code.FINGERPRINT_MISMATCH,
        lambda case: case.papers(epoch=9),
    )


def _unclaimed() -> Break:
    return Break(
        "no strong fingerprint is claimed",
        Code.DUPLICATE_RECEIVABLE,
        lambda case: case.papers(invoice=consortium()[0].record(others()[0]).fingerprints.invoice),
    )


SIMILAR_ROOM: Final = Break("there is room in the list of similar ones", Code.LIMIT_REACHED, _crowded_similar)
REGISTER_FUTURE = Order(
    "RegisterFutureReceivable",
    "",
    case_of(lambda _made, _receivable: contract("CON-9")),
    (
        Break("the cap is positive", Code.AMOUNT_NOT_POSITIVE, lambda case: case.change(cap=0)),
        Break(
            "the currency is the consortium's",
            Code.CURRENCY_MISMATCH,
            lambda case: case.change(currency="XXX"),
        ),
        Break(
            "the exporter is not its own debtor",
            Code.RELATED_PARTY,
            lambda case: case.member(EXPORTER, debtor_reference=DEBTOR_REFERENCE),
        ),
        Break("it ends after it begins", Code.TENOR, lambda case: case.change(end_date=START_DAY - 2)),
        Break("there is a contract", Code.NO_TRADE_EVIDENCE, lambda case: case.change(evidence=())),
        Break(
            "nothing was delivered yet",
            Code.NO_TRADE_EVIDENCE,
            lambda case: case.papers(deliveries=(Delivery(bytes(32), 1, 1),)),
        ),
        _epoch(),
        _unclaimed(),
        SIMILAR_ROOM,
    ),
)


def _contract_case() -> Case:
    made, _receivable = consortium()
    future = others()[1]
    return Case(made, arising(future, "INV-9"), future, made.now_ms, STRICT)


CRYSTALLISE = Order(
    "Crystallise",
    "",
    _contract_case,
    (
        UNKNOWN,
        *RESTRAINTS,
        Break("it is a contract", Code.NOT_FUTURE, lambda case: case.edit(phase=Phase.LIVE)),
        EXPORTER_ITSELF,
        Break(
            "the witness is the debtor, or accredited and no party",
            Code.NOT_PERMITTED,
            lambda case: case.change(witness=OTHER_DEBTOR),
        ),
        POSITIVE,
        Break("as much of the cap is left", Code.OVER_CAP, lambda case: case.edit(face_amount=1)),
        Break(
            "dates and tenor are in order, and inside the contract's",
            Code.TENOR,
            lambda case: case.change(due_date=START_DAY - 5),
        ),
        Break("there is an invoice", Code.NO_TRADE_EVIDENCE, lambda case: case.change(evidence=())),
        Break("something was delivered", Code.NO_TRADE_EVIDENCE, lambda case: case.papers(deliveries=())),
        _epoch(),
        _unclaimed(),
        SIMILAR_ROOM,
    ),
)


def _attested(case: Case, count: int, paper: bytes) -> None:
    seen = Attestation(EvidenceKind.DELIVERY, paper, FACTOR_3, 10, False, PLACE)
    case.edit(attestations=(seen,) * count)


def _attested_elsewhere(case: Case) -> None:
    use = case.state.get(Namespace.DELIVERY, case.operation.paper)
    case.put(Namespace.DELIVERY, case.operation.paper, replace(use, attested_quantity=10, attested_use=9))


ATTEST = Order(
    "AttestEvidence",
    "",
    case_of(attestation),
    (
        UNKNOWN,
        CLOSED,
        Break(
            "the attester is accredited for this kind",
            Code.NOT_PERMITTED,
            lambda case: case.member(BANK, accredited=()),
        ),
        Break("it is no party", Code.NOT_PERMITTED, lambda case: case.edit(exporter=BANK)),
        Break(
            "the receivable names the paper",
            Code.NO_TRADE_EVIDENCE,
            lambda case: case.change(paper=bytes(32)),
        ),
        Break(
            "the paper was not attested yet",
            Code.DUPLICATE_DELIVERY,
            lambda case: _attested(case, 1, case.operation.paper),
        ),
        Break(
            "there is room for another attestation",
            Code.LIMIT_REACHED,
            lambda case: _attested(case, limits.ATTESTATIONS_MAX, bytes(32)),
        ),
        Break(
            "the document holds what is claimed of it",
            Code.QUANTITY_EXCEEDED,
            lambda case: case.change(quantity=1),
        ),
        Break("as much of it is not attested elsewhere", Code.DUPLICATE_DELIVERY, _attested_elsewhere),
    ),
)
SILENT = Notice(EXPORTER, 0, PLACE, Acknowledgement(0, PLACE))
CONFIRM_TACITLY = Order(
    "ConfirmTacitly",
    "",
    case_of(
        lambda made, receivable: silence(made, receivable, EXPORTER),
        confirmation=UNCONFIRMED,
        notices=(SILENT,),
    ),
    (
        UNKNOWN,
        OWED,
        NOT_REJECTED,
        NOT_CONFIRMED,
        Break("the holder has a part", Code.NOT_HOLDER, lambda case: case.change(holder=FACTOR_3)),
        Break("the debtor's consent stands", Code.NO_OPT_IN, lambda case: case.change(opt_in=None)),
        Break(
            "the notice was acknowledged long enough ago",
            Code.TOO_EARLY,
            lambda case: case.edit(notices=()),
        ),
        Break(
            "nothing is disputed",
            Code.OBJECTED,
            lambda case: case.edit(parts=(Part(EXPORTER, 10_000, 1, False, PLACE),)),
        ),
        OBJECTED,
    ),
)
REJECT = Order(
    "RejectReceivable",
    "",
    case_of(lambda _made, receivable: rejection(receivable), confirmation=UNCONFIRMED),
    (UNKNOWN, OWED, DEBTOR_ITSELF, NOT_REJECTED, NOT_CONFIRMED),
)


def _credited_before(case: Case) -> None:
    key = bytes([FingerprintKind.CREDIT_NOTE]) + case.operation.credit_note
    case.put(Namespace.FINGERPRINT, key, PLACE)


CREDIT_NOTE = Order(
    "RecordCreditNote",
    "",
    case_of(lambda _made, receivable: credit(receivable, (EXPORTER, 500))),
    (
        UNKNOWN,
        OWED,
        *RESTRAINTS,
        NOT_REJECTED,
        EXPORTER_ITSELF,
        Break(
            "each amount is positive",
            Code.AMOUNT_NOT_POSITIVE,
            lambda case: case.change(shares=(HolderShare(EXPORTER, 0),)),
        ),
        Break("the credit note is new", Code.DUPLICATE_CREDIT_NOTE, _credited_before),
        Break(
            "no more is credited than is outstanding",
            Code.OVER_OUTSTANDING,
            lambda case: case.edit(paid=9_501),
        ),
        Break(
            "whose part shrinks signs",
            Code.HOLDER_CONSENT,
            lambda case: case.change(shares=(HolderShare(FACTOR_2, 500),)),
        ),
        Break(
            "the part is as large",
            Code.OVER_OUTSTANDING,
            lambda case: case.edit(parts=(Part(EXPORTER, 499, 0, False, PLACE),)),
        ),
        Break(
            "whose lien shrinks signs",
            Code.HOLDER_CONSENT,
            lambda case: case.edit(liens=(lien(EXPORTER, 10_000),)),
        ),
    ),
)


def _correcting(made: Consortium, receivable: bytes) -> Any:
    prints = replace(made.record(receivable).fingerprints, document=b"\x08" * 32)
    return correction(made, receivable, fingerprints=prints)


CORRECT = Order(
    "CorrectReceivable",
    "",
    case_of(_correcting),
    (
        UNKNOWN,
        OWED,
        NOT_REJECTED,
        EXPORTER_ITSELF,
        Break(
            "all holders and lienholders sign",
            Code.HOLDER_CONSENT,
            lambda case: case.edit(liens=(lien(EXPORTER, 1),)),
        ),
        Break(
            "it is clerical",
            Code.NOT_CLERICAL,
            lambda case: case.change(schedule=(Instalment(START_DAY + 90, 9_999),)),
        ),
        Break(
            "dates and tenor are in order",
            Code.TENOR,
            lambda case: case.change(issue_date=START_DAY + 2),
        ),
        Break(
            "there is an invoice",
            Code.NO_TRADE_EVIDENCE,
            lambda case: case.change(evidence=(Evidence(EvidenceKind.CONTRACT, bytes(32)),)),
        ),
        _epoch(),
        Break(
            "no strong fingerprint is claimed by another",
            Code.DUPLICATE_RECEIVABLE,
            lambda case: case.papers(invoice=consortium()[0].record(others()[0]).fingerprints.invoice),
        ),
    ),
)

ORDERS: Final = (
    REGISTER,
    REGISTER_FUTURE,
    CRYSTALLISE,
    ATTEST,
    CONFIRM,
    CONFIRM_TACITLY,
    REJECT,
    RAISE_DISPUTE,
    RESOLVE_DISPUTE,
    CREDIT_NOTE,
    CORRECT,
    CANCEL,
)
