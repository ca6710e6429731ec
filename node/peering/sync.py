"""Catching up: a node that is behind fetches certified blocks from its peers, at start and at any time.

Guarantees: what a peer says of its height decides only whom to ask; a block enters by its certificate alone, which the
engine checks. The engine falls silent only after certified blocks that it lacked have come and more are said to follow,
and speaks again as soon as they fail to: a claim alone silences nobody. A peer that does not deliver what it claims is
not asked again for a while, which doubles each time; one that delivers a false block for the longest while at once.

At start a validator is silent until it has heard peers that make up a quorum with it and has fetched what they have, as far
as they deliver it in time: its files may be from a backup, and then it has forgotten what it signed at those heights. The
certificates that it lacks tell the engine whether that is so.

Why a node may sign later on while it does not yet know whether it is behind: it signs only at its own next height, under the rules
of consensus and its signer's memory, so that a vote there is safe whatever the others have decided. If they are further,
it is useless, and that is all. Silence then spares the disk; it protects nothing, and so nobody may be able to force it.
Leaves to others: checking and committing (the engine, on its thread), the streams (`peers`).
One event loop owns it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import aclosing
from typing import Protocol, TypeVar

from grpc import aio
from structlog.typing import FilteringBoundLogger

from consensus.errors import CertificateInvalid, InvalidMessage
from node.clock import Clock
from node.peering.peer_service import FETCH_COUNT_MAX
from node.peering.peers import PeerLink
from node.telemetry import Metrics
from registry.errors import BadSignature, BlockInvalid

Block = TypeVar("Block")

# One height ahead is the normal state of a peer that decided a moment earlier.
AHEAD_MIN = 2
# A gap of one that stays this long is none of a moment.
STUCK_MS = 2_000
# Peers run ahead for a moment under load; a node that catches up by itself within this time is not behind.
GRACE_S = 0.1
CHECK_S = 0.25
# Of one call; the time for applying its blocks is part of it.
FETCH_TIMEOUT_S = 30.0
# For the next block of a call: a whole one over a slow line, and what a liar can cost before its pause.
BLOCK_TIMEOUT_S = 2.0
# One lacking block is the normal state of a moment; the second shows that the others have gone on without us.
SILENT_FROM_BLOCKS = 2
# At start: how often to look who has been heard of, and how many looks before going on without a quorum. A node that hears
# nobody may be the first of many that start; one that hears some waits longer, since without a quorum nothing is decided.
LISTEN_CHECK_S = 0.05
LISTEN_CHECKS_ALONE = 60
LISTEN_CHECKS_MAX = 200
# For so long after that, a peer that does not deliver what it claims leaves the node silent to ask another.
START_SILENCE_MS = 10_000
# How long a peer is not asked after the first claim that it did not deliver. Doubles each time, up to the second figure.
UNDELIVERED_FOR_MS = 5_000
LIAR_FOR_MS = 600_000


class SyncsEngine(Protocol):
    """The part of the engine that sync drives, on the engine's thread."""

    async def apply_certified_block(self, payload: bytes, certificate: bytes) -> bool:
        """Whether the block was lacking: False when consensus has committed its height meanwhile."""
        ...

    async def set_syncing(self, syncing: bool) -> None: ...


