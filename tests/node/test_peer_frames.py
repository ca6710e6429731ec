"""Messages of consensus as frames of the peer protocol, and frames that can be no message."""

from __future__ import annotations

import pytest

from consensus.certificate import Certificate
from consensus.errors import InvalidMessage
from consensus.messages import BlockHash, Proposal, ValueMessage, Vote, VoteType
from consensus.validators import NodeId
from node.peering.outbox import Priority
from node.peering.wire import (
    BATCH_ENTRIES_MAX,
    EntriesGossiped,
    Greeting,
    HeightClaimed,
    ValueWanted,
    entries_frame,
    frame_of,
    greeting_frame,
    height_frame,
    read_frame,
    read_greeting,
    value_wanted_frame,
)
from node.ports import VALUE_BYTES_MAX, Message
from pledgebook.v1 import peer_pb2

HASH = BlockHash(bytes(range(32)))
NODE = NodeId("factor-1")
VOTE = Vote(VoteType.PREVOTE, 5, 1, HASH, -1, NODE, bytes(64))
PROPOSAL = Proposal(5, 1, -1, HASH, 1_000, NODE, bytes(64))
CERTIFICATE = Certificate(5, 1, HASH, b"\xe0", (bytes(64),) * 3)


@pytest.mark.parametrize(
    ("message", "priority"),
    [
        (VOTE, Priority.CONTROL),
        (PROPOSAL, Priority.CONTROL),
        (CERTIFICATE, Priority.CONTROL),
        (ValueMessage(5, HASH, b"payload"), Priority.PROPOSAL),
    ],
)
def test_message_reads_back_from_its_frame(message: Message, priority: Priority) -> None:
    urgency, frame = frame_of(message)
    assert urgency is priority
    assert read_frame(peer_pb2.PeerMessage.FromString(frame.SerializeToString())) == message


def test_other_frames_read_back() -> None:
    assert read_frame(entries_frame([b"a", b"b"])[1]) == EntriesGossiped((b"a", b"b"))
    assert read_frame(value_wanted_frame(7, HASH)[1]) == ValueWanted(7, HASH)
    assert read_frame(height_frame(9)[1]) == HeightClaimed(9)
    greeting = Greeting(bytes(32), NODE, 1, 1, 9)
    assert read_greeting(greeting_frame(greeting)) == greeting


@pytest.mark.parametrize(
    "frame",
    [
        peer_pb2.PeerMessage(),
        peer_pb2.PeerMessage(hello=peer_pb2.Hello()),
        peer_pb2.PeerMessage(vote=b""),
        peer_pb2.PeerMessage(vote=PROPOSAL.encode()),
        peer_pb2.PeerMessage(proposal=VOTE.encode()),
        peer_pb2.PeerMessage(proposal=PROPOSAL.encode() + b"\x00"),
        peer_pb2.PeerMessage(certificate=b"\xff" * 100),
        peer_pb2.PeerMessage(value=peer_pb2.Value(height=1, block_hash=b"short", payload=b"")),
        peer_pb2.PeerMessage(value=peer_pb2.Value(height=0, block_hash=HASH, payload=b"")),
        peer_pb2.PeerMessage(
            value=peer_pb2.Value(height=1, block_hash=HASH, payload=bytes(VALUE_BYTES_MAX + 1))
        ),
        peer_pb2.PeerMessage(value_request=peer_pb2.ValueRequest(height=1, block_hash=b"")),
        peer_pb2.PeerMessage(value_request=peer_pb2.ValueRequest(height=2**63, block_hash=HASH)),
        peer_pb2.PeerMessage(heartbeat=peer_pb2.Heartbeat(height=2**64 - 1)),
        peer_pb2.PeerMessage(entries=peer_pb2.EntryBatch(entries=[b""] * (BATCH_ENTRIES_MAX + 1))),
    ],
)
def test_frame_that_can_be_no_message_is_refused(frame: peer_pb2.PeerMessage) -> None:
    with pytest.raises(InvalidMessage):
        read_frame(frame)


def test_stream_that_begins_otherwise_is_refused() -> None:
    with pytest.raises(InvalidMessage):
        read_greeting(frame_of(VOTE)[1])
    with pytest.raises(InvalidMessage):
        read_greeting(peer_pb2.PeerMessage(hello=peer_pb2.Hello(height=2**64 - 1)))
