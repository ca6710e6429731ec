"""The files of a node that the ledger does not know yet, and its request to be admitted (`pledgebook node init`, `request`).

Guarantees: nothing is written over what is there; the private keys stay in the folder, mode 0600, and the request
holds none. Leaves to others: deciding (the association, `pledgebook govern change-validators`), running (`runtime`).
"""

from __future__ import annotations

import datetime
import os
from dataclasses import replace
from pathlib import Path

from cryptography import x509

from node.config import Address, ConfigError, NodeConfig, read_config, render_config
from node.keys import passphrase_from_environment, read_key, write_key
from node.network_files import PORTS_PER_NODE
from node.tls import TlsError, certificate_der, generate_identity, write_identity
from registry.admission_document import AdmissionRequest, request_admission
from registry.genesis import Genesis, parse_genesis
from registry.nodes import NetworkNode


def make_node_folder(
    folder: Path, node_id: str, like: Path, *, host: str, base_port: int, now: datetime.datetime
) -> Path:
    """Make a new node's keys, certificate and configuration, after the pattern of another node's; returns the configuration.

    Raises ConfigError, KeyFileError.
    """
    pattern = read_config(like)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} exists and is not an empty folder; choose another one")
    if node_id == pattern.node_id or node_id in pattern.peers:
        raise ConfigError(f"{node_id} is a node of {like} already; choose another name")
    if base_port + PORTS_PER_NODE > 65_536:
        raise ConfigError(f"{PORTS_PER_NODE} ports from {base_port} on: too high")
    folder = folder.resolve()
    peer, api, http = (Address(host, base_port + offset) for offset in range(PORTS_PER_NODE))
    config = replace(
        pattern,
        node_id=node_id,
        data_dir=folder / "data",
        consensus_key=folder / "consensus.key",
        tls_key=folder / "tls.key",
        tls_certificate=folder / "tls.crt",
        peer_listen=peer,
        api_listen=api,
        http_listen=replace(http, host=pattern.http_listen.host),
        peers={**pattern.peers, pattern.node_id: pattern.peer_listen},
        awaits_admission=True,
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_key(config.consensus_key, os.urandom(32))
    write_identity(generate_identity(node_id, now), config.tls_certificate, config.tls_key)
    path = folder / "config.toml"
    path.write_text(render_config(config, folder), encoding="utf-8")
    return path


def request_of(config_path: Path, member: str, power: int, new_key: Path | None) -> AdmissionRequest:
    """The request of a node's files; with `new_key`, under this key, which is made when it is not there.

    Raises ConfigError, KeyFileError, TlsError, GenesisInvalid, BadIdentifier.
    """
    config = read_config(config_path)
    genesis = _genesis_of(config)
    if new_key is not None and not new_key.exists():
        write_key(new_key, os.urandom(32), passphrase_from_environment())
    key = read_key(new_key or config.consensus_key, passphrase_from_environment())
    node = NetworkNode(
        node_id=config.node_id,
        member=member,
        consensus_key=key.public_key,
        power=power,
        tls_certificate_der=_certificate_of(config),
    )
    return request_admission(genesis.chain_id, node, key)


def _genesis_of(config: NodeConfig) -> Genesis:
    try:
        return parse_genesis(config.genesis.read_bytes())
    except OSError as error:
        raise ConfigError(f"cannot read the genesis document {config.genesis}: {error.strerror}") from error


def _certificate_of(config: NodeConfig) -> bytes:
    try:
        pem = config.tls_certificate.read_bytes()
        x509.load_pem_x509_certificate(pem)
    except (OSError, ValueError) as error:
        raise TlsError(f"cannot read the certificate {config.tls_certificate}: {error}") from error
    return certificate_der(pem)
