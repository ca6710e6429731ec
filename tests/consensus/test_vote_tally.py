from dataclasses import replace

import pytest

from consensus.future_rounds import Admission, FutureRounds
from consensus.messages import Vote, VoteType
from consensus.tally import (
    CERTIFIED_VALUES_MAX,
    Conflicting,
    Counted,
    Refused,
    Repeated,
    RoundVotes,
    VoteBook,
)
from consensus.validators import NodeId
from consensus.value_pool import HeldValue, ValuePool
from tests.consensus.builders import FOUR, A, B, C, D, block, precommit, prevote, validator_set

X, Y = block("x"), block("y")


def tally(*votes: Vote) -> RoundVotes:
    held = RoundVotes(FOUR)
    for vote in votes:
        held.add(vote)
    return held


def test_three_of_four_are_a_quorum_and_two_are_not() -> None:
    held = tally(prevote(A, "x"), prevote(B, "x"))
    assert not held.has_quorum_for(X)
    held.add(prevote(C, "x"))
    assert held.has_quorum_for(X)
    assert held.quorum_value() == X


def test_a_quorum_of_any_is_not_a_quorum_for_one() -> None:
    held = tally(prevote(A, "x"), prevote(B, "y"), prevote(C, None))
    assert held.has_any_quorum()
    assert held.quorum_value() is None
    assert not held.has_quorum_for(None)


def test_nil_has_its_own_quorum() -> None:
    held = tally(prevote(A, None), prevote(B, None), prevote(C, None))
    assert held.has_quorum_for(None)
    assert held.quorum_value() is None
    assert held.values_named() == []


def test_power_counts_not_heads() -> None:
    held = RoundVotes(validator_set(7, 1, 1, 1))
    for name in (B, C, D):
        held.add(prevote(name, "x"))
    assert not held.has_quorum_for(X)
    assert held.power_for(X) == 3
    held.add(prevote(A, "x"))
    assert held.has_quorum_for(X)


def test_a_repeated_vote_counts_once_whatever_its_signature() -> None:
    held = tally(prevote(A, "x"), prevote(B, "x"))
    assert held.add(prevote(A, "x")) == Repeated()
    assert held.add(replace(prevote(A, "x"), signature=bytes(64))) == Repeated()
    assert not held.has_any_quorum()


def test_a_conflicting_vote_is_evidence_once_and_the_third_is_refused() -> None:
    held = tally(prevote(A, "x"))
    conflict = held.add(prevote(A, "y"))
    assert isinstance(conflict, Conflicting)
    assert {conflict.evidence.first, conflict.evidence.second} == {prevote(A, "x"), prevote(A, "y")}
    assert held.add(prevote(A, "y")) == Repeated()
    assert held.add(prevote(A, None)) == Refused()
    assert held.add(prevote(A, "x")) == Repeated()


def test_an_equivocator_counts_once_toward_any() -> None:
    held = tally(prevote(A, "x"), prevote(A, "y"), prevote(B, "x"))
    assert not held.has_any_quorum()


def test_an_equivocator_cannot_hide_a_quorum_by_speaking_to_us_first() -> None:
    held = tally(precommit(D, None), precommit(A, "x"), precommit(B, "x"))
    held.add(precommit(D, "x"))
    assert held.has_quorum_for(X)
    assert [vote.validator for vote in held.votes_for(X)] == [A, B, D]


def test_two_votes_for_one_value_with_other_valid_rounds_count_once() -> None:
    one, other = prevote(A, "x", round=3), prevote(A, "x", round=3, valid_round=1)
    held = tally(one)
    assert isinstance(held.add(other), Conflicting)
    assert held.votes_for(X) == [one]


def test_a_claimed_polka_takes_even_the_third_vote_of_an_equivocator() -> None:
    book = VoteBook(FOUR)
    for vote in (prevote(D, None), prevote(D, "y"), prevote(A, "x"), prevote(B, "x")):
        book.add(vote)
    assert book.add(prevote(D, "x")) == Refused()
    book.claim(0, X)
    assert book.add(prevote(D, "x")) == Counted()
    assert book.add(prevote(D, "x")) == Repeated()
    assert book.votes(0, VoteType.PREVOTE).has_quorum_for(X)
    assert book.votes(0, VoteType.PREVOTE).quorum_value() == X


