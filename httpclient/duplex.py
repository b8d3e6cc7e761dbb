"""A request and its response as two streams of bytes at once, over HTTP/2.

HTTP/2 lets both sides send at the same time and end independently (RFC 9113 section 8.1): what gRPC, tunnels and
WebSockets (RFC 8441) are made of. :meth:`TgoHttpClient.open_stream` gives a :class:`DuplexStream`.

Nothing is collected anywhere: :meth:`~DuplexStream.send` waits until flow control has let everything through, and the
server may send what the window of the stream holds until :meth:`~DuplexStream.receive` takes it.

No Delphi origin: the original sends a request before it looks at the response.
"""

from __future__ import annotations

from collections import deque

from nghttp2_api.constants import NGHTTP2_CANCEL, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL

from .content.body import Body
from .errors import (
    PHASE_SEND,
    BodyError,
    HttpClientError,
    HttpProtocolError,
    ReceiveTimeoutError,
    RemoteClosedError,
    SendTimeoutError,
)
from .exchange import StreamExchange
from .failures import aborted
from .headers import TgoHttpHeaders
from .http1.request import check_trailers
from .sockets import call_elsewhere

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Self

    from .call_options import HeaderInput
    from .client import TgoHttpClient
    from .head import ResponseHead
    from .http2.connection import Http2Connection
    from .request import Request

#: How often a stream is opened anew because its connection had just ended, before anything was sent.
_ATTEMPTS = 3


class DuplexBody(Body):
    """A request body that is given piece by piece while it is sent.

    :ivar trailers: the fields to send after the end.
    :ivar drained: the session has taken all that was given.
    :ivar finished: the session has taken the end.
    """

    __slots__ = ("_ended", "_pieces", "drained", "exchange", "finished", "trailers")

    repeatable = False
    in_memory = False

    def __init__(self) -> None:
        super().__init__()
        self.length = None
        self.exchange: DuplexExchange | None = None
        self.trailers: list[tuple[str, str]] = []
        self.drained = True
        self.finished = False
        self._pieces: deque[bytes] = deque()
        self._ended = False

    @property
    def ended(self) -> bool:
        """Nothing more is given."""
        return self._ended

    def put(self, data: bytes) -> None:
        """Give more."""
        self.drained = False
        self._pieces.append(data)

    def end(self, trailers: list[tuple[str, str]]) -> None:
        """Give no more."""
        self.trailers = trailers
        self._ended = True

    def read(self, size: int) -> bytes | None:  # type: ignore[override]
        if self._pieces:
            return self._pieces.popleft()
        exchange = self.exchange
        assert exchange is not None
        if not self.drained:
            self.drained = True
            exchange.note(exchange.sender)
        if not self._ended:
            return None
        self.finished = True
        exchange.settle()
        return b""

    def abort(self, error: HttpClientError) -> None:
        """No more of it can be sent, though the response is complete."""
        assert self.exchange is not None
        self.exchange.on_failure(error)


class SenderLimits:
    """What the sending side of a request waits for at most."""

    __slots__ = ("body", "deadline", "recv_timeout")

    def __init__(self, request: Request) -> None:
        self.body = None
        self.deadline = request.deadline
        self.recv_timeout = request.send_timeout


class Sender:
    """The sending side of an exchange, where it waits for the peer; see :mod:`.http2.driver`."""

    __slots__ = ("_exchange", "last_activity", "request", "stream_id", "waiter")

    incremental = False
    head = None
    done = False
    call = None

    def __init__(self, exchange: DuplexExchange) -> None:
        self._exchange = exchange
        self.request = SenderLimits(exchange.request)
        self.waiter: Any = None
        self.last_activity = 0.0
        self.stream_id = 0

    def satisfied(self) -> bool:
        """There is nothing to wait for: everything is sent, or nothing can be."""
        exchange = self._exchange
        return exchange.body_source.drained or exchange.done


class SettingsWait(Sender):
    """Waits until the peer's SETTINGS have arrived."""

    __slots__ = ("_connection",)

    def __init__(self, exchange: DuplexExchange, connection: Http2Connection) -> None:
        super().__init__(exchange)
        self.request.recv_timeout = exchange.request.recv_timeout
        self._connection = connection

    def satisfied(self) -> bool:
        return self._connection.settings_received or self._connection.ended


