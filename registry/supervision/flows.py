"""What passed in a period: financing, dilution, indirect payments, and attempts that the rules refused.

Added up operation by operation, from what was applied and from what was refused. Amounts are minor units of a currency.
Source: RULEBOOK, "Alerts and supervisor figures". docs/report.md says each figure in a sentence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..errors import Code
from ..operations import Operation
from ..operations.account import ReportIndirectPayment
from ..operations.assignment import AcceptAssignment, Assign
from ..operations.correction import RecordCreditNote
from ..operations.existence import RegisterReceivable, ResolveDispute
from ..operations.future import Crystallise
from ..operations.pool import DrawPool
from ..operations.security import Pledge
from ..receivable import Receivable
from ..record.offers import offer_of
from ..rules import RULES
from ..state import Change
from ..stored import Namespace
from ..transition import Step
from .observation import ObservedBlock


@dataclass(slots=True)
class Flow:
    """Of one member in one currency: amounts, and how many operations financed something."""

    assigned: int = 0
    pledged: int = 0
    drawn: int = 0
    transactions: int = 0
    diluted: int = 0
    indirect: int = 0


@dataclass(slots=True)
class Flows:
    """The sums so far. `refused` counts by member and code; under None every refused attempt once."""

    by_member: dict[tuple[str, str], Flow] = field(default_factory=dict)
    refused: Counter[tuple[str | None, Code]] = field(default_factory=Counter)

    def add(self, block: ObservedBlock) -> None:
        """Count one more block of the period."""
        for step in block.steps:
            if step.operation is not None:
                self._add_step(step, step.operation)
        for judged in block.judged():
            if judged.result.code is not Code.OK:
                for member in (None, *parties_of(judged.operation)):
                    self.refused[member, judged.result.code] += 1

    def of(self, members: frozenset[str]) -> dict[str, Flow]:
        """By currency, the sum over these members."""
        sums: dict[str, Flow] = {}
        for (member, currency), flow in self.by_member.items():
            if member in members:
                total = sums.setdefault(currency, Flow())
                for name in Flow.__slots__:
                    setattr(total, name, getattr(total, name) + getattr(flow, name))
        return sums

    def _add_step(self, step: Step, operation: Operation) -> None:
        before, after = _written(step)
        match operation:
            case Assign(assignee=assignee, amount=amount):
                self._financed(after, assignee, assigned=amount)
            case AcceptAssignment(assignee=assignee, offer=offer_id):
                offer = None if before is None else offer_of(before.reservations, offer_id)
                assert offer is not None, "what was accepted had been offered"
                self._financed(after, assignee, assigned=offer.amount)
            case RegisterReceivable() if after is not None and after.disposals:
                # A blanket has taken it at birth.
                for part in after.parts:
                    self._financed(after, part.holder, assigned=part.amount)
            case Crystallise():
                self._arisen(step)
            case Pledge(pledgee=pledgee, amount=amount):
                self._financed(after, pledgee, pledged=amount)
            case DrawPool(factor=factor, amount=amount):
                self._of(factor, _pool_currency(step)).drawn += amount
                self._of(factor, _pool_currency(step)).transactions += 1
            case RecordCreditNote(shares=shares) | ResolveDispute(dilution=shares):
                for share in shares:
                    if after is not None and share.holder != after.exporter:
                        self._of(share.holder, after.currency).diluted += share.amount
            case ReportIndirectPayment(holder=holder, amount=amount, turned_over=False):
                assert after is not None
                self._of(holder, after.currency).indirect += amount
            case _:
                pass

    def _arisen(self, step: Step) -> None:
        """Of what arises from a contract, what a blanket takes. What came over with the contract was financed before."""
        (contract,) = (each for each in _changes(step, Namespace.RECEIVABLE) if each.before is not None)
        (arisen,) = (each.after for each in _changes(step, Namespace.RECEIVABLE) if each.before is None)
        for part in arisen.parts:
            came_over = contract.before.amount_of(part.holder) - contract.after.amount_of(part.holder)
            if part.holder != arisen.exporter and part.amount > came_over:
                self._financed(arisen, part.holder, assigned=part.amount - came_over)

    def _financed(
        self, record: Receivable | None, factor: str, *, assigned: int = 0, pledged: int = 0
    ) -> None:
        assert record is not None, "what is financed is a receivable"
        flow = self._of(factor, record.currency)
        flow.assigned += assigned
        flow.pledged += pledged
        flow.transactions += 1

    def _of(self, member: str, currency: str) -> Flow:
        return self.by_member.setdefault((member, currency), Flow())


def parties_of(operation: Operation) -> tuple[str, ...]:
    """The members whose signature the operation needs, each once; not the association, where it signs as such."""
    rule = RULES[type(operation)]
    return tuple(dict.fromkeys(party.member for party in rule.parties(operation)))


def _written(step: Step) -> tuple[Receivable | None, Receivable | None]:
    for change in _changes(step, Namespace.RECEIVABLE):
        return change.before, change.after
    return None, None


def _pool_currency(step: Step) -> str:
    pools: list[Any] = [change.after for change in _changes(step, Namespace.POOL)]
    currency: str = pools[0].terms.currency
    return currency


def _changes(step: Step, namespace: Namespace) -> Iterator[Change]:
    return (change for change in step.changes if change.namespace is namespace)
