"""What a party looks at before it signs a draft, or hands it in: every read is proven, and nothing is the file's word.

In this order, the first that does not hold ends it: chain and time, whose keys have signed, the submitter's number, the
papers of what the signer takes over, and how a node would judge it now. Papers are compared with the registration: with the
whole record where the signer may read it. A taker that is not yet a party may not; then each number on its papers is proven to lead
to this receivable, the entry must name the fingerprints of the same papers, and the chain refuses it if they are not the
registration's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from registry.entry import Entry, assemble
from registry.errors import Code
from registry.fingerprints import Fingerprints, Numbering
from registry.identifiers import show_id
from registry.member import Member
from registry.money import show_amount
from registry.operations import Assign, Operation, Pledge
from registry.receivable import Phase

from ..answers import ByFingerprint, ById, Preflight
from ..connection import system_clock
from ..draft_file import papers_beside, read_draft
from ..drafts import Standing, check_chain, check_time, standing_of
from ..errors import CallRefused, DraftRefused, PapersMismatch
from ..operation_words import Glossary
from ..paper_file import FiledPapers, find_all_papers
from ..verify import ProvenMember
from ..wallet import ShownPapers, Vouching, vouchings_of
from .outcome import passes_once_signed
from .session import READS_AT_ONCE, Session

FORBIDDEN: Final = "FORBIDDEN"


@dataclass(frozen=True, slots=True)
class Checked:
    """A draft in which everything held, with what was looked at. `forecast` is one node's word."""

    entry: Entry
    standing: Standing
    shown: Mapping[bytes, ShownPapers]
    forecast: Preflight
    overdrawn: tuple[str, ...]
    """What the public views show to be impossible, where a node does not tell the signer how it would be judged."""

    def refusal(self) -> str | None:
        """Why it would be refused now, as far as the signer can know."""
        for index, each in enumerate(self.forecast.forecasts):
            # Of all or nothing, the others are merely not applied: the one that fails says why. That a signature is missing, of a
            # certain key perhaps, is no wonder: none were sent.
            if each.code not in (Code.OK, Code.NOT_APPLIED, Code.MISSING_SIGNATURE):
                return f"a node says that it would be refused now: operation {index}: {each.code}"
        return self.overdrawn[0] if self.overdrawn else None


async def check(session: Session, path: Path, papers: Path | None) -> Checked:
    """All checks for the acting member. Raises DraftRefused, PapersMismatch."""
    entry = read_draft(path)
    check_chain(entry, session.genesis.chain_id)
    check_time(entry, system_clock())
    standing = await standing_on_chain(session, entry)
    await _check_number(session, entry)
    vouchings = _vouchings(entry, session.acting.member_id)
    shown = await _shown(session, vouchings, papers or _default_papers(session, path)) if vouchings else {}
    session.wallet(session.acting.name).check(entry.body_bytes, shown)
    # Without the signatures: a node that had them could hand the entry in.
    forecast = await session.client.preflight(assemble(entry.body_bytes, ()))
    if not passes_once_signed(forecast):
        raise DraftRefused(
            f"a node would refuse it at the door: {forecast.door_code}: {forecast.door_message}"
        )
    overdrawn = () if forecast.forecasts else await _overdrawn(session, entry.body.operations)
    return Checked(entry, standing, shown, forecast, overdrawn)


async def standing_on_chain(session: Session, entry: Entry) -> Standing:
    """Who has signed, by proven member records. Raises DraftRefused."""
    members: dict[str, Member | None] = {}
    height = 0
    for name in {signature.member: None for signature in entry.signatures} or {entry.body.submitter: None}:
        proven: ProvenMember = await session.client.member(name)
        members[name] = proven.member
        height = proven.head.header.height
    return standing_of(entry, members, height + 1, session.directory.governance_threshold)


async def glossary_of(session: Session, operations: Sequence[Operation]) -> Glossary:
    """The folder's names, and the proven currencies of the receivables and pools that the operations name."""
    named = _named(operations, "receivable")
    statuses = await session.client.statuses([ById(each) for each in named], purpose=session.options.purpose)
    currencies = {
        each.summary.receivable_id: each.summary.currency for each in statuses if each.summary is not None
    }
    for pool_id in _named(operations, "pool"):
        try:
            pool = (await session.client.pool(pool_id, purpose=session.options.purpose)).pool
        except CallRefused as refused:
            if refused.code != FORBIDDEN:
                raise
            continue  # who is no party of it reads the amounts in minor units
        if pool is not None:
            currencies[pool_id] = pool.terms.currency
    return Glossary(names_in(session), currencies)


