"""Certificates: who a peer is, by what it proves and not by what it is called."""

from __future__ import annotations

import datetime
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID
from grpc import aio

from node.peering.pinned_peers import PinnedPeers
from node.tls import (
    Identity,
    TlsError,
    authenticated_peer,
    certificate_der,
    generate_identity,
    peer_channel_credentials,
    peer_server_credentials,
    pem_of_der,
    read_identity,
    write_identity,
)
from pledgebook.v1 import ledger_pb2, peer_pb2, peer_pb2_grpc
from registry.nodes import NetworkNode, NodeSet

NOW = datetime.datetime.now(datetime.UTC)
SERVER = generate_identity("association", NOW)
FRIEND = generate_identity("factor-1", NOW)
PINNED = {
    certificate_der(SERVER.certificate_pem): "association",
    certificate_der(FRIEND.certificate_pem): "factor-1",
}


class NamingPeer(peer_pb2_grpc.PeerServicer):
    """Answers with the name that the caller has proved, as the only entry of a block."""

    async def Exchange(self, request_iterator: Any, context: Any) -> peer_pb2.PeerAck:
        return peer_pb2.PeerAck()

    async def FetchBlocks(self, request: Any, context: Any) -> AsyncIterator[ledger_pb2.CertifiedBlock]:
        name = authenticated_peer(context.auth_context(), PINNED)
        yield ledger_pb2.CertifiedBlock(block=(name or "nobody").encode())


@pytest.fixture
async def port() -> AsyncIterator[int]:
    server = aio.server()
    peer_pb2_grpc.add_PeerServicer_to_server(NamingPeer(), server)
    port = server.add_secure_port("127.0.0.1:0", peer_server_credentials(SERVER, lambda: PINNED))
    await server.start()
    yield port
    await server.stop(None)


async def name_seen(port: int, identity: Identity, chain: bytes = b"") -> str:
    """As whom the server sees a client with this identity; raises when TLS refuses."""
    shown = Identity(identity.node_id, identity.certificate_pem + chain, identity.key_pem)
    credentials = peer_channel_credentials(shown, certificate_der(SERVER.certificate_pem))
    options = [("grpc.ssl_target_name_override", "association")]
    async with aio.secure_channel(f"127.0.0.1:{port}", credentials, options) as channel:
        stub = peer_pb2_grpc.PeerStub(channel)
        async for block in stub.FetchBlocks(peer_pb2.FetchBlocksRequest(), timeout=3):
            return block.block.decode()
    raise AssertionError("no answer")


