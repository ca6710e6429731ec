"""What must hold of the final state as a whole (RULEBOOK, "State of one receivable", Invariants).

`Tally` keeps a second, very simple account beside the replay: which receivables were registered for how much, and what was
paid on them. At the end every record is read back from the state and held against it. A mistake in a rule function that nodes
and replay share, since they run the same code, shows here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from registry.codec import pack
from registry.entry import Entry
from registry.errors import Code, InvariantViolation
from registry.fingerprints import FingerprintKind
from registry.operations import Operation, receivables_of
from registry.operations.arrears import ReversePayment
from registry.operations.collection import RecordPayment
from registry.operations.decisions import ReleaseFingerprint
from registry.operations.existence import RegisterReceivable
from registry.operations.future import Crystallise, RegisterFutureReceivable
from registry.receipt import Outcome, Receipt
from registry.receivable import REFERENCE, Receivable, check_invariants
from registry.record.covers import PolicyUse, uses_of
from registry.state import MemoryState
from registry.stored import DeliveryUse, Namespace, decode_value, state_key

from .findings import Category, Check, Finding, finding
from .pool_account import PoolAccount


class Tally:
    """Face amounts and payments by receivable, added up from the operations that were applied."""

    __slots__ = ("faces", "paid", "payments", "pools", "released", "strangers")

    def __init__(self) -> None:
        self.faces: dict[bytes, int] = {}
        self.pools = PoolAccount()
        self.paid: Counter[bytes] = Counter()
        self.payments: dict[bytes, int] = {}
        """Amounts by bank reference, which is used once for ever: what a reversal takes back."""
        self.strangers: list[tuple[int, int, bytes]] = []
        self.released: set[tuple[bytes, bytes]] = set()
        """Receivable and state key of each fingerprint that the association has set free."""

    def add(self, entry: Entry, receipt: Receipt) -> None:
        """Count the applied operations of one entry."""
        if receipt.outcome is Outcome.REFUSED:
            return
        for operation, result in zip(entry.body.operations, receipt.results, strict=True):
            if result.code is not Code.OK:
                continue
            self.pools.add(operation, result.subject)
            match operation:
                case RegisterReceivable():
                    self.faces[result.subject] = operation.face_amount
                case RegisterFutureReceivable():
                    self.faces[result.subject] = operation.cap
                case Crystallise():
                    self._add_to_known(operation, receipt)
                    self.faces[result.subject] = operation.amount
                    self.faces[operation.receivable] -= operation.amount
                case _:
                    self._add_to_known(operation, receipt)

    def _add_to_known(self, operation: Operation, receipt: Receipt) -> None:
        # None for governance, or an agreement on what is yet to come.
        for named in receivables_of(operation):
            if named not in self.faces:
                self.strangers.append((receipt.height, receipt.entry_index, named))
        if type(operation) is RecordPayment:
            self.paid[operation.receivable] += operation.amount
            self.payments[operation.bank_reference] = operation.amount
        if type(operation) is ReversePayment:
            # One that was never recorded takes nothing back, and shows as a difference to the record.
            self.paid[operation.receivable] -= self.payments.pop(operation.bank_reference, 0)
        if type(operation) is ReleaseFingerprint:
            for kind in FingerprintKind:
                key = state_key(Namespace.FINGERPRINT, bytes([kind]) + operation.fingerprint)
                self.released.add((operation.receivable, key))


@dataclass(frozen=True, slots=True)
class RecordToCheck:
    """One registered receivable: as it is stored at the end, None when it is not, and what the tally says of it."""

    receivable_id: bytes
    stored: bytes | None
    face_amount: int
    paid: int


@dataclass(frozen=True, slots=True)
class CheckedRecord:
    """What is wrong with one record by itself, and what must hold between it and the rest of the state.

    `claims`: state key, the value that must be stored there, and in words what it is. `deliveries`: what it consumes.
    `covers`: what is covered of it under each policy; `pool`: the pool that it says it stands in.
    """

    receivable_id: bytes
    problems: tuple[Finding, ...]
    claims: tuple[tuple[bytes, bytes, str], ...]
    deliveries: tuple[tuple[bytes, int], ...]
    covers: tuple[tuple[bytes, int], ...] = ()
    pool: bytes | None = None


def records_to_check(state: MemoryState, tally: Tally) -> Iterator[RecordToCheck]:
    """Every receivable that was ever registered, in the order of registration."""
    for identifier, face_amount in tally.faces.items():
        stored = state.value(state_key(Namespace.RECEIVABLE, identifier))
        yield RecordToCheck(identifier, stored, face_amount, tally.paid[identifier])


def check_record(asked: RecordToCheck) -> CheckedRecord:
    """One record by itself. A function of its argument alone, so that any process can do it."""
    identifier = asked.receivable_id
    if asked.stored is None:
        gone = _broken("a registered receivable is not in the state", identifier)
        return CheckedRecord(identifier, (gone,), (), ())
    record: Receivable = decode_value(Namespace.RECEIVABLE, asked.stored)
    problems: list[Finding] = []
    try:
        check_invariants(record)
    except InvariantViolation as error:
        problems.append(_broken(error.message, identifier))
    for what, expected, found in (
        ("id", identifier, record.receivable_id),
        ("face amount", asked.face_amount, record.face_amount),
        ("amount paid", asked.paid, record.paid),
    ):
        if expected != found:
            message = f"the record's {what} is not what its entries add up to"
            problems.append(_broken(message, identifier, expected=expected, found=found))
    place = pack((pack(REFERENCE.encode(record.place, "place")), b""))
    claims = tuple(
        (state_key(Namespace.FINGERPRINT, bytes([kind]) + value), place, f"{kind.name.lower()} fingerprint")
        for kind, value in record.fingerprints.strong()
    )
    deliveries = tuple((each.fingerprint, each.quantity) for each in record.fingerprints.deliveries)
    covers = tuple(uses_of(record.covers, record.currency).items())
    pool = None if record.pool is None else record.pool.pool_id
    return CheckedRecord(identifier, tuple(problems), claims, deliveries, covers, pool)


def check_final_state(
    state: MemoryState, tally: Tally, checked: Iterable[CheckedRecord]
) -> Iterator[Finding]:
    """Every finding about the state after the last block; the caller bounds how many it keeps.

    One receivable per strong fingerprint: the claim in the state names one place, and a second receivable cannot be at it.
    """
    for height, entry_index, identifier in tally.strangers:
        what = "an operation was applied to a receivable that was never registered"
        yield _broken(what, identifier, height=height, entry_index=entry_index)
    consumed: Counter[bytes] = Counter()
    covered: Counter[bytes] = Counter()
    for record in checked:
        yield from record.problems
        for key, expected, name in record.claims:
            found = state.value(key)
            if found != expected and (record.receivable_id, key) not in tally.released:
                what = f"its {name} is claimed by another place on the chain"
                yield _broken(what, record.receivable_id, expected=expected, found=found)
        for fingerprint, quantity in record.deliveries:
            consumed[fingerprint] += quantity
        for policy, amount in record.covers:
            covered[policy] += amount
        if record.pool is not None:
            tally.pools.add_member(record.pool, record.receivable_id)
    for fingerprint, quantity in consumed.items():
        yield from _check_delivery(state, fingerprint, quantity)
    for policy, amount in covered.items():
        yield from _check_policy(state, policy, amount)
    for pool, problem, should_be, is_now in tally.pools.problems(state):
        yield _broken(problem, pool, expected=should_be, found=is_now)


def _check_policy(state: MemoryState, identifier: bytes, covered: int) -> Iterator[Finding]:
    stored = state.value(state_key(Namespace.COVERAGE, identifier))
    use: PolicyUse | None = None if stored is None else decode_value(Namespace.COVERAGE, stored)
    if use is None or use.covered != covered or use.left < 0:
        stated = None if use is None else f"{use.covered}, and {use.claimed} claimed, of {use.limit}"
        what = "more or less is covered under a policy than is recorded"
        yield _broken(what, identifier, expected=stated, found=covered)


def _check_delivery(state: MemoryState, fingerprint: bytes, quantity: int) -> Iterator[Finding]:
    stored = state.value(state_key(Namespace.DELIVERY, fingerprint))
    use: DeliveryUse | None = None if stored is None else decode_value(Namespace.DELIVERY, stored)
    if use is None or use.consumed != quantity or quantity > use.document_quantity:
        stated = None if use is None else f"{use.consumed} of {use.document_quantity}"
        what = "a delivery stands behind more than is recorded"
        yield _broken(what, fingerprint, expected=stated, found=quantity)


def _broken(
    message: str,
    subject: bytes,
    *,
    height: int | None = None,
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
