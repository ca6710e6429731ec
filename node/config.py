"""What one node needs to know before it starts: its TOML file, read once into frozen types.

Guarantees: a key that is not known is an error that names it and the nearest known one; a value of the wrong type or
outside its bounds names the key, the value and the bound; relative paths are taken from the folder of the file.
Leaves to others: reading the files that the paths name (`keys`, `tls`), and whether they fit the genesis (`runtime`).
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

NODE_ID_PATTERN = re.compile(r"[a-z0-9-]{1,32}")
LOG_LEVELS = ("debug", "info", "warning", "error")


class ConfigError(Exception):
    """The configuration cannot be used; the message says which key, what stood there and what is allowed."""


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a TCP port, as gRPC and uvicorn want them."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one node takes on before it says "too busy"; every figure has its reason beside it."""

    # About ten seconds of the aimed-at load: longer queues only hide that the network is too slow.
    mempool_entries: int = 20_000
    mempool_bytes: int = 64 * 1024 * 1024
    # Per member, so that one member's spam cannot take the node from the others.
    entries_per_second: int = 5_000
    queries_per_second: int = 2_000
    # Streams that stay open (receipts, events, blocks): each holds a task and a queue.
    streams: int = 256
    streams_per_member: int = 64
    # Calls in flight over all connections; beyond it gRPC itself answers RESOURCE_EXHAUSTED.
    concurrent_calls: int = 1_000
    # One thousand entries of full size would be larger: a client splits them.
    message_bytes: int = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """Everything of one node that is not in the genesis document."""

    node_id: str
    data_dir: Path
    genesis: Path
    consensus_key: Path
    tls_key: Path
    tls_certificate: Path
    peer_listen: Address
    api_listen: Address
    http_listen: Address
    peers: Mapping[str, Address]
    limits: Limits
    network_delay_ms: int
    heartbeat_ms: int
    fsync: bool
    log_level: str
    awaits_admission: bool = False
    """The ledger does not name this node with its key and certificate, as far as its own store goes: it is to be added, or
    was given another key while it was away. It then follows, and signs where the ledger comes to name it."""


_NODE_KEYS = (
    "id",
    "data_dir",
    "genesis",
    "consensus_key",
    "tls_key",
    "tls_certificate",
    "network_delay_ms",
    "heartbeat_ms",
    "fsync",
    "log_level",
    "awaits_admission",
)
_LISTEN_KEYS = ("peer", "api", "http")
_TABLES = ("node", "listen", "peers", "limits")


