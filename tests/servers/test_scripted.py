"""The server driven by hand does exactly what the handler says, and reports exactly what happened."""

from __future__ import annotations

import select
import socket
import ssl
import struct
import threading
import time
from typing import TYPE_CHECKING

import pytest

from . import leaks, sockets
from ._clients import TIMEOUT, connect, trusting
from .scripted import (
    Connection,
    PeerClosed,
    ScriptedServer,
    answer,
    close,
    expect,
    finish,
    hold,
    reset,
    script,
    send,
    tls_context,
    trickle,
    wait,
)

if TYPE_CHECKING:
    from tests.certificates import Certificates
    from tests.conftest import ScriptedServers

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.fixture(params=["tcp", "tls"])
def tls(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "tls")


@pytest.fixture
def client_tls(tls: bool, certificates: Certificates) -> ssl.SSLContext | None:
    return trusting(certificates) if tls else None


@pytest.fixture
def server_tls(tls: bool, certificates: Certificates) -> ssl.SSLContext | None:
    return tls_context(certificates.server) if tls else None


def read_all(client: socket.socket) -> bytes:
    received = b""
    while data := client.recv(1 << 16):
        received += data
    return received


def test_a_handler_receives_and_sends(server_tls: ssl.SSLContext | None, client_tls: ssl.SSLContext | None) -> None:
    def handler(connection: Connection) -> None:
        assert connection.receive_until(b"\r\n") == b"one\r\n"
        assert connection.receive(3) == b"two"
        assert connection.receive_some()
        connection.send(b"answer")

    with ScriptedServer(handler, tls=server_tls) as server, connect(server.port, client_tls) as client:
        client.sendall(b"one\r\ntwothree")
        assert read_all(client) == b"answer"
        client.sendall(b" and more")
        client.close()
        server.wait_until_finished()
        (connection,) = server.connections
        assert connection.received == b"one\r\ntwothree" + b" and more"
        assert connection.sent == 6


def test_everything_is_recorded_after_the_handler_too() -> None:
    with ScriptedServer(expect(b"1")) as server, connect(server.port) as client:
        client.sendall(b"123")
        assert client.recv(1) == b""
        client.sendall(b"456")
        client.close()
        server.wait_until_finished()
        assert server.connections[0].received == b"123456"


def test_a_script_does_its_steps_in_order() -> None:
    event = threading.Event()
    steps = script(expect(b"\n"), send(b"a"), wait(event), trickle(b"bcd"), finish())
    with ScriptedServer(steps) as server, connect(server.port) as client:
        assert not select.select([client], [], [], 0.05)[0]
        client.sendall(b"go\n")
        assert client.recv(10) == b"a"
        assert not select.select([client], [], [], 0.05)[0]
        event.set()
        assert read_all(client) == b"bcd"
        assert server.connections[0].sent == 4


def test_a_trickle_arrives_in_single_bytes() -> None:
    with ScriptedServer(lambda connection: connection.trickle(b"abcdef", 0.01)) as server:
        with connect(server.port) as client:
            pieces = []
            while data := client.recv(100):
                pieces.append(data)
        assert b"".join(pieces) == b"abcdef"
        assert len(pieces) > 1


