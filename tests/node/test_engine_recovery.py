"""Kill it at every point that touches the disk, damage what it left, and start again: no vote is ever contradicted."""

from __future__ import annotations

import errno

import pytest

from consensus.inputs import HeightStarted
from consensus.messages import Proposal, Vote
from node.disk import DiskFailed
from node.engine import StartRefused
from node.input_codec import InputUnreadable, encode_input
from node.journal import JOURNAL_NAME, Journal, JournalCorrupt, WrongJournal, repair_journal
from node.signer import SIGNER_NAME, SignerCorrupt
from tests.node.chain_builders import NODE_IDS, make_executor, make_genesis
from tests.node.crashing_disk import CrashingDisk
from tests.node.engine_network import HEARTBEAT_MS, NETWORK_DELAY_MS, VirtualNetwork, VirtualNode, four_nodes
from tests.simulation.memory_store import MemoryStore

A, B, C, D = NODE_IDS
POINTS = 90
"""Disk operations of one node over the heights that these tests play, each before and after it took effect."""


def play(network: VirtualNetwork, first: int, last: int) -> None:
    """Submit and commit one entry per height, at the nodes that live."""
    for sequence in range(first, last + 1):
        live = next(node for node in network.nodes.values() if node.alive)
        live.submit(sequence)
        network.reach(sequence)


def signed(network: VirtualNetwork, node: VirtualNode) -> list[Vote | Proposal]:
    return [
        sent.message
        for sent in network.sent
        if isinstance(sent.message, Vote | Proposal) and sent.message.validator == node.node_id
    ]


