"""What a rule function is given and what it returns. A rule reads and writes the working state, or raises RuleViolation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..errors import Code, Reason, Reference, RuleViolation
from ..operations.governance import Role
from ..policy import Policy
from ..receivable import Part, Phase, Receivable
from ..state import Namespace, WorkingState


@dataclass(frozen=True, slots=True)
class Party:
    """A member that must have signed, in one of these roles."""

    member: str
    roles: tuple[Role, ...]


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

    def place(self, subject: bytes) -> Reference:
        """This operation as the reason why something stands as it does."""
        return Reference(subject, self.height, self.entry_index, self.operation_index)

    def store(self, record: Receivable) -> bytes:
        """Write a changed record back; returns its id, the subject of the result."""
        self.state.put(Namespace.RECEIVABLE, record.receivable_id, record)
        return record.receivable_id


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: who must sign, whether a suspended member may, and the rule itself. `apply` returns the subject's id."""

    operation: type[Any]
    parties: Callable[[Any], tuple[Party, ...]]
    apply: Callable[[Judgement, Any], bytes]
    by_governance: bool = False
    while_suspended: bool = False


def known_receivable(judgement: Judgement, receivable_id: bytes) -> Receivable:
    record = judgement.state.receivable(receivable_id)
    if record is None:
        raise RuleViolation(Code.UNKNOWN_RECEIVABLE, f"no receivable {receivable_id.hex()} is registered")
    return record


def live_receivable(judgement: Judgement, receivable_id: bytes) -> Receivable:
    """The record, when it is neither settled nor cancelled."""
    record = known_receivable(judgement, receivable_id)
    if record.phase is not Phase.LIVE:
        raise RuleViolation(
            Code.CLOSED,
            f"the receivable is {record.phase.name.lower()}",
            collided_with=record.place,
            reasons=(Reason(record.phase.name.lower(), record.outstanding),),
        )
    return record


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


def debtor_of(judgement: Judgement, record: Receivable, member_id: str) -> None:
    """The named debtor must be the one whose keyed reference the receivable carries."""
    member = judgement.state.member(member_id)
    if member is None or member.debtor_reference != record.debtor_reference:
        raise RuleViolation(
            Code.NOT_PERMITTED,
            f"{member_id} is not the debtor of this receivable",
            collided_with=record.place,
        )
