"""ChangeValidators: who may, what is refused in which order, and from which block on it holds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from registry.errors import Code, MalformedEntry, NotPermitted
from registry.fingerprints import Numbering
from registry.limits import VALIDATORS_MAX
from registry.member import possession_message
from registry.nodes import NetworkNode, decode_voters, encode_voters, validators_hash, voters, voters_digest
from registry.operations.governance import EnrolMember, KeyEnrolment, Role
from registry.operations.validators import ChangeValidators, NodeAdmission
from registry.signing import SigningKey
from tests.registry.consortium import (
    ASSOCIATION,
    BANK,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    FACTOR_3,
    FINGERPRINT_KEY,
    STRANGER,
    Consortium,
    key_of,
)
from tests.registry.governance_examples import admission, node_of, nodes_with, pass_blocks

NEW_KEY = key_of("node of factor 3")


def newcomer(power: int = 1, **changes: Any) -> NetworkNode:
    node = NetworkNode("factor-3", FACTOR_3, NEW_KEY.public_key, power, b"certificate of factor-3")
    return replace(node, **changes)


def addition(consortium: Consortium, node: NetworkNode | None = None, **changes: Any) -> ChangeValidators:
    node = node or newcomer()
    operation = ChangeValidators(
        nodes_with(consortium, node), (admission(consortium, node, NEW_KEY),), forced=False
    )
    return replace(operation, **changes)


def reweighting(
    consortium: Consortium, node_id: str, power: int, *, forced: bool = False
) -> ChangeValidators:
    return ChangeValidators(
        nodes_with(consortium, replace(node_of(consortium, node_id), power=power)), (), forced
    )


def removal(consortium: Consortium, *names: str, forced: bool = False) -> ChangeValidators:
    nodes = tuple(node for node in consortium.working().newest_nodes().nodes if node.node_id not in names)
    return ChangeValidators(nodes, (), forced)


def rekeyed(consortium: Consortium, node_id: str, key: SigningKey, **changes: Any) -> ChangeValidators:
    node = replace(node_of(consortium, node_id), consensus_key=key.public_key, **changes)
    return ChangeValidators(nodes_with(consortium, node), (admission(consortium, node, key),), forced=False)


# --- when it holds


def test_a_change_is_announced_by_the_next_block_and_in_force_in_the_one_after(
    consortium: Consortium,
) -> None:
    before = consortium.genesis.validators_hash()
    pass_blocks(consortium, 3)
    decided = consortium.commit(
        consortium.entry(addition(consortium), signed_by=(ASSOCIATION, FACTOR_3))
    ).block.header
    announced = consortium.commit().block.header
    first = consortium.commit().block.header
    after = validators_hash(voters(consortium.working().newest_nodes().nodes))
    assert before != after
    assert (decided.validators_hash, decided.next_validators_hash) == (before, before)
    assert (announced.validators_hash, announced.next_validators_hash) == (before, after)
    assert (first.validators_hash, first.next_validators_hash) == (after, after)


def test_the_sets_of_all_heights_can_be_looked_up(consortium: Consortium) -> None:
    consortium.do(addition(consortium), signed_by=(ASSOCIATION, FACTOR_3))  # block 1
    pass_blocks(consortium, 1)
    consortium.do(reweighting(consortium, "factor-3", 2))  # block 3
    state = consortium.working()
    powers = [
        next((node.power for node in state.nodes_at(height).nodes if node.node_id == "factor-3"), None)
        for height in range(1, 8)
    ]
    assert powers == [None, None, 1, 1, 2, 2, 2]
    assert [nodes.from_height for nodes in state.node_changes(0)] == [3, 5]
    assert [nodes.from_height for nodes in state.node_changes(3)] == [5]
    assert state.node_changes(5) == ()


def test_what_was_decided_says_by_which_entry(consortium: Consortium) -> None:
    receipt = consortium.do(addition(consortium), signed_by=(ASSOCIATION, FACTOR_3))
    decided = consortium.working().newest_nodes().decided
    assert decided is not None
    assert (decided.subject, decided.height) == (receipt.entry_id, 1)


# --- who signs


def test_the_quorum_alone_reweights_and_removes(consortium: Consortium) -> None:
    assert consortium.code(reweighting(consortium, "factor-1", 2)) is Code.OK
    pass_blocks(consortium, 1)
    assert consortium.code(removal(consortium, "factor-2")) is Code.OK


def test_nobody_changes_the_validators_without_the_quorum(consortium: Consortium) -> None:
    with pytest.raises(NotPermitted, match="0 of the association's keys") as refused:
        consortium.do(reweighting(consortium, "factor-1", 2), signed_by=(FACTOR_1,), by=FACTOR_1)
    assert refused.value.code is Code.MISSING_SIGNATURE


def test_the_member_of_an_added_node_must_sign(consortium: Consortium) -> None:
    with pytest.raises(NotPermitted, match=FACTOR_3) as refused:
        consortium.do(addition(consortium), signed_by=(ASSOCIATION,))
    assert refused.value.code is Code.MISSING_SIGNATURE


def test_a_member_signs_once_for_two_nodes(consortium: Consortium) -> None:
    second_key = key_of("second node of factor 3")
    second = NetworkNode("factor-3b", FACTOR_3, second_key.public_key, 0, b"another certificate")
    operation = ChangeValidators(
        nodes_with(consortium, newcomer(), second),
        (admission(consortium, newcomer(), NEW_KEY), admission(consortium, second, second_key)),
        forced=False,
    )
    assert consortium.code(operation, signed_by=(ASSOCIATION, FACTOR_3)) is Code.OK


def test_a_node_that_is_not_admitted_is_refused(consortium: Consortium) -> None:
    assert consortium.code(addition(consortium, admitted=())) is Code.MISSING_SIGNATURE


@pytest.mark.parametrize(
    "changes",
    [
        {"consensus_key": NEW_KEY.public_key},
        {"tls_certificate_der": b"another certificate"},
        {"member": FACTOR_2},
    ],
)
def test_another_identity_of_a_node_needs_its_member(consortium: Consortium, changes: dict[str, Any]) -> None:
    node = replace(node_of(consortium, "factor-1"), **changes)
    assert consortium.code(ChangeValidators(nodes_with(consortium, node), (), True)) is Code.MISSING_SIGNATURE


def test_admitting_what_does_not_change_is_refused(consortium: Consortium) -> None:
    present = node_of(consortium, "factor-1")
    for name, nodes in (
        ("factor-1", nodes_with(consortium, replace(present, power=2))),
        ("nobody", nodes_with(consortium, replace(present, power=2))),
    ):
        admitted = (NodeAdmission(name, bytes(64)),)
        signed_by = (ASSOCIATION, FACTOR_1) if name == "factor-1" else (ASSOCIATION,)
        code = consortium.code(ChangeValidators(nodes, admitted, False), signed_by=signed_by)
        assert code is Code.BAD_FORMAT


def test_a_node_is_admitted_once(consortium: Consortium) -> None:
    twice = tuple(
        sorted(
            (admission(consortium, newcomer(), NEW_KEY), NodeAdmission("factor-3", bytes(64))),
            key=lambda each: each.possession,
        )
    )
    operation = addition(consortium, admitted=twice)
    assert consortium.code(operation, signed_by=(ASSOCIATION, FACTOR_3)) is Code.BAD_FORMAT


# --- keys


def test_a_key_must_be_shown_to_be_held(consortium: Consortium) -> None:
    for possession in (bytes(64), admission(consortium, newcomer(power=1), key_of("another")).possession):
        operation = addition(consortium, admitted=(NodeAdmission("factor-3", possession),))
        assert consortium.code(operation, signed_by=(ASSOCIATION, FACTOR_3)) is Code.BAD_SIGNATURE


@pytest.mark.parametrize(
    "changes", [{"node_id": "other"}, {"member": BANK}, {"tls_certificate_der": b"another"}]
)
def test_a_possession_is_for_one_node_member_and_certificate(
    consortium: Consortium, changes: dict[str, Any]
) -> None:
    signed = admission(consortium, newcomer(), NEW_KEY)
    node = newcomer(**changes)
    operation = ChangeValidators(
        nodes_with(consortium, node), (NodeAdmission(node.node_id, signed.possession),), False
    )
    assert consortium.code(operation, signed_by=(ASSOCIATION, node.member)) is Code.BAD_SIGNATURE


def test_a_key_stands_for_one_node_only(consortium: Consortium) -> None:
    taken = node_of(consortium, "factor-1").consensus_key
    node = newcomer(consensus_key=taken)
    operation = ChangeValidators(
        nodes_with(consortium, node), (admission(consortium, node, key_of("node factor-1")),), False
    )
    assert consortium.code(operation, signed_by=(ASSOCIATION, FACTOR_3)) is Code.KEY_IN_USE


def test_a_certificate_stands_for_one_node_only(consortium: Consortium) -> None:
    node = newcomer(tls_certificate_der=node_of(consortium, "factor-1").tls_certificate_der)
    operation = ChangeValidators(nodes_with(consortium, node), (admission(consortium, node, NEW_KEY),), False)
    assert consortium.code(operation, signed_by=(ASSOCIATION, FACTOR_3)) is Code.KEY_IN_USE


def test_a_retired_key_never_votes_again(consortium: Consortium) -> None:
    old = key_of("node factor-1")
    assert (
        consortium.code(rekeyed(consortium, "factor-1", NEW_KEY), signed_by=(ASSOCIATION, FACTOR_1))
        is Code.OK
    )
    pass_blocks(consortium, 1)
    back = rekeyed(consortium, "factor-1", old)
    assert consortium.code(back, signed_by=(ASSOCIATION, FACTOR_1)) is Code.KEY_IN_USE
    consortium.do(removal(consortium, "factor-2"))
    pass_blocks(consortium, 1)
    key = key_of("node factor-2")
    node = NetworkNode("factor-2", FACTOR_2, key.public_key, 1, b"certificate of factor-2")
    again = ChangeValidators(nodes_with(consortium, node), (admission(consortium, node, key),), True)
    assert consortium.code(again, signed_by=(ASSOCIATION, FACTOR_2)) is Code.KEY_IN_USE


def test_a_members_key_is_no_consensus_key_nor_the_other_way_round(consortium: Consortium) -> None:
    key = key_of(FACTOR_3)
    node = newcomer(consensus_key=key.public_key)
    operation = ChangeValidators(nodes_with(consortium, node), (admission(consortium, node, key),), False)
    assert consortium.code(operation, signed_by=(ASSOCIATION, FACTOR_3)) is Code.KEY_IN_USE
    consensus = key_of("node factor-1")
    possession = consensus.sign(
        possession_message(consortium.genesis.chain_id, STRANGER, consensus.public_key)
    )
    enrolment = EnrolMember(
        STRANGER,
        (Role.FACTOR,),
        Numbering.CONTINUOUS,
        FINGERPRINT_KEY.debtor(STRANGER),
        (KeyEnrolment(consensus.public_key, possession),),
    )
    assert consortium.code(enrolment) is Code.KEY_IN_USE


def test_a_certificate_changes_under_the_same_key(consortium: Consortium) -> None:
    operation = rekeyed(
        consortium, "factor-1", key_of("node factor-1"), tls_certificate_der=b"the next certificate"
    )
    assert consortium.code(operation, signed_by=(ASSOCIATION, FACTOR_1)) is Code.OK


# --- one at a time, and no change without a quorum


def test_a_change_waits_until_the_one_before_is_in_force(consortium: Consortium) -> None:
    first = consortium.do(reweighting(consortium, "factor-1", 2))
    result = consortium.result(reweighting(consortium, "factor-1", 3))
    assert result.code is Code.CHANGE_PENDING
    assert result.collided_with is not None
    assert result.collided_with.subject == first.entry_id
    assert consortium.code(reweighting(consortium, "factor-1", 3)) is Code.OK


def test_of_two_changes_in_one_block_the_first_counts(consortium: Consortium) -> None:
    one, other = (reweighting(consortium, "factor-1", power) for power in (2, 3))
    receipts = consortium.commit(consortium.entry(one), consortium.entry(other)).receipts
    assert [receipt.results[0].code for receipt in receipts] == [Code.OK, Code.CHANGE_PENDING]


def test_the_present_set_is_no_change(consortium: Consortium) -> None:
    assert consortium.code(removal(consortium)) is Code.ALREADY_IN_FORCE


def test_a_node_of_nobody_is_refused(consortium: Consortium) -> None:
    node = replace(node_of(consortium, "factor-1"), member=STRANGER)
    assert consortium.code(ChangeValidators(nodes_with(consortium, node), (), False)) is Code.UNKNOWN_MEMBER


@pytest.mark.parametrize(
    ("power", "code"),
    [
        (1, Code.OK),  # four of five stay: more than two thirds
        (2, Code.NO_QUORUM),  # four of six: exactly two thirds are no quorum
    ],
)
def test_those_who_vote_already_must_be_a_quorum_of_the_new_set(
    consortium: Consortium, power: int, code: Code
) -> None:
    operation = addition(consortium, newcomer(power))
    assert consortium.code(operation, signed_by=(ASSOCIATION, FACTOR_3)) is code


def test_an_observer_that_becomes_a_validator_counts_as_absent(consortium: Consortium) -> None:
    assert consortium.code(reweighting(consortium, "observer", 2)) is Code.NO_QUORUM
    assert consortium.code(reweighting(consortium, "observer", 1)) is Code.OK


def test_a_forced_change_says_that_the_quorum_is_seen_to(consortium: Consortium) -> None:
    operation = addition(consortium, newcomer(7))
    assert consortium.code(operation, signed_by=(ASSOCIATION, FACTOR_3)) is Code.NO_QUORUM
    forced = replace(operation, forced=True)
    assert consortium.code(forced, signed_by=(ASSOCIATION, FACTOR_3)) is Code.OK


def test_somebody_must_vote_even_if_forced(consortium: Consortium) -> None:
    names = ("association", "exporter-1", "factor-1", "factor-2")
    assert consortium.code(removal(consortium, *names, forced=True)) is Code.NO_QUORUM


def test_the_number_of_validators_is_bounded(consortium: Consortium) -> None:
    keys = [key_of(f"many {number}") for number in range(VALIDATORS_MAX - 3)]
    nodes = [
        NetworkNode(f"many-{number:03}", FACTOR_3, key.public_key, 1, b"certificate %d" % number)
        for number, key in enumerate(keys)
    ]
    for count, code in ((len(nodes), Code.LIMIT_REACHED), (len(nodes) - 1, Code.OK)):
        operation = ChangeValidators(
            nodes_with(consortium, *nodes[:count]),
            tuple(
                admission(consortium, node, key)
                for node, key in zip(nodes[:count], keys[:count], strict=True)
            ),
            forced=True,
        )
        assert consortium.code(operation, signed_by=(ASSOCIATION, FACTOR_3)) is code


def test_the_order_of_refusals(consortium: Consortium) -> None:
    """Each operation breaks one rule more than the one before it, of those that come first."""
    node = newcomer(9, consensus_key=node_of(consortium, "factor-2").consensus_key)
    bad = ChangeValidators(
        nodes_with(consortium, node), (NodeAdmission("factor-3", bytes(64)),), forced=False
    )
    assert consortium.code(bad, signed_by=(ASSOCIATION, FACTOR_3)) is Code.KEY_IN_USE
    assert consortium.code(replace(bad, admitted=())) is Code.MISSING_SIGNATURE
    homeless = replace(bad, admitted=(), nodes=nodes_with(consortium, replace(node, member=STRANGER)))
    assert consortium.code(homeless) is Code.UNKNOWN_MEMBER
    consortium.do(reweighting(consortium, "factor-1", 2))
    assert consortium.code(homeless) is Code.CHANGE_PENDING


# --- the bytes


def test_nodes_out_of_order_or_twice_do_not_encode(consortium: Consortium) -> None:
    nodes = consortium.working().newest_nodes().nodes
    for wrong in (nodes[::-1], (nodes[0], replace(nodes[0], power=5)), ()):
        with pytest.raises(MalformedEntry):
            consortium.entry(ChangeValidators(wrong, (), False))


def test_a_node_id_is_plain(consortium: Consortium) -> None:
    for name in ("Factor", "a b", "a/b", "", "a" * 33):
        with pytest.raises(MalformedEntry):
            consortium.entry(addition(consortium, newcomer(node_id=name), admitted=()))


def test_a_validator_set_can_be_read_from_the_bytes_of_its_hash(consortium: Consortium) -> None:
    found = voters(consortium.genesis.nodes)
    encoded = encode_voters(found)
    assert decode_voters(encoded) == found
    assert voters_digest(encoded) == consortium.genesis.validators_hash()
    assert EXPORTER in {node.member for node in consortium.genesis.nodes}
    for wrong in (encoded + b"\0", encode_voters(()), encode_voters((*found, found[0]))):
        with pytest.raises(MalformedEntry):
            decode_voters(wrong)
