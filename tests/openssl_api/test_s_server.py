"""Against ``openssl s_server``: what Python's ``ssl`` cannot be made to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from openssl_api import TlsContext, TlsError

from .peers import Client
from .s_server import SServer

if TYPE_CHECKING:
    from tests.certificates import Certificates

    from .conftest import Contexts


def reversed_by(client: Client, data: bytes) -> bytes:
    client.write(data + b"\n")
    return client.receive(len(data) + 1)


@pytest.mark.parametrize(
    ("arguments", "version", "cipher"),
    [
        (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"], "TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256"),
        (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-SHA384"], "TLSv1.2", "ECDHE-ECDSA-AES256-SHA384"),
        (["-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"], "TLSv1.3", "TLS_CHACHA20_POLY1305_SHA256"),
        (["-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256"], "TLSv1.3", "TLS_AES_128_GCM_SHA256"),
    ],
)
@pytest.mark.parametrize("blocking", [False, True])
def test_ciphers(
    arguments: list[str], version: str, cipher: str, blocking: bool, certificates: Certificates, context: TlsContext
) -> None:
    with (
        SServer(certificates.server, "-rev", *arguments) as server,
        Client(context, server.port, blocking=blocking).handshake() as client,
    ):
        assert (client.engine.version, client.engine.cipher) == (version, cipher)
        assert reversed_by(client, b"stressed") == b"desserts\n"


def test_a_second_client_hello(certificates: Certificates, context: TlsContext) -> None:
    """HelloRetryRequest: the server wants another group than the client has guessed (RFC 8446 section 4.1.4)."""
    with (
        SServer(certificates.server, "-rev", "-groups", "P-384") as server,
        Client(context, server.port, "localhost").handshake() as client,
    ):
        assert reversed_by(client, b"abc") == b"cba\n"


@pytest.mark.parametrize("arguments", [["-tls1_2"], ["-tls1_2", "-no_ticket"], ["-tls1_3"], ["-tls1_3", "-no_ticket"]])
def test_resumption(arguments: list[str], certificates: Certificates, context: TlsContext) -> None:
    """By ticket and by session id: the server keeps the state itself with -no_ticket."""
    reused = []
    with SServer(certificates.server, "-rev", *arguments) as server:
        for _ in range(3):
            with Client(context, server.port).handshake() as client:
                assert reversed_by(client, b"abc") == b"cba\n"
                reused.append(client.engine.session_reused)
                client.engine.shutdown()
                client.flush()
    assert reused == [False, True, True]


def test_alpn(certificates: Certificates, make_context: Contexts) -> None:
    context = make_context(alpn=(b"h2", b"http/1.1"))
    with (
        SServer(certificates.server, "-rev", "-alpn", "http/1.1") as server,
        Client(context, server.port).handshake() as client,
    ):
        assert client.engine.alpn == b"http/1.1"


def test_alpn_without_agreement(certificates: Certificates, make_context: Contexts) -> None:
    """This server refuses, as RFC 7301 section 3.2 has it."""
    context = make_context(alpn=(b"h2",))
    with (
        SServer(certificates.server, "-rev", "-alpn", "other") as server,
        Client(context, server.port) as client,
        pytest.raises(TlsError, match=r"no application protocol.*none of the protocols offered by ALPN"),
    ):
        client.handshake()


def test_key_update(certificates: Certificates, context: TlsContext) -> None:
    """RFC 8446 section 4.6.3: the server changes its keys, and asks the client to do so as well."""
    with SServer(certificates.server, "-tls1_3") as server, Client(context, server.port).handshake() as client:
        server.type(b"line\n")
        assert client.receive(5) == b"line\n"
        for number in range(3):
            server.type(b"K\n")
            # Something comes, and it is no data.
            client.wait()
            assert client.engine.read_into(client.block.address, client.block.size) == -1
            server.type(b"line %d\n" % number)
            assert client.receive(7) == b"line %d\n" % number
            client.write(b"answer %d\n" % number)
            server.wait_for(rb"answer %d\n" % number)


def test_renegotiation_is_refused(certificates: Certificates, context: TlsContext) -> None:
    with SServer(certificates.server, "-tls1_2") as server, Client(context, server.port).handshake() as client:
        client.write(b"one\n")
        server.wait_for(rb"one\n")
        before = client.engine.cipher, client.engine.peer_certificate()
        server.type(b"r\n")
        # The client answers with an alert, after which this server gives up.
        with pytest.raises(TlsError, match="renegotiation, which is refused"):
            while client.read():
                pass
        assert (client.engine.cipher, client.engine.peer_certificate()) == before


def test_an_encrypted_client_key(certificates: Certificates, make_context: Contexts) -> None:
    identity = certificates.client_encrypted
    context = make_context(certificate=identity.certificate, private_key=identity.key, password=identity.password)
    arguments = ["-Verify", "3", "-verify_return_error", "-CAfile", str(certificates.ca_file)]
    with (
        SServer(certificates.server, "-rev", *arguments) as server,
        Client(context, server.port).handshake() as client,
    ):
        assert reversed_by(client, b"abc") == b"cba\n"


def test_a_refused_client(certificates: Certificates, make_context: Contexts) -> None:
    identity = certificates.self_signed
    context = make_context(certificate=identity.certificate, private_key=identity.key)
    arguments = ["-Verify", "3", "-verify_return_error", "-CAfile", str(certificates.ca_file)]
    with (
        SServer(certificates.server, "-rev", *arguments) as server,
        Client(context, server.port) as client,
        pytest.raises(TlsError, match="the peer sent the alert"),
    ):
        client.handshake()
        client.read()
