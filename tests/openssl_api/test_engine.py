"""One TLS connection: handshake, data in both directions, and every way to end."""

from __future__ import annotations

import ctypes
import gc
import os
import ssl
import sys
import threading
import weakref
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from openssl_api import (
    TLS1_3_VERSION,
    TlsClosedError,
    TlsConfigurationError,
    TlsContext,
    TlsEngine,
    TlsError,
    TlsHandshakeError,
    TlsTransportError,
)
from openssl_api._library import VERSION
from openssl_api._negotiated import NONE
from openssl_api.api import BIO_free, BIO_new_mem_buf, PEM_read_bio_X509, TPemPasswordCallback
from openssl_api.client_api import BIO_ctrl_pending, ERR_clear_error, ERR_peek_error, SSL_free_buffers
from tests.servers.scripted import ScriptedServer

from .peers import Block, Client, Pair

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from tests.certificates import Certificates
    from tests.servers.scripted import Connection

    from .conftest import Contexts, ServerContexts

    ScriptedServers = Callable[..., ScriptedServer]

V12 = ssl.TLSVersion.TLSv1_2
V13 = ssl.TLSVersion.TLSv1_3

both_ways = pytest.mark.parametrize("through_socket", [False, True], ids=["memory", "socket"])
both_versions = pytest.mark.parametrize("maximum", [V12, V13], ids=["1.2", "1.3"])