def read_config(path: Path) -> NodeConfig:
    """Read the file at `path`. Raises ConfigError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the configuration {path}: {error}") from error
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    return parse_config(document, path.resolve().parent)


def parse_config(document: Mapping[str, object], folder: Path) -> NodeConfig:
    """Check a parsed document; `folder` is what relative paths start from. Raises ConfigError."""
    _refuse_unknown("", document, _TABLES)
    node = _Table("node", _table(document, "node"), _NODE_KEYS)
    listen = _Table("listen", _table(document, "listen"), _LISTEN_KEYS)
    node_id = node.text("id")
    _check_node_id("node.id", node_id)
    return NodeConfig(
        node_id=node_id,
        data_dir=folder / node.text("data_dir", "data"),
        genesis=folder / node.text("genesis"),
        consensus_key=folder / node.text("consensus_key"),
        tls_key=folder / node.text("tls_key"),
        tls_certificate=folder / node.text("tls_certificate"),
        peer_listen=listen.address("peer"),
        api_listen=listen.address("api"),
        http_listen=listen.address("http"),
        peers=_peers(document, node_id),
        limits=_limits(document),
        network_delay_ms=node.integer("network_delay_ms", 100, 1, 60_000),
        heartbeat_ms=node.integer("heartbeat_ms", 10_000, 100, 3_600_000),
        fsync=node.flag("fsync", True),
        log_level=node.choice("log_level", "info", LOG_LEVELS),
        awaits_admission=node.flag("awaits_admission", False),
    )


def parse_address(key: str, text: str) -> Address:
    """`HOST:PORT` or `[IPV6]:PORT`; `key` names the place for the error. Raises ConfigError."""
    host, separator, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    # isdecimal alone takes the digits of other scripts, which int() would read too but nobody means.
    if not separator or not host or not port.isascii() or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise ConfigError(f"{key} = {text!r}: expected HOST:PORT with a port of 1 to 65535")
    return Address(host, int(port))


def render_config(config: NodeConfig, folder: Path) -> str:
    """The TOML text that `read_config` turns into `config` again, with paths relative to `folder` where they are inside."""
    lines = ["[node]", f"id = {_quoted(config.node_id)}"]
    for key in ("data_dir", "genesis", "consensus_key", "tls_key", "tls_certificate"):
        lines.append(f"{key} = {_quoted(_relative(getattr(config, key), folder))}")
    lines += [
        f"network_delay_ms = {config.network_delay_ms}",
        f"heartbeat_ms = {config.heartbeat_ms}",
        f"fsync = {'true' if config.fsync else 'false'}",
        f"log_level = {_quoted(config.log_level)}",
        *(["awaits_admission = true"] if config.awaits_admission else []),
        "",
        "[listen]",
        f"peer = {_quoted(str(config.peer_listen))}    # other nodes, mutual TLS",
        f"api = {_quoted(str(config.api_listen))}     # members, gRPC over TLS",
        f"http = {_quoted(str(config.http_listen))}    # health, status, metrics: keep on loopback",
        "",
        "[peers]",
        *(f"{node_id} = {_quoted(str(address))}" for node_id, address in sorted(config.peers.items())),
        "",
        "[limits]",
        *(f"{field.name} = {getattr(config.limits, field.name)}" for field in fields(Limits)),
    ]
    return "\n".join(lines) + "\n"


class _Table:
    """One table of the document: typed look-ups that name the key in every refusal."""

    def __init__(self, name: str, raw: Mapping[str, object], known: tuple[str, ...]) -> None:
        _refuse_unknown(f"{name}.", raw, known)
        self._name = name
        self._raw = raw

    def text(self, key: str, default: str | None = None) -> str:
        value = self._raw.get(key, default)
        if value is None:
            raise ConfigError(f"{self._name}.{key} is missing")
        if not isinstance(value, str) or not value:
            raise ConfigError(f"{self._name}.{key} = {value!r}: expected a text")
        return value

    def address(self, key: str) -> Address:
        return parse_address(f"{self._name}.{key}", self.text(key))

    def integer(self, key: str, default: int, low: int, high: int) -> int:
        value = self._raw.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ConfigError(f"{self._name}.{key} = {value!r}: expected a whole number from {low} to {high}")
        return value

    def flag(self, key: str, default: bool) -> bool:
        value = self._raw.get(key, default)
        if not isinstance(value, bool):
            raise ConfigError(f"{self._name}.{key} = {value!r}: expected true or false")
        return value

    def choice(self, key: str, default: str, allowed: tuple[str, ...]) -> str:
        value = self.text(key, default)
        if value not in allowed:
            raise ConfigError(f"{self._name}.{key} = {value!r}: expected one of {', '.join(allowed)}")
        return value


def _table(document: Mapping[str, object], name: str) -> Mapping[str, object]:
    table = document.get(name, {})
    if not isinstance(table, dict):
        raise ConfigError(f"{name} = {table!r}: expected a table [{name}]")
    return table


def _refuse_unknown(prefix: str, raw: Mapping[str, object], known: tuple[str, ...]) -> None:
    for key in raw:
        if key not in known:
            nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
            hint = f"did you mean {prefix}{nearest[0]}?" if nearest else f"known are {', '.join(known)}"
            raise ConfigError(f"unknown key {prefix}{key}; {hint}")


def _check_node_id(key: str, node_id: str) -> None:
    if not NODE_ID_PATTERN.fullmatch(node_id):
        raise ConfigError(f"{key} = {node_id!r}: expected 1 to 32 characters of a-z, 0-9 and '-'")


def _peers(document: Mapping[str, object], node_id: str) -> Mapping[str, Address]:
    peers: dict[str, Address] = {}
    for name, raw in _table(document, "peers").items():
        _check_node_id("a key of [peers]", name)
        if name == node_id:
            raise ConfigError(f"peers.{name} is this node itself; list only the others")
        if not isinstance(raw, str):
            raise ConfigError(f"peers.{name} = {raw!r}: expected HOST:PORT")
        peers[name] = parse_address(f"peers.{name}", raw)
    return peers


def _limits(document: Mapping[str, object]) -> Limits:
    defaults = Limits()
    names = tuple(field.name for field in fields(Limits))
    table = _Table("limits", _table(document, "limits"), names)
    return Limits(**{name: table.integer(name, getattr(defaults, name), 1, 2**31 - 1) for name in names})


def _quoted(text: str) -> str:
    # TOML basic strings use JSON's escapes for what can occur in a path.
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _relative(path: Path, folder: Path) -> str:
    """`path` seen from `folder` when it is near, so that a folder of nodes can be moved as a whole."""
    relative = os.path.relpath(path, folder)
    return str(path) if relative.startswith("../../../") else relative
