"""The LMDB store: whole blocks, still views, other processes, and every way in which it must refuse."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import lmdb
import pytest

from node.ports import BlockRecord
from node.store import Snapshot, Store, StoreFailed, WrongChain
from registry.block import block_hash_of
from registry.errors import StoreCorrupt
from registry.merkle.log import EMPTY_FRONTIER, frontier_from
from registry.state import StateDelta

CHAIN_ID = bytes(range(32))
GENESIS = StateDelta({b"k" * 32: b"genesis value"}, {b"": b"root page"}, ((500, b"r" * 32),), ())


def record(height: int, *, size: int = 10, delta: StateDelta | None = None) -> BlockRecord:
    hashes = [block_hash_of(b"header %d" % n) for n in range(1, height + 1)]
    frontier = EMPTY_FRONTIER
    for block_hash in hashes[:-1]:
        frontier = frontier.append(block_hash)
    return BlockRecord(
        height=height,
        header_bytes=b"header %d" % height,
        block=b"b" * size,
        certificate=b"certificate %d" % height,
        entry_ids=(b"%032d" % (height * 2), b"%032d" % (height * 2 - 1)),
        receipts=(b"receipt a", b"receipt b"),
        evidence_ids=(b"e%031d" % height,),
        history_nodes=frontier.append_with_nodes(hashes[-1])[1],
        delta=delta or StateDelta({}, {}, (), ()),
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    opened = Store.open(tmp_path / "store", CHAIN_ID, fsync=False, map_bytes=64 << 20)
    opened.commit_genesis(GENESIS)
    return opened


def test_new_store_is_empty_until_its_genesis_state_is_written(tmp_path: Path) -> None:
    opened = Store.open(tmp_path, CHAIN_ID, fsync=False)
    assert opened.is_empty()
    opened.commit_genesis(GENESIS)
    assert not opened.is_empty()
    with opened.read() as snapshot:
        assert snapshot.height == 0
        assert snapshot.block_hash(0) == CHAIN_ID
        assert snapshot.value(b"k" * 32) == b"genesis value"
        assert snapshot.page(b"") == b"root page"
        assert snapshot.header(1) is None


def test_committed_block_reads_back_in_every_part(store: Store) -> None:
    store.commit(record(1))
    store.commit(record(2))
    with store.read() as snapshot:
        assert snapshot.height == 2
        assert snapshot.header(2) == b"header 2"
        assert snapshot.block_hash(2) == block_hash_of(b"header 2")
        assert snapshot.block(1) == b"b" * 10
        assert snapshot.certificate(2) == b"certificate 2"
        assert snapshot.receipts(1) == (b"receipt a", b"receipt b")
        assert snapshot.receipts(3) is None
        assert snapshot.locate_entry(b"%032d" % 4) == (2, 0)
        assert snapshot.locate_entry(b"%032d" % 1) == (1, 1)
        assert snapshot.locate_entry(b"%032d" % 9) is None
        assert snapshot.has_evidence(b"e%031d" % 1)
        assert not snapshot.has_evidence(b"e%031d" % 3)


def test_history_nodes_give_the_frontier_of_all_heights(store: Store) -> None:
    expected = EMPTY_FRONTIER
    for height in range(1, 8):
        store.commit(record(height))
        expected = expected.append(block_hash_of(b"header %d" % height))
    with store.read() as snapshot:
        assert frontier_from(snapshot, 7) == expected
        with pytest.raises(StoreCorrupt, match="missing"):
            snapshot.node(3, 0)


def test_delta_sets_and_removes_values_pages_and_due_dates(store: Store) -> None:
    added = StateDelta(
        {b"a" * 32: b"1", b"k" * 32: None},
        {b"": None, b"\x01": b"page"},
        ((100, b"x" * 32), (900, b"y" * 32)),
        (),
    )
    store.commit(record(1, delta=added))
    with store.read() as snapshot:
        assert snapshot.value(b"k" * 32) is None
        assert snapshot.value(b"a" * 32) == b"1"
        assert snapshot.page(b"") is None
        assert snapshot.page(b"\x01") == b"page"
        assert snapshot.due(499, 10) == ((100, b"x" * 32),)
        assert snapshot.due(500, 10) == ((100, b"x" * 32), (500, b"r" * 32))
        assert snapshot.due(10_000, 2) == ((100, b"x" * 32), (500, b"r" * 32))
    removed = StateDelta({}, {}, (), ((100, b"x" * 32),))
    store.commit(record(2, delta=removed))
    with store.read() as snapshot:
        assert snapshot.due(800, 10) == ((500, b"r" * 32),)


def test_open_snapshot_does_not_see_the_next_block(store: Store) -> None:
    with store.read() as before:
        store.commit(record(1, delta=StateDelta({b"k" * 32: b"new"}, {}, (), ())))
        assert before.height == 0
        assert before.value(b"k" * 32) == b"genesis value"
        with store.read() as after:
            assert after.height == 1
            assert after.value(b"k" * 32) == b"new"


def test_block_that_is_not_the_next_is_refused(store: Store) -> None:
    with pytest.raises(StoreCorrupt, match="height 2 after 0"):
        store.commit(record(2))
    with store.read() as snapshot:
        assert snapshot.height == 0
        assert snapshot.locate_entry(b"%032d" % 4) is None


def test_failure_inside_a_commit_leaves_nothing_of_it(store: Store) -> None:
    broken = StateDelta({b"a" * 32: b"1", b"k" * 600: b"a key that LMDB does not take"}, {}, (), ())
    with pytest.raises(StoreFailed):
        store.commit(record(1, delta=broken))
    with store.read() as snapshot:
        assert snapshot.height == 0
        assert snapshot.header(1) is None
        assert snapshot.value(b"a" * 32) is None
    store.commit(record(1))


def test_snapshots_work_on_several_threads_while_blocks_are_committed(store: Store) -> None:
    wrong: list[str] = []
    stop = threading.Event()

    def read_on() -> None:
        while not stop.is_set():
            with store.read() as snapshot:
                if snapshot.height and snapshot.header(snapshot.height) != b"header %d" % snapshot.height:
                    wrong.append(f"height {snapshot.height}")

    readers = [threading.Thread(target=read_on) for _ in range(4)]
    for reader in readers:
        reader.start()
    for height in range(1, 60):
        store.commit(record(height))
    stop.set()
    for reader in readers:
        reader.join()
    assert wrong == []


def test_another_process_reads_what_is_committed_after_it_opened(tmp_path: Path, store: Store) -> None:
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from node.store import Store\n"
        f"store = Store.open(Path({str(tmp_path / 'store')!r}), bytes(range(32)), read_only=True)\n"
        "for line in sys.stdin:\n"
        "    with store.read() as snapshot:\n"
        "        print(snapshot.height, snapshot.block(snapshot.height) and len(snapshot.block(snapshot.height)), flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None
        reader.stdin.write("now\n")
        reader.stdin.flush()
        assert reader.stdout.readline() == "0 None\n"
        store.commit(record(1, size=3_000_000))
        reader.stdin.write("again\n")
        reader.stdin.flush()
        assert reader.stdout.readline() == "1 3000000\n"
        reader.stdin.close()


def test_read_only_store_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreFailed):
        Store.open(tmp_path / "nothing", CHAIN_ID, read_only=True)


def test_store_of_another_chain_is_refused_and_says_which(tmp_path: Path) -> None:
    Store.open(tmp_path, CHAIN_ID, fsync=False).close()
    with pytest.raises(WrongChain, match=r"data_dir") as refused:
        Store.open(tmp_path, bytes(32), fsync=False)
    assert CHAIN_ID.hex() in str(refused.value)
    Store.open(tmp_path, CHAIN_ID, fsync=False).close()


def test_store_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    Store.open(tmp_path, CHAIN_ID, fsync=False).close()
    environment = lmdb.open(str(tmp_path), max_dbs=11)
    with environment.begin(write=True) as transaction:
        transaction.put(b"format", (2).to_bytes(4, "big"), db=environment.open_db(b"meta", transaction))
    environment.close()
    with pytest.raises(StoreCorrupt, match="format 2"):
        Store.open(tmp_path, CHAIN_ID, fsync=False)


def test_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.mdb").write_bytes(b"not a store at all" * 1_000)
    with pytest.raises(StoreCorrupt, match="damaged"):
        Store.open(tmp_path, CHAIN_ID, fsync=False)


def test_full_map_stops_cleanly_and_keeps_what_was_committed(tmp_path: Path) -> None:
    opened = Store.open(tmp_path, CHAIN_ID, fsync=False, map_bytes=1 << 20)
    opened.commit_genesis(GENESIS)
    opened.commit(record(1, size=100_000))
    with pytest.raises(StoreFailed, match="map"):
        opened.commit(record(2, size=2_000_000))
    with opened.read() as snapshot:
        assert snapshot.height == 1
    opened.close()
    larger = Store.open(tmp_path, CHAIN_ID, fsync=False, map_bytes=16 << 20)
    larger.commit(record(2, size=2_000_000))
    with larger.read() as snapshot:
        assert snapshot.height == 2
    larger.close()


def test_full_disk_stops_cleanly(tmp_path: Path) -> None:
    # A limit on the size of files is the nearest to a full disk that a test can make without a disk of its own.
    script = (
        "import resource, signal\n"
        "from pathlib import Path\n"
        "from node.store import Store, StoreFailed\n"
        "from tests.node.test_store_lmdb import CHAIN_ID, GENESIS, record\n"
        f"store = Store.open(Path({str(tmp_path)!r}), CHAIN_ID)\n"
        "store.commit_genesis(GENESIS)\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))\n"
        "store.commit(record(1))\n"
        "try:\n"
        "    store.commit(record(2, size=1_000_000))\n"
        "except StoreFailed as failed:\n"
        "    print(failed)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "start again" in done.stdout
    with Store.open(tmp_path, CHAIN_ID).read() as snapshot:
        assert snapshot.height == 1


def test_store_killed_after_a_commit_has_the_block(tmp_path: Path) -> None:
    script = (
        "import os, signal\n"
        "from pathlib import Path\n"
        "from node.store import Store\n"
        "from tests.node.test_store_lmdb import CHAIN_ID, GENESIS, record\n"
        f"store = Store.open(Path({str(tmp_path)!r}), CHAIN_ID)\n"
        "store.commit_genesis(GENESIS)\n"
        "for height in range(1, 6):\n"
        "    store.commit(record(height))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False)
    assert done.returncode == -9
    reopened = Store.open(tmp_path, CHAIN_ID)
    with reopened.read() as snapshot:
        assert snapshot.height == 5
        assert snapshot.header(5) == b"header 5"


def test_unreadable_receipts_are_reported_as_corruption(tmp_path: Path, store: Store) -> None:
    store.commit(record(1))
    store.close()
    environment = lmdb.open(str(tmp_path / "store"), max_dbs=11)
    with environment.begin(write=True) as transaction:
        table = environment.open_db(b"receipts", transaction)
        transaction.put((1).to_bytes(8, "big"), b"\xc1", db=table)
    environment.close()
    reopened = Store.open(tmp_path / "store", CHAIN_ID, fsync=False)
    with reopened.read() as snapshot, pytest.raises(StoreCorrupt, match="receipts of height 1"):
        snapshot.receipts(1)
    assert isinstance(snapshot, Snapshot)
