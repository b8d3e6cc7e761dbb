"""Streams in both directions at once: open_stream(), and requests with trailer fields."""

from __future__ import annotations

import gc
import hashlib
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from h2.events import DataReceived, StreamEnded, StreamReset, UnknownFrameReceived

from httpclient import (
    BodyError,
    BodyWithTrailers,
    DeadlineError,
    Http2StreamError,
    HttpProtocolError,
    InvalidRequestError,
    ReceiveTimeoutError,
    RemoteClosedError,
    RequestAbortedError,
    SendTimeoutError,
    TgoHttpClient,
)
from tests.httpclient.ways import Way, both_ways
from tests.servers.http2 import ErrorCodes, Http2Session, SettingCodes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.certificates import Certificates
    from tests.conftest import Http2Servers, ScriptedServers
    from tests.servers.nghttpd import Nghttpd
    from tests.servers.nginx import Nginx
    from tests.servers.scripted import Connection

NO_RFC7540_PRIORITIES = 0x9


def echo(session: Http2Session) -> None:
    """Answer each request with its own body, while it arrives, and with what its trailers are."""
    while (head := session.receive_head()) is not None:
        session.send_headers(head.stream_id, [(":status", "200")])
        over = False
        while not over:
            for event in session.take(head.stream_id):
                if isinstance(event, DataReceived) and event.data:
                    session.send_data(head.stream_id, event.data)
                elif isinstance(event, StreamEnded):
                    over = True
            if not over and not session.pump():
                return
        session.send_headers(head.stream_id, [("x-echo", "over")], end=True)


def until_closed(session: Http2Session) -> None:
    while session.pump():
        pass


@pytest.mark.usefixtures("no_leaks")
def test_questions_and_answers_in_turn(http2_scripted: Http2Servers) -> None:
    server = http2_scripted(echo)
    with TgoHttpClient(True) as http, http.open_stream("POST", server.url + "/chat?x=1") as stream:
        assert stream.status_code == 200
        for number in range(50):
            stream.send(b"%d" % number)
            assert stream.receive() == b"%d" % number
        stream.end()
        stream.end()
        assert stream.receive() == stream.receive() == b""
        assert stream.trailers == [("x-echo", "over")]
        assert stream.head.version == "2"
        assert stream.url == server.url + "/chat?x=1"
    assert server.accepted == 1


@pytest.mark.parametrize("tls", [True, False])
@pytest.mark.usefixtures("no_leaks")
def test_one_thread_sends_while_another_receives(
    tls: bool, nghttpd: Nghttpd, nghttpd_clear: Nghttpd, certificates: Certificates
) -> None:
    # nghttpd with --echo-upload answers with what it is sent.
    server = nghttpd if tls else nghttpd_clear
    piece = bytes(range(256)) * 400
    with (
        TgoHttpClient(True, ca_file=str(certificates.ca_file)) as http,
        http.open_stream("POST", server.url + "/") as stream,
        ThreadPoolExecutor(1) as pool,
    ):

        def send() -> str:
            digest = hashlib.sha256()
            for _ in range(100):
                stream.send(piece)
                digest.update(piece)
            stream.end()
            return digest.hexdigest()

        sending = pool.submit(send)
        assert stream.status_code == 200
        assert hashlib.sha256(b"".join(stream)).hexdigest() == sending.result(30)


@pytest.mark.usefixtures("no_leaks")
def test_many_streams_and_requests_share_a_connection(http2_scripted: Http2Servers) -> None:
    def handler(session: Http2Session) -> None:
        while session.pump():
            for event in session.take():
                if isinstance(event, DataReceived) and event.data:
                    if event.stream_id not in started:
                        session.send_headers(event.stream_id, [(":status", "200")])
                        started.add(event.stream_id)
                    session.send_data(event.stream_id, event.data)
                elif isinstance(event, StreamEnded):
                    session.send_data(event.stream_id, b"", end=True)

    started: set[int] = set()
    server = http2_scripted(handler)

    def talk(number: int) -> bool:
        with http.open_stream("POST", server.url) as stream:
            for turn in range(20):
                text = b"%d-%d" % (number, turn)
                stream.send(text)
                if stream.receive() != text:
                    return False
            stream.end()
            return stream.receive() == b""

    def post(number: int) -> bool:
        body = b"%d" % number * 100
        return bool(http.post(server.url, data=body).content == body)

    with TgoHttpClient(True) as http, ThreadPoolExecutor(12) as pool:
        talks = [pool.submit(talk, number) for number in range(12)]
        posts = [pool.submit(post, number) for number in range(40)]
        assert all(future.result(30) for future in [*talks, *posts])
    assert server.accepted == 1


