"""Registry and model judge random chains alike (issue: the whole rulebook).

By default a few minutes' worth of examples in less than one. A long run:

    PLEDGEBOOK_MODEL_EXAMPLES=2000 PLEDGEBOOK_MODEL_STEPS=60 pytest tests/registry/model -n 4 --dist load

With PLEDGEBOOK_MODEL_TALLY=file each test adds lines of "operation code count" to the file: what was met how often.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from registry.operations import OPERATION_TYPES
from tests.registry.model.ledger import RULES
from tests.registry.model.machine import EXAMPLES, EXAMPLES_BY_DEFAULT, FOCI, Tally, run

# What each machine must have seen applied, or it looks at nothing.
APPLIED: dict[str, tuple[str, ...]] = {
    "trade": ("Assign", "OfferAssignment", "AcceptAssignment", "Reassign", "Pledge", "ReleasePledge"),
    "papers": (
        "Crystallise",
        "AttestEvidence",
        "CorrectReceivable",
        "RecordCreditNote",
        "RaiseDispute",
        "ResolveDispute",
    ),
    "collection": ("RecordPayment", "ReversePayment", "DeclareDefault", "SetCollectionAccount", "Settle"),
    "cover": ("BindCover", "AlterCover", "EndCover", "DeclareDefault"),
    "pool": ("CreatePool", "AddToPool", "RemoveFromPool", "DrawPool", "RepayPool"),
    "authority": ("ChangeMember", "SetPolicy", "RotateKey", "RaiseObjection", "Freeze", "ReverseByJudgment"),
}


@pytest.mark.parametrize("focus", FOCI)
def test_registry_and_model_judge_alike(focus: str) -> None:
    tally = run(focus)
    note(tally)
    if EXAMPLES >= EXAMPLES_BY_DEFAULT:
        assert [name for name in APPLIED[focus] if not tally[name, "OK"]] == []


def note(tally: Tally) -> None:
    path = os.environ.get("PLEDGEBOOK_MODEL_TALLY")
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.writelines(f"{name} {code} {count}\n" for (name, code), count in sorted(tally.items()))


def test_the_model_knows_every_operation() -> None:
    assert {kind.build for kind in OPERATION_TYPES} == set(RULES)