def test_an_answer_answers_every_request() -> None:
    with ScriptedServer(answer(b"body", "201 Created", [("X", "y")])) as server, connect(server.port) as client:
        for _ in range(2):
            client.sendall(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi")
            assert client.recv(1000) == b"HTTP/1.1 201 Created\r\nContent-Length: 4\r\nX: y\r\n\r\nbody"
        assert server.accepted == 1


def test_a_reset_between_requests_is_an_end() -> None:
    with ScriptedServer(answer()) as server:
        with connect(server.port) as client:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert client.recv(1000)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        server.wait_until_finished()


def test_requests_are_taken_apart() -> None:
    requests = []

    def handler(connection: Connection) -> None:
        while request := connection.receive_request():
            requests.append(request)
            connection.respond()

    head = b"POST /a?b HTTP/1.1\r\nHost: x\r\nX: 1\r\nx:  2 \r\n"
    chunked = b"Transfer-Encoding: chunked\r\n\r\n3;ext=1\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n"
    with ScriptedServer(handler) as server, connect(server.port) as client:
        client.sendall(head + b"\r\n" + head + b"Content-Length: 4\r\n\r\nbody" + head + chunked)
        client.shutdown(socket.SHUT_WR)
        assert read_all(client).count(b"200 OK") == 3
    assert [request.body for request in requests] == [b"", b"body", b"abc0123456789"]
    assert requests[0].raw == head + b"\r\n"
    assert (requests[0].method, requests[0].target, requests[0].version) == ("POST", "/a?b", "HTTP/1.1")
    assert requests[0].fields == [("Host", "x"), ("X", "1"), ("x", "2")]
    assert requests[0].value("HOST") == "x"
    assert requests[0].value("missing") is None
    assert requests[0].values("x") == ["1", "2"]
    with pytest.raises(AssertionError, match="x was sent 2 times"):
        requests[0].value("x")


def test_a_reset_is_a_reset() -> None:
    with ScriptedServer(script(expect(b"go"), send(b"x"), reset())) as server, connect(server.port) as client:
        client.sendall(b"go")
        server.wait_until_finished()
        with pytest.raises(ConnectionResetError):
            read_all(client)


def test_finishing_is_an_end_and_not_a_reset(
    server_tls: ssl.SSLContext | None, client_tls: ssl.SSLContext | None
) -> None:
    body = b"x" * 1_000_000
    with ScriptedServer(script(send(body), finish()), tls=server_tls) as server:
        with connect(server.port, client_tls) as client:
            # Unread data at the moment of closing is what would make the kernel send a reset.
            client.sendall(b"never read by the handler" * 100)
            assert read_all(client) == body
        server.wait_until_finished()
        assert server.connections[0].received == b"never read by the handler" * 100


def test_closing_tls_truncates_it(certificates: Certificates) -> None:
    with (
        ScriptedServer(script(send(b"part"), close()), tls=tls_context(certificates.server)) as server,
        connect(server.port, trusting(certificates)) as client,
    ):
        assert client.recv(4) == b"part"
        with pytest.raises(ssl.SSLError, match="EOF"):
            client.recv(1)


def test_holding_never_answers_and_ends_with_either_side() -> None:
    with ScriptedServer(hold()) as server:
        with connect(server.port) as client:
            client.sendall(b"hello?")
            assert not select.select([client], [], [], 0.05)[0]
        server.wait_until_finished()
        assert server.connections[0].received == b"hello?"
        client = socket.create_connection(("127.0.0.1", server.port), TIMEOUT)
        server.wait_for_connections(2)
    # The block has ended although the client is still there.
    with client:
        assert client.recv(1) == b""


def test_a_client_that_sends_feels_a_handler_that_does_not_read() -> None:
    event = threading.Event()
    with ScriptedServer(script(wait(event), hold()), receive_buffer=4096) as server, connect(server.port) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        client.settimeout(0.1)
        with pytest.raises(TimeoutError):
            client.sendall(bytes(1_000_000))
        event.set()


def test_one_handler_for_each_connection() -> None:
    with ScriptedServer([send(b"first"), send(b"second")]) as server:
        for expected in (b"first", b"second"):
            with connect(server.port) as client:
                assert read_all(client) == expected
        assert server.accepted == 2
        assert [connection.address[0] for connection in server.connections] == ["127.0.0.1"] * 2


def test_a_connection_too_many_is_an_error() -> None:
    def use() -> None:
        with ScriptedServer([send(b"only")]) as server:
            for _ in range(2):
                with connect(server.port) as client:
                    read_all(client)
            server.wait_until_finished(2)

    with pytest.raises(AssertionError, match="connection 2, where 1 were expected"):
        use()


# Errors


def fail(connection: Connection) -> None:
    assert connection.receive_some() == b"right", "what the handler checked"


def test_an_error_in_a_handler_is_raised_in_the_test() -> None:
    def use() -> None:
        with ScriptedServer(fail) as server, connect(server.port) as client:
            client.sendall(b"wrong")
            assert read_all(client) == b""

    with pytest.raises(AssertionError, match="what the handler checked"):
        use()


def test_several_errors_are_raised_together() -> None:
    def use() -> None:
        with ScriptedServer(fail) as server:
            for _ in range(2):
                with connect(server.port) as client:
                    client.sendall(b"wrong")
                    assert read_all(client) == b""

    with pytest.raises(BaseExceptionGroup) as caught:
        use()
    assert len(caught.value.exceptions) == 2


def test_an_error_in_a_handler_is_noted_on_the_error_of_the_test() -> None:
    def use() -> None:
        with ScriptedServer(fail) as server, connect(server.port) as client:
            client.sendall(b"wrong")
            read_all(client)
            raise KeyError("the test's own")

    with pytest.raises(KeyError) as caught:
        use()
    assert "what the handler checked" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("step", "message"),
    [(expect(b"\n"), "wanted b'\\\\n', got b'ab'"), (lambda connection: connection.receive(3), "wanted 3 bytes")],
)
def test_a_client_that_closes_too_early_is_an_error(step: object, message: str) -> None:
    def use() -> None:
        with ScriptedServer(step) as server, connect(server.port) as client:  # type: ignore[arg-type]
            client.sendall(b"ab")
            client.close()
            server.wait_until_finished()

    with pytest.raises(PeerClosed, match=message):
        use()


