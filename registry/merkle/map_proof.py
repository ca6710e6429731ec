"""Proofs about the authenticated map: the hash rules, the two kinds of proof, their checks and their bytes.

The rules are those of the Jellyfish Merkle Tree with SHA-256 (penumbra-zone/jmt). A key is 32 bytes, read as 256 bits
from the most significant; every set of keys under one bit prefix has a hash:

    no key          the 32 ASCII bytes SPARSE_MERKLE_PLACEHOLDER_HASH__
    one key         H("JMT::LeafNode" | key_hash | value_hash), however short the prefix
    several keys    H("JMT::IntrnalNode" | hash under prefix 0 | hash under prefix 1)

so the root depends on the set of pairs and on nothing else. A proof lists the siblings from the bottom to the root.

Guarantees: an inclusion proof and an absence proof are different types with different bytes, and neither passes for the
other. No part of a proof is ignored: each byte enters the root, or is compared. For one root and key there is one proof.
Left to others: which root to trust, and what the 32-byte key and value hashes stand for.

Bytes (integers big-endian), fixed and without slack:

    inclusion                01 | count u16 | count x 32 siblings
    absence, empty place     02 | count u16 | count x 32 siblings
    absence, other leaf      03 | count u16 | count x 32 siblings | key_hash 32 | value_hash 32
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from ..errors import ProofInvalid

HASH_BYTES: Final = 32
KEY_BITS: Final = 256
SIBLINGS_MAX: Final = KEY_BITS  # one for each bit of the key
PROOF_BYTES_MAX: Final = 3 + SIBLINGS_MAX * HASH_BYTES + 2 * HASH_BYTES

PLACEHOLDER: Final = b"SPARSE_MERKLE_PLACEHOLDER_HASH__"
LEAF_TAG: Final = b"JMT::LeafNode"
INTERNAL_TAG: Final = b"JMT::IntrnalNode"

_INCLUSION: Final = 1
_ABSENCE_EMPTY: Final = 2
_ABSENCE_OTHER: Final = 3


@dataclass(frozen=True, slots=True)
class OtherLeaf:
    """The one leaf of the subtree in which an absent key would have to be."""

    key_hash: bytes
    value_hash: bytes

    def __post_init__(self) -> None:
        _check_hash("key_hash", self.key_hash)
        _check_hash("value_hash", self.value_hash)


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """That a key has a value: the siblings, bottom to root. The leaf is what the verifier brings."""

    siblings: tuple[bytes, ...]

    def __post_init__(self) -> None:
        _check_siblings(self.siblings)


@dataclass(frozen=True, slots=True)
class AbsenceProof:
    """That a key has no value: its place is empty (`other` is None) or belongs to one other leaf alone."""

    siblings: tuple[bytes, ...]
    other: OtherLeaf | None

    def __post_init__(self) -> None:
        _check_siblings(self.siblings)


MapProof = InclusionProof | AbsenceProof


def _check_siblings(siblings: tuple[bytes, ...]) -> None:
    if len(siblings) > SIBLINGS_MAX:
        raise ProofInvalid("too many siblings", maximum=SIBLINGS_MAX, found=len(siblings))
    for position, sibling in enumerate(siblings):
        if len(sibling) != HASH_BYTES:
            raise ProofInvalid("sibling of wrong length", position=position, length=len(sibling))


def _check_hash(name: str, value: bytes) -> None:
    if len(value) != HASH_BYTES:
        raise ProofInvalid(f"{name} of wrong length", expected=HASH_BYTES, found=len(value))


def verify_inclusion(root: bytes, key_hash: bytes, value_hash: bytes, proof: MapProof) -> None:
    """The map with this root holds this pair. Raises ProofInvalid, also for a proof of absence."""
    if not isinstance(proof, InclusionProof):
        raise ProofInvalid("not a proof of inclusion", found=type(proof).__name__)
    _check_hash("key_hash", key_hash)
    _check_hash("value_hash", value_hash)
    leaf = sha256(LEAF_TAG + key_hash + value_hash).digest()
    _check_root(root, key_hash, leaf, proof.siblings)


def verify_absence(root: bytes, key_hash: bytes, proof: MapProof) -> None:
    """The map with this root holds no value for this key. Raises ProofInvalid, also for a proof of inclusion."""
    if not isinstance(proof, AbsenceProof):
        raise ProofInvalid("not a proof of absence", found=type(proof).__name__)
    _check_hash("key_hash", key_hash)
    other = proof.other
    if other is None:
        _check_root(root, key_hash, PLACEHOLDER, proof.siblings)
        return
    if other.key_hash == key_hash:
        raise ProofInvalid("the key itself cannot show its own absence", key_hash=key_hash)
    depth = len(proof.siblings)
    if _prefix(other.key_hash, depth) != _prefix(key_hash, depth):
        # Such a leaf lies elsewhere, and says nothing of the place where the key would be.
        raise ProofInvalid(
            "other leaf does not share the prefix", key_hash=key_hash, other=other.key_hash, bits=depth
        )
    leaf = sha256(LEAF_TAG + other.key_hash + other.value_hash).digest()
    _check_root(root, key_hash, leaf, proof.siblings)


def _prefix(key_hash: bytes, bits: int) -> int:
    return int.from_bytes(key_hash, "big") >> (KEY_BITS - bits)


def _check_root(root: bytes, key_hash: bytes, terminal: bytes, siblings: tuple[bytes, ...]) -> None:
    computed = terminal
    turns = _prefix(key_hash, len(siblings))
    for sibling in siblings:
        if turns & 1:
            computed = sha256(INTERNAL_TAG + sibling + computed).digest()
        else:
            computed = sha256(INTERNAL_TAG + computed + sibling).digest()
        turns >>= 1
    if computed != root:
        raise ProofInvalid("proof leads to another root", key_hash=key_hash, expected=root, found=computed)


def encode_inclusion(proof: InclusionProof) -> bytes:
    """The proof's bytes, as laid out above."""
    return _encode(_INCLUSION, proof.siblings)