class TestHandshake:
    @both_ways
    @both_versions
    def test_data_passes_both_ways(
        self, through_socket: bool, maximum: ssl.TLSVersion, context: TlsContext, server_context: ServerContexts
    ) -> None:
        with Pair(server_context(maximum=maximum), context, through_socket=through_socket).handshake() as pair:
            pair.engine.write(b"question")
            pair.to_server()
            assert pair.server.received() == b"question"
            pair.server.tls.write(b"answer")
            pair.to_client()
            assert pair.read_all() == b"answer"
            assert pair.read() is None

    @both_versions
    def test_what_was_negotiated(
        self,
        maximum: ssl.TLSVersion,
        make_context: Contexts,
        server_context: ServerContexts,
        certificates: Certificates,
    ) -> None:
        context = make_context(alpn=(b"h2", b"http/1.1"))
        server = server_context(maximum=maximum, alpn=["http/1.1"])
        with Pair(server, context) as pair:
            assert pair.engine.peer_certificate() == b""
            assert pair.engine.cipher == ""
            assert pair.engine.alpn == b""
            pair.handshake()
            assert pair.engine.version == pair.server.tls.version()
            cipher = pair.server.tls.cipher()
            assert cipher is not None
            assert pair.engine.cipher == cipher[0]
            assert pair.engine.alpn == b"http/1.1"
            assert not pair.engine.session_reused
            expected = ssl.PEM_cert_to_DER_cert(
                certificates.server.certificate_pem.decode().partition("-----END CERTIFICATE-----\n")[0]
                + "-----END CERTIFICATE-----\n"
            )
            assert pair.engine.peer_certificate() == expected

    def test_alpn_of_one_connection(self, make_context: Contexts, server_context: ServerContexts) -> None:
        context = make_context(alpn=(b"http/1.1",))
        for alpn, chosen in (((b"h2",), b"h2"), ((), b""), (None, b"http/1.1")):
            with Pair(server_context(alpn=["h2", "http/1.1"]), context, alpn=alpn).handshake() as pair:
                assert pair.engine.alpn == chosen

    def test_no_common_protocol(self, make_context: Contexts, server_context: ServerContexts) -> None:
        """Python's server then goes on without one; that is what the engine says."""
        with Pair(server_context(alpn=["other"]), make_context(alpn=(b"h2",))).handshake() as pair:
            assert pair.engine.alpn == b""

    def test_no_common_version(self, make_context: Contexts, server_context: ServerContexts) -> None:
        with Pair(server_context(maximum=V12), make_context(minimum_version=TLS1_3_VERSION)) as pair:
            with pytest.raises(TlsHandshakeError) as caught:
                pair.handshake()
                pair.engine.handshake()
            assert "protocol version" in str(caught.value)
            assert "localhost:443" in str(caught.value)
            assert "none of the versions" in str(caught.value)

    def test_no_common_cipher(self, make_context: Contexts, server_context: ServerContexts) -> None:
        server = server_context(maximum=V12)
        server.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384")
        with Pair(server, make_context(ciphers="ECDHE-ECDSA-AES128-GCM-SHA256")) as pair:
            with pytest.raises(TlsHandshakeError) as caught:
                pair.handshake()
                pair.engine.handshake()
            assert "alert 'handshake failure'" in str(caught.value)
            assert "cipher" in str(caught.value)

    @both_ways
    def test_a_server_that_speaks_no_tls(self, through_socket: bool, context: TlsContext) -> None:
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with Pair(server, context, through_socket=through_socket) as pair:
            assert not pair.engine.handshake()
            pair.feed(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            with pytest.raises(TlsHandshakeError, match="does not seem to speak TLS"):
                pair.engine.handshake()

    @both_ways
    def test_the_server_hangs_up(self, through_socket: bool, context: TlsContext) -> None:
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with Pair(server, context, through_socket=through_socket) as pair:
            assert not pair.engine.handshake()
            pair.eof()
            with pytest.raises(TlsHandshakeError, match="closed the connection") as caught:
                pair.engine.handshake()
            assert not isinstance(caught.value, TlsTransportError)
            assert pair.engine.truncated
            with pytest.raises(TlsHandshakeError):
                pair.engine.handshake()

    def test_the_first_cause_is_told_again(self, context: TlsContext) -> None:
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with Pair(server, context) as pair:
            pair.engine.handshake()
            pair.feed(b"x" * 100)
            for use in (pair.engine.handshake, pair.engine.handshake, pair.read, lambda: pair.engine.write(b"x")):
                with pytest.raises(TlsHandshakeError, match="does not seem to speak TLS"):
                    use()

    def test_no_data_before_its_end(self, context: TlsContext, server_context: ServerContexts) -> None:
        with Pair(server_context(), context) as pair:
            for use in (pair.read, lambda: pair.engine.write(b"x")):
                with pytest.raises(TlsError, match="before the handshake is finished"):
                    use()
            assert not pair.engine.has_pending()
            assert pair.engine.pending_output() == 0
            pair.engine.shutdown()
            assert pair.engine.pending_output() == 0
            pair.handshake()
            assert pair.engine.handshake()

    def test_a_protocol_that_was_not_offered(self, context: TlsContext, server_context: ServerContexts) -> None:
        """No real server does this; so the engine is made to forget what it offered."""
        with Pair(server_context(alpn=["h2"]), context, alpn=(b"h2",)) as pair:
            pair.engine._offered = (b"http/1.1",)
            with pytest.raises(TlsHandshakeError, match="not offered"):
                pair.handshake()
            with pytest.raises(TlsHandshakeError):
                pair.engine.write(b"x")

    @both_ways
    @pytest.mark.parametrize("drain_size", [100, 4096, 1 << 20])
    def test_a_large_handshake_is_sent_in_full(
        self,
        through_socket: bool,
        drain_size: int,
        certificates: Certificates,
        make_context: Contexts,
        server_context: ServerContexts,
    ) -> None:
        """The client's chain is larger than a TLS record; the server's as well."""
        identity = certificates.client_big_chain
        context = make_context(certificate=identity.certificate, private_key=identity.key)
        server = server_context(certificates.big_chain, client_ca=certificates.ca_file)
        with Pair(server, context, through_socket=through_socket, drain_size=drain_size).handshake() as pair:
            assert max(map(len, pair.flights)) > 16384
            assert pair.server.tls.getpeercert()
            pair.settle()

    def test_trickled_input(self, context: TlsContext, server_context: ServerContexts) -> None:
        with Pair(server_context(), context) as pair:
            for _ in range(4):
                pair.engine.handshake()
                pair.to_server()
                pair.server.handshake()
                for byte in pair.server.outgoing.read():
                    pair.feed(bytes((byte,)))
                    pair.engine.handshake()
            assert pair.engine.handshake()
            assert pair.server.connected


class TestClientCertificate:
    def test_given(self, certificates: Certificates, make_context: Contexts, server_context: ServerContexts) -> None:
        server = server_context(client_ca=certificates.ca_file)
        identity = certificates.client_encrypted
        context = make_context(
            certificate=identity.certificate_pem, private_key=identity.key_pem, password=identity.password
        )
        with Pair(server, context).handshake() as pair:
            certificate = pair.server.tls.getpeercert(binary_form=True)
            assert certificate is not None
            expected = x509.load_pem_x509_certificates(identity.certificate_pem)
            assert x509.load_der_x509_certificate(certificate) == expected[0]
            # The server knows the root only, so the intermediate has come along.
            assert len(expected) == 2

    def test_demanded_in_tls_1_2(
        self, certificates: Certificates, context: TlsContext, server_context: ServerContexts
    ) -> None:
        server = server_context(client_ca=certificates.ca_file, maximum=V12)
        with Pair(server, context) as pair, pytest.raises(TlsHandshakeError, match="client certificate"):
            pair.handshake()
            pair.engine.handshake()

    @both_ways
    def test_demanded_in_tls_1_3(
        self, through_socket: bool, certificates: Certificates, context: TlsContext, server_context: ServerContexts
    ) -> None:
        """The client has finished before the server looks; the refusal comes with the first read."""
        server = server_context(client_ca=certificates.ca_file)
        with Pair(server, context, through_socket=through_socket) as pair:
            with pytest.raises(TlsError, match="requires a client certificate"):
                pair.handshake()
                pair.read()
            with pytest.raises(TlsError, match="requires a client certificate"):
                pair.read()


class TestData:
    @both_ways
    @pytest.mark.parametrize("size", [1, 16384, 16385, 65535, 65536, 1_000_000])
    def test_all_sizes_are_written_whole(
        self, through_socket: bool, size: int, context: TlsContext, server_context: ServerContexts
    ) -> None:
        data = os.urandom(size)
        with Pair(server_context(), context, through_socket=through_socket).handshake() as pair:
            pair.engine.write(data)
            assert pair.engine.pending_output() > size
            pair.to_server()
            assert pair.engine.pending_output() == 0
            assert pair.server.received() == data
            # In pieces, because a socket takes only so much at once.
            received = b""
            for start in range(0, size, 50_000):
                pair.server.tls.write(data[start : start + 50_000])
                pair.to_client()
                received += pair.read_all()
            assert received == data

    def test_nothing_to_write(self, context: TlsContext, server_context: ServerContexts) -> None:
        with Pair(server_context(), context).handshake() as pair:
            pair.engine.write(b"")
            assert pair.engine.pending_output() == 0

    def test_pieces_larger_than_a_c_int(
        self, monkeypatch: pytest.MonkeyPatch, context: TlsContext, server_context: ServerContexts
    ) -> None:
        monkeypatch.setattr("openssl_api.engine._WRITE_LIMIT", 70_000)
        data = os.urandom(200_001)
        with Pair(server_context(), context).handshake() as pair:
            pair.engine.write(data)
            pair.to_server()
            assert pair.server.received() == data

    @both_ways
    def test_a_record_is_returned_in_pieces(
        self, through_socket: bool, context: TlsContext, server_context: ServerContexts
    ) -> None:
        with Pair(server_context(), context, through_socket=through_socket).handshake() as pair:
            pair.settle()
            assert not pair.engine.has_pending()
            pair.server.tls.write(b"abcdef")
            pair.server.tls.write(b"ghi")
            pair.to_client()
            block = pair.block
            seen = []
            while (count := pair.engine.read_into(block.address, 4)) > 0:
                seen.append((block.content(count), pair.engine.has_pending()))
            # Two records were read at once, and both were announced until they were taken.
            assert seen == [(b"abcd", True), (b"ef", True), (b"ghi", False)]

    def test_output_in_pieces(self, context: TlsContext, server_context: ServerContexts) -> None:
        with Pair(server_context(), context).handshake() as pair:
            pair.engine.write(b"x" * 1000)
            total = pair.engine.pending_output()
            block = Block(64)
            sizes = []
            while count := pair.engine.drain_into(block.address, block.size):
                sizes.append(count)
                pair.server.incoming.write(block.content(count))
            assert sum(sizes) == total
            assert set(sizes[:-1]) == {64}
            assert pair.server.received() == b"x" * 1000

    def test_the_output_buffer_shrinks_when_an_answer_comes(
        self, context: TlsContext, server_context: ServerContexts
    ) -> None:
        with Pair(server_context(), context).handshake() as pair:
            pair.settle()
            first = pair.engine._wbio.value
            pair.engine.write(b"x" * 200_000)
            pair.server.tls.write(b"early")
            pair.to_client()
            assert pair.read() == b"early"
            assert pair.engine._wbio.value == first, "it was not empty"
            pair.to_server()
            assert pair.server.received() == b"x" * 200_000
            pair.server.tls.write(b"answer")
            pair.to_client()
            assert pair.read() == b"answer"
            assert pair.engine._wbio.value != first
            pair.engine.write(b"again")
            pair.to_server()
            assert pair.server.received() == b"again"

    def test_feeding_is_for_memory_only(self, context: TlsContext, server_context: ServerContexts) -> None:
        with Pair(server_context(), context, through_socket=True).handshake() as pair:
            with pytest.raises(TlsError, match="descriptor"):
                pair.engine.feed(pair.block.address, 1)
            with pytest.raises(TlsError, match="descriptor"):
                pair.engine.feed_eof()

    @pytest.mark.parametrize("blocking", [False, True])
    def test_over_tcp(
        self, blocking: bool, scripted: ScriptedServers, context: TlsContext, server_context: ServerContexts
    ) -> None:
        data = os.urandom(300_000)

        def echo(connection: Connection) -> None:
            connection.send(connection.receive(len(data)))
            connection.finish()

        server = scripted(echo, tls=server_context())
        with Client(context, server.port, blocking=blocking).handshake() as client:
            client.write(data)
            assert client.receive(len(data)) == data
            assert client.read() == b""
            assert not client.engine.truncated
        server.wait_until_finished()

    def test_a_blocking_read_ends_with_the_time_limit_of_the_socket(
        self, scripted: ScriptedServers, context: TlsContext, server_context: ServerContexts
    ) -> None:
        import socket
        import struct

        server = scripted(lambda connection: connection.hold(), tls=server_context())
        with Client(context, server.port).handshake() as client:
            client.socket.setblocking(True)
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 20_000))
            # The session tickets are no data, so it may take several reads to run into the time limit.
            for _ in range(3):
                assert client.engine.read_into_blocking(client.block.address, client.block.size) == -1

    def test_a_blocking_read_lets_other_threads_run(
        self, scripted: ScriptedServers, context: TlsContext, server_context: ServerContexts
    ) -> None:
        go = threading.Event()

        def answer(connection: Connection) -> None:
            connection.wait(go)
            connection.send(b"answer")
            connection.finish()

        server = scripted(answer, tls=server_context())
        with Client(context, server.port, blocking=True).handshake() as client:
            # The server's thread can only see this, and answer, if it gets the GIL during the read.
            threading.Timer(0.05, go.set).start()
            assert client.read() == b"answer"


