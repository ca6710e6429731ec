"""What the alert worker keeps on disk: as good as memory, through every stop, and made again when it does not fit."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from node.supervision.alert_tables import AlertTables
from registry.block import Block, decode_block
from registry.errors import Reference
from registry.genesis import parse_genesis
from registry.state import WorkingState
from registry.supervision.alert_bytes import decode_alert, encode_alert
from registry.supervision.alert_watch import AlertWatch
from registry.supervision.alerts import Alert, AlertKind
from registry.supervision.following import Follower
from tests.registry.consortium import (
    DEBTOR_REFERENCE,
    EXPORTER,
    FACTOR_1,
    SUSPENDED,
    Consortium,
    found,
    genesis_document,
)
from tests.registry.supervision.supervised_chain import alerts_of
from tests.registry.supervision.test_alerts_in_any_order import MOMENTS, Moment, chain_of

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
