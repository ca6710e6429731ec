import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.errors import InvalidMessage
from consensus.messages import (
    HEIGHT_MAX,
    MESSAGE_BYTES_MAX,
    NO_ROUND,
    PAYLOAD_BYTES_MAX,
    ROUND_MAX,
    BlockHash,
    Proposal,
    UnsignedProposal,
    UnsignedVote,
    ValueMessage,
    Vote,
    VoteType,
)
from consensus.validators import NodeId
from tests.consensus.builders import CHAIN_ID, A, block, precommit, prevote, proposal

HASH = BlockHash(bytes(range(32, 64)))
SIGNATURE = bytes(range(64))

names = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=64).map(NodeId)
hashes = st.binary(min_size=32, max_size=32).map(BlockHash)
signatures = st.binary(min_size=64, max_size=64)
heights = st.integers(1, HEIGHT_MAX)


@st.composite
def votes(draw: st.DrawFn) -> Vote:
    round = draw(st.integers(0, ROUND_MAX))
    type = draw(st.sampled_from(VoteType))
    block_hash = draw(st.none() | hashes)
    bound_to_block = type is VoteType.PREVOTE and block_hash is not None
    valid_round = draw(st.integers(NO_ROUND, round - 1)) if bound_to_block else NO_ROUND
    return Vote(type, draw(heights), round, block_hash, valid_round, draw(names), draw(signatures))


@st.composite
def proposals(draw: st.DrawFn) -> Proposal:
    round = draw(st.integers(0, ROUND_MAX))
    return Proposal(
        draw(heights),
        round,
        draw(st.integers(NO_ROUND, round - 1)),
        draw(hashes),
        draw(st.integers(0, PAYLOAD_BYTES_MAX)),
        draw(names),
        draw(signatures),
    )


@given(votes())
def test_votes_survive_the_wire(vote: Vote) -> None:
    assert Vote.decode(vote.encode()) == vote
    assert vote.unsigned.signed(vote.signature) == vote


@given(proposals())
def test_proposals_survive_the_wire(message: Proposal) -> None:
    assert Proposal.decode(message.encode()) == message
    assert message.unsigned.signed(message.signature) == message


@given(st.binary(max_size=MESSAGE_BYTES_MAX + 2))
def test_garbage_is_no_message(data: bytes) -> None:
    for kind in (Vote, Proposal):
        with pytest.raises(InvalidMessage):
            kind.decode(data)


