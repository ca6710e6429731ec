"""What a rule function is given and what it returns. A rule reads and writes the working state, or raises RuleViolation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from .. import limits
from ..errors import Code, Reason, Reference, RuleViolation
from ..expiry import expired_at
from ..operations.governance import Role
from ..policy import Policy
from ..receivable import CLOSED, Part, Phase, Receivable, with_fitting_claims
from ..record.accounts import without_pending
from ..record.payments import BankReference
from ..record.pooled import pooled_at
from ..state import WorkingState
from ..stored import Namespace


@dataclass(frozen=True, slots=True)
class Party:
    """A member that must have signed, in one of these roles."""

    member: str
    roles: tuple[Role, ...]


# Who can come to hold a part. An insurer does when a loss is claimed; it collects and settles, and does not dispose.
HOLDING: Final = (Role.EXPORTER, Role.FACTOR, Role.INSURER)


@dataclass(frozen=True, slots=True)
class Judgement:
    """Where and when an operation is judged. Time is the block's, never the submitter's."""

    state: WorkingState
    policy: Policy
    chain_id: bytes
    height: int
    time_ms: int
    entry_id: bytes
    entry_index: int
    operation_index: int
    signers: frozenset[str]
    signing_keys: frozenset[bytes] = frozenset()
    flags: list[Reason] = field(default_factory=list)
    """What the result of an applied operation warns of, each word once: noted by a rule with `flag`."""

    def flag(self, word: str, amount: int) -> None:
        if all(reason.word != word for reason in self.flags):
            self.flags.append(Reason(word, amount))

    def place(self, subject: bytes) -> Reference:
        """This operation as the reason why something stands as it does."""
        return Reference(subject, self.height, self.entry_index, self.operation_index)

    def receivable(self, receivable_id: bytes) -> Receivable | None:
        """A record as it stands at the block's time, whether the block has cleared away what is over or not."""
        record = self.state.receivable(receivable_id)
        return None if record is None else expired_at(record, self.time_ms)

    def store(self, record: Receivable) -> bytes:
        """Write a changed record back; returns its id, the subject of the result."""
        # Whatever the operation was, an offer must not outlive the value that it was made of.
        record = with_fitting_claims(_as_agreed(self.receivable(record.receivable_id), record))
        self.state.put(Namespace.RECEIVABLE, record.receivable_id, record)
        return record.receivable_id


def _as_agreed(before: Receivable | None, after: Receivable) -> Receivable:
    """The record without an account that waits, when somebody has come in who was not asked about it.

    Otherwise an exporter could name its own account and assign right after: the account would come into effect by itself.
    """
    pending = after.collection.pending
    if before is None or pending is None or pending != before.collection.pending:
        return after
    if entitled_members(after) <= entitled_members(before):
        return after
    return replace(after, collection=without_pending(after.collection))


