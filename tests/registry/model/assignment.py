"""The model's rules of assignment: at once, by offer and acceptance, in advance, back; and whom the debtor is to pay."""

from __future__ import annotations

from dataclasses import replace

from registry.errors import Code, Reason
from registry.identifiers import blanket_id, offer_id
from registry.limits import BLANKETS_MAX, HOLDERS_MAX, LIEN_TERM_MS_MAX
from registry.operations import (
    AcceptAssignment,
    AcknowledgeNotice,
    Assign,
    AssignBlanket,
    NotifyDebtor,
    OfferAssignment,
    Reassign,
    WithdrawOffer,
)
from registry.operations.governance import Role
from tests.registry.model.book import (
    HOUR_MS,
    Blanket,
    Book,
    Debt,
    Here,
    Judge,
    Notice,
    Offer,
    Refused,
    need_positive,
    need_unrestrained,
)
from tests.registry.model.disposal import (
    bar_on,
    may_still_rely_on,
    need_listed,
    need_policy,
    need_room,
    need_unrelated,
)
from tests.registry.model.value import (
    earlier_claim,
    forget_empty_terms,
    free,
    move,
    note_terms,
    receive,
)

_IN_THE_WAY = {
    "pool": Code.PLEDGED,
    "lien": Code.PLEDGED,
    "offer": Code.RESERVED,
    "assignment": Code.EMPTY_ASSIGNMENT,
}


def need_part(debt: Debt, holder: str) -> None:
    if debt.held(holder) == 0:
        given = debt.given.get(holder)
        raise Refused(Code.NOT_HOLDER, given[1] if given else debt.place)


def need_free(book: Book, debt: Debt, holder: str, amount: int, *, future_consented: bool = False) -> None:
    left, reasons = free(book, debt, holder, future_consented=future_consented)
    if amount <= left:
        return
    reasons = (Reason("held", debt.held(holder)), *reasons)
    claim = earlier_claim(debt, holder, amount, future_consented=future_consented)
    if claim is None:
        raise Refused(Code.EMPTY_ASSIGNMENT, debt.place, reasons)
    raise Refused(_IN_THE_WAY[claim[0]], claim[1], reasons)


def need_confirmed(book: Book, debt: Debt, holder: str, amount: int) -> None:
    covered = book.policy.require_confirmation.covers_assignment()
    if covered and amount > may_still_rely_on(book, debt, holder):
        raise Refused(Code.UNCONFIRMED, debt.place, (Reason("confirmed", debt.confirmed),))


def need_unpromised(book: Book, here: Here, debt: Debt, giver: str, taker: str) -> None:
    """What will arise is not assigned from under a blanket that takes it."""
    if debt.phase != "future" or giver != debt.exporter:
        return
    for each in book.blankets.get(giver, []):
        takes = each.debtor in (None, debt.debtor) and here.now_ms < each.until_ms
        if takes and each.assignee != taker and book.is_active(each.assignee):
            raise Refused(Code.BLANKET_CONFLICT, each.place)


def pass_on(
    debt: Debt,
    here: Here,
    giver: str,
    taker: str,
    amount: int,
    with_recourse: bool,
    barred: bool,
) -> None:
    if debt.held(taker) == 0 and taker not in debt.parts and len(debt.parts) >= HOLDERS_MAX:
        raise Refused(Code.LIMIT_REACHED, debt.place)
    place, anew = here.place(debt.name), debt.held(taker) == 0
    move(debt, giver, taker, amount, 0, place)
    note_terms(debt, giver, taker, amount if with_recourse else 0, barred, place, anew=anew)


def assign(book: Book, here: Here, op: Assign) -> bytes:
    debt = book.not_closed(op.receivable)
    need_unrestrained(debt)
    need_positive(op.amount)
    need_part(debt, op.assignor)
    need_unpromised(book, here, debt, op.assignor, op.assignee)
    need_free(book, debt, op.assignor, op.amount, future_consented=op.future_consented)
    need_confirmed(book, debt, op.assignor, op.amount)
    need_policy(
        book, here, debt, op.assignor, op.assignee, op.amount, op.verified_fingerprints,
        op.acknowledged_suspicions, bar_on(debt, op.assignor),
    )  # fmt: skip
    pass_on(debt, here, op.assignor, op.assignee, op.amount, op.with_recourse, op.resale_barred)
    return debt.name


