"""What can be seen of HTTP/2: statistics, and every frame."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from httpclient import Http2StreamError, TgoHttpClient, TgoHttpClientManager
from httpclient.http2.trace import FrameReader, Http2Frame
from tests.httpclient import http2_peer as wire
from tests.httpclient.ways import Way, both_ways
from tests.servers.http2 import ErrorCodes, Http2Session

if TYPE_CHECKING:
    from tests.certificates import Certificates
    from tests.conftest import Http2Servers
    from tests.servers.nghttpd import Nghttpd
    from tests.servers.nginx import Nginx


@both_ways
def test_frames_and_counts(way: Way, nghttpd: Nghttpd, certificates: Certificates) -> None:
    frames: list[tuple[str, Http2Frame]] = []
    lock = threading.Lock()

    def trace(peer: str, frame: Http2Frame) -> None:
        with lock:
            frames.append((peer, frame))

    with way.client(certificates, http2=None, http2_trace=trace) as http:
        way.get(http, nghttpd.url + "/1k")
        way.request(http, "POST", nghttpd.url + "/", data=b"x" * 100_000)
        (statistics,) = http.http2_statistics()
    assert {peer for peer, _ in frames} == {statistics.peer}
    assert statistics.origin == nghttpd.url
    sent = [frame for _, frame in frames if frame.sent]
    received = [frame for _, frame in frames if not frame.sent]
    assert [frame.name for frame in sent[:3]] == ["SETTINGS", "WINDOW_UPDATE", "HEADERS"]
    assert sent[0].explanation.startswith("ENABLE_PUSH=0 INITIAL_WINDOW_SIZE=")
    assert sum(frame.length for frame in sent if frame.kind == wire.DATA) == 100_000
    assert sum(frame.length for frame in received if frame.kind == wire.DATA) == 101_024
    assert statistics.frames_sent["HEADERS"] == statistics.frames_received["HEADERS"] == 2
    assert statistics.frames_sent == {
        name: sum(frame.name == name for frame in sent[: sum(statistics.frames_sent.values())])
        for name in statistics.frames_sent
    }
    assert statistics.bytes_received > 101_024
    assert statistics.bytes_sent > 100_000
    assert statistics.streams_opened == 2
    assert statistics.streams_open == 0
    assert not any(frame.payload for _, frame in frames if frame.kind in {wire.DATA, wire.HEADERS})


def test_statistics_without_a_trace(http2_scripted: Http2Servers) -> None:
    def handler(session: Http2Session) -> None:
        for turn in range(3):
            head = session.receive_head()
            assert head is not None
            if turn == 1:
                session.reset_stream(head.stream_id, ErrorCodes.CANCEL)
            else:
                session.send_headers(head.stream_id, [(":status", "200")])
        while session.pump():
            pass

    server = http2_scripted(handler)
    with TgoHttpClient(True) as http:
        assert http.http2_statistics() == []
        with http.stream("GET", server.url):
            (statistics,) = http.http2_statistics()
            assert (statistics.streams_opened, statistics.streams_open) == (1, 1)
            assert statistics.streams_limit == 100
        with pytest.raises(Http2StreamError):
            http.get(server.url)
        with http.stream("GET", server.url):
            (statistics,) = http.http2_statistics()
    assert (statistics.streams_opened, statistics.streams_open) == (3, 1)
    assert (statistics.resets_sent, statistics.resets_received) == (1, 1)
    assert statistics.frames_sent == statistics.frames_received == {}
    assert statistics.round_trip_time is None


def test_an_http1_connection_has_none(nginx: Nginx) -> None:
    with TgoHttpClient() as http:
        http.get(nginx.url("http", "/1k"))
        assert http.http2_statistics() == []


def test_a_trace_that_fails_harms_nothing(nghttpd_clear: Nghttpd, monkeypatch: pytest.MonkeyPatch) -> None:
    def trace(peer: str, frame: Http2Frame) -> None:
        raise LookupError("of the trace")

    reported: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", reported.append)
    with TgoHttpClient(True, http2_trace=trace) as http:
        assert http.get(nghttpd_clear.url + "/1k").ok
    assert {type(entry.exc_value) for entry in reported} == {LookupError}


@pytest.mark.parametrize("size", [1, 2, 8, 9, 10, 11, 100, 10_000])
def test_however_it_is_cut(size: int) -> None:
    data = (
        wire.settings((3, 100), (0x99, 7)) + wire.headers(1, [(b"a", b"b" * 300)])
        + wire.frame(wire.PING, 1, 0, b"12345678") + wire.data(1, b"x" * 1000, end=True) + wire.data(1, b"")
        + wire.reset(3, 8) + wire.goaway(5, 11, b"calm \xff") + wire.frame(wire.WINDOW_UPDATE, 0, 1, b"\0\0\1\0")
        + wire.frame(0xFA, 0, 0, b"y" * 500) + wire.frame(wire.SETTINGS, 1)
    )  # fmt: skip
    told: list[Http2Frame] = []
    reader = FrameReader(False, told.append)
    for start in range(0, len(data), size):
        reader.feed(data[start : start + size])
    assert [str(frame) for frame in told] == [
        "< SETTINGS stream 0 12 bytes MAX_CONCURRENT_STREAMS=100 0x99=7",
        "< HEADERS stream 1 306 bytes END_HEADERS",
        "< PING stream 0 8 bytes ACK 3132333435363738",
        "< DATA stream 1 1000 bytes END_STREAM",
        "< DATA stream 1 0 bytes",
        "< RST_STREAM stream 3 4 bytes CANCEL",
        "< GOAWAY stream 0 14 bytes last stream 5, ENHANCE_YOUR_CALM calm \\ufffd",
        "< WINDOW_UPDATE stream 1 4 bytes +256",
        "< type 0xfa stream 0 500 bytes",
        "< SETTINGS stream 0 0 bytes ACK",
    ]
    assert reader.counts == {4: 2, 1: 1, 6: 1, 0: 2, 3: 1, 7: 1, 8: 1, 0xFA: 1}
    assert max(len(frame.payload) for frame in told) == 128


def test_the_command_line_shows_frames(nghttpd_clear: Nghttpd) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "httpclient", "--http2", "--trace", "-o", "/dev/null", nghttpd_clear.url + "/1k"],
        capture_output=True, text=True, timeout=60, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert "HTTP/2 frame > HEADERS stream 1" in run.stderr
    assert "HTTP/2 frame < DATA stream 1 1024 bytes" in run.stderr


def test_clients_of_a_manager_share_by_options(nghttpd_clear: Nghttpd) -> None:
    with TgoHttpClientManager() as manager:
        clients = [TgoHttpClient(True, manager=manager, http2_ping_interval=interval) for interval in (0, 0, 5)]
        for http in clients:
            http.get(nghttpd_clear.url + "/1k")
        assert clients[0]._pool is clients[1]._pool is not clients[2]._pool
        for http in clients:
            http.close()
