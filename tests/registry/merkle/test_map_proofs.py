"""Proofs of presence and absence: each one verifies, no spoiled one does, and neither kind passes for the other."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.errors import InvariantViolation, ProofInvalid
from registry.merkle.map import (
    PLACEHOLDER,
    AbsenceProof,
    InclusionProof,
    MapProof,
    OtherLeaf,
    decode_absence,
    decode_inclusion,
    encode_absence,
    encode_inclusion,
    prove,
    verify_absence,
    verify_inclusion,
)
from registry.merkle.map_proof import PROOF_BYTES_MAX

HASHES = st.binary(min_size=32, max_size=32)
NEAR = st.sampled_from(
    [bytes([a, b]) + bytes(29) + bytes([c]) for a in (0, 1, 0x80) for b in (0, 0x40) for c in (0, 1)]
)
KEYS = NEAR | HASHES
PAIRS = st.dictionaries(KEYS, HASHES, max_size=24)

ONE, TWO, THREE = b"\x10" * 32, b"\x11" * 32, b"\xc0" * 32
BESIDE_ONE = b"\x10" * 31 + b"\x11"  # shares a leaf's place with ONE
IN_EMPTY_PLACE = b"\x18" * 32


@pytest.fixture
def pages(memory_pages: Any) -> Any:
    pages = memory_pages()
    pages.root = pages.update({ONE: b"1" * 32, TWO: b"2" * 32, THREE: b"3" * 32})
    return pages


def flips(value: bytes) -> list[bytes]:
    """The value with each single bit flipped."""
    number = int.from_bytes(value, "big")
    return [(number ^ 1 << bit).to_bytes(len(value), "big") for bit in range(8 * len(value))]


@given(PAIRS, KEYS)
def test_every_key_is_proven_there_or_not_there(
    memory_pages: Any, pairs: dict[bytes, bytes], asked: bytes
) -> None:
    pages = memory_pages()
    root = pages.update(pairs)
    for key in {asked, *pairs, *(key[:-1] + b"\x07" for key in pairs)}:
        proof = prove(pages, key)
        if key in pairs:
            assert isinstance(proof, InclusionProof)
            verify_inclusion(root, key, pairs[key], proof)
            assert decode_inclusion(encode_inclusion(proof)) == proof
            with pytest.raises(ProofInvalid):
                verify_absence(root, key, proof)
        else:
            assert isinstance(proof, AbsenceProof)
            verify_absence(root, key, proof)
            assert decode_absence(encode_absence(proof)) == proof
            with pytest.raises(ProofInvalid):
                verify_inclusion(root, key, bytes(32), proof)


@given(PAIRS, HASHES, HASHES)
def test_no_proof_of_one_key_or_value_serves_another(
    memory_pages: Any, pairs: dict[bytes, bytes], other: bytes, other_value: bytes
) -> None:
    pages = memory_pages()
    root = pages.update(pairs)
    for key, value in pairs.items():
        proof = prove(pages, key)
        for false_key, false_value in ((other, value), (key, other_value)):
            if (false_key, false_value) != (key, value):
                with pytest.raises(ProofInvalid):
                    verify_inclusion(root, false_key, false_value, proof)


def test_an_inclusion_proof_with_any_bit_flipped_is_refused(pages: Any) -> None:
    proof = prove(pages, ONE)
    assert isinstance(proof, InclusionProof)
    verify_inclusion(pages.root, ONE, b"1" * 32, proof)
    for spoiled in flips(encode_inclusion(proof)):
        with pytest.raises(ProofInvalid):
            verify_inclusion(pages.root, ONE, b"1" * 32, decode_inclusion(spoiled))
    for spoiled in flips(ONE):
        with pytest.raises(ProofInvalid):
            verify_inclusion(pages.root, spoiled, b"1" * 32, proof)
    for spoiled in flips(b"1" * 32):
        with pytest.raises(ProofInvalid):
            verify_inclusion(pages.root, ONE, spoiled, proof)
    for spoiled in flips(pages.root):
        with pytest.raises(ProofInvalid):
            verify_inclusion(spoiled, ONE, b"1" * 32, proof)


@pytest.mark.parametrize("key", [BESIDE_ONE, IN_EMPTY_PLACE])
def test_an_absence_proof_with_any_bit_flipped_is_refused(pages: Any, key: bytes) -> None:
    proof = prove(pages, key)
    assert isinstance(proof, AbsenceProof)
    assert (proof.other is None) == (key == IN_EMPTY_PLACE)
    verify_absence(pages.root, key, proof)
    for spoiled in flips(encode_absence(proof)):
        with pytest.raises(ProofInvalid):
            verify_absence(pages.root, key, decode_absence(spoiled))
    for spoiled in flips(pages.root):
        with pytest.raises(ProofInvalid):
            verify_absence(spoiled, key, proof)


@pytest.mark.parametrize("key", [ONE, BESIDE_ONE, IN_EMPTY_PLACE])
def test_siblings_lost_added_or_swapped_are_refused(pages: Any, key: bytes) -> None:
    proof = prove(pages, key)
    siblings = proof.siblings
    assert len(siblings) > 2
    for spoiled in (
        (),
        siblings[1:],
        siblings[:-1],
        siblings[::-1],
        (*siblings, PLACEHOLDER),
        (PLACEHOLDER, *siblings),
        (*siblings, siblings[-1]),
        (siblings[1], siblings[0], *siblings[2:]),
    ):
        false: MapProof = replace(proof, siblings=spoiled)
        with pytest.raises(ProofInvalid):
            verify_inclusion(pages.root, key, b"1" * 32, false)
        with pytest.raises(ProofInvalid):
            verify_absence(pages.root, key, false)


def test_a_present_key_has_no_absence_proof_made_of_true_parts(pages: Any) -> None:
    """Whoever knows the whole map cannot build absence of ONE from its own leaf, its neighbour's, or nothing."""
    siblings = prove(pages, ONE).siblings
    leaves = (OtherLeaf(ONE, b"1" * 32), OtherLeaf(TWO, b"2" * 32), OtherLeaf(THREE, b"3" * 32), None)
    for depth in range(len(siblings) + 1):
        for leaf in leaves:
            with pytest.raises(ProofInvalid):
                verify_absence(pages.root, ONE, AbsenceProof(siblings[depth:], leaf))


