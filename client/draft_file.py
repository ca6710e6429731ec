"""A draft on its way between parties: one file with the bytes that all of them sign, and the signatures so far.

    draft = "pledgebook draft 1\\n" | entry            (docs/formats.md, "Draft file")

Guarantees: nothing is in the file but what is signed and who has signed it, so nothing in it has to be trusted; every
signature that a reader is given verifies over the body as it stands, under the key named beside it; a file is replaced
whole. If we were to crash while a new one is written, what is left is no draft and reads as none.
Leaves to others: whose keys they are and who is missing (`drafts`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from registry.entry import Entry, EntrySignature, assemble, decode_entry, verify_signatures
from registry.errors import BadSignature, MalformedEntry
from registry.limits import ENTRY_BYTES_MAX

from .errors import DirectoryError, DraftRefused, InputError

MAGIC: Final = b"pledgebook draft 1\n"
_FAMILY: Final = b"pledgebook draft "
DRAFT_BYTES_MAX: Final = len(MAGIC) + ENTRY_BYTES_MAX


def encode_draft(body_bytes: bytes, signatures: Iterable[EntrySignature]) -> bytes:
    """The file's bytes. Raises MalformedEntry when they would be too many."""
    return MAGIC + assemble(body_bytes, tuple(signatures))


def decode_draft(data: bytes) -> Entry:
    """The entry so far, its signatures checked. Raises InputError when it is no draft, DraftRefused when one is false."""
    if len(data) > DRAFT_BYTES_MAX:
        raise InputError(f"longer than {DRAFT_BYTES_MAX} bytes: not a draft")
    if not data.startswith(MAGIC):
        if data.startswith(_FAMILY):
            version = data[len(_FAMILY) :][:8].split(b"\n")[0].decode("ascii", errors="replace")
            raise InputError(f"a draft of format {version}; this version reads format 1")
        raise InputError("not a draft: it does not begin with the words of one")
    try:
        entry = decode_entry(data[len(MAGIC) :])
    except MalformedEntry as error:
        raise InputError(f"not a draft: {error}") from error
    try:
        verify_signatures(entry)
    except BadSignature as error:
        raise DraftRefused(
            f"a signature does not fit what the draft says ({error}): it was altered after it was signed, or forged"
        ) from error
    return entry


def read_draft(path: Path) -> Entry:
    """Raises DirectoryError, InputError, DraftRefused."""
    try:
        with path.open("rb") as file:
            data = file.read(DRAFT_BYTES_MAX + 1)
    except OSError as error:
        raise DirectoryError(f"cannot read {path}: {error.strerror}") from error
    try:
        return decode_draft(data)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except DraftRefused as error:
        raise DraftRefused(f"{path}: {error}") from error


def check_unused(path: Path) -> None:
    """Raises DirectoryError when something lies there already."""
    if path.exists():
        raise DirectoryError(f"{path} exists already; a draft is written over no other file")


def write_draft(path: Path, data: bytes) -> None:
    """Write a new file, for its owner only; it takes no other file's place. Raises DirectoryError."""
    try:
        _write(path, data)
    except FileExistsError as error:
        raise DirectoryError(f"{path} exists already; a draft is written over no other file") from error
    except OSError as error:
        raise DirectoryError(f"cannot write {path}: {error.strerror}") from error


def replace_draft(path: Path, data: bytes) -> None:
    """Put the draft with more signatures in the place of the one that was read. Raises DirectoryError."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        _write(temporary, data)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise DirectoryError(f"cannot write {path}: {error.strerror}") from error


def _write(path: Path, data: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def papers_beside(path: Path) -> Path:
    """Where the papers lie that belong to a draft: they are handed over with it, to those who must look at them."""
    return path.with_name(f"{path.name}.papers")
