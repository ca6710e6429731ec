"""What can be signed: one module per family of the rulebook, each with its frozen types and their shapes.

Adding an operation: its type and one row in its family's TYPES here, its rule function and one row in the family's RULES in
`registry.rules`. Nothing else knows the list.
"""

from __future__ import annotations

from typing import Final

from . import assignment, collection, existence, governance, security
from .assignment import Assign
from .collection import RecordPayment, Settle
from .existence import CancelReceivable, Confirm, RaiseDispute, RegisterReceivable, ResolveDispute
from .fields import OperationType
from .governance import EnrolMember
from .security import Pledge, ReleasePledge

Operation = (
    EnrolMember
    | RegisterReceivable
    | Confirm
    | RaiseDispute
    | ResolveDispute
    | CancelReceivable
    | Assign
    | Pledge
    | ReleasePledge
    | RecordPayment
    | Settle
)

OPERATION_TYPES: Final[tuple[OperationType, ...]] = (
    *governance.TYPES,
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
    "Assign",
    "CancelReceivable",
    "Confirm",
    "EnrolMember",
    "Operation",
    "OperationType",
    "Pledge",
    "RaiseDispute",
    "RecordPayment",
    "RegisterReceivable",
    "ReleasePledge",
    "ResolveDispute",
    "Settle",
]