def test_a_true_leaf_of_another_place_shows_nothing(pages: Any) -> None:
    """THREE is truly in the map, but it does not stand where IN_EMPTY_PLACE would be."""
    siblings = prove(pages, THREE).siblings
    verify_inclusion(pages.root, THREE, b"3" * 32, InclusionProof(siblings))
    with pytest.raises(ProofInvalid) as caught:
        verify_absence(pages.root, IN_EMPTY_PLACE, AbsenceProof(siblings, OtherLeaf(THREE, b"3" * 32)))
    assert caught.value.details["bits"] == len(siblings)


def test_an_absence_proof_with_the_siblings_of_presence_shows_no_presence(pages: Any) -> None:
    """All that would be hashed is right; only the kind is wrong, and `other` would be ignored."""
    siblings = prove(pages, ONE).siblings
    with pytest.raises(ProofInvalid):
        verify_inclusion(pages.root, ONE, b"1" * 32, AbsenceProof(siblings, None))
    absence = prove(pages, IN_EMPTY_PLACE)
    with pytest.raises(ProofInvalid):
        verify_absence(pages.root, IN_EMPTY_PLACE, InclusionProof(absence.siblings))


def test_everything_is_absent_from_the_empty_map(memory_pages: Any) -> None:
    proof = prove(memory_pages(), ONE)
    assert proof == AbsenceProof((), None)
    verify_absence(PLACEHOLDER, ONE, proof)
    with pytest.raises(ProofInvalid):
        verify_absence(bytes(32), ONE, proof)


def test_a_map_of_one_pair_shows_absence_by_that_pair(memory_pages: Any) -> None:
    pages = memory_pages()
    root = pages.update({ONE: b"1" * 32})
    assert prove(pages, ONE) == InclusionProof(())
    absence = prove(pages, THREE)
    assert absence == AbsenceProof((), OtherLeaf(ONE, b"1" * 32))
    verify_absence(root, THREE, absence)


