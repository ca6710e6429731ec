"""Private keys at rest: members' signing keys and a node's consensus key, as PKCS#8 PEM files.

Guarantees: a key file is created with mode 0600 and never over an existing one; a file that others can read is refused;
key material is in no message, no log and no `repr`.
Leaves to others: signing and verification (`registry.signing`); rotation, which is an entry on the ledger.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from registry.signing import SigningKey

# A PKCS#8 Ed25519 key is about 120 bytes, an encrypted one about 400: anything larger is not one.
KEY_FILE_BYTES_MAX = 16 * 1024
SEED_BYTES = 32
KEY_ENVIRONMENT_VARIABLE = "PLEDGEBOOK_KEY_PASSPHRASE"


class KeyFileError(Exception):
    """A key file cannot be read or written; the message names the file and what to do, never its content."""


def generate_key() -> SigningKey:
    """A new key from the operating system's randomness."""
    return SigningKey(os.urandom(SEED_BYTES))


def write_key(path: Path, seed: bytes, passphrase: str | None = None) -> None:
    """Write the 32-byte seed as PKCS#8 PEM, encrypted when a passphrase is given. Raises KeyFileError if it exists."""
    encryption: KeySerializationEncryption = NoEncryption()
    if passphrase:
        encryption = BestAvailableEncryption(passphrase.encode())
    key = Ed25519PrivateKey.from_private_bytes(seed)
    write_secret(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))


def read_key(path: Path, passphrase: str | None = None) -> SigningKey:
    """Read what `write_key` wrote; an encrypted file needs the passphrase. Raises KeyFileError."""
    pem = read_secret(path)
    try:
        key = serialization.load_pem_private_key(pem, passphrase.encode() if passphrase else None)
    except TypeError as error:
        # cryptography's way to say that a passphrase is missing, or given for a file that has none.
        if passphrase:
            return read_key(path)
        raise KeyFileError(f"{path} is protected by a passphrase: set {KEY_ENVIRONMENT_VARIABLE}") from error
    except ValueError as error:
        raise KeyFileError(f"{path} is not a readable PKCS#8 key, or the passphrase is wrong") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileError(f"{path} holds a {type(key).__name__}, expected an Ed25519 key")
    return SigningKey(key.private_bytes_raw())


def passphrase_from_environment() -> str | None:
    """The passphrase that the environment gives, or None."""
    return os.environ.get(KEY_ENVIRONMENT_VARIABLE) or None


def write_secret(path: Path, content: bytes) -> None:
    """Create `path` with mode 0600 and flush it to disk. Raises KeyFileError when it exists: a key is never overwritten."""
    try:
        # O_EXCL also refuses a symbolic link that somebody planted in the place of the file.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise KeyFileError(f"{path} exists already; a key file is never overwritten") from error
    except OSError as error:
        raise KeyFileError(f"cannot create the key file {path}: {error.strerror}") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def read_secret(path: Path) -> bytes:
    """The content of a file that only its owner may read. Raises KeyFileError."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(KEY_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise KeyFileError(f"cannot read the key file {path}: {error.strerror}") from error
    if stat.S_IMODE(mode) & 0o077:
        raise KeyFileError(f"{path} can be read by others (mode {stat.S_IMODE(mode):04o}): chmod 600 {path}")
    if len(content) > KEY_FILE_BYTES_MAX:
        raise KeyFileError(f"{path} is longer than {KEY_FILE_BYTES_MAX} bytes: not a key file")
    return content
