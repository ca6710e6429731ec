"""The first broken rule names the result: every two rules of an operation, broken together."""

from __future__ import annotations

from itertools import combinations

import pytest

from registry.errors import Code
from registry.operations import OPERATION_TYPES
from tests.registry.precedence_case import Break, Order, Touched
from tests.registry.precedence_page import PATH, page
from tests.registry.precedence_tables import ORDERS

EVERY_ORDER = pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.title)


def test_every_operation_has_an_order() -> None:
    assert {order.operation for order in ORDERS} == {kind.name for kind in OPERATION_TYPES}


@EVERY_ORDER
def test_an_operation_that_breaks_no_rule_is_applied(order: Order) -> None:
    assert order.base().judged() is Code.OK


@EVERY_ORDER
def test_each_rule_has_its_code(order: Order) -> None:
    for rule in order.rules:
        case = order.base()
        rule.breaks(case)
        assert case.judged() is rule.code, rule.wants


def together(order: Order, first: Break, second: Break) -> Code | None:
    """The code when both are broken; None when they cannot be, because they need the same thing to be different."""
    case = order.base()
    try:
        # The later one first: what the earlier one then changes is what the rules meet.
        second.breaks(case)
        first.breaks(case)
    except Touched:
        return None
    return case.judged()


@EVERY_ORDER
def test_of_two_broken_rules_the_first_names_the_result(order: Order) -> None:
    for first, second in combinations(order.rules, 2):
        code = together(order, first, second)
        assert code in (None, first.code), (first.wants, second.wants)


@EVERY_ORDER
def test_neighbours_are_broken_together_where_they_can_be(order: Order) -> None:
    pairs = list(zip(order.rules, order.rules[1:], strict=False))
    apart = [pair for pair in pairs if together(order, *pair) is None]
    # Whoever says the same thing twice cannot say it in two wrong ways: only few neighbours are like that.
    assert len(apart) * 2 <= len(pairs), [(first.wants, second.wants) for first, second in apart]


def test_the_page_says_what_the_rules_do() -> None:
    assert PATH.read_text(encoding="utf-8") == page()