def test_the_longest_proof_has_256_siblings_and_no_proof_has_more(memory_pages: Any) -> None:
    pages = memory_pages()
    first, last = bytes(32), bytes(31) + b"\x01"
    root = pages.update({first: b"1" * 32, last: b"2" * 32})
    proof = prove(pages, first)
    assert isinstance(proof, InclusionProof)
    assert len(proof.siblings) == 256
    verify_inclusion(root, first, b"1" * 32, proof)
    assert decode_inclusion(encode_inclusion(proof)) == proof
    with pytest.raises(ProofInvalid):
        InclusionProof((*proof.siblings, bytes(32)))
    with pytest.raises(ProofInvalid):
        decode_inclusion(b"\x01" + (257).to_bytes(2, "big") + bytes(257 * 32))


@pytest.mark.parametrize("length", [0, 31, 33])
def test_parts_of_wrong_length_are_refused(length: int) -> None:
    wrong = bytes(length)
    with pytest.raises(ProofInvalid, match="sibling of wrong length"):
        InclusionProof((wrong,))
    with pytest.raises(ProofInvalid, match="sibling of wrong length"):
        AbsenceProof((wrong,), None)
    with pytest.raises(ProofInvalid, match="key_hash of wrong length"):
        OtherLeaf(wrong, bytes(32))
    with pytest.raises(ProofInvalid, match="value_hash of wrong length"):
        OtherLeaf(bytes(32), wrong)
    with pytest.raises(ProofInvalid, match="key_hash of wrong length"):
        verify_inclusion(PLACEHOLDER, wrong, bytes(32), InclusionProof(()))
    with pytest.raises(ProofInvalid, match="value_hash of wrong length"):
        verify_inclusion(PLACEHOLDER, bytes(32), wrong, InclusionProof(()))
    with pytest.raises(ProofInvalid, match="key_hash of wrong length"):
        verify_absence(PLACEHOLDER, wrong, AbsenceProof((), None))


def test_key_and_value_cannot_be_cut_elsewhere(memory_pages: Any) -> None:
    """A leaf's bytes are key then value: other lengths would let one leaf stand for two pairs."""
    root = memory_pages().update({ONE: b"1" * 32})
    with pytest.raises(ProofInvalid):
        verify_inclusion(root, ONE[:31], ONE[31:] + b"1" * 32, InclusionProof(()))


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        b"\x01",
        b"\x01\x00",
        b"\x00\x00\x00",
        b"\x04\x00\x00",
        b"\x01\x00\x01",
        b"\x01\x00\x01" + bytes(31),
        b"\x01\x00\x01" + bytes(33),
        b"\x01\x00\x00\x00",
        b"\x02\x00\x00\x00",
        b"\x03\x00\x00",
        b"\x03\x00\x00" + bytes(63),
        b"\x03\x00\x00" + bytes(65),
        b"\x02\xff\xff" + bytes(100),
        b"\x02" + bytes(PROOF_BYTES_MAX),
    ],
)
def test_bytes_that_are_no_proof_are_refused(encoded: bytes) -> None:
    with pytest.raises(ProofInvalid):
        decode_inclusion(encoded)
    with pytest.raises(ProofInvalid):
        decode_absence(encoded)


@settings(max_examples=300)
@given(
    st.binary(max_size=140)
    | st.builds(
        lambda kind, count, rest: bytes([kind, 0, count]) + rest[: 32 * count + 64],
        st.integers(0, 4),
        st.integers(0, 3),
        st.binary(max_size=160),
    )
)
def test_bytes_that_decode_encode_to_themselves(encoded: bytes) -> None:
    accepted = []
    with suppress(ProofInvalid):
        accepted.append(encode_inclusion(decode_inclusion(encoded)))
    with suppress(ProofInvalid):
        accepted.append(encode_absence(decode_absence(encoded)))
    assert accepted in ([], [encoded])  # by one kind at most, and without slack


def test_a_count_beyond_the_bytes_is_refused_before_anything_is_built() -> None:
    with pytest.raises(ProofInvalid) as caught:
        decode_inclusion(b"\x01\xff\xff" + bytes(64))
    assert caught.value.details == {"expected": 3 + 65535 * 32, "found": 67}


def test_only_hashes_are_asked_for(memory_pages: Any) -> None:
    with pytest.raises(InvariantViolation):
        prove(memory_pages(), b"short")
