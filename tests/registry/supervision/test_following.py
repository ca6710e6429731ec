"""Following a chain: only its next block, and only one that executes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from registry.block import Block, make_block
from registry.codec import pack
from registry.errors import StoreCorrupt
from registry.receivable import Phase
from registry.state import MemoryState
from registry.supervision.alert_bytes import decode_alert, encode_alert
from registry.supervision.following import Follower
from registry.supervision.positions import position_of
from registry.transition import genesis_state
from tests.registry.consortium import FACTOR_1, STRANGER, Consortium
from tests.registry.consortium import registration as registering
from tests.registry.supervision.supervised_chain import alerts_of


def follower_of(consortium: Consortium) -> Follower:
    state = MemoryState()
    state.apply(genesis_state(consortium.genesis).delta)
    return Follower(consortium.genesis, state, 0)


def test_a_block_that_is_not_the_next_one_is_not_followed(consortium: Consortium) -> None:
    consortium.registered()
    consortium.registered()
    follower = follower_of(consortium)
    with pytest.raises(StoreCorrupt, match="does not follow 0"):
        follower.follow(consortium.blocks[1].block)


def test_a_block_that_does_not_execute_is_not_followed(consortium: Consortium) -> None:
    consortium.registered()
    good = consortium.blocks[0].block
    foreign = consortium.entry(registering("INV-9", exporter=STRANGER))
    block: Block = make_block(good.header, (foreign,), b"", ())
    follower = follower_of(consortium)
    with pytest.raises(StoreCorrupt, match="does not execute again"):
        follower.follow(block)
    assert follower.height == 0


def test_the_state_that_was_followed_is_the_state(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 5_000))
    follower = follower_of(consortium)
    for committed in consortium.blocks:
        follower.follow(committed.block)
    assert isinstance(follower.state, MemoryState)
    differing = {
        key
        for key, value in consortium.state.stored_values().items()
        if follower.state.stored_values().get(key) != value
    }
    assert len(differing) == 2  # the two members whose status the tests set outside the chain


def test_nobody_has_a_position_on_what_is_closed(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 5_000))
    record = consortium.record(receivable)
    scope = frozenset({FACTOR_1})
    assert position_of(record, scope).amount == 5_000
    assert position_of(replace(record, phase=Phase.SETTLED), scope).amount == 0


def test_an_alert_reads_back_from_its_bytes(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.pledging(receivable, 10_001))
    ((alert,),) = (block for block in alerts_of(consortium) if block)
    assert decode_alert(encode_alert(alert)) == alert


@pytest.mark.parametrize("raw", [b"", b"\x90", b"not an alert", pack(("no kind", *[0] * 10))])
def test_bytes_that_are_no_alert_do_not_read_back(raw: bytes) -> None:
    with pytest.raises(StoreCorrupt, match="does not read back"):
        decode_alert(raw)
