"""The executor at h, h + 1 and h + 2 of a change of the validators: whose certificates, proposers and faults count when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from consensus.evidence import Equivocation
from consensus.messages import NO_ROUND, BlockHash, UnsignedVote, VoteType
from consensus.validators import NodeId
from node.executor import Executor
from registry.block import Header, decode_block, encode_block, last_certificate_hash, make_block
from registry.errors import BlockInvalid
from tests.node.chain_builders import (
    GENESIS_TIME_MS,
    FixedClock,
    certify,
    key_of,
    make_executor,
    make_genesis,
)
from tests.node.validator_decisions import decision, new_node, weighed, with_node
from tests.simulation.memory_store import MemoryStore

NEWCOMER = NodeId("newcomer")
GENESIS = make_genesis()
DECIDED = 2


class Chain:
    """An executor that decides alone; block 2 holds the decision that the newcomer votes, and exporter-1 no more."""

    def __init__(self) -> None:
        self.clock = FixedClock()
        self.store = MemoryStore(GENESIS.chain_id)
        self.executor, self.mempool = make_executor(GENESIS, self.store, clock=self.clock)
        self.commit()
        nodes = weighed(with_node(GENESIS.nodes, new_node(NEWCOMER)), "exporter-1", 0)
        self.mempool.add(decision(GENESIS.chain_id, 1, nodes, (NEWCOMER, key_of(NEWCOMER))), local=True)
        self.commit()

    def build(self) -> bytes:
        self.clock.ms += 1_000
        return self.executor.prepare(self.executor.tip().height + 1, 0, self.clock.ms).payload

    def certificate(self, payload: bytes, *, of_height: int | None = None) -> bytes:
        """By the validators of the block's height, or by those of another one."""
        info = self.executor.identify(payload)
        validators = self.executor.validators(of_height or info.height)
        return certify(GENESIS, validators, info.height, info.block_hash, signers=len(validators))

    def commit(self) -> None:
        payload = self.build()
        self.executor.commit(payload, self.certificate(payload))

    def reach(self, height: int) -> None:
        while self.executor.tip().height < height:
            self.commit()


@pytest.fixture
def chain() -> Chain:
    return Chain()


def names(executor: Executor, height: int) -> set[str]:
    return {validator.node_id for validator in executor.validators(height).validators}


OLD = {"association", "exporter-1", "factor-1", "factor-2"}
NEW = {"association", "factor-1", "factor-2", NEWCOMER}


def test_the_set_is_known_two_blocks_ahead_and_changes_with_the_second(chain: Chain) -> None:
    assert [names(chain.executor, height) for height in range(6)] == [OLD, OLD, OLD, OLD, NEW, NEW]
    chain.reach(DECIDED + 5)
    assert [names(chain.executor, height) for height in range(6)] == [OLD, OLD, OLD, OLD, NEW, NEW]


def test_a_restart_at_any_of_these_heights_finds_the_same_sets(chain: Chain) -> None:
    for height in range(DECIDED, DECIDED + 4):
        chain.reach(height)
        again, _ = make_executor(GENESIS, chain.store, clock=chain.clock)
        assert [names(again, at) for at in range(7)] == [names(chain.executor, at) for at in range(7)]
        assert [each.from_height for each in again.nodes.around(height + 1)] == [
            each.from_height for each in chain.executor.nodes.around(height + 1)
        ]


def altered(payload: bytes, change: Callable[[Header], Header]) -> bytes:
    block = decode_block(payload)
    return encode_block(
        make_block(change(block.header), block.entries, block.last_certificate, block.evidence)
    )


