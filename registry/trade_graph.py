"""Who has invoiced whom lately, and whether the invoices go round in a circle.

Each registration is an edge from exporter to debtor, both as keyed references. Parties who invoice each other in a circle
can make turnover out of nothing and have it financed; so a registration or disposal that stands on a circle is flagged. It is
not refused: honest trade has circles too. The search is bounded whatever the graph looks like: of each exporter the latest
edges are kept, and few nodes are visited. A circle beyond these bounds is not seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from . import limits
from .codec import Items, Struct
from .operations.fields import DAY, HASH


@dataclass(frozen=True, slots=True)
class Edge:
    """An exporter has invoiced `debtor`, the last time on `day`."""

    debtor: bytes
    day: int


def with_edge(edges: tuple[Edge, ...], debtor: bytes, day: int) -> tuple[Edge, ...]:
    """The edges of one exporter after an invoice, latest first; the oldest makes room."""
    others = tuple(edge for edge in edges if edge.debtor != debtor)
    return (Edge(debtor, day), *others)[: limits.TRADE_EDGES_MAX]


def cycle_hops(
    edges_of: Callable[[bytes], tuple[Edge, ...]],
    exporter: bytes,
    debtor: bytes,
    hops_max: int,
    since_day: int,
) -> int | None:
    """How many edges the shortest circle through exporter -> debtor has, if at most `hops_max`; breadth first."""
    seen = {debtor}
    layer = [debtor]
    for hops in range(2, hops_max + 1):
        following: list[bytes] = []
        for party in layer:
            for edge in edges_of(party):
                if edge.day < since_day or edge.debtor in seen:
                    continue
                if edge.debtor == exporter:
                    return hops
                seen.add(edge.debtor)
                following.append(edge.debtor)
                if len(seen) > limits.CYCLE_VISITS_MAX:
                    return None
        layer = following
    return None


EDGES: Final = Items(Struct(Edge, {"debtor": HASH, "day": DAY}), limits.TRADE_EDGES_MAX, 1)
