"""The papers behind a receivable, as the registry knows them: fingerprints that are used once, deliveries consumed once.

Source: RULEBOOK, "Fingerprints: how a duplicate is seen".
"""

from __future__ import annotations

from dataclasses import replace

from .. import limits
from ..errors import Code, Reason, Reference, RuleViolation
from ..fingerprints import Delivery, Fingerprints
from ..operations.existence import Instalment
from ..receivable import Receivable
from ..stored import DeliveryUse, Namespace
from ..time_units import DAY_MS
from .judgement import Judgement, known_receivable, similar_key


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
    # One day of grace: the issuer's calendar may be ahead of UTC. A later date would make a future receivable look live and
    # stretch the tenor.
    if issue_date > judgement.time_ms // DAY_MS + 1:
        raise RuleViolation(Code.TENOR, "issued in the future")


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
    # The smallest quantity that anybody stated stands: a document is not enlarged to make room, neither by a later
    # registration nor by a first one made for this purpose.
    available = delivery.document_quantity
    if use is not None:
        smallest = min(available, use.document_quantity)
        available = replace(use, document_quantity=smallest, consumed=use.consumed - returned).available
    if delivery.quantity > available:
        raise RuleViolation(
            Code.DUPLICATE_DELIVERY,
            f"{delivery.quantity} of this delivery are claimed, {available} are not consumed yet",
            collided_with=None if use is None else use.first,
        )


def _claimed(fingerprints: Fingerprints | None, delivery: bytes) -> int:
    named = () if fingerprints is None else fingerprints.deliveries
    return sum(each.quantity for each in named if each.fingerprint == delivery)


def claim_fingerprints(
    judgement: Judgement, exporter: str, debtor_reference: bytes, fingerprints: Fingerprints, place: Reference
) -> None:
    """From now on they stand for the receivable that was registered at `place`."""
    state, identifier = judgement.state, place.subject
    for kind, value in fingerprints.strong():
        state.put(Namespace.FINGERPRINT, bytes([kind]) + value, place)
    key = similar_key(exporter, debtor_reference, fingerprints.similar)
    similar: tuple[bytes, ...] = state.get(Namespace.SIMILAR, key) or ()
    if identifier not in similar:
        if len(similar) >= limits.SUSPICIONS_MAX:
            # One more could not be listed, and its taker would never be told of the others behind it.
            raise RuleViolation(
                Code.LIMIT_REACHED,
                f"{len(similar)} receivables have the same parties, amount and due date already",
                collided_with=known_receivable(judgement, similar[0]).place,
            )
        state.put(Namespace.SIMILAR, key, (*similar, identifier))
    for delivery in fingerprints.deliveries:
        use = state.get(Namespace.DELIVERY, delivery.fingerprint) or DeliveryUse(
            delivery.document_quantity, 0, place
        )
        state.put(
            Namespace.DELIVERY,
            delivery.fingerprint,
            replace(
                use,
                document_quantity=min(use.document_quantity, delivery.document_quantity),
                consumed=use.consumed + delivery.quantity,
            ),
        )


def reclaim_fingerprints(judgement: Judgement, record: Receivable) -> None:
    """A closed receivable is to be owed again: what was released of its fingerprints is its own again, unless another has it."""
    for kind, value in record.fingerprints.strong():
        key = bytes([kind]) + value
        claimed: Reference | None = judgement.state.get(Namespace.FINGERPRINT, key)
        if claimed is None:
            judgement.state.put(Namespace.FINGERPRINT, key, record.place)
        elif claimed.subject != record.receivable_id:
            raise RuleViolation(
                Code.DUPLICATE_RECEIVABLE,
                f"its {kind.name.lower()} fingerprint was released, and is another receivable's by now",
                collided_with=claimed,
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