def _named(operations: Sequence[Operation], field: str) -> list[bytes]:
    """What the operations name in a field, each once."""
    return list(dict.fromkeys(each for operation in operations if (each := getattr(operation, field, None))))


def names_in(session: Session) -> dict[str, str]:
    return {entry.member_id: name for name, entry in session.directory.members.items()}


async def _check_number(session: Session, entry: Entry) -> None:
    body = entry.body
    window = (await session.client.member(body.submitter)).window
    if not window.accepts(body.sequence):
        raise DraftRefused(
            f"number {body.sequence} of {body.submitter} is used or too old (its highest is {window.highest}): this draft was "
            "handed in already, or can never be; ask for its receipt, or have a new one made"
        )


async def _overdrawn(session: Session, operations: Sequence[Operation]) -> tuple[str, ...]:
    """Of which receivables more is assigned or pledged than is free of them, by their proven public views."""
    asked: dict[bytes, int] = {}
    for operation in operations:
        match operation:
            case Assign() | Pledge(junior_to=None):
                asked[operation.receivable] = asked.get(operation.receivable, 0) + operation.amount
            case _:
                continue
    keys = [ById(receivable) for receivable in asked]
    found: list[str] = []
    for key, proven in zip(
        keys, await session.client.statuses(keys, purpose=session.options.purpose), strict=True
    ):
        name, wanted, summary = show_id(key.receivable_id), asked[key.receivable_id], proven.summary
        if summary is None:
            found.append(f"no receivable {name} is registered")
        elif wanted > summary.free and summary.phase is not Phase.FUTURE:
            free, wanted_words = (show_amount(each, summary.currency) for each in (summary.free, wanted))
            found.append(f"it takes {wanted_words} of {name}, of which {free} are free")
    return tuple(found)


def _vouchings(entry: Entry, member: str) -> list[Vouching]:
    """What the member vouches for by signing."""
    found = (each for operation in entry.body.operations for each in vouchings_of(operation))
    return [each for each in found if member in each.members]


def _default_papers(session: Session, draft: Path) -> Path:
    beside = papers_beside(draft)
    if beside.exists():
        return beside
    filing = session.directory.papers_path(session.acting)
    if not filing.exists():
        raise PapersMismatch(
            f"no papers were shown: {beside} is not there; ask for it, or name another file with --papers"
        )
    return filing


async def _shown(session: Session, vouchings: list[Vouching], path: Path) -> dict[bytes, ShownPapers]:
    """The papers in the file, with what the chain proves about each. One that is not there is the wallet's to refuse."""
    filed = find_all_papers(path, {each.receivable for each in vouchings})
    exporters = {each.papers.exporter: None for each in filed.values()}
    numbering = {name: await _numbering(session, name) for name in exporters}
    room = asyncio.Semaphore(READS_AT_ONCE)

    async def show(vouching: Vouching, item: FiledPapers) -> ShownPapers:
        kept = numbering[item.papers.exporter]
        async with room:
            registered = vouching.corrected or await _registered(session, item, kept)
        return ShownPapers(item.papers, registered, kept)

    wanted = [(each, filed[each.receivable]) for each in vouchings if each.receivable in filed]
    shown = await asyncio.gather(*(show(vouching, item) for vouching, item in wanted))
    return {vouching.receivable: each for (vouching, _), each in zip(wanted, shown, strict=True)}


async def _registered(session: Session, item: FiledPapers, numbering: Numbering) -> Fingerprints:
    """What the receivable is known by. Raises PapersMismatch when a number on the papers does not lead to it."""
    try:
        return (await session.record(item.receivable_id)).fingerprints
    except CallRefused as refused:
        if refused.code != FORBIDDEN:
            raise
    computed = replace(item.papers, numbering=numbering).fingerprints(session.fingerprint_key)
    numbers = computed.strong()
    keys = [ByFingerprint(kind, value) for kind, value in numbers]
    for (kind, _), proven in zip(
        numbers, await session.client.statuses(keys, purpose=session.options.purpose), strict=True
    ):
        summary = proven.summary
        if summary is None or summary.receivable_id != item.receivable_id:
            found = "nothing" if summary is None else show_id(summary.receivable_id)
            raise PapersMismatch(
                f"{show_id(item.receivable_id)}: the {kind.name.lower()} of the papers shown leads to {found}; do not sign, and "
                "ask the assignor why"
            )
    return computed


async def _numbering(session: Session, exporter: str) -> Numbering:
    member = (await session.client.member(exporter)).member
    if member is None:
        raise PapersMismatch(f"the papers name {exporter} as exporter, which is no member of this chain")
    return member.numbering
