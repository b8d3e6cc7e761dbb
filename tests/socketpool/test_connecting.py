"""Connecting by a worker and in the calling thread: one time limit for everything, every address, and every reason."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from openssl_api import TlsCertificateError, TlsConfigurationError, TlsContext, TlsError, TlsHandshakeError
from socketpool import (
    ConnectionFailedError,
    ConnectionTimeoutError,
    ManagerClosedError,
    NameLookupError,
    SocketPoolError,
    TgoClientSocketManager,
    TgoConnectionState,
    TgoSocketConnection,
)
from socketpool.resolver import literal_address
from tests.certificates import Certificates
from tests.servers.scripted import Connection, script, tls_context
from tests.servers.sockets import dual_port

from .conftest import Contexts, Managers
from .events import LIMIT, Events
from .peers import echo

if TYPE_CHECKING:
    from tests.conftest import ScriptedServers

CONNECTED, DISCONNECTED = TgoConnectionState.CONNECTED, TgoConnectionState.DISCONNECTED


class Connect(Protocol):
    """Connects in one way or the other; returns why it failed, or ``None``."""

    def __call__(self, connection: TgoSocketConnection, timeout: float = LIMIT) -> OSError | None: ...


def by_worker(connection: TgoSocketConnection, timeout: float = LIMIT) -> OSError | None:
    events = Events(connection)
    assert connection.connect(timeout=timeout) is True
    events.wait_until(lambda: bool(events.names))
    assert connection.error is None or events.names == ["disconnected"]
    return connection.error


def by_thread(connection: TgoSocketConnection, timeout: float = LIMIT) -> OSError | None:
    events = Events(connection)
    try:
        stream = connection.open(timeout=timeout)
    except OSError as error:
        failure = error
    else:
        assert stream is connection.stream
        assert events.names == []
        return None
    assert connection.error is failure
    assert connection.closed
    return failure


@pytest.fixture(params=[by_worker, by_thread])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    driver: Connect = request.param
    opened = []

    def run(connection: TgoSocketConnection, timeout: float = LIMIT) -> OSError | None:
        opened.append(connection)
        return driver(connection, timeout)

    yield run
    for connection in opened:
        if not connection.attached:
            connection.abort()  # nobody but its owner closes a detached one


@pytest.fixture
def hanging_resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Makes the system's resolver hang until the event is set."""
    go_on = threading.Event()

    def getaddrinfo(*_: object, **__: object) -> Any:
        assert go_on.wait(LIMIT)
        raise socket.gaierror(socket.EAI_AGAIN, "the test is over")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield go_on
    go_on.set()


def test_a_connection_that_is_made(
    manager: TgoClientSocketManager, scripted: ScriptedServers, connect: Connect
) -> None:
    server = scripted(echo)
    connection = manager.request("127.0.0.1", server.port)
    assert (connection.hostname, connection.port, connection.state) == ("127.0.0.1", server.port, DISCONNECTED)
    assert (connection.socket, connection.pending, connection.pending_to_string()) == (-1, 0, "none")
    assert repr(connection) == f"<TgoSocketConnection 127.0.0.1:{server.port} disconnected>"
    assert connect(connection) is None
    assert connection.state is CONNECTED
    assert connection.socket >= 0
    assert (connection.closed, connection.shutdown, connection.error) == (False, False, None)
    assert connection.attached is (connection.worker is not None)
    assert connection.stream is not None
    assert connection.stream.address.text == f"127.0.0.1:{server.port}"
    assert connection.connect() is False
    with pytest.raises(SocketPoolError, match="already in use"):
        connection.open()
    assert manager.connections == 1


@pytest.mark.parametrize("use_nagle", [True, False])
def test_nagle_is_a_choice(manager: TgoClientSocketManager, scripted: ScriptedServers, use_nagle: bool) -> None:
    server = scripted(echo)
    connection = manager.request("127.0.0.1", server.port)
    connection.open(use_nagle)
    other = manager.request("127.0.0.1", server.port)
    events = Events(other)
    other.connect(use_nagle)
    events.wait_for("connected")
    for each in (connection, other):
        with socket.socket(fileno=socket.dup(each.socket)) as sock:
            assert bool(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)) is not use_nagle


# Time limits


