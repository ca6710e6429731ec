"""Containers written field by field from docs/formats.md, so that a test can write any of them wrongly."""

from __future__ import annotations

import struct
from collections.abc import Sequence

MAGIC = b"\x89PBK\r\n\x1a\n"
ExportedParts = tuple[bytes, bytes, tuple[bytes, ...]]


def preamble(magic: bytes = MAGIC, version: int = 1) -> bytes:
    return magic + struct.pack(">H", version)


def frame(kind: int, payload: bytes, length: int | None = None) -> bytes:
    return struct.pack(">BQ", kind, len(payload) if length is None else length) + payload


def manifest(chain_id: bytes, count: int, *, first: int = 1, last: int | None = None) -> bytes:
    return frame(1, chain_id + struct.pack(">QQQ", first, count if last is None else last, count))


def block_payload(parts: ExportedParts) -> bytes:
    block, certificate, receipts = parts
    head = struct.pack(">III", len(block), len(certificate), len(receipts))
    tail = b"".join(struct.pack(">I", len(receipt)) + receipt for receipt in receipts)
    return head + block + certificate + tail


def end(height: int, block_hash: bytes) -> bytes:
    return frame(3, struct.pack(">Q", height) + block_hash)


def container(chain_id: bytes, blocks: Sequence[ExportedParts], head: tuple[int, bytes]) -> bytes:
    frames = [frame(2, block_payload(parts)) for parts in blocks]
    return b"".join([preamble(), manifest(chain_id, len(blocks)), *frames, end(*head)])
