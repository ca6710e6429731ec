"""Who waits for which entry, and is told."""

from __future__ import annotations

import asyncio

import pytest

from node.api import commit_feed
from node.api.commit_feed import CommitFeed
from node.status import CallCode, CallRefused

A, B, C = b"a", b"b", b"c"


async def test_watch_is_told_of_each_block_with_its_entries_once() -> None:
    feed = CommitFeed(3)
    with feed.watch({A, B, C}) as watch:
        feed.committed(4, (A, b"other", B))
        feed.committed(5, (b"other",))
        feed.committed(6, (C,))
        assert await watch.next_places() == {4: {A: 0, B: 2}, 6: {C: 0}}


async def test_watch_waits_for_the_next_block() -> None:
    feed = CommitFeed(0)
    with feed.watch({A}) as watch:
        waiting = asyncio.create_task(watch.next_places())
        await asyncio.sleep(0)
        assert not waiting.done()
        feed.committed(1, (A,))
        assert await waiting == {1: {A: 0}}


async def test_nothing_is_kept_for_those_who_have_left() -> None:
    feed = CommitFeed(0)
    with feed.watch({A, B}), feed.watch({A}):
        pass
    assert feed._watches == {}
    assert feed._waited == 0


async def test_watch_is_left_also_by_an_error() -> None:
    feed = CommitFeed(0)
    with pytest.raises(RuntimeError), feed.watch({A}):
        raise RuntimeError
    assert feed._watches == {}


async def test_two_watches_of_one_entry_are_both_told() -> None:
    feed = CommitFeed(0)
    with feed.watch({A}) as first, feed.watch({A}) as second:
        feed.committed(1, (A,))
        assert await first.next_places() == await second.next_places() == {1: {A: 0}}


async def test_more_waited_entries_than_the_bound_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit_feed, "WAITED_ENTRIES_MAX", 2)
    feed = CommitFeed(0)
    with feed.watch({A}):
        with pytest.raises(CallRefused) as caught, feed.watch({B, C}):
            pass
        assert caught.value.code is CallCode.OVERLOADED
        assert caught.value.retry_after_ms == commit_feed.RETRY_AFTER_MS
        with feed.watch({B}):
            pass


async def test_height_is_awaited_by_many() -> None:
    feed = CommitFeed(7)
    waiting = [asyncio.create_task(feed.above(height)) for height in (6, 7, 8)]
    await asyncio.sleep(0)
    assert [task.done() for task in waiting] == [True, False, False]
    feed.committed(8, ())
    feed.committed(9, ())
    assert [await task for task in waiting] == [7, 9, 9]
