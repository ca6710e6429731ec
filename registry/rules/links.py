"""Rules of links to the statutory register (RULEBOOK, "Restraint and correction by authority", and "External links")."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from .. import limits
from ..errors import Code, RuleViolation
from ..identifiers import ID_BYTES
from ..operations.governance import Role
from ..operations.links import LinkExternalRegistration, LinkSearch
from ..record.links import Link, with_link
from .judgement import Judgement, Party, Rule, known_receivable

_EMPTY: Final = bytes(ID_BYTES)


def link_external_registration(judgement: Judgement, operation: LinkExternalRegistration) -> bytes:
    """The factor's latest registration there. Order: the receivable, the factor's part in it, the form."""
    return _linked(judgement, operation, operation.registered_ms, operation.until_ms)


def link_search(judgement: Judgement, operation: LinkSearch) -> bytes:
    """The factor's latest search there. Order: the receivable, the factor's part in it, the form."""
    return _linked(judgement, operation, operation.searched_ms, None)


def _linked(
    judgement: Judgement,
    operation: LinkExternalRegistration | LinkSearch,
    at_ms: int,
    until_ms: int | None,
) -> bytes:
    record = known_receivable(judgement, operation.receivable)
    if operation.factor not in record.parties():
        raise RuleViolation(
            Code.NOT_HOLDER,
            f"{operation.factor} has no part, lien or offer of it",
            collided_with=record.place,
        )
    faults = (
        (_EMPTY in (operation.number, operation.registrant), "the number or the registrant's name is empty"),
        (at_ms > judgement.time_ms, "it is of the future"),
        (until_ms is not None and until_ms <= at_ms, "it ends before it begins"),
    )
    for applies, fault in faults:
        if applies:
            raise RuleViolation(Code.BAD_FORMAT, fault, collided_with=record.place)
    link = Link(
        factor=operation.factor,
        number=operation.number,
        at_ms=at_ms,
        until_ms=until_ms,
        registrant=operation.registrant,
        place=judgement.place(record.receivable_id),
    )
    links = with_link(record.links, link)
    if len(links) > limits.LINKS_MAX:
        raise RuleViolation(Code.LIMIT_REACHED, f"a receivable has at most {limits.LINKS_MAX} links")
    return judgement.store(replace(record, links=links, changed_height=judgement.height))


def _factor(operation: LinkExternalRegistration | LinkSearch) -> tuple[Party, ...]:
    return (Party(operation.factor, (Role.FACTOR,)),)


RULES: Final = (
    Rule(LinkExternalRegistration, _factor, link_external_registration),
    Rule(LinkSearch, _factor, link_search),
)
