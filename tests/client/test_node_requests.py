"""A node's request to be admitted: what the association is handed, and what it does not take for one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from client.commands.nodes import _read_request, _weight
from client.errors import DirectoryError, InputError
from registry.admission_document import (
    DOCUMENT_BYTES_MAX,
    AdmissionRequest,
    decode_admission,
    encode_admission,
    request_admission,
)
from registry.errors import BadSignature, MalformedEntry
from registry.nodes import NetworkNode
from tests.client.audit.chain_builder import key_of, member_id_of

CHAIN_ID = bytes(range(32))
KEY = key_of("node newcomer")
NODE = NetworkNode("newcomer", member_id_of("factor-1"), KEY.public_key, 1, b"a certificate")
REQUEST = request_admission(CHAIN_ID, NODE, KEY)


def test_a_request_reads_back_as_it_was() -> None:
    assert decode_admission(encode_admission(REQUEST)) == REQUEST


def altered(change: Callable[[dict[str, Any]], None]) -> bytes:
    document = json.loads(encode_admission(REQUEST))
    change(document)
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document["node"].update(node_id="other"),
        lambda document: document["node"].update(member_id=member_id_of("factor-2")),
        lambda document: document["node"].update(tls_certificate="b3RoZXI="),
        lambda document: document.update(chain_id="00" * 32),
        lambda document: document.update(possession="00" * 64),
    ],
)
def test_what_the_key_has_not_signed_is_refused(change: Callable[[dict[str, Any]], None]) -> None:
    with pytest.raises(BadSignature, match="has not signed"):
        decode_admission(altered(change))


def test_the_weight_is_the_associations_to_change() -> None:
    """It is no part of what the key signs: the association decides it."""
    heavier = decode_admission(altered(lambda document: document["node"].update(power=5)))
    assert heavier.node.power == 5


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b"{" * 10_000,
        b" " * (DOCUMENT_BYTES_MAX + 1),
        altered(lambda document: document.update(format=2)),
        altered(lambda document: document.pop("node")),
        altered(lambda document: document.update(more=1)),
        altered(lambda document: document.update(chain_id=5)),
        altered(lambda document: document.update(possession="zz")),
        altered(lambda document: document.update(possession="00")),
        altered(lambda document: document["node"].update(power=-1)),
        altered(lambda document: document["node"].update(node_id="A B")),
        altered(lambda document: document["node"].update(consensus_key="00" * 32)),
        altered(lambda document: document["node"].update(member_id="lei:nobody")),
    ],
)
def test_what_is_no_request_is_refused(document: bytes) -> None:
    with pytest.raises((MalformedEntry, BadSignature)):
        decode_admission(document)


def test_a_file_that_is_none_is_told_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "request.json"
    with pytest.raises(DirectoryError, match=r"request\.json"):
        _read_request(path)
    path.write_bytes(b"{}")
    with pytest.raises(InputError, match=r"request\.json"):
        _read_request(path)
    path.write_bytes(encode_admission(REQUEST))
    assert _read_request(path) == AdmissionRequest(CHAIN_ID, NODE, REQUEST.possession)


@pytest.mark.parametrize(
    "text", ["factor-1", "factor-1=", "=1", "factor-1=-1", "factor-1=one", "factor-1=99999999999"]
)
def test_a_weight_is_a_name_and_a_number(text: str) -> None:
    assert _weight("factor-1=7") == ("factor-1", 7)
    with pytest.raises(InputError, match="NODE=POWER"):
        _weight(text)
