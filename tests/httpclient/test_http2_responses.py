"""What sinks are told about responses that go well."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import pytest

from httpclient.http2.session import Http2Session
from tests.httpclient.http2_peer import (
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PADDED,
    RST_STREAM,
    Fields,
    Server,
    Sink,
    block,
    data,
    exchange,
    feed,
    frame,
    get,
    headers,
    settings,
    split_frames,
)


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


def test_head_body_end(session: Http2Session, server: Server) -> None:
    sink = get(session)
    exchange(session, server)
    assert sink.events == []
    assert session.open_streams == 1
    server.respond(1, [(b":status", b"200"), (b"a", b"1"), (b"set-cookie", b"x"), (b"set-cookie", b"y")], b"body")
    exchange(session, server)
    assert sink.events == [
        ("head", 200, [(b"a", b"1"), (b"set-cookie", b"x"), (b"set-cookie", b"y")]),
        ("data", b"body"),
        ("end", []),
    ]
    assert session.open_streams == 0


def test_empty_body(session: Http2Session, server: Server) -> None:
    for body in (None, b""):
        sink = get(session)
        exchange(session, server)
        server.respond(sink.stream_id, [(b":status", b"200")], body)
        exchange(session, server)
        assert sink.events == [("head", 200, []), ("end", [])]


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304), ("HEAD", 404)])
def test_responses_without_body_may_have_a_length(
    session: Http2Session, server: Server, method: str, status: int
) -> None:
    sink = get(session, method=method)
    exchange(session, server)
    length: Fields = [] if status == 204 else [(b"content-length", b"1000")]
    server.respond(1, [(b":status", b"%d" % status), *length])
    exchange(session, server)
    assert sink.events == [("head", status, length), ("end", [])]


def test_trailers(session: Http2Session, server: Server) -> None:
    sink = get(session)
    exchange(session, server)
    server.respond(1, [(b":status", b"200")], b"body", trailers=[(b"checksum", b"1"), (b"x", b"2")])
    exchange(session, server)
    assert sink.events[1:] == [("data", b"body"), ("end", [(b"checksum", b"1"), (b"x", b"2")])]


def test_trailers_without_body_or_fields(session: Http2Session) -> None:
    first, second = get(session), get(session)
    session.data_to_send()
    feed(session, settings() + headers(1, [(b":status", b"200")]) + headers(3, [(b":status", b"201")]))
    feed(session, headers(3, [(b"t", b"3")], end=True) + headers(1, [], end=True))
    assert first.events == [("head", 200, []), ("end", [])]
    assert second.events == [("head", 201, []), ("end", [(b"t", b"3")])]


def test_interim_responses(session: Http2Session, server: Server) -> None:
    sink = get(session)
    exchange(session, server)
    server.inform(1, [(b":status", b"103"), (b"link", b"</a>")])
    server.inform(1, [(b":status", b"100")])
    exchange(session, server)
    server.respond(1, [(b":status", b"200")], b"x")
    exchange(session, server)
    assert sink.events == [
        ("informational", 103, [(b"link", b"</a>")]),
        ("informational", 100, []),
        ("head", 200, []),
        ("data", b"x"),
        ("end", []),
    ]


@pytest.mark.parametrize("status", [200, 201, 299, 302, 404, 418, 503, 599, 999])
def test_any_status(session: Http2Session, server: Server, status: int) -> None:
    sink = get(session)
    exchange(session, server)
    server.respond(1, [(b":status", b"%d" % status)], b"")
    exchange(session, server)
    assert sink.status == status


def test_head_is_told_before_the_body_is_there(session: Http2Session) -> None:
    sink = get(session)
    session.data_to_send()
    feed(session, settings() + headers(1, [(b":status", b"200"), (b"a", b"1")]))
    assert sink.events == [("head", 200, [(b"a", b"1")])]
    feed(session, data(1, b"abcdef")[:12])
    assert sink.events[1:] == [("data", b"abc")], "the beginning of a frame is told at once"


def test_body_of_many_frames_and_reads(session: Http2Session, server: Server) -> None:
    sink = get(session)
    exchange(session, server)
    body = bytes(range(256)) * 4000
    server.respond(1, [(b":status", b"200"), (b"content-length", b"%d" % len(body))], body)
    exchange(session, server)
    assert sink.body == body
    assert sink.over


def test_a_lone_frame_is_a_slice_of_the_buffer(session: Http2Session) -> None:
    class Viewing(Sink):
        def on_data(self, view: memoryview | bytes) -> None:
            super().on_data(view)
            assert isinstance(view, memoryview)
            assert view.obj is buffer
            view[:] = b"!" * len(view)

    sink = get(session, sink=Viewing())
    session.data_to_send()
    wire = settings() + headers(1, [(b":status", b"200")]) + data(1, b"abc", end=True)
    buffer = bytearray(b"before" + wire + b"behind")
    session.receive(buffer, 6, 6 + len(wire))
    assert sink.body == b"abc"
    assert buffer == b"before" + wire.replace(b"abc", b"!!!") + b"behind"
    buffer.clear()  # nothing holds on to it


def test_frames_that_come_together_make_one_piece(session: Http2Session) -> None:
    sinks = [get(session), get(session)]
    session.data_to_send()
    wire = (
        settings()
        + b"".join(headers(number, [(b":status", b"200")]) for number in (1, 3))
        + b"".join(data(1, b"%d," % number) for number in range(50))
        + data(3, b"a")
        + data(1, b"50,")
        + data(3, b"b")
        + data(3, b"c")
        + frame(6, 0, 0, bytes(8))
        + data(3, b"d", end=True)
        + data(1, b"51", end=True)
    )
    buffer = bytearray(b"before" + wire)
    session.receive(buffer, 6, 6 + len(wire))
    buffer.clear()  # nothing holds on to it
    assert [sink.body for sink in sinks] == [b",".join(b"%d" % number for number in range(52)), b"abcd"]
    assert [sink.pieces for sink in sinks] == [3, 3]
    assert all(sink.over for sink in sinks)


def test_padding_is_not_data(session: Http2Session) -> None:
    sink = get(session)
    session.data_to_send()
    padded_headers = frame(HEADERS, END_HEADERS | PADDED, 1, b"\x03" + block([(b":status", b"200")]) + b"\0\0\0")
    padded_data = frame(0, END_STREAM | PADDED, 1, b"\x05" + b"abc" + b"\0" * 5)
    feed(session, settings() + padded_headers + frame(0, PADDED, 1, b"\x04" + b"\0" * 4) + padded_data)
    assert sink.events == [("head", 200, []), ("data", b"abc"), ("end", [])]


def test_many_streams_interleaved(session: Http2Session, server: Server) -> None:
    sinks = [get(session, f"/{i}") for i in range(100)]
    exchange(session, server)
    bodies = {sink.stream_id: b"%d," % i * (i * 37) for i, sink in enumerate(sinks)}
    for stream_id, body in sorted(bodies.items(), reverse=True):
        server.respond(stream_id, [(b":status", b"200"), (b"n", b"%d" % stream_id)], body)
    exchange(session, server)
    for sink in sinks:
        stream_id = sink.stream_id
        assert sink.events[0] == ("head", 200, [(b"n", b"%d" % stream_id)])
        assert zlib.crc32(sink.body) == zlib.crc32(bodies[stream_id])
        assert sink.events[-1] == ("end", [])
    assert session.open_streams == 0


def test_session_serves_one_request_after_the_other(session: Http2Session, server: Server) -> None:
    for i in range(300):
        sink = get(session, f"/{i}")
        server.receive(session.data_to_send())
        server.respond(sink.stream_id, [(b":status", b"200"), (b"i", b"%d" % i)], b"x" * i)
        feed(session, server.output())
        assert sink.events[0] == ("head", 200, [(b"i", b"%d" % i)])
        assert sink.body == b"x" * i
        assert sink.over
        del server.requests[sink.stream_id]
    assert session.open_streams == 0


def test_white_space_around_a_value_is_dropped(session: Http2Session) -> None:
    """RFC 9113 section 8.2.1 calls it malformed; servers send it, and clients take it."""
    sink = get(session)
    session.data_to_send()
    feed(session, settings() + headers(1, [(b":status", b"200"), (b"a", b" x y\t"), (b"b", b"z")], end=True))
    assert sink.events == [("head", 200, [(b"a", b"x y"), (b"b", b"z")]), ("end", [])]


def test_huge_header_block_in_continuations(session: Http2Session) -> None:
    """A header block may be cut anywhere, also between reads."""
    fields: Fields = [(b":status", b"200"), *[(b"n%d" % i, b"v" * 500) for i in range(100)]]
    whole = block(fields)
    pieces = [whole[i : i + 9000] for i in range(0, len(whole), 9000)]
    wire = frame(HEADERS, 0, 1, pieces[0])
    wire += b"".join(frame(9, 0, 1, piece) for piece in pieces[1:-1]) + frame(9, END_HEADERS, 1, pieces[-1])
    sink = get(session)
    session.data_to_send()
    feed(session, settings())
    feed(session, wire + data(1, b"x", end=True), size=777)
    assert sink.events == [("head", 200, fields[1:]), ("data", b"x"), ("end", [])]


def test_every_split_gives_the_same_events() -> None:
    """A recorded connection, cut at every position and also received byte by byte."""
    server = Server()
    recorder = Http2Session()

    def requests(session: Http2Session) -> list[Sink]:
        return [get(session, "/a"), get(session, "/b"), get(session, "/c", method="HEAD"), get(session, "/d")]

    sinks = requests(recorder)
    server.receive(recorder.data_to_send())
    server.inform(1, [(b":status", b"103"), (b"link", b"</x>")])
    server.respond(1, [(b":status", b"200"), (b"a", b"value of a")], b"first body", trailers=[(b"t", b"u")])
    server.respond(3, [(b":status", b"404"), (b"a", b"value of a")], b"second")
    server.respond(5, [(b":status", b"200"), (b"content-length", b"55")])
    wire = server.output()
    server.reset(7, 2)
    wire += server.output()
    feed(recorder, wire)
    expected = [sink.events for sink in sinks]
    assert all(sink.over for sink in sinks)
    recorder.close()
    server.close()

    for cut in range(len(wire) + 1):
        session = Http2Session()
        sinks = requests(session)
        session.data_to_send()
        for piece in (wire[:cut], wire[cut:]):
            feed(session, piece)
        assert [sink.events for sink in sinks] == expected, f"cut at {cut}"
        session.close()

    session = Http2Session()
    sinks = requests(session)
    session.data_to_send()
    feed(session, wire, size=1)
    assert [sink.events for sink in sinks] == expected
    session.close()


def test_response_before_the_request_is_complete(session: Http2Session, server: Server) -> None:
    """RFC 9113 section 8.1: the response counts, and the rest of the request isn't sent."""

    class Endless:
        def read(self, size: int) -> bytes | None:
            return b"x" * size

    sink = get(session, method="POST", body=Endless())
    server.receive(session.data_to_send())
    server.respond(1, [(b":status", b"413")], b"too large")
    feed(session, server.output())
    assert sink.events == [("head", 413, []), ("data", b"too large"), ("end", [])]
    assert session.open_streams == 0
    resets = [entry for entry in split_frames(session.data_to_send()) if entry[0] == RST_STREAM]
    assert resets == [(RST_STREAM, 0, 1, (0).to_bytes(4, "big"))], "NO_ERROR"
    assert session.data_to_send() == b""


def test_reset_with_no_error_after_the_response(session: Http2Session, server: Server) -> None:
    """How a server asks for the rest of the request not to be sent; the response stays good."""

    class Waiting:
        def read(self, size: int) -> bytes | None:
            return None

    sink = get(session, method="POST", body=Waiting())
    server.receive(session.data_to_send())
    server.respond(1, [(b":status", b"200")], b"ok")
    wire = server.output()
    server.reset(1, 0)
    feed(session, wire + server.output())
    assert sink.events == [("head", 200, []), ("data", b"ok"), ("end", [])]
    exchange(session, server)
    assert len(sink.events) == 3
