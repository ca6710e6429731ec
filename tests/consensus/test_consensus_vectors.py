"""The published bytes of tests/vectors/consensus.json: what another implementation must make and read."""

import json
from pathlib import Path
from typing import Any

import pytest

from consensus.certificate import Certificate
from consensus.evidence import Equivocation
from consensus.messages import Proposal, Vote
from consensus.validators import NodeId, Validator, ValidatorSet

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors" / "consensus.json").read_text())
CHAIN_ID = bytes.fromhex(VECTORS["chain_id"])


@pytest.mark.parametrize("vector", VECTORS["messages"], ids=lambda vector: vector["name"])
def test_messages_have_their_published_bytes(vector: dict[str, str]) -> None:
    wire = bytes.fromhex(vector["wire"])
    message = (Proposal if "proposal" in vector["name"] else Vote).decode(wire)
    assert message.encode() == wire
    assert message.sign_bytes(CHAIN_ID).hex() == vector["sign_bytes"]


def test_certificates_have_their_published_bytes() -> None:
    vector = VECTORS["certificate"]
    certificate = Certificate.decode(bytes.fromhex(vector["wire"]))
    assert (certificate.height, certificate.round) == (vector["height"], vector["round"])
    assert certificate.block_hash.hex() == vector["block_hash"]
    assert list(certificate.signer_indexes) == vector["signer_indexes"]
    assert certificate.encode().hex() == vector["wire"]


def test_evidence_has_its_published_bytes_and_id() -> None:
    vector = VECTORS["evidence"]
    evidence = Equivocation.decode(bytes.fromhex(vector["wire"]))
    assert evidence.encode().hex() == vector["wire"]
    assert evidence.id(CHAIN_ID).hex() == vector["id"]


def test_proposers_of_unequal_powers_are_the_published_ones() -> None:
    vector = VECTORS["weighted_proposers"]
    validators = ValidatorSet(
        tuple(
            Validator(NodeId(name), bytes([index]) * 32, power)
            for index, (name, power) in enumerate(vector["powers"].items())
        )
    )
    turns = [validators.proposer(vector["height"], round) for round in range(16)]
    assert turns == vector["rounds_from_0"]
