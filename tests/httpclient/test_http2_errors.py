"""Every error code of RFC 9113 section 7, in every frame that can carry it: named, blamed, and nobody left waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from httpclient import Http2ConnectionError, Http2StreamError, RefusedStreamError, TgoHttpClient
from httpclient.errors import http2_error_name
from httpclient.http2.errors import frame_name
from tests.httpclient.ways import Way, both_ways
from tests.servers.http2 import ErrorCodes, Http2Session

if TYPE_CHECKING:
    from tests.conftest import Http2Servers

CODES = [*ErrorCodes, 0x0E, 0xDEADBEEF]
codes = pytest.mark.parametrize("code", CODES, ids=[http2_error_name(code) for code in CODES])


def until_closed(session: Http2Session) -> None:
    while session.pump():
        pass


def test_every_code_has_its_name() -> None:
    assert [http2_error_name(code) for code in ErrorCodes] == [code.name for code in ErrorCodes]
    assert http2_error_name(0x0E) == "0xe"


def test_every_frame_has_its_name() -> None:
    names = "DATA HEADERS PRIORITY RST_STREAM SETTINGS PUSH_PROMISE PING GOAWAY WINDOW_UPDATE CONTINUATION ALTSVC"
    assert [frame_name(kind) for kind in range(11)] == names.split()
    assert frame_name(0xC) == "ORIGIN"
    assert frame_name(0x10) == "PRIORITY_UPDATE"
    assert frame_name(0xFA) == "type 0xfa"


@both_ways
@codes
def test_a_reset_names_its_code(way: Way, code: int, http2_scripted: Http2Servers) -> None:
    def handler(session: Http2Session) -> None:
        while (head := session.receive_head()) is not None:
            if head.value(":path") == "/reset":
                session.send_frame(0x3, 0, head.stream_id, code.to_bytes(4, "big"))
            else:
                session.respond(head.stream_id, b"fine")

    server = http2_scripted(handler)
    with way.client(http2=True) as http:
        error = way.fail(http, "POST", server.url + "/reset", data=b"x")
        assert isinstance(error, Http2StreamError)
        assert error.error_code == code
        assert http2_error_name(code) in str(error)
        assert str(error).startswith("the server ")
        assert server.url in str(error)
        assert isinstance(error, RefusedStreamError) is (code == ErrorCodes.REFUSED_STREAM) is error.retry_safe
        assert way.get(http, server.url + "/next").content == b"fine"
    assert server.accepted == 1


@both_ways
@codes
@pytest.mark.usefixtures("no_leaks")
def test_goaway_names_its_code(way: Way, code: int, http2_scripted: Http2Servers) -> None:
    def handler(session: Http2Session) -> None:
        head = session.receive_head()
        assert head is not None
        if server.accepted == 1:
            session.go_away(head.stream_id, code, b"that is \xffit")
            return
        session.respond(head.stream_id, b"fine")
        until_closed(session)

    server = http2_scripted(handler)
    with way.client(http2=True, recv_timeout=60) as http:
        error: Any = way.fail(http, "POST", server.url, data=b"x")
        assert server.url in str(error)
        assert str(error).startswith("the server ")
        if code != ErrorCodes.NO_ERROR:
            assert isinstance(error, Http2ConnectionError)
            assert error.error_code == code
            assert f"with {http2_error_name(code)} (that is \\ufffdit)" in str(error)
        assert way.get(http, server.url).content == b"fine"
    assert server.accepted == 2


@both_ways
@codes
def test_what_goaway_excludes_is_tried_again_whatever_the_code(
    way: Way, code: int, http2_scripted: Http2Servers
) -> None:
    def handler(session: Http2Session) -> None:
        request = session.receive_request()
        assert request is not None
        if server.accepted == 1:
            session.go_away(0, code)
        else:
            session.respond(request.stream_id, request.body)
        until_closed(session)

    server = http2_scripted(handler)
    with way.client(http2=True, recv_timeout=60) as http:
        assert way.request(http, "POST", server.url, data=b"once").content == b"once"


#: What a server may not send, and what that is called.
OFFENCES = {
    "DATA on stream 0": (0x0, 0, 0, b"x", ErrorCodes.PROTOCOL_ERROR),
    "HEADERS on stream 0": (0x1, 4, 0, b"\x88", ErrorCodes.PROTOCOL_ERROR),
    "HEADERS on an idle stream": (0x1, 4, 101, b"\x88", ErrorCodes.PROTOCOL_ERROR),
    "HEADERS that don't decompress": (0x1, 4, 1, b"\xff\xff\xff\xff\xff", ErrorCodes.COMPRESSION_ERROR),
    "RST_STREAM on an idle stream": (0x3, 0, 101, bytes(4), ErrorCodes.PROTOCOL_ERROR),
    "RST_STREAM of 3 bytes": (0x3, 0, 1, bytes(3), ErrorCodes.FRAME_SIZE_ERROR),
    "SETTINGS on a stream": (0x4, 0, 1, b"", ErrorCodes.PROTOCOL_ERROR),
    "SETTINGS of 5 bytes": (0x4, 0, 0, bytes(5), ErrorCodes.FRAME_SIZE_ERROR),
    "SETTINGS ACK with a payload": (0x4, 1, 0, bytes(6), ErrorCodes.FRAME_SIZE_ERROR),
    "a window beyond 2^31": (0x4, 0, 0, b"\0\4\x80\0\0\0", ErrorCodes.FLOW_CONTROL_ERROR),
    "frames of 100 bytes at most": (0x4, 0, 0, b"\0\5\0\0\0\x64", ErrorCodes.PROTOCOL_ERROR),
    "ENABLE_PUSH from a server": (0x4, 0, 0, b"\0\2\0\0\0\1", ErrorCodes.PROTOCOL_ERROR),
    "PING of 7 bytes": (0x6, 0, 0, bytes(7), ErrorCodes.FRAME_SIZE_ERROR),
    "PING on a stream": (0x6, 0, 1, bytes(8), ErrorCodes.PROTOCOL_ERROR),
    "GOAWAY of 7 bytes": (0x7, 0, 0, bytes(7), ErrorCodes.FRAME_SIZE_ERROR),
    "WINDOW_UPDATE of 0": (0x8, 0, 0, bytes(4), ErrorCodes.PROTOCOL_ERROR),
    "WINDOW_UPDATE too large": (0x8, 0, 0, b"\x7f\xff\xff\xff", ErrorCodes.FLOW_CONTROL_ERROR),
    "CONTINUATION of nothing": (0x9, 4, 1, b"", ErrorCodes.PROTOCOL_ERROR),
    "a frame that is too large": (0x0, 0, 1, bytes(16_385), ErrorCodes.FRAME_SIZE_ERROR),
}


@pytest.mark.parametrize("offence", OFFENCES.values(), ids=OFFENCES)
@pytest.mark.usefixtures("no_leaks")
def test_no_request_is_left_waiting(offence: tuple[int, int, int, bytes, int], http2_scripted: Http2Servers) -> None:
    *frame, code = offence

    def handler(session: Http2Session) -> None:
        for _ in range(4):
            session.receive_head()
        session.send_frame(*frame)  # type: ignore[arg-type]
        until_closed(session)

    server = http2_scripted(handler)
    with TgoHttpClient(True, False, recv_timeout=60) as later, TgoHttpClient(True, recv_timeout=60) as http:
        futures = [later.get(server.url) for _ in range(3)]
        http._pool = later._pool
        with http.open_stream("POST", server.url) as stream:
            with pytest.raises((Http2ConnectionError, Http2StreamError)) as caught:
                stream.receive()
            errors: list[Any] = [caught.value, *(future.exception(20) for future in futures)]
        http._pool = None
    for error in errors:
        assert isinstance(error, Http2ConnectionError)
        assert error.error_code == code
        assert "the server broke the rules of HTTP/2" in str(error)
        assert http2_error_name(code) in str(error)
