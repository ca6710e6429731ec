"""`pledgebook pay`, `settle`: money comes in, and the receivable is closed."""

from __future__ import annotations

from typing import Annotated

import typer

from registry.operations import RecordPayment, Settle

from ..errors import InputError
from ..submission import Draft
from . import options as opt
from .session import Session, amount_of, in_session, member_id_of, parse_id


@opt.submits("pay")
def pay(
    options: opt.Options,
    receivable: opt.ReceivableArgument,
    amount: opt.Amount,
    bank: Annotated[str, typer.Option(help="The bank's identifier, such as its BIC.")],
    reference: Annotated[str, typer.Option(help="The bank's reference of this payment; each is used once.")],
    holder: Annotated[
        str | None, typer.Option(help="Who was paid, when a bank reports it; left out: the acting member.")
    ] = None,
) -> None:
    """As the payee or an attesting bank, record a payment on a holder's part."""
    identifier = parse_id(receivable)

    async def work(session: Session) -> None:
        summary = await session.status(identifier)
        payee = session.acting.member_id if holder is None else member_id_of(session.directory, holder)
        try:
            used_once = session.fingerprint_key.payment(bank, reference)
        except ValueError as error:
            raise InputError(f"--bank and --reference: {error}") from error
        consenting: tuple[str, ...] = ()
        if payee == session.acting.member_id and summary.pledged:
            # Our own word cannot end a pledgee's security: it signs too.
            liens = (await session.record(identifier)).liens
            consenting = tuple(sorted({lien.pledgee for lien in liens if lien.pledgor == payee}))
        operation = RecordPayment(
            identifier,
            session.acting.member_id,
            payee,
            amount_of(amount, summary.currency),
            used_once,
            consenting,
        )
        wallets = (session.wallet(session.acting.name), *(session.wallet(name) for name in consenting))
        await session.perform(Draft((operation,), wallets), currency=summary.currency)

    in_session(options, work)


@opt.submits("settle")
def settle(
    options: opt.Options,
    receivable: opt.ReceivableArgument,
    write_off: Annotated[bool, typer.Option(help="Close it although something is outstanding.")] = False,
) -> None:
    """As a holder, and with all other holders, close a receivable that is paid."""
    identifier = parse_id(receivable)

    async def work(session: Session) -> None:
        record = await session.record(identifier)
        holders = tuple(sorted({part.holder for part in record.parts} | {session.acting.member_id}))
        own = session.wallet(session.acting.name)
        others = [session.wallet(name) for name in holders if name != own.member]
        operation = Settle(identifier, holders, write_off)
        await session.perform(Draft((operation,), (own, *others)), currency=record.currency)

    in_session(options, work)
