"""The registry's bytes against `tests/vectors/registry.json`, in both directions.

`build` makes them anew from fixed seeds with the registry's code. The checks beside it read them with nothing but msgpack,
hashlib, hmac and libsodium, so that a mistake in our own code does not agree with itself. When a format changes on purpose:
`python -c "from tests.registry.test_registry_vectors import write; write()"`, together with docs/formats.md and a version.
"""

from __future__ import annotations

import hmac
import json
from base64 import b64decode, urlsafe_b64decode
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgpack
import nacl.bindings
import pytest

from registry.access_token import check_token_signature, decode_token, make_token
from registry.admission_document import decode_admission, encode_admission, request_admission
from registry.block import decode_block, decode_header, encode_block
from registry.codec import pack, unpack
from registry.entry import Mode, decode_entry
from registry.errors import MalformedEntry
from registry.exposure import exposure_id, risk_assets_id
from registry.fingerprints import FingerprintKey, Numbering, normalise_number
from registry.genesis import parse_genesis
from registry.identifiers import MemberId, lien_id, receivable_id, show_id
from registry.limits import HEIGHT_MAX
from registry.member import possession_message
from registry.nodes import NetworkNode
from registry.operations import OPERATION_TYPES
from registry.operations.existence import Defence, Instalment
from registry.operations.governance import EnrolMember, KeyEnrolment, Role
from registry.operations.security import Junior
from registry.policy import ConfirmationPolicy, Policy
from registry.receipt import decode_receipt
from registry.record.covers import policy_use_id
from registry.rules.judgement import similar_key
from registry.stored import Namespace, decode_value, split_stored, state_key
from registry.transition import genesis_state
from tests.registry.assignment_examples import trade
from tests.registry.collection_examples import collect
from tests.registry.consortium import (
    ASSOCIATION,
    BANK,
    DEBTOR,
    DEBTOR_REFERENCE,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    FINGERPRINT_KEY,
    INSURER,
    OPEN_POLICY,
    START_DAY,
    START_MS,
    STRANGER,
    TRADER,
    Consortium,
    cancellation,
    checked,
    confirmation,
    dispute,
    found,
    genesis_document,
    key_of,
    payment,
    release,
    resolution,
    settlement,
)
from tests.registry.cover_examples import POLICY as INSURANCE
from tests.registry.cover_examples import insure
from tests.registry.existence_examples import come_into_being
from tests.registry.governance_examples import CONTROLLER, govern
from tests.registry.pool_examples import run_a_pool

PATH = Path(__file__).parents[1] / "vectors" / "registry.json"

_CANONICAL: dict[str, object] = {
    "0": 0,
    "127": 127,
    "128": 128,
    "65536": 65_536,
    "2^63-1": 2**63 - 1,
    "text 'é'": "é",
    "text of 32 letters a": "a" * 32,
    "no bytes": b"",
    "bytes 00 ff": b"\x00\xff",
    "256 bytes of zero": bytes(256),
    "no items": (),
    "[1, [2, bytes 03]]": (1, (2, b"\x03")),
    "16 zeros": (0,) * 16,
}
_REFUSED: dict[str, str] = {
    "nil": "c0",
    "true": "c3",
    "a float": "cb3ff0000000000000",
    "an empty map": "80",
    "an extension": "d40100",
    "-1": "ff",
    "2^63": "cf8000000000000000",
    "7 in two bytes": "cc07",
    "bytes with a long length": "c5000161",
    "text with a long length": "d90161",
    "an array with a long length": "dc000101",
    "a byte behind": "0000",
    "text that is no UTF-8": "a1ff",
    "nine levels": "91" * 9 + "00",
    "an announced length of 2^32-1": "ddffffffff",
}
_NUMBERS = (
    "INV-007",
    "ｉｎｖ ００７",
    "2024-0042",
    "A0001B0020",
    "000",
    "№ 7",
    "发票０１２",
    "٠٠٧",
    "①②",
    "ß5",
)


