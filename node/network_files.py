"""The folder of a network on one machine: genesis, one folder per node, the members' keys, and a directory of it all.

    DIR/genesis.json                  public; everything else is verified from it
    DIR/network.json                  the directory that clients read (`NetworkDirectory`); no secret, only paths
    DIR/nodes/NODE/config.toml        what `pledgebook node run` takes
    DIR/nodes/NODE/{consensus.key,tls.key,tls.crt}, data/
    DIR/members/MEMBER-key-N.pem      signing keys (PKCS#8), mode 0600; the association has three, of which two must sign
    DIR/members/fingerprint.key       the consortium's fingerprint key, hexadecimal, mode 0600

Guarantees: `make_network` writes into a new or empty folder only; `read_directory(write(...))` is the same directory.
Leaves to others: running the nodes (`network`).

The members are made up, with legal entity identifiers whose check digits are right (ISO 17442). The first four characters,
PLDG, are no issuer's prefix.
"""

from __future__ import annotations

import datetime
import json
import os
import random
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from node.config import Address, ConfigError, Limits, NodeConfig, parse_address, render_config
from node.keys import write_key, write_secret
from node.tls import certificate_der, generate_identity, write_identity
from registry.fingerprints import FingerprintKey, Numbering
from registry.genesis import encode_genesis, parse_genesis
from registry.limits import NODES_MAX
from registry.member import FOREVER, Member, MemberKey, MemberStatus
from registry.nodes import NetworkNode
from registry.operations.governance import Role
from registry.policy import ConfirmationPolicy, Policy
from registry.signing import SigningKey

ASSOCIATION_KEYS = 3
GOVERNANCE_THRESHOLD = 2
FINGERPRINT_EPOCH = 1
FINGERPRINT_KEY_BYTES = 32
PORTS_PER_NODE = 3
# Below the range from which the kernel takes ports for outgoing connections, so that none of those sits on a node's port.
FREE_PORTS = range(12_000, 32_000)

DEFAULT_POLICY = Policy(
    require_confirmation=ConfirmationPolicy.NONE,
    require_delivery_evidence=False,
    tenor_max_days=365,
    dispose_past_due=False,
    currencies=("AUD", "CAD", "CHF", "CNY", "EUR", "GBP", "HKD", "JPY", "SGD", "USD"),
)


@dataclass(frozen=True, slots=True)
class NodeEntry:
    """Where one node of the network is found."""

    member: str
    power: int
    peer: Address
    api: Address
    http: Address
    config: Path


@dataclass(frozen=True, slots=True)
class MemberEntry:
    """One member: its id, and where its signing keys lie."""

    member_id: str
    roles: tuple[str, ...]
    keys: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class NetworkDirectory:
    """`network.json`, with absolute paths."""

    folder: Path
    name: str
    chain_id: str
    genesis: Path
    fingerprint_key: Path
    fingerprint_epoch: int
    governance_threshold: int
    nodes: Mapping[str, NodeEntry]
    members: Mapping[str, MemberEntry]


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """What to make. `base_port` 0: ports that are free now."""

    validators: int = 4
    observers: int = 0
    base_port: int = 0
    name: str = "demonstration"
    policy: Policy = DEFAULT_POLICY
    limits: Limits = field(default_factory=Limits)
    network_delay_ms: int = 250
    """Generous, since only timeouts follow from it: too short a one loses a round's work whenever nodes are busy."""
    heartbeat_ms: int = 10_000
    log_level: str = "info"


def node_names(validators: int, observers: int) -> tuple[tuple[str, Role], ...]:
    """Association, factors, exporters, in that order: the last validator and every observer is an exporter's node."""
    if validators < 1 or observers < 0 or validators + observers > NODES_MAX:
        raise ConfigError(
            f"{validators} validators and {observers} observers: at least 1 validator, at most {NODES_MAX} nodes"
        )
    exporting_validators = 1 if validators > 1 else 0
    factors = validators - 1 - exporting_validators
    return (
        ("association", Role.ASSOCIATION),
        *((f"factor-{number}", Role.FACTOR) for number in range(1, factors + 1)),
        *((f"exporter-{number}", Role.EXPORTER) for number in range(1, exporting_validators + observers + 1)),
    )


