"""Health, status, metrics and OpenAPI over plain HTTP."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from node.api.http_api import NodeStatus, make_app
from node.status import CallCode, CallRefused
from node.telemetry import Metrics

PAGE = NodeStatus(
    node="association",
    chain_id="00" * 32,
    version="1",
    status="serving",
    height=7,
    block_hash="11" * 32,
    state_root="22" * 32,
    time_ms=1,
    round=0,
    step="propose",
    validating=True,
    observing_because=None,
    peers_connected=["factor-1"],
    peers_missing=[],
    mempool_entries=3,
    mempool_bytes=900,
)


class FakeReporter:
    word = "serving"

    def health(self) -> str:
        return self.word

    def status(self) -> NodeStatus:
        if self.word == "starting":
            raise CallRefused(CallCode.STOPPING, "the node is starting")
        return PAGE


@pytest.fixture
def reporter() -> FakeReporter:
    return FakeReporter()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def pages(reporter: FakeReporter, metrics: Metrics) -> Iterator[TestClient]:
    with TestClient(make_app(reporter, metrics, "1")) as client:
        yield client


@pytest.mark.parametrize(
    ("word", "status"), [("serving", 200), ("catching_up", 200), ("starting", 503), ("stopping", 503)]
)
def test_health_is_200_while_members_are_answered(
    pages: TestClient, reporter: FakeReporter, word: str, status: int
) -> None:
    reporter.word = word
    answer = pages.get("/health")
    assert (answer.status_code, answer.json()) == (status, {"status": word, "pid": os.getpid()})


def test_status_tells_where_the_node_is(pages: TestClient) -> None:
    assert pages.get("/status").json() == PAGE.model_dump()


def test_refusal_is_a_problem_document_with_the_stable_code(
    pages: TestClient, reporter: FakeReporter
) -> None:
    reporter.word = "starting"
    answer = pages.get("/status")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "STOPPING"


@pytest.mark.parametrize(("method", "path", "code"), [("GET", "/heath", 404), ("POST", "/health", 405)])
def test_what_http_refuses_is_a_problem_document_too(
    pages: TestClient, method: str, path: str, code: int
) -> None:
    answer = pages.request(method, path)
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["detail"]) == (code, code, f"{method} {path}")
    assert problem["code"] == {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}[code]


def test_failure_is_a_problem_document_without_what_it_said(metrics: Metrics) -> None:
    class Failing(FakeReporter):
        def status(self) -> NodeStatus:
            raise OSError("the secret path")

    with TestClient(make_app(Failing(), metrics, "1"), raise_server_exceptions=False) as pages:
        answer = pages.get("/status")
    assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL_SERVER_ERROR")
    assert "secret" not in answer.text


def test_metrics_are_prometheus_text(pages: TestClient, metrics: Metrics) -> None:
    metrics.height.set(7)
    metrics.count_admissions([(b"a", "OK"), (b"b", "REPLAYED")], 1_000)
    metrics.count_block((b"a",), (), 1_030)
    text = pages.get("/metrics").text
    assert "pledgebook_height 7.0" in text
    assert 'pledgebook_admissions_total{code="REPLAYED"} 1.0' in text
    assert 'pledgebook_commit_seconds_bucket{le="0.04"} 1.0' in text
    assert "pledgebook_entries_committed_total 1.0" in text


def test_openapi_names_the_pages_and_no_page_loads_foreign_scripts(pages: TestClient) -> None:
    assert set(pages.get("/openapi.json").json()["paths"]) == {"/health", "/status", "/metrics"}
    assert pages.get("/docs").status_code == 404
