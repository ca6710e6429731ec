"""What the core asks the host to do, and the order that makes a crash harmless.

Perform the effects of one step in the order given, and finish them before the next input is stepped:

- The input that caused them is in the journal, and the journal is flushed, before SignAndSend, Broadcast, SendTo or Decide: a
  node that forgot why it signed would sign again, otherwise, on the other side.
- SignAndSend: sign through the signer (which persists what it signs, and refuses what conflicts), broadcast, and feed the
  signed message back as an input, journaled before the next effect. A refusal by the signer is no error of the core: drop it.
- Decide: commit block and certificate in one transaction of the store, then feed HeightStarted for the next height.
- Halt: stop, and show the reason. The core takes no more input.

All others can be lost in a crash without harm: `Driver.outstanding()` names them again.
"""

from dataclasses import dataclass

from .certificate import Certificate
from .evidence import Equivocation
from .inputs import Timeout
from .messages import BlockHash, Proposal, UnsignedProposal, UnsignedVote, ValueMessage, Vote
from .validators import NodeId

Message = Vote | Proposal | Certificate | ValueMessage


@dataclass(frozen=True, slots=True)
class SignAndSend:
    """Sign, send to all, feed back."""

    message: UnsignedVote | UnsignedProposal


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Send to all peers what is already signed."""

    message: Message


@dataclass(frozen=True, slots=True)
class SendTo:
    """Send to one peer."""

    peer: NodeId
    message: Message


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Feed TimeoutElapsed(timeout) after `duration_ms`, in addition to all other timers."""

    timeout: Timeout
    duration_ms: int


@dataclass(frozen=True, slots=True)
class RequestValue:
    """This node proposes: build a block and feed ValueBuilt."""

    height: int
    round: int


@dataclass(frozen=True, slots=True)
class ValidateValue:
    """Execute the payload on top of the parent and feed ValueValidated."""

    height: int
    block_hash: BlockHash
    payload: bytes


@dataclass(frozen=True, slots=True)
class NeedValue:
    """Validators name a value that this node lacks: ask the peers, and feed ValueReceived."""

    height: int
    round: int
    block_hash: BlockHash


@dataclass(frozen=True, slots=True)
class Decide:
    """The height is decided: commit."""

    height: int
    round: int
    block_hash: BlockHash
    payload: bytes
    certificate: Certificate


@dataclass(frozen=True, slots=True)
class EvidenceFound:
    """A validator signed two things where it may sign one; said once per validator, height, round and type."""

    evidence: Equivocation


@dataclass(frozen=True, slots=True)
class Halt:
    """Nothing safe can follow; stop the node and show why."""

    reason: str


Effect = (
    SignAndSend
    | Broadcast
    | SendTo
    | SetTimer
    | RequestValue
    | ValidateValue
    | NeedValue
    | Decide
    | EvidenceFound
    | Halt
)
