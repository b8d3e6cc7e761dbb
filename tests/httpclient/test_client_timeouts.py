"""Limits in time: which one ends a request, in which phase, and that it leaves nothing.

No test measures time. Where one limit has to end a request, all others are longer than the test may take.
"""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from httpclient import (
    ConnectTimeoutError,
    DeadlineError,
    HttpClientError,
    HttpTimeoutError,
    PoolTimeoutError,
    ReceiveTimeoutError,
    SendTimeoutError,
    TgoHttpClient,
)
from tests.httpclient.ways import LIMIT, NON_BLOCKING, Way, both_ways
from tests.servers.scripted import answer, expect, hold, script, send, tls_context, wait

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.certificates import Certificates
    from tests.conftest import ScriptedServers
    from tests.servers.connection import Connection

LONG = 600.0
SHORT = 0.05

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"


def connections(http: TgoHttpClient) -> int:
    """Return how many connections a client has, or is opening, and how many requests wait."""
    origins = http._pool._origins.values()  # type: ignore[union-attr]
    return sum(len(origin._connections) + len(origin._opening) + len(origin._waiting) for origin in origins)


def check(error: HttpClientError, kind: type[HttpTimeoutError], phase: str) -> None:
    assert type(error) is kind, repr(error)
    assert isinstance(error, TimeoutError)
    assert error.phase == phase
    assert error.url


def client(way: Way, **options: Any) -> TgoHttpClient:
    """Return a client with long limits, but for those that are given."""
    return way.client(**{"connect_timeout": LONG, "recv_timeout": LONG, **options})


# Connecting


@both_ways
@pytest.mark.usefixtures("no_leaks")
def test_connecting(way: Way, silent_port: int) -> None:
    url = f"http://127.0.0.1:{silent_port}/"
    with client(way, connect_timeout=SHORT) as http:
        check(way.fail(http, "GET", url), ConnectTimeoutError, "connect")
        assert connections(http) == 0
    with client(way) as http:
        check(way.fail(http, "GET", url, connect_timeout=SHORT), ConnectTimeoutError, "connect")
        check(way.fail(http, "GET", url, timeout=SHORT), DeadlineError, "connect")
        assert connections(http) == 0


@both_ways
@pytest.mark.usefixtures("no_leaks")
def test_the_tls_handshake(way: Way, scripted: ScriptedServers) -> None:
    server = scripted(hold(), aborts=True)
    url = f"https://127.0.0.1:{server.port}/"
    with client(way, verify=False) as http:
        check(way.fail(http, "GET", url, connect_timeout=SHORT), ConnectTimeoutError, "connect")
        check(way.fail(http, "GET", url, timeout=SHORT), DeadlineError, "connect")
        assert connections(http) == 0


# Receiving


@both_ways
@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 2", HEAD, HEAD + b"half", b"HTTP/1.1 100 Continue\r\n\r\n"])
@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.usefixtures("no_leaks")
def test_a_server_that_falls_silent(
    way: Way, sent: bytes, tls: bool, scripted: ScriptedServers, certificates: Certificates
) -> None:
    context = tls_context(certificates.server) if tls else None
    server = scripted(script(expect(b"\r\n\r\n"), send(sent), hold()), tls=context, aborts=True)
    with client(way, ca_file=str(certificates.ca_file)) as http:
        check(way.fail(http, "GET", server.url, recv_timeout=SHORT), ReceiveTimeoutError, "receive")
        check(way.fail(http, "GET", server.url, timeout=SHORT), DeadlineError, "receive")
        assert connections(http) == 0


@both_ways
def test_silence_is_counted_from_the_last_byte(way: Way, scripted: ScriptedServers) -> None:
    # Longer than the limit altogether, and never silent for that long.
    server = scripted(script(expect(b"\r\n\r\n"), lambda c: c.trickle(HEAD + b"0123456789", 0.01), hold()), aborts=True)
    with client(way, recv_timeout=0.3) as http:
        assert way.get(http, server.url).content == b"0123456789"


