"""A node's self-signed certificate, and the gRPC credentials that pin it.

Guarantees: no certificate authority anywhere: the only root for a node is that node's own certificate, as the ledger
records it, so that nobody's expiry or compromise elsewhere can stop the chain or join it. A peer's name is the
one in the certificate it proved to hold, never one that it states.
Leaves to others: which certificates are pinned (`peering.pinned_peers`), where keys lie (`keys`, `config`).

Ed25519 certificates are refused by gRPC's TLS stack, so the certificate key is P-256; it signs no ledger data.
"""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from node.keys import KeyFileError, read_secret, write_secret

# Longer than the consortium's papers are kept (30 years); replaced by a governance entry, not by expiry.
VALIDITY_YEARS = 50
CERTIFICATE_FILE_BYTES_MAX = 64 * 1024
# What reading a malformed certificate raises; most of these are no ValueError.
_UNREADABLE = (
    ValueError,
    TypeError,
    ssl.SSLError,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
    UnsupportedAlgorithm,
)


class TlsError(Exception):
    """A certificate or its key cannot be used; the message names the file and the difference."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A node's own certificate and private key, both PEM."""

    node_id: str
    certificate_pem: bytes
    key_pem: bytes

    def __repr__(self) -> str:
        return f"Identity({self.node_id!r})"


def generate_identity(node_id: str, now: datetime.datetime) -> Identity:
    """A new P-256 key with a self-signed certificate whose CN and SAN are `node_id`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, node_id)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # An hour back: a peer whose clock is a little late must not refuse a fresh network.
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now.replace(month=1, day=1, year=now.year + VALIDITY_YEARS))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(node_id)]), critical=False)
        # Not an authority: a certificate signed by a pinned node is worth nothing.
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    return Identity(
        node_id,
        certificate.public_bytes(Encoding.PEM),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )


def write_identity(identity: Identity, certificate_path: Path, key_path: Path) -> None:
    """Write the key with mode 0600 and the certificate beside it. Raises KeyFileError when a file exists."""
    write_secret(key_path, identity.key_pem)
    certificate_path.write_bytes(identity.certificate_pem)


def read_identity(node_id: str, certificate_path: Path, key_path: Path, pinned_der: bytes | None) -> Identity:
    """Read both files and check that they belong together, and to the certificate that the ledger records, if that is given.

    Raises TlsError.
    """
    try:
        key_pem = read_secret(key_path)
        certificate_pem = certificate_path.read_bytes()[: CERTIFICATE_FILE_BYTES_MAX + 1]
    except (KeyFileError, OSError) as error:
        raise TlsError(f"cannot read the TLS identity of {node_id}: {error}") from error
    try:
        certificate = x509.load_pem_x509_certificate(certificate_pem)
        key = load_pem_private_key(key_pem, None)
    except (ValueError, TypeError) as error:
        raise TlsError(f"{certificate_path} or {key_path} is not a PEM file of the expected kind") from error
    if certificate.public_key() != key.public_key():
        raise TlsError(f"{key_path} is not the key of the certificate {certificate_path}")
    if pinned_der is not None and certificate.public_bytes(Encoding.DER) != pinned_der:
        raise TlsError(f"{certificate_path} is not the certificate that the ledger records for {node_id}")
    return Identity(node_id, certificate_pem, key_pem)


def certificate_der(certificate_pem: bytes) -> bytes:
    """The DER bytes of a PEM certificate, as the genesis document pins them."""
    return x509.load_pem_x509_certificate(certificate_pem).public_bytes(Encoding.DER)


def pem_of_der(der: bytes) -> bytes:
    """The PEM form that gRPC wants of a pinned certificate. Raises TlsError.

    Every part is read, by two parsers: gRPC stops at the first root that it cannot read, so one that its node has made
    badly on purpose would shut out all behind it, or keep the port of every node from opening.
    """
    try:
        certificate = x509.load_der_x509_certificate(der)
        # Read only when asked for, and refused by gRPC's TLS stack when they are malformed.
        certificate.public_key()
        tuple(certificate.subject), tuple(certificate.issuer), tuple(certificate.extensions)
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=der)
    except _UNREADABLE as error:
        raise TlsError(f"a pinned certificate of {len(der)} bytes is not X.509: {error}") from error
    return certificate.public_bytes(Encoding.PEM)


def peer_server_credentials(
    identity: Identity, pinned: Callable[[], Iterable[bytes]]
) -> grpc.ServerCredentials:
    """Node to node: a client must prove one of the pinned certificates, which may become others.

    `pinned` is asked at every handshake, by a thread of gRPC's.
    """
    present = tuple(pinned())

    def configuration() -> grpc.ServerCertificateConfiguration:
        roots = b"".join(pem_of_der(der) for der in present)
        return grpc.ssl_server_certificate_configuration(
            [(identity.key_pem, identity.certificate_pem)], root_certificates=roots
        )

    def changed() -> grpc.ServerCertificateConfiguration | None:
        nonlocal present
        now = tuple(pinned())
        if now == present:
            return None
        present = now
        return configuration()

    return grpc.dynamic_ssl_server_credentials(
        configuration(),
        changed,  # type: ignore[arg-type]  # its stub does not know that None keeps the present one
        require_client_authentication=True,
    )


def api_server_credentials(identity: Identity) -> grpc.ServerCredentials:
    """Members to node: the node proves its certificate, the member signs a token."""
    return grpc.ssl_server_credentials([(identity.key_pem, identity.certificate_pem)])


def peer_channel_credentials(identity: Identity, *peer_ders: bytes) -> grpc.ChannelCredentials:
    """Towards one peer: what is pinned for it (two certificates while one takes the other's place) are the only roots, and
    ours is shown."""
    return grpc.ssl_channel_credentials(
        root_certificates=b"".join(pem_of_der(der) for der in peer_ders),
        private_key=identity.key_pem,
        certificate_chain=identity.certificate_pem,
    )


def authenticated_peer(
    auth_context: Mapping[str, Iterable[bytes]], pinned: Mapping[bytes, str]
) -> str | None:
    """The node id of the certificate that the other side proved to hold, or None.

    `pinned` maps certificate DER to node id. The whole certificate is compared, not its name: a pinned node could sign a
    second certificate that bears another node's name.
    """
    pems = list(auth_context.get("x509_pem_cert", ()))
    if len(pems) != 1:
        return None
    try:
        return pinned.get(certificate_der(pems[0]))
    except ValueError:
        return None