class TestEnd:
    @both_ways
    @both_versions
    def test_close_notify_from_the_server(
        self, through_socket: bool, maximum: ssl.TLSVersion, context: TlsContext, server_context: ServerContexts
    ) -> None:
        with Pair(server_context(maximum=maximum), context, through_socket=through_socket).handshake() as pair:
            pair.server.tls.write(b"last words")
            with pytest.raises(ssl.SSLWantReadError):
                pair.server.tls.unwrap()
            pair.to_client()
            pair.eof()
            assert pair.read() == b"last words"
            assert pair.read() == b""
            assert pair.read() == b""
            assert not pair.engine.truncated

    @both_ways
    @both_versions
    def test_truncation(
        self, through_socket: bool, maximum: ssl.TLSVersion, context: TlsContext, server_context: ServerContexts
    ) -> None:
        with Pair(server_context(maximum=maximum), context, through_socket=through_socket).handshake() as pair:
            pair.server.tls.write(b"last words")
            pair.to_client()
            pair.eof()
            assert pair.read() == b"last words"
            assert not pair.engine.truncated
            assert pair.read() == b""
            assert pair.engine.truncated
            assert pair.read() == b""

    @both_ways
    def test_truncation_in_a_record(
        self, through_socket: bool, context: TlsContext, server_context: ServerContexts
    ) -> None:
        with Pair(server_context(), context, through_socket=through_socket).handshake() as pair:
            pair.settle()
            pair.server.tls.write(b"last words")
            pair.feed(pair.server.outgoing.read()[:-1])
            assert pair.read() is None
            pair.eof()
            assert pair.read() == b""
            assert pair.engine.truncated

    def test_over_tcp(self, scripted: ScriptedServers, context: TlsContext, server_context: ServerContexts) -> None:
        def cut(connection: Connection) -> None:
            connection.receive(1)
            connection.send(b"partial")
            connection.close()

        server = scripted(cut, tls=server_context())
        with Client(context, server.port).handshake() as client:
            client.write(b"x")
            assert client.receive(7) == b"partial"
            assert client.read() == b""
            assert client.engine.truncated

    def test_reset(self, scripted: ScriptedServers, context: TlsContext, server_context: ServerContexts) -> None:
        go = threading.Event()

        def cut(connection: Connection) -> None:
            connection.wait(go)
            connection.reset()

        server = scripted(cut, tls=server_context())
        with Client(context, server.port).handshake() as client:
            go.set()
            server.wait_until_finished()
            with pytest.raises(TlsTransportError, match="reset") as caught:
                client.read()
            assert isinstance(caught.value, ConnectionError)
            assert caught.value.errno == 104
            with pytest.raises(TlsTransportError, match="reset"):
                client.read()

    @both_ways
    def test_close_notify_to_the_server(
        self, through_socket: bool, context: TlsContext, server_context: ServerContexts
    ) -> None:
        with Pair(server_context(), context, through_socket=through_socket).handshake() as pair:
            pair.engine.shutdown()
            pair.to_server()
            assert pair.server.tls.read(1) == b""
            pair.engine.shutdown()
            # TLS 1.3 lets each side end on its own: the server may still send.
            pair.server.tls.write(b"more")
            pair.to_client()
            assert pair.read_all() == b"more"
            with pytest.raises(TlsError, match="sending"):
                pair.engine.write(b"too late")

    @both_ways
    def test_garbage(self, through_socket: bool, context: TlsContext, server_context: ServerContexts) -> None:
        with Pair(server_context(), context, through_socket=through_socket).handshake() as pair:
            pair.server.tls.write(b"x" * 100)
            damaged = bytearray(pair.server.outgoing.read())
            damaged[-1] ^= 1
            pair.feed(bytes(damaged))
            with pytest.raises(TlsError, match=r"failed while receiving: .*bad record mac"):
                pair.read_all()
            assert not pair.engine.truncated
            pair.to_server()
            with pytest.raises(ssl.SSLError, match=r"(?i)bad.record.mac"):
                pair.server.tls.read(1)
            with pytest.raises(TlsError, match="bad record mac"):
                pair.read()
            with pytest.raises(TlsError):
                pair.engine.write(b"x")
            pair.engine.shutdown()

    @both_ways
    @both_versions
    def test_fatal_alerts_are_no_end(
        self, through_socket: bool, maximum: ssl.TLSVersion, context: TlsContext, server_context: ServerContexts
    ) -> None:
        """After a fatal alert OpenSSL would call a second read an end in order."""
        with Pair(server_context(maximum=maximum), context, through_socket=through_socket).handshake() as pair:
            pair.settle()
            pair.engine.write(b"x" * 100)
            damaged = bytearray(pair.block.content(pair.engine.drain_into(pair.block.address, pair.block.size)))
            damaged[-1] ^= 1
            pair.server.incoming.write(damaged)
            with pytest.raises(ssl.SSLError, match=r"(?i)bad.record.mac"):
                pair.server.tls.read(1)
            pair.to_client()
            for _ in range(3):
                with pytest.raises(TlsError, match="the peer sent the alert 'bad record mac'"):
                    pair.read()
            assert not pair.engine.truncated

    def test_use_after_close(self, context: TlsContext, server_context: ServerContexts) -> None:
        with Pair(server_context(), context).handshake() as pair:
            engine, block = pair.engine, pair.block
            engine.close()
            engine.close()
            engine.shutdown()
            for use in (
                engine.handshake,
                engine.has_pending,
                engine.peer_certificate,
                engine.feed_eof,
                lambda: engine.write(b"x"),
                lambda: engine.write(b""),
                lambda: engine.write(b"x" * 100_000),
                lambda: engine.feed(block.address, 1),
                lambda: engine.read_into(block.address, 1),
                lambda: engine.read_into_blocking(block.address, 1),
                lambda: engine.drain_into(block.address, 1),
                lambda: engine.version,
                lambda: engine.cipher,
                lambda: engine.session_reused,
            ):
                with pytest.raises(TlsClosedError, match="localhost:443 has been closed"):
                    use()
            assert engine.pending_output() == 0
            assert not engine.truncated

    def test_closing_without_finishing(self, context: TlsContext, server_context: ServerContexts) -> None:
        with Pair(server_context(), context) as pair:
            pair.engine.handshake()
            pair.engine.close()
            with pytest.raises(TlsClosedError):
                pair.engine.handshake()

    def test_a_connection_outlives_its_context(self, make_context: Contexts, server_context: ServerContexts) -> None:
        context = make_context()
        with Pair(server_context(), context) as pair:
            context.close()
            pair.handshake()
            pair.engine.write(b"hello")
            pair.to_server()
            assert pair.server.received() == b"hello"
        with pytest.raises(TlsClosedError):
            TlsEngine(context, "localhost", 443)

    def test_an_engine_that_could_not_be_made(self, context: TlsContext) -> None:
        with pytest.raises(TlsConfigurationError):
            TlsEngine(context, "", 443)
        with pytest.raises(TlsConfigurationError):
            TlsEngine(context, "localhost", 443, alpn=(b"",))
        with pytest.raises(TypeError):
            TlsEngine()  # type: ignore[call-arg]
        gc.collect()

    def test_a_failed_engine_is_freed_with_the_last_reference(self, context: TlsContext) -> None:
        class Engine(TlsEngine):
            __slots__ = ("__weakref__",)

        engine = Engine(context, "localhost", 443)
        reference = weakref.ref(engine)
        block = Block(100)
        engine.handshake()
        engine.feed(block.address, block.fill(b"x" * 100))
        with pytest.raises(TlsHandshakeError):
            engine.handshake()
        engine.close()
        del engine
        assert reference() is None


