"""A disk in memory that forgets what was not synced, tears the last write, and fails when told to."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field

from node.disk import DiskFailed


class Crash(Exception):
    """The machine dies here; the test goes on with `CrashingDisk.after_crash`."""


@dataclass(slots=True)
class _File:
    durable: bytes = b""
    present: bytes = b""


@dataclass(slots=True)
class CrashingDisk:
    """Implements Disk. `crash_at` counts down over the operations that reach the disk; at zero the machine dies.

    Each such operation is two points: before it took effect, and after.
    """

    crash_at: int | None = None
    fail_with: int | None = None
    operations: int = 0
    syncs: int = 0
    files: dict[str, _File] = field(default_factory=dict)

    def append(self, name: str, data: bytes) -> None:
        self._point()
        file = self.files.setdefault(name, _File())
        if self.fail_with is not None:
            file.present += data[: len(data) // 2]
            raise DiskFailed(f"cannot write {name}", OSError(self.fail_with, os.strerror(self.fail_with)))
        file.present += data
        self._point()

    def fdatasync(self, name: str) -> None:
        self._point()
        self._refuse(f"cannot sync {name}")
        self.syncs += 1
        self.files[name].durable = self.files[name].present
        self._point()

    def truncate(self, name: str, size: int) -> None:
        self._point()
        self._refuse(f"cannot cut {name}")
        self.files[name].present = self.files[name].present[:size]
        self._point()

    def read(self, name: str) -> bytes:
        if name not in self.files:
            raise DiskFailed(f"cannot read {name}", FileNotFoundError(errno.ENOENT, "no such file"))
        return self.files[name].present

    def size(self, name: str) -> int:
        return len(self.read(name))

    def exists(self, name: str) -> bool:
        return name in self.files

    def write_atomic(self, name: str, data: bytes) -> None:
        self._point()
        self._refuse(f"cannot replace {name}")
        self.syncs += 2
        self.files[name] = _File(data, data)
        self._point()

    def remove(self, name: str) -> None:
        self._point()
        self._refuse(f"cannot remove {name}")
        self.files.pop(name, None)
        self._point()

    def list(self) -> tuple[str, ...]:
        return tuple(sorted(self.files))

    def is_durable(self, name: str) -> bool:
        """Whether a crash now would lose nothing of this file."""
        file = self.files[name]
        return file.durable == file.present

    def after_crash(self, keep_unsynced: float) -> CrashingDisk:
        """The disk that the next start finds; of what was not synced, this fraction of the bytes is still there."""
        found = CrashingDisk()
        for name, file in self.files.items():
            if file.present.startswith(file.durable):
                extra = len(file.present) - len(file.durable)
                content = file.present[: len(file.durable) + int(extra * keep_unsynced)]
            else:
                content = file.durable
            found.files[name] = _File(content, content)
        return found

    def _point(self) -> None:
        self.operations += 1
        if self.crash_at is not None:
            if self.crash_at == 0:
                raise Crash
            self.crash_at -= 1

    def _refuse(self, doing: str) -> None:
        if self.fail_with is not None:
            raise DiskFailed(doing, OSError(self.fail_with, os.strerror(self.fail_with)))
