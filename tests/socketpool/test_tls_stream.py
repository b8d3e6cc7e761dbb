"""A connected socket with TLS: the same bytes come out, whatever the records; and every end is told apart."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from linuxapi import POLLIN
from openssl_api import TlsCertificateError, TlsContext, TlsError, TlsHandshakeError, TlsTransportError
from socketpool import ConnectionTimeoutError, MemoryBlock, TransferTimeoutError
from socketpool.constants import READ_BLOCK_SIZE
from socketpool.tls_stream import TlsStream
from tests.certificates import PASSWORD, Certificates
from tests.linuxapi.waits import alarms, nothing
from tests.servers.scripted import Connection, ScriptedServer, expect, reset, script, send, tls_context, wait

from .conftest import Contexts
from .events import LIMIT
from .peers import Sink, connect_tls, digest, echo, random_bytes, read_all, receive_the_end

if TYPE_CHECKING:
    from tests.conftest import ScriptedServers

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
LARGE = 24 * 1024 * 1024

Connect = Callable[[ScriptedServer], TlsStream]


@pytest.fixture(params=VERSIONS, ids=["TLS 1.2", "TLS 1.3"])
def server_tls(request: pytest.FixtureRequest, certificates: Certificates) -> ssl.SSLContext:
    return tls_context(certificates.server, maximum=request.param)


@pytest.fixture
def connect(context: TlsContext) -> Iterator[Connect]:
    """Connects to a server and does the handshake."""
    streams: list[TlsStream] = []

    def make(server: ScriptedServer) -> TlsStream:
        stream = connect_tls(server, context)
        streams.append(stream)
        stream.handshake(time.monotonic() + LIMIT)
        return stream

    yield make
    for stream in streams:
        stream.close()


@pytest.fixture
def block() -> MemoryBlock:
    return MemoryBlock(READ_BLOCK_SIZE)


def test_what_one_side_sends_the_other_receives(
    scripted: ScriptedServers, server_tls: ssl.SSLContext, connect: Connect, block: MemoryBlock
) -> None:
    with scripted(echo, tls=server_tls) as server:
        stream = connect(server)
        assert stream.engine.version == str(server_tls.maximum_version.name).replace("_", ".")
        for message in (b"x", b"hello" * 1000, b"\0" * 16384):
            assert stream.send(message) is True
            received = b""
            while len(received) < len(message):
                received += bytes(block.view[: stream.receive(block, LIMIT)])
            assert received == message
        assert stream.send(b"") is True
        assert stream.receive_now(block) == -1


def test_large_data_both_ways(
    scripted: ScriptedServers, server_tls: ssl.SSLContext, connect: Connect, block: MemoryBlock
) -> None:
    """More than the kernel's buffers hold, in one piece, there and back at the same time."""
    data = random_bytes(LARGE)
    with scripted(echo, tls=server_tls) as server:
        stream = connect(server)
        assert stream.send(data) is False
        received = bytearray()
        while len(received) < len(data):
            stream.flush()
            stream.wait(POLLIN, LIMIT)
            while (count := stream.receive_now(block)) > 0:
                received += block.view[:count]
        assert stream.backlog_size == 0
        assert digest(received) == digest(data)


def test_what_the_peer_does_not_take_is_queued(
    scripted: ScriptedServers, server_tls: ssl.SSLContext, connect: Connect
) -> None:
    data = random_bytes(LARGE)
    sink = Sink()
    with scripted(sink, tls=server_tls) as server:
        stream = connect(server)
        size = 0
        while size < len(data):
            stream.send(data[size : size + 300_000])
            size += 300_000
        assert 0 < stream.backlog_size <= stream.queued
        sink.read.set()
        stream.send_all(b"", LIMIT)
        # The session tickets of TLS 1.3 are still to be read: closing now would reset the connection.
        read = MemoryBlock(16384)
        while not stream.finish():
            stream.receive_now(read)
        stream.close()
        assert sink.wait() == digest(data)
        assert server.connections[0].close_notify


def test_many_records_in_one_segment_are_all_returned(
    scripted: ScriptedServers, server_tls: ssl.SSLContext, connect: Connect
) -> None:
    """What OpenSSL has read ahead, no poll announces: the stream says that it is there."""
    data = random_bytes(60_000)
    with scripted(script(expect(b"go"), send(data)), tls=server_tls) as server:
        stream = connect(server)
        assert not stream.has_buffered_input
        stream.send(b"go")
        small = MemoryBlock(1000)
        received = bytearray(small.view[: stream.receive(small, LIMIT)])
        while stream.has_buffered_input or stream.wait(POLLIN, LIMIT):
            count = stream.receive_now(small)
            if count == 0:
                break
            received += small.view[: max(count, 0)]
        assert received == data


