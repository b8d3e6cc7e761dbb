"""How many connections there are, who gets the next one, and what becomes of those that nobody uses."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from httpclient import PoolTimeoutError, TgoHttpClient, TgoHttpClientManager
from tests.httpclient.ways import BLOCKING, LIMIT, NON_BLOCKING, Way, both_ways
from tests.servers.scripted import answer, expect, hold, script, send

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Http2Servers, ScriptedServers
    from tests.servers.connection import Connection
    from tests.servers.scripted import ScriptedServer

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"


def eventually(true: Callable[[], object]) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + LIMIT
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def open_at(server: ScriptedServer) -> int:
    """Return how many connections of a server aren't closed."""
    return sum(not connection.finished.is_set() for connection in server.connections)


# Statistics


def test_statistics_of_a_client_without_connections(refused_port: int) -> None:
    with BLOCKING.client() as http:
        statistics = http.pool_statistics()
        assert (statistics.open, statistics.idle, statistics.opening, statistics.waiting) == (0, 0, 0, 0)
        assert statistics.origins == {}
        http.close_idle_connections()
        BLOCKING.fail(http, "GET", f"http://127.0.0.1:{refused_port}/")
        assert http.pool_statistics().open == 0
    assert http.pool_statistics().open == 0


def test_statistics(scripted: ScriptedServers, silent_port: int) -> None:
    server = scripted(answer(b"x"))
    slow = scripted(script(expect(b"\r\n\r\n"), send(HEAD), hold()), aborts=True)
    with NON_BLOCKING.client(max_connections_per_origin=2, connect_timeout=600.0) as http:
        assert http.get(server.url).result(LIMIT).content == b"x"
        futures = [http.get(slow.url) for _ in range(5)]
        connecting = http.get(f"http://127.0.0.1:{silent_port}/")
        slow.wait_for_connections(2)
        eventually(lambda: http.pool_statistics().open == 3 and http.pool_statistics().waiting == 3)
        statistics = http.pool_statistics()
        assert (statistics.open, statistics.idle, statistics.opening, statistics.waiting) == (3, 1, 1, 3)
        assert len(statistics.origins) == 3
        one = next(each for origin, each in statistics.origins.items() if f":{slow.port}" in origin)
        assert (one.open, one.idle, one.opening, one.waiting) == (2, 0, 0, 3)
        for future in [*futures, connecting]:
            future.cancel()
        eventually(lambda: http.pool_statistics().opening == http.pool_statistics().waiting == 0)

        def nothing_left() -> bool:
            http.close_idle_connections()
            return http.pool_statistics().open == 0

        eventually(nothing_left)


@both_ways
def test_closing_what_is_idle(way: Way, scripted: ScriptedServers) -> None:
    servers = [scripted(answer(b"x")) for _ in range(3)]
    with way.client() as http:
        for server in servers:
            assert way.get(http, server.url).content == b"x"
        assert http.pool_statistics().idle == 3
        http.close_idle_connections()
        for server in servers:
            server.wait_until_finished()
        assert http.pool_statistics().open == 0
        assert way.get(http, servers[0].url).content == b"x"


@both_ways
def test_closing_what_is_idle_leaves_what_is_in_use(way: Way, scripted: ScriptedServers) -> None:
    go_on = threading.Event()
    slow = script(expect(b"\r\n\r\n"), send(HEAD), lambda c: c.wait(go_on), send(b"0123456789"), hold())
    server = scripted([slow, answer(b"x")], aborts=True)
    with way.client() as http, http.stream("GET", server.url) as response:
        assert way.get(http, server.url).content == b"x"
        http.close_idle_connections()
        assert http.pool_statistics().open == 1
        go_on.set()
        assert response.content == b"0123456789"


@both_ways
def test_closing_an_idle_http2_connection(way: Way, http2_scripted: Http2Servers) -> None:
    def handler(session: Any) -> None:
        while (request := session.receive_request()) is not None:
            session.respond(request.stream_id, body=b"x")

    server = http2_scripted(handler, aborts=True)
    with TgoHttpClient(True, way.blocking) as http:
        for _ in range(3):
            assert way.get(http, server.url).content == b"x"
            eventually(lambda: http.pool_statistics().idle == 1)
            http.close_idle_connections()
            assert http.pool_statistics().open == 0
    assert server.accepted == 3


