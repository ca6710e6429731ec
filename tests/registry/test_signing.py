"""Ed25519 against published hard cases, degenerate keys, and the table of domain tags."""

from __future__ import annotations

import copy
import json
import pickle
from hashlib import sha256
from pathlib import Path

import pytest

from registry.errors import BadSignature
from registry.signing import SigningKey, Tag, check_public_key, digest, verify
from tests.registry.consortium import key_of

_VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "ed25519.json").read_text(encoding="utf-8"))

# Encodings of the eight points of small order, canonical and not, with either sign where both decode.
_P = 2**255 - 19
_ORDER_8 = bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")
_ORDER_8_TOO = bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")
_SMALL_ORDER = [
    *(y.to_bytes(32, "little") for y in (0, 1, _P - 1, _P, _P + 1)),
    *((y | 1 << 255).to_bytes(32, "little") for y in (0, 1, _P - 1, _P, _P + 1)),
    *(_ORDER_8, _ORDER_8[:-1] + bytes([_ORDER_8[-1] | 128])),
    *(_ORDER_8_TOO, _ORDER_8_TOO[:-1] + bytes([_ORDER_8_TOO[-1] | 128])),
]


@pytest.mark.parametrize("case", _VECTORS["wycheproof"], ids=lambda case: f"tc{case[0]}")
def test_wycheproof(case: tuple[int, str, str, str, str]) -> None:
    _case, key, message, signature = case[0], *map(bytes.fromhex, case[1:4])
    if case[4] == "valid":
        verify(key, message, signature)
    else:
        with pytest.raises(BadSignature):
            verify(key, message, signature)


@pytest.mark.parametrize("case", _VECTORS["speccheck"], ids=lambda case: f"case{case[0]}")
def test_speccheck_leaves_no_doubtful_signature_under_a_usable_key(
    case: tuple[int, str, str, str, bool, bool],
) -> None:
    """These verify in some libraries and not in others. None verifies here under a key that can be enrolled."""
    key, message, signature = map(bytes.fromhex, case[1:4])
    verifies, usable = case[4:6]
    assert not (verifies and usable)
    if verifies:
        verify(key, message, signature)
    else:
        with pytest.raises(BadSignature):
            verify(key, message, signature)
    if usable:
        check_public_key(key)
    else:
        with pytest.raises(BadSignature):
            check_public_key(key)


@pytest.mark.parametrize("key", _SMALL_ORDER, ids=bytes.hex)
def test_keys_of_small_order_are_refused(key: bytes) -> None:
    with pytest.raises(BadSignature):
        check_public_key(key)
    with pytest.raises(BadSignature):
        verify(key, b"any message", key + bytes(32))


@pytest.mark.parametrize("key", [b"", bytes(31), bytes(33), b"\x02" + bytes(31), b"\xff" * 32])
def test_what_is_no_point_is_no_key(key: bytes) -> None:
    with pytest.raises(BadSignature):
        check_public_key(key)


def test_keys_that_are_made_are_usable() -> None:
    for name in ("a", "b", "c"):
        check_public_key(key_of(name).public_key)


@pytest.mark.parametrize(("key_bytes", "signature_bytes"), [(31, 64), (33, 64), (32, 63), (32, 65), (32, 0)])
def test_wrong_lengths_are_bad_signatures(key_bytes: int, signature_bytes: int) -> None:
    with pytest.raises(BadSignature):
        verify(bytes(key_bytes), b"", bytes(signature_bytes))


def test_signatures_are_deterministic_and_bound_to_message_and_key() -> None:
    key, other = key_of("a"), key_of("b")
    signature = key.sign(b"message")
    assert signature == key_of("a").sign(b"message")
    verify(key.public_key, b"message", signature)
    for wrong_key, message in ((key, b"massage"), (other, b"message")):
        with pytest.raises(BadSignature):
            verify(wrong_key.public_key, message, signature)


@pytest.mark.parametrize("seed", [b"", bytes(31), bytes(33), bytes(64)])
def test_a_seed_has_32_bytes(seed: bytes) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        SigningKey(seed)


def test_a_signing_key_neither_prints_nor_copies_its_secret() -> None:
    seed = bytes(range(32))
    key = SigningKey(seed)
    assert repr(key) == f"SigningKey(public_key={key.public_key.hex()})"
    assert seed.hex() not in repr(key)
    assert not hasattr(key, "__dict__")
    for duplicate in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="never serialised"):
            duplicate(key)


def _tags() -> dict[str, bytes]:
    return {name: value for name, value in vars(Tag).items() if isinstance(value, bytes)}


def test_tags_separate_all_uses() -> None:
    tags = list(_tags().values())
    assert len(set(tags)) == len(tags) >= 15
    for tag in tags:
        assert tag.startswith(b"pledgebook/")
        assert tag.endswith(b"/v1\0")
        assert tag.count(b"\0") == 1


def test_a_digest_is_the_hash_of_the_tag_and_the_parts() -> None:
    assert digest(Tag.LIEN, b"a", b"bc") == sha256(Tag.LIEN + b"abc").digest()
    assert digest(Tag.LIEN, b"") != digest(Tag.RECEIVABLE, b"")
