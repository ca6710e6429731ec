"""The engine: steps the consensus core and performs its effects, in order, persisting before anything is seen.

One thread owns an engine; every method is synchronous and returns when its effects are performed. Contract with the host:

    engine = Engine(settings, application=..., journal=..., signer=..., transport=..., timers=..., clock=..., listener=...)
    engine.start()                     replays the journal; from now on the engine may send and sign
    engine.handle([event, ...])        any number of events at once: they share one flush of the journal
    engine.apply_certified_block(...)  a block fetched from a peer while we are behind
    engine.set_syncing(True / False)   never signs in between; True before `start` keeps it silent until the host has heard
                                       how far its peers are
    engine.status()                    what to show

What it raises is fatal: the host logs it, which says what to do, and stops the process. Foreign data never raises here; it
is dropped, counted through `Listener.message_refused`, and kept as evidence where it accuses somebody.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, assert_never

from consensus.certificate import Certificate, verify_certificate
from consensus.driver import Driver
from consensus.effects import (
    Broadcast,
    Decide,
    Effect,
    EvidenceFound,
    Halt,
    NeedValue,
    RequestValue,
    SendTo,
    SetTimer,
    SignAndSend,
    ValidateValue,
)
from consensus.errors import CertificateInvalid
from consensus.inputs import (
    HeightStarted,
    Input,
    NeedFromPeer,
    PeerConnected,
    ProposalReceived,
    Synced,
    Timeout,
    TimeoutElapsed,
    ValueBuilt,
    ValueValidated,
    VoteReceived,
    WorkAvailable,
    must_be_journaled,
)
from consensus.limits import Limits, Timing
from consensus.messages import (
    BlockHash,
    Proposal,
    UnsignedProposal,
    UnsignedVote,
    ValueMessage,
    Vote,
    VoteType,
)
from consensus.recovery import NormalStart, ObserveOnly, Refuse, SignedPlace, StartFacts, judge_start
from consensus.validators import NodeId
from node.inbox import Inbox
from node.input_codec import InputUnreadable, decode_input, encode_input
from node.journal import Journal
from node.ports import (
    VALUE_BYTES_MAX,
    Application,
    Clock,
    Committed,
    Heartbeat,
    Listener,
    Message,
    Timer,
    Timers,
    Transport,
)
from node.signer import Signer, SigningRefused
from registry.errors import BlockInvalid
from registry.signing import verify

LATE_MESSAGES_MAX: Final = 16
"""Of one peer about committed heights, remembered until the next height: one repetition of a round, and to spare."""


@dataclass(frozen=True, slots=True)
class Received:
    """A peer sent a message; nothing about it is checked yet. `peer` is the authenticated other end of the stream."""

    peer: NodeId
    message: Message


@dataclass(frozen=True, slots=True)
class TimerElapsed:
    """A timer set through `Timers.set` ran out."""

    timer: Timer


@dataclass(frozen=True, slots=True)
class WorkArrived:
    """The mempool holds something to order; cheap, and only the first one within a height does anything."""


Event = Received | TimerElapsed | WorkArrived | PeerConnected | NeedFromPeer


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What is fixed for a run."""

    node_id: NodeId
    chain_id: bytes
    network_delay_ms: int
    """Expected time for a block to reach every node; all timeouts derive from it."""
    precision_ms: int = 2_000
    """How far two correct clocks may be apart: a block whose time is further off gets no votes."""
    heartbeat_ms: int = 10_000
    """An idle chain makes an empty block this often, so that a client can tell a quiet ledger from a stale answer."""


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """For people and health checks."""

    height: int
    """Last committed."""
    round: int
    step: str
    validating: bool
    """Signs votes at the next height."""
    syncing: bool
    observing_because: str | None
    """Why it does not sign although it is a validator; None when it does."""


class EngineHalted(Exception):
    """Nothing safe can follow; the message says why and what the operator is to do."""


class StartRefused(Exception):
    """Journal, signer file and store do not fit together; the message says which one to restore or remove."""


