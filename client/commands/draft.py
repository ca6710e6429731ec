"""`pledgebook draft show`, `check`, `sign`, `submit`, `merge`: entries that parties sign one after the other.

Any command that submits writes a draft with --draft. The other parties look at it, check it against the chain and the
papers, and sign it, each on its own machine; whoever has the last copy hands it in. Files go by mail: the parties share
no folder, and nothing in a file is believed but what is signed in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from registry.entry import Entry, Mode, assemble
from registry.errors import Code
from registry.identifiers import show_id
from registry.operations import TYPE_BY_CLASS, CorrectReceivable
from registry.operations.governance import Role

from .. import operation_words as words
from ..draft_file import decode_draft, papers_beside, read_draft, replace_draft, write_draft
from ..drafts import Standing, check_chain, merge, parties_of, with_signatures
from ..errors import DraftRefused, InputError
from ..paper_file import append_papers, find_all_papers
from ..submission import EntryTurnedAway
from ..verify import ProvenReceipt
from ..wallet import Wallet
from . import draft_checks, output
from . import options as opt
from .outcome import TOLD_SINGLY_MAX, forecast_document, show_forecast, show_receipt
from .session import Session, in_session, parse_id

PROBLEMS_SHOWN_MAX: Final = 20

draft_app = typer.Typer(
    help="Entries that several parties sign one after the other: look at, check, sign, hand in.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

DraftArgument = Annotated[
    Path, typer.Argument(metavar="DRAFT", dir_okay=False, help="What a command wrote with --draft.")
]
Papers = Annotated[
    Path | None,
    typer.Option(
        "--papers",
        metavar="FILE",
        help="The paper file with the invoices; left out: DRAFT.papers, or the acting member's own filing.",
    ),
]


@draft_app.command("show", epilog="Example: pledgebook draft show deal.draft --network ./net --as factor-1")
@opt.asks("draft", by_anybody=True)
def show(
    options: opt.Options,
    file: DraftArgument,
    operation: Annotated[
        int | None, typer.Option(min=0, metavar="INDEX", help="Tell this operation in full.")
    ] = None,
    offline: Annotated[
        bool,
        typer.Option(
            "--offline", help="Ask no node: amounts in minor units, and signers as the file names them."
        ),
    ] = False,
) -> None:
    """Tell in words what a draft says, who has signed it, who must, and until when."""

    async def work(session: Session) -> None:
        entry = read_draft(file)
        check_chain(entry, session.genesis.chain_id)
        if offline:
            glossary, standing = words.Glossary(draft_checks.names_in(session)), None
        else:
            glossary = await draft_checks.glossary_of(session, entry.body.operations)
            standing = await draft_checks.standing_on_chain(session, entry)
        _show(entry, glossary, standing, operation, as_json=options.as_json)

    in_session(options, work)


@draft_app.command("check", epilog="Example: pledgebook draft check deal.draft --network ./net --as factor-1")
@opt.asks("draft")
def check(
    options: opt.Options,
    file: DraftArgument,
    papers: Papers = None,
) -> None:
    """Check a draft as `sign` does, and sign nothing: signatures, number, papers, and how it would be judged now."""

    async def work(session: Session) -> None:
        checked = await draft_checks.check(session, file, papers)
        operations = checked.entry.body.operations
        if options.as_json:
            output.print_json(
                {
                    **_standing_document(checked.entry, checked.standing),
                    "papers_checked": len(checked.shown),
                    "forecast": forecast_document(operations, checked.forecast),
                    "overdrawn": list(checked.overdrawn),
                }
            )
        else:
            _show_checked(checked)
            show_forecast(operations, checked.forecast, as_json=False)
            for words_of_it in checked.overdrawn[:PROBLEMS_SHOWN_MAX]:
                typer.echo(f"  {words_of_it}")
        if checked.refusal() is not None:
            raise typer.Exit(output.ExitCode.REFUSED)

    in_session(options, work)


@draft_app.command("sign", epilog="Example: pledgebook draft sign deal.draft --network ./net --as factor-1")
@opt.asks("draft")
def sign(
    options: opt.Options,
    file: DraftArgument,
    papers: Papers = None,
    despite_forecast: Annotated[
        bool,
        typer.Option("--despite-forecast", help="Sign although a node says that it would be refused now."),
    ] = False,
    entry_id: Annotated[
        str | None,
        typer.Option(
            "--entry",
            metavar="ID",
            help="Sign nothing but this entry, as `draft show` named it: the file may be another one by now.",
        ),
    ] = None,
) -> None:
    """Check a draft, and sign it when everything holds. The file is replaced by one with your signature in it."""

    async def work(session: Session) -> None:
        wanted = None if entry_id is None else parse_id(entry_id)
        checked = await draft_checks.check(session, file, papers)
        if wanted not in (None, checked.entry.entry_id):
            raise DraftRefused(
                f"{file} is entry {show_id(checked.entry.entry_id)} by now, and not the one that you name: look at it again"
            )
        refusal = checked.refusal()
        if refusal is not None and not despite_forecast:
            raise DraftRefused(f"{refusal}; see `pledgebook draft check`, or sign --despite-forecast")
        if not options.as_json:
            glossary = await draft_checks.glossary_of(session, checked.entry.body.operations)
            _show_in_short(checked.entry, glossary)
        wallet, key_count = await _signing(session, checked.entry, checked.standing)
        body = checked.entry.body_bytes
        signatures = wallet.sign(body, checked.shown, key_count=key_count)
        data = with_signatures(checked.entry, signatures)
        entry = decode_draft(data)
        standing = await draft_checks.standing_on_chain(session, entry)
        replace_draft(file, data)
        if options.as_json:
            output.print_json({"draft": str(file), **_standing_document(entry, standing)})
            return
        rest = (
            f"still to sign: {standing.wanting()}"
            if not standing.is_complete
            else "all have signed: hand it in"
        )
        typer.echo(f"{file}: signed by {wallet.member}; {rest}")

    in_session(options, work)


@draft_app.command(
    "submit", epilog="Example: pledgebook draft submit deal.draft --network ./net --as factor-1"
)
@opt.asks("draft")
def submit(
    options: opt.Options,
    file: DraftArgument,
) -> None:
    """Hand a draft in that all have signed, and stay until its receipt is there. To do it twice is safe."""

    async def work(session: Session) -> None:
        entry = read_draft(file)
        check_chain(entry, session.genesis.chain_id)
        standing = await draft_checks.standing_on_chain(session, entry)
        if not standing.is_complete:
            raise DraftRefused(f"not signed by {standing.wanting()}")
        raw = assemble(entry.body_bytes, entry.signatures)
        outcome = (await session.client.commit([raw], timeout_s=options.timeout_s))[entry.entry_id]
        if not isinstance(outcome, ProvenReceipt):
            raise EntryTurnedAway(outcome, entry.body.valid_until_ms)
        show_receipt(entry.body.operations, outcome, None, as_json=options.as_json)
        _file_corrections(session, entry, outcome, papers_beside(file))
        if any(result.code is not Code.OK for result in outcome.receipt.results):
            raise typer.Exit(output.ExitCode.REFUSED)

    in_session(options, work)


@draft_app.command("merge", epilog="Example: pledgebook draft merge mine.draft theirs.draft both.draft")
def merge_copies(
    first: DraftArgument,
    second: Annotated[Path, typer.Argument(metavar="COPY", dir_okay=False, help="Another copy of it.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", dir_okay=False, help="Where to write both.")],
    as_json: opt.AsJson = False,
) -> None:
    """Put the signatures of two copies of one draft together, when two parties signed at the same time."""
    data = merge(read_draft(first), read_draft(second))
    write_draft(out, data)
    entry = decode_draft(data)
    signed = sorted({signature.member for signature in entry.signatures})
    if as_json:
        output.print_json({"draft": str(out), "entry_id": show_id(entry.entry_id), "signed": signed})
        return
    typer.echo(f"{out}: signed by {', '.join(signed)}")


async def _signing(session: Session, entry: Entry, standing: Standing) -> tuple[Wallet, int]:
    """The wallet with those of its keys that are valid and have not signed, and with how many to sign."""
    wallet = session.wallet(session.acting.name)
    proven = await session.client.member(wallet.member)
    height = proven.head.header.height + 1
    member = proven.member
    if member is None:
        raise InputError(f"{session.acting.name} is not enrolled on this chain")
    used = {signature.public_key for signature in entry.signatures}
    valid = [key for key in wallet.keys if member.has_key(key.public_key, height)]
    fresh = tuple(key for key in valid if key.public_key not in used)
    if not valid:
        raise InputError(f"no key of {session.acting.name} in this folder is valid at height {height}")
    if Role.ASSOCIATION in member.roles and standing.seats_needed:
        wanted = max(standing.seats_needed - standing.seats, int(wallet.member in standing.missing))
        if not wanted or not fresh:
            raise DraftRefused(
                "the association's keys that are here have signed it already, or enough others have"
            )
        return replace(wallet, keys=fresh), wanted
    if wallet.member not in parties_of(entry.body):
        raise DraftRefused(f"{wallet.member} is no party to any of its operations and has nothing to sign")
    if wallet.member in standing.signed:
        raise DraftRefused(f"{wallet.member} has signed this draft already; nobody signs twice")
    return replace(wallet, keys=fresh), 1


def _file_corrections(session: Session, entry: Entry, proven: ProvenReceipt, beside: Path) -> None:
    """Keep the papers of the acting member's own corrections that were committed, as `correct` does without a draft."""
    done = zip(entry.body.operations, proven.receipt.results, strict=True)
    corrected = {
        operation.receivable: operation
        for operation, result in done
        if isinstance(operation, CorrectReceivable)
        and operation.exporter == session.acting.member_id
        and result.code is Code.OK
    }
    if not corrected or not beside.exists():
        return
    filed = [
        item
        for receivable, item in find_all_papers(beside, corrected).items()
        # The file may have been to others and back: only what the commitment is over is kept.
        if item.papers.evidence(item.salt) in corrected[receivable].evidence
    ]
    if filed:
        append_papers(session.directory.papers_path(session.acting), filed)


