"""Responses that go wrong: resets, GOAWAY, peers that break the rules, sinks that raise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from httpclient.errors import (
    Http2ConnectionError,
    Http2StreamError,
    HttpClientError,
    HttpProtocolError,
    RefusedStreamError,
    RemoteClosedError,
    RequestAbortedError,
)
from httpclient.http2.errors import frame_name
from httpclient.http2.session import Http2Session
from tests.httpclient.http2_peer import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Fields,
    Server,
    Sink,
    block,
    data,
    exchange,
    feed,
    frame,
    get,
    goaway,
    headers,
    reset,
    settings,
    split_frames,
)

OK: Fields = [(b":status", b"200")]


@pytest.fixture
def session() -> Iterator[Http2Session]:
    session = Http2Session()
    yield session
    session.close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def start(session: Http2Session, count: int = 1, first: bytes = b"") -> list[Sink]:
    """Submit requests and let the server's SETTINGS arrive."""
    sinks = [get(session, f"/{i}") for i in range(count)]
    session.data_to_send()
    feed(session, settings() + first)
    session.data_to_send()
    return sinks


def sent_resets(session: Http2Session) -> list[tuple[int, int]]:
    """Return stream and code of each RST_STREAM that is to be sent."""
    return [
        (stream_id, int.from_bytes(payload, "big"))
        for kind, _, stream_id, payload in split_frames(session.data_to_send())
        if kind == RST_STREAM
    ]


# RST_STREAM


def test_reset_is_an_error_that_names_the_code(session: Http2Session) -> None:
    (sink,) = start(session)
    feed(session, headers(1, OK) + data(1, b"part") + reset(1, 2))
    assert sink.events[:2] == [("head", 200, []), ("data", b"part")]
    assert type(sink.error) is Http2StreamError
    assert sink.error.error_code == 2
    assert "INTERNAL_ERROR" in str(sink.error)
    assert "server" in str(sink.error)
    assert not sink.error.retry_safe
    assert len(sink.events) == 3
    assert session.open_streams == 0
    assert sent_resets(session) == []


def test_refused_stream_is_safe_to_retry(session: Http2Session) -> None:
    (sink,) = start(session)
    feed(session, reset(1, 7))
    assert type(sink.error) is RefusedStreamError
    assert sink.error.retry_safe
    assert "REFUSED_STREAM" in str(sink.error)


def test_reset_without_error_before_the_end_is_an_error(session: Http2Session) -> None:
    first, second = start(session, 2)
    feed(session, headers(1, OK) + data(1, b"part") + reset(1, 0) + reset(3, 0))
    for sink in (first, second):
        assert type(sink.error) is Http2StreamError
        assert "before the response was complete" in str(sink.error)


@pytest.mark.parametrize(("code", "word"), [(0xD, "HTTP/1.1"), (0xB, "fewer"), (0xDEADBEEF, "0xdeadbeef")])
def test_other_codes(session: Http2Session, code: int, word: str) -> None:
    (sink,) = start(session)
    feed(session, reset(1, code))
    assert isinstance(sink.error, Http2StreamError)
    assert sink.error.error_code == code
    assert word in str(sink.error)


def test_other_streams_go_on_after_a_reset(session: Http2Session) -> None:
    first, second = start(session, 2)
    feed(session, reset(1, 1) + headers(3, OK, end=True))
    assert first.error
    assert second.status == 200


# GOAWAY


def test_goaway_fails_what_was_not_processed(session: Http2Session) -> None:
    sinks = start(session, 4)
    feed(session, goaway(3, 0, b"bye"))
    assert session.goaway_received
    assert session.last_stream_id == 3
    assert not session.accepts_streams
    assert [sink.over for sink in sinks] == [False, False, True, True]
    for sink in sinks[2:]:
        assert isinstance(sink.error, RefusedStreamError)
        assert sink.error.retry_safe
        assert "bye" in str(sink.error)
        assert len(sink.events) == 1
    assert session.open_streams == 2
    with pytest.raises(RefusedStreamError):
        get(session)
    feed(session, headers(1, OK, end=True) + headers(3, OK) + data(3, b"x", end=True))
    assert [sink.status for sink in sinks[:2]] == [200, 200]
    session.data_to_send()
    assert session.finished, "nothing is expected any more"


