"""Who waits for a report, and what becomes of the process that makes it."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from structlog.typing import FilteringBoundLogger

from node.status import CallCode, CallRefused
from node.supervision.alert_desk import AlertDesk
from node.supervision.alert_tables import AlertTables
from node.supervision.report_desk import DOCUMENT_BYTES_MAX, REPORTS_MAX, ReportDesk, ReportFailed
from node.telemetry import node_logger
from registry.supervision.fold import ReportRequest
from tests.registry.consortium import found

GOOD = """
import sys
print("height 3", flush=True)
print("document 5", flush=True)
sys.stdout.write("hello")
"""
SLEEPING = """
import os, pathlib, sys, time
pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))
print("height 1", flush=True)
time.sleep(60)
"""
FAILING = """
import sys
sys.exit("the chain is not there")
"""
CUT_SHORT = """
print("document 500", flush=True)
print("half of it")
"""
LONG_WINDED = """
import sys
sys.stderr.write("a line of a traceback\\n" * 10_000)
sys.exit("the error itself")
"""
TOO_LARGE = f"""
import time
print("document {DOCUMENT_BYTES_MAX + 1}", flush=True)
time.sleep(60)
"""


@pytest.fixture
def logger() -> FilteringBoundLogger:
    return node_logger("test")


def desk_of(
    script: str, logger: FilteringBoundLogger, *arguments: str, report_s_max: float = 30
) -> ReportDesk:
    command = (sys.executable, "-c", script, *arguments)
    return ReportDesk(lambda _request: command, logger, report_s_max=report_s_max)


async def told(desk: ReportDesk, height: int = 3) -> list[int | bytes]:
    async with aclosing(desk.report(ReportRequest(height, None))) as parts:
        return [part async for part in parts]


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110  # another process makes it true
            await asyncio.sleep(0.02)


def is_running(pid_file: Path) -> bool:
    return pid_file.exists() and bool(pid_file.read_text()) and Path(f"/proc/{pid_file.read_text()}").exists()


async def test_a_report_is_told_and_kept(logger: FilteringBoundLogger, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    desk = desk_of(f"open({str(runs)!r}, 'a').write('x')\n{GOOD}", logger)
    assert (await told(desk))[-1] == b"hello"
    assert await told(desk) == [b"hello"]
    assert runs.read_text() == "x"


async def test_callers_who_ask_for_the_same_share_one_worker(
    logger: FilteringBoundLogger, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    desk = desk_of(f"open({str(runs)!r}, 'a').write('x')\n{GOOD}", logger)
    answers = await asyncio.gather(*(told(desk) for _ in range(REPORTS_MAX * 3)))
    assert {answer[-1] for answer in answers} == {b"hello"}
    assert runs.read_text() == "x"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (FAILING, "the chain is not there"),
        (CUT_SHORT, "ended without a report"),
        (LONG_WINDED, "the error itself"),
        (TOO_LARGE, f"{DOCUMENT_BYTES_MAX + 1} bytes"),
    ],
)
async def test_a_worker_that_ends_without_a_report_is_a_failure_that_the_log_explains(
    logger: FilteringBoundLogger, script: str, reason: str
) -> None:
    with capture_logs() as logs:
        desk = desk_of(script, logger)
        with pytest.raises(ReportFailed):
            await told(desk)
    assert [line["event"] for line in logs] == ["report_failed"]
    assert reason in logs[0]["reason"]
    assert len(logs[0]["reason"]) < 3_000


async def test_a_worker_whose_last_caller_leaves_is_ended(
    logger: FilteringBoundLogger, tmp_path: Path
) -> None:
    pid_file = tmp_path / "pid"
    desk = desk_of(SLEEPING, logger, str(pid_file))
    callers = [asyncio.create_task(told(desk)) for _ in range(2)]
    await until(lambda: is_running(pid_file))
    callers[0].cancel()
    await asyncio.sleep(0.2)
    assert is_running(pid_file)
    callers[1].cancel()
    await until(lambda: not is_running(pid_file))


async def test_a_worker_that_takes_too_long_is_ended(logger: FilteringBoundLogger, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    desk = desk_of(SLEEPING, logger, str(pid_file), report_s_max=1)
    with pytest.raises(ReportFailed, match="longer than"):
        await told(desk)
    assert not is_running(pid_file)


async def test_one_report_more_than_can_wait_is_told_to_come_again(
    logger: FilteringBoundLogger, tmp_path: Path
) -> None:
    desk = desk_of(SLEEPING, logger, str(tmp_path / "pid"))
    callers = [asyncio.create_task(told(desk, height)) for height in range(1, REPORTS_MAX + 1)]
    await asyncio.sleep(0.1)
    with pytest.raises(CallRefused) as refused:
        await told(desk, 99)
    assert refused.value.code is CallCode.OVERLOADED
    assert refused.value.retry_after_ms
    await desk.close()
    await asyncio.gather(*callers, return_exceptions=True)


async def test_a_desk_that_closes_ends_its_workers(logger: FilteringBoundLogger, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    desk = desk_of(SLEEPING, logger, str(pid_file))
    caller = asyncio.create_task(told(desk))
    await until(lambda: is_running(pid_file))
    await desk.close()
    assert not is_running(pid_file)
    with pytest.raises(asyncio.CancelledError):
        await caller


async def test_who_watches_alerts_is_told_that_the_worker_has_ended(
    logger: FilteringBoundLogger, tmp_path: Path
) -> None:
    with capture_logs() as logs:
        desk = AlertDesk((sys.executable, "-c", FAILING), tmp_path / "alerts", logger)
        desk.watch()
        with pytest.raises(CallRefused) as refused:
            await desk.above(0)
    assert refused.value.code is CallCode.STOPPING
    assert "the chain is not there" in logs[0]["reason"]
    await desk.close()


async def test_the_alert_worker_ends_with_the_desk(logger: FilteringBoundLogger, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    script = SLEEPING.replace('print("height 1", flush=True)', "")
    desk = AlertDesk((sys.executable, "-c", script, str(pid_file)), tmp_path / "alerts", logger)
    desk.watch()
    await until(lambda: is_running(pid_file))
    await desk.close()
    assert not is_running(pid_file)


async def test_a_failure_that_nobody_waits_for_does_not_end_the_node(
    logger: FilteringBoundLogger, tmp_path: Path
) -> None:
    unseen: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: unseen.append(context))
    missing = (str(tmp_path / "no such program"),)
    with capture_logs() as logs:
        reports = ReportDesk(lambda _request: missing, logger)
        with pytest.raises(FileNotFoundError):
            await told(reports)
        alerts = AlertDesk(missing, tmp_path / "alerts", logger)
        alerts.watch()
        with pytest.raises(CallRefused):
            await alerts.above(0)
        with pytest.raises(CallRefused):
            alerts.read(1, 1)
    gc.collect()
    await asyncio.sleep(0)
    assert unseen == []
    assert [line["event"] for line in logs] == ["report_failed", "alerts_failed"]
    await alerts.close()


async def test_a_worker_that_writes_what_no_worker_writes_is_a_failure(
    logger: FilteringBoundLogger, tmp_path: Path
) -> None:
    with capture_logs() as logs:
        script = 'print("height", flush=True)'
        AlertTables.open(tmp_path / "alerts", found().genesis).close()
        alerts = AlertDesk((sys.executable, "-c", script), tmp_path / "alerts", logger)
        alerts.watch()
        with pytest.raises(CallRefused):
            await alerts.above(0)
    assert [line["event"] for line in logs] == ["alerts_failed"]
    await alerts.close()