def test_send_waits_for_credit(http2_scripted: Http2Servers) -> None:
    allowed = threading.Event()

    def handler(session: Http2Session) -> None:
        head = session.receive_head()
        assert head is not None
        allowed.wait(10)
        received = b""
        while True:
            for event in session.take(head.stream_id):
                if isinstance(event, DataReceived):
                    received += event.data
                    session.h2.acknowledge_received_data(event.flow_controlled_length, head.stream_id)
                    session.flush()
                elif isinstance(event, StreamEnded):
                    session.respond(head.stream_id, hashlib.sha256(received).digest())
                    until_closed(session)
                    return
            if not session.pump():
                return

    server = http2_scripted(handler, acknowledge=False)
    data = bytes(range(256)) * 4000
    with TgoHttpClient(True) as http, http.open_stream("PUT", server.url) as stream, ThreadPoolExecutor(1) as pool:
        sending = pool.submit(stream.send, data)
        time.sleep(0.05)
        assert not sending.done()  # the window is 64 KiB
        allowed.set()
        sending.result(20)
        stream.end()
        assert stream.receive() == hashlib.sha256(data).digest()


def test_a_server_that_takes_nothing(http2_scripted: Http2Servers) -> None:
    server = http2_scripted(until_closed, acknowledge=False)
    with TgoHttpClient(True) as http:
        with http.open_stream("PUT", server.url, recv_timeout=0.2) as stream:
            with pytest.raises(SendTimeoutError, match=r"took no data for 0.2 s .*phase send"):
                stream.send(bytes(100_000))
            with pytest.raises(SendTimeoutError):
                stream.receive()
            with pytest.raises(SendTimeoutError):
                stream.send(b"x")
        with http.open_stream("PUT", server.url, timeout=0.2) as late, pytest.raises(DeadlineError):
            late.send(bytes(100_000))
    assert server.accepted == 1


def test_a_server_that_says_nothing(http2_scripted: Http2Servers) -> None:
    server = http2_scripted(until_closed)
    with TgoHttpClient(True) as http, http.open_stream("GET", server.url, recv_timeout=0.2) as stream:
        stream.end()
        time.sleep(0.3)  # only what somebody waits for counts
        with pytest.raises(ReceiveTimeoutError, match=r"nothing was received for 0.2 s"):
            stream.receive()


def test_a_reader_that_takes_its_time_isnt_a_silent_server(http2_scripted: Http2Servers) -> None:
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
    with TgoHttpClient(True) as http, http.stream("GET", server.url, recv_timeout=0.3) as response:
        pieces = response.iter_bytes()
        assert next(pieces) == b"first"
        time.sleep(0.5)
        more.set()
        assert next(pieces) == b"second"


@pytest.mark.parametrize("code", [ErrorCodes.NO_ERROR, ErrorCodes.CANCEL])
def test_a_complete_response_before_the_end_of_the_request(code: ErrorCodes, http2_scripted: Http2Servers) -> None:
    def handler(session: Http2Session) -> None:
        head = session.receive_head()
        assert head is not None
        session.wait_for(DataReceived)
        session.respond(head.stream_id, b"enough", 413)
        session.reset_stream(head.stream_id, code)
        until_closed(session)

    server = http2_scripted(handler)
    with TgoHttpClient(True) as http, http.open_stream("POST", server.url) as stream:
        stream.send(b"some")
        assert stream.status_code == 413
        assert b"".join(stream) == b"enough"
        with pytest.raises(Http2StreamError, match=code.name) as caught:
            for _ in range(1000):
                stream.send(bytes(10_000))
        assert caught.value.error_code == code
        assert server.url in str(caught.value)
        assert stream.receive() == b""  # still complete


def test_the_request_goes_on_after_the_response(http2_scripted: Http2Servers) -> None:
    def handler(session: Http2Session) -> None:
        head = session.receive_head()
        assert head is not None
        session.respond(head.stream_id, b"answered")
        session.wait_for(StreamEnded)
        bodies.append(b"".join(event.data for event in session.events if isinstance(event, DataReceived)))
        received.set()
        until_closed(session)

    bodies: list[bytes] = []
    received = threading.Event()
    server = http2_scripted(handler)
    with TgoHttpClient(True) as http, http.open_stream("POST", server.url) as stream:
        assert b"".join(stream) == b"answered"
        stream.send(b"x" * 100_000)
        stream.end()
        assert received.wait(10)
    assert bodies == [b"x" * 100_000]


