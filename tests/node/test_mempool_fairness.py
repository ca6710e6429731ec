"""The mempool: bounded, fair, each entry once, and nothing stays that cannot be committed."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import pytest

from node.mempool import (
    MEMBER_SHARE,
    REPEAT_AFTER_BLOCKS,
    RETRY_AFTER_MS_MAX,
    RETRY_AFTER_MS_MIN,
    Mempool,
    Overloaded,
)
from registry.entry import Entry
from registry.errors import Code, NotFresh
from registry.identifiers import EntryId
from registry.limits import SEQUENCE_WINDOW
from tests.node.chain_builders import EXPORTER, FACTOR, GENESIS_TIME_MS, registration

CHAIN_ID = bytes(32)
LATER = GENESIS_TIME_MS + 10_000
TEMPLATE = registration(CHAIN_ID, 1)


def entry(
    sequence: int, member: str = EXPORTER, *, size: int = 400, until_ms: int = LATER, variant: int = 0
) -> Entry:
    """An entry with the fields that the mempool looks at; its bytes are only long enough and its own."""
    name = b"%s/%d/%d" % (member.encode(), sequence, variant)
    body = replace(TEMPLATE.body, submitter=member, sequence=sequence, valid_until_ms=until_ms)
    return replace(TEMPLATE, raw=name.ljust(size), entry_id=EntryId(name.ljust(32)), body=body)


def added(mempool: Mempool, *entries: Entry, local: bool = True) -> list[Entry]:
    for each in entries:
        mempool.add(each, local=local)
    return list(entries)


def take(mempool: Mempool, turn: int, count: int) -> list[Entry]:
    return list(islice(mempool.candidates(turn), count))


def test_entry_is_held_once_whoever_brings_it() -> None:
    mempool = Mempool()
    assert mempool.add(entry(1), local=True)
    assert not mempool.add(entry(1), local=False)
    assert len(mempool) == 1
    assert entry(1).entry_id in mempool
    assert mempool.entry_bytes == 400


def test_second_entry_under_a_waiting_sequence_number_is_refused() -> None:
    mempool = Mempool()
    added(mempool, entry(1))
    with pytest.raises(NotFresh) as refused:
        mempool.add(entry(1, variant=1), local=True)
    assert refused.value.code is Code.REPLAYED
    mempool.add(entry(1, FACTOR), local=True)


def test_verified_finds_exactly_the_same_bytes() -> None:
    mempool = Mempool()
    (first,) = added(mempool, entry(1))
    assert mempool.verified(bytes(first.raw)) is first
    assert mempool.verified(first.raw + b" ") is None


def test_candidates_of_one_member_come_by_sequence_number() -> None:
    mempool = Mempool()
    added(mempool, *(entry(sequence) for sequence in (5, 1, 9, 3)))
    assert [each.body.sequence for each in take(mempool, 1, 10)] == [1, 3, 5, 9]
    assert [each.body.sequence for each in take(mempool, 1, 2)] == [1, 3]


def test_empty_mempool_has_no_candidates() -> None:
    assert take(Mempool(), 1, 10) == []


def test_block_is_shared_fairly_although_one_member_floods() -> None:
    mempool = Mempool()
    added(mempool, *(entry(sequence, EXPORTER) for sequence in range(1, 1_001)))
    added(mempool, *(entry(sequence, FACTOR) for sequence in range(1, 11)))
    chosen = take(mempool, 1, 30)
    assert sum(each.body.submitter == FACTOR for each in chosen) == 10
    assert {each.body.submitter for each in chosen[:2]} == {EXPORTER, FACTOR}


def test_fairness_counts_bytes_not_entries() -> None:
    mempool = Mempool()
    added(mempool, *(entry(sequence, EXPORTER, size=10_000) for sequence in range(1, 11)))
    added(mempool, *(entry(sequence, FACTOR, size=500) for sequence in range(1, 101)))
    chosen = take(mempool, 1, 40)
    assert sum(each.body.submitter == EXPORTER for each in chosen) <= 3


def test_who_is_first_among_equals_changes_with_the_height() -> None:
    mempool = Mempool()
    added(mempool, entry(1, EXPORTER), entry(1, FACTOR))
    first = {take(mempool, height, 1)[0].body.submitter for height in range(4)}
    assert first == {EXPORTER, FACTOR}


def test_candidates_go_on_when_one_is_dropped_and_another_comes() -> None:
    mempool = Mempool()
    one, two, three = added(mempool, entry(1), entry(2, FACTOR), entry(3, FACTOR))
    coming = mempool.candidates(1)
    first = next(coming)
    mempool.drop(first.entry_id, Code.NOT_PERMITTED, "no")
    added(mempool, entry(4), entry(4, FACTOR))
    assert [first, *coming] in ([one, two, three], [two, one, three])


def test_candidates_stay_until_they_are_committed() -> None:
    mempool = Mempool()
    one, two = added(mempool, entry(1), entry(2))
    assert take(mempool, 1, 10) == take(mempool, 1, 10) == [one, two]
    assert mempool.committed([one], GENESIS_TIME_MS, 0) == ()
    assert take(mempool, 2, 10) == [two]
    assert mempool.entry_bytes == 400


def test_entries_of_others_that_are_committed_cost_nothing_here() -> None:
    mempool = Mempool()
    added(mempool, entry(1))
    assert mempool.committed([entry(7, FACTOR), entry(2)], GENESIS_TIME_MS, 0) == ()
    assert len(mempool) == 1


def test_entry_whose_sequence_was_used_by_another_is_dropped_and_told_once() -> None:
    mempool = Mempool()
    (waiting,) = added(mempool, entry(4))
    (dropped,) = mempool.committed([entry(4, variant=1)], GENESIS_TIME_MS, 0)
    assert (dropped.entry_id, dropped.code) == (waiting.entry_id, Code.REPLAYED)
    assert len(mempool) == 0
    assert mempool.committed([], GENESIS_TIME_MS, 0) == ()


def test_entries_behind_the_window_are_dropped_and_the_one_at_its_edge_stays() -> None:
    mempool = Mempool()
    behind, edge, ahead = added(mempool, entry(10), entry(11), entry(12))
    dropped = mempool.committed([entry(10 + SEQUENCE_WINDOW)], GENESIS_TIME_MS, 0)
    assert [item.entry_id for item in dropped] == [behind.entry_id]
    assert take(mempool, 1, 10) == [edge, ahead]


def test_entries_whose_time_has_run_out_are_dropped() -> None:
    mempool = Mempool()
    early, late = added(mempool, entry(1, until_ms=LATER), entry(2, until_ms=LATER + 1))
    assert mempool.committed([], LATER - 1, 0) == ()
    (dropped,) = mempool.committed([], LATER, 0)
    assert (dropped.entry_id, dropped.code) == (early.entry_id, Code.EXPIRED)
    assert take(mempool, 1, 10) == [late]


def test_entry_dropped_by_the_proposer_is_told_at_the_next_commit() -> None:
    mempool = Mempool()
    (one,) = added(mempool, entry(1))
    mempool.drop(one.entry_id, Code.SUSPENDED, "why")
    mempool.drop(one.entry_id, Code.SUSPENDED, "again")
    assert len(mempool) == 0
    (dropped,) = mempool.committed([], GENESIS_TIME_MS, 0)
    assert (dropped.code, dropped.message) == (Code.SUSPENDED, "why")


def test_full_mempool_says_when_to_come_again() -> None:
    mempool = Mempool(entries_max=8)
    members = [f"member-{number}" for number in range(MEMBER_SHARE)]
    for member in members:
        added(mempool, entry(1, member), entry(2, member))
    with pytest.raises(Overloaded, match="8 entries") as refused:
        mempool.add(entry(1, "another"), local=True)
    assert RETRY_AFTER_MS_MIN <= refused.value.retry_after_ms <= RETRY_AFTER_MS_MAX
    mempool.committed([entry(1, members[0])], GENESIS_TIME_MS, 0)
    mempool.add(entry(1, "another"), local=True)


def test_full_of_bytes_is_full() -> None:
    mempool = Mempool(bytes_max=4_000)
    added(mempool, entry(1, "a", size=1_000), entry(1, "b", size=1_000), entry(1, "c", size=1_000))
    added(mempool, entry(1, "d", size=1_000))
    with pytest.raises(Overloaded, match="4000 bytes"):
        mempool.add(entry(1, "e", size=1), local=True)


def test_one_members_flood_leaves_room_for_the_others() -> None:
    mempool = Mempool(entries_max=100)
    added(mempool, *(entry(sequence, "flooder") for sequence in range(1, 100 // MEMBER_SHARE + 1)))
    with pytest.raises(Overloaded, match="share"):
        mempool.add(entry(100, "flooder"), local=True)
    mempool.add(entry(1, "another"), local=True)
    with pytest.raises(Overloaded, match="share"):
        Mempool(bytes_max=4_000).add(entry(1, size=1_001), local=True)


def test_retry_time_follows_the_pace_of_commits() -> None:
    mempool = Mempool()
    waiting = added(mempool, *(entry(sequence, f"m{sequence % 50}") for sequence in range(1, 4_001)))
    fast = mempool.retry_after_ms()
    for number in range(40):
        mempool.committed([waiting[number]], GENESIS_TIME_MS, number * 1_000)
    assert mempool.retry_after_ms() > fast


def test_only_own_entries_are_gossiped_and_once() -> None:
    mempool = Mempool()
    mine, _ = added(mempool, entry(1), local=True)[0], added(mempool, entry(2), local=False)
    assert mempool.take_gossip(1 << 20) == (mine.raw,)
    assert mempool.take_gossip(1 << 20) == ()


def test_gossip_batches_are_bounded_but_never_stuck() -> None:
    mempool = Mempool()
    added(mempool, *(entry(sequence, size=1_000) for sequence in range(1, 6)))
    assert [len(mempool.take_gossip(2_500)) for _ in range(4)] == [2, 2, 1, 0]
    added(mempool, entry(9, size=9_000))
    assert len(mempool.take_gossip(100)) == 1


def test_committed_entries_are_not_gossiped() -> None:
    mempool = Mempool()
    (one,) = added(mempool, entry(1))
    mempool.committed([one], GENESIS_TIME_MS, 0)
    assert mempool.take_gossip(1 << 20) == ()


def test_own_entry_that_blocks_pass_over_is_gossiped_again() -> None:
    mempool = Mempool()
    (one,) = added(mempool, entry(1))
    assert mempool.take_gossip(1 << 20) == (one.raw,)
    for number in range(REPEAT_AFTER_BLOCKS):
        assert mempool.take_gossip(1 << 20) == ()
        mempool.committed([entry(number + 1, FACTOR)], GENESIS_TIME_MS, 0)
    assert mempool.take_gossip(1 << 20) == (one.raw,)


def test_heap_of_expiries_does_not_grow_with_what_was_committed() -> None:
    mempool = Mempool(entries_max=100_000)
    for start in range(0, 20_000, 1_000):
        batch = added(mempool, *(entry(sequence) for sequence in range(start + 1, start + 1_001)))
        mempool.committed(batch, GENESIS_TIME_MS, 0)
    assert len(mempool) == 0
    assert len(mempool._expiry) <= 2_001