class TestErrorsOfOthers:
    """The error queue belongs to the thread, so what other code leaves there must not be taken for ours."""

    def leave_an_error(self) -> None:
        bio = BIO_new_mem_buf(b"garbage", 7)
        assert PEM_read_bio_X509(bio, None, TPemPasswordCallback(), b"") is None
        BIO_free(bio)
        assert ERR_peek_error()

    @both_ways
    def test_would_block(self, through_socket: bool, context: TlsContext, server_context: ServerContexts) -> None:
        with Pair(server_context(), context, through_socket=through_socket).handshake() as pair:
            pair.settle()
            self.leave_an_error()
            assert pair.read() is None
            assert not ERR_peek_error()
            assert not pair.engine.truncated

    @both_ways
    def test_data(self, through_socket: bool, context: TlsContext, server_context: ServerContexts) -> None:
        with Pair(server_context(), context, through_socket=through_socket).handshake() as pair:
            self.leave_an_error()
            pair.engine.write(b"question")
            pair.to_server()
            pair.server.tls.write(b"answer")
            pair.to_client()
            self.leave_an_error()
            assert pair.read_all() == b"answer"
            ERR_clear_error()

    @both_ways
    def test_end(self, through_socket: bool, context: TlsContext, server_context: ServerContexts) -> None:
        with Pair(server_context(), context, through_socket=through_socket).handshake() as pair:
            with pytest.raises(ssl.SSLWantReadError):
                pair.server.tls.unwrap()
            pair.to_client()
            self.leave_an_error()
            assert pair.read() == b""
            assert not pair.engine.truncated
            ERR_clear_error()

    @both_ways
    def test_truncation(self, through_socket: bool, context: TlsContext, server_context: ServerContexts) -> None:
        with Pair(server_context(), context, through_socket=through_socket).handshake() as pair:
            pair.settle()
            pair.eof()
            self.leave_an_error()
            if VERSION >= 0x30000000:
                assert pair.read() == b""
                assert pair.engine.truncated
            else:
                # 1.1.1 has no error of its own for this, so the other one is all there is to report.
                with pytest.raises(TlsError):
                    pair.read()

    @both_ways
    def test_a_real_error(self, through_socket: bool, context: TlsContext, server_context: ServerContexts) -> None:
        with Pair(server_context(), context, through_socket=through_socket).handshake() as pair:
            pair.settle()
            pair.feed(b"\x17\x03\x03\x00\x20" + b"x" * 32)
            self.leave_an_error()
            with pytest.raises(TlsError, match="bad record mac"):
                pair.read()

    def test_handshake(self, context: TlsContext, server_context: ServerContexts) -> None:
        with Pair(server_context(), context) as pair:
            for _ in range(3):
                self.leave_an_error()
                pair.engine.handshake()
                pair.to_server()
                pair.server.handshake()
                pair.to_client()
            assert pair.server.connected
            ERR_clear_error()


