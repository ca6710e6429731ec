"""Each rule of the paper as a table: where it fires, and where it must not."""

from dataclasses import replace

import pytest

from consensus.inputs import TimeoutKind
from consensus.messages import NO_ROUND, VoteType
from consensus.round_state import (
    BuildValue,
    CastVote,
    DecideValue,
    EnterRound,
    Event,
    FirstProposal,
    HonestAhead,
    Output,
    OwnValueBuilt,
    PolkaForNil,
    PolkaForValue,
    PrecommitQuorum,
    PrevoteQuorum,
    Propose,
    Reproposal,
    RoundStarted,
    RoundState,
    RoundValue,
    StartTimer,
    Step,
    TimerFired,
    ValueCertified,
    apply,
)
from tests.consensus.builders import block

X, Y = block("x"), block("y")
PREVOTE, PRECOMMIT = VoteType.PREVOTE, VoteType.PRECOMMIT
ROUND = 3
STEPS = (Step.PROPOSE, Step.PREVOTE, Step.PRECOMMIT)


def at(step: Step, locked: RoundValue | None = None, valid: RoundValue | None = None) -> RoundState:
    return RoundState(ROUND, step, locked, valid if valid is not None else locked)


def votes_nil(type: VoteType) -> CastVote:
    return CastVote(type, None, NO_ROUND)


def assert_ignored(state: RoundState, event: Event) -> None:
    assert apply(state, event) == (state, ())


# --- L11 ---


def test_L11_proposer_without_a_valid_value_builds_one() -> None:
    state, outputs = apply(RoundState(), RoundStarted(0, proposes=True))
    assert outputs == (BuildValue(), StartTimer(TimeoutKind.PROPOSE))
    assert (state.round, state.step, state.awaits_own_value) == (0, Step.PROPOSE, True)


def test_L11_proposer_offers_its_valid_value_again_with_its_round() -> None:
    before = at(Step.PRECOMMIT, locked=RoundValue(Y, 0), valid=RoundValue(X, 2))
    state, outputs = apply(before, RoundStarted(4, proposes=True))
    assert outputs == (Propose(X, 2), StartTimer(TimeoutKind.PROPOSE))
    assert not state.awaits_own_value


def test_L11_others_only_wait() -> None:
    _, outputs = apply(RoundState(), RoundStarted(0, proposes=False))
    assert outputs == (StartTimer(TimeoutKind.PROPOSE),)


def test_L11_a_new_round_forgets_its_first_times_but_not_lock_and_valid_value() -> None:
    locked, valid = RoundValue(X, 1), RoundValue(Y, 2)
    before = RoundState(ROUND, Step.PRECOMMIT, locked, valid, True, True, True, True)
    state, _ = apply(before, RoundStarted(4, proposes=False))
    assert state == RoundState(4, Step.PROPOSE, locked, valid)


@pytest.mark.parametrize("round", [ROUND, ROUND - 1])
def test_L11_no_round_starts_twice_or_backwards(round: int) -> None:
    for step in STEPS:
        assert_ignored(at(step), RoundStarted(round, proposes=True))


# --- L18 ---


def test_L18_own_value_is_proposed_once() -> None:
    waiting = replace(at(Step.PROPOSE), awaits_own_value=True)
    state, outputs = apply(waiting, OwnValueBuilt(ROUND, X))
    assert outputs == (Propose(X, NO_ROUND),)
    assert_ignored(state, OwnValueBuilt(ROUND, Y))


def test_L18_own_value_that_comes_too_late_is_not_proposed() -> None:
    waiting = replace(at(Step.PROPOSE), awaits_own_value=True)
    assert_ignored(waiting, OwnValueBuilt(ROUND - 1, X))
    timed_out, _ = apply(waiting, TimerFired(ROUND, TimeoutKind.PROPOSE))
    assert_ignored(timed_out, OwnValueBuilt(ROUND, X))


# --- L22 ---


@pytest.mark.parametrize(
    ("locked", "acceptable", "voted"),
    [
        (None, True, X),
        (None, False, None),
        (RoundValue(X, 1), True, X),
        (RoundValue(X, 1), False, None),
        (RoundValue(Y, 1), True, None),
        (RoundValue(Y, 0), True, None),
    ],
    ids=[
        "free",
        "unacceptable",
        "locked on it",
        "locked and unacceptable",
        "locked elsewhere",
        "locked early",
    ],
)
def test_L22_first_proposal(locked: RoundValue | None, acceptable: bool, voted: bytes | None) -> None:
    state, outputs = apply(at(Step.PROPOSE, locked), FirstProposal(ROUND, X, acceptable))
    assert outputs == (CastVote(PREVOTE, X if voted else None, NO_ROUND),)
    assert (state.step, state.locked) == (Step.PREVOTE, locked)


