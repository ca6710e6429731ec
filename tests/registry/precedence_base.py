"""What the tables of precedence share: the strictest policy, a receivable under it, and what every disposal wants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any, Final

from registry.blankets import Blanket
from registry.errors import Code
from registry.exposure import RiskAssets, risk_assets_id
from registry.policy import ConfirmationPolicy, Policy
from registry.receivable import (
    Confirmation,
    ConfirmationKind,
    Phase,
)
from registry.record.future import FutureTerms
from registry.record.terms import Terms
from registry.relations import Control
from registry.rules.judgement import similar_key
from registry.stored import Namespace
from tests.registry.consortium import (
    AFFILIATE,
    DEBTOR_REFERENCE,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    FACTOR_3,
    FINGERPRINT_KEY,
    OPEN_POLICY,
    OTHER_DEBTOR,
    START_DAY,
    Consortium,
    confirmation,
    found,
    payment,
)
from tests.registry.existence_examples import accredit, contract
from tests.registry.precedence_case import (
    LATER_MS,
    PLACE,
    Break,
    Case,
    lien,
    reservation,
)

STRICT: Final[Policy] = replace(
    OPEN_POLICY,
    require_confirmation=ConfirmationPolicy.BOTH,
    require_delivery_evidence=True,
    single_debtor_max_percent=50,
    whitelisted_factors_only=True,
)
AFTER_DUE_MS: Final = (START_DAY + 91) * 86_400_000


@cache
def consortium() -> tuple[Consortium, bytes]:
    """A receivable of 10,000 that is confirmed, and a listed factor with room for it. Never committed to afterwards."""
    made = found(STRICT)
    receivable = made.registered("INV-1", fiscal="1", deliveries=[("BL-1", 4, 10)])
    second = made.registered("INV-2", deliveries=[("BL-2", 1, 1)])
    made.do(payment(second, 1, reference="TRN-USED"))
    made.do(confirmation(receivable), contract("CON-1"))
    accredit(made)
    made.change_member(FACTOR_1, whitelisted=True)
    state = made.working()
    assets = RiskAssets(1_000_000, START_DAY, PLACE)
    state.put(Namespace.RISK_ASSETS, risk_assets_id(FACTOR_1, "USD"), assets)
    delta, _root = state.finish()
    made.state.apply(delta)
    return made, receivable


def others() -> tuple[bytes, bytes]:
    """Another receivable, of which 1 is paid, and a contract."""
    _first, second, future = consortium()[0].receivables
    return second, future


def case_of(
    make: Callable[[Consortium, bytes], Any], time_ms: int | None = None, **record: Any
) -> Callable[[], Case]:
    """A case on the receivable, with `record` in its record; by default in the next block."""

    def base() -> Case:
        made, receivable = consortium()
        case = Case(made, make(made, receivable), receivable, time_ms or made.now_ms, STRICT)
        case.edit(**record)
        case.touched.clear()
        return case

    return base


DEBTOR_ITSELF: Final = Break(
    "it is the debtor", Code.NOT_PERMITTED, lambda case: case.change(debtor=OTHER_DEBTOR)
)
EXPORTER_ITSELF: Final = Break(
    "it is the exporter's own", Code.NOT_PERMITTED, lambda case: case.change(exporter=AFFILIATE)
)
REJECTION: Final = Confirmation(ConfirmationKind.REJECTED, 0, ())
NOT_REJECTED: Final = Break(
    "it was not rejected", Code.ALREADY_REJECTED, lambda case: case.edit(confirmation=REJECTION)
)
NOT_CONFIRMED: Final = Break(
    "nothing is confirmed",
    Code.ALREADY_CONFIRMED,
    lambda case: case.edit(confirmation=Confirmation(ConfirmationKind.EXPRESS, 1, ())),
)


# --- breaks of a disposal


def promised(case: Case) -> None:
    blanket = Blanket(bytes(32), FACTOR_2, None, 0, LATER_MS * 100, False, False, PLACE)
    case.put(Namespace.BLANKET, EXPORTER.encode(), (blanket,))
    case.member(FACTOR_2, whitelisted=True)
    case.edit(phase=Phase.FUTURE, future=FutureTerms(10_000, 0))


def _related(case: Case) -> None:
    for party in (FINGERPRINT_KEY.debtor(FACTOR_1), DEBTOR_REFERENCE):
        case.put(Namespace.CONTROL, party, (Control(b"\x07" * 32, 0, PLACE),))


def _suspicious(case: Case) -> None:
    made, _receivable = consortium()
    other = list(made.receivables)[1]
    record = case.record()
    key = similar_key(record.exporter, record.debtor_reference, record.fingerprints.similar)
    case.put(Namespace.SIMILAR, key, (case.receivable, other))


def _barred(case: Case) -> None:
    case.edit(terms=(Terms(FACTOR_3, EXPORTER, 0, True, PLACE),))


def _small_assets(case: Case) -> None:
    case.put(Namespace.RISK_ASSETS, risk_assets_id(FACTOR_1, "USD"), RiskAssets(1, START_DAY, PLACE))


def _unlisted(case: Case) -> None:
    case.member(FACTOR_1, whitelisted=False)


LISTED: Final = Break(
    "the taker is on the list, where the policy goes by it", Code.NOT_WHITELISTED, _unlisted
)
NOT_PAST_DUE: Final = Break("the due date has not passed", Code.PAST_DUE, lambda case: case.at(AFTER_DUE_MS))
UNRELATED: Final = Break("nobody is of the debtor's group", Code.RELATED_PARTY, _related)
CONCENTRATED: Final = Break("the taker stays within its limits", Code.CONCENTRATION, _small_assets)
ONWARD: Final = Break("the holder may assign onward", Code.RESALE_BARRED, _barred)
PAPERS: Final = Break(
    "the papers are those of the registration",
    Code.FINGERPRINT_MISMATCH,
    lambda case: case.change(verified_fingerprints=bytes(32)),
)
SUSPICIONS: Final = Break(
    "every similar receivable is acknowledged", Code.SUSPICION_NOT_ACKNOWLEDGED, _suspicious
)


def value_free(holder: str, empty: Callable[[Case], None]) -> tuple[Break, ...]:
    """The amount is free: three codes for one rule, by what is in the way."""

    def taken(case: Case, **fields: Any) -> None:
        case.touch("value")
        case.edit(**fields)

    def emptied(case: Case) -> None:
        case.touch("value")
        empty(case)

    return (
        Break("no lien is in the way", Code.PLEDGED, lambda case: taken(case, liens=(lien(holder, 9_999),))),
        Break(
            "no open offer is in the way",
            Code.RESERVED,
            lambda case: taken(case, reservations=(reservation(holder, 9_999),)),
        ),
        Break("the amount is free", Code.EMPTY_ASSIGNMENT, emptied),
    )
