"""The process that raises alerts: it follows the committed chain on a state of its own, and writes what each block raises.

    python -m node.supervision.alert_worker GENESIS STORE FOLDER

FOLDER holds what it remembers and what it has raised (`alert_tables`); started again it goes on where it was. On standard output it
writes `height N` whenever more is there. It ends when its standard input closes: with the node, however that ends.

Guarantees: it only reads the node's store, in short transactions; ordering never waits for it. What it raises is a function of the
chain, so every node raises the same.
"""

from __future__ import annotations

import gc
import os
import select
import sys
import time
from pathlib import Path
from typing import Final

from node.store import Store
from node.supervision.alert_tables import AlertTables, RaisedAlert
from node.supervision.report_worker import BLOCKS_PER_READ, NICE, read_blocks, write_line
from registry.genesis import Genesis, parse_genesis
from registry.state import WorkingState
from registry.supervision.alert_watch import AlertWatch
from registry.supervision.following import Follower

TRANSACTION_S: Final = 1.0
"""Then what is raised is written, and told: large blocks take seconds each while the worker catches up."""
POLL_S: Final = 0.1
"""How late an alert may be for the sake of an idle node's rest."""


def main(arguments: list[str]) -> None:
    """Follow the chain until nobody wants to know."""
    genesis_path, store_path, folder = (Path(argument) for argument in arguments)
    os.nice(NICE)
    gc.set_threshold(50_000)
    genesis = parse_genesis(genesis_path.read_bytes())
    store = Store.open(store_path, genesis.chain_id, read_only=True)
    tables = AlertTables.open(folder, genesis)
    try:
        told = tables.height()
        write_line(sys.stdout.buffer, f"height {told}")
        while not _is_closed():
            while (height := follow(store, tables, genesis)) > told:
                told = height
                write_line(sys.stdout.buffer, f"height {told}")
    finally:
        tables.close()
        store.close()


def follow(store: Store, tables: AlertTables, genesis: Genesis) -> int:
    """Follow some more of the chain, in one transaction; returns the last height whose alerts are there."""
    height = tables.height()
    with store.read() as snapshot:
        last = min(snapshot.height, height + BLOCKS_PER_READ)
    if last == height:
        return height
    blocks = read_blocks(store, height + 1, last)
    deadline = time.monotonic() + TRANSACTION_S
    with tables.writing() as writer:
        if writer.height() != height:
            # A worker of the node's last run is still ending, and has followed these blocks itself.
            return height
        follower, watch = Follower(genesis, writer, height), AlertWatch(writer)
        for block in blocks:
            observed = follower.follow(block)
            raised: list[RaisedAlert] = []
            for alert in watch.follow(observed, WorkingState(writer)):
                entry = None if alert.entry_index is None else observed.entries[alert.entry_index]
                raised.append((alert, b"" if entry is None else entry.entry_id))
            # If we were to be killed here, all of these blocks would be followed again at the next start.
            writer.keep(follower.height, raised)
            if time.monotonic() > deadline:
                break
    return follower.height


def _is_closed() -> bool:
    """Whether the node is gone; waits a moment for that."""
    readable, _, _ = select.select([sys.stdin], [], [], POLL_S)
    return bool(readable) and not sys.stdin.buffer.read(1)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
