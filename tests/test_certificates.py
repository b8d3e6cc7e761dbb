"""The certificates of a run are what their names say."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest

from tests.certificates import PASSWORD, Certificates
from tests.servers._clients import connect, trusting
from tests.servers.scripted import ScriptedServer, finish, tls_context

if TYPE_CHECKING:
    from pathlib import Path

GOOD = ["server", "server_rsa", "big_chain"]
BAD = {
    "wrong_host": "Hostname mismatch",
    "expired": "certificate has expired",
    "not_yet_valid": "certificate is not yet valid",
    "self_signed": "self-signed certificate",
    "unknown_authority": "self-signed certificate in certificate chain",
    "incomplete_chain": "unable to get local issuer certificate",
}


def handshake(certificates: Certificates, identity: str, name: str) -> dict[str, object]:
    context = tls_context(getattr(certificates, identity))
    with (
        ScriptedServer(finish(), tls=context, handshakes_fail=True) as server,
        connect(server.port, trusting(certificates), name) as client,
    ):
        assert isinstance(client, ssl.SSLSocket)
        return dict(client.getpeercert() or {})


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1"])
@pytest.mark.parametrize("identity", GOOD)
def test_good_ones_are_trusted_under_every_name(certificates: Certificates, identity: str, name: str) -> None:
    assert handshake(certificates, identity, name)["subject"]


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
@pytest.mark.parametrize("identity", BAD)
def test_bad_ones_are_refused_for_their_reason(certificates: Certificates, identity: str, name: str) -> None:
    reason = BAD[identity]
    if identity == "wrong_host" and name == "127.0.0.1":
        reason = "IP address mismatch"
    with pytest.raises(ssl.SSLCertVerificationError, match=reason):
        handshake(certificates, identity, name)


def test_addresses_and_names_are_not_the_same(certificates: Certificates) -> None:
    assert handshake(certificates, "ip_only", "::1")
    assert handshake(certificates, "name_only", "localhost")
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(certificates, "ip_only", "localhost")
    with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
        handshake(certificates, "name_only", "127.0.0.1")


def test_the_big_chains_are_larger_than_a_tls_record(certificates: Certificates) -> None:
    for identity in (certificates.big_chain, certificates.client_big_chain):
        encoded = identity.certificate_pem.decode().split("-----BEGIN")[1:]
        assert sum(len(ssl.PEM_cert_to_DER_cert("-----BEGIN" + one)) for one in encoded) > 1 << 14


def test_a_chain_ends_below_the_authority(certificates: Certificates) -> None:
    assert certificates.server.certificate_pem.count(b"BEGIN CERTIFICATE") == 2
    assert certificates.incomplete_chain.certificate_pem.count(b"BEGIN CERTIFICATE") == 1
    assert certificates.ca_pem.count(b"BEGIN CERTIFICATE") == 1
    assert certificates.ca_pem not in certificates.server.certificate_pem


@pytest.mark.parametrize("identity", ["client", "client_encrypted", "client_big_chain"])
def test_client_certificates_are_accepted(certificates: Certificates, identity: str) -> None:
    context = tls_context(certificates.server, client_ca=certificates.ca_file)
    certificate, key, password = getattr(certificates, identity)
    client_context = trusting(certificates)
    client_context.load_cert_chain(certificate, key, password or None)
    with (
        ScriptedServer(lambda connection: connection.send(b"welcome"), tls=context) as server,
        connect(server.port, client_context) as client,
    ):
        assert client.recv(100) == b"welcome"


def test_the_encrypted_key_is_encrypted(certificates: Certificates) -> None:
    identity = certificates.client_encrypted
    assert identity.password == PASSWORD
    assert identity.key_pem.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY")
    assert b"ENCRYPTED" not in certificates.client.key_pem
    with pytest.raises(ssl.SSLError):
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(identity.certificate, identity.key, "wrong")


def test_the_rsa_key_is_rsa(certificates: Certificates, tmp_path: Path) -> None:
    # RSA certificates are the only ones that an RSA-only cipher can use.
    context = tls_context(certificates.server_rsa, maximum=ssl.TLSVersion.TLSv1_2)
    context.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")
    with ScriptedServer(finish(), tls=context) as server, connect(server.port, trusting(certificates)) as client:
        assert isinstance(client, ssl.SSLSocket)
        assert (client.cipher() or ("none",))[0] == "ECDHE-RSA-AES128-GCM-SHA256"


def test_a_failing_command_says_why(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        _ = Certificates(tmp_path / "missing").server
    (tmp_path / "intermediate.pem").mkdir()
    with pytest.raises(RuntimeError, match=r"(?s)openssl req .*intermediate.* failed:\n.*intermediate\.pem"):
        _ = Certificates(tmp_path).server
