"""Operations of security, collection and restraint with sensible defaults, and a run of blocks in which each is applied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from registry.errors import Code
from registry.operations import (
    DeclareDefault,
    EnforcePledge,
    Freeze,
    LinkExternalRegistration,
    LinkSearch,
    RaiseObjection,
    RenewPledge,
    ReportIndirectPayment,
    ReverseByJudgment,
    ReversePayment,
    SetCollectionAccount,
    Unfreeze,
    WithdrawObjection,
)
from registry.operations.reversal import AssignmentUndone, PledgeUndone, Step, StepUndone, Undone
from registry.receivable import Lien
from tests.registry.consortium import (
    COURT,
    DAY_MS,
    EXPORTER,
    FACTOR_1,
    FINGERPRINT_KEY,
    START_DAY,
    Consortium,
    confirmation,
    payment,
)

CASE = "(2024)沪74民初1号"
ACCOUNT = bytes(range(32))
STATEMENT = bytes(range(1, 33))
DECISION = bytes(range(5, 37))
AFTER_DUE_MS = (START_DAY + 91) * DAY_MS


def objection(receivable: bytes, by: str = FACTOR_1, case_number: str | None = None) -> RaiseObjection:
    return RaiseObjection(receivable, by, STATEMENT, case_number)


def withdrawal_of(receivable: bytes, by: str = FACTOR_1, court: str | None = None) -> WithdrawObjection:
    return WithdrawObjection(receivable, by, court)


def frozen(receivable: bytes, case_number: str = CASE) -> Freeze:
    return Freeze(receivable, COURT, case_number)


def unfrozen(receivable: bytes, case_number: str = CASE) -> Unfreeze:
    return Unfreeze(receivable, COURT, case_number)


def judgment(receivable: bytes, *undone: Undone, **changes: Any) -> ReverseByJudgment:
    return replace(ReverseByJudgment(receivable, COURT, CASE, DECISION, undone), **changes)


def account(
    receivable: bytes, holders: Sequence[str] = (EXPORTER,), commitment: bytes = ACCOUNT
) -> SetCollectionAccount:
    return SetCollectionAccount(receivable, tuple(sorted(holders)), commitment)


def indirect(receivable: bytes, amount: int = 1_000, **changes: Any) -> ReportIndirectPayment:
    reference = FINGERPRINT_KEY.payment("ICBKCNBJ", "INDIRECT-1")
    return replace(ReportIndirectPayment(receivable, EXPORTER, FACTOR_1, amount, reference, False), **changes)


def default(receivable: bytes, holder: str = EXPORTER) -> DeclareDefault:
    return DeclareDefault(receivable, holder)


def reversal(receivable: bytes, reference: bytes, reporter: str = EXPORTER) -> ReversePayment:
    return ReversePayment(receivable, reporter, reference)


def renewal(receivable: bytes, lien: Lien, longer_ms: int = 30 * DAY_MS) -> RenewPledge:
    return RenewPledge(receivable, lien.lien_id, lien.pledgee, lien.until_ms + longer_ms)


def enforcement(receivable: bytes, lien: Lien, **changes: Any) -> EnforcePledge:
    operation = EnforcePledge(
        receivable, lien.lien_id, lien.pledgee, lien.amount, pledgor=lien.pledgor, court=None
    )
    return replace(operation, **changes)


def linked(consortium: Consortium, receivable: bytes, **changes: Any) -> LinkExternalRegistration:
    operation = LinkExternalRegistration(
        receivable=receivable,
        factor=FACTOR_1,
        number=bytes(range(2, 34)),
        registered_ms=consortium.tip.time_ms,
        until_ms=consortium.tip.time_ms + 365 * DAY_MS,
        registrant=bytes(range(3, 35)),
    )
    return replace(operation, **changes)


def searched(consortium: Consortium, receivable: bytes, **changes: Any) -> LinkSearch:
    operation = LinkSearch(
        receivable=receivable,
        factor=FACTOR_1,
        number=bytes(range(4, 36)),
        searched_ms=consortium.tip.time_ms,
        registrant=bytes(range(3, 35)),
    )
    return replace(operation, **changes)


def pledged(consortium: Consortium, receivable: bytes, amount: int = 10_000, **changes: Any) -> Lien:
    """A new lien that outlives the due date."""
    terms = {"until_ms": consortium.now_ms + 200 * DAY_MS} | changes
    assert consortium.code(consortium.pledging(receivable, amount, **terms)) is Code.OK
    return consortium.record(receivable).liens[-1]


def at(time_ms: int) -> dict[str, Any]:
    """How to hand an entry in so that a block of that time can take it."""
    return {"time_ms": time_ms, "valid_until_ms": time_ms}


def overdue(consortium: Consortium, receivable: bytes, holder: str = EXPORTER) -> None:
    """A default on record, after the due date of `registration`."""
    time_ms = max(consortium.now_ms, AFTER_DUE_MS)
    assert consortium.code(default(receivable, holder), **at(time_ms)) is Code.OK


def collect(consortium: Consortium) -> None:
    """A few blocks: every operation of the three families is applied once at least, but those that need the due date."""
    receivable = consortium.registered("INV-collect")
    lien = pledged(consortium, receivable, 3_000)
    consortium.do(linked(consortium, receivable), searched(consortium, receivable))
    consortium.do(renewal(receivable, lien), account(receivable, (EXPORTER, FACTOR_1)))
    paid = payment(receivable, 8_000, reference="COLLECT-1", consenting=[FACTOR_1])
    consortium.do(paid)
    consortium.do(reversal(receivable, paid.bank_reference))
    consortium.do(objection(receivable), frozen(receivable), withdrawal_of(receivable), unfrozen(receivable))
    assert consortium.code(enforcement(receivable, lien)) is Code.NO_DEFAULT
    assert consortium.code(default(receivable)) is Code.NOT_DUE
    assert consortium.code(indirect(receivable)) is Code.NOT_INDIRECT
    consortium.do(payment(receivable, 2_000, reference="COLLECT-2"))
    consortium.do(confirmation(receivable, 8_000), consortium.assignment(receivable, 1_000))
    lien = pledged(consortium, receivable, 500)
    undone = (
        AssignmentUndone(EXPORTER, FACTOR_1, 1_000, ()),
        PledgeUndone(lien.lien_id),
        StepUndone(Step.CONFIRMATION),
    )
    consortium.do(frozen(receivable), judgment(receivable, *undone))
