"""The few things that the journal and the signer ask of a disk, and the real one.

A file here is a name in one folder. Guarantees of `RealDisk`: what `append` wrote is durable once `fdatasync` of that name
has returned, and what `write_atomic` wrote is durable, whole, once it has returned. Everything else may be lost or torn by
a crash, in any order; callers are written for that. The simulator's disk promises no more than this one does.
Every operating-system error is a `DiskFailed` that says what to do, since the node must stop on it: after a failed fsync
the kernel may have dropped the very pages that it could not write, so trying again would report success falsely.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

_ADVICE: Final = {
    errno.ENOSPC: "the disk is full: free space, then start the node again; nothing acknowledged is lost",
    errno.EDQUOT: "the disk quota is used up: raise it, then start the node again; nothing acknowledged is lost",
    errno.EIO: "the disk reports an input/output error: replace it, then restore the node from its peers",
    errno.EROFS: "the file system is read-only: look in the kernel's log why, then start the node again",
    errno.EACCES: "the node may not write here: give its user the data folder, then start it again",
}
_ADVICE_OTHERWISE: Final = "look at the disk and the kernel's log, then start the node again"


class DiskFailed(Exception):
    """The disk refused an operation; the node must stop. `errno_code` is the system's number."""

    def __init__(self, doing: str, error: OSError) -> None:
        self.errno_code = error.errno or 0
        advice = _ADVICE.get(self.errno_code, _ADVICE_OTHERWISE)
        super().__init__(f"{doing}: {error.strerror or error}; {advice}")


class Disk(Protocol):
    """Named files of one folder. Every method raises DiskFailed."""

    def append(self, name: str, data: bytes) -> None:
        """Write at the end, creating the file; not durable yet."""
        ...

    def fdatasync(self, name: str) -> None:
        """Make everything appended to, or cut off, this file durable, and its name too."""
        ...

    def truncate(self, name: str, size: int) -> None:
        """Cut the file to `size` bytes; not durable yet."""
        ...

    def read(self, name: str) -> bytes:
        """The whole file."""
        ...

    def size(self, name: str) -> int:
        """Its length in bytes."""
        ...

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        ...

    def write_atomic(self, name: str, data: bytes) -> None:
        """Replace the whole file; durable on return, and never half there."""
        ...

    def remove(self, name: str) -> None:
        """Delete the file; durable on return. A missing file is fine."""
        ...

    def list(self) -> tuple[str, ...]:
        """All names, sorted."""
        ...


class RealDisk:
    """A folder of the machine. One thread owns it; files that are appended to stay open."""

    def __init__(self, folder: Path, *, fsync: bool = True) -> None:
        """`fsync=False` is for tests that do not kill the machine."""
        self._folder = folder
        self._fsync = fsync
        self._appending: dict[str, int] = {}
        self._fresh: set[str] = set()
        with _attempt("cannot make the folder", folder):
            folder.mkdir(parents=True, exist_ok=True)

    def append(self, name: str, data: bytes) -> None:
        descriptor = self._descriptor(name)
        with _attempt("cannot write", self._folder / name):
            # A full disk may take only a part of it: the reader of the file cuts such a torn tail.
            _write_all(descriptor, data)

    def fdatasync(self, name: str) -> None:
        if not self._fsync:
            return
        descriptor = self._descriptor(name)
        with _attempt("cannot sync", self._folder / name):
            os.fdatasync(descriptor)
        if name in self._fresh:
            # If we were to crash before this, the bytes would be on disk under no name.
            self._sync_folder()
            self._fresh.discard(name)

    def truncate(self, name: str, size: int) -> None:
        descriptor = self._descriptor(name)
        with _attempt("cannot cut", self._folder / name):
            os.ftruncate(descriptor, size)

    def read(self, name: str) -> bytes:
        path = self._folder / name
        with _attempt("cannot read", path):
            return path.read_bytes()

    def size(self, name: str) -> int:
        path = self._folder / name
        with _attempt("cannot look at", path):
            return path.stat().st_size

    def exists(self, name: str) -> bool:
        return (self._folder / name).exists()

    def write_atomic(self, name: str, data: bytes) -> None:
        path = self._folder / name
        temporary = self._folder / f".{name}.new"
        self._forget(name)
        with _attempt("cannot replace", path):
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                _write_all(descriptor, data)
                if self._fsync:
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
            # If we were to crash here, the old file would stand, and the temporary one be overwritten next time.
            temporary.rename(path)
        # If we were to crash here, either the old or the new file would stand, each whole.
        self._sync_folder()

    def remove(self, name: str) -> None:
        path = self._folder / name
        self._forget(name)
        with _attempt("cannot remove", path):
            path.unlink(missing_ok=True)
        self._sync_folder()

    def list(self) -> tuple[str, ...]:
        with _attempt("cannot list", self._folder):
            return tuple(sorted(os.listdir(self._folder)))

    def close(self) -> None:
        """Close the files; what was not synced is the kernel's to write."""
        for name in tuple(self._appending):
            self._forget(name)

    def _descriptor(self, name: str) -> int:
        descriptor = self._appending.get(name)
        if descriptor is None:
            path = self._folder / name
            with _attempt("cannot open", path):
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            self._appending[name] = descriptor
            # Also an old file's name may not be durable yet: we may have died between its creation and its first sync.
            self._fresh.add(name)
        return descriptor

    def _forget(self, name: str) -> None:
        descriptor = self._appending.pop(name, None)
        self._fresh.discard(name)
        if descriptor is not None:
            os.close(descriptor)

    def _sync_folder(self) -> None:
        if not self._fsync:
            return
        with _attempt("cannot sync the folder", self._folder):
            descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


@contextmanager
def _attempt(doing: str, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DiskFailed(f"{doing} {path}", error) from error


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
