"""The life of an HTTP/2 connection: numbers that run out, settings that change, ends that are announced."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from h2.events import ConnectionTerminated, DataReceived, RequestReceived, SettingsAcknowledged, StreamEnded

from httpclient import Http2ConnectionError, TgoHttpClient
from nghttp2_api import nghttp2_session_get_remote_window_size, nghttp2_session_set_next_stream_id
from tests.httpclient import http2_peer as wire
from tests.httpclient.ways import Way, both_ways
from tests.servers.http2 import ErrorCodes, Http2Session, SettingCodes, answer
from tests.servers.scripted import listen

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Http2Servers

ALTSVC, ORIGIN, UNKNOWN = 0xA, 0xC, 0xFA


def wait_until(condition: Callable[[], object]) -> None:
    limit = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < limit, "waited for too long"
        time.sleep(0.01)


def until_closed(session: Http2Session) -> None:
    while session.pump():
        pass


def connection_of(http: TgoHttpClient) -> Any:
    (connection,) = http._pool.http2_connections()  # type: ignore[union-attr]
    return connection


@both_ways
@pytest.mark.usefixtures("no_leaks")
def test_stream_numbers_run_out(way: Way, http2_scripted: Http2Servers) -> None:
    server = http2_scripted(answer(b"fine"))
    with way.client(http2=True) as http:
        way.get(http, server.url)
        connection = connection_of(http)
        with connection._lock:
            assert nghttp2_session_set_next_stream_id(connection.session._pointer, 2**31 - 3) == 0
        for _ in range(4):
            assert way.request(http, "POST", server.url, data=b"once").content == b"fine"
        assert server.accepted == 2
        assert connection_of(http) is not connection
    sent = [event.stream_id for event in server.sessions[0].events if isinstance(event, RequestReceived)]
    assert sent == [1, 2**31 - 3, 2**31 - 1]
    (goodbye,) = [event for event in server.sessions[0].events if isinstance(event, ConnectionTerminated)]
    assert goodbye.error_code == ErrorCodes.NO_ERROR


@pytest.mark.usefixtures("no_leaks")
def test_stream_numbers_run_out_under_load(http2_scripted: Http2Servers) -> None:
    server = http2_scripted(answer(b"fine"))
    with TgoHttpClient(True) as http, TgoHttpClient(True, False) as later, ThreadPoolExecutor(8) as pool:
        http.get(server.url)
        later._pool = http._pool
        connection = connection_of(http)
        with connection._lock:
            assert nghttp2_session_set_next_stream_id(connection.session._pointer, 2**31 - 41) == 0
        futures: list[Any] = [pool.submit(http.get, server.url) for _ in range(50)]
        futures += [later.get(server.url) for _ in range(50)]
        assert {future.result(30).content for future in futures} == {b"fine"}
        later._pool = None
    assert server.accepted == 2


@both_ways
@pytest.mark.usefixtures("no_leaks")
def test_an_idle_connection_is_closed_with_goaway(way: Way, http2_scripted: Http2Servers) -> None:
    server = http2_scripted(answer(b"x"))
    with way.client(http2=True, keep_alive_expiry=0.2) as http:
        way.get(http, server.url)
        wait_until(lambda: http.http2_statistics() == [])
        wait_until(lambda: any(isinstance(event, ConnectionTerminated) for event in server.sessions[0].events))
        assert way.get(http, server.url).content == b"x"
    (goodbye,) = [event for event in server.sessions[0].events if isinstance(event, ConnectionTerminated)]
    assert goodbye.error_code == ErrorCodes.NO_ERROR
    assert server.accepted == 2


def test_a_connection_is_not_idle_while_a_stream_is_read(http2_scripted: Http2Servers) -> None:
    def handler(session: Http2Session) -> None:
        head = session.receive_head()
        assert head is not None
        session.send_headers(head.stream_id, [(":status", "200")])
        session.send_data(head.stream_id, b"first")
        more.wait(10)
        session.send_data(head.stream_id, b"second", end=True)
        until_closed(session)

    more = threading.Event()
    server = http2_scripted(handler)
    with TgoHttpClient(True, keep_alive_expiry=0.1) as http, http.stream("GET", server.url) as response:
        pieces = response.iter_bytes()
        assert next(pieces) == b"first"
        wait_until(lambda: connection_of(http).connection.attached)  # so that PING would be answered
        more.set()
        assert list(pieces) == [b"second"]
        wait_until(lambda: http.http2_statistics() == [])  # and now it is


# SETTINGS


@pytest.mark.usefixtures("no_leaks")
def test_the_number_of_streams_changes(http2_scripted: Http2Servers) -> None:
    def handler(session: Http2Session) -> None:
        first = session.receive_request()
        assert first is not None
        for limit in (2, 41, 3):  # of which the first request has one all the time
            session.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: limit})
            session.wait_for(SettingsAcknowledged)
            changed.release()
            most = served = 0
            while served < 40:
                if not session.pump():
                    return
                for event in session.take():
                    if isinstance(event, RequestReceived):
                        waiting.append(event.stream_id)
                most = max(most, len(waiting))
                if len(waiting) >= min(limit - 1, 40 - served):
                    for stream_id in waiting:
                        session.respond(stream_id, b"x")
                        served += 1
                    waiting.clear()
            seen.append(most)
        session.respond(first.stream_id, b"last")
        until_closed(session)

    waiting: list[int] = []
    seen: list[int] = []
    changed = threading.Semaphore(0)
    server = http2_scripted(handler, settings={SettingCodes.MAX_CONCURRENT_STREAMS: 100})
    with TgoHttpClient(True, False) as http:
        first = http.get(server.url)
        for _ in range(3):
            assert changed.acquire(timeout=10)
            for future in [http.get(server.url) for _ in range(40)]:
                assert future.result(20).content == b"x"
        assert first.result(10).content == b"last"
    assert seen == [1, 40, 2]
    assert server.accepted == 1


@both_ways
@pytest.mark.parametrize("size", [0, 1, 100, 60_000])
def test_the_window_shrinks_below_what_is_under_way(way: Way, size: int, http2_scripted: Http2Servers) -> None:
    """RFC 9113 section 6.9.2: the window becomes negative, and nothing is sent until it is positive again."""

    def handler(session: Http2Session) -> None:
        head = session.receive_head()
        assert head is not None
        received = 0
        while received < 65_535:
            received += session.wait_for(DataReceived).flow_controlled_length
        session.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: size})  # the window is size - 65535 now
        session.wait_for(SettingsAcknowledged)
        for event in session.events:
            if isinstance(event, DataReceived):
                session.h2.acknowledge_received_data(event.flow_controlled_length, head.stream_id)
        session.h2.increment_flow_control_window(1 << 20, head.stream_id)
        session.h2.increment_flow_control_window(1 << 20)
        session.flush()
        session.wait_for(StreamEnded)
        body = b"".join(event.data for event in session.events if isinstance(event, DataReceived))
        session.respond(head.stream_id, hashlib.sha256(body).digest())
        until_closed(session)

    server = http2_scripted(handler, acknowledge=False)
    data = bytes(range(256)) * 2000
    with way.client(http2=True) as http:
        assert way.request(http, "POST", server.url, data=data).content == hashlib.sha256(data).digest()


@both_ways
def test_a_window_of_one_byte(way: Way, http2_scripted: Http2Servers) -> None:
    server = http2_scripted(echo, settings={SettingCodes.INITIAL_WINDOW_SIZE: 1})
    data = bytes(range(256))
    with way.client(http2=True) as http:
        way.get(http, server.url)  # until the SETTINGS are there, it is 64 KiB
        assert way.request(http, "POST", server.url, data=data).content == data
        assert way.request(http, "POST", server.url, data=iter([data, data])).content == data * 2


def echo(session: Http2Session) -> None:
    while (request := session.receive_request()) is not None:
        session.respond(request.stream_id, request.body)


@both_ways
def test_larger_frames_are_allowed(way: Way, http2_scripted: Http2Servers) -> None:
    large = {SettingCodes.MAX_FRAME_SIZE: 1 << 20, SettingCodes.INITIAL_WINDOW_SIZE: 1 << 22}
    server = http2_scripted(echo, settings=large)
    data = bytes(range(256)) * 4096
    with way.client(http2=True) as http:
        for _ in range(2):
            assert way.request(http, "POST", server.url, data=data).content == data


@both_ways
@pytest.mark.parametrize("sizes", [(0,), (0, 4096), (65536,), (100, 0, 8192)])
def test_the_header_table_changes(way: Way, sizes: tuple[int, ...], http2_scripted: Http2Servers) -> None:
    """RFC 7541 section 4.2: what the server's decoder keeps may shrink and grow at any time."""

    def handler(session: Http2Session) -> None:
        for size in sizes:
            request = session.receive_request()
            assert request is not None
            session.update_settings({SettingCodes.HEADER_TABLE_SIZE: size})
            session.respond(request.stream_id, (request.value("x-long") or "").encode())
        echo_field(session)

    def echo_field(session: Http2Session) -> None:
        while (request := session.receive_request()) is not None:
            session.respond(request.stream_id, (request.value("x-long") or "").encode())

    server = http2_scripted(handler)
    with way.client(http2=True) as http:
        for turn in range(len(sizes) + 5):
            value = f"{turn}-" + "v" * (turn * 150)
            assert way.get(http, server.url, headers={"X-Long": value}).content == value.encode()