def chain() -> Consortium:
    """A few blocks in which every type of operation occurs, and every namespace of the state."""
    policy = replace(
        OPEN_POLICY, require_confirmation=ConfirmationPolicy.FOR_ASSIGNMENT, operations_per_day_max=1_000
    )
    consortium = found(policy)
    instalments = (Instalment(START_DAY + 30, 4_000), Instalment(START_DAY + 90, 6_000))
    consortium.do(
        consortium.registration(
            "INV-1", fiscal="1", document=b"paper", deliveries=[("BL-1", 4, 10)], schedule=instalments
        ),
        consortium.registration("INV-2", currency="JPY", reverse_factoring_debtor=DEBTOR),
        consortium.registration("INV-3"),
    )
    first, second, third = consortium.receivables
    key = key_of(STRANGER)
    possession = key.sign(possession_message(consortium.genesis.chain_id, STRANGER, key.public_key))
    enrolment = EnrolMember(
        STRANGER,
        (Role.FACTOR,),
        Numbering.YEARLY,
        FINGERPRINT_KEY.debtor(STRANGER),
        (KeyEnrolment(key.public_key, possession),),
    )
    assign = consortium.assignment(first, 5_000, with_recourse=True, price_commitment=bytes(range(32)))
    raw = consortium.entry(consortium.pledging(first, 3_000, FACTOR_2))
    senior = lien_id(checked(raw).entry_id, 0)
    junior = consortium.pledging(first, 2_000, FACTOR_1, junior_to=Junior(senior, FACTOR_2))
    consortium.commit(
        consortium.entry(enrolment, by=ASSOCIATION),
        consortium.entry(confirmation(first, 8_000, waived=(Defence.QUALITY, Defence.SET_OFF))),
        consortium.entry(assign),
        raw,
        consortium.entry(junior),
        consortium.entry(cancellation(third)),
    )
    consortium.do(
        dispute(first, 1_000),
        resolution(first, freed=600, dilution=[(EXPORTER, 400)]),
        payment(first, 1_500, reporter=BANK),
        release(first, senior, FACTOR_2),
        payment(second, 10_000, reference="TRN 1"),
        settlement(second),
    )
    run_a_pool(consortium)
    trade(consortium)
    consortium.do(
        consortium.pledging(first, 2_500, FACTOR_2),
        consortium.assignment(first, 5_000, FACTOR_2),
        consortium.registration("INV-1"),
        mode=Mode.INDEPENDENT,
    )
    come_into_being(consortium)
    collect(consortium)
    insure(consortium)
    govern(consortium)
    return consortium


def _node_request(consortium: Consortium) -> str:
    key = key_of("node of factor 2")
    node = NetworkNode("factor-2b", FACTOR_2, key.public_key, 1, b"certificate of factor-2b")
    return encode_admission(request_admission(consortium.genesis.chain_id, node, key)).decode()


def build() -> dict[str, Any]:
    consortium = chain()
    document = genesis_document(consortium.genesis.policy)
    entries = [raw for committed in consortium.blocks for raw in committed.block.entries]
    return {
        "codec": {
            "canonical": [[name, pack(value).hex()] for name, value in _CANONICAL.items()],
            "refused": [[name, encoded] for name, encoded in _REFUSED.items()],
        },
        "genesis": {
            "document": document.decode(),
            "chain_id": consortium.genesis.chain_id.hex(),
            "validators_hash": consortium.genesis.validators_hash().hex(),
            "policy_hash": consortium.genesis.policy.hash().hex(),
            "state_root": genesis_state(consortium.genesis).state_root.hex(),
        },
        "node_request": _node_request(consortium),
        "entries": [_entry(raw) for raw in entries],
        "blocks": [
            {
                "block": committed.raw.hex(),
                "header": committed.block.header_bytes.hex(),
                "block_hash": committed.block.block_hash.hex(),
                "receipts": [receipt.hex() for receipt in committed.result.receipts],
            }
            for committed in consortium.blocks
        ],
        "state": list(_state(consortium)),
        "fingerprints": _fingerprints(consortium),
        "access_token": _token(),
    }


