"""One receivable: its record, its phases, and what of it is free. Everything about a receivable's state lives in this file.

A receivable is born `live`, or `future` when only the contract exists; it is `overdue` once a default is on record, and ends
`settled` or `cancelled`. From an end only a payment that did not stand leads back, or a court's final decision. What is owed is
`outstanding = face - diluted - paid`, and it lies in parts, each with one holder: sum(parts) = outstanding, always. A part can
carry liens; the liens that rank first on a part never exceed it, and a junior lien never exceeds the one it stands behind. So an
amount can leave a receivable only once.

Two views of a record are stored. The public one (`registry.status`) is what any member may see of a receivable that it can
name; the private one is the record itself, for its parties. Both hang in the state tree under one key.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

from . import limits
from .codec import Choice, Flag, Items, Optional_, Struct, Uint
from .errors import InvariantViolation, Reason, Reference
from .fingerprints import Fingerprints
from .operations.existence import EVIDENCE, FINGERPRINTS, SCHEDULE, WAIVED, Defence, Evidence, Instalment
from .operations.fields import AMOUNT, CURRENCY, DAY, HASH, LIEN_ID, MEMBER_ID, RECEIVABLE_ID, TIME_MS
from .operations.fields import REFERENCE as REFERENCE
from .record.accounts import COLLECTION, NO_COLLECTION, Collection
from .record.attestations import ATTESTATIONS, Attestation, is_voided
from .record.covers import COVERS, Cover, covered_of, fitting_covers
from .record.future import FUTURE_TERMS, FutureTerms
from .record.judgments import JUDGMENTS, Judgment
from .record.links import LINKS, Link
from .record.notices import NOTICES, Notice, notices_of_holders
from .record.offers import RESERVATIONS, Reservation, fitting_offers, reserved_by
from .record.pooled import POOLED, Pooled
from .record.restraints import RESTRAINTS, UNRESTRAINED, Restraints
from .record.terms import TERMS, Terms


class Phase(IntEnum):
    FUTURE = 1
    LIVE = 2
    OVERDUE = 3
    SETTLED = 4
    CANCELLED = 5


# What is owed now, and what is still worth something. A future receivable is neither owed nor closed.
OPEN: Final = frozenset({Phase.LIVE, Phase.OVERDUE})
CLOSED: Final = frozenset({Phase.SETTLED, Phase.CANCELLED})

# The table of allowed moves. What comes of a future receivable is a receivable of its own, so it never becomes live itself.
MOVES: Final[dict[Phase, frozenset[Phase]]] = {
    Phase.FUTURE: frozenset({Phase.CANCELLED}),
    Phase.LIVE: frozenset({Phase.OVERDUE, Phase.SETTLED, Phase.CANCELLED}),
    Phase.OVERDUE: frozenset({Phase.LIVE, Phase.SETTLED, Phase.CANCELLED}),
    # Only by reversing one of the payments that settled it, or by judgment.
    Phase.SETTLED: frozenset({Phase.LIVE, Phase.OVERDUE}),
    # Only by judgment.
    Phase.CANCELLED: frozenset({Phase.FUTURE, Phase.LIVE, Phase.OVERDUE}),
}


class ConfirmationKind(IntEnum):
    NONE = 0
    TACIT = 1
    EXPRESS = 2
    REJECTED = 3


# What the debtor has bound itself by, expressly or by its silence.
CONFIRMED: Final = frozenset({ConfirmationKind.TACIT, ConfirmationKind.EXPRESS})


@dataclass(frozen=True, slots=True)
class Confirmation:
    kind: ConfirmationKind
    amount: int
    waived: tuple[Defence, ...]


UNCONFIRMED: Final = Confirmation(ConfirmationKind.NONE, 0, ())


@dataclass(frozen=True, slots=True)
class Part:
    """What one holder owns now, and how much of it the debtor disputes.

    `since` is the operation that last gave it something. A part emptied by payment stays until settlement.
    """

    holder: str
    amount: int
    disputed: int
    with_recourse: bool
    since: Reference


@dataclass(frozen=True, slots=True)
class Disposal:
    """What a holder has assigned away in all, and the last operation that did so: what a second disposal collides with."""

    holder: str
    amount: int
    latest: Reference


@dataclass(frozen=True, slots=True)
class Lien:
    """A pledge on the pledgor's part. Rank is by place on the chain; `behind` names the senior lien of a junior one."""

    lien_id: bytes
    pledgor: str
    pledgee: str
    amount: int
    until_ms: int
    behind: bytes | None
    place: Reference


