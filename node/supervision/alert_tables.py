"""What the alert worker remembers between blocks and between starts, and the alerts that it has raised, in LMDB.

    table      key                                     value
    meta       "chain" | "format" | "height"           chain id | u32 | u64
    values     key hash                                stored value, as in the node's store
    due        until_ms u64, receivable id             empty
    times      height u64                              time_ms u64
    days       day u32, receivable id                  empty
    exposed    currency, factor, NUL, debtor           empty
    standing   debtor or zeros, currency, factor       empty
    alerts     height u64                              msgpack array of [alert, entry id or empty]

Guarantees: all that one block changes is written in one transaction with the height, so a worker that is killed goes on where it
was. Everything is derived: a folder of another chain or format is emptied and made again.
Left to others: what the values mean (`registry`), and which alerts there are (`registry.supervision`).
"""

from __future__ import annotations

import shutil
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import lmdb
import msgpack

from node.store import MAP_BYTES
from registry.errors import StoreCorrupt
from registry.exposure import REFERENCE_BYTES
from registry.genesis import Genesis
from registry.limits import CURRENCY_CHARS
from registry.state import StateDelta
from registry.supervision.alert_bytes import VERSION, decode_alert, encode_alert
from registry.supervision.alerts import Alert
from registry.time_units import DAY_MS
from registry.transition import genesis_state

FORMAT: Final = 100 * VERSION + 1
"""Of the tables and of what is in them: raised with every change of what alerts are raised, too."""
ALERTS_PER_READ: Final = 2_000
"""After so many a reader comes again: they are decoded, and sent, before the next ones are read."""
_TABLES: Final = ("meta", "values", "due", "times", "days", "exposed", "standing", "alerts")
_HEIGHT: Final = struct.Struct(">Q")
_DAY: Final = struct.Struct(">I")
_FORMAT: Final = struct.Struct(">I")

RaisedAlert = tuple[Alert, bytes]
"""An alert, and the id of the entry that raised it; empty where time did."""


@dataclass(frozen=True, slots=True)
class RaisedAlerts:
    """The alerts of one block."""

    height: int
    time_ms: int
    alerts: tuple[RaisedAlert, ...]


class TablesDamaged(Exception):
    """What the alert worker wrote does not read back. The node itself is well: the folder can be deleted."""


