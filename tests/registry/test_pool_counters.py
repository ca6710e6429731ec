"""The counters of pools against a recount of all members, whatever happens to them; and what a change of a pool counts as.

`Consortium.check`, after every block, recounts each pool from the records (`pool_oracle`): these tests make the blocks.
"""

from __future__ import annotations

from dataclasses import replace

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry import limits
from registry.codec import pack
from registry.entry import Mode, decode_body, encode_body
from registry.errors import BlockInvalid, Code, EntryRefused, InvariantViolation, MalformedEntry
from registry.operations import Operation, receivables_of, total_weight, weight
from registry.operations.pool import Addition
from registry.pools import DebtorShare, follow, secured, shortfall
from registry.record.pooled import Pooled
from registry.stored import Namespace
from tests.registry.collection_examples import frozen, objection, unfrozen, withdrawal_of
from tests.registry.consortium import (
    DAY_MS,
    DEBTOR,
    DEBTOR_REFERENCE,
    EXPORTER,
    FACTOR_2,
    FINGERPRINT_KEY,
    OPEN_POLICY,
    OTHER_DEBTOR,
    OTHER_DEBTOR_REFERENCE,
    START_DAY,
    Consortium,
    checked,
    confirmation,
    dispute,
    found,
    payment,
    release,
    resolution,
    settlement,
)
from tests.registry.existence_examples import credit, rejection
from tests.registry.pool_examples import (
    OF_ONE_DEBTOR,
    adding,
    drawing,
    filled,
    pooled,
    present,
    removing,
    repaying,
    substituting,
)

DEBTORS = {DEBTOR: DEBTOR_REFERENCE, OTHER_DEBTOR: OTHER_DEBTOR_REFERENCE}
MEMBERS = 4
STEPS = st.lists(
    st.tuples(st.integers(0, 15), st.integers(0, MEMBERS - 1), st.integers(1, 6_000)), min_size=1, max_size=14
)


def operation_of(
    consortium: Consortium, pools: list[bytes], receivables: list[bytes], step: tuple[int, int, int]
) -> Operation:
    """One of sixteen things that can happen to a receivable, its pool or both; allowed or not."""
    kind, which, amount = step
    receivable = receivables[which]
    debtor = DEBTOR if which % 2 == 0 else OTHER_DEBTOR
    other = receivables[(which + 1) % MEMBERS]
    pool = pools[amount % 2]
    record = consortium.record(receivable)
    lien = record.liens[0].lien_id if record.liens else bytes(32)
    made: tuple[Operation, ...] = (
        adding(consortium, pool, receivable, other),
        adding(consortium, pool, receivable),
        removing(pool, receivable),
        substituting(consortium, pool, [receivable], [other]),
        drawing(pool, amount),
        repaying(pool, amount),
        payment(receivable, amount, reference=f"{len(consortium.blocks)}"),
        dispute(receivable, amount, debtor),
        resolution(receivable, freed=record.disputed, debtor=debtor),
        confirmation(receivable, min(10_000, 2 * amount), debtor),
        credit(receivable, (EXPORTER, amount), number=f"CN-{len(consortium.blocks)}"),
        frozen(receivable) if amount % 3 else unfrozen(receivable),
        objection(receivable, debtor) if amount % 3 else withdrawal_of(receivable, debtor),
        consortium.pledging(receivable, amount, FACTOR_2)
        if amount % 2
        else release(receivable, lien, FACTOR_2),
        settlement(receivable, write_off=amount % 2 == 0),
        rejection(receivable, debtor)
        if amount < 500
        else consortium.assignment(receivable, amount, FACTOR_2),
    )
    return made[kind]


