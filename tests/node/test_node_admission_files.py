"""The files of a node that is to be added, and its request: made once, over nothing, and of what is there."""

from __future__ import annotations

import datetime
import stat
from pathlib import Path

import pytest

from node.admission_request import make_node_folder, request_of
from node.config import ConfigError, read_config
from node.keys import KeyFileError, read_key
from node.network_files import NetworkDirectory, NetworkPlan, make_network
from node.tls import TlsError, certificate_der
from registry.admission_document import decode_admission, encode_admission
from registry.genesis import parse_genesis

NOW = datetime.datetime.now(datetime.UTC)


@pytest.fixture
def network(tmp_path: Path) -> NetworkDirectory:
    return make_network(tmp_path / "net", NetworkPlan(validators=2), NOW)


@pytest.fixture
def config(network: NetworkDirectory, tmp_path: Path) -> Path:
    return made(network, tmp_path / "newcomer")


def made(network: NetworkDirectory, folder: Path, node_id: str = "newcomer", base_port: int = 21_000) -> Path:
    like = network.nodes["association"].config
    return make_node_folder(folder, node_id, like, host="10.0.0.9", base_port=base_port, now=NOW)


def test_a_new_node_has_keys_and_everybodys_address(network: NetworkDirectory, config: Path) -> None:
    own = read_config(config)
    assert own.awaits_admission
    assert {name: str(address) for name, address in own.peers.items()} == {
        name: str(entry.peer) for name, entry in network.nodes.items()
    }
    assert (str(own.peer_listen), str(own.api_listen)) == ("10.0.0.9:21000", "10.0.0.9:21001")
    assert str(own.http_listen) == "127.0.0.1:21002"  # operators' pages stay where the pattern has them
    assert own.genesis.resolve() == network.genesis
    for key in (own.consensus_key, own.tls_key):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_nothing_is_written_over_a_folder_a_name_or_the_last_port(
    network: NetworkDirectory, config: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="not an empty folder"):
        made(network, config.parent)
    with pytest.raises(ConfigError, match="is a node of"):
        made(network, tmp_path / "other", node_id="exporter-1")
    with pytest.raises(ConfigError, match="too high"):
        made(network, tmp_path / "other", base_port=65_534)
    assert not (tmp_path / "other").exists()


def test_a_request_is_of_the_files_and_proves_the_key(network: NetworkDirectory, config: Path) -> None:
    member = network.members["exporter-1"].member_id
    request = request_of(config, member, 0, None)
    assert decode_admission(encode_admission(request)) == request
    own = read_config(config)
    assert request.chain_id == parse_genesis(network.genesis.read_bytes()).chain_id
    assert request.node.consensus_key == read_key(own.consensus_key).public_key
    assert request.node.tls_certificate_der == certificate_der(own.tls_certificate.read_bytes())
    assert b"PRIVATE" not in encode_admission(request)


def test_another_key_is_made_once_and_asked_for_again(network: NetworkDirectory, config: Path) -> None:
    member = network.members["exporter-1"].member_id
    place = config.parent / "next.key"
    first, again = (request_of(config, member, 1, place) for _ in range(2))
    assert first == again
    assert first.node.consensus_key == read_key(place).public_key
    assert first.node.consensus_key != request_of(config, member, 1, None).node.consensus_key


def test_what_lacks_for_a_request_is_named(network: NetworkDirectory, config: Path) -> None:
    member = network.members["exporter-1"].member_id
    own = read_config(config)
    own.tls_certificate.write_text("none")
    with pytest.raises(TlsError, match=r"tls\.crt"):
        request_of(config, member, 0, None)
    own.consensus_key.unlink()
    with pytest.raises(KeyFileError, match=r"consensus\.key"):
        request_of(config, member, 0, None)
