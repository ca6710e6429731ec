"""`pledgebook renew`, `enforce`: a pledge is prolonged, and taken over after a default."""

from __future__ import annotations

import datetime
from typing import Annotated

import typer

from registry.operations import EnforcePledge, RenewPledge
from registry.receivable import Lien, Receivable

from ..errors import InputError
from ..papers import day_ends_ms
from ..submission import Draft
from . import options as opt
from .session import Session, amount_of, in_session, parse_id

_LienOption = Annotated[
    str | None,
    typer.Option("--lien", metavar="LIEN", help="The lien's id; left out: the acting member's only one."),
]


@opt.submits("renew")
def renew(
    options: opt.Options,
    receivable: opt.ReceivableArgument,
    until: Annotated[
        datetime.datetime,
        typer.Option(formats=["%Y-%m-%d"], help="New last day, 30 days at least after the present one."),
    ],
    lien: _LienOption = None,
) -> None:
    """As the pledgee, prolong a pledge before it ends."""
    identifier = parse_id(receivable)
    until_ms = day_ends_ms(until.date()) - 1

    async def work(session: Session) -> None:
        record = await session.record(identifier)
        own = _own_lien(record, lien, session.acting.member_id)
        operation = RenewPledge(identifier, own.lien_id, own.pledgee, until_ms)
        await session.perform(
            Draft((operation,), (session.wallet(session.acting.name),)), currency=record.currency
        )

    in_session(options, work)


@opt.submits("enforce")
def enforce(
    options: opt.Options,
    receivable: opt.ReceivableArgument,
    amount: opt.Amount,
    court: Annotated[
        str | None,
        typer.Option(metavar="MEMBER", help="The court that orders it; left out: the pledgor agrees."),
    ] = None,
    lien: _LienOption = None,
) -> None:
    """As the pledgee, take over what was pledged, after a default."""
    identifier = parse_id(receivable)

    async def work(session: Session) -> None:
        record = await session.record(identifier)
        own = _own_lien(record, lien, session.acting.member_id)
        other = session.wallet(own.pledgor if court is None else court)
        operation = EnforcePledge(
            receivable=identifier,
            lien=own.lien_id,
            pledgee=own.pledgee,
            amount=amount_of(amount, record.currency),
            pledgor=other.member if court is None else None,
            court=None if court is None else other.member,
        )
        signers = (session.wallet(session.acting.name), other)
        await session.perform(Draft((operation,), signers), currency=record.currency)

    in_session(options, work)


def _own_lien(record: Receivable, named: str | None, member: str) -> Lien:
    wanted = None if named is None else parse_id(named)
    own = [lien for lien in record.liens if lien.pledgee == member and wanted in (None, lien.lien_id)]
    if not own:
        raise InputError(f"{member} has no such lien on it (any more); see `pledgebook receivable`")
    if len(own) > 1:
        raise InputError(
            f"{member} has {len(own)} such liens on it: name one with --lien; see `pledgebook receivable`"
        )
    return own[0]