def demonstration_lei(name: str) -> str:
    """A well-formed `lei:` identifier for a made-up member NAME or NAME-NUMBER: check digits by ISO 7064 MOD 97-10."""
    stem, _, number = name.upper().rpartition("-")
    if not number.isdecimal():
        stem, number = name.upper(), "0"
    letters = "".join(char for char in stem if char.isalnum())
    body = f"PLDG{letters[:10]:0<10}{int(number):04d}"
    value = int("".join(str(int(char, 36)) for char in body + "00"))
    return f"lei:{body}{98 - value % 97:02d}"


def make_network(folder: Path, plan: NetworkPlan, now: datetime.datetime) -> NetworkDirectory:
    """Write a whole network into `folder`, which must be new or empty. Raises ConfigError."""
    names = node_names(plan.validators, plan.observers)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} exists and is not an empty folder; choose another one")
    ports = _ports(plan.base_port, len(names))
    folder = folder.resolve()
    (folder / "members").mkdir(parents=True)
    fingerprint_key = os.urandom(FINGERPRINT_KEY_BYTES)
    write_secret(folder / "members" / "fingerprint.key", fingerprint_key.hex().encode() + b"\n")
    members: dict[str, MemberEntry] = {}
    records: list[Member] = []
    for name, role in names:
        entry, record = _make_member(folder, name, role, FingerprintKey(fingerprint_key, FINGERPRINT_EPOCH))
        members[name] = entry
        records.append(record)
    nodes: dict[str, NodeEntry] = {}
    genesis_nodes: list[NetworkNode] = []
    for index, (name, _) in enumerate(names):
        # The order is association, factors, exporters, and the one exporter that validates is the first of its kind.
        power = 1 if index < plan.validators else 0
        peer, api, http = (Address("127.0.0.1", port) for port in ports[index])
        config = folder / "nodes" / name / "config.toml"
        nodes[name] = NodeEntry(members[name].member_id, power, peer, api, http, config)
        genesis_nodes.append(_make_node_secrets(config.parent, name, members[name].member_id, power, now))
    document = encode_genesis(
        name=plan.name,
        time_ms=int(now.timestamp() * 1_000),
        fingerprint_epoch=FINGERPRINT_EPOCH,
        governance_threshold=GOVERNANCE_THRESHOLD,
        policy=plan.policy,
        nodes=tuple(sorted(genesis_nodes, key=lambda node: node.node_id)),
        members=tuple(sorted(records, key=lambda record: record.member_id)),
    )
    (folder / "genesis.json").write_bytes(document)
    for name in nodes:
        _write_config(folder, name, nodes, plan)
    directory = NetworkDirectory(
        folder=folder,
        name=plan.name,
        chain_id=parse_genesis(document).chain_id.hex(),
        genesis=folder / "genesis.json",
        fingerprint_key=folder / "members" / "fingerprint.key",
        fingerprint_epoch=FINGERPRINT_EPOCH,
        governance_threshold=GOVERNANCE_THRESHOLD,
        nodes=nodes,
        members=members,
    )
    (folder / "network.json").write_text(_render_directory(directory))
    return directory


def read_directory(folder: Path) -> NetworkDirectory:
    """Read `folder/network.json`. Raises ConfigError."""
    path = folder.resolve() / "network.json"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        return _parse_directory(path.parent, raw)
    except OSError as error:
        raise ConfigError(
            f"cannot read {path}: {error.strerror}; `pledgebook network init` makes it"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path} is not a network directory: {error!r}") from error


def _make_member(
    folder: Path, name: str, role: Role, fingerprints: FingerprintKey
) -> tuple[MemberEntry, Member]:
    count = ASSOCIATION_KEYS if role is Role.ASSOCIATION else 1
    keys: list[SigningKey] = []
    paths: list[Path] = []
    for number in range(1, count + 1):
        seed = os.urandom(32)
        path = folder / "members" / f"{name}-key-{number}.pem"
        write_key(path, seed)
        keys.append(SigningKey(seed))
        paths.append(path)
    member_id = demonstration_lei(name)
    record = Member(
        member_id=member_id,
        roles=(role,),
        status=MemberStatus.ACTIVE,
        numbering=Numbering.CONTINUOUS,
        debtor_reference=fingerprints.debtor(member_id),
        keys=tuple(MemberKey(key.public_key, 0, FOREVER) for key in keys),
    )
    return MemberEntry(member_id, (role.name.lower(),), tuple(paths)), record


