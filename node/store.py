"""The committed chain and state in LMDB: one writer, one transaction per block, readers that never wait.

    StoreCorrupt  (registry.errors)  what is read back is not what was written, or was written by a newer version
    WrongChain                       the folder belongs to another chain
    StoreFailed                      the disk or the map is full, or failed: stop; nothing committed is lost

Guarantees: after `commit` returned, the block with all that follows from it is on disk; after a crash it is there whole or not
at all. A `Snapshot` sees one height and nothing of the blocks committed while it is open. Snapshots may be taken on any
thread, and in other processes through `Store.open(..., read_only=True)`.
What the values mean is left to `registry`, which block comes next to `executor`.

    table         key                              value
    meta          "format" | "chain" | "height"    u32 | chain id | u64
    headers       height u64                       header bytes
    blocks        height u64                       block bytes
    certificates  height u64                       certificate bytes
    receipts      height u64                       msgpack array of receipts
    entries       entry id                         height u64, index u32
    evidence      evidence id                      height u64
    history       level u8, index u64              node of the history tree
    values        key hash                         stored value
    pages         path                             page of the state map
    due           until_ms u64, receivable id      empty

The map is one tebibyte of address space from the start: LMDB cannot move a map under open readers, and address space costs
nothing; the file itself grows with what is in it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

import lmdb
import msgpack

from node.ports import BlockRecord
from registry.block import block_hash_of
from registry.errors import StoreCorrupt
from registry.state import StateDelta

STORE_FORMAT: Final = 1
MAP_BYTES: Final = 1 << 40
READERS_MAX: Final = 1_024
"""Snapshots open at once, over all processes."""
READERS_CHECKED_EVERY: Final = 256
"""Heights. Reader processes that died with an open snapshot would keep replaced pages on disk for ever."""

_TABLES: Final = (
    "meta",
    "headers",
    "blocks",
    "certificates",
    "receipts",
    "entries",
    "evidence",
    "history",
    "values",
    "pages",
    "due",
)
_HEIGHT: Final = struct.Struct(">Q")
_FORMAT: Final = struct.Struct(">I")
_PLACE: Final = struct.Struct(">QI")
_NODE: Final = struct.Struct(">BQ")
_DUE: Final = struct.Struct(">Q")


class WrongChain(Exception):
    """The store belongs to another chain."""


class StoreFailed(Exception):
    """The store could not be opened or written; the message says what to do. What was committed is not lost."""


class Snapshot:
    """One read transaction; implements ports.SnapshotPort. Do not keep it: it keeps replaced pages on disk."""

    __slots__ = ("_tables", "_transaction", "height")

    def __init__(self, transaction: lmdb.Transaction, tables: Mapping[str, lmdb._Database]) -> None:
        self._transaction = transaction
        self._tables = tables
        self.height = _read_height(transaction, tables)

    def value(self, key_hash: bytes) -> bytes | None:
        return self._get("values", key_hash)

    def page(self, path: bytes) -> bytes | None:
        return self._get("pages", _page_key(path))

    def due(self, time_ms: int, limit: int) -> tuple[tuple[int, bytes], ...]:
        found: list[tuple[int, bytes]] = []
        with self._transaction.cursor(self._tables["due"]) as cursor:
            for key in cursor.iternext(keys=True, values=False):
                (until_ms,) = _DUE.unpack_from(key)
                if until_ms > time_ms or len(found) >= limit:
                    break
                found.append((until_ms, bytes(key[_DUE.size :])))
        return tuple(found)

    def node(self, level: int, index: int) -> bytes:
        found = self._get("history", _NODE.pack(level, index))
        if found is None:
            raise StoreCorrupt("a node of the history tree is missing", level=level, index=index)
        return found

    def block_hash(self, height: int) -> bytes | None:
        """The hash of a committed block; at height 0 the chain id, which is the first block's parent."""
        if height == 0:
            return self._get("meta", b"chain")
        header = self.header(height)
        return None if header is None else block_hash_of(header)

    def header(self, height: int) -> bytes | None:
        return self._get("headers", _HEIGHT.pack(height))

    def block(self, height: int) -> bytes | None:
        return self._get("blocks", _HEIGHT.pack(height))

    def certificate(self, height: int) -> bytes | None:
        return self._get("certificates", _HEIGHT.pack(height))

    def receipts(self, height: int) -> tuple[bytes, ...] | None:
        packed = self._get("receipts", _HEIGHT.pack(height))
        if packed is None:
            return None
        try:
            receipts = msgpack.unpackb(packed, use_list=False)
        except ValueError as error:
            raise StoreCorrupt(f"the receipts of height {height} do not read back", height=height) from error
        if not isinstance(receipts, tuple):
            raise StoreCorrupt(f"the receipts of height {height} are no array", height=height)
        return receipts

    def locate_entry(self, entry_id: bytes) -> tuple[int, int] | None:
        found = self._get("entries", entry_id)
        if found is None:
            return None
        height, index = _PLACE.unpack(found)
        return height, index

    def has_evidence(self, evidence_id: bytes) -> bool:
        return self._get("evidence", evidence_id) is not None

    def _get(self, table: str, key: bytes) -> bytes | None:
        found = self._transaction.get(key, db=self._tables[table])
        return None if found is None else bytes(found)


