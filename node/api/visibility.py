"""Who may see the whole record of a receivable or a pool: its parties, its debtor, and those who watch over all.

One rule for every call that shows more than the public summary. Source: RULEBOOK, "Who sees what".
"""

from __future__ import annotations

from registry.member import Member
from registry.operations.governance import Role
from registry.pools import Pool
from registry.receivable import Receivable

READERS_OF_ALL = frozenset({Role.ASSOCIATION, Role.AUDITOR, Role.COURT})


def reads_all(member: Member) -> bool:
    """Whether the member's roles open every record."""
    return not READERS_OF_ALL.isdisjoint(member.roles)


def may_see(member: Member, record: Receivable) -> bool:
    """Whether this record is for the member."""
    return (
        member.member_id in record.parties()
        or (member.debtor_reference is not None and member.debtor_reference == record.debtor_reference)
        or reads_all(member)
    )


def may_see_pool(member: Member, pool: Pool) -> bool:
    """Whether this pool is for the member."""
    return member.member_id in (pool.exporter, pool.factor) or reads_all(member)