def issued_by(issuer: Identity, name: str) -> Identity:
    """What a pinned node could make: a certificate with another node's name, signed with its own key."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuing = x509.load_pem_x509_certificate(issuer.certificate_pem)
    issuing_key = load_pem_private_key(issuer.key_pem, None)
    assert isinstance(issuing_key, ec.EllipticCurvePrivateKey)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuing.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - datetime.timedelta(hours=1))
        .not_valid_after(NOW + datetime.timedelta(days=1))
        .sign(issuing_key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Identity(name, certificate.public_bytes(Encoding.PEM), pem)


async def test_pinned_node_is_known_by_its_certificate(port: int) -> None:
    assert await name_seen(port, FRIEND) == "factor-1"


async def test_stranger_with_a_node_s_name_is_refused(port: int) -> None:
    with pytest.raises(grpc.RpcError):
        await name_seen(port, generate_identity("factor-1", NOW))


async def test_pinned_node_cannot_make_a_certificate_for_another_name(port: int) -> None:
    # gRPC's TLS lets it in: it looks neither whether the issuer may issue, nor whose name the issued certificate bears.
    forged = issued_by(FRIEND, "association")
    assert await name_seen(port, forged, chain=FRIEND.certificate_pem) == "nobody"


async def test_pins_that_change_hold_for_the_next_handshake() -> None:
    pinned = dict(PINNED)
    server = aio.server()
    peer_pb2_grpc.add_PeerServicer_to_server(NamingPeer(), server)
    port = server.add_secure_port("127.0.0.1:0", peer_server_credentials(SERVER, lambda: tuple(pinned)))
    await server.start()
    newcomer = generate_identity("factor-2", NOW)
    with pytest.raises(grpc.RpcError):
        await name_seen(port, newcomer)
    pinned[certificate_der(newcomer.certificate_pem)] = "factor-2"
    assert await name_seen(port, newcomer) == "nobody"  # let in by TLS; the name is looked up elsewhere
    del pinned[certificate_der(FRIEND.certificate_pem)]
    with pytest.raises(grpc.RpcError):
        await name_seen(port, FRIEND)
    await server.stop(None)


def node_set(from_height: int, *nodes: NetworkNode) -> NodeSet:
    return NodeSet(from_height, None, None, nodes)


def test_pins_are_those_of_the_sets_in_force_and_to_come() -> None:
    old = certificate_der(FRIEND.certificate_pem)
    new = certificate_der(generate_identity("factor-1", NOW).certificate_pem)
    before = NetworkNode("factor-1", "uscc:1", bytes(32), 1, old)
    after = NetworkNode("factor-1", "uscc:2", bytes(32), 1, new)
    broken = NetworkNode("factor-2", "uscc:3", bytes(32), 0, b"no certificate")
    pinned = PinnedPeers([node_set(1, before)])
    assert pinned.by_certificate == {old: "factor-1"}
    pinned.replace([node_set(5, after, broken), node_set(1, before)])
    assert set(pinned.of("factor-1")) == {old, new}
    assert pinned.names() == {"factor-1"}
    assert pinned.members == {"uscc:1", "uscc:2", "uscc:3"}
    pinned.replace([node_set(5, after, broken)])
    assert pinned.certificates() == (new,)


VERSION_3 = bytes.fromhex("a003020102")


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        # Where one parser looks only when it is asked, and gRPC's refuses: the name is no UTF-8.
        (b"ev", b"\xff\xfe"),
        # What one parser refuses with an error of its own kind.
        (VERSION_3, VERSION_3[:-1] + b"\x07"),
    ],
    ids=["name", "version"],
)
async def test_certificate_that_is_bad_on_purpose_shuts_out_nobody_else(good: bytes, bad: bytes) -> None:
    short = certificate_der(generate_identity("ev", NOW).certificate_pem)
    assert good in short
    evil = NetworkNode("evil", "uscc:3", bytes(32), 0, short.replace(good, bad))
    friend = NetworkNode("factor-1", "uscc:1", bytes(32), 1, certificate_der(FRIEND.certificate_pem))
    pinned = PinnedPeers([node_set(1, friend)])
    pinned.replace([node_set(5, evil, friend)])
    assert pinned.names() == {"factor-1"}
    server = aio.server()
    peer_pb2_grpc.add_PeerServicer_to_server(NamingPeer(), server)
    port = server.add_secure_port("127.0.0.1:0", peer_server_credentials(SERVER, pinned.certificates))
    await server.start()
    assert await name_seen(port, FRIEND) == "factor-1"
    await server.stop(None)


def test_name_alone_makes_nobody_a_peer() -> None:
    forged = issued_by(FRIEND, "association")
    assert authenticated_peer({"x509_pem_cert": [forged.certificate_pem]}, PINNED) is None
    assert authenticated_peer({"x509_common_name": [b"association"]}, PINNED) is None
    assert authenticated_peer({"x509_pem_cert": [b"garbage"]}, PINNED) is None
    assert authenticated_peer({"x509_pem_cert": [FRIEND.certificate_pem] * 2}, PINNED) is None
    assert authenticated_peer({"x509_pem_cert": [FRIEND.certificate_pem]}, PINNED) == "factor-1"


def test_identity_reads_back_and_must_be_the_pinned_one(tmp_path: Path) -> None:
    write_identity(FRIEND, tmp_path / "tls.crt", tmp_path / "tls.key")
    der = certificate_der(FRIEND.certificate_pem)
    assert read_identity("factor-1", tmp_path / "tls.crt", tmp_path / "tls.key", der) == FRIEND
    with pytest.raises(TlsError, match="not the certificate that the ledger records"):
        read_identity(
            "factor-1", tmp_path / "tls.crt", tmp_path / "tls.key", certificate_der(SERVER.certificate_pem)
        )
    (tmp_path / "tls.key").write_bytes(SERVER.key_pem)
    with pytest.raises(TlsError, match="not the key of the certificate"):
        read_identity("factor-1", tmp_path / "tls.crt", tmp_path / "tls.key", der)
    (tmp_path / "tls.crt").write_text("garbage")
    with pytest.raises(TlsError, match="not a PEM file"):
        read_identity("factor-1", tmp_path / "tls.crt", tmp_path / "tls.key", der)
    with pytest.raises(TlsError, match="cannot read"):
        read_identity("factor-1", tmp_path / "none.crt", tmp_path / "tls.key", der)


def test_private_key_is_in_no_repr() -> None:
    assert "PRIVATE" not in repr(FRIEND)


def test_pinned_bytes_that_are_no_certificate_are_refused() -> None:
    with pytest.raises(TlsError, match=r"not X\.509"):
        pem_of_der(b"garbage")


def test_certificate_outlives_the_papers() -> None:
    certificate = x509.load_pem_x509_certificate(FRIEND.certificate_pem)
    assert certificate.not_valid_after_utc - NOW > datetime.timedelta(days=40 * 365)
