"""Health, status and metrics over plain HTTP, for the operator's own machine.

Guarantees: nothing of a receivable or member is told here; the pages are for loopback (`listen.http`) and need no token.
Errors are problem+json (RFC 9457) with the stable codes of `status`.
Leaves to others: everything about the ledger (gRPC).
"""

from __future__ import annotations

from typing import Protocol

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, ConfigDict

from node.status import HTTP_STATUS, CallRefused, problem_json
from node.telemetry import Metrics


class Health(BaseModel):
    """Whether this node serves."""

    model_config = ConfigDict(extra="forbid")
    status: str
    """starting | serving | catching_up | stopping"""


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
            media_type="application/problem+json",
        )

    @app.get("/health", responses={503: {"model": Health, "description": "starting or stopping"}})
    async def health(response: Response) -> Health:
        """200 when the node answers members, also while it catches up; else 503."""
        word = reporter.health()
        if word not in ("serving", "catching_up"):
            response.status_code = 503
        return Health(status=word)

    @app.get("/status")
    async def status() -> NodeStatus:
        """Height, roots, round, peers and what waits."""
        return reporter.status()

    @app.get("/metrics", response_class=Response)
    async def all_metrics() -> Response:
        """Prometheus text."""
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return app
