"""Random legal and illegal operations against a deliberately simple model: dictionaries, no bytes, no undo, no tree.

The model knows the rules a second time, in the words of the rulebook and in the order of its checks. After every block the
codes are the same, every amount is the same, and the invariants hold. `Consortium.commit` also sends each block through its
bytes and judges it as another node would, so what is built and what is accepted agree on every one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from registry.entry import Mode
from registry.errors import Code
from registry.identifiers import lien_id, offer_id, receivable_id
from registry.operations import (
    AcceptAssignment,
    Assign,
    CancelReceivable,
    Confirm,
    OfferAssignment,
    Operation,
    Pledge,
    RaiseDispute,
    Reassign,
    RecordPayment,
    RegisterReceivable,
    ReleasePledge,
    ResolveDispute,
    Settle,
    WithdrawOffer,
)
from registry.operations.security import Junior
from registry.policy import ConfirmationPolicy
from registry.receivable import Phase, Receivable, summarise
from tests.registry.assignment_examples import offer
from tests.registry.consortium import (
    BANK,
    DAY_MS,
    DEBTOR,
    DEBTOR_REFERENCE,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    OPEN_POLICY,
    OTHER_DEBTOR,
    OTHER_DEBTOR_REFERENCE,
    START_DAY,
    START_MS,
    TRADER,
    Consortium,
    cancellation,
    checked,
    confirmation,
    dispute,
    found,
    payment,
    release,
    resolution,
    settlement,
)

MONTH_MS = 30 * DAY_MS
OFFER_MS = OPEN_POLICY.offer_max_hours * 3_600_000
FACE = 100


@dataclass
class Debt:
    """One receivable in the model. `disputed` and `held` by holder; a lien is [pledgor, pledgee, amount, until, behind]; an
    offer is [assignor, assignee, amount, until, with recourse]; `recourse` by (assignor, assignee). `born` orders claims."""

    debtor: str
    held: dict[str, int]
    disputed: dict[str, int]
    given: dict[str, int] = field(default_factory=dict)
    liens: dict[bytes, list[Any]] = field(default_factory=dict)
    offers: dict[bytes, list[Any]] = field(default_factory=dict)
    recourse: dict[tuple[str, str], int] = field(default_factory=dict)
    born: list[bytes] = field(default_factory=list)
    confirmed: int = 0
    phase: str = "live"
    paid: int = 0
    diluted: int = 0

    def owed(self) -> int:
        return sum(self.held.values())

    def pledged(self, holder: str) -> int:
        return sum(lien[2] for lien in self.liens.values() if lien[0] == holder and lien[4] is None)

    def reserved(self, holder: str) -> int:
        return sum(made[2] for made in self.offers.values() if made[0] == holder)

    def undisputed(self, holder: str) -> int:
        return self.held.get(holder, 0) - self.disputed.get(holder, 0)

    def free(self, holder: str) -> int:
        taken = self.pledged(holder) + self.reserved(holder)
        return max(0, self.undisputed(holder) - taken) if self.phase == "live" else 0

    def in_the_way(self, holder: str, spare: int) -> Code:
        """The code that names the lien or the offer, when both leave `spare` too little."""
        liens = [name for name, lien in self.liens.items() if lien[0] == holder]
        offers = [name for name, made in self.offers.items() if made[0] == holder]
        if not liens or (offers and self.pledged(holder) <= spare):
            return Code.RESERVED
        if not offers or self.reserved(holder) <= spare:
            return Code.PLEDGED
        return Code.PLEDGED if self.born.index(liens[0]) < self.born.index(offers[0]) else Code.RESERVED

    def refit(self) -> None:
        """Offers for which there is no room any more end, the latest first."""
        room = {holder: amount - self.pledged(holder) for holder, amount in self.held.items()}
        for name, (holder, _to, amount, *_rest) in list(self.offers.items()):
            if self.phase != "live" or amount > room.get(holder, 0):
                del self.offers[name]
            else:
                room[holder] -= amount

    def share_out(self, amount: int, weights: dict[str, int]) -> dict[str, int]:
        """Running totals rounded down, so that the shares add up."""
        total, running, given, shares = sum(weights.values()), 0, 0, {}
        for holder, weight in weights.items():
            running += weight
            shares[holder] = amount * running // total - given if total else 0
            given += shares[holder]
        return shares

    def undispute(self, amount: int) -> None:
        for holder, share in self.share_out(amount, self.disputed).items():
            self.disputed[holder] -= share

    def drop(self, lien: bytes) -> None:
        behind = self.liens.pop(lien)[4]
        for other in self.liens.values():
            if other[4] == lien:
                other[4] = behind

    def shrink(self, holder: str) -> None:
        """Liens above the part: the latest first-ranking one gives way first, and takes its juniors with it."""
        for name, lien in reversed(list(self.liens.items())):
            excess = self.pledged(holder) - self.held[holder]
            if excess > 0 and lien[0] == holder and lien[4] is None:
                chain = [name]
                while juniors := [other for other, junior in self.liens.items() if junior[4] == chain[-1]]:
                    chain.append(juniors[0])
                cap = max(0, lien[2] - excess)
                for link in chain:
                    self.liens[link][2] = min(self.liens[link][2], cap)
                    if cap == 0:
                        del self.liens[link]


class Model:
    """The rulebook in dictionaries."""

    def __init__(self, policy: ConfirmationPolicy) -> None:
        self.policy = policy
        self.debts: dict[bytes, Debt] = {}
        self.prints: set[bytes] = set()
        self.references: set[bytes] = set()
        self.now_ms = 0

    def begin(self, time_ms: int) -> None:
        self.now_ms = time_ms
        for debt in self.debts.values():
            for name in [name for name, lien in debt.liens.items() if lien[3] <= time_ms]:
                debt.drop(name)
            for name in [name for name, made in debt.offers.items() if made[3] <= time_ms]:
                del debt.offers[name]

    def judge(self, operation: Operation, entry_id: bytes, index: int) -> Code:
        code = self.judge_by_type(operation, entry_id, index)
        for debt in self.debts.values():
            debt.refit()
        return code

    def judge_by_type(self, operation: Operation, entry_id: bytes, index: int) -> Code:
        match operation:
            case RegisterReceivable():
                return self.register(operation, receivable_id(entry_id, index))
            case Pledge():
                return self.pledge(operation, lien_id(entry_id, index))
            case ReleasePledge():
                return self.release(operation)
            case WithdrawOffer():
                return self.withdraw(operation)
            case OfferAssignment() if (debt := self.debts.get(operation.receivable)) is not None:
                if debt.phase != "live":
                    return Code.CLOSED
                return self.offer(operation, debt, offer_id(entry_id, index))
            case (
                Confirm()
                | RaiseDispute()
                | ResolveDispute()
                | Assign()
                | AcceptAssignment()
                | Reassign()
                | RecordPayment()
                | Settle()
            ):
                debt = self.debts.get(operation.receivable)
                if debt is None:
                    return Code.UNKNOWN_RECEIVABLE
                return Code.CLOSED if debt.phase != "live" else self.on_live(operation, debt)
            case CancelReceivable():
                debt = self.debts.get(operation.receivable)
                if debt is None:
                    return Code.UNKNOWN_RECEIVABLE
                return Code.CLOSED if debt.phase != "live" else self.cancel(operation, debt)
            case _:
                raise AssertionError(operation)

    def on_live(self, operation: Any, debt: Debt) -> Code:
        match operation:
            case Confirm():
                return self.confirm(operation, debt)
            case RaiseDispute():
                return self.dispute(operation, debt)
            case ResolveDispute():
                return self.resolve(operation, debt)
            case Assign():
                return self.assign(operation, debt)
            case AcceptAssignment():
                return self.accept(operation, debt)
            case Reassign():
                return self.reassign(operation, debt)
            case RecordPayment():
                return self.pay(operation, debt)
            case _:
                return self.settle(operation, debt)

    def register(self, operation: RegisterReceivable, name: bytes) -> Code:
        if operation.face_amount == 0:
            return Code.AMOUNT_NOT_POSITIVE
        if operation.fingerprints.invoice in self.prints:
            return Code.DUPLICATE_RECEIVABLE
        self.prints.add(operation.fingerprints.invoice)
        debtor = DEBTOR if operation.debtor_reference == _REFERENCE[DEBTOR] else OTHER_DEBTOR
        self.debts[name] = Debt(debtor, {operation.exporter: operation.face_amount}, {operation.exporter: 0})
        return Code.OK

    def confirm(self, operation: Confirm, debt: Debt) -> Code:
        if operation.amount == 0:
            return Code.AMOUNT_NOT_POSITIVE
        if operation.debtor != debt.debtor:
            return Code.NOT_PERMITTED
        if not debt.confirmed <= operation.amount <= debt.owed():
            return Code.AMOUNT_MISMATCH
        debt.confirmed = operation.amount
        return Code.OK

    def dispute(self, operation: RaiseDispute, debt: Debt) -> Code:
        if operation.amount == 0:
            return Code.AMOUNT_NOT_POSITIVE
        if operation.debtor != debt.debtor:
            return Code.NOT_PERMITTED
        if operation.amount > debt.owed() - sum(debt.disputed.values()):
            return Code.OVER_OUTSTANDING
        clean = {holder: debt.undisputed(holder) for holder in debt.held}
        for holder, share in debt.share_out(operation.amount, clean).items():
            debt.disputed[holder] += share
        return Code.OK

    def resolve(self, operation: ResolveDispute, debt: Debt) -> Code:
        if operation.debtor != debt.debtor:
            return Code.NOT_PERMITTED
        total = operation.freed + sum(share.amount for share in operation.dilution)
        if total == 0:
            return Code.AMOUNT_NOT_POSITIVE
        if total > sum(debt.disputed.values()):
            return Code.NO_DISPUTE
        if any(holder not in debt.held for holder in operation.holders):
            return Code.NOT_HOLDER
        if not any(debt.held[holder] for holder in operation.holders):
            return Code.NOT_HOLDER
        left = dict(debt.held)
        for share in operation.dilution:
            if share.amount == 0:
                return Code.AMOUNT_NOT_POSITIVE
            if share.holder not in operation.holders:
                return Code.HOLDER_CONSENT
            if share.amount > left[share.holder]:
                return Code.OVER_OUTSTANDING
            if share.amount > left[share.holder] - debt.pledged(share.holder):
                return Code.PLEDGED
            left[share.holder] -= share.amount
        for share in operation.dilution:
            own = min(share.amount, debt.disputed[share.holder])
            debt.held[share.holder] -= share.amount
            debt.disputed[share.holder] -= own
            debt.undispute(share.amount - own)
            debt.diluted += share.amount
        debt.undispute(operation.freed)
        debt.confirmed = min(debt.confirmed, debt.owed())
        return Code.OK

    def cancel(self, operation: CancelReceivable, debt: Debt) -> Code:
        if operation.exporter != EXPORTER:
            return Code.NOT_PERMITTED
        if (
            debt.liens
            or debt.offers
            or debt.paid
            or any(amount for holder, amount in debt.held.items() if holder != EXPORTER)
        ):
            return Code.ENCUMBERED
        if debt.confirmed:
            if operation.debtor is None:
                return Code.MISSING_SIGNATURE
            if operation.debtor != debt.debtor:
                return Code.NOT_PERMITTED
        debt.phase = "cancelled"
        return Code.OK

    def claimed(self, debt: Debt, holder: str, amount: int) -> Code | None:
        """The code of an assignment whose amount is not free, when a claim of another party stands in its way."""
        if debt.phase != "live":
            return None
        if amount <= debt.undisputed(holder):
            return debt.in_the_way(holder, debt.undisputed(holder) - amount)
        there = debt.undisputed(holder) + debt.given.get(holder, 0)
        covered = holder in debt.given and amount <= min(there, debt.owed())
        return Code.EMPTY_ASSIGNMENT if covered else None

    def confirmation_left(self, debt: Debt, holder: str) -> int:
        sales = self.policy in (ConfirmationPolicy.FOR_ASSIGNMENT, ConfirmationPolicy.BOTH)
        liens = self.policy in (ConfirmationPolicy.FOR_PLEDGE, ConfirmationPolicy.BOTH)
        relied = 0
        for name, amount in debt.held.items():
            if sales and name != EXPORTER:
                relied += amount
            elif liens:
                relied += debt.pledged(name)
        if sales and holder != EXPORTER:
            return debt.confirmed if relied <= debt.confirmed else 0
        return debt.confirmed - relied

    def assign(self, operation: Assign, debt: Debt) -> Code:
        holder, amount = operation.assignor, operation.amount
        if amount == 0:
            return Code.AMOUNT_NOT_POSITIVE
        if debt.held.get(holder, 0) == 0:
            return Code.NOT_HOLDER
        if amount > debt.free(holder):
            return self.claimed(debt, holder, amount) or Code.EMPTY_ASSIGNMENT
        if self.policy in (ConfirmationPolicy.FOR_ASSIGNMENT, ConfirmationPolicy.BOTH) and (
            amount > self.confirmation_left(debt, holder)
        ):
            return Code.UNCONFIRMED
        if self.now_ms // DAY_MS > START_DAY + 90:
            return Code.PAST_DUE
        if operation.with_recourse:
            pair = (holder, operation.assignee)
            debt.recourse[pair] = debt.recourse.get(pair, 0) + amount
        self.move(debt, holder, operation.assignee, amount, 0)
        return Code.OK

    def move(self, debt: Debt, giver: str, taker: str, amount: int, disputed: int) -> None:
        debt.held[giver] -= amount
        debt.disputed[giver] -= disputed
        if debt.held[giver] == 0:
            del debt.held[giver], debt.disputed[giver]
        debt.held[taker] = debt.held.get(taker, 0) + amount
        debt.disputed[taker] = debt.disputed.get(taker, 0) + disputed
        debt.given[giver] = debt.given.get(giver, 0) + amount

    def offer(self, operation: OfferAssignment, debt: Debt, name: bytes) -> Code:
        holder, amount = operation.assignor, operation.amount
        if amount == 0:
            return Code.AMOUNT_NOT_POSITIVE
        if debt.held.get(holder, 0) == 0:
            return Code.NOT_HOLDER
        if operation.until_ms - self.now_ms > OFFER_MS:
            return Code.TERM
        if amount > debt.free(holder):
            return self.claimed(debt, holder, amount) or Code.EMPTY_ASSIGNMENT
        debt.offers[name] = [
            holder, operation.assignee, amount, operation.until_ms, operation.with_recourse,
        ]  # fmt: skip
        debt.born.append(name)
        return Code.OK

    def withdraw(self, operation: WithdrawOffer) -> Code:
        debt = self.debts[operation.receivable]
        if debt.offers.get(operation.offer, [None])[0] != operation.assignor:
            return Code.NO_OFFER
        del debt.offers[operation.offer]
        return Code.OK

    def accept(self, operation: AcceptAssignment, debt: Debt) -> Code:
        made = debt.offers.get(operation.offer)
        if made is None or made[1] != operation.assignee:
            return Code.NO_OFFER
        others = dict(debt.offers)
        del debt.offers[operation.offer]
        assign = Assign(operation.receivable, made[0], made[1], made[2], made[4], None, b"", ())
        code = self.assign(assign, debt)
        if code is not Code.OK:
            debt.offers = others
        return code

    def reassign(self, operation: Reassign, debt: Debt) -> Code:
        holder, prior, amount = operation.holder, operation.prior_assignor, operation.amount
        if amount == 0:
            return Code.AMOUNT_NOT_POSITIVE
        if debt.held.get(holder, 0) == 0:
            return Code.NOT_HOLDER
        if amount > debt.recourse.get((prior, holder), 0):
            return Code.NO_RECOURSE
        if not debt.disputed[holder] and self.now_ms // DAY_MS <= START_DAY + 90:
            return Code.NOT_DUE
        spare = debt.held[holder] - amount
        if spare < 0:
            return Code.EMPTY_ASSIGNMENT
        if spare < debt.pledged(holder) + debt.reserved(holder):
            return debt.in_the_way(holder, spare)
        debt.recourse[prior, holder] -= amount
        self.move(debt, holder, prior, amount, min(debt.disputed[holder], amount))
        # What has come back was not disposed of.
        debt.given[prior] = max(0, debt.given[prior] - amount)
        return Code.OK

    def pledge(self, operation: Pledge, name: bytes) -> Code:
        debt, holder, amount = self.debts.get(operation.receivable), operation.pledgor, operation.amount
        if debt is None:
            return Code.EMPTY_PLEDGE
        if amount == 0:
            return Code.AMOUNT_NOT_POSITIVE
        if debt.held.get(holder, 0) == 0:
            if holder not in debt.held and holder not in debt.given:
                return Code.NOT_HOLDER
            return Code.DUPLICATE_PLEDGE if self.claimed(debt, holder, amount) else Code.EMPTY_PLEDGE
        if operation.until_ms - self.now_ms < MONTH_MS:
            return Code.TERM
        behind = None
        if operation.junior_to is None:
            if amount > debt.free(holder):
                return Code.DUPLICATE_PLEDGE if self.claimed(debt, holder, amount) else Code.EMPTY_PLEDGE
            if self.policy in (ConfirmationPolicy.FOR_PLEDGE, ConfirmationPolicy.BOTH) and (
                amount > self.confirmation_left(debt, holder)
            ):
                return Code.EMPTY_PLEDGE
        else:
            behind = operation.junior_to.senior_lien
            senior = debt.liens.get(behind)
            if senior is None or senior[:2] != [holder, operation.junior_to.senior_pledgee]:
                return Code.NOT_LIENHOLDER
            if any(lien[4] == behind for lien in debt.liens.values()):
                return Code.DUPLICATE_PLEDGE
            if amount > senior[2]:
                return Code.EMPTY_PLEDGE
        if self.now_ms // DAY_MS > START_DAY + 90:
            return Code.PAST_DUE
        debt.liens[name] = [holder, operation.pledgee, amount, operation.until_ms, behind]
        debt.born.append(name)
        return Code.OK

    def release(self, operation: ReleasePledge) -> Code:
        debt = self.debts.get(operation.receivable)
        if debt is None:
            return Code.UNKNOWN_RECEIVABLE
        lien = debt.liens.get(operation.lien)
        if lien is None or lien[1] != operation.pledgee:
            return Code.NOT_LIENHOLDER
        debt.drop(operation.lien)
        return Code.OK

    def pay(self, operation: RecordPayment, debt: Debt) -> Code:
        holder, amount = operation.holder, operation.amount
        if amount == 0:
            return Code.AMOUNT_NOT_POSITIVE
        if operation.reporter not in (holder, BANK):
            return Code.NOT_PERMITTED
        if holder not in debt.held:
            return Code.NOT_HOLDER
        if amount > debt.held[holder]:
            return Code.OVERPAYMENT
        if operation.bank_reference in self.references:
            return Code.REFERENCE_REUSED
        if operation.reporter == holder:
            after = deepcopy(debt)
            after.held[holder] -= amount
            after.shrink(holder)
            for name, lien in debt.liens.items():
                kept = after.liens[name][2] if name in after.liens else 0
                if kept < lien[2] and lien[1] not in operation.consenting_pledgees:
                    return Code.PLEDGED
        self.references.add(operation.bank_reference)
        debt.held[holder] -= amount
        debt.disputed[holder] = min(debt.disputed[holder], debt.held[holder])
        debt.paid += amount
        used = amount if holder != EXPORTER else 0
        debt.confirmed = max(0, min(debt.confirmed - used, debt.owed()))
        debt.shrink(holder)
        return Code.OK

    def settle(self, operation: Settle, debt: Debt) -> Code:
        if any(holder not in debt.held for holder in operation.holders):
            return Code.NOT_HOLDER
        owed = debt.owed()
        if any(holder not in operation.holders for holder, amount in debt.held.items() if amount or not owed):
            return Code.HOLDER_CONSENT
        if owed and not operation.write_off:
            return Code.OUTSTANDING
        if owed and debt.liens:
            return Code.PLEDGED
        debt.phase = "settled"
        debt.liens.clear()
        return Code.OK


_REFERENCE = {DEBTOR: DEBTOR_REFERENCE, OTHER_DEBTOR: OTHER_DEBTOR_REFERENCE}
_TAKERS = (FACTOR_1, FACTOR_2, TRADER)
_KINDS = (
    *("assign", "pledge", "offer") * 4,
    *("accept", "reassign") * 3,
    "withdraw",
    *("confirm", "dispute", "resolve", "pay", "junior", "release") * 2,
    *("settle", "cancel", "register"),
)
_RECEIVABLES_MAX = 4


class Ledger(RuleBasedStateMachine):
    """Blocks of a few entries each. Operations are drawn with an eye on the model, so that many are legal or just not."""

    @initialize(policy=st.sampled_from(list(ConfirmationPolicy)))
    def found(self, policy: ConfirmationPolicy) -> None:
        self.consortium: Consortium = found(replace(OPEN_POLICY, require_confirmation=policy))
        self.model = Model(policy)
        self.now_ms = START_MS
        self.serial = 0
        self.commit([[self.consortium.registration(amount=FACE), self.consortium.registration(amount=7)]])

    @rule(days=st.sampled_from([1, 31]))
    def let_time_pass(self, days: int) -> None:
        if self.now_ms < START_MS + 150 * DAY_MS:
            self.now_ms += days * DAY_MS

    @rule(data=st.data(), mode=st.sampled_from(list(Mode)), sizes=st.lists(st.integers(1, 4), max_size=3))
    def add_block(self, data: st.DataObject, mode: Mode, sizes: list[int]) -> None:
        self.commit([[self.draw_operation(data) for _ in range(size)] for size in sizes], mode)

    def draw_operation(self, data: st.DataObject) -> Operation:
        pick = data.draw
        names = list(self.model.debts)
        name = names[pick(st.integers(0, len(names) - 1))]
        debt = self.model.debts[name]
        kind = pick(st.sampled_from(_KINDS))
        # Mostly who holds something now, sometimes anybody.
        holder = pick(st.sampled_from((*debt.held, *debt.held, EXPORTER, TRADER)))
        taker = pick(st.sampled_from([other for other in _TAKERS if other != holder]))
        amount = self.draw_amount(pick, debt, holder)
        debtor = pick(st.sampled_from((debt.debtor, debt.debtor, debt.debtor, OTHER_DEBTOR)))
        consortium = self.consortium
        match kind:
            case "assign":
                return consortium.assignment(
                    name, amount, taker, assignor=holder, with_recourse=pick(st.booleans())
                )
            case "offer":
                return self.draw_offer(pick, name, amount, holder, taker)
            case "accept" | "withdraw" if debt.offers:
                made = pick(st.sampled_from(list(debt.offers)))
                assignor, assignee = debt.offers[made][:2]
                if kind == "withdraw":
                    return WithdrawOffer(name, made, pick(st.sampled_from((assignor, assignor, TRADER))))
                papers = consortium.record(name).fingerprints.digest()
                return AcceptAssignment(
                    name, made, pick(st.sampled_from((assignee, assignee, taker))), papers, ()
                )
            case "accept" | "withdraw":
                return self.draw_offer(pick, name, amount, holder, taker)
            case "reassign":
                pairs = [pair for pair, left in debt.recourse.items() if left] or [(EXPORTER, holder)]
                prior, owner = pick(st.sampled_from(pairs))
                left = debt.recourse.get((prior, owner), 0)
                near = {left, left + 1, debt.held.get(owner, 0), debt.held.get(owner, 0) // 2}
                if prior != owner:
                    return Reassign(name, owner, prior, pick(st.sampled_from(sorted(near))))
                return dispute(name, amount, debtor)
            case "pledge":
                return self.draw_pledge(pick, name, amount, holder, taker, None)
            case "junior" | "release" if debt.liens:
                lien = pick(st.sampled_from(list(debt.liens)))
                pledgor, pledgee, size = debt.liens[lien][:3]
                third = [other for other in _TAKERS if other not in (pledgor, pledgee)]
                if kind == "release" or not third:
                    return release(name, lien, pick(st.sampled_from((pledgee, pledgee, taker))))
                size += pick(st.integers(-2, 1))
                return self.draw_pledge(pick, name, max(0, size), pledgor, third[0], Junior(lien, pledgee))
            case "confirm":
                return confirmation(name, amount, debtor)
            case "dispute":
                return dispute(name, amount, debtor)
            case "resolve":
                return self.draw_resolution(pick, name, debt, debtor)
            case "settle":
                holders = pick(st.sampled_from(([holder], list(debt.held))))
                return settlement(name, holders, write_off=pick(st.booleans()))
            case "cancel":
                return cancellation(name, debtor=pick(st.sampled_from((None, debtor))))
            case "register" if len(names) < _RECEIVABLES_MAX:
                return consortium.registration(
                    f"N{pick(st.integers(0, 3))}", amount=pick(st.integers(0, FACE))
                )
            case _:
                self.serial += pick(st.sampled_from((1, 1, 1, 0)))
                reporter = pick(st.sampled_from((None, BANK, taker)))
                consenting = [lien[1] for lien in debt.liens.values() if pick(st.booleans())]
                return payment(
                    name,
                    amount,
                    holder=holder,
                    reporter=reporter,
                    reference=f"T{self.serial}",
                    consenting=sorted(set(consenting) - {holder if reporter is None else reporter}),
                )

    def draw_amount(self, pick: Any, debt: Debt, holder: str) -> int:
        edges = {0, 1, debt.free(holder), debt.held.get(holder, 0), debt.owed(), debt.confirmed}
        near = {edge + step for edge in edges for step in (0, 1)}
        amount: int = pick(
            st.one_of(st.sampled_from(sorted(near)), st.integers(1, max(1, debt.free(holder))))
        )
        return amount

    def draw_offer(self, pick: Any, name: bytes, amount: int, holder: str, taker: str) -> OfferAssignment:
        until_ms = self.now_ms + pick(st.sampled_from((2, DAY_MS, OFFER_MS, OFFER_MS + 2)))
        return offer(
            self.consortium,
            name,
            amount,
            taker,
            assignor=holder,
            until_ms=until_ms,
            with_recourse=pick(st.booleans()),
        )

    def draw_pledge(
        self, pick: Any, name: bytes, amount: int, pledgor: str, pledgee: str, behind: Junior | None
    ) -> Pledge:
        term_ms = pick(st.sampled_from((MONTH_MS + 2, MONTH_MS + DAY_MS, 2 * MONTH_MS, MONTH_MS - DAY_MS)))
        until_ms = self.now_ms + term_ms
        return self.consortium.pledging(
            name, amount, pledgee, pledgor=pledgor, until_ms=until_ms, junior_to=behind
        )

    def draw_resolution(self, pick: Any, name: bytes, debt: Debt, debtor: str) -> ResolveDispute:
        left = sum(debt.disputed.values())
        shares = []
        for holder in debt.held:
            if pick(st.booleans()):
                shares.append((holder, pick(st.integers(0, max(1, min(left, debt.held[holder]))))))
        freed = pick(st.integers(0, max(1, left - sum(amount for _holder, amount in shares))))
        holders = pick(st.sampled_from((list(debt.held), list(debt.held), [EXPORTER])))
        return resolution(name, freed=freed, dilution=shares, holders=holders, debtor=debtor)

    def commit(self, entries: Sequence[Sequence[Operation]], mode: Mode = Mode.INDEPENDENT) -> None:
        raws = [self.consortium.entry(*entry, mode=mode, valid_until_ms=2**45) for entry in entries]
        self.now_ms += 1
        self.model.begin(self.now_ms)
        expected = [
            self.judge(checked(raw).entry_id, entry, mode) for raw, entry in zip(raws, entries, strict=True)
        ]
        receipts = self.consortium.commit(*raws, time_ms=self.now_ms).receipts
        assert [[result.code for result in receipt.results] for receipt in receipts] == expected

    def judge(self, entry_id: bytes, entry: Sequence[Operation], mode: Mode) -> list[Code]:
        before = deepcopy(self.model)
        codes = []
        for index, operation in enumerate(entry):
            codes.append(self.model.judge(operation, entry_id, index))
            if codes[-1] is not Code.OK and mode is Mode.ATOMIC:
                self.model = before
                withheld = [Code.NOT_APPLIED] * len(entry)
                withheld[index] = codes[-1]
                return withheld
        return codes

    @invariant()
    def the_model_agrees(self) -> None:
        if hasattr(self, "model"):
            for name, debt in self.model.debts.items():
                agree(self.consortium.record(name), debt)


def agree(record: Receivable, debt: Debt) -> None:
    assert record.phase is Phase[debt.phase.upper()]
    assert {part.holder: part.amount for part in record.parts} == debt.held
    assert {part.holder: part.disputed for part in record.parts} == debt.disputed
    assert {disposal.holder: disposal.amount for disposal in record.disposals} == debt.given
    liens = [
        (lien.lien_id, [lien.pledgor, lien.pledgee, lien.amount, lien.until_ms, lien.behind])
        for lien in record.liens
    ]
    assert liens == list(debt.liens.items())
    offers = [
        (each.offer_id, [each.assignor, each.assignee, each.amount, each.until_ms, each.with_recourse])
        for each in record.reservations
    ]
    assert offers == list(debt.offers.items())
    recourse = {(each.assignor, each.assignee): each.recourse for each in record.terms}
    assert recourse == {pair: amount for pair, amount in debt.recourse.items() if amount}
    assert (record.paid, record.diluted, record.confirmation.amount) == (
        debt.paid,
        debt.diluted,
        debt.confirmed,
    )
    status = summarise(record)
    assert status.free == sum(debt.free(holder) for holder in debt.held)
    # What can still be disposed of never exceeds what is owed and undisputed.
    assert status.free + status.pledged + status.reserved <= status.outstanding


Ledger.TestCase.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
TestLedgerAgainstModel = Ledger.TestCase
