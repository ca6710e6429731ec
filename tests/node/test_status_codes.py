"""The one table of errors, and what leaves of them."""

from __future__ import annotations

import pytest
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo

from node.config import ConfigError
from node.disk import DiskFailed
from node.engine import EngineHalted
from node.runtime import exit_code_of
from node.servers import PortInUse
from node.status import GRPC_STATUS, HTTP_STATUS, CallCode, CallRefused, ExitCode, problem_json, rich_status
from node.store import WrongChain


def test_every_code_has_a_grpc_and_an_http_status() -> None:
    assert set(GRPC_STATUS) == set(HTTP_STATUS) == set(CallCode)


def test_rich_status_carries_the_stable_code_and_the_retry_time() -> None:
    status = rich_status(CallRefused(CallCode.OVERLOADED, "too busy", retry_after_ms=2_500))
    info, retry = ErrorInfo(), RetryInfo()
    assert status.details[0].Unpack(info)
    assert (info.reason, info.domain) == ("OVERLOADED", "pledgebook")
    assert status.details[1].Unpack(retry)
    assert retry.retry_delay.ToMilliseconds() == 2_500


def test_status_without_a_retry_time_has_none() -> None:
    assert len(rich_status(CallRefused(CallCode.FORBIDDEN, "no")).details) == 1


def test_problem_document_has_the_same_code() -> None:
    problem = problem_json(CallRefused(CallCode.OVERLOADED, "too busy"))
    assert (problem["code"], problem["status"], problem["detail"]) == ("OVERLOADED", 429, "too busy")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), ExitCode.CONFIG),
        (WrongChain("x"), ExitCode.STORE),
        (DiskFailed("x", OSError(28, "No space left on device")), ExitCode.STORE),
        (PortInUse("x"), ExitCode.PORT_IN_USE),
        (EngineHalted("x"), ExitCode.FATAL),
        (RuntimeError("x"), ExitCode.FATAL),
    ],
)
def test_process_ends_with_the_code_of_its_table(error: BaseException, code: ExitCode) -> None:
    assert exit_code_of(error) is code