def encode_absence(proof: AbsenceProof) -> bytes:
    """The proof's bytes, as laid out above."""
    if proof.other is None:
        return _encode(_ABSENCE_EMPTY, proof.siblings)
    return _encode(_ABSENCE_OTHER, proof.siblings) + proof.other.key_hash + proof.other.value_hash


def decode_inclusion(encoded: bytes) -> InclusionProof:
    """The one proof with these bytes. Raises ProofInvalid for any others, also for those of an absence proof."""
    siblings, rest = _decode(encoded, (_INCLUSION,))
    _check_end(rest, 0)
    return InclusionProof(siblings)


def decode_absence(encoded: bytes) -> AbsenceProof:
    """The one proof with these bytes. Raises ProofInvalid for any others, also for those of an inclusion proof."""
    siblings, rest = _decode(encoded, (_ABSENCE_EMPTY, _ABSENCE_OTHER))
    if encoded[0] == _ABSENCE_EMPTY:
        _check_end(rest, 0)
        return AbsenceProof(siblings, None)
    _check_end(rest, 2 * HASH_BYTES)
    return AbsenceProof(siblings, OtherLeaf(rest[:HASH_BYTES], rest[HASH_BYTES:]))


def _encode(kind: int, siblings: tuple[bytes, ...]) -> bytes:
    return bytes((kind, *len(siblings).to_bytes(2, "big"))) + b"".join(siblings)


def _decode(encoded: bytes, kinds: tuple[int, ...]) -> tuple[tuple[bytes, ...], bytes]:
    if not 3 <= len(encoded) <= PROOF_BYTES_MAX:
        raise ProofInvalid("proof bytes of impossible length", maximum=PROOF_BYTES_MAX, found=len(encoded))
    if encoded[0] not in kinds:
        raise ProofInvalid("proof of another kind", expected=kinds, found=encoded[0])
    end = 3 + HASH_BYTES * int.from_bytes(encoded[1:3], "big")
    if end > len(encoded):
        raise ProofInvalid("proof is cut short", expected=end, found=len(encoded))
    siblings = tuple(encoded[start : start + HASH_BYTES] for start in range(3, end, HASH_BYTES))
    return siblings, encoded[end:]


def _check_end(rest: bytes, expected: int) -> None:
    if len(rest) != expected:
        raise ProofInvalid("proof bytes of wrong length", expected_after_siblings=expected, found=len(rest))
