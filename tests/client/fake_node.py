"""Nodes in this process: real gRPC over pinned TLS, a chain in memory behind them, and every way to misbehave."""

from __future__ import annotations

import asyncio
import copy
import datetime
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from grpc import aio

from client.answers import AbsentValue, ByFingerprint, ById, PresentValue, ReceivableKey
from client.connection import Identity
from client.registry_client import RegistryClient
from node.status import CallCode, CallRefused, abort
from node.tls import Identity as TlsIdentity
from node.tls import api_server_credentials, certificate_der, generate_identity
from pledgebook.v1 import (
    ledger_pb2,
    ledger_pb2_grpc,
    registry_pb2,
    registry_pb2_grpc,
    supervision_pb2,
    supervision_pb2_grpc,
)
from registry.entry import decode_entry
from registry.errors import Code
from registry.fingerprints import FingerprintKind
from registry.genesis import encode_genesis, parse_genesis
from registry.identifiers import MemberId
from registry.nodes import encode_voters, voters
from registry.state import MemoryState, WorkingState
from registry.stored import SINGLETON, Namespace
from registry.transition import genesis_state, genesis_tip
from tests.client.answers_of import (
    looked_up,
    member_answer,
    policy_answer,
    pool_answer,
    receipt_answer,
    receivable_answer,
    status_answer,
)
from tests.client.audit.chain_builder import BuiltBlock, ChainBuilder, key_of, member_id_of

NODES = ("association", "exporter-1", "factor-1")
_NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
_IDENTITIES = {node: generate_identity(node, _NOW) for node in (*NODES, "factor-2")}


class TlsChain(ChainBuilder):
    """A chain whose genesis pins certificates that a server can really use."""

    def __init__(self) -> None:
        super().__init__("client tests")
        nodes = tuple(
            replace(node, tls_certificate_der=certificate_der(_IDENTITIES[node.node_id].certificate_pem))
            for node in self.genesis.nodes
        )
        genesis = self.genesis
        self.document = encode_genesis(
            name=genesis.name,
            time_ms=genesis.time_ms,
            fingerprint_epoch=genesis.fingerprint_epoch,
            governance_threshold=genesis.governance_threshold,
            policy=genesis.policy,
            nodes=nodes,
            members=genesis.members,
        )
        self.genesis = parse_genesis(self.document)
        self.state = MemoryState()
        self.state.apply(genesis_state(self.genesis).delta)
        self.tip = genesis_tip(self.genesis)
        self.states: list[MemoryState] = []

    def commit(self, *arguments: Any, **options: Any) -> BuiltBlock:
        built = super().commit(*arguments, **options)
        self.states.append(copy.deepcopy(self.state))
        return built

    def place_of(self, entry_id: bytes) -> tuple[int, int] | None:
        """Block number and index of a committed entry."""
        for number, built in enumerate(self.blocks):
            for index, raw in enumerate(built.block.entries):
                if decode_entry(raw).entry_id == entry_id:
                    return number, index
        return None