@dataclass(frozen=True, slots=True)
class Receivable:
    receivable_id: bytes
    place: Reference
    exporter: str
    debtor_reference: bytes
    currency: str
    face_amount: int
    issue_date: int
    due_date: int
    fingerprints: Fingerprints
    evidence: tuple[Evidence, ...]
    schedule: tuple[Instalment, ...]
    phase: Phase
    confirmation: Confirmation
    diluted: int
    paid: int
    parts: tuple[Part, ...]
    disposals: tuple[Disposal, ...]
    liens: tuple[Lien, ...]
    changed_height: int
    future: FutureTerms | None = None
    origin: bytes | None = None
    attestations: tuple[Attestation, ...] = ()
    reservations: tuple[Reservation, ...] = ()
    terms: tuple[Terms, ...] = ()
    notices: tuple[Notice, ...] = ()
    restraints: Restraints = UNRESTRAINED
    collection: Collection = NO_COLLECTION
    default: Reference | None = None
    lapsed: tuple[Lien, ...] = ()
    links: tuple[Link, ...] = ()
    judgments: tuple[Judgment, ...] = ()
    covers: tuple[Cover, ...] = ()
    pool: Pooled | None = None
    closed_in: Pooled | None = None
    """The pool that it stood in when it was closed, and stands in again if it is opened."""

    @property
    def is_open(self) -> bool:
        """Owed now: live or overdue."""
        return self.phase in OPEN

    @property
    def is_rejected(self) -> bool:
        return self.confirmation.kind is ConfirmationKind.REJECTED

    def barred(self, *, future_consented: bool = False) -> str | None:
        """The word for what makes all of it undisposable, whoever holds it; None when nothing does."""
        if not (self.is_open or (future_consented and self.phase is Phase.FUTURE)):
            return self.phase.name.lower()
        if self.is_rejected:
            return "rejected"
        if is_voided(self.attestations):
            return "voided"
        if self.restraints.frozen is not None:
            return "frozen"
        if self.restraints.objected is not None:
            return "objected"
        return None

    @property
    def outstanding(self) -> int:
        return self.face_amount - self.diluted - self.paid

    @property
    def disputed(self) -> int:
        return sum(part.disputed for part in self.parts)

    def part_of(self, holder: str) -> Part | None:
        for part in self.parts:
            if part.holder == holder:
                return part
        return None

    def amount_of(self, holder: str) -> int:
        part = self.part_of(holder)
        return part.amount if part else 0

    def pledged_by(self, holder: str) -> int:
        """Value of the holder's part that first-ranking liens take."""
        return sum(lien.amount for lien in self.liens if lien.pledgor == holder and lien.behind is None)

    def reserved_by(self, holder: str) -> int:
        """Value of the holder's part that its open offers take."""
        return reserved_by(self.reservations, holder)

    def covered(self, holder: str) -> int:
        """Value of the holder's part that insurers answer for."""
        return covered_of(self.covers, holder)

    def has_security(self, member: str, pledgor: str) -> bool:
        """Whether the member has a lien on the pledgor's part, or the pool in which it stands."""
        pooled = self.pool is not None and (self.exporter, self.pool.factor) == (pledgor, member)
        return pooled or any((lien.pledgor, lien.pledgee) == (pledgor, member) for lien in self.liens)

    def ends_ms(self) -> Iterator[int]:
        """When something of it runs out, or takes effect, by itself, in block time."""
        yield from (lien.until_ms for lien in self.liens)
        yield from (offer.until_ms for offer in self.reservations)
        yield from self.restraints.ends_ms()
        yield from self.collection.ends_ms()
        if self.default is None:
            # A loss that came while a cover ran can be claimed after its end.
            yield from (cover.until_ms for cover in self.covers)
        if self.pool is not None:
            yield from self.pool.ends_ms(self.due_date)

    def disposed_by(self, holder: str) -> Disposal | None:
        for disposal in self.disposals:
            if disposal.holder == holder:
                return disposal
        return None

    def lien(self, lien_id: bytes) -> Lien | None:
        for lien in self.liens:
            if lien.lien_id == lien_id:
                return lien
        return None

    def disputed_share(self, holder: str) -> int:
        """How much of the holder's part is disputed (`registry.record.parts`)."""
        part = self.part_of(holder)
        return part.disputed if part else 0

    def parties(self) -> frozenset[str]:
        """Members who may see the whole record. The debtor is known by reference only and is matched by the caller."""
        members = {self.exporter}
        members.update(part.holder for part in self.parts)
        members.update(disposal.holder for disposal in self.disposals)
        for lien in self.liens:
            members.update((lien.pledgor, lien.pledgee))
        for pooled in (self.pool, self.closed_in):
            if pooled is not None:
                members.add(pooled.factor)
        # Who was made an offer looks at the record before it accepts.
        members.update(offer.assignee for offer in self.reservations)
        for cover in self.covers:
            members.update((cover.insurer, cover.loss_payee))
        return frozenset(members)

    def move_to(self, phase: Phase) -> Receivable:
        if phase not in MOVES[self.phase]:
            raise InvariantViolation(f"a {self.phase.name} receivable cannot become {phase.name}")
        if self.phase in CLOSED:
            # What a pool's factor has advanced money on must not come back as the exporter's to sell.
            return replace(self, phase=phase, pool=self.closed_in, closed_in=None)
        return replace(self, phase=phase)