# Frames that nobody has asked for


@both_ways
def test_what_isnt_known_is_ignored(way: Way, http2_scripted: Http2Servers) -> None:
    def handler(session: Http2Session) -> None:
        while (head := session.receive_head()) is not None:
            session.send_frame(ALTSVC, 0, 0, b"\0\x0bhttp://a.bc" + b'h3=":443"')
            session.send_frame(ORIGIN, 0, 0, b"\0\x0chttps://a.bcd")
            session.send_frame(UNKNOWN, 0xFF, 0, b"whatever")
            session.send_frame(UNKNOWN, 0, head.stream_id, bytes(16_384))
            session.send_headers(head.stream_id, [(":status", "200")])
            session.send_frame(ALTSVC, 0, head.stream_id, b"\0\0" + b"clear")
            session.send_frame(UNKNOWN, 1, head.stream_id, b"")
            session.send_data(head.stream_id, b"fine", end=True)

    server = http2_scripted(handler)
    with way.client(http2=True) as http:
        for _ in range(3):
            assert way.get(http, server.url).content == b"fine"
    assert server.accepted == 1


@both_ways
@pytest.mark.usefixtures("no_leaks")
def test_pushes_are_refused(way: Way, http2_scripted: Http2Servers) -> None:
    def handler(session: Http2Session) -> None:
        head = session.receive_head()
        assert head is not None
        if server.accepted > 1:
            session.respond(head.stream_id, b"fine")
        else:
            block = wire.block([(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"a"), (b":path", b"/")])
            session.send_frame(wire.PUSH_PROMISE, wire.END_HEADERS, head.stream_id, b"\0\0\0\2" + block)
        until_closed(session)

    server = http2_scripted(handler)
    with way.client(http2=True) as http:
        error = way.fail(http, "GET", server.url)
        assert isinstance(error, Http2ConnectionError)
        assert error.error_code == ErrorCodes.PROTOCOL_ERROR
        assert "PUSH" in str(error).upper()
        assert way.get(http, server.url).content == b"fine"
    settings = next(event for event in server.sessions[0].events if type(event).__name__ == "RemoteSettingsChanged")
    assert settings.changed_settings[SettingCodes.ENABLE_PUSH].new_value == 0  # type: ignore[attr-defined]


