"""Which alerts the results of one block give: attempts that were refused, and what was applied with a warning.

A refused attempt is told to those who made it and to the parties of what it collided with: a holder should know that
somebody tried to pledge what it holds, or to register it again. Source: RULEBOOK, "Fraud patterns", "Alerts".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from ..errors import Code, Reference
from ..operations import (
    AcceptAssignment,
    Assign,
    Crystallise,
    OfferAssignment,
    Operation,
    Pledge,
    RegisterFutureReceivable,
    RegisterReceivable,
)
from ..receivable import Receivable
from ..state import WorkingState
from ..stored import Namespace
from ..transition import Step
from .alerts import Alert, AlertKind
from .flows import parties_of
from .observation import Judged, ObservedBlock, place_of

# What somebody tried although the value, the papers or the reference was used by another operation before.
DUPLICATE: Final = frozenset(
    {
        Code.DUPLICATE_RECEIVABLE,
        Code.DUPLICATE_DELIVERY,
        Code.DUPLICATE_CREDIT_NOTE,
        Code.DUPLICATE_PLEDGE,
        Code.PLEDGED,
        Code.RESERVED,
        Code.BLANKET_CONFLICT,
        Code.REFERENCE_REUSED,
        Code.DOUBLE_COVER,
        Code.IN_OTHER_POOL,
    }
)
# What somebody tried to dispose of although it was not there.
EMPTY: Final = frozenset({Code.EMPTY_PLEDGE, Code.EMPTY_ASSIGNMENT})
_DISPOSALS: Final = (OfferAssignment, AcceptAssignment, Assign, Pledge)
_FLAGS: Final = {"related_party": AlertKind.RELATED_PARTY, "cycle": AlertKind.CYCLE}
_BIRTHS: Final = (RegisterReceivable, RegisterFutureReceivable, Crystallise)


def alerts_of_results(block: ObservedBlock, state: WorkingState) -> Iterator[Alert]:
    """In the order of the operations; `state` is that after the block."""
    for judged in block.judged():
        code = judged.result.code
        kind = kind_of(judged.operation, code)
        if kind is not None:
            yield _refused(block, state, judged, kind)
        elif code is Code.OK:
            for flag in judged.result.reasons:
                if flag.word in _FLAGS:
                    yield _flagged(block, state, judged, _FLAGS[flag.word], flag.amount)
    for step in block.steps:
        yield from _suspicions(block, state, step)


def kind_of(operation: Operation, code: Code) -> AlertKind | None:
    """The alert that a refusal gives, or None."""
    if code in DUPLICATE:
        return AlertKind.DUPLICATE_ATTEMPT
    if code in EMPTY or (code is Code.NOT_HOLDER and isinstance(operation, _DISPOSALS)):
        return AlertKind.EMPTY_ATTEMPT
    if code is Code.RELATED_PARTY:
        return AlertKind.RELATED_PARTY
    if code is Code.SUSPICION_NOT_ACKNOWLEDGED:
        return AlertKind.SUSPICION
    return None


def _refused(block: ObservedBlock, state: WorkingState, judged: Judged, kind: AlertKind) -> Alert:
    collided = judged.result.collided_with
    record = _named(state, judged.operation)
    if record is None and collided is not None:
        record = state.receivable(collided.subject)
    amount = getattr(judged.operation, "amount", getattr(judged.operation, "face_amount", 0))
    alert = _alert(block, judged, kind, record, amount, judged.result.code.value, collided)
    pool = None if collided is None or record is not None else state.pool(collided.subject)
    if pool is None:
        return alert
    # A change of a pool names many receivables: whose pool it is that has one of them already is told by the pool.
    parties = sorted({*alert.parties, pool.exporter, pool.factor})
    return replace(alert, subject=pool.pool_id, parties=tuple(parties))


def _flagged(
    block: ObservedBlock, state: WorkingState, judged: Judged, kind: AlertKind, figure: int
) -> Alert:
    record = _named(state, judged.operation)
    if record is None and isinstance(judged.operation, _BIRTHS):
        record = state.receivable(judged.result.subject)
    if kind is AlertKind.CYCLE:
        face = 0 if record is None else record.face_amount
        return _alert(block, judged, kind, record, face, f"{figure} edges", None)
    return _alert(block, judged, kind, record, figure, "flagged", None)


def _suspicions(block: ObservedBlock, state: WorkingState, step: Step) -> Iterator[Alert]:
    """A receivable that looks like an earlier one, at its registration or once corrected: both are listed under one key."""
    for change in step.changes:
        if change.namespace is not Namespace.SIMILAR or change.after is None:
            continue
        if len(change.after) > max(1, len(change.before or ())):
            *_, earlier, own = change.after
            record, other = state.receivable(own), state.receivable(earlier)
            assert record is not None, "what is listed as similar is registered"
            assert other is not None, "what is listed as similar is registered"
            place = place_of(step)
            yield Alert(
                kind=AlertKind.SUSPICION,
                height=block.height,
                entry_index=place.entry_index,
                operation_index=place.operation_index,
                subject=own,
                parties=tuple(sorted(record.parties() | other.parties())),
                debtor_reference=record.debtor_reference,
                currency=record.currency,
                amount=record.face_amount,
                detail="similar",
                reference=other.place,
            )


def _named(state: WorkingState, operation: Operation) -> Receivable | None:
    identifier: bytes | None = getattr(operation, "receivable", None)
    return None if identifier is None else state.receivable(identifier)


def _alert(
    block: ObservedBlock,
    judged: Judged,
    kind: AlertKind,
    record: Receivable | None,
    amount: int,
    detail: str,
    reference: Reference | None,
) -> Alert:
    operation = judged.operation
    parties = frozenset(parties_of(operation)) | (frozenset() if record is None else record.parties())
    named: bytes | None = getattr(operation, "receivable", None)
    return Alert(
        kind=kind,
        height=block.height,
        entry_index=judged.place.entry_index,
        operation_index=judged.place.operation_index,
        subject=record.receivable_id if record is not None else named or b"",
        parties=tuple(sorted(parties)),
        debtor_reference=getattr(operation, "debtor_reference", None)
        if record is None
        else record.debtor_reference,
        currency=getattr(operation, "currency", "") if record is None else record.currency,
        amount=amount,
        detail=detail,
        reference=reference,
    )
