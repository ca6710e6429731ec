"""The SDK's asyncio face: ask any node, believe none.

    async with RegistryClient(genesis, {"factor-1": "10.0.0.1:7001", ...}, Identity(member, key)) as client:
        outcome = await client.commit([entry])
        status = await client.status(ById(receivable_id))

Guarantees: everything about the ledger that is returned was verified by `TrustedChain` (unless `verify=False`, which
says so in `is_verifying`); what fails is raised, and the whole answer is kept in `evidence`. A node that does not
answer is passed over for the next one, within the call's deadline. An entry is submitted again under the same id
until its receipt is there, so it takes effect exactly once. `preflight`, `queries`, `ledger_status`,
`watch_events`, `report` and `watch_alerts` are a node's word only: nothing proves them.
Leaves to others: numbering and signing (`submission`), files (`directory`).
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from itertools import chain as chained
from types import TracebackType
from typing import Final, Self

import grpc.aio

from pledgebook.v1 import ledger_pb2, registry_pb2
from registry.entry import decode_entry
from registry.errors import ProofInvalid
from registry.genesis import Genesis
from registry.identifiers import EntryId
from registry.limits import HEIGHT_MAX
from registry.nodes import NetworkNode
from registry.supervision.fold import ReportRequest

from . import wire
from .answers import AlertBatch, CertifiedBlock, Event, LedgerStatus, Preflight, ReceivableKey, ToldQueries
from .connection import Clock, Connection, Identity, system_clock
from .errors import CallRefused, Unreachable
from .hand_in import Admission, OpenEntries, nodes_with_an_honest_one
from .node_circle import OVERLOADED, PASSING, RETRY_PAUSE_S, FalseAnswer, NodeCircle
from .query_calls import asked_of_all
from .supervision_calls import check_report, fetch_report, watched_alerts
from .trust import Checkpoint
from .unverified import UncheckedChain, receipt_entry_id
from .validator_sets import KnownSet
from .verify import (
    AGE_MS_MAX,
    AnswerChecks,
    Head,
    ProvenMember,
    ProvenNodes,
    ProvenPolicy,
    ProvenPool,
    ProvenReceipt,
    ProvenRecord,
    ProvenStatus,
    TrustedChain,
)

KEYS_PER_CALL_MAX: Final = 100
ENTRIES_PER_CALL_MAX: Final = 1_000
BYTES_PER_CALL_MAX: Final = 3 << 20  # under gRPC's default of 4 MiB, with room for the frame
RECEIPTS_PER_CALL_MAX: Final = 10_000
WAIT_MS_MAX: Final = 60_000
ATTEMPT_S: Final = 5.0
RESUBMIT_AFTER_S: Final = 5.0
PURPOSE: Final = "business"
"""What the nodes' query log is told when the caller does not say why it asks; nodes answer nobody who says nothing."""


