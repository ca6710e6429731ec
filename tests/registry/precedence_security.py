"""Precedence: Security: pledges."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from registry import limits
from registry.errors import Code
from registry.operations import EnforcePledge, ReleasePledge, RenewPledge
from registry.operations.security import Junior
from registry.receivable import (
    UNCONFIRMED,
    Disposal,
    Part,
    Phase,
)
from tests.registry.consortium import (
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    FACTOR_3,
)
from tests.registry.precedence_base import (
    AFTER_DUE_MS,
    CONCENTRATED,
    LISTED,
    NOT_PAST_DUE,
    PAPERS,
    STRICT,
    SUSPICIONS,
    UNRELATED,
    case_of,
    consortium,
)
from tests.registry.precedence_case import (
    CLOSED,
    LATER_MS,
    OWED,
    PLACE,
    POSITIVE,
    RESTRAINTS,
    UNKNOWN,
    Break,
    Case,
    Order,
    crowd,
    lien,
)


def _closed_to_pledges(case: Case) -> None:
    # What is closed covers nothing: beside that, what was assigned away is not a duplicate either.
    case.touch("claim")
    case.edit(phase=Phase.SETTLED)


def _assigned_away(case: Case) -> None:
    case.touch("claim")
    case.edit(
        parts=(Part(FACTOR_2, 10_000, 0, False, PLACE),), disposals=(Disposal(EXPORTER, 10_000, PLACE),)
    )


PLEDGE_ENDS: Final = (
    LISTED,
    NOT_PAST_DUE,
    UNRELATED,
    CONCENTRATED,
    PAPERS,
    SUSPICIONS,
    Break(
        "there is room for another lien",
        Code.LIMIT_REACHED,
        lambda case: case.edit(
            liens=(*case.record().liens, *(lien(FACTOR_3, 0, 100 + n) for n in range(limits.LIENS_MAX)))
        ),
    ),
)
PLEDGE = Order(
    "Pledge",
    "",
    case_of(lambda made, receivable: made.pledging(receivable, 4_000, until_ms=made.now_ms + LATER_MS)),
    (
        replace(UNKNOWN, code=Code.EMPTY_PLEDGE),
        *RESTRAINTS,
        POSITIVE,
        Break("the pledgor had a part", Code.NOT_HOLDER, lambda case: case.change(pledgor=FACTOR_3)),
        Break("it has it still", Code.DUPLICATE_PLEDGE, _assigned_away),
        Break("it runs for 30 days to 30 years", Code.TERM, lambda case: case.change(until_ms=0)),
        Break("it is owed now", Code.EMPTY_PLEDGE, _closed_to_pledges),
        Break(
            "no earlier claim covers the amount",
            Code.DUPLICATE_PLEDGE,
            lambda case: case.edit(liens=(lien(EXPORTER, 9_999),)),
        ),
        Break(
            "the debtor has confirmed, where the policy asks for it",
            Code.EMPTY_PLEDGE,
            lambda case: case.edit(confirmation=UNCONFIRMED),
        ),
        *PLEDGE_ENDS,
    ),
)


def _junior() -> Case:
    made, receivable = consortium()
    operation = made.pledging(
        receivable, 4_000, until_ms=made.now_ms + LATER_MS, junior_to=Junior(b"\x01" * 32, FACTOR_3)
    )
    case = Case(made, operation, receivable, made.now_ms, STRICT)
    case.edit(liens=(lien(EXPORTER, 10_000),))
    case.touched.clear()
    return case


def _behind(case: Case) -> None:
    senior = case.record().liens[0]
    case.edit(liens=(senior, replace(lien(EXPORTER, 1, 2), behind=senior.lien_id)))


JUNIOR_PLEDGE = Order(
    "Pledge",
    "behind another lien",
    _junior,
    (
        replace(UNKNOWN, code=Code.EMPTY_PLEDGE),
        *RESTRAINTS,
        POSITIVE,
        Break("the pledgor had a part", Code.NOT_HOLDER, lambda case: case.change(pledgor=FACTOR_3)),
        Break("it runs for 30 days to 30 years", Code.TERM, lambda case: case.change(until_ms=0)),
        Break(
            "the senior lien is there",
            Code.NOT_LIENHOLDER,
            lambda case: case.change(junior_to=Junior(bytes(32), FACTOR_3)),
        ),
        Break("it is owed now", Code.EMPTY_PLEDGE, lambda case: case.edit(phase=Phase.SETTLED)),
        Break("nobody stands behind that lien", Code.DUPLICATE_PLEDGE, _behind),
        Break("it is no larger than that lien", Code.EMPTY_PLEDGE, lambda case: case.change(amount=10_001)),
        *PLEDGE_ENDS,
    ),
)


OWN_LIEN = replace(lien(EXPORTER, 4_000), pledgee=FACTOR_1, until_ms=AFTER_DUE_MS)
LIEN_ITSELF: Final = Break(
    "the lien is the pledgee's", Code.NOT_LIENHOLDER, lambda case: case.change(lien=bytes(32))
)
RENEW = Order(
    "RenewPledge",
    "",
    case_of(
        lambda _made, receivable: RenewPledge(
            receivable, OWN_LIEN.lien_id, FACTOR_1, OWN_LIEN.until_ms + LATER_MS
        ),
        liens=(OWN_LIEN,),
    ),
    (
        UNKNOWN,
        CLOSED,
        LIEN_ITSELF,
        Break("it has not run out", Code.LATE, lambda case: case.at(AFTER_DUE_MS)),
        Break(
            "it ends 30 days later at least, and in 30 years at most",
            Code.TERM,
            lambda case: case.change(until_ms=OWN_LIEN.until_ms),
        ),
    ),
)
RELEASE = Order(
    "ReleasePledge",
    "",
    case_of(
        lambda _made, receivable: ReleasePledge(receivable, OWN_LIEN.lien_id, FACTOR_1), liens=(OWN_LIEN,)
    ),
    (UNKNOWN, LIEN_ITSELF),
)


def _second_rank(case: Case) -> None:
    senior = lien(EXPORTER, 5_000, 2)
    case.edit(liens=(senior, replace(OWN_LIEN, behind=senior.lien_id)))


ENFORCE = Order(
    "EnforcePledge",
    "",
    case_of(
        lambda _made, receivable: EnforcePledge(
            receivable, OWN_LIEN.lien_id, FACTOR_1, 4_000, pledgor=EXPORTER, court=None
        ),
        liens=(OWN_LIEN,),
        default=PLACE,
    ),
    (
        UNKNOWN,
        OWED,
        *RESTRAINTS,
        POSITIVE,
        LIEN_ITSELF,
        Break("it runs still, for as much", Code.NOT_LIENHOLDER, lambda case: case.at(AFTER_DUE_MS)),
        Break(
            "its pledgor agrees, or a court orders it",
            Code.NOT_PERMITTED,
            lambda case: case.change(pledgor=FACTOR_2),
        ),
        Break("no lien comes before it", Code.PLEDGED, _second_rank),
        Break("a default is on record", Code.NO_DEFAULT, lambda case: case.edit(default=None)),
        Break(
            "there is room for another holder",
            Code.LIMIT_REACHED,
            lambda case: case.edit(parts=(*case.record().parts, *crowd(limits.HOLDERS_MAX))),
        ),
    ),
)

ORDERS: Final = (PLEDGE, JUNIOR_PLEDGE, RENEW, RELEASE, ENFORCE)
