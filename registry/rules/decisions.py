"""Rules of what the association decides for all: policy, upgrade, release of a fingerprint (RULEBOOK, "Governance")."""

from __future__ import annotations

from typing import Final

from ..block import RULES_VERSION
from ..decisions import PendingPolicy, Upgrade
from ..errors import Code, RuleViolation
from ..operations.decisions import ReleaseFingerprint, ScheduleUpgrade, SetPolicy
from ..receivable import CLOSED
from ..stored import SINGLETON, Namespace
from .judgement import Judgement, Rule, known_receivable

CHAIN: Final = b"chain"  # subject of what concerns everything


def set_policy(judgement: Judgement, operation: SetPolicy) -> bytes:
    """Another policy from a height on, no sooner than the present policy gives everybody to prepare.

    It is in effect for the whole of a block or not at all: no entry is judged by a policy that came with its neighbour.
    """
    earliest = judgement.height + 1 + judgement.policy.change_delay_blocks
    if operation.from_height < earliest:
        raise RuleViolation(Code.TOO_EARLY, f"the earliest height is {earliest}")
    pending = PendingPolicy(operation.policy, operation.from_height)
    judgement.state.put(Namespace.PENDING_POLICY, SINGLETON, pending)
    return CHAIN


def schedule_upgrade(judgement: Judgement, operation: ScheduleUpgrade) -> bytes:
    """A last height for the present software. Order: the height, the version."""
    if operation.halt_height <= judgement.height:
        raise RuleViolation(Code.TOO_EARLY, f"block {judgement.height} is being decided already")
    if operation.rules_version <= RULES_VERSION:
        raise RuleViolation(Code.ALREADY_IN_FORCE, f"rules version {RULES_VERSION} is in force")
    upgrade = Upgrade(operation.halt_height, operation.rules_version)
    judgement.state.put(Namespace.UPGRADE, SINGLETON, upgrade)
    return CHAIN


def release_fingerprint(judgement: Judgement, operation: ReleaseFingerprint) -> bytes:
    """The number is free again. What is still owed keeps its number: two live receivables may not share one.

    Order: the receivable, its phase, the fingerprint.
    """
    record = known_receivable(judgement, operation.receivable)
    if record.phase not in CLOSED:
        raise RuleViolation(
            Code.NOT_CLOSED, f"the receivable is {record.phase.name.lower()}", collided_with=record.place
        )
    for kind, value in record.fingerprints.strong():
        key = bytes([kind]) + value
        if value != operation.fingerprint:
            continue
        claimed = judgement.state.get(Namespace.FINGERPRINT, key)
        # After an earlier release it may be another receivable's by now.
        if claimed is not None and claimed.subject == record.receivable_id:
            judgement.state.put(Namespace.FINGERPRINT, key, None)
            return record.receivable_id
    raise RuleViolation(
        Code.UNKNOWN_FINGERPRINT, "the receivable holds no such fingerprint", collided_with=record.place
    )


RULES: Final = (
    Rule(SetPolicy, lambda _operation: (), set_policy, by_governance=True),
    Rule(ScheduleUpgrade, lambda _operation: (), schedule_upgrade, by_governance=True),
    Rule(ReleaseFingerprint, lambda _operation: (), release_fingerprint, by_governance=True),
)
