"""Domain-separated hashes and Ed25519, the only signature check of the project.

One table of tags separates every use: a signature or digest made for one purpose can never stand for another. Checking is
libsodium's (through PyNaCl): strict about canonical S and about low-order points. Two Ed25519 libraries disagree on
degenerate keys, therefore nothing else in the project verifies, and such keys are refused at enrolment
(`check_public_key`). Keys and randomness come from outside: this module takes seeds, it never draws one.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

import nacl.bindings
import nacl.exceptions

from .errors import BadSignature

PUBLIC_KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
SEED_BYTES: Final = 32


class Tag:
    """The table of domain tags. A tag ends in NUL, so none is a prefix of another."""

    ENTRY: Final = b"pledgebook/entry/v1\0"
    RECEIVABLE: Final = b"pledgebook/receivable-id/v1\0"
    LIEN: Final = b"pledgebook/lien-id/v1\0"
    OFFER: Final = b"pledgebook/offer-id/v1\0"
    BLANKET: Final = b"pledgebook/blanket-id/v1\0"
    COVER: Final = b"pledgebook/cover-id/v1\0"
    POOL: Final = b"pledgebook/pool-id/v1\0"
    POSSESSION: Final = b"pledgebook/possession/v1\0"
    NODE_POSSESSION: Final = b"pledgebook/node-possession/v1\0"
    TACIT_OPT_IN: Final = b"pledgebook/tacit-opt-in/v1\0"
    HEADER: Final = b"pledgebook/header/v1\0"
    LAST_CERTIFICATE: Final = b"pledgebook/last-certificate/v1\0"
    VALIDATORS: Final = b"pledgebook/validators/v1\0"
    POLICY: Final = b"pledgebook/policy/v1\0"
    GENESIS: Final = b"pledgebook/genesis/v1\0"
    STATE_KEY: Final = b"pledgebook/state-key/v1\0"
    PUBLIC: Final = b"pledgebook/public-value/v1\0"
    PRIVATE: Final = b"pledgebook/private-value/v1\0"
    FINGERPRINTS: Final = b"pledgebook/fingerprints/v1\0"
    COMMITMENT: Final = b"pledgebook/commitment/v1\0"
    ACCESS_TOKEN: Final = b"pledgebook/access-token/v1\0"


def digest(tag: bytes, *parts: bytes) -> bytes:
    """SHA-256 over a tag and the parts. Callers give at most one part of variable length, and it last."""
    return sha256(tag + b"".join(parts)).digest()


class SigningKey:
    """A private key in memory. It signs; it never prints."""

    __slots__ = ("_secret", "public_key")

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise ValueError(f"an Ed25519 seed has {SEED_BYTES} bytes")
        self.public_key, self._secret = nacl.bindings.crypto_sign_seed_keypair(seed)

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature of `message`, which must begin with a tag of `Tag` or of consensus."""
        return nacl.bindings.crypto_sign(message, self._secret)[:SIGNATURE_BYTES]

    def __repr__(self) -> str:
        return f"SigningKey(public_key={self.public_key.hex()})"

    def __reduce__(self) -> str:
        raise TypeError("a signing key is never serialised")


def verify(public_key: bytes, message: bytes, signature: bytes) -> None:
    """Check one Ed25519 signature. Raises BadSignature.

    Source: RFC 8032, with libsodium's strictness: S < L, and neither the key nor R of low order.
    """
    if len(public_key) != PUBLIC_KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        raise BadSignature("a public key has 32 bytes and a signature 64")
    try:
        nacl.bindings.crypto_sign_open(signature + message, public_key)
    except nacl.exceptions.BadSignatureError as error:
        raise BadSignature("the signature does not verify", public_key=public_key.hex()) from error


def check_public_key(public_key: bytes) -> None:
    """Refuse a key that is not a canonical point of the main subgroup. Raises BadSignature.

    With a key of low order one signature would verify for many messages, and libraries differ on which.
    """
    if len(public_key) != PUBLIC_KEY_BYTES or not nacl.bindings.crypto_core_ed25519_is_valid_point(
        public_key
    ):
        raise BadSignature("not a usable Ed25519 public key", public_key=public_key.hex())