def test_goaway_refuses_what_is_sent_beyond_a_response(session: Http2Session) -> None:
    class Talk:
        errors: ClassVar[list[HttpClientError]] = []

        def read(self, size: int) -> bytes | None:
            return None

        def abort(self, error: HttpClientError) -> None:
            self.errors.append(error)

    first = get(session, method="POST", body=Talk())
    session.data_to_send()
    feed(session, settings() + headers(1, OK, end=True))
    assert first.events[-1] == ("end", [])
    assert not Talk.errors
    feed(session, goaway(0, 0))
    (error,) = Talk.errors
    assert isinstance(error, RefusedStreamError)


def test_graceful_shutdown_in_two_steps(session: Http2Session) -> None:
    """RFC 9113 section 6.8: first with the highest number, then with the real one."""
    sinks = start(session, 2)
    late = get(session)  # not sent when the first GOAWAY arrives
    feed(session, goaway((1 << 31) - 1, 0))
    session.data_to_send()
    assert isinstance(late.error, RefusedStreamError)
    assert "takes no more requests" in str(late.error)
    assert not any(sink.over for sink in sinks)
    feed(session, goaway(1, 0))
    assert isinstance(sinks[1].error, RefusedStreamError)
    feed(session, headers(1, OK, end=True))
    assert sinks[0].status == 200
    assert HEADERS not in {kind for kind, _, _, _ in split_frames(session.data_to_send())}


def test_goaway_with_an_error_explains_the_end_of_the_connection(session: Http2Session) -> None:
    under_way, not_begun = start(session, 2)
    feed(session, goaway(1, 0xB, b"too_many_pings\x1b[0m"))
    assert isinstance(not_begun.error, RefusedStreamError)
    assert "ENHANCE_YOUR_CALM" in str(not_begun.error)
    assert not under_way.over
    lost = RemoteClosedError("the server closed the connection")
    session.connection_lost(lost)
    assert isinstance(under_way.error, Http2ConnectionError)
    assert under_way.error.error_code == 0xB
    assert under_way.error.__cause__ is lost
    assert not under_way.error.retry_safe
    assert "too_many_pings\\x1b[0m" in str(under_way.error), "the peer's text can't control a terminal"


def test_goaway_may_not_grow(session: Http2Session) -> None:
    start(session, 3)
    feed(session, goaway(1, 0) + goaway(5, 0))
    frames = split_frames(session.data_to_send())
    assert frames[-1][0] == GOAWAY
    assert session.finished


# The connection ends


def test_lost_connection_fails_every_stream_once(session: Http2Session) -> None:
    sinks = start(session, 3)
    feed(session, headers(1, OK) + headers(3, OK, end=True))
    error = RemoteClosedError("gone")
    session.connection_lost(error)
    session.connection_lost(RemoteClosedError("again"))
    assert [sink.error for sink in sinks] == [error, None, error]
    assert [len(sink.events) for sink in sinks] == [2, 2, 1]
    assert session.open_streams == 0
    assert not session.accepts_streams
    feed(session, headers(5, OK, end=True))
    assert len(sinks[2].events) == 1


def test_request_that_was_not_sent_is_safe_to_retry_on_a_lost_connection(session: Http2Session) -> None:
    (sent,) = start(session)
    waiting = get(session)
    error = RemoteClosedError("gone")
    session.connection_lost(error)
    assert sent.error is error
    assert isinstance(waiting.error, RefusedStreamError)
    assert waiting.error.retry_safe
    assert waiting.error.__cause__ is error


def test_terminate(session: Http2Session, server: Server) -> None:
    sink = get(session)
    exchange(session, server)
    session.terminate()
    assert isinstance(sink.error, RequestAbortedError)
    assert not session.accepts_streams
    wire = session.data_to_send()
    assert split_frames(wire)[-1][0] == GOAWAY
    server.receive(wire)
    assert server.goaway == (0, 0)
    assert session.finished
    session.terminate()
    assert session.data_to_send() == b""


def test_terminate_with_a_code(session: Http2Session, server: Server) -> None:
    exchange(session, server)
    session.terminate(2)
    server.receive(session.data_to_send())
    assert server.goaway == (0, 2)


# Streams on which the peer breaks the rules: the stream ends, the connection goes on.