def _entry(raw: bytes) -> dict[str, Any]:
    entry = decode_entry(raw)
    names = [type(operation).__name__ for operation in entry.body.operations]
    ids = [receivable_id(entry.entry_id, n) for n, name in enumerate(names) if name == "RegisterReceivable"]
    return {
        "operations": names,
        "raw": raw.hex(),
        "entry_id": entry.entry_id.hex(),
        "receivable_ids": [identifier.hex() for identifier in ids],
        "shown": [show_id(identifier) for identifier in ids],
        "lien_ids": [lien_id(entry.entry_id, n).hex() for n, name in enumerate(names) if name == "Pledge"],
    }


def _state(consortium: Consortium) -> Iterator[dict[str, str]]:
    first, second, *_others = consortium.receivables
    prints = consortium.record(first).fingerprints
    record = consortium.record(first)
    bank_reference = payment(second, 10_000, reference="TRN 1").bank_reference
    identifiers: dict[Namespace, bytes] = {
        Namespace.MEMBER: EXPORTER.encode(),
        Namespace.KEY_OWNER: key_of(EXPORTER).public_key,
        Namespace.REFERENCE_OWNER: FINGERPRINT_KEY.debtor(EXPORTER),
        Namespace.WINDOW: EXPORTER.encode(),
        Namespace.RECEIVABLE: record.receivable_id,
        Namespace.FINGERPRINT: b"\x01" + prints.invoice,
        Namespace.SIMILAR: similar_key(EXPORTER, record.debtor_reference, prints.similar),
        Namespace.DELIVERY: prints.deliveries[0].fingerprint,
        Namespace.BANK_REFERENCE: bank_reference,
        Namespace.POLICY: b"",
        Namespace.GOVERNANCE: b"",
        Namespace.PENDING_POLICY: b"",
        Namespace.UPGRADE: b"",
        Namespace.VALIDATORS: b"",
        Namespace.CONTROL: FINGERPRINT_KEY.debtor(FACTOR_1),
        Namespace.CONTROLLED: CONTROLLER,
        Namespace.EXPOSURE: exposure_id(FACTOR_1, DEBTOR_REFERENCE, record.currency),
        Namespace.RISK_ASSETS: risk_assets_id(FACTOR_1, "USD"),
        Namespace.TRADE: FINGERPRINT_KEY.debtor(EXPORTER),
        Namespace.QUOTA: EXPORTER.encode(),
        Namespace.BLANKET: TRADER.encode(),
        Namespace.COVERAGE: policy_use_id(INSURER, INSURANCE, "USD"),
        Namespace.POOL: next(iter(consortium.pools)),
    }
    for namespace, identifier in identifiers.items():
        key_hash = state_key(namespace, identifier)
        stored = consortium.state.value(key_hash)
        assert stored is not None
        public, private = split_stored(stored)
        hashed = sha256(
            sha256(b"pledgebook/public-value/v1\0" + public).digest()
            + sha256(b"pledgebook/private-value/v1\0" + private).digest()
        )
        yield {
            "namespace": namespace.name,
            "identifier": identifier.hex(),
            "key_hash": key_hash.hex(),
            "stored": stored.hex(),
            "value_hash": hashed.hexdigest(),
        }


def _fingerprints(consortium: Consortium) -> dict[str, Any]:
    key = FingerprintKey(bytes(range(32)), 1)
    exporter = MemberId(EXPORTER)
    return {
        "key": bytes(range(32)).hex(),
        "normalised": [[number, normalise_number(number)] for number in _NUMBERS],
        "debtor": [DEBTOR, key.debtor(DEBTOR).hex()],
        "invoice": [EXPORTER, DEBTOR, "INV-007", key.invoice(exporter, DEBTOR_REFERENCE, "INV-007", None).hex()],
        "invoice_of_year": [
            EXPORTER, DEBTOR, "INV-007", 2024, key.invoice(exporter, DEBTOR_REFERENCE, "INV-007", 2024).hex(),
        ],
        "fiscal": ["2431 2000", key.fiscal("2431 2000").hex()],
        "document": [sha256(b"paper").hexdigest(), key.document(sha256(b"paper").digest()).hex()],
        "delivery": ["BL-1", "1", key.delivery("BL-1", "1").hex()],
        "similar": [
            EXPORTER, DEBTOR, 10_000, "USD", 19_813,
            key.similar(exporter, DEBTOR_REFERENCE, 10_000, "USD", 19_813).hex(),
        ],
        "payment": ["ICBKCNBJ", "TRN 1", key.payment("ICBKCNBJ", "TRN 1").hex()],
        "signed_digest": consortium.record(next(iter(consortium.receivables))).fingerprints.digest().hex(),
    }  # fmt: skip


