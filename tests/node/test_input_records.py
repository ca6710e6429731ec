"""Inputs of consensus in the journal: every one reads back as it was, and nothing else reads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.certificate import Certificate
from consensus.inputs import (
    CertificateReceived,
    HeightStarted,
    Input,
    NeedFromPeer,
    PeerConnected,
    ProposalReceived,
    ResendDue,
    Synced,
    Timeout,
    TimeoutElapsed,
    TimeoutKind,
    ValueBuilt,
    ValueReceived,
    ValueValidated,
    VoteReceived,
    WorkAvailable,
    must_be_journaled,
)
from consensus.messages import NO_ROUND, BlockHash, UnsignedProposal, UnsignedVote, VoteType
from consensus.validators import NodeId, ValidatorSet
from node.input_codec import REASON_CHARS_MAX, InputUnreadable, decode_input, encode_input
from node.node_history import validators_of
from tests.node.chain_builders import NODE_IDS, certify, make_genesis

GENESIS = make_genesis()
VALIDATORS = validators_of(GENESIS)
HASH = BlockHash(bytes(range(32)))
INPUTS: tuple[Input, ...] = (
    HeightStarted(7, VALIDATORS, 1_700_000_000_000),
    WorkAvailable(7),
    ProposalReceived(
        UnsignedProposal(7, 3, 1, HASH, 1_234, NODE_IDS[0]).signed(bytes(64)), 1_700_000_000_001
    ),
    ProposalReceived(UnsignedProposal(7, 0, NO_ROUND, HASH, 0, NODE_IDS[1]).signed(bytes(64)), -1),
    VoteReceived(UnsignedVote(VoteType.PREVOTE, 7, 2, HASH, 1, NODE_IDS[2]).signed(b"s" * 64)),
    VoteReceived(UnsignedVote(VoteType.PRECOMMIT, 7, 2, None, NO_ROUND, NODE_IDS[3]).signed(b"s" * 64)),
    ValueReceived(7, HASH, b"payload", 1_700_000_000_002),
    CertificateReceived(Certificate.decode(certify(GENESIS, VALIDATORS, 7, HASH))),
    ValueBuilt(7, 4, HASH, b"", 1_700_000_000_003),
    ValueValidated(7, HASH, valid=True),
    ValueValidated(7, HASH, valid=False, reason="a root is wrong: 根"),
    *(TimeoutElapsed(Timeout(7, 5, kind)) for kind in TimeoutKind),
    Synced(7),
)


def look_up(height: int) -> ValidatorSet:
    return VALIDATORS


@pytest.mark.parametrize("step_input", INPUTS, ids=lambda each: type(each).__name__)
def test_input_reads_back_as_it_was(step_input: Input) -> None:
    assert decode_input(encode_input(step_input), look_up) == step_input


def test_every_input_that_is_journaled_is_among_these() -> None:
    kinds = {type(each) for each in INPUTS}
    for other in (ResendDue(7, 0), PeerConnected(NodeId("a")), NeedFromPeer(NodeId("a"), 7, HASH)):
        assert not must_be_journaled(other)
        with pytest.raises(AssertionError):
            encode_input(other)
        kinds.add(type(other))
    assert kinds == set(Input.__args__)


def test_long_reason_is_cut() -> None:
    record = encode_input(ValueValidated(7, HASH, valid=False, reason="x" * 10_000))
    decoded = decode_input(record, look_up)
    assert isinstance(decoded, ValueValidated)
    assert len(decoded.reason) == REASON_CHARS_MAX


@given(st.binary(max_size=200))
def test_bytes_that_are_no_input_are_refused(record: bytes) -> None:
    try:
        decoded = decode_input(record, look_up)
    except InputUnreadable:
        return
    assert encode_input(decoded)[:1] == record[:1]


FIXED = [each for each in INPUTS if not isinstance(each, ValueReceived | ValueBuilt | ValueValidated)]


@pytest.mark.parametrize("step_input", FIXED, ids=lambda each: type(each).__name__)
def test_shortened_record_of_fixed_size_is_refused(step_input: Input) -> None:
    with pytest.raises(InputUnreadable):
        decode_input(encode_input(step_input)[:-1], look_up)
