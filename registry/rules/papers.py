"""The papers behind a receivable, as the registry knows them: fingerprints that are used once, deliveries consumed once.

Source: RULEBOOK, "Fingerprints: how a duplicate is seen".
"""

from __future__ import annotations

from dataclasses import replace

from .. import limits
from ..errors import Code, Reason, Reference, RuleViolation
from ..fingerprints import Delivery, Fingerprints
from ..operations.existence import Instalment
from ..state import DeliveryUse, Namespace
from .judgement import Judgement


def allowed_currency(judgement: Judgement, currency: str) -> None:
    if currency not in judgement.policy.currencies:
        raise RuleViolation(
            Code.CURRENCY_MISMATCH,
            f"{currency} is not a currency of this consortium; allowed are "
            + ", ".join(judgement.policy.currencies),
        )


def not_own_debtor(judgement: Judgement, exporter: str, debtor_reference: bytes) -> None:
    member = judgement.state.member(exporter)
    if member is not None and member.debtor_reference == debtor_reference:
        raise RuleViolation(Code.RELATED_PARTY, "an exporter cannot be its own debtor")


def check_tenor(judgement: Judgement, issue_date: int, due_date: int) -> None:
    tenor_days = due_date - issue_date
    if not 0 <= tenor_days <= judgement.policy.tenor_max_days:
        raise RuleViolation(
            Code.TENOR,
            f"due {tenor_days} days after issue; allowed are 0 to {judgement.policy.tenor_max_days}",
        )


def check_schedule(
    schedule: tuple[Instalment, ...], face_amount: int, issue_date: int, due_date: int
) -> None:
    """Instalments, where there are any, add up to the face amount and end on the due date."""
    if not schedule:
        return
    total = sum(instalment.amount for instalment in schedule)
    if total != face_amount or any(instalment.amount == 0 for instalment in schedule):
        raise RuleViolation(
            Code.SCHEDULE_SUM, f"instalments add up to {total}, the face amount is {face_amount}"
        )
    if schedule[0].due_date < issue_date or schedule[-1].due_date != due_date:
        raise RuleViolation(
            Code.SCHEDULE_SUM, "instalments must lie between issue and due date and end on the latter"
        )


def check_fingerprints(
    judgement: Judgement, fingerprints: Fingerprints, amount: int, *, instead: Fingerprints | None = None
) -> None:
    """None of the strong ones is claimed, and of each delivery as much is left.

    `instead` is what the same receivable claimed until now, which does not stand in its own way.
    """
    epoch = judgement.state.governance().fingerprint_epoch
    if fingerprints.epoch != epoch:
        # Under another key the same papers have other fingerprints, and a duplicate would not be seen.
        raise RuleViolation(
            Code.FINGERPRINT_MISMATCH,
            f"fingerprints of epoch {fingerprints.epoch}, the consortium's key is of epoch {epoch}",
        )
    own = () if instead is None else instead.strong()
    for kind, value in fingerprints.strong():
        claimed = judgement.state.get(Namespace.FINGERPRINT, bytes([kind]) + value)
        if claimed is not None and (kind, value) not in own:
            raise RuleViolation(
                Code.DUPLICATE_RECEIVABLE,
                f"the {kind.name.lower()} fingerprint is registered already",
                collided_with=claimed,
                reasons=(Reason(kind.name.lower(), amount),),
            )
    deliveries = fingerprints.deliveries
    if len({delivery.fingerprint for delivery in deliveries}) != len(deliveries):
        raise RuleViolation(Code.DUPLICATE_DELIVERY, "one delivery is named twice")
    for delivery in deliveries:
        _check_delivery(judgement, delivery, _claimed(instead, delivery.fingerprint))


def _check_delivery(judgement: Judgement, delivery: Delivery, returned: int) -> None:
    use: DeliveryUse | None = judgement.state.get(Namespace.DELIVERY, delivery.fingerprint)
    # The quantity stated first stands: a later registration cannot enlarge the document to make room for itself.
    available = (
        delivery.document_quantity
        if use is None
        else replace(use, consumed=use.consumed - returned).available
    )
    if delivery.quantity > available:
        raise RuleViolation(
            Code.DUPLICATE_DELIVERY,
            f"{delivery.quantity} of this delivery are claimed, {available} are not consumed yet",
            collided_with=None if use is None else use.first,
        )


def _claimed(fingerprints: Fingerprints | None, delivery: bytes) -> int:
    named = () if fingerprints is None else fingerprints.deliveries
    return sum(each.quantity for each in named if each.fingerprint == delivery)


def claim_fingerprints(judgement: Judgement, fingerprints: Fingerprints, place: Reference) -> None:
    """From now on they stand for the receivable that was registered at `place`."""
    state, identifier = judgement.state, place.subject
    for kind, value in fingerprints.strong():
        state.put(Namespace.FINGERPRINT, bytes([kind]) + value, place)
    similar = state.get(Namespace.SIMILAR, fingerprints.similar) or ()
    # Those behind the last one listed have as many to look at as a taker can name, and no more.
    if len(similar) < limits.SUSPICIONS_MAX and identifier not in similar:
        state.put(Namespace.SIMILAR, fingerprints.similar, (*similar, identifier))
    for delivery in fingerprints.deliveries:
        use = state.get(Namespace.DELIVERY, delivery.fingerprint) or DeliveryUse(
            delivery.document_quantity, 0, place
        )
        state.put(
            Namespace.DELIVERY,
            delivery.fingerprint,
            replace(use, consumed=use.consumed + delivery.quantity),
        )


def return_deliveries(judgement: Judgement, fingerprints: Fingerprints) -> None:
    """What a receivable claimed of its deliveries is no longer consumed by it: its papers are being corrected."""
    for delivery in fingerprints.deliveries:
        use: DeliveryUse = judgement.state.get(Namespace.DELIVERY, delivery.fingerprint)
        judgement.state.put(
            Namespace.DELIVERY,
            delivery.fingerprint,
            replace(use, consumed=use.consumed - delivery.quantity),
        )
