"""Engines while the ledger changes who votes: each change holds from the block after the next one on, for everybody alike."""

from __future__ import annotations

from itertools import pairwise

import pytest

from consensus.certificate import Certificate, verify_certificate
from consensus.messages import Proposal, Vote
from consensus.validators import NodeId
from node.engine import Received
from registry.nodes import NetworkNode
from registry.signing import verify
from tests.node.chain_builders import NODE_IDS, key_of
from tests.node.engine_network import VirtualNetwork, VirtualNode, four_nodes
from tests.node.validator_decisions import decision, new_node, weighed, with_node, without

NEWCOMER = NodeId("newcomer")
A, E, F1, F2 = NODE_IDS


class Story:
    """Four validators and a fifth node that follows; entries and decisions one after the other."""

    def __init__(self) -> None:
        self.network = VirtualNetwork()
        self.network.add(*NODE_IDS, NEWCOMER)
        self.network.start_all()
        self.decided = 0
        self.entries = 0

    @property
    def nodes(self) -> tuple[NetworkNode, ...]:
        """As the furthest node knows them."""
        return max(self.network.nodes.values(), key=lambda node: node.height).executor.nodes.newest().nodes

    def decide(
        self, nodes: tuple[NetworkNode, ...], *admitted: tuple[str, object], forced: bool = False
    ) -> int:
        """Have the nodes decide it; the height at which they did."""
        self.decided += 1
        entry = decision(self.network.genesis.chain_id, self.decided, nodes, *admitted, forced=forced)  # type: ignore[arg-type]
        live = [node for node in self.network.nodes.values() if node.alive]
        live[0].submit_entry(entry)
        assert self.network.run(60_000, lambda: any(self._place(node, entry.entry_id) for node in live))
        return max(self._place(node, entry.entry_id) for node in live)

    def _place(self, node: VirtualNode, entry_id: bytes) -> int:
        with node.store.read() as snapshot:
            place = snapshot.locate_entry(entry_id)
        return 0 if place is None else place[0]

    def go_on(self, blocks: int = 3) -> None:
        """So many blocks more, on all nodes that live."""
        live = [node for node in self.network.nodes.values() if node.alive]
        for _ in range(blocks):
            target = max(node.height for node in live) + 1
            self.entries += 1
            live[0].submit(self.entries)
            self.network.reach(target)
        self.network.check_safety()

    def voted_at(self, node_id: str) -> set[int]:
        """Heights at which a node signed something and sent it."""
        return {
            sent.message.height
            for sent in self.network.sent
            if isinstance(sent.message, Vote | Proposal) and sent.message.validator == node_id
        }


def signers_of(node: VirtualNode, height: int) -> set[str]:
    """Whose precommits the certificate holds, checked against the set of that height."""
    with node.store.read() as snapshot:
        raw = snapshot.certificate(height)
    assert raw is not None
    certificate = Certificate.decode(raw)
    validators = node.executor.validators(height)
    verify_certificate(certificate, validators, node.network.genesis.chain_id, verify)
    return {validators.validators[index].node_id for index in certificate.signer_indexes}


def test_an_added_node_votes_from_the_second_block_after_the_decision_on() -> None:
    story = Story()
    story.go_on(2)
    height = story.decide(with_node(story.nodes, new_node(NEWCOMER)), (NEWCOMER, key_of(NEWCOMER)))
    story.go_on(6)
    heights = story.voted_at(NEWCOMER)
    assert min(heights) == height + 2
    assert heights >= {height + 2, height + 3, height + 4}
    proposers = {sent.message.validator for sent in story.network.sent if isinstance(sent.message, Proposal)}
    assert NEWCOMER in proposers
    assert not any(node.refused for node in story.network.nodes.values())


def test_the_new_validators_are_needed_for_a_quorum() -> None:
    story = Story()
    story.decide(with_node(story.nodes, new_node(NEWCOMER)), (NEWCOMER, key_of(NEWCOMER)))
    story.go_on(3)
    for node_id in (F1, F2):
        story.network.nodes[node_id].alive = False
    before = story.network.nodes[A].height
    story.network.nodes[A].submit(100)
    assert not story.network.run(60_000, lambda: story.network.nodes[A].height > before)