@both_ways
def test_the_overall_limit_ends_a_trickle(way: Way, scripted: ScriptedServers) -> None:
    server = scripted(script(expect(b"\r\n\r\n"), lambda c: c.trickle(HEAD + b"x" * 9, 0.02), hold()), aborts=True)
    with client(way) as http:
        check(way.fail(http, "GET", server.url, timeout=0.15), DeadlineError, "receive")
        http.timeout = 0.15
        check(way.fail(http, "GET", server.url), DeadlineError, "receive")
        assert connections(http) == 0


@both_ways
def test_limits_that_are_not_reached_change_nothing(way: Way, scripted: ScriptedServers) -> None:
    server = scripted(answer(b"x"))
    with client(way) as http:
        for limit in (LONG, 300.0, LONG):
            assert way.get(http, server.url, timeout=limit, recv_timeout=limit).content == b"x"
            assert way.get(http, server.url).content == b"x"
    assert server.accepted == 1


@both_ways
def test_the_limit_of_one_request_is_not_that_of_the_next(way: Way, scripted: ScriptedServers) -> None:
    go_on = threading.Event()

    def handler(connection: Connection) -> None:
        assert connection.receive_request()
        connection.respond(b"fast")
        assert connection.receive_request()
        connection.wait(go_on)
        connection.respond(b"slow")

    server = scripted(handler)
    timer = threading.Timer(0.4, go_on.set)
    with client(way) as http:
        assert way.get(http, server.url, recv_timeout=0.2, timeout=0.3).content == b"fast"
        timer.start()
        assert way.get(http, server.url).content == b"slow"
    timer.join()


@both_ways
@pytest.mark.parametrize(("first", "rest"), [(60.0, 0.0), (0.4, 0.0), (0.4, 0.5)])
def test_the_limit_holds_on_a_connection_that_was_used_before(
    way: Way, first: float, rest: float, scripted: ScriptedServers
) -> None:
    steps = expect(b"\r\n\r\n"), send(HEAD + b"0123456789"), expect(b"\r\n\r\n"), hold()
    server = scripted(script(*steps), aborts=True)
    with client(way) as http:
        assert way.get(http, server.url, recv_timeout=first).content == b"0123456789"
        time.sleep(rest)  # a timer of the first request may have gone off
        check(way.fail(http, "GET", server.url, recv_timeout=0.4), ReceiveTimeoutError, "receive")
    assert server.accepted == 1


@both_ways
def test_the_overall_limit_covers_redirects(way: Way, scripted: ScriptedServers) -> None:
    def handler(connection: Connection) -> None:
        while connection.receive_request():
            connection.respond(b"", "302 Found", [("Location", "/again")])

    server = scripted(handler, aborts=True)
    with client(way, max_redirects=10**9) as http:
        error = way.fail(http, "GET", server.url, timeout=0.2)
        assert isinstance(error, DeadlineError)


# Sending


@both_ways
@pytest.mark.parametrize("body", ["bytes", "iterator"])
@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.usefixtures("no_leaks")
def test_a_server_that_takes_nothing(
    way: Way, body: str, tls: bool, scripted: ScriptedServers, certificates: Certificates
) -> None:
    def forever() -> Iterator[bytes]:
        while True:
            yield b"x" * 100_000

    over = threading.Event()
    context = tls_context(certificates.server) if tls else None
    server = scripted(script(expect(b"\r\n\r\n"), wait(over)), tls=context, receive_buffer=4096, aborts=True)
    with client(way, ca_file=str(certificates.ca_file)) as http:
        data = b"x" * 30_000_000 if body == "bytes" else forever()
        check(way.fail(http, "PUT", server.url, data=data, recv_timeout=SHORT), SendTimeoutError, "send")
        data = b"x" * 30_000_000 if body == "bytes" else forever()
        check(way.fail(http, "PUT", server.url, data=data, timeout=SHORT), DeadlineError, "send")
        assert connections(http) == 0
    over.set()


@both_ways
def test_a_server_that_takes_little_at_a_time(way: Way, scripted: ScriptedServers) -> None:
    # Slower than the limit for one piece of the body, and never silent for that long.
    def handler(connection: Connection) -> None:
        head = connection.receive_head()
        assert head
        left = int(head.value("Content-Length") or 0)
        while left:
            left -= len(connection.receive(min(left, 40_000)))
            threading.Event().wait(0.01)
        connection.respond(b"ok")
        connection.hold()

    server = scripted(handler, receive_buffer=4096)
    with client(way, recv_timeout=0.3) as http:
        assert way.request(http, "PUT", server.url, data=b"x" * 2_500_000).content == b"ok"


