"""`pledgebook cover`: an insurer covers a holder's part, until it ends or the loss is claimed."""

from __future__ import annotations

import datetime
from typing import Annotated

import typer

from registry.operations import AlterCover, BindCover, ClaimCover, EndCover, Operation
from registry.receivable import Receivable
from registry.record.covers import Cover

from ..errors import InputError
from ..papers import day_ends_ms
from ..submission import Draft
from . import options as opt
from .arrears import commitment_of
from .session import Session, amount_of, in_session, member_id_of, parse_id

_CoverOption = Annotated[
    str | None,
    typer.Option("--cover", metavar="COVER", help="The cover's id; left out: the acting member's only one."),
]

cover_app = typer.Typer(help="Cover of a holder's part by an insurer.", no_args_is_help=True)


@cover_app.command(
    epilog="Example: pledgebook cover bind RECEIVABLE --network ./net --as insurer-1 --insured factor-1 --amount 500.00 "
    f"--policy {'5e' * 32} --limit 100000.00 --until 2027-06-30"
)
@opt.submits("cover bind")
def bind(
    options: opt.Options,
    receivable: opt.ReceivableArgument,
    amount: opt.Amount,
    policy: Annotated[
        str,
        typer.Option(
            metavar="HEX",
            help="Salted commitment to the policy's number, 32 bytes; the same for all under it.",
        ),
    ],
    limit: Annotated[
        str, typer.Option(metavar="DECIMAL", help="All that the policy is good for in this currency.")
    ],
    until: Annotated[datetime.datetime, typer.Option(formats=["%Y-%m-%d"], help="The cover's last day.")],
    insured: Annotated[
        str | None,
        typer.Option(metavar="MEMBER", help="Whose part is covered; left out: the acting member's."),
    ] = None,
    insurer: Annotated[
        str | None, typer.Option(metavar="MEMBER", help="Who covers it; left out: the acting member.")
    ] = None,
    loss_payee: Annotated[
        str | None,
        typer.Option(metavar="MEMBER", help="A lienholder that the insurer pays in place of the insured."),
    ] = None,
) -> None:
    """As the insurer or the insured, with the other, bind a cover."""
    identifier, number = parse_id(receivable), commitment_of("--policy", policy)
    if (insured is None) == (insurer is None):
        raise InputError("name the other party: --insured, or --insurer")

    async def work(session: Session) -> None:
        # An insurer is no party yet: the public view tells it the currency.
        currency = (await session.status(identifier)).currency
        own = session.acting.member_id
        named = own if insured is None else member_id_of(session.directory, insured)
        operation = BindCover(
            receivable=identifier,
            insurer=own if insurer is None else member_id_of(session.directory, insurer),
            insured=named,
            amount=amount_of(amount, currency),
            policy=number,
            policy_limit=amount_of(limit, currency),
            until_ms=day_ends_ms(until.date()) - 1,
            loss_payee=named if loss_payee is None else member_id_of(session.directory, loss_payee),
        )
        await _signed(session, operation, currency, operation.insurer, operation.insured)

    in_session(options, work)


@cover_app.command(
    epilog="Example: pledgebook cover alter RECEIVABLE --network ./net --as insurer-1 --amount 400.00"
)
@opt.submits("cover alter")
def alter(
    options: opt.Options,
    receivable: opt.ReceivableArgument,
    amount: Annotated[
        str | None, typer.Option(metavar="DECIMAL", help="What is covered from now on; left out: as it is.")
    ] = None,
    until: Annotated[
        datetime.datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Another last day; left out: as it is."),
    ] = None,
    loss_payee: Annotated[
        str | None, typer.Option(metavar="MEMBER", help="Whom the insurer pays; left out: as it is.")
    ] = None,
    cover: _CoverOption = None,
) -> None:
    """As the insurer or the insured, with the other, alter a cover."""
    identifier = parse_id(receivable)

    async def work(session: Session) -> None:
        record = await session.record(identifier)
        present = _own_cover(record, cover, session.acting.member_id)
        payee = _consenting_payee(record, present)
        operation = AlterCover(
            receivable=identifier,
            cover=present.cover_id,
            insurer=present.insurer,
            insured=present.insured,
            amount=present.amount if amount is None else amount_of(amount, record.currency),
            until_ms=present.until_ms if until is None else day_ends_ms(until.date()) - 1,
            loss_payee=present.loss_payee
            if loss_payee is None
            else member_id_of(session.directory, loss_payee),
            consenting=payee[0] if payee else None,
        )
        await _signed(session, operation, record.currency, present.insurer, present.insured, *payee)

    in_session(options, work)


@cover_app.command(epilog="Example: pledgebook cover end RECEIVABLE --network ./net --as factor-1")
@opt.submits("cover end")
def end(options: opt.Options, receivable: opt.ReceivableArgument, cover: _CoverOption = None) -> None:
    """As the insured, give up a cover."""
    identifier = parse_id(receivable)

    async def work(session: Session) -> None:
        record = await session.record(identifier)
        present = _own_cover(record, cover, session.acting.member_id)
        payee = _consenting_payee(record, present)
        operation = EndCover(identifier, present.cover_id, present.insured, payee[0] if payee else None)
        await _signed(session, operation, record.currency, present.insured, *payee)

    in_session(options, work)


@cover_app.command(
    epilog="Example: pledgebook cover claim RECEIVABLE --network ./net --as factor-1 --amount 400.00"
)
@opt.submits("cover claim")
def claim(
    options: opt.Options,
    receivable: opt.ReceivableArgument,
    amount: opt.Amount,
    cover: _CoverOption = None,
) -> None:
    """As the insured or the insurer, with the other, claim a loss after a default: the part is then the insurer's."""
    identifier = parse_id(receivable)

    async def work(session: Session) -> None:
        record = await session.record(identifier)
        present = _own_cover(record, cover, session.acting.member_id)
        paid = amount_of(amount, record.currency)
        consenting = {*_consenting_payee(record, present)}
        if paid > record.amount_of(present.insured) - record.pledged_by(present.insured):
            # Liens shrink with the part: their pledgees sign too.
            consenting |= {lien.pledgee for lien in record.liens if lien.pledgor == present.insured}
        if record.pool is not None and present.insured == record.exporter:
            consenting.add(record.pool.factor)
        others = tuple(sorted(consenting))
        operation = ClaimCover(identifier, present.cover_id, present.insurer, present.insured, paid, others)
        await _signed(session, operation, record.currency, present.insurer, present.insured, *others)

    in_session(options, work)


async def _signed(session: Session, operation: Operation, currency: str, *parties: str) -> None:
    own = session.wallet(session.acting.name)
    others = (session.wallet(name) for name in dict.fromkeys(parties) if name != own.member)
    await session.perform(Draft((operation,), (own, *others)), currency=currency)


def _own_cover(record: Receivable, named: str | None, member: str) -> Cover:
    wanted = None if named is None else parse_id(named)
    own = [
        cover
        for cover in record.covers
        if member in (cover.insurer, cover.insured) and wanted in (None, cover.cover_id)
    ]
    if not own:
        raise InputError(f"{member} has no such cover on it (any more); see `pledgebook receivable`")
    if len(own) > 1:
        raise InputError(
            f"{member} has {len(own)} such covers on it: name one with --cover; see `pledgebook receivable`"
        )
    return own[0]


def _consenting_payee(record: Receivable, cover: Cover) -> tuple[str, ...]:
    """The loss payee, where it can lose something: its signature does no harm where it was not needed."""
    payee = cover.loss_payee
    return (payee,) if payee != cover.insured and record.has_security(payee, cover.insured) else ()
