"""What the engine needs of the world, as Protocols: production wires the real things in, the simulator virtual ones.

    Application   meaning of payloads: executor.Executor
    Transport     other nodes: peers (gRPC streams)
    Timers        one-shot timers of consensus: runtime
    Clock         wall time: clock.SystemClock
    Listener      who wants to know what happened: runtime (receipts, metrics, sync)
    StorePort     the committed chain and state: store.Store

All calls are synchronous and must not block on a peer. The engine makes them from the one thread that owns it; the
implementations of Transport, Timers and Listener hand over to their own thread if they live in another.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from consensus.effects import Message
from consensus.evidence import Equivocation
from consensus.inputs import Timeout
from consensus.messages import BlockHash
from consensus.validators import NodeId, ValidatorSet
from node.clock import Clock
from registry.errors import Code
from registry.limits import BLOCK_BYTES_MAX
from registry.merkle.log import Node, NodeReader
from registry.state import StateDelta, StateReader

__all__ = [
    "VALUE_BYTES_MAX",
    "Application",
    "BlockRecord",
    "BuiltValue",
    "Clock",
    "Committed",
    "Dropped",
    "Heartbeat",
    "Listener",
    "Message",
    "SnapshotPort",
    "StorePort",
    "Timer",
    "Timers",
    "Tip",
    "Transport",
    "ValueInfo",
]


VALUE_BYTES_MAX: Final = BLOCK_BYTES_MAX + (256 << 10)
"""An encoded block: its entries, and room for header, parent certificate and evidence."""


# -- Application ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ValueInfo:
    """What consensus must know of a payload; the payload's own header says it."""

    height: int
    block_hash: BlockHash
    time_ms: int


@dataclass(frozen=True, slots=True)
class BuiltValue:
    """A payload made by this node for it to propose."""

    block_hash: BlockHash
    payload: bytes
    time_ms: int


@dataclass(frozen=True, slots=True)
class Tip:
    """The last committed block; height 0, the chain id, the genesis time and no certificate before the first one."""

    height: int
    block_hash: BlockHash
    time_ms: int
    certificate: bytes


@dataclass(frozen=True, slots=True)
class Dropped:
    """An entry that was admitted and will never be in a block, and why."""

    entry_id: bytes
    code: Code
    message: str


@dataclass(frozen=True, slots=True)
class Committed:
    """A block that is on this node's disk, with its receipts in block order."""

    height: int
    block_hash: BlockHash
    time_ms: int
    entry_ids: tuple[bytes, ...]
    receipts: tuple[bytes, ...]
    header_bytes: bytes
    certificate: bytes
    dropped: tuple[Dropped, ...]
    """Entries of this node's mempool that can no longer be committed."""


class Application(Protocol):
    """The seam between ordering and meaning; a payload is opaque to everything above it."""

    def tip(self) -> Tip:
        """The last committed block."""
        ...

    def validators(self, height: int) -> ValidatorSet:
        """Who votes at `height`: known for every committed height and the two after."""
        ...

    def has_work(self) -> bool:
        """Whether a block built now would carry an entry or evidence."""
        ...

    def identify(self, payload: bytes) -> ValueInfo:
        """Read height, hash and time of a payload, cheaply. Raises BlockInvalid or MalformedEntry."""
        ...

    def prepare(self, height: int, round: int, now_ms: int) -> BuiltValue:
        """Build a block on the tip, which is at `height - 1`, and remember its execution."""
        ...

    def validate(self, payload: bytes) -> ValueInfo:
        """Execute a block on the tip and compare every root. Raises BlockInvalid."""
        ...

    def commit(self, payload: bytes, certificate: bytes) -> Committed:
        """Make a decided block durable; it is on disk on return. Raises BlockInvalid, StoreFailed."""
        ...

    def committed_payload(self, height: int, block_hash: BlockHash) -> bytes | None:
        """The payload of a committed block, for a peer that has its certificate and lacks the value."""
        ...

    def committed_certificate(self, height: int) -> bytes | None:
        """The certificate of a committed block, for a peer that still votes there."""
        ...

    def add_evidence(self, evidence: Equivocation) -> None:
        """Keep evidence for a block that this node proposes."""
        ...


