"""The reference model's memory: dictionaries and lists, no bytes, no tree, no undo.

What one member could keep in a notebook: who belongs to the consortium, what each receivable looks like, which papers and
references were used. `Refused` is how a rule of the model says no. The rules themselves are in the modules beside this one, one
for each family of the rulebook; they check everything before they change anything, so a refused operation leaves no trace.

Taken from the registry are only its vocabulary (codes, references, reasons, roles, fingerprints) and the ids that follow from an
entry's bytes; no rule, no record and no state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from registry.errors import Code, Reason, Reference
from registry.fingerprints import FingerprintKind, Fingerprints, Numbering
from registry.member import MemberStatus
from registry.nodes import NetworkNode
from registry.operations.existence import Defence, Evidence, EvidenceKind, Instalment
from registry.operations.governance import EnterpriseClass, Role
from registry.operations.pool import PoolTerms
from registry.policy import Policy

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
# A strong fingerprint or a credit note, with what kind of paper it is.
Paper = tuple[FingerprintKind, bytes]
OPEN_PHASES = ("live", "overdue")
CLOSED_PHASES = ("settled", "cancelled")


class Refused(Exception):
    """A rule says no: the code, what it collided with, and why."""

    def __init__(
        self, code: Code, collided_with: Reference | None = None, reasons: tuple[Reason, ...] = ()
    ) -> None:
        super().__init__(code)
        self.code = code
        self.collided_with = collided_with
        self.reasons = reasons


@dataclass(frozen=True)
class Here:
    """Where and when an operation is judged, and who signed it with which keys."""

    height: int
    entry_index: int
    index: int
    entry_id: bytes
    now_ms: int
    signers: frozenset[str]
    keys: frozenset[bytes]
    flags: list[Reason] = field(default_factory=list)

    @property
    def today(self) -> int:
        return self.now_ms // DAY_MS

    def place(self, subject: bytes) -> Reference:
        return Reference(subject, self.height, self.entry_index, self.index)

    def flag(self, word: str, amount: int) -> None:
        if all(each.word != word for each in self.flags):
            self.flags.append(Reason(word, amount))


def order(place: Reference) -> tuple[int, int, int]:
    """Where on the chain: what came first has priority."""
    return place.height, place.entry_index, place.operation_index


@dataclass
class Person:
    """A member. `keys`: from which height until before which a public key counts."""

    roles: tuple[Role, ...]
    status: MemberStatus
    numbering: Numbering
    reference: bytes | None
    keys: dict[bytes, tuple[int, int]]
    accredited: tuple[EvidenceKind, ...] = ()
    enterprise: EnterpriseClass = EnterpriseClass.UNDECLARED
    listed: bool = False

    @property
    def is_active(self) -> bool:
        return self.status is MemberStatus.ACTIVE


@dataclass
class Part:
    amount: int
    disputed: int
    since: Reference


@dataclass
class Lien:
    name: bytes
    pledgor: str
    pledgee: str
    amount: int
    until_ms: int
    behind: bytes | None
    place: Reference


@dataclass
class Offer:
    assignor: str
    assignee: str
    amount: int
    until_ms: int
    with_recourse: bool
    barred: bool
    price: bytes | None
    place: Reference


@dataclass
class Terms:
    """How an assignee took value from one assignor."""

    recourse: int
    barred: bool
    latest: Reference


@dataclass
class Notice:
    place: Reference
    time_ms: int
    acknowledged: tuple[int, Reference] | None = None


@dataclass
class Objection:
    case_number: str | None
    until_ms: int | None
    ended: bool
    place: Reference
    dismissed: bool = False


@dataclass
class Attestation:
    kind: EvidenceKind
    paper: bytes
    attester: str
    quantity: int
    voided: bool
    place: Reference


@dataclass
class Delivered:
    """One line of a transport document, over all receivables."""

    whole: int
    used: int
    first: Reference
    attested: int | None = None
    attested_use: int = 0
    attested_first: Reference | None = None

    @property
    def left(self) -> int:
        return max(0, min(self.whole, self.whole if self.attested is None else self.attested) - self.used)


@dataclass
class Cover:
    insurer: str
    insured: str
    amount: int
    policy: bytes
    until_ms: int
    loss_payee: str
    place: Reference


@dataclass
class PolicyUse:
    """What an insurer's policy is good for in one currency, and what was paid under it."""

    limit: int
    claimed: int
    place: Reference


@dataclass
class Pool:
    exporter: str
    factor: str
    terms: PoolTerms
    drawn: int
    place: Reference


@dataclass
class Pooled:
    """That a receivable stands in a pool."""

    name: bytes
    factor: str
    place: Reference


@dataclass
class Paid:
    """What one payment took, for the day when it is called back. `cut`: liens as they were lost, with what they lost."""

    debt: bytes
    holder: str
    amount: int
    disputed: int
    confirmed: int
    cut: list[Lien]
    place: Reference
    covers: list[tuple[bytes, Cover, int]] = field(default_factory=list)
    by_bank: bool = False


