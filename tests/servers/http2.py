"""An HTTP/2 server driven by hand: correct where the test doesn't say otherwise, and able to misbehave where it does.

A handler gets one :class:`Http2Session` per connection, and runs in a thread of its own::

    def handler(session):
        request = session.receive_request()
        session.respond(request.stream_id, b"hello")
        session.reset_stream(session.receive_head().stream_id, ErrorCodes.REFUSED_STREAM)

    with Http2Server(handler, tls=tls_context(certificates.server, alpn=["h2"])) as server:
        ...

The protocol of the other side is checked by the ``h2`` package: what the client does wrong is an error in the handler.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RequestReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.settings import SettingCodes, Settings

from .scripted import PeerClosed, ScriptedServer

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable, Iterable, Mapping

    from .scripted import Connection

    Handler = Callable[["Http2Session"], object]

EventType = TypeVar("EventType", bound=Event)

__all__ = ["ErrorCodes", "Http2Request", "Http2Server", "Http2Session", "SettingCodes", "answer"]

#: Frame types, RFC 9113 section 6.
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)


class Http2Request(NamedTuple):
    """A request as it arrived.

    :ivar fields: the header fields in order, the pseudo fields included.
    """

    stream_id: int
    fields: list[tuple[str, str]]
    body: bytes = b""
    trailers: list[tuple[str, str]] = []  # noqa: RUF012 - never changed

    def value(self, name: str) -> str | None:
        """Return the value of the only field of that name, or ``None``; more than one is an error."""
        values = [value for field, value in self.fields if field == name]
        assert len(values) <= 1, f"{name} was sent {len(values)} times"
        return values[0] if values else None


class Http2Session:
    """The server's end of one HTTP/2 connection. For the handler's thread, except where it says otherwise.

    :ivar connection: the connection below.
    :ivar h2: the state machine; anything it can do and this class can't may be done there, and then :meth:`flush`.
    :ivar events: every event so far; may be looked at from any thread.
    """

    def __init__(self, connection: Connection, settings: Mapping[SettingCodes, int], acknowledge: bool) -> None:
        self.connection = connection
        self.events: list[Event] = []
        self._waiting: list[Event] = []
        self._acknowledge = acknowledge
        # Without checks of what is sent, so that a handler can send what isn't allowed.
        self.h2 = H2Connection(
            H2Configuration(
                client_side=False,
                header_encoding="latin-1",
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
            )
        )
        if settings:
            # Initial values hold from the first byte on; an update would wait for the client's acknowledgement.
            known = {SettingCodes.MAX_CONCURRENT_STREAMS: 100, SettingCodes.MAX_HEADER_LIST_SIZE: 1 << 16}
            self.h2.local_settings = Settings(client=False, initial_values={**known, **settings})
            self.h2.max_inbound_frame_size = self.h2.local_settings.max_frame_size

    # Receiving

    def pump(self) -> bool:
        """Read once, and answer what HTTP/2 answers by itself (SETTINGS, PING); ``False`` at the end of the stream."""
        # A client that closes with unread data resets the connection, and with HTTP/2 there is nearly always some.
        try:
            data = self.connection.receive_some()
        except ConnectionError:
            return False
        events = self.h2.receive_data(data) if data else []
        for event in events:
            if isinstance(event, DataReceived) and self._acknowledge and event.flow_controlled_length:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        self.events += events
        self._waiting += events
        with contextlib.suppress(ConnectionError):
            self.flush()
        return bool(data)

    def wait_for(self, kind: type[EventType], stream_id: int | None = None) -> EventType:
        """Return the next event of a kind, and of a stream; other events stay to be waited for."""
        while True:
            for event in self._waiting:
                if isinstance(event, kind) and stream_id in (None, getattr(event, "stream_id", None)):
                    self._waiting.remove(event)
                    return event
            if not self.pump():
                raise PeerClosed(f"wanted {kind.__name__}, got {self._waiting}")

    def take(self, stream_id: int | None = None) -> list[Event]:
        """Return the events so far, or those of a stream, that nobody has taken."""
        taken = [event for event in self._waiting if stream_id in (None, getattr(event, "stream_id", None))]
        self._waiting = [event for event in self._waiting if event not in taken]
        return taken

    def receive_head(self) -> Http2Request | None:
        """Return the next request without its body; ``None`` if the client closes instead."""
        while True:
            for event in self._waiting:
                if isinstance(event, RequestReceived):
                    self._waiting.remove(event)
                    return Http2Request(event.stream_id, _text(event.headers))
                if isinstance(event, ConnectionTerminated):
                    return None
            if not self.pump():
                return None

    def receive_body(self, head: Http2Request) -> Http2Request:
        """Return the request with its body and its trailers, once it has ended."""
        self.wait_for(StreamEnded, head.stream_id)
        body = b""
        trailers: list[tuple[str, str]] = []
        for event in [event for event in self._waiting if getattr(event, "stream_id", None) == head.stream_id]:
            self._waiting.remove(event)
            if isinstance(event, DataReceived):
                body += event.data
            elif isinstance(event, TrailersReceived):
                trailers = _text(event.headers)
        return head._replace(body=body, trailers=trailers)

    def receive_request(self) -> Http2Request | None:
        """Return the next request; ``None`` if the client closes instead."""
        head = self.receive_head()
        return head and self.receive_body(head)

    # Sending

    def flush(self) -> None:
        """Send what the state machine has for the client."""
        if data := self.h2.data_to_send():
            self.connection.send(data)

    def send_headers(self, stream_id: int, fields: Iterable[tuple[str, str]], *, end: bool = False) -> None:
        """Send a head (informational or final) or, after data, trailers with ``end=True``."""
        self.h2.send_headers(stream_id, list(fields), end_stream=end)
        self.flush()

    def send_data(self, stream_id: int, data: bytes, *, end: bool = False) -> None:
        """Send all of *data*, within the client's windows: waits for WINDOW_UPDATE where they are used up.

        Stops where the client resets the stream.
        """
        rest = memoryview(data)
        while True:
            if any(isinstance(event, StreamReset) and event.stream_id == stream_id for event in self.events):
                return
            window = self.h2.local_flow_control_window(stream_id)
            size = min(len(rest), window, self.h2.max_outbound_frame_size)
            if size or not rest:
                self.h2.send_data(stream_id, bytes(rest[:size]), end_stream=end and size == len(rest))
                self.flush()
                rest = rest[size:]
            elif not self.pump():
                raise PeerClosed(f"the client closed with {len(rest)} bytes of stream {stream_id} unsent")
            if not rest:
                return

    def respond(
        self,
        stream_id: int,
        body: bytes = b"",
        status: int = 200,
        fields: Iterable[tuple[str, str]] = (),
        trailers: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Send a whole response, with a ``content-length``."""
        trailers = list(trailers)
        head = [(":status", str(status)), ("content-length", str(len(body))), *fields]
        self.send_headers(stream_id, head, end=not body and not trailers)
        if body:
            self.send_data(stream_id, body, end=not trailers)
        if trailers:
            self.send_headers(stream_id, trailers, end=True)

    def reset_stream(self, stream_id: int, code: int = ErrorCodes.INTERNAL_ERROR) -> None:
        """Send RST_STREAM."""
        self.h2.reset_stream(stream_id, code)
        self.flush()

    def go_away(self, last_stream_id: int, code: int = ErrorCodes.NO_ERROR, debug: bytes = b"") -> None:
        """Send GOAWAY; streams up to *last_stream_id* can still be answered."""
        # Not by the state machine: for h2, GOAWAY is the last word on a connection.
        self.send_frame(GOAWAY, 0, 0, last_stream_id.to_bytes(4, "big") + code.to_bytes(4, "big") + debug)

    def update_settings(self, settings: Mapping[SettingCodes | int, int]) -> None:
        """Send SETTINGS."""
        self.h2.update_settings(dict(settings))
        self.flush()

    def send_frame(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        """Send any frame, right or wrong, past the state machine."""
        head = len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream_id.to_bytes(4, "big")
        self.connection.send(head + payload)


class Http2Server(ScriptedServer):
    """A :class:`ScriptedServer` whose handlers speak HTTP/2.

    :param handler: what to do with each connection.
    :param tls: speak TLS with this context, which should offer ``h2`` by ALPN; ``None`` for prior knowledge.
    :param settings: the first SETTINGS that the server sends, where they differ from the defaults.
    :param acknowledge: give back the window for data as soon as it has arrived.
    :param handshakes_fail: as for :class:`ScriptedServer`.
    :param aborts: as for :class:`ScriptedServer`.
    :ivar sessions: one for each connection so far.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        listener: socket.socket | None = None,
        settings: Mapping[SettingCodes, int] | None = None,
        acknowledge: bool = True,
        handshakes_fail: bool = False,
        aborts: bool = False,
    ) -> None:
        self.sessions: list[Http2Session] = []

        def handle(connection: Connection) -> None:
            session = Http2Session(connection, settings or {}, acknowledge)
            self.sessions.append(session)
            session.h2.initiate_connection()
            session.flush()
            handler(session)

        super().__init__(
            handle, tls=tls, host=host, listener=listener, handshakes_fail=handshakes_fail, aborts=aborts
        )


def answer(body: bytes = b"", status: int = 200, fields: Iterable[tuple[str, str]] = ()) -> Handler:
    """Return a handler that answers every request of a connection in the same way, until the client closes."""
    fields = list(fields)

    def handler(session: Http2Session) -> None:
        while request := session.receive_request():
            session.respond(request.stream_id, body, status, fields)

    return handler


def _text(headers: Iterable[tuple[str | bytes, str | bytes]]) -> list[tuple[str, str]]:
    return [(str(name), str(value)) for name, value in headers]