class Store:
    """See the module's docstring. One process opens it for writing, and commits from one thread."""

    def __init__(
        self, environment: lmdb.Environment, tables: Mapping[str, lmdb._Database], path: Path
    ) -> None:
        """Use `open`."""
        self._environment = environment
        self._tables = tables
        self._path = path

    @classmethod
    def open(
        cls,
        path: Path,
        chain_id: bytes,
        *,
        read_only: bool = False,
        fsync: bool = True,
        map_bytes: int = MAP_BYTES,
    ) -> Self:
        """Open the store in the folder `path`, making it if need be. Raises WrongChain, StoreCorrupt, StoreFailed.

        `fsync=False` and a smaller map are for tests.
        """
        with _translated(path):
            if not read_only:
                path.mkdir(parents=True, exist_ok=True)
            environment = lmdb.open(
                str(path),
                map_size=map_bytes,
                max_dbs=len(_TABLES),
                max_readers=READERS_MAX,
                readonly=read_only,
                sync=fsync,
                metasync=fsync,
                # State keys are hashes: reading ahead would only fill memory with neighbours that nobody asked for.
                readahead=False,
                meminit=False,
                mode=0o600,
            )
            try:
                tables = {name: environment.open_db(name.encode(), create=not read_only) for name in _TABLES}
                store = cls(environment, tables, path)
                store._claim(chain_id, read_only=read_only)
            except BaseException:
                environment.close()
                raise
            environment.reader_check()
            return store

    @contextmanager
    def read(self) -> Iterator[Snapshot]:
        """A snapshot at the last committed height. Raises StoreFailed."""
        with _translated(self._path):
            transaction = self._environment.begin(buffers=False)
        try:
            yield Snapshot(transaction, self._tables)
        finally:
            transaction.abort()

    def is_empty(self) -> bool:
        """Whether not even the genesis state is there."""
        with _translated(self._path), self._environment.begin() as transaction:
            return transaction.get(b"height", db=self._tables["meta"]) is None

    def commit_genesis(self, delta: StateDelta) -> None:
        """Write the state of height 0, in one transaction. Raises StoreFailed."""
        with _translated(self._path), self._environment.begin(write=True) as transaction:
            self._put_delta(transaction, delta)
            transaction.put(b"height", _HEIGHT.pack(0), db=self._tables["meta"])

    def commit(self, record: BlockRecord) -> None:
        """Write the next block, in one transaction. Raises StoreFailed; StoreCorrupt when it is not the next.

        If we were to crash inside, the store would stand at the block before, and the journal decides this one again.
        """
        height = _HEIGHT.pack(record.height)
        tables = self._tables
        with _translated(self._path), self._environment.begin(write=True) as transaction:
            stored = _read_height(transaction, tables)
            if record.height != stored + 1:
                raise StoreCorrupt(
                    f"asked to commit height {record.height} after {stored}", height=record.height
                )
            transaction.put(height, record.header_bytes, db=tables["headers"], append=True)
            transaction.put(height, record.block, db=tables["blocks"], append=True)
            transaction.put(height, record.certificate, db=tables["certificates"], append=True)
            transaction.put(height, msgpack.packb(record.receipts), db=tables["receipts"], append=True)
            places = sorted((entry_id, index) for index, entry_id in enumerate(record.entry_ids))
            self._put_many(
                transaction, "entries", [(key, _PLACE.pack(record.height, i)) for key, i in places]
            )
            self._put_many(transaction, "evidence", [(key, height) for key in sorted(record.evidence_ids)])
            nodes = sorted((_NODE.pack(node.level, node.index), node.hash) for node in record.history_nodes)
            self._put_many(transaction, "history", nodes)
            self._put_delta(transaction, record.delta)
            transaction.put(b"height", height, db=tables["meta"])
        if record.height % READERS_CHECKED_EVERY == 0:
            self._environment.reader_check()

    def close(self) -> None:
        """Close the environment; no snapshot may be open."""
        self._environment.close()

    def _claim(self, chain_id: bytes, *, read_only: bool) -> None:
        """Write who owns an empty store; check it in any other."""
        with self._environment.begin(write=not read_only) as transaction:
            meta = self._tables["meta"]
            stored_format = transaction.get(b"format", db=meta)
            if stored_format is None:
                if read_only:
                    raise StoreFailed(f"{self._path} holds no store yet: start the node first")
                transaction.put(b"format", _FORMAT.pack(STORE_FORMAT), db=meta)
                transaction.put(b"chain", chain_id, db=meta)
                return
            (number,) = _FORMAT.unpack(stored_format)
            if number != STORE_FORMAT:
                raise StoreCorrupt(
                    f"{self._path} has store format {number}, this version knows {STORE_FORMAT}: run the version that wrote it, "
                    "or move the folder aside and let the node fetch the chain from its peers",
                    format=number,
                )
            stored_chain = transaction.get(b"chain", db=meta)
            if stored_chain != chain_id:
                raise WrongChain(
                    f"{self._path} holds chain {(stored_chain or b'').hex()}, the genesis document is of chain {chain_id.hex()}: "
                    "set another data_dir, or give the node the genesis document it was started with"
                )

    def _put_delta(self, transaction: lmdb.Transaction, delta: StateDelta) -> None:
        self._put_changes(transaction, "values", delta.values)
        self._put_changes(transaction, "pages", {_page_key(path): page for path, page in delta.pages.items()})
        due = self._tables["due"]
        for until_ms, receivable_id in delta.due_removed:
            transaction.delete(_DUE.pack(until_ms) + receivable_id, db=due)
        for until_ms, receivable_id in delta.due_added:
            transaction.put(_DUE.pack(until_ms) + receivable_id, b"", db=due)

    def _put_changes(
        self, transaction: lmdb.Transaction, table: str, changes: Mapping[bytes, bytes | None]
    ) -> None:
        # Sorted, so that LMDB walks each page of the table once.
        ordered = sorted(changes)
        self._put_many(
            transaction, table, [(key, new) for key in ordered if (new := changes[key]) is not None]
        )
        for key in ordered:
            if changes[key] is None:
                transaction.delete(key, db=self._tables[table])

    def _put_many(self, transaction: lmdb.Transaction, table: str, items: list[tuple[bytes, bytes]]) -> None:
        if items:
            with transaction.cursor(self._tables[table]) as cursor:
                cursor.putmulti(items)


def _page_key(path: bytes) -> bytes:
    # LMDB has no empty key, and the root page's path is empty.
    return b"/" + path


def _read_height(transaction: lmdb.Transaction, tables: Mapping[str, lmdb._Database]) -> int:
    found = transaction.get(b"height", db=tables["meta"])
    if found is None:
        raise StoreCorrupt("the store has no height: not even its genesis state was written")
    (height,) = _HEIGHT.unpack(found)
    return int(height)


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """LMDB's and the system's errors, as what the operator can do about them."""
    try:
        yield
    except lmdb.MapFullError as error:
        raise StoreFailed(f"the store {path} has filled its map: start with a larger one") from error
    except (lmdb.CorruptedError, lmdb.PageNotFoundError, lmdb.InvalidError, lmdb.PanicError) as error:
        raise StoreCorrupt(
            f"the store {path} is damaged ({error}): move the folder aside and let the node fetch the chain from its peers"
        ) from error
    except (lmdb.Error, OSError) as error:
        # LMDB says "Input/output error" also where the disk is full.
        raise StoreFailed(
            f"the store {path} failed: {error}. If the disk is full or failing, free space or replace it; then start again"
        ) from error