def test_the_time_limit_covers_the_name_lookup(
    manager: TgoClientSocketManager, hanging_resolver: threading.Event, connect: Connect
) -> None:
    """The original blocked in gethostbyname without any limit."""
    error = connect(manager.request("slow.example", 80), 0.02)
    assert type(error) is ConnectionTimeoutError
    assert str(error) == "cannot connect to slow.example:80 within 0.02 s: still looking up the host name"
    assert isinstance(error, TimeoutError)
    assert manager.connections == 0


def test_the_time_limit_covers_tcp(manager: TgoClientSocketManager, silent_port: int, connect: Connect) -> None:
    """The original blocked in connect, and started to count after it."""
    connection = manager.request("127.0.0.1", silent_port)
    error = connect(connection, 0.02)
    assert type(error) is ConnectionTimeoutError
    text = f"cannot connect to 127.0.0.1:{silent_port} within 0.02 s: still connecting to 127.0.0.1:{silent_port}"
    assert str(error) == text
    assert connection.state is DISCONNECTED
    assert connection.socket == -1


def test_the_time_limit_covers_the_tls_handshake(
    manager: TgoClientSocketManager, scripted: ScriptedServers, connect: Connect
) -> None:
    server = scripted(Connection.hold)
    error = connect(manager.request("127.0.0.1", server.port, ssl=True), 0.05)
    assert type(error) is ConnectionTimeoutError
    assert "handshake with" in str(error)


def test_no_limit_is_possible(manager: TgoClientSocketManager, scripted: ScriptedServers, connect: Connect) -> None:
    assert connect(manager.request("localhost", scripted(echo).port), float("inf")) is None


def test_no_time_at_all_fails_in_order(manager: TgoClientSocketManager, silent_port: int, connect: Connect) -> None:
    for timeout in (0, -1):
        assert type(connect(manager.request("127.0.0.1", silent_port), timeout)) is ConnectionTimeoutError


# Addresses


def test_a_refused_connection_says_so(manager: TgoClientSocketManager, refused_port: int, connect: Connect) -> None:
    error = connect(manager.request("127.0.0.1", refused_port))
    assert type(error) is ConnectionFailedError
    assert str(error) == f"cannot connect to 127.0.0.1:{refused_port}: Connection refused"
    assert isinstance(error, ConnectionError)


@pytest.mark.parametrize(("ipv4", "ipv6"), [("echo", "refused"), ("echo", "silent"), ("refused", "echo")])
def test_all_addresses_of_a_name_are_tried(
    manager: TgoClientSocketManager, connect: Connect, ipv4: Any, ipv6: Any
) -> None:
    """IPv6 and IPv4 are raced (RFC 8305); the original tried the first IPv4 address and nothing else."""
    handlers = {"echo": echo}
    with dual_port(handlers.get(ipv4, ipv4), handlers.get(ipv6, ipv6)) as port:
        connection = manager.request("localhost", port.port)
        assert connect(connection) is None
        assert connection.stream is not None
        assert connection.stream.address.text == f"{'127.0.0.1' if ipv4 == 'echo' else '[::1]'}:{port.port}"


def test_an_ipv6_literal(manager: TgoClientSocketManager, connect: Connect) -> None:
    with dual_port("refused", echo) as port:
        connection = manager.request("::1", port.port)
        assert connect(connection) is None


def test_when_all_addresses_fail_all_reasons_are_told(manager: TgoClientSocketManager, connect: Connect) -> None:
    with dual_port("refused", "refused") as port:
        error = connect(manager.request("localhost", port.port))
        assert str(error).count("Connection refused") == 2


def test_one_dead_address_among_refused_ones_uses_up_the_time(
    manager: TgoClientSocketManager, connect: Connect
) -> None:
    with dual_port("refused", "silent") as port:
        error = connect(manager.request("localhost", port.port), 0.4)
        assert type(error) is ConnectionTimeoutError
        assert str(error).endswith(f"still connecting to [::1]:{port.port}")


def test_a_name_that_does_not_exist(
    manager: TgoClientSocketManager, monkeypatch: pytest.MonkeyPatch, connect: Connect
) -> None:
    def getaddrinfo(*_: object, **__: object) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    error = connect(manager.request("nowhere.example", 80))
    assert type(error) is NameLookupError
    assert str(error) == "cannot resolve the host name 'nowhere.example': Name or service not known"


