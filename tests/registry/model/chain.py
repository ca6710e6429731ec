"""The registry and the model side by side: the same entries go to both, and after each block everything is compared.

Compared are, for each entry, its receipt; for each operation, its code, its subject, what it collided with and the reasons; at the door, the code; after each
block, every record with what the model remembers of it, the members, the lists and counters; at the end, the state root with
that of a replay from the genesis document. `Consortium.commit` also sends each block through its bytes, judges it as another
node would, and checks the rulebook's invariants and the counted exposures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from registry.entry import EntryBody, Mode, assemble, decode_entry, encode_body, sign_body
from registry.errors import Code, EntryRefused
from registry.operations.governance import Role
from registry.policy import Policy
from registry.receipt import Outcome, Result
from registry.transition import apply_block, genesis_tip
from tests.registry.consortium import (
    ASSOCIATION_KEYS,
    BANK,
    EPOCH,
    EXPELLED,
    FINGERPRINT_KEY,
    STRANGER,
    Consortium,
    checked,
    found,
    genesis_members,
    key_of,
)
from tests.registry.model.agreement import agree
from tests.registry.model.book import DAY_MS, Book, Person, Refused
from tests.registry.model.door import Signature, need_parties, needs_quorum, parties_of
from tests.registry.model.draw_existence import draw_registration
from tests.registry.model.draw_governance import accreditation
from tests.registry.model.ledger import Ledger, Verdict
from tests.registry.model.scene import EVERYONE, NOWHERE, Dice, Draw, NothingFits, Scene


@dataclass(frozen=True)
class Handed:
    """An entry as it was handed in, with what the model says of it: verdicts, or the code at the door."""

    raw: bytes
    operations: tuple[Any, ...]
    said: list[Verdict] | Code


class Chain:
    """One consortium under test. `tally` counts what was handed in, as (operation, code)."""

    def __init__(self, policy: Policy, tally: Counter[tuple[str, str]]) -> None:
        self.consortium: Consortium = found(policy)
        self.policy = policy
        self.tally = tally
        self.ledger = Ledger(first_book(self.consortium, policy))
        tip = self.consortium.tip
        self.scene = Scene(self.ledger.book, tip.height + 1, tip.time_ms)
        for key in (*(key_of(name) for name in (*EVERYONE, EXPELLED)), *ASSOCIATION_KEYS):
            self.scene.signing_keys[key.public_key] = key
        self.sequence = 0

    # --- one block

    def begin(self, seed: int) -> None:
        """Blocks that every example begins with: the bank may attest, and there is something to work on."""
        self.add_block([[seed]], (accreditation,), 1)
        self.add_block([[seed + 1, seed + 2], [seed + 3]], (draw_registration,), 1)

    def add_block(self, entries: Sequence[Sequence[int]], draws: Sequence[Draw], step_ms: int) -> None:
        """A block that comes `step_ms` later; of each entry the seeds of its operations."""
        tip = self.consortium.tip
        self.scene.height, self.scene.now_ms = tip.height + 1, tip.time_ms + step_ms
        self.ledger.begin_block(self.scene.height, self.scene.now_ms)
        handed = []
        for seeds in entries:
            operations = [self.drawn(Dice(seed), draws) for seed in seeds]
            handed.append(self.hand_in(Dice(sum(seeds)), operations))
        self.commit(handed)

    def drawn(self, dice: Dice, draws: Sequence[Draw]) -> Any:
        """One operation, mostly one that its parties may sign."""
        self.scene.book = self.ledger.book
        for _ in range(12):
            try:
                operation = dice.one(draws)(self.scene, dice)
            except NothingFits:
                continue
            operation = self.misdirected(operation, dice)
            if self.may_be_signed(operation) or dice.rarely(10):
                return operation
        return draw_registration(self.scene, dice)

    def misdirected(self, operation: Any, dice: Dice) -> Any:
        """Sometimes about another receivable or pool, or one that is not there."""
        for name, there in (("receivable", self.ledger.book.debts), ("pool", self.ledger.book.pools)):
            if hasattr(operation, name) and dice.rarely(40):
                return replace(operation, **{name: dice.one([NOWHERE, *there])})
        return operation

    def may_be_signed(self, operation: Any) -> bool:
        names = [member for member, _roles in parties_of(operation)]
        if not all(self.scene.current_keys(name) for name in names):
            return False
        try:
            need_parties(self.ledger.book, operation, names[0] if names else BANK, set(names))
        except Refused:
            return False
        return True

    def hand_in(self, dice: Dice, operations: list[Any]) -> Handed:
        body, signatures = self.signed(dice, operations)
        body_bytes = encode_body(body)
        keys = self.scene.signing_keys
        raw = assemble(
            body_bytes, tuple(sign_body(body_bytes, member, keys[key]) for member, key in signatures)
        )
        said: list[Verdict] | Code
        try:
            said = self.ledger.judge(body, decode_entry(raw).entry_id, signatures)
        except Refused as refused:
            said = refused.code
        self.count(operations, said)
        return Handed(raw, tuple(operations), said)

    def signed(self, dice: Dice, operations: list[Any]) -> tuple[EntryBody, list[Signature]]:
        """By all who must, sometimes by one too few or too many; handed in by one of them."""
        parties = list(dict.fromkeys(member for each in operations for member, _roles in parties_of(each)))
        signatures = [(member, key) for member in parties for key in self.scene.current_keys(member)[:1]]
        if any(needs_quorum(each) for each in operations):
            signatures += self.quorum(dice)
        flaw = dice.below(120)
        if flaw == 119:
            signatures = signatures[:-1]
        elif flaw == 118:
            signatures.append((STRANGER, key_of(STRANGER).public_key))
            self.scene.signing_keys[signatures[-1][1]] = key_of(STRANGER)
        elif flaw == 117:
            signatures += [(BANK, key) for key in self.scene.current_keys(BANK)]
        elif flaw == 116 and signatures:
            signatures[0] = (signatures[0][0], key_of(dice.one(EVERYONE)).public_key)
        if not signatures:
            signatures = self.quorum(dice) or [(BANK, key_of(BANK).public_key)]
        signatures = list(dict.fromkeys(signatures))
        submitter = dice.one(signatures)[0] if flaw != 115 else dice.one(EVERYONE)
        self.sequence += dice.one((1,) * 60 + (0,))
        body = EntryBody(
            version=1,
            chain_id=self.consortium.genesis.chain_id,
            submitter=submitter,
            sequence=max(1, self.sequence),
            valid_until_ms=self.scene.now_ms + DAY_MS if flaw != 114 else self.scene.now_ms - dice.below(2),
            mode=dice.one((Mode.INDEPENDENT, Mode.INDEPENDENT, Mode.ATOMIC)),
            operations=tuple(operations),
        )
        return body, signatures

    def quorum(self, dice: Dice) -> list[Signature]:
        seats = [
            (name, key)
            for name, person in self.ledger.book.members.items()
            if Role.ASSOCIATION in person.roles
            for key in self.scene.current_keys(name)
        ]
        return seats[: self.ledger.book.association_keys_needed - dice.rarely(60)]

    def count(self, operations: Sequence[Any], said: list[Verdict] | Code) -> None:
        codes = [said] * len(operations) if isinstance(said, Code) else [each.code for each in said]
        for operation, code in zip(operations, codes, strict=True):
            where = "door " if isinstance(said, Code) else ""
            self.tally[type(operation).__name__, where + code.value] += 1

    # --- comparison

    def commit(self, handed: Sequence[Handed]) -> None:
        time_ms = self.scene.now_ms
        if any(isinstance(each.said, Code) for each in handed):
            self.compare_doors(handed, time_ms)
        passed = [each for each in handed if not isinstance(each.said, Code)]
        committed = self.consortium.commit(*(each.raw for each in passed), time_ms=time_ms)
        for index, (each, receipt) in enumerate(zip(passed, committed.receipts, strict=True)):
            assert not isinstance(each.said, Code)
            entry = decode_entry(each.raw)
            place = (receipt.height, receipt.entry_index, receipt.entry_id)
            assert place == (self.scene.height, index, entry.entry_id)
            for operation, result, verdict in zip(each.operations, receipt.results, each.said, strict=True):
                compare(operation, result, verdict)
            outcome = outcome_of(entry.body.mode, [verdict.code for verdict in each.said])
            assert (receipt.outcome, receipt.failed_operation) == outcome
        assert committed.block.header.policy_hash == self.ledger.book.policy.hash()
        agree(self.consortium, self.ledger.book)

    def compare_doors(self, handed: Sequence[Handed], time_ms: int) -> None:
        execution = self.consortium.execution(time_ms)
        for each in handed:
            expected = each.said if isinstance(each.said, Code) else None
            code, message = None, ""
            try:
                execution.apply(checked(each.raw))
            except EntryRefused as refusal:
                code, message = refusal.code, refusal.message
            assert code == expected, f"registry: {code} {message}\nmodel:    {expected}\n{each.operations}"

    def replay(self) -> None:
        """The whole chain once more from the genesis document: the same roots, the same values."""
        again = found(self.policy)
        tip = genesis_tip(again.genesis)
        for committed in self.consortium.blocks:
            entries = [checked(raw) for raw in committed.block.entries]
            result = apply_block(again.state, tip, committed.block, entries)
            assert result.state_root == committed.block.header.state_root
            again.state.apply(result.delta)
            tip = tip.after(committed.block)
        assert again.state.stored_values() == self.consortium.state.stored_values()


def outcome_of(mode: Mode, codes: Sequence[Code]) -> tuple[Outcome, int | None]:
    """What the receipt says of the whole entry, and which operation an atomic one failed at."""
    applied = codes.count(Code.OK)
    if applied == len(codes):
        return Outcome.APPLIED, None
    failed = next(i for i, code in enumerate(codes) if code not in (Code.OK, Code.NOT_APPLIED))
    return (Outcome.PARTLY if applied else Outcome.REFUSED), (failed if mode is Mode.ATOMIC else None)


def compare(operation: Any, result: Result, verdict: Verdict) -> None:
    registry = (result.code, result.subject, result.collided_with, result.reasons)
    model = (verdict.code, verdict.subject, verdict.collided_with, verdict.reasons)
    assert registry == model, f"{operation}\nregistry: {registry}\nmodel:    {model}"


def first_book(consortium: Consortium, policy: Policy) -> Book:
    """What the genesis document says, with the two members that `found` has suspended and expelled."""
    people = {}
    for member in genesis_members():
        stored = consortium.working().member(member.member_id)
        assert stored is not None
        people[member.member_id] = Person(
            member.roles,
            stored.status,
            member.numbering,
            FINGERPRINT_KEY.debtor(member.member_id),
            {key.public_key: (key.from_height, key.until_height) for key in member.keys},
            member.accredited,
        )
    nodes = consortium.working().newest_nodes().nodes
    owners = {key: name for name, person in people.items() for key in person.keys}
    owners |= {node.consensus_key: node.member for node in nodes}
    return Book(policy, 2, EPOCH, consortium.genesis.chain_id, people, nodes=nodes, key_owners=owners)
