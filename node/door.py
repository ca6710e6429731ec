"""The door of a node: submitted bytes become entries in the mempool, or a refusal with a stable code.

Order of checks: size and form, chain, whether it is known already, signatures, rights, freshness, room in the mempool.
Guarantees: what waits to be judged is bounded in entries and bytes, in all and for each member and peer that brings it.
Exactly one verdict per submitted entry, in order. An entry that is in the mempool or committed is OK again, so
that a caller can repeat a call of which it lost the answer. Decoding and signatures are judged on a thread of their own,
all callers' entries together, so that the event loop goes on and 1,000 single submissions cost few hand-overs.
Leaves to others: who may submit how much (`access`), the rules of the operations (the executor, in block order).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from node.clock import Clock
from node.mempool import Mempool, Overloaded
from node.ports import StorePort
from registry.admission import check_chain, check_freshness, check_quota, check_right
from registry.entry import Entry, decode_entry, verify_signatures
from registry.errors import Code, EntryRefused
from registry.state import WorkingState

# The verdicts that are not among the registry's own codes.
OK = "OK"
OVERLOADED = "OVERLOADED"

# What an entry shows by itself, at whatever height it is judged: a correct node has refused it at its own door.
NEVER_GOSSIPED = frozenset({str(Code.MALFORMED), str(Code.WRONG_CHAIN), str(Code.BAD_SIGNATURE)})

# Entries judged in one hand-over: about 50 ms of work, so that a small submission does not wait long behind a large one.
BATCH_ENTRIES_MAX = 256
# What waits to be judged, over all callers: some seconds of work, and no more memory than the mempool may take.
WAITING_ENTRIES_MAX = 10_000
WAITING_BYTES_MAX = 64 * 1024 * 1024
# The part of that room that one member may take up; that all peers may, so that half of it stays for this node's clients;
# and that one peer may.
MEMBER_SHARE = 2
PEERS_SHARE = 2
PEER_SHARE = 4
RETRY_AFTER_MS = 1_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What happened to one submitted entry at the door."""

    entry_id: bytes
    code: str
    message: str = ""
    retry_after_ms: int = 0


@dataclass(frozen=True, slots=True)
class _Source:
    """Who brings entries: a member that calls this node, or a peer that gossips."""

    name: str
    local: bool


@dataclass(frozen=True, slots=True)
class _Job:
    """One source's entries, and where their verdicts go."""

    raws: Sequence[bytes]
    entry_bytes: int
    source: _Source
    done: asyncio.Future[list[Verdict]] | None  # None: nobody waits


@dataclass(slots=True)
class _Load:
    """How much waits."""

    entries: int = 0
    entry_bytes: int = 0

    def has_room_for(self, job: _Job, share: int = 1) -> bool:
        """Whether the job fits beside what waits, within a part of the whole room."""
        return (self.entries + len(job.raws)) * share <= WAITING_ENTRIES_MAX and (
            self.entry_bytes + job.entry_bytes
        ) * share <= WAITING_BYTES_MAX

    def change(self, job: _Job, sign: int) -> None:
        """Add the job (1) or take it away (-1)."""
        self.entries += sign * len(job.raws)
        self.entry_bytes += sign * job.entry_bytes


class _WaitingRoom:
    """The jobs that are not judged yet, in order, and what they weigh until they are settled."""

    def __init__(self) -> None:
        self.jobs: deque[_Job] = deque()
        self.all = _Load()
        self._peers = _Load()
        self._by_source: dict[_Source, _Load] = {}

    def admit(self, job: _Job) -> bool:
        """Queue the job; False when its source has no room left."""
        own = self._by_source.get(job.source, _Load())
        if job.source.local:
            fits = own.has_room_for(job, MEMBER_SHARE)
        else:
            fits = own.has_room_for(job, PEER_SHARE) and self._peers.has_room_for(job, PEERS_SHARE)
        if not fits or not self.all.has_room_for(job):
            return False
        self._by_source[job.source] = own
        self._change(job, 1)
        self.jobs.append(job)
        return True

    def settled(self, job: _Job) -> None:
        """A job has its verdicts: its room is free."""
        self._change(job, -1)
        if not self._by_source[job.source].entries:
            del self._by_source[job.source]

    def _change(self, job: _Job, sign: int) -> None:
        self.all.change(job, sign)
        self._by_source[job.source].change(job, sign)
        if not job.source.local:
            self._peers.change(job, sign)


