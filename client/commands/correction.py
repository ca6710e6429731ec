"""`pledgebook consent`, `confirm-tacitly`, `reject`, `credit-note`, `correct`: silence, rejection, and what was wrong or too much."""

from __future__ import annotations

import datetime
import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from registry.identifiers import MemberId, ReceivableId
from registry.operations import ConfirmTacitly, CorrectReceivable, RecordCreditNote, RejectReceivable
from registry.operations.confirmation import OptIn, opt_in_message
from registry.operations.existence import DisputeReason, EvidenceKind
from registry.receivable import Receivable

from ..draft_file import papers_beside
from ..errors import DirectoryError, InputError
from ..paper_file import FiledPapers, append_papers, find_papers
from ..papers import day_ends_ms, day_number
from ..submission import Draft
from ..wallet import ShownPapers
from . import options as opt
from . import output
from .existence import choice_of, share_of
from .session import Session, in_session, member_id_of, parse_id

_DAY = ["%Y-%m-%d"]
ConsentFile = Annotated[
    Path, typer.Option("--consent", metavar="FILE", dir_okay=False, help="What `pledgebook consent` wrote.")
]


@opt.asks("consent")
def consent(
    options: opt.Options,
    file: Annotated[Path, typer.Argument(metavar="FILE", dir_okay=False, help="Where to write it.")],
    exporter: Annotated[str, typer.Option(help="Whose receivables it concerns.")],
    until: Annotated[datetime.datetime, typer.Option(formats=_DAY, help="Its last day.")],
) -> None:
    """As the debtor, agree that your silence counts as confirmation. Nothing is sent: hand the file to the exporter."""
    until_ms = day_ends_ms(until.date())

    async def work(session: Session) -> None:
        wallet = session.wallet(session.acting.name)
        to = member_id_of(session.directory, exporter)
        key = wallet.keys[0]
        message = opt_in_message(session.genesis.chain_id, wallet.member, to, until_ms)
        document = {
            "debtor": wallet.member,
            "exporter": to,
            "until_ms": until_ms,
            "public_key": key.public_key.hex(),
            "signature": key.sign(message).hex(),
        }
        try:
            file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise DirectoryError(f"cannot write {file}: {error.strerror}") from error
        if options.as_json:
            output.print_json(document)
        else:
            output.print_facts("Consent to tacit confirmation", {"file": str(file), "exporter": to})

    in_session(options, work)


@opt.submits("confirm-tacitly")
def confirm_tacitly(
    options: opt.Options,
    receivable: opt.ReceivableArgument,
    consent_file: ConsentFile,
) -> None:
    """As a holder, state that the debtor has been silent since it acknowledged your notice."""
    identifier = parse_id(receivable)
    opt_in = _read_consent(consent_file)

    async def work(session: Session) -> None:
        operation = ConfirmTacitly(identifier, session.acting.member_id, opt_in)
        await session.perform(Draft((operation,), (session.wallet(session.acting.name),)))

    in_session(options, work)


@opt.submits("reject")
def reject(
    options: opt.Options,
    receivable: opt.ReceivableArgument,
    reason: Annotated[
        str, typer.Option(help="quality, quantity, price, not_delivered, already_paid or other.")
    ] = "other",
) -> None:
    """As the debtor, say that you owe nothing of it. It can then only be handed back and cancelled."""
    identifier = parse_id(receivable)
    why = choice_of(DisputeReason, reason)

    async def work(session: Session) -> None:
        operation = RejectReceivable(identifier, session.acting.member_id, why)
        await session.perform(Draft((operation,), (session.wallet(session.acting.name),)))

    in_session(options, work)