def test_one_call_returns_as_many_records_as_have_room(
    scripted: ScriptedServers, server_tls: ssl.SSLContext, connect: Connect, block: MemoryBlock
) -> None:
    data = random_bytes(48 * 1024)
    with scripted(script(send(data)), tls=server_tls) as server:
        stream = connect(server)
        received, most = bytearray(), 0
        while len(received) < len(data):
            stream.wait(POLLIN, LIMIT)
            count = stream.receive_now(block)
            most = max(most, count)
            received += block.view[: max(count, 0)]
        assert received == data
        assert most > 16384


def test_receiving_ends_when_the_time_is_up(
    scripted: ScriptedServers,
    server_tls: ssl.SSLContext,
    connect: Connect,
    block: MemoryBlock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The limit counts from the call on, although session tickets arrive and the kernel's own limit passes first."""
    limits = []
    wait = TlsStream.wait

    def watched(stream: TlsStream, events: int, timeout: float) -> int:
        limits.append(timeout)
        return wait(stream, events, timeout)

    with scripted(echo, tls=server_tls) as server:
        stream = connect(server)
        monkeypatch.setattr(TlsStream, "wait", watched)
        for _ in range(2):
            with pytest.raises(TransferTimeoutError, match=r"nothing was received for 0\.2 s"):
                stream.receive(block, 0.2)
        assert max(limits) < 0.15
        stream.send(b"and it can be used after that")
        assert stream.receive(block, LIMIT) == 29


def test_signals_do_not_end_a_wait(
    scripted: ScriptedServers, server_tls: ssl.SSLContext, connect: Connect, block: MemoryBlock
) -> None:
    with scripted(echo, tls=server_tls) as server:
        stream = connect(server)
        with alarms(nothing), pytest.raises(TransferTimeoutError):
            stream.receive(block, 0.1)
        timer = threading.Timer(0.05, lambda: server.connections[0].send(b"late"))
        timer.start()
        with alarms(nothing):
            assert stream.receive(block, LIMIT) == 4
        timer.join()


def test_an_orderly_end_is_told_from_a_truncated_one(
    scripted: ScriptedServers, server_tls: ssl.SSLContext, connect: Connect, block: MemoryBlock
) -> None:
    """A peer that closes without close_notify may be an attacker who cut the stream short (RFC 8446 section 6.1)."""

    def finish(connection: Connection) -> None:
        connection.send(b"data")
        connection.finish()

    def truncate(connection: Connection) -> None:
        connection.send(b"data")
        connection.close()

    with scripted([finish, truncate], tls=server_tls) as server:
        for truncated in (False, True):
            stream = connect(server)
            received = bytearray()
            read_all(stream, block, received.extend)
            assert received == b"data"
            assert stream.truncated is truncated
            assert stream.receive_now(block) == 0
            assert stream.truncated is truncated
            stream.close()


def test_data_before_a_broken_record_counts(
    scripted: ScriptedServers, server_tls: ssl.SSLContext, connect: Connect, block: MemoryBlock
) -> None:
    """A fatal read error is an error, not silence; what was received before it is not lost."""

    def handler(connection: Connection) -> None:
        connection.receive(2)
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)  # both in one segment
        connection.send(b"good")
        connection.socket.sendall(b"\x17\x03\x03\x00\x20" + b"bad" * 20)
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
        connection.hold()

    with scripted(handler, tls=server_tls, aborts=True) as server:
        stream = connect(server)
        stream.send(b"go")
        received = b""
        with pytest.raises(TlsError, match="receiving"):
            while count := stream.receive(block, LIMIT):
                received += bytes(block.view[:count])
        assert received == b"good"
        with pytest.raises(TlsError, match="receiving"):
            stream.receive_now(block)


def test_an_idle_connection_is_quiet_in_spite_of_session_tickets(
    scripted: ScriptedServers, server_tls: ssl.SSLContext, connect: Connect, block: MemoryBlock
) -> None:
    say, end = threading.Event(), threading.Event()

    def handler(connection: Connection) -> None:
        connection.send(connection.receive(4))
        connection.wait(say)
        connection.send(b"unasked")
        connection.wait(end)

    with scripted(handler, tls=server_tls) as server:
        stream = connect(server)
        stream.send(b"ping")
        assert stream.receive(block, LIMIT) == 4
        assert stream.is_quiet()
        assert stream.is_quiet()
        say.set()
        assert stream.wait(POLLIN, LIMIT)
        assert not stream.is_quiet()
        end.set()
        server.wait_for_connections(1)
        assert stream.wait(POLLIN, LIMIT)
        assert not stream.is_quiet()