# Each limit by itself


@both_ways
@pytest.mark.parametrize("body", ["bytes", "iterator"])
@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.usefixtures("no_leaks")
def test_the_limit_for_sending(
    way: Way, body: str, tls: bool, scripted: ScriptedServers, certificates: Certificates
) -> None:
    def forever() -> Iterator[bytes]:
        while True:
            yield b"x" * 100_000

    over = threading.Event()
    context = tls_context(certificates.server) if tls else None
    server = scripted(script(expect(b"\r\n\r\n"), wait(over)), tls=context, receive_buffer=4096, aborts=True)
    with client(way, ca_file=str(certificates.ca_file)) as http:
        for options in ({"send_timeout": SHORT}, {}):
            data = b"x" * 30_000_000 if body == "bytes" else forever()
            check(way.fail(http, "PUT", server.url, data=data, **options), SendTimeoutError, "send")
            http.send_timeout = SHORT
        assert connections(http) == 0
    over.set()


@both_ways
def test_the_limit_for_sending_is_not_that_for_receiving(way: Way, scripted: ScriptedServers) -> None:
    # Takes nothing for longer than the receive limit, then everything.
    go_on = threading.Event()

    def handler(connection: Connection) -> None:
        head = connection.receive_head()
        assert head
        connection.wait(go_on)
        connection.receive_body(head)
        connection.respond(b"ok")
        connection.hold()

    server = scripted(handler, receive_buffer=4096)
    timer = threading.Timer(0.6, go_on.set)
    timer.start()
    with client(way, recv_timeout=0.2) as http:
        response = way.request(http, "PUT", server.url, data=b"x" * 8_000_000, send_timeout=LONG)
        assert response.content == b"ok"
    timer.join()


@both_ways
def test_the_limit_for_receiving_counts_once_everything_is_sent(way: Way, scripted: ScriptedServers) -> None:
    server = scripted(
        script(lambda c: c.receive_request(), hold()), receive_buffer=4096, aborts=True
    )  # fmt: skip
    with client(way) as http:
        error = way.fail(http, "PUT", server.url, data=b"x" * 3_000_000, recv_timeout=SHORT, send_timeout=LONG)
        check(error, ReceiveTimeoutError, "receive")
        assert connections(http) == 0


@both_ways
@pytest.mark.parametrize("tls", [False, True])
def test_the_overall_limit_ends_an_upload_that_is_taken_byte_by_byte(
    way: Way, tls: bool, scripted: ScriptedServers, certificates: Certificates
) -> None:
    over = threading.Event()

    def handler(connection: Connection) -> None:
        connection.receive_until(b"\r\n\r\n")
        while not over.wait(0.01):
            connection.socket.recv(1)

    context = tls_context(certificates.server) if tls else None
    server = scripted(handler, tls=context, receive_buffer=4096, aborts=True)
    with client(way, ca_file=str(certificates.ca_file)) as http:
        error = way.fail(http, "PUT", server.url, data=b"x" * 30_000_000, timeout=0.2)
        check(error, DeadlineError, "send")
        assert connections(http) == 0
    over.set()


class Tapped:
    """Between a client and a TLS server: passes on what the server says byte by byte, from some point on."""

    def __init__(self, port: int, quick: int) -> None:
        self.port = port
        self.quick = quick
        self.over = threading.Event()

    def __call__(self, connection: Connection) -> None:
        with socket.create_connection(("127.0.0.1", self.port)) as server:
            thread = threading.Thread(target=self._forward, args=(connection, server))
            thread.start()
            left = self.quick
            while not self.over.wait(0.0 if left > 0 else 0.02) and (data := server.recv(max(1, left))):
                connection.send(data)
                left -= len(data)
        thread.join()

    @staticmethod
    def _forward(connection: Connection, server: socket.socket) -> None:
        try:
            while data := connection.socket.recv(65536):
                server.sendall(data)
        except OSError:
            pass


