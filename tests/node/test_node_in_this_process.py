"""A node inside the test's own event loop: how its parts bring it to an end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from node.config import read_config
from node.network import fetch_json
from node.running_node import Parts, RunningNode
from node.runtime import open_parts
from node.telemetry import node_logger
from registry.errors import StoreCorrupt
from tests.node.live_network import make_test_network

pytestmark = pytest.mark.integration


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    network = make_test_network(tmp_path / "net", validators=1, heartbeat_ms=100)
    config = read_config(network.directory.nodes["association"].config)
    with ExitStack() as stack:
        yield open_parts(config, node_logger("association"), stack)


async def serving(node: RunningNode) -> None:
    async with asyncio.timeout(10):
        while node.health() != "serving":  # noqa: ASYNC110  # what a monitor does
            await asyncio.sleep(0.01)


async def test_failure_of_one_part_ends_the_whole_node_with_that_error(parts: Parts) -> None:
    node = RunningNode(parts)
    running = asyncio.create_task(node.run())
    await serving(node)
    node.fail(StoreCorrupt("page 7 does not read back"))
    with pytest.raises(ExceptionGroup) as caught:
        await asyncio.wait_for(running, 10)
    assert caught.group_contains(StoreCorrupt, match="page 7")
    assert node.health() == "stopping"


async def test_stop_ends_the_node_and_frees_its_ports(parts: Parts) -> None:
    for _ in range(2):
        node = RunningNode(parts)
        running = asyncio.create_task(node.run())
        await serving(node)
        health = await asyncio.to_thread(fetch_json, parts.config.http_listen, "/health")
        assert health == {"status": "serving", "pid": os.getpid()}
        node.stop()
        await asyncio.wait_for(running, 10)
