"""A disk in memory that keeps no promise which a real one does not give, and dies when told to.

What was synced, and what `write_atomic` replaced, survives a crash. Of what was appended since, a crash leaves nothing, all, a
part, or a part with a torn end: the seed decides. `sync_works=False` plants the fault of a disk, or a program, that
forgets to sync: then what is written becomes durable now and then, when the system happens to write it back.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field
from random import Random

from node.disk import DiskFailed


class MachineDied(Exception):
    """The machine lost power at a persistence point; nothing after it happens."""


@dataclass(slots=True)
class PersistencePoints:
    """Counts the moments at which something becomes durable: before and after each; kills the machine at one of them."""

    die_at: int | None = None
    passed: int = 0

    def point(self) -> None:
        """A moment before or after something reached the disk."""
        self.passed += 1
        if self.die_at is not None and self.passed >= self.die_at:
            self.die_at = None
            raise MachineDied


@dataclass(slots=True)
class _File:
    durable: bytes = b""
    present: bytes = b""


@dataclass(slots=True)
class VirtualDisk:
    """Implements node.disk.Disk."""

    points: PersistencePoints
    random: Random
    sync_works: bool = True
    full: bool = False
    files: dict[str, _File] = field(default_factory=dict)

    def append(self, name: str, data: bytes) -> None:
        file = self.files.setdefault(name, _File())
        if self.full:
            file.present += data[: len(data) // 2]
            self._fail(f"cannot write {name}")
        file.present += data

    def fdatasync(self, name: str) -> None:
        self.points.point()
        if self.full:
            self._fail(f"cannot sync {name}")
        if self._reaches_the_disk():
            self.files[name].durable = self.files[name].present
        self.points.point()

    def truncate(self, name: str, size: int) -> None:
        self.files[name].present = self.files[name].present[:size]

    def read(self, name: str) -> bytes:
        return self.files[name].present

    def size(self, name: str) -> int:
        return len(self.files[name].present)

    def exists(self, name: str) -> bool:
        return name in self.files

    def write_atomic(self, name: str, data: bytes) -> None:
        self.points.point()
        if self.full:
            self._fail(f"cannot replace {name}")
        if self._reaches_the_disk():
            self.files[name] = _File(data, data)
        else:
            self.files[name] = _File(self.files[name].durable if name in self.files else b"", data)
        self.points.point()

    def remove(self, name: str) -> None:
        self.files.pop(name, None)

    def list(self) -> tuple[str, ...]:
        return tuple(sorted(self.files))

    def lose_power(self) -> None:
        """Become the disk that the next start finds."""
        for name in self.list():
            file = self.files[name]
            found = _after_crash(file, self.random)
            if found or file.durable:
                self.files[name] = _File(found, found)
            else:
                del self.files[name]  # the name itself was never made durable

    def _reaches_the_disk(self) -> bool:
        return self.sync_works or self.random.random() < 0.5

    def _fail(self, doing: str) -> None:
        raise DiskFailed(doing, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))


def _after_crash(file: _File, random: Random) -> bytes:
    if not file.present.startswith(file.durable):
        return file.durable  # a cut, or a replacement without sync, that did not reach the disk
    unsynced = file.present[len(file.durable) :]
    if not unsynced:
        return file.durable
    kept = unsynced[: random.randint(0, len(unsynced))]
    match random.randrange(4):
        case 0:
            return file.durable
        case 1:
            return file.present
        case 2:
            return file.durable + kept
        case _:
            # The file grew before its last sector was written.
            return file.durable + kept[:-8] + bytes(min(8, len(kept)))