class Sync:
    """Watches how far the peers say they are, and fetches what is missing."""

    def __init__(
        self,
        links: Mapping[str, PeerLink],
        engine: SyncsEngine,
        height: Callable[[], int],
        clock: Clock,
        metrics: Metrics,
        logger: FilteringBoundLogger,
        *,
        quorum_with: Callable[[Collection[str]], bool] | None,
    ) -> None:
        """`height` gives this node's last committed height. `quorum_with` says whether peers and this node are a quorum;
        with it the engine must be silent when `run` begins. None where there is nothing to be silent about: an observer."""
        self._links = links
        self._engine = engine
        self._height = height
        self._clock = clock
        self._metrics = metrics
        self._logger = logger
        self._claims: dict[str, int] = {}
        self._shunned: dict[str, int] = {}  # peer -> monotonic ms until which it is not asked
        self._undelivered: dict[str, int] = {}  # peer -> claims in a row that it did not deliver
        self._quorum_with = quorum_with
        self._silent = quorum_with is not None
        self._patient_until_ms = 0
        self._heard = asyncio.Event()
        self._height_since = (0, 0)  # a height, and when it was first seen

    def claim(self, peer: str, height: int) -> None:
        """A peer says how far it is; only nodes of the ledger can, so the table is bounded."""
        if peer in self._links:
            self._claims[peer] = height
            if height >= self._height() + AHEAD_MIN:
                self._heard.set()

    def behind(self) -> None:
        """Consensus messages of heights beyond our next one have come."""
        self._heard.set()

    async def run(self) -> None:
        """Catch up at start and whenever this node is behind, until cancelled."""
        if self._quorum_with is not None:
            await self._listen(self._quorum_with)
        while True:
            try:
                async with asyncio.timeout(CHECK_S):
                    await self._heard.wait()
                await asyncio.sleep(GRACE_S)
            except TimeoutError:
                pass
            self._heard.clear()
            if self._is_behind():
                await self._catch_up()

    async def _listen(self, quorum_with: Callable[[Collection[str]], bool]) -> None:
        """Hear how far the peers are before anything is signed, and catch up with them."""
        for check in range(LISTEN_CHECKS_MAX):
            heard = self._askable()
            if quorum_with(heard) or (not heard and check >= LISTEN_CHECKS_ALONE):
                break
            await asyncio.sleep(LISTEN_CHECK_S)
        self._logger.info("listened", height=self._height(), claims=self._claims)
        self._patient_until_ms = self._clock.monotonic_ms() + START_SILENCE_MS
        await self._catch_up()

    def _is_behind(self) -> bool:
        now_ms, height = self._clock.monotonic_ms(), self._height()
        if self._height_since[0] != height:
            self._height_since = (height, now_ms)
        ahead = max((self._claims[peer] - height for peer in self._askable()), default=0)
        return ahead >= AHEAD_MIN or (ahead > 0 and now_ms - self._height_since[1] > STUCK_MS)

    def _askable(self) -> list[str]:
        now_ms = self._clock.monotonic_ms()
        return [
            peer
            for peer in self._claims
            if peer in self._links and self._links[peer].connected and self._shunned.get(peer, 0) <= now_ms
        ]

    def _ahead(self) -> list[str]:
        height = self._height()
        return [peer for peer in self._askable() if self._claims[peer] > height]

    async def _catch_up(self) -> None:
        first = self._height()
        if self._ahead():
            self._logger.info("catching_up", height=first, claims=self._claims)
        try:
            while ahead := self._ahead():
                delivered = await self._fetch_from(self._choose(ahead), first)
                if not delivered and self._clock.monotonic_ms() >= self._patient_until_ms:
                    # Nothing certain says any more that we are behind.
                    await self._set_silent(False)
        finally:
            await self._set_silent(False)
        if self._height() > first:
            self._logger.info("caught_up", height=self._height(), blocks=self._height() - first)

    def _choose(self, ahead: list[str]) -> str:
        """Any of those that have kept their word best: always the furthest would let one liar be asked first for ever."""
        fewest = min(self._undelivered.get(peer, 0) for peer in ahead)
        best = [peer for peer in ahead if self._undelivered.get(peer, 0) == fewest]
        return random.choice(best)  # noqa: S311  # spreads load, guards nothing

    async def _fetch_from(self, peer: str, first: int) -> bool:
        """Apply what one peer sends, in order; shun it and return False when it sends nothing, or something false."""
        before, claimed = self._height(), self._claims[peer]
        lies = (BlockInvalid, CertificateInvalid, InvalidMessage, BadSignature)
        try:
            async with aclosing(
                self._links[peer].fetch_blocks(before + 1, FETCH_COUNT_MAX, FETCH_TIMEOUT_S)
            ) as blocks:
                while (block := await _next_block(blocks)) is not None:
                    if await self._engine.apply_certified_block(block.block, block.certificate):
                        self._metrics.blocks_synced.inc()
                        if not self._ahead():
                            await self._set_silent(False)
                        elif self._height() - first >= SILENT_FROM_BLOCKS:
                            await self._set_silent(True)
        except aio.AioRpcError as error:
            self._shun_undelivered(peer, f"{error.code().name}: {error.details()}")
            return False
        except TimeoutError:
            self._shun_undelivered(
                peer, f"claims height {claimed} and sends no block for {BLOCK_TIMEOUT_S} s"
            )
            return False
        except lies as error:
            # Consensus may have decided this very height meanwhile: then the block is no lie, only late.
            if self._height() == before:
                self._shun(peer, LIAR_FOR_MS, f"{type(error).__name__}: {error}")
            return False
        if self._height() == before:
            self._shun_undelivered(peer, f"claims height {claimed} and sends no block {before + 1}")
            return False
        if self._height() >= min(claimed, before + FETCH_COUNT_MAX):
            self._undelivered.pop(peer, None)
        return True

    async def _set_silent(self, silent: bool) -> None:
        if self._silent != silent:
            self._silent = silent
            self._metrics.catching_up.set(silent)
            await self._engine.set_syncing(silent)

    def _shun_undelivered(self, peer: str, reason: str) -> None:
        times = self._undelivered.get(peer, 0)
        self._undelivered[peer] = times + 1
        # The exponent is bounded so that a liar of many years does not grow the number.
        self._shun(peer, min(UNDELIVERED_FOR_MS << min(times, 16), LIAR_FOR_MS), reason)

    def _shun(self, peer: str, for_ms: int, reason: str) -> None:
        self._shunned[peer] = self._clock.monotonic_ms() + for_ms
        self._logger.warning("sync_peer_dropped", peer=peer, for_ms=for_ms, reason=reason)


async def _next_block(blocks: AsyncGenerator[Block, None]) -> Block | None:
    """The next block of an answer, None at its end. Raises TimeoutError when none comes in time."""
    async with asyncio.timeout(BLOCK_TIMEOUT_S):
        return await anext(blocks, None)