def test_reset_by_the_server(http2_scripted: Http2Servers) -> None:
    def handler(session: Http2Session) -> None:
        head = session.receive_head()
        assert head is not None
        session.send_headers(head.stream_id, [(":status", "200")])
        session.send_data(head.stream_id, b"part")
        session.reset_stream(head.stream_id, ErrorCodes.INTERNAL_ERROR)
        until_closed(session)

    server = http2_scripted(handler)
    with TgoHttpClient(True) as http, http.open_stream("POST", server.url) as stream:
        assert stream.receive() == b"part"
        with pytest.raises(Http2StreamError, match="INTERNAL_ERROR"):
            stream.receive()
        with pytest.raises(Http2StreamError, match="INTERNAL_ERROR"):
            stream.send(b"x")
        with pytest.raises(Http2StreamError, match="INTERNAL_ERROR"):
            stream.end()


def test_reset_by_this_side_wakes_both_directions(http2_scripted: Http2Servers) -> None:
    def handler(session: Http2Session) -> None:
        codes.append(session.wait_for(StreamReset).error_code)
        told.set()
        until_closed(session)

    codes: list[int] = []
    told = threading.Event()
    server = http2_scripted(handler, acknowledge=False)
    with TgoHttpClient(True) as http:
        with http.open_stream("POST", server.url) as stream, ThreadPoolExecutor(2) as pool:
            waiting: list[Future[object]] = [pool.submit(stream.send, bytes(100_000)), pool.submit(stream.receive)]
            time.sleep(0.05)
            stream.reset(ErrorCodes.ENHANCE_YOUR_CALM)
            for future in waiting:
                assert isinstance(future.exception(10), RequestAbortedError)
        with pytest.raises(RequestAbortedError):
            stream.send(b"x")
        assert told.wait(10)
    assert codes == [ErrorCodes.ENHANCE_YOUR_CALM]


def test_the_end_of_the_connection_wakes_both_directions(http2_scripted: Http2Servers) -> None:
    def handler(session: Http2Session) -> None:
        session.receive_head()
        close.wait(10)

    close = threading.Event()
    server = http2_scripted(handler, acknowledge=False)
    with TgoHttpClient(True) as http:
        stream = http.open_stream("POST", server.url)
        with ThreadPoolExecutor(2) as pool:
            waiting: list[Future[object]] = [pool.submit(stream.send, bytes(1_000_000)), pool.submit(stream.receive)]
            time.sleep(0.05)
            close.set()
            for future in waiting:
                assert isinstance(future.exception(10), RemoteClosedError)


def test_closing_the_client_ends_a_stream(http2_scripted: Http2Servers) -> None:
    server = http2_scripted(until_closed)
    with TgoHttpClient(True) as http:
        stream = http.open_stream("POST", server.url)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(stream.receive)
            time.sleep(0.05)
            http.close()
            assert isinstance(waiting.exception(10), RequestAbortedError)
        with pytest.raises(RequestAbortedError):
            stream.send(b"x")


@pytest.mark.usefixtures("no_leaks")
def test_a_forgotten_stream_is_reset(http2_scripted: Http2Servers) -> None:
    def handler(session: Http2Session) -> None:
        codes.append(session.wait_for(StreamReset).error_code)
        reset.set()
        until_closed(session)

    codes: list[int] = []
    reset = threading.Event()
    server = http2_scripted(handler)
    with TgoHttpClient(True) as http:
        stream = http.open_stream("POST", server.url)
        del stream
        gc.collect()
        assert reset.wait(10)
    assert codes == [ErrorCodes.CANCEL]


def test_trailers_of_the_request(http2_scripted: Http2Servers) -> None:
    def handler(session: Http2Session) -> None:
        request = session.receive_request()
        assert request is not None
        session.respond(request.stream_id, repr((request.body, request.trailers)).encode())
        until_closed(session)

    server = http2_scripted(handler)
    with TgoHttpClient(True) as http, http.open_stream("POST", server.url) as stream:
        stream.send(b"body")
        for wrong in ({"content-length": "4"}, [("bad name", "x")], {"x": "a\nb"}):
            with pytest.raises(InvalidRequestError):
                stream.end(wrong)
        stream.end({"X-Digest": "1234"})
        assert b"".join(stream) == repr((b"body", [("x-digest", "1234")])).encode()
        with pytest.raises(BodyError, match="ended"):
            stream.send(b"more")


@both_ways
@pytest.mark.parametrize("http2", [True, False])
def test_trailers_of_an_ordinary_request(
    way: Way, http2: bool, http2_scripted: Http2Servers, scripted: ScriptedServers
) -> None:
    def over_http2(session: Http2Session) -> None:
        while (request := session.receive_request()) is not None:
            assert request.body == b"onetwo"
            assert request.trailers == [("x-md5", digest.hexdigest())]
            session.respond(request.stream_id, b"fine")

    def over_http1(connection: Connection) -> None:
        head = connection.receive_until(b"\r\n\r\n")
        assert b"Transfer-Encoding: chunked" in head
        rest = connection.receive_until(b"\r\n\r\n")
        assert rest == b"3\r\none\r\n3\r\ntwo\r\n0\r\nX-MD5: %s\r\n\r\n" % digest.hexdigest().encode()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine")

    digest = hashlib.md5()

    def pieces() -> Iterator[bytes]:
        for piece in (b"one", b"two"):
            digest.update(piece)
            yield piece

    server = http2_scripted(over_http2) if http2 else scripted(over_http1)
    with way.client(http2=http2) as http:
        body = BodyWithTrailers(pieces(), lambda: [("X-MD5", digest.hexdigest())])
        assert way.request(http, "POST", server.url, data=body).content == b"fine"


