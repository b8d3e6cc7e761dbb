"""Connections through another host: with TLS to it, with TLS through it, with both, and to Unix domain sockets."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, NamedTuple

import pytest

from linuxapi import POLLIN
from openssl_api import TlsCertificateError
from socketpool import (
    ConnectionFailedError,
    ConnectionTimeoutError,
    Detour,
    ManagerClosedError,
    MemoryBlock,
    TgoClientSocketManager,
    TgoSocketPoolBehavior,
    unix_address,
)
from tests.servers._tls import TlsStream as ServerTls
from tests.servers.scripted import Connection, ScriptedServer, tls_context

from .events import LIMIT, Events
from .peers import random_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from openssl_api import TlsContext
    from socketpool import TgoSocketConnection
    from tests.certificates import Certificates
    from tests.conftest import ScriptedServers

    from .conftest import Managers

SHORT = 0.15


class RefusedError(OSError):
    """The host in between says no."""


class Greeting:
    """Says GO and waits for OK; for AGAIN, on another connection."""

    def __init__(self) -> None:
        self.done = False
        self.again = False
        self.addresses: list[bytes] = []
        self.starts = 0
        self._got = b""

    def start(self, addresses: list[bytes]) -> bytes:
        self.addresses = addresses
        self.starts += 1
        self.again = False
        self._got = b""
        return b"GO\n"

    def receive(self, data: bytes) -> tuple[int, bytes]:
        line, found, _ = data.partition(b"\n")
        used = len(line + found)
        self._got += line
        if not data or (found and self._got not in (b"OK", b"AGAIN", b"MORE")):
            raise RefusedError(f"refused: {self._got!r}")
        if not found:
            return used, b""
        self.done = self._got == b"OK"
        self.again = self._got == b"AGAIN"
        more = self._got == b"MORE"
        self._got = b""
        return used, b"HERE YOU ARE\n" if more else b""

    def pause(self) -> None:
        pass


class Kind(NamedTuple):
    """What is spoken with the host in between, and with the peer."""

    outer: bool
    inner: bool


ALL = [Kind(False, False), Kind(False, True), Kind(True, False), Kind(True, True)]


@pytest.fixture(params=ALL, ids=["plain", "tls-inside", "tls-outside", "tls-in-tls"])
def kind(request: pytest.FixtureRequest) -> Kind:
    kind = request.param
    assert isinstance(kind, Kind)
    return kind


class Crossing:
    """Serves and connects, as a :class:`Kind` says."""

    def __init__(
        self,
        kind: Kind,
        manager: TgoClientSocketManager,
        scripted: ScriptedServers,
        certificates: Certificates,
        context: TlsContext,
    ) -> None:
        self.kind = kind
        self.manager = manager
        self.tunnels: list[Greeting] = []
        self._scripted = scripted
        self._identity = certificates.server
        self._context = context

    def serve(self, handler: Callable[[Connection], object]) -> ScriptedServer:
        return self._scripted(handler, tls=tls_context(self._identity) if self.kind.outer else None, aborts=True)

    def beyond(self, connection: Connection) -> ServerTls | socket.socket:
        """Return the peer's end, after the answer of the host in between."""
        stream = connection.tls or connection.socket
        if not self.kind.inner:
            return stream
        tls = ServerTls(stream, tls_context(self._identity))  # type: ignore[arg-type]
        tls.handshake()
        return tls

    def request(self, server: ScriptedServer, hostname: str = "localhost") -> TgoSocketConnection:
        connection = self.manager.request(hostname, 4)
        if self.kind.inner:
            connection.ssl = True
            connection.tls_context = self._context

        def new_tunnel() -> Greeting:
            self.tunnels.append(Greeting())
            return self.tunnels[-1]

        connection.detour = Detour(
            "localhost", server.port, new_tunnel, tls_context=self._context if self.kind.outer else None
        )
        return connection


@pytest.fixture
def way(
    kind: Kind,
    manager: TgoClientSocketManager,
    scripted: ScriptedServers,
    certificates: Certificates,
    context: TlsContext,
) -> Crossing:
    return Crossing(kind, manager, scripted, certificates, context)