class TestCallbacks:
    """An exception cannot pass through C: it comes out of the call that led to it."""

    @both_versions
    def test_key_log(self, maximum: ssl.TLSVersion, make_context: Contexts, server_context: ServerContexts) -> None:
        lines: list[bytes] = []
        with Pair(server_context(maximum=maximum), make_context(keylog=lines.append)).handshake():
            words = {line.split()[0] for line in lines}
            if maximum == V12:
                assert words == {b"CLIENT_RANDOM"}
            else:
                assert {b"CLIENT_HANDSHAKE_TRAFFIC_SECRET", b"SERVER_TRAFFIC_SECRET_0"} <= words

    @pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt(), SystemExit(3)])
    def test_an_exception(self, error: BaseException, make_context: Contexts, server_context: ServerContexts) -> None:
        def fail(line: bytes) -> None:
            raise error

        context = make_context(keylog=fail)
        with Pair(server_context(), context) as pair:
            with pytest.raises(type(error)) as caught:
                pair.handshake()
            assert caught.value is error
        assert context.keylog is not None
        assert not context.keylog._struck

    @pytest.mark.parametrize("early", [0, 1, 2, 3, 4, 5])
    def test_at_the_entry_of_a_callback(
        self, early: int, make_context: Contexts, server_context: ServerContexts
    ) -> None:
        """A signal handler runs where Python enters the callback, before anything there could catch what it raises."""
        calls = 0
        struck: list[str] = []

        def trace(frame: FrameType, event: str, argument: object) -> None:
            # As a signal handler does: raises in the first moment of the function.
            nonlocal calls
            if event == "call" and frame.f_code.co_name == "on_line":
                calls += 1
                if calls == early + 1:
                    struck.append(frame.f_code.co_name)
                    raise KeyboardInterrupt

        with Pair(server_context(), make_context(keylog=lambda line: None)) as pair:
            sys.settrace(trace)
            try:
                pair.handshake()
            except KeyboardInterrupt:
                assert struck
            else:
                assert not struck
            finally:
                sys.settrace(None)
            assert bool(struck) is (early < 5)

    def test_while_a_session_is_remembered(
        self, monkeypatch: pytest.MonkeyPatch, context: TlsContext, server_context: ServerContexts
    ) -> None:
        """Session tickets arrive with the data; a signal handler may raise just then."""

        def interrupt(*arguments: object) -> None:
            raise KeyboardInterrupt

        with Pair(server_context(), context) as pair:
            pair.handshake()
            pair.server.tls.write(b"lost")
            pair.to_client()
            monkeypatch.setattr("openssl_api._negotiated.Session", interrupt)
            with pytest.raises(KeyboardInterrupt):
                pair.read()
            monkeypatch.undo()
            pair.server.tls.write(b"the connection is still good")
            pair.to_client()
            assert pair.read() == b"the connection is still good"


