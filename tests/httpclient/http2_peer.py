"""The other side of HTTP/2 for tests: a server on nghttp2, and frames made by hand for what no server should send."""

from __future__ import annotations

import ctypes
from ctypes import byref, c_void_p, string_at
from typing import Any

import nghttp2_api as ng
from httpclient.errors import HttpClientError
from httpclient.head import ResponseHead
from httpclient.http2.session import Http2Session

Fields = list[tuple[bytes, bytes]]

# Frame types and flags of RFC 9113 section 6.
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind: int, flags: int = 0, stream_id: int = 0, payload: bytes = b"") -> bytes:
    """Return a frame (RFC 9113 section 4.1)."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream_id.to_bytes(4, "big") + payload


def block(fields: Fields) -> bytes:
    """Return a header block of literal fields, not indexed and not Huffman-coded (RFC 7541 section 6.2.2)."""
    return b"".join(b"\x00" + _string(name) + _string(value) for name, value in fields)


def _string(data: bytes) -> bytes:
    size = len(data)
    if size < 127:
        return bytes([size]) + data
    size -= 127
    prefix = [127]
    while size >= 128:
        prefix.append(size % 128 + 128)
        size //= 128
    return bytes([*prefix, size]) + data


def headers(stream_id: int, fields: Fields, end: bool = False) -> bytes:
    """Return a HEADERS frame."""
    return frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream_id, block(fields))


def data(stream_id: int, payload: bytes, end: bool = False) -> bytes:
    """Return a DATA frame."""
    return frame(DATA, END_STREAM if end else 0, stream_id, payload)


def reset(stream_id: int, code: int) -> bytes:
    """Return a RST_STREAM frame."""
    return frame(RST_STREAM, 0, stream_id, code.to_bytes(4, "big"))


def goaway(last_stream_id: int, code: int, text: bytes = b"") -> bytes:
    """Return a GOAWAY frame."""
    return frame(GOAWAY, 0, 0, last_stream_id.to_bytes(4, "big") + code.to_bytes(4, "big") + text)


def settings(*entries: tuple[int, int]) -> bytes:
    """Return a SETTINGS frame."""
    return frame(SETTINGS, 0, 0, b"".join(key.to_bytes(2, "big") + value.to_bytes(4, "big") for key, value in entries))


def split_frames(wire: bytes) -> list[tuple[int, int, int, bytes]]:
    """Take a client's output apart: (type, flags, stream, payload) of each frame."""
    wire = wire.removeprefix(PREFACE)
    frames = []
    while wire:
        size = int.from_bytes(wire[:3], "big")
        frames.append((wire[3], wire[4], int.from_bytes(wire[5:9], "big"), wire[9 : 9 + size]))
        assert len(wire) >= 9 + size, "a frame in part"
        wire = wire[9 + size :]
    return frames


class Sink:
    """Notes what it is told. ``events`` has one entry per call, but pieces of body that follow each other are one."""

    auto_consume = True

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []
        self.error: HttpClientError | None = None
        self.pieces = 0
        self.stream_id = 0

    def on_informational(self, head: ResponseHead) -> None:
        self.events.append(("informational", head.status, head.fields))

    def on_head(self, head: ResponseHead) -> None:
        assert (head.version, head.reason) == ("2", b"")
        self.events.append(("head", head.status, head.fields))

    def on_data(self, view: memoryview | bytes) -> None:
        assert len(view), "an empty piece"
        self.pieces += 1
        if self.events and self.events[-1][0] == "data":
            self.events[-1] = ("data", self.events[-1][1] + bytes(view))
        else:
            self.events.append(("data", bytes(view)))

    def on_response(self, head: ResponseHead, view: memoryview) -> None:
        self.on_head(head)
        self.on_data(view)
        self.on_end([])

    def on_end(self, trailers: Fields) -> None:
        self.events.append(("end", trailers))

    def on_failure(self, error: HttpClientError) -> None:
        assert isinstance(error, HttpClientError)
        self.error = error
        self.events.append(("failure", type(error), str(error)))

    @property
    def over(self) -> bool:
        return bool(self.events) and self.events[-1][0] in {"end", "failure"}

    @property
    def status(self) -> int:
        status: int = next(event[1] for event in self.events if event[0] == "head")
        return status

    @property
    def body(self) -> bytes:
        return b"".join(event[1] for event in self.events if event[0] == "data")


class PullingSink(Sink):
    """Says itself what it has taken."""

    auto_consume = False


def get(session: Http2Session, path: str = "/", sink: Sink | None = None, **changes: Any) -> Sink:
    """Submit a request; returns its sink, which has the number as ``stream_id``."""
    sink = sink or Sink()
    request: dict[str, Any] = {
        "method": "GET",
        "scheme": "https",
        "authority": "example.org",
        "path": path,
        "fields": [],
        "body": None,
        **changes,
    }
    sink.stream_id = session.submit(**request, sink=sink)
    return sink


def feed(session: Http2Session, wire: bytes, size: int = 1 << 20) -> None:
    """Let the client receive *wire*, in pieces of *size*."""
    for start in range(0, len(wire), size):
        piece = bytearray(wire[start : start + size])
        session.receive(piece, 0, len(piece))


class Request:
    """A request as the server has seen it."""

    def __init__(self) -> None:
        self.blocks: list[Fields] = []
        self.body = b""
        self.ended = False
        self.closed: int | None = None

    @property
    def fields(self) -> Fields:
        return self.blocks[0]


