"""Operations in words: what a party reads before it signs.

Guarantees: every field of every operation is told, because the fields are taken from the shape that is signed and not
from a list; a new operation is told in full on the day it exists, and gets its sentence here. Amounts are told in their
currency where it is known, else in minor units, and say so. Leaves to others: finding names and currencies.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any, Final

from registry.codec import Bytes, Choice, Flag, Items, Optional_, Shape, Struct
from registry.identifiers import ID_BYTES, show_id
from registry.money import show_amount
from registry.operations import TYPE_BY_CLASS, Operation
from registry.operations.fields import AMOUNT, DAY, HASH, MEMBER_ID, PUBLIC_KEY, TIME_MS
from registry.operations.reversal import AnyEffect

from .papers import date_of

SENTENCES: Final[Mapping[str, str]] = {
    "EnrolMember": "{member} becomes a member",
    "ChangeMember": "{member} is changed: roles {roles}, {status}",
    "RotateKey": "{member} puts a new key in the place of {old_key}",
    "RevokeKey": "key {public_key} of {member} ends",
    "SetPolicy": "another policy holds from height {from_height}",
    "ScheduleUpgrade": "all nodes stop at height {halt_height} for rules {rules_version}",
    "ChangeValidators": "other nodes validate",
    "ReleaseFingerprint": "a number of {receivable} may be registered again",
    "DeclareRelationship": "{party} stands under {controller}",
    "DeclareRiskAssets": "{factor} has risk assets of {amount}",
    "RegisterReceivable": "{exporter} registers a receivable of {face_amount}",
    "RegisterFutureReceivable": "{exporter} registers what will arise from a contract, at most {cap}",
    "Crystallise": "{exporter} invoices {amount} under the contract {receivable}",
    "AttestEvidence": "{attester} says what it saw of the papers of {receivable}",
    "ConfirmTacitly": "{holder} states that the debtor of {receivable} has been silent",
    "RejectReceivable": "{debtor} owes nothing of {receivable}",
    "RecordCreditNote": "{exporter} has credited the debtor of {receivable}",
    "CorrectReceivable": "{exporter} corrects {receivable}",
    "Confirm": "{debtor} owes {amount} on {receivable}",
    "RaiseDispute": "{debtor} disputes {amount} of {receivable}",
    "ResolveDispute": "a dispute on {receivable} ends, {freed} are owed after all",
    "CancelReceivable": "{exporter} withdraws {receivable}",
    "OfferAssignment": "{assignor} offers {assignee} {amount} of {receivable}",
    "WithdrawOffer": "{assignor} takes back its offer {offer}",
    "AcceptAssignment": "{assignee} takes what it was offered of {receivable}",
    "Assign": "{assignor} assigns {amount} of {receivable} to {assignee}",
    "Reassign": "{holder} gives {amount} of {receivable} back to {prior_assignor}",
    "AssignBlanket": "whatever {assignor} registers is {assignee}'s at once",
    "NotifyDebtor": "{holder} tells the debtor of {receivable} to pay it",
    "AcknowledgeNotice": "{debtor} will pay {holder} for {receivable}",
    "Pledge": "{pledgor} pledges {amount} of {receivable} to {pledgee}",
    "ReleasePledge": "{pledgee} gives up its lien {lien}",
    "RenewPledge": "{pledgee} prolongs its lien {lien}",
    "EnforcePledge": "{pledgee} takes over {amount} of {receivable}",
    "SetCollectionAccount": "the debtor of {receivable} is to pay to another account",
    "RecordPayment": "{holder} was paid {amount} on {receivable}",
    "ReportIndirectPayment": "the exporter was paid {amount} of {receivable} that was due to {holder}",
    "ReversePayment": "a payment on {receivable} did not stand",
    "DeclareDefault": "the debtor of {receivable} has not paid in time",
    "Settle": "{receivable} is closed",
    "BindCover": "{insurer} covers {amount} of the part of {insured} in {receivable}",
    "AlterCover": "the cover {cover} of {insurer} is now {amount}",
    "EndCover": "{insured} gives up its cover {cover}",
    "ClaimCover": "{insurer} has paid {insured} {amount} for {receivable}, and has as much of it",
    "CreatePool": "{exporter} and {factor} agree on a pool",
    "AddToPool": "{exporter} adds receivables to the pool {pool} of {factor}",
    "RemoveFromPool": "{exporter} takes receivables out of the pool {pool} of {factor}",
    "SubstituteInPool": "{exporter} puts other receivables into the pool {pool} of {factor}",
    "DrawPool": "{exporter} draws {amount} on the pool {pool} of {factor}",
    "RepayPool": "{factor} was repaid {amount} on the pool {pool}",
    "RaiseObjection": "{objector} objects to what is done with {receivable}",
    "WithdrawObjection": "the objection of {objector} to {receivable} ends",
    "Freeze": "{court} freezes {receivable}",
    "Unfreeze": "{court} lifts a freeze of {receivable}",
    "ReverseByJudgment": "{court} undoes by judgment what was done with {receivable}",
    "LinkExternalRegistration": "{factor} names its statutory registration of {receivable}",
    "LinkSearch": "{factor} names its search of the statutory register about {receivable}",
}


@dataclass(frozen=True, slots=True)
class Glossary:
    """What a reader calls members, and in which currency a receivable or pool is; what is not in it is told by its id."""

    names: Mapping[str, str] = field(default_factory=dict)
    currencies: Mapping[bytes, str] = field(default_factory=dict)


def sentence_of(operation: Operation, glossary: Glossary) -> str:
    """The operation in one sentence."""
    kind = TYPE_BY_CLASS[type(operation)]
    told = dict(_told(operation, _Telling(glossary, currency_of(operation, glossary), is_brief=True)))
    return SENTENCES.get(kind.name, kind.name).format_map(told)


def facts_of(operation: Operation, glossary: Glossary) -> list[tuple[str, str]]:
    """Every field of the operation in words, in the order in which it is signed."""
    return _told(operation, _Telling(glossary, currency_of(operation, glossary)))


def _told(operation: Operation, telling: _Telling) -> list[tuple[str, str]]:
    fields = TYPE_BY_CLASS[type(operation)].shape.fields
    return [(name, telling.tell(shape, getattr(operation, name))) for name, shape in fields]


def currency_of(operation: Operation, glossary: Glossary) -> str | None:
    """In which currency its amounts are, where the operation or the receivable or pool that it names says so."""
    stated: str | None = getattr(operation, "currency", None)
    if stated is not None:
        return stated
    named = (getattr(operation, name, b"") for name in ("receivable", "pool"))
    return next((glossary.currencies[each] for each in named if each in glossary.currencies), None)


@dataclass(frozen=True, slots=True)
class Sum:
    """Operations of one type between the same members, and what their amounts come to."""

    operation: str
    members: tuple[str, ...]
    count: int
    amount: int
    currency: str | None


def sums_of(operations: Sequence[Operation], glossary: Glossary) -> list[Sum]:
    """A large entry in few lines: by type, members and currency, in the order of their first operation."""
    found: dict[tuple[str, tuple[str, ...], str | None], tuple[int, int]] = {}
    for operation in operations:
        kind = TYPE_BY_CLASS[type(operation)]
        fields = [(shape, getattr(operation, name)) for name, shape in kind.shape.fields]
        members = tuple(glossary.names.get(value, value) for shape, value in fields if shape is MEMBER_ID)
        key = (kind.name, members, currency_of(operation, glossary))
        count, amount = found.get(key, (0, 0))
        # The first amount is what it is about; a further one is a limit.
        found[key] = (count + 1, amount + next((value for shape, value in fields if shape is AMOUNT), 0))
    return [
        Sum(name, members, count, amount, currency)
        for (name, members, currency), (count, amount) in found.items()
    ]


def amount_in_words(amount: int, currency: str | None) -> str:
    return f"{amount} minor units" if currency is None else show_amount(amount, currency)


@dataclass(frozen=True, slots=True)
class _Telling:
    glossary: Glossary
    currency: str | None
    is_brief: bool = False
    """Members by their names alone."""

    def tell(self, shape: Shape[Any], value: Any) -> str:
        """One value, by the shape that it is signed in."""
        if shape is AMOUNT:
            return amount_in_words(value, self.currency)
        if shape is MEMBER_ID:
            name = self.glossary.names.get(value)
            return value if name is None else name if self.is_brief else f"{name} ({value})"
        if shape is DAY:
            return date_of(value).isoformat()
        if shape is TIME_MS:
            return moment_in_words(value)
        match shape:
            case Flag():
                return "yes" if value else "no"
            case Choice():
                return _word(value)
            case Optional_(item=item):
                return "none" if value is None else self.tell(item, value)
            case Items(item=item):
                return ", ".join(self.tell(item, each) for each in value) or "none"
            case AnyEffect():
                return self.tell(shape.shape_of(value), value)
            case Struct(fields=fields):
                inside = replace(self, currency=getattr(value, "currency", self.currency))
                told = (
                    f"{_spaced(name)} {inside.tell(inner, getattr(value, name))}" for name, inner in fields
                )
                return f"[{'; '.join(told)}]"
            case Bytes(size=size) if size == ID_BYTES and shape is not HASH and shape is not PUBLIC_KEY:
                return show_id(value)
            case _:
                return value.hex() if isinstance(value, bytes) else str(value)


def moment_in_words(time_ms: int) -> str:
    return datetime.datetime.fromtimestamp(time_ms / 1_000, datetime.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _word(choice: IntEnum) -> str:
    return _spaced(choice.name.lower())


def _spaced(name: str) -> str:
    return name.replace("_", " ")