def test_a_precommit_quorum_becomes_a_certificate_that_outlives_its_round() -> None:
    book = VoteBook(FOUR)
    for name in (A, B, C):
        book.add(precommit(name, "x", round=2))
    (certificate,) = book.certificates()
    assert (certificate.round, certificate.block_hash, certificate.signers) == (2, X, b"\xe0")
    book.add(precommit(D, "x", round=2))
    book.drop_rounds([2])
    assert book.certificates() == [certificate]
    assert book.rounds() == []


def test_prevotes_and_nil_precommits_certify_nothing() -> None:
    book = VoteBook(FOUR)
    for name in (A, B, C):
        book.add(prevote(name, "x"))
        book.add(precommit(name, None))
    assert book.certificates() == []


def test_certificates_are_held_for_two_values_at_most() -> None:
    book = VoteBook(FOUR)
    for number in range(CERTIFIED_VALUES_MAX + 1):
        for name in (A, B, C):
            book.add(precommit(name, f"value {number}", round=number))
    assert [certificate.round for certificate in book.certificates()] == [0, 1]


def test_senders_count_once_whatever_they_sent() -> None:
    book = VoteBook(FOUR)
    for vote in (prevote(B, "x", 4), precommit(B, "x", 4), precommit(A, None, 4), prevote(A, "y", 5)):
        book.add(vote)
    assert book.senders(4) == [A, B]
    assert book.senders(5) == [A]
    assert book.senders(6) == []


def test_forgetting_a_validator_leaves_the_others() -> None:
    book = VoteBook(FOUR)
    book.add(prevote(A, "x", 4))
    book.add(prevote(B, "x", 4))
    book.forget(A, 4)
    assert book.senders(4) == [B]
    book.forget(B, 4)
    book.forget(B, 9)
    assert book.rounds() == []


# --- FutureRounds ---


def test_a_validator_occupies_two_far_rounds_and_its_highest_win() -> None:
    future = FutureRounds(2)
    assert future.admit(A, 10) == Admission(True)
    assert future.admit(A, 12) == Admission(True)
    assert future.admit(A, 10) == Admission(True)
    assert future.admit(A, 9) == Admission(False)
    assert future.admit(A, 11) == Admission(True, forget_round=10)
    assert future.admit(A, 13) == Admission(True, forget_round=11)
    assert future.admit(B, 9) == Admission(True)


def test_places_are_freed_when_rounds_are_no_longer_far() -> None:
    future = FutureRounds(2)
    for round in (10, 12):
        future.admit(A, round)
    future.advance(12)
    assert future.admit(A, 13) == Admission(True)
    assert future.admit(A, 14) == Admission(True, forget_round=12)


# --- ValuePool ---


@pytest.mark.parametrize(
    ("claimed", "left"), [((), ["b", "c"]), (("a",), ["a", "b", "c"]), (("a", "b"), ["a", "b", "c"])]
)
def test_the_oldest_unclaimed_values_go_first(claimed: tuple[str, ...], left: list[str]) -> None:
    pool = ValuePool(unclaimed_max=2)
    for name in "abc":
        assert pool.add(block(name), HeldValue(name.encode(), 1))
    assert not pool.add(block("c"), HeldValue(b"other", 2))
    dropped = pool.trim({block(name): None for name in claimed})
    assert [name for name in "abc" if pool.get(block(name)) is not None] == left
    assert dropped == 3 - len(left) == 3 - len(pool)


def test_the_host_is_asked_once_per_value() -> None:
    pool = ValuePool(unclaimed_max=2)
    pool.add(X, HeldValue(b"x", 1))
    assert [key for key, _ in pool.unasked({X: None, Y: None})] == [X]
    assert pool.unasked({X: None}) == []
    assert not pool.is_valid(X)
    assert not pool.is_valid(Y)


def test_a_name_is_no_power() -> None:
    assert FOUR.power(NodeId("z")) == 0
