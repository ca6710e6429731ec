"""Chains on which whole families of operations are applied end in a state that the auditor's own account agrees with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from client.audit.invariants import Tally, check_final_state, check_record, records_to_check
from registry.entry import decode_entry
from registry.errors import Code
from registry.operations import Settle
from registry.record.covers import policy_use_id
from registry.stored import Namespace
from tests.registry import (
    assignment_examples,
    collection_examples,
    cover_examples,
    existence_examples,
    governance_examples,
    pool_examples,
)
from tests.registry.consortium import EXPORTER, Consortium, found, payment

FAMILIES: dict[str, Callable[[Consortium], object]] = {
    "existence": existence_examples.come_into_being,
    "assignment": assignment_examples.trade,
    "collection": collection_examples.collect,
    "cover": cover_examples.insure,
    "governance": governance_examples.govern,
    "pools": pool_examples.run_a_pool,
}


def complaints(consortium: Consortium) -> list[str]:
    """What the auditor says of the final state."""
    tally = Tally()
    for committed in consortium.blocks:
        for raw, receipt in zip(committed.block.entries, committed.receipts, strict=True):
            tally.add(decode_entry(raw), receipt)
    checked = map(check_record, records_to_check(consortium.state, tally))
    return [each.message for each in check_final_state(consortium.state, tally, checked)]


@pytest.mark.parametrize("play", FAMILIES.values(), ids=FAMILIES)
def test_every_family_leads_to_a_state_without_findings(play: Callable[[Consortium], object]) -> None:
    consortium = found()
    play(consortium)
    assert complaints(consortium) == []


def test_a_payment_that_was_called_back_is_not_counted_as_paid() -> None:
    consortium = found()
    receivable = consortium.registered()
    first, second = payment(receivable, 4_000, reference="A"), payment(receivable, 6_000, reference="B")
    consortium.do(first, second, Settle(receivable, (EXPORTER,), write_off=False))
    assert consortium.code(collection_examples.reversal(receivable, second.bank_reference)) is Code.OK
    assert complaints(consortium) == []
    again = payment(receivable, 6_000, reference="C")
    consortium.do(again)
    assert complaints(consortium) == []


@pytest.mark.parametrize("change", [-1, 1])
def test_a_policy_that_is_counted_wrongly_is_told(change: int) -> None:
    consortium = found()
    receivable = consortium.registered()
    cover = cover_examples.covered(consortium, receivable)
    state = consortium.working()
    key = policy_use_id(cover.insurer, cover.policy, "USD")
    use = state.get(Namespace.COVERAGE, key)
    state.put(Namespace.COVERAGE, key, replace(use, covered=use.covered + change))
    consortium.state.apply(state.finish()[0])
    assert complaints(consortium) == [
        f"more or less is covered under a policy than is recorded ({key.hex()})"
    ]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"drawn": 1}, "what is drawn on a pool is not what its entries add up to"),
        ({"shares": ()}, "the base of a pool is not what its members are worth"),
        (None, "a pool is not in the state"),
    ],
)
def test_a_pool_that_is_counted_wrongly_is_told(change: dict[str, object] | None, complaint: str) -> None:
    consortium = found()
    pool, _members = pool_examples.filled(consortium)
    consortium.do(pool_examples.drawing(pool, 5_000))
    consortium.do(pool_examples.repaying(pool, 1_000))
    assert complaints(consortium) == []
    state = consortium.working()
    wrong = None if change is None else replace(pool_examples.present(consortium, pool), **change)  # type: ignore[arg-type]  # one table
    state.put(Namespace.POOL, pool, wrong)
    consortium.state.apply(state.finish()[0])
    assert complaints(consortium) == [f"{complaint} ({pool.hex()})"]


def test_a_member_of_no_pool_is_told() -> None:
    consortium = found()
    _pool, (member,) = pool_examples.filled(consortium)
    tally = Tally()
    for committed in consortium.blocks:
        for raw, receipt in zip(committed.block.entries, committed.receipts, strict=True):
            if "CreatePool" not in [type(each).__name__ for each in decode_entry(raw).body.operations]:
                tally.add(decode_entry(raw), receipt)
    assert member in tally.faces
    checked = map(check_record, records_to_check(consortium.state, tally))
    (finding,) = check_final_state(consortium.state, tally, checked)
    assert finding.message.startswith("a receivable stands in a pool that was never agreed")