@pytest.mark.parametrize("step", [expect(b"\n"), script(expect(b"\n"), send(bytes(10_000_000)))])
def test_a_client_that_aborts_may_be_what_the_test_wants(step: object) -> None:
    with ScriptedServer(step, aborts=True) as server:  # type: ignore[arg-type]
        for data in (b"", b"\n"):
            with connect(server.port) as client:
                client.sendall(data)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        server.wait_until_finished(2)
    assert server.errors == []


def test_an_event_that_is_never_set_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.servers.connection.LIMIT", 0.05)

    def use() -> None:
        with ScriptedServer(wait(threading.Event())) as server, connect(server.port) as client:
            read_all(client)

    with pytest.raises(TimeoutError, match="the event was not set"):
        use()


def test_waiting_for_connections_that_do_not_come_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.servers.scripted.LIMIT", 0.05)
    with ScriptedServer(hold()) as server, pytest.raises(AssertionError, match="0 connections"):
        server.wait_for_connections(1)


@pytest.mark.parametrize("step", [hold(), expect(b"never"), wait(threading.Event()), send(bytes(100_000_000))])
def test_the_end_of_the_test_ends_every_handler(
    step: object, server_tls: ssl.SSLContext | None, client_tls: ssl.SSLContext | None
) -> None:
    started = time.monotonic()
    with ScriptedServer(step, tls=server_tls) as server:  # type: ignore[arg-type]
        stack = [socket.create_connection(("127.0.0.1", server.port), TIMEOUT)]
        if client_tls:
            stack.append(client_tls.wrap_socket(stack[0], server_hostname="localhost"))
        server.wait_for_connections(1)
    for client in stack:
        client.close()
    assert time.monotonic() - started < TIMEOUT
    assert not [thread for thread in threading.enumerate() if "scripted" in thread.name]


# TLS


def test_tls_tells_how_the_client_ended(scripted: ScriptedServers, certificates: Certificates) -> None:
    server = scripted(hold(), tls=tls_context(certificates.server))
    for properly in (True, False):
        with connect(server.port, trusting(certificates)) as client:
            assert isinstance(client, ssl.SSLSocket)
            if properly:
                client.unwrap()
    server.wait_until_finished(2)
    assert [connection.close_notify for connection in server.connections] == [True, False]


def test_tls_tells_what_was_negotiated(scripted: ScriptedServers, certificates: Certificates) -> None:
    server = scripted(send(b"x"), tls=tls_context(certificates.server, alpn=["h2", "http/1.1"]))
    for offer, name in ((["http/1.1"], "localhost"), ([], "127.0.0.1")):
        with connect(server.port, trusting(certificates, offer), name) as client:
            assert client.recv(1) == b"x"
    first, second = server.connections
    assert (first.alpn, first.server_name) == ("http/1.1", "localhost")
    assert (second.alpn, second.server_name) == (None, None)
    assert server.url == f"https://127.0.0.1:{server.port}"


def test_bytes_can_go_past_tls(scripted: ScriptedServers, certificates: Certificates) -> None:
    server = scripted(lambda connection: connection.socket.sendall(b"garbage"), tls=tls_context(certificates.server))
    with connect(server.port, trusting(certificates)) as client, pytest.raises(ssl.SSLError, match="WRONG_VERSION"):
        client.recv(1)


