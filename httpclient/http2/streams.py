"""The streams of one HTTP/2 connection: from the notes of the callbacks to the calls of sinks.

Here is what happens to a request from the moment it has a number: its response arrives (RFC 9113 section 8.1), is
counted against the windows (section 5.2), and ends in one of many ways (section 5.4). :mod:`.http2` moves the bytes.
"""

from __future__ import annotations

from time import monotonic

from nghttp2_api.constants import (
    NGHTTP2_CANCEL,
    NGHTTP2_ENHANCE_YOUR_CALM,
    NGHTTP2_FLAG_ACK,
    NGHTTP2_FLAG_END_STREAM,
    NGHTTP2_FLAG_NONE,
    NGHTTP2_HEADERS,
    NGHTTP2_INITIAL_WINDOW_SIZE,
    NGHTTP2_INTERNAL_ERROR,
    NGHTTP2_MAX_WINDOW_SIZE,
    NGHTTP2_NO_ERROR,
    NGHTTP2_PING,
    NGHTTP2_SETTINGS,
    NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
)

from ..errors import Http2StreamError, HttpClientError, RequestAbortedError
from ..head import ResponseHead
from . import errors as explain
from .callbacks import (
    EVENT_CLOSED,
    EVENT_DATA,
    EVENT_END,
    EVENT_GOAWAY,
    EVENT_HEADERS,
    EVENT_INVALID,
    EVENT_NOT_SENT,
    EVENT_RESET,
    EVENT_SETTINGS,
    EVENT_TOO_MANY_CONTINUATIONS,
    EVENT_TOO_MANY_FIELDS,
    SessionCallbacks,
)
from .limits import FrameAllowance, header_list_exceeds
from .native import (
    check,
    consume_connection,
    consume_stream,
    find_stream,
    get_remote_settings,
    set_local_window_size,
    submit_ping,
    submit_rst_stream,
    terminate_session,
)
from .windows import WindowGrowth

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from ctypes import c_void_p
    from typing import Any, Protocol

    from .upload import Uploads

    class Sink(Protocol):
        """What is told about one response. Either ``on_end`` or ``on_failure`` is called, once and last; or
        ``on_response`` alone, where a response has come in one piece.
        """

        #: Data counts as taken when ``on_data`` returns; otherwise ``consume`` says how much was taken.
        auto_consume: bool

        def on_informational(self, head: ResponseHead) -> object: ...
        def on_head(self, head: ResponseHead) -> object: ...
        def on_data(self, view: memoryview | bytes) -> object: ...
        def on_response(self, head: ResponseHead, view: memoryview) -> object: ...
        def on_end(self, trailers: list[tuple[bytes, bytes]]) -> object: ...
        def on_failure(self, error: HttpClientError) -> object: ...


#: A frame that serves no response may come for so many bytes of bodies.
_BODY_BYTES_PER_FRAME = 1024
#: And so many for each piece of a request body.
_FRAMES_PER_PIECE = 4

_STATUS = {b"%d" % status: status for status in (200, 201, 204, 206, 301, 302, 304, 400, 401, 403, 404, 500, 502, 503)}


class PartialResponse:
    """What is counted of a response that doesn't come in one piece, as most do."""

    __slots__ = ("informational", "sink", "taken", "unacknowledged", "waiting", "window", "window_since")

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        #: Bytes that the sink has taken and the library hasn't been told of.
        self.unacknowledged = 0
        #: How many interim responses there were.
        self.informational = 0
        #: Bytes that the sink has been given and hasn't taken, where it says itself what it takes.
        self.waiting = 0
        # For http2.windows: how wide the window is (0 at first), what was taken of it, and since when.
        self.window = 0
        self.taken = 0
        self.window_since = 0.0