@both_ways
def test_trailers_that_may_not_be_sent(way: Way, http2_scripted: Http2Servers) -> None:
    server = http2_scripted(until_closed)
    with way.client(http2=True) as http:
        error = way.fail(http, "POST", server.url, data=BodyWithTrailers(b"x", [("Content-Length", "1")]))
        assert isinstance(error, InvalidRequestError)


def test_http_1_1_is_not_enough(nginx: Nginx, certificates: Certificates) -> None:
    with TgoHttpClient(ca_file=str(certificates.ca_file)) as http:
        with pytest.raises(HttpProtocolError, match="needs HTTP/2"):
            http.open_stream("POST", nginx.url("http", "/1k"))
        with TgoHttpClient(False, ca_file=str(certificates.ca_file)) as old:
            with pytest.raises(HttpProtocolError, match="needs HTTP/2"):
                old.open_stream("POST", nginx.url("https", "/1k"))
            assert old.get(nginx.url("https", "/1k")).ok
        with http.open_stream("GET", nginx.url("https", "/1k")) as stream:
            stream.end()
            assert len(b"".join(stream)) == 1024
            assert stream.headers["content-length"] == "1024"


def test_a_tunnel_by_extended_connect(http2_scripted: Http2Servers) -> None:
    def handler(session: Http2Session) -> None:
        head = session.receive_head()
        assert head is not None
        fields.append(head.fields)
        session.send_headers(head.stream_id, [(":status", "200")])
        session.wait_for(DataReceived)
        session.send_data(head.stream_id, b"pong")
        until_closed(session)

    fields: list[list[tuple[str, str]]] = []
    server = http2_scripted(handler, settings={SettingCodes.ENABLE_CONNECT_PROTOCOL: 1})
    with TgoHttpClient(True) as http:
        with http.open_stream("CONNECT", server.url + "/chat", protocol="websocket") as stream:
            assert stream.status_code == 200
            stream.send(b"ping")
            assert stream.receive() == b"pong"
        with pytest.raises(InvalidRequestError, match="RFC 8441"):
            http.open_stream("GET", server.url, protocol="websocket")
    assert dict(fields[0])[":protocol"] == "websocket"
    assert dict(fields[0])[":path"] == "/chat"
    assert dict(fields[0])[":scheme"] == "http"


def test_extended_connect_that_isnt_offered(http2_scripted: Http2Servers) -> None:
    server = http2_scripted(echo)
    with TgoHttpClient(True) as http:
        for _ in range(2):  # a new connection, and one whose SETTINGS are there
            with pytest.raises(HttpProtocolError, match=r"websocket needs \(RFC 8441\)"):
                http.open_stream("CONNECT", server.url, protocol="websocket")
        with http.open_stream("POST", server.url) as stream:
            stream.send(b"x")
            assert stream.receive() == b"x"
    assert server.accepted == 1


@pytest.mark.parametrize("looks", [True, False])
def test_priority(looks: bool, http2_scripted: Http2Servers) -> None:
    def handler(session: Http2Session) -> None:
        head = session.receive_head()
        assert head is not None
        seen.append(head.value("priority"))
        session.send_headers(head.stream_id, [(":status", "200")])
        if looks:
            update: Any = session.wait_for(UnknownFrameReceived).frame
            assert (update.type, update.stream_id) == (0x10, 0)
            seen.append(update.body)
        session.send_data(head.stream_id, b"x", end=True)
        until_closed(session)

    seen: list[str | bytes | None] = []
    server = http2_scripted(handler, settings={NO_RFC7540_PRIORITIES: 1} if looks else {})
    with TgoHttpClient(True) as http, http.open_stream("GET", server.url, headers={"priority": "u=5"}) as stream:
        assert stream.status_code == 200
        if looks:
            with pytest.raises(InvalidRequestError):
                stream.update_priority("u=0\r\n")
        assert stream.update_priority("u=0, i") is looks
        stream.end()
        assert stream.receive() == b"x"
        assert stream.receive() == b""
        assert not stream.update_priority("u=1")  # too late
    assert seen == (["u=5", b"\0\0\0\1u=0, i"] if looks else ["u=5"])
