"""The model's rules of security: liens are made, prolonged, given up, and taken from after a default."""

from __future__ import annotations

from registry.errors import Code, Reason
from registry.identifiers import lien_id
from registry.limits import LIENS_MAX
from registry.operations import EnforcePledge, Pledge, ReleasePledge, RenewPledge
from tests.registry.model.book import (
    DAY_MS,
    Book,
    Debt,
    Here,
    Judge,
    Lien,
    Refused,
    need_positive,
    need_unrestrained,
)
from tests.registry.model.disposal import may_still_rely_on, need_policy, relied_on
from tests.registry.model.value import cap_lien, earlier_claim, end_lien, free, move

MONTH_MS = 30 * DAY_MS
THIRTY_YEARS_MS = 30 * 366 * DAY_MS


def pledge(book: Book, here: Here, op: Pledge) -> bytes:
    debt = book.debts.get(op.receivable)
    if debt is None:
        raise Refused(Code.EMPTY_PLEDGE, None, (Reason("not_existing", 0),))
    need_unrestrained(debt)
    need_positive(op.amount)
    held = debt.held(op.pledgor)
    if held == 0 and op.pledgor not in debt.parts and op.pledgor not in debt.given:
        raise Refused(Code.NOT_HOLDER, debt.place)
    if held == 0:
        raise nothing_held(debt, op)
    if not MONTH_MS <= op.until_ms - here.now_ms <= THIRTY_YEARS_MS:
        raise Refused(Code.TERM)
    behind = None
    if op.junior_to is None:
        need_value(book, debt, op)
    else:
        behind = need_senior(book, debt, op)
    need_policy(
        book,
        here,
        debt,
        op.pledgor,
        op.pledgee,
        op.amount,
        op.verified_fingerprints,
        op.acknowledged_suspicions,
    )
    if len(debt.liens) >= LIENS_MAX:
        raise Refused(Code.LIMIT_REACHED, debt.place)
    name = lien_id(here.entry_id, here.index)
    debt.liens[name] = Lien(name, op.pledgor, op.pledgee, op.amount, op.until_ms, behind, here.place(name))
    return debt.name


def nothing_held(debt: Debt, op: Pledge) -> Refused:
    """It had a part once, and has assigned it or was paid."""
    given = debt.given[op.pledgor][0] if op.pledgor in debt.given else 0
    reasons = tuple(
        Reason(word, amount) for word, amount in (("assigned", given), ("paid", debt.paid)) if amount
    )
    claim = earlier_claim(debt, op.pledgor, op.amount)
    if claim is None:
        return Refused(Code.EMPTY_PLEDGE, debt.place, reasons)
    return Refused(Code.DUPLICATE_PLEDGE, claim[1], reasons)


def nothing_free(book: Book, debt: Debt, op: Pledge) -> Refused:
    """DUPLICATE_PLEDGE when another party's claim covers the amount; EMPTY_PLEDGE when the value is not there at all."""
    reasons = (Reason("held", debt.held(op.pledgor)), *free(book, debt, op.pledgor)[1])
    claim = earlier_claim(debt, op.pledgor, op.amount)
    if claim is None:
        return Refused(Code.EMPTY_PLEDGE, debt.place, reasons)
    if claim[0] == "assignment":
        reasons = (reasons[0], Reason("assigned", debt.given[op.pledgor][0]), *reasons[1:])
    return Refused(Code.DUPLICATE_PLEDGE, claim[1], reasons)


def need_value(book: Book, debt: Debt, op: Pledge) -> None:
    if op.amount > free(book, debt, op.pledgor)[0]:
        raise nothing_free(book, debt, op)
    need_confirmed(book, debt, op)


def need_confirmed(book: Book, debt: Debt, op: Pledge) -> None:
    covered = book.policy.require_confirmation.covers_pledge()
    if covered and op.amount > may_still_rely_on(book, debt, op.pledgor):
        raise Refused(Code.EMPTY_PLEDGE, debt.place, (Reason("confirmed", debt.confirmed),))


