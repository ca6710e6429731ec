"""What the alert worker keeps on disk: as good as memory, through every stop, and made again when it does not fit."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from node.ports import BlockRecord
from node.store import Store
from node.supervision.alert_tables import AlertTables
from node.supervision.alert_worker import follow
from node.supervision.commands import Paths
from registry.block import Block, decode_block
from registry.errors import Reference
from registry.genesis import parse_genesis
from registry.state import StateDelta, WorkingState
from registry.supervision.alert_bytes import decode_alert, encode_alert
from registry.supervision.alert_watch import AlertWatch
from registry.supervision.alerts import Alert, AlertKind
from registry.supervision.following import Follower
from registry.transition import genesis_state
from tests.registry.consortium import (
    DEBTOR_REFERENCE,
    EXPORTER,
    FACTOR_1,
    SUSPENDED,
    Committed,
    Consortium,
    found,
    genesis_document,
)
from tests.registry.supervision.supervised_chain import alerts_of
from tests.registry.supervision.test_alerts_in_any_order import MOMENTS, POLICY, Moment, chain_of

ALERT = Alert(
    kind=AlertKind.DUPLICATE_ATTEMPT,
    height=7,
    entry_index=1,
    operation_index=2,
    subject=bytes(32),
    parties=(EXPORTER, FACTOR_1),
    debtor_reference=DEBTOR_REFERENCE,
    currency="USD",
    amount=5,
    detail="DUPLICATE_PLEDGE",
    reference=Reference(bytes(32), 3, 0, 0),
)


def blocks_of(consortium: Consortium) -> list[Block]:
    """The chain. Its consortium suspends two members outside it, who must take no part."""
    assert SUSPENDED not in {
        holder for each in consortium.receivables for holder in consortium.record(each).parties()
    }
    return [decode_block(committed.raw) for committed in consortium.blocks]


def follow_in_starts(consortium: Consortium, folder: Path, blocks_per_start: int) -> list[tuple[Alert, ...]]:
    """Follow the chain, closing and opening the tables again and again."""
    blocks = blocks_of(consortium)
    for start in range(0, len(blocks), blocks_per_start):
        tables = AlertTables.open(folder, consortium.genesis)
        try:
            assert tables.height() == start
            with tables.writing() as writer:
                follower, watch = Follower(consortium.genesis, writer, start), AlertWatch(writer)
                for block in blocks[start : start + blocks_per_start]:
                    observed = follower.follow(block)
                    raised = watch.follow(observed, WorkingState(writer))
                    writer.keep(block.header.height, [(alert, b"") for alert in raised])
        finally:
            tables.close()
    tables = AlertTables.open(folder, consortium.genesis)
    try:
        told = {each.height: each.alerts for each in tables.read(1, len(blocks))[0]}
    finally:
        tables.close()
    return [tuple(alert for alert, _ in told.get(height, ())) for height in range(1, len(blocks) + 1)]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(MOMENTS)
def test_the_tables_raise_what_memory_raises_through_every_stop(
    tmp_path_factory: pytest.TempPathFactory, moments: list[Moment]
) -> None:
    consortium = chain_of(moments)
    folder = tmp_path_factory.mktemp("alerts") / "tables"
    assert follow_in_starts(consortium, folder, 3) == [tuple(block) for block in alerts_of(consortium)]


def test_what_is_not_written_to_its_end_is_not_there(tmp_path: Path) -> None:
    genesis = parse_genesis(genesis_document())
    tables = AlertTables.open(tmp_path / "alerts", genesis)

    def write_and_be_killed() -> None:
        with tables.writing() as writer:
            writer.put_time(1, genesis.time_ms + 1)
            writer.keep(1, [(ALERT, b"")])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_and_be_killed()
    assert tables.height() == 0
    assert tables.read(1, 9) == ([], 9)
    tables.close()


def test_tables_of_another_chain_are_made_again(tmp_path: Path) -> None:
    first, second = parse_genesis(genesis_document()), parse_genesis(genesis_document(name="another"))
    tables = AlertTables.open(tmp_path / "alerts", first)
    with tables.writing() as writer:
        writer.put_time(1, first.time_ms + 1)
        writer.keep(1, [(ALERT, b"")])
    assert tables.height() == 1
    tables.close()
    for genesis, height in ((first, 1), (second, 0)):
        tables = AlertTables.open(tmp_path / "alerts", genesis)
        assert tables.height() == height
        tables.close()


def test_damaged_tables_are_made_again(tmp_path: Path) -> None:
    genesis = found().genesis
    folder = tmp_path / "alerts"
    AlertTables.open(folder, genesis).close()
    (folder / "data.mdb").write_bytes(b"not a database" * 1_000)
    tables = AlertTables.open(folder, genesis)
    assert tables.height() == 0
    tables.close()


def test_nothing_can_be_read_before_a_worker_has_written(tmp_path: Path) -> None:
    assert AlertTables.open_to_read(tmp_path / "alerts") is None


def test_an_alert_reads_back_from_its_bytes() -> None:
    assert decode_alert(encode_alert(ALERT)) == ALERT


def test_very_many_alerts_are_read_in_pieces_of_whole_blocks(tmp_path: Path) -> None:
    genesis = found().genesis
    tables = AlertTables.open(tmp_path / "alerts", genesis)
    with tables.writing() as writer:
        for height in range(1, 5):
            writer.put_time(height, genesis.time_ms + height)
            writer.keep(height, [(ALERT, b"")] * 1_500)
    pieces = []
    height = 1
    while height <= 9:
        blocks, last = tables.read(height, 9)
        pieces.append(([each.height for each in blocks], last))
        height = last + 1
    assert pieces == [([1, 2], 2), ([3, 4], 9)]
    tables.close()


async def test_the_worker_follows_a_store_and_ends_with_its_standard_input(tmp_path: Path) -> None:
    consortium = chain_of([(0, []), (95, [])])
    (tmp_path / "genesis.json").write_bytes(genesis_document(POLICY))
    store = Store.open(tmp_path / "store", consortium.genesis.chain_id)
    store.commit_genesis(genesis_state(consortium.genesis).delta)
    for committed in consortium.blocks:
        store.commit(record_of(committed))
    paths = Paths(tmp_path / "genesis.json", tmp_path / "store", tmp_path / "alerts")
    worker = await asyncio.create_subprocess_exec(
        *paths.alert_command(), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert worker.stdin is not None
    assert worker.stdout is not None
    last = consortium.tip.height
    async with asyncio.timeout(60):
        while await worker.stdout.readline() != f"height {last}\n".encode():
            pass
        worker.stdin.close()
        assert await worker.wait() == 0
    store.close()
    tables = AlertTables.open_to_read(paths.alerts)
    assert tables is not None
    told, up_to = tables.read(1, last)
    tables.close()
    assert up_to == last
    expected = {height: tuple(block) for height, block in enumerate(alerts_of(consortium), 1) if block}
    assert {each.height: tuple(alert for alert, _ in each.alerts) for each in told} == expected


def test_two_workers_of_one_folder_do_not_follow_a_block_twice(tmp_path: Path) -> None:
    """One of the node's last run may still be ending when the next one starts."""
    consortium = chain_of([(0, []), (95, [])])
    store = Store.open(tmp_path / "store", consortium.genesis.chain_id)
    store.commit_genesis(genesis_state(consortium.genesis).delta)
    for committed in consortium.blocks:
        store.commit(record_of(committed))
    tables = AlertTables.open(tmp_path / "alerts", consortium.genesis)

    class Late:
        """The other worker, which has looked at the height before the first one wrote."""

        def __init__(self) -> None:
            self.writing = tables.writing

        def height(self) -> int:
            return 0

    last = consortium.tip.height
    assert follow(store, tables, consortium.genesis) == last
    late: Any = Late()
    assert follow(store, late, consortium.genesis) == 0
    told, _ = tables.read(1, last)
    assert len(told) == len([block for block in alerts_of(consortium) if block])
    assert tables.height() == last
    tables.close()
    store.close()


def record_of(committed: Committed) -> BlockRecord:
    header = committed.block.header
    return BlockRecord(
        height=header.height,
        header_bytes=committed.block.header_bytes,
        block=committed.raw,
        certificate=b"",
        entry_ids=tuple(receipt.entry_id for receipt in committed.receipts),
        receipts=committed.result.receipts,
        evidence_ids=(),
        history_nodes=(),
        delta=StateDelta({}, {}, (), ()),
    )
