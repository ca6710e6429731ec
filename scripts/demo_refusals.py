"""The acts in which value is disposed of, and in which every second and every empty disposal is refused."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Sequence
from dataclasses import replace

from client.errors import PapersMismatch
from client.submission import Draft, EntryTurnedAway
from client.verify import ProvenReceipt
from client.wallet import ShownPapers, Wallet
from registry.errors import Code
from registry.identifiers import ReceivableId, lien_id
from registry.money import show_amount
from registry.operations import Assign, Confirm, Pledge, ReleasePledge
from registry.signing import SigningKey, Tag, digest
from scripts.demo_stage import EXPORTER, Attempt, Stage, Star, salt

PLEDGE_DAYS = 180
STARS_NEEDED = 4


def star_share(star: Star, percent: int) -> int:
    return star.papers.amount * percent // 100


async def finance(stage: Stage, stars: Sequence[Star], disputed: Star | None) -> None:
    """Confirm, assign and pledge four receivables, and try everything that must not work on them."""
    whole, pledged, raced, shared = stars[:STARS_NEEDED]
    for star in (whole, pledged, raced, shared):
        await _confirm(stage, star)
    done = [
        await _assign_in_full(stage, whole),
        *await _pledge_and_release(stage, pledged),
        await _race(stage, raced),
        *await _share_out(stage, shared),
    ]
    stage.table(("what was done", "by", "amount", "height"), done)
    await _try_registering_again(stage, whole)
    await _try_empty_pledges(stage, pledged, disputed)
    await _try_strangers(stage, whole, shared)
    stage.say(
        "\n[bold]Refused[/bold], each with its code and what it collided with (at height/entry/operation):"
    )
    stage.table(
        ("attempt", "code", "collided with", "because"),
        [(each.what, each.code, each.collided_with, each.because) for each in stage.attempts],
    )


def assignment(stage: Stage, star: Star, taker: str, amount: int, assignor: str = EXPORTER) -> Draft:
    """An assignment signed by assignor and assignee, who was shown the papers."""
    giving, taking = stage.wallet(assignor), stage.wallet(taker)
    operation = Assign(
        receivable=star.receivable_id,
        assignor=giving.member,
        assignee=taking.member,
        amount=amount,
        with_recourse=False,
        price_commitment=None,
        verified_fingerprints=_verified(stage, star),
        acknowledged_suspicions=(),
    )
    return Draft((operation,), (giving, taking), shown=_shown(stage, star))


def pledge(stage: Stage, star: Star, taker: str, amount: int, pledgor: str = EXPORTER) -> Draft:
    """A pledge signed by pledgor and pledgee, who was shown the papers."""
    giving, taking = stage.wallet(pledgor), stage.wallet(taker)
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=PLEDGE_DAYS)
    operation = Pledge(
        receivable=star.receivable_id,
        pledgor=giving.member,
        pledgee=taking.member,
        amount=amount,
        until_ms=int(until.timestamp() * 1_000),
        junior_to=None,
        verified_fingerprints=_verified(stage, star),
        acknowledged_suspicions=(),
    )
    return Draft((operation,), (giving, taking), shown=_shown(stage, star))


# -- What works ----------------------------------------------------------------------------------------------------------


async def _confirm(stage: Stage, star: Star) -> None:
    debtor = stage.wallet(star.debtor)
    operation = Confirm(star.receivable_id, debtor.member, star.papers.amount, ())
    _expect(await stage.commit(Draft((operation,), (debtor,))), Code.OK)


async def _assign_in_full(stage: Stage, star: Star) -> tuple[str, str, str, str]:
    amount = star.papers.amount
    proven = await stage.commit(
        assignment(stage, star, "factor-1", amount), told_as=f"assignment of {star.name} to factor-1"
    )
    _expect(proven, Code.OK)
    await _refused(
        stage,
        pledge(stage, star, "factor-2", amount),
        f"pledge {star.name} after it was assigned",
        star,
    )
    await _refused(
        stage,
        assignment(stage, star, "factor-2", amount),
        f"assign {star.name} a second time",
        star,
    )
    return _line(stage, star, "assigned in full to factor-1", EXPORTER, amount, proven)


async def _pledge_and_release(stage: Stage, star: Star) -> list[tuple[str, str, str, str]]:
    amount = star_share(star, 60)
    told = f"pledge of {star.name} to factor-1"
    first = await stage.commit(pledge(stage, star, "factor-1", amount), told_as=told)
    _expect(first, Code.OK)
    await _refused(
        stage,
        pledge(stage, star, "factor-2", amount),
        f"pledge the same 60 % of {star.name} again",
        star,
        at="factor-2",
    )
    lien = lien_id(first.receipt.entry_id, 0)
    releasing = stage.wallet("factor-1")
    operation = ReleasePledge(star.receivable_id, lien, releasing.member)
    released = await stage.commit(Draft((operation,), (releasing,)), at="factor-1")
    _expect(released, Code.OK)
    again = await stage.commit(
        pledge(stage, star, "factor-2", amount), told_as=f"pledge of {star.name} to factor-2"
    )
    _expect(again, Code.OK)
    return [
        _line(stage, star, "60 % pledged to factor-1", EXPORTER, amount, first),
        _line(stage, star, "that pledge released", "factor-1", amount, released),
        _line(stage, star, "60 % pledged to factor-2 instead", EXPORTER, amount, again),
    ]


async def _race(stage: Stage, star: Star) -> tuple[str, str, str, str]:
    """The same value pledged to two factors through two nodes at the same moment: the chain's order decides."""
    amount = star.papers.amount
    drafts = {taker: pledge(stage, star, taker, amount) for taker in ("factor-1", "factor-2")}
    signed = {taker: await stage.submitters[EXPORTER].sign(draft) for taker, draft in drafts.items()}
    outcomes = await asyncio.gather(
        *(stage.clients[taker].commit([raw], timeout_s=60.0) for taker, raw in signed.items())
    )
    receipts: dict[str, ProvenReceipt] = {}
    for taker, outcome in zip(signed, outcomes, strict=True):
        for proven in outcome.values():
            assert isinstance(proven, ProvenReceipt), "both are well-formed and rightly signed"
            receipts[taker] = proven
            place = (proven.receipt.height, proven.receipt.entry_index, 0)
            stage.places[place] = f"pledge of {star.name} to {taker}"
    won = [taker for taker, proven in receipts.items() if proven.receipt.results[0].code is Code.OK]
    if len(won) != 1:
        raise AssertionError(f"{len(won)} of two pledges of the same value were accepted")
    lost = next(taker for taker in receipts if taker not in won)
    _note(
        stage,
        receipts[lost],
        f"pledge {star.name} to {lost} at the same moment",
        star,
        Code.DUPLICATE_PLEDGE,
    )
    return _line(stage, star, f"pledged in a race, {won[0]} was first", EXPORTER, amount, receipts[won[0]])


