"""`pledgebook register`, `confirm`, `dispute`, `resolve`, `cancel`: a receivable from its invoice to its end without
payment."""

from __future__ import annotations

import datetime
import hashlib
import os
from enum import IntEnum
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from registry.identifiers import EntryId, receivable_id
from registry.limits import QUANTITY_MAX
from registry.operations import CancelReceivable, Confirm, RaiseDispute, ResolveDispute
from registry.operations.existence import Defence, DisputeReason, HolderShare
from registry.receivable import CONFIRMED

from ..errors import InputError
from ..paper_file import FiledPapers, append_papers
from ..papers import SALT_BYTES, DeliveryPaper, Papers
from ..submission import Draft
from . import options as opt
from .session import (
    Session,
    amount_of,
    debtor_identifier,
    in_session,
    member_id_of,
    parse_id,
)

E = TypeVar("E", bound=IntEnum)


@opt.submits("register")
def register(
    options: opt.Options,
    debtor: Annotated[
        str,
        typer.Option(help="Who owes: a member's short name, lei:..., uscc:... or COUNTRY:REGISTER-NUMBER."),
    ],
    invoice: Annotated[
        str, typer.Option(help="The invoice number as printed; it never leaves this machine.")
    ],
    amount: Annotated[str, typer.Option(metavar="DECIMAL", help="The face amount, such as 1234.50.")],
    currency: Annotated[str, typer.Option(help="ISO 4217 code, such as USD.")],
    issued: Annotated[datetime.datetime, typer.Option(formats=["%Y-%m-%d"], help="Date of issue.")],
    due: Annotated[datetime.datetime, typer.Option(formats=["%Y-%m-%d"], help="Due date.")],
    fiscal: Annotated[str | None, typer.Option(help="Fiscal invoice number (fapiao).")] = None,
    document: Annotated[
        Path | None, typer.Option(dir_okay=False, help="The original invoice file; only its hash is used.")
    ] = None,
    delivery: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NUMBER/LINE/QUANTITY/TOTAL",
            help="A transport or customs document's line, the quantity behind this invoice, and the line's total.",
        ),
    ] = None,
) -> None:
    """Register a receivable. Its invoice is filed in the network's folder, where later commands find it."""
    deliveries = tuple(delivery_of(text) for text in delivery or ())
    document_hash = None if document is None else file_hash_of(document)

    async def work(session: Session) -> None:
        exporter = session.acting
        papers = Papers(
            exporter=exporter.member_id,
            debtor=debtor_identifier(session.directory, debtor),
            invoice_number=invoice,
            issue_date=issued.date(),
            due_date=due.date(),
            amount=amount_of(amount, currency),
            currency=currency,
            fiscal_number=fiscal,
            document_sha256=document_hash,
            deliveries=deliveries,
            numbering=await session.numbering_of(exporter.member_id),
        )
        salt = os.urandom(SALT_BYTES)
        operation = papers.registration(session.fingerprint_key, salt)
        draft = Draft((operation,), (session.wallet(exporter.name),))

        def file_papers(entry_id: EntryId) -> None:
            # Without them nobody can show the invoice to a factor or open its commitment, so they are on disk first.
            filed = FiledPapers(receivable_id(entry_id, 0), papers, salt)
            append_papers(session.directory.papers_path(exporter), [filed])

        await session.perform(draft, currency=currency, before_hand_in=file_papers)

    in_session(options, work)


@opt.submits("confirm")
def confirm(
    options: opt.Options,
    receivable: opt.ReceivableArgument,
    amount: opt.Amount,
    waive: Annotated[
        list[str] | None,
        typer.Option(help="A defence that the debtor gives up: quality, quantity, delay, set_off."),
    ] = None,
) -> None:
    """As the debtor, confirm that an amount is owed."""
    identifier = parse_id(receivable)
    waived = tuple(sorted({choice_of(Defence, text) for text in waive or ()}))

    async def work(session: Session) -> None:
        currency = (await session.status(identifier)).currency
        operation = Confirm(identifier, session.acting.member_id, amount_of(amount, currency), waived)
        await session.perform(Draft((operation,), (session.wallet(session.acting.name),)), currency=currency)

    in_session(options, work)


