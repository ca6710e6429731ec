"""`pledgebook status`, `receivable`: what the chain says, with the proof checked here."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from registry.fingerprints import FingerprintKey, FingerprintKind, Numbering
from registry.identifiers import show_id
from registry.money import show_amount
from registry.receivable import Receivable
from registry.status import StatusSummary

from ..answers import ByFingerprint, ById, ReceivableKey
from ..connection import system_clock
from ..errors import InputError
from ..verify import AGE_MS_MAX, Head, ProvenStatus
from . import options as opt
from . import output
from .record_view import print_record, record_document
from .session import Options, Session, debtor_identifier, in_session, member_id_of, parse_id


def status(
    network: opt.Network,
    receivable: Annotated[
        str | None, typer.Argument(metavar="RECEIVABLE", help="The receivable's id; or give invoice fields.")
    ] = None,
    acting: opt.Asker = None,
    exporter: Annotated[str | None, typer.Option(help="With --debtor and --invoice: who issued it.")] = None,
    debtor: Annotated[str | None, typer.Option(help="With --invoice: who owes.")] = None,
    invoice: Annotated[str | None, typer.Option(help="The invoice number as printed.")] = None,
    issued: Annotated[
        datetime.datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], help="Date of issue, for an exporter whose numbers restart each year."
        ),
    ] = None,
    fiscal: Annotated[str | None, typer.Option(help="Or: the fiscal invoice number.")] = None,
    document: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Or: the original invoice file.")
    ] = None,
    node: opt.FirstNode = None,
    timeout_s: opt.Timeout = 20.0,
    age_s_max: opt.AgeMax = AGE_MS_MAX / 1_000,
    as_json: opt.AsJson = False,
) -> None:
    """Ask what is free of a receivable, by its id or by what is printed on its invoice. The proof is checked."""

    async def work(session: Session) -> None:
        if receivable is not None:
            key: ReceivableKey = ById(parse_id(receivable))
        else:
            key = await by_papers(session, exporter, debtor, invoice, issued, fiscal, document)
        proven = await session.client.status(key, purpose="status")
        _show_status(proven, as_json=as_json)

    in_session(Options(network, acting, node, timeout_s, as_json, "status", age_s_max=age_s_max), work)


def receivable(
    receivable: opt.ReceivableArgument,
    network: opt.Network,
    acting: opt.Asker = None,
    node: opt.FirstNode = None,
    timeout_s: opt.Timeout = 20.0,
    age_s_max: opt.AgeMax = AGE_MS_MAX / 1_000,
    as_json: opt.AsJson = False,
) -> None:
    """Show the whole record of a receivable to one of its parties, the association, an auditor or a court."""
    identifier = parse_id(receivable)

    async def work(session: Session) -> None:
        proven = await session.client.receivable(ById(identifier), purpose="receivable")
        if proven.record is None:
            raise InputError(f"no receivable {receivable} is registered")
        names: dict[str, str] = {entry.member_id: name for name, entry in session.directory.members.items()}
        if as_json:
            output.print_json({**record_document(proven.record), "proof": proof_document(proven.head)})
        else:
            debtor = _debtor_of(proven.record, names, session.fingerprint_key)
            print_record(proven.record, names, debtor, proof_line(proven.head))

    in_session(Options(network, acting, node, timeout_s, as_json, "receivable", age_s_max=age_s_max), work)


def _debtor_of(record: Receivable, names: Mapping[str, str], key: FingerprintKey) -> str:
    """Who owes, by name where the folder knows a member of the record's reference; the chain itself names nobody."""
    known = (member for member in names if key.debtor(member) == record.debtor_reference)
    found = next(known, None)
    if found is None:
        return f"no member of this folder; reference {record.debtor_reference.hex()[:16]}"
    return f"{names[found]} ({found})"


async def by_papers(
    session: Session,
    exporter: str | None,
    debtor: str | None,
    invoice: str | None,
    issued: datetime.datetime | None,
    fiscal: str | None,
    document: Path | None,
) -> ByFingerprint:
    """The fingerprint of what is printed on an invoice, the first of these that is given. Raises InputError."""
    if fiscal is not None:
        return ByFingerprint(FingerprintKind.FISCAL, _keyed(session.fingerprint_key.fiscal, fiscal))
    if document is not None:
        return ByFingerprint(FingerprintKind.DOCUMENT, session.fingerprint_key.document(_hash_of(document)))
    return await _by_invoice(session, exporter, debtor, invoice, issued)


