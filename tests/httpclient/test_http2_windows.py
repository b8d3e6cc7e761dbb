"""Windows that grow with the way and the reader, and what a reader that doesn't read costs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from httpclient import TgoHttpClient
from httpclient.http2 import windows as http2_windows
from httpclient.http2.session import Http2Session
from nghttp2_api import nghttp2_session_get_stream_effective_local_window_size as window_of
from tests.httpclient import http2_peer as wire
from tests.httpclient.http2_peer import Fields, feed, get
from tests.httpclient.http2_peer import Sink as NotingSink
from tests.servers.http2 import Http2Session as ServerSession

if TYPE_CHECKING:
    from tests.conftest import Http2Servers

MIB = 1 << 20
OK: Fields = [(b":status", b"200")]


class Sink(NotingSink):
    """Keeps nothing."""

    def on_data(self, view: memoryview | bytes) -> None:
        pass


class PullingSink(Sink):
    """Says itself what it has taken."""

    auto_consume = False


@pytest.fixture
def session() -> Iterator[Http2Session]:
    session = Http2Session()
    yield session
    session.close()


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> None:
    """However fast a test is, a window takes longer than it should."""
    monkeypatch.setattr(http2_windows, "ENOUGH", 1e18)


def start(session: Http2Session, sink: Sink, count: int = 1) -> list[Sink]:
    sinks = [sink, *(type(sink)() for _ in range(count - 1))]
    for each in sinks:
        get(session, sink=each)
    session.data_to_send()
    feed(session, wire.settings() + wire.frame(wire.SETTINGS, wire.ACK))
    for each in sinks:
        feed(session, wire.headers(each.stream_id, OK))
    return sinks


def send(session: Http2Session, stream_id: int, size: int, *, taken: bool = False) -> None:
    step = 128 * 1024
    frames = wire.data(stream_id, bytes(16_384)) * (step // 16_384)
    for _ in range(size // step):
        feed(session, frames)
        if taken:
            session.consume(stream_id, step)
        session.data_to_send()


def window(session: Http2Session, stream_id: int) -> int:
    size: int = window_of(session._pointer, stream_id)
    return size


@pytest.mark.usefixtures("far")
def test_it_grows_where_all_is_taken_at_once(session: Http2Session) -> None:
    (sink,) = start(session, Sink())
    widths = []
    for size in (1, 2, 4, 8, 16, 32):
        widths.append(window(session, sink.stream_id) // MIB)
        send(session, sink.stream_id, size * MIB)
    assert widths == [1, 2, 4, 8, 16, 32]
    assert window(session, sink.stream_id) == 32 * MIB


def test_it_stays_where_it_is_fast_enough(session: Http2Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http2_windows, "ENOUGH", 1)
    (sink,) = start(session, Sink())
    send(session, sink.stream_id, 4 * MIB)
    assert window(session, sink.stream_id) == MIB


@pytest.mark.usefixtures("far")
def test_it_grows_with_a_reader_that_keeps_up(session: Http2Session) -> None:
    (sink,) = start(session, PullingSink())
    send(session, sink.stream_id, 32 * MIB, taken=True)
    assert window(session, sink.stream_id) == 32 * MIB


@pytest.mark.usefixtures("far")
def test_it_stays_with_a_reader_that_lags_behind(session: Http2Session) -> None:
    (sink,) = start(session, PullingSink())
    send(session, sink.stream_id, 3 * MIB // 8)
    send(session, sink.stream_id, 8 * MIB, taken=True)  # so much of the window always waits
    assert sink.error is None
    assert window(session, sink.stream_id) == MIB


@pytest.mark.usefixtures("far")
def test_all_together_stay_in_their_room(session: Http2Session) -> None:
    sinks = start(session, PullingSink(), 5)
    for sink in sinks:
        send(session, sink.stream_id, 32 * MIB if sink in sinks[:2] else 8 * MIB, taken=True)
    widths = [window(session, sink.stream_id) for sink in sinks]
    assert sum(widths) - 5 * MIB <= http2_windows.ROOM
    assert widths == [32 * MIB, 32 * MIB, 2 * MIB, 2 * MIB, MIB]
    for sink in sinks[:2]:  # one ends, one is given up: there is room again
        if sink is sinks[0]:
            feed(session, wire.data(sink.stream_id, b"", end=True))
        else:
            session.cancel(sink.stream_id)
    send(session, sinks[-1].stream_id, 32 * MIB, taken=True)
    assert window(session, sinks[-1].stream_id) == 32 * MIB


def test_a_stalled_reader_among_a_hundred(http2_scripted: Http2Servers) -> None:
    """It keeps its window of data and no more, and the others don't notice."""

    def handler(session: ServerSession) -> None:
        while (head := session.receive_head()) is not None:
            session.send_headers(head.stream_id, [(":status", "200")])
            if head.value(":path") == "/big":
                while (size := session.h2.local_flow_control_window(head.stream_id)) > 0:
                    session.h2.send_data(head.stream_id, bytes(min(size, session.h2.max_outbound_frame_size)))
                    sent.append(min(size, session.h2.max_outbound_frame_size))
                session.flush()
            else:
                session.send_data(head.stream_id, bytes(20_000), end=True)

    sent: list[int] = []
    server = http2_scripted(handler)
    with TgoHttpClient(True) as http, ThreadPoolExecutor(8) as pool:
        http.get(server.url)
        with http.stream("GET", server.url + "/big") as stalled:
            sizes = pool.map(lambda _: len(http.get(server.url).content), range(100))
            assert set(sizes) == {20_000}
            exchange: Any = stalled._exchange
            assert sum(sent) <= MIB
            assert sum(map(len, exchange._arrived)) <= MIB
    assert server.accepted == 1


def test_a_hundred_readers_at_their_own_pace(http2_scripted: Http2Servers) -> None:
    def handler(session: ServerSession) -> None:
        while (head := session.receive_request()) is not None:
            session.respond(head.stream_id, head.body)

    server = http2_scripted(handler)
    turns = threading.Semaphore(3)

    def read(number: int) -> bool:
        body = bytes([number]) * 30_000
        with http.stream("POST", server.url, data=body) as response, turns:
            return b"".join(response.iter_bytes()) == body

    with TgoHttpClient(True) as http, ThreadPoolExecutor(20) as pool:
        assert all(pool.map(read, range(100)))
    assert server.accepted == 1
