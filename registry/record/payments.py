"""What one payment took from whom, kept so that it can be undone when the bank calls the money back.

A payment shrinks the payee's part and with it what was disputed, what was confirmed and the liens on it. A reversal gives all of
it back: if the liens stayed small, a pledgor could free what it has pledged by a payment that does not stand.
Leaves to others: who may reverse (`registry.rules.arrears`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from .. import limits
from ..codec import Flag, Items, Struct
from ..errors import Reference
from ..operations.fields import AMOUNT, MEMBER_ID, RECEIVABLE_ID
from ..receivable import CONFIRMED, LIEN, REFERENCE, Lien, Part, Receivable
from .covers import CUTS, Cut, cuts_between
from .liens import fit_liens, junior_of
from .terms import has_recourse


@dataclass(frozen=True, slots=True)
class Payment:
    """`amount` went to `holder`; of it `disputed` and `confirmed` were so before. `liens` and `covers` are what these lost by it.

    `attested`: not the payee said so, but a bank.
    """

    receivable: bytes
    holder: str
    amount: int
    disputed: int
    confirmed: int
    liens: tuple[Lien, ...]
    covers: tuple[Cut, ...]
    attested: bool
    place: Reference


@dataclass(frozen=True, slots=True)
class BankReference:
    """Used once, by the operation at `place`. `payment` is what can be called back; None once it was, or where nothing can."""

    place: Reference
    payment: Payment | None


def payment_between(
    before: Receivable, after: Receivable, holder: str, place: Reference, *, attested: bool
) -> Payment:
    """The payment that made `after` of `before`."""
    left = {lien.lien_id: lien.amount for lien in after.liens}
    lost = (replace(lien, amount=lien.amount - left.get(lien.lien_id, 0)) for lien in before.liens)
    return Payment(
        receivable=before.receivable_id,
        holder=holder,
        amount=after.paid - before.paid,
        disputed=before.disputed_share(holder) - after.disputed_share(holder),
        confirmed=before.confirmation.amount - after.confirmation.amount,
        liens=tuple(lien for lien in lost if lien.amount),
        covers=cuts_between(before.covers, after.covers),
        attested=attested,
        place=place,
    )


def without_payment(record: Receivable, payment: Payment, time_ms: int, place: Reference) -> Receivable:
    """The record after the payment is undone: owed again to who was paid, under the liens that it had cut.

    A lien that has run out since does not come back; one that was renewed has not. One that its pledgee gave up after the payment
    comes back for what the payment cut from it: the pledgee can release it again, while value set free could not be caught.
    """
    amount = record.amount_of(payment.holder) + payment.amount
    disputed = min(amount, record.disputed_share(payment.holder) + payment.disputed)
    held = record.part_of(payment.holder)
    if held is None:
        part = Part(payment.holder, amount, disputed, has_recourse(record.terms, payment.holder), place)
        parts = (*record.parts, part)
    else:
        part = replace(held, amount=amount, disputed=disputed)
        parts = tuple(part if each is held else each for each in record.parts)
    confirmation = record.confirmation
    outstanding = record.outstanding + payment.amount
    if confirmation.kind in CONFIRMED:
        confirmed = min(outstanding, confirmation.amount + payment.confirmed)
        confirmation = replace(confirmation, amount=confirmed)
    liens = record.liens
    running = {lien.lien_id for lien in record.liens}
    for lien in payment.liens:
        if lien.lien_id in running or lien.until_ms > time_ms:
            liens = _with_lost(liens, lien)
    restored = replace(
        record, paid=record.paid - payment.amount, parts=parts, confirmation=confirmation, liens=liens
    )
    return replace(restored, liens=fit_liens(restored, payment.holder))


def _with_lost(liens: tuple[Lien, ...], lost: Lien) -> tuple[Lien, ...]:
    present = next((lien for lien in liens if lien.lien_id == lost.lien_id), None)
    if present is not None:
        amount = _at_most_senior(liens, present.behind, present.amount + lost.amount)
        return tuple(replace(lien, amount=amount) if lien is present else lien for lien in liens)
    senior = next((lien for lien in liens if lien.lien_id == lost.behind), None)
    if senior is None or junior_of(liens, senior.lien_id) is not None:
        lost = replace(lost, behind=None)
    lost = replace(lost, amount=_at_most_senior(liens, lost.behind, lost.amount))
    # Liens are kept in the order of the chain.
    return tuple(sorted((*liens, lost), key=lambda each: each.place.rank))


def _at_most_senior(liens: tuple[Lien, ...], behind: bytes | None, amount: int) -> int:
    senior = next((lien for lien in liens if lien.lien_id == behind), None)
    return amount if senior is None else min(amount, senior.amount)


PAYMENT: Final = Struct(
    Payment,
    {
        "receivable": RECEIVABLE_ID,
        "holder": MEMBER_ID,
        "amount": AMOUNT,
        "disputed": AMOUNT,
        "confirmed": AMOUNT,
        "liens": Items(LIEN, limits.LIENS_MAX),
        "covers": CUTS,
        "attested": Flag(),
        "place": REFERENCE,
    },
)
