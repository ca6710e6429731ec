"""What a client begins with: a genesis document, the highest block it has seen and the validators it has been shown, kept from one
run to the next.

A checkpoint is `HEIGHT:HASH`, the hash in hexadecimal. It may also come from elsewhere (a regulator, another member):
a client that begins with it refuses everything older, and any other block of that height.
The file of validators is trusted like the genesis document beside it: it saves the next run the way over every change.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from registry.codec import Blob, Items, Shape, Struct, Uint, pack, read
from registry.errors import MalformedEntry
from registry.genesis import Genesis, parse_genesis
from registry.limits import GENESIS_BYTES_MAX, HEIGHT_MAX
from registry.nodes import NODES, VOTERS_BYTES_MAX, NetworkNode
from registry.stored import STORED_VALUE_BYTES_MAX

from .errors import DirectoryError, InputError
from .validator_sets import VALIDATOR_CHANGES_MAX, KnownSet

T = TypeVar("T")

CHECKPOINT_CHARS_MAX = 128
_HASH_BYTES = 32
_KNOWN_SETS = Items(
    Struct(KnownSet, {"from_height": Uint(HEIGHT_MAX, 1), "voters": Blob(VOTERS_BYTES_MAX)}),
    VALIDATOR_CHANGES_MAX,
)
_KNOWN_SETS_BYTES_MAX = VALIDATOR_CHANGES_MAX * (VOTERS_BYTES_MAX + 16)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A block that is known to be on the chain."""

    height: int
    block_hash: bytes

    def __str__(self) -> str:
        return f"{self.height}:{self.block_hash.hex()}"


def parse_checkpoint(text: str) -> Checkpoint:
    """The inverse of `str(checkpoint)`. Raises InputError."""
    number, _, digits = text.strip().partition(":")
    try:
        block_hash = bytes.fromhex(digits)
        height = int(number) if number.isdecimal() else 0
    except ValueError:
        block_hash, height = b"", 0
    if not 0 < height <= HEIGHT_MAX or len(block_hash) != _HASH_BYTES:
        raise InputError(
            f"{text[:100]!r} is not a head: write HEIGHT:HASH, the hash as 64 hexadecimal digits"
        )
    return Checkpoint(height, block_hash)


def read_genesis(path: Path) -> Genesis:
    """The parsed genesis document. Raises DirectoryError, GenesisInvalid."""
    try:
        with path.open("rb") as file:
            return parse_genesis(file.read(GENESIS_BYTES_MAX + 1))
    except OSError as error:
        raise DirectoryError(f"cannot read the genesis document {path}: {error.strerror}") from error


def read_checkpoint(path: Path) -> Checkpoint | None:
    """The checkpoint kept in `path`, or None when there is none yet. Raises DirectoryError, InputError."""
    try:
        with path.open("r", encoding="ascii") as file:
            return parse_checkpoint(file.read(CHECKPOINT_CHARS_MAX))
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is damaged: it must hold one line HEIGHT:HASH") from error
    except OSError as error:
        raise DirectoryError(f"cannot read {path}: {error.strerror}") from error


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Replace the checkpoint kept in `path`. Raises DirectoryError.

    A crash leaves the old one or the new one: forgetting a little of what was seen is harmless, half a line would not be.
    """
    _replace(path, f"{checkpoint}\n".encode("ascii"))


def read_known_sets(path: Path) -> tuple[KnownSet, ...]:
    """The validators kept in `path`; none when there is no file yet. Raises DirectoryError, InputError."""
    return _kept(path, _KNOWN_SETS, _KNOWN_SETS_BYTES_MAX) or ()


def read_known_nodes(path: Path) -> tuple[NetworkNode, ...]:
    """The nodes kept in `path`; none when there is no file yet. Raises DirectoryError, InputError."""
    return _kept(path, NODES, STORED_VALUE_BYTES_MAX) or ()


def _kept(path: Path, shape: Shape[T], bytes_max: int) -> T | None:
    try:
        with path.open("rb") as file:
            content = file.read(bytes_max + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DirectoryError(f"cannot read {path}: {error.strerror}") from error
    try:
        return read(shape, content, bytes_max, path.name)
    except MalformedEntry as error:
        raise InputError(
            f"{path} is damaged ({error.message}): remove it, and the nodes are asked again"
        ) from error


def write_known_nodes(path: Path, nodes: tuple[NetworkNode, ...]) -> None:
    """Replace the nodes kept in `path`. Raises DirectoryError."""
    _replace(path, pack(NODES.encode(nodes, "nodes")))


def write_known_sets(path: Path, known: tuple[KnownSet, ...]) -> None:
    """Replace the validators kept in `path`. Raises DirectoryError."""
    _replace(path, pack(_KNOWN_SETS.encode(known[-VALIDATOR_CHANGES_MAX:], "validators")))


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        raise DirectoryError(f"cannot write {path}: {error.strerror}") from error
