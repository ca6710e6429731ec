from itertools import product

import pytest

from consensus.recovery import (
    NormalStart,
    ObserveOnly,
    Refuse,
    SignedPlace,
    StartFacts,
    StartRule,
    judge_start,
)


@pytest.mark.parametrize(
    ("store", "journal", "signed", "peers"),
    [
        (0, None, None, 0),
        (0, None, 0, 0),
        (0, 1, None, 0),
        (0, 1, 1, 0),
        (10, 11, 11, 0),
        (10, 11, 10, 0),
        (10, 11, 0, 0),
        (10, 10, 10, 10),
        (10, 11, 11, 10),
        (10, 11, 11, 11),
        (10, 3, 3, 10),
        (10, 3, 0, 10),
    ],
    ids=[
        "new node, new chain",
        "new node whose signer file was made at once",
        "killed before anything was signed",
        "killed at the first height",
        "killed while voting",
        "killed while resting",
        "never had a vote so far",
        "killed between commit and the next journal",
        "all restart",
        "all restart and we are one behind",
        "killed while it fetched blocks",
        "killed while it fetched blocks, before it ever voted",
    ],
)
def test_an_intact_node_votes_again(store: int, journal: int | None, signed: int | None, peers: int) -> None:
    assert _judge(store, journal, signed, peers) == NormalStart()


@pytest.mark.parametrize(
    ("store", "journal", "signed", "peers", "until_above"),
    [
        (10, None, 11, 10, 11),
        (10, None, 11, 0, 11),
        (0, None, 1, 0, 1),
        (0, None, None, 7, 8),
        (0, None, 0, 7, 8),
        (10, 11, None, 10, 11),
        (10, 11, 11, 12, 13),
        (10, 11, 40, 10, 40),
        (10, None, 40, 60, 61),
        (10, 11, 20, 60, 61),
        (10, 9, 10, 10, 11),
        (10, 3, 11, 10, 11),
    ],
    ids=[
        "journal deleted",
        "journal deleted and no peer seen",
        "journal deleted at the first height",
        "wiped",
        "wiped, signer file made anew",
        "signer file deleted",
        "all files from a backup, or long away",
        "store and journal from a backup",
        "journal deleted and store from a backup",
        "backup and far behind",
        "journal from a backup",
        "journal from an old backup",
    ],
)
def test_a_node_that_may_have_forgotten_observes(
    store: int, journal: int | None, signed: int | None, peers: int, until_above: int
) -> None:
    rule = _judge(store, journal, signed, peers)
    assert isinstance(rule, ObserveOnly)
    assert rule.until_above == until_above
    assert rule.reason


@pytest.mark.parametrize(
    ("store", "journal", "signed"), [(10, 12, 12), (10, 50, 50), (10, 12, 40), (0, 2, None)]
)
def test_a_store_behind_its_journal_is_refused(store: int, journal: int, signed: int | None) -> None:
    rule = _judge(store, journal, signed, 0)
    assert isinstance(rule, Refuse)
    assert str(journal) in rule.reason
    assert str(store) in rule.reason


def test_nobody_votes_at_a_height_where_it_may_have_signed_unknown_things() -> None:
    heights = (None, 0, 1, 2, 3, 4, 5)
    for store, journal, signed, peers in product(range(5), heights, heights, range(5)):
        rule = _judge(store, journal, signed, peers)
        match rule:
            case NormalStart():
                # Both memories reach as far as the store, and nothing was certified beyond the height being decided.
                assert peers <= store + 1
                assert journal is None or journal <= store + 1
                assert signed is None or signed <= (journal or 0)
                assert store == 0 or (journal is not None and signed is not None)
            case ObserveOnly(until_above):
                assert until_above >= max(store, peers, signed or 0)
            case Refuse():
                assert journal is not None
                assert journal > store + 1


def _judge(store: int, journal: int | None, signed: int | None, peers: int) -> StartRule:
    place = None if signed is None else SignedPlace(signed, 0)
    return judge_start(StartFacts(store, journal, place, peers))