def test_a_name_is_looked_up(
    manager: TgoClientSocketManager, scripted: ScriptedServers, monkeypatch: pytest.MonkeyPatch, connect: Connect
) -> None:
    server = scripted(echo)

    def getaddrinfo(host: str, port: int, **_: object) -> Any:
        assert (host, port) == ("some.example", server.port)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert connect(manager.request("some.example", server.port)) is None


def test_given_addresses_are_used_instead_of_a_lookup(
    manager: TgoClientSocketManager, scripted: ScriptedServers, connect: Connect
) -> None:
    server = scripted(echo)
    connection = manager.request("nowhere.example", 1)
    address = literal_address("127.0.0.1", server.port)
    assert address is not None
    connection.addresses = [address]
    assert connect(connection) is None


@pytest.mark.parametrize("port", [-1, 65536, 100_000])
def test_impossible_ports_are_refused(manager: TgoClientSocketManager, port: int) -> None:
    with pytest.raises(ValueError, match=f"{port} is no TCP port"):
        manager.request("127.0.0.1", port)
    connection = manager.request("127.0.0.1", 80)
    with pytest.raises(ValueError, match="is no TCP port"):
        connection.port = port
    connection.port, connection.hostname = 443, "localhost"
    assert (connection.port, connection.hostname) == (443, "localhost")


def test_strange_names_fail_in_order(manager: TgoClientSocketManager, connect: Connect) -> None:
    for name in ("a\0b", "x" * 70, ""):
        assert isinstance(connect(manager.request(name, 80)), NameLookupError)


# TLS


def request_tls(
    manager: TgoClientSocketManager, port: int, context: TlsContext | None, host: str = "localhost", alpn: bool = False
) -> TgoSocketConnection:
    return manager.request(host, port, ssl=True, tls_context=context, alpn=alpn)


@pytest.mark.parametrize("identity", ["wrong_host", "expired", "self_signed", "unknown_authority", "incomplete_chain"])
def test_a_server_that_cannot_be_verified_fails_at_once_with_the_reason(
    manager: TgoClientSocketManager,
    scripted: ScriptedServers,
    certificates: Certificates,
    context: TlsContext,
    connect: Connect,
    identity: str,
) -> None:
    """The original accepted all of these; and what it didn't accept, it only logged, until the time was up."""
    server = scripted(echo, tls=tls_context(getattr(certificates, identity)), handshakes_fail=True)
    connection = request_tls(manager, server.port, context)
    error = connect(connection)
    assert isinstance(error, TlsCertificateError)
    assert f"localhost:{server.port}" in str(error)
    assert error.verify_code != 0
    assert connection.state is DISCONNECTED
    server.wait_until_finished()


def test_servers_are_verified_by_default(
    manager: TgoClientSocketManager, scripted: ScriptedServers, certificates: Certificates, connect: Connect
) -> None:
    server = scripted(echo, tls=tls_context(certificates.server), handshakes_fail=True)
    assert isinstance(connect(request_tls(manager, server.port, None)), TlsError)
    server.wait_until_finished()
    # Switching it off is explicit.
    server = scripted(echo, tls=tls_context(certificates.wrong_host))
    with TlsContext(verify=False) as careless:
        assert connect(request_tls(manager, server.port, careless)) is None


@pytest.mark.parametrize(("host", "name"), [("localhost", "localhost"), ("127.0.0.1", None)])
def test_the_server_is_told_the_name_but_not_an_address(
    manager: TgoClientSocketManager,
    scripted: ScriptedServers,
    certificates: Certificates,
    context: TlsContext,
    connect: Connect,
    host: str,
    name: str | None,
) -> None:
    """SNI, RFC 6066 section 3; the original sent it empty."""
    server = scripted(echo, tls=tls_context(certificates.server))
    assert connect(request_tls(manager, server.port, context, host)) is None
    assert server.wait_for_connections(1)[0].server_name == name


