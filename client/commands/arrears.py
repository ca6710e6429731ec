"""`pledgebook set-account`, `report-indirect`, `reverse-payment`, `declare-default`: where money should go, and where it did not."""

from __future__ import annotations

from typing import Annotated

import typer

from registry.operations import (
    DeclareDefault,
    Operation,
    ReportIndirectPayment,
    ReversePayment,
    SetCollectionAccount,
)

from ..errors import InputError
from ..submission import Draft
from . import options as opt
from .session import Session, amount_of, in_session, member_id_of, parse_id

COMMITMENT_BYTES = 32
_MAKE_ONE = "`pledgebook commitment new TEXT --keep FILE` makes one"
_Bank = Annotated[str, typer.Option(help="The bank's identifier, such as its BIC.")]
_Reference = Annotated[str, typer.Option(help="The bank's reference of the payment.")]


@opt.submits("set-account")
def set_account(
    options: opt.Options,
    receivable: opt.ReceivableArgument,
    commitment: Annotated[
        str,
        typer.Option(
            metavar="HEX",
            help="Salted commitment to the account, 32 bytes; tell the debtor account and salt.",
        ),
    ],
) -> None:
    """With all holders and lienholders, set the account that the debtor pays to, after a cooling-off."""
    identifier = parse_id(receivable)
    account = commitment_of("--commitment", commitment)

    async def work(session: Session) -> None:
        record = await session.record(identifier)
        holders = {part.holder for part in record.parts if part.amount}
        holders |= {lien.pledgee for lien in record.liens} | {session.acting.member_id}
        if record.pool is not None:
            holders.add(record.pool.factor)
        own = session.wallet(session.acting.name)
        others = [session.wallet(name) for name in sorted(holders) if name != own.member]
        operation = SetCollectionAccount(identifier, tuple(sorted(holders)), account)
        await session.perform(Draft((operation,), (own, *others)), currency=record.currency)

    in_session(options, work)


@opt.submits("report-indirect")
def report_indirect(
    options: opt.Options,
    receivable: opt.ReceivableArgument,
    holder: Annotated[str, typer.Option(metavar="MEMBER", help="To whom it was due.")],
    amount: opt.Amount,
    bank: _Bank,
    reference: _Reference,
    turned_over: Annotated[
        bool, typer.Option(help="As the holder: it was turned over, and is no longer open.")
    ] = False,
) -> None:
    """As the exporter or the holder, report that the debtor paid the exporter after the holder's notice."""
    identifier = parse_id(receivable)

    async def work(session: Session) -> None:
        currency = (await session.status(identifier)).currency
        operation = ReportIndirectPayment(
            receivable=identifier,
            reporter=session.acting.member_id,
            holder=member_id_of(session.directory, holder),
            amount=amount_of(amount, currency),
            bank_reference=_payment_key(session, bank, reference),
            turned_over=turned_over,
        )
        await _alone(session, operation, currency)

    in_session(options, work)


@opt.submits("reverse-payment")
def reverse_payment(
    options: opt.Options,
    receivable: opt.ReceivableArgument,
    bank: _Bank,
    reference: _Reference,
) -> None:
    """As who was paid or an attesting bank, record that a payment was called back."""
    identifier = parse_id(receivable)

    async def work(session: Session) -> None:
        operation = ReversePayment(
            identifier, session.acting.member_id, _payment_key(session, bank, reference)
        )
        await _alone(session, operation)

    in_session(options, work)


@opt.submits("declare-default")
def declare_default(
    options: opt.Options,
    receivable: opt.ReceivableArgument,
) -> None:
    """As a holder or lienholder, state that the debtor has not paid in time."""
    identifier = parse_id(receivable)

    async def work(session: Session) -> None:
        await _alone(session, DeclareDefault(identifier, session.acting.member_id))

    in_session(options, work)


def commitment_of(option: str, text: str) -> bytes:
    """32 bytes from hexadecimal."""
    try:
        value = bytes.fromhex(text)
    except ValueError as error:
        raise InputError(f"{option}: {text!r} is not hexadecimal; {_MAKE_ONE}") from error
    if len(value) != COMMITMENT_BYTES:
        raise InputError(f"{option}: {len(value)} bytes, and {COMMITMENT_BYTES} are needed; {_MAKE_ONE}")
    return value


def _payment_key(session: Session, bank: str, reference: str) -> bytes:
    try:
        return session.fingerprint_key.payment(bank, reference)
    except ValueError as error:
        raise InputError(f"--bank and --reference: {error}") from error


async def _alone(session: Session, operation: Operation, currency: str | None = None) -> None:
    await session.perform(Draft((operation,), (session.wallet(session.acting.name),)), currency=currency)