def _show(
    entry: Entry, glossary: words.Glossary, standing: Standing | None, index: int | None, *, as_json: bool
) -> None:
    body = entry.body
    if index is not None and index >= len(body.operations):
        raise InputError(f"it has {len(body.operations)} operations, counted from 0")
    if as_json:
        output.print_json(_document(entry, glossary, standing))
        return

    def named(member: str) -> str:
        name = glossary.names.get(member)
        return member if name is None else f"{name} ({member})"

    signers = dict.fromkeys(signature.member for signature in entry.signatures)
    facts = {
        "entry": show_id(entry.entry_id),
        "submitter": f"{named(body.submitter)}, number {body.sequence}",
        "mode": "all operations or none" if body.mode is Mode.ATOMIC else "each operation on its own",
        "valid until": words.moment_in_words(body.valid_until_ms),
        "must sign": ", ".join(named(party) for party in parties_of(body)),
        "signed": ", ".join(named(signer) for signer in signers) or "nobody",
        "still to sign": _still_to_sign(entry, standing, named),
    }
    output.print_facts(
        "Draft of one operation"
        if len(body.operations) == 1
        else f"Draft of {len(body.operations)} operations",
        facts,
    )
    if index is not None:
        _show_in_full(entry, index, glossary)
    elif len(body.operations) <= TOLD_SINGLY_MAX:
        for each in range(len(body.operations)):
            _show_in_full(entry, each, glossary)
    else:
        _show_in_lines(entry, glossary)


