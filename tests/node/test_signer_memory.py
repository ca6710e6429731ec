"""The signer: never two things at one place, whatever it is asked and whenever it dies."""

from __future__ import annotations

import errno
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.messages import NO_ROUND, BlockHash, Proposal, UnsignedProposal, UnsignedVote, Vote, VoteType
from consensus.validators import NodeId
from node.disk import DiskFailed
from node.signer import SIGNER_NAME, Signer, SignerCorrupt, SigningRefused
from registry.signing import SigningKey, verify
from tests.node.crashing_disk import Crash, CrashingDisk

CHAIN_ID = bytes(range(32))
KEY = SigningKey(bytes(32))
NAME = NodeId("a")


def signer_on(disk: CrashingDisk) -> Signer:
    return Signer(disk, KEY, CHAIN_ID)


def fresh() -> tuple[CrashingDisk, Signer]:
    disk = CrashingDisk()
    signer = signer_on(disk)
    signer.create()
    return disk, signer


def vote(
    height: int, round: int = 0, type: VoteType = VoteType.PREVOTE, value: int | None = 1
) -> UnsignedVote:
    block_hash = None if value is None else BlockHash(bytes([value]) * 32)
    return UnsignedVote(type, height, round, block_hash, NO_ROUND, NAME)


def proposal(height: int, round: int = 0, value: int = 1) -> UnsignedProposal:
    return UnsignedProposal(height, round, NO_ROUND, BlockHash(bytes([value]) * 32), 100, NAME)


def test_signature_verifies_and_is_remembered() -> None:
    disk, signer = fresh()
    signed = signer.sign(vote(1))
    assert isinstance(signed, Vote)
    verify(KEY.public_key, vote(1).sign_bytes(CHAIN_ID), signed.signature)
    last = signer_on(disk).last
    assert last is not None
    assert (last.place, last.signature) == ((1, 0, 1), signed.signature)


def test_order_within_a_round_is_proposal_prevote_precommit() -> None:
    _, signer = fresh()
    assert isinstance(signer.sign(proposal(1)), Proposal)
    signer.sign(vote(1))
    signer.sign(vote(1, type=VoteType.PRECOMMIT))
    signer.sign(vote(1, round=1))
    signer.sign(proposal(2))
    with pytest.raises(SigningRefused, match="after"):
        signer.sign(vote(1, round=1, type=VoteType.PRECOMMIT))


@pytest.mark.parametrize("restart", [False, True])
def test_same_question_gets_the_same_signature(restart: bool) -> None:
    disk, signer = fresh()
    first = signer.sign(vote(3, 2))
    if restart:
        signer = signer_on(disk)
    assert signer.sign(vote(3, 2)) == first


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize(
    "asked",
    [
        vote(3, 2, VoteType.PREVOTE, 2),
        vote(3, 2, VoteType.PREVOTE, None),
        proposal(3, 2),
        vote(3, 1, VoteType.PRECOMMIT),
        vote(2, 9, VoteType.PRECOMMIT),
    ],
    ids=["other value", "nil", "earlier step", "earlier round", "earlier height"],
)
def test_lower_or_conflicting_question_is_refused(
    asked: UnsignedVote | UnsignedProposal, restart: bool
) -> None:
    disk, signer = fresh()
    signer.sign(vote(3, 2))
    if restart:
        signer = signer_on(disk)
    before = disk.read(SIGNER_NAME)
    with pytest.raises(SigningRefused):
        signer.sign(asked)
    assert disk.read(SIGNER_NAME) == before


def test_two_proposals_of_one_round_are_refused() -> None:
    _, signer = fresh()
    signer.sign(proposal(1, 0, 1))
    with pytest.raises(SigningRefused, match="something else"):
        signer.sign(proposal(1, 0, 2))


@pytest.mark.parametrize("point", [0, 1])
def test_crash_while_signing_leaves_nothing_signed_or_the_same_signature_again(point: int) -> None:
    disk, signer = fresh()
    disk.crash_at = point
    with pytest.raises(Crash):
        signer.sign(vote(1, value=1))
    found = disk.after_crash(0.0)
    again = signer_on(found)
    if point == 0:
        assert again.last is None
        again.sign(vote(1, value=2))
    else:
        assert isinstance(again.sign(vote(1, value=1)), Vote)
        with pytest.raises(SigningRefused):
            again.sign(vote(1, value=2))


