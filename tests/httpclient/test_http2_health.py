"""Servers that are silently gone: PING, and SETTINGS that don't come."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from h2.events import ConnectionTerminated, PingReceived

from httpclient import Http2ConnectionError, ReceiveTimeoutError, TgoHttpClient
from httpclient.http2.health import Http2Health
from httpclient.http2.session import Http2Session as ClientSession
from tests.httpclient import http2_peer as wire
from tests.httpclient.ways import Way, both_ways
from tests.servers.http2 import ErrorCodes, Http2Session, answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Http2Servers, ScriptedServers
    from tests.servers.nghttpd import Nghttpd
    from tests.servers.scripted import Connection


def wait_until(condition: Callable[[], object]) -> None:
    limit = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < limit, "waited for too long"
        time.sleep(0.01)


def until_closed(session: Http2Session) -> None:
    while session.pump():
        pass


@both_ways
@pytest.mark.usefixtures("no_leaks")
def test_ping_on_an_idle_connection(way: Way, nghttpd_clear: Nghttpd) -> None:
    with way.client(http2=True, http2_ping_interval=0.05) as http:
        way.get(http, nghttpd_clear.url + "/1k")
        wait_until(lambda: http.http2_statistics()[0].pings_answered >= 3)
        (statistics,) = http.http2_statistics()
        assert statistics.round_trip_time is not None
        assert 0 < statistics.round_trip_time < 10
        assert way.get(http, nghttpd_clear.url + "/1k").ok
        assert statistics.streams_opened == 1
        assert http.http2_statistics()[0].streams_opened == 2


@both_ways
@pytest.mark.usefixtures("no_leaks")
def test_ping_while_a_request_waits(way: Way, http2_scripted: Http2Servers) -> None:
    def handler(session: Http2Session) -> None:
        head = session.receive_head()
        assert head is not None
        for _ in range(3):
            session.wait_for(PingReceived)
        session.respond(head.stream_id, b"alive")
        until_closed(session)

    server = http2_scripted(handler)
    with way.client(http2=True, http2_ping_interval=0.05) as http:
        assert way.get(http, server.url).content == b"alive"


@pytest.mark.usefixtures("no_leaks")
def test_no_ping_unless_asked_for(http2_scripted: Http2Servers) -> None:
    server = http2_scripted(answer(b"x"))
    with TgoHttpClient(True) as http:
        http.get(server.url)
        time.sleep(0.2)
        http.get(server.url)
    assert not any(isinstance(event, PingReceived) for event in server.sessions[0].events)


def test_a_server_that_speaks_is_not_asked(http2_scripted: Http2Servers) -> None:
    def handler(session: Http2Session) -> None:
        head = session.receive_head()
        assert head is not None
        session.send_headers(head.stream_id, [(":status", "200")])
        for _ in range(20):
            time.sleep(0.02)
            session.send_data(head.stream_id, b"x")
        session.send_data(head.stream_id, b"", end=True)
        until_closed(session)

    server = http2_scripted(handler)
    with TgoHttpClient(True, http2_ping_interval=0.3) as http:
        assert http.get(server.url).content == b"x" * 20
        assert http.http2_statistics()[0].pings_answered == 0


@pytest.mark.usefixtures("no_leaks")
def test_a_server_that_is_gone_fails_everything_at_once(http2_scripted: Http2Servers) -> None:
    def handler(session: Http2Session) -> None:
        first = session.receive_request()
        assert first is not None
        session.respond(first.stream_id, b"last words")
        gone.wait(20)

    gone = threading.Event()
    server = http2_scripted(handler)
    options: dict[str, Any] = {"recv_timeout": 60, "http2_ping_interval": 0.1, "http2_ping_timeout": 0.2}
    with TgoHttpClient(True, **options) as http, TgoHttpClient(True, False, **options) as later:
        assert http.get(server.url).content == b"last words"
        later._pool = http._pool
        with ThreadPoolExecutor(4) as pool, http.open_stream("POST", server.url) as stream:
            waiting: list[Any] = [pool.submit(http.get, server.url) for _ in range(3)]
            waiting += [later.get(server.url) for _ in range(5)]
            waiting.append(pool.submit(stream.receive))
            for future in waiting:
                error = future.exception(15)
                assert isinstance(error, ReceiveTimeoutError)
                assert "did not answer PING within 0.2 s" in str(error)
                assert server.url in str(error)
        later._pool = None
        assert http.http2_statistics() == []
        gone.set()


@pytest.mark.usefixtures("no_leaks")
def test_an_idle_connection_to_a_server_that_is_gone_is_dropped(http2_scripted: Http2Servers) -> None:
    def handler(session: Http2Session) -> None:
        request = session.receive_request()
        assert request is not None
        session.respond(request.stream_id, b"x")
        gone.wait(20)

    gone = threading.Event()
    server = http2_scripted(handler)
    with TgoHttpClient(True, http2_ping_interval=0.1, http2_ping_timeout=0.1) as http:
        http.get(server.url)
        wait_until(lambda: http.http2_statistics() == [])
        assert http.get(server.url).content == b"x"
        assert server.accepted == 2
        gone.set()


@both_ways
@pytest.mark.parametrize("sends", [False, True], ids=["no SETTINGS", "no acknowledgement"])
@pytest.mark.usefixtures("no_leaks")
def test_settings_that_do_not_come(way: Way, sends: bool, scripted: ScriptedServers) -> None:
    def handler(connection: Connection) -> None:
        if sends:
            connection.send(wire.settings())
        while data := connection.receive_some():
            received.append(data)

    received: list[bytes] = []
    server = scripted(handler)
    with way.client(http2=True, recv_timeout=60) as http:
        http._open_pool().http2_options["settings_timeout"] = 0.2
        error = way.fail(http, "GET", server.url)
        assert isinstance(error, Http2ConnectionError)
        assert error.error_code == ErrorCodes.SETTINGS_TIMEOUT
        assert ("acknowledge ours" if sends else "send its SETTINGS") in str(error)
        assert "SETTINGS_TIMEOUT" in str(error)
        wait_until(lambda: b"".join(received)[-17:-9] == b"\0\0\x08\x07\0\0\0\0")  # GOAWAY
    assert b"".join(received)[-4:] == b"\0\0\0\x04"


@pytest.mark.usefixtures("no_leaks")
def test_settings_that_come_late_but_in_time(http2_scripted: Http2Servers) -> None:
    server = http2_scripted(answer(b"x"))
    with TgoHttpClient(True) as http:
        http._open_pool().http2_options["settings_timeout"] = 0.1
        http.get(server.url)
        time.sleep(0.3)
        assert http.get(server.url).content == b"x"
    assert server.accepted == 1
    assert not any(
        isinstance(event, ConnectionTerminated) and event.error_code for event in server.sessions[0].events
    )


@pytest.mark.parametrize("options", [{"http2_ping_interval": -1}, {"http2_ping_timeout": 0}])
def test_times_that_are_none(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        TgoHttpClient(**options)


def test_the_times() -> None:
    session = ClientSession()
    health = Http2Health(100.0, 20.0, 10.0, 5.0)
    assert health.due == 110.0
    assert health.look(session, 109.0, True) is None
    assert not health.expects_answer
    assert health.look(session, 110.0, True) is None
    assert health.expects_answer
    assert health.due == 115.0
    health.heard = 111.0
    assert health.look(session, 115.0, True) is None
    assert (health.expects_answer, health.due) == (False, 120.0)  # for the SETTINGS
    wire.feed(session, wire.settings() + wire.frame(wire.SETTINGS, wire.ACK))
    assert health.look(session, 121.0, True) is None  # and time for another PING
    assert health.due == 126.0
    assert health.look(session, 125.9, True) is None
    assert isinstance(health.look(session, 126.0, True), ReceiveTimeoutError)
    session.close()
