"""Play the scenarios of tests/simulation in virtual time, over as many seeds as asked for.

    python -m scripts.simulate --seeds 100 --first 0
    python -m scripts.simulate --scenario 16b --first 4711 --seeds 1 --trace

Exit code 0: nothing found; 1: a seed failed, and the line to repeat it is printed. A failing seed belongs into
a test of its own, named after what it found.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

from tests.simulation.consortium import NotRecovered
from tests.simulation.scenarios import SCENARIOS, Scenario, play


@dataclass(frozen=True, slots=True)
class Played:
    """What one run came to: `failure` is empty when all held."""

    scenario: str
    seed: int
    failure: str
    height: int
    virtual_ms: int


def main(arguments: list[str] | None = None) -> int:
    """Play, report, and answer the exit code."""
    options = _parse(arguments)
    chosen = [s for s in SCENARIOS if not options.scenario or s.number in options.scenario]
    if not chosen:
        known = ", ".join(scenario.number for scenario in SCENARIOS)
        print(f"no such scenario; there are {known}", file=sys.stderr)
        return 2
    if options.trace:
        return _show_trace(chosen[0], options.first)
    started = time.monotonic()
    runs = [(s.number, seed) for seed in range(options.first, options.first + options.seeds) for s in chosen]
    with ProcessPoolExecutor(options.processes) as pool:
        futures = [pool.submit(_play_one, number, seed) for number, seed in runs]
        played = [future.result() for future in as_completed(futures)]
    return _report(played, time.monotonic() - started)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="simulate", description="Play the consortium in virtual time.")
    parser.add_argument("--seeds", type=int, default=20, help="how many seeds for each scenario (default 20)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default 0)")
    parser.add_argument("--scenario", action="append", help="only this one, by number; may be repeated")
    parser.add_argument("--processes", type=int, default=2, help="how many play at once (default 2)")
    parser.add_argument(
        "--trace", action="store_true", help="print every event of the first seed, and no more"
    )
    return parser.parse_args(arguments)


def _play_one(number: str, seed: int) -> Played:
    scenario = _by_number(number)
    try:
        outcome = play(scenario, seed)
    except AssertionError as failure:
        return Played(number, seed, f"{type(failure).__name__}: {failure}", 0, 0)
    return Played(number, seed, "", outcome.height, outcome.virtual_ms)


def _by_number(number: str) -> Scenario:
    return next(scenario for scenario in SCENARIOS if scenario.number == number)


def _show_trace(scenario: Scenario, seed: int) -> int:
    lines: list[str] = []
    try:
        outcome = play(scenario, seed, words=lines)
    except (AssertionError, NotRecovered) as failure:
        print("\n".join(lines))
        print(f"{type(failure).__name__}: {failure}")
        return 1
    print("\n".join(lines))
    print(outcome)
    return 0


def _report(played: list[Played], seconds: float) -> int:
    print(f"{'scenario':<12}{'seeds':>7}{'failed':>8}{'heights':>9}{'virtual s':>11}  name")
    for scenario in SCENARIOS:
        runs = [run for run in played if run.scenario == scenario.number]
        if runs:
            failed = sum(1 for run in runs if run.failure)
            heights, virtual_s = sum(run.height for run in runs), sum(run.virtual_ms for run in runs) // 1_000
            print(
                f"{scenario.number:<12}{len(runs):>7}{failed:>8}{heights:>9}{virtual_s:>11}  {scenario.name}"
            )
    failures = sorted((run for run in played if run.failure), key=lambda run: (run.scenario, run.seed))
    for run in failures:
        print(f"\n{run.failure}")
        print(f"    scripts/simulate --scenario {run.scenario} --first {run.seed} --seeds 1 --trace")
    print(f"\n{len(played)} runs, {len(failures)} failed, {seconds:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
