"""tests/vectors/node.json: what a node keeps on its disk and reads again, written by our code and read apart from it.

Made with `python -m tests.node.test_node_vectors`; a change of these bytes changes a version and docs/formats.md with them.
"""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path
from typing import Any

import google_crc32c
import msgpack
import pytest

from consensus.certificate import Certificate
from consensus.inputs import (
    CertificateReceived,
    HeightStarted,
    Input,
    ProposalReceived,
    Synced,
    Timeout,
    TimeoutElapsed,
    TimeoutKind,
    ValueBuilt,
    ValueReceived,
    ValueValidated,
    VoteReceived,
    WorkAvailable,
)
from consensus.messages import BlockHash, Proposal, UnsignedVote, Vote, VoteType
from consensus.validators import NodeId, Validator, ValidatorSet
from node.input_codec import decode_input, encode_input
from node.journal import JOURNAL_NAME, Journal
from node.signer import SIGNER_NAME, Signer
from registry.access_token import check_token_signature, decode_token, make_token
from registry.signing import SigningKey, Tag, verify
from tests.node.crashing_disk import CrashingDisk

VECTORS = Path(__file__).parents[1] / "vectors" / "node.json"

CHAIN_ID = bytes(range(32))
MARK = b"\xa1\xa2\xa3\xa4\xa5\xa6\xa7\xa8"
KEY = SigningKey(b"\x07" * 32)
NAME = NodeId("factor-1")
MEMBER = "lei:529900T8BM49AURSDO55"
HASH = BlockHash(b"\xbb" * 32)
SIGNATURE = b"\xcc" * 64
VALIDATORS = ValidatorSet((Validator(NAME, KEY.public_key, 1),))
VOTE = UnsignedVote(VoteType.PREVOTE, 5, 2, HASH, 1, NAME)

INPUTS: dict[str, Input] = {
    "height started": HeightStarted(5, VALIDATORS, 1_700_000_000_000),
    "work available": WorkAvailable(5),
    "proposal received": ProposalReceived(Proposal(5, 2, 1, HASH, 4_096, NAME, SIGNATURE), 1_700_000_000_123),
    "vote received": VoteReceived(Vote(VoteType.PRECOMMIT, 5, 2, None, -1, NAME, SIGNATURE)),
    "value received": ValueReceived(5, HASH, b"payload", 1_700_000_000_100),
    "certificate received": CertificateReceived(Certificate(5, 2, HASH, b"\x80", (SIGNATURE,))),
    "value built": ValueBuilt(5, 2, HASH, b"payload", 1_700_000_000_100),
    "value validated": ValueValidated(5, HASH, False, "wrong state root"),
    "timeout elapsed": TimeoutElapsed(Timeout(5, 2, TimeoutKind.PREVOTE)),
    "synced": Synced(5),
}


def made() -> dict[str, Any]:
    """The document, by our code."""
    disk = CrashingDisk()
    journal = Journal(disk, CHAIN_ID, new_mark=lambda: MARK)
    journal.begin(b"first")
    journal.append(b"second")
    journal.flush()
    journal.begin(b"third")
    signer = Signer(disk, KEY, CHAIN_ID)
    signer.create(floor=3)
    fresh = disk.read(SIGNER_NAME)
    signer.sign(VOTE)
    return {
        "chain_id": CHAIN_ID.hex(),
        "journal": {
            "mark": MARK.hex(),
            "records": [b"first".hex(), b"second".hex(), b"third".hex()],
            "file": disk.read(JOURNAL_NAME).hex(),
        },
        "signer": {
            "seed": (b"\x07" * 32).hex(),
            "floor": 3,
            "file_before": fresh.hex(),
            "file_after": disk.read(SIGNER_NAME).hex(),
        },
        "inputs": {name: encode_input(input).hex() for name, input in INPUTS.items()},
        "access_token": {
            "seed": (b"\x07" * 32).hex(),
            "member": MEMBER,
            "node": NAME,
            "issued_ms": 1_700_000_000_000,
            "value": make_token(KEY, MEMBER, NAME, 1_700_000_000_000),
        },
    }