async def _by_invoice(
    session: Session,
    exporter: str | None,
    debtor: str | None,
    invoice: str | None,
    issued: datetime.datetime | None,
) -> ByFingerprint:
    if invoice is None or debtor is None:
        raise InputError("give the receivable's id, or --invoice with --debtor, or --fiscal, or --document")
    directory = session.directory
    issuer = session.acting.member_id if exporter is None else member_id_of(directory, exporter)
    member = (await session.client.member(issuer)).member
    year = None
    if member is not None and member.numbering is Numbering.YEARLY:
        if issued is None:
            raise InputError("this exporter's invoice numbers restart each year: give --issued DATE")
        year = issued.year
    key = session.fingerprint_key
    reference = key.debtor(debtor_identifier(directory, debtor))
    try:
        value = key.invoice(issuer, reference, invoice, year)
    except ValueError as error:
        raise InputError(f"--invoice: {error}") from error
    return ByFingerprint(FingerprintKind.INVOICE, value)


def _keyed(compute: Any, text: str) -> bytes:
    try:
        value: bytes = compute(text)
    except ValueError as error:
        raise InputError(str(error)) from error
    return value


def _hash_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def proof_document(head: Head) -> dict[str, Any]:
    """What a proof hangs on."""
    return {
        "verified": head.is_verified,
        "height": head.header.height,
        "block_hash": head.block_hash.hex(),
        "state_root": head.header.state_root.hex(),
        "time": _time_of(head),
        "age_ms": _age_ms(head),
    }


def _show_status(proven: ProvenStatus, *, as_json: bool) -> None:
    summary = proven.summary
    if as_json:
        output.print_json(
            {
                "registered": summary is not None,
                **({"status": ["unknown"]} if summary is None else summary_document(summary)),
                "proof": proof_document(proven.head),
            }
        )
        return
    proof = proof_line(proven.head)
    if summary is None:
        output.print_facts(
            "Not registered", {"status": "unknown: nothing stands under this key", "proof": proof}
        )
        return
    output.print_facts(
        f"Receivable {show_id(summary.receivable_id)}", {**_summary_lines(summary), "proof": proof}
    )


def summary_document(summary: StatusSummary) -> dict[str, Any]:
    """The public view as JSON."""
    amounts = ("outstanding", "assigned", "reserved", "pledged", "pooled", "disputed", "confirmed")
    exporter, assignees = free_shares(summary)
    return {
        "receivable_id": show_id(summary.receivable_id),
        "status": list(summary.words()),
        "phase": summary.phase.name.lower(),
        "currency": summary.currency,
        "free_with_all_holders_minor_units": summary.free,
        "free_with_exporter": _range_document(exporter),
        "free_with_assignees": _range_document(assignees),
        **{f"{name}_minor_units": getattr(summary, name) for name in amounts},
        "frozen": summary.frozen,
        "objected": summary.objected,
        "since_height": summary.since_height,
    }


def free_shares(summary: StatusSummary) -> tuple[range, range]:
    """How much of what is free lies with the exporter, and with those it was assigned to, as far as the public view tells.

    Nobody has more free than it holds, and what one side does not have the other has. The amount is known (a range of one)
    while nothing is pledged or disputed, or only one side holds anything; the parties see the record itself.
    """
    # A pool takes all of the exporter's part that nothing else does.
    kept = 0 if summary.pooled else summary.outstanding - summary.assigned
    exporter = range(max(0, summary.free - summary.assigned), min(summary.free, kept) + 1)
    assignees = range(max(0, summary.free - kept), min(summary.free, summary.assigned) + 1)
    return exporter, assignees


def _range_document(amounts: range) -> dict[str, int]:
    return {"at_least_minor_units": amounts[0], "at_most_minor_units": amounts[-1]}


def _show_range(amounts: range, currency: str) -> str:
    if len(amounts) == 1:
        return show_amount(amounts[0], currency)
    return (
        f"{show_amount(amounts[0], currency)} to {show_amount(amounts[-1], currency)} (its parties see which)"
    )


def _summary_lines(summary: StatusSummary) -> dict[str, str]:
    currency = summary.currency
    exporter, assignees = free_shares(summary)
    return {
        "status": ", ".join(summary.words()),
        "phase": summary.phase.name.lower(),
        "outstanding": show_amount(summary.outstanding, currency),
        "assigned": show_amount(summary.assigned, currency),
        "free with the exporter": _show_range(exporter, currency),
        "free with assignees": _show_range(assignees, currency),
        **{
            name: show_amount(getattr(summary, name), currency)
            for name in ("reserved", "pledged", "pooled", "disputed", "confirmed")
        },
        "since height": str(summary.since_height),
    }


def proof_line(head: Head) -> str:
    word = "verified" if head.is_verified else "NOT VERIFIED"
    return (
        f"{word} at height {head.header.height}, block {head.block_hash.hex()[:16]}, {_time_of(head)}, "
        f"{_age_ms(head) / 1_000:.1f} s ago"
    )


def _age_ms(head: Head) -> int:
    """How old the state is by this machine's clock."""
    return system_clock() - head.header.time_ms


def _time_of(head: Head) -> str:
    moment = datetime.datetime.fromtimestamp(head.header.time_ms / 1_000, datetime.UTC)
    return moment.isoformat(timespec="milliseconds")
