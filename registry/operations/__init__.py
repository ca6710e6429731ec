"""What can be signed: one module per family of the rulebook, each with its frozen types and their shapes.

Adding an operation: its type and one row in its family's TYPES here, its rule function and one row in the family's RULES in
`registry.rules`. Nothing else knows the list.
"""

from __future__ import annotations

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
)
TYPE_BY_CODE: Final = {kind.code: kind for kind in OPERATION_TYPES}
TYPE_BY_CLASS: Final = {kind.build: kind for kind in OPERATION_TYPES}

__all__ = [
    "OPERATION_TYPES",
    "TYPE_BY_CLASS",
    "TYPE_BY_CODE",
    "AcceptAssignment",
    "AcknowledgeNotice",
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
    "Crystallise",
    "DeclareDefault",
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
    "RenewPledge",
    "ReportIndirectPayment",
    "ResolveDispute",
    "ReverseByJudgment",
    "ReversePayment",
    "RevokeKey",
    "RotateKey",
    "SetCollectionAccount",
    "Settle",
    "Unfreeze",
    "WithdrawObjection",
    "WithdrawOffer",
]