@opt.submits("credit-note")
def credit_note(
    options: opt.Options,
    receivable: opt.ReceivableArgument,
    number: Annotated[str, typer.Option(help="The credit note's number; it never leaves this machine.")],
    share: Annotated[
        list[str],
        typer.Option(
            metavar="MEMBER=DECIMAL", help="By how much a holder's part shrinks, in order; may be repeated."
        ),
    ],
    also: Annotated[
        list[str] | None,
        typer.Option(metavar="MEMBER", help="A lienholder who signs because its lien shrinks."),
    ] = None,
) -> None:
    """As the exporter, and with every holder whose part shrinks, record what was credited to the debtor."""
    identifier = parse_id(receivable)

    async def work(session: Session) -> None:
        record = await session.record(identifier)
        own = session.acting.member_id
        shares = tuple(share_of(session, text, record.currency) for text in share)
        others = {each.holder for each in shares} | {
            member_id_of(session.directory, name) for name in also or ()
        }
        consenting = tuple(sorted(others - {own}))
        try:
            fingerprint = session.fingerprint_key.credit_note(
                MemberId(record.exporter), record.debtor_reference, number
            )
        except ValueError as error:
            raise InputError(f"--number: {error}") from error
        operation = RecordCreditNote(identifier, own, consenting, fingerprint, shares)
        signers = tuple(session.wallet(name) for name in (session.acting.name, *consenting))
        await session.perform(Draft((operation,), signers), currency=record.currency)

    in_session(options, work)


@opt.submits("correct")
def correct(
    options: opt.Options,
    receivable: opt.ReceivableArgument,
    invoice: Annotated[str | None, typer.Option(help="The right invoice number.")] = None,
    issued: Annotated[
        datetime.datetime | None, typer.Option(formats=_DAY, help="The right date of issue.")
    ] = None,
    due: Annotated[datetime.datetime | None, typer.Option(formats=_DAY, help="The right due date.")] = None,
    association: Annotated[
        str, typer.Option(help="The association, which signs too when a fingerprint changes.")
    ] = "association",
) -> None:
    """As the exporter, and with everyone who has a part or a lien, put right what was written down wrongly."""
    identifier = parse_id(receivable)

    async def work(session: Session) -> None:
        record = await session.record(identifier)
        path = session.directory.papers_path(session.acting)
        filed = find_papers(path, identifier)
        if filed is None:
            raise InputError("its papers are not filed in this folder: correct it where it was registered")
        papers = replace(
            filed.papers,
            invoice_number=invoice or filed.papers.invoice_number,
            issue_date=issued.date() if issued else filed.papers.issue_date,
            due_date=due.date() if due else filed.papers.due_date,
        )
        new = papers.fingerprints(session.fingerprint_key)
        kept = tuple(each for each in record.evidence if each.kind is not EvidenceKind.INVOICE)
        operation = CorrectReceivable(
            receivable=identifier,
            exporter=session.acting.member_id,
            consenting=_interested(record, session.acting.member_id),
            issue_date=day_number(papers.issue_date),
            due_date=day_number(papers.due_date),
            evidence=tuple(
                sorted((*kept, papers.evidence(filed.salt)), key=lambda each: (each.kind, each.commitment))
            ),
            schedule=record.schedule,
            fingerprints=None if new == record.fingerprints else new,
        )
        names = [session.acting.name, *operation.consenting]
        if operation.fingerprints is not None:
            names.append(association)
        signers = tuple(session.wallet(name) for name in names)
        shown = {identifier: ShownPapers(papers, new, await session.numbering_of(record.exporter))}
        receipt = await session.perform(Draft((operation,), signers, shown=shown), currency=record.currency)
        corrected = FiledPapers(ReceivableId(identifier), papers, filed.salt)
        if options.draft is not None and not options.dry_run:
            # Those who consent must see them; they are those of the registration only once the draft is committed.
            append_papers(papers_beside(options.draft), [corrected])
        if receipt is not None:
            append_papers(path, [corrected])

    in_session(options, work)


def _interested(record: Receivable, exporter: str) -> tuple[str, ...]:
    members = {part.holder for part in record.parts if part.amount > 0}
    members.update(lien.pledgee for lien in record.liens)
    if record.pool is not None:
        members.add(record.pool.factor)
    return tuple(sorted(members - {exporter}))


def _read_consent(path: Path) -> OptIn:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        return OptIn(
            str(raw["debtor"]),
            int(raw["until_ms"]),
            bytes.fromhex(raw["public_key"]),
            bytes.fromhex(raw["signature"]),
        )
    except OSError as error:
        raise DirectoryError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not what `pledgebook consent` writes") from error
