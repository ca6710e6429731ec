"""The SDK's synchronous face: the same calls as `RegistryClient` and `Submitter`, for programs without an event loop.

    with BlockingClient(genesis, addresses, identity, association_keys=2) as client:
        receipt = client.commit(draft)

One background thread runs one event loop, which owns all connections. The calls may come from any thread, and each
waits for its answer.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from registry.genesis import Genesis
from registry.identifiers import EntryId
from registry.nodes import NetworkNode
from registry.supervision.fold import ReportRequest

from .answers import CertifiedBlock, Event, LedgerStatus, Preflight, ReceivableKey, ToldQueries
from .connection import Identity
from .hand_in import Admission
from .registry_client import PURPOSE, RegistryClient
from .submission import Draft, EntryTurnedAway, Submitter
from .trust import Checkpoint
from .validator_sets import KnownSet
from .verify import AGE_MS_MAX, Head, ProvenMember, ProvenNodes, ProvenReceipt, ProvenRecord, ProvenStatus

T = TypeVar("T")


class BlockingClient:
    """See the module's docstring."""

    def __init__(
        self,
        genesis: Genesis,
        addresses: Mapping[str, str],
        identity: Identity | None,
        *,
        association_keys: int = 1,
        checkpoint: Checkpoint | None = None,
        known_sets: Sequence[KnownSet] = (),
        known_nodes: Sequence[NetworkNode] = (),
        verify: bool = True,
        age_ms_max: int | None = AGE_MS_MAX,
        timeout_s: float = 15.0,
    ) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="pledgebook-client", daemon=True)
        self._thread.start()

        async def make() -> tuple[RegistryClient, Submitter]:
            client = RegistryClient(
                genesis,
                addresses,
                identity,
                checkpoint=checkpoint,
                known_sets=known_sets,
                known_nodes=known_nodes,
                verify=verify,
                age_ms_max=age_ms_max,
                timeout_s=timeout_s,
            )
            return client, Submitter(client, association_keys=association_keys)

        try:
            self.client, self._submitter = self._run(make())
        except BaseException:
            self._stop_loop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections and end the background thread."""
        self._run(self.client.close())
        self._stop_loop()

    def submit(self, entries: Sequence[bytes], *, timeout_s: float | None = None) -> list[Admission]:
        return self._run(self.client.submit(entries, timeout_s=timeout_s))

    def wait_for_receipts(
        self, entry_ids: Sequence[EntryId], *, timeout_s: float | None = None
    ) -> dict[EntryId, ProvenReceipt]:
        return self._run(self.client.wait_for_receipts(entry_ids, timeout_s=timeout_s))

    def commit(self, draft: Draft, *, timeout_s: float | None = None) -> ProvenReceipt:
        return self._run(self._submitter.commit(draft, timeout_s=timeout_s))

    def commit_all(
        self, drafts: Sequence[Draft], *, timeout_s: float | None = None
    ) -> list[ProvenReceipt | EntryTurnedAway]:
        return self._run(self._submitter.commit_all(drafts, timeout_s=timeout_s))

    def status(self, key: ReceivableKey, *, purpose: str = PURPOSE) -> ProvenStatus:
        return self._run(self.client.status(key, purpose=purpose))

    def statuses(self, keys: Sequence[ReceivableKey], *, purpose: str = PURPOSE) -> tuple[ProvenStatus, ...]:
        return self._run(self.client.statuses(keys, purpose=purpose))

    def receivable(self, key: ReceivableKey, *, purpose: str = PURPOSE) -> ProvenRecord:
        return self._run(self.client.receivable(key, purpose=purpose))

    def member(self, member_id: str) -> ProvenMember:
        return self._run(self.client.member(member_id))

    def nodes(self) -> ProvenNodes:
        return self._run(self.client.nodes())

    def head(self, height: int = 0) -> Head:
        return self._run(self.client.head(height))

    def preflight(self, entry: bytes) -> Preflight:
        return self._run(self.client.preflight(entry))

    def queries(self, receivable_id: bytes) -> ToldQueries:
        return self._run(self.client.queries(receivable_id))

    def ledger_status(self) -> LedgerStatus:
        return self._run(self.client.ledger_status())

    def report(self, request: ReportRequest, *, purpose: str = PURPOSE, timeout_s: float = 600.0) -> bytes:
        """A supervisor's report as canonical JSON: one node's word about a certified block."""
        return self._run(self.client.report(request, purpose=purpose, timeout_s=timeout_s))

    def watch_events(self, from_height: int = 0, receivable_ids: Sequence[bytes] = ()) -> Iterator[Event]:
        """Events as they come; close the iterator to stop watching."""
        events = self.client.watch_events(from_height, receivable_ids)
        return self._iterate(events)

    def blocks(self, from_height: int, to_height: int = 0) -> Iterator[CertifiedBlock]:
        return self._iterate(self.client.blocks(from_height, to_height))

    def _iterate(self, source: Any) -> Iterator[Any]:
        async def following() -> tuple[bool, Any]:
            try:
                return True, await anext(source)
            except StopAsyncIteration:
                return False, None

        try:
            while True:
                there_is_one, item = self._run(following())
                if not there_is_one:
                    return
                yield item
        finally:
            self._run(source.aclose())

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except KeyboardInterrupt:
            future.cancel()
            raise

    def _stop_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