class RegistryClient:
    """See the module's docstring. Belongs to one event loop."""

    def __init__(
        self,
        genesis: Genesis,
        addresses: Mapping[str, str],
        identity: Identity | None,
        *,
        chain: TrustedChain | None = None,
        checkpoint: Checkpoint | None = None,
        known_sets: Sequence[KnownSet] = (),
        known_nodes: Sequence[NetworkNode] = (),
        verify: bool = True,
        age_ms_max: int | None = AGE_MS_MAX,
        timeout_s: float = 15.0,
        attempt_s: float = ATTEMPT_S,
        resubmit_after_s: float = RESUBMIT_AFTER_S,
        clock: Clock = system_clock,
    ) -> None:
        """`addresses`: node id -> host:port, in the order in which they are asked. `chain` may be shared between clients.

        State older than `age_ms_max` is refused; None accepts any age. A call ends after `timeout_s`, of which one node gets at
        most `attempt_s`. A receipt that is later than `resubmit_after_s` is asked for elsewhere, and its entry handed to so many
        other nodes that one of them is honest: its node may have died with it, or may keep it back.
        `known_nodes`: proven earlier (`nodes`), for certificates that are not those of the genesis document.
        Raises DirectoryError on an address of a node that is in neither.
        """
        self.genesis = genesis
        self.chain = chain or TrustedChain(
            genesis, checkpoint=checkpoint, age_ms_max=age_ms_max, known_sets=known_sets
        )
        self.is_verifying = verify
        self._checks: AnswerChecks = self.chain if verify else UncheckedChain()
        self.timeout_s = timeout_s
        self._resubmit_after_s = resubmit_after_s
        self._clock = clock
        self._nodes = NodeCircle(
            {node.node_id: node for node in (*genesis.nodes, *known_nodes)},
            addresses,
            identity,
            clock,
            attempt_s,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._nodes.close()

    @property
    def node_ids(self) -> tuple[str, ...]:
        """The nodes, the one that is asked next first."""
        return tuple(connection.node_id for connection in self._nodes.connections)

    @property
    def evidence(self) -> tuple[FalseAnswer, ...]:
        """The answers that did not hold."""
        return tuple(self._nodes.evidence)

    # -- Entries in -------------------------------------------------------------------------------------------------

    async def submit(self, entries: Sequence[bytes], *, timeout_s: float | None = None) -> list[Admission]:
        """Hand entries in; one admission each, in order. A full node is asked again until the deadline."""
        deadline = self._deadline(timeout_s)
        admissions: dict[int, Admission] = {}
        waiting = list(range(len(entries)))
        while waiting:
            for batch in _batches(waiting, entries):
                answered = await self._submit_batch([entries[index] for index in batch], deadline)
                admissions.update(zip(batch, answered, strict=True))
            waiting = [index for index in waiting if admissions[index].code == OVERLOADED]
            if not waiting:
                break
            pause_s = max(admissions[index].retry_after_ms for index in waiting) / 1_000
            if asyncio.get_running_loop().time() + pause_s >= deadline:
                break  # the caller sees OVERLOADED with the time after which to come again
            await asyncio.sleep(max(pause_s, RETRY_PAUSE_S))
        return [admissions[index] for index in range(len(entries))]

    async def _submit_batch(self, entries: list[bytes], deadline: float) -> list[Admission]:
        """The word of the first node that answers."""
        return await self._nodes.ask(functools.partial(self._hand_to, entries=entries), deadline)

    async def _hand_to(
        self, connection: Connection, left_s: float, *, entries: list[bytes]
    ) -> list[Admission]:
        expected = [decode_entry(raw).entry_id for raw in entries]
        response = await connection.registry.Submit(
            registry_pb2.SubmitRequest(entries=entries), timeout=left_s, metadata=connection.metadata()
        )
        with self._nodes.suspecting(connection, response):
            if len(response.admissions) != len(expected):
                raise ProofInvalid(
                    f"{len(expected)} entries were handed in, {len(response.admissions)} are answered"
                )
        return [
            Admission(
                entry_id,
                connection.node_id,
                wire.words_of(admission.code),
                wire.words_of(admission.message),
                admission.retry_after_ms,
            )
            for entry_id, admission in zip(expected, response.admissions, strict=True)
        ]

    async def _hand_to_several(
        self, connections: Sequence[Connection], entries: list[bytes], deadline: float
    ) -> list[Admission]:
        """The words of those that answer; one that does not must not keep the others back."""

        async def hand(connection: Connection) -> list[Admission]:
            words: list[Admission] = []
            for batch in _batches(range(len(entries)), entries):
                left_s = min(deadline - asyncio.get_running_loop().time(), self._nodes.attempt_s)
                try:
                    words += await self._hand_to(connection, left_s, entries=[entries[i] for i in batch])
                except grpc.aio.AioRpcError:
                    break
            return words

        return list(chained.from_iterable(await asyncio.gather(*map(hand, connections))))

    async def wait_for_receipts(
        self, entry_ids: Sequence[EntryId], *, timeout_s: float | None = None
    ) -> dict[EntryId, ProvenReceipt]:
        """The receipts that are there before the deadline, verified. An entry without one is not in the answer."""
        deadline = self._deadline(timeout_s)
        found: dict[EntryId, ProvenReceipt] = {}
        pending = dict.fromkeys(entry_ids)
        loop = asyncio.get_running_loop()
        while pending and loop.time() < deadline:
            asked = list(pending)[:RECEIPTS_PER_CALL_MAX]
            attempt = functools.partial(self._receive, asked=asked, found=found)
            try:
                await self._nodes.ask(attempt, deadline, WAIT_MS_MAX / 1_000 + 1)
            except Unreachable:
                break
            pending = {entry_id: None for entry_id in pending if entry_id not in found}
            if pending:
                # A node that ends its answer early must not make us ask without a pause.
                await asyncio.sleep(min(RETRY_PAUSE_S, max(0.0, deadline - loop.time())))
        return found

    async def _receive(
        self,
        connection: Connection,
        left_s: float,
        *,
        asked: list[EntryId],
        found: dict[EntryId, ProvenReceipt],
    ) -> None:
        missing = [entry_id for entry_id in asked if entry_id not in found]
        request = registry_pb2.WaitForReceiptRequest(
            entry_ids=missing,
            timeout_ms=min(WAIT_MS_MAX, max(0, int((left_s - 0.2) * 1_000))),
            trusted_height=self._trusted_height(),
        )
        call = connection.registry.WaitForReceipt(request, timeout=left_s, metadata=connection.metadata())
        async for batch in call:
            with self._nodes.suspecting(connection, batch):
                for receipt in self._check_batch(set(missing), batch):
                    found[EntryId(receipt.receipt.entry_id)] = receipt

    def _check_batch(self, asked: set[EntryId], batch: registry_pb2.ReceiptBatch) -> list[ProvenReceipt]:
        checks = self._checks
        checks.learn_changes(wire.validator_changes(batch.validator_changes))
        head = checks.verify_head(batch.head.header, batch.head.certificate)
        proven = []
        for message in batch.receipts:
            answer = wire.receipt_answer(message)
            entry_id = receipt_entry_id(answer)
            if entry_id not in asked:
                raise ProofInvalid("a receipt of an entry that nobody asked for", entry_id=entry_id.hex())
            proven.append(checks.check_receipt(head, entry_id, answer))
        return proven

    async def commit(
        self, entries: Sequence[bytes], *, timeout_s: float | None = None
    ) -> dict[EntryId, ProvenReceipt | Admission]:
        """Hand entries in and stay with them until each has its verified receipt, or enough nodes have refused it.

        No single node decides: an entry that one refuses, or whose receipt is not there in time, is handed to others. An
        Admission in the answer proves nothing: who kept the entry can bring it in until it expires. Raises Unreachable when
        receipts are missing at the deadline; the entries may still be committed then, and to commit the same bytes again is
        safe.
        """
        deadline = self._deadline(timeout_s)
        loop = asyncio.get_running_loop()
        by_id = {decode_entry(raw).entry_id: raw for raw in entries}
        enough = nodes_with_an_honest_one(self.chain.sets.at(HEIGHT_MAX).validators)
        entries_open = OpenEntries(by_id, self.node_ids, enough, self._resubmit_after_s, loop.time())
        while waiting := entries_open.waiting:
            now = loop.time()
            if now >= deadline:
                raise Unreachable(
                    f"{len(waiting)} of {len(entries)} entries have no receipt yet; ask for their receipts later"
                )
            if now < entries_open.next_due_s:
                asked_first = self._nodes.connections[0]
                wait_s = min(entries_open.next_due_s, deadline) - now
                entries_open.committed(await self.wait_for_receipts(waiting, timeout_s=wait_s))
                if entries_open.waiting and asked_first is self._nodes.connections[0]:
                    self._nodes.pass_over(asked_first)  # it may be the one that keeps the receipts back
            for (count, asked_before), due in entries_open.due(loop.time()).items():
                await self._hand_in(entries_open, due, count, asked_before, deadline)
        return entries_open.outcome

    async def _hand_in(
        self,
        entries_open: OpenEntries,
        due: Mapping[EntryId, bytes],
        count: int,
        asked_before: frozenset[str],
        deadline: float,
    ) -> None:
        raws = list(due.values())
        loop = asyncio.get_running_loop()
        if not asked_before and count == 1:
            for batch in _batches(range(len(raws)), raws):
                words = await self._submit_batch([raws[index] for index in batch], deadline)
                entries_open.hear([word.entry_id for word in words], [words[0].node_id], words, loop.time())
            return
        nodes = sorted(self._nodes.connections, key=lambda each: each.node_id in asked_before)[:count]
        words = await self._hand_to_several(nodes, raws, deadline)
        entries_open.hear(due, [node.node_id for node in nodes], words, loop.time())

    # -- Questions --------------------------------------------------------------------------------------------------

    async def status(self, key: ReceivableKey, *, purpose: str = PURPOSE) -> ProvenStatus:
        """The public view of one receivable, or the proof that there is none."""
        return (await self.statuses([key], purpose=purpose))[0]

    async def statuses(
        self, keys: Sequence[ReceivableKey], *, purpose: str = PURPOSE
    ) -> tuple[ProvenStatus, ...]:
        """As `status`, for many; each hundred is answered at one height."""
        proven: list[ProvenStatus] = []
        for start in range(0, len(keys), KEYS_PER_CALL_MAX):
            proven += await self._statuses(keys[start : start + KEYS_PER_CALL_MAX], purpose)
        return tuple(proven)

    async def _statuses(self, keys: Sequence[ReceivableKey], purpose: str) -> tuple[ProvenStatus, ...]:
        request = registry_pb2.GetStatusRequest(
            keys=[wire.key_message(key) for key in keys],
            purpose=purpose,
            trusted_height=self._trusted_height(),
        )

        async def attempt(connection: Connection, left_s: float) -> tuple[ProvenStatus, ...]:
            response = await connection.registry.GetStatus(
                request, timeout=left_s, metadata=connection.metadata()
            )
            with self._nodes.suspecting(connection, response):
                checks, head = self._accept(response.head, response.validator_changes)
                answers = [wire.status_answer(answer) for answer in response.answers]
                return checks.check_statuses(head, keys, answers)

        return await self._nodes.ask(attempt, self._deadline(None))

    async def receivable(self, key: ReceivableKey, *, purpose: str = PURPOSE) -> ProvenRecord:
        """The whole record, for its parties, the association, auditors and courts. Raises CallRefused (FORBIDDEN)."""
        request = registry_pb2.GetReceivableRequest(
            key=wire.key_message(key), purpose=purpose, trusted_height=self._trusted_height()
        )

        async def attempt(connection: Connection, left_s: float) -> ProvenRecord:
            response = await connection.registry.GetReceivable(
                request, timeout=left_s, metadata=connection.metadata()
            )
            with self._nodes.suspecting(connection, response):
                checks, head = self._accept(response.head, response.validator_changes)
                return checks.check_receivable(head, key, wire.receivable_answer(response))

        return await self._nodes.ask(attempt, self._deadline(None))

    async def pool(self, pool_id: bytes, *, purpose: str = PURPOSE) -> ProvenPool:
        """A pool, for its exporter and factor, the association, auditors and courts. Raises CallRefused (FORBIDDEN)."""
        request = registry_pb2.GetPoolRequest(
            pool_id=pool_id, purpose=purpose, trusted_height=self._trusted_height()
        )

        async def attempt(connection: Connection, left_s: float) -> ProvenPool:
            response = await connection.registry.GetPool(
                request, timeout=left_s, metadata=connection.metadata()
            )
            with self._nodes.suspecting(connection, response):
                checks, head = self._accept(response.head, response.validator_changes)
                return checks.check_pool(head, pool_id, wire.pool_answer(response))

        return await self._nodes.ask(attempt, self._deadline(None))

    async def member(self, member_id: str) -> ProvenMember:
        """A member's record and its anti-replay window."""
        request = registry_pb2.GetMemberRequest(member_id=member_id, trusted_height=self._trusted_height())

        async def attempt(connection: Connection, left_s: float) -> ProvenMember:
            response = await connection.registry.GetMember(
                request, timeout=left_s, metadata=connection.metadata()
            )
            with self._nodes.suspecting(connection, response):
                checks, head = self._accept(response.head, response.validator_changes)
                return checks.check_member(head, member_id, wire.member_answer(response))

        return await self._nodes.ask(attempt, self._deadline(None))

    async def head(self, height: int = 0) -> Head:
        """A certified header; 0 for the newest."""
        request = ledger_pb2.GetHeaderRequest(height=height, trusted_height=self._trusted_height())

        async def attempt(connection: Connection, left_s: float) -> Head:
            response = await connection.ledger.GetHeader(
                request, timeout=left_s, metadata=connection.metadata()
            )
            with self._nodes.suspecting(connection, response):
                if height == 0:
                    return self._accept(response.head, response.validator_changes)[1]
                self._checks.learn_changes(wire.validator_changes(response.validator_changes))
                head = self._checks.verify_head(response.head.header, response.head.certificate)
                if head.header.height != height:
                    raise ProofInvalid(f"height {height} was asked for, {head.header.height} was answered")
                return head

        return await self._nodes.ask(attempt, self._deadline(None))

    async def nodes(self) -> ProvenNodes:
        """The latest decision on who the nodes are and who votes."""
        request = registry_pb2.GetNodesRequest(trusted_height=self._trusted_height())

        async def attempt(connection: Connection, left_s: float) -> ProvenNodes:
            response = await connection.registry.GetNodes(
                request, timeout=left_s, metadata=connection.metadata()
            )
            with self._nodes.suspecting(connection, response):
                checks, head = self._accept(response.head, response.validator_changes)
                return checks.check_nodes(head, wire.nodes_answer(response))

        return await self._nodes.ask(attempt, self._deadline(None))

    async def policy(self) -> ProvenPolicy:
        """The policy in force, and the latest decision on it."""
        request = registry_pb2.GetPolicyRequest(trusted_height=self._trusted_height())

        async def attempt(connection: Connection, left_s: float) -> ProvenPolicy:
            response = await connection.registry.GetPolicy(
                request, timeout=left_s, metadata=connection.metadata()
            )
            with self._nodes.suspecting(connection, response):
                checks, head = self._accept(response.head, response.validator_changes)
                return checks.check_policy(head, wire.policy_answer(response))

        return await self._nodes.ask(attempt, self._deadline(None))

    # -- A node's word, without proof -------------------------------------------------------------------------------

    async def preflight(self, entry: bytes) -> Preflight:
        """How the entry would be judged now, in the opinion of one node."""
        request = registry_pb2.PreflightRequest(entry=entry)

        async def attempt(connection: Connection, left_s: float) -> Preflight:
            return wire.preflight(
                await connection.registry.Preflight(request, timeout=left_s, metadata=connection.metadata())
            )

        return await self._nodes.ask(attempt, self._deadline(None))

    async def answering(self, *, timeout_s: float = ATTEMPT_S) -> frozenset[str]:
        """The nodes that say something now, of those whose addresses we have."""

        async def ask(connection: Connection) -> str | None:
            try:
                await connection.ledger.GetStatus(ledger_pb2.GetLedgerStatusRequest(), timeout=timeout_s)
            except grpc.aio.AioRpcError:
                return None
            return connection.node_id

        told = await asyncio.gather(*map(ask, self._nodes.connections))
        return frozenset(name for name in told if name is not None)

    async def queries(self, receivable_id: bytes) -> ToldQueries:
        """Who asked about a receivable, from all nodes at once: each knows only what it was asked. Nobody proves it.

        For those who may see the whole record. Raises CallRefused (FORBIDDEN), Unreachable when no node tells.
        """
        return await asked_of_all(self._nodes, receivable_id)

    async def ledger_status(self) -> LedgerStatus:
        """Where the first node that answers says it is."""

        async def attempt(connection: Connection, left_s: float) -> LedgerStatus:
            return wire.ledger_status(
                await connection.ledger.GetStatus(
                    ledger_pb2.GetLedgerStatusRequest(), timeout=left_s, metadata=connection.metadata()
                )
            )

        return await self._nodes.ask(attempt, self._deadline(None))

    async def watch_events(
        self, from_height: int = 0, receivable_ids: Sequence[bytes] = ()
    ) -> AsyncIterator[Event]:
        """Events from a height on, each once, from one node after the other if need be. To act on one, ask for its status."""
        last = (from_height - 1, 0, -1) if from_height else (0, 0, -1)
        failures = 0
        while True:
            connection = self._nodes.connections[0]
            request = registry_pb2.WatchEventsRequest(
                from_height=max(last[0], from_height), receivable_ids=receivable_ids
            )
            try:
                async for event in connection.registry.WatchEvents(request, metadata=connection.metadata()):
                    failures = 0
                    place = (event.height, event.entry_index, event.operation_index)
                    if place > last:
                        last = place
                        yield wire.event(event)
            except grpc.aio.AioRpcError as error:
                failure = connection.failure(error)
                failures += 1
                if isinstance(failure, CallRefused) and failure.code not in PASSING:
                    raise failure from error
                if failures > 3 * len(self._nodes.connections):
                    raise failure from error
                self._nodes.pass_over(connection)
                await asyncio.sleep(RETRY_PAUSE_S)

    async def report(
        self,
        request: ReportRequest,
        *,
        purpose: str = PURPOSE,
        timeout_s: float | None = None,
        progress: Callable[[int], None] = lambda _height: None,
    ) -> bytes:
        """A report as canonical JSON, as of a height or with 0 as of the last: one node's word about a certified block."""
        deadline = self._deadline(timeout_s)
        head = await self.head(request.height)
        asked = replace(request, height=head.header.height)
        document = await fetch_report(self._nodes, asked, purpose, deadline, progress)
        check_report(document, asked, head)
        return document

    def watch_alerts(self, from_height: int = 0) -> AsyncIterator[AlertBatch]:
        """Alerts from a height on, each once. To act on one, ask for the receipt or the status."""
        return watched_alerts(self._nodes, from_height)

    async def blocks(self, from_height: int, to_height: int = 0) -> AsyncIterator[CertifiedBlock]:
        """Committed blocks in order, as one node has them: for an export, which the audit then checks in full."""
        request = ledger_pb2.StreamBlocksRequest(from_height=from_height, to_height=to_height)
        connection = self._nodes.connections[0]
        try:
            async for block in connection.ledger.StreamBlocks(request, metadata=connection.metadata()):
                yield wire.certified_block(block)
        except grpc.aio.AioRpcError as error:
            raise connection.failure(error) from error

    # -- Common ------------------------------------------------------------------------------------------------------

    def _accept(
        self, head: ledger_pb2.CertifiedHeader, changes: Sequence[ledger_pb2.ValidatorChange]
    ) -> tuple[AnswerChecks, Head]:
        self._checks.learn_changes(wire.validator_changes(changes))
        return self._checks, self._checks.accept_head(head.header, head.certificate, self._clock())

    def _trusted_height(self) -> int:
        """The height whose validators we know, and after which changes have to be shown to us."""
        return self.chain.sets.newest_from

    def _deadline(self, timeout_s: float | None) -> float:
        return asyncio.get_running_loop().time() + (self.timeout_s if timeout_s is None else timeout_s)


def _batches(indexes: Sequence[int], entries: Sequence[bytes]) -> list[list[int]]:
    """Runs of entries that fit one call each."""
    batches: list[list[int]] = [[]]
    size = 0
    for index in indexes:
        if batches[-1] and (
            len(batches[-1]) == ENTRIES_PER_CALL_MAX or size + len(entries[index]) > BYTES_PER_CALL_MAX
        ):
            batches.append([])
            size = 0
        batches[-1].append(index)
        size += len(entries[index])
    return batches
