"""Operations of the assignment family with sensible defaults, and a run of blocks in which each of them is applied."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from registry.errors import Code
from registry.operations import (
    AcceptAssignment,
    AcknowledgeNotice,
    AssignBlanket,
    NotifyDebtor,
    OfferAssignment,
    Reassign,
    WithdrawOffer,
)
from registry.receivable import Receivable
from registry.record.offers import Reservation
from tests.registry.consortium import (
    DAY_MS,
    DEBTOR,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    OTHER_DEBTOR_REFERENCE,
    TRADER,
    Consortium,
    confirmation,
    dispute,
)

HOUR_MS = 3_600_000


def offer(
    consortium: Consortium, receivable: bytes, amount: int = 10_000, to: str = FACTOR_1, **changes: Any
) -> OfferAssignment:
    operation = OfferAssignment(
        receivable=receivable,
        assignor=EXPORTER,
        assignee=to,
        amount=amount,
        until_ms=consortium.now_ms + 24 * HOUR_MS,
        with_recourse=False,
        resale_barred=False,
        price_commitment=None,
    )
    return replace(operation, **changes)


def acceptance(record: Receivable, offered: Reservation, **changes: Any) -> AcceptAssignment:
    operation = AcceptAssignment(
        receivable=record.receivable_id,
        offer=offered.offer_id,
        assignee=offered.assignee,
        verified_fingerprints=record.fingerprints.digest(),
        acknowledged_suspicions=(),
    )
    return replace(operation, **changes)


def offered(
    consortium: Consortium, receivable: bytes, amount: int = 10_000, to: str = FACTOR_1, **changes: Any
) -> Reservation:
    """A new open offer."""
    assert consortium.code(offer(consortium, receivable, amount, to, **changes)) is Code.OK
    return consortium.record(receivable).reservations[-1]


def withdrawal(offer: Reservation, receivable: bytes, **changes: Any) -> WithdrawOffer:
    return replace(WithdrawOffer(receivable, offer.offer_id, offer.assignor), **changes)


def giving_back(
    receivable: bytes, amount: int = 10_000, holder: str = FACTOR_1, to: str = EXPORTER
) -> Reassign:
    return Reassign(receivable, holder, to, amount)


def blanket(consortium: Consortium, to: str = FACTOR_1, **changes: Any) -> AssignBlanket:
    operation = AssignBlanket(
        assignor=EXPORTER,
        assignee=to,
        debtor_reference=None,
        from_ms=consortium.now_ms,
        until_ms=consortium.now_ms + 30 * DAY_MS,
        with_recourse=False,
        resale_barred=False,
    )
    return replace(operation, **changes)


def notice(receivable: bytes, holder: str = FACTOR_1) -> NotifyDebtor:
    return NotifyDebtor(receivable, holder)


def acknowledgement(receivable: bytes, holder: str = FACTOR_1, debtor: str = DEBTOR) -> AcknowledgeNotice:
    return AcknowledgeNotice(receivable, debtor, holder)


def trade(consortium: Consortium) -> None:
    """A few blocks: every operation of the family is applied once at least."""
    receivable = consortium.registered("INV-trade", similar=None)
    consortium.do(confirmation(receivable))
    wanted = offer(consortium, receivable, 6_000, with_recourse=True, price_commitment=bytes(range(32)))
    consortium.do(wanted, offer(consortium, receivable, 3_000, FACTOR_2, resale_barred=True))
    record = consortium.record(receivable)
    first, second = record.reservations
    consortium.do(acceptance(record, first), withdrawal(second, receivable))
    consortium.do(notice(receivable), acknowledgement(receivable))
    consortium.do(dispute(receivable, 1_000), giving_back(receivable, 2_000))
    consortium.do(blanket(consortium, assignor=TRADER, debtor_reference=OTHER_DEBTOR_REFERENCE))
