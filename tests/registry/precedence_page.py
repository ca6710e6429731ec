"""`docs/rulebook/precedence.md`, written from the rules and from the tables of `precedence_tables`: it cannot say another thing.

After a change: `python -c "from tests.registry.precedence_page import write; write()"`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from itertools import cycle
from pathlib import Path
from typing import Any, Final

from registry.codec import Optional_
from registry.errors import Code
from registry.operations import OPERATION_TYPES, OperationType
from registry.operations.governance import Role
from registry.receivable import Phase
from registry.record.future import FutureTerms
from registry.rules import RULES, Party
from tests.registry.consortium import EXPORTER, FACTOR_1
from tests.registry.field_faults import filled
from tests.registry.precedence_base import case_of
from tests.registry.precedence_case import PLACE
from tests.registry.precedence_tables import ORDERS

PATH: Final = Path(__file__).parents[2] / "docs" / "rulebook" / "precedence.md"
_HEAD: Final = """\
# Roles, phases, and which refusal comes first

This page is written from the rules and their tests (`tests/registry/precedence_page.py`), and a test compares it with them. What
the door judges before any rule, and in which order, is told in [the rulebook](../rulebook.md#how-an-entry-is-judged).

A signature that nothing needs is refused at the door as `NOT_PERMITTED`, not as `MALFORMED`: its bytes are well-formed, its owner has no
right to stand there. Were it let in, it could be taken for a consent that no rule asked for, and would make its owner a party that
sees the entry.

## Roles

A name is a field of the operation, with the roles of which it needs one. *if named*: the field may be left out. *quorum*: as many of
the association's keys as the genesis document says. *while suspended*: a suspended member may still sign it.

| operation | signed by | association | while suspended |
|---|---|---|---|
"""
_PHASE_HEAD: Final = """
## Phases

Where an operation concerns one receivable: in which phases it is not refused for the phase. `CLOSED` is the refusal elsewhere, for
Crystallise `NOT_FUTURE`, for ReleaseFingerprint `NOT_CLOSED`, for Pledge `EMPTY_PLEDGE` with the phase as its reason. A closure
ReverseByJudgment undoes in the other phases, as its table below says.

| operation | future | live | overdue | settled | cancelled |
|---|---|---|---|---|---|
"""
_ORDER_HEAD: Final = """
## The first broken rule

An operation that may stand in a block is judged rule by rule in the order below, and the first that is broken names its result. Each
two of these rules are broken together in `tests/registry/test_precedence.py`, wherever they can be.
"""
_GOVERNED: Final = {
    "ResolveDispute": "with a court",
    "WithdrawObjection": "with a court",
    "CorrectReceivable": "if fingerprints change",
    "DeclareRelationship": "if it says so",
}


def page() -> str:
    rows = "".join(f"{_row(kind)}\n" for kind in OPERATION_TYPES)
    orders = "".join(
        f"\n### {order.title}\n\n"
        + "".join(f"{number}. {rule.wants}: `{rule.code}`\n" for number, rule in enumerate(order.rules, 1))
        for order in ORDERS
    )
    phases = "".join(f"{_phase_row(kind)}\n" for kind in OPERATION_TYPES if _concerns_one(kind))
    return _HEAD + rows + _PHASE_HEAD + phases + _ORDER_HEAD + orders


def write() -> None:
    PATH.write_text(page(), encoding="utf-8")


def _row(kind: OperationType) -> str:
    operation = kind.shape.decode(filled(kind.shape, members=iter(_TOKENS)), kind.name)
    rule = RULES[kind.build]
    names = dict(_named(operation, kind))
    bare = replace(operation, **dict.fromkeys(_optional(kind)))
    named, unnamed = rule.parties(operation), rule.parties(bare)
    parties = [_party(party, names) for party in named]
    parties += [f"else {_party(party, names)}" for party in unnamed if party not in named]
    signed_by = "; ".join(parties) or "-"
    association = "quorum" if rule.by_governance else _GOVERNED.get(kind.name, "-")
    if (rule.governed_when is not None) != (kind.name in _GOVERNED):
        raise AssertionError(f"say when the association signs {kind.name}")
    suspended = "yes" if rule.while_suspended else "no"
    return f"| {kind.name} | {signed_by} | {association} | {suspended} |"


def _optional(kind: OperationType) -> tuple[str, ...]:
    return tuple(name for name, shape in kind.shape.fields if isinstance(shape, Optional_))


_TOKENS: Final = tuple(f"member-{number}" for number in range(9))


def _named(value: Any, kind: OperationType | None, path: str = "") -> Iterator[tuple[str, str]]:
    """By token, how the field is called that names the member."""
    optional = _optional(kind) if kind else ()
    for each in fields(value):
        inner = getattr(value, each.name)
        name = path + each.name
        mark = ", if named" if each.name in optional else ""
        if inner in _TOKENS:
            yield inner, f"`{name}`{mark}"
        elif is_dataclass(inner):
            for token, found in _named(inner, None, f"{name}."):
                yield token, found + mark
        elif isinstance(inner, tuple):
            for item in inner:
                if item in _TOKENS:
                    yield item, f"each of `{name}`"
                elif is_dataclass(item):
                    yield from _named(item, None, f"{name}.")


def _party(party: Party, names: dict[str, str]) -> str:
    roles = "any role" if set(party.roles) == set(Role) else " or ".join(r.name.lower() for r in party.roles)
    return f"{names[party.member]} ({roles})"


def _concerns_one(kind: OperationType) -> bool:
    return any(name == "receivable" for name, _shape in kind.shape.fields)


def _phase_row(kind: OperationType) -> str:
    return f"| {kind.name} | " + " | ".join("yes" if _allowed(kind, phase) else "" for phase in Phase) + " |"


def _allowed(kind: OperationType, phase: Phase) -> bool:
    """Whether the operation is not refused for the phase: a whole one where there is a table, else what its shape gives."""
    order = next((order for order in ORDERS if order.operation == kind.name), None)
    if order is None:
        operation = kind.shape.decode(filled(kind.shape, members=cycle(_MEMBERS)), kind.name)
        case = case_of(lambda _made, receivable: replace(operation, receivable=receivable))()
    else:
        case = order.base()
    contract = FutureTerms(10_000, 0) if phase is Phase.FUTURE else None
    default = PLACE if phase is Phase.OVERDUE else None
    case.edit(phase=phase, future=contract, default=default)
    code = case.judged()
    return code not in (Code.CLOSED, Code.NOT_FUTURE, Code.NOT_CLOSED, Code.EMPTY_PLEDGE)


_MEMBERS: Final = (EXPORTER, FACTOR_1)