async def _share_out(stage: Stage, star: Star) -> list[tuple[str, str, str, str]]:
    most, rest = star_share(star, 60), star.papers.amount - star_share(star, 60)
    first = await stage.commit(
        assignment(stage, star, "factor-1", most),
        told_as=f"assignment of 60 % of {star.name} to factor-1",
    )
    _expect(first, Code.OK)
    await _refused(
        stage,
        assignment(stage, star, "factor-2", most),
        f"assign another 60 % of {star.name}",
        star,
    )
    second = await stage.commit(
        assignment(stage, star, "factor-2", rest),
        told_as=f"assignment of 40 % of {star.name} to factor-2",
    )
    _expect(second, Code.OK)
    return [
        _line(stage, star, "60 % assigned to factor-1", EXPORTER, most, first),
        _line(stage, star, "40 % assigned to factor-2", EXPORTER, rest, second),
    ]


# -- What does not -------------------------------------------------------------------------------------------------------


async def _try_registering_again(stage: Stage, star: Star) -> None:
    number = star.papers.invoice_number.lower().replace("-", " ")
    altered = replace(
        star.papers,
        invoice_number=f"00{number}" if number[0].isdecimal() else number,
        amount=star.papers.amount + 1_000_00,
    )
    await _refused(
        stage,
        Draft((altered.registration(stage.fingerprint_key, salt()),), (stage.wallet(EXPORTER),)),
        f"register it again as {altered.invoice_number!r}, larger",
        star,
    )


