"""What is told to people: what a refusal means, and who has what of a receivable."""

from __future__ import annotations

from dataclasses import replace

import pytest

from client.commands.queries import free_shares
from client.refusals import ADVICE_BY_CODE
from node.status import CallCode
from registry.errors import Code
from registry.receivable import Phase
from registry.status import StatusSummary

SUMMARY = StatusSummary(
    receivable_id=bytes(32), phase=Phase.LIVE, currency="USD", outstanding=1_000, free=1_000, assigned=600, reserved=0,
    pledged=0, disputed=0, confirmed=0, pooled=0, frozen=False, objected=False, since_height=3,
)  # fmt: skip


def test_every_refusal_says_what_to_do() -> None:
    codes = {str(code) for code in (*Code, *CallCode) if code is not Code.OK}
    assert codes <= set(ADVICE_BY_CODE)
    assert all(sentence.endswith(".") for sentence in ADVICE_BY_CODE.values())


@pytest.mark.parametrize(
    ("changes", "exporter", "assignees"),
    [
        ({}, (400, 400), (600, 600)),
        ({"assigned": 0}, (1_000, 1_000), (0, 0)),
        ({"assigned": 1_000}, (0, 0), (1_000, 1_000)),
        # Whose part the lien lies on, the public view does not say.
        ({"free": 900}, (300, 400), (500, 600)),
        ({"free": 0}, (0, 0), (0, 0)),
        # What stands in a pool is the exporter's, and takes all of it.
        ({"free": 500, "pooled": 300}, (0, 0), (500, 500)),
    ],
)
def test_what_is_free_is_told_apart_by_who_has_it(
    changes: dict[str, int], exporter: tuple[int, int], assignees: tuple[int, int]
) -> None:
    shares = free_shares(replace(SUMMARY, **changes))  # type: ignore[arg-type]  # amounts only
    assert [(share[0], share[-1]) for share in shares] == [exporter, assignees]
