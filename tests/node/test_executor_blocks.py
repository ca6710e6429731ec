"""The executor over the real store: what it builds it accepts, and it accepts nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consensus.evidence import Equivocation
from consensus.messages import NO_ROUND, BlockHash, UnsignedVote, VoteType
from consensus.validators import NodeId
from node.ports import SnapshotPort
from node.store import Store
from registry.block import (
    Block,
    Header,
    decode_block,
    encode_block,
    entries_root,
    last_certificate_hash,
    make_block,
)
from registry.errors import BlockInvalid, Code
from registry.genesis import Genesis
from registry.merkle.log import tree_root
from registry.receipt import Outcome, decode_receipt
from tests.node.chain_builders import (
    EXPORTER,
    FACTOR,
    GENESIS_TIME_MS,
    NODE_IDS,
    FixedClock,
    certify,
    key_of,
    make_executor,
    make_genesis,
    registration,
)
from tests.simulation.memory_store import MemoryStore

NOW_MS = GENESIS_TIME_MS + 1_000


@pytest.fixture
def genesis() -> Genesis:
    return make_genesis()


class Chain:
    """One executor that decides alone, over a store in memory, beside a second that checks every block."""

    def __init__(self, genesis: Genesis) -> None:
        self.genesis = genesis
        self.store = MemoryStore(genesis.chain_id)
        self.clock = FixedClock()
        self.maker, self.mempool = make_executor(genesis, self.store, clock=self.clock)
        self.checker, self.checker_mempool = make_executor(
            genesis, MemoryStore(genesis.chain_id), clock=self.clock
        )

    def add(self, *sequences: int) -> None:
        for sequence in sequences:
            self.mempool.add(registration(self.genesis.chain_id, sequence), local=True)

    def build(self) -> bytes:
        self.clock.ms += 1_000
        return self.maker.prepare(self.maker.tip().height + 1, 0, self.clock.ms).payload

    def commit(self, payload: bytes) -> None:
        info = self.checker.validate(payload)
        validators = self.maker.validators(info.height)
        certificate = certify(self.genesis, validators, info.height, info.block_hash)
        made = self.maker.commit(payload, certificate)
        checked = self.checker.commit(payload, certificate)
        assert made.receipts == checked.receipts
        assert self.maker.tip() == self.checker.tip()


@pytest.fixture
def chain(genesis: Genesis) -> Chain:
    return Chain(genesis)


def altered(payload: bytes, change: Callable[[Header], Header]) -> bytes:
    block = decode_block(payload)
    return encode_block(
        make_block(change(block.header), block.entries, block.last_certificate, block.evidence)
    )


def with_body(payload: bytes, **parts: Any) -> bytes:
    """The block with other parts, and a header that fits them, so that only their meaning can be wrong."""
    block = replace(decode_block(payload), **parts)
    header = replace(
        block.header,
        entry_count=len(block.entries),
        entries_root=entries_root(block.entries),
        last_certificate_hash=last_certificate_hash(block.last_certificate),
        evidence_root=tree_root(block.evidence),
    )
    return encode_block(make_block(header, block.entries, block.last_certificate, block.evidence))


def block_of(payload: bytes) -> Block:
    return decode_block(payload)


def test_blocks_with_entries_follow_one_another(chain: Chain) -> None:
    chain.add(1, 2)
    chain.commit(chain.build())
    chain.add(3)
    chain.commit(chain.build())
    chain.commit(chain.build())
    tip = chain.maker.tip()
    assert tip.height == 3
    with chain.store.read() as snapshot:
        receipts = snapshot.receipts(1)
        assert receipts is not None
        assert [decode_receipt(raw).outcome for raw in receipts] == [Outcome.APPLIED, Outcome.APPLIED]
        entry = registration(chain.genesis.chain_id, 3)
        assert snapshot.locate_entry(entry.entry_id) == (2, 0)
    assert len(chain.mempool) == 0


def test_certificate_of_the_parent_may_be_another_one_than_ours(chain: Chain) -> None:
    payload = chain.build()
    info = chain.maker.identify(payload)
    validators = chain.maker.validators(1)
    certificates = [certify(chain.genesis, validators, 1, info.block_hash, signers=n) for n in (3, 4)]
    chain.maker.commit(payload, certificates[0])
    chain.checker.commit(payload, certificates[1])
    following = chain.build()
    assert block_of(following).last_certificate == certificates[0]
    assert chain.checker.validate(following).height == 2


def test_genesis_state_is_written_once(genesis: Genesis, tmp_path: Path) -> None:
    store = Store.open(tmp_path, genesis.chain_id, fsync=False)
    executor, _ = make_executor(genesis, store)
    assert executor.tip().height == 0
    assert executor.tip().block_hash == genesis.chain_id
    again, _ = make_executor(genesis, store)
    assert again.tip() == executor.tip()
    store.close()


def test_restart_continues_from_the_store(genesis: Genesis, tmp_path: Path) -> None:
    store = Store.open(tmp_path, genesis.chain_id, fsync=False)
    executor, mempool = make_executor(genesis, store)
    for height in range(1, 6):
        mempool.add(registration(genesis.chain_id, height), local=True)
        built = executor.prepare(height, 0, NOW_MS + height)
        executor.commit(
            built.payload, certify(genesis, executor.validators(height), height, built.block_hash)
        )
    restarted, _ = make_executor(genesis, store)
    assert restarted.tip() == executor.tip()
    built = restarted.prepare(6, 0, NOW_MS + 100)
    assert executor.validate(built.payload).block_hash == built.block_hash
    store.close()


def test_block_time_is_after_the_parents_even_when_the_clock_stands_still(chain: Chain) -> None:
    chain.commit(chain.build())
    before = chain.maker.tip().time_ms
    built = chain.maker.prepare(2, 0, before - 60_000)
    assert built.time_ms == before + 1


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("chain_id", lambda header: replace(header, chain_id=bytes(32))),
        ("height", lambda header: replace(header, height=header.height + 1)),
        ("parent_hash", lambda header: replace(header, parent_hash=bytes(32))),
        ("time_ms", lambda header: replace(header, time_ms=GENESIS_TIME_MS)),
        ("history_root", lambda header: replace(header, history_root=bytes(32))),
        ("history_size", lambda header: replace(header, history_size=header.history_size + 1)),
        ("receipts_root", lambda header: replace(header, receipts_root=bytes(32))),
        ("state_root", lambda header: replace(header, state_root=bytes(32))),
        ("validators_hash", lambda header: replace(header, validators_hash=bytes(32))),
        ("next_validators_hash", lambda header: replace(header, next_validators_hash=bytes(32))),
        ("policy_hash", lambda header: replace(header, policy_hash=bytes(32))),
        ("rules_version", lambda header: replace(header, rules_version=2)),
        ("proposer", lambda header: replace(header, proposer="stranger")),
    ],
)
def test_header_with_one_wrong_field_is_invalid(
    chain: Chain, field: str, change: Callable[[Header], Header]
) -> None:
    chain.commit(chain.build())
    chain.add(1)
    payload = chain.build()
    with pytest.raises(BlockInvalid, match=field):
        chain.checker.validate(altered(payload, change))
    chain.checker.validate(payload)


def test_body_that_the_header_does_not_fix_is_no_block(chain: Chain) -> None:
    chain.add(1)
    block = block_of(chain.build())
    with pytest.raises(BlockInvalid, match="entry_count"):
        chain.checker.identify(encode_block(replace(block, entries=())))
    with pytest.raises(BlockInvalid, match="malformed"):
        chain.checker.identify(b"garbage")


def test_invalid_block_certified_by_a_quorum_is_not_committed(chain: Chain) -> None:
    chain.add(1)
    wrong = altered(chain.build(), lambda header: replace(header, state_root=bytes(32)))
    info = chain.checker.identify(wrong)
    with pytest.raises(BlockInvalid, match="state_root"):
        chain.checker.commit(wrong, certify(chain.genesis, chain.checker.validators(1), 1, info.block_hash))
    assert chain.checker.tip().height == 0


def test_entry_with_a_false_signature_makes_the_block_invalid(chain: Chain) -> None:
    chain.add(1, 2)
    payload = chain.build()
    first, second = block_of(payload).entries
    forged = second[:-1] + bytes([second[-1] ^ 1])
    with pytest.raises(BlockInvalid, match="entry 1 has a false signature"):
        chain.checker.validate(with_body(payload, entries=(first, forged)))


def test_malformed_entry_makes_the_block_invalid(chain: Chain) -> None:
    with pytest.raises(BlockInvalid, match="entry 0 is malformed"):
        chain.checker.validate(with_body(chain.build(), entries=(b"\xc0",)))


def test_many_unverified_entries_are_checked_on_several_threads(chain: Chain) -> None:
    chain.add(*range(1, 200))
    payload = chain.build()
    assert chain.checker.validate(payload).height == 1
    entries = block_of(payload).entries
    forged = (*entries[:150], entries[150][:-1] + bytes([entries[150][-1] ^ 1]), *entries[151:])
    with pytest.raises(BlockInvalid, match="entry 150 has a false signature"):
        chain.checker.validate(with_body(payload, entries=forged))


def test_entry_of_an_earlier_block_makes_the_block_invalid(chain: Chain) -> None:
    chain.add(1)
    first = chain.build()
    chain.commit(first)
    with pytest.raises(BlockInvalid, match="REPLAYED"):
        chain.checker.validate(with_body(chain.build(), entries=block_of(first).entries))


@pytest.mark.parametrize("signers", [1, 2])
def test_certificate_of_the_parent_without_quorum_is_invalid(chain: Chain, signers: int) -> None:
    chain.commit(chain.build())
    validators = chain.maker.validators(1)
    block_hash = chain.maker.tip().block_hash
    full = certify(chain.genesis, validators, 1, block_hash, signers=3)
    few = _without_signatures(full, signers)
    with pytest.raises(BlockInvalid, match="certificate proves nothing"):
        chain.checker.validate(with_body(chain.build(), last_certificate=few))


def _without_signatures(certificate: bytes, kept: int) -> bytes:
    """The certificate with only its first signatures."""
    head = certificate[: 8 + 4 + 32 + 1]
    return head + bytes([0xFF << (8 - kept) & 0xFF]) + certificate[len(head) + 1 :][: 64 * kept]


def test_certificate_of_another_block_is_invalid(chain: Chain) -> None:
    chain.commit(chain.build())
    other = certify(chain.genesis, chain.maker.validators(1), 1, bytes(32))
    with pytest.raises(BlockInvalid, match="not of the parent"):
        chain.checker.validate(with_body(chain.build(), last_certificate=other))


def test_false_certificate_of_the_parent_is_invalid(chain: Chain) -> None:
    chain.commit(chain.build())
    # Four signers, so that it is not the certificate that the checker itself holds.
    good = certify(chain.genesis, chain.maker.validators(1), 1, chain.maker.tip().block_hash, signers=4)
    chain.checker.validate(with_body(chain.build(), last_certificate=good))
    with pytest.raises(BlockInvalid, match="certificate proves nothing"):
        chain.checker.validate(with_body(chain.build(), last_certificate=good[:-1] + bytes([good[-1] ^ 1])))
    with pytest.raises(BlockInvalid, match="certificate proves nothing"):
        chain.checker.validate(with_body(chain.build(), last_certificate=b""))


def test_first_block_carries_no_certificate(chain: Chain) -> None:
    certificate = certify(chain.genesis, chain.maker.validators(1), 1, bytes(32))
    with pytest.raises(BlockInvalid, match="no parent"):
        chain.checker.validate(with_body(chain.build(), last_certificate=certificate))


def equivocation(
    genesis: Genesis, height: int, *, accused: NodeId = NODE_IDS[3], signer: str = ""
) -> Equivocation:
    votes = []
    for value in (b"\1", b"\2"):
        vote = UnsignedVote(VoteType.PRECOMMIT, height, 0, BlockHash(value * 32), NO_ROUND, accused)
        votes.append(vote.signed(key_of(signer or accused).sign(vote.sign_bytes(genesis.chain_id))))
    return Equivocation(votes[0], votes[1])


def test_evidence_gets_into_a_block_once(chain: Chain) -> None:
    evidence = equivocation(chain.genesis, 1)
    chain.maker.add_evidence(evidence)
    chain.checker.add_evidence(evidence)
    assert chain.maker.has_work()
    payload = chain.build()
    assert block_of(payload).evidence == (evidence.encode(),)
    chain.commit(payload)
    assert not chain.checker.has_work()
    chain.maker.add_evidence(evidence)
    assert not chain.maker.has_work()
    with pytest.raises(BlockInvalid, match="on the record already"):
        chain.checker.validate(with_body(chain.build(), evidence=(evidence.encode(),)))


def test_evidence_stands_oldest_first_and_each_once(chain: Chain) -> None:
    for _ in range(3):
        chain.commit(chain.build())
    older, newer = equivocation(chain.genesis, 1), equivocation(chain.genesis, 2)
    for evidence in (newer, older):
        chain.maker.add_evidence(evidence)
    payload = chain.build()
    assert block_of(payload).evidence == (older.encode(), newer.encode())
    for order in ((newer, older), (older, older)):
        with pytest.raises(BlockInvalid, match="oldest first"):
            chain.checker.validate(with_body(payload, evidence=tuple(item.encode() for item in order)))


def test_evidence_that_proves_nothing_makes_the_block_invalid(chain: Chain) -> None:
    payload = chain.build()
    forged = equivocation(chain.genesis, 1, signer="somebody else")
    stranger = equivocation(chain.genesis, 1, accused=NodeId("stranger"))
    for evidence in (forged.encode(), stranger.encode(), b"\0\0\0\0"):
        with pytest.raises(BlockInvalid, match="evidence 0 proves nothing"):
            chain.checker.validate(with_body(payload, evidence=(evidence,)))


def test_evidence_of_a_height_to_come_is_invalid(chain: Chain) -> None:
    with pytest.raises(BlockInvalid, match="is of height 2"):
        chain.checker.validate(with_body(chain.build(), evidence=(equivocation(chain.genesis, 2).encode(),)))


def test_refused_entries_leave_the_mempool_and_are_told(chain: Chain) -> None:
    chain.add(1)
    chain.commit(chain.build())
    stranger = registration(chain.genesis.chain_id, 7, member=FACTOR)
    chain.mempool.add(stranger, local=True)
    payload = chain.build()
    assert block_of(payload).entries == ()
    info = chain.maker.identify(payload)
    certificate = certify(chain.genesis, chain.maker.validators(2), 2, info.block_hash)
    committed = chain.maker.commit(payload, certificate)
    assert [(item.entry_id, item.code) for item in committed.dropped] == [
        (stranger.entry_id, Code.NOT_PERMITTED)
    ]
    assert stranger.entry_id not in chain.mempool


class SlowClock(FixedClock):
    """Each look at it takes ten milliseconds."""

    def monotonic_ms(self) -> int:
        self.ms += 10
        return self.ms


def test_proposer_stops_filling_when_building_takes_too_long_and_learns_from_the_outcome(
    genesis: Genesis,
) -> None:
    clock = SlowClock()
    executor, mempool = make_executor(genesis, MemoryStore(genesis.chain_id), clock=clock, operations_min=1)
    for sequence in range(1, 500):
        mempool.add(registration(genesis.chain_id, sequence), local=True)

    def decided(round: int, *, by_us: bool = True) -> int:
        height = executor.tip().height + 1
        clock.ms += 1_000
        payload = executor.prepare(height, 0, clock.ms).payload
        taken = len(block_of(payload).entries)
        if not by_us:
            payload = executor.prepare(height, 1, clock.ms + 500).payload
        block_hash = executor.identify(payload).block_hash
        executor.commit(
            payload, certify(genesis, executor.validators(height), height, block_hash, round=round)
        )
        return taken

    first = decided(0)
    assert 1 <= first <= 5
    grown = max([decided(0) for _ in range(20)])
    assert first < grown <= 20
    decided(1)
    assert decided(0) < grown
    assert [decided(1, by_us=False) for _ in range(20)][-1] <= 5


def test_a_block_takes_its_least_number_of_operations_whatever_the_clock_says(genesis: Genesis) -> None:
    executor, mempool = make_executor(
        genesis, MemoryStore(genesis.chain_id), clock=SlowClock(), operations_min=30
    )
    for sequence in range(1, 100):
        mempool.add(registration(genesis.chain_id, sequence), local=True)
    payload = executor.prepare(1, 0, executor.tip().time_ms + 1_000).payload
    assert 30 <= len(block_of(payload).entries) < 40


def test_committed_values_are_given_to_peers_that_ask_for_the_right_hash(chain: Chain) -> None:
    payload = chain.build()
    info = chain.maker.identify(payload)
    chain.commit(payload)
    assert chain.maker.committed_payload(1, info.block_hash) == payload
    assert chain.maker.committed_payload(1, BlockHash(bytes(32))) is None
    assert chain.maker.committed_payload(2, info.block_hash) is None
    assert chain.maker.committed_certificate(1) is not None


class CountingStore(MemoryStore):
    """Counts the views that are opened, which every execution needs."""

    reads = 0

    @contextmanager
    def read(self) -> Iterator[SnapshotPort]:
        self.reads += 1
        with super().read() as snapshot:
            yield snapshot


def test_block_is_executed_once(genesis: Genesis) -> None:
    store = CountingStore(genesis.chain_id)
    executor, mempool = make_executor(genesis, store)
    mempool.add(registration(genesis.chain_id, 1), local=True)
    built = executor.prepare(1, 0, NOW_MS)
    before = store.reads
    executor.validate(built.payload)
    executor.validate(built.payload)
    executor.commit(built.payload, certify(genesis, executor.validators(1), 1, built.block_hash))
    assert store.reads == before


def test_executor_of_another_member_builds_the_same_state(genesis: Genesis) -> None:
    first, first_mempool = make_executor(genesis, MemoryStore(genesis.chain_id))
    second, second_mempool = make_executor(genesis, MemoryStore(genesis.chain_id), node_id="factor-1")
    entries = [registration(genesis.chain_id, sequence, member=EXPORTER) for sequence in (1, 2, 3)]
    roots = []
    for executor, mempool in ((first, first_mempool), (second, second_mempool)):
        for entry in entries:
            mempool.add(entry, local=True)
        roots.append(block_of(executor.prepare(1, 0, NOW_MS).payload).header.state_root)
    assert roots[0] == roots[1]
