"""The shapes that operations share, and the row that makes a dataclass an operation type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from .. import limits
from ..codec import Bytes, Items, Struct, Text, Uint
from ..errors import Reference
from ..identifiers import ID_BYTES
from ..policy import CURRENCY as CURRENCY
from ..signing import SIGNATURE_BYTES


@dataclass(frozen=True, slots=True)
class OperationType:
    """`code` is what is signed and never changes; `name` is what receipts, logs and the command line say."""

    code: int
    name: str
    build: type[Any]
    shape: Struct[Any]


MEMBER_ID: Final = Text(limits.MEMBER_ID_CHARS_MAX)
RECEIVABLE_ID: Final = Bytes(ID_BYTES)
LIEN_ID: Final = Bytes(ID_BYTES)
OFFER_ID: Final = Bytes(ID_BYTES)
BLANKET_ID: Final = Bytes(ID_BYTES)
COVER_ID: Final = Bytes(ID_BYTES)
POOL_ID: Final = Bytes(ID_BYTES)
HASH: Final = Bytes(32)
PUBLIC_KEY: Final = Bytes(32)
SIGNATURE: Final = Bytes(SIGNATURE_BYTES)
AMOUNT: Final = Uint(
    limits.AMOUNT_MAX
)  # 0 passes here: AMOUNT_NOT_POSITIVE is a rule, so the attempt is on the record
DAY: Final = Uint(limits.DAY_MAX)
TIME_MS: Final = Uint(limits.TIME_MS_MAX)
SUSPICIONS: Final = Items(RECEIVABLE_ID, limits.SUSPICIONS_MAX, ascending=True)
MEMBERS: Final = Items(MEMBER_ID, limits.HOLDERS_MAX, 1, ascending=True)
# An empty one passes here: NO_ORDER is a rule, so the attempt is on the record.
CASE_NUMBER: Final = Text(limits.CASE_NUMBER_CHARS_MAX, 0)
REFERENCE: Final = Struct(
    Reference,
    {
        "subject": Bytes(32),
        "height": Uint(limits.HEIGHT_MAX),
        "entry_index": Uint(limits.BLOCK_ENTRIES_MAX),
        "operation_index": Uint(limits.OPERATIONS_MAX),
    },
)
