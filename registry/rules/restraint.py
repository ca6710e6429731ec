"""Rules of restraint (RULEBOOK, "Restraint and correction by authority")."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from .. import limits
from ..errors import Code, RuleViolation
from ..identifiers import ID_BYTES
from ..operations.governance import Role
from ..operations.restraint import Freeze, RaiseObjection, Unfreeze, WithdrawObjection
from ..receivable import Receivable
from ..record.restraints import Freeze as Order
from ..record.restraints import Objection, with_freeze, with_objection, without_freeze, without_objection
from ..time_units import DAY_MS
from .case_numbers import is_same_case, names_a_case
from .judgement import HOLDING, Judgement, Party, Rule, known_receivable, unclosed_receivable

_EMPTY: Final = bytes(ID_BYTES)


def raise_objection(judgement: Judgement, operation: RaiseObjection) -> bytes:
    """Nothing of it can be disposed of for the policy's number of days, or with a case number until the objection is ended.

    ABUSE: the objector has no interest of its own on record, objects again on the same claim without a case number or after a
    court has ended its objection, or states no claim. Who has an interest that is not on record asks a court for a freeze.
    Source: movable-property registration measures (an objection falls without proof of a lawsuit within 30 days).
    """
    record = unclosed_receivable(judgement, operation.receivable)
    if not has_interest(judgement, record, operation.objector):
        raise RuleViolation(
            Code.ABUSE, f"{operation.objector} has no interest in it on record", collided_with=record.place
        )
    earlier = record.restraints.objection_of(operation.objector)
    if (
        operation.case_number is not None and not names_a_case(operation.case_number)
    ) or operation.statement == _EMPTY:
        raise RuleViolation(Code.ABUSE, "a claim or its case number is empty", collided_with=record.place)
    if earlier is not None and earlier.dismissed:
        raise RuleViolation(
            Code.ABUSE,
            f"a court has ended the objection of {operation.objector}; only a court's order can stop disposals now",
            collided_with=earlier.place,
        )
    if earlier is not None and not _is_other_case(operation.case_number, earlier.case_number):
        raise RuleViolation(
            Code.ABUSE,
            f"{operation.objector} has objected already; a further objection needs a new case number",
            collided_with=earlier.place,
        )
    if earlier is None and len(record.restraints.objections) >= limits.OBJECTIONS_MAX:
        raise RuleViolation(Code.LIMIT_REACHED, f"a receivable has at most {limits.OBJECTIONS_MAX} objectors")
    until_ms = None
    if operation.case_number is None:
        until_ms = judgement.time_ms + judgement.policy.objection_days * DAY_MS
    objection = Objection(
        objector=operation.objector,
        statement=operation.statement,
        case_number=operation.case_number,
        until_ms=until_ms,
        ended=False,
        place=judgement.place(record.receivable_id),
    )
    restraints = with_objection(record.restraints, objection)
    return judgement.store(replace(record, restraints=restraints, changed_height=judgement.height))


def _is_other_case(case_number: str | None, earlier: str | None) -> bool:
    return case_number is not None and (earlier is None or not is_same_case(case_number, earlier))


def has_interest(judgement: Judgement, record: Receivable, member_id: str) -> bool:
    """Exporter, debtor, present or past holder, lienholder, or a factor that the exporter has given a blanket, or a pool with it.

    Who was only made an offer has none: its reservation protects it, and it may be the very competitor that would block.
    """
    holders = {part.holder for part in record.parts} | {disposal.holder for disposal in record.disposals}
    lienholders = {lien.pledgee for lien in (*record.liens, *record.lapsed)}
    pooled_for = set() if record.pool is None else {record.pool.factor}
    if member_id == record.exporter or member_id in holders | lienholders | pooled_for:
        return True
    for blanket in judgement.state.blankets(record.exporter):
        if blanket.assignee == member_id and blanket.meets(record.debtor_reference, judgement.time_ms):
            return True
    member = judgement.state.member(member_id)
    return member is not None and member.debtor_reference == record.debtor_reference


def withdraw_objection(judgement: Judgement, operation: WithdrawObjection) -> bytes:
    """The objection restrains no more; the objector needs a case number for another."""
    record = known_receivable(judgement, operation.receivable)
    objection = record.restraints.objection_of(operation.objector)
    if objection is None or objection.ended:
        raise RuleViolation(
            Code.NO_OBJECTION,
            f"no objection of {operation.objector} stands",
            collided_with=record.place if objection is None else objection.place,
        )
    dismissed = operation.court is not None
    restraints = without_objection(record.restraints, operation.objector, dismissed=dismissed)
    return judgement.store(replace(record, restraints=restraints, changed_height=judgement.height))


def freeze(judgement: Judgement, operation: Freeze) -> bytes:
    """An order of the court stands; several can. Order: the receivable, the case number, an order under the same number."""
    record = unclosed_receivable(judgement, operation.receivable)
    if not names_a_case(operation.case_number):
        raise RuleViolation(Code.NO_ORDER, "a freeze needs a case number", collided_with=record.place)
    for standing in record.restraints.freezes:
        if standing.case_number == operation.case_number:
            raise RuleViolation(
                Code.ALREADY_IN_FORCE,
                f"it is frozen under {operation.case_number}",
                collided_with=standing.place,
            )
    if len(record.restraints.freezes) >= limits.FREEZES_MAX:
        raise RuleViolation(Code.LIMIT_REACHED, f"at most {limits.FREEZES_MAX} orders stand at once")
    order = Order(operation.case_number, operation.court, judgement.place(record.receivable_id))
    restraints = with_freeze(record.restraints, order)
    return judgement.store(replace(record, restraints=restraints, changed_height=judgement.height))


def unfreeze(judgement: Judgement, operation: Unfreeze) -> bytes:
    """The order under this case number ends; others stand. Another court may lift it: on appeal the file moves up."""
    record = known_receivable(judgement, operation.receivable)
    if all(standing.case_number != operation.case_number for standing in record.restraints.freezes):
        raise RuleViolation(
            Code.NO_ORDER, f"no order stands under {operation.case_number!r}", collided_with=record.place
        )
    restraints = without_freeze(record.restraints, operation.case_number)
    return judgement.store(replace(record, restraints=restraints, changed_height=judgement.height))


_ANY_PARTY: Final = (*HOLDING, Role.DEBTOR)


def _objecting(operation: RaiseObjection) -> tuple[Party, ...]:
    return (Party(operation.objector, _ANY_PARTY),)


def _withdrawing(operation: WithdrawObjection) -> tuple[Party, ...]:
    if operation.court is not None:
        return (Party(operation.court, (Role.COURT,)),)
    return (Party(operation.objector, _ANY_PARTY),)


def _ordering(operation: Freeze | Unfreeze) -> tuple[Party, ...]:
    return (Party(operation.court, (Role.COURT,)),)


RULES: Final = (
    Rule(RaiseObjection, _objecting, raise_objection),
    Rule(
        WithdrawObjection,
        _withdrawing,
        withdraw_objection,
        while_suspended=True,
        governed_when=lambda operation: operation.court is not None,
    ),
    Rule(Freeze, _ordering, freeze, by_governance=True),
    Rule(Unfreeze, _ordering, unfreeze, by_governance=True),
)
