"""Which command records which operation: `pledgebook operations`, and what the documentation and the tests go by.

Every operation has one. A command may record others on the way, `import` for one; here stands the one to reach for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from registry.operations import OPERATION_TYPES

from ..operation_words import SENTENCES
from . import options as opt
from . import output

COMMANDS: Final[Mapping[str, str]] = {
    "EnrolMember": "enrol",
    "ChangeMember": "govern change-member",
    "RotateKey": "govern rotate-key",
    "RevokeKey": "govern revoke-key",
    "SetPolicy": "govern set-policy",
    "ScheduleUpgrade": "govern schedule-upgrade",
    "ChangeValidators": "govern change-validators",
    "ReleaseFingerprint": "govern release-fingerprint",
    "DeclareRelationship": "govern relationship",
    "DeclareRiskAssets": "govern risk-assets",
    "RegisterReceivable": "register",
    "Confirm": "confirm",
    "RaiseDispute": "dispute",
    "ResolveDispute": "resolve",
    "CancelReceivable": "cancel",
    "RegisterFutureReceivable": "register-future",
    "Crystallise": "crystallise",
    "AttestEvidence": "attest",
    "ConfirmTacitly": "confirm-tacitly",
    "RejectReceivable": "reject",
    "RecordCreditNote": "credit-note",
    "CorrectReceivable": "correct",
    "OfferAssignment": "offer",
    "WithdrawOffer": "withdraw-offer",
    "AcceptAssignment": "accept",
    "Assign": "assign",
    "Reassign": "reassign",
    "AssignBlanket": "assign-blanket",
    "NotifyDebtor": "notify",
    "AcknowledgeNotice": "acknowledge",
    "Pledge": "pledge",
    "ReleasePledge": "release",
    "RenewPledge": "renew",
    "EnforcePledge": "enforce",
    "RecordPayment": "pay",
    "Settle": "settle",
    "SetCollectionAccount": "set-account",
    "ReportIndirectPayment": "report-indirect",
    "ReversePayment": "reverse-payment",
    "DeclareDefault": "declare-default",
    "BindCover": "cover bind",
    "AlterCover": "cover alter",
    "EndCover": "cover end",
    "ClaimCover": "cover claim",
    "CreatePool": "pool create",
    "AddToPool": "pool add",
    "RemoveFromPool": "pool remove",
    "SubstituteInPool": "pool substitute",
    "DrawPool": "pool draw",
    "RepayPool": "pool repay",
    "RaiseObjection": "object",
    "WithdrawObjection": "withdraw-objection",
    "Freeze": "freeze",
    "Unfreeze": "unfreeze",
    "ReverseByJudgment": "reverse-by-judgment",
    "LinkExternalRegistration": "link-registration",
    "LinkSearch": "link-search",
}


def show_operations(as_json: opt.AsJson = False) -> None:
    """Show every operation of the rulebook, and the command that records it."""
    if as_json:
        output.print_json(
            [
                {"operation": kind.name, "code": kind.code, "command": COMMANDS.get(kind.name)}
                for kind in OPERATION_TYPES
            ]
        )
        return
    output.print_rows(
        "Operations",
        ("code", "operation", "it says", "command"),
        [
            (
                str(kind.code),
                kind.name,
                SENTENCES[kind.name].replace("{", "").replace("}", "").replace("_", " "),
                COMMANDS.get(kind.name, "-"),
            )
            for kind in sorted(OPERATION_TYPES, key=lambda kind: kind.code)
        ],
    )
