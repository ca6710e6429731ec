"""An alert as bytes, for who keeps what was raised. Derived data: the version is the shape's, and another one is derived anew."""

from __future__ import annotations

from typing import Final

from .. import limits
from ..codec import Blob, Items, Optional_, Struct, Text, Uint, pack, read
from ..errors import MalformedEntry, StoreCorrupt
from ..operations.fields import AMOUNT, HASH, MEMBER_ID, REFERENCE
from .alerts import Alert, AlertKind

VERSION: Final = 1
DETAIL_CHARS_MAX: Final = 200  # the longest is a member and a bank reference in hexadecimal
PARTIES_MAX: Final = 1_000  # holders, former holders, lienholders and their like of two receivables
ALERT_BYTES_MAX: Final = 1 << 20  # the parties take 64 KiB at most


class _KindText:
    def decode(self, raw: object, path: str) -> AlertKind:
        try:
            return AlertKind(_KIND.decode(raw, path))
        except ValueError as error:
            raise MalformedEntry(f"unknown alert {raw!r}", path=path) from error

    def encode(self, value: AlertKind, path: str) -> str:
        return value.value


_KIND: Final = Text(40)
ALERT: Final = Struct(
    Alert,
    {
        "kind": _KindText(),
        "height": Uint(limits.HEIGHT_MAX),
        "entry_index": Optional_(Uint(limits.BLOCK_ENTRIES_MAX)),
        "operation_index": Optional_(Uint(limits.OPERATIONS_MAX)),
        "subject": Blob(32),
        "parties": Items(MEMBER_ID, PARTIES_MAX),
        "debtor_reference": Optional_(HASH),
        "currency": Text(3, 0),
        "amount": AMOUNT,
        "detail": Text(DETAIL_CHARS_MAX),
        "reference": Optional_(REFERENCE),
    },
)


def encode_alert(alert: Alert) -> bytes:
    return pack(ALERT.encode(alert, "alert"))


def decode_alert(raw: bytes) -> Alert:
    """Raises StoreCorrupt."""
    try:
        alert: Alert = read(ALERT, raw, ALERT_BYTES_MAX, "alert")
    except MalformedEntry as error:
        raise StoreCorrupt(f"a kept alert does not read back: {error.message}") from error
    return alert
