"""Each row of the table over some seeds; `scripts/simulate` plays as many more as one likes."""

import pytest

from tests.simulation.scenarios import SCENARIOS, Scenario, play

pytestmark = pytest.mark.simulation

SEEDS = range(6)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: f"{scenario.number} {scenario.name}")
def test_scenario_holds_over_seeds(scenario: Scenario) -> None:
    for seed in SEEDS:
        outcome = play(scenario, seed)
        assert outcome.height > outcome.height_at_healing


def test_persistence_points_are_hit_one_by_one() -> None:
    """Scenario 16a takes the point from the seed: here every one of the first, which cover start and two heights."""
    scenario = next(s for s in SCENARIOS if s.number == "16a")
    for seed in range(1_000, 1_048):
        play(scenario, seed)


def test_a_node_that_died_while_it_caught_up_starts_again() -> None:
    """Found by seed 1003 of scenario 16b: what is fetched leaves no durable journal, and the start refused the gap."""
    scenario = next(s for s in SCENARIOS if s.number == "22")
    for seed in range(24):
        play(scenario, seed)
