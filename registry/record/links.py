"""Links from one receivable to the statutory register: registrations and searches there, as its factors report them.

A registration here is evidence and priority between members; it does not replace the statutory one. So a factor can say under
which number, when, until when and in whose name it has registered there, and when it has searched. Number and name stand as
salted commitments. Of each factor the latest registration and the latest search are kept; the chain has the earlier ones.
Source: central bank measures on registration and search; RULEBOOK, "State of one receivable".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .. import limits
from ..codec import Items, Optional_, Struct
from ..errors import Reference
from ..operations.fields import HASH, MEMBER_ID, REFERENCE, TIME_MS


@dataclass(frozen=True, slots=True)
class Link:
    """`until_ms` None: a search, which holds for the moment it was made at."""

    factor: str
    number: bytes
    at_ms: int
    until_ms: int | None
    registrant: bytes
    place: Reference

    @property
    def is_search(self) -> bool:
        return self.until_ms is None


def with_link(links: tuple[Link, ...], link: Link) -> tuple[Link, ...]:
    """The links after one was reported: it takes the place of the factor's earlier one of its kind."""
    others = tuple(each for each in links if (each.factor, each.is_search) != (link.factor, link.is_search))
    return (*others, link)


LINKS: Final = Items(
    Struct(
        Link,
        {
            "factor": MEMBER_ID,
            "number": HASH,
            "at_ms": TIME_MS,
            "until_ms": Optional_(TIME_MS),
            "registrant": HASH,
            "place": REFERENCE,
        },
    ),
    limits.LINKS_MAX,
)