class Engine:
    """See the module's docstring."""

    def __init__(
        self,
        settings: EngineSettings,
        *,
        application: Application,
        journal: Journal,
        signer: Signer | None,
        transport: Transport,
        timers: Timers,
        clock: Clock,
        listener: Listener,
    ) -> None:
        """`signer` signs where the ledger names this node with its key; None for a node that will never vote."""
        self._settings = settings
        self._application = application
        self._journal = journal
        self._signer = signer
        self._transport = transport
        self._timers = timers
        self._clock = clock
        self._listener = listener
        self._driver = self._new_driver()
        self._inbox = Inbox(settings.chain_id, settings.node_id, application, listener)
        self._queue: deque[Input] = deque()
        self._height = 0
        self._work_told = 0
        self._syncing = False
        self._late: dict[NodeId, set[Vote | Proposal]] = {}

    # -- The host's side --------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Replay the journal and take up work where the last run left it. Call once, before anything else.

        Raises StartRefused, JournalCorrupt, WrongJournal, InputUnreadable, DiskFailed, EngineHalted.
        """
        content = self._journal.open()
        tip = self._application.tip()
        inputs = tuple(decode_input(p, self._application.validators) for p in content.payloads or ())
        journal_height = _height_begun(inputs)
        if self._signer is not None:
            self._prepare_signer(self._signer, tip.height, journal_height)
        if journal_height == tip.height + 1:
            self._replay(inputs)
        else:
            # The store is level with the journal: we crashed between committing a block and beginning the next height, at
            # which nothing was said yet. Or the journal is missing or foreign, and the floor keeps us from signing.
            self._begin_height(tip.height + 1, tip.time_ms)
        self._drain()

    def handle(self, events: Sequence[Event]) -> None:
        """Take in events in this order and perform what follows.

        Raises EngineHalted, DiskFailed, StoreFailed: all fatal.
        """
        for event in events:
            self._take(event)
        self._drain()

    def apply_certified_block(self, payload: bytes, certificate_bytes: bytes) -> Committed | None:
        """Check, execute and commit the next block as fetched from a peer; None when its height is committed already.

        Raises BlockInvalid, InvalidMessage, CertificateInvalid or BadSignature when the peer lied: drop it and ask another
        one. EngineHalted when a quorum vouches for a block that this node finds invalid.
        """
        info = self._application.identify(payload)
        if info.height < self._height:
            return None  # consensus was quicker
        if info.height > self._height:
            raise BlockInvalid("not the next block", found=info.height, expected=self._height)
        certificate = Certificate.decode(certificate_bytes)
        if (certificate.height, certificate.block_hash) != (info.height, info.block_hash):
            raise CertificateInvalid("of another block", height=certificate.height, expected=info.height)
        validators = self._application.validators(info.height)
        verify_certificate(certificate, validators, self._settings.chain_id, verify)
        self._observe_if_forgotten(certificate)
        committed = self._commit(payload, certificate_bytes)
        self._observe_after(info.height)
        self._feed(Synced(info.height))
        self._begin_height(info.height + 1, info.time_ms)
        self._drain()
        return committed

    def set_syncing(self, syncing: bool) -> None:
        """While syncing the engine listens but signs nothing; afterwards it says what it held back at this height."""
        if self._syncing and not syncing:
            self._syncing = False
            for effect in self._driver.outstanding():
                self._perform(effect)
            # The one of this height may have run out while nothing could follow from it.
            self._timers.set(Heartbeat(self._height), self._settings.heartbeat_ms)
            self._offer_work()
            self._drain()
        self._syncing = syncing

    @property
    def knows_of_work(self) -> bool:
        """Whether WorkArrived would change nothing now: this height has begun, and the next one looks for itself.

        May be read from any thread: an entry that was in the mempool before this was read is seen when a height begins.
        """
        return self._work_told == self._height

    def status(self) -> EngineStatus:
        """Where the engine is."""
        floor = 0 if self._signer is None else self._signer.floor
        observing = None
        if self._height <= floor:
            observing = f"signs nothing up to height {floor}: it may have forgotten what it signed there"
        elif self._has_another_key():
            observing = (
                "the ledger names another key for this node: a vote with this one would be worth nothing"
            )
        validating = self._votes() and observing is None
        step = self._driver.current_step.name.lower()
        return EngineStatus(self._height - 1, self._driver.round, step, validating, self._syncing, observing)

    def _votes(self) -> bool:
        return not self._syncing and self._is_validator(self._height)

    def _is_validator(self, height: int) -> bool:
        """Whether a signature of ours counts at this height: the ledger names this node, and with the key that we have."""
        recorded = self._application.validators(height).get(self._settings.node_id)
        return (
            self._signer is not None
            and recorded is not None
            and recorded.public_key == self._signer.public_key
        )

    def _has_another_key(self) -> bool:
        recorded = self._application.validators(self._height).get(self._settings.node_id)
        return self._signer is not None and recorded is not None and not self._is_validator(self._height)

    # -- Start ------------------------------------------------------------------------------------------------------

    def _prepare_signer(self, signer: Signer, store_height: int, journal_height: int | None) -> None:
        """Decide whether this key may sign, and make the answer durable before there is a journal that looks whole."""
        signed = None
        if signer.exists:
            # A file that says "nothing yet" is knowledge too, unlike a missing one.
            last = signer.last
            signed = SignedPlace(last.height, last.round) if last else SignedPlace(0, 0)
        match judge_start(StartFacts(store_height, journal_height, signed, certified_by_peers=0)):
            case NormalStart():
                if not signer.exists:
                    # If we were to crash after this, the next start would find a file that says "nothing", no journal
                    # and an empty store, which is a new node again.
                    signer.create()
            case ObserveOnly(until_above=until_above):
                self._observe(signer, until_above + 1)
            case Refuse(reason=reason):
                raise StartRefused(reason)

    def _observe(self, signer: Signer, floor: int) -> None:
        """Sign nothing up to `floor`. It rises with every block that is fetched: the peers may be further than we know."""
        if signer.exists:
            signer.raise_floor(floor)
        else:
            signer.create(floor)

    def _observe_after(self, fetched: int) -> None:
        """While observing, fetched blocks show that the peers are further than was known: keep observing behind them.

        We may have decided one height more than any peer that we see, and have signed in the one after it.
        """
        if self._signer is not None and fetched <= self._signer.floor:
            self._signer.raise_floor(fetched + 2)

    def _observe_if_forgotten(self, certificate: Certificate) -> None:
        """A signature of ours that the signer does not remember shows that its file is older than what we signed.

        All files may have been restored from one backup, or the whole data folder may be gone: from inside neither can be
        told from a node that was merely away, which must vote again at once or the network may lack a quorum. What our key
        has signed since is in the certificates that we lack. As in `_observe_after`, we may have signed two heights on.
        """
        if self._signer is None or not self._is_validator(certificate.height):
            return
        index = self._application.validators(certificate.height).index(self._settings.node_id)
        last = self._signer.last
        remembered = (0, 0, 0) if last is None else last.place
        signed = (certificate.height, certificate.round, int(VoteType.PRECOMMIT))
        if index in certificate.signer_indexes and signed > remembered:
            self._signer.raise_floor(certificate.height + 2)

    def _replay(self, inputs: tuple[Input, ...]) -> None:
        """Bring a new core to where the last run was, by the same steps; perform only what is still to be done."""
        asked: set[bytes] = set()
        for step_input in inputs:
            for effect in self._driver.step(step_input):
                if isinstance(effect, SignAndSend):
                    asked.add(effect.message.sign_bytes(self._settings.chain_id))
                if isinstance(effect, Halt):
                    raise EngineHalted(effect.reason)
            if isinstance(step_input, WorkAvailable):
                self._work_told = step_input.height
        self._height = self._driver.height
        last = None if self._signer is None else self._signer.last
        if (
            self._signer is not None
            and last is not None
            and last.height >= self._height
            and last.sign_bytes not in asked
        ):
            # The journal was flushed before that signature was made, so it has lost durable records (its very tail was
            # damaged, or the file is an older copy), and with them perhaps a lock.
            self._observe(self._signer, self._height + 1)
        for effect in self._driver.outstanding():
            self._perform(effect)
        self._timers.set(Heartbeat(self._height), self._settings.heartbeat_ms)
        self._offer_work()

    # -- Inputs -----------------------------------------------------------------------------------------------------

    def _take(self, event: Event) -> None:
        match event:
            case Received(peer=peer, message=message):
                self._take_message(peer, message)
            case TimerElapsed(timer=timer):
                self._take_timer(timer)
            case WorkArrived():
                self._offer_work()
            case PeerConnected():
                self._feed(event)
            case NeedFromPeer(peer=peer, height=height, block_hash=block_hash):
                if height < self._height:
                    self._send_committed(peer, height, block_hash)
                elif height == self._height:
                    self._feed(event)
            case _:
                assert_never(event)

    def _take_timer(self, timer: Timer) -> None:
        if timer.height != self._height:
            return
        if isinstance(timer, Timeout):
            self._feed(TimeoutElapsed(timer))
        elif self._votes():
            self._tell_work()

    def _take_message(self, peer: NodeId, message: Message) -> None:
        if message.height < self._height:
            self._help(peer, message)
        elif message.height == self._height:
            admitted = self._inbox.admit(peer, message, self._driver.round, self._clock.now_ms())
            if admitted is not None:
                self._feed(admitted)
        elif message.height == self._height + 1 and not isinstance(message, Certificate):
            # Not fed to the core before that height has begun: its journal must hold all that the core knows of it.
            self._inbox.hold(peer, message, self._clock.now_ms())
        else:
            self._listener.behind(message.height)

    def _help(self, peer: NodeId, message: Message) -> None:
        """A peer that says again what it said of a committed height is stuck there: its certificate sets it free.

        The first sight is no sign of need: in every height the last precommits come after the decision.
        """
        if not isinstance(message, Vote | Proposal):
            return
        said = self._late.setdefault(peer, set())
        if message not in said:
            if len(said) < LATE_MESSAGES_MAX:
                said.add(message)
            return
        certificate = self._application.committed_certificate(message.height)
        if certificate is not None:
            self._transport.send(peer, Certificate.decode(certificate))

    def _send_committed(self, peer: NodeId, height: int, block_hash: BlockHash) -> None:
        payload = self._application.committed_payload(height, block_hash)
        if payload is not None:
            self._transport.send(peer, ValueMessage(height, block_hash, payload))

    def _offer_work(self) -> None:
        # An observer waits for the validators to begin: rounds that it began alone would lead nowhere.
        if self._work_told < self._height and self._votes() and self._application.has_work():
            self._tell_work()

    def _tell_work(self) -> None:
        if self._work_told < self._height:
            self._work_told = self._height
            self._feed(WorkAvailable(self._height))

    def _feed(self, step_input: Input) -> None:
        """Journal an input and queue it: inputs are stepped in exactly the order in which a replay will read them.

        If we were to crash before the next flush, the record may be lost, and nobody has seen anything that followed from it.
        """
        if must_be_journaled(step_input):
            self._journal.append(encode_input(step_input))
        self._queue.append(step_input)

    def _begin_height(self, height: int, parent_time_ms: int) -> None:
        """Start the journal of a height, with what came early for it.

        If we were to crash before this record is durable, the journal would end at the height before, which the store has:
        start begins this height anew. Nothing of it can have been sent, because sending flushes first.
        """
        self._height = height
        self._late.clear()
        started = HeightStarted(height, self._application.validators(height), parent_time_ms)
        self._journal.begin(encode_input(started))
        self._queue.append(started)
        for held in self._inbox.begin(height):
            self._feed(held)
        self._timers.set(Heartbeat(height), self._settings.heartbeat_ms)
        self._offer_work()

    # -- Effects ----------------------------------------------------------------------------------------------------

    def _drain(self) -> None:
        while self._queue:
            for effect in self._driver.step(self._queue.popleft()):
                self._perform(effect)

    def _perform(self, effect: Effect) -> None:
        match effect:
            case SignAndSend(message=message):
                self._sign_and_send(message)
            case Broadcast(message=message):
                self._journal.flush()
                self._transport.broadcast(message)
            case SendTo(peer=peer, message=message):
                self._journal.flush()
                self._transport.send(peer, message)
            case SetTimer(timeout=timeout, duration_ms=duration_ms):
                self._timers.set(timeout, duration_ms)
            case RequestValue(height=height, round=round):
                built = self._application.prepare(height, round, self._clock.now_ms())
                self._feed(ValueBuilt(height, round, built.block_hash, built.payload, built.time_ms))
            case ValidateValue():
                self._validate(effect)
            case NeedValue(height=height, block_hash=block_hash):
                # Asking says nothing of what we hold or voted: no flush.
                self._transport.ask_value(height, block_hash)
            case Decide():
                self._decide(effect)
            case EvidenceFound(evidence=evidence):
                self._application.add_evidence(evidence)
                self._listener.evidence_found(evidence)
            case Halt(reason=reason):
                raise EngineHalted(reason)
            case _:
                assert_never(effect)

    def _sign_and_send(self, message: UnsignedVote | UnsignedProposal) -> None:
        """Flush, sign, send, take in our own message.

        If we were to crash before the flush returns, the core would not have asked, for all that anybody knows. After it,
        and until our own message is durable, a replay ends with this effect outstanding; the signer then gives the very
        same signature again.
        """
        if self._signer is None or self._syncing or message.height <= self._signer.floor:
            return
        if not self._is_validator(message.height):
            return  # of our name, and of another key: the ledger has rotated it
        self._journal.flush()
        try:
            signed = self._signer.sign(message)
        except SigningRefused as refused:
            self._listener.signing_refused(str(refused))
            return
        self._transport.broadcast(signed)
        if isinstance(signed, Vote):
            self._feed(VoteReceived(signed))
        else:
            self._feed(ProposalReceived(signed, self._clock.now_ms()))

    def _validate(self, effect: ValidateValue) -> None:
        reason = ""
        try:
            self._application.validate(effect.payload)
        except BlockInvalid as invalid:
            reason = str(invalid) or "invalid"
        self._feed(ValueValidated(effect.height, effect.block_hash, not reason, reason))

    def _decide(self, decided: Decide) -> None:
        """Commit and begin the next height.

        No flush before: what is acknowledged from here on is in the store. If we were to crash before the commit, the
        replay would decide again, or, its tail lost, hear the certificate from the peers. If after it, see `start`.
        """
        self._observe_if_forgotten(decided.certificate)
        committed = self._commit(decided.payload, decided.certificate.encode())
        self._begin_height(decided.height + 1, committed.time_ms)

    def _commit(self, payload: bytes, certificate: bytes) -> Committed:
        try:
            committed = self._application.commit(payload, certificate)
        except BlockInvalid as invalid:
            raise EngineHalted(
                f"a quorum certified a block at height {self._height} that this node finds invalid ({invalid}): its software or "
                "its store differs from the others'. Compare versions; else resynchronise from an empty data folder"
            ) from invalid
        self._listener.committed(committed)
        return committed

    def _new_driver(self) -> Driver:
        own_id = None if self._signer is None else self._settings.node_id
        timing = Timing(self._settings.network_delay_ms, self._settings.precision_ms)
        return Driver(self._settings.chain_id, own_id, timing, Limits(payload_bytes_max=VALUE_BYTES_MAX))


def _height_begun(inputs: tuple[Input, ...]) -> int | None:
    if not inputs:
        return None
    begun = inputs[0]
    if not isinstance(begun, HeightStarted):
        raise InputUnreadable(f"the journal begins a height with a {type(begun).__name__}")
    return begun.height
