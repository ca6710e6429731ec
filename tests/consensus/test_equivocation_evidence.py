from dataclasses import replace

import pytest

from consensus.errors import EvidenceInvalid, InvalidMessage
from consensus.evidence import EVIDENCE_BYTES_MAX, Equivocation, verify_evidence
from consensus.messages import Proposal, Vote
from consensus.validators import NodeId
from tests.consensus.builders import (
    CHAIN_ID,
    FOUR,
    A,
    B,
    FalseSignature,
    precommit,
    prevote,
    proposal,
    verify,
)

PAIRS: list[tuple[Vote | Proposal, Vote | Proposal]] = [
    (prevote(A, "x"), prevote(A, "y")),
    (prevote(A, "x"), prevote(A, None)),
    (prevote(A, "x", round=2), prevote(A, "x", round=2, valid_round=1)),
    (precommit(A, "x"), precommit(A, None)),
    (proposal("x"), proposal("y")),
    (proposal("x"), proposal("x", payload_bytes=1)),
]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_two_contents_in_one_place_are_a_fault(one: Vote | Proposal, other: Vote | Proposal) -> None:
    evidence = Equivocation(one, other)
    verify_evidence(evidence, FOUR, CHAIN_ID, verify)
    assert evidence.validator == one.validator
    assert evidence.height == 1


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_a_fault_has_one_form_whoever_finds_it(one: Vote | Proposal, other: Vote | Proposal) -> None:
    evidence, mirrored = Equivocation(one, other), Equivocation(other, one)
    assert evidence == mirrored
    assert evidence.encode() == mirrored.encode()
    assert evidence.id(CHAIN_ID) == mirrored.id(CHAIN_ID)
    assert Equivocation.decode(evidence.encode()) == evidence


def test_the_id_depends_on_who_and_what_not_on_signatures() -> None:
    evidence = Equivocation(prevote(A, "x"), prevote(A, "y"))
    resigned = Equivocation(replace(prevote(A, "x"), signature=bytes(64)), prevote(A, "y"))
    assert resigned.id(CHAIN_ID) == evidence.id(CHAIN_ID)
    others = {
        evidence.id(CHAIN_ID),
        Equivocation(prevote(B, "x"), prevote(B, "y")).id(CHAIN_ID),
        Equivocation(prevote(A, "x"), prevote(A, "z")).id(CHAIN_ID),
        evidence.id(bytes(32)),
    }
    assert len(others) == 4


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (prevote(A, "x"), prevote(A, "x")),
        (prevote(A, "x"), replace(prevote(A, "x"), signature=bytes(64))),
        (proposal("x"), replace(proposal("x"), signature=bytes(64))),
        (prevote(A, "x"), prevote(B, "y")),
        (prevote(A, "x"), precommit(A, "y")),
        (prevote(A, "x"), prevote(A, "y", round=1)),
        (prevote(A, "x"), prevote(A, "y", height=2)),
        (prevote(FOUR.proposer(1, 0), "x"), proposal("y")),
    ],
    ids=[
        "same",
        "vote signed anew",
        "proposal signed anew",
        "two people",
        "types",
        "rounds",
        "heights",
        "kinds",
    ],
)
def test_what_is_no_fault_cannot_be_expressed(one: Vote | Proposal, other: Vote | Proposal) -> None:
    with pytest.raises(EvidenceInvalid):
        Equivocation(one, other)


def test_a_forged_half_convicts_nobody() -> None:
    evidence = Equivocation(prevote(A, "x"), replace(prevote(A, "y"), signature=bytes(64)))
    with pytest.raises(FalseSignature):
        verify_evidence(evidence, FOUR, CHAIN_ID, verify)


def test_a_stranger_cannot_be_accused() -> None:
    stranger = NodeId("z")
    with pytest.raises(EvidenceInvalid, match="no validator"):
        verify_evidence(Equivocation(prevote(stranger, "x"), prevote(stranger, "y")), FOUR, CHAIN_ID, verify)


def _swapped() -> bytes:
    evidence = Equivocation(prevote(A, "x"), prevote(A, "y"))
    first, second = evidence.first.encode(), evidence.second.encode()
    return len(second).to_bytes(2) + second + len(first).to_bytes(2) + first


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"\0\5abc",
        Equivocation(*PAIRS[0]).encode() + b"\0",
        Equivocation(*PAIRS[0]).encode()[:-1],
        bytes(EVIDENCE_BYTES_MAX + 1),
        _swapped(),
    ],
    ids=["empty", "half a length", "truncated", "trailing", "cut", "too long", "swapped"],
)
def test_misspelled_evidence_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidMessage):
        Equivocation.decode(data)
