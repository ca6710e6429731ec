"""Access tokens: how a member is known to a node for a few minutes. The format only; whose key it is, the node looks up.

A token is the `authorization` metadata value `pledgebook TEXT`, where TEXT is base64url without padding of
pack([body, signature]) and body = pack([version, member, public_key, node_id, issued_ms, expires_ms]), signed under
`Tag.ACCESS_TOKEN`. It names the node, so that a node cannot use it at another node in the member's name.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Final

from . import limits
from .codec import Bytes, Struct, Text, Uint, pack, unpack
from .errors import MalformedEntry
from .operations.fields import MEMBER_ID, PUBLIC_KEY, TIME_MS
from .signing import SIGNATURE_BYTES, SigningKey, Tag, verify

METADATA_KEY: Final = "authorization"
SCHEME: Final = "pledgebook "
TOKEN_VERSION: Final = 1
TOKEN_LIFE_MS_MAX: Final = 10 * 60_000
# Body (about 200 bytes) and signature in base64; anything longer is not a token.
TOKEN_CHARS_MAX: Final = 1_024


@dataclass(frozen=True, slots=True)
class Token:
    """What a member states and signs."""

    version: int
    member: str
    public_key: bytes
    node_id: str
    issued_ms: int
    expires_ms: int


@dataclass(frozen=True, slots=True)
class SignedToken:
    """A token as received; `check_token_signature` says whether it is the key's."""

    token: Token
    body: bytes
    signature: bytes


_TOKEN: Final = Struct(
    Token,
    {
        "version": Uint(TOKEN_VERSION, TOKEN_VERSION),
        "member": MEMBER_ID,
        "public_key": PUBLIC_KEY,
        "node_id": Text(limits.NODE_ID_CHARS_MAX),
        "issued_ms": TIME_MS,
        "expires_ms": TIME_MS,
    },
)
_SIGNATURE: Final = Bytes(SIGNATURE_BYTES)


def make_token(
    key: SigningKey, member: str, node_id: str, issued_ms: int, life_ms: int = TOKEN_LIFE_MS_MAX
) -> str:
    """The metadata value with which `member` is known at `node_id` until issued_ms + life_ms."""
    token = Token(TOKEN_VERSION, member, key.public_key, node_id, issued_ms, issued_ms + life_ms)
    body = pack(_TOKEN.encode(token, "token"))
    signed = pack((body, key.sign(Tag.ACCESS_TOKEN + body)))
    return SCHEME + _as_text(signed)


def _as_text(signed: bytes) -> str:
    return base64.urlsafe_b64encode(signed).rstrip(b"=").decode("ascii")


def decode_token(value: str) -> SignedToken:
    """Parse a metadata value; nothing is verified yet. Raises MalformedEntry."""
    if len(value) > TOKEN_CHARS_MAX or not value.startswith(SCHEME):
        raise MalformedEntry(
            f"expected '{SCHEME}TOKEN' of at most {TOKEN_CHARS_MAX} characters", path="token"
        )
    text = value.removeprefix(SCHEME)
    try:
        signed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedEntry("is not base64url", path="token") from error
    if _as_text(signed) != text:
        raise MalformedEntry("is not the one base64url form of its bytes", path="token")
    parts = unpack(signed, TOKEN_CHARS_MAX)
    if type(parts) is not tuple or len(parts) != 2 or type(parts[0]) is not bytes:
        raise MalformedEntry("must be an array of a body and its signature", path="token")
    body, signature = parts
    token = _TOKEN.decode(unpack(body, TOKEN_CHARS_MAX), "token")
    return SignedToken(token, body, _SIGNATURE.decode(signature, "token.signature"))


def check_token_signature(signed: SignedToken) -> None:
    """Raises BadSignature when the token was not signed by the key that it names."""
    verify(signed.token.public_key, Tag.ACCESS_TOKEN + signed.body, signed.signature)
