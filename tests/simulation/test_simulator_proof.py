"""The simulator finds what it is there to find: each planted fault within the stated number of seeds."""

import os
import subprocess
import sys

import pytest

from tests.simulation import planted
from tests.simulation.consortium import NotRecovered
from tests.simulation.oracles import OracleViolation
from tests.simulation.scenarios import SCENARIOS, Scenario, play
from tests.simulation.simulated_node import Build

pytestmark = pytest.mark.simulation


def scenario(number: str) -> Scenario:
    return next(scenario for scenario in SCENARIOS if scenario.number == number)


def violated(number: str, seed: int, build: Build) -> str | None:
    """The oracle that this seed offends, "recovery" when the nodes do not come together again; None: nothing found."""
    try:
        play(scenario(number), seed, build)
    except OracleViolation as violation:
        return violation.oracle
    except NotRecovered:
        return "recovery"
    return None


@pytest.mark.parametrize(
    ("build", "number", "seeds", "oracles"),
    [
        (planted.NO_LOCK_TEST, "6b", 20, {"lock", "agreement"}),
        (planted.UNLOCK_ON_NIL, "6b", 30, {"lock", "agreement"}),
        (planted.UNLOCK_AT_OLD_POLKA, "10", 60, {"lock", "agreement"}),
        (planted.QUORUM_OF_2F, "1", 1, {"certificate"}),
        (planted.QUORUM_OF_TWO_THIRDS, "powers", 5, {"certificate"}),
        (planted.NO_SYNC, "16b", 20, {"double sign"}),
        (planted.SET_TOO_EARLY, "25a", 3, {"stranger", "certificate"}),
        (planted.OLD_KEY_SIGNS, "26", 3, {"stranger"}),
    ],
    ids=[
        "lock test skipped",
        "unlock on nil",
        "unlock at an older polka",
        "quorum of 2f",
        ">= for >",
        "no fsync",
        "a set one block too early",
        "the old key signs",
    ],
)
def test_planted_fault_is_found(build: Build, number: str, seeds: int, oracles: set[str]) -> None:
    found = next((oracle for seed in range(seeds) if (oracle := violated(number, seed, build))), None)
    assert found in oracles, f"found {found} within {seeds} seeds"


def test_one_seed_is_one_story() -> None:
    one, again, other = (play(scenario("chaos-liar"), seed) for seed in (3, 3, 4))
    assert one == again
    assert one.trace_hash != other.trace_hash


def test_a_seed_tells_the_same_story_in_another_process() -> None:
    told = play(scenario("16b"), 5).trace_hash
    code = (
        "from tests.simulation.scenarios import SCENARIOS, play;"
        "print(play(next(s for s in SCENARIOS if s.number == '16b'), 5).trace_hash)"
    )
    for hash_seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        process = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
        )
        assert process.stdout.strip() == told
