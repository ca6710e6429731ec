"""The consortium of the registry's tests with supervision following it, for tests of figures and alerts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from registry.block import decode_block
from registry.member import MemberStatus
from registry.state import MemoryState, WorkingState
from registry.stored import Namespace
from registry.supervision.alert_memory import MemoryIndex
from registry.supervision.alert_watch import AlertWatch
from registry.supervision.alerts import Alert, AlertKind
from registry.supervision.figures import CurrencyFigures, Figures
from registry.supervision.fold import Report, ReportRequest, Supervision
from registry.supervision.following import Follower
from registry.supervision.observation import ObservedBlock
from registry.transition import genesis_state
from tests.registry.consortium import (
    EXPELLED,
    SUSPENDED,
    Consortium,
)


def _followed_state(consortium: Consortium) -> MemoryState:
    state = MemoryState()
    state.apply(genesis_state(consortium.genesis).delta)
    # The tests' consortium sets two members' status in the state itself, so a replay must too.
    for member_id, status in ((SUSPENDED, MemberStatus.SUSPENDED), (EXPELLED, MemberStatus.EXPELLED)):
        working = WorkingState(state)
        member = working.member(member_id)
        assert member is not None
        working.put(Namespace.MEMBER, member_id.encode(), replace(member, status=status))
        state.apply(working.finish()[0])
    return state


def report_of(consortium: Consortium, member_id: str | None, height: int = 0, from_height: int = 1) -> Report:
    """The report as of a height (0: the last), by replay from the genesis document."""
    blocks = consortium.blocks[:height] if height else consortium.blocks
    supervision = Supervision(
        consortium.genesis, ReportRequest(len(blocks), member_id, from_height=from_height)
    )
    follower = Follower(consortium.genesis, _followed_state(consortium), 0)
    for committed in blocks:
        supervision.follow(follower.follow(decode_block(committed.raw)), follower.state)
    return supervision.report(follower.state)


def followed(consortium: Consortium) -> Iterator[tuple[ObservedBlock, MemoryState]]:
    """Each block as supervision sees it, and the state after it."""
    follower = Follower(consortium.genesis, _followed_state(consortium), 0)
    for committed in consortium.blocks:
        yield follower.follow(decode_block(committed.raw)), follower_state(follower)


def follower_state(follower: Follower) -> MemoryState:
    assert isinstance(follower.state, MemoryState)
    return follower.state


def figures_of(consortium: Consortium, member_id: str | None, **when: int) -> Figures:
    return report_of(consortium, member_id, **when).figures


def in_usd(consortium: Consortium, member_id: str | None, **when: int) -> CurrencyFigures:
    (figures,) = figures_of(consortium, member_id, **when).by_currency
    assert figures.currency == "USD"
    return figures


def alerts_of(consortium: Consortium) -> list[list[Alert]]:
    """The alerts of each block, by replay from the genesis document."""
    watch = AlertWatch(MemoryIndex(consortium.genesis.time_ms))
    return [list(watch.follow(block, WorkingState(reader))) for block, reader in followed(consortium)]


def of_kind(consortium: Consortium, kind: AlertKind) -> list[Alert]:
    return [alert for block in alerts_of(consortium) for alert in block if alert.kind is kind]
