"""The model's door: who must sign which operation in which role, the association's quorum, freshness, quota.

The table says of each type: who signs in which of the rulebook's letters, whether the association's quorum does, and whether a
suspended member may (release, pay, settle, and have its keys changed).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from registry.entry import EntryBody
from registry.errors import Code
from registry.limits import SEQUENCE_WINDOW
from registry.member import MemberStatus
from registry.operations import (
    AcceptAssignment,
    AcknowledgeNotice,
    Assign,
    AssignBlanket,
    AttestEvidence,
    CancelReceivable,
    ChangeMember,
    Confirm,
    ConfirmTacitly,
    CorrectReceivable,
    Crystallise,
    DeclareDefault,
    EnforcePledge,
    EnrolMember,
    Freeze,
    LinkExternalRegistration,
    LinkSearch,
    NotifyDebtor,
    OfferAssignment,
    Pledge,
    RaiseDispute,
    RaiseObjection,
    Reassign,
    RecordCreditNote,
    RecordPayment,
    RegisterFutureReceivable,
    RegisterReceivable,
    RejectReceivable,
    ReleasePledge,
    RenewPledge,
    ReportIndirectPayment,
    ResolveDispute,
    ReversePayment,
    RevokeKey,
    RotateKey,
    SetCollectionAccount,
    Settle,
    Unfreeze,
    WithdrawObjection,
    WithdrawOffer,
)
from registry.operations.cover import AlterCover, BindCover, ClaimCover, EndCover
from registry.operations.decisions import ReleaseFingerprint, ScheduleUpgrade, SetPolicy
from registry.operations.governance import Role
from registry.operations.pool import (
    AddToPool,
    CreatePool,
    DrawPool,
    RemoveFromPool,
    RepayPool,
    SubstituteInPool,
)
from registry.operations.relationships import DeclareRelationship, DeclareRiskAssets
from registry.operations.reversal import ReverseByJudgment
from registry.operations.validators import ChangeValidators
from tests.registry.model.book import DAY_MS, Book, Refused

Signature = tuple[str, bytes]
Party = tuple[str, tuple[Role, ...]]

S, D, F = (Role.EXPORTER,), (Role.DEBTOR,), (Role.FACTOR,)
T, C = (Role.ATTESTER,), (Role.COURT,)
DISPOSING = (*S, *F)
INSURING = (Role.INSURER,)
H = (*DISPOSING, *INSURING)
REPORTER = (*H, *T)
CONCERNED = (*H, *D)
ANYBODY = tuple(Role)


def admitting(op: ChangeValidators) -> list[str]:
    """The members of the nodes that are admitted."""
    admitted = {each.node_id for each in op.admitted}
    return sorted({node.member for node in op.nodes if node.node_id in admitted})


_PARTIES: dict[type, Callable[[Any], Iterable[tuple[str | None, tuple[Role, ...]]]]] = {
    EnrolMember: lambda op: (),
    ChangeMember: lambda op: ((op.member, ANYBODY),) if op.with_consent else (),
    RotateKey: lambda op: ((op.member, ANYBODY),),
    ChangeValidators: lambda op: tuple((member, ANYBODY) for member in admitting(op)),
    RevokeKey: lambda op: (),
    SetPolicy: lambda op: (),
    ScheduleUpgrade: lambda op: (),
    ReleaseFingerprint: lambda op: (),
    DeclareRelationship: lambda op: ((op.declarer, (*S, *D, *F)),),
    DeclareRiskAssets: lambda op: ((op.factor, F),),
    RegisterReceivable: lambda op: ((op.exporter, S), (op.reverse_factoring_debtor, D)),
    RegisterFutureReceivable: lambda op: ((op.exporter, S),),
    Crystallise: lambda op: ((op.exporter, S), (op.witness, (*D, *T))),
    AttestEvidence: lambda op: ((op.attester, T),),
    Confirm: lambda op: ((op.debtor, D),),
    ConfirmTacitly: lambda op: ((op.holder, H),),
    RejectReceivable: lambda op: ((op.debtor, D),),
    RaiseDispute: lambda op: ((op.debtor, D),),
    ResolveDispute: lambda op: ((op.debtor, D), *((holder, H) for holder in op.holders), (op.court, C)),
    RecordCreditNote: lambda op: ((op.exporter, S), *((member, H) for member in op.consenting)),
    CorrectReceivable: lambda op: ((op.exporter, S), *((member, H) for member in op.consenting)),
    CancelReceivable: lambda op: ((op.exporter, S), (op.debtor, D)),
    OfferAssignment: lambda op: ((op.assignor, DISPOSING),),
    WithdrawOffer: lambda op: ((op.assignor, DISPOSING),),
    AcceptAssignment: lambda op: ((op.assignee, F),),
    Assign: lambda op: ((op.assignor, DISPOSING), (op.assignee, F)),
    Reassign: lambda op: ((op.holder, F), (op.prior_assignor, DISPOSING)),
    AssignBlanket: lambda op: ((op.assignor, S), (op.assignee, F)),
    NotifyDebtor: lambda op: ((op.holder, H),),
    AcknowledgeNotice: lambda op: ((op.debtor, D),),
    Pledge: lambda op: (
        (op.pledgor, DISPOSING),
        (op.pledgee, F),
        (op.junior_to.senior_pledgee if op.junior_to else None, F),
    ),
    ReleasePledge: lambda op: ((op.pledgee, F),),
    RenewPledge: lambda op: ((op.pledgee, F),),
    EnforcePledge: lambda op: ((op.pledgee, F), (op.pledgor, DISPOSING), (op.court, C)),
    RecordPayment: lambda op: ((op.reporter, REPORTER), *((each, F) for each in op.consenting_pledgees)),
    Settle: lambda op: tuple((holder, H) for holder in op.holders),
    SetCollectionAccount: lambda op: tuple((holder, H) for holder in op.holders),
    ReportIndirectPayment: lambda op: ((op.reporter, H),),
    ReversePayment: lambda op: ((op.reporter, REPORTER),),
    DeclareDefault: lambda op: ((op.holder, H),),
    RaiseObjection: lambda op: ((op.objector, CONCERNED),),
    WithdrawObjection: lambda op: ((op.court, C),) if op.court else ((op.objector, CONCERNED),),
    Freeze: lambda op: ((op.court, C),),
    CreatePool: lambda op: ((op.exporter, S), (op.factor, F)),
    AddToPool: lambda op: ((op.exporter, S), (op.factor, F)),
    RemoveFromPool: lambda op: ((op.exporter, S), (op.factor, F)),
    SubstituteInPool: lambda op: ((op.exporter, S), (op.factor, F)),
    DrawPool: lambda op: ((op.exporter, S), (op.factor, F)),
    RepayPool: lambda op: ((op.factor, F),),
    BindCover: lambda op: ((op.insurer, INSURING), (op.insured, DISPOSING)),
    AlterCover: lambda op: ((op.insurer, INSURING), (op.insured, DISPOSING), (op.consenting, F)),
    EndCover: lambda op: ((op.insured, DISPOSING), (op.consenting, F)),
    ClaimCover: lambda op: (
        (op.insurer, INSURING),
        (op.insured, DISPOSING),
        *((member, F) for member in op.consenting),
    ),
    Unfreeze: lambda op: ((op.court, C),),
    ReverseByJudgment: lambda op: ((op.court, C),),
    LinkExternalRegistration: lambda op: ((op.factor, F),),
    LinkSearch: lambda op: ((op.factor, F),),
}
_ASSOCIATION_SIGNS = (
    EnrolMember, ChangeMember, RotateKey, RevokeKey, SetPolicy, ChangeValidators, ScheduleUpgrade, ReleaseFingerprint, Freeze, Unfreeze, ReverseByJudgment,
)  # fmt: skip
_WHILE_SUSPENDED = (
    ReleasePledge, RecordPayment, Settle, ReportIndirectPayment, ReversePayment, DeclareDefault, WithdrawObjection,
    ChangeMember, RotateKey, RevokeKey, DeclareRelationship,
    EndCover,
    ClaimCover,
    RemoveFromPool,
    RepayPool,
)  # fmt: skip


def parties_of(operation: Any) -> tuple[Party, ...]:
    return tuple(
        (member, roles) for member, roles in _PARTIES[type(operation)](operation) if member is not None
    )


def needs_quorum(operation: Any) -> bool:
    match operation:
        case CorrectReceivable():
            return operation.fingerprints is not None
        case DeclareRelationship():
            return operation.countersigned or operation.false
        case WithdrawObjection() | ResolveDispute():
            return operation.court is not None
        case _:
            return isinstance(operation, _ASSOCIATION_SIGNS)


def open_door(
    book: Book, body: EntryBody, signatures: Iterable[Signature], height: int, now_ms: int
) -> frozenset[str]:
    """Who has signed. Raises Refused with the code at the door; else the entry has used its number and its quota."""
    signers = known_signers(book, signatures, height)
    if body.submitter not in signers:
        raise Refused(Code.MISSING_SIGNATURE)
    needed = {body.submitter}
    for operation in body.operations:
        needed.update(need_parties(book, operation, body.submitter, signers))
    if any(needs_quorum(operation) for operation in body.operations):
        needed.update(need_quorum(book, signatures))
    if not signers <= needed:
        raise Refused(Code.NOT_PERMITTED)
    use_number(book, body, now_ms)
    return frozenset(signers)


def known_signers(book: Book, signatures: Iterable[Signature], height: int) -> set[str]:
    for member, key in sorted(signatures):
        if member not in book.members:
            raise Refused(Code.UNKNOWN_SIGNER)
        from_height, until_height = book.members[member].keys.get(key, (0, 0))
        if not from_height <= height < until_height:
            raise Refused(Code.UNKNOWN_SIGNER)
        if book.members[member].status is MemberStatus.EXPELLED:
            raise Refused(Code.NOT_PERMITTED)
    return {member for member, _key in signatures}


def need_parties(book: Book, operation: Any, submitter: str, signers: set[str]) -> list[str]:
    parties = parties_of(operation)
    names = [member for member, _roles in parties]
    if len(set(names)) < len(names):
        raise Refused(Code.NOT_PERMITTED)
    freely = isinstance(operation, _WHILE_SUSPENDED)
    for member, roles in parties:
        if member not in signers:
            raise Refused(Code.MISSING_SIGNATURE)
        if not set(roles) & set(book.members[member].roles):
            raise Refused(Code.NOT_PERMITTED)
        # Who decides with somebody is not that somebody; what concerns a member as such it decides about its own people too.
        of_association = Role.ASSOCIATION in book.members[member].roles
        if needs_quorum(operation) and of_association and Role.ASSOCIATION not in roles:
            raise Refused(Code.NOT_PERMITTED)
        if not book.is_active(member) and not freely:
            raise Refused(Code.SUSPENDED)
    if not book.is_active(submitter) and not freely:
        raise Refused(Code.SUSPENDED)
    return names


def need_quorum(book: Book, signatures: Iterable[Signature]) -> set[str]:
    signed = {(member, key) for member, key in signatures if Role.ASSOCIATION in book.members[member].roles}
    seats = {key for member, key in signed if book.is_active(member)}
    if len(seats) < book.association_keys_needed:
        raise Refused(Code.MISSING_SIGNATURE)
    return {member for member, _key in signed}


def weight(operation: Any) -> int:
    """A change of a pool counts as as many operations as it names receivables."""
    return max(1, len(getattr(operation, "removals", ())) + len(getattr(operation, "additions", ())))


def use_number(book: Book, body: EntryBody, now_ms: int) -> None:
    used = book.sequences.setdefault(body.submitter, set())
    if body.sequence in used or body.sequence <= max(used, default=0) - SEQUENCE_WINDOW:
        raise Refused(Code.REPLAYED)
    if now_ms > body.valid_until_ms:
        raise Refused(Code.EXPIRED)
    quota = book.policy.operations_per_day_max
    if quota is not None:
        day, count = book.handed_in.get(body.submitter, (0, 0))
        count = sum(weight(operation) for operation in body.operations) + (
            count if day == now_ms // DAY_MS else 0
        )
        if count > quota:
            raise Refused(Code.QUOTA)
        book.handed_in[body.submitter] = (now_ms // DAY_MS, count)
    used.add(body.sequence)