@pytest.mark.parametrize("step", [Step.NEW_HEIGHT, Step.PREVOTE, Step.PRECOMMIT])
def test_L22_only_at_step_propose(step: Step) -> None:
    assert_ignored(at(step), FirstProposal(ROUND, X, True))


@pytest.mark.parametrize("round", [ROUND - 1, ROUND + 1])
def test_L22_only_in_this_round(round: int) -> None:
    assert_ignored(at(Step.PROPOSE), FirstProposal(round, X, True))


# --- L28 ---


@pytest.mark.parametrize(
    ("locked", "acceptable", "voted"),
    [
        (None, True, True),
        (None, False, False),
        (RoundValue(X, 2), True, True),
        (RoundValue(Y, 0), True, True),
        (RoundValue(Y, 1), True, True),
        (RoundValue(Y, 2), True, False),
        (RoundValue(Y, 1), False, False),
    ],
    ids=[
        "free",
        "unacceptable",
        "locked on it later",
        "unlocked by a later polka",
        "unlocked by a polka of the very round",
        "locked after the polka",
        "unlocked but unacceptable",
    ],
)
def test_L28_reproposal_with_a_polka_of_round_1(
    locked: RoundValue | None, acceptable: bool, voted: bool
) -> None:
    state, outputs = apply(at(Step.PROPOSE, locked), Reproposal(ROUND, X, 1, acceptable))
    assert outputs == ((CastVote(PREVOTE, X, 1) if voted else votes_nil(PREVOTE)),)
    assert state.step is Step.PREVOTE
    assert state.locked == locked  # a prevote never moves the lock, not even away from it


@pytest.mark.parametrize("valid_round", [ROUND, ROUND + 1, NO_ROUND])
def test_L28_needs_a_polka_of_an_earlier_round(valid_round: int) -> None:
    assert_ignored(at(Step.PROPOSE), Reproposal(ROUND, X, valid_round, True))


@pytest.mark.parametrize("step", [Step.NEW_HEIGHT, Step.PREVOTE, Step.PRECOMMIT])
def test_L28_only_at_step_propose(step: Step) -> None:
    assert_ignored(at(step), Reproposal(ROUND, X, 1, True))
    assert_ignored(at(Step.PROPOSE), Reproposal(ROUND - 1, X, 1, True))


# --- L34 ---


def test_L34_prevote_timer_starts_once_at_step_prevote() -> None:
    state, outputs = apply(at(Step.PREVOTE), PrevoteQuorum(ROUND))
    assert outputs == (StartTimer(TimeoutKind.PREVOTE),)
    assert_ignored(state, PrevoteQuorum(ROUND))


@pytest.mark.parametrize("step", [Step.NEW_HEIGHT, Step.PROPOSE, Step.PRECOMMIT])
def test_L34_not_at_other_steps(step: Step) -> None:
    assert_ignored(at(step), PrevoteQuorum(ROUND))
    assert_ignored(at(Step.PREVOTE), PrevoteQuorum(ROUND - 1))


# --- L36 ---


@pytest.mark.parametrize("locked", [None, RoundValue(X, 1), RoundValue(Y, 1)])
def test_L36_polka_at_step_prevote_locks_and_precommits(locked: RoundValue | None) -> None:
    state, outputs = apply(at(Step.PREVOTE, locked), PolkaForValue(ROUND, X))
    assert outputs == (CastVote(PRECOMMIT, X, NO_ROUND),)
    assert state.locked == state.valid == RoundValue(X, ROUND)
    assert state.step is Step.PRECOMMIT


def test_L36_polka_at_step_precommit_sets_the_valid_value_but_no_lock() -> None:
    before = at(Step.PRECOMMIT, locked=RoundValue(Y, 1))
    state, outputs = apply(before, PolkaForValue(ROUND, X))
    assert outputs == ()
    assert state == replace(before, valid=RoundValue(X, ROUND), saw_polka=True)


def test_L36_not_before_the_own_prevote() -> None:
    for step in (Step.NEW_HEIGHT, Step.PROPOSE):
        assert_ignored(at(step), PolkaForValue(ROUND, X))


def test_L36_once_per_round_and_only_for_this_round() -> None:
    for step in (Step.PREVOTE, Step.PRECOMMIT):
        assert_ignored(at(step), PolkaForValue(ROUND - 1, X))
        state, _ = apply(at(step), PolkaForValue(ROUND, X))
        assert_ignored(state, PolkaForValue(ROUND, X))


# --- L44 ---


def test_L44_nil_polka_precommits_nil_and_keeps_the_lock() -> None:
    before = at(Step.PREVOTE, locked=RoundValue(X, 1), valid=RoundValue(Y, 2))
    state, outputs = apply(before, PolkaForNil(ROUND))
    assert outputs == (votes_nil(PRECOMMIT),)
    assert state == replace(before, step=Step.PRECOMMIT)


