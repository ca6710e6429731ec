"""The anti-replay window against a set of all numbers ever used."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from registry.limits import SEQUENCE_MAX, SEQUENCE_WINDOW
from registry.sequence_window import SequenceWindow


@given(
    st.lists(st.integers(1, 3 * SEQUENCE_WINDOW), max_size=120),
    st.lists(st.integers(1, 4 * SEQUENCE_WINDOW), max_size=60),
)
def test_the_window_accepts_what_is_new_and_recent(used: list[int], asked: list[int]) -> None:
    window, seen = SequenceWindow.empty(), set[int]()
    for number in used:
        highest = max(seen, default=0)
        expected = number not in seen and number > highest - SEQUENCE_WINDOW
        assert window.accepts(number) == expected
        if expected:
            window = window.add(number)
            seen.add(number)
    assert window.highest == max(seen, default=0)
    for number in asked:
        recent = number > window.highest - SEQUENCE_WINDOW
        assert window.accepts(number) == (number not in seen and recent)


def test_the_oldest_number_in_the_window_is_the_1024th() -> None:
    window = SequenceWindow.empty().add(5_000)
    assert window.accepts(5_000 - SEQUENCE_WINDOW + 1)
    assert not window.accepts(5_000 - SEQUENCE_WINDOW)
    window = window.add(5_000 - SEQUENCE_WINDOW + 1)
    assert not window.accepts(5_000 - SEQUENCE_WINDOW + 1)


def test_a_jump_by_the_whole_window_forgets_what_is_behind() -> None:
    window = SequenceWindow.empty().add(1).add(1 + SEQUENCE_WINDOW)
    assert not window.accepts(1)
    assert window.accepts(2)
    assert window.seen[0] == 1
    assert not any(window.seen[1:])


def test_the_last_number_of_all_can_be_used() -> None:
    window = SequenceWindow.empty().add(SEQUENCE_MAX)
    assert not window.accepts(SEQUENCE_MAX)
    assert window.accepts(SEQUENCE_MAX - 1)