def need_senior(book: Book, debt: Debt, op: Pledge) -> bytes:
    assert op.junior_to is not None
    name = op.junior_to.senior_lien
    senior = debt.liens.get(name)
    if senior is None or (senior.pledgor, senior.pledgee) != (op.pledgor, op.junior_to.senior_pledgee):
        raise Refused(Code.NOT_LIENHOLDER, debt.place)
    word = debt.bar()
    if word is not None:
        raise Refused(Code.EMPTY_PLEDGE, debt.place, (Reason(word, senior.amount),))
    if debt.pool is not None and op.pledgor == debt.exporter:
        # What the senior lien sets free is the pool's.
        raise Refused(Code.DUPLICATE_PLEDGE, debt.pool.place)
    junior = debt.junior_of(name)
    if junior is not None:
        raise Refused(Code.DUPLICATE_PLEDGE, junior.place)
    if op.amount > senior.amount:
        raise Refused(Code.EMPTY_PLEDGE, senior.place, (Reason("pledged", senior.amount),))
    if book.policy.require_confirmation.covers_pledge() and relied_on(book, debt) > debt.confirmed:
        raise Refused(Code.EMPTY_PLEDGE, debt.place, (Reason("confirmed", debt.confirmed),))
    return name


def own_lien(debt: Debt, name: bytes, pledgee: str) -> Lien:
    lien = debt.liens.get(name)
    if lien is None or lien.pledgee != pledgee:
        raise Refused(Code.NOT_LIENHOLDER, debt.place)
    return lien


def release(book: Book, here: Here, op: ReleasePledge) -> bytes:
    debt = book.known(op.receivable)
    own_lien(debt, op.lien, op.pledgee)
    end_lien(debt, op.lien)
    return debt.name


def renew(book: Book, here: Here, op: RenewPledge) -> bytes:
    debt = book.not_closed(op.receivable)
    if op.lien not in debt.liens:
        late = next(
            (each for each in debt.lapsed if (each.name, each.pledgee) == (op.lien, op.pledgee)), None
        )
        if late is not None:
            raise Refused(Code.LATE, late.place)
    lien = own_lien(debt, op.lien, op.pledgee)
    if not (lien.until_ms + MONTH_MS <= op.until_ms <= here.now_ms + THIRTY_YEARS_MS):
        raise Refused(Code.TERM, lien.place)
    lien.until_ms = op.until_ms
    return debt.name


def enforce(book: Book, here: Here, op: EnforcePledge) -> bytes:
    debt = book.owed_now(op.receivable)
    need_unrestrained(debt)
    need_positive(op.amount)
    lien = own_lien(debt, op.lien, op.pledgee)
    if op.amount > lien.amount:
        raise Refused(Code.NOT_LIENHOLDER, lien.place, (Reason("pledged", lien.amount),))
    if op.court is None and op.pledgor != lien.pledgor:
        raise Refused(Code.NOT_PERMITTED, lien.place)
    if lien.behind is not None:
        raise Refused(Code.PLEDGED, debt.liens[lien.behind].place)
    if debt.default is None:
        raise Refused(Code.NO_DEFAULT, debt.place)
    cap_lien(debt, lien, lien.amount - op.amount)
    if op.lien in debt.liens:
        end_lien(debt, op.lien)
    # Undisputed value goes first.
    disputed = max(0, op.amount - debt.undisputed(lien.pledgor))
    move(debt, lien.pledgor, op.pledgee, op.amount, disputed, here.place(debt.name))
    return debt.name


def lapse_liens(debt: Debt, now_ms: int) -> bool:
    over = [each for each in debt.liens.values() if each.until_ms <= now_ms]
    for lien in over:
        debt.lapsed = [*debt.lapsed, lien][-LIENS_MAX:]
    for lien in over:
        end_lien(debt, lien.name)
    return bool(over)


RULES: dict[type, Judge] = {
    Pledge: pledge,
    ReleasePledge: release,
    RenewPledge: renew,
    EnforcePledge: enforce,
}