@pytest.mark.parametrize("step", [Step.NEW_HEIGHT, Step.PROPOSE, Step.PRECOMMIT])
def test_L44_only_at_step_prevote_of_this_round(step: Step) -> None:
    assert_ignored(at(step), PolkaForNil(ROUND))
    assert_ignored(at(Step.PREVOTE), PolkaForNil(ROUND + 1))


# --- L47 ---


@pytest.mark.parametrize("step", STEPS)
def test_L47_precommit_timer_starts_once_at_any_step(step: Step) -> None:
    state, outputs = apply(at(step), PrecommitQuorum(ROUND))
    assert outputs == (StartTimer(TimeoutKind.PRECOMMIT),)
    assert state.step is step
    assert_ignored(state, PrecommitQuorum(ROUND))
    assert_ignored(at(step), PrecommitQuorum(ROUND - 1))


# --- L49 ---


@pytest.mark.parametrize("step", [Step.NEW_HEIGHT, *STEPS])
@pytest.mark.parametrize("round", [0, ROUND, ROUND + 4])
def test_L49_a_certified_value_of_any_round_is_decided_at_any_step(step: Step, round: int) -> None:
    before = at(step, locked=RoundValue(Y, 1))
    state, outputs = apply(before, ValueCertified(round, X))
    assert outputs == (DecideValue(X, round),)
    assert state.step is Step.DECIDED


def test_L49_nothing_follows_a_decision() -> None:
    decided = at(Step.DECIDED)
    events: tuple[Event, ...] = (
        RoundStarted(9, True),
        FirstProposal(ROUND, X, True),
        PolkaForValue(ROUND, X),
        ValueCertified(ROUND, Y),
        HonestAhead(9),
        TimerFired(ROUND, TimeoutKind.PRECOMMIT),
    )
    for event in events:
        assert_ignored(decided, event)


# --- L55 ---


@pytest.mark.parametrize("step", [Step.NEW_HEIGHT, *STEPS])
def test_L55_a_later_round_with_an_honest_validator_is_entered(step: Step) -> None:
    assert apply(at(step), HonestAhead(7)) == (at(step), (EnterRound(7),))


def test_L55_not_for_this_round_or_an_earlier_one() -> None:
    assert_ignored(at(Step.PRECOMMIT), HonestAhead(ROUND))
    assert_ignored(at(Step.PRECOMMIT), HonestAhead(ROUND - 1))


# --- L57, L61, L65 ---

TIMERS: list[tuple[Step, TimeoutKind, Output | None]] = [
    (Step.PROPOSE, TimeoutKind.PROPOSE, votes_nil(PREVOTE)),
    (Step.PREVOTE, TimeoutKind.PROPOSE, None),
    (Step.PRECOMMIT, TimeoutKind.PROPOSE, None),
    (Step.PROPOSE, TimeoutKind.PREVOTE, None),
    (Step.PREVOTE, TimeoutKind.PREVOTE, votes_nil(PRECOMMIT)),
    (Step.PRECOMMIT, TimeoutKind.PREVOTE, None),
    (Step.PROPOSE, TimeoutKind.PRECOMMIT, EnterRound(ROUND + 1)),
    (Step.PREVOTE, TimeoutKind.PRECOMMIT, EnterRound(ROUND + 1)),
    (Step.PRECOMMIT, TimeoutKind.PRECOMMIT, EnterRound(ROUND + 1)),
    (Step.NEW_HEIGHT, TimeoutKind.PRECOMMIT, None),
    (Step.PROPOSE, TimeoutKind.RESEND, None),
]


@pytest.mark.parametrize(("step", "kind", "output"), TIMERS)
def test_L57_L61_L65_each_timer_counts_in_its_own_step_only(
    step: Step, kind: TimeoutKind, output: Output | None
) -> None:
    _, outputs = apply(at(step), TimerFired(ROUND, kind))
    assert outputs == (() if output is None else (output,))


@pytest.mark.parametrize("kind", TimeoutKind)
@pytest.mark.parametrize("round", [ROUND - 1, ROUND + 1])
@pytest.mark.parametrize("step", STEPS)
def test_L57_L61_L65_timers_of_other_rounds_are_ignored(step: Step, round: int, kind: TimeoutKind) -> None:
    assert_ignored(at(step), TimerFired(round, kind))


def test_a_timeout_never_takes_the_lock() -> None:
    locked = RoundValue(X, 1)
    for step, kind, _ in TIMERS:
        state, _ = apply(at(step, locked), TimerFired(ROUND, kind))
        assert state.locked == locked
