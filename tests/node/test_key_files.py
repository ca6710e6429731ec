"""Private keys at rest."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from node.keys import KeyFileError, generate_key, read_key, write_key, write_secret
from registry.signing import SigningKey

SEED = bytes(range(32))


def test_written_key_reads_back_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "member.pem"
    write_key(path, SEED)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_key(path).public_key == SigningKey(SEED).public_key


def test_generated_keys_differ() -> None:
    assert generate_key().public_key != generate_key().public_key


def test_key_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "member.pem"
    write_key(path, SEED)
    before = path.read_bytes()
    with pytest.raises(KeyFileError, match="never overwritten"):
        write_key(path, bytes(32))
    assert path.read_bytes() == before


def test_file_that_others_can_read_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "member.pem"
    write_key(path, SEED)
    path.chmod(0o640)
    with pytest.raises(KeyFileError, match="chmod 600"):
        read_key(path)


def test_passphrase_protects_and_opens(tmp_path: Path) -> None:
    path = tmp_path / "member.pem"
    write_key(path, SEED, "correct horse")
    assert b"ENCRYPTED" in path.read_bytes()
    assert read_key(path, "correct horse").public_key == SigningKey(SEED).public_key
    with pytest.raises(KeyFileError, match="set PLEDGEBOOK_KEY_PASSPHRASE"):
        read_key(path)
    with pytest.raises(KeyFileError, match="passphrase is wrong"):
        read_key(path, "wrong")


def test_needless_passphrase_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "member.pem"
    write_key(path, SEED)
    assert read_key(path, "set for other keys").public_key == SigningKey(SEED).public_key


def test_key_of_another_kind_and_garbage_are_refused(tmp_path: Path) -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    write_secret(tmp_path / "ec.pem", other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(KeyFileError, match="expected an Ed25519 key"):
        read_key(tmp_path / "ec.pem")
    write_secret(tmp_path / "garbage.pem", b"\x00garbage")
    with pytest.raises(KeyFileError, match="not a readable PKCS#8 key"):
        read_key(tmp_path / "garbage.pem")
    write_secret(tmp_path / "long.pem", b"x" * 20_000)
    with pytest.raises(KeyFileError, match="not a key file"):
        read_key(tmp_path / "long.pem")
    with pytest.raises(KeyFileError, match="cannot read"):
        read_key(tmp_path / "none.pem")
