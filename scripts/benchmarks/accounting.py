"""What processes used, as the kernel counted it: processor time, memory, bytes written to disk.

Guarantees: figures of one reading of /proc; Linux only. Leaves to others: what to make of the differences.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
# Fields 14 and 15 of proc(5) stat, counted from the first field after the closing parenthesis of the command.
_USER_TICKS, _SYSTEM_TICKS = 11, 12


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident memory of a process: `anonymous` is its own, `file` are pages of files (LMDB's map), which the kernel can take back."""

    resident_bytes: int
    anonymous_bytes: int
    file_bytes: int


def cpu_s(pid: int) -> float:
    """Processor seconds, user and system, of the process and the children it has waited for."""
    stat = Path(f"/proc/{pid}/stat").read_text()
    fields = stat.rpartition(")")[2].split()
    return (int(fields[_USER_TICKS]) + int(fields[_SYSTEM_TICKS])) / _TICKS_PER_S


def memory(pid: int) -> Memory:
    """Resident memory now."""
    found = {"VmRSS": 0, "RssAnon": 0, "RssFile": 0}
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name in found:
            found[name] = int(value.split()[0]) * 1_024
    return Memory(found["VmRSS"], found["RssAnon"], found["RssFile"])


def written_bytes(pid: int) -> int:
    """Bytes that the process caused to be written to storage; 0 where the kernel does not tell."""
    try:
        text = Path(f"/proc/{pid}/io").read_text()
    except OSError:
        return 0
    values = dict(line.split(": ") for line in text.splitlines())
    return int(values.get("write_bytes", 0))


def folder_bytes(folder: Path) -> int:
    """Bytes that the files of a folder occupy on disk: LMDB's file is sparse, so its length would say nothing."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


@dataclass(frozen=True, slots=True)
class Reading:
    """All counters of the network and of the generator at one moment."""

    node_cpu_s: float
    generator_cpu_s: float
    node_written_bytes: int
    node_folder_bytes: int


def read_all(nodes: Iterable[int], folders: Iterable[Path], generator: int) -> Reading:
    """Sums over the nodes."""
    pids = tuple(nodes)
    return Reading(
        node_cpu_s=sum(cpu_s(pid) for pid in pids),
        generator_cpu_s=cpu_s(generator),
        node_written_bytes=sum(written_bytes(pid) for pid in pids),
        node_folder_bytes=sum(folder_bytes(folder) for folder in folders),
    )