def entitled_members(record: Receivable) -> frozenset[str]:
    """Holders of a part and of a lien, and the factor whose pool it stands in: letter H of the rulebook."""
    holders = frozenset(part.holder for part in record.parts if part.amount)
    if record.pool is not None:
        holders |= {record.pool.factor}
    return holders | frozenset(lien.pledgee for lien in record.liens)


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: who must sign, whether a suspended member may, and the rule itself. `apply` returns the subject's id.

    `by_governance`: the association's quorum signs always; `governed_when` tells it from the operation.
    """

    operation: type[Any]
    parties: Callable[[Any], tuple[Party, ...]]
    apply: Callable[[Judgement, Any], bytes]
    by_governance: bool = False
    while_suspended: bool = False
    governed_when: Callable[[Any], bool] | None = None

    def needs_quorum(self, operation: Any) -> bool:
        return self.by_governance or (self.governed_when is not None and self.governed_when(operation))


def known_receivable(judgement: Judgement, receivable_id: bytes) -> Receivable:
    record = judgement.receivable(receivable_id)
    if record is None:
        raise RuleViolation(Code.UNKNOWN_RECEIVABLE, f"no receivable {receivable_id.hex()} is registered")
    return record


def reopened(judgement: Judgement, record: Receivable, phase: Phase) -> Receivable:
    """A closed receivable as it is owed again, in the pool that it stood in when it was closed."""
    opened = record.move_to(phase)
    if opened.pool is None:
        return opened
    pool = judgement.state.pool(opened.pool.pool_id)
    assert pool is not None
    if not pool.share_of(record.debtor_reference).members and len(pool.shares) >= limits.POOL_DEBTORS_MAX:
        raise RuleViolation(
            Code.LIMIT_REACHED,
            f"its pool has {limits.POOL_DEBTORS_MAX} other debtors by now",
            collided_with=pool.place,
        )
    return replace(opened, pool=pooled_at(opened.pool, opened.due_date, judgement.time_ms))


def live_receivable(judgement: Judgement, receivable_id: bytes) -> Receivable:
    """The record, when it is live or overdue: what is owed now."""
    record = known_receivable(judgement, receivable_id)
    if not record.is_open:
        raise closed(record)
    return record


def unclosed_receivable(judgement: Judgement, receivable_id: bytes) -> Receivable:
    """The record, when it is neither settled nor cancelled: future, live or overdue."""
    record = known_receivable(judgement, receivable_id)
    if record.phase in CLOSED:
        raise closed(record)
    return record


def unfrozen(record: Receivable) -> None:
    """A court's order stands in the way."""
    order = record.restraints.frozen
    if order is not None:
        raise _restrained(record, Code.FROZEN, "frozen", order.place)


def unrestrained(record: Receivable) -> None:
    """Nothing may be disposed of while a court has frozen it or an objection stands, by anybody."""
    unfrozen(record)
    objection = record.restraints.objected
    if objection is not None:
        raise _restrained(record, Code.OBJECTED, "objected", objection.place)


def _restrained(record: Receivable, code: Code, word: str, place: Reference) -> RuleViolation:
    return RuleViolation(
        code,
        f"the receivable is {word}",
        collided_with=place,
        reasons=(Reason(word, record.outstanding),),
    )


def closed(record: Receivable) -> RuleViolation:
    """The refusal of what the receivable's phase does not allow."""
    phase = record.phase.name.lower()
    return RuleViolation(
        Code.CLOSED,
        f"the receivable is {phase}",
        collided_with=record.place,
        reasons=(Reason(phase, record.outstanding),),
    )


def not_rejected(record: Receivable) -> None:
    """Of a receivable that the debtor rejected only the end is left."""
    if record.is_rejected:
        raise RuleViolation(
            Code.ALREADY_REJECTED,
            "the debtor has rejected it",
            collided_with=record.place,
            reasons=(Reason("rejected", record.outstanding),),
        )


def held_part(record: Receivable, holder: str) -> Part:
    """The part that a named holder has, or had until it was paid."""
    part = record.part_of(holder)
    if part is None:
        raise RuleViolation(Code.NOT_HOLDER, f"{holder} holds no part", collided_with=record.place)
    return part


def similar_key(exporter: str, debtor_reference: bytes, similar: bytes) -> bytes:
    """Where the receivables that look alike are listed: by the parties too, which a stranger's copy of the value lacks."""
    return debtor_reference + similar + exporter.encode()


def positive(amount: int) -> None:
    if amount <= 0:
        raise RuleViolation(Code.AMOUNT_NOT_POSITIVE, "an amount must be greater than zero")


def never_used(judgement: Judgement, bank_reference: bytes) -> None:
    """A payment is recorded once, whoever reports it and however."""
    used: BankReference | None = judgement.state.get(Namespace.BANK_REFERENCE, bank_reference)
    if used is not None:
        raise RuleViolation(
            Code.REFERENCE_REUSED, "this bank reference has been recorded already", collided_with=used.place
        )


def debtor_of(judgement: Judgement, record: Receivable, member_id: str) -> None:
    """The named debtor must be the one whose keyed reference the receivable carries."""
    member = judgement.state.member(member_id)
    if member is None or member.debtor_reference != record.debtor_reference:
        raise RuleViolation(
            Code.NOT_PERMITTED,
            f"{member_id} is not the debtor of this receivable",
            collided_with=record.place,
        )