@dataclass
class Blanket:
    name: bytes
    assignee: str
    debtor: bytes | None
    from_ms: int
    until_ms: int
    with_recourse: bool
    barred: bool
    place: Reference


@dataclass
class Control:
    since_day: int
    place: Reference


@dataclass
class Debt:
    """One receivable. `given`: what each holder has assigned away in all, and where it last did."""

    name: bytes
    place: Reference
    exporter: str
    debtor: bytes
    currency: str
    face: int
    issue: int
    due: int
    prints: Fingerprints
    evidence: tuple[Evidence, ...]
    schedule: tuple[Instalment, ...]
    parts: dict[str, Part]
    phase: str = "live"
    confirmed_by: str = "none"
    confirmed: int = 0
    waived: tuple[Defence, ...] = ()
    diluted: int = 0
    paid: int = 0
    given: dict[str, tuple[int, Reference]] = field(default_factory=dict)
    liens: dict[bytes, Lien] = field(default_factory=dict)
    lapsed: list[Lien] = field(default_factory=list)
    offers: dict[bytes, Offer] = field(default_factory=dict)
    terms: dict[tuple[str, str], Terms] = field(default_factory=dict)
    notices: dict[str, Notice] = field(default_factory=dict)
    freezes: dict[str, Reference] = field(default_factory=dict)
    objections: dict[str, Objection] = field(default_factory=dict)
    account: tuple[bytes, int, Reference] | None = None
    next_account: tuple[bytes, int, Reference] | None = None
    asked: frozenset[str] = frozenset()
    pool: Pooled | None = None
    closed_in: Pooled | None = None
    covers: dict[bytes, Cover] = field(default_factory=dict)
    indirect: dict[bytes, tuple[str, int, Reference]] = field(default_factory=dict)
    default: Reference | None = None
    links: dict[tuple[str, bool], tuple[bytes, int, int | None, bytes]] = field(default_factory=dict)
    attestations: list[Attestation] = field(default_factory=list)
    judgments: dict[bytes, tuple[str, str, Reference]] = field(default_factory=dict)
    cap: int | None = None
    arisen: int = 0
    origin: bytes | None = None

    @property
    def is_open(self) -> bool:
        return self.phase in OPEN_PHASES

    @property
    def is_closed(self) -> bool:
        return self.phase in CLOSED_PHASES

    @property
    def rejected(self) -> bool:
        return self.confirmed_by == "rejected"

    @property
    def owed(self) -> int:
        return self.face - self.diluted - self.paid

    @property
    def disputed(self) -> int:
        return sum(part.disputed for part in self.parts.values())

    def held(self, holder: str) -> int:
        return self.parts[holder].amount if holder in self.parts else 0

    def disputed_of(self, holder: str) -> int:
        return self.parts[holder].disputed if holder in self.parts else 0

    def undisputed(self, holder: str) -> int:
        return self.held(holder) - self.disputed_of(holder)

    def pledged(self, holder: str) -> int:
        """Juniors stand behind value that is counted with their senior."""
        return sum(
            lien.amount for lien in self.liens.values() if lien.pledgor == holder and lien.behind is None
        )

    def reserved(self, holder: str) -> int:
        return sum(offer.amount for offer in self.offers.values() if offer.assignor == holder)

    def recourse_of(self, holder: str) -> int:
        return sum(terms.recourse for (_from, to), terms in self.terms.items() if to == holder)

    def freeze(self) -> Reference | None:
        return next(iter(self.freezes.values()), None)

    def objection(self) -> Reference | None:
        return next((each.place for each in self.objections.values() if not each.ended), None)

    def bar(self, *, future_consented: bool = False) -> str | None:
        """The word for what makes all of it undisposable."""
        if not self.is_open and not (future_consented and self.phase == "future"):
            return self.phase
        if self.rejected:
            return "rejected"
        if any(each.voided for each in self.attestations):
            return "voided"
        if self.freeze() is not None:
            return "frozen"
        return "objected" if self.objection() is not None else None

    def parties(self) -> set[str]:
        """Who may see the whole record, besides the debtor."""
        members = {self.exporter, *self.parts, *self.given}
        for lien in self.liens.values():
            members |= {lien.pledgor, lien.pledgee}
        members |= {pooled.factor for pooled in (self.pool, self.closed_in) if pooled is not None}
        for cover in self.covers.values():
            members |= {cover.insurer, cover.loss_payee}
        return members | {offer.assignee for offer in self.offers.values()}

    def entitled(self) -> set[str]:
        """Who must agree to another collection account: who holds something now, and lienholders."""
        holders = {holder for holder, part in self.parts.items() if part.amount}
        holders |= set() if self.pool is None else {self.pool.factor}
        return holders | {lien.pledgee for lien in self.liens.values()}

    def secures(self, member: str, pledgor: str) -> bool:
        """Whether the member has a lien on the pledgor's part, or the pool in which it stands."""
        if self.pool is not None and (self.exporter, self.pool.factor) == (pledgor, member):
            return True
        return any((lien.pledgor, lien.pledgee) == (pledgor, member) for lien in self.liens.values())

    def first_unpaid(self) -> int:
        """The due date of the earliest instalment that payments and dilutions do not cover."""
        covered = self.paid + self.diluted
        for instalment in self.schedule:
            covered -= instalment.amount
            if covered < 0:
                return instalment.due_date
        return self.due

    def close(self, phase: str) -> None:
        """A closed receivable stands in no pool; when it is opened again it stands in that one again."""
        self.phase, self.pool, self.closed_in = phase, None, self.pool

    def reopen(self, phase: str) -> None:
        self.phase, self.pool, self.closed_in = phase, self.closed_in, None

    def junior_of(self, lien: bytes) -> Lien | None:
        return next((each for each in self.liens.values() if each.behind == lien), None)

    def chain_of(self, lien: Lien) -> Iterator[Lien]:
        """A lien and those behind it."""
        link: Lien | None = lien
        while link is not None:
            yield link
            link = self.junior_of(link.name)


