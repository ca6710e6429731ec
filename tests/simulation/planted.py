"""Broken nodes, to prove that the simulator would find what it is there to find.

Each fault is a subclass or a parameter of the test bench; production code has no switch for any of them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from consensus.driver import Driver
from consensus.inputs import TimeoutKind
from consensus.limits import Limits, Timing
from consensus.round_state import (
    Event,
    FirstProposal,
    Output,
    PolkaForNil,
    Reproposal,
    RoundState,
    TimerFired,
    apply,
)
from consensus.validators import ValidatorSet
from node.engine import Engine
from node.executor import Executor
from node.ports import VALUE_BYTES_MAX
from tests.simulation.simulated_node import Build


class _NoLockTest(Driver):
    """Prevotes whatever is valid, locked or not."""

    def _apply_rule(self, rules: RoundState, event: Event) -> tuple[RoundState, tuple[Output, ...]]:
        if isinstance(event, FirstProposal | Reproposal):
            free, outputs = apply(replace(rules, locked=None), event)
            return replace(free, locked=rules.locked), outputs
        return apply(rules, event)


class _UnlocksOnNil(Driver):
    """Takes a nil polka, or a prevote timeout, for the end of the lock."""

    def _apply_rule(self, rules: RoundState, event: Event) -> tuple[RoundState, tuple[Output, ...]]:
        state, outputs = apply(rules, event)
        nil = isinstance(event, PolkaForNil) or (
            isinstance(event, TimerFired) and event.kind is TimeoutKind.PREVOTE
        )
        return (replace(state, locked=None), outputs) if nil and outputs else (state, outputs)


class _UnlocksAtEqualRound(Driver):
    """`<=` where the rule says `<`: follows any re-proposal, also one whose polka is older than the lock."""

    def _apply_rule(self, rules: RoundState, event: Event) -> tuple[RoundState, tuple[Output, ...]]:
        if (
            isinstance(event, Reproposal)
            and rules.locked is not None
            and event.valid_round <= rules.locked.round
        ):
            free, outputs = apply(replace(rules, locked=None), event)
            return replace(free, locked=rules.locked), outputs
        return apply(rules, event)


class _SmallQuorum(ValidatorSet):
    """A quorum of 2f."""

    def is_quorum(self, power: int) -> bool:
        return 2 * power >= self.total_power


class _EqualIsQuorum(ValidatorSet):
    """`>=` for `>`: with 4 equal validators no difference, with powers 2, 2, 1, 1 two of them are enough."""

    def is_quorum(self, power: int) -> bool:
        return 3 * power >= 2 * self.total_power


class _EngineWithoutLockTest(Engine):
    def _new_driver(self) -> Driver:
        return _driver(self, _NoLockTest)


class _EngineThatUnlocksOnNil(Engine):
    def _new_driver(self) -> Driver:
        return _driver(self, _UnlocksOnNil)


class _EngineThatUnlocksAtEqualRound(Engine):
    def _new_driver(self) -> Driver:
        return _driver(self, _UnlocksAtEqualRound)


class _ExecutorWithSmallQuorum(Executor):
    def validators(self, height: int) -> ValidatorSet:
        return _SmallQuorum(super().validators(height).validators)


class _ExecutorWithEqualQuorum(Executor):
    def validators(self, height: int) -> ValidatorSet:
        return _EqualIsQuorum(super().validators(height).validators)


class _ExecutorAheadOfTheSet(Executor):
    """Lets a decision count one block too early."""

    def validators(self, height: int) -> ValidatorSet:
        return super().validators(height + 1)


class _EngineThatForgetsRotation(Engine):
    """Signs for its name, whatever key the ledger records."""

    def _is_validator(self, height: int) -> bool:
        return self._application.validators(height).get(self._settings.node_id) is not None


NO_LOCK_TEST: Final = Build(engine=_EngineWithoutLockTest)
UNLOCK_ON_NIL: Final = Build(engine=_EngineThatUnlocksOnNil)
UNLOCK_AT_OLD_POLKA: Final = Build(engine=_EngineThatUnlocksAtEqualRound)
QUORUM_OF_2F: Final = Build(executor=_ExecutorWithSmallQuorum)
QUORUM_OF_TWO_THIRDS: Final = Build(executor=_ExecutorWithEqualQuorum)
SET_TOO_EARLY: Final = Build(executor=_ExecutorAheadOfTheSet)
OLD_KEY_SIGNS: Final = Build(engine=_EngineThatForgetsRotation)
NO_SYNC: Final = Build(sync_works=False)


def _driver(engine: Engine, kind: type[Driver]) -> Driver:
    settings = engine._settings
    own_id = None if engine._signer is None else settings.node_id
    timing = Timing(settings.network_delay_ms, settings.precision_ms)
    return kind(settings.chain_id, own_id, timing, Limits(payload_bytes_max=VALUE_BYTES_MAX))
