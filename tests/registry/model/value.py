"""How value moves and shrinks in the model: disputes on parts, liens on parts, offers that no longer fit."""

from __future__ import annotations

from collections.abc import Mapping

from registry.errors import Reason, Reference
from tests.registry.model.book import Book, Cover, Debt, Lien, Part, Terms, order


def shares(amount: int, weights: Mapping[str, int]) -> dict[str, int]:
    """In proportion, by running totals rounded down, so that the shares add up."""
    total, running, given = sum(weights.values()), 0, 0
    result = {}
    for name, weight in weights.items():
        running += weight
        result[name] = amount * running // total - given if total else 0
        given += result[name]
    return result


def dispute(debt: Debt, amount: int) -> None:
    clean = {holder: debt.undisputed(holder) for holder in debt.parts}
    for holder, share in shares(amount, clean).items():
        debt.parts[holder].disputed += share


def undispute(debt: Debt, amount: int) -> None:
    for holder, share in shares(amount, {name: part.disputed for name, part in debt.parts.items()}).items():
        debt.parts[holder].disputed -= share


def dilute(debt: Debt, holder: str, amount: int) -> None:
    """A dilution ends as much of the dispute: of the holder's own part first, then of the others'."""
    part = debt.parts[holder]
    own = min(amount, part.disputed)
    part.amount -= amount
    part.disputed -= own
    debt.diluted += amount
    undispute(debt, amount - own)


def end_lien(debt: Debt, name: bytes) -> None:
    """Who stood behind it moves up."""
    ended = debt.liens.pop(name)
    for lien in debt.liens.values():
        if lien.behind == name:
            lien.behind = ended.behind


def cap_lien(debt: Debt, lien: Lien, cap: int) -> None:
    """A lien and its juniors are worth no more than `cap`."""
    for link in list(debt.chain_of(lien)):
        link.amount = min(link.amount, cap)
        if cap == 0:
            del debt.liens[link.name]


def fit_liens(debt: Debt, holder: str) -> None:
    """The latest first-ranking lien gives way first."""
    for lien in reversed(list(debt.liens.values())):
        excess = debt.pledged(holder) - debt.held(holder)
        if excess > 0 and lien.pledgor == holder and lien.behind is None:
            cap_lien(debt, lien, max(0, lien.amount - excess))


def smaller_liens(before: Debt, after: Debt) -> list[Lien]:
    """Liens of `before` that are smaller in `after`, each with what it lost."""
    lost = []
    for name, lien in before.liens.items():
        gone = lien.amount - (after.liens[name].amount if name in after.liens else 0)
        if gone:
            lost.append(Lien(name, lien.pledgor, lien.pledgee, gone, lien.until_ms, lien.behind, lien.place))
    return lost


def covered_under(book: Book, key: tuple[str, bytes, str]) -> int:
    return sum(
        cover.amount
        for debt in book.debts.values()
        for cover in debt.covers.values()
        if (cover.insurer, cover.policy, debt.currency) == key
    )


def fit_covers(debt: Debt) -> None:
    """Cover does not follow value: it shrinks with its part, the latest first, and ends with what is owed."""
    left = {holder: part.amount for holder, part in debt.parts.items()} if debt.is_open else {}
    for name, cover in list(debt.covers.items()):
        cover.amount = min(cover.amount, left.get(cover.insured, 0))
        if cover.amount:
            left[cover.insured] -= cover.amount
        else:
            del debt.covers[name]


def smaller_covers(before: Debt, after: Debt) -> list[tuple[bytes, Cover, int]]:
    """Covers of `before` that are smaller in `after`, as they were, with what they lost."""
    lost = []
    for name, cover in before.covers.items():
        gone = cover.amount - (after.covers[name].amount if name in after.covers else 0)
        if gone:
            lost.append((name, cover, gone))
    return lost


def fit_claims(debt: Debt) -> None:
    """Offers for which there is no room any more end, the latest first; so do notices of who has no part."""
    fit_covers(debt)
    room = (
        {} if debt.is_closed else {holder: debt.held(holder) - debt.pledged(holder) for holder in debt.parts}
    )
    for name, offer in list(debt.offers.items()):
        if offer.amount > room.get(offer.assignor, 0):
            del debt.offers[name]
        else:
            room[offer.assignor] -= offer.amount
    for holder in list(debt.notices):
        if holder not in debt.parts:
            del debt.notices[holder]
    if not debt.entitled() <= debt.asked:
        # Somebody has come in who was not asked.
        debt.next_account = None
    debt.asked = frozenset(debt.entitled())


