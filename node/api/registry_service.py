"""pledgebook.v1.Registry: entries in; receipts, status and records out, each with its proof.

Guarantees: nothing is answered without a member's token; whoever may not see a record learns nothing of it but that;
every answer about the ledger is of one height. A caller that leaves in the middle of a call leaves nothing behind.
Leaves to others: judging entries (`door`), proofs (`answers`), waiting (`commit_feed`), events (`events`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Iterable, Sequence
from typing import Any

from grpc.aio import ServicerContext

from node.api import answers as reply
from node.api.calls import Api, answers, check_purpose, streams
from node.api.commit_feed import EntryWatch
from node.api.events import events_for
from node.api.preflight import Preflight, preflight, receivables_named
from node.api.visibility import may_see, may_see_pool, reads_all
from node.door import OVERLOADED, Door
from node.ports import SnapshotPort
from node.status import CallCode, CallRefused
from pledgebook.v1 import registry_pb2, registry_pb2_grpc
from registry.entry import decode_entry
from registry.errors import MalformedEntry
from registry.identifiers import ID_BYTES
from registry.limits import ENTRY_BYTES_MAX
from registry.member import Member
from registry.operations import total_weight
from registry.receivable import Receivable
from registry.stored import Namespace, decode_value, split_stored, state_key

ENTRIES_PER_CALL_MAX = 1_000
WAITED_PER_CALL_MAX = 10_000
WAIT_MS_MAX = 60_000
# More keys than these are proved on another thread: each costs about 0.2 ms.
KEYS_ON_THE_LOOP_MAX = 8
# More receipts than these, which cost some 10 µs each once their tree is there.
PROOFS_ON_THE_LOOP_MAX = 64
# Blocks whose receipts are kept for the callers that wait for the same blocks.
RECENT_BLOCKS_MAX = 32
# A block's receipts are hashed at about 3 µs each, a status is proved in 0.2 ms.
RECEIPTS_PER_QUERY = 64


class RegistryService(registry_pb2_grpc.RegistryServicer):
    """The server side of pledgebook.v1.Registry."""

    def __init__(self, api: Api, door: Door) -> None:
        self.api = api
        self._door = door
        self._recent: dict[int, asyncio.Task[reply.BlockReceipts]] = {}

    @answers
    async def Submit(
        self, request: registry_pb2.SubmitRequest, context: ServicerContext[Any, Any]
    ) -> registry_pb2.SubmitResponse:
        """Judge entries at the door; one admission per entry."""
        caller = self.api.caller(context)
        if not 1 <= len(request.entries) <= ENTRIES_PER_CALL_MAX:
            raise CallRefused(
                CallCode.BAD_REQUEST,
                f"1 to {ENTRIES_PER_CALL_MAX} entries a call, not {len(request.entries)}",
            )
        self.api.entry_rate.take(caller.member_id, len(request.entries), self.api.clock.monotonic_ms())
        verdicts = await self._door.admit(request.entries, caller.member_id)
        self.api.metrics.count_admissions(
            [(verdict.entry_id, verdict.code) for verdict in verdicts], self.api.clock.monotonic_ms()
        )
        if all(verdict.code == OVERLOADED for verdict in verdicts):
            # Nothing of the call was taken: the whole of it may come again.
            raise CallRefused(
                CallCode.OVERLOADED,
                verdicts[0].message,
                retry_after_ms=max(verdict.retry_after_ms for verdict in verdicts),
            )
        return registry_pb2.SubmitResponse(
            admissions=[
                registry_pb2.Admission(
                    entry_id=verdict.entry_id,
                    code=verdict.code,
                    message=verdict.message,
                    retry_after_ms=verdict.retry_after_ms,
                )
                for verdict in verdicts
            ]
        )

    @streams
    async def WaitForReceipt(
        self, request: registry_pb2.WaitForReceiptRequest, context: ServicerContext[Any, Any]
    ) -> AsyncGenerator[registry_pb2.ReceiptBatch, None]:
        """Receipts as their blocks are committed; ends when all are told, or at the timeout."""
        caller = self.api.caller(context)
        if not 1 <= len(request.entry_ids) <= WAITED_PER_CALL_MAX or request.timeout_ms > WAIT_MS_MAX:
            raise CallRefused(
                CallCode.BAD_REQUEST,
                f"1 to {WAITED_PER_CALL_MAX} entries and at most {WAIT_MS_MAX} ms a call, "
                f"not {len(request.entry_ids)} and {request.timeout_ms}",
            )
        if any(len(entry_id) != ID_BYTES for entry_id in request.entry_ids):
            raise CallRefused(CallCode.BAD_REQUEST, f"an entry id has {ID_BYTES} bytes")
        pending = set(request.entry_ids)
        deadline = asyncio.get_running_loop().time() + request.timeout_ms / 1_000
        with self.api.slots.hold(caller.member_id), self.api.feed.watch(pending.copy()) as watch:
            # Watching began before this look at the store, so no commit falls between the two.
            for height, places in (await self._committed_already(pending)).items():
                pending.difference_update(places)
                block = await self._receipts(height)
                # Long ago or a moment ago: reading a block and hashing its tree is work that a caller can ask for again
                # and again, so one who asks for many is served at the pace of queries.
                await self.api.pace(caller, 1 + len(block) // RECEIPTS_PER_QUERY)
                yield await self._batch(block, places.values(), request.trusted_height)
            while pending and (told := await _places_before(watch, deadline)):
                for height, places in told.items():
                    new = pending.intersection(places)
                    pending -= new
                    if new:
                        block = await self._receipts(height)
                        indexes = [places[entry_id] for entry_id in new]
                        yield await self._batch(block, indexes, request.trusted_height)

    @answers
    async def GetStatus(
        self, request: registry_pb2.GetStatusRequest, context: ServicerContext[Any, Any]
    ) -> registry_pb2.GetStatusResponse:
        """What any member may know of receivables that it can name, with proofs."""
        caller = self.api.caller(context)
        if not 1 <= len(request.keys) <= reply.KEYS_MAX:
            raise CallRefused(
                CallCode.BAD_REQUEST, f"1 to {reply.KEYS_MAX} keys a call, not {len(request.keys)}"
            )
        self._admit_query(caller, "status", request.purpose, _named(request.keys))
        self._note_query(caller, "status", request.purpose, request.keys)
        if len(request.keys) <= KEYS_ON_THE_LOOP_MAX:
            return self._status(request)
        return await asyncio.to_thread(self._status, request)

    @answers
    async def GetReceivable(
        self, request: registry_pb2.GetReceivableRequest, context: ServicerContext[Any, Any]
    ) -> registry_pb2.GetReceivableResponse:
        """The whole record, for its parties, the association, auditors and courts."""
        caller = self.api.caller(context)
        self._admit_query(caller, "record", request.purpose, _named([request.key]))
        self._note_query(caller, "record", request.purpose, [request.key])
        with self.api.store.read() as snapshot:
            response = registry_pb2.GetReceivableResponse(
                head=reply.head_of(snapshot),
                validator_changes=reply.validator_changes(snapshot, request.trusted_height, snapshot.height),
            )
            answer = reply.status_answers(snapshot, [request.key])[0]
            if answer.HasField("absent"):
                response.absent.CopyFrom(answer.absent)
                return response
            if answer.HasField("fingerprint"):
                response.fingerprint.CopyFrom(answer.fingerprint)
            stored = _stored_receivable(snapshot, request.key)
        record: Receivable = decode_value(Namespace.RECEIVABLE, stored)
        _check_may_see(caller, record)
        response.public, response.private = split_stored(stored)
        response.inclusion_proof = answer.present.inclusion_proof
        return response

    @answers
    async def GetPool(
        self, request: registry_pb2.GetPoolRequest, context: ServicerContext[Any, Any]
    ) -> registry_pb2.GetPoolResponse:
        """A pool, for its parties, the association, auditors and courts."""
        caller = self.api.caller(context)
        if len(request.pool_id) != ID_BYTES:
            raise CallRefused(
                CallCode.BAD_REQUEST, f"a pool id has {ID_BYTES} bytes, not {len(request.pool_id)}"
            )
        self._admit_query(caller, "pool", request.purpose, [request.pool_id])
        with self.api.store.read() as snapshot:
            response = registry_pb2.GetPoolResponse(
                head=reply.head_of(snapshot),
                validator_changes=reply.validator_changes(snapshot, request.trusted_height, snapshot.height),
            )
            found = reply.look_up(snapshot, Namespace.POOL, request.pool_id)
            if isinstance(found, registry_pb2.AbsentValue):
                response.absent.CopyFrom(found)
                return response
            stored = snapshot.value(state_key(Namespace.POOL, request.pool_id))
            assert stored is not None, "it was proved a moment ago, in the same snapshot"
        if not may_see_pool(caller, decode_value(Namespace.POOL, stored)):
            raise CallRefused(
                CallCode.FORBIDDEN, "a pool is for its parties, the association, auditors and courts"
            )
        response.private, response.inclusion_proof = split_stored(stored)[1], found.inclusion_proof
        return response

    @answers
    async def GetMember(
        self, request: registry_pb2.GetMemberRequest, context: ServicerContext[Any, Any]
    ) -> registry_pb2.GetMemberResponse:
        """A member's record and anti-replay window, with proofs."""
        self.api.caller(context)
        reply.check_member_id(request.member_id)
        with self.api.store.read() as snapshot:
            return reply.member_answer(snapshot, request.member_id, request.trusted_height)

    @answers
    async def GetNodes(
        self, request: registry_pb2.GetNodesRequest, context: ServicerContext[Any, Any]
    ) -> registry_pb2.GetNodesResponse:
        """Who the nodes are by the latest decision, with proof."""
        caller = self.api.caller(context)
        self.api.query_rate.take(caller.member_id, 1, self.api.clock.monotonic_ms())
        with self.api.store.read() as snapshot:
            return reply.nodes_answer(snapshot, request.trusted_height)

    @answers
    async def GetPolicy(
        self, request: registry_pb2.GetPolicyRequest, context: ServicerContext[Any, Any]
    ) -> registry_pb2.GetPolicyResponse:
        """The policy in force and the latest decision on it, with proofs, for any member."""
        caller = self.api.caller(context)
        self.api.query_rate.take(caller.member_id, 1, self.api.clock.monotonic_ms())
        with self.api.store.read() as snapshot:
            return reply.policy_answer(snapshot, request.trusted_height)

    @answers
    async def Preflight(
        self, request: registry_pb2.PreflightRequest, context: ServicerContext[Any, Any]
    ) -> registry_pb2.PreflightResponse:
        """How the entry would be judged now."""
        api, caller = self.api, self.api.caller(context)
        if len(request.entry) > ENTRY_BYTES_MAX:
            raise CallRefused(CallCode.BAD_REQUEST, f"an entry has at most {ENTRY_BYTES_MAX} bytes")
        api.query_rate.take(caller.member_id, 1, api.clock.monotonic_ms())
        try:
            entry = await asyncio.to_thread(decode_entry, request.entry)
        except MalformedEntry as refused:
            return reply.preflight_answer(Preflight(api.feed.height, str(refused.code), refused.message, ()))
        # Each operation reads the state and tells of it as a query does.
        api.query_rate.take(
            caller.member_id, total_weight(entry.body.operations) - 1, api.clock.monotonic_ms()
        )
        named = receivables_named(entry)
        api.query_log.add("preflight", caller.member_id, "preflight", named)
        by_id = [(Namespace.RECEIVABLE, receivable_id) for receivable_id in named]
        api.query_notes.add("preflight", caller.member_id, "preflight", by_id)
        judged = await asyncio.to_thread(
            preflight, api.store, api.chain_id, entry, caller, api.clock.now_ms()
        )
        return reply.preflight_answer(judged)

    @answers
    async def ListQueries(
        self, request: registry_pb2.ListQueriesRequest, context: ServicerContext[Any, Any]
    ) -> registry_pb2.ListQueriesResponse:
        """Who asked this node about a receivable, for those who may see its whole record."""
        caller = self.api.caller(context)
        identifier = request.receivable_id
        if len(identifier) != ID_BYTES:
            raise CallRefused(
                CallCode.BAD_REQUEST, f"a receivable id has {ID_BYTES} bytes, not {len(identifier)}"
            )
        self.api.query_rate.take(caller.member_id, 1, self.api.clock.monotonic_ms())
        with self.api.store.read() as snapshot:
            stored = snapshot.value(state_key(Namespace.RECEIVABLE, identifier))
        if stored is None and not reads_all(caller):
            raise CallRefused(CallCode.FORBIDDEN, "no receivable of the caller has this id")
        if stored is not None:
            _check_may_see(caller, decode_value(Namespace.RECEIVABLE, stored))
        return reply.queries_answer(self.api.query_notes.of(identifier))

    @streams
    async def WatchEvents(
        self, request: registry_pb2.WatchEventsRequest, context: ServicerContext[Any, Any]
    ) -> AsyncGenerator[registry_pb2.Event, None]:
        """Operations of committed blocks that the caller may see, from a height on, until it leaves."""
        caller = self.api.caller(context)
        wanted = frozenset(request.receivable_ids)
        with self.api.slots.hold(caller.member_id):
            height = request.from_height or self.api.feed.height + 1
            while True:
                last = await self.api.feed.above(height - 1)
                caller = self.api.caller_still(context)
                sees_all = reads_all(caller)
                for committed in range(height, last + 1):
                    for event in await asyncio.to_thread(
                        events_for, self.api.store, committed, caller, wanted, sees_all
                    ):
                        yield event
                height = last + 1

    def _status(self, request: registry_pb2.GetStatusRequest) -> registry_pb2.GetStatusResponse:
        with self.api.store.read() as snapshot:
            return registry_pb2.GetStatusResponse(
                head=reply.head_of(snapshot),
                answers=reply.status_answers(snapshot, request.keys),
                validator_changes=reply.validator_changes(snapshot, request.trusted_height, snapshot.height),
            )

    def _admit_query(self, caller: Member, kind: str, purpose: str, named: Sequence[bytes]) -> None:
        """Rate limit and query log: who asked for what, and why. Raises CallRefused."""
        check_purpose(purpose)
        self.api.query_rate.take(caller.member_id, len(named), self.api.clock.monotonic_ms())
        self.api.metrics.status_queries.inc(len(named))
        self.api.query_log.add(kind, caller.member_id, purpose, named)

    def _note_query(
        self, caller: Member, kind: str, purpose: str, keys: Iterable[registry_pb2.ReceivableKey]
    ) -> None:
        """For the parties of what is asked for. Raises CallRefused on a key that is none."""
        named = [reply.key_of(key) for key in keys]
        self.api.query_notes.add(kind, caller.member_id, purpose, named)

    async def _committed_already(self, entry_ids: Collection[bytes]) -> dict[int, dict[bytes, int]]:
        """Where those of the entries stand that are in the store, by height and entry, heights ascending."""
        if len(entry_ids) <= KEYS_ON_THE_LOOP_MAX:
            return self._locate(tuple(entry_ids))
        return await asyncio.to_thread(self._locate, tuple(entry_ids))

    def _locate(self, entry_ids: tuple[bytes, ...]) -> dict[int, dict[bytes, int]]:
        found: dict[int, dict[bytes, int]] = {}
        with self.api.store.read() as snapshot:
            for entry_id in entry_ids:
                place = snapshot.locate_entry(entry_id)
                if place is not None:
                    found.setdefault(place[0], {})[entry_id] = place[1]
        return dict(sorted(found.items()))

    async def _receipts(self, height: int) -> reply.BlockReceipts:
        """The receipts of a block, built on another thread, and once for all who wait for a recent one."""
        building = self._recent.get(height)
        if building is None:
            building = asyncio.create_task(asyncio.to_thread(self._build_receipts, height))
            if height > self.api.feed.height - RECENT_BLOCKS_MAX:
                self._recent[height] = building
                if len(self._recent) > RECENT_BLOCKS_MAX:
                    del self._recent[min(self._recent)]
        # Whoever leaves must not take it away from the others.
        return await asyncio.shield(building)

    def _build_receipts(self, height: int) -> reply.BlockReceipts:
        with self.api.store.read() as snapshot:
            return reply.BlockReceipts(snapshot, height)

    async def _batch(
        self, block: reply.BlockReceipts, indexes: Collection[int], trusted_height: int
    ) -> registry_pb2.ReceiptBatch:
        """Receipts with their proofs; on another thread when there are many."""
        with self.api.store.read() as snapshot:
            changes = reply.validator_changes(snapshot, trusted_height, block.height)
        if len(indexes) <= PROOFS_ON_THE_LOOP_MAX:
            return block.batch(indexes, changes)
        return await asyncio.to_thread(block.batch, indexes, changes)


