"""Two that want the same value in one block, one of them a pool: whoever stands first in the block has it."""

from __future__ import annotations

from itertools import permutations

import pytest

from registry.errors import Code
from tests.registry.consortium import EXPORTER, FACTOR_1, FACTOR_2, FACTOR_3, Consortium
from tests.registry.pool_examples import OF_ONE_DEBTOR, adding, drawing, pooled, present, repaying

FACTORS = (FACTOR_1, FACTOR_2, FACTOR_3)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_pool_a_pledge_and_an_assignment_of_the_same_receivable(
    consortium: Consortium, order: tuple[int, ...]
) -> None:
    receivable = consortium.registered()
    pool = pooled(consortium, OF_ONE_DEBTOR)
    wanted = (
        adding(consortium, pool, receivable),
        consortium.pledging(receivable, 10_000, FACTOR_2),
        consortium.assignment(receivable, 10_000, FACTOR_3),
    )
    committed = consortium.commit(*(consortium.entry(wanted[index], by=EXPORTER) for index in order))
    results = [receipt.results[0] for receipt in committed.receipts]
    assert [result.code for result in results].count(Code.OK) == 1
    assert results[0].code is Code.OK
    refused = {
        0: Code.INELIGIBLE,
        1: Code.DUPLICATE_PLEDGE,
        2: Code.NOT_HOLDER if order[0] == 2 else Code.PLEDGED,
    }
    for index, result in list(zip(order, results, strict=True))[1:]:
        assert result.code is refused[index]
    record = consortium.record(receivable)
    assert present(consortium, pool).base == (10_000 if order[0] == 0 else 0)
    assert (record.pool is not None, len(record.liens), record.amount_of(FACTOR_3)) == (
        order[0] == 0,
        order[0] == 1,
        10_000 if order[0] == 2 else 0,
    )


def test_three_pools_want_one_receivable_in_one_block(consortium: Consortium) -> None:
    receivable = consortium.registered()
    pools = [pooled(consortium, OF_ONE_DEBTOR, factor=factor) for factor in FACTORS]
    entries = [
        consortium.entry(adding(consortium, pool, receivable, factor=factor))
        for pool, factor in zip(pools, FACTORS, strict=True)
    ]
    committed = consortium.commit(*entries)
    first, *others = [receipt.results[0] for receipt in committed.receipts]
    assert first.code is Code.OK
    for refused in others:
        assert refused.code is Code.IN_OTHER_POOL
        assert refused.collided_with is not None
        assert (refused.collided_with.subject, refused.collided_with.entry_index) == (pools[0], 0)


def test_two_draws_in_one_block_do_not_pass_the_base_together(consortium: Consortium) -> None:
    pool = pooled(consortium, OF_ONE_DEBTOR)
    consortium.do(adding(consortium, pool, consortium.registered()))
    committed = consortium.commit(
        consortium.entry(drawing(pool, 5_000)),
        consortium.entry(drawing(pool, 5_000), by=FACTOR_1),
        consortium.entry(repaying(pool, 2_000)),
        consortium.entry(drawing(pool, 5_000)),
    )
    codes = [receipt.results[0].code for receipt in committed.receipts]
    assert codes == [Code.OK, Code.SHORTFALL, Code.OK, Code.OK]
    assert present(consortium, pool).drawn == 8_000
