"""The export container `chain.pbk`: a chain as one file, written once and read by people who trust nothing in it.

    preamble   magic 8 | version u16
    frame      type u8 | length u64 | payload
    manifest   chain id 32 | first height u64 | last height u64 | block count u64         frame type 1, exactly once, first
    block      block length u32 | certificate length u32 | receipt count u32 | block | certificate |
               (length u32 | receipt) per receipt                                         frame type 2
    end        last height u64 | last block hash 32                                       frame type 3, exactly once, last

All integers are big-endian. The file names its chain by hash only: genesis and expected head are never read from it.

Guarantees: the writer leaves either a whole file or none under its name. The reader compares every length with its cap and
with what remains before it reads, holds one frame at a time, and accepts no byte that it does not account for. Left to
others: whether what is inside is true.
"""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from registry import limits
from registry.block import decode_block

from ..trust import Checkpoint
from .findings import Category, Check, CheckFailed, Finding, finding

MAGIC: Final = (
    b"\x89PBK\r\n\x1a\n"  # high bit, line ends and end-of-file: a transfer as text breaks it at once
)
VERSION: Final = 1

_PREAMBLE: Final = struct.Struct(">8sH")
_FRAME_HEAD: Final = struct.Struct(">BQ")
_MANIFEST: Final = struct.Struct(">32sQQQ")
_END: Final = struct.Struct(">Q32s")
_BLOCK_HEAD: Final = struct.Struct(">III")
_RECEIPT_HEAD: Final = struct.Struct(">I")
MANIFEST_OFFSET: Final = _PREAMBLE.size
FRAME_HEAD_BYTES: Final = _FRAME_HEAD.size
BLOCK_HEAD_BYTES: Final = _BLOCK_HEAD.size

BLOCK_BYTES_MAX: Final = (
    limits.BLOCK_BYTES_MAX
    + limits.CERTIFICATE_BYTES_MAX
    + limits.EVIDENCE_ITEMS_MAX * limits.EVIDENCE_BYTES_MAX
    + 64 * 1024
)
RECEIPTS_BYTES_MAX: Final = (
    8 << 20
)  # 10,000 operations whose refusals say all they can, at 600 bytes each, and heads
BLOCK_FRAME_BYTES_MAX: Final = (
    _BLOCK_HEAD.size + BLOCK_BYTES_MAX + limits.CERTIFICATE_BYTES_MAX + RECEIPTS_BYTES_MAX
)


class FrameType(IntEnum):
    MANIFEST = 1
    BLOCK = 2
    END = 3


_PAYLOAD_BYTES_MAX: Final = {
    FrameType.MANIFEST: _MANIFEST.size,
    FrameType.BLOCK: BLOCK_FRAME_BYTES_MAX,
    FrameType.END: _END.size,
}


