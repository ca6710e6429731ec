"""A node that asks to be admitted: what its operator hands to the association, as a file.

    {"chain_id": hex, "format": 1, "node": {...}, "possession": hex}        `node` as in the genesis document

The possession is the signature of the node's consensus key over `node_possession_message`. It holds no secret.
Guarantees: what is decoded is a node with a signature that verifies for the chain that is named. Whether the association wants
it is left to the association.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from . import limits
from .codec import Bytes
from .errors import BadSignature, GenesisInvalid, MalformedEntry
from .genesis import node_from_json, node_to_json
from .identifiers import BadIdentifier
from .nodes import NetworkNode, node_possession_message
from .signing import SIGNATURE_BYTES, SigningKey, verify

FORMAT: Final = 1
DOCUMENT_BYTES_MAX: Final = 2 * limits.CERTIFICATE_DER_BYTES_MAX + 4_096
_FIELDS: Final = frozenset(("chain_id", "format", "node", "possession"))


@dataclass(frozen=True, slots=True)
class AdmissionRequest:
    """A node, and the proof that it holds its consensus key."""

    chain_id: bytes
    node: NetworkNode
    possession: bytes


def request_admission(chain_id: bytes, node: NetworkNode, key: SigningKey) -> AdmissionRequest:
    """The request of a node whose consensus key is at hand."""
    return AdmissionRequest(chain_id, node, key.sign(node_possession_message(chain_id, node)))


def encode_admission(request: AdmissionRequest) -> bytes:
    document = {
        "chain_id": request.chain_id.hex(),
        "format": FORMAT,
        "node": node_to_json(request.node),
        "possession": request.possession.hex(),
    }
    return (json.dumps(document, sort_keys=True, indent=2) + "\n").encode()


def decode_admission(document: bytes) -> AdmissionRequest:
    """Raises MalformedEntry on what is no request, BadSignature when the key does not stand behind it."""
    if len(document) > DOCUMENT_BYTES_MAX:
        raise MalformedEntry(f"longer than {DOCUMENT_BYTES_MAX} bytes: no request of a node")
    try:
        fields = json.loads(document.decode("utf-8"))
        if not isinstance(fields, dict) or set(fields) != _FIELDS or fields["format"] != FORMAT:
            raise MalformedEntry(f"must be an object of format {FORMAT} with exactly {sorted(_FIELDS)}")
        request = AdmissionRequest(
            chain_id=Bytes(32).decode(bytes.fromhex(fields["chain_id"]), "chain_id"),
            node=node_from_json(fields["node"], "node"),
            possession=Bytes(SIGNATURE_BYTES).decode(bytes.fromhex(fields["possession"]), "possession"),
        )
    except (GenesisInvalid, BadIdentifier, ValueError, TypeError, RecursionError) as error:
        raise MalformedEntry(f"no request of a node: {error}") from error
    message = node_possession_message(request.chain_id, request.node)
    try:
        verify(request.node.consensus_key, message, request.possession)
    except BadSignature as error:
        raise BadSignature(
            f"{request.node.node_id}: its consensus key has not signed this request"
        ) from error
    return request
