"""Where a receivable is paid, and what was paid past that: the collection account and the indirect payments.

The account stands as a salted commitment; the debtor is shown the account itself outside the chain. A change waits out the
policy's cooling-off before it takes effect, so that a holder whose key was stolen, and the debtor, see it coming. An indirect
payment (the debtor paid the exporter although it had acknowledged a holder's notice) stays open until the exporter has turned
it over. It does not make the receivable smaller: the debtor is not discharged by it. Source: Civil Code art. 546.
Leaves to others: who may change the account (`registry.rules.account`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from .. import limits
from ..codec import Items, Optional_, Struct
from ..errors import Reference
from ..operations.fields import AMOUNT, HASH, MEMBER_ID, REFERENCE, TIME_MS


@dataclass(frozen=True, slots=True)
class Account:
    """A commitment to an account, from block time `from_ms` on."""

    commitment: bytes
    from_ms: int
    place: Reference


@dataclass(frozen=True, slots=True)
class IndirectPayment:
    """`amount` was due to `holder` and the exporter has it."""

    bank_reference: bytes
    holder: str
    amount: int
    place: Reference


@dataclass(frozen=True, slots=True)
class Collection:
    account: Account | None
    pending: Account | None
    indirect: tuple[IndirectPayment, ...]

    def ends_ms(self) -> Iterator[int]:
        """When a pending account takes effect."""
        if self.pending is not None:
            yield self.pending.from_ms

    def indirect_payment(self, bank_reference: bytes) -> IndirectPayment | None:
        return next((each for each in self.indirect if each.bank_reference == bank_reference), None)


NO_COLLECTION: Final = Collection(None, None, ())


def with_account(collection: Collection, account: Account, time_ms: int) -> Collection:
    """The next account: a later one takes the place of one that still waits, and waits itself unless its time has come."""
    return at_time(replace(collection, pending=account), time_ms)


def without_pending(collection: Collection) -> Collection:
    """The collection when nobody waits for another account any more."""
    return replace(collection, pending=None)


def at_time(collection: Collection, time_ms: int) -> Collection:
    """The collection at block time `time_ms`: an account whose cooling-off is over takes effect."""
    pending = collection.pending
    if pending is None or pending.from_ms > time_ms:
        return collection
    return replace(collection, account=pending, pending=None)


def with_indirect(collection: Collection, payment: IndirectPayment) -> Collection:
    return replace(collection, indirect=(*collection.indirect, payment))


def turned_over(collection: Collection, bank_reference: bytes) -> Collection:
    """The collection after an indirect payment has reached the holder it was due to."""
    indirect = tuple(each for each in collection.indirect if each.bank_reference != bank_reference)
    return replace(collection, indirect=indirect)


_ACCOUNT: Final = Struct(Account, {"commitment": HASH, "from_ms": TIME_MS, "place": REFERENCE})
COLLECTION: Final = Struct(
    Collection,
    {
        "account": Optional_(_ACCOUNT),
        "pending": Optional_(_ACCOUNT),
        "indirect": Items(
            Struct(
                IndirectPayment,
                {"bank_reference": HASH, "holder": MEMBER_ID, "amount": AMOUNT, "place": REFERENCE},
            ),
            limits.INDIRECT_PAYMENTS_MAX,
        ),
    },
)
