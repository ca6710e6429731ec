"""The genesis document: the one thing a stranger must be given to verify everything else.

It is a JSON file in one canonical form (sorted keys, two-space indent, one newline at the end), so that people can read and
compare it and still exactly one file has its hash. `chain_id` is that hash; every entry, vote and proof is bound to it.
It names the first members with their keys, the nodes with their consensus keys and pinned TLS certificates, the governance
threshold and the policy. It holds no secret.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from . import limits
from .codec import Flag, Text, Uint, pack
from .errors import BadSignature, GenesisInvalid, MalformedEntry
from .fingerprints import Numbering
from .identifiers import BadIdentifier, parse_member_id
from .member import FOREVER, MEMBER, Member, MemberKey, MemberStatus
from .operations.governance import Role
from .policy import POLICY, ConfirmationPolicy, Policy
from .signing import Tag, check_public_key, digest

_NODE_ID_ALPHABET: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")


@dataclass(frozen=True, slots=True)
class GenesisNode:
    """A node of the network. `power` 0 is an observer: it replicates and serves, and has no vote."""

    node_id: str
    member: str
    consensus_key: bytes
    power: int
    tls_certificate_der: bytes


@dataclass(frozen=True, slots=True)
class Genesis:
    name: str
    time_ms: int
    fingerprint_epoch: int
    governance_threshold: int
    policy: Policy
    nodes: tuple[GenesisNode, ...]
    members: tuple[Member, ...]
    chain_id: bytes

    def validators(self) -> tuple[GenesisNode, ...]:
        return tuple(node for node in self.nodes if node.power > 0)

    def validators_hash(self) -> bytes:
        return validators_hash(tuple((n.node_id, n.consensus_key, n.power) for n in self.validators()))

    def node(self, node_id: str) -> GenesisNode | None:
        return next((node for node in self.nodes if node.node_id == node_id), None)


def validators_hash(validators: tuple[tuple[str, bytes, int], ...]) -> bytes:
    """The header's validators_hash over (node id, consensus key, power), sorted by node id."""
    return digest(Tag.VALIDATORS, pack(tuple(sorted(validators))))


def encode_genesis(
    *,
    name: str,
    time_ms: int,
    fingerprint_epoch: int,
    governance_threshold: int,
    policy: Policy,
    nodes: tuple[GenesisNode, ...],
    members: tuple[Member, ...],
) -> bytes:
    """The canonical document. What cannot be parsed again cannot be written: raises GenesisInvalid."""
    document = {
        "fingerprint_epoch": fingerprint_epoch,
        "format": 1,
        "governance_threshold": governance_threshold,
        "members": [_member_to_json(member) for member in members],
        "name": name,
        "nodes": [_node_to_json(node) for node in nodes],
        "policy": _policy_to_json(policy),
        "time_ms": time_ms,
    }
    encoded = _canonical_json(document)
    parse_genesis(encoded)
    return encoded


def parse_genesis(document: bytes) -> Genesis:
    """Parse and check a genesis document. Raises GenesisInvalid, naming the field and what it must be."""
    if len(document) > limits.GENESIS_BYTES_MAX:
        raise GenesisInvalid(f"the genesis document is larger than {limits.GENESIS_BYTES_MAX} bytes")
    fields = _parse_json(document)
    try:
        genesis = _read_fields(fields, document)
    except (MalformedEntry, BadIdentifier, BadSignature) as error:
        raise GenesisInvalid(f"genesis: {error}") from error
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise GenesisInvalid(f"genesis: a field is missing or has a wrong type: {error!r}") from error
    _check_whole(genesis)
    return genesis


