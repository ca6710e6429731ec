"""Offers of assignment: what one receivable has reserved for factors that have not yet accepted.

A reservation takes value out of what is free until it is accepted, withdrawn, or its time is up. It is never made smaller: a
price was offered for that amount. When the part under it shrinks so far that it no longer fits, it ends; the latest goes first.
Leaves to others: what may be offered and accepted (`registry.rules.assignment`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from .. import limits
from ..codec import Flag, Items, Optional_, Struct
from ..errors import Reference
from ..operations.fields import AMOUNT, HASH, MEMBER_ID, OFFER_ID, REFERENCE, TIME_MS


@dataclass(frozen=True, slots=True)
class Reservation:
    """An open offer: `amount` of the assignor's part is kept for the assignee until `until_ms`, on these terms."""

    offer_id: bytes
    assignor: str
    assignee: str
    amount: int
    until_ms: int
    with_recourse: bool
    resale_barred: bool
    price_commitment: bytes | None
    place: Reference


def reserved_by(reservations: tuple[Reservation, ...], holder: str) -> int:
    """Value of the holder's part that its open offers take."""
    return sum(offer.amount for offer in reservations if offer.assignor == holder)


def offer_of(reservations: tuple[Reservation, ...], offer_id: bytes) -> Reservation | None:
    return next((offer for offer in reservations if offer.offer_id == offer_id), None)


def without_offer(reservations: tuple[Reservation, ...], offer_id: bytes) -> tuple[Reservation, ...]:
    return tuple(offer for offer in reservations if offer.offer_id != offer_id)


def without_lapsed(reservations: tuple[Reservation, ...], time_ms: int) -> tuple[Reservation, ...]:
    """The offers that are still open at block time `time_ms`."""
    return tuple(offer for offer in reservations if offer.until_ms > time_ms)


def fitting_offers(reservations: tuple[Reservation, ...], room: Mapping[str, int]) -> tuple[Reservation, ...]:
    """The offers for which there is room on their assignor's part, in the order in which they were made."""
    left = dict(room)
    kept = []
    for offer in reservations:
        if offer.amount <= left.get(offer.assignor, 0):
            left[offer.assignor] -= offer.amount
            kept.append(offer)
    return tuple(kept)


RESERVATIONS: Final = Items(
    Struct(
        Reservation,
        {
            "offer_id": OFFER_ID,
            "assignor": MEMBER_ID,
            "assignee": MEMBER_ID,
            "amount": AMOUNT,
            "until_ms": TIME_MS,
            "with_recourse": Flag(),
            "resale_barred": Flag(),
            "price_commitment": Optional_(HASH),
            "place": REFERENCE,
        },
    ),
    limits.RESERVATIONS_MAX,
)
