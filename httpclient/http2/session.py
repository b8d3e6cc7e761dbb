"""A client's side of one HTTP/2 connection (RFC 9113), over nghttp2: bytes in, bytes out, no I/O.

:meth:`Http2Session.receive` takes what the network brought, :meth:`Http2Session.data_to_send` gives what is to be sent,
and what happens to a response is told to the sink of its request. One read, one call into the library, all events, one
write: that is what makes many streams on one connection cheap.

The library's callbacks only take notes (:mod:`.callbacks`). When its function has returned, the notes become
calls of sinks (:mod:`.streams`), so a sink may do whatever it likes: submit, cancel, close, or fail.

Delphi: the HTTP/2 part of Grijjy.Http.TgoHttpClient.

Differs from Delphi: a session lives as long as its connection, and carries any number of requests at once; RST_STREAM
and GOAWAY are errors; windows are wide, and given back as data is taken.
"""

from __future__ import annotations

from ctypes import addressof, byref, c_char

from nghttp2_api.constants import (
    NGHTTP2_CANCEL,
    NGHTTP2_FLAG_NONE,
    NGHTTP2_NO_ERROR,
    NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES,
)
from nghttp2_api.nghttp2 import nghttp2_session_del, nghttp2_submit_priority_update

from ..errors import HttpClientError, RequestAbortedError
from ..http1.request import check_field_value, encode_field_value
from . import errors as explain
from .callbacks import SessionCallbacks
from .native import (
    check,
    get_remote_settings,
    make_session,
    mem_recv,
    submit_request,
    terminate_session,
    want_read,
)
from .output import Http2Output
from .request import HeaderTemplate, TemplateCache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .streams import Sink
    from .trace import Http2Frame
    from .upload import BodySource