class Server:
    """A server on the raw binding: it notes requests and answers as the test says."""

    def __init__(self, *entries: tuple[int, int]) -> None:
        self.requests: dict[int, Request] = {}
        self.frames: list[tuple[int, int, int]] = []
        self.goaway: tuple[int, int] | None = None
        self._providers: list[Any] = []
        self._kept = [
            ng.nghttp2_on_begin_headers_callback(self._on_begin_headers),
            ng.nghttp2_on_header_callback(self._on_header),
            ng.nghttp2_on_frame_recv_callback(self._on_frame_recv),
            ng.nghttp2_on_data_chunk_recv_callback(self._on_data_chunk_recv),
            ng.nghttp2_on_stream_close_callback(self._on_stream_close),
        ]
        callbacks = c_void_p()
        assert ng.nghttp2_session_callbacks_new(byref(callbacks)) == 0
        ng.nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, self._kept[0])
        ng.nghttp2_session_callbacks_set_on_header_callback(callbacks, self._kept[1])
        ng.nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, self._kept[2])
        ng.nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, self._kept[3])
        ng.nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, self._kept[4])
        self.session: c_void_p | None = c_void_p()
        assert ng.nghttp2_session_server_new(byref(self.session), callbacks, None) == 0
        ng.nghttp2_session_callbacks_del(callbacks)
        array = (ng.nghttp2_settings_entry * len(entries))(*[ng.nghttp2_settings_entry(*entry) for entry in entries])
        assert ng.nghttp2_submit_settings(self.session, 0, array, len(entries)) == 0

    def close(self) -> None:
        session, self.session = self.session, None
        if session is not None:
            ng.nghttp2_session_del(session)

    def _on_begin_headers(self, session: int, frame: Any, user_data: int) -> int:
        self.requests.setdefault(frame.contents.hd.stream_id, Request()).blocks.append([])
        return 0

    def _on_header(
        self, session: int, frame: Any, name: Any, name_size: int, value: Any, size: int, flags: int, user_data: int
    ) -> int:
        field = string_at(name, name_size), string_at(value, size)
        self.requests[frame.contents.hd.stream_id].blocks[-1].append(field)
        return 0

    def _on_frame_recv(self, session: int, frame: Any, user_data: int) -> int:
        header = frame.contents.hd
        self.frames.append((header.type, header.flags, header.stream_id))
        if header.type in {DATA, HEADERS} and header.flags & END_STREAM:
            self.requests[header.stream_id].ended = True
        if header.type == GOAWAY:
            self.goaway = frame.contents.goaway.last_stream_id, frame.contents.goaway.error_code
        return 0

    def _on_data_chunk_recv(
        self, session: int, flags: int, stream_id: int, chunk: Any, size: int, user_data: int
    ) -> int:
        self.requests[stream_id].body += string_at(chunk, size)
        return 0

    def _on_stream_close(self, session: int, stream_id: int, code: int, user_data: int) -> int:
        self.requests[stream_id].closed = code
        return 0

    def receive(self, wire: bytes) -> None:
        assert ng.nghttp2_session_mem_recv(self.session, wire, len(wire)) == len(wire)

    def output(self) -> bytes:
        place = c_void_p()
        out = b""
        while (size := ng.nghttp2_session_mem_send(self.session, byref(place))) > 0:
            out += string_at(place, size)
        assert size == 0
        return out

    def respond(
        self, stream_id: int, fields: Fields, body: bytes | None = None, trailers: Fields | None = None
    ) -> None:
        """Answer a request; without *body* the header block ends the response."""
        provider = None if body is None else byref(self._provider(body, trailers))
        assert ng.nghttp2_submit_response(self.session, stream_id, _array(fields), len(fields), provider) == 0

    def inform(self, stream_id: int, fields: Fields) -> None:
        """Send an interim response."""
        assert ng.nghttp2_submit_headers(self.session, 0, stream_id, None, _array(fields), len(fields), None) == 0

    def reset(self, stream_id: int, code: int) -> None:
        assert ng.nghttp2_submit_rst_stream(self.session, 0, stream_id, code) == 0

    def _provider(self, body: bytes, trailers: Fields | None) -> Any:
        position = 0

        def read(session: int, stream_id: int, buffer: Any, room: int, flags: Any, source: Any, user_data: int) -> int:
            nonlocal position
            piece = body[position : position + room]
            position += len(piece)
            ctypes.memmove(buffer, piece, len(piece))
            if position == len(body):
                flags[0] = ng.NGHTTP2_DATA_FLAG_EOF
                if trailers is not None:
                    flags[0] |= ng.NGHTTP2_DATA_FLAG_NO_END_STREAM
                    array = _array(trailers)
                    assert ng.nghttp2_submit_trailer(self.session, stream_id, array, len(trailers)) == 0
            return len(piece)

        provider = ng.nghttp2_data_provider()
        provider.read_callback = ng.nghttp2_data_source_read_callback(read)
        self._providers.append(provider)
        return provider


def _array(fields: Fields) -> Any:
    return (ng.nghttp2_nv * len(fields))(
        *[ng.nghttp2_nv(name, value, len(name), len(value), 0) for name, value in fields]
    )


def exchange(session: Http2Session, server: Server) -> None:
    """Let both sides say all they have to say."""
    while True:
        wire = session.data_to_send()
        server.receive(wire)
        answer = server.output()
        feed(session, answer)
        if not wire and not answer:
            return
