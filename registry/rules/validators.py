"""The rule of who votes (RULEBOOK, "Governance"; the ordering design, "Validator changes").

A change that is committed at height h is in force from h + 2 on: block h + 1 is voted by the old validators and announces the
new ones in its header. The ledger does not know which nodes are up. It takes the validators that vote already and keep their
key for present, and every other one for absent until it has shown otherwise: if those present were no quorum of the new set,
nothing would be decided any more, not even the way back, so such a change has to say that it is meant (`forced`).
"""

from __future__ import annotations

from typing import Final

from .. import limits
from ..errors import BadSignature, Code, RuleViolation
from ..nodes import NetworkNode, NodeSet, node_possession_message
from ..operations.validators import ChangeValidators
from ..signing import check_public_key, verify
from ..stored import SINGLETON, Namespace, node_set_id
from .decisions import CHAIN
from .judgement import Judgement, Party, Rule
from .members import EVERY_ROLE

BLOCKS_UNTIL_IN_FORCE: Final = 2  # the block in between announces the change, by which clients follow it


def change_validators(judgement: Judgement, operation: ChangeValidators) -> bytes:
    """Another set of nodes from the block after the next one on.

    Order: a change that is not in force yet, the same set, the members, consent, keys, number, quorum.
    """
    present = judgement.state.newest_nodes()
    if present.from_height > judgement.height:
        raise RuleViolation(
            Code.CHANGE_PENDING,
            f"the validators change at height {present.from_height} already",
            collided_with=present.decided,
        )
    if operation.nodes == present.nodes:
        raise RuleViolation(Code.ALREADY_IN_FORCE, "these are the nodes now", collided_with=present.decided)
    for node in operation.nodes:
        if judgement.state.member(node.member) is None:
            raise RuleViolation(
                Code.UNKNOWN_MEMBER, f"{node.member}, who is to run {node.node_id}, is no member"
            )
    changed = tuple(node for node in operation.nodes if _is_new(node, present))
    _check_consent(operation, changed)
    _check_keys(judgement, operation, changed, present)
    _check_quorum_is_kept(operation, present)
    _store(judgement, operation.nodes, changed, present)
    return CHAIN


def _is_new(node: NetworkNode, present: NodeSet) -> bool:
    """Whether the node is not there yet, or not under this member, key and certificate."""
    known = present.node(node.node_id)
    return known is None or _identity(known) != _identity(node)


def _identity(node: NetworkNode) -> tuple[str, bytes, bytes]:
    return node.member, node.consensus_key, node.tls_certificate_der


def _check_consent(operation: ChangeValidators, changed: tuple[NetworkNode, ...]) -> None:
    # The door has seen the signatures of the members of all admitted nodes.
    admitted = {each.node_id for each in operation.admitted}
    names = {node.node_id for node in changed}
    for name in sorted(names - admitted):
        raise RuleViolation(Code.MISSING_SIGNATURE, f"{name} must be admitted with its key's signature")
    if len(admitted) != len(operation.admitted):
        raise RuleViolation(Code.BAD_FORMAT, "a node is admitted twice")
    for name in sorted(admitted - names):
        raise RuleViolation(Code.BAD_FORMAT, f"{name} is admitted, and is no new or changed node of the set")


def _check_keys(
    judgement: Judgement, operation: ChangeValidators, changed: tuple[NetworkNode, ...], present: NodeSet
) -> None:
    possessions = {each.node_id: each.possession for each in operation.admitted}
    for node in changed:
        others = [other for other in operation.nodes if other.node_id != node.node_id]
        known = present.node(node.node_id)
        is_kept = known is not None and known.consensus_key == node.consensus_key
        owner = judgement.state.get(Namespace.KEY_OWNER, node.consensus_key)
        if any(other.consensus_key == node.consensus_key for other in others) or (owner and not is_kept):
            raise RuleViolation(
                Code.KEY_IN_USE, f"key {node.consensus_key.hex()} of {node.node_id} is or was in use"
            )
        if any(other.tls_certificate_der == node.tls_certificate_der for other in others):
            raise RuleViolation(Code.KEY_IN_USE, f"{node.node_id} has the certificate of another node")
        try:
            check_public_key(node.consensus_key)
            message = node_possession_message(judgement.chain_id, node)
            verify(node.consensus_key, message, possessions[node.node_id])
        except BadSignature as error:
            raise RuleViolation(
                Code.BAD_SIGNATURE, f"{node.node_id} does not prove its key: {error.message}"
            ) from error


def _check_quorum_is_kept(operation: ChangeValidators, present: NodeSet) -> None:
    validators = tuple(node for node in operation.nodes if node.power > 0)
    if len(validators) > limits.VALIDATORS_MAX:
        raise RuleViolation(
            Code.LIMIT_REACHED, f"{len(validators)} validators, at most {limits.VALIDATORS_MAX} can vote"
        )
    if not validators:
        raise RuleViolation(Code.NO_QUORUM, "nobody would vote any more")
    kept, total = quorum_of_present(operation.nodes, present)
    if 3 * kept <= 2 * total and not operation.forced:
        raise RuleViolation(
            Code.NO_QUORUM,
            f"the validators that are kept have {kept} of a power of {total}: no quorum before others are up",
        )


def quorum_of_present(nodes: tuple[NetworkNode, ...], present: NodeSet) -> tuple[int, int]:
    """Of a new set: the power of those who vote already with the same key, and the whole power."""
    voting = {(node.node_id, node.consensus_key) for node in present.validators()}
    kept = sum(node.power for node in nodes if (node.node_id, node.consensus_key) in voting)
    return kept, sum(node.power for node in nodes)


def _store(
    judgement: Judgement, nodes: tuple[NetworkNode, ...], changed: tuple[NetworkNode, ...], present: NodeSet
) -> None:
    state = judgement.state
    state.put(Namespace.VALIDATORS, node_set_id(present.from_height), present)
    following = NodeSet(
        from_height=judgement.height + BLOCKS_UNTIL_IN_FORCE,
        before=present.from_height,
        decided=judgement.place(judgement.entry_id),
        nodes=nodes,
    )
    state.put(Namespace.VALIDATORS, SINGLETON, following)
    for node in changed:
        state.put(Namespace.KEY_OWNER, node.consensus_key, node.member)


def _admitting(operation: ChangeValidators) -> tuple[Party, ...]:
    admitted = {each.node_id for each in operation.admitted}
    members = sorted({node.member for node in operation.nodes if node.node_id in admitted})
    return tuple(Party(member, EVERY_ROLE) for member in members)


RULES: Final = (Rule(ChangeValidators, _admitting, change_validators, by_governance=True),)
