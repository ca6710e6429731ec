"""apply_block: what an honest proposer builds is accepted by every other node, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest

from registry.block import Block, Header, decode_block, encode_block, entries_root, make_block
from registry.entry import Mode
from registry.errors import BlockInvalid, EntryRefused, InvariantViolation, StoreCorrupt
from registry.limits import BLOCK_OPERATIONS_MAX
from registry.merkle.log import tree_root
from registry.merkle.map import current_root
from registry.policy import ConfirmationPolicy
from registry.receipt import Outcome, decode_receipt
from registry.state import MemoryState, StateDelta
from registry.transition import apply_block, check_links, genesis_state, genesis_tip
from tests.registry.consortium import (
    OPEN_POLICY,
    START_MS,
    Consortium,
    checked,
    confirmation,
    found,
    payment,
    release,
    settlement,
)


def a_few_blocks(consortium: Consortium) -> None:
    first, second = consortium.registered("A"), consortium.registered("B")
    consortium.commit(
        consortium.entry(confirmation(first)),
        consortium.entry(consortium.assignment(first, 4_000)),
        consortium.entry(
            consortium.pledging(second, 5_000), consortium.registration("A"), mode=Mode.INDEPENDENT
        ),
    )
    consortium.commit(consortium.entry(payment(second, 7_000)), consortium.entry(settlement(second)))


def test_a_second_node_derives_the_same_from_the_bytes(consortium: Consortium) -> None:
    a_few_blocks(consortium)
    other = found()
    for committed in consortium.blocks:
        block = decode_block(committed.raw)
        result = other.judge(block)
        assert result == committed.result
        other.state.apply(result.delta)
        other.tip = other.tip.after(block)
    assert other.tip == consortium.tip
    assert other.state.stored_values() == consortium.state.stored_values()


def test_the_header_names_the_root_that_the_pages_have(consortium: Consortium) -> None:
    a_few_blocks(consortium)
    assert current_root(consortium.state) == consortium.blocks[-1].block.header.state_root


def test_the_first_block_joins_on_to_the_genesis(consortium: Consortium) -> None:
    header = consortium.commit().block.header
    assert header.height == 1
    assert header.parent_hash == header.chain_id == consortium.genesis.chain_id
    assert (header.history_size, header.history_root) == (0, tree_root(()))
    assert header.validators_hash == consortium.genesis.validators_hash()
    assert header.policy_hash == OPEN_POLICY.hash()


def test_the_history_is_the_tree_over_all_earlier_hashes(consortium: Consortium) -> None:
    hashes: list[bytes] = []
    for height in range(1, 10):
        header = consortium.commit().block.header
        assert (header.history_size, header.history_root) == (height - 1, tree_root(hashes))
        hashes.append(consortium.tip.block_hash)


def test_an_empty_block_changes_nothing_but_the_tip(consortium: Consortium) -> None:
    consortium.registered("A")
    root = consortium.blocks[-1].block.header.state_root
    committed = consortium.commit()
    assert committed.block.header.state_root == root
    assert committed.result.delta == StateDelta({}, {}, (), ())


def rebuilt(block: Block, **changes: Any) -> Block:
    return make_block(replace(block.header, **changes), block.entries, block.last_certificate, block.evidence)


def proposal(consortium: Consortium) -> Block:
    """A block in which every field of the header carries something."""
    receivable = consortium.registered("A")
    consortium.do(consortium.assignment(receivable, 1_000))
    block = consortium.propose(
        [consortium.entry(confirmation(receivable)), consortium.entry(consortium.registration("A"))]
    )
    consortium.judge(block)
    return block


# The proposer's name and the time have tests of their own.
_JUDGED = [field.name for field in fields(Header) if field.name not in ("proposer", "time_ms")]


@pytest.mark.parametrize("name", _JUDGED)
def test_every_wrong_field_of_a_header_is_refused_and_named(consortium: Consortium, name: str) -> None:
    block = proposal(consortium)
    right = getattr(block.header, name)
    if isinstance(right, bytes):
        wrong: list[Any] = [bytes([right[0] ^ 1]) + right[1:], bytes(32)]
    else:
        wrong = [right + 1] + [right - 1] * (right > 0)
    for value in wrong:
        header = replace(block.header, **{name: value})
        # Not through bytes: decoding has checks of its own, tested beside the format.
        tampered = replace(block, header=header)
        with pytest.raises(BlockInvalid, match=rf"header\.{name} is wrong"):
            consortium.judge(tampered)


def test_the_time_is_after_the_parents(consortium: Consortium) -> None:
    consortium.commit()
    for time_ms, valid in ((consortium.tip.time_ms + 1, True), (consortium.tip.time_ms, False), (0, False)):
        block = rebuilt(consortium.propose([]), time_ms=time_ms)
        if valid:
            consortium.judge(block)
        else:
            with pytest.raises(BlockInvalid, match="time_ms is not after"):
                consortium.judge(block)


def test_the_proposer_is_not_judged_here(consortium: Consortium) -> None:
    """Whose turn it was, is known to consensus; the name is in the hash all the same."""
    block = consortium.propose([])
    other = rebuilt(block, proposer="factor-2")
    consortium.judge(other)
    assert other.block_hash != block.block_hash


def test_links_are_checked_before_anything_is_executed(consortium: Consortium) -> None:
    block = consortium.propose([])

    class Untouched(MemoryState):
        def value(self, key_hash: bytes) -> bytes | None:
            raise AssertionError("the state was read")

    with pytest.raises(BlockInvalid, match="height"):
        apply_block(Untouched(), consortium.tip, rebuilt(block, height=9), [])
    check_links(consortium.tip, block.header)


_BAD_ENTRIES: list[tuple[str, Callable[[Consortium], list[bytes]], str]] = [
    ("replayed", lambda c: [c.blocks[0].block.entries[0]], "REPLAYED"),
    ("twice in one block", lambda c: [c.entry(c.registration("Z"), sequence=77)] * 2, "REPLAYED"),
    ("expired", lambda c: [c.entry(c.registration(), valid_until_ms=1)], "EXPIRED"),
    ("of another chain", lambda c: [c.entry(c.registration(), chain_id=bytes(32))], "WRONG_CHAIN"),
    ("unsigned", lambda c: [c.entry(confirmation(bytes(32)), signed_by=(), by="x")], "MISSING_SIGNATURE"),
]


@pytest.mark.parametrize(
    ("make", "code"), [pytest.param(make, code, id=name) for name, make, code in _BAD_ENTRIES]
)
def test_a_block_with_an_entry_that_may_not_be_there_is_refused(
    consortium: Consortium, make: Callable[[Consortium], list[bytes]], code: str
) -> None:
    """A faulty proposer puts it in without executing it; its header is right in all else."""
    consortium.registered("A")
    good = consortium.propose([])
    raws = tuple(make(consortium))
    header = replace(good.header, entry_count=len(raws), entries_root=entries_root(raws))
    block = make_block(header, raws, good.last_certificate, ())
    with pytest.raises(BlockInvalid, match=code) as refusal:
        consortium.judge(decode_block(encode_block(block)))
    assert refusal.value.details["entry_index"] == len(raws) - 1


def test_a_block_has_a_bounded_number_of_operations(consortium: Consortium) -> None:
    def block_of(count: int) -> Block:
        empty = consortium.propose([])
        operations = [release(bytes(32), bytes(32))] * 1_000
        whole, rest = divmod(count, 1_000)
        raws = [consortium.entry(*operations, mode=Mode.INDEPENDENT) for _ in range(whole)]
        if rest:
            raws.append(consortium.entry(*operations[:rest], mode=Mode.INDEPENDENT))
        header = replace(empty.header, entry_count=len(raws), entries_root=entries_root(tuple(raws)))
        return make_block(header, tuple(raws), empty.last_certificate, ())

    with pytest.raises(BlockInvalid, match="more than 10000 operations"):
        consortium.judge(block_of(BLOCK_OPERATIONS_MAX + 1))
    with pytest.raises(BlockInvalid, match="receipts_root"):
        consortium.judge(block_of(BLOCK_OPERATIONS_MAX))


def test_entries_that_are_not_the_blocks_are_our_own_bug(consortium: Consortium) -> None:
    block = consortium.propose([consortium.entry(consortium.registration("A"))])
    other = checked(consortium.entry(consortium.registration("B")))
    for entries in ([], [other], [other, other]):
        with pytest.raises(InvariantViolation):
            apply_block(consortium.state, consortium.tip, block, entries)


def test_a_refused_block_leaves_no_trace(consortium: Consortium) -> None:
    block = proposal(consortium)
    before = dict(consortium.state.stored_values())
    with pytest.raises(BlockInvalid):
        consortium.judge(rebuilt(block, state_root=bytes(32)))
    assert consortium.state.stored_values() == before
    consortium.judge(block)


def test_entries_that_are_refused_by_the_door_do_not_count(consortium: Consortium) -> None:
    """A proposer tries them and leaves them out; the indices of the others close up."""
    execution = consortium.execution()
    good = [consortium.entry(consortium.registration()) for _ in range(2)]
    execution.apply(checked(good[0]))
    with pytest.raises(EntryRefused):
        execution.apply(checked(good[0]))
    assert execution.apply(checked(good[1])).entry_index == 1
    assert len(execution.finish().receipts) == 2


def test_receipts_are_those_of_the_entries_in_order(consortium: Consortium) -> None:
    raws = [consortium.entry(consortium.registration()) for _ in range(3)]
    committed = consortium.commit(*raws)
    for index, (raw, receipt) in enumerate(zip(raws, committed.result.receipts, strict=True)):
        decoded = decode_receipt(receipt)
        assert decoded.entry_id == checked(raw).entry_id
        assert (decoded.height, decoded.entry_index, decoded.outcome) == (1, index, Outcome.APPLIED)
    assert committed.block.header.receipts_root == tree_root(committed.result.receipts)


def test_a_lien_in_the_index_without_its_receivable_stops_the_node(consortium: Consortium) -> None:
    consortium.state.apply(StateDelta({}, {}, ((START_MS, bytes(32)),), ()))
    with pytest.raises(StoreCorrupt, match="expire"):
        consortium.execution()


def test_a_state_without_genesis_is_our_own_bug(consortium: Consortium) -> None:
    consortium.state = MemoryState()
    with pytest.raises(InvariantViolation, match="no POLICY"):
        consortium.execution()


def test_genesis_state_depends_on_the_document_only() -> None:
    consortium = found()
    result = genesis_state(consortium.genesis)
    assert result == genesis_state(consortium.genesis)
    assert result.receipts == ()
    strict = found(replace(OPEN_POLICY, require_confirmation=ConfirmationPolicy.BOTH))
    assert genesis_state(strict.genesis).state_root != result.state_root
    assert genesis_tip(strict.genesis).chain_id != genesis_tip(consortium.genesis).chain_id
