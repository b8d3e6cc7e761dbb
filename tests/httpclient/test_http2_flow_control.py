"""Windows: what the server may send, and when it is told that it may send more (RFC 9113 section 5.2)."""

from __future__ import annotations

from httpclient.http2.session import Http2Session
from tests.httpclient.http2_peer import (
    ACK,
    SETTINGS,
    WINDOW_UPDATE,
    PullingSink,
    Server,
    data,
    exchange,
    feed,
    frame,
    get,
    headers,
    settings,
    split_frames,
)


def window_updates(wire: bytes) -> list[tuple[int, int]]:
    """Return stream and size of each WINDOW_UPDATE."""
    return [
        (stream_id, int.from_bytes(payload, "big"))
        for kind, _, stream_id, payload in split_frames(wire)
        if kind == WINDOW_UPDATE
    ]


def body_frames(stream_id: int, size: int) -> bytes:
    return b"".join(data(stream_id, b"x" * min(16384, size - start)) for start in range(0, size, 16384))


def opened(session: Http2Session, *sinks: object) -> None:
    session.data_to_send()
    wire = settings() + b"".join(headers(1 + 2 * i, [(b":status", b"200")]) for i in range(len(sinks)))
    feed(session, wire + frame(SETTINGS, ACK))  # our windows count from its acknowledgement on
    session.data_to_send()


def test_large_download_needs_no_help() -> None:
    session, server = Http2Session(stream_window=1 << 16, connection_window=1 << 17), Server()
    sink = get(session)
    exchange(session, server)
    body = b"x" * (5 << 20)
    server.respond(1, [(b":status", b"200")], body)
    exchange(session, server)
    assert sink.body == body
    assert sink.over
    session.close()
    server.close()


def test_stream_window_is_given_back_at_once_to_an_automatic_sink() -> None:
    session = Http2Session(stream_window=1 << 18, connection_window=1 << 24)
    opened(session, get(session))
    feed(session, body_frames(1, 100_000))
    assert window_updates(session.data_to_send()) == [], "less than half of it"
    feed(session, body_frames(1, 100_000))
    [(stream_id, size)] = window_updates(session.data_to_send())
    assert stream_id == 1
    assert (1 << 17) <= size <= 200_000
    session.close()


def test_small_window_before_settings_are_acknowledged() -> None:
    """Until then the stream's window is the initial one, and must not be used up."""
    session = Http2Session(stream_window=1 << 24, connection_window=1 << 24)
    get(session)
    session.data_to_send()
    feed(session, settings() + headers(1, [(b":status", b"200")]) + body_frames(1, 65535))
    assert sum(size for stream_id, size in window_updates(session.data_to_send()) if stream_id == 1) > 40_000
    session.close()


def test_stream_window_is_given_back_by_consume() -> None:
    session = Http2Session(stream_window=1 << 18, connection_window=1 << 24)
    sink = PullingSink()
    get(session, sink=sink)
    opened(session, sink)
    feed(session, body_frames(1, 1 << 18))
    assert window_updates(session.data_to_send()) == []
    session.consume(1, 1 << 17)
    assert window_updates(session.data_to_send()) == [(1, 1 << 17)]
    for _ in range(1 << 8):
        session.consume(1, 1 << 9)
    assert sum(size for _, size in window_updates(session.data_to_send())) == 1 << 17
    session.close()


def test_nobody_takes_the_data() -> None:
    """The server fills the stream's window and stops; the connection goes on."""
    session, server = Http2Session(stream_window=100_000, connection_window=200_000), Server()
    lazy = get(session, sink=PullingSink())
    exchange(session, server)
    server.respond(1, [(b":status", b"200")], b"x" * 1_000_000)
    exchange(session, server)
    assert len(lazy.body) == 100_000
    for _ in range(5):
        busy = get(session)
        exchange(session, server)
        server.respond(busy.stream_id, [(b":status", b"200")], b"y" * 300_000)
        exchange(session, server)
        assert len(busy.body) == 300_000
    taken = 0
    while not lazy.over:
        new = len(lazy.body) - taken
        assert new > 0
        taken += new
        session.consume(1, new)
        exchange(session, server)
    assert len(lazy.body) == 1_000_000
    session.close()
    server.close()


def test_taking_little_by_little_never_stops_the_server() -> None:
    """What hasn't been reported yet must not add up to a standstill."""
    session, server = Http2Session(stream_window=65535), Server()
    sink = get(session, sink=PullingSink())
    exchange(session, server)
    server.respond(1, [(b":status", b"200")], b"x" * 400_000)
    exchange(session, server)
    taken = 0
    while taken < 400_000:
        assert taken < len(sink.body)
        session.consume(1, 1)
        taken += 1
        if taken % 997 == 0 or taken == len(sink.body):
            exchange(session, server)
    assert sink.over
    session.close()
    server.close()


def test_connection_window_is_given_back_on_receipt() -> None:
    session = Http2Session(stream_window=1 << 20, connection_window=1 << 20)
    sink = PullingSink()
    get(session, sink=sink)
    opened(session, sink)
    feed(session, body_frames(1, 600_000), size=50_000)
    updates = window_updates(session.data_to_send())
    assert [stream_id for stream_id, _ in updates] == [0]
    assert updates[0][1] >= 1 << 19
    session.close()


def test_connection_window_of_cancelled_streams_is_given_back() -> None:
    session = Http2Session(stream_window=1 << 20, connection_window=1 << 20)
    opened(session, get(session), get(session))
    session.cancel(1)
    feed(session, body_frames(1, 300_000))
    session.data_to_send()
    feed(session, body_frames(1, 300_000))
    session.cancel(3)
    total = sum(size for stream_id, size in window_updates(session.data_to_send()) if stream_id == 0)
    assert total >= 1 << 19
    session.close()


def test_finished_streams_are_not_acknowledged() -> None:
    session = Http2Session(stream_window=1 << 16, connection_window=1 << 24)
    opened(session, get(session))
    feed(session, body_frames(1, 60_000) + data(1, b"", end=True))
    assert window_updates(session.data_to_send()) == []
    session.consume(1, 60_000)
    session.consume(99, 60_000)
    assert window_updates(session.data_to_send()) == []
    session.close()
