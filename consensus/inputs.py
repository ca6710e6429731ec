"""What the host may tell the core.

The host's side of the contract:
- Every message of a peer is decoded, within bounds, and its signature checked **before** it becomes an input.
- An input that changes what the core knows is in the journal before it is processed (`must_be_journaled`). After a crash the
  same inputs, in the same order, bring a new `Driver` to the same state; the effects of that replay are thrown away, and
  `Driver.outstanding()` then says which effects must be performed again.
- The node's own messages, signed, come back as ProposalReceived and VoteReceived under its own id. Only then does the core
  count them. Append each to the journal before the next effect is performed: then a crash between two signatures leaves at
  most the later one outstanding.
"""

import enum
from dataclasses import dataclass

from .certificate import Certificate
from .messages import BlockHash, Proposal, Vote
from .validators import NodeId, ValidatorSet


class TimeoutKind(enum.IntEnum):
    """Which wait is over. RESEND is the core's own heartbeat of gossip; it changes nothing that the core knows."""

    PROPOSE = 1
    PREVOTE = 2
    PRECOMMIT = 3
    RESEND = 4


@dataclass(frozen=True, slots=True)
class Timeout:
    """A timer's name. Timers are never cancelled: one that fires out of place is ignored by the core."""

    height: int
    round: int
    kind: TimeoutKind


@dataclass(frozen=True, slots=True)
class HeightStarted:
    """The host has committed all below `height`: begin it. First input ever, and after each Decide or Synced."""

    height: int
    validators: ValidatorSet
    parent_time_ms: int


@dataclass(frozen=True, slots=True)
class WorkAvailable:
    """There is something to order, or the heartbeat of an idle chain is due. Until then a height stays at rest."""

    height: int


@dataclass(frozen=True, slots=True)
class ProposalReceived:
    """A proposal, signature checked, and the own clock when it came in (for the node's own: when it was signed)."""

    proposal: Proposal
    received_ms: int


@dataclass(frozen=True, slots=True)
class VoteReceived:
    """A vote, signature checked."""

    vote: Vote


@dataclass(frozen=True, slots=True)
class ValueReceived:
    """A payload that hashes to `block_hash`, checked by the host, and the time in its header."""

    height: int
    block_hash: BlockHash
    payload: bytes
    time_ms: int


@dataclass(frozen=True, slots=True)
class CertificateReceived:
    """A certificate, verified against the set of its height."""

    certificate: Certificate


@dataclass(frozen=True, slots=True)
class ValueBuilt:
    """The answer to RequestValue: a new block, which the host itself holds valid."""

    height: int
    round: int
    block_hash: BlockHash
    payload: bytes
    time_ms: int


@dataclass(frozen=True, slots=True)
class ValueValidated:
    """The answer to ValidateValue; it may come late, and then still counts for locks and decisions."""

    height: int
    block_hash: BlockHash
    valid: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class TimeoutElapsed:
    """A timer of SetTimer has fired."""

    timeout: Timeout


@dataclass(frozen=True, slots=True)
class ResendDue:
    """Say everything of this round again now. The core also does so by itself, on its RESEND timer."""

    height: int
    round: int


@dataclass(frozen=True, slots=True)
class Synced:
    """The host has committed this height by certified blocks: abandon it and wait for HeightStarted."""

    height: int


@dataclass(frozen=True, slots=True)
class PeerConnected:
    """A peer is (again) reachable: tell it the present round."""

    peer: NodeId


@dataclass(frozen=True, slots=True)
class NeedFromPeer:
    """A peer lacks a value. The core answers for the present height; the host answers for committed ones."""

    peer: NodeId
    height: int
    block_hash: BlockHash


Input = (
    HeightStarted
    | WorkAvailable
    | ProposalReceived
    | VoteReceived
    | ValueReceived
    | CertificateReceived
    | ValueBuilt
    | ValueValidated
    | TimeoutElapsed
    | ResendDue
    | Synced
    | PeerConnected
    | NeedFromPeer
)


def must_be_journaled(input: Input) -> bool:
    """False for the inputs that only make the core repeat itself; a replay without them ends in the same state."""
    if isinstance(input, TimeoutElapsed):
        return input.timeout.kind is not TimeoutKind.RESEND
    return not isinstance(input, ResendDue | PeerConnected | NeedFromPeer)
