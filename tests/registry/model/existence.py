"""The model's rules of coming into being: registrations, contracts and what arises from them, corrections, cancellation."""

from __future__ import annotations

from copy import deepcopy

from registry.errors import Code, Reason, Reference
from registry.fingerprints import Fingerprints
from registry.identifiers import receivable_id
from registry.limits import SUSPICIONS_MAX
from registry.operations import (
    CancelReceivable,
    CorrectReceivable,
    Crystallise,
    RegisterFutureReceivable,
    RegisterReceivable,
)
from registry.operations.existence import Evidence, EvidenceKind, Instalment
from tests.registry.model.assignment import attach
from tests.registry.model.book import (
    Book,
    Debt,
    Delivered,
    Here,
    Judge,
    Part,
    Refused,
    Terms,
    need_positive,
    need_unrejected,
    need_unrestrained,
)
from tests.registry.model.disposal import flag_circle
from tests.registry.model.value import fit_claims, forget_empty_terms

_DELIVERY = (EvidenceKind.DELIVERY, EvidenceKind.CUSTOMS)


# --- papers


def need_evidence(evidence: tuple[Evidence, ...], kind: EvidenceKind, place: Reference | None = None) -> None:
    if all(each.kind is not kind for each in evidence):
        raise Refused(Code.NO_TRADE_EVIDENCE, place)


def need_terms(book: Book, here: Here, issue: int, due: int) -> None:
    """One day ahead is allowed: the issuer's calendar may be ahead of UTC."""
    if not 0 <= due - issue <= book.policy.tenor_max_days or issue > here.today + 1:
        raise Refused(Code.TENOR)


def need_schedule(schedule: tuple[Instalment, ...], face: int, issue: int, due: int) -> None:
    if not schedule:
        return
    if sum(each.amount for each in schedule) != face or schedule[-1].due_date != due:
        raise Refused(Code.SCHEDULE_SUM)
    if any(each.amount == 0 or each.due_date < issue for each in schedule):
        raise Refused(Code.SCHEDULE_SUM)


def need_papers(
    book: Book, exporter: str, debtor: bytes, prints: Fingerprints, amount: int, own: Debt | None = None
) -> None:
    """Fingerprints of the present epoch, none of the strong ones claimed; similar ones can be named; deliveries suffice."""
    if prints.epoch != book.epoch:
        raise Refused(Code.FINGERPRINT_MISMATCH)
    for paper in prints.strong():
        first = book.papers.get(paper)
        if first is not None and (own is None or paper not in own.prints.strong()):
            raise Refused(Code.DUPLICATE_RECEIVABLE, first, (Reason(paper[0].name.lower(), amount),))
    listed = book.similar.get((exporter, debtor, prints.similar), [])
    mine = {} if own is None else {each.fingerprint: each.quantity for each in own.prints.deliveries}
    for delivery in prints.deliveries:
        known = book.deliveries.get(delivery.fingerprint)
        left = delivery.document_quantity
        if known is not None:
            used = known.used - mine.get(delivery.fingerprint, 0)
            whole = min(known.whole, delivery.document_quantity)
            left = (whole if known.attested is None else min(whole, known.attested)) - used
        if delivery.quantity > left:
            raise Refused(Code.DUPLICATE_DELIVERY, None if known is None else known.first)
    if len(listed) >= SUSPICIONS_MAX and (own is None or own.name not in listed):
        raise Refused(Code.LIMIT_REACHED, book.debts[listed[0]].place)


def claim_papers(book: Book, debt: Debt, prints: Fingerprints, place: Reference) -> None:
    for paper in prints.strong():
        book.papers.setdefault(paper, place)
    listed = book.similar.setdefault((debt.exporter, debt.debtor, prints.similar), [])
    if debt.name not in listed:
        listed.append(debt.name)
    for delivery in prints.deliveries:
        known = book.deliveries.setdefault(
            delivery.fingerprint, Delivered(delivery.document_quantity, 0, place)
        )
        known.whole = min(known.whole, delivery.document_quantity)
        known.used += delivery.quantity


def need_papers_free(book: Book, debt: Debt) -> None:
    for paper in debt.prints.strong():
        if book.papers.get(paper, debt.place).subject != debt.name:
            raise Refused(Code.DUPLICATE_RECEIVABLE, book.papers[paper])


