"""The door: one verdict per entry, in order, and bounds on what waits there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from node import door as door_module
from node.door import OVERLOADED, Door, Verdict
from node.mempool import Mempool
from node.store import Store
from registry.entry import assemble
from registry.genesis import Genesis
from registry.transition import genesis_state
from tests.node.chain_builders import FixedClock, make_genesis, registration


class OpenDoor:
    """A door over an empty chain, with what it feeds."""

    def __init__(self, genesis: Genesis, store: Store) -> None:
        self.chain_id = genesis.chain_id
        self.mempool = Mempool(entries_max=400)
        self.clock = FixedClock()
        self.told = 0
        self.wrong: list[tuple[str, str]] = []
        self.door = Door(
            genesis.chain_id,
            store,
            self.mempool,
            self.clock,
            self._tell,
            lambda peer, reason: self.wrong.append((peer, reason.split(": ")[1])),
        )

    def _tell(self) -> None:
        self.told += 1

    async def admit(self, raws: list[bytes], member: str = "member-1") -> list[Verdict]:
        """What a member hears of its entries."""
        return await self.door.admit(raws, member)


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[OpenDoor]:
    genesis = make_genesis()
    store = Store.open(tmp_path / "store", genesis.chain_id, fsync=False)
    store.commit_genesis(genesis_state(genesis).delta)
    opened = OpenDoor(genesis, store)
    running = asyncio.create_task(opened.door.run())
    yield opened
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    opened.door.close()
    store.close()


def codes(verdicts: list[Verdict]) -> list[str]:
    return [verdict.code for verdict in verdicts]


async def test_verdicts_come_in_the_order_of_the_entries(at: OpenDoor) -> None:
    first, second = registration(at.chain_id, 1), registration(at.chain_id, 2)
    verdicts = await at.admit([first.raw, b"garbage", second.raw, registration(bytes(32), 3).raw])
    assert codes(verdicts) == ["OK", "MALFORMED", "OK", "WRONG_CHAIN"]
    assert [verdict.entry_id for verdict in verdicts[:3]] == [first.entry_id, b"", second.entry_id]
    assert len(at.mempool) == 2
    assert at.told == 1


async def test_entry_that_waits_already_is_ok_and_held_once(at: OpenDoor) -> None:
    entry = registration(at.chain_id, 1)
    assert codes(await at.admit([entry.raw])) == ["OK"]
    assert codes(await at.admit([entry.raw, entry.raw])) == ["OK", "OK"]
    assert len(at.mempool) == 1


async def test_known_body_under_a_forged_signature_does_not_replace_the_verified_one(at: OpenDoor) -> None:
    entry = registration(at.chain_id, 1)
    forged = assemble(entry.body_bytes, (replace(entry.signatures[0], signature=bytes(64)),))
    assert codes(await at.admit([forged])) == ["BAD_SIGNATURE"]
    assert codes(await at.admit([entry.raw, forged])) == ["OK", "OK"]
    assert at.mempool.verified(forged) is None
    assert at.mempool.verified(entry.raw) is not None


async def test_second_entry_with_the_same_sequence_number_is_refused(at: OpenDoor) -> None:
    entry = registration(at.chain_id, 1)
    other = registration(at.chain_id, 1, valid_until_ms=at.clock.ms + 5_000)
    assert codes(await at.admit([entry.raw, other.raw])) == ["OK", "REPLAYED"]


async def test_expired_entry_is_refused_and_one_at_its_last_millisecond_is_not(at: OpenDoor) -> None:
    late = registration(at.chain_id, 1, valid_until_ms=at.clock.ms - 1)
    just = registration(at.chain_id, 2, valid_until_ms=at.clock.ms)
    assert codes(await at.admit([late.raw, just.raw])) == ["EXPIRED", "OK"]


async def test_member_s_share_of_the_mempool_is_overloaded_with_a_retry_time(at: OpenDoor) -> None:
    verdicts = await at.admit([registration(at.chain_id, number).raw for number in range(1, 102)])
    assert codes(verdicts) == ["OK"] * 100 + [OVERLOADED]
    assert verdicts[-1].retry_after_ms > 0


async def test_only_entries_of_own_clients_are_for_gossip(at: OpenDoor) -> None:
    own, foreign = registration(at.chain_id, 1), registration(at.chain_id, 2)
    at.door.offer([foreign.raw], "peer-1")
    await at.admit([own.raw])
    assert len(at.mempool) == 2
    assert at.mempool.take_gossip(10**6) == (own.raw,)


async def test_too_many_waiting_entries_are_refused_at_once(
    at: OpenDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door_module, "WAITING_ENTRIES_MAX", 10)
    verdicts = await at.admit([b"x"] * 11)
    assert set(codes(verdicts)) == {OVERLOADED}
    assert all(verdict.retry_after_ms > 0 for verdict in verdicts)


async def test_gossip_leaves_half_of_the_room_to_clients(
    at: OpenDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door_module, "WAITING_ENTRIES_MAX", 10)
    for number in range(1, 20):
        at.door.offer([registration(at.chain_id, number).raw], f"peer-{number % 3}")
    verdicts = await at.admit([registration(at.chain_id, number).raw for number in range(21, 26)])
    assert codes(verdicts) == ["OK"] * 5
    assert len(at.mempool) == 10


async def test_peer_is_named_for_entries_that_no_correct_node_gossips(at: OpenDoor) -> None:
    entry = registration(at.chain_id, 1)
    forged = assemble(entry.body_bytes, (replace(entry.signatures[0], signature=bytes(64)),))
    late = registration(at.chain_id, 2, valid_until_ms=at.clock.ms - 1)
    foreign = registration(bytes(32), 3)
    at.door.offer([forged, b"garbage", entry.raw, late.raw, foreign.raw], "peer-1")
    await at.admit([forged, b"garbage"])
    assert at.wrong == [("peer-1", "BAD_SIGNATURE"), ("peer-1", "MALFORMED"), ("peer-1", "WRONG_CHAIN")]


async def test_one_peer_leaves_room_to_the_others(at: OpenDoor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door_module, "WAITING_ENTRIES_MAX", 12)
    for number in range(1, 20):
        at.door.offer([registration(at.chain_id, number).raw], "flood")
    at.door.offer([registration(at.chain_id, 21).raw], "peer-1")
    last = registration(at.chain_id, 22)
    assert codes(await at.admit([last.raw])) == ["OK"]
    assert len(at.mempool) == 3 + 1 + 1


async def test_one_member_leaves_room_to_the_others(at: OpenDoor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door_module, "WAITING_ENTRIES_MAX", 12)
    asking = [
        asyncio.create_task(at.admit([registration(at.chain_id, number).raw], "flood"))
        for number in range(1, 10)
    ]
    asking.append(asyncio.create_task(at.admit([registration(at.chain_id, 21).raw], "member-2")))
    verdicts = [codes(await task)[0] for task in asking]
    assert verdicts == ["OK"] * 6 + [OVERLOADED] * 3 + ["OK"]


async def test_room_is_bounded_in_bytes_too_and_free_again_afterwards(
    at: OpenDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door_module, "WAITING_BYTES_MAX", 4_000)
    for _ in range(2):
        asking = [asyncio.create_task(at.admit([bytes(1_000)], f"member-{name}")) for name in "aaabbbccc"]
        verdicts = [codes(await task)[0] for task in asking]
        # Half of the room for one member, and all of it for all.
        assert verdicts == ["MALFORMED"] * 2 + [OVERLOADED] + ["MALFORMED"] * 2 + [OVERLOADED] * 4


async def test_caller_that_left_does_not_stop_the_others(at: OpenDoor) -> None:
    entries = [registration(at.chain_id, number) for number in range(1, 60)]
    gone = asyncio.create_task(at.admit([entry.raw for entry in entries]))
    await asyncio.sleep(0)
    gone.cancel()
    last = registration(at.chain_id, 60)
    assert codes(await at.admit([last.raw])) == ["OK"]
    assert len(at.mempool) == 60
