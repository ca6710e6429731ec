"""A second, simple account of pools beside the replay: what was drawn on each, and what its members are worth.

What is drawn is added up from the operations; members and shares from the records as they are in the end. A counter that a rule
forgot to follow would let more be drawn than the members carry, and shows here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from registry.operations import CreatePool, DrawPool, Operation, RepayPool
from registry.pools import DebtorShare, Pool, eligible
from registry.receivable import Receivable
from registry.state import MemoryState
from registry.stored import Namespace, decode_value, state_key


class PoolAccount:
    """What all pools of a chain should be."""

    __slots__ = ("_drawn", "_members")

    def __init__(self) -> None:
        self._drawn: Counter[bytes] = Counter()
        self._members: defaultdict[bytes, list[bytes]] = defaultdict(list)

    def add(self, operation: Operation, subject: bytes) -> None:
        """Count an operation that was applied; `subject` is its result's."""
        match operation:
            case CreatePool():
                self._drawn[subject] = 0
            case DrawPool(pool=pool, amount=amount):
                self._drawn[pool] += amount
            case RepayPool(pool=pool, amount=amount):
                self._drawn[pool] -= amount
            case _:
                pass

    def add_member(self, pool_id: bytes, receivable_id: bytes) -> None:
        """Count a receivable whose record, in the end, says that it stands in the pool."""
        self._members[pool_id].append(receivable_id)

    def problems(self, state: MemoryState) -> Iterator[tuple[bytes, str, object, object]]:
        """Pool id, what is wrong, what was expected, what was found."""
        for pool_id, drawn in self._drawn.items():
            stored = state.value(state_key(Namespace.POOL, pool_id))
            if stored is None:
                yield pool_id, "a pool is not in the state", drawn, None
                continue
            pool: Pool = decode_value(Namespace.POOL, stored)
            if pool.drawn != drawn:
                yield pool_id, "what is drawn on a pool is not what its entries add up to", drawn, pool.drawn
            shares = self._shares_of(state, pool)
            if pool.shares != shares:
                yield pool_id, "the base of a pool is not what its members are worth", shares, pool.shares
        for pool_id in sorted(self._members.keys() - self._drawn.keys()):
            yield pool_id, "a receivable stands in a pool that was never agreed", None, None

    def _shares_of(self, state: MemoryState, pool: Pool) -> tuple[DebtorShare, ...]:
        worths: defaultdict[bytes, list[int]] = defaultdict(list)
        for receivable_id in self._members[pool.pool_id]:
            stored = state.value(state_key(Namespace.RECEIVABLE, receivable_id))
            assert stored is not None, "its record was read a moment ago"
            record: Receivable = decode_value(Namespace.RECEIVABLE, stored)
            worths[record.debtor_reference].append(eligible(record, pool.terms).amount)
        return tuple(DebtorShare(debtor, len(each), sum(each)) for debtor, each in sorted(worths.items()))
