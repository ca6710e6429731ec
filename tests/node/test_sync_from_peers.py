"""Catching up from peers of which some lie."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import cast

import pytest
import structlog
from grpc import StatusCode
from grpc.aio import AioRpcError, Metadata

from node.peering import sync as sync_module
from node.peering.peers import PeerLink
from node.peering.sync import Sync
from node.telemetry import Metrics
from pledgebook.v1 import ledger_pb2
from registry.errors import BlockInvalid

TRUE_HEIGHT = 50


class TestClock:
    """A clock that only tests move."""

    __test__ = False

    def __init__(self) -> None:
        self.ms = 0

    def now_ms(self) -> int:
        return self.ms

    def monotonic_ms(self) -> int:
        return self.ms


@dataclass
class FakeLink:
    """A peer with the true chain up to `height`, or a way to fail."""

    height: int = TRUE_HEIGHT
    kind: str = "honest"
    connected: bool = True
    asked: int = 0

    async def fetch_blocks(
        self, from_height: int, count: int, timeout_s: float
    ) -> AsyncGenerator[ledger_pb2.CertifiedBlock, None]:
        self.asked += 1
        if self.kind == "unreachable":
            raise AioRpcError(StatusCode.UNAVAILABLE, Metadata(), Metadata(), "gone")
        if self.kind == "silent":
            return
        if self.kind == "hanging":
            await asyncio.sleep(3_600)
        payload = b"false" if self.kind == "liar" else b"true"
        for height in range(from_height, min(self.height, from_height + count - 1) + 1):
            yield ledger_pb2.CertifiedBlock(height=height, block=payload, certificate=b"%d" % height)
        if self.kind == "stalling":
            await asyncio.sleep(3_600)


@dataclass
class FakeEngine:
    """Commits true blocks, in order."""

    height: int = 0
    syncing: list[bool] = field(default_factory=list)
    spoke_at: list[int] = field(default_factory=list)
    failure: BaseException | None = None

    async def apply_certified_block(self, payload: bytes, certificate: bytes) -> bool:
        if self.failure is not None:
            raise self.failure
        if payload != b"true":
            raise BlockInvalid("false")
        assert int(certificate) == self.height + 1
        self.height += 1
        return True

    async def set_syncing(self, syncing: bool) -> None:
        self.syncing.append(syncing)
        if not syncing:
            self.spoke_at.append(self.height)


def make_sync(engine: FakeEngine, *, votes: bool = False, **links: FakeLink) -> tuple[Sync, TestClock]:
    """Sync of a node that has been running for a while or, with `votes`, of a validator that starts: two peers are a quorum
    with it."""
    clock = TestClock()
    logger = structlog.get_logger()
    typed = cast(dict[str, PeerLink], links)
    quorum_with = (lambda peers: len(peers) >= 2) if votes else None
    sync = Sync(typed, engine, lambda: engine.height, clock, Metrics(), logger, quorum_with=quorum_with)
    return sync, clock


async def run_until(sync: Sync, engine: FakeEngine, height: int, seconds: float = 5) -> None:
    running = asyncio.create_task(sync.run())
    try:
        async with asyncio.timeout(seconds):
            while engine.height < height or engine.syncing[-1:] == [True]:
                await asyncio.sleep(0.005)
                if running.done():
                    await running
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def claim_for(sync: Sync, seconds: float, **claims: int) -> None:
    """Run for a while with these claims."""
    for peer, height in claims.items():
        sync.claim(peer, height)
    running = asyncio.create_task(sync.run())
    await asyncio.sleep(seconds)
    assert not running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_module, "GRACE_S", 0.0)
    monkeypatch.setattr(sync_module, "CHECK_S", 0.01)


async def test_node_that_is_behind_fetches_what_it_lacks_and_signs_nothing_meanwhile() -> None:
    engine, link = FakeEngine(), FakeLink(height=200)
    sync, _ = make_sync(engine, honest=link)
    sync.claim("honest", 200)
    await run_until(sync, engine, 200)
    assert engine.syncing == [True, False]
    assert link.asked == 4  # 64 blocks a call


async def test_claim_alone_silences_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_module, "BLOCK_TIMEOUT_S", 0.05)
    for kind in ("hanging", "silent", "liar", "unreachable"):
        engine, bad = FakeEngine(height=TRUE_HEIGHT), FakeLink(kind=kind)
        sync, _ = make_sync(engine, bad=bad)
        await claim_for(sync, 0.2, bad=TRUE_HEIGHT + 10_000)
        assert bad.asked == 1
        assert engine.syncing == []


async def test_single_lacking_block_silences_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_module, "BLOCK_TIMEOUT_S", 0.05)
    engine, bad = FakeEngine(height=TRUE_HEIGHT - 1), FakeLink(kind="stalling")
    sync, _ = make_sync(engine, bad=bad)
    await claim_for(sync, 0.2, bad=TRUE_HEIGHT + 10_000)
    assert engine.height == TRUE_HEIGHT
    assert engine.syncing == []


async def test_silence_ends_when_the_next_block_does_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_module, "BLOCK_TIMEOUT_S", 0.05)
    engine, bad = FakeEngine(), FakeLink(kind="stalling")
    sync, _ = make_sync(engine, bad=bad)
    await claim_for(sync, 0.3, bad=TRUE_HEIGHT + 10_000)
    assert engine.height == TRUE_HEIGHT
    assert engine.syncing == [True, False]
    assert bad.asked == 1


async def test_pause_doubles_with_every_claim_that_is_not_delivered_up_to_a_bound() -> None:
    engine, bad = FakeEngine(), FakeLink(kind="silent")
    sync, clock = make_sync(engine, bad=bad)
    pause_ms, pauses = sync_module.UNDELIVERED_FOR_MS, 0
    while pauses < 10:
        await claim_for(sync, 0.1, bad=10)
        assert bad.asked == pauses + 1
        clock.ms += pause_ms - 1
        await claim_for(sync, 0.1, bad=10)
        assert bad.asked == pauses + 1
        clock.ms += 1
        pause_ms, pauses = min(2 * pause_ms, sync_module.LIAR_FOR_MS), pauses + 1
    assert pause_ms == sync_module.LIAR_FOR_MS


async def test_peer_that_keeps_its_word_again_is_trusted_as_before() -> None:
    engine, link = FakeEngine(), FakeLink(kind="silent")
    sync, clock = make_sync(engine, link=link)
    await claim_for(sync, 0.1, link=10)
    clock.ms += sync_module.UNDELIVERED_FOR_MS
    link.kind = "honest"
    await claim_for(sync, 0.1, link=10)
    assert engine.height == TRUE_HEIGHT
    link.kind = "silent"
    await claim_for(sync, 0.1, link=TRUE_HEIGHT + 10)
    clock.ms += sync_module.UNDELIVERED_FOR_MS
    asked = link.asked
    await claim_for(sync, 0.1, link=TRUE_HEIGHT + 10)
    assert link.asked == asked + 1


async def test_node_a_thousand_blocks_behind_is_silent_from_the_second_block_to_the_last() -> None:
    engine, link = FakeEngine(), FakeLink(height=1_000)
    sync, _ = make_sync(engine, honest=link)
    sync.claim("honest", 1_000)
    await run_until(sync, engine, 1_000)
    assert engine.syncing == [True, False]


async def test_validator_that_starts_is_silent_until_it_has_heard_a_quorum_and_is_level() -> None:
    engine = FakeEngine()
    sync, _ = make_sync(
        engine, votes=True, low=FakeLink(height=5), high=FakeLink(), silent=FakeLink(kind="silent")
    )
    await claim_for(sync, 0.2, low=5)
    assert (engine.height, engine.syncing) == (0, [])
    await claim_for(sync, 0.3, high=TRUE_HEIGHT, silent=TRUE_HEIGHT + 10_000)
    assert (engine.height, engine.syncing) == (TRUE_HEIGHT, [False])


async def test_validator_that_starts_stays_silent_while_a_liar_is_asked_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sync_module, "BLOCK_TIMEOUT_S", 0.2)
    for _ in range(4):
        engine = FakeEngine()
        sync, _ = make_sync(engine, votes=True, evil=FakeLink(kind="hanging"), honest=FakeLink())
        await claim_for(sync, 0.6, evil=TRUE_HEIGHT + 10_000, honest=TRUE_HEIGHT)
        assert (engine.height, engine.syncing) == (TRUE_HEIGHT, [False])
        assert engine.spoke_at == [TRUE_HEIGHT]


async def test_liars_cannot_keep_a_validator_silent_at_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_module, "BLOCK_TIMEOUT_S", 0.05)
    monkeypatch.setattr(sync_module, "START_SILENCE_MS", 0)
    engine = FakeEngine()
    links = {f"evil-{number}": FakeLink(kind="hanging") for number in range(9)}
    sync, _ = make_sync(engine, votes=True, **links)
    await claim_for(sync, 0.2, **dict.fromkeys(links, 10_000))
    assert engine.syncing == [False]


@pytest.mark.parametrize(("heard", "checks"), [(0, 3), (1, 6)])
async def test_validator_goes_on_without_a_quorum_after_a_while(
    monkeypatch: pytest.MonkeyPatch, heard: int, checks: int
) -> None:
    monkeypatch.setattr(sync_module, "LISTEN_CHECKS_ALONE", 3)
    monkeypatch.setattr(sync_module, "LISTEN_CHECKS_MAX", 6)
    engine = FakeEngine()
    sync, _ = make_sync(engine, votes=True, peer=FakeLink())
    claims = {"peer": 0} if heard else {}
    await claim_for(sync, (checks - 1) * sync_module.LISTEN_CHECK_S, **claims)
    assert engine.syncing == []
    await claim_for(sync, (checks + 2) * sync_module.LISTEN_CHECK_S, **claims)
    assert engine.syncing == [False]


@pytest.mark.parametrize("kind", ["liar", "silent", "unreachable"])
async def test_peer_that_does_not_deliver_is_dropped_and_another_one_used(kind: str) -> None:
    for _ in range(5):
        engine, bad = FakeEngine(), FakeLink(kind=kind)
        sync, _ = make_sync(engine, bad=bad, honest=FakeLink())
        sync.claim("bad", TRUE_HEIGHT + 1_000_000)
        sync.claim("honest", TRUE_HEIGHT)
        await run_until(sync, engine, TRUE_HEIGHT)
        assert bad.asked <= 1


async def test_dropped_liar_is_not_asked_again_until_its_time_is_over() -> None:
    engine, bad = FakeEngine(), FakeLink(kind="liar")
    sync, clock = make_sync(engine, bad=bad)
    for ms, asked in ((0, 1), (sync_module.LIAR_FOR_MS - 1, 1), (sync_module.LIAR_FOR_MS, 2)):
        clock.ms = ms
        sync.claim("bad", 10)
        running = asyncio.create_task(sync.run())
        await asyncio.sleep(0.1)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert bad.asked == asked


async def test_claim_of_a_stranger_is_not_kept() -> None:
    sync, _ = make_sync(FakeEngine(), honest=FakeLink())
    sync.claim("stranger", 10**9)
    assert sync._claims == {}


async def test_one_height_ahead_is_left_to_consensus_until_it_lasts() -> None:
    engine, link = FakeEngine(height=9), FakeLink(height=10)
    sync, clock = make_sync(engine, honest=link)
    sync.claim("honest", 10)
    running = asyncio.create_task(sync.run())
    await asyncio.sleep(0.1)
    assert link.asked == 0
    clock.ms = sync_module.STUCK_MS + 1
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await run_until(sync, engine, 10)


async def test_what_stops_the_engine_stops_sync() -> None:
    class Halted(Exception):
        pass

    engine = FakeEngine(failure=Halted())
    sync, _ = make_sync(engine, honest=FakeLink())
    sync.claim("honest", TRUE_HEIGHT)
    with pytest.raises(Halted):
        await asyncio.wait_for(sync.run(), 2)
