"""Request bodies: from memory, from a source, deferred, with trailers, and those that fail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from httpclient.errors import BodyError, InvalidRequestError
from httpclient.http2.callbacks import FRAME_SIZE
from httpclient.http2.output import SEND_SIZE
from httpclient.http2.session import Http2Session
from tests.httpclient.http2_peer import (
    DATA,
    END_STREAM,
    HEADERS,
    RST_STREAM,
    WINDOW_UPDATE,
    Server,
    exchange,
    feed,
    frame,
    get,
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


class Source:
    """Gives prepared answers; notes the sizes that it was asked for."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[int] = []

    def read(self, size: int) -> Any:
        self.asked.append(size)
        answer = self.answers.pop(0) if self.answers else b""
        if isinstance(answer, BaseException):
            raise answer
        return answer


def post(session: Http2Session, body: Any, **changes: Any) -> Any:
    return get(session, method="POST", body=body, **changes)


def test_empty_body_ends_with_the_header_block(session: Http2Session) -> None:
    post(session, b"")
    assert split_frames(session.data_to_send())[-1][:3] == (HEADERS, END_STREAM | 4, 1)


@pytest.mark.parametrize("size", [1, 1000, 16384, 16385, 65535])
def test_bytes(session: Http2Session, server: Server, size: int) -> None:
    body = (bytes(range(256)) * (size // 256 + 1))[:size]
    sink = post(session, body)
    exchange(session, server)
    assert server.requests[1].body == body
    assert server.requests[1].ended
    server.respond(1, [(b":status", b"200")], b"ok")
    exchange(session, server)
    assert sink.body == b"ok"


def test_body_from_a_source(session: Http2Session, server: Server) -> None:
    source = Source(b"first", b"s", b"x" * 100_000, bytearray(b"array"), memoryview(b"view"))
    post(session, source)
    exchange(session, server)
    assert server.requests[1].body == b"firsts" + b"x" * 100_000 + b"arrayview"
    assert server.requests[1].ended
    assert len(source.asked) == 6
    assert min(source.asked) >= 16384


def test_empty_source(session: Http2Session, server: Server) -> None:
    post(session, Source())
    exchange(session, server)
    assert server.requests[1].body == b""
    assert server.requests[1].ended


def test_source_that_has_nothing_yet(session: Http2Session, server: Server) -> None:
    source = Source(None, b"one", None, b"two", b"")
    post(session, source)
    exchange(session, server)
    assert (server.requests[1].body, server.requests[1].ended) == (b"", False)
    asked = len(source.asked)
    assert asked <= 2
    assert session.data_to_send() == b""
    assert len(source.asked) == asked, "it isn't asked again before resume()"
    assert not session.want_write
    session.resume(1)
    session.resume(1)
    assert session.want_write
    exchange(session, server)
    assert server.requests[1].body == b"one"
    session.resume(1)
    exchange(session, server)
    assert (server.requests[1].body, server.requests[1].ended) == (b"onetwo", True)
    session.resume(1)
    session.resume(99)
    exchange(session, server)


def test_100_continue(session: Http2Session, server: Server) -> None:
    source = Source(None, b"body", b"")
    sink = post(session, source, fields=[("Expect", "100-continue")])
    exchange(session, server)
    server.inform(1, [(b":status", b"100")])
    exchange(session, server)
    assert sink.events == [("informational", 100, [])]
    source.answers = [b"body", b""]
    session.resume(1)
    exchange(session, server)
    assert (server.requests[1].body, server.requests[1].ended) == (b"body", True)


def test_large_upload_waits_for_windows(server: Server) -> None:
    """No more is read from the source than can be sent, and data_to_send() comes in pieces."""
    session = Http2Session()
    body = bytes(range(256)) * 40_000

    class File:
        position = 0

        def read(self, size: int) -> bytes:
            piece = body[self.position : self.position + size]
            self.position += len(piece)
            return piece

    file = File()
    post(session, file)
    server.receive(session.data_to_send())
    assert file.position <= 65535 + FRAME_SIZE
    assert len(server.requests[1].body) == 65535
    exchange(session, server)
    assert server.requests[1].body == body
    assert server.requests[1].ended
    session.close()


@pytest.mark.parametrize(
    ("allowed", "largest"), [(None, 16384), (16384, 16384), (20_000, 20_000), (65536, 65536), (2**24 - 1, FRAME_SIZE)]
)
def test_frames_are_as_large_as_the_peer_takes_them(session: Http2Session, allowed: int | None, largest: int) -> None:
    session.data_to_send()
    windows = settings((4, 1 << 30), *([] if allowed is None else [(5, allowed)]))
    feed(session, windows + frame(WINDOW_UPDATE, 0, 0, (1 << 30).to_bytes(4, "big")))
    body = bytes(range(251)) * 4000
    for request_body in (body, Source(*(body[at : at + FRAME_SIZE] for at in range(0, len(body), FRAME_SIZE)))):
        stream_id = post(session, request_body).stream_id
        sent = b"".join(iter(session.data_to_send, b""))
        payloads = [payload for kind, _, own, payload in split_frames(sent) if (kind, own) == (DATA, stream_id)]
        assert b"".join(payloads) == body
        assert max(map(len, payloads)) == largest


def test_output_is_limited_for_large_windows(session: Http2Session) -> None:
    session.data_to_send()
    feed(session, settings((4, (1 << 31) - 1)) + frame(WINDOW_UPDATE, 0, 0, (1 << 30).to_bytes(4, "big")))
    body = b"x" * (3 << 20)
    for request_body in (body, Source(*[body[:65536]] * 48)):
        stream_id = post(session, request_body).stream_id
        pieces = []
        while piece := session.data_to_send():
            assert len(piece) < SEND_SIZE + 20_000
            pieces.append(piece)
            assert session.want_write or len(pieces) > 5
        frames = [entry for entry in split_frames(b"".join(pieces)) if entry[0] == DATA and entry[2] == stream_id]
        assert sum(len(payload) for _, _, _, payload in frames) == len(body)
        assert frames[-1][1] == END_STREAM


def test_uploads_share_the_connection(session: Http2Session, server: Server) -> None:
    bodies = [bytes([i]) * (20_000 + 7000 * i) for i in range(20)]
    for i, body in enumerate(bodies):
        post(session, body if i % 2 else Source(body[:5000], body[5000:]))
    exchange(session, server)
    assert [server.requests[1 + 2 * i].body for i in range(20)] == bodies
    assert all(request.ended for request in server.requests.values())


def test_trailers(session: Http2Session, server: Server) -> None:
    source: Any = Source(b"body")
    source.trailers = [("Checksum", "1"), ("x", " y ")]
    post(session, source)
    exchange(session, server)
    request = server.requests[1]
    assert request.body == b"body"
    assert request.blocks[1] == [(b"checksum", b"1"), (b"x", b"y")]
    assert request.ended


def test_invalid_trailers_end_the_stream(session: Http2Session, server: Server) -> None:
    source: Any = Source(b"body")
    source.trailers = [("a b", "1")]
    sink = post(session, source)
    exchange(session, server)
    assert isinstance(sink.error, InvalidRequestError)
    assert server.requests[1].closed == 8
    assert not server.requests[1].ended


def test_source_that_raises_fails_its_stream_only(session: Http2Session, server: Server) -> None:
    bad, good = post(session, Source(b"x", OSError("disk on fire"))), post(session, Source(b"y"))
    exchange(session, server)
    assert isinstance(bad.error, BodyError)
    assert "disk on fire" in str(bad.error)
    assert isinstance(bad.error.__cause__, OSError)
    assert len(bad.events) == 1
    assert server.requests[1].closed == 8, "CANCEL"
    assert server.requests[3].ended
    server.respond(3, [(b":status", b"200")])
    exchange(session, server)
    assert good.status == 200


def test_source_that_gives_something_else(session: Http2Session, server: Server) -> None:
    sink = post(session, Source("text"))
    exchange(session, server)
    assert isinstance(sink.error, BodyError)
    assert "str" in str(sink.error)


def test_error_of_ours_is_passed_on(session: Http2Session, server: Server) -> None:
    error = BodyError("already consumed")
    sink = post(session, Source(error))
    exchange(session, server)
    assert sink.error is error


def test_keyboard_interrupt_in_a_source_is_raised(session: Http2Session, server: Server) -> None:
    sink, other = post(session, Source(KeyboardInterrupt())), get(session)
    with pytest.raises(KeyboardInterrupt):
        session.data_to_send()
    assert sink.over
    assert not other.over


def test_source_may_use_the_session(session: Http2Session, server: Server) -> None:
    """It isn't called from inside the library."""

    class Nosy:
        calls = 0

        def read(self, size: int) -> bytes:
            self.calls += 1
            if self.calls == 1:
                self.other = get(session, "/other")
                session.cancel(3)
                return b"x"
            if self.calls == 2:
                session.cancel(1)
            return b"y"

    nosy = Nosy()
    sink = post(session, nosy)
    exchange(session, server)
    assert sink.events == []
    assert nosy.other.events == []
    assert server.requests[1].closed == 8
    assert session.open_streams == 0


def test_cancelled_upload_is_not_read_any_more(session: Http2Session, server: Server) -> None:
    source = Source(*[b"x" * 1000] * 1000)
    post(session, source)
    server.receive(session.data_to_send())
    session.cancel(1)
    asked = len(source.asked)
    exchange(session, server)
    assert len(source.asked) == asked
    assert server.requests[1].closed == 8
    assert session.open_streams == 0


def test_reset_upload_is_not_read_any_more(session: Http2Session, server: Server) -> None:
    source = Source(*[b"x" * 1000] * 1000)
    sink = post(session, source)
    server.receive(session.data_to_send())
    server.reset(1, 2)
    feed(session, server.output())
    asked = len(source.asked)
    assert sink.over
    assert RST_STREAM not in {kind for kind, _, _, _ in split_frames(session.data_to_send())}
    assert len(source.asked) == asked


def test_upload_that_waits_when_the_session_is_closed(session: Http2Session) -> None:
    sink = post(session, Source(None))
    session.data_to_send()
    session.close()
    assert sink.over
    session.resume(1)
    assert session.data_to_send() == b""
