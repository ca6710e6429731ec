"""Case numbers: what shows as nothing names no case, in an objection, a freeze and a judgment alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from registry.errors import Code, EntryRefused
from registry.operations import Operation
from registry.operations.reversal import Step, StepUndone
from registry.rules.case_numbers import is_same_case, names_a_case
from tests.registry.collection_examples import frozen, judgment, objection
from tests.registry.consortium import EXPORTER, Consortium

FILLERS = ("\u115f", "\u1160", "\u3164", "\uffa0")


@pytest.mark.parametrize("blank", ["", " ", "-", "()", "\u2800", "\u0301", "\u17b4", "\ufe0f", *FILLERS])
def test_what_cannot_be_read_names_no_case(blank: str) -> None:
    assert not names_a_case(blank)
    assert not names_a_case(f"{blank} {blank}")


@pytest.mark.parametrize(
    "number", ["1", "a", "(2027)", "ZD-4711", "案", "(2024)沪74民初1号", "٣", "①", "ㄱ", "가"]
)
def test_one_letter_or_digit_names_a_case(number: str) -> None:
    assert names_a_case(number)
    assert all(names_a_case(f" {filler}{number}") for filler in FILLERS)


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("(2024) 1", "(2024)1 ", True),
        *((f"1{filler}2", "12", True) for filler in (*FILLERS, "\u2800", "\ufe0f")),
        ("12", "1-2", False),
        ("12", "13", False),
    ],
)
def test_what_shows_as_nothing_makes_no_other_case(left: str, right: str, same: bool) -> None:
    assert is_same_case(left, right) is same


def objected(receivable: bytes, case_number: str) -> Operation:
    return objection(receivable, EXPORTER, case_number)


def ordered(receivable: bytes, case_number: str) -> Operation:
    return judgment(receivable, StepUndone(Step.REGISTRATION), case_number=case_number)


@pytest.mark.parametrize(
    ("operation", "code"), [(objected, Code.ABUSE), (frozen, Code.NO_ORDER), (ordered, Code.NO_ORDER)]
)
@pytest.mark.parametrize("case_number", ["", " ", "-", *FILLERS])
def test_a_blank_case_number_is_none(
    consortium: Consortium, operation: Callable[[bytes, str], Operation], code: Code, case_number: str
) -> None:
    receivable = consortium.registered()
    assert consortium.code(operation(receivable, case_number)) is code
    assert consortium.code(operation(receivable, f"{case_number}7")) is Code.OK


def test_an_unseen_letter_does_not_renew_an_objection(consortium: Consortium) -> None:
    receivable = consortium.registered()
    first = objection(receivable, by=EXPORTER, case_number="7")
    assert consortium.code(first) is Code.OK
    assert consortium.code(replace(first, case_number="7\u3164")) is Code.ABUSE
    assert consortium.code(replace(first, case_number="8")) is Code.OK


@pytest.mark.parametrize("unusual", ["\u200b", "\u00a0", "\u3000", "\t"])
def test_an_unusual_space_is_refused_at_the_door(consortium: Consortium, unusual: str) -> None:
    receivable = consortium.registered()
    with pytest.raises(EntryRefused) as refused:
        consortium.do(replace(frozen(receivable), case_number=f"7{unusual}"))
    assert refused.value.code is Code.MALFORMED