# -- The world ------------------------------------------------------------------------------------------------------


class Transport(Protocol):
    """Sending never waits and may lose: consensus repeats what matters."""

    def broadcast(self, message: Message) -> None:
        """To every other node, not to ourselves."""
        ...

    def send(self, peer: NodeId, message: Message) -> None:
        """To one node."""
        ...

    def ask_value(self, height: int, block_hash: BlockHash) -> None:
        """Ask the peers for the bytes behind a hash; the answer arrives as a ValueMessage."""
        ...


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The engine's own timer: a height that rested this long is begun although there is nothing to order."""

    height: int


Timer = Timeout | Heartbeat


class Timers(Protocol):
    """One-shot timers, never cancelled: one that fires out of place is ignored."""

    def set(self, timer: Timer, after_ms: int) -> None:
        """Call `Engine.handle([TimerElapsed(timer)])` after this long, in addition to all other timers."""
        ...


class Listener(Protocol):
    """Told of what happened, after it is durable. Must return at once and not call the engine back."""

    def committed(self, committed: Committed) -> None:
        """A block is on disk."""
        ...

    def message_refused(self, peer: NodeId, reason: str) -> None:
        """A peer sent what no correct node sends; dropped and to be counted."""
        ...

    def signing_refused(self, reason: str) -> None:
        """The signer refused what consensus asked: harmless, but worth a look."""
        ...

    def evidence_found(self, evidence: Equivocation) -> None:
        """A validator signed two conflicting things."""
        ...

    def behind(self, height: int) -> None:
        """Peers vote at `height`, beyond our next one: time to fetch certified blocks (a claim, checked by the fetch)."""
        ...


# -- Store ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BlockRecord:
    """All that one committed block adds to the store; written in one transaction or not at all."""

    height: int
    header_bytes: bytes
    block: bytes
    certificate: bytes
    entry_ids: tuple[bytes, ...]
    receipts: tuple[bytes, ...]
    evidence_ids: tuple[bytes, ...]
    history_nodes: tuple[Node, ...]
    delta: StateDelta


class SnapshotPort(StateReader, NodeReader, Protocol):
    """One consistent view at the last committed height; every lookup answers as of it. Raises StoreCorrupt."""

    @property
    def height(self) -> int:
        """The last committed height of this view; 0 before the first block."""
        ...

    def block_hash(self, height: int) -> bytes | None:
        """The hash of a committed block; at height 0 the chain id, which is the first block's parent."""
        ...

    def header(self, height: int) -> bytes | None:
        """Header bytes of a committed block."""
        ...

    def block(self, height: int) -> bytes | None:
        """Block bytes."""
        ...

    def certificate(self, height: int) -> bytes | None:
        """The certificate of this very block."""
        ...

    def receipts(self, height: int) -> tuple[bytes, ...] | None:
        """All receipts of a block, in order."""
        ...

    def locate_entry(self, entry_id: bytes) -> tuple[int, int] | None:
        """Height and index of a committed entry."""
        ...

    def has_evidence(self, evidence_id: bytes) -> bool:
        """Whether a committed block carries this evidence."""
        ...


class StorePort(Protocol):
    """The committed chain and state. One writer; any number of readers, also on other threads."""

    def read(self) -> AbstractContextManager[SnapshotPort]:
        """A view at the last committed height; close it soon, since it keeps old pages alive."""
        ...

    def is_empty(self) -> bool:
        """Whether not even the genesis state is there."""
        ...

    def commit_genesis(self, delta: StateDelta) -> None:
        """Write the state of height 0. Raises StoreFailed."""
        ...

    def commit(self, record: BlockRecord) -> None:
        """Write the next block; durable and whole on return. Raises StoreFailed."""
        ...
