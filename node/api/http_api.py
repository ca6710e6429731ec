"""Health, status and metrics over plain HTTP, for the operator's own machine.

Guarantees: nothing of a receivable or member is told here; the pages are for loopback (`listen.http`) and need no token.
Errors are problem+json (RFC 9457) with the stable codes of `status`, or HTTP's own (NOT_FOUND) where it is the web server
that refuses.
Leaves to others: everything about the ledger (gRPC).
"""

from __future__ import annotations

import os
from http import HTTPStatus
from typing import Protocol

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from node.status import HTTP_STATUS, CallRefused, problem_json
from node.telemetry import Metrics

PROBLEM_JSON = "application/problem+json"


class Health(BaseModel):
    """Whether this node serves."""

    model_config = ConfigDict(extra="forbid")
    status: str
    """starting | serving | catching_up | stopping"""
    pid: int
    """Which process answers: whoever started one can tell it from another at the same port."""


class NodeStatus(BaseModel):
    """Where this node is."""

    model_config = ConfigDict(extra="forbid")
    node: str
    chain_id: str
    version: str
    status: str
    height: int
    block_hash: str
    state_root: str
    time_ms: int
    round: int
    step: str
    validating: bool
    observing_because: str | None
    peers_connected: list[str]
    peers_missing: list[str]
    mempool_entries: int
    mempool_bytes: int


class Reporter(Protocol):
    """Who knows."""

    def health(self) -> str:
        """One word of `Health.status`."""
        ...

    def status(self) -> NodeStatus:
        """The whole page. Raises CallRefused while the node starts."""
        ...


def make_app(reporter: Reporter, metrics: Metrics, version: str) -> FastAPI:
    """The application; one per node."""
    app = FastAPI(
        title="Pledgebook node",
        version=version,
        description="Health, status and metrics of one node. The ledger itself is asked over gRPC.",
        docs_url=None,  # its page loads scripts from elsewhere; the document is at /openapi.json
        redoc_url=None,
    )

    @app.exception_handler(CallRefused)
    async def refuse(request: Request, refused: CallRefused) -> JSONResponse:
        return JSONResponse(
            problem_json(refused),
            status_code=HTTP_STATUS[refused.code],
            media_type=PROBLEM_JSON,
        )

    @app.exception_handler(HTTPException)
    async def refuse_request(request: Request, refused: HTTPException) -> JSONResponse:
        return _problem(HTTPStatus(refused.status_code), f"{request.method} {request.url.path}")

    @app.exception_handler(Exception)
    async def answer_failure(request: Request, error: Exception) -> JSONResponse:
        # Says nothing of the error; the web server raises it again and logs it.
        return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, f"{request.method} {request.url.path}")

    @app.get("/health", responses={503: {"model": Health, "description": "starting or stopping"}})
    async def health(response: Response) -> Health:
        """200 when the node answers members, also while it catches up; else 503."""
        word = reporter.health()
        if word not in ("serving", "catching_up"):
            response.status_code = 503
        return Health(status=word, pid=os.getpid())

    @app.get("/status")
    async def status() -> NodeStatus:
        """Height, roots, round, peers and what waits."""
        return reporter.status()

    @app.get("/metrics", response_class=Response)
    async def all_metrics() -> Response:
        """Prometheus text."""
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return app


def _problem(status: HTTPStatus, detail: str) -> JSONResponse:
    """What HTTP itself refuses: a page that is not there, a method that it does not have."""
    document = {
        "type": f"urn:pledgebook:error:{status.name}",
        "title": status.phrase,
        "status": int(status),
        "detail": detail,
        "code": status.name,
    }
    return JSONResponse(document, status_code=status, media_type=PROBLEM_JSON)