@pytest.mark.parametrize(
    ("height", "proposer", "allowed"),
    [
        (DECIDED + 1, "exporter-1", True),
        (DECIDED + 1, NEWCOMER, False),
        (DECIDED + 2, "exporter-1", False),
        (DECIDED + 2, NEWCOMER, True),
    ],
)
def test_who_proposes_follows_the_set_of_the_height(
    chain: Chain, height: int, proposer: str, allowed: bool
) -> None:
    chain.reach(height - 1)
    payload = altered(chain.build(), lambda header: replace(header, proposer=proposer))
    if allowed:
        chain.executor.validate(payload)
        return
    with pytest.raises(BlockInvalid, match="is no validator"):
        chain.executor.validate(payload)


def stating(field: str, value: bytes) -> Callable[[Header], Header]:
    changes: dict[str, Any] = {field: value}
    return lambda header: replace(header, **changes)


@pytest.mark.parametrize("height", [DECIDED + 1, DECIDED + 2, DECIDED + 3])
@pytest.mark.parametrize("field", ["validators_hash", "next_validators_hash"])
def test_a_header_with_another_set_is_invalid(chain: Chain, height: int, field: str) -> None:
    chain.reach(height - 1)
    payload = chain.build()
    header = decode_block(payload).header
    others = {GENESIS.validators_hash(), chain.executor.nodes.newest().validators_hash(), bytes(32)}
    for other in others - {getattr(header, field)}:
        with pytest.raises(BlockInvalid, match=field):
            chain.executor.validate(altered(payload, stating(field, other)))


@pytest.mark.parametrize(
    ("certified_height", "of_height", "good"),
    [
        (DECIDED + 1, DECIDED + 1, True),  # inside h + 2, by the old ones
        (DECIDED + 1, DECIDED + 2, False),
        (DECIDED + 2, DECIDED + 2, True),
        (DECIDED + 2, DECIDED + 1, False),
    ],
)
def test_a_parents_certificate_is_of_the_validators_of_the_parents_height(
    chain: Chain, certified_height: int, of_height: int, good: bool
) -> None:
    chain.reach(certified_height - 1)
    payload = chain.build()
    chain.executor.commit(payload, chain.certificate(payload))
    # Another one than the node itself keeps, which would not be checked again.
    info = chain.executor.identify(payload)
    validators = chain.executor.validators(of_height)
    certificate = certify(GENESIS, validators, info.height, info.block_hash, round=1)
    block = decode_block(chain.build())
    header = replace(block.header, last_certificate_hash=last_certificate_hash(certificate))
    following = encode_block(make_block(header, block.entries, certificate, block.evidence))
    if good:
        chain.executor.validate(following)
        return
    with pytest.raises(BlockInvalid, match="parent's certificate"):
        chain.executor.validate(following)


def double_vote(height: int, accused: str) -> Equivocation:
    votes = []
    for value in (bytes(32), bytes([1]) * 32):
        vote = UnsignedVote(VoteType.PRECOMMIT, height, 0, BlockHash(value), NO_ROUND, NodeId(accused))
        votes.append(vote.signed(key_of(accused).sign(vote.sign_bytes(GENESIS.chain_id))))
    return Equivocation(votes[0], votes[1])


@pytest.mark.parametrize(
    ("height", "accused", "proves"),
    [
        (DECIDED + 1, "exporter-1", True),  # a validator then, and none any more
        (DECIDED + 2, "exporter-1", False),
        (DECIDED + 1, NEWCOMER, False),
        (DECIDED + 2, NEWCOMER, True),
    ],
)
def test_evidence_is_judged_by_the_validators_of_its_height(
    chain: Chain, height: int, accused: str, proves: bool
) -> None:
    chain.reach(DECIDED + 6)
    evidence = double_vote(height, accused)
    chain.executor.add_evidence(evidence)
    payload = chain.build()
    assert decode_block(payload).evidence
    checker, _ = make_executor(GENESIS, chain.store, clock=FixedClock(GENESIS_TIME_MS + 100_000))
    if proves:
        checker.validate(payload)
        return
    with pytest.raises(BlockInvalid, match="proves nothing"):
        checker.validate(payload)
