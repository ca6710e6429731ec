"""`pledgebook offer`, `withdraw-offer`, `accept`, `reassign`, `assign-blanket`, `notify`, `acknowledge`: assignment in two
steps, back again, in advance; and telling the debtor whom to pay."""

from __future__ import annotations

import datetime
import time
from typing import Annotated

import typer

from registry.operations import (
    AcceptAssignment,
    AcknowledgeNotice,
    AssignBlanket,
    NotifyDebtor,
    OfferAssignment,
    Operation,
    Reassign,
    WithdrawOffer,
)
from registry.time_units import HOUR_MS

from ..errors import InputError
from ..papers import day_begins_ms, day_ends_ms
from ..submission import Draft
from . import options as opt
from .disposal import shown_papers
from .session import (
    Session,
    amount_of,
    debtor_identifier,
    in_session,
    member_id_of,
    parse_id,
)

OfferOption = Annotated[
    str | None,
    typer.Option(
        "--offer", metavar="OFFER", help="The offer's id; left out: the acting member's only open one."
    ),
]
WithRecourse = Annotated[bool, typer.Option(help="The assignor answers for the debtor's payment.")]
BarResale = Annotated[bool, typer.Option("--bar-resale", help="The factor may not assign it onward.")]


@opt.submits("offer")
def offer(
    options: opt.Options,
    receivable: opt.ReceivableArgument,
    to: Annotated[str, typer.Option("--to", metavar="MEMBER", help="The factor it is offered to.")],
    amount: opt.Amount,
    hours: Annotated[
        int,
        typer.Option(
            min=1, max=8_760, help="How long the amount is kept for it; the policy says how long at most."
        ),
    ] = 24,
    with_recourse: WithRecourse = False,
    bar_resale: BarResale = False,
) -> None:
    """As a holder, keep an amount for a factor until it accepts or the time is up. It need not sign yet."""
    identifier = parse_id(receivable)
    until_ms = int(time.time() * 1_000) + hours * HOUR_MS

    async def work(session: Session) -> None:
        record = await session.record(identifier)
        operation = OfferAssignment(
            receivable=identifier,
            assignor=session.acting.member_id,
            assignee=member_id_of(session.directory, to),
            amount=amount_of(amount, record.currency),
            until_ms=until_ms,
            with_recourse=with_recourse,
            resale_barred=bar_resale,
            price_commitment=None,
        )
        await _alone(session, operation, record.currency)

    in_session(options, work)


@opt.submits("withdraw-offer")
def withdraw_offer(
    options: opt.Options,
    receivable: opt.ReceivableArgument,
    offer: OfferOption = None,
) -> None:
    """As the holder who made it, take an offer back before it is accepted."""
    identifier = parse_id(receivable)

    async def work(session: Session) -> None:
        record = await session.record(identifier)
        member = session.acting.member_id
        own = [each.offer_id for each in record.reservations if each.assignor == member]
        operation = WithdrawOffer(identifier, _only_offer(own, offer, member), member)
        await _alone(session, operation, record.currency)

    in_session(options, work)


@opt.submits("accept")
def accept(
    options: opt.Options,
    receivable: opt.ReceivableArgument,
    offer: OfferOption = None,
    accept_future: opt.AcceptFuture = False,
    papers: opt.Papers = None,
    acknowledge: opt.Acknowledged = None,
) -> None:
    """As the factor, take what was offered, after having seen the papers."""
    identifier = parse_id(receivable)
    acknowledged = tuple(sorted(parse_id(text) for text in acknowledge or ()))

    async def work(session: Session) -> None:
        record = await session.record(identifier)
        member = session.acting.member_id
        open_offers = [each.offer_id for each in record.reservations if each.assignee == member]
        operation = AcceptAssignment(
            receivable=identifier,
            offer=_only_offer(open_offers, offer, member),
            assignee=member,
            verified_fingerprints=record.fingerprints.digest(),
            acknowledged_suspicions=acknowledged,
            future_consented=accept_future,
        )
        own = session.wallet(session.acting.name)
        shown = await shown_papers(session, own, record, papers)
        await session.perform(Draft((operation,), (own,), shown=shown), currency=record.currency)

    in_session(options, work)


