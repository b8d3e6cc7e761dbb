"""``connection.openssl``: the certificate options of a connection, and what its TLS connection has become."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from openssl_api import TgoOpenSSL, TlsClosedError, TlsContext, TlsError
from socketpool import MemoryBlock, TgoClientSocketManager
from tests.certificates import PASSWORD, Certificates
from tests.servers.scripted import ScriptedServer, tls_context

from .events import LIMIT, Events
from .peers import echo

if TYPE_CHECKING:
    from tests.conftest import ScriptedServers


@pytest.fixture
def server(scripted: ScriptedServers, certificates: Certificates) -> ScriptedServer:
    return scripted(echo, tls=tls_context(certificates.server, alpn=["h2"]), handshakes_fail=True, aborts=True)


@pytest.mark.parametrize("asked_before", [True, False])
@pytest.mark.parametrize("alpn", [True, False])
def test_it_reflects_the_connection(
    manager: TgoClientSocketManager, server: ScriptedServer, context: TlsContext, asked_before: bool, alpn: bool
) -> None:
    connection = manager.request("localhost", server.port, ssl=True, alpn=alpn, tls_context=context)
    if asked_before:
        assert connection.openssl.alpn() is False
        assert connection.openssl.engine is None
    events = Events(connection)
    connection.connect()
    events.wait_for("connected")
    openssl = connection.openssl
    assert isinstance(openssl, TgoOpenSSL)
    assert openssl is connection.openssl
    assert (openssl.host, openssl.port) == ("localhost", server.port)
    assert openssl.alpn() is alpn
    assert connection.stream is not None
    assert openssl.engine is connection.stream.engine
    assert openssl.engine is not None
    assert openssl.engine.version == "TLSv1.3"
    # It shows the connection, and leaves it alone.
    with pytest.raises(TlsClosedError):
        openssl.write(b"past the connection")
    openssl.close()
    connection.send(b"still there")
    events.wait_for_data(11)
    connection.disconnect()
    events.wait_for("disconnected")
    assert openssl.alpn() is alpn
    assert not openssl.truncated


def test_its_host_is_the_one_that_is_verified(
    manager: TgoClientSocketManager, server: ScriptedServer, context: TlsContext
) -> None:
    connection = manager.request("127.0.0.1", server.port, ssl=True, tls_context=context)
    connection.openssl.host = "localhost"
    connection.open()
    connection.send(b"x")
    assert server.wait_for_connections(1)[0].server_name == "localhost"
    connection.abort()
    connection.openssl.host = "elsewhere.example"
    with pytest.raises(TlsError, match=r"elsewhere\.example"):
        connection.open()
    connection.hostname, connection.port = "localhost", server.port
    assert (connection.openssl.host, connection.openssl.port) == ("localhost", server.port)
    connection.open()
    connection.abort()


def test_in_clear_text_there_is_nothing_to_show(manager: TgoClientSocketManager, scripted: ScriptedServers) -> None:
    connection = manager.request("localhost", scripted(echo).port)
    stream = connection.open()
    assert connection.openssl.engine is None
    assert connection.openssl.alpn() is False
    stream.send(b"x")
    assert stream.receive(MemoryBlock(10), LIMIT) == 1
    connection.abort()


def test_options_are_kept_there(manager: TgoClientSocketManager) -> None:
    connection = manager.request("localhost", 443)
    assert (connection.certificate, connection.private_key, connection.password) == (b"", b"", "")
    connection.certificate, connection.private_key, connection.password = b"chain", b"key", "secret"
    assert connection.openssl.certificate == connection.certificate == b"chain"
    assert connection.openssl.private_key == connection.private_key == b"key"
    assert connection.openssl.password == connection.password == "secret"
    connection.openssl.certificate = b"another"
    assert connection.certificate == b"another"


@pytest.mark.parametrize("encrypted", [True, False])
def test_a_client_certificate_is_presented(
    scripted: ScriptedServers, certificates: Certificates, encrypted: bool
) -> None:
    """With a key of its own, encrypted too; connections with the same one share a context and resume sessions.

    In a process of its own, because the system's authorities are loaded once.
    """
    identity = certificates.client_encrypted if encrypted else certificates.client
    server = scripted(echo, tls=tls_context(certificates.server, client_ca=certificates.ca_file))
    program = f"""
        import threading
        from pathlib import Path
        from socketpool import MemoryBlock, TgoClientSocketManager

        with TgoClientSocketManager() as manager:
            reused = []
            for _ in range(3):
                connection = manager.request("localhost", {server.port}, ssl=True)
                connection.certificate = Path({str(identity.certificate)!r}).read_bytes()
                connection.private_key = Path({str(identity.key)!r}).read_bytes()
                connection.password = {PASSWORD if encrypted else ""!r}
                stream = connection.open()
                stream.send(b"ping")
                assert stream.receive(MemoryBlock(100), {LIMIT}) == 4
                reused.append(stream.engine.session_reused)
                connection.disconnect()
            assert reused == [False, True, True], reused
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=Path(__file__).parents[2],
        env={"SSL_CERT_FILE": str(certificates.ca_file)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    server.wait_until_finished(3)
    for peer in server.connections:
        assert peer.tls is not None
        assert peer.received == b"ping"
