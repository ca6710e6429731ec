import hashlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.certificate import CERTIFICATE_BYTES_MAX, Certificate, verify_certificate
from consensus.errors import CertificateInvalid, InvalidMessage
from consensus.messages import BlockHash, Vote
from consensus.validators import NodeId
from tests.consensus.builders import (
    CHAIN_ID,
    FOUR,
    A,
    B,
    C,
    D,
    FalseSignature,
    block,
    precommit,
    prevote,
    validator_set,
    verify,
)


def certificate(*names: NodeId) -> Certificate:
    return Certificate.from_votes([precommit(name, "x", round=2, height=9) for name in names], FOUR)


def test_a_quorum_of_precommits_is_a_certificate() -> None:
    made = certificate(D, A, C)
    assert (made.height, made.round, made.block_hash) == (9, 2, block("x"))
    assert made.signers == b"\xb0"
    assert made.signer_indexes == (0, 2, 3)
    verify_certificate(made, FOUR, CHAIN_ID, verify)


def test_less_than_a_quorum_is_none() -> None:
    with pytest.raises(CertificateInvalid, match="less than a quorum") as raised:
        certificate(A, B)
    assert raised.value.details["power"] == 2


def test_power_counts_not_heads() -> None:
    validators = validator_set(7, 1, 1, 1)
    heavy = Certificate.from_votes([precommit(A, "x")], validators)
    verify_certificate(heavy, validators, CHAIN_ID, verify)
    with pytest.raises(CertificateInvalid, match="less than a quorum"):
        Certificate.from_votes([precommit(name, "x") for name in (B, C, D)], validators)


@pytest.mark.parametrize(
    ("votes", "reason"),
    [
        ([precommit(A, "x"), precommit(B, "x"), precommit(B, "x")], "distinct"),
        ([precommit(A, "x"), precommit(B, "x"), prevote(C, "x")], "not precommits"),
        ([precommit(A, "x"), precommit(B, "x"), precommit(NodeId("z"), "x")], "distinct"),
        ([precommit(A, "x"), precommit(B, "x"), precommit(C, "y")], "one block"),
        ([precommit(A, "x"), precommit(B, "x"), precommit(C, "x", round=1)], "one block"),
        ([precommit(A, "x"), precommit(B, "x"), precommit(C, "x", height=2)], "one block"),
        ([precommit(A, None), precommit(B, None), precommit(C, None)], "nil"),
        ([], "one block"),
    ],
)
def test_what_is_no_quorum_for_one_block_makes_no_certificate(votes: list[Vote], reason: str) -> None:
    with pytest.raises(CertificateInvalid, match=reason):
        Certificate.from_votes(votes, FOUR)


def test_a_false_signature_is_not_accepted() -> None:
    made = certificate(A, B, C)
    forged = replace(made, signatures=(*made.signatures[:2], bytes(64)))
    with pytest.raises(FalseSignature):
        verify_certificate(forged, FOUR, CHAIN_ID, verify)


def test_signatures_of_other_validators_are_not_accepted() -> None:
    made = certificate(A, B, C)
    with pytest.raises(FalseSignature):
        verify_certificate(replace(made, signers=b"\x70"), FOUR, CHAIN_ID, verify)


@pytest.mark.parametrize(
    "change",
    [{"height": 8}, {"round": 1}, {"block_hash": block("y")}],
    ids=["height", "round", "block"],
)
def test_a_certificate_holds_for_its_place_only(change: dict[str, Any]) -> None:
    with pytest.raises(FalseSignature):
        verify_certificate(replace(certificate(A, B, C), **change), FOUR, CHAIN_ID, verify)


def test_a_certificate_holds_for_its_chain_only() -> None:
    with pytest.raises(FalseSignature):
        verify_certificate(certificate(A, B, C), FOUR, hashlib.sha256(b"other").digest(), verify)


def test_no_signature_is_checked_before_the_power() -> None:
    made = certificate(A, B, C)
    short = Certificate(made.height, made.round, made.block_hash, b"\xc0", made.signatures[:2])
    checked: list[bytes] = []
    with pytest.raises(CertificateInvalid):
        verify_certificate(short, FOUR, CHAIN_ID, lambda key, message, signature: checked.append(key))
    assert checked == []


def test_a_bit_outside_the_set_is_refused() -> None:
    made = certificate(A, B, C)
    outside = Certificate(made.height, made.round, made.block_hash, b"\xe8", (*made.signatures, bytes(64)))
    with pytest.raises(CertificateInvalid, match="outside"):
        verify_certificate(outside, FOUR, CHAIN_ID, verify)


def test_a_bitmap_of_another_length_is_refused() -> None:
    made = certificate(A, B, C)
    with pytest.raises(CertificateInvalid, match="another set"):
        verify_certificate(replace(made, signers=b"\xe0\x00"), FOUR, CHAIN_ID, verify)


@given(st.data(), st.integers(1, 40))
def test_certificates_survive_the_wire(data: st.DataObject, size: int) -> None:
    signers = data.draw(st.binary(min_size=1, max_size=5))
    count = int.from_bytes(signers).bit_count()
    signatures = tuple(data.draw(st.binary(min_size=64, max_size=64)) for _ in range(count))
    made = Certificate(size, size, BlockHash(bytes(32)), signers, signatures)
    assert Certificate.decode(made.encode()) == made


def test_certificate_bytes_are_as_documented() -> None:
    made = certificate(A, B, C)
    head = (9).to_bytes(8) + (2).to_bytes(4) + block("x") + b"\1\xe0"
    assert made.encode() == head + b"".join(made.signatures)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        certificate(A, B, C).encode() + b"\0",
        certificate(A, B, C).encode()[:-1],
        certificate(A, B, C).encode()[:44] + b"\xff" + certificate(A, B, C).encode()[45:],
        bytes(CERTIFICATE_BYTES_MAX + 1),
        (0).to_bytes(8) + certificate(A, B, C).encode()[8:],
    ],
    ids=["empty", "longer", "shorter", "long bitmap", "too long", "height 0"],
)
def test_misspelled_certificates_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidMessage):
        Certificate.decode(data)


@pytest.mark.parametrize(
    ("block_hash", "signers", "signatures"),
    [
        (BlockHash(bytes(31)), b"\x80", (bytes(64),)),
        (BlockHash(bytes(32)), b"", ()),
        (BlockHash(bytes(32)), bytes(17), ()),
        (BlockHash(bytes(32)), b"\xc0", (bytes(64),)),
        (BlockHash(bytes(32)), b"\x80", (bytes(63),)),
    ],
)
def test_impossible_certificates_cannot_be_made(
    block_hash: BlockHash, signers: bytes, signatures: tuple[bytes, ...]
) -> None:
    with pytest.raises(InvalidMessage):
        Certificate(1, 0, block_hash, signers, signatures)
