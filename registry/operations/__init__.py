"""What can be signed: one module per family of the rulebook, each with its frozen types and their shapes.

Adding an operation: its type and one row in its family's TYPES here, its rule function and one row in the family's RULES in
`registry.rules`. Nothing else knows the list.
"""

from __future__ import annotations

from typing import Final

from . import assignment, collection, existence, governance, members, security
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
from .collection import RecordPayment, Settle
from .existence import CancelReceivable, Confirm, RaiseDispute, RegisterReceivable, ResolveDispute
from .fields import OperationType
from .governance import EnrolMember
from .members import ChangeMember, RevokeKey, RotateKey
from .security import Pledge, ReleasePledge

Operation = (
    EnrolMember
    | ChangeMember
    | RotateKey
    | RevokeKey
    | RegisterReceivable
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
    | RecordPayment
    | Settle
)

OPERATION_TYPES: Final[tuple[OperationType, ...]] = (
    *governance.TYPES,
    *members.TYPES,
    *existence.TYPES,
    *assignment.TYPES,
    *security.TYPES,
    *collection.TYPES,
)
TYPE_BY_CODE: Final = {kind.code: kind for kind in OPERATION_TYPES}
TYPE_BY_CLASS: Final = {kind.build: kind for kind in OPERATION_TYPES}

__all__ = [
    "OPERATION_TYPES",
    "TYPE_BY_CLASS",
    "TYPE_BY_CODE",
    "AcceptAssignment",
    "AcknowledgeNotice",
    "Assign",
    "AssignBlanket",
    "CancelReceivable",
    "ChangeMember",
    "Confirm",
    "EnrolMember",
    "NotifyDebtor",
    "OfferAssignment",
    "Operation",
    "OperationType",
    "Pledge",
    "RaiseDispute",
    "Reassign",
    "RecordPayment",
    "RegisterReceivable",
    "ReleasePledge",
    "ResolveDispute",
    "RevokeKey",
    "RotateKey",
    "Settle",
    "WithdrawOffer",
]
