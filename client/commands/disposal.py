"""`pledgebook assign`, `pledge`, `release`: what a holder disposes of, and what a factor takes on after it has seen
the papers."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Annotated

import typer

from registry.operations import Assign, Pledge, ReleasePledge
from registry.operations.security import Junior
from registry.receivable import Receivable

from ..errors import InputError
from ..paper_file import find_papers
from ..papers import day_ends_ms
from ..submission import Draft
from ..wallet import ShownPapers, Wallet
from . import options as opt
from .session import Session, amount_of, in_session, parse_id

Taker = Annotated[
    str,
    typer.Option(
        "--to", metavar="MEMBER", help="The factor that takes it; it signs too, after it has seen the papers."
    ),
]


@opt.submits("assign")
def assign(
    options: opt.Options,
    receivable: opt.ReceivableArgument,
    to: Taker,
    amount: opt.Amount,
    with_recourse: Annotated[
        bool, typer.Option(help="The assignor answers for the debtor's payment.")
    ] = False,
    bar_resale: Annotated[
        bool, typer.Option("--bar-resale", help="The factor may not assign it onward.")
    ] = False,
    accept_future: opt.AcceptFuture = False,
    papers: opt.Papers = None,
    acknowledge: opt.Acknowledged = None,
) -> None:
    """As a holder, assign an amount to a factor."""
    identifier = parse_id(receivable)
    acknowledged = tuple(sorted(parse_id(text) for text in acknowledge or ()))

    async def work(session: Session) -> None:
        record = await session.record(identifier)
        taker = session.wallet(to)
        operation = Assign(
            receivable=identifier,
            assignor=session.acting.member_id,
            assignee=taker.member,
            amount=amount_of(amount, record.currency),
            with_recourse=with_recourse,
            price_commitment=None,
            verified_fingerprints=record.fingerprints.digest(),
            acknowledged_suspicions=acknowledged,
            resale_barred=bar_resale,
            future_consented=accept_future,
        )
        shown = await shown_papers(session, taker, record, papers)
        signers = (session.wallet(session.acting.name), taker)
        await session.perform(Draft((operation,), signers, shown=shown), currency=record.currency)

    in_session(options, work)


@opt.submits("pledge")
def pledge(
    options: opt.Options,
    receivable: opt.ReceivableArgument,
    to: Taker,
    amount: opt.Amount,
    until: Annotated[
        datetime.datetime,
        typer.Option(formats=["%Y-%m-%d"], help="Last day of the pledge: 30 days to 30 years on."),
    ],
    junior_to: Annotated[
        str | None,
        typer.Option(metavar="LIEN", help="The lien that this one stands behind; its pledgee signs too."),
    ] = None,
    papers: opt.Papers = None,
    acknowledge: opt.Acknowledged = None,
) -> None:
    """As a holder, pledge an amount to a factor."""
    identifier = parse_id(receivable)
    acknowledged = tuple(sorted(parse_id(text) for text in acknowledge or ()))
    until_ms = day_ends_ms(until.date()) - 1

    async def work(session: Session) -> None:
        record = await session.record(identifier)
        taker = session.wallet(to)
        junior = None if junior_to is None else _junior(record, parse_id(junior_to))
        operation = Pledge(
            receivable=identifier,
            pledgor=session.acting.member_id,
            pledgee=taker.member,
            amount=amount_of(amount, record.currency),
            until_ms=until_ms,
            junior_to=junior,
            verified_fingerprints=record.fingerprints.digest(),
            acknowledged_suspicions=acknowledged,
        )
        shown = await shown_papers(session, taker, record, papers)
        signers = [session.wallet(session.acting.name), taker]
        if junior is not None:
            signers.append(session.wallet(junior.senior_pledgee))
        await session.perform(Draft((operation,), tuple(signers), shown=shown), currency=record.currency)

    in_session(options, work)


@opt.submits("release")
def release(
    options: opt.Options,
    receivable: opt.ReceivableArgument,
    lien: Annotated[
        str | None,
        typer.Option(metavar="LIEN", help="The lien's id; left out: the acting member's only one."),
    ] = None,
) -> None:
    """As the pledgee, give a pledge up."""
    identifier = parse_id(receivable)

    async def work(session: Session) -> None:
        record = await session.record(identifier)
        chosen = parse_id(lien) if lien is not None else _only_lien(record, session.acting.member_id)
        operation = ReleasePledge(identifier, chosen, session.acting.member_id)
        await session.perform(
            Draft((operation,), (session.wallet(session.acting.name),)), currency=record.currency
        )

    in_session(options, work)


async def shown_papers(
    session: Session, taker: Wallet, record: Receivable, papers: Path | None
) -> dict[bytes, ShownPapers]:
    """The papers that the taker is shown: from the file given, or from the exporter's own filing.

    None when the taker signs elsewhere: then it is shown them there, and the file given is laid beside the draft.
    """
    if not taker.keys:
        session.hand_over(papers, (record.receivable_id,))
        return {}
    path = papers
    if path is None:
        exporter = session.directory.find_member(record.exporter)
        if exporter is None:
            raise InputError("the exporter's filing is not in this folder: give --papers FILE")
        path = session.directory.papers_path(exporter)
    filed = find_papers(path, record.receivable_id)
    if filed is None:
        raise InputError(f"{path} has no papers of this receivable: give --papers FILE")
    shown = ShownPapers(filed.papers, record.fingerprints, await session.numbering_of(record.exporter))
    return {record.receivable_id: shown}


def _junior(record: Receivable, lien_id: bytes) -> Junior:
    senior = record.lien(lien_id)
    if senior is None:
        raise InputError("--junior-to: the receivable has no such lien; see `pledgebook receivable`")
    return Junior(senior.lien_id, senior.pledgee)


def _only_lien(record: Receivable, member: str) -> bytes:
    own = [lien.lien_id for lien in record.liens if lien.pledgee == member]
    if not own:
        raise InputError(f"{member} has no lien on it (any more); see `pledgebook receivable`")
    if len(own) > 1:
        raise InputError(
            f"{member} has {len(own)} liens on it: name one with --lien; see `pledgebook receivable`"
        )
    return own[0]