# Limits


@pytest.mark.parametrize("limits", [
    {"max_connections_per_origin": 0}, {"max_connections": -1}, {"max_idle_connections": -1},
    {"keep_alive_expiry": -1.0}, {"keep_alive_expiry": float("nan")},
])  # fmt: skip
def test_limits_that_make_no_sense(limits: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(limits))):
        TgoHttpClient(**limits)
    with pytest.raises(ValueError, match=next(iter(limits))):
        TgoHttpClientManager(**limits)


@both_ways
@pytest.mark.usefixtures("no_leaks")
def test_the_limit_for_all_origins_together(way: Way, scripted: ScriptedServers) -> None:
    most, now = 0, 0
    lock = threading.Lock()

    def handler(connection: Connection) -> None:
        nonlocal most, now
        while connection.receive_request():
            with lock:
                now += 1
                most = max(most, now)
            time.sleep(0.002)
            with lock:
                now -= 1
            connection.respond(b"x")

    servers = [scripted(handler) for _ in range(7)]
    with way.client(max_connections=3) as http:
        results: list[bytes] = []

        def work(number: int) -> None:
            results.extend(way.get(http, servers[(number + turn) % 7].url).content for turn in range(10))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LIMIT)
        assert results == [b"x"] * 160
        assert most <= 3
        statistics = http.pool_statistics()
        assert statistics.open <= 3
        assert statistics.waiting == statistics.opening == 0
        assert http._pool is not None
        assert http._pool.places.used == statistics.open


@both_ways
def test_idle_connections_make_room_the_longest_idle_one_first(way: Way, scripted: ScriptedServers) -> None:
    servers = [scripted(answer(b"x")) for _ in range(4)]
    with way.client(max_connections=3) as http:
        for number in (0, 1, 2, 0):  # so that 1 is the one that has been idle for longest
            assert way.get(http, servers[number].url).content == b"x"
        assert way.get(http, servers[3].url).content == b"x"
        servers[1].wait_until_finished()
        assert [open_at(server) for server in servers] == [1, 0, 1, 1]
        assert way.get(http, servers[1].url).content == b"x"
        servers[2].wait_until_finished()
        assert [open_at(server) for server in servers] == [1, 1, 0, 1]
        for number in (0, 1, 3):
            assert way.get(http, servers[number].url).content == b"x"
    assert [server.accepted for server in servers] == [1, 2, 1, 1]


@both_ways
def test_idle_http2_connections_make_room_too(way: Way, http2_scripted: Http2Servers) -> None:
    def handler(session: Any) -> None:
        while (request := session.receive_request()) is not None:
            session.respond(request.stream_id, body=b"2")

    servers = [http2_scripted(handler, aborts=True) for _ in range(2)]
    with TgoHttpClient(True, way.blocking, max_connections=1) as http:
        for turn in range(6):
            assert way.get(http, servers[turn % 2].url).content == b"2"
    assert [server.accepted for server in servers] == [3, 3]


def test_a_busy_http2_connection_gives_its_place_away_when_it_is_through(http2_scripted: Http2Servers) -> None:
    go_on = threading.Event()

    def handler(session: Any) -> None:
        while (request := session.receive_request()) is not None:
            if request.value(":path") == "/slow":
                assert go_on.wait(LIMIT)
            session.respond(request.stream_id, body=b"2")

    first = http2_scripted(handler, aborts=True)
    second = http2_scripted(handler, aborts=True)
    with TgoHttpClient(True, False, max_connections=1) as http:
        slow = http.get(first.url + "/slow")
        eventually(lambda: http.pool_statistics().open == 1)
        waiting = http.get(second.url)
        eventually(lambda: http.pool_statistics().waiting == 1)
        go_on.set()
        assert slow.result(LIMIT).content == b"2"
        assert waiting.result(LIMIT).content == b"2"