@settings(max_examples=60, deadline=None)
@given(steps=STEPS, confirmed=st.booleans(), days=st.lists(st.integers(0, 60), max_size=3))
def test_the_counters_are_a_recount_whatever_happens(
    steps: list[tuple[int, int, int]], confirmed: bool, days: list[int]
) -> None:
    consortium = found(OPEN_POLICY)
    terms = replace(OF_ONE_DEBTOR, confirmation_required=confirmed, past_due_days_max=5)
    pools = [pooled(consortium, OF_ONE_DEBTOR), pooled(consortium, terms)]
    receivables = [
        consortium.registered(debtor_reference=list(DEBTORS.values())[number % 2], due_date=START_DAY + 30)
        for number in range(MEMBERS)
    ]
    consortium.do(adding(consortium, pools[0], *receivables[:2]))
    for number, step in enumerate(steps):
        consortium.do(operation_of(consortium, pools, receivables, step))
        if number < len(days) and days[number]:
            consortium.pass_time(consortium.tip.time_ms + days[number] * DAY_MS)
    for identifier in pools:
        pool = present(consortium, identifier)
        assert pool.drawn >= 0
        assert shortfall(pool) == max(0, pool.drawn - secured(pool))


def test_rolling_back_gives_the_counters_back(consortium: Consortium) -> None:
    pool, (member,) = filled(consortium)
    state = consortium.working()
    before, mark = state.pool(pool), state.savepoint()
    record = state.receivable(member)
    assert record is not None
    state.put(Namespace.RECEIVABLE, member, replace(record, pool=None))
    changed = state.pool(pool)
    assert changed is not None
    assert changed.shares == ()
    state.roll_back(mark)
    assert state.pool(pool) == before


def test_a_membership_of_no_pool_is_our_own_bug(consortium: Consortium) -> None:
    receivable = consortium.registered()
    record = consortium.record(receivable)
    nowhere = Pooled(bytes(32), FACTOR_2, 0, is_past_due=False, place=record.place)
    with pytest.raises(InvariantViolation, match="no pool"):
        consortium.working().put(Namespace.RECEIVABLE, receivable, replace(record, pool=nowhere))


def test_a_write_of_what_is_no_member_changes_nothing(consortium: Consortium) -> None:
    pool, (member,) = filled(consortium)
    stands = present(consortium, pool)
    outside = consortium.record(consortium.registered())
    assert follow(stands, None, outside) is stands
    assert follow(stands, outside, outside) is stands
    inside = consortium.record(member)
    assert follow(stands, inside, inside) is stands


def test_a_pool_has_a_bounded_number_of_debtors(consortium: Consortium) -> None:
    pool, (member,) = filled(consortium)
    others = tuple(
        DebtorShare(FINGERPRINT_KEY.debtor(f"DE:HRB{number}"), 1, 1)
        for number in range(limits.POOL_DEBTORS_MAX - 1)
    )

    def crowd(shares: tuple[DebtorShare, ...]) -> None:
        state = consortium.working()
        kept = present(consortium, pool).share_of(consortium.record(member).debtor_reference)
        ordered = tuple(sorted((*shares, kept), key=lambda share: share.debtor_reference))
        state.put(Namespace.POOL, pool, replace(present(consortium, pool), shares=ordered))
        delta, _root = state.finish()
        consortium.state.apply(delta)

    newcomer, known = (
        consortium.registered(debtor_reference=OTHER_DEBTOR_REFERENCE),
        consortium.registered(),
    )
    crowd(others)
    # Not through blocks: the recount after each of them does not know of the debtors put there by hand.
    for receivable, code in ((newcomer, Code.LIMIT_REACHED), (known, Code.OK)):
        execution = consortium.execution()
        entry = checked(consortium.entry(adding(consortium, pool, receivable)))
        assert execution.apply(entry).results[0].code is code
    crowd(others[:-1])
    execution = consortium.execution()
    assert (
        execution.apply(checked(consortium.entry(adding(consortium, pool, newcomer)))).results[0].code
        is Code.OK
    )


