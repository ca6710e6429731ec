"""What happened in a block, operation by operation, for one caller.

Guarantees: the events of a height are a function of the committed block and receipts, so every node tells the same, and
a caller that was away continues at the height where it stopped. No queue is kept for anybody: a slow caller reads later.
An event says who and what, never an amount; whoever may not see a receivable's record does not see its events.
"""

from __future__ import annotations

from functools import lru_cache

from node.api.visibility import may_see
from node.ports import SnapshotPort, StorePort
from pledgebook.v1 import registry_pb2
from registry.block import decode_block
from registry.entry import decode_entry
from registry.errors import StoreCorrupt
from registry.identifiers import receivable_id
from registry.member import Member
from registry.operations import TYPE_BY_CLASS, Operation
from registry.operations.existence import RegisterReceivable
from registry.operations.future import Crystallise, RegisterFutureReceivable
from registry.receipt import decode_receipt
from registry.receivable import Receivable
from registry.stored import Namespace, decode_value, state_key

# Decoded blocks are shared by the callers that watch: they mostly ask for the newest.
RECENT_BLOCKS_MAX = 16


def events_for(
    store: StorePort, height: int, caller: Member, wanted: frozenset[bytes], sees_all: bool
) -> list[registry_pb2.Event]:
    """The events of a committed block that the caller asked for (`wanted`; empty: all) and may see."""
    with store.read() as snapshot:
        raw, receipts = snapshot.block(height), snapshot.receipts(height)
        if raw is None or receipts is None:
            raise StoreCorrupt(f"block {height} is not whole", height=height, last=snapshot.height)
        return [
            event
            for event, parties in _events_of(raw, receipts)
            if (not wanted or event.receivable_id in wanted)
            and (sees_all or caller.member_id in parties or _is_party(snapshot, event.receivable_id, caller))
        ]


@lru_cache(maxsize=RECENT_BLOCKS_MAX)
def _events_of(raw: bytes, receipts: tuple[bytes, ...]) -> list[tuple[registry_pb2.Event, frozenset[str]]]:
    """Every operation of a block as an event, beside the members who signed it."""
    block = decode_block(raw)
    events: list[tuple[registry_pb2.Event, frozenset[str]]] = []
    for entry_index, (raw_entry, raw_receipt) in enumerate(zip(block.entries, receipts, strict=True)):
        entry, receipt = decode_entry(raw_entry), decode_receipt(raw_receipt)
        signers = frozenset(signature.member for signature in entry.signatures)
        for index, (operation, result) in enumerate(zip(entry.body.operations, receipt.results, strict=True)):
            event = registry_pb2.Event(
                height=block.header.height,
                entry_index=entry_index,
                operation_index=index,
                entry_id=entry.entry_id,
                operation=TYPE_BY_CLASS[type(operation)].name,
                code=str(result.code),
                receivable_id=_subject(operation, entry.entry_id, index),
                time_ms=block.header.time_ms,
            )
            events.append((event, signers))
    return events


def _subject(operation: Operation, entry_id: bytes, index: int) -> bytes:
    """The receivable that an operation is about; empty when it is about none."""
    if isinstance(operation, RegisterReceivable | RegisterFutureReceivable | Crystallise):
        return receivable_id(entry_id, index)
    subject = getattr(operation, "receivable", b"")
    assert isinstance(subject, bytes)
    return subject


def _is_party(snapshot: SnapshotPort, identifier: bytes, caller: Member) -> bool:
    stored = snapshot.value(state_key(Namespace.RECEIVABLE, identifier)) if identifier else None
    if stored is None:
        return False
    record: Receivable = decode_value(Namespace.RECEIVABLE, stored)
    return may_see(caller, record)
