"""From operations to proven receipts: number, sign, hand in, stay until the receipt is there.

Guarantees: what `commit` is given takes effect at most once, whatever fails on the way and whatever nodes say. A signed
entry that was handed in may be in anybody's hands, so it gets another number, and with it another id, only when it is
proven that it can never take effect (`_is_dead`); that nodes refuse it proves nothing. Several workers of one member in one
process share a `Submitter`; workers in different processes take different `lane`s, so that their numbers do not meet.
The anti-replay window is 1,024 numbers wide: no more than half of it is ever in flight. Leaves to others: what to
submit, and what a refusal means.
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from registry.entry import Entry, Mode, assemble, decode_entry
from registry.errors import Code
from registry.identifiers import EntryId, MemberId, show_id
from registry.limits import SEQUENCE_WINDOW
from registry.operations import Operation
from registry.sequence_window import SequenceWindow

from .connection import Clock, system_clock
from .errors import CallRefused, ClientError
from .hand_in import Admission
from .node_circle import NO_BLOCK_YET
from .registry_client import RegistryClient
from .verify import ProvenReceipt
from .wallet import ShownPapers, Wallet, draft_body, sign_for_all

VALID_FOR_MS: Final = 10 * 60_000
RENUMBER_TIMES_MAX: Final = 3
WINDOW_READ_AGAIN_S: Final = 5.0


class EntryTurnedAway(ClientError):
    """Nodes say that they refuse the entry at the door. There is no receipt, and no proof: until `valid_until_ms` a node that
    kept it could still bring it into a block, where it would take effect once."""

    def __init__(self, admission: Admission, valid_until_ms: int) -> None:
        until = datetime.datetime.fromtimestamp(valid_until_ms / 1_000, datetime.UTC)
        super().__init__(
            f"refused at the door: {admission.code}: {admission.node_id} says: {admission.message} (that is the nodes' word, no "
            f"proof; entry {show_id(admission.entry_id)} is signed until {until.isoformat(timespec='seconds')})"
        )
        self.entry_id = admission.entry_id
        self.code = admission.code
        self.valid_until_ms = valid_until_ms


BeforeHandIn = Callable[[Mapping[int, EntryId]], None]
"""Told which entry each draft, by its index, is about to be handed in as: what must outlive a crash is filed here."""


def _nothing_to_file(_entry_ids: Mapping[int, EntryId]) -> None:
    return None


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


def next_in_lane(highest: int, lane: int, lanes: int) -> int:
    """The lane's first number above `highest`: no further on than it must be, since drafts wait in the same window."""
    return highest + 1 + (lane - highest - 1) % lanes


class SequenceNumbers:
    """One member's numbers: the first from the ledger, the next by counting, `lanes` apart."""

    def __init__(
        self, client: RegistryClient, member: MemberId, lane: int, lanes: int, read_again_s: float
    ) -> None:
        self._read_again_s = read_again_s
        self._client = client
        self._member = member
        self._lane = lane
        self._lanes = lanes
        self._next = 0
        self._read_at_s: float | None = None
        self._lock = asyncio.Lock()
        self.proven_window = SequenceWindow.empty()
        """The anti-replay window as it was proven when it was last read."""

    async def take(self) -> int:
        """A number that nobody else of this member takes."""
        async with self._lock:
            now_s = asyncio.get_running_loop().time()
            if self._read_at_s is None or now_s - self._read_at_s >= self._read_again_s:
                await self._read()
            number = self._next
            self._next += self._lanes
            return number

    async def catch_up(self) -> None:
        """Continue above everything that the ledger has seen, also of this member's other processes."""
        async with self._lock:
            await self._read()

    async def _read(self) -> None:
        highest = 0
        try:
            proven = await self._client.member(self._member)
            highest = proven.window.highest
            if proven.head.is_verified:
                self.proven_window = proven.window
        except CallRefused as refused:
            if refused.code != NO_BLOCK_YET:
                raise  # else nobody has submitted anything: there is no block
        self._next = max(self._next, next_in_lane(highest, self._lane, self._lanes))
        self._read_at_s = asyncio.get_running_loop().time()


