"""The public view of a receivable in words: what every member may know of it, and that a restraint is told."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from registry.errors import Code
from registry.operations import Operation
from registry.status import StatusSummary, summarise
from tests.registry.assignment_examples import offer
from tests.registry.collection_examples import frozen, objection, unfrozen, withdrawal_of
from tests.registry.consortium import (
    BANK,
    DEBTOR,
    EXPORTER,
    Consortium,
    cancellation,
    dispute,
    payment,
    settlement,
)
from tests.registry.existence_examples import contract, rejection

Act = Callable[[Consortium, bytes], Operation]
ACTS: dict[str, Act] = {
    "assigned": lambda consortium, receivable: consortium.assignment(receivable, 2_000),
    "pledged": lambda consortium, receivable: consortium.pledging(receivable, 2_000),
    "reserved": lambda consortium, receivable: offer(consortium, receivable, 2_000),
    "disputed": lambda _consortium, receivable: dispute(receivable, 1_000),
    "objected": lambda _consortium, receivable: objection(receivable, DEBTOR),
    "frozen": lambda _consortium, receivable: frozen(receivable),
}


def told(consortium: Consortium, receivable: bytes) -> StatusSummary:
    return summarise(consortium.record(receivable))


def test_what_nobody_has_a_claim_on_is_free(consortium: Consortium) -> None:
    assert told(consortium, consortium.registered()).words() == ("free",)


@pytest.mark.parametrize(
    ("acts", "words"),
    [
        (("assigned",), ("assigned", "free")),
        (("reserved",), ("reserved", "free")),
        (("pledged",), ("pledged", "free")),
        (("disputed",), ("disputed", "free")),
        (("objected",), ("objected",)),
        (("frozen",), ("frozen",)),
        (("objected", "frozen"), ("frozen", "objected")),
        (("assigned", "reserved", "pledged", "frozen"), ("frozen", "pledged", "assigned", "reserved")),
        (("pledged", "disputed", "objected"), ("objected", "disputed", "pledged")),
    ],
)
def test_every_claim_has_a_word_and_the_gravest_comes_first(
    consortium: Consortium, acts: tuple[str, ...], words: tuple[str, ...]
) -> None:
    receivable = consortium.registered()
    for act in acts:
        assert consortium.code(ACTS[act](consortium, receivable)) is Code.OK
    assert told(consortium, receivable).words() == words


def test_a_restraint_is_told_as_long_as_it_stands(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(frozen(receivable), objection(receivable, DEBTOR))
    restrained = told(consortium, receivable)
    assert (restrained.frozen, restrained.objected, restrained.free) == (True, True, 0)
    consortium.do(unfrozen(receivable), withdrawal_of(receivable, DEBTOR))
    lifted = told(consortium, receivable)
    assert (lifted.frozen, lifted.objected, lifted.free) == (False, False, 10_000)


def test_a_closed_receivable_has_no_other_word(consortium: Consortium) -> None:
    paid, withdrawn = consortium.registered(), consortium.registered()
    consortium.do(consortium.assignment(paid, 2_000))
    consortium.do(frozen(paid))
    factor = told_holder(consortium, paid)
    consortium.do(payment(paid, 8_000, reporter=BANK), payment(paid, 2_000, holder=factor, reporter=BANK))
    holders = [part.holder for part in consortium.record(paid).parts]
    consortium.do(settlement(paid, holders), cancellation(withdrawn))
    assert told(consortium, paid).words() == ("settled",)
    assert told(consortium, withdrawn).words() == ("cancelled",)
    assert told(consortium, paid).frozen


def told_holder(consortium: Consortium, receivable: bytes) -> str:
    return next(part.holder for part in consortium.record(receivable).parts if part.holder != EXPORTER)


def test_a_contract_is_told_from_a_receivable(consortium: Consortium) -> None:
    consortium.do(contract())
    (future,) = consortium.receivables
    assert told(consortium, future).words() == ("future",)


def test_what_is_rejected_is_barred_and_only_its_parties_see_why(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(rejection(receivable))
    assert told(consortium, receivable).words() == ("barred",)
