"""What a factor did at the statutory register about a receivable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..codec import Struct
from .fields import HASH, MEMBER_ID, RECEIVABLE_ID, TIME_MS, OperationType


@dataclass(frozen=True, slots=True)
class LinkExternalRegistration:
    """The factor registered there at `registered_ms`, until `until_ms`; number and registrant's name as salted commitments."""

    receivable: bytes
    factor: str
    number: bytes
    registered_ms: int
    until_ms: int
    registrant: bytes


@dataclass(frozen=True, slots=True)
class LinkSearch:
    """The factor searched there at `searched_ms` under a registrant's name; `number` is the certificate's."""

    receivable: bytes
    factor: str
    number: bytes
    searched_ms: int
    registrant: bytes


TYPES: Final = (
    OperationType(
        105,
        "LinkExternalRegistration",
        LinkExternalRegistration,
        Struct(
            LinkExternalRegistration,
            {
                "receivable": RECEIVABLE_ID,
                "factor": MEMBER_ID,
                "number": HASH,
                "registered_ms": TIME_MS,
                "until_ms": TIME_MS,
                "registrant": HASH,
            },
        ),
    ),
    OperationType(
        106,
        "LinkSearch",
        LinkSearch,
        Struct(
            LinkSearch,
            {
                "receivable": RECEIVABLE_ID,
                "factor": MEMBER_ID,
                "number": HASH,
                "searched_ms": TIME_MS,
                "registrant": HASH,
            },
        ),
    ),
)