class Http2Session(Http2Output):
    """One HTTP/2 connection, seen from the client.

    Used by one thread at a time, which may change.

    Sinks are called from :meth:`receive`, :meth:`data_to_send`, :meth:`terminate`, :meth:`connection_lost` and
    :meth:`close`. One that raises fails its own stream only. What isn't an ``Exception`` (KeyboardInterrupt), and what
    ``on_end`` and ``on_failure`` raise, is raised again when the other streams have been told what there is to tell.

    :param max_header_list_size: bytes that the header fields of a response may have, counted as in RFC 9113 section
        6.5.2. The server is told, and held to it.
    :param max_header_count: how many header fields a response may have.
    :param stream_window: bytes that may be under way on one stream at first; see :mod:`.windows`.
    :param connection_window: the same for all streams together. It is given back on receipt, so that a response that
        nobody takes doesn't hold up the others.
    :param max_concurrent_streams: how many requests the server is taken to allow at once until it says so.
    :param max_informational: how many interim responses (1xx) a request may get.
    :param max_useless_frames: how many frames that serve no response the server may send at once; a tenth of it per
        second in the long run.
    :param trace: is told of every frame, in either direction.

    :ivar max_concurrent_streams: how many requests the server allows at once.
    :ivar accepts_streams: requests can be submitted; false for good after GOAWAY, or when anything has ended the
        connection, or the stream numbers.
    :ivar goaway_received: the server finishes what it has begun and takes no more.
    :ivar last_stream_id: the last stream that such a server processes.
    :ivar pings_answered: how many :meth:`ping` the server has answered.
    :ivar round_trip_time: seconds that the last of them took; ``None`` before the first.
    :ivar settings_received: the server's SETTINGS have arrived.
    :ivar settings_acknowledged: the server has acknowledged ours.
    """

    __slots__ = ("_template", "_templates")

    def __init__(
        self,
        *,
        max_header_list_size: int = 65536,
        max_header_count: int = 256,
        stream_window: int = 1 << 20,
        connection_window: int = 32 << 20,
        max_concurrent_streams: int = 100,
        max_informational: int = 32,
        max_useless_frames: int = 1000,
        trace: Callable[[Http2Frame], object] | None = None,
    ) -> None:
        callbacks = SessionCallbacks(max_header_count)
        try:
            pointer = make_session(
                callbacks.pointer,
                max_header_list_size=max_header_list_size,
                stream_window=stream_window,
                connection_window=connection_window,
                max_concurrent_streams=max_concurrent_streams,
            )
        finally:
            callbacks.release()
        super().__init__(
            callbacks,
            pointer,
            trace,
            max_header_list_size=max_header_list_size,
            max_header_count=max_header_count,
            stream_window=stream_window,
            connection_window=connection_window,
            max_concurrent_streams=max_concurrent_streams,
            max_informational=max_informational,
            max_useless_frames=max_useless_frames,
        )
        self._template: HeaderTemplate | None = None
        self._templates = TemplateCache()

    # Requests

    def submit(  # noqa: PLR0917
        self,
        method: str,
        scheme: str,
        authority: str,
        path: str,
        fields: list[tuple[str, str]],
        body: bytes | BodySource | None,
        sink: Sink,
        protocol: str = "",
    ) -> int:
        """Queue a request.

        Delphi: Grijjy.Http.TgoHttpClient.SendRequest (private there)

        :param method: sent as it is.
        :param scheme: ``http`` or ``https``.
        :param authority: host and port; a Host field takes precedence.
        :param path: path and query, percent-encoded.
        :param fields: header fields in order. Names are sent in lower case; fields that belong to a connection of
            HTTP/1.1 (RFC 9113 section 8.2.2) aren't sent.
        :param body: ``None``, all of it, or an object whose ``read(size)`` gives the next bytes, ``b""`` at the end,
            and ``None`` where there are none until :meth:`resume` is called. If it has an attribute ``trailers``, those
            fields are sent after the end.
        :param sink: is told about the response.
        :param protocol: makes CONNECT an extended one (RFC 8441), to which the server must have agreed.
        :return: the stream's number.
        :raises InvalidRequestError: something in it may not be sent; nothing has been queued.
        :raises RefusedStreamError: the connection takes no more requests, see :attr:`accepts_streams`.
        """
        if not self.accepts_streams:
            raise explain.not_sent("the connection takes no more requests")
        template = self._template
        if (
            template is None
            or fields != template.fields
            or method != template.method
            or authority != template.authority
            or scheme != template.scheme
            or protocol
        ):
            template = HeaderTemplate(method, scheme, authority, fields, protocol) if protocol else None
        if template is None:
            template = self._template = self._templates.get(method, scheme, authority, fields)
        template.set_path(path)
        if not body and (body is None or isinstance(body, bytes)):
            return self.submit_head(template, sink)
        uploads = self._uploads
        if uploads is None:
            from .upload import Uploads

            uploads = self._uploads = Uploads(self._callbacks.failures)
        stream_id = self.submit_head(template, sink, byref(uploads.provider))
        uploads.add(stream_id, body)
        return stream_id

    def submit_head(self, head: HeaderTemplate, sink: Sink, provider: object = None) -> int:
        """Queue a request whose head is made already.

        :param head: with its path.
        :param sink: is told about the response.
        :param provider: what the library reads the body with, if there is one.
        :return: the stream's number.
        :raises RefusedStreamError: the connection takes no more requests.
        """
        if not self.accepts_streams:
            raise explain.not_sent("the connection takes no more requests")
        stream_id: int = submit_request(self._pointer, None, head.array, head.count, provider, None)
        if stream_id < 0:
            # RFC 9113 section 5.1.1: stream numbers are used up, and only a new connection helps.
            self.accepts_streams = False
            raise explain.not_sent(explain.library_text(stream_id))
        self._streams[stream_id] = sink
        self.streams_opened += 1
        return stream_id

    def resume(self, stream_id: int) -> None:
        """Have a request's body asked again whose ``read`` has returned ``None``: by :meth:`data_to_send`."""
        if self._uploads is not None:
            self._uploads.resume(stream_id)

    def upload_progressed(self, stream_id: int) -> bool | None:
        """Say whether more of a request's body has been sent since this was last asked; ``None`` if it is all sent."""
        return None if self._uploads is None else self._uploads.progressed(stream_id)

    def cancel(self, stream_id: int, error_code: int = NGHTTP2_CANCEL) -> None:
        """Give up a request with RST_STREAM. Its sink isn't called any more. A request that is over stays over.

        :param error_code: RFC 9113 section 7.
        """
        if self._forget(stream_id) is not None or (self._uploads is not None and self._uploads.has(stream_id)):
            self._reset(stream_id, error_code)

    def remote_setting(self, identifier: int) -> int:
        """Return a setting of the server's (RFC 9113 section 6.5.2); the initial value until it has said more."""
        return 0 if self._pointer is None else get_remote_settings(self._pointer, identifier)

    def when_settings_received(self, call: Callable[[], object]) -> None:
        """Have *call* made, once, from :meth:`receive`, when the server's next SETTINGS arrive."""
        self._settings_waiters.append(call)

    def update_priority(self, stream_id: int, priority: str) -> bool:
        """Queue PRIORITY_UPDATE for a request (RFC 9218 section 7.1).

        :param priority: as the field Priority has it: ``u=1, i``.
        :return: whether the server has said that it looks at this (section 2.1); otherwise nothing is sent.
        """
        pointer = self._pointer
        if pointer is None or self._over or not nghttp2_submit_priority_update:
            return False
        if self.remote_setting(NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES) != 1:
            return False
        value = encode_field_value(check_field_value(priority, "Priority"))
        check(
            nghttp2_submit_priority_update(pointer, NGHTTP2_FLAG_NONE, stream_id, value, len(value)),
            "queueing PRIORITY_UPDATE",
        )
        return True

    def consume(self, stream_id: int, size: int) -> None:
        """Say that *size* bytes of a response were taken, so that the server may send as many more.

        For sinks whose ``auto_consume`` is false; does nothing where the response is complete.
        """
        partial = self._partial.get(stream_id)
        if partial is not None:
            partial.unacknowledged += size
            partial.waiting -= size
            if partial.unacknowledged >= self._stream_step:
                self._acknowledge(stream_id, partial)

    # Bytes

    def receive(self, buffer: bytearray, start: int, end: int) -> None:
        """Process what the network brought: ``buffer[start:end]``.

        Sinks get slices of *buffer* itself, or bytes, where several frames of a body follow each other. What arrives
        for a session that is over is ignored. There is often something to send afterwards.

        Delphi: Grijjy.Http.TgoHttpClient.nghttp2_Recv (private there)
        """
        if start < 0 or end > len(buffer):
            raise ValueError(f"bytes {start} to {end} of a buffer of {len(buffer)}")
        if start < end:
            # Holding on to the buffer's memory keeps it from moving.
            held = c_char.from_buffer(buffer, start)
            self.receive_at(memoryview(buffer)[start:end], addressof(held), byref(held), end - start)

    def receive_at(self, view: memoryview, address: int, pointer: object, count: int) -> None:
        """Do as :meth:`receive`, with the first bytes of a place in memory that is known already.

        :param view: the place, which doesn't move.
        :param address: where it is.
        :param pointer: the same as an argument of a C function.
        :param count: how many bytes have arrived there.
        """
        session = self._pointer
        if session is None or self._over:
            return
        if self._dispatching:
            raise RuntimeError("receive() was called by a sink")
        callbacks = self._callbacks
        self.bytes_received += count
        if self._trace_received is not None:
            self._trace_received.feed(view[:count])
        try:
            result = self._guard.call(mem_recv, session, pointer, count)
            if callbacks.failures:
                raise callbacks.failures.pop()
            if callbacks.events:
                self._dispatch(view, address)
            if result < 0:
                self._library_failed(result)
        except BaseException as error:
            # A callback that failed leaves a gap in the notes, and notes are of no use without the buffer.
            self._interrupted(error)
            raise
        if self._objections:
            # What the library objects to is known in full when it has written its answer.
            self._held = self.data_to_send()
            self._objections.clear()
        if self._pending_error is not None:
            self._settle()

    @property
    def open_streams(self) -> int:
        """How many requests aren't over."""
        return len(self._streams)

    @property
    def want_read(self) -> bool:
        """There is reason to receive: responses to come, or the connection may be used for more."""
        return self._pointer is not None and not self._over and want_read(self._pointer) != 0

    @property
    def finished(self) -> bool:
        """There is nothing more to receive or to send: the connection can be closed."""
        return not self.want_read and not self.want_write

    # The connection

    def terminate(self, error_code: int = NGHTTP2_NO_ERROR) -> None:
        """Queue GOAWAY, and give up what is under way.

        :param error_code: RFC 9113 section 7.
        """
        if self._pointer is not None and not self._over:
            terminate_session(self._pointer, error_code)
        self._end(lambda _: RequestAbortedError("the connection was closed from this side"))
        self._settle()

    def give_up(self, error: HttpClientError, error_code: int) -> None:
        """Queue GOAWAY for a server that doesn't do what it has to, and fail what is under way.

        :param error: why; each request gets its own copy.
        :param error_code: RFC 9113 section 7.
        """
        from copy import copy

        self._fail_connection(lambda: copy(error), error_code)
        self._settle()

    def connection_lost(self, error: HttpClientError) -> None:
        """Fail every request that isn't over, because the connection is.

        :param error: the reason. A request that was never sent gets another, which says so; and where the server has
            said before why it would end the connection, that is the reason.
        """
        code, text = self._going
        unsent = self._unsent()

        def failure(stream_id: int) -> HttpClientError:
            if stream_id in unsent:
                own: HttpClientError = explain.not_sent("the connection was lost")
            elif code != NGHTTP2_NO_ERROR:
                own = explain.closed_by_peer(code, text)
            else:
                return error
            own.__cause__ = error
            return own

        self._end(failure)
        self._settle()

    def close(self) -> None:
        """Free the session; what is under way fails. May be called again.

        Delphi: Grijjy.Http.TgoHttpClient.Destroy

        Differs from Delphi: the session is freed, not only terminated.
        """
        self._end(lambda _: RequestAbortedError("the connection was closed from this side"))
        pointer, self._pointer = self._pointer, None
        if pointer is not None:
            nghttp2_session_del(pointer)
        self._uploads = None
        self._held = b""
        self._settle()

    def __del__(self) -> None:
        # The constructor may have failed before there was anything to free.
        pointer = getattr(self, "_pointer", None)
        if pointer is not None:
            self._pointer = None
            nghttp2_session_del(pointer)
