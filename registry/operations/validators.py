"""Governance of the network itself: which nodes there are, and who of them votes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .. import limits
from ..codec import Flag, Items, Struct
from ..nodes import NODE_NAME, NODES, NetworkNode
from .fields import SIGNATURE, OperationType


@dataclass(frozen=True, slots=True)
class NodeAdmission:
    """A node that is new, or has another key, certificate or member: its consensus key's signature over
    `node_possession_message`. The member that runs it signs the entry."""

    node_id: str
    possession: bytes


@dataclass(frozen=True, slots=True)
class ChangeValidators:
    """The nodes from the block after the next one on, stated whole. Signed by the association's quorum, and by the member of
    each admitted node.

    `forced`: also when the validators that are kept would be no quorum of the new ones.
    """

    nodes: tuple[NetworkNode, ...]
    admitted: tuple[NodeAdmission, ...]
    forced: bool


TYPES: Final = (
    OperationType(
        7,
        "ChangeValidators",
        ChangeValidators,
        Struct(
            ChangeValidators,
            {
                "nodes": NODES,
                "admitted": Items(
                    Struct(NodeAdmission, {"node_id": NODE_NAME, "possession": SIGNATURE}),
                    limits.NODES_MAX,
                    ascending=True,
                ),
                "forced": Flag(),
            },
        ),
    ),
)