@dataclass(frozen=True, slots=True)
class ExportedBlock:
    """One block as it travels: canonical block bytes, its certificate, the receipts of its entries."""

    block: bytes
    certificate: bytes
    receipts: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the file says of itself; nothing here is believed, everything is compared."""

    chain_id: bytes
    first_height: int
    last_height: int
    block_count: int


@dataclass(frozen=True, slots=True)
class BlockFrame:
    """The payload of one block frame, and where the frame begins in the file."""

    offset: int
    payload: bytes


# -- writing --------------------------------------------------------------------------------------------------------------


class ExportWriter:
    """Writes a container block by block beside its final name, and renames it when it is whole.

    Use as a context: leaving it without `finish` removes what was written.
    """

    def __init__(self, path: Path, chain_id: bytes) -> None:
        self._path = path
        self._chain_id = chain_id
        self._count = 0
        self._first_height = 1
        self.head = Checkpoint(0, chain_id)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        self._temporary = Path(name)
        self._file: BinaryIO = os.fdopen(descriptor, "wb")
        self._file.write(_PREAMBLE.pack(MAGIC, VERSION))
        self._write_manifest()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._file.closed:
            self._file.close()
        with suppress(FileNotFoundError):
            self._temporary.unlink()

    def add(self, exported: ExportedBlock) -> Checkpoint:
        """Append the next block. Raises BlockInvalid when it does not decode, ValueError when it leaves a gap."""
        block = decode_block(exported.block)
        height = block.header.height
        if self._count == 0:
            self._first_height = height
        elif height != self.head.height + 1:
            raise ValueError(f"block {height} follows block {self.head.height}: an export has no gaps")
        payload = encode_block_payload(exported)
        self._file.write(_FRAME_HEAD.pack(FrameType.BLOCK, len(payload)))
        self._file.write(payload)
        self._count += 1
        self.head = Checkpoint(height, block.block_hash)
        return self.head

    def finish(self) -> Checkpoint:
        """Write the end, put the final manifest in place, and rename the file to its name."""
        self._write_frame(FrameType.END, _END.pack(self.head.height, self.head.block_hash))
        self._file.seek(MANIFEST_OFFSET)
        self._write_manifest()
        self._file.flush()
        # A crash before the rename leaves a file that nobody looks for; after the sync, the whole export.
        os.fsync(self._file.fileno())
        self._file.close()
        self._temporary.chmod(0o644)
        self._temporary.replace(self._path)
        return self.head

    def _write_manifest(self) -> None:
        fields = (self._chain_id, self._first_height, self.head.height, self._count)
        self._write_frame(FrameType.MANIFEST, _MANIFEST.pack(*fields))

    def _write_frame(self, kind: FrameType, payload: bytes) -> None:
        self._file.write(_FRAME_HEAD.pack(kind, len(payload)) + payload)


def write_export(path: Path, chain_id: bytes, blocks: Iterable[ExportedBlock]) -> Checkpoint:
    """Write all blocks to `path` and return the head. Nothing is left under that name unless all succeeds."""
    with ExportWriter(path, chain_id) as writer:
        for block in blocks:
            writer.add(block)
        return writer.finish()


def encode_block_payload(exported: ExportedBlock) -> bytes:
    """The payload of a block frame."""
    parts = [
        _BLOCK_HEAD.pack(len(exported.block), len(exported.certificate), len(exported.receipts)),
        exported.block,
        exported.certificate,
    ]
    for receipt in exported.receipts:
        parts.append(_RECEIPT_HEAD.pack(len(receipt)))
        parts.append(receipt)
    return b"".join(parts)


# -- reading --------------------------------------------------------------------------------------------------------------


class ExportReader:
    """Reads a container frame by frame. The constructor reads preamble and manifest and raises CheckFailed.

    `frames` yields the block frames once. Where the file stops making sense it ends, and `failure` says why; when the end
    was read, `end` is what the file takes for its head.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.file_bytes = os.fstat(file.fileno()).st_size
        self.offset = 0
        self.end: Checkpoint | None = None
        self.failure: Finding | None = None
        self._read_preamble()
        self.manifest = self._read_manifest()

    def frames(self) -> Iterator[BlockFrame]:
        """The block frames in file order. Ends early, with `failure` set, where the file is not a container."""
        count = 0
        try:
            while True:
                offset = self.offset
                kind, payload = self._read_frame()
                if kind is FrameType.END:
                    break
                if kind is FrameType.MANIFEST:
                    raise _failed(Check.FRAMES, Category.MALFORMED, "a second manifest", offset)
                count += 1
                if count > self.manifest.block_count:
                    raise _failed(
                        Check.MANIFEST,
                        Category.MALFORMED,
                        "the file holds more blocks than its manifest says",
                        offset,
                        expected=self.manifest.block_count,
                        found=count,
                    )
                yield BlockFrame(offset, payload)
            self.end = Checkpoint(*_END.unpack(payload))
            self._check_end(offset, count)
        except CheckFailed as error:
            self.failure = error.finding

    def _check_end(self, offset: int, count: int) -> None:
        if self.offset != self.file_bytes:
            raise _failed(
                Check.FRAMES,
                Category.MALFORMED,
                "bytes follow the end frame",
                self.offset,
                expected=self.offset,
                found=self.file_bytes,
            )
        if count < self.manifest.block_count:
            raise _failed(
                Check.MANIFEST,
                Category.TRUNCATED,
                "the file holds fewer blocks than its manifest says",
                offset,
                expected=self.manifest.block_count,
                found=count,
            )

    def _read_preamble(self) -> None:
        if self.file_bytes < _PREAMBLE.size:
            raise _failed(
                Check.CONTAINER, Category.MALFORMED, "too short to be an export", 0, found=self.file_bytes
            )
        magic, version = _PREAMBLE.unpack(self._take(_PREAMBLE.size))
        if magic != MAGIC:
            raise _failed(
                Check.CONTAINER, Category.MALFORMED, "not a Pledgebook export", 0, expected=MAGIC, found=magic
            )
        if version != VERSION:
            raise _failed(
                Check.CONTAINER,
                Category.UNSUPPORTED,
                f"container version {version} is not known to this program; audit it with a newer one",
                len(MAGIC),
                expected=VERSION,
                found=version,
            )

    def _read_manifest(self) -> Manifest:
        if self.file_bytes < _PREAMBLE.size + _FRAME_HEAD.size:
            raise _failed(Check.FRAMES, Category.MALFORMED, "the file ends before its manifest", self.offset)
        kind, payload = self._read_frame()
        if kind is not FrameType.MANIFEST:
            raise _failed(
                Check.MANIFEST, Category.MALFORMED, "the first frame is not a manifest", MANIFEST_OFFSET
            )
        manifest = Manifest(*_MANIFEST.unpack(payload))
        if manifest.first_height != 1:
            # Without the state before it a later part cannot be replayed, and a part is not what an audit promises.
            raise _failed(
                Check.MANIFEST,
                Category.UNSUPPORTED,
                "the export begins after the first block; this version audits whole chains only",
                MANIFEST_OFFSET,
                expected=1,
                found=manifest.first_height,
            )
        if manifest.last_height != manifest.block_count:
            raise _failed(
                Check.MANIFEST,
                Category.MALFORMED,
                "last height and number of blocks do not fit",
                MANIFEST_OFFSET,
                expected=manifest.block_count,
                found=manifest.last_height,
            )
        return manifest

    def _read_frame(self) -> tuple[FrameType, bytes]:
        offset, remaining = self.offset, self.file_bytes - self.offset
        if remaining < _FRAME_HEAD.size:
            what = (
                "the end frame is missing" if remaining == 0 else "the file ends inside the head of a frame"
            )
            raise _failed(Check.FRAMES, Category.TRUNCATED, what, offset)
        code, length = _FRAME_HEAD.unpack(self._take(_FRAME_HEAD.size))
        if code not in FrameType.__members__.values():
            raise _failed(Check.FRAMES, Category.MALFORMED, "unknown frame type", offset, found=code)
        kind = FrameType(code)
        self._check_length(kind, length, offset)
        return kind, self._take(length)

    def _check_length(self, kind: FrameType, length: int, offset: int) -> None:
        cap = _PAYLOAD_BYTES_MAX[kind]
        name = kind.name.lower()
        if length > cap:
            raise _failed(
                Check.FRAMES,
                Category.LIMIT,
                f"a {name} frame claims {length} bytes",
                offset,
                expected=f"at most {cap}",
                found=length,
            )
        if kind is not FrameType.BLOCK and length != cap:
            raise _failed(
                Check.FRAMES,
                Category.MALFORMED,
                f"a {name} frame of wrong length",
                offset,
                expected=cap,
                found=length,
            )
        remaining = self.file_bytes - self.offset
        if length > remaining:
            raise _failed(
                Check.FRAMES,
                Category.TRUNCATED,
                f"the file ends inside a {name} frame",
                offset,
                expected=length,
                found=remaining,
            )

    def _take(self, length: int) -> bytes:
        taken = self._file.read(length)
        if len(taken) != length:
            # Its size was known: somebody shortens it while it is read.
            raise _failed(
                Check.FRAMES, Category.TRUNCATED, "the file became shorter while it was read", self.offset
            )
        self.offset += length
        return taken