def test_amounts_beyond_what_a_receipt_holds_do_not_stop_anybody(consortium: Consortium) -> None:
    pool = pooled(consortium, OF_ONE_DEBTOR)
    huge = [consortium.registered(amount=limits.AMOUNT_MAX) for _ in range(2)]
    assert consortium.code(adding(consortium, pool, *huge)) is Code.OK
    assert present(consortium, pool).base == 2 * limits.AMOUNT_MAX
    for _ in range(2):
        assert consortium.code(drawing(pool, limits.AMOUNT_MAX * 3 // 4)) is Code.OK
    refused = consortium.result(drawing(pool, limits.AMOUNT_MAX))
    assert refused.code is Code.SHORTFALL
    assert {reason.amount for reason in refused.reasons} == {limits.AMOUNT_MAX}


def test_one_block_notes_a_bounded_number_of_due_dates(
    consortium: Consortium, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool, _members = filled(consortium, members=3)
    monkeypatch.setattr(limits, "EXPIRIES_PER_BLOCK_MAX", 2)
    late_ms = (START_DAY + 91) * DAY_MS
    bases = []
    for block in range(2):
        consortium.pass_time(late_ms + block)
        bases.append(present(consortium, pool).base)
    assert bases == [10_000, 0]


# --- what a change counts as


def a_change(count: int) -> Operation:
    return replace(REMOVAL, removals=tuple(number.to_bytes(32, "big") for number in range(count)))


REMOVAL = removing(bytes(32), bytes(32))


def test_a_change_counts_as_the_receivables_it_names(consortium: Consortium) -> None:
    additions = (Addition(b"a" * 32, bytes(32)), Addition(b"b" * 32, bytes(32)))
    substitute = substituting(consortium, bytes(32), [b"c" * 32], [])
    change = replace(substitute, additions=additions)
    assert receivables_of(change) == (b"c" * 32, b"a" * 32, b"b" * 32)
    assert weight(change) == 3
    assert weight(drawing(bytes(32), 1)) == 1
    assert weight(release(b"r" * 32, bytes(32))) == 1
    assert receivables_of(release(b"r" * 32, bytes(32))) == (b"r" * 32,)
    assert receivables_of(consortium.registration("A")) == ()
    assert total_weight((change, drawing(bytes(32), 1))) == 4


@pytest.mark.parametrize(("count", "is_whole"), [(0, False), (1, True), (200, True), (201, False)])
def test_one_change_names_a_bounded_number_of_receivables(
    consortium: Consortium, count: int, is_whole: bool
) -> None:
    body = consortium.body(a_change(count), by=EXPORTER)
    if is_whole:
        assert decode_body(encode_body(body)) == body
        return
    with pytest.raises(MalformedEntry, match="removals"):
        encode_body(body)


def test_an_entry_counts_the_receivables_that_its_changes_name(consortium: Consortium) -> None:
    full = consortium.body(*[a_change(200)] * 5, by=EXPORTER)
    assert decode_body(encode_body(full)) == full
    beyond = replace(full, operations=(*full.operations, drawing(bytes(32), 1)))
    with pytest.raises(MalformedEntry, match="1001 receivables"):
        encode_body(beyond)
    # Nor does one get in that was packed by other software.
    raw = encode_body(full)
    operation = encode_body(consortium.body(drawing(bytes(32), 1), by=EXPORTER))
    assert decode_body(operation).operations == (drawing(bytes(32), 1),)
    with pytest.raises(MalformedEntry, match="1001 receivables"):
        decode_body(with_operations_of(raw, operation))


def with_operations_of(first: bytes, second: bytes) -> bytes:
    """The first body with the operations of both."""
    left, right = msgpack.unpackb(first, use_list=False), msgpack.unpackb(second, use_list=False)
    return pack((*left[:-1], (*left[-1], *right[-1])))


def test_a_block_counts_the_receivables_that_its_changes_name(consortium: Consortium) -> None:
    raws = [consortium.entry(*[a_change(200)] * 5, mode=Mode.INDEPENDENT) for _ in range(10)]
    block = consortium.propose(raws)
    consortium.judge(block)
    extra = consortium.propose([*raws, consortium.entry(drawing(bytes(32), 1))])
    with pytest.raises(BlockInvalid, match="more than 10000 operations"):
        consortium.judge(extra)


def test_a_days_quota_counts_the_receivables_that_changes_name() -> None:
    consortium = found(replace(OPEN_POLICY, operations_per_day_max=10))
    consortium.do(a_change(9))
    with pytest.raises(EntryRefused) as refusal:
        consortium.do(a_change(2))
    assert refusal.value.code is Code.QUOTA
    consortium.do(a_change(1))