def _still_to_sign(entry: Entry, standing: Standing | None, named: Callable[[str], str]) -> str:
    if standing is None:
        signed = {signature.member for signature in entry.signatures}
        missing = [named(party) for party in parties_of(entry.body) if party not in signed]
        return (", ".join(missing) or "nobody") + " (whose keys have signed was not asked)"
    wanted = [named(party) for party in standing.missing]
    if standing.seats < standing.seats_needed:
        wanted.append(f"{standing.seats_needed - standing.seats} more of the association's keys")
    return ", ".join(wanted) or "nobody"


def _show_in_full(entry: Entry, index: int, glossary: words.Glossary) -> None:
    operation = entry.body.operations[index]
    kind = TYPE_BY_CLASS[type(operation)]
    facts = {name.replace("_", " "): told for name, told in words.facts_of(operation, glossary)}
    output.print_facts(f"{index} {kind.name}: {words.sentence_of(operation, glossary)}", facts)


def _show_in_short(entry: Entry, glossary: words.Glossary) -> None:
    """What is about to be signed, once more."""
    operations = entry.body.operations
    if len(operations) > TOLD_SINGLY_MAX:
        _show_sums(entry, glossary)
        return
    for each in operations:
        typer.echo(words.sentence_of(each, glossary))


def _show_sums(entry: Entry, glossary: words.Glossary) -> None:
    output.print_rows(
        "In all",
        ("operation", "between", "how many", "amount"),
        [
            (
                each.operation,
                ", ".join(each.members),
                str(each.count),
                words.amount_in_words(each.amount, each.currency),
            )
            for each in words.sums_of(entry.body.operations, glossary)
        ],
    )


def _show_in_lines(entry: Entry, glossary: words.Glossary) -> None:
    _show_sums(entry, glossary)
    output.print_rows(
        "One by one",
        ("", "operation"),
        [(str(index), words.sentence_of(each, glossary)) for index, each in enumerate(entry.body.operations)],
    )


def _show_checked(checked: draft_checks.Checked) -> None:
    output.print_facts(
        "What was checked",
        {
            "signatures": ", ".join(checked.standing.signed) or "none yet",
            "still to sign": checked.standing.wanting() or "nobody",
            "papers": f"{len(checked.shown)} shown, and they are those of the registrations",
        },
    )


def _standing_document(entry: Entry, standing: Standing) -> dict[str, Any]:
    return {
        "entry_id": show_id(entry.entry_id),
        "signed": list(standing.signed),
        "missing": list(standing.missing),
        "association_keys_missing": max(0, standing.seats_needed - standing.seats),
        "valid_until_ms": entry.body.valid_until_ms,
    }


def _document(entry: Entry, glossary: words.Glossary, standing: Standing | None) -> dict[str, Any]:
    body = entry.body
    signed = list(dict.fromkeys(signature.member for signature in entry.signatures))
    return {
        "entry_id": show_id(entry.entry_id),
        "submitter": body.submitter,
        "number": body.sequence,
        "mode": body.mode.name.lower(),
        "valid_until_ms": body.valid_until_ms,
        "must_sign": list(parties_of(body)),
        "signed": signed,
        "signers_proven": standing is not None,
        "missing": [party for party in parties_of(body) if party not in signed],
        "association_keys_missing": None
        if standing is None
        else max(0, standing.seats_needed - standing.seats),
        "operations": [
            {
                "operation": TYPE_BY_CLASS[type(each)].name,
                "in_words": words.sentence_of(each, glossary),
                "fields": dict(words.facts_of(each, glossary)),
            }
            for each in body.operations
        ],
    }
