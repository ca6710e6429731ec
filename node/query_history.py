"""Who asked this node about which receivable: kept on disk for those whose receivable it is, apart from the chain.

    table   key                                value
    meta    "format" | "chain" | "bytes"       u32 | chain id | u64: what the table `asked` holds
    asked   receivable id                      msgpack [forgotten, [[asker, kind, purpose, first_ms, last_ms, times], ...]]
    ages    last_ms u64, receivable id         empty: which receivable was asked about the longest ago

Guarantees: no more than QUESTIONS_MAX questions a receivable and `bytes_max` in all; no member's questions push another's out of
a receivable's list while its own are more. A batch is written whole or not at all. The folder stays readable after a crash of
the machine, which may cost the last batch: only data is flushed, not LMDB's page that names it, so that the disk is the
chain's for as long as can be. A folder that is damaged or of another chain is set aside and a new one begun: this log must
never keep a node from serving.
Leaves to others: collecting questions (`node.api.query_notes`), and who may read them (`node.api.visibility`).
"""

from __future__ import annotations

import shutil
import struct
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

import lmdb
import msgpack

from registry.time_units import HOUR_MS

FORMAT: Final = 1
QUESTIONS_MAX: Final = 64
"""Of one receivable: a year of weekly looks by its factor, or every factor of a country asking once."""
REPEATED_MS: Final = HOUR_MS
"""The same question within this time of its first is counted and not kept again: a program that polls fills no list."""
BYTES_MAX: Final = 1 << 30
"""A few questions each about some millions of receivables; little beside the chain, which takes more for 250,000 entries."""
_MAP_FACTOR: Final = 4
"""Values are rounded up to pages, and those replaced are free only after the next transaction."""
_MAP_BYTES_MIN: Final = 1 << 24
_TABLES: Final = ("meta", "asked", "ages")
_U32: Final = struct.Struct(">I")
_U64: Final = struct.Struct(">Q")


class HistoryDamaged(Exception):
    """What was written does not read back. The node itself is well: the folder can be deleted."""


@dataclass(frozen=True, slots=True)
class Question:
    """What one member asked of one receivable, and how often within REPEATED_MS."""

    asker: str
    kind: str
    purpose: str
    first_ms: int
    last_ms: int
    times: int = 1


@dataclass(frozen=True, slots=True)
class Questions:
    """What is kept of one receivable, oldest first, and how many questions had to give way."""

    kept: tuple[Question, ...] = ()
    forgotten: int = 0


def remembered(before: Questions, new: Iterable[Question]) -> Questions:
    """The list with new questions in it, repeated ones counted, and no more than QUESTIONS_MAX of them.

    Where one has to give way it is the oldest of the member that has most, so that nobody can hide its question, or an
    accomplice's, behind many of its own.
    """
    kept, forgotten = list(before.kept), before.forgotten
    for question in new:
        for index in range(len(kept) - 1, -1, -1):
            if _is_repeated(kept[index], question):
                question = _counted(kept.pop(index), question)
                break
        kept.append(question)
        if len(kept) > QUESTIONS_MAX:
            by_asker = Counter(each.asker for each in kept)
            most = max(by_asker.values())
            del kept[next(index for index, each in enumerate(kept) if by_asker[each.asker] == most)]
            forgotten += 1
    return Questions(tuple(sorted(kept, key=lambda each: each.last_ms)), forgotten)


def _is_repeated(kept: Question, new: Question) -> bool:
    return (kept.asker, kept.kind, kept.purpose) == (new.asker, new.kind, new.purpose) and abs(
        new.last_ms - kept.first_ms
    ) < REPEATED_MS


def _counted(kept: Question, new: Question) -> Question:
    return replace(
        kept,
        first_ms=min(kept.first_ms, new.first_ms),
        last_ms=max(kept.last_ms, new.last_ms),
        times=kept.times + new.times,
    )


