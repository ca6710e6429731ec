"""Engines in a virtual network: progress, idleness, bad messages, and blocks fetched from peers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consensus.certificate import Certificate
from consensus.errors import CertificateInvalid, InvalidMessage
from consensus.inputs import NeedFromPeer, PeerConnected, Timeout, TimeoutKind
from consensus.messages import (
    NO_ROUND,
    BlockHash,
    Proposal,
    UnsignedProposal,
    UnsignedVote,
    ValueMessage,
    Vote,
    VoteType,
)
from consensus.validators import NodeId
from node.engine import EngineHalted, Received, TimerElapsed, WorkArrived
from node.inbox import EARLY_MESSAGES_MAX, MESSAGES_PER_ROUND_MAX, VALUES_PER_ROUND_MAX
from node.journal import JOURNAL_NAME
from node.ports import VALUE_BYTES_MAX, Heartbeat
from registry.block import decode_block, encode_block, make_block
from registry.errors import BadSignature, BlockInvalid
from tests.node.chain_builders import NODE_IDS, certify, key_of
from tests.node.engine_network import HEARTBEAT_MS, NETWORK_DELAY_MS, VirtualNetwork, VirtualNode, four_nodes

A, B, C, D = NODE_IDS


def vote(
    network: VirtualNetwork,
    validator: NodeId,
    *,
    height: int = 1,
    round: int = 0,
    value: bytes | None = None,
    type: VoteType = VoteType.PREVOTE,
    signer: str = "",
    chain_id: bytes | None = None,
) -> Vote:
    unsigned = UnsignedVote(
        type, height, round, None if value is None else BlockHash(value), NO_ROUND, validator
    )
    sign_bytes = unsigned.sign_bytes(network.genesis.chain_id if chain_id is None else chain_id)
    return unsigned.signed(key_of(signer or validator).sign(sign_bytes))


def lone_node(node_id: NodeId = A) -> tuple[VirtualNetwork, VirtualNode]:
    """One started node whose three peers are not there."""
    network = VirtualNetwork()
    network.add(*NODE_IDS)
    node = network.nodes[node_id]
    node.start()
    return network, node


def sent_votes(network: VirtualNetwork, node: VirtualNode) -> list[Vote]:
    return [s.message for s in network.sent if s.node == node.node_id and isinstance(s.message, Vote)]


def test_entry_is_committed_by_all_in_one_round() -> None:
    network = four_nodes()
    network.nodes[A].submit(1)
    network.reach(1, ms=4 * network.delay_ms)
    for node in network.nodes.values():
        (committed,) = node.committed_blocks
        assert Certificate.decode(committed.certificate).round == 0
        assert len(committed.receipts) == 1
    network.check_safety()


def test_entries_at_several_nodes_are_all_committed_once() -> None:
    network = four_nodes()
    for sequence in range(1, 13):
        network.nodes[NODE_IDS[sequence % 4]].submit(sequence)
        network.run(7)
    network.run(1_000)
    committed = [entry_id for block in network.nodes[D].committed_blocks for entry_id in block.entry_ids]
    assert len(committed) == len(set(committed)) == 12
    network.check_safety()


def test_idle_chain_makes_one_block_per_heartbeat() -> None:
    network = four_nodes()
    network.run(5 * HEARTBEAT_MS + 1_000)
    assert {node.height for node in network.nodes.values()} == {5}


def test_entry_after_idleness_does_not_wait_for_the_heartbeat() -> None:
    network = four_nodes()
    network.run(HEARTBEAT_MS // 2)
    network.nodes[C].submit(1)
    network.reach(1, ms=10 * network.delay_ms)


def test_next_proposer_takes_over_from_one_that_is_down() -> None:
    network = four_nodes()
    proposer = network.nodes[A].executor.validators(1).proposer(1, 0)
    network.nodes[proposer].alive = False
    next(node for node in network.nodes.values() if node.alive).submit(1)
    network.reach(1, ms=30 * NETWORK_DELAY_MS)
    committed = [node.committed_blocks[0] for node in network.nodes.values() if node.alive]
    assert {Certificate.decode(block.certificate).round for block in committed} == {1}


def test_half_of_the_network_commits_nothing_and_heals() -> None:
    network = four_nodes()
    network.cut = {(x, y) for x in (A, B) for y in (C, D)} | {(x, y) for x in (C, D) for y in (A, B)}
    network.nodes[A].submit(1)
    network.run(30 * NETWORK_DELAY_MS)
    assert {node.height for node in network.nodes.values()} == {0}
    network.cut = set()
    network.reach(1)
    network.check_safety()


def test_node_that_missed_the_last_votes_is_set_free_by_its_peers() -> None:
    network = four_nodes()
    network.cut = {(x, D) for x in (A, B, C)}
    network.nodes[A].submit(1)
    network.run(20 * NETWORK_DELAY_MS)
    assert (network.nodes[A].height, network.nodes[D].height) == (1, 0)
    network.cut = set()
    network.reach(1, ms=40 * NETWORK_DELAY_MS)


def test_observer_follows_and_signs_nothing() -> None:
    network = VirtualNetwork()
    network.add(*NODE_IDS[:3])
    network.add(D, votes=False)
    network.start_all()
    network.nodes[A].submit(1)
    network.reach(1)
    assert sent_votes(network, network.nodes[D]) == []
    status = network.nodes[D].engine.status()
    assert not status.validating
    assert status.observing_because is None


def test_observer_with_waiting_entries_begins_no_round_alone() -> None:
    network = VirtualNetwork()
    network.add(*NODE_IDS[:3])
    network.add(D, votes=False)
    observer = network.nodes[D]
    observer.start()
    observer.submit(1)
    network.run(3 * HEARTBEAT_MS)
    status = observer.engine.status()
    assert (status.round, status.step) == (0, "new_height")


def test_status_tells_height_and_place() -> None:
    network = four_nodes()
    network.nodes[A].submit(1)
    network.reach(1)
    status = network.nodes[A].engine.status()
    assert (status.height, status.round, status.validating, status.syncing) == (1, 0, True, False)
    assert status.step == "new_height"


# -- What peers may send ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "forged",
    [
        lambda network: vote(network, B, signer="factor-2"),
        lambda network: vote(network, NodeId("stranger")),
        lambda network: vote(network, B, chain_id=bytes(32)),
        lambda network: replace(vote(network, B), round=1),
        lambda network: vote(network, B, height=2, signer="factor-2"),
    ],
    ids=["other key", "stranger", "other chain", "other round", "next height"],
)
def test_message_with_a_false_signature_is_counted_and_never_journaled(forged: object) -> None:
    assert callable(forged)
    network, node = lone_node()
    before = node.disk.size(JOURNAL_NAME)
    node.handle(Received(C, forged(network)))
    assert len(node.refused) == 1
    assert node.disk.size(JOURNAL_NAME) == before


def test_own_name_in_a_peers_message_is_ignored() -> None:
    network, node = lone_node()
    before = node.disk.size(JOURNAL_NAME)
    node.handle(Received(B, vote(network, A)))
    assert node.disk.size(JOURNAL_NAME) == before
    assert node.refused == []


def test_repeated_message_is_journaled_once_per_round() -> None:
    network, node = lone_node()
    message = vote(network, B)
    node.handle(Received(B, message))
    before = node.disk.size(JOURNAL_NAME)
    node.handle(*[Received(peer, message) for peer in (B, C, D)] * 20)
    assert node.disk.size(JOURNAL_NAME) == before


def test_flood_of_votes_of_one_validator_is_bounded() -> None:
    network, node = lone_node()
    votes = [vote(network, B, round=round) for round in range(3 * MESSAGES_PER_ROUND_MAX)]
    node.handle(*[Received(B, message) for message in votes])
    assert node.disk.size(JOURNAL_NAME) < (MESSAGES_PER_ROUND_MAX + 10) * 300
    before = node.disk.size(JOURNAL_NAME)
    node.handle(Received(C, vote(network, C)))
    assert node.disk.size(JOURNAL_NAME) > before


def test_flood_of_votes_for_the_next_height_is_bounded() -> None:
    network, node = lone_node()
    votes = [vote(network, B, height=2, round=round) for round in range(10 * EARLY_MESSAGES_MAX)]
    before = node.disk.size(JOURNAL_NAME)
    node.handle(*[Received(B, message) for message in votes])
    assert node.disk.size(JOURNAL_NAME) == before
    values = _blocks(network, 2)
    payload, certificate = values[0]
    node.engine.apply_certified_block(payload, certificate)
    assert node.disk.size(JOURNAL_NAME) - before < (EARLY_MESSAGES_MAX + 3) * 300


def test_far_heights_are_only_a_hint_to_fetch_blocks() -> None:
    network, node = lone_node()
    before = node.disk.size(JOURNAL_NAME)
    far = Certificate(9, 0, BlockHash(bytes(32)), b"\xe0", (bytes(64),) * 3)
    node.handle(Received(B, vote(network, B, height=7)), Received(B, far))
    assert node.behind_heights == [7, 9]
    assert node.disk.size(JOURNAL_NAME) == before


def _blocks(network: VirtualNetwork, count: int) -> list[tuple[bytes, bytes]]:
    """Certified blocks of this chain, made by a network of its own."""
    other = VirtualNetwork(genesis=network.genesis)
    other.add(*NODE_IDS)
    other.start_all()
    for sequence in range(1, count + 1):
        other.nodes[A].submit(sequence)
        other.reach(sequence)
    made = []
    with other.nodes[A].store.read() as snapshot:
        for height in range(1, count + 1):
            block, certificate = snapshot.block(height), snapshot.certificate(height)
            assert block is not None
            assert certificate is not None
            made.append((block, certificate))
    return made


def test_values_that_are_not_what_they_say_are_refused() -> None:
    network, node = lone_node()
    payload, _ = _blocks(network, 1)[0]
    block_hash = BlockHash(decode_block(payload).block_hash)
    wrong = [
        ValueMessage(1, BlockHash(bytes(32)), payload),
        ValueMessage(1, block_hash, b"garbage"),
        ValueMessage(1, block_hash, bytes(VALUE_BYTES_MAX + 1)),
    ]
    before = node.disk.size(JOURNAL_NAME)
    node.handle(*[Received(B, message) for message in wrong])
    assert len(node.refused) == 3
    assert node.disk.size(JOURNAL_NAME) == before
    node.handle(Received(C, ValueMessage(1, block_hash, payload)))
    assert node.disk.size(JOURNAL_NAME) > before + len(payload)


def test_flood_of_values_from_one_peer_is_bounded() -> None:
    network, node = lone_node()
    block = decode_block(_blocks(network, 1)[0][0])
    before = node.disk.size(JOURNAL_NAME)
    for time_ms in range(10 * VALUES_PER_ROUND_MAX):
        header = replace(block.header, time_ms=block.header.time_ms + time_ms)
        other = make_block(header, block.entries, block.last_certificate, block.evidence)
        message = ValueMessage(1, BlockHash(other.block_hash), encode_block(other))
        node.handle(Received(B, message))
    grown = node.disk.size(JOURNAL_NAME) - before
    assert 0 < grown < (VALUES_PER_ROUND_MAX + 1) * (len(encode_block(block)) + 200)


def test_certificate_that_proves_nothing_is_refused() -> None:
    network, node = lone_node()
    validators = node.executor.validators(1)
    good = Certificate.decode(certify(network.genesis, validators, 1, b"\1" * 32))
    forged = replace(good, signatures=(*good.signatures[:2], good.signatures[0]))
    few = replace(good, signers=b"\xc0", signatures=good.signatures[:2])
    node.handle(Received(B, forged), Received(B, few))
    assert len(node.refused) == 2


def test_certificate_and_value_alone_decide_a_height() -> None:
    network, node = lone_node()
    payload, certificate = _blocks(network, 1)[0]
    node.handle(Received(B, Certificate.decode(certificate)))
    node.handle(Received(B, ValueMessage(1, BlockHash(decode_block(payload).block_hash), payload)))
    assert node.height == 1


def test_double_vote_becomes_evidence_in_a_block() -> None:
    network = four_nodes()
    for value in (b"\1" * 32, b"\2" * 32):
        message = vote(network, D, value=value, type=VoteType.PRECOMMIT)
        network.nodes[A].handle(Received(D, message))
    assert [item.validator for item in network.nodes[A].evidence] == [D]
    network.run(3 * HEARTBEAT_MS)
    with network.nodes[B].store.read() as snapshot:
        assert snapshot.has_evidence(network.nodes[A].evidence[0].id(network.genesis.chain_id))
    network.check_safety()


def test_second_proposal_of_one_proposer_becomes_evidence() -> None:
    network, node = lone_node()
    proposer = node.executor.validators(1).proposer(1, 0)
    assert proposer != A
    for value in (b"\1", b"\2"):
        unsigned = UnsignedProposal(1, 0, NO_ROUND, BlockHash(value * 32), 1_000, proposer)
        signed = unsigned.signed(key_of(proposer).sign(unsigned.sign_bytes(network.genesis.chain_id)))
        node.handle(Received(proposer, signed))
    assert [item.validator for item in node.evidence] == [proposer]


def test_peer_that_asks_gets_committed_and_present_values() -> None:
    network = four_nodes()
    network.nodes[A].submit(1)
    network.reach(1)
    network.sent.clear()
    block_hash = network.nodes[A].executor.tip().block_hash
    network.nodes[A].handle(NeedFromPeer(D, 1, block_hash), NeedFromPeer(D, 1, BlockHash(bytes(32))))
    answers = [sent.message for sent in network.sent]
    assert len(answers) == 1
    assert isinstance(answers[0], ValueMessage)
    assert answers[0].block_hash == block_hash


def test_peer_that_connects_is_told_the_present_round() -> None:
    network, node = lone_node()
    node.submit(1)
    network.run(20 * NETWORK_DELAY_MS)
    network.sent.clear()
    node.handle(PeerConnected(B))
    assert any(isinstance(sent.message, Vote | Proposal) for sent in network.sent)


def test_stale_timers_change_nothing() -> None:
    network = four_nodes()
    network.nodes[A].submit(1)
    network.reach(1)
    node = network.nodes[A]
    before = node.disk.size(JOURNAL_NAME)
    node.handle(TimerElapsed(Timeout(1, 0, TimeoutKind.PROPOSE)), TimerElapsed(Heartbeat(1)))
    assert node.disk.size(JOURNAL_NAME) == before


def test_work_is_told_to_the_core_once_per_height() -> None:
    _, node = lone_node()
    node.submit(1)
    before = node.disk.size(JOURNAL_NAME)
    node.handle(WorkArrived(), WorkArrived())
    assert node.disk.size(JOURNAL_NAME) == before


# -- Blocks fetched from peers ------------------------------------------------------------------------------------


def test_node_that_is_behind_takes_certified_blocks_and_then_votes() -> None:
    network = four_nodes()
    late = network.nodes[D]
    late.alive = False
    for sequence in range(1, 6):
        network.nodes[A].submit(sequence)
        network.reach(sequence)
    late.restart()
    late.engine.set_syncing(True)
    with network.nodes[A].store.read() as snapshot:
        for height in range(1, 6):
            block, certificate = snapshot.block(height), snapshot.certificate(height)
            assert block is not None
            assert certificate is not None
            committed = late.engine.apply_certified_block(block, certificate)
            assert committed is not None
            assert committed.height == height
            assert late.engine.apply_certified_block(block, certificate) is None
    late.engine.set_syncing(False)
    before = len(sent_votes(network, late))
    network.nodes[A].submit(6)
    network.reach(6)
    assert len(sent_votes(network, late)) > before
    network.check_safety()


def test_false_blocks_of_a_liar_are_refused_and_change_nothing() -> None:
    network, node = lone_node()
    (first, certificate), (second, second_certificate) = _blocks(network, 2)
    forged = certificate[:-1] + bytes([certificate[-1] ^ 1])
    for payload, proof, error in (
        (second, second_certificate, BlockInvalid),
        (first, second_certificate, CertificateInvalid),
        (first, forged, BadSignature),
        (first, b"garbage", InvalidMessage),
        (b"garbage", certificate, BlockInvalid),
    ):
        with pytest.raises(error):
            node.engine.apply_certified_block(payload, proof)
    assert node.height == 0
    node.engine.apply_certified_block(first, certificate)
    assert node.height == 1


def test_certified_block_that_this_node_finds_invalid_stops_it_with_an_explanation() -> None:
    network, node = lone_node()
    block = decode_block(_blocks(network, 1)[0][0])
    header = replace(block.header, state_root=bytes(32))
    wrong = make_block(header, block.entries, block.last_certificate, block.evidence)
    certificate = certify(network.genesis, node.executor.validators(1), 1, wrong.block_hash)
    with pytest.raises(EngineHalted, match=r"finds invalid.*state_root"):
        node.engine.apply_certified_block(encode_block(wrong), certificate)
    assert node.height == 0


def test_quorum_on_an_invalid_value_stops_the_node() -> None:
    network, node = lone_node()
    block = decode_block(_blocks(network, 1)[0][0])
    header = replace(block.header, state_root=bytes(32))
    wrong = make_block(header, block.entries, block.last_certificate, block.evidence)
    certificate = Certificate.decode(
        certify(network.genesis, node.executor.validators(1), 1, wrong.block_hash)
    )
    node.handle(Received(B, certificate))
    with pytest.raises(EngineHalted, match="state_root"):
        node.handle(Received(B, ValueMessage(1, BlockHash(wrong.block_hash), encode_block(wrong))))


def test_syncing_node_signs_nothing_and_says_afterwards_what_it_held_back() -> None:
    network = four_nodes()
    silent = network.nodes[D]
    silent.engine.set_syncing(True)
    network.nodes[C].alive = False
    network.nodes[A].submit(1)
    network.run(3 * NETWORK_DELAY_MS)
    assert sent_votes(network, silent) == []
    assert network.nodes[A].height == 0
    assert not silent.engine.status().validating
    silent.engine.set_syncing(False)
    network.reach(1)
    network.check_safety()


def test_an_engine_says_that_it_needs_no_word_of_work_until_its_next_height() -> None:
    network = four_nodes()
    node = network.nodes[A]
    seen = [node.engine.knows_of_work]
    node.submit(1)
    network.run(0)
    node.handle(WorkArrived())
    seen.append(node.engine.knows_of_work)
    network.reach(1)
    seen.append(node.engine.knows_of_work)
    assert seen == [False, True, False]
