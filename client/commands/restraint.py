"""`pledgebook object`, `withdraw-objection`, `freeze`, `unfreeze`, `link-registration`, `link-search`."""

from __future__ import annotations

import datetime
from typing import Annotated

import typer

from registry.operations import (
    Freeze,
    LinkExternalRegistration,
    LinkSearch,
    Operation,
    RaiseObjection,
    Unfreeze,
    WithdrawObjection,
)

from ..papers import day_begins_ms, day_ends_ms
from ..submission import Draft
from . import options as opt
from .arrears import commitment_of
from .session import ASSOCIATION, Session, in_session, member_id_of, parse_id

_Case = Annotated[str, typer.Option("--case", help="The court's case number.")]
_Number = Annotated[str, typer.Option(metavar="HEX", help="Salted commitment to the number there, 32 bytes.")]
_Registrant = Annotated[
    str, typer.Option(metavar="HEX", help="Salted commitment to the registrant's name, 32 bytes.")
]
_On = Annotated[datetime.datetime, typer.Option("--on", formats=["%Y-%m-%d"], help="Day of it, in UTC.")]


@opt.submits("object")
def object_to(
    options: opt.Options,
    receivable: opt.ReceivableArgument,
    statement: Annotated[
        str, typer.Option(metavar="HEX", help="Salted commitment to what you claim, 32 bytes.")
    ],
    case: Annotated[
        str | None, typer.Option(help="The case number, once you have sued: then it does not lapse.")
    ] = None,
) -> None:
    """As a party with an interest, object: nothing of it is disposed of until the objection ends or lapses."""
    identifier = parse_id(receivable)
    claim = commitment_of("--statement", statement)

    async def work(session: Session) -> None:
        await _signed(session, RaiseObjection(identifier, session.acting.member_id, claim, case))

    in_session(options, work)


@opt.submits("withdraw-objection")
def withdraw_objection(
    options: opt.Options,
    receivable: opt.ReceivableArgument,
    objector: Annotated[
        str | None,
        typer.Option(metavar="MEMBER", help="As a court, with the association: whose objection ends."),
    ] = None,
) -> None:
    """As the objector, withdraw the objection; or as a court end another's."""
    identifier = parse_id(receivable)

    async def work(session: Session) -> None:
        own = session.acting.member_id
        if objector is None:
            await _signed(session, WithdrawObjection(identifier, own, None))
        else:
            named = member_id_of(session.directory, objector)
            await _signed(session, WithdrawObjection(identifier, named, own), ASSOCIATION)

    in_session(options, work)


@opt.submits("freeze")
def freeze(
    options: opt.Options,
    receivable: opt.ReceivableArgument,
    case: _Case,
) -> None:
    """As a court, with the association, freeze a receivable."""
    identifier = parse_id(receivable)

    async def work(session: Session) -> None:
        await _signed(session, Freeze(identifier, session.acting.member_id, case), ASSOCIATION)

    in_session(options, work)


@opt.submits("unfreeze")
def unfreeze(
    options: opt.Options,
    receivable: opt.ReceivableArgument,
    case: _Case,
) -> None:
    """As a court, with the association, lift a freeze."""
    identifier = parse_id(receivable)

    async def work(session: Session) -> None:
        await _signed(session, Unfreeze(identifier, session.acting.member_id, case), ASSOCIATION)

    in_session(options, work)


@opt.submits("link-registration")
def link_registration(
    options: opt.Options,
    receivable: opt.ReceivableArgument,
    number: _Number,
    registrant: _Registrant,
    on: _On,
    until: Annotated[datetime.datetime, typer.Option(formats=["%Y-%m-%d"], help="Its last day.")],
) -> None:
    """As a factor, link your registration in the statutory register."""
    entry_number, name = commitment_of("--number", number), commitment_of("--registrant", registrant)
    identifier = parse_id(receivable)

    async def work(session: Session) -> None:
        operation = LinkExternalRegistration(
            receivable=identifier,
            factor=session.acting.member_id,
            number=entry_number,
            registered_ms=day_begins_ms(on.date()),
            until_ms=day_ends_ms(until.date()) - 1,
            registrant=name,
        )
        await _signed(session, operation)

    in_session(options, work)


@opt.submits("link-search")
def link_search(
    options: opt.Options,
    receivable: opt.ReceivableArgument,
    number: _Number,
    registrant: _Registrant,
    on: _On,
) -> None:
    """As a factor, link your search of the statutory register."""
    certificate, name = commitment_of("--number", number), commitment_of("--registrant", registrant)
    identifier = parse_id(receivable)

    async def work(session: Session) -> None:
        operation = LinkSearch(
            identifier, session.acting.member_id, certificate, day_begins_ms(on.date()), name
        )
        await _signed(session, operation)

    in_session(options, work)


async def _signed(session: Session, operation: Operation, *others: str) -> None:
    wallets = (session.wallet(session.acting.name), *(session.wallet(name) for name in others))
    await session.perform(Draft((operation,), wallets))