def connect(connection: TgoSocketConnection, worker: bool, timeout: float = LIMIT) -> OSError | None:
    """Connect in this thread or by a worker; return the error, if it fails."""
    if not worker:
        try:
            connection.open(timeout=timeout)
        except OSError as error:
            return error
        return None
    events = Events(connection)
    connection.connect(timeout=timeout)
    events.wait_until(lambda: bool(events.names))
    connection.stop_callbacks()
    return connection.error if events.names == ["disconnected"] else None


both = pytest.mark.parametrize("worker", [False, True], ids=["thread", "worker"])


@pytest.mark.parametrize("size", [1, 1000, 3_000_000])
@pytest.mark.parametrize("trickling", [False, True])
def test_in_a_thread(way: Crossing, size: int, trickling: bool) -> None:
    def handler(connection: Connection) -> None:
        connection.receive_until(b"GO\n")
        (connection.trickle if trickling else connection.send)(b"MORE\n")
        connection.receive_until(b"HERE YOU ARE\n")
        (connection.trickle if trickling else connection.send)(b"OK\n" if way.kind.inner else b"OK\nEARLY")
        stream = way.beyond(connection)
        while data := stream.recv(65536):
            stream.sendall(data)

    server = way.serve(handler)
    connection = way.request(server)
    stream = connection.open(timeout=LIMIT)
    data = random_bytes(size)
    block = MemoryBlock(65536)
    received = b""
    early = b"" if way.kind.inner else b"EARLY"
    sent = 0
    while len(received) < size + len(early):
        if sent < size:
            stream.send_all(data[sent : sent + 50_000], LIMIT)
            sent += 50_000
        count = stream.receive(block, LIMIT)
        assert count > 0
        received += bytes(block.view[:count])
    assert received == early + data
    assert stream.is_quiet()
    assert not stream.has_buffered_input
    connection.disconnect()


@pytest.mark.parametrize("size", [1, 3_000_000])
def test_by_a_worker(way: Crossing, size: int) -> None:
    def handler(connection: Connection) -> None:
        connection.receive_until(b"GO\n")
        connection.send(b"OK\n" if way.kind.inner else b"OK\nEARLY")
        stream = way.beyond(connection)
        while data := stream.recv(65536):
            stream.sendall(data)

    connection = way.request(way.serve(handler))
    events = Events(connection)
    data = random_bytes(size)
    connection.connect()
    events.wait_for("connected")
    assert connection.send(data)
    early = b"" if way.kind.inner else b"EARLY"
    assert events.wait_for_data(size + len(early)) == early + data
    # It changes hands as any other.
    assert connection.detach()
    assert connection.stream is not None
    connection.stream.send_all(b"more", LIMIT)
    block = MemoryBlock(100)
    count = connection.stream.receive(block, LIMIT)
    assert bytes(block.view[:count]) == b"more"
    connection.abort()


@both
def test_another_connection(way: Crossing, worker: bool) -> None:
    def handler(connection: Connection) -> None:
        connection.receive_until(b"GO\n")
        if server.accepted < 3:
            connection.send(b"AGAIN\n")
            connection.receive_all()
            return
        connection.send(b"OK\n")
        way.beyond(connection).recv(1)

    server = way.serve(handler)
    connection = way.request(server)
    assert connect(connection, worker) is None
    assert [tunnel.starts for tunnel in way.tunnels] == [3]
    connection.abort()


@both
@pytest.mark.parametrize("answer", [b"NO\n", b"", b"O"])
def test_refused(way: Crossing, worker: bool, answer: bytes) -> None:
    def handler(connection: Connection) -> None:
        connection.receive_until(b"GO\n")
        connection.send(answer)

    error = connect(way.request(way.serve(handler)), worker)
    assert isinstance(error, RefusedError)