@pytest.fixture(scope="module")
def vectors() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(VECTORS.read_text())
    return document


def test_our_code_writes_the_vectors(vectors: dict[str, Any]) -> None:
    assert made() == vectors


def test_journal_file_reads_as_laid_out(vectors: dict[str, Any]) -> None:
    data, mark = bytes.fromhex(vectors["journal"]["file"]), bytes.fromhex(vectors["journal"]["mark"])
    head = b"pledgebook journal 1\n" + mark + bytes.fromhex(vectors["chain_id"])
    assert data.startswith(head + struct.pack(">I", google_crc32c.value(head)))
    offset = len(head) + 4
    # The first stands with the head in one atomic write: it saw no durable byte but the head's.
    read: list[tuple[int, bool, str]] = []
    while offset < len(data):
        checksum, flushed, length = struct.unpack_from(">IQI", data, offset + 8)
        end = offset + 24 + (length & 0x7FFF_FFFF)
        assert data[offset : offset + 8] == mark
        assert google_crc32c.value(data[offset + 12 : end]) == checksum
        read.append((flushed, bool(length >> 31), data[offset + 24 : end].hex()))
        offset = end
    first, second, third = vectors["journal"]["records"]
    begun = len(head) + 4 + 24 + len(b"first")
    flushed = begun + 24 + len(b"second")
    assert read == [(len(head) + 4, True, first), (begun, False, second), (flushed, True, third)]


def test_journal_of_the_vectors_opens_at_the_last_height(vectors: dict[str, Any]) -> None:
    disk = CrashingDisk()
    disk.write_atomic(JOURNAL_NAME, bytes.fromhex(vectors["journal"]["file"]))
    assert Journal(disk, CHAIN_ID).open().payloads == (b"third",)


def test_signer_file_reads_as_laid_out(vectors: dict[str, Any]) -> None:
    data = bytes.fromhex(vectors["signer"]["file_after"])
    title = b"pledgebook signer 1\n"
    assert data.startswith(title + bytes.fromhex(vectors["chain_id"]) + KEY.public_key)
    at = len(title) + 64
    floor, height, round, step, length = struct.unpack_from(">QQIBH", data, at)
    assert (floor, height, round, step) == (3, 5, 2, 1)
    at += 23
    sign_bytes, signature = data[at : at + length], data[at + length : at + length + 64]
    assert sign_bytes == VOTE.sign_bytes(CHAIN_ID)
    verify(KEY.public_key, sign_bytes, signature)
    assert data[at + length + 64 :] == struct.pack(">I", google_crc32c.value(data[:-4]))
    before = bytes.fromhex(vectors["signer"]["file_before"])
    assert struct.unpack_from(">QQIBH", before, len(title) + 64) == (3, 0, 0, 0, 0)


def test_signer_of_the_vectors_remembers(vectors: dict[str, Any]) -> None:
    disk = CrashingDisk()
    disk.write_atomic(SIGNER_NAME, bytes.fromhex(vectors["signer"]["file_after"]))
    signer = Signer(disk, KEY, CHAIN_ID)
    assert (signer.floor, signer.last and signer.last.place) == (3, (5, 2, 1))


@pytest.mark.parametrize("name", INPUTS)
def test_input_of_the_vectors_is_read(vectors: dict[str, Any], name: str) -> None:
    assert decode_input(bytes.fromhex(vectors["inputs"][name]), lambda height: VALIDATORS) == INPUTS[name]


def test_access_token_reads_as_laid_out(vectors: dict[str, Any]) -> None:
    token = vectors["access_token"]
    scheme, text = token["value"].split(" ")
    body, signature = msgpack.unpackb(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), use_list=False)
    issued = token["issued_ms"]
    assert (scheme, msgpack.unpackb(body, use_list=False)) == (
        "pledgebook",
        (1, token["member"], KEY.public_key, token["node"], issued, issued + 600_000),
    )
    verify(KEY.public_key, Tag.ACCESS_TOKEN + body, signature)
    check_token_signature(decode_token(token["value"]))


if __name__ == "__main__":
    VECTORS.write_text(json.dumps(made(), indent=2) + "\n")
