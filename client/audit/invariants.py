"""What must hold of the final state as a whole (RULEBOOK, "State of one receivable", Invariants).

`Tally` keeps a second, very simple account beside the replay: which receivables were registered for how much, and what was
paid on them. At the end every record is read back from the state and held against it. A mistake in a rule function that nodes
and replay share, since they run the same code, shows here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from registry.entry import Entry
from registry.errors import Code, InvariantViolation, Reference
from registry.operations.collection import RecordPayment
from registry.operations.existence import RegisterReceivable
from registry.operations.governance import EnrolMember
from registry.receipt import Outcome, Receipt
from registry.receivable import Receivable, check_invariants
from registry.state import DeliveryUse, MemoryState, Namespace, WorkingState

from .findings import Category, Check, Finding, finding


class Tally:
    """Face amounts and payments by receivable, added up from the operations that were applied."""

    __slots__ = ("faces", "paid", "strangers")

    def __init__(self) -> None:
        self.faces: dict[bytes, int] = {}
        self.paid: Counter[bytes] = Counter()
        self.strangers: list[tuple[int, int, bytes]] = []

    def add(self, entry: Entry, receipt: Receipt) -> None:
        """Count the applied operations of one entry."""
        if receipt.outcome is Outcome.REFUSED:
            return
        for operation, result in zip(entry.body.operations, receipt.results, strict=True):
            if result.code is not Code.OK:
                continue
            match operation:
                case RegisterReceivable():
                    self.faces[result.subject] = operation.face_amount
                case EnrolMember():
                    pass
                case _:
                    if operation.receivable not in self.faces:
                        self.strangers.append((receipt.height, receipt.entry_index, operation.receivable))
                    if type(operation) is RecordPayment:
                        self.paid[operation.receivable] += operation.amount


def check_final_state(state: MemoryState, tally: Tally, height: int) -> Iterator[Finding]:
    """Every finding about the state after the last block; the caller bounds how many it keeps."""
    for at_height, entry_index, identifier in tally.strangers:
        what = "an operation was applied to a receivable that was never registered"
        yield _broken(what, at_height, identifier, entry_index)
    consumed: Counter[bytes] = Counter()
    for identifier, face_amount in tally.faces.items():
        # A view of its own for each: a view keeps what it has read, and the whole state decoded is many times its size.
        view = WorkingState(state)
        record = view.receivable(identifier)
        if record is None:
            yield _broken("a registered receivable is not in the state", height, identifier)
            continue
        yield from _check_record(record, identifier, face_amount, tally.paid[identifier], height)
        yield from _check_claims(view, record, height)
        for delivery in record.fingerprints.deliveries:
            consumed[delivery.fingerprint] += delivery.quantity
    for fingerprint, quantity in consumed.items():
        yield from _check_delivery(WorkingState(state), fingerprint, quantity, height)


def _check_record(
    record: Receivable, identifier: bytes, face_amount: int, paid: int, height: int
) -> Iterator[Finding]:
    try:
        check_invariants(record)
    except InvariantViolation as error:
        yield _broken(error.message, height, identifier)
    for what, expected, found in (
        ("id", identifier, record.receivable_id),
        ("face amount", face_amount, record.face_amount),
        ("amount paid", paid, record.paid),
    ):
        if expected != found:
            yield _broken(
                f"the record's {what} is not what its entries add up to",
                height,
                identifier,
                None,
                expected,
                found,
            )


def _check_claims(view: WorkingState, record: Receivable, height: int) -> Iterator[Finding]:
    """One receivable per strong fingerprint: a claim names one place, so a second receivable cannot be at it."""
    for kind, value in record.fingerprints.strong():
        claimed: Reference | None = view.get(Namespace.FINGERPRINT, bytes([kind]) + value)
        if claimed != record.place:
            what = f"its {kind.name.lower()} fingerprint {value.hex()} is not claimed by it"
            yield _broken(what, height, record.receivable_id, None, record.place, claimed)


def _check_delivery(view: WorkingState, fingerprint: bytes, quantity: int, height: int) -> Iterator[Finding]:
    use: DeliveryUse | None = view.get(Namespace.DELIVERY, fingerprint)
    if use is None or use.consumed != quantity or quantity > use.document_quantity:
        stated = None if use is None else f"{use.consumed} of {use.document_quantity}"
        yield _broken(
            "a delivery stands behind more than is recorded", height, fingerprint, None, stated, quantity
        )


def _broken(
    message: str,
    height: int,
    subject: bytes,
    entry_index: int | None = None,
    expected: object = None,
    found: object = None,
) -> Finding:
    return finding(
        Check.INVARIANTS,
        Category.RULE,
        f"{message} ({subject.hex()})",
        height=height,
        entry_index=entry_index,
        expected=expected,
        found=found,
    )
