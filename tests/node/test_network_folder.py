"""The files of a network on one machine."""

from __future__ import annotations

import datetime
import socket
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from node.config import ConfigError, read_config
from node.keys import read_key
from node.network_commands import app as network_app
from node.network_files import (
    DEFAULT_POLICY,
    NetworkPlan,
    demonstration_lei,
    make_network,
    node_names,
    read_directory,
)
from node.tls import read_identity
from registry.genesis import parse_genesis
from registry.identifiers import parse_member_id
from registry.operations.governance import Role
from registry.policy import ConfirmationPolicy

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def test_four_validators_are_association_two_factors_and_an_exporter() -> None:
    assert [name for name, _ in node_names(4, 1)] == [
        "association",
        "factor-1",
        "factor-2",
        "exporter-1",
        "exporter-2",
    ]
    assert [name for name, _ in node_names(1, 0)] == ["association"]


@pytest.mark.parametrize(("validators", "observers"), [(0, 0), (4, -1), (1, 200)])
def test_impossible_numbers_of_nodes_are_refused(validators: int, observers: int) -> None:
    with pytest.raises(ConfigError):
        node_names(validators, observers)


@pytest.mark.parametrize("name", ["association", "factor-1", "exporter-12", "debtor-2466"])
def test_demonstration_leis_have_right_check_digits(name: str) -> None:
    assert parse_member_id(demonstration_lei(name))


def test_demonstration_leis_differ() -> None:
    names = [f"{kind}-{number}" for kind in ("factor", "exporter", "debtor") for number in range(1, 300)]
    assert len({demonstration_lei(name) for name in names}) == len(names)


def test_made_network_reads_back_and_fits_together(tmp_path: Path) -> None:
    made = make_network(tmp_path / "net", NetworkPlan(validators=4, observers=1, base_port=13_000), NOW)
    assert read_directory(tmp_path / "net") == made
    genesis = parse_genesis(made.genesis.read_bytes())
    assert genesis.chain_id.hex() == made.chain_id
    assert {node.node_id: node.power for node in genesis.nodes} == {
        "association": 1,
        "factor-1": 1,
        "factor-2": 1,
        "exporter-1": 1,
        "exporter-2": 0,
    }
    ports = {str(address) for entry in made.nodes.values() for address in (entry.peer, entry.api, entry.http)}
    assert len(ports) == 15
    for name, entry in made.nodes.items():
        config = read_config(entry.config)
        pinned = genesis.node(name)
        assert pinned is not None
        assert set(config.peers) == set(made.nodes) - {name}
        assert config.fsync is True
        assert read_key(config.consensus_key).public_key == pinned.consensus_key
        read_identity(name, config.tls_certificate, config.tls_key, pinned.tls_certificate_der)


def test_members_keys_are_theirs_and_the_association_has_three(tmp_path: Path) -> None:
    made = make_network(tmp_path / "net", NetworkPlan(base_port=13_000), NOW)
    genesis = parse_genesis(made.genesis.read_bytes())
    assert genesis.governance_threshold == 2
    by_id = {member.member_id: member for member in genesis.members}
    for entry in made.members.values():
        enrolled = {key.public_key for key in by_id[entry.member_id].keys}
        assert {read_key(path).public_key for path in entry.keys} == enrolled
    assert len(made.members["association"].keys) == 3
    assert by_id[made.members["factor-1"].member_id].roles == (Role.FACTOR,)


def test_secrets_are_for_their_owner_only_and_not_in_the_directory(tmp_path: Path) -> None:
    made = make_network(tmp_path / "net", NetworkPlan(base_port=13_000), NOW)
    secrets = [path for path in made.folder.rglob("*") if path.suffix in (".pem", ".key")]
    assert len(secrets) == 6 + 1 + 8  # members' keys, the fingerprint key, two keys a node
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets} == {0o600}
    public = (made.folder / "network.json").read_text() + made.genesis.read_text()
    assert made.fingerprint_key.read_text().strip() not in public
    assert "PRIVATE" not in public


def test_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ConfigError, match="not an empty folder"):
        make_network(tmp_path, NetworkPlan(), NOW)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_chosen_ports_are_free(tmp_path: Path) -> None:
    made = make_network(tmp_path / "net", NetworkPlan(validators=2), NOW)
    for entry in made.nodes.values():
        with socket.create_server((entry.peer.host, entry.peer.port)):
            pass


def test_folder_without_a_network_says_what_makes_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="network init"):
        read_directory(tmp_path)
    (tmp_path / "network.json").write_text('{"format": 2}')
    with pytest.raises(ConfigError, match="not a network directory"):
        read_directory(tmp_path)


def test_init_takes_a_policy_from_a_file_and_options_over_it(tmp_path: Path) -> None:
    stated = tmp_path / "policy.json"
    stated.write_text('{"tacit_days": 15, "require_confirmation": "both", "single_debtor_max_percent": 50}')
    runner = CliRunner()
    options = ["--validators", "1", "--policy", str(stated), "--require-confirmation", "for_pledge"]
    result = runner.invoke(network_app, ["init", str(tmp_path / "net"), *options])
    assert result.exit_code == 0, result.output
    policy = parse_genesis((tmp_path / "net" / "genesis.json").read_bytes()).policy
    assert policy == replace(
        DEFAULT_POLICY,
        tacit_days=15,
        require_confirmation=ConfirmationPolicy.FOR_PLEDGE,
        single_debtor_max_percent=50,
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"tacit_days": 0}', "tacit_days"),
        ('{"unknown": 1}', "unknown"),
        ("[]", "JSON object"),
        ("no", "Expecting"),
    ],
)
def test_init_names_what_is_wrong_with_a_policy(tmp_path: Path, content: str, said: str) -> None:
    stated = tmp_path / "policy.json"
    stated.write_text(content)
    result = CliRunner().invoke(network_app, ["init", str(tmp_path / "net"), "--policy", str(stated)])
    assert result.exit_code == 2
    assert said in result.output
    assert not (tmp_path / "net").exists()
