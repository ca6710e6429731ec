"""Published values, and our own bytes: what must never change while the formats keep their version."""

import json
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from registry.merkle import log
from registry.merkle.map import (
    AbsenceProof,
    InclusionProof,
    apply_updates,
    decode_absence,
    decode_inclusion,
    encode_absence,
    encode_inclusion,
    prove,
)

VECTORS = Path(__file__).parents[2] / "vectors"


def read(name: str) -> Any:
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


def sha(data: bytes) -> bytes:
    return sha256(data).digest()


def test_rfc6962_roots() -> None:
    vector = read("rfc6962.json")
    leaves = [bytes.fromhex(leaf) for leaf in vector["leaves"]]
    assert len(leaves) == 8
    roots = [log.tree_root(leaves[:size]).hex() for size in range(len(leaves) + 1)]
    assert roots == vector["roots"]


def test_rfc6962_nodes() -> None:
    vector = read("rfc6962.json")
    frontier = log.EMPTY_FRONTIER
    nodes = [[""] * (8 >> level) for level in range(4)]
    for leaf in vector["leaves"]:
        frontier, created = frontier.append_with_nodes(bytes.fromhex(leaf))
        for node in created:
            nodes[node.level][node.index] = node.hash.hex()
    assert nodes == vector["nodes"]


def test_rfc6962_inclusion_proofs() -> None:
    vector = read("rfc6962.json")
    leaves = [bytes.fromhex(leaf) for leaf in vector["leaves"]]
    assert vector["inclusion"]
    for case in vector["inclusion"]:
        proof = log.inclusion_proof(leaves[: case["size"]], case["index"])
        assert [value.hex() for value in proof] == case["proof"]


def test_rfc6962_consistency_proofs() -> None:
    vector = read("rfc6962.json")
    leaves = [bytes.fromhex(leaf) for leaf in vector["leaves"]]
    assert vector["consistency"]
    for case in vector["consistency"]:
        proof = log.consistency_proof(leaves[: case["new_size"]], case["old_size"])
        assert [value.hex() for value in proof] == case["proof"]


@pytest.mark.parametrize("position", range(3))
def test_jellyfish_roots(
    position: int, memory_pages: Any, reference_root: Callable[[Mapping[bytes, bytes]], bytes]
) -> None:
    vector = read("jmt_sha256.json")["maps"][position]
    pairs = {sha(bytes.fromhex(key)): sha(bytes.fromhex(value)) for key, value in vector["pairs"]}
    assert apply_updates(memory_pages(), pairs).root.hex() == vector["root"]
    assert reference_root(pairs).hex() == vector["root"]


def test_map_bytes_are_those_of_the_vectors(memory_pages: Any) -> None:
    vector = read("map.json")
    pages = memory_pages()
    root = pages.update({bytes.fromhex(key): bytes.fromhex(value) for key, value in vector["pairs"].items()})
    assert root.hex() == vector["root"]
    assert {path.hex(): page.hex() for path, page in pages.stored.items()} == vector["pages"]
    for key, encoded in vector["inclusion"].items():
        proof = prove(pages, bytes.fromhex(key))
        assert isinstance(proof, InclusionProof)
        assert encode_inclusion(proof).hex() == encoded
        assert decode_inclusion(bytes.fromhex(encoded)) == proof
    assert {encoded[:2] for encoded in vector["absence"].values()} == {"02", "03"}
    for key, encoded in vector["absence"].items():
        absence = prove(pages, bytes.fromhex(key))
        assert isinstance(absence, AbsenceProof)
        assert encode_absence(absence).hex() == encoded
        assert decode_absence(bytes.fromhex(encoded)) == absence