def test_who_waits_across_origins_is_served_in_order(scripted: ScriptedServers) -> None:
    go_on = threading.Event()
    order: list[str] = []

    def handler(connection: Connection) -> None:
        while request := connection.receive_request():
            if request.target == "/first":
                connection.wait(go_on)
            order.append(request.target)
            connection.respond(b"x")

    servers = [scripted(handler, aborts=True) for _ in range(3)]
    with NON_BLOCKING.client(max_connections=1) as http:
        futures = [http.get(servers[0].url + "/first")]
        servers[0].wait_for_connections(1)
        expected = ["/first"]
        for number in (1, 0, 2, 2, 0, 1, 1, 0, 2):
            target = f"/{number}-{len(futures)}"
            futures.append(http.get(servers[number].url + target))
            expected.append(target)
        eventually(lambda: http.pool_statistics().waiting == 9)
        go_on.set()
        for future in futures:
            assert future.result(LIMIT).content == b"x"
        assert order == expected


def test_who_gives_up_first_in_line_is_no_obstacle(scripted: ScriptedServers) -> None:
    go_on = threading.Event()
    slow = script(expect(b"\r\n\r\n"), lambda c: c.wait(go_on), send(HEAD + b"0123456789"), hold())
    busy = scripted(slow, aborts=True)
    other = scripted(answer(b"x"))
    with NON_BLOCKING.client(max_connections=1) as http:
        first = http.get(busy.url)
        busy.wait_for_connections(1)
        waiting = [http.get(other.url) for _ in range(6)]
        eventually(lambda: http.pool_statistics().waiting == 6)
        for future in waiting[:3]:
            future.cancel()
        late = http.get(other.url, pool_timeout=0.05)
        assert isinstance(late.exception(LIMIT), PoolTimeoutError)
        eventually(lambda: http.pool_statistics().waiting == 3)
        go_on.set()
        assert first.result(LIMIT).content == b"0123456789"
        for future in waiting[3:]:
            assert future.result(LIMIT).content == b"x"


def test_a_busy_origin_does_not_starve_another(scripted: ScriptedServers) -> None:
    busy, other = scripted(answer(b"x"), aborts=True), scripted(answer(b"y"))
    over = threading.Event()
    with BLOCKING.client(max_connections=2, connect_timeout=LIMIT) as http:

        def work() -> None:
            while not over.is_set():
                assert http.get(busy.url).content == b"x"

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(5):
                assert http.get(other.url).content == b"y"
                http.close_idle_connections()
        finally:
            over.set()
            for thread in threads:
                thread.join(LIMIT)


def test_the_limit_of_an_origin_holds_nobody_else_up(scripted: ScriptedServers) -> None:
    slow = scripted(script(expect(b"\r\n\r\n"), hold()), aborts=True)
    quick = scripted(answer(b"x"))
    with NON_BLOCKING.client(max_connections=3, max_connections_per_origin=1) as http:
        stuck = [http.get(slow.url) for _ in range(5)]
        for _ in range(3):
            assert http.get(quick.url).result(LIMIT).content == b"x"
        assert not any(future.done() for future in stuck)


@both_ways
def test_a_failed_connection_gives_its_place_away(way: Way, scripted: ScriptedServers, refused_port: int) -> None:
    server = scripted(answer(b"x"))
    with way.client(max_connections=1) as http:
        for _ in range(5):
            way.fail(http, "GET", f"http://127.0.0.1:{refused_port}/")
            assert way.get(http, server.url).content == b"x"


# Idle connections


def test_idle_connections_beyond_their_limit_are_closed(scripted: ScriptedServers) -> None:
    servers = [scripted(answer(b"x")) for _ in range(6)]
    with BLOCKING.client(max_idle_connections=2) as http:
        for server in servers:
            assert http.get(server.url).content == b"x"
            assert http.pool_statistics().idle <= 3
        eventually(lambda: http.pool_statistics().idle == 2)
        eventually(lambda: [open_at(server) for server in servers] == [0, 0, 0, 0, 1, 1])


def test_a_burst_leaves_no_more_than_the_limit(scripted: ScriptedServers) -> None:
    all_there = threading.Barrier(6, timeout=LIMIT)

    def handler(connection: Connection) -> None:
        while connection.receive_request():
            all_there.wait()
            connection.respond(b"x")

    server = scripted(handler)
    with NON_BLOCKING.client(max_idle_connections=2) as http:
        for future in [http.get(server.url) for _ in range(6)]:
            assert future.result(LIMIT).content == b"x"
        eventually(lambda: http.pool_statistics().open == 2)
        eventually(lambda: open_at(server) == 2)