def test_a_certificate_that_is_not_accepted_fails_at_once_and_says_why(
    scripted: ScriptedServers, certificates: Certificates, context: TlsContext
) -> None:
    with scripted(echo, tls=tls_context(certificates.wrong_host), handshakes_fail=True) as server:
        stream = connect_tls(server, context)
        with pytest.raises(TlsCertificateError, match=r"localhost.*DNS:wrong\.example"):
            stream.handshake(time.monotonic() + LIMIT)
        stream.close()
        server.wait_until_finished()
        # The peer was told by an alert, not just cut off.
        assert "alert" in str(server.connections[0].handshake_error).lower()


def test_the_handshake_has_a_time_limit(scripted: ScriptedServers, context: TlsContext) -> None:
    with scripted(Connection.hold) as server:
        stream = connect_tls(server, context)
        with pytest.raises(ConnectionTimeoutError, match=rf"handshake with .*:{server.port} was not finished"):
            stream.handshake(time.monotonic() + 0.02)
        stream.close()


@pytest.mark.parametrize("end", [Connection.close, Connection.reset])
def test_a_peer_that_leaves_in_the_handshake(
    scripted: ScriptedServers, context: TlsContext, end: Callable[[Connection], None]
) -> None:
    with scripted(script(lambda connection: connection.receive(5), end)) as server:
        stream = connect_tls(server, context)
        with pytest.raises(TlsError, match="handshake") as caught:
            stream.handshake(time.monotonic() + LIMIT)
        assert isinstance(caught.value, TlsHandshakeError | ConnectionError)
        stream.close()


def test_a_peer_that_does_not_speak_tls(scripted: ScriptedServers, context: TlsContext) -> None:
    with scripted(script(send(b"220 mail.example ESMTP\r\n")), aborts=True) as server:
        stream = connect_tls(server, context)
        with pytest.raises(TlsHandshakeError, match="does not seem to speak TLS"):
            stream.handshake(time.monotonic() + LIMIT)
        stream.close()


@pytest.mark.parametrize("version", VERSIONS)
def test_handshakes_larger_than_a_block_are_sent_and_read_completely(
    scripted: ScriptedServers,
    certificates: Certificates,
    make_context: Contexts,
    version: ssl.TLSVersion,
    block: MemoryBlock,
) -> None:
    """Chains of more than one record both ways; the original sent 4096 bytes of the client's."""
    identity = certificates.client_big_chain
    context = make_context(certificate=identity.certificate, private_key=identity.key)
    server_side = tls_context(certificates.big_chain, client_ca=certificates.ca_file, maximum=version)
    # Most of the client's handshake has to wait in the backlog, also after the last step of TLS 1.3.
    with scripted(echo, tls=server_side, receive_buffer=2048) as server:
        stream = connect_tls(server, context, send_buffer=1)
        stream.handshake(time.monotonic() + LIMIT)
        assert stream.backlog_size == 0
        stream.send(b"through")
        assert stream.receive(block, LIMIT) == 7
        stream.close()


def test_a_client_certificate_with_an_encrypted_key(
    scripted: ScriptedServers, certificates: Certificates, make_context: Contexts, block: MemoryBlock
) -> None:
    identity = certificates.client_encrypted
    with scripted(echo, tls=tls_context(certificates.server, client_ca=certificates.ca_file)) as server:
        stream = connect_tls(
            server,
            make_context(certificate=identity.certificate_pem, private_key=identity.key_pem, password=PASSWORD),
        )
        stream.handshake(time.monotonic() + LIMIT)
        stream.send(b"known")
        assert stream.receive(block, LIMIT) == 5
        assert server.connections[0].tls is not None
        assert server.connections[0].tls.tls.getpeercert()
        stream.close()


def test_a_second_connection_resumes_the_session(
    scripted: ScriptedServers, server_tls: ssl.SSLContext, connect: Connect, block: MemoryBlock
) -> None:
    with scripted(echo, tls=server_tls) as server:
        reused = []
        for _ in range(3):
            stream = connect(server)
            stream.send(b"ping")
            assert stream.receive(block, LIMIT) == 4
            reused.append(stream.engine.session_reused)
            stream.say_goodbye()
            stream.close()
        assert reused == [False, True, True]


def test_a_block_of_exactly_one_record(scripted: ScriptedServers, server_tls: ssl.SSLContext, connect: Connect) -> None:
    data = random_bytes(100_000)
    with scripted(script(expect(b"go"), send(data)), tls=server_tls) as server:
        stream = connect(server)
        stream.send(b"go")
        received = bytearray()
        read_all(stream, MemoryBlock(16384), received.extend)
        assert received == data
        assert not stream.truncated