def offer(book: Book, here: Here, op: OfferAssignment) -> bytes:
    debt = book.not_closed(op.receivable)
    need_unrestrained(debt)
    need_positive(op.amount)
    need_part(debt, op.assignor)
    taker = book.members.get(op.assignee)
    if op.assignee == op.assignor or taker is None or Role.FACTOR not in taker.roles:
        raise Refused(Code.NOT_PERMITTED)
    if not here.now_ms < op.until_ms <= here.now_ms + book.policy.offer_max_hours * HOUR_MS:
        raise Refused(Code.TERM)
    need_unpromised(book, here, debt, op.assignor, op.assignee)
    # Who is offered a future receivable consents when it accepts.
    need_free(book, debt, op.assignor, op.amount, future_consented=True)
    bar = bar_on(debt, op.assignor)
    if bar is not None:
        raise Refused(Code.RESALE_BARRED, bar.latest)
    name = offer_id(here.entry_id, here.index)
    debt.offers[name] = Offer(
        op.assignor, op.assignee, op.amount, op.until_ms, op.with_recourse, op.resale_barred,
        op.price_commitment, here.place(name),
    )  # fmt: skip
    return debt.name


def withdraw(book: Book, here: Here, op: WithdrawOffer) -> bytes:
    debt = book.known(op.receivable)
    offered = debt.offers.get(op.offer)
    if offered is None or offered.assignor != op.assignor:
        raise Refused(Code.NO_OFFER, debt.place)
    del debt.offers[op.offer]
    return debt.name


def accept(book: Book, here: Here, op: AcceptAssignment) -> bytes:
    """Every rule of Assign anew, its own reservation not counted."""
    debt = book.not_closed(op.receivable)
    offered = debt.offers.get(op.offer)
    if offered is None or offered.assignee != op.assignee:
        raise Refused(Code.NO_OFFER, debt.place)
    everything = dict(debt.offers)
    del debt.offers[op.offer]
    try:
        need_unrestrained(debt)
        need_part(debt, offered.assignor)
        need_unpromised(book, here, debt, offered.assignor, op.assignee)
        need_free(book, debt, offered.assignor, offered.amount, future_consented=op.future_consented)
        need_confirmed(book, debt, offered.assignor, offered.amount)
        need_policy(
            book, here, debt, offered.assignor, op.assignee, offered.amount, op.verified_fingerprints,
            op.acknowledged_suspicions, bar_on(debt, offered.assignor),
        )  # fmt: skip
        pass_on(
            debt, here, offered.assignor, op.assignee, offered.amount, offered.with_recourse, offered.barred
        )
    except Refused:
        debt.offers = everything
        raise
    return debt.name


def reassign(book: Book, here: Here, op: Reassign) -> bytes:
    debt = book.owed_now(op.receivable)
    need_unrestrained(debt)
    need_positive(op.amount)
    need_part(debt, op.holder)
    terms = debt.terms.get((op.prior_assignor, op.holder))
    if terms is None or op.amount > terms.recourse:
        recourse = 0 if terms is None else terms.recourse
        latest = debt.place if terms is None else terms.latest
        raise Refused(Code.NO_RECOURSE, latest, (Reason("recourse", recourse),))
    is_late = here.today > debt.due + book.policy.grace_days
    if not (debt.disputed_of(op.holder) or debt.rejected or is_late):
        raise Refused(Code.NOT_DUE, debt.place)
    need_free(book, as_if_undisputed(debt), op.holder, op.amount)
    terms.recourse -= op.amount
    disputed = min(debt.disputed_of(op.holder), op.amount)
    # What has come back was not disposed of.
    given, latest = debt.given.get(op.prior_assignor, (0, debt.place))
    if given:
        debt.given[op.prior_assignor] = (max(0, given - op.amount), latest)
    move(debt, op.holder, op.prior_assignor, op.amount, disputed, here.place(debt.name))
    forget_empty_terms(debt)
    return debt.name


def as_if_undisputed(debt: Debt) -> Debt:
    """What the debtor denies and what a void paper says is what recourse is for: it does not stand in the way."""
    parts = {holder: replace(part, disputed=0) for holder, part in debt.parts.items()}
    confirmed_by = "none" if debt.rejected else debt.confirmed_by
    return replace(debt, parts=parts, confirmed_by=confirmed_by, attestations=[])