@both_ways
def test_idle_connections_expire(way: Way, scripted: ScriptedServers) -> None:
    server = scripted(answer(b"x"))
    with way.client(keep_alive_expiry=0.1) as http:
        assert way.get(http, server.url).content == b"x"
        server.wait_until_finished()
        assert http.pool_statistics().open == 0
        assert way.get(http, server.url).content == b"x"
    assert server.accepted == 2


@both_ways
def test_idle_http2_connections_expire(way: Way, http2_scripted: Http2Servers) -> None:
    def handler(session: Any) -> None:
        while (request := session.receive_request()) is not None:
            session.respond(request.stream_id, body=b"x")

    server = http2_scripted(handler, aborts=True)
    with TgoHttpClient(True, way.blocking, keep_alive_expiry=0.1) as http:
        assert way.get(http, server.url).content == b"x"
        eventually(lambda: http.pool_statistics().open == 0)
        assert way.get(http, server.url).content == b"x"
    assert server.accepted == 2


@both_ways
@pytest.mark.parametrize("value", ["timeout=1", "timeout=1, max=100", 'max=5, timeout="1"', "max=0", "TIMEOUT = 0"])
def test_what_the_server_says_of_keeping_it(way: Way, value: str, scripted: ScriptedServers) -> None:
    server = scripted(answer(b"x", fields=[("Keep-Alive", value)]))
    with way.client(keep_alive_expiry=600.0) as http:
        assert way.get(http, server.url).content == b"x"
        server.wait_until_finished()
        assert http.pool_statistics().open == 0


@pytest.mark.parametrize("value", ["timeout=60", "max=3", "timeout=abc", "timeout=", "x", "timeout=99999999999", ""])
def test_what_keeps_a_connection(value: str, scripted: ScriptedServers) -> None:
    server = scripted(answer(b"x", fields=[("Keep-Alive", value)]))
    with BLOCKING.client(keep_alive_expiry=600.0) as http:
        assert http.get(server.url).content == b"x"
        origin = next(iter(http._pool._origins.values()))  # type: ignore[union-attr]
        connection = origin._idle[0]
        eventually(lambda: connection.connection.attached)
        assert connection.keep_alive() == (59.0 if value == "timeout=60" else float("inf"))
        assert http.get(server.url).content == b"x"
    assert server.accepted == 1


@both_ways
@pytest.mark.parametrize("side", ["server", "client"])
def test_connection_close(way: Way, side: str, scripted: ScriptedServers) -> None:
    server = scripted(answer(b"x", fields=[("Connection", "close")] if side == "server" else []))
    headers = {"connection": "keep-alive, Close"} if side == "client" else {}
    with way.client() as http:
        for _ in range(3):
            assert way.get(http, server.url, headers=headers).content == b"x"
            assert http.pool_statistics().open == 0
    assert server.accepted == 3


@both_ways
@pytest.mark.parametrize(("field", "kept"), [("", False), ("Connection: keep-alive\r\n", True)])
def test_http10(way: Way, field: str, kept: bool, scripted: ScriptedServers) -> None:
    def handler(connection: Connection) -> None:
        while connection.receive_request():
            connection.send(f"HTTP/1.0 200 OK\r\n{field}Content-Length: 1\r\n\r\nx".encode())

    server = scripted(handler, aborts=True)
    with way.client() as http:
        for _ in range(3):
            assert way.get(http, server.url).content == b"x"
    assert server.accepted == (1 if kept else 3)


def test_an_idle_connection_that_the_server_closes_is_noticed(scripted: ScriptedServers) -> None:
    leave = threading.Event()

    def handler(connection: Connection) -> None:
        assert connection.receive_request()
        connection.respond(b"x")
        connection.wait(leave)

    server = scripted(handler)
    for way in (BLOCKING, NON_BLOCKING):
        leave.clear()
        with way.client(keep_alive_expiry=600.0) as http:
            assert way.get(http, server.url).content == b"x"
            origin: Any = next(iter(http._pool._origins.values()))  # type: ignore[union-attr]
            eventually(lambda: origin._idle[0].connection.attached)  # noqa: B023
            leave.set()
            eventually(lambda: http.pool_statistics().open == 0)
