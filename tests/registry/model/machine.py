"""The state machine: random blocks of random members' random entries, judged by the registry and by the model.

One machine for each focus; each meets every family, since rules break where families meet. How long they run is set from
outside: PLEDGEBOOK_MODEL_EXAMPLES and PLEDGEBOOK_MODEL_STEPS, for each machine. With PLEDGEBOOK_MODEL_SHRINK a failing example is
made shorter first.
"""

from __future__ import annotations

import os
from collections import Counter

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.registry.consortium import START_MS
from tests.registry.model import (
    draw_assignment,
    draw_collection,
    draw_cover,
    draw_evidence,
    draw_existence,
    draw_governance,
    draw_pool,
    draw_restraint,
    draw_security,
)
from tests.registry.model.book import DAY_MS, HOUR_MS
from tests.registry.model.chain import Chain
from tests.registry.model.draw_governance import drawn_policy
from tests.registry.model.scene import Dice, Draw

EXAMPLES_BY_DEFAULT = 45
EXAMPLES = int(os.environ.get("PLEDGEBOOK_MODEL_EXAMPLES", EXAMPLES_BY_DEFAULT))
SHRINK = "PLEDGEBOOK_MODEL_SHRINK" in os.environ
STEPS = int(os.environ.get("PLEDGEBOOK_MODEL_STEPS", "30"))

FAMILIES: dict[str, tuple[tuple[int, Draw], ...]] = {
    "existence": draw_existence.DRAWS,
    "evidence": draw_evidence.DRAWS,
    "assignment": draw_assignment.DRAWS,
    "security": draw_security.DRAWS,
    "collection": draw_collection.DRAWS,
    "cover": draw_cover.DRAWS,
    "pool": draw_pool.DRAWS,
    "restraint": draw_restraint.DRAWS,
    "governance": draw_governance.DRAWS,
}
FOCI: dict[str, dict[str, int]] = {
    "trade": {"assignment": 6, "security": 4, "existence": 2, "evidence": 1, "collection": 1},
    "papers": {"existence": 5, "evidence": 4, "assignment": 1},
    "collection": {"collection": 5, "security": 4, "assignment": 3, "evidence": 1},
    "cover": {"cover": 5, "collection": 3, "security": 3, "assignment": 2},
    "pool": {"pool": 6, "existence": 2, "collection": 1, "security": 1},
    "authority": {"governance": 4, "restraint": 4, "assignment": 3, "security": 1, "existence": 1},
}
Tally = Counter[tuple[str, str]]

# Not for ever: an example stays within what liens and due dates last.
_LATEST_MS = START_MS + 500 * DAY_MS
_STEPS_MS = st.sampled_from(
    (1, 1, 1, 1, HOUR_MS, DAY_MS, DAY_MS, 4 * DAY_MS, 11 * DAY_MS, 31 * DAY_MS),
)
_SEEDS = st.integers(0, 2**32)
_ENTRIES = st.lists(st.lists(_SEEDS, min_size=1, max_size=4), min_size=1, max_size=3)


def draws_of(focus: str) -> tuple[Draw, ...]:
    """Each way to draw as often as its weight; a family that is not in focus, once."""
    drawn: list[Draw] = []
    for family, draws in FAMILIES.items():
        for weight, draw in draws:
            drawn += [draw] * (weight * FOCI[focus].get(family, 0) or 1)
    return tuple(drawn)


def machine_of(focus: str, tally: Tally) -> type[RuleBasedStateMachine]:
    """The machine that looks at `focus` most, and counts in `tally` what was handed in."""
    draws = draws_of(focus)

    class RegistryAgainstModel(RuleBasedStateMachine):
        @initialize(seed=_SEEDS)
        def begin(self, seed: int) -> None:
            self.chain = Chain(drawn_policy(Dice(seed)), tally)
            self.chain.begin(seed)

        @rule(entries=_ENTRIES, step_ms=_STEPS_MS)
        def add_block(self, entries: list[list[int]], step_ms: int) -> None:
            is_late = self.chain.consortium.tip.time_ms > _LATEST_MS
            self.chain.add_block(entries, draws, 1 if is_late else step_ms)

        def teardown(self) -> None:
            if hasattr(self, "chain"):
                self.chain.replay()

    return RegistryAgainstModel


def run(focus: str, examples: int = EXAMPLES, steps: int = STEPS) -> Tally:
    """Random examples; raises AssertionError where registry and model differ, with the shortest example that was found."""
    tally: Tally = Counter()
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        # A run of the usual size plays the same chains each time, so that it judges the change; a longer one explores.
        derandomize=examples <= EXAMPLES_BY_DEFAULT,
        # A seed does not get simpler: looking for a smaller one takes minutes, and is worth them only to who reads it.
        phases=[phase for phase in Phase if SHRINK or phase is not Phase.shrink],
    )
    run_state_machine_as_test(machine_of(focus, tally), settings=chosen)
    return tally