class FakeNode(registry_pb2_grpc.RegistryServicer):
    """An honest node unless told otherwise."""

    def __init__(self, chain: TlsChain, node_id: str, identity: TlsIdentity | None = None) -> None:
        self.chain = chain
        self.node_id = node_id
        self.identity = identity or _IDENTITIES[node_id]
        self.address = ""
        self.calls: list[str] = []
        self.tokens: list[str] = []
        self.submitted: list[bytes] = []
        self.handed_in: list[bytes] = []
        self.asked_about: list[bytes] = []
        # How it misbehaves.
        self.lag = 0
        self.hangs = False
        self.refusal: CallRefused | None = None
        self.refusals_left = 1_000_000
        self.loses_entries = 0
        self.keeps_receipts_back = False
        self.door: Callable[[bytes], tuple[str, int] | None] = lambda _entry_id: None
        self.falsify: Callable[[Any], Any] = lambda response: response
        self.events: list[registry_pb2.Event] = []
        self.events_before_failure = 1_000_000
        self.report: Callable[[supervision_pb2.ReportRequest], bytes] = lambda _request: b""
        self.reports_asked: list[supervision_pb2.ReportRequest] = []
        self.alerts: list[supervision_pb2.AlertBatch] = []
        self.queries: list[registry_pb2.Query] = []
        self.forgotten = 0

    # -- Registry -------------------------------------------------------------------------------------------------

    async def Submit(self, request: registry_pb2.SubmitRequest, context: Any) -> Any:
        await self.enter("Submit", context)
        admissions, fresh = [], []
        for raw in request.entries:
            entry_id = decode_entry(raw).entry_id
            self.submitted.append(entry_id)
            self.handed_in.append(raw)
            verdict = self.door(entry_id)
            if verdict is not None:
                admissions.append(
                    registry_pb2.Admission(
                        entry_id=entry_id, code=verdict[0], message="as told", retry_after_ms=verdict[1]
                    )
                )
                continue
            admissions.append(registry_pb2.Admission(entry_id=entry_id, code=str(Code.OK)))
            if self.loses_entries:
                self.loses_entries -= 1
            elif self.chain.place_of(entry_id) is None:
                fresh.append(raw)
        if fresh:
            self.chain.commit(fresh)
        response = registry_pb2.SubmitResponse(admissions=admissions)
        return self.falsify(response)

    async def WaitForReceipt(
        self, request: registry_pb2.WaitForReceiptRequest, context: Any
    ) -> AsyncIterator[registry_pb2.ReceiptBatch]:
        await self.enter("WaitForReceipt", context)
        pending = set(request.entry_ids)
        deadline = asyncio.get_running_loop().time() + request.timeout_ms / 1_000
        while True:
            for entry_id in sorted(pending):
                if self.keeps_receipts_back:
                    break
                place = self.chain.place_of(entry_id)
                if place is None:
                    continue
                pending.discard(entry_id)
                built = self.chain.blocks[place[0]]
                answer = receipt_answer(built, place[1])
                changes = self.changes(request.trusted_height, built.block.header.height)
                yield self.falsify(
                    registry_pb2.ReceiptBatch(
                        head=_certified(built),
                        validator_changes=changes,
                        receipts=[registry_pb2.ReceiptProof(receipt=answer.receipt, path=answer.path)],
                    )
                )
            if not pending or asyncio.get_running_loop().time() >= deadline:
                return
            await asyncio.sleep(0.02)

    async def GetStatus(self, request: registry_pb2.GetStatusRequest, context: Any) -> Any:
        await self.enter("GetStatus", context)
        answers = []
        for key in request.keys:
            answer = status_answer(self._state, _key(key))
            message = registry_pb2.StatusAnswer()
            _fill(message.fingerprint, answer.fingerprint)
            _fill(message.present, answer.present)
            _fill(message.absent, answer.absent)
            answers.append(message)
        response = registry_pb2.GetStatusResponse(
            head=self.head,
            answers=answers,
            validator_changes=self.changes(request.trusted_height, self.height),
        )
        return self.falsify(response)

    async def GetReceivable(self, request: registry_pb2.GetReceivableRequest, context: Any) -> Any:
        await self.enter("GetReceivable", context)
        answer = receivable_answer(self._state, _key(request.key))
        response = registry_pb2.GetReceivableResponse(
            head=self.head,
            public=answer.public,
            private=answer.private,
            inclusion_proof=answer.proof,
            validator_changes=self.changes(request.trusted_height, self.height),
        )
        _fill(response.fingerprint, answer.fingerprint)
        _fill(response.absent, answer.absent)
        return self.falsify(response)

    async def GetPool(self, request: registry_pb2.GetPoolRequest, context: Any) -> Any:
        await self.enter("GetPool", context)
        answer = pool_answer(self._state, request.pool_id)
        response = registry_pb2.GetPoolResponse(
            head=self.head, private=answer.private, inclusion_proof=answer.proof
        )
        _fill(response.absent, answer.absent)
        return self.falsify(response)

    async def GetMember(self, request: registry_pb2.GetMemberRequest, context: Any) -> Any:
        await self.enter("GetMember", context)
        answer = member_answer(self._state, request.member_id)
        response = registry_pb2.GetMemberResponse(
            head=self.head, validator_changes=self.changes(request.trusted_height, self.height)
        )
        for name in ("member", "window", "member_absent", "window_absent"):
            _fill(getattr(response, name), getattr(answer, name))
        return self.falsify(response)

    async def GetNodes(self, request: registry_pb2.GetNodesRequest, context: Any) -> Any:
        await self.enter("GetNodes", context)
        response = registry_pb2.GetNodesResponse(
            head=self.head, validator_changes=self.changes(request.trusted_height, self.height)
        )
        _fill(response.nodes, looked_up(self._state, Namespace.VALIDATORS, SINGLETON))
        return self.falsify(response)

    async def GetPolicy(self, request: registry_pb2.GetPolicyRequest, context: Any) -> Any:
        await self.enter("GetPolicy", context)
        answer = policy_answer(self._state)
        response = registry_pb2.GetPolicyResponse(
            head=self.head, validator_changes=self.changes(request.trusted_height, self.height)
        )
        for name in ("policy", "pending", "pending_absent"):
            _fill(getattr(response, name), getattr(answer, name))
        return self.falsify(response)

    async def Preflight(self, request: registry_pb2.PreflightRequest, context: Any) -> Any:
        await self.enter("Preflight", context)
        self.asked_about.append(request.entry)
        result = registry_pb2.OperationResult(
            code="DUPLICATE_PLEDGE", collided_with=bytes(32), collided_height=3, reasons=["pledged 5"]
        )
        return registry_pb2.PreflightResponse(height=self.height, door_code="OK", results=[result])

    async def ListQueries(self, request: registry_pb2.ListQueriesRequest, context: Any) -> Any:
        await self.enter("ListQueries", context)
        return self.falsify(registry_pb2.ListQueriesResponse(queries=self.queries, forgotten=self.forgotten))

    async def WatchEvents(
        self, request: registry_pb2.WatchEventsRequest, context: Any
    ) -> AsyncIterator[registry_pb2.Event]:
        await self.enter("WatchEvents", context)
        for number, event in enumerate(self.events):
            if number >= self.events_before_failure:
                self.events_before_failure = 1_000_000
                await abort(context, CallRefused(CallCode.STOPPING, "going away"))
            if event.height >= request.from_height:
                yield event

    @property
    def height(self) -> int:
        return len(self.chain.blocks) - self.lag

    @property
    def _state(self) -> MemoryState:
        return self.chain.states[self.height - 1]

    @property
    def head(self) -> ledger_pb2.CertifiedHeader:
        return _certified(self.chain.blocks[self.height - 1])

    def changes(self, trusted_height: int, height: int) -> list[ledger_pb2.ValidatorChange]:
        """What leads from the validators of one height to those of another."""
        changes = []
        for nodes in WorkingState(self._state).node_changes(max(1, trusted_height)):
            if nodes.from_height <= height:
                head = _certified(self.chain.blocks[nodes.from_height - 2])
                encoded = encode_voters(voters(nodes.nodes))
                changes.append(ledger_pb2.ValidatorChange(head=head, validators=encoded))
        return changes

    async def enter(self, call: str, context: Any) -> None:
        self.calls.append(call)
        metadata = dict(context.invocation_metadata() or ())
        self.tokens.append(str(metadata.get("authorization", "")))
        if self.hangs:
            await asyncio.sleep(3_600)
        if self.refusal is not None and self.refusals_left > 0:
            self.refusals_left -= 1
            await abort(context, self.refusal)
        if not self.chain.blocks and call.startswith("Get"):
            await abort(
                context, CallRefused(CallCode.NO_BLOCK_YET, "no block is committed yet", retry_after_ms=50)
            )


