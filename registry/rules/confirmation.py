"""Rules of confirmation by silence, and of rejection (RULEBOOK, "Evidence and existence")."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ..errors import BadSignature, Code, Reason, RuleViolation
from ..operations.confirmation import ConfirmTacitly, OptIn, RejectReceivable, opt_in_message
from ..operations.governance import Role
from ..receivable import CONFIRMED, Confirmation, ConfirmationKind, Receivable
from ..record.notices import notice_of
from ..signing import verify
from ..time_units import DAY_MS
from .judgement import HOLDING, Judgement, Party, Rule, debtor_of, held_part, live_receivable, not_rejected


def confirm_tacitly(judgement: Judgement, operation: ConfirmTacitly) -> bytes:
    """All that is outstanding counts as confirmed, because the debtor agreed to that and was silent; no defence is waived.

    Order: rejection, earlier confirmation, holder, consent, notice and its time, dispute, objection.
    """
    record = live_receivable(judgement, operation.receivable)
    not_rejected(record)
    _not_confirmed(record)
    if not held_part(record, operation.holder).amount:
        raise RuleViolation(
            Code.NOT_HOLDER, f"{operation.holder} has nothing left of it", collided_with=record.place
        )
    _check_opt_in(judgement, record, operation.opt_in)
    _check_silence(judgement, record, operation.holder)
    if record.disputed:
        raise RuleViolation(
            Code.OBJECTED,
            "the debtor has not been silent: it disputes a part",
            collided_with=record.place,
            reasons=(Reason("disputed", record.disputed),),
        )
    objection = record.restraints.objected
    if objection is not None:
        raise RuleViolation(Code.OBJECTED, "an objection stands", collided_with=objection.place)
    confirmation = Confirmation(ConfirmationKind.TACIT, record.outstanding, ())
    return judgement.store(replace(record, confirmation=confirmation, changed_height=judgement.height))


def _not_confirmed(record: Receivable) -> None:
    if record.confirmation.kind in CONFIRMED:
        raise RuleViolation(
            Code.ALREADY_CONFIRMED,
            f"{record.confirmation.amount} is confirmed already",
            collided_with=record.place,
            reasons=(Reason("confirmed", record.confirmation.amount),),
        )


def _check_opt_in(judgement: Judgement, record: Receivable, opt_in: OptIn | None) -> None:
    if opt_in is None:
        raise RuleViolation(Code.NO_OPT_IN, "no consent of the debtor is given", collided_with=record.place)
    debtor = judgement.state.member(opt_in.debtor)
    if debtor is None or debtor.debtor_reference != record.debtor_reference:
        raise RuleViolation(
            Code.NO_OPT_IN,
            f"{opt_in.debtor} is not the debtor of this receivable",
            collided_with=record.place,
        )
    if opt_in.until_ms <= judgement.time_ms or not debtor.has_key(opt_in.public_key, judgement.height):
        raise RuleViolation(
            Code.NO_OPT_IN, "the debtor's consent or its key has run out", collided_with=record.place
        )
    message = opt_in_message(judgement.chain_id, opt_in.debtor, record.exporter, opt_in.until_ms)
    try:
        verify(opt_in.public_key, message, opt_in.signature)
    except BadSignature as error:
        raise RuleViolation(
            Code.NO_OPT_IN, "the debtor has not signed this consent", collided_with=record.place
        ) from error


def _check_silence(judgement: Judgement, record: Receivable, holder: str) -> None:
    notice = notice_of(record.notices, holder)
    if notice is None or notice.acknowledged is None:
        raise RuleViolation(
            Code.TOO_EARLY,
            f"the debtor has acknowledged no notice of {holder}",
            collided_with=record.place if notice is None else notice.place,
        )
    since_ms = notice.acknowledged.time_ms
    if judgement.time_ms < since_ms + judgement.policy.tacit_days * DAY_MS:
        raise RuleViolation(
            Code.TOO_EARLY,
            f"{judgement.policy.tacit_days} days have not passed since the notice was acknowledged",
            collided_with=notice.acknowledged.place,
        )


def reject_receivable(judgement: Judgement, operation: RejectReceivable) -> bytes:
    """Nothing of it can be disposed of any more, and the exporter can only cancel it.

    What hands it back or ends it stays possible: reassignment, release, settlement. Source: RADIAN, rejection by the acquirer.
    """
    record = live_receivable(judgement, operation.receivable)
    debtor_of(judgement, record, operation.debtor)
    not_rejected(record)
    _not_confirmed(record)
    confirmation = Confirmation(ConfirmationKind.REJECTED, 0, ())
    return judgement.store(replace(record, confirmation=confirmation, changed_height=judgement.height))


def _holder(operation: ConfirmTacitly) -> tuple[Party, ...]:
    return (Party(operation.holder, HOLDING),)


def _debtor(operation: RejectReceivable) -> tuple[Party, ...]:
    return (Party(operation.debtor, (Role.DEBTOR,)),)


RULES: Final = (
    Rule(ConfirmTacitly, _holder, confirm_tacitly),
    Rule(RejectReceivable, _debtor, reject_receivable),
)