class TestThreads:
    def test_one_context_in_many_threads(
        self, context: TlsContext, certificates: Certificates, server_context: ServerContexts
    ) -> None:
        assert certificates.server
        problems: list[BaseException] = []

        def work() -> None:
            try:
                for number in range(10):
                    with Pair(server_context(), context).handshake() as pair:
                        data = b"%d" % number * 1000
                        pair.engine.write(data)
                        pair.to_server()
                        assert pair.server.received() == data
                        pair.settle()
                        pair.engine.shutdown()
            except BaseException as error:
                problems.append(error)

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert problems == []

    def test_closing_the_context_meanwhile(self, make_context: Contexts) -> None:
        context = make_context()
        started = threading.Barrier(5)
        problems: list[BaseException] = []

        def work() -> None:
            started.wait()
            try:
                while True:
                    TlsEngine(context, "localhost", 443).close()
            except TlsClosedError:
                pass
            except BaseException as error:
                problems.append(error)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        started.wait()
        context.close()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()
        assert problems == []


class _MallocInfo(ctypes.Structure):
    """``struct mallinfo2`` of <malloc.h>."""

    _fields_ = (("before", ctypes.c_size_t * 7), ("uordblks", ctypes.c_size_t), ("behind", ctypes.c_size_t * 2))