@given(votes() | proposals(), st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_byte_is_refused_or_is_another_message(
    message: Vote | Proposal, place: int, change: int
) -> None:
    data = bytearray(message.encode())
    data[place % len(data)] ^= change
    kind = Vote if data[0] in (1, 2) else Proposal
    try:
        other = kind.decode(bytes(data))
    except InvalidMessage:
        return
    assert other != message
    assert other.encode() == bytes(data)


def test_signed_bytes_are_as_documented() -> None:
    vote = UnsignedVote(VoteType.PREVOTE, 5, 7, HASH, 3, A)
    assert vote.sign_bytes(CHAIN_ID) == (
        b"pledgebook/prevote/v1\0"
        + CHAIN_ID
        + (5).to_bytes(8)
        + (7).to_bytes(4)
        + b"\1"
        + HASH
        + (3).to_bytes(4)
    )
    vote = UnsignedVote(VoteType.PRECOMMIT, 5, 7, None, NO_ROUND, A)
    assert vote.sign_bytes(CHAIN_ID) == (
        b"pledgebook/precommit/v1\0" + CHAIN_ID + (5).to_bytes(8) + (7).to_bytes(4) + b"\0" + bytes(32)
    )
    offer = UnsignedProposal(5, 7, NO_ROUND, HASH, 1000, A)
    assert offer.sign_bytes(CHAIN_ID) == (
        b"pledgebook/proposal/v1\0"
        + CHAIN_ID
        + (5).to_bytes(8)
        + (7).to_bytes(4)
        + HASH
        + b"\xff\xff\xff\xff"
        + (1000).to_bytes(4)
    )


def test_wire_bytes_are_as_documented() -> None:
    vote = Vote(VoteType.PREVOTE, 5, 7, HASH, 3, A, SIGNATURE)
    head = b"\1" + (5).to_bytes(8) + (7).to_bytes(4) + b"\1" + HASH + (3).to_bytes(4) + bytes(4)
    assert vote.encode() == head + b"\1a" + SIGNATURE
    offer = Proposal(5, 7, NO_ROUND, HASH, 1000, A, SIGNATURE)
    head = b"\3" + (5).to_bytes(8) + (7).to_bytes(4) + b"\1" + HASH + b"\xff" * 4 + (1000).to_bytes(4)
    assert offer.encode() == head + b"\1a" + SIGNATURE


def test_every_field_but_the_name_is_signed() -> None:
    base = UnsignedVote(VoteType.PREVOTE, 5, 7, HASH, 3, A)
    others = [
        UnsignedVote(VoteType.PRECOMMIT, 5, 7, HASH, NO_ROUND, A),
        UnsignedVote(VoteType.PREVOTE, 6, 7, HASH, 3, A),
        UnsignedVote(VoteType.PREVOTE, 5, 8, HASH, 3, A),
        UnsignedVote(VoteType.PREVOTE, 5, 7, block("x"), 3, A),
        UnsignedVote(VoteType.PREVOTE, 5, 7, HASH, 4, A),
        UnsignedVote(VoteType.PREVOTE, 5, 7, None, NO_ROUND, A),
    ]
    spelled = {vote.sign_bytes(CHAIN_ID) for vote in (base, *others)}
    spelled.add(base.sign_bytes(hashlib.sha256(b"another chain").digest()))
    assert len(spelled) == 8
    assert base.sign_bytes(CHAIN_ID) == UnsignedVote(VoteType.PREVOTE, 5, 7, HASH, 3, NodeId("b")).sign_bytes(
        CHAIN_ID
    )


def test_nil_is_not_the_block_of_zeros() -> None:
    zeros = BlockHash(bytes(32))
    spelled = {
        UnsignedVote(VoteType.PRECOMMIT, 1, 0, value, NO_ROUND, A).sign_bytes(CHAIN_ID)
        for value in (zeros, None)
    }
    assert len(spelled) == 2


@pytest.mark.parametrize(
    ("height", "round", "block_hash", "valid_round", "name"),
    [
        (0, 0, HASH, NO_ROUND, "a"),
        (HEIGHT_MAX + 1, 0, HASH, NO_ROUND, "a"),
        (1, -1, HASH, NO_ROUND, "a"),
        (1, ROUND_MAX + 1, HASH, NO_ROUND, "a"),
        (1, 0, BlockHash(bytes(31)), NO_ROUND, "a"),
        (1, 3, HASH, 3, "a"),
        (1, 3, HASH, -2, "a"),
        (1, 3, None, 1, "a"),
        (1, 0, HASH, NO_ROUND, ""),
        (1, 0, HASH, NO_ROUND, "a" * 65),
        (1, 0, HASH, NO_ROUND, "é"),
    ],
)
def test_votes_out_of_bounds_cannot_be_made(
    height: int, round: int, block_hash: BlockHash | None, valid_round: int, name: str
) -> None:
    with pytest.raises(InvalidMessage):
        UnsignedVote(VoteType.PREVOTE, height, round, block_hash, valid_round, NodeId(name))


def test_a_precommit_names_no_valid_round() -> None:
    with pytest.raises(InvalidMessage):
        UnsignedVote(VoteType.PRECOMMIT, 1, 3, HASH, 1, A)


@pytest.mark.parametrize("payload_bytes", [-1, PAYLOAD_BYTES_MAX + 1])
def test_a_proposal_of_impossible_size_cannot_be_made(payload_bytes: int) -> None:
    with pytest.raises(InvalidMessage):
        UnsignedProposal(1, 0, NO_ROUND, HASH, payload_bytes, A)


@pytest.mark.parametrize("signature", [b"", bytes(63), bytes(65)])
def test_a_signature_has_64_bytes(signature: bytes) -> None:
    with pytest.raises(InvalidMessage):
        Vote(VoteType.PREVOTE, 1, 0, HASH, NO_ROUND, A, signature)
    with pytest.raises(InvalidMessage):
        Proposal(1, 0, NO_ROUND, HASH, 10, A, signature)


def test_a_chain_id_has_32_bytes() -> None:
    with pytest.raises(InvalidMessage):
        prevote(A, "x").sign_bytes(bytes(31))
    with pytest.raises(InvalidMessage):
        proposal("x").sign_bytes(bytes(33))


def test_a_value_message_names_a_height_and_a_hash() -> None:
    assert ValueMessage(1, HASH, b"").payload == b""
    with pytest.raises(InvalidMessage):
        ValueMessage(0, HASH, b"")
    with pytest.raises(InvalidMessage):
        ValueMessage(1, BlockHash(b"short"), b"")


def _with(data: bytes, offset: int, new: bytes) -> bytes:
    return data[:offset] + new + data[offset + len(new) :]


@pytest.mark.parametrize(
    "data",
    [
        precommit(A, "x").encode() + b"\0",
        precommit(A, "x").encode()[:-1],
        _with(precommit(A, "x").encode(), 13, b"\2"),  # neither nil nor a value
        _with(precommit(A, None).encode(), 14, b"\1"),  # nil with a hash
        _with(precommit(A, "x").encode(), 50, b"\0\0\0\1"),  # a vote that declares a payload
        _with(precommit(A, "x").encode(), 55, b" "),  # a name with a space
        proposal("x").encode(),
        b"",
    ],
)
def test_a_misspelled_vote_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidMessage):
        Vote.decode(data)


def test_a_proposal_of_nothing_is_refused() -> None:
    data = _with(_with(proposal("x").encode(), 13, b"\0"), 14, bytes(32))
    with pytest.raises(InvalidMessage, match="names a block"):
        Proposal.decode(data)
    with pytest.raises(InvalidMessage, match="not a proposal"):
        Proposal.decode(prevote(A, "x").encode())
