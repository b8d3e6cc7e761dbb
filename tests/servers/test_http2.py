"""The HTTP/2 server driven by hand, looked at with the h2 package as the client and, for what is wrong, raw bytes."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from h2.errors import ErrorCodes as ClientErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    InformationalResponseReceived,
    PingAckReceived,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError

from ._clients import H2Client, trusting
from .http2 import GOAWAY, PING, ErrorCodes, Http2Request, Http2Server, Http2Session, SettingCodes, answer
from .scripted import PeerClosed, tls_context

if TYPE_CHECKING:
    from tests.certificates import Certificates
    from tests.conftest import Http2Servers

pytestmark = pytest.mark.usefixtures("no_leaks")

BODY = bytes(range(256)) * 1000


def test_requests_are_answered_over_tls_and_in_the_clear(certificates: Certificates) -> None:
    for tls, trust in (
        (tls_context(certificates.server, alpn=["h2"]), trusting(certificates, ["h2"])),
        (None, None),
    ):
        with Http2Server(answer(BODY, 201, [("x", "y")]), tls=tls) as server:
            with H2Client(server.port, trust) as client:
                streams = [client.request(f"/{number}") for number in range(3)]
                for stream in streams:
                    response = client.response(stream)
                    assert (response.status, response.value("x"), response.body) == (201, "y", BODY)
            assert server.accepted == len(server.sessions) == 1


def test_a_request_is_taken_apart(http2_scripted: Http2Servers) -> None:
    requests: list[Http2Request | None] = []

    def handler(session: Http2Session) -> None:
        first = session.receive_head()
        second = session.receive_head()
        assert first
        assert second
        requests.extend([session.receive_body(second), session.receive_body(first)])
        session.respond(first.stream_id, trailers=[("t", "1")])
        session.respond(second.stream_id, b"x", trailers=[("t", "2")])
        requests.append(session.receive_request())

    server = http2_scripted(handler)
    with H2Client(server.port) as client:
        first, second = client.request("/first", "POST", BODY), client.request("/second")
        assert client.response(first).value("t") == "1"
        assert client.response(second).value("t") == "2"
        client.h2.close_connection()
        client.flush()
    server.wait_until_finished()
    assert requests[0] == Http2Request(
        second, [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", "/second")]
    )
    assert requests[1]
    assert requests[1].body == BODY
    assert requests[1].value(":path") == "/first"
    assert requests[1].value("missing") is None
    assert requests[2] is None


def test_a_client_that_just_closes_has_no_more_requests(http2_scripted: Http2Servers) -> None:
    requests: list[object] = []
    server = http2_scripted(lambda session: requests.append(session.receive_request()))
    with H2Client(server.port):
        pass
    server.wait_until_finished()
    assert requests == [None]


def test_streams_can_be_reset_and_refused(http2_scripted: Http2Servers) -> None:
    def handler(session: Http2Session) -> None:
        for code in (ErrorCodes.REFUSED_STREAM, ErrorCodes.INTERNAL_ERROR):
            request = session.receive_head()
            assert request
            session.reset_stream(request.stream_id, code)
        answer(b"fine")(session)

    server = http2_scripted(handler)
    with H2Client(server.port) as client:
        for code in (ClientErrorCodes.REFUSED_STREAM, ClientErrorCodes.INTERNAL_ERROR):
            event = client.wait_for(StreamReset, client.request())
            assert isinstance(event, StreamReset)
            assert event.error_code == code
        assert client.response(client.request()).body == b"fine"


def test_going_away_still_answers(http2_scripted: Http2Servers) -> None:
    frames = threading.Event()

    def handler(session: Http2Session) -> None:
        request = session.receive_request()
        assert request
        session.go_away(request.stream_id, ErrorCodes.ENHANCE_YOUR_CALM, b"debug")
        frames.wait(20)
        session.respond(request.stream_id, b"late")

    server = http2_scripted(handler)
    with H2Client(server.port) as client:
        stream = client.request()
        event = client.wait_for(ConnectionTerminated)
        assert isinstance(event, ConnectionTerminated)
        assert (event.error_code, event.last_stream_id) == (ErrorCodes.ENHANCE_YOUR_CALM, stream)
        assert event.additional_data == b"debug"
        # The h2 package refuses what comes after GOAWAY, so these are raw bytes.
        frames.set()
        received = b""
        while data := client.socket.recv(1000):
            received += data
        assert received.endswith(b"late")


def test_small_windows_hold_the_client_back(http2_scripted: Http2Servers) -> None:
    bodies = []

    def handler(session: Http2Session) -> None:
        request = session.receive_head()
        assert request
        event = session.wait_for(DataReceived, request.stream_id)
        assert len(event.data) == 10
        assert session.h2.remote_flow_control_window(request.stream_id) == 0
        session.h2.increment_flow_control_window(100_000, request.stream_id)
        session.flush()
        bodies.append(event.data + session.receive_body(request).body)
        session.respond(request.stream_id)

    server = http2_scripted(handler, settings={SettingCodes.INITIAL_WINDOW_SIZE: 10}, acknowledge=False)
    with H2Client(server.port) as client:
        client.wait_for(RemoteSettingsChanged)
        assert client.response(client.request("/", "POST", BODY[:50_000])).status == 200
    assert bodies == [BODY[:50_000]]


def test_the_windows_of_the_client_hold_the_server_back(http2_scripted: Http2Servers) -> None:
    server = http2_scripted(answer(BODY))
    with H2Client(server.port) as client:
        client.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 1000})
        client.flush()
        stream = client.request()
        response = client.response(stream)
        assert response.body == BODY
        sizes = [len(e.data) for e in client.events if isinstance(e, DataReceived)]
        assert max(sizes) <= 1000


def test_sending_stops_where_the_client_resets(http2_scripted: Http2Servers) -> None:
    server = http2_scripted(answer(bytes(10_000_000)), aborts=True)
    with H2Client(server.port) as client:
        stream = client.request()
        client.wait_for(DataReceived, stream)
        client.h2.reset_stream(stream, ErrorCodes.CANCEL)
        client.flush()
        second = client.request()
        client.wait_for(ResponseReceived, second)
    server.wait_until_finished()
    assert any(isinstance(event, StreamReset) for event in server.sessions[0].events)


def test_settings_are_sent_first_and_later(http2_scripted: Http2Servers) -> None:
    def handler(session: Http2Session) -> None:
        request = session.receive_request()
        assert request
        session.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: 7})
        session.respond(request.stream_id)
        session.receive_request()

    server = http2_scripted(handler, settings={SettingCodes.MAX_CONCURRENT_STREAMS: 3})
    with H2Client(server.port) as client:
        client.wait_for(RemoteSettingsChanged)
        assert client.h2.remote_settings.max_concurrent_streams == 3
        client.response(client.request())
        assert client.h2.remote_settings.max_concurrent_streams == 7


def test_informational_heads_come_before_the_final_one(http2_scripted: Http2Servers) -> None:
    def handler(session: Http2Session) -> None:
        request = session.receive_request()
        assert request
        session.send_headers(request.stream_id, [(":status", "103"), ("link", "</x>")])
        session.respond(request.stream_id)

    server = http2_scripted(handler)
    with H2Client(server.port) as client:
        stream = client.request()
        client.wait_for(InformationalResponseReceived, stream)
        client.wait_for(ResponseReceived, stream)


def test_raw_frames_go_out_as_they_are(http2_scripted: Http2Servers) -> None:
    def handler(session: Http2Session) -> None:
        session.send_frame(PING, 1, 0, b"12345678")
        session.receive_head()
        session.send_frame(GOAWAY, 0, 0, b"short")
        session.connection.receive_all()

    server = http2_scripted(handler)
    with H2Client(server.port) as client:
        event = client.wait_for(PingAckReceived)
        assert isinstance(event, PingAckReceived)
        assert event.ping_data == b"12345678"
        client.request()
        with pytest.raises(ProtocolError):
            client.wait_for(ConnectionTerminated)


def test_what_is_not_allowed_can_be_sent(http2_scripted: Http2Servers) -> None:
    def handler(session: Http2Session) -> None:
        request = session.receive_request()
        assert request
        session.send_headers(request.stream_id, [(":status", "200"), ("Connection", "Keep-Alive")], end=True)
        session.connection.receive_all()

    server = http2_scripted(handler)
    with H2Client(server.port) as client:
        stream = client.request()
        with pytest.raises(ProtocolError):
            client.wait_for(ResponseReceived, stream)


def test_pings_are_answered_and_windows_given_back(http2_scripted: Http2Servers) -> None:
    server = http2_scripted(answer())
    with H2Client(server.port) as client:
        client.h2.ping(b"abcdefgh")
        client.flush()
        client.wait_for(PingAckReceived)
        client.response(client.request("/", "POST", BODY))
        assert any(isinstance(event, WindowUpdated) for event in client.events)


def test_what_the_client_does_wrong_is_an_error_in_the_test() -> None:
    def use() -> None:
        with Http2Server(answer()) as server, H2Client(server.port) as client:
            # A frame on stream 0 that has to have a stream.
            client.socket.sendall(b"\0\0\1\0\0\0\0\0\0x")
            server.wait_until_finished()

    with pytest.raises(ProtocolError):
        use()


def test_waiting_for_what_never_comes_is_an_error() -> None:
    def use() -> None:
        with Http2Server(lambda session: session.wait_for(DataReceived)) as server:
            with H2Client(server.port):
                pass
            server.wait_until_finished()

    with pytest.raises(PeerClosed, match="wanted DataReceived"):
        use()
