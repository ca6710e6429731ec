"""Several nodes as one partner: ask one after the other until one gives a good answer.

Guarantees: a node that does not answer, is full or lags is passed over for the next one, and asked last from then on;
a refusal that another node would repeat is raised at once, and so is a false answer: a lie is never papered over by
another node's truth.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final, TypeVar

import grpc.aio
from google.protobuf.message import Message

from registry.errors import ProofInvalid
from registry.nodes import NetworkNode

from .connection import Clock, Connection, Identity
from .errors import CallRefused, ClientError, DirectoryError, Unreachable
from .verify import HeadTooOld

T = TypeVar("T")
Attempt = Callable[[Connection, float], Awaitable[T]]

RETRY_PAUSE_S: Final = 0.1
EVIDENCE_KEPT_MAX: Final = 100
OVERLOADED: Final = "OVERLOADED"
NO_BLOCK_YET: Final = "NO_BLOCK_YET"
PASSING: Final = frozenset({OVERLOADED, NO_BLOCK_YET, "STOPPING"})
"""Refusals that another node, or a moment, may lift."""


@dataclass(frozen=True, slots=True)
class FalseAnswer:
    """An answer that did not hold, whole: evidence against the node that gave it."""

    node_id: str
    kind: str
    answer: bytes
    problem: str


class NodeCircle:
    """Connections to some nodes of one network, in the order in which they are asked next."""

    def __init__(
        self,
        nodes: Mapping[str, NetworkNode],
        addresses: Mapping[str, str],
        identity: Identity | None,
        clock: Clock,
        attempt_s: float,
    ) -> None:
        """`nodes`: whose certificates are pinned. `attempt_s`: how long one node is waited for, so that one that hangs does not
        use up the time of the others."""
        self.attempt_s = attempt_s
        self.evidence: list[FalseAnswer] = []
        self.connections = [
            Connection(_pinned(nodes, node_id), address, identity, clock)
            for node_id, address in addresses.items()
        ]
        if not self.connections:
            raise DirectoryError("no node to ask: give at least one address")

    async def close(self) -> None:
        for connection in self.connections:
            await connection.close()

    async def ask(self, attempt: Attempt[T], deadline: float, attempt_s: float | None = None) -> T:
        """The first good answer before `deadline` (in the loop's time). Raises CallRefused, Unreachable, ProofInvalid."""
        patience_s = self.attempt_s if attempt_s is None else attempt_s
        loop = asyncio.get_running_loop()
        problem: ClientError | ProofInvalid = Unreachable("the deadline passed before a node was asked")
        while (left_s := deadline - loop.time()) > 0:
            refusals: list[str] = []
            for connection in list(self.connections):
                left_s = deadline - loop.time()
                if left_s <= 0:
                    break
                try:
                    return await attempt(connection, min(left_s, patience_s))
                except HeadTooOld as error:
                    problem = error  # honest nodes lag by a block: another one, or a moment later, has it
                except grpc.aio.AioRpcError as error:
                    failure = connection.failure(error)
                    if isinstance(failure, CallRefused):
                        if failure.code not in PASSING:
                            raise failure from error
                        refusals.append(failure.code)
                    # That the last node was cut off by the deadline says less than what another one said before.
                    if isinstance(failure, CallRefused) or isinstance(problem, Unreachable):
                        problem = failure
                self.pass_over(connection)
            if refusals == [NO_BLOCK_YET] * len(self.connections):
                raise problem  # a chain without a block may rest for a while: the caller knows what that means
            await asyncio.sleep(min(max(0.0, deadline - loop.time()), _pause_s(problem)))
        if isinstance(problem, Unreachable):
            raise Unreachable(f"no node answered in time; the last one: {problem}")
        raise problem

    def pass_over(self, connection: Connection) -> None:
        """Ask this node last from now on."""
        self.connections.remove(connection)
        self.connections.append(connection)

    def suspecting(self, connection: Connection, response: Message) -> Suspicion:
        """A block in which whatever does not hold is this node's fault, and its whole answer is kept."""
        return Suspicion(self.evidence, connection.node_id, response)


class Suspicion:
    """Keeps the whole answer when what was checked of it inside does not hold."""

    def __init__(self, evidence: list[FalseAnswer], node_id: str, response: Message) -> None:
        self._evidence = evidence
        self._node_id = node_id
        self._response = response

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not isinstance(error, ProofInvalid):
            return
        answer = self._response.SerializeToString()
        error.details["answer"] = answer
        error.details["node_id"] = self._node_id
        if not isinstance(error, HeadTooOld) and len(self._evidence) < EVIDENCE_KEPT_MAX:
            name = type(self._response).__name__
            self._evidence.append(FalseAnswer(self._node_id, name, answer, error.message))


def _pinned(nodes: Mapping[str, NetworkNode], node_id: str) -> NetworkNode:
    node = nodes.get(node_id)
    if node is None:
        raise DirectoryError(
            f"{node_id!r} is not a node of this network as far as is known here; there are {', '.join(nodes)}"
        )
    return node


def _pause_s(problem: ClientError | ProofInvalid) -> float:
    if isinstance(problem, CallRefused) and problem.retry_after_ms:
        return problem.retry_after_ms / 1_000
    return RETRY_PAUSE_S
