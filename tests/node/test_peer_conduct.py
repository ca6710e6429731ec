"""Peers that send what no correct node sends: counted, told now and then, and not listened to for a while."""

from __future__ import annotations

from typing import Any, cast

import pytest
from structlog.typing import FilteringBoundLogger

from node.peering.conduct import INTERVAL_MS, INVALID_MAX, SHUN_MS, Conduct
from node.telemetry import Metrics


class Watched:
    """Conduct on a clock that the test moves, with its lines of log."""

    def __init__(self) -> None:
        self.ms = 0
        self.lines: list[str] = []
        self.reasons: list[str] = []
        clock, logger = cast(Any, self), cast(FilteringBoundLogger, self)
        self.conduct = Conduct(clock, Metrics(), logger)

    def monotonic_ms(self) -> int:
        return self.ms

    def warning(self, event: str, *, reason: str, **_: object) -> None:
        self.lines.append(event)
        self.reasons.append(reason)

    def wrong(self, times: int, peer: str = "peer-1") -> None:
        for _ in range(times):
            self.conduct.wrong(peer, "forged")


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_flood_of_wrong_messages_makes_two_lines_of_log(watched: Watched) -> None:
    watched.wrong(100_000)
    assert watched.lines == ["peer_message_refused", "peer_shunned"]


def test_peer_is_shunned_from_the_last_bearable_message_and_for_a_while(watched: Watched) -> None:
    watched.wrong(INVALID_MAX - 1)
    assert not watched.conduct.shunned("peer-1")
    watched.wrong(1)
    assert watched.conduct.shunned("peer-1")
    assert not watched.conduct.shunned("peer-2")
    watched.ms = SHUN_MS - 1
    assert watched.conduct.shunned("peer-1")
    watched.ms = SHUN_MS
    assert not watched.conduct.shunned("peer-1")


def test_few_wrong_messages_an_interval_are_told_once_and_borne(watched: Watched) -> None:
    for _ in range(10):
        watched.wrong(INVALID_MAX - 1)
        watched.ms += INTERVAL_MS
    assert not watched.conduct.shunned("peer-1")
    assert watched.lines == ["peer_message_refused"] * 10


def test_peer_that_comes_back_and_goes_on_is_shunned_again(watched: Watched) -> None:
    watched.wrong(INVALID_MAX)
    watched.ms = SHUN_MS
    watched.wrong(INVALID_MAX)
    assert watched.conduct.shunned("peer-1")


def test_reason_that_a_peer_makes_long_is_cut(watched: Watched) -> None:
    watched.conduct.wrong("peer-1", "x" * 10_000)
    assert [len(reason) for reason in watched.reasons] == [500]
