"""Blocks and headers: what is ordered, hashed and certified.

The block hash is over the header alone. The header fixes the whole payload: `decode_block` refuses a body whose entries,
parent certificate or evidence do not give the header's roots, so a correct node never holds two payloads for one hash.
Certificates and evidence are consensus' business and stay opaque bytes here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NewType

from . import limits
from .codec import Blob, Bytes, Items, Struct, Text, Uint, pack, unpack
from .errors import BlockInvalid, MalformedEntry
from .merkle.log import tree_root
from .signing import Tag, digest

BlockHash = NewType("BlockHash", bytes)

BLOCK_VERSION: Final = 1
RULES_VERSION: Final = 1
_ENVELOPE_BYTES_MAX: Final = (
    limits.BLOCK_BYTES_MAX
    + limits.CERTIFICATE_BYTES_MAX
    + limits.EVIDENCE_ITEMS_MAX * limits.EVIDENCE_BYTES_MAX
    + 64 * 1024
)


@dataclass(frozen=True, slots=True)
class Header:
    """One block's commitment to everything (DESIGN, "Formats"). No round: a value keeps its hash when it is proposed again.

    `history_root` is the RFC 6962 root over all earlier block hashes, `state_root` the map's root after this block.
    """

    version: int
    chain_id: bytes
    height: int
    time_ms: int
    parent_hash: bytes
    history_size: int
    history_root: bytes
    entry_count: int
    entries_root: bytes
    receipts_root: bytes
    state_root: bytes
    validators_hash: bytes
    next_validators_hash: bytes
    rules_version: int
    policy_hash: bytes
    last_certificate_hash: bytes
    evidence_root: bytes
    proposer: str


@dataclass(frozen=True, slots=True)
class Block:
    """A decoded block with the exact header bytes its hash is over. Entries are raw bytes, not yet decoded."""

    header: Header
    header_bytes: bytes
    block_hash: BlockHash
    entries: tuple[bytes, ...]
    last_certificate: bytes
    evidence: tuple[bytes, ...]


_HASH: Final = Bytes(32)
HEADER: Final = Struct(
    Header,
    {
        "version": Uint(BLOCK_VERSION, BLOCK_VERSION),
        "chain_id": _HASH,
        "height": Uint(limits.HEIGHT_MAX, 1),
        "time_ms": Uint(limits.TIME_MS_MAX),
        "parent_hash": _HASH,
        "history_size": Uint(limits.HEIGHT_MAX),
        "history_root": _HASH,
        "entry_count": Uint(limits.BLOCK_ENTRIES_MAX),
        "entries_root": _HASH,
        "receipts_root": _HASH,
        "state_root": _HASH,
        "validators_hash": _HASH,
        "next_validators_hash": _HASH,
        "rules_version": Uint(2**32),
        "policy_hash": _HASH,
        "last_certificate_hash": _HASH,
        "evidence_root": _HASH,
        "proposer": Text(limits.NODE_ID_CHARS_MAX),
    },
)
_BODY: Final = (
    Items(Blob(limits.ENTRY_BYTES_MAX), limits.BLOCK_ENTRIES_MAX),
    Blob(limits.CERTIFICATE_BYTES_MAX),
    Items(Blob(limits.EVIDENCE_BYTES_MAX), limits.EVIDENCE_ITEMS_MAX),
)
HEADER_BYTES_MAX: Final = 1_024


def encode_header(header: Header) -> bytes:
    return pack(HEADER.encode(header, "header"))


def decode_header(header_bytes: bytes) -> Header:
    """Raises MalformedEntry."""
    return HEADER.decode(unpack(header_bytes, HEADER_BYTES_MAX), "header")


def block_hash_of(header_bytes: bytes) -> BlockHash:
    return BlockHash(digest(Tag.HEADER, header_bytes))


def entries_root(entries: tuple[bytes, ...]) -> bytes:
    """RFC 6962 root over the raw entries, signatures included."""
    return tree_root(entries)


def last_certificate_hash(certificate: bytes) -> bytes:
    return digest(Tag.LAST_CERTIFICATE, certificate)


def make_block(
    header: Header, entries: tuple[bytes, ...], last_certificate: bytes, evidence: tuple[bytes, ...]
) -> Block:
    """Put a block together from a header that was computed over these parts."""
    header_bytes = encode_header(header)
    return Block(header, header_bytes, block_hash_of(header_bytes), entries, last_certificate, evidence)


def encode_block(block: Block) -> bytes:
    return pack((block.header_bytes, block.entries, block.last_certificate, block.evidence))


def decode_block(raw: bytes) -> Block:
    """Parse a block and check that its header fixes its body. Raises BlockInvalid."""
    try:
        parts: Any = unpack(raw, _ENVELOPE_BYTES_MAX)
        if type(parts) is not tuple or len(parts) != 4:
            raise MalformedEntry("a block is an array of header, entries, parent certificate and evidence")
        header_bytes = Blob(HEADER_BYTES_MAX).decode(parts[0], "header")
        header = decode_header(header_bytes)
        entries = _BODY[0].decode(parts[1], "entries")
        last_certificate = _BODY[1].decode(parts[2], "last_certificate")
        evidence = _BODY[2].decode(parts[3], "evidence")
    except MalformedEntry as error:
        raise BlockInvalid(f"malformed block: {error.message}") from error
    block = Block(header, header_bytes, block_hash_of(header_bytes), entries, last_certificate, evidence)
    _check_body(block)
    return block


def _check_body(block: Block) -> None:
    header = block.header
    expected = (
        ("entry_count", header.entry_count, len(block.entries)),
        ("entries_root", header.entries_root, entries_root(block.entries)),
        (
            "last_certificate_hash",
            header.last_certificate_hash,
            last_certificate_hash(block.last_certificate),
        ),
        ("evidence_root", header.evidence_root, tree_root(block.evidence)),
    )
    for field, stated, found in expected:
        if stated != found:
            raise BlockInvalid(f"{field} does not match the body", field=field, stated=stated, found=found)
    if sum(map(len, block.entries)) > limits.BLOCK_BYTES_MAX:
        raise BlockInvalid(f"entries take more than {limits.BLOCK_BYTES_MAX} bytes")