class DuplexExchange(StreamExchange):
    """An exchange that is over when both directions are.

    :ivar ended: the response is complete.
    """

    __slots__ = ("body_source", "ended", "protocol", "sender")

    sends_first = False

    def __init__(self, request: Request, body: DuplexBody, protocol: str) -> None:
        super().__init__(request)
        self.body_source = body
        body.exchange = self
        self.protocol = protocol
        self.ended = False
        self.sender = Sender(self)
        self.wants_head = False

    def note(self, party: object) -> None:
        """Something has happened to one of the two sides."""
        if self.news is not None:
            self.news.append(party)  # type: ignore[arg-type]  # a party; see http2.driver

    def settle(self) -> None:
        """One direction has ended; the exchange has when the other one has too."""
        if self.ended and self.body_source.finished:
            self.done = True
            self.note(self)

    def on_end(self, trailers: list[tuple[bytes, bytes]]) -> None:
        self.trailers = trailers
        self.ended = True
        self.note(self)
        self.settle()

    def on_failure(self, error: HttpClientError) -> None:
        super().on_failure(error)
        self.note(self.sender)

    def satisfied(self) -> bool:
        return self.ended or super().satisfied()


class DuplexStream:
    """Both directions of one HTTP/2 stream; made by :meth:`TgoHttpClient.open_stream`.

    One thread may send while another receives; each direction is for one thread at a time. :meth:`reset` and
    :meth:`close` may be called from any thread. Leaving a ``with`` block gives up what isn't over.

    Content codings aren't undone, redirects and challenges aren't followed, and nothing is tried again: the bytes are
    the caller's own.

    :ivar request: what was sent at the beginning.
    """

    __slots__ = ("_connection", "_exchange", "_headers", "request")

    def __init__(self, exchange: DuplexExchange) -> None:
        self._exchange = exchange
        self._connection: Http2Connection = exchange.connection
        self._headers: TgoHttpHeaders | None = None
        self.request = exchange.request

    # Sending

    def send(self, data: bytes | bytearray | memoryview) -> None:
        """Send *data*, and wait until the server has let all of it through.

        :raises SendTimeoutError: the server took nothing for the receive timeout; the stream is reset.
        :raises BodyError: :meth:`end` has been called.
        :raises HttpClientError: the stream can't be sent on: reset, or complete without it, or its connection ended.
        """
        exchange = self._exchange
        body = exchange.body_source
        if body.ended:
            raise BodyError("the request has been ended", url=self.url)
        self._check()
        if not len(data):
            return
        body.put(data if isinstance(data, bytes) else bytes(data))
        self._connection.resume(exchange)
        sender = exchange.sender
        if not sender.satisfied():
            try:
                self._connection.await_party(sender)
            except BaseException as error:
                raise self._given_up(error, sending=True) from error
        self._check()

    def end(self, trailers: HeaderInput | None = None) -> None:
        """End the request; the response goes on. Does nothing the second time.

        :param trailers: fields to send after the last byte (RFC 9110 section 6.5).
        :raises InvalidRequestError: a field may not be sent.
        :raises HttpClientError: the stream can't be sent on.
        """
        exchange = self._exchange
        if exchange.body_source.ended:
            return
        fields = [] if trailers is None else check_trailers(TgoHttpHeaders(trailers).items())
        self._check()
        exchange.body_source.end(fields)
        self._connection.resume(exchange)
        self._check()

    def _check(self) -> None:
        exchange = self._exchange
        error = exchange.error
        if error is not None:
            raise self._located(error)
        if exchange.done and not exchange.body_source.ended:
            raise aborted("the stream is closed").locate(url=self.url)

    # Receiving

    def receive(self) -> bytes:
        """Wait for the next bytes of the response.

        :return: as they arrived; ``b""`` at the end.
        :raises ReceiveTimeoutError: nothing arrived for the receive timeout; the stream is reset.
        :raises HttpClientError: the response ended before it was complete.
        """
        exchange = self._exchange
        while True:
            piece = exchange.take()
            if piece:
                self._connection.consumed(exchange, len(piece))
                return piece
            if exchange.ended:
                return b""
            self._wait()

    def __iter__(self) -> Iterator[bytes]:
        """Yield the bytes of the response as they arrive, to its end."""
        while piece := self.receive():
            yield piece

    def _wait(self) -> None:
        """Wait until something has arrived. What arrived before an error is for the caller to take first."""
        exchange = self._exchange
        if exchange.error is not None:
            raise self._located(exchange.error)
        if not exchange.satisfied():
            try:
                self._connection.await_party(exchange)
            except BaseException as error:
                raise self._given_up(error, sending=False) from error

    @property
    def head(self) -> ResponseHead:
        """The head of the response; waits for it.

        :raises HttpClientError: there is none to come.
        """
        exchange = self._exchange
        while exchange.head is None:
            exchange.wants_head = True
            try:
                self._wait()
            finally:
                exchange.wants_head = False
        return exchange.head

    @property
    def status_code(self) -> int:
        """The status (RFC 9110 section 15); waits for the head."""
        return self.head.status

    @property
    def headers(self) -> TgoHttpHeaders:
        """The header fields of the response; waits for the head."""
        if self._headers is None:
            self._headers = TgoHttpHeaders.from_fields(self.head.fields)
        return self._headers

    @property
    def trailers(self) -> list[tuple[str, str]]:
        """The trailer fields; there once :meth:`receive` has returned ``b""``."""
        return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in self._exchange.trailers or ()]

    # The stream

    @property
    def url(self) -> str:
        """The URL of the request."""
        return self.request.uri.to_string()

    @property
    def peer(self) -> str:
        """The address and port of the server."""
        return self._exchange.peer

    @property
    def tls_description(self) -> str:
        """TLS version, cipher and ALPN protocol; empty without TLS."""
        return str(self._exchange.tls or "")

    @property
    def stream_id(self) -> int:
        """The number of the stream on its connection."""
        return self._exchange.stream_id

    def update_priority(self, priority: str) -> bool:
        """Tell the server that the priority of the response has changed (RFC 9218 section 7.1).

        :param priority: as the field Priority has it: ``u=1, i``. What it is at first, that field in *headers* says.
        :return: whether the server has said that it looks at this; otherwise nothing is sent.
        """
        return self._connection.update_priority(self._exchange, priority)

    def reset(self, code: int = NGHTTP2_CANCEL) -> None:
        """Give the stream up with RST_STREAM; whoever waits for it gets :class:`RequestAbortedError`.

        :param code: RFC 9113 section 7; CANCEL by default.
        """
        self._connection.abandon(self._exchange, aborted("the stream was reset from this side"), code)

    def close(self) -> None:
        """Give up what isn't over."""
        self.reset()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __del__(self) -> None:
        # A stream that nobody closed must not stay open for good.
        exchange = getattr(self, "_exchange", None)
        if exchange is not None and not exchange.done:
            connection = self._connection
            call_elsewhere(lambda: connection.abandon(exchange, aborted("the stream was forgotten")))

    def _located(self, error: HttpClientError) -> HttpClientError:
        return error.locate(url=self.url, peer=self._exchange.peer)

    def _given_up(self, error: BaseException, *, sending: bool) -> BaseException:
        """Reset the stream, for which somebody can't wait any longer; return what to raise."""
        exchange = self._exchange
        if exchange.error is None:
            failure = error if isinstance(error, HttpClientError) else None
            if sending and isinstance(error, ReceiveTimeoutError):
                failure = SendTimeoutError(f"the server took no data for {self.request.send_timeout:g} s")
            if failure is not None and sending:
                failure.phase = PHASE_SEND
            self._connection.abandon(exchange, failure or aborted("waiting was interrupted"))
            if failure is None:
                return error
            return self._located(failure)
        return self._located(exchange.error)

    def __repr__(self) -> str:
        return f"<DuplexStream {self.request.method} {self.request.uri.origin}>"


