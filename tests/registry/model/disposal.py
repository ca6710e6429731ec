"""What assigning and pledging have in common in the model: confirmation, policy, relations, limits, papers."""

from __future__ import annotations

from registry.errors import Code, Reason
from registry.policy import RelatedPartyPolicy
from tests.registry.model.book import Book, Control, Debt, Here, Refused, Terms


def relied_on(book: Book, debt: Debt) -> int:
    """How much of what is confirmed stands behind what was assigned and pledged."""
    wanted, relied = book.policy.require_confirmation, 0
    for name, part in debt.parts.items():
        if wanted.covers_assignment() and name != debt.exporter:
            relied += part.amount
        elif wanted.covers_pledge():
            relied += debt.pledged(name)
    return relied


def may_still_rely_on(book: Book, debt: Debt, holder: str) -> int:
    """How much the holder may dispose of under what the debtor has confirmed: each confirmed amount is relied upon once."""
    relied = relied_on(book, debt)
    if holder != debt.exporter and book.policy.require_confirmation.covers_assignment():
        # What lies with an assignee was counted when it was assigned.
        return debt.confirmed if relied <= debt.confirmed else 0
    return max(0, debt.confirmed - relied)


def need_policy(
    book: Book,
    here: Here,
    debt: Debt,
    holder: str,
    taker: str,
    amount: int,
    papers: bytes,
    acknowledged: tuple[bytes, ...],
    bar: Terms | None = None,
) -> None:
    """Listing, past due, related parties, concentration, bar of onward assignment, papers, suspicions; then a circle is flagged."""
    need_listed(book, taker)
    if not book.policy.dispose_past_due and here.today > debt.due:
        raise Refused(Code.PAST_DUE, debt.place)
    need_unrelated(book, here, debt, holder, taker, amount)
    need_room(book, here, debt, taker, amount)
    if bar is not None:
        raise Refused(Code.RESALE_BARRED, bar.latest)
    need_papers_shown(book, here, debt, papers, acknowledged)


def need_papers_shown(
    book: Book, here: Here, debt: Debt, papers: bytes, acknowledged: tuple[bytes, ...]
) -> None:
    if papers != debt.prints.digest():
        raise Refused(Code.FINGERPRINT_MISMATCH, debt.place)
    for other in book.similar.get((debt.exporter, debt.debtor, debt.prints.similar), []):
        if other != debt.name and other not in acknowledged:
            raise Refused(Code.SUSPICION_NOT_ACKNOWLEDGED, book.debts[other].place)
    flag_circle(book, here, debt.exporter, debt.debtor)


def need_listed(book: Book, taker: str) -> None:
    if book.policy.whitelisted_factors_only and not book.members[taker].listed:
        raise Refused(Code.NOT_WHITELISTED)


def bar_on(debt: Debt, holder: str) -> Terms | None:
    return next((terms for (_from, to), terms in debt.terms.items() if to == holder and terms.barred), None)


# --- relations


def in_force(book: Book, party: bytes | None, day: int) -> dict[bytes, Control]:
    declared = {} if party is None else book.controls.get(party, {})
    return {controller: control for controller, control in declared.items() if control.since_day <= day}


def relation(book: Book, left: bytes | None, right: bytes, day: int) -> Control | None:
    """Two parties are related when they stand under one controller, or one is the other's. None is related to itself."""
    if left is None or left == right:
        return None
    lefts, rights = in_force(book, left, day), in_force(book, right, day)
    for controller, control in lefts.items():
        if controller == right or controller in rights:
            return control
    return rights.get(left)


def need_unrelated(book: Book, here: Here, debt: Debt, holder: str, taker: str, amount: int) -> None:
    """Neither exporter nor holder nor taker is of the debtor's group; and the debtor itself takes nothing."""
    for member in (debt.exporter, holder, taker):
        if book.is_debtor(member, debt):
            raise Refused(Code.RELATED_PARTY, debt.place)
        control = relation(book, book.members[member].reference, debt.debtor, here.today)
        if control is None:
            continue
        if book.policy.related_party is RelatedPartyPolicy.REFUSE:
            raise Refused(Code.RELATED_PARTY, control.place, (Reason("related_party", amount),))
        here.flag("related_party", amount)


# --- concentration


def exposure(book: Book, factor: str, debtor: bytes, currency: str) -> int:
    """What it holds, what is pledged to it and what stands in its pools, on receivables that are not closed."""
    total = 0
    for debt in book.debts.values():
        if (debt.debtor, debt.currency) != (debtor, currency) or debt.is_closed:
            continue
        if factor != debt.exporter:
            total += debt.held(factor)
        total += sum(lien.amount for lien in debt.liens.values() if lien.pledgee == factor)
        if debt.pool is not None and debt.pool.factor == factor:
            total += at_stake_in_pool(debt)
    return total


def at_stake_in_pool(debt: Debt) -> int:
    """The exporter's part beside its liens, which are counted with the pledgees."""
    return debt.held(debt.exporter) - debt.pledged(debt.exporter)


def need_room(book: Book, here: Here, debt: Debt, taker: str, amount: int) -> None:
    """At most so much of the taker's stated risk assets with one debtor, and with the debtors of its own group."""
    single, related = book.policy.single_debtor_max_percent, book.policy.related_debtors_max_percent
    if single is None and related is None:
        return
    if (taker, debt.currency) not in book.risk_assets:
        raise Refused(Code.CONCENTRATION)
    assets, _day, place = book.risk_assets[taker, debt.currency]
    own = book.members[taker].reference
    debtors = sorted({each.debtor for each in book.debts.values()} | {debt.debtor})
    group = [each for each in debtors if relation(book, own, each, here.today) is not None]
    limits = [("exposure", single, [debt.debtor])]
    if debt.debtor in group:
        limits.append(("related_exposure", related, group))
    for word, percent, counted in limits:
        after = amount + sum(exposure(book, taker, each, debt.currency) for each in counted)
        if percent is not None and after * 100 > assets * percent:
            reasons = (Reason(word, after), Reason("limit", assets * percent // 100))
            raise Refused(Code.CONCENTRATION, place, reasons)


# --- circles


def flag_circle(book: Book, here: Here, exporter: str, debtor: bytes) -> None:
    """The shortest way back from the debtor to the exporter along invoices that are not too old, by breadth."""
    start = book.members[exporter].reference
    if start is None:
        return
    since, seen, layer = here.today - book.policy.cycle_days, {debtor}, [debtor]
    for hops in range(2, book.policy.cycle_hops_max + 1):
        reached = []
        for party in layer:
            for other, day in book.invoiced.get(party, {}).items():
                if day < since:
                    continue
                if other == start:
                    here.flag("cycle", hops)
                    return
                if other not in seen:
                    seen.add(other)
                    reached.append(other)
        layer = reached
