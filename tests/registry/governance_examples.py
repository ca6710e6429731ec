"""One use of each operation of governance, for the vectors: what the association does on a quiet day."""

from __future__ import annotations

from dataclasses import replace

from registry.block import RULES_VERSION
from registry.errors import Code
from registry.fingerprints import Numbering
from registry.member import MemberStatus, possession_message
from registry.nodes import NetworkNode, node_possession_message
from registry.operations.decisions import ReleaseFingerprint, ScheduleUpgrade, SetPolicy
from registry.operations.governance import KeyEnrolment, Role
from registry.operations.members import ChangeMember, RevokeKey, RotateKey
from registry.operations.relationships import DeclareRelationship, DeclareRiskAssets
from registry.operations.validators import ChangeValidators, NodeAdmission
from registry.signing import SigningKey
from tests.registry.consortium import (
    AFFILIATE,
    ASSOCIATION,
    EXPORTER,
    FACTOR_1,
    FACTOR_3,
    FINGERPRINT_KEY,
    START_DAY,
    Consortium,
    cancellation,
    key_of,
)

CONTROLLER = bytes(range(32))  # of factor 1, and no member


def node_of(consortium: Consortium, node_id: str) -> NetworkNode:
    """A node as the latest decision has it."""
    node = consortium.working().newest_nodes().node(node_id)
    assert node is not None
    return node


def nodes_with(consortium: Consortium, *nodes: NetworkNode) -> tuple[NetworkNode, ...]:
    """All present nodes, these in the place of those that bear their names."""
    present = {node.node_id: node for node in consortium.working().newest_nodes().nodes}
    present |= {node.node_id: node for node in nodes}
    return tuple(present[name] for name in sorted(present))


def admission(consortium: Consortium, node: NetworkNode, key: SigningKey) -> NodeAdmission:
    """The node with its consensus key's signature."""
    return NodeAdmission(node.node_id, key.sign(node_possession_message(consortium.genesis.chain_id, node)))


def pass_blocks(consortium: Consortium, count: int) -> None:
    for _ in range(count):
        consortium.commit()


def govern(consortium: Consortium) -> None:
    """A few blocks with every operation of governance but enrolment, all of them applied."""
    receivable = consortium.registered("INV-9")
    number = consortium.record(receivable).fingerprints.invoice
    key = key_of("the next key of factor 3")
    message = possession_message(consortium.genesis.chain_id, FACTOR_3, key.public_key)
    new_key = KeyEnrolment(key.public_key, key.sign(message))
    old_key = key_of(FACTOR_3).public_key
    promoted = nodes_with(consortium, replace(node_of(consortium, "observer"), power=1))
    receipt = consortium.do(
        ChangeMember(AFFILIATE, (Role.EXPORTER,), MemberStatus.SUSPENDED, Numbering.YEARLY, (), (), False),
        RotateKey(FACTOR_3, old_key, new_key, consortium.tip.height + 10),
        RevokeKey(FACTOR_3, old_key),
        SetPolicy(replace(consortium.genesis.policy, tenor_max_days=180), consortium.tip.height + 3),
        DeclareRelationship(FACTOR_1, FINGERPRINT_KEY.debtor(FACTOR_1), CONTROLLER, START_DAY, False, False),
        DeclareRiskAssets(FACTOR_1, "USD", 1_000_000, START_DAY),
        ChangeValidators(promoted, (), forced=False),
        ScheduleUpgrade(1_000, RULES_VERSION + 1),
        cancellation(receivable),
        ReleaseFingerprint(receivable, number, "registered under another exporter's number"),
        by=ASSOCIATION,
        signed_by=(ASSOCIATION, FACTOR_3, EXPORTER, FACTOR_1),
    )
    assert {result.code for result in receipt.results} == {Code.OK}