def test_an_idle_connection_keeps_no_buffers(context: TlsContext, server_context: ServerContexts) -> None:
    """Of the size of a record: tickets have OpenSSL make one, which it would keep."""
    info = ctypes.CDLL(None).mallinfo2
    info.restype = _MallocInfo
    with Pair(server_context(), context).handshake() as pair:
        pair.server.tls.write(b"an answer, behind two tickets")
        pair.to_client()
        assert pair.read() == b"an answer, behind two tickets"
        assert pair.engine.version == "TLSv1.3"
        gc.collect()  # or it comes in between, and frees what has nothing to do with this
        before = info().uordblks
        assert SSL_free_buffers(pair.engine._open_handle()) == 1
        assert before - info().uordblks < 4096
        # And it makes new ones when it needs them.
        pair.engine.write(b"x" * 50_000)
        pair.to_server()
        assert pair.server.received() == b"x" * 50_000


def test_stand_in_for_closed_handles_is_refused_by_ctypes() -> None:
    """All safety of closed engines rests on this: no null pointer ever reaches OpenSSL."""
    from openssl_api import engine

    for function in (engine._SSL_read, engine._SSL_write, engine._SSL_has_pending, engine._BIO_read, engine._BIO_write):
        with pytest.raises(ctypes.ArgumentError):
            function(NONE, b"", 0)
    with pytest.raises(ctypes.ArgumentError):
        BIO_ctrl_pending(NONE)