@both_ways
@pytest.mark.parametrize("quick", [0, 4500])
def test_the_overall_limit_ends_tls_that_trickles(
    way: Way, quick: int, scripted: ScriptedServers, certificates: Certificates
) -> None:
    # Within the handshake, and within a record of the response, which OpenSSL would wait for as long as it takes.
    server = scripted(answer(b"x" * 100_000), tls=tls_context(certificates.server), aborts=True, handshakes_fail=True)
    tapped = Tapped(server.port, quick)
    tap = scripted(tapped, aborts=True)
    url = f"https://127.0.0.1:{tap.port}/"
    with client(way, ca_file=str(certificates.ca_file)) as http:
        error = way.fail(http, "GET", url, timeout=0.6)
        check(error, DeadlineError, "receive" if quick else "connect")
        if not quick:
            check(way.fail(http, "GET", url, connect_timeout=0.3), ConnectTimeoutError, "connect")
        elif way.blocking:
            with pytest.raises(DeadlineError), http.stream("GET", url, timeout=0.6) as response:
                assert response.content
        assert connections(http) == 0
    tapped.over.set()


@both_ways
@pytest.mark.parametrize("limits", [{"connect_timeout": SHORT}, {"timeout": SHORT}])
def test_a_lookup_that_hangs(way: Way, limits: dict[str, float], monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def hang(*_: object, **__: object) -> list[Any]:
        over.wait(LIMIT)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)  # no real resolver can be made to hang from here
    with client(way) as http:
        # Look-ups of one name are shared, so each test has its own.
        url = f"http://hangs-{way.blocking}-{len(next(iter(limits)))}.test/"
        error = way.fail(http, "GET", url, **limits)
        check(error, ConnectTimeoutError if "connect_timeout" in limits else DeadlineError, "connect")
        assert connections(http) == 0
    over.set()


@pytest.mark.parametrize("protocol", ["http1", "tls", "http2"])
def test_a_stream_that_is_read_slowly(
    protocol: str, scripted: ScriptedServers, http2_scripted: Any, certificates: Certificates
) -> None:
    # The pauses of the reader are no silence of the server; the overall limit goes on.
    pause = threading.Event()
    if protocol == "http2":

        def handler(session: Any) -> None:
            while (request := session.receive_head()) is not None:
                session.send_headers(request.stream_id, [(":status", "200")])
                for _ in range(3):
                    session.send_data(request.stream_id, b"x" * 10)
                    threading.Event().wait(0.01)
                if request.value(":path") == "/whole":
                    session.send_data(request.stream_id, b"", end=True)

        server = http2_scripted(handler, aborts=True)
    else:

        def steps(connection: Connection) -> None:
            while request := connection.receive_request():
                connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n")
                for _ in range(2):
                    connection.send(b"x" * 10)
                    threading.Event().wait(0.01)
                if request.target == "/whole":
                    connection.send(b"x" * 10)

        server = scripted(steps, tls=tls_context(certificates.server) if protocol == "tls" else None, aborts=True)
    options: dict[str, Any] = {"connect_timeout": LONG, "recv_timeout": 0.3, "ca_file": str(certificates.ca_file)}
    with TgoHttpClient(protocol == "http2", **options) as http:
        with http.stream("GET", server.url + "/whole") as response:
            size = 0
            for piece in response.iter_bytes():
                size += len(piece)
                pause.wait(0.4)
            assert size == 30
        with (
            pytest.raises(DeadlineError),
            http.stream("GET", server.url + "/half", recv_timeout=LONG, timeout=0.3) as response,
        ):
            for _ in response.iter_bytes():
                pause.wait(0.2)
        with pytest.raises(ReceiveTimeoutError), http.stream("GET", server.url + "/half") as response:
            for _ in response.iter_bytes():
                pass


# Waiting for a connection


@both_ways
@pytest.mark.usefixtures("no_leaks")
def test_waiting_for_a_connection(way: Way, scripted: ScriptedServers) -> None:
    go_on = threading.Event()
    server = scripted(script(expect(b"\r\n\r\n"), send(HEAD), wait(go_on), send(b"0123456789"), answer(b"x")))
    with client(way, max_connections_per_origin=1) as http:
        with http.stream("GET", server.url) as response:
            error = way.fail(http, "GET", server.url, connect_timeout=SHORT)
            check(error, PoolTimeoutError, "pool")
            check(way.fail(http, "GET", server.url, timeout=SHORT), DeadlineError, "pool")
            check(way.fail(http, "GET", server.url, timeout=SHORT, connect_timeout=SHORT / 2), PoolTimeoutError, "pool")
            assert connections(http) == 1
            go_on.set()
            assert response.content == b"0123456789"
        assert way.get(http, server.url).content == b"x"
    assert server.accepted == 1