class FakeLedger(ledger_pb2_grpc.LedgerServicer):
    """The other service of the same node."""

    def __init__(self, node: FakeNode) -> None:
        self._node = node

    async def GetStatus(self, request: ledger_pb2.GetLedgerStatusRequest, context: Any) -> Any:
        await self._node.enter("LedgerStatus", context)
        height, block_hash = self._node.chain.head
        return ledger_pb2.GetLedgerStatusResponse(
            node_id=self._node.node_id, height=height, block_hash=block_hash, validating=True
        )

    async def GetHeader(self, request: ledger_pb2.GetHeaderRequest, context: Any) -> Any:
        await self._node.enter("GetHeader", context)
        head = _certified(self._node.chain.blocks[request.height - 1]) if request.height else self._node.head
        changes = self._node.changes(request.trusted_height, request.height or self._node.height)
        return self._node.falsify(ledger_pb2.GetHeaderResponse(head=head, validator_changes=changes))

    async def StreamBlocks(
        self, request: ledger_pb2.StreamBlocksRequest, context: Any
    ) -> AsyncIterator[ledger_pb2.CertifiedBlock]:
        await self._node.enter("StreamBlocks", context)
        last = request.to_height or self._node.height
        for height in range(request.from_height, last + 1):
            block, certificate, receipts = self._node.chain.blocks[height - 1].exported()
            yield ledger_pb2.CertifiedBlock(
                height=height, block=block, certificate=certificate, receipts=receipts
            )


