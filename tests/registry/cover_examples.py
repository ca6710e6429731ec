"""Operations of cover with sensible defaults, and a run of blocks in which each of them is applied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from registry.errors import Code
from registry.operations import AlterCover, BindCover, ClaimCover, EndCover
from registry.operations.relationships import DeclareRelationship
from registry.record.covers import Cover, PolicyUse, policy_use_id
from registry.stored import Namespace
from tests.registry.collection_examples import overdue
from tests.registry.consortium import (
    AFFILIATE,
    ASSOCIATION,
    DAY_MS,
    EXPORTER,
    FINGERPRINT_KEY,
    INSURER,
    START_DAY,
    START_MS,
    Consortium,
    registration,
    stored,
)

POLICY = bytes(range(7, 39))
OTHER_POLICY = bytes(range(8, 40))
POLICY_LIMIT = 50_000
GROUP = bytes(range(40, 72))
UNTIL_MS = START_MS + 150 * DAY_MS  # beyond the due date of `registration`, and days of grace


def binding(receivable: bytes, amount: int = 10_000, insured: str = EXPORTER, **changes: Any) -> BindCover:
    operation = BindCover(
        receivable=receivable,
        insurer=INSURER,
        insured=insured,
        amount=amount,
        policy=POLICY,
        policy_limit=POLICY_LIMIT,
        until_ms=UNTIL_MS,
        loss_payee=insured,
    )
    return replace(operation, **changes)


def altering(receivable: bytes, cover: Cover, **changes: Any) -> AlterCover:
    """The cover as it reads now, but for the changes."""
    operation = AlterCover(
        receivable=receivable,
        cover=cover.cover_id,
        insurer=cover.insurer,
        insured=cover.insured,
        amount=cover.amount,
        until_ms=cover.until_ms,
        loss_payee=cover.loss_payee,
        consenting=None,
    )
    return replace(operation, **changes)


def ending(receivable: bytes, cover: Cover, consenting: str | None = None) -> EndCover:
    return EndCover(receivable, cover.cover_id, cover.insured, consenting)


def claiming(
    receivable: bytes, cover: Cover, amount: int | None = None, consenting: Sequence[str] = ()
) -> ClaimCover:
    paid = cover.amount if amount is None else amount
    return ClaimCover(
        receivable, cover.cover_id, cover.insurer, cover.insured, paid, tuple(sorted(consenting))
    )


def covered(
    consortium: Consortium, receivable: bytes, amount: int = 10_000, insured: str = EXPORTER, **changes: Any
) -> Cover:
    """A new cover."""
    assert consortium.code(binding(receivable, amount, insured, **changes)) is Code.OK
    return consortium.record(receivable).covers[-1]


def use_of(consortium: Consortium, insurer: str = INSURER, policy: bytes = POLICY) -> PolicyUse | None:
    """What stands under a policy in USD, as it is committed."""
    use: PolicyUse | None = stored(consortium, Namespace.COVERAGE, policy_use_id(insurer, policy, "USD"))
    return use


def insure(consortium: Consortium) -> None:
    """A few blocks with every operation of the family: all applied but the claim, for which nothing is due yet."""
    operation = registration("INV-insure", exporter=AFFILIATE)
    receivable = consortium.do(operation).results[0].subject
    lasting = covered(consortium, receivable, 6_000, AFFILIATE)
    consortium.do(altering(receivable, lasting, amount=5_000))
    ended = covered(consortium, receivable, 1_000, AFFILIATE)
    consortium.do(ending(receivable, ended))
    assert consortium.code(claiming(receivable, lasting)) is Code.NO_DEFAULT


def in_default(
    consortium: Consortium, amount: int = 10_000, insured: str = EXPORTER, **changes: Any
) -> tuple[bytes, Cover]:
    """A receivable that is overdue, and the cover that the insured, who holds all of it, has."""
    receivable = consortium.registered()
    if insured != EXPORTER:
        consortium.do(consortium.assignment(receivable, 10_000, insured))
    cover = covered(consortium, receivable, amount, insured, **changes)
    overdue(consortium, receivable, insured)
    return receivable, cover


def grouped(consortium: Consortium, *members: str) -> None:
    """The members stand under one controller, as the association has declared."""
    consortium.do(
        *(
            DeclareRelationship(None, FINGERPRINT_KEY.debtor(each), GROUP, START_DAY, True, False)
            for each in members
        ),
        by=ASSOCIATION,
        signed_by=(ASSOCIATION,),
    )