def test_a_failed_handshake_is_an_error_unless_it_is_wanted(certificates: Certificates) -> None:
    def use(wanted: bool) -> ScriptedServer:
        context = tls_context(certificates.self_signed)
        with ScriptedServer(hold(), tls=context, handshakes_fail=wanted) as server:
            with (
                pytest.raises(ssl.SSLCertVerificationError),
                connect(server.port, trusting(certificates)),
            ):
                pass
            server.wait_until_finished()
        return server

    assert "unknown ca" in str(use(wanted=True).connections[0].handshake_error)
    with pytest.raises(ssl.SSLError, match="unknown ca"):
        use(wanted=False)


def test_tls_can_be_limited_and_can_require_a_client_certificate(
    scripted: ScriptedServers, certificates: Certificates
) -> None:
    old = scripted(finish(), tls=tls_context(certificates.server, maximum=ssl.TLSVersion.TLSv1_2))
    with connect(old.port, trusting(certificates)) as client:
        assert isinstance(client, ssl.SSLSocket)
        assert client.version() == "TLSv1.2"
    strict = tls_context(certificates.server, client_ca=certificates.ca_file)
    server = scripted(finish(), tls=strict, handshakes_fail=True)
    with connect(server.port, trusting(certificates)) as client, pytest.raises(ssl.SSLError, match="certificate req"):
        client.recv(1)


# Ports


def test_ipv6() -> None:
    with ScriptedServer(send(b"six"), host="::1") as server, connect(server.port, host="::1") as client:
        assert read_all(client) == b"six"
        assert server.url == f"http://[::1]:{server.port}"
        with pytest.raises(ConnectionRefusedError), connect(server.port):
            pass


def test_a_refused_port_refuses(refused_port: int) -> None:
    for _ in range(2):
        with pytest.raises(ConnectionRefusedError), connect(refused_port):
            pass


def test_a_silent_port_neither_accepts_nor_refuses(silent_port: int) -> None:
    clients = [socket.socket() for _ in range(3)]
    try:
        for client in clients:
            client.setblocking(False)
            with pytest.raises(BlockingIOError):
                client.connect(("127.0.0.1", silent_port))
        assert select.select([], clients, clients, 0.5) == ([], [], [])
    finally:
        for client in clients:
            client.close()


def talk(host: str, port: int) -> bytes:
    with socket.create_connection((host, port), 0.2) as client:
        return read_all(client)


def test_a_dual_port_differs_by_address() -> None:
    with sockets.dual_port(send(b"four"), send(b"six")) as dual:
        assert (talk("127.0.0.1", dual.port), talk("::1", dual.port)) == (b"four", b"six")
        assert dual.ipv4
        assert dual.ipv6
        assert (dual.ipv4.accepted, dual.ipv6.accepted) == (1, 1)
    with sockets.dual_port(send(b"four"), "refused") as dual:
        assert talk("127.0.0.1", dual.port) == b"four"
        assert dual.ipv6 is None
        with pytest.raises(ConnectionRefusedError):
            talk("::1", dual.port)
    with sockets.dual_port("silent", send(b"six")) as dual:
        assert talk("::1", dual.port) == b"six"
        with pytest.raises(TimeoutError):
            talk("127.0.0.1", dual.port)


# Leaks


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks, "LIMIT", 0.05)


@pytest.mark.usefixtures("impatient")
def test_an_open_descriptor_is_a_leak() -> None:
    with pytest.raises(leaks.LeakError, match=r"left open: \[\(\d+, 'socket:"), leaks.watch():
        left = socket.socket()
    left.close()


@pytest.mark.usefixtures("impatient")
def test_a_descriptor_with_a_reused_number_is_a_leak() -> None:
    before = socket.socket()
    number = before.fileno()
    with pytest.raises(leaks.LeakError, match=rf"left open: \[\({number}, 'socket:"), leaks.watch():
        before.close()
        left = socket.socket()
        assert left.fileno() == number
    left.close()


@pytest.mark.usefixtures("impatient")
def test_a_running_thread_is_a_leak() -> None:
    event = threading.Event()
    thread = threading.Thread(target=event.wait, name="forgotten")
    with pytest.raises(leaks.LeakError, match=r"left running: .*forgotten"), leaks.watch():
        thread.start()
    event.set()
    thread.join()


def test_what_disappears_is_no_leak() -> None:
    with leaks.watch():
        thread = threading.Thread(target=time.sleep, args=(0.1,))
        thread.start()
        left = socket.socket()
        threading.Timer(0.1, left.close).start()


def test_an_error_in_the_block_comes_first() -> None:
    with pytest.raises(KeyError), leaks.watch():
        raise KeyError
