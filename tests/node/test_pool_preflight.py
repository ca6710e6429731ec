"""Preflight of changes of a pool: a forecast for its parties, and nothing of receivables that they merely name."""

from __future__ import annotations

import pytest

from node.api.preflight import receivables_named
from registry.entry import decode_entry
from tests.node.test_preflight_visibility import ask, codes
from tests.registry.consortium import (
    AFFILIATE,
    DEBTOR_REFERENCE,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    Consortium,
    found,
)
from tests.registry.pool_examples import OF_ONE_DEBTOR, adding, drawing, pooled, removing, substituting


@pytest.fixture
def trade() -> tuple[Consortium, bytes, bytes, bytes]:
    """A chain, a pool of exporter-1, a receivable of it, and one of its affiliate."""
    consortium = found()
    own = consortium.registered()
    foreign = consortium.registered(exporter=AFFILIATE, debtor_reference=DEBTOR_REFERENCE, amount=77_700)
    return consortium, pooled(consortium, OF_ONE_DEBTOR), own, foreign


def test_every_receivable_that_a_change_names_is_noted(
    trade: tuple[Consortium, bytes, bytes, bytes],
) -> None:
    consortium, pool, own, foreign = trade
    entry = consortium.entry(
        substituting(consortium, pool, [own], [foreign]), removing(pool, own), drawing(pool, 1)
    )
    assert receivables_named(decode_entry(entry)) == [own, foreign]


def test_a_party_hears_whether_its_own_receivable_could_be_added(
    trade: tuple[Consortium, bytes, bytes, bytes],
) -> None:
    consortium, pool, own, _foreign = trade
    assert codes(ask(consortium, EXPORTER, adding(consortium, pool, own))) == ["OK"]
    # The factor is no party of the receivable before it stands in the pool, and nobody else has signed.
    assert ask(consortium, FACTOR_1, adding(consortium, pool, own)).results == ()


def test_naming_the_receivable_of_another_in_a_change_shows_nothing_of_it(
    trade: tuple[Consortium, bytes, bytes, bytes],
) -> None:
    consortium, pool, own, foreign = trade
    for operation in (
        adding(consortium, pool, own, foreign),
        removing(pool, foreign),
        substituting(consortium, pool, [own], [foreign]),
    ):
        judged = ask(consortium, EXPORTER, operation)
        assert (judged.door_code, judged.results) == ("MISSING_SIGNATURE", ())


def test_who_is_no_party_of_a_pool_learns_no_figure_of_it(
    trade: tuple[Consortium, bytes, bytes, bytes],
) -> None:
    consortium, pool, own, _foreign = trade
    consortium.do(adding(consortium, pool, own))
    (refused,) = ask(consortium, FACTOR_2, drawing(pool, 2**40, factor=FACTOR_2)).results
    assert (str(refused.code), refused.reasons) == ("NOT_PERMITTED", ())
    assert ask(consortium, FACTOR_2, drawing(pool, 2**40)).results == ()