def test_a_node_that_loses_its_vote_signs_nothing_more_and_follows() -> None:
    story = Story()
    story.go_on(2)
    height = story.decide(weighed(story.nodes, F2, 0))
    story.go_on(4)
    assert max(story.voted_at(F2)) <= height + 1
    assert story.network.nodes[F2].height >= height + 4
    assert not story.network.nodes[F2].engine.status().validating
    assert all(F2 not in signers_of(story.network.nodes[A], height + offset) for offset in (2, 3, 4))


def test_the_others_go_on_when_a_removed_node_is_gone() -> None:
    story = Story()
    story.decide(without(story.nodes, F2))
    story.go_on(2)
    story.network.nodes[F2].alive = False
    story.network.nodes[F1].alive = True
    story.go_on(3)
    # Three of three: the fourth is not missed, and with it a third of the power would be silent.
    assert story.network.nodes[A].executor.validators(story.network.nodes[A].height + 1).total_power == 3


def test_another_weight_counts_from_the_same_block_on() -> None:
    story = Story()
    height = story.decide(weighed(story.nodes, A, 2))
    story.go_on(4)
    executor = story.network.nodes[E].executor
    powers = [executor.validators(at).power(A) for at in range(height, height + 4)]
    assert powers == [1, 1, 2, 2]
    for at in range(1, height + 4):
        signers_of(story.network.nodes[E], at)


def test_two_changes_in_a_row_follow_each_other() -> None:
    story = Story()
    first = story.decide(with_node(story.nodes, new_node(NEWCOMER)), (NEWCOMER, key_of(NEWCOMER)))
    story.go_on(1)
    second = story.decide(weighed(story.nodes, F2, 0))
    story.go_on(4)
    assert second >= first + 2
    for node in story.network.nodes.values():
        for at in range(1, node.height + 1):
            signers_of(node, at)


@pytest.mark.parametrize("heights_later", [0, 1, 2])
@pytest.mark.parametrize("who", [(F1,), NODE_IDS, (NEWCOMER,)])
def test_restarts_around_the_change_lose_nothing(heights_later: int, who: tuple[NodeId, ...]) -> None:
    story = Story()
    height = story.decide(with_node(story.nodes, new_node(NEWCOMER)), (NEWCOMER, key_of(NEWCOMER)))
    story.go_on(heights_later)
    for node_id in who:
        story.network.nodes[node_id].restart(0.5)
    story.go_on(4)
    assert min(story.voted_at(NEWCOMER)) >= height + 2
    for at in range(1, story.network.nodes[A].height + 1):
        signers_of(story.network.nodes[A], at)


def test_a_node_that_was_away_follows_across_the_changes() -> None:
    story = Story()
    story.go_on(1)
    away = story.network.nodes[F2]
    away.alive = False
    first = story.decide(with_node(story.nodes, new_node(NEWCOMER)), (NEWCOMER, key_of(NEWCOMER)))
    story.go_on(3)
    second = story.decide(weighed(story.nodes, NEWCOMER, 2))
    story.go_on(3)
    away.restart()
    away.behind(second + 3)
    story.network.run(5_000, lambda: away.height >= second + 3)
    assert away.height >= second + 3
    assert [nodes.from_height for nodes in away.executor.nodes.around(1)] == [second + 2, first + 2, 1]
    story.go_on(3)


def test_a_change_is_not_decided_without_a_quorum_and_holds_for_both_sides_afterwards() -> None:
    story = Story()
    story.go_on(2)
    network = story.network
    sides = ((A, E), (F1, F2, NEWCOMER))
    cut = {(one, other) for one in sides[0] for other in sides[1]}
    network.cut = cut | {(other, one) for one, other in cut}
    before = network.nodes[A].height
    entry = decision(
        network.genesis.chain_id,
        1,
        with_node(story.nodes, new_node(NEWCOMER)),
        (NEWCOMER, key_of(NEWCOMER)),
    )
    story.decided = 1
    for node in network.nodes.values():
        node.mempool.add(entry, local=True)
    network.nodes[A].submit_entry(entry)
    network.run(60_000)
    assert {node.height for node in network.nodes.values()} == {before}
    network.cut = set()
    network.run(60_000, lambda: all(node.height > before for node in network.nodes.values()))
    story.go_on(4)
    with network.nodes[A].store.read() as snapshot:
        place = snapshot.locate_entry(entry.entry_id)
    assert place is not None
    assert min(story.voted_at(NEWCOMER)) == place[0] + 2