def _named(keys: Iterable[registry_pb2.ReceivableKey]) -> list[bytes]:
    return [key.receivable_id or key.fingerprint.value for key in keys]


async def _places_before(watch: EntryWatch, deadline: float) -> dict[int, dict[bytes, int]]:
    """Where the next entries stand that were committed; empty at the deadline."""
    try:
        async with asyncio.timeout_at(deadline):
            return await watch.next_places()
    except TimeoutError:
        return {}


def _stored_receivable(snapshot: SnapshotPort, key: registry_pb2.ReceivableKey) -> bytes:
    """The stored value of a receivable that is there."""
    namespace, identifier = reply.key_of(key)
    if namespace is Namespace.FINGERPRINT:
        fingerprint = snapshot.value(state_key(namespace, identifier))
        assert fingerprint is not None, "it was there a moment ago, in the same snapshot"
        identifier = reply.receivable_behind(split_stored(fingerprint)[0])
    stored = snapshot.value(state_key(Namespace.RECEIVABLE, identifier))
    assert stored is not None, "it was there a moment ago, in the same snapshot"
    return stored


def _check_may_see(caller: Member, record: Receivable) -> None:
    if not may_see(caller, record):
        raise CallRefused(
            CallCode.FORBIDDEN,
            "the whole record is for its parties, the association, auditors and courts; ask for its status",
        )
