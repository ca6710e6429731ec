"""Who signs what, for every operation: nobody on two sides of one, nobody who is no party, and everybody who is one.

The operations are made from their shapes, with another member in each place, so a new one is here by itself.
"""

from __future__ import annotations

from itertools import combinations, cycle
from typing import Any

import pytest

from registry.admission import check_right
from registry.entry import Mode, decode_entry
from registry.errors import Code, NotPermitted
from registry.operations import OPERATION_TYPES, Operation, OperationType
from registry.operations.governance import Role
from registry.rules import RULES
from tests.registry.consortium import (
    AFFILIATE,
    ASSOCIATION,
    BANK,
    COURT,
    DEBTOR,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    FACTOR_3,
    OTHER_DEBTOR,
    TRADER,
    Consortium,
    found,
)
from tests.registry.field_faults import filled

MEMBERS = (EXPORTER, FACTOR_1, FACTOR_2, FACTOR_3, AFFILIATE, DEBTOR, OTHER_DEBTOR, BANK, COURT)
OUTSIDER = TRADER


def _name(kind: OperationType) -> str:
    return kind.name


EVERY_TYPE = pytest.mark.parametrize("kind", OPERATION_TYPES, ids=_name)
# Types that at least two members sign. The list is written out so that a side that is lost is seen.
DUAL = {
    "RegisterReceivable",
    "ResolveDispute",
    "CancelReceivable",
    "Crystallise",
    "RecordCreditNote",
    "CorrectReceivable",
    "Assign",
    "Reassign",
    "AssignBlanket",
    "Pledge",
    "EnforcePledge",
    "RecordPayment",
    "BindCover",
    "AlterCover",
    "EndCover",
    "ClaimCover",
    "CreatePool",
    "AddToPool",
    "RemoveFromPool",
    "SubstituteInPool",
    "DrawPool",
}


@pytest.fixture(scope="module")
def everybody() -> Consortium:
    """Each member has every role but the association's, so that only signatures are judged."""
    consortium = found()
    for member_id in (*MEMBERS, OUTSIDER):
        consortium.change_member(
            member_id, roles=tuple(role for role in Role if role is not Role.ASSOCIATION)
        )
    return consortium


def made(kind: OperationType) -> Operation:
    """An operation of this type with another member in each place."""
    return decoded(kind, filled(kind.shape, members=iter(MEMBERS)))


def decoded(kind: OperationType, raw: Any) -> Operation:
    operation: Operation = kind.shape.decode(raw, kind.name)
    return operation


def parties(operation: Operation) -> list[str]:
    return [party.member for party in RULES[type(operation)].parties(operation)]


def signers(operation: Operation) -> tuple[str, ...]:
    quorum = (ASSOCIATION,) if RULES[type(operation)].needs_quorum(operation) else ()
    return tuple(dict.fromkeys((*parties(operation), *quorum)))


def judged(consortium: Consortium, operations: tuple[Operation, ...], signed_by: tuple[str, ...]) -> None:
    """The right of an entry, as the door judges it."""
    raw = consortium.entry(*operations, by=signed_by[0], signed_by=signed_by, mode=Mode.INDEPENDENT)
    check_right(consortium.working(), decode_entry(raw), consortium.tip.height + 1)


def replaced(raw: Any, old: str, new: str) -> Any:
    if isinstance(raw, tuple):
        return tuple(replaced(item, old, new) for item in raw)
    return new if raw == old else raw


@EVERY_TYPE
def test_all_parties_and_nobody_else_sign(everybody: Consortium, kind: OperationType) -> None:
    operation = made(kind)
    judged(everybody, (operation,), signers(operation))


def test_the_dual_operations_are_those_that_are_known() -> None:
    assert {kind.name for kind in OPERATION_TYPES if len(parties(made(kind))) > 1} == DUAL


@pytest.mark.parametrize("kind", [kind for kind in OPERATION_TYPES if kind.name in DUAL], ids=_name)
def test_nobody_is_on_two_sides(everybody: Consortium, kind: OperationType) -> None:
    operation = made(kind)
    raw = filled(kind.shape, members=iter(MEMBERS))
    for first, second in combinations(parties(operation), 2):
        both = decoded(kind, replaced(raw, second, first))
        with pytest.raises(NotPermitted, match="both sides") as refusal:
            judged(everybody, (both,), signers(both))
        assert refusal.value.code is Code.NOT_PERMITTED


@EVERY_TYPE
def test_a_party_that_has_not_signed_is_missed(everybody: Consortium, kind: OperationType) -> None:
    operation = made(kind)
    needed = signers(operation)
    for absent in needed:
        present = tuple(member for member in needed if member != absent) or (OUTSIDER,)
        with pytest.raises(NotPermitted) as refusal:
            judged(everybody, (operation,), present)
        assert refusal.value.code is Code.MISSING_SIGNATURE


@EVERY_TYPE
def test_a_signature_that_nothing_needs_is_refused(everybody: Consortium, kind: OperationType) -> None:
    # It could be taken for a consent that no rule asked for, and would make its owner a party of the entry.
    operation = made(kind)
    with pytest.raises(NotPermitted, match="no party to any operation") as refusal:
        judged(everybody, (operation,), (*signers(operation), OUTSIDER))
    assert refusal.value.code is Code.NOT_PERMITTED
    assert OUTSIDER in refusal.value.message


@EVERY_TYPE
def test_a_role_is_needed(everybody: Consortium, kind: OperationType) -> None:
    operation = made(kind)
    for party in RULES[type(operation)].parties(operation):
        everybody.change_member(party.member, roles=(Role.AUDITOR,))
        try:
            if Role.AUDITOR in party.roles:
                judged(everybody, (operation,), signers(operation))
                continue
            with pytest.raises(NotPermitted, match="must be enrolled as") as refusal:
                judged(everybody, (operation,), signers(operation))
            assert refusal.value.code is Code.NOT_PERMITTED
        finally:
            roles = tuple(role for role in Role if role is not Role.ASSOCIATION)
            everybody.change_member(party.member, roles=roles)


@pytest.mark.parametrize(
    "kind",
    [kind for kind in OPERATION_TYPES if len(signers(made(kind))) > len(parties(made(kind))) > 0],
    ids=_name,
)
def test_the_association_is_not_the_other_side_of_its_own_decision(
    everybody: Consortium, kind: OperationType
) -> None:
    operation = made(kind)
    for party in RULES[type(operation)].parties(operation):
        everybody.change_member(party.member, roles=tuple(Role))
        try:
            if Role.ASSOCIATION in party.roles:
                judged(everybody, (operation,), signers(operation))
                continue
            with pytest.raises(NotPermitted, match="of the association") as refusal:
                judged(everybody, (operation,), signers(operation))
            assert refusal.value.code is Code.NOT_PERMITTED
        finally:
            roles = tuple(role for role in Role if role is not Role.ASSOCIATION)
            everybody.change_member(party.member, roles=roles)


def test_in_one_entry_a_member_may_be_another_side_of_another_operation(everybody: Consortium) -> None:
    kind = next(kind for kind in OPERATION_TYPES if kind.name == "Assign")
    there = decoded(kind, filled(kind.shape, members=cycle((EXPORTER, FACTOR_1))))
    back = decoded(kind, filled(kind.shape, members=cycle((FACTOR_1, EXPORTER))))
    judged(everybody, (there, back), (EXPORTER, FACTOR_1))