def _parse_json(document: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(
            document.decode("utf-8"), parse_float=_refuse_number, parse_constant=_refuse_number
        )
        canonical = _canonical_json(fields)
    except (UnicodeError, ValueError, RecursionError) as error:
        raise GenesisInvalid(f"genesis: not JSON: {error}") from error
    if not isinstance(fields, dict) or canonical != document:
        raise GenesisInvalid(
            "genesis: not in canonical form (sorted keys, two-space indent, one newline at the end, no key twice); "
            "use the file exactly as `pledgebook network init` wrote it"
        )
    return fields


def _refuse_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not an integer")


def _canonical_json(fields: object) -> bytes:
    return (json.dumps(fields, sort_keys=True, indent=2, ensure_ascii=False) + "\n").encode()


_KEYS: Final = {
    "fingerprint_epoch",
    "format",
    "governance_threshold",
    "members",
    "name",
    "nodes",
    "policy",
    "time_ms",
}


def _read_fields(fields: dict[str, Any], document: bytes) -> Genesis:
    _expect_keys(fields, _KEYS, "genesis")
    if fields["format"] != 1:
        raise GenesisInvalid(f"genesis: format {fields['format']!r} is not known to this version")
    nodes = fields["nodes"][: limits.NODES_MAX + 1]
    members = fields["members"][: limits.GENESIS_MEMBERS_MAX + 1]
    return Genesis(
        name=Text(100).decode(fields["name"], "name"),
        time_ms=Uint(limits.TIME_MS_MAX).decode(fields["time_ms"], "time_ms"),
        fingerprint_epoch=Uint(limits.FINGERPRINT_EPOCH_MAX).decode(
            fields["fingerprint_epoch"], "fingerprint_epoch"
        ),
        governance_threshold=Uint(limits.SIGNATURES_MAX, 1).decode(
            fields["governance_threshold"], "governance_threshold"
        ),
        policy=_policy_from_json(fields["policy"]),
        nodes=tuple(_node_from_json(node, f"nodes[{i}]") for i, node in enumerate(nodes)),
        members=tuple(_member_from_json(member, f"members[{i}]") for i, member in enumerate(members)),
        chain_id=digest(Tag.GENESIS, document),
    )


def _check_whole(genesis: Genesis) -> None:
    member_ids = [member.member_id for member in genesis.members]
    node_ids = [node.node_id for node in genesis.nodes]
    keys = [key.public_key for member in genesis.members for key in member.keys]
    keys += [node.consensus_key for node in genesis.nodes]
    seats = sum(len(m.keys) for m in genesis.members if Role.ASSOCIATION in m.roles)
    facts = (
        (len(node_ids) <= limits.NODES_MAX, f"more than {limits.NODES_MAX} nodes"),
        (len(member_ids) <= limits.GENESIS_MEMBERS_MAX, f"more than {limits.GENESIS_MEMBERS_MAX} members"),
        (
            1 <= len(genesis.validators()) <= limits.VALIDATORS_MAX,
            "the number of validators is out of bounds",
        ),
        (member_ids == sorted(set(member_ids)), "members must be sorted by id, each once"),
        (node_ids == sorted(set(node_ids)), "nodes must be sorted by node_id, each once"),
        (len(keys) == len(set(keys)), "a key is used twice"),
        (all(node.member in member_ids for node in genesis.nodes), "a node names an unknown member"),
        (genesis.governance_threshold <= seats, "fewer governance keys than the threshold"),
    )
    for holds, problem in facts:
        if not holds:
            raise GenesisInvalid(f"genesis: {problem}")


def _expect_keys(fields: object, expected: set[str], path: str) -> None:
    found = set(fields) if isinstance(fields, dict) else set()
    if found != expected:
        odd = sorted(found ^ expected)
        raise GenesisInvalid(
            f"{path}: must have exactly the fields {sorted(expected)}; wrong or missing: {odd}"
        )


def _member_to_json(member: Member) -> dict[str, Any]:
    MEMBER.encode(member, "member")
    return {
        "debtor_reference": member.debtor_reference.hex() if member.debtor_reference else None,
        "keys": [key.public_key.hex() for key in member.keys],
        "member_id": member.member_id,
        "numbering": member.numbering.name.lower(),
        "roles": [role.name.lower() for role in member.roles],
    }


def _member_from_json(fields: Any, path: str) -> Member:
    _expect_keys(fields, {"debtor_reference", "keys", "member_id", "numbering", "roles"}, path)
    reference = fields["debtor_reference"]
    keys = tuple(bytes.fromhex(key) for key in fields["keys"])
    for key in keys:
        check_public_key(key)
    member = Member(
        member_id=parse_member_id(Text(limits.MEMBER_ID_CHARS_MAX).decode(fields["member_id"], path)),
        roles=tuple(sorted(Role[role.upper()] for role in fields["roles"])),
        status=MemberStatus.ACTIVE,
        numbering=Numbering[fields["numbering"].upper()],
        debtor_reference=None if reference is None else bytes.fromhex(reference),
        keys=tuple(MemberKey(key, 0, FOREVER) for key in keys),
    )
    MEMBER.encode(member, path)
    return member


def _node_to_json(node: GenesisNode) -> dict[str, Any]:
    return {
        "consensus_key": node.consensus_key.hex(),
        "member_id": node.member,
        "node_id": node.node_id,
        "power": node.power,
        "tls_certificate": base64.b64encode(node.tls_certificate_der).decode(),
    }


def _node_from_json(fields: Any, path: str) -> GenesisNode:
    _expect_keys(fields, {"consensus_key", "member_id", "node_id", "power", "tls_certificate"}, path)
    node_id = Text(limits.NODE_ID_CHARS_MAX).decode(fields["node_id"], f"{path}.node_id")
    if not set(node_id) <= _NODE_ID_ALPHABET:
        raise GenesisInvalid(f"{path}.node_id: {node_id!r} may only use a-z, 0-9 and '-'")
    consensus_key = bytes.fromhex(fields["consensus_key"])
    check_public_key(consensus_key)
    certificate = base64.b64decode(fields["tls_certificate"], validate=True)
    if not 0 < len(certificate) <= limits.CERTIFICATE_DER_BYTES_MAX:
        raise GenesisInvalid(f"{path}.tls_certificate: {len(certificate)} bytes is out of bounds")
    return GenesisNode(
        node_id=node_id,
        member=parse_member_id(fields["member_id"]),
        consensus_key=consensus_key,
        power=Uint(2**32).decode(fields["power"], f"{path}.power"),
        tls_certificate_der=certificate,
    )


def _policy_to_json(policy: Policy) -> dict[str, Any]:
    return {
        "currencies": list(policy.currencies),
        "dispose_past_due": policy.dispose_past_due,
        "require_confirmation": policy.require_confirmation.name.lower(),
        "require_delivery_evidence": policy.require_delivery_evidence,
        "tenor_max_days": policy.tenor_max_days,
    }


def _policy_from_json(fields: Any) -> Policy:
    _expect_keys(
        fields,
        {
            "currencies",
            "dispose_past_due",
            "require_confirmation",
            "require_delivery_evidence",
            "tenor_max_days",
        },
        "policy",
    )
    policy = Policy(
        require_confirmation=ConfirmationPolicy[fields["require_confirmation"].upper()],
        require_delivery_evidence=fields["require_delivery_evidence"],
        tenor_max_days=fields["tenor_max_days"],
        dispose_past_due=fields["dispose_past_due"],
        currencies=tuple(fields["currencies"]),
    )
    Flag().encode(policy.dispose_past_due, "policy.dispose_past_due")
    POLICY.encode(policy, "policy")
    return policy