@dataclass(frozen=True, slots=True)
class FreeAmount:
    """How much of a holder's part can be disposed of, and what takes the rest away."""

    amount: int
    reasons: tuple[Reason, ...]


def free_amount(
    receivable: Receivable, holder: str, *, holder_suspended: bool = False, future_consented: bool = False
) -> FreeAmount:
    """part - reserved - pledged - disputed share, and 0 when it is barred as a whole, pooled, or the holder is suspended.

    It comes with its reasons. Source: RULEBOOK, "State of one receivable".
    """
    free = free_but_for_pool(
        receivable, holder, holder_suspended=holder_suspended, future_consented=future_consented
    )
    if free.amount and receivable.pool is not None and holder == receivable.exporter:
        return FreeAmount(0, (*free.reasons, Reason("pooled", free.amount)))
    return free


def free_but_for_pool(
    receivable: Receivable, holder: str, *, holder_suspended: bool = False, future_consented: bool = False
) -> FreeAmount:
    """What would be free if the receivable stood in no pool: in a pool, that is what stands there."""
    part = receivable.amount_of(holder)
    barred = receivable.barred(future_consented=future_consented)
    if barred is not None:
        return FreeAmount(0, (Reason(barred, part),))
    if holder_suspended:
        return FreeAmount(0, (Reason("suspended", part),))
    pledged, disputed = receivable.pledged_by(holder), receivable.disputed_share(holder)
    reserved = receivable.reserved_by(holder)
    reasons = [
        Reason(word, amount)
        for word, amount in (("reserved", reserved), ("pledged", pledged), ("disputed", disputed))
        if amount
    ]
    # A dispute that is raised on a pledged part lies on the same value: the two may exceed the part.
    return FreeAmount(max(0, part - reserved - pledged - disputed), tuple(reasons))


def pooled_share(receivable: Receivable) -> int:
    return free_but_for_pool(receivable, receivable.exporter).amount if receivable.pool else 0


def with_fitting_claims(receivable: Receivable) -> Receivable:
    """The record after whatever shrank or closed its parts: offers that no longer fit end, and notices of who holds no part.
    A closed receivable stands in no pool."""
    record = _with_fitting_covers(receivable)
    closed = record.phase in CLOSED
    if closed and record.pool is not None:
        record = replace(record, pool=None, closed_in=record.pool)
    if not record.reservations and not record.notices:
        return record
    room = (
        {} if closed else {part.holder: part.amount - record.pledged_by(part.holder) for part in record.parts}
    )
    holders = frozenset(part.holder for part in record.parts)
    return replace(
        record,
        reservations=fitting_offers(record.reservations, room),
        notices=notices_of_holders(record.notices, holders),
    )


def _with_fitting_covers(record: Receivable) -> Receivable:
    """Cover does not follow value: it shrinks with the part that it lies on, and ends with what is owed."""
    if not record.covers:
        return record
    parts = {part.holder: part.amount for part in record.parts} if record.is_open else {}
    return replace(record, covers=fitting_covers(record.covers, parts))


