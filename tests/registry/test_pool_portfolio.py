"""A portfolio of invoices on the chain, as of a day: registered, confirmed, pooled, drawn, disputed, paid.

What the pool and the supervisor's report say in the end is what `scripts.portfolio_figures` works out from the file alone.
"""

from __future__ import annotations

import csv
import datetime
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from registry.errors import Code
from registry.fingerprints import Numbering
from registry.member import possession_message
from registry.operations.governance import EnrolMember, KeyEnrolment, Role
from registry.operations.pool import PoolTerms
from registry.pools import Pool, secured, shortfall
from scripts.portfolio_figures import (
    Line,
    PoolPlan,
    PortfolioFigures,
    figures_of,
    is_eligible,
    is_settled,
    members_of,
    read_lines,
)
from tests.registry.consortium import (
    DAY_MS,
    EXPORTER,
    FACTOR_1,
    FINGERPRINT_KEY,
    OPEN_POLICY,
    Consortium,
    confirmation,
    dispute,
    found,
    key_of,
    member_id_of,
    payment,
    registration,
    resolution,
    settlement,
)
from tests.registry.pool_examples import adding, drawing, pooled, present, repaying
from tests.registry.supervision.supervised_chain import in_usd

COLUMNS = (
    "customerID",
    "invoiceNumber",
    "InvoiceDate",
    "DueDate",
    "InvoiceAmount",
    "Disputed",
    "SettledDate",
)
AS_OF = datetime.date(2013, 6, 30)
EPOCH = datetime.date(1970, 1, 1).toordinal()
PLAN = PoolPlan(tenor_days=30, past_due_days=60, debtor_share_bp=3_000, advance_rate_bp=8_000)
CUSTOMERS = [f"{number:04}-CUST" for number in range(6)]
OPERATIONS = 40


def write_portfolio(path: Path, count: int, seed: int) -> None:
    """Invoices of half a year before the day and a little after it, in those columns of accounts_receivable.csv that count."""
    source = random.Random(seed)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for number in range(count):
            issued = AS_OF - datetime.timedelta(days=source.randrange(-10, 180))
            due = issued + datetime.timedelta(days=source.choice((30, 30, 30, 45)))
            settled = due + datetime.timedelta(days=source.randrange(-20, 50))
            writer.writerow(
                {
                    # The first customer has more than its share.
                    "customerID": CUSTOMERS[0] if number % 3 == 0 else source.choice(CUSTOMERS),
                    "invoiceNumber": f"{7_000_000 + number:010}",
                    "InvoiceDate": _shown(issued),
                    "DueDate": _shown(due),
                    "InvoiceAmount": f"{source.randrange(20, 120)}.{source.randrange(100):02}",
                    "Disputed": source.choice(("Yes", "No", "No")),
                    "SettledDate": _shown(settled) if source.randrange(10) else "",
                }
            )


def _shown(day: datetime.date) -> str:
    return f"{day.month}/{day.day}/{day.year}"


@dataclass
class Portfolio:
    """The invoices of a file on a chain whose time is the day."""

    consortium: Consortium
    lines: list[Line]
    ids: dict[str, bytes]

    def debtor(self, line: Line) -> str:
        return member_id_of(line.customer)

    def id_of(self, line: Line) -> bytes:
        return self.ids[line.number]


def begun(lines: list[Line]) -> Portfolio:
    """Every customer is enrolled, and what was issued by the day is registered and confirmed."""
    start_ms = (AS_OF.toordinal() - EPOCH) * DAY_MS
    consortium = found(replace(OPEN_POLICY, dispose_past_due=True), time_ms=start_ms)
    for customer in sorted({line.customer for line in lines}):
        member, key = member_id_of(customer), key_of(member_id_of(customer))
        proof = key.sign(possession_message(consortium.genesis.chain_id, member, key.public_key))
        reference = FINGERPRINT_KEY.debtor(member)
        keys = (KeyEnrolment(key.public_key, proof),)
        enrolment = EnrolMember(member, (Role.DEBTOR,), Numbering.CONTINUOUS, reference, keys)
        assert consortium.code(enrolment) is Code.OK
    portfolio = Portfolio(consortium, lines, {})
    issued = [line for line in lines if line.issued <= AS_OF.toordinal()]
    for start in range(0, len(issued), OPERATIONS):
        batch = issued[start : start + OPERATIONS]
        made = [
            registration(
                line.number,
                amount=line.amount,
                debtor_reference=FINGERPRINT_KEY.debtor(portfolio.debtor(line)),
                issue_date=line.issued - EPOCH,
                due_date=line.due - EPOCH,
            )
            for line in batch
        ]
        receipt = consortium.do(*made)
        portfolio.ids |= {
            line.number: result.subject for line, result in zip(batch, receipt.results, strict=True)
        }
        confirmed = [
            confirmation(portfolio.id_of(each), each.amount, portfolio.debtor(each)) for each in batch
        ]
        assert consortium.code(*confirmed, by=portfolio.debtor(batch[0])) is Code.OK
    return portfolio


