"""The bounded queues towards one peer."""

from __future__ import annotations

import asyncio

from node.peering.outbox import (
    CONTROL_FRAMES_MAX,
    ENTRY_BYTES_MAX,
    ENTRY_FRAMES_MAX,
    PROPOSAL_FRAMES_MAX,
    Outbox,
    Priority,
)


async def drain(outbox: Outbox[str]) -> list[str]:
    return [await outbox.get() for _ in range(len(outbox))]


async def test_votes_go_before_proposals_before_entries() -> None:
    outbox: Outbox[str] = Outbox()
    outbox.put(Priority.ENTRIES, "entries", 1)
    outbox.put(Priority.PROPOSAL, "value", 1)
    outbox.put(Priority.CONTROL, "first vote", 1)
    outbox.put(Priority.CONTROL, "second vote", 1)
    assert await drain(outbox) == ["first vote", "second vote", "value", "entries"]


async def test_full_control_queue_drops_its_oldest_frame() -> None:
    outbox: Outbox[str] = Outbox()
    kept = [outbox.put(Priority.CONTROL, str(number), 1) for number in range(CONTROL_FRAMES_MAX + 1)]
    assert kept.count(False) == 1
    assert not kept[-1]
    frames = await drain(outbox)
    assert len(frames) == CONTROL_FRAMES_MAX
    assert frames[0] == "1"


async def test_full_proposal_queue_drops_its_oldest_frame() -> None:
    outbox: Outbox[str] = Outbox()
    for number in range(PROPOSAL_FRAMES_MAX + 1):
        outbox.put(Priority.PROPOSAL, str(number), 1)
    assert (await drain(outbox))[0] == "1"


async def test_full_entry_queue_does_not_take_the_newest() -> None:
    outbox: Outbox[str] = Outbox()
    for number in range(ENTRY_FRAMES_MAX):
        assert outbox.put(Priority.ENTRIES, str(number), 1)
    assert not outbox.put(Priority.ENTRIES, "late", 1)
    assert (await drain(outbox))[-1] == str(ENTRY_FRAMES_MAX - 1)


async def test_entry_bytes_are_bounded_and_given_back() -> None:
    outbox: Outbox[str] = Outbox()
    assert outbox.put(Priority.ENTRIES, "large", ENTRY_BYTES_MAX)
    assert not outbox.put(Priority.ENTRIES, "small", 1)
    await outbox.get()
    assert outbox.put(Priority.ENTRIES, "small", 1)
    outbox.clear()
    assert len(outbox) == 0
    assert outbox.put(Priority.ENTRIES, "large", ENTRY_BYTES_MAX)


async def test_get_waits_for_a_frame() -> None:
    outbox: Outbox[str] = Outbox()
    waiting = asyncio.create_task(outbox.get())
    await asyncio.sleep(0)
    assert not waiting.done()
    outbox.put(Priority.CONTROL, "vote", 1)
    assert await asyncio.wait_for(waiting, 1) == "vote"
