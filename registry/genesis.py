"""The genesis document: the one thing a stranger must be given to verify everything else.

It is a JSON file in one canonical form (sorted keys, two-space indent, one newline at the end), so that people can read and
compare it and still exactly one file has its hash. `chain_id` is that hash; every entry, vote and proof is bound to it.
It names the first members with their keys, the nodes with their consensus keys and pinned TLS certificates, the governance
threshold and the policy. It holds no secret.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, NoReturn, TypeVar

from . import limits
from .codec import Bytes, Text, Uint
from .errors import BadSignature, GenesisInvalid, MalformedEntry
from .fingerprints import Numbering
from .identifiers import BadIdentifier, parse_member_id
from .member import FOREVER, MEMBER, Member, MemberKey, MemberStatus, needs_reference
from .nodes import NODE_NAME, NetworkNode, validators_hash, voters
from .operations.existence import EvidenceKind
from .operations.governance import EnterpriseClass, Role
from .policy import Policy
from .policy_document import policy_from_json, policy_to_json
from .signing import PUBLIC_KEY_BYTES, Tag, check_public_key, digest

E = TypeVar("E", bound=IntEnum)

FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Genesis:
    name: str
    time_ms: int
    fingerprint_epoch: int
    governance_threshold: int
    policy: Policy
    nodes: tuple[NetworkNode, ...]
    members: tuple[Member, ...]
    chain_id: bytes

    def validators(self) -> tuple[NetworkNode, ...]:
        return tuple(node for node in self.nodes if node.power > 0)

    def validators_hash(self) -> bytes:
        return validators_hash(voters(self.nodes))

    def node(self, node_id: str) -> NetworkNode | None:
        return next((node for node in self.nodes if node.node_id == node_id), None)


def encode_genesis(
    *,
    name: str,
    time_ms: int,
    fingerprint_epoch: int,
    governance_threshold: int,
    policy: Policy,
    nodes: tuple[NetworkNode, ...],
    members: tuple[Member, ...],
) -> bytes:
    """The canonical document. What cannot be parsed again cannot be written: raises GenesisInvalid."""
    encoded = _document(name, time_ms, fingerprint_epoch, governance_threshold, policy, nodes, members)
    if parse_genesis(encoded).members != members:
        raise GenesisInvalid("genesis: the first members are active, and their keys are valid for ever")
    return encoded


def _document(
    name: str,
    time_ms: int,
    fingerprint_epoch: int,
    governance_threshold: int,
    policy: Policy,
    nodes: tuple[NetworkNode, ...],
    members: tuple[Member, ...],
) -> bytes:
    return _canonical_json(
        {
            "fingerprint_epoch": fingerprint_epoch,
            "format": FORMAT,
            "governance_threshold": governance_threshold,
            "members": [_member_to_json(member) for member in members],
            "name": name,
            "nodes": [node_to_json(node) for node in nodes],
            "policy": policy_to_json(policy),
            "time_ms": time_ms,
        }
    )


def parse_genesis(document: bytes) -> Genesis:
    """Parse and check a genesis document. Raises GenesisInvalid, naming the field and what it must be."""
    if len(document) > limits.GENESIS_BYTES_MAX:
        raise GenesisInvalid(f"the genesis document is larger than {limits.GENESIS_BYTES_MAX} bytes")
    fields = _parse_json(document)
    try:
        genesis = _read_fields(fields, document)
    except (MalformedEntry, BadIdentifier, BadSignature) as error:
        raise GenesisInvalid(f"genesis: {error}") from error
    _check_whole(genesis)
    # One meaning, one document: this also refuses other spellings of a value, such as capital hexadecimal digits.
    again = _document(
        genesis.name,
        genesis.time_ms,
        genesis.fingerprint_epoch,
        genesis.governance_threshold,
        genesis.policy,
        genesis.nodes,
        genesis.members,
    )
    if again != document:
        raise GenesisInvalid(_NOT_CANONICAL)
    return genesis


_NOT_CANONICAL: Final = (
    "genesis: not in canonical form (sorted keys, two-space indent, one newline at the end, no key twice, lower-case "
    "hexadecimal); use the file exactly as `pledgebook network init` wrote it"
)


def _parse_json(document: bytes) -> object:
    try:
        fields: object = json.loads(
            document.decode("utf-8"), parse_float=_refuse_number, parse_constant=_refuse_number
        )
        canonical = _canonical_json(fields)
    except (ValueError, RecursionError) as error:
        raise GenesisInvalid(f"genesis: not JSON: {error}") from error
    if canonical != document:
        raise GenesisInvalid(_NOT_CANONICAL)
    return fields


def _refuse_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not an integer")


def _canonical_json(fields: object) -> bytes:
    return (json.dumps(fields, sort_keys=True, indent=2, ensure_ascii=False) + "\n").encode()


_KEYS: Final = frozenset(
    (
        "fingerprint_epoch",
        "format",
        "governance_threshold",
        "members",
        "name",
        "nodes",
        "policy",
        "time_ms",
    )
)


def _read_fields(document_fields: object, document: bytes) -> Genesis:
    fields = _object(document_fields, _KEYS, "genesis")
    if fields["format"] != FORMAT or type(fields["format"]) is not int:
        raise GenesisInvalid(f"genesis: format {fields['format']!r} is not known to this version")
    nodes = _array(fields["nodes"], limits.NODES_MAX, "nodes")
    members = _array(fields["members"], limits.GENESIS_MEMBERS_MAX, "members")
    return Genesis(
        name=Text(100).decode(fields["name"], "name"),
        time_ms=Uint(limits.TIME_MS_MAX).decode(fields["time_ms"], "time_ms"),
        fingerprint_epoch=Uint(limits.FINGERPRINT_EPOCH_MAX).decode(
            fields["fingerprint_epoch"], "fingerprint_epoch"
        ),
        governance_threshold=Uint(limits.SIGNATURES_MAX, 1).decode(
            fields["governance_threshold"], "governance_threshold"
        ),
        policy=policy_from_json(fields["policy"]),
        nodes=tuple(node_from_json(node, f"nodes[{i}]") for i, node in enumerate(nodes)),
        members=tuple(_member_from_json(member, f"members[{i}]") for i, member in enumerate(members)),
        chain_id=digest(Tag.GENESIS, document),
    )


def _check_whole(genesis: Genesis) -> None:
    member_ids = [member.member_id for member in genesis.members]
    node_ids = [node.node_id for node in genesis.nodes]
    keys = [key.public_key for member in genesis.members for key in member.keys]
    keys += [node.consensus_key for node in genesis.nodes]
    references = [member.debtor_reference for member in genesis.members if member.debtor_reference]
    association = sum(Role.ASSOCIATION in member.roles for member in genesis.members)
    seats = sum(len(m.keys) for m in genesis.members if Role.ASSOCIATION in m.roles)
    facts = (
        (
            1 <= len(genesis.validators()) <= limits.VALIDATORS_MAX,
            "the number of validators is out of bounds",
        ),
        (member_ids == sorted(set(member_ids)), "members must be sorted by id, each once"),
        (node_ids == sorted(set(node_ids)), "nodes must be sorted by node_id, each once"),
        (len(keys) == len(set(keys)), "a key is used twice"),
        (len(references) == len(set(references)), "two members have one debtor reference"),
        (all(node.member in member_ids for node in genesis.nodes), "a node names an unknown member"),
        (association <= limits.ASSOCIATION_MEMBERS_MAX, "too many members of the association"),
        (genesis.governance_threshold <= seats, "fewer governance keys than the threshold"),
    )
    for holds, problem in facts:
        if not holds:
            raise GenesisInvalid(f"genesis: {problem}")


def _object(raw: object, keys: frozenset[str], path: str) -> dict[str, object]:
    if not isinstance(raw, dict) or set(raw) != keys:
        odd = sorted(keys.symmetric_difference(raw)) if isinstance(raw, dict) else type(raw).__name__
        raise GenesisInvalid(f"{path}: must have exactly the fields {sorted(keys)}; wrong or missing: {odd}")
    return raw


def _array(raw: object, high: int, path: str) -> list[object]:
    if not isinstance(raw, list) or len(raw) > high:
        raise GenesisInvalid(f"{path}: must be an array of at most {high} items")
    return raw


def _text(raw: object, path: str) -> str:
    return Text(2 * limits.CERTIFICATE_DER_BYTES_MAX).decode(raw, path)


def _hex(raw: object, size: int, path: str) -> bytes:
    try:
        value = bytes.fromhex(_text(raw, path))
    except ValueError as error:
        raise GenesisInvalid(f"{path}: must be hexadecimal digits") from error
    return Bytes(size).decode(value, path)


def _choice(enum: type[E], raw: object, path: str) -> E:
    known = {member.name.lower(): member for member in enum}
    if not isinstance(raw, str) or raw not in known:
        raise GenesisInvalid(f"{path}: {raw!r} must be one of {', '.join(known)}")
    return known[raw]


def _key(raw: object, path: str) -> bytes:
    public_key = _hex(raw, PUBLIC_KEY_BYTES, path)
    check_public_key(public_key)
    return public_key


def _member_to_json(member: Member) -> dict[str, Any]:
    return {
        "accredited": [kind.name.lower() for kind in member.accredited],
        "debtor_reference": member.debtor_reference.hex() if member.debtor_reference else None,
        "enterprise_class": member.enterprise_class.name.lower(),
        "keys": [key.public_key.hex() for key in member.keys],
        "member_id": member.member_id,
        "numbering": member.numbering.name.lower(),
        "roles": [role.name.lower() for role in member.roles],
        "whitelisted": member.whitelisted,
    }


_MEMBER_KEYS: Final = frozenset(
    (
        "accredited",
        "debtor_reference",
        "enterprise_class",
        "keys",
        "member_id",
        "numbering",
        "roles",
        "whitelisted",
    )
)


def _member_from_json(raw: object, path: str) -> Member:
    fields = _object(raw, _MEMBER_KEYS, path)
    reference = fields["debtor_reference"]
    keys = _array(fields["keys"], limits.KEYS_PER_MEMBER_MAX, f"{path}.keys")
    accredited = _array(fields["accredited"], len(EvidenceKind), f"{path}.accredited")
    roles = _array(fields["roles"], limits.ROLES_MAX, f"{path}.roles")
    whitelisted = fields["whitelisted"]
    if not isinstance(whitelisted, bool):
        raise GenesisInvalid(f"{path}.whitelisted: must be true or false")
    member = Member(
        member_id=parse_member_id(_text(fields["member_id"], f"{path}.member_id")),
        roles=tuple(_choice(Role, role, f"{path}.roles") for role in roles),
        status=MemberStatus.ACTIVE,
        numbering=_choice(Numbering, fields["numbering"], f"{path}.numbering"),
        debtor_reference=None if reference is None else _hex(reference, 32, f"{path}.debtor_reference"),
        keys=tuple(MemberKey(_key(key, f"{path}.keys"), 0, FOREVER) for key in keys),
        accredited=tuple(_choice(EvidenceKind, kind, f"{path}.accredited") for kind in accredited),
        enterprise_class=_choice(EnterpriseClass, fields["enterprise_class"], f"{path}.enterprise_class"),
        whitelisted=whitelisted,
    )
    MEMBER.encode(member, path)
    if needs_reference(member.roles) and member.debtor_reference is None:
        raise GenesisInvalid(f"{path}.debtor_reference: an exporter, factor, debtor or insurer must have one")
    return member


def node_to_json(node: NetworkNode) -> dict[str, Any]:
    """A node as the document has it."""
    return {
        "consensus_key": node.consensus_key.hex(),
        "member_id": node.member,
        "node_id": node.node_id,
        "power": node.power,
        "tls_certificate": base64.b64encode(node.tls_certificate_der).decode(),
    }


_NODE_KEYS: Final = frozenset(("consensus_key", "member_id", "node_id", "power", "tls_certificate"))


def node_from_json(raw: object, path: str) -> NetworkNode:
    """The inverse of `node_to_json`. Raises GenesisInvalid, MalformedEntry, BadIdentifier, BadSignature."""
    fields = _object(raw, _NODE_KEYS, path)
    node_id = NODE_NAME.decode(fields["node_id"], f"{path}.node_id")
    try:
        certificate = base64.b64decode(
            _text(fields["tls_certificate"], f"{path}.tls_certificate"), validate=True
        )
    except ValueError as error:
        raise GenesisInvalid(f"{path}.tls_certificate: must be base64") from error
    if not 0 < len(certificate) <= limits.CERTIFICATE_DER_BYTES_MAX:
        raise GenesisInvalid(f"{path}.tls_certificate: {len(certificate)} bytes is out of bounds")
    return NetworkNode(
        node_id=node_id,
        member=parse_member_id(_text(fields["member_id"], f"{path}.member_id")),
        consensus_key=_key(fields["consensus_key"], f"{path}.consensus_key"),
        power=Uint(limits.POWER_MAX).decode(fields["power"], f"{path}.power"),
        tls_certificate_der=certificate,
    )