@both
@pytest.mark.parametrize("moment", ["new", "start", "receive"])
def test_a_tunnel_may_raise_what_it_likes(way: Crossing, worker: bool, moment: str) -> None:
    class Broken(Greeting):
        def __init__(self) -> None:
            super().__init__()
            if moment == "new":
                raise ZeroDivisionError

        def start(self, addresses: list[bytes]) -> bytes:
            if moment == "start":
                raise ZeroDivisionError
            return super().start(addresses)

        def receive(self, data: bytes) -> tuple[int, bytes]:
            raise ZeroDivisionError

    def handler(connection: Connection) -> None:
        connection.receive_until(b"GO\n")
        connection.send(b"OK\n")

    connection = way.request(way.serve(handler))
    assert connection.detour is not None
    connection.detour.new_tunnel = Broken
    if worker:
        error: object = connect(connection, worker)
        assert isinstance(error, ZeroDivisionError)
    else:
        with pytest.raises(ZeroDivisionError):
            connection.open(timeout=LIMIT)


@both
@pytest.mark.parametrize("answer", [b"", b"O", b"OK\n"])
def test_one_time_limit_for_all(way: Crossing, worker: bool, answer: bytes) -> None:
    def handler(connection: Connection) -> None:
        connection.receive_until(b"GO\n")
        connection.send(answer)
        connection.hold()

    if answer == b"OK\n" and not way.kind.inner:
        return  # then nothing is left to wait for
    server = way.serve(handler)
    error = connect(way.request(server), worker, SHORT)
    assert isinstance(error, ConnectionTimeoutError)
    assert str(server.port) in str(error)


@both
@pytest.mark.parametrize("how", ["end", "disconnect", "manager"])
def test_ended_meanwhile(way: Crossing, worker: bool, how: str) -> None:
    waiting = threading.Event()

    def handler(connection: Connection) -> None:
        connection.receive_until(b"GO\n")
        waiting.set()
        connection.hold()

    connection = way.request(way.serve(handler))
    errors: list[OSError | None] = []

    def run() -> None:
        errors.append(connect(connection, worker))

    thread = threading.Thread(target=run)
    thread.start()
    assert waiting.wait(LIMIT)
    if how == "end":
        connection.end(RefusedError("not wanted any more"))
    elif how == "disconnect":
        connection.disconnect()
    else:
        way.manager.close()
    thread.join(LIMIT)
    assert not thread.is_alive()
    if how == "end":
        assert isinstance(errors[0], RefusedError)
    elif how == "manager" or not worker:
        assert isinstance(errors[0], ManagerClosedError)


@both
def test_the_peer_is_verified(way: Crossing, worker: bool) -> None:
    def handler(connection: Connection) -> None:
        connection.receive_until(b"GO\n")
        connection.send(b"OK\n")
        with contextlib.suppress(OSError):
            way.beyond(connection).recv(1)

    connection = way.request(way.serve(handler), "other.example")
    error = connect(connection, worker)
    if way.kind.inner:
        assert isinstance(error, TlsCertificateError)
        assert "other.example" in str(error)
    else:
        assert error is None
        connection.abort()


@pytest.mark.parametrize("end", ["in order", "inner cut off", "both cut off"])
def test_the_end(way: Crossing, end: str) -> None:
    def handler(connection: Connection) -> None:
        connection.receive_until(b"GO\n")
        connection.send(b"OK\n")
        stream = way.beyond(connection)
        stream.sendall(b"the last")
        if end == "in order" and isinstance(stream, ServerTls):
            stream.end()
        if end != "both cut off" and connection.tls is not None:
            connection.tls.end()
        with contextlib.suppress(OSError):  # the client may be through with it
            connection.socket.shutdown(socket.SHUT_WR)
            while connection.socket.recv(65536):
                pass

    connection = way.request(way.serve(handler))
    stream = connection.open(timeout=LIMIT)
    block = MemoryBlock(65536)
    received = b""
    while count := stream.receive(block, LIMIT):
        received += bytes(block.view[:count])
    assert received == b"the last"
    forgeable = {"in order": False, "inner cut off": way.kind.inner, "both cut off": way.kind.inner or way.kind.outer}
    assert stream.truncated is forgeable[end]
    connection.abort()