def _token() -> dict[str, str]:
    key = key_of(EXPORTER)
    return {
        "public_key": key.public_key.hex(),
        "value": make_token(key, EXPORTER, "factor-1", START_MS, life_ms=60_000),
    }


def write() -> None:
    """Make the file anew, after a format was changed on purpose."""
    PATH.write_text(json.dumps(build(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def vectors() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
    return loaded


def test_the_code_makes_these_bytes(vectors: dict[str, Any]) -> None:
    made = json.loads(json.dumps(build()))
    for section, expected in vectors.items():
        assert made[section] == expected, section
    assert made.keys() == vectors.keys()


def test_every_operation_and_every_namespace_has_a_vector(vectors: dict[str, Any]) -> None:
    operations = {name for entry in vectors["entries"] for name in entry["operations"]}
    assert operations == {kind.name for kind in OPERATION_TYPES}
    assert {value["namespace"] for value in vectors["state"]} == {namespace.name for namespace in Namespace}


# --- the other direction: the bytes are read, by our decoders and by plain libraries


def hashed(tag: str, *parts: bytes) -> str:
    return sha256(f"pledgebook/{tag}/v1\0".encode() + b"".join(parts)).hexdigest()


def test_codec(vectors: dict[str, Any]) -> None:
    for name, encoded in vectors["codec"]["canonical"]:
        assert unpack(bytes.fromhex(encoded), 1_000) == _CANONICAL[name]
        assert msgpack.unpackb(bytes.fromhex(encoded), use_list=False) == _CANONICAL[name]
    for _name, encoded in vectors["codec"]["refused"]:
        with pytest.raises(MalformedEntry):
            unpack(bytes.fromhex(encoded), 1_000)


def test_genesis(vectors: dict[str, Any]) -> None:
    document = vectors["genesis"]["document"].encode()
    genesis = parse_genesis(document)
    assert hashed("genesis", document) == vectors["genesis"]["chain_id"]
    fields = json.loads(document)
    validators = sorted(
        [node["node_id"], bytes.fromhex(node["consensus_key"]), node["power"]]
        for node in fields["nodes"]
        if node["power"]
    )
    assert hashed("validators", msgpack.packb(validators)) == vectors["genesis"]["validators_hash"]
    policy = [1, 0, 365, 0, ["CNY", "EUR", "JPY", "USD"], 72, 72, 30, 10, 0, 1, [], [], [1_000], 4, 90, 0, 0]
    assert hashed("policy", msgpack.packb(policy)) == vectors["genesis"]["policy_hash"]
    assert isinstance(genesis.policy, Policy)


def test_node_request(vectors: dict[str, Any]) -> None:
    fields = json.loads(vectors["node_request"])
    node = fields["node"]
    stated = [
        node["node_id"],
        node["member_id"],
        bytes.fromhex(node["consensus_key"]),
        b64decode(node["tls_certificate"]),
    ]
    message = b"pledgebook/node-possession/v1\0" + bytes.fromhex(fields["chain_id"]) + msgpack.packb(stated)
    signature = bytes.fromhex(fields["possession"])
    assert nacl.bindings.crypto_sign_open(signature + message, stated[2]) == message
    assert (
        encode_admission(decode_admission(vectors["node_request"].encode())).decode()
        == vectors["node_request"]
    )


def test_entries(vectors: dict[str, Any]) -> None:
    codes = {kind.name: kind.code for kind in OPERATION_TYPES}
    for vector in vectors["entries"]:
        raw = bytes.fromhex(vector["raw"])
        body, signatures = msgpack.unpackb(raw)
        assert hashed("entry", body) == vector["entry_id"]
        version, chain_id, _submitter, _sequence, _valid_until, _mode, operations = msgpack.unpackb(body)
        assert (version, chain_id.hex()) == (1, vectors["genesis"]["chain_id"])
        assert [code for code, _fields in operations] == [codes[name] for name in vector["operations"]]
        assert signatures == sorted(signatures)
        for _member, key, signature in signatures:
            nacl.bindings.crypto_sign_open(signature + b"pledgebook/entry/v1\0" + body, key)
        entry_id = bytes.fromhex(vector["entry_id"])
        for place, tag, name in (
            ("receivable_ids", "receivable-id", "RegisterReceivable"),
            ("lien_ids", "lien-id", "Pledge"),
        ):
            numbers = [n for n, operation in enumerate(vector["operations"]) if operation == name]
            assert vector[place] == [hashed(tag, entry_id, n.to_bytes(4, "big")) for n in numbers]
        assert decode_entry(raw).raw == raw


def tree_root(leaves: list[bytes]) -> bytes:
    """RFC 9162, 2.1.1, by its recursive definition."""
    if len(leaves) < 2:
        return sha256(b"\0" + leaves[0]).digest() if leaves else sha256(b"").digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\1" + tree_root(leaves[:split]) + tree_root(leaves[split:])).digest()


def test_blocks(vectors: dict[str, Any]) -> None:
    hashes: list[bytes] = []
    for vector in vectors["blocks"]:
        raw, header_bytes = bytes.fromhex(vector["block"]), bytes.fromhex(vector["header"])
        header_part, entries, certificate, evidence = msgpack.unpackb(raw)
        assert header_part == header_bytes
        assert hashed("header", header_bytes) == vector["block_hash"]
        header = msgpack.unpackb(header_bytes)
        receipts = [bytes.fromhex(receipt) for receipt in vector["receipts"]]
        parent = hashes[-1] if hashes else bytes.fromhex(vectors["genesis"]["chain_id"])
        assert header[:5] == [
            1, bytes.fromhex(vectors["genesis"]["chain_id"]), len(hashes) + 1, START_MS + 1_000 * (len(hashes) + 1), parent,
        ]  # fmt: skip
        assert header[5:10] == [
            len(hashes), tree_root(hashes), len(entries), tree_root(entries), tree_root(receipts),
        ]  # fmt: skip
        assert header[14].hex() == vectors["genesis"]["policy_hash"]
        assert header[15].hex() == hashed("last-certificate", certificate)
        assert (header[13], header[16], header[17]) == (1, tree_root(evidence), "factor-1")
        assert encode_block(decode_block(raw)) == raw
        assert decode_header(header_bytes).height == len(hashes) + 1
        hashes.append(bytes.fromhex(vector["block_hash"]))


def test_receipts(vectors: dict[str, Any]) -> None:
    entries = iter(vectors["entries"])
    codes = []
    for height, block in enumerate(vectors["blocks"], 1):
        for index, receipt in enumerate(block["receipts"]):
            vector = next(entries)
            read = msgpack.unpackb(bytes.fromhex(receipt))
            assert read[:4] == [1, height, index, bytes.fromhex(vector["entry_id"])]
            assert len(read[6]) == len(vector["operations"])
            codes += [result[0] for result in read[6]]
            decoded = decode_receipt(bytes.fromhex(receipt))
            assert [result.code.value for result in decoded.results] == codes[-len(read[6]) :]
    refused = [code for code in codes if code != "OK"]
    early = ["NO_DEFAULT", "NOT_DUE", "NOT_INDIRECT", "NO_DEFAULT"]
    assert refused == ["DUPLICATE_PLEDGE", "EMPTY_ASSIGNMENT", "DUPLICATE_RECEIVABLE", "TOO_EARLY", *early]


_PRIVATE = {
    Namespace.RECEIVABLE,
    Namespace.BLANKET,
    Namespace.CONTROL,
    Namespace.CONTROLLED,
    Namespace.EXPOSURE,
    Namespace.RISK_ASSETS,
    Namespace.TRADE,
    Namespace.QUOTA,
    Namespace.BANK_REFERENCE,
    Namespace.COVERAGE,
    Namespace.POOL,
}


def test_state(vectors: dict[str, Any]) -> None:
    for vector in vectors["state"]:
        namespace = Namespace[vector["namespace"]]
        identifier = bytes.fromhex(vector["identifier"])
        public, private = msgpack.unpackb(bytes.fromhex(vector["stored"]))
        whole = bytes.fromhex(hashed("state-key", bytes([namespace]), identifier))
        is_hidden = namespace is Namespace.BANK_REFERENCE or (not public and namespace is not Namespace.POOL)
        half = 0x80 if is_hidden else 0x00
        assert bytes([whole[0] & 0x7F | half]).hex() + whole[1:].hex() == vector["key_hash"]
        halves = (
            bytes.fromhex(hashed("public-value", public)),
            bytes.fromhex(hashed("private-value", private)),
        )
        assert sha256(b"".join(halves)).hexdigest() == vector["value_hash"]
        assert (private == b"") == (namespace not in _PRIVATE)
        decode_value(namespace, bytes.fromhex(vector["stored"]))
    member = msgpack.unpackb(msgpack.unpackb(bytes.fromhex(vectors["state"][0]["stored"]))[0])
    assert member == [
        EXPORTER,
        [3],
        1,
        0,
        [member[4][0]],
        [[key_of(EXPORTER).public_key, 0, HEIGHT_MAX]],
        [],
        0,
        0,
    ]


def test_fingerprints(vectors: dict[str, Any]) -> None:
    prints = vectors["fingerprints"]
    key = bytes.fromhex(prints["key"])

    def keyed(kind: int, *parts: str) -> str:
        message = bytes([kind])
        for part in parts:
            message += len(part.encode()).to_bytes(4, "big") + part.encode()
        return hmac.digest(key, message, sha256).hex()

    debtor = prints["debtor"][1]
    assert keyed(6, *DEBTOR.upper().split(":")) == debtor
    assert keyed(1, EXPORTER, debtor, "INV7", "") == prints["invoice"][-1]
    assert keyed(1, EXPORTER, debtor, "INV7", "2024") == prints["invoice_of_year"][-1]
    assert keyed(2, "24312000") == prints["fiscal"][-1]
    assert keyed(3, prints["document"][0]) == prints["document"][-1]
    assert keyed(4, "BL1", "1") == prints["delivery"][-1]
    assert keyed(5, EXPORTER, debtor, "10000", "USD", "19813") == prints["similar"][-1]
    assert keyed(7, "ICBKCNBJ", "TRN1") == prints["payment"][-1]
    for number, normalised in prints["normalised"]:
        assert normalise_number(number) == normalised
    operation = msgpack.unpackb(msgpack.unpackb(bytes.fromhex(vectors["entries"][0]["raw"]))[0])[6][0]
    epoch, invoice, fiscal, document, similar, deliveries = operation[1][6]
    parts = [epoch.to_bytes(4, "big"), invoice, *fiscal, *document, similar]
    for fingerprint, quantity, whole in deliveries:
        parts += [fingerprint, quantity.to_bytes(8, "big"), whole.to_bytes(8, "big")]
    counted = [bytes([len(part)]) + part for part in parts]
    assert hashed("fingerprints", *counted) == prints["signed_digest"]


def test_access_token(vectors: dict[str, Any]) -> None:
    value, key = vectors["access_token"]["value"], bytes.fromhex(vectors["access_token"]["public_key"])
    scheme, text = value.split(" ")
    body, signature = msgpack.unpackb(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    assert (scheme, msgpack.unpackb(body)) == (
        "pledgebook",
        [1, EXPORTER, key, "factor-1", START_MS, START_MS + 60_000],
    )
    nacl.bindings.crypto_sign_open(signature + b"pledgebook/access-token/v1\0" + body, key)
    signed = decode_token(value)
    check_token_signature(signed)
    assert signed.token.member == EXPORTER
