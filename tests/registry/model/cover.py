"""The model's rules of cover: insurers answer for a part, until the loss is claimed."""

from __future__ import annotations

from copy import deepcopy

from registry.errors import Code, Reason, Reference
from registry.identifiers import cover_id
from registry.limits import COVERS_MAX
from registry.operations.cover import AlterCover, BindCover, ClaimCover, EndCover
from registry.policy import RelatedPartyPolicy
from tests.registry.model.book import (
    Book,
    Cover,
    Debt,
    Here,
    Judge,
    PolicyUse,
    Refused,
    need_positive,
    need_unrestrained,
)
from tests.registry.model.disposal import relation
from tests.registry.model.value import covered_under, fit_claims, fit_liens, move, smaller_liens


def bind(book: Book, here: Here, op: BindCover) -> bytes:
    debt = book.owed_now(op.receivable)
    need_positive(op.amount)
    need_positive(op.policy_limit)
    need_end_ahead(here, op.until_ms)
    if not debt.held(op.insured):
        raise ineligible(debt, "held", 0)
    need_parties(book, here, debt, op.insurer, op.insured, op.amount)
    need_risk(here, debt, op.insured, op.amount)
    need_payee(debt, op.insured, op.loss_payee, op.amount)
    need_uncovered(debt, op.insured, op.amount)
    name = cover_id(here.entry_id, here.index)
    key = (op.insurer, op.policy, debt.currency)
    use = book.policies.get(key, PolicyUse(op.policy_limit, 0, here.place(name)))
    if use.limit != op.policy_limit:
        raise over_limit(book, key, use)
    need_limit(book, key, use, op.amount)
    if len(debt.covers) >= COVERS_MAX:
        raise Refused(Code.LIMIT_REACHED)
    book.policies[key] = use
    debt.covers[name] = Cover(
        op.insurer, op.insured, op.amount, op.policy, op.until_ms, op.loss_payee, here.place(name)
    )
    return debt.name


def alter(book: Book, here: Here, op: AlterCover) -> bytes:
    debt = book.owed_now(op.receivable)
    need_positive(op.amount)
    cover = running_cover(debt, here, op)
    need_end_ahead(here, op.until_ms)
    if op.amount > cover.amount or op.until_ms > cover.until_ms:
        need_parties(book, here, debt, cover.insurer, cover.insured, op.amount)
        need_risk(here, debt, cover.insured, op.amount)
    if op.loss_payee != cover.loss_payee:
        need_payee(debt, cover.insured, op.loss_payee, op.amount)
    loses = op.loss_payee != cover.loss_payee or op.amount < cover.amount or op.until_ms < cover.until_ms
    if loses:
        need_payee_consent(debt, cover, {op.consenting})
    need_uncovered(debt, cover.insured, op.amount, op.cover)
    key = (cover.insurer, cover.policy, debt.currency)
    if op.amount > cover.amount:
        need_limit(book, key, book.policies[key], op.amount - cover.amount)
    cover.amount, cover.until_ms, cover.loss_payee = op.amount, op.until_ms, op.loss_payee
    return debt.name


def end(book: Book, here: Here, op: EndCover) -> bytes:
    debt = book.known(op.receivable)
    cover = debt.covers.get(op.cover)
    if cover is None or cover.insured != op.insured:
        raise Refused(Code.NO_COVER, debt.place)
    need_payee_consent(debt, cover, {op.consenting})
    del debt.covers[op.cover]
    return debt.name


def claim(book: Book, here: Here, op: ClaimCover) -> bytes:
    """What the insurer has paid is the insurer's, undisputed value first; the cover is used up."""
    debt = book.owed_now(op.receivable)
    need_unrestrained(debt)
    need_positive(op.amount)
    cover = running_cover(debt, here, op)
    if debt.default is None:
        raise Refused(Code.NO_DEFAULT, debt.place)
    if op.amount > cover.amount:
        raise Refused(Code.OVER_LIMIT, cover.place, (Reason("covered", cover.amount),))
    need_payee_consent(debt, cover, set(op.consenting))
    after = deepcopy(debt)
    del after.covers[op.cover]
    disputed = max(0, op.amount - debt.undisputed(op.insured))
    move(after, op.insured, op.insurer, op.amount, disputed, here.place(debt.name))
    fit_liens(after, op.insured)
    need_securities(debt, after, op)
    fit_claims(after)
    for name, offer in debt.offers.items():
        if name not in after.offers:
            raise Refused(Code.RESERVED, offer.place, (Reason("reserved", offer.amount),))
    book.policies[cover.insurer, cover.policy, debt.currency].claimed += op.amount
    book.debts[debt.name] = after
    return debt.name


