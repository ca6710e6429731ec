"""Catching up: a node that is behind fetches certified blocks from its peers, at start and at any time.

Guarantees: what a peer says of its height decides only whom to ask; a block enters by its certificate alone, which the
engine checks. A peer that does not deliver what it claims is not asked again for a while; one that delivers a false
block for much longer. While blocks are fetched the engine signs nothing.
Leaves to others: checking and committing (the engine, on its thread), the streams (`peers`).
One event loop owns it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import Protocol

from grpc import aio
from structlog.typing import FilteringBoundLogger

from consensus.errors import CertificateInvalid, InvalidMessage
from node.clock import Clock
from node.peering.peer_service import FETCH_COUNT_MAX
from node.peering.peers import PeerLink
from node.telemetry import Metrics
from registry.errors import BadSignature, BlockInvalid

# One height ahead is the normal state of a peer that decided a moment earlier.
AHEAD_MIN = 2
# A gap of one that stays this long is none of a moment.
STUCK_MS = 2_000
# Peers run ahead for a moment under load; a node that catches up by itself within this time is not behind.
GRACE_S = 0.1
CHECK_S = 0.25
FETCH_TIMEOUT_S = 30.0
SILENT_FOR_MS = 5_000
LIAR_FOR_MS = 600_000


class SyncsEngine(Protocol):
    """The part of the engine that sync drives, on the engine's thread."""

    async def apply_certified_block(self, payload: bytes, certificate: bytes) -> None: ...

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
    ) -> None:
        """`height` gives this node's last committed height."""
        self._links = links
        self._engine = engine
        self._height = height
        self._clock = clock
        self._metrics = metrics
        self._logger = logger
        self._claims: dict[str, int] = {}
        self._shunned: dict[str, int] = {}  # peer -> monotonic ms until which it is not asked
        self._heard = asyncio.Event()
        self._height_since = (0, 0)  # a height, and when it was first seen

    def claim(self, peer: str, height: int) -> None:
        """A peer says how far it is; only peers of the genesis can, so the table is bounded."""
        if peer in self._links:
            self._claims[peer] = height
            if height >= self._height() + AHEAD_MIN:
                self._heard.set()

    def behind(self) -> None:
        """Consensus messages of heights beyond our next one have come."""
        self._heard.set()

    async def run(self) -> None:
        """Catch up whenever this node is behind, until cancelled."""
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
            if self._links[peer].connected and self._shunned.get(peer, 0) <= now_ms
        ]

    async def _catch_up(self) -> None:
        first = self._height()
        self._logger.info("catching_up", height=first, claims=self._claims)
        self._metrics.catching_up.set(1)
        await self._engine.set_syncing(True)
        try:
            while ahead := [peer for peer in self._askable() if self._claims[peer] > self._height()]:
                # Any of those that are far enough: always the furthest would let one liar be asked first for ever.
                await self._fetch_from(random.choice(ahead))  # noqa: S311  # spreads load, guards nothing
        finally:
            await self._engine.set_syncing(False)
            self._metrics.catching_up.set(0)
        self._logger.info("caught_up", height=self._height(), blocks=self._height() - first)

    async def _fetch_from(self, peer: str) -> None:
        """Apply what one peer sends, in order; shun it when it sends nothing, or something false."""
        before = self._height()
        try:
            async for block in self._links[peer].fetch_blocks(before + 1, FETCH_COUNT_MAX, FETCH_TIMEOUT_S):
                await self._engine.apply_certified_block(block.block, block.certificate)
                self._metrics.blocks_synced.inc()
        except aio.AioRpcError as error:
            self._shun(peer, SILENT_FOR_MS, f"{error.code().name}: {error.details()}")
            return
        except (BlockInvalid, CertificateInvalid, InvalidMessage, BadSignature) as error:
            # Consensus may have decided this very height meanwhile: then the block is no lie, only late.
            if self._height() == before:
                self._shun(peer, LIAR_FOR_MS, f"{type(error).__name__}: {error}")
            return
        if self._height() == before:
            self._shun(
                peer, SILENT_FOR_MS, f"claims height {self._claims.get(peer)} and sends no block {before + 1}"
            )

    def _shun(self, peer: str, for_ms: int, reason: str) -> None:
        self._shunned[peer] = self._clock.monotonic_ms() + for_ms
        self._logger.warning("sync_peer_dropped", peer=peer, for_ms=for_ms, reason=reason)