@pytest.mark.parametrize("keep_unsynced", [0.0, 0.5, 1.0])
def test_crash_of_one_node_at_every_persistence_point_is_healed_by_a_restart(keep_unsynced: float) -> None:
    crashed = 0
    # What was not synced is lost at every point; kept in part or whole, it matters only between a write and its sync.
    points = range(0, POINTS, 1 if keep_unsynced == 0 else 2)
    for point in points:
        network = VirtualNetwork()
        network.add(*NODE_IDS)
        victim = network.nodes[NODE_IDS[point // 2 % 4]]
        victim.disk.crash_at = point
        network.start_all()
        play(network, 1, 2)
        crashed += not victim.alive
        victim.disk.crash_at = None
        if not victim.alive:
            victim.restart(keep_unsynced)
            assert victim.engine.status().observing_because is None, f"point {point}"
        network.reach(2)
        play(network, 3, 3)
        assert victim.height == 3, f"point {point}"
        network.check_safety()
    assert crashed > len(points) // 2


@pytest.mark.parametrize("keep_unsynced", [0.0, 0.7])
def test_crash_of_all_nodes_at_every_persistence_point_is_healed_by_restarts(keep_unsynced: float) -> None:
    for point in range(0, POINTS, 2):
        network = VirtualNetwork()
        network.add(*NODE_IDS)
        for shift, node in enumerate(network.nodes.values()):
            node.disk.crash_at = point + shift
        network.start_all()
        for node in network.nodes.values():
            if node.alive:
                node.submit(1)
        network.run(10 * NETWORK_DELAY_MS)
        for node in network.nodes.values():
            node.restart(keep_unsynced)
            assert node.engine.status().observing_because is None, f"point {point}"
        network.nodes[A].submit(2)
        network.reach(max(1, *(node.height for node in network.nodes.values())))
        network.check_safety()


@pytest.mark.parametrize("seed", range(12))
def test_crashes_again_and_again_lose_no_committed_block(seed: int) -> None:
    network = four_nodes()
    for turn in range(8):
        victim = network.nodes[NODE_IDS[(seed + turn) % 4]]
        victim.disk.crash_at = (seed * 7 + turn * 5) % 23
        for node in network.nodes.values():
            if node.alive:
                node.submit(turn + 1)
                break
        network.run(10 * NETWORK_DELAY_MS)
        heights = {node.node_id: node.height for node in network.nodes.values()}
        if not victim.alive:
            victim.restart((seed % 3) / 2)
        victim.disk.crash_at = None
        network.run(10 * NETWORK_DELAY_MS)
        assert all(node.height >= heights[node.node_id] for node in network.nodes.values())
        network.check_safety()
    network.run(HEARTBEAT_MS)
    assert len({node.height for node in network.nodes.values()}) == 1


def test_restart_stands_where_the_last_run_stood() -> None:
    network = four_nodes()
    play(network, 1, 2)
    proposer = network.nodes[A].executor.validators(3).proposer(3, 0)
    network.nodes[proposer].alive = False
    node = next(node for node in network.nodes.values() if node.alive)
    node.submit(3)
    assert network.run(25 * NETWORK_DELAY_MS, lambda: node.engine.status().round == 1)
    before = node.engine.status()
    assert before.height == 2
    said = set(signed(network, node))
    network.sent.clear()
    node.restart()
    after = node.engine.status()
    assert (after.height, after.round, after.step) == (before.height, before.round, before.step)
    assert set(signed(network, node)) <= said


def test_restart_of_everyone_while_at_rest_comes_up() -> None:
    network = four_nodes()
    for node in network.nodes.values():
        node.restart()
    play(network, 1, 1)
    for node in network.nodes.values():
        node.restart()
    play(network, 2, 2)


def test_journal_is_rotated_and_stays_small() -> None:
    network = four_nodes()
    play(network, 1, 40)
    assert network.nodes[A].disk.size(JOURNAL_NAME) < 60_000
    network.nodes[A].restart()
    play(network, 41, 41)
    assert network.nodes[A].height == 41


# -- Lost and damaged files ---------------------------------------------------------------------------------------


def lose_and_restart(network: VirtualNetwork, node: VirtualNode, *names: str) -> None:
    node.alive = False
    for name in names:
        node.disk.remove(name)
    node.restart()


@pytest.mark.parametrize("names", [(JOURNAL_NAME,), (SIGNER_NAME,), (JOURNAL_NAME, SIGNER_NAME)])
def test_node_that_lost_its_memory_observes_first_and_votes_later(names: tuple[str, ...]) -> None:
    network = four_nodes()
    play(network, 1, 3)
    node = network.nodes[D]
    lose_and_restart(network, node, *names)
    said = len(signed(network, node))
    status = node.engine.status()
    assert not status.validating
    assert status.observing_because is not None
    play(network, 4, 5)
    assert len(signed(network, node)) == said
    assert node.height == 5
    play(network, 6, 9)
    assert len(signed(network, node)) > said
    assert node.engine.status().validating
    network.check_safety()


def test_second_restart_does_not_forget_that_the_memory_was_lost() -> None:
    network = four_nodes()
    play(network, 1, 3)
    node = network.nodes[D]
    lose_and_restart(network, node, JOURNAL_NAME)
    node.restart()
    assert node.engine.status().observing_because is not None
    said = len(signed(network, node))
    play(network, 4, 5)
    assert len(signed(network, node)) == said


def test_vote_cast_before_the_memory_was_lost_is_not_contradicted() -> None:
    network = four_nodes()
    play(network, 1, 1)
    node = network.nodes[D]
    # It votes at height 2, but height 2 is not decided: two of four are cut off.
    network.cut = {(x, y) for x in NODE_IDS for y in NODE_IDS if x != y and not {x, y} <= {C, D}}
    network.nodes[C].submit(2)
    node.submit(2)
    network.run(10 * NETWORK_DELAY_MS)
    assert any(message.height == 2 for message in signed(network, node))
    lose_and_restart(network, node, JOURNAL_NAME, SIGNER_NAME)
    network.cut = set()
    network.reach(2)
    network.check_safety()


def test_restored_backup_of_store_and_journal_beside_a_newer_signer_only_observes() -> None:
    network = four_nodes()
    play(network, 1, 2)
    node = network.nodes[D]
    old_disk = node.disk.after_crash(1.0)
    old_store = MemoryStore(network.genesis.chain_id)
    _copy_blocks(network, old_store, 2)
    play(network, 3, 6)
    node.alive = False
    signer = node.disk.read(SIGNER_NAME)
    node.disk, node.store = old_disk, old_store
    node.disk.write_atomic(SIGNER_NAME, signer)
    node.start()
    assert node.height == 2
    assert node.engine.status().observing_because is not None
    said = len(signed(network, node))
    node.fetch()
    play(network, 7, 8)
    assert len(signed(network, node)) == said
    play(network, 9, 10)
    assert len(signed(network, node)) > said
    network.check_safety()


def _copy_blocks(network: VirtualNetwork, store: MemoryStore, count: int) -> None:
    """The first `count` blocks of the chain, as a backup would hold them."""
    executor, _ = make_executor(network.genesis, store)
    with network.nodes[A].store.read() as snapshot:
        for height in range(1, count + 1):
            block, certificate = snapshot.block(height), snapshot.certificate(height)
            assert block is not None
            assert certificate is not None
            executor.commit(block, certificate)


def test_observing_node_that_fetches_blocks_does_not_vote_right_after_them() -> None:
    network = four_nodes()
    play(network, 1, 2)
    node = network.nodes[D]
    node.alive = False
    play(network, 3, 9)
    lose_and_restart(network, node, JOURNAL_NAME, SIGNER_NAME)
    said = len(signed(network, node))
    node.fetch()
    assert node.height == 9
    # It may have decided height 10 before it lost its memory, and voted at 11: not again.
    play(network, 10, 11)
    assert [message.height for message in signed(network, node)[said:]] == []
    play(network, 12, 13)
    assert len(signed(network, node)) > said
    network.check_safety()


def test_node_restored_from_one_old_backup_finds_its_forgotten_signatures_and_observes() -> None:
    network = four_nodes()
    play(network, 1, 2)
    node = network.nodes[D]
    backup = node.disk.after_crash(1.0)
    store = MemoryStore(network.genesis.chain_id)
    _copy_blocks(network, store, 2)
    play(network, 3, 6)
    # All files are from one old backup, which the node cannot see from inside: it must hear its peers before it votes.
    node.alive = False
    node.disk, node.store = backup, store
    said = len(signed(network, node))
    node.silent_at_start = True
    node.start()
    network.run(10 * NETWORK_DELAY_MS)
    node.fetch()
    assert node.height == 6
    # Its own precommits in the certificates tell: it may have decided height 7 too, and have voted at 8.
    assert node.engine.status().observing_because is not None
    play(network, 7, 8)
    assert len(signed(network, node)) == said
    play(network, 9, 10)
    heights = {message.height for message in signed(network, node)[said:]}
    assert heights == {9, 10}
    network.check_safety()


def test_node_whose_whole_data_folder_is_gone_observes_behind_its_former_life() -> None:
    network = four_nodes()
    play(network, 1, 4)
    node = network.nodes[D]
    node.alive = False
    node.disk, node.store = CrashingDisk(), MemoryStore(network.genesis.chain_id)
    said = len(signed(network, node))
    node.silent_at_start = True
    node.start()
    node.fetch()
    assert node.height == 4
    assert node.engine.status().observing_because is not None
    play(network, 5, 6)
    assert len(signed(network, node)) == said
    play(network, 7, 8)
    assert len(signed(network, node)) > said
    network.check_safety()


def test_node_that_was_merely_away_votes_as_soon_as_it_is_level() -> None:
    network = four_nodes()
    play(network, 1, 2)
    node = network.nodes[D]
    node.alive = False
    network.cut = {(x, D) for x in (A, B, C)}
    play(network, 3, 6)
    network.cut = set()
    node.silent_at_start = True
    node.restart()
    said = len(signed(network, node))
    node.fetch()
    # Another one dies: without the node that came back there would be no quorum any more.
    network.nodes[A].alive = False
    play(network, 7, 8)
    assert node.engine.status().observing_because is None
    assert len(signed(network, node)) > said
    network.check_safety()


def test_flushed_record_lost_from_the_very_tail_makes_the_node_observe() -> None:
    network = four_nodes()
    play(network, 1, 1)
    node = network.nodes[D]
    network.cut = {(x, D) for x in (A, B, C)}
    node.submit(2)
    network.run(10 * NETWORK_DELAY_MS)
    assert any(message.height == 2 for message in signed(network, node))
    # A damaged tail cannot be told from a torn one by the journal alone; the signer file can tell.
    begun = encode_input(HeightStarted(2, node.executor.validators(2), node.executor.tip().time_ms))
    node.alive = False
    node.disk.truncate(JOURNAL_NAME, node.disk.read(JOURNAL_NAME).rindex(begun) + len(begun))
    node.disk.fdatasync(JOURNAL_NAME)
    node.restart()
    assert node.engine.status().observing_because is not None
    network.cut = set()
    network.reach(2)
    network.check_safety()


def test_torn_tail_is_cut_and_the_node_votes_on() -> None:
    network = four_nodes()
    play(network, 1, 2)
    node = network.nodes[B]
    node.alive = False
    node.disk.append(JOURNAL_NAME, b"half a rec")
    node.restart(1.0)
    assert node.engine.status().validating
    assert "journal.torn" in node.disk.list()
    play(network, 3, 3)


def test_bit_flip_in_the_middle_is_refused_and_repaired_by_observing() -> None:
    network = four_nodes()
    play(network, 1, 2)
    node = network.nodes[B]
    node.submit(3)
    node.alive = False
    network.reach(3)
    data = bytearray(node.disk.read(JOURNAL_NAME))
    data[len(data) // 2] ^= 1
    node.disk.write_atomic(JOURNAL_NAME, bytes(data))
    with pytest.raises(JournalCorrupt, match="repair-journal"):
        node.restart()
    kept = repair_journal(node.disk)
    assert kept is not None
    assert node.disk.read(kept) == bytes(data)
    node.restart()
    assert node.engine.status().observing_because is not None
    network.reach(3)
    play(network, 4, 7)
    assert node.engine.status().validating
    network.check_safety()


def test_damaged_signer_file_is_refused_and_says_what_to_do() -> None:
    network = four_nodes()
    play(network, 1, 1)
    node = network.nodes[B]
    data = bytearray(node.disk.read(SIGNER_NAME))
    data[60] ^= 1
    node.disk.write_atomic(SIGNER_NAME, bytes(data))
    with pytest.raises(SignerCorrupt, match="Move it aside"):
        node.restart()


def test_journal_that_does_not_fit_the_store_is_refused() -> None:
    network = four_nodes()
    node = network.nodes[D]
    old_signer = node.disk.read(SIGNER_NAME)
    play(network, 1, 4)
    node.alive = False
    node.store = MemoryStore(network.genesis.chain_id)
    _copy_blocks(network, node.store, 1)
    node.disk.write_atomic(SIGNER_NAME, old_signer)
    with pytest.raises(StartRefused, match="the journal is at height"):
        node.restart()


def test_journal_of_another_chain_is_refused() -> None:
    network = four_nodes()
    play(network, 1, 1)
    other = VirtualNetwork(genesis=make_genesis("another consortium"))
    other.add(A)
    node = other.nodes[A]
    node.disk.files[JOURNAL_NAME] = network.nodes[A].disk.files[JOURNAL_NAME]
    with pytest.raises(WrongJournal, match="genesis document"):
        node.start()


def test_journal_record_of_another_version_is_refused() -> None:
    network = four_nodes()
    node = network.nodes[A]
    node.alive = False
    node.disk.files.pop(JOURNAL_NAME)
    _write_foreign_record(network, node)
    with pytest.raises(InputUnreadable, match="of this version"):
        node.restart(1.0)


def _write_foreign_record(network: VirtualNetwork, node: VirtualNode) -> None:
    journal = Journal(node.disk, network.genesis.chain_id)
    journal.open()
    journal.begin(b"\xee what is this")
    journal.flush()


# -- Disks that fail ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
def test_failing_disk_stops_the_node_and_the_others_live_on(error: int) -> None:
    network = four_nodes()
    play(network, 1, 1)
    node = network.nodes[C]
    node.disk.fail_with = error
    with pytest.raises(DiskFailed) as failed:
        play(network, 2, 2)
    assert failed.value.errno_code == error
    assert "start" in str(failed.value) or "restore" in str(failed.value)
    node.alive = False
    said = len(signed(network, node))
    network.reach(2)
    node.disk.fail_with = None
    node.restart(1.0)
    network.reach(2)
    play(network, 3, 4)
    assert len(signed(network, node)) > said
    network.check_safety()