def need_securities(debt: Debt, after: Debt, op: ClaimCover) -> None:
    pool = debt.pool
    if pool is not None and op.insured == debt.exporter and pool.factor not in op.consenting:
        raise Refused(Code.PLEDGED, pool.place, (Reason("pooled", debt.held(op.insured)),))
    for lien in smaller_liens(debt, after):
        if lien.pledgee not in op.consenting:
            amount = debt.liens[lien.name].amount
            raise Refused(Code.PLEDGED, lien.place, (Reason("pledged", amount),))


# --- what is judged


def ineligible(debt: Debt, word: str, amount: int, place: Reference | None = None) -> Refused:
    return Refused(Code.INELIGIBLE, place or debt.place, (Reason(word, amount),))


def running_cover(debt: Debt, here: Here, op: AlterCover | ClaimCover) -> Cover:
    cover = debt.covers.get(op.cover)
    if cover is None or (cover.insurer, cover.insured) != (op.insurer, op.insured):
        raise Refused(Code.NO_COVER, debt.place)
    return cover


def need_end_ahead(here: Here, until_ms: int) -> None:
    if until_ms <= here.now_ms:
        raise Refused(Code.TERM)


def need_parties(book: Book, here: Here, debt: Debt, insurer: str, insured: str, amount: int) -> None:
    """The insurer neither gains nor loses by the receivable, nor does its group; the insured is not of the debtor's."""
    own = book.members[insurer].reference
    if own is None:
        raise ineligible(debt, "insurer", amount)
    holders = [holder for holder, part in debt.parts.items() if part.amount]
    for word, applies in (
        ("exporter", insurer == debt.exporter),
        ("debtor", own == debt.debtor),
        ("holder", insurer in holders),
        ("pledgee", any(debt.secures(insurer, pledgor) for pledgor in (debt.exporter, *holders))),
    ):
        if applies:
            raise ineligible(debt, word, amount)
    others = [book.members[member].reference for member in dict.fromkeys((debt.exporter, *holders))]
    pairs = [(own, other) for other in (debt.debtor, *others) if other is not None]
    pairs.append((book.members[insured].reference or own, debt.debtor))
    for left, right in pairs:
        control = relation(book, left, right, here.today)
        if control is None:
            continue
        if book.policy.related_party is RelatedPartyPolicy.REFUSE:
            raise ineligible(debt, "related_party", amount, control.place)
        here.flag("related_party", amount)


def need_risk(here: Here, debt: Debt, insured: str, amount: int) -> None:
    """The loss has not come yet, and there is undisputed value that could be lost."""
    held = debt.held(insured)
    for word, applies in (
        ("rejected", debt.rejected),
        ("voided", any(each.voided for each in debt.attestations)),
        ("overdue", debt.default is not None or here.today > debt.first_unpaid()),
    ):
        if applies:
            raise ineligible(debt, word, held)
    disputed = debt.disputed_of(insured)
    if amount > held - disputed:
        reasons = (Reason("held", held), Reason("disputed", disputed))
        raise Refused(Code.INELIGIBLE, debt.place, reasons if disputed else reasons[:1])


def need_payee(debt: Debt, insured: str, payee: str, amount: int) -> None:
    if payee != insured and not debt.secures(payee, insured):
        raise ineligible(debt, "loss_payee", amount)


def need_payee_consent(debt: Debt, cover: Cover, consenting: set[str] | set[str | None]) -> None:
    payee = cover.loss_payee
    if payee != cover.insured and payee not in consenting and debt.secures(payee, cover.insured):
        raise Refused(Code.HOLDER_CONSENT, cover.place)


def need_uncovered(debt: Debt, insured: str, amount: int, own: bytes | None = None) -> None:
    """No amount of the part is insured twice."""
    others = [each for name, each in debt.covers.items() if each.insured == insured and name != own]
    covered = sum(each.amount for each in others)
    if covered + amount > debt.held(insured):
        place = others[0].place if others else debt.place
        raise Refused(
            Code.DOUBLE_COVER, place, (Reason("held", debt.held(insured)), Reason("covered", covered))
        )


def need_limit(book: Book, key: tuple[str, bytes, str], use: PolicyUse, more: int) -> None:
    if covered_under(book, key) + use.claimed + more > use.limit:
        raise over_limit(book, key, use)


def over_limit(book: Book, key: tuple[str, bytes, str], use: PolicyUse) -> Refused:
    words = (("limit", use.limit), ("covered", covered_under(book, key)), ("claimed", use.claimed))
    return Refused(
        Code.OVER_LIMIT, use.place, tuple(Reason(word, amount) for word, amount in words if amount)
    )


def lapse_covers(debt: Debt, now_ms: int) -> None:
    """By itself at its end; but not once default is on record, for the loss came while it ran."""
    if debt.default is None:
        debt.covers = {name: each for name, each in debt.covers.items() if each.until_ms > now_ms}


RULES: dict[type, Judge] = {BindCover: bind, AlterCover: alter, EndCover: end, ClaimCover: claim}