@pytest.mark.parametrize("layer", ["inner", "outer"])
def test_a_part_of_a_record_is_not_quiet(way: Crossing, layer: str) -> None:
    if not (way.kind.inner and way.kind.outer):
        return  # TlsStream is tested by itself
    go_on = threading.Event()

    def handler(connection: Connection) -> None:
        connection.receive_until(b"GO\n")
        connection.send(b"OK\n")
        inner, outer = way.beyond(connection), connection.tls
        assert isinstance(inner, ServerTls)
        assert outer is not None
        inner.sendall(b"hello")
        connection.wait(go_on)
        inner.tls.write(b"not asked for")
        record = inner._outgoing.read()
        if layer == "inner":
            outer.sendall(record[:20])
        else:
            outer.tls.write(record)
            connection.socket.sendall(outer._outgoing.read()[:20])
        connection.hold()

    connection = way.request(way.serve(handler))
    stream = connection.open(timeout=LIMIT)
    block = MemoryBlock(65536)
    assert stream.receive(block, LIMIT) == 5
    assert stream.is_quiet()
    go_on.set()
    assert stream.wait(POLLIN, LIMIT)
    for _ in range(2):
        assert not stream.is_quiet()
    connection.abort()


@both
def test_the_addresses_of_the_peer_can_be_looked_up_here(scripted: ScriptedServers, manager: TgoClientSocketManager,
                                                         worker: bool) -> None:  # fmt: skip
    def handler(connection: Connection) -> None:
        connection.receive_until(b"GO\n")
        connection.send(b"OK\n")

    tunnel = Greeting()
    connection = manager.request("localhost", 4)
    connection.detour = Detour("127.0.0.1", scripted(handler).port, lambda: tunnel, look_up_peer=True)
    assert connect(connection, worker) is None
    assert tunnel.addresses == [bytes(15) + b"\1", b"\x7f\0\0\1"]
    connection.abort()


def test_such_a_connection_is_not_kept_for_others(make_manager: Managers, scripted: ScriptedServers) -> None:
    def handler(connection: Connection) -> None:
        connection.receive_until(b"GO\n")
        connection.send(b"OK\n")
        connection.receive_all()

    manager = make_manager(behavior=TgoSocketPoolBehavior.POOL_AND_REUSE)
    server = scripted(handler)
    connection = manager.request("localhost", 4)
    connection.detour = Detour("localhost", server.port, Greeting)
    connection.open()
    manager.release(connection)
    assert manager.request("localhost", 4) is not connection


# Unix domain sockets


@both
@pytest.mark.parametrize("abstract", [False, True])
def test_unix_domain_socket(manager: TgoClientSocketManager, tmp_path: Path, worker: bool, abstract: bool) -> None:
    path = f"@{tmp_path}" if abstract else str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path.replace("@", "\0"))
        listener.listen()
        connection = manager.request("any name", 0)
        connection.addresses = (unix_address(path),)
        assert connect(connection, worker) is None
        peer, _ = listener.accept()
        with peer:
            assert connection.stream is not None
            assert connection.stream.address.text == path
            assert connection.send(b"hello")
            assert peer.recv(5) == b"hello"
            connection.abort()
            assert peer.recv(5) == b""


@both
def test_a_unix_domain_socket_without_a_server(manager: TgoClientSocketManager, tmp_path: Path, worker: bool) -> None:
    connection = manager.request("any name", 0)
    connection.addresses = (unix_address(tmp_path / "missing"),)
    error = connect(connection, worker)
    assert isinstance(error, ConnectionFailedError)
    assert f"{tmp_path / 'missing'}: No such file or directory" in str(error)


@both
def test_a_full_queue_is_waited_for(manager: TgoClientSocketManager, tmp_path: Path, worker: bool) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as filler:
        listener.bind(path)
        listener.listen(0)
        filler.connect(path)
        connection = manager.request("any name", 0)
        connection.addresses = (unix_address(path),)
        error = connect(connection, worker, SHORT)
        assert isinstance(error, ConnectionTimeoutError)
        assert path in str(error)
