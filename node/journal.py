"""The write-ahead log: every input that consensus was fed at the present height, in order, before it was processed.

Guarantees: what was appended before a `flush` that returned is read back by `open`, in order, or `open` raises. A tail that
was never flushed may be missing or torn after a crash, in any way a disk can tear it; it is cut off, with a copy kept. A record
that had been flushed and is now bad is never skipped: `JournalCorrupt` names the command to run.
What the records mean is left to `engine` and `input_codec`.

    file    "pledgebook journal 1\\n" | mark 8 | chain id 32 | CRC32C of all before u32 | records
    record  mark 8 | CRC32C of all that follows u32 | flushed u64 | payload length u32 | payload

`flushed` is how much of the file was durable when the record was appended. It tells a torn tail from rot: if a record further
on is whole and says that this place was durable, then this place was once good. `mark` is drawn anew for each file, so that no
peer can place bytes in a payload that look like a record of ours.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import google_crc32c

from node.disk import Disk

JOURNAL_NAME: Final = "journal"
TORN_NAME: Final = "journal.torn"
DAMAGED_PREFIX: Final = "journal.damaged-"

PAYLOAD_BYTES_MAX: Final = (1 << 20) + (4 << 20)
"""1 MiB for an input, plus the largest value that it can carry."""
ROTATE_BYTES: Final = 16 << 20
"""A new file is begun at the first height after this: read in a blink at start, and rarely replaced."""

_TITLE: Final = b"pledgebook journal 1\n"
_MARK_BYTES: Final = 8
_CHAIN_ID_BYTES: Final = 32
_CRC: Final = struct.Struct(">I")
_FIELDS: Final = struct.Struct(">QI")
_FILE_HEAD_BYTES: Final = len(_TITLE) + _MARK_BYTES + _CHAIN_ID_BYTES + _CRC.size
_RECORD_HEAD_BYTES: Final = _MARK_BYTES + _CRC.size + _FIELDS.size

REPAIR_COMMAND: Final = "pledgebook node repair-journal --config F"


class JournalCorrupt(Exception):
    """A record that had been durable does not read back; the node must not start on what is left."""


class WrongJournal(Exception):
    """The journal belongs to another chain."""


@dataclass(frozen=True, slots=True)
class TornTail:
    """What a crash left half written; `copy` names the file that keeps it."""

    offset: int
    lost_bytes: int
    copy: str


@dataclass(frozen=True, slots=True)
class JournalContent:
    """What `open` found: the payloads since the last `begin`, that one included, or None where there is no journal."""

    payloads: tuple[bytes, ...] | None
    torn: TornTail | None


@dataclass(frozen=True, slots=True)
class _Record:
    payload: bytes
    begins: bool
    end: int


class Journal:
    """One file on one disk. One thread owns it. Every method raises DiskFailed."""

    def __init__(
        self,
        disk: Disk,
        chain_id: bytes,
        *,
        new_mark: Callable[[], bytes] = lambda: secrets.token_bytes(_MARK_BYTES),
        rotate_bytes: int = ROTATE_BYTES,
    ) -> None:
        """`new_mark` is there for the simulator, whose runs must be repeatable."""
        self._disk = disk
        self._chain_id = chain_id
        self._new_mark = new_mark
        self._rotate_bytes = rotate_bytes
        self._mark = b""
        self._size = 0
        self._flushed = 0

    def open(self) -> JournalContent:
        """Read what the last run left and cut its torn tail. Raises JournalCorrupt, WrongJournal."""
        if not self._disk.exists(JOURNAL_NAME):
            return JournalContent(None, None)
        data = self._disk.read(JOURNAL_NAME)
        self._mark = _read_file_head(data, self._chain_id)
        payloads: list[bytes] = []
        offset = _FILE_HEAD_BYTES
        while offset < len(data):
            record = _record_at(data, offset, self._mark)
            if record is None:
                break
            if record.begins:
                payloads.clear()
            payloads.append(record.payload)
            offset = record.end
        if not payloads:
            # The first record was written atomically with the head: this is no torn tail.
            raise JournalCorrupt(f"the first record of {JOURNAL_NAME} is damaged; run `{REPAIR_COMMAND}`")
        torn = self._cut_tail(data, offset) if offset < len(data) else None
        self._size = self._flushed = offset
        return JournalContent(tuple(payloads), torn)

    def begin(self, payload: bytes) -> None:
        """Append the first record of a height; what stood before it will not be read again. Not durable yet.

        A crash that loses this record leaves the journal at the height before, which the store has: the engine begins
        this height anew, and nothing of it had been sent.
        """
        if self._mark and self._size < self._rotate_bytes:
            self._append(payload, begins=True)
            return
        self._mark = self._new_mark()
        head = _TITLE + self._mark + self._chain_id
        head += _CRC.pack(google_crc32c.value(head))
        content = head + _record(self._mark, len(head), payload, begins=True)
        # If we were to crash inside, the old file would stand whole: see above.
        self._disk.write_atomic(JOURNAL_NAME, content)
        self._size = self._flushed = len(content)

    def append(self, payload: bytes) -> None:
        """Append one record; not durable before the next `flush`."""
        self._append(payload, begins=False)

    def flush(self) -> None:
        """Make all that was appended durable; does nothing when it already is."""
        if self._flushed < self._size:
            self._disk.fdatasync(JOURNAL_NAME)
            self._flushed = self._size

    def _append(self, payload: bytes, *, begins: bool) -> None:
        if len(payload) > PAYLOAD_BYTES_MAX:
            raise AssertionError(f"a journal record of {len(payload)} bytes is above {PAYLOAD_BYTES_MAX}")
        record = _record(self._mark, self._flushed, payload, begins=begins)
        self._disk.append(JOURNAL_NAME, record)
        self._size += len(record)

    def _cut_tail(self, data: bytes, offset: int) -> TornTail:
        later = _later_record_that_saw(data, offset, self._mark)
        if later is not None:
            raise JournalCorrupt(
                f"{JOURNAL_NAME} is damaged at byte {offset}: the record there was durable when a later one, at byte {later}, "
                f"was written, so the disk or somebody changed it. Run `{REPAIR_COMMAND}`; it keeps the file aside, and the "
                "node then only observes until it can vote without having forgotten what it signed"
            )
        # If we were to crash between these, the copy would be made again: the tail is still there until it is cut.
        self._disk.write_atomic(TORN_NAME, data[offset:])
        self._disk.truncate(JOURNAL_NAME, offset)
        self._disk.fdatasync(JOURNAL_NAME)
        return TornTail(offset, len(data) - offset, TORN_NAME)


def repair_journal(disk: Disk) -> str | None:
    """Move the journal aside and return the name it is kept under; None when there is none.

    No part of it is reused: a vote may stand in the part that is lost, so a node whose journal is gone observes first.
    """
    if not disk.exists(JOURNAL_NAME):
        return None
    taken = set(disk.list())
    kept = next(name for number in range(1, 10_000) if (name := f"{DAMAGED_PREFIX}{number}") not in taken)
    disk.write_atomic(kept, disk.read(JOURNAL_NAME))
    # If we were to crash here, the next repair would keep a second copy.
    disk.remove(JOURNAL_NAME)
    return kept


def _record(mark: bytes, flushed: int, payload: bytes, *, begins: bool) -> bytes:
    # The top bit of the length says that a height begins here.
    fields = _FIELDS.pack(flushed, len(payload) | (0x8000_0000 if begins else 0))
    checksum = google_crc32c.extend(google_crc32c.value(fields), payload)
    return b"".join((mark, _CRC.pack(checksum), fields, payload))


def _record_at(data: bytes, offset: int, mark: bytes) -> _Record | None:
    start = offset + _RECORD_HEAD_BYTES
    if start > len(data) or not data.startswith(mark, offset):
        return None
    _, length = _FIELDS.unpack_from(data, start - _FIELDS.size)
    end = start + (length & 0x7FFF_FFFF)
    if end > len(data) or end - start > PAYLOAD_BYTES_MAX:
        return None
    (checksum,) = _CRC.unpack_from(data, offset + _MARK_BYTES)
    if google_crc32c.value(data[start - _FIELDS.size : end]) != checksum:
        return None
    return _Record(data[start:end], length >= 0x8000_0000, end)


def _later_record_that_saw(data: bytes, offset: int, mark: bytes) -> int | None:
    """Where a whole record stands that was written when the byte at `offset` was durable."""
    place = data.find(mark, offset + 1)
    while place >= 0:
        if _record_at(data, place, mark) is not None:
            (flushed, _) = _FIELDS.unpack_from(data, place + _MARK_BYTES + _CRC.size)
            if flushed > offset:
                return place
        place = data.find(mark, place + 1)
    return None


def _read_file_head(data: bytes, chain_id: bytes) -> bytes:
    """The mark of the file. The head is written atomically with the first record, so it is never torn."""
    head = data[:_FILE_HEAD_BYTES]
    body = head[: -_CRC.size]
    if (
        len(head) < _FILE_HEAD_BYTES
        or not head.startswith(_TITLE)
        or _CRC.pack(google_crc32c.value(body)) != head[-_CRC.size :]
    ):
        raise JournalCorrupt(f"{JOURNAL_NAME} does not begin as a journal does; run `{REPAIR_COMMAND}`")
    if body[-_CHAIN_ID_BYTES:] != chain_id:
        raise WrongJournal(
            f"{JOURNAL_NAME} is of chain {body[-_CHAIN_ID_BYTES:].hex()}, the genesis document of chain {chain_id.hex()}: "
            "one of them is not this node's"
        )
    return body[len(_TITLE) : len(_TITLE) + _MARK_BYTES]
