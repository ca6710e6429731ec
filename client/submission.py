"""From operations to proven receipts: number, sign, hand in, stay until the receipt is there.

Guarantees: what `commit` is given takes effect at most once, whatever fails on the way. An entry gets another number,
and so another id, only when its first number was refused as used by the first node that was asked: then the first
version can never take effect. Several workers of one member in one process share a `Submitter`; workers in different
processes take different `lane`s, so that their numbers do not meet. The anti-replay window is 1,024 numbers wide: no
more than half of it is ever in flight. Leaves to others: what to submit, and what a refusal means.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from registry.entry import Mode, decode_entry
from registry.errors import Code
from registry.identifiers import EntryId, MemberId
from registry.limits import SEQUENCE_WINDOW
from registry.operations import Operation

from .connection import Clock, system_clock
from .errors import CallRefused, ClientError
from .node_circle import NO_BLOCK_YET
from .registry_client import Admission, RegistryClient
from .verify import ProvenReceipt
from .wallet import ShownPapers, Wallet, draft_body, sign_for_all

VALID_FOR_MS: Final = 10 * 60_000
RENUMBER_TIMES_MAX: Final = 3


class EntryTurnedAway(ClientError):
    """A node refused the entry at the door: it is in no block, and there is no receipt."""

    def __init__(self, entry_id: EntryId, code: str, message: str) -> None:
        super().__init__(f"refused at the door: {code}: {message}")
        self.entry_id = entry_id
        self.code = code


@dataclass(frozen=True, slots=True)
class Draft:
    """Operations and the wallets of all who must sign; the first wallet is the submitter's."""

    operations: tuple[Operation, ...]
    signers: tuple[Wallet, ...]
    mode: Mode = Mode.ATOMIC
    shown: Mapping[bytes, ShownPapers] = field(default_factory=dict)

    @property
    def submitter(self) -> MemberId:
        return self.signers[0].member


class SequenceNumbers:
    """One member's numbers: the first from the ledger, the next by counting, `lanes` apart."""

    def __init__(self, client: RegistryClient, member: MemberId, lane: int, lanes: int) -> None:
        self._client = client
        self._member = member
        self._lane = lane
        self._lanes = lanes
        self._next = 0
        self._lock = asyncio.Lock()

    async def take(self) -> int:
        """A number that nobody else of this member takes."""
        async with self._lock:
            if self._next == 0:
                self._next = await self._above_all_used()
            number = self._next
            self._next += self._lanes
            return number

    async def begin_again(self) -> None:
        """A number was used already: continue above everything that the ledger has seen."""
        async with self._lock:
            self._next = max(self._next, await self._above_all_used())

    async def _above_all_used(self) -> int:
        try:
            highest = (await self._client.member(self._member)).window.highest
        except CallRefused as refused:
            if refused.code != NO_BLOCK_YET:
                raise
            highest = 0  # nobody has submitted anything before the first block
        return (highest // self._lanes + 1) * self._lanes + self._lane


class Submitter:
    """Submits for any member whose wallet is given. Belongs to one event loop."""

    def __init__(
        self,
        client: RegistryClient,
        *,
        association_keys: int,
        lane: int = 0,
        lanes: int = 1,
        clock: Clock = system_clock,
    ) -> None:
        self.client = client
        self._association_keys = association_keys
        self._lane = lane
        self._lanes = lanes
        self._clock = clock
        self._numbers: dict[MemberId, SequenceNumbers] = {}
        self._in_flight = max(1, SEQUENCE_WINDOW // 2 // lanes)

    async def commit(self, draft: Draft, *, timeout_s: float | None = None) -> ProvenReceipt:
        """Raises EntryTurnedAway, PapersMismatch, Unreachable, ProofInvalid."""
        outcome = (await self.commit_all([draft], timeout_s=timeout_s))[0]
        if isinstance(outcome, EntryTurnedAway):
            raise outcome
        return outcome

    async def commit_all(
        self, drafts: Sequence[Draft], *, timeout_s: float | None = None
    ) -> list[ProvenReceipt | EntryTurnedAway]:
        """One outcome per draft, in order; raises as `commit`. A slice of half a window is in flight at once."""
        outcomes: list[ProvenReceipt | EntryTurnedAway] = []
        for start in range(0, len(drafts), self._in_flight):
            outcomes += await self._commit_slice(drafts[start : start + self._in_flight], timeout_s)
        return outcomes

    async def sign(self, draft: Draft) -> bytes:
        """The whole entry under the submitter's next number, not yet handed in. Raises PapersMismatch."""
        number = await self._numbers_of(draft.submitter).take()
        body = draft_body(
            self.client.genesis.chain_id,
            draft.submitter,
            number,
            self._clock() + VALID_FOR_MS,
            draft.operations,
            draft.mode,
        )
        return sign_for_all(body, draft.signers, draft.shown, association_keys=self._association_keys)

    async def _commit_slice(
        self, drafts: Sequence[Draft], timeout_s: float | None
    ) -> list[ProvenReceipt | EntryTurnedAway]:
        outcomes: dict[int, ProvenReceipt | EntryTurnedAway] = {}
        open_indexes = list(range(len(drafts)))
        for attempt in range(RENUMBER_TIMES_MAX + 1):
            signed = {index: decode_entry(await self.sign(drafts[index])) for index in open_indexes}
            answered = await self.client.commit([entry.raw for entry in signed.values()], timeout_s=timeout_s)
            open_indexes = []
            for index, entry in signed.items():
                outcome = answered[entry.entry_id]
                if isinstance(outcome, ProvenReceipt):
                    outcomes[index] = outcome
                elif _may_renumber(outcome) and attempt < RENUMBER_TIMES_MAX:
                    open_indexes.append(index)
                    await self._numbers_of(drafts[index].submitter).begin_again()
                else:
                    outcomes[index] = EntryTurnedAway(outcome.entry_id, outcome.code, outcome.message)
            if not open_indexes:
                break
        return [outcomes[index] for index in range(len(drafts))]

    def _numbers_of(self, member: MemberId) -> SequenceNumbers:
        if member not in self._numbers:
            self._numbers[member] = SequenceNumbers(self.client, member, self._lane, self._lanes)
        return self._numbers[member]


def _may_renumber(admission: Admission) -> bool:
    return admission.code == Code.REPLAYED and admission.is_first_word