def play(portfolio: Portfolio) -> Pool:
    """Pooled, drawn, disputed, paid, and the shortfall cured; returns the pool as it stood before the draw."""
    consortium, day = portfolio.consortium, AS_OF.toordinal()
    terms = PoolTerms(
        currency="USD",
        tenor_days_max=PLAN.tenor_days,
        past_due_days_max=PLAN.past_due_days,
        confirmation_required=True,
        debtor_share_bp_max=PLAN.debtor_share_bp,
        advance_rate_bp=PLAN.advance_rate_bp,
        credit_limit=None,
        until_ms=None,
    )
    pool = pooled(consortium, terms)
    members = members_of(portfolio.lines, day, PLAN)
    try_what_is_not_allowed(portfolio, pool, members)
    assert consortium.code(adding(consortium, pool, *map(portfolio.id_of, members))) is Code.OK
    at_first = present(consortium, pool)
    most = secured(at_first)
    assert consortium.code(drawing(pool, most + 1)) is Code.SHORTFALL
    assert consortium.code(drawing(pool, most)) is Code.OK
    issued = [line for line in portfolio.lines if line.issued <= day]
    for line in issued:
        if line.disputed:
            debtor = portfolio.debtor(line)
            assert consortium.code(dispute(portfolio.id_of(line), line.amount, debtor)) is Code.OK
    for line in issued:
        if is_settled(line, day):
            receivable, debtor = portfolio.id_of(line), portfolio.debtor(line)
            resolved = [resolution(receivable, freed=line.amount, debtor=debtor)] if line.disputed else []
            closed = (payment(receivable, line.amount), settlement(receivable))
            assert consortium.code(*resolved, *closed, by=EXPORTER) is Code.OK
    short = shortfall(present(consortium, pool))
    if short:
        assert consortium.code(repaying(pool, short)) is Code.OK
    return at_first


def try_what_is_not_allowed(portfolio: Portfolio, pool: bytes, members: Sequence[Line]) -> None:
    """One customer's alone, all that is eligible without regard to shares, and what is not eligible: each is refused."""
    consortium, day = portfolio.consortium, AS_OF.toordinal()
    issued = [line for line in portfolio.lines if line.issued <= day]
    eligible = [line for line in issued if is_eligible(line, day, PLAN)]
    assert len(members) < len(eligible) < len(issued)
    for too_much in (members[:1], eligible):
        addition = adding(consortium, pool, *map(portfolio.id_of, too_much))
        assert consortium.code(addition) is Code.CONCENTRATION
    for line in issued:
        if line not in eligible:
            refused = consortium.result(adding(consortium, pool, portfolio.id_of(line)))
            assert refused.code is Code.INELIGIBLE
            word = "tenor" if line.due - line.issued > PLAN.tenor_days else "past_due"
            assert word in {reason.word for reason in refused.reasons}


def on_the_chain(portfolio: Portfolio, at_first: Pool) -> PortfolioFigures:
    """The same figures by the pool, by the records and by the supervisor's report on the factor."""
    consortium = portfolio.consortium
    pool, report = present(consortium, at_first.pool_id), in_usd(consortium, FACTOR_1)
    records = [consortium.record(receivable) for receivable in portfolio.ids.values()]
    assert report.advanced == pool.drawn
    assert report.receivables == pool.members
    assert report.pool_shortfall == shortfall(pool) == 0
    assert (report.unconfirmed, report.assigned, report.pledged) == (0, 0, 0)
    return PortfolioFigures(
        registered=len(records),
        registered_amount=sum(record.face_amount for record in records),
        paid=sum(record.paid for record in records),
        members_at_first=at_first.members,
        base_at_first=at_first.base,
        drawn_at_first=report.volume_drawn,
        members=pool.members,
        debtors=len(pool.shares),
        pooled=report.pooled,
        base=pool.base,
        drawn=pool.drawn,
        disputed=report.disputed,
        ageing=report.ageing,
        top_debtor=report.top_debtor_amount,
        top_debtor_share_bp=report.top_debtor_share_bp,
    )


@pytest.mark.parametrize("seed", [2013, 2014])
def test_a_portfolio_comes_to_what_its_file_says(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "invoices.csv"
    write_portfolio(path, 60, seed)
    lines = read_lines(path)
    portfolio = begun(lines)
    at_first = play(portfolio)
    expected = figures_of(lines, AS_OF.toordinal(), PLAN)
    assert on_the_chain(portfolio, at_first) == expected
    # The file has something of everything that is compared.
    assert min(expected.paid, expected.disputed, expected.drawn, expected.members) > 0
    assert expected.drawn < expected.drawn_at_first
    assert sum(amount > 0 for amount in expected.ageing) > 1