def reclaim_papers(book: Book, debt: Debt) -> None:
    """Of what is owed again the released papers are its own again, unless another receivable has them by now."""
    need_papers_free(book, debt)
    for paper in debt.prints.strong():
        book.papers.setdefault(paper, debt.place)


# --- registration


def need_parties(book: Book, exporter: str, debtor: bytes, currency: str, amount: int) -> None:
    need_positive(amount)
    if currency not in book.policy.currencies:
        raise Refused(Code.CURRENCY_MISMATCH)
    if book.members[exporter].reference == debtor:
        raise Refused(Code.RELATED_PARTY)


def enter(book: Book, here: Here, debt: Debt) -> bytes:
    book.debts[debt.name] = debt
    claim_papers(book, debt, debt.prints, debt.place)
    start = book.members[debt.exporter].reference
    if start is not None and debt.phase != "future":
        book.invoiced.setdefault(start, {})[debt.debtor] = here.today
        flag_circle(book, here, debt.exporter, debt.debtor)
    return debt.name


def register(book: Book, here: Here, op: RegisterReceivable) -> bytes:
    need_parties(book, op.exporter, op.debtor_reference, op.currency, op.face_amount)
    named = op.reverse_factoring_debtor
    if named is not None and book.members[named].reference != op.debtor_reference:
        raise Refused(Code.BAD_IDENTIFIER)
    need_terms(book, here, op.issue_date, op.due_date)
    need_schedule(op.schedule, op.face_amount, op.issue_date, op.due_date)
    need_evidence(op.evidence, EvidenceKind.INVOICE)
    if book.policy.require_delivery_evidence and not op.fingerprints.deliveries:
        raise Refused(Code.NO_TRADE_EVIDENCE)
    need_papers(book, op.exporter, op.debtor_reference, op.fingerprints, op.face_amount)
    name = receivable_id(here.entry_id, here.index)
    place = here.place(name)
    debt = Debt(
        name, place, op.exporter, op.debtor_reference, op.currency, op.face_amount, op.issue_date,
        op.due_date, op.fingerprints, op.evidence, op.schedule,
        {op.exporter: Part(op.face_amount, 0, place)},
    )  # fmt: skip
    attach(book, here, debt)
    return enter(book, here, debt)


def register_future(book: Book, here: Here, op: RegisterFutureReceivable) -> bytes:
    need_parties(book, op.exporter, op.debtor_reference, op.currency, op.cap)
    if op.end_date < op.contract_date:
        raise Refused(Code.TENOR)
    need_evidence(op.evidence, EvidenceKind.CONTRACT)
    if op.fingerprints.deliveries:
        raise Refused(Code.NO_TRADE_EVIDENCE)
    need_papers(book, op.exporter, op.debtor_reference, op.fingerprints, op.cap)
    name = receivable_id(here.entry_id, here.index)
    place = here.place(name)
    debt = Debt(
        name, place, op.exporter, op.debtor_reference, op.currency, op.cap, op.contract_date, op.end_date,
        op.fingerprints, op.evidence, (), {op.exporter: Part(op.cap, 0, place)}, phase="future", cap=op.cap,
    )  # fmt: skip
    return enter(book, here, debt)


# --- what arises from a contract


def crystallise(book: Book, here: Here, op: Crystallise) -> bytes:
    future = book.known(op.receivable)
    need_unrestrained(future)
    if future.phase != "future":
        raise Refused(Code.NOT_FUTURE, future.place, (Reason(future.phase, future.owed),))
    if op.exporter != future.exporter:
        raise Refused(Code.NOT_PERMITTED, future.place)
    need_witness(book, future, op.witness)
    need_positive(op.amount)
    if op.amount > future.owed:
        raise Refused(Code.OVER_CAP, future.place, (Reason("cap_left", future.owed),))
    if not future.issue <= op.issue_date <= future.due:
        raise Refused(Code.TENOR, future.place)
    need_terms(book, here, op.issue_date, op.due_date)
    need_evidence(op.evidence, EvidenceKind.INVOICE, future.place)
    if not op.fingerprints.deliveries:
        raise Refused(Code.NO_TRADE_EVIDENCE, future.place)
    need_papers(book, op.exporter, future.debtor, op.fingerprints, op.amount)
    name = receivable_id(here.entry_id, here.index)
    place = here.place(name)
    debt = Debt(
        name, place, future.exporter, future.debtor, future.currency, op.amount, op.issue_date, op.due_date,
        op.fingerprints, op.evidence, (), {}, origin=future.name,
    )  # fmt: skip
    split(future, debt, op.amount, place, here.now_ms)
    fit_claims(future)
    if all(holder == debt.exporter for holder in debt.parts):
        attach(book, here, debt)
    return enter(book, here, debt)


