"""The policy as a client is told of it: proven to be that of the header, with the decision on it; and told in words."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest

from client.commands.policy_view import policy_in_words, to_come
from client.unverified import UncheckedChain
from client.verify import Head, TrustedChain
from pledgebook.v1 import registry_pb2
from registry.errors import ProofInvalid
from registry.operations.decisions import SetPolicy
from registry.policy import ConfirmationPolicy, Policy, RelatedPartyPolicy
from registry.policy_document import policy_from_json, policy_to_json
from tests.client.answers_of import falsified, policy_answer
from tests.client.audit.chain_builder import POLICY
from tests.client.fake_node import FakeNode, TlsChain, client_of, serving

OTHER = replace(POLICY, tenor_max_days=200, operations_per_day_max=3)


def chain_with_decision(blocks: int) -> TlsChain:
    """The first block decides on another policy from the third one on."""
    chain = TlsChain()
    if blocks:
        chain.commit([chain.entry("association", SetPolicy(OTHER, 3))])
    for _ in range(blocks - 1):
        chain.commit()
    return chain


def told(chain: TlsChain) -> Head:
    built = chain.blocks[-1]
    return TrustedChain(chain.genesis).verify_head(built.block.header_bytes, built.certificate)


@pytest.mark.parametrize(
    ("blocks", "in_force", "is_to_come"), [(1, POLICY, True), (2, POLICY, True), (3, OTHER, False)]
)
async def test_the_policy_in_force_and_the_decided_one_are_proven(
    blocks: int, in_force: Policy, is_to_come: bool
) -> None:
    chain = chain_with_decision(blocks)
    node = FakeNode(chain, chain.genesis.nodes[0].node_id)
    async with serving(node), client_of(chain, node) as client:
        proven = await client.policy()
    assert (proven.policy, proven.head.is_verified) == (in_force, True)
    assert proven.pending is not None
    assert (proven.pending.policy, proven.pending.from_height) == (OTHER, 3)
    assert (to_come(proven) is not None) == is_to_come


async def test_without_a_decision_its_absence_is_proven() -> None:
    chain = TlsChain()
    chain.commit()
    node = FakeNode(chain, chain.genesis.nodes[0].node_id)
    async with serving(node), client_of(chain, node) as client:
        proven = await client.policy()
    assert (proven.policy, proven.pending) == (POLICY, None)
    assert to_come(proven) is None


async def test_a_node_with_a_forged_proof_is_not_believed_and_its_answer_is_kept() -> None:
    chain = chain_with_decision(2)
    liar = FakeNode(chain, chain.genesis.nodes[0].node_id)

    def forged(response: registry_pb2.GetPolicyResponse) -> registry_pb2.GetPolicyResponse:
        proof = response.policy.inclusion_proof
        response.policy.inclusion_proof = proof[:-1] + bytes([proof[-1] ^ 1])
        return response

    liar.falsify = forged
    async with serving(liar), client_of(chain, liar) as client:
        with pytest.raises(ProofInvalid, match="another root"):
            await client.policy()
        assert [false.node_id for false in client.evidence] == [liar.node_id]


@pytest.mark.parametrize("with_decision", [True, False])
def test_no_changed_byte_of_the_answer_is_believed(with_decision: bool) -> None:
    chain = chain_with_decision(2 if with_decision else 0)
    if not with_decision:
        chain.commit()
    head, answer = told(chain), policy_answer(chain.states[-1])
    proven = TrustedChain(chain.genesis).check_policy(head, answer)
    assert UncheckedChain().check_policy(head, answer) == proven
    for what, changed in falsified(answer):
        with pytest.raises(ProofInvalid):
            pytest.fail(f"accepted: {what}: {TrustedChain(chain.genesis).check_policy(head, changed)}")


def test_a_policy_of_an_earlier_block_is_refused() -> None:
    chain = chain_with_decision(3)
    with pytest.raises(ProofInvalid):
        TrustedChain(chain.genesis).check_policy(told(chain), policy_answer(chain.states[1]))


@pytest.mark.parametrize("confirmation", ConfirmationPolicy)
@pytest.mark.parametrize("related", RelatedPartyPolicy)
def test_every_figure_has_words(confirmation: ConfirmationPolicy, related: RelatedPartyPolicy) -> None:
    policy = replace(OTHER, require_confirmation=confirmation, related_party=related)
    words = policy_in_words(policy)
    assert len(words) == len(fields(Policy))
    assert all(words.values())
    assert words["issue to due date, at most"] == "200 days"
    assert words["operations of a member a day"] == "at most 3 operations"
    assert words["one debtor"] == "no limit"
    assert policy_from_json(json.loads(json.dumps(policy_to_json(policy)))) == policy