# Sending while another thread listens


def window(connection: Any) -> int:
    with connection._lock:
        size: int = nghttp2_session_get_remote_window_size(connection.session._pointer)
        return size


@pytest.mark.usefixtures("no_leaks")
def test_an_upload_while_the_driver_listens(http2_scripted: Http2Servers) -> None:
    """The driver waits for input on a silent connection; another thread's body doesn't fit into the socket at once, and
    the server says nothing until it has all of it. Nobody but the worker can send the rest."""

    def handler(session: Http2Session) -> None:
        first = session.receive_head()
        session.h2.increment_flow_control_window(size)
        session.flush()
        second = session.receive_head()
        assert first is not None
        assert second is not None
        let_go.wait(10)
        session.wait_for(StreamEnded, second.stream_id)
        body = b"".join(
            event.data
            for event in session.events
            if isinstance(event, DataReceived) and event.stream_id == second.stream_id
        )
        session.respond(second.stream_id, hashlib.sha256(body).digest())
        session.respond(first.stream_id, b"first")
        until_closed(session)

    let_go = threading.Event()
    size = 12 << 20
    listener = listen("127.0.0.1")
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    # All of it may be sent at once, so no WINDOW_UPDATE ever wakes the driver.
    server = http2_scripted(
        handler, listener=listener, acknowledge=False, settings={SettingCodes.INITIAL_WINDOW_SIZE: size + 1}
    )
    data = bytes(range(256)) * (size // 256)
    with TgoHttpClient(True, recv_timeout=20) as http, ThreadPoolExecutor(2) as pool:
        driver = pool.submit(http.get, server.url)
        wait_until(lambda: http.http2_statistics() and window(connection_of(http)) > size)
        sender = pool.submit(http.post, server.url, data=data)
        time.sleep(0.1)
        let_go.set()
        assert sender.result(30).content == hashlib.sha256(data).digest()
        assert driver.result(10).content == b"first"
