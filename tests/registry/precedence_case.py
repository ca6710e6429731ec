"""One operation that would be applied, and the means to break one rule after another of it.

What it is: `Case` holds a valid operation with the state that it is judged on; a `Break` makes one rule refuse it, by another
field of the operation or by another state. Nothing is committed: the state under a case is changed at will, also in ways that no
operation could bring about, because only the order of the rules is looked at. A case remembers what its breaks have touched, so
that two of them that need the same field are known not to go together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from registry.errors import Code, Reference
from registry.policy import Policy
from registry.receivable import Lien, Part, Phase, Receivable
from registry.record.offers import Reservation
from registry.record.restraints import Freeze, Objection, with_freeze, with_objection
from registry.rules import Judgement
from registry.state import WorkingState
from registry.stored import Namespace
from registry.transition import judge_operation
from tests.registry.consortium import COURT, DAY_MS, DEBTOR, FACTOR_2, FACTOR_3, Consortium, parties_of

PLACE = Reference(bytes(32), 1, 0, 0)
LATER_MS = 400 * DAY_MS


class Touched(Exception):
    """Two breaks want the same thing to be different."""


@dataclass
class Case:
    consortium: Consortium
    operation: Any
    receivable: bytes
    time_ms: int
    policy: Policy
    state: WorkingState = field(init=False)
    touched: set[str] = field(default_factory=set)
    keys: frozenset[bytes] = frozenset()
    """Which keys have signed, where a rule asks for one of them."""

    def __post_init__(self) -> None:
        self.state = self.consortium.working()

    def touch(self, *names: str) -> None:
        for name in names:
            if name in self.touched:
                raise Touched(name)
            self.touched.add(name)

    def change(self, **fields: Any) -> None:
        """Other fields of the operation."""
        self.touch(*(f"operation.{name}" for name in fields))
        self.operation = replace(self.operation, **fields)

    def papers(self, **fields: Any) -> None:
        """Other fingerprints in the operation."""
        self.touch(*(f"fingerprints.{name}" for name in fields))
        self.operation = replace(self.operation, fingerprints=replace(self.operation.fingerprints, **fields))

    def record(self) -> Receivable:
        record = self.state.receivable(self.receivable)
        assert record is not None
        return record

    def edit(self, **fields: Any) -> None:
        """Another record of the receivable."""
        self.touch(*(f"record.{name}" for name in fields))
        # Not by `put`, which counts exposures: they are another thing to break.
        self.state._objects[Namespace.RECEIVABLE, self.receivable] = replace(self.record(), **fields)

    def put(self, namespace: Namespace, identifier: bytes, value: object) -> None:
        self.touch(f"{namespace.name} {identifier.hex()}")
        self.state.put(namespace, identifier, value)

    def member(self, member_id: str, **fields: Any) -> None:
        self.touch(*(f"{member_id}.{name}" for name in fields))
        member = self.state.member(member_id)
        assert member is not None
        self.state.put(Namespace.MEMBER, member_id.encode(), replace(member, **fields))

    def at(self, time_ms: int) -> None:
        """Another time of the block."""
        self.touch("time")
        self.time_ms = time_ms

    def unsign(self) -> None:
        """No key that a rule could ask for has signed."""
        self.touch("keys")
        self.keys = frozenset()

    def judged(self) -> Code:
        judgement = Judgement(
            self.state,
            self.policy,
            self.consortium.genesis.chain_id,
            self.consortium.tip.height + 1,
            self.time_ms,
            bytes(32),
            0,
            0,
            frozenset(parties_of([self.operation])),
            self.keys,
        )
        return judge_operation(judgement, self.operation).code


@dataclass(frozen=True)
class Break:
    """One rule broken: what it wants, in a few words, and the code of its refusal."""

    wants: str
    code: Code
    breaks: Callable[[Case], None]


@dataclass(frozen=True)
class Order:
    """The rules of one operation in the order in which they are judged."""

    operation: str
    about: str
    base: Callable[[], Case]
    rules: tuple[Break, ...]

    @property
    def title(self) -> str:
        return f"{self.operation}, {self.about}" if self.about else self.operation


# --- what many operations want


UNKNOWN = Break(
    "the receivable is registered",
    Code.UNKNOWN_RECEIVABLE,
    lambda case: case.change(receivable=bytes(32)),
)
CLOSED = Break(
    "it is neither settled nor cancelled", Code.CLOSED, lambda case: case.edit(phase=Phase.SETTLED)
)
OWED = Break("it is owed now", Code.CLOSED, lambda case: case.edit(phase=Phase.CANCELLED))
POSITIVE = Break("the amount is positive", Code.AMOUNT_NOT_POSITIVE, lambda case: case.change(amount=0))


def _frozen(case: Case) -> None:
    case.touch("freeze")
    _restrain(case, with_freeze(case.record().restraints, Freeze("1", COURT, PLACE)))


def _objected(case: Case) -> None:
    case.touch("objection")
    objection = Objection(DEBTOR, bytes(32), "1", None, ended=False, place=PLACE)
    _restrain(case, with_objection(case.record().restraints, objection))


def _restrain(case: Case, restraints: Any) -> None:
    case.edit(restraints=restraints)
    case.touched.discard("record.restraints")  # a freeze and an objection go together


FROZEN = Break("no court has frozen it", Code.FROZEN, _frozen)
OBJECTED = Break("no objection stands", Code.OBJECTED, _objected)
RESTRAINTS = (FROZEN, OBJECTED)


def lien(pledgor: str, amount: int, number: int = 1) -> Lien:
    return Lien(bytes([number]) * 32, pledgor, FACTOR_3, amount, LATER_MS * 100, None, PLACE)


def reservation(assignor: str, amount: int, number: int = 1, assignee: str = FACTOR_2) -> Reservation:
    return Reservation(
        bytes([number]) * 32, assignor, assignee, amount, LATER_MS * 100, False, False, None, PLACE
    )


def crowd(count: int, amount: int = 0) -> tuple[Part, ...]:
    """Parts of others, who take no part in the case."""
    return tuple(Part(f"lei:{number:020d}", amount, 0, False, PLACE) for number in range(count))