@pytest.mark.parametrize("size", [1, 100, 16384])
@pytest.mark.parametrize("through_socket", [False, True])
def test_buffers_in_use_are_not_freed(
    size: int, through_socket: bool, context: TlsContext, server_context: ServerContexts
) -> None:
    """The first data is read in pieces of any size, and comes in pieces of any size (CVE-2024-4741)."""
    data = os.urandom(40_000)
    with Pair(server_context(), context, through_socket=through_socket).handshake() as pair:
        pair.server.tls.write(data)
        arrived = b""
        ciphertext = pair.server.outgoing.read()
        for start in range(0, len(ciphertext), 4099):
            pair.feed(ciphertext[start : start + 4099])
            while (count := pair.engine.read_into(pair.block.address, size)) > 0:
                arrived += pair.block.content(count)
            assert count == -1
        assert arrived == data


def test_a_handshake_in_single_bytes(context: TlsContext, server_context: ServerContexts) -> None:
    with Pair(server_context(), context) as pair:
        done = False
        while not done:
            done = pair.engine.handshake()
            pair.to_server()
            pair.server.handshake()
            for byte in pair.server.outgoing.read():
                pair.feed(bytes((byte,)))
                done = done or pair.engine.handshake()
        pair.to_server()
        pair.server.handshake()
        assert pair.server.connected