class Submitter:
    """Submits for any member whose wallet is given. Belongs to one event loop."""

    def __init__(
        self,
        client: RegistryClient,
        *,
        association_keys: int,
        lane: int = 0,
        lanes: int = 1,
        window_read_again_s: float = WINDOW_READ_AGAIN_S,
        clock: Clock = system_clock,
    ) -> None:
        self.client = client
        self._association_keys = association_keys
        self._lane = lane
        self._lanes = lanes
        self._window_read_again_s = window_read_again_s
        self._clock = clock
        self._numbers: dict[MemberId, SequenceNumbers] = {}
        self._in_flight = max(1, SEQUENCE_WINDOW // 2 // lanes)

    async def commit(
        self, draft: Draft, *, timeout_s: float | None = None, before_hand_in: BeforeHandIn = _nothing_to_file
    ) -> ProvenReceipt:
        """Raises EntryTurnedAway, PapersMismatch, Unreachable, ProofInvalid."""
        outcome = (await self.commit_all([draft], timeout_s=timeout_s, before_hand_in=before_hand_in))[0]
        if isinstance(outcome, EntryTurnedAway):
            raise outcome
        return outcome

    async def commit_all(
        self,
        drafts: Sequence[Draft],
        *,
        timeout_s: float | None = None,
        before_hand_in: BeforeHandIn = _nothing_to_file,
    ) -> list[ProvenReceipt | EntryTurnedAway]:
        """One outcome per draft, in order; raises as `commit`. A slice of half a window is in flight at once."""
        outcomes: list[ProvenReceipt | EntryTurnedAway] = []
        for start in range(0, len(drafts), self._in_flight):
            indexes = range(start, min(start + self._in_flight, len(drafts)))
            outcomes += await self._commit_slice(drafts, indexes, timeout_s, before_hand_in)
        return outcomes

    async def sign(self, draft: Draft) -> bytes:
        """The whole entry under the submitter's next number, not yet handed in. Raises PapersMismatch."""
        body = await self._numbered(draft)
        return sign_for_all(body, draft.signers, draft.shown, association_keys=self._association_keys)

    async def sketch(self, draft: Draft) -> bytes:
        """The entry without any signature, to ask about: nobody can bring it into a block. Raises PapersMismatch, as `sign`."""
        body = await self._numbered(draft)
        # Signed here and thrown away: the wallets' own refusals are part of the question.
        sign_for_all(body, draft.signers, draft.shown, association_keys=self._association_keys)
        return assemble(body, ())

    async def highest_number(self, member: MemberId) -> int:
        """The highest of the member's numbers that is on the chain, proven; 0 when there is none."""
        numbers = self._numbers_of(member)
        await numbers.catch_up()
        return numbers.proven_window.highest

    def sign_draft(self, draft: Draft, number: int, valid_for_ms: int) -> bytes:
        """The entry under a number that was set aside for it, signed by the wallets that are here. Raises PapersMismatch."""
        body = self._body(draft, number, valid_for_ms)
        return sign_for_all(body, draft.signers, draft.shown, association_keys=self._association_keys)

    async def _numbered(self, draft: Draft) -> bytes:
        number = await self._numbers_of(draft.submitter).take()
        return self._body(draft, number, VALID_FOR_MS)

    def _body(self, draft: Draft, number: int, valid_for_ms: int) -> bytes:
        return draft_body(
            self.client.genesis.chain_id,
            draft.submitter,
            number,
            self._clock() + valid_for_ms,
            draft.operations,
            draft.mode,
        )

    async def _commit_slice(
        self, drafts: Sequence[Draft], indexes: range, timeout_s: float | None, before_hand_in: BeforeHandIn
    ) -> list[ProvenReceipt | EntryTurnedAway]:
        outcomes: dict[int, ProvenReceipt | EntryTurnedAway] = {}
        open_indexes = list(indexes)
        # A number that another process of this member has used meanwhile would be refused, and once it is signed and handed in it
        # cannot be replaced before it has expired: to ask first costs little.
        for member in {drafts[index].submitter: None for index in indexes}:
            await self._numbers_of(member).catch_up()
        for attempt in range(RENUMBER_TIMES_MAX + 1):
            signed = {index: decode_entry(await self.sign(drafts[index])) for index in open_indexes}
            known = {index: self._numbers_of(drafts[index].submitter).proven_window for index in open_indexes}
            before_hand_in({index: entry.entry_id for index, entry in signed.items()})
            answered = await self.client.commit([entry.raw for entry in signed.values()], timeout_s=timeout_s)
            open_indexes = []
            for index, entry in signed.items():
                outcome = answered[entry.entry_id]
                if isinstance(outcome, ProvenReceipt):
                    outcomes[index] = outcome
                    continue
                if outcome.code == Code.REPLAYED:
                    await self._numbers_of(drafts[index].submitter).catch_up()
                    if attempt < RENUMBER_TIMES_MAX and await self._is_dead(entry, known[index]):
                        open_indexes.append(index)
                        continue
                outcomes[index] = EntryTurnedAway(outcome, entry.body.valid_until_ms)
            if not open_indexes:
                break
        return [outcomes[index] for index in indexes]

    async def _is_dead(self, entry: Entry, known: SequenceWindow) -> bool:
        """Whether it is proven that the entry has not taken effect and never can.

        Its number was used in a block before it was handed in, as the window proven before that shows (`known`), so by another
        entry. Or it has expired on the proven time of the chain and its number is unused in the state of that moment.
        """
        body = entry.body
        if not known.accepts(body.sequence):
            return True
        proven = await self.client.member(body.submitter)
        return (
            proven.head.is_verified
            and proven.head.header.time_ms > body.valid_until_ms
            and proven.window.accepts(body.sequence)
        )

    def _numbers_of(self, member: MemberId) -> SequenceNumbers:
        if member not in self._numbers:
            self._numbers[member] = SequenceNumbers(
                self.client, member, self._lane, self._lanes, self._window_read_again_s
            )
        return self._numbers[member]