def test_a_refused_alpn_fails_at_once(
    manager: TgoClientSocketManager,
    scripted: ScriptedServers,
    certificates: Certificates,
    context: TlsContext,
    connect: Connect,
) -> None:
    server = scripted([echo, echo], tls=tls_context(certificates.server))
    connection = request_tls(manager, server.port, context, alpn=True)
    error = connect(connection)
    assert type(error) is TlsError
    assert str(error) == f"localhost:{server.port} did not agree to speak HTTP/2 (ALPN h2)"
    assert connection.closed
    # Without the wish, it is a good connection.
    assert connect(request_tls(manager, server.port, context)) is None


def test_an_accepted_alpn(
    manager: TgoClientSocketManager,
    scripted: ScriptedServers,
    certificates: Certificates,
    context: TlsContext,
    connect: Connect,
) -> None:
    server = scripted(echo, tls=tls_context(certificates.server, alpn=["h2", "http/1.1"]), aborts=True)
    connection = request_tls(manager, server.port, context, alpn=True)
    assert connect(connection) is None
    assert connection.stream is not None
    assert connection.stream.engine is not None
    assert connection.stream.engine.alpn == b"h2"
    connection.send(b"so that it has finished the handshake too")
    connection.disconnect()
    server.wait_until_finished()
    assert server.connections[0].alpn == "h2"


def test_alpn_without_tls_is_refused(
    manager: TgoClientSocketManager, scripted: ScriptedServers, connect: Connect
) -> None:
    server = scripted(echo)
    error = connect(manager.request("127.0.0.1", server.port, alpn=True))
    assert isinstance(error, TlsError)


def test_a_server_without_tls(
    manager: TgoClientSocketManager, scripted: ScriptedServers, context: TlsContext, connect: Connect
) -> None:
    server = scripted(script(lambda connection: connection.send(b"220 hello\r\n")), aborts=True)
    error = connect(request_tls(manager, server.port, context))
    assert isinstance(error, TlsHandshakeError)
    assert "does not seem to speak TLS" in str(error)


@pytest.mark.parametrize("end", [Connection.close, Connection.reset])
def test_a_server_that_leaves_in_the_handshake(
    manager: TgoClientSocketManager,
    scripted: ScriptedServers,
    context: TlsContext,
    connect: Connect,
    end: Callable[[Connection], None],
) -> None:
    server = scripted(script(lambda connection: connection.receive(5), end))
    error = connect(request_tls(manager, server.port, context))
    assert isinstance(error, TlsError)
    assert not isinstance(error, ConnectionTimeoutError)


def test_what_cannot_be_used_for_tls_is_an_error_and_leaks_nothing(
    manager: TgoClientSocketManager, scripted: ScriptedServers, context: TlsContext, connect: Connect
) -> None:
    server = scripted(Connection.hold)
    address = literal_address("127.0.0.1", server.port)
    assert address is not None
    for host in ("a b", "."):
        connection = request_tls(manager, server.port, context, host)
        connection.addresses = [address]
        assert isinstance(connect(connection), TlsConfigurationError)
    connection = request_tls(manager, server.port, context)
    connection.certificate = b"belongs into the context"
    assert isinstance(connect(connection), TlsConfigurationError)
    connection = request_tls(manager, server.port, None)
    connection.certificate = b"no certificate"
    assert isinstance(connect(connection), TlsConfigurationError)


def test_connections_of_one_manager_share_a_context_and_resume_sessions(
    manager: TgoClientSocketManager,
    scripted: ScriptedServers,
    certificates: Certificates,
    make_context: Contexts,
) -> None:
    server = scripted(echo, tls=tls_context(certificates.server))
    context = make_context()
    reused = []
    for _ in range(3):
        connection = request_tls(manager, server.port, context)
        events = Events(connection)
        connection.connect()
        events.wait_for("connected")
        assert connection.stream is not None
        assert connection.stream.engine is not None
        reused.append(connection.stream.engine.session_reused)
        connection.send(b"ping")
        events.wait_for_data(4)
        connection.disconnect()
        events.wait_for("disconnected")
    assert reused == [False, True, True]


# Calling it off


Blocked = Callable[[], TgoSocketConnection]


@pytest.fixture(params=["lookup", "tcp", "tls"])
def blocked(
    request: pytest.FixtureRequest,
    manager: TgoClientSocketManager,
    scripted: ScriptedServers,
    context: TlsContext,
) -> Blocked:
    """Makes connections that don't get on: in the lookup, in TCP, or in the TLS handshake."""
    if request.param == "lookup":
        request.getfixturevalue("hanging_resolver")
        return lambda: manager.request("slow.example", 80)
    if request.param == "tcp":
        port = request.getfixturevalue("silent_port")
        return lambda: manager.request("127.0.0.1", port)
    server = scripted(Connection.hold)
    return lambda: request_tls(manager, server.port, context)


