"""What became of an entry: one result per operation, provable through the header's receipts_root."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from . import limits
from .codec import Blob, Bytes, Choice, Items, Optional_, Struct, Text, Uint, pack, unpack
from .errors import Code, MalformedEntry, Reason, Reference
from .receivable import REFERENCE

RECEIPT_VERSION: Final = 1
SUBJECT_BYTES_MAX: Final = limits.MEMBER_ID_CHARS_MAX
RECEIPT_BYTES_MAX: Final = 1 << 20


class Outcome(IntEnum):
    APPLIED = 0
    REFUSED = 1
    PARTLY = 2  # an independent entry of which some operations were refused


@dataclass(frozen=True, slots=True)
class Result:
    """OK with the subject (receivable id, or member id in ASCII), or a refusal with what it collided with and why."""

    code: Code
    subject: bytes
    collided_with: Reference | None
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Receipt:
    """`failed_operation` is the index of the first operation that failed in an atomic entry."""

    version: int
    height: int
    entry_index: int
    entry_id: bytes
    outcome: Outcome
    failed_operation: int | None
    results: tuple[Result, ...]


class _CodeText:
    def decode(self, raw: object, path: str) -> Code:
        try:
            return Code(_CODE_TEXT.decode(raw, path))
        except ValueError as error:
            raise MalformedEntry(f"unknown code {raw!r}", path=path) from error

    def encode(self, value: Code, path: str) -> str:
        return value.value


_CODE_TEXT: Final = Text(40)
_RESULT: Final = Struct(
    Result,
    {
        "code": _CodeText(),
        "subject": Blob(SUBJECT_BYTES_MAX),
        "collided_with": Optional_(REFERENCE),
        "reasons": Items(Struct(Reason, {"word": Text(40), "amount": Uint()}), 8),
    },
)
_RECEIPT: Final = Struct(
    Receipt,
    {
        "version": Uint(RECEIPT_VERSION, RECEIPT_VERSION),
        "height": Uint(limits.HEIGHT_MAX),
        "entry_index": Uint(limits.BLOCK_ENTRIES_MAX),
        "entry_id": Bytes(32),
        "outcome": Choice(Outcome),
        "failed_operation": Optional_(Uint(limits.OPERATIONS_MAX)),
        "results": Items(_RESULT, limits.OPERATIONS_MAX, 1),
    },
)


def encode_receipt(receipt: Receipt) -> bytes:
    return pack(_RECEIPT.encode(receipt, "receipt"))


def decode_receipt(raw: bytes) -> Receipt:
    """Raises MalformedEntry."""
    return _RECEIPT.decode(unpack(raw, RECEIPT_BYTES_MAX), "receipt")
