"""Between the messages of consensus and the frames of the peer protocol.

Guarantees: what comes out of `read_frame` is within the bounds of its type; a frame that can be no message raises
InvalidMessage. Signatures are not checked here.
Leaves to others: transport (`peers`, `peer_service`) and meaning (the engine).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from consensus.certificate import Certificate
from consensus.errors import InvalidMessage
from consensus.messages import BLOCK_HASH_BYTES, BlockHash, Proposal, ValueMessage, Vote
from node.peering.outbox import Priority
from node.ports import VALUE_BYTES_MAX, Message
from pledgebook.v1 import peer_pb2
from registry.limits import HEIGHT_MAX

# Entries of one gossip frame; the sender coalesces far fewer.
BATCH_ENTRIES_MAX = 10_000


@dataclass(frozen=True, slots=True)
class EntriesGossiped:
    """Entries that a peer has taken in: raw bytes, unchecked."""

    entries: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ValueWanted:
    """A peer asks for the bytes behind a hash."""

    height: int
    block_hash: BlockHash


@dataclass(frozen=True, slots=True)
class HeightClaimed:
    """A peer says how far it is: a claim, good for choosing whom to ask and nothing else."""

    height: int


@dataclass(frozen=True, slots=True)
class Greeting:
    """How a stream begins: who speaks, on which chain, in which version, and how far it is."""

    chain_id: bytes
    node_id: str
    protocol_version: int
    rules_version: int
    height: int


Received = Proposal | Vote | Certificate | ValueMessage | EntriesGossiped | ValueWanted | HeightClaimed


def frame_of(message: Message) -> tuple[Priority, peer_pb2.PeerMessage]:
    """The frame that carries a consensus message, and how urgent it is."""
    match message:
        case Vote():
            return Priority.CONTROL, peer_pb2.PeerMessage(vote=message.encode())
        case Proposal():
            # Small: the block itself follows as a value.
            return Priority.CONTROL, peer_pb2.PeerMessage(proposal=message.encode())
        case Certificate():
            return Priority.CONTROL, peer_pb2.PeerMessage(certificate=message.encode())
        case ValueMessage(height, block_hash, payload):
            value = peer_pb2.Value(height=height, block_hash=block_hash, payload=payload)
            return Priority.PROPOSAL, peer_pb2.PeerMessage(value=value)
        case _:
            assert_never(message)


def greeting_frame(greeting: Greeting) -> peer_pb2.PeerMessage:
    """The first frame of a stream."""
    hello = peer_pb2.Hello(
        chain_id=greeting.chain_id,
        node_id=greeting.node_id,
        protocol_version=greeting.protocol_version,
        rules_version=greeting.rules_version,
        height=greeting.height,
    )
    return peer_pb2.PeerMessage(hello=hello)


def entries_frame(entries: Sequence[bytes]) -> tuple[Priority, peer_pb2.PeerMessage]:
    """Entries that this node has taken in."""
    return Priority.ENTRIES, peer_pb2.PeerMessage(entries=peer_pb2.EntryBatch(entries=entries))


def value_wanted_frame(height: int, block_hash: bytes) -> tuple[Priority, peer_pb2.PeerMessage]:
    """A question for the bytes behind a hash."""
    wanted = peer_pb2.ValueRequest(height=height, block_hash=block_hash)
    return Priority.CONTROL, peer_pb2.PeerMessage(value_request=wanted)


def height_frame(height: int) -> tuple[Priority, peer_pb2.PeerMessage]:
    """How far this node is."""
    return Priority.CONTROL, peer_pb2.PeerMessage(heartbeat=peer_pb2.Heartbeat(height=height))


def read_greeting(frame: peer_pb2.PeerMessage) -> Greeting:
    """The first frame of a peer's stream. Raises InvalidMessage."""
    if frame.WhichOneof("message") != "hello":
        raise InvalidMessage("the first frame must be a Hello", kind=frame.WhichOneof("message"))
    hello = frame.hello
    return Greeting(
        hello.chain_id,
        hello.node_id,
        hello.protocol_version,
        hello.rules_version,
        _checked_height(hello.height),
    )


def read_frame(frame: peer_pb2.PeerMessage) -> Received:
    """What a peer's frame says. Raises InvalidMessage; a Hello is none, it stands only at the start of a stream."""
    match frame.WhichOneof("message"):
        case "vote":
            return Vote.decode(frame.vote)
        case "proposal":
            return Proposal.decode(frame.proposal)
        case "certificate":
            return Certificate.decode(frame.certificate)
        case "value":
            if len(frame.value.payload) > VALUE_BYTES_MAX:
                raise InvalidMessage("a value is larger than a block", found_bytes=len(frame.value.payload))
            return ValueMessage(frame.value.height, BlockHash(frame.value.block_hash), frame.value.payload)
        case "value_request":
            wanted = frame.value_request
            if len(wanted.block_hash) != BLOCK_HASH_BYTES:
                raise InvalidMessage("a block hash has 32 bytes", found_bytes=len(wanted.block_hash))
            return ValueWanted(_checked_height(wanted.height), BlockHash(wanted.block_hash))
        case "entries":
            if len(frame.entries.entries) > BATCH_ENTRIES_MAX:
                raise InvalidMessage("too many entries in one frame", found=len(frame.entries.entries))
            return EntriesGossiped(tuple(frame.entries.entries))
        case "heartbeat":
            return HeightClaimed(_checked_height(frame.heartbeat.height))
        case other:
            raise InvalidMessage("a frame that says nothing here", kind=other)


def _checked_height(height: int) -> int:
    if height > HEIGHT_MAX:
        raise InvalidMessage("height is out of range", height=height)
    return height