class FakeSupervision(supervision_pb2_grpc.SupervisionServicer):
    """The third one: it tells what it was given."""

    def __init__(self, node: FakeNode) -> None:
        self._node = node

    async def Report(
        self, request: supervision_pb2.ReportRequest, context: Any
    ) -> AsyncIterator[supervision_pb2.ReportPart]:
        await self._node.enter("Report", context)
        self._node.reports_asked.append(request)
        for height in range(1, request.height + 1):
            yield supervision_pb2.ReportPart(height=height)
        document = self._node.report(request)
        for start in range(0, len(document), 1_000):
            yield supervision_pb2.ReportPart(document=document[start : start + 1_000])

    async def WatchAlerts(
        self, request: supervision_pb2.WatchAlertsRequest, context: Any
    ) -> AsyncIterator[supervision_pb2.AlertBatch]:
        await self._node.enter("WatchAlerts", context)
        for number, batch in enumerate(self._node.alerts):
            if number >= self._node.events_before_failure:
                self._node.events_before_failure = 1_000_000
                await abort(context, CallRefused(CallCode.STOPPING, "going away"))
            if batch.height >= request.from_height:
                yield batch


@asynccontextmanager
async def serving(*nodes: FakeNode) -> AsyncIterator[None]:
    """Each node listens on a free port of this machine while the block is open."""
    servers = []
    for node in nodes:
        server = aio.server()
        registry_pb2_grpc.add_RegistryServicer_to_server(node, server)
        ledger_pb2_grpc.add_LedgerServicer_to_server(FakeLedger(node), server)
        supervision_pb2_grpc.add_SupervisionServicer_to_server(FakeSupervision(node), server)
        port = server.add_secure_port("127.0.0.1:0", api_server_credentials(node.identity))
        node.address = f"127.0.0.1:{port}"
        await server.start()
        servers.append(server)
    try:
        yield
    finally:
        for server in servers:
            await server.stop(None)


def client_of(chain: TlsChain, *nodes: FakeNode, who: str = "exporter-1", **options: Any) -> RegistryClient:
    """A client that asks these nodes in this order."""
    options.setdefault("timeout_s", 5.0)
    return RegistryClient(
        chain.genesis,
        {node.node_id: node.address for node in nodes},
        Identity(MemberId(member_id_of(who)), key_of(who)),
        clock=lambda: chain.tip.time_ms,
        **options,
    )


def _certified(built: BuiltBlock) -> ledger_pb2.CertifiedHeader:
    return ledger_pb2.CertifiedHeader(header=built.block.header_bytes, certificate=built.certificate)


def _key(message: registry_pb2.ReceivableKey) -> ReceivableKey:
    if message.WhichOneof("key") == "receivable_id":
        return ById(message.receivable_id)
    return ByFingerprint(FingerprintKind(message.fingerprint.kind), message.fingerprint.value)


def _fill(message: Any, value: PresentValue | AbsentValue | None) -> None:
    match value:
        case PresentValue(public, private_digest, proof):
            message.CopyFrom(
                registry_pb2.PresentValue(public=public, private_digest=private_digest, inclusion_proof=proof)
            )
        case AbsentValue(proof):
            message.CopyFrom(registry_pb2.AbsentValue(absence_proof=proof))
        case None:
            pass