def test_a_node_cut_off_while_the_set_changes_votes_by_the_new_set_when_it_is_back() -> None:
    story = Story()
    network = story.network
    network.cut = {(F2, other) for other in network.nodes} | {(other, F2) for other in network.nodes}
    height = story.decide(weighed(story.nodes, A, 2))
    for _ in range(3):
        story.entries += 1
        network.nodes[A].submit(story.entries)
        network.run(5_000)
    assert network.nodes[F2].height < height
    network.cut = set()
    network.nodes[F2].behind(network.nodes[A].height)
    story.go_on(3)
    assert network.nodes[F2].executor.validators(network.nodes[F2].height).power(A) == 2
    assert max(story.voted_at(F2)) > height + 2


NEXT_KEY = key_of("the next key of factor-2")


def rotated(story: Story) -> int:
    """Decide another key for factor-2."""
    present = next(node for node in story.nodes if node.node_id == F2)
    new = NetworkNode(F2, present.member, NEXT_KEY.public_key, 1, b"another certificate of factor-2")
    return story.decide(with_node(story.nodes, new), (F2, NEXT_KEY))


def test_a_rotated_key_is_refused_and_its_node_falls_silent() -> None:
    story = Story()
    story.go_on(2)
    height = rotated(story)
    story.go_on(4)
    node = story.network.nodes[F2]
    assert max(story.voted_at(F2)) <= height + 1
    assert node.height >= height + 4
    status = node.engine.status()
    assert not status.validating
    assert status.observing_because is not None
    assert "another key" in status.observing_because
    # Whoever still holds the old key says nothing that counts.
    (old_vote,) = [
        sent.message
        for sent in story.network.sent
        if isinstance(sent.message, Vote) and sent.message.validator == F2 and sent.message.height == 1
    ][:1]
    assert isinstance(old_vote, Vote)
    at = story.network.nodes[A].height + 1
    forged = old_vote.unsigned
    late = type(forged)(forged.type, at, 0, None, -1, F2)
    signed = late.signed(key_of(F2).sign(late.sign_bytes(story.network.genesis.chain_id)))
    refused = len(story.network.nodes[A].refused)
    story.network.nodes[A].handle(Received(E, signed))
    assert len(story.network.nodes[A].refused) == refused + 1


def test_a_node_that_was_away_rejoins_with_its_new_key() -> None:
    story = Story()
    story.go_on(2)
    node = story.network.nodes[F2]
    node.alive = False
    height = rotated(story)
    story.go_on(4)
    node.key = NEXT_KEY
    node.restart()
    node.behind(height + 5)
    story.network.run(5_000)
    # It cannot know that this key has signed nothing: it is silent for a few heights, and then it votes.
    story.go_on(6)
    assert max(story.voted_at(F2)) > height + 4
    assert node.engine.status().validating
    assert F2 in set().union(*(signers_of(node, at) for at in range(height + 5, node.height + 1)))


def test_a_node_with_the_old_key_that_comes_back_signs_nothing() -> None:
    story = Story()
    story.go_on(2)
    node = story.network.nodes[F2]
    node.alive = False
    height = rotated(story)
    story.go_on(4)
    node.restart()
    node.behind(height + 5)
    story.network.run(5_000)
    story.go_on(4)
    assert node.height > height + 4
    assert max(story.voted_at(F2)) <= height + 1


def test_four_nodes_without_a_decision_have_the_first_set_for_ever() -> None:
    network = four_nodes()
    network.nodes[A].submit(1)
    network.reach(1)
    sets = [network.nodes[A].executor.validators(height) for height in range(4)]
    assert all(left == right for left, right in pairwise(sets))
