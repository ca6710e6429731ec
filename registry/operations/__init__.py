"""What can be signed: one module per family of the rulebook, each with its frozen types and their shapes.

Adding an operation: its type and one row in its family's TYPES here, its rule function and one row in the family's RULES in
`registry.rules`. Nothing else knows the list.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from . import (
    account,
    arrears,
    assignment,
    attestation,
    collection,
    confirmation,
    correction,
    cover,
    decisions,
    existence,
    future,
    governance,
    links,
    members,
    pool,
    relationships,
    restraint,
    reversal,
    security,
    validators,
)
from .account import ReportIndirectPayment, SetCollectionAccount
from .arrears import DeclareDefault, ReversePayment
from .assignment import (
    AcceptAssignment,
    AcknowledgeNotice,
    Assign,
    AssignBlanket,
    NotifyDebtor,
    OfferAssignment,
    Reassign,
    WithdrawOffer,
)
from .attestation import AttestEvidence
from .collection import RecordPayment, Settle
from .confirmation import ConfirmTacitly, RejectReceivable
from .correction import CorrectReceivable, RecordCreditNote
from .cover import AlterCover, BindCover, ClaimCover, EndCover
from .decisions import ReleaseFingerprint, ScheduleUpgrade, SetPolicy
from .existence import CancelReceivable, Confirm, RaiseDispute, RegisterReceivable, ResolveDispute
from .fields import OperationType
from .future import Crystallise, RegisterFutureReceivable
from .governance import EnrolMember
from .links import LinkExternalRegistration, LinkSearch
from .members import ChangeMember, RevokeKey, RotateKey
from .pool import (
    AddToPool,
    CreatePool,
    DrawPool,
    RemoveFromPool,
    RepayPool,
    SubstituteInPool,
    receivables_of_change,
)
from .relationships import DeclareRelationship, DeclareRiskAssets
from .restraint import Freeze, RaiseObjection, Unfreeze, WithdrawObjection
from .reversal import ReverseByJudgment
from .security import EnforcePledge, Pledge, ReleasePledge, RenewPledge
from .validators import ChangeValidators

Operation = (
    EnrolMember
    | ChangeMember
    | RotateKey
    | RevokeKey
    | SetPolicy
    | ChangeValidators
    | ScheduleUpgrade
    | ReleaseFingerprint
    | DeclareRelationship
    | DeclareRiskAssets
    | RegisterReceivable
    | RegisterFutureReceivable
    | Crystallise
    | AttestEvidence
    | ConfirmTacitly
    | RejectReceivable
    | RecordCreditNote
    | CorrectReceivable
    | Confirm
    | RaiseDispute
    | ResolveDispute
    | CancelReceivable
    | OfferAssignment
    | WithdrawOffer
    | AcceptAssignment
    | Assign
    | Reassign
    | AssignBlanket
    | NotifyDebtor
    | AcknowledgeNotice
    | Pledge
    | ReleasePledge
    | RenewPledge
    | EnforcePledge
    | SetCollectionAccount
    | RecordPayment
    | ReportIndirectPayment
    | ReversePayment
    | DeclareDefault
    | Settle
    | BindCover
    | AlterCover
    | EndCover
    | ClaimCover
    | RaiseObjection
    | WithdrawObjection
    | Freeze
    | Unfreeze
    | ReverseByJudgment
    | LinkExternalRegistration
    | LinkSearch
    | CreatePool
    | AddToPool
    | RemoveFromPool
    | SubstituteInPool
    | DrawPool
    | RepayPool
)

OPERATION_TYPES: Final[tuple[OperationType, ...]] = (
    *governance.TYPES,
    *members.TYPES,
    *decisions.TYPES,
    *validators.TYPES,
    *relationships.TYPES,
    *existence.TYPES,
    *future.TYPES,
    *attestation.TYPES,
    *confirmation.TYPES,
    *correction.TYPES,
    *assignment.TYPES,
    *security.TYPES,
    *collection.TYPES,
    *account.TYPES,
    *arrears.TYPES,
    *cover.TYPES,
    *restraint.TYPES,
    *reversal.TYPES,
    *links.TYPES,
    *pool.TYPES,
)
TYPE_BY_CODE: Final = {kind.code: kind for kind in OPERATION_TYPES}
TYPE_BY_CLASS: Final = {kind.build: kind for kind in OPERATION_TYPES}


def receivables_of(operation: Operation) -> tuple[bytes, ...]:
    """The receivables that an operation names, in its order; none when it is about none, or makes one."""
    if isinstance(operation, AddToPool | RemoveFromPool | SubstituteInPool):
        return receivables_of_change(operation)
    named: bytes | None = getattr(operation, "receivable", None)
    return () if named is None else (named,)


def weight(operation: Operation) -> int:
    """As how many operations it counts against the limits of an entry, a block and a day: what it costs grows with the receivables
    that it names."""
    return max(1, len(receivables_of(operation)))


def total_weight(operations: Iterable[Operation]) -> int:
    return sum(weight(operation) for operation in operations)


__all__ = [
    "OPERATION_TYPES",
    "TYPE_BY_CLASS",
    "TYPE_BY_CODE",
    "AcceptAssignment",
    "AcknowledgeNotice",
    "AddToPool",
    "AlterCover",
    "Assign",
    "AssignBlanket",
    "AttestEvidence",
    "BindCover",
    "CancelReceivable",
    "ChangeMember",
    "ChangeValidators",
    "ClaimCover",
    "Confirm",
    "ConfirmTacitly",
    "CorrectReceivable",
    "CreatePool",
    "Crystallise",
    "DeclareDefault",
    "DrawPool",
    "EndCover",
    "EnforcePledge",
    "EnrolMember",
    "Freeze",
    "LinkExternalRegistration",
    "LinkSearch",
    "NotifyDebtor",
    "OfferAssignment",
    "Operation",
    "OperationType",
    "Pledge",
    "RaiseDispute",
    "RaiseObjection",
    "Reassign",
    "RecordCreditNote",
    "RecordPayment",
    "RegisterFutureReceivable",
    "RegisterReceivable",
    "RejectReceivable",
    "ReleasePledge",
    "RemoveFromPool",
    "RenewPledge",
    "RepayPool",
    "ReportIndirectPayment",
    "ResolveDispute",
    "ReverseByJudgment",
    "ReversePayment",
    "RevokeKey",
    "RotateKey",
    "SetCollectionAccount",
    "Settle",
    "SubstituteInPool",
    "Unfreeze",
    "WithdrawObjection",
    "WithdrawOffer",
    "receivables_of",
    "total_weight",
    "weight",
]