@given(
    st.lists(
        st.tuples(
            st.integers(1, 3),
            st.integers(0, 2),
            st.sampled_from(VoteType),
            st.sampled_from([None, 1, 2]),
            st.booleans(),
        )
    )
)
def test_no_two_signatures_for_one_place_whatever_is_asked(
    questions: list[tuple[int, int, VoteType, int | None, bool]],
) -> None:
    disk, signer = fresh()
    given_out: dict[tuple[int, int, VoteType], bytes] = {}
    for height, round, type, value, restart in questions:
        if restart:
            disk = disk.after_crash(0.0)
            signer = signer_on(disk)
        asked = vote(height, round, type, value)
        try:
            signer.sign(asked)
        except SigningRefused:
            continue
        sign_bytes = asked.sign_bytes(CHAIN_ID)
        assert given_out.setdefault((height, round, type), sign_bytes) == sign_bytes


def test_nothing_up_to_the_floor_is_signed_also_after_a_restart() -> None:
    disk, signer = fresh()
    signer.sign(vote(2))
    signer.raise_floor(7)
    signer.raise_floor(5)
    for each in (signer, signer_on(disk)):
        assert each.floor == 7
        with pytest.raises(SigningRefused, match="not above 7"):
            each.sign(vote(7))
    signer_on(disk).sign(vote(8))
    assert signer_on(disk).floor == 7


def test_missing_file_and_a_file_that_says_nothing_are_told_apart() -> None:
    disk = CrashingDisk()
    signer = signer_on(disk)
    assert not signer.exists
    signer.create(floor=3)
    assert signer.last is None
    assert signer_on(disk).exists
    with pytest.raises(AssertionError):
        signer.create()


def test_disk_error_leaves_nothing_signed() -> None:
    disk, signer = fresh()
    disk.fail_with = errno.EIO
    with pytest.raises(DiskFailed):
        signer.sign(vote(1))
    disk.fail_with = None
    assert signer.last is None
    assert signer_on(disk).last is None


@given(position=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_any_changed_bit_of_the_file_is_noticed(position: int, bit: int) -> None:
    disk, signer = fresh()
    signer.sign(vote(1))
    data = bytearray(disk.read(SIGNER_NAME))
    data[position % len(data)] ^= 1 << bit
    disk.write_atomic(SIGNER_NAME, bytes(data))
    with pytest.raises(SignerCorrupt, match="Move it aside"):
        signer_on(disk)


@pytest.mark.parametrize("kept", [0, 10, 100, -1])
def test_shortened_file_is_noticed(kept: int) -> None:
    disk, signer = fresh()
    signer.sign(vote(1))
    disk.write_atomic(SIGNER_NAME, disk.read(SIGNER_NAME)[:kept])
    with pytest.raises(SignerCorrupt):
        signer_on(disk)


def test_file_of_another_chain_is_refused() -> None:
    disk, _ = fresh()
    with pytest.raises(SignerCorrupt, match="chain"):
        Signer(disk, KEY, bytes(32))


NEXT_KEY = SigningKey(b"\1" * 32)


def test_a_new_key_has_signed_nothing_and_the_old_ones_memory_is_kept() -> None:
    disk, signer = fresh()
    signer.sign(vote(5))
    after = Signer(disk, NEXT_KEY, CHAIN_ID)
    assert not after.exists
    after.create(floor=7)
    after.sign(vote(9))
    back = signer_on(disk)
    assert back.last is not None
    assert back.last.place == (5, 0, 1)
    with pytest.raises(SigningRefused):
        back.sign(vote(5, value=2))
    back.sign(vote(6))
    again = Signer(disk, NEXT_KEY, CHAIN_ID)
    assert (again.floor, again.last.place if again.last else None) == (7, (9, 0, 1))
    assert disk.list().count(SIGNER_NAME) == 1
    assert len(disk.list()) == 2


@pytest.mark.parametrize("crash_at", range(10))
def test_a_crash_while_keys_change_forgets_neither_memory(crash_at: int) -> None:
    disk, signer = fresh()
    signer.sign(vote(5))
    Signer(disk, NEXT_KEY, CHAIN_ID).create(floor=7)
    disk.crash_at = crash_at
    with suppress(Crash):
        signer_on(disk)
    disk = disk.after_crash(0.0)
    back = signer_on(disk)
    assert back.last is not None
    assert back.last.place == (5, 0, 1)
    assert Signer(disk, NEXT_KEY, CHAIN_ID).floor == 7


def test_an_old_copy_beside_the_present_memory_is_no_memory() -> None:
    disk, signer = fresh()
    signer.sign(vote(5))
    disk.write_atomic(f"{SIGNER_NAME}-{KEY.public_key.hex()[:16]}", disk.read(SIGNER_NAME))
    signer.sign(vote(6))
    last = signer_on(disk).last
    assert last is not None
    assert last.height == 6
    assert disk.list() == (SIGNER_NAME,)


def test_public_key_is_the_keys() -> None:
    _, signer = fresh()
    assert signer.public_key == KEY.public_key
