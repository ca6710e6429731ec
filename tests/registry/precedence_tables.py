"""For each operation, its rules in order, each with what breaks it: the precedence of refusals as data.

`docs/rulebook/precedence.md` is written from these tables, and `test_precedence` breaks two rules at a time. A rule that is moved
in the code fails there; a rule that is added is added to its family's table.
"""

from __future__ import annotations

from typing import Final

from tests.registry import (
    precedence_assignment,
    precedence_authority,
    precedence_collection,
    precedence_cover,
    precedence_existence,
    precedence_governance,
    precedence_pool,
    precedence_security,
)

ORDERS: Final = (
    *precedence_existence.ORDERS,
    *precedence_assignment.ORDERS,
    *precedence_security.ORDERS,
    *precedence_collection.ORDERS,
    *precedence_cover.ORDERS,
    *precedence_pool.ORDERS,
    *precedence_authority.ORDERS,
    *precedence_governance.ORDERS,
)