def check_invariants(receivable: Receivable) -> None:
    """The rulebook's invariants of one receivable. Raises InvariantViolation: only a bug of ours can break them."""
    record = receivable
    facts = (
        ("sum(parts) = outstanding", sum(part.amount for part in record.parts) == record.outstanding),
        ("paid + diluted <= face", 0 <= record.paid + record.diluted <= record.face_amount),
        ("a future receivable has terms", (record.phase is Phase.FUTURE) <= (record.future is not None)),
        ("what is left of the cap", record.future is None or _cap_adds_up(record, record.future)),
        ("0 <= disputed <= part", all(0 <= part.disputed <= part.amount for part in record.parts)),
        ("confirmed <= outstanding", 0 <= record.confirmation.amount <= record.outstanding),
        (
            "only a confirmation confirms",
            record.confirmation.kind in CONFIRMED or record.confirmation.amount == 0,
        ),
        ("one part per holder", len({part.holder for part in record.parts}) == len(record.parts)),
        ("liens <= part", all(record.pledged_by(p.holder) <= p.amount for p in record.parts)),
        ("liens + reservations <= part", all(_claimed(record, p.holder) <= p.amount for p in record.parts)),
        ("who offers holds", all(record.part_of(offer.assignor) for offer in record.reservations)),
        ("a closed receivable has no offer", record.phase not in CLOSED or not record.reservations),
        ("pledgor holds", all(record.part_of(lien.pledgor) for lien in record.liens)),
        ("liens are positive", all(lien.amount > 0 for lien in record.liens)),
        ("a closed receivable has no lien", record.phase not in CLOSED or not record.liens),
        ("only what is owed is pooled", record.pool is None or record.is_open),
        ("what was pooled when it was closed is closed", record.closed_in is None or record.phase in CLOSED),
        ("junior <= senior", all(_junior_fits(record, lien) for lien in record.liens)),
        (
            "covers <= part",
            all(record.covered(c.insured) <= record.amount_of(c.insured) for c in record.covers),
        ),
        ("covers are positive", all(cover.amount > 0 for cover in record.covers)),
        ("only what is owed is covered", record.is_open or not record.covers),
        (
            "an overdue receivable has a default",
            record.phase is not Phase.OVERDUE or record.default is not None,
        ),
        ("sum(schedule) = face", not record.schedule or _scheduled(record) == record.face_amount),
    )
    for name, holds in facts:
        if not holds:
            raise InvariantViolation(f"{name} does not hold", receivable=record.receivable_id.hex())


def _claimed(record: Receivable, holder: str) -> int:
    return record.pledged_by(holder) + record.reserved_by(holder)


def _cap_adds_up(record: Receivable, future: FutureTerms) -> bool:
    return future.crystallised + record.face_amount == future.cap


def _junior_fits(record: Receivable, lien: Lien) -> bool:
    if lien.behind is None:
        return True
    senior = record.lien(lien.behind)
    return senior is not None and senior.pledgor == lien.pledgor and lien.amount <= senior.amount


def _scheduled(record: Receivable) -> int:
    return sum(instalment.amount for instalment in record.schedule)


_CONFIRMATION: Final = Struct(
    Confirmation, {"kind": Choice(ConfirmationKind), "amount": AMOUNT, "waived": WAIVED}
)
_PART: Final = Struct(
    Part,
    {
        "holder": MEMBER_ID,
        "amount": AMOUNT,
        "disputed": AMOUNT,
        "with_recourse": Flag(),
        "since": REFERENCE,
    },
)
_DISPOSAL: Final = Struct(Disposal, {"holder": MEMBER_ID, "amount": AMOUNT, "latest": REFERENCE})
LIEN: Final = Struct(
    Lien,
    {
        "lien_id": LIEN_ID,
        "pledgor": MEMBER_ID,
        "pledgee": MEMBER_ID,
        "amount": AMOUNT,
        "until_ms": TIME_MS,
        "behind": Optional_(LIEN_ID),
        "place": REFERENCE,
    },
)
RECEIVABLE: Final = Struct(
    Receivable,
    {
        "receivable_id": RECEIVABLE_ID,
        "place": REFERENCE,
        "exporter": MEMBER_ID,
        "debtor_reference": HASH,
        "currency": CURRENCY,
        "face_amount": AMOUNT,
        "issue_date": DAY,
        "due_date": DAY,
        "fingerprints": FINGERPRINTS,
        "evidence": EVIDENCE,
        "schedule": SCHEDULE,
        "phase": Choice(Phase),
        "confirmation": _CONFIRMATION,
        "diluted": AMOUNT,
        "paid": AMOUNT,
        "parts": Items(_PART, limits.HOLDERS_MAX),
        "disposals": Items(_DISPOSAL, limits.DISPOSALS_MAX),
        "liens": Items(LIEN, limits.LIENS_MAX),
        "changed_height": Uint(limits.HEIGHT_MAX),
        "future": Optional_(FUTURE_TERMS),
        "origin": Optional_(RECEIVABLE_ID),
        "attestations": ATTESTATIONS,
        "reservations": RESERVATIONS,
        "terms": TERMS,
        "notices": NOTICES,
        "restraints": RESTRAINTS,
        "collection": COLLECTION,
        "default": Optional_(REFERENCE),
        "lapsed": Items(LIEN, limits.LIENS_MAX),
        "links": LINKS,
        "judgments": JUDGMENTS,
        "covers": COVERS,
        "pool": Optional_(POOLED),
        "closed_in": Optional_(POOLED),
    },
)