def decode_block_payload(frame: BlockFrame) -> ExportedBlock:
    """Cut a block frame into its parts. Raises CheckFailed."""
    payload, offset = frame.payload, frame.offset
    if len(payload) < _BLOCK_HEAD.size:
        raise _failed(Check.FRAMES, Category.MALFORMED, "a block frame without its head", offset)
    block_bytes, certificate_bytes, receipt_count = _BLOCK_HEAD.unpack_from(payload)
    for name, found, cap in (
        ("block of bytes", block_bytes, BLOCK_BYTES_MAX),
        ("certificate of bytes", certificate_bytes, limits.CERTIFICATE_BYTES_MAX),
        ("number of receipts", receipt_count, limits.BLOCK_ENTRIES_MAX),
    ):
        if found > cap:
            raise _failed(
                Check.FRAMES,
                Category.LIMIT,
                f"a block frame claims a {name} {found}",
                offset,
                expected=f"at most {cap}",
                found=found,
            )
    certificate_at = _BLOCK_HEAD.size + block_bytes
    receipts_at = certificate_at + certificate_bytes
    if receipts_at > len(payload):
        raise _failed(Check.FRAMES, Category.MALFORMED, "lengths inside a block frame exceed it", offset)
    return ExportedBlock(
        block=payload[_BLOCK_HEAD.size : certificate_at],
        certificate=payload[certificate_at:receipts_at],
        receipts=_cut_receipts(payload, receipts_at, receipt_count, offset),
    )


def _cut_receipts(payload: bytes, start: int, count: int, offset: int) -> tuple[bytes, ...]:
    receipts = []
    for _ in range(count):
        begin = start + _RECEIPT_HEAD.size
        if begin > len(payload):
            raise _failed(
                Check.FRAMES, Category.MALFORMED, "receipts exceed their block frame", offset + start
            )
        start = begin + _RECEIPT_HEAD.unpack_from(payload, start)[0]
        if start > len(payload):
            raise _failed(
                Check.FRAMES, Category.MALFORMED, "a receipt exceeds its block frame", offset + begin
            )
        receipts.append(payload[begin:start])
    if start != len(payload):
        raise _failed(
            Check.FRAMES, Category.MALFORMED, "bytes follow the last receipt of a block", offset + start
        )
    return tuple(receipts)


def _failed(
    check: Check,
    category: Category,
    message: str,
    offset: int,
    *,
    expected: object = None,
    found: object = None,
) -> CheckFailed:
    return CheckFailed(finding(check, category, message, offset=offset, expected=expected, found=found))