def _make_node_secrets(
    folder: Path, name: str, member: str, power: int, now: datetime.datetime
) -> NetworkNode:
    folder.mkdir(parents=True)
    seed = os.urandom(32)
    write_key(folder / "consensus.key", seed)
    identity = generate_identity(name, now)
    write_identity(identity, folder / "tls.crt", folder / "tls.key")
    return NetworkNode(
        node_id=name,
        member=member,
        consensus_key=SigningKey(seed).public_key,
        power=power,
        tls_certificate_der=certificate_der(identity.certificate_pem),
    )


def _write_config(folder: Path, name: str, nodes: Mapping[str, NodeEntry], plan: NetworkPlan) -> None:
    own = nodes[name]
    place = own.config.parent
    config = NodeConfig(
        node_id=name,
        data_dir=place / "data",
        genesis=folder / "genesis.json",
        consensus_key=place / "consensus.key",
        tls_key=place / "tls.key",
        tls_certificate=place / "tls.crt",
        peer_listen=own.peer,
        api_listen=own.api,
        http_listen=own.http,
        peers={other: entry.peer for other, entry in nodes.items() if other != name},
        limits=plan.limits,
        network_delay_ms=plan.network_delay_ms,
        heartbeat_ms=plan.heartbeat_ms,
        fsync=True,
        log_level=plan.log_level,
    )
    own.config.write_text(render_config(config, place))


def _ports(base_port: int, nodes: int) -> list[tuple[int, ...]]:
    """Ports in groups of PORTS_PER_NODE, from `base_port` up or wherever a run of them is free."""
    wanted = nodes * PORTS_PER_NODE
    if base_port:
        if base_port + wanted > 65_536:
            raise ConfigError(f"{nodes} nodes need {wanted} ports from {base_port} on: too high")
        first = base_port
    else:
        first = _free_run(wanted)
    return [
        tuple(first + node * PORTS_PER_NODE + offset for offset in range(PORTS_PER_NODE))
        for node in range(nodes)
    ]


def _free_run(wanted: int) -> int:
    for _ in range(100):
        first = random.randrange(FREE_PORTS.start, FREE_PORTS.stop - wanted)  # noqa: S311  # avoids others, guards nothing
        if _all_free(range(first, first + wanted)):
            return first
    raise ConfigError(f"no {wanted} free ports in a row on this machine; choose --base-port")


def _all_free(ports: Iterable[int]) -> bool:
    for port in ports:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


def _render_directory(directory: NetworkDirectory) -> str:
    def relative(path: Path) -> str:
        return str(path.relative_to(directory.folder))

    document = {
        "format": 1,
        "name": directory.name,
        "chain_id": directory.chain_id,
        "genesis": relative(directory.genesis),
        "fingerprint_key": relative(directory.fingerprint_key),
        "fingerprint_epoch": directory.fingerprint_epoch,
        "governance_threshold": directory.governance_threshold,
        "nodes": {
            name: {
                "member": entry.member,
                "power": entry.power,
                "peer": str(entry.peer),
                "api": str(entry.api),
                "http": str(entry.http),
                "config": relative(entry.config),
            }
            for name, entry in directory.nodes.items()
        },
        "members": {
            name: {
                "member_id": entry.member_id,
                "roles": list(entry.roles),
                "keys": [relative(path) for path in entry.keys],
            }
            for name, entry in directory.members.items()
        },
    }
    return json.dumps(document, indent=2) + "\n"


def _parse_directory(folder: Path, raw: dict[str, Any]) -> NetworkDirectory:
    if raw["format"] != 1:
        raise ValueError(f"format {raw['format']!r} is not known to this version")
    return NetworkDirectory(
        folder=folder,
        name=raw["name"],
        chain_id=raw["chain_id"],
        genesis=folder / raw["genesis"],
        fingerprint_key=folder / raw["fingerprint_key"],
        fingerprint_epoch=int(raw["fingerprint_epoch"]),
        governance_threshold=int(raw["governance_threshold"]),
        nodes={
            name: NodeEntry(
                member=entry["member"],
                power=int(entry["power"]),
                peer=parse_address("peer", entry["peer"]),
                api=parse_address("api", entry["api"]),
                http=parse_address("http", entry["http"]),
                config=folder / entry["config"],
            )
            for name, entry in raw["nodes"].items()
        },
        members={
            name: MemberEntry(
                member_id=entry["member_id"],
                roles=tuple(entry["roles"]),
                keys=tuple(folder / key for key in entry["keys"]),
            )
            for name, entry in raw["members"].items()
        },
    )
