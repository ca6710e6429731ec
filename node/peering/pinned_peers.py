"""Which certificates belong to which node now, as the ledger says: for those who connect to us, and those we connect to.

Guarantees: what is pinned changes as a whole, so that gRPC's threads may look while the event loop changes it. A certificate on the
ledger that is none is left out: it shuts out the node that brought it, and nobody else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from node.tls import TlsError, pem_of_der
from registry.nodes import NetworkNode, NodeSet


class PinnedPeers:
    """The nodes of the sets that are in force or about to be."""

    def __init__(self, sets: Sequence[NodeSet]) -> None:
        """`sets`: the newest first."""
        self._by_certificate: Mapping[bytes, str] = {}
        self._members: frozenset[str] = frozenset()
        self.replace(sets)

    def replace(self, sets: Sequence[NodeSet]) -> None:
        """Pin the nodes of these sets, the newest first, and nobody else."""
        nodes = [node for each in sets for node in each.nodes]
        by_certificate: dict[bytes, str] = {}
        for node in nodes:
            if _is_certificate(node):
                by_certificate.setdefault(node.tls_certificate_der, node.node_id)
        self._by_certificate = by_certificate
        self._members = frozenset(node.member for node in nodes)

    @property
    def by_certificate(self) -> Mapping[bytes, str]:
        """Node ids by certificate."""
        return self._by_certificate

    @property
    def members(self) -> frozenset[str]:
        """Who runs a node."""
        return self._members

    def certificates(self) -> tuple[bytes, ...]:
        """All of them, in a fixed order."""
        return tuple(sorted(self._by_certificate))

    def of(self, node_id: str) -> tuple[bytes, ...]:
        """Those of one node: two while one takes the other's place."""
        return tuple(der for der, name in self._by_certificate.items() if name == node_id)

    def names(self) -> frozenset[str]:
        """All nodes that may connect."""
        return frozenset(self._by_certificate.values())


def _is_certificate(node: NetworkNode) -> bool:
    try:
        pem_of_der(node.tls_certificate_der)
    except TlsError:
        return False
    return True