def move(debt: Debt, giver: str, taker: str, amount: int, disputed: int, place: Reference) -> None:
    """A part that is given away whole is gone; the giver remains known as one that has given."""
    part = debt.parts[giver]
    part.amount -= amount
    part.disputed -= disputed
    if part.amount == 0:
        del debt.parts[giver]
    given, _latest = debt.given.get(giver, (0, place))
    debt.given[giver] = (given + amount, place)
    receive(debt, taker, amount, disputed, place)


def receive(debt: Debt, taker: str, amount: int, disputed: int, place: Reference) -> None:
    part = debt.parts.setdefault(taker, Part(0, 0, place))
    part.amount += amount
    part.disputed += disputed
    part.since = place


def note_terms(
    debt: Debt, giver: str, taker: str, recourse: int, barred: bool, place: Reference, *, anew: bool
) -> None:
    """What the taker may give back, and whether it may pass it on. A bar ends when the part was empty and begins anew."""
    if anew:
        for (_from, to), terms in debt.terms.items():
            if to == taker:
                terms.barred = False
    if recourse or barred:
        before = debt.terms.pop((giver, taker), Terms(0, False, place))
        debt.terms[giver, taker] = Terms(before.recourse + recourse, before.barred or barred, place)
    forget_empty_terms(debt)


def forget_empty_terms(debt: Debt) -> None:
    debt.terms = {pair: terms for pair, terms in debt.terms.items() if terms.recourse or terms.barred}


def free(
    book: Book, debt: Debt, holder: str, *, future_consented: bool = False
) -> tuple[int, tuple[Reason, ...]]:
    """RULEBOOK, `free_amount(holder)`: always with its reasons. What stands in a pool is not free."""
    suspended = not book.is_active(holder)
    amount, reasons = free_but_for_pool(debt, holder, future_consented=future_consented, suspended=suspended)
    if amount and debt.pool is not None and holder == debt.exporter:
        return 0, (*reasons, Reason("pooled", amount))
    return amount, reasons


def free_but_for_pool(
    debt: Debt, holder: str, *, future_consented: bool = False, suspended: bool = False
) -> tuple[int, tuple[Reason, ...]]:
    held = debt.held(holder)
    word = debt.bar(future_consented=future_consented)
    if word is None and suspended:
        word = "suspended"
    if word is not None:
        return 0, (Reason(word, held),)
    taken = (
        ("reserved", debt.reserved(holder)),
        ("pledged", debt.pledged(holder)),
        ("disputed", debt.disputed_of(holder)),
    )
    return max(0, held - sum(amount for _word, amount in taken)), tuple(
        Reason(word, amount) for word, amount in taken if amount
    )


def in_the_way(debt: Debt, holder: str, spare: int) -> tuple[str, Reference] | None:
    """Which of liens and offers leaves `spare` too little, as a word and a place.

    The one without which the amount would be free; when it takes both away to free it, the earlier one.
    """
    lien = next((each.place for each in debt.liens.values() if each.pledgor == holder), None)
    offer = next((each.place for each in debt.offers.values() if each.assignor == holder), None)
    if lien is None or (offer is not None and debt.pledged(holder) <= spare):
        return None if offer is None else ("offer", offer)
    if offer is None or debt.reserved(holder) <= spare or order(lien) < order(offer):
        return "lien", lien
    return "offer", offer


def earlier_claim(
    debt: Debt, holder: str, amount: int, *, future_consented: bool = False
) -> tuple[str, Reference] | None:
    """Whose claim covers an amount that is not free: a pool, a lien, an offer, or an assignment that took it away before."""
    if debt.bar(future_consented=future_consented) is not None:
        return None
    undisputed = debt.undisputed(holder)
    if amount <= undisputed:
        spare = undisputed - amount
        taken = debt.pledged(holder) + debt.reserved(holder)
        if debt.pool is not None and holder == debt.exporter and taken <= spare:
            return "pool", debt.pool.place
        return in_the_way(debt, holder, spare)
    if holder not in debt.given:
        return None
    given, latest = debt.given[holder]
    return ("assignment", latest) if amount <= min(undisputed + given, debt.owed) else None
