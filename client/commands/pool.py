"""`pledgebook pool`: an exporter's receivables together secure what a factor advances on them."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from registry.identifiers import show_id
from registry.money import show_amount
from registry.operations import (
    AddToPool,
    CreatePool,
    DrawPool,
    Operation,
    RemoveFromPool,
    RepayPool,
    SubstituteInPool,
)
from registry.operations.pool import BASIS_POINTS, Addition, PoolTerms
from registry.pools import Pool, secured, shortfall

from ..errors import InputError
from ..papers import day_ends_ms
from ..submission import Draft
from ..verify import AGE_MS_MAX, Head
from ..wallet import ShownPapers
from . import options as opt
from . import output
from .disposal import shown_papers
from .queries import proof_document, proof_line
from .session import Session, amount_of, in_session, member_id_of, parse_id

PER_CENT = BASIS_POINTS // 100
_PoolArgument = Annotated[
    str, typer.Argument(metavar="POOL", help="The pool's id, 53 characters or hexadecimal.")
]
_Receivables = Annotated[
    list[str], typer.Argument(metavar="RECEIVABLE...", help="The receivables' ids; at most 200.")
]
_AmountOption = Annotated[
    str, typer.Option("--amount", metavar="DECIMAL", help="In the pool's currency, such as 1234.50.")
]

pool_app = typer.Typer(help="Pools of receivables that secure a factor's advance.", no_args_is_help=True)


@pool_app.command(
    epilog="Example: pledgebook pool create --network ./net --as exporter-1 --to factor-1 --currency USD --tenor-days 120 "
    "--debtor-share 20 --advance-rate 80"
)
@opt.submits("pool create")
def create(
    options: opt.Options,
    to: Annotated[str, typer.Option(metavar="MEMBER", help="The factor that advances on the pool.")],
    currency: Annotated[str, typer.Option(help="Of all members, such as USD.")],
    tenor_days: Annotated[int, typer.Option(min=0, help="The longest time from issue to due date.")],
    debtor_share: Annotated[
        float,
        typer.Option(min=0.01, max=100, metavar="PERCENT", help="The most one debtor owes of the base."),
    ],
    advance_rate: Annotated[
        float, typer.Option(min=0.01, max=100, metavar="PERCENT", help="How much of the base is advanced.")
    ],
    past_due_days: Annotated[
        int, typer.Option(min=0, help="For how many days past its due date a member still counts.")
    ] = 0,
    confirmed: Annotated[
        bool, typer.Option("--confirmed", help="Only what the debtor has confirmed counts.")
    ] = False,
    credit_limit: Annotated[
        str | None, typer.Option(metavar="DECIMAL", help="The most that is advanced whatever the base.")
    ] = None,
    until: Annotated[
        datetime.datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Last day on which something is added or drawn."),
    ] = None,
) -> None:
    """As the exporter, agree on a pool with a factor."""

    async def work(session: Session) -> None:
        terms = PoolTerms(
            currency=currency,
            tenor_days_max=tenor_days,
            past_due_days_max=past_due_days,
            confirmation_required=confirmed,
            debtor_share_bp_max=round(debtor_share * PER_CENT),
            advance_rate_bp=round(advance_rate * PER_CENT),
            credit_limit=None if credit_limit is None else amount_of(credit_limit, currency),
            until_ms=None if until is None else day_ends_ms(until.date()),
        )
        factor = member_id_of(session.directory, to)
        await _signed(session, CreatePool(session.acting.member_id, factor, terms), currency, factor)

    in_session(options, work)


@pool_app.command(
    epilog="Example: pledgebook pool add POOL RECEIVABLE RECEIVABLE --network ./net --as exporter-1"
)
@opt.submits("pool add")
def add(
    options: opt.Options,
    pool: _PoolArgument,
    receivables: _Receivables,
    papers: opt.Papers = None,
    acknowledge: opt.Acknowledged = None,
) -> None:
    """As the exporter, with the factor, add receivables: all of them or none."""
    identifier, come = parse_id(pool), _ids(receivables)

    async def work(session: Session) -> None:
        present = await _pool(session, identifier)
        additions, shown = await _additions(session, present, come, papers)
        operation = AddToPool(
            identifier, present.exporter, present.factor, additions, _ids(acknowledge or ())
        )
        await _both(session, operation, present, shown)

    in_session(options, work)


@pool_app.command(epilog="Example: pledgebook pool remove POOL RECEIVABLE --network ./net --as exporter-1")
@opt.submits("pool remove")
def remove(options: opt.Options, pool: _PoolArgument, receivables: _Receivables) -> None:
    """As the exporter or the factor, with the other, remove members: all of them or none."""
    identifier, leave = parse_id(pool), _ids(receivables)

    async def work(session: Session) -> None:
        present = await _pool(session, identifier)
        await _both(session, RemoveFromPool(identifier, present.exporter, present.factor, leave), present)

    in_session(options, work)


@pool_app.command(
    epilog="Example: pledgebook pool substitute POOL --out RECEIVABLE --in RECEIVABLE --network ./net --as exporter-1"
)
@opt.submits("pool substitute")
def substitute(
    options: opt.Options,
    pool: _PoolArgument,
    out: Annotated[list[str], typer.Option("--out", metavar="RECEIVABLE", help="A member that leaves.")],
    come: Annotated[
        list[str], typer.Option("--in", metavar="RECEIVABLE", help="A receivable that takes a place.")
    ],
    papers: opt.Papers = None,
    acknowledge: opt.Acknowledged = None,
) -> None:
    """As the exporter, with the factor, put other receivables in the place of members."""
    identifier = parse_id(pool)

    async def work(session: Session) -> None:
        present = await _pool(session, identifier)
        additions, shown = await _additions(session, present, _ids(come), papers)
        operation = SubstituteInPool(
            identifier, present.exporter, present.factor, _ids(out), additions, _ids(acknowledge or ())
        )
        await _both(session, operation, present, shown)

    in_session(options, work)


@pool_app.command(
    epilog="Example: pledgebook pool draw POOL --network ./net --as exporter-1 --amount 5000.00"
)
@opt.submits("pool draw")
def draw(options: opt.Options, pool: _PoolArgument, amount: _AmountOption) -> None:
    """As the exporter, with the factor, draw on the pool."""
    identifier = parse_id(pool)

    async def work(session: Session) -> None:
        present = await _pool(session, identifier)
        drawn = amount_of(amount, present.terms.currency)
        await _both(session, DrawPool(identifier, present.exporter, present.factor, drawn), present)

    in_session(options, work)


@pool_app.command(epilog="Example: pledgebook pool repay POOL --network ./net --as factor-1 --amount 5000.00")
@opt.submits("pool repay")
def repay(options: opt.Options, pool: _PoolArgument, amount: _AmountOption) -> None:
    """As the factor, state that so much of the advance was repaid."""
    identifier = parse_id(pool)

    async def work(session: Session) -> None:
        present = await _pool(session, identifier)
        currency = present.terms.currency
        operation = RepayPool(identifier, session.acting.member_id, amount_of(amount, currency))
        await _signed(session, operation, currency)

    in_session(options, work)


@pool_app.command(epilog="Example: pledgebook pool show POOL --network ./net --as factor-1")
def show(
    pool: _PoolArgument,
    network: opt.Network,
    acting: opt.Asker = None,
    node: opt.FirstNode = None,
    timeout_s: opt.Timeout = 20.0,
    age_s_max: opt.AgeMax = AGE_MS_MAX / 1_000,
    as_json: opt.AsJson = False,
) -> None:
    """Show a pool to one of its parties, the association, an auditor or a court: base, advance, shares. The proof is checked."""
    identifier = parse_id(pool)

    async def work(session: Session) -> None:
        proven = await session.client.pool(identifier, purpose="pool show")
        if proven.pool is None:
            raise InputError(f"there is no pool {pool} (proven at height {proven.head.header.height})")
        if as_json:
            output.print_json({**pool_document(proven.pool), "proof": proof_document(proven.head)})
        else:
            _print_pool(proven.pool, proven.head)

    in_session(opt.Options(network, acting, node, timeout_s, as_json, "pool show", age_s_max=age_s_max), work)


def pool_document(pool: Pool) -> dict[str, Any]:
    """A pool as JSON; amounts in minor units, shares in basis points."""
    terms = pool.terms
    return {
        "pool_id": show_id(pool.pool_id),
        "place": output.place_document(pool.place),
        "exporter": pool.exporter,
        "factor": pool.factor,
        "currency": terms.currency,
        "tenor_days_max": terms.tenor_days_max,
        "past_due_days_max": terms.past_due_days_max,
        "confirmation_required": terms.confirmation_required,
        "debtor_share_bp_max": terms.debtor_share_bp_max,
        "advance_rate_bp": terms.advance_rate_bp,
        "credit_limit_minor_units": terms.credit_limit,
        "until_ms": terms.until_ms,
        "members": pool.members,
        "base_minor_units": pool.base,
        "secured_minor_units": secured(pool),
        "drawn_minor_units": pool.drawn,
        "shortfall_minor_units": shortfall(pool),
        "debtors": [
            {
                "debtor_reference": share.debtor_reference.hex(),
                "members": share.members,
                "base_minor_units": share.base,
            }
            for share in pool.shares
        ],
    }


def _print_pool(pool: Pool, head: Head) -> None:
    currency = pool.terms.currency
    largest = max((share.base for share in pool.shares), default=0)
    output.print_facts(
        f"Pool {show_id(pool.pool_id)}",
        {
            "exporter, factor": f"{pool.exporter}, {pool.factor}",
            "members": f"{pool.members} of {len(pool.shares)} debtors",
            "base": show_amount(pool.base, currency),
            "advance rate": _show_share(pool.terms.advance_rate_bp),
            "drawn": f"{show_amount(pool.drawn, currency)} of {show_amount(secured(pool), currency)}",
            "shortfall": show_amount(shortfall(pool), currency),
            "largest debtor": f"{show_amount(largest, currency)}; at most "
            f"{_show_share(pool.terms.debtor_share_bp_max)} of the base",
            "proof": proof_line(head),
        },
    )


def _show_share(basis_points: int) -> str:
    return f"{basis_points // PER_CENT}.{basis_points % PER_CENT:02} %"


async def _pool(session: Session, identifier: bytes) -> Pool:
    proven = await session.client.pool(identifier, purpose=session.options.purpose)
    if proven.pool is None:
        raise InputError(f"there is no pool {show_id(identifier)}")
    return proven.pool


async def _additions(
    session: Session, pool: Pool, receivables: Sequence[bytes], papers: Path | None
) -> tuple[tuple[Addition, ...], dict[bytes, ShownPapers]]:
    """What is added, and the papers of it that the factor is shown."""
    factor = session.wallet(pool.factor)
    additions: list[Addition] = []
    shown: dict[bytes, ShownPapers] = {}
    for identifier in receivables:
        record = await session.record(identifier)
        shown |= await shown_papers(session, factor, record, papers)
        additions.append(Addition(identifier, record.fingerprints.digest()))
    return tuple(additions), shown


async def _both(
    session: Session, operation: Operation, pool: Pool, shown: dict[bytes, ShownPapers] | None = None
) -> None:
    """Submit what exporter and factor sign, by the acting one of them."""
    others = [party for party in (pool.exporter, pool.factor) if party != session.acting.member_id]
    await _signed(session, operation, pool.terms.currency, *others, shown=shown)


async def _signed(
    session: Session,
    operation: Operation,
    currency: str,
    *others: str,
    shown: dict[bytes, ShownPapers] | None = None,
) -> None:
    signers = tuple(session.wallet(name) for name in (session.acting.name, *others))
    await session.perform(Draft((operation,), signers, shown=shown or {}), currency=currency)


def _ids(texts: Sequence[str]) -> tuple[bytes, ...]:
    """In the order in which they are signed; each once."""
    return tuple(sorted({parse_id(text) for text in texts}))