class Door:
    """Judges submitted entries; `admit` from the event loop, everything else on a thread of its own."""

    def __init__(
        self,
        chain_id: bytes,
        store: StorePort,
        mempool: Mempool,
        clock: Clock,
        admitted: Callable[[], None],
        wrong: Callable[[str, str], None],
    ) -> None:
        """Both are called on the loop: `admitted` after entries have entered the mempool, `wrong` with a peer and a reason
        for each entry that a correct peer, which has judged it at its own door, cannot have gossiped."""
        self._chain_id = chain_id
        self._store = store
        self._mempool = mempool
        self._clock = clock
        self._admitted = admitted
        self._wrong = wrong
        self._room = _WaitingRoom()
        self._posted = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="door")

    async def admit(self, raws: Sequence[bytes], member: str) -> list[Verdict]:
        """One verdict per entry of a member that calls this node, in order."""
        done: asyncio.Future[list[Verdict]] = asyncio.get_running_loop().create_future()
        if not self._room.admit(_Job(raws, _size_of(raws), _Source(member, local=True), done)):
            waiting = self._room.all
            busy = f"{waiting.entries} entries of {waiting.entry_bytes} bytes wait to be checked at this node"
            return [Verdict(b"", OVERLOADED, busy, RETRY_AFTER_MS)] * len(raws)
        self._posted.set()
        return await done

    def offer(self, raws: Sequence[bytes], peer: str) -> None:
        """Take what a peer gossips, if there is room; nobody is told."""
        if raws and self._room.admit(_Job(raws, _size_of(raws), _Source(peer, local=False), None)):
            self._posted.set()

    async def run(self) -> None:
        """Judge what is handed in until cancelled. Raises what the store raises, which is fatal."""
        loop = asyncio.get_running_loop()
        while True:
            await self._posted.wait()
            self._posted.clear()
            while self._room.jobs:
                jobs = self._next_jobs()
                verdicts = await loop.run_in_executor(self._thread, self._judge_all, jobs)
                self._settle(jobs, verdicts)

    def close(self) -> None:
        """Wait for the hand-over that is being judged, and take no more."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _next_jobs(self) -> list[_Job]:
        waiting = self._room.jobs
        jobs = [waiting.popleft()]
        entries = len(jobs[0].raws)
        while waiting and entries + len(waiting[0].raws) <= BATCH_ENTRIES_MAX:
            entries += len(waiting[0].raws)
            jobs.append(waiting.popleft())
        return jobs

    def _settle(self, jobs: list[_Job], verdicts: list[list[Verdict]]) -> None:
        for job, answers in zip(jobs, verdicts, strict=True):
            self._room.settled(job)
            # A caller that has left does not take its verdicts; its entries are in all the same.
            if job.done is not None and not job.done.done():
                job.done.set_result(answers)
            if not job.source.local:
                for verdict in answers:
                    if verdict.code in NEVER_GOSSIPED:
                        self._wrong(job.source.name, f"a gossiped entry: {verdict.code}: {verdict.message}")
        if any(verdict.code == OK for answers in verdicts for verdict in answers):
            self._admitted()

    def _judge_all(self, jobs: list[_Job]) -> list[list[Verdict]]:
        with self._store.read() as snapshot:
            judge = _Judge(
                self._chain_id,
                WorkingState(snapshot),
                snapshot.height,
                snapshot.locate_entry,
                self._mempool,
                self._clock.now_ms(),
            )
            return [[judge.verdict(raw, job.source.local) for raw in job.raws] for job in jobs]


def _size_of(raws: Sequence[bytes]) -> int:
    return sum(len(raw) for raw in raws)


@dataclass(frozen=True, slots=True)
class _Judge:
    """The checks of one hand-over, against the state at one height."""

    chain_id: bytes
    state: WorkingState
    height: int
    locate_entry: Callable[[bytes], tuple[int, int] | None]
    mempool: Mempool
    now_ms: int

    def verdict(self, raw: bytes, local: bool) -> Verdict:
        known = self.mempool.verified(raw)
        if known is not None:
            return Verdict(known.entry_id, OK)
        entry_id = b""
        try:
            entry = decode_entry(raw)
            entry_id = entry.entry_id
            self._take_in(entry, local)
        except EntryRefused as refused:
            return Verdict(entry_id, str(refused.code), refused.message)
        except Overloaded as overloaded:
            return Verdict(entry_id, OVERLOADED, str(overloaded), overloaded.retry_after_ms)
        return Verdict(entry_id, OK)

    def _take_in(self, entry: Entry, local: bool) -> None:
        check_chain(entry, self.chain_id)
        if entry.entry_id in self.mempool or self.locate_entry(entry.entry_id) is not None:
            return
        verify_signatures(entry)
        check_right(self.state, entry, self.height + 1)
        check_freshness(self.state, entry, self.now_ms)
        check_quota(self.state, self.state.policy(), entry, self.now_ms)
        self.mempool.add(entry, local=local)