@both_ways
@pytest.mark.usefixtures("no_leaks")
def test_the_limit_for_waiting(way: Way, scripted: ScriptedServers) -> None:
    go_on = threading.Event()
    server = scripted(script(expect(b"\r\n\r\n"), send(HEAD), wait(go_on), send(b"0123456789"), answer(b"x")))
    with client(way, max_connections_per_origin=1) as http:
        with http.stream("GET", server.url) as response:
            check(way.fail(http, "GET", server.url, pool_timeout=SHORT), PoolTimeoutError, "pool")
            check(way.fail(http, "GET", server.url, pool_timeout=0.0), PoolTimeoutError, "pool")
            http.pool_timeout = SHORT
            check(way.fail(http, "GET", server.url), PoolTimeoutError, "pool")
            assert connections(http) == 1
            go_on.set()
            assert response.content == b"0123456789"
        assert way.get(http, server.url, pool_timeout=0.0).content == b"x"


def test_the_limit_for_waiting_holds_in_a_queue_that_moves_along(scripted: ScriptedServers) -> None:
    def handler(connection: Connection) -> None:
        while connection.receive_request():
            threading.Event().wait(0.02)
            connection.respond(b"x")

    with client(NON_BLOCKING, max_connections_per_origin=1) as http:
        url = scripted(handler).url
        futures = [http.get(url) for _ in range(60)]
        strict = http.get(url, pool_timeout=0.1)
        assert isinstance(strict.exception(LIMIT), PoolTimeoutError)
        assert [future.result(LIMIT).content for future in futures] == [b"x"] * 60


def test_a_queue_that_moves_along_has_time(scripted: ScriptedServers) -> None:
    # Each answer takes a while, all together far longer than the limit.
    def handler(connection: Connection) -> None:
        while connection.receive_request():
            threading.Event().wait(0.03)
            connection.respond(b"x")

    with client(NON_BLOCKING, max_connections_per_origin=1, connect_timeout=0.5) as http:
        futures = [http.get(scripted(handler).url) for _ in range(1)]
        url = scripted(handler).url
        futures += [http.get(url) for _ in range(40)]
        assert [future.result(LIMIT).content for future in futures] == [b"x"] * 41


def test_those_who_wait_too_long_are_told_in_their_order(scripted: ScriptedServers) -> None:
    over = threading.Event()
    server = scripted(script(expect(b"\r\n\r\n"), wait(over), send(HEAD + b"0123456789"), hold()), aborts=True)
    with client(NON_BLOCKING, max_connections_per_origin=1) as http:
        first = http.get(server.url)
        limits = [0.3, 0.1, 0.2, 0.05]
        waiting = [http.get(server.url, timeout=limit) for limit in limits]
        last = http.get(server.url, timeout=LONG)
        ended: list[float] = []
        for future, limit in zip(waiting, limits, strict=True):
            future.add_done_callback(lambda _, limit=limit: ended.append(limit))
        for future in waiting:
            assert isinstance(future.exception(LIMIT), DeadlineError)
        assert ended == sorted(limits)
        assert not first.done()
        assert not last.done()
        last.cancel()
        over.set()
        assert first.result(LIMIT).content == b"0123456789"


# HTTP/2 has the same limits


@both_ways
@pytest.mark.parametrize(("limits", "kind"), [
    ({"recv_timeout": SHORT}, ReceiveTimeoutError), ({"timeout": SHORT}, DeadlineError)
])  # fmt: skip
def test_http2(way: Way, limits: dict[str, float], kind: type[HttpTimeoutError], http2_scripted: Any) -> None:
    def handler(session: Any) -> None:
        while session.receive_head():
            pass

    server = http2_scripted(handler, aborts=True)
    with TgoHttpClient(True, way.blocking, connect_timeout=LONG, recv_timeout=LONG) as http:
        error = way.fail(http, "GET", server.url, **limits)
        assert type(error) is kind