@opt.submits("dispute")
def dispute(
    options: opt.Options,
    receivable: opt.ReceivableArgument,
    amount: opt.Amount,
    reason: Annotated[
        str, typer.Option(help="quality, quantity, price, not_delivered, already_paid or other.")
    ] = "other",
) -> None:
    """As the debtor, dispute an amount; it cannot be assigned or pledged until that is resolved."""
    identifier = parse_id(receivable)
    why = choice_of(DisputeReason, reason)

    async def work(session: Session) -> None:
        currency = (await session.status(identifier)).currency
        operation = RaiseDispute(identifier, session.acting.member_id, amount_of(amount, currency), why)
        await session.perform(Draft((operation,), (session.wallet(session.acting.name),)), currency=currency)

    in_session(options, work)


@opt.submits("resolve")
def resolve(
    options: opt.Options,
    receivable: opt.ReceivableArgument,
    freed: Annotated[str, typer.Option(metavar="DECIMAL", help="How much is owed after all.")] = "0",
    dilute: Annotated[
        list[str] | None,
        typer.Option(metavar="MEMBER=DECIMAL", help="By how much a holder's part shrinks; may be repeated."),
    ] = None,
    holder: Annotated[
        list[str] | None,
        typer.Option(help="A holder who signs with the debtor; left out: all present holders."),
    ] = None,
    court: Annotated[
        bool,
        typer.Option("--court", help="Acting is a court, and the association signs instead of the parties."),
    ] = False,
    association: Annotated[str, typer.Option(help="The association, with --court.")] = "association",
) -> None:
    """As the debtor with the holders, or as a court with the association, end a dispute: part of it is owed, part is not."""
    identifier = parse_id(receivable)

    async def work(session: Session) -> None:
        record = await session.record(identifier)
        shares = tuple(share_of(session, text, record.currency) for text in dilute or ())
        acting_id = session.acting.member_id
        if court:
            decided = ResolveDispute(
                identifier, None, (), amount_of(freed, record.currency), shares, acting_id
            )
            both = (session.wallet(session.acting.name), session.wallet(association))
            await session.perform(Draft((decided,), both), currency=record.currency)
            return
        named = [member_id_of(session.directory, name) for name in holder or ()]
        holders = sorted(named or {part.holder for part in record.parts if part.amount > 0})
        operation = ResolveDispute(
            identifier, acting_id, tuple(holders), amount_of(freed, record.currency), shares
        )
        signers = (session.wallet(session.acting.name), *(session.wallet(name) for name in holders))
        await session.perform(Draft((operation,), signers), currency=record.currency)

    in_session(options, work)


@opt.submits("cancel")
def cancel(
    options: opt.Options,
    receivable: opt.ReceivableArgument,
    debtor: Annotated[
        str | None, typer.Option(help="The debtor, who signs too; needed once it has confirmed.")
    ] = None,
) -> None:
    """As the exporter, withdraw a receivable. Its invoice stays known for ever and cannot be registered again."""
    identifier = parse_id(receivable)

    async def work(session: Session) -> None:
        record = await session.record(identifier)
        if record.confirmation.kind in CONFIRMED and debtor is None:
            raise InputError("the debtor has confirmed it and must sign too: give --debtor MEMBER")
        also = None if debtor is None else session.wallet(debtor)
        operation = CancelReceivable(
            identifier, session.acting.member_id, None if also is None else also.member
        )
        own = session.wallet(session.acting.name)
        signers = (own,) if also is None else (own, also)
        await session.perform(Draft((operation,), signers), currency=record.currency)

    in_session(options, work)


def delivery_of(text: str) -> DeliveryPaper:
    parts = text.split("/")
    if len(parts) != 4 or not (parts[2].isdecimal() and parts[3].isdecimal()):
        raise InputError(f"--delivery {text!r}: write NUMBER/LINE/QUANTITY/TOTAL, such as BL-77/1/500/2000")
    quantity, whole = int(parts[2]), int(parts[3])
    if not 0 < quantity <= whole <= QUANTITY_MAX:
        raise InputError(f"--delivery {text!r}: the quantity must be above 0 and at most the line's total")
    return DeliveryPaper(parts[0], parts[1], quantity, whole)


def file_hash_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def share_of(session: Session, text: str, currency: str) -> HolderShare:
    name, _, amount = text.partition("=")
    if not amount:
        raise InputError(f"--dilute {text!r}: write MEMBER=DECIMAL, such as factor-1=120.00")
    return HolderShare(member_id_of(session.directory, name), amount_of(amount, currency))


def choice_of(kind: type[E], text: str) -> E:
    for choice in kind:
        if choice.name.lower() == text.lower():
            return choice
    raise InputError(f"{text!r}: choose one of {', '.join(choice.name.lower() for choice in kind)}")