@dataclass
class Book:
    """Everything. `papers`: strong fingerprints and credit notes by where they were used first."""

    policy: Policy
    association_keys_needed: int
    epoch: int
    chain_id: bytes
    members: dict[str, Person]
    debts: dict[bytes, Debt] = field(default_factory=dict)
    papers: dict[Paper, Reference] = field(default_factory=dict)
    similar: dict[tuple[str, bytes, bytes], list[bytes]] = field(default_factory=dict)
    deliveries: dict[bytes, Delivered] = field(default_factory=dict)
    references: dict[bytes, Reference] = field(default_factory=dict)
    payments: dict[bytes, Paid] = field(default_factory=dict)
    pools: dict[bytes, Pool] = field(default_factory=dict)
    policies: dict[tuple[str, bytes, str], PolicyUse] = field(default_factory=dict)
    blankets: dict[str, list[Blanket]] = field(default_factory=dict)
    controls: dict[bytes, dict[bytes, Control]] = field(default_factory=dict)
    risk_assets: dict[tuple[str, str], tuple[int, int, Reference]] = field(default_factory=dict)
    invoiced: dict[bytes, dict[bytes, int]] = field(default_factory=dict)
    next_policy: tuple[Policy, int] | None = None
    upgrade: tuple[int, int] | None = None
    sequences: dict[str, set[int]] = field(default_factory=dict)
    handed_in: dict[str, tuple[int, int]] = field(default_factory=dict)
    nodes: tuple[NetworkNode, ...] = ()
    nodes_from: int = 0
    nodes_decided: Reference | None = None
    key_owners: dict[bytes, str] = field(default_factory=dict)

    def known(self, name: bytes) -> Debt:
        if name not in self.debts:
            raise Refused(Code.UNKNOWN_RECEIVABLE)
        return self.debts[name]

    def owed_now(self, name: bytes) -> Debt:
        """A receivable that is live or overdue."""
        debt = self.known(name)
        if not debt.is_open:
            raise closed(debt)
        return debt

    def not_closed(self, name: bytes) -> Debt:
        debt = self.known(name)
        if debt.is_closed:
            raise closed(debt)
        return debt

    def is_debtor(self, member: str, debt: Debt) -> bool:
        return member in self.members and self.members[member].reference == debt.debtor

    def need_debtor(self, member: str, debt: Debt) -> None:
        if not self.is_debtor(member, debt):
            raise Refused(Code.NOT_PERMITTED, debt.place)

    def is_active(self, member: str) -> bool:
        return member in self.members and self.members[member].is_active

    def is_stranger(self, member: str, debt: Debt) -> bool:
        """An attester that is no party of the receivable: neither debtor nor anybody with a claim on it, now or before."""
        if member not in self.members or Role.ATTESTER not in self.members[member].roles:
            return False
        return member not in debt.parties() and not self.is_debtor(member, debt)

    def is_bank(self, member: str, debt: Debt) -> bool:
        """Who may say what others have paid: a stranger that is accredited for payments."""
        return self.is_stranger(member, debt) and EvidenceKind.PAYMENT in self.members[member].accredited


# A rule of the model: it changes the book and names its subject, or raises Refused and has changed nothing.
Judge = Callable[[Book, Here, Any], bytes]


def closed(debt: Debt) -> Refused:
    return Refused(Code.CLOSED, debt.place, (Reason(debt.phase, debt.owed),))


def need_unfrozen(debt: Debt) -> None:
    if debt.freeze() is not None:
        raise Refused(Code.FROZEN, debt.freeze(), (Reason("frozen", debt.owed),))


def need_unrestrained(debt: Debt) -> None:
    for code, word, place in (
        (Code.FROZEN, "frozen", debt.freeze()),
        (Code.OBJECTED, "objected", debt.objection()),
    ):
        if place is not None:
            raise Refused(code, place, (Reason(word, debt.owed),))


def need_unrejected(debt: Debt) -> None:
    if debt.rejected:
        raise Refused(Code.ALREADY_REJECTED, debt.place, (Reason("rejected", debt.owed),))


def need_positive(amount: int) -> None:
    if amount <= 0:
        raise Refused(Code.AMOUNT_NOT_POSITIVE)
