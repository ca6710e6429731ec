"""The working state over a committed one: reads, undo, the delta, and what the tree commits to."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.codec import pack
from registry.errors import InvariantViolation, StoreCorrupt
from registry.exposure import exposure_id
from registry.fingerprints import FingerprintKind
from registry.merkle.map import current_root, prove
from registry.merkle.map_proof import AbsenceProof
from registry.policy import Policy
from registry.receivable import RECEIVABLE
from registry.signing import Tag, digest
from registry.state import MemoryState, StateDelta, WorkingState
from registry.status import STATUS_SUMMARY, summarise
from registry.stored import (
    EMPTY_PRIVATE_DIGEST,
    HIDDEN,
    SINGLETON,
    Namespace,
    committed_hash,
    decode_value,
    private_digest,
    split_stored,
    state_key,
)
from tests.registry.consortium import (
    DEBTOR_REFERENCE,
    EXPORTER,
    FACTOR_1,
    OPEN_POLICY,
    Consortium,
    cancellation,
    dispute,
    payment,
    settlement,
)


def test_a_value_is_read_once_and_kept(consortium: Consortium) -> None:
    class Counting(MemoryState):
        reads = 0

        def value(self, key_hash: bytes) -> bytes | None:
            Counting.reads += 1
            return consortium.state.value(key_hash)

    state = WorkingState(Counting())
    assert state.member(EXPORTER) is state.member(EXPORTER)
    assert state.member("nobody") is None
    assert state.member("nobody") is None
    assert Counting.reads == 2


def test_roll_back_restores_values_and_forgets_writes(consortium: Consortium) -> None:
    state = consortium.working()
    member = state.member(EXPORTER)
    assert member is not None
    kept = replace(member, debtor_reference=None)
    state.put(Namespace.MEMBER, EXPORTER.encode(), kept)
    mark = state.savepoint()
    state.put(Namespace.MEMBER, EXPORTER.encode(), member)
    state.put(Namespace.KEY_OWNER, bytes(32), EXPORTER)
    state.put(Namespace.KEY_OWNER, bytes(32), "another")
    state.roll_back(mark)
    assert state.member(EXPORTER) == kept
    assert state.get(Namespace.KEY_OWNER, bytes(32)) is None
    delta, _root = state.finish()
    assert set(delta.values) == {state_key(Namespace.MEMBER, EXPORTER.encode())}


def test_the_delta_is_what_makes_the_root(consortium: Consortium) -> None:
    state = consortium.working()
    state.put(Namespace.KEY_OWNER, bytes(32), EXPORTER)
    delta, root = state.finish()
    consortium.state.apply(delta)
    assert current_root(consortium.state) == root
    assert consortium.working().get(Namespace.KEY_OWNER, bytes(32)) == EXPORTER


@given(st.permutations(range(12)))
def test_the_root_does_not_depend_on_the_order_of_writes(order: list[int]) -> None:
    roots = set()
    for numbers in (order, range(12)):
        state = WorkingState(MemoryState())
        for number in numbers:
            state.put(Namespace.KEY_OWNER, bytes([number]) * 32, f"member {number}")
        roots.add(state.finish()[1])
    assert len(roots) == 1


def test_a_proof_can_show_the_public_part_and_hide_the_private_one(consortium: Consortium) -> None:
    receivable = consortium.registered("A")
    stored = consortium.state.value(state_key(Namespace.RECEIVABLE, receivable))
    assert stored is not None
    public, private = split_stored(stored)
    record = consortium.record(receivable)
    assert public == pack(STATUS_SUMMARY.encode(summarise(record), ""))
    assert private == pack(RECEIVABLE.encode(record, ""))
    assert committed_hash(public, private_digest(private)) == (
        sha256(digest(Tag.PUBLIC, public) + digest(Tag.PRIVATE, private)).digest()
    )


def test_values_without_a_private_part_have_an_empty_one(consortium: Consortium) -> None:
    stored = consortium.state.value(state_key(Namespace.MEMBER, EXPORTER.encode()))
    assert stored is not None
    assert split_stored(stored)[1] == b""
    assert private_digest(b"") == EMPTY_PRIVATE_DIGEST


def test_keys_of_different_namespaces_do_not_meet() -> None:
    keys = {state_key(namespace, bytes(32)) for namespace in Namespace}
    keys |= {state_key(namespace, bytes(31)) for namespace in Namespace}
    assert len(keys) == 2 * len(Namespace)
    whole = digest(Tag.STATE_KEY, bytes([Namespace.POLICY]) + b"x")
    assert state_key(Namespace.POLICY, b"x") == bytes([whole[0] & 0x7F]) + whole[1:]


def test_values_for_their_parties_alone_lie_in_a_half_of_their_own() -> None:
    halves = {
        namespace: {state_key(namespace, bytes([index]))[0] >> 7 for index in range(64)}
        for namespace in Namespace
    }
    hidden = {
        Namespace.EXPOSURE,
        Namespace.RISK_ASSETS,
        Namespace.BLANKET,
        Namespace.CONTROL,
        Namespace.QUOTA,
    }
    assert {halves[namespace] == {1} for namespace in hidden} == {True}
    asked_for = {Namespace.RECEIVABLE, Namespace.FINGERPRINT, Namespace.MEMBER, Namespace.WINDOW}
    assert {halves[namespace] == {0} for namespace in asked_for} == {True}
    assert {namespace for namespace, half in halves.items() if half == {1}} == HIDDEN


def test_an_absence_proof_shows_no_neighbour_that_is_for_its_parties_alone(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable))
    exposure = state_key(Namespace.EXPOSURE, exposure_id(FACTOR_1, DEBTOR_REFERENCE, "USD"))
    assert consortium.state.value(exposure) is not None
    shown = set()
    for index in range(2_000):
        absent = bytes([FingerprintKind.INVOICE]) + index.to_bytes(32, "big")
        proof = prove(consortium.state, state_key(Namespace.FINGERPRINT, absent))
        assert isinstance(proof, AbsenceProof)
        if proof.other is not None:
            shown.add(proof.other.key_hash)
    assert shown
    assert all(key_hash[0] >> 7 == 0 for key_hash in shown)


@pytest.mark.parametrize("stored", [b"", b"\xc0", b"\x91\xc4\x00", b"\x92\xc4\x00\xc4", b"\x92\xa0\xa0"])
def test_a_stored_value_that_does_not_read_back_stops_the_node(stored: bytes) -> None:
    with pytest.raises(StoreCorrupt, match="does not read back"):
        split_stored(stored)


@pytest.mark.parametrize("namespace", list(Namespace))
def test_a_stored_value_of_another_kind_stops_the_node(namespace: Namespace) -> None:
    with pytest.raises(StoreCorrupt, match=namespace.name):
        decode_value(namespace, pack((pack("text" * 50), pack(7))))


def test_a_state_that_was_not_begun_is_our_own_bug() -> None:
    state = WorkingState(MemoryState())
    with pytest.raises(InvariantViolation, match="GOVERNANCE"):
        state.governance()
    state.put(Namespace.POLICY, SINGLETON, OPEN_POLICY)
    assert isinstance(state.policy(), Policy)


def test_the_memory_state_keeps_expiries_in_order_and_once() -> None:
    state = MemoryState()
    items = ((5, b"b"), (5, b"a"), (3, b"c"), (9, b"a"))
    for _twice in range(2):
        state.apply(StateDelta({}, {}, items, ()))
    assert state.due(9, 10) == ((3, b"c"), (5, b"a"), (5, b"b"), (9, b"a"))
    assert state.due(8, 10) == ((3, b"c"), (5, b"a"), (5, b"b"))
    assert state.due(8, 2) == ((3, b"c"), (5, b"a"))
    assert state.due(2, 10) == ()
    state.apply(StateDelta({}, {}, (), ((5, b"a"), (7, b"not there"))))
    assert state.due(9, 10) == ((3, b"c"), (5, b"b"), (9, b"a"))


def test_the_memory_state_forgets_what_a_delta_removes() -> None:
    state = MemoryState()
    state.apply(StateDelta({b"k": b"v"}, {b"p": b"w"}, (), ()))
    assert (state.value(b"k"), state.page(b"p")) == (b"v", b"w")
    for _twice in range(2):
        state.apply(StateDelta({b"k": None}, {b"p": None}, (), ()))
        assert (state.value(b"k"), state.page(b"p")) == (None, None)


def test_the_status_shows_amounts_and_no_party(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 3_000))
    consortium.do(consortium.pledging(receivable, 2_000))
    consortium.do(dispute(receivable, 1_000))
    consortium.do(payment(receivable, 500))
    status = summarise(consortium.record(receivable))
    assert (status.outstanding, status.assigned, status.pledged, status.disputed) == (
        9_500,
        3_000,
        2_000,
        1_000,
    )
    assert status.free == 9_500 - 2_000 - 1_000
    assert status.since_height == consortium.tip.height
    assert EXPORTER not in repr(status)


def test_nothing_is_free_of_a_closed_receivable(consortium: Consortium) -> None:
    settled, cancelled = consortium.registered(), consortium.registered()
    consortium.do(settlement(settled, write_off=True))
    consortium.do(cancellation(cancelled))
    for receivable in (settled, cancelled):
        assert summarise(consortium.record(receivable)).free == 0