@pytest.mark.parametrize("size", [1 << 20, 128 * 1024, 16384], ids=lambda size: f"{size >> 10} KiB")
def test_what_follows_a_large_body_is_waited_for(
    scripted: ScriptedServers, server_tls: ssl.SSLContext, connect: Connect, size: int
) -> None:
    """In the middle of a large body more is read at once; what comes after it is received as ever."""
    data = random_bytes(3 << 20)
    block = MemoryBlock(size)
    talk = script(send(data), expect(b"1"), send(b"small"), expect(b"2"), send(data), expect(b"3"))
    with scripted(talk, tls=server_tls) as server:
        stream = connect(server)
        for word, wanted in ((b"1", data), (b"2", b"small"), (b"3", data)):
            received = bytearray()
            while len(received) < len(wanted):
                received += block.view[: stream.receive(block, LIMIT)]
            assert received == wanted
            assert stream.is_quiet()
            assert not stream.has_buffered_input
            with pytest.raises(TransferTimeoutError):
                stream.receive(block, 0.05)
            stream.send(word)
        assert stream.receive(block, LIMIT) == 0


@pytest.mark.parametrize("waiting", [True, False], ids=["waiting", "not waiting"])
def test_a_large_body_that_ends_in_a_reset(
    scripted: ScriptedServers, server_tls: ssl.SSLContext, connect: Connect, block: MemoryBlock, *, waiting: bool
) -> None:
    """What came before counts, and the error says what happened, however often it is asked for."""
    data = random_bytes(3 << 20)
    read = threading.Event()
    with scripted(script(send(data), wait(read), reset()), tls=server_tls) as server:
        stream = connect(server)
        received = bytearray()
        with pytest.raises(TlsTransportError, match="receiving: Connection reset by peer"):
            while True:
                if len(received) == len(data):
                    read.set()
                if not waiting:
                    stream.wait(POLLIN, LIMIT)
                count = stream.receive(block, LIMIT) if waiting else stream.receive_now(block)
                assert count
                received += block.view[: max(0, count)]
        assert received == data
        with pytest.raises(TlsTransportError, match="Connection reset by peer"):
            stream.receive_now(block)


@pytest.mark.parametrize("waiting", [True, False], ids=["waiting", "not waiting"])
def test_an_end_without_an_end_of_the_socket_behind_a_large_body(
    scripted: ScriptedServers, server_tls: ssl.SSLContext, connect: Connect, block: MemoryBlock, *, waiting: bool
) -> None:
    """No poll announces it once it has been read."""
    data = random_bytes(3 << 20)

    def handler(connection: Connection) -> None:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        connection.send(data)
        assert connection.tls
        connection.tls.end()
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
        connection.hold()

    with scripted(handler, tls=server_tls) as server:
        stream = connect(server)
        received = bytearray()
        while True:
            if waiting:
                count = stream.receive(block, LIMIT)
            else:
                assert stream.has_buffered_input or stream.wait(POLLIN, LIMIT)
                count = stream.receive_now(block)
            if not count:
                break
            received += block.view[: max(0, count)]
        assert received == data
        assert not stream.truncated


def test_a_part_of_a_record_after_a_large_body(
    scripted: ScriptedServers, server_tls: ssl.SSLContext, connect: Connect
) -> None:
    """It isn't data yet, and epoll announces the rest; whoever asks whether the connection is quiet hears of it."""
    data = random_bytes(200_000)
    block = MemoryBlock(256 * 1024)

    def handler(connection: Connection) -> None:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)  # the part comes with the last record
        connection.send(data)
        connection.socket.sendall(b"\x17\x03\x03\x40\x00" + bytes(100))
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
        connection.hold()

    with scripted(handler, tls=server_tls, aborts=True) as server:
        stream = connect(server)
        received = bytearray()
        while len(received) < len(data):
            received += block.view[: stream.receive(block, LIMIT)]
        assert received == data
        while stream.receive_now(block) >= 0 or stream.wait(POLLIN, 0.05):
            pass
        assert not stream.has_buffered_input
        assert not stream.is_quiet()
        with pytest.raises(TransferTimeoutError):
            stream.receive(block, 0.05)


def test_shutting_down_wakes_another_thread(
    scripted: ScriptedServers, server_tls: ssl.SSLContext, connect: Connect
) -> None:
    with scripted(echo, tls=server_tls, aborts=True) as server:
        stream = connect(server)
        timer = threading.Timer(0.02, stream.shutdown)
        timer.start()
        receive_the_end(stream)
        timer.join()
