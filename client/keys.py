"""Members' signing keys at rest: PKCS#8 PEM files of mode 0600, with an optional passphrase.

Guarantees: a key file is never written over an existing one, one that others can read is refused, and key material is
in no message and no `repr`. The passphrase comes from the environment variable PLEDGEBOOK_KEY_PASSPHRASE, never from
the command line, where other users of the machine could read it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from registry.signing import SEED_BYTES, SigningKey

from .errors import KeyFileError

KEY_ENVIRONMENT_VARIABLE: Final = "PLEDGEBOOK_KEY_PASSPHRASE"
# A PKCS#8 Ed25519 key is about 120 bytes, an encrypted one about 400: anything larger is not one.
KEY_FILE_BYTES_MAX: Final = 16 * 1024


def passphrase_from_environment() -> str | None:
    """The passphrase that the environment gives, or None."""
    return os.environ.get(KEY_ENVIRONMENT_VARIABLE) or None


def create_key(path: Path, passphrase: str | None = None) -> SigningKey:
    """A new key from the system's randomness, written to `path`. Raises KeyFileError if the file exists."""
    seed = os.urandom(SEED_BYTES)
    encryption: KeySerializationEncryption = NoEncryption()
    if passphrase:
        encryption = BestAvailableEncryption(passphrase.encode())
    pem = Ed25519PrivateKey.from_private_bytes(seed).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, encryption
    )
    write_secret(path, pem)
    return SigningKey(seed)


def read_key(path: Path, passphrase: str | None = None) -> SigningKey:
    """The key in a PEM file. Raises KeyFileError, saying what to do."""
    pem = read_secret(path)
    is_encrypted = b"ENCRYPTED" in pem
    if is_encrypted and not passphrase:
        raise KeyFileError(f"{path} is protected by a passphrase: set {KEY_ENVIRONMENT_VARIABLE}")
    try:
        key = load_pem_private_key(pem, passphrase.encode() if passphrase and is_encrypted else None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyFileError(f"{path} is not a readable PKCS#8 key, or the passphrase is wrong") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileError(f"{path} holds a {type(key).__name__}, expected an Ed25519 key")
    return SigningKey(key.private_bytes_raw())


def write_secret(path: Path, content: bytes) -> None:
    """Create `path` with mode 0600 and flush it to disk. Raises KeyFileError if it exists."""
    try:
        # O_EXCL also refuses a symbolic link that somebody planted in the place of the file.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise KeyFileError(f"{path} exists already; what holds a secret is never overwritten") from error
    except OSError as error:
        raise KeyFileError(f"cannot create {path}: {error.strerror}") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def read_secret(path: Path) -> bytes:
    """The content of a file that only its owner may read. Raises KeyFileError."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read(KEY_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise KeyFileError(f"cannot read the key file {path}: {error.strerror}") from error
    if mode & 0o077:
        raise KeyFileError(f"{path} can be read by others (mode {mode:04o}): chmod 600 {path}")
    if len(content) > KEY_FILE_BYTES_MAX:
        raise KeyFileError(f"{path} is longer than {KEY_FILE_BYTES_MAX} bytes: not a key file")
    return content
