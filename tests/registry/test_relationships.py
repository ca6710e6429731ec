"""Control groups, concentration, circles and quotas: what is declared, and what follows for a disposal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from registry import limits
from registry.errors import Code, InvariantViolation, NotFresh, NotPermitted, Reference
from registry.exposure import EXPOSURE
from registry.operations.relationships import DeclareRelationship, DeclareRiskAssets
from registry.policy import Policy, RelatedPartyPolicy
from registry.relations import Control, common_control
from registry.trade_graph import Edge, cycle_hops, with_edge
from tests.registry.consortium import (
    AFFILIATE,
    ASSOCIATION,
    BANK,
    DAY_MS,
    DEBTOR,
    DEBTOR_FACTOR,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    FINGERPRINT_KEY,
    OPEN_POLICY,
    OTHER_DEBTOR,
    START_DAY,
    TRADER,
    Consortium,
    found,
    payment,
    settlement,
)

FLAGGING = replace(OPEN_POLICY, related_party=RelatedPartyPolicy.FLAG)
GROUP = bytes([7]) * 32  # a controller abroad, no member


def reference(member_id: str) -> bytes:
    return FINGERPRINT_KEY.debtor(member_id)


def own(member_id: str, controller: bytes = GROUP, since_day: int = START_DAY - 9) -> DeclareRelationship:
    return DeclareRelationship(member_id, reference(member_id), controller, since_day, False, False)


def say(consortium: Consortium, operation: DeclareRelationship, **how: Any) -> Code:
    signers: tuple[str, ...] = () if operation.declarer is None else (operation.declarer,)
    if operation.countersigned or operation.false:
        signers = (ASSOCIATION, *signers)
    return consortium.code(operation, by=signers[0], signed_by=signers, **how)


def by_association(party: bytes, controller: bytes = GROUP, **changes: Any) -> DeclareRelationship:
    return replace(DeclareRelationship(None, party, controller, START_DAY - 9, True, False), **changes)


def flags(consortium: Consortium, *operations: Any, **how: Any) -> dict[str, int]:
    result = consortium.result(*operations, **how)
    assert result.code is Code.OK, result
    return {reason.word: reason.amount for reason in result.reasons}


# --- declarations


def test_a_party_declares_its_own_controller(consortium: Consortium) -> None:
    assert say(consortium, own(EXPORTER)) is Code.OK
    working = consortium.working()
    assert [control.controller for control in working.controls(reference(EXPORTER))] == [GROUP]
    assert working.controlled(GROUP) == (reference(EXPORTER),)


@pytest.mark.parametrize("declarer", [EXPORTER, DEBTOR, FACTOR_1])
def test_of_another_party_only_with_the_association(consortium: Consortium, declarer: str) -> None:
    of_other = replace(own(OTHER_DEBTOR), declarer=declarer)
    assert say(consortium, of_other) is Code.MISSING_SIGNATURE
    assert say(consortium, replace(of_other, countersigned=True)) is Code.OK


def test_a_bank_declares_nothing(consortium: Consortium) -> None:
    with pytest.raises(NotPermitted):
        say(consortium, own(BANK))


def test_nobody_declares_in_nobodys_name(consortium: Consortium) -> None:
    anonymous = replace(own(EXPORTER), declarer=None)
    code = consortium.code(anonymous, by=ASSOCIATION, signed_by=(ASSOCIATION,))
    assert code is Code.MISSING_SIGNATURE
    assert say(consortium, by_association(reference(DEBTOR))) is Code.OK


def test_a_false_declaration_is_marked_by_the_association_alone(consortium: Consortium) -> None:
    say(consortium, own(EXPORTER))
    false = by_association(reference(EXPORTER), false=True)
    with pytest.raises(NotPermitted):
        consortium.do(replace(false, declarer=EXPORTER), by=EXPORTER, signed_by=(EXPORTER,))
    assert say(consortium, false) is Code.OK
    assert consortium.working().controls(reference(EXPORTER)) == ()
    assert consortium.working().controlled(GROUP) == ()
    assert say(consortium, false) is Code.UNKNOWN_RELATIONSHIP


@pytest.mark.parametrize(
    ("since", "code"),
    [
        (START_DAY - 8, Code.ALREADY_DECLARED),
        (START_DAY - 9, Code.ALREADY_DECLARED),
        (START_DAY - 10, Code.OK),
    ],
)
def test_a_relationship_is_only_moved_to_an_earlier_day(
    consortium: Consortium, since: int, code: Code
) -> None:
    say(consortium, own(EXPORTER))
    assert say(consortium, own(EXPORTER, since_day=since)) is code
    assert consortium.working().controlled(GROUP) == (reference(EXPORTER),)


def test_no_party_controls_itself(consortium: Consortium) -> None:
    assert say(consortium, own(EXPORTER, reference(EXPORTER))) is Code.BAD_IDENTIFIER


def test_a_party_has_a_bounded_number_of_controllers(consortium: Consortium) -> None:
    codes = [say(consortium, own(EXPORTER, bytes([9, n]) + bytes(30))) for n in range(9)]
    assert codes == [Code.OK] * limits.CONTROLLERS_MAX + [Code.LIMIT_REACHED]


def test_a_group_has_a_bounded_number_of_members(consortium: Consortium) -> None:
    many = [by_association(bytes([8, n]) + bytes(30)) for n in range(limits.GROUP_MEMBERS_MAX)]
    assert {result.code for result in consortium.do(*many).results} == {Code.OK}
    assert say(consortium, own(EXPORTER)) is Code.LIMIT_REACHED
    assert consortium.working().controls(reference(EXPORTER)) == ()


PLACE = Reference(bytes(32), 1, 0, 0)


@pytest.mark.parametrize(
    ("left", "right", "related"),
    [
        ([], [], False),
        ([GROUP], [GROUP], True),
        ([GROUP], [bytes(32)], False),
        ([b"r" * 32], [], True),
        ([], [b"l" * 32], True),
        ([bytes(32), GROUP], [GROUP], True),
    ],
)
def test_related_is_under_one_controller_or_one_under_the_other(
    left: list[bytes], right: list[bytes], related: bool
) -> None:
    lefts, rights = (tuple(Control(name, 5, PLACE) for name in names) for names in (left, right))
    assert (common_control(b"l" * 32, lefts, b"r" * 32, rights, 5) is not None) is related
    assert common_control(b"l" * 32, lefts, b"r" * 32, rights, 4) is None


# --- related parties


@pytest.mark.parametrize("side", [EXPORTER, FACTOR_1])
@pytest.mark.parametrize("how", ["assignment", "pledging"])
def test_a_related_debtor_is_refused_and_the_declaration_named(
    consortium: Consortium, side: str, how: str
) -> None:
    receivable = consortium.registered()
    say(consortium, own(side))
    say(consortium, own(DEBTOR))
    result = consortium.result(getattr(consortium, how)(receivable))
    assert result.code is Code.RELATED_PARTY
    assert result.collided_with is not None
    assert (result.collided_with.subject, result.collided_with.height) == (reference(side), 2)
    assert [(reason.word, reason.amount) for reason in result.reasons] == [("related_party", 10_000)]


def test_the_present_holder_is_judged_too(consortium: Consortium) -> None:
    receivable = consortium.registered()
    assert consortium.code(consortium.assignment(receivable, to=FACTOR_1)) is Code.OK
    say(consortium, own(FACTOR_1, reference(DEBTOR)))
    onward = consortium.assignment(receivable, to=FACTOR_2, assignor=FACTOR_1)
    assert consortium.code(onward) is Code.RELATED_PARTY


def test_under_a_flagging_policy_it_is_applied_with_a_flag() -> None:
    consortium = found(FLAGGING)
    receivable = consortium.registered()
    say(consortium, own(EXPORTER, reference(DEBTOR)))
    assert flags(consortium, consortium.assignment(receivable, 4_000)) == {"related_party": 4_000}
    assert flags(consortium, consortium.pledging(receivable, 1_000)) == {"related_party": 1_000}


def test_the_debtor_itself_takes_nothing_under_any_policy() -> None:
    consortium = found(FLAGGING)
    receivable = consortium.registered(debtor_reference=reference(DEBTOR_FACTOR))
    assert consortium.code(consortium.assignment(receivable, to=DEBTOR_FACTOR)) is Code.RELATED_PARTY


def test_a_relationship_counts_from_its_day_on(consortium: Consortium) -> None:
    first, second = consortium.registered(), consortium.registered()
    say(consortium, own(EXPORTER, reference(DEBTOR), START_DAY + 1))
    assert consortium.code(consortium.assignment(first)) is Code.OK
    consortium.pass_time(consortium.now_ms + DAY_MS)
    assert consortium.code(consortium.assignment(second)) is Code.RELATED_PARTY


def test_a_relationship_marked_as_false_stands_in_nobodys_way(consortium: Consortium) -> None:
    receivable = consortium.registered()
    say(consortium, own(EXPORTER, reference(DEBTOR)))
    say(consortium, by_association(reference(EXPORTER), reference(DEBTOR), false=True))
    assert consortium.code(consortium.assignment(receivable)) is Code.OK


def test_past_due_is_told_before_related_and_related_before_the_papers(consortium: Consortium) -> None:
    receivable = consortium.registered(due_date=START_DAY)
    say(consortium, own(EXPORTER, reference(DEBTOR)))
    wrong = consortium.assignment(receivable, verified_fingerprints=bytes(32))
    assert consortium.code(wrong) is Code.RELATED_PARTY
    assert consortium.code(wrong, time_ms=consortium.now_ms + DAY_MS) is Code.PAST_DUE


# --- concentration

LIMITED = replace(FLAGGING, single_debtor_max_percent=50, related_debtors_max_percent=40)


def limited(policy: Policy = LIMITED, assets: int = 20_000) -> Consortium:
    consortium = found(policy)
    stated = DeclareRiskAssets(FACTOR_1, "USD", assets, START_DAY)
    assert consortium.code(stated, signed_by=(FACTOR_1,)) is Code.OK
    return consortium


@pytest.mark.parametrize("how", ["assignment", "pledging"])
def test_one_debtor_takes_up_to_its_share_and_no_more(how: str) -> None:
    consortium = limited()
    first, second = consortium.registered(), consortium.registered()
    assert consortium.code(getattr(consortium, how)(first, 9_999)) is Code.OK
    result = consortium.result(getattr(consortium, how)(second, 2))
    assert result.code is Code.CONCENTRATION
    assert [(reason.word, reason.amount) for reason in result.reasons] == [
        ("exposure", 10_001),
        ("limit", 10_000),
    ]
    assert consortium.code(getattr(consortium, how)(second, 1)) is Code.OK


def test_another_debtor_currency_or_factor_has_its_own_counter() -> None:
    consortium = limited()
    first, second = consortium.registered(), consortium.registered(debtor_reference=reference(OTHER_DEBTOR))
    assert consortium.code(consortium.assignment(first)) is Code.OK
    assert consortium.code(consortium.assignment(second)) is Code.OK
    euros = consortium.registered(currency="EUR")
    assert consortium.code(consortium.assignment(euros)) is Code.CONCENTRATION
    assert consortium.code(consortium.assignment(consortium.registered(), to=FACTOR_2)) is Code.CONCENTRATION


def test_payment_settlement_and_onward_assignment_make_room() -> None:
    consortium = limited()
    stated = DeclareRiskAssets(FACTOR_2, "USD", 20_000, START_DAY)
    consortium.do(stated, signed_by=(FACTOR_2,))
    first, second = consortium.registered(), consortium.registered()
    consortium.do(consortium.assignment(first))
    consortium.do(payment(first, 4_000, holder=FACTOR_1))
    assert consortium.code(consortium.assignment(second, 4_001)) is Code.CONCENTRATION
    assert consortium.code(consortium.assignment(second, 4_000)) is Code.OK
    consortium.do(consortium.assignment(first, 6_000, to=FACTOR_2, assignor=FACTOR_1))
    assert consortium.code(consortium.assignment(second, 6_000)) is Code.OK
    consortium.do(settlement(second, (FACTOR_1,), write_off=True))
    assert consortium.code(consortium.assignment(consortium.registered(), 10_000)) is Code.OK


def test_the_latest_statement_counts_and_a_refused_one_does_not() -> None:
    consortium = limited(assets=19_999)
    receivable = consortium.registered()
    assert consortium.code(consortium.assignment(receivable)) is Code.CONCENTRATION
    for amount, currency, day, code in (
        (0, "USD", START_DAY, Code.AMOUNT_NOT_POSITIVE),
        (90_000, "GBP", START_DAY, Code.CURRENCY_MISMATCH),
        (90_000, "USD", START_DAY + 1, Code.TOO_EARLY),
    ):
        stated = DeclareRiskAssets(FACTOR_1, currency, amount, day)
        assert consortium.code(stated, signed_by=(FACTOR_1,)) is code
    assert consortium.code(consortium.assignment(receivable)) is Code.CONCENTRATION
    consortium.do(DeclareRiskAssets(FACTOR_1, "USD", 20_000, START_DAY), signed_by=(FACTOR_1,))
    assert consortium.code(consortium.assignment(receivable)) is Code.OK


@pytest.mark.parametrize(("amount", "code"), [(4_000, Code.OK), (4_001, Code.CONCENTRATION)])
def test_all_debtors_of_the_factors_group_share_one_limit(amount: int, code: Code) -> None:
    consortium = limited(replace(LIMITED, single_debtor_max_percent=None))
    for member_id in (FACTOR_1, DEBTOR, OTHER_DEBTOR):
        say(consortium, own(member_id))
    first = consortium.registered()
    second = consortium.registered(debtor_reference=reference(OTHER_DEBTOR))
    assert flags(consortium, consortium.assignment(first, 4_000)) == {"related_party": 4_000}
    assert consortium.code(consortium.assignment(second, amount)) is code
    free = consortium.registered(debtor_reference=bytes([5]) * 32)
    assert consortium.code(consortium.assignment(free, 10_000)) is Code.OK


def test_sums_beyond_any_amount_are_counted() -> None:
    consortium = found(OPEN_POLICY)
    for _ in range(3):
        receivable = consortium.registered(amount=limits.AMOUNT_MAX)
        assert consortium.code(consortium.assignment(receivable, limits.AMOUNT_MAX)) is Code.OK
    exposure = consortium.working().exposure(FACTOR_1, reference(DEBTOR), "USD")
    assert exposure == 3 * limits.AMOUNT_MAX


def test_a_refused_entry_leaves_the_counters_alone(consortium: Consortium) -> None:
    receivable = consortium.registered()
    assign = consortium.assignment(receivable)
    assert consortium.code(assign, consortium.assignment(bytes(32))) is Code.UNKNOWN_RECEIVABLE
    assert consortium.working().exposure(FACTOR_1, reference(DEBTOR), "USD") == 0


def test_who_was_enrolled_without_a_reference_has_no_group() -> None:
    consortium = limited()
    consortium.change_member(FACTOR_1, debtor_reference=None)
    consortium.change_member(EXPORTER, debtor_reference=None)
    assert say(consortium, own(FACTOR_1)) is Code.MISSING_SIGNATURE
    receivable = consortium.registered(debtor_reference=reference(EXPORTER))
    assert flags(consortium, consortium.assignment(receivable)) == {}
    back = consortium.registration(exporter=AFFILIATE, debtor_reference=reference(FACTOR_1))
    assert flags(consortium, back) == {}


def test_a_counter_below_zero_is_our_own_mistake() -> None:
    with pytest.raises(InvariantViolation):
        EXPOSURE.encode(-1, "exposure")
    assert EXPOSURE.decode(EXPOSURE.encode(2**100, "exposure"), "exposure") == 2**100


# --- circles


def test_the_registration_that_closes_a_circle_is_flagged(consortium: Consortium) -> None:
    """EXPORTER -> TRADER -> AFFILIATE -> EXPORTER."""
    steps = ((EXPORTER, TRADER), (TRADER, AFFILIATE), (AFFILIATE, EXPORTER))
    found_flags = [
        flags(consortium, consortium.registration(exporter=seller, debtor_reference=reference(buyer)))
        for seller, buyer in steps
    ]
    assert found_flags == [{}, {}, {"cycle": 3}]


def test_a_disposal_on_a_circle_is_flagged_to_its_taker(consortium: Consortium) -> None:
    first = consortium.registered(debtor_reference=reference(TRADER))
    second = consortium.registration(exporter=TRADER, debtor_reference=reference(EXPORTER))
    assert flags(consortium, second) == {"cycle": 2}
    assert flags(consortium, consortium.assignment(first)) == {"cycle": 2}


@pytest.mark.parametrize(("days", "flagged"), [(90, {"cycle": 2}), (91, {})])
def test_old_invoices_make_no_circle(consortium: Consortium, days: int, flagged: dict[str, int]) -> None:
    consortium.registered(debtor_reference=reference(TRADER))
    consortium.pass_time(consortium.now_ms + days * DAY_MS)
    day = START_DAY + days
    back = consortium.registration(
        exporter=TRADER, debtor_reference=reference(EXPORTER), issue_date=day, due_date=day
    )
    assert flags(consortium, back) == flagged


@pytest.mark.parametrize(("hops", "flagged"), [(0, {}), (1, {}), (2, {"cycle": 2})])
def test_the_policy_says_how_far_to_look(hops: int, flagged: dict[str, int]) -> None:
    consortium = found(replace(OPEN_POLICY, cycle_hops_max=hops))
    consortium.registered(debtor_reference=reference(TRADER))
    back = consortium.registration(exporter=TRADER, debtor_reference=reference(EXPORTER))
    assert flags(consortium, back) == flagged


def party(number: int) -> bytes:
    return number.to_bytes(32, "big")


def test_the_shortest_circle_is_told() -> None:
    graph = {party(1): (Edge(party(2), 5), Edge(party(3), 5)), party(2): (Edge(party(3), 5),)}
    graph[party(3)] = (Edge(party(0), 5),)
    assert cycle_hops(lambda node: graph.get(node, ()), party(0), party(1), 6, 5) == 3
    assert cycle_hops(lambda node: graph.get(node, ()), party(0), party(1), 2, 5) is None
    assert cycle_hops(lambda node: graph.get(node, ()), party(0), party(1), 6, 6) is None


def test_the_search_looks_at_a_bounded_number_of_parties() -> None:
    looked: list[bytes] = []

    def edges_of(node: bytes) -> tuple[Edge, ...]:
        looked.append(node)
        first = int.from_bytes(node, "big") * 100
        return tuple(Edge(party(first + n), 1) for n in range(limits.TRADE_EDGES_MAX))

    assert cycle_hops(edges_of, party(0), party(1), 6, 0) is None
    assert len(looked) <= limits.CYCLE_VISITS_MAX


def test_of_one_exporter_the_latest_edges_are_kept() -> None:
    edges: tuple[Edge, ...] = ()
    for number in range(limits.TRADE_EDGES_MAX + 1):
        edges = with_edge(edges, party(number), 1)
    edges = with_edge(edges, party(5), 2)
    assert (edges[0], len(edges)) == (Edge(party(5), 2), limits.TRADE_EDGES_MAX)
    assert party(0) not in {edge.debtor for edge in edges}


# --- quotas


def test_a_member_hands_in_up_to_its_quota_a_day() -> None:
    consortium = found(replace(OPEN_POLICY, operations_per_day_max=2))
    consortium.do(consortium.registration(), consortium.registration())
    with pytest.raises(NotFresh) as refusal:
        consortium.registered()
    assert refusal.value.code is Code.QUOTA
    consortium.registered(exporter=AFFILIATE)
    consortium.pass_time(consortium.now_ms + DAY_MS)
    consortium.registered()


def test_a_refused_entry_uses_its_quota_and_a_large_one_is_refused_whole() -> None:
    consortium = found(replace(OPEN_POLICY, operations_per_day_max=2))
    with pytest.raises(NotFresh):
        consortium.do(*(consortium.registration() for _ in range(3)))
    assert consortium.code(consortium.registration(currency="GBP")) is Code.CURRENCY_MISMATCH
    consortium.registered()
    with pytest.raises(NotFresh):
        consortium.registered()
