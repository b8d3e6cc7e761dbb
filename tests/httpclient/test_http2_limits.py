"""What a hostile server can make a client do: not much."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from httpclient.errors import Http2ConnectionError, Http2StreamError
from httpclient.http2.limits import FrameAllowance, header_list_exceeds
from httpclient.http2.session import Http2Session
from tests.httpclient.http2_peer import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    PRIORITY,
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
    headers,
    settings,
    split_frames,
)

OK: Fields = [(b":status", b"200")]
PING_FRAME = frame(PING, 0, 0, b"12345678")


@pytest.fixture
def session() -> Iterator[Http2Session]:
    session = Http2Session()
    yield session
    session.close()


def start(session: Http2Session, count: int = 1) -> list[Sink]:
    sinks = [get(session, f"/{i}") for i in range(count)]
    session.data_to_send()
    feed(session, settings())
    session.data_to_send()
    return sinks


def check_stream_failed_alone(session: Http2Session, sinks: list[Sink], words: str) -> None:
    first, second = sinks
    assert isinstance(first.error, Http2StreamError)
    assert words in str(first.error)
    assert sum(event[0] in {"end", "failure"} for event in first.events) == 1
    resets = [entry for entry in split_frames(session.data_to_send()) if entry[0] == RST_STREAM]
    assert [stream_id for _, _, stream_id, _ in resets] == [1]
    feed(session, headers(3, [*OK, (b"a", b"b")], end=True))
    assert second.events == [("head", 200, [(b"a", b"b")]), ("end", [])]


# Header lists


def test_number_of_fields() -> None:
    session = Http2Session(max_header_count=20)
    sinks = start(session, 2)
    feed(session, headers(1, [*OK, *[(b"n", b"v")] * 19]))
    assert sinks[0].events == [("head", 200, [(b"n", b"v")] * 19)]
    session.close()
    session = Http2Session(max_header_count=20)
    sinks = start(session, 2)
    feed(session, headers(1, [*OK, *[(b"n", b"v")] * 20]))
    check_stream_failed_alone(session, sinks, "more than 20 header fields")
    session.close()


@pytest.mark.parametrize("count", [1, 5, 40])
def test_size_of_fields(count: int) -> None:
    limit = 10_000
    size = (limit - len(b":status200") - 32 * (count + 1) - count) // count
    exact: Fields = [*OK, *[(b"n", b"v" * size)] * count]
    total = sum(len(name) + len(value) + 32 for name, value in exact)
    exact[-1] = (b"n", exact[-1][1] + b"v" * (limit - total))
    session = Http2Session(max_header_list_size=limit)
    sinks = start(session, 2)
    feed(session, headers(1, exact))
    assert sinks[0].status == 200
    session.close()
    session = Http2Session(max_header_list_size=limit)
    sinks = start(session, 2)
    exact[-1] = (b"n", exact[-1][1] + b"v")
    feed(session, headers(1, exact))
    check_stream_failed_alone(session, sinks, "larger than 10000 bytes")
    session.close()


def test_trailers_and_interim_responses_are_limited_too() -> None:
    for wire in (
        headers(1, OK) + headers(1, [(b"n", b"v" * 11_000)], end=True),
        headers(1, [(b":status", b"103"), (b"n", b"v" * 11_000)]),
    ):
        session = Http2Session(max_header_list_size=10_000)
        sinks = start(session, 2)
        feed(session, wire)
        assert isinstance(sinks[0].error, Http2StreamError)
        assert "larger than 10000 bytes" in str(sinks[0].error)
        assert not sinks[1].over
        assert session.open_streams == 1
        session.close()


def test_compression_bomb() -> None:
    """One large field goes into the table, and each byte after it stands for all of it (RFC 7541 section 7.3)."""
    session = Http2Session()
    sinks = start(session, 2)
    large = b"\x40" + b"\x01n" + b"\x7f\xa1\x1e" + b"v" * 4000
    bomb = block(OK) + large + b"\xbe" * 8000
    feed(session, frame(HEADERS, END_HEADERS, 1, bomb))
    assert sum(len(value) for _, value in session._callbacks.fields) < 256 * 4096 + 4096
    check_stream_failed_alone(session, sinks, "header fields")
    session.close()


def test_bomb_within_the_number_of_fields() -> None:
    session = Http2Session()
    sinks = start(session, 2)
    large = b"\x40" + b"\x01n" + b"\x7f\xa1\x1e" + b"v" * 4000
    feed(session, frame(HEADERS, END_HEADERS, 1, block(OK) + large + b"\xbe" * 200))
    check_stream_failed_alone(session, sinks, "larger than 65536 bytes")
    session.close()


def test_bound_is_never_too_low() -> None:
    """Nothing passes unseen that is too large: neither from the table nor by Huffman coding, 5 bits to a letter."""
    table: Fields = [(b"n", b"v" * 4063)] * 16
    assert header_list_exceeds(table, 16, 16 * 4096 - 1)
    assert not header_list_exceeds(table, 16, 16 * 4096)
    huffman: Fields = [(b"n", b"a" * 64_000)]
    assert header_list_exceeds(huffman, 40_005, 64_000)
    assert not header_list_exceeds(huffman, 40_005, 64_033)


def test_endless_continuation(session: Http2Session) -> None:
    """CVE-2024-28182: a header block that never ends."""
    (sink,) = start(session)
    wire = frame(HEADERS, 0, 1, block(OK)) + frame(CONTINUATION, 0, 1) * 50
    feed(session, wire)
    session.data_to_send()
    assert isinstance(sink.error, Http2ConnectionError)
    assert "flood" in str(sink.error)
    assert session.finished


# Interim responses


def test_number_of_interim_responses() -> None:
    session = Http2Session(max_informational=5)
    sinks = start(session, 2)
    feed(session, headers(1, [(b":status", b"103")]) * 6)
    assert [event[0] for event in sinks[0].events] == ["informational"] * 5 + ["failure"]
    check_stream_failed_alone(session, sinks, "more than 5 interim responses")
    session.close()


# Frames that cost and give nothing


@pytest.mark.parametrize(
    ("name", "flood"),
    [
        ("PING", PING_FRAME),
        ("PING", frame(PING, ACK, 0, b"12345678")),
        ("SETTINGS", settings((3, 100))),
        ("DATA", frame(DATA, 0, 1)),
        ("DATA", frame(DATA, PADDED, 1, b"\x00")),
        ("DATA", frame(DATA, PADDED, 1, b"\x05\0\0\0\0\0")),
        ("PRIORITY", frame(PRIORITY, 0, 1, b"\0\0\0\0\x10")),
        ("WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\x01")),
        ("WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 1, b"\0\0\0\x01")),
    ],
)
@pytest.mark.parametrize("batch", [1, 100, 3000])
def test_floods_end_the_connection(name: str, flood: bytes, batch: int) -> None:
    session = Http2Session()
    sinks = start(session, 2)
    feed(session, headers(1, OK))
    sent = 0
    while sent < 3000 and session.accepts_streams:
        feed(session, flood * batch)
        session.data_to_send()
        sent += batch
    if name == "PRIORITY" and session.accepts_streams:
        # RFC 9113 took its meaning away, and nghttp2 1.61 and later ignore it, which costs nothing.
        session.close()
        return
    assert not session.accepts_streams
    assert sent >= 900
    for sink in sinks:
        assert isinstance(sink.error, Http2ConnectionError)
        assert "flood" in str(sink.error)
        assert sink.error.error_code == 0xB
        assert name in str(sink.error) or batch == 3000
    session.data_to_send()
    assert session.finished
    session.close()


def test_flood_is_answered_with_goaway(session: Http2Session) -> None:
    start(session)
    out = b""
    for _ in range(20):
        feed(session, PING_FRAME * 100)
        out += session.data_to_send()
    last = split_frames(out)[-1]
    assert last[0] == GOAWAY
    assert last[3][4:8] == b"\0\0\0\x0b"


def test_useful_traffic_allows_control_frames(session: Http2Session) -> None:
    """A server that measures the connection while it sends a large body is no enemy."""

    class Counting(Sink):
        def on_data(self, view: memoryview | bytes) -> None:
            self.pieces += 1

    sink = get(session, sink=Counting())
    session.data_to_send()
    feed(session, settings() + frame(SETTINGS, ACK) + headers(1, OK))
    for _ in range(1500):
        feed(session, data(1, b"x" * 2048) + PING_FRAME + frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\x01"))
        session.data_to_send()
    assert sink.pieces == 1500
    assert not sink.over
    assert session.accepts_streams


def test_uploads_allow_window_updates(session: Http2Session) -> None:
    """A server may open its window little by little while it takes an upload."""

    class Endless:
        def read(self, size: int) -> bytes:
            return b"x" * size

    sink = get(session, method="POST", body=Endless())
    session.data_to_send()
    feed(session, settings())
    for _ in range(3000):
        feed(session, frame(WINDOW_UPDATE, 0, 0, b"\0\0\x10\0") + frame(WINDOW_UPDATE, 0, 1, b"\0\0\x10\0"))
        session.data_to_send()
    assert not sink.over
    assert session.accepts_streams


def test_allowance_grows_with_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("httpclient.http2.limits.monotonic", lambda: now)
    allowance = FrameAllowance(10, 2.0)
    assert [allowance.spend() for _ in range(10)] == [True] * 10
    now += 2.5
    assert [allowance.spend() for _ in range(6)] == [True] * 5 + [False]
    now += 10_000.0
    assert [allowance.spend() for _ in range(12)].count(True) in {10, 11}
    allowance.add(3.0)
    assert allowance.spend()


def test_many_resets_of_finished_streams(session: Http2Session) -> None:
    server = Server()
    for _ in range(50):
        sink = get(session)
        exchange(session, server)
        server.respond(sink.stream_id, OK)
        exchange(session, server)
    sinks = start(session)
    for _ in range(30):
        feed(session, frame(RST_STREAM, 0, 1, b"\0\0\0\x08") * 100)
        session.data_to_send()
    assert session.accepts_streams or isinstance(sinks[0].error, Http2ConnectionError)
    server.close()
