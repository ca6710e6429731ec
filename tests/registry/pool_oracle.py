"""What a pool must count, worked out from the records of all receivables; so that tests do not ask the code under test."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from registry.operations.pool import PoolTerms
from registry.pools import DebtorShare, Pool
from registry.receivable import Receivable


def free_of_claims(record: Receivable) -> int:
    """What of the exporter's part nothing but a pool takes, written down a second time."""
    if record.phase.name != "LIVE" or record.confirmation.kind.name == "REJECTED":
        return 0
    if record.restraints.freezes or any(not each.ended for each in record.restraints.objections):
        return 0
    if any(each.voided for each in record.attestations):
        return 0
    held = sum(part.amount - part.disputed for part in record.parts if part.holder == record.exporter)
    held -= sum(
        lien.amount for lien in record.liens if lien.pledgor == record.exporter and lien.behind is None
    )
    held -= sum(offer.amount for offer in record.reservations if offer.assignor == record.exporter)
    return max(0, held)


def worth(record: Receivable, terms: PoolTerms) -> int:
    """What a member counts for, written down a second time so that the tests do not ask the code under test."""
    assert record.pool is not None
    if record.pool.is_past_due or record.due_date - record.issue_date > terms.tenor_days_max:
        return 0
    amount = free_of_claims(record)
    if terms.confirmation_required:
        others = sum(part.amount for part in record.parts if part.holder != record.exporter)
        others += sum(
            lien.amount for lien in record.liens if lien.pledgor == record.exporter and lien.behind is None
        )
        amount = min(amount, max(0, record.confirmation.amount - others))
    return amount


def shares_of(pool: Pool, records: Iterable[Receivable]) -> tuple[DebtorShare, ...]:
    """The pool's shares as they follow from the records of all receivables."""
    members: defaultdict[bytes, list[int]] = defaultdict(list)
    for record in records:
        if record.pool is not None and record.pool.pool_id == pool.pool_id:
            members[record.debtor_reference].append(worth(record, pool.terms))
    return tuple(DebtorShare(debtor, len(each), sum(each)) for debtor, each in sorted(members.items()))
