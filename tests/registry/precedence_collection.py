"""Precedence: Collection: payments, default, settlement."""

from __future__ import annotations

from typing import Final

from registry import limits
from registry.errors import Code
from registry.receivable import Part, Phase
from registry.record.notices import Acknowledgement, Notice
from tests.registry.collection_examples import account, default, indirect, reversal
from tests.registry.consortium import (
    BANK,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    FACTOR_3,
    START_DAY,
    payment,
    settlement,
)
from tests.registry.precedence_base import (
    AFTER_DUE_MS,
    STRICT,
    case_of,
    consortium,
    others,
)
from tests.registry.precedence_case import (
    CLOSED,
    FROZEN,
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


def _reused(case: Case) -> None:
    used = payment(case.receivable, 1, reference="TRN-USED").bank_reference
    case.change(bank_reference=used)


REFERENCE_NEW: Final = Break("the bank reference is new", Code.REFERENCE_REUSED, _reused)
PAY_BY_BANK = Order(
    "RecordPayment",
    "by a bank",
    case_of(lambda _made, receivable: payment(receivable, 4_000, reporter=BANK)),
    (
        UNKNOWN,
        OWED,
        POSITIVE,
        Break(
            "the attester is accredited for payments and is no party",
            Code.NOT_PERMITTED,
            lambda case: case.change(reporter=FACTOR_2),
        ),
        Break("who was paid holds a part", Code.NOT_HOLDER, lambda case: case.change(holder=FACTOR_3)),
        Break(
            "no more is paid than is owed to it", Code.OVERPAYMENT, lambda case: case.change(amount=10_001)
        ),
        REFERENCE_NEW,
    ),
)
PAY_BY_HOLDER = Order(
    "RecordPayment",
    "by who was paid",
    case_of(lambda _made, receivable: payment(receivable, 4_000)),
    (
        UNKNOWN,
        OWED,
        POSITIVE,
        FROZEN,
        Break(
            "who was paid holds a part",
            Code.NOT_HOLDER,
            lambda case: case.change(reporter=FACTOR_3, holder=FACTOR_3),
        ),
        Break(
            "no more is paid than is owed to it", Code.OVERPAYMENT, lambda case: case.change(amount=10_001)
        ),
        REFERENCE_NEW,
        Break(
            "whose lien shrinks consents",
            Code.PLEDGED,
            lambda case: case.edit(liens=(lien(EXPORTER, 10_000),)),
        ),
    ),
)
SETTLE = Order(
    "Settle",
    "as a write-off",
    case_of(lambda _made, receivable: settlement(receivable, write_off=True)),
    (
        UNKNOWN,
        OWED,
        Break(
            "who signs holds a part",
            Code.NOT_HOLDER,
            lambda case: case.change(holders=tuple(sorted((EXPORTER, FACTOR_3)))),
        ),
        Break(
            "all holders sign",
            Code.HOLDER_CONSENT,
            lambda case: case.edit(parts=(*case.record().parts, Part(FACTOR_2, 1, 0, False, PLACE))),
        ),
        Break(
            "nothing is outstanding, or it is written off",
            Code.OUTSTANDING,
            lambda case: case.change(write_off=False),
        ),
        *RESTRAINTS,
        Break(
            "no lien or pool is in the way", Code.PLEDGED, lambda case: case.edit(liens=(lien(EXPORTER, 1),))
        ),
    ),
)
DECLARE_DEFAULT = Order(
    "DeclareDefault",
    "",
    case_of(lambda _made, receivable: default(receivable), AFTER_DUE_MS),
    (
        UNKNOWN,
        OWED,
        Break("it has a part or a lien", Code.NOT_HOLDER, lambda case: case.change(holder=FACTOR_3)),
        Break(
            "what is due is unpaid after the days of grace",
            Code.NOT_DUE,
            lambda case: case.at(START_DAY * 86_400_000),
        ),
    ),
)


SET_ACCOUNT = Order(
    "SetCollectionAccount",
    "",
    case_of(lambda _made, receivable: account(receivable)),
    (
        UNKNOWN,
        CLOSED,
        *RESTRAINTS,
        Break(
            "all holders and lienholders sign",
            Code.HOLDER_CONSENT,
            lambda case: case.edit(liens=(lien(EXPORTER, 1),)),
        ),
        Break(
            "nobody else signs",
            Code.NOT_HOLDER,
            lambda case: case.change(holders=tuple(sorted((EXPORTER, FACTOR_1)))),
        ),
    ),
)
NOTICED = Notice(FACTOR_1, 0, PLACE, Acknowledgement(0, PLACE))
INDIRECT = Order(
    "ReportIndirectPayment",
    "",
    case_of(
        lambda _made, receivable: indirect(receivable, 4_000),
        parts=(Part(FACTOR_1, 10_000, 0, False, PLACE),),
        notices=(NOTICED,),
    ),
    (
        UNKNOWN,
        OWED,
        POSITIVE,
        Break(
            "the holder or the exporter reports it",
            Code.NOT_PERMITTED,
            lambda case: case.change(reporter=FACTOR_3),
        ),
        Break(
            "the debtor has acknowledged the holder's notice",
            Code.NOT_INDIRECT,
            lambda case: case.edit(notices=()),
        ),
        Break(
            "no more was paid than is owed to the holder",
            Code.OVERPAYMENT,
            lambda case: case.edit(parts=(Part(FACTOR_1, 3_999, 0, False, PLACE),)),
        ),
        REFERENCE_NEW,
    ),
)


def _paid_case() -> Case:
    made, _receivable = consortium()
    second = others()[0]
    reference = payment(second, 1, reference="TRN-USED").bank_reference
    return Case(made, reversal(second, reference), second, made.now_ms, STRICT)


def _written_off(case: Case) -> None:
    case.edit(phase=Phase.SETTLED)


REVERSE_PAYMENT = Order(
    "ReversePayment",
    "",
    _paid_case,
    (
        UNKNOWN,
        Break(
            "the payment stands on it",
            Code.UNKNOWN_PAYMENT,
            lambda case: case.change(bank_reference=bytes(32)),
        ),
        Break(
            "who was paid reports it, or an attester accredited for payments that is no party",
            Code.NOT_PERMITTED,
            lambda case: case.change(reporter=FACTOR_3),
        ),
        Break("it was neither cancelled nor written off", Code.CLOSED, _written_off),
        Break(
            "there is room for another holder",
            Code.LIMIT_REACHED,
            lambda case: case.edit(parts=(*case.record().parts, *crowd(limits.HOLDERS_MAX))),
        ),
    ),
)

ORDERS: Final = (
    SET_ACCOUNT,
    PAY_BY_BANK,
    PAY_BY_HOLDER,
    INDIRECT,
    REVERSE_PAYMENT,
    DECLARE_DEFAULT,
    SETTLE,
)
