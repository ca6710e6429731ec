"""From the genesis document over every change of the validators: what is followed, and which changes are not believed."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from client.answers import PresentValue, ValidatorChange
from client.errors import InputError
from client.trust import read_known_sets, write_known_sets
from client.validator_sets import VALIDATOR_CHANGES_MAX, KnownSet, ValidatorSets
from client.verify import TrustedChain
from registry.block import make_block
from registry.errors import ProofInvalid
from registry.nodes import Voter, decode_voters, encode_voters, voters
from registry.stored import SINGLETON, Namespace
from tests.client.answers_of import falsified, present
from tests.client.audit.chain_builder import BuiltBlock, ChainBuilder


class Story:
    """Block 2 decides that a newcomer votes, block 6 that exporter-1 does no more; ten blocks."""

    def __init__(self) -> None:
        self.builder = ChainBuilder("validator changes")
        for height in range(1, 11):
            entries = []
            if height == 2:
                entries = [self.builder.decide_nodes(self.builder.new_node("newcomer"))]
            if height == 6:
                entries = [self.builder.decide_nodes(replace(self.builder.node("exporter-1"), power=0))]
            self.builder.commit(entries)

    def block(self, height: int) -> BuiltBlock:
        return self.builder.blocks[height - 1]

    def change(self, height: int) -> ValidatorChange:
        """What a node shows of the header that announces the set of the next height."""
        built = self.block(height)
        encoded = encode_voters(voters(self.builder.nodes_at(height + 1).nodes))
        return ValidatorChange(built.block.header_bytes, built.certificate, encoded)

    def certified_by_new(self, height: int) -> bytes:
        """A certificate of the set with the newcomer in it, the newcomer among them."""
        names = ("exporter-1", "factor-1", "factor-2", "newcomer")
        return self.builder.certificate(
            height, self.block(height).block.block_hash, signers=names, of_height=5
        )

    @property
    def changes(self) -> list[ValidatorChange]:
        return [self.change(3), self.change(7)]


@pytest.fixture(scope="module")
def story() -> Story:
    return Story()


def accepts(chain: TrustedChain, built: BuiltBlock) -> bool:
    try:
        chain.verify_head(built.block.header_bytes, built.certificate)
    except ProofInvalid:
        return False
    return True


def test_every_block_is_believed_once_the_changes_are_shown(story: Story) -> None:
    chain = TrustedChain(story.builder.genesis)
    chain.learn_changes(story.changes)
    assert all(accepts(chain, built) for built in story.builder.blocks)
    assert chain.sets.newest_from == 8


def test_without_the_changes_only_the_blocks_of_the_known_validators_are_believed(story: Story) -> None:
    chain = TrustedChain(story.builder.genesis)
    assert [accepts(chain, built) for built in story.builder.blocks] == [True] * 3 + [False] * 7
    chain.learn_changes(story.changes[:1])
    assert [accepts(chain, built) for built in story.builder.blocks] == [True] * 7 + [False] * 3


def test_changes_may_be_learnt_one_by_one_and_again(story: Story) -> None:
    chain = TrustedChain(story.builder.genesis)
    for change in [*story.changes, *story.changes]:
        chain.learn_changes([change])
    assert [each.from_height for each in chain.sets.learnt()] == [4, 8]


def test_a_missing_change_in_between_is_noticed(story: Story) -> None:
    chain = TrustedChain(story.builder.genesis)
    with pytest.raises(ProofInvalid, match="validators_hash"):
        chain.learn_changes(story.changes[1:])
    assert chain.sets.learnt() == ()


def test_another_set_than_the_announced_one_is_refused(story: Story) -> None:
    first = story.changes[0]
    real = decode_voters(first.validators)
    mine = Voter("newcomer", b"k" * 32, 1)
    for false in (
        encode_voters(real[:-1]),
        encode_voters((*real[:-1], mine)),
        encode_voters(tuple(replace(each, power=2) for each in real)),
        story.changes[1].validators,
        b"",
    ):
        chain = TrustedChain(story.builder.genesis)
        with pytest.raises(ProofInvalid, match="not those that the header announces") as refused:
            chain.learn_changes([replace(first, validators=false)])
        assert isinstance(refused.value.details["answer"], bytes)


def test_no_changed_byte_of_a_change_is_believed(story: Story) -> None:
    believed = []
    for what, changed in falsified(story.changes[0]):
        chain = TrustedChain(story.builder.genesis)
        with suppress(ProofInvalid):
            chain.learn_changes([changed])
            believed.append(what)
    assert believed == []


def test_a_header_that_announces_nothing_is_no_change(story: Story) -> None:
    built = story.block(2)
    chain = TrustedChain(story.builder.genesis)
    encoded = encode_voters(voters(story.builder.genesis.nodes))
    with pytest.raises(ProofInvalid, match="announces no other"):
        chain.learn_changes([ValidatorChange(built.block.header_bytes, built.certificate, encoded)])


def test_a_certificate_of_the_old_validators_for_a_block_of_the_new_ones_is_refused(story: Story) -> None:
    chain = TrustedChain(story.builder.genesis)
    chain.learn_changes(story.changes)
    built = story.block(5)
    old = story.builder.certificate(5, built.block.block_hash, of_height=1)
    new = story.certified_by_new(3)
    for forged in (replace(built, certificate=old), replace(story.block(3), certificate=new)):
        with pytest.raises(ProofInvalid, match="certificate does not hold"):
            chain.verify_head(forged.block.header_bytes, forged.certificate)


def test_the_new_validators_cannot_announce_themselves(story: Story) -> None:
    """The header of height 3 as the newcomers would like it, certified by them and not by the set before."""
    chain = TrustedChain(story.builder.genesis)
    change = story.changes[0]
    forged = story.certified_by_new(3)
    with pytest.raises(ProofInvalid, match="certificate does not hold"):
        chain.learn_changes([replace(change, certificate=forged)])


def test_a_header_that_contradicts_a_known_change_is_refused(story: Story) -> None:
    """The old validators certify another block 3, which announces nothing: after the change is known, it is no block of it."""
    chain = TrustedChain(story.builder.genesis)
    chain.learn_changes(story.changes)
    header = replace(
        story.block(3).block.header, next_validators_hash=story.builder.genesis.validators_hash()
    )
    block = make_block(header, (), story.block(3).block.last_certificate, ())
    certificate = story.builder.certificate(3, block.block_hash)
    with pytest.raises(ProofInvalid):
        chain.verify_head(block.header_bytes, certificate)


def test_a_flood_of_changes_is_refused(story: Story) -> None:
    chain = TrustedChain(story.builder.genesis)
    with pytest.raises(ProofInvalid, match="at most"):
        chain.learn_changes([story.changes[0]] * (VALIDATOR_CHANGES_MAX + 1))


# -- Kept from one run to the next ------------------------------------------------------------------------------------


def test_what_was_learnt_is_kept_and_trusted_by_the_next_run(story: Story, tmp_path: Path) -> None:
    chain = TrustedChain(story.builder.genesis)
    chain.learn_changes(story.changes)
    path = tmp_path / "validators"
    assert read_known_sets(path) == ()
    write_known_sets(path, chain.sets.learnt())
    again = TrustedChain(story.builder.genesis, known_sets=read_known_sets(path))
    assert again.sets.newest_from == 8
    assert all(accepts(again, built) for built in story.builder.blocks)


def test_a_damaged_file_of_sets_is_said_to_be_damaged(story: Story, tmp_path: Path) -> None:
    path = tmp_path / "validators"
    path.write_bytes(b"\xc1")
    with pytest.raises(InputError, match="damaged"):
        read_known_sets(path)


def test_two_sets_for_one_height_are_not_both_believed(story: Story) -> None:
    known = KnownSet(4, story.changes[0].validators)
    with pytest.raises(ProofInvalid, match="two sets"):
        ValidatorSets(story.builder.genesis, (known, replace(known, voters=story.changes[1].validators)))
    with pytest.raises(ProofInvalid, match="does not read back"):
        ValidatorSets(story.builder.genesis, (replace(known, voters=b"\xc1"),))


# -- The nodes themselves ---------------------------------------------------------------------------------------------


def nodes_answer(story: Story) -> PresentValue:
    return present(story.builder.state, Namespace.VALIDATORS, SINGLETON)


def test_the_nodes_are_proven_and_agree_with_the_header(story: Story) -> None:
    chain = TrustedChain(story.builder.genesis)
    chain.learn_changes(story.changes)
    newest = story.block(10)
    head = chain.accept_head(newest.block.header_bytes, newest.certificate)
    proven = chain.check_nodes(head, nodes_answer(story))
    assert {node.node_id: node.power for node in proven.nodes.nodes} == {
        "association": 1,
        "exporter-1": 0,
        "factor-1": 1,
        "factor-2": 1,
        "newcomer": 1,
    }
    assert proven.nodes.from_height == 8


def test_no_changed_byte_of_the_nodes_is_believed(story: Story) -> None:
    chain = TrustedChain(story.builder.genesis)
    chain.learn_changes(story.changes)
    newest = story.block(10)
    head = chain.accept_head(newest.block.header_bytes, newest.certificate)
    refused = 0
    for _what, changed in falsified(nodes_answer(story)):
        with pytest.raises(ProofInvalid):
            chain.check_nodes(head, changed)
        refused += 1
    assert refused > 10


@pytest.mark.parametrize("decided_at", [1, 2])
def test_nodes_that_are_to_come_are_proven_too(decided_at: int) -> None:
    builder = ChainBuilder("soon")
    builder.commit([builder.decide_nodes(builder.new_node("newcomer"))])
    if decided_at == 2:
        builder.commit()
    chain = TrustedChain(builder.genesis)
    built = builder.blocks[-1]
    head = chain.accept_head(built.block.header_bytes, built.certificate)
    proven = chain.check_nodes(head, present(builder.state, Namespace.VALIDATORS, SINGLETON))
    assert proven.nodes.from_height == 3
