"""`pledgebook register-future`, `crystallise`, `attest`: receivables that are still to arise, and what others saw of the papers."""

from __future__ import annotations

import datetime
import os
from pathlib import Path
from typing import Annotated

import typer

from registry.identifiers import EntryId, receivable_id
from registry.limits import QUANTITY_MAX
from registry.operations import AttestEvidence
from registry.operations.existence import EvidenceKind

from ..errors import InputError
from ..paper_file import FiledPapers, append_papers
from ..papers import SALT_BYTES, Papers
from ..submission import Draft
from . import options as opt
from .existence import choice_of, delivery_of, file_hash_of
from .session import (
    Session,
    amount_of,
    debtor_identifier,
    in_session,
    member_id_of,
    parse_id,
)

_DAY = ["%Y-%m-%d"]
_CURRENCY_HELP = "ISO 4217 code, such as USD."


@opt.submits("register-future")
def register_future(
    options: opt.Options,
    debtor: Annotated[
        str,
        typer.Option(
            help="Who will owe: a member's short name, lei:..., uscc:... or COUNTRY:REGISTER-NUMBER."
        ),
    ],
    contract: Annotated[str, typer.Option(help="The contract's number; it never leaves this machine.")],
    cap: Annotated[str, typer.Option(metavar="DECIMAL", help="What may arise in all.")],
    currency: Annotated[str, typer.Option(help=_CURRENCY_HELP)],
    signed: Annotated[datetime.datetime, typer.Option(formats=_DAY, help="Date of the contract.")],
    ends: Annotated[datetime.datetime, typer.Option(formats=_DAY, help="Last day to invoice under it.")],
    document: Annotated[
        Path | None, typer.Option(dir_okay=False, help="The contract's file; only its hash is used.")
    ] = None,
) -> None:
    """As the exporter, register what will arise from a contract."""
    document_hash = None if document is None else file_hash_of(document)

    async def work(session: Session) -> None:
        exporter = session.acting
        papers = Papers(
            exporter=exporter.member_id,
            debtor=debtor_identifier(session.directory, debtor),
            invoice_number=contract,
            issue_date=signed.date(),
            due_date=ends.date(),
            amount=amount_of(cap, currency),
            currency=currency,
            document_sha256=document_hash,
            is_contract=True,
        )
        salt = os.urandom(SALT_BYTES)
        operation = papers.future_registration(session.fingerprint_key, salt)
        await _file(session, Draft((operation,), (session.wallet(exporter.name),)), papers, salt)

    in_session(options, work)


@opt.submits("crystallise")
def crystallise(
    options: opt.Options,
    receivable: opt.ReceivableArgument,
    debtor: Annotated[str, typer.Option(help="Who owes, as it was registered.")],
    witness: Annotated[str, typer.Option(help="The debtor, or an attester of deliveries, who signs too.")],
    invoice: Annotated[str, typer.Option(help="The invoice number as printed.")],
    amount: opt.Amount,
    issued: Annotated[datetime.datetime, typer.Option(formats=_DAY, help="Date of issue.")],
    due: Annotated[datetime.datetime, typer.Option(formats=_DAY, help="Due date.")],
    delivery: Annotated[
        list[str],
        typer.Option(
            metavar="NUMBER/LINE/QUANTITY/TOTAL",
            help="What was delivered, as in `register`; may be repeated.",
        ),
    ],
) -> None:
    """As the exporter and with a witness, turn a part of a future receivable into one that is owed."""
    identifier = parse_id(receivable)
    deliveries = tuple(delivery_of(text) for text in delivery)

    async def work(session: Session) -> None:
        exporter = session.acting
        record = await session.record(identifier)
        papers = Papers(
            exporter=exporter.member_id,
            debtor=debtor_identifier(session.directory, debtor),
            invoice_number=invoice,
            issue_date=issued.date(),
            due_date=due.date(),
            amount=amount_of(amount, record.currency),
            currency=record.currency,
            deliveries=deliveries,
            numbering=await session.numbering_of(exporter.member_id),
        )
        salt = os.urandom(SALT_BYTES)
        who = member_id_of(session.directory, witness)
        operation = papers.crystallisation(session.fingerprint_key, salt, identifier, who)
        signers = (session.wallet(exporter.name), session.wallet(witness))
        await _file(session, Draft((operation,), signers), papers, salt)

    in_session(options, work)


@opt.submits("attest")
def attest(
    options: opt.Options,
    receivable: opt.ReceivableArgument,
    kind: Annotated[str, typer.Option(help="invoice, contract, delivery, customs, tax or other.")],
    number: Annotated[
        str | None,
        typer.Option(help="The delivery's or customs document's number, or the fiscal invoice's."),
    ] = None,
    line: Annotated[str, typer.Option(help="The line of a delivery or customs document.")] = "",
    paper: Annotated[
        str | None, typer.Option(metavar="HEX", help="The commitment to another paper, as registered.")
    ] = None,
    quantity: Annotated[
        int, typer.Option(min=0, max=QUANTITY_MAX, help="What the line of a delivery holds in all.")
    ] = 0,
    void: Annotated[
        bool, typer.Option("--void", help="The paper is void (a red-letter attestation).")
    ] = False,
) -> None:
    """As an accredited attester, say what you saw of a receivable's papers, or that one of them is void."""
    identifier = parse_id(receivable)
    evidence = choice_of(EvidenceKind, kind)

    async def work(session: Session) -> None:
        seen = _paper(session, evidence, number, line, paper)
        operation = AttestEvidence(identifier, session.acting.member_id, evidence, seen, quantity, void)
        await session.perform(Draft((operation,), (session.wallet(session.acting.name),)))

    in_session(options, work)


def _paper(session: Session, kind: EvidenceKind, number: str | None, line: str, paper: str | None) -> bytes:
    if (number is None) == (paper is None):
        raise InputError("name the paper by --number, or by --paper with its commitment")
    if number is None:
        try:
            value = bytes.fromhex(paper or "")
        except ValueError as error:
            raise InputError(f"--paper {paper!r} is not hexadecimal") from error
        if len(value) != 32:
            raise InputError("--paper: a commitment has 64 hexadecimal digits")
        return value
    key = session.fingerprint_key
    try:
        match kind:
            case EvidenceKind.DELIVERY | EvidenceKind.CUSTOMS:
                return key.delivery(number, line)
            case EvidenceKind.TAX:
                return key.fiscal(number)
            case _:
                raise InputError(f"a paper of kind {kind.name.lower()} is named by --paper")
    except ValueError as error:
        raise InputError(f"--number: {error}") from error


async def _file(session: Session, draft: Draft, papers: Papers, salt: bytes) -> None:
    """Commit, with the papers of the receivable that comes into being on disk first."""

    def file_papers(entry_id: EntryId) -> None:
        filed = FiledPapers(receivable_id(entry_id, 0), papers, salt)
        append_papers(session.directory.papers_path(session.acting), [filed])

    await session.perform(draft, currency=papers.currency, before_hand_in=file_papers)
