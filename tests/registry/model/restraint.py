"""The model's rules of restraint: objections, freezes, and links to the statutory register."""

from __future__ import annotations

from registry.errors import Code
from registry.limits import FREEZES_MAX, OBJECTIONS_MAX
from registry.operations import (
    Freeze,
    LinkExternalRegistration,
    LinkSearch,
    RaiseObjection,
    Unfreeze,
    WithdrawObjection,
)
from tests.registry.model.book import DAY_MS, Book, Debt, Here, Judge, Objection, Refused

_NOTHING = bytes(32)


def has_interest(book: Book, here: Here, debt: Debt, member: str) -> bool:
    """Exporter, debtor, holders and lienholders past and present, and whose blanket takes, now or later, such a debt."""
    if (
        member == debt.exporter
        or book.is_debtor(member, debt)
        or member in debt.parts
        or member in debt.given
    ):
        return True
    if any(member in (lien.pledgee, lien.pledgor) for lien in (*debt.liens.values(), *debt.lapsed)):
        return True
    if debt.pool is not None and debt.pool.factor == member:
        return True
    return any(
        each.assignee == member and each.debtor in (None, debt.debtor) and here.now_ms < each.until_ms
        for each in book.blankets.get(debt.exporter, [])
    )


def object_to(book: Book, here: Here, op: RaiseObjection) -> bytes:
    debt = book.not_closed(op.receivable)
    if not has_interest(book, here, debt, op.objector):
        raise Refused(Code.ABUSE, debt.place)
    if op.statement == _NOTHING or (op.case_number is not None and is_blank(op.case_number)):
        raise Refused(Code.ABUSE, debt.place)
    before = debt.objections.get(op.objector)
    if before is not None and (before.dismissed or is_same_case(op.case_number, before.case_number)):
        raise Refused(Code.ABUSE, before.place)
    if before is None and len(debt.objections) >= OBJECTIONS_MAX:
        raise Refused(Code.LIMIT_REACHED, debt.place)
    until_ms = here.now_ms + book.policy.objection_days * DAY_MS if op.case_number is None else None
    debt.objections.pop(op.objector, None)
    debt.objections[op.objector] = Objection(op.case_number, until_ms, False, here.place(debt.name))
    return debt.name


def is_blank(case_number: str) -> bool:
    """Whether nothing of it can be read: of the random numbers only these are drawn."""
    return not case_number.strip(" \u3164-")


def is_same_case(new: str | None, old: str | None) -> bool:
    """A space more or less is no other case, and without a number it is the same claim again."""
    return new is None or (old is not None and squeezed(new) == squeezed(old))


def squeezed(case_number: str) -> str:
    return case_number.replace(" ", "").replace("\u3164", "")


def withdraw(book: Book, here: Here, op: WithdrawObjection) -> bytes:
    debt = book.known(op.receivable)
    objection = debt.objections.get(op.objector)
    if objection is None or objection.ended:
        raise Refused(Code.NO_OBJECTION, debt.place if objection is None else objection.place)
    objection.ended, objection.dismissed = True, op.court is not None
    return debt.name


def freeze(book: Book, here: Here, op: Freeze) -> bytes:
    debt = book.not_closed(op.receivable)
    if is_blank(op.case_number):
        raise Refused(Code.NO_ORDER, debt.place)
    if op.case_number in debt.freezes:
        raise Refused(Code.ALREADY_IN_FORCE, debt.freezes[op.case_number])
    if len(debt.freezes) >= FREEZES_MAX:
        raise Refused(Code.LIMIT_REACHED, debt.place)
    debt.freezes[op.case_number] = here.place(debt.name)
    return debt.name


def unfreeze(book: Book, here: Here, op: Unfreeze) -> bytes:
    debt = book.known(op.receivable)
    if op.case_number not in debt.freezes:
        raise Refused(Code.NO_ORDER, debt.place)
    del debt.freezes[op.case_number]
    return debt.name


def lapse_objections(debt: Debt, now_ms: int) -> bool:
    over = [
        each
        for each in debt.objections.values()
        if not each.ended and each.until_ms is not None and each.until_ms <= now_ms
    ]
    for each in over:
        each.ended = True
    return bool(over)


def link_registration(book: Book, here: Here, op: LinkExternalRegistration) -> bytes:
    debt = book.known(op.receivable)
    if op.factor not in debt.parties():
        raise Refused(Code.NOT_HOLDER, debt.place)
    is_late = op.registered_ms > here.now_ms or op.until_ms <= op.registered_ms
    if _NOTHING in (op.number, op.registrant) or is_late:
        raise Refused(Code.BAD_FORMAT, debt.place)
    return link(debt, op.factor, (op.number, op.registered_ms, op.until_ms, op.registrant))


def link_search(book: Book, here: Here, op: LinkSearch) -> bytes:
    debt = book.known(op.receivable)
    if op.factor not in debt.parties():
        raise Refused(Code.NOT_HOLDER, debt.place)
    if _NOTHING in (op.number, op.registrant) or op.searched_ms > here.now_ms:
        raise Refused(Code.BAD_FORMAT, debt.place)
    return link(debt, op.factor, (op.number, op.searched_ms, None, op.registrant))


def link(debt: Debt, factor: str, said: tuple[bytes, int, int | None, bytes]) -> bytes:
    debt.links.pop((factor, said[2] is None), None)
    debt.links[factor, said[2] is None] = said
    return debt.name


RULES: dict[type, Judge] = {
    RaiseObjection: object_to,
    WithdrawObjection: withdraw,
    Freeze: freeze,
    Unfreeze: unfreeze,
    LinkExternalRegistration: link_registration,
    LinkSearch: link_search,
}