@opt.submits("reassign")
def reassign(
    options: opt.Options,
    receivable: opt.ReceivableArgument,
    to: Annotated[
        str, typer.Option("--to", metavar="MEMBER", help="Who assigned it, with recourse; it signs too.")
    ],
    amount: opt.Amount,
) -> None:
    """As a holder with recourse, give an amount back that is disputed, rejected or overdue."""
    identifier = parse_id(receivable)

    async def work(session: Session) -> None:
        record = await session.record(identifier)
        taker = session.wallet(to)
        operation = Reassign(
            identifier, session.acting.member_id, taker.member, amount_of(amount, record.currency)
        )
        signers = (session.wallet(session.acting.name), taker)
        await session.perform(Draft((operation,), signers), currency=record.currency)

    in_session(options, work)


@opt.submits("assign-blanket")
def assign_blanket(
    options: opt.Options,
    to: Annotated[
        str, typer.Option("--to", metavar="MEMBER", help="The factor that will have it; it signs too.")
    ],
    begins: Annotated[
        datetime.datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First day, UTC.")
    ],
    until: Annotated[datetime.datetime, typer.Option(formats=["%Y-%m-%d"], help="Last day, UTC.")],
    debtor: Annotated[
        str | None,
        typer.Option(help="Against whom: a member's short name or an identifier. Left out: every debtor."),
    ] = None,
    with_recourse: WithRecourse = False,
    bar_resale: BarResale = False,
) -> None:
    """As an exporter, agree with a factor that what is registered in a period is the factor's at once."""

    async def work(session: Session) -> None:
        taker = session.wallet(to)
        reference = None
        if debtor is not None:
            reference = session.fingerprint_key.debtor(debtor_identifier(session.directory, debtor))
        operation = AssignBlanket(
            assignor=session.acting.member_id,
            assignee=taker.member,
            debtor_reference=reference,
            from_ms=day_begins_ms(begins.date()),
            until_ms=day_ends_ms(until.date()),
            with_recourse=with_recourse,
            resale_barred=bar_resale,
        )
        await session.perform(Draft((operation,), (session.wallet(session.acting.name), taker)))

    in_session(options, work)


@opt.submits("notify")
def notify(
    options: opt.Options,
    receivable: opt.ReceivableArgument,
) -> None:
    """As a holder, give the debtor notice to pay your part to you."""
    identifier = parse_id(receivable)

    async def work(session: Session) -> None:
        await _alone(session, NotifyDebtor(identifier, session.acting.member_id))

    in_session(options, work)


@opt.submits("acknowledge")
def acknowledge(
    options: opt.Options,
    receivable: opt.ReceivableArgument,
    holder: Annotated[
        str, typer.Option(metavar="MEMBER", help="Whose notice: from now on its part is paid to it alone.")
    ],
) -> None:
    """As the debtor, acknowledge a holder's notice of assignment."""
    identifier = parse_id(receivable)

    async def work(session: Session) -> None:
        payee = member_id_of(session.directory, holder)
        await _alone(session, AcknowledgeNotice(identifier, session.acting.member_id, payee))

    in_session(options, work)


async def _alone(session: Session, operation: Operation, currency: str | None = None) -> None:
    """What needs only the acting member's signature."""
    await session.perform(Draft((operation,), (session.wallet(session.acting.name),)), currency=currency)


def _only_offer(own: list[bytes], named: str | None, member: str) -> bytes:
    if named is not None:
        return parse_id(named)
    if not own:
        raise InputError(f"{member} has no open offer on it (any more); see `pledgebook receivable`")
    if len(own) > 1:
        raise InputError(
            f"{member} has {len(own)} open offers on it: name one with --offer; see `pledgebook receivable`"
        )
    return own[0]
