"""The model's rules of collection: accounts, payments direct, indirect and reversed, default, settlement."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

from registry.errors import Code, Reason
from registry.limits import INDIRECT_PAYMENTS_MAX
from registry.member import MemberStatus
from registry.operations import (
    DeclareDefault,
    RecordPayment,
    ReportIndirectPayment,
    ReversePayment,
    SetCollectionAccount,
    Settle,
)
from tests.registry.model.book import (
    HOUR_MS,
    Book,
    Debt,
    Here,
    Judge,
    Lien,
    Paid,
    Part,
    Refused,
    closed,
    need_positive,
    need_unfrozen,
    need_unrestrained,
    order,
)
from tests.registry.model.existence import reclaim_papers
from tests.registry.model.value import covered_under, fit_covers, fit_liens, smaller_covers, smaller_liens


def need_new_reference(book: Book, reference: bytes) -> None:
    if reference in book.references:
        raise Refused(Code.REFERENCE_REUSED, book.references[reference])


def pay(book: Book, here: Here, op: RecordPayment) -> bytes:
    debt = book.owed_now(op.receivable)
    need_positive(op.amount)
    by_attester = op.reporter != op.holder
    if not by_attester:
        need_unfrozen(debt)
    elif not book.is_bank(op.reporter, debt):
        raise Refused(Code.NOT_PERMITTED, debt.place)
    if op.holder not in debt.parts:
        raise Refused(Code.NOT_HOLDER, debt.place)
    if op.amount > debt.held(op.holder):
        raise Refused(
            Code.OVERPAYMENT,
            debt.place,
            (Reason("held", debt.held(op.holder)), Reason("outstanding", debt.owed)),
        )
    need_new_reference(book, op.bank_reference)
    before = deepcopy(debt)
    after = deepcopy(debt)
    take(after, op.holder, op.amount)
    fit_covers(after)
    cut = smaller_liens(before, after)
    if not by_attester:
        for lien in cut:
            if lien.pledgee not in (*op.consenting_pledgees, op.reporter):
                raise Refused(Code.PLEDGED, lien.place, (Reason("pledged", debt.liens[lien.name].amount),))
    book.debts[debt.name] = after
    place = here.place(debt.name)
    book.references[op.bank_reference] = place
    book.payments[op.bank_reference] = Paid(
        debt.name, op.holder, op.amount, before.disputed_of(op.holder) - after.disputed_of(op.holder),
        before.confirmed - after.confirmed, cut, place, smaller_covers(before, after), by_attester,
    )  # fmt: skip
    return debt.name


def take(debt: Debt, holder: str, amount: int) -> None:
    """Undisputed value is paid first. What others than the exporter are paid uses up what was confirmed."""
    part = debt.parts[holder]
    part.amount -= amount
    part.disputed = min(part.disputed, part.amount)
    debt.paid += amount
    used = 0 if holder == debt.exporter else amount
    debt.confirmed = max(0, min(debt.confirmed - used, debt.owed))
    fit_liens(debt, holder)


def reverse(book: Book, here: Here, op: ReversePayment) -> bytes:
    paid = book.payments.get(op.bank_reference)
    debt = book.known(op.receivable)
    if paid is None or paid.debt != op.receivable:
        raise Refused(Code.UNKNOWN_PAYMENT, debt.place)
    if (op.reporter != paid.holder or paid.by_bank) and not book.is_bank(op.reporter, debt):
        raise Refused(Code.NOT_PERMITTED, paid.place)
    if debt.phase == "cancelled" or (debt.phase == "settled" and debt.owed):
        raise closed(debt)
    if debt.phase == "settled":
        reclaim_papers(book, debt)
    give_back(debt, paid, here)
    if debt.phase == "settled":
        debt.reopen("live" if debt.default is None else "overdue")
    cover_again(book, debt, paid, here)
    del book.payments[op.bank_reference]
    here.flag("reversed", paid.amount)
    return debt.name


def give_back(debt: Debt, paid: Paid, here: Here) -> None:
    part = debt.parts.setdefault(paid.holder, Part(0, 0, here.place(debt.name)))
    part.amount += paid.amount
    part.disputed = min(part.amount, part.disputed + paid.disputed)
    debt.paid -= paid.amount
    if debt.confirmed_by in ("express", "tacit"):
        debt.confirmed = min(debt.owed, debt.confirmed + paid.confirmed)
    for lien in paid.cut:
        if lien.name in debt.liens or lien.until_ms > here.now_ms:
            give_lien_back(debt, lien)
    fit_liens(debt, paid.holder)


def give_lien_back(debt: Debt, lost: Lien) -> None:
    present = debt.liens.get(lost.name)
    if present is None:
        senior = debt.liens.get(lost.behind) if lost.behind else None
        behind = None if senior is None or debt.junior_of(senior.name) else senior.name
        present = Lien(lost.name, lost.pledgor, lost.pledgee, 0, lost.until_ms, behind, lost.place)
        debt.liens[lost.name] = present
        debt.liens = dict(sorted(debt.liens.items(), key=lambda item: order(item[1].place)))
    present.amount += lost.amount
    if present.behind is not None:
        present.amount = min(present.amount, debt.liens[present.behind].amount)


def cover_again(book: Book, debt: Debt, paid: Paid, here: Here) -> None:
    """What was cut from a cover comes back as far as its policy has room, unless the cover has ended otherwise since."""
    for name, cover, lost in paid.covers:
        key = (cover.insurer, cover.policy, debt.currency)
        use = book.policies[key]
        amount = min(lost, use.limit - use.claimed - covered_under(book, key))
        present = debt.covers.get(name)
        # After a default it was kept for the claim, whatever its end.
        kept = debt.default is not None and order(debt.default) < order(paid.place)
        is_over = not kept and cover.until_ms <= here.now_ms
        if amount <= 0 or (present is None and (lost < cover.amount or is_over)):
            continue
        if present is None:
            present = replace(cover, amount=0)
            debt.covers[name] = present
            debt.covers = dict(sorted(debt.covers.items(), key=lambda item: order(item[1].place)))
        present.amount += amount


def settle(book: Book, here: Here, op: Settle) -> bytes:
    debt = book.owed_now(op.receivable)
    for holder in op.holders:
        if holder not in debt.parts:
            raise Refused(Code.NOT_HOLDER, debt.place)
    owed = debt.owed
    for holder, part in debt.parts.items():
        may_sign = book.members[holder].status is not MemberStatus.EXPELLED
        if holder not in op.holders and (part.amount or (not owed and may_sign)):
            raise Refused(Code.HOLDER_CONSENT, debt.place)
    if owed and not op.write_off:
        raise Refused(Code.OUTSTANDING, debt.place, (Reason("outstanding", owed),))
    if owed:
        need_unrestrained(debt)
    if owed and debt.liens:
        raise Refused(Code.PLEDGED, next(iter(debt.liens.values())).place)
    if owed and debt.pool is not None:
        raise Refused(Code.PLEDGED, debt.pool.place)
    debt.close("settled")
    debt.liens.clear()
    return debt.name


def set_account(book: Book, here: Here, op: SetCollectionAccount) -> bytes:
    debt = book.not_closed(op.receivable)
    need_unrestrained(debt)
    entitled = debt.entitled()
    if not entitled <= set(op.holders):
        raise Refused(Code.HOLDER_CONSENT, debt.place)
    if not set(op.holders) <= entitled:
        raise Refused(Code.NOT_HOLDER, debt.place)
    from_ms = here.now_ms + book.policy.cooling_off_hours * HOUR_MS
    debt.next_account = (op.account, from_ms, here.place(debt.name))
    debt.asked = frozenset(op.holders)
    begin_account(debt, here.now_ms)
    return debt.name


def begin_account(debt: Debt, now_ms: int) -> bool:
    if debt.next_account is None or debt.next_account[1] > now_ms:
        return False
    debt.account, debt.next_account = debt.next_account, None
    return True


def report_indirect(book: Book, here: Here, op: ReportIndirectPayment) -> bytes:
    return turn_over(book, op) if op.turned_over else indirect(book, here, op)


def indirect(book: Book, here: Here, op: ReportIndirectPayment) -> bytes:
    debt = book.owed_now(op.receivable)
    need_positive(op.amount)
    if op.reporter not in (debt.exporter, op.holder):
        raise Refused(Code.NOT_PERMITTED, debt.place)
    notice = debt.notices.get(op.holder)
    if notice is None or notice.acknowledged is None or op.holder == debt.exporter:
        raise Refused(Code.NOT_INDIRECT, debt.place if notice is None else notice.place)
    owing = sum(amount for holder, amount, _place in debt.indirect.values() if holder == op.holder)
    if op.amount > debt.held(op.holder) - owing:
        reasons = (Reason("held", debt.held(op.holder)), Reason("indirect", owing))
        raise Refused(Code.OVERPAYMENT, debt.place, reasons)
    need_new_reference(book, op.bank_reference)
    if len(debt.indirect) >= INDIRECT_PAYMENTS_MAX:
        raise Refused(Code.LIMIT_REACHED, debt.place)
    place = here.place(debt.name)
    book.references[op.bank_reference] = place
    debt.indirect[op.bank_reference] = (op.holder, op.amount, place)
    here.flag("indirect", op.amount)
    return debt.name


def turn_over(book: Book, op: ReportIndirectPayment) -> bytes:
    debt = book.known(op.receivable)
    if op.reporter != op.holder:
        raise Refused(Code.NOT_PERMITTED, debt.place)
    stands = debt.indirect.get(op.bank_reference)
    if stands is None or stands[:2] != (op.holder, op.amount):
        raise Refused(Code.NOT_INDIRECT, debt.place if stands is None else stands[2])
    del debt.indirect[op.bank_reference]
    return debt.name


def declare_default(book: Book, here: Here, op: DeclareDefault) -> bytes:
    debt = book.owed_now(op.receivable)
    # Letter H of the rulebook: a holder, a lienholder, and the factor whose pool it secures.
    if op.holder not in debt.entitled():
        raise Refused(Code.NOT_HOLDER, debt.place)
    due = debt.first_unpaid()
    if not debt.owed or here.today <= due + book.policy.grace_days:
        raise Refused(Code.NOT_DUE, debt.place, (Reason("outstanding", debt.owed),))
    if debt.default is None:
        debt.default = here.place(debt.name)
        debt.phase = "overdue"
    return debt.name


RULES: dict[type, Judge] = {
    RecordPayment: pay,
    ReversePayment: reverse,
    Settle: settle,
    SetCollectionAccount: set_account,
    ReportIndirectPayment: report_indirect,
    DeclareDefault: declare_default,
}
