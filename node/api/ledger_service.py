"""pledgebook.v1.Ledger: headers for everybody, blocks for those who may read them.

Headers and certificates are public: they hold hashes. Blocks hold the amounts and member ids of all entries, which only
node operators, the association, auditors and courts may read (`visibility`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from grpc.aio import ServicerContext

from node.api.answers import certified_block, certified_header, head_of, validator_changes
from node.api.calls import Api, answers, streams
from node.engine import EngineStatus
from node.status import CallCode, CallRefused
from pledgebook.v1 import ledger_pb2, ledger_pb2_grpc
from registry.block import decode_header
from registry.member import Member
from registry.operations.governance import Role

# Read together in one visit to the store: few enough that memory stays small while a slow caller takes them.
BLOCKS_PER_READ = 16
BYTES_PER_READ = 4 * 1024 * 1024
READERS_OF_ALL = (Role.ASSOCIATION, Role.AUDITOR, Role.COURT)


def software_version() -> str:
    """The installed version of this program."""
    try:
        return version("pledgebook")
    except PackageNotFoundError:
        return "unknown"


class LedgerService(ledger_pb2_grpc.LedgerServicer):
    """The server side of pledgebook.v1.Ledger."""

    def __init__(
        self, api: Api, engine_status: Callable[[], EngineStatus], operators: Callable[[], frozenset[str]]
    ) -> None:
        """`operators` gives the members that run a node of the network now."""
        self.api = api
        self._engine_status = engine_status
        self._operators = operators
        self._version = software_version()

    @answers
    async def GetStatus(
        self, request: ledger_pb2.GetLedgerStatusRequest, context: ServicerContext[Any, Any]
    ) -> ledger_pb2.GetLedgerStatusResponse:
        """Where this node is."""
        engine = self._engine_status()
        with self.api.store.read() as snapshot:
            height = snapshot.height
            header = certified_header(snapshot, height).header if height else b""
            block_hash = snapshot.block_hash(height) or b""
        return ledger_pb2.GetLedgerStatusResponse(
            chain_id=self.api.chain_id,
            node_id=self.api.node_id,
            height=height,
            block_hash=block_hash,
            time_ms=_time_of(header),
            validating=engine.validating,
            catching_up=engine.syncing,
            software_version=self._version,
        )

    @answers
    async def GetHeader(
        self, request: ledger_pb2.GetHeaderRequest, context: ServicerContext[Any, Any]
    ) -> ledger_pb2.GetHeaderResponse:
        """One certified header, and the changes of the validators since the height that the caller trusts."""
        with self.api.store.read() as snapshot:
            head = certified_header(snapshot, request.height) if request.height else head_of(snapshot)
            changes = validator_changes(snapshot, request.trusted_height, request.height or snapshot.height)
        return ledger_pb2.GetHeaderResponse(head=head, validator_changes=changes)

    @streams
    async def StreamBlocks(
        self, request: ledger_pb2.StreamBlocksRequest, context: ServicerContext[Any, Any]
    ) -> AsyncGenerator[ledger_pb2.CertifiedBlock, None]:
        """Committed blocks in order."""
        caller = self.api.caller(context)
        self._check_reader(caller)
        if request.from_height < 1:
            raise CallRefused(CallCode.BAD_REQUEST, "from_height must be at least 1")
        last = min(request.to_height or self.api.feed.height, self.api.feed.height)
        self.api.logger.info("blocks_streamed", member=caller.member_id, first=request.from_height, last=last)
        with self.api.slots.hold(caller.member_id):
            height = request.from_height
            while height <= last:
                blocks = await asyncio.to_thread(self._read_blocks, height, last)
                for block in blocks:
                    yield block
                height += len(blocks)

    def _check_reader(self, caller: Member) -> None:
        if caller.member_id not in self._operators() and not any(
            role in READERS_OF_ALL for role in caller.roles
        ):
            raise CallRefused(
                CallCode.FORBIDDEN,
                "whole blocks are for node operators, the association, auditors and courts; "
                f"{caller.member_id} is {', '.join(role.name.lower() for role in caller.roles)} and runs no node",
            )

    def _read_blocks(self, first: int, last: int) -> list[ledger_pb2.CertifiedBlock]:
        blocks: list[ledger_pb2.CertifiedBlock] = []
        size = 0
        with self.api.store.read() as snapshot:
            for height in range(first, min(last, first + BLOCKS_PER_READ - 1) + 1):
                block = certified_block(snapshot, height, with_receipts=True)
                size += len(block.block)
                blocks.append(block)
                if size >= BYTES_PER_READ:
                    break
        return blocks


def _time_of(header_bytes: bytes) -> int:
    return decode_header(header_bytes).time_ms if header_bytes else 0
