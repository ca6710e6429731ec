"""Each row of the table over some seeds; `scripts/simulate` plays as many more as one likes."""

import pytest

from tests.simulation.scenarios import SCENARIOS, Scenario, play

pytestmark = pytest.mark.simulation

SEEDS = range(24)
"""As many as keep this folder at a minute or so on two free cores."""
PERSISTENCE_POINTS = range(1_000, 1_048)
"""Scenario 16a takes the point from the seed."""


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: f"{scenario.number} {scenario.name}")
def test_scenario_holds(scenario: Scenario, seed: int) -> None:
    outcome = play(scenario, seed)
    assert outcome.height > outcome.height_at_healing


@pytest.mark.parametrize("seed", PERSISTENCE_POINTS)
def test_crash_at_a_persistence_point_changes_no_vote(seed: int) -> None:
    """Every one of the first points, which cover start and two heights."""
    play(next(s for s in SCENARIOS if s.number == "16a"), seed)
