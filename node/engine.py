"""The engine: steps the consensus core and performs its effects, in order, persisting before anything is seen.

One thread owns an engine; every method is synchronous and returns when its effects are performed. Contract with the host:

    engine = Engine(settings, application=..., journal=..., signer=..., transport=..., timers=..., clock=..., listener=...)
    engine.start()                     replays the journal; from now on the engine may send and sign
    engine.handle([event, ...])        any number of events at once: they share one flush of the journal
    engine.apply_certified_block(...)  a block fetched from a peer while we are behind
    engine.set_syncing(True / False)   never signs in between
    engine.status()                    what to show

What it raises is fatal: the host logs it, which says what to do, and stops the process. Foreign data never raises here; it
is dropped, counted through `Listener.message_refused`, and kept as evidence where it accuses somebody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from consensus.inputs import NeedFromPeer, PeerConnected
from consensus.validators import NodeId

from .journal import Journal
from .ports import Application, Clock, Committed, Listener, Message, Timer, Timers, Transport
from .signer import Signer


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
    """Expected one-way delay between nodes; all timeouts derive from it."""
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
        """`signer` is None for an observer."""

    def start(self) -> None:
        """Replay the journal and take up work where the last run left it. Call once, before anything else."""

    def handle(self, events: Sequence[Event]) -> None:
        """Take in events in this order and perform what follows."""

    def apply_certified_block(self, payload: bytes, certificate: bytes) -> Committed:
        """Check, execute and commit the next block as fetched from a peer.

        Raises BlockInvalid, MalformedEntry or CertificateInvalid when the peer lied: drop it and ask another one.
        """

    def set_syncing(self, syncing: bool) -> None:
        """While syncing the engine listens but signs nothing."""

    def status(self) -> EngineStatus:
        """Where the engine is."""