class AlertTables:
    """See the module's docstring. One process writes; others read."""

    def __init__(self, environment: lmdb.Environment, tables: Mapping[str, lmdb._Database]) -> None:
        """Use `open` or `open_to_read`."""
        self._environment = environment
        self._tables = tables

    @classmethod
    def open(cls, folder: Path, genesis: Genesis) -> Self:
        """Open for writing; made from the genesis document when there is none, or one of another chain or format."""
        found: Self | None = None
        try:
            found = cls._open(folder, read_only=False)
            if found._is_of(genesis):
                # Pages that a reader saw who was killed would stay on disk for ever.
                found._environment.reader_check()
                return found
        except lmdb.Error:
            pass  # damaged: what is derived is made again
        if found is not None:
            found.close()
        shutil.rmtree(folder, ignore_errors=True)
        tables = cls._open(folder, read_only=False)
        with tables.writing() as writer:
            writer.begin(genesis)
        return tables

    @classmethod
    def open_to_read(cls, folder: Path) -> Self | None:
        """Open what a worker writes; None while there is nothing whole."""
        if not folder.is_dir():
            return None
        try:
            tables = cls._open(folder, read_only=True)
        except (lmdb.Error, OSError):
            return None
        return tables

    @classmethod
    def _open(cls, folder: Path, *, read_only: bool) -> Self:
        if not read_only:
            folder.mkdir(parents=True, exist_ok=True)
        environment = lmdb.open(
            str(folder),
            map_size=MAP_BYTES,
            max_dbs=len(_TABLES),
            readonly=read_only,
            readahead=False,
            meminit=False,
            mode=0o600,
        )
        try:
            tables = {name: environment.open_db(name.encode(), create=not read_only) for name in _TABLES}
        except BaseException:
            environment.close()
            raise
        return cls(environment, tables)

    def close(self) -> None:
        self._environment.close()

    def height(self) -> int:
        """The last block whose alerts are there."""
        with self._environment.begin() as transaction:
            found = transaction.get(b"height", db=self._tables["meta"])
        return 0 if found is None else int(_HEIGHT.unpack(found)[0])

    def read(self, first: int, last: int) -> tuple[list[RaisedAlerts], int]:
        """The blocks from `first` on that have raised something, and up to which height they are all: `last`, or before it
        when there are very many. Raises TablesDamaged."""
        try:
            return self._read(first, last)
        except (lmdb.Error, StoreCorrupt, ValueError) as error:
            raise TablesDamaged(
                f"the alerts of heights {first} to {last} do not read back: {error}"
            ) from error

    def _read(self, first: int, last: int) -> tuple[list[RaisedAlerts], int]:
        found: list[RaisedAlerts] = []
        count = 0
        with (
            self._environment.begin() as transaction,
            transaction.cursor(self._tables["alerts"]) as cursor,
        ):
            if not cursor.set_range(_HEIGHT.pack(first)):
                return found, last
            for key, packed in cursor.iternext(keys=True, values=True):
                (height,) = _HEIGHT.unpack(key)
                if height > last:
                    break
                if count >= ALERTS_PER_READ:
                    return found, height - 1
                time = transaction.get(key, db=self._tables["times"])
                if time is None:
                    raise StoreCorrupt(f"block {height} has alerts and no time", height=height)
                alerts = tuple((decode_alert(raw), entry_id) for raw, entry_id in msgpack.unpackb(packed))
                found.append(RaisedAlerts(height, int(_HEIGHT.unpack(time)[0]), alerts))
                count += len(alerts)
        return found, last

    @contextmanager
    def writing(self) -> Iterator[AlertWriter]:
        """One transaction: all that is written in it is there afterwards, or nothing when it fails."""
        with self._environment.begin(write=True) as transaction:
            yield AlertWriter(transaction, self._tables)

    def _is_of(self, genesis: Genesis) -> bool:
        with self._environment.begin() as transaction:
            meta = self._tables["meta"]
            chain, stored = transaction.get(b"chain", db=meta), transaction.get(b"format", db=meta)
        return (chain, stored) == (genesis.chain_id, _FORMAT.pack(FORMAT))


