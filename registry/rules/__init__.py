"""The rulebook as functions: one module per family, and the one table that `transition` consults."""

from __future__ import annotations

from typing import Final

from . import (
    account,
    arrears,
    assignment,
    attestation,
    collection,
    confirmation,
    correction,
    cover,
    decisions,
    existence,
    future,
    governance,
    links,
    members,
    pool,
    relationships,
    restraint,
    reversal,
    security,
    validators,
)
from .judgement import Judgement, Party, Rule

RULES: Final[dict[type, Rule]] = {
    rule.operation: rule
    for rule in (
        *governance.RULES,
        *members.RULES,
        *decisions.RULES,
        *validators.RULES,
        *relationships.RULES,
        *existence.RULES,
        *future.RULES,
        *attestation.RULES,
        *confirmation.RULES,
        *correction.RULES,
        *assignment.RULES,
        *security.RULES,
        *collection.RULES,
        *account.RULES,
        *arrears.RULES,
        *cover.RULES,
        *restraint.RULES,
        *reversal.RULES,
        *links.RULES,
        *pool.RULES,
    )
}

__all__ = ["RULES", "Judgement", "Party", "Rule"]