class QueryHistory:
    """See the module's docstring. One thread writes; any may read."""

    def __init__(
        self, environment: lmdb.Environment, tables: Mapping[str, lmdb._Database], bytes_max: int
    ) -> None:
        """Use `open`."""
        self._environment = environment
        self._tables = tables
        self._bytes_max = bytes_max

    @classmethod
    def open(cls, folder: Path, chain_id: bytes, *, bytes_max: int = BYTES_MAX) -> Self:
        """Open or make it; one that is damaged or of another chain or format is renamed to `<folder>.aside` first.

        Raises OSError, lmdb.Error when not even a new one can be made.
        """
        found: Self | None = None
        try:
            found = cls._open(folder, bytes_max)
            if found._claim(chain_id):
                return found
        except lmdb.Error:
            pass  # damaged; a full disk fails once more below, and is told
        if found is not None:
            found.close()
        aside = folder.with_name(f"{folder.name}.aside")
        shutil.rmtree(aside, ignore_errors=True)
        if folder.exists():
            folder.rename(aside)
        history = cls._open(folder, bytes_max)
        history._claim(chain_id)
        return history

    @classmethod
    def _open(cls, folder: Path, bytes_max: int) -> Self:
        folder.mkdir(parents=True, exist_ok=True)
        environment = lmdb.open(
            str(folder),
            map_size=max(_MAP_FACTOR * bytes_max, _MAP_BYTES_MIN),
            max_dbs=len(_TABLES),
            metasync=False,
            readahead=False,
            meminit=False,
            mode=0o600,
        )
        try:
            tables = {name: environment.open_db(name.encode()) for name in _TABLES}
        except BaseException:
            environment.close()
            raise
        return cls(environment, tables, bytes_max)

    def close(self) -> None:
        self._environment.close()

    def note(self, asked: Mapping[bytes, Sequence[Question]]) -> None:
        """Add questions, by receivable id, in one transaction. Raises HistoryDamaged, lmdb.Error."""
        with self._environment.begin(write=True) as transaction:
            held = _held(transaction.get(b"bytes", db=self._tables["meta"]))
            for receivable_id, new in asked.items():
                held += self._replace(transaction, receivable_id, new)
            while held > self._bytes_max:
                held -= self._drop_oldest(transaction)
            transaction.put(b"bytes", _U64.pack(held), db=self._tables["meta"])

    def of(self, receivable_id: bytes) -> Questions:
        """What is on disk about a receivable. Raises HistoryDamaged, lmdb.Error."""
        with self._environment.begin() as transaction:
            packed = transaction.get(receivable_id, db=self._tables["asked"])
            return Questions() if packed is None else _unpack(bytes(packed))

    def _replace(self, transaction: lmdb.Transaction, receivable_id: bytes, new: Sequence[Question]) -> int:
        """By how many bytes the table has grown."""
        packed = transaction.get(receivable_id, db=self._tables["asked"])
        before = Questions() if packed is None else _unpack(bytes(packed))
        after = remembered(before, new)
        value = _pack(after)
        if packed is not None:
            transaction.delete(_age_key(before, receivable_id), db=self._tables["ages"])
        transaction.put(receivable_id, value, db=self._tables["asked"])
        transaction.put(_age_key(after, receivable_id), b"", db=self._tables["ages"])
        return len(value) + len(receivable_id) - (0 if packed is None else len(packed) + len(receivable_id))

    def _drop_oldest(self, transaction: lmdb.Transaction) -> int:
        """Forget the receivable that was asked about the longest ago; how many bytes that frees."""
        with transaction.cursor(self._tables["ages"]) as cursor:
            if not cursor.first():
                raise HistoryDamaged("the log of queries is said to hold more than is in it")
            receivable_id = bytes(cursor.key()[_U64.size :])
            cursor.delete()
        packed = transaction.pop(receivable_id, db=self._tables["asked"])
        if packed is None:
            raise HistoryDamaged(f"the log of queries has lost {receivable_id.hex()}")
        return len(packed) + len(receivable_id)

    def _claim(self, chain_id: bytes) -> bool:
        """Whether the folder is of this chain and format; a new one is made so."""
        meta = self._tables["meta"]
        with self._environment.begin(write=True) as transaction:
            stored = (transaction.get(b"chain", db=meta), transaction.get(b"format", db=meta))
            if stored == (None, None):
                transaction.put(b"chain", chain_id, db=meta)
                transaction.put(b"format", _U32.pack(FORMAT), db=meta)
                return True
        return stored == (chain_id, _U32.pack(FORMAT))


def _age_key(questions: Questions, receivable_id: bytes) -> bytes:
    return _U64.pack(max(question.last_ms for question in questions.kept)) + receivable_id


def _held(stored: bytes | None) -> int:
    return 0 if stored is None else int(_U64.unpack(stored)[0])


def _pack(questions: Questions) -> bytes:
    rows = [
        (each.asker, each.kind, each.purpose, each.first_ms, each.last_ms, each.times)
        for each in questions.kept
    ]
    packed: bytes = msgpack.packb((questions.forgotten, rows))
    return packed


def _unpack(packed: bytes) -> Questions:
    try:
        forgotten, rows = msgpack.unpackb(packed)
        kept: list[Any] = [Question(*row) for row in rows]
    except (ValueError, TypeError) as error:
        raise HistoryDamaged(f"a list of queries does not read back: {error}") from error
    return Questions(tuple(kept), forgotten)
