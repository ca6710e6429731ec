"""The consensus key, and the memory of what it signed last: the last line against voting twice.

Guarantees: for each (height, round, step) at most one sign bytes ever gets a signature, across crashes and whatever the
engine asks, because the new memory replaces the old one durably before the signature is returned. The same bytes get the same
signature again, so a crash between signing and sending is harmless. Anything lower or conflicting is `SigningRefused`.
Nothing at or below the *floor* is signed at all: the floor is raised when a journal is lost, or a backup restored, and it
is kept here so that a restart does not forget it. Which message is right to sign is left to consensus.
Each key has a memory of its own: after a change of key that of the old one is kept, and is there if it ever comes back.

    file  "pledgebook signer 1\\n" | chain id 32 | public key 32 | floor u64 | height u64 | round u32 | step u8 |
          length u16 | sign bytes | signature 64 | CRC32C of all before u32

Votes carry no time, so asking for the same vote again asks for the same bytes; Ed25519 is deterministic anyway.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

import google_crc32c

from consensus.messages import Proposal, UnsignedProposal, UnsignedVote, Vote, VoteType
from node.disk import Disk
from registry.signing import SIGNATURE_BYTES, SigningKey

SIGNER_NAME: Final = "signer"
"""The memory of the configured key. That of another key which this node has used is kept beside it (`_kept_name`)."""

_TITLE: Final = b"pledgebook signer 1\n"
_PLACE: Final = struct.Struct(">QQIBH")
_CRC: Final = struct.Struct(">I")
_ID_BYTES: Final = 32
_HEAD_BYTES: Final = len(_TITLE) + 2 * _ID_BYTES
_PROPOSAL_STEP: Final = 0


class SigningRefused(Exception):
    """What was asked conflicts with what was signed before, or stands at or below the floor. Nothing was signed."""


class SignerCorrupt(Exception):
    """The signer file does not read back, or is of another key or chain; the message says what to do."""


@dataclass(frozen=True, slots=True)
class LastSigned:
    """The highest place that the key has signed at, and what. Height 0: nothing yet."""

    height: int
    round: int
    step: int
    sign_bytes: bytes
    signature: bytes

    @property
    def place(self) -> tuple[int, int, int]:
        """What must never go back."""
        return self.height, self.round, self.step


_NOTHING: Final = LastSigned(0, 0, 0, b"", bytes(SIGNATURE_BYTES))


class Signer:
    """One key, one file. One thread owns it. Every method raises DiskFailed."""

    def __init__(self, disk: Disk, key: SigningKey, chain_id: bytes) -> None:
        """Reads the file if there is one. Raises SignerCorrupt."""
        self._disk = disk
        self._key = key
        self._chain_id = chain_id
        self._last = _NOTHING
        self._floor = 0
        self._take_own_file()
        self._exists = disk.exists(SIGNER_NAME)
        if self._exists:
            self._floor, self._last = self._decode(disk.read(SIGNER_NAME))

    def _take_own_file(self) -> None:
        """Put the memory of another key aside, and that of this one in its place if there is any.

        If we were to crash between two of these steps, the next start would find what the first one kept, and do the rest.
        """
        other = self._key_of_file()
        own_kept = _kept_name(self._key.public_key)
        if other is not None:
            self._disk.write_atomic(_kept_name(other), self._disk.read(SIGNER_NAME))
            if self._disk.exists(own_kept):
                self._disk.write_atomic(SIGNER_NAME, self._disk.read(own_kept))
            else:
                self._disk.remove(SIGNER_NAME)
        elif self._disk.exists(own_kept) and not self._disk.exists(SIGNER_NAME):
            self._disk.write_atomic(SIGNER_NAME, self._disk.read(own_kept))
        # From here on the file is the memory; an older copy of it must not be taken for one.
        if self._disk.exists(own_kept):
            self._disk.remove(own_kept)

    def _key_of_file(self) -> bytes | None:
        """Whose memory the file is, when it is whole, of this chain, and of another key than ours."""
        if not self._disk.exists(SIGNER_NAME):
            return None
        data = self._disk.read(SIGNER_NAME)
        public_key = data[_HEAD_BYTES - _ID_BYTES : _HEAD_BYTES]
        checksum = _CRC.pack(google_crc32c.value(data[: -_CRC.size]))
        is_whole = data.startswith(_TITLE + self._chain_id) and data.endswith(checksum)
        return public_key if is_whole and public_key != self._key.public_key else None

    @property
    def exists(self) -> bool:
        """Whether there is a file; without one nobody can say what this key has signed."""
        return self._exists

    @property
    def floor(self) -> int:
        """Nothing at or below this height is signed."""
        return self._floor

    @property
    def last(self) -> LastSigned | None:
        """What was signed last; None when the file says: nothing yet."""
        return self._last if self._last.height else None

    @property
    def public_key(self) -> bytes:
        """The key that peers check against."""
        return self._key.public_key

    def create(self, floor: int = 0) -> None:
        """Write the first file, which says that nothing was signed yet and nothing will be up to `floor`."""
        if self._exists:
            raise AssertionError("a signer file is never made anew over an old one")
        self._write(floor, _NOTHING)

    def raise_floor(self, height: int) -> None:
        """Sign nothing up to `height` from now on, also after a restart. Never lowers it."""
        if height > self._floor:
            self._write(height, self._last)

    def sign(self, message: UnsignedVote | UnsignedProposal) -> Vote | Proposal:
        """Sign, remembering it durably first. Raises SigningRefused."""
        sign_bytes = message.sign_bytes(self._chain_id)
        place = (message.height, message.round, _step(message))
        if message.height <= self._floor:
            raise SigningRefused(
                f"height {message.height} is not above {self._floor}, up to which this node observes"
            )
        if place == self._last.place:
            if sign_bytes != self._last.sign_bytes:
                raise SigningRefused(f"something else was already signed at height, round, step {place}")
            return message.signed(self._last.signature)
        if place < self._last.place:
            raise SigningRefused(f"asked for height, round, step {place} after {self._last.place} was signed")
        signature = self._key.sign(sign_bytes)
        # If we were to crash before this, nothing would be signed; after it, the same vote gets this same signature.
        self._write(self._floor, LastSigned(*place, sign_bytes, signature))
        return message.signed(signature)

    def _write(self, floor: int, last: LastSigned) -> None:
        place = _PLACE.pack(floor, last.height, last.round, last.step, len(last.sign_bytes))
        content = b"".join(
            (_TITLE, self._chain_id, self._key.public_key, place, last.sign_bytes, last.signature)
        )
        self._disk.write_atomic(SIGNER_NAME, content + _CRC.pack(google_crc32c.value(content)))
        self._floor, self._last, self._exists = floor, last, True

    def _decode(self, data: bytes) -> tuple[int, LastSigned]:
        body, checksum = data[: -_CRC.size], data[-_CRC.size :]
        fields_end = _HEAD_BYTES + _PLACE.size
        if (
            len(body) < fields_end
            or not body.startswith(_TITLE)
            or _CRC.pack(google_crc32c.value(body)) != checksum
        ):
            raise SignerCorrupt(_damaged("it does not read back"))
        chain_id = body[len(_TITLE) : len(_TITLE) + _ID_BYTES]
        public_key = body[len(_TITLE) + _ID_BYTES : _HEAD_BYTES]
        if chain_id != self._chain_id:
            raise SignerCorrupt(
                f"the file {SIGNER_NAME} is of chain {chain_id.hex()}, not {self._chain_id.hex()}"
            )
        assert public_key == self._key.public_key, "a file of another key was put aside"
        floor, height, round, step, length = _PLACE.unpack_from(body, _HEAD_BYTES)
        if len(body) != fields_end + length + SIGNATURE_BYTES:
            raise SignerCorrupt(_damaged(f"its length does not fit {length} signed bytes"))
        sign_bytes = body[fields_end : fields_end + length]
        return floor, LastSigned(height, round, step, sign_bytes, body[fields_end + length :])


def _kept_name(public_key: bytes) -> str:
    return f"{SIGNER_NAME}-{public_key.hex()[:16]}"


def _step(message: UnsignedVote | UnsignedProposal) -> int:
    """0 proposal, 1 prevote, 2 precommit: the order in which one round asks for them."""
    return _PROPOSAL_STEP if isinstance(message, UnsignedProposal) else VoteType(message.type)


def _damaged(what: str) -> str:
    return (
        f"the file {SIGNER_NAME} is damaged: {what}. It is written atomically, so the disk or somebody changed it. "
        "Move it aside; the node then observes until it can vote without having forgotten what it signed"
    )