class Http2Streams:
    """What a session knows about its streams. Not used alone: :class:`~.session.Http2Session` completes it."""

    __slots__ = (
        "_allowance",
        "_callbacks",
        "_connection_step",
        "_connection_unacknowledged",
        "_dispatching",
        "_going",
        "_head",
        "_head_fields",
        "_max_header_count",
        "_max_header_list_size",
        "_max_informational",
        "_objections",
        "_over",
        "_partial",
        "_pending_error",
        "_ping_sent_at",
        "_ping_timed",
        "_pings_sent",
        "_pointer",
        "_settings_waiters",
        "_stream_step",
        "_streams",
        "_uploads",
        "_useful_bytes",
        "_windows",
        "accepts_streams",
        "bytes_received",
        "bytes_sent",
        "goaway_received",
        "last_stream_id",
        "max_concurrent_streams",
        "pings_answered",
        "resets_received",
        "resets_sent",
        "round_trip_time",
        "settings_acknowledged",
        "settings_received",
        "streams_opened",
    )

    def __init__(
        self,
        callbacks: SessionCallbacks,
        pointer: c_void_p,
        *,
        max_header_list_size: int,
        max_header_count: int,
        stream_window: int,
        connection_window: int,
        max_concurrent_streams: int,
        max_informational: int,
        max_useless_frames: int,
    ) -> None:
        #: The library's session; ``None`` once it is freed.
        self._pointer: c_void_p | None = pointer
        self._callbacks = callbacks
        #: Whose responses aren't complete.
        self._streams: dict[int, Sink] = {}
        #: Those of them that have come in part.
        self._partial: dict[int, PartialResponse] = {}
        self._uploads: Uploads | None = None
        # The library sends WINDOW_UPDATE when half a window is used up. To tell it of each piece would be for nothing.
        # A stream's window stays the one of RFC 9113 section 6.9.2 until the peer has acknowledged our SETTINGS.
        self._stream_step = min(stream_window, NGHTTP2_INITIAL_WINDOW_SIZE) // 4
        self._windows = WindowGrowth(stream_window)
        self._connection_step = connection_window // 8
        self._connection_unacknowledged = 0
        self._max_header_list_size = max_header_list_size
        self._max_header_count = max_header_count
        self._max_informational = max_informational
        #: The last head of a final response, and the header block that it was made from: heads that are the same share
        #: an object, and aren't looked at twice.
        self._head: ResponseHead | None = None
        self._head_fields: list[tuple[bytes, bytes]] | None = None
        self._allowance = FrameAllowance(max_useless_frames, max_useless_frames / 10)
        #: Bytes of bodies that the allowance hasn't heard of.
        self._useful_bytes = 0
        self._dispatching = False
        #: Frames that the library didn't accept, by stream: its error code, the frame's type, and what it said.
        self._objections: dict[int, tuple[int, int, str]] = {}
        #: To be raised when everything has been told.
        self._pending_error: BaseException | None = None
        #: The peer's GOAWAY: code and text.
        self._going = (NGHTTP2_NO_ERROR, "")
        #: Nothing is received any more: the connection has failed, was lost, or was closed.
        self._over = False
        self.accepts_streams = True
        self.goaway_received = False
        self.last_stream_id = NGHTTP2_MAX_WINDOW_SIZE
        self.max_concurrent_streams = max_concurrent_streams
        self.pings_answered = 0
        self._pings_sent = 0
        #: Which of them tells the round trip time, and when it was sent: one at a time, more may be under way.
        self._ping_timed = 0
        self._ping_sent_at = 0.0
        self.round_trip_time: float | None = None
        self.bytes_sent = 0
        self.bytes_received = 0
        self.streams_opened = 0
        self.resets_sent = 0
        self.resets_received = 0
        self.settings_received = False
        self.settings_acknowledged = False
        #: To be called when the peer's SETTINGS arrive.
        self._settings_waiters: list[Callable[[], object]] = []

    # From notes to sinks

    def _dispatch(self, view: memoryview, base: int) -> None:
        """Act on the notes of the callbacks.

        :param view: the buffer that was received into.
        :param base: its address.
        """
        events = self._callbacks.events
        streams = self._streams
        body_bytes = 0
        size = len(view)
        self._dispatching = True
        at = 0
        # More may be added on the way: a sink may call data_to_send().
        while at < len(events):
            kind, stream_id, a, b = events[at]
            at += 1
            try:
                if kind == EVENT_HEADERS:
                    if a is self._head_fields and at + 1 < len(events) and self._uploads is None:
                        second, own, start, length = events[at]
                        third = events[at + 1]
                        if (
                            second == EVENT_DATA
                            and third[0] == EVENT_END
                            and own == third[1] == stream_id
                            and stream_id not in self._partial
                        ):
                            # The whole of a small response, as most are.
                            at += 2
                            body_bytes += length
                            sink = streams.pop(stream_id, None)
                            if sink is not None:
                                start -= base
                                if start < 0 or start + length > size:
                                    raise explain.connection_failure(NGHTTP2_INTERNAL_ERROR, "data outside the buffer")
                                sink.on_response(self._head, view[start : start + length])  # type: ignore[arg-type]
                            continue
                    self._on_headers(stream_id, a, b)
                elif kind == EVENT_DATA:
                    start = a - base
                    if start < 0 or start + b > size:
                        raise explain.connection_failure(NGHTTP2_INTERNAL_ERROR, "data outside the buffer")
                    piece: memoryview | bytes = view[start : start + b]
                    if at < len(events) and events[at][1] == stream_id and events[at][0] == EVENT_DATA:
                        # Frames are small, mostly 8 or 16 KiB: those that came together make one piece.
                        piece, at = self._join(view, base, at - 1)
                        b = len(piece)
                    body_bytes += b
                    sink = streams.get(stream_id)
                    if sink is not None:
                        partial = self._partial.get(stream_id) or self._come_in_part(stream_id, sink)
                        sink.on_data(piece)
                        if sink.auto_consume:
                            partial.unacknowledged += b
                            if partial.unacknowledged >= self._stream_step:
                                self._acknowledge(stream_id, partial)
                        else:
                            partial.waiting += b
                elif kind == EVENT_END:
                    self._on_end(stream_id, [])
                else:
                    self._on_other(kind, stream_id, a, b)
            except BaseException as error:
                self._sink_failed(stream_id, error)
        events.clear()
        self._dispatching = False
        if body_bytes:
            self._useful_bytes += body_bytes
            self._connection_unacknowledged += body_bytes
            if self._connection_unacknowledged >= self._connection_step and self._pointer is not None:
                consume_connection(self._pointer, self._connection_unacknowledged)
                self._connection_unacknowledged = 0

    def _join(self, view: memoryview, base: int, at: int) -> tuple[bytes, int]:
        """Put the pieces of a body together that follow each other in the notes from *at* on.

        :return: the bytes, and where the next note is.
        """
        events = self._callbacks.events
        own = events[at][1]
        size = len(view)
        pieces = []
        for number in range(at, len(events)):
            kind, stream_id, a, b = events[number]
            if kind != EVENT_DATA or stream_id != own:
                break
            start = a - base
            if start < 0 or start + b > size:
                break  # the next to be looked at, and complained of
            pieces.append(view[start : start + b])
        at += len(pieces)
        return b"".join(pieces), at

    def _on_headers(self, stream_id: int, fields: list[tuple[bytes, bytes]], size_and_flags: int) -> None:
        # The library has seen to it that :status comes first, that it is there in a response and not in trailers, and
        # that nothing but the end follows trailers (RFC 9113 sections 8.1 and 8.3.2).
        sink = self._streams.get(stream_id)
        if sink is None:
            return
        head = self._head
        if head is None or fields is not self._head_fields:
            size = size_and_flags >> 8
            if header_list_exceeds(fields, size, self._max_header_list_size):
                self._fail_stream(
                    stream_id,
                    Http2StreamError(
                        f"the header fields of the response are larger than {self._max_header_list_size} bytes",
                        NGHTTP2_ENHANCE_YOUR_CALM,
                    ),
                )
                return
            if not fields or fields[0][0] != b":status":
                self._on_end(stream_id, fields.copy())
                return
            text = fields[0][1]
            status = _STATUS.get(text) or int(text)
            head = ResponseHead(status, b"", "2", fields[1:])
            if status < 200:
                self._on_informational(stream_id, sink, head)
                return
            self._head, self._head_fields = head, fields
        sink.on_head(head)
        if size_and_flags & NGHTTP2_FLAG_END_STREAM:
            self._on_end(stream_id, [])

    def _on_informational(self, stream_id: int, sink: Sink, head: ResponseHead) -> None:
        partial = self._partial.get(stream_id) or self._come_in_part(stream_id, sink)
        partial.informational += 1
        if partial.informational > self._max_informational:
            self._fail_stream(
                stream_id,
                Http2StreamError(
                    f"the server sent more than {self._max_informational} interim responses (1xx) to one request",
                    NGHTTP2_ENHANCE_YOUR_CALM,
                ),
            )
            return
        sink.on_informational(head)

    def _come_in_part(self, stream_id: int, sink: Sink) -> PartialResponse:
        partial = self._partial[stream_id] = PartialResponse(sink)
        return partial

    def _on_end(self, stream_id: int, trailers: list[tuple[bytes, bytes]]) -> None:
        sink = self._forget(stream_id)
        if sink is None:
            return
        uploads = self._uploads
        if uploads is not None and uploads.has(stream_id) and not uploads.outlives_response(stream_id):
            # RFC 9113 section 8.1: the response is complete, and the rest of the request is of no use.
            self._reset(stream_id, NGHTTP2_NO_ERROR)
        sink.on_end(trailers)

    def _forget(self, stream_id: int) -> Sink | None:
        """Take a stream out of the table; return its sink, if it was there."""
        partial = self._partial.pop(stream_id, None)
        if partial is not None:
            self._windows.over(partial)
        return self._streams.pop(stream_id, None)

    def _on_other(self, kind: int, stream_id: int, a: Any, b: Any) -> None:
        """Act on what doesn't happen in a response that goes well."""
        if kind == EVENT_RESET:
            self.resets_received += 1
            if stream_id in self._streams:
                self._fail_stream(stream_id, explain.reset_by_peer(a), reset=False)
            elif not self._abort_upload(stream_id, explain.request_unwanted(a)):
                self._count_useless("RST_STREAM")
        elif kind == EVENT_CLOSED:
            code, frame, text = self._objections.pop(stream_id, (0, -1, ""))
            if stream_id in self._streams:
                text = text or self._diagnosis()
                failure = explain.invalid_from_peer(a, code, frame, text) if code else explain.closed_here(a, text)
                self._fail_stream(stream_id, failure, reset=False)
            else:
                self._abort_upload(stream_id, explain.closed_here(a, text))
        elif kind == EVENT_INVALID:
            self._objections[stream_id] = (a, b, self._diagnosis())
        elif kind == EVENT_NOT_SENT:
            if b == NGHTTP2_HEADERS:
                if self.goaway_received:
                    failure = explain.going_away(*self._going, sent=False)
                else:
                    failure = explain.not_sent(explain.library_text(a))
                self._fail_stream(stream_id, failure, reset=False)
        elif kind == EVENT_TOO_MANY_FIELDS:
            self._fail_stream(
                stream_id,
                Http2StreamError(
                    f"the response has more than {self._max_header_count} header fields", NGHTTP2_INTERNAL_ERROR
                ),
                reset=False,
            )
        elif kind == EVENT_TOO_MANY_CONTINUATIONS:
            self._fail_connection(
                lambda: explain.flooding("a header block with too many CONTINUATION frames"), NGHTTP2_ENHANCE_YOUR_CALM
            )
        elif kind == EVENT_GOAWAY:
            self._on_goaway(stream_id, a, explain.peer_text(b))
        elif kind == EVENT_SETTINGS:
            if self._pointer is not None:
                self.max_concurrent_streams = get_remote_settings(
                    self._pointer, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS
                )
            self.settings_received = True
            waiting, self._settings_waiters = self._settings_waiters, []
            for call in waiting:
                call()
            self._count_useless("SETTINGS")
        elif a == NGHTTP2_SETTINGS and b & NGHTTP2_FLAG_ACK and not self.settings_acknowledged:
            self.settings_acknowledged = True
        elif a == NGHTTP2_PING and b & NGHTTP2_FLAG_ACK and self._pings_sent > self.pings_answered:
            self.pings_answered += 1
            if self.pings_answered == self._ping_timed:
                self._ping_timed = 0
                self.round_trip_time = monotonic() - self._ping_sent_at
        else:
            self._count_useless(explain.frame_name(a))

    def _on_goaway(self, last_stream_id: int, code: int, text: str) -> None:
        """The peer takes no more requests, and hasn't processed those above *last_stream_id* (RFC 9113 section 6.8)."""
        self.accepts_streams = False
        self.goaway_received = True
        self.last_stream_id = last_stream_id
        self._going = (code, text)
        # Requests below it that haven't been sent fail when they should be.
        for stream_id in sorted(self._streams):
            if stream_id > last_stream_id:
                self._fail_stream(stream_id, explain.going_away(code, text, sent=True), reset=False)
        if self._uploads is not None:
            for stream_id in self._uploads.streams:
                if stream_id > last_stream_id:
                    self._abort_upload(stream_id, explain.going_away(code, text, sent=True))

    def ping(self) -> None:
        """Queue a PING (RFC 9113 section 6.7); :attr:`pings_answered` counts the answers."""
        if self._pointer is not None and not self._over:
            check(submit_ping(self._pointer, NGHTTP2_FLAG_NONE, None), "queueing PING")
            self._pings_sent += 1
            if not self._ping_timed:
                self._ping_timed = self._pings_sent
                self._ping_sent_at = monotonic()

    # Windows

    def _acknowledge(self, stream_id: int, partial: PartialResponse) -> None:
        """Tell the library what a stream's sink has taken."""
        pointer = self._pointer
        if pointer is not None:
            consume_stream(pointer, stream_id, partial.unacknowledged)
            wider = self._windows.taken(partial, partial.unacknowledged)
            if wider:
                set_local_window_size(pointer, NGHTTP2_FLAG_NONE, stream_id, wider)
        partial.unacknowledged = 0

    # Ends

    def _reset(self, stream_id: int, code: int) -> None:
        """Send RST_STREAM for a stream that is no longer in the table."""
        if self._uploads is not None:
            self._uploads.remove(stream_id)
        if self._pointer is not None and not self._over:
            submit_rst_stream(self._pointer, NGHTTP2_FLAG_NONE, stream_id, code)
            self.resets_sent += 1

    def _fail_stream(self, stream_id: int, error: HttpClientError, *, reset: bool = True) -> None:
        """End a stream with an error, if it isn't over.

        :param reset: tell the peer, with the code of *error*.
        """
        sink = self._forget(stream_id)
        if sink is None:
            return
        if reset:
            self._reset(stream_id, getattr(error, "error_code", NGHTTP2_CANCEL))
        elif self._uploads is not None:
            self._uploads.remove(stream_id)
        try:
            sink.on_failure(error)
        except BaseException as failure:
            self._pending_error = failure

    def _abort_upload(self, stream_id: int, error: HttpClientError) -> bool:
        """Tell a request that goes on after its response that it can't any more. ``False`` if there is none."""
        return self._uploads is not None and self._uploads.abort(stream_id, error)

    def _sink_failed(self, stream_id: int, error: BaseException) -> None:
        """End the stream of a sink that has raised."""
        if stream_id in self._streams and isinstance(error, Exception):
            failure: HttpClientError = error  # type: ignore[assignment]
            if not isinstance(error, HttpClientError):
                failure = RequestAbortedError(f"what was to handle the response raised {error!r}")
                failure.__cause__ = error
            self._fail_stream(stream_id, failure)
            return
        aborted = RequestAbortedError(f"handling the response was interrupted by {type(error).__name__}")
        aborted.__cause__ = error
        self._fail_stream(stream_id, aborted)
        self._pending_error = error

    def _end(self, failure: Callable[[int], HttpClientError]) -> None:
        """Take no more streams, and fail all that aren't over.

        :param failure: makes the error for a stream.
        """
        self._over = True
        self.accepts_streams = False
        for stream_id in sorted(self._streams):
            self._fail_stream(stream_id, failure(stream_id), reset=False)
        if self._uploads is not None:
            for stream_id in self._uploads.streams:
                self._abort_upload(stream_id, failure(stream_id))

    def _fail_connection(self, make_error: Callable[[], HttpClientError], code: int) -> None:
        """Give the connection up for the peer's fault or the library's, and tell the peer with GOAWAY."""
        if not self._over:
            if self._pointer is not None:
                terminate_session(self._pointer, code)
            self._end(lambda _: make_error())

    def _count_useless(self, what: str) -> None:
        """Count a frame that serves no response; one too many ends the connection."""
        self._allowance.add(self._useful_bytes / _BODY_BYTES_PER_FRAME)
        self._useful_bytes = 0
        uploads = self._uploads
        if uploads is not None:
            self._allowance.add(uploads.given * _FRAMES_PER_PIECE)
            uploads.given = 0
        if not self._allowance.spend():
            self._fail_connection(lambda: explain.flooding(f"the last one was {what}"), NGHTTP2_ENHANCE_YOUR_CALM)

    def _reset_sent(self, stream_id: int, code: int) -> None:
        """RST_STREAM has been taken out of the library, which may have made it by itself."""
        if code != NGHTTP2_NO_ERROR:
            self._callbacks.events.append((EVENT_CLOSED, stream_id, code, None))

    def _goaway_sent(self, frame: bytes) -> None:
        """The library has ended the connection: because we said so, or because the peer broke the rules."""
        if not self._over:
            code = int.from_bytes(frame[13:17], "big")
            reason = explain.peer_text(frame[17:]) or self._diagnosis()
            self._end(lambda _: explain.connection_failure(code, reason))

    def _library_failed(self, result: int) -> None:
        """A function of the library has returned an error after which it can't go on."""
        diagnosis = self._diagnosis()
        code = explain.fatal_failure(result, diagnosis).error_code
        self._fail_connection(lambda: explain.fatal_failure(result, diagnosis), code)

    def _interrupted(self, error: BaseException) -> None:
        """An exception has struck where notes or bytes got lost, so that the connection can't go on."""
        self._callbacks.events.clear()
        self._dispatching = False

        def failure() -> HttpClientError:
            broken = explain.connection_failure(NGHTTP2_INTERNAL_ERROR, f"interrupted by {type(error).__name__}")
            broken.__cause__ = error
            return broken

        self._fail_connection(failure, NGHTTP2_INTERNAL_ERROR)

    def _settle(self) -> None:
        """Raise what could not be raised while other streams had to be told something."""
        error, self._pending_error = self._pending_error, None
        if error is not None:
            raise error

    def _unsent(self) -> set[int]:
        """Return the streams that the library hasn't opened: their requests are still here."""
        pointer = self._pointer
        # It doesn't know those that are complete either, and as long as there are notes, some may be.
        if pointer is None or self._dispatching:
            return set()
        return {stream_id for stream_id in self._streams if not find_stream(pointer, stream_id)}

    def _diagnosis(self) -> str:
        """Return what the library last said about a mistake of the peer, once."""
        diagnosis = self._callbacks.diagnosis
        return diagnosis.pop() if diagnosis else ""