def need_witness(book: Book, future: Debt, witness: str) -> None:
    accredited = book.members[witness].accredited
    if book.is_stranger(witness, future) and any(kind in accredited for kind in _DELIVERY):
        return
    book.need_debtor(witness, future)


def split(future: Debt, debt: Debt, amount: int, place: Reference, now_ms: int) -> None:
    """Assignees are served in the order in which they came, the exporter last; terms, notices and liens go with value."""
    left, served = amount, {}
    for holder in sorted(future.parts, key=lambda name: name == future.exporter):
        served[holder] = min(future.parts[holder].amount, left)
        left -= served[holder]
    for holder, part in future.parts.items():
        part.amount -= served[holder]
        if served[holder]:
            debt.parts[holder] = Part(served[holder], 0, place)
    future.face -= amount
    future.arisen += amount
    assert not future.liens, "nothing is pledged ahead of its invoice"
    hand_down(future, debt, amount, now_ms)


def split_recourse(future: Debt, debt: Debt) -> None:
    """Recourse goes with the value that it is for, which its assignee gives, or those to whom it may have passed it on."""
    for (giver, taker), terms in future.terms.items():
        givers = {taker} if taker not in future.given else {taker, *debt.parts} - {debt.exporter} | {taker}
        recourse = min(terms.recourse, sum(debt.held(holder) for holder in givers))
        debt.terms[giver, taker] = Terms(recourse, terms.barred, terms.latest)
        terms.recourse -= recourse
    forget_empty_terms(debt)
    forget_empty_terms(future)


def hand_down(future: Debt, debt: Debt, amount: int, now_ms: int) -> None:
    """Whatever concerns the contract concerns what comes of it: terms, notices, ended objections, account, links, a void paper."""
    kept = deepcopy(future)
    debt.objections, debt.links = kept.objections, kept.links
    split_recourse(future, debt)
    debt.notices = {holder: notice for holder, notice in kept.notices.items() if holder in debt.parts}
    for notice in debt.notices.values():
        if notice.acknowledged is not None:
            # Nobody has been silent about an invoice of today.
            notice.acknowledged = (now_ms, notice.acknowledged[1])
    debt.account, debt.next_account = kept.account, kept.next_account
    debt.asked = frozenset(debt.entitled())
    debt.attestations = [each for each in kept.attestations if each.voided]
    debt.given = {holder: (min(given, amount), latest) for holder, (given, latest) in kept.given.items()}


# --- correction and cancellation


def cancel(book: Book, here: Here, op: CancelReceivable) -> bytes:
    debt = book.not_closed(op.receivable)
    if op.exporter != debt.exporter:
        raise Refused(Code.NOT_PERMITTED, debt.place)
    need_unrestrained(debt)
    encumbrance = first_encumbrance(debt)
    if encumbrance is not None:
        assigned = sum(part.amount for holder, part in debt.parts.items() if holder != debt.exporter)
        amounts = {
            "assigned": assigned,
            "pledged": debt.pledged(debt.exporter),
            "reserved": debt.reserved(debt.exporter),
            "paid": debt.paid,
        }
        reasons = tuple(Reason(word, amount) for word, amount in amounts.items())
        raise Refused(Code.ENCUMBERED, encumbrance, reasons)
    if debt.confirmed_by in ("express", "tacit"):
        if op.debtor is None:
            raise Refused(Code.MISSING_SIGNATURE, debt.place)
        book.need_debtor(op.debtor, debt)
    debt.close("cancelled")
    return debt.name