@pytest.mark.parametrize(
    ("wire", "words"),
    [
        (headers(1, [(b"a", b"b")]), "HEADERS"),
        (headers(1, []), "HEADERS"),
        (headers(1, [(b":status", b"abc")]), ":status"),
        (headers(1, [(b":status", b"20")]), ":status"),
        (headers(1, [(b":status", b"200"), (b":status", b"200")]), ":status"),
        (headers(1, [(b":path", b"/"), (b":status", b"200")]), ":path"),
        (headers(1, [(b"a", b"b"), (b":status", b"200")]), ":status"),
        (headers(1, [*OK, (b"connection", b"close")]), "connection"),
        (headers(1, [*OK, (b"transfer-encoding", b"chunked")]), "transfer-encoding"),
        (headers(1, [*OK, (b"Upper", b"x")]), "Upper"),
        (headers(1, [*OK, (b"a b", b"x")]), "a b"),
        (headers(1, [*OK, (b"", b"x")]), "HEADERS"),
        (headers(1, [*OK, (b"a", b"x\r\nb: c")]), "HEADERS"),
        (headers(1, [*OK, (b"a", b"x\0y")]), "HEADERS"),
        (headers(1, [*OK, (b"content-length", b"abc")]), "content-length"),
        (headers(1, [*OK, (b"content-length", b"1"), (b"content-length", b"2")]), "content-length"),
        (headers(1, [*OK, (b"content-length", b"5")], end=True), "HEADERS"),
        (headers(1, [*OK, (b"content-length", b"5")]) + data(1, b"abc", end=True), "PROTOCOL_ERROR"),
        (headers(1, [*OK, (b"content-length", b"5")]) + data(1, b"abcdefgh"), "PROTOCOL_ERROR"),
        (headers(1, [(b":status", b"204")]) + data(1, b"x", end=True), "PROTOCOL_ERROR"),
        (headers(1, [(b":status", b"304")]) + data(1, b"x", end=True), "PROTOCOL_ERROR"),
        (headers(1, [(b":status", b"103")], end=True), "HEADERS"),
        (headers(1, [(b":status", b"101")]), ""),
        (headers(1, OK) + headers(1, [(b"trailer", b"1")]), "HEADERS"),
        (headers(1, OK) + headers(1, [(b":status", b"200")], end=True), ":status"),
    ],
)
def test_malformed_response(session: Http2Session, wire: bytes, words: str) -> None:
    first, second = start(session, 2)
    feed(session, wire)
    resets = sent_resets(session)
    if not first.over:
        pytest.fail("nobody was told")
    error = first.error
    assert isinstance(error, Http2StreamError), error
    assert resets == [(1, error.error_code)]
    assert words in str(error)
    assert "server" in str(error)
    assert not error.retry_safe
    assert sum(event[0] in {"end", "failure"} for event in first.events) == 1
    # The block that was cut off leaves nothing behind for the next one.
    feed(session, headers(3, [*OK, (b"c", b"d")], end=True))
    assert second.events == [("head", 200, [(b"c", b"d")]), ("end", [])]


def test_malformed_responses_one_after_the_other(session: Http2Session) -> None:
    """What is to be sent about the first isn't sent once more with the second."""
    sinks = start(session, 2)
    for stream_id in (1, 3):
        feed(session, headers(stream_id, [*OK, (b"connection", b"close")]))
    assert all(isinstance(sink.error, Http2StreamError) for sink in sinks)
    assert sent_resets(session) == [(1, 1), (3, 1)]


@pytest.mark.parametrize(
    "wire",
    [
        frame(WINDOW_UPDATE, 0, 1, b"\x7f\xff\xff\xff"),
        headers(1, OK) + b"".join(data(1, b"x" * 16000) for _ in range(5)),
    ],
)
def test_flow_control_violation_on_a_stream(wire: bytes) -> None:
    """RFC 9113 section 6.9.1 leaves it to the receiver whether it ends the stream or the connection."""
    session = Http2Session(stream_window=65535)
    (sink,) = start(session)
    feed(session, frame(SETTINGS, ACK))  # from then on our windows are binding
    sink.auto_consume = False
    feed(session, wire)
    session.data_to_send()
    assert isinstance(sink.error, (Http2StreamError, Http2ConnectionError))
    assert sink.error.error_code == 3
    assert "FLOW_CONTROL_ERROR" in str(sink.error)
    assert sink.events[-1][0] == "failure"
    session.close()


