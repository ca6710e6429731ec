"""Every type of operation is taken in by a node's door, in the bytes of a call of `Submit`.

The entries are those that are published as vectors, each judged on the state that its own block began from.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from node.door import Door
from node.mempool import Mempool
from pledgebook.v1 import registry_pb2
from registry.entry import decode_entry
from registry.operations import OPERATION_TYPES
from registry.state import StateDelta
from tests.node.chain_builders import FixedClock
from tests.registry.consortium import Consortium, found
from tests.registry.test_registry_vectors import chain


class ReplayedStore:
    """A store that can only be read, at the height up to which a chain was replayed."""

    def __init__(self, start: Consortium) -> None:
        self._state = start.state
        self.height = start.tip.height

    @contextmanager
    def read(self) -> Iterator[Any]:
        state = self._state
        yield SimpleNamespace(
            height=self.height,
            value=state.value,
            page=state.page,
            due=state.due,
            locate_entry=lambda _entry_id: None,
        )

    def apply(self, delta: StateDelta) -> None:
        self._state.apply(delta)
        self.height += 1


@pytest.fixture(scope="module")
def published() -> Consortium:
    return chain()


@pytest.fixture
async def door(published: Consortium) -> AsyncIterator[tuple[Door, ReplayedStore, FixedClock]]:
    start = found(published.genesis.policy)
    assert start.genesis.chain_id == published.genesis.chain_id
    clock, store = FixedClock(), ReplayedStore(start)
    readable: Any = store  # the door only reads
    door = Door(
        published.genesis.chain_id, readable, Mempool(), clock, lambda: None, lambda _peer, _reason: None
    )
    running = asyncio.create_task(door.run())
    yield door, store, clock
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    door.close()


async def test_every_operation_is_taken_in(
    published: Consortium, door: tuple[Door, ReplayedStore, FixedClock]
) -> None:
    at, store, clock = door
    taken: set[str] = set()
    for committed in published.blocks:
        clock.ms = committed.block.header.time_ms
        request = registry_pb2.SubmitRequest(entries=committed.block.entries)
        sent = registry_pb2.SubmitRequest.FromString(request.SerializeToString())
        for raw, verdict in zip(sent.entries, await at.admit(sent.entries, "member-1"), strict=True):
            operations = decode_entry(raw).body.operations
            assert verdict.code == "OK", (verdict, operations)
            taken |= {type(operation).__name__ for operation in operations}
        store.apply(committed.result.delta)
    assert taken == {kind.name for kind in OPERATION_TYPES}