def first_encumbrance(debt: Debt) -> Reference | None:
    for lien in debt.liens.values():
        return lien.place
    for holder, part in debt.parts.items():
        if holder != debt.exporter and part.amount:
            return part.since
    for offer in debt.offers.values():
        return offer.place
    if debt.pool is not None:
        return debt.pool.place
    return debt.place if debt.paid else None


def correct(book: Book, here: Here, op: CorrectReceivable) -> bytes:
    debt = book.owed_now(op.receivable)
    need_unrejected(debt)
    if op.exporter != debt.exporter:
        raise Refused(Code.NOT_PERMITTED, debt.place)
    need_consent(debt, op)
    prints = op.fingerprints or debt.prints
    need_clerical(here, debt, op, prints)
    need_terms(book, here, op.issue_date, op.due_date)
    need_schedule(op.schedule, debt.face, op.issue_date, op.due_date)
    need_evidence(op.evidence, EvidenceKind.INVOICE, debt.place)
    if op.fingerprints is not None:
        need_papers(book, debt.exporter, debt.debtor, prints, debt.face, own=debt)
        replace_papers(book, debt, prints)
    debt.issue, debt.due = op.issue_date, op.due_date
    debt.evidence, debt.schedule, debt.prints = op.evidence, op.schedule, prints
    return debt.name


def need_consent(debt: Debt, op: CorrectReceivable) -> None:
    signing = {op.exporter, *op.consenting}
    for holder, part in debt.parts.items():
        if part.amount and holder not in signing:
            raise Refused(Code.HOLDER_CONSENT, debt.place)
    for lien in debt.liens.values():
        if lien.pledgee not in signing:
            raise Refused(Code.HOLDER_CONSENT, debt.place)
    if debt.pool is not None and debt.pool.factor not in signing:
        raise Refused(Code.HOLDER_CONSENT, debt.place)


def need_clerical(here: Here, debt: Debt, op: CorrectReceivable, prints: Fingerprints) -> None:
    same = (op.issue_date, op.due_date, op.evidence, op.schedule, prints) == (
        debt.issue, debt.due, debt.evidence, debt.schedule, debt.prints,
    )  # fmt: skip
    amounts = [each.amount for each in op.schedule] == [each.amount for each in debt.schedule]
    days = moved_days(debt, op)
    confirmed = bool(days) and debt.confirmed_by in ("express", "tacit")
    astray = op.due_date != debt.due and prints.similar == debt.prints.similar
    past = any(day < here.today for day in days)
    if same or not amounts or confirmed or past or astray or gives_up_paper(debt, op, prints):
        raise Refused(Code.NOT_CLERICAL, debt.place)


def moved_days(debt: Debt, op: CorrectReceivable) -> list[int]:
    """Days on which it is due that move: from where and to where."""
    pairs = [(debt.due, op.due_date)]
    pairs += [(old.due_date, new.due_date) for old, new in zip(debt.schedule, op.schedule, strict=False)]
    return [day for old, new in pairs if old != new for day in (old, new)]


def gives_up_paper(debt: Debt, op: CorrectReceivable, prints: Fingerprints) -> bool:
    """A mistyped number is put right, but none is given up; and what was attested stays as it is."""
    old = debt.prints
    # What arose from a contract knows of the contract's void paper, and does not name it.
    named = {each.commitment for each in debt.evidence} | {old.fiscal}
    named |= {each.fingerprint for each in old.deliveries}
    attested = {each.paper for each in debt.attestations} & named
    stays = {each.commitment for each in op.evidence} | {prints.fiscal}
    stays |= {each.fingerprint for each in prints.deliveries if each in old.deliveries}
    given_up = (
        old.fiscal is not None and prints.fiscal is None,
        old.document is not None and prints.document is None,
        len(prints.deliveries) < len(old.deliveries),
    )
    return any(given_up) or not attested <= stays


def replace_papers(book: Book, debt: Debt, prints: Fingerprints) -> None:
    for delivery in debt.prints.deliveries:
        book.deliveries[delivery.fingerprint].used -= delivery.quantity
    claim_papers(book, debt, prints, debt.place)


RULES: dict[type, Judge] = {
    RegisterReceivable: register,
    RegisterFutureReceivable: register_future,
    Crystallise: crystallise,
    CancelReceivable: cancel,
    CorrectReceivable: correct,
}
