"""The write-ahead log on a disk that loses and tears: nothing flushed is lost silently, nothing torn is read."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.disk import DiskFailed, RealDisk
from node.journal import (
    DAMAGED_PREFIX,
    JOURNAL_NAME,
    PAYLOAD_BYTES_MAX,
    TORN_NAME,
    Journal,
    JournalCorrupt,
    WrongJournal,
    repair_journal,
)
from tests.node.crashing_disk import CrashingDisk

CHAIN_ID = bytes(range(32))


def journal_on(disk: CrashingDisk, *, rotate_bytes: int = 1 << 20) -> Journal:
    return Journal(disk, CHAIN_ID, new_mark=lambda: b"12345678", rotate_bytes=rotate_bytes)


def written(*flushed: bytes, unflushed: tuple[bytes, ...] = ()) -> CrashingDisk:
    """A disk with a journal: a first record, then these."""
    disk = CrashingDisk()
    journal = journal_on(disk)
    journal.begin(b"begin")
    for payload in flushed:
        journal.append(payload)
        journal.flush()
    for payload in unflushed:
        journal.append(payload)
    return disk


def change(disk: CrashingDisk, position: int, bit: int = 1) -> None:
    data = bytearray(disk.read(JOURNAL_NAME))
    data[position] ^= bit
    disk.write_atomic(JOURNAL_NAME, bytes(data))


def test_no_journal_is_told_from_an_empty_one() -> None:
    content = journal_on(CrashingDisk()).open()
    assert content.payloads is None
    assert content.torn is None


def test_payloads_read_back_in_order() -> None:
    disk = written(b"one", b"", b"three" * 1_000)
    content = journal_on(disk).open()
    assert content.payloads == (b"begin", b"one", b"", b"three" * 1_000)
    assert content.torn is None


def test_only_the_records_of_the_last_height_are_read() -> None:
    disk = written(b"old")
    journal = journal_on(disk)
    journal.open()
    journal.begin(b"next height")
    journal.append(b"new")
    assert journal_on(disk).open().payloads == (b"next height", b"new")


def test_flush_without_anything_new_does_not_touch_the_disk() -> None:
    disk = CrashingDisk()
    journal = journal_on(disk)
    journal.begin(b"begin")
    journal.append(b"one")
    journal.flush()
    syncs = disk.syncs
    journal.flush()
    assert disk.syncs == syncs
    journal.append(b"two")
    assert not disk.is_durable(JOURNAL_NAME)
    journal.flush()
    assert disk.is_durable(JOURNAL_NAME)


def test_file_is_replaced_at_the_height_after_it_has_grown_large() -> None:
    disk = CrashingDisk()
    journal = journal_on(disk, rotate_bytes=5_000)
    for height in range(50):
        journal.begin(b"height %d" % height)
        journal.append(bytes(1_000))
        assert disk.size(JOURNAL_NAME) < 5_000 + 2_200
    assert journal_on(disk).open().payloads == (b"height 49", bytes(1_000))


@given(
    flushed=st.lists(st.binary(max_size=40), max_size=4),
    unflushed=st.lists(st.binary(max_size=40), min_size=1, max_size=4),
    kept=st.floats(0, 1),
)
def test_torn_tail_is_cut_and_everything_flushed_survives(
    flushed: list[bytes], unflushed: list[bytes], kept: float
) -> None:
    disk = written(*flushed, unflushed=tuple(unflushed)).after_crash(kept)
    size = disk.size(JOURNAL_NAME)
    content = journal_on(disk).open()
    assert content.payloads is not None
    assert content.payloads[: 1 + len(flushed)] == (b"begin", *flushed)
    assert content.payloads == (b"begin", *flushed, *unflushed)[: len(content.payloads)]
    if content.torn is None:
        assert disk.size(JOURNAL_NAME) == size
    else:
        assert content.torn.offset == disk.size(JOURNAL_NAME) == size - content.torn.lost_bytes
        assert len(disk.read(TORN_NAME)) == content.torn.lost_bytes
    again = journal_on(disk)
    assert again.open().payloads == content.payloads
    again.append(b"goes on")
    assert journal_on(disk).open().payloads == (*content.payloads, b"goes on")


def test_unsynced_pages_that_came_back_out_of_order_are_a_torn_tail() -> None:
    disk = written(b"flushed", unflushed=(b"lost" * 10, b"kept" * 10))
    data = disk.read(JOURNAL_NAME)
    at = data.index(b"lost")
    # The disk wrote the later page and not the earlier one.
    disk.write_atomic(JOURNAL_NAME, data[:at] + bytes(40) + data[at + 40 :])
    content = journal_on(disk).open()
    assert content.payloads == (b"begin", b"flushed")
    assert content.torn is not None


@given(data=st.data())
def test_bit_flip_before_the_last_flushed_record_is_never_read_over(data: st.DataObject) -> None:
    disk = written(b"first record", b"second record", b"third record")
    third = disk.read(JOURNAL_NAME).index(b"third record") - 24
    position = data.draw(st.integers(0, third - 1))
    change(disk, position, 1 << data.draw(st.integers(0, 7)))
    with pytest.raises((JournalCorrupt, WrongJournal)) as refused:
        journal_on(disk).open()
    if isinstance(refused.value, JournalCorrupt):
        assert "pledgebook node repair-journal --config" in str(refused.value)


def test_damage_names_the_place() -> None:
    disk = written(b"first record", b"second record")
    start = disk.read(JOURNAL_NAME).index(b"first record")
    change(disk, start)
    with pytest.raises(JournalCorrupt, match=f"damaged at byte {start - 24}"):
        journal_on(disk).open()


def test_damaged_first_record_is_no_torn_tail() -> None:
    disk = written()
    change(disk, disk.size(JOURNAL_NAME) - 1)
    with pytest.raises(JournalCorrupt, match="first record"):
        journal_on(disk).open()


@pytest.mark.parametrize("content", [b"", b"pledgebook journal 1\n", b"something else entirely" * 10])
def test_file_that_does_not_begin_as_a_journal_is_refused(content: bytes) -> None:
    disk = CrashingDisk()
    disk.write_atomic(JOURNAL_NAME, content)
    with pytest.raises(JournalCorrupt, match="does not begin"):
        journal_on(disk).open()


def test_journal_of_another_chain_is_refused() -> None:
    disk = written(b"one")
    with pytest.raises(WrongJournal, match=CHAIN_ID.hex()):
        Journal(disk, bytes(32)).open()


def test_payload_that_looks_like_a_record_is_not_taken_for_one() -> None:
    # A peer that saw another node's journal puts whole records of it into a value.
    foreign = CrashingDisk()
    other = Journal(foreign, CHAIN_ID, new_mark=lambda: b"abcdefgh")
    other.begin(b"begin")
    for _ in range(3):
        other.append(b"record")
        other.flush()
    payload = foreign.read(JOURNAL_NAME)[-200:]
    disk = written(b"one", unflushed=(payload,)).after_crash(0.9)
    content = journal_on(disk).open()
    assert content.payloads == (b"begin", b"one")
    assert content.torn is not None


def test_record_of_the_largest_size_reads_back_and_a_larger_one_is_our_bug() -> None:
    disk = written(bytes(PAYLOAD_BYTES_MAX))
    assert journal_on(disk).open().payloads == (b"begin", bytes(PAYLOAD_BYTES_MAX))
    journal = journal_on(disk)
    journal.open()
    with pytest.raises(AssertionError):
        journal.append(bytes(PAYLOAD_BYTES_MAX + 1))


def test_repair_moves_the_whole_journal_aside_and_never_over_an_older_copy() -> None:
    disk = written(b"one")
    before = disk.read(JOURNAL_NAME)
    assert repair_journal(disk) == f"{DAMAGED_PREFIX}1"
    assert not disk.exists(JOURNAL_NAME)
    assert repair_journal(disk) is None
    disk.write_atomic(JOURNAL_NAME, b"second")
    assert repair_journal(disk) == f"{DAMAGED_PREFIX}2"
    assert disk.read(f"{DAMAGED_PREFIX}1") == before


def test_marks_differ_between_files() -> None:
    files = []
    for _ in range(2):
        disk = CrashingDisk()
        Journal(disk, CHAIN_ID).begin(b"begin")
        files.append(disk.read(JOURNAL_NAME))
    assert files[0] != files[1]


# -- The real disk ------------------------------------------------------------------------------------------------


def test_journal_on_the_real_disk_survives_reopening(tmp_path: Path) -> None:
    disk = RealDisk(tmp_path / "new folder")
    journal = Journal(disk, CHAIN_ID)
    journal.begin(b"begin")
    journal.append(b"one")
    journal.flush()
    disk.close()
    again = RealDisk(tmp_path / "new folder")
    assert Journal(again, CHAIN_ID).open().payloads == (b"begin", b"one")
    assert again.list() == (JOURNAL_NAME,)
    assert again.size(JOURNAL_NAME) == (tmp_path / "new folder" / JOURNAL_NAME).stat().st_size


def test_torn_tail_on_the_real_disk_is_cut(tmp_path: Path) -> None:
    disk = RealDisk(tmp_path)
    journal = Journal(disk, CHAIN_ID)
    journal.begin(b"begin")
    journal.flush()
    whole = disk.size(JOURNAL_NAME)
    disk.append(JOURNAL_NAME, b"half a record")
    journal = Journal(disk, CHAIN_ID)
    assert journal.open().torn is not None
    assert disk.size(JOURNAL_NAME) == whole
    journal.append(b"one")
    assert Journal(disk, CHAIN_ID).open().payloads == (b"begin", b"one")


def test_real_disk_replaces_whole_files_and_leaves_no_temporary_one(tmp_path: Path) -> None:
    disk = RealDisk(tmp_path, fsync=False)
    disk.write_atomic("file", b"old")
    disk.append("file", b" and more")
    disk.write_atomic("file", b"new")
    disk.append("file", b"er")
    disk.fdatasync("file")
    assert disk.read("file") == b"newer"
    assert disk.list() == ("file",)
    disk.remove("file")
    disk.remove("file")
    assert not disk.exists("file")


def test_real_disk_says_what_to_do_about_an_error(tmp_path: Path) -> None:
    disk = RealDisk(tmp_path)
    with pytest.raises(DiskFailed, match="cannot read") as failed:
        disk.read("missing")
    assert failed.value.errno_code == errno.ENOENT
    (tmp_path / "blocked").mkdir()
    with pytest.raises(DiskFailed, match="cannot open"):
        disk.append("blocked", b"data")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DiskFailed, match="cannot make the folder"):
        RealDisk(tmp_path / "file" / "below")


@pytest.mark.parametrize(
    ("code", "advice"),
    [(errno.ENOSPC, "free space"), (errno.EIO, "replace it"), (errno.EBADF, "look at the disk")],
)
def test_disk_errors_carry_advice(code: int, advice: str) -> None:
    error = DiskFailed("cannot write", OSError(code, "the system's words"))
    assert advice in str(error)
    assert error.errno_code == code


def test_full_disk_leaves_a_journal_that_reads_back() -> None:
    disk = written(b"one")
    journal = journal_on(disk)
    journal.open()
    disk.fail_with = errno.ENOSPC
    with pytest.raises(DiskFailed):
        journal.append(b"does not fit")
    disk.fail_with = None
    content = journal_on(disk).open()
    assert content.payloads == (b"begin", b"one")
    assert content.torn is not None
