"""Rules of the notice of assignment (RULEBOOK, "Assignment"; Civil Code art. 546)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ..errors import Code, RuleViolation
from ..operations.assignment import AcknowledgeNotice, NotifyDebtor
from ..operations.governance import Role
from ..record.notices import notice_of, with_acknowledgement, with_notice
from .judgement import HOLDING, Judgement, Party, Rule, debtor_of, unclosed_receivable


def notify_debtor(judgement: Judgement, operation: NotifyDebtor) -> bytes:
    """The notice stands on record with its block's time. Repeating it changes nothing."""
    record = unclosed_receivable(judgement, operation.receivable)
    if record.amount_of(operation.holder) == 0:
        disposal = record.disposed_by(operation.holder)
        raise RuleViolation(
            Code.NOT_HOLDER,
            f"{operation.holder} holds no part",
            collided_with=disposal.latest if disposal else record.place,
        )
    place = judgement.place(record.receivable_id)
    notices = with_notice(record.notices, operation.holder, judgement.time_ms, place)
    return judgement.store(replace(record, notices=notices, changed_height=judgement.height))


def acknowledge_notice(judgement: Judgement, operation: AcknowledgeNotice) -> bytes:
    """From now on the debtor pays the holder's part to the holder, and to nobody else without it being indirect."""
    record = unclosed_receivable(judgement, operation.receivable)
    debtor_of(judgement, record, operation.debtor)
    if notice_of(record.notices, operation.holder) is None:
        raise RuleViolation(
            Code.NO_NOTICE, f"{operation.holder} has given no notice", collided_with=record.place
        )
    place = judgement.place(record.receivable_id)
    notices = with_acknowledgement(record.notices, operation.holder, judgement.time_ms, place)
    return judgement.store(replace(record, notices=notices, changed_height=judgement.height))


def _notifying(operation: NotifyDebtor) -> tuple[Party, ...]:
    return (Party(operation.holder, HOLDING),)


def _acknowledging(operation: AcknowledgeNotice) -> tuple[Party, ...]:
    return (Party(operation.debtor, (Role.DEBTOR,)),)


RULES: Final = (
    Rule(NotifyDebtor, _notifying, notify_debtor),
    Rule(AcknowledgeNotice, _acknowledging, acknowledge_notice),
)