class AlertWriter:
    """A transaction as `registry.supervision` wants it: a state that advances, and an index of alerts."""

    def __init__(self, transaction: lmdb.Transaction, tables: Mapping[str, lmdb._Database]) -> None:
        self._transaction = transaction
        self._tables = tables

    def height(self) -> int:
        """The last block that was followed, as of this transaction."""
        found = self._get("meta", b"height")
        return 0 if found is None else int(_HEIGHT.unpack(found)[0])

    def begin(self, genesis: Genesis) -> None:
        """Write the state of height 0."""
        self.apply(genesis_state(genesis).delta)
        self._put("times", _HEIGHT.pack(0), _HEIGHT.pack(genesis.time_ms))
        for key, value in (
            (b"chain", genesis.chain_id),
            (b"format", _FORMAT.pack(FORMAT)),
            (b"height", _HEIGHT.pack(0)),
        ):
            self._put("meta", key, value)

    def keep(self, height: int, alerts: list[RaisedAlert]) -> None:
        """Write what a block has raised, and that it was followed."""
        if alerts:
            packed = msgpack.packb([(encode_alert(alert), entry_id) for alert, entry_id in alerts])
            self._put("alerts", _HEIGHT.pack(height), packed)
        self._put("meta", b"height", _HEIGHT.pack(height))

    # -- registry.supervision.following.FollowedState ----------------------------------------------------------------

    def value(self, key_hash: bytes) -> bytes | None:
        return self._get("values", key_hash)

    def page(self, path: bytes) -> bytes | None:
        raise AssertionError("who follows a checked chain needs no tree")

    def due(self, time_ms: int, limit: int) -> tuple[tuple[int, bytes], ...]:
        found: list[tuple[int, bytes]] = []
        with self._transaction.cursor(self._tables["due"]) as cursor:
            for key in cursor.iternext(keys=True, values=False):
                (until_ms,) = _HEIGHT.unpack_from(key)
                if until_ms > time_ms or len(found) >= limit:
                    break
                found.append((until_ms, bytes(key[_HEIGHT.size :])))
        return tuple(found)

    def apply(self, delta: StateDelta) -> None:
        for key in sorted(delta.values):
            new = delta.values[key]
            if new is None:
                self._delete("values", key)
            else:
                self._put("values", key, new)
        for until_ms, receivable_id in delta.due_removed:
            self._delete("due", _HEIGHT.pack(until_ms) + receivable_id)
        for until_ms, receivable_id in delta.due_added:
            self._put("due", _HEIGHT.pack(until_ms) + receivable_id, b"")

    # -- registry.supervision.alert_watch.AlertIndex -----------------------------------------------------------------

    def day(self) -> int:
        with self._transaction.cursor(self._tables["times"]) as cursor:
            if not cursor.last():
                raise StoreCorrupt("the alert tables have no time: not even that of the genesis document")
            return int(_HEIGHT.unpack(cursor.value())[0]) // DAY_MS

    def put_time(self, height: int, time_ms: int) -> None:
        self._put("times", _HEIGHT.pack(height), _HEIGHT.pack(time_ms))

    def time_of(self, height: int) -> int:
        found = self._get("times", _HEIGHT.pack(height))
        if found is None:
            raise StoreCorrupt(f"the alert tables have no time of block {height}", height=height)
        return int(_HEIGHT.unpack(found)[0])

    def schedule(self, day: int, receivable_id: bytes) -> None:
        # A day long past, of what was due before it was registered, has been taken: the watch asks for later days only.
        self._put("days", _DAY.pack(day) + receivable_id, b"")

    def take_due(self, day: int) -> tuple[bytes, ...]:
        found: dict[bytes, None] = {}
        with self._transaction.cursor(self._tables["days"]) as cursor:
            while cursor.first():
                key = bytes(cursor.key())
                if _DAY.unpack_from(key)[0] > day:
                    break
                found[key[_DAY.size :]] = None
                cursor.delete()
        return tuple(sorted(found))

    def set_exposed(self, factor: str, currency: str, debtor_reference: bytes, *, exposed: bool) -> None:
        key = _exposed_prefix(factor, currency) + debtor_reference
        if exposed:
            self._put("exposed", key, b"")
        else:
            self._delete("exposed", key)

    def debtors_of(self, factor: str, currency: str) -> tuple[bytes, ...]:
        prefix = _exposed_prefix(factor, currency)
        found: list[bytes] = []
        with self._transaction.cursor(self._tables["exposed"]) as cursor:
            if cursor.set_range(prefix):
                for key in map(bytes, cursor.iternext(keys=True, values=False)):
                    if not key.startswith(prefix):
                        break
                    found.append(key[len(prefix) :])
        return tuple(found)

    def exposed(self) -> tuple[tuple[str, str], ...]:
        found: set[tuple[str, str]] = set()
        with self._transaction.cursor(self._tables["exposed"]) as cursor:
            for key in cursor.iternext(keys=True, values=False):
                factor = bytes(key[CURRENCY_CHARS : -REFERENCE_BYTES - 1]).decode()
                found.add((factor, bytes(key[:CURRENCY_CHARS]).decode()))
        return tuple(sorted(found))

    def set_standing(self, key: bytes, *, stands: bool) -> bool:
        stood = self._get("standing", key) is not None
        if stands and not stood:
            self._put("standing", key, b"")
        elif stood and not stands:
            self._delete("standing", key)
        return stood

    # -- LMDB ---------------------------------------------------------------------------------------------------------

    def _get(self, table: str, key: bytes) -> bytes | None:
        found = self._transaction.get(key, db=self._tables[table])
        return None if found is None else bytes(found)

    def _put(self, table: str, key: bytes, value: bytes) -> None:
        self._transaction.put(key, value, db=self._tables[table])

    def _delete(self, table: str, key: bytes) -> None:
        self._transaction.delete(key, db=self._tables[table])


def _exposed_prefix(factor: str, currency: str) -> bytes:
    return currency.encode() + factor.encode() + b"\x00"