# --- blankets


def assign_blanket(book: Book, here: Here, op: AssignBlanket) -> bytes:
    if not (
        op.from_ms < op.until_ms
        and op.until_ms > here.now_ms
        and op.until_ms - op.from_ms <= LIEN_TERM_MS_MAX
    ):
        raise Refused(Code.TERM)
    need_listed(book, op.assignee)
    for member in (op.assignor, op.assignee):
        if op.debtor_reference is not None and book.members[member].reference == op.debtor_reference:
            raise Refused(Code.RELATED_PARTY)
    # One that is over by now stands in the way of what is said to begin before its end.
    earlier = book.blankets.get(op.assignor, [])
    running = [each for each in earlier if each.until_ms > here.now_ms]
    for each in earlier:
        same_debtor = each.debtor is None or op.debtor_reference is None or each.debtor == op.debtor_reference
        if same_debtor and each.from_ms < op.until_ms and op.from_ms < each.until_ms:
            raise Refused(Code.BLANKET_CONFLICT, each.place)
    if len(running) >= BLANKETS_MAX:
        raise Refused(Code.LIMIT_REACHED)
    name = blanket_id(here.entry_id, here.index)
    book.blankets[op.assignor] = [
        *running,
        Blanket(
            name, op.assignee, op.debtor_reference, op.from_ms, op.until_ms, op.with_recourse,
            op.resale_barred, here.place(name),
        ),
    ]  # fmt: skip
    return name


def attach(book: Book, here: Here, debt: Debt) -> None:
    """What a blanket takes of a new receivable: the exporter's whole part, unless the factor may not have it."""
    part = debt.parts.get(debt.exporter)
    blanket = next(
        (
            each
            for each in book.blankets.get(debt.exporter, [])
            if each.debtor in (None, debt.debtor) and each.from_ms <= here.now_ms < each.until_ms
        ),
        None,
    )
    if blanket is None or part is None or not may_attach(book, here, debt, blanket.assignee, part.amount):
        return
    amount = part.amount
    del debt.parts[debt.exporter]
    debt.given = {debt.exporter: (amount, blanket.place)}
    receive(debt, blanket.assignee, amount, 0, debt.place)
    note_terms(
        debt, debt.exporter, blanket.assignee, amount if blanket.with_recourse else 0, blanket.barred,
        blanket.place, anew=False,
    )  # fmt: skip


def may_attach(book: Book, here: Here, debt: Debt, factor: str, amount: int) -> bool:
    """Not to a factor that might not be assigned it one by one now. A relation that the policy lets pass is flagged."""
    if not book.is_active(factor):
        return False
    try:
        need_listed(book, factor)
        need_room(book, here, debt, factor, amount)
        need_unrelated(book, here, debt, debt.exporter, factor, amount)
    except Refused:
        return False
    return True


# --- notices


def notify(book: Book, here: Here, op: NotifyDebtor) -> bytes:
    debt = book.not_closed(op.receivable)
    need_part(debt, op.holder)
    debt.notices.setdefault(op.holder, Notice(here.place(debt.name), here.now_ms))
    return debt.name


def acknowledge(book: Book, here: Here, op: AcknowledgeNotice) -> bytes:
    debt = book.not_closed(op.receivable)
    book.need_debtor(op.debtor, debt)
    if op.holder not in debt.notices:
        raise Refused(Code.NO_NOTICE, debt.place)
    notice = debt.notices[op.holder]
    if notice.acknowledged is None:
        notice.acknowledged = (here.now_ms, here.place(debt.name))
    return debt.name


def lapse_offers(debt: Debt, now_ms: int) -> bool:
    over = [name for name, each in debt.offers.items() if each.until_ms <= now_ms]
    for name in over:
        del debt.offers[name]
    return bool(over)


RULES: dict[type, Judge] = {
    Assign: assign,
    OfferAssignment: offer,
    WithdrawOffer: withdraw,
    AcceptAssignment: accept,
    Reassign: reassign,
    AssignBlanket: assign_blanket,
    NotifyDebtor: notify,
    AcknowledgeNotice: acknowledge,
}