def opening(connection: TgoSocketConnection, doing: str = "") -> tuple[threading.Thread, list[OSError]]:
    """Open a connection in a thread; wait until it has begun (and got so far)."""
    errors: list[OSError] = []

    def run() -> None:
        try:
            connection.open(timeout=float("inf"))
        except OSError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    while not connection.pending or doing not in connection.pending_to_string():
        assert thread.is_alive()
    return thread, errors


def join(thread: threading.Thread) -> None:
    thread.join(LIMIT)
    assert not thread.is_alive()


PHASES = {"lookup": "looking up", "tcp": "connecting to", "tls": "handshake"}


def phase(request: pytest.FixtureRequest) -> str:
    """Return what a blocked connection says that it is doing."""
    return PHASES[request.node.callspec.params["blocked"]]


def test_ending_from_another_thread_calls_an_open_off(request: pytest.FixtureRequest, blocked: Blocked) -> None:
    connection = blocked()
    thread, errors = opening(connection, phase(request))
    assert connection.state is DISCONNECTED
    reason = ManagerClosedError("that's it")
    connection.end(reason)
    connection.end(OSError("and again"))
    join(thread)
    assert errors == [reason]
    assert connection.error is reason
    assert connection.closed
    assert connection.shutdown


def test_disconnecting_from_another_thread_calls_an_open_off(request: pytest.FixtureRequest, blocked: Blocked) -> None:
    connection = blocked()
    thread, errors = opening(connection, phase(request))
    connection.disconnect()
    join(thread)
    (error,) = errors
    assert type(error) is ManagerClosedError
    assert connection.closed


def test_closing_the_manager_calls_every_open_off(
    request: pytest.FixtureRequest, blocked: Blocked, manager: TgoClientSocketManager
) -> None:
    threads = [opening(blocked(), phase(request)) for _ in range(5)]
    assert manager.connections == 5
    manager.close()
    for thread, errors in threads:
        join(thread)
        (error,) = errors
        assert type(error) is ManagerClosedError
        assert str(error) == "the socket manager was closed"


def test_an_open_can_be_called_off_at_any_moment(blocked: Blocked) -> None:
    for _ in range(40):
        connection = blocked()
        thread, errors = opening(connection)
        connection.end(ManagerClosedError())
        join(thread)
        assert [type(error) for error in errors] == [ManagerClosedError]


def test_a_connection_that_succeeds_while_it_is_called_off_leaks_nothing(
    manager: TgoClientSocketManager, scripted: ScriptedServers, certificates: Certificates, context: TlsContext
) -> None:
    server = scripted(echo, tls=tls_context(certificates.server), handshakes_fail=True, aborts=True)
    outcomes = set()
    for index in range(40):
        connection = request_tls(manager, server.port, context)
        timer = threading.Timer(index * 0.0001, connection.end, (ManagerClosedError(),))
        timer.start()
        try:
            connection.open()
        except ManagerClosedError:
            outcomes.add("called off")
            assert connection.stream is None
        else:
            outcomes.add("made")
            connection.abort()
        timer.join()
    assert "called off" in outcomes
    assert manager.connections == 0


def test_a_connect_can_be_called_off(request: pytest.FixtureRequest, blocked: Blocked) -> None:
    for call in (TgoSocketConnection.disconnect, lambda connection: connection.end(ManagerClosedError())):
        connection = blocked()
        events = Events(connection)
        assert connection.connect(timeout=float("inf"))
        while phase(request) not in connection.pending_to_string():
            assert events.names == []
        assert connection.pending == 1
        call(connection)
        events.wait_for("disconnected")
        assert events.names == ["disconnected"]
        assert connection.closed


def test_a_connect_can_be_called_off_at_any_moment(blocked: Blocked) -> None:
    for _ in range(50):
        connection = blocked()
        events = Events(connection)
        assert connection.connect()
        connection.disconnect()
        events.wait_for("disconnected")
        assert events.names == ["disconnected"]