def open_duplex(client: TgoHttpClient, request: Request, body: DuplexBody, protocol: str = "") -> DuplexStream:
    """Open a stream for a request; see :meth:`TgoHttpClient.open_stream`."""
    pool = client._pool or client._open_pool()
    attempts = 0
    while True:
        exchange = DuplexExchange(request, body, protocol)
        connection = pool.http2_connection(exchange)
        try:
            if protocol:
                _require_extended_connect(exchange, connection)
            connection.open(exchange)
        except HttpClientError as error:
            attempts += 1
            # The connection has ended in this moment, and nothing has been sent.
            if error.retry_safe and attempts < _ATTEMPTS:
                continue
            raise
        return DuplexStream(exchange)


def _require_extended_connect(exchange: DuplexExchange, connection: Http2Connection) -> None:
    """Wait for the peer's SETTINGS, which must allow an extended CONNECT (RFC 8441 section 3).

    :raises HttpProtocolError: they don't.
    """
    url = exchange.request.uri.to_string()
    connection.await_settings(SettingsWait(exchange, connection))
    if not connection.settings_received:
        raise RemoteClosedError("the connection ended before the server's SETTINGS arrived", url=url, retry_safe=True)
    if not connection.remote_setting(NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL):
        raise HttpProtocolError(
            f"the server doesn't offer the extended CONNECT that {exchange.protocol} needs (RFC 8441)",
            url=url, peer=connection.peer,
        )  # fmt: skip