# Connections on which the peer breaks the rules: everything ends.


@pytest.mark.parametrize(
    ("wire", "code", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", None, ""),
        (headers(1, OK), 1, "SETTINGS"),
        (settings() + data(0, b"x"), 1, "DATA"),
        (settings() + headers(0, OK), 1, "HEADERS"),
        (settings() + headers(2, OK), 1, "HEADERS"),
        (settings() + headers(99, OK), 1, "HEADERS"),
        (settings() + data(99, b"x"), 1, "DATA"),
        (settings() + reset(99, 0), 1, "RST_STREAM"),
        (settings() + frame(RST_STREAM, 0, 1, b"123"), 6, ""),
        (settings() + frame(PING, 0, 0, b"1234567"), 6, ""),
        (settings() + frame(PING, 0, 1, b"12345678"), 1, "PING"),
        (settings() + frame(SETTINGS, 0, 0, b"12345"), 6, ""),
        (settings() + frame(SETTINGS, 0, 1), 1, "SETTINGS"),
        (settings((2, 2)), 1, "SETTINGS"),
        (settings((2, 1)), 1, ""),
        (settings((4, 1 << 31)), 3, "SETTINGS"),
        (settings((5, 100)), 1, "SETTINGS"),
        (settings() + frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\0"), 1, "WINDOW_UPDATE"),
        (settings() + frame(WINDOW_UPDATE, 0, 1, b"\0\0\0\0"), 1, "WINDOW_UPDATE"),
        (settings() + frame(WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff"), 3, ""),
        (settings() + frame(DATA, 0, 1, b"x" * 16385), 6, "too large"),
        (settings() + frame(HEADERS, 0, 1, block(OK)) + frame(PING, 0, 0, b"12345678"), 1, "CONTINUATION"),
        (settings() + frame(CONTINUATION, END_HEADERS, 1, block(OK)), 1, "CONTINUATION"),
        (settings() + frame(HEADERS, END_HEADERS, 1, b"\xff\xff\xff\xff\xff\xff"), 9, ""),
        (settings() + frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x80"), 9, ""),
        (settings() + frame(HEADERS, END_HEADERS | 8, 1, b"\xff" + block(OK)), 1, ""),
        (settings() + frame(SETTINGS, ACK) + frame(SETTINGS, ACK), 1, "SETTINGS"),
        (settings() + goaway(2, 0), 1, "GOAWAY"),
        (settings() + frame(GOAWAY, 0, 1, b"12345678"), 1, "GOAWAY"),
    ],
)
def test_broken_connection(session: Http2Session, wire: bytes, code: int | None, words: str) -> None:
    sinks = [get(session), get(session)]
    session.data_to_send()
    feed(session, wire)
    out = session.data_to_send()
    frames = split_frames(out)
    assert frames[-1][0] == GOAWAY
    sent_code = int.from_bytes(frames[-1][3][4:8], "big")
    if code is not None:
        assert sent_code == code
    for sink in sinks:
        error = sink.error
        assert type(error) is Http2ConnectionError
        assert error.error_code == sent_code
        assert words in str(error)
        assert "server" in str(error)
        assert sink.events[-1][0] == "failure"
        assert len(sink.events) == 1
    assert session.finished
    assert not session.accepts_streams
    assert session.open_streams == 0
    feed(session, headers(1, OK, end=True))
    assert len(sinks[0].events) == 1
    assert session.data_to_send() == b""


def test_what_was_complete_before_the_fault_counts(session: Http2Session) -> None:
    first, second = start(session, 2)
    feed(session, headers(1, OK) + data(1, b"x", end=True) + frame(PING, 0, 1, b"12345678"))
    session.data_to_send()
    assert first.events == [("head", 200, []), ("data", b"x"), ("end", [])]
    assert type(second.error) is Http2ConnectionError


def test_data_before_the_head(session: Http2Session) -> None:
    first, second = start(session, 2)
    feed(session, data(1, b"x"))
    session.data_to_send()
    assert isinstance(first.error, (Http2StreamError, Http2ConnectionError))
    assert len(first.events) == 1
    assert second.over or session.accepts_streams


def test_frames_after_the_end_of_a_stream(session: Http2Session) -> None:
    """RFC 9113 section 5.1: they may be ignored or end the connection, and never reach a sink."""
    first, second = start(session, 2)
    feed(session, headers(1, OK, end=True) + data(1, b"x") + headers(1, OK) + reset(1, 1))
    session.data_to_send()
    assert first.events == [("head", 200, []), ("end", [])]
    if session.accepts_streams:
        feed(session, headers(3, OK, end=True))
        assert second.status == 200


def test_push_is_refused(session: Http2Session) -> None:
    """The server may not know yet that push is off; it is told, and the request isn't disturbed."""
    promise = frame(
        PUSH_PROMISE,
        END_HEADERS,
        1,
        b"\0\0\0\x02" + block([(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"x"), (b":path", b"/")]),
    )
    (sink,) = start(session)
    feed(session, promise)
    frames = split_frames(session.data_to_send())
    if session.accepts_streams:
        assert [(kind, stream_id) for kind, _, stream_id, _ in frames] == [(RST_STREAM, 2)]
        feed(session, headers(2, OK) + data(2, b"pushed", end=True) + headers(1, OK, end=True))
        assert sink.events == [("head", 200, []), ("end", [])]
    else:
        assert type(sink.error) is Http2ConnectionError
    feed(session, frame(SETTINGS, 1) + promise.replace(b"\0\0\0\x02", b"\0\0\0\x04"))
    assert split_frames(session.data_to_send())[-1][0] == GOAWAY, "after it has acknowledged that push is off"
    assert not session.accepts_streams


# Cancelling


def test_cancel(session: Http2Session) -> None:
    first, second = start(session, 2)
    feed(session, headers(1, OK) + data(1, b"part"))
    session.cancel(1)
    session.cancel(1)
    session.cancel(99)
    assert sent_resets(session) == [(1, 8)]
    feed(session, data(1, b"more", end=True) + headers(3, OK, end=True))
    assert first.events == [("head", 200, []), ("data", b"part")]
    assert second.status == 200
    assert session.open_streams == 0


def test_cancel_with_a_code(session: Http2Session) -> None:
    start(session)
    session.cancel(1, 5)
    assert sent_resets(session) == [(1, 5)]


def test_cancel_before_anything_is_sent(session: Http2Session, server: Server) -> None:
    cancelled, other = get(session), get(session)
    session.cancel(1)
    exchange(session, server)
    server.respond(3, OK)
    exchange(session, server)
    assert cancelled.events == []
    assert other.status == 200
    assert 1 not in server.requests


def test_cancel_in_the_middle_of_a_header_block(session: Http2Session) -> None:
    """The rest of the block must not be taken for part of the next one."""
    whole = block([*OK, (b"secret", b"of stream 1"), (b"more", b"x" * 50)])
    for cut in range(1, len(whole)):
        session = Http2Session()
        first, second = start(session, 2)
        wire = frame(HEADERS, END_HEADERS, 1, whole)
        feed(session, wire[: 9 + cut])
        session.cancel(1)
        out = session.data_to_send() if cut % 2 else b""
        feed(session, wire[9 + cut :] + headers(3, [*OK, (b"a", b"b")]) + headers(3, [(b"t", b"u")], end=True))
        out += session.data_to_send()
        assert second.events == [("head", 200, [(b"a", b"b")]), ("end", [(b"t", b"u")])]
        assert first.events == []
        assert (RST_STREAM, 0, 1, b"\0\0\0\x08") in split_frames(out)
        session.close()


# Sinks that raise, and sinks that use the session


class Raising(Sink):
    def __init__(self, where: str, error: BaseException) -> None:
        super().__init__()
        self.where = where
        self.raised = error

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("on_") and name == object.__getattribute__(self, "where"):

            def fail(*args: object) -> None:
                raise self.raised

            return fail
        return object.__getattribute__(self, name)


WIRE = (
    headers(1, [(b":status", b"103")])
    + headers(1, OK)
    + data(1, b"x")
    + headers(1, [(b"t", b"u")], end=True)
    + headers(3, OK)
    + data(3, b"y", end=True)
)


@pytest.mark.parametrize("where", ["on_informational", "on_head", "on_data"])
def test_sink_that_raises_fails_its_stream_only(session: Http2Session, where: str) -> None:
    error = ZeroDivisionError("oops")
    bad = get(session, sink=Raising(where, error))
    good = get(session)
    session.data_to_send()
    feed(session, settings() + WIRE)
    assert isinstance(bad.error, RequestAbortedError)
    assert bad.error.__cause__ is error
    assert "oops" in str(bad.error)
    assert bad.events[-1][0] == "failure"
    assert good.events == [("head", 200, []), ("data", b"y"), ("end", [])]
    assert session.open_streams == 0
    assert session.accepts_streams


def test_error_of_ours_from_a_sink_is_passed_on(session: Http2Session) -> None:
    error = HttpProtocolError("too much")
    bad = get(session, sink=Raising("on_data", error))
    session.data_to_send()
    feed(session, settings() + headers(1, OK) + data(1, b"x"))
    assert bad.error is error
    assert sent_resets(session) == [(1, 8)]


@pytest.mark.parametrize("where", ["on_end", "on_failure"])
def test_sink_that_raises_at_the_end(session: Http2Session, where: str) -> None:
    """There is nobody left to tell but the caller, who hears of it when the others have been told."""
    bad = get(session, sink=Raising(where, ZeroDivisionError("oops")))
    good = get(session)
    session.data_to_send()
    wire = WIRE if where == "on_end" else reset(1, 1) + WIRE[WIRE.index(headers(3, OK)) :]
    with pytest.raises(ZeroDivisionError):
        feed(session, settings() + wire)
    assert not bad.over
    assert good.events == [("head", 200, []), ("data", b"y"), ("end", [])]
    later = get(session)
    session.data_to_send()
    feed(session, headers(5, OK, end=True))
    assert later.status == 200


@pytest.mark.parametrize("where", ["on_head", "on_data", "on_end"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_interrupt_in_a_sink_is_raised_after_the_others_were_told(
    session: Http2Session, where: str, error: type[BaseException]
) -> None:
    bad = get(session, sink=Raising(where, error()))
    good = get(session)
    session.data_to_send()
    with pytest.raises(error):
        feed(session, settings() + WIRE)
    assert good.events == [("head", 200, []), ("data", b"y"), ("end", [])]
    assert bad.over == (where != "on_end")
    assert session.open_streams == 0


def test_sink_may_use_the_session(session: Http2Session) -> None:
    class Busy(Sink):
        wire = b""

        def on_head(self, head: Any) -> None:
            super().on_head(head)
            self.next = get(session, "/next")
            session.cancel(3)
            self.wire += session.data_to_send()
            with pytest.raises(RuntimeError, match="sink"):
                feed(session, settings())

    busy = Busy()
    get(session, sink=busy)
    cancelled = get(session)
    session.data_to_send()
    feed(session, settings() + headers(1, OK) + headers(3, OK, end=True) + data(1, b"x", end=True))
    assert busy.events == [("head", 200, []), ("data", b"x"), ("end", [])]
    assert cancelled.events == []
    kinds = [(kind, stream_id) for kind, _, stream_id, _ in split_frames(busy.wire)]
    assert (HEADERS, 5) in kinds
    feed(session, headers(5, OK, end=True))
    assert busy.next.status == 200


@pytest.mark.parametrize("how", ["close", "terminate", "connection_lost"])
def test_sink_may_end_the_session(session: Http2Session, how: str) -> None:
    class Ending(Sink):
        def on_data(self, view: memoryview | bytes) -> None:
            super().on_data(view)
            if how == "connection_lost":
                session.connection_lost(RemoteClosedError("gone"))
            else:
                getattr(session, how)()

    ending, other = get(session, sink=Ending()), get(session)
    session.data_to_send()
    feed(session, settings() + headers(1, OK) + data(1, b"x") + data(1, b"y", end=True) + headers(3, OK, end=True))
    for sink in (ending, other):
        assert isinstance(sink.error, HttpClientError)
        assert sum(event[0] in {"end", "failure"} for event in sink.events) == 1
    assert not session.accepts_streams


def test_frame_names() -> None:
    assert frame_name(0) == "DATA"
    assert frame_name(9) == "CONTINUATION"
    assert frame_name(0xBE) == "type 0xbe"
