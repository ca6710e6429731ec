"""The bytes of an access token: one form, bounded, and bound to key, member and node."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import pytest

from registry.access_token import (
    SCHEME,
    TOKEN_CHARS_MAX,
    check_token_signature,
    decode_token,
    make_token,
)
from registry.codec import pack, unpack
from registry.errors import BadSignature, MalformedEntry
from tests.registry.consortium import EXPORTER, FACTOR_1, START_MS, key_of

GOOD = make_token(key_of(EXPORTER), EXPORTER, "factor-1", START_MS)


def value_of(parts: Any) -> str:
    return SCHEME + urlsafe_b64encode(pack(parts)).rstrip(b"=").decode()


def parts_of(value: str) -> tuple[bytes, bytes]:
    text = value.removeprefix(SCHEME)
    body, signature = unpack(urlsafe_b64decode(text + "=" * (-len(text) % 4)), TOKEN_CHARS_MAX)
    return body, signature


def test_a_token_reads_back() -> None:
    signed = decode_token(GOOD)
    check_token_signature(signed)
    token = signed.token
    assert (token.member, token.public_key, token.node_id) == (
        EXPORTER,
        key_of(EXPORTER).public_key,
        "factor-1",
    )
    assert (token.issued_ms, token.expires_ms) == (START_MS, START_MS + 600_000)


_BODY, _SIGNATURE = parts_of(GOOD)
_FIELDS = unpack(_BODY, 1_000)


@pytest.mark.parametrize(
    "value",
    [
        "",
        SCHEME,
        GOOD.removeprefix(SCHEME),
        "Bearer " + GOOD.removeprefix(SCHEME),
        GOOD + "é",
        GOOD + "+/",
        GOOD + "=",
        GOOD[:-3],
        SCHEME + "A" * TOKEN_CHARS_MAX,
        value_of(_BODY),
        value_of((_BODY,)),
        value_of((_BODY, _SIGNATURE, b"")),
        value_of(("text", _SIGNATURE)),
        value_of((_BODY, _SIGNATURE[:-1])),
        value_of((_BODY, "text")),
        value_of((_BODY + b"\0", _SIGNATURE)),
        value_of((pack((2, *_FIELDS[1:])), _SIGNATURE)),
        value_of((pack(_FIELDS[:-1]), _SIGNATURE)),
        value_of((pack((*_FIELDS[:3], "x" * 33, *_FIELDS[4:])), _SIGNATURE)),
    ],
)
def test_what_is_no_token_is_malformed(value: str) -> None:
    with pytest.raises(MalformedEntry):
        decode_token(value)


@pytest.mark.parametrize(
    "fields",
    [
        (1, FACTOR_1, *_FIELDS[2:]),
        (*_FIELDS[:2], key_of(FACTOR_1).public_key, *_FIELDS[3:]),
        (*_FIELDS[:3], "factor-2", *_FIELDS[4:]),
        (*_FIELDS[:4], START_MS + 1, _FIELDS[5]),
        (*_FIELDS[:5], START_MS + 600_001),
    ],
    ids=["member", "key", "node", "issued", "expires"],
)
def test_every_field_is_signed(fields: tuple[Any, ...]) -> None:
    with pytest.raises(BadSignature):
        check_token_signature(decode_token(value_of((pack(fields), _SIGNATURE))))
