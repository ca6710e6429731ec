from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.errors import InvalidValidatorSet
from consensus.validators import TOTAL_POWER_MAX, VALIDATORS_MAX, NodeId, Validator, ValidatorSet
from tests.consensus.builders import FOUR, public_key, validator_set


@pytest.mark.parametrize(
    ("size", "quorum", "honest"),
    [(1, 1, 1), (2, 2, 1), (3, 3, 2), (4, 3, 2), (5, 4, 2), (6, 5, 3), (7, 5, 3), (10, 7, 4)],
)
def test_smallest_quorum_and_honest_power(size: int, quorum: int, honest: int) -> None:
    validators = validator_set(*[1] * size)
    assert [validators.is_quorum(power) for power in (quorum - 1, quorum)] == [False, True]
    assert [validators.is_honest(power) for power in (honest - 1, honest)] == [False, True]


def test_exactly_two_thirds_is_no_quorum_and_exactly_one_third_is_not_honest() -> None:
    validators = validator_set(2, 2, 2)
    assert not validators.is_quorum(4)
    assert validators.is_quorum(5)
    assert not validators.is_honest(2)
    assert validators.is_honest(3)


@given(st.lists(st.integers(1, 2**40), min_size=1, max_size=20), st.data())
def test_two_quorums_always_share_honest_power(powers: list[int], data: st.DataObject) -> None:
    validators = validator_set(*powers)
    total = validators.total_power
    one, other = (data.draw(st.integers(0, total)) for _ in range(2))
    if validators.is_quorum(one) and validators.is_quorum(other):
        assert validators.is_honest(one + other - total)


def test_set_is_sorted_whatever_the_order_given() -> None:
    shuffled = ValidatorSet(tuple(reversed(FOUR.validators)))
    assert shuffled == FOUR
    assert hash(shuffled) == hash(FOUR)
    assert [v.node_id for v in shuffled.validators] == ["a", "b", "c", "d"]
    assert [shuffled.index(NodeId(name)) for name in "abcdz"] == [0, 1, 2, 3, None]
    assert shuffled.power(NodeId("z")) == 0


@pytest.mark.parametrize(
    ("validators", "reason"),
    [
        ((), "members"),
        (
            tuple(Validator(NodeId(f"n{i}"), public_key(f"n{i}"), 1) for i in range(VALIDATORS_MAX + 1)),
            "members",
        ),
        ((Validator(NodeId("a"), public_key("a"), 1), Validator(NodeId("a"), public_key("b"), 1)), "node id"),
        (
            (Validator(NodeId("a"), public_key("a"), 1), Validator(NodeId("b"), public_key("a"), 1)),
            "public key",
        ),
        ((Validator(NodeId("a"), public_key("a"), TOTAL_POWER_MAX + 1),), "total power"),
    ],
)
def test_impossible_sets_are_refused(validators: tuple[Validator, ...], reason: str) -> None:
    with pytest.raises(InvalidValidatorSet, match=reason):
        ValidatorSet(validators)


@pytest.mark.parametrize(
    ("name", "key", "power"),
    [
        ("", public_key("a"), 1),
        ("a" * 65, public_key("a"), 1),
        ("a b", public_key("a"), 1),
        ("ä", public_key("a"), 1),
        ("\ud800", public_key("a"), 1),
        ("a", bytes(31), 1),
        ("a", public_key("a"), 0),
        ("a", public_key("a"), -1),
    ],
)
def test_impossible_validators_are_refused(name: str, key: bytes, power: int) -> None:
    with pytest.raises(InvalidValidatorSet):
        Validator(NodeId(name), key, power)


def test_equal_powers_propose_in_turn() -> None:
    assert [FOUR.proposer(1, round) for round in range(5)] == ["b", "c", "d", "a", "b"]
    assert [FOUR.proposer(height, 0) for height in range(1, 5)] == ["b", "c", "d", "a"]


@given(st.lists(st.integers(1, 30), min_size=2, max_size=8), st.integers(1, 10**6))
def test_unequal_powers_propose_as_often_as_their_power_says(powers: list[int], height: int) -> None:
    validators = validator_set(*powers)
    total = sum(powers)
    turns = [validators.proposer(height, round) for round in range(total)]
    assert all(
        turns.count(v.node_id) * total == v.power * len(turns) or len(set(powers)) == 1
        for v in validators.validators
    )


def test_no_faulty_minority_proposes_twice_in_a_row() -> None:
    validators = validator_set(3, 2, 2, 2, 1)
    turns = [validators.proposer(1, round) for round in range(100)]
    assert all(one != other for one, other in pairwise(turns))


def test_one_validator_proposes_always() -> None:
    assert {validator_set(5).proposer(height, 3) for height in range(1, 9)} == {"a"}