def test_a_connect_is_called_off_by_closing_the_manager(blocked: Blocked, manager: TgoClientSocketManager) -> None:
    connections = [blocked() for _ in range(5)]
    listeners = [Events(connection) for connection in connections]
    for connection in connections:
        connection.connect()
    manager.close()
    assert [events.names for events in listeners] == [["disconnected"]] * 5
    assert {type(connection.error) for connection in connections} == {ManagerClosedError}


def test_a_connection_ended_before_it_was_used_is_not_made(
    manager: TgoClientSocketManager, scripted: ScriptedServers
) -> None:
    connection = manager.request("127.0.0.1", scripted(echo).port)
    reason = ManagerClosedError("not wanted")
    connection.end(reason)
    for attempt in (connection.open, connection.connect):
        with pytest.raises(ManagerClosedError) as caught:
            attempt()
        assert caught.value is reason
    assert manager.connections == 0


def test_what_is_not_connected_can_be_ended_in_every_way(manager: TgoClientSocketManager) -> None:
    connection = manager.request("127.0.0.1", 9)
    events = Events(connection)
    connection.disconnect()
    connection.abort()
    connection.stop_callbacks()
    connection.close()
    assert connection.send(b"x") is False
    assert connection.detach() is False
    with pytest.raises(SocketPoolError, match="only a connected, detached connection"):
        connection.attach()
    assert events.names == []
    assert not connection.closed


def test_after_the_end_it_can_be_connected_again(
    manager: TgoClientSocketManager, scripted: ScriptedServers, refused_port: int, connect: Connect
) -> None:
    server = scripted(echo)
    connection = manager.request("127.0.0.1", refused_port)
    assert connect(connection) is not None
    connection.port = server.port
    for _ in range(3):
        assert connect(connection) is None
        assert connection.error is None
        assert not connection.closed
        ended = threading.Event()
        connection.on_disconnected = ended.set
        connection.disconnect()
        assert ended.wait(LIMIT)
        while connection.state is not DISCONNECTED:
            pass
        assert connection.closed


def test_reconnecting_from_the_event_that_tells_of_the_end(
    manager: TgoClientSocketManager, scripted: ScriptedServers
) -> None:
    server = scripted([Connection.close, Connection.reset, echo])
    connection = manager.request("127.0.0.1", server.port)
    ends: list[OSError | None] = []
    answer = threading.Event()

    def connected() -> None:
        connection.send(b"hello")

    def disconnected() -> None:
        ends.append(connection.error)
        if len(ends) < 3:
            assert connection.connect()

    connection.on_connected = connected
    connection.on_disconnected = disconnected
    connection.on_recv = lambda data: answer.set()
    connection.connect()
    assert answer.wait(LIMIT)
    assert connection.state is CONNECTED
    assert len(ends) == 2


def test_a_closed_manager_makes_no_connection(make_manager: Managers, scripted: ScriptedServers) -> None:
    manager = make_manager()
    connection = manager.request("127.0.0.1", scripted(echo).port)
    manager.close()
    for attempt in (connection.open, connection.connect):
        with pytest.raises(ManagerClosedError, match="the socket manager is closed"):
            attempt()
    with pytest.raises(ManagerClosedError, match="the socket manager is closed"):
        manager.request("127.0.0.1", 80)


def test_an_interrupted_open_closes_what_it_opened(manager: TgoClientSocketManager, silent_port: int) -> None:
    from tests.linuxapi.waits import alarms

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    connection = manager.request("127.0.0.1", silent_port)
    with pytest.raises(KeyboardInterrupt), alarms(interrupt):
        connection.open()
    assert connection.closed
    assert manager.connections == 0
    with contextlib.suppress(OSError):
        connection.open(timeout=0)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_versions(
    manager: TgoClientSocketManager,
    scripted: ScriptedServers,
    certificates: Certificates,
    context: TlsContext,
    connect: Connect,
    version: ssl.TLSVersion,
) -> None:
    server = scripted(echo, tls=tls_context(certificates.server, maximum=version))
    connection = request_tls(manager, server.port, context)
    assert connect(connection) is None
    assert connection.stream is not None
    assert connection.stream.engine is not None
    assert connection.stream.engine.version == version.name.replace("_", ".")