async def _try_empty_pledges(stage: Stage, star: Star, disputed: Star | None) -> None:
    await _refused(
        stage,
        pledge(stage, star, "factor-1", star.papers.amount * 2),
        f"pledge more than {star.name} is worth",
        star,
    )
    nothing = replace(
        star, receivable_id=ReceivableId(digest(Tag.RECEIVABLE, b"never registered")), name="nothing"
    )
    await _refused(
        stage,
        pledge(stage, nothing, "factor-1", 100_00),
        "pledge an invoice that was never registered",
        star,
    )
    if disputed is not None:
        await _refused(
            stage,
            pledge(stage, disputed, "factor-1", disputed.papers.amount),
            f"pledge {disputed.name}, which is disputed",
            disputed,
        )


async def _try_strangers(stage: Stage, whole: Star, shared: Star) -> None:
    """Who does not hold, who is not enrolled, and who is shown other papers."""
    await _refused(
        stage,
        pledge(stage, whole, "factor-1", star_share(whole, 10), pledgor="factor-2"),
        f"pledge {whole.name} without holding it",
        whole,
    )
    debtor = stage.wallet(whole.debtor)
    forger = Wallet(debtor.member, (SigningKey(salt() * 2),), debtor.chain_id, debtor.fingerprint_key)
    operation = Confirm(whole.receivable_id, debtor.member, whole.papers.amount, ())
    try:
        await stage.commit(Draft((operation,), (forger,)))
    except EntryTurnedAway as turned_away:
        attempt = Attempt(
            "confirm with a key that is not the debtor's",
            turned_away.code,
            "(turned away at the door)",
            "no such key is enrolled",
        )
        stage.attempts.append(attempt)
    forged = replace(shared, papers=replace(shared.papers, invoice_number="FORGED-1"))
    try:
        await stage.commit(
            replace(assignment(stage, shared, "factor-2", 100), shown=_shown(stage, forged, shared))
        )
    except PapersMismatch:
        attempt = Attempt(
            "show the factor another invoice",
            "(not signed)",
            "(refused by the factor's wallet)",
            "other fingerprints than registered",
        )
        stage.attempts.append(attempt)


async def _refused(stage: Stage, draft: Draft, what: str, star: Star, *, at: str = EXPORTER) -> None:
    """Commit a draft that a rule must refuse, and note how it was refused."""
    _note(stage, await stage.commit(draft, at=at, told_as=f"a refused attempt ({what})"), what, star)


def _note(stage: Stage, proven: ProvenReceipt, what: str, star: Star, expected: Code | None = None) -> None:
    result = proven.receipt.results[0]
    if result.code is Code.OK or (expected is not None and result.code is not expected):
        raise AssertionError(f"{what}: the registry answered {result.code}")
    because = ", ".join(
        reason.word.replace("_", " ")
        + (f" {show_amount(reason.amount, star.papers.currency)}" if reason.amount else "")
        for reason in result.reasons
    )
    stage.attempts.append(
        Attempt(what, str(result.code), stage.tell_place(result.collided_with), because or "-")
    )


def _expect(proven: ProvenReceipt, code: Code) -> None:
    found = [result.code for result in proven.receipt.results]
    if found != [code] * len(found):
        raise AssertionError(f"expected {code}, the registry answered {', '.join(found)}")


def _verified(stage: Stage, star: Star) -> bytes:
    return star.papers.fingerprints(stage.fingerprint_key).digest()


def _shown(stage: Stage, star: Star, registered: Star | None = None) -> dict[bytes, ShownPapers]:
    fingerprints = (registered or star).papers.fingerprints(stage.fingerprint_key)
    enrolled = {member.member_id: member for member in stage.genesis.members}
    return {
        star.receivable_id: ShownPapers(star.papers, fingerprints, enrolled[star.papers.exporter].numbering)
    }


def _line(
    stage: Stage, star: Star, what: str, by: str, amount: int, proven: ProvenReceipt
) -> tuple[str, str, str, str]:
    return f"{star.name}: {what}", by, show_amount(amount, star.papers.currency), str(proven.receipt.height)
