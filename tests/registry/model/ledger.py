"""The model as a whole: a block begins, entries are judged one after the other, operation by operation."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from registry.entry import EntryBody, Mode
from registry.errors import Code, Reason, Reference
from tests.registry.model import (
    assignment,
    collection,
    cover,
    evidence,
    existence,
    governance,
    pool,
    restraint,
    reversal,
    security,
    validators,
)
from tests.registry.model.book import Book, Here, Judge, Refused
from tests.registry.model.door import Signature, open_door
from tests.registry.model.value import fit_claims

RULES: dict[type, Judge] = {
    **existence.RULES,
    **evidence.RULES,
    **assignment.RULES,
    **security.RULES,
    **collection.RULES,
    **cover.RULES,
    **pool.RULES,
    **restraint.RULES,
    **reversal.RULES,
    **governance.RULES,
    **validators.RULES,
}


@dataclass(frozen=True)
class Verdict:
    code: Code
    subject: bytes
    collided_with: Reference | None
    reasons: tuple[Reason, ...]


_WITHHELD = Verdict(Code.NOT_APPLIED, b"", None, ())


class Ledger:
    """The book, and where in the chain it is. `rules` can be changed by a test that plants a fault."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.height = 0
        self.now_ms = 0
        self.entries = 0

    def begin_block(self, height: int, now_ms: int) -> None:
        """What runs out or takes effect by itself does so before the first entry."""
        self.height, self.now_ms, self.entries = height, now_ms, 0
        if self.book.next_policy is not None and self.book.next_policy[1] == height:
            self.book.policy = self.book.next_policy[0]
        for debt in self.book.debts.values():
            security.lapse_liens(debt, now_ms)
            restraint.lapse_objections(debt, now_ms)
            collection.begin_account(debt, now_ms)
            cover.lapse_covers(debt, now_ms)
            assignment.lapse_offers(debt, now_ms)
            # Who goes and comes again is asked again.
            debt.asked &= debt.entitled()

    def judge(self, body: EntryBody, entry_id: bytes, signatures: Sequence[Signature]) -> list[Verdict]:
        """One verdict for each operation. Raises Refused at the door, and then the entry is not there at all."""
        signers = open_door(self.book, body, signatures, self.height, self.now_ms)
        keys = frozenset(key for _member, key in signatures)
        index, self.entries = self.entries, self.entries + 1
        atomic = body.mode is Mode.ATOMIC and len(body.operations) > 1
        before = deepcopy(self.book) if atomic else self.book
        verdicts: list[Verdict] = []
        for position, operation in enumerate(body.operations):
            here = Here(self.height, index, position, entry_id, self.now_ms, signers, keys)
            verdicts.append(self.judge_operation(here, operation))
            if atomic and verdicts[-1].code is not Code.OK:
                self.book = before
                withheld = [_WITHHELD] * len(body.operations)
                withheld[position] = verdicts[-1]
                return withheld
        return verdicts

    def judge_operation(self, here: Here, operation: Any) -> Verdict:
        try:
            subject = RULES[type(operation)](self.book, here, operation)
        except Refused as refused:
            return Verdict(refused.code, b"", refused.collided_with, refused.reasons)
        if subject in self.book.debts:
            fit_claims(self.book.debts[subject])
        return Verdict(Code.OK, subject, None, tuple(here.flags))
