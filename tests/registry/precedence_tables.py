"""For each operation, its rules in order, each with what breaks it: the precedence of refusals as data.

`docs/rulebook/precedence.md` is written from these tables, and `test_precedence` breaks two rules at a time. A rule that is moved
in the code fails there; a rule that is added is added here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any, Final

from registry import limits
from registry.blankets import Blanket
from registry.errors import Code
from registry.exposure import RiskAssets, risk_assets_id
from registry.fingerprints import Delivery
from registry.future import FutureTerms
from registry.judgments import Judgment
from registry.member import possession_message
from registry.offers import Reservation
from registry.operations import AcceptAssignment, Freeze, ReverseByJudgment
from registry.operations.existence import Evidence, EvidenceKind, HolderShare, Instalment
from registry.operations.governance import EnrolMember, KeyEnrolment, Role
from registry.operations.reversal import AssignmentUndone, Step, StepUndone
from registry.operations.security import Junior
from registry.policy import ConfirmationPolicy, Policy
from registry.receivable import (
    UNCONFIRMED,
    Confirmation,
    ConfirmationKind,
    Disposal,
    Part,
    Phase,
)
from registry.relations import Control
from registry.restraints import Freeze as CourtOrder
from registry.restraints import Restraints
from registry.rules.judgement import similar_key
from registry.state import Namespace
from registry.terms import Terms
from tests.registry.assignment_examples import giving_back, offer
from tests.registry.collection_examples import CASE, DECISION, default
from tests.registry.consortium import (
    AFFILIATE,
    BANK,
    COURT,
    DEBTOR,
    DEBTOR_REFERENCE,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    FACTOR_3,
    FINGERPRINT_KEY,
    OPEN_POLICY,
    OTHER_DEBTOR,
    START_DAY,
    STRANGER,
    Consortium,
    cancellation,
    confirmation,
    dispute,
    found,
    key_of,
    payment,
    registration,
    resolution,
    settlement,
)
from tests.registry.precedence_case import (
    CLOSED,
    LATER_MS,
    OWED,
    PLACE,
    POSITIVE,
    RESTRAINTS,
    UNKNOWN,
    Break,
    Case,
    Order,
    crowd,
    lien,
    reservation,
)

STRICT: Final[Policy] = replace(
    OPEN_POLICY,
    require_confirmation=ConfirmationPolicy.BOTH,
    require_delivery_evidence=True,
    single_debtor_max_percent=50,
    whitelisted_factors_only=True,
)
AFTER_DUE_MS: Final = (START_DAY + 91) * 86_400_000


@cache
def consortium() -> tuple[Consortium, bytes]:
    """A receivable of 10,000 that is confirmed, and a listed factor with room for it. Never committed to afterwards."""
    made = found(STRICT)
    receivable = made.registered("INV-1", fiscal="1", deliveries=[("BL-1", 4, 10)])
    second = made.registered("INV-2", deliveries=[("BL-2", 1, 1)])
    made.do(payment(second, 1, reference="TRN-USED"))
    made.do(confirmation(receivable))
    made.change_member(FACTOR_1, whitelisted=True)
    state = made.working()
    assets = RiskAssets(1_000_000, START_DAY, PLACE)
    state.put(Namespace.RISK_ASSETS, risk_assets_id(FACTOR_1, "USD"), assets)
    delta, _root = state.finish()
    made.state.apply(delta)
    return made, receivable


def case_of(make: Callable[[Consortium, bytes], Any], time_ms: int | None = None) -> Callable[[], Case]:
    """A case on the receivable; by default in the next block."""

    def base() -> Case:
        made, receivable = consortium()
        return Case(made, make(made, receivable), receivable, time_ms or made.now_ms, STRICT)

    return base


# --- breaks of a disposal


def _promised(case: Case) -> None:
    blanket = Blanket(bytes(32), FACTOR_2, None, 0, LATER_MS * 100, False, False, PLACE)
    case.put(Namespace.BLANKET, EXPORTER.encode(), (blanket,))
    case.edit(phase=Phase.FUTURE, future=FutureTerms(10_000, 0))


def _related(case: Case) -> None:
    for party in (FINGERPRINT_KEY.debtor(FACTOR_1), DEBTOR_REFERENCE):
        case.put(Namespace.CONTROL, party, (Control(b"\x07" * 32, 0, PLACE),))


def _suspicious(case: Case) -> None:
    made, _receivable = consortium()
    other = list(made.receivables)[1]
    record = case.record()
    key = similar_key(record.exporter, record.debtor_reference, record.fingerprints.similar)
    case.put(Namespace.SIMILAR, key, (case.receivable, other))


def _barred(case: Case) -> None:
    case.edit(terms=(Terms(FACTOR_3, EXPORTER, 0, True, PLACE),))


def _small_assets(case: Case) -> None:
    case.put(Namespace.RISK_ASSETS, risk_assets_id(FACTOR_1, "USD"), RiskAssets(1, START_DAY, PLACE))


def _unlisted(case: Case) -> None:
    case.member(FACTOR_1, whitelisted=False)


LISTED: Final = Break(
    "the taker is on the list, where the policy goes by it", Code.NOT_WHITELISTED, _unlisted
)
NOT_PAST_DUE: Final = Break("the due date has not passed", Code.PAST_DUE, lambda case: case.at(AFTER_DUE_MS))
UNRELATED: Final = Break("nobody is of the debtor's group", Code.RELATED_PARTY, _related)
CONCENTRATED: Final = Break("the taker stays within its limits", Code.CONCENTRATION, _small_assets)
ONWARD: Final = Break("the holder may assign onward", Code.RESALE_BARRED, _barred)
PAPERS: Final = Break(
    "the papers are those of the registration",
    Code.FINGERPRINT_MISMATCH,
    lambda case: case.change(verified_fingerprints=bytes(32)),
)
SUSPICIONS: Final = Break(
    "every similar receivable is acknowledged", Code.SUSPICION_NOT_ACKNOWLEDGED, _suspicious
)


def _value(holder: str, empty: Callable[[Case], None]) -> tuple[Break, ...]:
    """The amount is free: three codes for one rule, by what is in the way."""

    def taken(case: Case, **fields: Any) -> None:
        case.touch("value")
        case.edit(**fields)

    def emptied(case: Case) -> None:
        case.touch("value")
        empty(case)

    return (
        Break("no lien is in the way", Code.PLEDGED, lambda case: taken(case, liens=(lien(holder, 9_999),))),
        Break(
            "no open offer is in the way",
            Code.RESERVED,
            lambda case: taken(case, reservations=(reservation(holder, 9_999),)),
        ),
        Break("the amount is free", Code.EMPTY_ASSIGNMENT, emptied),
    )


def _assigned(changed: Callable[..., Callable[[Case], None]]) -> tuple[Break, ...]:
    """The rules of an assignment after the receivable is known; `changed` sets what the assignment says."""
    return (
        *RESTRAINTS,
        Break("the amount is positive", Code.AMOUNT_NOT_POSITIVE, changed(amount=0)),
        Break("the assignor holds a part", Code.NOT_HOLDER, changed(assignor=FACTOR_3)),
        Break("a contract is promised to nobody else", Code.BLANKET_CONFLICT, _promised),
        *_value(EXPORTER, changed(amount=10_001)),
        Break(
            "the debtor has confirmed, where the policy asks for it",
            Code.UNCONFIRMED,
            lambda case: case.edit(confirmation=UNCONFIRMED),
        ),
        LISTED,
        NOT_PAST_DUE,
        UNRELATED,
        CONCENTRATED,
        ONWARD,
        PAPERS,
        SUSPICIONS,
        Break(
            "there is room for another holder",
            Code.LIMIT_REACHED,
            lambda case: case.edit(parts=(*case.record().parts, *crowd(limits.HOLDERS_MAX))),
        ),
    )


# --- existence


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

# --- assignment


def _operation(**fields: Any) -> Callable[[Case], None]:
    return lambda case: case.change(**fields)


def _assigning(made: Consortium, receivable: bytes) -> Any:
    return made.assignment(receivable, 4_000, future_consented=True)


ASSIGN = Order("Assign", "", case_of(_assigning), (UNKNOWN, CLOSED, *_assigned(_operation)))


def _accepting(made: Consortium, receivable: bytes) -> AcceptAssignment:
    papers = made.record(receivable).fingerprints.digest()
    return AcceptAssignment(receivable, b"\x09" * 32, FACTOR_1, papers, (), future_consented=True)


def _offered() -> Case:
    case = case_of(_accepting)()
    case.edit(reservations=(reservation(EXPORTER, 4_000, 9, FACTOR_1),))
    case.touched.clear()
    return case


def _offer(**fields: Any) -> Callable[[Case], None]:
    """What the offer says, in place of what an assignment says."""

    def broken(case: Case) -> None:
        case.touch(*(f"operation.{name}" for name in fields))
        first, *others = case.record().reservations
        case.edit(reservations=(replace(first, **fields), *others))
        case.touched.discard("record.reservations")

    return broken


def _another_offer(case: Case) -> None:
    case.touch("value")
    own: tuple[Reservation, ...] = case.record().reservations
    case.edit(reservations=(*own, reservation(EXPORTER, 9_999, 2)))
    case.touched.discard("record.reservations")


def _accepted_rules() -> tuple[Break, ...]:
    return tuple(
        replace(rule, breaks=_another_offer) if rule.code is Code.RESERVED else rule
        for rule in _assigned(_offer)
    )


ACCEPT = Order(
    "AcceptAssignment",
    "",
    _offered,
    (
        UNKNOWN,
        CLOSED,
        Break("the offer is open", Code.NO_OFFER, lambda case: case.change(offer=bytes(32))),
        Break("it was made to this factor", Code.NO_OFFER, lambda case: case.change(assignee=FACTOR_2)),
        *_accepted_rules(),
    ),
)

OFFER = Order(
    "OfferAssignment",
    "",
    case_of(lambda made, receivable: offer(made, receivable, 4_000)),
    (
        UNKNOWN,
        CLOSED,
        *RESTRAINTS,
        POSITIVE,
        Break("the assignor holds a part", Code.NOT_HOLDER, lambda case: case.change(assignor=FACTOR_3)),
        Break(
            "it is made to a factor, and another one",
            Code.NOT_PERMITTED,
            lambda case: case.change(assignee=DEBTOR),
        ),
        Break("it runs as long as the policy allows", Code.TERM, lambda case: case.change(until_ms=0)),
        Break("a contract is promised to nobody else", Code.BLANKET_CONFLICT, _promised),
        *_value(EXPORTER, lambda case: case.change(amount=10_001)),
        ONWARD,
        Break(
            "there is room for another offer",
            Code.LIMIT_REACHED,
            lambda case: case.edit(
                reservations=tuple(
                    reservation(FACTOR_3, 0, number) for number in range(limits.RESERVATIONS_MAX)
                )
            ),
        ),
    ),
)


def _with_recourse() -> Case:
    case = case_of(lambda _made, receivable: giving_back(receivable, 2_000), AFTER_DUE_MS)()
    case.edit(
        parts=(Part(FACTOR_1, 10_000, 0, True, PLACE),),
        terms=(Terms(EXPORTER, FACTOR_1, 2_000, False, PLACE),),
    )
    case.touched.clear()
    return case


REASSIGN = Order(
    "Reassign",
    "",
    _with_recourse,
    (
        UNKNOWN,
        OWED,
        *RESTRAINTS,
        POSITIVE,
        Break("the holder has a part", Code.NOT_HOLDER, lambda case: case.change(holder=FACTOR_3)),
        Break("it has recourse for as much", Code.NO_RECOURSE, lambda case: case.edit(terms=())),
        Break(
            "it is disputed, rejected or overdue",
            Code.NOT_DUE,
            lambda case: case.at(START_DAY * 86_400_000),
        ),
        *_value(FACTOR_1, lambda case: case.edit(parts=(Part(FACTOR_1, 1_999, 0, True, PLACE),))),
        Break(
            "there is room for another holder",
            Code.LIMIT_REACHED,
            lambda case: case.edit(parts=(*case.record().parts, *crowd(limits.HOLDERS_MAX))),
        ),
    ),
)

# --- security


def _closed_to_pledges(case: Case) -> None:
    # What is closed covers nothing: beside that, what was assigned away is not a duplicate either.
    case.touch("claim")
    case.edit(phase=Phase.SETTLED)


def _assigned_away(case: Case) -> None:
    case.touch("claim")
    case.edit(
        parts=(Part(FACTOR_2, 10_000, 0, False, PLACE),), disposals=(Disposal(EXPORTER, 10_000, PLACE),)
    )


PLEDGE_ENDS: Final = (
    LISTED,
    NOT_PAST_DUE,
    UNRELATED,
    CONCENTRATED,
    PAPERS,
    SUSPICIONS,
    Break(
        "there is room for another lien",
        Code.LIMIT_REACHED,
        lambda case: case.edit(
            liens=(*case.record().liens, *(lien(FACTOR_3, 0, 100 + n) for n in range(limits.LIENS_MAX)))
        ),
    ),
)
PLEDGE = Order(
    "Pledge",
    "",
    case_of(lambda made, receivable: made.pledging(receivable, 4_000, until_ms=made.now_ms + LATER_MS)),
    (
        replace(UNKNOWN, code=Code.EMPTY_PLEDGE),
        *RESTRAINTS,
        POSITIVE,
        Break("the pledgor had a part", Code.NOT_HOLDER, lambda case: case.change(pledgor=FACTOR_3)),
        Break("it has it still", Code.DUPLICATE_PLEDGE, _assigned_away),
        Break("it runs for 30 days to 30 years", Code.TERM, lambda case: case.change(until_ms=0)),
        Break("it is owed now", Code.EMPTY_PLEDGE, _closed_to_pledges),
        Break(
            "no earlier claim covers the amount",
            Code.DUPLICATE_PLEDGE,
            lambda case: case.edit(liens=(lien(EXPORTER, 9_999),)),
        ),
        Break(
            "the debtor has confirmed, where the policy asks for it",
            Code.EMPTY_PLEDGE,
            lambda case: case.edit(confirmation=UNCONFIRMED),
        ),
        *PLEDGE_ENDS,
    ),
)


def _junior() -> Case:
    made, receivable = consortium()
    operation = made.pledging(
        receivable, 4_000, until_ms=made.now_ms + LATER_MS, junior_to=Junior(b"\x01" * 32, FACTOR_3)
    )
    case = Case(made, operation, receivable, made.now_ms, STRICT)
    case.edit(liens=(lien(EXPORTER, 10_000),))
    case.touched.clear()
    return case


def _behind(case: Case) -> None:
    senior = case.record().liens[0]
    case.edit(liens=(senior, replace(lien(EXPORTER, 1, 2), behind=senior.lien_id)))


JUNIOR_PLEDGE = Order(
    "Pledge",
    "behind another lien",
    _junior,
    (
        replace(UNKNOWN, code=Code.EMPTY_PLEDGE),
        *RESTRAINTS,
        POSITIVE,
        Break("the pledgor had a part", Code.NOT_HOLDER, lambda case: case.change(pledgor=FACTOR_3)),
        Break("it runs for 30 days to 30 years", Code.TERM, lambda case: case.change(until_ms=0)),
        Break(
            "the senior lien is there",
            Code.NOT_LIENHOLDER,
            lambda case: case.change(junior_to=Junior(bytes(32), FACTOR_3)),
        ),
        Break("it is owed now", Code.EMPTY_PLEDGE, lambda case: case.edit(phase=Phase.SETTLED)),
        Break("nobody stands behind that lien", Code.DUPLICATE_PLEDGE, _behind),
        Break("it is no larger than that lien", Code.EMPTY_PLEDGE, lambda case: case.change(amount=10_001)),
        *PLEDGE_ENDS,
    ),
)

# --- collection


def _reused(case: Case) -> None:
    used = payment(case.receivable, 1, reference="TRN-USED").bank_reference
    case.change(bank_reference=used)


REFERENCE_NEW: Final = Break("the bank reference is new", Code.REFERENCE_REUSED, _reused)
PAY_BY_BANK = Order(
    "RecordPayment",
    "by a bank",
    case_of(lambda _made, receivable: payment(receivable, 4_000, reporter=BANK)),
    (
        UNKNOWN,
        OWED,
        POSITIVE,
        Break(
            "the bank attests and is no party",
            Code.NOT_PERMITTED,
            lambda case: case.change(reporter=FACTOR_2),
        ),
        Break("who was paid holds a part", Code.NOT_HOLDER, lambda case: case.change(holder=FACTOR_3)),
        Break(
            "no more is paid than is owed to it", Code.OVERPAYMENT, lambda case: case.change(amount=10_001)
        ),
        REFERENCE_NEW,
    ),
)
PAY_BY_HOLDER = Order(
    "RecordPayment",
    "by who was paid",
    case_of(lambda _made, receivable: payment(receivable, 4_000)),
    (
        UNKNOWN,
        OWED,
        POSITIVE,
        Break(
            "who was paid holds a part",
            Code.NOT_HOLDER,
            lambda case: case.change(reporter=FACTOR_3, holder=FACTOR_3),
        ),
        Break(
            "no more is paid than is owed to it", Code.OVERPAYMENT, lambda case: case.change(amount=10_001)
        ),
        REFERENCE_NEW,
        Break(
            "whose lien shrinks consents",
            Code.PLEDGED,
            lambda case: case.edit(liens=(lien(EXPORTER, 10_000),)),
        ),
    ),
)
SETTLE = Order(
    "Settle",
    "as a write-off",
    case_of(lambda _made, receivable: settlement(receivable, write_off=True)),
    (
        UNKNOWN,
        OWED,
        Break(
            "who signs holds a part",
            Code.NOT_HOLDER,
            lambda case: case.change(holders=tuple(sorted((EXPORTER, FACTOR_3)))),
        ),
        Break(
            "all holders sign",
            Code.HOLDER_CONSENT,
            lambda case: case.edit(parts=(*case.record().parts, Part(FACTOR_2, 1, 0, False, PLACE))),
        ),
        Break(
            "nothing is outstanding, or it is written off",
            Code.OUTSTANDING,
            lambda case: case.change(write_off=False),
        ),
        *RESTRAINTS,
        Break(
            "no lien or pool is in the way", Code.PLEDGED, lambda case: case.edit(liens=(lien(EXPORTER, 1),))
        ),
    ),
)
DECLARE_DEFAULT = Order(
    "DeclareDefault",
    "",
    case_of(lambda _made, receivable: default(receivable), AFTER_DUE_MS),
    (
        UNKNOWN,
        OWED,
        Break("it has a part or a lien", Code.NOT_HOLDER, lambda case: case.change(holder=FACTOR_3)),
        Break(
            "what is due is unpaid after the days of grace",
            Code.NOT_DUE,
            lambda case: case.at(START_DAY * 86_400_000),
        ),
    ),
)

# --- authority


def _executed(case: Case) -> None:
    case.edit(judgments=(Judgment(DECISION, CASE, COURT, PLACE),))


def _executed_often(case: Case) -> None:
    others = (Judgment(bytes([n]) * 32, CASE, COURT, PLACE) for n in range(limits.JUDGMENTS_MAX))
    case.edit(judgments=tuple(others))


def _judging(_made: Consortium, receivable: bytes) -> Any:
    undone = (StepUndone(Step.CONFIRMATION),)
    return ReverseByJudgment(receivable, COURT, CASE, DECISION, undone)


REVERSE = Order(
    "ReverseByJudgment",
    "",
    case_of(_judging),
    (
        UNKNOWN,
        Break("there is a case and a decision", Code.NO_ORDER, lambda case: case.change(case_number="")),
        Break("the decision was not executed on it", Code.NO_ORDER, _executed),
        Break("there is room for another decision", Code.LIMIT_REACHED, _executed_often),
        CLOSED,
        Break(
            "an amount is positive",
            Code.AMOUNT_NOT_POSITIVE,
            lambda case: case.change(undone=(AssignmentUndone(EXPORTER, FACTOR_1, 0, ()),)),
        ),
        Break("what is undone stands", Code.NO_ORDER, lambda case: case.edit(confirmation=UNCONFIRMED)),
    ),
)


def _frozen_alike(case: Case) -> None:
    case.edit(restraints=Restraints((CourtOrder(CASE, COURT, PLACE),), ()))


def _frozen_often(case: Case) -> None:
    orders = (CourtOrder(str(n), COURT, PLACE) for n in range(limits.FREEZES_MAX))
    case.edit(restraints=Restraints(tuple(orders), ()))


FREEZE = Order(
    "Freeze",
    "",
    case_of(lambda _made, receivable: Freeze(receivable, COURT, CASE)),
    (
        UNKNOWN,
        CLOSED,
        Break("there is a case number", Code.NO_ORDER, lambda case: case.change(case_number=" ")),
        Break("no order stands under it", Code.ALREADY_IN_FORCE, _frozen_alike),
        Break("there is room for another order", Code.LIMIT_REACHED, _frozen_often),
    ),
)

# --- governance


def _enrolment(**fields: Any) -> EnrolMember:
    made, _receivable = consortium()
    key = key_of(STRANGER)
    possession = key.sign(possession_message(made.genesis.chain_id, STRANGER, key.public_key))
    return EnrolMember(
        STRANGER,
        (Role.FACTOR,),
        made.genesis.members[0].numbering,
        FINGERPRINT_KEY.debtor(STRANGER),
        (KeyEnrolment(key.public_key, possession),),
        **fields,
    )


ENROL = Order(
    "EnrolMember",
    "",
    case_of(lambda _made, _receivable: _enrolment()),
    (
        Break("the identifier is right", Code.BAD_IDENTIFIER, lambda case: case.change(member="lei:1")),
        Break("it is no member", Code.ALREADY_ENROLLED, lambda case: case.change(member=EXPORTER)),
        Break(
            "it has a reference, where its roles need one",
            Code.BAD_IDENTIFIER,
            lambda case: case.change(debtor_reference=None),
        ),
        Break(
            "the reference is nobody else's",
            Code.IDENTIFIER_IN_USE,
            lambda case: case.change(debtor_reference=DEBTOR_REFERENCE),
        ),
        Break(
            "its keys are nobody's",
            Code.KEY_IN_USE,
            lambda case: case.put(Namespace.KEY_OWNER, key_of(STRANGER).public_key, EXPORTER),
        ),
        Break(
            "possession is proven",
            Code.BAD_SIGNATURE,
            lambda case: case.change(keys=(replace(case.operation.keys[0], possession=bytes(64)),)),
        ),
    ),
)

ORDERS: Final = (
    REGISTER,
    CONFIRM,
    RAISE_DISPUTE,
    RESOLVE_DISPUTE,
    CANCEL,
    OFFER,
    ACCEPT,
    ASSIGN,
    REASSIGN,
    PLEDGE,
    JUNIOR_PLEDGE,
    PAY_BY_BANK,
    PAY_BY_HOLDER,
    SETTLE,
    DECLARE_DEFAULT,
    FREEZE,
    REVERSE,
    ENROL,
)
