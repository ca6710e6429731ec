"""The configuration file: what is read, and what is refused with which words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from node.config import Address, ConfigError, Limits, NodeConfig, parse_config, read_config, render_config

MINIMAL: dict[str, object] = {
    "node": {
        "id": "association",
        "genesis": "../genesis.json",
        "consensus_key": "consensus.pem",
        "tls_key": "tls.key",
        "tls_certificate": "tls.crt",
    },
    "listen": {"peer": "127.0.0.1:9101", "api": "127.0.0.1:9102", "http": "[::1]:9103"},
}


def with_key(table: str, key: str, value: object) -> dict[str, object]:
    inner = MINIMAL.get(table, {})
    assert isinstance(inner, dict)
    return {**MINIMAL, table: {**inner, key: value}}


def test_minimal_file_gets_safe_defaults(tmp_path: Path) -> None:
    config = parse_config(MINIMAL, tmp_path)
    assert config.fsync is True
    assert config.data_dir == tmp_path / "data"
    assert config.http_listen == Address("::1", 9103)
    assert config.limits == Limits()


def test_unknown_key_is_named_with_the_nearest_known_one(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"unknown key node\.hartbeat_ms; did you mean node\.heartbeat_ms\?"
    ):
        parse_config(with_key("node", "hartbeat_ms", 5), tmp_path)


def test_unknown_table_is_named_with_the_nearest_known_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"unknown key limit; did you mean limits\?"):
        parse_config({**MINIMAL, "limit": {}}, tmp_path)


@pytest.mark.parametrize(
    ("table", "key", "value", "said"),
    [
        ("node", "fsync", "yes", "expected true or false"),
        ("node", "network_delay_ms", 0, "whole number from 1"),
        ("node", "network_delay_ms", True, "whole number"),
        ("node", "log_level", "loud", "expected one of debug"),
        ("node", "id", "Factor 1", "a-z"),
        ("listen", "peer", "127.0.0.1", "HOST:PORT"),
        ("listen", "peer", "127.0.0.1:70000", "1 to 65535"),
        ("listen", "peer", "127.0.0.1:٣", "HOST:PORT"),
        ("peers", "association", "127.0.0.1:1", "this node itself"),
        ("peers", "factor-1", 5, "HOST:PORT"),
        ("limits", "mempool_entries", -1, "whole number from 1"),
    ],
)
def test_wrong_value_is_refused_with_what_is_allowed(
    tmp_path: Path, table: str, key: str, value: object, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        parse_config(with_key(table, key, value), tmp_path)


@pytest.mark.parametrize("key", ["id", "genesis", "consensus_key", "tls_key", "tls_certificate"])
def test_missing_key_is_named(tmp_path: Path, key: str) -> None:
    node = MINIMAL["node"]
    assert isinstance(node, dict)
    without = {name: value for name, value in node.items() if name != key}
    with pytest.raises(ConfigError, match=rf"node\.{key} is missing"):
        parse_config({**MINIMAL, "node": without}, tmp_path)


def test_missing_file_and_broken_toml_say_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the configuration"):
        read_config(tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("[node\n")
    with pytest.raises(ConfigError, match="not valid TOML"):
        read_config(broken)
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot read the configuration"):
        read_config(binary)


def test_rendered_file_reads_back_equal(tmp_path: Path) -> None:
    folder = tmp_path / "factor-1"
    folder.mkdir()
    config: NodeConfig = replace(
        parse_config(MINIMAL, folder),
        genesis=tmp_path / "genesis.json",
        peers={"factor-1": Address("127.0.0.1", 9111)},
        fsync=False,
        heartbeat_ms=2_000,
    )
    path = folder / "config.toml"
    path.write_text(render_config(config, folder))
    read = read_config(path)
    assert replace(read, genesis=read.genesis.resolve()) == replace(config, genesis=config.genesis.resolve())
