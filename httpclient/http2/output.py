"""What an HTTP/2 session has to send: frames out of nghttp2, and the bodies of requests into them."""

from __future__ import annotations

from ctypes import byref, c_char, c_void_p, string_at

from nghttp2_api.constants import NGHTTP2_GOAWAY, NGHTTP2_RST_STREAM

from ..errors import BodyError, HttpClientError
from .callbacks import FRAME_SIZE
from .native import CallbackGuard, mem_send, resume_data, submit_trailer, want_write
from .request import field_array, wire_fields
from .streams import Http2Streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .callbacks import SessionCallbacks
    from .trace import FrameReader, Http2Frame
    from .upload import Upload, Uploads

#: data_to_send() stops when it has so many bytes.
SEND_SIZE = FRAME_SIZE + 9
#: Frames are read through a view of this size; longer ones in another way.
_FRAME_VIEW = 32 * 1024
#: How long a frame of type RST_STREAM is (RFC 9113 section 6.4).
_RESET_SIZE = 9 + 4
#: Only frames of a body are larger than this, and only they are looked at for SEND_SIZE.
_LARGE_FRAME = 1024


class Http2Output(Http2Streams):
    """The sending side of a session. Not used alone: :class:`httpclient.http2.session.Http2Session` completes it."""

    __slots__ = (
        "_frame_address",
        "_frame_view",
        "_guard",
        "_held",
        "_place",
        "_place_reference",
        "_trace_received",
        "_trace_sent",
    )

    def __init__(
        self,
        callbacks: SessionCallbacks,
        pointer: c_void_p,
        trace: Callable[[Http2Frame], object] | None,
        **options: Any,
    ) -> None:
        super().__init__(callbacks, pointer, **options)
        self._guard = CallbackGuard(callbacks.failures)
        # Where the library says where its next frame is; and a view of that place, which is nearly always the same.
        self._place = c_void_p()
        self._place_reference = byref(self._place)
        self._frame_address = 0
        self._frame_view = memoryview(b"")
        #: Frames that were taken out of the library before anybody asked for them.
        self._held = b""
        self._trace_sent: FrameReader | None = None
        self._trace_received: FrameReader | None = None
        if trace is not None:
            from .trace import FrameReader

            self._trace_sent, self._trace_received = FrameReader(True, trace), FrameReader(False, trace)

    @property
    def frame_counts(self) -> tuple[dict[int, int], dict[int, int]]:
        """How many frames of each type were sent and received; empty without a trace."""
        sent, received = self._trace_sent, self._trace_received
        return ({}, {}) if sent is None or received is None else (sent.counts, received.counts)

    def data_to_send(self) -> bytes:
        """Return what is to be sent now, ``b""`` if there is nothing.

        A large upload comes in pieces of :data:`SEND_SIZE` or little more: call it again when they have been sent.

        Delphi: Grijjy.Http.TgoHttpClient.nghttp2_Send (private there)
        """
        frames, payload = self.output()
        return frames + payload if payload else frames

    def output(self) -> tuple[bytes, bytes]:
        """Do as :meth:`data_to_send`, without copying what is large.

        :return: two parts, of which the second, the payload of one frame, is mostly empty.
        """
        pointer = self._pointer
        if pointer is None:
            return b"", b""
        uploads = self._uploads
        payload = b""
        held, self._held = self._held, b""
        try:
            if uploads is not None and uploads.busy:
                data, payload = self._collect_with_uploads(pointer, uploads, held)
            else:
                data = self._collect(pointer, held)
            if self._callbacks.events and not self._dispatching:
                self._dispatch(memoryview(b""), 0)
        except BaseException as error:
            # What was taken out of the library is lost.
            self._interrupted(error)
            raise
        if self._pending_error is not None and not self._dispatching:
            self._settle()
        if data:
            self.bytes_sent += len(data) - len(held) + len(payload)
            if self._trace_sent is not None:
                self._trace_sent.feed(data[len(held) :])
                self._trace_sent.feed(payload)
        return data, payload

    @property
    def want_write(self) -> bool:
        """:meth:`data_to_send` has something to give, or a body to read."""
        pointer = self._pointer
        if pointer is None:
            return False
        uploads = self._uploads
        return bool(self._held) or want_write(pointer) != 0 or (uploads is not None and uploads.waiting)

    def _collect(self, pointer: c_void_p, before: bytes) -> bytes:
        """Take out the frames that can be sent: all of them, or as many as make :data:`SEND_SIZE`.

        :param before: what goes in front of them.
        """
        place, reference = self._place, self._place_reference
        frames = [before] if before else []
        frame = b""
        total = len(before)
        size = mem_send(pointer, reference)
        while size > 0:
            address = place.value or 0
            if size <= _FRAME_VIEW:
                if address != self._frame_address:
                    self._frame_address = address
                    # Nobody looks at what is behind the frame.
                    self._frame_view = memoryview((c_char * _FRAME_VIEW).from_address(address)).cast("B")
                frame = self._frame_view[:size].tobytes()
            else:
                frame = string_at(address, size)
            frames.append(frame)
            if size > _LARGE_FRAME:
                total += size  # the others are too small to count
                if total >= SEND_SIZE:
                    break
            elif size == _RESET_SIZE and frame[3] == NGHTTP2_RST_STREAM:
                self._reset_sent(int.from_bytes(frame[5:9], "big"), int.from_bytes(frame[9:], "big"))
            size = mem_send(pointer, reference)
        if size < 0:
            self._library_failed(size)
        elif frame and frame[3] == NGHTTP2_GOAWAY:
            # The library sends GOAWAY only to end the connection, and nothing after it.
            self._goaway_sent(frame)
        return frames[0] if len(frames) == 1 else b"".join(frames)

    def _collect_with_uploads(self, pointer: c_void_p, uploads: Uploads, before: bytes) -> tuple[bytes, bytes]:
        """Do as :meth:`_collect`, and read on in the bodies that there is room for."""
        failures, heads = self._callbacks.failures, self._callbacks.payload_heads
        self._feed(pointer, uploads)
        while True:
            before = self._guard.call(self._collect, pointer, before)
            if failures:
                raise failures.pop()
            if heads:
                payload, uploads.payload = uploads.payload, b""
                return before + heads.pop(), payload
            if self._over or len(before) >= SEND_SIZE or not self._feed(pointer, uploads):
                return before, b""

    def _feed(self, pointer: c_void_p, uploads: Uploads) -> bool:
        """Read on in the bodies whose last piece is sent, and end those that are at their end.

        :return: the library has more to send now.
        """
        fed = False
        for upload in uploads.take_hungry():
            try:
                if upload.refill():
                    fed = True
                    if upload.deferred:
                        upload.deferred = False
                        resume_data(pointer, upload.stream_id)
            except BaseException as error:
                self._body_failed(upload, error)
        for upload in uploads.take_ended():
            try:
                fields = field_array(wire_fields(upload.trailers))
                submit_trailer(pointer, upload.stream_id, fields, len(fields))
                fed = True
            except BaseException as error:
                self._body_failed(upload, error)
        return fed

    def _body_failed(self, upload: Upload, error: BaseException) -> None:
        """End the stream of a request whose body could not be read."""
        failure: HttpClientError
        if isinstance(error, HttpClientError):
            failure = error
        else:
            failure = BodyError(f"reading the request body raised {error!r}")
            failure.__cause__ = error
        self._fail_stream(upload.stream_id, failure)
        if not isinstance(error, Exception):
            self._pending_error = error
